"""Routes that touch every orbital plane against enumeration of walks and a plain search."""

from __future__ import annotations

import heapq
import math
import random
from datetime import UTC, datetime

import numpy as np
import pytest
import route_oracle as oracle
from hypothesis import given, settings
from hypothesis import strategies as st
from route_oracle import Row

import orbweave as ow
from orbweave.formulations.checks import InputError
from orbweave.formulations.contacts import Contact, ContactPlan, PlanNode
from orbweave.formulations.routing.plane_sets import across_seam, planes_missed
from orbweave.formulations.routing.planes import (
    touch_planes,
    touching_route,
    why_planes_are_missed,
)
from orbweave.formulations.routing.problem import RouteProblem
from orbweave.formulations.routing.solution import Route

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
Planes = list[int | None]


def plan_of(rows: list[Row], plane: Planes) -> ContactPlan:
    """The oracle's contacts as a plan; nodes are named a, b, c, ..., those of no plane ground."""
    return ContactPlan.from_contacts(
        [
            Contact(chr(97 + a), chr(97 + b), start, end, 8.0 * rate, delay)
            for a, b, start, end, rate, delay in rows
        ],
        epoch=EPOCH,
        nodes=[
            PlanNode(chr(97 + k), "ground" if number is None else "orbital", number)
            for k, number in enumerate(plane)
        ],
    )


def earliest_walk(
    rows: list[Row], plane: Planes, targets: set[int], volume: int, by: float
) -> oracle.Time | None:
    """By all walks from node 0 that come back to no node with nothing touched in between."""
    every = {number for number in plane if number is not None}
    seam = {min(every), max(every)} if len(every) > 2 else set()
    found: list[oracle.Time] = []

    def go(node: int, touched: frozenset[int], now: oracle.Time, seen: set[object]) -> None:
        if node in targets and touched == every:
            found.append(now)
            return
        for row in rows:
            if row.source != node or {plane[node], plane[row.target]} == seam:
                continue
            there = oracle.arrival([row], now, volume)
            number = plane[row.target]
            more = touched if number is None else touched | {number}
            if there is not None and there <= by and (row.target, more) not in seen:
                go(row.target, more, there, seen | {(row.target, more)})

    begin = frozenset() if plane[0] is None else frozenset({plane[0]})
    go(0, begin, 0, {(0, begin)})
    return min(found, default=None)


def check(rows: list[Row], plane: Planes, target: int | None, volume: int, by: float) -> int:
    """The walk found must arrive when the earliest does; how many contacts it takes."""
    plan = plan_of(rows, plane)
    targets = set(range(len(plane))) if target is None else {target}
    wanted = earliest_walk(rows, plane, targets, volume, by)
    name = None if target is None else chr(97 + target)
    found = touch_planes(plan, "a", name, volume_bytes=volume, arrive_by_s=by)
    if not found:
        assert wanted == (None if found is None else 0)
        return 0
    taken = [rows[k] for k in found]
    assert [row.source for row in taken] == [0] + [row.target for row in taken[:-1]]
    assert taken[-1].target in targets
    assert oracle.arrival(taken, 0, volume) == wanted
    touched = {plane[0]} | {plane[row.target] for row in taken}
    assert touched - {None} == set(plane) - {None}
    assert planes_missed(plan, found) == ()
    return len(found)


def world(seed: int, beside: bool) -> tuple[list[Row], Planes]:
    """A small plan; either links join planes next to each other only, or any, and ground, too."""
    rng = random.Random(seed)
    nodes, rows = rng.randint(3, 6), set[Row]()
    plane: Planes = [rng.choice([1, 2, 4, 7] if beside else [0, 1, 2, None]) for _ in range(nodes)]
    plane[rng.randrange(nodes)] = 2
    number = sorted({k for k in plane if k is not None})
    for _ in range(rng.randint(6, 18)):
        source, target = rng.sample(range(nodes), 2)
        ends = plane[source], plane[target]
        if beside and abs(number.index(ends[0] or 0) - number.index(ends[1] or 0)) > 1:
            continue
        start = rng.randint(0, 8)
        end, rate = start + rng.randint(1, 12), rng.choice([0, 1, 2, 4])
        rows.add(Row(source, target, start, end, rate, rng.randint(0, 2)))
    return rng.sample(sorted(rows), len(rows)), plane


