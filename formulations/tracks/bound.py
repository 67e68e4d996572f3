"""What no schedule can exceed: antenna time in coarse buckets, as a linear programme.

Sets        requests r, missions m, antennas n, pairs p = (r, resource), buckets b of time
Parameters  d_r, l_r, s_r   asked duration, minimum, shortest track; o_r = set-up + tear-down
            L_p             longest track: at most d_r and the longest view period of the pair
            V_pb, E_pb      time of the bucket in a view period, and in one stretched by set-up
                            and tear-down, both clear of the pair's maintenance
            F_nb            time of the bucket that the antenna is not in maintenance
Variables   w_pb, z_pb      time tracked, and time taken from set-up to tear-down
            y_p             number of tracks;  h_r time that counts;  t_r in [0, 1] satisfied
            u_m             unmet fraction;  q_m its square, from below
Objective   hours: max sum_r h_r;  satisfied: max sum_r t_r;  fairness: min sum_m q_m / M
Constraints w_pb <= z_pb,  w_pb <= V_pb,  z_pb <= E_pb
            sum_{p on n} z_pb <= F_nb                    an antenna serves one track at a time
            sum_{p of m} w_pb <= length of b             a mission has no simultaneous tracks
            s_r y_p <= sum_b w_pb <= L_p y_p,  sum_b z_pb >= sum_b w_pb + o_r y_p
            sum_p y_p <= 1 for requests that may not be split
            h_r <= d_r,  h_r <= sum_p sum_b w_pb,  l_r t_r <= h_r,  t_r <= sum_p y_p
            u_m = 1 - sum_{r of m} h_r / sum_{r of m} d_r,  q_m >= 2 a u_m - a^2 for a on a grid

Every schedule gives a point of this programme (tracks longer than d_r count as cut to it), so its
optimum bounds all schedules; buckets, fractions of tracks and tangents make it a relaxation.
Source: the time-expanded relaxation of machine scheduling (Dyer and Wolsey, *Formulating the single
machine sequencing problem with release dates as a mixed integer program*, 1990), aggregated.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..linear import LinearModel, ModelBuilder
from .problem import TrackProblem, TrackRequest, ViewPeriod

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

#: Points at which the square of an unmet fraction is replaced by its tangent.
TANGENTS = np.linspace(0.0, 1.0, 41)


def build(problem: TrackProblem, buckets: int = 84) -> LinearModel:
    """State the relaxation (times in hours, a minimisation) with that many buckets of time.

    Parameters
    ----------
    problem : TrackProblem
    buckets : int
        More are tighter and take longer: columns are about twice the buckets in view of all pairs.

    Returns
    -------
    LinearModel
        `read` turns its optimum, or any lower bound of it, into a bound of the objective.
    """
    grid = _Grid.of(problem, buckets)
    builder = ModelBuilder()
    requests, missions = problem.requests, problem.missions
    mission_of = np.array([missions.index(row.mission) for row in requests], dtype=np.int64)
    asked = np.array([row.duration_s for row in requests]) / 3600
    least = np.array([row.min_duration_s for row in requests]) / 3600
    h = builder.variables("counted", len(requests), upper=asked)
    t = builder.variables("satisfied", len(requests), upper=1.0)
    y = builder.variables("tracks", len(grid.request))
    w = builder.variables("tracked", len(grid.pair), upper=grid.seen)
    z = builder.variables("taken", len(grid.pair), upper=grid.reach)

    inside = builder.constraints("inside", len(w), upper=0.0)
    builder.add(inside, w, 1.0)
    builder.add(inside, z, -1.0)
    antenna = builder.constraints("antenna", grid.free.shape, upper=grid.free)
    of_antenna, column = grid.taken_by()
    builder.add(antenna[of_antenna, grid.bucket[column]], z[column], 1.0)
    alone = builder.constraints("mission", (len(missions), buckets), upper=grid.length)
    builder.add(alone[mission_of[grid.request[grid.pair]], grid.bucket], w, 1.0)

    pairs = len(grid.request)
    short = builder.constraints("shortest", pairs, lower=0.0)
    builder.add(short[grid.pair], w, 1.0)
    builder.add(short, y, -np.array([problem.shortest_s(r) for r in requests])[grid.request] / 3600)
    long = builder.constraints("longest", pairs, upper=0.0)
    builder.add(long[grid.pair], w, 1.0)
    builder.add(long, y, -grid.longest)
    whole = builder.constraints("overhead", pairs, lower=0.0)
    builder.add(whole[grid.pair], z, 1.0)
    builder.add(whole[grid.pair], w, -1.0)
    overhead = np.array([row.setup_s + row.teardown_s for row in requests]) / 3600
    builder.add(whole, y, -overhead[grid.request])
    splits = np.array([problem.may_split(row) for row in requests])
    number = builder.constraints("number", len(requests), upper=np.where(splits, np.inf, 1.0))
    builder.add(number[grid.request], y, 1.0)

    counted = builder.constraints("count", len(requests), upper=0.0)
    builder.add(counted, h, 1.0)
    builder.add(counted[grid.request[grid.pair]], w, -1.0)
    enough = builder.constraints("minimum", len(requests), upper=0.0)
    builder.add(enough, t, least)
    builder.add(enough, h, -1.0)
    some = builder.constraints("some", len(requests), upper=0.0)
    builder.add(some, t, 1.0)
    builder.add(some[grid.request], y, -1.0)

    if problem.objective == "hours":
        builder.minimise(h, -1.0)
    elif problem.objective == "satisfied":
        builder.minimise(t, -1.0)
    elif missions:
        of_mission = np.bincount(mission_of, asked, len(missions))
        u = builder.variables("unmet", len(missions), upper=1.0)
        q = builder.variables("squared", len(missions))
        share = builder.constraints("share", len(missions), lower=1.0, upper=1.0)
        builder.add(share, u, 1.0)
        builder.add(share[mission_of], h, 1.0 / of_mission[mission_of])
        tangent = builder.constraints(
            "tangent", (len(missions), len(TANGENTS)), lower=-(TANGENTS**2)
        )
        builder.add(tangent, q[:, None], 1.0)
        builder.add(tangent, u[:, None], -2.0 * TANGENTS)
        builder.minimise(q, 1.0 / len(missions))
    return builder.build()


def read(problem: TrackProblem, value: float) -> float:
    """The bound of the problem's objective that a lower bound of the programme's optimum gives."""
    if problem.objective == "fairness":
        return math.sqrt(max(value, 0.0))
    if problem.objective == "satisfied":
        return float(min(len(problem.requests), math.floor(-value + 1e-6)))
    return min(problem.requested_hours, -value)


def simple_bound(problem: TrackProblem) -> float:
    """A bound without solving anything: what each request could get if it were alone."""
    most = [_most_s(problem, row) for row in problem.requests]
    if problem.objective == "hours":
        return math.fsum(most) / 3600
    if problem.objective == "satisfied":
        pairs = zip(most, problem.requests, strict=True)
        return float(sum(seconds >= row.min_duration_s for seconds, row in pairs))
    missions = problem.missions
    if not missions:
        return 0.0
    of = np.array([missions.index(row.mission) for row in problem.requests])
    asked = np.bincount(of, [row.duration_s for row in problem.requests])
    return float(np.sqrt(np.mean((1.0 - np.bincount(of, most) / asked) ** 2)))


def _most_s(problem: TrackProblem, request: TrackRequest) -> float:
    """Seconds that a request could get at most, by its view periods one by one."""
    lengths = [view.end_s - view.start_s for rows in request.views.values() for view in rows]
    longest = max(lengths, default=0.0)
    if longest < problem.shortest_s(request):
        return 0.0
    return request.duration_s if problem.may_split(request) else min(longest, request.duration_s)


@dataclass(frozen=True, slots=True)
class _Grid:
    """Pairs and their buckets in view, as flat arrays; times in hours."""

    request: NDArray[np.int64]  #: (P,) of each pair
    longest: Floats  #: (P,)
    pair: NDArray[np.int64]  #: (C,) of each column
    bucket: NDArray[np.int64]
    seen: Floats
    reach: Floats
    free: Floats  #: (antennas, buckets)
    length: float
    pair_antennas: tuple[tuple[int, ...], ...]

    @classmethod
    def of(cls, problem: TrackProblem, buckets: int) -> _Grid:
        low, high = _horizon(problem.requests)
        edges = np.linspace(low, high, buckets + 1)
        number = {name: k for k, name in enumerate(problem.antennas)}
        down: list[list[tuple[float, float]]] = [[] for _ in number]
        for shut in problem.maintenance:
            if shut.antenna in number:
                down[number[shut.antenna]].append((shut.start_s, shut.end_s))
        request: list[int] = []
        longest: list[float] = []
        antennas: list[tuple[int, ...]] = []
        pair: list[NDArray[np.int64]] = []
        bucket: list[NDArray[np.int64]] = []
        seen: list[Floats] = []
        reach: list[Floats] = []
        for r, row in enumerate(problem.requests):
            shortest = problem.shortest_s(row)
            for resource, views in row.views.items():
                fit = [v for v in views if v.end_s - v.start_s >= shortest]
                if not fit:
                    continue
                members = tuple(number[name] for name in resource)
                closed = [span for n in members for span in down[n]]
                view = _covered(((v.start_s, v.end_s) for v in fit), closed, edges)
                around = ((v.start_s - row.setup_s, v.end_s + row.teardown_s) for v in fit)
                wide = _covered(around, closed, edges)
                columns = np.flatnonzero(wide > 0)
                pair.append(np.full(len(columns), len(request)))
                bucket.append(columns)
                seen.append(view[columns])
                reach.append(wide[columns])
                request.append(r)
                antennas.append(members)
                longest.append(min(row.duration_s, max(v.end_s - v.start_s for v in fit)) / 3600)
        length = (high - low) / buckets / 3600
        free = np.array([_covered([(low, high)], rows, edges) for rows in down])
        return cls(
            np.array(request, dtype=np.int64),
            np.array(longest, dtype=np.float64),
            np.concatenate([np.zeros(0, dtype=np.int64), *pair]),
            np.concatenate([np.zeros(0, dtype=np.int64), *bucket]),
            np.concatenate([np.zeros(0), *seen]),
            np.concatenate([np.zeros(0), *reach]),
            free.reshape(len(down), buckets),
            length,
            tuple(antennas),
        )

    def taken_by(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Antenna and column of every coefficient of the antenna rows."""
        sizes = np.array([len(row) for row in self.pair_antennas], dtype=np.int64)
        first = np.concatenate([[0], np.cumsum(sizes)])
        flat = np.array([n for row in self.pair_antennas for n in row], dtype=np.int64)
        column = np.repeat(np.arange(len(self.pair)), sizes[self.pair])
        started = np.cumsum(sizes[self.pair]) - sizes[self.pair]
        within = np.arange(len(column)) - np.repeat(started, sizes[self.pair])
        return flat[first[self.pair[column]] + within], column


