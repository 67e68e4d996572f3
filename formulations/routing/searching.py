"""What every search for one route shares: the graph, what of it is usable, and where it begins."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..contacts import ContactPlan
from .arrival_kernel import SLACK, layer, search
from .contact_graph import ContactGraph
from .problem import RouteProblem

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Mask = NDArray[np.bool_]


class Branch(NamedTuple):
    """A branch of a tree of earliest arrivals.

    Without a route there are no contacts, and the arrival is infinite.
    """

    contacts: tuple[int, ...]
    nodes: list[int]
    time_s: Floats

    @property
    def arrival_s(self) -> float:
        """When it ends at a target."""
        return float(self.time_s[-1])


@dataclass(frozen=True, slots=True, eq=False)
class Searching:
    """A route problem, ready to be searched.

    Attributes
    ----------
    problem : RouteProblem
    graph : ContactGraph
    usable : ndarray of bool, shape (contacts,)
        Contacts that a route may take.
    source : int
    targets : ndarray of int64
        Positions of nodes.
    """

    problem: RouteProblem
    graph: ContactGraph
    usable: Mask
    source: int
    targets: Ints

    @classmethod
    def of(cls, problem: RouteProblem) -> Searching:
        """All that the problem does not leave out."""
        graph = ContactGraph.of(problem.plan)
        usable = graph.usable(problem.plan, problem.without)
        source = problem.plan.index(problem.source)
        return cls(problem, graph, usable, source, problem.targets)

    def only(self, allowed: Mask) -> Searching:
        """The same over fewer contacts."""
        return replace(self, usable=self.usable & allowed)

    @property
    def bits(self) -> float:
        """What is sent over every contact."""
        return self.problem.volume_bytes * 8

    @property
    def until_s(self) -> float:
        """By when a bundle must arrive, with what sums round."""
        by = self.problem.arrive_by_s
        return by + near(by) if math.isfinite(by) else by

    @property
    def goal(self) -> Mask:
        """Which nodes are targets, shape (nodes,)."""
        found = np.zeros(self.graph.nodes, dtype=bool)
        found[self.targets] = True
        return found

    def labels(self, at: Ints | int, time_s: float) -> Floats:
        """Labels of a search that begins at some nodes at one time, shape (nodes,)."""
        found = np.full(self.graph.nodes, np.inf)
        found[at] = time_s
        return found

    def arrival(self, depart_s: float) -> float:
        """Earliest arrival at a target by the problem's time, infinite without a route."""
        return self.first_route(depart_s, self.until_s).arrival_s

    def arrivals(self, depart_s: float) -> Floats:
        """Earliest arrivals at all nodes by the problem's time, infinite later, shape (nodes,)."""
        label, contact = self.labels(self.source, depart_s), self._contacts()
        goal = np.zeros(self.graph.nodes, dtype=bool)
        args = (label, contact, self.bits, self.usable, goal, self.until_s)
        search(self.graph.ahead, *args, 0.0, label)
        return label

    def departures(self, arrive_by_s: float, from_s: float) -> Floats:
        """Latest departures that reach a target by some time, shape (nodes,).

        Departures before `from_s` are left open.
        """
        label, contact = self.labels(self.targets, -arrive_by_s), self._contacts()
        goal = np.zeros(self.graph.nodes, dtype=bool)
        goal[self.source] = True
        search(self.graph.back, label, contact, self.bits, self.usable, goal, -from_s, 0.0, label)
        return -label

    def first_route(
        self, depart_s: float, until_s: float, late_s: float = 0.0, sooner: Floats | None = None
    ) -> Branch:
        """One route of earliest arrival.

        Parameters
        ----------
        depart_s, until_s : float
        late_s, sooner
            How much later contacts may end, and for whom: see `arrival_kernel.search`.
        """
        label, contact = self.labels(self.source, depart_s), self._contacts()
        args = (label, contact, self.bits, self.usable, self.goal, until_s)
        search(self.graph.ahead, *args, late_s, label if sooner is None else sooner)
        nodes, contacts = [int(self.targets[np.argmin(label[self.targets])])], list[int]()
        while contact[nodes[-1]] >= 0:
            contacts.append(int(contact[nodes[-1]]))
            nodes.append(int(self.problem.plan.arrays["source"][contacts[-1]]))
        return Branch(tuple(contacts[::-1]), nodes[::-1], label[nodes[::-1]])

    def _contacts(self) -> Ints:
        return np.empty(self.graph.nodes, dtype=np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class HopLabels:
    """Earliest arrivals by number of hops.

    Attributes
    ----------
    label : list of ndarray, shape (nodes,)
        With at most 0, 1, 2, ... hops; infinite where the bundle does not come in time.
    contact : list of ndarray, shape (nodes,)
        The contact of the last hop where that hop made it earlier, else -1.
    goal : int
        The first node that was wanted and is reached, -1 where none is.
    """

    label: list[Floats]
    contact: list[Ints]
    goal: int

    def path(self, plan: ContactPlan) -> tuple[int, ...]:
        """Contacts to the goal in order; none where it is not reached."""
        node, hop, found = self.goal, len(self.contact) - 1, list[int]()
        while node >= 0 and hop > 0:
            if self.contact[hop][node] >= 0:
                found.append(int(self.contact[hop][node]))
                node = int(plan.arrays["source"][found[-1]])
            hop -= 1
        return tuple(reversed(found))


def by_hops(case: Searching, label: Floats, by: Floats, most: int) -> HopLabels:
    """Earliest arrivals with at most 0, 1, 2, ... hops, until a target is reached.

    Parameters
    ----------
    case : Searching
    label : ndarray, shape (nodes,)
        Where and when the search begins, infinite elsewhere.
    by : ndarray, shape (nodes,)
        Arrivals later than this are left out.
    most : int
        Hops.

    Returns
    -------
    HopLabels
        O(hops x contacts) at worst; only nodes that the last hop improved are looked at.
    """
    labels, contacts = [label], [np.full(len(label), -1)]
    fresh, some = np.isfinite(label), True
    while True:
        there = case.targets[np.isfinite(labels[-1][case.targets])]
        if len(there) or not some or len(labels) > most:
            return HopLabels(labels, contacts, int(there[0]) if len(there) else -1)
        new, contact, fresh, some = layer(
            case.graph.ahead, labels[-1], fresh, case.bits, case.usable, by
        )
        labels.append(new)
        contacts.append(contact)


def near(*times_s: float) -> float:
    """How far apart two sums of such times, and of what rounding gave way to, may be if equal."""
    return 4 * SLACK * max(abs(time) for time in times_s)
