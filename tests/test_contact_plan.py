"""Contact plans as data: what they refuse, what can be asked of them, what stays untouched."""

from __future__ import annotations

import copy
import math
import pickle
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orbweave.formulations.checks import InputError
from orbweave.formulations.contact_columns import merged, repeats
from orbweave.formulations.contacts import (
    CONTACT_COLUMNS,
    ECLIPSE_COLUMNS,
    Contact,
    ContactPlan,
    PlanNode,
)

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
NODES = (PlanNode("a", "orbital", 0, 0), PlanNode("b", "orbital", 0, 1), PlanNode("gs", "ground"))


def columns(**changes: Any) -> dict[str, Any]:
    """Two contacts, a -> gs and b -> gs."""
    return {
        "source": [0, 1],
        "target": [2, 2],
        "start_s": [0.0, 100.0],
        "end_s": [600.0, 700.0],
        "rate_bps": [8e6, 1e6],
        "delay_s": [0.003, 0.004],
    } | changes


def shadows(**changes: Any) -> dict[str, Any]:
    """Two eclipses of a, the second without an umbra."""
    return {
        "node": [0, 0],
        "start_s": [100.0, 500.0],
        "end_s": [200.0, 550.0],
        "umbra_start_s": [110.0, math.nan],
        "umbra_end_s": [190.0, math.nan],
    } | changes


def plan(**changes: Any) -> ContactPlan:
    fields: dict[str, Any] = {"epoch": EPOCH, "nodes": NODES, "arrays": columns()}
    return ContactPlan(**fields | changes)


# -- what is refused ------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"source": ""}, "Contact['' -> 'gs'].source = '': expected a non-empty string"),
        ({"target": 3}, "Contact['a' -> 3].target = 3: expected a non-empty string"),
        ({"target": "a"}, "Contact['a' -> 'a'].target = 'a': expected another node than"),
        ({"start_s": math.nan}, ".start_s = nan: expected a finite number"),
        ({"end_s": math.inf}, ".end_s = inf: expected a finite number"),
        ({"end_s": 0.0}, ".end_s = 0.0: expected an end after the start, 0"),
        ({"rate_bps": -1}, ".rate_bps = -1: expected a finite number >= 0"),
        ({"delay_s": math.nan}, ".delay_s = nan: expected a finite number >= 0"),
        ({"delay_s": "1"}, ".delay_s = '1': expected a finite number >= 0"),
    ],
)
def test_a_contact_refuses(fields: dict[str, Any], message: str) -> None:
    good: dict[str, Any] = {
        "source": "a",
        "target": "gs",
        "start_s": 0.0,
        "end_s": 600.0,
        "rate_bps": 8e6,
    }
    assert Contact(**good).volume_bytes == 600e6
    with pytest.raises(InputError) as raised:
        Contact(**good | fields)
    assert message in str(raised.value)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"name": ""}, "PlanNode.name = '': expected a non-empty string"),
        (
            {"kind": "orbit"},
            "PlanNode['a'].kind = 'orbit': expected one of 'ground', 'orbital'; did",
        ),
        ({"plane": -1}, "PlanNode['a'].plane = -1: expected a finite number >= 0"),
        ({"slot": 0.5}, "PlanNode['a'].slot = 0.5: expected a whole number >= 0"),
    ],
)
def test_a_node_refuses(fields: dict[str, Any], message: str) -> None:
    good: dict[str, Any] = {"name": "a", "kind": "ground", "plane": 0, "slot": 0}
    assert PlanNode(**good) == PlanNode("a", "ground", 0, 0)
    with pytest.raises(InputError) as raised:
        PlanNode(**good | fields)
    assert message in str(raised.value)


