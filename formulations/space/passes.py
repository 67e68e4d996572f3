"""Passes: when which satellite stands above which station's mask."""

from __future__ import annotations

import logging
import math
import operator
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import checks
from ..orbits import Constellation
from ..stations import GroundStation
from .conditions import ELEVATION
from .earth import station_frames
from .ephemeris import Ephemeris, ephemerides, ephemeris, node_step
from .intervals import intervals
from .look import culminations, look
from .sampled import HORIZON, refine
from .tables import frozen, named
from .window import Window, constellation_of, stations_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .earth import EarthRotation

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

LOG = logging.getLogger(__name__)

#: Columns of a pass table, besides the names ``satellite`` and ``station``.
COLUMNS = (
    "satellite_index",
    "station_index",
    "rise_s",
    "culmination_s",
    "set_s",
    "max_elevation_deg",
    "rise_azimuth_deg",
    "culmination_azimuth_deg",
    "set_azimuth_deg",
    "rise_range_m",
    "culmination_range_m",
    "set_range_m",
    "cut_start",
    "cut_end",
)


@dataclass(frozen=True, slots=True, eq=False)
class PassTable:
    """Passes as columns, ordered by rise, then satellite and station.

    Attributes
    ----------
    constellation : Constellation
    stations : tuple of GroundStation
    window : Window
    arrays : mapping of str to array, shape (passes,)
        ``satellite_index``, ``station_index`` (int32); ``rise_s``, ``culmination_s``, ``set_s``
        (seconds after the start); ``max_elevation_deg``; ``rise_``, ``culmination_`` and
        ``set_azimuth_deg``; ``rise_``, ``culmination_`` and ``set_range_m`` (slant range);
        ``cut_start``, ``cut_end`` (bool: the window's edge cuts the pass, which is clipped to it).
        Read-only. ``table["rise_s"]`` is short for one; ``table["satellite"]`` and
        ``table["station"]`` are names.
    lost : mapping of str to float
        Satellites that SGP4 gave up on (decayed, mostly), and the second from which on they have
        no position and so no pass, a minute early at most.
    """

    constellation: Constellation
    stations: tuple[GroundStation, ...]
    window: Window
    arrays: Mapping[str, NDArray[Any]]
    lost: Mapping[str, float]

    def __len__(self) -> int:
        return len(self.arrays["rise_s"])

    def __repr__(self) -> str:
        return (
            f"PassTable({len(self)} passes of {len(self.constellation)} satellites over "
            f"{len(self.stations)} stations, {self.window.duration_s:g} s from "
            f"{self.window.start:%FT%TZ})"
        )

    def __getitem__(self, column: str) -> NDArray[Any]:
        if column == "satellite":
            return named(self.constellation.names, self.arrays["satellite_index"])
        if column == "station":
            stations = [row.name for row in self.stations]
            return named(stations, self.arrays["station_index"])
        checks.known("PassTable column", column, ("satellite", "station", *COLUMNS))
        return self.arrays[column]

    @property
    def start(self) -> datetime:
        """Second 0."""
        return self.window.start

    @property
    def duration_s(self) -> NDArray[np.float64]:
        """Length of each pass, shape (passes,)."""
        length: NDArray[np.float64] = self.arrays["set_s"] - self.arrays["rise_s"]
        return length

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """The passes one by one, as plain values by column."""
        names = {name: self[name].tolist() for name in ("satellite", "station", *COLUMNS[2:])}
        return (dict(zip(names, row, strict=True)) for row in zip(*names.values(), strict=True))

    def select(
        self,
        *,
        satellite: str | None = None,
        station: str | None = None,
        min_duration_s: float = 0.0,
        min_max_elevation_deg: float = -90.0,
    ) -> PassTable:
        """Only the passes of a satellite, over a station, and long and high enough."""
        shortest = checks.real("select.min_duration_s", min_duration_s)
        lowest = checks.between("select.min_max_elevation_deg", min_max_elevation_deg, -90, 90)
        keep = self.duration_s >= shortest
        keep &= self.arrays["max_elevation_deg"] >= lowest
        if satellite is not None:
            keep &= self.arrays["satellite_index"] == self.constellation.index(satellite)
        if station is not None:
            names = [row.name for row in self.stations]
            number = names.index(checks.known("station", station, names))
            keep &= self.arrays["station_index"] == number
        return self._kept(keep)

    def restricted(self, start_s: float, end_s: float) -> PassTable:
        """Only the passes that lie wholly between two seconds of the window."""
        first = checks.real("restricted.start_s", start_s, low=-math.inf, finite=False)
        last = checks.real("restricted.end_s", end_s, low=-math.inf, finite=False)
        if last <= first:
            checks.fail("restricted.end_s", end_s, f"an end after start_s = {first:g}")
        return self._kept((self.arrays["rise_s"] >= first) & (self.arrays["set_s"] <= last))

    def _kept(self, keep: NDArray[np.bool_]) -> PassTable:
        arrays = frozen({name: column[keep] for name, column in self.arrays.items()})
        return replace(self, arrays=arrays)

    def track(self, number: int, step_s: float = 10.0) -> dict[str, NDArray[np.float64]]:
        """How a pass goes: ``time_s, azimuth_deg, elevation_deg, range_m`` from rise to set.

        Parameters
        ----------
        number : int
            Row of the table.
        step_s : float
            Longest time between two rows; rise and set are included.
        """
        checks.real("track.step_s", step_s, strict=True)
        try:
            known = -len(self) <= operator.index(number) < len(self)
        except TypeError:
            known = False
        if not known:
            checks.fail("track.number", number, f"a row of the table, 0 to {len(self) - 1}")
        rise, set_ = float(self.arrays["rise_s"][number]), float(self.arrays["set_s"][number])
        satellite = int(self.arrays["satellite_index"][number])
        times = np.linspace(rise, set_, max(2, int(np.ceil((set_ - rise) / step_s)) + 1))
        step = node_step(self.constellation.satellites[satellite])
        chosen = np.array([satellite])
        body = ephemeris(self.constellation, chosen, self.window, (rise, set_), step)
        zeros = np.zeros(len(times), dtype=np.int64)
        where = np.full(len(times), self.arrays["station_index"][number], dtype=np.int64)
        seen = seen_from(body, zeros, where, self.stations, times)
        return {
            "time_s": times,
            "azimuth_deg": np.degrees(seen[:, 0]),
            "elevation_deg": np.degrees(seen[:, 1]),
            "range_m": seen[:, 2],
        }


