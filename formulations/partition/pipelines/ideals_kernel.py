"""The compiled part of `ideals`: stages of an ideal one by one, loads kept up to date."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numba
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def rehash(table: NDArray[np.int32], hashes: NDArray[np.uint64], count: int) -> None:
    mask = np.uint64(len(table) - 1)
    for k in range(count):
        slot = hashes[k] & mask
        while table[slot] >= 0:
            slot = (slot + np.uint64(1)) & mask
        table[slot] = k


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def expand(
    compute: Floats,
    weight: Floats,
    activation: Floats,
    memory: Floats,
    io: Floats,
    input_s: Floats,
    in_s: Floats,
    out_s: Floats,
    both: Floats,
    source: NDArray[np.bool_],
    indegree: Ints,
    succ_at: Ints,
    succ: Ints,
    touch_at: Ints,
    touch: Ints,
    tail: Ints,
    tensor_bits: Floats,
    readers: Ints,
    work: Floats,
    capacity: Floats,
    digits: Ints,
    stride: Ints,
    counts: Ints,
    copies: Ints,
    keys: NDArray[np.uint64],
    bits: NDArray[np.uint64],
    hashes: NDArray[np.uint64],
    chain: Ints,
    best: Floats,
    parent: NDArray[np.int32],
    option: NDArray[np.int16],
    table: NDArray[np.int32],
    head: Ints,
    place: Ints,
    limit: Floats,
    budget: int,
) -> int:
    """Expand ideals in order of size; 0 = done, 1 = slice used up, 2 = tables full."""
    size, classes = compute.shape
    states, prices = capacity.shape
    words = bits.shape[1]
    tensors = len(tail)
    one = np.uint64(1)
    mask = np.uint64(len(table) - 1)
    total = work.sum(axis=0)
    most = copies.max()

    where = np.zeros(size, dtype=np.int8)  # 0 outside, 1 in I, 2 in S
    missing = np.zeros(size, dtype=np.int64)
    inside = np.zeros(tensors, dtype=np.int64)  # readers of a tensor in S
    before = np.zeros(tensors, dtype=np.int64)  # readers in I
    avail = np.zeros(words, dtype=np.uint64)
    now = np.zeros(words, dtype=np.uint64)
    stack = np.zeros(size + 1, dtype=np.int64)
    seconds = np.zeros((size + 1, classes))
    held = np.zeros(size + 1)
    largest = np.zeros(size + 1)
    inward = np.zeros(size + 1)  # bits of tensors that enter S, leave S, and for good
    outward = np.zeros(size + 1)
    fixed = np.zeros(size + 1)
    sources = np.zeros(size + 1, dtype=np.int64)
    left = np.zeros((size + 1, prices))
    code = np.zeros(size + 1, dtype=np.uint64)
    load = np.zeros(classes)
    floor = np.zeros(states)
    useful = np.zeros(states, dtype=np.int64)

    while place[1] < size:
        k = head[place[1]]
        if k < 0:
            place[1] += 1
            continue
        # States of this ideal that no smaller set of nodes does as well.
        num_useful = 0
        for s in range(states):
            least = np.inf
            for c in range(classes):
                if digits[s, c] > 0:
                    least = min(least, floor[s - stride[c]])
            if best[k, s] < least and best[k, s] < limit[0]:
                useful[num_useful] = s
                num_useful += 1
            floor[s] = min(least, best[k, s])
        if num_useful == 0:
            head[place[1]] = chain[k]
            continue

        for w in range(words):
            now[w] = bits[k, w]
            avail[w] = 0
        inside[:] = 0
        before[:] = 0
        for v in range(size):
            missing[v] = indegree[v]
        for p in range(prices):
            left[0, p] = total[p]
        for v in range(size):
            where[v] = 1 if (now[v >> 6] >> np.uint64(v & 63)) & one else 0
            if where[v]:
                for a in range(succ_at[v], succ_at[v + 1]):
                    missing[succ[a]] -= 1
                for a in range(touch_at[v], touch_at[v + 1]):
                    if tail[touch[a]] != v:
                        before[touch[a]] += 1
                for p in range(prices):
                    left[0, p] -= work[v, p]
        for v in range(size):
            if not where[v] and missing[v] == 0:
                avail[v >> 6] |= one << np.uint64(v & 63)
        code[0] = hashes[k]

        depth = 0
        cursor = 0  # next vertex to try
        while True:
            if place[3] > budget:  # this ideal is done again from its start
                return 1
            v = -1
            w = cursor >> 6
            if w < words:
                word = avail[w] & (~np.uint64(0) << np.uint64(cursor & 63))
                while word == 0 and w + 1 < words:
                    w += 1
                    word = avail[w]
                if word != 0:
                    v = 64 * w + lowest(word)
            if v < 0:
                if depth == 0:
                    break
                depth -= 1
                v = stack[depth]
                _remove(v, where, missing, inside, avail, now, succ_at, succ, touch_at, touch, tail)
                cursor = v + 1
                continue

            # -- add v to S: loads of depth + 1 from those of depth ------------------------------
            d = depth + 1
            held[d] = held[depth] + weight[v]
            largest[d] = max(largest[depth], activation[v])
            sources[d] = sources[depth] + (1 if source[v] else 0)
            enter, leave, stay = inward[depth], outward[depth], fixed[depth]
            for a in range(touch_at[v], touch_at[v + 1]):
                t = touch[a]
                amount = tensor_bits[t]
                if tail[t] == v:
                    if inside[t] > 0:
                        enter -= amount
                    if inside[t] < readers[t]:
                        leave += amount
                    if before[t] > 0:
                        stay += amount
                else:
                    inside[t] += 1
                    if where[tail[t]] == 2:
                        if inside[t] == readers[t]:
                            leave -= amount
                    elif inside[t] == 1:
                        enter += amount
                        if where[tail[t]] == 1:
                            stay += amount
            inward[d], outward[d], fixed[d] = enter, leave, stay
            where[v] = 2
            avail[v >> 6] &= ~(one << np.uint64(v & 63))
            now[v >> 6] |= one << np.uint64(v & 63)
            for a in range(succ_at[v], succ_at[v + 1]):
                u = succ[a]
                missing[u] -= 1
                if missing[u] == 0:
                    avail[u >> 6] |= one << np.uint64(u & 63)
            place[3] += 1
            alive = False
            any_load = False
            for c in range(classes):
                base = seconds[depth, c] + compute[v, c]
                seconds[d, c] = base
                load[c] = np.inf
                if held[d] + largest[d] > memory[c]:
                    continue
                if sources[d] > 0:
                    base += input_s[c]
                if base + stay * io[c] < limit[0] * copies[c]:
                    alive = True
                    crossing = base + (enter + leave) * io[c]
                    crossing = max(crossing, (enter + both[0] * leave) * in_s[c])
                    crossing = max(crossing, (leave + both[0] * enter) * out_s[c])
                    if crossing < limit[0] * copies[c]:
                        load[c] = crossing
                        any_load = True
            if not alive:
                _remove(v, where, missing, inside, avail, now, succ_at, succ, touch_at, touch, tail)
                cursor = v + 1
                continue
            code[d] = code[depth] ^ keys[v]
            for p in range(prices):
                left[d, p] = left[depth, p] - work[v, p]
            stack[depth] = v
            depth = d
            cursor = v + 1
            if not any_load:
                continue

            # -- J = I + S: better states for its ideal -------------------------------------------
            target = -1
            for choice in range(classes * most):
                c, r = choice % classes, choice // classes + 1
                if r > copies[c] or load[c] >= limit[0] * r:
                    continue
                share = load[c] / r
                for m in range(num_useful):
                    s = useful[m]
                    if digits[s, c] + r > counts[c]:
                        continue
                    value = max(best[k, s], share)
                    if value >= limit[0]:
                        continue
                    s2 = s + r * stride[c]
                    enough = True
                    for p in range(prices):
                        carried = limit[0] * capacity[s2, p] * (1 + 1e-12)
                        if left[d, p] > max(carried, 1e-9 * total[p]):
                            enough = False
                            break
                    if not enough:
                        continue
                    if target < 0:
                        slot = code[d] & mask
                        while table[slot] >= 0:
                            other = table[slot]
                            if hashes[other] == code[d]:
                                same = True
                                for w in range(words):
                                    if bits[other, w] != now[w]:
                                        same = False
                                        break
                                if same:
                                    target = other
                                    break
                            slot = (slot + one) & mask
                        if target < 0:
                            if place[0] >= len(chain):
                                return 2
                            target = place[0]
                            place[0] += 1
                            table[slot] = target
                            hashes[target] = code[d]
                            many = 0
                            for w in range(words):
                                bits[target, w] = now[w]
                                word = now[w]
                                while word != 0:
                                    word &= word - one
                                    many += 1
                            chain[target] = head[many]
                            head[many] = target
                            if many == size:
                                place[2] = target
                    if value < best[target, s2]:
                        best[target, s2] = value
                        parent[target, s2] = k
                        option[target, s2] = choice
                        if target == place[2]:
                            limit[0] = min(limit[0], value * (1 - 1e-9))
        head[place[1]] = chain[k]
    return 0


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _remove(
    v: int,
    where: NDArray[np.int8],
    missing: Ints,
    inside: Ints,
    avail: NDArray[np.uint64],
    now: NDArray[np.uint64],
    succ_at: Ints,
    succ: Ints,
    touch_at: Ints,
    touch: Ints,
    tail: Ints,
) -> None:
    """Undo the last addition to S."""
    one = np.uint64(1)
    for a in range(succ_at[v], succ_at[v + 1]):
        u = succ[a]
        if missing[u] == 0:
            avail[u >> 6] &= ~(one << np.uint64(u & 63))
        missing[u] += 1
    avail[v >> 6] |= one << np.uint64(v & 63)
    now[v >> 6] &= ~(one << np.uint64(v & 63))
    for a in range(touch_at[v], touch_at[v + 1]):
        if tail[touch[a]] != v:
            inside[touch[a]] -= 1
    where[v] = 0


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def lowest(word: np.uint64) -> int:
    """Position of the lowest set bit."""
    at = 0
    if word & np.uint64(0xFFFFFFFF) == 0:
        at += 32
        word >>= np.uint64(32)
    if word & np.uint64(0xFFFF) == 0:
        at += 16
        word >>= np.uint64(16)
    if word & np.uint64(0xFF) == 0:
        at += 8
        word >>= np.uint64(8)
    if word & np.uint64(0xF) == 0:
        at += 4
        word >>= np.uint64(4)
    if word & np.uint64(0x3) == 0:
        at += 2
        word >>= np.uint64(2)
    if word & np.uint64(0x1) == 0:
        at += 1
    return at
