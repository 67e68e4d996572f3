"""Topologies worth routing on: a search over link motifs for the shortest ways between stations.

With a few links per satellite, which neighbours they go to matters more than how paths are chosen.
A motif links every satellite to the one some planes and some places on. All motifs of one or two
such offsets are tried that the terminals can hold; those that leave a shell in pieces are told
apart and never offered.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from itertools import combinations
from typing import Any

from .. import checks
from ..orbits import Constellation
from ..space.topology import IslTopology
from ..stations import GroundStation
from .mesh import Mesh
from .motif_sky import MotifSky, Offset

#: Stations whose paths stand for all in the first look at every motif.
_FIRST_LOOK = 8

#: Share of the work, and of a time limit, that the first look is taken for.
_FIRST_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class MotifScore:
    """A motif and what it is worth.

    Attributes
    ----------
    motif : tuple of (int, int)
        (planes on, places on) of each link, as `IslTopology` takes it.
    mean_stretch, p95_stretch : float
        Mean and 95th percentile, over pairs of stations and instants, of the length of the
        shortest path over the distance along the ground. NaN for a motif in pieces.
    longest_isl_m : float
        Over all instants.
    connected : bool
        Whether links hold every shell together.
    components : int
        Pieces that all satellites of the shells fall into.
    isls : int
        Most links of one satellite.
    """

    motif: tuple[Offset, ...]
    mean_stretch: float
    p95_stretch: float
    longest_isl_m: float
    connected: bool
    components: int
    isls: int


@dataclass(frozen=True, slots=True)
class MotifSearch:
    """Motifs in order of their mean stretch.

    Attributes
    ----------
    ranked : tuple of MotifScore
        Connected ones, measured over all pairs and instants, the best first.
    split : tuple of MotifScore
        Those that leave a shell in pieces, the least long links first; not measured.
    left_out : dict of str to int
        How many connected ones the first look left out (``"first look"``), or the time limit
        (``"time limit"``).
    offsets : int
        How many offsets stand everywhere at all instants.
    pairs : int
        Pairs of stations, times instants at which both see a satellite.
    """

    ranked: tuple[MotifScore, ...]
    split: tuple[MotifScore, ...]
    left_out: dict[str, int]
    offsets: int
    pairs: int

    @property
    def best(self) -> MotifScore | None:
        """The first of `ranked`; None where no motif holds together."""
        return self.ranked[0] if self.ranked else None

    def __repr__(self) -> str:
        best = f"best {self.best.motif} at {self.best.mean_stretch:.3f}" if self.best else "none"
        return f"MotifSearch({len(self.ranked)} ranked, {len(self.split)} split, {best})"

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "ranked": [_plain(row) for row in self.ranked],
            "split": [_plain(row) for row in self.split],
            "left_out": dict(self.left_out),
            "offsets": self.offsets,
            "pairs": self.pairs,
        }

    def _repr_html_(self) -> str:
        heads = "".join(
            f"<th>{name}</th>"
            for name in ("motif", "mean stretch", "95th percentile", "longest ISL (km)", "links")
        )
        rows = "".join(
            f"<tr><td>{_told(row.motif)}</td><td>{row.mean_stretch:.3f}</td>"
            f"<td>{row.p95_stretch:.3f}</td><td>{row.longest_isl_m / 1e3:.0f}</td>"
            f"<td>{row.isls}</td></tr>"
            for row in self.ranked[:20]
        )
        title = (
            f"{len(self.ranked)} motifs, {len(self.split)} more in pieces; {self.offsets} offsets"
        )
        return f"<table><caption>{title}</caption><tr>{heads}</tr>{rows}</table>"


def search_motifs(
    constellation: Constellation,
    stations: Sequence[GroundStation],
    pairs: Sequence[tuple[str, str]] | None = None,
    *,
    start: datetime,
    times: Any = (0.0, 1000.0, 2000.0),
    min_distance_m: float = 1e6,
    max_isls: int = 4,
    max_planes_on: int = 6,
    max_places_on: int = 6,
    max_range_m: float = math.inf,
    max_slew_deg_per_s: float | None = None,
    grazing_altitude_m: float = 80e3,
    finalists: int = 100,
    time_limit_s: float | None = None,
    engine: str = "sgp4",
    on_progress: Callable[[float], object] | None = None,
) -> MotifSearch:
    """Find the motifs of one or two offsets over which paths between stations are shortest.

    Parameters
    ----------
    constellation : Constellation
        With shells; a motif holds within each.
    stations : sequence of GroundStation
        Two or more; satellites above their masks serve them.
    pairs : sequence of (str, str), optional
        Stations between which paths are measured, by name; unless given, all that are at least
        `min_distance_m` apart. A pair counts at the instants at which both see a satellite.
    start : datetime
        Second 0; timezone-aware.
    times : array_like, shape (instants,)
        Seconds after `start` at which to look.
    min_distance_m : float
        Along the ground. Nearer stations share one satellite, whatever the motif: of links, their
        paths tell little.
    max_isls : int
        Links per satellite, 1 to 4. An offset takes two, as each satellite is the partner of
        another one, too.
    max_planes_on, max_places_on : int
        Largest offsets tried, places both ways.
    max_range_m, max_slew_deg_per_s, grazing_altitude_m
        As in `IslTopology`. An offset of which one link breaks one of them at one instant is out.
    finalists : int
        How many motifs are measured in full after a first look at all of them, at one instant and
        from a few stations.
    time_limit_s : float, optional
        After which no further motif is measured (the first one is): what is known by then comes
        back.
    engine : {"sgp4", "astroz"}
    on_progress : callable, optional
        Called with the share that is done.

    Returns
    -------
    MotifSearch

    Raises
    ------
    InputError
        For a constellation without shells, fewer than two stations, an unknown name, and the like.

    Notes
    -----
    Stretch is the light path, up, across and down, over the great circle between the stations
    (radius 6,371,008.8 m), so 1 is out of reach. Every motif is measured on the same pairs,
    instants and ground links: O(finalists instants stations (satellites + links)).
    """
    began = time.monotonic()
    where = "search_motifs"
    most = checks.whole(f"{where}.max_isls", max_isls, low=1)
    if most > 4:
        checks.fail(f"{where}.max_isls", max_isls, "1 to 4: a motif here has one or two offsets")
    planes = checks.whole(f"{where}.max_planes_on", max_planes_on)
    places = checks.whole(f"{where}.max_places_on", max_places_on)
    kept = checks.whole(f"{where}.finalists", finalists, low=1)
    nearest = checks.real(f"{where}.min_distance_m", min_distance_m)
    spare = math.inf
    if time_limit_s is not None:
        spare = checks.real(f"{where}.time_limit_s", time_limit_s, strict=True)
    if on_progress is not None and not callable(on_progress):
        checks.fail(f"{where}.on_progress", on_progress, "a callable, or None")
    limits = IslTopology(
        motif=(),
        terminals=most,
        grazing_altitude_m=grazing_altitude_m,
        max_range_m=max_range_m,
        max_slew_deg_per_s=max_slew_deg_per_s,
    )
    mesh = Mesh(constellation, stations, start=start, isl=limits, engine=engine)
    sky = MotifSky.of(mesh, pairs, nearest, times, offsets_within(planes, places))
    tell = on_progress if on_progress is not None else _nobody
    whole, split = _sorted_out(sky, most)
    look, middle = sky.first_look(_FIRST_LOOK), began + _FIRST_SHARE * spare
    first = _measured(sky, whole, look, middle, tell, (0.0, _FIRST_SHARE))
    first.sort(key=lambda row: row.mean_stretch)
    chosen = [row.motif for row in first[:kept]]
    ranked = _measured(sky, chosen, sky, began + spare, tell, (_FIRST_SHARE, 1.0))
    ranked.sort(key=lambda row: (row.mean_stretch, row.longest_isl_m))
    late = len(whole) - len(first) + len(chosen) - len(ranked)
    tell(1.0)
    left_out = {"first look": len(first) - len(chosen), "time limit": late}
    return MotifSearch(tuple(ranked), tuple(split), left_out, len(sky.offsets), sky.count)


def offsets_within(planes: int, places: int) -> list[Offset]:
    """Offsets up to a size, one of each pair of opposite ones, the near ones first."""
    found = [(0, s) for s in range(1, places + 1)]
    found += [(p, s) for p in range(1, planes + 1) for s in range(-places, places + 1)]
    return sorted(found, key=lambda row: (abs(row[0]) + abs(row[1]), row))


def _sorted_out(sky: MotifSky, most: int) -> tuple[list[tuple[Offset, ...]], list[MotifScore]]:
    """Motifs that hold every shell together, and scores of those that do not."""
    whole, split = [], []
    single = [(row,) for row in sky.offsets]
    for motif in (*single, *combinations(sky.offsets, 2)):
        isls = sky.isls(motif)
        if isls > most:
            continue
        components = sky.components(motif)
        if components == sky.shells:
            whole.append(motif)
        else:
            far = sky.longest_m(motif)
            split.append(MotifScore(motif, math.nan, math.nan, far, False, components, isls))
    return whole, sorted(split, key=lambda row: row.longest_isl_m)


def _measured(
    sky: MotifSky,
    motifs: Sequence[tuple[Offset, ...]],
    measure: MotifSky,
    stop: float,
    tell: Callable[[float], object],
    share: tuple[float, float],
) -> list[MotifScore]:
    """Scores of connected motifs, as many as there is time for, but one at least."""
    found: list[MotifScore] = []
    for k, motif in enumerate(motifs):
        if found and time.monotonic() > stop:
            break
        mean, high = measure.stretch(motif)
        far, isls = sky.longest_m(motif), sky.isls(motif)
        found.append(MotifScore(motif, mean, high, far, True, sky.shells, isls))
        tell(share[0] + (share[1] - share[0]) * (k + 1) / len(motifs))
    return found


def _nobody(_: float) -> None:
    """Who listens where nobody asked for progress."""


def _told(motif: tuple[Offset, ...]) -> str:
    return " + ".join(f"({planes}, {places})" for planes, places in motif)


def _plain(score: MotifScore) -> dict[str, Any]:
    row = asdict(score)
    row["motif"] = [list(offset) for offset in score.motif]
    for name in ("mean_stretch", "p95_stretch"):
        row[name] = row[name] if math.isfinite(row[name]) else None
    return row
