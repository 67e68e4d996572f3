"""Partition problems: which roads a problem can take, in which order, and the final judgement.

The roads are formulations; this file only chooses, hands each the running `Watch` (clock,
incumbent, bound) and judges what comes back. A road's placement counts only after `Partition`
has re-evaluated it and found no violation, whatever its solver said.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from ..formulations import checks
from ..formulations.partition import Partition, PartitionProblem
from ..formulations.partition.explain.infeasible import explain
from ..formulations.partition.outcome import Outcome, Watch
from ..formulations.partition.problem import SINGLE_OBJECTIVES
from .options import SolveOptions
from .result import Limit, Reason, SolveResult, own_version
from .roads import ROADS

if TYPE_CHECKING:
    from collections.abc import Iterable

#: A bound may exceed the judged objective by this much (a solver's own tolerances), no more.
BOUND_TOLERANCE = 1e-6

#: Seconds that each optimum for the scale of `balance` may take at least.
LEAST_S = 20.0

#: Logarithm of the number of placements up to which branch and bound goes first.
SMALL = math.log(1e6)


def solve_partition(problem: PartitionProblem, options: SolveOptions) -> SolveResult[Partition]:
    """Solve a partition problem; see `orbweave.solve`."""
    began = time.perf_counter()
    watch = Watch(options.time_limit_s, options.relative_gap, options.on_progress)
    run = _Run(problem, watch, options)
    interrupted = False
    try:
        if problem.objective == "balance" and problem.reference is None:
            problem = run.problem = _with_reference(problem, watch, options)
        problem.costs()
        built = time.perf_counter()
        watch.reset()
        watch.tighten(0.0)  # no objective is ever negative
        run.take(_roads(problem, options))
    except (KeyboardInterrupt, SystemError) as error:
        if not _is_interrupt(error):
            raise
        interrupted = True
        built = began
    solved = time.perf_counter()
    result = run.judge(interrupted=interrupted)
    return replace(
        result,
        build_s=built - began,
        solve_s=solved - built,
        read_s=time.perf_counter() - solved,
    )


def _is_interrupt(error: BaseException | None) -> bool:
    """Whether Ctrl-C is behind an error.

    A compiled function that is being loaded when the signal comes reports it as a SystemError.
    """
    while error is not None:
        if isinstance(error, KeyboardInterrupt):
            return True
        error = error.__cause__ or error.__context__
    return False


@dataclass(slots=True)
class _Run:
    """One solve: takes roads until the gap is closed, then judges the incumbent."""

    problem: PartitionProblem
    watch: Watch
    options: SolveOptions
    methods: tuple[str, ...] = ()
    backend: str = ""
    running: str = ""
    rejected: str = ""
    infeasible: bool = False
    judged: tuple[bytes, Partition] | None = None

    def take(self, roads: Iterable[str]) -> None:
        """Follow the roads in order until the gap is closed, the time is up or none is left."""
        for name in roads:
            if self.methods and self.watch.expired():
                return
            self.running = name
            outcome = ROADS[name].run(self.problem, self.watch, self.options)
            if self.watch.backend:
                self.backend = self.watch.backend
            self.running = ""
            self.methods += (outcome.method,)
            self.accept(outcome)
            if self.infeasible:
                return

    def accept(self, outcome: Outcome) -> None:
        """Judge a road's placement; keep it only where it stands."""
        if outcome.placement is None and outcome.bound == math.inf:
            self.infeasible = True
            return
        if outcome.placement is not None:
            partition = self.partition(outcome.placement, outcome.replicas)
            broken = partition.violations()
            if broken:
                self.rejected = f"{outcome.method} returned an invalid placement: {broken[0]}"
            else:
                self.judged = (np.asarray(outcome.placement, dtype=np.int64).tobytes(), partition)
                self.watch.offer(outcome.placement, partition.objective, outcome.replicas)
        self.watch.tighten(outcome.bound)

    def partition(
        self, placement: Iterable[int], replicas: tuple[tuple[int, ...], ...] | None
    ) -> Partition:
        names = self.problem.network.node_names
        rows = None if replicas is None else tuple(tuple(names[n] for n in r) for r in replicas)
        return Partition(self.problem, tuple(names[int(n)] for n in placement), rows)

    def incumbent(self) -> Partition | None:
        """The watch's placement if it stands; judged here unless `accept` has done it."""
        placement, replicas = self.watch.placement, self.watch.replicas
        assert placement is not None
        if self.judged is not None and replicas is None:
            key, partition = self.judged
            if key == placement.tobytes() and partition.replicas is None:
                return partition
        partition = self.partition(placement, replicas)
        broken = partition.violations()
        if broken:
            self.rejected = f"the incumbent is invalid: {broken[0]}"
            return None
        return partition

    def judge(self, *, interrupted: bool) -> SolveResult[Partition]:
        """Turn what the watch holds into a result that states only what was checked."""
        watch, method = (
            self.watch,
            " + ".join(dict.fromkeys(row for row in (*self.methods, self.running) if row)),
        )
        limit = Limit.INTERRUPT if interrupted else None
        if limit is None and watch.elapsed_s >= watch.time_limit_s:
            limit = Limit.TIME
        backend = self.backend or own_version()
        partition = None
        if watch.placement is not None:
            partition = self.incumbent()
        if partition is None:
            if self.infeasible:
                message = explain(self.problem) or "no placement satisfies every constraint"
                return SolveResult(
                    None,
                    Reason.INFEASIBLE,
                    bound=math.inf,
                    backend=backend,
                    method=method,
                    message=message,
                )
            reason = Reason.ERROR if self.rejected else Reason.NO_SOLUTION
            message = self.rejected or "no placement was found within the limits"
            return SolveResult(
                None,
                reason,
                bound=watch.bound,
                limit=limit,
                backend=backend,
                method=method,
                message=message,
            )
        objective = partition.objective
        if self.infeasible or watch.bound > objective + BOUND_TOLERANCE * max(abs(objective), 1e-9):
            message = f"bound {watch.bound!r} above a feasible objective {objective!r} ({method})"
            return SolveResult(
                partition, Reason.ERROR, objective, backend=backend, method=method, message=message
            )
        result = SolveResult(
            partition,
            Reason.FEASIBLE,
            objective,
            min(watch.bound, objective),
            backend=backend,
            method=method,
            message=self.rejected,
        )
        if result.gap <= self.options.relative_gap:
            return replace(result, reason=Reason.OPTIMAL)
        return replace(result, limit=limit)


