"""Route logs against networkx and dynamic programming, the state of a mesh against networkx."""

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
from orbweave.formulations.routing.light_time import mesh_bound_s
from orbweave.formulations.routing.mesh import Mesh
from orbweave.formulations.routing.mesh_state import COLUMNS, mesh_state
from orbweave.formulations.routing.route_changes import route_changes
from orbweave.formulations.routing.snapshots import snapshot_paths
from orbweave.formulations.routing.watch import REASONS

START = datetime(2026, 1, 1, tzinfo=UTC)
SHELL = ow.Constellation.walker(
    planes=8, satellites_per_plane=9, altitude_m=1200e3, inclination_deg=60, phasing=3
)
SITES = (
    ow.GroundStation("Quito", -0.2, -78.5, 2800.0),
    ow.GroundStation("Oslo", 59.9, 10.7, min_elevation_deg=25.0),
    ow.GroundStation("Dhaka", 23.8, 90.4, min_elevation_deg=5.0),
)
MESH = Mesh(SHELL, SITES, start=START)


def plan_of(rows: Any, **kinds: str | None) -> Any:
    contacts = [ow.Contact(*row) for row in rows]
    return ow.ContactPlan.from_contacts(contacts, epoch=START, nodes=kinds or None)


def random_plan(seed: int, nodes: int = 6, contacts: int = 30) -> Any:
    """Whole times up to 30, some contacts parallel, some that touch, some of rate or delay 0."""
    rng = np.random.default_rng(seed)
    names = [f"n{k}" for k in range(nodes)]
    rows: set[Any] = set()
    while len(rows) < contacts:
        a, b = rng.choice(nodes, size=2, replace=False)
        start = int(rng.integers(0, 24))
        end = start + int(rng.integers(1, 12))
        rate, delay = (
            float(rng.choice([0.0, 1e6, 1e8])),
            float(rng.choice([0.0, 0.25, rng.uniform()])),
        )
        rows.add((names[a], names[b], start, end, rate, delay))
    kinds = {name: "ground" if k < 2 else "orbital" for k, name in enumerate(names)}
    return plan_of(sorted(rows), **kinds)


def graph_at(plan: Any, time: float, weight: str = "delay", relays: bool = True) -> nx.DiGraph:
    graph = nx.DiGraph()
    graph.add_nodes_from(plan.node_names)
    kind = {node.name: node.kind for node in plan.nodes}
    for row in plan.contacts:
        if not row.start_s <= time < row.end_s:
            continue
        if not relays and kind[row.source] == "ground" and row.source != "n0":
            continue
        value = {"delay": row.delay_s, "hops": 1.0}.get(weight)
        if value is None:
            if not row.rate_bps:
                continue
            value = 1 / row.rate_bps
        old = graph.get_edge_data(row.source, row.target, {"weight": math.inf, "delay": math.inf})
        graph.add_edge(
            row.source,
            row.target,
            weight=min(old["weight"], value),
            delay=min(old["delay"], row.delay_s),
        )
    return graph


def length(graph: nx.DiGraph, path: tuple[str, ...], key: str = "weight") -> float:
    if not path or not all(graph.has_edge(*link) for link in pairwise(path)):
        return math.inf
    return float(sum(graph.edges[link][key] for link in pairwise(path)))


def shortest(graph: nx.DiGraph) -> float:
    try:
        return float(nx.dijkstra_path_length(graph, "n0", "n5"))
    except nx.NetworkXNoPath:
        return math.inf


