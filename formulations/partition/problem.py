"""The partition problem: a model, a network, an objective and what a placement must respect."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import checks
from ..network import Network
from ..profile import ModelProfile
from .costs import PartitionCosts
from .training import Training

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

#: Single objectives, all minimised; `throughput` is the bottleneck's seconds per request.
SINGLE_OBJECTIVES = ("latency", "bandwidth", "energy", "throughput")
OBJECTIVES = (*SINGLE_OBJECTIVES, "balance")


@dataclass(frozen=True, slots=True, eq=False)
class PartitionProblem:
    """Place every layer of `profile` on a node of `network`.

    A node runs its layers one at a time in the order of `profile.layers`; a transfer starts when
    its layer ends and occupies neither node; every edge whose ends differ pays for itself along
    the route that is latency-best for its bytes.

    Parameters
    ----------
    profile : ModelProfile
    network : Network
    objective : str
        ``latency`` (s, end of the last byte at the output node), ``bandwidth`` (bytes times
        ground-orbital hops; all hops where the network has one kind of node), ``energy`` (J per
        request), ``throughput`` (s per request of the most loaded node or link) or ``balance``
        (weighted sum of the others, each over `reference`). ``minimize_...`` and
        ``maximize_throughput`` are accepted.
    input_node, output_node : str, optional
        Where requests come from and answers go; None costs nothing.
    pinned : mapping of layer to node
        Layer number or name to the one node that it must run on (a name, or a tuple of one).
    forbidden : mapping of layer to nodes
        Layer number or name to the nodes that it must not run on.
    max_cuts : int, optional
        Most edges whose ends may differ.
    contiguous : bool
        Whether a node's layers must form one piece: the graph between pieces has no cycle (for a
        chain: every node holds one run of layers).
    training : Training, optional
        Plan a training step instead of a forward request.
    colocated : sequence of sequences of layers
        Groups that must share a node.
    limits : mapping of objective to float
        Upper bounds on any of the single objectives, in their SI units.
    weights : mapping of objective to float, optional
        Of ``balance``; scaled to sum 1, equal over all four unless given.
    reference : mapping of objective to float, optional
        Scale of each objective in ``balance``: its own optimum, filled in by `orbweave.solve`.
    multicast : bool
        Pay once per producer and receiving node instead of once per edge.
    compute_s : array of shape (num_layers, num_nodes), optional
        Measured seconds of each layer on each node (forward); infinite where it cannot run.
        Replaces ``flops / flop_per_s``.
    max_replicas : int
        With ``throughput``: how many identical nodes may share one stage, taking requests in turn.
    piece_edges : sequence of (int, int), optional
        The edges that `contiguous` looks at, in any direction between two layers; None means those
        of the profile. A training graph with explicit backward layers lists its forward edges: with
        the way back among them every split would be a cycle.

    Raises
    ------
    InputError
        One clear error naming the field, the value and what was expected.
    """

    profile: ModelProfile
    network: Network
    objective: str = "latency"
    input_node: str | None = None
    output_node: str | None = None
    pinned: Mapping[Any, Any] = field(default_factory=dict)
    forbidden: Mapping[Any, Any] = field(default_factory=dict)
    max_cuts: int | None = None
    contiguous: bool = True
    training: Training | None = None
    colocated: Sequence[Sequence[int]] = ()
    limits: Mapping[str, float] = field(default_factory=dict)
    weights: Mapping[str, float] | None = None
    reference: Mapping[str, float] | None = None
    multicast: bool = False
    compute_s: ArrayLike | None = None
    max_replicas: int = 1
    piece_edges: tuple[tuple[int, int], ...] | None = None
    _cache: dict[str, Any] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        put = object.__setattr__
        where = "PartitionProblem"
        for name, kind in (("profile", ModelProfile), ("network", Network)):
            if not isinstance(getattr(self, name), kind):
                checks.fail(f"{where}.{name}", getattr(self, name), f"a {kind.__name__}")
        if self.training is not None and not isinstance(self.training, Training):
            checks.fail(f"{where}.training", self.training, "a Training or None")
        put(self, "objective", objective_name(self.objective))
        for name in ("input_node", "output_node"):
            node = getattr(self, name)
            if node is not None:
                checks.known(f"{where}.{name}", node, self.network.node_names)
        put(self, "pinned", {k: _one(k, v) for k, v in self._by_layer("pinned").items()})
        put(self, "forbidden", self._by_layer("forbidden"))
        if self.max_cuts is not None:
            checks.whole(f"{where}.max_cuts", self.max_cuts)
        checks.whole(f"{where}.max_replicas", self.max_replicas, low=1)
        put(self, "colocated", self._groups())
        if self.piece_edges is not None:
            put(self, "piece_edges", self._pairs(self.piece_edges))
        put(self, "limits", self._numbers("limits", self.limits))
        if self.weights is not None:
            put(self, "weights", self._numbers("weights", self.weights))
            if not sum(self.weights.values()) > 0:
                checks.fail(f"{where}.weights", dict(self.weights), "at least one weight > 0")
        if self.reference is not None:
            put(self, "reference", self._numbers("reference", self.reference, strict=True))
        if self.compute_s is not None:
            put(self, "compute_s", self._times(self.compute_s))

    def _by_layer(self, name: str) -> dict[int, tuple[str, ...]]:
        table = getattr(self, name)
        if not isinstance(table, Mapping):
            checks.fail(f"PartitionProblem.{name}", table, "a mapping of layers to node names")
        rows: dict[int, tuple[str, ...]] = {}
        for layer, nodes in table.items():
            where = f"PartitionProblem.{name}[{layer!r}]"
            if isinstance(layer, str):
                names = [row.name for row in self.profile.layers]
                key = names.index(checks.known(where, layer, names))
            else:
                key = self._layer(where, layer)
            listed = (nodes,) if isinstance(nodes, str) else tuple(nodes)
            for node in listed:
                checks.known(where, node, self.network.node_names)
            rows[key] = tuple(dict.fromkeys((*rows.get(key, ()), *listed)))
        return rows

    def _layer(self, where: str, layer: Any) -> int:
        key = checks.whole(where, layer)
        if key >= self.profile.num_layers:
            checks.fail(where, layer, f"a layer number from 0 to {self.profile.num_layers - 1}")
        return key

    def _groups(self) -> tuple[tuple[int, ...], ...]:
        groups = []
        for k, group in enumerate(self.colocated):
            where = f"PartitionProblem.colocated[{k}]"
            if isinstance(group, str) or not isinstance(group, Iterable):
                checks.fail(where, group, "a sequence of layers")
            members = [
                self.profile.index(row) if isinstance(row, str) else self._layer(where, row)
                for row in group
            ]
            groups.append(tuple(sorted(set(members))))
        return tuple(group for group in groups if len(group) > 1)

    def _pairs(self, edges: Iterable[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
        rows = []
        for k, (i, j) in enumerate(edges):
            where = f"PartitionProblem.piece_edges[{k}]"
            rows.append((self._layer(where, i), self._layer(where, j)))
        return tuple(dict.fromkeys(rows))

    @staticmethod
    def _numbers(
        name: str, table: Mapping[str, float], *, strict: bool = False
    ) -> dict[str, float]:
        rows = {}
        for key, value in table.items():
            single = objective_name(key, SINGLE_OBJECTIVES, f"PartitionProblem.{name} key")
            rows[single] = checks.real(f"PartitionProblem.{name}[{key!r}]", value, strict=strict)
        return rows

    def _times(self, table: ArrayLike) -> NDArray[np.float64]:
        times = np.array(table, dtype=np.float64)
        shape = (self.profile.num_layers, len(self.network.nodes))
        if times.shape != shape:
            checks.fail("PartitionProblem.compute_s.shape", times.shape, f"{shape} (layers, nodes)")
        bad = np.isnan(times) | (times < 0)
        if bad.any():
            layer, node = (int(k) for k in np.argwhere(bad)[0])
            value = float(times[layer, node])
            checks.fail(f"PartitionProblem.compute_s[{layer}, {node}]", value, "seconds >= 0")
        times.setflags(write=False)
        return times

    @property
    def balance_weights(self) -> dict[str, float]:
        """Weights of ``balance``, scaled to sum 1."""
        table = dict.fromkeys(SINGLE_OBJECTIVES, 1.0) if self.weights is None else self.weights
        total = sum(table.values())
        return {name: value / total for name, value in table.items() if value > 0}

    def replace(self, **changes: Any) -> PartitionProblem:
        """Return a copy with some fields changed."""
        return replace(self, **changes)

    def costs(self) -> PartitionCosts:
        """The problem as arrays, computed once."""
        if "costs" not in self._cache:
            self._cache["costs"] = PartitionCosts.of(self)
        found: PartitionCosts = self._cache["costs"]
        return found


def objective_name(
    name: object, valid: tuple[str, ...] = OBJECTIVES, where: str = "objective"
) -> str:
    """Return the plain name of an objective; ``minimize_x`` and ``maximize_throughput`` too."""
    plain = name
    if isinstance(name, str):
        for prefix in ("minimize_", "minimise_"):
            plain = str(plain).removeprefix(prefix)
        if name in ("maximize_throughput", "maximise_throughput"):
            plain = "throughput"
    return checks.known(where, plain, valid)


def _one(layer: int, nodes: tuple[str, ...]) -> tuple[str, ...]:
    if len(nodes) != 1:
        checks.fail(
            f"PartitionProblem.pinned[{layer}]",
            nodes,
            "one node (a layer cannot be pinned to two places; use `forbidden` to rule nodes out)",
        )
    return nodes
