"""Searches over placements of any graph: a bound on partial ones, a beam, branch and bound.

Layers are placed in their order, so the clock of a partial placement is already final: what is
missing is bounded by the least that each remaining layer can add. All compiled; `dag` drives.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numba
import numpy as np

from ..kernel import TOLERANCE, Arrays, measure, send, worth

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]


class Rest(NamedTuple):
    """The least that layers d, d + 1, ... can add; arrays of length L + 1 unless said."""

    tail_s: Floats  #: (L, N): from the end of a layer's forward pass on a node to the end
    weight: Floats  #: bytes still to place
    joules: Floats
    scarce: Floats
    share_s: Floats  #: (L, N): what a layer on a node adds to a bound on the largest load
    shared_s: Floats  #: the least that the remaining layers add to it
    longest_s: Floats  #: the longest of the remaining layers, each on its fastest node
    least_s: float  #: bound on the pass's end that holds for the whole problem
    before: Ints  #: (N,): the node of the same class that must be used first, or -1
    piece_at: Ints  #: pieces' edges among layers before d are the first ``piece_at[d]``
    loads: bool  #: whether what links and io are busy with matters


class Tree(NamedTuple):
    """State of a partial placement at every depth d: row d holds what layers before d add up to."""

    finish: Floats  #: (L,)
    free: Floats  #: (L + 1, N), as all others
    held: Floats
    largest: Floats
    node_load: Floats
    link_load: Floats  #: (L + 1, num_links)
    got: NDArray[np.bool_]  #: the input has come to the node
    used: NDArray[np.bool_]
    reach: NDArray[np.bool_]  #: (L + 1, N, N): one piece comes before another
    sums: Floats  #: (L + 1, 5): scarce bytes, joules, shared_s, end of the pass, cuts


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def new_tree(a: Arrays, r: Rest) -> Tree:
    """Allocate the states of all depths."""
    count, nodes = a.forward.shape
    rows = count + 1
    return Tree(
        np.zeros(count),
        np.zeros((rows, nodes)),
        np.zeros((rows, nodes)),
        np.zeros((rows, nodes)),
        np.zeros((rows, nodes)),
        np.zeros((rows, len(a.link_s_per_bit) if r.loads else 0)),
        np.zeros((rows, nodes), dtype=np.bool_),
        np.zeros((rows, nodes), dtype=np.bool_),
        np.zeros((rows, nodes, nodes), dtype=np.bool_),
        np.zeros((rows, 5)),
    )


@numba.njit(cache=True, no_cpython_wrapper=True)  # type: ignore[untyped-decorator]
def place(a: Arrays, r: Rest, t: Tree, node: Ints, i: int) -> float:
    """Put layer i on ``node[i]``: fill row i + 1 from row i and return the bound there.

    Infinite where no completion is feasible. O(N^2 + edges into i).
    """
    count, nodes = a.forward.shape
    n = int(node[i])
    d = i + 1
    if not a.allowed[i, n] or node[a.leader[i]] != n:
        return np.inf
    if not t.used[i, n] and r.before[n] >= 0 and not t.used[i, r.before[n]]:
        return np.inf
    held = t.held[i, n] + a.weight[i]
    largest = max(t.largest[i, n], a.activation[i])
    if held + largest > a.memory[n] * (1.0 + TOLERANCE):
        return np.inf
    for m in range(nodes):
        t.used[d, m] = t.used[i, m]
        t.held[d, m] = t.held[i, m]
        t.largest[d, m] = t.largest[i, m]
        t.node_load[d, m] = t.node_load[i, m]
        t.free[d, m] = t.free[i, m]
        t.got[d, m] = t.got[i, m]
    for k in range(t.link_load.shape[1]):
        t.link_load[d, k] = t.link_load[i, k]
    t.used[d, n] = True
    t.held[d, n] = held
    t.largest[d, n] = largest
    t.node_load[d, n] += a.compute[i, n]
    if a.contiguous and not _ordered(a, r, t, node, i):
        return np.inf
    scarce, joules = t.sums[i, 0], t.sums[i, 1] + a.compute_j[i, n]
    cuts = t.sums[i, 4]
    ready = 0.0
    if a.prev_at[i] == a.prev_at[i + 1] and a.input_node >= 0:
        ready = a.way[count, a.input_node, n]
        if n != a.input_node and not (a.multicast and t.got[i, n]):
            if r.loads:
                send(a, count, a.input_node, n, True, t.node_load[d], t.link_load[d])
            scarce += a.scarce[count, a.input_node, n]
            joules += a.joules[count, a.input_node, n]
        t.got[d, n] = True
    for k in range(a.prev_at[i], a.prev_at[i + 1]):
        p = int(a.prev_layer[k])
        m = int(node[p])
        ready = max(ready, t.finish[p] + a.way[p, m, n])
        if m == n:
            continue
        cuts += 1.0
        out = True
        if a.multicast:
            again = False
            for q in range(a.next_at[p], a.next_at[p + 1]):
                j = a.next_layer[q]
                if j >= i:
                    break
                again = again or node[j] == n
                out = out and node[j] == m
            if again:
                continue
        if r.loads:
            send(a, p, m, n, out, t.node_load[d], t.link_load[d])
        scarce += a.scarce[p, m, n]
        joules += a.joules[p, m, n]
    if a.next_at[i] == a.next_at[i + 1] and a.output_node >= 0 and n != a.output_node:
        if r.loads:
            send(a, count + 1, n, a.output_node, True, t.node_load[d], t.link_load[d])
        scarce += a.scarce[count + 1, n, a.output_node]
        joules += a.joules[count + 1, n, a.output_node]
    if cuts > a.max_cuts or not np.isfinite(scarce):
        return np.inf
    t.finish[i] = max(ready, t.free[i, n]) + a.forward[i, n]
    t.free[d, n] = t.finish[i]
    t.sums[d, 0], t.sums[d, 1], t.sums[d, 4] = scarce, joules, cuts
    t.sums[d, 2] = t.sums[i, 2] + r.share_s[i, n]
    t.sums[d, 3] = max(t.sums[i, 3], t.finish[i] + r.tail_s[i, n])
    return float(bound_at(a, r, t, d))


@numba.njit(cache=True, no_cpython_wrapper=True)  # type: ignore[untyped-decorator]
def _ordered(a: Arrays, r: Rest, t: Tree, node: Ints, i: int) -> bool:
    """Add the order that layer i's edges ask of the pieces; returns whether it has no cycle."""
    nodes = a.forward.shape[1]
    reach = t.reach[i + 1]
    for x in range(nodes):
        for y in range(nodes):
            reach[x, y] = t.reach[i, x, y]
    for k in range(r.piece_at[i], r.piece_at[i + 1]):
        u, v = node[a.piece_edges[k, 0]], node[a.piece_edges[k, 1]]
        if u == v or reach[u, v]:
            continue
        if reach[v, u]:
            return False
        for x in range(nodes):
            if x == u or reach[x, u]:
                for y in range(nodes):
                    if y == v or reach[v, y]:
                        reach[x, y] = True
    return True


