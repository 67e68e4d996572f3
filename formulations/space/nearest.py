"""Links that come and go: free terminals turn to the nearest satellites in sight.

At every step links that are still in sight and in range stay; then the free terminals are given
out by distance among near satellites, the shortest link first, each satellite keeping to its number
of terminals, round after round until no two satellites in sight of each other have one to spare. A
terminal that turns to a new partner is idle until it has turned there and locked on.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from ..compiled import kernel
from ..mean_elements import EARTH_FLATTENING, EARTH_RADIUS_M
from ..orbits import Constellation
from .conditions import at
from .earth import EARTH_RATE_RAD_PER_S
from .ephemeris import time_blocks
from .topology import IslTopology
from .window import Window

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Spans = tuple[Ints, Floats, Floats]

#: Candidates per satellite at a step, as a multiple of its terminals.
_CANDIDATES = 4


def nearest_links(
    constellation: Constellation, topology: IslTopology, window: Window, fixed: Ints
) -> tuple[Ints, Spans]:
    """Pairs that are linked at some time and when, to a step; `fixed` pairs always.

    Complexity: O(steps x satellites x terminals), with a tree of neighbours per step.
    """
    count, terminals = len(constellation), topology.terminals
    equator = EARTH_RADIUS_M + topology.grazing_altitude_m
    pole = EARTH_RADIUS_M * (1 - EARTH_FLATTENING) + topology.grazing_altitude_m
    limits = np.array([equator**2, equator / pole, topology.max_range_m**2])
    slew = topology.max_slew_deg_per_s
    turn_s = 0.0 if slew is None else 1 / math.radians(slew)
    partner = np.full((count, terminals), -1, dtype=np.int64)
    for a, b in fixed:  # their terminals are taken
        for one, two in ((a, b), (b, a)):
            partner[one, np.argmax(partner[one] < 0)] = two
    held = partner >= 0
    since = np.zeros((count, terminals))
    pointing = np.full((count, terminals, 3), np.nan)
    links: list[tuple[Ints, Floats]] = []
    for body, (low, high) in time_blocks(constellation, np.arange(count), window):
        first = math.ceil(low / topology.step_s - 1e-9)
        last = math.ceil(high / topology.step_s - 1e-9)
        for k in range(first, last):
            time = k * topology.step_s
            state = _states(body.pieces, body.step_s, time - body.begin_s)
            delay = 0.0 if k == 0 else topology.acquisition_s
            pairs = np.empty((0, 2), dtype=np.int64)
            while True:  # first what ended, then rounds of new links until none is added
                before = int((partner >= 0).sum())
                rows, spans, size = _assign(
                    state,
                    pairs,
                    limits,
                    partner,
                    held,
                    since,
                    pointing,
                    time,
                    delay,
                    turn_s,
                    k == 0,
                )
                links.append((rows[:size], spans[:size]))
                if len(pairs) and int((partner >= 0).sum()) == before:
                    break
                free = np.asarray((partner < 0).any(axis=1), dtype=np.bool_)
                pairs = _candidates(state[:, :3], free, terminals, topology.max_range_m, equator)
                if not len(pairs):
                    break
    links.append(_still_standing(partner, since, window.duration_s))
    rows = np.concatenate([part[0] for part in links])
    spans = np.concatenate([part[1] for part in links])
    keep = spans[:, 1] > spans[:, 0]
    key, owner = np.unique(rows[keep, 0] * count + rows[keep, 1], return_inverse=True)
    pairs = np.stack([key // count, key % count], axis=1)
    start, end = spans[keep, 0], spans[keep, 1]
    order = np.lexsort((start, owner))
    return pairs, (owner[order], start[order], end[order])


def _candidates(
    position: Floats, free: NDArray[np.bool_], terminals: int, reach: float, equator: float
) -> Ints:
    """Pairs of near satellites with free terminals, the nearest first, shape (pairs, 2)."""
    from scipy.spatial import KDTree  # a fifth of a second to import

    alive = np.flatnonzero(np.isfinite(position[:, 0]) & free)
    if len(alive) < 2:
        return np.empty((0, 2), dtype=np.int64)
    radius = np.linalg.norm(position[alive], axis=1).max()
    farthest = min(reach, 2 * math.sqrt(max(radius**2 - (0.99 * equator) ** 2, 1.0)))
    near = min(_CANDIDATES * terminals + 1, len(alive))
    gap, other = KDTree(position[alive]).query(
        position[alive], k=near, distance_upper_bound=farthest
    )
    row = np.repeat(np.arange(len(alive)), near)
    gap, other = gap.ravel(), other.ravel()
    good = np.isfinite(gap) & (other != row)
    low, high = np.minimum(row, other)[good], np.maximum(row, other)[good]
    key, once = np.unique(low * len(alive) + high, return_index=True)
    key = key[np.argsort(gap[good][once], kind="stable")]
    found: Ints = alive[np.stack([key // len(alive), key % len(alive)], axis=1)].astype(np.int64)
    return found


def _still_standing(partner: Ints, since: Floats, end: float) -> tuple[Ints, Floats]:
    one, terminal = np.nonzero(partner > np.arange(len(partner))[:, None])
    rows = np.stack([one, partner[one, terminal]], axis=1)
    spans = np.stack([since[one, terminal], np.full(len(one), end)], axis=1)
    return rows, spans


@kernel
def _states(pieces: Floats, step: float, time: float) -> Floats:
    """Position and Earth-fixed velocity of all satellites at a time, shape (satellites, 6)."""
    k = min(max(int(time / step), 0), pieces.shape[1] - 1)
    found = np.empty((pieces.shape[0], 6))
    for n in range(pieces.shape[0]):
        found[n, 0], found[n, 1], found[n, 2], found[n, 3], found[n, 4], found[n, 5] = at(
            pieces[n, k], time / step - k, step
        )
    return found


@kernel
def _in_sight(state: Floats, i: int, j: int, limits: Floats) -> bool:
    x, y, z = state[i, 0], state[i, 1], state[i, 2]
    p, q, r = state[j, 0], state[j, 1], state[j, 2]
    if not (x - p) ** 2 + (y - q) ** 2 + (z - r) ** 2 <= limits[2]:
        return False
    z, r = z * limits[1], r * limits[1]
    one, two = x * x + y * y + z * z - limits[0], p * p + q * q + r * r - limits[0]
    if one <= 0 or two <= 0:
        return False
    return bool(x * p + y * q + z * r - limits[0] + math.sqrt(one * two) > 0)


@kernel
def _direction(state: Floats, i: int, j: int, found: Floats) -> None:
    """Unit vector from i to j in axes along i's radius, its orbit's normal and across both."""
    x, y, z = state[i, 0], state[i, 1], state[i, 2]
    u = state[i, 3] - EARTH_RATE_RAD_PER_S * y
    v = state[i, 4] + EARTH_RATE_RAD_PER_S * x
    w = state[i, 5]
    radius = math.sqrt(x * x + y * y + z * z)
    a, b, c = x / radius, y / radius, z / radius
    e, f, g = b * w - c * v, c * u - a * w, a * v - b * u
    size = math.sqrt(e * e + f * f + g * g)
    e, f, g = e / size, f / size, g / size
    p, q, r = state[j, 0] - x, state[j, 1] - y, state[j, 2] - z
    far = math.sqrt(p * p + q * q + r * r)
    found[0] = (p * a + q * b + r * c) / far
    found[1] = (p * e + q * f + r * g) / far
    found[2] = (p * (f * c - g * b) + q * (g * a - e * c) + r * (e * b - f * a)) / far


@kernel
def _assign(
    state: Floats,
    pairs: Ints,
    limits: Floats,
    partner: Ints,
    held: NDArray[np.bool_],
    since: Floats,
    pointing: Floats,
    time: float,
    delay: float,
    turn_s: float,
    ready: bool,
) -> tuple[Ints, Floats, int]:
    """One step: drop what is out of sight, link what is near; returns the links that ended."""
    count, terminals = partner.shape
    rows, spans = np.empty((count * terminals, 2), dtype=np.int64), np.empty((count * terminals, 2))
    ended = 0
    aim, aim_back = np.empty(3), np.empty(3)
    for i in range(count):
        for m in range(terminals):
            j = partner[i, m]
            if j < 0 or held[i, m]:
                continue
            if _in_sight(state, i, j, limits):
                _direction(state, i, j, pointing[i, m])
                continue
            partner[i, m] = -1
            if i < j:
                rows[ended, 0], rows[ended, 1] = i, j
                spans[ended, 0], spans[ended, 1] = since[i, m], time
                ended += 1
    for k in range(pairs.shape[0]):
        i, j = pairs[k, 0], pairs[k, 1]
        linked, free_i, free_j = False, False, False
        for m in range(terminals):
            linked |= partner[i, m] == j
            free_i |= partner[i, m] < 0
            free_j |= partner[j, m] < 0
        if linked or not free_i or not free_j or not _in_sight(state, i, j, limits):
            continue
        _direction(state, i, j, aim)
        _direction(state, j, i, aim_back)
        one, angle = _nearest_terminal(partner[i], pointing[i], aim)
        two, angle_back = _nearest_terminal(partner[j], pointing[j], aim_back)
        begin = time if ready else time + delay + turn_s * max(angle, angle_back)
        partner[i, one], partner[j, two] = j, i
        since[i, one], since[j, two] = begin, begin
        pointing[i, one], pointing[j, two] = aim, aim_back
    return rows, spans, ended


@kernel
def _nearest_terminal(partner: Ints, pointing: Floats, aim: Floats) -> tuple[int, float]:
    """The free terminal that has least to turn, and how much (rad); a new one need not turn."""
    best, least = -1, math.inf
    for m in range(partner.size):
        if partner[m] >= 0:
            continue
        angle = 0.0
        if pointing[m, 0] == pointing[m, 0]:
            dot = (pointing[m] * aim).sum()
            angle = math.acos(min(max(dot, -1.0), 1.0))
        if angle < least:
            best, least = m, angle
    return best, least
