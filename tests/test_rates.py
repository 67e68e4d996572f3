"""Compression rates against enumeration, SciPy's solver on another formulation, and the codec."""

from __future__ import annotations

import itertools
import math
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from orbweave.formulations.checks import InputError
from orbweave.formulations.compression.budget_dp import by_budget
from orbweave.formulations.compression.codec import Compressor, decompress_tree
from orbweave.formulations.compression.curves import ErrorCurve
from orbweave.formulations.compression.measure import curves_of
from orbweave.formulations.compression.problem import CompressionProblem
from orbweave.formulations.compression.solution import CompressionPlan
from orbweave.formulations.compression.staleness import Hinge
from orbweave.formulations.contacts import Contact, ContactPlan
from orbweave.formulations.passes import Demand, PassProblem
from orbweave.solvers import rate_tangents
from orbweave.solvers.options import SolveOptions
from orbweave.solvers.passes import solve_passes
from orbweave.solvers.rates import solve_rates
from orbweave.solvers.result import Reason, SolveResult

SOME = settings(deadline=None, derandomize=True, max_examples=40)


def solved(problem: CompressionProblem, **options: Any) -> SolveResult[CompressionPlan]:
    """A result whose plan breaks nothing and lies between the bound and nothing sent."""
    result = solve_rates(problem, SolveOptions(**options))
    if result.solution is not None:
        assert result.solution.violations() == ()
        assert result.bound <= result.objective
        assert result.solution.objective == result.objective
    return result


def table(rng: np.random.Generator, *, elements: int = 60, points: int = 5) -> ErrorCurve:
    """A small curve in whole bytes, errors random and falling."""
    kept = np.sort(rng.choice(np.arange(1, elements + 1), points, replace=False))
    bits = np.array([2, 4, 8])
    size = np.cumsum(rng.integers(1, 12, (3, points)), axis=1) + np.array([[0], [2], [5]])
    energy = float(rng.integers(50, 500))
    left = np.sort(rng.random((3, points)), axis=1)[:, ::-1] * energy
    return ErrorCurve(elements, energy, kept, bits, size.astype(float), left)


def fleet(seed: int, nodes: int = 3, layers: int = 3) -> dict[str, dict[str, ErrorCurve]]:
    rng = np.random.default_rng(seed)
    return {f"n{i}": {f"l{k}": table(rng) for k in range(layers)} for i in range(nodes)}


def points(curve: ErrorCurve) -> tuple[Any, Any]:
    """Bytes and error of nothing and every point of the table."""
    return (
        np.concatenate([[0.0], curve.size_bytes.ravel()]),
        np.concatenate([[curve.energy], curve.error.ravel()]),
    )


def mixture(problem: CompressionProblem) -> float:
    """Optimum where a layer may mix any of its points: another programme, by SciPy.

    No hulls, segments or units here: the share of every point is a variable.
    """
    curves = problem.items.curve
    share = [points(curve) for curve in curves]
    count = np.array([len(size) for size, _ in share])
    item = np.repeat(np.arange(len(curves)), count)
    size, error = (np.concatenate([row[k] for row in share]) for k in range(2))
    sender, weight = problem.items.sender[item], problem.items.weight[item]
    source, target, amount = problem.links
    columns = len(item) + len(source)
    upper: list[Any] = []
    limit: list[float] = []

    def row(values: Any, most: float) -> None:
        if math.isfinite(most):
            upper.append(np.pad(values, (0, columns - len(values))))
            limit.append(most)

    down = []
    for s in range(len(problem.senders)):
        flow = 1.0 * (target == s) - 1.0 * (source == s)
        down.append(np.concatenate([np.where(sender == s, size, 0.0), flow]))
        row(down[s], float(problem.capacity[s]))
        row(-down[s], 0.0)
        if problem.fairness is not None:
            whole = problem.items.energy[problem.items.sender == s].sum()
            row(np.where(sender == s, error, 0.0), problem.fairness * whole)
    for n in range(len(problem.nodes)):
        mine = [down[s] for s in np.flatnonzero(problem.sender_node == n)]
        row(problem.node_joules_per_byte[n] * np.sum(mine, axis=0), problem.node_energy_j[n])
    row(size, problem.total_limit_bytes)
    cost = np.pad(weight * error, (0, len(source)))
    if problem.target_error is not None:
        row(weight * error, problem.target_error * problem.items.weighted_energy)
        cost = np.pad(size, (0, len(source)))
    one = np.zeros((len(curves), columns))
    one[item, np.arange(len(item))] = 1.0
    bounds = [(0, None)] * len(item) + [(0, most) for most in amount]
    found = linprog(
        cost, np.array(upper), limit, one, np.ones(len(curves)), bounds, method="highs-ds"
    )
    return float(found.fun) if found.status == 0 else math.inf


