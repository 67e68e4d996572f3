"""The throughput roads against enumeration, published optima and each other."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from orbweave.formulations.network import Link, Network, Node
from orbweave.formulations.partition import Partition, PartitionProblem, Training
from orbweave.formulations.partition.milps import stages
from orbweave.formulations.partition.outcome import Watch
from orbweave.formulations.partition.pipelines.bottleneck import chain_loads, solve_bottleneck
from orbweave.formulations.partition.pipelines.contracted import Contracted
from orbweave.formulations.partition.pipelines.ideals import solve_ideals
from orbweave.formulations.partition.pipelines.reach import best_reach
from orbweave.formulations.partition.pipelines.throughput import solve_throughput
from orbweave.formulations.partition.pipelines.topological import solve_orders
from orbweave.formulations.profile import LayerProfile, ModelProfile
from orbweave.solvers.backends import solve_model
from orbweave.solvers.options import SolveOptions
from orbweave.solvers.result import Reason


def enumerate_best(problem: PartitionProblem) -> tuple[float, tuple[int, ...] | None]:
    """Least judged bottleneck over all placements; infinite where none is feasible."""
    best, argument = np.inf, None
    nodes = range(len(problem.network.nodes))
    for placement in itertools.product(nodes, repeat=problem.profile.num_layers):
        partition = Partition.from_indices(problem, placement)
        if partition.objective < best and not partition.violations():
            best, argument = partition.objective, placement
    return best, argument


def random_problem(
    seed: int, *, chain: bool, shape: str, layers: int = 5, nodes: int = 3
) -> PartitionProblem:
    """A small seeded problem over "direct" links, a "line" of them, or "io" on the nodes alone."""
    rng = np.random.default_rng(seed)
    rows = tuple(
        LayerProfile(
            f"layer-{i}", 0, float(rng.integers(10, 100)), float(rng.integers(10, 100)) * 1e9,
            float(rng.integers(1, 60)),
        )
        for i in range(layers)
    )  # fmt: skip
    edges = None
    if not chain:
        pairs = [(i, j) for i in range(layers) for j in range(i + 1, layers)]
        edges = tuple(pair for pair in pairs if rng.random() < 0.45)
    profile = ModelProfile(rows, edges, float(rng.integers(0, 50)), float(rng.integers(0, 50)))
    total = profile.column("weight_bytes").sum() + 60
    few = rng.random() < 0.5  # few kinds of nodes, so that classes have several members
    speeds = rng.choice([5e11, 1e12, 2e12] if not few else [1e12, 1e12, 3e12], nodes)
    room = (
        rng.choice([0.5, 0.7, 1.0], nodes) * total if rng.random() < 0.5 else np.full(nodes, np.inf)
    )
    io = rng.choice([4e3, 8e3], nodes) if shape == "io" or rng.random() < 0.3 else [np.inf] * nodes
    if shape == "io" and rng.random() < 0.5:
        io[0] = np.inf
    listed = tuple(
        Node(
            f"n{k}",
            flop_per_s=float(speeds[k]),
            memory_bytes=float(room[k]),
            io_rate_bps=float(io[k]),
        )
        for k in range(nodes)
    )
    one_rate = few
    links = [
        Link(
            f"n{a}", f"n{b}",
            np.inf if shape == "io" else (5e3 if one_rate else float(rng.integers(2, 20)) * 1e3),
            0.0 if shape == "io" else 1e-3,
        )
        for a in range(nodes)
        for b in range(nodes)
        if a != b and (shape != "line" or abs(a - b) == 1)
    ]  # fmt: skip
    options: dict[str, Any] = {}
    if rng.random() < 0.5:
        options["input_node"] = "n0"
    if rng.random() < 0.5:
        options["output_node"] = f"n{nodes - 1}"
    if rng.random() < 0.3:
        options["pinned"] = {int(rng.integers(layers)): (f"n{rng.integers(nodes)}",)}
    if rng.random() < 0.3:
        options["forbidden"] = {int(rng.integers(layers)): (f"n{rng.integers(nodes)}",)}
    if rng.random() < 0.3:
        options["colocated"] = (tuple(sorted(rng.choice(layers, 2, replace=False).tolist())),)
    if rng.random() < 0.3:
        options["max_cuts"] = int(rng.integers(0, 3))
    if rng.random() < 0.3:
        options["training"] = Training(micro_batches=2, gradient_bytes=0.3, optimizer_bytes=0.2)
    if rng.random() < 0.4:
        options["multicast"] = True
    return PartitionProblem(profile, Network(listed, tuple(links)), "throughput", **options)


def check(problem: PartitionProblem, *, exact: bool, watch: Watch | None = None) -> None:
    """Solve, and hold the answer against enumeration."""
    watch = Watch() if watch is None else watch
    outcome = solve_throughput(problem, watch)
    best, argument = enumerate_best(problem)
    if argument is None:
        assert outcome.placement is None
        return
    assert outcome.bound <= best * (1 + 1e-9)
    assert outcome.placement is not None, f"enumeration found {argument} with {best}"
    partition = Partition.from_indices(problem, outcome.placement)
    assert partition.violations() == ()
    assert partition.objective == pytest.approx(best, rel=1e-9)
    if exact:
        assert outcome.bound == pytest.approx(best, rel=1e-6)


@pytest.mark.parametrize("seed", range(60))
def test_a_chain_over_direct_links_is_proven(seed: int) -> None:
    check(random_problem(seed, chain=True, shape="direct"), exact=True)


@pytest.mark.parametrize("seed", range(20))
def test_a_chain_with_io_on_its_nodes_is_proven(seed: int) -> None:
    check(random_problem(seed, chain=True, shape="io"), exact=True)


@pytest.mark.parametrize("seed", range(25))
def test_a_chain_over_shared_links_has_a_valid_bound(seed: int) -> None:
    check(random_problem(seed, chain=True, shape="line"), exact=False)


@pytest.mark.parametrize("seed", range(40))
def test_a_graph_with_io_on_its_nodes(seed: int) -> None:
    check(random_problem(seed, chain=False, shape="io"), exact=False)


@pytest.mark.parametrize("seed", range(25))
def test_a_graph_over_links(seed: int) -> None:
    check(random_problem(seed, chain=False, shape="direct" if seed % 2 else "line"), exact=False)


@pytest.mark.parametrize("seed", range(25))
def test_a_free_placement(seed: int) -> None:
    shape = ("direct", "line", "io")[seed % 3]
    problem = random_problem(seed, chain=bool(seed % 2), shape=shape)
    check(problem.replace(contiguous=False), exact=False)


# -- stages on several nodes ------------------------------------------------------------------
def enumerate_replicated(problem: PartitionProblem, classes: list[list[int]]) -> float:
    """Least judged bottleneck over contiguous stages on sets of identical nodes (plain chains)."""
    layers, names = problem.profile.num_layers, problem.network.node_names
    pools = [
        row
        for nodes in classes
        for r in range(1, min(len(nodes), problem.max_replicas) + 1)
        for row in itertools.combinations(nodes, r)
    ]
    best = np.inf

    def extend(rows: list[tuple[int, ...]], used: frozenset[int]) -> None:
        nonlocal best
        if len(rows) == layers:
            named = tuple(tuple(names[n] for n in row) for row in rows)
            partition = Partition(problem, tuple(row[0] for row in named), named)
            if not partition.violations():
                best = min(best, partition.objective)
            return
        for row in pools:
            if used & set(row):
                continue
            for length in range(1, layers - len(rows) + 1):
                extend(rows + [row] * length, used | set(row))

    extend([], frozenset())
    return best


@pytest.mark.parametrize("seed", range(16))
def test_replicated_stages_of_a_chain_are_proven(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = tuple(
        LayerProfile(
            f"l{i}", 0, float(rng.integers(10, 100)), float(rng.integers(10, 100)) * 1e9,
            float(rng.integers(1, 60)),
        )
        for i in range(4)
    )  # fmt: skip
    kinds = [0, 0, 0, 1] if seed % 2 else [0, 0, 1, 1]
    io = [np.inf, 8e3] if seed % 3 else [np.inf, np.inf]
    nodes = tuple(
        Node(f"n{k}", flop_per_s=[1e12, 2e12][kind], io_rate_bps=io[kind], memory_bytes=400.0)
        for k, kind in enumerate(kinds)
    )
    rate = {(0, 0): 9e3, (0, 1): 5e3, (1, 0): 4e3, (1, 1): 7e3}
    links = tuple(
        Link(f"n{a}", f"n{b}", rate[kinds[a], kinds[b]], 1e-3)
        for a in range(4)
        for b in range(4)
        if a != b
    )
    training = Training(micro_batches=4, gradient_bytes=0.4, optimizer_bytes=0.1)
    problem = PartitionProblem(
        ModelProfile(rows, None, 20.0, 10.0), Network(nodes, links), "throughput",
        max_replicas=3 if seed % 4 else 2, training=training if seed % 5 == 0 else None,
        input_node="n3" if seed % 7 == 0 else None,
    )  # fmt: skip
    classes = [[k for k in range(4) if kinds[k] == kind] for kind in (0, 1)]
    if problem.input_node is not None:  # the input node is not like the others
        classes = [[k for k in nodes if k != 3] for nodes in classes] + [[3]]
    outcome = solve_throughput(problem, Watch())
    best = enumerate_replicated(problem, classes)
    names = problem.network.node_names
    assert outcome.placement is not None
    rows_found = outcome.replicas or [(int(n),) for n in outcome.placement]
    named = tuple(tuple(names[n] for n in row) for row in rows_found)
    partition = Partition(problem, tuple(row[0] for row in named), named)
    assert partition.violations() == ()
    assert partition.objective == pytest.approx(best, rel=1e-9)
    assert outcome.bound == pytest.approx(best, rel=1e-6)


# -- the ordered-stage closure -----------------------------------------------------------------
@pytest.mark.parametrize("seed", range(45))
def test_the_ordered_stage_model_finds_what_enumeration_finds(seed: int) -> None:
    shape = ("direct", "line", "io")[seed % 3]
    problem = random_problem(100 + seed, chain=seed % 5 == 0, shape=shape)
    if not stages.applies(problem):
        problem = problem.replace(input_node=None, output_node=None)
    assert stages.applies(problem)
    best, argument = enumerate_best(problem)
    if not problem.costs().allowed.any(axis=1).all():
        assert argument is None
        return
    model = stages.build(problem)
    raw = solve_model(model, SolveOptions(time_limit_s=60))
    if argument is None:
        assert raw.reason is Reason.INFEASIBLE
        return
    assert raw.x is not None
    partition = Partition.from_indices(problem, stages.read(problem, model, raw.x))
    assert partition.violations() == ()
    assert partition.objective == pytest.approx(best, rel=2e-6)
    assert raw.bound <= best * (1 + 1e-6)
    start = stages.encode(problem, model, argument)
    assert model.violation(start) < 1e-6
    assert model.objective(start) == pytest.approx(best, rel=1e-6)


# -- larger cases: two roads, one answer --------------------------------------------------------
@pytest.mark.parametrize("seed", range(3))
def test_chain_and_graph_programs_agree_where_links_cost_nothing(seed: int) -> None:
    problem = random_problem(300 + seed, chain=True, shape="io", layers=24, nodes=5)
    problem = problem.replace(
        input_node=None, output_node=None, max_cuts=None, multicast=True, colocated=()
    )
    chain = best_reach(chain_loads(problem))
    graph = Contracted.of(problem)
    ideals = solve_ideals(graph, np.inf)
    assert ideals.complete
    assert (chain.stages is None) == (ideals.stage_of_vertex is None)
    assert chain.value == pytest.approx(ideals.value, rel=1e-8)
    assert solve_orders(graph).value >= ideals.value * (1 - 1e-12)


def test_the_order_of_nodes_does_not_matter() -> None:
    problem = random_problem(7, chain=True, shape="direct", layers=20, nodes=6)
    problem = problem.replace(pinned={}, forbidden={}, max_cuts=None, colocated=())
    network = problem.network
    turned = problem.replace(network=Network(network.nodes[::-1], network.links[::-1]))
    assert solve_bottleneck(turned).bound == pytest.approx(solve_bottleneck(problem).bound)


def test_many_kinds_of_nodes_get_a_plan_with_a_bound() -> None:
    rng = np.random.default_rng(5)
    nodes = tuple(Node(f"n{k}", flop_per_s=float(rng.uniform(1, 4)) * 1e12) for k in range(24))
    links = tuple(
        Link(a.name, b.name, float(rng.uniform(1, 9)) * 1e9) for a in nodes for b in nodes if a != b
    )
    layers = tuple(
        LayerProfile(f"l{i}", 0, 1.0, float(rng.uniform(1, 5)) * 1e9, 1e5) for i in range(120)
    )
    problem = PartitionProblem(ModelProfile(layers), Network(nodes, links), "throughput")
    assert not chain_loads(problem).is_small
    watch = Watch(time_limit_s=4)
    outcome = solve_throughput(problem, watch)
    assert outcome.placement is not None
    partition = Partition.from_indices(problem, outcome.placement)
    assert partition.violations() == ()
    assert 0 < outcome.bound <= partition.objective
    assert watch.gap < 0.5


@pytest.mark.parametrize("max_replicas", [2, 4])
def test_a_replicated_graph_has_a_valid_bound(max_replicas: int) -> None:
    """On a graph without link loads the ideals are exact; a chain made of it can only be worse."""
    rng = np.random.default_rng(11)
    layers = tuple(
        LayerProfile(f"l{i}", 0, 1.0, float(rng.uniform(1, 5)) * 1e9, 1e3) for i in range(12)
    )
    edges = tuple((i, j) for i in range(12) for j in range(i + 1, min(i + 3, 12)))
    nodes = tuple(Node(f"n{k}", flop_per_s=1e12, io_rate_bps=1e8) for k in range(4))
    links = tuple(Link(a.name, b.name, np.inf) for a in nodes for b in nodes if a != b)
    problem = PartitionProblem(
        ModelProfile(layers, edges), Network(nodes, links), "throughput", max_replicas=max_replicas
    )
    outcome = solve_throughput(problem)
    assert outcome.replicas is not None
    names = problem.network.node_names
    rows = tuple(tuple(names[n] for n in row) for row in outcome.replicas)
    partition = Partition(problem, tuple(row[0] for row in rows), rows)
    assert partition.violations() == ()
    assert outcome.bound == pytest.approx(partition.objective, rel=1e-6)
    single = solve_throughput(problem.replace(max_replicas=1))
    assert outcome.bound <= single.bound * (1 + 1e-9)