# -- logs over plans ------------------------------------------------------------------------------
@settings(deadline=None, derandomize=True, max_examples=40)
@given(
    seed=st.integers(0, 10**6),
    weight=st.sampled_from(["delay", "hops", "inverse_rate"]),
    relays=st.sampled_from([None, False]),
)
def test_a_log_has_the_shortest_path_at_each_moment(
    seed: int, weight: str, relays: bool | None
) -> None:
    plan = random_plan(seed)
    log = route_changes(plan, "n0", "n5", start_s=2, end_s=28, weight=weight, ground_relays=relays)
    assert log["start_s"][0] == 2
    assert log["end_s"][-1] == 28
    assert (log["start_s"][1:] == log["end_s"][:-1]).all()
    assert all(a != b for a, b in pairwise(log.paths))
    delays: dict[int, list[float]] = {}
    for time in np.arange(2.25, 28, 0.5):
        graph = graph_at(plan, time, weight, relays is None)
        path = log.path(time)
        assert length(graph, path) == pytest.approx(shortest(graph), rel=1e-12)
        delays.setdefault(log.paths.index(path), []).append(length(graph, path, "delay"))
    for k, path in enumerate(log.paths):
        if path and log.paths.count(path) == 1:
            assert log["delay_min_s"][k] == pytest.approx(min(delays[k]))
            assert log["delay_mean_s"][k] == pytest.approx(np.mean(delays[k]))
            assert log["delay_max_s"][k] == pytest.approx(max(delays[k]))
            assert log["hops"][k] == len(path) - 1
    for change in log.changes:
        graph = graph_at(plan, change.at_s, weight, relays is None)
        old = length(graph, change.before)
        if not change.before:
            assert change.reason == "way found"
        elif math.isinf(old):
            assert change.reason == "link lost"
        else:
            assert change.reason == "shorter way"
            assert length(graph, change.after) < old
        before, after = set(pairwise(change.before)), set(pairwise(change.after))
        assert set(change.lost) == before - after
        assert set(change.gained) == after - before
        both = bool(change.before and change.after)
        assert change.handover_source == (both and change.before[1] != change.after[1])
        assert not change.handover_target  # n5 is no station


def least_paths(plan: Any, times: list[float]) -> int:
    """Fewest paths in use, one whenever there is one: over all simple paths at all moments."""
    best: dict[tuple[str, ...], float] = {(): 0}
    for time in times:
        graph = graph_at(plan, time)
        there = [tuple(path) for path in nx.all_simple_paths(graph, "n0", "n5")] or [()]
        fewest = min(best.values())
        best = {path: min(best.get(path, math.inf), fewest + bool(path)) for path in there}
    return int(min(best.values()))


@settings(deadline=None, derandomize=True, max_examples=40)
@given(seed=st.integers(0, 10**6))
def test_the_longest_lasting_rule_changes_least(seed: int) -> None:
    plan = random_plan(seed)
    log = route_changes(plan, "n0", "n5", start_s=0, end_s=30, rule="longest_lasting")
    times = [k + 0.5 for k in range(30)]
    used = sum(bool(path) for path in log.paths)
    assert used == least_paths(plan, times)
    for time in times:
        graph = graph_at(plan, time)
        assert bool(log.path(time)) == nx.has_path(graph, "n0", "n5")
        assert not log.path(time) or math.isfinite(length(graph, log.path(time)))
    assert {change.reason for change in log.changes} <= {"link lost", "way found"}
    always = route_changes(plan, "n0", "n5", start_s=0, end_s=30)
    assert used <= sum(bool(path) for path in always.paths)


def test_of_paths_that_last_equally_long_the_shortest_is_taken() -> None:
    plan = plan_of(
        [
            ("a", "b", 0, 50, 1e6, 0.3),
            ("b", "d", 0, 90, 1e6, 0.3),
            ("a", "c", 0, 70, 1e6, 0.1),
            ("c", "d", 0, 50, 1e6, 0.2),
            ("a", "d", 0, 10, 1e6, 0.0),
        ]
    )
    log = route_changes(plan, "a", "d", start_s=0, end_s=60, rule="longest_lasting")
    assert log.paths == (("a", "c", "d"), ())
    (change,) = log.changes
    assert (change.at_s, change.reason, change.after) == (50.0, "link lost", ())
    assert change.lost == (("a", "c"), ("c", "d"))
    assert log.available_share == pytest.approx(5 / 6)
    assert log.delay_mean_s == pytest.approx(0.3)
    # Beyond the window all last equally long.
    short = route_changes(plan, "a", "d", start_s=0, end_s=9, rule="longest_lasting")
    assert short.paths == (("a", "d"),)


def test_a_contact_that_takes_over_keeps_the_path() -> None:
    rows = [("a", "b", 0, 10, 1e6, 0.2), ("a", "b", 10, 20, 1e6, 0.4), ("a", "b", 15, 30, 1e6, 0.1)]
    for rule in ("shortest", "longest_lasting"):
        log = route_changes(plan_of(rows), "a", "b", start_s=0, end_s=30, rule=rule)
        assert log.paths == (("a", "b"),)
        assert log["delay_mean_s"][0] == pytest.approx((10 * 0.2 + 5 * 0.4 + 15 * 0.1) / 30)
        assert log["stretch_max"][0] == pytest.approx(4.0)
        assert log["stretch_min"][0] == pytest.approx(1.0)


