"""The compiled schedule that `search_kernel` works on: tracks put and taken, changes undone.

Times are seconds. A *slot* holds one track. Busy times of an antenna (set-up to tear-down, and
maintenance) are kept sorted, so that the free parts of a view period come from one short sweep.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..compiled import kernel

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

#: Of comparisons of times, as in `problem.TOLERANCE_S`, less what sums of parts round away.
SLACK_S = 1e-7


class TrackArrays(NamedTuple):
    """What the kernels read: R requests, V views sorted by request, K resources, M missions."""

    need: Floats  #: (R,) asked seconds
    least: Floats  #: (R,) seconds that satisfy
    shortest: Floats  #: (R,) of a track
    splits: NDArray[np.bool_]  #: (R,)
    setup: Floats
    teardown: Floats
    mission: Ints  #: (R,)
    view_at: Ints  #: (R + 1,) into the views
    view_request: Ints  #: (V,)
    view_resource: Ints  #: (V,)
    view_low: Floats
    view_high: Floats
    antenna_at: Ints  #: (K + 1,) into `antenna`
    antenna: Ints
    asked: Floats  #: (M,) asked seconds
    mean_s: float  #: of the asked seconds of a request: the unit of time of the search
    goal: int  #: what decides: 0 hours, 1 satisfied requests, 2 squared unmet fractions
    weights: Floats  #: in the energy, of a mean request's time, a satisfied request, those squares


class State(NamedTuple):
    """A schedule and what follows from it, kept up to date by `put` and `take`."""

    request: Ints  #: (S,) of each slot, -1 where it is free
    seen_in: Ints  #: (S,) view period of each slot
    start: Floats
    end: Floats
    free: Ints  #: stack of free slots
    busy_count: Ints  #: (A,)
    busy_low: Floats  #: (A, B) sorted
    busy_high: Floats
    busy_slot: Ints  #: -1 is maintenance
    mission_count: Ints  #: (M,)
    mission_slot: Ints  #: (M, S) unsorted
    tracks: Ints  #: (R,) tracks of a request
    held: Floats  #: (R,) seconds, never more than asked
    mission_held: Floats  #: (M,)
    totals: Ints  #: free slots, satisfied requests, logged changes
    log_slot: Ints
    log_request: Ints  #: of the track taken, or -1 where one was put
    log_view: Ints
    log_start: Floats
    log_end: Floats


@kernel
def measure(a: TrackArrays, s: State) -> tuple[float, float]:
    """What decides, and the energy that leads there; both are to be made large."""
    held = 0.0
    unfair = 0.0
    for m in range(len(a.asked)):
        held += s.mission_held[m]
        unmet = 1.0 - s.mission_held[m] / a.asked[m]
        unfair += unmet * unmet
    satisfied = float(s.totals[1])
    energy = a.weights[0] * held / a.mean_s + a.weights[1] * satisfied - a.weights[2] * unfair
    if a.goal == 0:
        return held, energy
    return (satisfied if a.goal == 1 else -unfair), energy


@kernel
def sum_up(a: TrackArrays, s: State) -> None:
    """Sum up what is held afresh, so that the rounding of many changes does not add up."""
    s.held[:] = 0.0
    s.mission_held[:] = 0.0
    s.totals[1] = 0
    for slot in range(len(s.request)):
        if s.request[slot] >= 0:
            s.held[s.request[slot]] += s.end[slot] - s.start[slot]
    for r in range(len(a.need)):
        s.mission_held[a.mission[r]] += s.held[r]
        s.totals[1] += int(s.held[r] >= a.least[r] - SLACK_S)


@kernel
def _account(a: TrackArrays, s: State, r: int, seconds: float, tracks: int) -> None:
    s.totals[1] -= int(s.held[r] >= a.least[r] - SLACK_S)
    s.held[r] += seconds
    s.mission_held[a.mission[r]] += seconds
    s.tracks[r] += tracks
    s.totals[1] += int(s.held[r] >= a.least[r] - SLACK_S)


@kernel
def _put(a: TrackArrays, s: State, view: int, start: float, end: float) -> int:
    s.totals[0] -= 1
    slot = int(s.free[s.totals[0]])
    r = a.view_request[view]
    s.request[slot] = r
    s.seen_in[slot] = view
    s.start[slot] = start
    s.end[slot] = end
    low = start - a.setup[r]
    resource = a.view_resource[view]
    for k in range(a.antenna_at[resource], a.antenna_at[resource + 1]):
        n = a.antenna[k]
        i = s.busy_count[n]
        while i > 0 and s.busy_low[n, i - 1] > low:
            s.busy_low[n, i] = s.busy_low[n, i - 1]
            s.busy_high[n, i] = s.busy_high[n, i - 1]
            s.busy_slot[n, i] = s.busy_slot[n, i - 1]
            i -= 1
        s.busy_low[n, i] = low
        s.busy_high[n, i] = end + a.teardown[r]
        s.busy_slot[n, i] = slot
        s.busy_count[n] += 1
    m = a.mission[r]
    s.mission_slot[m, s.mission_count[m]] = slot
    s.mission_count[m] += 1
    _account(a, s, r, end - start, 1)
    return slot


@kernel
def _take(a: TrackArrays, s: State, slot: int) -> None:
    r = s.request[slot]
    resource = a.view_resource[s.seen_in[slot]]
    for k in range(a.antenna_at[resource], a.antenna_at[resource + 1]):
        n = a.antenna[k]
        i = 0
        while s.busy_slot[n, i] != slot:
            i += 1
        s.busy_count[n] -= 1
        for j in range(i, s.busy_count[n]):
            s.busy_low[n, j] = s.busy_low[n, j + 1]
            s.busy_high[n, j] = s.busy_high[n, j + 1]
            s.busy_slot[n, j] = s.busy_slot[n, j + 1]
    m = a.mission[r]
    i = 0
    while s.mission_slot[m, i] != slot:
        i += 1
    s.mission_count[m] -= 1
    s.mission_slot[m, i] = s.mission_slot[m, s.mission_count[m]]
    _account(a, s, r, s.start[slot] - s.end[slot], -1)
    s.request[slot] = -1
    s.free[s.totals[0]] = slot
    s.totals[0] += 1


@kernel
def put(a: TrackArrays, s: State, view: int, start: float, end: float) -> int:
    """Add a track and log it; returns its slot."""
    slot = _put(a, s, view, start, end)
    s.log_slot[s.totals[2]] = slot
    s.log_request[s.totals[2]] = -1
    s.totals[2] += 1
    return slot


@kernel
def take(a: TrackArrays, s: State, slot: int) -> None:
    """Remove a track and log it."""
    i = s.totals[2]
    s.log_slot[i] = slot
    s.log_request[i] = s.request[slot]
    s.log_view[i] = s.seen_in[slot]
    s.log_start[i] = s.start[slot]
    s.log_end[i] = s.end[slot]
    s.totals[2] += 1
    _take(a, s, slot)


@kernel
def undo(a: TrackArrays, s: State) -> None:
    """Reverse what was logged, latest first: slots come back as they were."""
    for i in range(s.totals[2] - 1, -1, -1):
        if s.log_request[i] < 0:
            _take(a, s, s.log_slot[i])
        else:
            _put(a, s, s.log_view[i], s.log_start[i], s.log_end[i])
    s.totals[2] = 0


@kernel
def closed(a: TrackArrays, s: State, view: int, skip: int, low: Floats, high: Floats) -> int:
    """Times at which a track cannot be in a view period, sorted by start; returns their number.

    They are written to `low` and `high` and may overlap. Slot `skip` counts as free.
    """
    r = a.view_request[view]
    first = a.view_low[view]
    last = a.view_high[view]
    before = float(a.teardown[r])
    after = float(a.setup[r])
    count = 0
    resource = a.view_resource[view]
    for k in range(a.antenna_at[resource], a.antenna_at[resource + 1]):
        n = a.antenna[k]
        for i in range(s.busy_count[n]):
            if s.busy_low[n, i] - before >= last:
                break
            if s.busy_high[n, i] + after <= first or (skip >= 0 and s.busy_slot[n, i] == skip):
                continue
            shut = float(s.busy_low[n, i]) - before
            count = _insert(low, high, count, shut, float(s.busy_high[n, i]) + after)
    m = a.mission[r]
    for i in range(s.mission_count[m]):
        slot = s.mission_slot[m, i]
        if slot != skip and s.start[slot] < last and s.end[slot] > first:
            count = _insert(low, high, count, float(s.start[slot]), float(s.end[slot]))
    return count


@kernel
def _insert(low: Floats, high: Floats, count: int, start: float, end: float) -> int:
    i = count
    while i > 0 and low[i - 1] > start:
        low[i] = low[i - 1]
        high[i] = high[i - 1]
        i -= 1
    low[i] = start
    high[i] = end
    return count + 1
