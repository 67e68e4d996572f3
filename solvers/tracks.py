"""Track problems: a quick search, bounds, then the search for the rest of the time; judged apart.

`hours` and `satisfied` are made large, so their bound lies above; `fairness` is made small.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace

from ..formulations import checks
from ..formulations.partition.outcome import Watch
from ..formulations.tracks import TrackProblem, TrackSchedule
from ..formulations.tracks.bound import build, read, simple_bound
from ..formulations.tracks.search import TrackSearch
from .backends import solve_model
from .options import SolveOptions
from .partition import BOUND_TOLERANCE, _is_interrupt
from .result import Limit, Reason, SolveResult, own_version

#: The one road; `SolveOptions.method` takes it.
METHOD = "ruin-and-recreate"
#: Buckets of the relaxations, from quick to tight.
BUCKETS = (7, 14, 28, 56, 112)
#: Share of the time limit, and most seconds, that the relaxations may take.
BOUND_SHARE, BOUND_S = 0.2, 30.0
#: Iterations for each request before the first relaxation.
FIRST = 100


def solve_tracks(problem: TrackProblem, options: SolveOptions) -> SolveResult[TrackSchedule]:
    """Solve a track problem; see `orbweave.solve`.

    Parameters
    ----------
    problem : TrackProblem
    options : SolveOptions
        With ``time_limit_s = math.inf`` the search ends by itself, and the same seed gives the same
        schedule; `backend` is the solver of the relaxations.

    Returns
    -------
    SolveResult
        Always with a schedule (an empty one breaks no rule). ``bound`` is an upper bound of hours
        or satisfied requests, and a lower bound of U_RMS.
    """
    if options.method is not None:
        checks.known("SolveOptions.method", options.method, (METHOD,))
    if options.backend == "cp-sat":
        checks.fail("SolveOptions.backend", "cp-sat", "a solver of linear programmes")
    began = time.perf_counter()
    watch = Watch(options.time_limit_s, options.relative_gap, options.on_progress)
    run = _Run(problem, watch, options, TrackSearch(problem, options.seed))
    built = time.perf_counter()
    interrupted = False
    try:
        run.take()
    except (KeyboardInterrupt, SystemError) as error:
        if not _is_interrupt(error):
            raise
        interrupted = True
    solved = time.perf_counter()
    result = run.judge(interrupted=interrupted)
    return replace(
        result,
        build_s=built - began,
        solve_s=solved - built,
        read_s=time.perf_counter() - solved,
    )


@dataclass(slots=True)
class _Run:
    """One solve: the search, and the bound beside it."""

    problem: TrackProblem
    watch: Watch
    options: SolveOptions
    search: TrackSearch
    backend: str = ""

    def take(self) -> None:
        """Search a little, bound, search until a limit or a closed gap."""
        self._bound(simple_bound(self.problem))
        first = FIRST * len(self.problem.requests)
        self.search.run(time_limit_s=self._share(), iterations=first, enough=self._enough)
        if not self._enough(self.search):
            self._relax()
        self.search.run(time_limit_s=self.watch.remaining_s, enough=self._enough)
        self._enough(self.search)

    def _share(self) -> float:
        return min(BOUND_SHARE * self.watch.time_limit_s, BOUND_S)

    def _relax(self) -> None:
        """Solve relaxations, each with more buckets, while their share of the time lasts."""
        until = time.perf_counter() + self._share()
        for buckets in BUCKETS:
            left = min(until - time.perf_counter(), self.watch.remaining_s)
            if left < self._share() / 4:  # the next takes several times as long as the last
                return
            limited = replace(self.options, time_limit_s=left, on_progress=None)
            raw = solve_model(build(self.problem, buckets), limited)
            self.backend = raw.backend
            if raw.limit is Limit.INTERRUPT:
                raise KeyboardInterrupt
            if math.isfinite(raw.bound):
                self._bound(read(self.problem, raw.bound))
            if self._enough(self.search):
                return

    @property
    def _sign(self) -> float:
        """1 where the objective is made small, -1 where it is made large."""
        return 1.0 if self.problem.objective == "fairness" else -1.0

    def _bound(self, value: float) -> None:
        if not math.isfinite(self.watch.bound) or self._sign * (value - self.watch.bound) > 0:
            self.watch.bound = value

    def _enough(self, search: TrackSearch) -> bool:
        """Tell of a better schedule; whether the time is up or the gap is closed."""
        value = search.value
        if value != self.watch.objective:
            self.watch.state(objective=value)
        return self.watch.expired()

    def judge(self, *, interrupted: bool) -> SolveResult[TrackSchedule]:
        """State only what the schedule says of itself, beside the bound."""
        schedule = self.search.best
        objective, bound = schedule.objective, self.watch.bound
        backend = " + ".join(name for name in (own_version(), self.backend) if name)
        ended = f"{self.search.iterations:,} iterations"
        result = SolveResult(
            schedule, Reason.ERROR, objective, bound, None, backend=backend, method=METHOD
        )
        broken = schedule.violations()
        if broken:
            return replace(result, solution=None, message=f"an invalid schedule: {broken[0]}")
        ahead = self._sign * (bound - objective)
        if ahead > BOUND_TOLERANCE * max(abs(objective), 1e-9):
            message = f"bound {bound!r} beyond a feasible objective {objective!r}"
            return replace(result, message=message)
        if ahead > 0 or not math.isfinite(bound):
            result = replace(result, bound=objective if ahead > 0 else bound)
        if result.gap <= self.options.relative_gap:
            return replace(result, reason=Reason.OPTIMAL, message=ended)
        limit = Limit.INTERRUPT if interrupted else None
        if limit is None and self.watch.elapsed_s >= self.watch.time_limit_s:
            limit = Limit.TIME
        return replace(result, reason=Reason.FEASIBLE, limit=limit, message=ended)
