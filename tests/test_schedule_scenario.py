"""Scenario files of demands: what they mean, and what is wrong with them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

import orbweave as ow
from orbweave.adapters.scenario import example_names, example_path
from orbweave.adapters.schedule_scenario import ScheduleScenario, read_schedule_scenario
from orbweave.formulations.passes.battery import Battery

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
SPACE = """
[constellation]
walker = { planes = 1, satellites_per_plane = 3, altitude_m = 7e5, inclination_deg = 80 }
[[stations]]
name = "north"
latitude_deg = 78.0
longitude_deg = 15.0
antennas = 2
[[stations]]
name = "middle"
latitude_deg = 40.0
longitude_deg = -80.0
[window]
start = 2026-01-01T00:00:00Z
duration_s = 8000
[links]
downlink = 1e8
uplink = false
"""
DEMAND = """
[[demands]]
name = "all"
source = "orbital"
target = "ground"
volume_bytes = 1e9
"""
PLAN = '[plan]\nfile = "plan.csv"\n'


def read(folder: Path, text: str) -> ScheduleScenario:
    contacts = [ow.Contact("a", "g", 0, 10, 8e6), ow.Contact("b", "g", 5, 20, 8e6)]
    contacts.append(ow.Contact("a", "b", 0, 4, 8e6))
    kinds = {"a": "orbital", "b": "orbital", "g": "ground"}
    plan = ow.ContactPlan.from_contacts(contacts, epoch=EPOCH, nodes=kinds)
    plan.to_csv(folder / "plan.csv")
    ow.write_contact_plan(plan, folder / "plan.ion")
    path = folder / "s.toml"
    path.write_text(text, encoding="utf-8")
    return read_schedule_scenario(path)


def test_satellites_and_stations_become_a_plan(tmp_path: Path) -> None:
    found = read(tmp_path, SPACE + DEMAND)
    space_file = tmp_path / "space.toml"
    space_file.write_text(SPACE, encoding="utf-8")
    space = ow.read_space_scenario(space_file)
    plan = ow.contact_plan(
        space.constellation,
        space.stations,
        start=space.start,
        duration_s=space.duration_s,
        links=space.links,
    )
    problem = found.problem
    assert problem.plan == plan
    assert len(plan) > 0
    assert problem.antennas == {"north": 2, "middle": 1}
    assert problem.objective == "volume"
    names = space.constellation.names
    assert problem.demands == tuple(ow.Demand(f"all@{n}", n, "ground", 1e9) for n in names)
    assert (found.name, found.solve) == ("s", {})


def test_everything_a_schedule_can_say(tmp_path: Path) -> None:
    text = """
name = "All of it"
[plan]
file = "plan.ion"
epoch = 2026-01-01T00:00:00Z
nodes = { a = "orbital", b = "orbital", g = "ground" }
[[demands]]
name = "one"
source = "a"
target = "g"
volume_bytes = 5
release_s = 1
deadline_s = 9.5
priority = "critical"
splittable = false
[[demands]]
name = "two"
source = ["b"]
target = "ground"
volume_bytes = 6
priority = 3
[[demands]]
name = "three"
source = "orbital"
target = "b"
volume_bytes = 7
[schedule]
objective = "priority"
antennas = { orbital = 1, g = 3 }
storage_bytes = { a = 1e9 }
setup_s = 4
teardown_s = 2
[solve]
time_limit_s = 5
seed = 3
"""
    found = read(tmp_path, text)
    problem = found.problem
    assert found.name == "All of it"
    assert found.solve == {"time_limit_s": 5, "seed": 3}
    assert problem.demands == (
        ow.Demand("one", "a", "g", 5, 1, 9.5, 0, False),
        ow.Demand("two@b", "b", "ground", 6, priority=3),
        ow.Demand("three@a", "a", "b", 7),
    )
    assert problem.antennas == {"a": 1, "b": 1, "g": 3}
    assert problem.storage_bytes == {"a": 1e9}
    assert (problem.objective, problem.setup_s, problem.teardown_s) == ("priority", 4, 2)
    assert len(problem.plan) == 3


@pytest.mark.parametrize(
    ("value", "antennas"),
    [
        ("false", None),
        ("{ north = false }", {"middle": 1}),
        ("{ north = 5, sat-0-0 = 1 }", {"north": 5, "middle": 1, "sat-0-0": 1}),
        ("{ ground = false }", None),
    ],
)
def test_antennas_are_the_stations_own_unless_changed(
    tmp_path: Path, value: str, antennas: dict[str, int] | None
) -> None:
    found = read(tmp_path, f"{SPACE}{DEMAND}[schedule]\nantennas = {value}\n")
    assert found.problem.antennas == antennas


def test_batteries_by_kind_and_by_name(tmp_path: Path) -> None:
    text = """[schedule.energy]
