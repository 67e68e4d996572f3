"""Contact plans as files: exact where promised, else rounded to the safe side, clear errors."""

from __future__ import annotations

import io
import json
import logging
import math
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orbweave.adapters.contact_plans.files import read_contact_plan, write_contact_plan
from orbweave.adapters.contact_plans.frames import contacts_dataframe, plan_from_dataframe
from orbweave.formulations.checks import InputError
from orbweave.formulations.contacts import Contact, ContactPlan, PlanNode

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
UNIX = datetime(1970, 1, 1, tzinfo=UTC)
HEADER = "source,target,start_s,end_s,rate_bps,delay_s\n"
#: An example writes and reads files of its own in a folder that all examples share.
SHARED = settings(
    max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)

FLOATS = st.floats(-1e12, 1e12, allow_nan=False)
RATES = st.one_of(st.floats(0, 1e15), st.sampled_from([0.0, 1 / 3, 5e-324, 1e280]))


@st.composite
def plans(draw: st.DrawFn) -> ContactPlan:
    """Any plan that is legal: odd names, overlaps, nodes without contacts, microseconds."""
    names = draw(st.lists(st.text(min_size=1, max_size=8), min_size=2, max_size=5, unique=True))
    nodes = [
        PlanNode(
            name,
            draw(st.sampled_from([None, "ground", "orbital"])),
            draw(st.none() | st.integers(0, 99)),
            draw(st.none() | st.integers(0, 99)),
        )
        for name in names
    ]
    pairs = [(s, t) for s in names for t in names if s != t]
    rows = {}
    for _ in range(draw(st.integers(0, 8))):
        start, end = sorted((draw(FLOATS), draw(FLOATS)))
        if start < end:
            source, target = draw(st.sampled_from(pairs))
            row = Contact(source, target, start, end, draw(RATES), draw(st.floats(0, 1e6)))
            rows[row] = row
    built = ContactPlan.from_contacts(
        rows,
        epoch=EPOCH + timedelta(microseconds=draw(st.integers(-(10**12), 10**15))),
        nodes=nodes,
        duration_s=draw(st.none() | st.floats(0, 1e12)),
    )
    shades = []
    for _ in range(draw(st.integers(0, 3))):
        first, second, third, last = sorted(draw(FLOATS) for _ in range(4))
        if first < last:
            umbra = (second, third) if draw(st.booleans()) else (math.nan, math.nan)
            shades.append((draw(st.integers(0, len(names) - 1)), first, last, *umbra))
    columns = zip(*shades, strict=True) if shades else [()] * 5
    return ContactPlan(
        built.epoch,
        built.nodes,
        built.arrays,
        dict(zip(built.eclipses, (np.array(c) for c in columns), strict=True)),
        built.duration_s,
    )


def example() -> ContactPlan:
    return ContactPlan.from_contacts(
        [
            Contact("sat-1", "gs-1", 0.25, 600.5, 1e8, 0.0035),
            Contact("gs-1", "sat-1", 0.25, 600.5, 1e6, 0.0035),
            Contact("sat-2", "gs-1", 300, 900, 12.5e6, 1.2),
        ],
        epoch=EPOCH,
        nodes=[
            PlanNode("sat-1", "orbital", 0, 1),
            PlanNode("sat-2", "orbital", 0, 2),
            PlanNode("gs-1", "ground"),
            PlanNode("idle"),
        ],
        duration_s=86400,
    )


def ion(tmp_path: Path, text: str, **options: Any) -> ContactPlan:
    path = tmp_path / "plan.ionrc"
    path.write_text(text)
    return read_contact_plan(path, **options)


def hdtn(tmp_path: Path, *contacts: dict[str, Any], **options: Any) -> ContactPlan:
    path = tmp_path / "plan.json"
    path.write_text(json.dumps({"contacts": contacts}))
    return read_contact_plan(path, **options)


def hdtn_contact(**changes: Any) -> dict[str, Any]:
    good = {
        "contact": 0,
        "source": 1,
        "dest": 2,
        "startTime": 0,
        "endTime": 60,
        "rateBitsPerSec": 1000,
        "owlt": 1,
    }
    return good | changes


# -- exact formats --------------------------------------------------------------------------------
@SHARED
@given(plan=plans())
def test_json_csv_and_parquet_give_back_the_same_plan(plan: ContactPlan, tmp_path: Path) -> None:
    assert ContactPlan.from_json(plan.to_json()) == plan
    assert ContactPlan.from_csv(plan.to_csv()) == plan
    for name in ("plan.json", "plan.csv", "plan.parquet"):
        path = write_contact_plan(plan, tmp_path / "deep" / name)
        again = read_contact_plan(path, epoch=plan.epoch)
        assert again == plan
        assert again.arrays["start_s"].tobytes() == plan.arrays["start_s"].tobytes()
    assert sorted(path.name for path in (tmp_path / "deep").iterdir()) == [
        "plan.csv",
        "plan.json",
        "plan.parquet",
    ]


