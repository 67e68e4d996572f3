"""Simulated annealing under `throughput`: any graph, any links, contiguous or free.

Vertices move between nodes; the loads of all nodes and links are kept up to date tensor by tensor
and equal the judge's. The energy is the 16-norm of the loads, a smooth stand-in for their maximum.
Source of the method: Kirkpatrick, Gelatt, Vecchi: Optimization by Simulated Annealing, 1983.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numba
import numpy as np

from .solution import Partition

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .contracted import Contracted
    from .outcome import Watch
    from .problem import PartitionProblem

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

#: Nodes above which the test for cycles (one machine word per node) cannot be used.
MAX_NODES = 63
#: Most moves of one cooling, and moves for each vertex and node.
ROUND = 200_000
ROUND_PER_ITEM = 4_000


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


def anneal(
    problem: PartitionProblem,
    graph: Contracted,
    watch: Watch,
    start: Ints | None = None,
    *,
    seed: int = 0,
    rounds: int = 10,
) -> None:
    """Improve a placement and report every better one to `watch`.

    Parameters
    ----------
    problem : PartitionProblem
    graph : Contracted
        Of this problem; its vertices are what moves.
    watch : Watch
    start : ndarray of int64, shape (L,), optional
        A placement to start from; without it vertices start on their fastest nodes.
    seed : int
    rounds : int
        Coolings without a better plan after which to stop.
    """
    if not graph.num_vertices or len(problem.network.nodes) > MAX_NODES:
        return
    arrays, fixed = load_arrays(problem, graph)
    size = graph.num_vertices
    place = np.empty(size + 2, dtype=np.int64)
    if start is None:
        place[:size] = _first(arrays)
    else:
        place[graph.vertex_of_layer] = start
    place[size:] = fixed
    names = range(len(problem.network.nodes))
    for whole in (np.full(problem.profile.num_layers, n, dtype=np.int64) for n in names):
        partition = Partition.from_indices(problem, whole)
        if partition.objective < watch.objective and not partition.violations():
            watch.offer(whole, partition.objective)
            place[graph.vertex_of_layer] = whole
    moves = min(ROUND, ROUND_PER_ITEM * (size + len(names)))
    idle, turn = 0, 0
    best = np.array(place)
    best_value = np.inf
    while idle < rounds and not watch.expired():
        # Hot from the first start, then warmer and cooler from the best plan.
        heat = (0.03, 0.1, 0.01, 0.003)[turn % 4]
        found, value = _anneal(
            arrays, np.array(best if turn % 4 else place), seed + turn, moves, heat
        )
        turn += 1
        idle += 1
        if value < best_value * (1 - 1e-9):
            best, best_value = found, value
            partition = Partition.from_indices(problem, found[graph.vertex_of_layer])
            if not partition.violations():
                if partition.objective < watch.objective * (1 - 1e-9):
                    idle = 0
                watch.offer(found[graph.vertex_of_layer], partition.objective)


def _first(arrays: LoadArrays) -> Ints:
    """Vertices in order, filling nodes to an equal share of the work, where memory allows."""
    compute = arrays.compute
    finite = np.isfinite(compute)
    place = np.zeros(len(compute), dtype=np.int64)
    load = np.zeros(compute.shape[1])
    held = np.zeros(compute.shape[1])
    peak = np.zeros(compute.shape[1])
    for v in range(len(compute)):
        after = np.where(finite[v], load + compute[v], np.inf)
        need = held + arrays.weight[v] + np.maximum(peak, arrays.activation[v])
        fits = np.where(need <= arrays.memory, after, np.inf)
        n = int((fits if np.isfinite(fits).any() else after).argmin())
        place[v] = n
        load[n] += compute[v, n]
        held[n] += arrays.weight[v]
        peak[n] = max(peak[n], arrays.activation[v])
    return place


def load_arrays(problem: PartitionProblem, graph: Contracted) -> tuple[LoadArrays, Ints]:
    """Arrays of the kernel, and the nodes of the two fixed vertices (-1 where there is none)."""
    costs, network = problem.costs(), problem.network
    vertex, size, count = graph.vertex_of_layer, graph.num_vertices, costs.num_layers
    compute = np.zeros((size, costs.num_nodes))
    np.add.at(compute, vertex, np.where(costs.allowed, costs.compute_s, np.inf))
    training = problem.training is not None

    rows: list[tuple[int, list[int], int, bool, bool]] = []  # tail, heads, size, back, once
    if problem.multicast:
        readers: dict[int, list[int]] = {}
        for i, j in costs.edges:
            readers.setdefault(int(i), []).append(int(vertex[j]))
        rows += [(int(vertex[i]), to, i, training, True) for i, to in readers.items()]
    else:
        rows += [
            (int(vertex[i]), [int(vertex[j])], int(i), training, False) for i, j in costs.edges
        ]
    if costs.input_index >= 0:
        to = [int(vertex[i]) for i in costs.sources]
        for heads in [to] if problem.multicast else [[v] for v in to]:
            rows.append((size, heads, count, False, False))
    if costs.output_index >= 0:
        rows += [(int(vertex[i]), [size + 1], count + 1, training, False) for i in costs.sinks]
    rows = [
        (tail, sorted({v for v in heads if v != tail}), s, back, once)
        for tail, heads, s, back, once in rows
    ]
    rows = [row for row in rows if row[1] and costs.sizes_bytes[row[2]] > 0]
    touched: list[list[int]] = [[] for _ in range(size + 2)]
    for t, (tail, heads, *_) in enumerate(rows):
        for v in (tail, *heads):
            touched[v].append(t)
    arcs: list[list[tuple[int, bool]]] = [[] for _ in range(size)]
    if problem.contiguous:
        for a, b in graph.arcs:
            arcs[a].append((int(b), True))
            arcs[b].append((int(a), False))
    ends: list[list[int]] = [[] for _ in range(size)]
    if problem.max_cuts is not None:
        for i, j in costs.edges:
            if vertex[i] != vertex[j]:
                ends[vertex[i]].append(int(vertex[j]))
                ends[vertex[j]].append(int(vertex[i]))
    rates = np.array([link.rate_bps for link in network.links], dtype=np.float64)
    sizes = np.array([row[2] for row in rows], dtype=np.int64)
    arrays = LoadArrays(
        compute=compute,
        weight=graph.weight_bytes,
        activation=graph.activation_bytes,
        memory=costs.memory_bytes * (1 + 1e-9),
        io=1.0 / network.column("io_rate_bps"),
        link_s=1.0 / rates if len(rates) else np.zeros(0),
        link_from=costs.routes.link_source,
        tree=costs.routes.tree[sizes],
        before=costs.routes.before,
        tail=np.array([row[0] for row in rows], dtype=np.int64),
        head_at=_starts([row[1] for row in rows]),
        head=_flat([row[1] for row in rows]),
        bits=8.0 * costs.sizes_bytes[sizes],
        back=np.array([row[3] for row in rows], dtype=np.bool_),
        once=np.array([row[4] for row in rows], dtype=np.bool_),
        touch_at=_starts(touched),
        touch=_flat(touched),
        arc_at=_starts(arcs),
        arc_end=_flat([[end for end, _ in row] for row in arcs]),
        arc_out=_flat([[int(out) for _, out in row] for row in arcs]).astype(np.bool_),
        edge_at=_starts(ends),
        edge_end=_flat(ends),
        max_cuts=-1 if problem.max_cuts is None else problem.max_cuts,
    )
    return arrays, np.array([costs.input_index, costs.output_index], dtype=np.int64)


def _starts(rows: list[list[int]] | list[list[tuple[int, bool]]]) -> Ints:
    return np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.int64)


def _flat(rows: list[list[int]]) -> Ints:
    return np.array([value for row in rows for value in row], dtype=np.int64)


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
    return total


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _norm(load: Floats, scale: float) -> float:
    total = 0.0
    for value in load:
        x = value / scale
        x *= x
        x *= x
        x *= x
        total += x * x
    return total**0.0625


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _anneal(a: LoadArrays, place: Ints, seed: int, moves: int, heat: float) -> tuple[Ints, float]:
    """One cooling; returns the best feasible placement met and its bottleneck (inf: none)."""
    np.random.seed(seed)
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
        v = np.random.randint(size)
        if np.random.random() < 0.5:
            busiest = s.load[:nodes].argmax()
            for _ in range(8):
                if s.place[v] == busiest:
                    break
                v = np.random.randint(size)
        old = s.place[v]
        b = np.random.randint(nodes)
        many = a.touch_at[v + 1] - a.touch_at[v]
        if many > 0 and np.random.random() < 0.7:
            t = a.touch[a.touch_at[v] + np.random.randint(many)]
            if a.tail[t] != v:
                b = s.place[a.tail[t]]
            else:
                k = np.random.randint(a.head_at[t + 1] - a.head_at[t])
                b = s.place[a.head[a.head_at[t] + k]]
        if old == b or a.compute[v, b] == np.inf:
            continue
        if np.random.random() < 0.01:  # two nodes swap what they hold, or one takes it all
            back = np.random.random() < 0.5
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
            if change > 0 and np.random.random() >= np.exp(-change / temperature):
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
        if np.random.random() < 0.15:  # and something from there comes back
            u = np.random.randint(size)
            for _ in range(8):
                if s.place[u] == b:
                    break
                u = np.random.randint(size)
            if s.place[u] == b and a.compute[u, old] < np.inf:
                which[1], came[1] = u, b
                used = 2
        _shift(a, s, v, b)
        if used == 2:
            _shift(a, s, which[1], old)
        new_energy = _norm(s.load, scale)
        accept = new_energy <= energy or np.random.random() < np.exp(
            -(new_energy - energy) / temperature
        )
        if accept or penalty > 0:
            new_penalty = _penalty(a, s, unit)
            change = new_energy + new_penalty - energy
            accept = change <= 0 or np.random.random() < np.exp(-change / temperature)
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
