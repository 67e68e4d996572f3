"""Flow roads for pass problems: volume, priority and completion as maximum flows."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from ..formulations import checks
from ..formulations.flow import FlowNetwork
from ..formulations.passes import Demand, PassProblem, PassSchedule, Transfers
from ..formulations.passes.cuts import cut_in_words
from ..formulations.passes.expansion import Expansion, by_events, by_slots, collects, useful
from ..formulations.passes.flows import PassNetwork, build, commodities, is_network, read
from .maxflow import FlowAnswer, max_flow
from .result import Limit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

#: Cells of an event expansion beyond which slots are used instead.
MOST_CELLS = 150_000
#: Slot lengths (s) to fall back on, the first that stays below `MOST_CELLS`.
SLOTS_S = (10.0, 30.0, 60.0, 120.0, 300.0, 600.0)

METHODS = ("events", "slots")


def is_relayed(problem: PassProblem) -> bool:
    """Whether some node may pass on what it receives."""
    target = problem.plan.arrays["target"]
    return bool((useful(problem) & ~collects(problem)[target]).any())


@dataclass(frozen=True, slots=True)
class Grid:
    """How time is cut: `inner` gives schedules, `outer` bounds (the same where exact)."""

    inner: Expansion
    outer: Expansion
    method: str

    def build(self, problem: PassProblem, demands: Ints, **options: object) -> PassNetwork:
        return build(problem, self.inner, demands, **options)  # type: ignore[arg-type]

    def relaxed(self, problem: PassProblem, demands: Ints, **options: object) -> PassNetwork:
        """The network whose value no schedule exceeds."""
        outer = not self.outer.exact
        return build(problem, self.outer, demands, outer=outer, **options)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a road found: transfers, a bound in the objective's unit, and words."""

    moves: Transfers
    bound: float
    cut: tuple[str, ...]
    backend: str
    message: str = ""
    infeasible: bool = False
    method: str = "maximum flow over events"
    limit: Limit | None = None


def grid_of(problem: PassProblem, method: str | None) -> Grid:
    name, _, length = (method or "").partition("-")
    if method is not None:
        checks.known("SolveOptions.method", name, METHODS)
    if name == "slots" and length:
        try:
            slot = float(length)
        except ValueError:
            checks.fail("SolveOptions.method", method, "'slots-' and a number of seconds")
        return _slots(problem, checks.real("SolveOptions.method slot", slot, strict=True))
    if name != "slots":
        events = by_events(problem)
        if name == "events" or len(events.begin_s) <= MOST_CELLS:
            return Grid(events, events, "events")
    span = float(problem.plan.duration_s or 0.0)
    cells = [len(problem.plan.nodes) * span / slot for slot in SLOTS_S]
    fits = [slot for slot, count in zip(SLOTS_S, cells, strict=True) if count <= MOST_CELLS]
    return _slots(problem, fits[0] if fits else SLOTS_S[-1])


def _slots(problem: PassProblem, slot_s: float) -> Grid:
    inner = by_slots(problem, slot_s, inner=True)
    return Grid(inner, by_slots(problem, slot_s, inner=False), f"slots of {slot_s:g} s")


# -- volume ---------------------------------------------------------------------------------------
def volume(problem: PassProblem, grid: Grid) -> Answer:
    """Most bytes: one maximum flow, or one after another where deadlines or targets differ."""
    groups = commodities(problem)
    if len(groups) > 1:
        return _sequence(problem, grid, groups)
    found = grid.build(problem, groups[0])
    flow = max_flow(found.network)
    cut = cut_in_words(problem, found, flow.side)
    bound = flow.value
    if not grid.inner.exact:
        bound = max_flow(grid.relaxed(problem, groups[0]).network).value
    return Answer(read(found, flow.flow), bound, cut, flow.backend)


def volume_alone(problem: PassProblem, relative_gap: float) -> Answer | None:
    """The plan in which no node passes anything on, where that is as good as any.

    The bound pools the nodes that could pass something on to each other. Over a day cooperation
    often gains nothing, and both networks are small.
    """
    groups = commodities(problem)
    if len(groups) > 1:
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


