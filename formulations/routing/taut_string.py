"""A string pulled taut over satellites that may stand anywhere: the shortest path of all.

A path goes from a station up to a satellite, from satellite to satellite, and down. Satellites
stand at a radius of at least ``r`` from the Earth's centre; the line between two of them clears a
ball of radius ``R`` and is at most ``L`` long; a station at radius ``a < r`` sees what stands at
least ``e`` above its horizon and at most ``G`` away.

**Between satellites.** A hop of length ``l`` whose ends both stand at radius r turns by
``2 asin(l / 2r)`` about the centre. It clears R and keeps within L exactly while it turns by at
most ``2x``, ``x = min(acos(R / r), asin(L / 2r))``. What of a hop lies beyond radius r turns by
``d / rho^2`` per metre (rho: how far from the centre, d: how near its line comes to it), so by less
than ``1 / r``. A hop that turns by t is thus at least as long as hops at radius r that turn by t
together, and of those, sines being concave, as many as fit that turn by 2x and one that turns by
the rest are the shortest::

    g(t) = 2 r (m sin x + sin(t / 2 - m x)),   m = floor(t / 2x)

The turns of a path add up to the angle between its ends or more, g grows with t, and so no path of
satellites that ends at an angle t is shorter than g(t). It stays clear of a ball of radius
``r cos x``, too, so it is no shorter than a string pulled taut round that ball.

**From the ground.** A link that reaches radius r after turning by alpha is
``s(alpha) = sqrt(a^2 + r^2 - 2 a r cos alpha)`` long up to there, and alpha is at most
``acos(a cos(e) / r) - e``. One more unit of alpha costs ``s' = d <= a`` (d again how near its line
comes to the centre) and spares ``g' = r cos(t / 2 - m x) >= r cos x``. So the flattest links are
best where ``a <= r cos x``; if not, every unit of alpha loses at most ``a - r cos x``, which the
bound gives away. Where one satellite could serve both stations, it is the point of least ``s + s``
on the sphere of radius r, whoever sees it.

The straight line is always a bound as well, and the only one where a place is not what it is taken
for: a station above the lowest satellite, or a satellite below it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Places:
    """Places where paths begin or end.

    Attributes
    ----------
    position : array, shape (..., 3)
    elevation : array, shape (...)
        Least elevation over the geocentric horizon (rad) at which a link leaves; of stations only.
    ground : bool
    """

    position: Floats
    elevation: Floats
    ground: bool

    @property
    def radius(self) -> Floats:
        """Distance from the Earth's centre, shape (...)."""
        found: Floats = np.linalg.norm(self.position, axis=-1)
        return found

    def turned(self, angles: Floats) -> Places:
        """One place on the ground in a frame against which the Earth is turned, shape (angles,)."""
        x, y, z = self.position.reshape(3)
        cosine, sine = np.cos(angles), np.sin(angles)
        place = np.stack([x * cosine - y * sine, x * sine + y * cosine, z + 0 * angles], axis=-1)
        return Places(place, np.broadcast_to(self.elevation, angles.shape), True)


@dataclass(frozen=True, slots=True)
class Room:
    """What paths keep to; all in m.

    Attributes
    ----------
    lowest : array
        Radius at or above which satellites stand.
    clear : float
        Radius of the ball that hops clear.
    hop, ground : float
        Longest links between satellites, and to stations.
    """

    lowest: Floats | np.float64
    clear: float
    hop: float
    ground: float

    @property
    def turn(self) -> Floats:
        """x: half of the angle by which one hop at the lowest radius may turn."""
        sight = np.arccos(np.minimum(self.clear / self.lowest, 1.0))
        reach = np.arcsin(np.minimum(self.hop / (2 * self.lowest), 1.0))
        found: Floats = np.maximum(np.minimum(sight, reach), 1e-6)
        return found

    def hops(self, angle: Floats) -> Floats:
        """g: least length of hops that turn by an angle."""
        x = self.turn
        full = np.floor(angle / (2 * x))
        found: Floats = 2 * self.lowest * (full * np.sin(x) + np.sin(angle / 2 - full * x))
        return found

    def climb(self, radius: Floats, angle: Floats) -> Floats:
        """s: from a station to the lowest radius."""
        square = (self.lowest - radius) ** 2 + 4 * radius * self.lowest * np.sin(angle / 2) ** 2
        found: Floats = np.sqrt(square)
        return found

    def widest(self, radius: Floats, elevation: Floats) -> Floats:
        """By how much a link from a station turns at most up to the lowest radius."""
        up = np.arccos(np.minimum(radius * np.cos(elevation) / self.lowest, 1.0)) - elevation
        square = radius**2 + self.lowest**2 - min(self.ground, 1e9) ** 2
        found: Floats = np.minimum(
            up, np.arccos(np.clip(square / (2 * radius * self.lowest), -1, 1))
        )
        return found


