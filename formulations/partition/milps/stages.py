r"""The ordered-stage closure: contiguous placements of a graph under `throughput` as a MILP.

Sets
    vertices v (V, see `contracted`), stages s = 0..S - 1 in pipeline order (one per node), classes
    of nodes c (C; single nodes where links carry loads), tensors t with producer a(t) and readers,
    arcs (a, b) of the piece rule.
Parameters
    compute_s[v, c], weight_bytes[v], activation_bytes[v], memory_bytes[c], io_s_per_bit[c],
    bits[t], count[c]; T, the unit of time.
Variables
    ``done[v, s]`` in {0, 1}: v lies in stage s or before (the last stage holds what is left);
    ``kind[s, c]`` in {0, 1}: stage s runs on a node of class c; ``part[v, s, c]`` >= 0: v lies in
    stage s on class c; ``enter[t, s, c]``, ``leave[t, s, c]`` >= 0: tensor t comes into or goes out
    of that stage (classes with a finite io rate only); ``largest[s, c]``: largest activation over
    memory; ``on[v, n]``, ``go[e, n, m]``, ``move[t, n, m]``, ``take[n]``: where vertices are, edges
    and tensors go and the input is received, where links carry loads; ``cut[e]``; ``load``.
Objective
    ``load``, the bottleneck in units of T.
Constraints
    ``closure``: done[b, s] <= done[a, s] for every arc; ``grow``: done[v, s - 1] <= done[v, s].
    ``split``: sum_c part[v, s, c] = done[v, s] - done[v, s - 1]; ``same_kind``: part <= kind;
    ``one_kind``: sum_c kind[s, c] = 1; ``nodes``: sum_s kind[s, c] = count[c].
    ``entering``: enter[t, s, c] >= part[reader, s, c] - part[a, s, c]; ``leaving`` the reverse.
    ``stage_load``: sum_v compute_s part + io (sum_t bits (enter + leave)) <= load T.
    ``memory``, ``activation``; ``at``, ``out_of``, ``into``, ``carried``, ``received``,
    ``link_load``; ``cuts``.
Source
    Closure rows: Picard, Maximal Closure of a Graph, Management Science 22, 1976; the flow form of
    ``go``: Adams and Johnson 1994. Because `done` is a chain of closures and communication is
    continuous, stages have an order and no symmetry, and few instances need branching.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ...linear import LinearModel, ModelBuilder
from ..pipelines.bottleneck import transfer_loads
from ..pipelines.contracted import Contracted
from .load_rows import Moves, add_link_loads

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from ..problem import PartitionProblem

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

#: Columns beyond which the model is not built.
MAX_COLUMNS = 2_000_000


def applies(problem: PartitionProblem) -> bool:
    """Whether `build` can state a problem exactly and at a sensible size."""
    costs = problem.costs()
    plain = (
        problem.objective == "throughput"
        and problem.contiguous
        and problem.max_replicas == 1
        and not problem.limits
    )
    if not plain:
        return False
    io = problem.network.column("io_rate_bps")
    for index, size in ((costs.input_index, -2), (costs.output_index, -1)):
        # What these nodes send and receive for others is not one stage's own business.
        if index >= 0 and np.isfinite(io[index]) and costs.sizes_bytes[size] > 0:
            return False
    nodes = costs.num_nodes
    loaded = _has_link_loads(problem)
    size = costs.num_layers * nodes * (nodes if loaded else 2)
    size += len(costs.edges) * nodes**2 * (1 if loaded else 0)
    return size <= MAX_COLUMNS


def build(problem: PartitionProblem) -> LinearModel:
    """Write the problem as a MILP.

    Parameters
    ----------
    problem : PartitionProblem
        For which `applies` holds.

    Returns
    -------
    LinearModel
        O(V S C + T S C) columns, and O(E N^2) more where links carry loads.
    """
    draft = _Draft(problem)
    draft.stages()
    draft.loads()
    draft.memory()
    if draft.linked:
        draft.links()
    if problem.max_cuts is not None:
        draft.cuts()
    return draft.model.build()


def read(problem: PartitionProblem, model: LinearModel, x: Floats) -> Ints:
    """Return the placement in a solution vector: node of each layer, shape (L,)."""
    draft = _Draft(problem)
    done = model.block("done").take(np.asarray(x)) > 0.5
    # done is monotone in s: the first stage with 1, or the last stage.
    stage = (~done).sum(axis=1)
    kind = model.block("kind").take(np.asarray(x)).argmax(axis=1)
    free = [list(nodes) for nodes in draft.members]
    node = np.array([free[int(c)].pop(0) for c in kind], dtype=np.int64)
    return np.asarray(node[stage][draft.graph.vertex_of_layer], dtype=np.int64)


def encode(problem: PartitionProblem, model: LinearModel, placement: ArrayLike) -> Floats:
    """Return the vector of a feasible placement, to start a solver from.

    Parameters
    ----------
    problem : PartitionProblem
    model : LinearModel
        As `build` gave it for this problem.
    placement : array of int, shape (L,)
    """
    draft = _Draft(problem)
    graph, size = draft.graph, draft.graph.num_vertices
    node = np.empty(size, dtype=np.int64)
    node[graph.vertex_of_layer] = np.asarray(placement, dtype=np.int64)
    class_of = np.empty(len(problem.network.nodes), dtype=np.int64)
    for c, nodes in enumerate(draft.members):
        class_of[list(nodes)] = c
    order = _piece_order(node, graph.arcs, len(class_of))
    stage = np.empty(len(class_of), dtype=np.int64)
    stage[order] = np.arange(len(order))
    count, classes = len(order), len(draft.members)
    kind = np.zeros((count, classes))
    kind[np.arange(count), class_of[order]] = 1.0
    lies = (stage[node][:, None] == np.arange(count)).astype(np.float64)
    part = lies[:, :, None] * kind[None, :, :]
    values: dict[str, Floats] = {
        "done": (stage[node][:, None] <= np.arange(count - 1)).astype(np.float64),
        "kind": kind,
        "part": part,
    }
    producer, reader = draft.pairs
    enter = np.zeros((len(graph.tensor_bits), count, classes))
    leave = np.zeros_like(enter)
    np.maximum.at(enter, draft.tensor_of_pair, part[reader] - part[producer])
    np.maximum.at(leave, draft.tensor_of_pair, part[producer] - part[reader])
    values["enter"], values["leave"] = enter[:, :, draft.busy], leave[:, :, draft.busy]
    scaled = part * (graph.activation_bytes[:, None, None] / draft.room[None, None, :])
    values["largest"] = scaled.max(axis=0)[:, draft.tight]
    seconds = np.where(np.isfinite(draft.compute), draft.compute, 0.0)
    used = np.einsum("vsc,vc->s", part, seconds)
    used = used + np.einsum("tsc,t,c->s", enter + leave, graph.tensor_bits, draft.io)
    top = float(used.max())
    if draft.source_once:
        held = part[graph.source].max(axis=0)
        values["fetch"] = held
        top = float((used + held @ draft.input_s).max())
    if draft.linked:
        on = (node[:, None] == np.arange(count)).astype(np.float64)
        i, j = draft.costs.edges.T
        vertex = graph.vertex_of_layer
        go = on[vertex[i]][:, :, None] * on[vertex[j]][:, None, :]
        values["on"], values["go"] = on, go
        move = np.zeros((draft.costs.num_layers, count, count))
        np.maximum.at(move, i, go)
        values["move"] = move
        values["take"] = on[vertex[draft.costs.sources]].max(axis=0)
        top = np.inf  # the evaluation below knows the links
    if problem.max_cuts is not None:
        i, j = draft.costs.edges.T
        vertex = graph.vertex_of_layer
        values["cut"] = (node[vertex[i]] != node[vertex[j]]).astype(np.float64)
    if not np.isfinite(top):
        from ..solution import Partition

        top = Partition.from_indices(problem, placement).objective
    values["load"] = np.array([top / draft.unit])
    vector = np.zeros(model.num_columns)
    for block in model.columns:
        vector[block.start : block.stop] = values[block.name].reshape(-1)
    return vector


def _has_link_loads(problem: PartitionProblem) -> bool:
    table = transfer_loads(problem)
    return bool(table[np.isfinite(table)].max(initial=0.0) > 0 or not np.isfinite(table).all())


def _piece_order(node: Ints, arcs: Ints, count: int) -> Ints:
    """Nodes in an order that all arcs between pieces follow."""
    after = np.zeros((count, count), dtype=np.bool_)
    after[node[arcs[:, 0]], node[arcs[:, 1]]] = True
    np.fill_diagonal(after, False)
    left, order = list(range(count)), []
    while left:
        n = next(n for n in left if not after[left, n].any())
        order.append(n)
        left.remove(n)
    return np.array(order, dtype=np.int64)


class _Draft:
    """The model while it is written; the letters are those of the module docstring."""

    load: Ints
    done: Ints
    kind: Ints
    part: Ints

    def __init__(self, problem: PartitionProblem) -> None:
        self.problem = problem
        self.model = ModelBuilder()
        self.costs = problem.costs()
        self.graph = Contracted.of(problem)
        graph = self.graph
        self.linked = _has_link_loads(problem)
        class_of = np.empty(self.costs.num_nodes, dtype=np.int64)
        for c, nodes in enumerate(graph.members):
            class_of[list(nodes)] = c
        pick = class_of if self.linked else np.arange(len(graph.members))
        self.members = (
            tuple((n,) for n in range(self.costs.num_nodes)) if self.linked else graph.members
        )
        self.compute = graph.compute_s[:, pick]
        self.io = graph.io_s_per_bit[pick]
        self.input_s = graph.input_s[pick]
        memory = graph.memory_bytes[pick]
        largest = float(graph.activation_bytes.max())
        self.tight = np.flatnonzero(memory < graph.weight_bytes.sum() + largest)
        self.room = np.where(np.isfinite(memory) & (memory > 0), memory, 1.0)
        self.busy = np.flatnonzero(self.io > 0)
        self.source_once = bool(graph.source.any() and self.input_s.max() > 0)
        self.pairs = (
            np.repeat(graph.tensor_from, [len(to) for to in graph.tensor_to]),
            np.array([v for to in graph.tensor_to for v in to], dtype=np.int64),
        )
        self.tensor_of_pair = np.repeat(
            np.arange(len(graph.tensor_bits)), [len(to) for to in graph.tensor_to]
        )
        bound = graph.load_bound()
        self.unit = bound if np.isfinite(bound) and bound > 0 else 1.0

    def stages(self) -> None:
        """done, kind, part and what ties them."""
        model, graph = self.model, self.graph
        size, count, classes = graph.num_vertices, self.costs.num_nodes, len(self.members)
        self.load = model.variables("load", 1, lower=0.0)
        model.minimise(self.load, self.unit)
        self.done = model.variables("done", (size, count - 1), upper=1.0, integer=True)
        self.kind = model.variables("kind", (count, classes), upper=1.0, integer=True)
        may = np.isfinite(self.compute)[:, None, :] & np.ones((1, count, 1), dtype=np.bool_)
        self.part = model.variables("part", (size, count, classes), upper=may.astype(np.float64))
        done, a, b = self.done, graph.arcs[:, 0], graph.arcs[:, 1]

        rows = model.constraints("closure", (len(a), count - 1), lower=0.0)
        model.add(rows, done[a], 1.0)
        model.add(rows, done[b], -1.0)
        if count > 2:
            rows = model.constraints("grow", (size, count - 2), lower=0.0)
            model.add(rows, done[:, 1:], 1.0)
            model.add(rows, done[:, :-1], -1.0)
        ends = np.zeros((size, count))
        ends[:, -1] = 1.0  # done[v, S - 1] = 1 is not a column
        rows = model.constraints("split", (size, count), lower=ends, upper=ends)
        model.add(rows[:, :, None], self.part, 1.0)
        model.add(rows[:, :-1], done, -1.0)
        model.add(rows[:, 1:], done, 1.0)
        rows = model.constraints("same_kind", self.part.shape, lower=0.0)
        model.add(rows, self.kind[None, :, :], 1.0)
        model.add(rows, self.part, -1.0)
        rows = model.constraints("one_kind", count, lower=1.0, upper=1.0)
        model.add(rows[:, None], self.kind, 1.0)
        counts = np.array([len(nodes) for nodes in self.members], dtype=np.float64)
        rows = model.constraints("nodes", classes, lower=counts, upper=counts)
        model.add(rows[None, :], self.kind, 1.0)

    def loads(self) -> None:
        """enter, leave and the load of every stage."""
        model, graph, busy = self.model, self.graph, self.busy
        count, tensors = self.costs.num_nodes, len(graph.tensor_bits)
        row = model.constraints("stage_load", count, lower=0.0)
        model.add(row, self.load, 1.0)
        seconds = np.where(np.isfinite(self.compute), self.compute, 0.0) / self.unit
        model.add(row[None, :, None], self.part, -seconds[:, None, :])
        # In whatever way the stages are cut, all nodes together carry all vertices.
        for k, price in enumerate(graph.prices if not self.linked else graph.prices[:0]):
            least = np.where(np.isfinite(self.compute), price * self.compute, np.inf).min(axis=1)
            bound = float(least.sum()) / float(price @ graph.counts) / self.unit
            model.add(model.constraints(f"price_{k}", 1, lower=bound * (1 - 1e-9)), self.load, 1.0)
        for name in ("enter", "leave"):
            columns = model.variables(name, (tensors, count, len(busy)), upper=1.0)
            pay = graph.tensor_bits[:, None] * self.io[busy][None, :] / self.unit
            model.add(row[None, :, None], columns, -pay[:, None, :])
            inside, outside = self.pairs[::-1] if name == "enter" else self.pairs
            rows = model.constraints(f"{name}ing"[-8:], (len(inside), count, len(busy)), lower=0.0)
            model.add(rows, columns[self.tensor_of_pair], 1.0)
            model.add(rows, self.part[inside][:, :, busy], -1.0)
            model.add(rows, self.part[outside][:, :, busy], 1.0)
        if self.source_once:
            columns = model.variables("fetch", (count, len(self.members)), upper=1.0)
            model.add(row[:, None], columns, -(self.input_s / self.unit)[None, :])
            held = self.part[graph.source]
            rows = model.constraints("fetching", held.shape, lower=0.0)
            model.add(rows, columns[None, :, :], 1.0)
            model.add(rows, held, -1.0)

    def memory(self) -> None:
        """Weights and the largest activation of a stage, over the memory of its class."""
        model, graph, tight = self.model, self.graph, self.tight
        count = self.costs.num_nodes
        room = self.room[tight]
        largest = model.variables("largest", (count, len(tight)))
        part = self.part[:, :, tight]
        rows = model.constraints("memory", (count, len(tight)), lower=0.0)
        model.add(rows, self.kind[:, tight], 1 + 1e-9)
        model.add(rows, largest, -1.0)
        model.add(rows[None], part, -(graph.weight_bytes[:, None, None] / room))
        rows = model.constraints("activation", part.shape, lower=0.0)
        model.add(rows, largest[None], 1.0)
        model.add(rows, part, -(graph.activation_bytes[:, None, None] / room))

    def links(self) -> None:
        """Where vertices are, which way every tensor goes, what that leaves on links."""
        model, graph, costs = self.model, self.graph, self.costs
        size, count = graph.num_vertices, costs.num_nodes
        vertex = graph.vertex_of_layer
        on = model.variables("on", (size, count), upper=1.0)
        rows = model.constraints("at", (size, count), lower=0.0, upper=0.0)
        model.add(rows, on, 1.0)
        model.add(rows[:, None, :], self.part, -1.0)
        i, j = costs.edges.T
        routed = np.isfinite(costs.transfer_s)  # in training the way back as well
        go = model.variables("go", (len(i), count, count), upper=routed[i].astype(np.float64))
        rows = model.constraints("out_of", (len(i), count), lower=0.0, upper=0.0)
        model.add(rows[:, :, None], go, 1.0)
        model.add(rows, on[vertex[i]], -1.0)
        rows = model.constraints("into", (len(i), count), lower=0.0, upper=0.0)
        model.add(rows[:, None, :], go, 1.0)
        model.add(rows, on[vertex[j]], -1.0)
        parts: list[tuple[Ints, Ints, Ints, Ints]] = []

        def moved(columns: Ints, tensor: Ints) -> None:
            n, m = np.indices((count, count))
            shape = columns.shape
            away = np.broadcast_to(n != m, shape) & routed[tensor]
            parts.append(
                (
                    columns[away],
                    np.broadcast_to(tensor[:, None, None], shape)[away],
                    np.broadcast_to(n, shape)[away],
                    np.broadcast_to(m, shape)[away],
                )
            )

        if self.problem.multicast:
            move = model.variables("move", (costs.num_layers, count, count), upper=1.0)
            rows = model.constraints("carried", go.shape, lower=0.0)
            model.add(rows, move[i], 1.0)
            model.add(rows, go, -1.0)
            moved(move, np.arange(costs.num_layers))
        else:
            moved(go, i)
        here, there = costs.input_index, costs.output_index
        if here >= 0:
            columns = on[vertex[costs.sources]]
            if self.problem.multicast:
                columns = model.variables("take", count, upper=1.0)[None, :]
                rows = model.constraints("received", (len(costs.sources), count), lower=0.0)
                model.add(rows, columns, 1.0)
                model.add(rows, on[vertex[costs.sources]], -1.0)
            target = np.broadcast_to(np.arange(count), columns.shape)
            keep = (target != here) & routed[-2, here][target]
            k = int(keep.sum())
            parts.append(
                (columns[keep], np.full(k, costs.num_layers), np.full(k, here), target[keep])
            )
        if there >= 0:
            columns = on[vertex[costs.sinks]]
            source = np.broadcast_to(np.arange(count), columns.shape)
            keep = (source != there) & routed[-1, :, there][source]
            k = int(keep.sum())
            parts.append(
                (columns[keep], np.full(k, costs.num_layers + 1), source[keep], np.full(k, there))
            )
        add_link_loads(model, self.problem, self.load, self.unit, Moves.joined(parts))

    def cuts(self) -> None:
        """At most `max_cuts` edges between different nodes."""
        model, costs, done = self.model, self.costs, self.done
        vertex = self.graph.vertex_of_layer
        i, j = costs.edges.T
        cut = model.variables("cut", len(i), upper=1.0)
        rows = model.constraints("cuts", 1, upper=float(self.problem.max_cuts or 0))
        model.add(rows[:, None], cut[None], 1.0)
        rows = model.constraints("cutting", (len(i), done.shape[1]), lower=0.0)
        model.add(rows, cut[:, None], 1.0)
        model.add(rows, done[vertex[i]], -1.0)
        model.add(rows, done[vertex[j]], 1.0)
