"""The compression problem: what squeezing each tensor costs, and the bytes that links give."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import checks
from ..passes.schedule import PassSchedule
from .curves import ErrorCurve
from .senders import Sender, ends_of, per_node, per_sender, senders_of, spread_weights
from .staleness import Polynomial, Staleness, damping

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

#: What is made small: the error in given bytes, or the bytes for a given error.
OBJECTIVES = ("error", "bytes")


@dataclass(frozen=True, slots=True, eq=False)
class CompressionProblem:
    """How hard each tensor of each message is squeezed.

    A *sender* is a node, or one pass of a node where it has several: each sends one message with
    all its layers. The error of a layer is its residual energy times its weight.

    Parameters
    ----------
    curves : mapping of str to ErrorCurve, or of str to such mappings
        By layer (one node, whose name is then ``""``), or by node and layer.
    capacity_bytes : float, mapping, sequence or PassSchedule, optional
        Bytes of each message. One number for all; by node; a node's own entry may in turn be a
        mapping or sequence of its passes. With one node a mapping or sequence is of passes. Of a
        schedule it is what each demand delivers from its source: one pass for each demand where a
        node has several; a node without any sends nothing, other nodes' demands are left out. None
        is no limit.
    weights : mapping, optional
        What a layer's error counts, 1 unless given: by layer (one node), by node, or by node and
        layer.
    staleness : float or mapping, optional
        Rounds by which a message comes late, in the shapes of `capacity_bytes`; the error of its
        layers counts `staleness_weight` of it.
    staleness_weight : Staleness
        ``(1 + d)^(-1/2)`` unless given.
    fairness : float, optional
        Every sender's error is at most this share of its energy (both without weights).
    shared : sequence of (str, str, float)
        Links between nodes, as sender, receiver and bytes: a node's message may in part go down
        with another's. An end is a node, or (node, pass) where it has several.
    energy_j : float or mapping of str to float, optional
        Joules that each node may spend on the bytes that it sends down, its passes together.
    joules_per_byte : float or mapping of str to float, optional
        Needed with `energy_j`.
    target_ratio : float, optional
        All messages together take at most the dense bytes divided by this.
    target_error : float, optional
        Then the bytes are made least with which the weighted error is at most this share of the
        weighted energy.

    Raises
    ------
    InputError
        For unknown nodes, layers or passes, negative numbers, no limit at all, and other bad input.
    """

    curves: Mapping[str, ErrorCurve] | Mapping[str, Mapping[str, ErrorCurve]]
    capacity_bytes: float | Mapping[str, Any] | Sequence[float] | PassSchedule | None = None
    weights: Mapping[str, Any] | None = None
    staleness: float | Mapping[str, Any] | Sequence[float] | None = None
    staleness_weight: Staleness = field(default_factory=Polynomial)
    fairness: float | None = None
    shared: Sequence[tuple[Any, Any, float]] = ()
    energy_j: float | Mapping[str, float] | None = None
    joules_per_byte: float | Mapping[str, float] | None = None
    target_ratio: float | None = None
    target_error: float | None = None
    _cache: dict[str, Any] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        where, put = "CompressionProblem", object.__setattr__
        by_node = _by_node(f"{where}.curves", self.curves)
        put(self, "curves", dict(self.curves))
        self._cache["by_node"] = by_node
        nodes = tuple(by_node)
        given = self.capacity_bytes
        if isinstance(given, PassSchedule):
            given = _delivered(given, nodes)
        passes = senders_of(f"{where}.capacity_bytes", given, nodes)
        self._cache["senders"] = passes
        capacity = per_sender(f"{where}.capacity_bytes", given, passes, math.inf, finite=False)
        self._cache["capacity"] = capacity
        delay = per_sender(f"{where}.staleness", self.staleness, passes, 0.0)
        if (delay != np.rint(delay)).any():
            checks.fail(f"{where}.staleness", self.staleness, "whole rounds")
        rounds = delay.astype(np.int64)
        self._cache["damping"] = damping(where, self.staleness_weight, rounds)
        self._cache["weight"] = spread_weights(f"{where}.weights", self.weights, by_node)
        for name in ("fairness", "target_error"):
            if getattr(self, name) is not None:
                checks.between(f"{where}.{name}", getattr(self, name), 0.0, 1.0)
        if self.target_ratio is not None:
            checks.real(f"{where}.target_ratio", self.target_ratio, strict=True)
        self._check_energy(where, nodes)
        put(self, "shared", tuple(tuple(row) for row in self.shared))
        self._cache["links"] = ends_of(f"{where}.shared", self.shared, passes)
        if not self.limits_bytes and self.target_error is None:
            expected = "a number, or a target_ratio, a target_error or energy_j"
            checks.fail(f"{where}.capacity_bytes", self.capacity_bytes, expected)

    def _check_energy(self, where: str, nodes: tuple[str, ...]) -> None:
        if (self.energy_j is None) != (self.joules_per_byte is None):
            name = "joules_per_byte" if self.joules_per_byte is None else "energy_j"
            checks.fail(f"{where}.{name}", None, "a number, as the other of the two is given")
        spend = per_node(f"{where}.energy_j", self.energy_j, nodes, math.inf)
        self._cache["energy"] = spend
        price = per_node(f"{where}.joules_per_byte", self.joules_per_byte, nodes, 0.0)
        self._cache["joules"] = price

    @property
    def limits_bytes(self) -> bool:
        """Whether anything limits bytes: capacity, joules or `target_ratio`."""
        finite = np.isfinite(self.capacity).any() or np.isfinite(self.node_energy_j).any()
        return bool(finite or self.target_ratio is not None)

    def replace(self, **changes: Any) -> CompressionProblem:
        """Return a copy with some fields changed."""
        return replace(self, **changes)

    # -- what is asked ----------------------------------------------------------------------------
    @property
    def objective(self) -> str:
        """What is made small, from `OBJECTIVES`."""
        return "error" if self.target_error is None else "bytes"

    @property
    def nodes(self) -> tuple[str, ...]:
        """Names of the nodes; one empty name where curves are by layer."""
        return tuple(self._cache["by_node"])

    @property
    def senders(self) -> tuple[Sender, ...]:
        """Who sends a message: (node, pass), the pass ``""`` where a node has one."""
        found: tuple[Sender, ...] = self._cache["senders"]
        return found

    @property
    def sender_node(self) -> Ints:
        """Position of each sender's node, shape (senders,)."""
        if "sender_node" not in self._cache:
            place = {name: k for k, name in enumerate(self.nodes)}
            numbers = [place[node] for node, _ in self.senders]
            self._cache["sender_node"] = np.array(numbers, dtype=np.int64)
        found: Ints = self._cache["sender_node"]
        return found

    @property
    def capacity(self) -> Floats:
        """Bytes that each sender's link carries down, shape (senders,); infinite is no limit."""
        found: Floats = self._cache["capacity"]
        return found

    @property
    def node_energy_j(self) -> Floats:
        """Joules of each node, shape (nodes,); infinite is no limit."""
        found: Floats = self._cache["energy"]
        return found

    @property
    def node_joules_per_byte(self) -> Floats:
        """Joules of a byte sent down, shape (nodes,)."""
        found: Floats = self._cache["joules"]
        return found

    @property
    def links(self) -> tuple[Ints, Ints, Floats]:
        """Links between senders: positions of sender and receiver, and bytes."""
        found: tuple[Ints, Ints, Floats] = self._cache["links"]
        return found

    @property
    def total_limit_bytes(self) -> float:
        """Bytes of all messages together that `target_ratio` leaves."""
        if self.target_ratio is None:
            return math.inf
        dense = math.fsum(float(curve.dense_bytes or 0.0) for curve in self.items.curve)
        return dense / self.target_ratio

    # -- layers of messages -----------------------------------------------------------------------
    @property
    def items(self) -> Items:
        """The layers of all messages, sender by sender, as columns."""
        if "items" not in self._cache:
            by_node: dict[str, dict[str, ErrorCurve]] = self._cache["by_node"]
            parts = [by_node[node] for node, _ in self.senders]
            count = [len(part) for part in parts]
            weight = np.concatenate([self._cache["weight"][node] for node, _ in self.senders])
            curve = tuple(curve for part in parts for curve in part.values())
            self._cache["items"] = Items(
                np.repeat(np.arange(len(parts)), count),
                tuple(name for part in parts for name in part),
                curve,
                weight * np.repeat(self._cache["damping"], count),
                np.array([row.energy for row in curve]),
            )
        found: Items = self._cache["items"]
        return found


