"""The best road for a chain with additive objectives, chosen by what the cheaper one proves.

The layered path first: it is the answer wherever nothing binds, and a bound wherever something
does. Contiguous chains go on with runs: the Lagrangian bound and the placements that its paths
lead to, then labels with a widening cap and completions that remember more and more, until the
bound meets the best placement or the time is up.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from .chain import ChainData
from .contiguous import OrderTables
from .labels import MOST_LABELS, label_pass
from .layered import path_outcome
from .order_search import full_order, search_orders
from .outcome import Outcome
from .relaxation import Relaxation, descend, polish
from .segments import SegmentModel
from .subsets import subsets_outcome, table_entries

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .outcome import Watch
    from .problem import PartitionProblem

    Ints = NDArray[np.int64]

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
    if data.contiguous:
        return _Contiguous(data, watch, seed, outcome.bound).solve()
    return outcome


@dataclass(slots=True, eq=False)
class _Contiguous:
    """One solve of a contiguous chain: what is known so far."""

    data: ChainData
    watch: Watch
    seed: int
    bound: float
    value: float = math.inf
    placement: Ints | None = None
    method: str = "runs with Lagrangian bound"
    decoded: set[tuple[int, ...]] = field(default_factory=set)

    def solve(self) -> Outcome:
        """Go from cheap to thorough until proven or out of time."""
        model = SegmentModel.of(self.data)
        if self._is_small(model):
            return subsets_outcome(self.data, model, self.watch)
        relaxation = Relaxation(model)
        tables = OrderTables.of(model)
        for steps in (20, 40, 0):
            if steps:
                descend(relaxation, self.value, steps, self.watch)
            else:
                polish(relaxation, self.value, 400, self.watch)
            if self._settle(relaxation.bound):
                return self._outcome()
            self._decode(model, relaxation, tables)
            if self._settle(relaxation.bound):
                return self._outcome()
        self._label(relaxation)
        return self._outcome()

    def _is_small(self, model: SegmentModel) -> bool:
        only_cuts = set(self.data.names[1:]) <= {"cuts"}
        return only_cuts and table_entries(model) * model.num_classes <= SMALL_PROGRAMME

    def _outcome(self) -> Outcome:
        return Outcome(self.placement, self.bound, self.method)

    def _settle(self, bound: float) -> bool:
        """Take over a bound; whether the solve is over."""
        self.bound = max(self.bound, min(bound, self.value))
        self.watch.tighten(self.bound)
        return np.isinf(self.bound) or self._proven() or self.watch.expired()

    def _proven(self) -> bool:
        return self.bound >= self.value - 1e-12 * abs(self.value)

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
        root = self.bound
        width = max(0.05 * (self.value - root), 2e-4 * abs(root))
        if np.isinf(width):
            width = 0.01 * abs(root)
        most, cap = EXHAUSTIVE_LABELS, 4
        while True:
            bar = min(self.value, root + width)
            found = label_pass(relaxation, bar, None, self.watch, most=most)
            if np.isfinite(found.value):
                self._report(found.runs, relaxation.model)
            if self._settle(min(found.bound, bar)):
                return
            if np.isinf(found.bound):
                width *= 2.0
                continue
            if cap == 4:
                self._search(relaxation)
            for _ in range(3):
                found = label_pass(relaxation, self.value, cap, self.watch)
                if np.isfinite(found.value):
                    self._report(found.runs, relaxation.model)
                if self._settle(found.bound):
                    return
                cap *= 4
            most = min(8 * most, MOST_LABELS)
            width *= 0.75


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
