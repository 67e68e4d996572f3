"""The road of exclusive antennas: a search for who is served when, then the best flow within it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from ..formulations.partition.outcome import Watch
from ..formulations.passes import PassProblem, PassSchedule, Transfers
from ..formulations.passes.exclusive import choose, restrict
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
    most = options.time_limit_s - (time.perf_counter() - began)

    repairs = options.backend == "cp-sat" and problem.objective == "volume"

    def expired() -> bool:
        share = 0.45 if repairs else 0.9
        return time.perf_counter() - began > options.time_limit_s * share

    def better(value: float, most: float) -> None:
        if problem.objective == "volume":  # else worths are no bytes
            watch.state(objective=value, bound=min(bound.bound, most))

    chosen = choose(
        problem,
        fractional=bound.moves,
        worth=worth,
        seed=options.seed,
        iterations=2**62 if math.isfinite(most) else 2_000_000,
        expired=expired,
        on_better=better,
    )
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
    easy = restrict(problem, intervals)
    inner = answer(easy.problem, replace(options, method=None, backend=None), silent)
    moves = easy.back(inner.moves)
    limit = Limit.INTERRUPT if chosen.interrupted else Limit.TIME if expired() else None
    text = f"antennas chosen in {chosen.iterations:,} steps; the bound shares antennas by time"
    best = bound.bound
    if problem.objective == "volume" and math.isfinite(chosen.bound):
        best = min(best, chosen.bound)
    delivered = PassSchedule(problem, moves).delivered.sum()
    asked = sum(row.volume_bytes for row in problem.demands)
    if problem.objective == "completion" and delivered < asked * (1 - 1e-6):
        text = f"{(asked - delivered) / 1e9:.6g} GB are not delivered; {text}"
    return Answer(moves, best, bound.cut, inner.backend, text, False, "search over antennas", limit)
