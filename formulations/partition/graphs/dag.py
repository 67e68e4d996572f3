"""Any graph, any objective, without a solver: constructive starts, annealing, branch and bound.

Small graphs are closed by branch and bound in milliseconds; larger ones get a placement and a
bound from critical paths and work, which the assignment MILP can then start from. The latency of
a branching graph is makespan scheduling with communication delays (Topcuoglu, Hariri and Wu, IEEE
TPDS 13, 2002, for the constructive side).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from ..kernel import Arrays, arrays_of, measure, worth
from ..moves import node_classes
from ..outcome import Outcome, Watch
from ..scales import objective_weights
from ..solution import Partition
from ..times import TimeBounds, load_shares, tails
from .graph_anneal import anneal
from .graph_search import Rest, beam, branch, new_tree, open_bound, partial_bound

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..problem import PartitionProblem

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

METHOD = "graph branch and bound"
#: Work (bounds times what one looks at) between two looks at the clock, about 50 ms.
CHUNK = 1_000_000
#: Work on a proof at effort 1, a few seconds.
PROOF = 40_000_000
#: Layers squared times nodes times width of a beam that takes about a second.
BEAM_WORK = 4e7


def solve_dag(
    problem: PartitionProblem, watch: Watch, *, seed: int = 0, effort: float = 1.0
) -> Outcome:
    """Place a graph of layers by search.

    Parameters
    ----------
    problem : PartitionProblem
        Any graph (a chain too), objective and constraints, with ``max_replicas`` 1.
    watch : Watch
        Told of every better placement and bound; asked when to stop.
    seed : int
        Of the random moves; the same seed gives the same answer unless the clock cuts in.
    effort : float
        Scales the work done before giving up on a proof; 1 is a few seconds.

    Returns
    -------
    Outcome
        Bound equal to the objective (within half of ``watch.relative_gap``) where the tree was
        finished; placement None and bound infinite where it proved that nothing is feasible.
    """
    costs = problem.costs()
    if not costs.allowed.any(axis=1).all():
        return Outcome(None, math.inf, METHOD)
    a = arrays_of(problem, objective_weights(problem))
    rest = _rest(problem, a)
    best = _Best(problem, a, watch)
    root = float(_root_bound(a, rest))
    if root == math.inf:
        return Outcome(None, math.inf, METHOD)
    watch.tighten(root)
    size = costs.num_layers * costs.num_nodes
    rng = np.random.default_rng(seed)
    widest = max(1, int(BEAM_WORK / (size * costs.num_layers)))
    for width, noise in ((8, 0.0), (8, 0.1), (32, 0.02)):
        if not watch.expired():
            for placement in beam(a, rest, min(width, widest), noise, rng)[:4]:
                best.offer(placement)
    steps = int(effort * min(60_000, 2_000 + 100 * size))
    if not watch.expired() and (size > 40 or best.placement is None):
        best.improve(steps // 4, 0.02, rng)
    if not watch.expired():
        bound, finished = _prove(a, rest, best, watch, effort)
        if finished:
            return Outcome(best.placement, bound, METHOD)
    for turn in range(6):
        if watch.expired():
            break
        best.improve(steps, (0.1, 0.01, 0.03)[turn % 3], rng)
    return Outcome(best.placement, watch.bound, "graph search")


class _Best:
    """The best placement so far, as the judge sees it."""

    def __init__(self, problem: PartitionProblem, a: Arrays, watch: Watch) -> None:
        self.problem, self.a, self.watch = problem, a, watch
        self.placement: Ints | None = None
        self.objective = math.inf
        self._last: Ints | None = None
        if watch.placement is not None and watch.replicas is None:
            self.offer(watch.placement)

    def offer(self, placement: Ints) -> None:
        """Take a placement if it is feasible and better."""
        values = np.zeros(4)
        node = np.ascontiguousarray(placement, dtype=np.int64)
        self._last = node if self._last is None else self._last
        if measure(self.a, node, values) > 0.0 or worth(self.a, values) >= self.objective:
            return
        judged = Partition.from_indices(self.problem, node)
        if judged.violations() or judged.objective >= self.objective:
            return
        self.placement, self.objective = node.copy(), judged.objective
        self.watch.offer(self.placement, self.objective)

    def improve(self, steps: int, hot: float, rng: np.random.Generator) -> None:
        """Anneal from the best placement, or from anything where there is none."""
        start = self.placement if self.placement is not None else self._last
        if start is None:
            start = self.problem.costs().allowed.argmax(axis=1).astype(np.int64)
            start = start[self.a.leader]
        found = np.zeros(len(start), dtype=np.int64)
        done = 0
        while done < steps and not self.watch.expired():
            part = min(20_000, steps - done)
            value = anneal(self.a, start, part, hot, hot * 1e-3, rng, found)
            if value < math.inf:
                self.offer(found)
            start = found.copy()
            done += part
        if self.placement is None:
            self._last = found


def _prove(a: Arrays, rest: Rest, best: _Best, watch: Watch, effort: float) -> tuple[float, bool]:
    """Branch and bound until the tree, the time or the budget ends."""
    count, nodes = a.forward.shape
    state = np.full(count + 1, -1, dtype=np.int64)
    bounds = np.full((count, nodes), np.inf)
    choice = np.zeros((count, nodes), dtype=np.int64)
    turn = np.zeros(count, dtype=np.int64)
    placement = np.zeros(count, dtype=np.int64)
    known = np.array([best.objective, math.inf])
    slack = watch.relative_gap / 2
    tree = new_tree(a, rest)
    # A bound looks at all nodes, at pairs of them for contiguity, and at all links for loads.
    each = 10 + nodes * (1 + nodes * a.contiguous) + len(a.link_s_per_bit) * rest.loads
    budget = int(effort * PROOF / each) + 1
    while budget > 0:
        part = min(CHUNK // each + 1, budget)
        finished = branch(a, rest, tree, state, bounds, choice, turn, placement, known, slack, part)
        budget -= part
        if known[0] < best.objective:
            best.offer(placement)
        bound = float(min(known) if finished else open_bound(state, bounds, turn, known))
        watch.tighten(bound)
        if finished:
            return bound, True
        if watch.expired():
            break
    return watch.bound, False


def _root_bound(a: Arrays, rest: Rest) -> float:
    nothing = np.zeros(len(a.weight), dtype=np.int64)
    return float(partial_bound(a, rest, new_tree(a, rest), nothing, 0))


def lower_bound(problem: PartitionProblem) -> float:
    """Bound on the objective from critical paths, work and the cheapest of each layer.

    Infinite where memory, a limit or a missing node already rules everything out.
    """
    if not problem.costs().allowed.any(axis=1).all():
        return math.inf
    a = arrays_of(problem, objective_weights(problem))
    return _root_bound(a, _rest(problem, a))


def _rest(problem: PartitionProblem, a: Arrays) -> Rest:
    costs = problem.costs()
    count = costs.num_layers

    def least(table: Floats) -> Floats:
        cheapest = np.where(costs.allowed, table, np.inf).min(axis=1)
        return np.concatenate([np.cumsum(cheapest[::-1])[::-1], [0.0]])

    # With multicast the input is paid once per node, so its share of a layer may be nothing.
    alone = not (problem.multicast and costs.input_index >= 0 and len(costs.sources) > 1)
    extra = {k: costs.in_out(k) if alone else 0.0 for k in ("bandwidth", "energy")}
    share, constant = load_shares(costs)
    fastest = np.where(costs.allowed, costs.compute_s, np.inf).min(axis=1)
    longest = np.concatenate([np.maximum.accumulate(fastest[::-1])[::-1], [0.0]])
    before = np.full(costs.num_nodes, -1, dtype=np.int64)
    for group in node_classes(problem):
        before[group[1:]] = group[:-1]
    later = a.piece_edges.max(axis=1, initial=0)
    piece_at = np.searchsorted(later, np.arange(count + 1))
    return Rest(
        tail_s=tails(problem),
        weight=np.concatenate([np.cumsum(costs.weight_bytes[::-1])[::-1], [0.0]]),
        joules=least(costs.compute_j + extra["energy"]),
        scarce=least(np.zeros_like(costs.compute_j) + extra["bandwidth"]),
        share_s=share,
        shared_s=least(share) * (1 - 1e-9) - constant,
        longest_s=longest,
        least_s=TimeBounds.of(problem).least,
        before=before,
        piece_at=piece_at.astype(np.int64),
        loads=bool(a.price[3] > 0 or np.isfinite(a.limit[3]) or a.repeats > 0),
    )
