"""The sky on which motifs are tried: every offset's links at every instant, laid out once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import checks
from ..space.earth import LIGHT_SPEED_M_PER_S
from ..space.topology import IslTopology, isl_pairs
from ..stations import GroundStation
from .mesh import Mesh, mesh_links
from .snapshot_arcs import Arcs, moments, relays_of
from .trees import Trees

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Links = tuple[Ints, Floats]

Offset = tuple[int, int]

#: Mean radius of the Earth (IUGG).
_MEAN_RADIUS_M = 6371008.8


@dataclass(frozen=True, slots=True, eq=False)
class MotifSky:
    """Links that motifs are made of, and the pairs of stations that measure them.

    Attributes
    ----------
    offsets : mapping of (int, int) to (pairs, distances)
        Links of each offset: positions of satellites, shape (links, 2), and m, shape (instants,
        links). Only offsets whose links all stand at all instants, and of those with the same
        links the first.
    ground : sequence of (pairs, distances)
        Links between satellites and stations at each instant.
    relay : array of bool, shape (nodes,)
    pairs : array of int, shape (pairs, 2)
        Positions of stations among the nodes.
    along_m : array, shape (pairs,)
        Their distances along the ground.
    usable : array of bool, shape (instants, pairs)
        Whether both see a satellite.
    shells : int
    members : array of bool, shape (satellites,)
        Which satellites belong to a shell.
    """

    offsets: Mapping[Offset, Links]
    ground: Sequence[Links]
    relay: NDArray[np.bool_]
    pairs: Ints
    along_m: Floats
    usable: NDArray[np.bool_]
    shells: int
    members: NDArray[np.bool_]

    @classmethod
    def of(
        cls, mesh: Mesh, pairs: Any, nearest_m: float, times: Any, offsets: Sequence[Offset]
    ) -> MotifSky:
        """Lay out a mesh's satellites and stations; `mesh.isl` says what links keep to.

        Without `pairs`, all that are at least `nearest_m` apart.
        """
        constellation = mesh.constellation
        if not constellation.shells:
            expected = "one with shells, such as Constellation.walker builds"
            checks.fail("search_motifs.constellation", constellation, expected)
        times_s = moments("search_motifs", times)
        chosen = _pairs(pairs, mesh.stations)
        along = _along_m(mesh.stations, chosen)
        if pairs is None:
            chosen, along = chosen[along >= nearest_m], along[along >= nearest_m]
            if not len(chosen):
                expected = f"two that are {nearest_m:g} m apart"
                checks.fail("search_motifs.stations", [row.name for row in mesh.stations], expected)
        members = np.zeros(len(constellation), dtype=np.bool_)
        for shell in constellation.shells:
            members[shell.first : shell.first + shell.size] = True
        bare = replace(mesh, isl=None)
        ground = [(rows, far) for rows, far, _ in mesh_links(bare, times_s)]
        nodes = len(mesh.node_names)
        seen = np.array([np.bincount(rows[:, 1], minlength=nodes) > 0 for rows, _ in ground])
        one, two = (seen[:, column] for column in (chosen + len(constellation)).T)
        usable: NDArray[np.bool_] = one & two
        if not usable.any():
            expected = "a pair of stations that both see a satellite at some instant"
            checks.fail("search_motifs.pairs", pairs, expected)
        return cls(
            _offsets(replace(mesh, stations=()), times_s, offsets),
            ground,
            relays_of(mesh),
            chosen + len(constellation),
            along,
            usable,
            len(constellation.shells),
            members,
        )

    def first_look(self, stations: int) -> MotifSky:
        """The same at the first instant, from those few stations that have the most pairs."""
        often = np.bincount(self.pairs[:, 0], minlength=len(self.relay))
        roots = np.argsort(-often, kind="stable")[:stations]
        kept = np.isin(self.pairs[:, 0], roots)
        usable = self.usable[:1, kept]
        if not usable.any():  # what these stations see says nothing
            return self
        return replace(
            self,
            ground=self.ground[:1],
            pairs=self.pairs[kept],
            along_m=self.along_m[kept],
            usable=usable,
        )

    @property
    def count(self) -> int:
        """Paths that measure a motif."""
        return int(self.usable.sum())

    def isls(self, motif: Sequence[Offset]) -> int:
        """Most links of a satellite."""
        return int(np.bincount(self._links(motif).ravel()).max())

    def longest_m(self, motif: Sequence[Offset]) -> float:
        """Longest link at any instant."""
        return float(max(self.offsets[row][1].max() for row in motif))

    def components(self, motif: Sequence[Offset]) -> int:
        """Pieces into which the satellites of all shells fall."""
        from scipy.sparse import coo_array
        from scipy.sparse.csgraph import connected_components

        one, two = self._links(motif).T
        shape = (len(self.members), len(self.members))
        graph = coo_array((np.ones(len(one)), (one, two)), shape=shape)
        piece = connected_components(graph, directed=False)[1]
        return len(np.unique(piece[self.members]))

    def stretch(self, motif: Sequence[Offset]) -> tuple[float, float]:
        """Mean and 95th percentile of path length over distance along the ground."""
        roots, row = np.unique(self.pairs[:, 0], return_inverse=True)
        links, parts = self._links(motif), []
        for k, (ground, reach) in enumerate(self.ground):
            far = np.concatenate([*(self.offsets[each][1][k] for each in motif), reach])
            one, two = np.concatenate([links, ground]).T
            arcs = Arcs(np.r_[one, two], np.r_[two, one], np.r_[far, far] / LIGHT_SPEED_M_PER_S)
            distance, _ = Trees(roots, self.relay, "buckets").grow(arcs)
            way = LIGHT_SPEED_M_PER_S * distance[row, self.pairs[:, 1]]
            parts.append((way / self.along_m)[self.usable[k]])
        found = np.concatenate(parts)
        return float(found.mean()), float(np.percentile(found, 95))

    def _links(self, motif: Sequence[Offset]) -> Ints:
        found: Ints = np.concatenate([self.offsets[row][0] for row in motif])
        return found


def _offsets(mesh: Mesh, times_s: Floats, offsets: Sequence[Offset]) -> dict[Offset, Links]:
    """Links of the offsets that stand everywhere."""
    found: dict[Offset, Links] = {}
    known: set[bytes] = set()
    limits = mesh.isl
    assert isinstance(limits, IslTopology)
    for offset in offsets:
        topology = replace(limits, motif=(offset,), terminals=2)
        pairs = isl_pairs(mesh.constellation, topology)
        if not len(pairs) or pairs.tobytes() in known:
            continue
        known.add(pairs.tobytes())
        far = []
        for rows, distance, _ in mesh_links(replace(mesh, isl=topology), times_s):
            if len(rows) < len(pairs):
                break
            far.append(distance)
        if len(far) == len(times_s):
            found[offset] = (pairs, np.array(far))
    return found


def _along_m(stations: Sequence[GroundStation], pairs: Ints) -> Floats:
    """Great circles between pairs of stations, by the haversine."""
    latitude = np.radians([row.latitude_deg for row in stations])[pairs]
    longitude = np.radians([row.longitude_deg for row in stations])[pairs]
    across = np.sin(0.5 * (longitude[:, 1] - longitude[:, 0])) ** 2
    half = np.sin(0.5 * (latitude[:, 1] - latitude[:, 0])) ** 2
    half = half + np.cos(latitude[:, 0]) * np.cos(latitude[:, 1]) * across
    found: Floats = 2 * _MEAN_RADIUS_M * np.arcsin(np.sqrt(np.minimum(half, 1.0)))
    if not (found > 0).all():
        k = int(np.argmin(found))
        told = tuple(stations[m].name for m in pairs[k])
        checks.fail("search_motifs.pairs", told, "two stations at different places")
    return found


def _pairs(pairs: Any, stations: Sequence[GroundStation]) -> Ints:
    """Pairs of stations by position, shape (pairs, 2)."""
    names = [row.name for row in stations]
    if len(names) < 2:
        checks.fail("search_motifs.stations", names, "two stations or more")
    if pairs is None:
        return np.stack(np.triu_indices(len(names), 1), axis=1).astype(np.int64)
    if isinstance(pairs, str) or not isinstance(pairs, Sequence) or not len(pairs):
        checks.fail("search_motifs.pairs", pairs, "pairs of names of stations, or None for all")
    position = {name: k for k, name in enumerate(names)}
    found = []
    for k, pair in enumerate(pairs):
        if isinstance(pair, str) or len(pair) != 2 or pair[0] == pair[1]:
            checks.fail(f"search_motifs.pairs[{k}]", pair, "the names of two stations")
        found.append([position[checks.known(f"pairs[{k}]", name, names)] for name in pair])
    return np.array(found, dtype=np.int64)
