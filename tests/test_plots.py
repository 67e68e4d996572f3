"""Pictures and tables: what stands in them, checked against the plan that they show."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any

import pytest

import orbweave as ow
from orbweave.adapters import plot, to_dataframe, write_picture, write_plan
from orbweave.adapters.tables import plan_text, profile_text, quantity, text_table

TOPOLOGY = {
    "ground_nodes": 1,
    "orbital_nodes": 2,
    "ground_flops": 5e12,
    "orbital_flops": 2e12,
    "uplink_bandwidth": 1e8,
    "downlink_bandwidth": 5e8,
    "isl_bandwidth": 1e10,
    "orbital_memory_gb": 0.008,
}


def problem(**changes: Any) -> ow.PartitionProblem:
    rows = [ow.LayerProfile(f"l{i}", 10, 1e6, 4e9, 1e5 * (i + 1)) for i in range(6)]
    model = ow.ModelProfile(rows, input_bytes=1e4, output_bytes=1e3, name="tiny")
    fields: dict[str, Any] = {"input_node": "ground-0", "output_node": "ground-0", **changes}
    return ow.PartitionProblem(model, ow.Network.from_topology(TOPOLOGY), **fields)


def partition(**changes: Any) -> ow.Partition:
    nodes = ("ground-0", "ground-0", "orbital-0", "orbital-0", "orbital-1", "orbital-1")
    return ow.Partition(problem(**changes), nodes)


def front() -> tuple[ow.Partition, ...]:
    """Three placements, none dominated, stated as points of a latency-energy front."""
    plans = [
        ow.Partition(problem(), ("ground-0",) * 6),
        partition(),
        ow.Partition(problem(), ("orbital-0",) * 6),
    ]
    return tuple(
        ow.Partition(
            plan.problem.replace(limits={"energy": plan.values["energy"]}), plan.node_of_layer
        )
        for plan in plans
    )


# -- tables ---------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0, "s", "0 s"),
        (0.0123, "s", "12.3 ms"),
        (7200, "s", "7200 s"),
        (999.96e-6, "s", "1 ms"),
        (3.2e-12, "J", "0.0032 nJ"),
        (1536, "B", "1.536 kB"),
        (138e9, "B", "138 GB"),
        (0.5, "B", "0.5 B"),
        (math.inf, "B", "inf B"),
        (25_557_032, "", "25.56 M"),
    ],
)
def test_quantities_read_well(value: float, unit: str, text: str) -> None:
    assert quantity(value, unit) == text


def test_a_text_table_lines_up() -> None:
    text = text_table(["a", "long"], [["xx", "1"], ["y", "22"]], " r")
    assert text.split("\n") == ["a   long", "--  ----", "xx     1", "y     22"]


def test_a_plan_table_shows_nodes_cuts_parts_and_objectives() -> None:
    plan = partition()
    text = plan_text(plan)
    for part in ("ground-0", "orbital-0", "0-1", "2-3", "4-5", "l2 .. l3"):
        assert part in text
    assert "not used" not in text
    for i, j in plan.cut_edges:
        assert f"{i} -> {j}" in text
    assert "cut points: 2, 4" in text
    assert "5 -> output" in text  # at orbital-1, due at ground-0
    assert "input -> 0" not in text  # read where it is
    for name, value in plan.values.items():
        unit = {"bandwidth": "B", "energy": "J"}.get(name, "s")
        assert quantity(value, unit) in text
    assert "minimised" in text
    assert "violations" not in text
    assert "8 MB" in text  # memory used of memory there


def test_a_plan_table_says_what_is_broken_and_who_is_idle() -> None:
    crowded = ow.Partition(problem(), ("orbital-0",) * 6)
    assert "not used: ground-0, orbital-1" in plan_text(crowded)
    tight = partition(max_cuts=1)
    assert "2 cut edges of at most 1" in plan_text(tight)


def test_a_profile_table_leaves_out_the_middle() -> None:
    profile = problem().profile
    assert all(layer.name in profile_text(profile) for layer in profile.layers)
    short = profile_text(profile, 2)
    assert "(4 more)" in short
    assert "l0" in short
    assert "l5" in short
    assert "l2" not in short


def test_dataframes() -> None:
    plan = partition()
    frame = to_dataframe(plan)
    assert list(frame["node"]) == list(plan.node_of_layer)
    assert list(frame["node_kind"]) == ["ground"] * 2 + ["orbital"] * 4
    assert [i for i, cut in enumerate(frame["cut_before"]) if cut] == list(plan.cut_points)
    assert list(frame["finish_s"])[-1] == plan.evaluation.finish_s[-1]
    assert sum(to_dataframe(plan.problem.profile)["params"]) == 60
    table = to_dataframe(front())
    assert list(table["latency"]) == [row.values["latency"] for row in front()]
    assert list(table["orbital_layers"]) == [0, 4, 6]
    with pytest.raises(ow.InputError, match="int"):
        to_dataframe(3)
    with pytest.raises(ow.InputError, match=r"front\[0\]"):
        to_dataframe([3])


def test_a_plan_file_holds_the_plan_and_is_json_to_the_letter(tmp_path: Path) -> None:
    plan = partition()
    path = write_plan(plan, tmp_path / "new" / "plan.json", {"bound": math.inf, "method": "m"})
    data = json.loads(path.read_text(encoding="utf-8"), parse_constant=pytest.fail)
    assert (data["format"], data["version"]) == ("orbweave-plan", 1)
    assert data["bound"] is None
    again = ow.Partition(plan.problem, data["solution"]["node_of_layer"])
    assert again.values == plan.values == data["solution"]["values"]
    assert sum(data["solution"]["latency_parts_s"].values()) == pytest.approx(
        plan.values["latency"]
    )
    assert [row.name for row in path.parent.iterdir()] == ["plan.json"]


# -- pictures -------------------------------------------------------------------------------------
@pytest.fixture
def quiet_matplotlib() -> Any:
    matplotlib = pytest.importorskip("matplotlib", reason="the extra 'plot' is not installed")
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    yield plt
    plt.close("all")


def texts(ax: Any) -> list[str]:
    return [item.get_text() for item in ax.texts]


def test_a_timeline_has_a_lane_per_node_and_a_bar_per_run(quiet_matplotlib: Any) -> None:
    plan = partition()
    ax = plot(plan)
    assert [label.get_text() for label in ax.get_yticklabels()] == [
        "ground-0",
        "orbital-0",
        "orbital-1",
    ]
    assert {"0-1", "2-3", "4-5"} <= {text.removeprefix("layers ") for text in texts(ax)}
    widths = sum(bar.get_width() for bars in ax.containers for bar in bars)
    scale = 1e3  # the axis is in milliseconds here
    assert "(ms)" in ax.get_xlabel()
    busy = float(plan.evaluation.node_load_s.sum())
    assert widths == pytest.approx(busy * scale)
    assert ax.get_xlim()[1] >= plan.values["latency"] * scale


def test_a_training_step_shows_both_passes(quiet_matplotlib: Any) -> None:
    ax = plot(partition(training=ow.Training()))
    hatched = [bar for bars in ax.containers for bar in bars if bar.get_hatch()]
    plain = [bar for bars in ax.containers for bar in bars if not bar.get_hatch()]
    assert len(hatched) == len(plain) == 3


def test_layers_have_the_height_of_their_compute_time(quiet_matplotlib: Any) -> None:
    plan = partition()
    _, given = quiet_matplotlib.subplots()
    ax = plot(plan, given, kind="layers")
    assert ax is given
    heights = [bar.get_height() for bars in ax.containers for bar in bars]
    expected = [0.8, 0.8, 2, 2, 2, 2]
    assert heights == pytest.approx(expected)
    assert {"200 kB", "400 kB"} <= set(texts(ax))


def test_a_front_shows_every_plan_at_its_values(quiet_matplotlib: Any) -> None:
    plans = front()
    for ax in (plot(plans), plot(list(plans), objectives=("latency", "energy"))):
        points: Any = ax.collections[0].get_offsets()
        energies = [row.values["energy"] for row in plans]
        order = sorted(range(3), key=lambda k: plans[k].values["latency"])
        scale_x = 1e3 if "(ms)" in ax.get_xlabel() else 1
        scale_y = 1e3 if "(mJ)" in ax.get_ylabel() else 1
        for row, k in zip(points, order, strict=True):
            assert row[0] == pytest.approx(plans[k].values["latency"] * scale_x)
            assert row[1] == pytest.approx(energies[k] * scale_y)


def test_what_cannot_be_drawn_is_said_so(quiet_matplotlib: Any, tmp_path: Path) -> None:
    with pytest.raises(ow.InputError, match="ModelProfile"):
        plot(problem().profile)
    with pytest.raises(ow.InputError, match="did you mean 'layers'"):
        plot(partition(), kind="layer")
    with pytest.raises(ow.InputError, match="at least one plan"):
        plot([])
    with pytest.raises(ow.InputError, match="two objectives"):
        plot([partition()])
    with pytest.raises(ow.InputError, match="two different"):
        plot(front(), objectives=("latency", "latency"))
    with pytest.raises(ow.InputError, match="suffix"):
        write_picture(partition(), tmp_path / "plan.gif")


def test_pictures_are_written_whole_and_always_the_same(
    quiet_matplotlib: Any, tmp_path: Path
) -> None:
    first = write_picture(partition(), tmp_path / "a" / "plan.png").read_bytes()
    again = write_picture(partition(), tmp_path / "a" / "again.png").read_bytes()
    assert first[:8] == b"\x89PNG\r\n\x1a\n"
    assert first == again
    svg = write_picture(front(), tmp_path / "front.svg").read_text(encoding="utf-8")
    assert svg.rstrip().endswith("</svg>")
    assert sorted(row.name for row in (tmp_path / "a").iterdir()) == ["again.png", "plan.png"]


def test_a_missing_matplotlib_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r"orbweave\[plot\]"):
        plot(partition())
    with pytest.raises(ImportError, match=r"orbweave\[plot\]"):
        write_picture(partition(), "never.png")
    assert not Path("never.png").exists()


def test_a_front_shows_what_is_not_proven(quiet_matplotlib: Any) -> None:
    def points(share: float) -> tuple[ow.SolveResult[ow.Partition], ...]:
        return tuple(
            ow.SolveResult(row, ow.Reason.FEASIBLE, row.objective, row.objective * share)
            for row in front()
        )

    proven = plot(points(1.0))
    assert "each proven" in proven.get_title(loc="left")
    assert proven.get_legend() is None
    loose = plot(points(0.5))
    assert "proven" not in loose.get_title(loc="left")
    legend = loose.get_legend()
    assert legend is not None
    assert "unproven" in legend.get_texts()[0].get_text()
