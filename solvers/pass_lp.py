"""The road of linear programmes: several commodities, rates that differ, batteries."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from ..formulations.partition.outcome import Watch
from ..formulations.passes import PassProblem, PassSchedule, Transfers
from ..formulations.passes.energy import eclipse_cuts
from ..formulations.passes.expansion import Expansion, by_events, by_slots
from ..formulations.passes.lp import PassProgramme, build, read
from .backends import RawResult, solve_model
from .options import SolveOptions
from .pass_answer import Answer
from .pass_grid import SLOTS_S, Grid
from .pass_sequences import together
from .result import Limit, Reason

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: Columns beyond which commodities go one after another instead.
LARGEST = 400_000

#: Columns from which several commodities are solved by the interior point: there the simplex
#: takes minutes where it takes seconds.
INTERIOR = 20_000

#: Cells of the slots that bound a problem with batteries, and events at which such a satellite's
#: contacts are all cut.
_BOUND_CELLS, _MOST_CUTS = 20_000, 500


class _Infeasible(Exception):
    """No vector satisfies the rows: with batteries, base loads alone may drain one."""


def programme(
    problem: PassProblem, grid: Grid, options: SolveOptions, watch: Watch | None = None
) -> Answer:
    """Solve as a linear programme over the grid's expansion; the bound is its relaxation's.

    With batteries the events are not exact: a piece draws evenly, where a real schedule may wait
    for charge. The bound then comes from slots within which energy comes and goes freely.
    """
    if problem.energy is not None and grid.inner.exact:
        events = by_events(problem, _energy_cuts(problem))
        span = float(problem.plan.duration_s or 0.0) * len(problem.plan.nodes)
        fits = [slot for slot in SLOTS_S if span / slot <= _BOUND_CELLS]
        slot = fits[0] if fits else max(SLOTS_S[-1], span / _BOUND_CELLS)
        loose = by_slots(problem, slot, inner=False)
        grid = Grid(events, lambda: loose, grid.method)
    road = {"volume": _volume, "priority": _priority, "completion": _completion}
    method = f"linear programme over {grid.method}"
    try:
        return replace(road[problem.objective](problem, grid, options, watch), method=method)
    except _Infeasible:
        text = "no schedule keeps every battery above its floor, not even an idle one"
        bound = math.inf if problem.objective == "completion" else 0.0
        return Answer(Transfers.empty(), bound, (), "", text, infeasible=True, method=method)


def _energy_cuts(problem: PassProblem) -> NDArray[np.float64]:
    """Where contacts are cut so that a piece's even draw costs little."""
    rows, cuts = problem.plan.arrays, eclipse_cuts(problem)
    nodes = [problem.plan.index(name) for name in problem.energy or {}]
    mine = np.isin(rows["source"], nodes) | np.isin(rows["target"], nodes)
    edges = np.unique(np.concatenate([rows["start_s"][mine], rows["end_s"][mine], cuts]))
    return edges if len(edges) <= _MOST_CUTS else cuts


def _solved(found: PassProgramme, options: SolveOptions) -> RawResult:
    if options.backend is None and len(found.strands) > 1 and found.model.num_columns >= INTERIOR:
        options = replace(options, backend="highs-ipm")
    raw = solve_model(found.model, options)
    if raw.reason is Reason.INFEASIBLE:
        raise _Infeasible
    if raw.x is None and raw.limit is None:
        raise RuntimeError(f"the linear programme ended with {raw.reason.value}")
    return raw


def _volume(
    problem: PassProblem, grid: Grid, options: SolveOptions, watch: Watch | None = None
) -> Answer:
    found = build(problem, grid.inner)
    raw = _solved(found, options)
    moves = Transfers.empty() if raw.x is None else read(found, raw.x)
    bound = -raw.bound * found.unit_bytes
    asked = sum(row.volume_bytes for row in problem.demands)
    if watch is not None:
        watch.state(
            objective=float(PassSchedule(problem, moves).delivered.sum()),
            bound=float(min(bound, asked)),
        )
    if raw.limit is Limit.INTERRUPT:
        bound = asked if grid.inner is not grid.outer else bound
    elif not grid.outer.exact:
        outer = build(problem, grid.outer, outer=True)
        bound = -_solved(outer, options).bound * outer.unit_bytes
    return Answer(moves, min(bound, asked), _words(problem, grid), raw.backend, limit=raw.limit)


