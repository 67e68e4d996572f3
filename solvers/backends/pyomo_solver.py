"""Pyomo: the road for extension, where a user adds constraints and picks any solver it knows."""

from __future__ import annotations

import dataclasses
import math
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from ..result import Limit, Reason
from .judge import is_feasible, objective_scale
from .raw import RawResult

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ...formulations.linear import Block, LinearModel
    from ..options import SolveOptions
    from .hooks import Hooks

    Floats = NDArray[np.float64]


def to_pyomo(model: LinearModel) -> Any:
    """Return the model as a Pyomo ``ConcreteModel`` that keeps block and index names.

    Column block ``x`` of shape (L, N) becomes ``m.x[i, n]``, row block ``memory`` of shape (N,)
    ``m.row_memory[n]``; the objective is ``m.objective``.

    Parameters
    ----------
    model : LinearModel

    Returns
    -------
    pyomo.environ.ConcreteModel
        Independent of `model`; constraints can be added to it.

    Raises
    ------
    ImportError
        If Pyomo is missing.
    """
    pyo = _pyomo()
    concrete = pyo.ConcreteModel()
    variables: list[Any] = []
    for block in model.columns:
        keys = _keys(block)
        span = slice(block.start, block.stop)
        lower, upper = model.lower[span].tolist(), model.upper[span].tolist()
        whole = model.integer[span].tolist()
        variable = pyo.Var(keys)
        concrete.add_component(block.name, variable)
        for k, key in enumerate(keys):
            element = variable[key]
            element.domain = pyo.Integers if whole[k] else pyo.Reals
            element.setlb(lower[k] if math.isfinite(lower[k]) else None)
            element.setub(upper[k] if math.isfinite(upper[k]) else None)
            variables.append(element)
    matrix: Any = model.matrix
    pointer, index, data = matrix.indptr.tolist(), matrix.indices.tolist(), matrix.data.tolist()
    for block in model.rows:
        rows = pyo.Constraint(_keys(block))
        concrete.add_component(f"row_{block.name}", rows)
        for key, r in zip(_keys(block), range(block.start, block.stop), strict=True):
            terms = range(pointer[r], pointer[r + 1])
            low, high = float(model.row_lower[r]), float(model.row_upper[r])
            if not len(terms) or (math.isinf(low) and math.isinf(high)):
                if low > 0 or high < 0:
                    rows[key] = pyo.Constraint.Infeasible
                continue
            activity = pyo.quicksum(data[k] * variables[index[k]] for k in terms)
            if low == high:
                rows[key] = activity == low
            else:
                rows[key] = (
                    low if math.isfinite(low) else None,
                    activity,
                    high if math.isfinite(high) else None,
                )
    used = np.flatnonzero(model.cost).tolist()
    cost = pyo.quicksum(float(model.cost[k]) * variables[k] for k in used)
    concrete.objective = pyo.Objective(expr=cost + model.offset)
    return concrete


def from_pyomo(model: LinearModel, concrete: Any) -> Floats:
    """Return the values that a solved Pyomo model holds, as a vector of `model`."""
    values = [
        concrete.component(block.name)[key].value for block in model.columns for key in _keys(block)
    ]
    # A variable that stands in no row and no cost has no value: its nearest bound to zero serves.
    rest = np.clip(np.zeros(model.num_columns), model.lower, model.upper)
    return np.array(
        [rest[k] if value is None else value for k, value in enumerate(values)], dtype=np.float64
    )


