"""Which of several equally good routes: CCSDS 734.3-B-1 (Schedule-Aware Bundle Routing), 3.2.8.1.4.

First the earliest arrival, then the fewest hops, then the latest termination (the earliest end
among a route's contacts), then the smallest entry node. A label of one number for each node cannot
say this: an earlier bundle with more hops and a later one with fewer may leave a node by the same
contact. So the best arrival is found first; then the fewest hops with which it can be had, by
labels of earliest arrival for each number of hops (with as many hops, earlier is never worse);
then, by bisection, the largest end for which contacts that end no sooner still do it in as many
hops; and so with the nodes after the source, the smallest first. What can no longer make the
arrival, by the latest departures back from it, is not looked at.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .searching import HopLabels, Searching, by_hops, near

if TYPE_CHECKING:
    from numpy.typing import NDArray


def ranked(case: Searching, depart_s: float, arrival_s: float) -> tuple[int, ...]:
    """Contacts of the first route in that order, among those that arrive by a time.

    Parameters
    ----------
    case : Searching
    depart_s : float
    arrival_s : float
        No earlier than the earliest arrival; of routes that arrive by then, the hops count first.

    Returns
    -------
    tuple of int

    Notes
    -----
    O(log(contacts) + neighbours of the source) searches by hops over what lies between departure
    and arrival, but for what the ends of contacts and earlier finds rule out.
    """
    plan, slack = case.problem.plan, near(depart_s, arrival_s)
    # Backwards sums round otherwise than forwards. The slack lets too much be looked at, if
    # anything: what is found, is found forwards. One route is known to be good enough.
    by = case.departures(arrival_s, depart_s - slack) + slack
    good = case.first_route(depart_s, arrival_s)
    by[good.nodes] = np.maximum(by[good.nodes], good.time_s)
    begin = case.labels(case.source, depart_s)
    found = by_hops(case, begin, by, case.graph.nodes)
    hops, end = len(found.label) - 1, plan.arrays["end_s"]
    termination = end[list(found.path(plan))].min()
    between = np.isfinite(found.label[-1])[plan.arrays["source"]] & case.usable
    later = np.unique(end[between & (end > termination)])
    chosen = case.only(end >= termination)
    low, high = 0, len(later)  # later[:low] can be had, later[high:] cannot
    while low < high:
        middle = (low + high) // 2
        fewer = case.only(end >= later[middle])
        other = by_hops(fewer, begin, by, hops)
        if other.goal >= 0:
            found, chosen, low = other, fewer, middle + 1
        else:
            high = middle
    return _smallest_entry(chosen, found, by)


def _smallest_entry(case: Searching, found: HopLabels, by: NDArray[np.float64]) -> tuple[int, ...]:
    """The same number of hops from the smallest possible node after the source."""
    plan, hops = case.problem.plan, len(found.label) - 1
    path = found.path(plan)
    entry = int(plan.arrays["target"][path[0]])
    if hops == 1:
        return path  # the smallest target already
    for node in np.flatnonzero(found.contact[1][:entry] >= 0).tolist():
        rest = by_hops(case, case.labels(node, found.label[1][node]), by, hops - 1)
        if rest.goal >= 0:
            return int(found.contact[1][node]), *rest.path(plan)
    return path
