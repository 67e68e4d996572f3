"""`solve` and `replan` on pass problems, against a second formulation and what must hold."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import orbweave as ow
from orbweave.formulations.passes.expansion import by_events
from orbweave.formulations.passes.lp import build as build_lp
from orbweave.solvers.backends import solve_model
from orbweave.solvers.replan import replan

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
RATE = 8e6  # a megabyte a second


def random_plan(rng: np.random.Generator, *, ring: bool, satellites: int = 4) -> ow.ContactPlan:
    """A few satellites and stations with overlapping contacts over 600 s."""
    stations = int(rng.integers(1, 4))
    nodes = {f"s{k}": "orbital" for k in range(satellites)}
    nodes |= {f"g{k}": "ground" for k in range(stations)}
    contacts = []
    for s in range(satellites):
        for g in range(stations):
            start = 0
            while (start := start + int(rng.integers(20, 200))) < 560:
                end = min(start + int(rng.integers(10, 120)), 600)
                contacts.append(ow.Contact(f"s{s}", f"g{g}", start, end, RATE))
                start = end
    if ring:
        for s in range(satellites):
            other = f"s{(s + 1) % satellites}"
            contacts.append(ow.Contact(f"s{s}", other, 0, 600, 2 * RATE))
            contacts.append(ow.Contact(other, f"s{s}", 0, 600, 2 * RATE))
    return ow.ContactPlan.from_contacts(contacts, epoch=EPOCH, nodes=nodes)


def random_problem(seed: int, objective: str, **changes: object) -> ow.PassProblem:
    rng = np.random.default_rng(seed)
    plan = random_plan(rng, ring=bool(rng.integers(0, 2)))
    demands = [
        ow.Demand(
            f"d{k}",
            f"s{k}",
            "ground",
            float(rng.integers(1, 150)) * 1e6,
            release_s=float(rng.integers(0, 100)),
            priority=int(rng.integers(0, 4)),
        )
        for k in range(4)
    ]
    ground = [node.name for node in plan.nodes if node.kind == "ground"]
    options: dict[str, object] = {"antennas": dict.fromkeys(ground, 1), **changes}
    return ow.PassProblem(plan, demands, objective=objective, **options)  # type: ignore[arg-type]


def programme(problem: ow.PassProblem, until_s: float = math.inf) -> np.ndarray:
    """Bytes of each demand in a linear programme that maximises them."""
    found = build_lp(problem, by_events(problem), until_s=until_s)
    raw = solve_model(found.model, ow.SolveOptions())
    assert raw.x is not None
    return found.sent_bytes(raw.x)


@settings(max_examples=60)
@given(st.integers(0, 10**6))
def test_volume_is_that_of_the_linear_programme(seed: int) -> None:
    problem = random_problem(seed, "volume")
    result = ow.solve(problem)
    assert result.reason is ow.Reason.OPTIMAL
    assert result.require().violations() == ()
    assert result.objective == pytest.approx(programme(problem).sum(), rel=1e-6, abs=1)


@settings(max_examples=60)
@given(st.integers(0, 10**6))
def test_completion_is_the_earliest_end(seed: int) -> None:
    problem = random_problem(seed, "completion")
    asked = sum(row.volume_bytes for row in problem.demands)
    result = ow.solve(problem)
    if result.reason is ow.Reason.INFEASIBLE:
        assert programme(problem).sum() < asked - 1
        assert "cannot be delivered" in result.message
        assert result.objective == math.inf
        return
    assert result.reason is ow.Reason.OPTIMAL
    schedule = result.require()
    assert schedule.violations() == ()
    assert schedule.completion_s == pytest.approx(result.bound, rel=1e-6)
    assert programme(problem, result.objective + 1e-3).sum() >= asked * (1 - 1e-6)
    assert programme(problem, result.objective - 0.01).sum() < asked - 1


@settings(max_examples=40)
@given(st.integers(0, 10**6))
def test_priorities_are_lexicographic(seed: int) -> None:
    problem = random_problem(seed, "priority")
    result = ow.solve(problem)
    schedule = result.require()
    assert schedule.violations() == ()
    for last in range(4):
        # What the classes up to `last` can get at most together, they get.
        part = [row for row in problem.demands if row.priority <= last]
        if part:
            best = ow.solve(problem.replace(demands=part, objective="volume")).objective
            got = sum(schedule.by_priority[p] for p in range(last + 1))
            assert got == pytest.approx(best, rel=1e-6, abs=10)


@settings(max_examples=30)
@given(st.integers(0, 10**6), st.sampled_from(["volume", "priority"]))
def test_deadlines_and_targets_of_their_own(seed: int, objective: str) -> None:
    problem = random_problem(seed, objective)
    rng = np.random.default_rng(seed)
    ground = [node.name for node in problem.plan.nodes if node.kind == "ground"]
    demands = [
        ow.Demand(
            row.name,
            row.source,
            str(rng.choice([*ground, "ground"])),
            row.volume_bytes,
            row.release_s,
            float(rng.integers(150, 600)),
            row.priority,
        )
        for row in problem.demands
    ]
    problem = problem.replace(demands=demands)
    result = ow.solve(problem)
    schedule = result.require()
    assert schedule.violations() == ()
    assert schedule.objective <= result.bound * (1 + 1e-6) + 1
    if objective == "volume":
        assert result.objective == pytest.approx(programme(problem).sum(), rel=1e-6, abs=1)


def test_slots_bracket_the_optimum() -> None:
    for seed in range(10):
        problem = random_problem(seed, "volume")
        best = ow.solve(problem).objective
        coarse = ow.solve(problem, method="slots-20")
        assert coarse.objective <= best * (1 + 1e-9) + 1
        assert coarse.bound >= best * (1 - 1e-9) - 1
        assert coarse.require().violations() == ()
    with pytest.raises(ow.InputError, match="slots-x"):
        ow.solve(random_problem(0, "volume"), method="slots-x")


def test_what_binds_is_said() -> None:
    plan = ow.ContactPlan.from_contacts(
        [ow.Contact("s0", "g0", 0, 100, RATE), ow.Contact("s1", "g0", 0, 100, RATE)],
        epoch=EPOCH,
        nodes={"s0": "orbital", "s1": "orbital", "g0": "ground"},
    )
    demands = [ow.Demand(name, name, "ground", 100e6) for name in ("s0", "s1")]
    result = ow.solve(ow.PassProblem(plan, demands, antennas={"g0": 1}))
    assert result.objective == pytest.approx(100e6)
    assert "antennas of g0" in " ".join(result.require().cut)
    free = ow.solve(ow.PassProblem(plan, demands))
    assert free.objective == pytest.approx(200e6)


def test_who_stood_in_whose_way_and_how_much_of_a_link_is_used() -> None:
    plan = ow.ContactPlan.from_contacts(
        [
            ow.Contact("s0", "g0", 0, 100, RATE),
            ow.Contact("s1", "g0", 20, 100, RATE),
            ow.Contact("s1", "g1", 200, 230, RATE),
        ],
        epoch=EPOCH,
        nodes={"s0": "orbital", "s1": "orbital", "g0": "ground", "g1": "ground"},
    )
    demands = [
        ow.Demand("urgent", "s0", "ground", 100e6, priority=0),
        ow.Demand("patient", "s1", "ground", 100e6, priority=3),
    ]
    problem = ow.PassProblem(plan, demands, objective="priority", antennas={"g0": 1, "g1": 1})
    schedule = ow.solve(problem).require()
    assert schedule.delivered_bytes["urgent"] == pytest.approx(100e6)
    assert schedule.delivered_bytes["patient"] == pytest.approx(30e6)
    (row,) = schedule.preempted
    assert (row.demand, row.by, row.node) == ("patient", "urgent", "g0")
    assert row.volume_bytes == pytest.approx(80e6)  # while s1 was in view, from 20 to 100 s
    assert schedule.link_utilisation == {
        ("s0", "g0"): pytest.approx(1.0),
        ("s1", "g1"): pytest.approx(1.0),
    }
    assert ow.solve(problem.replace(antennas=None)).require().preempted == ()


# -- exclusive antennas ---------------------------------------------------------------------------
@pytest.mark.parametrize("setup_s", [5.0, 40.0])
def test_exclusive_antennas_keep_their_set_up(setup_s: float) -> None:
    for seed in range(4):
        shared = random_problem(seed, "volume")
        problem = shared.replace(setup_s=setup_s, teardown_s=2.0)
        result = ow.solve(problem, time_limit_s=1)
        schedule = result.require()
        assert schedule.violations() == ()
        assert result.objective <= result.bound * (1 + 1e-9) + 1
        assert result.objective <= ow.solve(shared).objective * (1 + 1e-9) + 1
        assert result.objective > 0


def test_cp_sat_may_repair_what_the_search_found() -> None:
    for seed in range(3):
        problem = random_problem(seed, "volume").replace(setup_s=30.0)
        repaired = ow.solve(problem, time_limit_s=2, backend="cp-sat")
        assert repaired.require().violations() == ()
        assert repaired.objective <= repaired.bound * (1 + 1e-9) + 1
        assert repaired.objective > 0


# -- re-planning ----------------------------------------------------------------------------------
@settings(max_examples=40)
@given(st.integers(0, 10**6), st.floats(50, 550), st.sampled_from(["volume", "completion"]))
def test_re_planning_keeps_what_was_done_and_spares_what_failed(
    seed: int, at_s: float, objective: str
) -> None:
    problem = random_problem(seed, objective)
    first = ow.solve(problem)
    schedule = first.require()
    rng = np.random.default_rng(seed)
    failed = rng.choice(len(problem.plan), len(problem.plan) // 4, replace=False).tolist()
    found = replan(schedule, at_s, failed=failed)
    after = found.schedule
    assert after.violations() == ()
    moves, old = after.moves, schedule.moves
    late = moves.start_s >= at_s - 1e-6
    assert not np.isin(moves.contact[late], failed).any()
    # Before the moment both schedules carry the same bytes of each demand over each contact.
    for rows in (moves, old):
        assert (rows.end_s > rows.start_s).all()
    done = []
    for rows in (moves, old):
        share = (np.minimum(rows.end_s, at_s) - rows.start_s) / (rows.end_s - rows.start_s)
        sent = rows.volume_bytes * np.clip(share, 0, 1)
        key = rows.demand * len(problem.plan) + rows.contact
        size = len(problem.demands) * len(problem.plan)
        done.append(np.bincount(key, weights=sent, minlength=size))
    np.testing.assert_allclose(done[0], done[1], atol=1.0)
    if objective == "volume":
        assert after.objective <= first.objective * (1 + 1e-9) + 1
        assert after.objective <= found.result.bound * (1 + 1e-6) + 1


@settings(max_examples=20)
@given(st.integers(0, 10**6))
def test_where_nothing_fails_nothing_is_lost(seed: int) -> None:
    problem = random_problem(seed, "volume")
    schedule = ow.solve(problem).require()
    found = replan(schedule, 200.0)
    assert found.schedule.objective == pytest.approx(schedule.objective, rel=1e-6, abs=10)
    assert found.moved_bytes == pytest.approx(0, abs=100)


def test_re_planning_takes_new_demands_and_refuses_nonsense() -> None:
    problem = random_problem(3, "volume")
    schedule = ow.solve(problem).require()
    urgent = ow.Demand("urgent", "s0", "ground", 5e6, priority=0)
    found = replan(schedule, 100.0, added=[urgent])
    assert "urgent" in found.schedule.delivered_bytes
    assert found.schedule.problem.demands[-1].release_s == 100.0
    cases: list[tuple[dict[str, Any], str]] = [
        ({"failed": ["s9"]}, "s9"),
        ({"failed": [10**6]}, "replan.failed[0] = 1000000"),
        ({"failed": "s0"}, "replan.failed = 's0'"),
        ({"added": [ow.Demand("d0", "s0", "ground", 1.0)]}, "d0"),
    ]
    for wrong, message in cases:
        with pytest.raises(ow.InputError) as error:
            replan(schedule, 100.0, **wrong)
        assert message in str(error.value)


# -- batteries ------------------------------------------------------------------------------------
def sunny(battery: ow.Battery, objective: str = "volume", volume: float = 1e9) -> ow.PassProblem:
    """A slow station in view for 100 s, a fast one for the 20 s in the middle."""
    plan = ow.ContactPlan.from_contacts(
        [ow.Contact("s", "g1", 0, 100, RATE), ow.Contact("s", "g2", 40, 60, 10 * RATE)],
        epoch=EPOCH,
        nodes={"s": "orbital", "g1": "ground", "g2": "ground"},
    )
    demand = ow.Demand("a", "s", "ground", volume)
    return ow.PassProblem(
        plan, [demand], objective=objective, antennas={"g1": 1, "g2": 1}, energy={"s": battery}
    )


def test_a_satellite_that_waits_for_charge_beats_one_that_sends_evenly() -> None:
    # 5 W in, 10 W out: 200 J by second 40 and 100 J until 60, so the fast station can be served
    # all its 20 s (200 MB, 200 J) and the slow one with the 300 J that are left: 30 MB.
    problem = sunny(ow.Battery(capacity_j=1000, initial_j=0, solar_w=5, transmit_w=10))
    result = ow.solve(problem)
    schedule = result.require()
    assert schedule.violations() == ()
    assert result.objective == pytest.approx(230e6, rel=1e-6)
    assert result.bound >= 230e6 * (1 - 1e-6)
    late = ow.solve(
        problem.replace(objective="completion", demands=[ow.Demand("a", "s", "ground", 150e6)])
    )
    # By second T the Sun gives 5 T J, the fast station takes 10 (T - 40) of them, and the slow one
    # gets a second for every 10 J that are left: 10 (T - 40) + (5 T - 10 (T - 40)) / 10 = 150 MB.
    assert late.require().violations() == ()
    assert late.objective == pytest.approx(510 / 9.5, abs=0.01)
    assert late.bound <= 510 / 9.5 + 1e-6


def test_a_base_load_that_drains_a_battery_is_an_answer() -> None:
    battery = ow.Battery(capacity_j=100, solar_w=1, base_w=50, transmit_w=10)
    for objective in ("volume", "completion", "priority"):
        result = ow.solve(sunny(battery, objective))
        assert result.reason is ow.Reason.INFEASIBLE
        assert "battery" in result.message
        assert result.solution is None


def many_deadlines(objective: str) -> ow.PassProblem:
    """Demands of one satellite each with a deadline of its own: as many commodities."""
    nodes = {"s0": "orbital", "s1": "orbital", "g0": "ground"}
    contacts = [ow.Contact(f"s{k}", "g0", 100 * k, 100 * k + 400, RATE) for k in range(2)]
    plan = ow.ContactPlan.from_contacts(contacts, epoch=EPOCH, nodes=nodes)
    demands = [
        ow.Demand(f"d{k}", f"s{k % 2}", "ground", 60e6, deadline_s=150.0 + 60 * k, priority=k % 3)
        for k in range(6)
    ]
    return ow.PassProblem(plan, demands, objective=objective, antennas={"g0": 1})


def test_the_interior_point_finds_the_same_optimum() -> None:
    problem = many_deadlines("volume")
    one, other = (ow.solve(problem, backend=name) for name in ("highs", "highs-ipm"))
    assert one.reason is other.reason is ow.Reason.OPTIMAL
    assert one.objective == pytest.approx(other.objective, rel=1e-7)


@pytest.mark.parametrize("objective", ["volume", "priority", "completion"])
def test_long_work_tells_how_far_it_is(objective: str) -> None:
    seen: list[float] = []
    result = ow.solve(
        many_deadlines(objective), on_progress=lambda watch: seen.append(watch.objective)
    )
    assert seen
    if objective == "completion":
        assert all(value >= result.bound * (1 - 1e-9) for value in seen if math.isfinite(value))
    else:
        assert max(seen) <= result.objective * (1 + 1e-6)


@pytest.mark.parametrize("reports", [1, 3, 5])
def test_an_interrupt_keeps_the_commodities_that_are_planned(
    monkeypatch: pytest.MonkeyPatch, reports: int
) -> None:
    monkeypatch.setattr("orbweave.solvers.passes.LARGEST", 0)  # one after another
    problem, heard = many_deadlines("volume"), [0]

    def interrupt(_: object) -> None:
        heard[0] += 1
        if heard[0] == reports:
            raise KeyboardInterrupt

    result = ow.solve(problem, on_progress=interrupt)
    assert result.limit is ow.Limit.INTERRUPT
    whole = ow.solve(problem)
    assert 0 < result.objective <= whole.objective * (1 + 1e-9)
    assert result.bound >= whole.objective * (1 - 1e-9)
    assert not result.require().violations()


def test_an_interrupted_search_for_the_end_keeps_a_plan_that_delivers_all() -> None:
    rng = np.random.default_rng(5)
    plan = random_plan(rng, ring=False)
    demands = [ow.Demand(f"d{k}", f"s{k}", "ground", 20e6) for k in range(4)]
    ground = {node.name: 1 for node in plan.nodes if node.kind == "ground"}
    problem = ow.PassProblem(plan, demands, objective="completion", antennas=ground)

    def interrupt(_: object) -> None:
        raise KeyboardInterrupt

    result, best = ow.solve(problem, on_progress=interrupt), ow.solve(problem)
    assert result.limit is ow.Limit.INTERRUPT
    assert result.bound <= best.objective <= result.objective
    assert sum(result.require().delivered_bytes.values()) == pytest.approx(80e6)


def test_a_plan_too_fine_for_events_falls_to_slots_that_carry_something(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    problem = many_deadlines("volume").replace(
        demands=[ow.Demand(f"d{k}", f"s{k}", "ground", 200e6) for k in range(2)]
    )
    exact = ow.solve(problem)
    monkeypatch.setattr("orbweave.solvers.pass_grid.MOST_PIECES", 0)
    slots = ow.solve(problem)
    assert "slots of 10 s" in slots.method
    assert slots.objective <= exact.objective * (1 + 1e-9) <= slots.bound * (1 + 2e-9)
    assert slots.objective > 0.9 * exact.objective
