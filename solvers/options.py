"""How hard to try: neutral options that every road and backend understands."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..formulations import checks

if TYPE_CHECKING:
    from ..formulations.partition.outcome import Watch

#: Names that `SolveOptions.backend` takes.
BACKENDS = ("highs", "highs-ipm", "cp-sat", "pdlp", "glop", "pyomo")


@dataclass(frozen=True, slots=True, kw_only=True)
class SolveOptions:
    """Options of `orbweave.solve`.

    Parameters
    ----------
    time_limit_s : float
        Wall-clock seconds (``math.inf``: none). The best answer so far comes back with its bound.
    relative_gap : float
        Stop as soon as ``abs(objective - bound) / max(abs(objective), 1e-9)`` is this small.
    backend : str, optional
        ``highs``, ``highs-ipm`` (interior point, then crossover), ``cp-sat``, ``pdlp``, ``glop``
        or ``pyomo`` for the linear models; None lets the road choose (HiGHS).
    method : str, optional
        Force a road by name; None lets `solve` choose by the shape of the problem.
    threads, seed : int
        Handed to every solver; the same input with the same seed gives the same answer.
    on_progress : callable, optional
        Called with the running `Watch` (objective, bound, gap, elapsed_s) at each improvement.
    """

    time_limit_s: float = 60.0
    relative_gap: float = 1e-6
    backend: str | None = None
    method: str | None = None
    threads: int = 1
    seed: int = 0
    on_progress: Callable[[Watch], None] | None = None

    def __post_init__(self) -> None:
        checks.real("SolveOptions.time_limit_s", self.time_limit_s, strict=True, finite=False)
        checks.real("SolveOptions.relative_gap", self.relative_gap)
        checks.whole("SolveOptions.threads", self.threads, low=1)
        checks.whole("SolveOptions.seed", self.seed)
        if self.backend is not None:
            checks.known("SolveOptions.backend", self.backend, BACKENDS)
