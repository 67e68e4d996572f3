"""The partition MILPs: build, solve and read timed apart, beside the same model in Pyomo.

``python benchmarks/bench_milp.py`` prints the table, ``pytest benchmarks/bench_milp.py`` runs the
assertions. The Pyomo model is written the way Pyomo's own documentation writes models (sets,
rules, expressions) from the same costs, and must reach the same optimum.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from instances import chain_instance

import orbweave as ow
from orbweave.formulations.partition.milps import assignment, segment_columns
from orbweave.solvers.backends import solve_model
from orbweave.solvers.options import SolveOptions


@dataclass(frozen=True)
class Times:
    """Seconds of one run and what came out."""

    build_s: float
    solve_s: float
    read_s: float
    objective: float
    bound: float
    columns: int

    @property
    def total_s(self) -> float:
        return self.build_s + self.solve_s + self.read_s

    @property
    def outside(self) -> float:
        """Share of the whole that is not spent in the solver."""
        return (self.build_s + self.read_s) / self.total_s


def ours(problem: ow.PartitionProblem, formulation: Any, backend: str = "highs") -> Times:
    """Arrays to the solver and back; `build` includes the costs and routes of the problem."""
    began = time.perf_counter()
    model = formulation.build(problem)
    built = time.perf_counter()
    result = solve_model(model, SolveOptions(backend=backend, time_limit_s=120))
    solved = time.perf_counter()
    assert result.x is not None
    plan = ow.Partition.from_indices(problem, formulation.read(problem, model, result.x))
    assert plan.violations() == ()
    done = time.perf_counter()
    return Times(
        built - began,
        solved - built,
        done - solved,
        plan.objective,
        result.bound,
        model.num_columns,
    )


def term_by_term(problem: ow.PartitionProblem) -> Times:
    """The assignment MILP of a chain's latency, written with Pyomo's sets and rules."""
    import pyomo.environ as pyo

    began = time.perf_counter()
    costs = problem.costs()
    own, move = costs.layer_costs("latency"), costs.transfer("latency")
    layers, nodes = range(costs.num_layers), range(costs.num_nodes)
    model: Any = pyo.ConcreteModel()
    model.L, model.N = pyo.Set(initialize=layers), pyo.Set(initialize=nodes)
    model.E = pyo.Set(initialize=layers[:-1])
    model.x = pyo.Var(model.L, model.N, domain=pyo.Binary)
    model.y = pyo.Var(model.E, model.N, model.N, domain=pyo.Binary)
    model.place = pyo.Constraint(model.L, rule=lambda m, i: sum(m.x[i, n] for n in m.N) == 1)
    model.leave = pyo.Constraint(
        model.E, model.N, rule=lambda m, i, u: sum(m.y[i, u, v] for v in m.N) == m.x[i, u]
    )
    model.arrive = pyo.Constraint(
        model.E, model.N, rule=lambda m, i, v: sum(m.y[i, u, v] for u in m.N) == m.x[i + 1, v]
    )
    model.cost = pyo.Objective(
        expr=sum(own[i, n] * model.x[i, n] for i in layers for n in nodes)
        + sum(move[i, u, v] * model.y[i, u, v] for i in layers[:-1] for u in nodes for v in nodes)
    )
    built = time.perf_counter()
    solver: Any = pyo.SolverFactory("appsi_highs")
    solver.highs_options = {"threads": 1}
    solver.solve(model)
    solved = time.perf_counter()
    chosen = np.array([[pyo.value(model.x[i, n]) for n in nodes] for i in layers])
    placement = chosen.argmax(axis=1)
    plan = ow.Partition.from_indices(problem, placement)
    done = time.perf_counter()
    columns = len(model.x) + len(model.y)
    value = plan.objective
    return Times(built - began, solved - built, done - solved, value, value, columns)


def free_chain(layers: int, nodes: int) -> ow.PartitionProblem:
    """Latency without binding memory: the assignment's relaxation is integral."""
    return chain_instance(layers, nodes, slack=None).replace(contiguous=False)