LIMITS: dict[str, dict[str, Any]] = {
    "capacity": {"capacity_bytes": {"n0": 20, "n1": 55, "n2": 7}},
    "passes": {"capacity_bytes": {"n0": [10, 40], "n1": {"a": 5, "b": 30}, "n2": 30}},
    "total": {"capacity_bytes": {"n0": 40, "n1": 55, "n2": 70}, "target_ratio": 20},
    "energy": {
        "capacity_bytes": {"n0": [25, 60], "n1": 30, "n2": 90},
        "energy_j": {"n0": 20, "n2": 5},
        "joules_per_byte": {"n0": 0.4, "n2": 0.1},
        "target_ratio": 15,
    },
    "weights": {
        "capacity_bytes": 35,
        "weights": {"n0": {"l1": 5, "l2": 0}, "n2": 0.3},
        "staleness": {"n0": 0, "n1": 3, "n2": 8},
        "target_ratio": 24,
    },
    "target": {"capacity_bytes": 70, "target_error": 0.4},
    "target alone": {"target_error": 0.25, "weights": {"n1": 4}},
    "shared": {
        "capacity_bytes": {"n0": 5, "n1": 90, "n2": 30},
        "shared": [("n0", "n1", 25), ("n2", "n1", 9), ("n0", "n2", 50)],
    },
    "fairness": {"capacity_bytes": 50, "fairness": 0.6, "weights": {"n0": 50}},
    "all": {
        "capacity_bytes": {"n0": [20, 50], "n1": 60, "n2": 35},
        "shared": [(("n0", "1"), "n1", 25), ("n2", ("n0", "0"), 9)],
        "fairness": 0.71,
        "energy_j": 11,
        "joules_per_byte": 0.2,
        "target_ratio": 20,
        "weights": {"n1": 3},
        "staleness": 2,
    },
}


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("name", list(LIMITS))
def test_bounds_are_the_optimum_over_mixtures(name: str, seed: int) -> None:
    problem = CompressionProblem(fleet(seed), **LIMITS[name])
    expected = mixture(problem)
    result = solved(problem)
    if math.isinf(expected):
        assert result.reason is Reason.INFEASIBLE
    else:
        assert result.bound == pytest.approx(expected, rel=1e-6)
    if name not in ("shared", "fairness", "all"):
        assert result.method == "slopes"
        again = solved(problem, method="lp")
        assert again.bound == pytest.approx(result.bound, rel=1e-6)
        assert again.reason is result.reason


def test_some_of_those_problems_bind_everywhere() -> None:
    """The oracle's rows are not idle: taking any of them away changes the optimum."""
    problem = CompressionProblem(fleet(0), **LIMITS["all"])
    best = mixture(problem)
    assert math.isfinite(best)
    for change in ({"shared": ()}, {"fairness": None}, {"target_ratio": None}, {"energy_j": 1e6}):
        assert mixture(problem.replace(**change)) != pytest.approx(best, rel=1e-6)
    assert solved(problem).bound == pytest.approx(best, rel=1e-6)