@pytest.mark.parametrize("beside", [True, False])
def test_the_earliest_walk_is_that_of_enumeration(beside: bool) -> None:
    lengths = []
    for seed in range(600):
        rows, plane = world(seed, beside)
        rng = random.Random(seed)
        target = rng.choice([None, len(plane) - 1])
        lengths.append(
            check(rows, plane, target, rng.choice([0, 0, 4]), rng.choice([math.inf, 12]))
        )
    assert sum(length > 2 for length in lengths) > 50


ROWS = st.builds(
    lambda pair, start, length, delay: Row(pair[0], pair[1], start, start + length, 1, delay),
    st.permutations(range(5)).map(lambda order: order[:2]),
    st.integers(0, 4),
    st.integers(1, 12),
    st.integers(0, 2),
)
PLANES = st.lists(st.sampled_from([0, 1, 2, 3, None]), min_size=4, max_size=4)


@settings(deadline=None, derandomize=True)
@given(st.lists(ROWS, max_size=10, unique=True), PLANES, st.sampled_from([None, 4]))
def test_any_small_plan(rows: list[Row], plane: Planes, target: int | None) -> None:
    check(rows, [1, *plane], target, 0, math.inf)


def test_a_walk_may_come_back() -> None:
    # Planes 0 - 1 - 2, from the middle: to one side, back, to the other.
    rows = [Row(a, b, 0, 99, 1, 1) for a, b in ((0, 1), (1, 0), (0, 2), (2, 0))]
    plan = plan_of(rows, [1, 0, 2])
    assert touch_planes(plan, "a") in ((0, 1, 2), (2, 3, 0))
    problem = RouteProblem(plan, "a", "c", objective="touch_planes")
    route = touching_route(problem)
    assert route is not None
    assert (route.nodes, route.objective, route.violations()) == (("a", "b", "a", "c"), 3, ())
    assert planes_missed(plan, (0, 1)) == (2,)
    assert touch_planes(plan, "a", "a") in ((0, 1, 2, 3), (2, 3, 0, 1))


def test_the_seam_is_not_crossed() -> None:
    ring = [Row(a, (a + 1) % 4, 0, 99, 1, 1) for a in range(4)]
    ring += [Row((a + 1) % 4, a, 0, 99, 1, 1) for a in range(4)]
    plan = plan_of(ring, [0, 1, 2, 3])
    assert np.flatnonzero(across_seam(plan)).tolist() == [3, 7]
    assert touch_planes(plan, "b") == (4, 0, 1, 2)  # to plane 0, and back: not over the seam
    # Of two planes, both are lowest or highest: there is no seam between them.
    assert touch_planes(plan_of(ring[:1], [0, 5]), "a") == (0,)
    nowhere = plan_of([ring[0], ring[3], ring[7]], [0, 1, 2, 3])
    problem = RouteProblem(nowhere, "a", "d", objective="touch_planes")
    assert touching_route(problem) is None
    assert why_planes_are_missed(problem) == (
        "no route: no satellite of plane 2 is ever reached, not across the seam"
    )


def test_why_planes_are_missed() -> None:
    rows = [Row(0, 1, 0, 9, 1, 1), Row(1, 0, 5, 9, 1, 1), Row(0, 2, 3, 5, 1, 7)]
    line = plan_of(rows, [1, 0, 2])
    usual = RouteProblem(line, "a", "c", objective="touch_planes")
    assert why_planes_are_missed(usual) == (
        "no route: each plane can be reached, but no route touches all of them and then reaches 'c'"
    )
    assert "plane 2 is first reached at 10 s, after arrive_by_s = 8" in why_planes_are_missed(
        usual.replace(arrive_by_s=8)
    )
    back = plan_of([*rows, Row(0, 2, 7, 9, 1, 4)], [1, 0, 2])
    late = RouteProblem(back, "a", "c", objective="touch_planes", arrive_by_s=10.5)
    assert touching_route(late) is None
    assert why_planes_are_missed(late) == (
        "no route: a route that touches every plane arrives at the earliest at 11 s, "
        "after arrive_by_s = 10.5"
    )
    assert touching_route(late.replace(arrive_by_s=11)) is not None


def test_where_the_source_is_all_there_is() -> None:
    plan = plan_of([Row(0, 1, 0, 9, 1, 1)], [3, None])
    assert touch_planes(plan, "a") == ()
    assert touch_planes(plan, "a", "b") == (0,)
    assert touch_planes(plan, "b") is None
    assert touch_planes(plan, "a", depart_s=20, arrive_by_s=10) is None


