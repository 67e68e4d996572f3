"""Chain roads against enumeration, against each other, and their bounds against the optimum."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from oracle import enumerate_placements, random_problem

import orbweave as ow
from orbweave.formulations.partition.chains.chain import ChainData, applies
from orbweave.formulations.partition.chains.chain_front import chain_front
from orbweave.formulations.partition.chains.chain_solve import solve_chain
from orbweave.formulations.partition.chains.classes import node_classes
from orbweave.formulations.partition.chains.contiguous import solve_fixed_order
from orbweave.formulations.partition.chains.labels import label_pass
from orbweave.formulations.partition.chains.layered import layered_applies, solve_layered
from orbweave.formulations.partition.chains.ng_routes import Memories, grow
from orbweave.formulations.partition.chains.order_search import full_order, search_orders
from orbweave.formulations.partition.chains.relaxation import Relaxation, descend, polish
from orbweave.formulations.partition.chains.segments import SegmentModel
from orbweave.formulations.partition.chains.subsets import solve_subsets, subsets_apply
from orbweave.formulations.partition.outcome import Outcome, Watch

ADDITIVE = ("latency", "bandwidth", "energy")


def chain(
    layers: int,
    nodes: int,
    seed: int,
    *,
    slack: float = 1.4,
    speeds: int | None = None,
    **fields: Any,
) -> ow.PartitionProblem:
    """A chain over fully linked nodes; `speeds` kinds of nodes, every link alike within a pair."""
    rng = np.random.default_rng(seed)
    kinds = nodes if speeds is None else speeds
    weight = rng.integers(1, 9, layers) * 1e8
    rows = tuple(
        ow.LayerProfile(
            f"layer{i}", 0, float(weight[i]), float(rng.integers(1, 50) * 1e9),
            float(rng.integers(1, 40) * 1e5),
        )
        for i in range(layers)
    )  # fmt: skip
    room = weight.sum() * slack / nodes
    memory = [float(room * rng.uniform(0.5, 1.5)) for _ in range(kinds)]
    speed = [float(rng.uniform(0.3, 2) * 1e12) for _ in range(kinds)]
    rate = 10 ** rng.uniform(7.5, 9.5, (kinds, kinds))
    wait = rng.uniform(1e-3, 2e-2, (kinds, kinds))
    joules = rng.uniform(0, 1e-7, (kinds, kinds))
    network = ow.Network(
        tuple(
            ow.Node(f"n{k}", "orbital", speed[k % kinds], memory[k % kinds], 1e-12 * (k % kinds))
            for k in range(nodes)
        ),
        tuple(
            ow.Link(
                f"n{a}", f"n{b}", float(rate[a % kinds, b % kinds]),
                float(wait[a % kinds, b % kinds]), float(joules[a % kinds, b % kinds]),
            )
            for a in range(nodes)
            for b in range(nodes)
            if a != b
        ),
    )  # fmt: skip
    return ow.PartitionProblem(
        ow.ModelProfile(rows, input_bytes=1e5, output_bytes=1e4), network, **fields
    )


def check(problem: ow.PartitionProblem, outcome: Outcome, best: float, *, exact: bool) -> None:
    """A feasible placement no better than the optimum, a bound no worse; both equal if exact."""
    room = 1e-6 * max(abs(best), 1e-9) if np.isfinite(best) else 0.0
    assert outcome.bound <= best + room
    value = np.inf
    if outcome.placement is not None:
        plan = ow.Partition.from_indices(problem, outcome.placement)
        assert plan.violations() == ()
        value = plan.objective
    assert value >= best - room
    if exact:
        assert outcome.bound >= best - room
        assert value <= best + room


def chains(block: int, count: int) -> list[tuple[int, ow.PartitionProblem]]:
    """Random chains of the shared oracle, some with a bounded objective."""
    found: list[tuple[int, ow.PartitionProblem]] = []
    seed = 100_000 + 10_000 * block
    while len(found) < count:
        problem = random_problem(seed, most_layers=7)
        seed += 1
        if problem.profile.is_chain:
            found.append((seed, problem))
    return found


@pytest.mark.parametrize("block", range(6))
def test_chains_match_enumeration(block: int) -> None:
    for seed, base in chains(block, 25):
        oracle = enumerate_placements(base)
        for objective in ADDITIVE:
            problem = base.replace(objective=objective)
            if not applies(problem):
                assert problem.training is not None
                assert problem.training.micro_batches > 1
                continue
            best = oracle.best(objective)
            limited = bool(np.isfinite(base.network.column("memory_bytes")).any())
            exact = base.contiguous or not (limited or base.colocated)
            check(problem, solve_chain(problem, Watch(), seed=seed), best, exact=exact)
            check(problem, solve_layered(problem, Watch()), best, exact=layered_applies(problem))
            if subsets_apply(problem):
                check(problem, solve_subsets(problem, Watch()), best, exact=True)


@pytest.mark.parametrize("block", range(4))
def test_bounded_objectives_match_enumeration(block: int) -> None:
    for seed, base in chains(10 + block, 25):
        rng = np.random.default_rng(seed)
        oracle = enumerate_placements(base)
        objective, other = rng.choice(ADDITIVE, 2, replace=False)
        values = np.sort(oracle.values[other][oracle.feasible])
        if not len(values):
            continue
        limit = float(values[rng.integers(len(values))] * 1.0001 + 1e-9)
        problem = base.replace(objective=str(objective), limits={str(other): limit})
        if not applies(problem):
            continue
        best = enumerate_placements(problem).best(str(objective))
        limited = bool(np.isfinite(base.network.column("memory_bytes")).any())
        exact = base.contiguous or not (limited or base.colocated)
        check(problem, solve_chain(problem, Watch(), seed=seed), best, exact=exact)


def by_labels(problem: ow.PartitionProblem, remembered: int) -> tuple[float, float, np.ndarray]:
    """Value and bound of one label pass without a cap, memories grown `remembered` times."""
    model = SegmentModel.of(ChainData.of(problem))
    relaxation, watch = Relaxation(model), Watch()
    descend(relaxation, np.inf, 30, watch)
    kept: list[set[int]] = [set() for _ in model.members]
    for _ in range(remembered):
        grow(kept, relaxation.paths, model.count, 4)
        relaxation.memories = Memories.of(model, kept)
        descend(relaxation, np.inf, 10, watch)
    found = label_pass(relaxation, np.inf, None, watch)
    return found.value, relaxation.bound, model.placement(found.runs)


@pytest.mark.parametrize("speeds", [None, 2])
@pytest.mark.parametrize("objective", ADDITIVE)
def test_exact_roads_agree(objective: str, speeds: int | None) -> None:
    for seed in range(6):
        problem = chain(24, 6, seed, speeds=speeds, objective=objective)
        best = solve_subsets(problem, Watch())
        assert best.placement is not None
        optimum = ow.Partition.from_indices(problem, best.placement).objective
        assert best.bound == pytest.approx(optimum, rel=1e-9)
        for remembered in (0, 2):
            value, bound, placement = by_labels(problem, remembered)
            assert value == pytest.approx(optimum, rel=1e-9)
            assert bound <= optimum * (1 + 1e-9)
            assert ow.Partition.from_indices(problem, placement).violations() == ()


def test_fixed_order_is_exact_for_its_order() -> None:
    """All orders of four nodes: the best fixed order is the best of any order."""
    from itertools import permutations

    for seed in range(4):
        problem = chain(10, 4, seed)
        best = solve_subsets(problem, Watch())
        found = [solve_fixed_order(problem, Watch(), order) for order in permutations(range(4))]
        values = [
            ow.Partition.from_indices(problem, row.placement).objective
            for row in found
            if row.placement is not None
        ]
        assert min(values, default=np.inf) == pytest.approx(best.bound, rel=1e-9)


def test_beams_are_placements_with_valid_bounds() -> None:
    problem = chain(40, 9, 1, slack=1.25)
    optimum = solve_subsets(problem, Watch()).bound
    model = SegmentModel.of(ChainData.of(problem))
    relaxation = Relaxation(model)
    descend(relaxation, np.inf, 20, Watch())
    for cap in (1, 2, 8):
        found = label_pass(relaxation, np.inf, cap, Watch())
        assert found.value >= optimum * (1 - 1e-9)
        assert min(found.bound, found.value) <= optimum * (1 + 1e-9)
    few = label_pass(relaxation, np.inf, None, Watch(), most=50)
    assert few.labels <= 50
    assert min(few.bound, few.value) <= optimum * (1 + 1e-9)


def test_bounds_grow_towards_the_optimum() -> None:
    problem = chain(40, 9, 2, slack=1.25)
    optimum = solve_subsets(problem, Watch()).bound
    model = SegmentModel.of(ChainData.of(problem))
    relaxation = Relaxation(model)
    descend(relaxation, optimum, 20, Watch())
    rough = relaxation.bound
    polish(relaxation, optimum, 200, Watch())
    assert rough <= relaxation.bound <= optimum * (1 + 1e-9)
    kept: list[set[int]] = [set() for _ in model.members]
    grow(kept, relaxation.paths, model.count, 5)
    plain = relaxation.bound
    relaxation.memories = Memories.of(model, kept)
    polish(relaxation, optimum, 60, Watch())
    assert plain <= relaxation.bound <= optimum * (1 + 1e-9)


def test_classes_are_found_and_counted() -> None:
    problem = chain(30, 8, 3, speeds=2, input_node="n0")
    data = ChainData.of(problem)
    # n0 holds the input, so it is not like the others of its kind.
    assert node_classes(data) == ((0,), (1, 3, 5, 7), (2, 4, 6))
    merged = solve_subsets(problem, Watch())
    apart = SegmentModel.of(data, merge=False)
    relaxation = Relaxation(apart)
    descend(relaxation, np.inf, 30, Watch())
    assert label_pass(relaxation, np.inf, None, Watch()).value == pytest.approx(merged.bound)


def test_more_nodes_than_a_word_of_bits() -> None:
    """70 nodes: labels keep their used nodes in two words."""
    problem = chain(90, 70, 4, slack=4.0)
    watch = Watch(relative_gap=0.05)
    outcome = solve_chain(problem, watch)
    assert outcome.placement is not None
    plan = ow.Partition.from_indices(problem, outcome.placement)
    assert plan.violations() == ()
    assert outcome.bound <= plan.objective * (1 + 1e-9)
    assert watch.gap <= 0.05


def scaled(problem: ow.PartitionProblem, factor: float) -> ow.PartitionProblem:
    """The same problem in other units of memory and work."""
    layers = tuple(
        ow.LayerProfile(
            row.name, row.params, row.weight_bytes * factor, row.flops * factor,
            row.activation_bytes * factor,
        )
        for row in problem.profile.layers
    )  # fmt: skip
    nodes = tuple(
        ow.Node(
            node.name, node.kind, node.flop_per_s * factor, node.memory_bytes * factor,
            node.joules_per_flop / factor,
        )
        for node in problem.network.nodes
    )  # fmt: skip
    links = tuple(
        ow.Link(row.source, row.target, row.rate_bps * factor, row.latency_s, row.joules_per_bit)
        for row in problem.network.links
    )
    profile = problem.profile.replace(
        layers=layers,
        input_bytes=problem.profile.input_bytes * factor,
        output_bytes=problem.profile.output_bytes * factor,
    )
    return problem.replace(profile=profile, network=ow.Network(nodes, links))


def relabelled(problem: ow.PartitionProblem) -> ow.PartitionProblem:
    """The same problem with its nodes in another order."""
    rng = np.random.default_rng(5)
    order = rng.permutation(len(problem.network.nodes))
    nodes = tuple(problem.network.nodes[k] for k in order)
    links = tuple(problem.network.links[k] for k in rng.permutation(len(problem.network.links)))
    return problem.replace(network=ow.Network(nodes, links))


@pytest.mark.parametrize(
    "change", [lambda problem: scaled(problem, 8.0), relabelled], ids=["scaled", "relabelled"]
)
def test_units_and_names_change_nothing(
    change: Callable[[ow.PartitionProblem], ow.PartitionProblem],
) -> None:
    for seed in range(3):
        problem = chain(30, 10, seed, slack=1.2)
        first, second = Watch(), Watch()
        solve_chain(problem, first)
        solve_chain(change(problem), second)
        assert second.objective == pytest.approx(first.objective, rel=1e-6)


def test_order_search_is_seeded_and_never_worse() -> None:
    problem = chain(40, 9, 6, slack=1.3)
    model = SegmentModel.of(ChainData.of(problem))

    def run(seed: int) -> list[float]:
        values: list[float] = []
        search_orders(
            model, full_order(model), Watch(), trials=300, seed=seed,
            report=lambda value, _: values.append(value),
        )  # fmt: skip
        return values

    first = run(1)
    assert first == run(1)
    assert first == sorted(first, reverse=True)
    assert first[-1] >= solve_subsets(problem, Watch()).bound * (1 - 1e-9)


def test_no_room_is_proven() -> None:
    problem = chain(12, 3, 7, slack=0.8)
    outcome = solve_chain(problem, Watch())
    assert outcome.placement is None
    assert outcome.bound == np.inf


def test_an_expired_watch_still_returns_a_valid_bound() -> None:
    problem = chain(60, 14, 8, slack=1.2)
    optimum = Watch()
    solve_chain(problem, optimum)
    watch = Watch(time_limit_s=1e-9)
    outcome = solve_chain(problem, watch)
    assert outcome.bound <= optimum.objective * (1 + 1e-6)


def test_weighted_sums_are_chains_too() -> None:
    problem = chain(9, 3, 9, input_node="n1", output_node="n2")
    weights = {"latency": 2.0, "energy": 0.5, "bandwidth": 1e-9}
    oracle = enumerate_placements(problem)
    total = sum(weight * oracle.values[name] for name, weight in weights.items())
    best = float(np.min(total, where=oracle.feasible, initial=np.inf))
    watch = Watch()
    outcome = solve_chain(problem, watch, weights)
    assert watch.objective == pytest.approx(best, rel=1e-9)
    assert outcome.bound == pytest.approx(best, rel=1e-6)


def non_dominated(values: np.ndarray) -> np.ndarray:
    """Rows that no other row beats, first column ascending; near-equal rows once."""
    order = np.lexsort((values[:, 1], values[:, 0]))
    kept: list[np.ndarray] = []
    for row in values[order]:
        if not kept or row[1] < kept[-1][1] * (1 - 2e-7) - 1e-12:
            kept.append(row)
    return np.array(kept).reshape(-1, 2)


@pytest.mark.parametrize("pair", [("latency", "energy"), ("latency", "bandwidth")])
def test_fronts_match_enumeration(pair: tuple[str, str]) -> None:
    for seed in range(5):
        problem = chain(7, 4, seed, input_node="n0", output_node="n1", contiguous=bool(seed % 2))
        if not problem.contiguous:
            nodes = [ow.Node(row.name, row.kind, row.flop_per_s) for row in problem.network.nodes]
            problem = problem.replace(network=ow.Network(tuple(nodes), problem.network.links))
        oracle = enumerate_placements(problem)
        table = np.column_stack([oracle.values[name][oracle.feasible] for name in pair])
        front = chain_front(problem, pair, Watch())
        assert front.complete
        assert front.values == pytest.approx(non_dominated(table), rel=1e-6)
        for placement, values in zip(front.placements, front.values, strict=True):
            plan = ow.Partition.from_indices(problem, placement)
            assert plan.violations() == ()
            assert [plan.values[name] for name in pair] == pytest.approx(list(values))


def test_a_front_needs_two_free_objectives() -> None:
    problem = chain(5, 2, 0)
    with pytest.raises(ow.InputError, match="two different objectives"):
        chain_front(problem, ("latency", "latency"), Watch())
    with pytest.raises(ow.InputError, match="without a limit"):
        chain_front(problem.replace(limits={"energy": 1.0}), ("latency", "energy"), Watch())