def test_the_optimum_is_a_vertex_with_one_part_of_a_segment() -> None:
    """One message: every choice of hull vertices, one layer between two of its own."""
    for seed in range(20):
        rng = np.random.default_rng(seed)
        curves = {f"l{k}": table(rng, points=3) for k in range(3)}
        room = float(rng.integers(3, 60))
        best = math.inf
        hulls = [curve.hull for curve in curves.values()]
        for pick in itertools.product(*(range(len(hull.error)) for hull in hulls)):
            size = sum(h.size_bytes[j] for h, j in zip(hulls, pick, strict=True))
            error = sum(h.error[j] for h, j in zip(hulls, pick, strict=True))
            if size > room:
                continue
            best = min(best, error)
            for hull, j in zip(hulls, pick, strict=True):
                if j + 1 < len(hull.error):
                    step = hull.size_bytes[j + 1] - hull.size_bytes[j]
                    share = min((room - size) / step, 1.0)
                    best = min(best, error - share * (hull.error[j] - hull.error[j + 1]))
        problem = CompressionProblem(curves, room)
        assert solved(problem, method="lp").bound == pytest.approx(best, rel=1e-6)
        assert solved(problem, method="slopes").bound == pytest.approx(best, rel=1e-9)


def test_the_dynamic_programme_is_the_best_of_all_points() -> None:
    """Whole bytes and one step a byte: nothing is lost to rounding."""
    for seed in range(20):
        rng = np.random.default_rng(seed)
        curves = {f"l{k}": table(rng, points=3) for k in range(3)}
        room = int(rng.integers(3, 60))
        whole = sum(float(curve.size_bytes.max()) for curve in curves.values())
        tables = [points(curve) for curve in curves.values()]
        every = itertools.product(*(range(len(size)) for size, _ in tables))
        best = min(
            sum(tables[k][1][j] for k, j in enumerate(pick))
            for pick in every
            if sum(tables[k][0][j] for k, j in enumerate(pick)) <= room
        )
        problem = CompressionProblem(curves, room)
        plan = CompressionPlan(problem, *by_budget(problem, steps=int(min(room, whole))))
        assert plan.violations() == ()
        assert plan.objective == pytest.approx(best, rel=1e-12)


def test_three_roads_agree_within_a_step_of_the_grid() -> None:
    problem = CompressionProblem(curves_of(gradients()), target_ratio=60)
    by = {name: solved(problem, method=name) for name in ("slopes", "lp", "budget-dp")}
    assert by["lp"].bound == pytest.approx(by["slopes"].bound, rel=1e-6)
    # A step: the largest gain of one segment that the optimum leaves in part or out.
    step = max(
        float(curve.hull.error[j] - curve.hull.error[j + 1])
        for curve, size in zip(problem.items.curve, by["slopes"].require().item_bytes, strict=True)
        for j in [max(int(np.searchsorted(curve.hull.size_bytes, size)) - 1, 0)]
    )
    for result in by.values():
        assert 0 <= result.objective - by["slopes"].bound <= step


# -- prices -------------------------------------------------------------------------------------
def slope_of(problem: CompressionProblem, step: float, change: Any) -> float:
    """Central finite difference of the optimum over hulls."""
    high, low = (solved(change(problem, side * step)).bound for side in (1, -1))
    return (high - low) / (2 * step)


@pytest.mark.parametrize("name", ["capacity", "shared", "fairness", "target", "all"])
def test_prices_are_what_a_byte_more_changes(name: str) -> None:
    limits: dict[str, Any] = LIMITS[name] | {
        "capacity_bytes": {"n0": 21.37, "n1": 61.71, "n2": 33.93}
    }
    if name == "target":
        limits["target_error"] = 0.43
    if name == "fairness":
        limits["fairness"] = 0.75
    if name == "all":
        limits |= {"shared": [("n0", "n1", 25.3), ("n2", "n0", 9.1)], "target_ratio": None}
    problem = CompressionProblem(fleet(2), **limits)
    prices = solved(problem).require().price_per_byte
    assert isinstance(prices, dict)

    def changed(node: str) -> Any:
        def apply(given: CompressionProblem, step: float) -> CompressionProblem:
            capacity: Any = given.capacity_bytes
            return given.replace(capacity_bytes=capacity | {node: capacity[node] + step})

        return apply

    for node, price in prices.items():
        assert price == pytest.approx(-slope_of(problem, 1e-3, changed(node)), rel=1e-4, abs=1e-5)
    assert max(prices.values()) > 0


