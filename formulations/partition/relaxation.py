"""Lower bounds for contiguous chains: paths of runs that may use a node more than once.

Lagrangian relaxation of "every class at most as often as it has nodes" and of the limits: each run
pays its class's toll, every other objective its price; the cheapest path of runs (memory stays
exact inside a run) less what the tolls and prices would bring in at the limit is a lower bound for
every non-negative choice. Subgradient steps after Held and Karp (1971) with Polyak's length.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .ng_routes import ng_backward, ng_trace
from .segments import forward, trace

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .ng_routes import Memories
    from .outcome import Watch
    from .segments import SegmentModel

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]


@dataclass(slots=True, eq=False)
class Relaxation:
    """Multipliers with the bound that they give, and what was met on the way.

    Attributes
    ----------
    bound : float
        Valid lower bound on objective 0; infinite where no path of runs exists at all.
    toll : ndarray, shape (C,)
    price : ndarray, shape (R - 1,)
    orders : dict
        Orders of classes seen in relaxed paths, repeats dropped, in the order they were met.
    step : float
        Length factor to go on with.
    """

    bound: float
    toll: Floats
    price: Floats
    orders: dict[tuple[int, ...], None]
    step: float = 1.0

    @classmethod
    def start(cls, model: SegmentModel) -> Relaxation:
        """Zero multipliers."""
        return cls(-np.inf, np.zeros(model.num_classes), np.zeros(len(model.limits)), {})

    def constant(self, model: SegmentModel) -> float:
        """What the tolls and prices bring in when every limit is met exactly."""
        return float(self.toll @ model.count + self.price @ model.limits)


def improve(
    relaxation: Relaxation,
    model: SegmentModel,
    upper: float,
    iterations: int,
    watch: Watch,
    memories: Memories | None = None,
) -> list[Ints]:
    """Raise the bound in place by subgradient steps.

    Parameters
    ----------
    relaxation : Relaxation
    model : SegmentModel
    upper : float
        Value of the best placement known, infinite where none is: sets the step length, and with
        `memories` the bound rises to it as soon as nothing below it is left.
    iterations : int
    watch : Watch
        Stops early once it has expired.
    memories : Memories, optional
        Paths then remember nodes; without, every class may come back at once.

    Returns
    -------
    list of ndarray, shape (K, 3)
        Runs of the relaxed paths, the ones of higher bounds last.

    Notes
    -----
    O(L C^2) per iteration, O(L S C) with memories of S states.
    """
    toll, price = relaxation.toll.copy(), relaxation.price.copy()
    direction = np.zeros(len(toll) + len(price))
    capacity = np.concatenate([model.count, model.limits]).astype(np.float64)
    # Limits come in seconds, bytes, joules or cuts: each step is taken in their own scale.
    scale = np.concatenate([np.ones(len(toll)), np.maximum(model.limits, 1e-12)])
    paths: list[tuple[float, int, Ints]] = []
    waited = 0
    for step in range(iterations):
        if watch.expired():
            break
        constant = float(toll @ model.count + price @ model.limits)
        reduced, runs = _cheapest(model, toll, price, upper + constant, memories)
        if np.isinf(reduced):
            relaxation.bound = upper
            break
        bound = reduced - constant
        paths.append((bound, step, runs))
        relaxation.orders[_without_excess(runs[:, 2], model.count)] = None
        waited += 1
        if bound > relaxation.bound:
            if bound > relaxation.bound + 1e-6 * abs(bound):
                waited = 0
            relaxation.bound = bound
            relaxation.toll, relaxation.price = toll.copy(), price.copy()
        elif waited >= 10:
            relaxation.step *= 0.7
            waited = 0
            toll, price = relaxation.toll.copy(), relaxation.price.copy()
            direction[:] = 0.0
        excess = (_used(model, runs) - capacity) / scale
        multipliers = np.concatenate([toll, price]) * scale
        excess[(multipliers <= 0) & (excess < 0)] = 0.0
        norm = float(excess @ excess)
        if norm < 1e-18:
            break
        target = upper if np.isfinite(upper) else bound + 0.05 * abs(bound)
        direction = 0.7 * direction + excess
        length = relaxation.step * max(target - bound, 1e-9 * abs(target)) / norm
        multipliers = np.maximum(multipliers + length * direction, 0.0) / scale
        toll, price = multipliers[: len(toll)], multipliers[len(toll) :]
    return [runs for _, _, runs in sorted(paths, key=lambda row: row[:2])]


def _cheapest(
    model: SegmentModel, toll: Floats, price: Floats, bar: float, memories: Memories | None
) -> tuple[float, Ints]:
    """Reduced cost and runs of the cheapest relaxed path; infinite where none is below `bar`."""
    prefix, move = model.weighted(price)
    reach, start, previous, _ = forward(prefix, move, model.lo, toll)
    if memories is None:
        last = int(np.argmin(reach[-1]))
        value = float(reach[-1, last])
        return value, trace(start, previous, last) if np.isfinite(value) else start[:0]
    rest, begin = ng_backward(
        prefix, move, model.hi, toll, memories.owner, memories.after, reach, bar
    )
    runs = ng_trace(prefix, move, model.hi, memories.after, memories.first, rest, begin)
    return float(begin[0, memories.first].min()), runs


def _without_excess(classes: Ints, count: Ints) -> tuple[int, ...]:
    left = count.copy()
    kept = []
    for c in classes.tolist():
        if left[c] > 0:
            left[c] -= 1
            kept.append(c)
    return tuple(kept)


def _used(model: SegmentModel, runs: Ints) -> Floats:
    """Runs per class and the values of objectives 1, 2, ..."""
    visits = np.bincount(runs[:, 2], minlength=model.num_classes).astype(np.float64)
    if not len(model.limits):
        return visits
    a, b, c = runs[:, 0], runs[:, 1], runs[:, 2]
    own = (model.prefix[1:, b, c] - model.prefix[1:, a, c]).sum(axis=1)
    between = model.move[1:, a[1:] - 1, c[:-1], c[1:]].sum(axis=1)
    return np.concatenate([visits, own + between])
