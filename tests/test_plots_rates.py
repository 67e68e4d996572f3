"""Pictures of compression plans: they show what the plan says."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from orbweave.adapters.pictures.rates import (
    RATE_KINDS,
    draw_curves,
    draw_layer_bytes,
    draw_prices,
    sender_names,
)
from orbweave.formulations.checks import InputError
from orbweave.formulations.compression.measure import curves_of
from orbweave.formulations.compression.problem import CompressionProblem
from orbweave.formulations.compression.solution import CompressionPlan
from orbweave.solvers.options import SolveOptions
from orbweave.solvers.rates import solve_rates

LAYERS = {"first": 4000, "second": 20_000, "last": 300}
ROOM = {"sat-a": 4000.0, "sat-b": 9000.0}


@pytest.fixture(autouse=True)
def plt() -> Iterator[Any]:
    matplotlib = pytest.importorskip("matplotlib", reason="the extra 'plot' is not installed")
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    yield plt
    plt.close("all")


def gradients(seed: int) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    return {
        name: rng.laplace(size=size).astype(np.float32) * (k + 1)
        for k, (name, size) in enumerate(LAYERS.items())
    }


def plan_of(capacity: Any = None, **limits: Any) -> CompressionPlan:
    curves = curves_of({node: gradients(k) for k, node in enumerate(ROOM)})
    problem = CompressionProblem(curves, capacity_bytes=capacity, **limits)
    return solve_rates(problem, SolveOptions()).require()


def widths(container: Any) -> list[float]:
    return [bar.get_width() for bar in container]


def test_bars_are_the_bytes_of_each_layer_and_ticks_the_capacity() -> None:
    plan = plan_of(ROOM)
    ax = draw_layer_bytes(plan)
    assert "(kB)" in ax.get_xlabel()
    for name, container in zip(LAYERS, ax.containers, strict=True):
        assert container.get_label() == name
        own = [plan.bytes[node][name] / 1e3 for node in ROOM]
        assert widths(container) == pytest.approx(own)
    # Bars of one message lie one after the other: the last ends where the message ends.
    ends = [bar.get_x() + bar.get_width() for bar in ax.containers[-1]]
    assert ends == pytest.approx(plan.sender_bytes / 1e3)
    [ticks] = ax.collections
    shown: Any = ticks
    assert [segment[0][0] for segment in shown.get_segments()] == pytest.approx([4.0, 9.0])
    assert [label.get_text() for label in ax.get_yticklabels()] == list(ROOM)
    assert ax.get_ylim() == (1.5, -0.5)  # the first on top


def test_parts_with_room_say_share_and_bits() -> None:
    plan = plan_of(ROOM)
    written = {text.get_text() for text in draw_layer_bytes(plan).texts}
    share, bits = plan.keep_ratio["sat-b"]["second"], plan.bits["sat-b"]["second"]
    assert f"{share:.1%}, {bits} bits" in written
    assert all(
        f"{plan.keep_ratio[node]['last']:.1%}, {plan.bits[node]['last']} bits" not in written
        for node in ROOM
    )


def test_without_capacity_there_is_no_tick() -> None:
    ax = draw_layer_bytes(plan_of(target_ratio=50))
    [ticks] = ax.collections
    shown: Any = ticks
    assert shown.get_segments() == []
    legend = ax.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == list(LAYERS)
    assert "50 times fewer" in ax.get_title(loc="left")


@pytest.mark.parametrize("sender", [None, "sat-b"])
def test_curves_fall_and_the_plan_lies_on_or_above_them(sender: str | None) -> None:
    plan = plan_of(ROOM)
    node = sender or "sat-a"
    ax = draw_curves(plan, sender=sender)
    assert node in ax.get_title(loc="left")
    assert len(ax.lines) == len(ax.collections) == len(LAYERS)
    for name, line, point in zip(LAYERS, ax.lines, ax.collections, strict=True):
        x, y = np.asarray(line.get_xdata()), np.asarray(line.get_ydata())
        assert (np.diff(x) > 0).all()
        assert (np.diff(y) < 0).all()
        shown: Any = point.get_offsets()
        energy = float(np.square(gradients(list(ROOM).index(node))[name], dtype=float).sum())
        error = plan.error[node][name] / energy
        assert shown[0].tolist() == pytest.approx([plan.bytes[node][name] / 1e3, error], rel=1e-6)
        assert shown[0][1] >= np.interp(shown[0][0], x, y) - 1e-9


def test_a_layer_of_which_nothing_is_sent_has_no_point() -> None:
    ax = draw_curves(plan_of({"sat-a": 0.0, "sat-b": 1000.0}))
    assert len(ax.lines) == len(LAYERS)
    assert len(ax.collections) == 0


def test_prices_are_the_duals_and_scarce_links_are_dearer() -> None:
    plan = plan_of(ROOM)
    ax = draw_prices(plan)
    scarce, ample = widths(ax.containers[0])
    assert [scarce, ample] == pytest.approx(list(plan.price_per_byte.values()))  # type: ignore[union-attr]
    assert scarce > ample > 0
    assert len(ax.lines) == 0


def test_a_limit_on_all_messages_has_one_price() -> None:
    plan = plan_of(target_ratio=50)
    ax = draw_prices(plan)
    assert plan.prices is not None
    assert np.asarray(ax.lines[0].get_xdata()) == pytest.approx(plan.prices.total)
    assert widths(ax.containers[0]) == [0.0, 0.0]
    assert plan.prices.total > 0


def test_names_of_passes_and_of_one_message() -> None:
    curves = curves_of(gradients(0))
    one = solve_rates(CompressionProblem(curves, 500.0), SolveOptions()).require()
    assert sender_names(one) == ("message",)
    ways = {"sat-a": [500.0, 900.0], "sat-b": 100.0}
    assert sender_names(plan_of(ways)) == ("sat-a / 0", "sat-a / 1", "sat-b")


def test_what_cannot_be_drawn_is_said_so() -> None:
    plan = plan_of(ROOM)
    with pytest.raises(InputError, match="did you mean 'sat-a'"):
        draw_curves(plan, sender="sat_a")
    bare = CompressionPlan(plan.problem, plan.entries, plan.widths)
    with pytest.raises(InputError, match="duals"):
        draw_prices(bare)


def test_all_kinds_draw_into_given_axes(plt: Any) -> None:
    _, axes = plt.subplots(1, len(RATE_KINDS))
    for ax, draw in zip(axes, RATE_KINDS.values(), strict=True):
        found: Any = draw(plan_of(ROOM), ax=ax)
        assert found is ax


@pytest.mark.parametrize("kind", list(RATE_KINDS))
def test_a_missing_matplotlib_names_the_extra(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = plan_of(ROOM)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    draw: Any = RATE_KINDS[kind]
    with pytest.raises(ImportError, match=r"orbweave\[plot\]"):
        draw(plan)


def test_plot_takes_a_plan_and_refuses_an_unknown_kind() -> None:
    import orbweave as ow

    problem = CompressionProblem(curves_of(gradients(0)), 4000.0)
    plan = ow.solve(problem).require()
    for kind in RATE_KINDS:
        assert ow.plot(plan, kind=kind).get_title(loc="left") or ow.plot(plan, kind=kind).lines
    with pytest.raises(InputError, match="plot kind = 'price'"):
        ow.plot(plan, kind="price")
