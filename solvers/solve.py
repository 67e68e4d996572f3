"""One call for every problem: `solve` looks at the type and takes the road for it."""

from __future__ import annotations

from typing import Any, overload

from ..formulations import checks
from ..formulations.compression.problem import CompressionProblem
from ..formulations.compression.solution import CompressionPlan
from ..formulations.partition import Partition, PartitionProblem
from ..formulations.passes import PassProblem, PassSchedule
from ..formulations.routing.balance import BalanceProblem
from ..formulations.routing.balanced_routing import BalancedRouting
from ..formulations.routing.booking import BookingProblem, Bookings
from ..formulations.routing.problem import RouteProblem
from ..formulations.routing.solution import Route
from ..formulations.tracks import TrackProblem, TrackSchedule
from .balanced import solve_balance
from .bookings import solve_bookings
from .options import SolveOptions
from .partition import solve_partition
from .passes import solve_passes
from .paths import solve_route
from .rates import solve_rates
from .result import SolveResult
from .tracks import solve_tracks


@overload
def solve(
    problem: PartitionProblem, options: SolveOptions | None = None, **changes: Any
) -> SolveResult[Partition]: ...
@overload
def solve(
    problem: TrackProblem, options: SolveOptions | None = None, **changes: Any
) -> SolveResult[TrackSchedule]: ...
@overload
def solve(
    problem: PassProblem, options: SolveOptions | None = None, **changes: Any
) -> SolveResult[PassSchedule]: ...
@overload
def solve(
    problem: RouteProblem, options: SolveOptions | None = None, **changes: Any
) -> SolveResult[Route]: ...
@overload
def solve(
    problem: CompressionProblem, options: SolveOptions | None = None, **changes: Any
) -> SolveResult[CompressionPlan]: ...
@overload
def solve(
    problem: BookingProblem, options: SolveOptions | None = None, **changes: Any
) -> SolveResult[Bookings]: ...
@overload
def solve(
    problem: BalanceProblem, options: SolveOptions | None = None, **changes: Any
) -> SolveResult[BalancedRouting]: ...
def solve(problem: Any, options: SolveOptions | None = None, **changes: Any) -> SolveResult[Any]:
    """Solve a problem and say how far from optimal the answer can be.

    Parameters
    ----------
    problem : PartitionProblem, PassProblem, TrackProblem, RouteProblem, BookingProblem, \
BalanceProblem or CompressionProblem
    options : SolveOptions, optional
        Defaults: 60 s, relative gap 1e-6, one thread, seed 0.
    **changes
        Fields of `SolveOptions` given directly, as in ``solve(problem, time_limit_s=10)``.

    Returns
    -------
    SolveResult
        Always with a valid bound; ``solution`` is None where there is none, and ``message`` then
        says why. An interrupt (Ctrl-C) returns the best answer so far with ``limit`` INTERRUPT.

    Raises
    ------
    InputError
        If the problem or an option is not one that can be solved.
    """
    given = options_from(options, changes)
    if isinstance(problem, PassProblem):
        return solve_passes(problem, given)
    if isinstance(problem, TrackProblem):
        return solve_tracks(problem, given)
    if isinstance(problem, RouteProblem):
        return solve_route(problem, given)
    if isinstance(problem, BookingProblem):
        return solve_bookings(problem, given)
    if isinstance(problem, BalanceProblem):
        return solve_balance(problem, given)
    if isinstance(problem, CompressionProblem):
        return solve_rates(problem, given)
    if not isinstance(problem, PartitionProblem):
        checks.fail(
            "problem",
            type(problem).__name__,
            "a PartitionProblem, PassProblem, TrackProblem, RouteProblem, BookingProblem, "
            "BalanceProblem or CompressionProblem",
        )
    return solve_partition(problem, given)


def options_from(options: SolveOptions | None, changes: dict[str, Any]) -> SolveOptions:
    """Merge an options object with fields given directly."""
    if options is not None and not isinstance(options, SolveOptions):
        checks.fail("options", type(options).__name__, "a SolveOptions")
    fields = tuple(SolveOptions.__dataclass_fields__)
    for key in changes:
        checks.known("option", key, fields)
    base = {} if options is None else {name: getattr(options, name) for name in fields}
    return SolveOptions(**{**base, **changes})
