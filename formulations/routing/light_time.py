"""How soon light could be there, whatever satellites there are: bounds that no path beats.

They are those of `taut_string`, made safe for an Earth that is no ball: hops clear a ball of the
polar radius plus the grazing altitude, which lies inside of the spheroid that they clear in truth,
and masks are lowered by as much as a station's geodetic vertical is off its geocentric one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import checks
from ..mean_elements import EARTH_FLATTENING, EARTH_RADIUS_M
from ..space.earth import LIGHT_SPEED_M_PER_S
from ..space.propagate import states
from ..stations import GroundStation
from .ground import SHAPES, GroundAccess, Sites
from .mesh import Mesh
from .taut_string import Places, Room, least_metres

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_POLE_M = EARTH_RADIUS_M * (1 - EARTH_FLATTENING)

#: Satellites' positions held at a time, in bytes.
_BLOCK_BYTES = 16e6


def light_time_bound_s(
    a: Any,
    b: Any,
    *,
    min_altitude_m: float | None = None,
    grazing_altitude_m: float = 80e3,
    max_range_m: float = math.inf,
    max_ground_range_m: float = math.inf,
) -> Any:
    """Least light time between two places, however many satellites there are and wherever.

    No path that goes up once and comes down once is quicker (one that comes down to a station and
    goes up again may be).

    Parameters
    ----------
    a, b : GroundStation, sequence of GroundStation, or array_like, shape (..., 3)
        Stations, with their own elevation masks, or Earth-fixed positions of satellites (m).
    min_altitude_m : float, optional
        Every satellite stands at least so far above the equator's radius (6,378,137 m from the
        centre). Unless given, they only stand above the grazing altitude.
    grazing_altitude_m : float
        Lines between satellites clear this height over the ellipsoid.
    max_range_m, max_ground_range_m : float
        No link between satellites, or to a station, is longer.

    Returns
    -------
    float or array
        In s, of the common shape of `a` and `b`; 0 between a place and itself.

    Raises
    ------
    InputError
        For other places than these, or shapes that do not go together.
    """
    where = "light_time_bound_s"
    grazing = checks.between(f"{where}.grazing_altitude_m", grazing_altitude_m, 0, 1e6)
    hop = checks.real(f"{where}.max_range_m", max_range_m, strict=True, finite=False)
    ground = checks.real(
        f"{where}.max_ground_range_m", max_ground_range_m, strict=True, finite=False
    )
    lowest = _POLE_M + grazing
    if min_altitude_m is not None:
        altitude = checks.real(f"{where}.min_altitude_m", min_altitude_m, strict=True)
        lowest = max(lowest, EARTH_RADIUS_M + altitude)
    one, two = _ends_of(f"{where}.a", a), _ends_of(f"{where}.b", b)
    try:
        np.broadcast_shapes(one.position.shape, two.position.shape)
    except ValueError:
        shapes = (one.position.shape[:-1], two.position.shape[:-1])
        checks.fail(f"{where}.a, b", shapes, "as many places, or one")
    found = least_metres(one, two, Room(np.float64(lowest), _POLE_M + grazing, hop, ground))
    return found[()] / LIGHT_SPEED_M_PER_S


def mesh_bound_s(
    mesh: Mesh, source: str, target: str, times_s: Any, *, ground_relays: bool = False
) -> Floats:
    """`light_time_bound_s` between two nodes of a mesh at each of many times.

    Satellites stand at or above the lowest one of that instant; altitudes, ranges and masks are
    those of the mesh.

    Parameters
    ----------
    mesh : Mesh
    source, target : str
        Names of nodes.
    times_s : array_like, shape (times,)
        Seconds after the mesh's start.
    ground_relays : bool
        Whether it must hold for paths that come down to a station and go up again, too: then it is
        the straight line.

    Returns
    -------
    array, shape (times,)
        In s.

    Raises
    ------
    InputError
        For an unknown name.
    """
    names = mesh.node_names
    first, last = (
        names.index(checks.known(f"mesh_bound_s.{role}", name, names))
        for role, name in (("source", source), ("target", target))
    )
    times = np.atleast_1d(np.asarray(times_s, dtype=np.float64))
    size = max(1, int(_BLOCK_BYTES / (48 * len(mesh.constellation))))
    blocks = [times[k : k + size] for k in range(0, len(times), size)]
    parts = []
    for block in blocks:
        one, two, room = _at(mesh, first, last, block)
        straight = np.linalg.norm(one.position - two.position, axis=-1)
        parts.append(straight if ground_relays else least_metres(one, two, room))
    return np.concatenate(parts) / LIGHT_SPEED_M_PER_S


def _at(mesh: Mesh, first: int, last: int, times: Floats) -> tuple[Places, Places, Room]:
    """Two nodes, by position, and what paths keep to, at some times."""
    position, _ = states(mesh.constellation.satellites, mesh.start, times, mesh.engine)
    position *= SHAPES[mesh.ground.shape].orbit_scale
    lowest = np.sqrt(np.nanmin((position * position).sum(axis=2), axis=0))
    isl = mesh.isl
    clear = 0.0 if isl is None or mesh.static_isl else _POLE_M + isl.grazing_altitude_m
    hop = math.inf if isl is None else isl.max_range_m
    if mesh.static_isl:
        hop = math.inf
    angles = mesh.rotation.angle(mesh.start, times)
    ends = []
    for node in (first, last):
        if node < len(mesh.constellation):
            ends.append(_in_space(position[node]))
        else:
            station = mesh.stations[node - len(mesh.constellation)]
            ends.append(_on_ground([station], mesh.ground).turned(angles))
    return ends[0], ends[1], Room(lowest, clear, hop, mesh.ground.max_range_m)


def _ends_of(where: str, value: Any) -> Places:
    if isinstance(value, GroundStation):
        found = _on_ground([value], GroundAccess())
        return Places(found.position[0], found.elevation[0], True)
    expected = "a GroundStation, several, or Earth-fixed positions, shape (..., 3)"
    if isinstance(value, Sequence) and len(value) and isinstance(value[0], GroundStation):
        if not all(isinstance(row, GroundStation) for row in value):
            checks.fail(where, value, expected)
        return _on_ground(value, GroundAccess())
    try:
        place = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        place = np.empty(0)
    if place.ndim < 1 or place.shape[-1] != 3 or not np.isfinite(place).all():
        checks.fail(where, value, expected)
    return _in_space(place)


def _in_space(position: Floats) -> Places:
    return Places(position, np.zeros(position.shape[:-1]), False)


def _on_ground(stations: Sequence[GroundStation], access: GroundAccess) -> Places:
    """Stations with their masks, less what the geocentric vertical is off theirs."""
    sites = Sites.of(stations, access)
    upright = sites.position / np.linalg.norm(sites.position, axis=1)[:, None]
    tilt = np.linalg.norm(np.cross(upright, sites.axes[:, 2]), axis=1)
    mask = np.arcsin(np.maximum(sites.sine, -1.0)) - np.arcsin(np.minimum(tilt, 1.0))
    return Places(sites.position, np.maximum(mask, -math.pi / 2), True)
