"""Necessary conditions of a partition problem, and the sentence that says which one fails.

Each function takes a problem and returns a proven reason why it has no placement, or None; what
is said is true whatever else the problem asks. `infeasible.explain` goes through them in order.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..graphs.dag import lower_bound
from ..kernel import merged_groups, piece_edges
from ..solution import TOLERANCE, UNITS
from ..times import closure

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..problem import PartitionProblem

    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]


# -- words -----------------------------------------------------------------------------------------
def _bytes(value: float) -> str:
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if value >= 0.1 * size:
            return f"{value / size:.4g} {unit}"
    return f"{value:.4g} B"


def _layer(problem: PartitionProblem, i: int) -> str:
    return f"layer {i} ({problem.profile.layers[i].name})"


def _layers(members: Iterable[int]) -> str:
    rows = sorted(int(i) for i in members)
    if len(rows) == 1:
        return f"layer {rows[0]}"
    if rows == list(range(rows[0], rows[-1] + 1)):
        return f"layers {rows[0]}-{rows[-1]}"
    shown = ", ".join(str(i) for i in rows[:6])
    return f"layers {shown}" + (f" and {len(rows) - 6} more" if len(rows) > 6 else "")


def _nodes(problem: PartitionProblem, members: Iterable[int]) -> str:
    rows = [problem.network.node_names[n] for n in members]
    return ", ".join(rows[:4]) + (f" and {len(rows) - 4} more" if len(rows) > 4 else "")


# -- one layer -------------------------------------------------------------------------------------
def permitted(problem: PartitionProblem) -> Bools:
    """Where pins and prohibitions alone let each layer run, shape (L, N)."""
    names = problem.network.node_names
    free = np.ones((problem.profile.num_layers, len(names)), dtype=bool)
    for i, nodes in problem.pinned.items():
        free[i] &= np.isin(names, nodes)
    for i, nodes in problem.forbidden.items():
        free[i] &= ~np.isin(names, nodes)
    return free


def one_layer(problem: PartitionProblem) -> str | None:
    costs, free = problem.costs(), permitted(problem)
    need = costs.weight_bytes + costs.activation_bytes
    for i in range(costs.num_layers):
        name = _layer(problem, i)
        if not free[i].any():
            if i in problem.pinned:
                return f"{name} is pinned to {problem.pinned[i][0]} and forbidden there"
            return f"{name} is forbidden on every node"
        where = f"on {_nodes(problem, np.flatnonzero(free[i]))}, the only node that it may use"
        if free[i].sum() > 1:
            where = "on any node that it may use"
        able = free[i] & np.isfinite(costs.forward_s[i])
        if not able.any():
            return f"{name} cannot run {where}"
        fits = able & (need[i] <= costs.memory_bytes * (1 + 1e-12))
        if not fits.any():
            best = int(np.where(able, costs.memory_bytes, -1.0).argmax())
            return (
                f"{name} needs {_bytes(need[i])} and fits on no node that it may use: the largest, "
                f"{problem.network.node_names[best]}, has {_bytes(costs.memory_bytes[best])}"
            )
        if costs.input_index >= 0 and i in costs.sources:
            way = costs.transfer_s[-2, costs.input_index]
            if not np.isfinite(way[fits]).any():
                return (
                    f"there is no route from {problem.input_node} to any node that {name} may use"
                )
        if costs.output_index >= 0 and i in costs.sinks:
            way = costs.transfer_s[-1, :, costs.output_index]
            if not np.isfinite(way[fits]).any():
                return (
                    f"there is no route to {problem.output_node} from any node that {name} may use"
                )
        if not (fits & np.isfinite(costs.in_out("latency")[i])).any():
            return (
                f"no node that {name} may use has both a route from {problem.input_node} and one "
                f"to {problem.output_node}"
            )
    return None


# -- co-located groups -----------------------------------------------------------------------------
def groups(problem: PartitionProblem) -> str | None:
    return _shared(problem, merged_groups(problem), "must share a node")


def _shared(problem: PartitionProblem, groups: Sequence[Sequence[int]], why: str) -> str | None:
    costs, free = problem.costs(), permitted(problem)
    for group in groups:
        members = list(group)
        pins = {problem.pinned[i][0] for i in members if i in problem.pinned}
        if len(pins) > 1:
            return f"{_layers(members)} {why} and are pinned to {' and '.join(sorted(pins))}"
        common = free[members].all(axis=0)
        if not common.any():
            return f"{_layers(members)} {why}, and no node is open to all of them"
        able = common & np.isfinite(costs.forward_s[members]).all(axis=0)
        able &= np.isfinite(costs.in_out("latency")[members]).all(axis=0)
        if not able.any():
            return f"{_layers(members)} {why}, and none can run and reach all of them"
        need = costs.weight_bytes[members].sum() + costs.activation_bytes[members].max()
        room = float(costs.memory_bytes[able].max())
        if need > room * (1 + TOLERANCE):
            where = "no node that they may use has more than"
            return f"{_layers(members)} {why} and need {_bytes(need)}; {where} {_bytes(room)}"
    return None


# -- routes ----------------------------------------------------------------------------------------
def edges(problem: PartitionProblem) -> str | None:
    costs = problem.costs()
    if not len(costs.edges):
        return None
    i, j = costs.edges.T
    fits = np.isfinite(costs.transfer_s[i]) & costs.allowed[i][:, :, None]
    bad = np.flatnonzero(~(fits & costs.allowed[j][:, None, :]).any(axis=(1, 2)))
    if not len(bad):
        return None
    a, b = (_layer(problem, int(k)) for k in costs.edges[bad[0]])
    return f"no node that {a} may use has a route to any node that {b} may use"


# -- contiguity ------------------------------------------------------------------------------------
def contiguity(problem: PartitionProblem) -> str | None:
    """Layers fixed to a node pull in what lies between; two nodes cannot wait for each other."""
    if not problem.contiguous:
        return None
    costs = problem.costs()
    arcs = piece_edges(problem)
    if len(arcs) and (arcs[:, 0] >= arcs[:, 1]).any():
        return None
    reach = closure(arcs, costs.num_layers)
    fixed = {
        n: np.flatnonzero(costs.allowed[:, n] & (costs.allowed.sum(axis=1) == 1))
        for n in range(costs.num_nodes)
    }
    names = problem.network.node_names
    for n, members in fixed.items():
        if not len(members):
            continue
        inside = reach[members].any(axis=0) & reach[:, members].any(axis=1)
        inside |= np.isin(np.arange(costs.num_layers), members)
        others = np.flatnonzero(inside & ~costs.allowed[:, n])
        if len(others):
            k = int(others[0])
            first = int(members[reach[members, k]][0])
            last = int(members[reach[k, members]][0])
            return (
                f"contiguous pieces: layers {first} and {last} can run on {names[n]} alone, and "
                f"{_layer(problem, k)} between them cannot run there"
            )
        need = costs.weight_bytes[inside].sum() + costs.activation_bytes[inside].max()
        if need > costs.memory_bytes[n] * (1 + TOLERANCE):
            return (
                f"contiguous pieces: {_layers(np.flatnonzero(inside))} must all run on {names[n]} "
                f"and need {_bytes(need)}; it has {_bytes(costs.memory_bytes[n])}"
            )
    pulled = [
        np.flatnonzero(
            (reach[group].any(axis=0) & reach[:, group].any(axis=1))
            | np.isin(np.arange(costs.num_layers), group)
        ).tolist()
        for group in merged_groups(problem)
    ]
    found = _shared(problem, pulled, "must share a node (co-located, with what lies between)")
    if found is not None:
        return found
    used = [n for n, members in fixed.items() if len(members)]
    for a in used:
        for b in used:
            if a < b:
                to = reach[np.ix_(fixed[a], fixed[b])]
                back = reach[np.ix_(fixed[b], fixed[a])]
                if to.any() and back.any():
                    i, j = np.argwhere(to)[0]
                    k, m = np.argwhere(back)[0]
                    return (
                        f"contiguous pieces: {names[a]} comes before {names[b]} (layer "
                        f"{fixed[a][i]} feeds layer {fixed[b][j]}) and after it (layer "
                        f"{fixed[b][k]} feeds layer {fixed[a][m]})"
                    )
    return None


# -- memory ----------------------------------------------------------------------------------------
def memory(problem: PartitionProblem) -> str | None:
    """Layers that only some nodes may hold need more than those nodes have."""
    costs = problem.costs()
    sets = {row.tobytes(): row for row in costs.allowed}
    for row in [*sorted(sets.values(), key=lambda row: int(row.sum())), costs.allowed.any(axis=0)]:
        members = np.flatnonzero(~(costs.allowed & ~row).any(axis=1))
        nodes = np.flatnonzero(row)
        need = costs.weight_bytes[members].sum() + costs.activation_bytes[members].max(initial=0.0)
        room = costs.memory_bytes[nodes].sum()
        if need > room * (1 + TOLERANCE):
            every = len(nodes) == costs.num_nodes
            who = "all nodes together offer" if every else f"{_nodes(problem, nodes)}, "
            if not every:
                who += (
                    "the only ones that they may use, offer"
                    if len(nodes) > 1
                    else ("the only one that they may use, offers")
                )
            if not row.all() and len(members) == costs.num_layers:
                who = "all nodes that can hold a layer offer"
            return f"{_layers(members)} need {_bytes(need)}, {who} {_bytes(room)}"
    return None


def halves(problem: PartitionProblem) -> str | None:
    """More layers than nodes, no two of which fit on one node."""
    costs = problem.costs()
    usable = costs.allowed.any(axis=0)
    room = float(costs.memory_bytes[usable].max(initial=0.0))
    if math.isinf(room):
        return None
    grouped = {i for group in problem.colocated for i in group}
    big = [
        int(i)
        for i in np.flatnonzero(costs.weight_bytes > room * (1 + TOLERANCE) / 2)
        if i not in grouped
    ]
    if len(big) <= usable.sum():
        return None
    return (
        f"{_layers(big)} need more than {_bytes(room / 2)} each, half of the largest node; no two "
        f"share a node, and {int(usable.sum())} nodes can hold one"
    )


# -- cuts ------------------------------------------------------------------------------------------
def cuts(problem: PartitionProblem) -> str | None:
    if problem.max_cuts is None:
        return None
    costs, allowed = problem.costs(), problem.costs().allowed
    pieces = problem.max_cuts + _components(costs.edges, costs.num_layers)
    if pieces < costs.num_nodes:
        need = costs.weight_bytes.sum() + costs.activation_bytes.max()
        room = np.sort(costs.memory_bytes)[::-1][:pieces].sum()
        if need > room * (1 + TOLERANCE):
            some = "1 node" if pieces == 1 else f"{pieces} nodes"
            return (
                f"max_cuts = {problem.max_cuts} leaves {some} at most, the largest of which offer "
                f"{_bytes(room)}; {_layers(range(costs.num_layers))} need {_bytes(need)}"
            )
    if not problem.profile.is_chain:
        return None
    # A chain needs a new node wherever no node is left that all layers of the run may use.
    runs, open_, starts = 1, allowed[0].copy(), [0]
    for i in range(1, costs.num_layers):
        open_ &= allowed[i]
        if not open_.any():
            runs, open_ = runs + 1, allowed[i].copy()
            starts.append(i)
    if runs - 1 > problem.max_cuts:
        return (
            f"at least {runs - 1} cuts are needed (before {_layers(starts[1:])}: no node may run "
            f"all layers of a longer run), and max_cuts = {problem.max_cuts}"
        )
    return None


def _components(edges: Ints, count: int) -> int:
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    graph = coo_array((np.ones(len(edges)), (edges[:, 0], edges[:, 1])), shape=(count, count))
    return int(connected_components(graph, directed=False)[0])


# -- limits ----------------------------------------------------------------------------------------
def limits(problem: PartitionProblem) -> str | None:
    for name, limit in problem.limits.items():
        if problem.max_replicas > 1 and (name == "throughput" or problem.training is not None):
            continue
        alone = problem.replace(objective=name, limits={}, max_replicas=1)
        bound = lower_bound(alone)
        if problem.profile.is_chain and name != "throughput":
            bound = max(bound, _chain_bound(alone, name))
        if math.isfinite(bound) and bound > limit * (1 + TOLERANCE) + 1e-12:
            unit = UNITS[name]
            return (
                f"the limit on {name}, {limit:.6g} {unit}, is below {bound:.6g} {unit}, which no "
                "placement can beat"
            )
    return None


def _chain_bound(problem: PartitionProblem, name: str) -> float:
    """Cheapest path through the layers, each node free to be used again, memory ignored."""
    costs = problem.costs()
    own, move = costs.layer_costs(name), costs.transfer(name)
    best = own[0]
    for i in range(1, costs.num_layers):
        best = (best[:, None] + move[i - 1]).min(axis=0) + own[i]
    return float(best.min())