def least_metres(a: Places, b: Places, room: Room) -> Floats:
    """Least length of a path between places that keeps to `room`; shapes are broadcast."""
    one, two = a.radius, b.radius
    cross = np.linalg.norm(np.cross(a.position, b.position), axis=-1)
    angle = np.arctan2(cross, (a.position * b.position).sum(axis=-1))
    straight = np.linalg.norm(a.position - b.position, axis=-1)
    if a.ground and b.ground:
        found = _both_on_ground(a, b, angle, room)
    elif a.ground:
        found = _one_on_ground(a, angle, room)
    elif b.ground:
        found = _one_on_ground(b, angle, room)
    else:
        ball = room.lowest * np.cos(room.turn)
        found = np.maximum(room.hops(angle), _taut(one, two, angle, ball))
    # Where a place is not where satellites or stations are, only the straight line is sure.
    sound = (one < room.lowest if a.ground else one >= room.lowest * (1 - 1e-12)) & (
        two < room.lowest if b.ground else two >= room.lowest * (1 - 1e-12)
    )
    least: Floats = np.where(straight > 0, np.maximum(straight, np.where(sound, found, 0.0)), 0.0)
    return least


def _both_on_ground(a: Places, b: Places, angle: Floats, room: Room) -> Floats:
    one, two = a.radius, b.radius
    left, right = room.widest(one, a.elevation), room.widest(two, b.elevation)
    rest = angle - left - right
    several = room.climb(one, left) + room.climb(two, right) + room.hops(np.maximum(rest, 0.0))
    found: Floats = np.where(rest >= 0, several, _over_one(one, two, angle, room))
    for end, widest in ((a, left), (b, right)):
        found = found - _given_away(end, np.minimum(widest, angle), room)
    return found


def _one_on_ground(a: Places, angle: Floats, room: Room) -> Floats:
    radius = a.radius
    widest = room.widest(radius, a.elevation)
    climb = room.climb(radius, np.minimum(widest, angle))
    found: Floats = climb + room.hops(np.maximum(angle - widest, 0.0))
    return found - _given_away(a, np.minimum(widest, angle), room)


def _given_away(a: Places, turn: Floats, room: Room) -> Floats:
    """What hops may spare a station's link of so much turn, where it is higher than they dip."""
    steepest = a.radius * np.cos(np.maximum(a.elevation, 0.0))
    found: Floats = np.maximum(steepest - room.lowest * np.cos(room.turn), 0.0) * turn
    return found


def _over_one(one: Floats, two: Floats, angle: Floats, room: Room) -> Floats:
    """Least way over a single satellite, wherever it is seen; by bisection of the slope.

    Convex while the satellite stands above both horizons; beyond, just up and down.
    """
    lowest = room.lowest
    horizon, horizon2 = (np.arccos(np.minimum(r / lowest, 1.0)) for r in (one, two))
    low, high = np.maximum(angle - horizon2, 0.0), np.minimum(angle, horizon)
    both = low <= high
    for _ in range(60):
        middle = 0.5 * (low + high)
        rise = one * np.sin(middle) / np.maximum(room.climb(one, middle), 1e-9)
        fall = two * np.sin(angle - middle) / np.maximum(room.climb(two, angle - middle), 1e-9)
        low, high = np.where(rise < fall, middle, low), np.where(rise < fall, high, middle)
    way = room.climb(one, low) + room.climb(two, angle - low)
    found: Floats = np.where(both, way, 2 * lowest - one - two)
    return found


def _taut(one: Floats, two: Floats, angle: Floats, ball: Floats) -> Floats:
    """A string between two places outside of a ball, pulled taut round it."""
    round_ = angle - np.arccos(np.minimum(ball / one, 1.0)) - np.arccos(np.minimum(ball / two, 1.0))
    tangents = sum(np.sqrt(np.maximum(r * r - ball * ball, 0.0)) for r in (one, two))
    found: Floats = np.where(round_ > 0, tangents + ball * round_, 0.0)
    return found
