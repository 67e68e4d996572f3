"""One request as a sequence of steps: who computes when, and what travels when.

The clock is that of `evaluate`: a node runs its layers one at a time in their order, a transfer
starts when its layer ends, crosses its route hop by hop and occupies neither node. Pictures of a
plan are drawn from this; `breakdown` adds up where the latency goes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .solution import Partition


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

    Notes
    -----
    O(L + E) for L layers and E edges, plus the hops of every route taken.
    """
    problem = partition.problem
    costs, count = problem.costs(), problem.profile.num_layers
    node = [problem.network.index(name) for name in partition.node_of_layer]
    clock = _Clock(partition, [])
    before: list[list[int]] = [[] for _ in range(count)]
    behind: list[list[int]] = [[] for _ in range(count)]
    for i, j in costs.edges.tolist():
        before[j].append(i)
        behind[i].append(j)
    sources, sinks = set(costs.sources.tolist()), set(costs.sinks.tolist())

    free = [0.0] * len(problem.network.nodes)
    ended: list[float] = []
    for i in range(count):
        arrivals = [clock.travel(ended[j], j, node[j], node[i]) for j in before[i]]
        if i in sources and costs.input_index >= 0:
            arrivals.append(clock.travel(0.0, count, costs.input_index, node[i]))
        start = max([*arrivals, free[node[i]]])
        ended.append(clock.run(start, i, node[i], 1.0))
        free[node[i]] = ended[i]
    answered = list(ended)
    if costs.output_index >= 0:
        for i in sinks:
            answered[i] = clock.travel(ended[i], count + 1, node[i], costs.output_index)
    if problem.training is None:
        return tuple(clock.steps)

    clock.backward = True
    for i in range(count - 1, -1, -1):
        arrivals = [clock.travel(ended[j], i, node[j], node[i]) for j in behind[i]]
        if i in sinks and costs.output_index >= 0:
            arrivals.append(clock.travel(answered[i], count + 1, costs.output_index, node[i]))
        start = max([*arrivals, answered[i], free[node[i]]])
        ended[i] = clock.run(start, i, node[i], problem.training.backward_flops)
        free[node[i]] = ended[i]
    return tuple(clock.steps)


@dataclass(slots=True)
class _Clock:
    """Records steps and says when each ends."""

    partition: Partition
    steps: list[Step]
    backward: bool = False

    def run(self, start: float, layer: int, node: int, factor: float) -> float:
        """Run a layer."""
        problem = self.partition.problem
        end = start + factor * float(problem.costs().forward_s[layer, node])
        name = problem.network.nodes[node].name
        self.steps.append(Step(name, name, layer, start, end, 0.0, self.backward))
        return end

    def travel(self, start: float, tensor: int, source: int, target: int) -> float:
        """Send a tensor along its route, at once where it stays on its node."""
        problem = self.partition.problem
        costs, links = problem.costs(), problem.network.links
        bits = 8.0 * float(costs.sizes_bytes[tensor])
        for k in costs.routes.links(tensor, source, target):
            end = start + bits / links[k].rate_bps + links[k].latency_s
            ends = (links[k].source, links[k].target)
            self.steps.append(Step(*ends, tensor, start, end, links[k].latency_s, self.backward))
            start = end
        return start