PLAN_ERRORS: list[tuple[dict[str, Any], str]] = [
    (
        {"epoch": datetime(2026, 1, 1)},
        "ContactPlan.epoch = datetime.datetime(2026, 1, 1, 0, 0): expe",
    ),
    ({"epoch": 0}, "ContactPlan.epoch = 0: expected a timezone-aware datetime"),
    ({"nodes": ()}, "ContactPlan.nodes = (): expected at least one node"),
    ({"nodes": ("a",)}, "ContactPlan.nodes[0] = 'a': expected a PlanNode"),
    ({"nodes": NODES + NODES[:1]}, "ContactPlan.nodes name = 'a': expected every name once"),
    (
        {"arrays": []},
        "ContactPlan.arrays = 'list': expected a mapping with source, target, start_s",
    ),
    ({"arrays": {"rate": []}}, "ContactPlan.arrays column = 'rate': expected one of"),
    ({"arrays": {"source": []}}, "ContactPlan.arrays['target'] = None: expected a column"),
    (
        {"arrays": columns(source=[0])},
        "['target'] shape = (2,): expected one dimension, one length",
    ),
    ({"arrays": columns(end_s=[[1], [2]])}, "['end_s'] shape = (2, 1): expected one dimension"),
    ({"arrays": columns(end_s=[[1], [2, 3]])}, "ContactPlan.arrays['end_s'] = "),
    (
        {"arrays": columns(end_s=["1", "2"])},
        "['end_s'] = 'an array of <U1': expected numbers (float64)",
    ),
    ({"arrays": columns(end_s=[1, None])}, "['end_s'] = 'an array of object': expected numbers"),
    ({"arrays": columns(end_s=[True, True])}, "['end_s'] = 'an array of bool': expected numbers"),
    ({"arrays": columns(rate_bps=[1, 10**400])}, "['rate_bps'] = 'an array of object': expected"),
    (
        {"arrays": columns(source=[0, 0.5])},
        "['source'][1] = 0.5: expected a position, a whole number",
    ),
    ({"arrays": columns(source=[0, math.nan])}, "['source'][1] = nan: expected a position"),
    ({"arrays": columns(source=[2**40, 0])}, f"['source'][0] = {2**40}: expected a position"),
    ({"arrays": columns(source=[0, 3])}, "contacts[1].source = 3: expected a position from 0 to 2"),
    (
        {"arrays": columns(target=[-1, 2])},
        "contacts[0].target = -1: expected a position from 0 to 2",
    ),
    (
        {"arrays": columns(target=[2, 1])},
        "contacts[1].target = 1: expected another node than the s",
    ),
    ({"arrays": columns(start_s=[-math.inf, 0])}, "contacts[0].start_s = -inf: expected a finite"),
    (
        {"arrays": columns(end_s=[600, 100])},
        "contacts[1].end_s = 100.0: expected a finite end after",
    ),
    ({"arrays": columns(end_s=[math.nan, 700])}, "contacts[0].end_s = nan: expected a finite end"),
    ({"arrays": columns(end_s=[math.inf, 700])}, "contacts[0].end_s = inf: expected a finite end"),
    (
        {"arrays": columns(rate_bps=[-1, 1])},
        "contacts[0].rate_bps = -1.0: expected a finite number >=",
    ),
    (
        {"arrays": columns(delay_s=[0, math.nan])},
        "contacts[1].delay_s = nan: expected a finite numb",
    ),
    (
        {"arrays": {name: [column[0]] * 2 for name, column in columns().items()}},
        "contacts[1] = \"'a' -> 'gs'\": expected no exact duplicate (it repeats contacts[0])",
    ),
    ({"eclipses": shadows(node=[0, 3])}, "eclipses[1] = {'node': 3, "),
    (
        {"eclipses": shadows(end_s=[50, 550])},
        "eclipses[0] = {'node': 0, 'start_s': 100.0, 'end_s': 50",
    ),
    ({"eclipses": shadows(end_s=[math.inf, 550])}, "eclipses[0] = {'node': 0, "),
    ({"eclipses": shadows(umbra_end_s=[math.inf, 0])}, "finite times and an end after the start"),
    ({"eclipses": {"node": []}}, "ContactPlan.eclipses['start_s'] = None: expected a column"),
    ({"duration_s": -1}, "ContactPlan.duration_s = -1: expected a finite number >= 0"),
    ({"duration_s": "600"}, "ContactPlan.duration_s = '600': expected a finite number >= 0"),
]


