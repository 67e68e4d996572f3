"""The linear programme of passes against maximum flow, a second formulation and by hand."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

import orbweave as ow
from orbweave.formulations.passes import Demand, PassProblem, PassSchedule, Transfers, lp
from orbweave.formulations.passes.battery import Battery
from orbweave.formulations.passes.energy import eclipse_cuts
from orbweave.formulations.passes.expansion import Expansion, by_events, by_slots
from orbweave.formulations.passes.flows import build, commodities, is_network
from orbweave.solvers.backends import solve_model
from orbweave.solvers.backends.raw import RawResult
from orbweave.solvers.maxflow import max_flow
from orbweave.solvers.options import SolveOptions
from orbweave.solvers.result import Reason

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
MEGA = 1e6


def contact_plan(
    contacts: list[ow.Contact], dark: Mapping[str, list[tuple[float, float]]] | None = None
) -> ow.ContactPlan:
    """A plan whose nodes are ground where they begin with g; eclipses by satellite."""
    names = sorted({end for row in contacts for end in (row.source, row.target)})
    kinds = {name: "ground" if name.startswith("g") else "orbital" for name in names}
    plan = ow.ContactPlan.from_contacts(contacts, epoch=EPOCH, nodes=kinds)
    spans = [(plan.index(name), *span) for name, parts in (dark or {}).items() for span in parts]
    columns = [np.array([span[k] for span in spans]) for k in range(3)]
    eclipses = {
        "node": columns[0].astype(np.int32),
        "start_s": columns[1],
        "end_s": columns[2],
        "umbra_start_s": columns[1],
        "umbra_end_s": columns[2],
    }
    return ow.ContactPlan(EPOCH, plan.nodes, plan.arrays, eclipses, plan.duration_s)


def solved(found: lp.PassProgramme) -> tuple[RawResult, PassSchedule, float]:
    """The solver's answer, its schedule and the bytes that it claims; the duals must prove them."""
    result = solve_model(found.model, SolveOptions())
    assert result.reason is Reason.OPTIMAL
    assert result.x is not None
    value = found.model.objective(result.x)
    assert result.bound == pytest.approx(value, rel=1e-7, abs=1e-6)
    return result, PassSchedule(found.problem, lp.read(found, result.x)), -value * found.unit_bytes


def best(problem: PassProblem, expansion: Expansion, **options: Any) -> float:
    """Most bytes; the schedule must deliver them and break nothing."""
    _, schedule, value = solved(lp.build(problem, expansion, **options))
    assert schedule.violations() == ()
    assert schedule.delivered.sum() == pytest.approx(value, rel=1e-6, abs=1.0)
    return value


SECONDS = st.integers(0, 60).map(float)


@st.composite
def scenes(
    draw: st.DrawFn,
    *,
    rates: tuple[float, ...] = (8e6,),
    commodities: int = 1,
    relay: bool = True,
) -> PassProblem:
    """Up to three satellites and two stations within a minute or two; times are whole seconds."""
    satellites, stations = ["s1", "s2", "s3"], ["g1", "g2"]
    pairs = [(s, g) for s in satellites for g in stations]
    if relay:
        pairs += [("s1", "s2"), ("s2", "s3")]
    contacts = []
    for _ in range(draw(st.integers(2, 7))):
        source, target = draw(st.sampled_from(pairs))
        start = draw(SECONDS)
        length = draw(st.integers(1, 40))
        rate = draw(st.sampled_from(rates))
        contacts.append(ow.Contact(source, target, start, start + length, rate))
    contacts = list({(c.source, c.target, c.start_s, c.end_s): c for c in contacts}.values())
    present = {end for row in contacts for end in (row.source, row.target)}
    absent = [ow.Contact("s1", g, 99.0, 100.0, rates[0]) for g in stations if g not in present]
    plan = contact_plan([*contacts, *absent])
    demands = []
    sources = [name for name in satellites if name in plan.node_names]
    for k in range(draw(st.integers(1, 3))):
        release = draw(st.integers(0, 20)) if k else 0
        deadline, target = math.inf, "ground"
        if commodities > 1:
            deadline = release + draw(st.sampled_from([15.0, 30.0, 50.0, 300.0]))
            target = draw(st.sampled_from(["ground", "g1", "g2"]))
        volume = draw(st.integers(1, 80)) * MEGA
        source = draw(st.sampled_from(sources))
        demands.append(Demand(f"d{k}", source, target, volume, release, deadline, draw(LEVELS)))
    storage = draw(st.sampled_from([None, 20 * MEGA, 50 * MEGA, {sources[0]: 10 * MEGA}]))
    antennas = draw(st.sampled_from([None, {"g1": 1}, {"g1": 1, "g2": 1}, {"g1": 2, "g2": 1}]))
    return PassProblem(plan, demands, antennas=antennas, storage_bytes=storage)


