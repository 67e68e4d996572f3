"""How pictures look: colours, units on axes, quiet frames."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes

GROUND = ("#2f7d5b", "#5a9e6f", "#86b889", "#3f6f4a", "#739a63")
ORBIT = ("#33528f", "#5b7fc2", "#7d6bb3", "#4a9bb8", "#93a8d6")
EARTH_BAND, ORBIT_BAND = "#f1f6ee", "#edf1fa"
MOVE, MOVE_INK, INK, FAINT = "#d9822b", "#7a4310", "#22303c", "#8a97a3"

PREFIXES = (
    (1e12, "T"),
    (1e9, "G"),
    (1e6, "M"),
    (1e3, "k"),
    (1.0, ""),
    (1e-3, "m"),
    (1e-6, "u"),
    (1e-9, "n"),
)


def require_matplotlib() -> None:
    """Raise an ImportError that names the extra where Matplotlib is missing."""
    try:
        importlib.import_module("matplotlib")
    except ImportError as error:
        raise ImportError("plotting needs Matplotlib: pip install 'orbweave[plot]'") from error


def new_axes(width: float, height: float) -> Axes:
    """Axes of a new figure, in inches."""
    require_matplotlib()
    import matplotlib.pyplot as plt

    axes: Axes = plt.subplots(figsize=(width, height), layout="constrained")[1]
    return axes


def axis_unit(largest: float, unit: str) -> tuple[float, str]:
    """Factor and name of the unit in which `largest` is easy to read."""
    usable = {"s": PREFIXES[4:], "B": PREFIXES[:5]}.get(unit, PREFIXES)
    for size, prefix in usable:
        if largest >= size:
            return 1 / size, f"{prefix}{unit}"
    return 1.0, unit


def tidy(ax: Axes) -> None:
    """Leave only what helps reading."""
    for side in ("top", "right", "left"):
        ax.spines[side].set_visible(False)
    ax.spines["bottom"].set_color(FAINT)
    ax.tick_params(colors=INK, length=3, color=FAINT)
    ax.grid(axis="x", color="#e3e8ec", linewidth=0.8, zorder=0)
    ax.set_axisbelow(True)
