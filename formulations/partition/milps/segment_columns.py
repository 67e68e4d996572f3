r"""The segment formulation of a contiguous chain: one column per run of layers, memory inside it.

Sets
    layers 0..L-1; classes c of nodes that can be exchanged, with their counts; runs k = (c, f, l)
    that fit: layers f..l on one node of class c; boundaries b = 1..L-1 before layer b.
Variables
    ``run[k]`` the run is used; ``hop[b, c, d]`` at boundary b the chain goes from class c to
    class d; ``busiest`` the bottleneck.
Objective
    Cost of the runs and of the hops between them; with ``throughput`` the bottleneck.
Constraints
    ``begin``: one run starts at layer 0. ``leave``, ``arrive``: at every boundary what ends on c
    leaves from c and what starts on d arrives there. ``count``: no more runs of a class than it
    has nodes. ``cuts``. ``node_load``, ``link_load``, ``limit_...`` as in the assignment.
Source
    A set-partitioning (column) form: the memory knapsack is inside the column, so its relaxation
    loses what the assignment's loses there; compare Barnhart et al., Operations Research 46, 1998.

Where loads are asked for, links matter one by one and every node is a class of its own.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numba
import numpy as np

from ... import checks
from ...linear import LinearModel, ModelBuilder
from ...ranges import ranges
from ..moves import node_classes
from ..scales import objective_weights, repeats, time_unit
from ..solution import TOLERANCE, Partition
from ..times import horizon_s
from .load_rows import Moves, add_link_loads, add_node_loads

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from ..problem import PartitionProblem

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]


def build(problem: PartitionProblem, upper: float = math.inf) -> LinearModel:
    """Write a contiguous chain as a MILP over runs.

    Parameters
    ----------
    problem : PartitionProblem
        A chain with ``contiguous`` True, ``max_replicas`` 1 and no `piece_edges`.
    upper : float
        Objective of a known placement: runs that cannot be part of a better one are left out
        (a placement as good as `upper` itself always stays).

    Returns
    -------
    LinearModel
        O(L^2 C) columns for C classes.

    Raises
    ------
    InputError
        If the problem is of another kind.
    """
    _check(problem)
    runs = _Runs.of(problem, upper)
    costs, model = problem.costs(), ModelBuilder()
    count, width = costs.num_layers, len(runs.classes)
    weights = objective_weights(problem)
    run = model.variables("run", len(runs.node), upper=1.0, integer=True)
    hop = model.variables(
        "hop", (count - 1, width, width), upper=np.isfinite(runs.move) & runs.can_hop, implied=True
    )
    row = model.constraints("begin", 1, lower=1.0, upper=1.0)
    model.add(row, run[runs.first == 0], 1.0)
    leave = model.constraints("leave", (count - 1, width), lower=0.0, upper=0.0)
    model.add(leave[:, :, None], hop, -1.0)
    ends = np.flatnonzero(runs.last < count - 1)
    model.add(leave[runs.last[ends], runs.group[ends]], run[ends], 1.0)
    arrive = model.constraints("arrive", (count - 1, width), lower=0.0, upper=0.0)
    model.add(arrive[:, None, :], hop, 1.0)
    starts = np.flatnonzero(runs.first > 0)
    model.add(arrive[runs.first[starts] - 1, runs.group[starts]], run[starts], -1.0)
    rows = model.constraints("count", width, upper=[float(len(g)) for g in runs.classes])
    model.add(rows[runs.group], run, 1.0)
    if problem.max_cuts is not None:
        row = model.constraints("cuts", 1, upper=problem.max_cuts + 1.0)
        model.add(row, run, 1.0)

    unit = time_unit(costs)
    load = None
    if _needs_loads(problem):
        load = model.variables("busiest", 1, upper=horizon_s(problem) / unit)
        moves = _moves(problem, runs, run, hop)
        busy = (run, runs.node, runs.sum_of(costs.compute_s))
        add_node_loads(model, problem, load, unit, busy, moves)
        add_link_loads(model, problem, load, unit, moves)

    def terms(name: str) -> list[tuple[Ints, Floats]]:
        if name == "throughput":
            assert load is not None
            return [(load, np.array([unit]))]
        own = np.where(costs.allowed, costs.layer_costs(name), 0.0)
        found = [(run, runs.sum_of(own)), (hop.ravel(), runs.hop_costs(problem, name).ravel())]
        if name == "latency" and load is not None and repeats(problem):
            found.append((load, np.array([unit * repeats(problem)])))
        return found

    for name, weight in weights.items():
        for columns, values in terms(name):
            model.minimise(columns, np.where(np.isfinite(values), values, 0.0) * weight)
    for name, limit in problem.limits.items():
        parts = [(c, np.where(np.isfinite(v), v, 0.0)) for c, v in terms(name)]
        biggest = max(float(v.max(initial=0.0)) for _, v in parts)
        scale = min(biggest, max(limit, 1e-6 * biggest)) or 1.0
        row = model.constraints(f"limit_{name}", 1, upper=(limit * (1 + 1e-9) + 1e-12) / scale)
        for columns, values in parts:
            # A run that breaks the limit alone breaks it as well at twice the limit.
            cap = math.inf if columns is load else 2.0 * max(limit, scale)
            model.add(row, columns, np.minimum(values, cap) / scale)
    return model.build()


def read(problem: PartitionProblem, model: LinearModel, x: Floats) -> Ints:
    """Return the placement in a solution vector: node of each layer, shape (L,)."""
    runs = _Runs.of(problem, math.inf)
    names = _keys(model)
    node = np.zeros(problem.profile.num_layers, dtype=np.int64)
    taken = dict.fromkeys(range(len(runs.classes)), 0)
    chosen = names[:, np.flatnonzero(model.block("run").take(np.asarray(x)) > 0.5)]
    for group, first, last in chosen[:, np.argsort(chosen[1])].T.tolist():
        node[first : last + 1] = runs.classes[group][taken[group]]
        taken[group] += 1
    return node


def encode(problem: PartitionProblem, model: LinearModel, placement: ArrayLike) -> Floats:
    """Return the vector of a feasible placement, to start a solver from.

    Raises
    ------
    InputError
        If one of its runs was left out of the model (it is worse than ``upper``).
    """
    node = np.asarray(placement, dtype=np.int64)
    runs = _Runs.of(problem, math.inf)
    vector = np.zeros(model.num_columns)
    group_of = np.zeros(problem.costs().num_nodes, dtype=np.int64)
    for k, members in enumerate(runs.classes):
        group_of[members] = k
    first = np.flatnonzero(np.concatenate([[True], node[1:] != node[:-1]]))
    last = np.concatenate([first[1:] - 1, [len(node) - 1]])
    wanted = np.stack([group_of[node[first]], first, last])
    keys = _keys(model)
    for column in wanted.T:
        found = np.flatnonzero((keys == column[:, None]).all(axis=0))
        if not len(found):
            checks.fail("placement run", tuple(column.tolist()), "a run of the model")
        vector[model.block("run").start + found[0]] = 1.0
    hop = model.block("hop").indices
    vector[hop[first[1:] - 1, wanted[0][:-1], wanted[0][1:]]] = 1.0
    if any(block.name == "busiest" for block in model.columns):
        seconds = Partition.from_indices(problem, node).evaluation.throughput
        vector[model.block("busiest").start] = seconds / time_unit(problem.costs())
    return vector


def _keys(model: LinearModel) -> Ints:
    """(class, first, last) of every run, from the rows that it stands in; shape (3, K)."""
    block = {row.name: row for row in model.rows}
    count = block["leave"].shape[0] + 1
    size = model.block("run").size
    matrix = model.matrix[:, :size].tocoo()
    group = np.zeros(size, dtype=np.int64)
    first, last = np.zeros(size, dtype=np.int64), np.full(size, count - 1, dtype=np.int64)
    for name, target, shift in (("count", group, 0), ("arrive", first, 1), ("leave", last, 0)):
        row = block[name]
        inside = (matrix.row >= row.start) & (matrix.row < row.stop)
        place = (matrix.row[inside] - row.start) // (1 if name == "count" else row.shape[1])
        target[matrix.col[inside]] = place + shift
    return np.stack([group, first, last])


def _check(problem: PartitionProblem) -> None:
    where = "PartitionProblem"
    if not problem.profile.is_chain:
        checks.fail(f"{where}.profile", problem.profile.name, "a chain for runs of layers")
    if not problem.contiguous or problem.piece_edges is not None:
        checks.fail(f"{where}.contiguous", problem.contiguous, "True, with its own edges")
    if problem.max_replicas > 1:
        checks.fail(f"{where}.max_replicas", problem.max_replicas, "1 for runs on single nodes")


def _needs_loads(problem: PartitionProblem) -> bool:
    wanted = {*objective_weights(problem), *problem.limits}
    return "throughput" in wanted or ("latency" in wanted and repeats(problem) > 0)


@dataclass(frozen=True, slots=True, eq=False)
class _Runs:
    """Runs that fit, as arrays of shape (K,): class, its first node, first and last layer."""

    classes: list[list[int]]
    group: Ints
    node: Ints
    first: Ints
    last: Ints
    move: Floats  #: (L - 1, C, C): seconds between classes at each boundary
    can_hop: NDArray[np.bool_]  #: (C, C): whether two different nodes of those classes exist

    @classmethod
    def of(cls, problem: PartitionProblem, upper: float) -> _Runs:
        costs = problem.costs()
        classes = [] if _needs_loads(problem) else node_classes(problem)
        grouped = {n for members in classes for n in members}
        classes = sorted([*classes, *([n] for n in range(costs.num_nodes) if n not in grouped)])
        rep = np.array([members[0] for members in classes], dtype=np.int64)
        fits = _longest_runs(
            np.ascontiguousarray(costs.allowed[:, rep]),
            costs.weight_bytes,
            costs.activation_bytes,
            costs.memory_bytes[rep] * (1 + 0.5 * TOLERANCE),
        ).ravel()
        start = np.arange(len(fits)) % costs.num_layers
        run, last = ranges(start, fits)
        group, first = np.divmod(run, costs.num_layers)
        keep = np.ones(len(first), dtype=bool)
        for members in problem.colocated:
            low, high = min(members), max(members)
            keep &= ((first <= low) & (last >= high)) | (last < low) | (first > high)
        group, first, last = group[keep], first[keep], last[keep]
        can_hop = ~np.diag([len(members) == 1 for members in classes])
        runs = cls(classes, group, rep[group], first, last, np.zeros(0), can_hop)
        object.__setattr__(runs, "move", runs.hop_costs(problem, "latency"))
        return runs if upper == math.inf else runs._pruned(problem, upper)

    def hop_costs(self, problem: PartitionProblem, name: str) -> Floats:
        """Cost of every hop under an additive objective, shape (L - 1, C, C)."""
        rep = np.array([members[0] for members in self.classes], dtype=np.int64)
        table = problem.costs().transfer(name)[: problem.profile.num_layers - 1]
        moved = np.array(table[:, rep[:, None], rep[None, :]])
        for k, members in enumerate(self.classes):
            if len(members) > 1:
                moved[:, k, k] = table[:, members[0], members[1]]
        return moved

    def sum_of(self, table: Floats) -> Floats:
        """Sum of a table (L, N) over each run, shape (K,)."""
        finite = np.where(np.isfinite(table), table, 0.0)
        total = np.concatenate([np.zeros((1, finite.shape[1])), np.cumsum(finite, axis=0)])
        return np.asarray(total[self.last + 1, self.node] - total[self.first, self.node])

    def _pruned(self, problem: PartitionProblem, upper: float) -> _Runs:
        """Leave out runs whose best completion, memory of the others ignored, is above `upper`."""
        costs, weights = problem.costs(), objective_weights(problem)
        rep = np.array([members[0] for members in self.classes], dtype=np.int64)
        own = np.zeros((costs.num_layers, len(rep)))
        hop = np.zeros((costs.num_layers - 1, len(rep), len(rep)))
        value = np.zeros(len(self.first))
        for name, weight in weights.items():
            if name != "throughput":
                table = costs.layer_costs(name)
                own += weight * table[:, rep]
                value += weight * self.sum_of(np.where(costs.allowed, table, 0.0))
                hop += weight * self.hop_costs(problem, name)
        before, after = _around(own, np.where(self.can_hop, hop, np.inf))
        value += before[self.first, self.group] + after[self.last, self.group]
        if "throughput" in weights:
            value += weights["throughput"] * self.sum_of(costs.compute_s)
        keep = value <= upper + 1e-9 * abs(upper)
        return _Runs(
            self.classes,
            self.group[keep],
            self.node[keep],
            self.first[keep],
            self.last[keep],
            self.move,
            self.can_hop,
        )


def _moves(problem: PartitionProblem, runs: _Runs, run: Ints, hop: Ints) -> Moves:
    costs = problem.costs()
    count = costs.num_layers
    node = np.array([members[0] for members in runs.classes], dtype=np.int64)
    b, c, d = np.nonzero(np.isfinite(runs.move) & runs.can_hop)
    parts: list[tuple[Ints, Ints | int, Ints | int, Ints | int]] = [
        (hop[b, c, d], b, node[c], node[d])
    ]
    if costs.input_index >= 0:
        k = np.flatnonzero((runs.first == 0) & (runs.node != costs.input_index))
        parts.append((run[k], count, costs.input_index, runs.node[k]))
    if costs.output_index >= 0:
        k = np.flatnonzero((runs.last == count - 1) & (runs.node != costs.output_index))
        parts.append((run[k], count + 1, runs.node[k], costs.output_index))
    return Moves.joined(parts)


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _longest_runs(
    allowed: NDArray[np.bool_], weight: Floats, activation: Floats, memory: Floats
) -> Ints:
    """How many layers from each one on fit on a node of each class, shape (C, L); O(C L^2)."""
    count, width = allowed.shape
    fits = np.zeros((width, count), dtype=np.int64)
    for c in range(width):
        for first in range(count):
            held, largest = 0.0, 0.0
            for last in range(first, count):
                held += weight[last]
                largest = max(largest, activation[last])
                if not allowed[last, c] or held + largest > memory[c]:
                    break
                fits[c, first] += 1
    return fits


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _around(own: Floats, hop: Floats) -> tuple[Floats, Floats]:
    """Least cost of all before layer f given a run of c starts there, and of all after l."""
    count, width = own.shape
    before, after = np.zeros((count, width)), np.zeros((count, width))
    best = own[0].copy()
    for f in range(1, count):
        for d in range(width):
            before[f, d] = np.inf
            for c in range(width):
                before[f, d] = min(before[f, d], best[c] + hop[f - 1, c, d])
        for d in range(width):
            best[d] = min(best[d], before[f, d]) + own[f, d]
    best = own[count - 1].copy()
    for last in range(count - 2, -1, -1):
        for c in range(width):
            after[last, c] = np.inf
            for d in range(width):
                after[last, c] = min(after[last, c], hop[last, c, d] + best[d])
        for c in range(width):
            best[c] = min(best[c], after[last, c]) + own[last, c]
    return before, after
