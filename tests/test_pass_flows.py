"""Pass scheduling as maximum flow against other solvers, formulations, simulators and baselines."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import networkx as nx
import numpy as np
import pytest
from pass_cases import CASES, EPOCH, by_the_second, in_blocks, small_case
from replay import replay

import orbweave as ow
from orbweave.formulations.flow import FlowNetwork
from orbweave.formulations.passes import PassProblem, PassSchedule, Transfers
from orbweave.formulations.passes.baselines import BASELINES, alone, myopic
from orbweave.formulations.passes.battery import Battery
from orbweave.formulations.passes.expansion import Expansion, by_events, by_slots
from orbweave.formulations.passes.flows import PassNetwork, build, commodities, is_network, read
from orbweave.formulations.passes.judge import violations
from orbweave.solvers.maxflow import FlowAnswer, max_flow

KINDS = {"orbital", "ground"}
SLOTS_S = (1.0, 5.0, 20.0)


def solved(
    problem: PassProblem, expansion: Expansion, *, outer: bool = False
) -> tuple[PassNetwork, FlowAnswer]:
    """The maximum flow of a problem of one commodity."""
    (group,) = commodities(problem)
    found = build(problem, expansion, group, outer=outer)
    return found, max_flow(found.network)


def best(problem: PassProblem) -> float:
    return solved(problem, by_events(problem))[1].value


def schedule_of(problem: PassProblem, found: PassNetwork, answer: FlowAnswer) -> PassSchedule:
    until_s = problem.demands[0].deadline_s
    return PassSchedule(problem, read(found, answer.flow, until_s))


def by_networkx(network: FlowNetwork) -> float:
    graph = nx.DiGraph()
    graph.add_nodes_from((network.source, network.sink))
    total: dict[tuple[int, int], float] = {}
    for tail, head, room in zip(network.tail, network.head, network.capacity, strict=True):
        total[int(tail), int(head)] = total.get((int(tail), int(head)), 0.0) + float(room)
    for (tail, head), room in total.items():
        # Whole bytes: networkx compares floats exactly and may not end otherwise.
        limit = {} if math.isinf(room) else {"capacity": math.floor(room)}
        graph.add_edge(tail, head, **limit)
    value = nx.maximum_flow_value(
        graph, network.source, network.sink, flow_func=nx.algorithms.flow.dinitz
    )
    return float(value)


@pytest.mark.parametrize("block", in_blocks(CASES))
def test_flow_cut_and_two_other_solvers_agree(block: range) -> None:
    for seed in block:
        problem = small_case(seed)
        expansion = by_events(problem)
        assert expansion.exact
        assert is_network(problem, expansion)
        found, answer = solved(problem, expansion)
        network, slack = found.network, 1e-6 * max(answer.value, 1.0)
        assert network.violation(answer.flow) <= 1e-3, seed
        assert answer.side[network.source], seed
        assert answer.value == 0 or not answer.side[network.sink], seed
        assert network.cut_capacity(answer.side) == pytest.approx(answer.value, abs=slack), seed
        second = max_flow(network, "scipy")
        assert second.value == pytest.approx(answer.value, abs=slack), seed
        assert network.cut_capacity(second.side) == pytest.approx(answer.value, abs=slack), seed
        # A byte is lost for each arc of the cut at most.
        assert by_networkx(network) == pytest.approx(answer.value, abs=1.0 * len(network.tail))


@pytest.mark.parametrize("block", in_blocks(CASES))
def test_slots_inside_and_outside_enclose_events(block: range) -> None:
    for seed in block:
        problem = small_case(seed)
        value = best(problem)
        slack = 1e-6 * max(value, 1.0)
        for slot_s in SLOTS_S:
            found, answer = solved(problem, by_slots(problem, slot_s, inner=True))
            assert answer.value <= value + slack, (seed, slot_s)
            schedule = schedule_of(problem, found, answer)
            assert schedule.violations() == (), (seed, slot_s)
            assert schedule.delivered.sum() == pytest.approx(answer.value, abs=slack)
            _, above = solved(problem, by_slots(problem, slot_s, inner=False), outer=True)
            assert above.value >= value - slack, (seed, slot_s)


@pytest.mark.parametrize("block", in_blocks(CASES))
def test_slots_of_a_second_are_exact_on_whole_seconds(block: range) -> None:
    for seed in block:
        problem = small_case(seed, whole=True)
        value = best(problem)
        slots = by_slots(problem, 1.0, inner=True)
        assert solved(problem, slots)[1].value == pytest.approx(value, rel=1e-6, abs=1e-3), seed


@pytest.mark.parametrize("block", in_blocks(CASES))
def test_schedules_deliver_the_value_and_fly(block: range) -> None:
    for seed in block:
        problem = small_case(seed)
        found, answer = solved(problem, by_events(problem))
        schedule = schedule_of(problem, found, answer)
        value = answer.value
        assert float(schedule.delivered.sum()) == pytest.approx(value, rel=1e-9, abs=1e-3), seed
        assert schedule.violations() == (), seed
        agree(problem, schedule, seed)


def agree(problem: PassProblem, schedule: PassSchedule, seed: int) -> None:
    """The simulator finds the same deliveries and nothing broken."""
    flown = replay(problem, schedule.transfers)
    assert not flown.broken, (seed, dict(flown.broken))
    for name, amount in schedule.delivered_bytes.items():
        assert flown.delivered[name] == pytest.approx(amount, rel=1e-6, abs=0.01), (seed, name)
    for name, time_s in schedule.completed_s.items():
        assert flown.completed_s[name] == pytest.approx(time_s, abs=1e-6), (seed, name)
    assert max(flown.completed_s.values()) == pytest.approx(schedule.completion_s, abs=1e-6)


# -- baselines ------------------------------------------------------------------------------------
def baselines(problem: PassProblem) -> Iterator[tuple[str, Transfers]]:
    for name, baseline in BASELINES.items():
        yield name, baseline(problem)
    for slot_s in (5.0, 20.0):
        yield f"myopic, {slot_s:g} s", myopic(problem, max_flow, slot_s)


@pytest.mark.parametrize("block", in_blocks(CASES))
def test_no_baseline_is_better(block: range) -> None:
    for seed in block:
        problem = small_case(seed)
        value = best(problem)
        for name, moves in baselines(problem):
            schedule = PassSchedule(problem, moves)
            assert schedule.violations() == (), (seed, name)
            assert schedule.delivered.sum() <= value * (1 + 1e-6) + 1e-3, (seed, name)
            agree(problem, schedule, seed)
        assert best(alone(problem)) <= value * (1 + 1e-6) + 1e-3, seed


def harder(seed: int) -> PassProblem:
    """Several commodities, several rates, set-up times, bytes that may not be split."""
    problem = small_case(seed, one_rate=seed % 3 == 0)
    rng = np.random.default_rng([seed, 1])
    ground = [node.name for node in problem.plan.nodes if node.kind == "ground"]
    demands = [
        replace(
            row,
            target=str(rng.choice(["ground", *ground])),
            deadline_s=row.release_s + float(rng.uniform(5, 50)),
            splittable=bool(rng.random() < 0.7),
        )
        for row in problem.demands
    ]
    setup_s, teardown_s = (float(t) for t in rng.choice([0.0, 0.5, 3.0], 2))
    if not problem.antennas or seed % 2:
        setup_s = teardown_s = 0.0
    return problem.replace(demands=demands, setup_s=setup_s, teardown_s=teardown_s)


@pytest.mark.parametrize("block", in_blocks(CASES))
def test_baselines_can_be_flown_whatever_the_rules(block: range) -> None:
    for seed in block:
        problem = harder(seed)
        for name, moves in baselines(problem):
            schedule = PassSchedule(problem, moves)
            assert schedule.violations() == (), (seed, name)
            flown = replay(problem, schedule.transfers)
            assert not flown.broken, (seed, name, dict(flown.broken))


def test_first_come_serves_who_rose_first_and_greedy_who_is_urgent() -> None:
    contacts = [ow.Contact("s0", "g", 0, 10, 8e6), ow.Contact("s1", "g", 5, 12, 8e6)]
    plan = ow.ContactPlan.from_contacts(
        contacts, epoch=EPOCH, nodes={"s0": "orbital", "s1": "orbital", "g": "ground"}
    )
    demands = [
        ow.Demand("early", "s0", "ground", 20e6, priority=3),
        ow.Demand("urgent", "s1", "ground", 6e6, priority=0),
    ]
    problem = PassProblem(plan, demands, antennas={"g": 1})
    first = PassSchedule(problem, BASELINES["first-come"](problem)).delivered_bytes
    assert first == pytest.approx({"early": 10e6, "urgent": 2e6})
    greedy = PassSchedule(problem, BASELINES["greedy"](problem)).delivered_bytes
    assert greedy == pytest.approx({"early": 5e6, "urgent": 6e6})


def test_first_come_goes_on_with_the_next_when_one_is_empty_and_pays_set_up() -> None:
    contacts = [ow.Contact("s0", "g", 0, 10, 8e6), ow.Contact("s1", "g", 1, 12, 8e6)]
    plan = ow.ContactPlan.from_contacts(
        contacts, epoch=EPOCH, nodes={"s0": "orbital", "s1": "orbital", "g": "ground"}
    )
    demands = [ow.Demand(s, s, "ground", volume) for s, volume in (("s0", 4e6), ("s1", 20e6))]
    for setup_s, teardown_s, left in ((0.0, 0.0, 8e6), (2.0, 1.0, 5e6)):
        problem = PassProblem(
            plan, demands, antennas={"g": 1}, setup_s=setup_s, teardown_s=teardown_s
        )
        for name in ("first-come", "greedy"):
            got = PassSchedule(problem, BASELINES[name](problem)).delivered_bytes
            assert got == pytest.approx({"s0": 4e6, "s1": left}), (name, setup_s)


def test_greedy_goes_on_in_one_pass_without_a_second_set_up() -> None:
    plan = ow.ContactPlan.from_contacts(
        [ow.Contact("s0", "g", 0, 10, 8e6)], epoch=EPOCH, nodes={"s0": "orbital", "g": "ground"}
    )
    demands = [ow.Demand(f"d{k}", "s0", "ground", 2e6) for k in range(5)]
    problem = PassProblem(plan, demands, antennas={"g": 1}, setup_s=3.0)
    for name in BASELINES:
        assert PassSchedule(problem, BASELINES[name](problem)).delivered.sum() == pytest.approx(1e7)


def test_looking_ahead_beats_slot_by_slot() -> None:
    """What the neighbour will send down later must be with it before: slot by slot never does."""
    contacts = [
        ow.Contact("s0", "g", 0, 20, 8e6),
        ow.Contact("s0", "s1", 0, 20, 8e6),
        ow.Contact("s1", "g", 20, 40, 8e6),
    ]
    plan = ow.ContactPlan.from_contacts(
        contacts, epoch=EPOCH, nodes={"s0": "orbital", "s1": "orbital", "g": "ground"}
    )
    problem = PassProblem(plan, [ow.Demand("d", "s0", "ground", 40e6)], antennas={"g": 1})
    assert best(problem) == pytest.approx(40e6)
    moves = myopic(problem, max_flow, 20.0)
    assert PassSchedule(problem, moves).delivered.sum() == pytest.approx(20e6)


def test_cooperation_in_a_slot_is_what_alone_lacks() -> None:
    contacts = [ow.Contact("s0", "s1", 0, 60, 8e6), ow.Contact("s1", "g", 0, 60, 8e6)]
    plan = ow.ContactPlan.from_contacts(
        contacts, epoch=EPOCH, nodes={"s0": "orbital", "s1": "orbital", "g": "ground"}
    )
    problem = PassProblem(plan, [ow.Demand("d", "s0", "ground", 90e6)])
    moves = myopic(problem, max_flow)
    assert PassSchedule(problem, moves).delivered.sum() == pytest.approx(60e6)
    assert len(alone(problem).plan) == 1
    assert best(alone(problem)) == 0


@pytest.mark.parametrize("name", ["first-come", "greedy", "myopic"])
def test_baselines_refuse_batteries(name: str) -> None:
    problem, _ = flyable()
    charged = problem.replace(energy={"s0": Battery(capacity_j=1e6, solar_w=1.0, transmit_w=1.0)})
    with pytest.raises(ow.InputError, match=r"PassProblem\.energy"):
        BASELINES[name](charged) if name in BASELINES else myopic(charged, max_flow)


# -- a second formulation -------------------------------------------------------------------------
@pytest.mark.parametrize("block", in_blocks(range(0, 1000, 5))[:2])
def test_a_linear_programme_by_the_second_finds_the_same(block: range) -> None:
    for seed in block:
        problem = small_case(seed, whole=True)
        value = best(problem)
        assert by_the_second(problem) == pytest.approx(value, rel=1e-6, abs=1.0), seed


@pytest.mark.parametrize("block", in_blocks(CASES))
def test_no_shortcut_of_solve_costs_a_byte_or_a_second(block: range) -> None:
    """Pooled satellites bound, satellites alone may answer: beside the network as it stands."""
    for seed in block:
        problem = small_case(seed)
        found = ow.solve(problem)
        value = best(problem)
        assert found.reason is ow.Reason.OPTIMAL, seed
        assert found.objective == pytest.approx(value, rel=1e-6, abs=1.0), seed
        assert found.bound == pytest.approx(value, rel=1e-6, abs=1.0), seed
        soon = problem.replace(objective="completion")
        quick, plain = ow.solve(soon), ow.solve(soon, method="events")
        assert quick.reason is plain.reason, seed
        assert quick.bound == pytest.approx(plain.bound, rel=1e-6, abs=1e-6), seed


def test_slots_too_coarse_for_a_plan_prove_nothing_by_that() -> None:
    found = set()
    for seed in range(60):
        problem = small_case(seed).replace(objective="completion")
        exact = ow.solve(problem, method="events")
        for slot_s in (3, 20):
            coarse = ow.solve(problem, method=f"slots-{slot_s}")
            found.add((exact.reason, coarse.reason, math.isfinite(coarse.objective)))
            assert coarse.bound <= exact.objective * (1 + 1e-9), seed
            assert coarse.objective >= exact.objective * (1 - 1e-9), seed
            if exact.reason is ow.Reason.OPTIMAL:
                assert coarse.reason is not ow.Reason.INFEASIBLE, seed
    assert (ow.Reason.OPTIMAL, ow.Reason.FEASIBLE, False) in found  # no plan, and no proof of that


# -- what is no network ---------------------------------------------------------------------------
def relay(antennas: dict[str, int]) -> PassProblem:
    """Up from the ground, on, and down to another station: one radio for both."""
    contacts = [ow.Contact("g0", "s", 0, 10, 8e6), ow.Contact("s", "g1", 0, 10, 8e6)]
    plan = ow.ContactPlan.from_contacts(
        contacts, epoch=EPOCH, nodes={"g0": "ground", "s": "orbital", "g1": "ground"}
    )
    return PassProblem(plan, [ow.Demand("d", "g0", "g1", 50e6)], antennas=antennas)


def test_one_radio_that_sends_and_receives_is_no_network() -> None:
    free = relay({"g0": 1})
    assert is_network(free, by_events(free))
    assert best(free) == pytest.approx(10e6)
    shared = relay({"s": 1})
    assert not is_network(shared, by_events(shared))


def test_contacts_of_two_rates_at_one_antenna_are_no_network() -> None:
    contacts = [ow.Contact("s0", "g", 0, 10, 8e6), ow.Contact("s1", "g", 0, 10, 4e6)]
    plan = ow.ContactPlan.from_contacts(
        contacts, epoch=EPOCH, nodes={"s0": "orbital", "s1": "orbital", "g": "ground"}
    )
    demands = [ow.Demand(s, s, "ground", 50e6) for s in ("s0", "s1")]
    without = PassProblem(plan, demands)
    assert is_network(without, by_events(without))
    assert best(without) == pytest.approx(15e6)
    limited = without.replace(antennas={"g": 1})
    assert not is_network(limited, by_events(limited))


def test_a_deadline_within_a_slot_and_a_release_into_full_storage_leave_a_bound() -> None:
    """What an outer slot allows is never less than what can be flown."""
    contacts = [ow.Contact("s0", "g", 8, 20, 8e6), ow.Contact("s1", "g", 0, 5, 8e6)]
    plan = ow.ContactPlan.from_contacts(
        contacts, epoch=EPOCH, nodes={"s0": "orbital", "s1": "orbital", "g": "ground"}
    )
    demands = [ow.Demand(s, s, "ground", 50e6, deadline_s=10.0) for s in ("s0", "s1")]
    full = [
        ow.Demand("a", "s0", "ground", 6e6),
        ow.Demand("b", "s0", "ground", 6e6, release_s=14.0),
    ]
    for problem in (
        PassProblem(plan, demands, antennas={"g": 1}),
        PassProblem(plan, full, storage_bytes=6e6),
    ):
        value = best(problem)
        above = solved(problem, by_slots(problem, 20.0, inner=False), outer=True)[1].value
        assert above >= value * (1 - 1e-9)


def test_a_plan_without_a_contact_delivers_nothing() -> None:
    plan = ow.ContactPlan.from_contacts(
        [], epoch=EPOCH, nodes={"s0": "orbital", "g": "ground"}, duration_s=60
    )
    problem = PassProblem(plan, [ow.Demand("d", "s0", "ground", 1e6)], antennas={"g": 1})
    for expansion in (by_events(problem), by_slots(problem, 5.0, inner=True)):
        found, answer = solved(problem, expansion)
        assert answer.value == 0
        assert schedule_of(problem, found, answer).delivered_bytes == {"d": 0.0}
    for _, moves in baselines(problem):
        assert len(moves) == 0


# -- planted errors -------------------------------------------------------------------------------
def flyable() -> tuple[PassProblem, Transfers]:
    """A plan that is flown as full as it goes: every change for the worse breaks a rule."""
    contacts = [
        ow.Contact("s0", "s1", 10, 30, 8e6),  # 0
        ow.Contact("s1", "g", 30, 50, 8e6),  # 1
        ow.Contact("s2", "g", 20, 60, 8e6),  # 2
    ]
    plan = ow.ContactPlan.from_contacts(
        contacts,
        epoch=EPOCH,
        nodes=dict.fromkeys(("s0", "s1", "s2"), "orbital") | {"g": "ground"},
    )
    demands = [
        ow.Demand("a", "s0", "ground", 20e6, release_s=10, deadline_s=50),
        ow.Demand("b", "s2", "ground", 20e6, release_s=20, deadline_s=60),
    ]
    problem = PassProblem(plan, demands, antennas={"g": 1}, storage_bytes=20e6)
    moves = Transfers.of(
        [0, 0, 1, 1], [0, 1, 2, 2], [10, 30, 20, 50], [30, 50, 30, 60], [20e6, 20e6, 10e6, 10e6]
    )
    return problem, moves


def moved(moves: Transfers, k: int, **changes: float) -> Transfers:
    columns = {name: getattr(moves, name).copy() for name in Transfers.__slots__}
    for name, value in changes.items():
        columns[name][k] = value
    return Transfers(**columns)


def with_demand(problem: PassProblem, k: int, **changes: Any) -> PassProblem:
    rows = list(problem.demands)
    rows[k] = replace(rows[k], **changes)
    return problem.replace(demands=rows)


Planted = Callable[[PassProblem, Transfers], tuple[PassProblem, Transfers]]

#: What is planted, the rule in the replay's words, and a part of the judge's words.
PLANTED: dict[str, tuple[Planted, str, str]] = {
    "starts before the release": (
        lambda p, m: (with_demand(p, 1, release_s=25.0), m),
        "early",
        "before its release",
    ),
    "ends after the deadline": (
        lambda p, m: (with_demand(p, 1, deadline_s=55.0), m),
        "late",
        "after its deadline",
    ),
    "starts before its contact": (
        lambda p, m: (p, moved(m, 2, start_s=15.0)),
        "contact",
        "does not lie in its contact",
    ),
    "ends after its contact": (
        lambda p, m: (p.replace(antennas=None), moved(m, 1, end_s=55.0)),
        "contact",
        "does not lie in its contact",
    ),
    "ends before it starts": (
        lambda p, m: (p, moved(m, 3, end_s=45.0)),
        "contact",
        "does not lie in its contact",
    ),
    "carries less than nothing": (
        lambda p, m: (p, moved(m, 3, volume_bytes=-1.0)),
        "contact",
        "does not lie in its contact",
    ),
    "faster than its contact": (
        lambda p, m: (p.replace(antennas=None), moved(m, 3, start_s=55.0)),
        "rate",
        "times over",
    ),
    "two contacts on one antenna": (
        lambda p, m: (p, moved(m, 3, start_s=45.0, end_s=55.0)),
        "antenna",
        "antennas at a time",
    ),
    "no time to set up": (
        lambda p, m: (p.replace(setup_s=1.0), m),
        "antenna",
        "antennas at a time",
    ),
    "no time to tear down": (
        lambda p, m: (p.replace(teardown_s=1.0), m),
        "antenna",
        "antennas at a time",
    ),
    "a relay without room": (
        lambda p, m: (p.replace(storage_bytes={"s1": 19e6}), m),
        "storage",
        "has room for",
    ),
    "a source without room": (
        lambda p, m: (p.replace(storage_bytes={"s2": 19e6}), m),
        "storage",
        "has room for",
    ),
    "sent on before it came": (
        lambda p, m: (
            with_demand(p, 0, volume_bytes=15e6),
            m,
        ),
        "possession",
        "does not have",
    ),
    "sent by one that never got it": (
        lambda p, m: (p, moved(m, 1, demand=1)),
        "possession",
        "does not have",
    ),
    "more sent on than came": (
        lambda p, m: (p, moved(m, 0, volume_bytes=19e6)),
        "possession",
        "does not have",
    ),
}


def test_what_the_planted_errors_start_from_can_be_flown() -> None:
    problem, moves = flyable()
    assert violations(problem, moves) == ()
    assert not replay(problem, PassSchedule(problem, moves).transfers).broken


@pytest.mark.parametrize("name", PLANTED)
def test_planted_errors_are_found_by_judge_and_replay(name: str) -> None:
    plant, rule, words = PLANTED[name]
    problem, moves = plant(*flyable())
    found = violations(problem, moves)
    assert any(words in text for text in found), found
    broken = replay(problem, PassSchedule(problem, moves).transfers).broken
    assert rule in broken, dict(broken)


@pytest.mark.parametrize("name", ["first-come", "greedy", "myopic"])
def test_baselines_refuse_what_would_break_a_rule_here(name: str) -> None:
    """The planted problems, planned anew: less is delivered and nothing broken."""
    for plant, _, _ in PLANTED.values():
        problem, _ = plant(*flyable())
        moves = BASELINES[name](problem) if name in BASELINES else myopic(problem, max_flow, 5.0)
        assert violations(problem, moves) == ()
        assert len(moves) > 0
