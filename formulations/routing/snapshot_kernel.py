"""One snapshot of a network as arrays: arcs by the node that they leave.

A graph is ``index, tail, head, weight``: the arcs out of node u are ``index[u]`` to
``index[u + 1]``. Node and arc numbers are unsigned, which spares inner loops numba's look at
negative indices.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..compiled import kernel

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Numbers = NDArray[np.uint32]

#: No arc.
NONE = np.uint32(0xFFFFFFFF)
_ONE = np.uint32(1)


@kernel
def compressed(
    nodes: int, tail: Ints, head: Ints, weight: Floats
) -> tuple[Numbers, Numbers, Numbers, Floats]:
    """Arcs as a graph, those of a node in the order given; O(nodes + arcs)."""
    index = np.zeros(nodes + 1, dtype=np.uint32)
    for k in range(tail.size):
        index[tail[k] + 1] += _ONE
    for u in range(nodes):
        index[u + 1] += index[u]
    free = index[:-1].copy()
    tails, heads = np.empty(tail.size, dtype=np.uint32), np.empty(tail.size, dtype=np.uint32)
    weights = np.empty(tail.size)
    for k in range(tail.size):
        place = free[tail[k]]
        tails[place], heads[place], weights[place] = tail[k], head[k], weight[k]
        free[tail[k]] += _ONE
    return index, tails, heads, weights


@kernel
def arcs_between(index: Numbers, head: Numbers, index2: Numbers, head2: Numbers) -> Numbers:
    """Where each arc of a graph is in another one of the same nodes, or `NONE`.

    The arcs of a node mostly keep their order, so the next one is looked at first: O(arcs) then.
    """
    found = np.full(head.size, NONE, dtype=np.uint32)
    for u in range(index.size - 1):
        first, size, expected = index2[u], int(index2[u + 1]) - int(index2[u]), 0
        for arc in range(index[u], index[u + 1]):
            for m in range(size):
                other = first + (expected + m) % size
                if head2[other] == head[arc]:
                    found[arc] = other
                    expected += m + 1
                    break
    return found


@kernel
def predecessors(tail: Numbers, via: Numbers) -> NDArray[np.int32]:
    """The node before each one on its path, -1 where there is none, of the shape of `via`."""
    found = np.full(via.shape, -1, dtype=np.int32)
    for k in range(via.shape[0]):
        for v in range(via.shape[1]):
            if via[k, v] != NONE:
                found[k, v] = tail[via[k, v]]
    return found