LEVELS = st.integers(0, 3)


# -- one commodity, one rate: a maximum flow ------------------------------------------------------
@settings(max_examples=60)
@given(scenes(), st.sampled_from(["events", "inner", "outer"]), st.sampled_from([math.inf, 33.3]))
def test_is_the_maximum_flow(problem: PassProblem, cut: str, until_s: float) -> None:
    expansion = (
        by_events(problem) if cut == "events" else by_slots(problem, 7, inner=cut != "outer")
    )
    assert is_network(problem, expansion)
    group, outer = commodities(problem)[0], cut == "outer"
    network = build(problem, expansion, group, until_s=until_s, outer=outer).network
    flow = max_flow(network).value
    found = lp.build(problem, expansion, until_s=until_s, outer=outer)
    _, schedule, value = solved(found)
    assert value == pytest.approx(flow, rel=1e-6, abs=1.0)
    if not outer:
        assert schedule.violations() == ()
        assert schedule.delivered.sum() == pytest.approx(flow, rel=1e-6, abs=1.0)
        assert not len(schedule.moves) or schedule.moves.end_s.max() <= until_s


# -- several commodities and rates: another formulation -------------------------------------------
def by_seconds(problem: PassProblem) -> float:
    """Most bytes, from an LP of its own: every demand apart, every second, no contraction.

    All times of a scene are whole seconds, so that nothing changes within a second and bytes that
    come in one may leave in it. Columns: demand x contact x second, then levels demand x node x
    second, then what each demand sends, then the charge of each battery every second.
    """
    rows, plan = problem.plan.arrays, problem.plan
    last = int(max(rows["end_s"].max(), max(row.release_s for row in problem.demands))) + 1
    demands, nodes = len(problem.demands), len(plan.nodes)
    moves = [
        (d, c, t)
        for d in range(demands)
        for c in range(len(plan))
        for t in range(int(rows["start_s"][c]), int(rows["end_s"][c]))
        if t >= problem.demands[d].release_s and t + 1 <= problem.demands[d].deadline_s
    ]
    levels = len(moves)
    sends = levels + demands * nodes * (last + 1)
    stored = sends + demands
    batteries = list((problem.energy or {}).items())
    width = stored + len(batteries) * (last + 1)

    def level(d: int, n: int, t: int) -> int:
        return levels + (d * nodes + n) * (last + 1) + t

    equal, equal_rhs, less, less_rhs = [], [], [], []
    goals = [set(problem.targets(row).tolist()) for row in problem.demands]
    balance = np.zeros((demands, nodes, last, width))
    for k, (d, c, t) in enumerate(moves):
        balance[d, rows["source"][c], t, k] -= 1
        balance[d, rows["target"][c], t, k] += 1
    for d, row in enumerate(problem.demands):
        for n in range(nodes):
            for t in range(last):
                line = balance[d, n, t]
                line[level(d, n, t)] += 1
                line[level(d, n, t + 1)] -= 1
                if n == plan.index(row.source) and t == int(row.release_s):
                    line[sends + d] += 1
                equal.append(line)
                equal_rhs.append(0.0)
    counts = problem.antenna_count
    for t in range(last):
        for c in range(len(plan)):
            line = np.zeros(width)
            line[[k for k, (_, e, u) in enumerate(moves) if (e, u) == (c, t)]] = 1
            less.append(line)
            less_rhs.append(rows["rate_bps"][c] / 8 / MEGA)
        for n in np.flatnonzero(np.isfinite(counts)).tolist():
            line = np.zeros(width)
            for k, (_, c, u) in enumerate(moves):
                if (
                    u == t
                    and problem.uses_antenna[c]
                    and n in (rows["source"][c], rows["target"][c])
                ):
                    line[k] = 8 * MEGA / rows["rate_bps"][c]
            less.append(line)
            less_rhs.append(counts[n])
        for n in np.flatnonzero(np.isfinite(problem.storage)).tolist():
            line = np.zeros(width)
            for d, row in enumerate(problem.demands):
                if n not in goals[d]:
                    line[level(d, n, t)] = 1
                    if n == plan.index(row.source) and t == int(row.release_s):
                        line[sends + d] = 1
            less.append(line)
            less_rhs.append(problem.storage[n] / MEGA)
    bounds = [(0.0, math.inf)] * width
    for b, (name, battery) in enumerate(batteries):
        node, dark = plan.index(name), plan.eclipses
        first = stored + b * (last + 1)
        for t in range(last + 1):
            bounds[first + t] = (battery.floor_j, battery.capacity_j)
        start = battery.capacity_j if battery.initial_j is None else battery.initial_j
        bounds[first] = (start, start)
        for t in range(int(max(plan.duration_s or 0.0, rows["end_s"].max()))):
            shade = (dark["node"] == node) & (dark["start_s"] <= t) & (dark["end_s"] > t)
            line = np.zeros(width)
            line[[first + t, first + t + 1]] = -1, 1
            for k, (_, c, u) in enumerate(moves):
                watts = battery.transmit_w * (rows["source"][c] == node)
                watts += battery.receive_w * (rows["target"][c] == node)
                line[k] = (u == t) * watts * 8 * MEGA / rows["rate_bps"][c]
            less.append(line)
            less_rhs.append((0.0 if shade.any() else battery.solar_w) - battery.base_w)
    for d, row in enumerate(problem.demands):
        bounds[sends + d] = (0.0, row.volume_bytes / MEGA)
        for n in range(nodes):
            bounds[level(d, n, 0)] = (0.0, 0.0)
            if n not in goals[d]:
                bounds[level(d, n, last)] = (0.0, 0.0)
    cost = np.zeros(width)
    cost[sends:stored] = -1
    answer = linprog(
        cost, np.array(less), less_rhs, np.array(equal), equal_rhs, bounds, method="highs"
    )
    assert answer.status == 0
    return float(-answer.fun * MEGA)


