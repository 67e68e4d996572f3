"""Disjoint pairs of routes against enumeration of all pairs, and why there are none."""

from __future__ import annotations

import math
import random
from itertools import combinations
from typing import Any

import networkx as nx
import pytest
import route_oracle as oracle
from hypothesis import given, settings
from hypothesis import strategies as st
from route_oracle import Row
from route_plans import EPOCH, plan_of

from orbweave.formulations.checks import InputError
from orbweave.formulations.contacts import Contact, ContactPlan
from orbweave.formulations.routing.disjoint import disjoint_pair, in_common
from orbweave.formulations.routing.pair_search import PairAnswer
from orbweave.formulations.routing.problem import RouteProblem
from orbweave.formulations.routing.solution import Route

KINDS = ("link", "node")


def links(rows: list[Row], path: list[int]) -> set[frozenset[int]]:
    return {frozenset((rows[k].source, rows[k].target)) for k in path}


def inner(rows: list[Row], path: list[int]) -> set[int]:
    return {rows[k].target for k in path[:-1]}


def least_pair(rows: list[Row], problem: RouteProblem) -> tuple[float, float] | None:
    """Sum and earlier arrival of the best of all pairs."""
    targets = [int(k) for k in problem.targets]
    volume, depart = int(problem.volume_bytes), int(problem.depart_s)
    found = []
    everything = oracle.routes(rows, 0, targets, depart, volume, problem.arrive_by_s)
    for (one, _, path), (other, _, beside) in combinations(everything, 2):
        if links(rows, path) & links(rows, beside):
            continue
        if problem.disjoint == "node" and inner(rows, path) & inner(rows, beside):
            continue
        first, second = sorted([float(one.arrival), float(other.arrival)])
        found.append((first + second, first))
    return min(found, default=None)


def check(rows: list[Row], problem: RouteProblem) -> PairAnswer:
    """The pair found must be worth what the best of all pairs is."""
    wanted, answer = least_pair(rows, problem), disjoint_pair(problem)
    assert answer.proven
    if wanted is None:
        assert answer.routes is None
        assert math.isinf(answer.sum_s)
        assert answer.reason
        return answer
    assert answer.routes is not None
    assert answer.bound_s == answer.sum_s
    first, second = (Route.along(problem, contacts) for contacts in answer.routes)
    assert not first.violations() + second.violations()
    paths = [list(contacts) for contacts in answer.routes]
    assert not links(rows, paths[0]) & links(rows, paths[1])
    if problem.disjoint == "node":
        assert not inner(rows, paths[0]) & inner(rows, paths[1])
    assert (first.arrival_s + second.arrival_s, first.arrival_s) == wanted
    assert answer.sum_s == wanted[0]
    return answer


def world(seed: int) -> tuple[list[Row], RouteProblem]:
    """A small plan with many routes, in whole seconds."""
    rng = random.Random(seed)
    nodes, rows = rng.randint(4, 6), set[Row]()
    for _ in range(rng.randint(8, 22)):
        source, target = rng.sample(range(nodes), 2)
        start = rng.randint(0, 8)
        end, rate = start + rng.randint(1, 9), rng.choice([1, 2, 4])
        rows.add(Row(source, target, start, end, rate, rng.randint(0, 3)))
    listed = rng.sample(sorted(rows), len(rows))
    ground = (nodes - 1, nodes - 2) if rng.random() < 0.3 else ()
    problem = RouteProblem(
        plan_of(listed, nodes, ground),
        "a",
        "ground" if ground else chr(96 + nodes),
        volume_bytes=rng.choice([0, 0, 4]),
        arrive_by_s=rng.choice([math.inf, 12]),
        disjoint=rng.choice(KINDS),
        k=2,
    )
    return listed, problem


def test_the_best_pair_is_that_of_enumeration() -> None:
    answers = [check(*world(seed)) for seed in range(500)]
    pairs = [answer for answer in answers if answer.routes]
    assert len(pairs) > 150
    assert any(answer.searched > 1 for answer in pairs)


