"""A chain with additive objectives as arrays: the ground floor of every chain road.

A placement costs the sum of its layers' costs and, at every boundary between two neighbouring
layers on different nodes, of one move. Objective 0 is minimised; further ones have a limit: those
of `PartitionProblem.limits`, and the cuts where `max_cuts` is set (each move counts one).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numba
import numpy as np

from ... import checks
from ..costs import ADDITIVE
from ..scales import objective_weights

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..costs import PartitionCosts
    from ..problem import PartitionProblem

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

#: Relative room given to memory and limits for rounding in sums; the judge allows 1e-6.
ROOM = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class ChainData:
    """Arrays of a chain of L layers over N nodes with R objectives.

    Attributes
    ----------
    cost : ndarray, shape (R, L, N)
        Of each layer on each node, input and output included; objective 0 is infinite where a
        layer may not run, the others zero there.
    move : ndarray, shape (R, L - 1, N, N)
        Of each boundary from the node before (row) to the node after; zero on the diagonal,
        infinite in objective 0 where the two layers must share a node.
    limits : ndarray, shape (R - 1,)
        Upper bounds of objectives 1, 2, ...
    names : tuple of str, length R
        Objectives in order; ``cuts`` is the number of moves.
    weight_bytes, activation_bytes : ndarray, shape (L,)
    memory_bytes : ndarray, shape (N,)
    contiguous : bool
    exact : bool
        Whether costs, memory and limits say all that the problem asks; if not (layers that share a
        node across others, free placement), they state a relaxation.
    colocated : tuple of tuples of int
        Layers that must share a node.
    """

    cost: Floats
    move: Floats
    limits: Floats
    names: tuple[str, ...]
    weight_bytes: Floats
    activation_bytes: Floats
    memory_bytes: Floats
    contiguous: bool
    exact: bool
    colocated: tuple[tuple[int, ...], ...] = ()
    load_s: Floats | None = None
    load_limit_s: float = np.inf

    @classmethod
    def of(cls, problem: PartitionProblem, weights: Mapping[str, float] | None = None) -> ChainData:
        """Gather the arrays.

        Parameters
        ----------
        problem : PartitionProblem
            A chain for which `applies` holds.
        weights : mapping of additive objective to float, optional
            Weighted sum to minimise; the problem's own objective unless given.
        """
        costs = problem.costs()
        table = objective_weights(problem) if weights is None else dict(weights)
        node, moves = _weighted(costs, table)
        names = ["+".join(table)]
        node_rows, move_rows, limits = [node], [moves], []
        off = ~np.eye(costs.num_nodes, dtype=bool)
        for name in ADDITIVE:
            if name in problem.limits:
                own, between = _weighted(costs, {name: 1.0})
                node_rows.append(np.where(np.isfinite(own), own, 0.0))
                move_rows.append(np.where(np.isfinite(between), between, 0.0))
                limits.append(problem.limits[name] * (1 + ROOM) + 1e-12)
                names.append(name)
        if problem.max_cuts is not None and problem.max_cuts < costs.num_layers - 1:
            node_rows.append(np.zeros_like(node))
            move_rows.append(np.broadcast_to(off.astype(np.float64), moves.shape))
            limits.append(float(problem.max_cuts))
            names.append("cuts")
        exact = True
        for group in problem.colocated:
            runs = np.diff(group)
            exact &= problem.contiguous or bool((runs == 1).all())
            for first, gap in zip(group, runs, strict=False):
                if gap == 1 or problem.contiguous:
                    moves[first : first + gap] = np.where(off, np.inf, 0.0)
        return cls(
            cost=np.stack(node_rows),
            move=moves[None] if len(move_rows) == 1 else np.stack(move_rows),
            limits=np.array(limits, dtype=np.float64),
            names=tuple(names),
            weight_bytes=costs.weight_bytes,
            activation_bytes=costs.activation_bytes,
            memory_bytes=costs.memory_bytes,
            contiguous=problem.contiguous,
            exact=exact,
            colocated=tuple(tuple(group) for group in problem.colocated),
        )

    def capped(self, limit_s: float, load_s: Floats, move_s: Floats) -> ChainData:
        """The same chain with every node and link busy for at most `limit_s` per request.

        Parameters
        ----------
        limit_s : float
        load_s : ndarray, shape (L, N)
            Busy seconds of each layer on each node.
        move_s : ndarray, shape (L - 1, N, N)
            Busy seconds of the slowest link of each move; moves that share a link are taken one by
            one, which relaxes the limit.
        """
        room = limit_s * (1 + ROOM)
        cost, move = self.cost.copy(), self.move.copy()
        cost[0][load_s > room] = np.inf
        move[0][move_s > room] = np.inf
        return replace(self, cost=cost, move=move, load_s=load_s, load_limit_s=room)

    @property
    def num_layers(self) -> int:
        """L."""
        return int(self.cost.shape[1])

    @property
    def num_nodes(self) -> int:
        """N."""
        return int(self.cost.shape[2])

    def values(self, placement: Ints) -> Floats:
        """Every objective of a placement, shape (R,)."""
        layers = np.arange(self.num_layers)
        total = self.cost[:, layers, placement].sum(axis=1)
        return np.asarray(
            total + self.move[:, layers[:-1], placement[:-1], placement[1:]].sum(axis=1)
        )

    def value(self, placement: Ints) -> float:
        """The objective of a placement."""
        return float(self.values(placement)[0])

    def memory_used(self, placement: Ints) -> Floats:
        """Weights plus the largest activation on each node, shape (N,)."""
        used = np.bincount(placement, weights=self.weight_bytes, minlength=self.num_nodes)
        largest = np.zeros(self.num_nodes)
        np.maximum.at(largest, placement, self.activation_bytes)
        return used + largest

    def is_feasible(self, placement: Ints) -> bool:
        """Whether a placement keeps memory, contiguity and limits (of these arrays)."""
        values = self.values(placement)
        if not np.isfinite(values[0]) or (values[1:] > self.limits).any():
            return False
        if (self.memory_used(placement) > self.memory_bytes * (1 + ROOM)).any():
            return False
        if self.load_s is not None:
            busy = self.load_s[np.arange(self.num_layers), placement]
            if np.bincount(placement, weights=busy).max() > self.load_limit_s:
                return False
        if any(len(np.unique(placement[list(group)])) > 1 for group in self.colocated):
            return False
        if not self.contiguous:
            return True
        runs = 1 + np.count_nonzero(np.diff(placement))
        return bool(runs == len(np.unique(placement)))

    def windows(self) -> tuple[Ints, Ints]:
        """How far one run of layers may reach on each node: see `run_windows`."""
        able = np.isfinite(self.cost[0])
        lo, hi = run_windows(
            able, self.weight_bytes, self.activation_bytes, self.memory_bytes * (1 + ROOM)
        )
        if self.load_s is not None:
            nothing, room = np.zeros(self.num_layers), np.array([self.load_limit_s])
            for n in range(self.num_nodes):
                first, last = run_windows(
                    able[:, n : n + 1], np.ascontiguousarray(self.load_s[:, n]), nothing, room
                )
                lo[:, n] = np.maximum(lo[:, n], first[:, 0])
                hi[:, n] = np.minimum(hi[:, n], last[:, 0])
        return lo, hi


def applies(problem: PartitionProblem, weights: Mapping[str, float] | None = None) -> bool:
    """Whether the chain roads take this problem: a chain, additive objectives and limits.

    Latency of a training step with several micro-batches contains the bottleneck and is not
    additive; a limit on ``throughput`` is not additive either.
    """
    if not problem.profile.is_chain or (problem.contiguous and problem.piece_edges is not None):
        return False
    if weights is None and problem.objective == "balance" and problem.reference is None:
        return False
    used = set(objective_weights(problem) if weights is None else weights) | set(problem.limits)
    if not used <= set(ADDITIVE):
        return False
    training = problem.training
    return training is None or training.micro_batches == 1 or "latency" not in used


def _weighted(costs: PartitionCosts, table: Mapping[str, float]) -> tuple[Floats, Floats]:
    """Weighted layer costs (L, N) and moves (L - 1, N, N); fresh arrays."""
    layers, nodes = costs.num_layers, costs.num_nodes
    node = np.zeros((layers, nodes))
    moves = None
    for name, weight in table.items():
        checks.known("additive objective", name, ADDITIVE)
        if weight > 0:
            node += weight * costs.layer_costs(name)
            part = costs.transfer(name)[: layers - 1] * weight
            moves = part if moves is None else np.add(moves, part, out=part)
    if moves is None:
        moves = np.zeros((layers - 1, nodes, nodes))
    node[~costs.allowed] = np.inf
    return node, moves


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def run_windows(
    allowed: NDArray[np.bool_], weight: Floats, activation: Floats, memory: Floats
) -> tuple[Ints, Ints]:
    """Longest runs that fit, by two pointers and a monotone queue; O(L N).

    Returns
    -------
    lo : ndarray of int64, shape (L + 1, N)
        Earliest first layer of a run on n that ends before layer b; b itself where none does.
    hi : ndarray of int64, shape (L + 1, N)
        Latest end (exclusive) of a run on n that starts at layer a; a itself where none does.
    """
    count, nodes = allowed.shape
    lo = np.zeros((count + 1, nodes), dtype=np.int64)
    hi = np.zeros((count + 1, nodes), dtype=np.int64)
    queue = np.zeros(count + 1, dtype=np.int64)
    for n in range(nodes):
        start, head, tail = 0, 0, 0
        used = 0.0
        for b in range(1, count + 1):
            i = b - 1
            if not allowed[i, n]:
                start, head, tail, used = b, 0, 0, 0.0
            else:
                used += weight[i]
                while tail > head and activation[queue[tail - 1]] <= activation[i]:
                    tail -= 1
                queue[tail] = i
                tail += 1
                while start < b and used + activation[queue[head]] > memory[n]:
                    used -= weight[start]
                    if queue[head] == start:
                        head += 1
                    start += 1
                if start == b:
                    head, tail, used = 0, 0, 0.0
            lo[b, n] = start
        end = 0
        for a in range(count + 1):
            end = max(end, a)
            while end < count and lo[end + 1, n] <= a:
                end += 1
            hi[a, n] = end
    return lo, hi
