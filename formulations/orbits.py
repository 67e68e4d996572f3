"""Satellites, constellations and ground stations: who can see whom.

A satellite is a set of mean elements and the model that moves it: ``sgp4`` (elements of a TLE or
OMM), ``j2`` (Kepler with the secular drift of the Earth's oblateness) or ``two-body``. What moves
and sees stands in `formulations.space`; this file is the data.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from . import checks
from .instants import DAY_S, instant
from .readers import reader

if TYPE_CHECKING:
    from numpy.typing import NDArray

MODELS = ("sgp4", "j2", "two-body")
PATTERNS = ("delta", "star")

#: Mean motions that leave the numbers finite (rev/day); the ground bounds them far earlier.
MEAN_MOTIONS = (1e-12, 1e3)

#: The numbers of a satellite.
ELEMENTS = (
    "mean_motion_rev_per_day",
    "eccentricity",
    "inclination_deg",
    "raan_deg",
    "argument_of_perigee_deg",
    "mean_anomaly_deg",
    "bstar",
    "mean_motion_dot",
    "mean_motion_ddot",
)

#: WGS 84: gravity (m^3/s^2), equatorial radius (m), flattening, and the zonal term J2.
EARTH_MU = 3.986004418e14
EARTH_RADIUS_M = 6378137.0
EARTH_FLATTENING = 1 / 298.257223563
EARTH_J2 = 1.08262668e-3

#: Epoch of designed constellations unless given.
DESIGN_EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class GroundStation:
    """A place on the ground with antennas.

    Parameters
    ----------
    name : str
        Unique among the stations.
    latitude_deg, longitude_deg : float
        Geodetic (WGS 84), north and east positive.
    altitude_m : float
        Above the ellipsoid.
    min_elevation_deg : float
        Elevation mask: lower satellites are not seen.
    antennas : int
        How many satellites it can serve at a time.
    horizon : sequence of (float, float), optional
        A horizon mask: (azimuth, elevation) in degrees, azimuth from north over east, linear in
        between and around; where it lies above `min_elevation_deg`, it counts.
    rain_rate_mm_h : float
        Rain rate exceeded 0.01 % of the year (ITU-R P.837); 0 leaves rain out of link budgets.
    rain_height_m : float, optional
        ITU-R P.839 rain height above sea level; estimated from the latitude unless given.
    provider : str
        Who runs it, for tables only.

    Raises
    ------
    InputError
        For a latitude beyond 90 degrees, a mask beyond, and the like.
    """

    name: str
    latitude_deg: float
    longitude_deg: float
    altitude_m: float = 0.0
    min_elevation_deg: float = 10.0
    antennas: int = 1
    horizon: Sequence[tuple[float, float]] | None = None
    rain_rate_mm_h: float = 0.0
    rain_height_m: float | None = None
    provider: str = ""

    def __post_init__(self) -> None:
        checks.text("GroundStation.name", self.name)
        where = f"GroundStation[{self.name!r}]"
        checks.between(f"{where}.latitude_deg", self.latitude_deg, -90, 90)
        checks.between(f"{where}.longitude_deg", self.longitude_deg, -360, 360)
        checks.between(f"{where}.altitude_m", self.altitude_m, -1e3, 1e5)
        checks.between(f"{where}.min_elevation_deg", self.min_elevation_deg, -10, 89.9)
        antennas = checks.whole(f"{where}.antennas", self.antennas, low=1)
        object.__setattr__(self, "antennas", antennas)
        checks.real(f"{where}.rain_rate_mm_h", self.rain_rate_mm_h)
        if not isinstance(self.provider, str):
            checks.fail(f"{where}.provider", self.provider, "a string")
        if self.rain_height_m is not None:
            checks.real(f"{where}.rain_height_m", self.rain_height_m)
        if self.horizon is not None:
            object.__setattr__(self, "horizon", _horizon(f"{where}.horizon", self.horizon))


def _horizon(where: str, rows: Any) -> tuple[tuple[float, float], ...]:
    if isinstance(rows, str) or not isinstance(rows, Sequence) or not len(rows):
        checks.fail(where, rows, "pairs of azimuth and elevation in degrees")
    found = []
    for k, row in enumerate(rows):
        if isinstance(row, str) or not isinstance(row, Sequence) or len(row) != 2:
            checks.fail(f"{where}[{k}]", row, "a pair of azimuth and elevation in degrees")
        azimuth = checks.between(f"{where}[{k}] azimuth", row[0], 0, 360)
        found.append((azimuth % 360, checks.between(f"{where}[{k}] elevation", row[1], -10, 89.9)))
    found.sort()
    for before, after in pairwise(found):
        if before[0] == after[0]:
            checks.fail(f"{where} azimuth", after[0], "every azimuth once")
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Satellite:
    """A satellite: mean elements at an epoch, and the model that moves it.

    Parameters
    ----------
    name : str
        Unique within the constellation.
    epoch : datetime
        Timezone-aware; of the elements.
    mean_motion_rev_per_day : float
        Revolutions per day. For ``sgp4`` the (Kozai) mean motion of a TLE or OMM; else the
        Keplerian one, sqrt(mu / a^3).
    eccentricity : float
        From 0 to below 1.
    inclination_deg, raan_deg, argument_of_perigee_deg, mean_anomaly_deg : float
        Mean elements; for ``sgp4`` in TEME, else in an inertial frame of the Earth's equator.
    model : {"sgp4", "j2", "two-body"}
        What moves it.
    bstar, mean_motion_dot, mean_motion_ddot : float
        Drag terms as TLE and OMM print them (1/Earth radii; rev/day^2 halved; rev/day^3 over 6).
    catalog_number : int, optional
        Of any size: numbers above 339,999, which TLEs cannot hold, are legal.
    plane, slot : int, optional
        Orbital plane, and place within it, from 0; what inter-satellite motifs count in.
    object_id : str
        International designator as OMM prints it, ``1998-067A``; empty where unknown.

    Raises
    ------
    InputError
        If an element is out of range or the perigee lies below the ground.
    """

    name: str
    epoch: datetime
    mean_motion_rev_per_day: float
    eccentricity: float = 0.0
    inclination_deg: float = 0.0
    raan_deg: float = 0.0
    argument_of_perigee_deg: float = 0.0
    mean_anomaly_deg: float = 0.0
    model: str = "sgp4"
    bstar: float = 0.0
    mean_motion_dot: float = 0.0
    mean_motion_ddot: float = 0.0
    catalog_number: int | None = None
    object_id: str = ""
    plane: int | None = None
    slot: int | None = None

    def __post_init__(self) -> None:
        checks.text("Satellite.name", self.name)
        where = f"Satellite[{self.name!r}]"
        object.__setattr__(self, "epoch", instant(f"{where}.epoch", self.epoch))
        motion = f"{where}.mean_motion_rev_per_day"
        checks.between(motion, self.mean_motion_rev_per_day, *MEAN_MOTIONS)
        checks.real(f"{where}.eccentricity", self.eccentricity)
        if self.eccentricity >= 1:
            checks.fail(f"{where}.eccentricity", self.eccentricity, "a number from 0 to below 1")
        checks.between(f"{where}.inclination_deg", self.inclination_deg, 0, 180)
        for name in ("raan_deg", "argument_of_perigee_deg", "mean_anomaly_deg"):
            checks.between(f"{where}.{name}", getattr(self, name), -720, 720)
        checks.known(f"{where}.model", self.model, MODELS)
        for name in ("bstar", "mean_motion_dot", "mean_motion_ddot"):
            checks.real(f"{where}.{name}", getattr(self, name), low=-math.inf)
        for name in ELEMENTS:
            object.__setattr__(self, name, float(getattr(self, name)))
        for name in ("catalog_number", "plane", "slot"):
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, checks.whole(f"{where}.{name}", value))
        if not isinstance(self.object_id, str):
            checks.fail(f"{where}.object_id", self.object_id, "a string such as '1998-067A'")
        # Kepler's law too: of an orbit deep below the ground SGP4's axis is any number.
        axis = kepler_axis_m(self.mean_motion_rev_per_day)
        perigee = min(self.perigee_altitude_m, axis * (1 - self.eccentricity) - EARTH_RADIUS_M)
        if not perigee >= 0:
            expected = (
                f"an orbit above the ground (perigee {perigee / 1e3:.1f} km, "
                f"{self.mean_motion_rev_per_day:g} revolutions a day, "
                f"eccentricity {self.eccentricity:g})"
            )
            checks.fail(f"{where}.perigee_altitude_m", round(perigee), expected)

    @classmethod
    def from_kepler(
        cls,
        name: str,
        *,
        altitude_m: float | None = None,
        semi_major_axis_m: float | None = None,
        epoch: datetime = DESIGN_EPOCH,
        model: str = "j2",
        **elements: Any,
    ) -> Satellite:
        """Build a satellite from its size: the altitude of a circle, or a semi-major axis.

        Parameters
        ----------
        altitude_m : float, optional
            Semi-major axis less the equatorial radius, 6,378,137 m.
        semi_major_axis_m : float, optional
            Instead of the altitude. For ``sgp4`` both mean the mean (Brouwer) semi-major axis,
            from which the Kozai mean motion of a TLE follows.
        **elements
            The other fields of `Satellite`.

        Returns
        -------
        Satellite
        """
        if (altitude_m is None) == (semi_major_axis_m is None):
            given = [altitude_m, semi_major_axis_m]
            checks.fail(f"Satellite[{name!r}] altitude_m, semi_major_axis_m", given, "one of them")
        if semi_major_axis_m is None:
            where = f"Satellite[{name!r}].altitude_m"
            axis = EARTH_RADIUS_M + checks.real(where, altitude_m, low=-EARTH_RADIUS_M, strict=True)
        else:
            axis = checks.real(f"Satellite[{name!r}].semi_major_axis_m", semi_major_axis_m, low=1)
        motion = math.sqrt(EARTH_MU / axis**3) * DAY_S / (2 * math.pi)
        if model != "sgp4":
            return cls(name, epoch, motion, model=model, **elements)
        found = cls(name, epoch, motion, model="two-body", **elements)  # checks the elements
        motion = _kozai(axis, found.eccentricity, found.inclination_deg) * DAY_S / (2 * math.pi)
        return replace(found, model=model, mean_motion_rev_per_day=motion)

    @property
    def semi_major_axis_m(self) -> float:
        """Mean semi-major axis that belongs to the mean motion, in the model's own sense."""
        if self.model == "sgp4":
            return brouwer_axis_m(
                self.mean_motion_rev_per_day, self.eccentricity, self.inclination_deg
            )
        return kepler_axis_m(self.mean_motion_rev_per_day)

    @property
    def perigee_altitude_m(self) -> float:
        """Perigee above the equatorial radius."""
        return self.semi_major_axis_m * (1 - self.eccentricity) - EARTH_RADIUS_M

    @property
    def apogee_altitude_m(self) -> float:
        """Apogee above the equatorial radius."""
        return self.semi_major_axis_m * (1 + self.eccentricity) - EARTH_RADIUS_M

    @property
    def period_s(self) -> float:
        """Time of one revolution."""
        return DAY_S / self.mean_motion_rev_per_day


