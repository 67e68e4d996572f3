"""Chains placed freely under memory limits: a node may hold several runs of layers.

Lagrangian relaxation of the memories and of the limits: every byte on node n costs a price
mu_n >= 0, every limited objective k a price lambda_k >= 0, and

    min over paths of  cost + sum_k lambda_k (f_k - limit_k) + sum_n mu_n (bytes on n - M_n)

is a lower bound (activations, of which only the largest counts, are left out). Each evaluation is
one layered shortest path, O(L N^2); prices move by subgradient steps (Held and Karp 1971) with
Polyak's length. Placements: the best contiguous one, which is free as well, and the paths that
happen to fit.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from .chain import ChainData
from .chain_solve import solve_data
from .layered import shortest_path
from .outcome import Outcome, Watch
from .solution import Partition

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .problem import PartitionProblem

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

METHOD = "free chain with memory prices"

#: Subgradient steps, and steps without a better bound after which their length is halved.
STEPS, PATIENCE = 1500, 20


def solve_free(
    problem: PartitionProblem,
    watch: Watch,
    weights: Mapping[str, float] | None = None,
    seed: int = 0,
) -> Outcome:
    """Bound and place a chain whose nodes may be visited more than once.

    Parameters
    ----------
    problem : PartitionProblem
        One for which `chain.applies` holds, with ``contiguous=False``.
    watch : Watch
    weights : mapping of additive objective to float, optional
        Weighted sum to minimise; the problem's own objective unless given.
    seed : int

    Returns
    -------
    Outcome
    """
    data = ChainData.of(problem, weights)
    inner = Watch(watch.remaining_s / 4, watch.relative_gap)
    runs = solve_data(replace(data, contiguous=True), inner, seed)
    best = _Best(problem, data, watch)
    if runs.placement is not None:
        best.offer(runs.placement)
    bound = _ascend(data, best, watch)
    return Outcome(best.placement, bound, METHOD)


class _Best:
    """The best placement that the judge lets pass."""

    def __init__(self, problem: PartitionProblem, data: ChainData, watch: Watch) -> None:
        self.problem, self.data, self.watch = problem, data, watch
        self.value = math.inf
        self.placement: Ints | None = None

    def offer(self, placement: Ints) -> None:
        """Take a placement over if it is better and breaks nothing."""
        value = self.data.value(placement)
        if value >= self.value or not self.data.is_feasible(placement):
            return
        if not self.data.exact and Partition.from_indices(self.problem, placement).violations():
            return
        self.value, self.placement = value, placement.copy()
        self.watch.offer(placement, value)


def _ascend(data: ChainData, best: _Best, watch: Watch) -> float:
    """Best bound that the prices reach; the paths on the way are offered."""
    layers = np.arange(data.num_layers)
    room = data.memory_bytes
    finite = np.isfinite(room)
    unit = float(data.weight_bytes.sum()) or 1.0
    limited = data.limits if len(data.limits) else np.zeros(0)
    scale = np.maximum(np.abs(limited), 1e-12)
    price = np.zeros(data.num_nodes + len(limited))
    kept, bound, length, stale = price.copy(), -math.inf, 1.0, 0
    for _ in range(STEPS):
        memory, others = price[: data.num_nodes], price[data.num_nodes :]
        cost = data.cost[0] + memory * (data.weight_bytes[:, None] / unit)
        move = data.move[0]
        for k, value in enumerate(others):
            if value > 0:
                cost = cost + value / scale[k] * data.cost[k + 1]
                move = move + value / scale[k] * data.move[k + 1]
        value, path = shortest_path(cost, move)
        if value == math.inf:
            return math.inf
        value -= float(memory[finite] @ room[finite]) / unit + float(others @ (limited / scale))
        if bound == -math.inf or value > bound + 1e-9 * abs(bound):
            bound, kept, stale = value, price.copy(), 0
            watch.tighten(min(bound, best.value))
        else:
            stale += 1
            if stale == PATIENCE:
                price, length, stale = kept.copy(), length / 2, 0
        best.offer(path)
        target = best.value if best.value < math.inf else bound + 0.05 * abs(bound) + 1e-12
        if watch.expired() or length < 1e-3 or bound >= best.value * (1 - 1e-9):
            break
        used = np.bincount(path, weights=data.weight_bytes, minlength=data.num_nodes)
        slope = np.zeros_like(price)
        slope[: data.num_nodes][finite] = ((used - room) / unit)[finite]
        for k in range(len(limited)):
            spent = data.cost[k + 1, layers, path].sum()
            spent += data.move[k + 1, layers[:-1], path[:-1], path[1:]].sum()
            slope[data.num_nodes + k] = (spent - limited[k]) / scale[k]
        slope[(price <= 0) & (slope < 0)] = 0.0
        norm = float(slope @ slope)
        if norm == 0.0:
            break
        price = np.maximum(price + length * (target - value) / norm * slope, 0.0)
    return min(bound, best.value) if best.placement is not None else bound
