"""An independent sky: Skyfield's `altaz` on a dense grid, refined by bisection."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from orbweave.formulations.orbits import GroundStation, Satellite
from orbweave.formulations.space.propagate import satrec

Floats = NDArray[np.float64]


class Sky:
    """Elevations that Skyfield gives, in seconds of a window."""

    def __init__(self, start: datetime):
        from skyfield.api import load

        self.scale = load.timescale(builtin=True)
        self.base = self.scale.from_datetime(start)

    @property
    def ut1_utc_s(self) -> float:
        value: Any = self.base.dut1
        return float(value)

    def elevation(self, satellite: Satellite, station: GroundStation) -> Callable[[Floats], Floats]:
        """Elevation (deg) of a satellite over a station as a function of times."""
        from skyfield.api import EarthSatellite, wgs84

        body = EarthSatellite.from_satrec(satrec(satellite), self.scale)
        place = wgs84.latlon(station.latitude_deg, station.longitude_deg, station.altitude_m)
        seen: Any = body - place

        def at(times_s: Floats) -> Floats:
            moment = self.scale.tt_jd(self.base.whole, self.base.tt_fraction + times_s / 86400)
            return np.asarray(seen.at(moment).altaz()[0].degrees, dtype=np.float64)

        return at


def edges(angle: Callable[[Floats], Floats], duration_s: float, mask: float) -> Floats:
    """Times at which a function of time crosses a mask, to 0.1 ms.

    It is looked at every 10 s and, where it comes near the mask without crossing it, finely
    around the extremum, so that grazing passes and short gaps are seen too.
    """

    def height(times_s: Floats) -> Floats:
        return angle(times_s) - mask

    times = np.append(np.arange(0.0, duration_s, 10.0), duration_s)
    values = height(times)
    extra = []
    for sign in (1.0, -1.0):
        turned = sign * values
        top = (turned[1:-1] >= turned[:-2]) & (turned[1:-1] >= turned[2:])
        for k in np.flatnonzero(top & (turned[1:-1] < 0) & (turned[1:-1] > -2)) + 1:
            fine = np.linspace(times[k - 1], times[k + 1], 1001)
            best = fine[np.argmax(sign * height(fine))]
            extra.append(best)
    times = np.unique(np.concatenate([times, extra]))
    values = height(times)
    cross = np.flatnonzero((values[1:] > 0) != (values[:-1] > 0))
    low, high, rising = times[cross].copy(), times[cross + 1].copy(), values[cross + 1] > 0
    while len(low) and (high - low).max() > 1e-4:
        middle = (low + high) / 2
        up = (height(middle) > 0) == rising
        low, high = np.where(up, low, middle), np.where(up, middle, high)
    return np.asarray((low + high) / 2, dtype=np.float64)
