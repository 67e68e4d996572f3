"""Which satellites have laser or radio terminals for which: motifs over shells, or the nearest."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import checks
from ..link_budgets import FixedLink, LinkBudget
from ..orbits import Constellation, Shell

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]

#: Named motifs: (planes on, places on) of each link.
MOTIFS: dict[str, tuple[tuple[int, int], ...]] = {
    "ring": ((0, 1),),
    "plus-grid": ((0, 1), (1, 0)),
}
NEAREST = "nearest"


@dataclass(frozen=True, slots=True)
class IslTopology:
    """Inter-satellite links: who may be linked, with what, and what the terminals can do.

    Parameters
    ----------
    motif : str or sequence of (int, int)
        ``"ring"`` (along each plane), ``"plus-grid"`` (and to the same place of the next plane),
        any list of (planes on, places on) such as ``[(1, -1), (3, 0)]``, or ``"nearest"``: at
        every step each satellite's free terminals go to the nearest satellites in sight. A motif
        holds within each shell; it wraps from the last plane to the first, except over the seam of
        a star.
    pairs : sequence of (str, str)
        Further links by name, or all there are with ``motif=()``.
    link : LinkBudget
        Rate of every link.
    terminals : int
        Per satellite. A motif that needs more is an error.
    grazing_altitude_m : float
        The line of sight must clear this height over the ellipsoid.
    max_range_m : float
        No link over a longer distance.
    max_slew_deg_per_s : float, optional
        Links break while a terminal would have to turn faster, seen from a body that keeps facing
        the Earth; with ``"nearest"``, turning to a new partner takes its time, too.
    acquisition_s : float
        With ``"nearest"``: from the end of the turn to the first bit.
    step_s : float
        With ``"nearest"``: how often partners are chosen.
    """

    motif: str | Sequence[tuple[int, int]] = "plus-grid"
    pairs: Sequence[tuple[str, str]] = ()
    link: LinkBudget = field(default_factory=lambda: FixedLink(10e9))
    terminals: int = 4
    grazing_altitude_m: float = 80e3
    max_range_m: float = math.inf
    max_slew_deg_per_s: float | None = None
    acquisition_s: float = 0.0
    step_s: float = 60.0

    def __post_init__(self) -> None:
        if isinstance(self.motif, str):
            checks.known("IslTopology.motif", self.motif, (*MOTIFS, NEAREST))
        else:
            object.__setattr__(self, "motif", _offsets(self.motif))
        object.__setattr__(self, "pairs", _pairs(self.pairs))
        if isinstance(self.link, type) or not hasattr(self.link, "rate_bps"):
            checks.fail("IslTopology.link", self.link, "a link, such as FixedLink(10e9)")
        terminals = checks.whole("IslTopology.terminals", self.terminals, low=1)
        object.__setattr__(self, "terminals", terminals)
        checks.between("IslTopology.grazing_altitude_m", self.grazing_altitude_m, 0, 1e6)
        checks.real("IslTopology.max_range_m", self.max_range_m, strict=True, finite=False)
        if self.max_slew_deg_per_s is not None:
            checks.real("IslTopology.max_slew_deg_per_s", self.max_slew_deg_per_s, strict=True)
        checks.real("IslTopology.acquisition_s", self.acquisition_s)
        checks.real("IslTopology.step_s", self.step_s, low=1)

    @property
    def is_nearest(self) -> bool:
        """Whether partners are chosen as they come by."""
        return self.motif == NEAREST


def _pairs(pairs: Any) -> tuple[tuple[str, str], ...]:
    if isinstance(pairs, str) or not isinstance(pairs, Sequence):
        checks.fail("IslTopology.pairs", pairs, "pairs of names of satellites")
    for k, pair in enumerate(pairs):
        good = isinstance(pair, Sequence) and not isinstance(pair, str) and len(pair) == 2
        if not good or not all(isinstance(name, str) for name in pair) or pair[0] == pair[1]:
            checks.fail(f"IslTopology.pairs[{k}]", pair, "two names of satellites")
    return tuple((a, b) for a, b in pairs)


def _offsets(motif: Any) -> tuple[tuple[int, int], ...]:
    if not isinstance(motif, Sequence):
        checks.fail("IslTopology.motif", motif, "a name, or pairs of (planes on, places on)")
    found = []
    for k, row in enumerate(motif):
        where = f"IslTopology.motif[{k}]"
        try:
            planes, slots = (operator.index(value) for value in row)
        except (TypeError, ValueError):
            checks.fail(where, row, "(planes on, places on), two whole numbers")
        if (planes, slots) == (0, 0):
            checks.fail(where, row, "another satellite than the same")
        found.append((planes, slots))
    return tuple(found)


def isl_pairs(constellation: Constellation, topology: IslTopology) -> Ints:
    """Pairs of satellites that a motif (not ``"nearest"``) links.

    Returns
    -------
    array, shape (links, 2)
        Positions in the constellation, the smaller first; every pair once, ascending.

    Raises
    ------
    InputError
        If a motif is asked of a constellation without shells, or a satellite would need more
        terminals than it has.
    """
    parts = [np.empty((0, 2), dtype=np.int64)]
    motif = MOTIFS.get(topology.motif, ()) if isinstance(topology.motif, str) else topology.motif
    if motif and not constellation.shells:
        expected = "a constellation with shells (Constellation.walker), pairs, or motif='nearest'"
        checks.fail("IslTopology.motif", topology.motif, expected)
    for shell in constellation.shells:
        parts += [_of_motif(shell, *offset) for offset in motif]
    named = [[constellation.index(name) for name in pair] for pair in topology.pairs]
    parts.append(np.array(named, dtype=np.int64).reshape(-1, 2))
    pairs = np.sort(np.concatenate(parts), axis=1)
    pairs = np.unique(pairs[pairs[:, 0] != pairs[:, 1]], axis=0)
    used = np.bincount(pairs.ravel(), minlength=len(constellation))
    if used.max(initial=0) > topology.terminals:
        k = int(np.argmax(used))
        expected = f"at least {used[k]}, which {constellation.names[k]!r} needs in this motif"
        checks.fail("IslTopology.terminals", topology.terminals, expected)
    return pairs


def _of_motif(shell: Shell, planes_on: int, slots_on: int) -> Ints:
    """Links of one offset within a shell, shape (links, 2)."""
    plane, slot = np.divmod(np.arange(shell.size), shell.satellites_per_plane)
    target = plane + planes_on
    around = target // shell.planes  # how often the link goes round the globe
    if shell.pattern == "star":
        keep = around == 0
        plane, slot, target, around = plane[keep], slot[keep], target[keep], around[keep]
    other = (slot + slots_on + around * shell.wrap_slots) % shell.satellites_per_plane
    first = shell.first + plane * shell.satellites_per_plane + slot
    second = shell.first + target % shell.planes * shell.satellites_per_plane + other
    return np.stack([first, second], axis=1)
