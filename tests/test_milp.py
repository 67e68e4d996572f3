"""The assignment and segment formulations against enumeration, against each other, by backend."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from small_problems import feasible_placements, small_problem

import orbweave as ow
from orbweave.formulations.checks import InputError
from orbweave.formulations.partition.milps import assignment, segment_columns
from orbweave.solvers.backends import solve_model
from orbweave.solvers.options import SolveOptions
from orbweave.solvers.result import Reason

OPTIONS = SolveOptions(relative_gap=1e-7)
BLOCKS = [range(k, k + 25) for k in range(0, 300, 25)]


def close(a: float, b: float, tolerance: float = 1e-6) -> bool:
    return abs(a - b) <= tolerance * abs(b) + 1e-9


def check_encoding(formulation: Any, problem: ow.PartitionProblem) -> None:
    """Every feasible placement is a feasible vector with the judge's objective, and reads back."""
    model = formulation.build(problem)
    for placement, objective in feasible_placements(problem):
        x = formulation.encode(problem, model, placement)
        assert model.violation(x) < 1e-6
        assert close(model.objective(x), objective, 1e-9)
        again = ow.Partition.from_indices(problem, formulation.read(problem, model, x))
        assert close(again.objective, objective, 1e-9)
        assert not again.violations()


def check_optimum(
    formulation: Any, problem: ow.PartitionProblem, options: SolveOptions, upper: float = math.inf
) -> None:
    """The solver's answer is the best of all placements, and infeasible exactly where none is."""
    found = feasible_placements(problem)
    model = formulation.build(problem, upper)
    result = solve_model(model, options)
    if not found:
        assert result.reason is Reason.INFEASIBLE
        assert result.bound == math.inf
        return
    best = min(objective for _, objective in found)
    assert result.reason is Reason.OPTIMAL
    assert result.x is not None
    plan = ow.Partition.from_indices(problem, formulation.read(problem, model, result.x))
    assert plan.violations() == ()
    assert close(plan.objective, best)
    assert close(model.objective(result.x), best)
    assert result.bound <= best + 1e-6 * abs(best) + 1e-9
    assert result.bound >= best - 1e-5 * abs(best) - 1e-9


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_assignment_holds_every_placement(block: range) -> None:
    for seed in block:
        check_encoding(assignment, small_problem(seed, most_layers=4))


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_assignment_finds_the_optimum(block: range) -> None:
    for seed in block:
        check_optimum(assignment, small_problem(seed), OPTIONS)


@pytest.mark.parametrize("block", BLOCKS[:6], ids=str)
def test_segments_hold_every_placement(block: range) -> None:
    for seed in block:
        problem = small_problem(seed, chain=True, contiguous=True, piece_edges=None)
        check_encoding(segment_columns, problem)


@pytest.mark.parametrize("block", BLOCKS[:6], ids=str)
def test_segments_find_the_optimum(block: range) -> None:
    for seed in block:
        problem = small_problem(seed, chain=True, contiguous=True, piece_edges=None)
        check_optimum(segment_columns, problem, OPTIONS)


@pytest.mark.parametrize("seed", range(40))
def test_a_known_objective_cuts_off_nothing_as_good(seed: int) -> None:
    problem = small_problem(seed, chain=False, objective="latency")
    found = feasible_placements(problem)
    if found:
        check_optimum(assignment, problem, OPTIONS, upper=min(value for _, value in found))
    problem = small_problem(seed, chain=True, contiguous=True, piece_edges=None)
    found = feasible_placements(problem)
    if found:
        check_optimum(segment_columns, problem, OPTIONS, upper=min(value for _, value in found))


@pytest.mark.parametrize("backend", ["cp-sat", "pyomo"])
@pytest.mark.parametrize("seed", range(60, 90))
def test_backends_agree_on_the_assignment(backend: str, seed: int) -> None:
    problem = small_problem(seed, most_layers=4)
    check_optimum(assignment, problem, SolveOptions(relative_gap=1e-7, backend=backend))


