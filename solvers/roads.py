"""The roads of the partition problem, strongest first: when each applies and how it runs."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..formulations.partition.chains.chain import applies as chain_applies
from ..formulations.partition.chains.chain_solve import solve_chain
from ..formulations.partition.chains.sweep import solve_sweep, sweep_applies
from ..formulations.partition.graphs.dag import solve_dag
from ..formulations.partition.milps import assignment, segment_columns, stages
from ..formulations.partition.outcome import Outcome, Watch
from ..formulations.partition.pipelines import throughput
from ..formulations.partition.pipelines.throughput import solve_throughput
from ..formulations.partition.solution import Partition
from .backends import Hooks, solve_model
from .result import Limit, Reason

if TYPE_CHECKING:
    from ..formulations.partition import PartitionProblem
    from .options import SolveOptions


@dataclass(frozen=True, slots=True)
class Road:
    """One way to solve a partition problem.

    Attributes
    ----------
    applies : callable
        Whether it can take a problem; cheap.
    run : callable
        Takes problem, watch and options, returns an `Outcome`.
    exact : bool
        Whether, given time, it proves its answer.
    automatic : bool
        Whether `solve` takes it without being asked for it by name.
    uses_backend : bool
        Whether it hands a linear model to the solver that the options name.
    """

    applies: Callable[[PartitionProblem], bool]
    run: Callable[[PartitionProblem, Watch, SolveOptions], Outcome]
    exact: bool = True
    automatic: bool = True
    uses_backend: bool = False


def _milp(formulation: Any, method: str) -> Callable[..., Outcome]:
    """Run a `build` and `read` pair through a solver, from the incumbent where there is one."""

    def run(problem: PartitionProblem, watch: Watch, options: SolveOptions) -> Outcome:
        if not problem.costs().allowed.any(axis=1).all():
            return Outcome(None, math.inf, method)
        model = formulation.build(problem).below(watch.objective)
        start = None
        if watch.placement is not None and hasattr(formulation, "encode"):
            start = formulation.encode(problem, model, watch.placement)

        def incumbent(x: Any, _: float) -> None:
            placement = formulation.read(problem, model, x)
            partition = Partition.from_indices(problem, placement)
            if not partition.violations():
                watch.offer(placement, partition.objective)

        # A solver's bound is only as sharp as its absolute tolerance on the largest cost.
        slack = 1e-9 * float(np.abs(model.cost).max(initial=0.0))
        hooks = Hooks(incumbent, lambda bound: watch.tighten(bound - slack))
        left = replace(options, time_limit_s=max(watch.remaining_s, 1e-3))
        raw = solve_model(model, left, hooks, start)
        watch.backend = raw.backend
        if raw.limit is Limit.INTERRUPT:
            watch.tighten(raw.bound - slack)
            raise KeyboardInterrupt
        if raw.reason is Reason.INFEASIBLE:
            return Outcome(None, math.inf, method)
        placement = None if raw.x is None else formulation.read(problem, model, raw.x)
        return Outcome(placement, raw.bound - slack, method)

    return run


def _contiguous_start(problem: PartitionProblem, watch: Watch, options: SolveOptions) -> Outcome:
    """The best contiguous plan, in a quarter of the time: free placements start from it."""
    pieces = problem.replace(contiguous=True)
    inner = Watch(watch.remaining_s / 4, watch.relative_gap)
    solve_pieces = solve_sweep if sweep_applies(pieces) else solve_throughput
    found = solve_pieces(pieces, inner, seed=options.seed)
    return Outcome(found.placement, -math.inf, "contiguous start")


#: Name to road, in the order in which `solve` takes them.
ROADS: dict[str, Road] = {
    "chain": Road(
        applies=lambda problem: problem.max_replicas == 1 and chain_applies(problem),
        run=lambda problem, watch, options: solve_chain(problem, watch, seed=options.seed),
        exact=False,
    ),
    "contiguous-start": Road(
        applies=lambda problem: (
            not problem.contiguous
            and problem.profile.is_chain
            and problem.max_replicas == 1
            and (sweep_applies(problem) or throughput.applies(problem))
        ),
        run=_contiguous_start,
        exact=False,
    ),
    "sweep": Road(
        applies=sweep_applies,
        run=lambda problem, watch, options: solve_sweep(problem, watch, seed=options.seed),
        exact=False,
    ),
    "throughput": Road(
        applies=throughput.applies,
        run=lambda problem, watch, options: solve_throughput(problem, watch, seed=options.seed),
        exact=False,
    ),
    "graph-search": Road(
        applies=lambda problem: problem.max_replicas == 1,
        run=lambda problem, watch, options: solve_dag(problem, watch, seed=options.seed),
        exact=False,
    ),
    "stage-milp": Road(
        applies=lambda problem: (
            problem.max_replicas == 1 and not problem.profile.is_chain and stages.applies(problem)
        ),
        run=_milp(stages, "ordered-stage MILP"),
        uses_backend=True,
    ),
    "assignment-milp": Road(
        applies=lambda problem: problem.max_replicas == 1,
        run=_milp(assignment, "assignment MILP"),
        uses_backend=True,
    ),
    "segment-milp": Road(
        applies=lambda problem: (
            problem.profile.is_chain
            and problem.contiguous
            and problem.piece_edges is None
            and problem.max_replicas == 1
        ),
        run=_milp(segment_columns, "segment-column MILP"),
        automatic=False,
        uses_backend=True,
    ),
}
