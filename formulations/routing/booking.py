"""Many bundles over one plan, booked one after another: contact-graph routing with exact times.

A contact sends one bundle at a time. Each bundle takes the route of earliest arrival through what
the ones before have left: a booking cuts its stretch of time out of the contact, and what remains
on either side are two shorter contacts. So a bundle goes into a gap where it fits, and no volume is
promised twice (what CCSDS 734.3-B-1, 3.2.6.3, keeps as residual volumes, with the times as well).
Nothing that is booked moves; the order is what decides.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from html import escape
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import checks
from ..contact_columns import CONTACT_COLUMNS, repeats
from ..contacts import ContactPlan
from ..targets import targets_of
from .contact_graph import ContactGraph
from .hop import Hop
from .objectives import earliest_route
from .problem import RouteProblem
from .reasons import why_none
from .solution import Route

if TYPE_CHECKING:
    from numpy.typing import NDArray

_COLUMNS = tuple(CONTACT_COLUMNS)

#: Who is booked first.
ORDERS = ("given", "priority", "deadline", "volume")


@dataclass(frozen=True, slots=True)
class Bundle:
    """Bytes that go whole from one node to another.

    Parameters
    ----------
    name, source : str
    target : str
        A node, or ``"ground"`` for any ground node.
    volume_bytes : float
    depart_s, deadline_s : float
        When it is at its source, and by when it must be there, in seconds of the plan.
    priority : int
        0 (critical) to 3 (low).
    """

    name: str
    source: str
    target: str
    volume_bytes: float
    depart_s: float = 0.0
    deadline_s: float = math.inf
    priority: int = 2

    def __post_init__(self) -> None:
        checks.text("Bundle.name", self.name)
        where = f"Bundle[{self.name!r}]"
        checks.real(f"{where}.volume_bytes", self.volume_bytes)
        checks.real(f"{where}.depart_s", self.depart_s, low=-math.inf)
        checks.real(f"{where}.deadline_s", self.deadline_s, low=-math.inf, finite=False)
        if not self.deadline_s > self.depart_s:
            expected = f"a time after depart_s = {self.depart_s:g}"
            checks.fail(f"{where}.deadline_s", self.deadline_s, expected)
        if checks.whole(f"{where}.priority", self.priority) > 3:
            checks.fail(f"{where}.priority", self.priority, "0 (critical) to 3 (low)")


@dataclass(frozen=True, slots=True, eq=False)
class BookingProblem:
    """Bundles that are booked one after another.

    Parameters
    ----------
    plan : ContactPlan
    bundles : sequence of Bundle
    order : {"given", "priority", "deadline", "volume"}
        Who comes first: as given; critical ones; those due soonest; the smallest. Ties as given.

    Raises
    ------
    InputError
        For an unknown node, a name twice, a source that is a target, and other bad input.
    """

    plan: ContactPlan
    bundles: Sequence[Bundle]
    order: str = "given"

    def __post_init__(self) -> None:
        if not isinstance(self.plan, ContactPlan):
            checks.fail("BookingProblem.plan", type(self.plan).__name__, "a ContactPlan")
        object.__setattr__(self, "bundles", tuple(self.bundles))
        if not self.bundles:
            checks.fail("BookingProblem.bundles", (), "at least one Bundle")
        for k, row in enumerate(self.bundles):
            where = f"BookingProblem.bundles[{k}]"
            if not isinstance(row, Bundle):
                checks.fail(where, type(row).__name__, "a Bundle")
            checks.known(f"{where}.source", row.source, self.plan.node_names)
            if self.plan.index(row.source) in targets_of(f"{where}.target", self.plan, row.target):
                checks.fail(f"{where}.source", row.source, "a node that is no target")
        checks.unique("BookingProblem.bundles name", [row.name for row in self.bundles])
        checks.known("BookingProblem.order", self.order, ORDERS)

    def ordered(self) -> tuple[Bundle, ...]:
        """The bundles in the order in which they are booked."""
        if self.order == "given":
            return tuple(self.bundles)
        key = {"priority": "priority", "deadline": "deadline_s", "volume": "volume_bytes"}
        return tuple(sorted(self.bundles, key=lambda row: getattr(row, key[self.order])))

    def route_problem(self, row: Bundle, plan: ContactPlan | None = None) -> RouteProblem:
        """One bundle on its own."""
        return RouteProblem(
            self.plan if plan is None else plan,
            row.source,
            row.target,
            row.depart_s,
            row.volume_bytes,
            arrive_by_s=row.deadline_s,
        )


@dataclass(frozen=True, slots=True, eq=False)
class Bookings:
    """Which bundle goes how.

    Attributes
    ----------
    problem : BookingProblem
    routes : dict of str to Route
        By name of the bundle, those that are delivered.
    undelivered : dict of str to str
        By name, why.
    """

    problem: BookingProblem
    routes: dict[str, Route]
    undelivered: dict[str, str] = field(default_factory=dict)

    @property
    def delivered_bytes(self) -> float:
        """Bytes of the bundles that arrive in time."""
        size = {row.name: row.volume_bytes for row in self.problem.bundles}
        return float(sum(size[name] for name in self.routes))

    @property
    def objective(self) -> float:
        """The bytes that arrive in time."""
        return self.delivered_bytes

    @property
    def arrival_s(self) -> dict[str, float]:
        """When each bundle arrives; infinite for one that does not."""
        rows = self.problem.bundles
        return {
            row.name: self.routes[row.name].arrival_s if row.name in self.routes else math.inf
            for row in rows
        }

    @property
    def used_bytes(self) -> NDArray[np.float64]:
        """Bytes booked on each contact, shape (contacts,)."""
        used = np.zeros(len(self.problem.plan))
        for route in self.routes.values():
            used[list(route.contacts)] += route.problem.volume_bytes
        return used

    def violations(self) -> tuple[str, ...]:
        """Every rule that is broken: of a route alone, a deadline, a contact that sends two."""
        found = []
        uses: dict[int, list[tuple[float, float, str]]] = {}
        for name, route in self.routes.items():
            found += [f"{name}: {text}" for text in route.violations()]
            for hop in route.hops:
                if hop.end_s > hop.depart_s:
                    uses.setdefault(hop.contact, []).append((hop.depart_s, hop.end_s, name))
        for contact, rows in uses.items():
            rows.sort()
            for (_, end, one), (start, _, other) in pairwise(rows):
                if start < end - 1e-9 - 1e-12 * abs(end):
                    found.append(f"contact {contact} sends {one!r} and {other!r} at once")
        return tuple(found)

    def to_dict(self) -> dict[str, Any]:
        """Plain data: routes by bundle, and why some have none."""
        return {
            "delivered_bytes": self.delivered_bytes,
            "routes": {name: route.to_dict() for name, route in self.routes.items()},
            "undelivered": dict(self.undelivered),
        }

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{escape(name)}</td><td>{route.arrival_s:.6g}</td>"
            f"<td>{escape(' > '.join(route.nodes))}</td></tr>"
            for name, route in self.routes.items()
        )
        rows += "".join(
            f"<tr><td>{escape(name)}</td><td></td><td>{escape(text)}</td></tr>"
            for name, text in self.undelivered.items()
        )
        return f"<table><tr><th>bundle</th><th>arrives (s)</th><th>way</th></tr>{rows}</table>"


def book(problem: BookingProblem) -> Bookings:
    """Book every bundle in turn by its earliest arrival.

    Notes
    -----
    One search for each bundle, and O(contacts) to cut what it books out of the plan.
    """
    found = dict(one_by_one(problem))
    routes = {name: route for name, route in found.items() if isinstance(route, Route)}
    lost = {name: text for name, text in found.items() if isinstance(text, str)}
    return Bookings(problem, routes, lost)


def one_by_one(problem: BookingProblem) -> Iterator[tuple[str, Route | str]]:
    """Names of bundles in the order of booking, each with its route or why it has none."""
    free = _Free.of(problem.plan)
    for row in problem.ordered():
        case = problem.route_problem(row, free.plan)
        found = earliest_route(case)
        if found is None:
            yield row.name, why_none(case)
            continue
        hops = tuple(replace(hop, contact=int(free.origin[hop.contact])) for hop in found.hops)
        yield row.name, Route(problem.route_problem(row), hops, found.depart_s)
        free = free.without(found.hops)


@dataclass(frozen=True, slots=True, eq=False)
class _Free:
    """What is not booked: a plan of gaps, and the contact that each is a part of."""

    plan: ContactPlan
    origin: NDArray[np.int64]

    @classmethod
    def of(cls, plan: ContactPlan) -> _Free:
        return cls(plan, np.arange(len(plan), dtype=np.int64))

    def without(self, hops: Sequence[Hop]) -> _Free:
        """With the stretches of some hops cut out of their contacts."""
        used = [hop for hop in hops if hop.end_s > hop.depart_s]
        index = np.array([hop.contact for hop in used], dtype=np.int64)
        later = {name: column[index] for name, column in self.plan.arrays.items()}
        later["start_s"] = np.array([hop.end_s for hop in used])
        rows = {
            name: np.concatenate([column, later[name]]) for name, column in self.plan.arrays.items()
        }
        rows["end_s"][index] = [hop.depart_s for hop in used]
        keep = rows["end_s"] > rows["start_s"]
        position = np.where(keep, np.cumsum(keep) - 1, -1)
        rows = {name: column[keep] for name, column in rows.items()}
        fresh = np.concatenate([position[index], position[len(self.plan) :]])
        fresh = fresh[fresh >= 0]
        _tell_apart(rows, fresh)
        plan = replace(self.plan, arrays=rows)
        ContactGraph.of(self.plan).changed(plan, position[: len(self.plan)], fresh)
        return _Free(plan, np.concatenate([self.origin, self.origin[index]])[keep])


def _tell_apart(rows: dict[str, NDArray[Any]], fresh: NDArray[np.int64]) -> None:
    """Two terminals may be left with gaps alike to the last bit: one ends that bit sooner."""
    beside = np.flatnonzero(np.isin(rows["source"], rows["source"][fresh]))
    while True:
        first = repeats({name: column[beside] for name, column in rows.items()}, _COLUMNS)
        again = beside[first != np.arange(len(first))]
        if not len(again):
            return
        rows["end_s"][again] = np.nextafter(rows["end_s"][again], -math.inf)
