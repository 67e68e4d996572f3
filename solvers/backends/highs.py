"""HiGHS, fed with arrays: `LinearModel` in, `RawResult` out.

HiGHS (Huangfu and Hall, Mathematical Programming Computation 10, 2018) solves linear programmes
by dual simplex and integer ones by branch and cut. As ``highs-ipm`` it takes the interior point,
then crosses over to a vertex: quicker on large multi-commodity flows, for linear programmes only.
"""

from __future__ import annotations

import dataclasses
import math
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from ..result import Limit, Reason
from .hooks import Hooks, Runner
from .judge import dual_bound, is_feasible, objective_scale
from .raw import RawResult

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ...formulations.linear import LinearModel
    from ..options import SolveOptions

    Floats = NDArray[np.float64]


#: Simplex iterations that the relaxation of an integer model is given on its own.
FEW_ITERATIONS = 10_000

#: Name of the interior point among the backends.
INTERIOR = "highs-ipm"


def solve(
    model: LinearModel,
    options: SolveOptions,
    watch: Hooks | None = None,
    start: Floats | None = None,
) -> RawResult:
    """Solve a model with HiGHS.

    Parameters
    ----------
    model : LinearModel
    options : SolveOptions
    watch : Hooks, optional
        Called at each new incumbent and bound.
    start : ndarray, shape (num_columns,), optional
        A feasible vector to start from (integer models only).

    Returns
    -------
    RawResult
        With duals and a bound proven by them for a linear programme.

    Raises
    ------
    RuntimeError
        If HiGHS refuses the model.
    ValueError
        If the interior point is given integer columns.
    """
    if options.backend == INTERIOR and model.integer.any():
        raise ValueError(f"{INTERIOR} solves linear programmes only, this one has integer columns")
    runner = Runner(watch or Hooks())
    scale = objective_scale(model)
    began = time.perf_counter()
    if model.integer.any():
        quick = _relaxed(model, options, runner, start)
        if quick is not None:
            return quick
    left = max(1e-3, options.time_limit_s - (time.perf_counter() - began))
    highs, core = _load(model, dataclasses.replace(options, time_limit_s=left))
    if start is not None and model.integer.any():
        index = np.arange(model.num_columns, dtype=np.int32)
        highs.setSolution(model.num_columns, index, np.asarray(start, dtype=np.float64))
    _listen(highs, core, runner, scale)
    runner.run(highs.run)
    status = highs.getModelStatus()
    if status == core.HighsModelStatus.kUnboundedOrInfeasible:
        # Presolve found one of the two; without it the solver says which.
        highs.setOptionValue("presolve", "off")
        runner.run(highs.run)
        status = highs.getModelStatus()
    return _result(model, highs, core, runner, scale, status)


def _relaxed(
    model: LinearModel, options: SolveOptions, runner: Runner, start: Floats | None
) -> RawResult | None:
    """Try the linear relaxation alone: often it is whole already, or proves the start optimal.

    A whole vertex of the relaxation is an optimum of the model, certified by the duals, at a
    fraction of what branch and cut spends before its first node.
    """
    linear = dataclasses.replace(model, integer=np.zeros(model.num_columns, dtype=bool))
    highs, core = _load(linear, options)
    highs.setOptionValue("presolve", "off")
    highs.setOptionValue("simplex_iteration_limit", max(FEW_ITERATIONS, model.num_rows))
    scale = objective_scale(model)
    _listen(highs, core, runner, scale)
    runner.run(highs.run)
    found = _result(linear, highs, core, runner, scale, highs.getModelStatus())
    if found.reason is Reason.INFEASIBLE:
        return found
    if found.limit is Limit.INTERRUPT or (found.limit is Limit.TIME and start is None):
        return dataclasses.replace(found, x=start, reason=_reason(start), duals=None)
    if found.reason is not Reason.OPTIMAL or found.x is None or not math.isfinite(found.bound):
        return None
    runner.bound(found.bound)
    for x in (start, _whole(model, found.x)):
        if x is not None and is_feasible(model, x):
            value = model.objective(x)
            if value - found.bound <= options.relative_gap * max(abs(value), 1e-9):
                runner.incumbent(x, value)
                runner.deliver()
                return RawResult(x, Reason.OPTIMAL, found.bound, None, found.backend)
    return None


def _reason(x: Floats | None) -> Reason:
    return Reason.NO_SOLUTION if x is None else Reason.FEASIBLE


def _whole(model: LinearModel, x: Floats) -> Floats | None:
    """The vector with its integer columns rounded, if they are whole to rounding."""
    rounded = np.where(model.integer, np.round(x), x)
    return rounded if np.abs(rounded - x).max(initial=0.0) <= 1e-9 else None


