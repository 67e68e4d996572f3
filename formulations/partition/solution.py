"""A placement and what it is worth: recomputed from the problem, never taken from a solver."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import checks
from .evaluate import Evaluation, evaluate
from .problem import SINGLE_OBJECTIVES, PartitionProblem

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

#: Relative tolerance of every check in `violations`.
TOLERANCE = 1e-6

UNITS = {"latency": "s", "bandwidth": "B", "energy": "J", "throughput": "s", "balance": ""}


@dataclass(frozen=True, slots=True, eq=False)
class Partition:
    """Which node runs which layer.

    Parameters
    ----------
    problem : PartitionProblem
    node_of_layer : sequence of str
        Node of each layer, in the order of the profile.
    replicas : sequence of tuples of str, optional
        All nodes of each layer where stages are replicated (`node_of_layer` is the first).

    Raises
    ------
    InputError
        If the length is wrong or a node is unknown.
    """

    problem: PartitionProblem
    node_of_layer: tuple[str, ...]
    replicas: tuple[tuple[str, ...], ...] | None = None
    _cache: dict[str, Any] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        names = self.problem.network.node_names
        object.__setattr__(self, "node_of_layer", tuple(self.node_of_layer))
        count = self.problem.profile.num_layers
        if len(self.node_of_layer) != count:
            checks.fail("Partition.node_of_layer", len(self.node_of_layer), f"{count} names")
        for i, name in enumerate(self.node_of_layer):
            checks.known(f"Partition.node_of_layer[{i}]", name, names)
        if self.replicas is None:
            return
        object.__setattr__(self, "replicas", tuple(tuple(row) for row in self.replicas))
        if len(self.replicas) != count:
            checks.fail("Partition.replicas", len(self.replicas), f"{count} tuples of names")
        for i, row in enumerate(self.replicas):
            for name in row:
                checks.known(f"Partition.replicas[{i}]", name, names)
            checks.unique(f"Partition.replicas[{i}]", row)
            if row[:1] != self.node_of_layer[i : i + 1]:
                checks.fail(f"Partition.replicas[{i}]", row, f"{self.node_of_layer[i]!r} first")

    @classmethod
    def from_indices(cls, problem: PartitionProblem, placement: ArrayLike) -> Partition:
        """Build a partition from node numbers, shape (L,)."""
        names = problem.network.node_names
        return cls(problem, tuple(names[int(n)] for n in np.asarray(placement)))

    # -- what it is worth -------------------------------------------------------------------------
    @property
    def evaluation(self) -> Evaluation:
        """Every cost of this placement, computed once from the problem's data."""
        if "evaluation" not in self._cache:
            self._cache["evaluation"] = evaluate(self.problem, self._replica_indices())
        found: Evaluation = self._cache["evaluation"]
        return found

    @property
    def objective(self) -> float:
        """Value of the problem's objective in SI units."""
        return self.evaluation.value(self.problem)

    @property
    def values(self) -> dict[str, float]:
        """Every single objective: s, B, J and s."""
        return {name: self.evaluation.value(self.problem, name) for name in SINGLE_OBJECTIVES}

    @property
    def cut_edges(self) -> tuple[tuple[int, int], ...]:
        """Edges whose ends sit on different nodes."""
        return self.evaluation.cut_edges

    @property
    def cut_points(self) -> tuple[int, ...]:
        """Layers that read from another node: the first layer of each new run in a chain."""
        return tuple(sorted({j for _, j in self.cut_edges}))

    @property
    def segments(self) -> tuple[tuple[str, int, int], ...]:
        """Runs of neighbouring layers on one node: (node, first layer, last layer)."""
        runs = []
        for name, group in groupby(enumerate(self.node_of_layer), key=lambda row: row[1]):
            members = [i for i, _ in group]
            runs.append((name, members[0], members[-1]))
        return tuple(runs)

    def layers_on(self, kind: str) -> tuple[int, ...]:
        """Layers on nodes of a kind ("ground" or "orbital") or on the node of that name."""
        network = self.problem.network
        wanted = {node.name for node in network.nodes if kind in (node.kind, node.name)}
        if not wanted:
            checks.known("node or kind", kind, ("ground", "orbital", *network.node_names))
        return tuple(i for i, name in enumerate(self.node_of_layer) if name in wanted)

    def _replica_indices(self) -> list[tuple[int, ...]]:
        index = {name: k for k, name in enumerate(self.problem.network.node_names)}
        rows: Sequence[tuple[str, ...]] = self.replicas or [(n,) for n in self.node_of_layer]
        return [tuple(index[name] for name in row) for row in rows]

    def violations(self) -> tuple[str, ...]:
        """Every constraint that this placement breaks, in words; empty when it is feasible."""
        problem, found = self.problem, list[str]()
        names, layers = problem.network.node_names, problem.profile.layers
        costs, result = problem.costs(), self.evaluation
        rows = self._replica_indices()
        for i, row in enumerate(rows):
            here = {names[n] for n in row}
            for n in row:
                if not np.isfinite(costs.forward_s[i, n]):
                    found.append(f"layer {i} ({layers[i].name}) cannot run on {names[n]}")
            if i in problem.pinned and here != set(problem.pinned[i]):
                found.append(f"layer {i} is pinned to {problem.pinned[i][0]}, placed on {here}")
            if here & set(problem.forbidden.get(i, ())):
                found.append(f"layer {i} is forbidden on {sorted(here)}")
            if len(row) > problem.max_replicas:
                found.append(f"layer {i} has {len(row)} replicas of {problem.max_replicas} allowed")
        for group in problem.colocated:
            if len({rows[i] for i in group}) > 1:
                found.append(f"layers {list(group)} must share a node")
        for a in set(rows):
            for b in set(rows):
                if a < b and set(a) & set(b):
                    found.append(f"stages on {a} and {b} share a node")
        over = result.memory_bytes > costs.memory_bytes * (1 + TOLERANCE)
        for n in np.flatnonzero(over).tolist():
            used, room = result.memory_bytes[n] / 1e9, costs.memory_bytes[n] / 1e9
            found.append(f"{names[n]} needs {used:.6g} GB of memory and has {room:.6g} GB")
        if problem.max_cuts is not None and len(self.cut_edges) > problem.max_cuts:
            found.append(f"{len(self.cut_edges)} cut edges of at most {problem.max_cuts}")
        if problem.contiguous and not self._is_contiguous(rows):
            found.append("the pieces are not contiguous: the graph between nodes has a cycle")
        if not np.isfinite(result.latency + result.bandwidth):
            found.append("a transfer has no route between its two nodes")
        for name, limit in problem.limits.items():
            value = result.value(problem, name)
            if not value <= limit * (1 + TOLERANCE) + 1e-12:
                found.append(f"{name} {value:.9g} exceeds its limit {limit:.9g} {UNITS[name]}")
        return tuple(found)

    def _is_contiguous(self, rows: list[tuple[int, ...]]) -> bool:
        """Whether the graph between pieces is acyclic (Kahn's algorithm)."""
        edges = self.problem.piece_edges
        if edges is None:
            edges = self.cut_edges
        arcs = {(rows[i], rows[j]) for i, j in edges if rows[i] != rows[j]}
        pieces = set(rows)
        while pieces:
            free = {p for p in pieces if not any(b == p and a in pieces for a, b in arcs)}
            if not free:
                return False
            pieces -= free
        return True

    # -- showing --------------------------------------------------------------------------------
    def to_dict(self) -> dict[str, Any]:
        """Plain data: placement, cuts, every objective, loads and memory by node."""
        result, network = self.evaluation, self.problem.network
        data: dict[str, Any] = {
            "objective": self.problem.objective,
            "node_of_layer": list(self.node_of_layer),
            "layers": [layer.name for layer in self.problem.profile.layers],
            "cut_points": list(self.cut_points),
            "segments": [
                {"node": name, "first": first, "last": last} for name, first, last in self.segments
            ],
            "values": self.values,
            "violations": list(self.violations()),
            "nodes": [
                {
                    "name": node.name,
                    "kind": node.kind,
                    "layers": sum(name == node.name for name in self.node_of_layer),
                    "load_s": float(result.node_load_s[k]),
                    "memory_bytes": float(result.memory_bytes[k]),
                }
                for k, node in enumerate(network.nodes)
            ],
        }
        if self.problem.reference is not None or self.problem.objective != "balance":
            data["value"] = self.objective
        if self.replicas is not None:
            data["replicas"] = [list(row) for row in self.replicas]
        return data

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{escape(name)}</td><td>{first}-{last}</td><td>{last - first + 1}</td></tr>"
            for name, first, last in self.segments
        )
        values = ", ".join(
            f"{name} {value:.6g} {UNITS[name]}" for name, value in self.values.items()
        )
        return (
            f"<table><caption>{escape(self.problem.profile.name)}: {escape(values)}</caption>"
            f"<tr><th>node</th><th>layers</th><th>count</th></tr>{rows}</table>"
        )
