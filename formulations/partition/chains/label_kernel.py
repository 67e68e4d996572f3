"""The inner loop of `labels`: extending, comparing and capping labels, as numba kernels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numba
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.signedinteger[Any]]

#: Nodes per word of a label's bit set.
WORD = 62


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _sort(items: Ints, count: int, key: Floats) -> None:
    """Sort the first `count` labels by ``key[label]`` in place (heapsort)."""
    size = count
    root = count // 2
    while size > 1:
        if root > 0:
            root -= 1
            moving = items[root]
        else:
            size -= 1
            moving = items[size]
            items[size] = items[0]
            if size == 1:
                items[0] = moving
                return
        k = root
        child = 2 * k + 1
        while child < size:
            if child + 1 < size and key[items[child + 1]] > key[items[child]]:
                child += 1
            if key[items[child]] <= key[moving]:
                break
            items[k] = items[child]
            k = child
            child = 2 * k + 1
        items[k] = moving


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _sift(heap: Ints, root: int, key: Floats) -> None:
    """Restore the heap (largest key first) below `root`."""
    moving = heap[root]
    k, child = root, 2 * root + 1
    while child < len(heap):
        if child + 1 < len(heap) and key[heap[child + 1]] > key[heap[child]]:
            child += 1
        if key[heap[child]] <= key[moving]:
            break
        heap[k] = heap[child]
        k, child = child, 2 * child + 1
    heap[k] = moving


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _undominated(items: Ints, count: int, value: Floats, used: Ints) -> int:
    """Keep the undominated of `items`, sorted by cost, at the front; returns how many.

    Only the 256 cheapest kept ones are compared with: the test may miss a dominance, never more.
    """
    kept = 0
    for q in range(count):
        label = items[q]
        dominated = False
        for r in range(min(kept, 256)):
            other = items[r]
            subset = True
            for w in range(used.shape[1]):
                if used[other, w] & ~used[label, w]:
                    subset = False
                    break
            if subset:
                for k in range(1, value.shape[1]):
                    if value[other, k] > value[label, k]:
                        subset = False
                        break
            if subset:
                dominated = True
                break
        if not dominated:
            items[kept] = label
            kept += 1
    return kept


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _next_bit(used: Ints, label: int, first: int, end: int) -> int:
    """The first free node of a class (bits `first` to `end`), -1 where all are used."""
    if label < 0:
        return first
    for bit in range(first, end):
        if not (used[label, bit // WORD] >> (bit % WORD)) & 1:
            return bit
    return -1


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _state(used: Ints, label: int, bit: int, bits: Ints, base: int) -> int:
    """What a class remembers of a label's nodes and the one used now, as a state."""
    state = base
    for j in range(len(bits)):
        g = bits[j]
        if g < 0:
            break
        if g == bit or (label >= 0 and (used[label, g // WORD] >> (g % WORD)) & 1):
            state += 1 << j
    return state


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def open_bound(b: int, longest: Floats, link: Ints, head: Ints, pool: Ints, filled: Ints) -> float:
    """Least reduced cost that a label waiting at layer b or later may still end with."""
    best: float = np.inf
    for e in range(b, head.shape[0]):
        for c in range(head.shape[1]):
            label = head[e, c]
            while label >= 0:
                best = min(best, float(longest[label]))
                label = link[label, 1]
            for q in range(filled[e, c]):
                best = min(best, float(longest[pool[e, c, q]]))
    return best


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def advance(
    b: int,
    chunk: int,
    cap: int,
    elementary: bool,
    raw_prefix: Floats,
    raw_move: Floats,
    prefix: Floats,
    move: Floats,
    hi: Ints,
    memory_row: Ints,
    toll: Floats,
    offset: Ints,
    bits: Ints,
    base: Ints,
    first: Ints,
    rest: Floats,
    begin: Floats,
    limits: Floats,
    least_rest: Floats,
    least_begin: Floats,
    reduced: Floats,
    value: Floats,
    used: Ints,
    link: Ints,
    head: Ints,
    pool: Ints,
    filled: Ints,
    tally: Ints,
    level: Floats,
    longest: Floats,
) -> int:
    """Extend all labels that end at layer b, then b + 1, ...; returns the next layer.

    ``link[label]`` is (label before, next at the same place, class, end, state), ``longest`` the
    least reduced cost that it may end with; ``tally`` is (labels made, best complete label),
    ``level`` (bar, least that a cap has dropped, constant). Labels wait in lists (``head``) or,
    with a cap, in heaps (``pool``).
    """
    count, classes = hi.shape[0] - 1, hi.shape[1]
    kinds, room = raw_move.shape[0] - 1, pool.shape[2]
    items = np.empty(1024, dtype=np.int64)
    more = np.empty(kinds)
    work = 0
    while b < count and work < chunk:
        for c in range(classes if b > 0 else 1):
            kept = 1
            if b == 0:
                items[0] = -1
            else:
                kept = 0
                label = head[b, c] if room == 0 else -1
                for q in range(filled[b, c]):
                    if q == len(items):
                        longer = np.empty(room, dtype=np.int64)
                        longer[:q] = items
                        items = longer
                    if longest[pool[b, c, q]] < level[0]:
                        items[kept] = pool[b, c, q]
                        kept += 1
                while label >= 0:
                    if longest[label] < level[0]:
                        if kept == len(items):
                            longer = np.empty(2 * kept, dtype=np.int64)
                            longer[:kept] = items
                            items = longer
                        items[kept] = label
                        kept += 1
                    label = link[label, 1]
                _sort(items, kept, value[:, 0])
                kept = _undominated(items, kept, value, used)
                if kept > cap:
                    _sort(items, kept, longest)
                    level[1] = min(level[1], longest[items[cap]])
                    kept = cap
            for q in range(kept):
                label = items[q]
                for d in range(classes):
                    so_far = toll[d]
                    if label >= 0:
                        so_far += reduced[label] + move[b - 1, c, d]
                    work += 1
                    if not so_far < level[0]:
                        continue
                    bit, state = -1, first[d]
                    if elementary:
                        bit = _next_bit(used, label, offset[d], offset[d + 1])
                        if bit < 0:
                            continue
                        state = _state(used, label, bit, bits[d], base[d])
                    if so_far - toll[d] + begin[b, state] >= level[0]:
                        continue
                    fits = True
                    for k in range(kinds):
                        more[k] = 0.0
                        if label >= 0:
                            more[k] = value[label, k + 1] + raw_move[k + 1, b - 1, c, d]
                        if more[k] + least_begin[k, b, d] > limits[k]:
                            fits = False
                    if not fits:
                        continue
                    so_far -= prefix[b, d]
                    held, row = 0.0, memory_row[d]
                    if row >= 0 and label >= 0:
                        held = value[label, row + 1]
                    weight = 0.0
                    for e in range(b + 1, hi[b, d] + 1):
                        work += 1
                        total = so_far + prefix[e, d]
                        if total + rest[state, e] >= level[0]:
                            continue
                        fits = True
                        for k in range(kinds):
                            own = raw_prefix[k + 1, e, d] - raw_prefix[k + 1, b, d]
                            if more[k] + own + least_rest[k, e, d] > limits[k]:
                                fits = False
                        if row >= 0:
                            weight = raw_prefix[row + 1, e, d] - raw_prefix[row + 1, b, d]
                            if held + weight > limits[row]:
                                break
                        if not fits:
                            continue
                        new = tally[0]
                        if room > 0 and e < count and filled[e, d] == room:
                            worst = longest[pool[e, d, 0]]
                            level[1] = min(level[1], max(worst, total + rest[state, e]))
                            if total + rest[state, e] >= worst:
                                continue
                            new = pool[e, d, 0]
                        elif new == len(reduced):
                            level[1] = min(level[1], total + rest[state, e])
                            continue
                        reduced[new] = total
                        value[new, 0] = raw_prefix[0, e, d] - raw_prefix[0, b, d]
                        if label >= 0:
                            value[new, 0] += value[label, 0] + raw_move[0, b - 1, c, d]
                        for k in range(kinds):
                            own = raw_prefix[k + 1, e, d] - raw_prefix[k + 1, b, d]
                            value[new, k + 1] = more[k] + own
                        for k in range(kinds, len(limits)):
                            value[new, k + 1] = value[label, k + 1] if label >= 0 else 0.0
                        if row >= 0:
                            value[new, row + 1] = held + weight
                        for w in range(used.shape[1]):
                            used[new, w] = used[label, w] if label >= 0 else 0
                        if bit >= 0:
                            used[new, bit // WORD] |= 1 << (bit % WORD)
                        if e == count:
                            # A complete path's reduced cost is at most its cost + constant, less
                            # where it leaves nodes unused: the bar moves by the cost.
                            if value[new, 0] + level[2] >= level[0]:
                                continue
                            level[0] = value[new, 0] + level[2]
                        longest[new] = total + rest[state, e]
                        link[new, 0] = label
                        link[new, 2] = d
                        link[new, 3] = e
                        link[new, 4] = state
                        if e == count:
                            tally[1] = new
                        elif room == 0:
                            link[new, 1] = head[e, d]
                            head[e, d] = new
                        elif filled[e, d] < room:
                            pool[e, d, filled[e, d]] = new
                            filled[e, d] += 1
                            if filled[e, d] == room:
                                for root in range(room // 2 - 1, -1, -1):
                                    _sift(pool[e, d], root, longest)
                        else:
                            _sift(pool[e, d], 0, longest)
                        if new == tally[0]:
                            tally[0] += 1
        b += 1
    return b