@settings(max_examples=25)
@given(scenes(rates=(8e6, 4e6, 16e6), commodities=3))
def test_is_another_formulation_with_deadlines_targets_and_rates(problem: PassProblem) -> None:
    exact = by_seconds(problem)
    assert best(problem, by_events(problem)) == pytest.approx(exact, rel=1e-6, abs=1.0)
    inner = best(problem, by_slots(problem, 6, inner=True))
    _, _, outer = solved(lp.build(problem, by_slots(problem, 6, inner=False), outer=True))
    assert inner <= exact * (1 + 1e-6) + 1.0
    assert outer >= exact * (1 - 1e-6) - 1.0


def test_shares_an_antenna_between_rates() -> None:
    # Both in view for 100 s of one antenna: the fast one first (100 MB take 50 s), then 50 s at 1.
    contacts = [ow.Contact("s1", "g", 0, 100, 8e6), ow.Contact("s2", "g", 0, 100, 16e6)]
    demands = [Demand("a", "s1", "g", 1e9), Demand("b", "s2", "g", 100 * MEGA)]
    problem = PassProblem(contact_plan(contacts), demands, antennas={"g": 1})
    expansion = by_events(problem)
    assert not is_network(problem, expansion)
    assert best(problem, expansion) == pytest.approx(150 * MEGA)
    assert best(problem, expansion, until_s=50.0) == pytest.approx(100 * MEGA)


def test_commodities_share_storage() -> None:
    # s2 can hold 30 MB between what comes (until 50 s) and what goes (from 100 s), of both.
    contacts = [
        ow.Contact("s1", "s2", 0, 50, 8e6),
        ow.Contact("s2", "g1", 100, 150, 8e6),
        ow.Contact("s2", "g2", 100, 150, 8e6),
    ]
    demands = [Demand("a", "s1", "g1", 25 * MEGA), Demand("b", "s1", "g2", 20 * MEGA)]
    problem = PassProblem(contact_plan(contacts), demands, storage_bytes={"s2": 30 * MEGA})
    assert best(problem, by_events(problem)) == pytest.approx(30 * MEGA)
    # What waits at its source takes room as well.
    direct = problem.replace(demands=[replace(row, source="s2") for row in demands])
    assert best(direct, by_events(direct)) == pytest.approx(30 * MEGA)


