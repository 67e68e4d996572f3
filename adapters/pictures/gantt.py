"""Schedules drawn over time: what each antenna serves, by priority."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ...formulations.passes.problem import PRIORITIES
from ...formulations.passes.schedule import PassSchedule
from ..tables import quantity
from .gantt_lanes import Gantt, gantt_lanes
from .lanes import boxes, draw_frame, length_text, shade
from .style import INK, new_axes

if TYPE_CHECKING:
    from datetime import datetime

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

#: By priority, the most urgent first: apart in hue for every kind of colour vision (Okabe and Ito,
#: "Color Universal Design", 2008), and by turns dark and light in grey.
COLOURS = ("#d55e00", "#e69f00", "#0072b2", "#56b4e9")
TAKEN = "#dde2e6"
#: How set-up and tear-down look.
HATCHED: Mapping[str, Any] = {
    "facecolor": TAKEN,
    "edgecolor": "#66727d",
    "hatch": "//////",
    "linewidth": 0.4,
}

#: Demands that the title names.
_NAMED = 3
#: What the bars take of a lane's height of 1.
_BARS = 0.74
#: Bars shorter than this share of the window have no edge between them and the next.
_EDGED = 0.004
#: Bars in one path: few paths draw fast, one path of all bars is more than Agg can fill.
_TOGETHER = 500


def draw_gantt(schedule: PassSchedule, ax: Axes | None = None, rows: str | None = None) -> Axes:
    """Draw a schedule over time, coloured by priority.

    Parameters
    ----------
    schedule : PassSchedule
        In the lanes of satellites the plan's eclipses are shaded.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure unless given.
    rows : {"station", "satellite"}, optional
        What a lane is; stations unless given. Of more than 60 lanes the busiest 60 are drawn.

    Returns
    -------
    matplotlib.axes.Axes
        From the beginning of the plan to a little after the last transfer. A lane's full height is
        all its antennas (without a number of antennas: the most that are used at a time), a bar's
        height the share that its transfer takes. Transfers are two collections per priority, long
        and short, labelled by it; where antennas are exclusive, ``taken`` are their uses with
        set-up and tear-down, which are hatched (``set-up``, ``tear-down``). Transfers between
        satellites are in no lane.

    Raises
    ------
    InputError
        For unknown rows, or rows of which the plan has none.
    """
    from matplotlib.patches import Patch

    found = gantt_lanes(schedule, rows)
    plan = schedule.problem.plan
    ax = _axes(found, ax)
    duration_s = _shown_s(found, plan.duration_s)
    draw_frame(ax, [plan.nodes[n].name for n in found.node.tolist()], plan.epoch, duration_s)
    here = [k for k in range(len(PRIORITIES)) if (found.priority == k).any()]
    handles: list[Any] = [Patch(color=COLOURS[k], label=PRIORITIES[k]) for k in here]
    if here:
        handles[0].set_label(f"priority: {PRIORITIES[here[0]]}")
    if len(found.taken_lane):
        _draw_uses(ax, found, plan.epoch)
        handles.append(Patch(label="set-up and tear-down", **HATCHED))
    if found.rows == "satellite" and len(plan.eclipses["node"]):
        dark = {**plan.eclipses, "satellite": plan.eclipses["node"]}
        shade(ax, plan.epoch, list(enumerate(found.node.tolist())), dark)
        legend = ax.get_legend()
        handles += legend.legend_handles if legend is not None else []
    for k in here:
        mine = found.priority == k
        wide = found.end_s - found.start_s > _EDGED * duration_s
        for chosen, edge in ((mine & wide, "white"), (mine & ~wide, COLOURS[k])):
            _add(
                ax,
                plan.epoch,
                found.lane[chosen],
                (found.start_s[chosen], found.end_s[chosen]),
                (found.low[chosen], found.high[chosen]),
                facecolor=COLOURS[k],
                edgecolor=edge,
                linewidth=0.3,
                zorder=3,
                label=PRIORITIES[k],
            )
    ax.set_xlabel(ax.get_xlabel(), loc="left")  # the right is for the legend
    if handles:
        ax.legend(
            handles=handles,
            loc="upper right",
            bbox_to_anchor=(1.0, 0.0),
            bbox_transform=ax.transAxes,
            borderaxespad=1.9,
            frameon=False,
            fontsize=9,
            labelcolor=INK,
            ncols=len(handles),
            handlelength=1.3,
            columnspacing=1.3,
        )
    ax.set_title(_title(schedule, found), loc="left", fontsize=10, color=INK)
    return ax


def _axes(found: Gantt, given: Axes | None) -> Axes:
    """The axes given, or new ones of a size that suits the lanes."""
    return given if given is not None else new_axes(*found.size)


def _draw_uses(ax: Axes, found: Gantt, epoch: datetime) -> None:
    """Draw from when to when antennas are taken, set-up and tear-down hatched."""
    times, lane = found.taken_s, found.taken_lane
    across = (found.taken_low, found.taken_high)
    whole = (times[:, 0], times[:, 3])
    _add(ax, epoch, lane, whole, across, facecolor=TAKEN, linewidth=0, zorder=2, label="taken")
    for k, name in ((0, "set-up"), (2, "tear-down")):
        there = times[:, k + 1] > times[:, k]
        part = (times[there, k], times[there, k + 1])
        edges = (found.taken_low[there], found.taken_high[there])
        _add(ax, epoch, lane[there], part, edges, zorder=2.5, label=name, **HATCHED)


def _add(
    ax: Axes,
    epoch: datetime,
    lane: NDArray[np.int64],
    span_s: tuple[Floats, Floats],
    across: tuple[Floats, Floats],
    **look: Any,
) -> None:
    """Add bars as one collection; the first antenna stands at the bottom of its lane."""
    from matplotlib.collections import PathCollection
    from matplotlib.path import Path

    if not len(lane):
        return
    floor = lane + _BARS / 2  # lanes count downwards
    low, high = across
    corners = boxes(epoch, *span_s, floor - _BARS * high, floor - _BARS * low)
    parts = [corners[k : k + _TOGETHER] for k in range(0, len(corners), _TOGETHER)]
    paths = [Path.make_compound_path_from_polys(part) for part in parts]
    ax.add_collection(PathCollection(paths, **look))


def _shown_s(found: Gantt, duration_s: float | None) -> float:
    """Until when to draw: to the plan's end, or a little beyond the last transfer."""
    whole = float(duration_s or 0.0) or 1.0
    last = max(found.end_s.max(initial=0.0), found.taken_s.max(initial=0.0))
    return min(whole, 1.1 * float(last)) if last > 0 else whole


def _title(schedule: PassSchedule, found: Gantt) -> str:
    problem = schedule.problem
    asked = sum(row.volume_bytes for row in problem.demands)
    text = (
        f"{quantity(float(schedule.delivered.sum()), 'B')} of {quantity(asked, 'B')} delivered in "
        f"{len(schedule.moves):,} transfers"
    )
    if math.isfinite(schedule.completion_s):
        text += f", all of it within {length_text(schedule.completion_s)}"
    notes = []
    if found.total > len(found.node):
        notes.append(f"the {len(found.node)} busiest of {found.total:,} lanes")
    if found.hidden:
        notes.append(f"{found.hidden:,} between satellites not shown")
    if notes:
        text += f" ({'; '.join(notes)})"
    done = schedule.completed_s
    short = [row.name for row in problem.demands if not math.isfinite(done[row.name])]
    if short:
        names = ", ".join(short[:_NAMED])
        more = f" and {len(short) - _NAMED:,} more" if len(short) > _NAMED else ""
        text += f"\nnot whole: {len(short):,} of {len(problem.demands):,} demands ({names}{more})"
    return text
