"""Pass scheduling as a linear programme: several commodities, and rates that differ.

Sets
    C   commodities: demands that share targets and deadline (`flows.commodities`)
    D   demands, each of one commodity c(d)
    A   pieces of contacts, P periods of antenna time, I cells of nodes (`Expansion`)
    A[c], I[c]  pieces that c can use: after its first release and before its deadline, from where
        it can be to where it can still reach a target; and the cells at their ends
Parameters
    u[a]        bytes that a piece carries, rate r[a] (bytes/s) x length
    s[p]        antenna seconds of a period
    room[n]     storage of a node; v[d] volume of a demand
Variables (in units of `unit_bytes`)
    f[c, a]     bytes over each piece
    g[c, i]     bytes kept from one cell in I[c] to the node's next in I[c]
    b[d]        bytes sent: what is sent arrives
    w[d]        1 if a demand that is not splittable goes whole, 0 if not at all (only on demand)
Objective
    maximise the sum of b (in a stage: of one class of priority)
Constraints
    balance     g[c, i - 1] + f[c, into i] + b[d from i] = f[c, out of i] + g[c, i]
    piece       sum over c of f[c, a] <= u[a]
    period      sum over c and a of f[c, a] / r[a] <= s[p]
    hold        what all commodities keep into a cell and send from it <= room[n]
    class       sum of b over a class >= what earlier stages secured for it
    whole       b[d] = v[d] w[d]
    energy      see `energy`
Source
    Ford and Fulkerson, "A suggested computation for maximal multi-commodity network flows",
    Management Science 5 (1958), arc form, on their time expansion of the same year.

Priorities are solved in stages, not weighted: weights far enough apart spoil the numbers. On an
exact expansion the optimum is that of continuous time (with batteries, among the schedules that
use each piece evenly).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from ..flow import FlowNetwork
from ..linear import LinearModel, ModelBuilder
from . import flows
from .energy import add_energy
from .expansion import Expansion
from .problem import PassProblem
from .transfers import Transfers

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Strand:
    """One commodity's part of the programme.

    Attributes
    ----------
    demands : array of int
        Positions of its demands that can be sent at all.
    piece : array of int, shape (flows,)
    cells : array of int
        Sorted; what follows counts within them.
    tail, head : array of int, shape (flows,)
        -1 where a piece ends at a target.
    keep : array of int
        Cells from which something is kept to the next.
    start : array of int, shape (len(demands),)
    """

    demands: Ints
    piece: Ints
    cells: Ints
    tail: Ints
    head: Ints
    keep: Ints
    start: Ints


@dataclass(frozen=True, slots=True, eq=False)
class PassProgramme:
    """A linear programme and how its columns are to be read.

    Columns come in the order of the strands: blocks ``flow``, ``keep``, ``send``, then the stored
    energy of each satellite, and ``whole`` where it was asked for.
    """

    model: LinearModel
    problem: PassProblem
    expansion: Expansion
    strands: tuple[Strand, ...]
    unit_bytes: float
    until_s: float

    def sent_bytes(self, x: Floats) -> Floats:
        """Bytes of each demand that arrive, shape (demands,)."""
        sent = np.zeros(len(self.problem.demands))
        sent[_joined([part.demands for part in self.strands])] = self.model.block("send").take(x)
        return sent * self.unit_bytes

    def stage(self, priority: int, secured_bytes: Mapping[int, float]) -> PassProgramme:
        """The same programme for one class of priority, after others have got their bytes.

        Parameters
        ----------
        priority : int
            Class whose bytes to maximise.
        secured_bytes : mapping of int to float
            Least bytes of other classes, less 1e-9 of them for rounding.
        """
        model = self.model
        block = next(block for block in model.rows if block.name == "class")
        lower = model.row_lower.copy()
        for number, amount in secured_bytes.items():
            lower[block.start + number] = amount / self.unit_bytes * (1 - 1e-9)
        # A row of the class is its objective.
        row = model.matrix[[block.start + priority]].toarray().ravel()
        return replace(self, model=replace(model, cost=-row, row_lower=lower))

    def settled(self, x: Floats) -> LinearModel:
        """The model with the demands that go whole as in `x`, and no choice left."""
        model, block = self.model, self.model.block("whole")
        lower, upper = model.lower.copy(), model.upper.copy()
        chosen = np.round(block.take(x))
        lower[block.indices] = upper[block.indices] = chosen
        integer = np.zeros_like(model.integer)
        return replace(model, lower=lower, upper=upper, integer=integer)


def build(
    problem: PassProblem,
    expansion: Expansion,
    *,
    until_s: float = np.inf,
    outer: bool = False,
    whole: bool = False,
) -> PassProgramme:
    """Linear programme of all demands.

    Parameters
    ----------
    problem : PassProblem
    expansion : Expansion
        Cut at releases and deadlines, as `by_events` and `by_slots` do.
    until_s : float
        Nothing flows later; a piece that is cut by it carries its share.
    outer : bool
        Whether what comes during a cell may be sent from its beginning, so that the optimum is a
        bound.
    whole : bool
        Whether demands that are not splittable go whole or not at all: a binary variable for each.
    """
    share, _ = _open(expansion, until_s)
    # A pool is not held to what its nodes can store, as in `flows`.
    pooled = (expansion.home != np.arange(len(expansion.home))).any()
    room = np.full(len(expansion.home), np.inf) if pooled else problem.storage
    strands = tuple(
        _strand(problem, expansion, demands, share > 0, room, until_s, outer)
        for demands in flows.commodities(problem)
    )
    piece = _joined([part.piece for part in strands])
    carried = expansion.volume_bytes * share
    unit = _unit(carried[piece])
    carried = carried / unit
    room = room / unit
    node = expansion.node
    model = ModelBuilder()
    # Variables.
    flow = model.variables("flow", len(piece), upper=carried[piece])
    kept = _joined([part.cells[part.keep] for part in strands])
    keep = model.variables("keep", len(kept), upper=room[node[kept]])
    number = _joined([part.demands for part in strands])
    volume = np.array([row.volume_bytes for row in problem.demands])[number] / unit
    begins = _joined([part.cells[part.start] for part in strands])
    send = model.variables("send", len(number), upper=np.minimum(volume, room[node[begins]]))
    # Objective.
    model.minimise(send, -1.0)
    # Constraints.
    _add_balance(model, strands, flow, keep, send)
    _add_pieces(model, piece, flow, carried)
    _add_periods(model, problem, expansion, piece, flow, until_s, unit)
    _add_storage(model, strands, node, room, keep, send)
    priority = np.array([row.priority for row in problem.demands])
    rows = model.constraints("class", int(priority.max()) + 1)
    model.add(rows[priority[number]], send, 1.0)
    if problem.energy:
        add_energy(model, problem, expansion, piece, flow, unit, until_s=until_s, outer=outer)
    if whole:
        _add_whole(model, problem, number, send, volume)
    return PassProgramme(model.build(), problem, expansion, strands, unit, until_s)


def read(found: PassProgramme, x: Floats) -> Transfers:
    """Transfers of each demand: every commodity's flow taken apart into paths.

    A solver may break a row by its tolerance; flows are trimmed to pieces and periods, at the
    cost of as many bytes.
    """
    model, unit = found.model, found.unit_bytes
    flow = _trimmed(found, np.maximum(model.block("flow").take(x), 0.0) * unit)
    keep = np.maximum(model.block("keep").take(x), 0.0) * unit
    send = np.maximum(model.block("send").take(x), 0.0) * unit
    moves, at = [], np.zeros(3, dtype=np.int64)
    for part in found.strands:
        size = np.array([len(part.piece), len(part.keep), len(part.demands)])
        spans = [slice(a, a + n) for a, n in zip(at, size, strict=True)]
        amount = np.concatenate([flow[spans[0]], keep[spans[1]], send[spans[2]]])
        at += size
        moves.append(flows.read(_network(found, part, amount), amount, found.until_s))
    return Transfers.joined(moves)


def _strand(
    problem: PassProblem,
    expansion: Expansion,
    demands: Ints,
    is_open: Bools,
    room: Floats,
    until_s: float,
    outer: bool,
) -> Strand:
    """What one commodity can use."""
    rows = problem.plan.arrays
    first = problem.demands[demands[0]]
    at_target = np.zeros(len(problem.plan.nodes), dtype=bool)
    at_target[problem.targets(first)] = True
    start = np.array(
        [
            expansion.cell(
                problem.plan.index(problem.demands[k].source),
                problem.demands[k].release_s,
                after=not outer,
            )
            for k in demands
        ]
    )
    source, target = rows["source"][expansion.contact], rows["target"][expansion.contact]
    usable = is_open & ~at_target[source]
    usable &= np.minimum(expansion.end_s, until_s) <= first.deadline_s + 1e-9
    piece = np.flatnonzero(usable)
    tail, head = expansion.tail[piece], np.where(at_target[target], -1, expansion.head)[piece]
    node = expansion.node
    used = _reached(node, tail, head, start[start >= 0], len(at_target))
    piece, tail, head = piece[used], tail[used], head[used]
    sends = _waits(node, start, tail)
    demands, start = demands[sends], start[sends]
    # Where storage does not limit, cells differ only by what has come: one from each inflow on.
    inflow = np.unique(np.concatenate([head[head >= 0], start]))
    free = np.isinf(room[node[tail]])
    tail = np.where(free, inflow[np.searchsorted(inflow, tail, side="right") - 1], tail)
    cells = np.unique(np.concatenate([tail, head[head >= 0], start]))
    owner = node[cells]
    return Strand(
        demands,
        piece,
        cells,
        np.searchsorted(cells, tail),
        np.where(head >= 0, np.searchsorted(cells, head), -1),
        np.flatnonzero(owner[1:] == owner[:-1]),
        np.searchsorted(cells, start),
    )


def _reached(node: Ints, tail: Ints, head: Ints, start: Ints, nodes: int) -> Bools:
    """Pieces on a way from a start to a target (head -1); as many rounds as the longest has hops.

    Bytes can wait, so that a node's cells within reach are those from some first cell on, and
    those that a target is in reach of are all up to some last one.
    """
    soonest = np.full(nodes, len(node), dtype=np.int64)
    np.minimum.at(soonest, node[start], start)
    passed = np.flatnonzero(head >= 0)
    while True:
        ready = passed[tail[passed] >= soonest[node[tail[passed]]]]
        before = soonest.copy()
        np.minimum.at(soonest, node[head[ready]], head[ready])
        if (soonest == before).all():
            break
    latest = np.full(nodes, -1, dtype=np.int64)
    final = tail[head < 0]
    np.maximum.at(latest, node[final], final)
    while True:
        ready = passed[head[passed] <= latest[node[head[passed]]]]
        before = latest.copy()
        np.maximum.at(latest, node[tail[ready]], tail[ready])
        if (latest == before).all():
            break
    found: Bools = tail >= soonest[node[tail]]
    found &= (head < 0) | (head <= latest[node[head]])
    return found


def _waits(node: Ints, start: Ints, tail: Ints) -> Bools:
    """Starts from which a piece leaves, at once or later; -1 is none."""
    last = np.full(int(node.max(initial=-1)) + 1, -1, dtype=np.int64)
    np.maximum.at(last, node[tail], tail)
    found: Bools = start >= 0
    found[found] = last[node[start[found]]] >= start[found]
    return found


def _add_balance(
    model: ModelBuilder, strands: tuple[Strand, ...], flow: Ints, keep: Ints, send: Ints
) -> None:
    offset = np.cumsum([0, *(len(part.cells) for part in strands)])
    rows = model.constraints("balance", int(offset[-1]), lower=0.0, upper=0.0)

    def at(name: str) -> Ints:
        found = [getattr(s, name) + int(low) for s, low in zip(strands, offset[:-1], strict=True)]
        return _joined(found)

    inner = _joined([part.head for part in strands]) >= 0
    model.add(rows[at("tail")], flow, -1.0)
    model.add(rows[at("head")[inner]], flow[inner], 1.0)
    model.add(rows[at("keep")], keep, -1.0)
    model.add(rows[at("keep") + 1], keep, 1.0)
    model.add(rows[at("start")], send, 1.0)


def _add_pieces(model: ModelBuilder, piece: Ints, flow: Ints, carried: Floats) -> None:
    """Pieces that commodities share; a column's bound does for the others."""
    count = np.bincount(piece, minlength=len(carried))
    shared = np.flatnonzero(count > 1)
    rows = model.constraints("piece", len(shared), upper=carried[shared])
    mine = count[piece] > 1
    model.add(rows[np.searchsorted(shared, piece[mine])], flow[mine], 1.0)