# -- stages of priority ---------------------------------------------------------------------------
def lexicographic(problem: PassProblem, expansion: Expansion) -> tuple[list[float], PassSchedule]:
    """Bytes of each class in turn."""
    found, secured = lp.build(problem, expansion), dict[int, float]()
    schedule = PassSchedule(problem, Transfers.empty())
    for priority in sorted({row.priority for row in problem.demands}):
        _, schedule, secured[priority] = solved(found.stage(priority, secured))
    return list(secured.values()), schedule


@settings(max_examples=30)
@given(scenes(rates=(8e6, 4e6), commodities=3))
def test_stages_serve_classes_in_turn(problem: PassProblem) -> None:
    expansion = by_events(problem)
    got, schedule = lexicographic(problem, expansion)
    assert schedule.violations() == ()
    classes = sorted({row.priority for row in problem.demands})
    for priority, amount in zip(classes, got, strict=True):
        assert schedule.by_priority[priority] >= amount * (1 - 1e-6) - 1.0
    # The first class does as well as alone; all classes together no better than the volume.
    first = [row for row in problem.demands if row.priority == classes[0]]
    alone = problem.replace(demands=first)
    assert got[0] == pytest.approx(best(alone, by_events(alone)), rel=1e-6, abs=1.0)
    assert sum(got) <= best(problem, expansion) * (1 + 1e-6) + 1.0


@settings(max_examples=30)
@given(scenes(rates=(8e6,)))
def test_stages_are_nested_flows(problem: PassProblem) -> None:
    # With one commodity, the classes up to p get the maximum flow of the classes up to p.
    expansion, demands = by_events(problem), problem.demands
    got, _ = lexicographic(problem, expansion)
    classes = sorted({row.priority for row in demands})
    for k, priority in enumerate(classes):
        volume = np.array([row.volume_bytes if row.priority <= priority else 0 for row in demands])
        network = build(problem, expansion, commodities(problem)[0], volume_bytes=volume).network
        assert sum(got[: k + 1]) == pytest.approx(max_flow(network).value, rel=1e-6, abs=1.0)


def test_nothing_can_be_sent() -> None:
    contacts = [ow.Contact("s1", "g", 0, 10, 8e6), ow.Contact("s2", "g", 0, 100, 8e6)]
    late = PassProblem(contact_plan(contacts), [Demand("a", "s1", "g", 1e9, release_s=10.0)])
    assert best(late, by_events(late)) == 0.0
    assert best(late, by_slots(late, 7, inner=True)) == 0.0


# -- energy ---------------------------------------------------------------------------------------
def one_pass(battery: Battery, dark: list[tuple[float, float]]) -> PassProblem:
    """A pass of 100 s at 1 MB/s after 50 s without one."""
    plan = contact_plan([ow.Contact("s1", "g", 50, 150, 8e6)], {"s1": dark})
    return PassProblem(plan, [Demand("a", "s1", "g", 1e9)], energy={"s1": battery})


@pytest.mark.parametrize(
    ("battery", "dark", "megabytes"),
    [
        # Empty and always dark: nothing.
        (Battery(capacity_j=100, solar_w=5, transmit_w=10, initial_j=0), [(0, 150)], 0),
        # Dark, 300 J above the floor at 10 W: 30 s.
        (Battery(capacity_j=500, solar_w=5, transmit_w=10, floor_j=200), [(0, 150)], 30),
        # The same with a base load of 1 W over all 150 s: 150 J are left, 15 s.
        (Battery(capacity_j=500, solar_w=5, transmit_w=10, floor_j=200, base_w=1), [(0, 150)], 15),
        # Empty, sun before the pass: 50 s x 5 W = 250 J, 25 s.
        (Battery(capacity_j=500, solar_w=5, transmit_w=10, initial_j=0), [(50, 150)], 25),
        # The same into 100 J: what does not fit is lost, 10 s.
        (Battery(capacity_j=100, solar_w=5, transmit_w=10, initial_j=0), [(50, 150)], 10),
        # Sun all the time, a full battery of 100 J: 100 J + 100 s x 5 W, 60 s.
        (Battery(capacity_j=100, solar_w=5, transmit_w=10), [], 60),
        # Sun in the first half of the pass only: 100 J + 50 s x 5 W, 35 s.
        (Battery(capacity_j=100, solar_w=5, transmit_w=10), [(100, 150)], 35),
        # As much sun as sending takes: all of it.
        (Battery(capacity_j=1, solar_w=10, transmit_w=10), [], 100),
    ],
)
def test_energy_by_hand(
    battery: Battery, dark: list[tuple[float, float]], megabytes: float
) -> None:
    problem = one_pass(battery, dark)
    found = best(problem, by_events(problem, eclipse_cuts(problem)))
    assert found == pytest.approx(megabytes * MEGA, abs=10.0)