@pytest.mark.parametrize(
    ("fields", "message"), PLAN_ERRORS, ids=[row[1][:50] for row in PLAN_ERRORS]
)
def test_a_plan_refuses(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as raised:
        plan(**fields)
    assert message in str(raised.value)


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda p: p.index("sat"), "node = 'sat': expected one of 'a', 'b', 'gs'"),
        (lambda p: p.between("a", "g"), "node = 'g': expected one of 'a', 'b', 'gs'; did you mean"),
        (lambda p: p.restricted(nodes=["a", "x"]), "node = 'x': expected one of"),
        (lambda p: p.restricted(without=["x"]), "node = 'x': expected one of"),
        (lambda p: p.restricted(nodes=[]), "ContactPlan.nodes = (): expected at least one node"),
        (lambda p: p.restricted(start_s=5, end_s=5), "restricted.end_s = 5: expected an end after"),
        (lambda p: p.restricted(end_s=math.nan), "restricted.end_s = nan: expected an end after"),
        (lambda p: p.sunlit_fraction(start_s=5, end_s=4), "sunlit_fraction.end_s = 4: expected"),
        (
            lambda p: ContactPlan.from_contacts([NODES[0]], epoch=EPOCH),  # type: ignore[list-item]
            "contacts[0] = PlanNode(name='a', kind='orbital', plane=0, slot=0): expected a Contact",
        ),
        (
            lambda p: ContactPlan.from_contacts(
                [Contact("a", "ground", 0, 1, 1)],
                epoch=EPOCH,
                nodes={"a": "orbital", "gs": "ground"},
            ),
            "contacts[0].target = 'ground': expected one of 'a', 'gs'",
        ),
    ],
)
def test_a_question_that_makes_no_sense_is_refused(
    ask: Callable[[ContactPlan], Any], message: str
) -> None:
    with pytest.raises(InputError) as raised:
        ask(plan())
    assert message in str(raised.value)


# -- what a plan is -------------------------------------------------------------------------------
def test_columns_are_read_only_copies_of_fixed_types() -> None:
    mine = {name: np.array(column) for name, column in columns().items()}
    before = {name: column.copy() for name, column in mine.items()}
    built = plan(arrays=mine, eclipses=shadows())
    for held, types in ((built.arrays, CONTACT_COLUMNS), (built.eclipses, ECLIPSE_COLUMNS)):
        assert {name: column.dtype for name, column in held.items()} == dict(types)
        for column in held.values():
            with pytest.raises(ValueError, match="read-only"):
                column[0] = 1
    with pytest.raises(TypeError):
        built.arrays["source"] = mine["source"]  # type: ignore[index]
    mine["end_s"][:] = -1
    assert built.arrays["end_s"].tolist() == [600.0, 700.0]
    built.restricted(start_s=50, end_s=300)
    for name in set(mine) - {"end_s"}:
        assert mine[name].flags.writeable
        assert np.array_equal(mine[name], before[name])


def test_epoch_is_kept_in_utc_and_duration_is_the_last_end() -> None:
    local = plan(epoch=EPOCH.astimezone(timezone(timedelta(hours=9))))
    assert (local.epoch, local.epoch.tzinfo) == (EPOCH, UTC)
    assert local == plan()
    assert plan().duration_s == 700.0
    assert plan(eclipses=shadows(end_s=[200, 900])).duration_s == 900.0
    assert plan(duration_s=86400).duration_s == 86400.0
    assert repr(plan()) == (
        "ContactPlan(2 contacts, 3 nodes, 0 eclipses, 700 s from 2026-01-01T00:00:00Z)"
    )


def test_contacts_come_back_as_they_went_in() -> None:
    rows = [Contact("b", "gs", 5, 9, 1e6, 0.5), Contact("a", "b", 0, 1, 2e6)]
    built = ContactPlan.from_contacts(rows, epoch=EPOCH)
    assert list(built.contacts) == rows
    assert [built.contact(k) for k in range(len(built))] == rows
    assert built.node_names == ("b", "gs", "a")
    assert {node.kind for node in built.nodes} == {None}
    kinds: dict[str, str | None] = {"gs": "ground", "idle": None, "a": "orbital", "b": "orbital"}
    named = ContactPlan.from_contacts(iter(rows), epoch=EPOCH, nodes=kinds, duration_s=99)
    assert {node.name: node.kind for node in named.nodes} == kinds
    assert named.duration_s == 99
    assert list(named.contacts) == rows
    assert ContactPlan.from_contacts(rows, epoch=EPOCH, nodes=named.nodes, duration_s=99) == named
    assert len(ContactPlan.from_contacts([], epoch=EPOCH, nodes={"a": None})) == 0


