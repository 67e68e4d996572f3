"""Every backend on the same models: answers, bounds, statuses, starts, reports and Ctrl-C."""

from __future__ import annotations

import itertools
import math
import os
import signal
import subprocess
import sys
import threading
import time
from typing import Any

import numpy as np
import pytest
from scipy.optimize import linprog

from orbweave.formulations.linear import LinearModel, ModelBuilder
from orbweave.solvers.backends import Hooks, solve_model
from orbweave.solvers.backends.pyomo_solver import from_pyomo, to_pyomo
from orbweave.solvers.options import SolveOptions
from orbweave.solvers.result import Limit, Reason

INTEGER = ("highs", "cp-sat", "pyomo")
LINEAR = ("highs", "highs-ipm", "pdlp", "glop", "pyomo")


def knapsack(seed: int, unit: float = 1.0) -> LinearModel:
    """Ten 0/1 columns and one continuous, small enough to enumerate."""
    rng = np.random.default_rng(seed)
    builder = ModelBuilder(offset=unit)
    x = builder.variables("x", (2, 5), upper=1.0, integer=True)
    t = builder.variables("t", 1, upper=100.0)
    rows = builder.constraints("cap", 3, upper=rng.integers(40, 90, 3).astype(float))
    builder.add(rows[:, None], x.ravel()[None, :], rng.integers(1, 40, (3, 10)))
    row = builder.constraints("above", 1, lower=-3.0)
    builder.add(row, t, 1.0)
    builder.add(row, x.ravel(), -rng.integers(0, 5, 10))
    builder.minimise(x.ravel(), -unit * rng.integers(1, 20, 10))
    builder.minimise(t, 2.5 * unit)
    return builder.build()


def best_of(model: LinearModel) -> float:
    """Optimum by trying all 0/1 values, the continuous column as low as its row allows."""
    a = model.matrix.toarray()
    best = math.inf
    for bits in itertools.product((0.0, 1.0), repeat=10):
        x = np.array([*bits, 0.0])
        x[10] = max(0.0, model.row_lower[3] - a[3] @ x)
        if model.violation(x) < 1e-9:
            best = min(best, model.objective(x))
    return best


def random_lp(seed: int, unit: float = 1.0) -> LinearModel:
    rng = np.random.default_rng(seed)
    builder = ModelBuilder()
    x = builder.variables("x", 20, upper=np.where(rng.random(20) < 0.5, 3.0, np.inf))
    rows = builder.constraints("need", 10, lower=rng.random(10))
    builder.add(rows[:, None], x[None, :], rng.random((10, 20)))
    row = builder.constraints("sum", 1, lower=1.0, upper=1.0)
    builder.add(row, x[:5], 1.0)
    builder.minimise(x, unit * rng.random(20))
    return builder.build()


def hard_model(rows: int = 5, columns: int = 45) -> LinearModel:
    """Market split (Cornuejols and Dawande 1998) with slacks: incumbents at once, no proof soon."""
    rng = np.random.default_rng(0)
    a = rng.integers(0, 100, (rows, columns)).astype(float)
    builder = ModelBuilder()
    x = builder.variables("x", columns, upper=1.0, integer=True)
    slack = builder.variables("slack", (2, rows), upper=1e4)
    right = np.floor(a.sum(axis=1) / 2)
    split = builder.constraints("split", rows, lower=right, upper=right)
    builder.add(split[:, None], x[None, :], a)
    builder.add(split, slack[0], 1.0)
    builder.add(split, slack[1], -1.0)
    builder.minimise(slack, 1.0)
    return builder.build()


def one_column(lower: float, upper: float, low: float, high: float, cost: float) -> LinearModel:
    builder = ModelBuilder()
    x = builder.variables("x", 1, lower=lower, upper=upper)
    row = builder.constraints("r", 1, lower=low, upper=high)
    builder.add(row, x, 1.0)
    builder.minimise(x, cost)
    return builder.build()


@pytest.mark.parametrize("backend", INTEGER)
@pytest.mark.parametrize("unit", [1e-7, 1.0, 1e9])
@pytest.mark.parametrize("seed", range(3))
def test_integer_models_in_any_unit(backend: str, unit: float, seed: int) -> None:
    model = knapsack(seed, unit)
    best = best_of(model)
    result = solve_model(model, SolveOptions(backend=backend, relative_gap=1e-7))
    assert result.reason is Reason.OPTIMAL
    assert result.limit is None
    assert result.x is not None
    assert model.violation(result.x) < 1e-6
    assert model.objective(result.x) == pytest.approx(best, rel=1e-6)
    assert result.bound <= best + 1e-6 * abs(best)
    assert result.bound == pytest.approx(best, rel=1e-5)
    assert result.backend


