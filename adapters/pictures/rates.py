"""Compression plans drawn: what a byte buys in each layer, where the bytes go, and their price."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ...formulations import checks
from ...formulations.compression.solution import CompressionPlan
from .style import FAINT, GROUND, INK, MOVE, ORBIT, axis_unit, new_axes, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Colours of layers, in their order; they come round again.
LAYERS = (*ORBIT, *GROUND)
#: A part of a bar narrower than this share of the picture has no room for its name.
_NARROW = 0.14


def draw_curves(plan: CompressionPlan, ax: Axes | None = None, sender: str | None = None) -> Axes:
    """Error over bytes of each layer of one message, and the setting that the plan takes there.

    Parameters
    ----------
    plan : CompressionPlan
    ax : matplotlib.axes.Axes, optional
    sender : str, optional
        Whose message, as `sender_names` calls it; the first unless given.

    Notes
    -----
    The lines are the hulls of the curves; a layer of which nothing is sent has no point.
    """
    names = sender_names(plan)
    name = names[0] if sender is None else checks.known("plot sender", sender, names)
    ax = ax if ax is not None else new_axes(7.5, 4.8)
    from matplotlib.ticker import PercentFormatter

    items = plan.problem.items
    own = np.flatnonzero(items.sender == names.index(name))
    scale, unit = axis_unit(max(items.curve[i].hull.size_bytes[-1] for i in own), "B")
    for number, i in enumerate(own):
        colour, hull, whole = LAYERS[number % len(LAYERS)], items.curve[i].hull, items.energy[i]
        if whole <= 0:
            continue
        x, y = hull.size_bytes[1:] * scale, hull.error[1:] / whole
        ax.plot(x, y, color=colour, linewidth=1.6, label=items.layer[i], zorder=2)
        if plan.entries[i]:
            at = (plan.item_bytes[i] * scale, plan.item_error[i] / whole)
            ax.scatter(*at, s=46, color=colour, edgecolor="white", zorder=4)
    ax.set_xscale("log")
    ax.yaxis.set_major_formatter(PercentFormatter(1.0))
    ax.set_ylim(bottom=0.0)
    ax.set_xlabel(f"size of the layer ({unit})", color=INK)
    ax.set_ylabel("energy left out", color=INK)
    ax.set_title(
        f"{name}: what bytes buy in each layer, and the plan", loc="left", fontsize=10, color=INK
    )
    ax.legend(frameon=False, fontsize=8, title="layer", title_fontsize=8)
    tidy(ax)
    return ax


def draw_layer_bytes(plan: CompressionPlan, ax: Axes | None = None) -> Axes:
    """Bytes of each message, layer by layer, and the link's capacity where it has a limit."""
    names = sender_names(plan)
    ax = ax if ax is not None else new_axes(8.5, 1.6 + 0.42 * len(names))
    items, capacity = plan.problem.items, plan.problem.capacity
    limits = np.where(np.isfinite(capacity), capacity, 0.0)
    widest = max(float(plan.sender_bytes.max()), float(limits.max()), 1.0)
    scale, unit = axis_unit(widest, "B")
    layers = tuple(dict.fromkeys(items.layer))
    place = np.array([layers.index(layer) for layer in items.layer])
    left = np.zeros(len(names))
    for k, layer in enumerate(layers):
        rows = np.flatnonzero(place == k)
        size, at = plan.item_bytes[rows], items.sender[rows]
        colour = LAYERS[k % len(LAYERS)]
        ax.barh(at, size * scale, left=left[at] * scale, height=0.62, color=colour, label=layer)
        for i, row in zip(rows, at, strict=True):
            if plan.item_bytes[i] >= _NARROW * widest:
                share = plan.entries[i] / items.curve[i].elements
                middle = (left[row] + plan.item_bytes[i] / 2) * scale
                text = f"{share:.1%}, {plan.widths[i]} bits"
                ax.text(middle, row, text, ha="center", va="center", fontsize=7, color="white")
        left[at] += size
    bound = np.flatnonzero(np.isfinite(capacity))
    ax.vlines(
        capacity[bound] * scale,
        bound - 0.4,
        bound + 0.4,
        color=MOVE,
        linewidth=2,
        label="capacity" if len(bound) else "_",
    )
    _name_rows(ax, names)
    ax.set_xlim(0.0, 1.02 * widest * scale)
    ax.set_xlabel(f"size of the message ({unit})", color=INK)
    title = f"{plan.ratio:,.0f} times fewer bytes, {plan.relative_error:.1%} of the energy left out"
    ax.set_title(title, loc="left", fontsize=10, color=INK)
    ax.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return ax


def draw_prices(plan: CompressionPlan, ax: Axes | None = None) -> Axes:
    """What one more byte of each sender's link would take off the objective.

    Raises
    ------
    InputError
        If the plan has no prices.
    """
    prices = plan.prices
    if prices is None:
        checks.fail("plot plan.prices", None, "a plan with duals, from orbweave.solve")
    names = sender_names(plan)
    ax = ax if ax is not None else new_axes(7.5, 1.4 + 0.34 * len(names))
    ax.barh(np.arange(len(names)), prices.capacity, height=0.62, color=ORBIT[1])
    if prices.total > 0:
        label = f"of all messages together: {prices.total:.3g}"
        ax.axvline(prices.total, color=MOVE, linewidth=1.6, label=label)
        ax.legend(frameon=False, fontsize=8)
    _name_rows(ax, names)
    ax.set_xlim(left=0.0)
    unit = "bytes" if plan.problem.objective == "bytes" else "weighted residual energy"
    ax.set_xlabel(f"price of a byte ({unit} per byte)", color=INK)
    ax.set_title("Where one more byte would help", loc="left", fontsize=10, color=INK)
    return ax


#: Pictures of a compression plan.
RATE_KINDS = {"bytes": draw_layer_bytes, "curves": draw_curves, "prices": draw_prices}


def sender_names(plan: CompressionPlan) -> tuple[str, ...]:
    """Name of each sender: its node, and its pass where the node has several."""
    return tuple(
        " / ".join(part for part in sender if part) or "message" for sender in plan.problem.senders
    )


def _name_rows(ax: Axes, names: tuple[str, ...]) -> None:
    """A row for each sender, the first on top."""
    ax.set_yticks(np.arange(len(names)), names)
    ax.set_ylim(len(names) - 0.5, -0.5)
    tidy(ax)
    ax.spines["bottom"].set_color(FAINT)
