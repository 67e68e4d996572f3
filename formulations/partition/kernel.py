"""The judge's arithmetic as compiled code, for searches that try a million placements.

`evaluate` is the reference; `measure` gives the same numbers (tests hold the two together) for
one node per layer. What a search finds is judged again by `Partition`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numba
import numpy as np

from .moves import route_hops
from .problem import SINGLE_OBJECTIVES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .problem import PartitionProblem

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]

#: Relative tolerance on memory and limits, inside the judge's own.
TOLERANCE = 5e-7


class Arrays(NamedTuple):
    """A problem as compiled code wants it; shapes as in `PartitionCosts`."""

    forward: Floats
    compute: Floats
    compute_j: Floats
    allowed: Bools
    way: Floats
    both: Floats
    scarce: Floats
    joules: Floats
    bits: Floats
    tree: Ints  #: (L + 2, N): which tree of routes a tensor takes from a node
    hop_at: Ints  #: (trees * N + 1,): where the hops of a route start in `hop_link`
    hop_link: Ints
    link_s_per_bit: Floats
    io_s_per_bit: Floats
    weight: Floats
    activation: Floats
    memory: Floats
    next_at: Ints  #: successors of layer i: next_layer[next_at[i]:next_at[i + 1]]
    next_layer: Ints
    prev_at: Ints
    prev_layer: Ints
    input_node: int
    output_node: int
    backward: float  #: backward FLOPs over forward, negative outside training
    repeats: int
    multicast: bool
    contiguous: bool
    piece_edges: Ints  #: (P, 2): what contiguity looks at
    max_cuts: int
    price: Floats  #: (4,): weight of latency, bandwidth, energy, throughput
    limit: Floats  #: (4,)
    leader: Ints  #: first layer of each co-located group, itself elsewhere


def arrays_of(problem: PartitionProblem, price: dict[str, float]) -> Arrays:
    """Lay out a problem for the kernels; `price` weighs the single objectives."""
    costs, routes, network = problem.costs(), problem.costs().routes, problem.network
    count, layers = costs.num_nodes, costs.num_layers
    # One size and source stand for each tree; its routes to all nodes follow one another.
    tree, first = np.unique(routes.tree, return_index=True)
    size, source = np.divmod(first, count)
    k, target = np.nonzero(np.isfinite(routes.latency_s[tree]))
    which, link = route_hops(routes, size[k], source[k], target)
    order = np.argsort(which, kind="stable")
    hops = np.zeros(len(routes.before) * count + 1, dtype=np.int64)
    np.add.at(hops, 1 + (tree[k] * count + target)[which], 1)
    leader = np.arange(layers)
    for group in merged_groups(problem):
        leader[group] = group[0]
    training = problem.training
    next_at, next_layer = _neighbours(costs.edges, layers, 0)
    prev_at, prev_layer = _neighbours(costs.edges, layers, 1)
    return Arrays(
        forward=np.ascontiguousarray(costs.forward_s),
        compute=np.ascontiguousarray(costs.compute_s),
        compute_j=np.ascontiguousarray(costs.compute_j),
        allowed=np.ascontiguousarray(costs.allowed),
        way=np.ascontiguousarray(costs.way_s),
        both=np.ascontiguousarray(costs.transfer_s),
        scarce=np.ascontiguousarray(costs.transfer_bytes),
        joules=np.ascontiguousarray(costs.transfer_j),
        bits=8.0 * costs.sizes_bytes,
        tree=np.ascontiguousarray(routes.tree),
        hop_at=np.cumsum(hops),
        hop_link=np.ascontiguousarray(link[order]),
        link_s_per_bit=1.0 / np.array([row.rate_bps for row in network.links], dtype=np.float64),
        io_s_per_bit=1.0 / network.column("io_rate_bps"),
        weight=costs.weight_bytes,
        activation=costs.activation_bytes,
        memory=costs.memory_bytes,
        next_at=next_at,
        next_layer=next_layer,
        prev_at=prev_at,
        prev_layer=prev_layer,
        input_node=costs.input_index,
        output_node=costs.output_index,
        backward=-1.0 if training is None else float(training.backward_flops),
        repeats=0 if training is None else training.micro_batches - 1,
        multicast=bool(problem.multicast),
        contiguous=bool(problem.contiguous),
        piece_edges=piece_edges(problem),
        max_cuts=len(costs.edges) if problem.max_cuts is None else int(problem.max_cuts),
        price=np.array([price.get(name, 0.0) for name in SINGLE_OBJECTIVES]),
        limit=np.array([problem.limits.get(name, math.inf) for name in SINGLE_OBJECTIVES]),
        leader=leader,
    )


def piece_edges(problem: PartitionProblem) -> Ints:
    """Edges that contiguity looks at, shape (P, 2), sorted by their later end."""
    edges = problem.costs().edges
    if problem.piece_edges is not None:
        edges = np.array(problem.piece_edges, dtype=np.int64).reshape(-1, 2)
    return np.ascontiguousarray(edges[np.argsort(edges.max(axis=1, initial=0), kind="stable")])


def merged_groups(problem: PartitionProblem) -> list[list[int]]:
    """Co-located groups, those that share a layer joined."""
    groups: list[set[int]] = []
    for group in problem.colocated:
        joined = set(group)
        for other in [g for g in groups if g & joined]:
            joined |= other
            groups.remove(other)
        groups.append(joined)
    return [sorted(group) for group in groups]


def _neighbours(edges: Ints, count: int, side: int) -> tuple[Ints, Ints]:
    order = np.lexsort((edges[:, 1 - side], edges[:, side]))
    at = np.zeros(count + 1, dtype=np.int64)
    np.add.at(at, edges[:, side] + 1, 1)
    return np.cumsum(at), np.ascontiguousarray(edges[order, 1 - side])


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def schedule(a: Arrays, node: Ints, begin: Floats, back: Floats) -> float:
    """Fill the start times of every layer's passes and return the end of the pass.

    `begin` and `back` have shape (L,); `back` stays untouched outside training. O(L + E).
    """
    count, nodes = a.forward.shape
    free = np.zeros(nodes)
    end = 0.0
    for i in range(count):
        n = node[i]
        ready = 0.0
        first = a.prev_at[i] == a.prev_at[i + 1]
        if first and a.input_node >= 0:
            ready = a.way[count, a.input_node, n]
        for k in range(a.prev_at[i], a.prev_at[i + 1]):
            p = a.prev_layer[k]
            ready = max(ready, begin[p] + a.forward[p, node[p]] + a.way[p, node[p], n])
        begin[i] = max(ready, free[n])
        free[n] = begin[i] + a.forward[i, n]
        if a.backward < 0.0 and a.next_at[i] == a.next_at[i + 1]:
            out = free[n]
            if a.output_node >= 0:
                out += a.way[count + 1, n, a.output_node]
            end = max(end, out)
    if a.backward < 0.0:
        return float(end)
    for i in range(count - 1, -1, -1):
        n = node[i]
        ready = 0.0
        if a.next_at[i] == a.next_at[i + 1]:
            ready = begin[i] + a.forward[i, n]
            if a.output_node >= 0:
                ready += a.way[count + 1, n, a.output_node]
                ready += a.way[count + 1, a.output_node, n]
        for k in range(a.next_at[i], a.next_at[i + 1]):
            j = a.next_layer[k]
            done = back[j] + a.backward * a.forward[j, node[j]]
            ready = max(ready, done + a.way[i, node[j], n])
        back[i] = max(ready, free[n])
        free[n] = back[i] + a.backward * a.forward[i, n]
        end = max(end, free[n])
    return float(end)


@numba.njit(cache=True, no_cpython_wrapper=True)  # type: ignore[untyped-decorator]
def send(
    a: Arrays, tensor: int, u: int, v: int, out: bool, node_load: Floats, link_load: Floats
) -> None:
    """Add what one transfer occupies; `out` says whether the sender pays for its io too."""
    count, nodes = a.forward.shape
    both = a.backward >= 0.0 and tensor != count
    amount = a.bits[tensor] * (2.0 if both else 1.0)
    node_load[v] += amount * a.io_s_per_bit[v]
    if out:
        node_load[u] += amount * a.io_s_per_bit[u]
    route = a.tree[tensor, u] * nodes + v
    for k in range(a.hop_at[route], a.hop_at[route + 1]):
        link_load[a.hop_link[k]] += a.bits[tensor] * a.link_s_per_bit[a.hop_link[k]]
    if both:
        route = a.tree[tensor, v] * nodes + u
        for k in range(a.hop_at[route], a.hop_at[route + 1]):
            link_load[a.hop_link[k]] += a.bits[tensor] * a.link_s_per_bit[a.hop_link[k]]


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def measure(a: Arrays, node: Ints, values: Floats) -> float:
    """Fill `values` (latency, bandwidth, energy, throughput); return how much is broken.

    Zero means feasible; otherwise relative overloads of memory and limits, surplus cuts,
    contiguity, missing routes and layers out of place, added up. O(L + E) for trees of routes.
    """
    count, nodes = a.forward.shape
    node_load, link_load = np.zeros(nodes), np.zeros(len(a.link_s_per_bit))
    held, largest = np.zeros(nodes), np.zeros(nodes)
    broken, cuts = 0.0, 0
    scarce = joules = 0.0
    got_input = np.zeros(nodes, dtype=np.bool_)
    seen = np.full(nodes, -1, dtype=np.int64)
    for i in range(count):
        n = node[i]
        if not a.allowed[i, n] or node[a.leader[i]] != n:
            broken += 10.0
        node_load[n] += a.compute[i, n]
        held[n] += a.weight[i]
        largest[n] = max(largest[n], a.activation[i])
        joules += a.compute_j[i, n]
        if a.prev_at[i] == a.prev_at[i + 1] and a.input_node >= 0:
            if n != a.input_node and not (a.multicast and got_input[n]):
                send(a, count, a.input_node, n, True, node_load, link_load)
                scarce += a.scarce[count, a.input_node, n]
                joules += a.joules[count, a.input_node, n]
            got_input[n] = True
        if a.next_at[i] == a.next_at[i + 1] and a.output_node >= 0 and n != a.output_node:
            send(a, count + 1, n, a.output_node, True, node_load, link_load)
            scarce += a.scarce[count + 1, n, a.output_node]
            joules += a.joules[count + 1, n, a.output_node]
        first = True
        for k in range(a.next_at[i], a.next_at[i + 1]):
            m = int(node[a.next_layer[k]])
            if m == n:
                continue
            cuts += 1
            if a.multicast and seen[m] == i:
                continue
            seen[m] = i
            send(a, i, n, m, first or not a.multicast, node_load, link_load)
            first = False
            scarce += a.scarce[i, n, m]
            joules += a.joules[i, n, m]
    for n in range(nodes):
        used = held[n] + largest[n]
        if used > a.memory[n] * (1.0 + TOLERANCE):
            broken += used / max(a.memory[n], 1.0) - 1.0 + 1e-3
    if cuts > a.max_cuts:
        broken += cuts - a.max_cuts
    if a.contiguous:
        arcs = np.zeros((nodes, nodes), dtype=np.bool_)
        for k in range(len(a.piece_edges)):
            u, v = node[a.piece_edges[k, 0]], node[a.piece_edges[k, 1]]
            if u != v:
                arcs[u, v] = True
        broken += cyclic(arcs)
    busiest = 0.0
    for n in range(nodes):
        busiest = max(busiest, node_load[n])
    for k in range(len(link_load)):
        busiest = max(busiest, link_load[k])
    begin, back = np.zeros(count), np.zeros(count)
    values[0] = schedule(a, node, begin, back) + a.repeats * busiest
    values[1], values[2], values[3] = scarce, joules, busiest
    if not np.isfinite(scarce) or not np.isfinite(values[0]):
        broken += 100.0
    else:
        for k in range(4):
            if values[k] > a.limit[k] * (1.0 + TOLERANCE) + 1e-12:
                broken += values[k] / max(a.limit[k], 1e-12 + 1e-9 * values[k]) - 1.0 + 1e-3
    return broken


@numba.njit(cache=True, no_cpython_wrapper=True)  # type: ignore[untyped-decorator]
def cyclic(arcs: Bools) -> float:
    """Number of nodes left on cycles after peeling those without a predecessor; spoils `arcs`."""
    nodes = len(arcs)
    left = np.ones(nodes, dtype=np.bool_)
    remaining, moved = nodes, True
    while moved:
        moved = False
        for n in range(nodes):
            if not left[n]:
                continue
            free = True
            for m in range(nodes):
                if left[m] and arcs[m, n]:
                    free = False
                    break
            if free:
                left[n] = False
                remaining -= 1
                moved = True
    return float(remaining)


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def worth(a: Arrays, values: Floats) -> float:
    """The weighted objective of measured values."""
    total = 0.0
    for k in range(4):
        if a.price[k] > 0.0:
            total += a.price[k] * values[k]
    return total
