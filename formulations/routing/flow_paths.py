"""Flows taken apart into paths, one row of traffic after the other.

Ford and Fulkerson: a flow is the sum of paths and circles. From a source one follows the link with
the most flow left until the target; a node that comes twice closes a circle, which is taken off.
"""

# pyright: reportArgumentType=false, reportCallIssue=false
# (An element of an array is a number here: these loops are compiled.)

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .. import checks
from ..compiled import kernel
from ..ranges import ranges
from .balance import BalanceProblem
from .balance_trees import Inward

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Mask = NDArray[np.bool_]

#: Share of a pair's traffic below which a path is not worth keeping.
LITTLE = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class Paths:
    """Paths as columns.

    Attributes
    ----------
    traffic : array of int, shape (paths,)
        Which row of traffic goes here, or a part of it.
    rate_bps : array, shape (paths,)
    first : array of int, shape (paths + 1,)
        Where each path begins in `link`.
    link : array of int, shape (hops,)
        Positions in the links, in the order of the way.
    """

    traffic: Ints
    rate_bps: Floats
    first: Ints
    link: Ints

    def __post_init__(self) -> None:
        for name in ("traffic", "first", "link"):
            object.__setattr__(self, name, np.array(getattr(self, name), dtype=np.int64))
        object.__setattr__(self, "rate_bps", np.array(self.rate_bps, dtype=np.float64))

    def __len__(self) -> int:
        return len(self.traffic)

    def links_of(self, path: int) -> Ints:
        """The links of one path, in order."""
        return self.link[self.first[path] : self.first[path + 1]]

    @property
    def owner(self) -> Ints:
        """The path that each entry of `link` belongs to, shape (hops,)."""
        return np.repeat(np.arange(len(self)), np.diff(self.first))

    def check(self, traffic: int, links: int) -> None:
        """Refuse columns that do not fit together, or not to so many rows of traffic and links."""
        if len(self.rate_bps) != len(self) or len(self.first) != len(self) + 1:
            checks.fail("Paths.rate_bps shape", self.rate_bps.shape, f"({len(self)},)")
        if (
            self.first[0] != 0
            or self.first[-1] != len(self.link)
            or (np.diff(self.first) < 0).any()
        ):
            checks.fail("Paths.first", self.first.tolist()[:9], f"from 0 up to {len(self.link)}")
        for name, count in (("traffic", traffic), ("link", links)):
            column = getattr(self, name)
            if len(column) and not (column.min() >= 0 and column.max() < count):
                checks.fail(f"Paths.{name}", int(column.max()), f"positions below {count}")


def take_apart(problem: BalanceProblem, inward: Inward, flow_bps: Floats) -> Paths:
    """Paths of every row of traffic from what goes to each target over each link.

    Parameters
    ----------
    problem : BalanceProblem
        All its traffic has a way.
    inward : Inward
        Of the problem.
    flow_bps : array, shape (targets, links)
        As good as a solver's tolerance; rates of a row's paths sum to its traffic all the same.

    Returns
    -------
    Paths
        O(hops), in compiled code; a pair has no more paths than links have flow.
    """
    links, goals = problem.links, problem.goals
    order = np.argsort(links.source, kind="stable").astype(np.int64)
    nodes = np.arange(len(links.node_names) + 1)
    index = np.searchsorted(links.source[order], nodes).astype(np.int64)
    target, source, wanted = inward.target, inward.source, inward.rate_bps
    left = np.array(flow_bps, dtype=np.float64)
    found = follow(index, order, links.target, target, source, wanted, goals, left, LITTLE)
    pair, rate, first, link = found
    # A pair of which nothing was found (all of it within tolerance) takes a way of few links.
    lost = np.setdiff1d(np.arange(len(wanted)), pair)
    if len(lost):
        left, _ = inward.flows(np.ones(len(links)))
        ends = (target[lost], source[lost], wanted[lost])
        more = follow(index, order, links.target, *ends, goals, left, LITTLE)
        pair, rate = np.append(pair, lost[more[0]]), np.append(rate, more[1])
        first, link = np.append(first, more[2][1:] + len(link)), np.append(link, more[3])
    rate = rate * (wanted / np.bincount(pair, weights=rate))[pair]
    return _by_row(problem, inward, pair, Paths(pair, rate, first, link))


