"""Exclusive antennas: when each antenna serves which contact, so that most bytes can flow.

Sets
    I   contacts that a limited antenna serves;  L  antennas (lanes);  B  blocks, each a use of one
        antenna for one contact;  Q  pools of nodes (see `exclusive_rows`)
Parameters
    [low_i, high_i], rate_i;  gap = set-up + tear-down;  worth_d of a byte of demand d
Variables
    s_b, e_b   start and end of each block, and which contact it serves
Objective
    maximise the worth of the bytes that flow through the blocks
Constraints
    low_i <= s_b <= e_b <= high_i; of two blocks on one antenna one begins `gap` after the other's
    end; a pool sends what it has
Method
    Stretches of one antenna's day are planned anew, exactly, by a dynamic programme in which a
    second of a contact is worth what its pool could still send (`exclusive_kernel`), within
    simulated annealing: a large neighbourhood search, Shaw, "Using constraint programming and
    local search methods to solve vehicle routing problems", CP 1998.
Bound
    With a price on each pool's bytes the antennas fall apart, and the same dynamic programme solves
    each: Lagrangian relaxation, prices by subgradients, Held, Wolfe and Crowder, "Validation of
    subgradient optimization", Mathematical Programming 6 (1974).

What a node can store is left to the flow through the chosen blocks, and so is which way bytes take
within a pool.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from . import exclusive_kernel as compiled
from .exclusive_rows import Exclusive, read, room
from .problem import PassProblem
from .transfers import Transfers

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

#: Moves between two looks at the clock, and between a heat and the same again.
_CHUNK, _CYCLE = 500, 20_000
#: Steps of the subgradient method.
_STEPS = 150
#: Bytes that keep an antenna on a contact through a pause; far below what the judge sees.
_CARRIER_BYTES = 1e-3


@dataclass(frozen=True, slots=True, eq=False)
class Intervals:
    """When antennas serve contacts.

    Attributes
    ----------
    contact : array of int, shape (intervals,)
        Positions in the plan's contacts, in ascending order; contacts that no limited antenna
        serves are not among them.
    start_s, end_s : array, shape (intervals,)
    """

    contact: Ints
    start_s: Floats
    end_s: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """What a search found.

    Attributes
    ----------
    intervals : Intervals
    worth : float
        Of the bytes that flow through them, links without antennas taken for instant and wide.
    bound : float
        No choice is worth more; infinite where bytes cross two antenna links in turn.
    iterations : int
    interrupted : bool
        Whether Ctrl-C ended the search.
    """

    intervals: Intervals
    worth: float
    bound: float
    iterations: int
    interrupted: bool


@dataclass(frozen=True, slots=True, eq=False)
class Restricted:
    """A problem whose contacts are the chosen intervals, antennas no longer limited.

    Attributes
    ----------
    problem : PassProblem
        Every schedule of it is one of the original problem.
    contact : array of int
        The original contact of each contact.
    gap_s : float
        Set-up and tear-down together.
    """

    problem: PassProblem
    contact: Ints
    gap_s: float

    def back(self, moves: Transfers) -> Transfers:
        """The transfers as ones over the original plan's contacts, pauses bridged."""
        found = _bridged(self.problem, moves, self.gap_s)
        return Transfers.of(
            found.demand,
            self.contact[found.contact],
            found.start_s,
            found.end_s,
            found.volume_bytes,
        )