def larger_chain(seed: int, layers: int = 14, nodes: int = 4) -> ow.PartitionProblem:
    """A chain too large to enumerate, memory binding."""
    rng = np.random.default_rng(seed)
    profile = ow.ModelProfile(
        tuple(
            ow.LayerProfile(
                f"layer{i}",
                0,
                float(rng.uniform(1e8, 1e9)),
                float(rng.uniform(1e9, 1e11)),
                float(rng.uniform(1e5, 1e7)),
            )
            for i in range(layers)
        ),
        input_bytes=1e6,
    )
    need = profile.memory_mb * 1e6
    names = [f"node{n}" for n in range(nodes)]
    return ow.PartitionProblem(
        profile,
        ow.Network(
            tuple(
                ow.Node(
                    name,
                    "ground" if n % 2 else "orbital",
                    flop_per_s=float(rng.uniform(1e11, 2e12)),
                    memory_bytes=float(rng.uniform(0.9, 1.7)) * need / nodes,
                    joules_per_flop=float(rng.uniform(1e-12, 5e-12)),
                )
                for n, name in enumerate(names)
            ),
            tuple(
                ow.Link(a, b, float(rng.uniform(1e7, 1e9)), float(rng.uniform(1e-3, 2e-2)), 1e-8)
                for a in names
                for b in names
                if a != b
            ),
        ),
        input_node="node0",
    )


@pytest.mark.parametrize("objective", ["latency", "bandwidth", "energy", "throughput"])
@pytest.mark.parametrize("seed", range(3))
def test_the_two_formulations_agree(objective: str, seed: int) -> None:
    problem = larger_chain(seed).replace(objective=objective)
    values = []
    for formulation in (assignment, segment_columns):
        model = formulation.build(problem)
        result = solve_model(model, SolveOptions(relative_gap=1e-7, time_limit_s=120))
        assert result.x is not None
        assert result.reason is Reason.OPTIMAL
        plan = ow.Partition.from_indices(problem, formulation.read(problem, model, result.x))
        assert plan.violations() == ()
        values.append(plan.objective)
    assert close(values[0], values[1])


def test_alike_nodes_are_one_class_of_runs() -> None:
    layers = tuple(ow.LayerProfile(f"l{i}", 0, 10.0, 10.0, 1.0) for i in range(6))
    nodes = tuple(ow.Node(f"n{n}", memory_bytes=25.0, flop_per_s=10.0) for n in range(4))
    links = tuple(
        ow.Link(a.name, b.name, 8.0, 0.5) for a in nodes for b in nodes if a.name != b.name
    )
    problem = ow.PartitionProblem(ow.ModelProfile(layers), ow.Network(nodes, links))
    model = segment_columns.build(problem)
    one = segment_columns.build(
        problem.replace(network=ow.Network(nodes[:1], ()), pinned={}, forbidden={})
    )
    assert model.block("run").size == one.block("run").size
    result = solve_model(model, OPTIONS)
    assert result.x is not None
    plan = ow.Partition.from_indices(problem, segment_columns.read(problem, model, result.x))
    assert plan.violations() == ()
    assert close(plan.objective, 6 * 1.0 + 2 * 1.5)


def test_what_a_formulation_cannot_state_is_refused() -> None:
    problem = small_problem(3, chain=False, most_layers=5)
    with pytest.raises(InputError, match="max_replicas"):
        assignment.build(problem.replace(max_replicas=2, objective="throughput"))
    with pytest.raises(InputError, match="reference"):
        assignment.build(problem.replace(objective="balance", reference=None, limits={}))
    chain = small_problem(3, chain=True, contiguous=True, piece_edges=None)
    with pytest.raises(InputError, match="contiguous"):
        segment_columns.build(chain.replace(contiguous=False))
    branching = ow.ModelProfile(chain.profile.layers, ())
    if chain.profile.num_layers > 1:
        with pytest.raises(InputError, match="chain"):
            segment_columns.build(chain.replace(profile=branching))


def test_units_do_not_matter() -> None:
    """The same problem in bytes a million times larger and rates as much faster."""
    problem = larger_chain(7, layers=8, nodes=3)
    factor = 1e6
    profile = ow.ModelProfile(
        tuple(
            ow.LayerProfile(
                row.name,
                0,
                row.weight_bytes * factor,
                row.flops * factor,
                row.activation_bytes * factor,
            )
            for row in problem.profile.layers
        ),
        input_bytes=problem.profile.input_bytes * factor,
    )
    network = ow.Network(
        tuple(
            ow.Node(n.name, n.kind, n.flop_per_s * factor, n.memory_bytes * factor)
            for n in problem.network.nodes
        ),
        tuple(
            ow.Link(k.source, k.target, k.rate_bps * factor, k.latency_s)
            for k in problem.network.links
        ),
    )
    values = []
    for case in (problem, problem.replace(profile=profile, network=network)):
        model = assignment.build(case)
        result = solve_model(model, OPTIONS)
        assert result.x is not None
        values.append(
            ow.Partition.from_indices(case, assignment.read(case, model, result.x)).objective
        )
    assert close(values[0], values[1])
