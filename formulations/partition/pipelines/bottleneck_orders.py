"""Chains with many distinct nodes under the bottleneck: local search over the order of nodes.

For one order, in which nodes may be skipped, the reachability program has one state per node; a
neighbour is accepted when it reaches the end below the incumbent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numba
import numpy as np

from .reach import ChainLoads, ReachSearch, Stage, pack
from .reach_kernel import log2

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]
    Words = NDArray[np.uint64]


def improve_order(
    loads: ChainLoads, stop: Callable[[], bool], *, seed: int = 0, tries: int = 20_000
) -> Iterator[tuple[Stage, ...]]:
    """Yield ever better rows of stages, each node used at most once and without replicas."""
    search = ReachSearch(loads)
    plain = np.flatnonzero(search.options[:, 1] == 1)
    which = search.options[plain, 0]
    order = np.repeat(np.arange(len(plain)), loads.counts[which])
    rng = np.random.default_rng(seed)
    order = order[np.argsort(loads.seconds[which[order]].clip(max=1e9).sum(axis=1), kind="stable")]

    tables: dict[float, Any] = {}

    def run(order: Ints, load: float) -> tuple[Stage, ...] | None:
        if load not in tables:  # neighbours are tried at one load until one is better
            tables.clear()
            _, ends = search.ends(load)
            cut = pack(loads.cut_s[which[:, None], which[None, :]] <= load, search.words)
            first, last = loads.first_s[which] <= load, loads.last_s[which] <= load
            tables.update({load: (ends[plain], cut, first, last)})
        path = np.full((len(order) + 1, 3), -1, dtype=np.int64)
        ends, cut, first, last = tables[load]
        used = _follow(loads.num_layers, order, ends, cut, first, last, loads.max_stages, path)
        if used < 0:
            return None
        return tuple(Stage(int(which[o]), 1, int(i), int(j)) for o, i, j in path[:used][::-1])

    def shrink(order: Ints, low: float, high: float) -> tuple[float, tuple[Stage, ...] | None]:
        """Bisect the least load of one order to a per mille."""
        best = None
        while high - low > 1e-3 * high and not stop():
            middle = 0.5 * (low + high)
            found = run(order, middle)
            if found is None:
                low = middle
            else:
                best, high = found, min(middle, search.value(found))
        return high, best

    best = search.ceiling()
    floor = float(loads.seconds.min(axis=0).max()) * (1 - 1e-9)
    for _ in range(200):  # orders until one works at all
        if run(order, best) is not None or stop():
            break
        order = rng.permutation(order)
    best, found = shrink(order, floor, best)
    if found is not None:
        yield found
    for _ in range(tries):
        if stop():
            return
        i, j = rng.choice(len(order), size=2, replace=False) if len(order) > 1 else (0, 0)
        other = order.copy()
        if rng.random() < 0.5:
            other[[i, j]] = other[[j, i]]
        else:
            other = np.insert(np.delete(other, i), j, order[i])
        better = run(other, best * (1 - 1e-6))
        if better is None:
            continue
        order, best = other, search.value(better)
        best, closer = shrink(order, floor, best)
        yield closer or better


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _follow(
    size: int,
    order: Ints,
    ends: Words,
    cut: Words,
    first: NDArray[np.bool_],
    last: NDArray[np.bool_],
    max_stages: int,
    path: Ints,
) -> int:
    """Positions that each node of the order can end at; on success the stages backwards."""
    many, words = len(order), ends.shape[2]
    one = np.uint64(1)
    table = np.zeros((many, words), dtype=np.uint64)
    fewest = np.full((many, size + 1), many + 1, dtype=np.int64)
    origin = np.full((many, size + 1, 2), -1, dtype=np.int64)
    for k in range(many):
        o = order[k]
        for p in range(-1, k):
            for w in range(words):
                if p < 0:
                    word = one if w == 0 and first[o] else np.uint64(0)
                else:
                    word = table[p, w] & cut[order[p], o, w]
                while word != 0:
                    low = word & (~word + one)
                    word ^= low
                    i = 64 * w + log2(low)
                    used = 1 if p < 0 else fewest[p, i] + 1
                    if used > max_stages:
                        continue
                    for x in range(i >> 6, words):
                        new = ends[o, i, x]
                        while new != 0:
                            bit = new & (~new + one)
                            new ^= bit
                            j = 64 * x + log2(bit)
                            if used < fewest[k, j]:
                                fewest[k, j] = used
                                origin[k, j, 0], origin[k, j, 1] = p, i
                                table[k, x] |= bit
        if fewest[k, size] <= max_stages and last[o]:
            used, j, q = 0, size, k
            while q >= 0:
                p, i = origin[q, j, 0], origin[q, j, 1]
                path[used, 0], path[used, 1], path[used, 2] = order[q], i, j
                used += 1
                q, j = p, i
            return used
        table[k, size >> 6] &= ~(one << np.uint64(size & 63))
    return -1
