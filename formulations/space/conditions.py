"""Conditions between two moving bodies, as smooth functions of time, true where positive.

A satellite above a station's mask, two satellites in sight of each other or within range, a
satellite in the Earth's shadow: each with its slope, and in a segment of an orbit an upper bound
of its second derivative, which is all that the search in `intervals` needs. Distances in m, times
in s.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ..compiled import kernel

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

#: Kinds of conditions and what `place` holds for each.
#: ELEVATION: station x, y, z; up x, y, z; sine of the mask.
#: SIGHT: squared radius of the shell that the line must clear; factor that makes it a sphere.
#: RANGE: squared largest distance.
#: SHADOW: -1 umbra or +1 penumbra; factor that makes the Earth a sphere; its radius; the Sun's.
#: CLEAR: squared radius of a shell that a body must stay above; factor that makes it a sphere.
ELEVATION, SIGHT, RANGE, SHADOW, CLEAR = 0, 1, 2, 3, 4


@kernel
def at(piece: Floats, s: float, step: float) -> tuple[float, float, float, float, float, float]:
    """Position and velocity at place `s` of a segment."""
    x, y, z = piece[0, 5], piece[1, 5], piece[2, 5]
    u, v, w = x, y, z
    x, y, z = x * s + piece[0, 4], y * s + piece[1, 4], z * s + piece[2, 4]
    for k in (3, 2, 1):  # Horner for the value and, one step behind, for the slope
        u, v, w = u * s + x, v * s + y, w * s + z
        x, y, z = x * s + piece[0, k], y * s + piece[1, k], z * s + piece[2, k]
    u, v, w = u * s + x, v * s + y, w * s + z
    x, y, z = x * s + piece[0, 0], y * s + piece[1, 0], z * s + piece[2, 0]
    return x, y, z, u / step, v / step, w / step


@kernel
def condition(
    kind: int, one: Floats, two: Floats, place: Floats, s: float, step: float
) -> tuple[float, float]:
    """f and its derivative in time; `one` and `two` are pieces of the two bodies."""
    x, y, z, u, v, w = at(one, s, step)
    if kind == ELEVATION:
        x -= place[0]
        y -= place[1]
        z -= place[2]
        reach = math.sqrt(x * x + y * y + z * z)
        high = x * place[3] + y * place[4] + z * place[5]
        rise = u * place[3] + v * place[4] + w * place[5]
        return high - place[6] * reach, rise - place[6] * (x * u + y * v + z * w) / reach
    if kind == CLEAR:
        z *= place[1]
        w *= place[1]
        return x * x + y * y + z * z - place[0], 2 * (x * u + y * v + z * w)
    p, q, r, a, b, c = at(two, s, step)
    if kind == RANGE:
        x -= p
        y -= q
        z -= r
        gap = x * (u - a) + y * (v - b) + z * (w - c)
        return place[0] - (x * x + y * y + z * z), -2 * gap
    z *= place[1]
    w *= place[1]
    r *= place[1]
    c *= place[1]
    if kind == SIGHT:
        # The line between them clears the sphere while it is shorter than the two tangents:
        # f = r1 . r2 - R^2 + t1 t2 with the tangents' lengths t = sqrt(r^2 - R^2).
        # (Below the sphere it says nothing: CLEAR does.)
        t1 = math.sqrt(max(x * x + y * y + z * z - place[0], 1.0))
        t2 = math.sqrt(max(p * p + q * q + r * r - place[0], 1.0))
        slope1, slope2 = (x * u + y * v + z * w) / t1, (p * a + q * b + r * c) / t2
        across = u * p + v * q + w * r + x * a + y * b + z * c
        return x * p + y * q + z * r - place[0] + t1 * t2, across + slope1 * t2 + t1 * slope2
    # SHADOW: behind the Earth by d along the Sun's direction n, the cone has the radius
    # R(d) = (R + side d sin) / cos, and the satellite is inside while R(d)^2 > r^2 - d^2.
    far = math.sqrt(p * p + q * q + r * r)
    nx, ny, nz = p / far, q / far, r / far
    along = nx * a + ny * b + nz * c
    mx, my, mz = (a - nx * along) / far, (b - ny * along) / far, (c - nz * along) / far
    depth = -(x * nx + y * ny + z * nz)
    speed = -(u * nx + v * ny + w * nz) - (x * mx + y * my + z * mz)
    sine = (place[3] + place[0] * place[2]) / far
    cosine = math.sqrt(1 - sine * sine)
    cone = (place[2] + place[0] * depth * sine) / cosine
    opening = place[0] * speed * sine / cosine
    inside = cone * cone + depth * abs(depth) - (x * x + y * y + z * z)
    return inside, 2 * (cone * opening + abs(depth) * speed - (x * u + y * v + z * w))


@kernel
def curvature(
    kind: int,
    one: Floats,
    two: Floats,
    place: Floats,
    fast: float,
    hard: float,
    fast2: float,
    hard2: float,
    step: float,
) -> float:
    """Upper bound of the second derivative of f in a segment, from bounds of speed and force."""
    x0, y0, z0 = one[0, 0], one[1, 0], one[2, 0]
    x1, y1, z1, _, _, _ = at(one, 1.0, step)
    slack = 0.5 * fast * step
    if kind == ELEVATION:
        near = min(
            math.sqrt((x0 - place[0]) ** 2 + (y0 - place[1]) ** 2 + (z0 - place[2]) ** 2),
            math.sqrt((x1 - place[0]) ** 2 + (y1 - place[1]) ** 2 + (z1 - place[2]) ** 2),
        )
        # |f''| <= |a| + sine (v^2 / distance + |a|); the distance is at least the difference of
        # the two radii, and at least what is left of the nearer end.
        low = math.sqrt(min(x0 * x0 + y0 * y0 + z0 * z0, x1 * x1 + y1 * y1 + z1 * z1))
        low -= math.sqrt(place[0] ** 2 + place[1] ** 2 + place[2] ** 2) + 0.125 * hard * step * step
        near = max(near - slack, low, 1e3)
        sine = abs(place[6])
        return float(hard * (1 + sine) + sine * fast * fast / near)
    if kind == CLEAR:
        away = math.sqrt(max(x0 * x0 + y0 * y0 + z0 * z0, x1 * x1 + y1 * y1 + z1 * z1)) + slack
        return float(2.1 * place[1] * place[1] * (fast * fast + away * hard))
    p0, q0, r0, _, _, _ = at(two, 0.0, step)
    p1, q1, r1, _, _, _ = at(two, 1.0, step)
    if kind == RANGE:
        gap = math.sqrt(
            max(
                (x0 - p0) ** 2 + (y0 - q0) ** 2 + (z0 - r0) ** 2,
                (x1 - p1) ** 2 + (y1 - q1) ** 2 + (z1 - r1) ** 2,
            )
        )
        gap += slack + 0.5 * fast2 * step
        return 2 * ((fast + fast2) ** 2 + gap * (hard + hard2))
    radius = math.sqrt(max(x0 * x0 + y0 * y0 + z0 * z0, x1 * x1 + y1 * y1 + z1 * z1)) + slack
    if kind == SIGHT:
        radius2 = math.sqrt(max(p0 * p0 + q0 * q0 + r0 * r0, p1 * p1 + q1 * q1 + r1 * r1))
        radius2 += 0.5 * fast2 * step
        dots = hard * radius2 + 2 * fast * fast2 + radius * hard2
        tangents = max(
            _tangent_bend(one, two, place, 0.0, step, hard, hard2),
            _tangent_bend(one, two, place, 0.5, step, hard, hard2),
            _tangent_bend(one, two, place, 1.0, step, hard, hard2),
        )
        return 1.02 * dots + 1.5 * tangents
    turn = math.sqrt((p1 - p0) ** 2 + (q1 - q0) ** 2 + (r1 - r0) ** 2) / step
    turn = 1.1 * turn / math.sqrt(p0 * p0 + q0 * q0 + r0 * r0)  # how fast the Sun's direction moves
    fast += radius * turn
    hard += 2 * fast * turn + radius * turn * turn
    return 4.2 * (fast * fast + radius * hard)


@kernel
def _tangent_bend(
    one: Floats, two: Floats, place: Floats, s: float, step: float, hard: float, hard2: float
) -> float:
    """Size of (t1 t2)'' at a place of a segment; t = sqrt(r^2 - R^2)."""
    x, y, z, u, v, w = at(one, s, step)
    p, q, r, a, b, c = at(two, s, step)
    t1 = math.sqrt(max(x * x + y * y + z * z - place[0], 1e8))
    t2 = math.sqrt(max(p * p + q * q + r * r - place[0], 1e8))
    d1, d2 = (x * u + y * v + z * w) / t1, (p * a + q * b + r * c) / t2
    r1, r2 = math.sqrt(x * x + y * y + z * z), math.sqrt(p * p + q * q + r * r)
    bend1 = (u * u + v * v + w * w + r1 * hard + d1 * d1) / t1
    bend2 = (a * a + b * b + c * c + r2 * hard2 + d2 * d2) / t2
    return bend1 * t2 + 2 * abs(d1 * d2) + t1 * bend2
