"""A contact plan as a graph over time: built once, then searched as often as one likes.

Contacts lie by source node, there grouped by neighbour, and in a group by end and start, so that a
search finds by bisection which contacts of a neighbour still stand. A second set of the same
arrays, with time running backwards, serves searches from the target.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import checks
from ..contacts import ContactPlan
from .arrival_kernel import (
    AFTER,
    BEFORE,
    END,
    END0,
    RATE,
    SHORTEST,
    SOONEST,
    START,
    START0,
    Arcs,
    last_before,
    tails,
)

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Mask = NDArray[np.bool_]

#: An arc that always stands does so from minus this moment to this one.
ALWAYS_S = 1e300


@dataclass(frozen=True, slots=True, eq=False)
class ContactGraph:
    """Contacts sorted for searches over time, O(n log n) in their number.

    Attributes
    ----------
    ahead : Arcs
        Contacts by the node that they leave.
    back : Arcs
        The same by the node that they reach, in negated time.
    nodes, contacts : int
    """

    ahead: Arcs
    back: Arcs
    nodes: int
    contacts: int
    _all: Mask = field(repr=False)

    @classmethod
    def of(cls, plan: ContactPlan) -> ContactGraph:
        """The graph of a plan, built at the first call and kept as long as the plan."""
        key = plan.arrays["start_s"]
        kept = _KEPT.get(id(key))
        if kept is not None and kept[0]() is key:
            return kept[1]
        return _keep(plan, cls.build(plan))

    @classmethod
    def build(cls, plan: ContactPlan, orders: tuple[_Order, _Order] | None = None) -> ContactGraph:
        """Sort a plan's contacts, unless it is known how they lie ahead and back."""
        rows, nodes = plan.arrays, len(plan.nodes)
        start, end, delay = rows["start_s"], rows["end_s"], rows["delay_s"]
        rate, none = rows["rate_bps"], np.zeros(len(plan))
        # A bundle of volume 0 must begin before the end. Backwards, by more than sums round, so
        # that who departs at the latest departure is not turned away.
        last, surely = np.nextafter(end, -np.inf), np.maximum(last_before(end), start)
        source, target = rows["source"], rows["target"]
        order_ahead, order_back = orders or (None, None)
        columns = (start, end, start, last, rate, none, delay)
        ahead = _arcs(nodes, source, target, columns, order_ahead)
        columns = (-end, -start, -surely, -start, rate, delay, none)
        back = _arcs(nodes, target, source, columns, order_back)
        everything = np.ones(len(plan), dtype=bool)
        everything.flags.writeable = False
        return cls(ahead, back, nodes, len(plan), everything)

    def changed(self, plan: ContactPlan, position: Ints, fresh: Ints) -> ContactGraph:
        """The graph of a plan that differs in a few contacts, kept as `of` does.

        Parameters
        ----------
        plan : ContactPlan
            Over the same nodes.
        position : array, shape (contacts,)
            Where each contact of this graph is in that plan, -1 if it is not.
        fresh : array
            Positions in that plan of contacts that are new or have other times.

        Returns
        -------
        ContactGraph
            O(contacts): only the pairs of nodes with fresh contacts are sorted.
        """
        ahead, back = (_Order(position[arcs.contact], fresh) for arcs in (self.ahead, self.back))
        return _keep(plan, self.build(plan, (ahead, back)))

    def usable(
        self,
        plan: ContactPlan,
        without: Iterable[int | str] = (),
        *,
        volume_bytes: float = 0.0,
        remaining_bytes: ArrayLike | None = None,
    ) -> Mask:
        """Contacts that a search may take.

        Parameters
        ----------
        plan : ContactPlan
            The one that the graph was built from.
        without : iterable of int or str
            Contacts, by position, and nodes, by name, to leave out.
        volume_bytes : float
        remaining_bytes : array, shape (contacts,), optional
            What each contact can still carry, where something is booked already; a contact with
            less than `volume_bytes` is left out.

        Returns
        -------
        ndarray of bool, shape (contacts,)
        """
        out = tuple(without)
        if not out and remaining_bytes is None:
            return self._all
        found = self._all.copy()
        found[[k for k in out if not isinstance(k, str)]] = False
        gone = [plan.index(name) for name in out if isinstance(name, str)]
        if gone:
            absent = np.zeros(self.nodes, dtype=bool)
            absent[gone] = True
            found &= ~(absent[plan.arrays["source"]] | absent[plan.arrays["target"]])
        if remaining_bytes is not None:
            left = np.asarray(remaining_bytes, dtype=np.float64)
            if left.shape != (self.contacts,):
                checks.fail("remaining_bytes shape", left.shape, f"({self.contacts},)")
            found &= left >= volume_bytes * (1 - 1e-12)  # what is left is a difference: it rounds
        return found

    def least_seconds(self, usable: Mask, volume_bytes: float = 0.0) -> Arcs:
        """Arcs that always stand: per pair of neighbours one, with the least time that it takes.

        Parameters
        ----------
        usable : ndarray of bool, shape (contacts,)
        volume_bytes : float
            Time of transmission at the best of the pair's contacts, delay included.

        Returns
        -------
        Arcs
            To be searched with volume 0; pairs without a usable contact take infinitely long.
        """
        arcs = self.ahead
        bits, groups = volume_bytes * 8, len(arcs.group_node)
        with np.errstate(divide="ignore"):
            spent = bits / arcs.table[:, RATE] if bits else np.zeros(self.contacts)
        spent = spent + arcs.table[:, BEFORE] + arcs.table[:, AFTER]
        spent = np.where(usable[arcs.contact], spent, np.inf)
        least = np.minimum.reduceat(spent, arcs.group_first[:-1]) if groups else spent
        table = np.zeros((groups, 10))
        table[:, [START, START0, SOONEST]] = -ALWAYS_S
        table[:, [END, END0]] = ALWAYS_S
        table[:, AFTER] = table[:, SHORTEST] = least
        # The one contact of every pair is number 0: nothing is left out any more.
        number = np.zeros(groups, dtype=np.int64)
        return Arcs(arcs.node_first, arcs.group_node, np.arange(groups + 1), number, table)


