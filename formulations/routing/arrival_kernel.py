"""The compiled part of routing over time: labels of earliest arrival, by node and by hops.

The same loops serve both directions. Searched backwards, time runs the other way: a contact from
``start_s`` to ``end_s`` is one from ``-end_s`` to ``-start_s`` that light crosses before the bytes
are sent instead of after, so there is a delay on each side of the transmission.
"""

# pyright: reportArgumentType=false, reportCallIssue=false
# (An element of an array is a number here: these loops are compiled.)

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..compiled import kernel
from .heap_kernel import OUTSIDE, pop, rise

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Mask = NDArray[np.bool_]

#: Times that differ by this share of themselves are equal: sums of floats round.
SLACK = 1e-13


#: Columns of `Arcs.table`. A bundle of volume 0 begins from START0 to END0, both included; SOONEST
#: and the two after it are the best of this contact and all behind it in its group: least start
#: plus AFTER, least BEFORE plus AFTER, highest rate.
START, END, START0, END0, RATE, BEFORE, AFTER, SOONEST, SHORTEST, FASTEST = range(10)


class Arcs(NamedTuple):
    """Contacts by the node that they leave, grouped by neighbour, in a group by end and start.

    What belongs to one contact lies together in memory: a search looks at few of each group.
    """

    node_first: Ints  #: (nodes + 1,) first group of each node
    group_node: Ints  #: (groups,) the neighbour
    group_first: Ints  #: (groups + 1,) first contact of each group
    contact: Ints  #: (contacts,) position in the plan
    table: Floats  #: (contacts, 10)


def last_before(end_s: Any) -> Any:
    """The latest moment that is before an end, in numbers or arrays, whatever sums round."""
    return np.nextafter(end_s - SLACK * np.abs(end_s), -np.inf)


@kernel
def tails(group_first: Ints, table: Floats) -> None:
    """Fill the last three columns: what the rest of a group offers at best."""
    for g in range(group_first.size - 1):
        soonest, shortest, fastest = np.inf, np.inf, 0.0
        for i in range(group_first[g + 1] - 1, group_first[g] - 1, -1):
            soonest = min(soonest, table[i, START] + table[i, AFTER])
            shortest = min(shortest, table[i, BEFORE] + table[i, AFTER])
            fastest = max(fastest, table[i, RATE])
            table[i, SOONEST], table[i, SHORTEST], table[i, FASTEST] = soonest, shortest, fastest


@kernel
def seconds(bits: float, rate_bps: float) -> float:
    """How long a transmission takes; infinitely long without a rate, unless there is nothing."""
    return bits / rate_bps if bits > 0.0 else 0.0


@kernel
def over_group(
    contact: Ints,
    table: Floats,
    low: int,
    stop: int,
    now: float,
    bits: float,
    usable: Mask,
    limit: float,
    late: float,
    sooner: float,
) -> tuple[float, int]:
    """Earliest arrival over the contacts of one pair, `low` to `stop`, and which one it is.

    ``(limit, -1)`` if none is earlier than that. Bisection skips what has ended; the scan stops
    where the rest cannot be earlier. A contact that begins later may be faster, so the first that
    fits need not be the best. A contact may end by `late` too late for a bundle that is there now
    if one that is there `sooner` (no later than now) would be in time.
    """
    start, end = (START, END) if bits > 0.0 else (START0, END0)
    high = stop
    while low < high:
        middle = (low + high) // 2
        if table[middle, end] + late < now:
            low = middle + 1
        else:
            high = middle
    best, chosen = limit, -1
    for i in range(low, stop):
        least = max(now + table[i, SHORTEST], table[i, SOONEST])
        if least + seconds(bits, table[i, FASTEST]) >= best:
            break
        if not usable[contact[i]]:
            continue
        first, last, spent = table[i, start], table[i, end], seconds(bits, table[i, RATE])
        done = max(now + table[i, BEFORE], first) + spent
        if bits > 0.0:
            last += SLACK * max(abs(first), abs(last))
        if done > last and (done > last + late or max(sooner, first) + spent > last):
            continue
        if done + table[i, AFTER] < best:
            best, chosen = done + table[i, AFTER], i
    return best, chosen


