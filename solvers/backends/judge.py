"""What is known of a vector or of duals without trusting the solver that gave them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ...formulations.linear import LinearModel

    Floats = NDArray[np.float64]

#: Largest violation, relative to the size of a row, that a returned vector may have.
FEASIBILITY = 1e-5


def objective_scale(model: LinearModel) -> float:
    """A power of two that brings the largest objective coefficient to unit order.

    Solvers use absolute tolerances (1e-6 or so), which are worthless on an objective in bytes or
    in microseconds.
    """
    largest = float(np.abs(model.cost).max(initial=0.0))
    return 1.0 if largest == 0 else float(2.0 ** -np.round(np.log2(largest)))


def is_feasible(model: LinearModel, x: Floats, tolerance: float = FEASIBILITY) -> bool:
    """Whether a vector keeps every bound, row and integrality, relative to each row's size."""
    if len(x) != model.num_columns or not np.isfinite(x).all():
        return False
    activity = model.matrix @ x
    size = 1.0 + abs(model.matrix) @ np.abs(x)
    slack = tolerance * size
    rows = (activity >= model.row_lower - slack) & (activity <= model.row_upper + slack)
    room = tolerance * (1.0 + np.abs(x))
    columns = (x >= model.lower - room) & (x <= model.upper + room)
    whole = np.abs(x - np.round(x))[model.integer] <= tolerance
    return bool(rows.all() and columns.all() and whole.all())


def dual_bound(model: LinearModel, duals: Floats) -> float:
    """Lower bound that row duals prove: ``min over the box of c x + y (activity - A x)``.

    Any duals prove a bound (weak duality), good ones a tight one. Reduced costs that are zero to
    rounding count as zero where their column has no bound on that side.
    """
    y = np.where(duals > 0, np.where(np.isfinite(model.row_lower), duals, 0.0), duals)
    y = np.where(y < 0, np.where(np.isfinite(model.row_upper), y, 0.0), y)
    reduced = model.cost - model.matrix.T @ y
    noise = 1e-9 * (np.abs(model.cost) + abs(model.matrix).T @ np.abs(y))
    side = np.where(reduced > 0, model.lower, model.upper)
    reduced = np.where(np.isinf(side) & (np.abs(reduced) <= noise), 0.0, reduced)
    rows = np.where(y > 0, model.row_lower, np.where(y < 0, model.row_upper, 0.0))
    with np.errstate(invalid="ignore"):
        terms = np.where(reduced == 0, 0.0, reduced * side)
        return float((y * np.where(y == 0, 0.0, rows)).sum() + terms.sum()) + model.offset
