"""What `solve` promises whatever the road: certificates, limits, interrupts, clear errors."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import SINGLES, random_problem

import orbweave as ow
from orbweave.formulations.partition.outcome import Watch


def small(seed: int = 11, **changes: object) -> ow.PartitionProblem:
    rows = [
        ow.LayerProfile(f"l{i}", 10, 1e9, (1 + (seed * i) % 7) * 1e10, 1e5 * (1 + i % 3))
        for i in range(6)
    ]
    topology = {
        "ground_nodes": 1,
        "orbital_nodes": 2,
        "ground_flops": 5e12,
        "orbital_flops": 2e12,
        "uplink_bandwidth": 1e8,
        "downlink_bandwidth": 5e8,
        "isl_bandwidth": 1e10,
    }
    fields: dict[str, object] = {"input_node": "ground-0", "output_node": "ground-0", **changes}
    return ow.PartitionProblem(
        ow.ModelProfile(rows, input_bytes=1e6, output_bytes=1e3),
        ow.Network.from_topology(topology),
        **fields,  # type: ignore[arg-type]  # a mixed bag of fields
    )


def test_balance_fills_in_its_reference_from_the_single_optima() -> None:
    problem = small(objective="balance")
    result = ow.solve(problem)
    reference = result.require().problem.reference
    assert reference is not None
    for name in SINGLES:
        best = ow.solve(problem.replace(objective=name))
        if best.objective > 0:
            assert reference[name] == pytest.approx(best.objective)
        assert reference[name] > 0
    assert result.reason is ow.Reason.OPTIMAL


def test_balance_cannot_be_judged_without_a_reference() -> None:
    partition = ow.Partition(small(objective="balance"), ("ground-0",) * 6)
    with pytest.raises(ow.InputError, match="reference"):
        _ = partition.objective


def test_an_infeasible_problem_says_why_and_require_raises() -> None:
    profile = small().profile.replace(
        layers=[ow.LayerProfile(f"l{i}", 1, 10e9, 1e9, 1e3) for i in range(4)]
    )
    network = ow.Network([ow.Node("a", memory_bytes=15e9), ow.Node("b", memory_bytes=15e9)])
    result = ow.solve(ow.PartitionProblem(profile, network))
    assert result.reason is ow.Reason.INFEASIBLE
    assert "40" in result.message
    assert "30" in result.message
    with pytest.raises(ow.SolveError, match="need"):
        result.require()


def test_progress_reports_falling_objectives() -> None:
    seen: list[tuple[float, float]] = []

    def note(watch: Watch) -> None:
        seen.append((watch.objective, watch.bound))

    result = ow.solve(small(objective="throughput"), on_progress=note)
    assert seen
    assert seen[-1][0] == pytest.approx(result.objective)
    objectives = [row[0] for row in seen]
    assert objectives == sorted(objectives, reverse=True)


def test_an_interrupt_keeps_the_best_answer() -> None:
    def stop(watch: Watch) -> None:
        if math.isfinite(watch.objective):
            raise KeyboardInterrupt

    result = ow.solve(small(objective="throughput", contiguous=False), on_progress=stop)
    assert result.limit is ow.Limit.INTERRUPT
    assert result.require().violations() == ()
    assert result.bound <= result.objective


def test_options_are_checked() -> None:
    with pytest.raises(ow.InputError, match="did you mean 'highs'"):
        ow.SolveOptions(backend="high")
    with pytest.raises(ow.InputError, match="time_limit_s"):
        ow.SolveOptions(time_limit_s=0)
    with pytest.raises(ow.InputError, match="did you mean 'seed'"):
        ow.solve(small(), sed=3)
    with pytest.raises(ow.InputError, match="PartitionProblem"):
        ow.solve("nothing")  # type: ignore[call-overload]  # the wrong type on purpose


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), factor=st.floats(0.1, 10), objective=st.sampled_from(SINGLES))
def test_scaling_the_units_scales_the_answer(seed: int, factor: float, objective: str) -> None:
    """Bytes and bit rates times a factor: times stay, bytes and radio joules scale."""
    problem = random_problem(seed, most_layers=5).replace(objective=objective)
    profile, network = problem.profile, problem.network
    fields = ("weight_bytes", "activation_bytes", "state_bytes")
    rows = [
        ow.LayerProfile(
            row.name, row.params, flops=row.flops, **{f: getattr(row, f) * factor for f in fields}
        )
        for row in profile.layers
    ]
    scaled = problem.replace(
        profile=profile.replace(
            layers=rows,
            input_bytes=profile.input_bytes * factor,
            output_bytes=profile.output_bytes * factor,
        ),
        network=ow.Network(
            [
                replace(n, memory_bytes=n.memory_bytes * factor, io_rate_bps=n.io_rate_bps * factor)
                for n in network.nodes
            ],
            [
                ow.Link(
                    k.source, k.target, k.rate_bps * factor, k.latency_s, k.joules_per_bit / factor
                )
                for k in network.links
            ],
        ),
    )
    before, after = ow.solve(problem), ow.solve(scaled)
    assert before.reason is after.reason
    if before.solution is not None:
        by = factor if objective == "bandwidth" else 1.0
        assert after.objective == pytest.approx(before.objective * by, rel=3e-6, abs=1e-9)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), objective=st.sampled_from(SINGLES), order=st.randoms())
def test_renaming_and_reordering_nodes_changes_nothing(
    seed: int, objective: str, order: object
) -> None:
    problem = random_problem(seed, most_layers=5).replace(objective=objective)
    nodes = list(problem.network.nodes)
    order.shuffle(nodes)  # type: ignore[attr-defined]  # random.Random, as hypothesis gives it
    other = problem.replace(network=ow.Network(nodes, problem.network.links[::-1]))
    before, after = ow.solve(problem), ow.solve(other)
    assert before.reason is after.reason
    if before.solution is not None:
        assert after.objective == pytest.approx(before.objective, rel=3e-6, abs=1e-9)


def test_the_same_seed_gives_the_same_answer() -> None:
    problem = random_problem(77)
    first, second = ow.solve(problem, seed=3), ow.solve(problem, seed=3)
    assert first.require().node_of_layer == second.require().node_of_layer