def solve(
    model: LinearModel,
    options: SolveOptions,
    watch: Hooks | None = None,
    start: Floats | None = None,
) -> RawResult:
    """Translate a model to Pyomo and let Pyomo solve it with HiGHS.

    The translation walks over every term in Python and is slow by nature; this backend shows that
    what a user extends through `to_pyomo` is the same model.

    Parameters
    ----------
    model : LinearModel
    options : SolveOptions
        The time limit includes the translation.
    watch : Hooks, optional
        Told of the final incumbent and bound alone: Pyomo gives no reports on the way.
    start : ndarray, shape (num_columns,), optional
        Set as the variables' values and handed over as a warm start.

    Returns
    -------
    RawResult
        After Ctrl-C without a solution: Pyomo does not hand back the incumbent.

    Raises
    ------
    ImportError
        If Pyomo is missing.
    """
    began = time.perf_counter()
    _pyomo()
    import pyomo
    from pyomo.contrib.appsi.base import TerminationCondition
    from pyomo.contrib.appsi.solvers import Highs

    version = f"Pyomo {pyomo.__version__} with HiGHS"
    scale = objective_scale(model)
    scaled = dataclasses.replace(model, cost=model.cost * scale, offset=model.offset * scale)
    concrete = to_pyomo(scaled)
    solver = Highs()
    solver.config.load_solution = False
    solver.config.warmstart = start is not None
    if start is not None:
        _set_values(model, concrete, start)
    if math.isfinite(options.time_limit_s):
        left = options.time_limit_s - (time.perf_counter() - began)
        solver.config.time_limit = max(0.01, left)
    solver.highs_options = {
        "threads": options.threads,
        "random_seed": options.seed,
        "mip_rel_gap": options.relative_gap,
        "mip_abs_gap": 1e-9,
        "mip_feasibility_tolerance": 1e-7,
    }
    try:
        result = solver.solve(concrete)
    except KeyboardInterrupt:
        return RawResult(None, Reason.NO_SOLUTION, limit=Limit.INTERRUPT, backend=version)
    how = result.termination_condition
    if how == TerminationCondition.infeasible:
        return RawResult(None, Reason.INFEASIBLE, math.inf, None, version)
    if how == TerminationCondition.unbounded:
        return RawResult(None, Reason.UNBOUNDED, -math.inf, None, version)
    limits = {
        TerminationCondition.optimal: None,
        TerminationCondition.maxTimeLimit: Limit.TIME,
        TerminationCondition.maxIterations: Limit.NODES,
        TerminationCondition.interrupted: Limit.INTERRUPT,
    }
    if how not in limits:
        return RawResult(None, Reason.ERROR, backend=version)
    x = None
    if result.best_feasible_objective is not None:
        solver.load_vars()
        x = from_pyomo(model, concrete)
        x = np.clip(np.where(model.integer, np.round(x), x), model.lower, model.upper)
        if not is_feasible(model, x):
            x = None
    bound, found = -math.inf, result.best_objective_bound
    if found is not None and (model.integer.any() or how == TerminationCondition.optimal):
        bound = float(found) / scale if math.isfinite(found) else -math.inf
    if how == TerminationCondition.optimal:
        reason = Reason.ERROR if x is None else Reason.OPTIMAL
    else:
        reason = Reason.NO_SOLUTION if x is None else Reason.FEASIBLE
    if watch is not None and x is not None and watch.on_incumbent is not None:
        watch.on_incumbent(x, model.objective(x))
    if watch is not None and math.isfinite(bound) and watch.on_bound is not None:
        watch.on_bound(bound)
    return RawResult(x, reason, bound, limits[how], version)


def _set_values(model: LinearModel, concrete: Any, start: Floats) -> None:
    values = start.tolist()
    for block in model.columns:
        variable = concrete.component(block.name)
        for k, key in enumerate(_keys(block)):
            variable[key].set_value(values[block.start + k], skip_validation=True)


def _keys(block: Block) -> list[Any]:
    """Index of each element: a number in one dimension, a tuple in several."""
    if len(block.shape) == 1:
        return list(range(block.shape[0]))
    return list(np.ndindex(*block.shape))


def _pyomo() -> Any:
    try:
        import pyomo.environ as pyo
    except ImportError as error:
        raise ImportError("Pyomo is missing: pip install pyomo") from error
    return pyo
