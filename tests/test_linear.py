"""The linear model as arrays: blocks, coefficients, objective, violation, and what duals prove."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from orbweave.formulations.checks import UnknownNameError
from orbweave.formulations.linear import LinearModel, ModelBuilder
from orbweave.solvers.backends.judge import dual_bound, is_feasible, objective_scale


def transport(seed: int, sources: int = 3, sinks: int = 4) -> LinearModel:
    """A transport problem: supplies to demands at least cost."""
    rng = np.random.default_rng(seed)
    builder = ModelBuilder(offset=5.0)
    flow = builder.variables("flow", (sources, sinks), upper=8.0)
    supply = builder.constraints("supply", sources, upper=10.0)
    demand = builder.constraints("demand", sinks, lower=rng.uniform(1, 6, sinks))
    builder.add(supply[:, None], flow, 1.0)
    builder.add(demand[None, :], flow, 1.0)
    builder.minimise(flow, rng.uniform(1, 9, (sources, sinks)))
    return builder.build()


def test_blocks_keep_names_shapes_and_places() -> None:
    builder = ModelBuilder()
    first = builder.variables("x", (2, 3), lower=-1.0, upper=[1.0, 2.0, 3.0], integer=True)
    second = builder.variables("t", 4)
    rows = builder.constraints("cap", (2,), upper=[5.0, 6.0])
    builder.add(rows[:, None], first, [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    model = builder.build()
    assert first.tolist() == [[0, 1, 2], [3, 4, 5]]
    assert second.tolist() == [6, 7, 8, 9]
    block = model.block("x")
    assert (block.start, block.stop, block.size) == (0, 6, 6)
    assert block.indices.tolist() == first.tolist()
    assert block.take(np.arange(10.0)).tolist() == [[0, 1, 2], [3, 4, 5]]
    assert model.upper[:6].tolist() == [1, 2, 3, 1, 2, 3]
    assert model.integer.tolist() == [True] * 6 + [False] * 4
    assert model.matrix.toarray()[1].tolist() == [0, 0, 0, 4, 5, 6, 0, 0, 0, 0]
    with pytest.raises(UnknownNameError, match="did you mean"):
        model.block("tt")


def test_repeated_entries_add_up() -> None:
    builder = ModelBuilder()
    x = builder.variables("x", 2)
    row = builder.constraints("r", 1, lower=1.0)
    builder.add(row, x[:1], 2.0)
    builder.add(row, x[:1], 3.0)
    builder.minimise(x[[0, 0, 1]], [1.0, 2.0, 4.0])
    model = builder.build()
    assert model.matrix.toarray().tolist() == [[5.0, 0.0]]
    assert model.cost.tolist() == [3.0, 4.0]


def test_objective_and_violation() -> None:
    model = transport(0)
    x = np.zeros(model.num_columns)
    assert model.objective(x) == 5.0
    assert model.violation(x) == pytest.approx(model.row_lower[3:].max())
    x[0] = 9.0
    assert model.violation(x) >= 1.0
    builder = ModelBuilder()
    builder.variables("k", 1, upper=1.0, integer=True)
    assert builder.build().violation(np.array([0.4])) == pytest.approx(0.4)


def test_an_empty_model_is_a_model() -> None:
    model = ModelBuilder().build()
    assert (model.num_columns, model.num_rows) == (0, 0)
    assert model.objective(np.zeros(0)) == 0.0
    assert model.violation(np.zeros(0)) == 0.0
    assert objective_scale(model) == 1.0


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.0, 3.0))
def test_any_duals_prove_a_bound(seed: int, spread: float) -> None:
    model = transport(seed)
    answer = linprog(
        model.cost,
        A_ub=np.vstack([model.matrix.toarray()[:3], -model.matrix.toarray()[3:]]),
        b_ub=np.concatenate([model.row_upper[:3], -model.row_lower[3:]]),
        bounds=[(0, 8)] * model.num_columns,
    )
    assert answer.fun is not None
    best = answer.fun + model.offset
    duals = np.concatenate([answer.ineqlin.marginals[:3], -answer.ineqlin.marginals[3:]])
    assert dual_bound(model, duals) == pytest.approx(best)
    noise = np.random.default_rng(seed).normal(size=model.num_rows) * spread
    assert dual_bound(model, duals + noise) <= best + 1e-9


def test_feasibility_is_relative_to_the_size_of_a_row() -> None:
    builder = ModelBuilder()
    x = builder.variables("x", 1, upper=1e12)
    row = builder.constraints("r", 1, lower=1e12)
    builder.add(row, x, 1.0)
    model = builder.build()
    assert is_feasible(model, np.array([1e12 - 10.0]))
    assert not is_feasible(model, np.array([0.9e12]))
    assert not is_feasible(model, np.array([np.nan]))
    assert not is_feasible(model, np.zeros(2))


def test_below_keeps_every_better_vector_and_drops_what_none_can_hold() -> None:
    build = ModelBuilder()
    x = build.variables("x", 3, upper=5.0, integer=True)
    y = build.variables("y", 1, upper=10.0)
    build.minimise(x, np.array([1.0, 4.0, 1e8]))
    build.minimise(y, 2.0)
    build.offset = 1.0
    model = build.build()
    capped = model.below(9.0)
    assert capped.upper.tolist() == pytest.approx([5.0, 2.0, 0.0, 4.0], rel=1e-5)
    assert capped.cost.tolist() == [1.0, 4.0, 0.0, 2.0]
    for row in np.ndindex(6, 6, 2, 11):
        vector = np.array(row, dtype=np.float64)
        if model.objective(vector) <= 9.0:
            assert capped.violation(vector) == 0.0
            assert capped.objective(vector) == model.objective(vector)
    assert model.below(np.inf) is model