@given(plan=plans())
def test_json_is_strict_and_csv_opens_in_pandas(plan: ContactPlan) -> None:
    data = json.loads(plan.to_json(), parse_constant=pytest.fail)
    assert (data["format"], data["version"]) == ("orbweave-contact-plan", 1)
    assert data["contacts"]["rate_bps"] == plan.arrays["rate_bps"].tolist()
    frame = pd.read_csv(
        io.StringIO(plan.to_csv()),
        comment="#",
        dtype={"source": str, "target": str},
        keep_default_na=False,
        lineterminator="\n",
    )
    assert frame["start_s"].tolist() == plan.arrays["start_s"].tolist()
    if all("\r" not in name for name in plan.node_names):
        assert frame["source"].tolist() == [row.source for row in plan.contacts]


def test_parquet_is_a_table_of_names(tmp_path: Path) -> None:
    table = pq.read_table(write_contact_plan(example(), tmp_path / "plan.parquet"))
    assert table.column("source").to_pylist() == ["sat-1", "gs-1", "sat-2"]
    assert pa.types.is_dictionary(table.schema.field("target").type)
    assert table.column("rate_bps").to_pylist() == [1e8, 1e6, 12.5e6]


def test_parquet_of_others(tmp_path: Path) -> None:
    path = tmp_path / "plan.parquet"
    frame = contacts_dataframe(example())
    frame.astype({"source": str, "target": str}).to_parquet(path, index=False)
    again = read_contact_plan(path, epoch=EPOCH)
    assert list(again.contacts) == list(example().contacts)
    assert set(again.node_names) == {"sat-1", "sat-2", "gs-1"}
    for table, message in (
        ({"source": ["a"]}, "expected a column target"),
        ({"sauce": ["a"]}, "column = 'sauce': expected one of 'source'"),
        ({**frame, "source": ["a", None, "b"]}, "source = None: expected a name in every row"),
        ({**frame, "source": ["a", "", "b"]}, "source = '': expected a non-empty string"),
        ({**frame, "source": [1, 2, 3]}, "expected a non-empty string"),
        ({**frame, "end_s": ["1", "2", "3"]}, "end_s = 'string': expected numbers"),
        ({**frame, "end_s": [1, None, 3]}, "end_s = None: expected a number in every row"),
        ({**frame, "end_s": [1, 2, 3]}, "contacts[2].end_s = 3.0: expected a finite end after"),
    ):
        columns = {name: list(column) for name, column in table.items()}
        pq.write_table(pa.table(columns), path)
        with pytest.raises(InputError) as raised:
            read_contact_plan(path)
        assert str(raised.value).startswith(f"{path}: ")
        assert message in str(raised.value)


def test_a_csv_by_hand() -> None:
    text = (
        "source, target, start_s, end_s, rate_bps\r\nb, a, 0, 10, 1e6\r\n\r\na, gs, 5, 15, 2e6\r\n"
    )
    plan = ContactPlan.from_csv(text)
    assert plan.epoch == UNIX
    assert list(plan.contacts) == [Contact("b", "a", 0, 10, 1e6), Contact("a", "gs", 5, 15, 2e6)]
    assert plan.node_names == ("b", "a", "gs")
    assert ContactPlan.from_csv("\ufeff" + text, epoch=EPOCH).epoch == EPOCH
    noted = ContactPlan.from_csv(f"# by hand\n# epoch: 2026-01-01T00:00:00\n{text}")
    assert noted.epoch == EPOCH
    frame = contacts_dataframe(example())
    assert list(ContactPlan.from_csv(frame.to_csv(index=False)).contacts) == list(
        example().contacts
    )


def test_nodes_and_epoch_can_be_given(tmp_path: Path) -> None:
    path = tmp_path / "plan.csv"
    path.write_text(HEADER + "a,gs,0,10,1e6,0\n")
    kinds: dict[str, str | None] = {"gs": "ground", "idle": None, "a": "orbital"}
    plan = read_contact_plan(path, epoch=EPOCH, nodes=kinds)
    assert plan.epoch == EPOCH
    assert {node.name: node.kind for node in plan.nodes} == kinds
    assert list(plan.contacts) == [Contact("a", "gs", 0, 10, 1e6)]
    shaded = ContactPlan(
        plan.epoch,
        plan.nodes,
        plan.arrays,
        {"node": [2], "start_s": [0], "end_s": [1], "umbra_start_s": [0], "umbra_end_s": [1]},  # type: ignore[dict-item]
    )
    for name in ("plan.json", "plan.csv", "plan.parquet"):
        write_contact_plan(shaded, tmp_path / name)
        turned = read_contact_plan(tmp_path / name, nodes=shaded.nodes[::-1])
        assert turned.node_names == ("a", "idle", "gs")
        assert turned.eclipses["node"].tolist() == [0]
        assert list(turned.contacts) == list(plan.contacts)
        with pytest.raises(
            InputError, match="the source of row 0 = 'a': expected one of 'b', 'gs'"
        ):
            read_contact_plan(tmp_path / name, nodes={"b": None, "gs": None})
        with pytest.raises(
            InputError, match="expected the epoch that the file states, 2026-01-01T"
        ):
            read_contact_plan(tmp_path / name, epoch=UNIX)


