"""Roads for pass problems: maximum flows where the problem is a network, else programmes, a search.

Whatever found a schedule, it is judged in the same way, by the problem's data alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from ..formulations.partition.outcome import Watch
from ..formulations.passes import PassProblem, PassSchedule, Transfers
from ..formulations.passes.flows import commodities
from .options import SolveOptions
from .pass_answer import Answer
from .pass_exclusive import exclusive
from .pass_flows import (
    completion,
    completion_soon,
    is_relayed,
    priority,
    volume,
    volume_alone,
)
from .pass_grid import Grid, grid_of
from .pass_lp import LARGEST, programme
from .pass_whole import no_worse_than_baselines, splits, whole
from .result import Limit, Reason, SolveResult

if TYPE_CHECKING:
    from numpy.typing import NDArray


def solve_passes(problem: PassProblem, options: SolveOptions) -> SolveResult[PassSchedule]:
    """Solve a pass problem; see `orbweave.solve`.

    ``method`` is ``"events"`` (exact in continuous time), ``"slots"`` or ``"slots-60"`` (so many
    seconds); None chooses by size.
    """
    began = time.perf_counter()
    watch = Watch(options.time_limit_s, options.relative_gap, options.on_progress)
    try:
        answer = _answer(problem, options, watch)
    except KeyboardInterrupt:
        answer = _nothing(problem)
    return _judged(problem, answer, options, time.perf_counter() - began)


def _answer(problem: PassProblem, options: SolveOptions, watch: Watch) -> Answer:
    """The road that fits; demands that count only when whole are seen to last."""
    if problem.is_exclusive:
        answer = exclusive(problem, options, watch, _answer)
        counts_bytes = problem.objective != "completion"
        return no_worse_than_baselines(problem, answer) if counts_bytes else answer
    make_grid = cache(lambda: grid_of(problem, options.method))
    answer = _flowing(problem, make_grid, options, watch)
    if not splits(problem, answer.moves):
        return answer
    grid = make_grid()
    return whole(
        problem,
        answer,
        grid,
        options,
        watch,
        is_flow=_is_flow(problem, grid, many=True),
        columns=_columns(problem, grid, commodities(problem)),
    )


def _flowing(
    problem: PassProblem, make_grid: Callable[[], Grid], options: SolveOptions, watch: Watch
) -> Answer:
    """Demands as if they could be split: the strongest road first."""
    if problem.energy is None and options.method is None and is_relayed(problem):
        quick = {"volume": volume_alone, "completion": completion_soon}.get(problem.objective)
        answer = quick(problem, options.relative_gap, watch) if quick else None
        if answer is not None:
            return answer
    grid = make_grid()
    road = {"volume": volume, "priority": priority, "completion": completion}
    if _is_flow(problem, grid):
        found = road[problem.objective](problem, grid, watch)
        return replace(found, method=f"maximum flow over {grid.method}")
    answer = programme(problem, grid, options, watch)
    if not len(answer.moves) and answer.limit is Limit.TIME and _is_flow(problem, grid, many=True):
        # The programme ran out of time: the commodities one after another give a plan.
        found = road[problem.objective](problem, grid)
        return replace(found, method=f"maximum flows over {grid.method}", limit=Limit.TIME)
    return answer


def _nothing(problem: PassProblem) -> Answer:
    """What an interrupt before the first plan leaves: the idle schedule."""
    asked = float(sum(row.volume_bytes for row in problem.demands))
    bound = 0.0 if problem.objective == "completion" else asked
    text = "interrupted before a plan was found"
    return Answer(Transfers.empty(), bound, (), "", text, method="none", limit=Limit.INTERRUPT)


def _is_flow(problem: PassProblem, grid: Grid, *, many: bool = False) -> bool:
    """Whether maximum flows answer: one network, or `many` that are too large for a programme."""
    if problem.energy is not None or not grid.is_network(problem):
        return False
    groups = commodities(problem)
    return many or len(groups) == 1 or _columns(problem, grid, groups) > LARGEST


def _columns(problem: PassProblem, grid: Grid, groups: list[NDArray[np.int64]]) -> int:
    """How many pieces of contacts the commodities have to choose from, all told."""
    pieces = grid.inner.contact
    if is_relayed(problem):
        return len(groups) * len(pieces)
    source = problem.plan.arrays["source"][pieces]
    leaving = np.bincount(source, minlength=len(problem.plan.nodes))
    sources = [{problem.plan.index(problem.demands[k].source) for k in part} for part in groups]
    return int(sum(leaving[list(part)].sum() for part in sources))


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
