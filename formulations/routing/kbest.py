"""Routes in order, the best first: as many as one asks for, each found when it is asked for.

The order is that of CCSDS 734.3-B-1, 3.2.8.1.4: arrival, hops, latest termination, smallest entry
node (see `ranking`). A route is a sequence of contacts that visits no node twice and ends at the
first target; two routes over the same nodes by different contacts are two routes.

Yen's algorithm as Lawler splits it (see `parts`). It is often said of Yen's algorithm that it needs
networks in which who departs first arrives first; contacts do not make such ones: a bundle may wait
for one contact and be overtaken over another. Here it is exact all the same, for two reasons:

- Parts are sets of contact sequences. The beginning of a part is a sequence of contacts, and the
  bundle is at its end when these contacts bring it there, be that later than it might be otherwise:
  who is there sooner, came by other contacts, and belongs to another part.
- Within a part the rest of the way is a problem of its own, from one node and one moment. A bundle
  may wait, so being anywhere sooner is never worse, and labels find its best route exactly. That
  route visits no node twice, as cutting out the loop would save hops and cost no time; the nodes of
  the beginning are left out of the search.

The first keys of the whole order as those of the rest: hops before are the same for the part, a
termination before caps all of them alike, and the entry node is fixed unless nothing is.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator
from itertools import count, islice
from typing import NamedTuple

import numpy as np

from .parts import Part
from .problem import RouteProblem
from .ranking import ranked
from .searching import Branch, Searching, near
from .solution import Route


class Entry(NamedTuple):
    """A part in the queue, by what its best route is worth, or by less while that is not known."""

    arrival_s: float
    hops: int
    termination_s: float  #: negated
    entry: int
    serial: int  #: no two entries are alike
    part: Part
    first_s: float  #: the earliest arrival, not rounded
    best: Branch | None  #: None while only the arrival is known


def k_best(problem: RouteProblem, k: int) -> list[tuple[int, ...]]:
    """The k best routes as contacts, the best first; fewer where there are no more.

    Parameters
    ----------
    problem : RouteProblem
        Its objective and its own `k` are not looked at.
    k : int
    """
    return list(islice(routes_in_order(problem), k))


def routes_in_order(problem: RouteProblem) -> Iterator[tuple[int, ...]]:
    """All routes as contacts, the best first, by arrival, hops, termination and entry node.

    Parameters
    ----------
    problem : RouteProblem
        Source, target, volume, departure, `arrive_by_s` and `without` count.

    Yields
    ------
    tuple of int
        Positions of contacts, in order. Routes that tie in all four come in an order left open.

    Notes
    -----
    For each route: one search of earliest arrival for each of its hops, and one search in order of
    rank (`ranking.ranked`). There can be exponentially many routes.
    """
    whole, serial = Searching.of(problem), count()
    queue: list[Entry] = []
    level, slack = -math.inf, 0.0
    fresh = [Part.whole(whole)]
    while True:
        for part in fresh:
            first_s = part.case(whole).first_route(part.now_s, whole.until_s).arrival_s
            if math.isfinite(first_s):
                at_s = level if first_s <= level + slack else first_s
                entry = Entry(at_s, 0, -math.inf, 0, next(serial), part, first_s, None)
                heapq.heappush(queue, entry)
        if not queue:
            return
        if queue[0].arrival_s > level:
            level = queue[0].arrival_s
            slack = near(level, problem.depart_s)
            _level(queue, level, slack)
        entry = heapq.heappop(queue)
        part, best = entry.part, entry.best
        if best is None:
            case = part.case(whole)
            best = _flown(problem, part.contacts + ranked(case, part.now_s, entry.first_s))
            known = _ranked_entry(problem, entry, best)
            heapq.heappush(queue, known)
            fresh = []
        else:
            yield best.contacts
            fresh = list(part.without(best, [(k,) for k in best.contacts]))


def _level(queue: list[Entry], level_s: float, slack_s: float) -> None:
    """Make arrivals that are equal but for rounding equal, so that hops and the rest decide."""
    ties = []
    while queue and queue[0].arrival_s <= level_s + slack_s:
        ties.append(heapq.heappop(queue))
    for tie in ties:
        heapq.heappush(queue, tie._replace(arrival_s=level_s))


def _flown(problem: RouteProblem, contacts: tuple[int, ...]) -> Branch:
    """The route over some contacts."""
    route = Route.along(problem, contacts)
    times = [route.depart_s, *(hop.arrive_s for hop in route.hops)]
    return Branch(contacts, [problem.plan.index(name) for name in route.nodes], np.array(times))


def _ranked_entry(problem: RouteProblem, entry: Entry, best: Branch) -> Entry:
    """The entry of a part whose best route is known."""
    end = problem.plan.arrays["end_s"][list(best.contacts)]
    rank = len(best.contacts), -float(end.min()), best.nodes[1]
    return Entry(entry.arrival_s, *rank, entry.serial, entry.part, entry.first_s, best)
