"""Paths of runs that remember some of the nodes they have used: bounds up to the optimum.

Every class has a memory: a few nodes that a path ending there remembers, and forgets again on
leaving for a class without them. A remembered node is not used twice. With empty memories this is
the plain relaxation, with full ones the exact problem; grown where the relaxed path comes back to
a node, small ones come close (ng-route relaxation, Baldacci, Mingozzi and Roberti 2011; grown as in
Roberti and Mingozzi 2014).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numba
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .segments import SegmentModel

    Floats = NDArray[np.float64]
    Ints = NDArray[np.signedinteger[Any]]


@dataclass(frozen=True, slots=True, eq=False)
class Memories:
    """What each class remembers, as numbered states.

    Attributes
    ----------
    bits : ndarray of int64, shape (C, K)
        Nodes (numbered class by class) that a state of each class remembers, -1 to fill up.
    base : ndarray of int64, shape (C,)
        First state of each class; a state's number is this plus its bit mask.
    owner : ndarray of int64, shape (S,)
        Class of each state.
    after : ndarray of int32, shape (S, C)
        State after a run on each class, S where it is used up.
    first : ndarray of int64, shape (C,)
        State after a first run on each class.
    """

    bits: Ints
    base: Ints
    owner: Ints
    after: Ints
    first: Ints

    @classmethod
    def of(cls, model: SegmentModel, remembered: list[set[int]]) -> Memories:
        """Number the states of given memories: for each class the classes that it remembers.

        A class of several nodes is remembered with its count; a class of one node never needs to
        remember itself.
        """
        offset = np.concatenate([[0], np.cumsum(model.count)])
        rows = [
            [
                g
                for e in sorted(kept)
                if not (e == c and model.count[e] == 1)
                for g in range(offset[e], offset[e + 1])
            ]
            for c, kept in enumerate(remembered)
        ]
        width = max(1, max(len(row) for row in rows))
        bits = np.full((len(rows), width), -1, dtype=np.int64)
        for c, row in enumerate(rows):
            bits[c, : len(row)] = row
        sizes = np.array([1 << len(row) for row in rows], dtype=np.int64)
        base = np.concatenate([[0], np.cumsum(sizes)])[:-1].astype(np.int64)
        owner = np.repeat(np.arange(len(rows)), sizes).astype(np.int64)
        node_class = np.repeat(np.arange(len(rows)), model.count).astype(np.int64)
        after, first = _transitions(
            bits, base, owner, node_class, offset[:-1].astype(np.int64), model.count
        )
        return cls(bits, base, owner, after, first)

    @classmethod
    def none(cls, model: SegmentModel) -> Memories:
        """Nothing is remembered, except that a single node does not follow itself."""
        return cls.of(model, [set() for _ in model.members])


def grow(remembered: list[set[int]], paths: list[Ints], count: Ints, most: int) -> bool:
    """Add to memories what keeps relaxed paths from coming back; False if nothing may be added.

    Parameters
    ----------
    remembered : list of sets of int
        For each class the classes that it remembers; changed in place.
    paths : list of ndarray, shape (K, 3)
        Relaxed paths of runs.
    count : ndarray of int64, shape (C,)
        Nodes of each class.
    most : int
        Most nodes in a memory; a class has up to 2 to that power states.
    """
    grown = False
    for runs in paths:
        classes = runs[:, 2].tolist()
        seen: dict[int, int] = {}
        for k, c in enumerate(classes):
            between = [d for d in classes[seen.get(c, k) : k] if c not in remembered[d]]
            room = [most - sum(int(count[e]) for e in remembered[d]) for d in between]
            if all(left >= count[c] for left in room):
                for d in between:
                    if d != c or count[c] > 1:
                        remembered[d].add(c)
                        grown = True
            seen[c] = k
    return grown


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _transitions(
    bits: Ints, base: Ints, owner: Ints, node_class: Ints, offset: Ints, count: Ints
) -> tuple[Ints, Ints]:
    states, classes, width = len(owner), len(base), bits.shape[1]
    after = np.full((states, classes), states, dtype=np.int32)
    first = np.zeros(classes, dtype=np.int64)
    known = np.zeros(classes, dtype=np.int64)
    for s in range(-1, states):  # -1: before the first run
        known[:] = 0
        if s >= 0:
            c = owner[s]
            for j in range(width):
                if bits[c, j] >= 0 and ((s - base[c]) >> j) & 1:
                    known[node_class[bits[c, j]]] += 1
            if count[c] == 1:
                known[c] = 1
        for d in range(classes):
            if known[d] >= count[d]:
                continue
            state = base[d]
            for j in range(width):
                g = bits[d, j]
                if g >= 0:
                    e = node_class[g]
                    if known[e] + (1 if e == d else 0) > g - offset[e]:
                        state += 1 << j
            if s >= 0:
                after[s, d] = state
            else:
                first[d] = state
    return after, first


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def ng_backward(
    prefix: Floats,
    move: Floats,
    hi: Ints,
    toll: Floats,
    owner: Ints,
    after: Ints,
    reach: Floats,
    bar: float,
) -> tuple[Floats, Floats]:
    """Cheapest completions by state: `backward` with memories.

    A state is dropped where ``reach`` (L + 1, C), a lower bound on coming there, and its own
    completion add up to `bar` or more. O(L S C) at most for S states.

    Returns
    -------
    rest : ndarray, shape (L + 1, S)
    begin : ndarray, shape (L + 1, S + 1)
        The last column, for a class that is used up, is infinite.
    """
    count, states, classes = prefix.shape[0] - 1, len(owner), prefix.shape[1]
    rest = np.full((count + 1, states), np.inf)
    begin = np.full((count + 1, states + 1), np.inf)
    queue = np.empty((states, count + 1), dtype=np.int32)
    key = np.empty((states, count + 1))
    head = np.zeros(states, dtype=np.int64)
    tail = np.zeros(states, dtype=np.int64)
    for s in range(states):
        if reach[count, owner[s]] < bar:
            rest[count, s] = 0.0
    for a in range(count - 1, -1, -1):
        b = a + 1
        for s in range(states):
            c = owner[s]
            low, high = head[s], tail[s]
            if rest[b, s] < np.inf:
                value = rest[b, s] + prefix[b, c]
                while high > low and key[s, high - 1] >= value:
                    high -= 1
                queue[s, high] = b
                key[s, high] = value
                high += 1
            while low < high and queue[s, low] > hi[a, c]:
                low += 1
            if low < high:
                begin[a, s] = key[s, low] - prefix[a, c] + toll[c]
            head[s], tail[s] = low, high
        if a == 0:
            break
        for s in range(states):
            c = owner[s]
            room = bar - reach[a, c]
            if not room > 0:
                continue
            best = np.inf
            costs, states_after, there = move[a - 1, c], after[s], begin[a]
            for d in range(classes):
                value = costs[d] + there[states_after[d]]
                best = value if value < best else best
            if best < room:
                rest[a, s] = best
    return rest, begin


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def ng_trace(
    prefix: Floats,
    move: Floats,
    hi: Ints,
    after: Ints,
    first: Ints,
    rest: Floats,
    begin: Floats,
) -> Ints:
    """Runs (first layer, end, class) of the cheapest path of `ng_backward`; empty if none."""
    count, classes = prefix.shape[0] - 1, prefix.shape[1]
    runs = np.empty((count, 3), dtype=np.int64)
    k, a, c, state = 0, 0, -1, -1
    while a < count:
        best, chosen, into = np.inf, -1, -1
        for d in range(classes):
            there = first[d] if state < 0 else after[state, d]
            value = begin[a, there]
            if state >= 0:
                value += move[a - 1, c, d]
            if value < best:
                best, chosen, into = value, d, there
        if chosen < 0:
            return runs[:0].copy()
        c, state = chosen, into
        best, end = np.inf, -1
        for e in range(a + 1, hi[a, c] + 1):
            value = rest[e, state] + prefix[e, c]
            if value < best:
                best, end = value, e
        runs[k, 0] = a
        runs[k, 1] = end
        runs[k, 2] = c
        k += 1
        a = end
    return runs[:k].copy()
