"""Bundles booked one after another: against a replay, a brute force and the fluid optimum."""

from __future__ import annotations

import itertools
import math
import time
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

import orbweave as ow
from orbweave.formulations.partition.outcome import Watch
from orbweave.formulations.routing.booking import BookingProblem, Bookings, Bundle, book
from orbweave.formulations.routing.contact_graph import ContactGraph

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


def random_problem(seed: int) -> BookingProblem:
    rng = np.random.default_rng(seed)
    nodes = [f"n{k}" for k in range(5)]
    contacts: dict[tuple[str, str, float], ow.Contact] = {}
    for _ in range(14):
        source, target = rng.choice(nodes, 2, replace=False)
        start = int(rng.integers(0, 20))
        end = start + int(rng.integers(2, 12))
        rate = 8.0 * float(rng.integers(1, 4))
        row = ow.Contact(str(source), str(target), start, end, rate, float(rng.integers(0, 3)))
        contacts[row.source, row.target, start] = row
    plan = ow.ContactPlan.from_contacts(
        contacts.values(), epoch=EPOCH, nodes=dict.fromkeys(nodes, "orbital")
    )
    bundles = []
    for k in range(6):
        source, target = rng.choice(nodes, 2, replace=False)
        volume, ready = float(rng.integers(1, 9)), float(rng.integers(0, 8))
        due = ready + float(rng.integers(5, 30))
        priority = int(rng.integers(0, 4))
        bundles.append(Bundle(f"b{k}", str(source), str(target), volume, ready, due, priority))
    return BookingProblem(plan, bundles)


def earliest_by_hand(
    problem: BookingProblem, bundle: Bundle, busy: dict[int, list[tuple[float, float]]]
) -> tuple[float, list[tuple[int, float, float]]]:
    """Every sequence of contacts, each at the first gap: arrival and (contact, start, end)."""
    contacts = list(problem.plan.contacts)
    best: tuple[float, list[tuple[int, float, float]]] = (math.inf, [])

    def go(
        node: str, now: float, seen: tuple[str, ...], taken: list[tuple[int, float, float]]
    ) -> None:
        nonlocal best
        if node == bundle.target:
            if now <= bundle.deadline_s and (now, len(taken)) < (best[0], len(best[1])):
                best = (now, list(taken))
            return
        for k, row in enumerate(contacts):
            if row.source != node or row.target in seen:
                continue
            length = bundle.volume_bytes * 8 / row.rate_bps
            start = max(now, row.start_s)
            for low, high in sorted(busy.get(k, [])):
                if start + length > low + 1e-9 and start < high:
                    start = high
            if start + length <= row.end_s + 1e-9:
                step = (k, start, start + length)
                go(row.target, start + length + row.delay_s, (*seen, row.target), [*taken, step])

    go(bundle.source, bundle.depart_s, (bundle.source,), [])
    return best


@pytest.mark.parametrize("seed", range(150))
def test_each_bundle_arrives_as_early_as_those_before_allow(seed: int) -> None:
    problem = random_problem(seed)
    found = book(problem)
    assert found.violations() == ()
    busy: dict[int, list[tuple[float, float]]] = {}
    for bundle in problem.bundles:
        arrival, _ = earliest_by_hand(problem, bundle, busy)
        assert found.arrival_s[bundle.name] == pytest.approx(arrival)
        if bundle.name in found.routes:
            for hop in found.routes[bundle.name].hops:
                busy.setdefault(hop.contact, []).append((hop.depart_s, hop.end_s))
        else:
            assert found.undelivered[bundle.name].startswith("no route")


@pytest.mark.parametrize("seed", range(60))
def test_a_graph_that_followed_changes_is_the_one_built_anew(seed: int) -> None:
    rng = np.random.default_rng(seed)
    plan = random_problem(seed).plan
    for _ in range(4):
        graph, rows = ContactGraph.of(plan), {k: v.copy() for k, v in plan.arrays.items()}
        later = rng.choice(len(plan), 3, replace=False)
        rows["start_s"][later] += rng.choice([0.25, 0.5, 3.0])
        new = rng.choice(len(plan), 2, replace=False)
        rows = {name: np.concatenate([column, column[new]]) for name, column in rows.items()}
        rows["end_s"][len(plan) :] += rng.choice([1.0, 40.0], 2) + rng.uniform(0, 1, 2)
        stay = (rows["end_s"] > rows["start_s"]) & (np.arange(len(rows["end_s"])) != later[2])
        position = np.where(stay, np.cumsum(stay) - 1, -1)
        fresh = position[[*later, len(plan), len(plan) + 1]]
        plan = replace(plan, arrays={name: column[stay] for name, column in rows.items()})
        found = graph.changed(plan, position[: graph.contacts], fresh[fresh >= 0])
        assert found is ContactGraph.of(plan)
        wanted = ContactGraph.build(plan)
        for name in ("ahead", "back"):
            for ours, anew in zip(getattr(found, name), getattr(wanted, name), strict=True):
                np.testing.assert_array_equal(ours, anew)


@pytest.mark.parametrize("seed", range(40))
def test_no_order_delivers_more_than_the_bound(seed: int) -> None:
    problem = random_problem(1000 + seed)
    result = ow.solve(problem)
    assert result.reason in (ow.Reason.OPTIMAL, ow.Reason.FEASIBLE)
    if seed < 6:
        best = max(
            book(BookingProblem(problem.plan, order)).delivered_bytes
            for order in itertools.permutations(problem.bundles)
        )
        assert best <= result.bound * (1 + 1e-9)
    assert result.objective <= result.bound * (1 + 1e-9)


