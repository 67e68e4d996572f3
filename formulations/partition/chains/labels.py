"""Contiguous chains in any node order, exactly: labels with completion bounds.

A label is a path of runs from layer 0: where it ends, on which class, which nodes it has used (a
bit set; the nodes of a class fill up in order, so counts compare like sets), its cost and its
other objectives. It is dropped when its reduced cost plus the relaxed completion (`relaxation`)
reaches the best placement known, or when another label at the same place costs no more, has used
a subset of its nodes and no more of any limit (dominance as in resource-constrained shortest
paths, Irnich and Desaulniers 2005). With a cap on labels per place the search is a beam: what the
cap drops bounds what it may have missed, so every pass ends with a placement and a valid bound.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .label_kernel import WORD, advance, open_bound
from .ng_routes import Memories, ng_backward
from .segments import backward, forward

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..outcome import Watch
    from .relaxation import Relaxation

    Floats = NDArray[np.float64]
    Ints = NDArray[np.signedinteger[Any]]

#: Most labels of one pass; memory is touched only as they are made (about 50 bytes each).
MOST_LABELS = 1 << 24
#: Most memory of one pass.
MOST_BYTES = 1_500_000_000
#: Label extensions between two looks at the clock.
CHUNK = 4_000_000


@dataclass(slots=True, eq=False)
class LabelPass:
    """End of one pass.

    Attributes
    ----------
    value : float
        Best placement found, infinite where none beats the bar.
    runs : ndarray, shape (K, 3)
        Its runs (first layer, end, class).
    bound : float
        Lower bound on what caps and clock left open; infinite where nothing was: then `value`
        is optimal, or no placement below the bar exists.
    labels : int
        Labels made.
    """

    value: float
    runs: Ints
    bound: float
    labels: int


def label_pass(
    relaxation: Relaxation,
    bar: float,
    cap: int | None,
    watch: Watch,
    *,
    most: int = MOST_LABELS,
) -> LabelPass:
    """Search for placements that cost less than `bar`.

    Parameters
    ----------
    relaxation : Relaxation
        Multipliers and memories of the completions; any are valid, good ones prune more.
    bar : float
        Labels that cannot end below it are dropped, at no loss to the bound below the bar.
    cap : int, optional
        Most labels kept per layer and class (of four times as many made); None: all.
    watch : Watch
    most : int
        Most labels made; what comes later is dropped.

    Notes
    -----
    O(labels x (C + compared labels + run lengths)).
    """
    model = relaxation.model
    memories = relaxation.memories or Memories.none(model)
    constant = relaxation.constant
    prefix, move = model.weighted(relaxation.price)
    reach = forward(prefix, move, model.lo, relaxation.toll)[0]
    rest, begin = ng_backward(
        prefix, move, model.hi, relaxation.toll, memories.owner, memories.after, reach,
        bar + constant,
    )  # fmt: skip
    rest = np.ascontiguousarray(rest.T)
    limits = model.limits
    zero = np.zeros(model.num_classes)
    shape = (model.num_layers + 1, model.num_classes)
    least_rest = np.empty((len(model.move) - 1, *shape))
    least_begin = np.empty_like(least_rest)
    forbidden = np.where(np.isinf(model.move[0]), np.inf, 0.0)
    for k in range(len(least_rest)):
        least_rest[k], least_begin[k] = backward(
            model.prefix[k + 1], model.move[k + 1] + forbidden, model.hi, zero
        )
    offset = np.concatenate([[0], np.cumsum(model.count)]).astype(np.int64)
    words = int((offset[-1] + WORD - 1) // WORD) if model.contiguous else 1
    bytes_each = 8 * (2 + 1 + len(limits) + words) + 20
    most = min(most, MOST_BYTES // bytes_each)
    reduced = np.empty(most)
    longest = np.empty(most)
    value = np.empty((most, 1 + len(limits)))
    used = np.empty((most, words), dtype=np.int64)
    link = np.empty((most, 5), dtype=np.int32)
    head = np.full(shape, -1, dtype=np.int32)
    pool = np.empty((*shape, 0 if cap is None else 4 * cap), dtype=np.int32)
    filled = np.zeros(shape, dtype=np.int32)
    tally = np.array([0, -1], dtype=np.int64)
    level = np.array([bar + constant, np.inf, constant])
    b, rows = 0, model.num_layers
    # The bar is a placement's cost plus what tolls and prices bring in: see `advance`.
    while b < rows:
        b = advance(
            b, CHUNK, most if cap is None else cap, model.contiguous,
            model.prefix, model.move, prefix, move, model.hi, model.memory_row(),
            relaxation.toll, offset, memories.bits, memories.base, memories.first,
            rest, begin, limits, least_rest, least_begin,
            reduced, value, used, link, head, pool, filled, tally, level, longest,
        )  # fmt: skip
        if b < rows and watch.expired():
            level[1] = min(level[1], open_bound(b, longest, link, head, pool, filled))
            break
    runs = _runs_of(link, int(tally[1]))
    found = float(value[tally[1], 0]) if tally[1] >= 0 else np.inf
    return LabelPass(found, runs, float(level[1]) - constant, int(tally[0]))


def _runs_of(link: Ints, label: int) -> Ints:
    runs = []
    while label >= 0:
        before = int(link[label, 0])
        first = int(link[before, 3]) if before >= 0 else 0
        runs.append((first, int(link[label, 3]), int(link[label, 2])))
        label = before
    return np.array(runs[::-1], dtype=np.int64).reshape(-1, 3)
