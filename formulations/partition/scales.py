"""What every linear formulation needs to know of an objective: its weights, and fitting units."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .. import checks

if TYPE_CHECKING:
    from .costs import PartitionCosts
    from .problem import PartitionProblem


def objective_weights(problem: PartitionProblem) -> dict[str, float]:
    """The objective as weights on single objectives in SI units."""
    if problem.objective != "balance":
        return {problem.objective: 1.0}
    if problem.reference is None:
        checks.fail("PartitionProblem.reference", None, "the scale of each objective for 'balance'")
    return {name: w / problem.reference[name] for name, w in problem.balance_weights.items()}


def time_unit(costs: PartitionCosts) -> float:
    """A time that brings a problem's seconds to order one."""
    seconds = np.where(costs.allowed, costs.compute_s, np.inf).min(axis=1)
    best = float(seconds[np.isfinite(seconds)].max(initial=0.0))
    if best <= 0.0:
        best = float(costs.transfer_s[np.isfinite(costs.transfer_s)].max(initial=0.0))
    return best if best > 0.0 else 1.0


def repeats(problem: PartitionProblem) -> int:
    """How many further micro-batches a training step sends through the bottleneck."""
    return 0 if problem.training is None else problem.training.micro_batches - 1
