"""The compiled part of `exclusive`: uses of antennas, taken out and put back by a sweep over time.

A *lane* is one antenna of one node, a *row* a contact that needs one, a *block* a use of a lane (of
two where both ends have antennas). A *tank* is what rows between two pools of nodes may draw, a
*window* of a pool the time between two releases or deadlines in it. Times are seconds, rates bytes
per second.
"""

# pyright: reportArgumentType=false, reportCallIssue=false
# (An element of an array is a number here: these loops are compiled.)

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..compiled import kernel

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

#: Blocks shorter than this (s) are not worth their set-up.
SHORTEST_S = 1e-3


class Rows(NamedTuple):
    """What the kernel reads: R rows by start, L lanes, N nodes, T tanks, Q pools, D supplies."""

    low: Floats  #: (R,)
    high: Floats
    rate: Floats
    tank: Ints
    lane: Ints  #: (R, 2) first lane at the row's source and target
    lanes: Ints  #: (R, 2) how many, 0 where nothing limits
    lane_node: Ints  #: (L,)
    node_lane: Ints  #: (N + 1,) first lane of each node
    node_at: Ints  #: (N + 1,) into `node_row`
    node_row: Ints  #: rows of each node, by start
    node_side: Ints  #: which end of the row the node is
    tank_pool: Ints  #: (T,)
    tank_at: Ints  #: (T + 1,) into the room: one number per window
    takes: NDArray[np.bool_]  #: (T, most supplies of a pool)
    pool_tank: Ints  #: (Q + 1,) tanks of each pool
    pool_supply: Ints  #: (Q + 1,) supplies of each pool, the most worthy and urgent first
    pool_cut: Ints  #: (Q + 1,) into `cut`
    cut: Floats  #: bounds of windows
    release: Floats  #: (D,)
    deadline: Floats
    volume: Floats
    worth: Floats  #: of a byte
    offered: Floats  #: bytes that contacts without limit add to the room
    gap: float  #: from the end of one use to the begin of the next
    longest: float  #: longest row


class Uses(NamedTuple):
    """Blocks and what follows from them, kept up to date by `_put` and `_take`."""

    row: Ints  #: (S,) -1 where the slot is free
    start: Floats
    end: Floats
    lane: Ints  #: (S, 2)
    free: Ints  #: stack of free slots
    filled: Ints  #: (L,) blocks of each lane
    order: Ints  #: (L, S) slots of each lane, by time
    room: Floats  #: bytes that blocks offer, by tank and window
    value: Floats  #: (Q,)
    sizes: Ints  #: free slots


class Sweep(NamedTuple):
    """Scratch of one move: items are windows of time in which a lane could serve a row."""

    row: Ints
    other: Ints  #: lane at the row's other end, -1 where nothing limits
    low: Floats
    high: Floats
    density: Floats  #: worth of a second
    reach: Floats  #: best F - density x begin so far
    begun: Ints  #: where that is reached
    time: Floats  #: grid
    best: Floats  #: F: best worth with the lane ready at a time of the grid
    item: Ints  #: what ends there, -1: nothing
    since: Ints
    active: Ints
    pool: Ints  #: touched pools
    touched: NDArray[np.bool_]
    before: Floats  #: their values
    left: Floats  #: of a pool's supplies


@kernel
def _fill(m: Rows, u: Uses, left: Floats, pool: int) -> float:
    """Worth of what a pool can send through the room that its tanks offer.

    Windows in order, the earliest deadline first: exact for one worth and one set of targets.
    """
    first, last = m.pool_supply[pool], m.pool_supply[pool + 1]
    for k in range(first, last):
        left[k - first] = m.volume[k]
    worth = 0.0
    for w in range(m.pool_cut[pool + 1] - m.pool_cut[pool] - 1):
        low, high = m.cut[m.pool_cut[pool] + w], m.cut[m.pool_cut[pool] + w + 1]
        for t in range(m.pool_tank[pool], m.pool_tank[pool + 1]):
            room = u.room[m.tank_at[t] + w]
            if room <= 0.0:
                continue
            for k in range(first, last):
                if m.takes[t, k - first] and m.release[k] <= low and m.deadline[k] >= high:
                    sent = min(room, left[k - first])
                    left[k - first] -= sent
                    room -= sent
                    worth += sent * m.worth[k]
    return worth


@kernel
def _pour(m: Rows, u: Uses, row: int, start: float, end: float, sign: float) -> None:
    """Add (or take) the bytes that a block offers."""
    tank = m.tank[row]
    first = m.pool_cut[m.tank_pool[tank]]
    for w in range(m.tank_at[tank + 1] - m.tank_at[tank]):
        length = min(end, m.cut[first + w + 1]) - max(start, m.cut[first + w])
        if length > 0.0:
            u.room[m.tank_at[tank] + w] += sign * length * m.rate[row]


