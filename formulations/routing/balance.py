"""The balance problem: traffic between nodes, and links of which none should be used too much."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import checks
from ..contacts import ContactPlan
from ..space.earth import LIGHT_SPEED_M_PER_S
from ..targets import GROUND
from .mesh import Mesh, mesh_links
from .snapshot_arcs import check, mesh_rates

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Traffic:
    """A steady stream of bits from one node to another.

    Parameters
    ----------
    source : str
        Node that sends.
    target : str
        Node that receives; ``"ground"`` means any ground node, and each bit may choose its own.
    rate_bps : float
        Above 0.
    """

    source: str
    target: str
    rate_bps: float

    def __post_init__(self) -> None:
        checks.text("Traffic.source", self.source)
        where = f"Traffic[{self.source!r} -> {self.target!r}]"
        checks.text(f"{where}.target", self.target)
        checks.real(f"{where}.rate_bps", self.rate_bps, strict=True)


@dataclass(frozen=True, slots=True, eq=False)
class Links:
    """The directed links of a network that stands still.

    Parameters
    ----------
    node_names : sequence of str
    source, target : array of int, shape (links,)
        Positions in `node_names`. Parallel links are legal.
    rate_bps : array, shape (links,)
        Above 0.
    delay_s : array, shape (links,), optional
        One-way light time; 0 unless given.
    ground : sequence of bool, optional
        Which nodes are on the ground, shape (nodes,); none unless given.
    """

    node_names: Sequence[str]
    source: Ints
    target: Ints
    rate_bps: Floats
    delay_s: Floats = field(default_factory=lambda: np.zeros(0))
    ground: Mask = field(default_factory=lambda: np.zeros(0, dtype=bool))

    def __post_init__(self) -> None:
        put = object.__setattr__
        put(self, "node_names", tuple(self.node_names))
        for k, name in enumerate(self.node_names):
            checks.text(f"Links.node_names[{k}]", name)
        checks.unique("Links.node_names", self.node_names)
        count, nodes = np.size(self.source), len(self.node_names)
        none: ArrayLike = np.zeros(count) if not np.size(self.delay_s) else self.delay_s
        outside = np.zeros(nodes, dtype=bool) if not np.size(self.ground) else self.ground
        for name, given, kind, size in (
            ("source", self.source, np.int64, count),
            ("target", self.target, np.int64, count),
            ("rate_bps", self.rate_bps, np.float64, count),
            ("delay_s", none, np.float64, count),
            ("ground", outside, np.bool_, nodes),
        ):
            column = np.array(given, dtype=kind)
            if column.shape != (size,):
                checks.fail(f"Links.{name} shape", column.shape, f"({size},)")
            column.flags.writeable = False
            put(self, name, column)
        for name in ("source", "target"):
            column = getattr(self, name)
            wrong = np.flatnonzero((column < 0) | (column >= nodes))
            _refuse(f"Links.{name}", column, wrong, f"a position from 0 to {nodes - 1}")
        loops = np.flatnonzero(self.source == self.target)
        _refuse("Links.target", self.target, loops, "another node than the source")
        wrong = np.flatnonzero(~(np.isfinite(self.rate_bps) & (self.rate_bps > 0)))
        _refuse("Links.rate_bps", self.rate_bps, wrong, "a finite number > 0")
        wrong = np.flatnonzero(~(np.isfinite(self.delay_s) & (self.delay_s >= 0)))
        _refuse("Links.delay_s", self.delay_s, wrong, "a finite number >= 0")

    def __len__(self) -> int:
        return len(self.source)

    @classmethod
    def of(
        cls, network: ContactPlan | Mesh, at_s: float = 0.0, until_s: float | None = None
    ) -> Links:
        """The links that stand at one instant, those of rate 0 left out.

        Parameters
        ----------
        network : ContactPlan or Mesh
            Contacts of a plan stand from their start, included, to their end, not included. A
            mesh's links carry both ways.
        at_s : float
        until_s : float, optional
            Only what stands from `at_s` to this time; a plan knows, a mesh does not.
        """
        if isinstance(network, Mesh):
            if until_s is not None:
                checks.fail("until_s", until_s, "None: a mesh has links at an instant")
            return _of_mesh(network, at_s)
        rows = network.arrays
        last = at_s if until_s is None else until_s
        stands = (rows["start_s"] <= at_s) & (rows["end_s"] > at_s) & (rows["end_s"] >= last)
        found = np.flatnonzero(stands & (rows["rate_bps"] > 0))
        return cls(
            network.node_names,
            rows["source"][found],
            rows["target"][found],
            rows["rate_bps"][found],
            rows["delay_s"][found],
            np.array([node.kind == "ground" for node in network.nodes]),
        )


@dataclass(frozen=True, slots=True, eq=False)
class BalanceProblem:
    """Over which links traffic goes, so that the link which is used most is used least.

    Bits flow steadily and any stream may be split; the use of a link is the bits that it carries
    each second over its rate. A use above 1 is an answer: there is too much traffic.

    Parameters
    ----------
    network : ContactPlan, Mesh or Links
        A mesh needs a `ground_link`, of which it takes the rates.
    traffic : sequence of Traffic
    at_s : float
        When the network is looked at, in seconds of the plan or the mesh.
    until_s : float, optional
        With a plan: only links that stand from `at_s` to this time.
    ground_relays : bool, optional
        Whether bits may come down to a ground node and go up again; unless given, in a plan and
        in `Links`, but not in a mesh.

    Raises
    ------
    InputError
        For an unknown node, a source that is a target, a target ``"ground"`` without a ground node,
        and other bad input. That traffic has no way is no error: `solve` says so.
    """

    network: ContactPlan | Mesh | Links
    traffic: Sequence[Traffic]
    at_s: float = 0.0
    until_s: float | None = field(default=None, kw_only=True)
    ground_relays: bool | None = field(default=None, kw_only=True)
    links: Links = field(init=False, repr=False)

    def __post_init__(self) -> None:
        where, put = "BalanceProblem", object.__setattr__
        if not isinstance(self.network, ContactPlan | Mesh | Links):
            expected = "a ContactPlan, a Mesh or Links"
            checks.fail(f"{where}.network", type(self.network).__name__, expected)
        put(self, "at_s", checks.real(f"{where}.at_s", self.at_s, low=-math.inf))
        if self.until_s is not None:
            until = checks.real(f"{where}.until_s", self.until_s, low=-math.inf)
            if until < self.at_s:
                checks.fail(f"{where}.until_s", until, f"a time from at_s = {self.at_s:g} on")
            if not isinstance(self.network, ContactPlan):
                checks.fail(f"{where}.until_s", until, "None, except with a ContactPlan")
            put(self, "until_s", until)
        if self.ground_relays not in (None, True, False):
            checks.fail(f"{where}.ground_relays", self.ground_relays, "True, False or None")
        if isinstance(self.network, Links):
            put(self, "links", self.network)
        else:
            put(self, "links", Links.of(self.network, self.at_s, self.until_s))
        put(self, "traffic", tuple(self.traffic))
        if not self.traffic:
            checks.fail(f"{where}.traffic", (), "at least one Traffic")
        goals = {name: self._goal(name, row) for name, row in self._first_rows().items()}
        position = self._position()
        for k, row in enumerate(self.traffic):
            if row.source not in position:
                told = f"{where}.traffic[{k}].source"
                checks.known(told, row.source, self.links.node_names)
            if goals[row.target][position[row.source]]:
                expected = "a node that is no target"
                checks.fail(f"{where}.traffic[{k}].source", row.source, expected)

    def replace(self, **changes: Any) -> BalanceProblem:
        """Return a copy with some fields changed."""
        return replace(self, **changes)

    @property
    def targets(self) -> tuple[str, ...]:
        """The targets, each once, in the order of the traffic."""
        return tuple(dict.fromkeys(row.target for row in self.traffic))

    @property
    def target_of(self) -> Ints:
        """Position in `targets` of each row of traffic, shape (traffic,)."""
        position = {name: k for k, name in enumerate(self.targets)}
        return np.array([position[row.target] for row in self.traffic], dtype=np.int64)

    @property
    def source_of(self) -> Ints:
        """Node that each row of traffic leaves, shape (traffic,)."""
        position = self._position()
        return np.array([position[row.source] for row in self.traffic], dtype=np.int64)

    @property
    def rate_of(self) -> Floats:
        """Bit/s of each row of traffic, shape (traffic,)."""
        return np.array([row.rate_bps for row in self.traffic])

    @property
    def goals(self) -> Mask:
        """Nodes at which what is for each target arrives, shape (targets, nodes)."""
        return np.array([self._goal(name) for name in self.targets])

    @property
    def supply_bps(self) -> Floats:
        """What each node sends to each target, shape (targets, nodes)."""
        supply = np.zeros((len(self.targets), len(self.links.node_names)))
        np.add.at(supply, (self.target_of, self.source_of), self.rate_of)
        return supply

    @property
    def relay(self) -> Mask:
        """Nodes that may pass on what is not theirs, shape (nodes,)."""
        relays = self.ground_relays
        if relays is None:
            relays = not isinstance(self.network, Mesh)
        return np.ones(len(self.links.ground), dtype=bool) if relays else ~self.links.ground

    def _first_rows(self) -> dict[str, int]:
        """Each target and the row of traffic that names it first; rows are checked."""
        found: dict[str, int] = {}
        for k, row in enumerate(self.traffic):
            if not isinstance(row, Traffic):
                checks.fail(f"BalanceProblem.traffic[{k}]", row, "a Traffic")
            found.setdefault(row.target, k)
        return found

    def _goal(self, target: str, row: int = 0) -> Mask:
        """Nodes that a target means, shape (nodes,)."""
        names = self.links.node_names
        if target != GROUND or GROUND in names:
            checks.known(f"BalanceProblem.traffic[{row}].target", target, names)
            return np.array([name == target for name in names])
        if not self.links.ground.any():
            expected = "a node's name (no node is on the ground)"
            checks.fail(f"BalanceProblem.traffic[{row}].target", target, expected)
        return self.links.ground

    def _position(self) -> dict[str, int]:
        return {name: k for k, name in enumerate(self.links.node_names)}


def _of_mesh(mesh: Mesh, at_s: float) -> Links:
    """Links of a mesh at an instant, both ways; rates as `snapshot_paths` takes them."""
    when = np.array([at_s])
    check(mesh, when, "inverse_rate")
    pairs, far, orbital = next(mesh_links(mesh, when))
    rate = mesh_rates(mesh, far, orbital)
    (one, two), rate, far = pairs[rate > 0].T, rate[rate > 0], far[rate > 0]
    names = mesh.node_names
    return Links(
        names,
        np.concatenate([one, two]),
        np.concatenate([two, one]),
        np.tile(rate, 2),
        np.tile(far / LIGHT_SPEED_M_PER_S, 2),
        np.arange(len(names)) >= len(mesh.constellation),
    )


def _refuse(where: str, column: NDArray[Any], wrong: Ints, expected: str) -> None:
    """Raise for the first of the wrong rows, if there is one."""
    if len(wrong):
        k = int(wrong[0])
        checks.fail(f"{where}[{k}]", column[k].item(), expected)
