"""Contiguous chains with the nodes in a given order, any of which may stay empty.

State: the last layer done and the last node used. Exact for that order, hence a placement (no
bound) for the problem where any order will do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numba
import numpy as np

from ..outcome import Outcome
from .chain import ChainData, applies
from .segments import SegmentModel

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..outcome import Watch
    from ..problem import PartitionProblem

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

METHOD = "contiguous runs in a given node order"


def solve_fixed_order(
    problem: PartitionProblem,
    watch: Watch,
    order: Sequence[int] | None = None,
    weights: Mapping[str, float] | None = None,
) -> Outcome:
    """Find the best contiguous placement that visits the nodes in one order.

    Parameters
    ----------
    problem : PartitionProblem
        One for which `fixed_order_applies` holds.
    watch : Watch
    order : sequence of int, optional
        Node numbers, each at most once; the network's order unless given. Nodes may be skipped.
    weights : mapping of additive objective to float, optional

    Returns
    -------
    Outcome
        The best placement of that order. Its bound is that of all orders: ``-inf`` unless the
        network has one node.

    Notes
    -----
    O(L N^2).
    """
    data = ChainData.of(problem, weights)
    model = SegmentModel.of(data, merge=False)
    wanted = np.arange(data.num_nodes) if order is None else np.asarray(order, dtype=np.int64)
    value, runs = OrderTables.of(model).best(wanted)
    bound = value if data.num_nodes == 1 else -np.inf
    watch.tighten(bound)
    if np.isinf(value):
        return Outcome(None, bound, METHOD)
    placement = model.placement(runs)
    watch.offer(placement, data.value(placement))
    return Outcome(placement, bound, METHOD)


def fixed_order_applies(problem: PartitionProblem) -> bool:
    """Whether `solve_fixed_order` takes this problem: a chain without cuts or limits to count."""
    return applies(problem) and not problem.limits and problem.max_cuts is None


class OrderTables:
    """Arrays and work space for the best path of runs along one order after another.

    Rows of an order that begins like the one before are not computed again.
    """

    __slots__ = ("between", "known", "lo", "prefix", "reach")

    def __init__(self, prefix: Floats, move: Floats, lo: Ints) -> None:
        rows, classes = prefix.shape
        self.prefix = np.ascontiguousarray(prefix.T)
        self.lo = np.ascontiguousarray(lo.T)
        self.between = np.full((classes, classes, rows), np.inf)
        self.between[:, :, 1:-1] = move.transpose(1, 2, 0)
        self.reach = np.full((0, rows), np.inf)
        self.known = np.empty(0, dtype=np.int64)

    @classmethod
    def of(cls, model: SegmentModel, price: Floats | None = None) -> OrderTables:
        """Tables of a model; with `price` for the priced cost."""
        prefix, move = (model.prefix[0], model.move[0]) if price is None else model.weighted(price)
        return cls(prefix, move, model.lo)

    def value(self, order: Ints) -> float:
        """Cost of the best path of runs through `order`, infinite where none fits."""
        if len(order) > len(self.reach):
            longer = np.full((len(order), self.reach.shape[1]), np.inf)
            longer[: len(self.reach)] = self.reach
            self.reach = longer
        shared = min(len(order), len(self.known))
        differs = np.flatnonzero(order[:shared] != self.known[:shared])
        first = int(differs[0]) if len(differs) else shared
        self.known = order.copy()
        _extend(self.prefix, self.between, self.lo, order, first, self.reach)
        return float(self.reach[: len(order), -1].min(initial=np.inf))

    def best(self, order: Ints) -> tuple[float, Ints]:
        """The cost and the runs (first layer, end, class) of the best path."""
        value = self.value(order)
        if np.isinf(value):
            return value, np.empty((0, 3), dtype=np.int64)
        return value, _trace(self.prefix, self.between, self.lo, order, self.reach)


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _extend(
    prefix: Floats, between: Floats, lo: Ints, order: Ints, first: int, reach: Floats
) -> None:
    """Fill ``reach[k, b]``, the cheapest path to layer b that ends on ``order[k]``."""
    rows = prefix.shape[1]
    queue = np.empty(rows, dtype=np.int64)
    key = np.empty(rows)
    for k in range(first, len(order)):
        c = order[k]
        key[:] = np.inf
        key[0] = 0.0
        for j in range(k):
            row, came = between[order[j], c], reach[j]
            for a in range(rows):
                there = came[a] + row[a]
                key[a] = there if there < key[a] else key[a]
        reach[k, 0] = np.inf
        head, tail = 0, 0
        for b in range(1, rows):
            a = b - 1
            if key[a] < np.inf:
                key[a] -= prefix[c, a]
                while tail > head and key[queue[tail - 1]] >= key[a]:
                    tail -= 1
                queue[tail] = a
                tail += 1
            while head < tail and queue[head] < lo[c, b]:
                head += 1
            reach[k, b] = key[queue[head]] + prefix[c, b] if head < tail else np.inf


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _trace(prefix: Floats, between: Floats, lo: Ints, order: Ints, reach: Floats) -> Ints:
    """Runs of the best path, found again backwards by comparing sums."""
    rows = prefix.shape[1]
    runs = np.empty((len(order), 3), dtype=np.int64)
    b, k, made = rows - 1, 0, len(order)
    for j in range(len(order)):
        if reach[j, b] < reach[k, b]:
            k = j
    while b > 0:
        c = order[k]
        best, first, before = np.inf, 0, -1
        for a in range(lo[c, b], b):
            if a == 0 and -prefix[c, 0] < best:
                best, first, before = -prefix[c, 0], 0, -1
            for j in range(k if a > 0 else 0):
                there = reach[j, a] + between[order[j], c, a] - prefix[c, a]
                if there < best:
                    best, first, before = there, a, j
        made -= 1
        runs[made, 0] = first
        runs[made, 1] = b
        runs[made, 2] = c
        b, k = first, before
    return runs[made:].copy()
