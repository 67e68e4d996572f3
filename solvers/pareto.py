"""Non-dominated fronts: what one objective costs in terms of another, every point with a bound."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from ..formulations import checks
from ..formulations.partition import Partition, PartitionProblem
from ..formulations.partition.problem import SINGLE_OBJECTIVES, objective_name
from .partition import solve_partition
from .result import Limit, Reason, SolveResult
from .solve import options_from

if TYPE_CHECKING:
    from .options import SolveOptions

#: Two points closer than this, relative to the range of an objective, are one.
SAME = 1e-9

#: Seconds that every point may take at least, while there are that many left.
LEAST_S = 15.0


def pareto(
    problem: PartitionProblem,
    objectives: Sequence[str],
    *,
    points: int = 20,
    options: SolveOptions | None = None,
    **changes: Any,
) -> tuple[SolveResult[Partition], ...]:
    """Find a non-dominated front of two objectives.

    First the two ends (each objective alone, the other as tie-break), then the supported points
    between them by weighted sums (Aneja and Nair, 1979), then the widest gaps by bounding the
    second objective (Haimes, 1971), until there are `points` of them or nothing is left between.

    Parameters
    ----------
    problem : PartitionProblem
        Its own `objective` is ignored.
    objectives : two names
        Out of latency, bandwidth, energy and throughput.
    points : int
        Most points of the front, at least 2.
    options : SolveOptions, optional
        `time_limit_s` is for the whole front; fields may also be given directly.

    Returns
    -------
    tuple of SolveResult
        Sorted by the first objective, none dominated. Each answers the question "the least of
        the first objective while the second is at most this": its problem says so in `limits`,
        and its bound is a bound on just that. Empty where the problem is infeasible.

    Raises
    ------
    InputError
        For an unknown or repeated objective or fewer than two points.
    """
    given = options_from(options, changes)
    names = [objective_name(name, SINGLE_OBJECTIVES, "pareto objective") for name in objectives]
    if len(names) != 2 or names[0] == names[1]:
        checks.fail("pareto objectives", tuple(objectives), "two different objectives")
    checks.whole("pareto points", points, low=2)
    front = _Front(problem, names[0], names[1], points, given)
    front.ends()
    front.supported()
    front.between()
    return front.results()


@dataclass(slots=True)
class _Front:
    problem: PartitionProblem
    first: str
    second: str
    points: int
    options: SolveOptions
    found: list[SolveResult[Partition]] = field(default_factory=list)
    started: float = field(default_factory=time.perf_counter)
    interrupted: bool = False

    def pair(self, result: SolveResult[Partition]) -> tuple[float, float]:
        """Values of the two objectives."""
        values = result.require().values
        return values[self.first], values[self.second]

    def solve(self, objective: str, **fields: Any) -> SolveResult[Partition] | None:
        """Solve a variant of the problem within what is left of the time."""
        left = self.options.time_limit_s - (time.perf_counter() - self.started)
        if left <= 0 or self.interrupted:
            return None
        if math.isfinite(left):
            # A first solve may have to compile its kernels: no point gets less than seconds.
            left = max(left / max(1, self.points - len(self.found)), min(left, LEAST_S))
        limits = {**self.problem.limits, **fields.pop("limits", {})}
        variant = self.problem.replace(objective=objective, limits=limits, **fields)
        result = solve_partition(variant, replace(self.options, time_limit_s=left))
        self.interrupted = result.limit is Limit.INTERRUPT
        return result if result.solution is not None else None

    def ends(self) -> None:
        """The best of each objective, and of the other among those."""
        for best, other in ((self.first, self.second), (self.second, self.first)):
            alone = self.solve(best)
            if alone is None:
                return
            ceiling = alone.require().values[best]
            tie = self.solve(other, limits={best: ceiling * (1 + SAME)})
            chosen = alone if tie is None else tie
            # The bound of the single objective holds for the end of the front as well.
            bound = alone.bound if best == self.first else -math.inf
            if best == self.second and tie is not None:
                bound = tie.bound
            self.keep(chosen, bound)

    def keep(self, result: SolveResult[Partition], bound: float) -> bool:
        """Add a point, restated as 'least first objective while the second is at most this'."""
        placed = result.require()
        values = placed.values
        limits = {**self.problem.limits, self.second: values[self.second]}
        restated = self.problem.replace(objective=self.first, limits=limits)
        solution = Partition(restated, placed.node_of_layer, placed.replicas)
        objective = values[self.first]
        bound = min(bound, objective)
        point = replace(result, solution=solution, objective=objective, bound=bound, message="")
        closed = point.gap <= self.options.relative_gap
        point = replace(point, reason=Reason.OPTIMAL if closed else Reason.FEASIBLE)
        for known in self.found:
            if self.same(self.pair(known), self.pair(point)):
                return False
        self.found.append(point)
        self.found.sort(key=self.pair)
        return True

    def same(self, a: tuple[float, float], b: tuple[float, float]) -> bool:
        return all(
            abs(x - y) <= SAME * max(abs(x), abs(y), 1e-12) for x, y in zip(a, b, strict=True)
        )

    def supported(self) -> None:
        """Points on the convex hull, by the weights of the line through two neighbours."""
        open_pairs = list(zip(self.found[:-1], self.found[1:], strict=True))
        while open_pairs and len(self.found) < self.points:
            left, right = open_pairs.pop(0)
            (a1, b1), (a2, b2) = self.pair(left), self.pair(right)
            if not (a1 < a2 and b1 > b2):
                continue
            weights = {self.first: b1 - b2, self.second: a2 - a1}
            result = self.solve(
                "balance", weights=weights, reference=dict.fromkeys(SINGLE_OBJECTIVES, 1.0)
            )
            if result is None:
                return
            total = sum(weights.values())
            share = {name: weight / total for name, weight in weights.items()}
            a, b = self.pair(result)
            line = share[self.first] * a1 + share[self.second] * b1
            if result.objective >= line * (1 - 1e-9):
                continue
            # share_1 f1 + share_2 f2 >= bound gives a bound on f1 where f2 <= b.
            bound = (result.bound - share[self.second] * b) / share[self.first]
            if self.keep(result, bound):
                middle = next(p for p in self.found if self.same(self.pair(p), (a, b)))
                open_pairs += [(left, middle), (middle, right)]

    def between(self) -> None:
        """Points off the hull: bound the second objective in the middle of the widest gap."""
        values = [self.pair(point)[1] for point in self.found]
        gaps = list(zip(values[1:], values[:-1], strict=True))
        for _ in range(4 * self.points):
            gaps = [(low, high) for low, high in gaps if high - low > SAME * max(abs(high), 1e-12)]
            if not gaps or len(self.found) >= self.points:
                return
            low, high = gap = max(gaps, key=lambda row: row[1] - row[0])
            gaps.remove(gap)
            ceiling = (low + high) / 2
            result = self.solve(self.first, limits={self.second: ceiling})
            if result is None:
                return
            tie = self.solve(
                self.second,
                limits={self.first: result.objective * (1 + SAME), self.second: ceiling},
            )
            chosen = result if tie is None else tie
            self.keep(chosen, result.bound)
            # Between this point and the ceiling there is nothing better.
            gaps += [(low, self.pair(chosen)[1]), (ceiling, high)]

    def results(self) -> tuple[SolveResult[Partition], ...]:
        """The front, without what a later point dominates."""
        kept: list[SolveResult[Partition]] = []
        lowest = math.inf
        for point in self.found:
            second = self.pair(point)[1]
            if second < lowest:
                kept.append(point)
                lowest = second
        return tuple(kept)