@given(plan=plans())
def test_dataframes_keep_contacts_and_names(plan: ContactPlan) -> None:
    frame = contacts_dataframe(plan)
    assert list(frame.columns) == [*plan.arrays, "volume_bytes"]
    assert frame["volume_bytes"].tolist() == plan.volume_bytes.tolist()
    again = plan_from_dataframe(frame, plan.epoch, plan.nodes, duration_s=plan.duration_s)
    assert again == ContactPlan(plan.epoch, plan.nodes, plan.arrays, duration_s=plan.duration_s)
    assert plan_from_dataframe(frame, plan.epoch).node_names == plan.node_names
    frame.loc[:, "end_s"] = 0.0
    assert (plan.arrays["end_s"] > plan.arrays["start_s"]).all()


def test_dataframes_that_are_no_plan() -> None:
    frame = contacts_dataframe(example()).astype({"source": object, "target": object})
    assert plan_from_dataframe(frame, EPOCH).node_names == ("sat-1", "gs-1", "sat-2")
    assert plan_from_dataframe(frame.drop(columns=["delay_s"]), EPOCH).contact(0).delay_s == 0
    for bad, message in (
        (frame.drop(columns=["end_s"]), "expected a column end_s"),
        (frame.assign(rate=1), "frame column = 'rate': expected one of"),
        (frame.assign(source=[1, 2, 3]), "frame row 0, source = 1: expected the name of a node"),
        (frame.assign(target=[None] * 3), "frame row 0, target = "),
        (frame.assign(end_s="x"), "['end_s'] = "),
    ):
        with pytest.raises(InputError) as raised:
            plan_from_dataframe(bad, EPOCH)
        assert message in str(raised.value)
    with pytest.raises(InputError, match="frame source = 'gs-1': expected one of 'sat-1', 'sat-2'"):
        plan_from_dataframe(frame, EPOCH, {"sat-1": None, "sat-2": None})


# -- ION and HDTN: rounded, never upwards ---------------------------------------------------------
def rate_at(plan: ContactPlan, source: str, target: str, time_s: float) -> float:
    return sum(
        row.rate_bps for row in plan.between(source, target) if row.start_s <= time_s < row.end_s
    )


@st.composite
def modest_plans(draw: st.DrawFn) -> ContactPlan:
    """Plans of quarters of a second that overlap, with names or with numbers."""
    names = draw(st.sampled_from([("1", "7", "3"), ("sat 1", "gs,1", "#"), ("01", "2", "3")]))
    moments = st.integers(-8, 60).map(lambda quarter: quarter / 4)
    rows = {}
    for _ in range(draw(st.integers(0, 8))):
        start = draw(moments)
        source, target = draw(st.permutations(names))[:2]
        length = draw(st.integers(1, 40)) / 4
        rate, delay = draw(st.integers(0, 99)), draw(st.integers(0, 9)) / 4
        row = Contact(source, target, start, start + length, rate, delay)
        rows[row] = row
    micro = draw(st.sampled_from([0, 0, 250_000]))
    return ContactPlan.from_contacts(
        rows,
        epoch=EPOCH + timedelta(microseconds=micro),
        nodes=[PlanNode(name, "orbital", 1, k) for k, name in enumerate(names)],
        duration_s=100.5,
    )


@SHARED
@given(plan=modest_plans(), unit=st.sampled_from([("plan.ionrc", 8), ("plan.hdtn.json", 1)]))
def test_ion_and_hdtn_never_promise_more(
    plan: ContactPlan, unit: tuple[str, int], tmp_path: Path
) -> None:
    name, bits = unit
    path = write_contact_plan(plan, tmp_path / name)
    again = read_contact_plan(path)
    assert (again.epoch, again.nodes, again.duration_s) == (plan.epoch, plan.nodes, 100.5)
    moved = plan.epoch.microsecond / 1e6 if bits == 8 else 0.0  # ION's seconds are the calendar's
    for row in again.contacts:
        assert (row.start_s + moved).is_integer()
        assert (row.end_s + moved).is_integer()
        assert row.delay_s.is_integer()
        assert (row.rate_bps / bits).is_integer()
    for source in plan.node_names:
        for target in set(plan.node_names) - {source}:
            before = plan.between(source, target)
            for row in again.between(source, target):
                for time_s in np.arange(row.start_s, row.end_s, 0.25).tolist():
                    live = [old for old in before if old.start_s <= time_s < old.end_s]
                    assert rate_at(again, source, target, time_s) <= sum(x.rate_bps for x in live)
                    assert row.delay_s >= min(x.delay_s for x in live)
            # Nothing is lost but parts of seconds, of bytes, and what comes before HDTN's start.
            for old in before:
                first = math.ceil(old.start_s + moved) - moved
                if bits == 1:
                    first = max(first, 0)
                if first + 1 <= old.end_s:
                    kept = rate_at(again, source, target, first)
                    assert kept >= old.rate_bps // bits * bits
    assert write_contact_plan(again, tmp_path / f"2{name}").read_text() == path.read_text()


