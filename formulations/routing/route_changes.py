"""How the path between two nodes changes while the network moves, by one of two rules."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from .. import checks
from ..contacts import ContactPlan
from .lasting import LongestLasting
from .light_time import mesh_bound_s
from .logbook import Logbook
from .mesh import Mesh
from .snapshot_arcs import WEIGHTS, Arcs, arcs_at, check, relays, relays_of, through_ground
from .trees import Trees
from .walking import Ends, links_along, nodes_along
from .watch import RULES, RouteLog

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

#: A path gives way only to one that is shorter by more than sums of floats differ.
_SHORTER = 1 - 1e-12


def route_changes(
    network: ContactPlan | Mesh,
    source: str,
    target: str,
    *,
    start_s: float,
    end_s: float,
    step_s: float = 1.0,
    weight: str = "delay",
    rule: str = "shortest",
    ground_relays: bool | None = None,
    on_progress: Callable[[float], object] | None = None,
) -> RouteLog:
    """Follow the path from one node to another, and tell when and why it changes.

    Parameters
    ----------
    network : ContactPlan or Mesh
        As in `snapshot_paths`: at each time the links that stand are a graph.
    source, target : str
        Names of two nodes.
    start_s, end_s : float
        Seconds after the plan's epoch or the mesh's start; the end is not included.
    step_s : float
        How often a mesh is looked at: its changes are found up to so much late. A plan is looked
        at whenever a contact starts or ends, so that its changes are exact.
    weight : {"delay", "hops", "inverse_rate"}
        As in `snapshot_paths`.
    rule : {"shortest", "longest_lasting"}
        ``"shortest"``: always the path of least weight; of equal ones, the path before stays.
        ``"longest_lasting"``: a path is kept until it breaks; then, of those that last longest,
        the one of least weight follows. No other way of having a path whenever there is one
        changes it less often.
    ground_relays : bool, optional
        As in `snapshot_paths`.
    on_progress : callable, optional
        Called with the share that is done.

    Returns
    -------
    RouteLog
        Its light-time bound: of a mesh, `mesh_bound_s` at each step; of a plan, the shortest path
        over the least delay that each link has in the window.

    Raises
    ------
    InputError
        For an unknown name, weight or rule, two equal nodes, an end that is not after the start,
        and other bad input. That there is no path is an answer: an interval with an empty one.

    Notes
    -----
    Why keeping the longest-lasting path means fewest changes: whenever there is a path, one must be
    in use. Let the k-th path of this rule break at ``b_k``. Whoever else has changed k - 1 times by
    then is on a path that began at ``b_(k-1)`` or before (by induction: their (k - 1)-th change is
    no later than ours), so it stood at ``b_(k-1)`` and breaks no later than the longest-lasting one
    from there, at ``b_k``: they have changed k times by ``b_k``, too. Times without any path are
    the same for all. The path that lasts longest is a widest path over the times at which links
    end, found by bisection of that time: O(links log links) per change.
    """
    case = _Case.of(network, source, target, start_s, end_s, step_s, weight, ground_relays)
    checks.known("route_changes.rule", rule, RULES)
    if on_progress is not None and not callable(on_progress):
        checks.fail("route_changes.on_progress", on_progress, "a callable, or None")
    network, before = case.network, 0.0
    chooser: _Chooser = _Shortest(case.ends, case.relay, weight)
    if rule == "longest_lasting":
        before = 0.5 if isinstance(network, Mesh) else 0.0
        share = _part(on_progress, 0.0, before)
        window = (case.times_s, case.end_s)
        chooser = LongestLasting.of(network, *window, weight, case.ends, case.relay, share)
    tell = _part(on_progress, before, 1.0)
    edges = np.append(case.times_s, case.end_s)
    book = Logbook(network.node_names, ~relays_of(network), edges, case.bound_s())
    path: Ints = np.empty(0, dtype=np.int64)
    for k, (costs, delays) in enumerate(_looks(network, case.times_s, weight)):
        value = _sum(links_along(costs, path, len(case.relay)))
        found = chooser.look(float(case.times_s[k]), costs, path, value)
        if not np.array_equal(found, path) or k == 0:
            book.change(k, found, broken=not math.isfinite(value))
            path = found
        book.note(k, _sum(links_along(delays, path, len(case.relay))))
        tell((k + 1) / len(case.times_s))
    return book.log(source, target, weight, rule)


class _Chooser(Protocol):
    """A rule: the path to use now."""

    def look(self, time_s: float, costs: Arcs, path: Ints, value: float) -> Ints:
        """Given the path before and its weight now (infinite where it is broken)."""
        ...


class _Shortest:
    """The path of least weight at each time."""

    def __init__(self, ends: Ends, relay: NDArray[np.bool_], weight: str):
        self._ends = ends
        method = "bfs" if weight == "hops" else "warm"
        self._trees = Trees(np.array([ends.source]), relay, method)

    def look(self, time_s: float, costs: Arcs, path: Ints, value: float) -> Ints:
        distance, before = self._trees.grow(costs)
        if math.isfinite(value) and distance[0, self._ends.target] >= value * _SHORTER:
            return path
        return nodes_along(before[0], self._ends)


@dataclass(frozen=True, slots=True, eq=False)
class _Case:
    """A checked question."""

    network: ContactPlan | Mesh
    ends: Ends
    times_s: Floats
    end_s: float
    relay: NDArray[np.bool_]

    @classmethod
    def of(
        cls,
        network: Any,
        source: Any,
        target: Any,
        start_s: Any,
        end_s: Any,
        step_s: Any,
        weight: Any,
        ground_relays: Any,
    ) -> _Case:
        where = "route_changes"
        if not isinstance(network, ContactPlan | Mesh):
            checks.fail(f"{where}.network", type(network).__name__, "a ContactPlan or a Mesh")
        names = network.node_names
        checks.known(f"{where}.source", source, names)
        checks.known(f"{where}.target", target, names)
        if source == target:
            checks.fail(f"{where}.target", target, "another node than the source")
        first = checks.real(f"{where}.start_s", start_s, low=-math.inf)
        last = checks.real(f"{where}.end_s", end_s, low=-math.inf)
        if last <= first:
            checks.fail(f"{where}.end_s", last, f"an end after start_s = {first:g}")
        step = checks.real(f"{where}.step_s", step_s, strict=True)
        checks.known(f"{where}.weight", weight, WEIGHTS)
        through = through_ground(where, network, ground_relays)
        times: Floats
        if isinstance(network, ContactPlan):
            network = _carrying(network) if weight == "inverse_rate" else network
            edges: Floats = np.concatenate([network.arrays["start_s"], network.arrays["end_s"]])
            times = np.append(first, np.unique(edges[(edges > first) & (edges < last)]))
        else:
            steps = max(1, math.ceil((last - first) / step - 1e-9))
            times = first + step * np.arange(steps, dtype=np.float64)
        check(network, times, weight)
        relay = relays(network, through)
        ends = Ends(names.index(source), names.index(target))
        return cls(network, ends, times, last, relay)

    def bound_s(self) -> Floats:
        """Least light time of any path, shape (times,)."""
        network = self.network
        if isinstance(network, Mesh):
            names = network.node_names
            ends = (names[self.ends.source], names[self.ends.target])
            through = bool(self.relay.all()) and bool(network.stations)
            return mesh_bound_s(network, *ends, self.times_s, ground_relays=through)
        rows = network.arrays
        there = (rows["start_s"] < self.end_s) & (rows["end_s"] > self.times_s[0])
        tail, head = (rows[name][there].astype(np.int64) for name in ("source", "target"))
        arcs = Arcs(tail, head, rows["delay_s"][there])
        least, _ = Trees(np.array([self.ends.source]), self.relay, "heap").grow(arcs)
        return np.full(len(self.times_s), least[0, self.ends.target])


def _carrying(plan: ContactPlan) -> ContactPlan:
    """A plan without the contacts of rate 0."""
    kept = plan.arrays["rate_bps"] > 0
    return replace(plan, arrays={name: column[kept] for name, column in plan.arrays.items()})


def _looks(
    network: ContactPlan | Mesh, times_s: Floats, weight: str
) -> Iterator[tuple[Arcs, Arcs]]:
    """At each time the links with their weights, and with their delays."""
    if weight == "inverse_rate":
        yield from zip(
            arcs_at(network, times_s, weight), arcs_at(network, times_s, "delay"), strict=True
        )
        return
    for arcs in arcs_at(network, times_s, "delay"):
        ones = Arcs(arcs.tail, arcs.head, np.ones(len(arcs.tail))) if weight == "hops" else arcs
        yield ones, arcs


def _sum(links: Floats) -> float:
    """From the first link on, as shortest-path trees add; infinite for no link at all."""
    return float(np.cumsum(links)[-1]) if len(links) else math.inf


def _part(
    on_progress: Callable[[float], object] | None, low: float, high: float
) -> Callable[[float], None]:
    """Report a part of the work as a part of the whole."""

    def tell(share: float) -> None:
        if on_progress is not None:
            on_progress(low + (high - low) * share)

    return tell
