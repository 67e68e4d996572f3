"""Time expansion: a contact plan cut into intervals within which nothing changes.

Sets
    I   cells (n, k): node n during its k-th interval
    P   pieces: part of a contact within one interval of both its ends, carrying
        rate x length bytes at most
Two ways to cut, `events` and `slots`:

- **events**, exact in continuous time. Where no node passes on what it receives (all contacts end
  at targets) and only one end of each contact has antennas to share out, a contact is cut at the
  events of that end alone, and a node's own intervals begin where its pieces do. Else all
  contacts are cut at all events.
- **slots** of equal length for all nodes, cut further at releases and deadlines. `inner` keeps the
  pieces that fill their slot: every flow is a schedule that can be flown. `outer` keeps every
  overlap and allows what comes in a slot from its beginning: every schedule is a flow, so its
  optimum is a bound.

Within an interval a node may pass on what it receives (fluid flow), and bytes flow evenly.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..ranges import ranges
from .event_cuts import always, collects, event_cuts, useful
from .problem import PassProblem

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Expansion:
    """Cells of nodes and pieces of contacts.

    Attributes
    ----------
    first : array of int, shape (nodes + 1,)
        Where the cells of each node begin.
    begin_s : array, shape (cells,)
        When each cell begins; it ends where the node's next begins.
    contact : array of int, shape (pieces,)
        From which contact each piece comes.
    start_s, end_s : array, shape (pieces,)
    volume_bytes : array, shape (pieces,)
        Most that each piece carries.
    tail, head : array of int, shape (pieces,)
        Cells of its source and its target; -1 where the target only collects.
    period : array of int, shape (pieces, 2)
        Which share of antenna time of the source and of the target a piece draws on, -1: none.
    period_node, period_s : array, shape (periods,)
        Node and antenna seconds of each.
    period_start_s : array, shape (periods,)
    home : array of int, shape (nodes,)
        Whose cells each node uses: its own, or those of the pool that it belongs to.
    exact : bool
        Whether the best flow is the best schedule in continuous time.
    """

    first: Ints
    begin_s: Floats
    contact: Ints
    start_s: Floats
    end_s: Floats
    volume_bytes: Floats
    tail: Ints
    head: Ints
    period: Ints
    period_node: Ints
    period_s: Floats
    period_start_s: Floats
    home: Ints
    exact: bool

    @property
    def node(self) -> Ints:
        """The node of each cell, shape (cells,)."""
        return np.repeat(np.arange(len(self.first) - 1), np.diff(self.first))

    def cell(self, node: int, time_s: float, *, after: bool = True) -> int:
        """Cell of a node that begins at or after a time (or, not `after`, that contains it).

        -1 where there is none.
        """
        node = int(self.home[node])
        low, high = self.first[node], self.first[node + 1]
        begins = self.begin_s[low:high]
        if after:
            k = int(np.searchsorted(begins, time_s - 1e-9, side="left"))
            return int(low) + k if k < high - low else -1
        k = int(np.searchsorted(begins, time_s + 1e-9, side="right")) - 1
        return int(low) + max(k, 0) if high > low else -1


def by_events(
    problem: PassProblem,
    extra_s: Floats | None = None,
    until_s: float = np.inf,
    relays: str = "kept",
) -> Expansion:
    """Cut at events.

    Parameters
    ----------
    problem : PassProblem
    extra_s : array, optional
        Further cuts for all contacts.
    until_s : float
        After this nothing counts.
    relays : {"kept", "dropped", "pooled"}
        What becomes of contacts to nodes that pass on what they receive. Dropped, each node sends
        its own bytes: every flow is a schedule. Pooled, nodes joined by such contacts are one,
        at every time: every schedule is a flow, so the optimum is a bound.
    """
    cut = event_cuts(problem, extra_s, until_s, relays)
    rows, chosen, end, home = problem.plan.arrays, cut.chosen, cut.end_s, cut.home
    if cut.station is None:
        cuts = cut.groups[0][1]
        return _on_grid(problem, chosen, end, cuts, home, inner=True, exact=True)
    start, station = rows["start_s"][chosen], cut.station
    limited = np.isfinite(problem.antenna_count)
    ends = np.stack([rows["source"][chosen], rows["target"][chosen]], axis=1)
    at_target = (station >= 0) & (station == ends[:, 1])
    parts = [np.empty((0, 3))]
    parts += [_pieces(mine, start[mine], end[mine], cuts) for mine, cuts in cut.groups]
    piece = np.concatenate(parts)
    row = piece[:, 0].astype(np.int64)
    low, high = piece[:, 1], piece[:, 2]
    # Cells: one where a piece of the node begins, and one at each release.
    node = home[ends[row, 0]]
    sources = home[[problem.plan.index(d.source) for d in problem.demands]]
    releases = np.array([d.release_s for d in problem.demands])
    owner_of = np.concatenate([node, sources]).astype(np.float64)
    key = np.unique(np.stack([owner_of, np.concatenate([low, releases])], axis=1), axis=0)
    first = np.searchsorted(key[:, 0], np.arange(len(limited) + 1))
    tail = _find(key, node, low)
    period, period_node, period_s, period_start = _periods(
        problem, station[row], low, high, at_target[row].astype(np.int64)
    )
    return Expansion(
        first,
        key[:, 1],
        chosen[row],
        low,
        high,
        rows["rate_bps"][chosen[row]] * (high - low) / 8,
        tail,
        np.full(len(row), -1, dtype=np.int64),
        period,
        period_node,
        period_s,
        period_start,
        home,
        exact=True,
    )


def by_slots(
    problem: PassProblem, slot_s: float, *, inner: bool, until_s: float = np.inf
) -> Expansion:
    """Cut at whole multiples of a slot, and at releases and deadlines; none after `until_s`."""
    rows = problem.plan.arrays
    chosen = np.flatnonzero(useful(problem) & (rows["start_s"] < until_s))
    end = np.minimum(rows["end_s"][chosen], until_s)
    last = end.max(initial=slot_s)
    first = min(rows["start_s"][chosen].min(initial=0.0), 0.0)
    low = np.floor(first / slot_s)
    cuts = np.arange(low, np.ceil(last / slot_s) + 1) * slot_s
    inside = always(problem, None)
    cuts = np.union1d(cuts, inside[(inside > cuts[0]) & (inside < cuts[-1])])
    home = np.arange(len(problem.plan.nodes))
    return _on_grid(problem, chosen, end, cuts, home, inner=inner, exact=False)


def _pieces(row: Ints, start: Floats, end: Floats, cuts: Floats) -> Floats:
    """Contacts cut at the cuts inside them: (row, start, end) of each piece."""
    low = np.searchsorted(cuts, start, side="right")
    high = np.searchsorted(cuts, end, side="left")
    count = high - low + 1
    owner, place = ranges(np.zeros_like(count), count)
    padded = np.append(cuts, np.inf)
    begin = np.where(place == 0, start[owner], padded[low[owner] + place - 1])
    finish = np.where(place == count[owner] - 1, end[owner], padded[low[owner] + place])
    return np.stack([row[owner].astype(np.float64), begin, finish], axis=1)


def _find(key: Floats, node: Ints, time: Floats) -> Ints:
    """Rows of a sorted table of (node, time)."""
    lift = 2 * (np.abs(key[:, 1]).max(initial=1.0) + 1)
    spot = np.searchsorted(key[:, 0] * lift + key[:, 1], node * lift + time - 1e-9)
    return np.asarray(spot, dtype=np.int64)


def _periods(
    problem: PassProblem, node: Ints, low: Floats, high: Floats, side: Ints
) -> tuple[Ints, Ints, Floats, Floats]:
    """Shares of antenna time: pieces of one node that begin together draw on one."""
    period = np.full((len(node), 2), -1, dtype=np.int64)
    mine = node >= 0
    table = np.stack([node[mine].astype(np.float64), low[mine]], axis=1)
    key, owner = np.unique(table, axis=0, return_inverse=True)
    period[np.flatnonzero(mine), side[mine]] = owner.ravel()
    length = np.zeros(len(key))
    np.maximum.at(length, owner.ravel(), high[mine] - low[mine])
    numbers = key[:, 0].astype(np.int64)
    return period, numbers, length * problem.antenna_count[numbers], key[:, 1]


def _on_grid(
    problem: PassProblem,
    chosen: Ints,
    end: Floats,
    cuts: Floats,
    home: Ints,
    *,
    inner: bool,
    exact: bool,
) -> Expansion:
    """All nodes on one grid of cuts; `end` is when each chosen contact ends."""
    rows = problem.plan.arrays
    start = rows["start_s"][chosen]
    count = len(cuts) - 1
    if inner:  # the slots that a contact fills
        low = np.searchsorted(cuts, start - 1e-9, side="left")
        high = np.searchsorted(cuts, end + 1e-9, side="right") - 1
    else:  # the slots that it touches
        low = np.maximum(np.searchsorted(cuts, start + 1e-9, side="right") - 1, 0)
        high = np.minimum(np.searchsorted(cuts, end - 1e-9, side="left"), count)
    length = np.maximum(high - low, 0)
    row, slot = ranges(low, length)
    begin, finish = np.maximum(cuts[slot], start[row]), np.minimum(cuts[slot + 1], end[row])
    source, target = rows["source"][chosen][row], rows["target"][chosen][row]
    limited = np.isfinite(problem.antenna_count)
    mixed = problem.uses_antenna[chosen][row]
    period = np.full((len(row), 2), -1, dtype=np.int64)
    for side, node in ((0, source), (1, target)):
        draws = mixed & limited[node]
        period[draws, side] = node[draws] * count + slot[draws]
    used, flat = np.unique(period[period >= 0], return_inverse=True)
    period[period >= 0] = flat.ravel()
    period_node, period_slot = np.divmod(used, count)
    collected = collects(problem)
    nodes = len(limited)
    return Expansion(
        np.arange(nodes + 1, dtype=np.int64) * count,
        np.tile(cuts[:-1], nodes),
        chosen[row],
        begin,
        finish,
        rows["rate_bps"][chosen[row]] * (finish - begin) / 8,
        home[source] * count + slot,
        np.where(collected[target], -1, home[target] * count + slot),
        period,
        period_node,
        problem.antenna_count[period_node] * np.diff(cuts)[period_slot],
        cuts[period_slot],
        home,
        exact=exact,
    )
