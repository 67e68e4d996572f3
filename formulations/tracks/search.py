"""Ruin and recreate: tracks around a place and time come out, others go in, better or not.

A request that lacks time is drawn, and the tracks on an antenna or two that it could use come out
for a while around one of its view periods; they and all that see the freed time are put back in a
random order, each where it is longest and fits tightest, and what stands beside free time is
lengthened. Worse schedules are accepted as in annealing; the best by the problem's objective (then
by the energy: weighted hours, satisfied requests and squared unmet fractions) is kept.
Sources: Schrimpf, Schneider, Stamm-Wilbrandt, Dueck, *Record breaking optimization results using
the ruin and recreate principle*, 2000; Christiaens, Vanden Berghe, *Slack induction by string
removals*, 2020 (strings of neighbours, insertion with noise).
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from .problem import OBJECTIVES, Resource, TrackProblem
from .search_kernel import Scratch, anneal
from .solution import Track, TrackSchedule
from .state_kernel import State, TrackArrays

if TYPE_CHECKING:
    from collections.abc import Callable

#: Of a mean request's time, a satisfied request, and a mission's squared unmet fraction.
WEIGHTS = {
    "hours": (1.0, 0.02, 1.2),
    "satisfied": (0.05, 2.0, 0.03),
    "fairness": (0.05, 0.01, 20.0),
}
#: Loss of energy that is accepted with probability 1/e, at the start and at the end.
HOT, COLD = 0.2, 0.01
#: Iterations for each request after which a search ends by itself.
PATIENCE = 30_000
#: Iterations between two looks at the clock.
CHUNK = 2_000


@dataclass(slots=True)
class TrackSearch:
    """One search, which can be looked at while it runs.

    Parameters
    ----------
    problem : TrackProblem
    seed : int
        With the same number of `iterations` and no time limit, the same seed gives the same
        schedule.
    """

    problem: TrackProblem
    seed: int = 0
    iterations: int = 0  #: done so far
    _rng: np.random.Generator = field(init=False, repr=False)
    _arrays: TrackArrays = field(init=False, repr=False)
    _state: State = field(init=False, repr=False)
    _scratch: Scratch = field(init=False, repr=False)
    _resources: tuple[Resource, ...] = field(init=False, repr=False)
    _origin_s: float = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._rng = np.random.default_rng(self.seed)
        self._origin_s = min(
            (
                v.start_s
                for row in self.problem.requests
                for rows in row.views.values()
                for v in rows
            ),
            default=0.0,
        )
        keys = [key for row in self.problem.requests for key in row.views]
        self._resources = tuple(dict.fromkeys(keys))
        self._arrays = _arrays(self.problem, self._resources, self._origin_s)
        self._state = _state(self.problem, self._arrays, self._origin_s)
        self._scratch = _scratch(self._arrays, self._state)

    def run(
        self,
        *,
        time_limit_s: float = math.inf,
        iterations: int | None = None,
        enough: Callable[[TrackSearch], bool] | None = None,
    ) -> TrackSchedule:
        """Search until a limit and return the best schedule.

        Parameters
        ----------
        time_limit_s : float
            Wall-clock seconds.
        iterations : int, optional
            `PATIENCE` for each request unless given.
        enough : callable, optional
            Called now and then with this search; ends it by returning True.

        Returns
        -------
        TrackSchedule
            Ctrl-C passes through; `best` then still gives the best so far.
        """
        if not len(self._arrays.view_low):
            return self.best  # no request has a view period that holds a track
        limit = PATIENCE * len(self.problem.requests) if iterations is None else iterations
        began, first = time.perf_counter(), self.iterations
        stop = first + limit
        while self.iterations < stop:
            spent = (time.perf_counter() - began) / max(time_limit_s, 1e-9)
            if spent >= 1.0 or (enough is not None and enough(self)):
                break
            passed = max(spent, (self.iterations - first) / limit)
            heat = HOT * (COLD / HOT) ** passed
            some = min(CHUNK, stop - self.iterations)
            anneal(self._arrays, self._state, self._scratch, self._rng, some, heat)
            self.iterations += some
        return self.best

    @property
    def value(self) -> float:
        """Objective of the best schedule so far, by the search's own count."""
        goal = float(self._scratch.best[0])
        if self.problem.objective == "fairness":
            return math.sqrt(-goal / max(1, len(self.problem.missions)))
        return goal / 3600 if self.problem.objective == "hours" else goal

    @property
    def best(self) -> TrackSchedule:
        """The best schedule so far."""
        c, origin = self._scratch, self._origin_s
        tracks = []
        for slot in np.flatnonzero(c.best_request >= 0).tolist():
            request = self.problem.requests[c.best_request[slot]]
            resource = self._resources[self._arrays.view_resource[c.best_view[slot]]]
            start, end = float(c.best_start[slot]) + origin, float(c.best_end[slot]) + origin
            tracks.append(Track(request.name, resource, start, end))
        return TrackSchedule(self.problem, tracks)