def fresh(problem: ow.PartitionProblem) -> ow.PartitionProblem:
    """The same problem with nothing computed yet."""
    return problem.replace()


def test_time_outside_the_solver() -> None:
    ours(chain_instance(6, 3), segment_columns)  # compile and import once
    times = ours(chain_instance(80, 8), segment_columns)
    assert times.outside < 0.20


def test_faster_than_term_by_term() -> None:
    problem = free_chain(80, 8)
    ours(free_chain(4, 2), assignment)
    term_by_term(free_chain(4, 2))
    mine, theirs = ours(fresh(problem), assignment), term_by_term(fresh(problem))
    assert mine.objective == pytest.approx(theirs.objective, rel=1e-6)
    assert theirs.total_s > 10 * mine.total_s


@pytest.mark.parametrize("part", ["build", "solve", "read"])
def test_assignment_80x8(benchmark: Any, part: str) -> None:
    problem = free_chain(80, 8)
    _bench(benchmark, problem, assignment, part)


@pytest.mark.parametrize("part", ["build", "solve", "read"])
def test_segments_80x8(benchmark: Any, part: str) -> None:
    _bench(benchmark, chain_instance(80, 8), segment_columns, part)


def _bench(benchmark: Any, problem: ow.PartitionProblem, formulation: Any, part: str) -> None:
    model = formulation.build(problem)
    options = SolveOptions(time_limit_s=120)
    calls: dict[str, Callable[[], Any]] = {
        "build": lambda: formulation.build(fresh(problem)),
        "solve": lambda: solve_model(model, options),
    }
    if part == "read":
        x = solve_model(model, options).x
        assert x is not None
        calls["read"] = lambda: formulation.read(problem, model, np.asarray(x))
    benchmark.pedantic(calls[part], rounds=1 if part == "solve" else 5, iterations=1)


def main() -> int:
    """Print the table."""
    ours(free_chain(4, 2), assignment)
    ours(chain_instance(6, 3), segment_columns)
    term_by_term(free_chain(4, 2))
    head = f"{'model':34}{'columns':>9}{'build s':>9}{'solve s':>9}{'read s':>8}{'outside':>9}"
    print(head + f"{'objective':>12}{'bound':>12}")

    def row(name: str, times: Times) -> None:
        print(
            f"{name:34}{times.columns:9d}{times.build_s:9.3f}{times.solve_s:9.3f}"
            f"{times.read_s:8.4f}{times.outside:9.1%}{times.objective:12.6f}{times.bound:12.6f}",
            flush=True,
        )

    for size in ((80, 8), (200, 16)):
        problem = free_chain(*size)
        label = f"{size[0]} x {size[1]} assignment"
        mine = ours(fresh(problem), assignment)
        row(f"{label}, arrays", mine)
        theirs = term_by_term(fresh(problem))
        row(f"{label}, Pyomo", theirs)
        print(
            f"  ratio: build {theirs.build_s / mine.build_s:.0f}x, hand-over and solve "
            f"{theirs.solve_s / mine.solve_s:.1f}x, end to end "
            f"{theirs.total_s / mine.total_s:.1f}x; objectives differ by "
            f"{abs(theirs.objective / mine.objective - 1):.1e}"
        )
    row("400 x 32 assignment, arrays", ours(free_chain(400, 32), assignment))
    for size in ((80, 8), (120, 10)):
        times = ours(chain_instance(*size), segment_columns)
        row(f"{size[0]} x {size[1]} segments, memory 1.3", times)
    for backend in ("highs", "cp-sat"):
        problem = chain_instance(30, 5)
        row(f"30 x 5 segments, {backend}", ours(fresh(problem), segment_columns, backend))
        row(f"30 x 5 assignment, {backend}", ours(fresh(problem), assignment, backend))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