@pytest.mark.parametrize("backend", LINEAR)
@pytest.mark.parametrize("unit", [1e-6, 1.0, 1e8])
def test_linear_programmes_with_duals(backend: str, unit: float) -> None:
    model = random_lp(1, unit)
    a = model.matrix.toarray()
    peer = linprog(
        model.cost,
        A_ub=-a[:10],
        b_ub=-model.row_lower[:10],
        A_eq=a[10:],
        b_eq=[1.0],
        bounds=list(zip(model.lower, model.upper, strict=True)),
    )
    result = solve_model(model, SolveOptions(backend=backend))
    assert result.reason is Reason.OPTIMAL
    assert result.x is not None
    assert model.objective(result.x) == pytest.approx(peer.fun, rel=1e-6)
    assert result.bound == pytest.approx(peer.fun, rel=1e-5)
    if backend != "pyomo":
        assert result.duals is not None
        expected = np.concatenate([-peer.ineqlin.marginals, peer.eqlin.marginals])
        np.testing.assert_allclose(result.duals, expected, rtol=1e-4, atol=1e-4 * unit)


@pytest.mark.parametrize("backend", [*INTEGER, "glop"])
def test_infeasible(backend: str) -> None:
    model = one_column(0.0, 1.0, 2.0, 3.0, 1.0)
    if backend == "cp-sat":
        model.integer[:] = True
    result = solve_model(model, SolveOptions(backend=backend))
    assert result.reason is Reason.INFEASIBLE
    assert result.x is None
    assert result.bound == math.inf


@pytest.mark.parametrize("backend", ["highs", "glop", "pyomo"])
def test_unbounded(backend: str) -> None:
    model = one_column(0.0, math.inf, 1.0, math.inf, -1.0)
    result = solve_model(model, SolveOptions(backend=backend))
    assert result.x is None
    assert result.reason in (Reason.UNBOUNDED, Reason.ERROR)
    if backend == "highs":
        assert result.reason is Reason.UNBOUNDED


def test_models_without_columns_or_rows() -> None:
    assert solve_model(ModelBuilder().build(), SolveOptions()).reason is Reason.OPTIMAL
    builder = ModelBuilder()
    builder.constraints("never", 1, lower=1.0)
    assert solve_model(builder.build(), SolveOptions()).reason is Reason.INFEASIBLE
    builder = ModelBuilder()
    x = builder.variables("x", 2, lower=1.0, upper=2.0)
    builder.minimise(x, [1.0, -1.0])
    result = solve_model(builder.build(), SolveOptions())
    assert result.x is not None
    assert result.x.tolist() == [1.0, 2.0]


@pytest.mark.parametrize("backend", ["highs", "cp-sat"])
def test_a_time_limit_keeps_the_incumbent(backend: str) -> None:
    model = hard_model()
    result = solve_model(model, SolveOptions(backend=backend, time_limit_s=1.5))
    assert result.reason is Reason.FEASIBLE
    assert result.limit is Limit.TIME
    assert result.x is not None
    assert result.bound <= model.objective(result.x)