def passes(
    constellation: Constellation,
    stations: GroundStation | Sequence[GroundStation],
    *,
    start: datetime,
    duration_s: float | None = None,
    end: datetime | None = None,
    engine: str = "sgp4",
    rotation: EarthRotation | None = None,
    on_progress: Any = None,
) -> PassTable:
    """Find every pass of every satellite over every station.

    A pass is an interval in which the satellite stands above the station's mask (geometric
    elevation above the WGS 84 horizon, without refraction). None is missed that lasts longer than
    a millisecond (`formulations.space.intervals`); with a horizon mask, what comes and goes
    within 5 s may be. Rise and set are within 0.1 ms of what the propagator's positions
    say, for a pass that is not merely grazing.

    Parameters
    ----------
    constellation : Constellation
    stations : GroundStation or sequence of GroundStation
    start : datetime
        Second 0; timezone-aware.
    duration_s : float, optional
        Length of the window; or give `end`.
    end : datetime, optional
    engine : {"sgp4", "astroz"}
        What computes SGP4; `astroz` is faster and an extra (``fast``).
    rotation : EarthRotation, optional
        UT1 - UTC, or a made-up angle of Greenwich; GMST82 with UT1 = UTC unless given.
    on_progress : callable, optional
        Called with the share that is done.

    Returns
    -------
    PassTable
        A pass cut by the window is clipped to it and marked.

    Raises
    ------
    InputError
        For an end before the start, no station, and other bad input.

    Notes
    -----
    Time grows with satellites x stations x duration; memory stays below a few hundred MB however
    many there are, besides the table itself (112 bytes a pass).
    """
    window = Window.of("passes", start, duration_s, end, engine, rotation, on_progress)
    whole = constellation_of("passes", constellation)
    ground = stations_of("passes", stations)
    if not ground:
        checks.fail("passes.stations", (), "at least one station")
    found: list[dict[str, NDArray[Any]]] = []
    lost: dict[str, float] = {}
    done = 0
    for body in ephemerides(whole, window):
        found.append(columns_of(body, ground, window))
        lost.update(lost_of(body, whole, window))
        done += len(body.index)
        window.report(done / len(whole))
    arrays = {name: np.concatenate([rows[name] for rows in found]) for name in COLUMNS}
    tell_lost("passes", lost, len(whole))
    order = np.lexsort((arrays["station_index"], arrays["satellite_index"], arrays["rise_s"]))
    sorted_ = {name: column[order] for name, column in arrays.items()}
    return PassTable(whole, ground, window, frozen(sorted_), dict(lost))