def kepler_axis_m(mean_motion_rev_per_day: float) -> float:
    """Semi-major axis of a mean motion by Kepler's third law."""
    motion = mean_motion_rev_per_day * 2 * math.pi / DAY_S
    return math.cbrt(EARTH_MU / motion**2)


def brouwer_axis_m(
    mean_motion_rev_per_day: float, eccentricity: float, inclination_deg: float
) -> float:
    """Mean (Brouwer) semi-major axis that SGP4 recovers from a (Kozai) mean motion of a TLE.

    F. R. Hoots, R. L. Roehrich, "Models for propagation of NORAD element sets", Spacetrack Report
    no. 3 (1980), section 6; WGS 72.
    """
    kozai = mean_motion_rev_per_day * 2 * math.pi / DAY_S
    factor = _oblateness(eccentricity, inclination_deg)
    return math.cbrt(_SGP4_MU / _brouwer_motion(kozai, factor) ** 2)


def _kozai(axis_m: float, eccentricity: float, inclination_deg: float) -> float:
    """Kozai mean motion (rad/s) whose Brouwer semi-major axis in SGP4 is `axis_m`."""
    factor = _oblateness(eccentricity, inclination_deg)
    brouwer = math.sqrt(_SGP4_MU / axis_m**3)
    kozai = brouwer
    for _ in range(20):
        kozai *= brouwer / _brouwer_motion(kozai, factor)
    return kozai