@dataclass(frozen=True, slots=True, eq=False)
class Items:
    """Layers of messages as columns.

    Attributes
    ----------
    sender : array of int, shape (items,)
    layer : tuple of str
    curve : tuple of ErrorCurve
    weight : array of float, shape (items,)
        What the layer's error counts, staleness included.
    energy : array of float, shape (items,)
        Error where nothing is sent.
    """

    sender: Ints
    layer: tuple[str, ...]
    curve: tuple[ErrorCurve, ...]
    weight: Floats
    energy: Floats

    @property
    def weighted_energy(self) -> float:
        """What the error is if nothing is sent at all."""
        return float(self.weight @ self.energy)


def _by_node(where: str, curves: Mapping[str, Any]) -> dict[str, dict[str, ErrorCurve]]:
    """Curves by node and layer; the one node of curves by layer is named ``""``."""
    if not isinstance(curves, Mapping) or not curves:
        checks.fail(where, curves, "a mapping with at least one curve")
    if all(isinstance(part, ErrorCurve) for part in curves.values()):
        curves = {"": curves}
    for node, part in curves.items():
        if not isinstance(part, Mapping) or not part:
            expected = "a mapping of layers to curves (all nodes alike)"
            checks.fail(f"{where}[{node!r}]", type(part).__name__, expected)
        for layer, curve in part.items():
            if not isinstance(curve, ErrorCurve):
                checks.fail(f"{where}[{node!r}][{layer!r}]", curve, "an ErrorCurve")
    return {node: dict(part) for node, part in curves.items()}


def _delivered(schedule: PassSchedule, nodes: tuple[str, ...]) -> dict[str, Any] | float:
    """What a schedule delivers from each node: a number, or one by demand where it has several."""
    amounts = schedule.delivered_bytes
    by_node: dict[str, dict[str, float]] = {name: {} for name in nodes}
    sources = {row.source for row in schedule.problem.demands}
    if nodes == ("",):
        if len(sources) > 1:
            expected = "demands of one source, as there is one node (name nodes in the curves)"
            checks.fail("CompressionProblem.capacity_bytes sources", sorted(sources), expected)
        by_node = {source: {} for source in sources}
    for row in schedule.problem.demands:
        if row.source in by_node:
            by_node[row.source][row.name] = max(amounts[row.name], 0.0)
    found: dict[str, Any] = {
        node: part if len(part) > 1 else sum(part.values()) for node, part in by_node.items()
    }
    return next(iter(found.values())) if nodes == ("",) else found
