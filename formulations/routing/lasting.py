"""Paths that last: how long each link goes on standing, and the path that breaks last."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..compiled import kernel
from ..contacts import ContactPlan
from .mesh import Mesh
from .snapshot_arcs import Arcs, arcs_at
from .trees import Trees
from .walking import Ends, nodes_along

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Runs:
    """From when to when each link stands without a break.

    Attributes
    ----------
    pair : array of int, shape (runs,)
        Position of the tail times the number of nodes, plus that of the head.
    start_s, end_s : array, shape (runs,)
        The end is not included. By pair, then start.
    nodes : int
    """

    pair: Ints
    start_s: Floats
    end_s: Floats
    nodes: int

    @classmethod
    def of_plan(cls, plan: ContactPlan) -> Runs:
        """Contacts of a pair that overlap or touch, as one."""
        rows, nodes = plan.arrays, len(plan.nodes)
        pair = rows["source"].astype(np.int64) * nodes + rows["target"]
        start, end = rows["start_s"], rows["end_s"]
        order = np.lexsort((start, pair))
        return cls(*_united(pair[order], start[order], end[order]), nodes)

    @classmethod
    def of_mesh(
        cls,
        mesh: Mesh,
        times_s: Floats,
        end_s: float,
        weight: str,
        tell: Callable[[float], object],
    ) -> Runs:
        """Looked at step by step: a link that is there at two steps has been there in between."""
        nodes = len(mesh.node_names)
        pair, since = np.empty(0, dtype=np.int64), np.empty(0)
        parts = []
        for k, arcs in enumerate(arcs_at(mesh, times_s, weight)):
            now = np.unique(arcs.tail * nodes + arcs.head)
            place = np.searchsorted(now, pair)
            stays = np.append(now, -1)[place] == pair
            gone = np.full(len(pair) - int(stays.sum()), times_s[k])
            parts.append((pair[~stays], since[~stays], gone))
            begun = np.full(len(now), times_s[k])
            begun[place[stays]] = since[stays]
            pair, since = now, begun
            tell((k + 1) / len(times_s))
        parts.append((pair, since, np.full(len(pair), end_s)))
        pair, start, end = (np.concatenate(column) for column in zip(*parts, strict=True))
        order = np.lexsort((start, pair))
        return cls(pair[order], start[order], end[order], nodes)

    def ends_at(self, time_s: float, arcs: Arcs) -> Floats:
        """Until when each arc, which stands at a time, goes on standing, shape (arcs,)."""
        standing = np.flatnonzero((self.start_s <= time_s) & (time_s < self.end_s))
        key = arcs.tail * self.nodes + arcs.head
        place = np.searchsorted(self.pair[standing], key)
        found: Floats = self.end_s[standing[place]]
        return found


class LongestLasting:
    """The rule that keeps a path until it breaks and then takes the one that lasts longest."""

    def __init__(self, runs: Runs, end_s: float, ends: Ends, relay: NDArray[np.bool_]):
        self._runs = runs
        self._end_s = end_s
        self._ends = ends
        self._relay = relay

    @classmethod
    def of(
        cls,
        network: ContactPlan | Mesh,
        times_s: Floats,
        end_s: float,
        weight: str,
        ends: Ends,
        relay: NDArray[np.bool_],
        tell: Callable[[float], object],
    ) -> LongestLasting:
        """Look ahead to the end; `tell` hears the share that is done."""
        if isinstance(network, ContactPlan):
            runs = Runs.of_plan(network)
        else:
            runs = Runs.of_mesh(network, times_s, end_s, weight, tell)
        return cls(runs, end_s, ends, relay)

    def look(self, time_s: float, costs: Arcs, path: Ints, value: float) -> Ints:
        """The path to use now, given the one before and its weight (infinite where broken)."""
        if math.isfinite(value):
            return path
        until = np.minimum(self._runs.ends_at(time_s, costs), self._end_s)
        moments = np.unique(until)
        low, high = -1, len(moments) - 1
        best: Ints = np.empty(0, dtype=np.int64)
        while low < high:  # a path stands until moments[low], none beyond moments[high]
            middle = (low + high + 1) // 2
            found = self._over(costs, until >= moments[middle])
            if len(found):
                best, low = found, middle
            else:
                high = middle - 1
        return best

    def _over(self, costs: Arcs, kept: NDArray[np.bool_]) -> Ints:
        """The path of least weight over some arcs."""
        arcs = Arcs(costs.tail[kept], costs.head[kept], costs.weight[kept])
        trees = Trees(np.array([self._ends.source]), self._relay, "heap")
        return nodes_along(trees.grow(arcs)[1][0], self._ends)


@kernel
def _united(pair: Ints, start: Floats, end: Floats) -> tuple[Ints, Floats, Floats]:
    """Spans by owner and start, those of one owner that overlap or touch as one."""
    pairs, starts, ends = np.empty_like(pair), np.empty_like(start), np.empty_like(end)
    count = 0
    for k in range(pair.size):
        if count and pairs[count - 1] == pair[k] and start[k] <= ends[count - 1]:
            ends[count - 1] = max(ends[count - 1], end[k])
        else:
            pairs[count], starts[count], ends[count] = pair[k], start[k], end[k]
            count += 1
    return pairs[:count].copy(), starts[:count].copy(), ends[:count].copy()