def test_a_volume_that_is_used_up_is_not_promised_again() -> None:
    """HDTN issue 72: the second bundle must wait for the next contact."""
    contacts = [ow.Contact("a", "b", 0, 10, 8.0), ow.Contact("a", "b", 50, 60, 8.0)]
    plan = ow.ContactPlan.from_contacts(contacts, epoch=EPOCH)
    bundles = [Bundle(f"b{k}", "a", "b", 7.0) for k in range(3)]
    found = book(BookingProblem(plan, bundles))
    assert found.arrival_s == {"b0": 7, "b1": 57, "b2": math.inf}
    assert found.used_bytes.tolist() == [7, 7]
    small = book(BookingProblem(plan, [*bundles, Bundle("b3", "a", "b", 3.0)]))
    assert small.arrival_s["b3"] == 10  # into the gap that the first has left


def test_who_comes_first_is_said_by_the_order() -> None:
    plan = ow.ContactPlan.from_contacts([ow.Contact("a", "b", 0, 10, 8.0)], epoch=EPOCH)
    bundles = [
        Bundle("large", "a", "b", 6.0, deadline_s=40, priority=1),
        Bundle("small", "a", "b", 5.0, deadline_s=30, priority=2),
        Bundle("late", "a", "b", 5.5, deadline_s=20, priority=0),
    ]
    first = {
        order: next(iter(book(BookingProblem(plan, bundles, order)).routes))
        for order in ("given", "priority", "deadline", "volume")
    }
    assert first == {"given": "large", "priority": "late", "deadline": "late", "volume": "small"}


def test_two_terminals_of_one_pair_stay_two() -> None:
    contacts = [ow.Contact("a", "b", 0, 10, 8.0), ow.Contact("a", "b", 0, 20, 8.0)]
    plan = ow.ContactPlan.from_contacts(contacts, epoch=EPOCH)
    bundles = [
        Bundle("x", "a", "b", 10, depart_s=10, deadline_s=20),  # the second terminal's later half
        Bundle("y", "a", "b", 10),
        Bundle("z", "a", "b", 9.5),
    ]
    found = book(BookingProblem(plan, bundles))
    assert found.violations() == ()
    assert not found.undelivered


def test_what_violates_is_told() -> None:
    plan = ow.ContactPlan.from_contacts([ow.Contact("a", "b", 0, 10, 8.0)], epoch=EPOCH)
    problem = BookingProblem(plan, [Bundle("x", "a", "b", 4), Bundle("y", "a", "b", 4)])
    alone = {
        name: book(BookingProblem(plan, [Bundle(name, "a", "b", 4)])).routes[name] for name in "xy"
    }
    assert "sends 'x' and 'y' at once" in Bookings(problem, alone).violations()[0]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"volume_bytes": -1}, "volume_bytes = -1"),
        ({"deadline_s": -5}, "deadline_s = -5"),
        ({"priority": 4}, "priority = 4"),
        ({"source": "z"}, "source = 'z'"),
        ({"target": "a"}, "no target"),
    ],
)
def test_bad_input_is_named(change: dict[str, object], words: str) -> None:
    plan = ow.ContactPlan.from_contacts([ow.Contact("a", "b", 0, 10, 8.0)], epoch=EPOCH)
    values: dict[str, object] = {"name": "x", "source": "a", "target": "b", "volume_bytes": 4.0}
    with pytest.raises(ow.InputError, match=words):
        BookingProblem(plan, [Bundle(**(values | change))])  # type: ignore[arg-type]


def test_the_bound_takes_bundles_as_whole_where_it_is_small() -> None:
    plan = ow.ContactPlan.from_contacts([ow.Contact("a", "b", 0, 10, 8.0)], epoch=EPOCH)
    problem = BookingProblem(plan, [Bundle("one", "a", "b", 6.0), Bundle("two", "a", "b", 7.0)])
    first, best = ow.solve(problem), ow.solve(BookingProblem(plan, problem.bundles[::-1]))
    assert (first.reason, first.objective, first.bound) == (ow.Reason.FEASIBLE, 6, 7)
    assert (best.reason, best.objective, best.bound) == (ow.Reason.OPTIMAL, 7, 7)


def test_a_limit_and_an_interrupt_keep_what_is_booked() -> None:
    contacts = [ow.Contact("a", "b", 10 * k, 10 * k + 10, 8.0) for k in range(40)]
    plan = ow.ContactPlan.from_contacts(contacts, epoch=EPOCH)
    problem = BookingProblem(plan, [Bundle(f"b{k}", "a", "b", 10.0) for k in range(40)])
    whole = ow.solve(problem)
    assert (whole.reason, whole.objective, whole.bound) == (ow.Reason.OPTIMAL, 400, 400)

    seen: list[float] = []

    def third(watch: Watch) -> None:
        seen.append(watch.objective)
        if len(seen) == 3:
            raise KeyboardInterrupt

    found = ow.solve(problem, on_progress=third)
    assert seen == [10, 20, 30]
    assert (found.limit, found.objective, found.bound) == (ow.Limit.INTERRUPT, 30, 400)
    assert list(found.require().routes) == ["b0", "b1", "b2"]
    assert found.require().undelivered["b3"] == "not looked at before the end (interrupt)"

    def slow(watch: Watch) -> None:
        time.sleep(0.02)

    found = ow.solve(problem, on_progress=slow, time_limit_s=0.1)
    assert found.limit is ow.Limit.TIME
    assert 0 < found.objective <= 50
    assert found.bound == 400
    assert len(found.require().routes) + len(found.require().undelivered) == 40