orbital = { capacity_j = 1e6, solar_w = 50, transmit_w = 20 }
b = { capacity_j = 2e6, solar_w = 80, transmit_w = 30, base_w = 5, initial_j = 1e6, floor_j = 10 }
"""
    found = read(tmp_path, PLAN + DEMAND + text)
    mine = Battery(capacity_j=2e6, solar_w=80, transmit_w=30, base_w=5, initial_j=1e6, floor_j=10)
    assert found.problem.energy == {
        "a": Battery(capacity_j=1e6, solar_w=50, transmit_w=20),
        "b": mine,
    }


def test_a_plan_has_no_antennas_of_its_own(tmp_path: Path) -> None:
    assert read(tmp_path, PLAN + DEMAND).problem.antennas is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (DEMAND, ": plan = None: expected a table [plan], or tables [constellation]"),
        (PLAN, ": demands = None: expected at least one table [[demands]]"),
        (f"demands = []\n{PLAN}", ": demands = []"),
        (f"demands = [1]\n{PLAN}", "[demands 0] demands = 1"),
        (PLAN + SPACE + DEMAND, "[plan] plan = '[plan] and [constellation]': expected one of them"),
        (PLAN + DEMAND + "[plans]\n", "key = 'plans'"),
        ("[plan]\nfiles = 'x'\n" + DEMAND, "[plan] key = 'files'"),
        ("[plan]\n" + DEMAND, "[plan] file = None"),
        ("[plan]\nfile = 'plan.xyz'\n" + DEMAND, "[plan] path = "),
        ("[plan]\nfile = 'plan.csv'\nnodes = 3\n" + DEMAND, "[plan] nodes = 3"),
        (PLAN + DEMAND + "volume = 1\n", "[demands 0] key = 'volume': expected one of"),
        (PLAN + DEMAND.replace("volume_bytes = 1e9\n", ""), "[demands 0] volume_bytes = None"),
        (PLAN + DEMAND.replace("1e9", "-1"), "[demands 0] Demand['all@a'].volume_bytes = -1"),
        (PLAN + DEMAND.replace('"orbital"', '"oribtal"'), "did you mean 'orbital'?"),
        (PLAN + DEMAND.replace('"orbital"', "[]"), "[demands 0] source = []"),
        (PLAN + DEMAND.replace('"orbital"', '["a", 3]'), "[demands 0] source = 3"),
        (PLAN + DEMAND.replace('"ground"', '"h"'), "[demands 0] target = 'h'"),
        (PLAN + DEMAND.replace('"ground"', '["g"]'), "[demands 0] target = ['g']"),
        (PLAN + DEMAND + "priority = 'urgent'\n", "[demands 0] priority = 'urgent'"),
        (PLAN + DEMAND + "priority = 4\n", "[demands 0] Demand['all@a'].priority = 4"),
        (PLAN + DEMAND + "splittable = 1\n", "[demands 0] splittable = 1"),
        (PLAN + DEMAND + "deadline_s = 0\n", "[demands 0] Demand['all@a'].deadline_s = 0"),
        (PLAN + DEMAND + DEMAND, "[demands] name = 'all@a': expected every name once"),
        (PLAN + DEMAND + "[schedule]\nobjective = 'most'\n", "[schedule] PassProblem.objective"),
        (PLAN + DEMAND + "[schedule]\ngoal = 'volume'\n", "[schedule] key = 'goal'"),
        (PLAN + DEMAND + "[schedule]\nantennas = 2\n", "[schedule] antennas = 2"),
        (PLAN + DEMAND + "[schedule]\nantennas = {h = 2}\n", "[schedule] antennas node = 'h'"),
        (PLAN + DEMAND + "[schedule]\nantennas = {g = 0}\n", "antennas['g'] = 0"),
        (PLAN + DEMAND + "[schedule]\nstorage_bytes = [1]\n", "[schedule] storage_bytes = [1]"),
        (PLAN + DEMAND + "[schedule]\nsetup_s = 3\n", "[schedule] PassProblem.antennas = None"),
        (PLAN + DEMAND + "[schedule]\nenergy = 2\n", "[schedule] energy = 2"),
        (PLAN + DEMAND + "[schedule.energy]\nc = {}\n", "[schedule] energy node = 'c'"),
        (PLAN + DEMAND + "[schedule.energy]\na = 3\n", "[schedule] energy['a'] = 3"),
        (PLAN + DEMAND + "[schedule.energy]\na = {solar = 1}\n", "energy['a'] key = 'solar'"),
        (PLAN + DEMAND + "[schedule.energy]\na = {solar_w = 1}\n", "['a'].capacity_j = None"),
        (PLAN + DEMAND + "[solve]\ntime = 3\n", "[solve] key = 'time'"),
        (SPACE + DEMAND.replace('"orbital"', '"sat-0-9"'), "[demands 0] source = 'sat-0-9'"),
        (SPACE.replace("= 8000", "= -1") + DEMAND, "[window] duration_s = -1"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ow.InputError) as error:
        read(tmp_path, text)
    assert str(error.value).startswith(str(tmp_path / "s.toml"))
    assert message in str(error.value)


def test_a_plan_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"none\.csv"):
        read(tmp_path, "[plan]\nfile = 'none.csv'\n" + DEMAND)


def test_the_embedded_example_is_a_scenario() -> None:
    assert example_names("schedule") == ("round-80",)
    problem = read_schedule_scenario(example_path("round-80", "schedule")).problem
    assert len(problem.demands) == 80
    assert {row.volume_bytes for row in problem.demands} == {5e9}
    assert len(problem.antennas or {}) == 10
    assert set(problem.plan.arrays["rate_bps"]) == {200e6}
