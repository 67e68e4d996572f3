"""Roads for pass problems: maximum flows where the problem is a network, else programmes, a search.

Whatever found a schedule, it is judged in the same way, by the problem's data alone.
"""

from __future__ import annotations

import time
from dataclasses import replace

from ..formulations.passes import PassProblem, PassSchedule
from ..formulations.passes.flows import commodities, is_network
from .options import SolveOptions
from .pass_exclusive import exclusive
from .pass_flows import (
    Answer,
    Grid,
    completion,
    completion_soon,
    grid_of,
    is_relayed,
    priority,
    volume,
    volume_alone,
)
from .pass_lp import LARGEST, programme
from .result import Limit, Reason, SolveResult


def solve_passes(problem: PassProblem, options: SolveOptions) -> SolveResult[PassSchedule]:
    """Solve a pass problem; see `orbweave.solve`.

    ``method`` is ``"events"`` (exact in continuous time), ``"slots"`` or ``"slots-60"`` (so many
    seconds); None chooses by size.
    """
    began = time.perf_counter()
    answer = _answer(problem, options)
    return _judged(problem, answer, options, time.perf_counter() - began)


def _answer(problem: PassProblem, options: SolveOptions) -> Answer:
    """The road that fits: the strongest first."""
    if problem.is_exclusive:
        return exclusive(problem, options, _answer)
    if problem.energy is None and options.method is None and is_relayed(problem):
        quick = {"volume": volume_alone, "completion": completion_soon}.get(problem.objective)
        answer = quick(problem, options.relative_gap) if quick else None
        if answer is not None:
            return answer
    grid = grid_of(problem, options.method)
    road = {"volume": volume, "priority": priority, "completion": completion}
    if _is_flow(problem, grid):
        found = road[problem.objective](problem, grid)
        return replace(found, method=f"maximum flow over {grid.method}")
    answer = programme(problem, grid, options)
    if not len(answer.moves) and answer.limit is Limit.TIME and _is_flow(problem, grid, many=True):
        # The programme ran out of time: the commodities one after another give a plan.
        found = road[problem.objective](problem, grid)
        return replace(found, method=f"maximum flows over {grid.method}", limit=Limit.TIME)
    return answer


def _is_flow(problem: PassProblem, grid: Grid, *, many: bool = False) -> bool:
    """Whether maximum flows answer: one network, or `many` that are too large for a programme."""
    if problem.energy is not None or not is_network(problem, grid.inner):
        return False
    groups = len(commodities(problem))
    return many or groups == 1 or groups * len(grid.inner.contact) > LARGEST


def _judged(
    problem: PassProblem, answer: Answer, options: SolveOptions, spent: float
) -> SolveResult[PassSchedule]:
    """Judge what a road found, independently of it."""
    began = time.perf_counter()
    schedule = PassSchedule(problem, answer.moves, answer.cut)
    wrong = schedule.violations()
    objective = schedule.objective
    sign = 1 if problem.objective == "completion" else -1
    better = sign * (answer.bound - objective) / max(abs(objective), 1e-9)
    reason, message = Reason.FEASIBLE, answer.message
    if answer.infeasible:
        reason = Reason.INFEASIBLE
    elif wrong:
        reason, message = Reason.ERROR, f"the schedule breaks a rule: {wrong[0]}"
    elif better > 1e-6:
        reason = Reason.ERROR
        message = f"the bound {answer.bound:.9g} is worse than the schedule's {objective:.9g}"
    elif abs(better) <= max(options.relative_gap, 1e-9):
        reason = Reason.OPTIMAL
    return SolveResult(
        None if wrong else schedule,
        reason,
        objective,
        answer.bound,
        answer.limit,
        0.0,
        spent,
        time.perf_counter() - began,
        answer.backend,
        answer.method,
        message,
    )
