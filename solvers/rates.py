"""Roads for compression problems: slopes where limits are nested, else a linear programme.

The optimum over the hulls is the bound; what compressors can do of it is the answer, judged by the
curves themselves.
"""

from __future__ import annotations

import functools
import math
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from ..formulations import checks
from ..formulations.compression import rates_lp
from ..formulations.compression.budget_dp import by_budget, is_alone
from ..formulations.compression.problem import CompressionProblem
from ..formulations.compression.realise import realised
from ..formulations.compression.segments import (
    Prices,
    Vertices,
    proven_bound,
    summed,
    vertices_of,
)
from ..formulations.compression.slopes import by_slopes, is_nested
from ..formulations.compression.solution import CompressionPlan
from .options import SolveOptions
from .rate_tangents import solve_refined
from .result import Limit, Reason, SolveResult, own_version

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

#: Roads that `SolveOptions.method` takes.
METHODS = ("slopes", "lp", "budget-dp")
#: Times that errors which plans must keep are asked for more strictly, until the plan keeps them.
ROUNDS = 8
#: Share by which a bound may pass an objective, for rounding.
_ROUNDING = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class _Asked:
    """Errors to keep: the problem's, or stricter so that what is realised keeps them."""

    fairness: Floats | None
    target_error: float | None


@dataclass(frozen=True, slots=True, eq=False)
class _Found:
    """What a road found: a plan and a bound, or how it `ended` without a plan."""

    plan: CompressionPlan | None
    bound: float
    backend: str
    ended: Reason = Reason.NO_SOLUTION
    limit: Limit | None = None
    message: str = ""


def solve_rates(problem: CompressionProblem, options: SolveOptions) -> SolveResult[CompressionPlan]:
    """Solve a compression problem; see `orbweave.solve`.

    ``method`` is ``"slopes"`` (steepest segments first: exact where limits are nested, that is
    without `shared` and `fairness`), ``"lp"`` or ``"budget-dp"`` (one message, bytes the only
    limit; over the curves' points alone). None takes the first that is exact.

    Returns
    -------
    SolveResult
        ``bound`` is the optimum over the curves' hulls, which no setting is below. A plan within
        the bytes that does not reach a target error or fairness, though the hulls do, is no
        solution.

    Raises
    ------
    InputError
        If the method does not fit the problem.
    """
    method = _method(problem, options)
    began = time.perf_counter()
    vertices = vertices_of(problem)
    built = time.perf_counter()
    if method == "budget-dp":
        found = _budget(problem, vertices)
    else:
        found = _tightened(problem, vertices, method, options)
    solved = time.perf_counter()
    result = _judged(problem, found, options)
    return replace(
        result,
        build_s=built - began,
        solve_s=solved - built,
        read_s=time.perf_counter() - solved,
        method=method,
    )


def _method(problem: CompressionProblem, options: SolveOptions) -> str:
    nested = is_nested(problem)
    if options.method is None:
        return "slopes" if nested and options.backend is None else "lp"
    method = checks.known("SolveOptions.method", options.method, METHODS)
    if options.backend == "cp-sat":
        checks.fail("SolveOptions.backend", "cp-sat", "a solver of linear programmes")
    if method == "slopes" and not nested:
        checks.fail("SolveOptions.method", method, "'lp', as there are links or a fairness")
    if method == "budget-dp" and not (nested and is_alone(problem)):
        checks.fail("SolveOptions.method", method, "one message whose bytes are the only limit")
    return method


def _tightened(
    problem: CompressionProblem, vertices: Vertices, method: str, options: SolveOptions
) -> _Found:
    """Solve; as long as what is realised misses an error that it must keep, ask for more.

    The first solve is of the problem itself, and gives the bound and the prices.
    """
    until = time.perf_counter() + options.time_limit_s
    share = problem.fairness
    asked = _Asked(
        None if share is None else np.full(len(problem.senders), share), problem.target_error
    )
    first: _Found | None = None
    for turn in range(ROUNDS):
        left = max(until - time.perf_counter(), 1e-3)
        found = _once(problem, vertices, asked, method, replace(options, time_limit_s=left))
        first = first or found
        if found.plan is None or found.limit is not None:
            break
        stricter = _stricter(found.plan, asked, 1.1 * 1.5**turn)
        if stricter is None:
            prices = first.plan.prices if first.plan is not None else None
            return replace(found, plan=replace(found.plan, prices=prices), bound=first.bound)
        asked = stricter
    if first is None or first.plan is None:
        return first or _Found(None, -math.inf, "")
    best = _least_error(problem, vertices, method, options)
    if best is not None:
        return replace(first, plan=replace(best, prices=first.plan.prices))
    limit = Limit.TIME if time.perf_counter() >= until else None
    message = "settings that keep the bytes miss an error that the curves' hulls just keep"
    return replace(first, plan=None, limit=limit, message=message)


