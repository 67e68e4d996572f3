"""The road of exclusive antennas: a search for who is served when, then the best flow within it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from ..formulations.partition.outcome import Watch
from ..formulations.passes import PassProblem, PassSchedule, Transfers
from ..formulations.passes.exclusive import Choice, Intervals, choose, restrict
from .exclusive_cp import choose_on_grid
from .options import SolveOptions
from .pass_answer import Answer
from .result import Limit

#: Weight of a byte of a class of priority over one of the next.
_CLASS_WEIGHT = 100.0


def exclusive(
    problem: PassProblem,
    options: SolveOptions,
    watch: Watch,
    answer: Callable[[PassProblem, SolveOptions, Watch], Answer],
) -> Answer:
    """Solve a problem whose antennas serve one contact at a time.

    The plan with shared antennas bounds it; a search chooses the intervals in which each antenna
    serves a contact; what flows within them is planned like any other problem. With the backend
    ``cp-sat`` (volume only) half of the time goes to CP-SAT on a grid of seconds, from what the
    search found.
    """
    began = time.perf_counter()
    loose = [replace(row, splittable=True) for row in problem.demands]
    shared = problem.replace(setup_s=0.0, teardown_s=0.0, demands=loose)
    silent = Watch(options.time_limit_s, options.relative_gap)
    bound = answer(shared, replace(options, method=None, backend=None), silent)
    if bound.limit is Limit.INTERRUPT:  # nothing is chosen yet
        return replace(bound, moves=Transfers.empty())
    rank = np.array([row.priority for row in problem.demands])
    worth = _CLASS_WEIGHT ** (rank.max() - rank) if problem.objective == "priority" else None
    repairs = options.backend == "cp-sat" and problem.objective == "volume"

    def spent(share: float) -> bool:
        return time.perf_counter() - began > options.time_limit_s * share

    def better(value: float, most: float) -> None:
        if problem.objective == "volume":  # else worths are no bytes
            watch.state(objective=value, bound=min(bound.bound, most))

    def searched(given: PassProblem, share: float) -> Choice:
        return choose(
            given,
            fractional=bound.moves,
            worth=worth,
            seed=options.seed,
            iterations=2**62 if math.isfinite(options.time_limit_s) else 2_000_000,
            expired=lambda: spent(share),
            on_better=better,
        )

    def flown(intervals: Intervals) -> tuple[float, Transfers, str]:
        """The best flow while antennas serve these contacts: its worth, transfers and solver."""
        easy = restrict(problem, intervals)
        inner = answer(easy.problem, replace(options, method=None, backend=None), silent)
        moves = easy.back(inner.moves)
        delivered = PassSchedule(problem, moves).delivered
        return float(delivered.sum() if worth is None else worth @ delivered), moves, inner.backend

    share = 0.45 if repairs else 0.9
    quiet = _unlinked(problem)
    first = None if quiet is None else searched(quiet, share / 3)
    plans = [] if first is None else [flown(first.intervals)]
    if first is not None and first.interrupted:
        chosen = first
    else:
        chosen = searched(problem, share)
        intervals = chosen.intervals
        if repairs and not chosen.interrupted and chosen.worth < chosen.bound * (1 - 1e-9):
            grid = choose_on_grid(
                problem,
                start=intervals,
                fractional=bound.moves,
                time_limit_s=max(options.time_limit_s - (time.perf_counter() - began), 0.1),
                threads=options.threads,
                seed=options.seed,
            )
            if grid.intervals is not None and grid.volume_bytes > chosen.worth:
                intervals = grid.intervals
        plans.append(flown(intervals))
    _, moves, backend = max(plans, key=lambda plan: plan[0])
    limit = Limit.INTERRUPT if chosen.interrupted else Limit.TIME if spent(share) else None
    text = f"antennas chosen in {chosen.iterations:,} steps; the bound shares antennas by time"
    best = bound.bound
    if problem.objective == "volume" and chosen is not first and math.isfinite(chosen.bound):
        best = min(best, chosen.bound)
    delivered = PassSchedule(problem, moves).delivered.sum()
    asked = sum(row.volume_bytes for row in problem.demands)
    if problem.objective == "completion" and delivered < asked * (1 - 1e-6):
        text = f"{(asked - delivered) / 1e9:.6g} GB are not delivered; {text}"
    return Answer(moves, best, bound.cut, backend, text, False, "search over antennas", limit)


def _unlinked(problem: PassProblem) -> PassProblem | None:
    """The problem without inter-satellite links, None if it has none; contacts keep their places.

    The search takes linked satellites for one store. Where these are small, or the links slow, it
    chooses better as if there were no links; the flow uses them all the same.
    """
    rows = problem.plan.arrays
    links = ~problem.uses_antenna & (rows["rate_bps"] > 0)
    if not links.any():
        return None
    arrays = {**rows, "rate_bps": np.where(links, 0.0, rows["rate_bps"])}
    return problem.replace(plan=replace(problem.plan, arrays=arrays))