def _words(problem: PassProblem, grid: Grid) -> tuple[str, ...]:
    """What binds all commodities taken as one; a programme has no cut of its own."""
    if problem.energy is not None or not grid.is_network(problem):
        return ()
    return together(problem, grid)[1]


def _priority(
    problem: PassProblem, grid: Grid, options: SolveOptions, watch: Watch | None = None
) -> Answer:
    """One class after another, the bytes of earlier ones held."""
    found = build(problem, grid.inner)
    secured: dict[int, float] = {}
    raw, x = None, None
    rank = np.array([row.priority for row in problem.demands])
    for p in np.unique(rank).tolist():
        raw = _solved(found.stage(p, secured), options)
        if raw.x is not None:
            x = raw.x
            secured[p] = float(found.sent_bytes(x)[rank == p].sum())
            if watch is not None:
                watch.state(objective=sum(secured.values()))
        if raw.x is None or raw.limit is not None:
            break
    moves = Transfers.empty() if x is None else read(found, x)
    limit = None if raw is None else raw.limit
    if limit is Limit.INTERRUPT:
        whole = Answer(moves, float(sum(row.volume_bytes for row in problem.demands)), (), "")
    else:
        whole = _volume(problem.replace(objective="volume"), grid, options)
    backend = "" if raw is None else raw.backend
    return replace(whole, moves=moves, backend=backend, limit=limit)


def _completion(
    problem: PassProblem, grid: Grid, options: SolveOptions, watch: Watch | None = None
) -> Answer:
    """Bisection of the end: the least by which all bytes can be sent."""
    asked = sum(row.volume_bytes for row in problem.demands)
    found = _least_end(problem, grid.inner, options, outer=False, watch=watch)
    exact = grid.outer is grid.inner
    relaxed = found
    if not exact and found.limit is not Limit.INTERRUPT:
        relaxed = _least_end(problem, grid.outer, options, outer=True)
    elif not exact:
        relaxed = replace(found, undecided=True)
    low = 0.0 if relaxed.undecided else relaxed.low_s
    if found.programme is None or found.x is None:
        best = _volume(problem.replace(objective="volume"), grid, options)
        proven = relaxed.x is None and not relaxed.undecided and best.bound < asked * (1 - 1e-6)
        if proven:
            text = f"{(asked - best.bound) / 1e9:.6g} GB cannot be delivered in time"
            return replace(best, bound=math.inf, message=text, infeasible=True)
        return replace(best, bound=low, message="no plan was found that delivers all bytes")
    moves = read(found.programme, found.x)
    text = f"the end is known to {found.high_s - low:.3g} s"
    return Answer(moves, low, (), found.backend, text, limit=found.limit)


@dataclass(frozen=True, slots=True, eq=False)
class _End:
    """The least end over an expansion: not by `low_s`, by `high_s` with the vector `x`."""

    low_s: float
    high_s: float
    programme: PassProgramme | None
    x: NDArray[np.float64] | None
    backend: str
    limit: Limit | None
    undecided: bool


def _least_end(
    problem: PassProblem,
    expansion: Expansion,
    options: SolveOptions,
    *,
    outer: bool,
    watch: Watch | None = None,
) -> _End:
    enough = sum(row.volume_bytes for row in problem.demands) * (1 - 1e-9)

    def by(until_s: float) -> tuple[PassProgramme, NDArray[np.float64] | None, RawResult]:
        found = build(problem, expansion, until_s=until_s, outer=outer)
        raw = _solved(found, options)
        whole = raw.x is not None and found.sent_bytes(raw.x).sum() >= enough
        return found, raw.x if whole else None, raw

    best, x, raw = by(math.inf)
    ends = np.unique(np.concatenate([[0.0], expansion.start_s, expansion.end_s]))
    low, high, limit = float(ends[0]), float(ends[-1]), raw.limit
    if x is None:
        return _End(low, math.inf, None, None, raw.backend, limit, raw.reason is not Reason.OPTIMAL)
    undecided = False
    while high - low > max(1e-6 * abs(high), 1e-3) and limit is None:
        middle = 0.5 * (low + high)
        found, shorter, raw = by(middle)
        if shorter is not None:
            high, best, x = middle, found, shorter
            if watch is not None:
                watch.state(objective=high, bound=low)
        elif raw.reason is Reason.OPTIMAL:
            low = middle
        else:  # nothing is known of this end: stop with what is
            undecided, limit = low == float(ends[0]), raw.limit
            break
    return _End(low, high, best, x, raw.backend, limit, undecided)