def _horizon(requests: Sequence[TrackRequest]) -> tuple[float, float]:
    """From the first set-up to the last tear-down that can be."""
    views: list[tuple[TrackRequest, ViewPeriod]] = [
        (row, view) for row in requests for rows in row.views.values() for view in rows
    ]
    low = min((view.start_s - row.setup_s for row, view in views), default=0.0)
    high = max((view.end_s + row.teardown_s for row, view in views), default=1.0)
    return low, high


def _covered(
    spans: Iterable[tuple[float, float]], closed: Iterable[tuple[float, float]], edges: Floats
) -> Floats:
    """Hours of each bucket in the union of `spans` and outside that of `closed`."""
    opened, shut = list(spans), list(closed)
    cuts = np.unique([*edges, *(x for span in (*opened, *shut) for x in span)])
    cuts = cuts[(cuts >= edges[0]) & (cuts <= edges[-1])]
    middle = (cuts[1:] + cuts[:-1]) / 2
    good = np.zeros(len(middle), dtype=bool)
    for low, high in opened:
        good |= (low < middle) & (middle < high)
    for low, high in shut:
        good &= ~((low < middle) & (middle < high))
    bucket = np.searchsorted(edges, middle, side="right") - 1
    return np.bincount(bucket, np.diff(cuts) * good, len(edges) - 1) / 3600
