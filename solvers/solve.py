"""One call for every problem: `solve` looks at the type and takes the road for it."""

from __future__ import annotations

from typing import Any

from ..formulations import checks
from ..formulations.partition import Partition, PartitionProblem
from .options import SolveOptions
from .partition import solve_partition
from .result import SolveResult


def solve(
    problem: PartitionProblem, options: SolveOptions | None = None, **changes: Any
) -> SolveResult[Partition]:
    """Solve a problem and say how far from optimal the answer can be.

    Parameters
    ----------
    problem : PartitionProblem
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
    if not isinstance(problem, PartitionProblem):
        checks.fail("problem", type(problem).__name__, "a PartitionProblem")
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
