"""Times on a graph of layers: what every placement must respect, and what one placement takes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numba
import numpy as np

from .kernel import arrays_of, schedule

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .costs import PartitionCosts
    from .problem import PartitionProblem

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

#: Allowed layer-node pairs up to which a linear programme finds the weights of `load_shares`.
LP_CELLS = 5_000


@dataclass(frozen=True, slots=True, eq=False)
class Schedule:
    """Start times of one placement, shapes (L,); `backward_s` is zero outside training."""

    forward_s: Floats
    backward_s: Floats
    end_s: float

    @classmethod
    def of(cls, problem: PartitionProblem, node: Ints) -> Schedule:
        """Run the judge's clock over a placement."""
        begin, back = np.zeros(len(node)), np.zeros(len(node))
        end = schedule(arrays_of(problem, {}), node, begin, back)
        return cls(begin, back, float(end))


@dataclass(frozen=True, slots=True, eq=False)
class TimeBounds:
    """Bounds that hold in every feasible placement's earliest schedule.

    Attributes
    ----------
    forward_low, backward_low : ndarray, shape (L,)
        No pass of a layer starts earlier.
    forward_high, backward_high : ndarray, shape (L,)
        No pass of a layer ends later.
    least, last : float
        The whole pass takes no less and no more.
    """

    forward_low: Floats
    forward_high: Floats
    backward_low: Floats
    backward_high: Floats
    least: float
    last: float

    @classmethod
    def of(cls, problem: PartitionProblem, cap_s: float = math.inf) -> TimeBounds:
        """Compute the bounds, given that the pass ends by `cap_s`; O(E N^2).

        Lower bounds are critical paths on which every layer picks the node that suits that path
        best; upper bounds add up the slowest of everything before.
        """
        costs, training = problem.costs(), problem.training
        allowed = costs.allowed
        forward = np.where(allowed, costs.forward_s, np.inf)
        own = np.where(allowed, costs.forward_s, 0.0)
        factor = 0.0 if training is None else training.backward_flops
        backward = np.where(allowed, factor * own, np.inf)
        enter = np.zeros_like(own)
        if costs.input_index >= 0:
            enter[costs.sources] = costs.way_s[-2, costs.input_index]
        leave, edges = _leave(problem), _by_head(costs.edges)
        done = _longest(forward, costs.way_s, edges, enter)
        low = _finite((done - own).min(axis=1))
        sinks = costs.sinks
        last = horizon_s(problem)
        reach = own.max(axis=1) + _widest(costs.way_s)[:-2]
        enter_most = float(_finite(enter).max(initial=0.0))
        high = np.minimum(enter_most + np.cumsum(reach), last)
        if training is None:
            least = float((done + leave)[sinks].min(axis=1).max())
            back_low = np.zeros(len(own))
        else:
            after = _longest_back(backward, costs.way_s, edges, done, leave)
            back_low = _finite((after - factor * own).min(axis=1))
            least = float(after.min(axis=1).max())
        if math.isfinite(cap_s):
            last = min(last, cap_s)
            high = np.minimum(high, cap_s - _finite(tails(problem).min(axis=1)))
        least = max(least if math.isfinite(least) else 0.0, load_bound(costs))
        # A cap below what is possible leaves an infeasible model, not contradictory bounds.
        last = max(last, least, float(low.max()), float(back_low.max()))
        return cls(low, np.maximum(high, low), back_low, np.full(len(own), last), least, last)


def horizon_s(problem: PartitionProblem) -> float:
    """Seconds that no pass and no load of a feasible placement exceeds."""
    costs, network = problem.costs(), problem.network
    seconds = np.where(costs.allowed, costs.compute_s, 0.0).max(axis=1).sum()
    readers = np.maximum(np.bincount(costs.edges[:, 0], minlength=costs.num_layers), 1)
    times = np.concatenate([readers, [len(costs.sources), len(costs.sinks)]])
    io = 32.0 * costs.sizes_bytes / network.column("io_rate_bps").min()
    return float(seconds + ((_widest(costs.transfer_s) + io) * times).sum())


def reachable(costs: PartitionCosts) -> NDArray[np.bool_]:
    """Whether a path of edges leads from row to column, shape (L, L)."""
    return np.asarray(closure(costs.edges, costs.num_layers))


def _widest(table: Floats) -> Floats:
    return np.asarray(np.where(np.isfinite(table), table, 0.0).max(axis=(1, 2)))


def _finite(values: Floats) -> Floats:
    return np.where(np.isfinite(values), values, 0.0)