#: WGS 72 as SGP4 has it: radius (m), gravity (m^3/s^2), J2.
_SGP4_RADIUS_M, _SGP4_MU, _SGP4_J2 = 6378135.0, 3.986008e14, 1.082616e-3


def _oblateness(eccentricity: float, inclination_deg: float) -> float:
    """Factor 3/4 J2 (3 cos^2 i - 1) / (1 - e^2)^(3/2) of the secular mean motion."""
    cosine = math.cos(math.radians(inclination_deg))
    return 0.75 * _SGP4_J2 * (3 * cosine**2 - 1) / math.sqrt(1 - eccentricity**2) ** 3


def _brouwer_motion(kozai: float, factor: float) -> float:
    """Brouwer mean motion (rad/s) of a Kozai one."""
    first = math.cbrt(_SGP4_MU / kozai**2) / _SGP4_RADIUS_M
    delta = factor / first**2
    axis = first * (1 - delta**2 - delta * (1 / 3 + 134 * delta**2 / 81))
    return kozai / (1 + factor / axis**2)


@dataclass(frozen=True, slots=True)
class Shell:
    """A regular grid of satellites within a constellation: planes times places in them.

    Parameters
    ----------
    first : int
        Position of its first satellite; the others follow plane by plane.
    planes, satellites_per_plane : int
        Its size.
    pattern : {"delta", "star"}
        Of a star the first and the last plane meet head-on: no link crosses that seam.
    wrap_slots : int
        How many places a link gains when it goes from the last plane to the first, so that
        neighbours stay neighbours round the globe: the phasing of a Walker delta.
    """

    first: int
    planes: int
    satellites_per_plane: int
    pattern: str = "delta"
    wrap_slots: int = 0

    def __post_init__(self) -> None:
        checks.whole("Shell.first", self.first)
        checks.whole("Shell.planes", self.planes, low=1)
        checks.whole("Shell.satellites_per_plane", self.satellites_per_plane, low=1)
        checks.known("Shell.pattern", self.pattern, PATTERNS)
        if not isinstance(self.wrap_slots, int):
            checks.fail("Shell.wrap_slots", self.wrap_slots, "a whole number")

    @property
    def size(self) -> int:
        """Number of satellites."""
        return self.planes * self.satellites_per_plane