@pytest.mark.parametrize("backend", ["highs", "cp-sat"])
def test_ctrl_c_keeps_the_incumbent(backend: str) -> None:
    model = hard_model()
    timer = threading.Timer(1.5, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    began = time.perf_counter()
    result = solve_model(model, SolveOptions(backend=backend, time_limit_s=60))
    timer.join()
    assert time.perf_counter() - began < 30
    assert result.limit is Limit.INTERRUPT
    assert result.reason is Reason.FEASIBLE
    assert result.x is not None
    assert math.isfinite(result.bound)


@pytest.mark.parametrize("backend", INTEGER)
def test_reports_reach_the_caller(backend: str) -> None:
    model = knapsack(1)
    seen: list[float] = []
    bounds: list[float] = []
    threads: set[int] = set()

    def incumbent(x: np.ndarray, objective: float) -> None:
        threads.add(threading.get_ident())
        assert model.objective(x) == pytest.approx(objective, rel=1e-4)
        seen.append(objective)

    result = solve_model(model, SolveOptions(backend=backend), Hooks(incumbent, bounds.append))
    assert result.x is not None
    assert min(seen) == pytest.approx(model.objective(result.x), rel=1e-5)
    assert threads == {threading.get_ident()}
    assert bounds == sorted(bounds)
    assert all(bound <= model.objective(result.x) + 1e-6 for bound in bounds)


def test_an_error_in_a_report_stops_the_solve() -> None:
    def incumbent(_x: np.ndarray, _objective: float) -> None:
        raise LookupError("no")

    with pytest.raises(LookupError, match="no"):
        solve_model(hard_model(), SolveOptions(time_limit_s=30), Hooks(incumbent))


@pytest.mark.parametrize("backend", INTEGER)
def test_a_start_is_taken(backend: str) -> None:
    model = knapsack(2)
    first = solve_model(model, SolveOptions())
    again = solve_model(model, SolveOptions(backend=backend), start=first.x)
    assert again.x is not None
    assert first.x is not None
    assert model.objective(again.x) == pytest.approx(model.objective(first.x), rel=1e-6)


def test_a_start_is_the_first_incumbent_of_highs() -> None:
    model = hard_model()
    known = solve_model(model, SolveOptions(time_limit_s=2))
    assert known.x is not None
    seen: list[float] = []
    result = solve_model(
        model, SolveOptions(time_limit_s=0.5), Hooks(lambda _, v: seen.append(v)), known.x
    )
    assert result.x is not None
    assert model.objective(result.x) <= model.objective(known.x) + 1e-6


@pytest.mark.parametrize("backend", ["highs", "cp-sat"])
def test_the_same_seed_gives_the_same_answer(backend: str) -> None:
    model = knapsack(0)
    rows = [solve_model(model, SolveOptions(backend=backend, seed=3)).x for _ in range(2)]
    assert rows[0] is not None
    assert rows[1] is not None
    assert rows[0].tolist() == rows[1].tolist()


@pytest.mark.parametrize("backend", ["pdlp", "glop"])
def test_linear_solvers_refuse_integer_columns(backend: str) -> None:
    with pytest.raises(ValueError, match="integer"):
        solve_model(knapsack(0), SolveOptions(backend=backend))


def test_an_unknown_status_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    import highspy

    for status in (highspy.HighsModelStatus.kSolveError, highspy.HighsModelStatus.kNotset):
        monkeypatch.setattr(highspy.Highs, "getModelStatus", lambda _, status=status: status)
        assert solve_model(knapsack(0), SolveOptions()).reason is Reason.ERROR


def test_a_wrong_optimum_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """A vector that breaks the model is refused whatever the status says."""
    import highspy

    class Wrong:
        col_value = np.ones(11)
        row_dual = np.zeros(4)
        dual_valid = False

    monkeypatch.setattr(highspy.Highs, "getSolution", lambda _: Wrong())
    result = solve_model(knapsack(0), SolveOptions())
    assert result.reason is Reason.ERROR
    assert result.x is None


@pytest.mark.parametrize(
    "modules",
    [
        ("highspy", "ortools.math_opt.python.mathopt"),
        ("ortools.math_opt.python.mathopt", "highspy"),
    ],
)
def test_both_solvers_live_in_one_process(modules: tuple[str, str]) -> None:
    """highspy from 1.13 on and OR-Tools load two libraries of one name; pins keep them apart."""
    code = f"import {modules[0]}, {modules[1]}; import highspy; print(highspy.Highs().version())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    major, minor = (int(part) for part in done.stdout.strip().split(".")[:2])
    assert (1, 11) <= (major, minor) < (1, 13)


def test_backends_are_not_loaded_before_they_are_asked_for() -> None:
    code = (
        "import sys, orbweave; from orbweave.solvers.backends import solve_model; "
        "print([m for m in ('highspy', 'ortools', 'pyomo') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_pyomo_keeps_names_and_can_be_extended() -> None:
    import pyomo.environ as pyo

    model = knapsack(1)
    concrete = to_pyomo(model)
    assert concrete.x[1, 4].bounds == (0.0, 1.0)
    assert concrete.x[1, 4].is_integer()
    assert concrete.t[0].is_continuous()
    assert len(concrete.row_cap) == 3
    solved = pyo.SolverFactory("appsi_highs").solve(concrete)
    assert pyo.check_optimal_termination(solved)
    free = from_pyomo(model, concrete)
    assert model.objective(free) == pytest.approx(best_of(model), rel=1e-6)
    chosen = next(key for key in concrete.x if concrete.x[key].value > 0.5)
    concrete.without = pyo.Constraint(expr=concrete.x[chosen] == 0)
    pyo.SolverFactory("appsi_highs").solve(concrete)
    tighter = from_pyomo(model, concrete)
    assert model.violation(tighter) < 1e-6
    assert model.objective(tighter) >= model.objective(free) - 1e-9
    assert model.block("x").take(tighter)[chosen] == pytest.approx(0.0)


def test_a_missing_package_names_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    missing: dict[str, Any] = {"ortools.math_opt.python": None, "pyomo.environ": None}
    for name, value in missing.items():
        monkeypatch.setitem(sys.modules, name, value)
    with pytest.raises(ImportError, match="pip install"):
        solve_model(knapsack(0), SolveOptions(backend="cp-sat"))
    with pytest.raises(ImportError, match="pip install"):
        to_pyomo(knapsack(0))
