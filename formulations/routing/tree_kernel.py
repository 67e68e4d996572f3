"""Shortest-path trees on one snapshot of a network, and their repair for the next.

Graphs are those of `snapshot_kernel`, weights >= 0. Nodes that are no `relay` end paths: none leads
through them, unless it starts there. Every function writes, of shape (sources, nodes), `distance`
and `via`, the arc by which a path comes to a node.

The length of a path is the floating-point sum of its weights from the source on. That sum never
falls when an arc is added, and of two prefixes the shorter one stays the shorter, so the shortest
length is one number, whatever road finds it: a repaired tree has the very distances of a new one.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from ..compiled import kernel
from .heap_kernel import OUTSIDE, finish, relax, rise
from .snapshot_kernel import NONE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Numbers = NDArray[np.uint32]
    Flags = NDArray[np.bool_]

#: Buckets in a ring; a power of two.
_RING = 256


@kernel
def dijkstra(
    index: Numbers,
    head: Numbers,
    weight: Floats,
    relay: Flags,
    sources: Numbers,
    distance: Floats,
    via: Numbers,
) -> None:
    """A tree per source by Dijkstra's algorithm; O(sources (arcs + nodes) log nodes)."""
    nodes = index.size - 1
    heap, keys, place = np.empty(nodes, np.uint32), np.empty(nodes), np.empty(nodes, np.int32)
    place[:] = OUTSIDE
    for k in range(sources.size):
        source, reach = sources[k], distance[k]
        reach[:] = math.inf
        via[k] = NONE
        reach[source] = 0.0
        rise(heap, keys, place, source, 0.0, 0)
        finish(index, head, weight, relay, source, reach, via[k], heap, keys, place, 1)


@kernel
def buckets(
    index: Numbers,
    head: Numbers,
    weight: Floats,
    relay: Flags,
    sources: Numbers,
    distance: Floats,
    via: Numbers,
    order: Numbers,
) -> None:
    """A tree per source from nodes in buckets of like distance; writes `order`, too.

    Of one bucket, 1/254 of the largest weight wide, nodes are taken as they come, again when they
    turn out nearer: where weights are alike hardly ever, so no heap is needed (U. Meyer,
    P. Sanders, "Delta-stepping", Journal of Algorithms 49, 2003). Where they are not, and nodes
    come up too often, Dijkstra's algorithm takes over.

    `order`, shape (sources, nodes), lists all nodes, the nearest first or nearly so: where
    `repair` begins.
    """
    nodes = index.size - 1
    heap, keys, place = np.empty(nodes, np.uint32), np.empty(nodes), np.empty(nodes, np.int32)
    place[:] = OUTSIDE
    longest = weight.max() if weight.size else 0.0
    scale = (_RING - 2) / longest if longest > 1e-300 else 1.0
    room = 4 * head.size + 16
    # Entries are chained by bucket; one counts while its node still belongs to that bucket.
    entry, following = np.empty(room, np.uint32), np.empty(room, np.int64)
    chain, bucket = np.empty(_RING, np.int64), np.empty(nodes, np.int64)
    met = np.empty(nodes, np.bool_)
    for k in range(sources.size):
        source, reach, along, nearest = sources[k], distance[k], via[k], order[k]
        reach[:] = math.inf
        along[:] = NONE
        chain[:] = bucket[:] = -1
        met[:] = False
        reach[source] = 0.0
        entry[0], following[0], chain[0], bucket[source] = source, -1, 0, 0
        used, waiting, now, seen = 1, 1, 0, 0
        while waiting > 0 and used + head.size < room:
            first = chain[now & (_RING - 1)]
            if first < 0:
                now += 1
                continue
            u = entry[first]
            chain[now & (_RING - 1)] = following[first]
            waiting -= 1
            if bucket[u] != now:
                continue
            bucket[u] = -1
            if not met[u]:
                met[u] = True
                nearest[seen] = u
                seen += 1
            if not relay[u] and u != source:
                continue
            base = reach[u]
            for arc in range(index[u], index[u + 1]):
                v = head[arc]
                length = base + weight[arc]
                if length < reach[v]:
                    reach[v], along[v] = length, arc
                    target = int(length * scale)
                    if bucket[v] != target:
                        ring = target & (_RING - 1)
                        bucket[v] = target
                        entry[used], following[used], chain[ring] = v, chain[ring], used
                        used += 1
                        waiting += 1
        size = 0
        for v in range(nodes):
            if not met[v]:
                nearest[seen] = v
                seen += 1
            if bucket[v] >= 0:
                rise(heap, keys, place, v, reach[v], size)
                size += 1
        finish(index, head, weight, relay, source, reach, along, heap, keys, place, size)
        _sort(reach, nearest, keys, 8 * nodes)