@dataclass(frozen=True, slots=True)
class Constellation:
    """Satellites, and the regular shells among them.

    Raises
    ------
    InputError
        If there is no satellite, a name stands twice, or a shell reaches beyond the satellites.
    """

    satellites: Sequence[Satellite]
    shells: Sequence[Shell] = ()
    _position: dict[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "satellites", tuple(self.satellites))
        object.__setattr__(self, "shells", tuple(self.shells))
        if not self.satellites:
            expected = "at least one satellite (the constellation is empty)"
            checks.fail("Constellation.satellites", (), expected)
        for k, satellite in enumerate(self.satellites):
            if not isinstance(satellite, Satellite):
                checks.fail(f"Constellation.satellites[{k}]", satellite, "a Satellite")
        checks.unique("Constellation.satellites name", self.names)
        object.__setattr__(self, "_position", {name: k for k, name in enumerate(self.names)})
        for k, shell in enumerate(self.shells):
            if not isinstance(shell, Shell):
                checks.fail(f"Constellation.shells[{k}]", shell, "a Shell")
            if shell.first + shell.size > len(self.satellites):
                expected = f"a shell within the {len(self.satellites)} satellites"
                checks.fail(f"Constellation.shells[{k}]", shell, expected)

    def __len__(self) -> int:
        return len(self.satellites)

    def __add__(self, other: Constellation) -> Constellation:
        """Both constellations as one: shells stay, planes are numbered on."""
        if not isinstance(other, Constellation):
            return NotImplemented
        numbers = [row.plane for row in self.satellites if row.plane is not None]
        planes = 1 + max(numbers, default=-1)
        moved = [
            replace(row, plane=None if row.plane is None else row.plane + planes)
            for row in other.satellites
        ]
        shells = [replace(shell, first=shell.first + len(self)) for shell in other.shells]
        return Constellation((*self.satellites, *moved), (*self.shells, *shells))

    @property
    def names(self) -> tuple[str, ...]:
        """Names in order."""
        return tuple(satellite.name for satellite in self.satellites)

    def index(self, name: str) -> int:
        """Position of a satellite; an unknown name is an error that offers the nearest."""
        if name not in self._position:
            checks.known("satellite", name, self.names)
        return self._position[name]

    def column(self, name: str) -> NDArray[np.float64]:
        """One numeric field of all satellites, shape (satellites,), float64."""
        return np.array([getattr(row, name) for row in self.satellites], dtype=np.float64)

    def select(self, names: Sequence[str | int]) -> Constellation:
        """Only the satellites given by name or position, in that order; shells are left out."""
        picked = [self.index(row) if isinstance(row, str) else self._place(row) for row in names]
        return Constellation(tuple(self.satellites[k] for k in picked))

    def _place(self, value: Any) -> int:
        place = checks.whole("satellite position", value)
        if place >= len(self):
            checks.fail("satellite position", value, f"a position from 0 to {len(self) - 1}")
        return place

    @classmethod
    def walker(
        cls,
        pattern: str = "delta",
        *,
        planes: int,
        satellites_per_plane: int,
        altitude_m: float,
        inclination_deg: float,
        phasing: float | str = 0,
        raan_deg: float = 0.0,
        raan_spread_deg: float | None = None,
        mean_anomaly_deg: float = 0.0,
        eccentricity: float = 0.0,
        argument_of_perigee_deg: float = 0.0,
        epoch: datetime = DESIGN_EPOCH,
        model: str = "j2",
        name: str = "sat",
    ) -> Constellation:
        """Build a Walker constellation: equal planes, evenly spread, evenly filled.

        Parameters
        ----------
        pattern : {"delta", "star"}
            Planes spread over 360 degrees (delta) or over 180 (star: polar, with a seam).
        planes, satellites_per_plane : int
            P and S; T = P S satellites.
        altitude_m : float
            Semi-major axis less the equatorial radius, 6,378,137 m.
        inclination_deg : float
        phasing : float or "alternating"
            Walker's F: plane p is ahead of plane 0 by p F 360 / T degrees. ``"alternating"``
            shifts every odd plane by half a place instead.
        raan_deg, mean_anomaly_deg : float
            Of the first satellite.
        raan_spread_deg : float, optional
            Over which angle the planes are spread; 360 or 180 by pattern unless given.
        eccentricity, argument_of_perigee_deg : float
            Of every orbit.
        epoch : datetime
        model : {"j2", "two-body", "sgp4"}
        name : str
            Satellites are called ``{name}-{plane}-{slot}``.

        Returns
        -------
        Constellation
            With one shell; satellites plane by plane.

        Notes
        -----
        J. G. Walker, "Satellite constellations", Journal of the British Interplanetary Society 37
        (1984): i: T/P/F.
        """
        checks.known("walker.pattern", pattern, PATTERNS)
        planes = checks.whole("walker.planes", planes, low=1)
        per_plane = checks.whole("walker.satellites_per_plane", satellites_per_plane, low=1)
        checks.text("walker.name", name)
        if isinstance(phasing, str):
            checks.known("walker.phasing", phasing, ("alternating",))
            ahead = np.where(np.arange(planes) % 2 == 1, 180.0 / per_plane, 0.0)
            wrap = 0.0
        else:
            wrap = checks.real("walker.phasing", phasing, low=-math.inf)
            ahead = np.arange(planes) * wrap * 360.0 / (planes * per_plane)
        if raan_spread_deg is None:
            raan_spread_deg = 360.0 if pattern == "delta" else 180.0
        spread = checks.between("walker.raan_spread_deg", raan_spread_deg, 0, 360)
        first = Satellite.from_kepler(
            name,
            altitude_m=altitude_m,
            epoch=epoch,
            model=model,
            inclination_deg=inclination_deg,
            eccentricity=eccentricity,
            argument_of_perigee_deg=argument_of_perigee_deg,
        )
        satellites = tuple(
            replace(
                first,
                name=f"{name}-{p}-{s}",
                raan_deg=(raan_deg + spread * p / planes) % 360,
                mean_anomaly_deg=(mean_anomaly_deg + ahead[p] + 360.0 * s / per_plane) % 360,
                plane=p,
                slot=s,
            )
            for p in range(planes)
            for s in range(per_plane)
        )
        return cls(satellites, (Shell(0, planes, per_plane, pattern, round(wrap)),))

    # -- readers: resolved by name at call time ---------------------------------------------------
    @classmethod
    def from_tle(cls, path: str | Path, **options: Any) -> Constellation:
        """Read two- or three-line element sets; see `orbweave.adapters.read_tle`."""
        return reader("read_tle")(path, **options)  # type: ignore[no-any-return]

    @classmethod
    def from_omm(cls, path: str | Path, **options: Any) -> Constellation:
        """Read an Orbit Mean-elements Message (CSV, JSON, XML, KVN); see `read_omm`."""
        return reader("read_omm")(path, **options)  # type: ignore[no-any-return]
