"""Stages shared by several identical nodes, which take requests in turn.

A stage on r nodes of a class loads each with 1/r of its compute and io, every link between it and
a stage on q nodes with 1/(r q) of the transfer, and in training the links of a ring among them with
the all-reduce of its gradients. Identical nodes are a class with a count, so a state says how many
nodes of each class are used, never which (as PipeDream does for one class: Narayanan et al., SOSP
2019, section 3.1).

A chain is solved by `bottleneck`, exactly where links are direct. A graph is solved by `ideals`,
exactly where links carry no load; elsewhere that is the bound, and the chain of its bottlenecks
(`chain_of`: layers between two cuts that a single tensor crosses, merged) proposes plans as well.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ...grouping import merge
from ..outcome import Outcome, Watch
from . import bottleneck
from .contracted import Contracted
from .ideals import MAX_STATES, STEP, num_states, solve_ideals
from .judged import offer_rows, offer_stages
from .topological import solve_orders

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..problem import PartitionProblem

    Ints = NDArray[np.int64]


def applies(problem: PartitionProblem) -> bool:
    """Whether `solve_replicated` can take a problem: contiguous, ``throughput``, replicas."""
    return problem.objective == "throughput" and problem.contiguous and problem.max_replicas > 1


def solve_replicated(problem: PartitionProblem, watch: Watch | None = None) -> Outcome:
    """Place a model for the least bottleneck, identical nodes sharing stages.

    Parameters
    ----------
    problem : PartitionProblem
        For which `applies` holds.
    watch : Watch, optional

    Returns
    -------
    Outcome
        With `Outcome.replicas` where a stage has several nodes.
    """
    watch = Watch() if watch is None else watch
    if bottleneck.applies(problem):
        return bottleneck.solve_bottleneck(problem, watch)
    method = "ideals of the graph with replicas"
    graph = Contracted.of(problem)
    floor = graph.load_bound(problem.max_replicas)
    watch.tighten(floor)
    if not np.isfinite(floor):
        return Outcome(None, np.inf, "node loads")
    coarse, group_of_layer = chain_of(problem)
    if coarse.profile.num_layers > 1:
        inner = Watch(time_limit_s=watch.remaining_s, relative_gap=watch.relative_gap)
        plan = bottleneck.solve_bottleneck(coarse, inner)
        if plan.placement is not None:
            rows = plan.replicas or tuple((int(n),) for n in plan.placement)
            offer_rows(problem, watch, [rows[int(g)] for g in group_of_layer])
    if num_states(graph) <= MAX_STATES and not watch.expired():
        warm = solve_orders(graph, watch.objective * (1 - STEP), problem.max_replicas)
        offer_stages(problem, graph, watch, warm)
        cutoff = min(watch.objective, warm.value) * (1 - STEP)
        found = solve_ideals(graph, cutoff, watch.expired, max_replicas=problem.max_replicas)
        offer_stages(problem, graph, watch, found)
        if found.complete:
            watch.tighten(min(found.value, cutoff))
    return Outcome(watch.placement, watch.bound, method, watch.replicas)


def chain_of(problem: PartitionProblem) -> tuple[PartitionProblem, Ints]:
    """Merge layers between two cuts that one tensor crosses, so that the model becomes a chain.

    Returns
    -------
    problem : PartitionProblem
        Over the merged profile; its plans are plans of the original, judged anew there.
    group_of_layer : ndarray of int64, shape (L,)
    """
    costs, count = problem.costs(), problem.profile.num_layers
    # A position is free when all that crosses it comes from the layer just before.
    barred = np.zeros(count + 1, dtype=np.int64)
    for i, j in costs.edges:
        barred[i + 2] += 1
        barred[min(j + 1, count)] -= 1 if j + 1 <= count else 0
    free = np.cumsum(barred[:count]) == 0
    linked = np.zeros(count, dtype=np.bool_)
    linked[costs.edges[:, 1]] = True
    starts = free & linked
    group = np.cumsum(starts).astype(np.int64)
    profile = merge(problem.profile, [int(g) for g in group])
    size = profile.num_layers
    seconds = np.zeros((size, costs.num_nodes))
    np.add.at(seconds, group, np.where(costs.allowed, costs.forward_s, np.inf))
    together = [tuple(sorted({int(group[i]) for i in row})) for row in problem.colocated]
    coarse = problem.replace(
        profile=profile.replace(edges=None),
        compute_s=seconds,
        pinned={},
        forbidden={},
        colocated=tuple(row for row in together if len(row) > 1),
        limits={},
        max_cuts=None,
        multicast=False,
        piece_edges=None,
    )
    return coarse, group