ROWS = st.builds(
    lambda pair, start, length, delay: Row(pair[0], pair[1], start, start + length, 1, delay),
    st.permutations(range(5)).map(lambda order: order[:2]),
    st.integers(0, 4),
    st.integers(1, 12),
    st.integers(0, 3),
)


@settings(deadline=None, derandomize=True)
@given(st.lists(ROWS, min_size=4, max_size=16, unique=True), st.sampled_from(KINDS))
def test_any_small_plan_gives_its_best_pair(rows: list[Row], kind: str) -> None:
    check(rows, RouteProblem(plan_of(rows, 5), "a", "e", k=2, disjoint=kind))


@pytest.mark.parametrize("kind", KINDS)
def test_on_links_that_always_stand_it_is_a_flow_of_least_cost(kind: str) -> None:
    rng, searched = random.Random(5), 0
    for _ in range(10):
        grid, contacts, flow = nx.grid_2d_graph(6, 6), [], nx.DiGraph()
        names = {node: f"n{node[0]}{node[1]}" for node in grid}
        for name in names.values():
            through = 1 if kind == "node" and name not in ("n00", "n55") else 2
            flow.add_edge((name, "in"), (name, "out"), weight=0, capacity=through)
        for one, other in grid.edges:
            delay = rng.randint(1, 9)
            for a, b in ((names[one], names[other]), (names[other], names[one])):
                contacts.append(Contact(a, b, 0, 1000, 8, delay))
                flow.add_edge((a, "out"), (b, "in"), weight=delay, capacity=1)
        flow.nodes["n00", "in"]["demand"], flow.nodes["n55", "out"]["demand"] = -2, 2
        plan = ContactPlan.from_contacts(contacts, epoch=EPOCH)
        answer = disjoint_pair(RouteProblem(plan, "n00", "n55", k=2, disjoint=kind))
        assert answer.proven
        assert answer.sum_s == nx.min_cost_flow_cost(flow)
        searched += answer.searched
    assert searched > 10  # more than the earliest route was looked at


def problem_of(*contacts: tuple[Any, ...], kind: str = "node", **changes: Any) -> RouteProblem:
    """From a to z over contacts (source, target, start, end, delay)."""
    rows = [Contact(a, b, start, end, 8, delay) for a, b, start, end, delay in contacts]
    plan = ContactPlan.from_contacts(rows, epoch=EPOCH)
    return RouteProblem(plan, "a", "z", k=2, disjoint=kind, **changes)


def test_the_earliest_route_may_have_to_give_way() -> None:
    # Alone a-b-c-z is first, but it leaves no other way: the pair is a-b-z and a-c-z.
    problem = problem_of(
        ("a", "b", 0, 90, 1),
        ("b", "c", 0, 90, 1),
        ("c", "z", 0, 90, 1),
        ("a", "c", 0, 90, 9),
        ("b", "z", 0, 90, 9),
    )
    answer = disjoint_pair(problem)
    assert answer.routes is not None
    assert {frozenset(pair) for pair in [answer.routes]} == {frozenset([(0, 4), (3, 2)])}
    assert answer.sum_s == 20
    assert answer.searched == 2


def test_directions_of_one_link_and_its_contacts_count_as_one() -> None:
    twice = problem_of(("a", "z", 0, 9, 1), ("a", "z", 20, 29, 1))
    assert disjoint_pair(twice).reason == (
        "no pair: every route takes the link between 'a' and 'z'"
    )
    back = [("a", "b", 0, 9, 1), ("b", "c", 0, 9, 1), ("c", "z", 0, 9, 1), ("a", "c", 0, 9, 1)]
    both = problem_of(*back, ("c", "b", 0, 9, 1), ("b", "z", 0, 9, 1), kind="link")
    answer = disjoint_pair(both)
    assert answer.sum_s == 4  # a-b-z and a-c-z
    assert in_common(both, (0, 1, 2), (3, 4, 5)) == ("the link 'b' - 'c'",)
    assert in_common(both.replace(disjoint="node"), (0, 1, 2), (3, 4, 5)) == (
        "the link 'b' - 'c'",
        "node 'b'",
        "node 'c'",
    )
    assert in_common(both, *(answer.routes or ())) == ()


