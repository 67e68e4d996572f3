"""Pictures of schedules: bars show what the transfers say."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import orbweave as ow
from orbweave.adapters.pictures.gantt import draw_gantt
from orbweave.adapters.pictures.gantt_lanes import gantt_lanes

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
KINDS = {"s1": "orbital", "s2": "orbital", "s3": "orbital", "g": "ground", "h": "ground"}
ECLIPSES = {
    "node": np.array([1], dtype=np.int32),
    "start_s": np.array([20.0]),
    "end_s": np.array([90.0]),
    "umbra_start_s": np.array([25.0]),
    "umbra_end_s": np.array([85.0]),
}


@pytest.fixture(autouse=True)
def _close() -> Iterator[None]:
    plt = pytest.importorskip("matplotlib.pyplot")
    yield
    plt.close("all")


def schedule(kinds: bool = True, **changes: Any) -> ow.PassSchedule:
    """Two satellites share g, half the rate each, from 0 to 100 s; s1 sends to s2; s3 nothing."""
    rows = [("s1", "g", 0, 100), ("s2", "g", 0, 200), ("s1", "s2", 0, 50), ("s3", "h", 0, 90)]
    contacts = [ow.Contact(*row, 8e6) for row in rows]
    nodes = dict(KINDS) if kinds else dict.fromkeys(KINDS)
    plan = ow.ContactPlan.from_contacts(contacts, epoch=EPOCH, nodes=nodes, duration_s=1000)
    plan = ow.ContactPlan(EPOCH, plan.nodes, plan.arrays, ECLIPSES, 1000)
    demands = [
        ow.Demand("a", "s1", "g", 60e6, priority=0),
        ow.Demand("b", "s2", "g", 50e6, priority=3),
        ow.Demand("c", "s3", "h", 5e6),
    ]
    fields: dict[str, Any] = {"antennas": {"g": 1, "h": 1}, **changes}
    problem = ow.PassProblem(plan, demands, **fields)
    at = {(plan.contact(k).source, plan.contact(k).target): k for k in range(4)}
    moves = ow.Transfers.of(
        [0, 1, 0, 0],
        [at["s1", "g"], at["s2", "g"], at["s1", "s2"], at["s2", "g"]],
        [0.0, 0.0, 0.0, 100.0],
        [100.0, 100.0, 50.0, 120.0],
        [50e6, 50e6, 10e6, 10e6],
    )
    return ow.PassSchedule(problem, moves)


def legend_of(ax: Any) -> list[str]:
    return [text.get_text() for text in ax.get_legend().get_texts()]


def corners(ax: Any, label: str) -> np.ndarray[Any, Any]:
    """Left, right (s), lower and upper edge (lanes, down) of the bars of a label, sorted."""
    from matplotlib.dates import date2num

    found = []
    for drawn in ax.collections:
        if drawn.get_label() == label:
            found += [path.vertices.reshape(-1, 5, 2)[:, :4] for path in drawn.get_paths()]
    if not found:
        return np.empty((0, 4))
    box = np.concatenate(found)
    left = (box[:, :, 0].min(1) - float(date2num(EPOCH))) * 86400
    right = (box[:, :, 0].max(1) - float(date2num(EPOCH))) * 86400
    rows = np.stack([left, right, box[:, :, 1].max(1), box[:, :, 1].min(1)], axis=1)
    return rows[np.lexsort((rows[:, 1], rows[:, 0]))]


def test_bars_are_transfers_stacked_by_priority() -> None:
    shared = schedule()
    assert shared.violations() == ()
    ax = draw_gantt(shared)
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["g", "h"]
    low, middle, high = 0.37, 0.0, -0.37  # the lane of g, downwards
    np.testing.assert_allclose(
        corners(ax, "critical"), [[0, 100, low, middle], [100, 120, low, middle]], atol=1e-3
    )
    np.testing.assert_allclose(corners(ax, "low"), [[0, 100, middle, high]], atol=1e-3)
    assert len(corners(ax, "normal")) == 0
    title = ax.get_title(loc="left")
    assert "110 MB of 115 MB delivered in 4 transfers" in title
    assert "1 between satellites not shown" in title
    assert "not whole: 1 of 3 demands (c)" in title
    legend = legend_of(ax)
    assert legend == ["priority: critical", "low"]


def test_the_area_is_antenna_time() -> None:
    """On the example: the bars of each station come to the antenna seconds of its transfers."""
    from orbweave.adapters.scenario import example_path
    from orbweave.adapters.schedule_scenario import read_schedule_scenario

    problem = read_schedule_scenario(example_path("round-80", "schedule")).problem
    found = ow.solve(problem).require()
    seconds = found.moves.antenna_seconds(problem)
    rows = problem.plan.arrays
    for kind, end in (("station", "target"), ("satellite", "source")):
        lanes = gantt_lanes(found, kind)
        area = (lanes.end_s - lanes.start_s) * (lanes.high - lanes.low)
        total = np.bincount(lanes.lane, weights=area, minlength=len(lanes.node))
        busy = np.bincount(
            rows[end][found.moves.contact], weights=seconds, minlength=len(problem.plan.nodes)
        )
        # A satellite that sends to two stations at a time has a lane of two.
        height = np.maximum(np.round(busy[lanes.node] / np.maximum(total, 1e-9)), 1)
        assert (height == 1).all() if kind == "station" else (height <= 2).all()
        assert total * height == pytest.approx(busy[lanes.node], rel=1e-6, abs=1e-3)
        assert lanes.low.min() >= 0
        assert lanes.high.max() <= 1
        # No two bars of a lane lie over one another.
        for lane in range(len(lanes.node)):
            mine = np.flatnonzero(lanes.lane == lane)
            for k in mine:
                other = mine[mine > k]
                across = np.minimum(lanes.high[other], lanes.high[k]) - np.maximum(
                    lanes.low[other], lanes.low[k]
                )
                along = np.minimum(lanes.end_s[other], lanes.end_s[k]) - np.maximum(
                    lanes.start_s[other], lanes.start_s[k]
                )
                assert not ((across > 1e-9) & (along > 1e-6)).any()
    assert lanes.total == 80
    assert "the 60 busiest of 80 lanes" in draw_gantt(found, rows="satellite").get_title(loc="left")


def test_bars_that_overlap_in_part_are_cut_and_stacked() -> None:
    rows = [("s1", "g", 0, 100), ("s2", "g", 40, 200)]
    plan = ow.ContactPlan.from_contacts(
        [ow.Contact(*row, 8e6) for row in rows], epoch=EPOCH, nodes={**KINDS}
    )
    demands = [ow.Demand("a", "s1", "g", 10e6), ow.Demand("b", "s2", "g", 10e6, priority=1)]
    problem = ow.PassProblem(plan, demands, antennas={"g": 2})
    moves = ow.Transfers.of([0, 1], [0, 1], [0.0, 40.0], [100.0, 140.0], [100e6, 100e6])
    found = gantt_lanes(ow.PassSchedule(problem, moves))
    bars = sorted(
        zip(
            found.priority.tolist(),
            found.start_s.tolist(),
            found.end_s.tolist(),
            found.low.tolist(),
            found.high.tolist(),
            strict=True,
        )
    )
    assert bars == [
        (1, 40.0, 140.0, 0.0, 0.5),
        (2, 0.0, 40.0, 0.0, 0.5),
        (2, 40.0, 100.0, 0.5, 1.0),
    ]


def test_lanes_of_satellites_show_eclipses() -> None:
    ax = draw_gantt(schedule(), rows="satellite")
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["s1", "s2", "s3"]
    shadow = corners_of_polygons(ax, "eclipse")
    assert shadow[0] == pytest.approx(25, abs=1e-3)
    assert shadow[1] == pytest.approx(85, abs=1e-3)
    assert shadow[2] == pytest.approx(1, abs=0.5)
    assert "in the Earth's shadow" in legend_of(ax)
    assert corners_of_polygons(draw_gantt(schedule()), "eclipse").size == 0


def corners_of_polygons(ax: Any, label: str) -> np.ndarray[Any, Any]:
    from matplotlib.dates import date2num

    for drawn in ax.collections:
        if drawn.get_label() == label:
            (path,) = drawn.get_paths()
            x = (path.vertices[:, 0] - float(date2num(EPOCH))) * 86400
            return np.array([x.min(), x.max(), path.vertices[:, 1].mean()])
    return np.empty(0)


def test_exclusive_antennas_show_set_up_and_tear_down() -> None:
    rows = [("s1", "g", 0, 100), ("s2", "g", 40, 200), ("s2", "h", 10, 90)]
    plan = ow.ContactPlan.from_contacts(
        [ow.Contact(*row, 8e6) for row in rows], epoch=EPOCH, nodes={**KINDS}
    )
    demands = [
        ow.Demand("a", "s1", "g", 20e6, priority=1),
        ow.Demand("b", "s2", "g", 70e6),
        ow.Demand("c", "s1", "g", 20e6),
    ]
    problem = ow.PassProblem(plan, demands, antennas={"g": 2}, setup_s=6, teardown_s=4)
    at = {(plan.contact(k).source, plan.contact(k).target): k for k in range(3)}
    moves = ow.Transfers.of(
        [0, 1, 2],
        [at["s1", "g"], at["s2", "g"], at["s1", "g"]],
        [10.0, 45.0, 30.0],
        [30.0, 115.0, 70.0],
        [20e6, 70e6, 20e6],
    )
    found = ow.PassSchedule(problem, moves)
    assert found.violations() == ()
    ax = draw_gantt(found)
    taken = corners(ax, "taken")
    np.testing.assert_allclose(taken[:, :2], [[4, 74], [39, 119]], atol=1e-3)
    assert taken[0, 3] >= taken[1, 2]  # each on an antenna of its own
    np.testing.assert_allclose(corners(ax, "set-up")[:, :2], [[4, 10], [39, 45]], atol=1e-3)
    np.testing.assert_allclose(corners(ax, "tear-down")[:, :2], [[70, 74], [115, 119]], atol=1e-3)
    np.testing.assert_allclose(corners(ax, "high")[:, :2], [[10, 30]], atol=1e-3)
    normal = corners(ax, "normal")
    np.testing.assert_allclose(normal[:, :2], [[30, 70], [45, 115]], atol=1e-3)
    half = normal[0, 2] - normal[0, 3]  # c goes at half the rate
    assert half == pytest.approx((normal[1, 2] - normal[1, 3]) / 2)
    legend = legend_of(ax)
    assert legend[-1] == "set-up and tear-down"


def test_without_kinds_lanes_are_of_senders() -> None:
    found = gantt_lanes(schedule(kinds=False, antennas=None))
    assert found.rows == "satellite"
    assert found.hidden == 0
    assert len(found.lane) >= 4


def test_nothing_is_drawn_where_nothing_moves() -> None:
    empty = ow.PassSchedule(schedule().problem, ow.Transfers.empty())
    ax = draw_gantt(empty)
    assert "not whole: 3 of 3 demands" in ax.get_title(loc="left")
    assert ax.get_legend() is None


def test_plot_and_write_picture_know_schedules(tmp_path: Path) -> None:
    ax = ow.plot(schedule(), rows="satellite")
    assert len(ax.get_yticklabels()) == 3
    for suffix in ("png", "svg", "pdf"):
        first = ow.write_picture(schedule(), tmp_path / f"a.{suffix}")
        assert first.stat().st_size > 1000
    again = ow.write_picture(schedule(), tmp_path / "b.png")
    assert again.read_bytes() == (tmp_path / "a.png").read_bytes()


@pytest.mark.parametrize("rows", ["stations", "node", 3])
def test_unknown_rows_are_refused(rows: Any) -> None:
    with pytest.raises(ow.InputError, match=r"draw_gantt\.rows"):
        ow.plot(schedule(), rows=rows)


def test_rows_of_stations_need_stations() -> None:
    with pytest.raises(ow.InputError, match="a plan with nodes that are a station"):
        draw_gantt(schedule(kinds=False, antennas=None), rows="station")
