"""Look angles: how a station sees a satellite, and when it stands highest."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from ..compiled import kernel
from .conditions import at

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]


@kernel
def _height(
    pieces: Floats, row: int, station: Floats, up: Floats, time: float, step: float
) -> tuple[float, float]:
    """Sine of the elevation and its derivative in time, `time` seconds after node 0."""
    k = min(max(int(time / step), 0), pieces.shape[1] - 1)
    x, y, z, u, v, w = at(pieces[row, k], time / step - k, step)
    x -= station[0]
    y -= station[1]
    z -= station[2]
    reach = math.sqrt(x * x + y * y + z * z)
    high = (x * up[0] + y * up[1] + z * up[2]) / reach
    rise = (u * up[0] + v * up[1] + w * up[2]) / reach
    return high, rise - high * (x * u + y * v + z * w) / (reach * reach)


@kernel
def _top(
    pieces: Floats,
    row: int,
    station: Floats,
    up: Floats,
    step: float,
    low: float,
    rising: float,
    far: float,
    sinking: float,
) -> float:
    """Where the slope of the height turns from rising to sinking (regula falsi, Illinois)."""
    side = 0
    time = low
    for _ in range(60):
        time = (low * sinking - far * rising) / (sinking - rising)
        _, slope = _height(pieces, row, station, up, time, step)
        if slope > 0:
            moved = time - low
            low, rising = time, slope
            if side == 1:
                sinking *= 0.5
            side = 1
        else:
            moved = far - time
            far, sinking = time, slope
            if side == -1:
                rising *= 0.5
            side = -1
        if moved < 1e-5 or slope == 0:
            break
    return time


@kernel
def culminations(
    pieces: Floats,
    step: float,
    rows: Ints,
    stations: Ints,
    position: Floats,
    axes: Floats,
    rise: Floats,
    set_: Floats,
) -> Floats:
    """When each pass stands highest, in the same seconds (since node 0) as `rise` and `set_`.

    Every node inside the pass is looked at; between two looks at which the satellite climbs and
    then sinks the top is where the slope is zero.
    """
    best = np.empty(rows.size)
    for n in range(rows.size):
        station, up = position[stations[n]], axes[stations[n], 2]
        time = rise[n]
        high, slope = _height(pieces, rows[n], station, up, time, step)
        top, when = high, time
        while time < set_[n]:
            following = min(set_[n], (math.floor(time / step + 1e-9) + 1) * step)
            high2, slope2 = _height(pieces, rows[n], station, up, following, step)
            if high2 > top:
                top, when = high2, following
            if slope > 0 and slope2 < 0:
                middle = _top(pieces, rows[n], station, up, step, time, slope, following, slope2)
                peak, _ = _height(pieces, rows[n], station, up, middle, step)
                if peak > top:
                    top, when = peak, middle
            time, slope = following, slope2
        best[n] = when
    return best


@kernel
def look(
    pieces: Floats,
    step: float,
    rows: Ints,
    stations: Ints,
    position: Floats,
    axes: Floats,
    times: Floats,
) -> Floats:
    """Azimuth and elevation (rad) and slant range (m), shape (n, 3).

    One row per entry of `rows` (of `pieces`), `stations` and `times` (seconds since node 0).
    """
    seen = np.empty((rows.size, 3))
    for n in range(rows.size):
        k = min(max(int(times[n] / step), 0), pieces.shape[1] - 1)
        x, y, z, _, _, _ = at(pieces[rows[n], k], times[n] / step - k, step)
        m = stations[n]
        x -= position[m, 0]
        y -= position[m, 1]
        z -= position[m, 2]
        east = x * axes[m, 0, 0] + y * axes[m, 0, 1] + z * axes[m, 0, 2]
        north = x * axes[m, 1, 0] + y * axes[m, 1, 1] + z * axes[m, 1, 2]
        up = x * axes[m, 2, 0] + y * axes[m, 2, 1] + z * axes[m, 2, 2]
        flat = math.sqrt(east * east + north * north)
        seen[n, 0] = math.atan2(east, north) % (2 * math.pi)
        seen[n, 1] = math.atan2(up, flat)
        seen[n, 2] = math.sqrt(flat * flat + up * up)
    return seen
