"""Shortest-path trees from some nodes over snapshot after snapshot, by the road asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .snapshot_arcs import Arcs
from .snapshot_kernel import arcs_between, compressed, predecessors
from .tree_kernel import breadth_first, buckets, dijkstra, repair

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Numbers = NDArray[np.uint32]
    Places = NDArray[np.int32]
    Flags = NDArray[np.bool_]
    Graph = tuple[Numbers, Numbers, Numbers, Floats]

#: warm: buckets first, then each step repairs the trees of the one before. buckets, heap, scipy:
#: every step anew. bfs: for hops only. All find the same distances.
METHODS = ("warm", "buckets", "heap", "scipy", "bfs")


class Trees:
    """Trees from some sources, grown over one snapshot and carried on to the next.

    Parameters
    ----------
    sources : array of int, shape (sources,)
    relay : array of bool, shape (nodes,)
        Nodes that paths may lead through.
    method : str
        One of `METHODS`.
    """

    __slots__ = ("_arcs", "_distance", "_graph", "_order", "_relay", "_sources", "_via", "method")

    def __init__(self, sources: NDArray[np.int64], relay: Flags, method: str):
        shape = (len(sources), len(relay))
        self.method = method
        self._sources = sources.astype(np.uint32)
        self._relay = relay
        self._arcs: Arcs | None = None
        self._graph: Graph | None = None
        self._distance = np.empty(shape)
        self._via = np.empty(shape, dtype=np.uint32)
        self._order = np.empty(shape, dtype=np.uint32)

    def grow(self, arcs: Arcs) -> tuple[Floats, Places]:
        """Distances and predecessors (-1: none), shape (sources, nodes), on a snapshot."""
        if self.method == "scipy":
            return self._by_scipy(arcs)
        if arcs is not self._arcs:
            before = self._graph
            graph = compressed(len(self._relay), arcs.tail, arcs.head, arcs.weight)
            self._arcs, self._graph = arcs, graph
            self._find(graph, before)
        assert self._graph is not None
        return self._distance.copy(), predecessors(self._graph[1], self._via)

    def _find(self, graph: Graph, before: Graph | None) -> None:
        index, tail, head, weight = graph
        sources, relay, distance, via = self._sources, self._relay, self._distance, self._via
        if self.method == "bfs":
            breadth_first(index, head, relay, sources, distance, via)
        elif self.method == "heap":
            dijkstra(index, head, weight, relay, sources, distance, via)
        elif self.method == "buckets" or before is None:
            buckets(index, head, weight, relay, sources, distance, via, self._order)
        else:
            moved = arcs_between(before[0], before[2], index, head)
            repair(index, tail, head, weight, relay, sources, moved, distance, via, self._order)

    def _by_scipy(self, arcs: Arcs) -> tuple[Floats, Places]:
        """SciPy's Dijkstra: sources start at nodes of their own, relays alone lead on."""
        from scipy.sparse import csr_array
        from scipy.sparse.csgraph import dijkstra as by_scipy

        nodes, count = len(self._relay), len(self._sources)
        sources = self._sources.astype(np.int64)
        onward = self._relay[arcs.tail]
        parts = [(arcs.tail[onward], arcs.head[onward], arcs.weight[onward])]
        for k, source in enumerate(sources):
            mine = arcs.tail == source
            own = np.full(int(mine.sum()), nodes + k)
            parts.append((own, arcs.head[mine], arcs.weight[mine]))
        tail, head, weight = (np.concatenate(column) for column in zip(*parts, strict=True))
        index, _, heads, weights = compressed(nodes + count, tail, head, weight)
        shape = (nodes + count, nodes + count)
        graph = csr_array((weights, heads.astype(np.int32), index.astype(np.int32)), shape=shape)
        starts = nodes + np.arange(count)
        distance, before = by_scipy(graph, indices=starts, return_predecessors=True)
        distance = np.ascontiguousarray(distance[:, :nodes])
        before = before[:, :nodes].astype(np.int32)
        before = np.where(before >= nodes, sources[:, None], before)
        rows = np.arange(count)
        distance[rows, sources], before[rows, sources] = 0.0, -1
        return distance, np.where(before < 0, -1, before).astype(np.int32)
