"""Enumeration: every placement of a small problem, judged by arithmetic of its own.

Knows nothing of the library's routes, costs or evaluation: routes are the best of all simple
paths, placements are rows of one array, and every rule of the problem is written out again here.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

import orbweave as ow

SINGLES = ("latency", "bandwidth", "energy", "throughput")


def simple_paths(network: ow.Network, source: int, target: int) -> list[list[int]]:
    """Every path without a repeated node, as link numbers."""
    names = [node.name for node in network.nodes]
    ends = [(names.index(row.source), names.index(row.target)) for row in network.links]
    found: list[list[int]] = []

    def walk(node: int, seen: frozenset[int], path: list[int]) -> None:
        if node == target:
            found.append(path)
            return
        for k, (a, b) in enumerate(ends):
            if a == node and b not in seen:
                walk(b, seen | {b}, [*path, k])

    walk(source, frozenset({source}), [])
    return found


def best_path(network: ow.Network, source: int, target: int, size: float) -> list[int] | None:
    """Quickest store-and-forward path for `size` bytes; None where there is none."""

    def key(path: list[int]) -> tuple[float, int]:
        rows = [network.links[k] for k in path]
        return sum(size * 8 / row.rate_bps + row.latency_s for row in rows), len(path)

    paths = simple_paths(network, source, target)
    return min(paths, key=key) if paths else None


@dataclass
class Enumeration:
    """All placements with their values and which of them are allowed."""

    placements: np.ndarray
    values: dict[str, np.ndarray]
    feasible: np.ndarray

    def best(self, objective: str) -> float:
        """Optimal value, infinite where nothing is feasible."""
        return float(np.min(self.values[objective], where=self.feasible, initial=np.inf))

    def balance(self, weights: dict[str, float], reference: dict[str, float]) -> np.ndarray:
        return np.asarray(sum(w * self.values[k] / reference[k] for k, w in weights.items()))


def enumerate_placements(problem: ow.PartitionProblem) -> Enumeration:
    """Judge every placement of a problem (num_nodes ** num_layers rows)."""
    profile, network = problem.profile, problem.network
    count, width = profile.num_layers, len(network.nodes)
    rows = np.array(list(itertools.product(range(width), repeat=count)), dtype=np.int64)
    total = len(rows)
    train = problem.training
    names = [node.name for node in network.nodes]
    mixed = len({node.kind for node in network.nodes}) > 1
    kinds = {node.name: node.kind for node in network.nodes}
    edges = profile.edges
    if edges is None:
        edges = tuple((i, i + 1) for i in range(count - 1))
    sources = [i for i in range(count) if all(j != i for _, j in edges)]
    sinks = [i for i in range(count) if all(j != i for j, _ in edges)]

    forward = np.array(
        [[row.flops / node.flop_per_s for node in network.nodes] for row in profile.layers]
    )
    if problem.compute_s is not None:
        forward = np.asarray(problem.compute_s)
    factor = 1.0 + (train.backward_flops if train else 0.0)

    tensor_bytes = [row.activation_bytes for row in profile.layers]
    tensor_bytes += [profile.input_bytes, profile.output_bytes]
    time = np.full((count + 2, width, width), np.inf)
    paths: dict[tuple[int, int, int], list[int]] = {}
    for tensor, size in enumerate(tensor_bytes):
        for u, v in itertools.product(range(width), repeat=2):
            path = [] if u == v else best_path(network, u, v, size)
            if path is not None:
                paths[tensor, u, v] = path
                links = [network.links[k] for k in path]
                time[tensor, u, v] = sum(size * 8 / row.rate_bps + row.latency_s for row in links)

    bandwidth, energy = np.zeros(total), np.zeros(total)
    link_load = np.zeros((len(network.links), total))
    io_load = np.zeros((width, total))
    feasible = np.ones(total, dtype=bool)

    def carry(tensor: int, u: int, v: int, mask: np.ndarray, *, returns: bool) -> None:
        ways = [(u, v), (v, u)] if returns and train else [(u, v)]
        for a, b in ways:
            if (tensor, a, b) not in paths:
                feasible[mask] = False
                continue
            for k in paths[tensor, a, b]:
                row = network.links[k]
                if not mixed or kinds[row.source] != kinds[row.target]:
                    bandwidth[mask] += tensor_bytes[tensor]
                energy[mask] += tensor_bytes[tensor] * 8 * row.joules_per_bit
                link_load[k, mask] += tensor_bytes[tensor] * 8 / row.rate_bps

    def busy(node: int, tensor: int, mask: np.ndarray, *, returns: bool) -> None:
        seconds = tensor_bytes[tensor] * 8 / network.nodes[node].io_rate_bps
        io_load[node, mask] += seconds * (2 if returns and train else 1)

    for i in range(count):
        for u, v in itertools.permutations(range(width), 2):
            here = rows[:, i] == u
            readers = [here & (rows[:, j] == v) for a, j in edges if a == i]
            if problem.multicast and readers:
                readers = [np.any(readers, axis=0)]
            for mask in readers:
                carry(i, u, v, mask, returns=True)
                busy(v, i, mask, returns=True)
                if not problem.multicast:
                    busy(u, i, mask, returns=True)
        if problem.multicast:
            for u in range(width):
                others = [(rows[:, i] == u) & (rows[:, j] != u) for a, j in edges if a == i]
                if others:
                    busy(u, i, np.any(others, axis=0), returns=True)
    if problem.input_node is not None:
        home = names.index(problem.input_node)
        for v in range(width):
            readers = [rows[:, i] == v for i in sources]
            if problem.multicast:
                readers = [np.any(readers, axis=0)]
            for mask in readers:
                if v != home:
                    carry(count, home, v, mask, returns=False)
                    busy(home, count, mask, returns=False)
                    busy(v, count, mask, returns=False)
    if problem.output_node is not None:
        home = names.index(problem.output_node)
        for i in sinks:
            for u in range(width):
                if u != home:
                    mask = rows[:, i] == u
                    carry(count + 1, u, home, mask, returns=True)
                    busy(home, count + 1, mask, returns=True)
                    busy(u, count + 1, mask, returns=True)

    everyone = np.arange(total)
    node_load = io_load
    weight, largest = np.zeros((width, total)), np.zeros((width, total))
    for i, row in enumerate(profile.layers):
        held = row.weight_bytes + row.state_bytes
        if train:
            held += row.weight_bytes * (train.gradient_bytes + train.optimizer_bytes)
        node_load[rows[:, i], everyone] += forward[i, rows[:, i]] * factor
        weight[rows[:, i], everyone] += held
        at = largest[rows[:, i], everyone]
        largest[rows[:, i], everyone] = np.maximum(at, row.activation_bytes)
        joules = np.array([row.flops * node.joules_per_flop for node in network.nodes])
        energy += joules[rows[:, i]] * factor
    bottleneck = np.maximum(node_load.max(axis=0), link_load.max(axis=0, initial=0.0))

    latency = _latency(problem, rows, edges, sources, sinks, forward, time)
    if train:
        latency = latency + (train.micro_batches - 1) * bottleneck
    feasible &= np.isfinite(latency) & np.isfinite(bottleneck)
    for n, node in enumerate(network.nodes):
        feasible &= weight[n] + largest[n] <= node.memory_bytes * (1 + 1e-9)
    feasible &= _structure(problem, rows, edges, names)
    values = {
        "latency": latency,
        "bandwidth": bandwidth,
        "energy": energy,
        "throughput": bottleneck,
    }
    for key, limit in problem.limits.items():
        feasible &= values[key] <= limit * (1 + 1e-9)
    return Enumeration(rows, values, feasible)


def _structure(
    problem: ow.PartitionProblem, rows: np.ndarray, edges: Any, names: list[str]
) -> np.ndarray:
    """Pins, prohibitions, co-location, cuts and contiguity of every placement."""
    good = np.ones(len(rows), dtype=bool)
    for i, (name,) in problem.pinned.items():
        good &= rows[:, i] == names.index(name)
    for i, nodes in problem.forbidden.items():
        good &= ~np.isin(rows[:, i], [names.index(name) for name in nodes])
    for group in problem.colocated:
        for i in group:
            good &= rows[:, i] == rows[:, group[0]]
    cuts = sum((rows[:, i] != rows[:, j]).astype(int) for i, j in edges)
    if problem.max_cuts is not None:
        good &= cuts <= problem.max_cuts
    if problem.contiguous:
        width = len(names)
        reach = np.zeros((len(rows), width, width), dtype=bool)
        everyone = np.arange(len(rows))
        for i, j in edges:
            reach[everyone, rows[:, i], rows[:, j]] |= rows[:, i] != rows[:, j]
        for via in range(width):
            reach |= reach[:, :, via, None] & reach[:, via, None, :]
        good &= ~reach[:, range(width), range(width)].any(axis=1)
    return good


def _latency(
    problem: ow.PartitionProblem,
    rows: np.ndarray,
    edges: Any,
    sources: list[int],
    sinks: list[int],
    forward: np.ndarray,
    time: np.ndarray,
) -> np.ndarray:
    """End of the pass for every placement: nodes take layers one at a time in listed order."""
    total, count = rows.shape
    width = forward.shape[1]
    everyone = np.arange(total)
    names = [node.name for node in problem.network.nodes]
    free = np.zeros((width, total))
    finish = np.zeros((count, total))
    for i in range(count):
        ready = np.zeros(total)
        if problem.input_node is not None and i in sources:
            ready = time[count, names.index(problem.input_node), rows[:, i]]
        for a, j in edges:
            if j == i:
                ready = np.maximum(ready, finish[a] + time[a, rows[:, a], rows[:, i]])
        begin = np.maximum(ready, free[rows[:, i], everyone])
        finish[i] = begin + forward[i, rows[:, i]]
        free[rows[:, i], everyone] = finish[i]
    home = None if problem.output_node is None else names.index(problem.output_node)
    if problem.training is None:
        ends = [
            finish[i] + (0.0 if home is None else time[count + 1, rows[:, i], home]) for i in sinks
        ]
        return np.asarray(np.max(ends, axis=0))
    ended = np.zeros((count, total))
    for i in reversed(range(count)):
        ready = np.zeros(total)
        if i in sinks:
            ready = finish[i]
            if home is not None:
                ready = (
                    ready + time[count + 1, rows[:, i], home] + time[count + 1, home, rows[:, i]]
                )
        for a, j in edges:
            if a == i:
                ready = np.maximum(ready, ended[j] + time[i, rows[:, j], rows[:, i]])
        begin = np.maximum(ready, free[rows[:, i], everyone])
        ended[i] = begin + problem.training.backward_flops * forward[i, rows[:, i]]
        free[rows[:, i], everyone] = ended[i]
    return np.asarray(ended.max(axis=0))


def random_problem(seed: int, *, most_layers: int = 8, most_nodes: int = 4) -> ow.PartitionProblem:
    """A seeded random chain or DAG with a random mix of constraints."""
    rng = np.random.default_rng(seed)
    count = int(rng.integers(1, most_layers + 1))
    width = int(rng.integers(2, most_nodes + 1))
    layers = [
        ow.LayerProfile(
            f"layer{i}",
            int(rng.integers(0, 1000)),
            weight_bytes=float(rng.uniform(0.1, 1) * 1e9),
            flops=float(rng.uniform(0.05, 1) * 1e11),
            activation_bytes=float(rng.uniform(0.01, 1) * 1e7),
            state_bytes=float(rng.uniform(0, 0.2) * 1e9),
        )
        for i in range(count)
    ]
    edges = None
    if rng.random() < 0.5:
        pairs = [(i, j) for i in range(count) for j in range(i + 1, count)]
        edges = tuple(pair for pair in pairs if rng.random() < 0.35)
    profile = ow.ModelProfile(
        tuple(layers),
        edges,
        input_bytes=float(rng.uniform(0, 1e7)),
        output_bytes=float(rng.uniform(0, 1e6)),
    )
    total_bytes = sum(row.weight_bytes + row.state_bytes for row in layers)
    total_bytes += max(row.activation_bytes for row in layers)
    training = None
    if rng.random() < 0.2:
        training = ow.Training(micro_batches=int(rng.integers(1, 4)))
        total_bytes *= 4
    limited = rng.random() < 0.5
    nodes = [
        ow.Node(
            f"node{n}",
            "ground" if rng.random() < 0.5 else "orbital",
            flop_per_s=float(rng.uniform(0.2, 2) * 1e12),
            memory_bytes=float(rng.uniform(0.3, 1.5) * total_bytes / width * 1.6)
            if limited
            else float("inf"),
            joules_per_flop=float(rng.uniform(1, 5) * 1e-12),
        )
        for n in range(width)
    ]
    links = [
        ow.Link(
            f"node{a}",
            f"node{b}",
            rate_bps=float(10 ** rng.uniform(7.5, 10)),
            latency_s=float(rng.uniform(1e-3, 3e-2)),
            joules_per_bit=float(rng.uniform(0, 1e-7)),
        )
        for a in range(width)
        for b in range(width)
        if a != b and rng.random() > 0.15
    ]
    # Accelerators behind a bus, in some cases: moving a tensor keeps the node itself busy.
    slow = np.random.default_rng([seed, 1])
    if slow.random() < 0.2:
        rates = [float(10 ** slow.uniform(8, 10)) if slow.random() < 0.7 else np.inf for _ in nodes]
        nodes = [replace(n, io_rate_bps=rate) for n, rate in zip(nodes, rates, strict=True)]
    name = [f"node{n}" for n in range(width)]

    def some_node() -> str | None:
        return str(rng.choice(name)) if rng.random() < 0.6 else None

    pinned = {int(rng.integers(count)): (str(rng.choice(name)),)} if rng.random() < 0.2 else {}
    forbidden = {int(rng.integers(count)): (str(rng.choice(name)),)} if rng.random() < 0.2 else {}
    colocated: tuple[tuple[int, ...], ...] = ()
    if count > 2 and rng.random() < 0.15:
        colocated = (tuple(int(i) for i in rng.choice(count, 2, replace=False)),)
    return ow.PartitionProblem(
        profile,
        ow.Network(tuple(nodes), tuple(links)),
        input_node=some_node(),
        output_node=some_node(),
        pinned=pinned,
        forbidden=forbidden,
        max_cuts=int(rng.integers(0, 4)) if rng.random() < 0.25 else None,
        contiguous=bool(rng.random() < 0.5),
        training=training,
        colocated=colocated,
        multicast=bool(edges is not None and rng.random() < 0.3),
    )
