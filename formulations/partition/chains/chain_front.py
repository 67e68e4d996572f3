"""All trade-offs of two additive objectives on a chain: the exact set of non-dominated values.

The epsilon-constraint method (Haimes, Lasdon and Wismer 1971) in lexicographic form: the best first
objective, among its optima the best second one, then the same again with the second objective
bounded just below, until nothing is left. Every step is one exact chain solve, so the set holds
the trade-offs that no weighted sum finds.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from ... import checks
from ..outcome import Watch
from .chain import ChainData
from .chain_solve import solve_data

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..problem import PartitionProblem

    Ints = NDArray[np.int64]

#: Relative step below the last point; values closer than that count as one.
STEP = 1e-7


@dataclass(frozen=True, slots=True, eq=False)
class ChainFront:
    """Non-dominated placements of a chain.

    Attributes
    ----------
    placements : tuple of ndarray, each of shape (L,)
        Node of each layer, from the best first objective to the best second one.
    values : ndarray, shape (points, 2)
        Both objectives of each placement.
    complete : bool
        Whether that is proven to be all (up to a relative step of 1e-7).
    """

    placements: tuple[Ints, ...]
    values: NDArray[np.float64]
    complete: bool


def chain_front(
    problem: PartitionProblem, objectives: tuple[str, str], watch: Watch, most: int = 1000
) -> ChainFront:
    """List the non-dominated placements of a chain under two additive objectives.

    Parameters
    ----------
    problem : PartitionProblem
        One for which `chain.applies` holds; its own objective plays no part.
    objectives : tuple of two str
        Two of ``latency``, ``bandwidth`` and ``energy``, neither of them among its limits.
    watch : Watch
        Clock; its incumbent is not touched.
    most : int
        Most points to list.

    Returns
    -------
    ChainFront

    Raises
    ------
    InputError
        If the two objectives are the same or one is bounded by the problem.
    """
    first, second = objectives
    for name in objectives:
        if first == second or name in problem.limits:
            checks.fail("objectives", objectives, "two different objectives without a limit")
    # The largest float stands for "no limit yet" and gives the bounded objective its row.
    widest = float(np.finfo(np.float64).max) / 4
    bounded = [
        ChainData.of(problem.replace(limits={**problem.limits, other: widest}), {name: 1.0})
        for name, other in ((first, second), (second, first))
    ]
    placements: list[Ints] = []
    values: list[tuple[float, float]] = []
    limit = np.inf
    complete = False
    while len(placements) < most:
        best = _solve(bounded[0], second, limit, watch)
        if best is None or len(best) == 0:
            complete = best is not None
            break
        value = bounded[0].value(best)
        tied = _solve(bounded[1], first, value * (1 + 1e-10), watch)
        if tied is None or len(tied) == 0:
            break
        placements.append(tied)
        values.append((bounded[0].value(tied), bounded[1].value(tied)))
        limit = values[-1][1] - max(STEP * abs(values[-1][1]), 1e-12)
    return ChainFront(tuple(placements), np.array(values).reshape(-1, 2), complete)


def _solve(data: ChainData, bounded: str, limit: float, watch: Watch) -> Ints | None:
    """The optimum with one objective bounded; empty where there is none, None where unproven."""
    limits = data.limits.copy()
    limits[data.names.index(bounded) - 1] = min(limit, float(np.finfo(np.float64).max) / 4)
    inner = Watch(time_limit_s=watch.remaining_s, relative_gap=1e-10)
    outcome = solve_data(replace(data, limits=limits), inner)
    if np.isposinf(outcome.bound):
        return np.empty(0, dtype=np.int64)
    if outcome.placement is None or inner.gap > 1e-8:
        return None
    return outcome.placement
