"""The road of bookings: one bundle after another, held against the best flow of all their bytes."""

from __future__ import annotations

import time
from dataclasses import replace

from ..formulations import checks
from ..formulations.partition.outcome import Watch
from ..formulations.passes import Demand, PassProblem
from ..formulations.routing.booking import BookingProblem, Bookings, one_by_one
from ..formulations.routing.solution import Route
from .options import SolveOptions
from .passes import solve_passes
from .result import Limit, Reason, SolveResult

METHOD = "one bundle after another"

#: Bundles times contacts up to which the bound takes bundles as whole.
_WHOLE = 20_000


def solve_bookings(problem: BookingProblem, options: SolveOptions) -> SolveResult[Bookings]:
    """Book bundles and bound what any booking could deliver; see `orbweave.solve`.

    The bound is a flow of the same bytes by the same deadlines in which bundles may take several
    ways at once, pass on what has come in part, and take no time in flight: every booking is such a
    flow, so none delivers more. Where it is small, bundles flow whole or not at all. At a time
    limit or an interrupt, the bundles that were booked before it; the bound is then what was asked
    for.
    """
    if options.method is not None:
        checks.known("SolveOptions.method", options.method, (METHOD,))
    began = time.perf_counter()
    watch = Watch(options.time_limit_s, options.relative_gap, options.on_progress)
    asked = float(sum(row.volume_bytes for row in problem.bundles))
    found, limit = _booked(problem, watch, asked)
    wrong = found.violations()
    if wrong:
        text = f"a booking breaks a rule: {wrong[0]}"
        return SolveResult(None, Reason.ERROR, method=METHOD, message=text)
    bound, backend = asked, ""
    if limit is None and found.delivered_bytes < asked:
        fluid = _fluid(problem)
        left = max(watch.remaining_s, 1e-3)
        flow = solve_passes(fluid, replace(options, method=None, time_limit_s=left))
        bound, backend, limit = min(asked, flow.bound), flow.backend, flow.limit
    gap = bound - found.delivered_bytes
    closed = gap <= max(options.relative_gap, 1e-9) * max(found.delivered_bytes, 1e-9)
    lost = len(found.undelivered)
    return SolveResult(
        found,
        Reason.OPTIMAL if closed else Reason.FEASIBLE,
        found.delivered_bytes,
        bound,
        limit,
        solve_s=time.perf_counter() - began,
        backend=backend,
        method=METHOD,
        message=f"{lost} of {len(problem.bundles)} bundles are not delivered" if lost else "",
    )


def _fluid(problem: BookingProblem) -> PassProblem:
    """The flow that bounds bookings; bundles of no bytes are not in it."""
    rows = [row for row in problem.bundles if row.volume_bytes > 0]
    splittable = len(rows) * len(problem.plan) > _WHOLE
    demands = [
        Demand(
            row.name,
            row.source,
            row.target,
            row.volume_bytes,
            row.depart_s,
            row.deadline_s,
            splittable=splittable,
        )
        for row in rows
    ]
    return PassProblem(problem.plan, demands, objective="volume")


def _booked(problem: BookingProblem, watch: Watch, asked: float) -> tuple[Bookings, Limit | None]:
    """Bundle by bundle until all are looked at, or something ends it."""
    size = {row.name: row.volume_bytes for row in problem.bundles}
    routes: dict[str, Route] = {}
    lost: dict[str, str] = {}
    delivered, limit = 0.0, None
    try:
        for name, found in one_by_one(problem):
            if isinstance(found, Route):
                routes[name] = found
                delivered += size[name]
                watch.state(objective=delivered, bound=asked)
            else:
                lost[name] = found
            if not watch.remaining_s and len(routes) + len(lost) < len(size):
                limit = Limit.TIME
                break
    except KeyboardInterrupt:
        limit = Limit.INTERRUPT
    if limit:
        for row in problem.ordered():
            if row.name not in routes:
                lost.setdefault(row.name, f"not looked at before the end ({limit.value})")
    return Bookings(problem, routes, lost), limit
