"""A partition problem as arrays: what each layer costs on each node, each edge between nodes.

With L layers, N nodes and E edges. ``inf`` stands where a layer cannot run or no route exists.
In training every edge also carries its gradient back, so its cost is the sum of both ways.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from .. import checks
from ..routes import Routes, find_routes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

    from ..network import Network
    from ..profile import ModelProfile
    from .training import Training

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

ADDITIVE = ("latency", "bandwidth", "energy")


class Statement(Protocol):
    """What the arrays are computed from: the part of `PartitionProblem` that they read."""

    @property
    def profile(self) -> ModelProfile: ...
    @property
    def network(self) -> Network: ...
    @property
    def training(self) -> Training | None: ...
    @property
    def compute_s(self) -> ArrayLike | None: ...
    @property
    def input_node(self) -> str | None: ...
    @property
    def output_node(self) -> str | None: ...
    @property
    def pinned(self) -> Mapping[Any, Any]: ...
    @property
    def forbidden(self) -> Mapping[Any, Any]: ...
    @property
    def colocated(self) -> Sequence[Sequence[int]]: ...


@dataclass(frozen=True, slots=True, eq=False)
class PartitionCosts:
    """Arrays that every formulation of the partition problem reads.

    Attributes
    ----------
    forward_s, compute_s : ndarray, shape (L, N)
        Seconds of a layer on a node: the forward pass, and with the backward pass in training.
    allowed : ndarray of bool, shape (L, N)
        Where a layer may run: pins, forbidden nodes, finite times, memory for that layer alone,
        reachable from the input and to the output, the same for co-located layers.
    edges : ndarray of int64, shape (E, 2)
    sizes_bytes : ndarray, shape (L + 2,)
        Bytes of each layer's output, then the model's input and output.
    routes : Routes
        Latency-best routes for `sizes_bytes`.
    returns : ndarray of bool, shape (L + 2,)
        Whose gradient travels back: in training every tensor but the input.
    way_s, transfer_s, transfer_bytes, transfer_j : ndarray, shape (L + 2, N, N)
        Properties, computed when first read: seconds of one way, and what moving each tensor from
        row to column costs, its gradient's way back included: seconds, bytes times scarce hops,
        joules.
    compute_j : ndarray, shape (L, N)
    weight_bytes, activation_bytes : ndarray, shape (L,)
        Memory: what adds up on a node, and what only the largest counts of.
    memory_bytes : ndarray, shape (N,)
    """

    forward_s: Floats
    compute_s: Floats
    allowed: NDArray[np.bool_]
    edges: Ints
    sizes_bytes: Floats
    routes: Routes
    returns: NDArray[np.bool_]
    compute_j: Floats
    weight_bytes: Floats
    activation_bytes: Floats
    memory_bytes: Floats
    input_index: int
    output_index: int
    sources: Ints
    sinks: Ints
    _tables: dict[str, Floats] = field(default_factory=dict, init=False, repr=False)

    @classmethod
    def of(cls, problem: Statement) -> PartitionCosts:
        """Compute the arrays of a problem; the tables of transfers follow when first read."""
        profile, network, training = problem.profile, problem.network, problem.training
        flops, speed = profile.column("flops"), network.column("flop_per_s")
        if problem.compute_s is None:
            forward = flops[:, None] / speed[None, :]
        else:
            forward = np.asarray(problem.compute_s, dtype=np.float64)
        weight = profile.column("weight_bytes")
        held = weight + profile.column("state_bytes")
        factor = 1.0
        if training is not None:
            factor += training.backward_flops
            held = held + weight * (training.gradient_bytes + training.optimizer_bytes)
        activation = profile.column("activation_bytes")
        sizes = np.concatenate([activation, [profile.input_bytes, profile.output_bytes]])
        routes = find_routes(network, sizes)
        returns = np.full(len(sizes), training is not None)
        returns[profile.num_layers] = False
        costs = cls(
            forward_s=forward,
            compute_s=forward * factor,
            allowed=np.isfinite(forward),
            edges=profile.edge_array,
            sizes_bytes=sizes,
            routes=routes,
            returns=returns,
            compute_j=flops[:, None] * network.column("joules_per_flop")[None, :] * factor,
            weight_bytes=held,
            activation_bytes=activation,
            memory_bytes=network.column("memory_bytes"),
            input_index=_index(problem, problem.input_node),
            output_index=_index(problem, problem.output_node),
            sources=np.array(profile.sources, dtype=np.int64),
            sinks=np.array(profile.sinks, dtype=np.int64),
        )
        costs._restrict(problem)
        return costs

    def _restrict(self, problem: Statement) -> None:
        """Narrow `allowed` in place by pins, prohibitions, reachability and co-location."""
        allowed, names = self.allowed, problem.network.node_names
        for layer, nodes in problem.pinned.items():
            allowed[layer] &= np.isin(names, nodes)
        for layer, nodes in problem.forbidden.items():
            allowed[layer] &= ~np.isin(names, nodes)
        alone = (self.weight_bytes + self.activation_bytes)[:, None]
        allowed &= alone <= self.memory_bytes[None, :] * (1 + 1e-12)
        allowed &= np.isfinite(self.in_out("latency"))
        for group in problem.colocated:
            allowed[list(group)] = allowed[list(group)].all(axis=0)

    @property
    def num_layers(self) -> int:
        """L."""
        return len(self.weight_bytes)

    @property
    def num_nodes(self) -> int:
        """N."""
        return len(self.memory_bytes)

    def transfer(self, objective: str) -> Floats:
        """Cost of moving each tensor under an additive objective, shape (L + 2, N, N)."""
        checks.known("additive objective", objective, ADDITIVE)
        if objective not in self._tables:
            self._tables[objective] = self._moves(objective)
        return self._tables[objective]

    def _moves(self, objective: str, first: int = 0) -> Floats:
        """Cost of moving the tensors from number `first` on, shape (L + 2 - first, N, N)."""
        routes = self.routes.since(first)
        if objective == "latency":
            table = routes.time_s()
        elif objective == "bandwidth":
            table = routes.scarce_bytes()
        else:
            table = routes.energy_j()
        back = self.returns[first:]
        if back.any():
            table = table + np.where(back[:, None, None], table.transpose(0, 2, 1), 0.0)
        return table

    @property
    def way_s(self) -> Floats:
        """Seconds of one way of each tensor, shape (L + 2, N, N)."""
        if not self.returns.any():
            return self.transfer("latency")
        if "way" not in self._tables:
            self._tables["way"] = self.routes.time_s()
        return self._tables["way"]

    @property
    def transfer_s(self) -> Floats:
        """Seconds of moving each tensor, shape (L + 2, N, N)."""
        return self.transfer("latency")

    @property
    def transfer_bytes(self) -> Floats:
        """Bytes times scarce hops of moving each tensor, shape (L + 2, N, N)."""
        return self.transfer("bandwidth")

    @property
    def transfer_j(self) -> Floats:
        """Joules of moving each tensor, shape (L + 2, N, N)."""
        return self.transfer("energy")

    def in_out(self, objective: str) -> Floats:
        """Cost of the model's input and output by layer and node, shape (L, N).

        Zero except at source and sink layers. With multicast the input's cost is paid once per
        node, so this table counts it too often; see `evaluate`.
        """
        table = np.zeros((self.num_layers, self.num_nodes))
        transfer = self._moves(objective, self.num_layers)
        if self.input_index >= 0:
            table[self.sources] += transfer[-2, self.input_index, :]
        if self.output_index >= 0:
            table[self.sinks] += transfer[-1, :, self.output_index]
        return table

    def layer_costs(self, objective: str) -> Floats:
        """Cost of each layer on each node with input and output, shape (L, N).

        For ``latency`` a sum over layers is the latency of a chain only. ``inf`` where a layer
        may not run.
        """
        own = {
            "latency": self.compute_s,
            "bandwidth": np.zeros_like(self.compute_s),
            "energy": self.compute_j,
        }[checks.known("additive objective", objective, ADDITIVE)]
        return np.where(self.allowed, own + self.in_out(objective), np.inf)


def _index(problem: Statement, name: str | None) -> int:
    return -1 if name is None else problem.network.index(name)
