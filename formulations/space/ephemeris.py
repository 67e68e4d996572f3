"""Smooth Earth-fixed trajectories: quintic pieces through the positions of a propagator.

Between two nodes a coordinate is the quintic that meets position, velocity and acceleration at
both; the two derivatives come from the positions at eleven nodes by central differences. (SGP4's
own velocities are not the derivatives of its positions: they are off by up to 0.3 m/s, which
would move a curve by 30 m.) The error is of sixth order in the step: below 1.5 m at
`node_step`, 0.2 ms of a low orbit's pass. Nodes stand at whole multiples of the step since
J2000, whatever the window: a shifted or a split window meets the same curves.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np

from ..compiled import kernel
from ..instants import J2000, seconds_between
from ..mean_elements import EARTH_MU
from ..orbits import Constellation
from ..satellites import Satellite
from .earth import sun_direction
from .propagate import states
from .window import Window

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

#: Steps between nodes (s) to choose from, and the angle (rad) about the perigee that one may span.
STEPS = (15.0, 30.0, 60.0, 120.0, 180.0, 240.0, 300.0, 360.0, 600.0, 900.0)
_ANGLE = 0.41

#: Central differences over REACH nodes at either side, for a step of 1 (Fornberg, Mathematics of
#: Computation 51, 1988): weights of f(+m) - f(-m) and of f(+m) - 2 f(0) + f(-m).
REACH = 5
_SLOPE = np.array([5 / 6, -5 / 21, 5 / 84, -5 / 504, 1 / 1260])
_BEND = np.array([5 / 3, -5 / 21, 5 / 126, -5 / 1008, 1 / 3150])

#: Bytes of trajectories that are held at a time.
BLOCK_BYTES = 96e6
SEGMENT_BYTES = 250.0  # 18 coefficients, 2 bounds, and the states that they come from


@dataclass(frozen=True, slots=True, eq=False)
class Ephemeris:
    """Trajectories of some satellites over a uniform grid of segments.

    Attributes
    ----------
    index : array, shape (satellites,)
        Positions in the constellation.
    begin_s, step_s : float
        Time of node 0 in seconds of the window (0 or before), and the length of a segment.
    pieces : array, shape (satellites, segments, 3, 6)
        Coefficients of x, y, z (m, Earth-fixed) in powers of the place s in the segment, 0 to 1;
        NaN where the propagator gave up.
    bounds : array, shape (satellites, segments, 2)
        Upper bounds of speed (m/s) and acceleration (m/s^2) in the segment.
    """

    index: NDArray[np.int64]
    begin_s: float
    step_s: float
    pieces: Floats
    bounds: Floats

    @property
    def gaps(self) -> NDArray[np.bool_]:
        """Segments in which nothing is known, shape (satellites, segments)."""
        return np.asarray(np.isnan(self.pieces).any(axis=(2, 3)), dtype=np.bool_)

    def known_s(self, window: Window) -> Floats:
        """Seconds of a window in which each satellite has a position, shape (satellites,)."""
        begin = self.begin_s + self.step_s * np.arange(self.pieces.shape[1])
        inside = np.minimum(begin + self.step_s, window.duration_s) - np.maximum(begin, 0.0)
        seconds: Floats = (~self.gaps * np.maximum(inside, 0.0)).sum(axis=1)
        return seconds

    def positions(self, row: int, times_s: Floats) -> Floats:
        """Earth-fixed positions (m) of one satellite, shape (times, 3)."""
        place = (np.asarray(times_s, dtype=np.float64) - self.begin_s) / self.step_s
        k = np.clip(place.astype(np.int64), 0, self.pieces.shape[1] - 1)
        powers = (place - k)[:, None, None] ** np.arange(6)
        found: Floats = np.einsum("tcp,tqp->tc", self.pieces[row, k], powers)
        return found


def node_step(satellite: Satellite) -> float:
    """Step between nodes (s) that suits an orbit: shorter the faster its perigee goes by."""
    e = satellite.eccentricity
    perigee = satellite.semi_major_axis_m * (1 - e)
    rate = math.sqrt(EARTH_MU * (1 + e) / perigee**3) * (1 + 3 * e)
    fits = [step for step in STEPS if step * rate <= _ANGLE]
    return fits[-1] if fits else STEPS[0]


def ephemerides(constellation: Constellation, window: Window) -> Iterator[Ephemeris]:
    """All satellites over the whole window, block by block, satellites of one step together."""
    steps = np.array([node_step(row) for row in constellation.satellites])
    failing = [np.empty(0, dtype=np.int64)]
    for step in np.unique(steps):
        for body in _batches(constellation, np.flatnonzero(steps == step), window, step):
            failed = body.gaps.any(axis=1)
            if not failed.any() or step == STEPS[0]:
                yield body
                continue
            failing.append(body.index[failed])
            if not failed.all():
                keep = ~failed
                yield Ephemeris(
                    body.index[keep],
                    body.begin_s,
                    body.step_s,
                    body.pieces[keep],
                    body.bounds[keep],
                )
    # Where a propagator gives up, five nodes before it are lost to the differences: short steps
    # lose little.
    yield from _batches(constellation, np.concatenate(failing), window, STEPS[0])


def _batches(
    constellation: Constellation, chosen: NDArray[np.int64], window: Window, step: float
) -> Iterator[Ephemeris]:
    """Satellites of one step, as many at a time as memory holds."""
    size = max(1, int(BLOCK_BYTES / (SEGMENT_BYTES * (window.duration_s / step + 4))))
    for k in range(0, len(chosen), size):
        yield ephemeris(constellation, chosen[k : k + size], window, window.span, step)


def time_blocks(
    constellation: Constellation, chosen: NDArray[np.int64], window: Window
) -> Iterator[tuple[Ephemeris, tuple[float, float]]]:
    """The satellites at `chosen` on one grid, a stretch of time after another, with its ends."""
    step = min(node_step(constellation.satellites[k]) for k in chosen)
    long = max(1, int(BLOCK_BYTES / (SEGMENT_BYTES * len(chosen)))) * step
    for span in _stretches(window.span, long):
        body = ephemeris(constellation, chosen, window, span, step)
        if step == STEPS[0] or not body.gaps.any():
            yield body, span
            continue
        for part in _stretches(span, long * STEPS[0] / step):  # see `ephemerides`
            yield ephemeris(constellation, chosen, window, part, STEPS[0]), part


def _stretches(span: tuple[float, float], long: float) -> Iterator[tuple[float, float]]:
    """A span cut into stretches of at most so many seconds."""
    count = max(1, math.ceil((span[1] - span[0]) / long))
    for k in range(count):
        yield span[0] + k * long, min(span[0] + (k + 1) * long, span[1])


def ephemeris(
    constellation: Constellation,
    chosen: NDArray[np.int64],
    window: Window,
    span: tuple[float, float],
    step_s: float,
) -> Ephemeris:
    """Trajectories of the satellites at `chosen` over a span of a window, and a little beyond."""
    first, count = _grid(window.start, *span, step_s)
    nodes = _nodes(first, count, step_s)
    satellites = [constellation.satellites[k] for k in chosen]
    position, _ = states(satellites, window.start, nodes, window.engine)
    return _through(chosen, position, window.rotation.angle(window.start, nodes), first, step_s)


def sun_ephemeris(like: Ephemeris, window: Window) -> Ephemeris:
    """The Sun's Earth-fixed trajectory over the grid of another ephemeris, one row."""
    count = like.pieces.shape[1]
    nodes = _nodes(like.begin_s, count, like.step_s)
    direction, distance = sun_direction(seconds_between(J2000, window.start) + nodes)
    position = (direction * distance[:, None])[None]
    turn = window.rotation.angle(window.start, nodes)
    return _through(np.zeros(1, dtype=np.int64), position, turn, like.begin_s, like.step_s)


