"""Roads for balanced routing: one linear programme where it is small, else trees as columns.

Both end with prices of links, from which the answer's bound is computed anew: shortest ways at
these prices, whoever found them.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from ..formulations import checks
from ..formulations.partition.outcome import Watch
from ..formulations.routing import balance_lp, balance_master
from ..formulations.routing.balance import BalanceProblem
from ..formulations.routing.balance_descent import (
    FACTOR,
    FIRST,
    LAST,
    descend,
    mixed,
    prices,
)
from ..formulations.routing.balance_trees import Inward
from ..formulations.routing.balanced_routing import BalancedRouting
from .backends import solve_model
from .options import SolveOptions
from .result import Limit, Reason, SolveResult

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

#: By name, what it is. links: one programme over all links. trees: columns, made as needed.
METHODS = MappingProxyType(
    {"links": "linear programme over links", "trees": "descent, then trees as columns"}
)

#: Columns (targets x links) up to which one programme is quicker than making columns.
SMALL = 4_000

#: Rounds of descent before the first master: at least, and at most while the gap is above `NEAR`
#: and half of the time is left. Masters that begin far from the optimum are many, and slow.
ROUNDS, MOST_ROUNDS, NEAR = 80, 400, 0.2

#: Trees of the last rounds of descent that the first master knows.
_KNOWN = 10

#: Masters after which a column that none used is dropped.
_PATIENCE = 15

#: Weight of the best prices so far against those of the last master: duals of a master swing.
_CALM = 0.7

#: Rows that one master may add, and the use, as a share of the highest, from which the first has
#: rows.
_ROWS, _BUSY = 100, 0.97

#: Masters that prove nothing new after which the search is at the end of its numbers.
_STALLED = 100


@dataclass(slots=True)
class _Best:
    """The best flow and the best prices so far."""

    flow: Floats
    highest: float
    price: Floats
    bound: float = 0.0
    backend: str = ""
    limit: Limit | None = None

    def offer(self, flow: Floats, rate_bps: Floats) -> bool:
        """A flow that may be better; whether it is."""
        highest = float((flow.sum(axis=0) / rate_bps).max())
        if highest >= self.highest:
            return False
        self.flow, self.highest = flow, highest
        return True

    def prove(self, price: Floats, bound: float) -> bool:
        """Prices that may prove more; whether they do."""
        if bound <= self.bound:
            return False
        self.price, self.bound = price, bound
        return True


def solve_balance(problem: BalanceProblem, options: SolveOptions) -> SolveResult[BalancedRouting]:
    """Route traffic so that the highest use is least; see `orbweave.solve`.

    Parameters
    ----------
    problem : BalanceProblem
    options : SolveOptions
        `method` may be one of `METHODS`; `backend` solves the programmes.

    Returns
    -------
    SolveResult
        INFEASIBLE where some traffic has no way, ``message`` says which. At a time limit or an
        interrupt, the best routing so far and the bound that is proven so far.
    """
    if options.method is not None:
        checks.known("SolveOptions.method", options.method, tuple(METHODS))
    began = time.perf_counter()
    inward = Inward.of(problem)
    if not inward.reached.all():
        return SolveResult(
            None,
            Reason.INFEASIBLE,
            build_s=time.perf_counter() - began,
            message=_cut_off(problem, inward),
        )
    size = len(problem.targets) * len(problem.links)
    method = options.method or ("links" if size <= SMALL else "trees")
    built = time.perf_counter()
    watch = Watch(options.time_limit_s, options.relative_gap, options.on_progress)
    road = _by_links if method == "links" else _by_trees
    tree, _ = inward.flows(np.ones(len(problem.links)))
    load = tree.sum(axis=0)
    highest = float((load / inward.capacity_bps).max())
    best = _Best(tree, highest, prices(load, inward.capacity_bps, FIRST))
    best.bound = inward.flows(best.price)[1]
    try:
        road(problem, inward, best, watch, options)
    except KeyboardInterrupt:
        best.limit = Limit.INTERRUPT
    solved = time.perf_counter()
    routing = BalancedRouting.of(problem, best.flow, best.price)
    return _judged(routing, best, method, options, (built - began, solved - built))


def _by_links(
    problem: BalanceProblem, inward: Inward, best: _Best, watch: Watch, options: SolveOptions
) -> None:
    """One programme over all links and targets."""
    found = balance_lp.build(problem, best.highest)
    raw = solve_model(found.model, replace(options, method=None))
    best.backend, best.limit = raw.backend, raw.limit
    if raw.x is not None:
        best.offer(balance_lp.read(found, raw.x), inward.capacity_bps)
    if raw.duals is not None:
        price = balance_lp.read_prices(problem, found, raw.duals)
        best.prove(price, inward.flows(price)[1])
    watch.state(objective=best.highest, bound=best.bound)


def _by_trees(
    problem: BalanceProblem, inward: Inward, best: _Best, watch: Watch, options: SolveOptions
) -> None:
    """Descent, then masters over what it found and over new trees at the masters' prices."""
    columns = _Columns.of(best.highest, inward, best.flow, _descent(inward, best, watch))
    stalled = 0
    while not watch.expired() and stalled < _STALLED:
        model = balance_master.build(columns.use, columns.target, len(best.flow), columns.rows)
        left = replace(options, method=None, time_limit_s=max(watch.remaining_s, 1e-3))
        raw = solve_model(model, left)
        best.backend, best.limit = raw.backend, raw.limit
        if raw.x is None or raw.duals is None or raw.limit is not None:
            return
        share = balance_master.read(model, raw.x)
        price = balance_master.read_prices(model, raw.duals, columns.rate_bps, columns.rows)
        flow = columns.flow(share)
        helped = best.offer(mixed(best.flow, flow, columns.rate_bps), columns.rate_bps)
        trial = _CALM * best.price + (1 - _CALM) * price
        tree, bound = inward.flows(trial)
        helped |= best.prove(trial, bound)
        stalled = 0 if helped else stalled + 1
        columns.watch_links(flow)
        columns.renew(share, tree)
        watch.state(objective=best.highest, bound=best.bound)