@kernel
def _put(m: Rows, u: Uses, row: int, start: float, end: float, one: int, two: int) -> int:
    """Add a block; its lanes at the row's source and target are -1 where nothing limits."""
    u.sizes[0] -= 1
    slot = int(u.free[u.sizes[0]])
    u.row[slot], u.start[slot], u.end[slot] = row, start, end
    u.lane[slot, 0], u.lane[slot, 1] = one, two
    for side in range(2):
        lane = u.lane[slot, side]
        if lane >= 0:
            k = u.filled[lane]
            while k > 0 and u.start[u.order[lane, k - 1]] > start:
                u.order[lane, k] = u.order[lane, k - 1]
                k -= 1
            u.order[lane, k] = slot
            u.filled[lane] += 1
    _pour(m, u, row, start, end, 1.0)
    return slot


@kernel
def _take(m: Rows, u: Uses, slot: int) -> None:
    """Remove a block."""
    for side in range(2):
        lane = u.lane[slot, side]
        if lane >= 0:
            k = _first(u, lane, u.start[slot])
            while u.order[lane, k] != slot:
                k += 1
            for j in range(k, u.filled[lane] - 1):
                u.order[lane, j] = u.order[lane, j + 1]
            u.filled[lane] -= 1
    _pour(m, u, u.row[slot], u.start[slot], u.end[slot], -1.0)
    u.row[slot] = -1
    u.free[u.sizes[0]] = slot
    u.sizes[0] += 1


@kernel
def _first(u: Uses, lane: int, time: float) -> int:
    """First block of a lane that begins at a time or later."""
    low, high = 0, u.filled[lane]
    while low < high:
        middle = (low + high) // 2
        if u.start[u.order[lane, middle]] < time:
            low = middle + 1
        else:
            high = middle
    return low


@kernel
def _touch(u: Uses, s: Sweep, pool: int, touched: int) -> int:
    """Note a pool's value before a move."""
    if s.touched[pool]:
        return touched
    s.touched[pool] = True
    s.pool[touched], s.before[touched] = pool, u.value[pool]
    return touched + 1


@kernel
def _gather(m: Rows, u: Uses, s: Sweep, lane: int, after: float, until: float) -> int:
    """Items of a lane between two times: what other lanes leave of the rows of its node."""
    node = m.lane_node[lane]
    low, high = m.node_at[node], m.node_at[node + 1]
    while low < high:
        middle = (low + high) // 2
        if m.low[m.node_row[middle]] < after - m.longest:
            low = middle + 1
        else:
            high = middle
    count = 0
    for at in range(low, m.node_at[node + 1]):
        row, side = m.node_row[at], m.node_side[at]
        if m.low[row] >= until:
            break
        begin = max(float(m.low[row]), after)
        finish = min(float(m.high[row]), until)
        if finish - begin <= SHORTEST_S:
            continue
        head = count
        if m.lanes[row, 1 - side] == 0:
            count = _item(s, count, row, -1, begin, finish)
        for other in range(m.lane[row, 1 - side], m.lane[row, 1 - side] + m.lanes[row, 1 - side]):
            ready = begin
            for k in range(max(_first(u, other, begin) - 1, 0), u.filled[other]):
                slot = u.order[other, k]
                if u.start[slot] - m.gap >= finish:
                    break
                count = _item(s, count, row, other, ready, float(u.start[slot]) - m.gap)
                ready = max(ready, float(u.end[slot]) + m.gap)
            count = _item(s, count, row, other, ready, finish)
        # The same contact on another antenna of the node: they may relieve each other at once.
        for sibling in range(m.node_lane[node], m.node_lane[node + 1]):
            if sibling == lane:
                continue
            for k in range(max(_first(u, sibling, begin) - 1, 0), u.filled[sibling]):
                slot = u.order[sibling, k]
                if u.start[slot] >= finish:
                    break
                if u.row[slot] != row:
                    continue
                ends = count
                for j in range(head, ends):
                    top = s.high[j]
                    s.high[j] = min(top, u.start[slot])
                    again = max(s.low[j], u.end[slot])
                    count = _item(s, count, row, s.other[j], again, top)
    return count


@kernel
def _item(s: Sweep, count: int, row: int, other: int, low: float, high: float) -> int:
    if high - low <= SHORTEST_S or count == s.row.size:
        return count
    s.row[count], s.other[count], s.low[count], s.high[count] = row, other, low, high
    return count + 1