def test_the_text_for_ion(tmp_path: Path) -> None:
    text = write_contact_plan(example(), tmp_path / "plan.ionrc").read_text()
    assert text.splitlines()[-6:] == [
        "@ 2026/01/01-00:00:00",
        "a contact +1 +600 1 3 12500000",
        "a contact +1 +600 3 1 125000",
        "a contact +300 +900 2 3 1562500",
        "a range +1 +600 1 3 1",
        "a range +300 +900 2 3 2",
    ]
    assert all(line.startswith("# ") for line in text.splitlines()[:-6])
    early = ContactPlan.from_contacts([Contact("4", "9", -5, 5, 80)], epoch=EPOCH)
    path = write_contact_plan(early, tmp_path / "early.ionrc")
    assert path.read_text().splitlines()[-3:] == [
        "@ 2025/12/31-23:59:55",
        "a contact +0 +10 4 9 10",
        "a range +0 +10 4 9 0",
    ]
    assert read_contact_plan(path) == early


def test_the_json_for_hdtn(tmp_path: Path) -> None:
    path = write_contact_plan(example(), tmp_path / "plan.json", format="hdtn")
    rows = json.loads(path.read_text())["contacts"]
    assert rows[2] == {
        "contact": 2,
        "source": 2,
        "dest": 3,
        "startTime": 300,
        "endTime": 900,
        "rateBitsPerSec": 12500000,
        "owlt": 2,
    }
    assert all(type(value) is int for row in rows for value in row.values())


def test_what_rounding_leaves_nothing_of_is_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rows = [
        Contact("a", "b", 0.1, 1.9, 8e6),
        Contact("b", "a", 0, 10, 0.5),
        Contact("a", "b", 2, 4, 8e6),
    ]
    plan = ContactPlan.from_contacts(rows, epoch=EPOCH)
    for name in ("plan.ionrc", "plan.hdtn.json"):
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            again = read_contact_plan(write_contact_plan(plan, tmp_path / name))
        assert list(again.contacts) == rows[2:]
        assert again.nodes == plan.nodes
        assert "2 contacts hold no whole second or no rate" in caplog.text


# -- what ION's commands mean ---------------------------------------------------------------------
def test_ranges_hold_backwards_from_the_lower_number_only(tmp_path: Path) -> None:
    contacts = "a contact +0 +100 1 2 1\na contact +0 +100 2 1 1\n"
    forward = ion(tmp_path, contacts + "a range +0 +100 1 2 5\n")
    assert [row.delay_s for row in forward.contacts] == [5, 5]
    backward = ion(tmp_path, contacts + "a range +0 +100 2 1 5\n")
    assert [row.delay_s for row in backward.contacts] == [0, 5]
    both = ion(tmp_path, contacts + "a range +0 +100 1 2 5\na range +20 +60 2 1 7\n")
    assert [(r.source, r.start_s, r.end_s, r.delay_s) for r in both.contacts] == [
        ("1", 0, 100, 5),
        ("2", 0, 20, 5),
        ("2", 20, 60, 7),
        ("2", 60, 100, 5),
    ]


