"""OR-Tools through MathOpt: CP-SAT for integer models, PDLP and GLOP for linear programmes.

The model goes over as one protocol buffer filled from the arrays; built term by term it takes a
hundred times as long. PDLP is Applegate et al., "Practical large-scale linear programming using
primal-dual hybrid gradient", NeurIPS 2021; GLOP is a revised simplex.
"""

from __future__ import annotations

import dataclasses
import datetime
import math
import sys
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

#: CP-SAT knows whole numbers only: a continuous column counts in steps of 2^-20 of its unit.
STEPS_PER_UNIT = 2.0**20
#: What a bound is loosened by where rounding can have moved it, relative to itself.
ROUNDING = 1e-6


def solve(
    model: LinearModel,
    options: SolveOptions,
    watch: Hooks | None = None,
    start: Floats | None = None,
) -> RawResult:
    """Solve a model with the MathOpt solver that ``options.backend`` names.

    Parameters
    ----------
    model : LinearModel
        For CP-SAT continuous columns should have finite bounds and units of order one.
    options : SolveOptions
        ``backend`` is ``cp-sat``, ``pdlp`` or ``glop``.
    watch : Hooks, optional
        Incumbents are reported by CP-SAT alone.
    start : ndarray, shape (num_columns,), optional
        A hint for CP-SAT.

    Returns
    -------
    RawResult
        PDLP and GLOP give duals and the bound that these prove. CP-SAT's bound is loosened by
        `ROUNDING` where continuous columns carry cost.

    Raises
    ------
    ImportError
        If OR-Tools is missing, or TensorFlow was loaded first: the two cannot share a process.
    ValueError
        If PDLP or GLOP is given integer columns.
    """
    if "tensorflow" in sys.modules and "ortools.math_opt" not in sys.modules:
        raise ImportError(
            f"backend {options.backend!r}: OR-Tools' MathOpt cannot be loaded after TensorFlow in "
            "one process (both register the same C++ type); use backend 'highs', or profile in "
            "another process and keep the profile with ModelProfile.to_json"
        )
    try:
        from ortools.math_opt.python import mathopt
        from ortools.util.python.solve_interrupter import SolveInterrupter
    except ImportError as error:
        raise ImportError("OR-Tools is missing: pip install ortools") from error
    backend = options.backend or "cp-sat"
    if backend != "cp-sat" and model.integer.any():
        raise ValueError(f"{backend} solves linear programmes; this model has integer columns")
    if backend == "cp-sat":
        # It reasons on whole numbers: what comes out whole anyway is better stated so.
        model = dataclasses.replace(model, integer=model.integer | model.implied)
    scale = objective_scale(model)
    opt_model = mathopt.Model.from_model_proto(to_proto(model, scale))
    kinds = {
        "cp-sat": mathopt.SolverType.CP_SAT,
        "pdlp": mathopt.SolverType.PDLP,
        "glop": mathopt.SolverType.GLOP,
    }
    extra: dict[str, Any] = {}
    runner = Runner(watch or Hooks())
    variables = list(opt_model.variables())
    if backend == "cp-sat":

        def hear(data: Any) -> Any:
            x = np.array([data.solution[v] for v in variables], dtype=np.float64)
            runner.incumbent(x, model.objective(x))
            return mathopt.CallbackResult()

        if watch is not None and watch.on_incumbent is not None:
            extra["callback_reg"] = mathopt.CallbackRegistration(
                events={mathopt.Event.MIP_SOLUTION}
            )
            extra["cb"] = hear
        if start is not None:
            hint = mathopt.SolutionHint(
                variable_values=dict(zip(variables, np.asarray(start).tolist(), strict=True))
            )
            extra["model_params"] = mathopt.ModelSolveParameters(solution_hints=[hint])
    interrupter = SolveInterrupter()
    results: list[Any] = []

    def work() -> None:
        results.append(
            mathopt.solve(
                opt_model,
                kinds[backend],
                params=_parameters(mathopt, model, options, backend, scale),
                interrupter=interrupter,
                **extra,
            )
        )

    runner.run(work, interrupter.interrupt)
    return _result(mathopt, model, results[0], variables, options, scale, runner)


