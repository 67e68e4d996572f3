"""Slot by slot: one maximum flow for each slot, with satellites that help each other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

import numpy as np

from ..flow import FlowNetwork
from .direct import SHORTEST_S, urgency, without_batteries
from .expansion import Expansion, by_slots
from .flows import build, is_network, read
from .problem import PassProblem
from .transfers import Transfers

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]


class Flow(Protocol):
    """What a max-flow solver answers."""

    @property
    def flow(self) -> Floats:
        """Flow over each arc."""
        ...


Solve = Callable[[FlowNetwork], Flow]


def myopic(problem: PassProblem, solve: Solve, slot_s: float = 60.0) -> Transfers:
    """One maximum flow per slot: as much as can go down in this one, then the next.

    Satellites pass on what others have at once, over the inter-satellite links of the slot. Where
    antennas cannot share a slot as a network would (set-up times, contacts of several rates at
    one node), a first flow says whom they would serve most and a second one serves those for the
    whole slot. Demands with other targets come one after another, the most urgent first.

    Parameters
    ----------
    problem : PassProblem
    solve : callable
        Finds a maximum flow.
    slot_s : float
    """
    without_batteries(problem)
    grid = by_slots(problem, slot_s, inner=True)
    if not len(grid.contact):
        return Transfers.empty()
    slots = int(grid.first[1])
    slot_of = grid.tail % slots
    ends = np.append(grid.begin_s[1:slots], grid.end_s.max())
    order = np.argsort(slot_of, kind="stable")
    bounds = np.searchsorted(slot_of[order], np.arange(slots + 1))
    stores = _Stores(problem)
    antennas = None
    if problem.is_exclusive or not is_network(problem, grid):
        antennas = _Antennas(problem)
    parts = []
    for k in range(slots):
        begin = float(grid.begin_s[k])
        groups = stores.groups(begin, float(ends[k]))
        pieces = order[bounds[k] : bounds[k + 1]]
        if groups and len(pieces):
            parts += _slot(problem, _one_slot(grid, pieces, begin), groups, stores, antennas, solve)
    return Transfers.joined(parts)


def _slot(
    problem: PassProblem,
    slot: Expansion,
    groups: list[Ints],
    stores: _Stores,
    antennas: _Antennas | None,
    solve: Solve,
) -> list[Transfers]:
    """Send what one slot takes, group by group."""
    pieces, seconds = slot.volume_bytes.copy(), slot.period_s.copy()
    if antennas is not None:
        asked = np.zeros(len(pieces))
        for group in groups:
            found = build(problem, slot, group, volume_bytes=stores.left[group])
            asked[found.piece] += solve(found.network).flow[: len(found.piece)]
        pieces = np.where(antennas.choose(slot, asked), pieces, 0.0)
        slot = replace(slot, period=np.full_like(slot.period, -1))
    rate = problem.plan.arrays["rate_bps"][slot.contact] / 8
    parts = []
    for group in groups:
        found = build(
            problem,
            slot,
            group,
            volume_bytes=stores.left[group],
            piece_bytes=pieces,
            period_s=seconds,
        )
        flow = solve(found.network).flow
        moves = read(found, flow)
        stores.left[group] = np.maximum(stores.left[group] - flow[found.sends], 0.0)
        used = np.zeros(len(pieces))
        used[found.piece] = flow[: len(found.piece)]
        pieces = np.maximum(pieces - used, 0.0)
        for side in (0, 1):
            draws = slot.period[:, side] >= 0
            np.subtract.at(seconds, slot.period[draws, side], (used / rate)[draws])
        seconds = np.maximum(seconds, 0.0)
        if antennas is not None:
            antennas.use(moves)
        parts.append(moves)
    return parts


def _one_slot(grid: Expansion, pieces: Ints, begin_s: float) -> Expansion:
    """The part of a grid within one slot: one cell for each node."""
    nodes, slots = len(grid.first) - 1, int(grid.first[1])
    period = grid.period[pieces]
    used, flat = np.unique(period[period >= 0], return_inverse=True)
    period[period >= 0] = flat.ravel()
    head = grid.head[pieces]
    return Expansion(
        np.arange(nodes + 1, dtype=np.int64),
        np.full(nodes, begin_s),
        grid.contact[pieces],
        grid.start_s[pieces],
        grid.end_s[pieces],
        grid.volume_bytes[pieces],
        grid.tail[pieces] // slots,
        np.where(head >= 0, head // slots, -1),
        period,
        grid.period_node[used],
        grid.period_s[used],
        grid.period_start_s[used],
        np.arange(nodes, dtype=np.int64),
        exact=False,
    )


class _Stores:
    """What is left of each demand at its source, which takes in what fits."""

    def __init__(self, problem: PassProblem) -> None:
        demands = problem.demands
        self.left = np.zeros(len(demands))
        self._volume = np.array([row.volume_bytes for row in demands])
        self._source = np.array([problem.plan.index(row.source) for row in demands])
        self._room = problem.storage[self._source]
        self._release = np.array([row.release_s for row in demands])
        self._deadline = np.array([row.deadline_s for row in demands])
        self._order = np.argsort(self._release, kind="stable")
        self._taken = 0
        keys: dict[bytes, list[int]] = {}
        for k in sorted(range(len(demands)), key=lambda k: urgency(problem, k)):
            keys.setdefault(problem.targets(demands[k]).tobytes(), []).append(k)
        self._groups = [np.array(rows) for rows in keys.values()]

    def groups(self, begin_s: float, end_s: float) -> list[Ints]:
        """Take in the releases of a slot; who may send all through it, by common targets."""
        gone = (self._deadline < end_s - SHORTEST_S) | (self.left <= 1e-9 * self._volume)
        self.left[gone] = 0.0  # too late, or what rounding left
        while self._taken < len(self._order) and self._release[self._order[self._taken]] < end_s:
            k = self._order[self._taken]
            held = self.left[self._source == self._source[k]].sum()
            alive = self._deadline[k] >= end_s - SHORTEST_S
            self.left[k] = max(min(self._volume[k], self._room[k] - held), 0.0) if alive else 0.0
            self._taken += 1
        able = (self.left > 0) & (self._release <= begin_s + 1e-9)
        found = [group[able[group]] for group in self._groups]
        return [group for group in found if len(group)]


class _Antennas:
    """Antennas that serve one contact each for a whole slot."""

    def __init__(self, problem: PassProblem) -> None:
        self._gap_s = problem.setup_s + problem.teardown_s
        self._count = problem.antenna_count
        self._mixed = problem.uses_antenna
        self._rows = problem.plan.arrays
        self._last_s = np.full(len(problem.plan), -np.inf)

    def choose(self, slot: Expansion, asked: Floats) -> Bools:
        """Pieces to serve: those served in the slot before, then by the time asked for."""
        begin_s = float(slot.begin_s[0])
        free = self._count.copy()
        for contact in np.flatnonzero(self._mixed & (self._last_s > begin_s - self._gap_s)):
            free[self._rows["source"][contact]] -= 1
            free[self._rows["target"][contact]] -= 1
        goes_on = (self._gap_s > 0) & (self._last_s[slot.contact] > begin_s - SHORTEST_S)
        chosen = ~self._mixed[slot.contact] | goes_on
        seconds = asked * 8 / self._rows["rate_bps"][slot.contact]
        for k in np.argsort(-seconds, kind="stable"):
            ends = [self._rows[end][slot.contact[k]] for end in ("source", "target")]
            if not chosen[k] and asked[k] > 0 and (free[ends] >= 1).all():
                chosen[k] = True
                free[ends] -= 1
        return chosen

    def use(self, moves: Transfers) -> None:
        """Note when contacts were last used."""
        np.maximum.at(self._last_s, moves.contact, moves.end_s)
