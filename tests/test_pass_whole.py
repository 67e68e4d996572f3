"""Demands that go whole or not at all: against a second programme, enumeration and baselines."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from pass_cases import EPOCH, by_the_second, in_blocks, small_case
from replay import replay

import orbweave as ow
from orbweave.formulations.partition.outcome import Watch
from orbweave.formulations.passes import PassSchedule
from orbweave.formulations.passes.baselines import BASELINES
from orbweave.solvers.options import SolveOptions
from orbweave.solvers.pass_whole import splits
from orbweave.solvers.passes import solve_passes


def some_whole(seed: int, *, seconds: bool, one_rate: bool = True) -> ow.PassProblem:
    """A random problem of which about two demands in three may not be split."""
    problem = small_case(seed, whole=seconds, one_rate=one_rate)
    rng = np.random.default_rng([seed, 7])
    demands = [replace(row, splittable=bool(rng.random() < 0.35)) for row in problem.demands]
    return problem.replace(demands=demands)


def flown(problem: ow.PassProblem, schedule: PassSchedule) -> dict[str, float]:
    found = replay(problem, schedule.transfers)
    assert not found.broken
    return dict(found.delivered)


@pytest.mark.parametrize("block", in_blocks(range(0, 1000, 4)))
def test_a_programme_by_the_second_chooses_as_well(block: range) -> None:
    for seed in block:
        problem = some_whole(seed, seconds=True)
        result = ow.solve(problem)
        value = by_the_second(problem)
        assert result.reason is ow.Reason.OPTIMAL, seed
        assert result.objective == pytest.approx(value, rel=1e-6, abs=1.0), seed
        schedule = result.require()
        delivered = flown(problem, schedule)
        for name, amount in schedule.delivered_bytes.items():
            assert delivered.get(name, 0.0) == pytest.approx(amount, rel=1e-6, abs=0.01), seed
        for row in problem.demands:
            if not row.splittable:
                amount = schedule.delivered_bytes[row.name]
                assert amount == 0 or amount == pytest.approx(row.volume_bytes, rel=1e-6), seed


@pytest.mark.parametrize("block", in_blocks(range(2000, 2300)))
def test_no_baseline_is_better(block: range) -> None:
    """Several commodities and rates too, whatever the objective."""
    for seed in block:
        problem = some_whole(seed, seconds=False, one_rate=seed % 3 == 0)
        rng = np.random.default_rng(seed)
        ground = [node.name for node in problem.plan.nodes if node.kind == "ground"]
        demands = [
            replace(row, target=str(rng.choice(["ground", *ground]))) for row in problem.demands
        ]
        objective = "priority" if seed % 2 else "volume"
        problem = problem.replace(demands=demands, objective=objective)
        result = ow.solve(problem)
        schedule = result.require()
        assert schedule.objective <= result.bound * (1 + 1e-6)
        flown(problem, schedule)
        for name, baseline in BASELINES.items():
            other = PassSchedule(problem, baseline(problem))
            if objective == "priority":
                # The most urgent class first; rounding of one must not decide for the next.
                pairs = zip(schedule.by_priority.values(), other.by_priority.values(), strict=True)
                first = next(((a, b) for a, b in pairs if abs(a - b) > 1.0), (0.0, 0.0))
                assert first[0] >= first[1], (seed, name)
            else:
                assert schedule.objective >= other.objective * (1 - 1e-6), (seed, name)


@pytest.mark.parametrize("seed", range(0, 120, 4))
def test_no_baseline_is_better_where_antennas_are_exclusive(seed: int) -> None:
    problem = some_whole(seed, seconds=False, one_rate=seed % 8 == 0)
    if not problem.antennas:
        return
    if seed % 12 == 0:
        demands = [replace(row, splittable=True) for row in problem.demands]
        problem = problem.replace(demands=demands)
    problem = problem.replace(setup_s=1.0)
    result = ow.solve(problem, time_limit_s=0.3)
    schedule = result.require()
    flown(problem, schedule)
    assert schedule.objective <= result.bound * (1 + 1e-6)
    for name, baseline in BASELINES.items():
        other = PassSchedule(problem, baseline(problem))
        assert schedule.objective >= other.objective * (1 - 1e-6), name


@pytest.mark.parametrize("seed", range(40))
def test_classes_come_one_before_the_other(seed: int) -> None:
    """Enumerated: of all sets that fit whole, the best in the order of classes."""
    problem = some_whole(seed, seconds=False).replace(objective="priority")
    fixed = [k for k, row in enumerate(problem.demands) if not row.splittable]
    best: tuple[float, ...] = ()
    for count in range(len(fixed) + 1):
        for taken in itertools.combinations(fixed, count):
            rows = [
                replace(row, splittable=True)
                for k, row in enumerate(problem.demands)
                if row.splittable or k in taken
            ]
            if not rows:
                value: tuple[float, ...] = (0.0,) * 4
            else:
                given = ow.solve(problem.replace(demands=rows)).require()
                amounts = given.delivered_bytes
                must = [problem.demands[k] for k in taken]
                if any(amounts[row.name] < row.volume_bytes * (1 - 1e-6) for row in must):
                    continue
                value = tuple(given.by_priority.values())
            best = max(best, tuple(round(x / 10) for x in value))
    found = ow.solve(problem).require()
    assert tuple(round(x / 10) for x in found.by_priority.values()) >= best


def star(count: int, volume: float) -> ow.PassProblem:
    """So many satellites over one antenna for 10 s at 1 MB/s, one demand each."""
    names = [f"s{k}" for k in range(count)]
    plan = ow.ContactPlan.from_contacts(
        [ow.Contact(name, "g", 0, 10, 8e6) for name in names],
        epoch=EPOCH,
        nodes=dict.fromkeys(names, "orbital") | {"g": "ground"},
    )
    demands = [
        ow.Demand(f"d{k}", s, "ground", volume, splittable=False) for k, s in enumerate(names)
    ]
    return ow.PassProblem(plan, demands, antennas={"g": 1})


def test_halves_that_count_for_nothing_are_not_sent() -> None:
    problem = star(4, 4e6)
    result = ow.solve(problem)
    schedule = result.require()
    assert result.reason is ow.Reason.OPTIMAL
    assert result.objective == pytest.approx(8e6)
    assert sorted(schedule.delivered_bytes.values()) == pytest.approx([0, 0, 4e6, 4e6])
    assert schedule.moves.volume_bytes.sum() == pytest.approx(8e6)
    assert "2 demands" in result.message


def test_exclusive_antennas_and_batteries_serve_whole_demands() -> None:
    problem = star(3, 4e6).replace(setup_s=0.5)
    result = ow.solve(problem, time_limit_s=2)
    assert result.objective == pytest.approx(8e6)
    battery = ow.Battery(capacity_j=1e6, solar_w=1.0, transmit_w=1.0)
    charged = star(3, 4e6).replace(energy={"s0": battery})
    assert ow.solve(charged).objective == pytest.approx(8e6)


def test_an_interrupt_and_a_limit_keep_the_best_so_far() -> None:
    problem = star(6, 4e6)
    loose = [replace(row, splittable=True) for row in problem.demands]
    # All six in part: what the flow might say.
    share = ow.solve(problem.replace(demands=loose)).require().moves
    seen: list[float] = []

    def stop(watch: Watch) -> None:
        seen.append(watch.objective)
        raise KeyboardInterrupt

    assert splits(problem, share)
    result = solve_passes(problem, SolveOptions(on_progress=stop))
    assert result.limit is ow.Limit.INTERRUPT
    assert result.objective == pytest.approx(seen[-1])
    assert result.objective == pytest.approx(8e6)  # greedy first fit has been there
