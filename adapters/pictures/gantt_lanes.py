"""Schedules as bars in lanes: which share of a station's antennas each transfer takes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from ...formulations import checks
from ...formulations.passes.schedule import PassSchedule
from ..antenna_uses import antenna_uses
from .lanes import MOST_LANES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]

ROWS = ("station", "satellite")


@dataclass(frozen=True, slots=True, eq=False)
class Gantt:
    """Bars of a schedule in lanes.

    Attributes
    ----------
    rows : str
        What a lane is: ``"station"`` or ``"satellite"``.
    node : array of int, shape (lanes,)
        Position of each lane's node in the plan.
    total : int
        How many lanes there would be.
    lane, priority : array of int, shape (bars,)
    start_s, end_s : array, shape (bars,)
    low, high : array, shape (bars,)
        Where a bar begins and ends across its lane, 0 to 1: the share of the lane's antennas.
    taken_lane : array of int, shape (uses,)
        With set-up and tear-down, the lane of each use of an antenna.
    taken_s : array, shape (uses, 4)
        When set-up begins and ends, when tear-down begins and ends.
    taken_low, taken_high : array, shape (uses,)
    hidden : int
        Transfers that are in no lane: those between satellites.
    """

    rows: str
    node: Ints
    total: int
    lane: Ints
    priority: Ints
    start_s: Floats
    end_s: Floats
    low: Floats
    high: Floats
    taken_lane: Ints
    taken_s: Floats
    taken_low: Floats
    taken_high: Floats
    hidden: int

    @property
    def size(self) -> tuple[float, float]:
        """Width and height of a figure (in) that suits them."""
        each = 0.42 if len(self.node) <= 20 else 0.24
        return 10.5, 1.8 + min(max(each * len(self.node), 0.9), 13.0)


def gantt_lanes(schedule: PassSchedule, rows: str | None = None) -> Gantt:
    """Put a schedule into lanes of stations or of satellites; O(n log n) in its transfers."""
    problem, moves = schedule.problem, schedule.moves
    plan = problem.plan
    ground = np.array([node.kind == "ground" for node in plan.nodes])
    ends = np.stack([plan.arrays["source"], plan.arrays["target"]], axis=1).astype(np.int64)
    if rows is None:
        rows = "station" if ground.any() else "satellite"
    checks.known("draw_gantt.rows", rows, ROWS)
    wanted = ground if rows == "station" else ~ground
    if not wanted.any():
        checks.fail("draw_gantt.rows", rows, f"a plan with nodes that are a {rows}")
    node = _lane_ends(ends, wanted, ground)
    row = np.flatnonzero((moves.volume_bytes > 0) & (node[moves.contact] >= 0))
    seconds = moves.antenna_seconds(problem)
    busy = np.bincount(node[moves.contact[row]], weights=seconds[row], minlength=len(wanted))
    mine = np.flatnonzero(wanted)
    chosen = np.sort(mine[np.argsort(-busy[mine], kind="stable")[:MOST_LANES]])
    lane_of = np.full(len(wanted), -1)
    lane_of[chosen] = np.arange(len(chosen))
    lane_of = np.append(lane_of, -1)[node]  # of each contact
    row = row[lane_of[moves.contact[row]] >= 0]
    if problem.is_exclusive:
        row = row[problem.uses_antenna[moves.contact[row]]]
    hidden = int(((moves.volume_bytes > 0) & (node[moves.contact] < 0)).sum())
    count = problem.antenna_count[chosen]
    priority = np.array([demand.priority for demand in problem.demands], dtype=np.int64)
    share = seconds[row] / np.maximum(moves.end_s[row] - moves.start_s[row], 1e-300)
    bars = _Bars(
        lane_of[moves.contact[row]],
        moves.contact[row].astype(np.int64),
        priority[moves.demand[row]],
        moves.start_s[row],
        moves.end_s[row],
        share,
    )
    if not problem.is_exclusive:
        stacked, peak = _stacked(bars, len(chosen))
        height = np.where(np.isfinite(count), count, np.maximum(np.ceil(peak - 1e-6), 1.0))
        scale = 1 / height[stacked.lane]
        low, high = stacked.low * scale, np.minimum(stacked.high * scale, 1.0)
        none = np.empty(0)
        taken = (np.empty(0, dtype=np.int64), np.empty((0, 4)), none, none)
    else:
        stacked, low, high, taken = _exclusive(schedule, bars, row, lane_of, count)
    return Gantt(
        rows,
        chosen,
        len(mine),
        stacked.lane,
        stacked.priority,
        stacked.start_s,
        stacked.end_s,
        low,
        high,
        *taken,
        hidden,
    )


def _lane_ends(ends: Ints, wanted: Bools, ground: Bools) -> Ints:
    """The end of each contact that has a lane, -1 where none or both would."""
    if not ground.any():  # nothing says what is a station: the sender
        return ends[:, 0]
    first, second = wanted[ends[:, 0]], wanted[ends[:, 1]]
    return np.where(first & ~second, ends[:, 0], np.where(second & ~first, ends[:, 1], -1))


@dataclass(frozen=True, slots=True, eq=False)
class _Bars:
    """Transfers in lanes, and the share of an antenna that each takes."""

    lane: Ints
    contact: Ints
    priority: Ints
    start_s: Floats
    end_s: Floats
    share: Floats


@dataclass(frozen=True, slots=True, eq=False)
class _Stack:
    """Bars above one another; `low` and `high` in antennas."""

    lane: Ints
    priority: Ints
    start_s: Floats
    end_s: Floats
    low: Floats
    high: Floats


def _stacked(bars: _Bars, lanes: int) -> tuple[_Stack, Floats]:
    """Put bars that overlap above one another, the most urgent below; and each lane's most.

    Bars are cut where another of their lane begins or ends, stacked piece by piece, and pieces
    that fit together become one again.
    """
    group = bars.lane
    if not len(group):
        none = np.empty(0)
        return _Stack(bars.lane, bars.priority, none, none, none, none), np.zeros(lanes)
    key = np.concatenate([group, group])
    time = np.concatenate([bars.start_s, bars.end_s])
    order = np.lexsort((time, key))
    fresh = np.r_[True, (np.diff(key[order]) != 0) | (np.diff(time[order]) > 1e-6)]
    place = np.empty(len(key), dtype=np.int64)
    place[order] = np.cumsum(fresh) - 1
    cuts = time[order][fresh]
    low, high = place[: len(group)], np.maximum(place[len(group) :], place[: len(group)] + 1)
    length = high - low
    owner = np.repeat(np.arange(len(group)), length)
    slot = low[owner] + np.arange(length.sum()) - np.repeat(np.cumsum(length) - length, length)
    order = np.lexsort((bars.contact[owner], bars.priority[owner], slot))
    owner, slot = owner[order], slot[order]
    share = bars.share[owner]
    total = np.cumsum(share)
    first = np.r_[True, np.diff(slot) != 0]
    base = (total - share)[first][np.cumsum(first) - 1]
    bottom, top = total - share - base, total - base
    peak = np.zeros(lanes)
    np.maximum.at(peak, bars.lane[owner], top)
    # Pieces of one bar that follow each other at one height are one.
    order = np.lexsort((slot, owner))
    owner, slot, bottom, top = owner[order], slot[order], bottom[order], top[order]
    same = (np.diff(owner) == 0) & (np.diff(slot) == 1)
    same &= (np.abs(np.diff(bottom)) < 1e-9) & (np.abs(np.diff(top)) < 1e-9)
    heads = np.flatnonzero(np.r_[True, ~same])
    tails = np.r_[heads[1:], len(owner)] - 1
    whose = owner[heads]
    begin = np.where(slot[heads] == low[whose], bars.start_s[whose], cuts[slot[heads]])
    last = slot[tails] + 1 == high[whose]
    end = np.where(last, bars.end_s[whose], cuts[np.minimum(slot[tails] + 1, len(cuts) - 1)])
    found = _Stack(bars.lane[whose], bars.priority[whose], begin, end, bottom[heads], top[heads])
    return found, peak


def _exclusive(
    schedule: PassSchedule, bars: _Bars, row: Ints, lane_of: Ints, count: Floats
) -> tuple[_Stack, Floats, Floats, tuple[Ints, Floats, Floats, Floats]]:
    """Uses of antennas, each on an antenna of its own, and the transfers (`row`) within them."""
    problem, uses = schedule.problem, antenna_uses(schedule)
    keep = lane_of[uses.contact] >= 0
    lane, start, end = lane_of[uses.contact][keep], uses.start_s[keep], uses.end_s[keep]
    times = np.stack([start - problem.setup_s, start, end, end + problem.teardown_s], axis=1)
    track = _tracks(lane, times[:, 0], times[:, 3])
    most = np.ones(len(count), dtype=np.int64)
    np.maximum.at(most, lane, track + 1)
    height = np.where(np.isfinite(count), np.maximum(count, most), most)[lane]
    base, each = track / height, 0.94 / height
    use = np.empty(len(schedule.moves), dtype=np.int64)
    use[uses.transfer] = (np.cumsum(keep) - 1)[uses.use]
    stacked, _ = _stacked(replace(bars, lane=use[row]), len(lane))
    owner = stacked.lane
    low = base[owner] + np.minimum(stacked.low, 1.0) * each[owner]
    high = base[owner] + np.minimum(stacked.high, 1.0) * each[owner]
    return replace(stacked, lane=lane[owner]), low, high, (lane, times, base, base + each)


def _tracks(lane: Ints, start: Floats, end: Floats) -> Ints:
    """Each use on the first antenna of its lane that is free, in the order of the starts."""
    track = np.zeros(len(lane), dtype=np.int64)
    free: dict[int, list[float]] = {}
    order = np.argsort(start, kind="stable")
    columns = (column[order].tolist() for column in (lane, start, end))
    for k, where, begin, finish in zip(order.tolist(), *columns, strict=True):
        ends = free.setdefault(where, [])
        place = next((n for n, last in enumerate(ends) if last <= begin + 1e-6), len(ends))
        ends[place : place + 1] = [finish]
        track[k] = place
    return track