def to_proto(model: LinearModel, scale: float = 1.0) -> Any:
    """Return the model as a MathOpt ``ModelProto`` filled from its arrays.

    Parameters
    ----------
    model : LinearModel
    scale : float
        Factor on the objective.
    """
    from ortools.math_opt import model_pb2

    proto = model_pb2.ModelProto()
    ids = np.arange(model.num_columns)
    proto.variables.ids.extend(ids.tolist())
    proto.variables.lower_bounds.extend(model.lower.tolist())
    proto.variables.upper_bounds.extend(model.upper.tolist())
    proto.variables.integers.extend(model.integer.tolist())
    proto.objective.offset = model.offset * scale
    used = np.flatnonzero(model.cost)
    proto.objective.linear_coefficients.ids.extend(used.tolist())
    proto.objective.linear_coefficients.values.extend((model.cost[used] * scale).tolist())
    proto.linear_constraints.ids.extend(range(model.num_rows))
    proto.linear_constraints.lower_bounds.extend(model.row_lower.tolist())
    proto.linear_constraints.upper_bounds.extend(model.row_upper.tolist())
    matrix = model.matrix.tocoo()
    keep = matrix.data != 0
    order = np.lexsort((matrix.col[keep], matrix.row[keep]))
    rows, columns, values = (a[keep][order] for a in (matrix.row, matrix.col, matrix.data))
    proto.linear_constraint_matrix.row_ids.extend(rows.tolist())
    proto.linear_constraint_matrix.column_ids.extend(columns.tolist())
    proto.linear_constraint_matrix.coefficients.extend(values.tolist())
    return proto


def _parameters(
    mathopt: Any, model: LinearModel, options: SolveOptions, backend: str, scale: float
) -> Any:
    params = mathopt.SolveParameters(threads=options.threads)
    if backend != "pdlp":
        params.random_seed = options.seed
    if math.isfinite(options.time_limit_s):
        params.time_limit = datetime.timedelta(seconds=options.time_limit_s)
    if backend == "cp-sat":
        params.relative_gap_tolerance = options.relative_gap
        params.absolute_gap_tolerance = 0.0
        if not model.integer.all():
            params.cp_sat.mip_var_scaling = STEPS_PER_UNIT
            params.cp_sat.mip_wanted_precision = 1e-7
            params.cp_sat.mip_check_precision = 1e-5
            params.cp_sat.mip_max_activity_exponent = 55
        else:
            params.cp_sat.mip_wanted_precision = 1e-8
    if backend == "pdlp":
        criteria = params.pdlp.termination_criteria
        criteria.simple_optimality_criteria.eps_optimal_absolute = 1e-8
        criteria.simple_optimality_criteria.eps_optimal_relative = 1e-8
    return params


def _result(
    mathopt: Any,
    model: LinearModel,
    result: Any,
    variables: list[Any],
    options: SolveOptions,
    scale: float,
    runner: Runner,
) -> RawResult:
    import ortools

    backend = options.backend or "cp-sat"
    version = f"OR-Tools {backend.upper()} {ortools.__version__}"
    ended, reason = result.termination, result.termination.reason
    kind = mathopt.TerminationReason
    if reason == kind.INFEASIBLE:
        return RawResult(None, Reason.INFEASIBLE, math.inf, None, version)
    if reason == kind.UNBOUNDED:
        return RawResult(None, Reason.UNBOUNDED, -math.inf, None, version)
    x = duals = None
    if result.has_primal_feasible_solution():
        values = result.variable_values()
        x = np.array([values[v] for v in variables], dtype=np.float64)
        x = np.clip(np.where(model.integer, np.round(x), x), model.lower, model.upper)
        if not is_feasible(model, x):
            return RawResult(None, Reason.ERROR, backend=version)
    bound = -math.inf
    if backend == "cp-sat":
        if math.isfinite(ended.objective_bounds.dual_bound):
            bound = ended.objective_bounds.dual_bound / scale
            if model.cost[~model.integer].any():
                bound -= ROUNDING * abs(bound)
    elif result.solutions and result.solutions[0].dual_solution is not None:
        table = result.solutions[0].dual_solution.dual_values
        duals = np.zeros(model.num_rows)
        for row, value in table.items():
            duals[row.id] = value / scale
        bound = dual_bound(model, duals)
        if x is not None and not math.isfinite(bound) and reason == kind.OPTIMAL:
            # First-order duals leave dust on free columns; the solver's own bound, loosened by
            # what it may be wrong, stands in.
            bound = ended.objective_bounds.dual_bound / scale
            bound -= ROUNDING * abs(bound)
    if reason == kind.OPTIMAL:
        if x is None:
            return RawResult(None, Reason.ERROR, backend=version)
        return RawResult(x, Reason.OPTIMAL, bound, None, version, duals)
    if reason in (kind.FEASIBLE, kind.NO_SOLUTION_FOUND):
        limits = {
            mathopt.Limit.TIME: Limit.TIME,
            mathopt.Limit.INTERRUPTED: Limit.INTERRUPT,
            mathopt.Limit.NODE: Limit.NODES,
            mathopt.Limit.ITERATION: Limit.NODES,
        }
        limit = Limit.INTERRUPT if runner.interrupted else limits.get(ended.limit)
        # CP-SAT leaves the kind of limit undetermined; the clock tells.
        if limit is None and result.solve_time().total_seconds() >= 0.95 * options.time_limit_s:
            limit = Limit.TIME
        why = Reason.NO_SOLUTION if x is None else Reason.FEASIBLE
        return RawResult(x, why, bound, limit, version, duals)
    return RawResult(None, Reason.ERROR, bound, None, version)
