"""Ground tracks as lines that a flat map can show."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ...formulations.space.earth import geodetic
from ...formulations.space.ephemeris import ephemeris, node_step
from ...formulations.space.passes import PassTable

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

#: Points on a revolution.
_REVOLUTION = 360
#: Two points further apart in longitude (deg) lie on either side of a pole.
_LEAP = 60.0


def ground_track(
    table: PassTable, number: int, revolutions: float
) -> tuple[list[Floats], NDArray[np.bool_]]:
    """Where a satellite stands in the zenith, from the window's start on.

    Returns
    -------
    parts : list of array, shape (n, 2)
        Longitude and latitude in degrees. A part ends at the date line, at a pole, and where a
        pass begins or ends.
    seen : array, shape (parts,)
        Whether a pass of the table is on.
    """
    satellite = table.constellation.satellites[number]
    last = min(revolutions * satellite.period_s, table.window.duration_s)
    mine = table.arrays["satellite_index"] == number
    rise, set_ = table.arrays["rise_s"][mine], table.arrays["set_s"][mine]
    even = np.linspace(0.0, last, max(2, math.ceil(last / satellite.period_s * _REVOLUTION)) + 1)
    times = np.unique(np.concatenate([even, rise, set_]))
    times = times[times <= last]
    step = node_step(satellite)
    body = ephemeris(table.constellation, np.array([number]), table.window, (0.0, last), step)
    latitude, longitude, _ = geodetic(body.positions(0, times))
    known = np.isfinite(latitude)
    times, latitude, longitude = times[known], latitude[known], longitude[known]
    if len(times) < 2:
        return [], np.zeros(0, dtype=bool)
    middle = 0.5 * (times[1:] + times[:-1])
    # How many passes have begun and not ended.
    on = np.searchsorted(np.sort(rise), middle) > np.searchsorted(np.sort(set_), middle)
    points, seen = _across(np.stack([longitude, latitude], axis=-1), on)
    leap = np.abs(np.diff(points[:, 0])) > _LEAP
    return _runs(points, seen, leap)


def _across(points: Floats, on: Any) -> tuple[Floats, Any]:
    """Put two points, at +-180 degrees, where a track crosses the date line."""
    turn = np.diff(points[:, 0])
    k = np.flatnonzero(np.abs(turn) > 360 - _LEAP)
    side = -np.sign(turn[k])  # east: from +180 to -180
    step = turn[k] + 360 * side
    share = (180 * side - points[k, 0]) / np.where(step == 0, 1.0, step)
    north = points[k, 1] + share * (points[k + 1, 1] - points[k, 1])
    edge = np.stack([180 * side, north], axis=-1), np.stack([-180 * side, north], axis=-1)
    both = np.stack(edge, axis=1).reshape(-1, 2)
    return np.insert(points, np.repeat(k + 1, 2), both, axis=0), np.insert(
        on, np.repeat(k + 1, 2), np.repeat(on[k], 2)
    )


def _runs(points: Floats, seen: Any, leap: Any) -> tuple[list[Floats], NDArray[np.bool_]]:
    """Segments that follow one another without a leap, and are seen or not, as lines."""
    cut = (seen[1:] != seen[:-1]) | leap[1:] | leap[:-1]
    begins = np.flatnonzero(np.concatenate([[True], cut]) & ~leap)
    ends = np.flatnonzero(np.concatenate([cut, [True]]) & ~leap)
    parts = [points[a : b + 2] for a, b in zip(begins.tolist(), ends.tolist(), strict=True)]
    return parts, seen[begins]
