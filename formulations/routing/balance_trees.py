"""Shortest ways to targets at given prices of links, and the lower bound that prices prove.

A target is a root beyond the nodes at which its traffic arrives. Trees grow from the roots against
the links, so that one tree serves all the traffic for a target.
"""

# pyright: reportArgumentType=false, reportCallIssue=false
# (An element of an array is a number here: these loops are compiled.)

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..compiled import kernel
from .balance import BalanceProblem
from .snapshot_kernel import NONE, compressed
from .tree_kernel import dijkstra

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Mask = NDArray[np.bool_]
    Numbers = NDArray[np.uint32]

#: Least weight of a link, as a share of the largest: where links cost nothing, ways stay short.
LEAST = 1e-12


@dataclass(frozen=True, slots=True, eq=False)
class Inward:
    """The links turned round, with a root for each target.

    Attributes
    ----------
    index, head, onward : arrays
        Arcs by the node that they leave: `head` is where a link comes from, `onward` where it
        leads (a root: the traffic has arrived).
    link : array, shape (arcs,)
    relay : array, shape (nodes + targets,)
    roots : array, shape (targets,)
    target, source, rate_bps : arrays, shape (pairs,)
        The traffic, that of one source and target together; its rows are `pair_of`.
    pair_of : array, shape (traffic,)
    capacity_bps : array, shape (links,)
    """

    index: Numbers
    head: Numbers
    onward: Numbers
    link: Ints
    relay: Mask
    roots: Numbers
    target: Ints
    source: Ints
    rate_bps: Floats
    pair_of: Ints
    capacity_bps: Floats

    @classmethod
    def of(cls, problem: BalanceProblem) -> Inward:
        """Sort the links of a problem, O(links x targets) at most."""
        links, goals = problem.links, problem.goals
        nodes, targets = len(links.node_names), len(goals)
        goal, last = np.nonzero(goals[:, links.target])
        tail = np.concatenate([links.target, nodes + goal])
        head = np.concatenate([links.source, links.source[last]])
        link = np.concatenate([np.arange(len(links)), last])
        size = nodes + targets
        index, onward, heads, order = compressed(size, tail, head, link.astype(np.float64))
        key = problem.target_of * nodes + problem.source_of
        pairs, pair_of = np.unique(key, return_inverse=True)
        rate = np.bincount(pair_of.ravel(), weights=problem.rate_of)
        return cls(
            index,
            heads,
            onward,
            order.astype(np.int64),
            np.concatenate([problem.relay, np.ones(targets, dtype=bool)]),
            np.arange(nodes, size, dtype=np.uint32),
            pairs // nodes,
            pairs % nodes,
            rate.astype(np.float64),
            pair_of.ravel().astype(np.int64),
            links.rate_bps,
        )

    @property
    def reached(self) -> Mask:
        """Pairs that have a way, shape (pairs,)."""
        distance, _ = self._trees(np.ones(len(self.capacity_bps)))
        found: Mask = np.isfinite(distance[self.target, self.source])
        return found

    def flows(self, price: Floats) -> tuple[Floats, float]:
        """Send all the traffic over ways that are shortest by prices of links.

        Parameters
        ----------
        price : array, shape (links,)
            Not negative; those below `LEAST` are raised to it.

        Returns
        -------
        flow : array, shape (targets, links)
            Bit/s.
        bound : float
            The least highest use that the prices prove, by weak duality: if no link is used above
            z, all traffic pays at most z times the sum of price times rate, and each pair pays at
            least the length of its shortest way.
        """
        floor = LEAST * (float(price.max(initial=0.0)) or 1.0)
        raised = np.maximum(price, floor)
        distance, via = self._trees(raised)
        flow = np.zeros((len(self.roots), len(price)))
        columns = (self.onward, self.link, self.target, self.source, self.rate_bps)
        walk(*columns, via, len(self.relay) - len(self.roots), flow)
        paid = float(distance[self.target, self.source] @ self.rate_bps)
        return flow, paid / float(raised @ self.capacity_bps)

    def _trees(self, weight: Floats) -> tuple[Floats, Numbers]:
        shape = (len(self.roots), len(self.relay))
        distance, via = np.empty(shape), np.empty(shape, dtype=np.uint32)
        graph = (self.index, self.head, weight[self.link])
        dijkstra(*graph, self.relay, self.roots, distance, via)
        return distance, via


@kernel
def walk(
    onward: Numbers,
    link: Ints,
    target: Ints,
    source: Ints,
    rate: Floats,
    via: Numbers,
    first_root: int,
    flow: Floats,
) -> None:
    """Add each pair's rate to the links of its way in its target's tree; without one, nothing.

    `flow` has shape (targets, links).
    """
    for k in range(target.size):
        goal, node = target[k], source[k]
        while node < first_root:
            arc = via[goal, node]
            if arc == NONE:
                break
            flow[goal, link[arc]] += rate[k]
            node = int(onward[arc])