@kernel
def search(
    arcs: Arcs,
    label: Floats,
    contact: Ints,
    bits: float,
    usable: Mask,
    goal: Mask,
    until: float,
    late: float,
    sooner: Floats,
) -> None:
    """Dijkstra's algorithm over time; ``label`` comes with the beginnings and goes with arrivals.

    Parameters
    ----------
    label : array, shape (nodes,)
        When a bundle is at the nodes where it begins, infinite elsewhere.
    contact : array, shape (nodes,)
        Becomes the contact (position in the plan) by which the earliest arrival comes; -1 without.
    goal : array, shape (nodes,)
        Nodes at which the search may end; it goes on to all that is reached as early.
    until : float
        Labels later than this are of no use.
    late : float
        Seconds by which a contact may end too late: 0, or more for a relaxation.
    sooner : array, shape (nodes,)
        With `late`, when bundles are at the nodes at the earliest; else anything. A contact that
        ends too late even for those is left out all the same.
    """
    first, table, number = arcs.group_first, arcs.table, arcs.contact
    count, size = label.size, 0
    heap, keys = np.empty(count, dtype=np.uint32), np.empty(count)
    place = np.full(count, OUTSIDE, dtype=np.int32)
    done = np.zeros(count, dtype=np.bool_)
    contact[:] = -1
    for node in range(count):
        if label[node] <= until:
            rise(heap, keys, place, node, label[node], size)
            size += 1
    while size:
        node = pop(heap, keys, place, size)
        size -= 1
        if label[node] > until:
            break
        done[node] = True
        if goal[node]:
            until = min(until, label[node])
            continue
        for group in range(arcs.node_first[node], arcs.node_first[node + 1]):
            other = arcs.group_node[group]
            if done[other]:
                continue
            low, stop, now = first[group], first[group + 1], label[node]
            limit, soon = label[other], sooner[node]
            found, i = over_group(number, table, low, stop, now, bits, usable, limit, late, soon)
            if i < 0 or found > until:
                continue
            label[other] = found
            contact[other] = number[i]
            hole = int(place[other])
            if hole == OUTSIDE:
                hole = size
                size += 1
            rise(heap, keys, place, other, found, hole)


@kernel
def searches(arcs: Arcs, label: Floats, contact: Ints, bits: float, usable: Mask) -> None:
    """One search to all nodes for each row of `label` and `contact`, shape (runs, nodes)."""
    goal = np.zeros(label.shape[1], dtype=np.bool_)
    for run in range(label.shape[0]):
        search(arcs, label[run], contact[run], bits, usable, goal, np.inf, 0.0, label[run])


@kernel
def layer(
    arcs: Arcs, label: Floats, fresh: Mask, bits: float, usable: Mask, by: Floats
) -> tuple[Floats, Ints, Mask, bool]:
    """One hop more: earliest arrivals with at most that many hops.

    Parameters
    ----------
    label : array, shape (nodes,)
        Earliest arrivals with one hop less.
    fresh : array, shape (nodes,)
        Nodes whose label the last hop improved; the others have nothing new to tell.
    by : array, shape (nodes,)
        Arrivals later than this are of no use.

    Returns
    -------
    labels, contacts of the last hop (-1 where none is new), nodes improved, whether there are any
    """
    first, table, number = arcs.group_first, arcs.table, arcs.contact
    new = label.copy()
    contact = np.full(label.size, -1)
    improved = np.zeros(label.size, dtype=np.bool_)
    some = False
    for node in range(label.size):
        if not fresh[node]:
            continue
        for group in range(arcs.node_first[node], arcs.node_first[node + 1]):
            other = arcs.group_node[group]
            low, stop, now = first[group], first[group + 1], label[node]
            limit = new[other]
            found, i = over_group(number, table, low, stop, now, bits, usable, limit, 0.0, now)
            if i >= 0 and found <= by[other]:
                new[other] = found
                contact[other] = number[i]
                improved[other] = True
                some = True
    return new, contact, improved, some