def choose(
    problem: PassProblem,
    *,
    fractional: Transfers | None = None,
    worth: Floats | None = None,
    seed: int = 0,
    iterations: int = 200_000,
    expired: Callable[[], bool] | None = None,
    on_better: Callable[[float, float], None] | None = None,
) -> Choice:
    """Choose when antennas serve contacts.

    Ctrl-C ends the search in order. The same seed and number of iterations give the same choice.

    Parameters
    ----------
    problem : PassProblem
    fractional : Transfers, optional
        A flow with shared antennas; needed where bytes cross two antenna links in turn.
    worth : array, shape (demands,), optional
        Of a byte of each demand, 1 unless given.
    seed, iterations : int
        How many stretches are planned anew.
    expired : callable, optional
        Asked every few milliseconds whether to stop.
    on_better : callable, optional
        Called with worth and bound after a stretch of improvement.
    """
    values = np.ones(len(problem.demands)) if worth is None else np.asarray(worth, dtype=float)
    task = read(problem, values, fractional)
    most = float((task.rows.worth * task.rows.volume).sum()) + task.aside
    if not len(task.contact):
        fixed = compiled.settle(task.rows, *room(task.rows)) + task.aside
        return Choice(_intervals(task, *_nothing()), fixed, most, 0, False)
    expired = expired or (lambda: False)
    rows, (uses, sweep) = task.rows, room(task.rows)
    rng = np.random.default_rng(seed)
    bound = most if task.one_hop else np.inf
    hot = 0.03 * float(np.median(rows.rate * (rows.high - rows.low))) * float(values.max())
    best = compiled.start(rows, uses, sweep, np.zeros(len(uses.value)), rng)
    keep = (uses.row.copy(), uses.start.copy(), uses.end.copy())
    done, interrupted = 0, False
    try:
        prices, proven = _prices(task, best, expired)
        bound = min(bound, proven + task.aside)
        while done < iterations and not expired() and best + task.aside < bound * (1 - 1e-9):
            # Each annealing takes twice as long as the one before.
            first = 2 ** int(np.log2(done // _CYCLE + 1)) - 1
            heat = hot * 1e-3 ** ((done / _CYCLE - first) / (first + 1))
            count = min(_CHUNK, iterations - done)
            before = best
            best = compiled.improve(rows, uses, sweep, prices, rng, count, heat, best, *keep)
            done += count
            if on_better is not None and best > before:
                on_better(best + task.aside, bound)
    except KeyboardInterrupt:
        interrupted = True
    chosen = _intervals(task, *keep)
    return Choice(chosen, best + task.aside, bound, done, interrupted)


def restrict(problem: PassProblem, intervals: Intervals) -> Restricted:
    """Cut a plan to intervals: the same problem without limits on antennas."""
    plan = problem.plan
    limited = np.isfinite(problem.antenna_count)
    served = limited[plan.arrays["source"]] | limited[plan.arrays["target"]]
    free = np.flatnonzero(~(served & problem.uses_antenna))
    contact = np.concatenate([free, intervals.contact])
    arrays = {name: column[contact] for name, column in plan.arrays.items()}
    arrays["start_s"] = np.concatenate([plan.arrays["start_s"][free], intervals.start_s])
    arrays["end_s"] = np.concatenate([plan.arrays["end_s"][free], intervals.end_s])
    cut = type(plan)(plan.epoch, plan.nodes, arrays, plan.eclipses, plan.duration_s)
    easy = problem.replace(plan=cut, antennas=None, setup_s=0.0, teardown_s=0.0)
    return Restricted(easy, contact, problem.setup_s + problem.teardown_s)


def _prices(task: Exclusive, known: float, expired: Callable[[], bool]) -> tuple[Floats, float]:
    """Prices of pools' bytes, between 0 and 1, and the bound that they prove.

    Bytes of any worth are priced alike: with several worths there is no bound here.
    """
    rows = task.rows
    pools = len(rows.pool_supply) - 1
    price, best_price, bound = np.zeros(pools), np.zeros(pools), np.inf
    if not task.one_hop or not (rows.worth == 1.0).all():
        return price, bound
    have = np.bincount(
        np.repeat(np.arange(pools), np.diff(rows.pool_supply)), rows.volume, minlength=pools
    )
    cells = np.repeat(rows.tank_pool, np.diff(rows.tank_at))
    have = have - np.bincount(cells, rows.offered, minlength=pools)
    free = float(rows.offered.sum())
    antennas = np.diff(rows.node_lane)
    # A row with antennas at both ends is counted at its target alone.
    sweep = room(rows)[1]
    at, row, side = _one_end(rows)
    ends = rows._replace(node_at=at, node_row=row, node_side=side)
    step, since = 1.0, 0
    for _ in range(_STEPS):
        used, total = np.zeros(pools), free
        for node in np.flatnonzero(antennas).tolist():
            here = np.zeros(pools)
            total += antennas[node] * compiled.relaxed(ends, sweep, node, price, here)
            used += antennas[node] * here
        total += float((price * have).sum())
        since += 1
        if total < bound * (1 - 1e-9):
            best_price, bound, since = price.copy(), total, 0
        if since >= 10:
            step, since, price = step / 2, 0, best_price.copy()
            continue
        slope = have - used
        slope[(price <= 0.0) & (slope > 0.0)] = 0.0
        slope[(price >= 1.0) & (slope < 0.0)] = 0.0
        size = float((slope**2).sum())
        goal = max(known, 0.95 * bound)
        if size == 0.0 or expired() or total <= goal * (1 + 1e-12) or step < 1e-4:
            break
        price = np.clip(price - step * (total - goal) / size * slope, 0.0, 1.0)
    return best_price, bound


def _one_end(rows: compiled.Rows) -> tuple[Ints, Ints, Ints]:
    """Rows by node, each at one limited end only."""
    node = np.repeat(np.arange(len(rows.node_at) - 1), np.diff(rows.node_at))
    side = np.where(rows.lanes[:, 1] > 0, 1, 0)
    keep = rows.node_side == side[rows.node_row]
    at = np.searchsorted(node[keep], np.arange(len(rows.node_at)))
    return at, rows.node_row[keep], rows.node_side[keep]


def _nothing() -> tuple[Ints, Floats, Floats]:
    return np.empty(0, dtype=np.int64), np.empty(0), np.empty(0)


def _intervals(task: Exclusive, row: Ints, start: Floats, end: Floats) -> Intervals:
    used = np.flatnonzero(row >= 0)
    contact = task.contact[row[used]]
    order = used[np.lexsort((start[used], contact))]
    return Intervals(task.contact[row[order]], start[order].copy(), end[order].copy())


def _bridged(problem: PassProblem, moves: Transfers, gap: float) -> Transfers:
    """Close pauses during which an antenna stays on its contact.

    A pause shorter than set-up and tear-down is no end of a use. The transfer after it (or before
    it, where release and deadline ask for that) sends a trace of its bytes meanwhile.
    """
    mine = np.flatnonzero(problem.uses_antenna[moves.contact] & (moves.volume_bytes > 0))
    order = mine[np.lexsort((moves.start_s[mine], moves.contact[mine]))]
    if not len(order):
        return moves
    contact, start, end = moves.contact[order], moves.start_s[order], moves.end_s[order]
    lift = contact * (2.0 * (np.abs(end).max() + gap + 1.0))
    reached = np.maximum.accumulate(end + lift) - lift
    pause = start[1:] - reached[:-1]
    spots = np.flatnonzero((contact[1:] == contact[:-1]) & (pause > 0) & (pause < gap))
    volume, extra = moves.volume_bytes.copy(), []
    for k in spots.tolist():
        low, high = float(reached[k]), float(start[k + 1])
        after, before = int(order[k + 1]), int(order[k])
        opens = max(low, problem.demands[moves.demand[after]].release_s)
        shuts = min(high, problem.demands[moves.demand[before]].deadline_s)
        spans = [(after, opens, high)] if opens <= low else [(before, low, shuts)]
        if opens > low and shuts < high:
            spans.append((after, max(opens, shuts), high))
        for donor, begin, finish in spans:
            trace = min(_CARRIER_BYTES, volume[donor] / 2)
            if finish > begin:
                volume[donor] -= trace
                extra.append((moves.demand[donor], contact[k], begin, finish, trace))
    kept = Transfers.of(moves.demand, moves.contact, moves.start_s, moves.end_s, volume)
    if not extra:
        return kept
    return Transfers.joined([kept, Transfers.of(*zip(*extra, strict=True))])
