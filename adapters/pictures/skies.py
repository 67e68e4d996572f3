"""Passes on the sky of their station: azimuth around, the zenith in the centre."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from ...formulations import checks
from ...formulations.space.passes import PassTable
from ...formulations.stations import GroundStation
from .labels import extent, sides_of, write
from .style import FAINT, GROUND, INK, ORBIT, require_matplotlib

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

SKY_COLOURS = (ORBIT[0], "#b4582a", "#7d4f9e", "#2b8aa8", "#9a7b1f", "#6b7480")
GRID = "#dfe5ea"

#: Up to so many passes each has its times beside it; of more, the rise stands in the legend.
MOST_TIMED = 2
#: Size of the times, and the width (points) of a dome of the usual size, to place them in.
_FONT, _WIDTH_PT = 8.5, 370.0


def draw_sky(table: PassTable, number: int | Sequence[int], ax: Axes | None = None) -> Axes:
    """Draw how passes cross the sky of their station.

    North is up and east right, as a compass lies on a map and as antenna and GNSS sky plots have
    it; a star chart, which is held overhead, has east on the left. The zenith is the centre, the
    horizon the rim.

    Parameters
    ----------
    table : PassTable
    number : int or sequence of int
        Row of the table, or several of one station.
    ax : matplotlib.axes.Axes, optional
        Polar axes; a new figure unless given.

    Returns
    -------
    matplotlib.axes.Axes
        Angles are azimuths in radians, radii are 90 less the elevation in degrees.

    Raises
    ------
    InputError
        For a row that the table lacks, rows of several stations, or axes that are not polar.
    """
    rows = _rows(table, number)
    station = table.stations[int(table.arrays["station_index"][rows[0]])]
    if ax is None:
        ax = _new_sky()
    elif ax.name != "polar":
        checks.fail("draw_sky.ax", ax.name, "polar axes (subplot_kw={'projection': 'polar'})")
    mask = _draw_dome(ax, station)
    timed = len(rows) <= MOST_TIMED
    colours = [SKY_COLOURS[k % len(SKY_COLOURS)] for k in range(len(rows))]
    drawn = zip(rows, colours, strict=True)
    paths = [_draw_pass(ax, table, row, colour, timed) for row, colour in drawn]
    if timed:
        _write_times(ax, table, rows, paths, mask, colours)
    _title(ax, table, rows, station)
    return ax


def _rows(table: PassTable, number: int | Sequence[int]) -> list[int]:
    rows = [number] if isinstance(number, int | np.integer) else list(number)
    if not rows:
        checks.fail("draw_sky.number", number, "at least one row of the table")
    for row in rows:
        if not isinstance(row, int | np.integer) or not -len(table) <= row < len(table):
            checks.fail("draw_sky.number", row, f"a row of the table, 0 to {len(table) - 1}")
    where = table.arrays["station_index"][rows]
    if len(np.unique(where)) > 1:
        names = sorted({table.stations[k].name for k in where.tolist()})
        checks.fail("draw_sky.number", rows, f"rows of one station (they are of {names})")
    return [int(row) % len(table) for row in rows]


def _new_sky() -> Axes:
    require_matplotlib()
    import matplotlib.pyplot as plt

    axes: Axes = plt.subplots(
        figsize=(6.4, 6.6), layout="constrained", subplot_kw={"projection": "polar"}
    )[1]
    return axes


def _draw_dome(ax: Any, station: GroundStation) -> Floats:
    """Compass, rings of elevation, and what the station's masks hide; return the mask."""
    ax.set_theta_zero_location("N")
    ax.set_theta_direction(-1)
    azimuth = np.linspace(0.0, 360.0, 721)
    mask = np.full(len(azimuth), float(station.min_elevation_deg))
    if station.horizon:
        known = np.array(station.horizon, dtype=np.float64)
        mask = np.maximum(mask, np.interp(azimuth, known[:, 0], known[:, 1], period=360))
    rim = 90.0 - min(0.0, float(mask.min()))
    ax.set_ylim(0.0, rim)
    angle = np.radians(azimuth)
    ax.fill_between(
        angle, 90.0 - mask, rim, color=GROUND[2], alpha=0.22, linewidth=0, zorder=1, label="hidden"
    )
    ax.plot(angle, 90.0 - mask, color=GROUND[0], linewidth=1.0, zorder=2, label="mask")
    compass = ["N", "30°", "60°", "E", "120°", "150°", "S", "210°", "240°", "W", "300°", "330°"]
    ax.set_xticks(np.radians(np.arange(0, 360, 30)), compass, color=INK, fontsize=9)
    ax.set_yticks([0, 30, 60, 90], ["", "60°", "30°", ""], color=FAINT, fontsize=8)
    ax.set_rlabel_position(75.0)
    ax.grid(color=GRID, linewidth=0.8)
    ax.spines["polar"].set_color(FAINT)
    ax.set_axisbelow(True)
    return np.stack([angle, 90.0 - mask], axis=-1)


