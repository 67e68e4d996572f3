"""``orbweave schedule``: what it prints and writes agrees with the library, and what it refuses."""

from __future__ import annotations

import csv
import json
import math
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

import orbweave as ow
from orbweave import cli
from orbweave.adapters.schedule_files import calendar, write_schedule
from orbweave.adapters.schedule_scenario import read_schedule_scenario

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
KINDS = {"s1": "orbital", "s2": "orbital", "s3": "orbital", "g": "ground", "h": "ground"}
SCENARIO = """
name = "Three over two"
[plan]
file = "plan.json"
[[demands]]
name = "image"
source = ["s1", "s2"]
target = "ground"
volume_bytes = 60e6
priority = "high"
[[demands]]
name = "log"
source = "s3"
target = "ground"
volume_bytes = 900e6
[schedule]
antennas = { ground = 1 }
"""


def small_plan() -> ow.ContactPlan:
    contacts = [
        ow.Contact("s1", "g", 0, 100, 8e6),
        ow.Contact("s2", "g", 50, 150, 8e6),
        ow.Contact("s3", "g", 120, 200.5, 8e6),
        ow.Contact("s3", "h", 10, 60, 8e6),
    ]
    return ow.ContactPlan.from_contacts(contacts, epoch=EPOCH, nodes=KINDS, duration_s=300)


@pytest.fixture
def scenario(tmp_path: Path) -> Path:
    small_plan().to_json(tmp_path / "plan.json")
    path = tmp_path / "three.toml"
    path.write_text(SCENARIO, encoding="utf-8")
    return path


def events_of(text: str) -> list[dict[str, str]]:
    """Events of an iCalendar text, read by the rules of RFC 5545, 3.1 and 3.3.11, and no others."""
    assert text.endswith("\r\n")
    raw = text.removesuffix("\r\n").split("\r\n")
    assert all(len(line.encode("utf-8")) <= 75 for line in raw)
    assert not any(c in line for line in raw for c in "\r\n")
    lines: list[str] = []
    for line in raw:
        if line.startswith(" "):
            lines[-1] += line[1:]
        else:
            lines.append(line)
    assert (lines[0], lines[-1]) == ("BEGIN:VCALENDAR", "END:VCALENDAR")
    head = dict(line.split(":", 1) for line in lines[1 : lines.index("BEGIN:VEVENT")])
    assert head["VERSION"] == "2.0"
    assert "PRODID" in head
    events: list[dict[str, str]] = []
    for line in lines[lines.index("BEGIN:VEVENT") : -1]:
        name, value = line.split(":", 1)
        if line == "BEGIN:VEVENT":
            events.append({})
        elif line != "END:VEVENT":
            assert name not in events[-1]
            events[-1][name] = _text(value)
    return events


def _text(value: str) -> str:
    found, k = "", 0
    while k < len(value):
        if value[k] == "\\":
            found += {"n": "\n", "N": "\n"}.get(value[k + 1], value[k + 1])
            k += 2
        else:
            assert value[k] not in ";,"
            found += value[k]
            k += 1
    return found


def moment(text: str) -> datetime:
    return datetime.strptime(text, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)


def test_the_tables_show_what_the_library_finds(
    scenario: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["schedule", str(scenario)]) == 0
    out = capsys.readouterr().out
    result = ow.solve(read_schedule_scenario(scenario).problem)
    schedule = result.require()
    # s3 gets what its own contacts carry; the others fit before 120 s.
    assert schedule.delivered.tolist() == pytest.approx([60e6, 60e6, 130.5e6])
    rows = {line.split()[0]: line for line in out.splitlines() if line}
    assert "image@s1" in rows
    assert rows["log"].split()[4:8] == ["900", "MB", "130.5", "MB"]
    assert rows["log"].endswith("769.5 MB")
    assert "2 of 3 demands whole, 250.5 MB of 1.02 GB delivered" in out
    used = {row[0]: row for row in (line.split() for line in out.splitlines()) if row}
    for name in ("g", "h"):
        assert used[name][1] == "1"
        assert used[name][2] == f"{schedule.utilisation[name]:.1%}"
    assert used["h"][-2:] == ["50", "MB"]
    for line in schedule.cut:
        assert line in out
    assert "proven optimal: volume 250.5 MB, bound 250.5 MB, gap 0.0000%" in out
    assert result.method in out


def test_few_rows_show_what_is_short(scenario: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["schedule", str(scenario), "--rows", "1"]) == 0
    out = capsys.readouterr().out
    assert "log " in out
    assert "image@" not in out.split("what binds")[0]
    assert "... 2 more demands" in out


