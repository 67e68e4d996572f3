"""Satellites: mean elements, and the model that moves them.

The models are ``sgp4`` (elements of a TLE or OMM), ``j2`` (Kepler with the secular drift of the
Earth's oblateness) and ``two-body``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from . import checks
from .instants import DAY_S, instant
from .mean_elements import (
    EARTH_MU,
    EARTH_RADIUS_M,
    brouwer_axis_m,
    kepler_axis_m,
    kozai_motion,
)

MODELS = ("sgp4", "j2", "two-body")

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

#: Epoch of designed constellations unless given.
DESIGN_EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


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
        kozai = kozai_motion(axis, found.eccentricity, found.inclination_deg)
        motion = kozai * DAY_S / (2 * math.pi)
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
