"""What a search for placements hands back, and how it reports while it runs."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Placement = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """End of one road: the best placement found and a valid lower bound.

    Attributes
    ----------
    placement : ndarray of int64, shape (L,), or None
        Node of each layer.
    bound : float
        No placement is better than this; ``-inf`` where nothing is known, ``inf`` where it is
        proven that there is no placement at all.
    method : str
        Road taken, for the report.
    replicas : tuple of tuples of int, optional
        All nodes of each layer where stages are replicated.
    """

    placement: Placement | None
    bound: float
    method: str
    replicas: tuple[tuple[int, ...], ...] | None = None


@dataclass(slots=True)
class Watch:
    """Clock, incumbent and bound of one solve; every road reports here and asks when to stop.

    A road calls `offer` for each better placement (with its objective value) and `tighten` for
    each better bound, so that an interrupt keeps the best of both, and stops when `expired()`.
    """

    time_limit_s: float = math.inf
    relative_gap: float = 1e-6
    on_progress: Callable[[Watch], None] | None = None
    started: float = field(default_factory=time.perf_counter)
    placement: NDArray[np.int64] | None = None
    replicas: tuple[tuple[int, ...], ...] | None = None
    objective: float = math.inf
    bound: float = -math.inf
    backend: str = ""  #: name and version of the solver that a road called, for the report

    @property
    def elapsed_s(self) -> float:
        """Seconds since the start."""
        return time.perf_counter() - self.started

    @property
    def remaining_s(self) -> float:
        """Seconds left, not below zero."""
        return max(0.0, self.time_limit_s - self.elapsed_s)

    @property
    def gap(self) -> float:
        """Relative gap between incumbent and bound, infinite while one is missing."""
        if not (math.isfinite(self.objective) and math.isfinite(self.bound)):
            return math.inf
        return abs(self.objective - self.bound) / max(abs(self.objective), 1e-9)

    def reset(self) -> None:
        """Forget incumbent and bound, keep the clock."""
        self.placement, self.replicas = None, None
        self.objective, self.bound = math.inf, -math.inf

    def expired(self) -> bool:
        """Whether the time is up or the asked gap is closed."""
        return self.elapsed_s >= self.time_limit_s or self.gap <= self.relative_gap

    def offer(
        self,
        placement: NDArray[np.int64],
        objective: float,
        replicas: tuple[tuple[int, ...], ...] | None = None,
    ) -> None:
        """Report a feasible placement and its objective."""
        if objective < self.objective:
            self.placement, self.objective = np.array(placement, dtype=np.int64), float(objective)
            self.replicas = replicas
            self._tell()

    def tighten(self, bound: float) -> None:
        """Report a valid lower bound."""
        if bound > self.bound:
            self.bound = float(bound)
            self._tell()

    def state(self, *, objective: float | None = None, bound: float | None = None) -> None:
        """Report where a search that keeps its own best stands, in whichever direction it works."""
        self.objective = self.objective if objective is None else float(objective)
        self.bound = self.bound if bound is None else float(bound)
        self._tell()

    def _tell(self) -> None:
        if self.on_progress is not None:
            self.on_progress(self)
