"""A moving mesh: satellites, their links, and the stations below, at any instant.

Other than a contact plan, which holds one delay per contact, a mesh knows the distance of every
link at every instant, from the propagator's own positions.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Sequence
from dataclasses import KW_ONLY, dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import checks
from ..instants import instant, iso
from ..link_budgets import LinkBudget
from ..mean_elements import EARTH_FLATTENING, EARTH_RADIUS_M
from ..orbits import Constellation
from ..space.earth import EarthRotation
from ..space.isl import standing
from ..space.propagate import ENGINES, states
from ..space.topology import IslTopology, isl_pairs
from ..space.window import Window, constellation_of, stations_of
from ..stations import GroundStation
from .ground import SHAPES, GroundAccess, Sites
from .mesh_kernel import distances, in_sight, turning_rates

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Flags = NDArray[np.bool_]

LOG = logging.getLogger(__name__)

#: Bytes of positions that are held at a time.
_BLOCK_BYTES = 16e6


@dataclass(frozen=True, slots=True, eq=False)
class Mesh:
    """A constellation with inter-satellite links and ground stations.

    Parameters
    ----------
    constellation : Constellation
    stations : GroundStation or sequence of GroundStation
    start : datetime
        Second 0 of all times; timezone-aware.
    isl : IslTopology, optional
        A plus-grid unless given; None for none. Its links stand while the line of sight clears
        the grazing altitude, the range is not too long and no terminal would turn too fast. With
        ``"nearest"``, partners are chosen from second 0 on.
    static_isl : bool
        Whether the links of `isl` stand always, whatever lies between.
    ground : GroundAccess
        How stations join: through every satellite above their mask unless said.
    ground_link : LinkBudget, optional
        Rate of links between satellites and stations, both ways, in clear air; only the weight
        ``"inverse_rate"`` needs it.
    engine : {"sgp4", "astroz"}
    rotation : EarthRotation

    Raises
    ------
    InputError
        For a start without a timezone, a name that is satellite and station, and other bad input.
    """

    constellation: Constellation
    stations: Sequence[GroundStation] = ()
    _: KW_ONLY
    start: datetime
    isl: IslTopology | None = field(default_factory=IslTopology)
    static_isl: bool = False
    ground: GroundAccess = field(default_factory=GroundAccess)
    ground_link: LinkBudget | None = None
    engine: str = "sgp4"
    rotation: EarthRotation = field(default_factory=EarthRotation)

    def __post_init__(self) -> None:
        constellation_of("Mesh", self.constellation)
        object.__setattr__(self, "stations", stations_of("Mesh", self.stations))
        object.__setattr__(self, "start", instant("Mesh.start", self.start))
        if self.isl is not None and not isinstance(self.isl, IslTopology):
            checks.fail("Mesh.isl", self.isl, "an IslTopology, or None")
        if not isinstance(self.static_isl, bool):
            checks.fail("Mesh.static_isl", self.static_isl, "True or False")
        if self.static_isl and self.isl is not None and self.isl.is_nearest:
            checks.fail("Mesh.static_isl", True, "False with motif='nearest', which turns links")
        if not isinstance(self.ground, GroundAccess):
            checks.fail("Mesh.ground", self.ground, "a GroundAccess")
        budget = self.ground_link
        if budget is not None and (isinstance(budget, type) or not hasattr(budget, "rate_bps")):
            checks.fail("Mesh.ground_link", budget, "a link, such as FixedLink(2e8), or None")
        checks.known("Mesh.engine", self.engine, ENGINES)
        if not isinstance(self.rotation, EarthRotation):
            checks.fail("Mesh.rotation", self.rotation, "an EarthRotation")
        checks.unique("Mesh node name", self.node_names)

    def __repr__(self) -> str:
        return (
            f"Mesh({len(self.constellation)} satellites, {len(self.stations)} stations "
            f"from {iso(self.start)})"
        )

    @property
    def node_names(self) -> tuple[str, ...]:
        """Satellites, then stations."""
        return (*self.constellation.names, *(row.name for row in self.stations))

    def links(self, time_s: float) -> dict[str, NDArray[Any]]:
        """Who is linked at an instant, and how far apart.

        Parameters
        ----------
        time_s : float
            Seconds after `start`.

        Returns
        -------
        dict of str to array, shape (links,)
            ``first``, ``second`` (positions in `node_names`, the smaller first) and
            ``distance_m``; links between satellites come before those to stations. Every link
            carries both ways.
        """
        time = checks.real("links.time_s", time_s, low=-math.inf)
        pairs, far, _ = next(mesh_links(self, np.array([time])))
        return {"first": pairs[:, 0], "second": pairs[:, 1], "distance_m": far}


def mesh_links(mesh: Mesh, times_s: Floats) -> Iterator[tuple[Ints, Floats, int]]:
    """The links of a mesh, one instant after another.

    Yields
    ------
    pairs : array, shape (links, 2)
        Positions in `node_names`; those between satellites first.
    distance_m : array, shape (links,)
    orbital : int
        How many links are between satellites.
    """
    shape = SHAPES[mesh.ground.shape]
    sites = Sites.of(mesh.stations, mesh.ground) if mesh.stations else None
    partners = _Partners.of(mesh, times_s)
    size = max(1, int(_BLOCK_BYTES / (48 * len(mesh.constellation))))
    told = False
    for block in range(0, len(times_s), size):
        times = times_s[block : block + size]
        position, velocity = states(mesh.constellation.satellites, mesh.start, times, mesh.engine)
        told = told or _tell_lost(mesh, position)
        angles = mesh.rotation.angle(mesh.start, times)
        for k, time in enumerate(times):
            here = shape.orbit_scale * position[:, k]
            pairs, far = partners.standing(float(time), here, velocity[:, k])
            orbital = len(pairs)
            if sites is not None:
                station, satellite, reach = sites.links(here, float(angles[k]))
                ground = np.stack([satellite, len(mesh.constellation) + station], axis=1)
                pairs, far = np.concatenate([pairs, ground]), np.concatenate([far, reach])
            yield pairs, far, orbital


def _tell_lost(mesh: Mesh, position: Floats) -> bool:
    """Log which satellites have no position and so no links; whether there is one."""
    lost = np.flatnonzero(np.isnan(position).any(axis=(1, 2)))
    if len(lost):
        names = ", ".join(mesh.constellation.names[k] for k in lost[:5])
        more = ", ..." if len(lost) > 5 else ""
        text = "mesh: %d of %d satellites have no position at times (decayed?): %s%s"
        LOG.warning(text, len(lost), len(mesh.constellation), names, more)
    return bool(len(lost))


@dataclass(frozen=True, slots=True, eq=False)
class _Partners:
    """Who may be linked with whom.

    Attributes
    ----------
    pairs : array, shape (pairs, 2)
    spans : (pair, start, end) or None
        When each pair is linked, where that depends on what was before.
    topology : IslTopology or None
        Whose conditions hold at each instant.
    """

    pairs: Ints
    spans: tuple[Ints, Floats, Floats] | None
    topology: IslTopology | None

    @classmethod
    def of(cls, mesh: Mesh, times_s: Floats) -> _Partners:
        if mesh.isl is None:
            return cls(np.empty((0, 2), dtype=np.int64), None, None)
        if not mesh.isl.is_nearest:
            pairs = isl_pairs(mesh.constellation, mesh.isl)
            return cls(pairs, None, None if mesh.static_isl else mesh.isl)
        last = float(times_s.max()) + mesh.isl.step_s
        window = Window.of("Mesh", mesh.start, last, None, mesh.engine, mesh.rotation)
        pairs, spans = standing(mesh.constellation, mesh.isl, window)
        return cls(pairs, spans, None)

    def standing(self, time_s: float, position: Floats, velocity: Floats) -> tuple[Ints, Floats]:
        """Pairs that are linked at an instant, and their distances (m)."""
        pairs = self.pairs
        if self.spans is not None:
            owner, start, end = self.spans
            pairs = pairs[owner[(start <= time_s) & (time_s < end)]]
        far = distances(position, pairs)
        keep = np.isfinite(far)
        if self.topology is not None:
            keep = _allowed(self.topology, pairs, far, position, velocity)
        return pairs[keep], far[keep]


def _allowed(
    topology: IslTopology, pairs: Ints, far: Floats, position: Floats, velocity: Floats
) -> Flags:
    """Which pairs a topology's conditions leave: sight, range and slew."""
    equator = EARTH_RADIUS_M + topology.grazing_altitude_m
    pole = EARTH_RADIUS_M * (1 - EARTH_FLATTENING) + topology.grazing_altitude_m
    keep: Flags = in_sight(position, pairs, equator**2, equator / pole)
    keep &= far <= topology.max_range_m
    if topology.max_slew_deg_per_s is not None:
        keep &= turning_rates(position, velocity, pairs) <= math.radians(
            topology.max_slew_deg_per_s
        )
    return keep
