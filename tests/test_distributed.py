"""The documented Distributed Compute API: word for word, by hand-computed cases, by properties."""

from __future__ import annotations

import doctest
import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orbweave.distributed import (
    DistributedPartition,
    LatencyEstimator,
    LayerPlacement,
    PartitionOptimizer,
)
from orbweave.formulations.checks import InputError, UnknownNameError
from orbweave.formulations.network import Link, Network, Node
from orbweave.formulations.partition import Partition, PartitionProblem, Training
from orbweave.formulations.partition.breakdown import break_down
from orbweave.formulations.profile import LayerProfile, ModelProfile
from orbweave.solvers.options import SolveOptions
from orbweave.solvers.result import SolveError

TOPOLOGY: dict[str, Any] = {
    "ground_nodes": 2,
    "orbital_nodes": 4,
    "ground_flops": 100e12,
    "orbital_flops": 20e12,
    "uplink_bandwidth": 100e6,
    "downlink_bandwidth": 500e6,
    "isl_bandwidth": 10e9,
    "ground_orbit_latency_ms": 25,
}
PARTS = (
    "ground_compute_ms",
    "orbital_compute_ms",
    "uplink_ms",
    "downlink_ms",
    "propagation_ms",
    "isl_ms",
    "terrestrial_ms",
)


def chain(count: int, **changes: Any) -> ModelProfile:
    """Layers of 1 TFLOP that pass on 1 MB, with 1 GB of weights each."""
    layers = [LayerProfile(f"layer{i}", 10, 1e9, 1e12, 1e6) for i in range(count)]
    fields = {"input_bytes": 2e6, "output_bytes": 5e5, **changes}
    return ModelProfile(tuple(layers), **fields)


def small(**changes: Any) -> dict[str, Any]:
    """One ground and one orbital node, the orbital one ten times faster."""
    base = {**TOPOLOGY, "ground_nodes": 1, "orbital_nodes": 1}
    return {**base, "ground_flops": 1e12, "orbital_flops": 10e12, **changes}


def placed(profile: ModelProfile, topology: dict[str, Any], nodes: list[str]) -> Partition:
    placement = LayerPlacement()
    for i, name in enumerate(nodes):
        placement.assign(i, name)
    return placement.to_partition(profile, topology)


# -- the promise, as written ---------------------------------------------------------------------
def documented(profile: ModelProfile) -> None:
    """Every line of the documented example after the profile."""
    for layer in profile.layers:
        assert isinstance(layer.name, str)
        assert min(layer.params, layer.flops, layer.activation_size_mb) >= 0
    assert profile.total_params == sum(layer.params for layer in profile.layers)
    assert profile.num_layers == len(profile.layers)
    assert profile.memory_mb > 0
    topology = TOPOLOGY
    partition = PartitionOptimizer().optimize(
        model=profile, topology=topology, objective="minimize_latency"
    )
    layers = range(profile.num_layers)
    assert sorted((*partition.ground_layers, *partition.orbital_layers)) == list(layers)
    assert set(partition.cut_points) <= set(layers)
    before = partition.estimated_latency_ms
    assert before > 0
    assert partition.transfer_size_mb >= 0

    moved = min(15, profile.num_layers - 1)
    partition.move_layer(moved, to="ground")
    partition.recalculate()
    assert moved in partition.ground_layers
    assert partition.estimated_latency_ms >= before * (1 - 1e-9)

    placement = LayerPlacement()
    placement.assign_ground(layers=[0, 1])
    placement.assign_orbital(layers=range(2, profile.num_layers))
    validation = placement.validate(profile, topology)
    assert validation.is_valid
    assert validation.issues == []

    estimate = LatencyEstimator(topology=topology).estimate(partition)
    assert sum(getattr(estimate, name) for name in PARTS) == pytest.approx(estimate.total_ms)
    assert estimate.total_ms == pytest.approx(partition.estimated_latency_ms, rel=1e-12)
    assert [row.name for row in estimate.by_layer] == [layer.name for layer in profile.layers]
    assert tuple(row.node for row in estimate.by_layer) == partition.node_of_layer
    if profile.is_chain:
        assert sum(row.total_ms for row in estimate.by_layer) == pytest.approx(estimate.total_ms)


