"""Which layers make one vertex, and in which order vertices stand: the work behind `contracted`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from ..problem import PartitionProblem

    Ints = NDArray[np.int64]


def components(
    count: int, pairs: Iterable[tuple[int, int]], connection: Literal["weak", "strong"]
) -> Ints:
    rows = np.array(list(pairs), dtype=np.int64).reshape(-1, 2)
    if not len(rows):
        return np.arange(count, dtype=np.int64)
    graph = sparse.csr_array((np.ones(len(rows)), (rows[:, 0], rows[:, 1])), shape=(count, count))
    return np.asarray(
        connected_components(graph, directed=True, connection=connection)[1], dtype=np.int64
    )


def absorb_leaves(
    problem: PartitionProblem, group_of: Ints, rule: Sequence[tuple[int, int]]
) -> Ints:
    """Merge groups that cost nothing with their only neighbour, where that never hurts.

    Such a group has no compute, no memory that counts, no model input or output that costs, may
    run wherever its neighbour may, and touches nothing else: beside the neighbour it only saves.
    """
    costs = problem.costs()
    size = int(group_of.max()) + 1
    if problem.max_cuts is not None or problem.limits or problem.max_replicas > 1:
        return group_of
    allowed = np.ones((size, costs.num_nodes), dtype=np.bool_)
    np.logical_and.at(allowed, group_of, costs.allowed)
    seconds = np.zeros((size, costs.num_nodes))
    np.add.at(seconds, group_of, np.where(costs.allowed, costs.compute_s, 0.0))
    weight = np.bincount(group_of, costs.weight_bytes, size)
    largest = np.zeros(size)
    np.maximum.at(largest, group_of, costs.activation_bytes)
    room = float(costs.memory_bytes.min())
    ample = float(costs.weight_bytes.sum() + costs.activation_bytes.max()) <= room
    small = np.inf if ample else 1e-9 * room
    fixed = (seconds.max(axis=1) > 0) | ((weight > 0) & (not ample))
    if costs.input_index >= 0:
        fixed[group_of[costs.sources]] = True
    if costs.output_index >= 0:
        fixed[group_of[costs.sinks]] = True

    beside: list[set[int]] = [set() for _ in range(size)]
    for i, j in [*rule, *((int(i), int(j)) for i, j in costs.edges)]:
        a, b = int(group_of[i]), int(group_of[j])
        if a != b:
            beside[a].add(b)
            beside[b].add(a)
    into = np.arange(size, dtype=np.int64)
    waiting = [g for g in range(size) if len(beside[g]) == 1]
    while waiting:
        leaf = waiting.pop()
        if fixed[leaf] or len(beside[leaf]) != 1:
            continue
        (host,) = beside[leaf]
        if (allowed[host] & ~allowed[leaf]).any() or largest[leaf] > max(largest[host], small):
            continue
        into[leaf] = host
        beside[leaf].clear()
        beside[host].discard(leaf)
        if len(beside[host]) == 1:
            waiting.append(host)
    while (into[into] != into).any():
        into = into[into]
    return into[group_of]


def in_order(group_of: Ints, rule: Sequence[tuple[int, int]]) -> Ints:
    """Number the groups topologically, depth first, so that neighbours stay close."""
    _, group_of = np.unique(group_of, return_inverse=True)
    size = int(group_of.max()) + 1
    arcs = {(int(group_of[i]), int(group_of[j])) for i, j in rule}
    order = depth_first(size, [(a, b) for a, b in arcs if a != b], group_of)
    rank = np.empty(size, dtype=np.int64)
    rank[order] = np.arange(size)
    return rank[group_of]


def depth_first(size: int, arcs: Sequence[tuple[int, int]], first_seen: Ints) -> Ints:
    """Topological order that follows a branch to its end; ties by first appearance."""
    place = np.full(size, len(first_seen), dtype=np.int64)
    np.minimum.at(place, first_seen, np.arange(len(first_seen)))
    successors: list[list[int]] = [[] for _ in range(size)]
    missing = [0] * size
    for a, b in arcs:
        successors[a].append(b)
        missing[b] += 1
    ready = sorted((v for v in range(size) if not missing[v]), key=lambda v: -place[v])
    order = []
    while ready:
        v = ready.pop()
        order.append(v)
        for w in sorted(successors[v], key=lambda w: -place[w]):
            missing[w] -= 1
            if not missing[w]:
                ready.append(w)
    return np.array(order, dtype=np.int64)