def _by_row(problem: BalanceProblem, inward: Inward, pair: Ints, paths: Paths) -> Paths:
    """Paths of each row of traffic: rows with the same ends share their pair's in proportion."""
    share = problem.rate_of / inward.rate_bps[inward.pair_of]
    by_pair = np.argsort(pair, kind="stable")
    begin = np.searchsorted(pair[by_pair], np.arange(len(inward.rate_bps) + 1))
    row, place = ranges(begin[inward.pair_of], np.diff(begin)[inward.pair_of])
    path = by_pair[place]
    length = np.diff(paths.first)[path]
    _, hop = ranges(paths.first[path], length)
    first = np.append(0, np.cumsum(length)).astype(np.int64)
    return Paths(row, paths.rate_bps[path] * share[row], first, paths.link[hop])


@kernel
def follow(
    index: Ints,
    order: Ints,
    head: Ints,
    target: Ints,
    source: Ints,
    rate: Floats,
    goals: Mask,
    left: Floats,
    little: float,
) -> tuple[Ints, Floats, Ints, Ints]:
    """Paths of each pair while there is flow; pair, rate, first and link of `Paths`.

    Parameters
    ----------
    index, order : arrays, shape (nodes + 1,), (links,)
        Links by the node that they leave.
    head : array, shape (links,)
    target, source, rate : arrays, shape (pairs,)
    goals : array, shape (targets, nodes)
    left : array, shape (targets, links)
        The flow; what paths and circles carry is taken off.
    little : float
        Share of a pair's rate that counts as nothing.
    """
    nodes = index.size - 1
    pairs, rates = np.empty(16, dtype=np.int64), np.empty(16)
    first, link = np.zeros(17, dtype=np.int64), np.empty(64, dtype=np.int64)
    way, place = np.empty(nodes, dtype=np.int64), np.full(nodes, -1)
    paths = 0
    for k in range(target.size):
        flow, open_rate = left[target[k]], rate[k]
        while open_rate > little * rate[k]:
            node, length, stuck = source[k], 0, False
            place[node] = 0
            while not goals[target[k], node]:
                best, chosen = little * rate[k], -1
                for j in range(index[node], index[node + 1]):
                    if flow[order[j]] > best:
                        best, chosen = flow[order[j]], order[j]
                if chosen < 0:
                    stuck = True
                    break
                way[length] = chosen
                length += 1
                node = head[chosen]
                if place[node] < 0:
                    place[node] = length
                    continue
                start = place[node]  # a circle: it carries nothing anywhere
                least = np.inf
                for j in range(start, length):
                    least = min(least, flow[way[j]])
                for j in range(start, length):
                    flow[way[j]] -= least
                    place[head[way[j]]] = -1
                place[node] = start
                length = start
            place[source[k]] = -1
            for j in range(length):
                place[head[way[j]]] = -1
            if stuck:  # within tolerance, more comes to a node than leaves it
                if length == 0:
                    break
                flow[way[length - 1]] = 0.0
                continue
            amount = open_rate
            for j in range(length):
                amount = min(amount, flow[way[j]])
            for j in range(length):
                flow[way[j]] -= amount
            if paths == pairs.size:
                pairs, rates = np.append(pairs, pairs), np.append(rates, rates)
                first = np.append(first, first[1:])
            while first[paths] + length > link.size:
                link = np.append(link, link)
            pairs[paths], rates[paths] = k, amount
            link[first[paths] : first[paths] + length] = way[:length]
            first[paths + 1] = first[paths] + length
            open_rate -= amount
            paths += 1
    return pairs[:paths], rates[:paths], first[: paths + 1], link[: first[paths]]
