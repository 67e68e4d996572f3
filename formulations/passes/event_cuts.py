"""Which contacts of a problem count, and at which events they are cut."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .problem import PassProblem

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]


def collects(problem: PassProblem) -> Bools:
    """Nodes that are targets of every demand, so that nothing is ever passed on by them."""
    always = np.ones(len(problem.plan.nodes), dtype=bool)
    for row in {row.target: row for row in problem.demands}.values():
        mine = np.zeros_like(always)
        mine[problem.targets(row)] = True
        always &= mine
    return always


def useful(problem: PassProblem) -> Bools:
    """Contacts that may carry something: those that do not leave a node where all is delivered."""
    rows = problem.plan.arrays
    found: Bools = ~collects(problem)[rows["source"]] & (rows["rate_bps"] > 0)
    return found


def pieces_by_events(problem: PassProblem, relays: str = "kept", until_s: float = np.inf) -> int:
    """How many pieces `by_events` would make: what to ask before it fills the memory."""
    cut = event_cuts(problem, None, until_s, relays)
    start = problem.plan.arrays["start_s"][cut.chosen]
    total = 0
    for mine, cuts in cut.groups:
        low = np.searchsorted(cuts, start[mine], side="right")
        high = np.searchsorted(cuts, cut.end_s[mine], side="left")
        total += int((high - low + 1).sum())
    return total


@dataclass(frozen=True, slots=True, eq=False)
class EventCuts:
    """Contacts that count and where they are cut.

    Attributes
    ----------
    chosen, end_s : array, shape (chosen,)
        Contacts, and when they end.
    station : array, shape (chosen,), or None
        The one end whose antennas a contact shares with others, -1: none. None where events do
        not come apart by station.
    groups : list of (array, array)
        Positions in `chosen`, and the cuts that hold for them.
    home : array, shape (nodes,)
    """

    chosen: Ints
    end_s: Floats
    station: Ints | None
    groups: list[tuple[Ints, Floats]]
    home: Ints


def event_cuts(
    problem: PassProblem, extra_s: Floats | None, until_s: float, relays: str
) -> EventCuts:
    rows = problem.plan.arrays
    carries = useful(problem) & (rows["start_s"] < until_s)
    home = np.arange(len(problem.plan.nodes))
    if relays != "kept":
        passing = carries & ~collects(problem)[rows["target"]]
        carries &= ~passing
        if relays == "pooled":
            home = _pools(rows["source"][passing], rows["target"][passing], len(home))
    chosen = np.flatnonzero(carries)
    start, end = rows["start_s"][chosen], np.minimum(rows["end_s"][chosen], until_s)
    limited = np.isfinite(problem.antenna_count)
    ends = np.stack([rows["source"][chosen], rows["target"][chosen]], axis=1)
    shares = limited[ends] & problem.uses_antenna[chosen][:, None]
    everywhere = always(problem, extra_s)
    if not (collects(problem)[ends[:, 1]].all() and (shares.sum(1) <= 1).all()):
        cuts = np.unique(np.concatenate([start, end, everywhere]))
        return EventCuts(chosen, end, None, [(np.arange(len(chosen)), cuts)], home)
    # Each contact has at most one end with events of its own; others are cut at `everywhere` only.
    station = np.where(shares[:, 1], ends[:, 1], np.where(shares[:, 0], ends[:, 0], -1))
    groups = []
    order = np.argsort(station, kind="stable")
    bounds = np.searchsorted(station[order], np.arange(-1, len(limited) + 1))
    for node in range(-1, len(limited)):
        mine = order[bounds[node + 1] : bounds[node + 2]]
        if not len(mine):
            continue
        cuts = everywhere
        if node >= 0:
            cuts = np.unique(np.concatenate([start[mine], end[mine], everywhere]))
        groups.append((mine, cuts))
    return EventCuts(chosen, end, station, groups, home)


def _pools(source: Ints, target: Ints, nodes: int) -> Ints:
    """The first node of each group of nodes joined by contacts, shape (nodes,)."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    links = coo_array((np.ones(len(source)), (source, target)), shape=(nodes, nodes))
    _, group = connected_components(links, directed=False)
    _, first = np.unique(group, return_index=True)
    return np.asarray(first[group], dtype=np.int64)


def always(problem: PassProblem, extra_s: Floats | None) -> Floats:
    """Cuts for all contacts: releases and deadlines."""
    times = [row.release_s for row in problem.demands] + [row.deadline_s for row in problem.demands]
    found = np.array(times)
    if extra_s is not None:
        found = np.concatenate([found, extra_s])
    return np.unique(found[np.isfinite(found)])
