r"""The assignment formulation: any graph, any objective, every constraint, as one MILP.

Sets
    layers i (L), nodes n (N), edges e = (i, j), pairs of nodes (u, v).
Parameters
    those of `PartitionCosts`; T, a unit of time that brings numbers to order one.
Variables
    ``x[i, n]`` layer i runs on n; ``y[k]`` edge e goes from u to v, for every admissible triple
    k = (e, u, v); ``largest[n]`` the largest activation on n over its memory; ``carried[k]`` with
    multicast, tensor i goes from u to v; ``received[n]`` with multicast, the input goes to n;
    ``sent[k]`` with multicast, node u sends tensor i; ``before[k]`` node u stands before v (u < v);
    ``begin[i]``, ``backward[i]`` start of a layer's passes, ``same[k]`` two unrelated layers share
    a node, ``end`` end of the pass (graphs with branches only); ``busiest`` the bottleneck.
Objective
    One of latency, bandwidth, energy, throughput or a weighted sum. The latency of a chain is a
    plain sum; that of a graph is ``end``, with every node running its layers one at a time in
    order.
Constraints
    ``place``: sum_n x[i, n] = 1. ``leave``, ``arrive``: sum_v y[e, u, v] = x[i, u] and
    sum_u y[e, u, v] = x[j, v], which is the convex hull of the product x[i, u] x[j, v] (Adams and
    Johnson 1994), not its weak form y >= x + x - 1. ``memory`` and ``activation``; ``cuts``;
    ``together``; contiguous: every path has one run per node, ``runs``, and pieces of a graph
    follow a linear order of the nodes, ``triangle`` (Grötschel, Jünger and Reinelt 1984) and
    ``follow``: a path steps from u to v once at most, and only if u stands before v.
    ``alike``: of nodes that can be exchanged, the first layer comes to the first.
    Latency of a graph: ``precede`` along edges, ``queue`` between unrelated layers on one node.
    ``node_load``, ``link_load``: the bottleneck. ``limit_...``: bounds on single objectives.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from ... import checks
from ...linear import LinearModel, ModelBuilder
from ..kernel import piece_edges
from ..moves import canonical, node_classes
from ..scales import objective_weights, repeats, time_unit
from ..solution import Partition
from ..times import Schedule, horizon_s, path_cover
from .load_rows import Moves, add_link_loads, add_node_loads
from .move_rows import add_moves, senders, shared_tensors
from .time_rows import add_times, unrelated

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from ..costs import PartitionCosts
    from ..problem import PartitionProblem

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

#: Limits are kept to this relative tolerance (the judge allows 1e-6).
SLACK = 1e-9


def build(problem: PartitionProblem, upper: float = math.inf) -> LinearModel:
    """Write the problem as a MILP.

    Parameters
    ----------
    problem : PartitionProblem
        With ``max_replicas`` 1: every layer gets one node.
    upper : float
        Objective of a known placement; for the latency of a graph it tightens the big-M rows.

    Returns
    -------
    LinearModel
        O(E N^2) columns and entries; for graphs under ``latency`` also O(L^2 N) rows.

    Raises
    ------
    InputError
        If the problem asks for replicas, or for ``balance`` without `reference`.
    """
    if problem.max_replicas > 1:
        checks.fail("PartitionProblem.max_replicas", problem.max_replicas, "1 for an assignment")
    draft = _Draft(problem, upper)
    draft.place()
    draft.edges()
    draft.memory()
    if problem.contiguous:
        draft.order()
    draft.symmetry()
    if draft.wants("bandwidth", "energy", "throughput"):
        draft.moves()
    if draft.wants("throughput"):
        draft.loads()
    if draft.wants("latency") and not problem.profile.is_chain:
        draft.times()
    draft.value()
    return draft.model.build()


def read(problem: PartitionProblem, model: LinearModel, x: Floats) -> Ints:
    """Return the placement in a solution vector: node of each layer, shape (L,)."""
    chosen = model.block("x").take(np.asarray(x))
    return np.asarray(chosen.argmax(axis=1), dtype=np.int64)


def encode(problem: PartitionProblem, model: LinearModel, placement: ArrayLike) -> Floats:
    """Return the vector of a feasible placement, to start a solver from.

    Nodes that can be exchanged are renamed as the model's symmetry rows want them.

    Parameters
    ----------
    problem : PartitionProblem
    model : LinearModel
        As `build` gave it for this problem.
    placement : array of int, shape (L,)
    """
    node = canonical(problem, np.asarray(placement, dtype=np.int64))
    draft = _Draft(problem, math.inf)
    vector = np.zeros(model.num_columns)
    at = {block.name: block for block in model.columns}

    def put(name: str, values: ArrayLike) -> None:
        if name in at:
            vector[at[name].start : at[name].stop] = np.asarray(values, dtype=np.float64).ravel()

    costs = draft.costs
    put("x", node[:, None] == np.arange(costs.num_nodes)[None, :])
    e, u, v = draft.triples
    i, j = costs.edges[e].T
    put("y", (node[i] == u) & (node[j] == v))
    if "largest" in at:
        biggest = np.zeros(costs.num_nodes)
        np.maximum.at(biggest, node, costs.activation_bytes)
        put(
            "largest",
            (biggest / np.where(costs.memory_bytes > 0, costs.memory_bytes, 1))[draft.tight],
        )
    if "carried" in at:
        key, inverse = shared_tensors(problem, draft.triples)
        used = np.zeros(len(key))
        k = np.flatnonzero(inverse >= 0)
        np.maximum.at(used, inverse[k], ((node[i] == u) & (node[j] == v))[k])
        put("carried", used)
    if "received" in at:
        put("received", np.isin(np.arange(costs.num_nodes), node[costs.sources]))
    if "sent" in at:
        tensor, where = senders(problem, draft.triples)
        far = node[costs.edges[:, 0]] != node[costs.edges[:, 1]]
        away = set(costs.edges[far, 0].tolist())
        put("sent", [node[t] == n and t in away for t, n in zip(tensor, where, strict=True)])
    if "before" in at:
        rank = _ranks(node, piece_edges(problem), costs.num_nodes)
        first, second = np.triu_indices(costs.num_nodes, 1)
        put("before", rank[first] < rank[second])
    result = Partition.from_indices(problem, node).evaluation
    put("busiest", result.throughput / draft.unit)
    if "end" in at:
        one, two = unrelated(costs)
        put("same", node[one] == node[two])
        times = Schedule.of(problem, node)
        put("begin", times.forward_s / draft.unit)
        put("backward", times.backward_s / draft.unit)
        put("end", times.end_s / draft.unit)
    return vector


@dataclass(slots=True)
class _Draft:
    """The model while it is written: columns found so far, one method per group of rows."""

    problem: PartitionProblem
    upper: float
    model: ModelBuilder = field(default_factory=ModelBuilder)
    costs: PartitionCosts = field(init=False)
    unit: float = field(init=False)
    weights: dict[str, float] = field(init=False)
    triples: tuple[Ints, Ints, Ints] = field(init=False)
    tight: NDArray[np.bool_] = field(init=False)
    x: Ints = field(init=False)
    y: Ints = field(init=False)
    moved: Moves = field(init=False)
    sent: tuple[Ints, Ints, Ints] | None = None
    load: Ints | None = None
    end: Ints | None = None

    def __post_init__(self) -> None:
        problem, costs = self.problem, self.problem.costs()
        self.costs = costs
        self.weights = objective_weights(problem)
        self.unit = time_unit(costs)
        allowed, (i, j) = costs.allowed, costs.edges.T
        fits = np.isfinite(costs.transfer_s[i]) & allowed[i][:, :, None] & allowed[j][:, None, :]
        e, u, v = np.nonzero(fits)
        self.triples = (e, u, v)
        # Memory rows only where all that may run there would not fit together.
        mine = np.where(allowed, costs.weight_bytes[:, None], 0.0).sum(axis=0)
        most = np.where(allowed, costs.activation_bytes[:, None], 0.0).max(axis=0)
        self.tight = mine + most > costs.memory_bytes

    def wants(self, *names: str) -> bool:
        """Whether any of these objectives is minimised or limited."""
        wanted = set(self.weights) | set(self.problem.limits)
        if "latency" in wanted and repeats(self.problem):
            wanted.add("throughput")
        return bool(wanted & set(names))

    # -- who runs where ----------------------------------------------------------------------------
    def place(self) -> None:
        model, allowed = self.model, self.costs.allowed
        self.x = model.variables("x", allowed.shape, upper=allowed, integer=True)
        rows = model.constraints("place", len(allowed), lower=1.0, upper=1.0)
        model.add(rows[:, None], self.x, 1.0)
        pairs = [(g[0], other) for g in self.problem.colocated for other in g[1:]]
        if pairs:
            one, two = np.array(pairs, dtype=np.int64).T
            rows = model.constraints(
                "together", (len(pairs), allowed.shape[1]), lower=0.0, upper=0.0
            )
            model.add(rows, self.x[one], 1.0)
            model.add(rows, self.x[two], -1.0)

    def edges(self) -> None:
        model, costs, (e, u, v) = self.model, self.costs, self.triples
        self.y = model.variables("y", len(e), upper=1.0, implied=True)
        i, j = costs.edges.T
        for name, node, layer in (("leave", u, i), ("arrive", v, j)):
            rows = model.constraints(name, (len(i), costs.num_nodes), lower=0.0, upper=0.0)
            model.add(rows[e, node], self.y, 1.0)
            model.add(rows, self.x[layer], -1.0)
        if self.problem.max_cuts is not None and len(i):
            least = len(i) - self.problem.max_cuts
            row = model.constraints("cuts", 1, lower=float(least))
            model.add(row, self.y[u == v], 1.0)

    def memory(self) -> None:
        model, costs = self.model, self.costs
        nodes = np.flatnonzero(self.tight)
        if not len(nodes):
            return
        room = np.where(costs.memory_bytes > 0, costs.memory_bytes, 1.0)[nodes]
        largest = model.variables("largest", len(nodes), upper=1.0)
        rows = model.constraints("memory", len(nodes), upper=1.0 + SLACK)
        model.add(rows[None, :], self.x[:, nodes], costs.weight_bytes[:, None] / room[None, :])
        model.add(rows, largest, 1.0)
        share = np.minimum(costs.activation_bytes[:, None] / room[None, :], 1.0)
        layer, k = np.nonzero((share > 0) & costs.allowed[:, nodes])
        rows = model.constraints("activation", len(layer), lower=0.0)
        model.add(rows, largest[k], 1.0)
        model.add(rows, self.x[layer, nodes[k]], -share[layer, k])

    def order(self) -> None:
        """Contiguity: one run per node of a chain, a linear order of the pieces of a graph."""
        model, costs, (_, u, v) = self.model, self.costs, self.triples
        count = costs.num_nodes
        if self.problem.profile.is_chain and self.problem.piece_edges is None:
            rows = model.constraints("runs", count, upper=1.0)
            model.add(rows[None, :], self.x, 1.0)
            model.add(rows[u[u == v]], self.y[u == v], -1.0)
            return
        first, second = np.triu_indices(count, 1)
        before = model.variables("before", len(first), upper=1.0, integer=True)
        column = np.zeros((count, count), dtype=np.int64)
        column[first, second] = before
        above = np.triu(np.ones((count, count), dtype=bool), 1)
        a, b, c = np.nonzero(above[:, :, None] & above[None, :, :])
        rows = model.constraints("triangle", len(a), lower=0.0, upper=1.0)
        model.add(rows, column[a, b], 1.0)
        model.add(rows, column[b, c], 1.0)
        model.add(rows, column[a, c], -1.0)
        if self.problem.piece_edges is None:
            self._paths(column)
            return
        # Edges of its own: no y stands for them.
        i, j = piece_edges(self.problem).T
        pair, u, v = np.nonzero(costs.allowed[i][:, :, None] & costs.allowed[j][:, None, :])
        pair, u, v = pair[u != v], u[u != v], v[u != v]
        rows = self._follow(column, u, v, 2)
        model.add(rows, self.x[i[pair], u], 1.0)
        model.add(rows, self.x[j[pair], v], 1.0)

    def _paths(self, column: Ints) -> None:
        """On every path of a cover of the edges: one run per node, one step from u to v at most."""
        model, costs, (e, u, v) = self.model, self.costs, self.triples
        count = costs.num_nodes
        path, edge = path_cover(costs.edges, costs.num_layers)
        if not len(path):
            return
        paths = int(path.max()) + 1
        rows = model.constraints("runs", (paths, count), upper=1.0)
        head = np.unique(path, return_index=True)[1]
        model.add(rows, self.x[costs.edges[edge[head], 0]], 1.0)
        model.add(rows[path], self.x[costs.edges[edge, 1]], 1.0)
        # All triples of every edge of every path.
        size = np.bincount(e, minlength=len(costs.edges))
        first = np.concatenate([[0], np.cumsum(size)])[edge]
        many = size[edge]
        k = np.repeat(first - np.cumsum(many) + many, many) + np.arange(int(many.sum()))
        of = np.repeat(path, many)
        own = u[k] == v[k]
        model.add(rows[of[own], u[k[own]]], self.y[k[own]], -1.0)
        k, of = k[~own], of[~own]
        code, at = np.unique((of * count + u[k]) * count + v[k], return_inverse=True)
        rows = self._follow(column, code // count % count, code % count, 1)
        model.add(rows[at], self.y[k], 1.0)

    def _follow(self, column: Ints, u: Ints, v: Ints, terms: int) -> Ints:
        """Rows ``follow``: where all of `terms` columns are one, node u comes before node v."""
        up = u < v
        rows = self.model.constraints("follow", len(u), upper=np.where(up, 0.0, 1.0) + terms - 1.0)
        low, high = np.minimum(u, v), np.maximum(u, v)
        self.model.add(rows, column[low, high], np.where(up, -1.0, 1.0))
        return rows

    def symmetry(self) -> None:
        """The first layer of a class comes to its first node, and so on."""
        model, count = self.model, self.costs.num_layers
        pairs = [(a, b) for g in node_classes(self.problem) for a, b in pairwise(g)]
        if not pairs:
            return
        one, two = np.array(pairs, dtype=np.int64).T
        rows = model.constraints("alike", (len(pairs), count), upper=0.0)
        model.add(rows, self.x[:, two].T, 1.0)
        k, i, earlier = np.nonzero(np.tri(count, k=-1, dtype=bool)[None].repeat(len(pairs), axis=0))
        model.add(rows[k, i], self.x[earlier, one[k]], -1.0)

    def moves(self) -> None:
        """Columns that stand for what travels, each once."""
        self.moved, self.sent = add_moves(
            self.model,
            self.problem,
            self.x,
            self.y,
            self.triples,
            with_senders=self.wants("throughput"),
        )

    # -- bottleneck and time -----------------------------------------------------------------------
    def loads(self) -> None:
        """The bottleneck is no less than the load of any node and any link."""
        model, costs, problem = self.model, self.costs, self.problem
        most = horizon_s(problem) / self.unit
        load = self.load = model.variables("busiest", 1, upper=most)
        i, n = np.nonzero(costs.allowed)
        busy = (self.x[i, n], n, costs.compute_s[i, n])
        add_node_loads(model, problem, load, self.unit, busy, self.moved, self.sent)
        add_link_loads(model, problem, load, self.unit, self.moved)

    def times(self) -> None:
        """Start times on a graph, up to the latency that is allowed or already known."""
        cap_s = self._latency_cap()
        self.end = add_times(
            self.model, self.problem, self.x, self.y, self.triples, self.unit, cap_s
        )

    def _latency_cap(self) -> float:
        cap = self.problem.limits.get("latency", math.inf)
        if self.problem.objective == "latency":
            cap = min(cap, self.upper)
        return cap * (1 + 1e-6)

    # -- objective ---------------------------------------------------------------------------------
    def terms(self, name: str) -> list[tuple[Ints, Floats]]:
        """An objective as (columns, values in SI units)."""
        costs, unit = self.costs, self.unit
        i, n = np.nonzero(costs.allowed)
        found: list[tuple[Ints, Floats]] = []
        if name == "throughput":
            assert self.load is not None
            return [(self.load, np.array([unit]))]
        if name == "latency":
            if repeats(self.problem):
                assert self.load is not None
                found.append((self.load, np.array([unit * repeats(self.problem)])))
            if self.end is not None:
                return [*found, (self.end, np.array([unit]))]
            e, u, v = self.triples
            found.append((self.x[i, n], costs.layer_costs("latency")[i, n]))
            return [*found, (self.y, costs.transfer_s[costs.edges[e, 0], u, v])]
        if name == "energy":
            found.append((self.x[i, n], costs.compute_j[i, n]))
        moved = self.moved
        prices = costs.transfer(name)[moved.tensor, moved.source, moved.target]
        return [*found, (moved.column, prices)]

    def value(self) -> None:
        """Set the objective and the limits on single objectives."""
        for name, weight in self.weights.items():
            for columns, values in self.terms(name):
                self.model.minimise(columns, values * weight)
        for name, limit in self.problem.limits.items():
            terms = self.terms(name)
            biggest = max((float(v.max(initial=0.0)) for _, v in terms), default=0.0)
            scale = min(biggest, max(limit, 1e-6 * biggest)) or 1.0
            top = (limit * (1 + SLACK) + 1e-12) / scale
            row = self.model.constraints(f"limit_{name}", 1, upper=top)
            for columns, values in terms:
                # A 0/1 column that breaks the limit alone breaks it as well at twice the limit.
                binary = columns[:1] != (self.load if self.load is not None else -1)
                binary &= columns[:1] != (self.end if self.end is not None else -1)
                cap = 2.0 * max(limit, scale) if len(columns) and binary.all() else math.inf
                self.model.add(row, columns, np.minimum(values, cap) / scale)


def _ranks(node: Ints, edges: Ints, count: int) -> Ints:
    """Position of every node in a topological order of the pieces."""
    arcs = {(int(node[i]), int(node[j])) for i, j in edges if node[i] != node[j]}
    rank, left = np.zeros(count, dtype=np.int64), set(range(count))
    for place in range(count):
        free = min((n for n in left if not any(b == n and a in left for a, b in arcs)), default=-1)
        if free < 0:
            checks.fail("placement", node.tolist(), "contiguous pieces")
        rank[free] = place
        left.remove(free)
    return rank
