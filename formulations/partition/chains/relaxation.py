"""Lower bounds for contiguous chains: paths of runs that may use a node more than once.

Lagrangian relaxation of "every class at most as often as it has nodes" and of the limits: each run
pays its class's toll, every other objective its price; the cheapest path of runs (memory stays
exact inside a run) less what the tolls and prices would bring in at the limit is a lower bound for
every non-negative choice. The best choice gives the bound of the linear programme over runs. A few
subgradient steps (Held and Karp 1971) lead into its neighbourhood, cutting planes in a box around
the best point (Marsten, Hogan and Blankenship 1975) to it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from .ng_routes import ng_backward, ng_trace
from .segments import forward, trace

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..outcome import Watch
    from .ng_routes import Memories
    from .segments import SegmentModel

    Floats = NDArray[np.float64]
    Ints = NDArray[np.signedinteger[Any]]

#: Most relaxed paths kept, the latest ones.
MOST_PATHS = 64
#: Largest multiplier over the best placement's value: more forbids no more, and rounds away bounds.
HIGHEST = 100.0


@dataclass(slots=True, eq=False)
class Relaxation:
    """Multipliers with the bound that they give, and the paths that it was found along.

    Attributes
    ----------
    model : SegmentModel
    memories : Memories or None
        What paths remember; None: a class may come back at once (but a single node not twice in
        a row).
    multipliers : ndarray, shape (C + R + M - 1,)
        Tolls, then prices, each times its `scale`.
    bound : float
        Valid lower bound on objective 0; infinite where no path of runs exists at all.
    paths : list of ndarray, shape (K, 3)
        Runs of the latest relaxed paths.
    """

    model: SegmentModel
    memories: Memories | None = None
    multipliers: Floats = field(init=False)
    scale: Floats = field(init=False)
    capacity: Floats = field(init=False)
    bound: float = -np.inf
    paths: list[Ints] = field(default_factory=list)

    def __post_init__(self) -> None:
        # Limits come in seconds, bytes, joules or cuts: each is taken in its own scale.
        ones = np.ones(self.model.num_classes)
        self.scale = np.concatenate([ones, np.maximum(np.abs(self.model.limits), 1e-12)])
        self.capacity = np.concatenate([self.model.count, self.model.limits]) / self.scale
        self.multipliers = np.zeros(len(self.scale))

    @property
    def toll(self) -> Floats:
        """What a run on each class pays, shape (C,)."""
        return self.multipliers[: self.model.num_classes]

    @property
    def price(self) -> Floats:
        """What a unit of each further row costs, shape (R + M - 1,)."""
        classes = self.model.num_classes
        return self.multipliers[classes:] / self.scale[classes:]

    @property
    def constant(self) -> float:
        """What tolls and prices bring in when every limit is met exactly."""
        return float(self.multipliers @ self.capacity)

    def value(self, multipliers: Floats, upper: float) -> tuple[float, Floats]:
        """The bound that some multipliers give, and how far its path exceeds each limit.

        Infinite where no path is left below `upper`. Takes multipliers over where their bound is
        better than the best so far.
        """
        model, classes = self.model, self.model.num_classes
        toll, price = multipliers[:classes], multipliers[classes:] / self.scale[classes:]
        constant = float(multipliers @ self.capacity)
        reduced, runs = _cheapest(model, toll, price, upper + constant, self.memories)
        bound = reduced - constant
        excess = np.zeros(len(multipliers))
        if np.isfinite(bound):
            self.paths.append(runs)
            del self.paths[:-MOST_PATHS]
            excess = _used(model, runs) / self.scale - self.capacity
        if bound > self.bound:
            self.bound, self.multipliers = bound, multipliers.copy()
        return bound, excess


def descend(relaxation: Relaxation, upper: float, steps: int, watch: Watch) -> None:
    """Raise the bound by subgradient steps.

    Parameters
    ----------
    relaxation : Relaxation
    upper : float
        Value of the best placement known, infinite where none is; sets the step length.
    steps : int
        Each O(L C^2), or O(L S C) with memories of S states.
    watch : Watch
        Ends it once expired.
    """
    here = relaxation.multipliers.copy()
    direction = np.zeros(len(here))
    waited, factor = 0, 1.0
    for _ in range(steps):
        if watch.expired():
            return
        before = relaxation.bound
        bound, excess = relaxation.value(here, upper)
        if np.isinf(bound):
            return
        waited = 0 if bound > before + 1e-6 * abs(bound) else waited + 1
        if waited >= 10:
            factor, waited = factor * 0.7, 0
            here = relaxation.multipliers.copy()
            direction[:] = 0.0
        excess[(here <= 0) & (excess < 0)] = 0.0
        norm = float(excess @ excess)
        if norm < 1e-18:
            return
        target = _target(relaxation, upper)
        direction = 0.7 * direction + excess
        length = factor * max(target - bound, 1e-9 * abs(target)) / norm
        here = np.clip(here + length * direction, 0.0, HIGHEST * abs(target))


def polish(
    relaxation: Relaxation, upper: float, steps: int, watch: Watch, close: float = 0.01
) -> None:
    """Raise the bound to its best by cutting planes.

    Parameters
    ----------
    relaxation : Relaxation
    upper : float
    steps : int
    watch : Watch
        Ends it once expired.
    close : float
        Enough when what is left to gain is this share of the gap to `upper`.
    """
    from scipy.optimize import linprog

    size = len(relaxation.multipliers)
    goal = np.append(np.zeros(size), -1.0)
    rows: list[Floats] = []
    sides: list[float] = []
    here, box = relaxation.multipliers, 0.0
    for _ in range(steps):
        if watch.expired():
            return
        before = relaxation.bound
        bound, excess = relaxation.value(here, upper)
        if np.isinf(bound):
            return
        target = _target(relaxation, upper)
        if not rows:
            positive = here[here > 0]
            box = max(float(np.median(positive)) / 2 if len(positive) else 0.0, 1e-3 * abs(target))
        # The bound is concave in the multipliers: it lies below its tangent here.
        rows.append(np.append(-excess, 1.0))
        sides.append(bound - float(excess @ here))
        centre, highest = relaxation.multipliers, HIGHEST * abs(target)
        limits = np.column_stack([np.maximum(centre - box, 0.0), np.minimum(centre + box, highest)])
        found = linprog(
            goal, np.array(rows), np.array(sides), bounds=[*limits.tolist(), (None, None)]
        )
        if found.status != 0 or found.x is None or found.fun is None:
            return
        here = np.maximum(found.x[:-1], 0.0)
        gain = -found.fun - relaxation.bound
        if gain < max(close * (target - relaxation.bound), 1e-9 * abs(target)):
            moved = np.abs(here - centre)
            if (moved < box * (1 - 1e-6)).all() or box > abs(target):
                return
            box *= 2.0
        elif bound < before:
            box *= 0.9


def _target(relaxation: Relaxation, upper: float) -> float:
    """The best placement's value, or a guess at it."""
    return upper if np.isfinite(upper) else relaxation.bound + 0.05 * abs(relaxation.bound)


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


def _used(model: SegmentModel, runs: Ints) -> Floats:
    """Runs per class and the values of objectives 1, 2, ..."""
    visits = np.bincount(runs[:, 2], minlength=model.num_classes).astype(np.float64)
    if not len(model.limits):
        return visits
    a, b, c = runs[:, 0], runs[:, 1], runs[:, 2]
    own = (model.prefix[1:, b, c] - model.prefix[1:, a, c]).sum(axis=1)
    own[: len(model.move) - 1] += model.move[1:, a[1:] - 1, c[:-1], c[1:]].sum(axis=1)
    return np.concatenate([visits, own])
