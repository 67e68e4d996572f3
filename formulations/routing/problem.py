"""The route problem: a contact plan, one bundle, and what makes a route good."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import checks
from ..contacts import ContactPlan
from ..targets import targets_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: earliest_arrival: first there. minimum_latency: least time under way, over all departures.
#: fewest_handovers: fewest contacts. widest: highest rate of the slowest contact.
#: touch_planes: earliest arrival of a route that visits every orbital plane, not across the seam.
OBJECTIVES = (
    "earliest_arrival",
    "minimum_latency",
    "fewest_handovers",
    "widest",
    "touch_planes",
)

#: What two routes may not share.
DISJOINT = ("link", "node")


@dataclass(frozen=True, slots=True, eq=False)
class RouteProblem:
    """Which contacts a bundle takes from one node to another.

    A bundle departs at ``max(now, start_s)``, occupies a contact for ``volume * 8 / rate``, must
    finish by ``end_s`` and arrives ``delay_s`` later, whole; then it may wait, at any node, before
    it goes on. One of volume 0 must depart before ``end_s``. A contact of rate 0 carries nothing
    but a bundle of volume 0.

    Parameters
    ----------
    plan : ContactPlan
    source : str
        Node that has the bundle.
    target : str
        Node that needs it; ``"ground"`` means any ground node.
    depart_s : float
        When the bundle is at its source, in seconds of the plan.
    volume_bytes : float
    objective : str
        One of `OBJECTIVES`. Among routes of equal value: the first to arrive, then fewest hops,
        then the latest termination (the earliest end among the contacts), then the smallest entry
        node (the node after the source, by its position in the plan), as CCSDS 734.3-B-1,
        3.2.8.1.4, ranks them; with ``minimum_latency``, among those of the departure found;
        with ``touch_planes``, which of those that arrive as early is left open.
    k : int
        How many routes, the best first; more than one with ``earliest_arrival`` only.
    depart_until_s : float, optional
        ``minimum_latency`` may choose a departure from `depart_s` to this one; as late as any
        contact allows unless given.
    arrive_by_s : float
        What arrives later does not count.
    disjoint : {"link", "node"}, optional
        Two routes (`k` = 2) that share no link, or no node between source and target.
    without : iterable of int or str
        Contacts, by position in the plan, and nodes, by name, that have failed.

    Raises
    ------
    InputError
        For an unknown node or objective, a target ``"ground"`` without a ground node, a source that
        is a target, a negative volume, and other bad input. That no route exists is no error:
        `solve` says so, and why.
    """

    plan: ContactPlan
    source: str
    target: str
    depart_s: float = 0.0
    volume_bytes: float = 0.0
    objective: str = "earliest_arrival"
    k: int = 1
    depart_until_s: float | None = field(default=None, kw_only=True)
    arrive_by_s: float = field(default=math.inf, kw_only=True)
    disjoint: str | None = field(default=None, kw_only=True)
    without: Iterable[int | str] = field(default=(), kw_only=True)

    def __post_init__(self) -> None:
        where = "RouteProblem"
        put = object.__setattr__
        if not isinstance(self.plan, ContactPlan):
            checks.fail(f"{where}.plan", type(self.plan).__name__, "a ContactPlan")
        checks.known(f"{where}.source", self.source, self.plan.node_names)
        targets = targets_of(f"{where}.target", self.plan, self.target)
        if self.plan.index(self.source) in targets:
            checks.fail(f"{where}.source", self.source, "a node that is no target")
        checks.known(f"{where}.objective", self.objective, OBJECTIVES)
        put(self, "depart_s", checks.real(f"{where}.depart_s", self.depart_s, low=-math.inf))
        put(self, "volume_bytes", checks.real(f"{where}.volume_bytes", self.volume_bytes))
        put(self, "k", checks.whole(f"{where}.k", self.k, low=1))
        if self.k > 1 and self.objective != "earliest_arrival":
            checks.fail(f"{where}.k", self.k, "1 (only earliest_arrival has several routes)")
        by_s = checks.real(f"{where}.arrive_by_s", self.arrive_by_s, low=-math.inf, finite=False)
        put(self, "arrive_by_s", by_s)
        if self.depart_until_s is not None:
            if self.objective != "minimum_latency":
                expected = "None (only minimum_latency chooses a departure)"
                checks.fail(f"{where}.depart_until_s", self.depart_until_s, expected)
            until = checks.real(f"{where}.depart_until_s", self.depart_until_s, low=-math.inf)
            if until < self.depart_s:
                expected = f"a time from depart_s = {self.depart_s:g} on"
                checks.fail(f"{where}.depart_until_s", until, expected)
            put(self, "depart_until_s", until)
        if self.disjoint is not None:
            checks.known(f"{where}.disjoint", self.disjoint, DISJOINT)
            if self.k != 2:
                checks.fail(f"{where}.k", self.k, "2, with disjoint routes")
        put(self, "without", check_without(f"{where}.without", self.plan, self.without))

    def replace(self, **changes: Any) -> RouteProblem:
        """Return a copy with some fields changed."""
        return replace(self, **changes)

    @property
    def targets(self) -> NDArray[np.int64]:
        """Positions of the nodes at which the bundle counts as delivered."""
        return targets_of("RouteProblem.target", self.plan, self.target)


def check_without(
    where: str, plan: ContactPlan, without: Iterable[int | str]
) -> tuple[int | str, ...]:
    """The contacts and nodes to leave out, each one that the plan has."""
    if isinstance(without, str):
        checks.fail(where, without, "a list of positions and names")
    found: list[int | str] = []
    for k, row in enumerate(without):
        if isinstance(row, str):
            found.append(checks.known(f"{where}[{k}]", row, plan.node_names))
            continue
        number = checks.whole(f"{where}[{k}]", row)
        if number >= len(plan):
            checks.fail(f"{where}[{k}]", row, f"a contact's position from 0 to {len(plan) - 1}")
        found.append(number)
    return tuple(found)
