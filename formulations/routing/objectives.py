"""One best route for each objective that labels of arrival answer: first, fewest, widest.

All are exact. A bundle that is earlier at a node can do all that a later one can, because it may
wait; so earliest arrivals, over all contacts, over those of a high rate, or with at most so many
hops, need one label for each node (and number of hops).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from .ranking import ranked
from .searching import Searching, by_hops
from .solution import Route

if TYPE_CHECKING:
    from .problem import RouteProblem


def earliest_route(problem: RouteProblem) -> Route | None:
    """The route that arrives first; None where none arrives in time.

    Parameters
    ----------
    problem : RouteProblem
        Its objective is not looked at: other roads may ask for the earliest route as well.
    """
    return _first(Searching.of(problem))


def fewest_route(problem: RouteProblem) -> Route | None:
    """The route of fewest contacts that arrives in time, the first to arrive among those.

    Labels by number of hops, one hop after the other.
    """
    case = Searching.of(problem)
    by = np.full(case.graph.nodes, case.until_s)
    begin = case.labels(case.source, problem.depart_s)
    found = by_hops(case, begin, by, case.graph.nodes)
    if found.goal < 0:
        return None
    arrival = float(found.label[-1][case.targets].min())
    return Route.along(problem, ranked(case, problem.depart_s, arrival))


def widest_route(problem: RouteProblem) -> Route | None:
    """The route whose slowest contact is fastest, the first to arrive among those in time.

    Bisection over the rates in the plan: what can be had at one rate can be had at a lower one.
    """
    case, rate = Searching.of(problem), problem.plan.arrays["rate_bps"]
    rates = np.unique(rate[case.usable])
    low, high = 0, len(rates)  # rates[:low] can be had, rates[high:] cannot
    while low < high:
        middle = (low + high) // 2
        if math.isfinite(case.only(rate >= rates[middle]).arrival(problem.depart_s)):
            low = middle + 1
        else:
            high = middle
    return _first(case.only(rate >= rates[low - 1])) if low else None


def _first(case: Searching) -> Route | None:
    depart = case.problem.depart_s
    arrival = case.arrival(depart)
    if not math.isfinite(arrival):
        return None
    return Route.along(case.problem, ranked(case, depart, arrival))
