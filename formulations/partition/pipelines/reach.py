"""Chains under the pipeline bottleneck: which cut positions a set of nodes can reach below a load.

Sets        positions 0..L (position j stands before layer j), options o = (class of nodes c,
            replicas r), count vectors s (nodes used of each class)
State       reach[s, o] = positions where a stage of option o may end with exactly the nodes of s
            used, every node and every transfer below the load B; a bit set
Recursion   reach[s + r e_c, o] = union over positions i in (union over o' of reach[s, o'] and
            cut[o', o]) of ends[o, i]
Answer      the least B for which the last position is reached, by bisection

A second, much smaller program bounds it first: with links free, the nodes that are left cover the
layers from position need[s] on, so positions before it are dead ends. Complexity per B:
O(states * options^2 * L / 64) words.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from .reach_kernel import needs, reach, stage_ends

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Words = NDArray[np.uint64]

#: Bytes of the table of reached positions beyond which the exact program is not run.
MAX_TABLE_BYTES = 6e8
MAX_STATES = 1 << 20
#: Sums are compared with this relative room for rounding.
ROOM = 1e-11


@dataclass(frozen=True, slots=True, eq=False)
class ChainLoads:
    """A chain of L layers over C classes of nodes, for the bottleneck.

    Attributes
    ----------
    members : tuple of tuples of int
        Nodes of each class.
    seconds : ndarray, shape (C, L)
        Infinite where a layer may not run.
    memory_end : ndarray of int64, shape (C, L)
        Last position that a stage starting at a layer can reach within memory.
    inward_s, outward_s : ndarray, shape (C, L + 1)
        Node seconds to bring a stage's input in at its first position, its output out at its last.
    first_s, last_s : ndarray, shape (C,)
        Load on links of the model's input to, and its output from, a node of the class.
    cut_s : ndarray, shape (C, C, L + 1)
        Busiest link of a transfer between two nodes at a position; infinite where no cut may be.
    reduce_s : ndarray, shape (C, max_replicas + 1)
        Seconds per weight byte that the all-reduce among r nodes leaves on a link.
    weight_bytes : ndarray, shape (L,)
    max_replicas, max_stages : int
        `max_stages` is kept without replicas only: the states count nodes.
    """

    members: tuple[tuple[int, ...], ...]
    seconds: Floats
    memory_end: Ints
    inward_s: Floats
    outward_s: Floats
    first_s: Floats
    last_s: Floats
    cut_s: Floats
    reduce_s: Floats
    weight_bytes: Floats
    max_replicas: int
    max_stages: int

    @property
    def counts(self) -> Ints:
        """Nodes in each class."""
        return np.array([len(nodes) for nodes in self.members], dtype=np.int64)

    @property
    def num_layers(self) -> int:
        """L."""
        return int(self.seconds.shape[1])

    @property
    def options(self) -> Ints:
        """(class, replicas) rows."""
        return np.array(
            [
                (c, r)
                for c, count in enumerate(self.counts)
                for r in range(1, min(int(count), self.max_replicas) + 1)
            ],
            dtype=np.int64,
        )

    @property
    def table_bytes(self) -> float:
        """Size of the exact program's table."""
        states = float(np.prod(self.counts.astype(np.float64) + 1))
        return states * len(self.options) * ((self.num_layers + 64) // 64) * 8

    @property
    def is_small(self) -> bool:
        """Whether the exact program fits."""
        states = float(np.prod(self.counts.astype(np.float64) + 1))
        return states <= MAX_STATES and self.table_bytes <= MAX_TABLE_BYTES

    def merged(self, groups: Sequence[Sequence[int]]) -> ChainLoads:
        """Classes united, each union as good as the best of its members in every respect.

        Any plan of the original is one of the result with loads no higher: a relaxation.
        """

        def least(table: Floats) -> Floats:
            return np.stack([table[list(g)].min(axis=0) for g in groups])

        return replace(
            self,
            members=tuple(tuple(n for c in g for n in self.members[c]) for g in groups),
            seconds=least(self.seconds),
            memory_end=np.stack([self.memory_end[list(g)].max(axis=0) for g in groups]),
            inward_s=least(self.inward_s),
            outward_s=least(self.outward_s),
            first_s=least(self.first_s),
            last_s=least(self.last_s),
            cut_s=least(np.stack([self.cut_s[:, list(g)].min(axis=1) for g in groups], axis=1)),
            reduce_s=least(self.reduce_s),
        )


@dataclass(frozen=True, slots=True, eq=False)
class Stage:
    """Layers ``first..last - 1`` on `replicas` nodes of class `node_class`."""

    node_class: int
    replicas: int
    first: int
    last: int


@dataclass(frozen=True, slots=True, eq=False)
class ReachResult:
    """End of a search: the stages found, their load, and a load that nothing is below."""

    stages: tuple[Stage, ...] | None
    value: float
    bound: float


def best_reach(
    loads: ChainLoads,
    tolerance: float = 1e-9,
    stop: Callable[[], bool] = lambda: False,
) -> ReachResult:
    """Find the least bottleneck over any order of nodes.

    Parameters
    ----------
    loads : ChainLoads
        With `is_small`.
    tolerance : float
        Relative distance of value and bound at the end.
    stop : callable
        Asked between bisection steps whether to give up.

    Returns
    -------
    ReachResult
        ``bound = inf`` and no stages where there is no plan at all.
    """
    search = ReachSearch(loads)
    low, high = float(loads.seconds.min(axis=0).max()) / loads.max_replicas, np.inf
    ceiling = search.ceiling()
    if not np.isfinite(low) or not search.relaxed(ceiling):
        return ReachResult(None, np.inf, np.inf)
    low *= 1 - tolerance
    if not search.relaxed(low):  # bisect the small program first
        top = ceiling
        while top - low > 1e-7 * top:
            middle = np.sqrt(low * top) if low > 0 and top > 4 * low else 0.5 * (low + top)
            if search.relaxed(middle):
                top = middle
            else:
                low = middle
        trial = top
    else:
        trial = low / (1 - 2 * tolerance)
    stages: tuple[Stage, ...] | None = None
    step = 1e-3
    while not stop():
        found = search.reach(trial)
        if found is not None:
            stages, high = found, min(search.value(found), trial)
        else:
            low = max(low, trial)
            if trial >= ceiling:
                return ReachResult(None, np.inf, np.inf)
        if high <= low * (1 + 2 * tolerance) or high - low <= 1e-300:
            break
        if not np.isfinite(high):
            trial = min(max(trial * (1 + step), 1e-300), ceiling)
            step *= 2
        elif high - low < 1e-3 * high:
            # Values are sums of the data: just below the best one is usually a proof.
            trial = high * (1 - tolerance)
        else:
            trial = 0.5 * (low + high)
    return ReachResult(stages, high, low)


class ReachSearch:
    """Tables of one chain, and the two programs over them."""

    def __init__(self, loads: ChainLoads) -> None:
        self.loads = loads
        size, classes = loads.num_layers, len(loads.members)
        self.options = loads.options
        self.words = (size + 64) // 64
        self.stride = np.cumprod(np.concatenate([[1], loads.counts[:-1] + 1])).astype(np.int64)
        self.states = int(np.prod(loads.counts + 1))
        self.prefix = np.zeros((classes, size + 1))
        usable = np.isfinite(loads.seconds)
        np.cumsum(np.where(usable, loads.seconds, 0.0), axis=1, out=self.prefix[:, 1:])
        self.end = np.array(loads.memory_end)
        for c in range(classes):
            blocked = size
            for i in range(size - 1, -1, -1):
                blocked = i if not usable[c, i] else blocked
                self.end[c, i] = min(self.end[c, i], blocked)
        self.held = np.concatenate([[0.0], np.cumsum(loads.weight_bytes)])
        self.can_cut = np.ones(size + 1, dtype=np.bool_)
        self.can_cut[1:size] = np.isfinite(loads.cut_s[:, :, 1:size]).any(axis=(0, 1))
        self.max_stages = loads.max_stages if loads.max_replicas == 1 else self.states
        self.table = np.zeros((0, 0, 0), dtype=np.uint64)

    def ceiling(self) -> float:
        """A load that no stage or transfer exceeds."""
        loads = self.loads
        total = self.prefix[:, -1].max() + loads.inward_s.max() + loads.outward_s.max()
        finite = loads.cut_s[np.isfinite(loads.cut_s)]
        parts = [total, loads.reduce_s.max() * self.held[-1], finite.max() if len(finite) else 0.0]
        ends = np.concatenate([loads.first_s, loads.last_s])
        parts.append(float(ends[np.isfinite(ends)].max(initial=0.0)))
        return float(max(parts)) * (1 + 1e-6) + 1e-300

    def _reduce(self) -> Floats:
        return np.array([self.loads.reduce_s[c, r] for c, r in self.options])

    def ends(self, load: float) -> tuple[Ints, Words]:
        """Where a stage of each option can end from each position: furthest, and the exact set."""
        found: tuple[Ints, Words] = stage_ends(
            load * (1 + ROOM), self.options, self.prefix, self.end, self.loads.inward_s,
            self.loads.outward_s, self._reduce(), self.held, self.can_cut, self.words,
        )  # fmt: skip
        return found

    def _need(self, furthest: Ints) -> Ints:
        counts = self.loads.counts
        found: Ints = needs(furthest, self.options, counts, self.stride, self.states)
        return found

    def relaxed(self, load: float) -> bool:
        """Whether the layers can be covered with links free: necessary for `reach`."""
        furthest, _ = self.ends(load)
        return bool(self._need(furthest)[-1] == 0)

    def reach(self, load: float) -> tuple[Stage, ...] | None:
        """Stages with every load at most `load`, or None where there are none."""
        loads, size = self.loads, self.loads.num_layers
        furthest, ends = self.ends(load)
        need = self._need(furthest)
        if need[-1] > 0:
            return None
        c, r = self.options.T
        per_cut = loads.cut_s[c[:, None], c[None, :]] / (r[:, None] * r[None, :])[:, :, None]
        cut = pack(per_cut <= load * (1 + ROOM), self.words)
        first = loads.first_s[c] / r <= load * (1 + ROOM)
        last = loads.last_s[c] / r <= load * (1 + ROOM)
        if self.table.shape[0] != self.states:
            self.table = np.zeros((self.states, len(self.options), self.words), dtype=np.uint64)
        path = np.full((int(loads.counts.sum()) + 1, 3), -1, dtype=np.int64)
        used = reach(
            size, self.options, loads.counts, self.stride, need, ends, cut, first, last,
            self.max_stages, self.table, path,
        )  # fmt: skip
        if used < 0:
            return None
        return tuple(
            Stage(int(self.options[o, 0]), int(self.options[o, 1]), int(i), int(j))
            for o, i, j in path[:used][::-1]
        )

    def value(self, stages: Sequence[Stage]) -> float:
        """Largest load of a row of stages."""
        loads, size = self.loads, self.loads.num_layers
        worst = 0.0
        for k, stage in enumerate(stages):
            c, r, i, j = stage.node_class, stage.replicas, stage.first, stage.last
            node = (
                self.prefix[c, j] - self.prefix[c, i] + loads.inward_s[c, i] + loads.outward_s[c, j]
            )
            worst = max(worst, node / r, loads.reduce_s[c, r] * (self.held[j] - self.held[i]))
            if i == 0:
                worst = max(worst, loads.first_s[c] / r)
            if j == size:
                worst = max(worst, loads.last_s[c] / r)
            else:
                after = stages[k + 1]
                worst = max(worst, loads.cut_s[c, after.node_class, j] / (r * after.replicas))
        return float(worst)


def pack(flags: NDArray[np.bool_], words: int) -> Words:
    """Booleans of the last axis as bits of little-endian 64-bit words."""
    packed = np.packbits(flags, axis=-1, bitorder="little")
    wide = np.zeros((*flags.shape[:-1], 8 * words), dtype=np.uint8)
    wide[..., : packed.shape[-1]] = packed
    return wide.view("<u8").astype(np.uint64)
