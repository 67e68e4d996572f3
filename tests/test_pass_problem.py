"""Pass problems as data: what they refuse, and what they say about a plan."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

import orbweave as ow
from orbweave.formulations.passes import Transfers

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


def plan(kinds: bool = True, names: tuple[str, ...] = ("s0", "s1", "g0", "g1")) -> ow.ContactPlan:
    s0, s1, g0, g1 = names
    contacts = [
        ow.Contact(s0, g0, 0, 10, 8e6),
        ow.Contact(s0, s1, 0, 10, 8e6),
        ow.Contact(s1, g1, 5, 15, 8e6),
    ]
    kind = ("orbital", "orbital", "ground", "ground") if kinds else (None,) * 4
    nodes = dict(zip(names, kind, strict=True))
    return ow.ContactPlan.from_contacts(contacts, epoch=EPOCH, nodes=nodes)


def demand(**changes: Any) -> ow.Demand:
    fields: dict[str, Any] = {
        "name": "d",
        "source": "s0",
        "target": "ground",
        "volume_bytes": 1e6,
    }
    return ow.Demand(**fields | changes)


def problem(**changes: Any) -> ow.PassProblem:
    fields: dict[str, Any] = {"plan": plan(), "demands": [demand()]}
    return ow.PassProblem(**fields | changes)


# -- what is refused ------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"name": ""}, r"Demand\.name = ''"),
        ({"name": 3}, r"Demand\.name = 3"),
        ({"source": ""}, r"Demand\['d'\]\.source = ''"),
        ({"target": None}, r"Demand\['d'\]\.target = None"),
        ({"target": "s0"}, r"Demand\['d'\]\.target = 's0': expected another node"),
        ({"volume_bytes": -1.0}, r"Demand\['d'\]\.volume_bytes = -1\.0"),
        ({"volume_bytes": math.inf}, r"Demand\['d'\]\.volume_bytes = inf"),
        ({"volume_bytes": math.nan}, r"Demand\['d'\]\.volume_bytes = nan"),
        ({"volume_bytes": "1"}, r"Demand\['d'\]\.volume_bytes = '1'"),
        ({"release_s": math.nan}, r"Demand\['d'\]\.release_s = nan"),
        ({"release_s": math.inf}, r"Demand\['d'\]\.release_s = inf"),
        ({"deadline_s": math.nan}, r"Demand\['d'\]\.deadline_s = nan"),
        ({"release_s": 5.0, "deadline_s": 4.0}, r"deadline_s = 4\.0: .*after the release, 5"),
        ({"release_s": 5.0, "deadline_s": 5.0}, r"deadline_s = 5\.0: .*after the release, 5"),
        ({"priority": 4}, r"Demand\['d'\]\.priority = 4: expected 0 critical to 3 low"),
        ({"priority": -1}, r"Demand\['d'\]\.priority = -1"),
        ({"priority": 1.5}, r"Demand\['d'\]\.priority = 1\.5"),
    ],
)
def test_a_demand_refuses(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ow.InputError, match=words):
        demand(**changes)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"plan": "plan.csv"}, r"PassProblem\.plan = 'str': expected a ContactPlan"),
        ({"demands": []}, r"PassProblem\.demands = \(\): expected at least one demand"),
        ({"demands": ["d"]}, r"PassProblem\.demands\[0\] = 'd': expected a Demand"),
        ({"demands": [demand(), demand(source="s1")]}, r"PassProblem\.demands name.*'d'"),
        ({"demands": [demand(source="s2")]}, r"Demand\['d'\]\.source.*'s2'"),
        ({"demands": [demand(target="g2")]}, r"Demand\['d'\]\.target.*'g2'"),
        ({"plan": plan(kinds=False)}, r"target = 'ground': .*no node of the plan is of the kind"),
        ({"objective": "volumes"}, r"PassProblem\.objective.*volume"),
        ({"antennas": {"g0": 0}}, r"PassProblem\.antennas\['g0'\] = 0"),
        ({"antennas": {"g0": 1.5}}, r"PassProblem\.antennas\['g0'\] = 1\.5"),
        ({"antennas": {"g9": 1}}, r"PassProblem\.antennas node.*'g9'"),
        ({"storage_bytes": -1.0}, r"PassProblem\.storage_bytes = -1\.0"),
        ({"storage_bytes": math.nan}, r"PassProblem\.storage_bytes = nan"),
        ({"storage_bytes": {"s0": -1.0}}, r"PassProblem\.storage_bytes\['s0'\] = -1\.0"),
        ({"storage_bytes": {"s9": 1.0}}, r"PassProblem\.storage_bytes node.*'s9'"),
        ({"setup_s": -1.0, "antennas": {"g0": 1}}, r"PassProblem\.setup_s = -1\.0"),
        ({"teardown_s": math.inf, "antennas": {"g0": 1}}, r"PassProblem\.teardown_s = inf"),
        ({"setup_s": 5.0}, r"PassProblem\.antennas = None: expected antennas by node"),
        ({"teardown_s": 5.0, "antennas": {}}, r"PassProblem\.antennas = {}: expected antennas"),
    ],
)
def test_a_problem_refuses(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ow.InputError, match=words):
        problem(**changes)


def test_an_unknown_node_is_named_with_the_nearest() -> None:
    with pytest.raises(ow.UnknownNameError, match="station"):
        problem(
            plan=plan(names=("sat", "s1", "station", "g1")),
            demands=[demand(source="sat", target="staton")],
        )


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        (([1], [0], [0], [1], [1]), r"Transfers\.demand = 1"),
        (([-1], [0], [0], [1], [1]), r"Transfers\.demand"),
        (([0], [3], [0], [1], [1]), r"Transfers\.contact = 3"),
    ],
)
def test_a_schedule_refuses_transfers_of_another_problem(columns: Any, words: str) -> None:
    with pytest.raises(ow.InputError, match=words):
        ow.PassSchedule(problem(), Transfers.of(*columns))


def test_columns_of_transfers_have_one_length() -> None:
    with pytest.raises(ow.InputError, match=r"Transfers\.end_s shape = \(1,\)"):
        Transfers.of([0, 0], [0, 0], [0, 1], [1], [1, 1])


# -- what it says ---------------------------------------------------------------------------------
def test_ground_means_any_ground_node_unless_a_node_has_that_name() -> None:
    assert problem().targets(demand()).tolist() == [2, 3]
    named = problem(plan=plan(names=("s0", "s1", "ground", "g1")))
    assert named.targets(demand()).tolist() == [2]
    bare = problem(plan=plan(kinds=False), demands=[demand(target="g1")])
    assert bare.targets(bare.demands[0]).tolist() == [3]


def test_antennas_count_for_contacts_between_kinds_and_storage_for_satellites() -> None:
    given = problem(antennas={"g0": 2, "s1": 1}, storage_bytes=5.0)
    assert given.antenna_count.tolist() == [math.inf, 1, 2, math.inf]
    assert given.uses_antenna.tolist() == [True, False, True]
    assert given.storage.tolist() == [5, 5, math.inf, math.inf]
    by_name = given.replace(storage_bytes={"g0": 3.0})
    assert by_name.storage.tolist() == [math.inf, math.inf, 3, math.inf]
    assert problem().storage.tolist() == [math.inf] * 4


def test_set_up_times_make_antennas_exclusive() -> None:
    given = problem(antennas={"g0": 1})
    assert not given.is_exclusive
    assert given.replace(setup_s=1.0).is_exclusive
    assert given.replace(teardown_s=1.0).is_exclusive


def test_the_caller_keeps_his_objects() -> None:
    antennas, rows, storage = {"g0": 1}, [demand()], {"s0": 7.0}
    given = problem(antennas=antennas, demands=rows, storage_bytes=storage)
    antennas["g0"], storage["s0"] = 9, 9.0
    rows.clear()
    assert given.antennas == {"g0": 1}
    assert given.storage_bytes == {"s0": 7.0}
    assert len(given.demands) == 1


def test_a_satellite_without_contacts_delivers_nothing() -> None:
    nodes = {"s0": "orbital", "g0": "ground", "lost": "orbital"}
    contacts = [ow.Contact("s0", "g0", 0, 10, 8e6)]
    lonely = ow.ContactPlan.from_contacts(contacts, epoch=EPOCH, nodes=nodes)
    given = problem(plan=lonely, demands=[demand(source="lost")])
    schedule = ow.PassSchedule(given, Transfers.empty())
    assert schedule.delivered_bytes == {"d": 0.0}
    assert schedule.completion_s == math.inf
    assert schedule.violations() == ()


# -- what a schedule is worth ---------------------------------------------------------------------
def flown(given: ow.PassProblem, *rows: tuple[float, ...]) -> ow.PassSchedule:
    return ow.PassSchedule(given, Transfers.of(*zip(*rows, strict=True)))


def test_bytes_after_the_deadline_do_not_count() -> None:
    given = problem(demands=[demand(volume_bytes=10e6, deadline_s=4.0)])
    assert flown(given, (0, 0, 0, 10, 10e6)).delivered_bytes["d"] == pytest.approx(4e6)


def test_a_demand_that_is_not_splittable_counts_whole_or_not() -> None:
    given = problem(demands=[demand(volume_bytes=5e6, splittable=False)])
    assert flown(given, (0, 0, 0, 4, 4e6)).delivered_bytes == {"d": 0.0}
    assert flown(given, (0, 0, 0, 5, 5e6)).delivered_bytes == {"d": 5e6}


def test_objectives_classes_and_use_of_antennas() -> None:
    rows = [demand(volume_bytes=4e6, priority=0), demand(name="e", source="s1", priority=3)]
    given = problem(demands=rows, antennas={"g0": 1, "g1": 1})
    schedule = flown(given, (0, 0, 0, 4, 4e6), (1, 2, 5, 7, 1e6))
    assert schedule.violations() == ()
    assert schedule.by_priority == {0: 4e6, 1: 0.0, 2: 0.0, 3: 1e6}
    assert schedule.objective == 5e6
    assert schedule.completed_s == {"d": 4.0, "e": 7.0}
    completion = ow.PassSchedule(given.replace(objective="completion"), schedule.moves)
    assert completion.objective == 7.0
    # Until second 7, the last transfer's end: 4 of 7 seconds in view, and 1 of 2.
    assert schedule.utilisation == pytest.approx({"g0": 4 / 7, "g1": 1 / 2})
    assert [row["target"] for row in schedule.transfers] == ["g0", "g1"]
    assert schedule.to_dict()["completion_s"] == 7.0
    assert not np.isfinite(flown(given, (0, 0, 0, 4, 4e6)).completion_s)


def test_what_leaves_its_target_again_is_taken_off() -> None:
    contacts = [ow.Contact("s0", "g0", 0, 10, 8e6), ow.Contact("g0", "s1", 5, 15, 8e6)]
    nodes = {"s0": "orbital", "s1": "orbital", "g0": "ground"}
    again = ow.ContactPlan.from_contacts(contacts, epoch=EPOCH, nodes=nodes)
    given = problem(plan=again, demands=[demand(target="g0", volume_bytes=5e6)])
    schedule = flown(given, (0, 0, 0, 5, 5e6), (0, 1, 5, 7, 2e6))
    assert schedule.violations() == ()
    assert schedule.delivered_bytes == pytest.approx({"d": 3e6})