@pytest.mark.parametrize("method", ["slopes", "lp"])
def test_prices_of_joules_totals_and_targets(method: str) -> None:
    problem = CompressionProblem(
        fleet(1),
        capacity_bytes={"n0": [41.3, 80.1], "n1": 77.7, "n2": 50.3},
        energy_j=17.77,
        joules_per_byte=0.25,
        target_ratio=16.3,
    )
    plan = solved(problem, method=method).require()
    assert plan.prices is not None
    assert plan.prices.total > 0
    assert plan.prices.energy.max() > 0

    def joules(node: str) -> Any:
        def apply(given: CompressionProblem, step: float) -> CompressionProblem:
            return given.replace(energy_j=dict.fromkeys(given.nodes, 17.77) | {node: 17.77 + step})

        return apply

    for k, node in enumerate(problem.nodes):
        slope = slope_of(problem, 1e-4, joules(node))
        assert plan.prices.energy[k] == pytest.approx(-slope, rel=1e-4, abs=1e-5)

    def total(given: CompressionProblem, step: float) -> CompressionProblem:
        dense = given.total_limit_bytes * 16.3
        return given.replace(target_ratio=dense / (given.total_limit_bytes + step))

    assert plan.prices.total == pytest.approx(-slope_of(problem, 1e-3, total), rel=1e-4)
    asked = problem.replace(target_error=0.61, target_ratio=None, energy_j=1e3)
    target = solved(asked, method=method).require().prices
    assert target is not None

    def error(given: CompressionProblem, step: float) -> CompressionProblem:
        return given.replace(target_error=0.61 + step / given.items.weighted_energy)

    assert target.target == pytest.approx(-slope_of(asked, 1e-3, error), rel=1e-4)


# -- properties ---------------------------------------------------------------------------------
@SOME
@given(st.integers(0, 1000), st.floats(0, 200), st.floats(0, 60))
def test_more_bytes_are_never_worse(seed: int, room: float, more: float) -> None:
    curves = fleet(seed, nodes=2)
    few, many = (solved(CompressionProblem(curves, size)) for size in (room, room + more))
    assert many.bound <= few.bound * (1 + 1e-9)
    # One curve's setting is the best within its bytes, so that there the plan improves too.
    alone = {"l0": curves["n0"]["l0"]}
    one, two = (solved(CompressionProblem(alone, size)) for size in (room, room + more))
    assert two.objective <= one.objective * (1 + 1e-9)


@pytest.mark.parametrize("name", list(LIMITS))
def test_order_of_nodes_and_layers_does_not_matter(name: str) -> None:
    curves = fleet(5)
    turned = {
        node: dict(reversed(list(part.items()))) for node, part in reversed(list(curves.items()))
    }
    first = solved(CompressionProblem(curves, **LIMITS[name]))
    second = solved(CompressionProblem(turned, **LIMITS[name]))
    assert first.reason is second.reason
    if first.reason is not Reason.INFEASIBLE:
        assert second.bound == pytest.approx(first.bound, rel=1e-6)


def gradients(seed: int = 0) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    sizes = {"conv": 900, "wide": 60_000, "dense": 20_000, "bias": 40}
    scale = {"conv": 3.0, "wide": 0.2, "dense": 1.0, "bias": 5.0}
    return {
        name: (scale[name] * rng.standard_t(3, size=count)).astype(np.float32)
        for name, count in sizes.items()
    }


@pytest.mark.parametrize("power", [-20, 3])
def test_scaled_gradients_scale_the_error_and_change_no_setting(power: int) -> None:
    plain = solved(CompressionProblem(curves_of(gradients()), target_ratio=80)).require()
    scaled = {name: np.ldexp(array, power) for name, array in gradients().items()}
    other = solved(CompressionProblem(curves_of(scaled), target_ratio=80)).require()
    assert other.objective == pytest.approx(plain.objective * 4.0**power, rel=1e-12)
    assert other.keep_ratio == plain.keep_ratio
    assert other.bits == plain.bits


