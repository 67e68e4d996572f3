"""Pass scheduling as a maximum flow through the time expansion.

Sets
    D   demands of one commodity (they share targets and deadline)
    cells, pieces and periods of the `Expansion`
Variables
    f[a] >= 0   bytes over each arc
Objective
    maximise the bytes that leave the source
Constraints
    conservation at every cell; a piece carries at most rate x length; the pieces of a period at
    most antenna seconds x rate; a node holds at most its storage at each beginning of a cell; a
    demand sends at most its volume, from its release on
Source
    Ford and Fulkerson, "Constructing maximal dynamic flows from static flows", Operations
    Research 6 (1958), with intervals between events in place of unit steps.

It is a network only where all pieces of a period have one rate (`is_network`); else antenna time
is a row of a linear programme (`lp`).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from ..compiled import kernel
from ..flow import FlowNetwork
from .event_cuts import collects, useful
from .expansion import Expansion
from .problem import PassProblem
from .transfers import Transfers

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class PassNetwork:
    """A flow network and where its parts stand among the arcs.

    Arcs come in this order: pieces, periods, storage between cells, storage within cells, demands,
    targets. `piece` holds the expansion's number of each piece that is in the network, `period_of`
    that of the period behind each of its arcs.
    """

    network: FlowNetwork
    expansion: Expansion
    demands: Ints
    piece: Ints
    period_of: Ints
    periods: slice
    keeps: slice
    holds: slice
    sends: slice

    def held_bytes(self, flow: Floats) -> Floats:
        """What is stored as each cell begins, where storage is limited, shape (cells,)."""
        found = np.zeros(len(self.expansion.begin_s))
        found[self.network.head[self.holds]] = flow[self.holds]
        return found


def commodities(problem: PassProblem) -> list[Ints]:
    """Demands that share targets and deadline, by deadline; what one network can carry."""
    groups: dict[tuple[float, bytes], list[int]] = {}
    for k, row in enumerate(problem.demands):
        groups.setdefault((row.deadline_s, problem.targets(row).tobytes()), []).append(k)
    return [np.array(groups[key]) for key in sorted(groups)]


def is_network(problem: PassProblem, expansion: Expansion) -> bool:
    """Whether all pieces that draw on one antenna have one rate, and all send or all receive."""
    rate = problem.plan.arrays["rate_bps"][expansion.contact]
    return _is_uniform(expansion.period, rate, len(expansion.period_s))


def has_one_rate(problem: PassProblem) -> bool:
    """Whether antennas have one rate and one direction each: then any cut of time is a network."""
    rows = problem.plan.arrays
    ends = np.stack([rows["source"], rows["target"]], axis=1).astype(np.int64)
    draws = (useful(problem) & problem.uses_antenna)[:, None]
    draws = draws & np.isfinite(problem.antenna_count)[ends]
    return _is_uniform(np.where(draws, ends, -1), rows["rate_bps"], len(problem.plan.nodes))


def _is_uniform(drawn: Ints, rate: Floats, count: int) -> bool:
    """Whether each is drawn on at one rate and from one side; `drawn` (rows, 2), -1: nothing."""
    if np.intersect1d(*(side[side >= 0] for side in drawn.T)).size:
        return False
    for side in drawn.T:
        mine = side >= 0
        low, high = np.full(count, np.inf), np.zeros(count)
        np.minimum.at(low, side[mine], rate[mine])
        np.maximum.at(high, side[mine], rate[mine])
        if (high > low * (1 + 1e-12)).any():
            return False
    return True


def build(
    problem: PassProblem,
    expansion: Expansion,
    demands: Ints,
    *,
    volume_bytes: Floats | None = None,
    piece_bytes: Floats | None = None,
    period_s: Floats | None = None,
    room_bytes: Floats | None = None,
    until_s: float = np.inf,
    outer: bool = False,
) -> PassNetwork:
    """Network of one commodity.

    Parameters
    ----------
    problem : PassProblem
    expansion : Expansion
    demands : array of int
        Positions of the commodity's demands; they share targets and deadline.
    volume_bytes : array, shape (len(demands),), optional
        What each may send, its volume unless given.
    piece_bytes, period_s, room_bytes : array, optional
        What is left of pieces, of periods, and of storage in each cell; all of it unless given.
    until_s : float
        Nothing flows later; a piece that is cut by it carries its share.
    outer : bool
        Whether what comes during a cell may be sent from its beginning.
    """
    first = problem.demands[demands[0]]
    targets = problem.targets(first)
    rows, nodes = problem.plan.arrays, len(problem.plan.nodes)
    until = min(until_s, first.deadline_s)
    length = np.maximum(expansion.end_s - expansion.start_s, 1e-300)
    share = (np.minimum(expansion.end_s, until) - expansion.start_s) / length
    piece = np.flatnonzero(share > 1e-12)
    share = np.minimum(share[piece], 1.0)
    left = expansion.volume_bytes if piece_bytes is None else piece_bytes
    carried = np.minimum(left[piece], expansion.volume_bytes[piece] * share)
    # Nodes: cells, held cells, collectors, periods out and in, source, sink.
    cells, periods = len(expansion.begin_s), len(expansion.period_s)
    collector = 2 * cells + np.arange(nodes)
    gate_out = 2 * cells + nodes + np.arange(max(periods, 1))  # one to point at without antennas
    gate_in = gate_out + periods
    source, sink = 2 * cells + nodes + 2 * periods, 2 * cells + nodes + 2 * periods + 1
    period = expansion.period[piece]
    goal = np.where(
        expansion.head[piece] >= 0,
        expansion.head[piece],
        collector[rows["target"][expansion.contact[piece]]],
    )
    tail = np.where(period[:, 0] >= 0, gate_out[period[:, 0]], expansion.tail[piece])
    head = np.where(period[:, 1] >= 0, gate_in[period[:, 1]], goal)
    # Periods: the cell behind a gate out, the goal behind a gate in, both the same for all pieces.
    rate = rows["rate_bps"][expansion.contact[piece]] / 8
    seconds = expansion.period_s if period_s is None else period_s
    gate_tail, gate_head, gate_room, gates = [], [], [], []
    for side in (0, 1):
        mine = period[:, side] >= 0
        used, at = np.unique(period[mine, side], return_index=True)
        where = np.flatnonzero(mine)[at]
        gate_tail.append(expansion.tail[piece[where]] if side == 0 else gate_in[used])
        gate_head.append(gate_out[used] if side == 0 else goal[where])
        # The longest open share: clipped pieces of a slot (outer) may have smaller ones.
        part = np.zeros(len(expansion.period_s))
        np.maximum.at(part, period[mine, side], share[mine])
        open_s = expansion.period_s[used] * part[used]
        gate_room.append(np.minimum(seconds[used], open_s) * rate[where])
        gates.append(used)
    # A pool is not held to what its nodes can store: it is a relaxation as it stands.
    pooled = (expansion.home != np.arange(nodes)).any()
    storage = np.full(nodes, np.inf) if pooled else problem.storage
    room = storage[expansion.node] if room_bytes is None else room_bytes
    last = np.zeros(cells, dtype=bool)
    last[expansion.first[1:][np.diff(expansion.first) > 0] - 1] = True
    before = np.flatnonzero(~last)
    limited = np.isfinite(room)
    enter = np.where(limited, cells + np.arange(cells), np.arange(cells))
    held = np.flatnonzero(limited)
    amounts = np.array([problem.demands[k].volume_bytes for k in demands])
    amounts = amounts if volume_bytes is None else volume_bytes
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
    amounts = np.where(start >= 0, amounts, 0.0)
    collected = collects(problem)
    ends = [collector[targets]]
    ends += [
        np.arange(int(expansion.first[node]), int(expansion.first[node + 1]))
        for node in targets[~collected[targets]].tolist()
    ]
    goals = np.concatenate(ends)
    blocks = [
        (tail, head, carried),
        (np.concatenate(gate_tail), np.concatenate(gate_head), np.concatenate(gate_room)),
        (before, enter[before + 1], np.full(len(before), np.inf)),
        (cells + held, held, room[held]),
        (np.full(len(demands), source), enter[np.maximum(start, 0)], amounts),
        (goals, np.full(len(goals), sink), np.full(len(goals), np.inf)),
    ]
    at = np.cumsum([0] + [len(block[0]) for block in blocks])
    network = FlowNetwork(
        sink + 1,
        np.concatenate([block[0] for block in blocks]).astype(np.int64),
        np.concatenate([block[1] for block in blocks]).astype(np.int64),
        np.maximum(np.concatenate([block[2] for block in blocks]), 0.0),
        source,
        sink,
    )
    spans = [slice(int(a), int(b)) for a, b in pairwise(at)]
    return PassNetwork(network, expansion, demands, piece, np.concatenate(gates), *spans[1:5])


def read(found: PassNetwork, flow: Floats, until_s: float = np.inf) -> Transfers:
    """Transfers of each demand: the flow taken apart into paths."""
    network, expansion = found.network, found.expansion
    order = np.argsort(network.tail, kind="stable")
    first = np.searchsorted(network.tail[order], np.arange(network.nodes + 1))
    sends = np.arange(found.sends.start, found.sends.stop)
    tiny = 1e-12 * max(float(flow[sends].sum()), 1.0)
    demand, arc, amount, count = _paths(
        first, order, network.head, flow.copy(), sends, network.sink, len(found.piece), tiny
    )
    if not count:
        return Transfers.empty()
    key, owner = np.unique(demand[:count] * len(found.piece) + arc[:count], return_inverse=True)
    volume = np.bincount(owner.ravel(), weights=amount[:count])
    number, place = np.divmod(key, len(found.piece))
    piece = found.piece[place]
    end = np.minimum(expansion.end_s[piece], until_s)
    keep = volume > tiny
    found_moves = Transfers.of(
        found.demands[number][keep],
        expansion.contact[piece][keep],
        expansion.start_s[piece][keep],
        end[keep],
        volume[keep],
    )
    return Transfers.joined([found_moves])


@kernel
def _paths(
    first: Ints,
    order: Ints,
    head: Ints,
    flow: Floats,
    sends: Ints,
    sink: int,
    pieces: int,
    tiny: float,
) -> tuple[Ints, Ints, Floats, int]:
    """Take a flow apart into paths from each demand's arc; cycles on the way are cancelled."""
    room = 4 * sends.size + 1024
    demand, arc, amount = np.empty(room, np.int64), np.empty(room, np.int64), np.empty(room)
    count = 0
    nodes = first.size - 1
    pointer = first[:-1].copy()
    spot = np.full(nodes, -1, np.int64)  # where a node stands on the path
    path = np.empty(nodes + 1, np.int64)
    for d in range(sends.size):
        while flow[sends[d]] > tiny:
            size, node = 0, head[sends[d]]
            spot[node] = 0
            while node != sink:
                while pointer[node] < first[node + 1] and flow[order[pointer[node]]] <= tiny:
                    pointer[node] += 1
                if pointer[node] == first[node + 1]:
                    break  # what rounding left over
                step = order[pointer[node]]
                path[size] = step
                size += 1
                node = head[step]
                if spot[node] >= 0 and node != sink:  # a cycle: cancel it and go on from here
                    back = spot[node]
                    least = flow[path[back]]
                    for k in range(back, size):
                        least = min(least, flow[path[k]])
                    for k in range(back, size):
                        flow[path[k]] -= least
                        if k + 1 < size:
                            spot[head[path[k]]] = -1
                    size = back
                else:
                    spot[node] = size
            least = flow[sends[d]]
            for k in range(size):
                least = min(least, flow[path[k]])
            if node != sink:
                least = flow[sends[d]] if size == 0 else least
            spot[head[sends[d]]] = -1
            for k in range(size):
                spot[head[path[k]]] = -1
            if node != sink:
                if size == 0:
                    flow[sends[d]] = 0.0
                else:
                    for k in range(size):
                        flow[path[k]] -= least
                    flow[sends[d]] -= least
                continue
            flow[sends[d]] -= least
            for k in range(size):
                flow[path[k]] -= least
                if path[k] < pieces:
                    if count == room:
                        room *= 2
                        demand = _longer(demand)
                        arc = _longer(arc)
                        amount = _longer_f(amount)
                    demand[count], arc[count], amount[count] = d, path[k], least
                    count += 1
    return demand, arc, amount, count


@kernel
def _longer(old: Ints) -> Ints:
    new = np.empty(2 * old.size, np.int64)
    new[: old.size] = old
    return new


@kernel
def _longer_f(old: Floats) -> Floats:
    new = np.empty(2 * old.size)
    new[: old.size] = old
    return new
