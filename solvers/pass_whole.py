"""Demands that count only when whole: which of them to serve, and how.

A flow may deliver half of one and half of another, and both count for nothing. So where the best
flow does that, a set of them is chosen that fits whole together; what is left carries the rest.
Three ways to choose, the best answer counts: the baselines, maximum flows over growing sets, and
the programme with a binary variable for each (`formulations.passes.lp`), which alone can prove it.
The bound of the flow holds throughout.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np

from ..formulations.partition.outcome import Watch
from ..formulations.passes import PassProblem, PassSchedule, Transfers
from ..formulations.passes.baselines import BASELINES
from ..formulations.passes.flows import commodities, read
from ..formulations.passes.judge import TOLERANCE
from ..formulations.passes.lp import build
from ..formulations.passes.lp import read as read_programme
from .backends import solve_model
from .maxflow import max_flow
from .options import SolveOptions
from .pass_answer import Answer
from .pass_flows import in_classes
from .pass_grid import Grid
from .pass_sequences import one_by_one
from .result import Limit, Reason

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]

#: Columns up to which the programme with binary variables is tried.
_MOST_COLUMNS = 60_000

#: Demands times contacts up to which the baselines are tried too.
_QUICK = 200_000


def splits(problem: PassProblem, moves: Transfers) -> bool:
    """Whether a demand that counts only when whole is delivered in part, where bytes count."""
    whole = _whole(problem)
    if problem.objective == "completion" or not whole.any():
        return False
    share = _Choice.of(problem, moves).share[whole]
    return bool(((share > 0.0) & (share < 1.0)).any())


def whole(
    problem: PassProblem,
    answer: Answer,
    grid: Grid,
    options: SolveOptions,
    watch: Watch,
    *,
    is_flow: bool,
    columns: int,
) -> Answer:
    """The best plan found in which demands that are not splittable go whole or not at all.

    Parameters
    ----------
    problem : PassProblem
        Of objective volume or priority.
    answer : Answer
        A plan for the same demands, all of them splittable, with its bound.
    grid : Grid
    options : SolveOptions
    watch : Watch
    is_flow : bool
        Whether maximum flows answer such problems.
    columns : int
        How large the programme would be.

    Returns
    -------
    Answer
        An interrupt or the end of the time keeps the best so far.
    """
    best = _Choice.of(problem, answer.moves)
    bound, limit, backend = answer.bound, answer.limit, answer.backend
    flows = _by_flows(problem, grid, best, watch) if is_flow else iter(())
    try:
        for moves in chain((moves for _, moves in _baselines(problem)), flows):
            best = max(best, _Choice.of(problem, moves), key=lambda one: one.worth)
            watch.state(objective=best.total, bound=bound)
        close = best.total >= bound * (1 - max(options.relative_gap, 1e-9))
        if limit is None and not close and columns <= _MOST_COLUMNS and watch.remaining_s > 0:
            left = replace(options, time_limit_s=max(watch.remaining_s, 1e-3))
            found = _by_programme(problem, grid, left)
            best = max(best, _Choice.of(problem, found.moves), key=lambda one: one.worth)
            bound, limit = min(bound, found.bound), found.limit
            backend = found.backend
            watch.state(objective=best.total, bound=bound)
        elif watch.remaining_s <= 0:
            limit = limit or Limit.TIME
    except KeyboardInterrupt:
        limit = Limit.INTERRUPT
    return replace(
        answer,
        moves=best.kept(),
        bound=bound,
        limit=limit,
        backend=backend,
        message=f"{np.count_nonzero(~best.counts)} demands count only when whole, and are not sent",
        method=f"{answer.method}, then which demands go whole",
    )


def no_worse_than_baselines(problem: PassProblem, answer: Answer) -> Answer:
    """The answer, or the plan of a baseline that is worth more: a search may miss it."""
    best = _Choice.of(problem, answer.moves)
    for name, moves in _baselines(problem):
        other = _Choice.of(problem, moves)
        if other.worth > best.worth:
            best = other
            answer = replace(answer, method=f"{name}: no search found better")
    return replace(answer, moves=best.kept())


@dataclass(frozen=True, slots=True, eq=False)
class _Choice:
    """A plan, and what of it counts."""

    problem: PassProblem
    moves: Transfers
    share: Floats  #: delivered of each demand, whole where it counts as whole

    @classmethod
    def of(cls, problem: PassProblem, moves: Transfers) -> _Choice:
        loose = [replace(row, splittable=True) for row in problem.demands]
        amount = PassSchedule(problem.replace(demands=loose), moves).delivered
        asked = _asked(problem)
        share = np.ones(len(asked))
        np.divide(amount, asked, out=share, where=asked > 0)
        return cls(problem, moves, np.where(share >= 1 - TOLERANCE, 1.0, share))

    @property
    def counts(self) -> Bools:
        """Demands that are whole or may be split."""
        found: Bools = (self.share >= 1.0) | ~_whole(self.problem)
        return found

    @property
    def by_class(self) -> Floats:
        """Bytes that count of each class of priority in turn, or of all."""
        amount = np.where(self.counts, self.share * _asked(self.problem), 0.0)
        found: Floats = np.bincount(_rank(self.problem), weights=amount).astype(np.float64)
        return found

    @property
    def worth(self) -> tuple[float, ...]:
        """The same to a ten-millionth of what is asked: rounding of a class decides nothing."""
        unit = max(1e-7 * _asked(self.problem).sum(), 1e-9)
        return tuple(np.round(self.by_class / unit).tolist())

    @property
    def total(self) -> float:
        """Bytes that count."""
        return float(self.by_class.sum())

    def kept(self) -> Transfers:
        """The transfers of what counts; a part that counts for nothing is not sent."""
        return self.moves.where(self.counts[self.moves.demand])


def _whole(problem: PassProblem) -> Bools:
    return np.array([not row.splittable for row in problem.demands])


def _asked(problem: PassProblem) -> Floats:
    return np.array([row.volume_bytes for row in problem.demands], dtype=np.float64)


def _rank(problem: PassProblem) -> Ints:
    """Classes that go one before the other."""
    by_class = problem.objective == "priority"
    return np.array([row.priority if by_class else 0 for row in problem.demands])


def _baselines(problem: PassProblem) -> Iterator[tuple[str, Transfers]]:
    """Plans of the baselines, where they are quick."""
    if problem.energy is None and len(problem.demands) * len(problem.plan) <= _QUICK:
        for name, baseline in BASELINES.items():
            yield name, baseline(problem)


def _by_flows(
    problem: PassProblem, grid: Grid, relaxed: _Choice, watch: Watch
) -> Iterator[Transfers]:
    """Sets that fit whole, tried in halves; or, of several commodities, one after another."""
    groups, rank, whole = commodities(problem), _rank(problem), _whole(problem)
    # First those of which the flow delivers most, then the largest.
    order = np.lexsort((-_asked(problem), -relaxed.share))
    if len(groups) == 1:
        yield _one_commodity(problem, grid, groups[0], order[whole[order]], watch)
        return
    parts: list[Ints] = []
    for p in np.unique(rank):
        parts += [order[k : k + 1] for k in np.flatnonzero((whole & (rank == p))[order])]
        parts += [group[(rank[group] == p) & ~whole[group]] for group in groups]
    parts = [part for part in parts if len(part)]
    inner = grid.inner
    yield one_by_one(problem, inner, parts, inner.volume_bytes, inner.period_s, watch).moves


def _one_commodity(
    problem: PassProblem, grid: Grid, group: Ints, order: Ints, watch: Watch
) -> Transfers:
    """Classes in turn: the demands that go whole beside what is taken, then those that may split.

    One maximum flow says whether a whole set fits; one that does not is tried in halves.
    """
    asked, rank = _asked(problem), _rank(problem)
    taken = np.zeros(len(asked), dtype=bool)

    def value(extra: Ints) -> float:
        allowed = taken.copy()
        allowed[extra] = True
        amounts = np.where(allowed, asked, 0.0)[group]
        return max_flow(grid.build(problem, group, volume_bytes=amounts).network).value

    for p in np.unique(rank):
        base = value(order[:0])
        waiting = [order[rank[order] == p]]
        while waiting and watch.remaining_s > 0:
            part = waiting.pop()
            total = value(part) if len(part) else base
            if total >= (base + asked[part].sum()) * (1 - 1e-9):
                taken[part] = True
                base = total
            elif len(part) > 1:
                half = len(part) // 2
                waiting += [part[half:], part[:half]]
        taken |= (rank == p) & ~_whole(problem)
    # Within a class the whole ones go first: what they need is theirs.
    step = 2 * rank + ~_whole(problem)
    amounts = np.where(taken, asked, 0.0)[group]
    found, flow = in_classes(problem, grid, group, step[group], amounts)
    return read(found, flow.flow[: len(found.network.tail)])


def _by_programme(problem: PassProblem, grid: Grid, options: SolveOptions) -> Answer:
    """The programme with a binary variable for each demand that goes whole or not at all."""
    if options.backend not in (None, "highs", "cp-sat", "pyomo"):  # those are for real numbers
        options = replace(options, backend=None)
    found = build(problem, grid.inner, whole=True)
    staged = problem.objective == "priority"
    rank = _rank(problem)
    watch = Watch(options.time_limit_s)
    moves, bound, limit, backend = Transfers.empty(), np.inf, None, ""
    secured: dict[int, float] = {}
    for p in np.unique(rank).tolist():
        stage = found.stage(p, secured) if staged else found
        left = replace(options, time_limit_s=max(watch.remaining_s, 1e-3))
        raw = solve_model(stage.model, left)
        backend, limit = raw.backend, raw.limit
        if not staged and grid.inner.exact and raw.reason is not Reason.ERROR:
            bound = -raw.bound * found.unit_bytes
        if raw.x is None:
            break
        # The choice is kept; without it in the way, the bytes come out exact.
        exact = solve_model(stage.settled(raw.x), replace(left, backend=None))
        x = raw.x if exact.x is None else exact.x
        moves = read_programme(found, x)
        secured[p] = float(found.sent_bytes(x)[rank == p].sum())
        if limit is not None:
            break
    return Answer(moves, bound, (), backend, limit=limit)
