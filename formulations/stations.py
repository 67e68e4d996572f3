"""Ground stations: where antennas stand, and what they see of the sky."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from . import checks


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
    if isinstance(rows, np.ndarray):
        rows = rows.tolist()
    if isinstance(rows, str) or not isinstance(rows, Sequence) or not len(rows):
        checks.fail(where, rows, "pairs of azimuth and elevation in degrees")
    found = []
    for k, row in enumerate(rows):
        if isinstance(row, str) or not isinstance(row, Sequence) or len(row) != 2:
            checks.fail(f"{where}[{k}]", row, "a pair of azimuth and elevation in degrees")
        azimuth = checks.between(f"{where}[{k}] azimuth", row[0], 0, 360)
        found.append((azimuth % 360, checks.between(f"{where}[{k}] elevation", row[1], -10, 89.9)))
    found = sorted(set(found))  # 0 and 360 degrees with one elevation are one corner
    for before, after in pairwise(found):
        if before[0] == after[0]:
            checks.fail(f"{where} azimuth", after[0], "every azimuth once")
    return tuple(found)
