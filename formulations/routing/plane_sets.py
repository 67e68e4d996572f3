"""Orbital planes of a plan, and the sets of them that a route may have touched."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .. import checks
from ..contacts import ContactPlan

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]
    Mask = NDArray[np.bool_]

#: Any sets of that many planes can be told apart.
MOST_PLANES = 16

#: Nodes times sets; each takes about 50 bytes in a search.
MOST_STATES = 2**25


@dataclass(frozen=True, slots=True, eq=False)
class Planes:
    """The planes of a plan, by rank.

    Attributes
    ----------
    number : ndarray of int64, shape (planes,)
        As nodes carry them, in order.
    rank : ndarray of int64, shape (nodes,)
        Position of a node's plane in `number`; the number of planes for a node without one.
    """

    number: Ints
    rank: Ints

    @classmethod
    def of(cls, plan: ContactPlan) -> Planes:
        """All planes that a plan's nodes carry.

        Raises
        ------
        InputError
            Where no node has a plane.
        """
        given = np.array([-1 if node.plane is None else node.plane for node in plan.nodes])
        number = np.unique(given[given >= 0]).astype(np.int64)
        if not len(number):
            checks.fail("ContactPlan.nodes plane", None, "a plane, on one node at least")
        rank = np.searchsorted(number, given)
        return cls(number, np.where(given >= 0, rank, len(number)).astype(np.int64))

    def __len__(self) -> int:
        return len(self.number)


def across_seam(plan: ContactPlan) -> Mask:
    """Contacts between the lowest and the highest plane, if there are more than two planes."""
    planes = Planes.of(plan)
    one, other = planes.rank[plan.arrays["source"]], planes.rank[plan.arrays["target"]]
    last = len(planes) - 1
    found = (np.minimum(one, other) == 0) & (np.maximum(one, other) == last) & (last > 1)
    return np.asarray(found, dtype=bool)


def planes_missed(plan: ContactPlan, contacts: Sequence[int]) -> tuple[int, ...]:
    """Numbers of the planes that a walk over some contacts does not visit."""
    planes = Planes.of(plan)
    taken = list(contacts)
    ends = [planes.rank[plan.arrays[end][taken]] for end in ("source", "target")]
    missed = np.setdiff1d(np.arange(len(planes)), np.concatenate(ends))
    return tuple(planes.number[missed].tolist())


def growing_sets(plan: ContactPlan, planes: Planes, usable: Mask) -> Ints:
    """The sets that can come up, as a table for `planes_kernel.touch`.

    Parameters
    ----------
    plan : ContactPlan
    planes : Planes
    usable : ndarray of bool, shape (contacts,)

    Returns
    -------
    ndarray of int64, shape (sets, planes + 1)

    Raises
    ------
    InputError
        Where sets need not be intervals and are too many.
    """
    count, names = len(planes), plan.node_names
    source, target = plan.arrays["source"][usable], plan.arrays["target"][usable]
    ends = planes.rank[source], planes.rank[target]
    skips = (np.abs(ends[0] - ends[1]) > 1) & (ends[0] < count) & (ends[1] < count)
    passing = np.intersect1d(source[ends[0] == count], target[ends[1] == count])
    if not skips.any() and not len(passing):
        found = _intervals(count)
    elif count <= MOST_PLANES:
        found = _subsets(count)
    else:
        if len(passing):
            cause = f"{names[passing[0]]!r}, without a plane, passes bundles on"
            cure = "the contacts from nodes without a plane, or to them"
        else:
            k = int(np.flatnonzero(skips)[0])
            cause = f"the link {names[source[k]]!r} - {names[target[k]]!r} skips planes"
            cure = "the contacts of links that do"
        expected = f"at most {MOST_PLANES} where {cause}; leave out {cure} (`without`)"
        checks.fail("ContactPlan.nodes planes", count, expected)
    if len(found) * len(names) > MOST_STATES:
        expected = f"at most {MOST_STATES} nodes times sets of planes ({len(found)} sets)"
        checks.fail("ContactPlan.nodes", f"{len(names)} nodes", expected)
    return found


def _intervals(count: int) -> Ints:
    """The empty set, then planes from `low` to `high`, the widest last."""
    low, high = np.triu_indices(count)
    order = np.lexsort((low, high - low))
    low, high = low[order], high[order]
    number = np.zeros((count, count), dtype=np.int64)
    number[low, high] = np.arange(1, len(low) + 1)
    plane = np.arange(count)
    found = np.empty((len(low) + 1, count + 1), dtype=np.int64)
    found[0, :count] = number[plane, plane]
    wider = np.minimum(low[:, None], plane), np.maximum(high[:, None], plane)
    found[1:, :count] = number[wider]
    found[:, count] = np.arange(len(found))
    return found


def _subsets(count: int) -> Ints:
    """All sets, as bits."""
    sets = np.arange(2**count, dtype=np.int64)
    return np.column_stack([*(sets | 1 << plane for plane in range(count)), sets])
