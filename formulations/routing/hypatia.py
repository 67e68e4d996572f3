"""Hypatia's conventions: what its simulator takes for positions, ranges and links.

S. Kassing et al., "Exploring the 'Internet from space' with Hypatia", ACM Internet Measurement
Conference (2020); positions there come from PyEphem.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from datetime import datetime

import numpy as np

from .. import checks
from ..instants import DAY_S, J2000, instant, seconds_between
from ..orbits import Constellation
from ..space.earth import EarthRotation, greenwich_angle
from ..space.topology import IslTopology
from ..space.window import constellation_of, stations_of
from ..stations import GroundStation
from .ground import GroundAccess
from .mesh import Mesh

#: UT1 seconds to seconds of sidereal time.
_SIDEREAL = 1.00273790935


def hypatia_mesh(
    constellation: Constellation,
    stations: GroundStation | Sequence[GroundStation],
    links: Iterable[tuple[int, int]],
    *,
    max_ground_range_m: float,
    start: datetime | None = None,
    engine: str = "sgp4",
) -> Mesh:
    """A mesh as Hypatia computes it.

    The given inter-satellite links stand always; a station reaches every satellite within a slant
    range, whatever its elevation, sqrt(cone^2 + altitude^2) in Hypatia's scripts; stations stand
    on PyEphem's ellipsoid, under its sidereal time. Ranges are those of PyEphem within 13 m.

    Parameters
    ----------
    constellation : Constellation
        As read from Hypatia's element sets.
    stations : GroundStation or sequence of GroundStation
    links : iterable of (int, int)
        Positions in the constellation.
    max_ground_range_m : float
    start : datetime, optional
        The epoch of the first satellite unless given.
    engine : {"sgp4", "astroz"}

    Returns
    -------
    Mesh
    """
    whole = constellation_of("hypatia_mesh", constellation)
    pairs = np.array(list(links))
    good = pairs.size == 0 or (pairs.ndim == 2 and pairs.shape[1] == 2 and pairs.dtype.kind in "iu")
    if not good or pairs.min(initial=0) < 0 or pairs.max(initial=0) >= len(whole):
        expected = f"pairs of positions from 0 to {len(whole) - 1}"
        checks.fail("hypatia_mesh.links", pairs.tolist()[:3], expected)
    epoch = whole.satellites[0].epoch if start is None else instant("hypatia_mesh.start", start)
    used = np.bincount(pairs.astype(np.int64).ravel()).max(initial=1)
    topology = IslTopology(
        motif=(),
        pairs=[(whole.names[a], whole.names[b]) for a, b in pairs],
        terminals=int(used),
    )
    return Mesh(
        whole,
        stations_of("hypatia_mesh", stations),
        start=epoch,
        isl=topology,
        static_isl=True,
        ground=GroundAccess(max_range_m=max_ground_range_m, masked=False, shape="pyephem"),
        engine=engine,
        rotation=EarthRotation(ut1_utc_s=_newcomb_s(epoch)),
    )


def _newcomb_s(moment: datetime) -> float:
    """What to add to UTC so that GMST82 is the sidereal time of PyEphem's satellites.

    That is Newcomb's, from the days since 1899-12-31 12:00 (*Explanatory Supplement to the
    Ephemeris*, 1961, section 3B), read at the last midnight and carried on from there.
    """
    since = seconds_between(J2000, moment)
    midnight = math.floor(since / DAY_S + 0.5) * DAY_S - 0.5 * DAY_S
    centuries = (midnight / DAY_S + 36525.0) / 36525.0
    hours = 6.6460656 + (2400.051262 + 0.00002581 * centuries) * centuries
    ours = float(greenwich_angle(np.array([midnight]))[0]) * DAY_S / (2 * math.pi)
    behind = (hours * 3600.0 - ours + 0.5 * DAY_S) % DAY_S - 0.5 * DAY_S
    return behind / _SIDEREAL