def _add_periods(
    model: ModelBuilder,
    problem: PassProblem,
    expansion: Expansion,
    piece: Ints,
    flow: Ints,
    until_s: float,
    unit: float,
) -> None:
    """Antenna time of a period, as bytes at its fastest rate; only where it can bind."""
    share, room_s = _open(expansion, until_s)
    rate = problem.plan.arrays["rate_bps"][expansion.contact] / 8
    fastest, wanted_s = np.zeros(len(room_s)), np.zeros(len(room_s))
    used = np.unique(piece)
    for side in (0, 1):
        mine = used[expansion.period[used, side] >= 0]
        period = expansion.period[mine, side]
        np.maximum.at(fastest, period, rate[mine])
        length = expansion.end_s[mine] - expansion.start_s[mine]
        np.add.at(wanted_s, period, share[mine] * length)
    binds = wanted_s > room_s * (1 + 1e-12)
    bound = np.flatnonzero(binds)
    rows = model.constraints("period", len(bound), upper=room_s[bound] * fastest[bound] / unit)
    for side in (0, 1):
        period = expansion.period[piece, side]
        mine = np.flatnonzero(period >= 0)
        mine = mine[binds[period[mine]]]
        spot = np.searchsorted(bound, period[mine])
        model.add(rows[spot], flow[mine], fastest[period[mine]] / rate[piece[mine]])