def test_weights_and_staleness_multiply_the_error() -> None:
    curves = fleet(3, nodes=1)
    plain = CompressionProblem(curves, 30)
    late = CompressionProblem(curves, 30, staleness=8, weights={"n0": 5})
    assert solved(late).objective == pytest.approx(solved(plain).objective * 5 / 3)
    other = late.replace(staleness_weight=Hinge(bound=4, slope=2))
    assert solved(other).objective == pytest.approx(solved(plain).objective * 5 / 9)


def test_a_late_message_gets_less_of_shared_bytes() -> None:
    curves = {name: fleet(4, nodes=1)["n0"] for name in ("soon", "late")}
    problem = CompressionProblem(
        curves, target_ratio=12, staleness={"soon": 0, "late": 15}, capacity_bytes=1e3
    )
    sent = solved(problem).require().sender_bytes
    assert sent[0] > sent[1]


# -- what a compressor does ---------------------------------------------------------------------
@pytest.mark.parametrize("ratio", [30, 100])
def test_the_real_compressor_does_what_the_plan_says(ratio: float) -> None:
    tensors = gradients()
    plan = solved(CompressionProblem(curves_of(tensors), target_ratio=ratio)).require()
    assert plan.ratio >= ratio * (1 - 1e-6)
    codec = Compressor(plan.keep_ratio, plan.bits, error_feedback=False)
    message = codec.compress_tree(tensors)
    dense = sum(array.nbytes for array in tensors.values())
    assert len(message) == pytest.approx(dense / ratio, rel=0.03)
    back = decompress_tree(message)
    for name, array in tensors.items():
        left = float(((array.astype(np.float64) - back[name]) ** 2).sum())
        whole = float((array.astype(np.float64) ** 2).sum())
        assert plan.error[name] / whole == pytest.approx(left / whole, abs=0.01)


def test_the_plan_beats_uniform_and_global_choices() -> None:
    curves = curves_of(gradients())
    problem = CompressionProblem(curves, target_ratio=80)
    plan = solved(problem).require()
    room = problem.total_limit_bytes
    fits = []
    for ratio in np.geomspace(1e-4, 1, 400):
        rows = [
            curve.at(max(round(ratio * curve.elements), int(curve.kept[0])), 8)
            for curve in curves.values()
        ]
        if sum(row.size_bytes for row in rows) <= room:
            fits.append(sum(row.error for row in rows))
    assert plan.objective < 0.9 * min(fits)


def test_tangents_find_the_whole_programme_s_optimum(monkeypatch: pytest.MonkeyPatch) -> None:
    tensors = {f"n{k}": gradients(k) for k in range(3)}
    problem = CompressionProblem(
        curves_of(tensors), 900, shared=[("n0", "n1", 300), ("n2", "n1", 200)], fairness=0.9,
        weights={"n0": 4, "n1": 0.5},
    )  # fmt: skip
    whole = solved(problem, method="lp")
    monkeypatch.setattr(rate_tangents, "SMALL", 0)
    few = solved(problem, method="lp")
    assert few.bound == pytest.approx(whole.bound, rel=1e-6)
    assert few.objective == pytest.approx(whole.objective, rel=1e-3)
    # Chords alone cannot keep this error within the bytes, the hulls can.
    least = problem.replace(shared=(), weights=None, fairness=None)
    error = float(solved(least).require().sender_error.max())
    tight = least.replace(fairness=error * 1.001)
    assert solved(tight, method="lp").reason is not Reason.INFEASIBLE


# -- answers that are none ----------------------------------------------------------------------
@pytest.mark.parametrize("method", ["slopes", "lp"])
def test_a_target_out_of_reach_is_infeasible(method: str) -> None:
    problem = CompressionProblem(fleet(0), 10, target_error=0.01)
    result = solved(problem, method=method)
    assert result.reason is Reason.INFEASIBLE
    assert "within the bytes" in result.message


def test_targets_are_kept_though_hulls_only_just_keep_them() -> None:
    for seed in range(6):
        problem = CompressionProblem(fleet(seed), 90, target_error=0.37)
        for method in ("slopes", "lp"):
            result = solved(problem, method=method)
            assert result.require().relative_error <= 0.37 * (1 + 1e-6)
            assert result.bound == pytest.approx(mixture(problem), rel=1e-6)


