"""The compiled part of `search`: tracks around a place and time come out, others go in.

Lengths of time are relative to a mean request (`TrackArrays.mean_s`), so that the search is the
same for hours of deep space and for minutes of low orbit.
"""

# pyright: reportArgumentType=false, reportCallIssue=false
# (An element of an array is a number here: these loops are compiled.)

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..compiled import kernel
from .state_kernel import SLACK_S, closed, measure, put, sum_up, take, undo

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .state_kernel import Floats, Ints, State, TrackArrays


class Scratch(NamedTuple):
    """Room to work in, and the best schedule so far."""

    low: Floats
    high: Floats
    victims: Ints
    queue: Ints
    rank: Floats
    out: NDArray[np.bool_]  #: (R,) requests whose tracks were taken
    new: Ints  #: slots
    freed_antenna: Ints
    freed_low: Floats
    freed_high: Floats
    best: Floats  #: what decides, and the energy
    best_request: Ints
    best_view: Ints
    best_start: Floats
    best_end: Floats


@kernel
def _extend(a: TrackArrays, s: State, c: Scratch, slot: int, rng: np.random.Generator) -> None:
    """Lengthen a track into the free time around it, up to what its request still lacks."""
    r = s.request[slot]
    lack = a.need[r] - s.held[r]
    if lack <= 0.0:
        return
    view = s.seen_in[slot]
    first = a.view_low[view]
    last = a.view_high[view]
    for i in range(closed(a, s, view, slot, c.low, c.high)):
        if c.low[i] < s.start[slot]:
            first = max(first, min(c.high[i], s.start[slot]))
        else:
            last = min(last, max(c.low[i], s.end[slot]))
    left = min(lack, s.start[slot] - first)
    right = min(lack, last - s.end[slot])
    if left + right <= SLACK_S:
        return
    if left + right > lack:
        if rng.random() < 0.5:
            right = lack - left
        else:
            left = lack - right
    start = s.start[slot] - left
    end = s.end[slot] + right
    take(a, s, slot)
    put(a, s, view, start, end)


@kernel
def _place(
    a: TrackArrays,
    s: State,
    c: Scratch,
    r: int,
    brief: bool,
    noise: float,
    rng: np.random.Generator,
) -> int:
    """Put one track of a request where it is longest and fits tightest; -1 if none fits."""
    lack = a.need[r] - s.held[r]
    shortest = a.shortest[r]
    if lack < shortest or (s.tracks[r] > 0 and not a.splits[r]):
        return -1
    aim = lack
    if brief and rng.random() < 0.3:
        aim = min(lack, max(a.least[r] - s.held[r], shortest))
    best = -1.0
    view = -1
    start = 0.0
    end = 0.0
    for v in range(a.view_at[r], a.view_at[r + 1]):
        count = closed(a, s, v, -1, c.low, c.high)
        reached = a.view_low[v]
        resource = a.view_resource[v]
        more = a.antenna_at[resource + 1] - a.antenna_at[resource] - 1
        for k in range(count + 1):
            until = a.view_high[v]
            if k < count:
                until = min(until, c.low[k])
            room = until - reached
            if room >= shortest:
                length = min(aim, room)
                waste = min(1.0, (room - length) / a.mean_s)
                value = (length / aim - 0.1 * more - 0.05 * waste) * (1.0 - noise * rng.random())
                if value > best:
                    best = value
                    view = v
                    start = reached if rng.random() < 0.5 else until - length
                    end = start + length
            if k < count:
                reached = max(reached, c.high[k])
    if view < 0:
        return -1
    rest = lack - (end - start)
    # Short of what is asked, and too long for a second part: at times leave room for one.
    if a.splits[r] and 0.0 < rest < shortest and lack >= 2 * shortest and rng.random() < 0.3:
        end = start + lack - shortest
    return put(a, s, view, start, end)


@kernel
def _mark(c: Scratch, count: int, slot: int) -> int:
    """Add a slot to the victims unless it is among them; returns their number."""
    for j in range(count):
        if c.victims[j] == slot:
            return count
    c.victims[count] = slot
    return count + 1


@kernel
def _choose(a: TrackArrays, s: State, c: Scratch, r: int, rng: np.random.Generator) -> int:
    """Victims: tracks on an antenna or two that request r could use, at about one time."""
    count = a.view_at[r + 1] - a.view_at[r]
    view = a.view_at[r] + int(rng.random() * count)
    half = a.mean_s * (0.25 + 1.5 * rng.random() ** 2)
    middle = a.view_low[view] + rng.random() * (a.view_high[view] - a.view_low[view])
    resource = a.view_resource[view]
    size = a.antenna_at[resource + 1] - a.antenna_at[resource]
    extra = 0
    if rng.random() < 0.5:
        extra = 2 if rng.random() < 0.3 else 1
    found = 0
    for k in range(size + extra):
        n = a.antenna[a.antenna_at[resource] + min(k, size - 1)]
        if k >= size:
            other = a.view_at[r] + int(rng.random() * count)
            if a.view_low[other] > middle + half or a.view_high[other] < middle - half:
                continue
            more = a.view_resource[other]
            span = a.antenna_at[more + 1] - a.antenna_at[more]
            n = a.antenna[a.antenna_at[more] + int(rng.random() * span)]
        for i in range(s.busy_count[n]):
            slot = s.busy_slot[n, i]
            if (
                slot >= 0
                and s.busy_low[n, i] < middle + half
                and s.busy_high[n, i] > middle - half
                and rng.random() < 0.9
            ):
                found = _mark(c, found, slot)
    if rng.random() < 0.1:  # and what the mission tracks elsewhere at that time
        m = a.mission[r]
        for i in range(s.mission_count[m]):
            slot = s.mission_slot[m, i]
            if s.start[slot] < middle + half and s.end[slot] > middle - half:
                found = _mark(c, found, slot)
    return found