def test_contacts_are_cut_where_the_range_changes(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    plan = ion(
        tmp_path,
        "a range +60 +90 1 2 3\na range +0 +20 1 2 9\n"
        "a range +20 +40 1 2 2\na range +40 +60 1 2 2\na contact +10 +100 1 2 1000 0.5\n",
    )
    assert [(row.start_s, row.end_s, row.delay_s) for row in plan.contacts] == [
        (10, 20, 9),
        (20, 60, 2),
        (60, 90, 3),
        (90, 100, 0),
    ]
    assert {row.rate_bps for row in plan.contacts} == {8000}
    assert "1 stretches of contact have no range" in caplog.text


@given(
    cuts=st.lists(st.integers(1, 99), unique=True, max_size=6).map(sorted),
    owlts=st.lists(st.integers(0, 2), min_size=7, max_size=7),
    first=st.integers(0, 98),
    length=st.integers(1, 99),
)
@SHARED
def test_any_ranges_give_each_second_its_delay(
    cuts: list[int], owlts: list[int], first: int, length: int, tmp_path: Path
) -> None:
    edges = [0, *cuts, 100]
    text = "".join(
        f"a range +{a} +{b} 1 2 {owlt}\n"
        for a, b, owlt in zip(edges, edges[1:], owlts, strict=False)
        if owlt
    )
    plan = ion(tmp_path, f"{text}a contact +{first} +{first + length} 1 2 1\n")
    for second in range(first, first + length):
        inside = [k for k, (a, b) in enumerate(pairwise(edges)) if a <= second < b]
        (row,) = (r for r in plan.contacts if r.start_s <= second < r.end_s)
        assert row.delay_s == (owlts[inside[0]] if inside else 0)
    delays = [row.delay_s for row in plan.contacts]
    assert all(a != b for a, b in pairwise(delays))


def test_times_of_all_sorts(tmp_path: Path) -> None:
    text = (
        "1 19 ''\ns\n^ 1\nm horizon +0\ne 1\n\n# a comment\n"
        "@ 2026/01/01-00:01:00\n"
        "a contact +0 +10 1 2 100\n"
        "@ +60\n"
        "a contact +0 2026/01/01-00:03:00 1 2 100\n"
        "@ 0\n"
        "a contact +600 +700 1 2 100\n"
        "q\nnever read\n"
    )
    plan = ion(tmp_path, text)
    assert plan.epoch == EPOCH + timedelta(seconds=60)
    assert [(row.start_s, row.end_s) for row in plan.contacts] == [(0, 10), (60, 120), (600, 700)]
    earlier = ion(tmp_path, text, epoch=EPOCH)
    assert earlier.epoch == EPOCH
    assert [row.start_s for row in earlier.contacts] == [60, 120, 600]
    assert ion(tmp_path, "a contact +0 +10 1 2 100\n").epoch == UNIX


def test_commands_that_change_and_delete(tmp_path: Path) -> None:
    plan = ion(
        tmp_path,
        "## begin bpadmin\na scheme ipn 'ipnfw' 'ipnadminep'\n## end bpadmin\n"
        "## begin ionadmin\n"
        "a contact +0 +10 1 2 100\na contact +20 +30 1 2 100\na contact +20 +30 1 3 100\n"
        "a contact +40 +50 1 3 100\na contact +0 +99 1 1 100\na contact -1 -1 8 8 0\n"
        "a contact 0 0 1 9 100 0\na range +0 +50 1 2 1\na range +0 +50 1 3 1\n"
        "c contact +0 1 2 200 0.9\nd contact +20 1 2\nd contact * 1 3\nd range +0 1 2\n"
        "d contact +77 1 2\nd contact -1 8 8\nd contact * 6 7\n"
        "## end ionadmin\nanything\n",
    )
    assert list(plan.contacts) == [Contact("1", "2", 0, 10, 1600)]
    assert plan.node_names == ("1", "2", "3", "6", "7", "8", "9")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("a contact +0 +10 1 2", "command = 'a contact +0 +10 1 2': expected a contact start end"),
        ("a contact +0 +10 1 2 1 1 1", "expected a contact start end from to rate"),
        ("a contact +10 +10 1 2 1", "end = '+10': expected a time after the start, +10"),
        ("a contact +10 +5 1 2 1", "end = '+5': expected a time after the start, +10"),
        ("a contact 5 +10 1 2 1", "start = '5': expected +seconds or yyyy/mm/dd-hh:mm:ss"),
        ("a contact +nan +10 1 2 1", "start = 'nan': expected a finite number"),
        ("a contact +0 +inf 1 2 1", "end = 'inf': expected a finite number"),
        ("a contact +0 +10 1 2 nan", "rate = 'nan': expected a finite number >= 0"),
        ("a contact +0 +10 1 2 -5", "rate = '-5': expected a finite number >= 0"),
        ("a contact +0 +10 0 2 1", "from = '0': expected a node number > 0"),
        ("a contact +0 +10 1 gs 1", "to = 'gs': expected a node number > 0"),
        (f"a contact +0 +10 1 {'9' * 5000} 1", ": expected a node number > 0"),
        (f"a contact +0 +{'9' * 5000} 1 2 1", ": expected a finite number"),
        ("a contact +0 +10 1 2 1 2", "confidence = 2.0: expected a number from 0 to 1"),
        (
            "a contact 2026/13/01-00:00:00 +10 1 2 1",
            "start = '2026/13/01-00:00:00': expected a date",
        ),
        ("a range +0 +10 1 2 -1", "owlt = '-1': expected a finite number >= 0"),
        (
            "a rang +0 +10 1 2 1",
            "a what = 'rang': expected one of 'contact', 'range'; did you mean",
        ),
        ("a", "a what = '': expected one of 'contact', 'range'"),
        ("add contact +0 +10 1 2 1", "command = 'add': expected one of"),
        ("contact 1 2", "command = 'contact': expected one of"),
        ("c contact +5 1 2 1", "start = '+5': expected the start of a contact added above"),
        ("c range +5 1 2 1", "c what = 'range': expected one of 'contact'"),
        ("d contact +5 1", "expected d contact start from to"),
        ("@", "command = '@': expected @ time"),
        ("@ now", "time = 'now': expected +seconds"),
        ("# orbweave node 1 {", "line 1, column 2 = "),
        ("# orbweave node x {}", "node = 'x': expected a node number > 0"),
        ("# orbweave epoch yesterday", "epoch = 'yesterday': expected a date and time"),
        ("# orbweave duration_s long", "duration_s = 'long': expected a finite number"),
        ("a contact +7 +9 3 4 9", "start = '+7': expected no second one then (line 2)"),
    ],
)
def test_ion_errors_name_file_and_line(tmp_path: Path, line: str, message: str) -> None:
    with pytest.raises(InputError) as raised:
        ion(tmp_path, f"# first\na contact +7 +9 3 4 9\n{line}\na contact +0 +1 1 2 1\n")
    assert str(raised.value).startswith(f"{tmp_path / 'plan.ionrc'}: line 3: ")
    assert message in str(raised.value)


@pytest.mark.parametrize("kind", ["contact", "range"])
def test_ion_refuses_overlap(tmp_path: Path, kind: str) -> None:
    one, other = f"a {kind} +0 +10 1 2 1\n", f"a {kind} +9 +20 1 2 1\n"
    for text in (one + other, other + one):
        with pytest.raises(InputError) as raised:
            ion(tmp_path, "a contact +50 +60 1 2 5\n" + text)
        assert f"line 3 = 'a {kind}': expected no overlap with the one of line 2" in str(
            raised.value
        )