def _draw_pass(ax: Any, table: PassTable, row: int, colour: str, timed: bool) -> Floats:
    """A track with marks at rise, culmination and set; return its angles and radii."""
    track = table.track(row, 5.0)
    path = np.stack([np.radians(track["azimuth_deg"]), 90.0 - track["elevation_deg"]], axis=-1)
    name = str(table["satellite"][row])
    rise = _clock(table, float(table.arrays["rise_s"][row]))
    ax.plot(
        *path.T,
        color=colour,
        linewidth=2.0,
        solid_capstyle="round",
        zorder=4,
        label=name if timed else f"{name}, {rise}",
    )
    fills, shapes = (colour, "white", colour), ("o", "o", "s")  # it rises hollow
    for place, fill, shape in zip(_events(table, row, path), fills, shapes, strict=True):
        ax.plot(
            *place,
            marker=shape,
            markersize=6.0,
            markerfacecolor=fill,
            markeredgecolor=colour,
            linestyle="none",
            zorder=5,
        )
    return path


def _events(table: PassTable, row: int, path: Floats) -> Floats:
    """Angle and radius at culmination, rise and set."""
    azimuth, elevation = (
        float(table.arrays[name][row]) for name in ("culmination_azimuth_deg", "max_elevation_deg")
    )
    return np.array([[np.radians(azimuth), 90.0 - elevation], path[0], path[-1]])


def _write_times(
    ax: Any,
    table: PassTable,
    rows: Sequence[int],
    paths: Sequence[Floats],
    mask: Floats,
    colours: Sequence[str],
) -> None:
    """When the passes rise, culminate and set, beside the marks, clear of tracks and mask."""
    at = np.concatenate([_events(table, row, path) for row, path in zip(rows, paths, strict=True)])
    words = [word for row in rows for word in _words(table, row)]
    rim = float(ax.get_ylim()[1])
    scale = _WIDTH_PT / (2 * rim)
    sizes = [extent(word, _FONT) for word in words]

    def inside(boxes: Floats) -> NDArray[np.bool_]:
        """Within the rim, beyond which the compass is written."""
        far = np.maximum(np.abs(boxes[:, :2]), np.abs(boxes[:, 2:]))
        room: NDArray[np.bool_] = np.hypot(far[:, 0], far[:, 1]) <= rim * scale
        return room

    marks = _flat(np.concatenate([*paths, mask])) * scale
    sides = sides_of(_flat(at) * scale, sizes, inside, marks)
    for k, side in enumerate(sides):
        if side is not None:
            write(ax, words[k], (float(at[k, 0]), float(at[k, 1])), side, colours[k // 3], _FONT)


def _words(table: PassTable, row: int) -> list[str]:
    columns = table.arrays
    rise, top, set_ = (
        _clock(table, float(columns[name][row])) for name in ("rise_s", "culmination_s", "set_s")
    )
    first = "from" if columns["cut_start"][row] else "rise"
    last = "until" if columns["cut_end"][row] else "set"
    return [
        f"{top}, {columns['max_elevation_deg'][row]:.1f}°",
        f"{first} {rise}",
        f"{last} {set_}",
    ]


def _flat(polar: Floats) -> Floats:
    """Where angles and radii lie on paper."""
    angle, radius = polar.T
    return np.stack([radius * np.sin(angle), radius * np.cos(angle)], axis=-1)


def _clock(table: PassTable, second: float) -> str:
    """UTC of a second of the window, to the nearest second."""
    return f"{table.start + timedelta(seconds=second + 0.5):%H:%M:%S}"


def _title(ax: Axes, table: PassTable, rows: Sequence[int], station: GroundStation) -> None:
    names = list(dict.fromkeys(table["satellite"][list(rows)].tolist()))
    who = names[0] if len(names) == 1 else f"{len(names)} satellites"
    first = table.start + timedelta(seconds=float(table.arrays["rise_s"][list(rows)].min()))
    ax.set_title(
        f"{who} over {station.name}, {first:%Y-%m-%d} (UTC)", fontsize=10, color=INK, pad=12
    )
    if len(rows) > 1:
        ax.legend(
            handles=[line for line in ax.get_lines() if not str(line.get_label()).startswith("_")][
                1:
            ],
            loc="upper center",
            bbox_to_anchor=(0.5, -0.05),
            ncols=min(3, len(rows)),
            frameon=False,
            fontsize=8.5,
            labelcolor=INK,
        )
