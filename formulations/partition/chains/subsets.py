"""Contiguous chains in any node order, exactly: dynamic programming over sets of used nodes.

State: how many nodes of each class are used, the class of the last run and where it ends. With all
nodes different that is the subset dynamic programme, N 2^N L states; k classes of m nodes need
(m + 1)^k k L only.
"""

from __future__ import annotations

from collections.abc import Mapping
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

METHOD = "exact dynamic programme over sets of nodes"

#: Most table entries (8 bytes each) that the programme may take.
MOST_ENTRIES = 40_000_000


def solve_subsets(
    problem: PartitionProblem, watch: Watch, weights: Mapping[str, float] | None = None
) -> Outcome:
    """Find the best contiguous placement of a chain over few nodes or few classes of nodes.

    Parameters
    ----------
    problem : PartitionProblem
        One for which `subsets_apply` holds.
    watch : Watch
    weights : mapping of additive objective to float, optional

    Returns
    -------
    Outcome
        The optimum, or the bound ``inf`` where no placement exists.

    Notes
    -----
    O(S L C^2) for S count vectors and C classes; memory for S C L numbers.
    """
    data = ChainData.of(problem, weights)
    return subsets_outcome(data, SegmentModel.of(data), watch)


def subsets_apply(problem: PartitionProblem) -> bool:
    """Whether `solve_subsets` takes this problem: contiguous, no limits but on cuts, small."""
    if not (applies(problem) and problem.contiguous and not problem.limits):
        return False
    return table_entries(SegmentModel.of(ChainData.of(problem))) <= MOST_ENTRIES


def table_entries(model: SegmentModel) -> float:
    """Numbers that the tables of a model hold."""
    states = float(np.prod(model.count + 1.0))
    return states * model.num_classes * (model.num_layers + 1)


def subsets_outcome(data: ChainData, model: SegmentModel, watch: Watch) -> Outcome:
    """`solve_subsets` on arrays."""
    most = int(data.limits[-1]) + 1 if "cuts" in data.names else data.num_nodes
    unit = np.concatenate([[1], np.cumprod(model.count + 1)]).astype(np.int64)
    reach = _fill(model.prefix[0], model.move[0], model.lo, model.count, unit, most)
    value, runs = _trace(model.prefix[0], model.move[0], model.lo, unit, reach)
    watch.tighten(value)
    if np.isinf(value):
        return Outcome(None, np.inf, METHOD)
    placement = model.placement(runs)
    watch.offer(placement, data.value(placement))
    return Outcome(placement, value, METHOD)


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _fill(prefix: Floats, move: Floats, lo: Ints, count: Ints, unit: Ints, most: int) -> Floats:
    """``reach[S, c, b]``: cheapest path of runs to layer b, last on c, that uses counts S."""
    layers, classes = prefix.shape[0] - 1, prefix.shape[1]
    states = unit[classes]
    reach = np.full((states, classes, layers + 1), np.inf)
    queue = np.empty(layers + 1, dtype=np.int64)
    key = np.empty(layers + 1)
    digits = np.empty(classes, dtype=np.int64)
    for state in range(states):
        for c in range(classes):
            digits[c] = state // unit[c] % (count[c] + 1)
        if digits.sum() >= most:
            continue
        for d in range(classes):
            if digits[d] == count[d]:
                continue
            key[:] = np.inf
            if state == 0:
                key[0] = 0.0
            for u in range(classes):
                if digits[u] > 0:
                    came = reach[state, u]
                    for a in range(1, layers):
                        key[a] = min(key[a], came[a] + move[a - 1, u, d])
            into = reach[state + unit[d], d]
            head, tail = 0, 0
            for b in range(1, layers + 1):
                a = b - 1
                if key[a] < np.inf:
                    key[a] -= prefix[a, d]
                    while tail > head and key[queue[tail - 1]] >= key[a]:
                        tail -= 1
                    queue[tail] = a
                    tail += 1
                while head < tail and queue[head] < lo[b, d]:
                    head += 1
                if head < tail:
                    into[b] = key[queue[head]] + prefix[b, d]
    return reach


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _trace(prefix: Floats, move: Floats, lo: Ints, unit: Ints, reach: Floats) -> tuple[float, Ints]:
    """Value and runs (first layer, end, class) of the best path, found again backwards."""
    layers, classes = prefix.shape[0] - 1, prefix.shape[1]
    value, state, c = np.inf, 0, 0
    for s in range(reach.shape[0]):
        for d in range(classes):
            if reach[s, d, layers] < value:
                value, state, c = reach[s, d, layers], s, d
    runs = np.empty((layers, 3), dtype=np.int64)
    made, b = layers, layers
    if value == np.inf:
        return value, runs[:0].copy()
    while b > 0:
        state -= unit[c]
        best, first, before = np.inf, 0, 0
        for a in range(lo[b, c], b):
            if a == 0:
                if state == 0:
                    best, first = -prefix[0, c], 0
                continue
            for u in range(classes):
                there = reach[state, u, a] + move[a - 1, u, c] - prefix[a, c]
                if there < best:
                    best, first, before = there, a, u
        made -= 1
        runs[made, 0] = first
        runs[made, 1] = b
        runs[made, 2] = c
        b, c = first, before
    return value, runs[made:].copy()