# -- what HDTN's JSON means -----------------------------------------------------------------------
def test_hdtn_rates_and_words(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    old = hdtn_contact(rate=3, finalDestination=9)
    del old["rateBitsPerSec"], old["owlt"]
    plan = hdtn(
        tmp_path,
        hdtn_contact(source="10", rateBitsPerSec="2500.5", owlt="0.25"),
        old,
        hdtn_contact(startTime=10, endTime=10),
        hdtn_contact(startTime=70, endTime=90, rateBitsPerSec=0),
        epoch=EPOCH,
    )
    assert list(plan.contacts) == [
        Contact("10", "2", 0, 60, 2500.5, 0.25),
        Contact("1", "2", 0, 60, 3e6),
        Contact("1", "2", 70, 90, 0, 1),
    ]
    assert plan.epoch == EPOCH
    assert plan.node_names == ("1", "2", "10")
    assert "1 contacts end before they begin" in caplog.text
    assert "a rate of 0, without a limit in HDTN" in caplog.text


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (3, "contacts[1] = 3: expected an object"),
        ({}, "contacts[1].source = None: expected a number (the key is missing)"),
        (hdtn_contact(enddTime=3), "contacts[1] key = 'enddTime': expected one of"),
        (hdtn_contact(dest=1), "contacts[1].dest = 1: expected another node than the source"),
        (hdtn_contact(source=1.5), "contacts[1].source = 1.5: expected a whole number"),
        (hdtn_contact(source=-1), "contacts[1].source = -1: expected a finite number >= 0"),
        (hdtn_contact(source=True), "contacts[1].source = True: expected a finite number"),
        (hdtn_contact(source="sat"), "contacts[1].source = 'sat': expected a number"),
        (hdtn_contact(startTime="nan"), "contacts[1].startTime = nan: expected a finite number"),
        (hdtn_contact(endTime=None), "contacts[1].endTime = None: expected a finite number"),
        (hdtn_contact(rateBitsPerSec=-1), "contacts[1].rateBitsPerSec = -1: expected"),
        (hdtn_contact(owlt=[]), "contacts[1].owlt = []: expected a finite number"),
        (hdtn_contact(owlt=10**400), ": "),
        (hdtn_contact(), "contacts[2] = \"'1' -> '2'\": expected no exact duplicate"),
    ],
)
def test_hdtn_errors_name_file_and_field(tmp_path: Path, row: Any, message: str) -> None:
    empty = hdtn_contact(endTime=0)
    twice = "duplicate" in message
    rows = (empty, hdtn_contact(), row) if twice else (empty, row)
    with pytest.raises(InputError) as raised:
        hdtn(tmp_path, *rows)
    assert str(raised.value).startswith(f"{tmp_path / 'plan.json'}: ")
    assert message in str(raised.value)


@pytest.mark.parametrize(
    ("own", "message"),
    [
        ([], "orbweave = 'list': expected an object"),
        ({"node": []}, "orbweave key = 'node': expected one of"),
        ({"nodes": {}}, "orbweave.nodes = 'dict': expected a list"),
        ({"nodes": [1]}, "orbweave.nodes[0] = 1: expected an object"),
        ({"nodes": [{"name": "a"}]}, "orbweave.nodes[0].number = None: expected"),
        ({"nodes": [{"number": 1, "name": "a"}] * 2}, "number = 1: expected every number once"),
        ({"nodes": [{"number": 1, "name": "2"}]}, "name = '2': expected every name once"),
        ({"epoch": 3}, "orbweave.epoch = 3: expected a timezone-aware datetime"),
    ],
)
def test_hdtn_errors_in_our_own_table(tmp_path: Path, own: Any, message: str) -> None:
    path = tmp_path / "plan.json"
    path.write_text(json.dumps({"contacts": [hdtn_contact()], "orbweave": own}))
    with pytest.raises(InputError) as raised:
        read_contact_plan(path)
    assert message in str(raised.value)


# -- what others published ------------------------------------------------------------------------
def test_published_plan_of_ion(reference: Path, tmp_path: Path) -> None:
    path = reference / "routing" / "sabr" / "toy.ionrc"
    found = re.findall(r"^a contact \+(\d+) \+(\d+) (\d+) (\d+) (\d+)$", path.read_text(), re.M)
    plan = read_contact_plan(path)
    assert len(found) == len(plan) == 8
    for (start, end, source, target, rate), row in zip(found, plan.contacts, strict=True):
        assert row == Contact(source, target, float(start), float(end), float(rate) * 8, 1.0)
    assert read_contact_plan(write_contact_plan(plan, tmp_path / "again.ionrc")) == plan


