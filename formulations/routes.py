"""The best route between every two nodes, as a function of how many bytes travel.

A transfer is store-and-forward: every hop adds ``bytes * 8 / rate_bps + latency_s``. For one
path that is a line in the number of bytes, so the best time between two nodes is a concave,
piecewise linear function of the size, and the tree of best routes from one node changes at a few
sizes only. `find_routes` finds those trees once for every source (Dijkstra at the ends of an
interval of sizes; a tree that is best at both ends is best in between, by concavity) and `Routes`
answers for any number of sizes with arrays.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numba
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .network import Network

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Routes:
    """Latency-best routes of a network for given transfer sizes.

    A tree holds the best routes from one node for an interval of sizes.

    Parameters
    ----------
    sizes_bytes : ndarray, shape (S,)
        As given to `find_routes`.
    tree : ndarray of int64, shape (S, N)
        Which tree holds the best routes of each size from each node.
    before : ndarray of int64, shape (trees, N)
        Last link of the route to each node, -1 where there is none.
    latency_s, seconds_per_byte, joules_per_byte, scarce_hops : ndarray, shape (trees, N)
        Sums along the route to each node: time is ``latency_s + bytes * seconds_per_byte``
        (infinite latency where no route exists), `scarce_hops` count for ``bandwidth``.
    link_source, link_target : ndarray of int64, shape (num_links,)
    """

    sizes_bytes: Floats
    tree: Ints
    before: Ints
    latency_s: Floats
    seconds_per_byte: Floats
    joules_per_byte: Floats
    scarce_hops: Floats
    link_source: Ints
    link_target: Ints

    def since(self, first: int) -> Routes:
        """The routes of the sizes from number `first` on."""
        return replace(self, sizes_bytes=self.sizes_bytes[first:], tree=self.tree[first:])

    def time_s(self) -> Floats:
        """Transfer times, shape (S, N, N); zero on the diagonal, infinite without a route."""
        table: Floats = _spread(self.tree, self.sizes_bytes, self.latency_s, self.seconds_per_byte)
        return table

    def scarce_bytes(self) -> Floats:
        """Bytes times scarce hops, shape (S, N, N); infinite without a route."""
        table: Floats = _spread(self.tree, self.sizes_bytes, self._unreachable(), self.scarce_hops)
        return table

    def energy_j(self) -> Floats:
        """Joules spent on the links of the route, shape (S, N, N); infinite without a route."""
        table: Floats = _spread(
            self.tree, self.sizes_bytes, self._unreachable(), self.joules_per_byte
        )
        return table

    def _unreachable(self) -> Floats:
        return np.where(np.isinf(self.latency_s), np.inf, 0.0)

    def links(self, size: int, source: int, target: int) -> list[int]:
        """Links of one route in travelling order (empty for source = target or no route)."""
        before = self.before[self.tree[size, source]]
        path: list[int] = []
        node = target
        while node != source:
            link = int(before[node])
            if link < 0:
                return []
            path.append(link)
            node = int(self.link_source[link])
        return path[::-1]


def find_routes(network: Network, sizes_bytes: Floats) -> Routes:
    """Find the latency-best route for each size between every two nodes.

    Ties go to the route with fewer hops, then to the one that was found first.

    Parameters
    ----------
    network : Network
    sizes_bytes : ndarray, shape (S,)
        Bytes per transfer, finite and non-negative.

    Returns
    -------
    Routes

    Notes
    -----
    O(T (N^2 + links)) for T distinct trees, then O(S N^2) array work per table asked for.
    """
    names = {node.name: k for k, node in enumerate(network.nodes)}
    count = len(network.nodes)
    source = np.array([names[row.source] for row in network.links], dtype=np.int64)
    target = np.array([names[row.target] for row in network.links], dtype=np.int64)
    values = np.array(
        [[row.latency_s, 8.0 / row.rate_bps, 8.0 * row.joules_per_bit] for row in network.links],
        dtype=np.float64,
    ).reshape(-1, 3)
    values = np.column_stack([values, network.scarce_links().astype(np.float64)])
    order = np.argsort(source, kind="stable")
    starts = np.searchsorted(source[order], np.arange(count + 1))
    distinct, inverse = np.unique(sizes_bytes, return_inverse=True)
    tree, before, sums = _find_trees(starts, order, target, values, distinct)
    return Routes(
        np.asarray(sizes_bytes, dtype=np.float64),
        tree[inverse.reshape(-1)],
        before,
        np.ascontiguousarray(sums[:, :, 0]),
        np.ascontiguousarray(sums[:, :, 1]),
        np.ascontiguousarray(sums[:, :, 2]),
        np.ascontiguousarray(sums[:, :, 3]),
        source,
        target,
    )


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _spread(tree: Ints, sizes: Floats, constant: Floats, slope: Floats) -> Floats:
    """``constant + size * slope`` of every size's trees: shape (S, N, N)."""
    table = np.empty((tree.shape[0], tree.shape[1], tree.shape[1]))
    for s in range(tree.shape[0]):
        for u in range(tree.shape[1]):
            row = tree[s, u]
            for v in range(tree.shape[1]):
                table[s, u, v] = constant[row, v] + sizes[s] * slope[row, v]
    return table


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _shortest_tree(
    root: int, starts: Ints, order: Ints, target: Ints, values: Floats, size: float
) -> tuple[Ints, Floats]:
    """Dijkstra from `root` for one size: last links, and sums of `values` along each route."""
    n = len(starts) - 1
    before = np.full(n, -1, dtype=np.int64)
    sums = np.zeros((n, 4))
    dist = np.full(n, np.inf)
    hops = np.zeros(n, dtype=np.int64)
    done = np.zeros(n, dtype=np.bool_)
    dist[root] = 0.0
    sums[:, 0] = np.inf
    sums[root, 0] = 0.0
    for _ in range(n):
        u = -1
        for v in range(n):
            if done[v] or dist[v] == np.inf:
                continue
            if u < 0 or dist[v] < dist[u] or (dist[v] == dist[u] and hops[v] < hops[u]):
                u = v
        if u < 0:
            break
        done[u] = True
        for k in range(starts[u], starts[u + 1]):
            link = order[k]
            v = target[link]
            if done[v]:
                continue
            new = dist[u] + (values[link, 0] + values[link, 1] * size)
            if new < dist[v] or (new == dist[v] and hops[u] + 1 < hops[v]):
                dist[v] = new
                hops[v] = hops[u] + 1
                before[v] = link
                sums[v] = sums[u] + values[link]
    return before, sums


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _no_worse(ours: Floats, best: Floats, size: float) -> bool:
    """Whether one tree's routes are as fast as another's for one size."""
    for v in range(len(ours)):
        limit = best[v, 0] + best[v, 1] * size
        if limit < np.inf and ours[v, 0] + ours[v, 1] * size > limit * (1 + 1e-13):
            return False
    return True


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _find_trees(
    starts: Ints, order: Ints, target: Ints, values: Floats, sizes: Floats
) -> tuple[Ints, Ints, Floats]:
    """Trees of every source and which one serves each of the ascending `sizes`."""
    n, count = len(starts) - 1, len(sizes)
    tree = np.full((count, n), -1, dtype=np.int64)
    before = np.empty((4 * n, n), dtype=np.int64)
    sums = np.empty((4 * n, n, 4))
    used = 0
    ranges = np.empty((count + 2, 2), dtype=np.int64)
    for root in range(n):
        # A range with low = high asks for the tree at that size alone.
        depth = 0
        if count > 0:
            ranges[0] = 0, count - 1
            ranges[1] = count - 1, count - 1
            ranges[2 if count > 1 else 1] = 0, 0
            depth = 3 if count > 1 else 2
        while depth > 0:
            depth -= 1
            low, high = ranges[depth]
            if low == high:
                if used == len(before):
                    before = np.concatenate((before, np.empty_like(before)))
                    sums = np.concatenate((sums, np.empty_like(sums)))
                last, sum_ = _shortest_tree(root, starts, order, target, values, float(sizes[low]))
                before[used] = last
                sums[used] = sum_
                tree[low, root] = used
                used += 1
                continue
            if high - low < 2:
                continue
            first, last_tree = tree[low, root], tree[high, root]
            if first == last_tree or _no_worse(sums[first], sums[last_tree], float(sizes[high])):
                tree[low + 1 : high, root] = first
                continue
            if _no_worse(sums[last_tree], sums[first], float(sizes[low])):
                tree[low + 1 : high, root] = last_tree
                continue
            middle = (low + high) // 2
            ranges[depth] = low, middle
            ranges[depth + 1] = middle, high
            ranges[depth + 2] = middle, middle
            depth += 3
    return tree, before[:used].copy(), sums[:used].copy()
