"""What the search for exclusive antennas reads: rows, pools, tanks and supplies of a problem.

A pool is a set of nodes that links without antennas hold together: a satellite, or a plane whose
inter-satellite links are taken for instant and wide. Its supplies are the demands of its nodes and,
where a plan sends over two antennas in turn, what a fractional flow brings to it. Tanks are pairs
of pools with a contact between them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from .event_cuts import collects, useful
from .exclusive_kernel import Rows, Sweep, Uses
from .problem import PassProblem
from .transfers import Transfers

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Exclusive:
    """A problem as the search sees it.

    Attributes
    ----------
    rows : Rows
    contact : array of int, shape (rows,)
        Position in the plan of each row.
    supply_demand : array of int, shape (supplies,)
        Which demand each supply is of.
    one_hop : bool
        Whether every byte crosses one antenna link at most, so that pools lose nothing but order.
    aside : float
        Worth of the demands that need no antenna.
    """

    rows: Rows
    contact: Ints
    supply_demand: Ints
    one_hop: bool
    aside: float


@dataclass(frozen=True, slots=True, eq=False)
class _Supplies:
    """Bytes in pools, sorted by pool, the most worthy and then the most urgent first."""

    pool: Ints
    demand: Ints
    release: Floats
    deadline: Floats
    volume: Floats
    worth: Floats


def read(problem: PassProblem, worth: Floats, fractional: Transfers | None) -> Exclusive:
    """Read a problem.

    Parameters
    ----------
    problem : PassProblem
    worth : array, shape (demands,)
        Of a byte of each demand.
    fractional : Transfers, optional
        A flow with shared antennas: where it relays over antennas, so may the search.
    """
    plan = problem.plan.arrays
    mixed, carries = problem.uses_antenna, useful(problem)
    pool, count = _pools(problem, np.flatnonzero(carries & ~mixed))
    goal = np.zeros((len(problem.demands), count), dtype=np.bool_)
    for k, row in enumerate(problem.demands):
        goal[k, pool[problem.targets(row)]] = True
    relay = _relays(problem, pool, goal, fractional)
    supply = _supplies(problem, worth, pool, goal, relay)
    pool_supply = np.searchsorted(supply.pool, np.arange(count + 1))
    cut, pool_cut = _windows(supply, pool_supply)
    # Tanks, and who may use them.
    chosen = np.flatnonzero(carries & mixed)
    ends = np.stack([plan["source"][chosen], plan["target"][chosen]], axis=1).astype(np.int64)
    pair, tank = np.unique(pool[ends], axis=0, return_inverse=True)
    tank = tank.ravel().astype(np.int64)
    takes = _takes(supply, pool_supply, pair, goal, relay)
    windows = np.maximum(np.diff(pool_cut) - 1, 0)[pair[:, 0]]
    tank_at = np.r_[0, np.cumsum(windows)]
    # Rows: contacts that some supply may use, cut to when it may.
    live = np.flatnonzero(takes[tank].any(axis=1))
    first = pool_cut[pair[tank[live], 0]]
    last = pool_cut[pair[tank[live], 0] + 1] - 1
    low = np.maximum(plan["start_s"][chosen[live]], cut[first])
    high = np.minimum(plan["end_s"][chosen[live]], cut[last])
    limited = np.isfinite(problem.antenna_count)
    bound = limited[ends[live]].any(axis=1)
    rate = plan["rate_bps"][chosen[live]] / 8
    offered = np.zeros(tank_at[-1])
    for k in np.flatnonzero(~bound & (high > low)).tolist():
        edges = np.clip(cut[first[k] : last[k] + 1], low[k], high[k])
        here = tank[live[k]]
        offered[tank_at[here] : tank_at[here + 1]] += np.diff(edges) * rate[k]
    keep = np.flatnonzero(bound & (high > low))
    keep = keep[np.argsort(low[keep], kind="stable")]
    # One layout of arrays, so that the kernel is compiled once.
    both = np.ascontiguousarray(ends[live[keep]])
    lane, lanes, lane_node, node_lane = _lanes(problem, both)
    node_at, node_row, node_side = _by_node(both, len(limited))
    rows = Rows(
        low[keep],
        high[keep],
        rate[keep],
        tank[live[keep]],
        lane,
        lanes,
        lane_node,
        node_lane,
        node_at,
        node_row,
        node_side,
        np.ascontiguousarray(pair[:, 0]),
        tank_at.astype(np.int64),
        takes,
        np.searchsorted(pair[:, 0], np.arange(count + 1)),
        pool_supply,
        pool_cut,
        cut,
        supply.release,
        supply.deadline,
        supply.volume,
        supply.worth,
        offered,
        float(problem.setup_s + problem.teardown_s),
        float((high - low)[keep].max(initial=0.0)),
    )
    within = goal[np.arange(len(goal)), _source_pool(problem, pool)]
    amounts = np.array([row.volume_bytes for row in problem.demands])
    one_hop = not relay and bool(collects(problem)[ends[:, 1]].all())
    aside = float((worth * amounts)[within].sum())
    return Exclusive(rows, chosen[live[keep]], supply.demand, one_hop, aside)


def room(rows: Rows) -> tuple[Uses, Sweep]:
    """Empty uses of antennas, and scratch for the search."""
    lanes, pools = len(rows.lane_node), len(rows.pool_supply) - 1
    # A row is used twice only with something else in between.
    slots = 3 * len(rows.low) + 8
    per_lane = int(np.diff(rows.node_at).max(initial=0)) * 2 + 8
    items = 8 * per_lane
    uses = Uses(
        np.full(slots, -1, dtype=np.int64),
        np.zeros(slots),
        np.zeros(slots),
        np.full((slots, 2), -1, dtype=np.int64),
        np.arange(slots, dtype=np.int64)[::-1].copy(),
        np.zeros(lanes, dtype=np.int64),
        np.zeros((lanes, per_lane), dtype=np.int64),
        rows.offered.copy(),
        np.zeros(pools),
        np.array([slots], dtype=np.int64),
    )
    whole = [np.zeros(items, dtype=np.int64) for _ in range(4)]
    real = [np.zeros(items) for _ in range(4)]
    grid = [np.zeros(2 * items, dtype=np.int64) for _ in range(2)]
    sweep = Sweep(
        whole[0],
        whole[1],
        real[0],
        real[1],
        real[2],
        real[3],
        whole[2],
        np.zeros(2 * items),
        np.zeros(2 * items),
        grid[0],
        grid[1],
        whole[3],
        np.zeros(pools, dtype=np.int64),
        np.zeros(pools, dtype=np.bool_),
        np.zeros(pools),
        np.zeros(rows.takes.shape[1]),
    )
    return uses, sweep


def _pools(problem: PassProblem, link: Ints) -> tuple[Ints, int]:
    """Nodes that links without antennas hold together."""
    plan, nodes = problem.plan.arrays, len(problem.plan.nodes)
    ends = (plan["source"][link], plan["target"][link])
    graph = coo_array((np.ones(len(link), dtype=np.int8), ends), shape=(nodes, nodes))
    count, pool = connected_components(graph, directed=False)
    return pool.astype(np.int64), int(count)


def _source_pool(problem: PassProblem, pool: Ints) -> Ints:
    found: Ints = pool[[problem.plan.index(row.source) for row in problem.demands]]
    return found


def _relays(
    problem: PassProblem, pool: Ints, goal: Bools, fractional: Transfers | None
) -> dict[tuple[int, int, int], tuple[float, float]]:
    """What a flow carries over antennas to pools that are not its goal.

    Bytes and first start by demand, pool and pool.
    """
    found: dict[tuple[int, int, int], tuple[float, float]] = {}
    if fractional is None or not len(fractional):
        return found
    plan = problem.plan.arrays
    here = pool[plan["source"][fractional.contact]]
    there = pool[plan["target"][fractional.contact]]
    over = problem.uses_antenna[fractional.contact] & (here != there)
    over &= ~goal[fractional.demand, there] & (fractional.volume_bytes > 0)
    for k in np.flatnonzero(over).tolist():
        key = (int(fractional.demand[k]), int(here[k]), int(there[k]))
        amount, since = found.get(key, (0.0, np.inf))
        begin = float(fractional.start_s[k])
        found[key] = (amount + float(fractional.volume_bytes[k]), min(since, begin))
    return found


def _supplies(
    problem: PassProblem,
    worth: Floats,
    pool: Ints,
    goal: Bools,
    relay: dict[tuple[int, int, int], tuple[float, float]],
) -> _Supplies:
    rows = [
        (int(at), k, row.release_s, row.deadline_s, row.volume_bytes, float(worth[k]))
        for k, (row, at) in enumerate(
            zip(problem.demands, _source_pool(problem, pool), strict=True)
        )
        if not goal[k, at]
    ]
    rows += [
        (there, k, since, problem.demands[k].deadline_s, amount, float(worth[k]))
        for (k, _, there), (amount, since) in relay.items()
        if since < problem.demands[k].deadline_s
    ]
    rows.sort(key=lambda row: (row[0], -row[5], row[3], row[1]))
    columns = list(zip(*rows, strict=True)) or [()] * 6
    at, demand = (np.array(column, dtype=np.int64) for column in columns[:2])
    return _Supplies(at, demand, *(np.array(c, dtype=np.float64) for c in columns[2:]))


def _windows(supply: _Supplies, pool_supply: Ints) -> tuple[Floats, Ints]:
    """Releases and deadlines of each pool, and where they begin."""
    owner = np.concatenate([supply.pool, supply.pool]).astype(np.float64)
    times = np.concatenate([supply.release, supply.deadline])
    key = np.unique(np.stack([owner, times], axis=1), axis=0)
    return key[:, 1].copy(), np.searchsorted(key[:, 0], np.arange(len(pool_supply)))


def _takes(
    supply: _Supplies,
    pool_supply: Ints,
    pair: Ints,
    goal: Bools,
    relay: dict[tuple[int, int, int], tuple[float, float]],
) -> Bools:
    """Which supplies of its pool a tank is for."""
    takes = np.zeros((len(pair), max(int(np.diff(pool_supply).max(initial=0)), 1)), dtype=np.bool_)
    over: dict[tuple[int, int], list[int]] = {}
    for k, here, there in relay:
        over.setdefault((here, there), []).append(k)
    for t, (here, there) in enumerate(pair.tolist()):
        mine = supply.demand[pool_supply[here] : pool_supply[here + 1]]
        takes[t, : len(mine)] = goal[mine, there] | np.isin(mine, over.get((here, there), []))
    return takes


def _lanes(problem: PassProblem, ends: Ints) -> tuple[Ints, Ints, Ints, Ints]:
    """First lane and number of lanes at both ends of rows; node of lanes, lanes of nodes."""
    nodes = len(problem.plan.nodes)
    # More antennas than rows are of no use.
    met = np.bincount(ends.ravel(), minlength=nodes)
    limited = np.isfinite(problem.antenna_count)
    count = np.minimum(np.where(limited, problem.antenna_count, 0), met).astype(np.int64)
    node_lane = np.r_[0, np.cumsum(count)].astype(np.int64)
    first, many = (np.ascontiguousarray(found[ends]) for found in (node_lane, count))
    return first, many, np.repeat(np.arange(nodes), count), node_lane


def _by_node(ends: Ints, nodes: int) -> tuple[Ints, Ints, Ints]:
    """Rows of each node in their order."""
    node = ends.ravel()
    order = np.argsort(node, kind="stable")
    row, side = np.divmod(order, 2)
    return np.searchsorted(node[order], np.arange(nodes + 1)), row, side