def test_what_is_left_out_is_not_touched() -> None:
    rows = [Row(0, 1, 0, 9, 1, 1), Row(0, 2, 0, 9, 1, 2)]
    plan = plan_of(rows, [0, 1, 1])
    assert touch_planes(plan, "a") == (0,)
    assert touch_planes(plan, "a", without=[0]) == (1,)
    assert touch_planes(plan, "a", without=["b"]) == (1,)
    assert touch_planes(plan, "a", without=["b", 1]) is None


def test_too_many_planes_for_sets_are_an_error_that_says_what_to_do() -> None:
    def named(count: int, *extra: tuple[str, str]) -> ContactPlan:
        pairs = [(f"s{k}", f"s{k + 1}") for k in range(count - 1)] + list(extra)
        nodes = [PlanNode(f"s{k}", "orbital", k) for k in range(count)] + [PlanNode("g", "ground")]
        contacts = [Contact(a, b, 0, 99, 8, 1) for a, b in pairs]
        return ContactPlan.from_contacts(contacts, epoch=EPOCH, nodes=nodes)

    assert touch_planes(named(40, ("s39", "g")), "s0", "g") == tuple(range(40))
    assert touch_planes(named(16, ("s2", "s4")), "s0") == tuple(range(15))
    with pytest.raises(InputError, match="17: expected at most 16 where the link 's2' - 's4' skip"):
        touch_planes(named(17, ("s2", "s4")), "s0")
    relay = named(17, ("s2", "g"), ("g", "s9"))
    with pytest.raises(InputError, match="at most 16 where 'g', without a plane, passes bundles"):
        touch_planes(relay, "s0")
    assert touch_planes(relay, "s0", without=["g"]) == tuple(range(16))
    with pytest.raises(InputError, match="a plane, on one node at least"):
        touch_planes(plan_of([Row(0, 1, 0, 9, 1, 1)], [None, None]), "a")


def plain_tour(plan: ContactPlan, source: int, volume: float) -> float:
    """Earliest arrival over the planes of a star: a heap of plain labels, sets as Python's own."""
    rows = plan.arrays
    out: dict[int, list[int]] = {}
    for k, node in enumerate(rows["source"].tolist()):
        out.setdefault(node, []).append(k)
    plane = [node.plane for node in plan.nodes]
    every = frozenset(number for number in plane if number is not None)
    best: dict[tuple[int, frozenset[int | None]], float] = {}
    heap: list[tuple[float, int, int, frozenset[int | None]]] = [
        (0.0, 0, source, frozenset({plane[source]}))
    ]
    pushed = 0
    while heap:
        now, _, node, touched = heapq.heappop(heap)
        if every <= touched:
            return now
        if best.get((node, touched), math.inf) <= now:
            continue
        best[node, touched] = now
        for k in out.get(node, []):
            other = int(rows["target"][k])
            if {plane[node], plane[other]} == {min(every), max(every)}:
                continue
            done = max(now, float(rows["start_s"][k])) + volume * 8 / float(rows["rate_bps"][k])
            if done > rows["end_s"][k]:
                continue
            pushed += 1
            there = done + float(rows["delay_s"][k])
            heapq.heappush(heap, (there, pushed, other, touched | {plane[other]} - {None}))
    return math.inf


@pytest.mark.parametrize("stations", [False, True])
def test_four_planes_of_a_star(stations: bool) -> None:
    star = ow.Constellation.walker(
        "star", planes=4, satellites_per_plane=6, altitude_m=1500e3, inclination_deg=88
    )
    plan = ow.contact_plan(
        star,
        [ow.GroundStation("pole", 78.2, 15.4), ow.GroundStation("south", -52.9, -70.8)][
            : 2 * stations
        ],
        start=EPOCH,
        duration_s=7200,
        links=ow.GroundLinks(ow.FixedLink(1e8), ow.FixedLink(1e8)),
        isl=ow.IslTopology(link=ow.FixedLink(1e9)),
        eclipses=False,
    )
    for source in (0, 7, 20):
        found = touch_planes(plan, plan.node_names[source], volume_bytes=1e6)
        assert found is not None
        last = plan.node_names[plan.arrays["target"][found[-1]]]
        problem = RouteProblem(plan, plan.node_names[source], last, volume_bytes=1e6)
        route = Route.along(problem, found)
        assert route.violations() == ()
        assert not across_seam(plan)[list(found)].any()
        planes = {plan.nodes[plan.index(name)].plane for name in route.nodes} - {None}
        assert planes == {0, 1, 2, 3}
        assert route.arrival_s == plain_tour(plan, source, 1e6)
