"""Chains with an additive objective: seconds to a proof, and the certified gap where time ends it.

    pytest benchmarks/bench_chain.py --benchmark-only

Instances are seeded (`instances.chain_instance`: uneven layers, uneven nodes, ring with chords).
Each test checks the figure's meaning (proven, or the gap); the time is what pytest-benchmark says.
Kernels are compiled by a first, uncounted round.
"""

from __future__ import annotations

from typing import Any

import pytest
from instances import chain_instance

from orbweave.formulations.partition import Partition, PartitionProblem
from orbweave.formulations.partition.chains.chain_solve import solve_chain
from orbweave.formulations.partition.outcome import Watch

Benchmark = Any


def solved(problem: PartitionProblem, limit_s: float) -> Watch:
    """Solve from the bare problem (nothing cached), judge the plan, return the clock."""
    fresh = problem.replace()
    watch = Watch(time_limit_s=limit_s)
    outcome = solve_chain(fresh, watch)
    assert outcome.placement is not None
    plan = Partition.from_indices(fresh, outcome.placement)
    assert plan.violations() == ()
    assert plan.objective == pytest.approx(watch.objective, rel=1e-9)
    assert outcome.bound <= plan.objective * (1 + 1e-9)
    return watch


def measure(benchmark: Benchmark, problem: PartitionProblem, limit_s: float, rounds: int) -> Watch:
    """Time `solved`; the gap and the value go with the figures."""
    watch: Watch = benchmark.pedantic(
        solved, (problem, limit_s), rounds=rounds, warmup_rounds=1 if rounds > 1 else 0
    )
    benchmark.extra_info["objective_s"] = watch.objective
    benchmark.extra_info["gap"] = watch.gap
    return watch


@pytest.mark.parametrize("seed", range(3))
def test_80_layers_8_distinct_nodes_proven(benchmark: Benchmark, seed: int) -> None:
    watch = measure(benchmark, chain_instance(80, 8, seed), 60.0, 5)
    assert watch.gap <= 1e-6


@pytest.mark.parametrize("seed", range(3))
def test_200_layers_16_nodes_in_four_classes_proven(benchmark: Benchmark, seed: int) -> None:
    watch = measure(benchmark, chain_instance(200, 16, seed, classes=4), 60.0, 5)
    assert watch.gap <= 1e-6


@pytest.mark.parametrize("seed", range(5))
def test_200_layers_16_distinct_nodes_proven(benchmark: Benchmark, seed: int) -> None:
    watch = measure(benchmark, chain_instance(200, 16, seed), 60.0, 3)
    assert watch.gap <= 1e-6


@pytest.mark.parametrize("limit_s", [10.0, 60.0])
def test_1000_layers_32_distinct_nodes_certified_gap(benchmark: Benchmark, limit_s: float) -> None:
    watch = measure(benchmark, chain_instance(1000, 32, 0), limit_s, 1)
    assert watch.gap <= 0.05


def test_1000_layers_32_nodes_without_memory_limits(benchmark: Benchmark) -> None:
    watch = measure(benchmark, chain_instance(1000, 32, 0, slack=None).replace(contiguous=False),
                    60.0, 10)  # fmt: skip
    assert watch.gap <= 1e-9
