"""One message's settings by dynamic programming over a budget cut into equal steps.

Sets
    L   layers; O[l] settings of each: nothing, and the points of its curve
    C   steps of the budget, 0 to `steps`
Parameters
    e[l, o]     weighted error of a setting
    s[l, o]     its bytes in steps, rounded up
Recursion
    D[l, c] = min over o of D[l - 1, c - s[l, o]] + e[l, o],  D[0, c] = 0
Source
    Markov, Vaez-Ghaemi, Dutta, Alistarh, "L-GreCo: Layerwise-adaptive gradient compression for
    efficient data-parallel deep learning", MLSys 2024, with the roles of error and bytes exchanged.

Settings are points only, so that this is an independent check of the programme over hulls. Its
answer fits the budget; rounding costs at most one step for each layer. O(L C O) time, O(L C)
memory.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from .. import checks
from ..compiled import kernel
from .problem import CompressionProblem

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .curves import ErrorCurve

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

#: Steps of the budget.
STEPS = 10_000


def is_alone(problem: CompressionProblem) -> bool:
    """Whether one sender's bytes are the only limit."""
    return (
        len(problem.senders) == 1
        and problem.objective == "error"
        and problem.fairness is None
        and not np.isfinite(problem.node_energy_j).any()
    )


def by_budget(problem: CompressionProblem, steps: int = STEPS) -> tuple[Ints, Ints]:
    """Best points for one sender.

    Parameters
    ----------
    problem : CompressionProblem
        For which `is_alone` holds.
    steps : int
        Into which the budget is cut.

    Returns
    -------
    kept, bits : array of int, shape (items,)
    """
    checks.whole("by_budget.steps", steps, low=1)
    budget = min(float(problem.capacity[0]), problem.total_limit_bytes)
    items = problem.items
    whole = math.fsum(float(curve.size_bytes.max()) for curve in items.curve)
    step = min(budget, whole) / steps
    value = np.zeros(steps + 1)
    chosen = np.zeros((len(items.curve), steps + 1), dtype=np.int64)
    options = [_options(curve, step, steps) for curve in items.curve]
    for k, (size, error, _) in enumerate(options):
        value = _layer(value, size, error * items.weight[k], chosen[k])
    kept = np.zeros(len(options), dtype=np.int64)
    bits = np.array([curve.bits[0] for curve in items.curve], dtype=np.int64)
    left = steps
    for k in range(len(options) - 1, -1, -1):
        size, _, place = options[k]
        pick = int(chosen[k, left])
        left -= int(size[pick])
        if place[pick] >= 0:
            row, column = divmod(int(place[pick]), len(items.curve[k].kept))
            kept[k], bits[k] = items.curve[k].kept[column], items.curve[k].bits[row]
    return kept, bits


def _options(curve: ErrorCurve, step: float, steps: int) -> tuple[Ints, Floats, Ints]:
    """Steps, error and place (-1 is nothing) of the settings that no other beats, by size."""
    size = np.concatenate([[0.0], curve.size_bytes.ravel()])
    with np.errstate(divide="ignore", invalid="ignore"):
        count = np.where(size > 0, np.ceil(size / step * (1 - 1e-12)), 0.0)
    error = np.concatenate([[curve.energy], curve.error.ravel()])
    order = np.lexsort((error, count))
    order = order[count[order] <= steps]
    best = np.minimum.accumulate(error[order])
    order = order[np.concatenate([[True], best[1:] < best[:-1]])]
    return count[order].astype(np.int64), error[order], order - 1


@kernel
def _layer(before: Floats, size: Ints, error: Floats, chosen: Ints) -> Floats:
    """One layer's row of the recursion."""
    after = np.full(len(before), np.inf)
    for o in range(len(size)):
        for c in range(size[o], len(before)):
            value = before[c - size[o]] + error[o]
            if value < after[c]:
                after[c] = value
                chosen[c] = o
    return after
