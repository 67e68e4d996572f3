"""Who stood in whose way: antennas that served something more urgent while a demand was in view."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .problem import PassProblem
from .transfers import Transfers

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Preemption:
    """A demand that is not whole, and a more urgent one that an antenna served meanwhile.

    Attributes
    ----------
    demand, by, node : str
        The demand that waits, the more urgent one, and the node whose antennas served it.
    volume_bytes : float
        Bytes of `by` that went while the waiting demand's own source was in view of the node.
    """

    demand: str
    by: str
    node: str
    volume_bytes: float


def preemptions(
    problem: PassProblem, moves: Transfers, delivered: NDArray[np.float64]
) -> tuple[Preemption, ...]:
    """Every pair of a demand that is not whole and a more urgent one in its way, largest first.

    Only nodes with antennas count, and contacts of the waiting demand's own source.
    """
    rows, nodes = problem.plan.arrays, problem.plan.node_names
    limited = np.isfinite(problem.antenna_count)
    priority = np.array([row.priority for row in problem.demands])
    mixed = problem.uses_antenna
    served = np.flatnonzero(mixed[moves.contact])
    at = rows["target"][moves.contact[served]]
    found: dict[tuple[int, int, int], float] = {}
    for k, row in enumerate(problem.demands):
        if delivered[k] >= row.volume_bytes * (1 - 1e-6):
            continue
        urgent = served[priority[moves.demand[served]] < row.priority]
        where = at[priority[moves.demand[served]] < row.priority]
        source = problem.plan.index(row.source)
        own = np.flatnonzero((rows["source"] == source) & mixed & limited[rows["target"]])
        for contact in own.tolist():
            node = int(rows["target"][contact])
            other = urgent[where == node]
            begin = max(float(rows["start_s"][contact]), row.release_s)
            end = min(float(rows["end_s"][contact]), row.deadline_s)
            shared = np.minimum(moves.end_s[other], end) - np.maximum(moves.start_s[other], begin)
            length = moves.end_s[other] - moves.start_s[other]
            amount = moves.volume_bytes[other] * np.clip(shared / length, 0.0, 1.0)
            for demand in np.unique(moves.demand[other][amount > 0]).tolist():
                key = (k, demand, node)
                mine = float(amount[moves.demand[other] == demand].sum())
                found[key] = found.get(key, 0.0) + mine
    order = sorted(found, key=lambda key: -found[key])
    names = [row.name for row in problem.demands]
    return tuple(
        Preemption(names[k], names[by], nodes[node], found[k, by, node]) for k, by, node in order
    )
