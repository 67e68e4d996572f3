"""The throughput problem as a graph of vertices and classes of nodes, for exact dynamic programs.

A vertex is a set of layers that share a node in every placement worth looking at: co-located
layers, layers on a cycle of the piece rule, and weightless leaves beside their only neighbour.
A class is a set of nodes that cannot be told apart by what runs on them.

The load of a vertex set S on class c is computed as

    sum of compute_s[v, c] over S  +  io_s_per_bit[c] * (bits of every tensor that crosses S)

and never exceeds what the judge says of the node or its links, so a dynamic program over it gives
a valid bound; with nothing but node loads (links without load) it is the judge's number itself.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from .contraction import absorb_leaves, components, in_order
from .prices import node_prices

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ..costs import PartitionCosts
    from ..problem import PartitionProblem

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Contracted:
    """Vertices in a topological order of the piece rule, classes of nodes, tensors between.

    Attributes
    ----------
    vertex_of_layer : ndarray of int64, shape (L,)
    members : tuple of tuples of int
        Nodes of each class (C of them).
    compute_s : ndarray, shape (V, C)
        Seconds on a node of the class, with what is paid for model input and output; infinite
        where the vertex may not run.
    weight_bytes, activation_bytes : ndarray, shape (V,)
    memory_bytes, io_s_per_bit, input_s : ndarray, shape (C,)
        `input_s`: paid once by a class when it holds any `source` vertex (multicast).
    in_s_per_bit, out_s_per_bit : ndarray, shape (C,)
        Least load that a bit in or out leaves on some link of the node.
    both_ways : bool
        Whether every tensor's gradient returns over the links (training).
    source : ndarray of bool, shape (V,)
    arcs : ndarray of int64, shape (A, 2)
        The piece rule between vertices, lower to higher number.
    tensor_bits : ndarray, shape (T,)
    tensor_from : ndarray of int64, shape (T,)
    tensor_to : tuple of tuples of int
        Vertices that read each tensor, its producer left out.
    prices : ndarray, shape (P, C)
        Node prices, see `node_prices`.
    """

    vertex_of_layer: Ints
    members: tuple[tuple[int, ...], ...]
    compute_s: Floats
    weight_bytes: Floats
    activation_bytes: Floats
    memory_bytes: Floats
    io_s_per_bit: Floats
    input_s: Floats
    in_s_per_bit: Floats
    out_s_per_bit: Floats
    both_ways: bool
    source: NDArray[np.bool_]
    arcs: Ints
    tensor_bits: Floats
    tensor_from: Ints
    tensor_to: tuple[tuple[int, ...], ...]
    prices: Floats

    @property
    def num_vertices(self) -> int:
        """V."""
        return len(self.weight_bytes)

    @property
    def counts(self) -> Ints:
        """Nodes in each class."""
        return np.array([len(nodes) for nodes in self.members], dtype=np.int64)

    @classmethod
    def of(cls, problem: PartitionProblem) -> Contracted:
        """Contract a problem; O((L + E) N) and a few sorts."""
        costs = problem.costs()
        count = costs.num_layers
        rule = [
            (int(i), int(j))
            for i, j in (costs.edges if problem.piece_edges is None else problem.piece_edges)
        ]
        pairs = [(group[0], i) for group in problem.colocated for i in group[1:]]
        group_of = components(count, pairs, "weak")
        if problem.contiguous:
            arcs = [(int(group_of[i]), int(group_of[j])) for i, j in rule]
            group_of = components(int(group_of.max()) + 1, arcs, "strong")[group_of]
        else:
            rule = []
        group_of = absorb_leaves(problem, group_of, rule)
        group_of = in_order(group_of, rule)
        return cls._build(problem, group_of, rule)

    @classmethod
    def _build(
        cls, problem: PartitionProblem, vertex: Ints, rule: Sequence[tuple[int, int]]
    ) -> Contracted:
        costs = problem.costs()
        size = int(vertex.max()) + 1
        weight = np.bincount(vertex, costs.weight_bytes, size).astype(np.float64)
        activation = np.zeros(size)
        np.maximum.at(activation, vertex, costs.activation_bytes)
        compute = np.zeros((size, costs.num_nodes))
        np.add.at(compute, vertex, np.where(costs.allowed, costs.compute_s, np.inf))
        source = np.zeros(size, dtype=np.bool_)
        input_s = _external(problem, costs, vertex, compute, source)

        sent: dict[tuple[int, tuple[int, ...]], float] = defaultdict(float)
        ways = 2.0 if problem.training is not None else 1.0
        readers: dict[int, set[int]] = defaultdict(set)
        for i, j in costs.edges:
            a, b = int(vertex[i]), int(vertex[j])
            if a == b:
                continue
            if problem.multicast:
                readers[int(i)].add(b)
            else:
                sent[a, (b,)] += 8.0 * ways * float(costs.sizes_bytes[i])
        for i, found in readers.items():
            key = (int(vertex[i]), tuple(sorted(found)))
            sent[key] += 8.0 * ways * float(costs.sizes_bytes[i])
        tensors = [(key, bits) for key, bits in sent.items() if bits > 0]

        io = 1.0 / problem.network.column("io_rate_bps")
        inward, outward = _link_rates(problem)
        rows = np.concatenate(
            [
                compute,
                costs.memory_bytes[None],
                io[None],
                input_s[None],
                inward[None],
                outward[None],
            ]
        )
        members: dict[bytes, list[int]] = {}
        for node in range(costs.num_nodes):
            members.setdefault(np.ascontiguousarray(rows[:, node]).tobytes(), []).append(node)
        first = [nodes[0] for nodes in members.values()]
        arcs = sorted({(int(vertex[i]), int(vertex[j])) for i, j in rule if vertex[i] != vertex[j]})
        return cls(
            vertex_of_layer=vertex,
            members=tuple(tuple(nodes) for nodes in members.values()),
            compute_s=np.ascontiguousarray(compute[:, first]),
            weight_bytes=weight,
            activation_bytes=activation,
            memory_bytes=costs.memory_bytes[first],
            io_s_per_bit=io[first],
            input_s=input_s[first],
            in_s_per_bit=inward[first] / ways,
            out_s_per_bit=outward[first] / ways,
            both_ways=problem.training is not None,
            source=source,
            arcs=np.array(arcs, dtype=np.int64).reshape(-1, 2),
            tensor_bits=np.array([bits for _, bits in tensors], dtype=np.float64),
            tensor_from=np.array([key[0] for key, _ in tensors], dtype=np.int64),
            tensor_to=tuple(key[1] for key, _ in tensors),
            prices=node_prices(compute[:, first], np.array([len(n) for n in members.values()])),
        )

    def reordered(self, order: Ints, *, chain: bool) -> Contracted:
        """The same graph with vertex ``order[k]`` renumbered k; `chain` fixes that very order."""
        rank = np.empty_like(order)
        rank[order] = np.arange(len(order))
        if chain:
            steps = np.arange(len(order) - 1)
            arcs = np.stack([steps, steps + 1], axis=1)
        else:
            arcs = rank[self.arcs]
        return replace(
            self,
            vertex_of_layer=rank[self.vertex_of_layer],
            compute_s=self.compute_s[order],
            weight_bytes=self.weight_bytes[order],
            activation_bytes=self.activation_bytes[order],
            source=self.source[order],
            arcs=arcs,
            tensor_from=rank[self.tensor_from],
            tensor_to=tuple(tuple(int(rank[v]) for v in to) for to in self.tensor_to),
        )

    def merged(self, groups: Sequence[Sequence[int]]) -> Contracted:
        """Classes united, each union as good as the best of its members in every respect.

        Any plan of the original is one of the result with loads no higher: a relaxation.
        """

        def least(row: Floats) -> Floats:
            return np.array([row[list(group)].min() for group in groups])

        members = tuple(tuple(n for c in group for n in self.members[c]) for group in groups)
        compute = np.stack([self.compute_s[:, list(g)].min(axis=1) for g in groups], axis=1)
        return replace(
            self,
            members=members,
            compute_s=np.ascontiguousarray(compute),
            memory_bytes=-least(-self.memory_bytes),
            io_s_per_bit=least(self.io_s_per_bit),
            input_s=least(self.input_s),
            in_s_per_bit=least(self.in_s_per_bit),
            out_s_per_bit=least(self.out_s_per_bit),
            prices=node_prices(compute, np.array([len(nodes) for nodes in members])),
        )

    def load_bound(self, max_replicas: int = 1) -> float:
        """Lower bound on the bottleneck from node loads; ``inf``: some vertex fits nowhere."""
        bound = float(self.compute_s.min(axis=1).max()) / max_replicas
        for mu in self.prices:
            with np.errstate(invalid="ignore"):
                priced = np.where(np.isfinite(self.compute_s), mu * self.compute_s, np.inf)
            bound = max(bound, float(priced.min(axis=1).sum()) / float(mu @ self.counts))
        return bound


def _external(
    problem: PartitionProblem,
    costs: PartitionCosts,
    vertex: Ints,
    compute: Floats,
    source: NDArray[np.bool_],
) -> Floats:
    """Add io seconds of model input and output to `compute` in place; returns `input_s`."""
    io = 1.0 / problem.network.column("io_rate_bps")
    ways = 2.0 if problem.training is not None else 1.0
    input_s = np.zeros(costs.num_nodes)
    if costs.input_index >= 0:
        paid = 8.0 * costs.sizes_bytes[-2] * io
        paid[costs.input_index] = 0.0
        if problem.multicast:
            source[vertex[costs.sources]] = True
            input_s = paid
        else:
            np.add.at(compute, vertex[costs.sources], paid)
    if costs.output_index >= 0:
        paid = 8.0 * ways * costs.sizes_bytes[-1] * io
        paid[costs.output_index] = 0.0
        np.add.at(compute, vertex[costs.sinks], paid)
    return input_s


def _link_rates(problem: PartitionProblem) -> tuple[Floats, Floats]:
    """Seconds per bit in and out of each node if all its links shared the work perfectly."""
    index = {name: k for k, name in enumerate(problem.network.node_names)}
    inward, outward = np.zeros(len(index)), np.zeros(len(index))
    for link in problem.network.links:
        inward[index[link.target]] += link.rate_bps
        outward[index[link.source]] += link.rate_bps
    with np.errstate(divide="ignore"):
        return tuple(np.where(r > 0, 1.0 / r, 0.0) for r in (inward, outward))  # type: ignore[return-value]
