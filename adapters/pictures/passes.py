"""Passes and contact plans drawn as timelines: a lane per station, satellite, node or link."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from ...formulations import checks
from ...formulations.contacts import ContactPlan
from ...formulations.instants import seconds_between
from ...formulations.space.eclipses import EclipseTable
from ...formulations.space.passes import PassTable
from .lanes import (
    Lanes,
    added_up,
    axes_for,
    draw_lanes,
    greatest_on_top,
    length_text,
    shade,
)
from .style import INK, axis_unit

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

ROWS = ("station", "satellite")
PLAN_ROWS = ("link", "ground", "node")

#: Up to so many links a plan has a lane for each.
MOST_LINKS = 24
#: Rates further apart than this factor are coloured by their logarithm.
_WIDE = 20.0


def pass_lanes(
    table: PassTable, rows: str | None = None, eclipses: EclipseTable | None = None
) -> tuple[str, Lanes]:
    """Whether a lane is a station or a satellite, and the passes in lanes."""
    satellites, stations = len(table.constellation), len(table.stations)
    if rows is None:
        rows = "satellite" if eclipses is not None or satellites < stations else "station"
    checks.known("draw_passes.rows", rows, ROWS)
    if rows == "satellite":
        names = table.constellation.names
    else:
        names = tuple(station.name for station in table.stations)
    columns = table.arrays
    return rows, Lanes.of(
        names,
        columns[f"{rows}_index"],
        columns["rise_s"],
        columns["set_s"],
        columns["max_elevation_deg"],
        greatest_on_top,
    )


def draw_passes(
    table: PassTable,
    ax: Axes | None = None,
    rows: str | None = None,
    eclipses: EclipseTable | None = None,
) -> Axes:
    """Draw passes over the window, coloured by their maximum elevation.

    Parameters
    ----------
    table : PassTable
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure unless given.
    rows : {"station", "satellite"}, optional
        What a lane is; what there are fewer of unless given, or satellites where there are
        eclipses to show. Of more than 60 lanes the busiest 60 are drawn, and the title says so.
    eclipses : EclipseTable, optional
        Shaded in the lanes of the satellites.

    Returns
    -------
    matplotlib.axes.Axes
        The passes are one collection, labelled ``bars``.

    Raises
    ------
    InputError
        For unknown rows, eclipses without lanes of satellites, or eclipses that lack a satellite.
    """
    from matplotlib.colors import Normalize

    rows, lanes = pass_lanes(table, rows, eclipses)
    if eclipses is not None and rows != "satellite":
        checks.fail("draw_passes.rows", rows, "'satellite' where eclipses are given")
    ax = axes_for(lanes, ax)
    lowest = min(station.min_elevation_deg for station in table.stations)
    norm = Normalize(max(0.0, 10 * (lowest // 10)), 90)
    duration_s = table.window.duration_s
    draw_lanes(ax, lanes, table.start, duration_s, norm, "maximum elevation (deg)")
    if eclipses is not None:
        _shade_passes(ax, lanes, table.start, eclipses)
    text = (
        f"{_count(len(table), 'pass', 'passes')} of "
        f"{_count(len(table.constellation), 'satellite')} over "
        f"{_count(len(table.stations), 'station')}, {length_text(duration_s)}"
    )
    _title(ax, lanes.title(text, "passes overlap, the highest on top"))
    return ax


def _shade_passes(ax: Axes, lanes: Lanes, start: datetime, eclipses: EclipseTable) -> None:
    known = {name: k for k, name in enumerate(eclipses.constellation.names)}
    for name in lanes.names:
        if name not in known:
            checks.fail("draw_passes.eclipses", name, "eclipses of each satellite that is drawn")
    late = seconds_between(start, eclipses.window.start)
    shift = {name: column + late for name, column in eclipses.arrays.items() if name[-2:] == "_s"}
    shift["satellite"] = eclipses.arrays["satellite_index"]
    shade(ax, start, [(k, known[name]) for k, name in enumerate(lanes.names)], shift)


def plan_lanes(plan: ContactPlan, rows: str | None = None) -> tuple[str, Lanes, NDArray[Any]]:
    """What a lane is, the contacts in lanes, and the two nodes of each lane (-1: none)."""
    contacts, names = plan.arrays, plan.node_names
    source, target = contacts["source"].astype(np.int64), contacts["target"].astype(np.int64)
    pairs, link = np.unique(source * len(names) + target, return_inverse=True)
    ground = np.array([node.kind == "ground" for node in plan.nodes])
    if rows is None:
        rows = "ground" if (ground[source] | ground[target]).any() else "node"
        rows = "link" if 0 < len(pairs) <= MOST_LINKS else rows
    checks.known("draw_contact_plan.rows", rows, PLAN_ROWS)
    start, end, rate = (contacts[name] for name in ("start_s", "end_s", "rate_bps"))
    if rows == "link":
        ends = np.stack([pairs // len(names), pairs % len(names)], axis=-1)
        labels = [f"{names[a]} → {names[b]}" for a, b in ends.tolist()]
        return rows, Lanes.of(labels, link, start, end, rate, added_up), ends
    if rows == "node":
        ends = np.stack([np.arange(len(names)), np.full(len(names), -1)], axis=-1)
        labels = [f"from {name}" for name in names]
        return rows, Lanes.of(labels, source, start, end, rate, added_up), ends
    numbers = np.flatnonzero(ground)
    if not len(numbers):
        checks.fail("draw_contact_plan.rows", rows, "a plan with ground nodes")
    place = np.full(len(names), -1)
    place[numbers] = np.arange(len(numbers))
    into, out = np.flatnonzero(ground[target]), np.flatnonzero(ground[source])
    lane = np.concatenate([2 * place[target[into]], 2 * place[source[out]] + 1])
    labels = [f"{way} {names[k]}" for k in numbers.tolist() for way in ("to", "from")]
    both = np.concatenate([into, out])
    ends = np.stack([np.repeat(numbers, 2), np.full(2 * len(numbers), -1)], axis=-1)
    return rows, Lanes.of(labels, lane, start[both], end[both], rate[both], added_up), ends


def draw_contact_plan(plan: ContactPlan, ax: Axes | None = None, rows: str | None = None) -> Axes:
    """Draw the contacts of a plan over time, coloured by their rate.

    Parameters
    ----------
    plan : ContactPlan
        Eclipses are shaded in the lanes of satellites and of their links.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure unless given.
    rows : {"link", "ground", "node"}, optional
        What a lane is: a directed link; what a ground node gets or what it sends; or what any
        node sends. Unless given: links where there are at most 24, else ground nodes where they
        have contacts, else nodes. Of more than 60 lanes the busiest 60 are drawn.

    Returns
    -------
    matplotlib.axes.Axes
        The contacts are one collection, labelled ``bars``; its values are the rates in the unit
        of the colour bar. Where more than six contacts of a lane overlap, a bar is what they
        come to at a time: their total rate, and their number as its height.

    Raises
    ------
    InputError
        For unknown rows, or rows of ground nodes where there are none.
    """
    from matplotlib.colors import LogNorm, Normalize

    rows, lanes, ends = plan_lanes(plan, rows)
    ax = axes_for(lanes, ax)
    rate = lanes.bars.value
    highest, lowest = float(rate.max(initial=0.0)), float(rate[rate > 0].min(initial=np.inf))
    scale, unit = axis_unit(highest, "bit/s")
    if highest > _WIDE * lowest:
        norm: Normalize = LogNorm(lowest * scale, highest * scale)
    else:
        norm = Normalize(0, highest * scale or 1.0)
    duration_s = float(plan.duration_s or 0.0) or 1.0
    label = f"total rate ({unit})" if lanes.crowded else f"rate ({unit})"
    draw_lanes(ax, lanes, plan.epoch, duration_s, norm, label, scale)
    kinds = np.array([node.kind or "" for node in plan.nodes])
    orbital, ground = kinds == "orbital", kinds == "ground"
    with_ground = ground[plan.arrays["source"]] | ground[plan.arrays["target"]]
    number = int(with_ground.sum()) if rows == "ground" else len(plan)
    shaded = [
        (lane, node)
        for lane, pair in enumerate(ends[lanes.chosen].tolist())
        for node in pair
        if node >= 0 and orbital[node]
    ]
    if shaded and len(plan.eclipses["node"]):
        dark = {"satellite": plan.eclipses["node"], **plan.eclipses}
        shade(ax, plan.epoch, shaded, dark)
    shown = {"ground": " with the ground", "node": "", "link": ""}[rows]
    text = (
        f"{_count(number, 'contact')}{shown} between {_count(len(plan.nodes), 'node')}, "
        f"{length_text(duration_s)}"
    )
    _title(ax, lanes.title(text, f"height: contacts at a time, up to {lanes.depth:,}"))
    return ax


def _count(number: int, one: str, many: str | None = None) -> str:
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def _title(ax: Axes, text: str) -> None:
    ax.set_title(text, loc="left", fontsize=10, color=INK)
