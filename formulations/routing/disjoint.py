"""Two routes with no link, or no node, in common: the pair whose arrivals have the least sum.

A link joins two nodes, whichever way: two routes that share no link use no two contacts of one
pair of nodes, in the same direction or in opposite ones. Routes that share no node share no link
either, and only the source and a target may be in both. Each bundle visits no node twice.

Once contacts come and go, it is NP-complete to say whether there are two routes without a common
node at all, and where there are none, there need not be one node that is part of all routes, as in
a network that stands still (D. Kempe, J. Kleinberg, A. Kumar, "Connectivity and inference problems
for temporal networks", STOC 2000; Journal of Computer and System Sciences 64, 2002). So this is a
search, exact when it ends and with a bound whenever it is stopped:

- If every route passes one node, or takes one link, there is no pair, and that is why. The first
  route passes it, so as many searches as it has hops find out.
- Otherwise the first route of a pair, the one that arrives no later, is enumerated in parts (see
  `parts`) by what nodes it visits; over given nodes the earliest contacts are best for it and all
  the same to its partner. Its partner is the earliest route that avoids it: one search.
- Of a part it is known when its earliest route arrives, and when, at the earliest, a bundle that
  avoids the beginning of that part does; a pair from that part sums up to no less. Parts with the
  least such sum come first, and once it is no better than the best pair, that pair is proven.
- What is scarce is often the last link, which a beginning says nothing of. So first routes are
  parted by their last link before all else, and a partner avoids that, too.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from itertools import pairwise

from .. import checks
from .judge import shared
from .pair_search import PairAnswer, PairSearch
from .parts import avoiding
from .problem import DISJOINT, RouteProblem
from .reasons import why_none
from .searching import Branch, Searching


def disjoint_pair(
    problem: RouteProblem, *, time_limit_s: float = math.inf, most_routes: int | None = None
) -> PairAnswer:
    """Find two routes that share no link, or no node, and whose arrivals have the least sum.

    Parameters
    ----------
    problem : RouteProblem
        `disjoint` says what they may not share. Both are of the problem's volume, depart when it
        says and arrive by when it says. Its objective is not looked at.
    time_limit_s : float
    most_routes : int, optional
        How many first routes are looked at.

    Returns
    -------
    PairAnswer
        Among pairs of equal sum one whose first route arrives earliest.

    Raises
    ------
    InputError
        For a problem that does not say what may not be shared.
    """
    kind = checks.known("RouteProblem.disjoint", problem.disjoint, DISJOINT)
    until = time.monotonic() + time_limit_s
    case = Searching.of(problem)
    first = case.first_route(problem.depart_s, case.until_s)
    if not first.contacts:
        return PairAnswer(None, math.inf, math.inf, why_none(problem))
    shared = bottleneck(case, first, kind)
    if shared:
        return PairAnswer(None, math.inf, math.inf, f"no pair: every route {shared}")
    search = PairSearch(case, kind)
    while not search.done:
        if time.monotonic() >= until or search.looked == most_routes:
            break
        search.step()
    return search.answer()


def in_common(problem: RouteProblem, one: Sequence[int], other: Sequence[int]) -> tuple[str, ...]:
    """What two routes share and should not, by `RouteProblem.disjoint`, in words.

    Parameters
    ----------
    problem : RouteProblem
    one, other : sequence of int
        Contacts.
    """
    kind = checks.known("RouteProblem.disjoint", problem.disjoint, DISJOINT)
    return shared(problem.plan, kind, one, other)


def bottleneck(case: Searching, route: Branch, kind: str) -> str:
    """What every route shares with a given one, as ``"passes 'sat-3'"``; empty if nothing.

    Parameters
    ----------
    case : Searching
    route : Branch
    kind : {"link", "node"}
    """
    names, start = case.problem.plan.node_names, case.problem.depart_s
    inner = route.nodes[1:-1]
    if kind == "node" and inner:
        for node in inner:
            rest = avoiding(case, [node], ())
            if not rest.first_route(start, case.until_s).contacts:
                return f"passes {names[node]!r}"
        return ""
    for a, b in pairwise(route.nodes):
        rest = avoiding(case, (), [(a, b)])
        if not rest.first_route(start, case.until_s).contacts:
            return f"takes the link between {names[a]!r} and {names[b]!r}"
    return ""
