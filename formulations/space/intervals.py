"""When is a condition between two moving bodies true? Every interval, none missed.

A condition is a smooth function f of time, true where f > 0; `conditions` has them. In a segment
of length w an upper bound M of the second derivative decides what can be decided:

- ends of one sign and both beyond M w^2 / 8: no change of sign inside;
- a slope beyond M w at an end: f is monotone, so its ends tell whether there is one root;
- else the segment is halved.

So an excursion is missed only if it lasts less than a millisecond, however short the pass and
however long the segment. Distances in m, times in s.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..compiled import kernel
from .conditions import ELEVATION, condition, curvature

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .ephemeris import Ephemeris

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

_SHORTEST_S = 1e-3
_ROOT_S = 1e-7


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
            bend = curvature(
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
        What belongs to the kind, see `conditions`.
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
