"""The judge: what a placement costs, computed from the problem's data and nothing else.

No solver's number is trusted: `Partition` calls this for its objective and its violations.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .. import checks

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .problem import PartitionProblem

    Floats = NDArray[np.float64]

Replicas = Sequence[tuple[int, ...]]


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """What one placement costs.

    Attributes
    ----------
    latency : float
        Seconds from the request to the last byte at the output node; in training of a whole step.
    bandwidth : float
        Bytes times scarce hops per request.
    energy : float
        Joules per request.
    throughput : float
        Seconds per request of the most loaded node or link.
    node_load_s, link_load_s : ndarray, shapes (N,) and (num_links,)
        Busy seconds per request.
    memory_bytes : ndarray, shape (N,)
        Used on each node.
    start_s, finish_s : ndarray, shape (L,)
        Forward pass of each layer.
    cut_edges : tuple of (int, int)
        Edges whose ends differ.
    """

    latency: float
    bandwidth: float
    energy: float
    throughput: float
    node_load_s: Floats
    link_load_s: Floats
    memory_bytes: Floats
    start_s: Floats
    finish_s: Floats
    cut_edges: tuple[tuple[int, int], ...]

    def value(self, problem: PartitionProblem, objective: str | None = None) -> float:
        """Value of an objective (the problem's own unless named), in SI units."""
        name = problem.objective if objective is None else objective
        if name != "balance":
            return float(getattr(self, name))
        if problem.reference is None:
            checks.fail(
                "PartitionProblem.reference",
                None,
                "the scale of each objective for 'balance' (orbweave.solve fills it in)",
            )
        return float(
            sum(
                weight * getattr(self, single) / problem.reference[single]
                for single, weight in problem.balance_weights.items()
            )
        )


def evaluate(problem: PartitionProblem, replicas: Replicas) -> Evaluation:
    """Judge a placement.

    Parameters
    ----------
    problem : PartitionProblem
    replicas : sequence of tuples of int, length L
        Nodes of each layer: one, or several that take requests in turn (every pair of replicas
        of two stages then carries an equal share; latency follows the first of each).

    Returns
    -------
    Evaluation
    """
    costs = problem.costs()
    first = np.array([nodes[0] for nodes in replicas], dtype=np.int64)
    share = [1.0 / len(nodes) for nodes in replicas]
    cut = tuple((i, j) for i, j in costs.edges.tolist() if replicas[i] != replicas[j])

    node_load = np.zeros(costs.num_nodes)
    link_load = np.zeros(len(problem.network.links))
    weight = np.zeros(costs.num_nodes)
    largest = np.zeros(costs.num_nodes)
    energy = 0.0
    for i in range(costs.num_layers):
        for node in replicas[i]:
            node_load[node] += costs.compute_s[i, node] * share[i]
            weight[node] += costs.weight_bytes[i]
            largest[node] = max(largest[node], costs.activation_bytes[i])
            energy += costs.compute_j[i, node] * share[i]

    rates = np.array([link.rate_bps for link in problem.network.links], dtype=np.float64)
    bandwidth = 0.0
    for tensor, source, target, part in _transfers(problem, replicas):
        bandwidth += part * costs.transfer_bytes[tensor, source, target]
        energy += part * costs.transfer_j[tensor, source, target]
        bits = 8.0 * costs.sizes_bytes[tensor] * part
        ways = [(source, target)]
        if problem.training is not None and tensor != costs.num_layers:
            ways.append((target, source))
        for a, b in ways:
            for link in costs.routes.links(tensor, a, b):
                link_load[link] += bits / rates[link]
    for (node, _), bits in _io_bits(problem, replicas).items():
        node_load[node] += bits / problem.network.nodes[node].io_rate_bps
    if problem.training is not None:
        _add_all_reduce(problem, replicas, link_load, rates)

    busiest = max(float(node_load.max()), float(link_load.max(initial=0.0)))
    if not np.isfinite(bandwidth):
        busiest = np.inf
    start, finish, latency = _timeline(problem, first)
    if problem.training is not None:
        latency += (problem.training.micro_batches - 1) * busiest
    return Evaluation(
        latency=float(latency),
        bandwidth=float(bandwidth),
        energy=float(energy),
        throughput=float(busiest),
        node_load_s=node_load,
        link_load_s=link_load,
        memory_bytes=weight + largest,
        start_s=start,
        finish_s=finish,
        cut_edges=cut,
    )


def _transfers(
    problem: PartitionProblem, replicas: Replicas
) -> Iterator[tuple[int, int, int, float]]:
    """Yield (tensor, from, to, share of requests) for everything that changes nodes."""
    costs = problem.costs()
    seen: set[tuple[int, int, tuple[int, ...]]] = set()

    def once(tensor: int, producer: int, group: tuple[int, ...]) -> bool:
        """With multicast, whether this tensor goes to that group for the first time."""
        key = (tensor, producer, group)
        if not problem.multicast:
            return True
        if key in seen:
            return False
        seen.add(key)
        return True

    for i, j in costs.edges.tolist():
        a, b = replicas[i], replicas[j]
        if a != b and once(i, i, b):
            for u in a:
                for v in b:
                    if u != v:
                        yield i, u, v, 1.0 / (len(a) * len(b))
    if costs.input_index >= 0:
        for i in costs.sources.tolist():
            if once(costs.num_layers, -1, replicas[i]):
                for v in replicas[i]:
                    if v != costs.input_index:
                        yield costs.num_layers, costs.input_index, v, 1.0 / len(replicas[i])
    if costs.output_index >= 0:
        for i in costs.sinks.tolist():
            for u in replicas[i]:
                if u != costs.output_index:
                    yield costs.num_layers + 1, u, costs.output_index, 1.0 / len(replicas[i])


def _io_bits(problem: PartitionProblem, replicas: Replicas) -> dict[tuple[int, str], float]:
    """Bits that each node moves in and out while busy with them, where its io rate is finite.

    A producer sends once however many nodes read it (to host memory), with `multicast`; each
    reading node fetches it once. Without multicast every edge pays at both ends.
    """
    bits: dict[tuple[int, str], float] = defaultdict(float)
    if not np.isfinite(problem.network.column("io_rate_bps")).any():
        return bits
    costs = problem.costs()
    sent: set[tuple[int, int]] = set()
    twice = 2.0 if problem.training is not None else 1.0
    for tensor, source, target, part in _transfers(problem, replicas):
        amount = 8.0 * costs.sizes_bytes[tensor] * part
        amount *= 1.0 if tensor == costs.num_layers else twice
        bits[target, "in"] += amount
        key = (tensor, source)
        if problem.multicast and key in sent and tensor < costs.num_layers:
            continue
        sent.add(key)
        bits[source, "out"] += amount
    return bits


def _add_all_reduce(
    problem: PartitionProblem, replicas: Replicas, link_load: Floats, rates: Floats
) -> None:
    """Ring all-reduce of the gradients of replicated stages, once per step (Patarasuk 2009)."""
    training, costs = problem.training, problem.costs()
    weights = problem.profile.column("weight_bytes")
    stages: dict[tuple[int, ...], float] = defaultdict(float)
    for i, nodes in enumerate(replicas):
        if len(nodes) > 1:
            stages[nodes] += weights[i]
    for nodes, held in stages.items():
        if training is None:
            return
        r = len(nodes)
        bits = 8.0 * held * training.gradient_bytes * 2 * (r - 1) / r / training.micro_batches
        for k in range(r):
            size = costs.num_layers  # the route of the input's size stands for long transfers
            for link in costs.routes.links(size, nodes[k], nodes[(k + 1) % r]):
                link_load[link] += bits / rates[link]


def _timeline(problem: PartitionProblem, node: NDArray[np.int64]) -> tuple[Floats, Floats, float]:
    """Forward start and finish of every layer and the end of the pass.

    A node takes its layers in the order of `layers` (in the backward pass in reverse), each when
    its inputs have arrived and the one before is done.
    """
    costs = problem.costs()
    count = costs.num_layers
    way = costs.way_s
    start, finish = np.zeros(count), np.zeros(count)
    free = np.zeros(costs.num_nodes)
    ready = np.zeros(count)
    if costs.input_index >= 0:
        for i in costs.sources:
            ready[i] = way[-2, costs.input_index, node[i]]
    successors: list[list[int]] = [[] for _ in range(count)]
    for i, j in costs.edges.tolist():
        successors[i].append(j)
    for i in range(count):
        start[i] = max(ready[i], free[node[i]])
        finish[i] = free[node[i]] = start[i] + costs.forward_s[i, node[i]]
        for j in successors[i]:
            ready[j] = max(ready[j], finish[i] + way[i, node[i], node[j]])
    out = np.zeros(count)
    back = np.zeros(count)
    if costs.output_index >= 0:
        out[costs.sinks] = way[-1, node[costs.sinks], costs.output_index]
        back[costs.sinks] = way[-1, costs.output_index, node[costs.sinks]]
    if problem.training is None:
        return start, finish, float((finish + out)[costs.sinks].max())
    factor = problem.training.backward_flops
    ready = np.where(np.isin(np.arange(count), costs.sinks), finish + out + back, 0.0)
    ended = np.zeros(count)
    for i in range(count - 1, -1, -1):
        for j in successors[i]:
            ready[i] = max(ready[i], ended[j] + way[i, node[j], node[i]])
        began = max(ready[i], free[node[i]])
        ended[i] = free[node[i]] = began + factor * costs.forward_s[i, node[i]]
    return start, finish, float(ended.max())
