"""The road of bookings: one bundle after another, held against the best flow of all their bytes."""

from __future__ import annotations

import time
from dataclasses import replace

from ..formulations import checks
from ..formulations.passes import Demand, PassProblem
from ..formulations.routing.booking import BookingProblem, Bookings, book
from .options import SolveOptions
from .passes import solve_passes
from .result import Reason, SolveResult

METHOD = "one bundle after another"


def solve_bookings(problem: BookingProblem, options: SolveOptions) -> SolveResult[Bookings]:
    """Book bundles and bound what any booking could deliver; see `orbweave.solve`.

    The bound is a flow of the same bytes by the same deadlines in which bundles may be split, pass
    on what has come in part, and take no time in flight: every booking is such a flow, so none
    delivers more.
    """
    if options.method is not None:
        checks.known("SolveOptions.method", options.method, (METHOD,))
    began = time.perf_counter()
    found = book(problem)
    wrong = found.violations()
    if wrong:
        text = f"a booking breaks a rule: {wrong[0]}"
        return SolveResult(None, Reason.ERROR, method=METHOD, message=text)
    asked = float(sum(row.volume_bytes for row in problem.bundles))
    bound, backend, limit = asked, "", None
    if found.delivered_bytes < asked:
        demands = [
            Demand(row.name, row.source, row.target, row.volume_bytes, row.depart_s, row.deadline_s)
            for row in problem.bundles
            if row.volume_bytes > 0
        ]
        fluid = PassProblem(problem.plan, demands, objective="volume")
        flow = solve_passes(fluid, replace(options, method=None))
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