def _load(model: LinearModel, options: SolveOptions) -> tuple[Any, Any]:
    import highspy

    highs, core = highspy.Highs(), highspy
    settings: dict[str, Any] = {
        "output_flag": False,
        "threads": int(options.threads),
        "random_seed": int(options.seed),
        "mip_rel_gap": float(options.relative_gap),
        "mip_abs_gap": 1e-9,
        "mip_feasibility_tolerance": 1e-7,
        "primal_feasibility_tolerance": 1e-7,
    }
    if options.backend == INTERIOR:
        settings |= {"solver": "ipm", "run_crossover": "on"}
    if math.isfinite(options.time_limit_s):
        settings["time_limit"] = float(options.time_limit_s)
    for name, value in settings.items():
        highs.setOptionValue(name, value)
    if not highs.setOptionValue("parallel", "on" if options.threads > 1 else "off"):
        raise RuntimeError("HiGHS refused the option 'parallel'")
    scale = objective_scale(model)
    matrix = model.matrix
    status = highs.passModel(
        model.num_columns,
        model.num_rows,
        matrix.nnz,
        2,  # rows one after the other
        1,  # minimise
        model.offset * scale,
        model.cost * scale,
        model.lower,
        model.upper,
        model.row_lower,
        model.row_upper,
        matrix.indptr.astype(np.int32),
        matrix.indices.astype(np.int32),
        np.asarray(matrix.data, dtype=np.float64),
        model.integer.astype(np.int32),
    )
    if status == core.HighsStatus.kError:
        raise RuntimeError("HiGHS refused the model (a NaN or contradictory bounds)")
    return highs, core


def _listen(highs: Any, core: Any, runner: Runner, scale: float) -> None:
    kind = core.cb.HighsCallbackType

    def hear(event: Any, message: str, out: Any, back: Any, data: Any) -> None:
        if event == kind.kCallbackMipImprovingSolution:
            value = out.objective_function_value / scale
            runner.incumbent(np.array(out.mip_solution, dtype=np.float64), value)
        elif runner.stopped.is_set():
            back.user_interrupt = True
        if event == kind.kCallbackMipInterrupt and math.isfinite(out.mip_dual_bound):
            runner.bound(out.mip_dual_bound / scale)

    highs.setCallback(hear, None)
    for event in (
        kind.kCallbackMipImprovingSolution,
        kind.kCallbackMipInterrupt,
        kind.kCallbackSimplexInterrupt,
        kind.kCallbackIpmInterrupt,
    ):
        highs.startCallback(event)


def _result(
    model: LinearModel, highs: Any, core: Any, runner: Runner, scale: float, status: Any
) -> RawResult:
    info, found = highs.getInfo(), core.HighsModelStatus
    version = f"HiGHS {highs.version()}"
    is_integer = bool(model.integer.any())
    x = duals = None
    solution = highs.getSolution()
    if info.primal_solution_status == 2:  # feasible
        x = np.array(solution.col_value, dtype=np.float64)
        x = _tidy(model, x)
        if not is_feasible(model, x):
            return RawResult(None, Reason.ERROR, backend=version)
    bound = -math.inf
    if is_integer:
        if abs(info.mip_dual_bound) < core.kHighsInf:
            bound = info.mip_dual_bound / scale
    elif solution.dual_valid:
        duals = np.array(solution.row_dual, dtype=np.float64) / scale
        bound = dual_bound(model, duals)
    proven = {
        found.kInfeasible: Reason.INFEASIBLE,
        found.kUnbounded: Reason.UNBOUNDED,
    }
    if status in proven:
        infeasible = status == found.kInfeasible
        return RawResult(None, proven[status], math.inf if infeasible else -math.inf, None, version)
    if status == found.kModelEmpty:
        x = np.clip(np.zeros(model.num_columns), model.lower, model.upper)
        if not is_feasible(model, x):  # no columns, and rows that nothing can satisfy
            return RawResult(None, Reason.INFEASIBLE, math.inf, None, version)
        return RawResult(x, Reason.OPTIMAL, model.objective(x), None, version)
    if status == found.kOptimal:
        if x is None:
            return RawResult(None, Reason.ERROR, backend=version)
        if not is_integer and not math.isfinite(bound):
            bound = model.objective(x)
        return RawResult(x, Reason.OPTIMAL, bound, None, version, duals)
    limits = {
        found.kTimeLimit: Limit.TIME,
        found.kInterrupt: Limit.INTERRUPT,
        found.kHighsInterrupt: Limit.INTERRUPT,
        found.kIterationLimit: Limit.NODES,
        found.kSolutionLimit: Limit.NODES,
    }
    if status in limits:
        reason = Reason.NO_SOLUTION if x is None else Reason.FEASIBLE
        return RawResult(x, reason, bound, limits[status], version, duals)
    if status == found.kUnknown and x is not None and math.isfinite(bound):
        # An LP that ended without a verdict: judged by its own gap.
        gap = abs(model.objective(x) - bound) / max(abs(bound), 1e-9)
        return RawResult(
            x, Reason.OPTIMAL if gap <= 1e-6 else Reason.FEASIBLE, bound, None, version
        )
    return RawResult(None, Reason.ERROR, bound, None, version)


def _tidy(model: LinearModel, x: Floats) -> Floats:
    """Round integer columns to the whole numbers that they are within tolerance of."""
    return np.clip(np.where(model.integer, np.round(x), x), model.lower, model.upper)
