"""One request as a sequence of steps: who computes when, what travels when, and what it waits for.

The clock is that of `evaluate`: a node runs its layers one at a time in their order, a transfer
starts when its layer ends, crosses its route hop by hop and occupies neither node. The critical
path is the chain of steps without a pause between them that ends with the last one; its parts
therefore add up to the latency exactly.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from .solution import Partition

#: Parts of a latency, as `latency_parts` names them.
PARTS = (
    "ground_compute",
    "orbital_compute",
    "uplink",
    "downlink",
    "isl",
    "terrestrial",
    "propagation",
    "micro_batches",
)


@dataclass(frozen=True, slots=True)
class Step:
    """A layer's run on a node, or one hop of a tensor.

    Attributes
    ----------
    source, target : str
        Nodes; equal for a run.
    tensor : int
        Layer that runs or whose output travels; L for the model's input, L + 1 for its output.
    start_s, end_s : float
        From the arrival of the request.
    propagation_s : float
        Share of a hop that is the link's latency; the rest is transmission.
    backward : bool
        Whether it belongs to the backward pass of a training step.
    """

    source: str
    target: str
    tensor: int
    start_s: float
    end_s: float
    propagation_s: float = 0.0
    backward: bool = False

    @property
    def is_compute(self) -> bool:
        """Whether this is a layer's run rather than a hop."""
        return self.source == self.target


@dataclass(slots=True)
class _Clock:
    """Steps so far, each with the step that it waited for (-1: the arrival of the request)."""

    steps: list[Step]
    after: list[int]

    def end(self, step: int) -> float:
        return self.steps[step].end_s if step >= 0 else 0.0

    def add(self, step: Step, after: int) -> int:
        self.steps.append(step)
        self.after.append(after)
        return len(self.steps) - 1

    def latest(self, candidates: Iterable[int]) -> int:
        return max(candidates, key=self.end, default=-1)


def timeline(partition: Partition) -> tuple[Step, ...]:
    """Every step of one request (in training of one micro-batch), in the order of simulation.

    Parameters
    ----------
    partition : Partition
        Where a stage is replicated, the request takes the first node of each.

    Returns
    -------
    tuple of Step
        Hops of routes that do not exist are left out.
    """
    return tuple(_simulate(partition)[0].steps)


def critical_path(partition: Partition) -> tuple[Step, ...]:
    """Return the steps that decide when the request is answered, in order and without a pause."""
    clock, last = _simulate(partition)
    path = []
    while last >= 0:
        path.append(clock.steps[last])
        last = clock.after[last]
    return tuple(path[::-1])


def latency_parts(partition: Partition) -> dict[str, float]:
    """Split a latency into seconds of each of `PARTS`; they sum to it.

    Transmission counts by the kind of link (uplink: ground to orbit; downlink; isl: between
    orbital nodes; terrestrial: between ground nodes), the links' latencies as propagation, and
    in training what comes after the first micro-batch as micro_batches.
    """
    problem = partition.problem
    kind = {node.name: node.kind for node in problem.network.nodes}
    names = {
        ("ground", "orbital"): "uplink",
        ("orbital", "ground"): "downlink",
        ("orbital", "orbital"): "isl",
        ("ground", "ground"): "terrestrial",
    }
    parts = dict.fromkeys(PARTS, 0.0)
    for step in critical_path(partition):
        spent = step.end_s - step.start_s
        if step.is_compute:
            parts[f"{kind[step.source]}_compute"] += spent
        else:
            parts[names[kind[step.source], kind[step.target]]] += spent - step.propagation_s
            parts["propagation"] += step.propagation_s
    if problem.training is not None:
        batches = problem.training.micro_batches - 1
        parts["micro_batches"] = batches * partition.evaluation.throughput
    return parts


def _simulate(partition: Partition) -> tuple[_Clock, int]:
    """Run one request; return all steps and the number of the last one."""
    problem = partition.problem
    costs, count = problem.costs(), problem.profile.num_layers
    index = {node.name: k for k, node in enumerate(problem.network.nodes)}
    node = [index[name] for name in partition.node_of_layer]
    clock = _Clock([], [])
    before: list[list[int]] = [[] for _ in range(count)]
    behind: list[list[int]] = [[] for _ in range(count)]
    for i, j in costs.edges.tolist():
        before[j].append(i)
        behind[i].append(j)
    sinks = set(costs.sinks.tolist())
    sources = set(costs.sources.tolist())

    free: dict[int, int] = {}
    ran: list[int] = []
    for i in range(count):
        inputs = [_travel(partition, clock, ran[j], j, node[j], node[i]) for j in before[i]]
        if i in sources and costs.input_index >= 0:
            inputs.append(_travel(partition, clock, -1, count, costs.input_index, node[i]))
        ran.append(_run(partition, clock, i, node[i], [*inputs, free.get(node[i], -1)], 1.0))
        free[node[i]] = ran[i]
    outputs = {i: ran[i] for i in sinks}
    if costs.output_index >= 0:
        for i in sinks:
            outputs[i] = _travel(partition, clock, ran[i], count + 1, node[i], costs.output_index)
    if problem.training is None:
        return clock, clock.latest(outputs.values())

    factor = problem.training.backward_flops
    done: dict[int, int] = {}
    for i in range(count - 1, -1, -1):
        inputs = [
            _travel(partition, clock, done[j], i, node[j], node[i], backward=True)
            for j in behind[i]
        ]
        if i in sinks:
            gradient = outputs[i]
            if costs.output_index >= 0:
                where = costs.output_index
                gradient = _travel(
                    partition, clock, gradient, count + 1, where, node[i], backward=True
                )
            inputs.append(gradient)
        done[i] = _run(
            partition, clock, i, node[i], [*inputs, free[node[i]]], factor, backward=True
        )
        free[node[i]] = done[i]
    return clock, clock.latest(done.values())


def _run(
    partition: Partition,
    clock: _Clock,
    layer: int,
    node: int,
    needs: list[int],
    factor: float,
    *,
    backward: bool = False,
) -> int:
    after = clock.latest(needs)
    start = clock.end(after)
    spent = factor * float(partition.problem.costs().forward_s[layer, node])
    name = partition.problem.network.nodes[node].name
    return clock.add(Step(name, name, layer, start, start + spent, 0.0, backward), after)


def _travel(
    partition: Partition,
    clock: _Clock,
    after: int,
    tensor: int,
    source: int,
    target: int,
    *,
    backward: bool = False,
) -> int:
    """Send a tensor along its route; return its last hop, or `after` where it stays."""
    costs = partition.problem.costs()
    size = float(costs.sizes_bytes[tensor])
    for number in costs.routes.links(tensor, source, target):
        link = partition.problem.network.links[number]
        start = clock.end(after)
        end = start + link.latency_s
        if np.isfinite(link.rate_bps):
            end += 8.0 * size / link.rate_bps
        hop = Step(link.source, link.target, tensor, start, end, link.latency_s, backward)
        after = clock.add(hop, after)
    return after
