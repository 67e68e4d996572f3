"""A schedule of tracks and what it is worth: recomputed from the problem's data alone."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

from .. import checks
from .problem import TOLERANCE_S, Resource, TrackProblem, resource_of


@dataclass(frozen=True, slots=True)
class Track:
    """A request on a resource from start to end (set-up and tear-down lie outside).

    Parameters
    ----------
    request : str
    resource : tuple of str
        One antenna, or the antennas of an array (kept sorted).
    start_s, end_s : float
    """

    request: str
    resource: Resource
    start_s: float
    end_s: float

    def __post_init__(self) -> None:
        checks.text("Track.request", self.request)
        where = f"Track[{self.request!r}]"
        object.__setattr__(self, "resource", resource_of(f"{where}.resource", self.resource))
        for name in ("start_s", "end_s"):
            checks.real(f"{where}.{name}", getattr(self, name), low=-math.inf)

    @property
    def duration_s(self) -> float:
        """Seconds from start to end."""
        return self.end_s - self.start_s


@dataclass(frozen=True, slots=True, eq=False)
class TrackSchedule:
    """Which antennas track what, and when.

    The scores are those of SatNet (Goh et al., *SatNet: A benchmark for satellite scheduling
    optimization*, ML4OR at AAAI 2022): hours of a request count up to what it asks for; the unmet
    fraction of a mission is what its requests lack over what they ask for.

    Parameters
    ----------
    problem : TrackProblem
    tracks : sequence of Track

    Raises
    ------
    InputError
        If a track names an unknown request.
    """

    problem: TrackProblem
    tracks: Sequence[Track]
    _cache: dict[str, Any] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        listed = tuple(self.tracks)
        for k, track in enumerate(listed):
            if not isinstance(track, Track):
                checks.fail(f"TrackSchedule.tracks[{k}]", track, "a Track")
            self.problem.request(track.request)
        ordered = sorted(listed, key=lambda t: (t.start_s, t.resource, t.request, t.end_s))
        object.__setattr__(self, "tracks", tuple(ordered))

    # -- what it is worth ---------------------------------------------------------------------
    @property
    def allocated_s(self) -> dict[str, float]:
        """Seconds tracked of each request, at most what it asks for."""
        if "allocated" not in self._cache:
            parts: dict[str, list[float]] = {row.name: [] for row in self.problem.requests}
            for track in self.tracks:
                parts[track.request].append(track.duration_s)
            self._cache["allocated"] = {
                row.name: min(math.fsum(parts[row.name]), row.duration_s)
                for row in self.problem.requests
            }
        found: dict[str, float] = self._cache["allocated"]
        return found

    @property
    def hours(self) -> float:
        """Hours tracked, of each request at most what it asks for; an array counts once."""
        return math.fsum(self.allocated_s.values()) / 3600

    @property
    def antenna_hours(self) -> float:
        """Hours of tracks times antennas, uncapped: the sum over the rows of a SatNet file."""
        return math.fsum(t.duration_s * len(t.resource) for t in self.tracks) / 3600

    @property
    def satisfied(self) -> int:
        """Requests that get at least their minimum."""
        held = self.allocated_s
        return sum(
            held[row.name] >= row.min_duration_s - TOLERANCE_S for row in self.problem.requests
        )

    @property
    def unmet(self) -> dict[str, float]:
        """Unmet fraction of each mission, U_m."""
        held = self.allocated_s
        asked: dict[str, list[float]] = {name: [] for name in self.problem.missions}
        lacking: dict[str, list[float]] = {name: [] for name in self.problem.missions}
        for row in self.problem.requests:
            asked[row.mission].append(row.duration_s)
            lacking[row.mission].append(row.duration_s - held[row.name])
        return {name: math.fsum(lacking[name]) / math.fsum(asked[name]) for name in asked}

    @property
    def u_rms(self) -> float:
        """Root mean square of the missions' unmet fractions; 0 without missions."""
        values = self.unmet.values()
        return math.sqrt(math.fsum(u * u for u in values) / len(values)) if values else 0.0

    @property
    def u_max(self) -> float:
        """Largest unmet fraction of a mission; 0 without missions."""
        return max(self.unmet.values(), default=0.0)

    @property
    def objective(self) -> float:
        """Value of the problem's objective: hours, a count of requests, or `u_rms`."""
        values = {"hours": self.hours, "satisfied": float(self.satisfied), "fairness": self.u_rms}
        return values[self.problem.objective]

    # -- what it breaks -----------------------------------------------------------------------
    def violations(self) -> tuple[str, ...]:
        """Every rule that this schedule breaks, in words; empty when it is feasible."""
        return (
            *self._lone_tracks(),
            *self._exclusive_antennas(),
            *self._one_at_a_time(),
            *self._splits(),
        )

    def _lone_tracks(self) -> Iterator[str]:
        """View period and length of each track."""
        for track in self.tracks:
            request = self.problem.request(track.request)
            shortest = self.problem.shortest_s(request)
            if track.duration_s < shortest - TOLERANCE_S:
                yield f"{_told(track)} lasts {track.duration_s:g} s of at least {shortest:g} s"
            if track.resource not in request.views:
                yield f"{_told(track)}: the request does not allow that resource"
            elif not any(
                view.start_s <= track.start_s + TOLERANCE_S
                and track.end_s <= view.end_s + TOLERANCE_S
                for view in request.views[track.resource]
            ):
                yield f"{_told(track)} lies inside no view period"

    def _exclusive_antennas(self) -> Iterator[str]:
        """Set-up to tear-down alone on the antenna, and clear of maintenance."""
        busy: dict[str, list[tuple[float, float, str]]] = {}
        for track in self.tracks:
            request = self.problem.request(track.request)
            start, end = track.start_s - request.setup_s, track.end_s + request.teardown_s
            for antenna in track.resource:
                busy.setdefault(antenna, []).append((start, end, _told(track)))
        for antenna, rows in busy.items():
            yield from _overlaps(rows, f"on {antenna}")
            for down in self.problem.maintenance:
                if down.antenna != antenna:
                    continue
                for start, end, told in rows:
                    if _share(start, end, down.start_s, down.end_s):
                        yield f"{told} overlaps maintenance of {antenna} at {down.start_s:.12g} s"

    def _one_at_a_time(self) -> Iterator[str]:
        """No simultaneous tracks of one mission."""
        rows: dict[str, list[tuple[float, float, str]]] = {}
        for track in self.tracks:
            mission = self.problem.request(track.request).mission
            rows.setdefault(mission, []).append((track.start_s, track.end_s, _told(track)))
        for mission, listed in rows.items():
            yield from _overlaps(listed, f"of mission {mission}")

    def _splits(self) -> Iterator[str]:
        """One track of a request that may not be split."""
        count: dict[str, int] = {}
        for track in self.tracks:
            count[track.request] = count.get(track.request, 0) + 1
        for name, tracks in count.items():
            if tracks > 1 and not self.problem.may_split(self.problem.request(name)):
                yield f"request {name} has {tracks} tracks and may not be split"

    # -- showing ------------------------------------------------------------------------------
    def to_dict(self) -> dict[str, Any]:
        """Plain data: scores, tracks, what each mission lacks."""
        return {
            "problem": self.problem.name,
            "objective": self.problem.objective,
            "value": self.objective,
            "hours": self.hours,
            "requested_hours": self.problem.requested_hours,
            "antenna_hours": self.antenna_hours,
            "satisfied": self.satisfied,
            "requests": len(self.problem.requests),
            "u_rms": self.u_rms,
            "u_max": self.u_max,
            "unmet": self.unmet,
            "violations": list(self.violations()),
            "tracks": [
                {
                    "request": track.request,
                    "mission": self.problem.request(track.request).mission,
                    "resource": list(track.resource),
                    "start_s": track.start_s,
                    "end_s": track.end_s,
                }
                for track in self.tracks
            ],
        }

    def _repr_html_(self) -> str:
        held: dict[str, list[Track]] = {name: [] for name in self.problem.missions}
        for track in self.tracks:
            held[self.problem.request(track.request).mission].append(track)
        rows = "".join(
            f"<tr><td>{escape(name)}</td><td>{len(held[name])}</td>"
            f"<td>{math.fsum(t.duration_s for t in held[name]) / 3600:.2f}</td>"
            f"<td>{lack:.3f}</td></tr>"
            for name, lack in self.unmet.items()
        )
        total = f"{self.hours:.2f} of {self.problem.requested_hours:.2f} h"
        counts = f"{self.satisfied} of {len(self.problem.requests)} requests satisfied"
        return (
            f"<table><caption>{escape(self.problem.name)}: {total}, {counts}, U_RMS "
            f"{self.u_rms:.3f}</caption><tr><th>mission</th><th>tracks</th><th>hours</th>"
            f"<th>unmet</th></tr>{rows}</table>"
        )


def _told(track: Track) -> str:
    return f"track of {track.request} on {'+'.join(track.resource)} at {track.start_s:.12g} s"


def _share(a: float, b: float, c: float, d: float) -> bool:
    """Whether two intervals share more than a moment."""
    return min(b, d) - max(a, c) > TOLERANCE_S


def _overlaps(rows: list[tuple[float, float, str]], where: str) -> Iterator[str]:
    """Neighbours in time that share more than a moment, however long the first lasts."""
    latest: tuple[float, float, str] | None = None
    for row in sorted(rows):
        if latest is not None and _share(latest[0], latest[1], row[0], row[1]):
            yield f"{latest[2]} and {row[2]} overlap {where}"
        if latest is None or row[1] > latest[1]:
            latest = row
