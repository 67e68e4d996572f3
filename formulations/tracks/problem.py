"""The track problem: requests for antenna time, view periods, maintenance, an objective."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from .. import checks

#: hours: most hours tracked, at most what each request asks for. satisfied: most requests that get
#: their minimum. fairness: smallest root mean square of the missions' unmet fractions.
OBJECTIVES = ("hours", "satisfied", "fairness")

#: Of every comparison of times, in seconds: twice what a float holds of a time since 1970.
TOLERANCE_S = 1e-6

#: The antennas that a track takes: one, or all those of an array.
Resource = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ViewPeriod:
    """When a spacecraft can be tracked.

    Parameters
    ----------
    start_s, end_s : float
    """

    start_s: float
    end_s: float

    def __post_init__(self) -> None:
        _interval("ViewPeriod", self.start_s, self.end_s)


@dataclass(frozen=True, slots=True)
class Maintenance:
    """When an antenna cannot be used.

    Parameters
    ----------
    antenna : str
    start_s, end_s : float
    """

    antenna: str
    start_s: float
    end_s: float

    def __post_init__(self) -> None:
        checks.text("Maintenance.antenna", self.antenna)
        _interval(f"Maintenance[{self.antenna!r}]", self.start_s, self.end_s)


@dataclass(frozen=True, slots=True, eq=False)
class TrackRequest:
    """Antenna time that a mission asks for.

    Parameters
    ----------
    name : str
        Unique within the problem.
    mission : str
        Its tracks are never simultaneous; fairness is counted by mission.
    duration_s : float
        What is asked for.
    min_duration_s : float
        What satisfies the request.
    views : mapping of resource to view periods
        An antenna's name, or a tuple of the antennas of an array, to its view periods (or pairs of
        start and end). A request without any is legal: it stays unmet.
    setup_s, teardown_s : float
        Before and after a track, when its antennas are busy too (in view or not).

    Raises
    ------
    InputError
        One clear error naming the request, the field, the value and what was expected.
    """

    name: str
    mission: str
    duration_s: float
    min_duration_s: float
    views: Mapping[Any, Sequence[Any]]
    setup_s: float = 0.0
    teardown_s: float = 0.0

    def __post_init__(self) -> None:
        checks.text("TrackRequest.name", self.name)
        where = f"TrackRequest[{self.name!r}]"
        checks.text(f"{where}.mission", self.mission)
        checks.real(f"{where}.duration_s", self.duration_s, strict=True)
        checks.real(f"{where}.min_duration_s", self.min_duration_s, strict=True)
        if self.min_duration_s > self.duration_s:
            expected = f"at most duration_s = {self.duration_s:g}"
            checks.fail(f"{where}.min_duration_s", self.min_duration_s, expected)
        for name in ("setup_s", "teardown_s"):
            checks.real(f"{where}.{name}", getattr(self, name))
        if not isinstance(self.views, Mapping):
            checks.fail(f"{where}.views", self.views, "a mapping of resources to view periods")
        views: dict[Resource, tuple[ViewPeriod, ...]] = {}
        for key, rows in self.views.items():
            resource = resource_of(f"{where}.views", key)
            if resource in views:
                checks.fail(f"{where}.views", key, "every resource once")
            with checks.within(f"{where}.views[{key!r}]:"):
                views[resource] = _periods(rows)
        object.__setattr__(self, "views", views)


@dataclass(frozen=True, slots=True, eq=False)
class TrackProblem:
    """Give every request antenna time.

    A track lies inside one view period; ``[start - setup, end + teardown]`` is exclusive on every
    antenna of its resource and clear of maintenance (touching is allowed); two tracks of one
    mission are never simultaneous. A request gets one track of at least its minimum; one of
    `split_at_s` or more may be split into tracks of at least `min_split_s` (or of its minimum,
    where that is less), and a part of it counts for the hours even where the sum stays below the
    minimum. What exceeds the asked duration does not count.

    Parameters
    ----------
    requests : sequence of TrackRequest
    maintenance : sequence of Maintenance
    objective : {"hours", "satisfied", "fairness"}
    split_at_s, min_split_s : float
        ``math.inf`` for `split_at_s`: no request may be split.
    name : str

    Raises
    ------
    InputError
        If a name stands twice, an objective is unknown, or another value is bad.
    """

    requests: Sequence[TrackRequest]
    maintenance: Sequence[Maintenance] = ()
    objective: str = "hours"
    split_at_s: float = 8 * 3600.0
    min_split_s: float = 4 * 3600.0
    name: str = "tracks"
    _cache: dict[str, Any] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        for name, kind in (("requests", TrackRequest), ("maintenance", Maintenance)):
            object.__setattr__(self, name, _rows(name, getattr(self, name), kind))
        checks.unique("TrackProblem.requests", [row.name for row in self.requests])
        checks.known("TrackProblem.objective", self.objective, OBJECTIVES)
        checks.real("TrackProblem.split_at_s", self.split_at_s, strict=True, finite=False)
        checks.real("TrackProblem.min_split_s", self.min_split_s, strict=True)
        checks.text("TrackProblem.name", self.name)

    @property
    def missions(self) -> tuple[str, ...]:
        """Names of the missions, in the order of their first requests."""
        return tuple(dict.fromkeys(row.mission for row in self.requests))

    @property
    def antennas(self) -> tuple[str, ...]:
        """Names of the antennas that requests can use, sorted."""
        return tuple(sorted({a for row in self.requests for key in row.views for a in key}))

    @property
    def requested_hours(self) -> float:
        """Sum of all durations."""
        return math.fsum(row.duration_s for row in self.requests) / 3600

    def request(self, name: str) -> TrackRequest:
        """The request of that name."""
        if "requests" not in self._cache:
            self._cache["requests"] = {row.name: row for row in self.requests}
        table: dict[str, TrackRequest] = self._cache["requests"]
        return table[checks.known("request", name, tuple(table))]

    def may_split(self, request: TrackRequest) -> bool:
        """Whether a request may have more than one track."""
        return request.duration_s >= self.split_at_s

    def shortest_s(self, request: TrackRequest) -> float:
        """Shortest track that a request allows."""
        if self.may_split(request):
            return min(request.min_duration_s, self.min_split_s)
        return request.min_duration_s

    def replace(self, **changes: Any) -> TrackProblem:
        """A copy with fields changed, checked again."""
        return replace(self, **changes)


def resource_of(where: str, key: object) -> Resource:
    """The antennas that a key of `TrackRequest.views` names, sorted."""
    if isinstance(key, str):
        return (checks.text(where, key),)
    if not isinstance(key, tuple) or not key:
        checks.fail(where, key, "an antenna or a tuple of antennas")
    names = tuple(sorted(checks.text(where, name) for name in key))
    checks.unique(where, names)
    return names


def _interval(where: str, start_s: object, end_s: object) -> None:
    low = checks.real(f"{where}.start_s", start_s, low=-math.inf)
    high = checks.real(f"{where}.end_s", end_s, low=-math.inf)
    if not low < high:
        checks.fail(f"{where}.end_s", end_s, f"an end after the start, {low:.15g}")


def _periods(rows: object) -> tuple[ViewPeriod, ...]:
    if not isinstance(rows, Iterable) or isinstance(rows, str):
        checks.fail("view periods", rows, "ViewPeriods or pairs of start and end")
    found = []
    for row in rows:
        if not isinstance(row, ViewPeriod):
            if not isinstance(row, Sequence) or isinstance(row, str) or len(row) != 2:
                checks.fail("view period", row, "a ViewPeriod or a pair of start and end")
            row = ViewPeriod(*row)
        found.append(row)
    return tuple(found)


def _rows(name: str, rows: object, kind: type) -> tuple[Any, ...]:
    if not isinstance(rows, Iterable):
        checks.fail(f"TrackProblem.{name}", rows, f"a sequence of {kind.__name__}")
    listed = tuple(rows)
    for k, row in enumerate(listed):
        if not isinstance(row, kind):
            checks.fail(f"TrackProblem.{name}[{k}]", row, f"a {kind.__name__}")
    return listed