def test_of_equally_short_paths_the_one_in_use_stays() -> None:
    rows = [
        ("a", "b", 0, 30, 1e6, 0.1),
        ("b", "d", 0, 30, 1e6, 0.2),
        ("a", "c", 5, 40, 1e6, 0.2),
        ("c", "d", 5, 40, 1e6, 0.1),
    ]
    log = route_changes(plan_of(rows), "a", "d", start_s=0, end_s=40)
    assert log.paths == (("a", "b", "d"), ("a", "c", "d"))
    assert log.changes[0].at_s == 30.0


def test_the_bound_of_a_plan_is_its_best_links_together() -> None:
    rows = [
        ("a", "b", 0, 10, 1e6, 0.5),
        ("a", "b", 10, 20, 1e6, 0.1),
        ("b", "c", 0, 10, 1e6, 0.1),
        ("b", "c", 10, 20, 1e6, 0.7),
        ("b", "c", 50, 60, 1e6, 0.0),
    ]
    log = route_changes(plan_of(rows), "a", "c", start_s=0, end_s=20)
    assert log["stretch_min"][0] == pytest.approx(0.6 / 0.2)
    assert log["stretch_max"][0] == pytest.approx(0.8 / 0.2)


# -- logs over a mesh -----------------------------------------------------------------------------
def test_a_log_over_a_mesh_is_its_snapshots() -> None:
    times = np.arange(0.0, 1500.0, 10.0)
    log = route_changes(MESH, "Quito", "Dhaka", start_s=0, end_s=1500, step_s=10)
    found = snapshot_paths(MESH, times, "Quito", "Dhaka")
    bound = mesh_bound_s(MESH, "Quito", "Dhaka", times)
    assert (bound <= found.distance[:, 0, 0]).all()
    stretch = found.distance[:, 0, 0] / bound
    for k in range(len(log)):
        mine = (log["start_s"][k] <= times) & (times < log["end_s"][k])
        values = found.distance[mine, 0, 0]
        if log.paths[k]:
            assert log["delay_min_s"][k] == pytest.approx(values.min(), rel=1e-12)
            assert log["delay_mean_s"][k] == pytest.approx(values.mean(), rel=1e-12)
            assert log["delay_max_s"][k] == pytest.approx(values.max(), rel=1e-12)
            assert log["stretch_mean"][k] == pytest.approx(stretch[mine].mean(), rel=1e-12)
        else:
            assert np.isinf(values).all()
            assert np.isnan(log["delay_mean_s"][k])
        assert {found.path(int(m), "Quito", "Dhaka") for m in np.flatnonzero(mine)} == {
            log.paths[k]
        }
    assert len(log) > 3
    both = [(a, b) for a, b in pairwise(log.paths) if a and b]
    assert log.handovers[0] == sum(a[1] != b[1] for a, b in both)
    assert log.handovers[1] == sum(a[-2] != b[-2] for a, b in both)
    assert sum(log.handovers) > 1
    for change in log.changes:
        step = int(change.at_s / 10)
        if change.after:
            assert change.delay_after_s == pytest.approx(found.distance[step, 0, 0], rel=1e-12)
            assert change.stretch_after == pytest.approx(stretch[step], rel=1e-12)
        if change.before:
            assert change.delay_before_s == pytest.approx(found.distance[step - 1, 0, 0], rel=1e-12)
            assert change.stretch_before == pytest.approx(stretch[step - 1], rel=1e-12)


