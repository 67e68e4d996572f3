"""Roads for route problems: searches over labels of arrival, exact for each objective.

Whatever found a route, it is judged in the same way, by the problem's data alone.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import islice
from types import MappingProxyType

from ..formulations import checks
from ..formulations.routing.disjoint import disjoint_pair
from ..formulations.routing.kbest import routes_in_order
from ..formulations.routing.latency import quickest_route
from ..formulations.routing.objectives import earliest_route, fewest_route, widest_route
from ..formulations.routing.planes import touching_route, why_planes_are_missed
from ..formulations.routing.problem import RouteProblem
from ..formulations.routing.reasons import why_none
from ..formulations.routing.solution import Route
from .options import SolveOptions
from .result import Limit, Reason, SolveResult

#: By objective: how the search is called, and the search.
ROADS: Mapping[str, tuple[str, Callable[[RouteProblem], Route | None]]] = MappingProxyType(
    {
        "earliest_arrival": ("label setting", earliest_route),
        "minimum_latency": ("departure sweep", quickest_route),
        "fewest_handovers": ("labels by hops", fewest_route),
        "widest": ("bisection over rates", widest_route),
        "touch_planes": ("labels of node and planes", touching_route),
    }
)


def solve_route(problem: RouteProblem, options: SolveOptions) -> SolveResult[Route]:
    """Solve a route problem; see `orbweave.solve`.

    Parameters
    ----------
    problem : RouteProblem
    options : SolveOptions
        The searches are exact; only several routes heed a limit, between one and the next.
        `method` may name the search that there is.

    Returns
    -------
    SolveResult
        OPTIMAL, ``bound`` being the objective; or INFEASIBLE, ``message`` saying why there is no
        route.
    """
    method, road = ROADS[checks.known("RouteProblem.objective", problem.objective, tuple(ROADS))]
    if problem.disjoint is not None:
        return _pair(problem, options)
    if problem.k > 1:
        return _several(problem, options)
    if options.method is not None:
        checks.known("SolveOptions.method", options.method, (method,))
    began = time.perf_counter()
    route = road(problem)
    solved = time.perf_counter()
    return judged(problem, route, method, solved - began)


def _several(problem: RouteProblem, options: SolveOptions) -> SolveResult[Route]:
    """The k best, one after another; a limit or Ctrl-C keeps those that are found."""
    method, began, limit = "k best by parts", time.perf_counter(), None
    if options.method is not None:
        checks.known("SolveOptions.method", options.method, (method,))
    found: list[Route] = []
    try:
        for contacts in islice(routes_in_order(problem), problem.k):
            found.append(Route.along(problem, contacts))
            if time.perf_counter() - began >= options.time_limit_s and len(found) < problem.k:
                limit = Limit.TIME
                break
    except KeyboardInterrupt:
        limit = Limit.INTERRUPT
    route = replace(found[0], alternatives=tuple(found[1:])) if found else None
    result = judged(problem, route, method, time.perf_counter() - began)
    if route is None and limit is not None:
        return replace(result, reason=Reason.NO_SOLUTION, limit=limit, message="")
    if limit is not None or 0 < len(found) < problem.k:
        text = (
            f"{len(found)} of {problem.k} routes; {'it was stopped' if limit else 'no more exist'}"
        )
        result = replace(result, limit=limit, message=result.message or text)
    return result


def _pair(problem: RouteProblem, options: SolveOptions) -> SolveResult[Route]:
    """Two routes with nothing in common; the objective is the sum of their arrivals."""
    method, began = "branch and bound over pairs", time.perf_counter()
    if options.method is not None:
        checks.known("SolveOptions.method", options.method, (method,))
    found = disjoint_pair(problem, time_limit_s=options.time_limit_s)
    spent_s = time.perf_counter() - began
    if found.routes is None:
        proven = math.isinf(found.bound_s)
        return SolveResult(
            None,
            Reason.INFEASIBLE if proven else Reason.NO_SOLUTION,
            bound=found.bound_s,
            limit=None if proven else Limit.TIME,
            solve_s=spent_s,
            method=method,
            message=found.reason,
        )
    one, other = (Route.along(problem, contacts) for contacts in found.routes)
    result = judged(problem, replace(one, partner=other), method, spent_s)
    total = one.arrival_s + other.arrival_s
    closed = total - found.bound_s <= options.relative_gap * max(abs(total), 1e-9)
    if result.reason is Reason.OPTIMAL and not closed:
        result = replace(result, reason=Reason.FEASIBLE, limit=Limit.TIME)
    return replace(result, objective=total, bound=min(found.bound_s, total))


def judged(
    problem: RouteProblem, route: Route | None, method: str, spent_s: float
) -> SolveResult[Route]:
    """The result of a search, its route judged independently of it."""
    began = time.perf_counter()
    if route is None:
        missed = problem.objective == "touch_planes"
        message = why_planes_are_missed(problem) if missed else why_none(problem)
        read_s = time.perf_counter() - began
        return SolveResult(
            None,
            Reason.INFEASIBLE,
            solve_s=spent_s,
            read_s=read_s,
            method=method,
            message=message,
        )
    wrong = route.violations()
    return SolveResult(
        None if wrong else route,
        Reason.ERROR if wrong else Reason.OPTIMAL,
        objective=route.objective,
        bound=route.objective,
        solve_s=spent_s,
        read_s=time.perf_counter() - began,
        method=method,
        message=f"the route breaks a rule: {wrong[0]}" if wrong else "",
    )