@kernel
def repair(
    index: Numbers,
    tail: Numbers,
    head: Numbers,
    weight: Floats,
    relay: Flags,
    sources: Numbers,
    moved: Numbers,
    distance: Floats,
    via: Numbers,
    order: Numbers,
) -> None:
    """A tree per source from the trees of another snapshot, `via` and `order`.

    First the lengths along the old tree, whose arcs are now at `moved` (what has lost its arc, or
    comes before its predecessor in `order`, hangs in the air); then a look at every arc: where one
    makes a node nearer, Dijkstra's algorithm goes on from that node. Exact for any change of
    weights and arcs. O(sources arcs) where little changed, at worst that more than `dijkstra`.
    """
    nodes = index.size - 1
    heap, keys, place = np.empty(nodes, np.uint32), np.empty(nodes), np.empty(nodes, np.int32)
    place[:] = OUTSIDE
    arcs = np.flatnonzero(relay[tail]).astype(np.uint32)
    tails, heads, weights = tail[arcs], head[arcs], weight[arcs]
    for k in range(sources.size):
        source, reach, along, nearest = sources[k], distance[k], via[k], order[k]
        reach[:] = math.inf
        reach[source] = 0.0
        for m in range(nodes):
            u = nearest[m]
            if along[u] != NONE:
                arc = moved[along[u]]
                along[u] = arc
                if arc != NONE:
                    reach[u] = reach[tail[arc]] + weight[arc]
                    if reach[u] == math.inf:
                        along[u] = NONE
        size = relax(index, head, weight, source, reach, along, heap, keys, place, 0)
        if _shorter(reach, tails, heads, weights):
            for m in range(arcs.size):
                length, v = reach[tails[m]] + weights[m], heads[m]
                if length < reach[v]:
                    reach[v], along[v] = length, arcs[m]
                    hole = int(place[v])
                    if hole == OUTSIDE:
                        hole = size
                        size += 1
                    rise(heap, keys, place, v, length, hole)
        finish(index, head, weight, relay, source, reach, along, heap, keys, place, size)
        _sort(reach, nearest, keys, 8 * nodes)


@kernel
def _shorter(distance: Floats, tail: Numbers, head: Numbers, weight: Floats) -> bool:
    """Whether any arc makes a node nearer; without a branch in the loop."""
    count = 0
    for m in range(tail.size):
        count += distance[tail[m]] + weight[m] < distance[head[m]]
    return count > 0


@kernel
def _sort(distance: Floats, order: Numbers, keys: Floats, moves: int) -> None:
    """Bring nodes that are nearly in the order of their distances into it, in so many moves."""
    for m in range(order.size):
        node = order[m]
        key = distance[node]
        hole = m
        while hole > 0 and keys[hole - 1] > key and moves > 0:
            order[hole], keys[hole] = order[hole - 1], keys[hole - 1]
            hole -= 1
            moves -= 1
        order[hole], keys[hole] = node, key


@kernel
def breadth_first(
    index: Numbers,
    head: Numbers,
    relay: Flags,
    sources: Numbers,
    distance: Floats,
    via: Numbers,
) -> None:
    """A tree of fewest arcs per source; O(sources arcs)."""
    queue = np.empty(index.size - 1, dtype=np.uint32)
    for k in range(sources.size):
        source, reach = sources[k], distance[k]
        reach[:] = math.inf
        via[k] = NONE
        reach[source] = 0.0
        queue[0] = source
        first, last = 0, 1
        while first < last:
            u = queue[first]
            first += 1
            if not relay[u] and u != source:
                continue
            for arc in range(index[u], index[u + 1]):
                v = head[arc]
                if reach[v] == math.inf:
                    reach[v], via[k, v] = reach[u] + 1.0, arc
                    queue[last] = v
                    last += 1
