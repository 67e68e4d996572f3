"""The pass problem: a contact plan, what must move, and what it must respect."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import checks
from ..contacts import ContactPlan
from ..targets import GROUND, targets_of
from .battery import Battery

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: volume: most bytes delivered in time. completion: earliest time by which all is delivered.
#: priority: most bytes of class 0, then of class 1, and so on.
OBJECTIVES = ("volume", "completion", "priority")

#: Classes of priority, the most urgent first.
PRIORITIES = ("critical", "high", "normal", "low")


@dataclass(frozen=True, slots=True)
class Demand:
    """Bytes that must move from one node to another.

    Parameters
    ----------
    name : str
        Unique within the problem.
    source : str
        Node that has the bytes.
    target : str
        Node that needs them; ``"ground"`` means any ground node.
    volume_bytes : float
    release_s : float
        When the bytes are there, in seconds of the plan.
    deadline_s : float
        When they are needed; what arrives later does not count.
    priority : int
        0 critical, 1 high, 2 normal, 3 low.
    splittable : bool
        Whether a part of the bytes is worth its share. One that is not counts only when whole.
    """

    name: str
    source: str
    target: str
    volume_bytes: float
    release_s: float = 0.0
    deadline_s: float = math.inf
    priority: int = 2
    splittable: bool = True

    def __post_init__(self) -> None:
        checks.text("Demand.name", self.name)
        where = f"Demand[{self.name!r}]"
        checks.text(f"{where}.source", self.source)
        checks.text(f"{where}.target", self.target)
        if self.source == self.target:
            checks.fail(f"{where}.target", self.target, "another node than the source")
        checks.real(f"{where}.volume_bytes", self.volume_bytes)
        checks.real(f"{where}.release_s", self.release_s, low=-math.inf)
        checks.real(f"{where}.deadline_s", self.deadline_s, low=-math.inf, finite=False)
        if self.deadline_s <= self.release_s:
            expected = f"a deadline after the release, {self.release_s:g}"
            checks.fail(f"{where}.deadline_s", self.deadline_s, expected)
        if checks.whole(f"{where}.priority", self.priority) >= len(PRIORITIES):
            checks.fail(f"{where}.priority", self.priority, "0 critical to 3 low")


@dataclass(frozen=True, slots=True, eq=False)
class PassProblem:
    """Which bytes go over which pass.

    Time is continuous. While a contact stands, bytes flow at any rate up to its own; what a node
    receives it may pass on at once; light time is left out (a pass lasts minutes, light
    milliseconds). An antenna divides its time among the contacts that it serves.

    Parameters
    ----------
    plan : ContactPlan
    demands : sequence of Demand
    objective : {"volume", "completion", "priority"}
    antennas : mapping of str to int, optional
        How many contacts a node serves at a time: the antennas of a station, the radio terminals of
        a satellite. Sending and receiving count together, over contacts between nodes of different
        kinds (inter-satellite links have terminals of their own). Nodes that are not named, or
        None, serve all that is in view.
    storage_bytes : float or mapping of str to float, optional
        What a node can hold, one number for all satellites or by name; ground nodes that are not
        named hold anything.
    setup_s, teardown_s : float
        Before and after each use of an antenna for a contact, nothing else may use it. Above
        zero, antennas are exclusive: one contact at a time, no sharing.
    energy : mapping of str to Battery, optional
        Batteries of satellites; sending needs energy that is there. Nodes that are not named, or
        None, have enough.

    Raises
    ------
    InputError
        For an unknown node, a demand twice, a target ``"ground"`` without a ground node, zero
        antennas, and other bad input. A satellite without contacts is legal: its bytes
        are not delivered.
    """

    plan: ContactPlan
    demands: Sequence[Demand]
    objective: str = "volume"
    antennas: Mapping[str, int] | None = None
    storage_bytes: Mapping[str, float] | float | None = None
    setup_s: float = 0.0
    teardown_s: float = 0.0
    energy: Mapping[str, Battery] | None = None
    _cache: dict[str, Any] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        where = "PassProblem"
        put = object.__setattr__
        if not isinstance(self.plan, ContactPlan):
            checks.fail(f"{where}.plan", type(self.plan).__name__, "a ContactPlan")
        put(self, "demands", tuple(self.demands))
        if not self.demands:
            checks.fail(f"{where}.demands", (), "at least one demand")
        for k, row in enumerate(self.demands):
            if not isinstance(row, Demand):
                checks.fail(f"{where}.demands[{k}]", row, "a Demand")
        checks.unique(f"{where}.demands name", [row.name for row in self.demands])
        checks.known(f"{where}.objective", self.objective, OBJECTIVES)
        names = self.plan.node_names
        ground = any(node.kind == "ground" for node in self.plan.nodes)
        for row in self.demands:
            checks.known(f"Demand[{row.name!r}].source", row.source, names)
            if row.target == GROUND and GROUND not in names:
                if not ground:
                    expected = "a node's name (no node of the plan is of the kind 'ground')"
                    checks.fail(f"Demand[{row.name!r}].target", row.target, expected)
            else:
                checks.known(f"Demand[{row.name!r}].target", row.target, (*names, GROUND))
        if self.antennas is not None:
            _by_name(f"{where}.antennas", self.antennas, names)
            for name, count in self.antennas.items():
                checks.whole(f"{where}.antennas[{name!r}]", count, low=1)
            put(self, "antennas", dict(self.antennas))
        if isinstance(self.storage_bytes, Mapping):
            _by_name(f"{where}.storage_bytes", self.storage_bytes, names)
            for name, size in self.storage_bytes.items():
                checks.real(f"{where}.storage_bytes[{name!r}]", size, finite=False)
            put(self, "storage_bytes", dict(self.storage_bytes))
        elif self.storage_bytes is not None:
            checks.real(f"{where}.storage_bytes", self.storage_bytes, finite=False)
        checks.real(f"{where}.setup_s", self.setup_s)
        checks.real(f"{where}.teardown_s", self.teardown_s)
        if (self.setup_s or self.teardown_s) and not self.antennas:
            checks.fail(f"{where}.antennas", self.antennas, "antennas by node, to set up")
        if self.energy is not None:
            _by_name(f"{where}.energy", self.energy, names)
            for name, battery in self.energy.items():
                if not isinstance(battery, Battery):
                    checks.fail(f"{where}.energy[{name!r}]", battery, "a Battery")
            put(self, "energy", dict(self.energy))
        for row in self.demands:
            if self.plan.index(row.source) in self.targets(row):
                checks.fail(f"Demand[{row.name!r}].source", row.source, "a node that is no target")

    def replace(self, **changes: Any) -> PassProblem:
        """Return a copy with some fields changed."""
        return replace(self, **changes)

    @property
    def is_exclusive(self) -> bool:
        """Whether an antenna serves one contact at a time, whole."""
        return self.setup_s > 0 or self.teardown_s > 0

    @property
    def antenna_count(self) -> NDArray[np.float64]:
        """Antennas of each node, infinite where they do not limit, shape (nodes,)."""
        count = np.full(len(self.plan.nodes), np.inf)
        for name, value in (self.antennas or {}).items():
            count[self.plan.index(name)] = value
        return count

    @property
    def storage(self) -> NDArray[np.float64]:
        """Bytes that each node can hold, shape (nodes,)."""
        if isinstance(self.storage_bytes, Mapping):
            room = np.full(len(self.plan.nodes), np.inf)
            for name, value in self.storage_bytes.items():
                room[self.plan.index(name)] = value
            return room
        limit = np.inf if self.storage_bytes is None else self.storage_bytes
        return np.array([np.inf if n.kind == "ground" else limit for n in self.plan.nodes])

    @property
    def uses_antenna(self) -> NDArray[np.bool_]:
        """Contacts that antennas count for: between nodes of different kinds, shape (contacts,)."""
        kinds = np.array([str(node.kind) for node in self.plan.nodes])
        rows = self.plan.arrays
        mixed: NDArray[np.bool_] = kinds[rows["source"]] != kinds[rows["target"]]
        return mixed

    def targets(self, demand: Demand) -> NDArray[np.int64]:
        """Nodes at which a demand counts as delivered."""
        return targets_of(f"Demand[{demand.name!r}].target", self.plan, demand.target)


def _by_name(where: str, given: Mapping[str, Any], names: Sequence[str]) -> None:
    for name in given:
        checks.known(f"{where} node", name, names)
