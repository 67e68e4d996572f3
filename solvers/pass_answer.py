"""What a road for pass problems found, before it is judged."""

from __future__ import annotations

from dataclasses import dataclass

from ..formulations.passes import Transfers
from .result import Limit


@dataclass(frozen=True, slots=True)
class Answer:
    """What a road found: transfers, a bound in the objective's unit, and words."""

    moves: Transfers
    bound: float
    cut: tuple[str, ...]
    backend: str
    message: str = ""
    infeasible: bool = False
    method: str = "maximum flow over events"
    limit: Limit | None = None