def test_equality_looks_at_everything() -> None:
    same = plan(eclipses=shadows())
    assert same == plan(eclipses=shadows())
    for other in (
        plan(),
        plan(eclipses=shadows(umbra_start_s=[math.nan, math.nan])),
        plan(eclipses=shadows(), epoch=EPOCH + timedelta(seconds=1)),
        plan(eclipses=shadows(), duration_s=701),
        plan(eclipses=shadows(), arrays=columns(delay_s=[0.003, 0.005])),
        plan(eclipses=shadows(), arrays={name: column[::-1] for name, column in columns().items()}),
        plan(eclipses=shadows(), nodes=(*NODES[:2], PlanNode("gs"))),
    ):
        assert same != other
    assert same != "plan"
    with pytest.raises(TypeError, match="unhashable"):
        hash(same)


def test_a_plan_can_be_pickled_and_copied() -> None:
    built = plan(eclipses=shadows())
    for other in (pickle.loads(pickle.dumps(built)), copy.deepcopy(built), copy.copy(built)):
        assert other == built
        assert not other.arrays["end_s"].flags.writeable


# -- what can be asked ----------------------------------------------------------------------------
def test_between_is_directed_and_sorted_by_start() -> None:
    built = ContactPlan.from_contacts(
        [
            Contact("a", "gs", 50, 60, 1e6),
            Contact("gs", "a", 0, 60, 1e6),
            Contact("a", "gs", 0, 40, 1e6),
            Contact("a", "gs", 0, 30, 1e6),
            Contact("b", "gs", 0, 10, 1e6),
        ],
        epoch=EPOCH,
    )
    assert [(row.start_s, row.end_s) for row in built.between("a", "gs")] == [
        (0, 30),
        (0, 40),
        (50, 60),
    ]
    assert len(built.between("gs", "a")) == 1
    assert built.between("gs", "b") == ()
    assert np.array_equal(built.volume_bytes, [row.volume_bytes for row in built.contacts])


def test_sunlit_fraction_counts_each_second_of_shadow_inside_the_window() -> None:
    built = plan(eclipses=shadows(), duration_s=1000)
    assert built.sunlit_fraction() == {"a": pytest.approx(0.85), "b": 1.0}
    assert built.sunlit_fraction(start_s=100, end_s=200) == {"a": 0.0, "b": 1.0}
    assert built.sunlit_fraction(start_s=150)["a"] == pytest.approx(1 - 100 / 850)
    assert built.sunlit_fraction(start_s=1000) == {"a": 1.0, "b": 1.0}
    late = plan(eclipses=shadows(start_s=[-50.0, 990.0], end_s=[50.0, 1500.0]), duration_s=1000)
    assert late.sunlit_fraction()["a"] == pytest.approx(0.94)
    assert plan(eclipses=shadows(node=[2, 2]), duration_s=1000).sunlit_fraction()["gs"] < 1


def test_restricted_clips_drops_and_renumbers() -> None:
    built = plan(eclipses=shadows())
    part = built.restricted(start_s=150, end_s=520)
    assert part.epoch == built.epoch
    assert part.duration_s == 520
    assert [(row.start_s, row.end_s) for row in part.contacts] == [(150, 520), (150, 520)]
    assert part.eclipses["start_s"].tolist() == [150, 500]
    assert part.eclipses["end_s"].tolist() == [200, 520]
    assert part.eclipses["umbra_start_s"][0] == 150
    assert part.eclipses["umbra_end_s"][0] == 190
    assert np.isnan(part.eclipses["umbra_start_s"][1])
    dusk = built.restricted(start_s=195)
    assert np.isnan(dusk.eclipses["umbra_start_s"]).all()
    assert np.isnan(dusk.eclipses["umbra_end_s"]).all()
    only = built.restricted(nodes=["gs", "b"])
    assert only.node_names == ("b", "gs")
    assert list(only.contacts) == [built.contact(1)]
    assert len(only.eclipses["node"]) == 0
    assert built.restricted(without=["b"]) == built.restricted(nodes=["a", "gs"])
    assert len(built.restricted(end_s=-1)) == 0
    assert built.restricted(end_s=-1).duration_s == 0
    assert built.restricted() == built


