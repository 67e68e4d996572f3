"""The Earth under the satellites: its shape, its rotation, and the Sun in its sky."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np

from .. import checks
from ..instants import DAY_S, J2000, seconds_between
from ..mean_elements import EARTH_FLATTENING, EARTH_RADIUS_M
from ..stations import GroundStation
from .ut1 import ut1_minus_utc

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: Mean rotation (rad/s), IERS Conventions 2010.
EARTH_RATE_RAD_PER_S = 7.292115e-5
SUN_RADIUS_M = 6.957e8
ASTRONOMICAL_UNIT_M = 1.495978707e11
LIGHT_SPEED_M_PER_S = 299792458.0


@dataclass(frozen=True, slots=True)
class EarthRotation:
    """How the Earth is turned at each moment.

    Parameters
    ----------
    ut1_utc_s : float, optional
        UT1 - UTC in seconds, below 0.9 by definition; unless given, that of the date (a table of
        the IERS until 2026, its last value after).
    greenwich_deg : float, optional
        Sidereal angle of Greenwich at second 0 of the window, for studies with a made-up sky;
        unless given, the angle of the date (GMST82).
    """

    ut1_utc_s: float | None = None
    greenwich_deg: float | None = None

    def __post_init__(self) -> None:
        if self.ut1_utc_s is not None:
            checks.between("EarthRotation.ut1_utc_s", self.ut1_utc_s, -1, 1)
        if self.greenwich_deg is not None:
            checks.between("EarthRotation.greenwich_deg", self.greenwich_deg, -360, 360)

    def angle(self, start: datetime, times_s: NDArray[np.float64]) -> NDArray[np.float64]:
        """Angle from the equinox to Greenwich (rad) `times_s` seconds after `start`."""
        if self.greenwich_deg is not None:
            return math.radians(self.greenwich_deg) + EARTH_RATE_RAD_PER_S * times_s
        offset = ut1_minus_utc(start) if self.ut1_utc_s is None else self.ut1_utc_s
        return greenwich_angle(seconds_between(J2000, start) + offset + times_s)


def greenwich_angle(ut1_s: NDArray[np.float64]) -> NDArray[np.float64]:
    """Greenwich mean sidereal angle (rad) of UT1 seconds since 2000-01-01 12:00.

    GMST 1982 (Aoki et al., Astronomy and Astrophysics 105): what turns SGP4's TEME frame into an
    Earth-fixed one (Vallado et al., AIAA 2006-6753). Polar motion is left out: below 15 m.
    """
    centuries = ut1_s / (36525 * DAY_S)
    seconds = (
        67310.54841
        + (8640184.812866 + (0.093104 - 6.2e-6 * centuries) * centuries) * centuries
        + ut1_s % DAY_S
    )
    angle: NDArray[np.float64] = (seconds % DAY_S) * (2 * math.pi / DAY_S)
    return angle


def sun_direction(
    utc_s: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Where the Sun stands: unit vectors and distances.

    Low-precision formulas of the Astronomical Almanac (page C5): 0.01 degrees between 1950 and
    2050, which moves the edges of a low orbit's eclipse by 0.2 s.

    Parameters
    ----------
    utc_s : array, shape (n,)
        UTC seconds since 2000-01-01 12:00.

    Returns
    -------
    direction : array, shape (n, 3)
        From the Earth's centre; equator and equinox of date.
    distance_m : array, shape (n,)
    """
    days = utc_s / DAY_S
    anomaly = np.radians(357.528 + 0.9856003 * days)
    longitude = np.radians(
        280.460 + 0.9856474 * days + 1.915 * np.sin(anomaly) + 0.020 * np.sin(2 * anomaly)
    )
    obliquity = np.radians(23.439 - 4e-7 * days)
    direction = np.stack(
        [
            np.cos(longitude),
            np.cos(obliquity) * np.sin(longitude),
            np.sin(obliquity) * np.sin(longitude),
        ],
        axis=-1,
    )
    distance = 1.00014 - 0.01671 * np.cos(anomaly) - 0.00014 * np.cos(2 * anomaly)
    return direction, distance * ASTRONOMICAL_UNIT_M


def station_frames(
    stations: Sequence[GroundStation],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Earth-fixed place and local axes of stations (WGS 84).

    Returns
    -------
    position_m : array, shape (stations, 3)
    axes : array, shape (stations, 3, 3)
        Rows: east, north, up.
    """
    latitude = np.radians([row.latitude_deg for row in stations])
    return frames_at(latitude, stations, EARTH_RADIUS_M, EARTH_FLATTENING)


def frames_at(
    latitude_rad: NDArray[np.float64],
    stations: Sequence[GroundStation],
    radius_m: float,
    flattening: float,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """`station_frames` of stations at other latitudes, on another ellipsoid."""
    longitude = np.radians([row.longitude_deg for row in stations])
    altitude = np.array([row.altitude_m for row in stations], dtype=np.float64)
    sin_lat, cos_lat = np.sin(latitude_rad), np.cos(latitude_rad)
    sin_lon, cos_lon = np.sin(longitude), np.cos(longitude)
    squared = flattening * (2 - flattening)
    curve = radius_m / np.sqrt(1 - squared * sin_lat**2)
    position = np.stack(
        [
            (curve + altitude) * cos_lat * cos_lon,
            (curve + altitude) * cos_lat * sin_lon,
            (curve * (1 - squared) + altitude) * sin_lat,
        ],
        axis=-1,
    )
    axes = np.empty((len(latitude_rad), 3, 3))
    axes[:, 0] = np.stack([-sin_lon, cos_lon, np.zeros_like(sin_lon)], axis=-1)
    axes[:, 1] = np.stack([-sin_lat * cos_lon, -sin_lat * sin_lon, cos_lat], axis=-1)
    axes[:, 2] = np.stack([cos_lat * cos_lon, cos_lat * sin_lon, sin_lat], axis=-1)
    return position, axes


def earth_turn(angle_rad: float) -> NDArray[np.float64]:
    """What turns Earth-fixed rows into inertial ones, ``rows @ turn``; its transpose, back."""
    cosine, sine = math.cos(angle_rad), math.sin(angle_rad)
    return np.array([[cosine, sine, 0.0], [-sine, cosine, 0.0], [0.0, 0.0, 1.0]])


def geodetic(
    position_m: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Latitude and longitude (deg) and altitude (m) of Earth-fixed positions, shape (..., 3).

    Bowring's formula (Survey Review 28, 1985), one step: below a micrometre up to 1,000 km.
    """
    x, y, z = np.moveaxis(position_m, -1, 0)
    a, b = EARTH_RADIUS_M, EARTH_RADIUS_M * (1 - EARTH_FLATTENING)
    squared, second = 1 - (b / a) ** 2, (a / b) ** 2 - 1
    p, r = np.hypot(x, y), np.sqrt(x * x + y * y + z * z)
    parametric = np.arctan2(b * z * (1 + second * b / r), a * p)
    latitude = np.arctan2(
        z + second * b * np.sin(parametric) ** 3, p - squared * a * np.cos(parametric) ** 3
    )
    altitude = (
        p * np.cos(latitude)
        + z * np.sin(latitude)
        - a * np.sqrt(1 - squared * np.sin(latitude) ** 2)
    )
    return np.degrees(latitude), np.degrees(np.arctan2(y, x)), altitude
