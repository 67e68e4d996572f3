"""A mesh on a map at an instant, a path through it, and how a path's delay changes over time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ...formulations import checks
from ...formulations.routing.ground import SHAPES
from ...formulations.routing.mesh import Mesh
from ...formulations.routing.snapshot_answers import SnapshotPaths
from ...formulations.space.earth import earth_turn, geodetic
from ...formulations.space.propagate import states
from .earth_map import draw_earth, draw_stations
from .style import FAINT, INK, MOVE, ORBIT, axis_unit, new_axes, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

#: Links beyond which a map shows those of the path alone.
MOST_LINKS = 4000
#: Points of a drawn link: a straight line in space is a curve on the map.
_POINTS = 25
#: Unit of each weight of a snapshot.
UNITS = {"delay": "s", "hops": "", "inverse_rate": "s/bit"}


def draw_mesh(
    mesh: Mesh,
    ax: Axes | None = None,
    time_s: float = 0.0,
    way: Sequence[str] = (),
) -> Axes:
    """Draw a mesh at an instant on a map (plate carrée): satellites, links, stations, a path.

    Parameters
    ----------
    mesh : Mesh
    ax : matplotlib.axes.Axes, optional
    time_s : float
        Seconds after the mesh's start.
    way : sequence of str
        Names of nodes along a path, as `SnapshotPaths.path` gives them; drawn thick.

    Returns
    -------
    matplotlib.axes.Axes
        Links are a collection labelled ``links``, the path's ``path``.

    Raises
    ------
    InputError
        For an unknown node.
    """
    names = mesh.node_names
    time = checks.real("draw_mesh.time_s", time_s, low=-np.inf)
    for k, name in enumerate(way):
        checks.known(f"draw_mesh.way[{k}]", name, names)
    ax = ax if ax is not None else new_axes(10.5, 5.9)
    draw_earth(ax)
    place = _places(mesh, time)
    links = mesh.links(time)
    ends = np.stack([links["first"], links["second"]], axis=1)
    orbital = ends[(ends < len(mesh.constellation)).all(axis=1)]
    if len(orbital) <= MOST_LINKS:
        _draw_links(ax, place, orbital, FAINT, 0.4, 2.0, "links")
    if len(way) > 1:
        position = {name: k for k, name in enumerate(names)}
        row = np.array([position[name] for name in way])
        _draw_links(ax, place, np.stack([row[:-1], row[1:]], axis=1), MOVE, 2.4, 5.0, "path")
    latitude, longitude, _ = geodetic(place[: len(mesh.constellation)])
    ax.scatter(
        longitude,
        latitude,
        s=9 if len(mesh.constellation) <= 500 else 3,
        color=ORBIT[1],
        linewidth=0,
        zorder=4,
        label="satellites",
    )
    first = len(mesh.constellation)
    ends_of = [row for k, row in enumerate(mesh.stations) if names[first + k] in way]
    draw_stations(ax, ends_of or mesh.stations)
    moment = mesh.start + np.timedelta64(round(time * 1e3), "ms").item()
    text = f"{len(mesh.constellation):,} satellites, {len(orbital):,} links between them"
    tail = f"; {way[0]} to {way[-1]}, {len(way) - 1} hops" if len(way) > 1 else ""
    ax.set_title(
        f"{text} at {moment:%Y-%m-%d %H:%M:%S} UTC{tail}", loc="left", fontsize=10, color=INK
    )
    return ax


def _places(mesh: Mesh, time_s: float) -> Floats:
    """Earth-fixed positions (m) of all nodes, shape (nodes, 3)."""
    at = np.array([time_s])
    inertial, _ = states(mesh.constellation.satellites, mesh.start, at, mesh.engine)
    angle = float(mesh.rotation.angle(mesh.start, at)[0])
    orbit = inertial[:, 0] @ earth_turn(angle).T
    # On a sphere a station is drawn at the latitude that its mark has.
    return np.concatenate([orbit, SHAPES["sphere"].places(mesh.stations)[0].reshape(-1, 3)])


def _draw_links(
    ax: Axes,
    place: Floats,
    pairs: NDArray[np.int64],
    colour: str,
    width: float,
    zorder: float,
    label: str,
) -> None:
    """Straight lines in space, curves on the map; across the date line they stand at both ends."""
    from matplotlib.collections import LineCollection

    share = np.linspace(0.0, 1.0, _POINTS)[:, None, None]
    line = place[pairs[:, 0]] * (1 - share) + place[pairs[:, 1]] * share
    flat = np.hypot(line[..., 0], line[..., 1])
    north = np.degrees(np.arctan2(line[..., 2], flat)).T
    east = np.degrees(np.unwrap(np.arctan2(line[..., 1], line[..., 0]), axis=0)).T
    curves = np.stack([east, north], axis=2)
    outside = (np.abs(east) > 180).any(axis=1)
    turns = np.where(east[outside].mean(axis=1) > 0, -360.0, 360.0)
    again = curves[outside].copy()
    again[..., 0] += turns[:, None]
    shown = np.concatenate([curves, again])
    ax.add_collection(
        LineCollection(
            list(shown), colors=colour, linewidths=width, zorder=zorder, label=label, alpha=0.9
        ),
        autolim=False,
    )


def draw_snapshots(paths: SnapshotPaths, ax: Axes | None = None) -> Axes:
    """Draw how the shortest distance between nodes changes over time, a line per pair.

    Parameters
    ----------
    paths : SnapshotPaths
        With as many pairs of a source and a target as can be told apart, up to ten.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes
        A line labelled ``SOURCE to TARGET`` for each pair; broken where there is no path, with a
        tick below at each step where the path is another than before.

    Raises
    ------
    InputError
        For more than ten pairs.
    """
    pairs = [(a, b) for a in paths.sources for b in paths.targets if a != b]
    if not 0 < len(pairs) <= 10:
        text = f"{len(pairs)} pairs of a source and a target"
        checks.fail("draw_snapshots.paths", text, "1 to 10 (give `targets`)")
    ax = ax if ax is not None else new_axes(10.5, 4.2)
    known = paths.distance[np.isfinite(paths.distance)]
    scale, unit = axis_unit(float(known.max(initial=0.0)), UNITS[paths.weight])
    long = paths.times_s[-1] - paths.times_s[0] > 7200
    times = paths.times_s / (3600 if long else 60)
    for k, (source, target) in enumerate(pairs):
        row = paths.distance[:, paths.sources.index(source), paths.targets.index(target)]
        shown = np.where(np.isfinite(row), row * scale, np.nan)
        colour = (MOVE, *ORBIT, "#2f7d5b", "#7d4f9e")[k % 8]
        ax.plot(times, shown, color=colour, linewidth=1.4, label=f"{source} to {target}", zorder=3)
        ways = [paths.path(step, source, target) for step in range(len(paths))]
        changed = [k for k in range(1, len(ways)) if ways[k] != ways[k - 1]]
        ax.plot(
            times[changed],
            np.full(len(changed), 0.015 + 0.02 * k),
            "|",
            color=colour,
            markersize=5,
            transform=ax.get_xaxis_transform(),
            zorder=4,
        )
    tidy(ax)
    ax.grid(axis="y", color="#e3e8ec", linewidth=0.8, zorder=0)
    ax.set_xlabel("hours" if long else "minutes", color=INK)
    labels = {"delay": "one-way delay", "hops": "hops", "inverse_rate": "inverse rate"}
    ax.set_ylabel(f"{labels[paths.weight]}{f' ({unit})' if unit else ''}", color=INK)
    ax.set_title("shortest path over time; ticks: another path", loc="left", fontsize=10, color=INK)
    ax.legend(frameon=False, fontsize=8.5, labelcolor=INK, loc="upper right")
    return ax