def _least_error(
    problem: CompressionProblem, vertices: Vertices, method: str, options: SolveOptions
) -> CompressionPlan | None:
    """The plan of least error within the bytes, if it keeps the target that others miss."""
    if problem.target_error is None or not problem.limits_bytes:
        return None
    freed = problem.replace(target_error=None)
    shares = None if freed.fairness is None else np.full(len(freed.senders), freed.fairness)
    found = _once(freed, vertices, _Asked(shares, None), method, options).plan
    if found is None:
        return None
    plan = replace(found, problem=problem)
    return plan if not plan.violations() else None


def _stricter(plan: CompressionPlan, asked: _Asked, factor: float) -> _Asked | None:
    """Errors less `factor` times what the plan exceeds its problem's by; None if it keeps them."""
    problem, fairness, target = plan.problem, asked.fairness, asked.target_error
    kept = True
    if problem.fairness is not None and fairness is not None:
        excess = plan.sender_error - problem.fairness
        kept = bool((excess <= 0).all())
        fairness = np.maximum(fairness - factor * np.maximum(excess, 0.0), 0.0)
    if problem.target_error is not None and target is not None:
        excess_all = plan.relative_error - problem.target_error
        kept = kept and excess_all <= 0
        target = max(target - factor * max(excess_all, 0.0), 0.0)
    return None if kept else _Asked(fairness, target)


def _once(
    problem: CompressionProblem,
    vertices: Vertices,
    asked: _Asked,
    method: str,
    options: SolveOptions,
) -> _Found:
    """The optimum over the hulls, and the settings nearest to it."""
    if method == "slopes":
        parts = vertices.chords()
        answer = by_slopes(problem, parts, target_error=asked.target_error)
        if answer is None:
            return _Found(None, math.inf, own_version(), Reason.INFEASIBLE)
        size, prices = answer
        bound = proven_bound(problem, parts, prices)
        plan = _plan(problem, size, np.zeros(0), prices)
        return _Found(plan, bound, own_version())
    build = functools.partial(
        rates_lp.build, problem, fairness=asked.fairness, target_error=asked.target_error
    )
    refined = solve_refined(build, vertices, options)
    programme, raw = refined.programme, refined.raw
    if raw.x is None:
        text = f"the linear programme ended with {raw.reason.value}"
        return _Found(None, refined.bound, raw.backend, raw.reason, raw.limit, text)
    size, relay = rates_lp.read(programme, raw.x)
    duals = None if raw.duals is None else rates_lp.read_prices(programme, raw.duals)
    plan = _plan(problem, size, relay, duals)
    return _Found(plan, refined.bound, raw.backend, limit=raw.limit)


def _plan(
    problem: CompressionProblem, size: Floats, relay: Floats, prices: Prices | None
) -> CompressionPlan:
    entries, widths = realised(problem, size)
    plan = CompressionPlan(problem, entries, widths, relay, prices)
    return replace(plan, relay_bytes=_trimmed(plan)) if len(relay) else plan


def _trimmed(plan: CompressionPlan) -> Floats:
    """Bytes over links, where a sender hands on no more than it has once settings are realised.

    What is trimmed stays undone downstream, so that a chain takes as many rounds as it is long.
    """
    source, target, _ = plan.problem.links
    relay, senders = plan.relay_bytes, len(plan.problem.senders)
    for _ in range(senders):
        out = summed(source, relay, senders)
        has = plan.sender_bytes + summed(target, relay, senders)
        if (out <= has).all():
            break
        share = np.minimum(has / np.where(out > 0, out, 1.0), 1.0)
        relay = relay * np.where(out > has, share, 1.0)[source]
    return relay


def _budget(problem: CompressionProblem, vertices: Vertices) -> _Found:
    parts = vertices.chords()
    answer = by_slopes(problem, parts)
    if answer is None:
        raise AssertionError("a budget has no target to miss")
    prices = answer[1]
    entries, widths = by_budget(problem)
    plan = CompressionPlan(problem, entries, widths, prices=prices)
    return _Found(plan, proven_bound(problem, parts, prices), own_version())


def _judged(
    problem: CompressionProblem, found: _Found, options: SolveOptions
) -> SolveResult[CompressionPlan]:
    """Judge what a road found, by the problem's data alone."""
    empty: SolveResult[CompressionPlan] = SolveResult(
        None, found.ended, math.nan, found.bound, found.limit, backend=found.backend
    )
    if found.ended is Reason.INFEASIBLE:
        text = "no setting of the layers keeps the asked error within the bytes"
        return replace(empty, bound=math.inf, message=text)
    plan = found.plan
    if plan is None:
        return replace(empty, message=found.message)
    wrong, objective = plan.violations(), plan.objective
    if wrong:
        return replace(empty, reason=Reason.ERROR, message=f"the plan breaks a limit: {wrong[0]}")
    result = replace(empty, solution=plan, objective=objective)
    whole = problem.items.weighted_energy
    scale = max(abs(objective), whole if problem.objective == "error" else 1.0)
    if found.bound > objective + _ROUNDING * scale:
        text = f"the bound {found.bound:.9g} is worse than the plan's {objective:.9g}"
        return replace(result, reason=Reason.ERROR, message=text)
    result = replace(result, bound=min(found.bound, objective), reason=Reason.FEASIBLE)
    if result.gap <= max(options.relative_gap, 1e-9):
        return replace(result, reason=Reason.OPTIMAL)
    return result
