"""Flow roads for pass problems: volume, priority and completion as maximum flows."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from ..formulations.flow import FlowNetwork
from ..formulations.passes import PassProblem, PassSchedule, Transfers
from ..formulations.passes.cuts import cut_in_words
from ..formulations.passes.event_cuts import collects, pieces_by_events, useful
from ..formulations.passes.expansion import Expansion, by_events
from ..formulations.passes.flows import PassNetwork, build, commodities, is_network, read
from .maxflow import FlowAnswer, max_flow
from .pass_answer import Answer
from .pass_grid import MOST_CELLS, MOST_PIECES, Grid
from .pass_sequences import in_sequence
from .result import Limit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..formulations.partition.outcome import Watch

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]


def is_relayed(problem: PassProblem) -> bool:
    """Whether some node may pass on what it receives."""
    target = problem.plan.arrays["target"]
    return bool((useful(problem) & ~collects(problem)[target]).any())


# -- volume ---------------------------------------------------------------------------------------
def volume(problem: PassProblem, grid: Grid, watch: Watch | None = None) -> Answer:
    """Most bytes: one maximum flow, or one after another where deadlines or targets differ."""
    groups = commodities(problem)
    if len(groups) > 1:
        return in_sequence(problem, grid, groups, watch)
    found = grid.build(problem, groups[0])
    flow = max_flow(found.network)
    cut, backend = cut_in_words(problem, found, flow.side), flow.backend
    moves, bound = read(found, flow.flow), flow.value
    asked = float(sum(row.volume_bytes for row in problem.demands))
    if not grid.inner.exact and bound < asked * (1 - 1e-12):
        del found, flow  # the relaxed network needs the memory
        bound = max_flow(grid.relaxed(problem, groups[0]).network).value
    return Answer(moves, bound, cut, backend)


def volume_alone(
    problem: PassProblem, relative_gap: float, watch: Watch | None = None
) -> Answer | None:
    """The plan in which no node passes anything on, where that is as good as any.

    The bound pools the nodes that could pass something on to each other. Over a day cooperation
    often gains nothing, and both networks are small.
    """
    groups = commodities(problem)
    if len(groups) > 1 or pieces_by_events(problem, "dropped") > MOST_PIECES:
        return None
    alone = by_events(problem, relays="dropped")
    pooled = by_events(problem, relays="pooled")
    if not (is_network(problem, alone) and pooled.exact):
        return None
    found = build(problem, alone, groups[0])
    flow = max_flow(found.network)
    bound = build(problem, pooled, groups[0])
    limit = max_flow(bound.network)
    if flow.value < limit.value * (1 - max(relative_gap, 1e-9)):
        return None
    cut = cut_in_words(problem, bound, limit.side)
    text = "no node passes anything on: it would gain nothing"
    return Answer(read(found, flow.flow), limit.value, cut, flow.backend, text)


# -- priority -------------------------------------------------------------------------------------
def priority(problem: PassProblem, grid: Grid, watch: Watch | None = None) -> Answer:
    """Most bytes of each class in turn.

    With one commodity the bytes that can be delivered form a polymatroid: if V_p is the value with
    the classes up to p alone, one flow delivers V_p - V_(p-1) of every class p at once (Megiddo,
    "Optimal flows in networks with multiple sources and sinks", Mathematical Programming 7, 1974).
    With several, the classes go one after another.
    """
    groups = commodities(problem)
    priority = np.array([row.priority for row in problem.demands])
    classes = np.unique(priority)
    if len(groups) > 1:
        parts = [group[priority[group] == p] for p in classes for group in groups]
        return in_sequence(problem, grid, [part for part in parts if len(part)], watch)
    group = groups[0]
    asked = np.array([problem.demands[k].volume_bytes for k in group])
    whole, flow = in_classes(problem, grid, group, priority[group], asked)
    last = max_flow(whole.network)
    bound = last.value
    if not grid.inner.exact:
        bound = max_flow(grid.relaxed(problem, group).network).value
    cut = cut_in_words(problem, whole, last.side)
    moves = read(whole, flow.flow[: len(whole.network.tail)])
    return Answer(moves, bound, cut, flow.backend)


def in_classes(
    problem: PassProblem, grid: Grid, group: Ints, rank: Ints, volume_bytes: Floats
) -> tuple[PassNetwork, FlowAnswer]:
    """One commodity's flow that is largest for each rank in turn, and the network of all ranks.

    `rank` and `volume_bytes` have the shape of `group`; the network's arcs come first in the flow.
    """
    ranks, rank = np.unique(rank, return_inverse=True)
    values = []
    for p in range(len(ranks)):
        allowed = np.where(rank <= p, volume_bytes, 0.0)
        values.append(max_flow(grid.build(problem, group, volume_bytes=allowed).network).value)
    whole = grid.build(problem, group, volume_bytes=volume_bytes)
    return whole, max_flow(_by_class(whole, rank, np.diff(values, prepend=0.0)))


def _by_class(found: PassNetwork, rank: Ints, value: Floats) -> FlowNetwork:
    """The network with a gate before each class of demands that lets only its value through."""
    network = found.network
    gates = network.nodes + np.arange(len(value))
    tail = network.tail.copy()
    tail[found.sends] = gates[rank]
    source = np.full(len(value), network.source, dtype=np.int64)
    return FlowNetwork(
        network.nodes + len(value),
        np.concatenate([tail, source]),
        np.concatenate([network.head, gates]),
        np.concatenate([network.capacity, np.maximum(value, 0.0)]),
        network.source,
        network.sink,
    )


# -- completion -----------------------------------------------------------------------------------
def completion(problem: PassProblem, grid: Grid, watch: Watch | None = None) -> Answer:
    """Earliest time by which all is delivered."""
    groups = commodities(problem)
    if len(groups) > 1:
        return _completion_in_sequence(problem, grid, groups, watch)
    group = groups[0]
    found = relaxed = _earliest(problem, group, grid.inner, outer=False, watch=watch)
    if not grid.inner.exact and (isinstance(found, str) or found.limit is None):
        relaxed = _earliest(problem, group, grid.outer, outer=True, watch=watch)
    if isinstance(found, str):
        best = volume(problem, grid)
        if isinstance(relaxed, str):
            return replace(best, bound=math.inf, message=relaxed, infeasible=True)
        text = f"no plan was found that delivers all bytes ({grid.method} are coarse): {found}"
        return replace(best, bound=relaxed.low_s, message=text, limit=relaxed.limit)
    answer = Answer(found.moves, found.low_s, found.cut, found.backend, limit=found.limit)
    if grid.inner.exact:
        return answer
    if found.limit is not None:
        return replace(answer, bound=0.0)
    bound = found.time_s if isinstance(relaxed, str) else relaxed.low_s
    limit = None if isinstance(relaxed, str) else relaxed.limit
    return replace(answer, bound=bound, limit=limit)


def completion_soon(
    problem: PassProblem, relative_gap: float, watch: Watch | None = None
) -> Answer | None:
    """Completion where nodes pass bytes on: exact over the events until it, from a bound up.

    Pooling the nodes that can pass something on gives a time that nothing beats. Events until
    somewhat later are few, and the network over them is exact.
    """
    groups = commodities(problem)
    if len(groups) > 1 or pieces_by_events(problem, "pooled") > MOST_PIECES:
        return None
    pooled = by_events(problem, relays="pooled")
    if not pooled.exact or not is_network(problem, pooled):
        return None
    bound = _earliest(problem, groups[0], pooled, outer=False, watch=watch)
    if isinstance(bound, str) or bound.limit is Limit.TIME:
        return None
    if bound.limit is Limit.INTERRUPT:
        raise KeyboardInterrupt
    until = bound.low_s
    for stretch in (1.0, 1.05, 1.2, 1.5, 2.0, 4.0):
        if pieces_by_events(problem, until_s=until * stretch) > MOST_PIECES:
            return None
        events = by_events(problem, until_s=until * stretch)
        if len(events.begin_s) > 4 * MOST_CELLS or not is_network(problem, events):
            return None
        found = _earliest(problem, groups[0], events, outer=False, watch=watch)
        if not isinstance(found, str):
            least = max(until, found.low_s * (1 - 1e-9))
            return Answer(found.moves, least, found.cut, found.backend, limit=found.limit)
    return None


@dataclass(frozen=True, slots=True)
class _Earliest:
    """The least end by which all bytes are down: not before `low_s`, with `moves` by `time_s`."""

    time_s: float
    low_s: float
    moves: Transfers
    cut: tuple[str, ...]
    backend: str
    limit: Limit | None


def _earliest(
    problem: PassProblem,
    group: Ints,
    expansion: Expansion,
    *,
    outer: bool,
    watch: Watch | None = None,
) -> _Earliest | str:
    """Least T at which a flow that ends by T delivers all bytes, or what is missing, in words.

    The value F(T) is concave and piecewise linear between two cuts of the expansion. Bisection
    finds the two cuts; from the left, each minimum cut is a line above F, whose root is the next
    T (Newton's method of parametric flows; Radzik, in Complexity in Numerical Optimization, 1993).
    An interrupt, or the end of the watch's time, keeps the end that is reached.
    """
    asked = float(sum(problem.demands[k].volume_bytes for k in group))
    tiny = 1e-9 * max(asked, 1.0)

    def at(until_s: float) -> tuple[PassNetwork, FlowAnswer]:
        found = build(problem, expansion, group, until_s=until_s, outer=outer)
        return found, max_flow(found.network)

    whole, flow = at(math.inf)
    if flow.value < asked - tiny:
        words = "; ".join(cut_in_words(problem, whole, flow.side)[:3])
        return f"{(asked - flow.value) / 1e9:.6g} GB cannot be delivered in time: {words}"
    ends = np.unique(np.concatenate([expansion.start_s, expansion.end_s]))
    low, high = 0, len(ends) - 1
    best, limit = (whole, flow, math.inf), None
    try:
        while high - low > 1:
            if watch is not None and watch.remaining_s <= 0:
                limit = Limit.TIME
                break
            middle = (low + high) // 2
            end = float(ends[middle])
            found, flow = at(end)
            if flow.value >= asked - tiny:
                high, best = middle, (found, flow, end)
            else:
                low = middle
            if watch is not None:
                watch.state(objective=float(ends[high]), bound=float(ends[low]))
    except KeyboardInterrupt:
        limit = Limit.INTERRUPT
    first, last = float(ends[low]), float(ends[high])
    if limit is not None:
        found, flow, end = best
        return _Earliest(last, first, read(found, flow.flow, end), (), flow.backend, limit)
    until = first + 1e-9 * (last - first)
    full, _ = at(last)
    found, flow = at(until)
    for _ in range(60):
        if flow.value >= asked - tiny:
            break
        # The same cut at the end of the interval: between the two its capacity is a line.
        here, there = found.network.cut_capacity(flow.side), full.network.cut_capacity(flow.side)
        share = (asked - here) / (there - here) if there > here else 1.0
        until = min(until + share * (last - until), last)
        found, flow = at(until)
    cut = cut_in_words(problem, found, flow.side)
    return _Earliest(until, until, read(found, flow.flow, until), cut, flow.backend, None)


def _completion_in_sequence(
    problem: PassProblem, grid: Grid, groups: list[Ints], watch: Watch | None
) -> Answer:
    """Several commodities, one after another by a common end that bisection brings forward."""
    asked = sum(row.volume_bytes for row in problem.demands)

    def by(until_s: float) -> Answer:
        demands = [replace(row, deadline_s=min(row.deadline_s, until_s)) for row in problem.demands]
        return in_sequence(problem.replace(demands=demands), grid, groups, watch)

    def whole(answer: Answer) -> bool:
        return float(PassSchedule(problem, answer.moves).delivered.sum()) >= asked * (1 - 1e-9)

    best = in_sequence(problem, grid, groups, watch)
    if not whole(best):
        missing = asked - float(PassSchedule(problem, best.moves).delivered.sum())
        text = f"{missing / 1e9:.6g} GB are not delivered in time (commodities one after another)"
        if best.limit is not None:
            return replace(best, bound=0.0, message=text)
        return replace(best, bound=math.inf, message=text, infeasible=best.bound < asked * 0.999999)
    latest_release = max(row.release_s for row in problem.demands)
    ends = np.unique(grid.inner.end_s[grid.inner.end_s > latest_release])
    low, high, limit = -1, len(ends) - 1, best.limit
    while high - low > 1 and limit is None:
        middle = (low + high) // 2
        answer = by(float(ends[middle]))
        if whole(answer):
            high, best = middle, answer
            if watch is not None:
                watch.state(objective=float(ends[high]), bound=0.0)
        else:
            low, limit = middle, answer.limit
    bound = 0.0
    for group in groups if limit is None else []:
        alone = _earliest(problem, group, grid.outer, outer=not grid.outer.exact)
        bound = max(bound, 0.0 if isinstance(alone, str) else alone.low_s)
    text = f"{len(groups)} commodities, one after another; the bound is the slowest alone"
    return Answer(best.moves, bound, best.cut, best.backend, text, limit=limit)
