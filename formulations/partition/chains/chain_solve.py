"""The best road for a chain with additive objectives, chosen by what the cheaper one proves.

The layered path first: it is the answer wherever nothing binds, and a bound wherever something
does. Contiguous chains go on with runs: the Lagrangian bound and the placements that its paths
lead to, then labels with a widening cap and completions that remember more and more, until the
bound meets the best placement or the time is up.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from ..outcome import Outcome, Watch
from .chain import ChainData
from .contiguous import OrderTables
from .labels import MOST_LABELS, LabelPass, label_pass
from .layered import path_outcome
from .ng_routes import Memories, grow
from .order_search import full_order, search_orders
from .relaxation import Relaxation, descend, polish
from .segments import SegmentModel
from .subsets import subsets_outcome, table_entries

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..problem import PartitionProblem

    Ints = NDArray[np.int64]

#: Most nodes that a class remembers in bounds (see `ng_routes`).
MOST_REMEMBERED = 8
#: Gap from which memories come before more labels.
WIDE_GAP = 0.015
#: Labels that a pass without a cap makes at first, before beams take over.
EXHAUSTIVE_LABELS = 400_000
#: Set programmes up to this many steps are quicker than bounds.
SMALL_PROGRAMME = 2e7


def solve_chain(
    problem: PartitionProblem,
    watch: Watch,
    weights: Mapping[str, float] | None = None,
    seed: int = 0,
) -> Outcome:
    """Solve a chain with additive objectives, with a bound always.

    Parameters
    ----------
    problem : PartitionProblem
        One for which `chain.applies` holds.
    watch : Watch
        Clock, asked gap and incumbent; told of every better placement and bound.
    weights : mapping of additive objective to float, optional
        Weighted sum to minimise; the problem's own objective unless given.
    seed : int

    Returns
    -------
    Outcome
        The best placement found (None if none was) and a valid lower bound: equal to its value
        where it is proven optimal, ``inf`` where there is no placement at all.
    """
    return solve_data(ChainData.of(problem, weights), watch, seed)


def solve_data(data: ChainData, watch: Watch, seed: int = 0) -> Outcome:
    """Solve a chain given as arrays; see `solve_chain`. Values are those of the arrays."""
    outcome = path_outcome(data, watch)
    if outcome.placement is not None or np.isinf(outcome.bound):
        return outcome
    solve = _Runs(data, watch, seed, outcome.bound)
    if not data.contiguous:
        solve.start_contiguous()
    return solve.solve()


@dataclass(slots=True, eq=False)
class _Runs:
    """One solve over runs of layers: what is known so far."""

    data: ChainData
    watch: Watch
    seed: int
    bound: float
    value: float = math.inf
    placement: Ints | None = None
    method: str = "runs with Lagrangian bound"
    restricted: bool = False
    decoded: set[tuple[int, ...]] = field(default_factory=set)

    def solve(self) -> Outcome:
        """Go from cheap to thorough until proven or out of time."""
        model = SegmentModel.of(self.data)
        if self._is_small(model):
            return subsets_outcome(self.data, model, self.watch)
        self._work(model)
        if not (model.contiguous or self._over()):
            # The best of the relaxation breaks a rule that it leaves out: look for placements
            # where nothing can, and keep the bound.
            self.restricted = True
            self._work(SegmentModel.of(self.data, careful=True))
        return Outcome(self.placement, self.bound, self.method)

    def start_contiguous(self) -> None:
        """Start from a good contiguous placement: every one of those is allowed."""
        aside = Watch(time_limit_s=min(0.2 * self.watch.remaining_s, 10.0), relative_gap=2e-3)
        found = _Runs(replace(self.data, contiguous=True), aside, self.seed, self.bound).solve()
        if found.placement is not None and self.data.is_feasible(found.placement):
            self.value, self.placement = self.data.value(found.placement), found.placement
            self.watch.offer(self.placement, self.value)

    def _work(self, model: SegmentModel) -> None:
        """Bounds, placements along relaxed paths, labels."""
        relaxation = Relaxation(model)
        tables = OrderTables.of(model)
        for steps in (20, 40, 0):
            if steps:
                descend(relaxation, self.value, steps, self.watch)
            else:
                polish(relaxation, self.value, 400, self.watch)
            if self._settle(relaxation.bound):
                return
            if model.contiguous:
                self._decode(model, relaxation, tables)
                if self._settle(relaxation.bound):
                    return
        self._label(relaxation)

    def _is_small(self, model: SegmentModel) -> bool:
        only_cuts = set(self.data.names[1:]) <= {"cuts"}
        steps = table_entries(model) * model.num_classes
        return model.contiguous and only_cuts and steps <= SMALL_PROGRAMME

    def _settle(self, bound: float) -> bool:
        """Take over a bound of the model at work; whether that is enough."""
        if not self.restricted:
            self.bound = max(self.bound, min(bound, self.value))
            self.watch.tighten(self.bound)
        return np.isinf(bound) or self._over()

    def _over(self) -> bool:
        proven = self.bound >= self.value - 1e-12 * abs(self.value)
        return np.isinf(self.bound) or proven or self.watch.expired()

    def _report(self, runs: Ints, model: SegmentModel) -> None:
        placement = model.placement(runs)
        value = self.data.value(placement)
        if value < self.value and self.data.is_feasible(placement):
            self.value, self.placement = value, placement
            self.watch.offer(placement, value)

    def _decode(self, model: SegmentModel, relaxation: Relaxation, tables: OrderTables) -> None:
        """Placements along the orders of relaxed paths, the latest first."""
        orders = [_without_excess(runs[:, 2], model.count) for runs in reversed(relaxation.paths)]
        fresh = [order for order in dict.fromkeys(orders) if order not in self.decoded]
        priced = [tables]
        if relaxation.price.any():
            priced.append(OrderTables.of(model, relaxation.price))
        for order in fresh[:24]:
            self.decoded.add(order)
            for row in priced:
                value, runs = row.best(full_order(model, order))
                if value < self.value:
                    self._report(runs, model)

    def _label(self, relaxation: Relaxation) -> None:
        """Passes that look a little farther above the bound each time.

        While nothing is dropped, a pass proves that no placement lies below its bar. Once labels
        outgrow that, beams find placements, and narrow bars keep them narrow.
        """
        self.method = "labels with completion bounds"
        model, root = relaxation.model, relaxation.bound
        width = max(0.05 * (self.value - root), 2e-4 * abs(root))
        most, cap = EXHAUSTIVE_LABELS, 4
        remembered: list[set[int]] = [set() for _ in model.members]
        widest = max(16, MOST_LABELS // model.hi.size)
        while True:
            root = max(root, relaxation.bound)
            bar = min(self.value, root + width)
            found = self._pass(relaxation, bar, None, most)
            if self._settle(min(found.bound, found.value, bar)):
                return
            if np.isinf(found.bound):
                if np.isfinite(found.value) or bar >= self.value:
                    return  # the model at work is solved
                width *= 2.0
                continue
            if cap == 4 and model.contiguous:
                self._search(relaxation)
            if cap > widest and most == MOST_LABELS:
                return
            for _ in range(2):
                found = self._pass(relaxation, self.value, min(cap, widest), MOST_LABELS)
                if self._settle(min(found.bound, found.value)):
                    return
                cap *= 4
            wide = self.value - self.bound > WIDE_GAP * abs(self.value) or most == MOST_LABELS
            if wide and model.contiguous and self._remember(relaxation, remembered):
                return
            most = min(8 * most, MOST_LABELS)
            width = 0.75 * min(width, self.value - root)

    def _remember(self, relaxation: Relaxation, remembered: list[set[int]]) -> bool:
        """Grow memories while that closes the gap by a tenth at a time; whether that is enough."""
        model, stale = relaxation.model, 0
        while grow(remembered, relaxation.paths[-12:], model.count, MOST_REMEMBERED):
            before = relaxation.bound
            relaxation.memories = Memories.of(model, remembered)
            relaxation.paths.clear()
            polish(relaxation, self.value, 40, self.watch, 0.03)
            if self._settle(relaxation.bound):
                return True
            stale = stale + 1 if relaxation.bound - before < 0.1 * (self.value - before) else 0
            if stale == 2:
                break
        return False

    def _pass(self, relaxation: Relaxation, bar: float, cap: int | None, most: int) -> LabelPass:
        found = label_pass(relaxation, bar, cap, self.watch, most=most)
        if np.isfinite(found.value):
            self._report(found.runs, relaxation.model)
        return found

    def _search(self, relaxation: Relaxation) -> None:
        """A short local search over orders from the best one known."""
        model = relaxation.model
        start = full_order(model, _classes(self.placement, model))
        search_orders(
            model, start, self.watch, trials=30 * len(start), seed=self.seed,
            report=lambda _, runs: self._report(runs, model),
        )  # fmt: skip


def _without_excess(classes: Ints, count: Ints) -> tuple[int, ...]:
    """An order of classes less the repeats that the classes have no nodes for."""
    left = count.copy()
    kept = []
    for c in classes.tolist():
        if left[c] > 0:
            left[c] -= 1
            kept.append(c)
    return tuple(kept)


def _classes(placement: Ints | None, model: SegmentModel) -> tuple[int, ...]:
    """Classes of a placement's runs in order."""
    if placement is None:
        return ()
    owner = {n: c for c, row in enumerate(model.members) for n in row}
    starts = np.flatnonzero(np.diff(placement, prepend=-1))
    return tuple(owner[int(n)] for n in placement[starts])
