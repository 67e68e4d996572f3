"""Along a path: its nodes from a tree, its links on a snapshot."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from .snapshot_arcs import Arcs

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]


class Ends(NamedTuple):
    """Positions of the two ends of a path."""

    source: int
    target: int


def nodes_along(before: NDArray[np.int32], ends: Ends) -> Ints:
    """Nodes of a path in the tree of its source, both ends included; empty where there is none."""
    nodes = [ends.target]
    while nodes[-1] != ends.source:
        nodes.append(int(before[nodes[-1]]))
        if nodes[-1] < 0:
            return np.empty(0, dtype=np.int64)
    return np.array(nodes[::-1], dtype=np.int64)


def links_along(arcs: Arcs, path: Ints, nodes: int) -> Floats:
    """Weights of a path's links, the least of parallel ones; infinite for a link that is gone.

    Parameters
    ----------
    arcs : Arcs
    path : array of int, shape (hops + 1,) or empty
    nodes : int
        How many there are in the network.

    Returns
    -------
    array, shape (hops,)
        O(arcs).
    """
    if not len(path):
        return np.empty(0)
    wanted = path[:-1] * nodes + path[1:]
    key = arcs.tail * nodes + arcs.head
    mine = np.flatnonzero(np.isin(key, wanted))
    order = np.argsort(wanted)
    found = np.full(len(wanted), np.inf)
    place = order[np.searchsorted(wanted, key[mine], sorter=order)]
    np.minimum.at(found, place, arcs.weight[mine])
    return found