def _roads(problem: PartitionProblem, options: SolveOptions) -> list[str]:
    """Roads that fit the problem, the strongest first; the one asked for, where one was."""
    if options.method is not None:
        name = checks.known("SolveOptions.method", options.method, tuple(ROADS))
        if not ROADS[name].applies(problem):
            checks.fail("SolveOptions.method", name, "a road that fits this problem")
        return [name]
    fitting = [name for name, road in ROADS.items() if road.automatic and road.applies(problem)]
    width, depth = len(problem.network.nodes), problem.profile.num_layers
    if depth * math.log(width) <= SMALL and "graph-search" in fitting:
        # Branch and bound closes these in milliseconds, whatever the objective.
        fitting.sort(key=lambda name: name != "graph-search")
    if options.backend is not None:
        # A solver was asked for by name: only roads that call one can honour that.
        fitting = [name for name in fitting if ROADS[name].uses_backend]
    return fitting


def _with_reference(
    problem: PartitionProblem, watch: Watch, options: SolveOptions
) -> PartitionProblem:
    """Fill in the scale of each objective for `balance`: its own optimum.

    Where an optimum is 0 (no byte need cross), the scale is the largest value that the other
    objectives' optimal placements give, or where that is 0 too, all bytes of the model (a scale
    that keeps a solver's numbers in one range; no optimal placement depends on it).
    """
    found: dict[str, Partition] = {}
    names = tuple(problem.balance_weights)
    share = watch.time_limit_s / (2 * len(names)) if math.isfinite(watch.time_limit_s) else math.inf
    # A first solve may have to compile its kernels: no optimum gets less than seconds.
    share = max(share, min(watch.time_limit_s, LEAST_S))
    single_options = replace(options, time_limit_s=share, method=None, on_progress=None)
    for name in names:
        single = problem.replace(objective=name)
        result = solve_partition(single, single_options)
        if result.limit is Limit.INTERRUPT:
            raise KeyboardInterrupt
        if result.solution is not None:
            found[name] = result.solution
    scale = {}
    for name in SINGLE_OBJECTIVES:
        values = [partition.evaluation.value(problem, name) for partition in found.values()]
        own = found[name].evaluation.value(problem, name) if name in found else 0.0
        total = float(problem.costs().sizes_bytes.sum()) if name == "bandwidth" else 0.0
        scale[name] = own or max(values, default=0.0) or total or 1.0
    return problem.replace(reference=scale)