@kernel
def _sweep(s: Sweep, count: int, gap: float) -> int:
    """Best sequence of items on one lane, by a dynamic programme over times; returns its grid.

    In a best sequence every border is pushed until a block begins where its item does or the
    block before ends where its own does (the worth is linear in the border). So blocks begin at
    times {low} and {high + gap}, and so do the times at which the lane is ready again. With F[t]
    the best worth with the lane ready at t, item j ends there at t - gap with
    ``density_j (t - gap) + max over begins b of (F[b] - density_j b)``.
    O(items x items at one time), beside the sorting.
    """
    for j in range(count):
        s.time[2 * j], s.time[2 * j + 1] = s.low[j], s.high[j] + gap
    size = 2 * count
    s.time[:size] = np.sort(s.time[:size])
    order = np.argsort(s.low[:count])
    comes, running = 0, 0
    for k in range(size):
        now = s.time[k]
        s.best[k] = s.best[k - 1] if k else 0.0
        s.item[k] = -1
        while comes < count and s.low[order[comes]] <= now:
            s.active[running] = order[comes]
            s.reach[order[comes]] = -np.inf
            running += 1
            comes += 1
        keep = 0
        for a in range(running):
            j = s.active[a]
            if now - gap > s.high[j] + 1e-9:
                continue
            s.active[keep] = j
            keep += 1
            found = s.reach[j] + s.density[j] * (now - gap)
            if found > s.best[k] + 1e-9 * abs(found):
                s.best[k], s.item[k], s.since[k] = found, j, s.begun[j]
        running = keep
        for a in range(running):
            j = s.active[a]
            if now < s.high[j] and s.best[k] - s.density[j] * now > s.reach[j]:
                s.reach[j] = s.best[k] - s.density[j] * now
                s.begun[j] = k
    return size


@kernel
def relaxed(m: Rows, s: Sweep, node: int, price: Floats, used: Floats) -> float:
    """Best worth of one antenna of a node where a byte of a pool costs its price.

    Adds the bytes of that sequence to `used`, by pool.
    """
    count = 0
    for at in range(m.node_at[node], m.node_at[node + 1]):
        row = m.node_row[at]
        pool = m.tank_pool[m.tank[row]]
        if price[pool] < 1.0:
            s.density[count] = m.rate[row] * (1.0 - price[pool])
            count = _item(s, count, row, -1, float(m.low[row]), float(m.high[row]))
    k = _sweep(s, count, m.gap) - 1
    total = s.best[k] if k >= 0 else 0.0
    while k >= 0:
        j = s.item[k]
        if j < 0:
            k -= 1
            continue
        row = s.row[j]
        used[m.tank_pool[m.tank[row]]] += m.rate[row] * (
            min(s.time[k] - m.gap, s.high[j]) - s.time[s.since[k]]
        )
        k = s.since[k]
    return total


@kernel
def _weigh(
    m: Rows,
    u: Uses,
    s: Sweep,
    count: int,
    price: Floats,
    rng: np.random.Generator,
    lean: float,
    noise: float,
) -> None:
    """Worth of a second of each item, given all other blocks.

    Where its supplies end first, an item is cut to what they need or keeps the mean of its
    length, by chance.
    """
    for j in range(count):
        row = s.row[j]
        pool = int(m.tank_pool[m.tank[row]])
        length = s.high[j] - s.low[j]
        if length <= SHORTEST_S:  # cut away by another antenna
            s.density[j] = 0.0
            continue
        _pour(m, u, row, s.low[j], s.high[j], 1.0)
        more = _fill(m, u, s.left, pool) - u.value[pool]
        _pour(m, u, row, s.low[j], s.high[j], -1.0)
        best = m.worth[m.pool_supply[pool]] * m.rate[row]
        s.density[j] = max(more, 0.0) / length
        if more < (1.0 - 1e-9) * best * length and more > 0.0 and rng.random() < 0.7:
            need = max(more / best, 2.0 * SHORTEST_S)
            if need < length:
                where = rng.random() * 3.0
                shift = 0.0 if where < 1.0 else 1.0 if where < 2.0 else where - 2.0
                s.low[j] += shift * (length - need)
                s.high[j] = s.low[j] + need
                s.density[j] = best
        s.density[j] *= (1.0 - lean * price[pool]) * (1.0 + noise * (rng.random() - 0.5))