def load_shares(costs: PartitionCosts) -> tuple[Floats, float]:
    """What each layer on each node adds to a bound on the largest compute load.

    Weights on the nodes that sum to one, and prices of their memory, prove that no schedule ends
    before ``sum_i min_n share[i, n] - constant`` (duality of makespan scheduling on unrelated
    machines, Lenstra, Shmoys and Tardos 1990). Any weights and prices do; the best are the duals
    of a linear programme, good ones come from a few multiplicative steps where that is large.

    Returns
    -------
    share : ndarray, shape (L, N)
        Infinite where a layer may not run.
    constant : float
    """
    seconds = np.where(costs.allowed, costs.compute_s, np.inf)
    able = np.isfinite(seconds).any(axis=1).all()
    if able and costs.allowed.sum() <= LP_CELLS:
        found = _dual_shares(costs)
        if found is not None:
            return found
    weight = _spread_shares(seconds) if able else np.full(costs.num_nodes, 1 / costs.num_nodes)
    with np.errstate(invalid="ignore"):
        return np.where(costs.allowed, seconds * weight, np.inf), 0.0


def _dual_shares(costs: PartitionCosts) -> tuple[Floats, float] | None:
    """Duals of: least T with every layer placed (in parts), loads up to T and memory kept."""
    from scipy.optimize import linprog
    from scipy.sparse import coo_array

    layer, node = np.nonzero(costs.allowed)
    many, nodes = len(layer), costs.num_nodes
    seconds = costs.compute_s[layer, node]
    unit = float(seconds.max(initial=0.0))
    tight = np.isfinite(costs.memory_bytes) & (costs.memory_bytes > 0)
    if unit <= 0:
        return None
    room = np.where(tight, costs.memory_bytes, 1.0) * (1 + 1e-6)
    used = np.flatnonzero(tight[node])
    rows = np.concatenate([node, np.arange(nodes), nodes + node[used]])
    columns = np.concatenate([np.arange(many), np.full(nodes, many), used])
    parts = costs.weight_bytes[layer[used]] / room[node[used]]
    values = np.concatenate([seconds / unit, np.full(nodes, -1.0), parts])
    above: Any = coo_array((values, (rows, columns)), shape=(2 * nodes, many + 1)).tocsr()
    once: Any = coo_array(
        (np.ones(many), (layer, np.arange(many))), shape=(costs.num_layers, many + 1)
    ).tocsr()
    result = linprog(
        np.concatenate([np.zeros(many), [1.0]]),
        A_ub=above,
        b_ub=np.concatenate([np.zeros(nodes), np.ones(nodes)]),
        A_eq=once,
        b_eq=np.ones(costs.num_layers),
        method="highs",
    )
    if result.status != 0:
        return None
    duals = np.maximum(-result.ineqlin.marginals, 0.0)
    weight, price = duals[:nodes], duals[nodes:] * unit
    weight = weight / max(1.0, float(weight.sum()) * (1 + 1e-12))
    table = costs.compute_s * weight + costs.weight_bytes[:, None] * (price / room)
    return np.where(costs.allowed, table, np.inf), float(price[tight].sum())


def _spread_shares(seconds: Floats) -> Floats:
    """Weights on the nodes by multiplicative steps towards the busiest, shape (N,)."""
    count, nodes = seconds.shape
    best = weight = np.full(nodes, 1.0 / nodes)
    rows, most = np.arange(count), -1.0
    for step in range(60):
        with np.errstate(invalid="ignore"):
            scaled = np.where(np.isfinite(seconds), seconds * weight, np.inf)
        choice = scaled.argmin(axis=1)
        value = float(scaled[rows, choice].sum())
        if value > most:
            best, most = weight, value
        load = np.bincount(choice, weights=seconds[rows, choice], minlength=nodes)
        if load.max() <= 0:
            break
        weight = weight * np.exp((0.5 / (1 + 0.1 * step)) * load / load.max())
        weight = weight / weight.sum()
    return np.asarray(best * (1 - 1e-12))


def load_bound(costs: PartitionCosts) -> float:
    """No schedule ends before the work is done by all nodes at once; see `load_shares`."""
    share, constant = load_shares(costs)
    least = float(share.min(axis=1).sum()) - constant
    return max(0.0, least * (1 - 1e-9)) if math.isfinite(least) else 0.0


def tails(problem: PartitionProblem) -> Floats:
    """Least time from the end of a layer's forward pass on a node to the end, shape (L, N)."""
    costs, training = problem.costs(), problem.training
    factor = 0.0 if training is None else training.backward_flops
    forward = np.where(costs.allowed, costs.forward_s, np.inf)
    edges = _by_head(costs.edges)
    return np.asarray(_tails(forward, costs.transfer_s, edges, _leave(problem), factor))


def _leave(problem: PartitionProblem) -> Floats:
    """Seconds from a sink's end on a node until the output is out, in training back again."""
    costs = problem.costs()
    table = np.zeros((costs.num_layers, costs.num_nodes))
    if costs.output_index >= 0:
        table[costs.sinks] = costs.transfer_s[-1, :, costs.output_index]
    return table


