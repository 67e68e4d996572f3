"""The compiled part of `reach`: positions as bits of words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numba
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Words = NDArray[np.uint64]


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def stage_ends(
    load: float,
    options: Ints,
    prefix: Floats,
    end: Ints,
    inward: Floats,
    outward: Floats,
    reduce_s: Floats,
    held: Floats,
    can_cut: NDArray[np.bool_],
    words: int,
) -> tuple[Ints, Words]:
    """Where a stage from each position can end: furthest (links free), and the exact set."""
    many, size = len(options), prefix.shape[1] - 1
    furthest = np.zeros((many, size + 1), dtype=np.int64)
    ends = np.zeros((many, size + 1, words), dtype=np.uint64)
    for o in range(many):
        c, r = options[o, 0], options[o, 1]
        furthest[o, size] = size
        for i in range(size):
            furthest[o, i] = i
            for j in range(i + 1, end[c, i] + 1):
                own = prefix[c, j] - prefix[c, i]
                if own > r * load or reduce_s[o] * (held[j] - held[i]) > load:
                    break
                furthest[o, i] = j
                if can_cut[j] and own + inward[c, i] + outward[c, j] <= r * load:
                    ends[o, i, j >> 6] |= np.uint64(1) << np.uint64(j & 63)
    return furthest, ends


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def needs(furthest: Ints, options: Ints, counts: Ints, stride: Ints, states: int) -> Ints:
    """Least position from which the nodes of each state can cover the rest, links free."""
    many, width = furthest.shape
    back = np.empty((many, width), dtype=np.int64)  # least start of a stage that ends at j or later
    for o in range(many):
        for j in range(width):
            i = 0
            while i < j and furthest[o, i] < j:
                i += 1
            back[o, j] = i
    need = np.full(states, width - 1, dtype=np.int64)
    for s in range(1, states):
        least = width - 1
        for o in range(many):
            c, r = options[o, 0], options[o, 1]
            if (s // stride[c]) % (counts[c] + 1) >= r:
                least = min(least, back[o, need[s - r * stride[c]]])
        need[s] = least
    return need


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def reach(
    size: int,
    options: Ints,
    counts: Ints,
    stride: Ints,
    need: Ints,
    ends: Words,
    cut: Words,
    first: NDArray[np.bool_],
    last: NDArray[np.bool_],
    max_stages: int,
    table: Words,
    path: Ints,
) -> int:
    """Fill the table; on success write the stages backwards into `path` and return how many."""
    states, many, words = table.shape
    one = np.uint64(1)
    table[:] = 0
    union = np.zeros(words, dtype=np.uint64)
    occupied = np.zeros(states, dtype=np.int8)
    occupied[0] = 1
    for s in range(states):
        if not occupied[s]:
            continue
        total = 0
        for c in range(len(counts)):
            total += (s // stride[c]) % (counts[c] + 1)
        if total >= max_stages:
            continue
        for o in range(many):
            c, r = options[o, 0], options[o, 1]
            if (s // stride[c]) % (counts[c] + 1) + r > counts[c]:
                continue
            some = False
            for w in range(words):
                union[w] = 0
            if s == 0:
                if not first[o]:
                    continue
                union[0] = one
                some = True
            else:
                for p in range(many):
                    for w in range(words):
                        union[w] |= table[s, p, w] & cut[p, o, w]
                for w in range(words):
                    if union[w] != 0:
                        some = True
            if not some:
                continue
            target = s + r * stride[c]
            least = need[states - 1 - target]
            grown = False
            for w in range(words):
                word = union[w]
                while word != 0:
                    low = word & (~word + one)
                    word ^= low
                    i = 64 * w + log2(low)
                    for x in range(least >> 6, words):
                        bits = ends[o, i, x]
                        if x == least >> 6:
                            bits &= ~np.uint64(0) << np.uint64(least & 63)
                        if bits != 0:
                            table[target, o, x] |= bits
                            grown = True
            if not grown:
                continue
            if (table[target, o, size >> 6] >> np.uint64(size & 63)) & one:
                if last[o]:
                    used: int = _walk_back(size, options, stride, ends, cut, table, path, target, o)
                    return used
                table[target, o, size >> 6] &= ~(one << np.uint64(size & 63))
            occupied[target] = 1
    return -1


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _walk_back(
    size: int,
    options: Ints,
    stride: Ints,
    ends: Words,
    cut: Words,
    table: Words,
    path: Ints,
    state: int,
    option: int,
) -> int:
    one = np.uint64(1)
    used, j = 0, size
    while True:
        before = state - options[option, 1] * stride[options[option, 0]]
        found = -1
        previous = -1
        for i in range(j):
            if not (ends[option, i, j >> 6] >> np.uint64(j & 63)) & one:
                continue
            if before == 0:
                if i == 0:
                    found = 0
                    break
                continue
            for p in range(len(options)):
                here = table[before, p, i >> 6] & cut[p, option, i >> 6]
                if (here >> np.uint64(i & 63)) & one:
                    found, previous = i, p
                    break
            if found >= 0:
                break
        path[used, 0], path[used, 1], path[used, 2] = option, found, j
        used += 1
        if before == 0:
            return used
        state, option, j = before, previous, found


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def log2(bit: np.uint64) -> int:
    """Position of the only set bit."""
    at = 0
    if bit >> np.uint64(32):
        at += 32
        bit >>= np.uint64(32)
    if bit >> np.uint64(16):
        at += 16
        bit >>= np.uint64(16)
    if bit >> np.uint64(8):
        at += 8
        bit >>= np.uint64(8)
    if bit >> np.uint64(4):
        at += 4
        bit >>= np.uint64(4)
    if bit >> np.uint64(2):
        at += 2
        bit >>= np.uint64(2)
    if bit >> np.uint64(1):
        at += 1
    return at