def _arrays(problem: TrackProblem, resources: tuple[Resource, ...], origin_s: float) -> TrackArrays:
    requests, missions = problem.requests, problem.missions
    resource = {key: k for k, key in enumerate(resources)}
    antenna = {name: k for k, name in enumerate(problem.antennas)}
    views = [
        (r, resource[key], view.start_s - origin_s, view.end_s - origin_s)
        for r, row in enumerate(requests)
        for key, rows in row.views.items()
        for view in rows
        if view.end_s - view.start_s >= problem.shortest_s(row)
    ]
    table = np.array(views, dtype=np.float64).reshape(-1, 4)
    of_view = table[:, 0].astype(np.int64)
    need = np.array([row.duration_s for row in requests], dtype=np.float64)
    mission = np.array([missions.index(row.mission) for row in requests], dtype=np.int64)
    return TrackArrays(
        need=need,
        least=np.array([row.min_duration_s for row in requests], dtype=np.float64),
        shortest=np.array([problem.shortest_s(row) for row in requests], dtype=np.float64),
        splits=np.array([problem.may_split(row) for row in requests], dtype=np.bool_),
        setup=np.array([row.setup_s for row in requests], dtype=np.float64),
        teardown=np.array([row.teardown_s for row in requests], dtype=np.float64),
        mission=mission,
        view_at=np.searchsorted(of_view, np.arange(len(requests) + 1)).astype(np.int64),
        view_request=of_view,
        view_resource=table[:, 1].astype(np.int64),
        view_low=table[:, 2].copy(),
        view_high=table[:, 3].copy(),
        antenna_at=np.cumsum([0, *(len(key) for key in resources)], dtype=np.int64),
        antenna=np.array([antenna[name] for key in resources for name in key], dtype=np.int64),
        asked=np.bincount(mission, need, len(missions)).astype(np.float64),
        mean_s=float(need.mean()) if len(need) else 1.0,
        goal=OBJECTIVES.index(problem.objective),
        weights=np.array(WEIGHTS[problem.objective]),
    )


def _state(problem: TrackProblem, a: TrackArrays, origin_s: float) -> State:
    slots = int(np.where(a.splits, np.floor(a.need / a.shortest + 1e-9), 1.0).sum()) + 1
    number = {name: k for k, name in enumerate(problem.antennas)}
    down: list[list[tuple[float, float]]] = [[] for _ in number]
    for row in problem.maintenance:
        if row.antenna in number:
            span = (row.start_s - origin_s, row.end_s - origin_s)
            down[number[row.antenna]].append(span)
    width = slots + max(map(len, down), default=0)
    low = np.zeros((len(down), width))
    high = np.zeros((len(down), width))
    for n, spans in enumerate(down):
        for k, (start, end) in enumerate(sorted(spans)):
            low[n, k], high[n, k] = start, end
    # At most, every track is taken, put anew and lengthened once.
    missions, changes = len(a.asked), 8 * slots
    return State(
        request=np.full(slots, -1, dtype=np.int64),
        seen_in=np.zeros(slots, dtype=np.int64),
        start=np.zeros(slots),
        end=np.zeros(slots),
        free=np.arange(slots, dtype=np.int64),
        busy_count=np.array([len(spans) for spans in down], dtype=np.int64),
        busy_low=low,
        busy_high=high,
        busy_slot=np.full(low.shape, -1, dtype=np.int64),
        mission_count=np.zeros(missions, dtype=np.int64),
        mission_slot=np.zeros((missions, slots), dtype=np.int64),
        tracks=np.zeros(len(a.need), dtype=np.int64),
        held=np.zeros(len(a.need)),
        mission_held=np.zeros(missions),
        totals=np.array([slots, 0, 0], dtype=np.int64),
        log_slot=np.zeros(changes, dtype=np.int64),
        log_request=np.zeros(changes, dtype=np.int64),
        log_view=np.zeros(changes, dtype=np.int64),
        log_start=np.zeros(changes),
        log_end=np.zeros(changes),
    )


def _scratch(a: TrackArrays, s: State) -> Scratch:
    slots, requests = len(s.request), len(a.need)
    freed = slots * int(np.diff(a.antenna_at).max(initial=1))
    unfair = float(len(a.asked))  # of the empty schedule, the best so far
    return Scratch(
        low=np.zeros(s.busy_low.size + slots),
        high=np.zeros(s.busy_low.size + slots),
        victims=np.zeros(slots, dtype=np.int64),
        queue=np.zeros(requests, dtype=np.int64),
        rank=np.zeros(requests),
        out=np.zeros(requests, dtype=np.bool_),
        new=np.zeros(slots, dtype=np.int64),
        freed_antenna=np.zeros(freed, dtype=np.int64),
        freed_low=np.zeros(freed),
        freed_high=np.zeros(freed),
        best=np.array([-unfair if a.goal == 2 else 0.0, -a.weights[2] * unfair]),
        best_request=np.full(slots, -1, dtype=np.int64),
        best_view=np.zeros(slots, dtype=np.int64),
        best_start=np.zeros(slots),
        best_end=np.zeros(slots),
    )