@kernel
def _move(
    m: Rows,
    u: Uses,
    s: Sweep,
    lane: int,
    low: float,
    high: float,
    price: Floats,
    rng: np.random.Generator,
    lean: float,
    noise: float,
    heat: float,
) -> float:
    """Plan a stretch of a lane anew; returns what is gained, 0 where the old was put back."""
    first = _first(u, lane, low)
    if first > 0 and u.end[u.order[lane, first - 1]] > low:
        first -= 1
    last = max(_first(u, lane, high), first)
    after, until = -np.inf, np.inf
    if first > 0:
        after = float(u.end[u.order[lane, first - 1]]) + m.gap
    if last < u.filled[lane]:
        until = float(u.start[u.order[lane, last]]) - m.gap
    touched, gone = 0, last - first
    old_row, old_lane = np.empty(gone, np.int64), np.empty((gone, 2), np.int64)
    old_start, old_end = np.empty(gone), np.empty(gone)
    for k in range(gone):
        slot = int(u.order[lane, first])
        old_row[k], old_start[k], old_end[k] = u.row[slot], u.start[slot], u.end[slot]
        old_lane[k, 0], old_lane[k, 1] = u.lane[slot, 0], u.lane[slot, 1]
        touched = _touch(u, s, int(m.tank_pool[m.tank[u.row[slot]]]), touched)
        _take(m, u, slot)
    for k in range(touched):
        u.value[s.pool[k]] = _fill(m, u, s.left, s.pool[k])
    count = _gather(m, u, s, lane, after, until)
    _weigh(m, u, s, count, price, rng, lean, noise)
    k = _sweep(s, count, m.gap) - 1
    room, puts = u.sizes[0], 0
    # A block begins and ends on the grid; an item may come twice, another in between.
    new = np.empty(min(2 * count, room), np.int64)
    while k >= 0:
        j = s.item[k]
        if j < 0:
            k -= 1
            continue
        begin = float(s.time[s.since[k]])
        finish = min(float(s.time[k]) - m.gap, float(s.high[j]))
        k = s.since[k]
        fits = puts < room and u.filled[lane] < u.order.shape[1]
        if s.other[j] >= 0:
            fits = fits and u.filled[s.other[j]] < u.order.shape[1]
        if finish - begin > SHORTEST_S and fits:
            row = int(s.row[j])
            side = 0 if m.lane[row, 0] <= lane < m.lane[row, 0] + m.lanes[row, 0] else 1
            other = int(s.other[j])
            one, two = (lane, other) if side == 0 else (other, lane)
            touched = _touch(u, s, int(m.tank_pool[m.tank[row]]), touched)
            new[puts] = _put(m, u, row, begin, finish, one, two)
            puts += 1
    gain = 0.0
    for k in range(touched):
        u.value[s.pool[k]] = _fill(m, u, s.left, s.pool[k])
        gain += u.value[s.pool[k]] - s.before[k]
    refused = gain < 0.0 and (heat <= 0.0 or rng.random() >= np.exp(gain / heat))
    if refused:
        for k in range(puts):
            _take(m, u, new[k])
        for k in range(gone):
            _put(m, u, old_row[k], old_start[k], old_end[k], old_lane[k, 0], old_lane[k, 1])
        gain = 0.0
    for k in range(touched):
        s.touched[s.pool[k]] = False
        if refused:
            u.value[s.pool[k]] = s.before[k]
    return gain


@kernel
def settle(m: Rows, u: Uses, s: Sweep) -> float:
    """Room and values from the blocks alone, free of what rounding left; returns their worth."""
    u.room[:] = m.offered
    for slot in range(u.row.size):
        if u.row[slot] >= 0:
            _pour(m, u, u.row[slot], u.start[slot], u.end[slot], 1.0)
    total = 0.0
    for pool in range(u.value.size):
        u.value[pool] = _fill(m, u, s.left, pool)
        total += u.value[pool]
    return total


@kernel
def start(m: Rows, u: Uses, s: Sweep, price: Floats, rng: np.random.Generator) -> float:
    """Plan every lane whole, one after the other."""
    for lane in range(m.lane_node.size):
        _move(m, u, s, lane, -np.inf, np.inf, price, rng, 1.0, 0.0, 0.0)
    return settle(m, u, s)


@kernel
def improve(
    m: Rows,
    u: Uses,
    s: Sweep,
    price: Floats,
    rng: np.random.Generator,
    iterations: int,
    heat: float,
    best: float,
    best_row: Ints,
    best_start: Floats,
    best_end: Floats,
) -> float:
    """Plan stretches of lanes anew, simulated annealing at one heat; the best blocks are copied."""
    value = settle(m, u, s)
    for _ in range(iterations):
        row = int(rng.random() * m.low.size)
        side = 0 if m.lanes[row, 1] == 0 or (m.lanes[row, 0] > 0 and rng.random() < 0.5) else 1
        lane = m.lane[row, side] + int(rng.random() * m.lanes[row, side])
        width = 0.1 * (m.high[row] - m.low[row]) * np.exp(rng.random() * 5.0)
        middle = m.low[row] + rng.random() * (m.high[row] - m.low[row])
        lean = rng.random() if rng.random() < 0.5 else 0.0
        noise = 2.0 * rng.random() ** 2 if rng.random() < 0.5 else 0.0
        value += _move(m, u, s, lane, middle - width, middle + width, price, rng, lean, noise, heat)
        if value > best * (1 + 1e-12):
            best = value
            best_row[:] = u.row
            best_start[:] = u.start
            best_end[:] = u.end
    return best
