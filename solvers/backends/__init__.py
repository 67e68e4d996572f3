"""One file per solver; each takes a `LinearModel` and gives back a `RawResult`.

`solve_model` picks the file by `SolveOptions.backend`, and loads it only then.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from .hooks import Hooks
from .raw import RawResult

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ...formulations.linear import LinearModel
    from ..options import SolveOptions

__all__ = ["Hooks", "RawResult", "solve_model"]

#: Backend to file; `mathopt` serves three solvers.
_FILES = {
    "highs": "highs",
    "highs-ipm": "highs",
    "cp-sat": "mathopt",
    "pdlp": "mathopt",
    "glop": "mathopt",
    "pyomo": "pyomo_solver",
}


def solve_model(
    model: LinearModel,
    options: SolveOptions,
    watch: Hooks | None = None,
    start: NDArray[np.float64] | None = None,
) -> RawResult:
    """Solve a linear model with the backend that the options name (HiGHS unless they do).

    Parameters
    ----------
    model : LinearModel
    options : SolveOptions
    watch : Hooks, optional
        Called, in the caller's thread, at each new incumbent and bound.
    start : ndarray, shape (num_columns,), optional
        A feasible vector to start from.

    Returns
    -------
    RawResult
        Ctrl-C ends the solve in order: the incumbent with ``limit`` INTERRUPT.

    Raises
    ------
    ImportError
        If the backend's package is missing.
    ValueError
        If a solver for linear programmes (the interior point, PDLP, GLOP) is given integer columns.
    """
    name = options.backend or "highs"
    module = importlib.import_module(f".{_FILES[name]}", __name__)
    result: RawResult = module.solve(model, options, watch, start)
    return result