def _sequence(problem: PassProblem, grid: Grid, groups: list[Ints]) -> Answer:
    """Commodities one after another, each through what the others left.

    The bound is the flow of all of them as one: any target counts, the latest deadline holds.
    """
    moves, cut, backend = one_by_one(
        problem, grid.inner, groups, grid.inner.volume_bytes, grid.inner.period_s
    )
    message = f"{len(groups)} commodities, one after another; the bound takes them as one"
    return Answer(moves, _together(problem, grid), cut, backend, message)


def one_by_one(
    problem: PassProblem,
    expansion: Expansion,
    groups: list[Ints],
    piece_bytes: Floats,
    period_s: Floats,
) -> tuple[Transfers, tuple[str, ...], str]:
    """Flows of commodities one after another through what is left of pieces and periods."""
    pieces, periods = piece_bytes.copy(), period_s.copy()
    rate = problem.plan.arrays["rate_bps"][expansion.contact] / 8
    parts, cut, backend = [], list[str](), ""
    for group in groups:
        found = build(problem, expansion, group, piece_bytes=pieces, period_s=periods)
        flow = max_flow(found.network)
        parts.append(read(found, flow.flow))
        cut += [text for text in cut_in_words(problem, found, flow.side) if text not in cut]
        used = np.zeros(len(pieces))
        used[found.piece] = flow.flow[: len(found.piece)]
        pieces = np.maximum(pieces - used, 0.0)
        for side in (0, 1):
            draws = expansion.period[:, side] >= 0
            np.subtract.at(
                periods,
                expansion.period[draws, side],
                used[draws] / np.maximum(rate[draws], 1e-300),
            )
        periods = np.maximum(periods, 0.0)
        backend = flow.backend
    return Transfers.joined(parts), tuple(cut), backend


def _together(problem: PassProblem, grid: Grid) -> float:
    """Bytes that could be delivered if every demand had the latest deadline and any target."""
    targets = np.unique(np.concatenate([problem.targets(row) for row in problem.demands]))
    ground = {k for k, node in enumerate(problem.plan.nodes) if node.kind == "ground"}
    latest = max(row.deadline_s for row in problem.demands)
    if set(targets.tolist()) <= ground:
        loose = [_loosened(row, "ground", latest) for row in problem.demands]
        relaxed = problem.replace(demands=loose)
        grid = grid_of(relaxed, None if grid.method == "events" else _as_method(grid.method))
        everything = np.arange(len(loose))
        return max_flow(grid.relaxed(relaxed, everything).network).value
    total = 0.0
    for group in commodities(problem):
        total += max_flow(grid.relaxed(problem, group).network).value
    return total


def _as_method(name: str) -> str:
    return f"slots-{name.split()[2]}"


def _loosened(row: Demand, target: str, deadline_s: float) -> Demand:
    return Demand(
        row.name, row.source, target, row.volume_bytes, row.release_s, deadline_s, row.priority
    )


# -- priority -------------------------------------------------------------------------------------
def priority(problem: PassProblem, grid: Grid) -> Answer:
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
        return _sequence(problem, grid, [part for part in parts if len(part)])
    group = groups[0]
    rank = np.searchsorted(classes, priority[group])
    asked = np.array([problem.demands[k].volume_bytes for k in group])
    values = []
    for p in range(len(classes)):
        allowed = np.where(rank <= p, asked, 0.0)
        values.append(max_flow(grid.build(problem, group, volume_bytes=allowed).network).value)
    whole = grid.build(problem, group)
    flow = max_flow(_by_class(whole, rank, np.diff(values, prepend=0.0)))
    last = max_flow(whole.network)
    bound = last.value
    if not grid.inner.exact:
        bound = max_flow(grid.relaxed(problem, group).network).value
    cut = cut_in_words(problem, whole, last.side)
    moves = read(whole, flow.flow[: len(whole.network.tail)])
    return Answer(moves, bound, cut, flow.backend)


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
def completion(problem: PassProblem, grid: Grid) -> Answer:
    """Earliest time by which all is delivered."""
    groups = commodities(problem)
    if len(groups) > 1:
        return _completion_in_sequence(problem, grid, groups)
    group = groups[0]
    found = _earliest(problem, group, grid.inner, outer=False)
    if isinstance(found, str):
        best = volume(problem, grid)
        return replace(best, bound=math.inf, message=found, infeasible=True)
    moves, cut, backend = found.moves, found.cut, found.backend
    if grid.inner.exact:
        return Answer(moves, found.time_s, cut, backend)
    relaxed = _earliest(problem, group, grid.outer, outer=True)
    bound = found.time_s if isinstance(relaxed, str) else relaxed.time_s
    return Answer(moves, bound, cut, backend)