def test_published_plans_of_hdtn(reference: Path, tmp_path: Path) -> None:
    paths = sorted((reference / "routing" / "hdtn").glob("*.json"))
    assert len(paths) == 6
    for path in paths:
        rows = json.loads(path.read_text())["contacts"]
        good = [row for row in rows if row["endTime"] > row["startTime"]]
        plan = read_contact_plan(path)
        assert len(plan) == len(good) > 0
        assert set(plan.node_names) == {str(row[end]) for row in rows for end in ("source", "dest")}
        assert plan.arrays["end_s"].sum() == sum(row["endTime"] for row in good)
        expected = [
            (
                str(r["source"]),
                str(r["dest"]),
                r["startTime"],
                float(r["rateBitsPerSec"]),
                r["owlt"],
            )
            for r in good
        ]
        assert expected == [
            (r.source, r.target, r.start_s, r.rate_bps, r.delay_s) for r in plan.contacts
        ]
        again = read_contact_plan(write_contact_plan(plan, tmp_path / "again.hdtn.json"))
        assert again == plan
        ion_plan = read_contact_plan(write_contact_plan(plan, tmp_path / "again.ionrc"))
        assert ion_plan.volume_bytes.sum() == plan.volume_bytes.sum()


# -- hostile and broken files ---------------------------------------------------------------------
JSON_ERRORS: list[tuple[str, str]] = [
    ("{", "line 1, column 2 = "),
    ("[]", "JSON = 'list': expected an object"),
    ("{}", "format = None: expected 'orbweave-contact-plan'"),
    ('{"a": NaN}', "JSON = 'NaN': expected numbers that JSON knows"),
    ('{"a": ' * 100_000, "cannot be read: "),
    ('{"a": ' + "1" * 5000 + "}", "expected numbers of sane length"),
]


@pytest.mark.parametrize(("text", "message"), JSON_ERRORS, ids=[row[1] for row in JSON_ERRORS])
def test_json_that_is_none(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "plan.json"
    path.write_text(text)
    with pytest.raises(InputError) as raised:
        read_contact_plan(path)
    assert str(raised.value).startswith(f"{path}: ")
    assert message in str(raised.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": "other"}, "format = 'other': expected 'orbweave-contact-plan'"),
        ({"version": 2}, "version = 2: expected 1"),
        ({"version": True}, "version = True: expected 1"),
        ({"extra": 1}, "key = 'extra': expected one of 'format'"),
        ({"epoch": 5}, "epoch = 5: expected a date and time"),
        ({"epoch": "noon"}, "epoch = 'noon': expected a date and time"),
        ({"epoch": "0001-01-01T00:00:00+14:00"}, "cannot be read: date value out of range"),
        ({"nodes": {}}, "nodes = 'dict': expected a list of objects"),
        ({"nodes": [1]}, "nodes[0] = 1: expected an object"),
        ({"nodes": [{"nam": "a"}]}, "nodes[0] key = 'nam': expected one of 'name'"),
        ({"nodes": [{}]}, "nodes[0].name = None: expected a name"),
        ({"nodes": [{"name": "a", "plane": 10**400}]}, ": "),
        ({"contacts": []}, "ContactPlan.arrays = 'list': expected a mapping"),
        ({"contacts": {"source": 3}}, "expected"),
        ({"eclipses": []}, "eclipses = 'list': expected an object of columns"),
        ({"eclipses": {"node": [None]}}, "['node'] = 'an array of object': expected numbers"),
        ({"duration_s": "1"}, "duration_s = '1': expected a finite number"),
    ],
)
def test_json_with_a_wrong_field(changes: dict[str, Any], message: str) -> None:
    data = json.loads(example().to_json()) | changes
    with pytest.raises(InputError) as raised:
        ContactPlan.from_json(json.dumps(data))
    assert message in str(raised.value)
    assert str(raised.value).startswith("contact plan JSON: ")


@pytest.mark.parametrize("key", ["format", "version", "epoch", "nodes", "contacts"])
def test_json_without_a_field(key: str) -> None:
    data = json.loads(example().to_json())
    del data[key]
    with pytest.raises(InputError, match=f"{key} = None"):
        ContactPlan.from_json(json.dumps(data))


