"""Constellations: satellites, and the regular shells among them.

The parts stand in files of their own: `mean_elements` (the Earth's numbers), `satellites` and
`stations`; their names are here as well. What moves and sees stands in `formulations.space`; these
files are the data.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from . import checks
from .mean_elements import (
    EARTH_FLATTENING,
    EARTH_J2,
    EARTH_MU,
    EARTH_RADIUS_M,
    brouwer_axis_m,
    kepler_axis_m,
)
from .readers import reader
from .satellites import DESIGN_EPOCH, ELEMENTS, MEAN_MOTIONS, MODELS, Satellite
from .stations import GroundStation

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "DESIGN_EPOCH",
    "EARTH_FLATTENING",
    "EARTH_J2",
    "EARTH_MU",
    "EARTH_RADIUS_M",
    "ELEMENTS",
    "MEAN_MOTIONS",
    "MODELS",
    "PATTERNS",
    "Constellation",
    "GroundStation",
    "Satellite",
    "Shell",
    "brouwer_axis_m",
    "kepler_axis_m",
]

PATTERNS = ("delta", "star")


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
        for name, low in (("first", 0), ("planes", 1), ("satellites_per_plane", 1)):
            value = checks.whole(f"Shell.{name}", getattr(self, name), low=low)
            object.__setattr__(self, name, value)
        checks.known("Shell.pattern", self.pattern, PATTERNS)
        try:
            object.__setattr__(self, "wrap_slots", operator.index(self.wrap_slots))
        except TypeError:
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
        if not isinstance(name, str) or name not in self._position:
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
        raan_deg = checks.between("walker.raan_deg", raan_deg, -720, 720)
        mean_anomaly_deg = checks.between("walker.mean_anomaly_deg", mean_anomaly_deg, -720, 720)
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
