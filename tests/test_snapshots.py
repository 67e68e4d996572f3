"""Shortest paths on snapshots against networkx, and every road against every other."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import orbweave as ow
from orbweave.formulations.routing.snapshot_arcs import Arcs
from orbweave.formulations.routing.snapshots import (
    forwarding_states,
    forwarding_stream,
    snapshot_paths,
    snapshot_stream,
)
from orbweave.formulations.routing.trees import METHODS, Trees

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
WEIGHTS = ("delay", "hops", "inverse_rate")


def plan_of(rows: list[tuple[str, str, float, float, float, float]], **kinds: str) -> Any:
    return ow.ContactPlan.from_contacts(
        [ow.Contact(*row) for row in rows], epoch=EPOCH, nodes=kinds or None
    )


def random_plan(seed: int, nodes: int = 9, contacts: int = 60, ground: int = 3) -> Any:
    """Contacts with whole times, some of them parallel, some of rate or delay 0."""
    rng = np.random.default_rng(seed)
    names = [f"n{k}" for k in range(nodes)]
    rows: set[tuple[str, str, float, float, float, float]] = set()
    while len(rows) < contacts:
        a, b = rng.choice(nodes, size=2, replace=False)
        start = int(rng.integers(0, 20))
        rows.add(
            (
                names[a],
                names[b],
                start,
                start + int(rng.integers(1, 12)),
                float(rng.choice([0.0, 1e6, 3e6, 1e8])),
                float(rng.choice([0.0, 0.25, rng.uniform(0, 1)])),
            )
        )
    kinds = {name: "ground" if k < ground else "orbital" for k, name in enumerate(names)}
    return plan_of(sorted(rows), **kinds)


def graph_of(plan: Any, time: float, weight: str) -> nx.DiGraph:
    graph = nx.DiGraph()
    graph.add_nodes_from(plan.node_names)
    for row in plan.contacts:
        value = {"delay": row.delay_s, "hops": 1.0}.get(weight)
        if value is None:
            value = 1 / row.rate_bps if row.rate_bps else math.inf
        if row.start_s <= time < row.end_s and value < math.inf:
            old = graph.get_edge_data(row.source, row.target, {"weight": math.inf})["weight"]
            graph.add_edge(row.source, row.target, weight=min(old, value))
    return graph


def ends_only(graph: nx.DiGraph, plan: Any, source: str) -> nx.DiGraph:
    """The graph without arcs out of ground nodes other than the source."""
    mute = {node.name for node in plan.nodes if node.kind == "ground"} - {source}
    return nx.restricted_view(graph, [], [edge for edge in graph.edges if edge[0] in mute])


def expected(graph: nx.DiGraph, source: str, names: tuple[str, ...]) -> list[float]:
    found = nx.single_source_dijkstra_path_length(graph, source)
    return [found.get(name, math.inf) for name in names]


def walked(graph: nx.DiGraph, path: tuple[str, ...]) -> float:
    """Length of a path, an error if one of its links does not exist."""
    total = 0.0
    for edge in pairwise(path):
        total += graph.edges[edge]["weight"]
    return total


@pytest.mark.parametrize("weight", WEIGHTS)
@pytest.mark.parametrize("relays", [None, True, False])
@settings(deadline=None, derandomize=True, max_examples=40)
@given(seed=st.integers(0, 10**6), method=st.sampled_from(["warm", "buckets", "heap", "scipy"]))
def test_a_plan_is_networkx_at_every_time(
    weight: str, relays: bool | None, seed: int, method: str
) -> None:
    plan = random_plan(seed)
    times = np.arange(0.0, 32.0)
    sources = ["n0", "n4", "n8"]
    found = snapshot_paths(plan, times, sources, weight=weight, ground_relays=relays, method=method)
    assert found.distance.shape == (32, 3, 9)
    for k, time in enumerate(times):
        whole = graph_of(plan, time, weight)
        for i, source in enumerate(sources):
            graph = ends_only(whole, plan, source) if relays is False else whole
            wanted = expected(graph, source, plan.node_names)
            np.testing.assert_allclose(found.distance[k, i], wanted, rtol=1e-9)
            for j, target in enumerate(plan.node_names):
                path = found.path(k, source, target)
                if math.isinf(wanted[j]):
                    assert path == ()
                    assert found.predecessor[k, i, j] == -1
                else:
                    assert path[0] == source
                    assert path[-1] == target
                    assert walked(graph, path) == pytest.approx(wanted[j], rel=1e-9)


@settings(deadline=None, derandomize=True, max_examples=40)
@given(st.integers(0, 10**6))
def test_hops_are_those_of_networkx_by_any_road(seed: int) -> None:
    plan = random_plan(seed)
    for time in (0.0, 7.0, 15.0):
        graph = graph_of(plan, time, "hops")
        lengths = nx.single_source_shortest_path_length(graph, "n1")
        wanted = [lengths.get(name, math.inf) for name in plan.node_names]
        for method in METHODS:
            found = snapshot_paths(plan, [time], "n1", weight="hops", method=method)
            assert found.distance[0, 0].tolist() == wanted


@pytest.mark.parametrize("weight", WEIGHTS)
@settings(deadline=None, derandomize=True, max_examples=30)
@given(seed=st.integers(0, 10**6), relays=st.booleans())
def test_forwarding_leads_along_shortest_paths(weight: str, seed: int, relays: bool) -> None:
    plan = random_plan(seed)
    names, targets = plan.node_names, ["n0", "n5"]
    times = np.arange(0.0, 30.0, 3.0)
    states = forwarding_states(plan, times, targets, weight, ground_relays=relays)
    paths = snapshot_paths(plan, times, names, targets, weight, ground_relays=relays)
    assert states.next_hop.shape == (10, 2, 9)
    assert paths.distance.shape == (10, 9, 2)
    turned = states.distance.transpose(0, 2, 1)
    np.testing.assert_allclose(turned, paths.distance, rtol=1e-12)  # summed from the other end
    for k, time in enumerate(times):
        graph = graph_of(plan, time, weight)
        for i, target in enumerate(targets):
            for j, name in enumerate(names):
                path = states.path(k, name, target)
                length = paths.distance[k, j, i]
                if math.isinf(length):
                    assert path == ()
                    assert paths.next_hop(k, name, target) is None
                else:
                    assert walked(graph, path) == pytest.approx(length, rel=1e-9)


# -- one road against another ---------------------------------------------------------------------
def random_arcs(rng: np.random.Generator, nodes: int, count: int, spread: float) -> Arcs:
    tail, head = rng.integers(0, nodes, size=(2, count))
    weight = rng.uniform(0, 1, size=count) ** spread
    weight[rng.uniform(size=count) < 0.05] = 0.0
    return Arcs(tail, head, weight)


def changed(rng: np.random.Generator, arcs: Arcs, nodes: int) -> Arcs:
    """Weights a little off, a few arcs gone, a few new, now and then another order."""
    keep = rng.uniform(size=len(arcs.tail)) > rng.choice([0.0, 0.02, 0.5])
    fresh = random_arcs(rng, nodes, int(rng.integers(0, 6)), 1.0)
    weight = arcs.weight * rng.uniform(1 - rng.choice([0.0, 1e-3, 0.9]), 1.0, size=len(keep))
    tail = np.concatenate([arcs.tail[keep], fresh.tail])
    head = np.concatenate([arcs.head[keep], fresh.head])
    weight = np.concatenate([weight[keep], fresh.weight])
    order = np.arange(len(tail)) if rng.uniform() < 0.8 else rng.permutation(len(tail))
    return Arcs(tail[order], head[order], weight[order])


def check_trees(arcs: Arcs, sources: Any, distance: Any, before: Any) -> None:
    """Predecessors are tails of arcs that give exactly the distance, and lead to the source."""
    best: dict[tuple[int, int], float] = {}
    for u, v, w in zip(arcs.tail.tolist(), arcs.head.tolist(), arcs.weight.tolist(), strict=True):
        best[u, v] = min(w, best.get((u, v), math.inf))
    for k, source in enumerate(sources.tolist()):
        for v in range(distance.shape[1]):
            node, steps = v, 0
            while before[k, node] >= 0:
                u = int(before[k, node])
                assert distance[k, node] == distance[k, u] + best[u, node]
                node, steps = u, steps + 1
                assert steps <= distance.shape[1]
            assert node == source or (node == v and math.isinf(distance[k, v]))


@settings(deadline=None, derandomize=True, max_examples=60)
@given(
    seed=st.integers(0, 10**9),
    nodes=st.integers(2, 40),
    density=st.floats(0.3, 4.0),
    spread=st.sampled_from([0.3, 1.0, 20.0]),
)
def test_repaired_trees_are_new_ones_to_the_last_bit(
    seed: int, nodes: int, density: float, spread: float
) -> None:
    rng = np.random.default_rng(seed)
    relay = rng.uniform(size=nodes) < 0.8
    sources = rng.permutation(nodes)[:5].astype(np.int64)
    warm = Trees(sources, relay, "warm")
    others = [Trees(sources, relay, method) for method in ("heap", "buckets", "scipy")]
    arcs = random_arcs(rng, nodes, int(density * nodes), spread)
    for _ in range(12):
        distance, before = warm.grow(arcs)
        check_trees(arcs, sources, distance, before)
        for other in others:
            theirs, tree = other.grow(arcs)
            assert np.array_equal(distance, theirs)
            check_trees(arcs, sources, theirs, tree)
        arcs = changed(rng, arcs, nodes)


def test_weights_of_all_sizes_send_the_buckets_to_the_heap() -> None:
    """Detours that are always taken last and are always better, all in one bucket.

    Without the heap this would take two to the power of 60 looks.
    """
    size = 60
    rows = [(0, 2 * size + 1, 1e30)]
    for k in range(size):
        here, detour, following = 2 * k, 2 * k + 1, 2 * k + 2
        rows += [
            (here, detour, 0.0),
            (here, following, 2.0 ** (size - k)),
            (detour, following, 1.0),
        ]
    tail, head, weight = zip(*rows, strict=True)
    arcs = Arcs(np.array(tail), np.array(head), np.array(weight))
    relay, sources = np.ones(2 * size + 2, dtype=bool), np.array([0])
    found, before = Trees(sources, relay, "buckets").grow(arcs)
    assert found[0, :-1].tolist() == [float(k // 2) for k in range(2 * size + 1)]
    check_trees(arcs, sources, found, before)


def test_a_stream_is_the_bulk_call_step_by_step() -> None:
    plan = random_plan(5, nodes=20, contacts=200)
    times = np.arange(0.0, 30.0, 0.5)
    bulk = snapshot_paths(plan, times, ["n1", "n7"], ["n2", "n3"])
    shares: list[float] = []
    steps = list(
        snapshot_stream(plan, times, ["n1", "n7"], ["n2", "n3"], on_progress=shares.append)
    )
    assert [float(step.times_s[0]) for step in steps] == times.tolist()
    assert np.array_equal(np.concatenate([step.distance for step in steps]), bulk.distance)
    assert np.array_equal(np.concatenate([step.predecessor for step in steps]), bulk.predecessor)
    assert shares[-1] == 1.0
    assert shares == sorted(shares)
    states = forwarding_states(plan, times, ["n1"])
    hops = [step.next_hop for step in forwarding_stream(plan, times, ["n1"])]
    assert np.array_equal(np.concatenate(hops), states.next_hop)


@settings(deadline=None, derandomize=True, max_examples=30)
@given(st.integers(0, 10**6), st.randoms(use_true_random=False))
def test_times_may_come_in_any_order(seed: int, random: Any) -> None:
    plan = random_plan(seed)
    times = [float(t) for t in range(30)]
    forward = snapshot_paths(plan, times, "n0")
    random.shuffle(times)
    mixed = snapshot_paths(plan, times, "n0")
    for k, time in enumerate(times):
        assert np.array_equal(mixed.distance[k], forward.distance[int(time)])


# -- small facts ----------------------------------------------------------------------------------
LINE = [
    ("a", "b", 0.0, 10.0, 1e6, 0.1),
    ("a", "b", 0.0, 10.0, 4e6, 0.2),  # parallel: faster and farther
    ("b", "c", 5.0, 10.0, 2e6, 0.3),
]


def test_contacts_stand_from_their_start_to_before_their_end() -> None:
    found = snapshot_paths(plan_of(LINE), [4.999, 5.0, 9.999, 10.0], "a", "c")
    assert found.distance[:, 0, 0].tolist() == [math.inf, 0.1 + 0.3, 0.1 + 0.3, math.inf]


def test_the_best_of_parallel_contacts_counts() -> None:
    plan = plan_of(LINE)
    assert snapshot_paths(plan, [6.0], "a", "b").distance.item() == 0.1
    rate = snapshot_paths(plan, [6.0], "a", "c", weight="inverse_rate").distance.item()
    assert rate == 1 / 4e6 + 1 / 2e6


def test_answers_go_out_as_plain_data() -> None:
    found = snapshot_paths(plan_of(LINE), [6.0, 20.0], ["a", "c"])
    plain = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert plain["distance"] == [
        [[0.0, 0.1, 0.4], [None, None, 0.0]],
        [[0.0, None, None], [None, None, 0.0]],
    ]
    assert plain["predecessor"][0] == [[-1, 0, 1], [-1, -1, -1]]
    assert found.path(0, "a", "c") == ("a", "b", "c")
    assert found.path(0, "a", "a") == ("a",)
    assert found.next_hop(0, "a", "c") == "b"
    assert found.next_hop(0, "a", "a") is None
    assert found.path(1, "a", "c") == ()
    states = forwarding_states(plan_of(LINE), [6.0], "c")
    plain = json.loads(json.dumps(states.to_dict(), allow_nan=False))
    assert plain["next_hop"] == [[[1, 2, -1]]]
    assert states.path(0, "a", "c") == ("a", "b", "c")
    with pytest.raises(ValueError, match="read-only"):
        found.distance[0, 0, 0] = 1.0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sources": "x"}, "snapshot_paths.sources = 'x': expected one of 'a', 'b', 'c'"),
        ({"sources": []}, "snapshot_paths.sources = []: expected the name of a node"),
        ({"sources": ["a", "a"]}, "snapshot_paths.sources = 'a': expected every name once"),
        ({"targets": ["a", 3]}, "snapshot_paths.targets = 3"),
        ({"times": []}, "snapshot_paths.times = []: expected one finite number"),
        ({"times": [0.0, math.nan]}, "snapshot_paths.times"),
        ({"times": [[0.0]]}, "snapshot_paths.times"),
        ({"times": ["noon"]}, "snapshot_paths.times"),
        ({"weight": "dalay"}, "snapshot_paths.weight = 'dalay'"),
        ({"method": "wram"}, "did you mean 'warm'?"),
        ({"method": "bfs"}, "snapshot_paths.method = 'bfs'"),
        ({"ground_relays": 1}, "snapshot_paths.ground_relays = 1"),
        ({"on_progress": 1}, "snapshot_paths.on_progress = 1"),
        ({"network": {}}, "snapshot_paths.network = 'dict': expected a ContactPlan or a Mesh"),
    ],
)
def test_bad_input_is_named_before_the_first_step(changes: dict[str, Any], message: str) -> None:
    call = {"network": plan_of(LINE), "times": [0.0], "sources": "a", **changes}
    with pytest.raises(ow.InputError) as error:
        snapshot_stream(**call)
    assert message in str(error.value)


def test_bad_questions_to_an_answer() -> None:
    found = snapshot_paths(plan_of(LINE), [6.0], "a")
    with pytest.raises(ow.InputError, match="step = 1: expected a step from 0 to 0"):
        found.path(1, "a", "b")
    with pytest.raises(ow.UnknownNameError, match="source = 'b'"):
        found.path(0, "b", "a")
    with pytest.raises(ow.UnknownNameError, match="target = 'z'"):
        found.path(0, "a", "z")
    with pytest.raises(ow.InputError, match=r"forwarding_states\.targets"):
        forwarding_states(plan_of(LINE), [6.0], "z")


def test_a_negative_delay_is_refused() -> None:
    with pytest.raises(ow.InputError, match=r"delay_s = -0\.1"):
        plan_of([("a", "b", 0.0, 1.0, 1e6, -0.1)])