def completion_soon(problem: PassProblem, relative_gap: float) -> Answer | None:
    """Completion where nodes pass bytes on: exact over the events until it, from a bound up.

    Pooling the nodes that can pass something on gives a time that nothing beats. Events until
    somewhat later are few, and the network over them is exact.
    """
    groups = commodities(problem)
    pooled = by_events(problem, relays="pooled")
    if len(groups) > 1 or not pooled.exact or not is_network(problem, pooled):
        return None
    bound = _earliest(problem, groups[0], pooled, outer=False)
    if isinstance(bound, str):
        return None
    until = bound.time_s
    for stretch in (1.0, 1.05, 1.2, 1.5, 2.0, 4.0):
        events = by_events(problem, until_s=until * stretch)
        if len(events.begin_s) > 4 * MOST_CELLS or not is_network(problem, events):
            return None
        found = _earliest(problem, groups[0], events, outer=False)
        if not isinstance(found, str):
            return Answer(
                found.moves, max(until, found.time_s * (1 - 1e-9)), found.cut, found.backend
            )
    return None


@dataclass(frozen=True, slots=True)
class _Earliest:
    time_s: float
    moves: Transfers
    cut: tuple[str, ...]
    backend: str


def _earliest(
    problem: PassProblem, group: Ints, expansion: Expansion, *, outer: bool
) -> _Earliest | str:
    """Least T at which a flow that ends by T delivers all bytes, or what is missing, in words.

    The value F(T) is concave and piecewise linear between two cuts of the expansion. Bisection
    finds the two cuts; from the left, each minimum cut is a line above F, whose root is the next
    T (Newton's method of parametric flows; Radzik, in Complexity in Numerical Optimization, 1993).
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
    while high - low > 1:
        middle = (low + high) // 2
        if at(float(ends[middle]))[1].value >= asked - tiny:
            high = middle
        else:
            low = middle
    first, last = float(ends[low]), float(ends[high])
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
    return _Earliest(until, read(found, flow.flow, until), cut, flow.backend)


def _completion_in_sequence(problem: PassProblem, grid: Grid, groups: list[Ints]) -> Answer:
    """Several commodities, one after another by a common end that bisection brings forward."""
    asked = sum(row.volume_bytes for row in problem.demands)

    def by(until_s: float) -> Answer:
        demands = [replace(row, deadline_s=min(row.deadline_s, until_s)) for row in problem.demands]
        return _sequence(problem.replace(demands=demands), grid, groups)

    def whole(answer: Answer) -> bool:
        return float(PassSchedule(problem, answer.moves).delivered.sum()) >= asked * (1 - 1e-9)

    best = _sequence(problem, grid, groups)
    if not whole(best):
        missing = asked - float(PassSchedule(problem, best.moves).delivered.sum())
        text = f"{missing / 1e9:.6g} GB are not delivered in time (commodities one after another)"
        return replace(best, bound=math.inf, message=text, infeasible=best.bound < asked * 0.999999)
    latest_release = max(row.release_s for row in problem.demands)
    ends = np.unique(grid.inner.end_s[grid.inner.end_s > latest_release])
    low, high = -1, len(ends) - 1
    while high - low > 1:
        middle = (low + high) // 2
        answer = by(float(ends[middle]))
        if whole(answer):
            high, best = middle, answer
        else:
            low = middle
    bound = 0.0
    for group in groups:
        alone = _earliest(problem, group, grid.outer, outer=not grid.outer.exact)
        bound = max(bound, 0.0 if isinstance(alone, str) else alone.time_s)
    text = f"{len(groups)} commodities, one after another; the bound is the slowest alone"
    return Answer(best.moves, bound, best.cut, best.backend, text)
