"""Is this constellation what its owner thinks it is? Checks that speak, and stop nothing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np

from .. import checks
from ..instants import DAY_S, instant, seconds_between
from ..mean_elements import EARTH_RADIUS_M
from ..orbits import Constellation
from .propagate import propagate
from .window import constellation_of

#: Below this perigee an orbit lasts days.
_LOW_M = 160e3


@dataclass(frozen=True, slots=True)
class OrbitFinding:
    """Something about a satellite that its owner should know.

    Attributes
    ----------
    satellite : str
    kind : {"altitude", "age", "low", "decayed"}
    message : str
        What was found and what was expected.
    """

    satellite: str
    kind: str
    message: str


def inspect_orbits(
    constellation: Constellation,
    *,
    at: datetime | None = None,
    expected_altitude_m: float | None = None,
    tolerance_m: float = 10e3,
    max_age_days: float = 14.0,
) -> tuple[OrbitFinding, ...]:
    """Check a constellation's elements: altitude, age, decay.

    Parameters
    ----------
    constellation : Constellation
    at : datetime, optional
        When it is to be used: elements more than `max_age_days` older or newer are reported (SGP4
        loses 1 to 3 km a day), and satellites that have decayed by then.
    expected_altitude_m : float, optional
        Altitude that the constellation is said to have; orbits whose mean motion says otherwise,
        by more than `tolerance_m`, are reported.
    tolerance_m, max_age_days : float

    Returns
    -------
    tuple of OrbitFinding
        In the order of the satellites.
    """
    constellation_of("inspect_orbits", constellation)
    checks.real("inspect_orbits.tolerance_m", tolerance_m)
    checks.real("inspect_orbits.max_age_days", max_age_days)
    if expected_altitude_m is not None:
        checks.real("inspect_orbits.expected_altitude_m", expected_altitude_m)
    moment = None if at is None else instant("inspect_orbits.at", at)
    gone = np.zeros(len(constellation), dtype=bool)
    if moment is not None:
        gone = np.isnan(propagate(constellation, moment, [0.0])[0][:, 0, 0])
    found = []
    for row, decayed in zip(constellation.satellites, gone, strict=True):
        altitude = row.semi_major_axis_m - EARTH_RADIUS_M
        if expected_altitude_m is not None and abs(altitude - expected_altitude_m) > tolerance_m:
            message = (
                f"{row.mean_motion_rev_per_day:.5f} revolutions a day are a mean altitude of "
                f"{altitude / 1e3:.1f} km, not {expected_altitude_m / 1e3:.1f} km"
            )
            found.append(OrbitFinding(row.name, "altitude", message))
        if moment is not None and row.model == "sgp4":
            age = seconds_between(row.epoch, moment) / DAY_S
            if abs(age) > max_age_days:
                side = "older" if age > 0 else "newer"
                message = f"elements are {abs(age):.1f} days {side} than {moment:%FT%TZ}"
                found.append(OrbitFinding(row.name, "age", message))
        if decayed:
            message = f"SGP4 has no position at {moment:%FT%TZ}: decayed"
            found.append(OrbitFinding(row.name, "decayed", message))
        elif row.perigee_altitude_m < _LOW_M:
            message = f"perigee at {row.perigee_altitude_m / 1e3:.0f} km: decays within days"
            found.append(OrbitFinding(row.name, "low", message))
    return tuple(found)
