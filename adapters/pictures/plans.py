"""A plan drawn: one request over the nodes as a timeline, and what each layer costs where."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ...formulations.partition.solution import Partition
from ...formulations.partition.timeline import Step, timeline
from ..tables import quantity
from .style import (
    EARTH_BAND,
    GROUND,
    INK,
    MOVE,
    MOVE_INK,
    ORBIT,
    ORBIT_BAND,
    axis_unit,
    new_axes,
    tidy,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def lanes_of(partition: Partition, steps: Sequence[Step]) -> list[int]:
    """Nodes that take part, ground first, then in the order of use: lanes from the bottom up."""
    network = partition.problem.network
    first: dict[str, float] = {}
    for step in steps:
        for name in (step.source, step.target):
            first[name] = min(step.start_s, first.get(name, step.start_s))
    numbers = [k for k, node in enumerate(network.nodes) if node.name in first]
    return sorted(
        numbers,
        key=lambda k: (network.nodes[k].kind != "ground", first[network.nodes[k].name], k),
    )


def _colours(partition: Partition) -> dict[str, str]:
    count = {"ground": 0, "orbital": 0}
    colours = {}
    for node in partition.problem.network.nodes:
        palette = GROUND if node.kind == "ground" else ORBIT
        colours[node.name] = palette[count[node.kind] % len(palette)]
        count[node.kind] += 1
    return colours


def draw_timeline(partition: Partition, given: Axes | None) -> Axes:
    """One request over the nodes, a lane for each that takes part."""
    steps = timeline(partition)
    numbers = lanes_of(partition, steps)
    nodes = [partition.problem.network.nodes[k] for k in numbers]
    ax = given if given is not None else new_axes(10, 1.2 + 0.6 * len(nodes))
    lane = {node.name: k for k, node in enumerate(nodes)}
    last = max((step.end_s for step in steps), default=0.0)
    last = max(last, float(partition.evaluation.finish_s.max()))
    scale, unit = axis_unit(last, "s")
    _draw_bands(ax, [node.kind for node in nodes])
    _draw_moves(partition, ax, [step for step in steps if not step.is_compute], lane, scale, last)
    _draw_runs(partition, ax, steps, lane, scale, last)
    ax.set_yticks(range(len(nodes)), [node.name for node in nodes])
    ax.set_ylim(-0.6, len(nodes) - 0.4)
    ax.set_xlim(-0.01 * last * scale, last * scale * 1.03 or 1.0)
    ax.set_xlabel(f"time since the request ({unit})", color=INK)
    values = partition.values
    ax.set_title(
        f"{partition.problem.profile.name}: latency {quantity(values['latency'], 's')}, "
        f"{quantity(values['bandwidth'], 'B')} over scarce links, "
        f"{quantity(values['energy'], 'J')}, bottleneck {quantity(values['throughput'], 's')}",
        loc="left",
        fontsize=10,
        color=INK,
    )
    tidy(ax)
    return ax


def _draw_bands(ax: Axes, kinds: Sequence[str]) -> None:
    """What is on Earth and what in orbit, behind the lanes."""
    for y, kind in enumerate(kinds):
        band = EARTH_BAND if kind == "ground" else ORBIT_BAND
        ax.axhspan(y - 0.5, y + 0.5, color=band, zorder=0, linewidth=0)
        ax.axhline(y, color="white", linewidth=1.2, zorder=1)
    for kind, word, colour in (("ground", "Earth", GROUND[0]), ("orbital", "orbit", ORBIT[0])):
        there = [y for y, found in enumerate(kinds) if found == kind]
        if there:
            ax.text(
                1.008,
                sum(there) / len(there),
                word,
                transform=ax.get_yaxis_transform(),
                rotation=-90,
                va="center",
                color=colour,
                fontsize=9,
            )


def _draw_runs(
    partition: Partition,
    ax: Axes,
    steps: Sequence[Step],
    lane: dict[str, int],
    scale: float,
    last: float,
) -> None:
    """A bar for every run of layers, with their numbers where they fit."""
    colours = _colours(partition)
    whole = last * scale
    thinnest = whole * 0.0025
    for name, layers, backward, start, end in _bars(steps):
        width = max((end - start) * scale, thinnest)
        ax.barh(
            lane[name],
            width,
            left=start * scale,
            height=0.46,
            color=colours[name],
            edgecolor="white",
            linewidth=0.6,
            hatch="////" if backward else None,
            zorder=4,
        )
        label = f"{layers[0]}-{layers[-1]}" if len(layers) > 1 else f"{layers[0]}"
        if width > whole * 0.16:
            label = f"{'layers' if len(layers) > 1 else 'layer'} {label}"
        inside = width > whole * (0.010 * len(label) + 0.006) and not backward
        if inside or width > thinnest * 4:
            ax.annotate(
                label,
                (start * scale + width / 2, lane[name] + (0 if inside else -0.26)),
                ha="center",
                va="center" if inside else "top",
                fontsize=8,
                color="white" if inside else colours[name],
                zorder=6,
            )


def _bars(steps: Sequence[Step]) -> list[tuple[str, list[int], bool, float, float]]:
    """Runs of neighbouring layers without a pause: (node, layers, backward, start, end)."""
    bars: list[tuple[str, list[int], bool, float, float]] = []
    open_bar: dict[tuple[str, bool], int] = {}
    for step in steps:
        if not step.is_compute:
            continue
        key = (step.source, step.backward)
        found = open_bar.get(key)
        if found is not None:
            name, layers, backward, start, end = bars[found]
            pause = step.start_s - end
            near = abs(step.tensor - layers[-1]) == 1
            if near and pause <= 1e-9 * max(step.end_s, 1e-12):
                bars[found] = (name, [*layers, step.tensor], backward, start, step.end_s)
                continue
        open_bar[key] = len(bars)
        bars.append((step.source, [step.tensor], step.backward, step.start_s, step.end_s))
    return [(name, sorted(rows), back, start, end) for name, rows, back, start, end in bars]


def _draw_moves(
    partition: Partition,
    ax: Axes,
    moves: Sequence[Step],
    lane: dict[str, int],
    scale: float,
    last: float,
    labels: int = 12,
) -> None:
    """Each hop as a band: its width is the transmission, its slope the propagation."""
    from matplotlib.patches import Polygon

    sizes = partition.problem.costs().sizes_bytes
    for step in moves:
        a, b = lane[step.source], lane[step.target]
        edge = 0.23 if b > a else -0.23
        sent = step.end_s - step.propagation_s
        arrives = step.start_s + step.propagation_s
        corners = [
            (step.start_s * scale, a + edge),
            (sent * scale, a + edge),
            (step.end_s * scale, b - edge),
            (arrives * scale, b - edge),
        ]
        ax.add_patch(
            Polygon(corners, facecolor=MOVE, alpha=0.32, edgecolor=MOVE, linewidth=0.9, zorder=3)
        )
    for group in _together(moves)[:labels]:
        a, b = lane[group[0].source], lane[group[0].target]
        total = float(sum(sizes[step.tensor] for step in group))
        text = quantity(total, "B", 3)
        if len(group) > 1:
            text = f"{len(group)} tensors, {text}"
        middle = (min(step.start_s for step in group) + max(step.end_s for step in group)) / 2
        # A label at the very start would cover the names of the lanes.
        _mark(ax, text, max(middle, 0.03 * last) * scale, (a + b) / 2)


def _together(moves: Sequence[Step]) -> list[list[Step]]:
    """Hops that overlap between the same two nodes, the longest first."""
    groups: list[list[Step]] = []
    for step in sorted(moves, key=lambda step: step.start_s):
        for group in groups:
            same = (group[0].source, group[0].target) == (step.source, step.target)
            if same and step.start_s < max(other.end_s for other in group):
                group.append(step)
                break
        else:
            groups.append([step])
    return sorted(groups, key=lambda group: group[0].start_s - group[-1].end_s)


def _mark(ax: Axes, text: str, x: float, y: float) -> None:
    ax.annotate(
        text,
        (x, y),
        ha="center",
        va="center",
        fontsize=7.5,
        color=MOVE_INK,
        zorder=7,
        bbox={"boxstyle": "round,pad=0.15", "fc": "white", "ec": "none", "alpha": 0.8},
    )


def draw_layers(partition: Partition, ax: Axes) -> Axes:
    """Seconds of each layer where it runs, with the cuts between."""
    problem = partition.problem
    profile, costs = problem.profile, problem.costs()
    colours = _colours(partition)
    index = [problem.network.index(name) for name in partition.node_of_layer]
    spent = costs.compute_s[np.arange(profile.num_layers), index]
    scale, unit = axis_unit(float(spent.max(initial=0.0)), "s")
    ax.bar(
        np.arange(profile.num_layers),
        spent * scale,
        width=1.0,
        color=[colours[name] for name in partition.node_of_layer],
        edgecolor="white",
        linewidth=0.4 if profile.num_layers <= 120 else 0.0,
        zorder=3,
    )
    top = float(spent.max(initial=0.0)) * scale or 1.0
    ax.set_ylim(0, top * 1.32)
    for name, first, last in partition.segments:
        if (last - first + 1) * 75 > profile.num_layers * min(len(name), 8):
            ax.text(
                (first + last) / 2,
                top * 1.28,
                name,
                ha="center",
                va="top",
                fontsize=8,
                color=colours[name],
                fontweight="bold",
            )
    if profile.is_chain:
        for i, j in partition.cut_edges:
            ax.axvline((i + j) / 2, color=MOVE, linewidth=1.1, linestyle=(0, (4, 2)), zorder=4)
            text = quantity(float(costs.sizes_bytes[i]), "B", 3)
            _mark(ax, text, (i + j) / 2, top * 1.12)
    else:
        for first in (first for _, first, _ in partition.segments[1:]):
            ax.axvline(first - 0.5, color=MOVE, linewidth=0.9, linestyle=(0, (4, 2)), zorder=4)
    ax.set_xlim(-0.8, profile.num_layers - 0.2)
    ax.set_xlabel("layer", color=INK)
    ax.locator_params(axis="x", integer=True)
    ax.set_ylabel(f"compute ({unit})", color=INK)
    tidy(ax)
    return ax
