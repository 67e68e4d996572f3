"""A Pareto front drawn: what one objective costs in terms of another."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ...formulations import checks
from ...formulations.partition.problem import SINGLE_OBJECTIVES, objective_name
from ...formulations.partition.solution import UNITS, Partition
from ..frames import solutions_of
from .style import FAINT, GROUND, INK, MOVE, ORBIT, axis_unit, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes

AXIS_NAMES = {
    "latency": "latency",
    "bandwidth": "bytes over scarce links",
    "energy": "energy per request",
    "throughput": "bottleneck per request",
}


def draw_front(front: Sequence[Any], ax: Axes, objectives: Sequence[str] | None) -> Axes:
    """Every plan at its two values, the steps between, and what is not proven."""
    from matplotlib.colors import LinearSegmentedColormap

    plans = solutions_of(front)
    if not plans:
        checks.fail("plot front", "no plan", "at least one plan")
    names = _front_objectives(plans[0], objectives)
    order = sorted(range(len(plans)), key=lambda k: plans[k].values[names[0]])
    values = np.array([[plans[k].values[name] for name in names] for k in order])
    x_scale, x_unit = axis_unit(float(values[:, 0].max()), UNITS[names[0]])
    y_scale, y_unit = axis_unit(float(values[:, 1].max()), UNITS[names[1]])
    x, y = values[:, 0] * x_scale, values[:, 1] * y_scale
    ax.step(x, y, where="post", color=FAINT, linewidth=1.2, zorder=2)
    proven = _draw_bounds(ax, front, np.array(order), x, y, x_scale)
    share = np.array([len(plans[k].layers_on("orbital")) for k in order], dtype=float)
    if not any(node.kind == "orbital" for node in plans[0].problem.network.nodes):
        share[:] = 0.0
    share /= plans[0].problem.profile.num_layers
    colours = LinearSegmentedColormap.from_list("orbit", [GROUND[1], ORBIT[0]])
    points = ax.scatter(
        x, y, c=share, cmap=colours, vmin=0, vmax=1, s=52, edgecolor="white", zorder=4
    )
    bar = ax.figure.colorbar(points, ax=ax, pad=0.02, fraction=0.05)
    bar.set_label("share of layers in orbit", color=INK, fontsize=9)
    bar.outline.set_visible(False)
    for k, name, place in ((0, names[0], (8, 4)), (len(plans) - 1, names[1], (-8, 8))):
        if len(plans) == 1 and k != 0:
            continue
        ax.annotate(
            f"least {AXIS_NAMES[name]}",
            (x[k], y[k]),
            textcoords="offset points",
            xytext=place,
            ha="left" if k == 0 else "right",
            fontsize=8,
            color=INK,
        )
    ax.set_xlabel(f"{AXIS_NAMES[names[0]]} ({x_unit})", color=INK)
    ax.set_ylabel(f"{AXIS_NAMES[names[1]]} ({y_unit})", color=INK)
    claim = "none dominated" + (", each proven" if proven else "")
    ax.set_title(
        f"{plans[0].problem.profile.name}: {len(plans)} plans, {claim}",
        loc="left",
        fontsize=10,
        color=INK,
    )
    ax.margins(0.08)
    tidy(ax)
    ax.grid(axis="y", color="#e3e8ec", linewidth=0.8, zorder=0)
    return ax


def _draw_bounds(
    ax: Axes, front: Sequence[Any], order: Any, x: Any, y: Any, x_scale: float
) -> bool:
    """Where a point is not proven, a line to its bound; return whether every point is."""
    bounds = [getattr(row, "bound", math.nan) for row in front if not isinstance(row, Partition)]
    if len(bounds) != len(order):
        return False
    low = np.maximum(np.array(bounds)[order] * x_scale, 0.0)
    gaps = np.where(np.isfinite(low), x - low, x)
    shown = gaps > 1e-3 * max(float(np.ptp(x)), 1e-12)
    if shown.any():
        ax.hlines(y[shown], low[shown], x[shown], color=MOVE, linewidth=1.6, zorder=2.5)
        ax.plot([], [], color=MOVE, linewidth=1.6, label="unproven: bound to plan")
        ax.legend(frameon=False, fontsize=8)
    return bool((gaps <= 1e-6 * np.abs(x)).all())


def _front_objectives(plan: Partition, given: Sequence[str] | None) -> tuple[str, str]:
    """The two names given, or those that the first point states: objective and one limit."""
    if given is None:
        limits = [name for name in plan.problem.limits if name != plan.problem.objective]
        if plan.problem.objective in SINGLE_OBJECTIVES and len(limits) == 1:
            return plan.problem.objective, limits[0]
        checks.fail("objectives", None, "the two objectives of the front, by name")
    names = [objective_name(name, SINGLE_OBJECTIVES, "objectives") for name in given]
    if len(names) != 2 or names[0] == names[1]:
        checks.fail("objectives", tuple(given), "two different objectives")
    return names[0], names[1]