def test_paths_that_last_over_a_mesh_are_those_of_a_plan_of_its_steps() -> None:
    """The plan has a contact for every stretch of steps at which a link stands."""
    times = np.arange(0.0, 1800.0, 20.0)
    names = MESH.node_names
    since: dict[tuple[int, int], float] = {}
    rows = []
    for time in (*times.tolist(), None):
        links: set[tuple[int, int]] = set()
        if time is not None:
            found = MESH.links(time)
            one, two = found["first"].tolist(), found["second"].tolist()
            links = {*zip(one, two, strict=True), *zip(two, one, strict=True)}
        for link in set(since) - links:
            end = 1800.0 if time is None else time
            rows.append((names[link[0]], names[link[1]], since.pop(link), end, 1e6, 0.0))
        if time is not None:
            since |= dict.fromkeys(links - set(since), time)
    kinds = {name: "ground" if name in ("Quito", "Oslo", "Dhaka") else "orbital" for name in names}
    plan = plan_of(rows, **kinds)
    window: dict[str, Any] = {"start_s": 0, "end_s": 1800, "rule": "longest_lasting"}
    ours = route_changes(MESH, "Quito", "Dhaka", step_s=20, **window)
    wanted = route_changes(plan, "Quito", "Dhaka", ground_relays=False, **window)
    assert [c.at_s for c in ours.changes] == [c.at_s for c in wanted.changes]
    assert len(ours.changes) > 0
    assert {c.reason for c in ours.changes} <= {"link lost", "way found"}
    often = route_changes(MESH, "Quito", "Dhaka", step_s=20, start_s=0, end_s=1800)
    assert len(ours.changes) < len(often.changes)
    assert ours.delay_mean_s > often.delay_mean_s


def test_without_a_path_there_is_a_log_all_the_same() -> None:
    bare = Mesh(SHELL, SITES, start=START, isl=None)
    for rule in ("shortest", "longest_lasting"):
        log = route_changes(bare, "Quito", "Dhaka", start_s=0, end_s=100, step_s=50, rule=rule)
        assert log.paths == ((),)
        assert log.available_share == 0.0
        assert math.isnan(log.delay_mean_s)
        assert json.loads(json.dumps(log.to_dict()))["intervals"][0]["delay_mean_s"] is None
        assert "none" in log._repr_html_()


def test_a_log_tells_itself() -> None:
    shares: list[float] = []
    log = route_changes(
        MESH,
        "Quito",
        "Dhaka",
        start_s=0,
        end_s=300,
        step_s=30,
        rule="longest_lasting",
        on_progress=shares.append,
    )
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    plain = json.loads(json.dumps(log.to_dict()))
    assert [tuple(row["path"]) for row in plain["intervals"]] == list(log.paths)
    assert [row["reason"] for row in plain["changes"]] == [c.reason for c in log.changes]
    rows = log.rows()
    assert [row["path"] for row in rows] == list(log.paths)
    assert rows[0]["reason"] is None
    assert all(row["reason"] in REASONS for row in rows[1:])
    assert rows[-1]["end_s"] == 300.0
    assert "Quito to Dhaka" in log._repr_html_()
    assert "longest_lasting" in repr(log)
    assert not log["start_s"].flags.writeable
    with pytest.raises(ow.InputError, match="did you mean 'delay_min_s'"):
        log["delay_min"]
    with pytest.raises(ow.InputError, match="expected a time from 0 to below 300"):
        log.path(300.0)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"network": 3}, "route_changes.network = 'int'"),
        ({"source": "Quita"}, "did you mean 'Quito'?"),
        ({"target": "Dakka"}, "did you mean 'Dhaka'?"),
        ({"target": "Quito"}, "expected another node than the source"),
        ({"end_s": 0.0}, "route_changes.end_s = 0.0: expected an end after start_s = 0"),
        ({"start_s": math.nan}, "route_changes.start_s"),
        ({"step_s": 0}, "route_changes.step_s = 0"),
        ({"weight": "delays"}, "did you mean 'delay'?"),
        ({"weight": "inverse_rate"}, "Mesh.ground_link = None"),
        ({"rule": "long_lasting"}, "did you mean 'longest_lasting'?"),
        ({"ground_relays": 1}, "route_changes.ground_relays = 1"),
        ({"on_progress": 1}, "route_changes.on_progress = 1"),
    ],
)
def test_questions_about_routes_that_make_no_sense(fields: dict[str, Any], message: str) -> None:
    question = {"network": MESH, "source": "Quito", "target": "Dhaka", "start_s": 0.0, "end_s": 9.0}
    with pytest.raises(ow.InputError) as error:
        route_changes(**{**question, **fields})
    assert message in str(error.value)


