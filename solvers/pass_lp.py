"""The road of linear programmes: several commodities, rates that differ, batteries."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ..formulations.passes import PassProblem, Transfers
from ..formulations.passes.energy import eclipse_cuts
from ..formulations.passes.expansion import by_events
from ..formulations.passes.lp import PassProgramme, build, read
from .backends import RawResult, solve_model
from .options import SolveOptions
from .pass_flows import Answer, Grid
from .result import Limit, Reason

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: Columns (pieces times commodities) beyond which commodities go one after another instead.
LARGEST = 400_000


def programme(problem: PassProblem, grid: Grid, options: SolveOptions) -> Answer:
    """Solve as a linear programme over the grid's expansion; the bound is its relaxation's."""
    if problem.energy is not None and grid.inner.exact:
        events = by_events(problem, eclipse_cuts(problem))
        grid = Grid(events, events, grid.method)
    road = {"volume": _volume, "priority": _priority, "completion": _completion}
    answer = road[problem.objective](problem, grid, options)
    return replace(answer, method=f"linear programme over {grid.method}")


def _solved(found: PassProgramme, options: SolveOptions) -> RawResult:
    raw = solve_model(found.model, options)
    if raw.x is None and raw.limit is None:
        raise RuntimeError(f"the linear programme ended with {raw.reason.value}")
    return raw


def _volume(problem: PassProblem, grid: Grid, options: SolveOptions) -> Answer:
    found = build(problem, grid.inner)
    raw = _solved(found, options)
    moves = Transfers.empty() if raw.x is None else read(found, raw.x)
    bound = -raw.bound * found.unit_bytes
    if not grid.outer.exact:
        outer = build(problem, grid.outer, outer=True)
        bound = -_solved(outer, options).bound * outer.unit_bytes
    asked = sum(row.volume_bytes for row in problem.demands)
    return Answer(moves, min(bound, asked), (), raw.backend, limit=raw.limit)


def _priority(problem: PassProblem, grid: Grid, options: SolveOptions) -> Answer:
    """One class after another, the bytes of earlier ones held."""
    found = build(problem, grid.inner)
    secured: dict[int, float] = {}
    raw, x = None, None
    rank = np.array([row.priority for row in problem.demands])
    for p in np.unique(rank).tolist():
        raw = _solved(found.stage(p, secured), options)
        if raw.x is None:
            break
        x = raw.x
        secured[p] = float(found.sent_bytes(x)[rank == p].sum())
    moves = Transfers.empty() if x is None else read(found, x)
    bound = _volume(problem.replace(objective="volume"), grid, options).bound
    backend = "" if raw is None else raw.backend
    return Answer(moves, bound, (), backend, limit=None if raw is None else raw.limit)


def _completion(problem: PassProblem, grid: Grid, options: SolveOptions) -> Answer:
    """Bisection of the end: the least by which all bytes can be sent."""
    asked = sum(row.volume_bytes for row in problem.demands)
    enough = asked * (1 - 1e-9)

    def by(until_s: float) -> tuple[PassProgramme, NDArray[np.float64] | None, RawResult]:
        found = build(problem, grid.inner, until_s=until_s)
        raw = _solved(found, options)
        whole = raw.x is not None and found.sent_bytes(raw.x).sum() >= enough
        return found, raw.x if whole else None, raw

    found, x, raw = by(math.inf)
    if x is None:
        best = _volume(problem.replace(objective="volume"), grid, options)
        missing = asked - best.bound
        text = f"{missing / 1e9:.6g} GB cannot be delivered in time"
        proven = raw.reason is Reason.OPTIMAL and missing > 1e-6 * asked
        return replace(best, bound=math.inf, message=text, infeasible=proven)
    ends = np.unique(np.concatenate([grid.inner.start_s, grid.inner.end_s]))
    low, high = float(ends[0]), float(ends[-1])
    best_moves, limit = read(found, x), raw.limit
    while high - low > max(1e-6 * abs(high), 1e-3) and limit is None:
        middle = 0.5 * (low + high)
        found, x, raw = by(middle)
        limit = Limit.INTERRUPT if raw.limit is Limit.INTERRUPT else None
        if x is None:
            low = middle
        else:
            high, best_moves = middle, read(found, x)
    bound = low if grid.inner.exact else 0.0
    text = f"the end is known to {high - low:.3g} s"
    return Answer(best_moves, bound, (), raw.backend, text, limit=limit)
