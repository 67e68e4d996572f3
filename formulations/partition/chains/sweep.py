"""Chains whose objective or limits hold the bottleneck beside additive terms.

minimise  A(x) + w B(x)   subject to  B(x) <= limit

with A a weighted sum of latency, bandwidth and energy and B the bottleneck (`throughput`): the
`balance` of all four objectives, a training step with several micro-batches
(latency + (m - 1) B), or a bounded `throughput`.

For a cap T let g(T) be the least A over placements with B <= T: a chain with additive costs, in
which no run may load its node, and no move its link, for more than T. g falls as T grows, so among
placements with B in (T1, T2] none is better than g(T2) + w T1. Branch and bound over intervals of
T with that bound; every cap solved also gives a placement. Loads that several runs or moves put on
one node or link are taken one by one inside g, which keeps the bound valid; the placements are
judged whole.
"""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from ..costs import ADDITIVE
from ..outcome import Outcome, Watch
from ..pipelines.bottleneck import transfer_loads
from ..scales import objective_weights, repeats
from ..solution import Partition
from .chain import ROOM, ChainData
from .chain_solve import solve_data

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..problem import PartitionProblem

    Floats = NDArray[np.float64]

METHOD = "sweep over the bottleneck"

#: Caps solved at most; a sweep that needs more is better left to another road.
MOST_CAPS = 120


def sweep_applies(problem: PartitionProblem) -> bool:
    """Whether this is a chain with additive terms and the bottleneck in objective or limits."""
    if not problem.profile.is_chain or problem.max_replicas > 1:
        return False
    if problem.objective == "balance" and problem.reference is None:
        return False
    weights, bottleneck = _split(problem)
    return bool(weights) and (bottleneck > 0 or "throughput" in problem.limits)


def solve_sweep(problem: PartitionProblem, watch: Watch, seed: int = 0) -> Outcome:
    """Solve such a chain.

    Parameters
    ----------
    problem : PartitionProblem
        One for which `sweep_applies` holds.
    watch : Watch
    seed : int

    Returns
    -------
    Outcome
        Best placement found and a valid bound; proven unless nodes are visited more than once,
        moves share links or the time runs out.
    """
    return _Sweep(problem, watch, seed).solve()


def _split(problem: PartitionProblem) -> tuple[dict[str, float], float]:
    """Weights of the additive objectives, and the weight of the bottleneck."""
    weights = {name: value for name, value in objective_weights(problem).items() if value > 0}
    bottleneck = weights.pop("throughput", 0.0) + weights.get("latency", 0.0) * repeats(problem)
    return weights, bottleneck


@dataclass(slots=True, eq=False)
class _Sweep:
    """One sweep: the incumbent, and a bound on what the closed intervals can hold."""

    problem: PartitionProblem
    watch: Watch
    seed: int
    data: ChainData = field(init=False)
    weight: float = field(init=False)
    load_s: Floats = field(init=False)
    ends_s: Floats = field(init=False)
    move_s: Floats = field(init=False)
    value: float = field(init=False)
    floor: float = math.inf
    placement: NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        problem, costs = self.problem, self.problem.costs()
        weights, self.weight = _split(problem)
        self.value = self.watch.objective
        additive = {name: value for name, value in problem.limits.items() if name in ADDITIVE}
        if repeats(problem):
            # A bounded latency holds the bottleneck too; leaving it out relaxes the problem.
            additive.pop("latency", None)
        self.data = ChainData.of(problem.replace(limits=additive), weights)
        busiest = transfer_loads(problem)
        self.load_s, self.move_s = costs.compute_s, busiest[: costs.num_layers - 1]
        self.ends_s = np.zeros_like(self.load_s)
        if costs.input_index >= 0:
            self.ends_s[0] = busiest[-2, costs.input_index]
        if costs.output_index >= 0:
            self.ends_s[-1] = np.maximum(self.ends_s[-1], busiest[-1, :, costs.output_index])

    def solve(self) -> Outcome:
        """Branch and bound over intervals (low, high] of the bottleneck, the least bound first."""
        top = self.problem.limits.get("throughput", math.inf)
        bound, high = self.cap(top)
        if bound == math.inf or self.weight == 0:
            return self._outcome(bound)
        if math.isinf(high):
            high = self._most()
        # An interval: least value inside, its ends, and g at (or above) its upper end.
        open_ranges = [(bound, 0.0, high, bound)]
        for _ in range(MOST_CAPS):
            if not open_ranges:
                break
            least, low, high, above = open_ranges[0]
            self.watch.tighten(min(least, self.floor, self.value))
            proven = least >= self.value * (1 - self.watch.relative_gap / 2)
            if proven or self.watch.expired() or high - low <= 1e-6 * high:
                break
            heapq.heappop(open_ranges)
            middle = (low + high) / 2
            inner, reached = self.cap(middle)
            heapq.heappush(open_ranges, (above + self.weight * middle, middle, high, above))
            if inner < math.inf and reached > low:
                row = (inner + self.weight * low, low, reached, inner)
                heapq.heappush(open_ranges, row)
        return self._outcome(min([self.value, self.floor, *(row[0] for row in open_ranges)]))

    def cap(self, limit_s: float) -> tuple[float, float]:
        """Least A with a bottleneck of at most `limit_s`.

        Returns
        -------
        bound : float
            A lower bound on A, infinite where nothing fits under the cap.
        reached : float
            Bottlenecks from here to the cap are done with: the placement found has this one, and
            `floor` bounds the others.
        """
        data = self.data
        if math.isfinite(limit_s):
            data = data.capped(limit_s, self.load_s, self.move_s)
            data.cost[0][self.ends_s > limit_s * (1 + ROOM)] = np.inf
        inner = Watch(self.watch.remaining_s / 8, self.watch.relative_gap / 4)
        outcome = solve_data(data, inner, self.seed)
        if outcome.placement is None:
            return outcome.bound, limit_s
        partition = Partition.from_indices(self.problem, outcome.placement)
        reached = partition.evaluation.throughput
        if partition.violations():
            return outcome.bound, limit_s
        if partition.objective < self.value:
            self.value, self.placement = partition.objective, outcome.placement
            self.watch.offer(outcome.placement, self.value)
        if reached > limit_s:
            return outcome.bound, limit_s
        self.floor = min(self.floor, outcome.bound + self.weight * reached)
        return outcome.bound, reached

    def _most(self) -> float:
        """A bottleneck that no placement exceeds."""
        parts = (self.load_s, self.ends_s, self.move_s)
        return float(
            sum(
                np.where(np.isfinite(part), part, 0.0).reshape(len(part), -1).max(axis=1).sum()
                for part in parts
            )
        )

    def _outcome(self, bound: float) -> Outcome:
        return Outcome(self.placement, bound, METHOD)
