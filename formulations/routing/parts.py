"""The routes of a problem in parts: those that begin with some contacts and not on by others.

What a search finds best in a part is taken out of it by splitting the rest into smaller parts:
those that leave the best route at its first hop, at its second, and so on, by whatever contact but
that one (E. L. Lawler, "A procedure for computing the K best solutions to discrete optimization
problems and its application to the shortest path problem", Management Science 18, 1972; J. Y. Yen,
"Finding the K shortest loopless paths in a network", Management Science 17, 1971). No route is in
two parts and none is lost.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from .contact_graph import ContactGraph
from .searching import Branch, Searching

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """Routes that begin with given contacts, go on by none of some others, and visit no node twice.

    Contacts are fixed, not only nodes. So when the bundle is at the last of them is known, and
    however late that is, an earlier bundle is not asked for: another contact is another part.

    Attributes
    ----------
    contacts : tuple of int
        How every route begins.
    nodes : tuple of int
        The source, and where the contacts lead.
    now_s : float
        When the bundle is at the last of the nodes.
    barred : tuple of int
        Contacts by which no route goes on from there.
    """

    contacts: tuple[int, ...]
    nodes: tuple[int, ...]
    now_s: float
    barred: tuple[int, ...] = ()

    @classmethod
    def whole(cls, case: Searching) -> Part:
        """All routes of a problem."""
        return cls((), (case.source,), case.problem.depart_s)

    def case(self, whole: Searching) -> Searching:
        """What remains to be searched: from the last node to a target, over what is allowed."""
        allowed = whole.usable.copy()
        for node in self.nodes[:-1]:
            allowed[entering(whole.graph, node)] = False
        allowed[list(self.barred)] = False
        return replace(whole, usable=allowed, source=self.nodes[-1])

    def joined(self, rest: Branch) -> Branch:
        """A whole route: the beginning (whose times are not kept), and how it goes on."""
        unknown = np.full(len(self.contacts), np.nan)
        return Branch(
            self.contacts + rest.contacts,
            [*self.nodes[:-1], *rest.nodes],
            np.concatenate([unknown, rest.time_s]),
        )

    def without(self, best: Branch, bars: Sequence[Sequence[int]]) -> Iterator[Part]:
        """Split up all routes of this part but one.

        Parameters
        ----------
        best : Branch
            The one, from the source on.
        bars : sequence of sequence of int
            By hop of `best`: the contacts not to be taken instead.
        """
        fixed = len(self.contacts)
        for hop in range(fixed, len(best.contacts)):
            yield Part(
                best.contacts[:hop],
                tuple(best.nodes[: hop + 1]),
                float(best.time_s[hop]),
                (*bars[hop], *(self.barred if hop == fixed else ())),
            )


def entering(graph: ContactGraph, node: int) -> Ints:
    """Contacts to a node."""
    arcs = graph.back
    low, high = arcs.group_first[arcs.node_first[node : node + 2]]
    return arcs.contact[low:high]


def between(graph: ContactGraph, source: int, target: int) -> Ints:
    """Contacts from one node to another."""
    arcs = graph.ahead
    low, high = arcs.node_first[source : source + 2]
    group = low + int(np.searchsorted(arcs.group_node[low:high], target))
    if group == high or arcs.group_node[group] != target:
        return arcs.contact[:0]
    return arcs.contact[arcs.group_first[group] : arcs.group_first[group + 1]]


def avoiding(case: Searching, nodes: Iterable[int], links: Iterable[tuple[int, int]]) -> Searching:
    """Routes that enter none of some nodes and take none of some links, in neither direction."""
    allowed = case.usable.copy()
    for node in nodes:
        allowed[entering(case.graph, node)] = False
    for one, other in links:
        allowed[between(case.graph, one, other)] = False
        allowed[between(case.graph, other, one)] = False
    return replace(case, usable=allowed)
