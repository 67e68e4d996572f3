"""Branch and bound for the best pair of disjoint routes; `disjoint` says why it is exact."""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import count, pairwise
from typing import NamedTuple

import numpy as np

from ..contacts import CONTACT_COLUMNS
from .arrival_kernel import SLACK
from .parts import Part, avoiding, between, entering
from .searching import Branch, Searching, near

Contacts = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class PairAnswer:
    """What a search for two disjoint routes found.

    Attributes
    ----------
    routes : tuple of two tuples of int, or None
        Contacts of both, the earlier arrival first.
    sum_s : float
        Of both arrivals; infinite without a pair.
    bound_s : float
        No pair has a smaller sum; infinite if there is none at all.
    reason : str
        Why there is no pair, or none yet; empty where there is one.
    searched : int
        First routes that were looked at.
    """

    routes: tuple[Contacts, Contacts] | None
    sum_s: float
    bound_s: float
    reason: str = ""
    searched: int = 0

    @property
    def proven(self) -> bool:
        """Whether nothing is left open: the pair is the best one, or there is none."""
        return self.bound_s >= self.sum_s


class Ending(NamedTuple):
    """First routes by their last link, not looked at yet."""

    first_s: float  #: none arrives sooner
    link: tuple[int, int]


class Open(NamedTuple):
    """A part of the first routes in the queue."""

    bound_s: float
    first_s: float  #: arrival of its first route
    serial: int
    part: Part
    best: Branch  #: that route, from the source on
    partner_s: float  #: when a bundle that avoids the part's beginning and end arrives, or sooner
    case: Searching  #: routes with the part's last link
    link: tuple[int, int]