@numba.njit(cache=True, no_cpython_wrapper=True)  # type: ignore[untyped-decorator]
def bound_at(a: Arrays, r: Rest, t: Tree, d: int) -> float:
    """Lower bound on the objective of every completion of row `d`; infinite where there is none."""
    nodes = a.forward.shape[1]
    work = max(t.sums[d, 2] + r.shared_s[d], r.longest_s[d])
    busiest, room = work, 0.0
    for n in range(nodes):
        room += max(0.0, a.memory[n] * (1.0 + TOLERANCE) - t.held[d, n] - t.largest[d, n])
        busiest = max(busiest, t.node_load[d, n])
    if room < r.weight[d]:
        return np.inf
    for k in range(t.link_load.shape[1]):
        busiest = max(busiest, t.link_load[d, k])
    latency = max(max(t.sums[d, 3], r.least_s), work) + a.repeats * busiest
    scarce = t.sums[d, 0] + r.scarce[d]
    joules = t.sums[d, 1] + r.joules[d]
    total = 0.0
    for k in range(4):
        value = (latency, scarce, joules, busiest)[k]
        if value > a.limit[k] * (1.0 + TOLERANCE) + 1e-12:
            return np.inf
        if a.price[k] > 0.0:
            total += a.price[k] * value
    return float(total)


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def partial_bound(a: Arrays, r: Rest, t: Tree, node: Ints, depth: int) -> float:
    """Place the first `depth` layers anew and return the bound there."""
    value = float(bound_at(a, r, t, 0))
    for i in range(depth):
        value = float(place(a, r, t, node, i))
        if value == np.inf:
            break
    return value


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def beam(a: Arrays, r: Rest, width: int, noise: float, rng: np.random.Generator) -> Ints:
    """Complete a beam of partial placements; shape (K, L), best bound first.

    Ranks by bound times a random factor of up to ``1 + noise``; O(L^2 N width).
    """
    count, nodes = a.forward.shape
    t = new_tree(a, r)
    states = np.zeros((1, count), dtype=np.int64)
    for i in range(count):
        value = np.full(len(states) * nodes, np.inf)
        for s in range(len(states)):
            if partial_bound(a, r, t, states[s], i) == np.inf:
                continue
            for n in range(nodes):
                if not a.allowed[i, n]:
                    continue
                states[s, i] = n
                found = place(a, r, t, states[s], i)
                value[s * nodes + n] = found * (1.0 + noise * rng.random())
        grown = np.zeros((min(width, len(value)), count), dtype=np.int64)
        keep = 0
        while keep < len(grown):
            k = value.argmin()
            if value[k] == np.inf:
                break
            value[k] = np.inf
            for j in range(i):
                grown[keep, j] = states[k // nodes, j]
            grown[keep, i] = k % nodes
            keep += 1
        states = grown[:keep]
        if keep == 0:
            break
    return states


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def branch(
    a: Arrays,
    r: Rest,
    t: Tree,
    state: Ints,
    bounds: Floats,
    choice: Ints,
    turn: Ints,
    best: Ints,
    known: Floats,
    slack: float,
    budget: int,
) -> bool:
    """Depth-first branch and bound, resumable; returns whether the tree is finished.

    Parameters
    ----------
    t : Tree
        Of the same problem, kept between calls.
    state : (L + 1,)
        Node of each layer, then the depth to go on at (-1 to start).
    bounds, choice : (L, N)
        Children of every open depth, best bound first.
    turn : (L,)
        Which child of a depth comes next.
    best : (L,)
        Best placement so far.
    known : (2,)
        Its objective, and the least bound among pruned branches.
    slack : float
        Relative: branches within it of the best are pruned.
    budget : int
        Bounds to compute before returning.
    """
    count, nodes = a.forward.shape
    values = np.zeros(4)
    node = state[:count]
    depth = int(state[count])
    if depth < 0:
        budget -= _expand(a, r, t, node, 0, bounds, choice, turn)
        depth = 0
    while depth >= 0:
        if budget <= 0:
            state[count] = depth
            return False
        k = turn[depth]
        if k >= nodes or bounds[depth, k] == np.inf:
            depth -= 1
            continue
        turn[depth] += 1
        value = bounds[depth, k]
        if value >= known[0] - slack * abs(known[0]):
            known[1] = min(known[1], value)
            turn[depth] = nodes  # the others are no better
            continue
        node[depth] = choice[depth, k]
        if depth + 1 < count:
            place(a, r, t, node, depth)
            depth += 1
            budget -= _expand(a, r, t, node, depth, bounds, choice, turn)
            continue
        budget -= 1
        if measure(a, node, values) == 0.0:
            value = worth(a, values)
            if value < known[0]:
                known[0] = value
                for i in range(count):
                    best[i] = node[i]
    state[count] = -1
    return True


@numba.njit(cache=True, no_cpython_wrapper=True)  # type: ignore[untyped-decorator]
def _expand(
    a: Arrays, r: Rest, t: Tree, node: Ints, depth: int, bounds: Floats, choice: Ints, turn: Ints
) -> int:
    """Bound every child of a partial placement and sort them; returns how many were bounded."""
    nodes = a.forward.shape[1]
    tried = 1
    for n in range(nodes):
        choice[depth, n] = n
        bounds[depth, n] = np.inf
        if a.allowed[depth, n]:
            node[depth] = n
            bounds[depth, n] = place(a, r, t, node, depth)
            tried += 1
    for k in range(1, nodes):
        value, n = bounds[depth, k], choice[depth, k]
        j = k - 1
        while j >= 0 and bounds[depth, j] > value:
            bounds[depth, j + 1] = bounds[depth, j]
            choice[depth, j + 1] = choice[depth, j]
            j -= 1
        bounds[depth, j + 1] = value
        choice[depth, j + 1] = n
    turn[depth] = 0
    return tried


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def open_bound(state: Ints, bounds: Floats, turn: Ints, known: Floats) -> float:
    """Lower bound of an unfinished tree: the least of the best, the pruned and the open."""
    least = float(min(known[0], known[1]))
    for depth in range(state[-1] + 1):
        if turn[depth] < bounds.shape[1]:
            least = min(least, float(bounds[depth, turn[depth]]))
    return least
