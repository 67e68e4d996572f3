"""The ground under a map: coastlines, a graticule, stations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ...formulations.stations import GroundStation
from .coastlines import coastlines
from .labels import place_labels
from .style import GROUND, INK

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COAST, GRID = "#c3ccd3", "#e9edf0"


def draw_earth(ax: Axes) -> None:
    """Coastlines and a graticule."""
    from matplotlib.collections import LineCollection

    coast = LineCollection(coastlines(), colors=COAST, linewidths=0.7, zorder=1, label="coastlines")
    ax.add_collection(coast)
    ax.set(xlim=(-180, 180), ylim=(-90, 90), aspect="equal")
    east, north = range(-180, 181, 30), range(-90, 91, 30)
    ax.set_xticks(list(east), [_degrees(k, "E", "W") for k in east])
    ax.set_yticks(list(north), [_degrees(k, "N", "S") for k in north])
    ax.grid(color=GRID, linewidth=0.7, zorder=0)
    ax.set_axisbelow(True)
    ax.tick_params(colors=INK, length=0, labelsize=8)
    for spine in ax.spines.values():
        spine.set_color(COAST)


def _degrees(value: int, positive: str, negative: str) -> str:
    if abs(value) == 180:  # it would stand on the corner's other label
        return ""
    return f"{abs(value)}°{'' if value == 0 else positive if value > 0 else negative}"


def draw_stations(ax: Axes, stations: Sequence[GroundStation]) -> None:
    east = np.array([(row.longitude_deg + 180) % 360 - 180 for row in stations])
    north = np.array([row.latitude_deg for row in stations])
    ax.scatter(
        east,
        north,
        marker="^",
        s=26,
        color=GROUND[0],
        edgecolor="white",
        linewidth=0.6,
        zorder=6,
        label="stations",
    )
    place_labels(ax, east, north, [row.name for row in stations], GROUND[3])
