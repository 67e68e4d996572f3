"""When is a condition between two moving bodies true? Every interval, none missed.

A condition is a smooth function f of time, true where f > 0: a satellite above a station's
mask, two satellites in sight of each other or within range, a satellite in the Earth's shadow.
In a segment of length w an upper bound M of the second derivative decides what can be decided:

- ends of one sign and both beyond M w^2 / 8: no change of sign inside;
- a slope beyond M w at an end: f is monotone, so its ends tell whether there is one root;
- else the segment is halved.

So an excursion is missed only if it lasts less than a millisecond, however short the pass and
however long the segment. Distances in m, times in s.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from .compiled import kernel

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .ephemeris import Ephemeris

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

#: Kinds of conditions and what `place` holds for each.
#: ELEVATION: station x, y, z; up x, y, z; sine of the mask.
#: SIGHT: squared radius of the shell that the line must clear; factor that makes it a sphere.
#: RANGE: squared largest distance.
#: SHADOW: -1 umbra or +1 penumbra; factor that makes the Earth a sphere; its radius; the Sun's.
ELEVATION, SIGHT, RANGE, SHADOW = 0, 1, 2, 3

_SHORTEST_S = 1e-3
_ROOT_S = 1e-7


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
        one2 = x * x + y * y + z * z - place[0]
        two2 = p * p + q * q + r * r - place[0]
        if one2 <= 0 or two2 <= 0:
            return -place[0], 0.0  # below the shell: in sight of nobody
        t1, t2 = math.sqrt(one2), math.sqrt(two2)
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
def _curvature(
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


@kernel
def _solve(
    kind: int,
    one: Floats,
    two: Floats,
    place: Floats,
    step: float,
    low: float,
    f_low: float,
    high: float,
) -> float:
    """The root of a monotone f between two places of a segment: Newton kept in its bracket."""
    s = 0.5 * (low + high)
    for _ in range(80):
        f, slope = condition(kind, one, two, place, s, step)
        if (f > 0) == (f_low > 0):
            low = s
        else:
            high = s
        following = s - f / (slope * step) if slope != 0 else low
        if not low < following < high:
            following = 0.5 * (low + high)
        moved = abs(following - s)
        s = following
        if moved * step < _ROOT_S:
            break
    return s


@kernel
def _roots(
    kind: int,
    one: Floats,
    two: Floats,
    place: Floats,
    step: float,
    bend: float,
    ends: Floats,
    stack: Floats,
    found: Floats,
) -> int:
    """Places where f changes its sign in a segment, in order; returns how many there are.

    `ends` holds f and its derivative at both ends; `stack` (rows of 6) and `found` are scratch.
    """
    count, top = 0, 0
    stack[0, 0], stack[0, 1], stack[0, 2] = 0.0, ends[0], ends[1]
    stack[0, 3], stack[0, 4], stack[0, 5] = 1.0, ends[2], ends[3]
    while top >= 0:
        s0, f0, d0 = stack[top, 0], stack[top, 1], stack[top, 2]
        s1, f1, d1 = stack[top, 3], stack[top, 4], stack[top, 5]
        top -= 1
        width = (s1 - s0) * step
        same = (f0 > 0) == (f1 > 0)
        if same and min(abs(f0), abs(f1)) > 0.125 * bend * width * width:
            continue
        if max(abs(d0), abs(d1)) > bend * width or width < _SHORTEST_S:
            if not same and count < found.size:
                found[count] = _solve(kind, one, two, place, step, s0, f0, s1)
                count += 1
            continue
        middle = 0.5 * (s0 + s1)
        f, d = condition(kind, one, two, place, middle, step)
        stack[top + 1, 0], stack[top + 1, 1], stack[top + 1, 2] = middle, f, d
        stack[top + 1, 3], stack[top + 1, 4], stack[top + 1, 5] = s1, f1, d1
        stack[top + 2, 0], stack[top + 2, 1], stack[top + 2, 2] = s0, f0, d0
        stack[top + 2, 3], stack[top + 2, 4], stack[top + 2, 5] = middle, f, d
        top += 2
    return count


@kernel
def _far_below(
    nodes: Floats, i: int, k: int, place: Floats, speed: float, hard: float, step: float
) -> int:
    """How many segments from `k` on a satellite surely stays below a station's horizon plane."""
    high = _above_plane(nodes, i, k, place)
    if place[6] < 0 or not high < 0:
        return 0
    count = int(-high / (speed * step))
    if count == 0 and k + 1 < nodes.shape[1]:
        following = _above_plane(nodes, i, k + 1, place)
        if max(high, following) < -0.125 * hard * step * step:
            count = 1
    return count


@kernel
def _above_plane(nodes: Floats, i: int, k: int, place: Floats) -> float:
    """Height (m) of a node over the plane of a station's horizon."""
    height = (
        (nodes[i, k, 0] - place[0]) * place[3]
        + (nodes[i, k, 1] - place[1]) * place[4]
        + (nodes[i, k, 2] - place[2]) * place[5]
    )
    return float(height)