def test_json_is_the_schedule(scenario: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["schedule", str(scenario), "--json", "--objective", "priority", "--seed", "4"]
    assert cli.main(words) == 0
    data = json.loads(capsys.readouterr().out)
    problem = read_schedule_scenario(scenario).problem.replace(objective="priority")
    schedule = ow.solve(problem, seed=4).require()
    assert (data["format"], data["epoch"]) == ("orbweave-schedule", "2026-01-01T00:00:00Z")
    assert data["reason"] == "optimal"
    solution = data["solution"]
    assert solution["transfers"] == list(schedule.transfers)
    assert solution["objective"] == "priority"
    assert solution["completion_s"] is None
    assert [row["delivered_bytes"] for row in solution["demands"]] == schedule.delivered.tolist()
    done = schedule.completed_s.values()
    assert [row["completed_s"] for row in solution["demands"]] == [
        value if math.isfinite(value) else None for value in done
    ]


def test_what_cannot_be_done_in_time_is_infeasible(
    scenario: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["schedule", str(scenario), "--objective", "completion"]) == 3
    done = capsys.readouterr()
    assert "proven infeasible" in done.out
    assert "gap" not in done.out
    assert f"{scenario}: infeasible: 0.7695 GB cannot be delivered in time" in done.err


def test_out_writes_files(
    scenario: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("matplotlib")
    out = tmp_path / "out"
    assert cli.main(["schedule", str(scenario), "--out", str(out)]) == 0
    names = {"schedule.json", "transfers.csv", "passes.ics", "gantt.png"}
    assert {path.name for path in out.iterdir()} == names
    err = capsys.readouterr().err
    assert all(str(out / name) in err for name in names)
    schedule = ow.solve(read_schedule_scenario(scenario).problem).require()
    rows = list(csv.DictReader((out / "transfers.csv").read_text().splitlines()))
    for row, wanted in zip(rows, schedule.transfers, strict=True):
        assert {name: row[name] for name in ("demand", "source", "target")} == {
            name: wanted[name] for name in ("demand", "source", "target")
        }
        for name in ("start_s", "end_s", "volume_bytes"):
            assert float(row[name]) == wanted[name]
        for edge in ("start", "end"):
            utc = datetime.fromisoformat(row[f"{edge}_utc"])
            assert abs((utc - EPOCH).total_seconds() - wanted[f"{edge}_s"]) < 1e-6
    data = json.loads((out / "schedule.json").read_text())
    assert data["scenario"] == "Three over two"
    assert data["bound"] == pytest.approx(250.5e6)
    assert (out / "gantt.png").read_bytes().startswith(b"\x89PNG")
    assert len(events_of((out / "passes.ics").read_bytes().decode("utf-8"))) >= 4


# -- the calendar ---------------------------------------------------------------------------------
def by_hand(**changes: object) -> ow.PassSchedule:
    """Three uses: two demands of s1 one after the other, s3 over h, s3 over g with a pause."""
    demands = [
        ow.Demand("a, \\ b; c", "s1", "ground", 10e6),
        ow.Demand("bild für Köln — 画像" * 4, "s1", "g", 20e6),
        ow.Demand("log", "s3", "ground", 30e6),
    ]
    problem = ow.PassProblem(small_plan(), demands, antennas={"g": 1, "h": 1})
    problem = problem.replace(**changes)
    plan = problem.plan
    contact = {
        (row.source, row.target): k for k, row in enumerate(plan.contact(k) for k in range(4))
    }
    s1, s3, other = contact["s1", "g"], contact["s3", "g"], contact["s3", "h"]
    moves = ow.Transfers.of(
        [0, 1, 2, 2, 2],
        [s1, s1, other, s3, s3],
        [10.0, 20.0, 30.25, 130.0, 150.0],
        [20.0, 40.0, 40.5, 135.0, 155.75],
        [10e6, 20e6, 10e6, 5e6, 5e6],
    )
    schedule = ow.PassSchedule(problem, moves)
    assert schedule.violations() == ()
    return schedule


def test_the_calendar_has_an_event_per_use() -> None:
    schedule = by_hand(setup_s=3.5, teardown_s=1)
    events = events_of(calendar(schedule))
    found = [(event["LOCATION"], event["SUMMARY"], event["DTSTART"]) for event in events]
    assert found == [
        ("g", "s1 to g: 30 MB", "20260101T000010Z"),
        ("h", "s3 to h: 10 MB", "20260101T000030Z"),
        ("g", "s3 to g: 5 MB", "20260101T000210Z"),
        ("g", "s3 to g: 5 MB", "20260101T000230Z"),
    ]
    ends = [moment(event["DTEND"]) for event in events]
    assert [(end - EPOCH).total_seconds() for end in ends] == [40, 41, 135, 156]
    assert {event["DTSTAMP"] for event in events} == {"20260101T000000Z"}
    assert len({event["UID"] for event in events}) == 4
    text = events[0]["DESCRIPTION"].splitlines()
    assert text[:2] == ["Station: g", "Satellite: s1"]
    names = [row.name for row in schedule.problem.demands]
    assert text[3:5] == [f"{names[0]}: 10000000", f"{names[1]}: 20000000"]
    assert "Antenna taken 2026-01-01T00:00:06.500000Z to 2026-01-01T00:00:41Z" in text


def test_the_calendar_is_stable_and_complete() -> None:
    schedule = by_hand()
    text = calendar(schedule)
    assert text == calendar(by_hand())
    total: Counter[str] = Counter()
    names = [row.name for row in schedule.problem.demands]
    for event in events_of(text):
        assert moment(event["DTEND"]) > moment(event["DTSTART"])
        for line in event["DESCRIPTION"].splitlines():
            name, _, amount = line.rpartition(": ")
            if name in names:
                total[name] += int(amount)
    assert [total[name] for name in names] == schedule.delivered.tolist()
    # Another plan over the same contacts keeps the events' names.
    moves = schedule.moves
    late = ow.Transfers.of(
        moves.demand, moves.contact, moves.start_s + 1, moves.end_s + 1, moves.volume_bytes
    )
    other = events_of(calendar(ow.PassSchedule(schedule.problem, late)))
    assert [event["UID"] for event in other] == [event["UID"] for event in events_of(text)]
    assert other[0]["DTSTART"] == "20260101T000011Z"


def test_the_example_as_a_calendar() -> None:
    from orbweave.adapters.scenario import example_path

    schedule = ow.solve(read_schedule_scenario(example_path("round-80", "schedule")).problem)
    plan, moves = schedule.require().problem.plan, schedule.require().moves
    events = events_of(calendar(schedule.require()))
    seconds = sum((moment(e["DTEND"]) - moment(e["DTSTART"])).total_seconds() for e in events)
    # Every use covers its transfers, and rounding adds less than two seconds to each.
    pairs = np.unique(moves.contact)
    spans = [
        moves.end_s[moves.contact == k].max() - moves.start_s[moves.contact == k].min()
        for k in pairs
    ]
    assert len(events) >= len(pairs)
    assert seconds <= sum(spans) + 2 * len(events)
    names = {(plan.contact(int(k)).target, plan.contact(int(k)).source) for k in pairs}
    assert {(e["LOCATION"], e["SUMMARY"].split()[0]) for e in events} == names
    assert min(moment(e["DTSTART"]) for e in events) >= plan.epoch
    last = plan.epoch + timedelta(seconds=math.ceil(schedule.objective))
    assert max(moment(e["DTEND"]) for e in events) == last


def test_writing_refuses_other_suffixes_and_things(tmp_path: Path) -> None:
    with pytest.raises(ow.InputError, match=r"suffix = '\.xml'"):
        write_schedule(by_hand(), tmp_path / "a.xml")
    with pytest.raises(ow.InputError, match="expected a PassSchedule"):
        write_schedule(small_plan(), tmp_path / "a.json")  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_a_schedule_as_a_dataframe() -> None:
    pytest.importorskip("pandas")
    schedule = by_hand()
    frame = ow.to_dataframe(schedule)
    wanted = list(schedule.transfers)
    for name in ("demand", "source", "target", "start_s", "end_s", "volume_bytes"):
        assert frame[name].tolist() == [row[name] for row in wanted]
    assert set(frame["priority"].astype(str)) == {"normal"}
    length = (frame["end_utc"] - frame["start_utc"]).dt.total_seconds().to_numpy()
    assert length == pytest.approx(frame["end_s"] - frame["start_s"])
    assert frame["start_utc"].iloc[0] == EPOCH + timedelta(seconds=10)


# -- what is refused ------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "expected either SCENARIO.toml or --example NAME"),
        (["SCENARIO", "--example", "round-80"], "expected either"),
        (["--example", "round"], "did you mean 'round-80'?"),
        (["SCENARIO", "--objective", "volum"], "did you mean 'volume'?"),
        (["SCENARIO", "--rows", "-1"], "--rows = -1"),
        (["SCENARIO", "--time-limit", "0"], "--time-limit = 0.0"),
        (["SCENARIO", "--gap", "-1"], "--gap = -1"),
        (["SCENARIO", "--method", "magic"], "method = 'magic'"),
        (["missing.toml"], "missing.toml"),
        (["SCENARIO", "--out", "SCENARIO"], "expected a folder"),
    ],
)
def test_what_is_refused(
    scenario: Path, words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    typed = [str(scenario) if word == "SCENARIO" else word for word in words]
    assert cli.main(["schedule", *typed]) == 2
    err = capsys.readouterr().err
    assert message in err
    assert err.count("orbweave: error:") == 1


def test_a_bad_option_of_the_file_is_named(
    scenario: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scenario.write_text(f"{SCENARIO}[solve]\nthreads = 0\n", encoding="utf-8")
    assert cli.main(["schedule", str(scenario)]) == 2
    assert f"{scenario}: [solve] SolveOptions.threads = 0" in capsys.readouterr().err


def test_the_example_is_printed_and_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["example", "round-80"]) == 0
    assert "[[demands]]" in capsys.readouterr().out
    assert cli.main(["example"]) == 0
    assert "round-80" in capsys.readouterr().out.split()
