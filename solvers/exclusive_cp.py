"""Exclusive antennas by CP-SAT: optional intervals at contact level, on a grid of time.

Sets
    rows, lanes, tanks, windows and supplies as in `formulations.passes.exclusive_rows`; each row
    has up to `blocks` uses b
Variables
    s_b, e_b whole steps, on_b in {0, 1};  o[b, w] steps of b within window w;  y[k, t, w] bytes of
    supply k through tank t in window w
Objective
    maximise the sum of y
Constraints
    intervals [s_b, e_b + gap) overlap on a node no more often than it has antennas; the y of a tank
    and window are at most the sum of rate x o; those of a supply at most its volume
Source
    Laborie, Rogerie, Shaw and Vilim, "IBM ILOG CP optimizer for scheduling", Constraints 23 (2018),
    on optional intervals.

Contacts are rounded inwards to the grid and the gap upwards, so every answer can be flown.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..formulations import checks
from ..formulations.passes.exclusive import Intervals
from ..formulations.passes.exclusive_rows import Exclusive, read
from ..formulations.passes.problem import PassProblem
from ..formulations.passes.transfers import Transfers
from .backends.hooks import Hooks, Runner
from .result import Limit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

#: Whole units: so many in one step of the slowest contact, where all demands together then count
#: neither fewer than the second number nor more than the third.
_FINE, _FEW, _MANY = 2.0**20, 2.0**34, 2.0**42
#: Share of the volume within which a choice counts as the best.
_CLOSE = 1e-7


@dataclass(frozen=True, slots=True, eq=False)
class GridChoice:
    """What CP-SAT found.

    Attributes
    ----------
    intervals : Intervals or None
    volume_bytes : float
        What flows through them, links without antennas taken for instant and wide.
    bound_bytes : float
        No choice on the grid, with so many uses of an antenna for one contact, lets more flow;
        times between the steps may.
    proven : bool
        Whether the choice is the best on the grid, to 1e-7 of its volume.
    limit : Limit or None
        What ended the search early.
    backend : str
    """

    intervals: Intervals | None
    volume_bytes: float
    bound_bytes: float
    proven: bool
    limit: Limit | None
    backend: str


@dataclass(frozen=True, slots=True, eq=False)
class _Block:
    """A use of an antenna, as variables of the model."""

    row: int
    low: int
    high: int
    start: Any
    end: Any
    on: Any


def choose_on_grid(
    problem: PassProblem,
    *,
    start: Intervals | None = None,
    fractional: Transfers | None = None,
    step_s: float = 1.0,
    blocks: int = 1,
    time_limit_s: float = math.inf,
    threads: int = 1,
    seed: int = 0,
) -> GridChoice:
    """Choose when antennas serve contacts, the best on a grid of time; see `exclusive.choose`.

    Parameters
    ----------
    problem : PassProblem
    start : Intervals, optional
        A choice to begin with; it is rounded inwards to the grid.
    fractional : Transfers, optional
        A flow with shared antennas; needed where bytes cross two antenna links in turn. The bound
        holds for what it relays only.
    step_s : float
        Of the grid, whose origin is second 0.
    blocks : int
        Most uses of an antenna for one contact.
    time_limit_s : float
    threads, seed : int

    Raises
    ------
    ImportError
        If OR-Tools is missing.
    """
    checks.real("choose_on_grid.step_s", step_s, strict=True)
    checks.whole("choose_on_grid.blocks", blocks, low=1)
    try:
        import ortools
        from ortools.sat.python import cp_model
    except ImportError as error:
        raise ImportError("OR-Tools is missing: pip install ortools") from error
    task = read(problem, np.ones(len(problem.demands)), fractional)
    asked = float(task.rows.volume.sum())
    backend = f"OR-Tools CP-SAT {ortools.__version__}"
    if asked == 0.0:
        nothing = Intervals(np.empty(0, dtype=np.int64), np.empty(0), np.empty(0))
        return GridChoice(nothing, task.aside, task.aside, True, None, backend)
    model = cp_model.CpModel()
    uses = _uses(model, task, step_s, blocks)
    _antennas(model, task, uses, math.ceil(task.rows.gap / step_s - 1e-9))
    unit, rounded = _unit(task, step_s)
    _bytes(model, task, uses, step_s, unit)
    began = time.perf_counter()
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = threads
    solver.parameters.random_seed = seed
    solver.parameters.relative_gap_limit = _CLOSE
    status: list[Any] = []
    runner = Runner(Hooks())

    def work() -> None:
        if start is not None:
            _hint(model, task, uses, start, step_s)
            _complete(model, solver, time_limit_s)
        left = time_limit_s - (time.perf_counter() - began)
        # After an interrupt just long enough to take up the start.
        solver.parameters.max_time_in_seconds = 0.1 if runner.stopped.is_set() else max(left, 0.1)
        status.append(solver.solve(model))

    runner.run(work, solver.stop_search)
    proven = status[0] == cp_model.OPTIMAL
    limit = None if proven else Limit.INTERRUPT if runner.interrupted else Limit.TIME
    if status[0] not in (cp_model.OPTIMAL, cp_model.FEASIBLE, cp_model.UNKNOWN):
        raise RuntimeError(f"CP-SAT ended with {solver.status_name(status[0])}")
    if status[0] == cp_model.UNKNOWN:
        return GridChoice(None, math.nan, asked + task.aside, False, limit, backend)
    units = solver.best_objective_bound * (1 + rounded)
    if rounded:
        units += len(task.rows.volume)
    bound = min(units * unit, asked) + task.aside
    volume = solver.objective_value * unit + task.aside
    return GridChoice(
        _chosen(task, uses, solver, step_s), volume, max(bound, volume), proven, limit, backend
    )


def _unit(task: Exclusive, step_s: float) -> tuple[float, float]:
    """Bytes that one whole number counts, and which share of a rate rounding may cost.

    What divides all rates and volumes, where they have it; else a small part of a step of the
    slowest contact.
    """
    rows = task.rows
    asked = float(rows.volume.sum())
    amounts = np.concatenate([rows.rate * step_s, rows.volume, rows.offered])
    whole = np.round(amounts)
    if asked < _MANY and amounts.max() < 2.0**53 and (amounts == whole).all():
        return float(np.gcd.reduce(whole.astype(np.int64))), 0.0
    slowest = float((rows.rate * step_s).min(initial=asked))
    unit = min(max(slowest / _FINE, asked / _MANY), asked / _FEW)
    return unit, unit / min(slowest, asked)


def _uses(model: Any, task: Exclusive, step_s: float, blocks: int) -> list[_Block]:
    """Variables of each use; those of one contact follow each other."""
    found: list[_Block] = []
    rows = task.rows
    for row in range(len(task.contact)):
        low = math.ceil(rows.low[row] / step_s - 1e-9)
        high = math.floor(rows.high[row] / step_s + 1e-9)
        if high <= low:
            continue
        mine: list[_Block] = []
        for _ in range(blocks):
            begin, end = model.new_int_var(low, high, ""), model.new_int_var(low, high, "")
            on = model.new_bool_var("")
            # What is not used stands in one place only.
            model.add(end > begin).only_enforce_if(on)
            model.add(begin == low).only_enforce_if(~on)
            model.add(end == low).only_enforce_if(~on)
            if mine:
                model.add_implication(on, mine[-1].on)
                model.add(begin >= mine[-1].end).only_enforce_if(on)
            mine.append(_Block(row, low, high, begin, end, on))
        found += mine
    return found


def _antennas(model: Any, task: Exclusive, uses: list[_Block], gap: int) -> None:
    """No node serves more contacts at a time than it has antennas."""
    rows = task.rows
    held: dict[tuple[int, int], list[Any]] = {}
    rows_of: dict[int, list[Any]] = {}
    for block in uses:
        length = model.new_int_var(gap, block.high - block.low + gap, "")
        busy = model.new_optional_interval_var(block.start, length, block.end + gap, block.on, "")
        rows_of.setdefault(block.row, []).append(busy)
        for side in (0, 1):
            if rows.lanes[block.row, side]:
                key = (int(rows.lane[block.row, side]), int(rows.lanes[block.row, side]))
                held.setdefault(key, []).append(busy)
    for (_, antennas), busy in held.items():
        if antennas == 1:
            model.add_no_overlap(busy)
        else:
            model.add_cumulative(busy, [1] * len(busy), antennas)
    for busy in rows_of.values():
        if len(busy) > 1:
            model.add_no_overlap(busy)


def _bytes(model: Any, task: Exclusive, uses: list[_Block], step_s: float, unit: float) -> None:
    """What flows through the uses, and the objective."""
    rows = task.rows
    asked = float(rows.volume.sum())
    offers: list[list[Any]] = [[] for _ in range(int(rows.tank_at[-1]))]
    for block in uses:
        tank = int(rows.tank[block.row])
        # One step that carries all there is carries enough.
        rate = math.floor(min(rows.rate[block.row] * step_s, asked) / unit)
        cells = range(int(rows.tank_at[tank]), int(rows.tank_at[tank + 1]))
        cuts = rows.cut[int(rows.pool_cut[rows.tank_pool[tank]]) :]
        for w, cell in enumerate(cells):
            length = _within(model, block, float(cuts[w]) / step_s, float(cuts[w + 1]) / step_s)
            if length is not None:
                offers[cell].append(rate * length)
    sent: list[list[Any]] = [[] for _ in rows.volume]
    for tank in range(len(rows.tank_pool)):
        pool = int(rows.tank_pool[tank])
        first = int(rows.pool_supply[pool])
        cuts = rows.cut[int(rows.pool_cut[pool]) :]
        for w, cell in enumerate(range(int(rows.tank_at[tank]), int(rows.tank_at[tank + 1]))):
            parts = []
            for k in range(first, int(rows.pool_supply[pool + 1])):
                alive = rows.release[k] <= cuts[w] and rows.deadline[k] >= cuts[w + 1]
                if rows.takes[tank, k - first] and alive:
                    most = math.floor(rows.volume[k] / unit)
                    parts.append(model.new_int_var(0, most, ""))
                    sent[k].append(parts[-1])
            free = math.floor(min(float(rows.offered[cell]), asked) / unit)
            if parts:
                model.add(sum(parts) <= sum(offers[cell]) + free)
    for k, parts in enumerate(sent):
        if len(parts) > 1:
            model.add(sum(parts) <= math.floor(rows.volume[k] / unit))
    model.maximize(sum(part for parts in sent for part in parts))


def _within(model: Any, block: _Block, opens: float, shuts: float) -> Any:
    """Steps of a use within a window, or None where there are none."""
    low = math.ceil(opens - 1e-9) if math.isfinite(opens) else block.low
    high = math.floor(shuts + 1e-9) if math.isfinite(shuts) else block.high
    if low <= block.low and high >= block.high:
        return block.end - block.start
    most = min(high, block.high) - max(low, block.low)
    if most <= 0:
        return None
    length, meets = model.new_int_var(0, most, ""), model.new_bool_var("")
    model.add(length <= block.end - block.start)
    model.add(length <= block.end - low).only_enforce_if(meets)
    model.add(length <= high - block.start).only_enforce_if(meets)
    model.add(length == 0).only_enforce_if(~meets)
    return length


def _hint(model: Any, task: Exclusive, uses: list[_Block], start: Intervals, step_s: float) -> None:
    """Begin with a choice, rounded inwards; of several uses of a contact the longest."""
    wanted: dict[int, list[tuple[int, int]]] = {}
    for k, contact in enumerate(start.contact.tolist()):
        low = math.ceil(start.start_s[k] / step_s - 1e-9)
        high = math.floor(start.end_s[k] / step_s + 1e-9)
        if high > low:
            wanted.setdefault(contact, []).append((low, high))
    per_row: dict[int, list[_Block]] = {}
    for block in uses:
        per_row.setdefault(block.row, []).append(block)
    for row, mine in per_row.items():
        spans = wanted.get(int(task.contact[row]), [])
        kept = sorted(sorted(spans, key=lambda span: span[0] - span[1])[: len(mine)])
        kept += [(block.low, block.low) for block in mine[len(kept) :]]
        for block, (low, high) in zip(mine, kept, strict=True):
            model.add_hint(block.start, low)
            model.add_hint(block.end, high)
            model.add_hint(block.on, high > low)


def _complete(model: Any, solver: Any, time_limit_s: float) -> None:
    """Hint every variable: what flows through the hinted uses is found with these held fast.

    CP-SAT seldom finds its way from a hint of some variables to the others.
    """
    solver.parameters.fix_variables_to_their_hinted_value = True
    if math.isfinite(time_limit_s):
        solver.parameters.max_time_in_seconds = time_limit_s / 4
    solver.solve(model)
    solver.parameters.fix_variables_to_their_hinted_value = False
    values = list(solver.response_proto.solution)
    if values:
        model.clear_hints()
        for index, value in enumerate(values):
            model.add_hint(model.get_int_var_from_proto_index(index), value)


def _chosen(task: Exclusive, uses: list[_Block], solver: Any, step_s: float) -> Intervals:
    rows = [
        (
            int(task.contact[block.row]),
            step_s * solver.value(block.start),
            step_s * solver.value(block.end),
        )
        for block in uses
        if solver.value(block.on) and solver.value(block.end) > solver.value(block.start)
    ]
    rows.sort()
    contact, begin, end = zip(*rows, strict=True) if rows else ((), (), ())
    return Intervals(
        np.array(contact, dtype=np.int64),
        np.array(begin, dtype=np.float64),
        np.array(end, dtype=np.float64),
    )
