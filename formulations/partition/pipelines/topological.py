"""Bottleneck over fixed topological orders: the ideal program on a chain, and a warm start.

With the vertices in one order every ideal is a prefix, so the program of `ideals` has V + 1 of them
and costs O(V^2) stages. Over a good order the result was optimal on most published graphs.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from .contracted import Contracted
from .ideals import STEP, IdealResult, solve_ideals

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]


def solve_orders(graph: Contracted, cutoff: float = np.inf, max_replicas: int = 1) -> IdealResult:
    """Best contiguous plan over a few topological orders of the vertices.

    Parameters
    ----------
    graph : Contracted
    cutoff : float
        Only plans below it are looked for.
    max_replicas : int
        How many nodes of a class may share a stage.

    Returns
    -------
    IdealResult
        In the numbering of `graph`; never `complete`, since other orders may be better.
    """
    best = IdealResult(np.inf, None, None, None, False, 0, 0)
    for order in orders(graph):
        line = graph.reordered(order, chain=True)
        found = solve_ideals(line, cutoff, max_replicas=max_replicas)
        if found.stage_of_vertex is None:
            continue
        rank = np.empty_like(order)
        rank[order] = np.arange(len(order))
        best = replace(
            found,
            stage_of_vertex=_at(found.stage_of_vertex, rank),
            class_of_vertex=_at(found.class_of_vertex, rank),
            copies_of_vertex=_at(found.copies_of_vertex, rank),
            complete=False,
        )
        cutoff = found.value * (1 - STEP)
    return best


def _at(table: Ints | None, rank: Ints) -> Ints | None:
    return None if table is None else table[rank]


def orders(graph: Contracted) -> list[Ints]:
    """Distinct topological orders: as numbered, by depth from either end, and backwards greedy."""
    size = graph.num_vertices
    depth, height = np.zeros(size), np.zeros(size)
    for a, b in graph.arcs:  # sorted by tail, hence topological
        depth[b] = max(depth[b], depth[a] + 1)
    for a, b in graph.arcs[::-1]:
        height[a] = max(height[a], height[b] + 1)
    number = np.arange(size)
    found = [
        number,
        np.lexsort((number, depth)),
        np.lexsort((number, -height)),
        np.lexsort((number, depth - height)),
        _late(graph),
    ]
    distinct: dict[bytes, Ints] = {}
    for order in found:
        distinct.setdefault(order.astype(np.int64).tobytes(), order.astype(np.int64))
    return list(distinct.values())


def _late(graph: Contracted) -> Ints:
    """Depth-first order from the sinks, turned round: sources stand beside their first reader."""
    size = graph.num_vertices
    before: list[list[int]] = [[] for _ in range(size)]
    missing = [0] * size
    for a, b in graph.arcs:
        before[b].append(int(a))
        missing[a] += 1
    ready = [v for v in range(size) if not missing[v]]
    order = []
    while ready:
        v = ready.pop()
        order.append(v)
        for u in sorted(before[v]):
            missing[u] -= 1
            if not missing[u]:
                ready.append(u)
    return np.array(order[::-1], dtype=np.int64)
