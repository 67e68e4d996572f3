"""The throughput roads in one call: which is taken when, and how they help each other.

chain, contiguous             reachability over sets of nodes, any order (`bottleneck`), exact
replicas, contiguous          either of the two with classes of identical nodes (`replication`)
graph, contiguous             order warm start (`topological`), then ideals (`ideals`), exact where
                              no link carries a load
graph, free, or links that    annealing (`anneal`) over the bound of the node loads and the ideals
share loads
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..outcome import Outcome, Watch
from . import bottleneck, replication
from .anneal import anneal
from .contracted import Contracted
from .ideals import MAX_STATES, STEP, num_states, solve_ideals
from .judged import offer_stages
from .prices import fractional_bound, similar_classes
from .topological import solve_orders

if TYPE_CHECKING:
    from ..problem import PartitionProblem


#: Share of the time left that the ideals may take; the rest is for annealing and a MILP.
IDEALS_SHARE = 0.6
#: States times classes beyond which unions of similar classes are tried first, and their states.
MANY_STATES = 512
COARSE_STATES = (48, 512, 4096)


def applies(problem: PartitionProblem) -> bool:
    """Whether `solve_throughput` can take a problem."""
    return problem.objective == "throughput"


def solve_throughput(
    problem: PartitionProblem, watch: Watch | None = None, *, seed: int = 0, rounds: int = 10
) -> Outcome:
    """Find a placement of least bottleneck with a valid bound.

    Parameters
    ----------
    problem : PartitionProblem
        Under ``throughput``.
    watch : Watch, optional
    seed : int
        Of the annealing.
    rounds : int
        Annealing rounds without a better plan after which to stop.

    Returns
    -------
    Outcome
    """
    watch = Watch() if watch is None else watch
    if bottleneck.applies(problem):
        found = bottleneck.solve_bottleneck(problem, watch)
        if (
            watch.gap > watch.relative_gap
            and np.isfinite(found.bound)
            and problem.max_replicas == 1
        ):
            anneal(
                problem, Contracted.of(problem), watch, watch.placement, seed=seed, rounds=rounds
            )
            return _end(watch, f"{found.method}, annealing")
        return found
    if replication.applies(problem):
        return replication.solve_replicated(problem, watch)
    graph = Contracted.of(problem)
    floor = graph.load_bound(problem.max_replicas)
    watch.tighten(floor)
    if not np.isfinite(floor):
        return Outcome(None, np.inf, "node loads")
    if problem.contiguous:
        method = _contiguous(problem, graph, watch, seed)
    else:
        method = "annealing"
        start = Contracted.of(problem.replace(contiguous=True))
        offer_stages(problem, start, watch, solve_orders(start))
    if watch.gap > watch.relative_gap and not watch.expired():
        watch.tighten(
            fractional_bound(graph.compute_s, graph.weight_bytes, graph.counts, graph.memory_bytes)
        )
        if not np.isfinite(watch.bound):
            return Outcome(None, np.inf, "fractional node loads")
        anneal(problem, graph, watch, watch.placement, seed=seed, rounds=rounds)
        method = method if method == "annealing" else f"{method}, annealing"
    return _end(watch, method)


def _contiguous(problem: PartitionProblem, graph: Contracted, watch: Watch, seed: int) -> str:
    """Orders, then ideals; reports to `watch` and returns the road's name."""
    until = watch.elapsed_s + IDEALS_SHARE * watch.remaining_s

    def stop() -> bool:
        return watch.expired() or watch.elapsed_s > until

    method = "topological orders"
    if num_states(graph) <= MAX_STATES:
        warm = solve_orders(graph)
        offer_stages(problem, graph, watch, warm)
        best = min(watch.objective, warm.value)
    else:
        best = np.inf
    if num_states(graph) * len(graph.members) > MANY_STATES:
        # Too many kinds of nodes for a quick proof: bound by unions of similar ones first.
        anneal(problem, graph, watch, watch.placement, seed=seed, rounds=4)
        best = min(best, watch.objective)
        method = "ideals over unions of classes"
        for states in COARSE_STATES:
            groups = similar_classes(graph.compute_s, graph.counts, states)
            if len(groups) == len(graph.members) or stop():
                break
            half = watch.elapsed_s + 0.5 * (until - watch.elapsed_s)
            found = solve_ideals(
                graph.merged(groups),
                best * (1 - STEP),
                lambda half=half: stop() or watch.elapsed_s > half,  # type: ignore[misc]
            )
            if not found.complete:
                break
            watch.tighten(min(found.value, best * (1 - STEP)))
    if num_states(graph) <= MAX_STATES and not stop():
        cutoff = best * (1 - STEP)
        found = solve_ideals(graph, cutoff, stop)
        offer_stages(problem, graph, watch, found)
        method = "ideals of the graph"
        if found.complete:
            watch.tighten(min(found.value, cutoff))
    return method


def _end(watch: Watch, method: str) -> Outcome:
    return Outcome(watch.placement, watch.bound, method, watch.replicas)
