"""Routes over time against enumeration, a plain heap, published plans, and their own judge."""

from __future__ import annotations

import gc
import json
import math
import random
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import route_oracle as oracle
from hypothesis import given, settings
from hypothesis import strategies as st
from route_oracle import Row
from route_plans import EPOCH, plan_of

import orbweave as ow
from orbweave.adapters import read_contact_plan
from orbweave.formulations.checks import InputError, UnknownNameError
from orbweave.formulations.contacts import Contact, ContactPlan, PlanNode
from orbweave.formulations.routing import contact_graph, latency
from orbweave.formulations.routing.contact_graph import ContactGraph
from orbweave.formulations.routing.earliest import earliest_arrivals, latest_departures
from orbweave.formulations.routing.hop import Hop
from orbweave.formulations.routing.problem import RouteProblem
from orbweave.formulations.routing.solution import Route
from orbweave.solvers.options import SolveOptions
from orbweave.solvers.paths import ROADS, judged, solve_route
from orbweave.solvers.result import Reason, SolveResult

BLOCK = 50


def plan(*contacts: tuple[Any, ...], **changes: Any) -> ContactPlan:
    """A plan of contacts (source, target, start, end, rate, delay)."""
    return ContactPlan.from_contacts([Contact(*row) for row in contacts], epoch=EPOCH, **changes)


def solved(problem: RouteProblem) -> SolveResult[Route]:
    return solve_route(problem, SolveOptions())


def best(problem: RouteProblem) -> Route:
    return solved(problem).require()


def rank(route: Route) -> tuple[float, int, float, int]:
    """By what the oracle ranks routes."""
    entry = route.problem.plan.index(route.hops[0].target)
    return route.arrival_s, len(route.hops), -route.termination_s, entry


def world(seed: int) -> tuple[list[Row], RouteProblem]:
    """A small random plan and a problem on it, in whole seconds."""
    rng = random.Random(seed)
    nodes = rng.randint(2, 6)
    rows = oracle.random_rows(rng, nodes, 14)
    ground = tuple(k for k in range(1, nodes) if rng.random() < 0.3)
    target = "ground" if ground and rng.random() < 0.3 else chr(97 + rng.randint(1, nodes - 1))
    without: list[int | str] = []
    if rng.random() < 0.2:
        without.append(rng.randrange(len(rows)))
    if rng.random() < 0.1:
        without.append(chr(97 + rng.randrange(nodes)))
    problem = RouteProblem(
        plan_of(rows, nodes, ground),
        "a",
        target,
        depart_s=rng.choice([0, 0, 1, 3]),
        volume_bytes=rng.choice([0, 0, 4, 8]),
        arrive_by_s=rng.choice([math.inf, math.inf, 9, 14]),
        without=without,
    )
    return rows, problem


def by_oracle(rows: list[Row], problem: RouteProblem) -> tuple[list[Row], int, list[int]]:
    """Arguments of the oracle: contacts that are left, source, targets."""
    gone = {k for k in problem.without if not isinstance(k, str)}
    lost = {problem.plan.index(name) for name in problem.without if isinstance(name, str)}
    # What is left out cannot be flown: it is over before it begins.
    left = [
        row if k not in gone and not {row.source, row.target} & lost else row._replace(end=-99)
        for k, row in enumerate(rows)
    ]
    return left, 0, [int(k) for k in problem.targets]


@pytest.mark.parametrize("first", [*range(0, 1000, BLOCK), 2950, 4800])
def test_earliest_fewest_and_widest_are_those_of_enumeration(first: int) -> None:
    for seed in range(first, first + BLOCK):
        rows, problem = world(seed)
        args = by_oracle(rows, problem)
        volume, depart = int(problem.volume_bytes), int(problem.depart_s)
        all_routes = oracle.routes(*args, depart, volume, problem.arrive_by_s)
        orders: dict[str, Any] = {
            "earliest_arrival": lambda row: row[0],
            "fewest_handovers": lambda row: (row[0].hops, row[0]),
            "widest": lambda row: (-row[1], row[0]),
        }
        for objective, order in orders.items():
            result = solved(problem.replace(objective=objective))
            if not all_routes:
                assert result.reason is Reason.INFEASIBLE, seed
                assert result.message.startswith("no route: "), seed
                continue
            wanted, rate, _ = min(all_routes, key=order)
            route = result.require()
            assert result.reason is Reason.OPTIMAL
            assert rank(route) == wanted, (seed, objective)
            values = [float(wanted.arrival), wanted.hops, 8.0 * rate]
            assert route.objective == values[list(orders).index(objective)]


