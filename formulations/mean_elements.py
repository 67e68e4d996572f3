"""The Earth's numbers, and mean motions as semi-major axes: Kepler's, Brouwer's, Kozai's."""

from __future__ import annotations

import math

from .instants import DAY_S

#: WGS 84: gravity (m^3/s^2), equatorial radius (m), flattening, and the zonal term J2.
EARTH_MU = 3.986004418e14
EARTH_RADIUS_M = 6378137.0
EARTH_FLATTENING = 1 / 298.257223563
EARTH_J2 = 1.08262668e-3

#: WGS 72 as SGP4 has it: radius (m), gravity (m^3/s^2), J2.
_SGP4_RADIUS_M, _SGP4_MU, _SGP4_J2 = 6378135.0, 3.986008e14, 1.082616e-3


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


def kozai_motion(axis_m: float, eccentricity: float, inclination_deg: float) -> float:
    """Kozai mean motion (rad/s) whose Brouwer semi-major axis in SGP4 is `axis_m`."""
    factor = _oblateness(eccentricity, inclination_deg)
    brouwer = math.sqrt(_SGP4_MU / axis_m**3)
    kozai = brouwer
    for _ in range(20):
        kozai *= brouwer / _brouwer_motion(kozai, factor)
    return kozai


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