@pytest.mark.parametrize(
    ("energy", "words"),
    [
        ({"s3": Battery(capacity_j=1, solar_w=1, transmit_w=1)}, "'s3'"),
        ({"s1": 100.0}, "expected a Battery"),
    ],
)
def test_refuses_other_batteries(energy: Any, words: str) -> None:
    plan = contact_plan([ow.Contact("s1", "g", 50, 150, 8e6)])
    with pytest.raises(ow.InputError, match=words):
        PassProblem(plan, [Demand("a", "s1", "g", 1e9)], energy=energy)


@pytest.mark.parametrize("wrong", [{"floor_j": 101}, {"initial_j": 19}, {"initial_j": 101}])
def test_refuses_a_charge_out_of_range(wrong: dict[str, float]) -> None:
    with pytest.raises(ow.InputError, match=next(iter(wrong))):
        Battery(**{"capacity_j": 100.0, "solar_w": 1.0, "transmit_w": 1.0, "floor_j": 20.0} | wrong)


def test_receiving_takes_energy_too() -> None:
    plan = contact_plan([ow.Contact("g", "s1", 0, 100, 8e6)])
    battery = Battery(capacity_j=80, solar_w=0, transmit_w=50, receive_w=4)
    problem = PassProblem(plan, [Demand("a", "g", "s1", 1e9)], energy={"s1": battery})
    assert best(problem, by_events(problem)) == pytest.approx(20 * MEGA)


def test_a_base_load_that_the_battery_cannot_carry_is_infeasible() -> None:
    problem = one_pass(Battery(capacity_j=100, solar_w=5, transmit_w=0, base_w=1), [(0, 150)])
    found = lp.build(problem, by_events(problem))
    assert solve_model(found.model, SolveOptions()).reason is Reason.INFEASIBLE
    (text,) = PassSchedule(problem, Transfers.empty()).violations()
    assert "s1's battery falls below its floor of 0 J at 100.000 s" in text


def test_the_judge_names_the_moment() -> None:
    # 100 J, 5 W of sun and 10 W of radio from 50 s on: empty 20 s later than the 50 s mark.
    problem = one_pass(Battery(capacity_j=100, solar_w=5, transmit_w=10), [])
    moves = Transfers.of([0], [0], [50.0], [150.0], [100 * MEGA])
    (text,) = PassSchedule(problem, moves).violations()
    assert "s1's battery falls below its floor of 0 J at 70.000 s (to -400 J at 150.000 s)" in text
    half = Transfers.of([0], [0], [50.0], [150.0], [60 * MEGA])
    assert PassSchedule(problem, half).violations() == ()


BATTERIES = st.builds(
    lambda capacity, share, solar, transmit, receive, base: Battery(
        capacity_j=capacity,
        initial_j=capacity * share,
        solar_w=solar,
        base_w=min(base, solar / 4),
        transmit_w=transmit,
        receive_w=receive,
    ),
    st.sampled_from([5.0, 50.0, 500.0]),
    st.sampled_from([0.5, 1.0]),
    st.sampled_from([0.0, 4.0, 12.0]),
    st.sampled_from([3.0, 10.0]),
    st.sampled_from([0.0, 2.0]),
    st.sampled_from([0.0, 1.0]),
)


def powered(problem: PassProblem, battery: Battery, dark: list[tuple[int, int]]) -> PassProblem:
    """The problem with that battery on every satellite, and eclipses."""
    names = [node.name for node in problem.plan.nodes if node.kind == "orbital"]
    rows = problem.plan.arrays
    contacts = [problem.plan.contact(k) for k in range(len(rows["start_s"]))]
    spans = {name: [(float(a), float(a + b)) for a, b in dark] for name in names}
    energy = dict.fromkeys(names, battery)
    return problem.replace(plan=contact_plan(contacts, spans), energy=energy)


