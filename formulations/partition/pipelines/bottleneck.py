"""Chains under `throughput`, nodes in any order: the reachability program, judged and certified.

Each node holds one run of layers, so with direct links every link carries one transfer and the
program of `reach` is exact. Where routes of several hops share links the loads add up: the program
then bounds from below and proposes; the judge's value of the proposal closes the gap or shows it.
With too many kinds of nodes, unions of similar classes give the bound and a search over orders of
nodes the plan.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..outcome import Outcome, Watch
from .bottleneck_orders import improve_order
from .judged import offer_rows
from .prices import fractional_bound, similar_classes
from .reach import ChainLoads, Stage, best_reach

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ..problem import PartitionProblem

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

#: Count vectors of the united classes that bound a chain over many kinds of nodes.
COARSE_STATES = 1 << 12
METHOD = "any-order reachability over a chain"


def applies(problem: PartitionProblem) -> bool:
    """Whether `solve_bottleneck` can take a problem: a contiguous chain under ``throughput``."""
    return (
        problem.objective == "throughput"
        and problem.profile.is_chain
        and problem.contiguous
        and (problem.piece_edges is None or problem.piece_edges == _edges(problem))
    )


def solve_bottleneck(problem: PartitionProblem, watch: Watch | None = None) -> Outcome:
    """Place a chain for the least bottleneck, nodes in any order, stages replicated where asked.

    Parameters
    ----------
    problem : PartitionProblem
        For which `applies` holds. Other objectives' `limits` are left to the judge: the bound stays
        valid, a plan that breaks them is not offered.
    watch : Watch, optional

    Returns
    -------
    Outcome
    """
    watch = Watch() if watch is None else watch
    loads = chain_loads(problem)
    if loads.is_small:
        found = best_reach(loads, stop=watch.expired)
        watch.tighten(found.bound)
        if found.stages is not None:
            offer(problem, watch, loads, found.stages)
    else:
        coarse = loads.merged(similar_classes(loads.seconds.T, loads.counts, COARSE_STATES))
        bound = best_reach(coarse, stop=watch.expired)
        watch.tighten(bound.bound)
        costs = problem.costs()
        room = costs.memory_bytes[[nodes[0] for nodes in loads.members]]
        watch.tighten(fractional_bound(loads.seconds.T, costs.weight_bytes, loads.counts, room))
        if np.isfinite(watch.bound):
            for stages in improve_order(loads, watch.expired):
                offer(problem, watch, loads, stages)
    return Outcome(watch.placement, watch.bound, METHOD, watch.replicas)


def offer(
    problem: PartitionProblem, watch: Watch, loads: ChainLoads, stages: Sequence[Stage]
) -> None:
    """Name the nodes of stages, judge them and report them when feasible."""
    free = [list(nodes) for nodes in loads.members]
    rows: list[tuple[int, ...]] = []
    for stage in stages:
        nodes = tuple(free[stage.node_class].pop(0) for _ in range(stage.replicas))
        rows += [nodes] * (stage.last - stage.first)
    offer_rows(problem, watch, rows)


def chain_loads(problem: PartitionProblem) -> ChainLoads:
    """The chain as tables per class of nodes; O(L N^2 + N^3)."""
    costs, profile = problem.costs(), problem.profile
    size, count = costs.num_layers, costs.num_nodes
    alone = transfer_loads(problem)
    ways = 1.0 if problem.training is None else 2.0
    io = 1.0 / problem.network.column("io_rate_bps")
    bits = 8.0 * costs.sizes_bytes

    inward, outward = np.zeros((count, size + 1)), np.zeros((count, size + 1))
    inward[:, 1:size] = ways * io[:, None] * bits[None, : size - 1]
    outward[:, 1:size] = ways * io[:, None] * bits[None, : size - 1]
    first, last = np.zeros(count), np.zeros(count)
    if costs.input_index >= 0:
        here = costs.input_index
        first = alone[-2, here].copy()
        inward[:, 0] = io * bits[-2]
        inward[here] += io[here] * bits[-2]  # it sends the input unless it holds layer 0
        inward[here, 0] = 0.0
    if costs.output_index >= 0:
        here = costs.output_index
        last = alone[-1, :, here].copy()
        outward[:, size] = ways * io * bits[-1]
        outward[here] += ways * io[here] * bits[-1]
        outward[here, size] = 0.0

    cut = np.full((count, count, size + 1), np.inf)
    cut[:, :, 1:size] = alone[: size - 1].transpose(1, 2, 0)
    for group in problem.colocated:
        cut[:, :, group[0] + 1 : group[-1] + 1] = np.inf
    room = costs.memory_bytes * (1 + 1e-9)
    memory_end = _memory_ends(costs.weight_bytes, costs.activation_bytes, room)
    seconds = np.where(costs.allowed, costs.compute_s, np.inf).T

    training, most = problem.training, problem.max_replicas
    copies = np.arange(most + 1, dtype=np.float64)
    factor = np.zeros(most + 1)
    ring = np.zeros((count, most + 1))
    held = profile.column("weight_bytes")
    rate = np.zeros((count, count))
    if training is not None and most > 1:
        network_rates = np.array([link.rate_bps for link in problem.network.links])
        rate = _busiest(problem, network_rates)
        factor[2:] = 2 * (copies[2:] - 1) / copies[2:]
        factor *= training.gradient_bytes / training.micro_batches
    classes = _swap_classes(
        [seconds, memory_end, inward, outward, first[:, None], last[:, None], room[:, None]],
        [alone, rate[None]],
        {costs.input_index, costs.output_index},
    )
    heads = [nodes[0] for nodes in classes]
    between = cut[np.ix_(heads, heads)]
    for c, nodes in enumerate(classes):
        if len(nodes) > 1:
            between[c, c] = cut[nodes[0], nodes[1]]
            ring[nodes[0]] = 8.0 * rate[nodes[0], nodes[1]] * factor
        else:
            between[c, c] = np.inf
    stages = count if problem.max_cuts is None else problem.max_cuts + 1
    return ChainLoads(
        members=classes,
        seconds=np.ascontiguousarray(seconds[heads]),
        memory_end=memory_end[heads],
        inward_s=inward[heads],
        outward_s=outward[heads],
        first_s=first[heads],
        last_s=last[heads],
        cut_s=np.ascontiguousarray(between),
        reduce_s=ring[heads],
        weight_bytes=held,
        max_replicas=most,
        max_stages=stages,
    )


def transfer_loads(problem: PartitionProblem) -> Floats:
    """Load of the busiest link when a tensor moves from row to column, shape (L + 2, N, N).

    In training with its gradient's way back; zero on the diagonal, infinite without a route.
    """
    costs = problem.costs()
    rates = np.array([link.rate_bps for link in problem.network.links], dtype=np.float64)
    per_byte = _busiest_by_tree(problem, rates)
    table = per_byte[costs.routes.tree] * (8.0 * costs.sizes_bytes)[:, None, None]
    table = np.where(np.isfinite(costs.way_s), table, np.inf)
    if problem.training is not None:
        both = np.maximum(table, table.transpose(0, 2, 1))
        both[-2] = table[-2]
        return np.asarray(both)
    return np.asarray(table)


def _busiest_by_tree(problem: PartitionProblem, rates: Floats) -> Floats:
    """Seconds per bit on the slowest link of every route, shape (trees, N); 0 where none."""
    routes = problem.costs().routes
    linked = routes.before >= 0
    if not len(rates):
        return np.zeros(routes.before.shape)
    link = np.where(linked, routes.before, 0)
    own = np.where(linked, 1.0 / rates[link], 0.0)
    parent = np.where(linked, routes.link_source[link], 0)
    worst: Floats = own
    for _ in range(routes.before.shape[1]):
        passed = np.where(linked, np.take_along_axis(worst, parent, axis=1), 0.0)
        wider = np.maximum(worst, passed)
        if (wider == worst).all():
            break
        worst = wider
    return worst


def _busiest(problem: PartitionProblem, rates: Floats) -> Floats:
    """Seconds per bit between any two nodes for the route of the model input's size."""
    routes = problem.costs().routes
    per_bit = _busiest_by_tree(problem, rates)[routes.tree[problem.costs().num_layers]]
    return np.asarray(per_bit)