def _by_head(edges: Ints) -> Ints:
    return np.ascontiguousarray(edges[np.lexsort((edges[:, 0], edges[:, 1]))])


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _longest(forward: Floats, way: Floats, edges: Ints, enter: Floats) -> Floats:
    """Earliest end of each layer on each node along its worst path; edges sorted by head."""
    count, nodes = forward.shape
    done = np.empty((count, nodes))
    k = 0
    for j in range(count):
        for v in range(nodes):
            done[j, v] = enter[j, v]
        while k < len(edges) and edges[k, 1] == j:
            i = edges[k, 0]
            for v in range(nodes):
                best = np.inf
                for u in range(nodes):
                    best = min(best, done[i, u] + way[i, u, v])
                done[j, v] = max(done[j, v], best)
            k += 1
        for v in range(nodes):
            done[j, v] += forward[j, v]
    return done


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _longest_back(seconds: Floats, way: Floats, edges: Ints, done: Floats, leave: Floats) -> Floats:
    """Earliest end of each layer's backward pass on each node."""
    count, nodes = seconds.shape
    after = done + leave
    k = len(edges) - 1
    for j in range(count - 1, -1, -1):
        # All edges out of j have been handled: their heads come later in the order.
        for u in range(nodes):
            after[j, u] += seconds[j, u]
        while k >= 0 and edges[k, 1] == j:
            i = edges[k, 0]
            for u in range(nodes):
                best = np.inf
                for v in range(nodes):
                    best = min(best, after[j, v] + way[i, v, u])
                after[i, u] = max(after[i, u], best)
            k -= 1
    return after


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _tails(forward: Floats, both: Floats, edges: Ints, leave: Floats, factor: float) -> Floats:
    """Least time from the end of a layer's forward pass on a node to the end of everything."""
    count, nodes = forward.shape
    tail = np.zeros((count, nodes))
    for i in range(count):
        for u in range(nodes):
            tail[i, u] = leave[i, u]
    k = len(edges) - 1
    for j in range(count - 1, -1, -1):
        if factor > 0.0:
            for u in range(nodes):
                tail[j, u] += factor * forward[j, u]
        while k >= 0 and edges[k, 1] == j:
            i = edges[k, 0]
            for u in range(nodes):
                best = np.inf
                for v in range(nodes):
                    best = min(best, both[i, u, v] + forward[j, v] + tail[j, v])
                tail[i, u] = max(tail[i, u], best)
            k -= 1
    return tail


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def closure(edges: Ints, count: int) -> NDArray[np.bool_]:
    """Whether a path leads from row to column; every edge goes from an earlier to a later layer."""
    reach = np.zeros((count, count), dtype=np.bool_)
    order = np.argsort(-edges[:, 0])
    for k in order:
        i, j = edges[k]
        reach[i, j] = True
        for m in range(count):
            reach[i, m] |= reach[j, m]
    return reach


def path_cover(edges: Ints, count: int) -> tuple[Ints, Ints]:
    """Paths that cover every edge at least once, found greedily.

    Parameters
    ----------
    edges : ndarray of int64, shape (E, 2)
        Every edge from an earlier to a later layer.
    count : int
        Number of layers.

    Returns
    -------
    path, edge : ndarray of int64
        One entry per step: number of the path, and of the edge, in walking order.
    """
    order = np.lexsort((edges[:, 1], edges[:, 0]))
    starts = np.searchsorted(edges[order, 0], np.arange(count + 1))
    path, step = _cover(np.ascontiguousarray(edges[order]), starts, count)
    return path, order[step]


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _cover(edges: Ints, starts: Ints, count: int) -> tuple[Ints, Ints]:
    """Longest chains of edges that are still uncovered, prolonged to a sink along covered ones."""
    total = len(edges)
    open_ = np.ones(total, dtype=np.bool_)
    path, step = [], []
    number = 0
    gain = np.zeros(count, dtype=np.int64)
    choice = np.full(count, -1, dtype=np.int64)
    left = total
    while left > 0:
        # From every layer on: the path with most uncovered edges.
        best = -1
        for i in range(count - 1, -1, -1):
            gain[i] = 0
            choice[i] = -1
            for k in range(starts[i], starts[i + 1]):
                value = gain[edges[k, 1]] + (1 if open_[k] else 0)
                if choice[i] < 0 or value > gain[i]:
                    gain[i] = value
                    choice[i] = k
            if best < 0 or gain[i] >= gain[best]:
                best = i
        i = best
        while choice[i] >= 0:
            k = choice[i]
            path.append(number)
            step.append(k)
            if open_[k]:
                open_[k] = False
                left -= 1
            i = edges[k, 1]
        number += 1
    return np.array(path, dtype=np.int64), np.array(step, dtype=np.int64)