def simulated(problem: PassProblem, schedule: PassSchedule, name: str, step_s: float) -> float:
    """Lowest charge less the floor, by short steps of time."""
    assert problem.energy is not None
    battery, rows = problem.energy[name], problem.plan.arrays
    node, moves, dark = problem.plan.index(name), schedule.moves, problem.plan.eclipses
    last = max(float(problem.plan.duration_s or 0.0), float(rows["end_s"].max()))
    times = np.arange(0.0, last, step_s) + step_s / 2
    power = np.full(len(times), -battery.base_w)
    shade = np.zeros(len(times), dtype=bool)
    for k in np.flatnonzero(dark["node"] == node).tolist():
        shade |= (times > dark["start_s"][k]) & (times < dark["end_s"][k])
    power[~shade] += battery.solar_w
    for k in range(len(moves)):
        during = (times > moves.start_s[k]) & (times < moves.end_s[k])
        rate = moves.volume_bytes[k] * 8 / (moves.end_s[k] - moves.start_s[k])
        contact = moves.contact[k]
        share = rate / rows["rate_bps"][contact]
        if rows["source"][contact] == node:
            power[during] -= battery.transmit_w * share
        if rows["target"][contact] == node:
            power[during] -= battery.receive_w * share
    level = lowest = battery.capacity_j if battery.initial_j is None else battery.initial_j
    for watts in power:
        level = min(battery.capacity_j, level + float(watts) * step_s)
        lowest = min(lowest, level)
    return lowest - battery.floor_j


DARK = st.lists(st.tuples(st.integers(0, 60), st.integers(1, 30)), max_size=2)


@settings(max_examples=15)
@given(scenes(rates=(8e6, 4e6), commodities=2), BATTERIES, DARK)
def test_energy_is_another_formulation(
    problem: PassProblem, battery: Battery, dark: list[tuple[int, int]]
) -> None:
    scene = powered(problem, battery, dark)
    if PassSchedule(scene, Transfers.empty()).violations():
        return  # the base load alone is too much
    exact = by_seconds(scene)
    assert best(scene, by_slots(scene, 1, inner=True)) == pytest.approx(exact, rel=1e-6, abs=1.0)
    expansion = by_events(scene, eclipse_cuts(scene))
    found = best(scene, expansion)
    if (expansion.head >= 0).any():  # all contacts are cut at all events
        assert found == pytest.approx(exact, rel=1e-6, abs=1.0)
    assert found <= exact * (1 + 1e-6) + 1.0


@settings(max_examples=30)
@given(scenes(rates=(8e6, 4e6), commodities=2), BATTERIES, DARK)
def test_energy_holds_in_a_simulation_and_more_of_it_sends_more(
    problem: PassProblem, battery: Battery, dark: list[tuple[int, int]]
) -> None:
    assert battery.initial_j is not None
    scene = powered(problem, battery, dark)
    cuts = eclipse_cuts(scene)
    idle = PassSchedule(scene, Transfers.empty()).violations()
    found = lp.build(scene, by_events(scene, cuts))
    if idle:  # the base load alone is too much
        assert solve_model(found.model, SolveOptions()).reason is Reason.INFEASIBLE
        return
    _, schedule, value = solved(found)
    assert schedule.violations() == ()
    for name in scene.energy or {}:
        assert simulated(scene, schedule, name, 0.25) >= -1e-5 * battery.capacity_j
    free = scene.replace(energy=None)
    assert value <= best(free, by_events(free, cuts)) * (1 + 1e-6) + 1.0
    for more in ({"capacity_j": 2 * battery.capacity_j}, {"solar_w": battery.solar_w + 2}):
        changed = dict.fromkeys(scene.energy or {}, replace(battery, **more))
        richer = scene.replace(energy=changed)
        assert best(richer, by_events(richer, cuts)) >= value * (1 - 1e-6) - 1.0
    # Slots are below and above.
    inner, outer = (by_slots(scene, 6, inner=kind) for kind in (True, False))
    _, _, above = solved(lp.build(scene, outer, outer=True))
    assert best(scene, inner) <= above * (1 + 1e-6) + 1.0
    assert value <= above * (1 + 1e-6) + 1.0
