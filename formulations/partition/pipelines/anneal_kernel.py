"""The compiled part of `anneal`: loads of nodes and links kept up to date, move by move."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numba
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]


class LoadArrays(NamedTuple):
    """What the kernel reads. Vertices V and V + 1 are the input and output nodes, fixed."""

    compute: Floats  #: (V, N), infinite where a vertex may not run
    weight: Floats
    activation: Floats
    memory: Floats
    io: Floats  #: seconds per bit, (N,)
    link_s: Floats  #: seconds per bit, (links,)
    link_from: Ints
    tree: Ints  #: (T, N): tree of best routes of a tensor from a node
    before: Ints  #: (trees, N): last link of the route
    tail: Ints  #: (T,)
    head_at: Ints
    head: Ints
    bits: Floats
    back: NDArray[np.bool_]  #: whether a gradient returns
    once: NDArray[np.bool_]  #: whether the sender's io is paid once however many nodes read
    touch_at: Ints
    touch: Ints
    arc_at: Ints  #: arcs of the piece rule, by vertex: other end and direction
    arc_end: Ints
    arc_out: NDArray[np.bool_]
    edge_at: Ints  #: layer edges between vertices, for the cuts
    edge_end: Ints
    max_cuts: int


class State(NamedTuple):
    """A placement and everything that follows from it, kept up to date by `_shift`."""

    place: Ints
    load: Floats  #: (N + links,)
    held: Floats
    peak: Floats
    quotient: Ints  #: (N, N): arcs of the piece rule between nodes
    counts: Ints  #: routes that are missing, cuts
    seen: Ints  #: (N + 1,): stamps of `_charge`, the last one used


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _charge(a: LoadArrays, s: State, t: int, sign: float) -> None:
    """Add (or take away) what one tensor costs nodes and links."""
    source = s.place[a.tail[t]]
    nodes = len(a.io)
    amount = sign * a.bits[t]
    twice = 2.0 * amount if a.back[t] else amount
    s.seen[nodes] += 1
    stamp = s.seen[nodes]
    sent = False
    for k in range(a.head_at[t], a.head_at[t + 1]):
        target = s.place[a.head[k]]
        if target == source or s.seen[target] == stamp:
            continue
        s.seen[target] = stamp
        s.load[target] += twice * a.io[target]
        if not (a.once[t] and sent):
            s.load[source] += twice * a.io[source]
        sent = True
        for way in range(2 if a.back[t] else 1):
            start, node = (source, target) if way == 0 else (target, source)
            root = a.tree[t, start]
            while node != start:
                link = a.before[root, node]
                if link < 0:
                    s.counts[0] += 1 if sign > 0 else -1
                    break
                s.load[nodes + link] += amount * a.link_s[link]
                node = a.link_from[link]


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _shift(a: LoadArrays, s: State, v: int, b: int) -> None:
    """Move vertex v to node b."""
    old = s.place[v]
    for k in range(a.touch_at[v], a.touch_at[v + 1]):
        _charge(a, s, a.touch[k], -1.0)
    for k in range(a.arc_at[v], a.arc_at[v + 1]):
        end = s.place[a.arc_end[k]]
        if a.arc_out[k]:
            s.quotient[old, end] -= 1
            s.quotient[b, end] += 1
        else:
            s.quotient[end, old] -= 1
            s.quotient[end, b] += 1
    for k in range(a.edge_at[v], a.edge_at[v + 1]):
        end = s.place[a.edge_end[k]]
        s.counts[1] += (1 if end != b else 0) - (1 if end != old else 0)
    s.place[v] = b
    for k in range(a.touch_at[v], a.touch_at[v + 1]):
        _charge(a, s, a.touch[k], 1.0)
    s.load[old] -= a.compute[v, old]
    s.load[b] += a.compute[v, b]
    s.held[old] -= a.weight[v]
    s.held[b] += a.weight[v]
    s.peak[b] = max(s.peak[b], a.activation[v])
    if a.activation[v] == s.peak[old] and a.memory[old] < np.inf:
        s.peak[old] = 0.0
        for u in range(len(a.weight)):
            if s.place[u] == old:
                s.peak[old] = max(s.peak[old], a.activation[u])


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _fill(a: LoadArrays, s: State) -> None:
    """Compute the state of a placement afresh."""
    s.load[:] = 0.0
    s.held[:] = 0.0
    s.peak[:] = 0.0
    s.quotient[:] = 0
    s.counts[:] = 0
    for v in range(len(a.weight)):
        n = s.place[v]
        s.load[n] += a.compute[v, n]
        s.held[n] += a.weight[v]
        s.peak[n] = max(s.peak[n], a.activation[v])
        for k in range(a.arc_at[v], a.arc_at[v + 1]):
            if a.arc_out[k]:
                s.quotient[n, s.place[a.arc_end[k]]] += 1
        for k in range(a.edge_at[v], a.edge_at[v + 1]):
            end = a.edge_end[k]
            if v < end and s.place[end] != n:
                s.counts[1] += 1
    for t in range(len(a.tail)):
        _charge(a, s, t, 1.0)


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _acyclic(quotient: Ints) -> bool:
    """Whether the graph of pieces has no cycle; quotient[a, b] counts arcs from a to b."""
    nodes = len(quotient)
    alive = (np.int64(1) << nodes) - 1
    while alive:
        free = np.int64(0)
        for b in range(nodes):
            if not (alive >> b) & 1:
                continue
            entered = False
            for a in range(nodes):
                if a != b and (alive >> a) & 1 and quotient[a, b] > 0:
                    entered = True
                    break
            if not entered:
                free |= np.int64(1) << b
        if free == 0:
            return False
        alive &= ~free
    return True


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _penalty(a: LoadArrays, s: State, unit: float) -> float:
    """How far from feasible, in parts of the energy; zero exactly where feasible."""
    total = 0.5 * s.counts[0]
    for n in range(len(a.memory)):
        if a.memory[n] < np.inf:
            excess = s.held[n] + s.peak[n] - a.memory[n]
            if excess > 0:
                total += 0.05 + 0.3 * excess / unit
    if a.max_cuts >= 0 and s.counts[1] > a.max_cuts:
        total += 0.15 * (s.counts[1] - a.max_cuts)
    if a.arc_at[len(a.weight)] > 0 and not _acyclic(s.quotient):
        total += 0.3
    return float(total)


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _norm(load: Floats, scale: float) -> float:
    total = 0.0
    for value in load:
        x = value / scale
        x *= x
        x *= x
        x *= x
        total += x * x
    return float(total**0.0625)


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def cool_down(
    a: LoadArrays, place: Ints, rng: np.random.Generator, moves: int, heat: float
) -> tuple[Ints, float]:
    """One cooling; returns the best feasible placement met and its bottleneck (inf: none)."""
    size, nodes = a.compute.shape
    s = State(
        place,
        np.zeros(nodes + len(a.link_s)),
        np.zeros(nodes),
        np.zeros(nodes),
        np.zeros((nodes, nodes), dtype=np.int64),
        np.zeros(2, dtype=np.int64),
        np.zeros(nodes + 1, dtype=np.int64),
    )
    _fill(a, s)
    best = place.copy()
    value = np.inf
    unit = max(a.weight.max(), a.activation.max(), 1e-300)
    scale = max(s.load.max(), 1e-300)
    penalty = _penalty(a, s, unit)
    if penalty == 0.0:
        value = s.load.max()
    energy = _norm(s.load, scale) + penalty
    temperature = heat * energy
    cool = 0.001 ** (1.0 / moves)
    which = np.zeros(2, dtype=np.int64)
    came = np.zeros(2, dtype=np.int64)
    kept = place.copy()
    new_penalty = 0.0
    for step in range(moves):
        temperature *= cool
        if step % 4096 == 0:  # sums drift
            _fill(a, s)
            penalty = _penalty(a, s, unit)
            energy = _norm(s.load, scale) + penalty
        # A vertex on the busiest node half of the time, towards a neighbour's node mostly.
        v = int(rng.integers(0, size))
        if rng.random() < 0.5:
            busiest = s.load[:nodes].argmax()
            for _ in range(8):
                if s.place[v] == busiest:
                    break
                v = int(rng.integers(0, size))
        old = s.place[v]
        b = int(rng.integers(0, nodes))
        many = a.touch_at[v + 1] - a.touch_at[v]
        if many > 0 and rng.random() < 0.7:
            t = a.touch[a.touch_at[v] + rng.integers(0, many)]
            if a.tail[t] != v:
                b = int(s.place[a.tail[t]])
            else:
                k = int(rng.integers(0, a.head_at[t + 1] - a.head_at[t]))
                b = int(s.place[a.head[a.head_at[t] + k]])
        if old == b or a.compute[v, b] == np.inf:
            continue
        if rng.random() < 0.01:  # two nodes swap what they hold, or one takes it all
            back = rng.random() < 0.5
            kept[:] = s.place
            for u in range(size):
                if kept[u] == old and a.compute[u, b] < np.inf:
                    s.place[u] = b
                elif back and kept[u] == b and a.compute[u, old] < np.inf:
                    s.place[u] = old
            _fill(a, s)
            new_penalty = _penalty(a, s, unit)
            new_energy = _norm(s.load, scale)
            change = new_energy + new_penalty - energy
            if change > 0 and rng.random() >= np.exp(-change / temperature):
                s.place[:] = kept
                _fill(a, s)
                continue
            penalty = new_penalty
            energy = new_energy + penalty
            if penalty == 0.0 and s.load.max() < value * (1 - 1e-12):
                value = s.load.max()
                best[:] = s.place
            continue
        used = 1
        which[0], came[0] = v, old
        if rng.random() < 0.15:  # and something from there comes back
            u = int(rng.integers(0, size))
            for _ in range(8):
                if s.place[u] == b:
                    break
                u = int(rng.integers(0, size))
            if s.place[u] == b and a.compute[u, old] < np.inf:
                which[1], came[1] = u, b
                used = 2
        _shift(a, s, v, b)
        if used == 2:
            _shift(a, s, int(which[1]), int(old))
        new_energy = _norm(s.load, scale)
        accept = new_energy <= energy or rng.random() < np.exp(-(new_energy - energy) / temperature)
        if accept or penalty > 0:
            new_penalty = _penalty(a, s, unit)
            change = new_energy + new_penalty - energy
            accept = change <= 0 or rng.random() < np.exp(-change / temperature)
        if not accept:
            for k in range(used - 1, -1, -1):
                _shift(a, s, which[k], came[k])
            continue
        penalty = new_penalty
        energy = new_energy + penalty
        if penalty == 0.0:
            top = s.load.max()
            if top < value * (1 - 1e-12):
                value = top
                best[:] = s.place
    return best, value
