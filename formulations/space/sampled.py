"""Conditions too crooked for a bound of their curvature: horizon masks, slew rates.

They are looked at within intervals that are already known, every few seconds, and bisected where
the answer changes: what comes and goes between two looks is missed.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from ..compiled import kernel
from .conditions import at
from .earth import EARTH_RATE_RAD_PER_S

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .ephemeris import Ephemeris

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

#: HORIZON: the elevation above a mask that depends on the azimuth. `place`: station (3), east,
#: north, up (9), the least elevation, the number of corners of the mask, then their azimuths and,
#: at the middle of what follows, their elevations; radians.
#: SLEW: how much slower than a limit two terminals must turn to follow each other. `place`: limit.
HORIZON, SLEW = 0, 1

LOOK_S = 5.0
_TIME_S = 1e-6


@kernel
def _value(
    kind: int,
    pieces: Floats,
    i: int,
    others: Floats,
    j: int,
    place: Floats,
    time: float,
    step: float,
) -> float:
    k = min(max(int(time / step), 0), pieces.shape[1] - 1)
    s = time / step - k
    x, y, z, u, v, w = at(pieces[i, k], s, step)
    if kind == HORIZON:
        x -= place[0]
        y -= place[1]
        z -= place[2]
        east = x * place[3] + y * place[4] + z * place[5]
        north = x * place[6] + y * place[7] + z * place[8]
        up = x * place[9] + y * place[10] + z * place[11]
        elevation = math.atan2(up, math.sqrt(east * east + north * north))
        azimuth = math.atan2(east, north) % (2 * math.pi)
        room, low, high = (place.size - 14) // 2, 0, int(place[13]) - 1
        while high - low > 1:
            middle = (low + high) // 2
            if place[14 + middle] <= azimuth:
                low = middle
            else:
                high = middle
        share = (azimuth - place[14 + low]) / (place[14 + high] - place[14 + low])
        bottom, top = place[14 + room + low], place[14 + room + high]
        return float(elevation - max(place[12], bottom + share * (top - bottom)))
    p, q, r, a, b, c = at(others[j, k], s, step)
    rate = EARTH_RATE_RAD_PER_S
    u, v, a, b = u - rate * y, v + rate * x, a - rate * q, b + rate * p  # inertial velocities
    one = turning(x, y, z, u, v, w, p, q, r, a, b, c)
    two = turning(p, q, r, a, b, c, x, y, z, u, v, w)
    return float(place[0] - max(one, two))


@kernel
def turning(
    x: float,
    y: float,
    z: float,
    u: float,
    v: float,
    w: float,
    p: float,
    q: float,
    r: float,
    a: float,
    b: float,
    c: float,
) -> float:
    """How fast (rad/s) the first of two states must turn a terminal to the second.

    Velocities are inertial, the axes any that both share. Seen from a body that keeps one face to
    the Earth and one to its orbit's normal, which turns with r x v / r^2; the direction d of the
    other turns with d x v / d^2.
    """
    square = x * x + y * y + z * z
    body = ((y * w - z * v) / square, (z * u - x * w) / square, (x * v - y * u) / square)
    p, q, r, a, b, c = p - x, q - y, r - z, a - u, b - v, c - w
    far = p * p + q * q + r * r
    one = (q * c - r * b) / far - body[0]
    two = (r * a - p * c) / far - body[1]
    three = (p * b - q * a) / far - body[2]
    along = (one * p + two * q + three * r) / far
    one, two, three = one - along * p, two - along * q, three - along * r
    return math.sqrt(one * one + two * two + three * three)


@kernel
def _refine(
    kind: int,
    pieces: Floats,
    others: Floats,
    step: float,
    rows: Ints,
    starts: Floats,
    ends: Floats,
    places: Floats,
    look_s: float,
    room: int,
) -> tuple[Ints, Floats, int]:
    owner, spans = np.empty(room, dtype=np.int64), np.empty((room, 2))
    count = 0
    for n in range(rows.shape[0]):
        i, j, place = rows[n, 0], rows[n, 1], places[rows[n, 2]]
        looks = max(2, math.ceil((ends[n] - starts[n]) / look_s))
        before = _value(kind, pieces, i, others, j, place, starts[n], step)
        opened = starts[n] if before >= 0 else -math.inf
        for m in range(1, looks + 1):
            low = starts[n] + (ends[n] - starts[n]) * (m - 1) / looks
            high = starts[n] + (ends[n] - starts[n]) * m / looks
            after = _value(kind, pieces, i, others, j, place, high, step)
            if (before >= 0) != (after >= 0):
                while high - low > _TIME_S:
                    middle = 0.5 * (low + high)
                    value = _value(kind, pieces, i, others, j, place, middle, step)
                    if (value >= 0) == (before >= 0):
                        low = middle
                    else:
                        high = middle
                if opened == -math.inf:
                    opened = high
                else:
                    if count < room:
                        owner[count], spans[count, 0], spans[count, 1] = n, opened, low
                    count += 1
                    opened = -math.inf
            before = after
        if opened != -math.inf:
            if count < room:
                owner[count], spans[count, 0], spans[count, 1] = n, opened, ends[n]
            count += 1
    return owner, spans, count


def refine(
    kind: int,
    one: Ephemeris,
    two: Ephemeris | None,
    rows: Ints,
    start_s: Floats,
    end_s: Floats,
    places: Floats,
    look_s: float = LOOK_S,
) -> tuple[Ints, Floats, Floats]:
    """Parts of intervals in which a condition holds.

    Parameters
    ----------
    kind : int
        HORIZON or SLEW.
    one, two : Ephemeris
        Of the two bodies, on one grid; None where there is one body.
    rows : array, shape (intervals, 3)
        Row of `one`, row of `two`, row of `places` for each interval.
    start_s, end_s : array, shape (intervals,)
    places : array
        What belongs to the kind.
    look_s : float
        Longest time between two looks.

    Returns
    -------
    interval : array of int, shape (parts,)
        From which interval each part comes, ascending.
    start_s, end_s : array, shape (parts,)
    """
    second = one if two is None else two
    room = 2 * len(rows) + 64
    while True:
        owner, spans, count = _refine(
            kind,
            one.pieces,
            second.pieces,
            one.step_s,
            np.ascontiguousarray(rows, dtype=np.int64).reshape(-1, 3),
            start_s - one.begin_s,
            end_s - one.begin_s,
            np.ascontiguousarray(places, dtype=np.float64),
            look_s,
            room,
        )
        if count <= room:
            break
        room = count
    found = spans[:count] + one.begin_s
    return owner[:count], found[:, 0], found[:, 1]
