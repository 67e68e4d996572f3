"""What moves between nodes, as arrays: hops of many routes at once, and nodes that are alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..routes import Routes
    from .problem import PartitionProblem

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]


def route_hops(routes: Routes, tensor: Ints, source: Ints, target: Ints) -> tuple[Ints, Ints]:
    """Walk many routes at once.

    Parameters
    ----------
    routes : Routes
    tensor, source, target : ndarray of int64, shape (M,)
        Which size travels between which nodes; every route must exist.

    Returns
    -------
    which, link : ndarray of int64
        One entry per hop: the transfer it belongs to and the link it takes. O(M) array work per
        hop of the longest route.

    Raises
    ------
    ValueError
        If a transfer has no route.
    """
    tree = routes.tree[tensor, source]
    node = target.copy()
    open_ = np.flatnonzero(node != source)
    which, links = [np.zeros(0, dtype=np.int64)], [np.zeros(0, dtype=np.int64)]
    while len(open_):
        link = routes.before[tree[open_], node[open_]]
        if (link < 0).any():
            raise ValueError("a transfer has no route between its two nodes")
        which.append(open_)
        links.append(link)
        node[open_] = routes.link_source[link]
        open_ = open_[node[open_] != source[open_]]
    return np.concatenate(which), np.concatenate(links)


def node_classes(problem: PartitionProblem) -> list[list[int]]:
    """Groups of two or more nodes that can be exchanged without changing any cost.

    Swapping two nodes of a class leaves compute, memory, permissions, every transfer and the
    links of every route as they are. Input and output nodes stand alone.

    Returns
    -------
    list of lists of int
        Each in ascending order. O(N^2) comparisons of (N, N) tables.
    """
    costs, network = problem.costs(), problem.network
    count = costs.num_nodes
    own = np.stack(
        [costs.memory_bytes, network.column("io_rate_bps"), network.column("joules_per_flop")]
    )
    columns = np.concatenate([own, costs.forward_s, costs.allowed.astype(np.float64)])
    kinds: dict[bytes, list[int]] = {}
    for n in range(count):
        if n not in (costs.input_index, costs.output_index):
            kinds.setdefault(columns[:, n].tobytes(), []).append(n)
    patterns = _patterns(problem)
    groups: list[list[int]] = []
    for members in kinds.values():
        classes: list[list[int]] = []
        for n in members:
            for group in classes:
                if _swappable(patterns, group[0], n):
                    group.append(n)
                    break
            else:
                classes.append([n])
        groups += [group for group in classes if len(group) > 1]
    return groups


def _patterns(problem: PartitionProblem) -> list[tuple[list[Floats], Ints]]:
    """Per interval of sizes: tables by pair of nodes, and every hop as one row of four nodes."""
    costs, network = problem.costs(), problem.network
    routes, count = costs.routes, costs.num_nodes
    rate = np.zeros((count, count))
    rate[routes.link_source, routes.link_target] = [row.rate_bps for row in network.links]
    tables = (
        routes.latency_s,
        routes.seconds_per_byte,
        routes.joules_per_byte,
        routes.scarce_hops,
    )
    _, first = np.unique(routes.tree, axis=0, return_index=True)
    rows: list[tuple[list[Floats], Ints]] = []
    for size in first:
        trees = routes.tree[size]
        source, target = np.nonzero(np.isfinite(routes.latency_s[trees]))
        which, link = route_hops(routes, np.full(len(source), size), source, target)
        hops = np.stack(
            [source[which], target[which], routes.link_source[link], routes.link_target[link]]
        )
        rows.append(([rate, *(table[trees] for table in tables)], hops))
    return rows


def _swappable(patterns: list[tuple[list[Floats], Ints]], a: int, b: int) -> bool:
    for tables, hops in patterns:
        count = len(tables[0])
        swap = np.arange(count)
        swap[[a, b]] = b, a
        for table in tables:
            if not np.array_equal(table[np.ix_(swap, swap)], table):
                return False
        codes = np.ravel_multi_index(tuple(hops), (count,) * 4)
        moved = np.ravel_multi_index(tuple(swap[hops]), (count,) * 4)
        if not np.array_equal(np.sort(codes), np.sort(moved)):
            return False
    return True


def canonical(problem: PartitionProblem, placement: Ints) -> Ints:
    """Rename alike nodes so that each class is used in ascending order of first use."""
    renamed = np.array(placement, dtype=np.int64)
    for group in node_classes(problem):
        members = np.isin(placement, group)
        used = placement[members]
        order = used[np.sort(np.unique(used, return_index=True)[1])]
        table = np.arange(problem.costs().num_nodes)
        table[order] = group[: len(order)]
        renamed[members] = table[used]
    return renamed