def test_documented_example_on_a_transformer() -> None:
    profile = ModelProfile.transformer(
        layers=73, hidden=1024, heads=16, ffn=4096, vocabulary=32000, context=512
    )
    assert profile.num_layers == 75
    documented(profile)


@pytest.mark.framework
def test_documented_example_on_a_torch_model() -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed")
    model = torch.nn.Sequential(
        *[row for _ in range(9) for row in (torch.nn.Linear(64, 64), torch.nn.ReLU())]
    )
    profile = ModelProfile.from_pytorch(model, torch.zeros(1, 64))
    assert profile.total_params == 9 * (64 * 64 + 64)
    documented(profile)
    plan = PartitionOptimizer(api_key="ignored").optimize(
        model, TOPOLOGY, example_inputs=torch.zeros(1, 64)
    )
    assert set(plan.node_of_layer) == {"ground-0"}


@pytest.mark.framework
def test_an_onnx_model_and_its_file_give_the_same_plan(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx", reason="onnx is not installed")
    kind = onnx.TensorProto.FLOAT
    weights = [
        onnx.helper.make_tensor(f"w{i}", kind, [64, 64], np.zeros(64 * 64, np.float32))
        for i in range(3)
    ]
    names = ["x", "a", "b", "y"]
    nodes = [
        onnx.helper.make_node("MatMul", [names[i], f"w{i}"], [names[i + 1]], name=f"m{i}")
        for i in range(3)
    ]
    ends = [onnx.helper.make_tensor_value_info(n, kind, [1, 64]) for n in ("x", "y")]
    graph = onnx.helper.make_graph(nodes, "small", ends[:1], ends[1:], weights)
    model = onnx.helper.make_model(graph)
    onnx.save(model, tmp_path / "small.onnx")
    plans = [
        PartitionOptimizer().optimize(source, small())
        for source in (model, tmp_path / "small.onnx", str(tmp_path / "small.onnx"))
    ]
    assert {plan.partition.problem.profile.total_params for plan in plans} == {3 * 64 * 64}
    assert len({plan.node_of_layer for plan in plans}) == 1


def test_a_profile_file_is_a_model(tmp_path: Path) -> None:
    chain(4).to_json(tmp_path / "model.json")
    plan = PartitionOptimizer().optimize(tmp_path / "model.json", small())
    assert plan.estimated_latency_ms == pytest.approx(618)


@pytest.mark.parametrize("name", ["latency", "bandwidth", "energy", "throughput", "balance"])
def test_every_objective_by_both_names(name: str) -> None:
    verb = {"throughput": "maximize_", "balance": ""}.get(name, "minimize_")
    plans = [
        PartitionOptimizer().optimize(chain(4), small(), objective)
        for objective in (name, verb + name)
    ]
    assert plans[0].node_of_layer == plans[1].node_of_layer
    result = plans[0].result
    assert result is not None
    assert result.gap <= 1e-6
    assert plans[0].validation.is_valid


def test_optimum_matches_enumeration_and_estimates_match_arithmetic() -> None:
    """One ground, one orbital node ten times as fast: by hand, for all 2^4 placements."""
    profile, topology = chain(4), small()
    cost: dict[tuple[str, ...], float] = {}
    for nodes in itertools.product(("ground-0", "orbital-0"), repeat=4):
        sizes = (2e6, 1e6, 1e6, 1e6, 5e5)
        total = sum(1.0 if name == "ground-0" else 0.1 for name in nodes)
        ends = ("ground-0", *nodes, "ground-0")
        for size, a, b in zip(sizes, ends, ends[1:], strict=False):
            if a != b:
                total += 0.025 + size * 8 / (100e6 if a == "ground-0" else 500e6)
        cost[nodes] = total
        found = placed(profile, topology, list(nodes))
        assert found.evaluation.latency == pytest.approx(total)
    plan = PartitionOptimizer().optimize(profile, topology)
    assert plan.estimated_latency_ms == pytest.approx(min(cost.values()) * 1e3)
    assert plan.orbital_layers == (0, 1, 2, 3)
    assert plan.transfer_size_mb == pytest.approx(2.5)
    assert plan.cut_points == ()
    estimate = LatencyEstimator(topology).estimate(plan)
    assert estimate.orbital_compute_ms == pytest.approx(400)
    assert estimate.uplink_ms == pytest.approx(160)
    assert estimate.downlink_ms == pytest.approx(8)
    assert estimate.propagation_ms == pytest.approx(50)
    assert estimate.ground_compute_ms == estimate.isl_ms == estimate.terrestrial_ms == 0
    assert [row.total_ms for row in estimate.by_layer] == pytest.approx([285, 100, 100, 133])
    assert "orbital-0" in estimate._repr_html_()


def test_constraints_reach_the_problem() -> None:
    optimizer = PartitionOptimizer(options=SolveOptions(time_limit_s=60))
    plan = optimizer.optimize(chain(4), small(), pinned={1: "ground-0"}, max_cuts=1)
    assert plan.node_of_layer[1] == "ground-0"
    assert len(plan.cut_points) <= 1
    free = PartitionOptimizer().optimize(chain(4), small(), input_node="orbital-0")
    problem = free.partition.problem
    assert (problem.input_node, problem.output_node, problem.contiguous) == (
        "orbital-0",
        "ground-0",
        False,
    )
    topology = {**TOPOLOGY, "ground_memory_gb": 0.5, "orbital_memory_gb": 2.5}
    plan = PartitionOptimizer().optimize(chain(4), topology)
    assert plan.ground_layers == ()
    assert len(set(plan.node_of_layer)) >= 2
    assert plan.validation.is_valid


def test_a_network_without_ground_zero() -> None:
    nodes = (Node("sat", "orbital", 1e12), Node("gs", "ground", 1e12))
    network = Network(nodes, (Link("sat", "gs", 1e8), Link("gs", "sat", 1e8)))
    plan = PartitionOptimizer().optimize(chain(3), network)
    assert plan.partition.problem.input_node == "gs"
    alone = Network(nodes[:1])
    assert PartitionOptimizer().optimize(chain(3), alone).orbital_layers == (0, 1, 2)


def test_nothing_fits() -> None:
    topology = {**small(), "ground_memory_gb": 1.1, "orbital_memory_gb": 1.1}
    with pytest.raises(SolveError, match=r"GB|memory|fit"):
        PartitionOptimizer().optimize(chain(4), topology)


# -- editing --------------------------------------------------------------------------------------
def test_moving_is_stale_until_recalculated() -> None:
    plan = PartitionOptimizer().optimize(chain(4), small())
    before = plan.estimated_latency_ms
    assert not plan.is_stale
    plan.move_layer("layer3", to="ground")
    assert plan.is_stale
    assert plan.ground_layers == (3,)
    assert plan.cut_points == (3,)
    assert plan.estimated_latency_ms == before
    assert "stale" in repr(plan)
    assert "before the last moves" in plan._repr_html_()
    assert plan.recalculate() is plan
    # 0.9 s slower on the ground; 1 MB comes down instead of 0.5 MB.
    assert plan.estimated_latency_ms == pytest.approx(before + 900 + 8)
    assert plan.transfer_size_mb == pytest.approx(3)
    assert not plan.is_stale
    assert plan.result is not None
    assert plan.result.bound * 1e3 == pytest.approx(before)


def test_moving_to_where_it_is_changes_nothing() -> None:
    plan = PartitionOptimizer().optimize(chain(4), small())
    plan.move_layer(0, to="orbital")
    plan.move_layer(1, to="orbital-0")
    assert not plan.is_stale


def test_reoptimize_keeps_moves_and_improves_the_rest() -> None:
    """Layer 1 is dragged down: the best answer pays for at most one more round trip."""
    profile, topology = chain(4), small()
    plan = PartitionOptimizer().optimize(profile, topology)
    plan.move_layer(1, to="ground")
    kept = plan.recalculate().estimated_latency_ms
    assert plan.ground_layers == (1,)
    plan.recalculate(reoptimize=True)
    assert 1 in plan.ground_layers
    best = min(
        placed(profile, topology, list(nodes)).evaluation.latency
        for nodes in itertools.product(("ground-0", "orbital-0"), repeat=4)
        if nodes[1] == "ground-0"
    )
    assert plan.estimated_latency_ms == pytest.approx(best * 1e3)
    assert plan.estimated_latency_ms <= kept
    # A later move of the same layer replaces the earlier one.
    plan.move_layer(1, to="orbital-0")
    plan.recalculate(reoptimize=True)
    assert plan.orbital_layers == (0, 1, 2, 3)


def test_a_failed_reoptimization_changes_nothing() -> None:
    topology = {**small(), "ground_memory_gb": 0.5}
    plan = PartitionOptimizer().optimize(chain(4), topology)
    result = plan.result
    plan.move_layer(2, to="ground")
    assert not plan.validation.is_valid
    assert "ground-0" in plan.validation.issues[0]
    nodes, before = plan.node_of_layer, plan.estimated_latency_ms
    with pytest.raises(SolveError):
        plan.recalculate(reoptimize=True)
    assert plan.node_of_layer == nodes
    assert plan.estimated_latency_ms == before
    assert plan.is_stale
    assert plan.result is result


def test_moving_to_a_kind_takes_its_best_node() -> None:
    nodes = (
        Node("gs", "ground", 1e12),
        Node("slow", "orbital", 1e11),
        Node("fast", "orbital", 1e13),
        Node("full", "orbital", 1e14, memory_bytes=1e8),
    )
    names = [row.name for row in nodes]
    links = [Link(a, b, 1e9, 0.01) for a in names for b in names if a != b]
    network = Network(nodes, tuple(links))
    plan = DistributedPartition(
        LayerPlacement().assign(range(3), "gs").to_partition(chain(3), network)
    )
    plan.move_layer(1, to="orbital")
    assert list(plan.node_of_layer) == ["gs", "fast", "gs"]
    plan.move_layer(1, to="slow")
    plan.move_layer(1, to="orbital")
    assert list(plan.node_of_layer) == ["gs", "slow", "gs"]
    assert plan.result is None


def test_moving_a_replicated_layer_takes_its_replicas_away() -> None:
    network = Network.from_topology({**TOPOLOGY, "ground_nodes": 3, "orbital_nodes": 0})
    problem = PartitionProblem(chain(2), network, objective="throughput", max_replicas=2)
    replicas = (("ground-0",), ("ground-1", "ground-2"))
    plan = DistributedPartition(Partition(problem, ("ground-0", "ground-1"), replicas))
    plan.move_layer(1, to="ground-1")
    assert plan.partition.replicas == (("ground-0",), ("ground-1",))
    assert plan.is_stale
    assert plan.estimated_throughput_rps == pytest.approx(100)


def test_to_dict_is_json_and_html_names_the_nodes() -> None:
    plan = PartitionOptimizer().optimize(chain(4), small())
    data = json.loads(json.dumps(plan.to_dict()))
    assert data["node_of_layer"] == list(plan.node_of_layer)
    assert data["orbital_layers"] == [0, 1, 2, 3]
    assert data["estimated_latency_ms"] == pytest.approx(618)
    assert data["bound"] == pytest.approx(0.618)
    assert data["is_stale"] is False
    assert "orbital-0" in plan._repr_html_()
    assert plan.estimated_energy_j == pytest.approx(4 * 1e12 * 4e-12 + 2.5e6 * 8 * 5e-8)


# -- placements by hand ----------------------------------------------------------------------------
def test_placement_issues() -> None:
    placement = LayerPlacement()
    placement.assign_ground(layers=[0, 1])
    placement.assign_orbital(layers=range(2, 4), node="orbitl-1")
    placement.assign_ground(layers=4, node="orbital-0")
    placement.assign(["layer9"], "ground-0")
    placement.assign([12, 13, 15], "ground-0")
    validation = placement.validate(chain(8), TOPOLOGY)
    assert not validation.is_valid
    text = "\n".join(validation.issues)
    assert "layers 5-7: not assigned" in text
    assert "layers 2-3: no node 'orbitl-1'; did you mean 'orbital-1'?" in text
    assert "layer 4: assigned to ground, but orbital-0 is orbital" in text
    assert "'layer9'" in text
    assert "layers 12-13, 15: the model has layers 0 to 7 only" in text
    with pytest.raises(InputError, match="not assigned"):
        placement.to_partition(chain(8), TOPOLOGY)
    ground_only = {**TOPOLOGY, "orbital_nodes": 0}
    issues = LayerPlacement().assign(range(8), "orbital").validate(chain(8), ground_only).issues
    assert issues == ["layers 0-7: the topology has no orbital node"]


def test_the_last_word_on_a_layer_counts() -> None:
    placement = LayerPlacement().assign_ground(range(4)).assign_orbital([3])
    placement.assign("layer2", "orbital-1").assign(2, "orbital-2")
    nodes = placement.to_partition(chain(4), TOPOLOGY).node_of_layer
    assert nodes == ("ground-0", "ground-0", "orbital-2", "orbital-0")
    placement.assign("layer2", "ground-1")
    assert placement.to_partition(chain(4), TOPOLOGY).node_of_layer[2] == "ground-1"


def test_kinds_fill_nodes_in_order_up_to_their_memory() -> None:
    topology = {**TOPOLOGY, "orbital_memory_gb": 3.5}
    placement = LayerPlacement().assign_ground([0]).assign_orbital(range(1, 8))
    placement.assign(7, "orbital-1")
    nodes = placement.to_partition(chain(8), topology).node_of_layer
    # orbital-1 holds layer 7 already, so it takes two of the others.
    assert [nodes.count(f"orbital-{k}") for k in range(4)] == [3, 3, 1, 0]
    assert placement.validate(chain(8), topology).is_valid
    issues = placement.validate(chain(8), {**topology, "orbital_memory_gb": 1.5}).issues
    assert len(issues) == 1
    assert "orbital-3 needs" in issues[0]


def test_missing_links_are_an_issue() -> None:
    network = Network((Node("a"), Node("b")), (Link("a", "b", 1e9),))
    placement = LayerPlacement().assign([0], "a").assign([1, 2], "b")
    assert "no route" in "\n".join(placement.validate(chain(3), network).issues)
    with pytest.raises(InputError, match="no route"):
        LatencyEstimator(network).estimate(placement, chain(3))


# -- latency by parts ------------------------------------------------------------------------------
def test_parts_on_every_sort_of_link() -> None:
    """ground-0 > ground-1 > orbital-0 > orbital-1 > ground-0, by hand."""
    plan = placed(chain(3), TOPOLOGY, ["ground-1", "orbital-0", "orbital-1"])
    estimate = LatencyEstimator(TOPOLOGY).estimate(plan)
    assert estimate.terrestrial_ms == pytest.approx(2e6 * 8 / 10e9 * 1e3)
    assert estimate.uplink_ms == pytest.approx(80)
    assert estimate.isl_ms == pytest.approx(0.8)
    assert estimate.downlink_ms == pytest.approx(8)
    assert estimate.propagation_ms == pytest.approx(1 + 25 + 5 + 25)
    assert estimate.ground_compute_ms == pytest.approx(10)
    assert estimate.orbital_compute_ms == pytest.approx(100)
    assert estimate.total_ms == pytest.approx(1.6 + 80 + 0.8 + 8 + 56 + 110)


def test_waiting_for_a_busy_node_is_its_compute() -> None:
    """Two branches on one node: the second waits, and no transfer is on the critical path."""
    layers = tuple(LayerProfile(n, 0, 0, 1e12, 1e3) for n in ("left", "right", "join"))
    profile = ModelProfile(layers, edges=((0, 2), (1, 2)))
    plan = placed(profile, small(), ["ground-0", "ground-0", "ground-0"])
    estimate = LatencyEstimator().estimate(plan)
    assert estimate.ground_compute_ms == pytest.approx(3000)
    assert estimate.total_ms == pytest.approx(3000)
    assert [row.critical_ms for row in estimate.by_layer] == pytest.approx([1000] * 3)
    split = LatencyEstimator().estimate(
        placed(profile, small(), ["orbital-0", "ground-0", "ground-0"])
    )
    # The orbital branch (0.1 s) hides behind the ground one.
    assert split.total_ms == pytest.approx(2000)
    assert split.orbital_compute_ms == 0
    assert split.by_layer[0].critical_ms == 0
    assert split.by_layer[0].compute_ms == pytest.approx(100)


def random_partition(seed: int, *, training: bool) -> Partition:
    """A random placement of a random chain or graph on a random, sometimes sparse network."""
    rng = np.random.default_rng(seed)
    count, width = int(rng.integers(1, 9)), int(rng.integers(1, 6))
    layers = tuple(
        LayerProfile(f"l{i}", 0, 1e6, float(flops), float(out))
        for i, (flops, out) in enumerate(rng.choice([0, 1e6, 7e6, 3e7], (count, 2)))
    )
    pairs = [(i, j) for i in range(count) for j in range(i + 1, count)]
    edges = None if seed % 3 == 0 else tuple(p for p in pairs if rng.random() < 0.4)
    profile = ModelProfile(
        layers, edges, float(rng.integers(3)) * 1e6, float(rng.integers(3)) * 1e6
    )
    names = [f"n{k}" for k in range(width)]
    kinds = [str(rng.choice(["ground", "orbital"])) for _ in names]
    nodes = tuple(
        Node(name, kind, float(rng.choice([1e8, 1e9])))
        for name, kind in zip(names, kinds, strict=True)
    )
    # A ring keeps every pair connected, often over several hops.
    ring = {(k, (k + 1) % width) for k in range(width)} if width > 1 else set()
    ring |= {(a, b) for a in range(width) for b in range(width) if a != b and rng.random() < 0.3}
    links = tuple(
        Link(names[a], names[b], float(rng.choice([1e8, 1e9])), float(rng.choice([0, 0.01])))
        for a, b in sorted(ring)
    )
    ends = [None if rng.random() < 0.3 else str(rng.choice(names)) for _ in range(2)]
    problem = PartitionProblem(
        profile,
        Network(nodes, links),
        input_node=ends[0],
        output_node=ends[1],
        contiguous=False,
        training=Training(micro_batches=int(rng.integers(1, 4))) if training else None,
    )
    return Partition(problem, tuple(str(rng.choice(names)) for _ in range(count)))


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 2**32 - 1), st.booleans())
def test_parts_sum_to_the_latency(seed: int, training: bool) -> None:
    partition = random_partition(seed, training=training)
    problem, latency = partition.problem, partition.evaluation.latency
    parts = break_down(partition)
    assert min(parts.parts.values()) >= 0
    assert parts.total_s == pytest.approx(latency, rel=1e-9, abs=1e-12)
    repeats = 0.0
    if problem.training is not None:
        repeats = (problem.training.micro_batches - 1) * partition.evaluation.throughput
    critical = sum(row.critical_s for row in parts.layers)
    assert critical + repeats == pytest.approx(latency, rel=1e-9, abs=1e-12)
    chained = sum(row.total_s for row in parts.layers)
    if problem.profile.is_chain:
        assert chained + repeats == pytest.approx(latency, rel=1e-9, abs=1e-12)
    estimate = LatencyEstimator().estimate(partition)
    total = sum(getattr(estimate, name) for name in PARTS)
    assert total == pytest.approx(estimate.total_ms, rel=1e-12, abs=1e-12)
    for row, layer in zip(estimate.by_layer, parts.layers, strict=True):
        assert row.total_ms == pytest.approx(row.compute_ms + row.transfer_ms)
        assert row.finish_ms == pytest.approx(layer.finish_s * 1e3)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0.1, 10))
