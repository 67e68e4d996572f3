"""What came out: why it stopped, what was found and what is proven, three separate things."""

from __future__ import annotations

import functools
import importlib.metadata
import math
from dataclasses import dataclass
from enum import Enum
from html import escape
from typing import Any, Generic, TypeVar

S = TypeVar("S")


class Reason(Enum):
    """Why a solve ended."""

    OPTIMAL = "optimal"
    FEASIBLE = "feasible"
    INFEASIBLE = "infeasible"
    UNBOUNDED = "unbounded"
    NO_SOLUTION = "no_solution"
    ERROR = "error"


class Limit(Enum):
    """Which limit ended it, where one did."""

    TIME = "time"
    INTERRUPT = "interrupt"
    NODES = "nodes"


class SolveError(RuntimeError):
    """There is no solution to return; the message says why."""


@functools.cache
def own_version() -> str:
    """Name and version of this package, where its own code did the work."""
    return f"orbweave {importlib.metadata.version('orbweave')}"


@dataclass(frozen=True, slots=True, eq=False)
class SolveResult(Generic[S]):
    """One answer with its certificate.

    Attributes
    ----------
    solution : S or None
    reason : Reason
        OPTIMAL: the gap is within the asked one. FEASIBLE: a solution with a larger gap.
    limit : Limit or None
        Set only where a limit ended the solve.
    objective, bound : float
        Value of the solution as it judges itself, and a valid bound on the other side (below what
        is minimised, above what is maximised), in SI units; NaN and ``-inf`` where there is none.
    build_s, solve_s, read_s : float
        Seconds to build the arrays, to search, and to read and judge the answer.
    backend : str
        What did the work, with its version.
    method : str
        The road that was taken.
    message : str
        Why there is no solution, or what a reader should know.
    """

    solution: S | None
    reason: Reason
    objective: float = math.nan
    bound: float = -math.inf
    limit: Limit | None = None
    build_s: float = 0.0
    solve_s: float = 0.0
    read_s: float = 0.0
    backend: str = ""
    method: str = ""
    message: str = ""

    @property
    def gap(self) -> float:
        """``abs(objective - bound) / max(abs(objective), 1e-9)``; infinite where unknown."""
        if not (math.isfinite(self.objective) and math.isfinite(self.bound)):
            return math.inf
        return abs(self.objective - self.bound) / max(abs(self.objective), 1e-9)

    def require(self) -> S:
        """Return the solution or raise `SolveError` saying why there is none."""
        if self.solution is None:
            raise SolveError(self.message or f"no solution: {self.reason.value}")
        return self.solution

    def to_dict(self) -> dict[str, Any]:
        """Plain data, ready for JSON (numbers that do not exist are None)."""

        def number(value: float) -> float | None:
            return value if math.isfinite(value) else None

        inner = getattr(self.solution, "to_dict", None)
        return {
            "reason": self.reason.value,
            "limit": None if self.limit is None else self.limit.value,
            "objective": number(self.objective),
            "bound": number(self.bound),
            "gap": number(self.gap),
            "method": self.method,
            "backend": self.backend,
            "build_s": self.build_s,
            "solve_s": self.solve_s,
            "read_s": self.read_s,
            "message": self.message,
            "solution": inner() if inner is not None else None,
        }

    def _repr_html_(self) -> str:
        inner = getattr(self.solution, "_repr_html_", None)
        head = (
            f"<p><b>{self.reason.value}</b> by {escape(self.method)}: objective "
            f"{self.objective:.6g}, bound {self.bound:.6g}, gap {self.gap:.2g} "
            f"{escape(self.message)}</p>"
        )
        return head + (inner() if inner is not None else "")
