"""Links at an instant: satellites in view of stations, and in sight of each other."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from ..compiled import kernel
from ..space.sampled import turning

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Flags = NDArray[np.bool_]


@kernel
def in_view(
    satellites: Floats, place: Floats, up: Floats, sine: Floats, reach: Floats
) -> tuple[Ints, Ints, Floats, Floats]:
    """Satellites above each station's mask and within its reach.

    Returns station, satellite, slant range (m) and the sine of the elevation, by station and
    satellite. Most satellites are ruled out by one coordinate.
    """
    room = 16 * place.shape[0] + 16
    rows, columns = np.empty((room, 2), dtype=np.int64), np.empty((room, 2))
    count = 0
    for m in range(place.shape[0]):
        far, square = reach[m], reach[m] * reach[m]
        for n in range(satellites.shape[0]):
            z = satellites[n, 2] - place[m, 2]
            if not abs(z) <= far:
                continue
            x, y = satellites[n, 0] - place[m, 0], satellites[n, 1] - place[m, 1]
            squared = x * x + y * y + z * z
            if not squared <= square:
                continue
            distance = math.sqrt(squared)
            high = x * up[m, 0] + y * up[m, 1] + z * up[m, 2]
            if not high >= sine[m] * distance:
                continue
            if count == room:
                room *= 2
                rows2, columns2 = np.empty((room, 2), dtype=np.int64), np.empty((room, 2))
                rows2[:count], columns2[:count] = rows, columns
                rows, columns = rows2, columns2
            rows[count, 0], rows[count, 1] = m, n
            columns[count, 0], columns[count, 1] = distance, high / distance
            count += 1
    return (
        rows[:count, 0].copy(),
        rows[:count, 1].copy(),
        columns[:count, 0].copy(),
        columns[:count, 1].copy(),
    )


@kernel
def distances(satellites: Floats, pairs: Ints) -> Floats:
    """Distance (m) of each pair, shape (pairs,)."""
    found = np.empty(pairs.shape[0])
    for k in range(pairs.shape[0]):
        i, j = pairs[k, 0], pairs[k, 1]
        x = satellites[i, 0] - satellites[j, 0]
        y = satellites[i, 1] - satellites[j, 1]
        z = satellites[i, 2] - satellites[j, 2]
        found[k] = math.sqrt(x * x + y * y + z * z)
    return found


@kernel
def in_sight(satellites: Floats, pairs: Ints, square: float, factor: float) -> Flags:
    """Whether the line between the two of each pair clears a spheroid.

    It does while it is shorter than the two tangents, r1 . r2 - R^2 + t1 t2 > 0 with their lengths
    t = sqrt(r^2 - R^2), in coordinates where the spheroid is a sphere: `square` is its R^2,
    `factor` by what z is stretched.
    """
    found = np.empty(pairs.shape[0], dtype=np.bool_)
    for k in range(pairs.shape[0]):
        i, j = pairs[k, 0], pairs[k, 1]
        x, y, z = satellites[i, 0], satellites[i, 1], satellites[i, 2] * factor
        p, q, r = satellites[j, 0], satellites[j, 1], satellites[j, 2] * factor
        one, two = x * x + y * y + z * z - square, p * p + q * q + r * r - square
        across = x * p + y * q + z * r - square
        found[k] = one > 0 and two > 0 and across + math.sqrt(one * two) > 0
    return found


@kernel
def turning_rates(satellites: Floats, velocity: Floats, pairs: Ints) -> Floats:
    """How fast (rad/s) the terminals of each pair turn, the faster of both; inertial states."""
    found = np.empty(pairs.shape[0])
    for k in range(pairs.shape[0]):
        i, j = pairs[k, 0], pairs[k, 1]
        x, y, z = satellites[i, 0], satellites[i, 1], satellites[i, 2]
        u, v, w = velocity[i, 0], velocity[i, 1], velocity[i, 2]
        p, q, r = satellites[j, 0], satellites[j, 1], satellites[j, 2]
        a, b, c = velocity[j, 0], velocity[j, 1], velocity[j, 2]
        one = turning(x, y, z, u, v, w, p, q, r, a, b, c)
        two = turning(p, q, r, a, b, c, x, y, z, u, v, w)
        found[k] = max(one, two)
    return found