def test_each_part_follows_what_it_is_made_of(seed: int, factor: float) -> None:
    """Scaling speeds, rates and latencies together scales every part alike."""
    partition = random_partition(seed, training=False)
    network = partition.problem.network
    nodes = tuple(Node(n.name, n.kind, n.flop_per_s / factor) for n in network.nodes)
    links = tuple(
        Link(k.source, k.target, k.rate_bps / factor, k.latency_s * factor) for k in network.links
    )
    scaled = LatencyEstimator(Network(nodes, links)).estimate(partition)
    plain = LatencyEstimator().estimate(partition)
    assert scaled.total_ms == pytest.approx(plain.total_ms * factor, rel=1e-9, abs=1e-12)
    assert scaled.propagation_ms + scaled.uplink_ms >= 0
    if partition.problem.profile.is_chain:
        for name in PARTS:
            expected = getattr(plain, name) * factor
            assert getattr(scaled, name) == pytest.approx(expected, rel=1e-9, abs=1e-12)


def test_estimating_on_another_topology() -> None:
    plan = PartitionOptimizer().optimize(chain(4), small())
    slower = LatencyEstimator(small(uplink_bandwidth=50e6)).estimate(plan)
    assert slower.uplink_ms == pytest.approx(320)
    assert slower.total_ms == pytest.approx(618 + 160)
    with pytest.raises(UnknownNameError, match="orbital-0"):
        LatencyEstimator({**small(), "orbital_nodes": 0}).estimate(plan)
    measured = PartitionProblem(chain(1), Network.from_topology(small()), compute_s=[[1.0, 2.0]])
    with pytest.raises(InputError, match="compute_s"):
        LatencyEstimator(TOPOLOGY).estimate(Partition(measured, ("ground-0",)))
    assert LatencyEstimator().estimate(Partition(measured, ("orbital-0",))).total_ms == 2000


