"""Balanced routing: against programmes over enumerated paths, minimum cuts and shortest paths."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import hypothesis
import networkx as nx
import numpy as np
import pytest
from hypothesis import strategies as st
from scipy.optimize import linprog

import orbweave as ow
from orbweave.formulations.routing.balance import BalanceProblem, Links, Traffic
from orbweave.formulations.routing.balance_trees import Inward
from orbweave.formulations.routing.balanced_routing import BalancedRouting, shortest_routing
from orbweave.formulations.routing.flow_paths import Paths
from orbweave.solvers.balanced import METHODS, solve_balance
from orbweave.solvers.options import SolveOptions
from orbweave.solvers.result import Limit, Reason

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


def linked(
    names: str, ends: list[str], rate_bps: list[float], ground: str = "", delay_s: float = 0.0
) -> Links:
    """Links between nodes of one letter each, as in ``linked("abc", ["ab", "bc"], [1e6, 1e6])``."""
    source, target = (np.array([names.index(pair[k]) for pair in ends]) for k in (0, 1))
    on_ground = np.array([name in ground for name in names])
    delays = np.full(len(ends), delay_s)
    return Links(tuple(names), source, target, np.array(rate_bps), delays, on_ground)


def random_problem(seed: int) -> BalanceProblem:
    """A small network, in part with stations that pass nothing on and traffic for any of them."""
    rng = np.random.default_rng(seed)
    nodes, count = 7, 20
    names = [f"n{k}" for k in range(nodes)]
    ground = np.arange(nodes) >= nodes - int(rng.integers(1, 3))
    ends = np.array([rng.choice(nodes, 2, replace=False) for _ in range(count)])
    rate, delay = rng.uniform(1e6, 4e6, count), rng.uniform(0, 0.01, count)
    links = Links(names, ends[:, 0], ends[:, 1], rate, delay, ground)
    problem = None
    while problem is None or not Inward.of(problem).reached.all():
        traffic = []
        for _ in range(int(rng.integers(1, 6))):
            source, target = rng.choice(nodes, 2, replace=False)
            anywhere = not ground[source] and rng.random() < 0.3
            name = "ground" if anywhere else names[target]
            traffic.append(Traffic(names[source], name, rng.uniform(1e5, 5e6)))
        problem = BalanceProblem(links, traffic, ground_relays=bool(rng.random() < 0.5))
    return problem


def best_by_paths(problem: BalanceProblem) -> float:
    """Least highest use, by a programme over all simple paths, listed one by one."""
    links, names = problem.links, problem.links.node_names
    passes = [bool(problem.ground_relays) or not on_ground for on_ground in links.ground]
    out: dict[int, list[int]] = {}
    for k, node in enumerate(links.source.tolist()):
        out.setdefault(node, []).append(k)
    ways: list[tuple[int, list[int]]] = []

    def go(row: int, ends: set[int], node: int, seen: set[int], way: list[int]) -> None:
        if node in ends:
            ways.append((row, way))
            return
        if way and not passes[node]:
            return
        for k in out.get(node, []):
            other = int(links.target[k])
            if other not in seen:
                go(row, ends, other, seen | {other}, [*way, k])

    for row, stream in enumerate(problem.traffic):
        anywhere = stream.target == "ground"
        ends = np.flatnonzero(links.ground) if anywhere else [names.index(stream.target)]
        start = names.index(stream.source)
        go(row, {int(end) for end in ends}, start, {start}, [])
    loads = np.zeros((len(links), len(ways) + 1))
    wanted = np.zeros((len(problem.traffic), len(ways) + 1))
    for column, (row, way) in enumerate(ways):
        loads[way, column] = problem.traffic[row].rate_bps / links.rate_bps[way]
        wanted[row, column] = 1
    loads[:, -1] = -1
    cost = np.append(np.zeros(len(ways)), 1.0)
    args = {
        "A_ub": loads,
        "b_ub": np.zeros(len(links)),
        "A_eq": wanted,
        "b_eq": wanted[:, :-1].max(1),
    }
    found = linprog(cost, **args, method="highs")
    assert found.status == 0
    return float(found.fun)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("seed", range(40))
def test_no_combination_of_paths_is_better(seed: int, method: str) -> None:
    problem = random_problem(seed)
    result = solve_balance(problem, SolveOptions(method=method))
    assert result.reason is Reason.OPTIMAL
    routing = result.require()
    assert routing.violations() == ()
    best = best_by_paths(problem)
    assert result.objective == pytest.approx(best, rel=2e-6)
    assert result.bound == pytest.approx(best, rel=2e-6)
    assert routing.highest_use <= shortest_routing(problem).highest_use * (1 + 1e-9)
    assert routing.load_bps == pytest.approx(routing.flow_bps.sum(axis=0))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("seed", range(20))
def test_one_stream_is_a_maximum_flow(seed: int, method: str) -> None:
    rng = np.random.default_rng(seed)
    graph = nx.gnp_random_graph(9, 0.4, seed=seed, directed=True)
    ends = np.array(list(graph.edges))
    rate = rng.integers(1, 9, len(ends)).astype(float)
    for (one, two), value in zip(graph.edges, rate, strict=True):
        graph.edges[one, two]["capacity"] = value
    most, (side, _) = nx.minimum_cut(graph, 0, 8)
    if most == 0:
        pytest.skip("no way")
    links = Links([str(k) for k in range(9)], ends[:, 0], ends[:, 1], rate)
    problem = BalanceProblem(links, [Traffic("0", "8", 5.0)])
    result = solve_balance(problem, SolveOptions(method=method))
    routing = result.require()
    assert result.objective == pytest.approx(5.0 / most, rel=2e-6)
    # What binds is a cut, or several; any cut's links all carry what the highest use lets them.
    graph.remove_edges_from([tuple(ends[k]) for k in routing.binding])
    assert not nx.has_path(graph, 0, 8)
    assert sum(share for _, share in routing.paths_of(0)) == pytest.approx(1.0)
    across = np.isin(links.source, list(side)) & ~np.isin(links.target, list(side))
    assert routing.use[across] == pytest.approx(5.0 / most, rel=1e-5)


@hypothesis.settings(deadline=None, derandomize=True, max_examples=60)
@hypothesis.given(st.integers(0, 39), st.lists(st.floats(0, 1e3), min_size=20, max_size=20))
def test_any_prices_prove_a_bound(seed: int, price: list[float]) -> None:
    problem = random_problem(seed)
    _, bound = Inward.of(problem).flows(np.array(price))
    best = solve_balance(problem, SolveOptions(method="links")).objective
    assert bound <= best * (1 + 1e-9)


@pytest.mark.parametrize("seed", range(10))
def test_scales_and_order_do_not_matter(seed: int) -> None:
    problem = random_problem(seed)
    rng, links = np.random.default_rng(seed), problem.links
    use = solve_balance(problem, SolveOptions()).objective
    doubled = [replace(row, rate_bps=2 * row.rate_bps) for row in problem.traffic]
    twice = solve_balance(problem.replace(traffic=doubled), SolveOptions()).objective
    assert twice == pytest.approx(2 * use, rel=1e-5)
    order = rng.permutation(len(links))
    ends = (links.source[order], links.target[order])
    other = Links(
        links.node_names, *ends, 1e6 * links.rate_bps[order], links.delay_s[order], links.ground
    )
    rows = [replace(row, rate_bps=1e6 * row.rate_bps) for row in problem.traffic[::-1]]
    moved = problem.replace(network=other, traffic=rows)
    assert solve_balance(moved, SolveOptions()).objective == pytest.approx(use, rel=1e-5)


@pytest.mark.parametrize("seed", range(20))
def test_shortest_routing_takes_shortest_paths(seed: int) -> None:
    problem = random_problem(seed).replace(ground_relays=True)
    links, routing = problem.links, shortest_routing(problem)
    assert routing.violations() == ()
    graph = nx.MultiDiGraph()
    graph.add_nodes_from(links.node_names)
    for one, two, delay in zip(links.source, links.target, links.delay_s, strict=True):
        graph.add_edge(links.node_names[one], links.node_names[two], weight=delay)
    for path, row in enumerate(routing.paths.traffic):
        stream = problem.traffic[row]
        distance = nx.single_source_dijkstra_path_length(graph, stream.source)
        grounds = [name for name, flag in zip(links.node_names, links.ground, strict=True) if flag]
        ends = grounds if stream.target == "ground" else [stream.target]
        nearest = min(distance.get(end, np.inf) for end in ends)
        assert routing.latency_s[path] == pytest.approx(nearest)
    assert routing.bound == 0.0  # nobody gave prices


def test_two_ways_share_in_proportion_to_their_rates() -> None:
    links = linked("abc", ["ab", "ac", "bc"], [1e6, 3e6, 1e6])
    result = solve_balance(BalanceProblem(links, [Traffic("a", "c", 2e6)]), SolveOptions())
    routing = result.require()
    assert dict(routing.paths_of(0)) == pytest.approx({("a", "c"): 0.75, ("a", "b", "c"): 0.25})
    assert result.objective == pytest.approx(0.5)
    told = routing.to_dict()
    assert told["highest_use"] == pytest.approx(0.5)
    assert {row["link"] for row in told["binding"]} >= {1}
    assert sum(row["share"] for row in told["binding"]) == pytest.approx(1.0)
    assert "50.000%" in routing._repr_html_()


def test_too_much_traffic_is_told() -> None:
    links = linked("ab", ["ab"], [1e6])
    result = solve_balance(BalanceProblem(links, [Traffic("a", "b", 3e6)]), SolveOptions())
    assert result.objective == pytest.approx(3.0)
    assert "3 times over" in result.message


def test_traffic_without_a_way_is_an_answer() -> None:
    links = linked("abc", ["ab"], [1e6])
    problem = BalanceProblem(links, [Traffic("a", "b", 1.0), Traffic("b", "c", 1.0)])
    result = solve_balance(problem, SolveOptions())
    assert (result.reason, result.solution) == (Reason.INFEASIBLE, None)
    assert "from 'b' to 'c'" in result.message
    with pytest.raises(ow.InputError, match="all traffic has a way"):
        shortest_routing(problem)


def test_links_of_a_plan_stand_from_start_to_before_the_end() -> None:
    contacts = [
        ow.Contact("a", "b", 0, 10, 1e6, 0.1),
        ow.Contact("a", "b", 0, 10, 2e6, 0.1),
        ow.Contact("a", "g", 5, 20, 4e6),
        ow.Contact("b", "g", 5, 20, 0.0),
    ]
    kinds = {"a": "orbital", "b": "orbital", "g": "ground"}
    plan = ow.ContactPlan.from_contacts(contacts, epoch=EPOCH, nodes=kinds)
    assert Links.of(plan, 0).rate_bps.tolist() == [1e6, 2e6]
    assert Links.of(plan, 5).rate_bps.tolist() == [1e6, 2e6, 4e6]
    assert Links.of(plan, 5, until_s=11).rate_bps.tolist() == [4e6]
    assert Links.of(plan, 10).rate_bps.tolist() == [4e6]
    assert len(Links.of(plan, 20)) == 0
    problem = BalanceProblem(plan, [Traffic("a", "ground", 1e6)], at_s=5)
    assert solve_balance(problem, SolveOptions()).objective == pytest.approx(0.25)
    parallel = BalanceProblem(plan, [Traffic("a", "b", 1.5e6)], at_s=5)
    assert solve_balance(parallel, SolveOptions()).objective == pytest.approx(0.5)


def test_links_of_a_mesh_carry_both_ways_and_stations_pass_nothing_on() -> None:
    shape = {"planes": 6, "satellites_per_plane": 8, "altitude_m": 1.2e6, "inclination_deg": 60}
    sky = ow.Constellation.walker(**shape)  # type: ignore[arg-type]
    stations = [ow.GroundStation("here", 45, 0), ow.GroundStation("there", 30, 60)]
    mesh = ow.Mesh(sky, stations, start=EPOCH, ground_link=ow.FixedLink(2e8))
    links = Links.of(mesh, 60.0)
    rows = mesh.links(60.0)
    assert len(links) == 2 * len(rows["first"])
    assert links.delay_s[: len(rows["first"])] == pytest.approx(rows["distance_m"] / 299792458.0)
    up = links.ground[links.source] | links.ground[links.target]
    assert (links.rate_bps[up] == 2e8).all()
    problem = BalanceProblem(mesh, [Traffic("here", "there", 1e8)], at_s=60.0)
    routing = solve_balance(problem, SolveOptions()).require()
    assert routing.violations() == ()
    # All goes through the station with fewer links, evenly.
    name = {station: links.node_names.index(station) for station in ("here", "there")}
    fewest = min((links.source == name["here"]).sum(), (links.target == name["there"]).sum())
    assert routing.highest_use == pytest.approx(0.5 / fewest, rel=1e-5)


def test_circles_are_left_out_of_paths() -> None:
    links = linked("abcd", ["ab", "bc", "cb", "bd"], [1e6] * 4)
    problem = BalanceProblem(links, [Traffic("a", "d", 10.0)])
    routing = BalancedRouting.of(problem, np.array([[10.0, 40.0, 40.0, 10.0]]))
    assert routing.load_bps.tolist() == [10, 0, 0, 10]
    # What a solver's tolerance leaves out is made up.
    short = BalancedRouting.of(problem, np.array([[9.99999, 0.0, 0.0, 9.99998]]))
    assert short.load_bps == pytest.approx([10, 0, 0, 10], rel=1e-12)
    none = BalancedRouting.of(problem, np.zeros((1, 4)))
    assert none.load_bps.tolist() == [10, 0, 0, 10]


def test_rows_with_the_same_ends_keep_their_own_rates() -> None:
    links = linked("abc", ["ab", "ac", "bc"], [1e6] * 3)
    rows = [Traffic("a", "c", 1e6), Traffic("b", "c", 1e5), Traffic("a", "c", 5e5)]
    routing = solve_balance(BalanceProblem(links, rows), SolveOptions()).require()
    assert routing.violations() == ()
    sent = np.bincount(routing.paths.traffic, weights=routing.paths.rate_bps)
    assert sent == pytest.approx([1e6, 1e5, 5e5])


def test_what_a_routing_breaks_is_told() -> None:
    links = linked("abgd", ["ab", "bd", "ag", "gd", "ba"], [1e6] * 5, "g")
    problem = BalanceProblem(links, [Traffic("a", "d", 10.0)], ground_relays=False)

    def told(*paths: tuple[list[int], float]) -> str:
        first = np.cumsum([0, *(len(way) for way, _ in paths)])
        link = [k for way, _ in paths for k in way]
        rates = np.array([rate for _, rate in paths])
        row = np.zeros(len(paths), dtype=np.int64)
        return "; ".join(
            BalancedRouting(problem, Paths(row, rates, first, np.array(link))).violations()
        )

    assert told(([0, 1], 10.0)) == ""
    assert "sent at 9 of 10" in told(([0, 1], 9.0))
    assert "below 0" in told(([0, 1], 11.0), ([0, 1], -1.0))
    assert "passes nothing on" in told(([2, 3], 10.0))
    assert "not a way from 'a'" in told(([1], 10.0))
    assert "does not end where it first arrives" in told(([0], 10.0))
    assert "twice" in told(([0, 4, 0, 1], 10.0))


def test_a_time_limit_leaves_a_routing_and_a_bound() -> None:
    problem = random_problem(3)
    best = solve_balance(problem, SolveOptions(method="links")).objective
    result = solve_balance(problem, SolveOptions(method="trees", time_limit_s=1e-6))
    assert result.require().violations() == ()
    assert result.bound <= best * (1 + 1e-9)
    assert result.objective >= best * (1 - 1e-9)
    assert result.reason is Reason.OPTIMAL or result.limit is Limit.TIME


@pytest.mark.slow
def test_a_large_mesh_with_twenty_targets_is_proven() -> None:
    planes, slots = 72, 22
    rng, node = np.random.default_rng(1), np.arange(planes * slots)
    plane, slot = node // slots, node % slots
    one = np.concatenate([node, node])
    ahead, aside = plane * slots + (slot + 1) % slots, (plane + 1) % planes * slots + slot
    two = np.concatenate([ahead, aside])
    rate = rng.uniform(5e9, 15e9, 2 * len(one))
    names = [f"sat-{k}" for k in node]
    links = Links(names, np.append(one, two), np.append(two, one), rate)
    ends = rng.choice(node, 20, replace=False)
    traffic = [
        Traffic(names[a], names[b], rng.uniform(2e8, 8e8)) for a in ends for b in ends if a != b
    ]
    problem = BalanceProblem(links, traffic)
    result = solve_balance(problem, SolveOptions(time_limit_s=300))
    assert result.reason is Reason.OPTIMAL
    assert result.objective < 0.6 * shortest_routing(problem, "hops").highest_use


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"traffic": []}, "at least one Traffic"),
        ({"traffic": [Traffic("a", "x", 1.0)]}, "target = 'x'"),
        ({"traffic": [Traffic("x", "a", 1.0)]}, "source = 'x'"),
        ({"traffic": [Traffic("a", "ground", 1.0)]}, "no node is on the ground"),
        ({"traffic": [Traffic("a", "a", 1.0)]}, "no target"),
        ({"traffic": ["a"]}, "a Traffic"),
        ({"at_s": np.nan}, "at_s = nan"),
        ({"until_s": 5.0}, "until_s = 5.0"),
        ({"ground_relays": "no"}, "ground_relays = 'no'"),
        ({"network": "plan"}, "network = 'str'"),
    ],
)
def test_bad_problems_are_named(change: dict[str, Any], words: str) -> None:
    links = linked("ab", ["ab"], [1e6])
    given: dict[str, Any] = {"network": links, "traffic": [Traffic("a", "b", 1.0)]}
    with pytest.raises(ow.InputError, match=words):
        BalanceProblem(**(given | change))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"target": [2]}, r"target\[0\] = 2"),
        ({"target": [0]}, "another node than the source"),
        ({"rate_bps": [0.0]}, r"rate_bps\[0\] = 0.0"),
        ({"delay_s": [-1.0]}, r"delay_s\[0\] = -1.0"),
        ({"rate_bps": [1.0, 2.0]}, "rate_bps shape"),
        ({"node_names": ["a", "a"]}, "every name once"),
    ],
)
def test_bad_links_are_named(change: dict[str, Any], words: str) -> None:
    given: dict[str, Any] = {"node_names": ["a", "b"], "source": [0], "target": [1]}
    given["rate_bps"] = [1e6]
    with pytest.raises(ow.InputError, match=words):
        Links(**(given | change))


def test_traffic_without_a_rate_is_named() -> None:
    with pytest.raises(ow.InputError, match="rate_bps = 0"):
        Traffic("a", "b", 0)
