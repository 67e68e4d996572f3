"""Passes on a map: stations, what they see, and the ground tracks of satellites."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ...formulations import checks
from ...formulations.mean_elements import EARTH_RADIUS_M
from ...formulations.orbits import Constellation
from ...formulations.space.earth import geodetic
from ...formulations.space.ephemeris import ephemeris, node_step
from ...formulations.space.passes import PassTable
from ...formulations.stations import GroundStation
from .earth_map import draw_earth, draw_stations
from .ground_tracks import ground_track
from .style import FAINT, GROUND, INK, ORBIT, new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

#: Tracks drawn where the caller does not name satellites.
MOST_TRACKS = 3
TRACKS = (ORBIT[0], "#b4582a", "#7d4f9e", *ORBIT[3:])

#: Points on a visibility circle.
_CIRCLE = 361
#: A curve that reaches beyond the date line is drawn three times.
_TURNS = np.array([[[-360.0, 0.0]], [[0.0, 0.0]], [[360.0, 0.0]]])


def draw_map(
    table: PassTable,
    ax: Axes | None = None,
    satellites: Sequence[str | int] | None = None,
    revolutions: float = 1.0,
) -> Axes:
    """Draw a map (plate carrée) of the stations and of the satellites that pass over them.

    Parameters
    ----------
    table : PassTable
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure unless given.
    satellites : sequence of str or int, optional
        Whose ground tracks are drawn, by name or position; unless given, all up to three, of more
        three that are spread over the constellation. The position of every satellite at the
        window's start is a dot.
    revolutions : float
        How long the tracks are, from the window's start to its end at most. They are thick where
        a pass of the table is on.

    Returns
    -------
    matplotlib.axes.Axes
        Tracks and circles are collections labelled ``track NAME``, ``seen NAME``, ``circles``.

    Raises
    ------
    InputError
        For an unknown satellite, or no revolutions.

    Notes
    -----
    A station's circle is where satellites at the constellation's mean altitude stand at its mask
    (`visibility`), on a spherical Earth.
    """
    checks.real("draw_map.revolutions", revolutions, strict=True)
    whole = table.constellation
    chosen = _chosen(whole, satellites)
    ax = ax if ax is not None else new_axes(10.5, 5.9)
    draw_earth(ax)
    radius = float(np.mean([row.semi_major_axis_m for row in whole.satellites]))
    _draw_circles(ax, table.stations, radius)
    many = len(whole) > len(chosen)
    _draw_positions(ax, table, chosen, many)
    for k, colour in zip(chosen, _cycle(len(chosen)), strict=True):
        _draw_track(ax, table, k, revolutions, colour)
    draw_stations(ax, table.stations)
    longest = max(float(whole.satellites[k].period_s) for k in chosen) * revolutions
    minutes = min(longest, table.window.duration_s) / 60
    ax.set_title(
        f"{len(whole):,} satellite{'s' * (len(whole) != 1)} at {table.start:%Y-%m-%d %H:%M:%S} UTC,"
        f" tracks of {minutes:.0f} min; circles: in sight at {(radius - EARTH_RADIUS_M) / 1e3:,.0f}"
        " km altitude",
        loc="left",
        fontsize=10,
        color=INK,
    )
    _legend(ax, [whole.names[k] for k in chosen], _cycle(len(chosen)), many)
    return ax


def _chosen(whole: Constellation, names: Sequence[str | int] | None) -> list[int]:
    if names is None:
        count = min(MOST_TRACKS, len(whole))
        return [k * len(whole) // count for k in range(count)]
    if isinstance(names, str) or not isinstance(names, Sequence) or not len(names):
        checks.fail("draw_map.satellites", names, "names or positions of satellites")
    return [whole.index(row.name) for row in whole.select(names).satellites]


def _cycle(count: int) -> list[str]:
    return [TRACKS[k % len(TRACKS)] for k in range(count)]


# -- stations -------------------------------------------------------------------------------------
def visibility(
    station: GroundStation, radius_m: float, points: int = _CIRCLE
) -> tuple[Floats, Floats]:
    """Where a satellite at a radius stands just at a station's mask.

    On a sphere, at the angle ``acos(R cos(e) / r) - e`` from the station in each azimuth, of which
    e is the mask there: the elevation mask, or the horizon mask where that lies higher.

    Parameters
    ----------
    station : GroundStation
    radius_m : float
        Distance of the satellite from the Earth's centre.
    points : int
        Points of the closed curve, from north over east.

    Returns
    -------
    longitude_deg, latitude_deg : array, shape (points,)
        Longitudes follow one another without a jump. Empty for a satellite below the station.
    """
    azimuth = np.linspace(0.0, 360.0, points)
    mask = np.full(points, float(station.min_elevation_deg))
    if station.horizon:
        known = np.array(station.horizon, dtype=np.float64)
        mask = np.maximum(mask, np.interp(azimuth, known[:, 0], known[:, 1], period=360))
    ratio = (EARTH_RADIUS_M + station.altitude_m) / radius_m
    if ratio >= 1:
        return np.empty(0), np.empty(0)
    elevation, heading = np.radians(mask), np.radians(azimuth)
    angle = np.arccos(ratio * np.cos(elevation)) - elevation
    north = math.radians(station.latitude_deg)
    up = np.sin(north) * np.cos(angle) + np.cos(north) * np.sin(angle) * np.cos(heading)
    ahead = np.cos(north) * np.cos(angle) - np.sin(north) * np.sin(angle) * np.cos(heading)
    east = np.unwrap(np.arctan2(np.sin(angle) * np.sin(heading), ahead))
    latitude = np.degrees(np.arcsin(np.clip(up, -1.0, 1.0)))
    return station.longitude_deg + np.degrees(east), latitude


def _draw_circles(ax: Axes, stations: Sequence[GroundStation], radius_m: float) -> None:
    """Outlines, and a light fill; the axes cut off what lies beyond the date line."""
    from matplotlib.collections import LineCollection, PolyCollection

    lines, areas = [], []
    for station in stations:
        longitude, latitude = visibility(station, radius_m)
        if not len(longitude):
            continue
        middle = 360 * np.round(station.longitude_deg / 360)
        turns = round((longitude[-1] - longitude[0]) / 360)
        area = np.stack([longitude - middle, latitude], axis=-1)
        if turns:  # around a pole: the area reaches to the edge of the map
            pole = math.copysign(90.0, station.latitude_deg)
            corners = [[area[-1, 0], pole], [area[0, 0], pole]]
            areas += list(np.concatenate([area, corners]) + _TURNS)
        else:
            areas += list(area + _TURNS)
        lines += list(area + _TURNS)
    areas = [area for area in areas if area[:, 0].max() > -180 and area[:, 0].min() < 180]
    lines = [line for line in lines if line[:, 0].max() > -180 and line[:, 0].min() < 180]
    faint = min(0.07, 1.2 / max(len(stations), 1))
    fill = PolyCollection(areas, facecolor=GROUND[1], alpha=faint, linewidth=0, zorder=1.5)
    ax.add_collection(fill, autolim=False)
    outline = LineCollection(
        lines,
        colors=GROUND[0],
        linewidths=0.9 if len(stations) <= 20 else 0.6,
        alpha=0.75,
        zorder=2,
        label="circles",
    )
    ax.add_collection(outline, autolim=False)


# -- satellites -----------------------------------------------------------------------------------
def _draw_positions(ax: Axes, table: PassTable, chosen: Sequence[int], many: bool) -> None:
    """A dot for every satellite at the start, a larger one for each that has a track."""
    whole = table.constellation
    step = min(node_step(row) for row in whole.satellites)
    everyone = np.arange(len(whole))
    body = ephemeris(whole, everyone, table.window, (0.0, 0.0), step)
    place = np.concatenate([body.positions(int(k), np.zeros(1)) for k in everyone])
    latitude, longitude, _ = geodetic(place)
    if many:
        rest = np.setdiff1d(everyone, chosen)
        size = 9 if len(whole) <= 500 else 3
        ax.scatter(
            longitude[rest],
            latitude[rest],
            s=size,
            color=FAINT,
            linewidth=0,
            zorder=3,
            label="others",
        )
    colours = _cycle(len(chosen))
    ax.scatter(
        longitude[list(chosen)],
        latitude[list(chosen)],
        s=42,
        color=colours,
        edgecolor="white",
        linewidth=0.9,
        zorder=7,
        label="starts",
    )


def _draw_track(ax: Axes, table: PassTable, number: int, revolutions: float, colour: str) -> None:
    """A ground track, thick where a station sees the satellite."""
    from matplotlib.collections import LineCollection

    name = table.constellation.names[number]
    parts, seen = ground_track(table, number, revolutions)
    for shown, label, width in ((~seen, "track", 1.0), (seen, "seen", 3.2)):
        lines = [part for part, yes in zip(parts, shown, strict=True) if yes]
        ax.add_collection(
            LineCollection(
                lines,
                colors=colour,
                linewidths=width,
                capstyle="round" if label == "track" else "butt",
                zorder=4 if label == "track" else 5,
                label=f"{label} {name}",
            )
        )


def _legend(ax: Axes, names: Sequence[str], colours: Sequence[str], many: bool) -> None:
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], color=colour, marker="o", markeredgecolor="white", label=name)
        for name, colour in zip(names, colours, strict=True)
    ]
    handles.append(Line2D([], [], color=INK, linewidth=3.2, label="in a station's sight"))
    if many:
        dot = Line2D(
            [],
            [],
            color=FAINT,
            marker="o",
            markersize=3,
            linestyle="none",
            label="other satellites",
        )
        handles.append(dot)
    ax.legend(
        handles=handles,
        loc="upper center",
        bbox_to_anchor=(0.5, -0.05),
        ncols=min(len(handles), 6),
        frameon=False,
        fontsize=8.5,
        labelcolor=INK,
    )