def columns_of(
    body: Ephemeris, stations: Sequence[GroundStation], window: Window
) -> dict[str, NDArray[Any]]:
    """Passes of a block of satellites, as the columns of a table."""
    rows, where, rise, set_ = above(body, stations, window)
    position, axes = station_frames(stations)
    begin = body.begin_s
    top = begin + culminations(
        body.pieces, body.step_s, rows, where, position, axes, rise - begin, set_ - begin
    )
    arrays: dict[str, NDArray[Any]] = {
        "satellite_index": body.index[rows].astype(np.int32),
        "station_index": where.astype(np.int32),
        "rise_s": rise,
        "culmination_s": top,
        "set_s": set_,
    }
    for name, times in (("rise", rise), ("culmination", top), ("set", set_)):
        seen = seen_from(body, rows, where, stations, times)
        arrays[f"{name}_azimuth_deg"] = np.degrees(seen[:, 0])
        arrays[f"{name}_range_m"] = seen[:, 2]
        if name == "culmination":
            arrays["max_elevation_deg"] = np.degrees(seen[:, 1])
    arrays["cut_start"] = rise <= window.span[0]
    arrays["cut_end"] = set_ >= window.span[1]
    return arrays


def above(
    body: Ephemeris, stations: Sequence[GroundStation], window: Window
) -> tuple[Ints, Ints, Floats, Floats]:
    """Row of the block, station, rise and set of every pass."""
    position, axes = station_frames(stations)
    # A horizon mask never lies below the elevation mask; passes above the least are cut up later.
    lowest = [
        max(row.min_elevation_deg, min(e for _, e in row.horizon))
        if row.horizon
        else row.min_elevation_deg
        for row in stations
    ]
    sine = np.sin(np.radians(lowest))
    places = np.concatenate([position, axes[:, 2], sine[:, None]], axis=1)
    satellites, count = len(body.index), len(stations)
    pairs = np.zeros((satellites * count, 3), dtype=np.int64)
    pairs[:, 0] = np.repeat(np.arange(satellites), count)
    pairs[:, 2] = np.tile(np.arange(count), satellites)
    pair, rise, set_ = intervals(ELEVATION, body, None, pairs, places, window.span)
    rows, where = pairs[pair, 0], pairs[pair, 2]
    masked = np.array([row.horizon is not None for row in stations])
    if not masked.any():
        return rows, where, rise, set_
    cut = masked[where]
    numbers = np.cumsum(masked) - 1
    part, low, high = refine(
        HORIZON,
        body,
        None,
        np.stack([rows[cut], np.zeros_like(rows[cut]), numbers[where[cut]]], axis=1),
        rise[cut],
        set_[cut],
        _horizons([row for row in stations if row.horizon is not None]),
    )
    return (
        np.concatenate([rows[~cut], rows[cut][part]]),
        np.concatenate([where[~cut], where[cut][part]]),
        np.concatenate([rise[~cut], low]),
        np.concatenate([set_[~cut], high]),
    )


def _horizons(stations: Sequence[GroundStation]) -> Floats:
    """What the HORIZON condition needs of each station."""
    position, axes = station_frames(stations)
    room = max(len(row.horizon or ()) for row in stations) + 2
    masks = np.full((len(stations), 2 + 2 * room), np.inf)
    for m, row in enumerate(stations):
        known = np.array(row.horizon, dtype=np.float64)
        # The corners, one more on either side so that every azimuth lies between two.
        turn = np.array([[360.0, 0.0]])
        corners = np.concatenate([known[-1:] - turn, known, known[:1] + turn])
        masks[m, 0], masks[m, 1] = math.radians(row.min_elevation_deg), len(corners)
        masks[m, 2 : 2 + len(corners)] = np.radians(corners[:, 0])
        masks[m, 2 + room : 2 + room + len(corners)] = np.radians(corners[:, 1])
    return np.concatenate([position, axes.reshape(-1, 9), masks], axis=1)


def seen_from(
    body: Ephemeris, rows: Ints, where: Ints, stations: Sequence[GroundStation], times_s: Floats
) -> Floats:
    """Azimuth and elevation (rad) and slant range (m) at times of the window."""
    position, axes = station_frames(stations)
    seen: Floats = look(
        body.pieces, body.step_s, rows, where, position, axes, times_s - body.begin_s
    )
    return seen


def lost_of(body: Ephemeris, constellation: Constellation, window: Window) -> dict[str, float]:
    """Satellites without a position, and from when on."""
    gone = body.gaps
    found = {}
    for row in np.flatnonzero(gone.any(axis=1)):
        since = body.begin_s + body.step_s * int(np.argmax(gone[row]))
        if since < window.duration_s:
            found[constellation.names[body.index[row]]] = float(max(since, 0.0))
    return found


def tell_lost(where: str, lost: Mapping[str, float], satellites: int) -> None:
    """Log which satellites have no position in part of a window."""
    if lost:
        LOG.warning(
            "%s: %d of %d satellites have no position in part of the window (decayed?): %s",
            where,
            len(lost),
            satellites,
            ", ".join(list(lost)[:5]) + (", ..." if len(lost) > 5 else ""),
        )
