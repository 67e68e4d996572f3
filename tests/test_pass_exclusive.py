"""Exclusive antennas: enumeration of all plans, CP-SAT and local search against each other."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import orbweave as ow
from orbweave.formulations.passes import Demand, PassProblem, PassSchedule
from orbweave.formulations.passes.exclusive import Intervals, choose, restrict
from orbweave.formulations.passes.expansion import by_events
from orbweave.formulations.passes.flows import build, commodities, read
from orbweave.solvers.exclusive_cp import choose_on_grid
from orbweave.solvers.maxflow import max_flow

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
#: Bytes in one second at the unit rate.
UNIT = 1e6

Row = tuple[str, str, float, float, float]


def problem_of(
    contacts: Sequence[Row],
    demands: list[Demand],
    antennas: dict[str, int],
    setup_s: float,
    teardown_s: float = 0.0,
) -> PassProblem:
    """Contacts as (source, target, start, end, units per second); names in g are ground."""
    names = {name for row in contacts for name in row[:2]} | {row.source for row in demands}
    kinds: dict[str, str | None] = {
        name: "ground" if name[0] == "g" else "orbital" for name in sorted(names)
    }
    rows = [ow.Contact(a, b, low, high, rate * UNIT * 8) for a, b, low, high, rate in contacts]
    plan = ow.ContactPlan.from_contacts(rows, epoch=EPOCH, nodes=kinds)
    return PassProblem(plan, demands, "volume", antennas, None, setup_s, teardown_s)


def flown(problem: PassProblem) -> PassSchedule:
    """Maximum flow of a problem whose antennas are shared or unlimited."""
    network = build(problem, by_events(problem), commodities(problem)[0])
    return PassSchedule(problem, read(network, max_flow(network.network).flow))


def shared(problem: PassProblem) -> float:
    """What flows where antennas share their time and need no set-up."""
    return float(ow.solve(problem.replace(setup_s=0.0, teardown_s=0.0)).objective)


def scheduled(problem: PassProblem, intervals: Intervals) -> PassSchedule:
    """Flow through chosen intervals, as a schedule of the problem itself."""
    cut = restrict(problem, intervals)
    return PassSchedule(problem, cut.back(flown(cut.problem).moves))


def most_in_use(problem: PassProblem, intervals: Intervals) -> dict[str, int]:
    """Most uses at a time of each node with antennas, set-up and tear-down included."""
    rows, peak = problem.plan.arrays, {}
    for name in problem.antennas or {}:
        node = problem.plan.index(name)
        spans = [
            (start - problem.setup_s, end + problem.teardown_s)
            for contact, start, end in zip(
                intervals.contact, intervals.start_s, intervals.end_s, strict=True
            )
            if node in (rows["source"][contact], rows["target"][contact])
        ]
        peak[name] = max(
            (sum(low <= at + 1e-6 < high for low, high in spans) for at, _ in spans), default=0
        )
    return peak


def check(problem: PassProblem, intervals: Intervals) -> PassSchedule:
    """The rules, from the intervals and from the transfers; returns the schedule."""
    rows = problem.plan.arrays
    assert (intervals.start_s >= rows["start_s"][intervals.contact] - 1e-9).all()
    assert (intervals.end_s <= rows["end_s"][intervals.contact] + 1e-9).all()
    assert (intervals.end_s > intervals.start_s).all()
    for name, peak in most_in_use(problem, intervals).items():
        assert peak <= problem.antennas[name]  # type: ignore[index]
    schedule = scheduled(problem, intervals)
    assert schedule.violations() == ()
    moves = schedule.moves
    for contact, start, end in zip(moves.contact.tolist(), moves.start_s, moves.end_s, strict=True):
        limited = {problem.plan.nodes[int(rows[k][contact])].name for k in ("source", "target")}
        inside = (
            (intervals.contact == contact)
            & (intervals.start_s <= start + 1e-6)
            & (intervals.end_s >= end - 1e-6)
        )
        assert inside.any() or not limited & set(problem.antennas or {})
    return schedule


def enumerated(problem: PassProblem) -> float:
    """Most bytes over all plans of one antenna with borders at whole seconds."""
    rows = problem.plan.arrays
    gap = int(problem.setup_s + problem.teardown_s)
    held = {problem.plan.index(row.source): row.volume_bytes for row in problem.demands}
    contacts = list(
        zip(
            rows["source"].tolist(),
            rows["start_s"].astype(int).tolist(),
            rows["end_s"].astype(int).tolist(),
            (rows["rate_bps"] / 8).tolist(),
            strict=True,
        )
    )

    @cache
    def best(ready: int, left: tuple[float, ...]) -> float:
        found = 0.0
        for sat, low, high, rate in contacts:
            for start in range(max(low, ready), high):
                for end in range(start + 1, high + 1):
                    sent = min(left[sat], rate * (end - start))
                    if sent > 0:
                        rest = (*left[:sat], left[sat] - sent, *left[sat + 1 :])
                        found = max(found, sent + best(end + gap, rest))
        return found

    return best(-10, tuple(held.get(k, 0.0) for k in range(len(problem.plan.nodes))))


@st.composite
def tiny(draw: st.DrawFn, *, binding: bool = True, same_rate: bool = False) -> PassProblem:
    """Up to four contacts of up to three satellites with one station, whole seconds."""
    contacts: list[Row] = []
    for _ in range(draw(st.integers(1, 4))):
        low = draw(st.integers(0, 7))
        row = (
            f"s{draw(st.integers(0, 2))}",
            "g",
            low,
            low + draw(st.integers(1, 7)),
            1 if same_rate else draw(st.integers(1, 3)),
        )
        if row[:4] not in [other[:4] for other in contacts]:
            contacts.append(row)
    amount = st.integers(1, 8) if binding else st.just(1000)
    demands = [Demand(f"s{k}", f"s{k}", "ground", draw(amount) * UNIT) for k in range(3)]
    setup, teardown = draw(st.sampled_from([(1, 0), (0, 1), (1, 1), (2, 0), (2, 1)]))
    return problem_of(contacts, demands, {"g": 1}, setup, teardown)


@st.composite
def small(draw: st.DrawFn) -> PassProblem:
    """Some satellites and stations, more antennas, terminals, odd times, releases, deadlines."""
    contacts: list[Row] = []
    for _ in range(draw(st.integers(1, 14))):
        low = draw(st.floats(0, 900))
        row = (
            f"s{draw(st.integers(0, 3))}",
            f"g{draw(st.integers(0, 1))}",
            low,
            low + draw(st.floats(1, 400)),
            draw(st.sampled_from([1.0, 1.0, 2.5])),
        )
        if row[:4] not in [other[:4] for other in contacts]:
            contacts.append(row)
    release, deadline = draw(st.sampled_from([0.0, 200.0])), draw(st.sampled_from([900.0, 2000.0]))
    demands = [
        Demand(f"{k}", f"s{k % 4}", "ground", draw(st.floats(1, 600)) * UNIT, begin, deadline)
        for k, begin in enumerate([0.0, 0.0, 0.0, 0.0, release])
    ]
    antennas = {"g0": draw(st.integers(1, 2))}
    for name in ("g1", "s0", "s1"):
        if draw(st.booleans()):
            antennas[name] = draw(st.integers(1, 2))
    known = {name for row in contacts for name in row[:2]} | {row.source for row in demands}
    antennas = {name: count for name, count in antennas.items() if name in known}
    if not any(row[1] == "g0" for row in contacts):
        contacts.append(("s0", "g0", 0.0, 10.0, 1.0))
        antennas["g0"] = 1
    return problem_of(contacts, demands, antennas, draw(st.floats(0.5, 80)), draw(st.floats(0, 40)))


# -- against enumeration --------------------------------------------------------------------------
@settings(max_examples=60)
@given(tiny())
def test_cp_sat_finds_what_enumeration_finds(problem: PassProblem) -> None:
    truth = enumerated(problem)
    found = choose_on_grid(problem, blocks=3)
    assert found.proven
    assert found.intervals is not None
    assert found.volume_bytes == pytest.approx(truth, rel=1e-5)
    assert truth * (1 - 1e-9) <= found.bound_bytes <= truth * (1 + 1e-4)
    assert check(problem, found.intervals).objective == pytest.approx(truth, rel=1e-5)


@settings(max_examples=150)
@given(tiny(same_rate=True))
def test_search_finds_what_enumeration_finds_at_one_rate(problem: PassProblem) -> None:
    truth = enumerated(problem)
    found = choose(problem, iterations=3000)
    assert truth * 0.999 <= found.worth <= truth * (1 + 1e-9)
    assert truth <= found.bound * (1 + 1e-9)
    assert check(problem, found.intervals).objective == pytest.approx(found.worth, rel=1e-9)


@settings(max_examples=100)
@given(tiny())
def test_search_is_as_good_as_whole_seconds_at_several_rates(problem: PassProblem) -> None:
    truth = enumerated(problem)
    found = choose(problem, iterations=3000)
    # Borders need not stand at whole seconds, so more than by enumeration may be right.
    assert truth * 0.98 <= found.worth <= found.bound * (1 + 1e-9)
    assert truth <= found.bound * (1 + 1e-9)
    assert check(problem, found.intervals).objective == pytest.approx(found.worth, rel=1e-9)


@settings(max_examples=60)
@given(tiny(binding=False))
def test_search_is_exact_and_proves_it_where_no_satellite_runs_out(problem: PassProblem) -> None:
    found = choose(problem, iterations=100)
    assert found.worth == pytest.approx(enumerated(problem), rel=1e-9)
    assert found.bound == pytest.approx(found.worth, rel=1e-6)


# -- rules and bounds -----------------------------------------------------------------------------
@settings(max_examples=80)
@given(small(), st.integers(0, 3))
def test_any_choice_can_be_flown_and_is_below_every_bound(problem: PassProblem, seed: int) -> None:
    found = choose(problem, seed=seed, iterations=400)
    schedule = check(problem, found.intervals)
    assert schedule.objective == pytest.approx(found.worth, rel=1e-9, abs=1.0)
    assert schedule.objective <= found.bound * (1 + 1e-9)
    again = choose(problem, seed=seed, iterations=400)
    assert again.worth == found.worth
    assert np.array_equal(again.intervals.start_s, found.intervals.start_s)


@settings(max_examples=25)
@given(small())
def test_cp_sat_and_search_bound_each_other(problem: PassProblem) -> None:
    found = choose(problem, iterations=2000)
    grid = choose_on_grid(problem, start=found.intervals, step_s=5.0, time_limit_s=3.0)
    assert grid.intervals is not None
    assert check(problem, grid.intervals).objective >= grid.volume_bytes * (1 - 1e-9)
    assert grid.volume_bytes <= found.bound * (1 + 1e-9)
    # Rounding inwards costs less than two steps of each interval.
    rate = problem.plan.arrays["rate_bps"][found.intervals.contact] / 8
    assert grid.bound_bytes >= found.worth - float((rate * 10.0).sum()) - 1.0


def busy_day(setup_s: float, share: float, antennas: int = 1) -> PassProblem:
    """Ten satellites, three stations, an afternoon; what each holds is a share of its contacts."""
    rng = np.random.default_rng(5)
    contacts = [
        (f"s{sat}", f"g{station}", low, low + rng.uniform(200, 600), 1.0)
        for sat in range(10)
        for station in range(3)
        for low in rng.uniform(0, 20_000, 5)
    ]
    demands = [Demand(f"s{k}", f"s{k}", "ground", share * 6000 * UNIT) for k in range(10)]
    return problem_of(contacts, demands, {f"g{k}": antennas for k in range(3)}, setup_s)


@pytest.mark.parametrize("share", [0.5, 10.0])
def test_tiny_set_up_comes_near_shared_antennas_and_more_costs_more(share: float) -> None:
    most = shared(busy_day(1.0, share))
    kept = []
    for setup_s in (0.01, 60.0, 300.0):
        problem = busy_day(setup_s, share)
        found = choose(problem, iterations=4000)
        value = check(problem, found.intervals).objective
        kept.append(value / most)
        assert value <= most * (1 + 1e-9)
        assert value >= 0.97 * min(found.bound, most)
    assert kept[0] >= 0.99
    assert kept[0] > kept[1] > kept[2]


@settings(max_examples=25)
@given(tiny(same_rate=True), st.integers(1, 3))
def test_a_longer_set_up_never_delivers_more(problem: PassProblem, longer: int) -> None:
    short = choose_on_grid(problem, blocks=2)
    slow = choose_on_grid(problem.replace(setup_s=problem.setup_s + longer), blocks=2)
    assert short.proven
    assert slow.proven
    assert slow.volume_bytes <= short.volume_bytes * (1 + 1e-9)
    assert short.volume_bytes <= shared(problem) * (1 + 1e-9)


def test_more_antennas_deliver_more_until_all_are_served() -> None:
    values = []
    for antennas in (1, 2, 8):
        problem = busy_day(120.0, 10.0, antennas)
        values.append(check(problem, choose(problem, iterations=2000).intervals).objective)
    everything = flown(busy_day(0.0, 10.0).replace(antennas=None)).objective
    assert values[0] < values[1] < values[2] * (1 - 1e-6)
    assert values[2] == pytest.approx(everything, rel=1e-9)


# -- single traits --------------------------------------------------------------------------------
def test_a_contact_may_be_left_for_another_and_taken_up_again() -> None:
    contacts = [("s0", "g", 0, 100, 1.0), ("s1", "g", 40, 60, 9.0)]
    demands = [Demand(name, name, "ground", 1e9) for name in ("s0", "s1")]
    problem = problem_of(contacts, demands, {"g": 1}, 3, 2)
    found = choose(problem)
    assert found.intervals.contact.tolist() == [0, 0, 1]
    assert found.worth == pytest.approx((35 + 20 * 9 + 35) * UNIT)
    assert found.bound == pytest.approx(found.worth)
    twice = choose_on_grid(problem, blocks=2)
    once = choose_on_grid(problem, blocks=1)
    assert twice.volume_bytes == pytest.approx(found.worth, rel=1e-5)
    assert once.volume_bytes == pytest.approx((35 + 20 * 9) * UNIT, rel=1e-5)


def test_bytes_reach_an_antenna_over_links_between_satellites() -> None:
    contacts = [("s0", "g", 0, 50, 1.0), ("s2", "g", 40, 100, 1.0), ("s0", "s1", 0, 100, 5.0)]
    contacts.append(("s1", "s0", 0, 100, 5.0))
    demands = [Demand("far", "s1", "ground", 30 * UNIT), Demand("own", "s2", "ground", 45 * UNIT)]
    problem = problem_of(contacts, demands, {"g": 1}, 10)
    found = choose(problem, iterations=2000)
    schedule = check(problem, found.intervals)
    assert schedule.objective == pytest.approx(75 * UNIT)
    assert choose_on_grid(problem).volume_bytes == pytest.approx(75 * UNIT, rel=1e-5)


def test_relays_over_two_antennas_follow_a_flow() -> None:
    contacts = [("g0", "s0", 0, 50, 1.0), ("s0", "g1", 60, 100, 1.0), ("s1", "g1", 60, 120, 1.0)]
    demands = [Demand("up", "g0", "g1", 30 * UNIT), Demand("own", "s1", "g1", 20 * UNIT)]
    problem = problem_of(contacts, demands, {"g0": 1, "g1": 1}, 10)
    whole = flown(problem.replace(setup_s=0.0))
    assert whole.objective == pytest.approx(50 * UNIT)
    found = choose(problem, fractional=whole.moves, iterations=2000)
    assert found.bound == np.inf
    assert check(problem, found.intervals).objective == pytest.approx(50 * UNIT)


def test_an_antenna_that_waits_on_its_contact_is_used_once() -> None:
    contacts = [("s0", "g", 0, 100, 1.0), ("s1", "g", 100, 200, 1.0)]
    demands = [
        Demand("early", "s0", "ground", 20 * UNIT),
        Demand("late", "s0", "ground", 20 * UNIT, 70.0),
    ]
    problem = problem_of(contacts, demands, {"g": 1}, 60)
    whole = Intervals(np.array([0]), np.array([0.0]), np.array([100.0]))
    cut = restrict(problem, whole)
    moves = ow.Transfers.of([0, 1], [0, 0], [0.0, 70.0], [20.0, 100.0], [20 * UNIT, 20 * UNIT])
    assert PassSchedule(problem, moves).violations() != ()
    schedule = PassSchedule(problem, cut.back(moves))
    assert schedule.violations() == ()
    assert schedule.objective == pytest.approx(40 * UNIT, abs=1e-3)


def test_nothing_to_choose() -> None:
    problem = problem_of(
        [("s0", "g", 0, 50, 1.0)], [Demand("x", "s1", "ground", 5 * UNIT)], {"g": 1}, 10
    )
    found = choose(problem)
    assert (len(found.intervals.contact), found.worth) == (0, 0.0)
    grid = choose_on_grid(problem)
    assert grid.proven
    assert grid.volume_bytes == 0.0


def test_contacts_without_limit_count_too() -> None:
    contacts = [("s0", "g", 0, 50, 1.0), ("s0", "g1", 0, 10, 1.0), ("s1", "g1", 0, 20, 1.0)]
    demands = [Demand(name, name, "ground", 30 * UNIT) for name in ("s0", "s1")]
    for kept, truth in ((contacts, 50), (contacts[1:], 30)):
        task = problem_of([*kept, ("g", "s0", 0, 1, 1.0)], demands, {"g": 1}, 10)
        found = choose(task, iterations=500)
        assert found.worth == pytest.approx(truth * UNIT)
        assert choose_on_grid(task).volume_bytes == pytest.approx(truth * UNIT)
        assert check(task, found.intervals).objective == pytest.approx(truth * UNIT)


def test_cp_sat_begins_where_the_search_ended() -> None:
    problem = busy_day(120.0, 0.5)
    found = choose(problem, iterations=4000)
    grid = choose_on_grid(problem, start=found.intervals, blocks=2, time_limit_s=4.0)
    # Two ends of each interval are rounded to the grid.
    assert grid.volume_bytes >= found.worth - 2 * UNIT * len(found.intervals.contact)
    assert grid.intervals is not None
    assert check(problem, grid.intervals).objective >= grid.volume_bytes * (1 - 1e-9)


def test_an_interrupt_and_a_clock_keep_the_best() -> None:
    problem = busy_day(300.0, 0.5)
    asked = 0

    def at_last() -> bool:
        nonlocal asked
        asked += 1
        if asked > 200:
            raise KeyboardInterrupt
        return False

    stopped = choose(problem, iterations=10**9, expired=lambda: True)
    assert (stopped.interrupted, stopped.iterations) == (False, 0)
    reports: list[tuple[float, float]] = []
    found = choose(
        problem,
        iterations=10**9,
        expired=at_last,
        on_better=lambda worth, bound: reports.append((worth, bound)),
    )
    assert found.interrupted
    assert found.worth >= stopped.worth > 0
    assert check(problem, found.intervals).objective == pytest.approx(found.worth)
    assert reports == sorted(reports)
