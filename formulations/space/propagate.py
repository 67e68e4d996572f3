"""Where satellites are: SGP4 through well-kept libraries, Kepler for designed orbits."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import checks
from ..instants import DAY_S, instant, julian_day, seconds_between
from ..orbits import Constellation
from ..satellites import Satellite
from .kepler import kepler_states

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

#: Engines for SGP4: the reference, and a faster one that agrees within 0.5 m (an extra, ``fast``).
ENGINES = ("sgp4", "astroz")

#: Largest catalogue number that the `sgp4` package takes; it plays no part in the orbit.
_LARGEST_NUMBER = 339_999
_SGP4_DAY_0 = 2433281.5  # 1949-12-31 00:00, where SGP4 counts its days from


def propagate(
    constellation: Constellation,
    start: datetime,
    times_s: Any,
    *,
    engine: str = "sgp4",
) -> tuple[Floats, Floats]:
    """Positions and velocities of all satellites at all times.

    Parameters
    ----------
    constellation : Constellation
    start : datetime
        Second 0; timezone-aware.
    times_s : array_like, shape (times,)
        Seconds after `start`.
    engine : {"sgp4", "astroz"}
        For satellites of model ``sgp4``: the `sgp4` package (Vallado's code) or, faster, `astroz`.

    Returns
    -------
    position_m, velocity_m_per_s : array, shape (satellites, times, 3)
        In TEME (SGP4) or the inertial frame of the elements. NaN where SGP4 gives up on a
        satellite, as it does after decay.

    Raises
    ------
    InputError
        For an unknown engine or a start without a timezone.
    ImportError
        If `astroz` is asked for and missing.
    """
    if not isinstance(constellation, Constellation):
        checks.fail("propagate.constellation", type(constellation).__name__, "a Constellation")
    try:
        times = np.atleast_1d(np.asarray(times_s, dtype=np.float64))
    except (TypeError, ValueError):
        times = np.full((1, 1), np.nan)
    if times.ndim != 1 or not np.isfinite(times).all():
        checks.fail("propagate.times_s", times_s, "finite seconds, in one dimension")
    return states(constellation.satellites, instant("propagate.start", start), times, engine)


def states(
    satellites: Sequence[Satellite], start: datetime, times_s: Floats, engine: str
) -> tuple[Floats, Floats]:
    """What `propagate` gives, for any satellites."""
    checks.known("engine", engine, ENGINES)
    by_sgp4 = np.array([row.model == "sgp4" for row in satellites])
    if by_sgp4.all():
        return _sgp4_states(satellites, start, times_s, engine)
    shape = (len(satellites), len(times_s), 3)
    position, velocity = np.empty(shape), np.empty(shape)
    if by_sgp4.any():
        chosen = [row for row in satellites if row.model == "sgp4"]
        position[by_sgp4], velocity[by_sgp4] = _sgp4_states(chosen, start, times_s, engine)
    others = [row for row in satellites if row.model != "sgp4"]
    age = np.array([seconds_between(row.epoch, start) for row in others])
    found = kepler_states(others, age, times_s)
    if not by_sgp4.any():
        return found
    position[~by_sgp4], velocity[~by_sgp4] = found
    return position, velocity


def _sgp4_states(
    satellites: Sequence[Satellite], start: datetime, times_s: Floats, engine: str
) -> tuple[Floats, Floats]:
    api = _api(engine)
    day, fraction = julian_day(start)
    moved = fraction + times_s / DAY_S
    whole = np.floor(moved)
    array = api.SatrecArray([satrec(row, api) for row in satellites])
    wrong, position, velocity = array.sgp4(day + whole, moved - whole)
    if wrong.any():
        position[wrong != 0] = velocity[wrong != 0] = np.nan
    position *= 1e3
    velocity *= 1e3
    return position, velocity


def _api(engine: str) -> Any:
    if engine == "astroz":
        try:
            import astroz.api
        except ImportError as error:
            message = "engine 'astroz' needs astroz: pip install 'orbweave[fast]'"
            raise ImportError(message) from error
        return astroz.api
    import sgp4.api

    return sgp4.api


def satrec(satellite: Satellite, api: Any = None) -> Any:
    """The record of a satellite in the `sgp4` package (or in `api`, a module like ``sgp4.api``).

    Gravity constants are those of WGS 72, with which TLEs are made.
    """
    api = _api("sgp4") if api is None else api
    day, fraction = julian_day(satellite.epoch)
    minute = 2 * math.pi / 1440.0
    number = satellite.catalog_number or 0
    record = api.Satrec()
    record.sgp4init(
        api.WGS72,
        "i",
        number if number <= _LARGEST_NUMBER else 0,
        # Rounded as Vallado's code rounds it, for the same lunar and solar terms.
        (day + fraction) - _SGP4_DAY_0,
        satellite.bstar,
        satellite.mean_motion_dot * minute / 1440.0,
        satellite.mean_motion_ddot * minute / 1440.0**2,
        satellite.eccentricity,
        math.radians(satellite.argument_of_perigee_deg),
        math.radians(satellite.inclination_deg),
        math.radians(satellite.mean_anomaly_deg),
        satellite.mean_motion_rev_per_day * minute,
        math.radians(satellite.raan_deg),
    )
    if api.__name__ == "sgp4.api":
        # One float of days loses 0.3 microseconds of the epoch, 2 mm of the orbit. (In astroz it
        # is read-only; its own time arithmetic rounds to 40 microseconds.)
        record.jdsatepoch, record.jdsatepochF = day, fraction
    return record
