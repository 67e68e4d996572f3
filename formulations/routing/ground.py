"""How ground stations join a mesh: which satellites each may use, and where it stands."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from .. import checks
from ..mean_elements import EARTH_FLATTENING, EARTH_RADIUS_M
from ..space.earth import earth_turn, frames_at
from ..stations import GroundStation
from .mesh_kernel import in_view

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

CHOICES = ("all", "nearest", "highest")

#: A geodetic vertical is at most 0.2 degrees off the geocentric one.
_TILT_RAD = math.radians(0.5)


@dataclass(frozen=True, slots=True)
class Shape:
    """An Earth for stations to stand on.

    Parameters
    ----------
    radius_m, flattening : float
    latitude_factor : float
        Tangent of the latitude in use over that of the latitude given.
    orbit_scale : float
        By which orbits are stretched.
    """

    radius_m: float
    flattening: float
    latitude_factor: float = 1.0
    orbit_scale: float = 1.0

    def places(self, stations: Sequence[GroundStation]) -> tuple[Floats, Floats]:
        """Earth-fixed positions (m) and local axes (rows east, north, up) of stations."""
        tangent = np.tan(np.radians([row.latitude_deg for row in stations]))
        latitude = np.arctan(self.latitude_factor * tangent)
        return frames_at(latitude, stations, self.radius_m, self.flattening)


#: ``pyephem``: what PyEphem, and with it Hypatia, computes: the ellipsoid of 1967, geodetic
#: latitudes turned once more, and orbits in units of 6,378,160 m where SGP4 means 6,378,135 m.
SHAPES: Mapping[str, Shape] = MappingProxyType(
    {
        "wgs84": Shape(EARTH_RADIUS_M, EARTH_FLATTENING),
        "sphere": Shape(EARTH_RADIUS_M, 0.0),
        "pyephem": Shape(6378160.0, 1 / 298.25, 1 / (1 - 1 / 298.25**2), 6378160.0 / 6378135.0),
    }
)


@dataclass(frozen=True, slots=True)
class GroundAccess:
    """Which satellites a ground station may use.

    Parameters
    ----------
    satellites : {"all", "nearest", "highest"}
        Of those in view, every one, the nearest, or the one at the highest elevation.
    max_range_m : float
        Longest slant range.
    masked : bool
        Whether a satellite must stand above the station's elevation mask and horizon. Without,
        `max_range_m` decides alone, as in Hypatia.
    shape : {"wgs84", "sphere", "pyephem"}
        Earth on which latitude, longitude and altitude are meant. ``"sphere"`` has the equator's
        radius, 6,378,137 m; ``"pyephem"`` is for comparison with Hypatia (`hypatia_mesh`).
    """

    satellites: str = "all"
    max_range_m: float = math.inf
    masked: bool = True
    shape: str = "wgs84"

    def __post_init__(self) -> None:
        checks.known("GroundAccess.satellites", self.satellites, CHOICES)
        checks.real("GroundAccess.max_range_m", self.max_range_m, strict=True, finite=False)
        if not isinstance(self.masked, bool):
            checks.fail("GroundAccess.masked", self.masked, "True or False")
        if not self.masked and math.isinf(self.max_range_m):
            expected = "a finite range, which decides alone when masked = False"
            checks.fail("GroundAccess.max_range_m", self.max_range_m, expected)
        checks.known("GroundAccess.shape", self.shape, tuple(SHAPES))


@dataclass(frozen=True, slots=True, eq=False)
class Sites:
    """Stations as arrays, and how they choose.

    Attributes
    ----------
    position, axes : array, shape (stations, 3) and (stations, 3, 3)
        Earth-fixed (m; rows east, north, up).
    sine : array, shape (stations,)
        Sine of the mask; below -1 where there is none.
    """

    access: GroundAccess
    stations: Sequence[GroundStation]
    position: Floats
    axes: Floats
    sine: Floats

    @classmethod
    def of(cls, stations: Sequence[GroundStation], access: GroundAccess) -> Sites:
        """Arrays of some stations."""
        position, axes = SHAPES[access.shape].places(stations)
        mask = np.radians([row.min_elevation_deg for row in stations])
        return cls(
            access, stations, position, axes, np.sin(mask) if access.masked else mask * 0 - 2.0
        )

    def links(self, satellites_m: Floats, angle_rad: float) -> tuple[Ints, Ints, Floats]:
        """Who may talk to whom at an instant.

        Parameters
        ----------
        satellites_m : array, shape (satellites, 3)
            Inertial positions, NaN where there is none.
        angle_rad : float
            How far the Earth is turned against them.

        Returns
        -------
        station, satellite : array of int, shape (links,)
        range_m : array, shape (links,)
            By station, then satellite. O(stations satellites).
        """
        turn = earth_turn(angle_rad)
        place, axes = self.position @ turn, self.axes @ turn
        up = np.ascontiguousarray(axes[:, 2])
        reach = self._farthest(satellites_m)
        station, satellite, distance, high = in_view(satellites_m, place, up, self.sine, reach)
        if self.access.masked and any(row.horizon is not None for row in self.stations):
            look = satellites_m[satellite] - place[station]
            keep = self._above_horizons(axes, look, station, high)
            station, satellite = station[keep], satellite[keep]
            distance, high = distance[keep], high[keep]
        if self.access.satellites != "all":
            best = distance if self.access.satellites == "nearest" else -high
            first = np.lexsort((best, station))
            chosen = first[np.unique(station[first], return_index=True)[1]]
            station, satellite, distance = station[chosen], satellite[chosen], distance[chosen]
        return station, satellite, distance

    def _farthest(self, satellites_m: Floats) -> Floats:
        """Slant ranges that no satellite in view exceeds, shape (stations,)."""
        radius = np.linalg.norm(satellites_m, axis=1)
        known = radius[np.isfinite(radius)]
        if not self.access.masked or not len(known):
            return np.full(len(self.stations), self.access.max_range_m)
        ground = np.linalg.norm(self.position, axis=1)
        low = ground * np.sin(np.arcsin(self.sine) - _TILT_RAD)
        bound = np.sqrt(np.maximum(low**2 + known.max() ** 2 - ground**2, 0.0)) - low
        found: Floats = np.minimum(bound, self.access.max_range_m)
        return found

    def _above_horizons(
        self, axes: Floats, look: Floats, station: Ints, sine: Floats
    ) -> NDArray[np.bool_]:
        """Whether each satellite in view stands above its station's horizon mask as well."""
        keep = np.ones(len(station), dtype=np.bool_)
        for k, row in enumerate(self.stations):
            if row.horizon is not None:
                mine = np.flatnonzero(station == k)
                east, north = look[mine] @ axes[k, 0], look[mine] @ axes[k, 1]
                azimuth = np.degrees(np.arctan2(east, north))
                corners = np.array(row.horizon)
                lowest = np.interp(azimuth, corners[:, 0], corners[:, 1], period=360.0)
                keep[mine] = np.degrees(np.arcsin(sine[mine])) >= lowest
        return keep