def _nodes(first: float, count: int, step: float) -> Floats:
    """Times of the nodes of a grid, and of those beyond its ends that differences look at."""
    places = np.arange(-REACH, count + 1 + REACH, dtype=np.float64)
    times: Floats = first + step * places
    return times


def _through(
    index: NDArray[np.int64], position: Floats, turn: Floats, first: float, step: float
) -> Ephemeris:
    """Pieces through inertial positions at `_nodes`, turned with the Earth."""
    segments = position.shape[1] - 2 * REACH - 1
    pieces = np.empty((len(index), segments, 3, 6))
    bounds = np.empty((len(index), segments, 2))
    _pieces(position, np.cos(turn), np.sin(turn), step, _SLOPE, _BEND, pieces, bounds)
    return Ephemeris(index, first, step, pieces, bounds)


def _grid(start: datetime, begin_s: float, end_s: float, step_s: float) -> tuple[float, int]:
    """First node (s of the window) and number of segments that cover the window."""
    origin = seconds_between(J2000, start)
    first = math.floor((origin + begin_s) / step_s)
    last = math.ceil((origin + end_s) / step_s)
    return first * step_s - origin, max(last - first, 1)


@kernel
def _pieces(
    position: Floats,
    cosine: Floats,
    sine: Floats,
    step: float,
    slope: Floats,
    bend: Floats,
    pieces: Floats,
    bounds: Floats,
) -> None:
    """Turn inertial positions at the nodes into Earth-fixed quintics."""
    satellites, nodes = position.shape[0], position.shape[1]
    reach = slope.size
    r, v, a = np.empty((3, nodes)), np.empty((3, nodes)), np.empty((3, nodes))
    ends, middle = np.empty(4), np.empty(2)
    for n in range(satellites):
        for k in range(nodes):
            x, y = position[n, k, 0], position[n, k, 1]
            r[0, k] = cosine[k] * x + sine[k] * y
            r[1, k] = cosine[k] * y - sine[k] * x
            r[2, k] = position[n, k, 2]
        for j in range(3):
            for k in range(reach, nodes - reach):
                first, second = 0.0, 0.0
                for m in range(reach):
                    ahead, behind = r[j, k + m + 1], r[j, k - m - 1]
                    first += slope[m] * (ahead - behind)
                    second += bend[m] * (ahead - 2 * r[j, k] + behind)
                v[j, k], a[j, k] = first, second
        for k in range(reach, nodes - reach - 1):
            ends[:] = 0.0
            middle[:] = 0.0
            for j in range(3):  # v and a are per step and per step squared
                c0, c1, c2 = r[j, k], v[j, k], 0.5 * a[j, k]
                d = r[j, k + 1] - c0 - c1 - c2
                e = v[j, k + 1] - c1 - 2 * c2
                f = a[j, k + 1] - 2 * c2
                c3, c4, c5 = 10 * d - 4 * e + 0.5 * f, -15 * d + 7 * e - f, 6 * d - 3 * e + 0.5 * f
                piece = pieces[n, k - reach, j]
                piece[0], piece[1], piece[2], piece[3], piece[4], piece[5] = c0, c1, c2, c3, c4, c5
                ends[0] += v[j, k] ** 2
                ends[1] += v[j, k + 1] ** 2
                ends[2] += a[j, k] ** 2
                ends[3] += a[j, k + 1] ** 2
                middle[0] += (c1 + c2 + 0.75 * c3 + 0.5 * c4 + 0.3125 * c5) ** 2
                middle[1] += (2 * c2 + 3 * c3 + 3 * c4 + 2.5 * c5) ** 2
            # Speed and force change little within a step (`node_step`): the largest of three
            # looks, and a margin.
            speed = math.sqrt(max(ends[0], ends[1], middle[0])) / step
            force = math.sqrt(max(ends[2], ends[3], middle[1])) / (step * step)
            bounds[n, k - reach, 0] = 1.03 * speed
            bounds[n, k - reach, 1] = 1.1 * force