@kernel
def _ruin(a: TrackArrays, s: State, c: Scratch, victims: int) -> tuple[int, int]:
    """Take the victims; returns the numbers of freed times and of requests in the queue."""
    freed = 0
    waiting = 0
    for j in range(victims):
        slot = c.victims[j]
        q = s.request[slot]
        resource = a.view_resource[s.seen_in[slot]]
        for k in range(a.antenna_at[resource], a.antenna_at[resource + 1]):
            c.freed_antenna[freed] = a.antenna[k]
            c.freed_low[freed] = s.start[slot] - a.setup[q]
            c.freed_high[freed] = s.end[slot] + a.teardown[q]
            freed += 1
        if not c.out[q]:
            c.out[q] = True
            c.queue[waiting] = q
            waiting += 1
        take(a, s, slot)
    return freed, waiting


@kernel
def _sees(a: TrackArrays, c: Scratch, q: int, freed: int) -> bool:
    """Whether a view period of a request meets freed time."""
    for v in range(a.view_at[q], a.view_at[q + 1]):
        resource = a.view_resource[v]
        for k in range(a.antenna_at[resource], a.antenna_at[resource + 1]):
            for j in range(freed):
                if (
                    c.freed_antenna[j] == a.antenna[k]
                    and a.view_low[v] < c.freed_high[j]
                    and a.view_high[v] > c.freed_low[j]
                ):
                    return True
    return False


@kernel
def _line_up(
    a: TrackArrays,
    s: State,
    c: Scratch,
    r: int,
    freed: int,
    waiting: int,
    rng: np.random.Generator,
) -> int:
    """Add who else may come in to the queue, and rank it at random with a leaning."""
    lost = waiting
    for q in range(len(a.need)):
        if c.out[q] or s.held[q] + a.shortest[q] > a.need[q]:
            continue
        if s.tracks[q] > 0 and not a.splits[q]:
            continue
        if q == r or _sees(a, c, q, freed):
            c.queue[waiting] = q
            waiting += 1
    for j in range(lost):
        c.out[c.queue[j]] = False
    lean = rng.random()
    for j in range(waiting):
        q = c.queue[j]
        c.rank[j] = rng.random() + (0.5 if q == r else 0.0)
        if lean < 0.25:  # who has nothing
            c.rank[j] -= 2.0 * rng.random() * s.held[q] / a.need[q]
        elif lean < 0.5:  # whose mission lacks most
            m = a.mission[q]
            c.rank[j] += 2.0 * rng.random() * (1.0 - s.mission_held[m] / a.asked[m])
        elif lean < 0.8:  # who asks for most, or for least
            share = 0.5 * rng.random() * a.need[q] / a.mean_s
            c.rank[j] += share if lean < 0.65 else -share
    return waiting


@kernel
def _recreate(
    a: TrackArrays, s: State, c: Scratch, freed: int, waiting: int, rng: np.random.Generator
) -> None:
    """Place the queue, then lengthen what is new and what stands beside the freed time."""
    brief = rng.random() < 0.5
    noise = 0.2 * rng.random()
    order = np.argsort(-c.rank[:waiting])
    count = 0
    for j in range(waiting):
        q = int(c.queue[order[j]])
        slot = _place(a, s, c, q, brief, noise, rng)
        while slot >= 0:
            c.new[count] = slot
            count += 1
            slot = _place(a, s, c, q, brief, noise, rng)
    for j in range(count):
        _extend(a, s, c, c.new[j], rng)
    for j in range(freed):
        n = c.freed_antenna[j]
        for i in range(s.busy_count[n]):
            slot = s.busy_slot[n, i]
            if (
                slot >= 0
                and s.busy_low[n, i] <= c.freed_high[j]
                and s.busy_high[n, i] >= c.freed_low[j]
            ):
                _extend(a, s, c, slot, rng)


@kernel
def anneal(
    a: TrackArrays,
    s: State,
    c: Scratch,
    rng: np.random.Generator,
    iterations: int,
    heat: float,
) -> None:
    """Ruin and recreate `iterations` times; what the energy loses is accepted as `heat` allows.

    One iteration costs the views of the requests that it moves, times the busy times beside them.
    """
    requests = len(a.need)
    sum_up(a, s)
    goal, energy = measure(a, s)
    for _ in range(iterations):
        r = int(rng.random() * requests)
        for _ in range(8):  # rather one that lacks time
            if s.held[r] < a.need[r] and a.view_at[r + 1] > a.view_at[r]:
                break
            r = int(rng.random() * requests)
        if a.view_at[r + 1] == a.view_at[r]:
            continue
        s.totals[2] = 0
        freed, waiting = _ruin(a, s, c, _choose(a, s, c, r, rng))
        waiting = _line_up(a, s, c, r, freed, waiting, rng)
        _recreate(a, s, c, freed, waiting, rng)
        goal, new = measure(a, s)
        if new < energy and rng.random() >= np.exp((new - energy) / heat):
            undo(a, s)
            continue
        energy = new
        ahead = goal - c.best[0]
        if ahead > 1e-9 or (ahead > -1e-9 and energy > c.best[1] + 1e-9):
            c.best[0] = goal
            c.best[1] = energy
            c.best_request[:] = s.request
            c.best_view[:] = s.seen_in
            c.best_start[:] = s.start
            c.best_end[:] = s.end