def _descent(inward: Inward, best: _Best, watch: Watch) -> list[Floats]:
    """Rounds of descent from the best flow; the trees of the last ones."""
    flow, smoothing, rate = best.flow, FIRST, inward.capacity_bps
    known: list[Floats] = []
    for done in range(1, MOST_ROUNDS + 1):
        price = prices(flow.sum(axis=0), rate, smoothing)
        tree, bound = inward.flows(price)
        best.prove(price, bound)
        known = [*known[1 - _KNOWN :], tree]
        flow = descend(flow, tree, rate, smoothing)
        best.offer(flow, rate)
        smoothing = max(FACTOR * smoothing, LAST)
        watch.state(objective=best.highest, bound=best.bound)
        enough = watch.gap <= NEAR or watch.elapsed_s > 0.5 * watch.time_limit_s
        if watch.expired() or (done >= ROUNDS and enough):
            break
    return known


@dataclass(slots=True)
class _Columns:
    """The columns and rows of a master.

    Attributes
    ----------
    unit : float
        What uses are counted in.
    rate_bps : array, shape (links,)
    use : array, shape (columns, links)
    target, idle : array of int, shape (columns,)
        Whose traffic a column sends, and for how many masters nobody has wanted it.
    rows : array of int
        Links that the master looks at.
    """

    unit: float
    rate_bps: Floats
    use: Floats
    target: Ints
    idle: Ints
    rows: Ints

    @classmethod
    def of(cls, unit: float, inward: Inward, flow: Floats, trees: list[Floats]) -> _Columns:
        """A good flow, whole and by target, and some trees."""
        rate = inward.capacity_bps
        target = np.tile(np.arange(len(flow)), 1 + len(trees))
        use = np.concatenate([flow, *trees]) / (unit * rate)
        load = flow.sum(axis=0) / rate
        rows = np.flatnonzero(load >= _BUSY * load.max())
        return cls(unit, rate, use, target, np.zeros(len(target), dtype=np.int64), rows)

    def flow(self, share: Floats) -> Floats:
        """Bit/s of the columns' mix, shares of a target made to sum to 1, (targets, links)."""
        whole = np.bincount(self.target, weights=share)
        part = share / whole[self.target]
        entries = (part, (self.target, np.arange(len(part))))
        mix = sparse.csr_array(entries, shape=(len(whole), len(part)))
        flow: Floats = (mix @ self.use) * (self.unit * self.rate_bps)
        return flow

    def watch_links(self, flow: Floats) -> None:
        """Add rows for links that a flow uses more than those that have rows."""
        load = flow.sum(axis=0) / self.rate_bps
        over = np.flatnonzero(load > load[self.rows].max() * (1 + 1e-9))
        over = over[np.argsort(-load[over], kind="stable")[:_ROWS]]
        self.rows = np.union1d(self.rows, over)

    def renew(self, share: Floats, trees: Floats) -> None:
        """Add trees, and drop what nobody has wanted for long."""
        idle = np.where(share > 1e-12, 0, self.idle + 1)
        kept, fresh = idle < _PATIENCE, np.zeros(len(trees), dtype=np.int64)
        self.use = np.concatenate([self.use[kept], trees / (self.unit * self.rate_bps)])
        self.target = np.concatenate([self.target[kept], np.arange(len(trees))])
        self.idle = np.concatenate([idle[kept], fresh])


def _judged(
    routing: BalancedRouting,
    best: _Best,
    method: str,
    options: SolveOptions,
    spent_s: tuple[float, float],
) -> SolveResult[BalancedRouting]:
    """The result, its routing judged and its bound proven independently of the search."""
    began = time.perf_counter()
    wrong, objective, bound = routing.violations(), routing.highest_use, routing.bound
    gap = (objective - bound) / max(abs(objective), 1e-9)
    reason, message, limit = Reason.FEASIBLE, "", best.limit
    if wrong:
        reason, message = Reason.ERROR, f"the routing breaks a rule: {wrong[0]}"
    elif gap < -1e-6:
        text = f"the bound {bound:.9g} is above the routing's {objective:.9g}"
        reason, message = Reason.ERROR, text
    elif gap <= max(options.relative_gap, 1e-9):
        reason, limit = Reason.OPTIMAL, None
    elif limit is None and method == "trees" and sum(spent_s) >= options.time_limit_s:
        limit = Limit.TIME
    if reason in (Reason.OPTIMAL, Reason.FEASIBLE) and bound > 1:
        message = f"there is too much traffic: every routing uses a link {bound:.4g} times over"
    return SolveResult(
        None if wrong else routing,
        reason,
        objective,
        bound,
        limit,
        *spent_s,
        time.perf_counter() - began,
        best.backend,
        METHODS[method],
        message,
    )


def _cut_off(problem: BalanceProblem, inward: Inward) -> str:
    """Which traffic has no way."""
    lost = np.flatnonzero(~inward.reached[inward.pair_of])
    row = problem.traffic[int(lost[0])]
    more = f", and {len(lost) - 1} more" if len(lost) > 1 else ""
    return f"no links lead from {row.source!r} to {row.target!r} at {problem.at_s:.12g} s{more}"
