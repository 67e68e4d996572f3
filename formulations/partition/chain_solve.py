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
from .labels import label_pass
from .layered import path_outcome
from .ng_routes import Memories, grow
from .order_search import full_order, search_orders
from .outcome import Outcome
from .relaxation import Relaxation, improve
from .segments import SegmentModel

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .outcome import Watch
    from .problem import PartitionProblem

    Ints = NDArray[np.int64]

#: Largest memory of a class in bounds (see `ng_routes`).
MOST_REMEMBERED = 8


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
    data = ChainData.of(problem, weights)
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
        relaxation = Relaxation.start(model)
        tables = OrderTables.of(model)
        for _ in range(12):
            before = relaxation.bound
            improve(relaxation, model, self.value, 100, self.watch)
            if self._settle(relaxation.bound):
                return self._outcome()
            self._decode(model, relaxation, tables)
            if self._settle(relaxation.bound):
                return self._outcome()
            if relaxation.bound - before < 0.02 * (self.value - relaxation.bound):
                break
        self._label(model, relaxation)
        return self._outcome()

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
        fresh = [order for order in reversed(relaxation.orders) if order not in self.decoded]
        priced = [tables]
        if relaxation.price.any():
            priced.append(OrderTables.of(model, relaxation.price))
        for order in fresh[:24]:
            self.decoded.add(order)
            for row in priced:
                value, runs = row.best(full_order(model, order))
                if value < self.value:
                    self._report(runs, model)

    def _label(self, model: SegmentModel, relaxation: Relaxation) -> None:
        """Label passes with a widening cap; memories grow in between."""
        self.method = "labels with completion bounds"
        remembered: list[set[int]] = [set() for _ in model.members]
        memories = Memories.none(model)
        cap, most = 2, 3
        while True:
            found = label_pass(model, relaxation, memories, self.value, cap, self.watch)
            if np.isfinite(found.value):
                self._report(found.runs, model)
            if self._settle(found.bound):
                return
            start = np.array(full_order(model, _classes(self.placement, model)))
            if cap == 2:
                search_orders(
                    model, start, self.watch, trials=50 * len(start), seed=self.seed,
                    report=lambda _, runs: self._report(runs, model),
                )  # fmt: skip
            paths = improve(relaxation, model, self.value, 100, self.watch)
            if self._settle(relaxation.bound):
                return
            relaxation.step = max(relaxation.step, 0.3)
            for _ in range(2):
                if not grow(remembered, paths[-8:], most):
                    most = min(most + 1, MOST_REMEMBERED)
                memories = Memories.of(model, remembered)
                paths = improve(relaxation, model, self.value, 15, self.watch, memories)
                if self._settle(relaxation.bound):
                    return
            cap *= 4


def _classes(placement: Ints | None, model: SegmentModel) -> tuple[int, ...]:
    """Classes of a placement's runs in order."""
    if placement is None:
        return ()
    owner = {n: c for c, row in enumerate(model.members) for n in row}
    starts = np.flatnonzero(np.diff(placement, prepend=-1))
    return tuple(owner[int(n)] for n in placement[starts])
