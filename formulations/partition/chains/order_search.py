"""Order local search for contiguous chains: which node comes when.

Moves on the order of nodes (insert, swap, reverse a stretch), each valued by the exact dynamic
programme over that order (`contiguous`), from the best order known; a few random moves kick it out
of a local optimum. Deterministic for a seed and a number of trials.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from .contiguous import OrderTables

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from ..outcome import Watch
    from .segments import SegmentModel

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]


def full_order(model: SegmentModel, order: Ints | tuple[int, ...] = ()) -> Ints:
    """An order of classes completed by the nodes that it leaves out, each class by its count."""
    known = np.array(order, dtype=np.int64)
    spare = model.count - np.bincount(known, minlength=model.num_classes)
    return np.concatenate([known, np.repeat(np.arange(model.num_classes), spare)])


def search_orders(
    model: SegmentModel,
    start: Ints,
    watch: Watch,
    *,
    trials: float = math.inf,
    until_s: float = math.inf,
    seed: int = 0,
    price: Floats | None = None,
    report: Callable[[float, Ints], None],
) -> None:
    """Improve an order of nodes until the trials or the time are up.

    Parameters
    ----------
    model : SegmentModel
    start : ndarray of int64
        An order of all nodes, as classes (see `full_order`).
    watch : Watch
        Ends the search when it has expired.
    trials : float
        Orders to value.
    until_s : float
        Ends the search when `watch.elapsed_s` gets there.
    seed : int
    price : ndarray, optional
        Prices of the other objectives; values then are priced.
    report : callable
        Called with the value and the runs of every better order.
    """
    rng = np.random.default_rng(seed)
    tables = OrderTables.of(model, price)
    best, runs = tables.best(start)
    if np.isfinite(best):
        report(best, runs)
    here, value, top = start.copy(), best, start.copy()
    size, stale, tried = len(start), 0, 0
    patience = 6 * size * size
    while size > 1 and tried < trials:
        if tried % 16 == 0 and (watch.expired() or watch.elapsed_s >= until_s):
            return
        tried += 1
        candidate = _moved(here, rng)
        found = tables.value(candidate)
        # Equal values are accepted: a plateau of unused nodes is crossed that way.
        if found <= value:
            stale = stale + 1 if found == value else 0
            here, value = candidate, found
            if found < best:
                best, runs = tables.best(candidate)
                top = candidate
                report(best, runs)
        else:
            stale += 1
        if stale > patience:
            here, stale = top.copy(), 0
            for _ in range(3):
                here = _moved(here, rng)
            value = tables.value(here)


def _moved(order: Ints, rng: np.random.Generator) -> Ints:
    """One random move: insert, swap or reverse."""
    i, j = (int(k) for k in rng.integers(0, len(order), 2))
    kind = int(rng.integers(0, 3))
    new = order.copy()
    if kind == 0:
        new[i], new[j] = order[j], order[i]
    elif kind == 1:
        low, high = min(i, j), max(i, j) + 1
        new[low:high] = order[low:high][::-1]
    elif i < j:
        new[i:j], new[j] = order[i + 1 : j + 1], order[i]
    elif j < i:
        new[j + 1 : i + 1], new[j] = order[j:i], order[i]
    return new
