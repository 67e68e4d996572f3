"""The compiled part of routes that touch every plane: labels by node and by planes touched.

What is touched is a number into a table (`grow`) that says which number it becomes with one plane
more; so the same loop serves intervals of planes and any sets of them.
"""

# pyright: reportArgumentType=false, reportCallIssue=false
# (An element of an array is a number here: these loops are compiled.)

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..compiled import kernel
from .arrival_kernel import Arcs, over_group
from .heap_kernel import OUTSIDE, pop, rise

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Mask = NDArray[np.bool_]


@kernel
def touch(
    arcs: Arcs,
    grow: Ints,
    plane: Ints,
    source: int,
    depart: float,
    bits: float,
    usable: Mask,
    goal: Mask,
    until: float,
) -> tuple[int, Ints, Ints]:
    """Dijkstra's algorithm over time on pairs of a node and the planes touched on the way to it.

    Parameters
    ----------
    arcs : Arcs
    grow : array, shape (sets, planes + 1)
        By set and plane, the set with that plane; the last column is for nodes without one. Set 0
        is the empty one, the last is that of all planes.
    plane : array, shape (nodes,)
        Column of `grow`.
    source : int
    depart, bits : float
    usable : array of bool, shape (contacts,)
    goal : array of bool, shape (nodes,)
        Where a bundle that has touched all planes may end.
    until : float
        Arrivals later than this are of no use.

    Returns
    -------
    state (node times sets, plus set) in which it ends first, -1 if in none; by state the contact
    and the state before
    """
    first, table, number, sets = arcs.group_first, arcs.table, arcs.contact, grow.shape[0]
    count, size = plane.size * sets, 1
    label = np.full(count, np.inf)
    contact, before = np.full(count, -1), np.full(count, -1)
    heap, keys = np.empty(count, dtype=np.uint32), np.empty(count)
    place = np.full(count, OUTSIDE, dtype=np.int32)
    done = np.zeros(count, dtype=np.bool_)
    begin = source * sets + grow[0, plane[source]]
    label[begin] = depart
    rise(heap, keys, place, begin, depart, 0)
    while size:
        state = pop(heap, keys, place, size)
        size -= 1
        done[state] = True
        node, touched, now = state // sets, state % sets, label[state]
        if goal[node] and touched == sets - 1:
            return state, contact, before
        for group in range(arcs.node_first[node], arcs.node_first[node + 1]):
            other = arcs.group_node[group]
            after = other * sets + grow[touched, plane[other]]
            if done[after]:
                continue
            low, stop, limit = first[group], first[group + 1], label[after]
            found, i = over_group(number, table, low, stop, now, bits, usable, limit, 0.0, now)
            if i < 0 or found > until:
                continue
            label[after], contact[after], before[after] = found, number[i], state
            hole = int(place[after])
            if hole == OUTSIDE:
                hole = size
                size += 1
            rise(heap, keys, place, after, found, hole)
    return -1, contact, before
