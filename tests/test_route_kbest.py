"""The k best routes in order against enumeration, a published list, and the first route alone."""

from __future__ import annotations

import random
from itertools import islice
from pathlib import Path

import pytest
import route_oracle as oracle
from hypothesis import given, settings
from hypothesis import strategies as st
from route_oracle import Row
from route_plans import EPOCH, plan_of

from orbweave.adapters import read_contact_plan
from orbweave.formulations.contacts import Contact, ContactPlan
from orbweave.formulations.routing.kbest import k_best, routes_in_order
from orbweave.formulations.routing.objectives import earliest_route
from orbweave.formulations.routing.problem import RouteProblem
from orbweave.formulations.routing.solution import Route


def rank(problem: RouteProblem, contacts: tuple[int, ...]) -> tuple[float, int, float, int]:
    """By what routes are ranked, of a route that keeps all rules."""
    route = Route.along(problem, contacts)
    assert not route.violations()
    assert len(set(route.nodes)) == len(route.nodes)
    entry = problem.plan.index(route.hops[0].target)
    return route.arrival_s, len(contacts), -route.termination_s, entry


def check(rows: list[Row], nodes: int, problem: RouteProblem) -> int:
    """All routes in order must be those of enumeration; how many there are."""
    targets = [int(k) for k in problem.targets]
    volume, depart = int(problem.volume_bytes), int(problem.depart_s)
    wanted = oracle.routes(rows, 0, targets, depart, volume, problem.arrive_by_s)
    found = list(routes_in_order(problem))
    assert sorted(found) == sorted(tuple(path) for _, _, path in wanted)
    ranks = [rank(problem, contacts) for contacts in found]
    assert ranks == sorted(tuple(map(float, key)) for key, _, _ in wanted)
    return len(found)


def dense(seed: int) -> tuple[list[Row], int, RouteProblem]:
    """A small plan with many routes, in whole seconds."""
    rng = random.Random(seed)
    nodes = rng.randint(3, 5)
    rows = {row._replace(end=row.end + 5) for row in oracle.random_rows(rng, nodes, 26)}
    listed = rng.sample(sorted(rows), len(rows))
    ground = (nodes - 1, nodes - 2) if rng.random() < 0.2 else ()
    problem = RouteProblem(
        plan_of(listed, nodes, ground),
        "a",
        "ground" if ground else chr(96 + nodes),
        depart_s=rng.choice([0, 0, 2]),
        volume_bytes=rng.choice([0, 0, 4]),
        arrive_by_s=rng.choice([float("inf"), 12]),
    )
    return listed, nodes, problem


def test_all_routes_in_order_are_those_of_enumeration() -> None:
    assert sum(check(*dense(seed)) for seed in range(300)) > 1500


ROWS = st.builds(
    lambda pair, start, length, rate, delay: Row(
        pair[0], pair[1], start, start + length, rate, delay
    ),
    st.permutations(range(4)).map(lambda order: order[:2]),
    st.integers(0, 6),
    st.integers(1, 9),
    st.sampled_from([1, 2, 4]),
    st.integers(0, 2),
)


@settings(deadline=None, derandomize=True)
@given(st.lists(ROWS, min_size=1, max_size=12, unique=True), st.sampled_from([0, 4]))
def test_any_small_plan_gives_its_routes_in_order(rows: list[Row], volume: int) -> None:
    check(rows, 4, RouteProblem(plan_of(rows, 4), "a", "d", volume_bytes=volume))


@pytest.mark.parametrize("seed", range(30))
def test_the_first_is_the_earliest_route_and_k_are_the_first_k(seed: int) -> None:
    problem = dense(seed)[2]
    first = earliest_route(problem)
    everything = list(routes_in_order(problem))
    assert ([] if first is None else [first.contacts]) == everything[:1]
    for k in (1, 3, 1000):
        assert k_best(problem, k) == everything[:k]


def test_the_tutorial_of_hdtn_lists_seven_routes(reference: Path) -> None:
    plan = read_contact_plan(reference / "routing" / "hdtn" / "cgrTutorial.json")
    problem = RouteProblem(plan, "1", "5")  # a bundle of no volume, as the tutorial counts
    routes = [Route.along(problem, contacts) for contacts in k_best(problem, 10)]
    assert [route.arrival_s for route in routes] == [3, 4, 11, 31, 31, 51, 51]
    assert [len(route.hops) for route in routes] == [3, 4, 1, 3, 4, 3, 4]
    assert routes[0].nodes == ("1", "3", "4", "5")


def test_who_comes_later_to_a_node_may_leave_by_another_contact() -> None:
    # Over b at 1 the bundle waits for 4; over c it is at b at 5 only: a second route on its own.
    rows = [
        Row(0, 1, 0, 10, 1, 1),
        Row(0, 2, 0, 10, 1, 2),
        Row(2, 1, 0, 10, 1, 3),
        Row(1, 3, 4, 5, 1, 9),
        Row(1, 3, 6, 9, 1, 1),
    ]
    problem = RouteProblem(plan_of(rows, 4), "a", "d")
    assert k_best(problem, 9) == [(0, 4), (1, 2, 4), (0, 3)]
    assert [rank(problem, contacts)[0] for contacts in k_best(problem, 9)] == [7, 7, 13]


def test_arrivals_that_differ_by_rounding_alone_tie_and_hops_decide() -> None:
    # 0.1 + 0.2 rounds up: over two hops it is later than over three, 0.25 + 0.05 + 0.
    plan = ContactPlan.from_contacts(
        [
            Contact("a", "b", 0, 9, 8, 0.25),
            Contact("b", "c", 0, 9, 8, 0.05),
            Contact("c", "d", 0, 9, 8, 0.0),
            Contact("a", "x", 0, 9, 8, 0.1),
            Contact("x", "d", 0, 9, 8, 0.2),
            Contact("a", "d", 0, 9, 8, 0.35),
        ],
        epoch=EPOCH,
    )
    problem = RouteProblem(plan, "a", "d")
    assert 0.1 + 0.2 > 0.25 + 0.05
    assert k_best(problem, 5) == [(3, 4), (0, 1, 2), (5,)]


def test_routes_come_one_by_one_where_there_are_far_too_many_of_them() -> None:
    # Twelve steps with six ways each: 6 ** 12 routes.
    contacts = [
        Contact(f"n{step}", f"n{step + 1}", 0, 1000, 8, 1 + way / 8)
        for step in range(12)
        for way in range(6)
    ]
    problem = RouteProblem(ContactPlan.from_contacts(contacts, epoch=EPOCH), "n0", "n12")
    arrivals = [rank(problem, found)[0] for found in islice(routes_in_order(problem), 40)]
    # One route takes the fastest everywhere, 12 one step slower, 12 + 66 two: by counting.
    assert arrivals == [12.0] + [12.125] * 12 + [12.25] * 27


def test_without_a_route_there_is_nothing() -> None:
    plan = plan_of([Row(0, 1, 0, 5, 1, 1)], 3)
    assert k_best(RouteProblem(plan, "a", "c"), 3) == []
    assert k_best(RouteProblem(plan, "a", "b", without=[0]), 3) == []
    assert k_best(RouteProblem(plan, "a", "b", arrive_by_s=0.5), 3) == []