def _add_storage(
    model: ModelBuilder,
    strands: tuple[Strand, ...],
    node: Ints,
    room: Floats,
    keep: Ints,
    send: Ints,
) -> None:
    """What is kept into each cell, by whichever commodity, and sent from it."""
    cells = np.unique(_joined([part.cells for part in strands]))
    cells = cells[np.isfinite(room[node[cells]])]
    rows = model.constraints("hold", len(cells), upper=room[node[cells]])
    kept = sent = 0
    for part in strands:
        # Into a cell leads the keep from the commodity's own cell before it.
        before = np.searchsorted(part.cells, cells, side="left") - 1
        held = np.isin(before, part.keep)
        model.add(rows[held], keep[kept + np.searchsorted(part.keep, before[held])], 1.0)
        begins = part.cells[part.start]
        limited = np.isfinite(room[node[begins]])
        spot = np.searchsorted(cells, begins[limited])
        model.add(rows[spot], send[sent + np.flatnonzero(limited)], 1.0)
        kept, sent = kept + len(part.keep), sent + len(part.demands)


def _add_whole(
    model: ModelBuilder, problem: PassProblem, number: Ints, send: Ints, volume: Floats
) -> None:
    mine = np.flatnonzero([not problem.demands[k].splittable for k in number])
    choice = model.variables("whole", len(mine), upper=1.0, integer=True)
    rows = model.constraints("whole", len(mine), lower=0.0, upper=0.0)
    model.add(rows, send[mine], 1.0)
    model.add(rows, choice, -volume[mine])