def test_contacts_that_clipping_makes_equal_add_their_rates() -> None:
    rows = [
        Contact("a", "gs", 0, 100, 1e6, 0.1),
        Contact("b", "gs", 0, 100, 1e6, 0.1),
        Contact("a", "gs", 10, 90, 1e6, 0.1),
        Contact("a", "gs", 20, 95, 2e6, 0.1),
        Contact("a", "gs", 0, 99, 1e6, 0.2),
    ]
    built = ContactPlan.from_contacts(rows, epoch=EPOCH)
    part = built.restricted(start_s=30, end_s=60)
    assert list(part.contacts) == [
        Contact("a", "gs", 30, 60, 4e6, 0.1),
        Contact("b", "gs", 30, 60, 1e6, 0.1),
        Contact("a", "gs", 30, 60, 1e6, 0.2),
    ]


def test_terminals_of_different_rates_stay_apart() -> None:
    rows = [Contact("a", "gs", 0, 100, 1e6), Contact("a", "gs", 10, 90, 2e6)]
    part = ContactPlan.from_contacts(rows, epoch=EPOCH).restricted(start_s=30, end_s=60)
    assert [row.rate_bps for row in part.contacts] == [1e6, 2e6]


SECONDS = st.integers(-5, 12)
ROWS = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 2), SECONDS, st.integers(1, 8), st.integers(0, 2)),
    max_size=12,
).map(
    lambda rows: [
        Contact("abc"[i], "abc"[j], start, start + length, rate)
        for i, j, start, length, rate in dict.fromkeys(rows)
        if i != j
    ]
)


@given(rows=ROWS, start=SECONDS, length=st.integers(1, 10))
def test_any_window_keeps_the_volume_inside_it(
    rows: list[Contact], start: int, length: int
) -> None:
    names: dict[str, str | None] = dict.fromkeys("abc")
    built = ContactPlan.from_contacts(rows, epoch=EPOCH, nodes=names)
    part = built.restricted(start_s=start, end_s=start + length)
    for source in "abc":
        for target in set("abc") - {source}:
            inside = sum(
                max(0, min(row.end_s, start + length) - max(row.start_s, start)) * row.rate_bps / 8
                for row in rows
                if (row.source, row.target) == (source, target)
            )
            assert sum(row.volume_bytes for row in part.between(source, target)) == inside
    assert len(part) == len(set(part.contacts))


@given(rows=ROWS, data=st.data())
def test_merging_leaves_no_duplicate_whatever_the_order(
    rows: list[Contact], data: st.DataObject
) -> None:
    twice = data.draw(st.permutations(rows + rows[:3]))
    arrays = {
        name: np.array(
            ["abc".index(getattr(row, name)) for row in twice]
            if name in ("source", "target")
            else [getattr(row, name) for row in twice],
            dtype=dtype,
        )
        for name, dtype in CONTACT_COLUMNS.items()
    }
    built = ContactPlan(EPOCH, [PlanNode(name) for name in "abc"], merged(arrays))
    assert built.volume_bytes.sum() == sum(row.volume_bytes for row in twice)
    assert set(arrays) == set(CONTACT_COLUMNS)
    assert len(arrays["source"]) == len(twice)


@given(
    rows=st.lists(
        st.tuples(
            st.integers(0, 2), st.sampled_from([0.0, -0.0, 1.0, 2.5]), st.sampled_from([1.0, 1e300])
        )
    )
)
def test_a_repeat_is_told_by_the_first_row_that_equals_it(
    rows: list[tuple[int, float, float]],
) -> None:
    columns: dict[str, Any] = {
        name: np.array([row[k] for row in rows], dtype=dtype)
        for k, (name, dtype) in enumerate({"a": np.int32, "b": np.float64, "c": float}.items())
    }
    assert repeats(columns, tuple("abc")).tolist() == [rows.index(row) for row in rows]