def test_estimating_a_placement_by_hand() -> None:
    placement = LayerPlacement().assign_orbital(range(4))
    assert LatencyEstimator(small()).estimate(placement, chain(4)).total_ms == pytest.approx(618)
    with pytest.raises(InputError, match="model"):
        LatencyEstimator(small()).estimate(placement)
    with pytest.raises(InputError, match="topology"):
        LatencyEstimator().estimate(placement, chain(4))


# -- bad input -------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"objective": "minimize_latncy"}, "did you mean 'latency'"),
        ({"objective": "cost"}, "objective = 'cost'"),
        ({"pined": {}}, "did you mean 'pinned'"),
        ({"pinned": {0: "ground-O"}}, "did you mean 'ground-0'"),
        ({"pinned": {9: "ground-0"}}, "0 to 3"),
        ({"topology": {**small(), "uplink_bandwith": 1}}, "did you mean 'uplink_bandwidth'"),
        ({"topology": {**small(), "uplink_bandwidth": float("nan")}}, "uplink_bandwidth"),
        ({"topology": 7}, "topology = 7"),
        ({"model": 7}, "model = 7"),
        ({"model": "model.txt"}, "model.txt"),
    ],
)
def test_bad_arguments_name_the_nearest(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        PartitionOptimizer().optimize(**{"model": chain(4), "topology": small(), **arguments})


def test_bad_edits() -> None:
    plan = PartitionOptimizer().optimize(chain(4), small())
    with pytest.raises(UnknownNameError, match="did you mean 'orbital-0'"):
        plan.move_layer(0, to="orbital-7")
    with pytest.raises(UnknownNameError, match="did you mean 'ground'"):
        plan.move_layer(0, to="grund")
    with pytest.raises(InputError, match="0 to 3"):
        plan.move_layer(4, to="ground")
    with pytest.raises(UnknownNameError, match="did you mean 'layer3'"):
        plan.move_layer("layr3", to="ground")
    assert not plan.is_stale
    ground = PartitionOptimizer().optimize(chain(2), {**TOPOLOGY, "orbital_nodes": 0})
    with pytest.raises(UnknownNameError, match="ground"):
        ground.move_layer(0, to="orbital")
    for bad in (-1, 1.5, None, True):
        with pytest.raises(InputError):
            LayerPlacement().assign_ground([bad])  # type: ignore[list-item]
    with pytest.raises(InputError):
        LayerPlacement().assign([0], "")
    with pytest.raises(InputError, match="DistributedPartition"):
        LatencyEstimator(small()).estimate("plan")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="Partition"):
        DistributedPartition("plan")  # type: ignore[arg-type]


# -- the page --------------------------------------------------------------------------------------
def test_the_page_runs_as_written() -> None:
    page = Path(__file__).resolve().parent.parent / "docs" / "distributed.md"
    found = doctest.testfile(str(page), module_relative=False, encoding="utf-8")
    assert found.attempted > 10
    assert found.failed == 0
