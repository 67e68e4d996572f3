"""Runs of layers as the unit: a contiguous chain is a path of runs over classes of nodes.

A run [a, b) on class c carries its memory inside: it exists only where its layers fit on one node
of c. A contiguous placement is a path of runs from layer 0 to layer L that uses every class at most
as often as it has nodes. Where placement is free a node may take several runs: its memory is then a
limit of its own, on the sum of weights (less the least or the largest activation, which makes the
model a relaxation or a restriction).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numba
import numpy as np

from .chain import ROOM
from .classes import node_classes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .chain import ChainData

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class SegmentModel:
    """Arrays of the run formulation, with L layers, C classes and R objectives.

    Attributes
    ----------
    prefix : ndarray, shape (R + M, L + 1, C)
        Cost of layers 0 to i - 1 on each class; the run [a, b) costs ``prefix[b] - prefix[a]``.
        Where placement is free, M rows of weights on one node each follow.
    move : ndarray, shape (R, L - 1, C, C)
        Of each boundary between two different nodes; infinite on the diagonal in objective 0
        where a class has one node only.
    lo, hi : ndarray of int64, shape (L + 1, C)
        Runs that fit; see `run_windows`.
    limits : ndarray, shape (R - 1 + M,)
        Of all rows of `prefix` but the first.
    members : tuple of tuples of int
        Nodes of each class.
    count : ndarray of int64, shape (C,)
        Most runs on each class: its nodes, or L where placement is free.
    contiguous : bool
    """

    prefix: Floats
    move: Floats
    lo: Ints
    hi: Ints
    limits: Floats
    members: tuple[tuple[int, ...], ...]
    count: Ints
    contiguous: bool

    @classmethod
    def of(cls, data: ChainData, *, merge: bool = True, careful: bool = False) -> SegmentModel:
        """Build the model.

        Parameters
        ----------
        data : ChainData
        merge : bool
            Whether interchangeable nodes share a class (never where placement is free).
        careful : bool
            Where placement is free: leave room for the largest activation of all, not the least.
        """
        merge = merge and data.contiguous
        members = node_classes(data) if merge else tuple((n,) for n in range(data.num_nodes))
        first = np.array([row[0] for row in members], dtype=np.int64)
        count = np.array([len(row) for row in members], dtype=np.int64)
        merged = len(first) < data.num_nodes
        cost = data.cost[:, :, first] if merged else data.cost
        prefix = np.zeros((cost.shape[0], cost.shape[1] + 1, cost.shape[2]))
        np.cumsum(np.where(np.isfinite(cost), cost, 0.0), axis=1, out=prefix[:, 1:])
        move = data.move[:, :, first][:, :, :, first] if merged else data.move.copy()
        for c, row in enumerate(members):
            if len(row) > 1:
                move[:, :, c, c] = data.move[:, :, row[0], row[1]]
            else:
                move[:, :, c, c] = 0.0
                move[0, :, c, c] = np.inf
        limits = data.limits
        if not data.contiguous:
            weights, rooms = _memory_rows(data, careful=careful)
            prefix = np.concatenate([prefix, weights])
            limits = np.concatenate([limits, rooms])
            count = np.full_like(count, data.num_layers)
        lo, hi = data.windows()
        if merged:
            lo, hi = lo[:, first], hi[:, first]
        return cls(
            prefix=prefix,
            move=np.ascontiguousarray(move),
            lo=np.ascontiguousarray(lo),
            hi=np.ascontiguousarray(hi),
            limits=limits,
            members=members,
            count=count,
            contiguous=data.contiguous,
        )

    @property
    def num_layers(self) -> int:
        """L."""
        return int(self.prefix.shape[1]) - 1

    @property
    def num_classes(self) -> int:
        """C."""
        return int(self.prefix.shape[2])

    def placement(self, runs: Ints) -> Ints:
        """Node of each layer from runs (first layer, end, class) that use no class too often."""
        nodes = np.empty(self.num_layers, dtype=np.int64)
        left = [list(row) for row in self.members]
        for a, b, c in runs:
            nodes[a:b] = left[c].pop(0) if self.contiguous else left[c][0]
        return nodes

    def memory_row(self) -> Ints:
        """Which row of `limits` is the memory of each class, -1 for none; shape (C,)."""
        rows = np.full(self.num_classes, -1, dtype=np.int64)
        for k in range(len(self.move), len(self.prefix)):
            rows[int(np.argmax(self.prefix[k, -1]))] = k - 1
        return rows

    def weighted(self, price: Floats) -> tuple[Floats, Floats]:
        """Objective 0 plus `price` times the other rows: prefix (L + 1, C) and move."""
        prefix, move = self.prefix[0], self.move[0]
        for k, value in enumerate(price, start=1):
            if value > 0:
                prefix = prefix + value * self.prefix[k]
                if k < len(self.move):
                    move = move + value * self.move[k]
        return prefix, move


def _memory_rows(data: ChainData, *, careful: bool) -> tuple[Floats, Floats]:
    """Weights (M, L + 1, N) of layers 0 to i - 1 on each node with little memory, and its room."""
    total = np.concatenate([[0.0], np.cumsum(data.weight_bytes)])
    activation = data.activation_bytes.max() if careful else data.activation_bytes.min()
    room = data.memory_bytes * (1 + ROOM) - activation
    tight = np.flatnonzero(room < total[-1] + data.activation_bytes.max() - activation)
    rows = np.zeros((len(tight), len(total), data.num_nodes))
    rows[np.arange(len(tight)), :, tight] = total
    return rows, room[tight]


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def forward(
    prefix: Floats, move: Floats, lo: Ints, toll: Floats
) -> tuple[Floats, Ints, Ints, Floats]:
    """Cheapest paths of runs from layer 0, every run paying its class's `toll`.

    Classes may come back as often as they like. O(L C^2): the cheapest start of a run that ends
    at b is the minimum over a sliding window.

    Returns
    -------
    reach : ndarray, shape (L + 1, C)
        Cheapest path whose last run ends before layer b on c.
    start, previous : ndarray of int64, shape (L + 1, C)
        First layer of that last run; class of the run before a run that starts at a on c.
    enter : ndarray, shape (L + 1, C)
        Cheapest path up to the start of a run at a on c, its move included.
    """
    count, classes = prefix.shape[0] - 1, prefix.shape[1]
    reach = np.full((count + 1, classes), np.inf)
    enter = np.full((count + 1, classes), np.inf)
    start = np.full((count + 1, classes), -1, dtype=np.int64)
    previous = np.full((count + 1, classes), -1, dtype=np.int64)
    queue = np.empty((classes, count + 1), dtype=np.int64)
    key = np.empty((classes, count + 1))
    head = np.zeros(classes, dtype=np.int64)
    tail = np.zeros(classes, dtype=np.int64)
    enter[0] = 0.0
    for b in range(1, count + 1):
        a = b - 1
        for c in range(classes):
            if enter[a, c] < np.inf:
                value = enter[a, c] - prefix[a, c]
                key[c, a] = value
                while tail[c] > head[c] and key[c, queue[c, tail[c] - 1]] >= value:
                    tail[c] -= 1
                queue[c, tail[c]] = a
                tail[c] += 1
            while head[c] < tail[c] and queue[c, head[c]] < lo[b, c]:
                head[c] += 1
            if head[c] < tail[c]:
                first = queue[c, head[c]]
                start[b, c] = first
                reach[b, c] = key[c, first] + prefix[b, c] + toll[c]
        if b == count:
            break
        into = enter[b]
        origin = previous[b]
        for u in range(classes):
            value = reach[b, u]
            if value == np.inf:
                continue
            row = move[b - 1, u]
            for v in range(classes):
                there = value + row[v]
                if there < into[v]:
                    into[v] = there
                    origin[v] = u
    return reach, start, previous, enter


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def backward(prefix: Floats, move: Floats, hi: Ints, toll: Floats) -> tuple[Floats, Floats]:
    """Cheapest completions, the mirror of `forward`.

    Returns
    -------
    rest : ndarray, shape (L + 1, C)
        Cheapest path of runs from layer b on, after a run on c that ended there.
    begin : ndarray, shape (L + 1, C)
        Cheapest path of runs from layer a on whose first run is on c.
    """
    count, classes = prefix.shape[0] - 1, prefix.shape[1]
    rest = np.full((count + 1, classes), np.inf)
    begin = np.full((count + 1, classes), np.inf)
    queue = np.empty((classes, count + 1), dtype=np.int64)
    key = np.empty((classes, count + 1))
    head = np.zeros(classes, dtype=np.int64)
    tail = np.zeros(classes, dtype=np.int64)
    rest[count] = 0.0
    for a in range(count - 1, -1, -1):
        b = a + 1
        for c in range(classes):
            if rest[b, c] < np.inf:
                value = rest[b, c] + prefix[b, c]
                key[c, b] = value
                while tail[c] > head[c] and key[c, queue[c, tail[c] - 1]] >= value:
                    tail[c] -= 1
                queue[c, tail[c]] = b
                tail[c] += 1
            while head[c] < tail[c] and queue[c, head[c]] > hi[a, c]:
                head[c] += 1
            if head[c] < tail[c]:
                begin[a, c] = key[c, queue[c, head[c]]] - prefix[a, c] + toll[c]
        if a == 0:
            break
        for u in range(classes):
            best = np.inf
            row = move[a - 1, u]
            for v in range(classes):
                there = row[v] + begin[a, v]
                if there < best:
                    best = there
            rest[a, u] = best
    return rest, begin


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def trace(start: Ints, previous: Ints, last: int) -> Ints:
    """Runs (first layer, end, class) of the path of `forward` that ends on class `last`."""
    count = start.shape[0] - 1
    runs = np.empty((count, 3), dtype=np.int64)
    k, b, c = count, count, last
    while c >= 0:
        k -= 1
        runs[k, 0] = start[b, c]
        runs[k, 1] = b
        runs[k, 2] = c
        b = start[b, c]
        c = previous[b, c]
    return runs[k:].copy()
