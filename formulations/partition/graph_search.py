"""Searches over placements of any graph: a bound on partial ones, a beam, branch and bound.

Layers are placed in their order, so the clock of a partial placement is already final: what is
missing is bounded by the least that each remaining layer can add. All compiled; `dag` drives.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numba
import numpy as np

from .kernel import TOLERANCE, Arrays, cyclic, measure, send, worth

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
    share: Floats  #: (N,): weights on the nodes that prove a bound on the largest load
    shared_s: Floats
    longest_s: Floats  #: the longest of the remaining layers, each on its fastest node
    least_s: float  #: bound on the pass's end that holds for the whole problem
    before: Ints  #: (N,): the node of the same class that must be used first, or -1
    piece_at: Ints  #: pieces' edges among layers before d are the first ``piece_at[d]``


class Work(NamedTuple):
    """Scratch arrays of `partial_bound`, kept between calls."""

    finish: Floats
    free: Floats
    held: Floats
    largest: Floats
    node_load: Floats
    link_load: Floats
    got: NDArray[np.bool_]
    used: NDArray[np.bool_]
    arcs: NDArray[np.bool_]


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def new_work(a: Arrays) -> Work:
    """Allocate scratch arrays for a problem."""
    count, nodes = a.forward.shape
    return Work(
        np.zeros(count),
        np.zeros(nodes),
        np.zeros(nodes),
        np.zeros(nodes),
        np.zeros(nodes),
        np.zeros(len(a.link_s_per_bit)),
        np.zeros(nodes, dtype=np.bool_),
        np.zeros(nodes, dtype=np.bool_),
        np.zeros((nodes, nodes), dtype=np.bool_),
    )


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def partial_bound(a: Arrays, r: Rest, w: Work, node: Ints, depth: int) -> float:
    """Lower bound on the objective of every completion of the first `depth` layers.

    Infinite where no completion is feasible. O(depth + edges among them).
    """
    count, nodes = a.forward.shape
    w.free[:] = 0.0
    w.held[:] = 0.0
    w.largest[:] = 0.0
    w.node_load[:] = 0.0
    w.link_load[:] = 0.0
    w.got[:] = False
    w.used[:] = False
    scarce = joules = shared = end = 0.0
    cuts = 0
    for i in range(depth):
        n = node[i]
        if not a.allowed[i, n] or node[a.leader[i]] != n:
            return np.inf
        if not w.used[n]:
            if r.before[n] >= 0 and not w.used[r.before[n]]:
                return np.inf
            w.used[n] = True
        w.held[n] += a.weight[i]
        w.largest[n] = max(w.largest[n], a.activation[i])
        if w.held[n] + w.largest[n] > a.memory[n] * (1.0 + TOLERANCE):
            return np.inf
        w.node_load[n] += a.compute[i, n]
        shared += a.compute[i, n] * r.share[n]
        joules += a.compute_j[i, n]
        ready = 0.0
        if a.prev_at[i] == a.prev_at[i + 1] and a.input_node >= 0:
            ready = a.way[count, a.input_node, n]
            if n != a.input_node and not (a.multicast and w.got[n]):
                send(a, count, a.input_node, n, True, w.node_load, w.link_load)
                scarce += a.scarce[count, a.input_node, n]
                joules += a.joules[count, a.input_node, n]
            w.got[n] = True
        for k in range(a.prev_at[i], a.prev_at[i + 1]):
            p = int(a.prev_layer[k])
            m = int(node[p])
            ready = max(ready, w.finish[p] + a.way[p, m, n])
            if m == n:
                continue
            cuts += 1
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
            send(a, p, m, n, out, w.node_load, w.link_load)
            scarce += a.scarce[p, m, n]
            joules += a.joules[p, m, n]
        if a.next_at[i] == a.next_at[i + 1] and a.output_node >= 0 and n != a.output_node:
            send(a, count + 1, n, a.output_node, True, w.node_load, w.link_load)
            scarce += a.scarce[count + 1, n, a.output_node]
            joules += a.joules[count + 1, n, a.output_node]
        w.finish[i] = max(ready, w.free[n]) + a.forward[i, n]
        w.free[n] = w.finish[i]
        end = max(end, w.finish[i] + r.tail_s[i, n])
    if cuts > a.max_cuts or not np.isfinite(scarce):
        return np.inf
    if a.contiguous and r.piece_at[depth] > 0:
        w.arcs[:, :] = False
        for k in range(r.piece_at[depth]):
            u, v = node[a.piece_edges[k, 0]], node[a.piece_edges[k, 1]]
            if u != v:
                w.arcs[u, v] = True
        if cyclic(w.arcs) > 0.0:
            return np.inf
    room = 0.0
    work = max(shared + r.shared_s[depth], r.longest_s[depth])
    busiest = work
    for n in range(nodes):
        room += max(0.0, a.memory[n] * (1.0 + TOLERANCE) - w.held[n] - w.largest[n])
        busiest = max(busiest, w.node_load[n])
    if room < r.weight[depth]:
        return np.inf
    for k in range(len(w.link_load)):
        busiest = max(busiest, w.link_load[k])
    latency = max(max(end, r.least_s), work) + a.repeats * busiest
    scarce += r.scarce[depth]
    joules += r.joules[depth]
    total = 0.0
    for k in range(4):
        value = (latency, scarce, joules, busiest)[k]
        if value > a.limit[k] * (1.0 + TOLERANCE) + 1e-12:
            return np.inf
        if a.price[k] > 0.0:
            total += a.price[k] * value
    return total


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def beam(a: Arrays, r: Rest, width: int, noise: float, rng: np.random.Generator) -> Ints:
    """Complete a beam of partial placements; shape (K, L), best bound first.

    Ranks by bound times a random factor of up to ``1 + noise``; O(L^2 N width).
    """
    count, nodes = a.forward.shape
    w = new_work(a)
    states = np.zeros((1, count), dtype=np.int64)
    for i in range(count):
        value = np.full(len(states) * nodes, np.inf)
        for s in range(len(states)):
            for n in range(nodes):
                if not a.allowed[i, n]:
                    continue
                states[s, i] = n
                found = partial_bound(a, r, w, states[s], i + 1)
                value[s * nodes + n] = found * (1.0 + noise * rng.random())
        order = np.argsort(value, kind="mergesort")
        keep = 0
        while keep < min(width, len(order)) and value[order[keep]] < np.inf:
            keep += 1
        grown = np.zeros((keep, count), dtype=np.int64)
        for k in range(keep):
            grown[k] = states[order[k] // nodes]
            grown[k, i] = order[k] % nodes
        states = grown
        if keep == 0:
            break
    return states


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def branch(
    a: Arrays,
    r: Rest,
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
    w = new_work(a)
    values = np.zeros(4)
    node = state[:count]
    depth = int(state[count])
    if depth < 0:
        budget -= _expand(a, r, w, node, 0, bounds, choice, turn)
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
            depth += 1
            budget -= _expand(a, r, w, node, depth, bounds, choice, turn)
            continue
        budget -= 1
        if measure(a, node, values) == 0.0:
            value = worth(a, values)
            if value < known[0]:
                known[0] = value
                best[:] = node
    state[count] = -1
    return True


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _expand(
    a: Arrays, r: Rest, w: Work, node: Ints, depth: int, bounds: Floats, choice: Ints, turn: Ints
) -> int:
    """Bound every child of a partial placement and sort them; returns how many were bounded."""
    nodes = a.forward.shape[1]
    tried = 1
    for n in range(nodes):
        choice[depth, n] = n
        bounds[depth, n] = np.inf
        if a.allowed[depth, n]:
            node[depth] = n
            bounds[depth, n] = partial_bound(a, r, w, node, depth + 1)
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