def test_what_every_route_passes_is_named() -> None:
    neck = [("a", "b", 0, 9, 1), ("a", "c", 0, 9, 2), ("b", "m", 0, 9, 1), ("c", "m", 0, 9, 1)]
    past = [("m", "d", 0, 9, 1), ("m", "e", 0, 9, 1), ("d", "z", 0, 9, 1), ("e", "z", 0, 9, 1)]
    assert disjoint_pair(problem_of(*neck, *past)).reason == "no pair: every route passes 'm'"
    shared = disjoint_pair(problem_of(*neck, *past, kind="link"))
    assert shared.sum_s == 4 + 5  # no link is shared: the node may be
    one = problem_of(*neck, ("m", "z", 0, 9, 1), kind="link")
    assert disjoint_pair(one).reason == "no pair: every route takes the link between 'm' and 'z'"
    none = disjoint_pair(problem_of(("a", "b", 0, 9, 1), ("b", "z", 0, 1, 1)))
    assert none.reason.startswith("no route: contacts on every way")


# Routes any two of which meet, though nothing is in all of them: what no network that stands still
# can do (Kempe, Kleinberg, Kumar). a-b-c-d, a-b-d and a-c-b-d; and a-b-c-z, a-b-d-z, a-c-d-z.
CROSSING = {
    "link": [
        ("a", "b", 3, 4, 0),
        ("b", "c", 3, 4, 0),
        ("c", "z", 4, 5, 0),
        ("a", "c", 6, 7, 0),
        ("c", "b", 6, 7, 0),
        ("b", "z", 7, 8, 0),
    ],
    "node": [
        ("a", "b", 3, 4, 0),
        ("b", "c", 3, 4, 0),
        ("c", "z", 3, 4, 1),
        ("a", "c", 4, 5, 0),
        ("c", "d", 4, 5, 0),
        ("b", "d", 7, 8, 0),
        ("d", "z", 7, 8, 0),
    ],
}


@pytest.mark.parametrize("kind", KINDS)
def test_routes_over_time_may_all_cross_without_anything_in_all_of_them(kind: str) -> None:
    problem = problem_of(*CROSSING[kind], kind=kind)
    graph = nx.DiGraph((row[0], row[1]) for row in CROSSING[kind])
    connectivity = nx.node_connectivity if kind == "node" else nx.edge_connectivity
    assert connectivity(graph, "a", "z") == 2
    answer = disjoint_pair(problem)
    assert answer.proven
    assert answer.routes is None
    assert answer.reason == (
        f"no pair: no {kind} is part of every route, but any two routes have a {kind} in common"
    )


@pytest.mark.parametrize("kind", KINDS)
def test_a_search_that_is_stopped_bounds_what_it_left(kind: str) -> None:
    unfinished = 0
    for seed in range(200):
        _, problem = world(seed)
        problem = problem.replace(disjoint=kind)
        whole = disjoint_pair(problem)
        for most in (0, 1, 2):
            part = disjoint_pair(problem, most_routes=most)
            assert part.searched <= most
            assert part.bound_s <= whole.sum_s <= part.sum_s
            assert bool(part.reason) == (part.routes is None)
            unfinished += not part.proven
    assert unfinished > 20
    ready = RouteProblem(
        plan_of([Row(0, 1, 0, 9, 1, 1), Row(0, 2, 0, 9, 1, 1), Row(1, 2, 0, 9, 1, 1)], 3),
        "a",
        "c",
        k=2,
        disjoint=kind,
    )
    stopped = disjoint_pair(ready, time_limit_s=0)
    assert (stopped.searched, stopped.routes, stopped.bound_s) == (0, None, 2)
    assert stopped.reason == "no pair: none found with the first 0 routes looked at"


def test_it_must_be_said_what_may_not_be_shared() -> None:
    plan = plan_of([Row(0, 1, 0, 5, 1, 1)], 2)
    with pytest.raises(InputError, match=r"RouteProblem\.disjoint = None: expected one of 'link'"):
        disjoint_pair(RouteProblem(plan, "a", "b"))
