"""The route that is least time under way, over all departures in a window.

Branch and bound over departures. If contacts ended by d2 - d1 later than they do, a route that
departs anywhere from d1 to d2 could be moved to depart at d2, and arrive as much later. So the
earliest arrival from d2 over such longer contacts, less d2, bounds the time under way of all that
depart in between. (A contact is not longer for whom it ends too early even when coming from d1.)
The route that gives the bound departs at the latest at some moment L:

- if that is d2 or later, it can be flown from d2 as it is, and the bound is met;
- else, if it can be flown from L, that gives a time under way to beat, and the window is cut at L.
  From L to d2 that route bounds nothing any more: contacts are longer by less than it needs;
- else (it waits for one contact so long that it misses another) the window is halved. It bounds
  nothing any more once contacts are longer by less than it misses.

There are finitely many routes, so this ends; windows are taken up in the order of their bounds, so
it ends when the next bound is no better than the best route. While a window is wide it is halved,
too, where L would cut off little.

Over one sequence of contacts a bundle that departs at d arrives at ``max(A, d + T)``: T is the sum
of its transmissions and delays, A comes from waiting for contacts to start. Its time under way
never grows with d. That is why departing at L or at d2 is best, for that route; among departures
with the same time under way, the route departs at the first.
"""

from __future__ import annotations

import heapq
import math
from typing import NamedTuple

from .arrival_kernel import SLACK
from .problem import RouteProblem
from .ranking import ranked
from .searching import Searching, near
from .solution import Route, latest_departure

#: Windows wider than this are halved, unless the cut lies in their middle half.
WIDE_S = 1.0


class Window(NamedTuple):
    """Departures from one moment to another, and a bound on their time under way."""

    bound_s: float
    first_s: float
    last_s: float
    contacts: tuple[int, ...]  #: of the route that gives the bound


class Flight(NamedTuple):
    """Contacts, and when a bundle departs and arrives over them."""

    depart_s: float
    arrival_s: float
    contacts: tuple[int, ...]

    @property
    def latency_s(self) -> float:
        """Time under way, infinite where the contacts do not carry it."""
        return self.arrival_s - self.depart_s


def quickest_route(problem: RouteProblem) -> Route | None:
    """The route of least time under way; None where none arrives in time.

    Routes whose times under way differ by what sums of floats round count as equal.
    """
    case, rows = Searching.of(problem), problem.plan.arrays
    # Longer contacts are there for those who are late, not for bundles that are too large.
    case = case.only(problem.plan.volume_bytes * (1 + SLACK) >= problem.volume_bytes)
    leaving = rows["end_s"][case.usable & (rows["source"] == case.source)]
    last = float(leaving.max(initial=-math.inf))
    if problem.depart_until_s is not None:
        last = min(last, problem.depart_until_s)
    best = Flight(0.0, math.inf, ())
    windows = _windows(case, (problem.depart_s, last))
    while windows and _beats(windows[0], best):
        window = heapq.heappop(windows)
        latest = latest_departure(problem, window.contacts, problem.arrive_by_s)
        depart = max(min(latest, window.last_s), window.first_s)
        flight = Flight(depart, _arrival(case, window.contacts, depart), window.contacts)
        best = min(best, flight, key=lambda found: found.latency_s)
        if math.isinf(flight.latency_s):
            cuts = _halves(window)
        elif latest < window.last_s:
            cuts = _parts(window, depart)
        else:
            continue
        for part in _windows(case, *cuts):
            if _beats(part, best):
                heapq.heappush(windows, part)
    if not best.contacts:
        return None
    contacts = ranked(case, best.depart_s, case.arrival(best.depart_s))
    return _no_later_than_needed(problem, contacts, best.depart_s)


def _windows(case: Searching, *spans: tuple[float, float]) -> list[Window]:
    """Windows of departures in which there may be a route."""
    found = []
    for first, last in spans:
        if first <= last:
            late = last - first
            sooner = case.arrivals(first)
            if math.isinf(sooner[case.targets].min()):
                continue
            branch = case.first_route(last, case.until_s + late, late, sooner)
            if branch.contacts:
                found.append(Window(branch.arrival_s - last, first, last, branch.contacts))
    return found


def _beats(window: Window, best: Flight) -> bool:
    """Whether a window may hold a route that is less time under way, by more than rounding."""
    if math.isinf(best.latency_s):
        return True
    rounding = 16 * math.ulp(max(abs(window.last_s), abs(best.arrival_s)))
    return window.bound_s < best.latency_s - rounding


def _arrival(case: Searching, contacts: tuple[int, ...], depart_s: float) -> float:
    """When a bundle arrives over contacts, infinite if they do not carry it in time."""
    problem, route = case.problem, Route.along(case.problem, contacts, depart_s)
    for hop in route.hops:
        start, end = (
            float(problem.plan.arrays[name][hop.contact]) for name in ("start_s", "end_s")
        )
        slack = SLACK * max(abs(start), abs(end)) if problem.volume_bytes else 0.0
        if hop.end_s > end + slack or (not problem.volume_bytes and hop.end_s == end):
            return math.inf
    return route.arrival_s if route.arrival_s <= case.until_s else math.inf


def _parts(window: Window, latest_s: float) -> tuple[tuple[float, float], ...]:
    """The window up to the latest departure of its route, and from behind it on."""
    first, last = window.first_s, window.last_s
    quarter = (last - first) / 4
    if last - first > WIDE_S and not first + quarter <= latest_s <= last - quarter:
        return _halves(window)
    return (first, latest_s), (latest_s + near(first, last), last)


def _halves(window: Window) -> tuple[tuple[float, float], ...]:
    """Both halves of the window; none where it is narrower than what sums round."""
    first, last = window.first_s, window.last_s
    if last - first <= near(first, last):
        return ()
    middle = first + (last - first) / 2
    return (first, middle), (middle, last)


def _no_later_than_needed(
    problem: RouteProblem, contacts: tuple[int, ...], depart_s: float
) -> Route:
    """The route over some contacts that departs first among those of its least time under way."""
    soon = Route.along(problem, contacts)
    moving = math.fsum(hop.arrive_s - hop.depart_s for hop in soon.hops)
    needed = max(problem.depart_s, soon.arrival_s - moving)
    return Route.along(problem, contacts, min(depart_s, needed))