def _network(found: PassProgramme, part: Strand, amount: Floats) -> flows.PassNetwork:
    """One commodity's flow as a network: its cells, then the sink and the source."""
    sink, arcs = len(part.cells), (len(part.piece), len(part.keep), len(part.demands))
    head = np.where(part.head >= 0, part.head, sink)
    network = FlowNetwork(
        sink + 2,
        np.concatenate([part.tail, part.keep, np.full(arcs[2], sink + 1)]),
        np.concatenate([head, part.keep + 1, part.start]),
        amount,
        sink + 1,
        sink,
    )
    none, sends = slice(arcs[0], arcs[0]), slice(arcs[0] + arcs[1], sum(arcs))
    keeps = slice(arcs[0], arcs[0] + arcs[1])
    return flows.PassNetwork(
        network, found.expansion, part.demands, part.piece, part.keep[:0], none, keeps, none, sends
    )


def _trimmed(found: PassProgramme, flow: Floats) -> Floats:
    """Flows in bytes, reduced where a piece or a period is used too much."""
    expansion = found.expansion
    share, room_s = _open(expansion, found.until_s)
    piece = _joined([part.piece for part in found.strands])
    used = np.zeros(len(share))
    np.add.at(used, piece, flow)
    factor = _at_most_one(expansion.volume_bytes * share, used)
    rate = found.problem.plan.arrays["rate_bps"][expansion.contact] / 8
    seconds = used * factor / rate
    busy = np.zeros(len(room_s))
    for side in (0, 1):
        mine = np.flatnonzero(expansion.period[:, side] >= 0)
        np.add.at(busy, expansion.period[mine, side], seconds[mine])
    spare = _at_most_one(room_s, busy)
    for side in (0, 1):
        mine = np.flatnonzero(expansion.period[:, side] >= 0)
        factor[mine] *= spare[expansion.period[mine, side]]
    trimmed: Floats = flow * factor[piece]
    return trimmed


def _at_most_one(room: Floats, used: Floats) -> Floats:
    factor = np.ones(len(used))
    np.divide(room, used, out=factor, where=used > room)
    return factor


def _open(expansion: Expansion, until_s: float) -> tuple[Floats, Floats]:
    """Share of each piece that is open until then, and the antenna seconds left of each period."""
    length = np.maximum(expansion.end_s - expansion.start_s, 1e-300)
    share = (np.minimum(expansion.end_s, until_s) - expansion.start_s) / length
    share = np.where(share > 1e-12, np.minimum(share, 1.0), 0.0)
    part = np.zeros(len(expansion.period_s))
    for side in (0, 1):
        mine = np.flatnonzero(expansion.period[:, side] >= 0)
        np.maximum.at(part, expansion.period[mine, side], share[mine])
    return share, expansion.period_s * part


def _unit(volume_bytes: Floats) -> float:
    """Power of two near the mean of the pieces."""
    mean = float(volume_bytes.mean()) if len(volume_bytes) else 0.0
    return float(2.0 ** np.round(np.log2(mean))) if mean > 0 else 1.0


def _joined(parts: Sequence[Ints]) -> Ints:
    return np.concatenate([np.empty(0, dtype=np.int64), *parts])