@kernel
def _scan(
    kind: int,
    nodes: Floats,
    pieces: Floats,
    bounds: Floats,
    pieces2: Floats,
    bounds2: Floats,
    pairs: Ints,
    places: Floats,
    speed: Floats,
    step: float,
) -> tuple[Ints, Floats, int]:
    """Intervals in which the condition of each pair is true, in seconds since node 0.

    A row of `pairs` holds a row of `pieces`, one of `pieces2` and one of `places`. `nodes` holds
    the places at which the segments of `pieces` begin, `speed` the most of each satellite (m/s).
    """
    segments = pieces.shape[1]
    room = 1024 + 8 * pairs.shape[0]
    owner, spans = np.empty(room, dtype=np.int64), np.empty((room, 2))
    count = 0
    ends, stack, found = np.empty(4), np.empty((64, 6)), np.empty(64)
    for pair in range(pairs.shape[0]):
        i, j, place = pairs[pair, 0], pairs[pair, 1], places[pairs[pair, 2]]
        fast = float(speed[i])
        opened = -1.0  # when the current interval opened; none while negative
        fresh = True  # nothing is known of the segment's beginning
        k = 0
        while k < segments:
            if kind == ELEVATION and opened < 0:
                skip = _far_below(nodes, i, k, place, fast, bounds[i, k, 1], step)
                if skip > 0:
                    k += skip
                    fresh = True
                    continue
            one, two = pieces[i, k], pieces2[j, k]
            if fresh:
                ends[0], ends[1] = condition(kind, one, two, place, 0.0, step)
            ends[2], ends[3] = condition(kind, one, two, place, 1.0, step)
            if count + found.size > owner.size:
                owner, spans = _grow(owner, spans)
            if not (ends[0] == ends[0] and ends[2] == ends[2]):  # NaN: nothing is known here
                if opened >= 0:
                    owner[count], spans[count, 0], spans[count, 1] = pair, opened, k * step
                    count += 1
                opened, fresh = -1.0, True
                k += 1
                continue
            if fresh and ends[0] > 0:
                opened = k * step
            bend = _curvature(
                kind,
                one,
                two,
                place,
                bounds[i, k, 0],
                bounds[i, k, 1],
                bounds2[j, k, 0],
                bounds2[j, k, 1],
                step,
            )
            changes = _roots(kind, one, two, place, step, bend, ends, stack, found)
            for m in range(changes):
                time = (k + found[m]) * step
                if opened < 0:
                    opened = time
                else:
                    owner[count], spans[count, 0], spans[count, 1] = pair, opened, time
                    count += 1
                    opened = -1.0
            ends[0], ends[1] = ends[2], ends[3]
            fresh = False
            k += 1
        if opened >= 0:
            if count == owner.size:
                owner, spans = _grow(owner, spans)
            owner[count], spans[count, 0], spans[count, 1] = pair, opened, segments * step
            count += 1
    return owner, spans, count


@kernel
def _grow(owner: Ints, spans: Floats) -> tuple[Ints, Floats]:
    more, longer = np.empty(2 * owner.size, dtype=np.int64), np.empty((2 * owner.size, 2))
    more[: owner.size], longer[: owner.size] = owner, spans
    return more, longer


def intervals(
    kind: int,
    one: Ephemeris,
    two: Ephemeris | None,
    pairs: Ints,
    places: Floats,
    window: tuple[float, float],
) -> tuple[Ints, Floats, Floats]:
    """Intervals of a window in which the condition of each pair holds, clipped to the window.

    Parameters
    ----------
    kind : int
        ELEVATION, SIGHT, RANGE or SHADOW.
    one, two : Ephemeris
        Of the two bodies, on one grid; `two` is None where the condition has one body.
    pairs : array, shape (pairs, 3)
        Row of `one`, row of `two`, row of `places`.
    places : array, shape (rows, n)
        What belongs to the kind, see above.
    window : (float, float)
        Start and end in seconds.

    Returns
    -------
    pair : array, shape (intervals,)
        Rows of `pairs`, ascending; intervals of a pair in order of time.
    start_s, end_s : array, shape (intervals,)
    """
    second = one if two is None else two  # without a second body its pieces are not looked at
    fastest = np.nan_to_num(np.nanmax(one.bounds[:, :, 0], axis=1, initial=0.0))
    owner, spans, count = _scan(
        kind,
        np.ascontiguousarray(one.pieces[:, :, :, 0]),
        one.pieces,
        one.bounds,
        second.pieces,
        second.bounds,
        np.ascontiguousarray(pairs, dtype=np.int64).reshape(-1, 3),
        np.ascontiguousarray(places, dtype=np.float64),
        fastest,
        one.step_s,
    )
    start = np.maximum(spans[:count, 0] + one.begin_s, window[0])
    end = np.minimum(spans[:count, 1] + one.begin_s, window[1])
    inside = end > start
    return owner[:count][inside], start[inside], end[inside]
