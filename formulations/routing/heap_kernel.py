"""Dijkstra's algorithm from whatever waits in a heap.

The heap holds nodes by distance, four children a node; ``place[u]`` is where node u stands in it.
Graphs and relays are those of `tree_kernel`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..compiled import kernel

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Places = NDArray[np.int32]
    Numbers = NDArray[np.uint32]
    Flags = NDArray[np.bool_]

#: In `place`: a node that is not in the heap.
OUTSIDE = -1


@kernel
def rise(heap: Numbers, keys: Floats, place: Places, node: int, key: float, hole: int) -> None:
    """Put a node into the heap, from the hole at `hole` up (four children a node)."""
    while hole > 0:
        parent = (hole - 1) >> 2
        if keys[parent] <= key:
            break
        heap[hole], keys[hole] = heap[parent], keys[parent]
        place[heap[hole]] = hole
        hole = parent
    heap[hole], keys[hole] = node, key
    place[node] = hole


@kernel
def pop(heap: Numbers, keys: Floats, place: Places, size: int) -> int:
    """Take the least of `size` nodes out of the heap."""
    top: int = heap[0]
    place[top] = OUTSIDE
    size -= 1
    node, key, hole = heap[size], keys[size], 0
    if size == 0:
        return top
    while True:
        child = 4 * hole + 1
        if child >= size:
            break
        least = child
        for other in range(child + 1, min(child + 4, size)):
            if keys[other] < keys[least]:
                least = other
        if keys[least] >= key:
            break
        heap[hole], keys[hole] = heap[least], keys[least]
        place[heap[hole]] = hole
        hole = least
    heap[hole], keys[hole] = node, key
    place[node] = hole
    return top


@kernel
def relax(
    index: Numbers,
    head: Numbers,
    weight: Floats,
    u: int,
    distance: Floats,
    via: Numbers,
    heap: Numbers,
    keys: Floats,
    place: Places,
    size: int,
) -> int:
    """Look at the arcs out of u; what they bring nearer goes into the heap. Its new size."""
    base = distance[u]
    for arc in range(index[u], index[u + 1]):
        v = head[arc]
        length = base + weight[arc]
        if length < distance[v]:
            distance[v], via[v] = length, arc
            hole = int(place[v])
            if hole == OUTSIDE:
                hole = size
                size += 1
            rise(heap, keys, place, v, length, hole)
    return size


@kernel
def finish(
    index: Numbers,
    head: Numbers,
    weight: Floats,
    relay: Flags,
    source: int,
    distance: Floats,
    via: Numbers,
    heap: Numbers,
    keys: Floats,
    place: Places,
    size: int,
) -> None:
    """Dijkstra's algorithm from what is in the heap on."""
    while size > 0:
        u = pop(heap, keys, place, size)
        size -= 1
        if relay[u] or u == source:
            size = relax(index, head, weight, u, distance, via, heap, keys, place, size)
