"""Where layers can run and how bytes travel between: nodes, directed links, networks."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from . import checks

if TYPE_CHECKING:
    from numpy.typing import NDArray

KINDS = ("ground", "orbital")

#: Keys of the plain dict that `Network.from_topology` takes, with their defaults (None: needed
#: as soon as a link of that sort exists). Bandwidths in bit/s, FLOP/s per node, GB = 10^9 bytes.
TOPOLOGY_DEFAULTS: dict[str, float | None] = {
    "ground_nodes": None,
    "orbital_nodes": None,
    "ground_flops": None,
    "orbital_flops": None,
    "uplink_bandwidth": None,
    "downlink_bandwidth": None,
    "isl_bandwidth": None,
    "ground_orbit_latency_ms": 25.0,
    "ground_memory_gb": math.inf,
    "orbital_memory_gb": math.inf,
    "ground_bandwidth": 10e9,
    "ground_latency_ms": 1.0,
    "isl_latency_ms": 5.0,
    # An accelerator at about 500 GFLOP/J in a data centre, half of that in orbit; a 25 W radio at
    # 500 Mbit/s; a 10 W laser terminal at 10 Gbit/s. Fibre on the ground is not billed.
    "ground_joules_per_flop": 2e-12,
    "orbital_joules_per_flop": 4e-12,
    "radio_joules_per_bit": 5e-8,
    "isl_joules_per_bit": 1e-9,
}


@dataclass(frozen=True, slots=True)
class Node:
    """A place where layers can run.

    Parameters
    ----------
    name : str
        Unique within the network.
    kind : {"ground", "orbital"}
        On which side of the scarce links it stands.
    flop_per_s : float
        Sustained FLOP/s (multiply-add = 2).
    memory_bytes : float
        Memory for weights, state and the largest activation; infinite by default.
    joules_per_flop : float
        Energy of one FLOP.
    io_rate_bps : float
        Rate at which tensors move in and out while the node itself is busy with them (an
        accelerator behind a bus, nothing overlapped); infinite by default: transfers then occupy
        links only. Counts in the `throughput` objective.
    """

    name: str
    kind: str = "ground"
    flop_per_s: float = 1e12
    memory_bytes: float = math.inf
    joules_per_flop: float = 0.0
    io_rate_bps: float = math.inf

    def __post_init__(self) -> None:
        checks.text("Node.name", self.name)
        where = f"Node[{self.name!r}]"
        checks.known(f"{where}.kind", self.kind, KINDS)
        checks.real(f"{where}.flop_per_s", self.flop_per_s, strict=True)
        checks.real(f"{where}.memory_bytes", self.memory_bytes, finite=False)
        checks.real(f"{where}.joules_per_flop", self.joules_per_flop)
        checks.real(f"{where}.io_rate_bps", self.io_rate_bps, strict=True, finite=False)


@dataclass(frozen=True, slots=True)
class Link:
    """A directed link: bytes*8/rate_bps + latency_s for a transfer, store-and-forward per hop."""

    source: str
    target: str
    rate_bps: float
    latency_s: float = 0.0
    joules_per_bit: float = 0.0

    def __post_init__(self) -> None:
        where = f"Link[{self.source!r} -> {self.target!r}]"
        checks.text(f"{where}.source", self.source)
        checks.text(f"{where}.target", self.target)
        if self.source == self.target:
            checks.fail(f"{where}.target", self.target, "another node than the source")
        checks.real(f"{where}.rate_bps", self.rate_bps, strict=True, finite=False)
        checks.real(f"{where}.latency_s", self.latency_s)
        checks.real(f"{where}.joules_per_bit", self.joules_per_bit)


@dataclass(frozen=True, slots=True)
class Network:
    """Nodes and directed links between them, at most one per ordered pair.

    Raises
    ------
    InputError
        If there is no node, a name or a link stands twice, or a link names an unknown node.
    """

    nodes: Sequence[Node]
    links: Sequence[Link] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "nodes", tuple(self.nodes))
        object.__setattr__(self, "links", tuple(self.links))
        if not self.nodes:
            checks.fail("Network.nodes", (), "at least one node")
        names = self.node_names
        checks.unique("Network.nodes name", names)
        seen: set[tuple[str, str]] = set()
        for k, link in enumerate(self.links):
            for end in ("source", "target"):
                checks.known(f"Network.links[{k}].{end}", getattr(link, end), names)
            pair = (link.source, link.target)
            if pair in seen:
                checks.fail(f"Network.links[{k}]", pair, "one link per ordered pair of nodes")
            seen.add(pair)

    @property
    def node_names(self) -> tuple[str, ...]:
        """Names in order."""
        return tuple(node.name for node in self.nodes)

    def index(self, name: str) -> int:
        """Position of a node; an unknown name is an error that offers the nearest."""
        return self.node_names.index(checks.known("node", name, self.node_names))

    def column(self, field: str) -> NDArray[np.float64]:
        """One numeric field of all nodes, shape (num_nodes,), float64."""
        return np.array([getattr(node, field) for node in self.nodes], dtype=np.float64)

    @property
    def is_mixed(self) -> bool:
        """Whether both kinds of node are present."""
        return len({node.kind for node in self.nodes}) > 1

    def scarce_links(self) -> NDArray[np.bool_]:
        """Which links count for the `bandwidth` objective, shape (num_links,).

        Ground-orbital links; all links where a network has one kind of node.
        """
        kind = {node.name: node.kind for node in self.nodes}
        mixed = self.is_mixed
        return np.array(
            [not mixed or kind[row.source] != kind[row.target] for row in self.links], dtype=bool
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain data, ready for JSON (infinite values left out)."""
        nodes = [_finite(node, ("name", "kind")) for node in self.nodes]
        return {"nodes": nodes, "links": [_finite(row, ("source", "target")) for row in self.links]}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Network:
        """Build a network from what `to_dict` gave: lists of nodes and of links."""
        for key in data:
            checks.known("network key", key, ("nodes", "links"))
        return cls(
            tuple(_row(Node, "nodes", k, row) for k, row in enumerate(data.get("nodes", ()))),
            tuple(_row(Link, "links", k, row) for k, row in enumerate(data.get("links", ()))),
        )

    @classmethod
    def from_topology(cls, topology: Mapping[str, Any]) -> Network:
        """Build ``ground-0.., orbital-0..`` from the plain dict of the documented API.

        Every ground node has an uplink and a downlink to every orbital node; ground nodes are
        joined among themselves, orbital nodes too.

        Parameters
        ----------
        topology : mapping
            ``ground_nodes, orbital_nodes, ground_flops, orbital_flops`` (FLOP/s per node),
            ``uplink_bandwidth, downlink_bandwidth, isl_bandwidth`` (bit/s); optional
            ``ground_orbit_latency_ms`` 25, ``ground_memory_gb`` and ``orbital_memory_gb``
            unlimited, ``ground_bandwidth`` 10e9, ``ground_latency_ms`` 1, ``isl_latency_ms`` 5,
            ``ground_joules_per_flop`` 2e-12, ``orbital_joules_per_flop`` 4e-12,
            ``radio_joules_per_bit`` 5e-8, ``isl_joules_per_bit`` 1e-9.

        Raises
        ------
        InputError
            For an unknown key (naming the nearest valid one), a missing or bad value, or a link
            that is needed and has no bandwidth.
        """
        if not isinstance(topology, Mapping):
            checks.fail("topology", topology, "a mapping with the keys of Network.from_topology")
        for key in topology:
            checks.known("topology key", key, tuple(TOPOLOGY_DEFAULTS))
        ground = checks.whole("topology['ground_nodes']", topology.get("ground_nodes"), low=1)
        orbital = checks.whole("topology['orbital_nodes']", topology.get("orbital_nodes", 0))

        def value(key: str, *, strict: bool = False) -> float:
            found = topology.get(key, TOPOLOGY_DEFAULTS[key])
            where = f"topology[{key!r}]"
            return checks.real(where, found, strict=strict, finite="memory" not in key)

        def side(kind: str, count: int) -> list[Node]:
            if not count:
                return []
            numbers = {
                "flop_per_s": value(f"{kind}_flops", strict=True),
                "memory_bytes": value(f"{kind}_memory_gb") * 1e9,
                "joules_per_flop": value(f"{kind}_joules_per_flop"),
            }
            return [Node(f"{kind}-{k}", kind, **numbers) for k in range(count)]

        ground_nodes, orbital_nodes = side("ground", ground), side("orbital", orbital)
        links: list[Link] = []

        def join(
            sources: Sequence[Node], targets: Sequence[Node], rate: str, latency: str, joules: str
        ) -> None:
            pairs = [(a.name, b.name) for a in sources for b in targets if a.name != b.name]
            if not pairs:
                return
            rate_bps, latency_s = value(rate, strict=True), value(latency) / 1e3
            joules_per_bit = value(joules) if joules else 0.0
            links.extend(Link(a, b, rate_bps, latency_s, joules_per_bit) for a, b in pairs)

        radio = ("ground_orbit_latency_ms", "radio_joules_per_bit")
        join(ground_nodes, orbital_nodes, "uplink_bandwidth", *radio)
        join(orbital_nodes, ground_nodes, "downlink_bandwidth", *radio)
        join(ground_nodes, ground_nodes, "ground_bandwidth", "ground_latency_ms", "")
        join(orbital_nodes, orbital_nodes, "isl_bandwidth", "isl_latency_ms", "isl_joules_per_bit")
        return cls(tuple(ground_nodes + orbital_nodes), tuple(links))


def _finite(item: Node | Link, first: tuple[str, ...]) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for field in type(item).__dataclass_fields__:
        value = getattr(item, field)
        if field in first or math.isfinite(value):
            row[field] = value
    return row


def _row(cls: type[Any], table: str, k: int, row: Any) -> Any:
    if not isinstance(row, Mapping):
        checks.fail(f"network.{table}[{k}]", row, "a table of fields")
    fields = tuple(cls.__dataclass_fields__)
    for key in row:
        checks.known(f"network.{table}[{k}] key", key, fields)
    for key in ("name",) if cls is Node else ("source", "target", "rate_bps"):
        if key not in row:
            checks.fail(f"network.{table}[{k}].{key}", None, "a value (the key is missing)")
    return cls(**row)
