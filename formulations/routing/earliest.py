"""Earliest arrivals from one node, and latest departures towards one, over a contact plan.

A bundle departs at ``max(now, start_s)``, occupies the contact for ``volume * 8 / rate``, must
finish by ``end_s``, and arrives ``delay_s`` later, whole; then it may wait, anywhere. One of volume
0 must depart before ``end_s``; it alone passes a contact of rate 0.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .. import checks
from ..contacts import ContactPlan
from ..targets import targets_of
from .arrival_kernel import searches
from .contact_graph import ContactGraph
from .problem import check_without

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Arrivals:
    """Earliest arrivals at all nodes.

    Attributes
    ----------
    plan : ContactPlan
    arrival_s : ndarray, shape (nodes,) or (runs, nodes)
        Infinite where the bundle does not come; the departure at the source itself.
    contact : ndarray of int64, same shape
        Position in the plan of the contact by which it comes, -1 where there is none.
    """

    plan: ContactPlan
    arrival_s: Floats
    contact: Ints

    def path(self, target: str, run: int = 0) -> tuple[int, ...]:
        """Contacts of one route of earliest arrival, in order; empty at the source or without one.

        Which of several such routes it is, is left open (`RouteProblem` says).
        """
        last, source = np.atleast_2d(self.contact)[run], self.plan.arrays["source"]
        found: list[int] = []
        node = self.plan.index(target)
        while last[node] >= 0:
            found.append(int(last[node]))
            node = int(source[found[-1]])
        return tuple(reversed(found))


@dataclass(frozen=True, slots=True, eq=False)
class Departures:
    """Latest departures from all nodes.

    Attributes
    ----------
    plan : ContactPlan
    departure_s : ndarray, shape (nodes,) or (runs, nodes)
        By when a bundle must be at the node to arrive in time; minus infinity where it never does.
    contact : ndarray of int64, same shape
        The contact by which it goes on, -1 where there is none.
    """

    plan: ContactPlan
    departure_s: Floats
    contact: Ints

    def path(self, source: str, run: int = 0) -> tuple[int, ...]:
        """Contacts of one route of latest departure, in order; empty at a target or without one."""
        onward, target = np.atleast_2d(self.contact)[run], self.plan.arrays["target"]
        found: list[int] = []
        node = self.plan.index(source)
        while onward[node] >= 0:
            found.append(int(onward[node]))
            node = int(target[found[-1]])
        return tuple(found)


def earliest_arrivals(
    plan: ContactPlan,
    source: str | Sequence[str],
    depart_s: ArrayLike = 0.0,
    volume_bytes: float = 0.0,
    *,
    without: Iterable[int | str] = (),
    remaining_bytes: ArrayLike | None = None,
) -> Arrivals:
    """Find when a bundle can be at every node, at the earliest.

    Parameters
    ----------
    plan : ContactPlan
        Its graph is built at the first call (`ContactGraph.of`).
    source : str or sequence of str
    depart_s : float or array, shape (runs,)
        When the bundle is at its source. With a sequence for either, one search for each, the
        other broadcast.
    volume_bytes : float
    without : iterable of int or str
        Contacts (positions) and nodes (names) to leave out.
    remaining_bytes : array, shape (contacts,), optional
        What contacts can still carry; all that they ever could unless given.

    Returns
    -------
    Arrivals

    Raises
    ------
    InputError
        For an unknown node, a negative volume, a time that is no finite number.

    Notes
    -----
    Label setting in the order of time (Dijkstra): waiting makes an earlier arrival never worse.
    O((pairs of neighbours) log(contacts) + nodes log(nodes)) for each search, as long as contacts
    of one pair do not overlap much.
    """
    where = "earliest_arrivals"
    names = [source] if isinstance(source, str) else list(source)
    for name in names:
        checks.known(f"{where}.source", name, plan.node_names)
    begin = _times(f"{where}.depart_s", depart_s)
    origin = np.array([plan.index(name) for name in names], dtype=np.int64)
    if not (len(origin) == len(begin) or 1 in (len(origin), len(begin))):
        expected = f"one for each of the {len(origin)} sources"
        checks.fail(f"{where}.depart_s", f"{len(begin)} times", expected)
    origin, begin = np.broadcast_arrays(origin, begin)
    label = np.full((len(origin), len(plan.nodes)), np.inf)
    label[np.arange(len(origin)), origin] = begin
    chosen = (without, remaining_bytes)
    contact = _searched(where, plan, label, volume_bytes, *chosen, back=False)
    one = isinstance(source, str) and np.ndim(depart_s) == 0
    return Arrivals(plan, label[0], contact[0]) if one else Arrivals(plan, label, contact)


def latest_departures(
    plan: ContactPlan,
    target: str,
    arrive_by_s: ArrayLike,
    volume_bytes: float = 0.0,
    *,
    without: Iterable[int | str] = (),
    remaining_bytes: ArrayLike | None = None,
) -> Departures:
    """Find by when a bundle must be at every node to reach a target in time.

    Parameters
    ----------
    plan, volume_bytes, without, remaining_bytes
        As in `earliest_arrivals`.
    target : str
        ``"ground"`` is any ground node.
    arrive_by_s : float or array, shape (runs,)
        With an array, one search for each.

    Returns
    -------
    Departures
        For volume 0 and a contact that ends at second 60, just before 60.

    Raises
    ------
    InputError
        As in `earliest_arrivals`.
    """
    where = "latest_departures"
    until = _times(f"{where}.arrive_by_s", arrive_by_s)
    label = np.full((len(until), len(plan.nodes)), np.inf)
    label[:, targets_of(f"{where}.target", plan, target)] = -until[:, None]
    chosen = (without, remaining_bytes)
    contact = _searched(where, plan, label, volume_bytes, *chosen, back=True)
    one = np.ndim(arrive_by_s) == 0
    return Departures(plan, *((-label[0], contact[0]) if one else (-label, contact)))


def _times(where: str, given: ArrayLike) -> Floats:
    found = np.atleast_1d(np.asarray(given, dtype=np.float64))
    if found.ndim != 1 or not np.isfinite(found).all():
        checks.fail(where, given, "a finite number, or a list of them")
    return found


def _searched(
    where: str,
    plan: ContactPlan,
    label: Floats,
    volume_bytes: float,
    without: Iterable[int | str],
    remaining_bytes: ArrayLike | None,
    *,
    back: bool,
) -> Ints:
    """Search from the labels given, which become the arrivals; contacts taken, of their shape."""
    volume = checks.real(f"{where}.volume_bytes", volume_bytes)
    out = check_without(f"{where}.without", plan, without)
    graph = ContactGraph.of(plan)
    usable = graph.usable(plan, out, volume_bytes=volume, remaining_bytes=remaining_bytes)
    contact = np.empty(label.shape, dtype=np.int64)
    searches(graph.back if back else graph.ahead, label, contact, volume * 8, usable)
    return contact
