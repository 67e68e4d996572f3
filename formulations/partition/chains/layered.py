"""Chains without memory: a shortest path through layers x nodes.

One vertex per layer and node, arcs between neighbouring layers. The path is the optimum where it
happens to keep memory, contiguity and limits, and its length is a lower bound wherever it does
not. The number of moves may be limited: one copy of the graph per move made.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import TYPE_CHECKING

import numba
import numpy as np

from ..outcome import Outcome
from .chain import ChainData, applies

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..outcome import Watch
    from ..problem import PartitionProblem

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

METHOD = "layered shortest path"


def solve_layered(
    problem: PartitionProblem, watch: Watch, weights: Mapping[str, float] | None = None
) -> Outcome:
    """Find the cheapest placement of a chain with memory and contiguity relaxed.

    Parameters
    ----------
    problem : PartitionProblem
        A chain (see `applies`).
    watch : Watch
    weights : mapping of additive objective to float, optional

    Returns
    -------
    Outcome
        The optimum where the path is feasible; otherwise no placement and a valid bound.

    Notes
    -----
    O(L N^2), times the cuts that `max_cuts` allows where that limit binds.
    """
    return path_outcome(ChainData.of(problem, weights), watch)


def path_outcome(data: ChainData, watch: Watch) -> Outcome:
    """`solve_layered` on arrays."""
    value, path = shortest_path(data.cost[0], data.move[0])
    if "cuts" in data.names and np.count_nonzero(np.diff(path)) > data.limits[-1]:
        value, path = _with_cuts(data.cost[0], data.move[0], int(data.limits[-1]))
    watch.tighten(value)
    if np.isinf(value) or not data.is_feasible(path):
        return Outcome(None, value, METHOD)
    watch.offer(path, data.value(path))
    return Outcome(path, value, METHOD)


def layered_applies(problem: PartitionProblem) -> bool:
    """Whether the layered path is exact for sure: nothing in the problem could forbid it."""
    return (
        applies(problem)
        and not problem.contiguous
        and not problem.limits
        and all(np.isinf(problem.network.column("memory_bytes")))
        and all(b - a == 1 for group in problem.colocated for a, b in pairwise(group))
    )


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def shortest_path(cost: Floats, move: Floats) -> tuple[float, Ints]:
    """Cheapest node of every layer; cost (L, N), move (L - 1, N, N) with a zero diagonal."""
    count, nodes = cost.shape
    before = np.zeros((count, nodes), dtype=np.int32)
    now = cost[0].copy()
    new = np.empty(nodes)
    for i in range(1, count):
        new[:] = np.inf
        origin = before[i]
        for u in range(nodes):
            value = now[u]
            if value == np.inf:
                continue
            row = move[i - 1, u]
            for v in range(nodes):
                there = value + row[v]
                if there < new[v]:
                    new[v] = there
                    origin[v] = u
        for v in range(nodes):
            now[v] = new[v] + cost[i, v]
    path = np.zeros(count, dtype=np.int64)
    path[-1] = np.argmin(now)
    for i in range(count - 1, 0, -1):
        path[i - 1] = before[i, path[i]]
    return now[path[-1]], path


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _with_cuts(cost: Floats, move: Floats, most: int) -> tuple[float, Ints]:
    """`shortest_path` with at most `most` changes of node; O(most L N^2)."""
    count, nodes = cost.shape
    before = np.full((count, most + 1, nodes), -1, dtype=np.int32)
    now = np.full((most + 1, nodes), np.inf)
    now[0] = cost[0]
    for i in range(1, count):
        new = now.copy()  # staying is free; -1 marks it
        for k in range(1, most + 1):
            for u in range(nodes):
                value = now[k - 1, u]
                if value == np.inf:
                    continue
                for v in range(nodes):
                    there = value + move[i - 1, u, v]
                    if u != v and there < new[k, v]:
                        new[k, v] = there
                        before[i, k, v] = u
        for k in range(most + 1):
            for v in range(nodes):
                now[k, v] = new[k, v] + cost[i, v]
    best, k, node = np.inf, 0, 0
    for j in range(most + 1):
        for v in range(nodes):
            if now[j, v] < best:
                best, k, node = now[j, v], j, v
    path = np.zeros(count, dtype=np.int64)
    for i in range(count - 1, -1, -1):
        path[i] = node
        if i > 0 and before[i, k, node] >= 0:
            node = before[i, k, node]
            k -= 1
    return best, path