@pytest.mark.parametrize("method", ["slopes", "lp"])
def test_a_target_that_the_best_plan_keeps_is_always_reached(method: str) -> None:
    for seed in range(4):
        limited = CompressionProblem(fleet(seed), {"n0": 20, "n1": 60, "n2": 35})
        best = solved(limited, method=method).require().relative_error
        for target in np.linspace(best, 1.0, 12).tolist():
            result = solved(limited.replace(target_error=target), method=method)
            assert result.require().relative_error <= target * (1 + 1e-6)


def test_no_setting_in_reach_is_no_solution_with_a_bound() -> None:
    """The hull halves the error in half the bytes; the one message there is takes all of them."""
    curve = ErrorCurve(
        10, 8.0, np.array([10]), np.array([8]), np.array([[100.0]]), np.zeros((1, 1))
    )
    problem = CompressionProblem({"only": curve}, 50, target_error=0.5)
    result = solved(problem)
    assert result.reason is Reason.NO_SOLUTION
    assert result.bound == pytest.approx(50.0)
    assert "miss an error" in result.message
    assert solved(problem.replace(capacity_bytes=100)).objective == 100.0


def test_no_bytes_at_all_send_nothing() -> None:
    plan = solved(CompressionProblem(fleet(0), 0)).require()
    assert plan.relative_error == 1.0
    assert plan.objective == pytest.approx(plan.problem.items.weighted_energy)
    assert not plan.entries.any()
    assert plan.ratio == math.inf


@SOME
@given(st.integers(0, 10_000))
def test_room_for_everything_leaves_the_least_error(seed: int) -> None:
    problem = CompressionProblem(fleet(seed, nodes=2), 1e4)
    result = solved(problem)
    least = sum(float(curve.error.min()) for curve in problem.items.curve)
    assert result.reason is Reason.OPTIMAL
    assert result.objective == pytest.approx(least)


# -- shapes and capacities ----------------------------------------------------------------------
def test_answers_have_the_shape_of_the_problem() -> None:
    curves = fleet(0, nodes=2, layers=2)
    alone = solved(CompressionProblem(curves["n0"], 30)).require()
    assert alone.keep_ratio.keys() == {"l0", "l1"}
    assert isinstance(alone.price_per_byte, float)
    passes = solved(CompressionProblem(curves["n0"], [30, 40])).require()
    assert {key: set(part) for key, part in passes.bits.items()} == {
        "0": {"l0", "l1"},
        "1": {"l0", "l1"},
    }
    mixed = CompressionProblem(curves, {"n0": 30, "n1": {"am": 5, "pm": 60}})
    plan = solved(mixed).require()
    assert plan.bytes["n0"].keys() == {"l0", "l1"}
    assert plan.bytes["n1"].keys() == {"am", "pm"}
    assert sum(plan.bytes["n1"]["pm"].values()) <= 60
    data = plan.to_dict()
    assert data["relative_error"] == plan.relative_error
    assert data["violations"] == []
    assert "pass pm" in plan._repr_html_()


def schedule(demands: list[Demand]) -> Any:
    plan = ContactPlan.from_contacts(
        [
            Contact("s1", "g", start_s=0, end_s=100, rate_bps=8e3),
            Contact("s2", "g", start_s=0, end_s=30, rate_bps=8e3),
        ],
        epoch=datetime(2026, 1, 1, tzinfo=UTC),
        nodes={"s1": "orbital", "s2": "orbital", "g": "ground"},
    )
    return solve_passes(PassProblem(plan, demands), SolveOptions()).require()


def test_capacity_of_a_pass_schedule() -> None:
    found = schedule([Demand("a", "s1", "ground", 60e3), Demand("b", "s2", "ground", 90e3)])
    curves = fleet(0, nodes=3)
    curves = {"s1": curves["n0"], "s2": curves["n1"], "s3": curves["n2"]}
    problem = CompressionProblem(curves, found)
    assert problem.senders == (("s1", ""), ("s2", ""), ("s3", ""))
    np.testing.assert_allclose(problem.capacity, [60e3, 30e3, 0.0])
    assert solved(problem).require().sender_error[2] == 1.0
    several = schedule(
        [Demand("a", "s1", "ground", 60e3, deadline_s=50), Demand("b", "s1", "ground", 90e3)]
    )
    one = CompressionProblem(curves["s1"], several)
    assert one.senders == (("", "a"), ("", "b"))
    assert one.capacity.sum() == pytest.approx(100e3)
    with pytest.raises(InputError, match="one source"):
        CompressionProblem(curves["s1"], found)