#: Graphs by the identity of a plan's column (a plan itself can be neither hashed nor weakly held).
_KEPT: dict[int, tuple[weakref.ref[Any], ContactGraph]] = {}


def _keep(plan: ContactPlan, graph: ContactGraph) -> ContactGraph:
    key = plan.arrays["start_s"]
    _KEPT[id(key)] = (weakref.ref(key, _forget(id(key))), graph)
    return graph


def _forget(key: int) -> Any:
    def forget(_: object) -> None:
        _KEPT.pop(key, None)

    return forget


@dataclass(frozen=True, slots=True, eq=False)
class _Order:
    """Contacts by pair, end and start, -1 for those that are gone; the fresh ones may lie wrong."""

    before: Ints
    fresh: Ints

    def mended(self, start: Floats, end: Floats, pair: Ints) -> Ints:
        """The same with the fresh ones in their places."""
        order = self.before[self.before >= 0]
        order = order[~np.isin(order, self.fresh)]
        added, pairs = self.fresh, np.unique(pair[self.fresh])
        lies = pair[order]
        low, stop = (np.searchsorted(lies, pairs, side) for side in ("left", "right"))
        parts, done = [], 0
        for k, one in enumerate(pairs.tolist()):
            group = np.concatenate([order[low[k] : stop[k]], added[pair[added] == one]])
            parts += [order[done : low[k]], group[np.lexsort((start[group], end[group]))]]
            done = stop[k]
        return np.concatenate([*parts, order[done:]])


def _arcs(
    nodes: int,
    source: NDArray[np.int32],
    target: NDArray[np.int32],
    columns: tuple[Floats, ...],
    known: _Order | None,
) -> Arcs:
    """Sort by source, target, end and start, and mark where nodes and groups begin.

    `columns` are the first seven of `Arcs.table`.
    """
    pair = source.astype(np.int64) * nodes + target
    keys = columns[START], columns[END], pair
    order = np.lexsort(keys) if known is None else known.mended(*keys)
    pair = pair[order]
    new = np.ones(len(pair), dtype=bool)
    new[1:] = pair[1:] != pair[:-1]
    first = np.flatnonzero(new)
    groups = pair[first]
    table = np.empty((len(pair), len(columns) + 3))
    for k, column in enumerate(columns):
        table[:, k] = column[order]
    arcs = Arcs(
        np.searchsorted(groups // nodes, np.arange(nodes + 1)).astype(np.int64),
        groups % nodes,
        np.append(first, len(pair)).astype(np.int64),
        order.astype(np.int64),
        table,
    )
    tails(arcs.group_first, arcs.table)
    return arcs