# -- the state of a mesh --------------------------------------------------------------------------
def expected_state(graph: nx.DiGraph, ends: set[str]) -> dict[str, Any]:
    """All columns by networkx; nodes in `ends` are no relays."""
    both = nx.Graph(graph)
    active = [node for node in both if both.degree(node)]
    pieces = list(nx.connected_components(both.subgraph(active)))
    degrees = [both.degree(node) for node in active]
    hops, delays = [], []
    for source in graph:
        mute = [edge for edge in graph.edges if edge[0] in ends - {source}]
        view = nx.restricted_view(graph, [], mute)
        mine = nx.single_source_shortest_path_length(view, source)
        hops += [value for node, value in mine.items() if node != source]
        far = nx.single_source_dijkstra_path_length(view, source, weight="delay")
        delays += [value for node, value in far.items() if node != source]
    count = len(graph)
    return {
        "active_nodes": len(active),
        "active_links": both.number_of_edges(),
        "components": len(pieces),
        "largest_component": max(map(len, pieces), default=0),
        "degree_min": min(degrees, default=math.nan),
        "degree_mean": np.mean(degrees) if degrees else math.nan,
        "degree_max": max(degrees, default=math.nan),
        "reachable_share": len(hops) / (count * (count - 1)),
        "diameter_hops": max(hops, default=math.nan),
        "mean_hops": np.mean(hops) if hops else math.nan,
        "diameter_s": max(delays, default=math.nan),
        "mean_delay_s": np.mean(delays) if hops else math.nan,
    }


@settings(deadline=None, derandomize=True, max_examples=40)
@given(seed=st.integers(0, 10**6), contacts=st.integers(1, 30), relays=st.booleans())
def test_the_state_of_a_plan_is_that_of_networkx(seed: int, contacts: int, relays: bool) -> None:
    plan = random_plan(seed, contacts=contacts)
    times = [-5.0, 3.5, 3.6, 20.5, 11.5]
    found = mesh_state(plan, times, ground_relays=relays)
    ends = set() if relays else {"n0", "n1"}
    for k, time in enumerate(times):
        wanted = expected_state(graph_at(plan, time), ends)
        assert set(found.arrays) == set(wanted)
        for name, value in wanted.items():
            assert found[name][k] == pytest.approx(value, rel=1e-9, nan_ok=True), name


def test_the_state_of_a_mesh_is_that_of_networkx() -> None:
    times = [0.0, 700.0, 1400.0]
    shares: list[float] = []
    found = mesh_state(MESH, times, on_progress=shares.append)
    assert shares == pytest.approx([1 / 3, 2 / 3, 1])
    names = MESH.node_names
    for k, time in enumerate(times):
        links = MESH.links(time)
        graph = nx.DiGraph()
        graph.add_nodes_from(names)
        for i, j, far in zip(links["first"], links["second"], links["distance_m"], strict=True):
            graph.add_edge(names[i], names[j], delay=far / 299792458)
            graph.add_edge(names[j], names[i], delay=far / 299792458)
        for name, value in expected_state(graph, {row.name for row in SITES}).items():
            assert found[name][k] == pytest.approx(value, rel=1e-9), name
    some = mesh_state(MESH, times, sources=["Quito", "Oslo"])
    paths = snapshot_paths(MESH, times, ["Quito", "Oslo"])
    known = np.where(np.isfinite(paths.distance), paths.distance, 0.0)
    assert some["diameter_s"] == pytest.approx(known.max(axis=(1, 2)), rel=1e-12)
    assert (some["active_links"] == found["active_links"]).all()


def test_a_state_tells_itself() -> None:
    found = mesh_state(random_plan(3), [-1.0, 10.0])
    plain = json.loads(json.dumps(found.to_dict()))
    assert plain["mean_delay_s"][0] is None
    assert plain["active_links"] == found["active_links"].tolist()
    assert [row["time_s"] for row in found.rows()] == [-1.0, 10.0]
    assert all(name in found._repr_html_() for name in COLUMNS)
    assert repr(found) == "MeshState(2 times, 6 nodes)"
    with pytest.raises(ow.InputError, match="did you mean 'diameter_s'"):
        found["diameter"]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"network": 3}, "mesh_state.network = 'int'"),
        ({"times": []}, "mesh_state.times = []"),
        ({"times": "now"}, "mesh_state.times = 'now'"),
        ({"sources": ["Quita"]}, "did you mean 'Quito'?"),
        ({"sources": ["Quito", "Quito"]}, "every name once"),
        ({"sources": []}, "mesh_state.sources = []"),
        ({"ground_relays": 1}, "mesh_state.ground_relays = 1"),
        ({"on_progress": 1}, "mesh_state.on_progress = 1"),
    ],
)
def test_questions_about_states_that_make_no_sense(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ow.InputError) as error:
        mesh_state(**{"network": MESH, "times": [0.0], **fields})
    assert message in str(error.value)