class PairSearch:
    """Parts of the first routes of pairs, the one with the least bound first.

    Parameters
    ----------
    case : Searching
    kind : {"link", "node"}
    """

    def __init__(self, case: Searching, kind: str):
        self._case, self._kind = case, kind
        self._endings = _endings(case)
        self._queue: list[Open] = []
        self._serial = count()
        self._pair: tuple[Branch, Branch] | None = None
        self.looked = 0

    @property
    def sum_s(self) -> float:
        """Sum of the arrivals of the best pair so far."""
        return math.inf if self._pair is None else sum(route.arrival_s for route in self._pair)

    @property
    def bound_s(self) -> float:
        """No pair has a smaller sum."""
        return min(self._next[0], self.sum_s)

    @property
    def done(self) -> bool:
        """Whether nothing is left that may hold a better pair."""
        return self._next >= self._worth

    @property
    def _next(self) -> tuple[float, float]:
        """What the best pair is worth at most that is not found yet: the sum, the earlier one."""
        return min(self._next_part, self._next_ending)

    @property
    def _next_part(self) -> tuple[float, float]:
        return self._queue[0][:2] if self._queue else (math.inf, math.inf)

    @property
    def _next_ending(self) -> tuple[float, float]:
        first_s = self._endings[0].first_s if self._endings else math.inf
        return 2 * first_s, first_s

    @property
    def _worth(self) -> tuple[float, float]:
        """What a better pair must be less than: the sum, then the earlier arrival."""
        return self.sum_s, math.inf if self._pair is None else self._pair[0].arrival_s

    def step(self) -> None:
        """Take up what has the least bound: an ending, or the first route of a part."""
        if self._next_ending < self._next_part:
            self._end_by(heapq.heappop(self._endings).link)
        else:
            self._split(heapq.heappop(self._queue))

    def answer(self) -> PairAnswer:
        """The best pair, and how much better another one may be."""
        if self._pair is not None:
            routes = self._pair[0].contacts, self._pair[1].contacts
            return PairAnswer(routes, self.sum_s, self.bound_s, searched=self.looked)
        what = self._kind
        reason = (
            f"no {what} is part of every route, but any two routes have a {what} in common"
            if self.done
            else f"none found with the first {self.looked} routes looked at"
        )
        return PairAnswer(None, math.inf, self.bound_s, f"no pair: {reason}", self.looked)

    def _end_by(self, link: tuple[int, int]) -> None:
        """Put all first routes with some last link into the queue."""
        allowed = self._case.usable.copy()
        for target in self._case.targets:
            allowed[entering(self._case.graph, target)] = False
        last = between(self._case.graph, *link)
        allowed[last] = self._case.usable[last]
        case = replace(self._case, usable=allowed)
        whole = Part.whole(case)
        best = case.first_route(whole.now_s, self._first_by_s)
        if best.contacts:
            partner_s = self._partner(whole.nodes, link, best.arrival_s).arrival_s
            self._push(whole, best, partner_s, case, link)

    def _split(self, opened: Open) -> None:
        """Look at the first route of a part, and split up the rest."""
        part, best, partner_s = opened.part, opened.best, opened.partner_s
        self._look(best)
        graph = self._case.graph
        bars = [between(graph, a, b).tolist() for a, b in pairwise(best.nodes)]
        for k, smaller in enumerate(part.without(best, bars)):
            rest = smaller.case(opened.case).first_route(smaller.now_s, self._first_by_s)
            if not rest.contacts:
                continue
            if k:  # the first one begins as the part itself does
                partner_s = self._partner(smaller.nodes, opened.link, rest.arrival_s).arrival_s
            self._push(smaller, smaller.joined(rest), partner_s, opened.case, opened.link)

    def _push(
        self, part: Part, best: Branch, partner_s: float, case: Searching, link: tuple[int, int]
    ) -> None:
        first_s = best.arrival_s
        bound_s = first_s + max(first_s, partner_s)
        if math.isfinite(bound_s) and (bound_s, first_s) < self._worth:
            serial = next(self._serial)
            opened = Open(bound_s, first_s, serial, part, best, partner_s, case, link)
            heapq.heappush(self._queue, opened)

    def _look(self, route: Branch) -> None:
        """See whether a route and its best partner are better than the best pair."""
        self.looked += 1
        last = (route.nodes[-2], route.nodes[-1])
        partner = self._partner(route.nodes[:-1], last, route.arrival_s)
        if not partner.contacts:
            return
        pair = (route, partner) if route.arrival_s <= partner.arrival_s else (partner, route)
        if (route.arrival_s + partner.arrival_s, pair[0].arrival_s) < self._worth:
            self._pair = pair

    @property
    def _first_by_s(self) -> float:
        """When the first route of a better pair arrives at the latest: no later than the other."""
        return min(self._case.until_s, self.sum_s / 2)

    def _partner(self, nodes: Sequence[int], last: tuple[int, int], first_s: float) -> Branch:
        """The earliest route that shares nothing with a path and a last link, if it is of use."""
        case = self._case
        inner = {*nodes, last[0]} - {case.source} if self._kind == "node" else ()
        until_s = min(case.until_s, self.sum_s - first_s)
        # The difference rounds: a route that makes the sum equal may be the better pair.
        until_s += near(until_s, first_s) if math.isfinite(until_s) else 0.0
        rest = avoiding(case, inner, [*pairwise(nodes), last])
        return rest.first_route(case.problem.depart_s, until_s)


def _endings(case: Searching) -> list[Ending]:
    """By last link, when a route arrives at the earliest, or sooner: a heap."""
    rows = case.problem.plan.arrays
    last = np.concatenate([entering(case.graph, target) for target in case.targets])
    last = last[case.usable[last]]
    source, target, start, end, rate, delay = (rows[name][last] for name in CONTACT_COLUMNS)
    with np.errstate(divide="ignore"):
        spent = case.bits / rate if case.bits else np.zeros(len(last))
    done = np.maximum(case.arrivals(case.problem.depart_s)[source], start) + spent
    fits = done <= end + SLACK * np.maximum(np.abs(start), np.abs(end))
    soonest: dict[tuple[int, int], float] = {}
    found = zip(source[fits].tolist(), target[fits].tolist(), (done + delay)[fits], strict=True)
    for one, other, arrival in found:
        soonest[one, other] = min(soonest.get((one, other), math.inf), float(arrival))
    endings = [Ending(arrival, link) for link, arrival in soonest.items()]
    heapq.heapify(endings)
    return endings