@pytest.mark.parametrize("wide_s", [latency.WIDE_S, 0.01, 1000.0])
@pytest.mark.parametrize("first", [*range(0, 400, BLOCK), 900])
def test_least_latency_is_that_of_every_departure(
    first: int, wide_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(latency, "WIDE_S", wide_s)
    for seed in range(first, first + BLOCK):
        rows, problem = world(seed)
        until = random.Random(seed).choice([None, None, 4, 7])
        problem = problem.replace(objective="minimum_latency", depart_until_s=until)
        window = (int(problem.depart_s), 17 if until is None else until)
        volume = int(problem.volume_bytes)
        args = by_oracle(rows, problem)
        wanted = oracle.least_latency(*args, window, volume, problem.arrive_by_s)
        result = solved(problem)
        if wanted is None:
            assert result.reason is Reason.INFEASIBLE, seed
        else:
            assert result.require().latency_s == pytest.approx(float(wanted), abs=3e-6), seed
            assert problem.depart_s <= result.require().depart_s <= window[1], seed


@pytest.mark.parametrize("seed", range(12))
def test_least_latency_among_many_contacts_is_less_than_at_any_departure(seed: int) -> None:
    rng = np.random.default_rng(seed)
    nodes, count = 12, 250
    source = rng.integers(0, nodes, count)
    target = (source + rng.integers(1, nodes, count)) % nodes
    start = rng.uniform(0, 2000, count)
    arrays = {
        "source": source,
        "target": target,
        "start_s": start,
        "end_s": start + rng.uniform(1, 200, count),
        "rate_bps": np.full(count, 1e6),
        "delay_s": rng.uniform(0.01, 30, count),
    }
    large = ContactPlan(EPOCH, [PlanNode(f"n{k}") for k in range(nodes)], arrays)
    columns = ("source", "target", "start_s", "end_s", "delay_s")
    rows = list(zip(*(large.arrays[key].tolist() for key in columns), strict=True))
    problem = RouteProblem(large, "n0", "n7", 100, objective="minimum_latency")
    route = best(problem)
    least = math.inf
    own = large.arrays["end_s"] - 1e-9
    for depart in [*np.linspace(100, 2200, 400), *own[own >= 100], route.depart_s]:
        there = oracle.earliest_by_heap(rows, nodes, 0, float(depart))[7]
        least = min(least, there - depart)
    assert route.latency_s == pytest.approx(least, abs=1e-8)


@pytest.mark.parametrize("seed", range(100))
def test_all_arrivals_and_all_departures(seed: int) -> None:
    rng = random.Random(seed)
    nodes, volume = 5, rng.choice([0, 4])
    rows = oracle.random_rows(rng, nodes, 14)
    found = earliest_arrivals(plan_of(rows, nodes), "a", 2, volume)
    back = latest_departures(plan_of(rows, nodes), "a", 12, volume)
    assert found.arrival_s[0] == 2
    assert back.departure_s[0] == 12
    for node in range(1, nodes):
        name = chr(97 + node)
        options = oracle.routes(rows, 0, [node], 2, volume, math.inf)
        wanted = min((float(key.arrival) for key, _, _ in options), default=math.inf)
        assert found.arrival_s[node] == wanted
        path = [rows[k] for k in found.path(name)]
        if path:
            assert oracle.arrival(path, 2, volume) == wanted
        times: list[Any] = [Fraction(t, 2) for t in range(-20, 25)]
        times += [t - oracle.MOMENT for t in times]
        latest = max(
            (t for t in times if oracle.routes(rows, node, [0], t, volume, 12)), default=-math.inf
        )
        assert back.departure_s[node] == pytest.approx(float(latest), abs=2e-6)
        on = [rows[k] for k in back.path(name)]
        assert bool(on) == math.isfinite(back.departure_s[node])
        there = oracle.arrival(on, back.departure_s[node], volume) if on else 0
        assert there is not None
        assert there <= 12


def test_many_searches_in_one_call() -> None:
    rows = oracle.random_rows(random.Random(3), 5, 14)
    small = plan_of(rows, 5)
    names, times = ["a", "b", "c"], [0.0, 1.0, 5.0]
    several = earliest_arrivals(small, names, times)
    spread = earliest_arrivals(small, "b", times)
    back = latest_departures(small, "d", [9.0, 12.0])
    assert several.arrival_s.shape == several.contact.shape == (3, 5)
    for k in range(3):
        one = earliest_arrivals(small, names[k], times[k])
        assert np.array_equal(several.arrival_s[k], one.arrival_s)
        assert several.path("e", k) == one.path("e")
        assert np.array_equal(
            spread.arrival_s[k], earliest_arrivals(small, "b", times[k]).arrival_s
        )
    for k, until in enumerate((9.0, 12.0)):
        assert np.array_equal(back.departure_s[k], latest_departures(small, "d", until).departure_s)


# -- one contact after another -----------------------------------------------------------------
def test_a_later_contact_may_be_faster() -> None:
    slow = ("a", "b", 0, 100, 8, 1)  # one byte a second
    fast = ("a", "b", 20, 200, 8e3, 0)
    near = ("a", "b", 10, 300, 8, 0.5)
    both = plan(slow, fast, near)
    assert best(RouteProblem(both, "a", "b", volume_bytes=50)).contacts == (1,)
    assert best(RouteProblem(both, "a", "b", volume_bytes=50)).arrival_s == 20.05
    assert best(RouteProblem(both, "a", "b", volume_bytes=5)).contacts == (0,)
    assert best(RouteProblem(both, "a", "b", depart_s=10)).contacts == (2,)


def test_a_transmission_may_end_when_its_window_does() -> None:
    # HDTN's issue 69 and the like: the last second of a window is part of it.
    exact = plan(("a", "b", 0.1, 0.4, 8e6, 1), ("b", "c", 1.4, 1.7, 8e6, 0))
    volume = exact.volume_bytes[0]
    route = best(RouteProblem(exact, "a", "c", volume_bytes=volume))
    assert route.arrival_s == pytest.approx(1.7)
    assert route.volume_limit_bytes == pytest.approx(volume)
    assert route.valid_until_s == pytest.approx(0.1)
    over = solved(RouteProblem(exact, "a", "c", volume_bytes=volume * 1.0001))
    assert "larger than any contact from 'a', at most 3e+05 bytes" in over.message.replace(
        "300000", "3e+05"
    )


def test_a_bundle_of_nothing_departs_before_the_end() -> None:
    short = plan(("a", "b", 0, 60, 8, 1), ("b", "c", 0, 11, 8, 1))
    assert best(RouteProblem(short, "a", "c", depart_s=9.999)).arrival_s == 11.999
    assert solved(RouteProblem(short, "a", "c", depart_s=10)).reason is Reason.INFEASIBLE
    last = best(RouteProblem(short, "a", "c")).valid_until_s
    assert last == pytest.approx(10)
    assert solved(RouteProblem(short, "a", "c", depart_s=last)).reason is Reason.OPTIMAL


def test_a_contact_without_a_rate_carries_nothing_but_nothing() -> None:
    silent = plan(("a", "b", 5, 10, 0, 1))
    assert best(RouteProblem(silent, "a", "b")).arrival_s == 6
    assert best(RouteProblem(silent, "a", "b")).volume_limit_bytes == 0
    assert "at most 0 bytes" in solved(RouteProblem(silent, "a", "b", volume_bytes=1)).message


def test_hops_count_even_where_an_earlier_bundle_waits_for_the_same_contact() -> None:
    # HDTN's issue 70: over c the bundle is at b sooner, but leaves b no sooner.
    rows = (
        ("a", "c", 0, 100, 8, 1),
        ("c", "b", 0, 100, 8, 1),
        ("a", "b", 0, 100, 8, 5),
        ("b", "d", 50, 60, 8, 1),
    )
    route = best(RouteProblem(plan(*rows), "a", "d"))
    assert (route.arrival_s, route.contacts) == (51, (2, 3))
    assert earliest_arrivals(plan(*rows), "a").path("d") == (0, 1, 3)


def test_then_the_latest_termination_then_the_smallest_entry_node() -> None:
    nodes = dict.fromkeys("abcde")
    rows = [("a", k, 0, 50, 8, 1) for k in "bcd"] + [(k, "e", 0, 50, 8, 1) for k in "bcd"]
    assert best(RouteProblem(plan(*rows, nodes=nodes), "a", "e")).nodes == ("a", "b", "e")
    rows[1], rows[4] = ("a", "c", 0, 70, 8, 1), ("c", "e", 0, 60, 8, 1)
    assert best(RouteProblem(plan(*rows, nodes=nodes), "a", "e")).nodes == ("a", "c", "e")
    rows[2], rows[5] = ("a", "d", 0, 60, 8, 1), ("d", "e", 0, 90, 8, 1)
    assert best(RouteProblem(plan(*rows, nodes=nodes), "a", "e")).nodes == ("a", "c", "e")


def test_to_a_node_that_stands_before_the_source() -> None:
    # HDTN's issue 71: numbers of nodes say nothing about where a bundle may go.
    rows = (("3", "2", 0, 10, 8, 1), ("2", "1", 5, 10, 8, 1))
    assert best(RouteProblem(plan(*rows, nodes=dict.fromkeys("123")), "3", "1")).arrival_s == 6


def test_a_contact_that_is_used_up_is_not_taken() -> None:
    # HDTN's issue 72.
    two = plan(("a", "b", 0, 10, 80, 1), ("a", "b", 20, 30, 80, 1))
    for left, wanted in ((60, 6), (50, 6), (49, 26), (0, 26)):
        found = earliest_arrivals(two, "a", 0, 50, remaining_bytes=[left, 100])
        assert found.arrival_s[1] == wanted
    assert earliest_arrivals(two, "a", 0, 50, remaining_bytes=[0, 0]).arrival_s[1] == math.inf
    back = latest_departures(two, "b", 100, 50, remaining_bytes=[100, 0])
    assert back.departure_s[0] == 5
    with pytest.raises(InputError, match=r"remaining_bytes shape = \(1,\)"):
        earliest_arrivals(two, "a", remaining_bytes=[1])


# -- what others publish -----------------------------------------------------------------------
def test_the_tutorial_of_hdtn(reference: Path) -> None:
    tutorial = read_contact_plan(reference / "routing/hdtn/cgrTutorial.json")
    assert best(RouteProblem(tutorial, "1", "5")).arrival_s == 3
    assert best(RouteProblem(tutorial, "1", "5")).nodes == ("1", "3", "4", "5")
    toy = read_contact_plan(reference / "routing/sabr/toy.ionrc")
    assert best(RouteProblem(toy, "1", "5")).nodes == ("1", "3", "4", "5")
    assert best(RouteProblem(toy, "1", "5", volume_bytes=100)).arrival_s == pytest.approx(3.003)
    direct = best(RouteProblem(toy, "1", "5", objective="fewest_handovers"))
    assert (direct.nodes, direct.arrival_s) == (("1", "5"), 11)


def test_seven_ways_in_the_tutorial_of_hdtn(reference: Path) -> None:
    plan = read_contact_plan(reference / "routing/hdtn/cgrTutorial.json")
    result = ow.solve(ow.RouteProblem(plan, "1", "5", k=7))
    best = result.require()
    assert [way.arrival_s for way in (best, *best.alternatives)] == [3, 4, 11, 31, 31, 51, 51]
    assert result.reason is ow.Reason.OPTIMAL
    more = ow.solve(ow.RouteProblem(plan, "1", "5", k=1000))
    count = 1 + len(more.require().alternatives)
    assert more.message == f"{count} of 1000 routes; no more exist"


def test_a_limit_between_two_routes_keeps_the_first(reference: Path) -> None:
    plan = read_contact_plan(reference / "routing/hdtn/cgrTutorial.json")
    result = ow.solve(ow.RouteProblem(plan, "1", "5", k=7), time_limit_s=1e-9)
    assert result.limit is ow.Limit.TIME
    assert result.objective == 3


def test_the_routing_test_of_hdtn(reference: Path) -> None:
    routing = read_contact_plan(reference / "routing/hdtn/contactPlan_RoutingTest.json")
    route = best(RouteProblem(routing, "1", "4"))
    assert (route.hops[0].target, route.arrival_s) == ("2", 12)
    none = solved(RouteProblem(routing, "4", "1"))
    assert none.reason is Reason.INFEASIBLE
    assert none.message == "no route: no contacts, at whatever time, lead from '4' to '1'"


@pytest.mark.parametrize("name", ["hdtn/10nodes.json", "hdtn/50nodes.json", "tvg_g10_s10.json"])
def test_arrivals_of_a_plain_heap_in_published_plans(reference: Path, name: str) -> None:
    path = reference / "routing" / name
    if name.startswith("tvg"):
        contacts = [
            Contact(ends[0], ends[1], times[0], times[1], 1.0)
            for edge in json.loads(path.read_text())["edges"]
            for times in edge["contacts"]
            for ends in (edge["vertices"], edge["vertices"][::-1])
        ]
        large = ContactPlan.from_contacts(contacts, epoch=EPOCH)
    else:
        large = read_contact_plan(path)
    assert len(large) > 300
    columns = ("source", "target", "start_s", "end_s", "delay_s")
    rows = list(zip(*(large.arrays[key].tolist() for key in columns), strict=True))
    names = large.node_names
    reached = 0
    for k in range(0, len(names), 3):
        for depart in (0.0, 30000.5):
            wanted = oracle.earliest_by_heap(rows, len(names), k, depart)
            found = earliest_arrivals(large, names[k], depart)
            assert found.arrival_s.tolist() == wanted
            reached += sum(map(math.isfinite, wanted)) - 1
            last = int(np.argmax(np.where(np.isfinite(wanted), wanted, -1)))
            if last != k:
                route = best(RouteProblem(large, names[k], names[last], depart))
                assert route.arrival_s == wanted[last]
                assert not route.violations()
    assert reached > 50


# -- what a route says of itself ----------------------------------------------------------------
@pytest.mark.parametrize("seed", range(200))
def test_a_route_knows_until_when_and_for_how_much_it_holds(seed: int) -> None:
    rows, problem = world(seed)
    route = solved(problem).solution
    if route is None:
        return
    path, volume = [rows[k] for k in route.contacts], int(problem.volume_bytes)
    last = round(route.valid_until_s)
    assert route.valid_until_s == pytest.approx(last, abs=1e-9)  # whole, as all is
    assert oracle.arrival(path, last - oracle.MOMENT, volume) is not None
    assert oracle.arrival(path, last + oracle.MOMENT, volume) is None
    limit = route.volume_limit_bytes
    exact = Fraction(limit).limit_denominator(1000)
    assert float(exact) == pytest.approx(limit, abs=1e-9)
    if limit > 0:
        for factor, fits in ((1 - 1e-4, True), (1 + 1e-4, False)):
            there = oracle.arrival(path, int(route.depart_s), exact * Fraction(factor))
            assert (there is not None) is fits
    else:
        assert min(row.rate for row in path) == 0
    assert route.light_time_s == sum(row.delay for row in path)
    assert route.light_time_bound_s <= route.light_time_s
    json.dumps(route.to_dict(), allow_nan=False)


def test_the_light_time_bound_is_a_shortest_path_of_least_delays() -> None:
    rows = (
        ("a", "b", 0, 10, 8, 3),
        ("b", "c", 0, 10, 8, 3),
        ("a", "c", 0, 10, 8, 9),
        ("a", "c", 50, 60, 8, 5),
        ("a", "d", 50, 60, 8, 1),
        ("d", "c", 0, 10, 8, 1),
    )
    route = best(RouteProblem(plan(*rows), "a", "c"))
    assert (route.light_time_s, route.light_time_bound_s, route.stretch) == (6, 2, 3)
    assert best(RouteProblem(plan(*rows), "a", "c", without=("d",))).light_time_bound_s == 5
    still = plan(("a", "b", 0, 1, 8, 0))
    assert best(RouteProblem(still, "a", "b")).stretch == 1


def tampered(route: Route, **changes: Any) -> Route:
    fields = {name: getattr(route.hops[1], name) for name in Hop.__dataclass_fields__}
    hops = [route.hops[0], Hop(**(fields | changes)), *route.hops[2:]]
    return Route(route.problem, hops, route.depart_s)


def test_a_route_judges_itself_by_the_plan() -> None:
    rows = (
        ("a", "b", 0, 10, 80, 1),
        ("b", "c", 5, 20, 80, 1),
        ("c", "d", 0, 30, 80, 1),
        ("b", "d", 0, 4, 80, 1),
    )
    problem = RouteProblem(plan(*rows), "a", "d", volume_bytes=20, arrive_by_s=12)
    good = best(problem)
    assert good.contacts == (0, 1, 2)
    assert not good.violations()
    for changes, told in (
        ({"depart_s": 4.0}, "departs before the contact starts, at 5 s"),
        ({"end_s": 6.0}, "sends 10 of 20 bytes"),
        ({"arrive_s": 7.5}, "arrives sooner than light"),
        ({"arrive_s": 9.5}, "departs before the bundle is there, at 9.5 s"),
        ({"contact": 3}, "is not contact 3"),
        ({"target": "a"}, "is not contact 1"),
        ({"depart_s": 19.0, "end_s": 21.0, "arrive_s": 22.0}, "after the contact, 20 s"),
    ):
        assert any(told in text for text in tampered(good, **changes).violations()), told
    backwards = Route.along(problem, (2, 1)).violations()
    assert backwards[0] == "it begins at 'c' instead of 'a'"
    assert "begins where the bundle is not, which is at 'd'" in "".join(backwards)
    late = Route.along(problem, (0, 1, 2), 3.0)
    assert late.violations() == ("it departs at 3 s, outside of what the problem allows",)
    free = problem.replace(objective="minimum_latency")
    assert Route.along(free, (0, 1, 2), 3.0).violations() == ()
    assert Route.along(problem, (0, 3)).violations()[0].endswith("after the contact, 4 s")
    assert "it ends at 'c'" in Route.along(problem, (0, 1)).violations()[0]
    assert Route.along(problem.replace(arrive_by_s=10), (0, 1, 2)).violations() == (
        "it arrives at 11 s, after 10 s",
    )
    left_out = problem.replace(without=("b",))
    assert sum("left out" in text for text in Route.along(left_out, (0, 1, 2)).violations()) == 2
    early = Route.along(problem.replace(depart_s=1.0), (0, 1, 2), 0.0)
    assert "outside of what the problem allows" in early.violations()[0]
    wrong = judged(problem, Route.along(problem, (0, 3)), "by hand", 0.0)
    assert (wrong.reason, wrong.solution) == (Reason.ERROR, None)
    twice = Route(problem, good.hops, 0.0, alternatives=[Route.along(problem, (0, 3))])
    assert twice.violations()[0].startswith("alternative 1: ")
    pair = Route(problem, good.hops, 0.0, partner=Route.along(problem, (0, 3)))
    assert pair.violations()[0].startswith("partner: ")
    assert pair.to_dict()["partner"]["violations"]
    assert "3 hops, 1 alternatives" in twice._repr_html_()


def test_a_problem_that_cannot_be_meant_is_refused() -> None:
    small = plan(("a", "b", 0, 10, 8, 1), ("b", "c", 0, 10, 8, 1))
    for changes, told in (
        ({"source": "x"}, "RouteProblem.source = 'x'"),
        ({"target": "x"}, "RouteProblem.target = 'x'"),
        ({"target": "ground"}, "no node of the plan is of the kind 'ground'"),
        ({"target": "a"}, "a node that is no target"),
        ({"objective": "widdest"}, "did you mean 'widest'"),
        ({"volume_bytes": -1}, "volume_bytes = -1"),
        ({"volume_bytes": math.nan}, "volume_bytes = nan"),
        ({"depart_s": math.inf}, "depart_s = inf"),
        ({"arrive_by_s": math.nan}, "arrive_by_s = nan"),
        ({"k": 0}, "RouteProblem.k = 0"),
        ({"k": 1.5}, "a whole number"),
        ({"disjoint": "links", "k": 2}, "did you mean 'link'"),
        ({"disjoint": "link"}, "2, with disjoint routes"),
        ({"depart_until_s": 5}, "only minimum_latency"),
        ({"depart_until_s": -1, "objective": "minimum_latency"}, "from depart_s = 0 on"),
        ({"without": ["z"]}, r"without[0] = 'z'"),
        ({"without": [0, 2]}, "position from 0 to 1"),
        ({"without": "a"}, "a list of positions and names"),
        ({"plan": 3}, "a ContactPlan"),
    ):
        with pytest.raises(InputError) as error:
            RouteProblem(**({"plan": small, "source": "a", "target": "c"} | changes))  # type: ignore[arg-type]
        assert told in str(error.value)
    with pytest.raises(UnknownNameError):
        earliest_arrivals(small, ["a", "z"])
    with pytest.raises(InputError, match="one for each of the 2 sources"):
        earliest_arrivals(small, ["a", "b"], [0, 1, 2])
    with pytest.raises(InputError, match="volume_bytes = -1"):
        latest_departures(small, "a", 5, -1)
    with pytest.raises(InputError, match="a finite number"):
        latest_departures(small, "a", math.inf)
    with pytest.raises(InputError, match=r"Route\.hops\[0\].contact = 7"):
        Route(RouteProblem(small, "a", "c"), [Hop(7, "a", "b", 0, 0, 0)], 0.0)
    with pytest.raises(InputError, match=r"RouteProblem\.k = 3: expected 1"):
        RouteProblem(small, "a", "c", k=3, objective="widest")
    with pytest.raises(InputError, match=r"SolveOptions\.method"):
        solve_route(RouteProblem(small, "a", "c"), SolveOptions(method="milp"))


def test_no_route_says_why() -> None:
    rows = (
        ("a", "b", 10, 20, 80, 1),
        ("b", "c", 0, 5, 80, 1),
        ("c", "d", 0, 100, 8, 1),
        ("d", "e", 0, 100, 8, 1),
        ("f", "a", 0, 1, 8, 1),
    )
    some = plan(*rows)
    for changes, told in (
        ({"depart_s": 20}, "after the last contact from 'a', which ends at 20 s"),
        ({"source": "e", "target": "a"}, "no contact leaves 'e'"),
        ({"target": "f"}, "no contact reaches 'f'"),
        ({"target": "b", "without": [0]}, "no contact leaves 'a', with what is left out"),
        ({"target": "b", "volume_bytes": 101}, "contact from 'a', at most 100 bytes"),
        ({"source": "b", "target": "c", "volume_bytes": 51}, "contact from 'b', at most 50 bytes"),
        ({"source": "f", "target": "e", "without": ["c"]}, "at whatever time, lead from 'f'"),
        ({"target": "c"}, "end before a bundle that departs at 0 s can take them"),
        ({"target": "b", "arrive_by_s": 5}, "the earliest arrival is 11 s, after arrive_by_s = 5"),
    ):
        problem = RouteProblem(**({"plan": some, "source": "a", "target": "e"} | changes))  # type: ignore[arg-type]
        for objective in set(ROADS) - {"touch_planes"}:
            result = solved(problem.replace(objective=objective))
            assert result.reason is Reason.INFEASIBLE
            assert result.solution is None
            assert told in result.message
            assert math.isnan(result.objective)


def test_the_graph_lives_as_long_as_its_plan() -> None:
    gc.collect()
    before = len(contact_graph._KEPT)
    small = plan(("a", "b", 0, 10, 8, 1))
    assert ContactGraph.of(small) is ContactGraph.of(small)
    assert len(contact_graph._KEPT) == before + 1
    del small
    gc.collect()
    assert len(contact_graph._KEPT) == before


# -- properties ---------------------------------------------------------------------------------
@settings(deadline=None, derandomize=True, max_examples=60)
@given(seed=st.integers(0, 10**6), shift=st.integers(-100, 10**6), scale=st.sampled_from([0.5, 4]))
def test_order_names_and_units_do_not_matter(seed: int, shift: int, scale: float) -> None:
    rows, problem = world(seed)
    problem = problem.replace(without=())
    rng = random.Random(seed)
    order = rng.sample(range(len(rows)), len(rows))
    number = rng.sample(range(6), 6)
    moved = [
        Contact(
            f"n{number[r.source]}",
            f"n{number[r.target]}",
            shift + scale * r.start,
            shift + scale * r.end,
            8.0 * r.rate / scale,
            scale * r.delay,
        )
        for r in (rows[k] for k in order)
    ]
    kinds = {f"n{number[k]}": node.kind for k, node in enumerate(problem.plan.nodes)}
    other = RouteProblem(
        ContactPlan.from_contacts(moved, epoch=EPOCH, nodes=kinds),
        f"n{number[0]}",
        "ground" if problem.target == "ground" else f"n{number[ord(problem.target) - 97]}",
        depart_s=shift + scale * problem.depart_s,
        volume_bytes=problem.volume_bytes,
        arrive_by_s=shift + scale * problem.arrive_by_s,
    )
    for objective in set(ROADS) - {"touch_planes"}:
        first = solved(problem.replace(objective=objective)).solution
        second = solved(other.replace(objective=objective)).solution
        assert (first is None) == (second is None)
        if first is not None and second is not None:
            assert second.latency_s == pytest.approx(scale * first.latency_s, abs=1e-6)
            if objective != "minimum_latency":
                assert len(first.hops) == len(second.hops)
