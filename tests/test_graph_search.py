"""The compiled judge, bounds, branch and bound and annealing on any graph, against enumeration."""

from __future__ import annotations

import math

import numpy as np
import pytest
from small_problems import SINGLES, all_placements, feasible_placements, small_problem

import orbweave as ow
from orbweave.formulations.partition.graphs.dag import lower_bound, solve_dag
from orbweave.formulations.partition.kernel import arrays_of, measure, worth
from orbweave.formulations.partition.moves import canonical, node_classes
from orbweave.formulations.partition.outcome import Watch
from orbweave.formulations.partition.scales import objective_weights
from orbweave.formulations.partition.times import (
    Schedule,
    TimeBounds,
    horizon_s,
    load_bound,
    tails,
)

BLOCKS = [range(k, k + 50) for k in range(1000, 1400, 50)]


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_the_compiled_judge_is_the_judge(block: range) -> None:
    for seed in block:
        problem = small_problem(seed, most_layers=4)
        arrays = arrays_of(problem, objective_weights(problem))
        index = {name: k for k, name in enumerate(problem.network.node_names)}
        values = np.zeros(4)
        for plan in all_placements(problem):
            broken = measure(arrays, np.array([index[n] for n in plan.node_of_layer]), values)
            assert (broken == 0.0) == (plan.violations() == ())
            if broken == 0.0:
                expected = [plan.values[name] for name in SINGLES]
                np.testing.assert_allclose(values, expected, rtol=1e-9)
                assert worth(arrays, values) == pytest.approx(plan.objective, rel=1e-9)


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_the_search_proves_the_optimum(block: range) -> None:
    for seed in block:
        problem = small_problem(seed)
        found = feasible_placements(problem)
        watch = Watch()
        outcome = solve_dag(problem, watch)
        if not found:
            assert outcome.placement is None
            assert outcome.bound == math.inf
            continue
        best = min(value for _, value in found)
        assert lower_bound(problem) <= best + 1e-9 * abs(best) + 1e-12
        assert outcome.placement is not None
        plan = ow.Partition.from_indices(problem, outcome.placement)
        assert plan.violations() == ()
        assert plan.objective == pytest.approx(best, rel=1e-6)
        assert best - 1e-6 * abs(best) <= outcome.bound <= best + 1e-9 * abs(best)
        assert watch.objective == plan.objective
        assert watch.bound <= best + 1e-9 * abs(best)


@pytest.mark.parametrize("seed", range(60))
def test_time_bounds_hold_for_every_placement(seed: int) -> None:
    problem = small_problem(seed, chain=False, most_layers=4)
    bounds, tail, last = TimeBounds.of(problem), tails(problem), horizon_s(problem)
    costs = problem.costs()
    layers = np.arange(costs.num_layers)
    for placement, _ in feasible_placements(problem):
        clock = Schedule.of(problem, placement)
        done = clock.forward_s + costs.forward_s[layers, placement]
        room = 1e-9 * (1 + last)
        assert (clock.forward_s >= bounds.forward_low - room).all()
        assert (done <= bounds.forward_high + room).all()
        assert (clock.backward_s >= bounds.backward_low - room).all()
        assert bounds.least - room <= clock.end_s <= bounds.last + room
        assert (done + tail[layers, placement] <= clock.end_s + room).all()
        result = ow.Partition.from_indices(problem, placement).evaluation
        assert load_bound(costs) <= result.throughput + room
        assert max(result.throughput, clock.end_s) <= last + room


@pytest.mark.parametrize("seed", range(40))
def test_alike_nodes_can_be_exchanged(seed: int) -> None:
    problem = small_problem(seed, most_nodes=4, most_layers=4)
    for group in node_classes(problem):
        for placement, value in feasible_placements(problem):
            swapped = placement.copy()
            swapped[placement == group[0]] = group[1]
            swapped[placement == group[1]] = group[0]
            other = ow.Partition.from_indices(problem, swapped)
            assert other.violations() == ()
            assert other.objective == pytest.approx(value, rel=1e-9)
            first = [n for n in dict.fromkeys(canonical(problem, swapped).tolist()) if n in group]
            assert first == group[: len(first)]


def larger_graph(seed: int, layers: int = 40, nodes: int = 5) -> ow.PartitionProblem:
    rng = np.random.default_rng(seed)
    rows = tuple(
        ow.LayerProfile(
            f"op{i}", 0, rng.uniform(1e7, 1e9), rng.uniform(1e9, 1e11), rng.uniform(1e4, 1e7)
        )
        for i in range(layers)
    )
    edges = {(max(0, i - int(rng.integers(1, 4))), i) for i in range(1, layers)}
    edges |= {(max(0, i - int(rng.integers(1, 8))), i) for i in range(1, layers)}
    profile = ow.ModelProfile(rows, tuple(sorted(edges)), 1e6, 1e5)
    names = [f"node{n}" for n in range(nodes)]
    memory = profile.memory_mb * 1e6 / nodes * 1.5
    return ow.PartitionProblem(
        profile,
        ow.Network(
            tuple(ow.Node(n, "orbital", rng.uniform(1e11, 1e12), memory, 1e-12) for n in names),
            tuple(
                ow.Link(a, b, rng.uniform(1e8, 1e10), 1e-3, 1e-9)
                for a in names
                for b in names
                if a != b
            ),
        ),
        input_node="node0",
        output_node="node1",
        contiguous=False,
    )


@pytest.mark.parametrize("objective", ["latency", "bandwidth", "energy", "throughput"])
def test_larger_graphs_get_a_plan_and_a_bound(objective: str) -> None:
    problem = larger_graph(1).replace(objective=objective)
    outcome = solve_dag(problem, Watch(time_limit_s=20), effort=0.2)
    assert outcome.placement is not None
    plan = ow.Partition.from_indices(problem, outcome.placement)
    assert plan.violations() == ()
    assert 0 <= outcome.bound <= plan.objective


def test_the_same_seed_gives_the_same_plan() -> None:
    problem = larger_graph(2, layers=25)
    rows = [solve_dag(problem, Watch(), seed=4, effort=0.05).placement for _ in range(2)]
    assert rows[0] is not None
    assert rows[1] is not None
    assert rows[0].tolist() == rows[1].tolist()


def test_a_better_start_is_kept() -> None:
    problem = larger_graph(3, layers=20)
    first = solve_dag(problem, Watch(), effort=0.2)
    assert first.placement is not None
    value = ow.Partition.from_indices(problem, first.placement).objective
    watch = Watch(time_limit_s=1e-9, placement=first.placement, objective=value)
    again = solve_dag(problem, watch)
    assert again.placement is not None
    assert again.placement.tolist() == first.placement.tolist()
    assert again.bound <= value