CSV_ERRORS: list[tuple[str, str]] = [
    ("# only\n", "table = None: expected a header line, source,target"),
    ("source,target,start_s,end_s,rate\n", "line 1: header = 'rate': expected one of"),
    (
        "source,target,start_s,end_s\n",
        "line 1: header = 'source,target,start_s,end_s': expected a col",
    ),
    ("source,source," + HEADER, "line 1: header = 'source': expected every name once"),
    ("# epoch: noon\n" + HEADER, "line 1: epoch = 'noon': expected a date and time"),
    ("# hi\n# version: 2\n" + HEADER, "line 2: version = '2': expected 1"),
    ("# format: other\n" + HEADER, "line 1: format = 'other': expected 'orbweave-contact-plan'"),
    ("# duration_s: x\n" + HEADER, "line 1: duration_s = 'x': expected a number"),
    ("# node: [\n" + HEADER, "line 1: line 1, column 2 = "),
    ("# eclipses: {}\n# node: 3\n" + HEADER, "line 2: JSON = 'int': expected an object"),
    (HEADER + "a,b,0,10,1\n", "line 2: row = 'a,b,0,10,1': expected 6 fields, source"),
    (HEADER + "a,b,0,10,1,0,\n", "line 2: row = 'a,b,0,10,1,0,': expected 6 fields"),
    (HEADER + "\na,b,0,x,1,0\n", "line 3: end_s = 'x': expected a number"),
    (HEADER + "a,b,0,,1,0\n", "line 2: end_s = '': expected a number"),
    (
        HEADER + 'a,"b\nc",0,9,1,0\na,b,5,1,1,0\n',
        "line 4: contacts[1].end_s = 1.0: expected a finite",
    ),
    (HEADER + "a,b,0,nan,1,0\n", "line 2: contacts[0].end_s = nan: expected a finite end"),
    (HEADER + "a,b,0," + "9" * 5000 + ",1,0\n", "line 2: contacts[0].end_s = inf"),
    (HEADER + "a,b,0,1,-1,0\n", "line 2: contacts[0].rate_bps = -1.0: expected"),
    (HEADER + "a,,0,1,1,0\n", "line 2: target = '': expected a non-empty string"),
    (HEADER + "a,a,0,1,1,0\n", "line 2: contacts[0].target = 0: expected another node"),
    (HEADER + "a,b,0,1,1,0\nb,a,0,1,1,0\na,b,0,1,1,0\n", "line 4: contacts[2] = "),
    (HEADER + 'a,"b,0,1,1,0\n', "line 2: cannot be read: unexpected end of data"),
    (HEADER + "a," + "b" * 200_000 + ",0,1,1,0\n", "line 2: cannot be read: field larger than"),
    (
        '# node: {"name": "a"}\n' + HEADER + "a,b,0,1,1,0\n",
        "line 3: target = 'b': expected one of 'a'",
    ),
]


@pytest.mark.parametrize(("text", "message"), CSV_ERRORS, ids=[row[1] for row in CSV_ERRORS])
def test_csv_errors_name_line_and_field(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "plan.csv"
    path.write_text(text)
    with pytest.raises(InputError) as raised:
        read_contact_plan(path)
    assert str(raised.value).startswith(f"{path}: {message}")
    with pytest.raises(InputError) as raised:
        ContactPlan.from_csv(text)
    assert str(raised.value).startswith(f"contact plan CSV: {message}")


@pytest.mark.parametrize("suffix", [".json", ".csv", ".parquet", ".ionrc", ".hdtn.json"])
def test_what_is_no_file_of_the_kind(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"plan{suffix}"
    with pytest.raises(FileNotFoundError):
        read_contact_plan(path)
    path.write_bytes(b"\x00\xff\xfe PAR1 \x80")
    with pytest.raises(InputError, match="plan"):
        read_contact_plan(path)
    path.write_bytes(b"")
    if suffix == ".ionrc":  # no commands: a plan without a node is no plan
        with pytest.raises(InputError, match="at least one node"):
            read_contact_plan(path)
    else:
        with pytest.raises(InputError, match="plan"):
            read_contact_plan(path)
    path.unlink()
    path.mkdir()
    with pytest.raises(InputError, match="Is a directory"):
        read_contact_plan(path)
    for bad in (f"a\0b{suffix}", "x" * 5000 + suffix):
        with pytest.raises(InputError, match="expected a file that can be read"):
            read_contact_plan(bad)


def test_formats_are_known_or_offered(tmp_path: Path) -> None:
    nonsense: Any = 3
    calls: tuple[Callable[..., object], ...] = (
        read_contact_plan,
        lambda path, **options: write_contact_plan(example(), path, **options),
    )
    for call in calls:
        with pytest.raises(InputError, match=r"expected a suffix among \.hdtn\.json, \.json"):
            call(tmp_path / "plan.xml")
        with pytest.raises(
            InputError, match=r"format = 'jsn': expected one of 'json', .*mean 'json'"
        ):
            call(tmp_path / "plan.xml", format="jsn")
        with pytest.raises(InputError, match="path = 'int': expected the path of a file"):
            call(nonsense)
    with pytest.raises(InputError, match="plan = 'dict': expected a ContactPlan"):
        write_contact_plan({}, tmp_path / "plan.json")  # type: ignore[arg-type]
    write_contact_plan(example(), tmp_path / "plan.xml", format="csv")
    assert read_contact_plan(tmp_path / "plan.xml", format="csv") == example()
    with pytest.raises(InputError, match="format = None"):
        hdtn(tmp_path, hdtn_contact(), format="json")


def test_nothing_half_written(tmp_path: Path) -> None:
    path = write_contact_plan(example(), tmp_path / "plan.ionrc")
    before = path.read_text()
    for plan, message in (
        (ContactPlan(EPOCH, [PlanNode("x" * 300)], {}), "a name that fits a line of 255 bytes"),
        (
            ContactPlan.from_contacts([Contact("a", "b", -1e15, 1, 80)], epoch=EPOCH),
            "times after the year 1",
        ),
        (
            ContactPlan.from_contacts([Contact("a", "b", 0, 1, 1e300)], epoch=EPOCH),
            r"contacts\[0\].rate_bps = 1e\+300: expected at most",
        ),
    ):
        with pytest.raises(InputError, match=message):
            write_contact_plan(plan, path)
    assert path.read_text() == before
    assert [found.name for found in tmp_path.iterdir()] == ["plan.ionrc"]
