"""Simulated annealing under `throughput`: any graph, any links, contiguous or free.

Vertices move between nodes; the loads of all nodes and links are kept up to date tensor by tensor
and equal the judge's. The energy is the 16-norm of the loads, a smooth stand-in for their maximum.
Source of the method: Kirkpatrick, Gelatt, Vecchi: Optimization by Simulated Annealing, 1983.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..solution import Partition
from .anneal_kernel import LoadArrays, cool_down

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..outcome import Watch
    from ..problem import PartitionProblem
    from .contracted import Contracted

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

#: Nodes above which the test for cycles (one machine word per node) cannot be used.
MAX_NODES = 63
#: Most moves of one cooling, and moves for each vertex and node.
ROUND = 200_000
ROUND_PER_ITEM = 4_000


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
    rng = np.random.default_rng(seed)
    idle, turn = 0, 0
    best = np.array(place)
    best_value = np.inf
    while idle < rounds and not watch.expired():
        # Hot from the first start, then warmer and cooler from the best plan.
        heat = (0.03, 0.1, 0.01, 0.003)[turn % 4]
        begin = np.array(best if turn % 4 else place)
        found, value = cool_down(arrays, begin, rng, moves, heat)
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