def test_violations_name_every_limit() -> None:
    problem = CompressionProblem(
        fleet(0),
        capacity_bytes={"n0": 1, "n1": {"am": 1e3, "pm": 1e3}, "n2": 1e3},
        shared=[("n0", "n2", 3)],
        energy_j={"n1": 1},
        joules_per_byte=1.0,
        fairness=0.01,
        target_ratio=100,
        target_error=0.001,
    )
    kept = np.array([curve.kept[0] for curve in problem.items.curve])
    bits = np.full(len(kept), 8)
    told = "\n".join(CompressionPlan(problem, kept, bits, np.array([4.0])).violations())
    for part in ("bytes of n0:", "from n0 to n2", "joules of n1", "all messages", "relative error"):
        assert part in told
    assert "relative error of n1 in pass pm" in told
    nothing = CompressionPlan(problem, kept * 0, bits, np.array([2.0]))
    assert any("hands on more" in row for row in nothing.violations())


# -- bad input ----------------------------------------------------------------------------------
CURVE = fleet(0, nodes=1, layers=1)["n0"]["l0"]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"curves": {}}, "at least one curve"),
        ({"curves": {"a": 3}}, r"curves\['a'\]"),
        ({"curves": {"a": CURVE, "n": {"b": CURVE}}}, "all nodes alike"),
        ({"capacity_bytes": None}, "target_ratio"),
        ({"capacity_bytes": -1}, "capacity_bytes"),
        ({"capacity_bytes": {"n0": 1, "n1": 2, "n22": 3}}, "did you mean 'n2'"),
        ({"capacity_bytes": {"n0": 1}}, "also 'n1'"),
        ({"capacity_bytes": [1, 2]}, "a mapping of nodes"),
        ({"capacity_bytes": {"n0": [], "n1": 1, "n2": 1}}, "at least one pass"),
        ({"weights": {"n4": 2}}, "weights node = 'n4'"),
        ({"weights": {"n0": {"l9": 2}}}, "layer = 'l9'"),
        ({"weights": {"n0": -2}}, "weights"),
        ({"staleness": 0.5}, "whole rounds"),
        ({"staleness": {"n0": {"am": 1}, "n1": 0, "n2": 0}}, "pass = 'am'"),
        ({"fairness": 2}, "fairness"),
        ({"shared": [("n0", "n1")]}, "sender, receiver, bytes"),
        ({"shared": [("n0", "n9", 3)]}, "'n9'"),
        ({"shared": [("n0", "n0", 3)]}, "different ends"),
        ({"capacity_bytes": {"n0": [1, 2], "n1": 1, "n2": 1}, "shared": [("n0", "n1", 3)]}, "pass"),
        ({"energy_j": 3}, "joules_per_byte"),
        ({"target_ratio": 0}, "target_ratio"),
        ({"target_error": 1.5}, "target_error"),
    ],
)
def test_bad_input(given: dict[str, Any], told: str) -> None:
    whole: dict[str, Any] = {"curves": fleet(0), "capacity_bytes": 50} | given
    with pytest.raises(InputError, match=told):
        CompressionProblem(**whole)


@pytest.mark.parametrize(
    ("change", "options"),
    [
        ({"fairness": 0.5}, {"method": "slopes"}),
        ({"shared": [("n0", "n1", 3)]}, {"method": "slopes"}),
        ({}, {"method": "budget-dp"}),
        ({}, {"method": "slope"}),
        ({}, {"backend": "cp-sat", "method": "lp"}),
    ],
)
def test_methods_that_do_not_fit(change: dict[str, Any], options: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="SolveOptions"):
        solve_rates(CompressionProblem(fleet(0), 50, **change), SolveOptions(**options))