def _memory_ends(weight: Floats, activation: Floats, room: Floats) -> Ints:
    """Last position that a run starting at each layer reaches within memory, shape (N, L)."""
    size = len(weight)
    held = np.concatenate([[0.0], np.cumsum(weight)])
    ends = np.empty((len(room), size), dtype=np.int64)
    for i in range(size):
        need = held[i + 1 :] - held[i] + np.maximum.accumulate(activation[i:])
        ends[:, i] = i + np.searchsorted(need, room, side="right")
    return ends


def _swap_classes(
    columns: Sequence[NDArray[np.generic]], tables: Sequence[Floats], alone: set[int]
) -> tuple[tuple[int, ...], ...]:
    """Nodes that can be exchanged: equal rows of `columns`, no change of `tables` (S, N, N)."""
    count = len(columns[0])
    classes: list[list[int]] = []
    for v in range(count):
        for members in classes:
            u = members[0]
            if {u, v} & alone or not all(np.array_equal(c[u], c[v]) for c in columns):
                continue
            swap = np.arange(count)
            swap[[u, v]] = v, u
            if all(
                np.array_equal(t[:, u], t[:, v][:, swap])
                and np.array_equal(t[:, :, u], t[:, :, v][:, swap])
                for t in tables
            ):
                members.append(v)
                break
        else:
            classes.append([v])
    return tuple(tuple(members) for members in classes)


def _edges(problem: PartitionProblem) -> tuple[tuple[int, int], ...]:
    return tuple((int(i), int(j)) for i, j in problem.costs().edges)
