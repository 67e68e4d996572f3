"""Re-planning passes: keep what was done, change as little as needed, and say how much."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from ..formulations import checks
from ..formulations.contacts import ContactPlan
from ..formulations.passes import Demand, PassProblem, PassSchedule, Transfers
from ..formulations.passes.event_cuts import pieces_by_events
from ..formulations.passes.expansion import Expansion, by_events
from ..formulations.passes.flows import commodities, is_network
from ..formulations.ranges import ranges
from .options import SolveOptions
from .pass_grid import MOST_CELLS, MOST_PIECES
from .pass_sequences import one_by_one
from .passes import solve_passes
from .result import Reason, SolveResult

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

#: Share of what a fresh plan would deliver that a kept plan must reach to be kept.
KEEP = 1 - 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class Replan:
    """A schedule after something changed.

    Attributes
    ----------
    result : SolveResult of PassSchedule
        Of the whole: what was done before `at_s` and what is planned after. The problem's plan has
        the failed contacts cut off, its demands the added ones.
    at_s : float
    kept_bytes, moved_bytes : float
        Bytes of transfers planned for after `at_s` that stay as they were, and those of the new
        plan that were not in the old one: the churn.
    """

    result: SolveResult[PassSchedule]
    at_s: float
    kept_bytes: float
    moved_bytes: float

    @property
    def schedule(self) -> PassSchedule:
        """The schedule; raises `SolveError` where there is none."""
        return self.result.require()


def replan(
    schedule: PassSchedule,
    at_s: float,
    *,
    failed: Iterable[int | str] = (),
    added: Sequence[Demand] = (),
    options: SolveOptions | None = None,
) -> Replan:
    """Plan the rest anew from what is known at a moment.

    What was delivered or is under way stays. Transfers planned for later stay too where their
    contacts stand and their bytes still come; what is missing is planned around them. Only where
    that delivers less than a fresh plan of the rest does the fresh plan replace them.

    Parameters
    ----------
    schedule : PassSchedule
    at_s : float
        Now, in seconds of the plan.
    failed : iterable of int or str
        Contacts (positions in the plan) and nodes (names) that are lost from `at_s` on.
    added : sequence of Demand
        New demands; released at `at_s` at the earliest.
    options : SolveOptions, optional

    Returns
    -------
    Replan

    Raises
    ------
    InputError
        For an unknown contact or node, or a demand whose name is taken.
    """
    began = time.perf_counter()
    now = checks.real("replan.at_s", at_s, low=-np.inf)
    options = SolveOptions() if options is None else options
    old = schedule.problem
    lost = _lost(old.plan, failed)
    fresh_demands = [
        replace(row, release_s=max(row.release_s, now)) if isinstance(row, Demand) else row
        for row in added
    ]
    problem = old.replace(
        plan=_without(old.plan, lost, now), demands=(*old.demands, *fresh_demands)
    )
    done = _before(schedule.moves, now)
    later = _after(schedule.moves, now)
    stays = _feasible(problem, done, later.where(~lost[later.contact]))
    kept = Transfers.joined([done, stays])
    before = float(PassSchedule(problem, done).delivered.sum())
    best = Transfers.joined([kept, _around(problem, kept, stays, now)])
    result = _result(problem, best, None, before, began)
    rest = _rest(problem, done, now)
    if rest is None and result.solution is not None:  # nothing is left to plan
        result = replace(result, bound=result.objective, reason=Reason.OPTIMAL)
    elif rest is not None:
        anew = solve_passes(rest.problem, options)
        if anew.solution is not None:
            moves = Transfers.joined([done, rest.whole(anew.solution.moves)])
            fresh = _result(problem, moves, anew, before, began)
            if problem.objective == "completion":
                better = fresh.objective < result.objective * KEEP
            else:
                better = fresh.objective * KEEP > result.objective
            if better or result.solution is None:
                best, result = moves, fresh
            else:
                result = _result(problem, best, anew, before, began)
    after = _after(best, now)
    same = _overlap(after, later)
    return Replan(result, now, same, max(float(after.volume_bytes.sum()) - same, 0.0))


# -- what changed ---------------------------------------------------------------------------------
def _lost(plan: ContactPlan, failed: Iterable[int | str]) -> NDArray[np.bool_]:
    """Contacts that are lost, shape (contacts,)."""
    found = np.zeros(len(plan), dtype=bool)
    if isinstance(failed, str | int):
        checks.fail("replan.failed", failed, "a list of contacts and nodes")
    for k, row in enumerate(failed):
        if isinstance(row, str):
            node = plan.index(row)
            found |= (plan.arrays["source"] == node) | (plan.arrays["target"] == node)
        elif isinstance(row, int | np.integer) and 0 <= row < len(plan):
            found[int(row)] = True
        else:
            expected = f"a node's name or a contact from 0 to {len(plan) - 1}"
            checks.fail(f"replan.failed[{k}]", row, expected)
    return found


def _without(plan: ContactPlan, lost: NDArray[np.bool_], now: float) -> ContactPlan:
    """The plan with lost contacts cut off at a moment; positions stay as they are.

    A contact that was still to come stays with rate 0: it carries nothing.
    """
    rows = {name: column.copy() for name, column in plan.arrays.items()}
    running = lost & (rows["start_s"] < now) & (rows["end_s"] > now)
    rows["end_s"][running] = now
    rows["rate_bps"][lost & (rows["start_s"] >= now)] = 0.0
    return replace(plan, arrays=rows)


def _before(moves: Transfers, now: float) -> Transfers:
    """What is done by a moment; a transfer under way has sent its share."""
    end = np.minimum(moves.end_s, now)
    share = np.clip((end - moves.start_s) / (moves.end_s - moves.start_s), 0.0, 1.0)
    cut = Transfers.of(moves.demand, moves.contact, moves.start_s, end, moves.volume_bytes * share)
    return cut.where(share > 0)


def _after(moves: Transfers, now: float) -> Transfers:
    """What is still to come at a moment."""
    start = np.maximum(moves.start_s, now)
    share = np.clip((moves.end_s - start) / (moves.end_s - moves.start_s), 0.0, 1.0)
    cut = Transfers.of(moves.demand, moves.contact, start, moves.end_s, moves.volume_bytes * share)
    return cut.where(share > 0)


def _feasible(problem: PassProblem, done: Transfers, later: Transfers) -> Transfers:
    """Transfers still to come that do not hang on lost ones."""
    if not PassSchedule(problem, Transfers.joined([done, later])).violations():
        return later
    # Keep what leaves a demand's own source for a target: nothing else has to come first.
    rows = problem.plan.arrays
    sources = np.array([problem.plan.index(row.source) for row in problem.demands])
    goal = np.zeros((len(problem.demands), len(problem.plan.nodes)), dtype=bool)
    for k, row in enumerate(problem.demands):
        goal[k, problem.targets(row)] = True
    direct = rows["source"][later.contact] == sources[later.demand]
    direct &= goal[later.demand, rows["target"][later.contact]]
    kept = later.where(direct)
    whole = PassSchedule(problem, Transfers.joined([done, kept]))
    return Transfers.empty() if whole.violations() else kept


# -- what is left ---------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True, eq=False)
class _Rest:
    """A problem of what is not delivered, and which demand each of its own is a part of."""

    problem: PassProblem
    owner: Ints

    def whole(self, moves: Transfers) -> Transfers:
        """Its transfers as those of the whole problem."""
        return Transfers.of(
            self.owner[moves.demand], moves.contact, moves.start_s, moves.end_s, moves.volume_bytes
        )


def _rest(problem: PassProblem, moves: Transfers, now: float) -> _Rest | None:
    """What is still to be delivered after some transfers, from where it is then."""
    rows, count = problem.plan.arrays, len(problem.plan.nodes)
    held = np.zeros((len(problem.demands), count))
    sources = [problem.plan.index(row.source) for row in problem.demands]
    held[np.arange(len(sources)), sources] = [row.volume_bytes for row in problem.demands]
    for end, sign in (("source", -1.0), ("target", 1.0)):
        np.add.at(held, (moves.demand, rows[end][moves.contact]), sign * moves.volume_bytes)
    demands, owner = [], []
    for k, row in enumerate(problem.demands):
        held[k, problem.targets(row)] = 0.0
        for node in np.flatnonzero(held[k] > 1e-9 * max(row.volume_bytes, 1.0)):
            release = max(row.release_s, now)
            if release < row.deadline_s:
                where = problem.plan.nodes[int(node)].name
                part = replace(
                    row,
                    name=f"{row.name}@{where}",
                    source=where,
                    volume_bytes=float(held[k, node]),
                    release_s=release,
                    splittable=True,
                )
                demands.append(part)
                owner.append(k)
    if not demands:
        return None
    arrays = {name: column.copy() for name, column in rows.items()}
    arrays["rate_bps"][arrays["end_s"] <= now] = 0.0
    running = (arrays["start_s"] < now) & (arrays["end_s"] > now)
    arrays["start_s"][running] = now
    plan = replace(problem.plan, arrays=arrays)
    return _Rest(problem.replace(plan=plan, demands=demands), np.array(owner))


def _around(problem: PassProblem, kept: Transfers, stays: Transfers, now: float) -> Transfers:
    """What more can be delivered around transfers that stay."""
    rest = _rest(problem, kept, now)
    if rest is None:
        return Transfers.empty()
    relays = "kept"
    if pieces_by_events(rest.problem) > MOST_PIECES:
        relays = "dropped"
        if pieces_by_events(rest.problem, relays) > MOST_PIECES:
            return Transfers.empty()
    expansion = by_events(rest.problem, relays=relays)
    if len(expansion.begin_s) > MOST_CELLS and relays == "kept":
        expansion = by_events(rest.problem, relays="dropped")
    if not is_network(rest.problem, expansion):
        return Transfers.empty()
    pieces, periods = _left(rest.problem, expansion, stays)
    groups = commodities(rest.problem)
    return rest.whole(one_by_one(rest.problem, expansion, groups, pieces, periods).moves)


def _left(problem: PassProblem, expansion: Expansion, stays: Transfers) -> tuple[Floats, Floats]:
    """Bytes of pieces and seconds of periods that transfers which stay leave over."""
    order = np.lexsort((expansion.start_s, expansion.contact))
    contact, start = expansion.contact[order], expansion.start_s[order]
    lift = 2 * (np.abs(expansion.end_s).max(initial=1.0) + 1)
    key = contact * lift + start
    first = np.searchsorted(key, stays.contact * lift + stays.start_s, side="right") - 1
    last = np.searchsorted(key, stays.contact * lift + stays.end_s - 1e-9, side="right") - 1
    first, last = np.maximum(first, 0), np.maximum(last, first)
    move, place = ranges(first, last - first + 1)
    spot = order[place]
    overlap = np.minimum(stays.end_s[move], expansion.end_s[spot])
    overlap -= np.maximum(stays.start_s[move], expansion.start_s[spot])
    overlap = np.where(expansion.contact[spot] == stays.contact[move], np.maximum(overlap, 0), 0)
    used = stays.volume_bytes[move] * overlap / (stays.end_s - stays.start_s)[move]
    pieces = expansion.volume_bytes.copy()
    np.subtract.at(pieces, spot, used)
    periods = expansion.period_s.copy()
    rate = np.maximum(problem.plan.arrays["rate_bps"][expansion.contact[spot]] / 8, 1e-300)
    for side in (0, 1):
        draws = expansion.period[spot, side] >= 0
        np.subtract.at(periods, expansion.period[spot[draws], side], (used / rate)[draws])
    return np.maximum(pieces, 0.0), np.maximum(periods, 0.0)


# -- what it is worth -----------------------------------------------------------------------------
def _result(
    problem: PassProblem,
    moves: Transfers,
    anew: SolveResult[PassSchedule] | None,
    before: float,
    began: float,
) -> SolveResult[PassSchedule]:
    """The whole schedule judged; its bound: what was delivered before, and that of the rest."""
    cut: tuple[str, ...] = ()
    if anew is not None and anew.solution is not None:
        cut = anew.solution.cut
    schedule = PassSchedule(problem, moves, cut)
    wrong = schedule.violations()
    objective = schedule.objective
    bound = -math.inf
    if anew is not None:
        bound = anew.bound
        if problem.objective != "completion":
            bound += before
    spent = time.perf_counter() - began
    reason = Reason.ERROR if wrong else Reason.FEASIBLE
    if not wrong and math.isfinite(bound):
        gap = abs(objective - bound) / max(abs(objective), 1e-9)
        reason = Reason.OPTIMAL if gap <= 1e-6 else Reason.FEASIBLE
    return SolveResult(
        None if wrong else schedule,
        reason,
        objective,
        bound,
        solve_s=spent,
        backend="" if anew is None else anew.backend,
        method="re-planning" if anew is None else f"re-planning, {anew.method}",
        message=f"the schedule breaks a rule: {wrong[0]}" if wrong else "",
    )


def _overlap(one: Transfers, two: Transfers) -> float:
    """Bytes that two sets of transfers have in common: demand, contact, and time as a whole."""
    pairs = 1 + max(one.contact.max(initial=0), two.contact.max(initial=0))
    keys = [row.demand.astype(np.int64) * int(pairs) + row.contact for row in (one, two)]
    known = np.unique(np.concatenate(keys))
    sums = [
        np.bincount(np.searchsorted(known, key), weights=row.volume_bytes, minlength=len(known))
        for key, row in zip(keys, (one, two), strict=True)
    ]
    return float(np.minimum(*sums).sum()) if len(known) else 0.0
