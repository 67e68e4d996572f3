"""Inter-satellite links over time: when two satellites see each other, and which links stand."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import checks
from ..compiled import kernel
from ..mean_elements import EARTH_FLATTENING, EARTH_RADIUS_M
from ..orbits import Constellation
from ..ranges import ranges
from .conditions import CLEAR, RANGE, SIGHT
from .ephemeris import Ephemeris, time_blocks
from .intervals import intervals
from .nearest import nearest_links
from .sampled import SLEW, refine
from .tables import frozen, named
from .topology import IslTopology, isl_pairs
from .window import Window, constellation_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .earth import EarthRotation

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Spans = tuple[Ints, Floats, Floats]


#: Perigees this little above the grazing height are looked at: a satellite below it sees nobody.
_SHELL_MARGIN_M = 100e3


@dataclass(frozen=True, slots=True, eq=False)
class IslTable:
    """Intervals in which inter-satellite links stand, by pair and time.

    Attributes
    ----------
    arrays : mapping of str to array, shape (intervals,)
        ``first_index``, ``second_index`` (int32, the smaller first), ``start_s``, ``end_s``.
        ``table["first"]`` and ``table["second"]`` are names.
    """

    constellation: Constellation
    window: Window
    arrays: Mapping[str, NDArray[Any]]

    def __len__(self) -> int:
        return len(self.arrays["start_s"])

    def __repr__(self) -> str:
        return (
            f"IslTable({len(self)} intervals of {len(self.constellation)} satellites, "
            f"{self.window.duration_s:g} s from {self.window.start:%FT%TZ})"
        )

    def __getitem__(self, column: str) -> NDArray[Any]:
        if column in ("first", "second"):
            return named(self.constellation.names, self.arrays[f"{column}_index"])
        return self.arrays[checks.known("IslTable column", column, tuple(self.arrays))]


def isl_windows(
    constellation: Constellation,
    topology: IslTopology | None = None,
    *,
    start: datetime,
    duration_s: float | None = None,
    end: datetime | None = None,
    engine: str = "sgp4",
    rotation: EarthRotation | None = None,
    on_progress: Any = None,
) -> IslTable:
    """Find when the links of a topology stand: in sight, in range, slow enough to follow.

    Parameters
    ----------
    constellation : Constellation
    topology : IslTopology, optional
        A plus-grid unless given.
    start, duration_s, end, engine, rotation, on_progress
        As in `passes`.

    Returns
    -------
    IslTable
    """
    window = Window.of("isl_windows", start, duration_s, end, engine, rotation, on_progress)
    whole = constellation_of("isl_windows", constellation)
    if topology is not None and not isinstance(topology, IslTopology):
        checks.fail("isl_windows.topology", topology, "an IslTopology")
    pairs, spans = standing(whole, topology if topology is not None else IslTopology(), window)
    owner, first, last = spans
    arrays: dict[str, NDArray[Any]] = {
        "first_index": pairs[owner, 0].astype(np.int32),
        "second_index": pairs[owner, 1].astype(np.int32),
        "start_s": first,
        "end_s": last,
    }
    return IslTable(whole, window, frozen(arrays))


def standing(
    constellation: Constellation, topology: IslTopology, window: Window
) -> tuple[Ints, Spans]:
    """Pairs, shape (pairs, 2), and the intervals (pair, start, end) in which they are linked."""
    pairs = isl_pairs(constellation, topology)
    if not topology.is_nearest:
        return pairs, _windows(constellation, pairs, topology, window)
    chosen, chosen_spans = nearest_links(constellation, topology, window, pairs)
    seen = _windows(constellation, chosen, topology, window)
    return chosen, intersect(chosen_spans, seen)


def _windows(
    constellation: Constellation, pairs: Ints, topology: IslTopology, window: Window
) -> Spans:
    """When each pair may be linked, whatever else its satellites do."""
    if not len(pairs):
        return np.empty(0, dtype=np.int64), np.empty(0), np.empty(0)
    chosen, flat = np.unique(pairs, return_inverse=True)
    rows = np.zeros((len(pairs), 3), dtype=np.int64)
    rows[:, :2] = flat.reshape(-1, 2)
    equator = EARTH_RADIUS_M + topology.grazing_altitude_m
    pole = EARTH_RADIUS_M * (1 - EARTH_FLATTENING) + topology.grazing_altitude_m
    margin = topology.grazing_altitude_m + _SHELL_MARGIN_M
    dips = np.array([constellation.satellites[k].perigee_altitude_m < margin for k in chosen])
    parts = []
    for body, span in time_blocks(constellation, chosen, window):
        shell = np.array([[equator**2, equator / pole]])
        spans = intervals(SIGHT, body, body, rows, shell, span)
        if dips.any():
            for side in (0, 1):
                spans = intersect(spans, _above_shell(body, rows[:, side], dips, shell, span))
        if math.isfinite(topology.max_range_m):
            reach = np.array([[topology.max_range_m**2]])
            spans = intersect(spans, intervals(RANGE, body, body, rows, reach, span))
        if topology.max_slew_deg_per_s is not None:
            limit = np.array([[math.radians(topology.max_slew_deg_per_s)]])
            part, low, high = refine(SLEW, body, body, rows[spans[0]], spans[1], spans[2], limit)
            spans = (spans[0][part], low, high)
        parts.append(spans)
        window.report(span[1] / window.duration_s)
    return _joined(parts)


def _above_shell(
    body: Ephemeris, row: Ints, low: NDArray[np.bool_], shell: Floats, span: tuple[float, float]
) -> Spans:
    """For each pair when its satellite in `row` is above the shell; always, unless it flies low."""
    bodies = np.zeros((len(low), 3), dtype=np.int64)
    bodies[:, 0] = np.arange(len(low))
    owner, start, end = intervals(CLEAR, body, None, bodies[low], shell, span)
    owner = np.concatenate([np.flatnonzero(low)[owner], np.flatnonzero(~low)])
    count = int((~low).sum())
    start = np.concatenate([start, np.full(count, span[0])])
    end = np.concatenate([end, np.full(count, span[1])])
    order = np.lexsort((start, owner))
    owner, start, end = owner[order], start[order], end[order]
    # The spans of each pair's satellite, pair after pair.
    first = np.searchsorted(owner, np.arange(len(low) + 1))
    pair, spot = ranges(first[row], np.diff(first)[row])
    return pair, start[spot], end[spot]


def _joined(parts: list[Spans]) -> Spans:
    """Intervals of consecutive stretches of time as one list, those that touch as one interval."""
    owner = np.concatenate([part[0] for part in parts])
    first = np.concatenate([part[1] for part in parts])
    last = np.concatenate([part[2] for part in parts])
    order = np.lexsort((first, owner))
    owner, first, last = owner[order], first[order], last[order]
    if not len(owner):
        return owner, first, last
    same = (owner[1:] == owner[:-1]) & (first[1:] - last[:-1] < 1e-6)
    return owner[np.r_[True, ~same]], first[np.r_[True, ~same]], last[np.r_[~same, True]]


def intersect(one: Spans, two: Spans) -> Spans:
    """What two lists of disjoint intervals, ascending by owner and time, have in common."""
    owner, spans, count = _intersect(*one, *two)
    return owner[:count], spans[:count, 0], spans[:count, 1]


@kernel
def _intersect(
    owner1: Ints, first1: Floats, last1: Floats, owner2: Ints, first2: Floats, last2: Floats
) -> tuple[Ints, Floats, int]:
    room = owner1.size + owner2.size
    owner, spans, count = np.empty(room, dtype=np.int64), np.empty((room, 2)), 0
    i, j = 0, 0
    while i < owner1.size and j < owner2.size:
        if owner1[i] != owner2[j]:
            if owner1[i] < owner2[j]:
                i += 1
            else:
                j += 1
            continue
        low, high = max(first1[i], first2[j]), min(last1[i], last2[j])
        if low < high:
            owner[count], spans[count, 0], spans[count, 1] = owner1[i], low, high
            count += 1
        if last1[i] < last2[j]:
            i += 1
        else:
            j += 1
    return owner, spans, count
