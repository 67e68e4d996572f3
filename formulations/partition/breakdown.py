"""Where the latency of a placement goes: compute, transmission by sort of link, propagation.

The latency is the length of a critical path: a chain of layer runs, each of which began when the
one before it ended (same node) or when a transfer from it arrived. Walking that path back from the
end splits the latency without a remainder; waiting for a busy node is the compute time of the
layer that occupies it. A transfer splits into ``bytes * 8 / rate_bps`` on each hop, by the kinds
of the hop's two ends, and the hops' ``latency_s``.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .. import checks
from .timeline import timeline

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .problem import PartitionProblem
    from .solution import Partition
    from .timeline import Step

#: Which part a hop's transmission time belongs to, by the kinds of its two ends.
HOP_PARTS = {
    ("ground", "orbital"): "uplink_s",
    ("orbital", "ground"): "downlink_s",
    ("orbital", "orbital"): "isl_s",
    ("ground", "ground"): "terrestrial_s",
}


#: The parts of a latency, in the order of a request on its way up and down.
PARTS = (
    "ground_compute_s",
    "orbital_compute_s",
    "uplink_s",
    "downlink_s",
    "propagation_s",
    "isl_s",
    "terrestrial_s",
)


@dataclass(frozen=True, slots=True)
class LayerLatency:
    """One layer's times.

    Attributes
    ----------
    index : int
    name, node : str
    kind : str
        "ground" or "orbital".
    start_s, finish_s : float
        Of the forward pass, from the request.
    compute_s : float
        Time it occupies its node (in training with the backward pass).
    transfer_s : float
        Its slowest incoming transfer (a layer's output, the model's input; in training also a
        gradient) and, for a layer whose output leaves the model, the way to the output node.
    critical_s : float
        What the layer adds to the critical path: its own run and the transfer into it (and out of
        the model) where they lie on it. These sum to the latency of one request.
    """

    index: int
    name: str
    node: str
    kind: str
    start_s: float
    finish_s: float
    compute_s: float
    transfer_s: float
    critical_s: float

    @property
    def total_s(self) -> float:
        """Compute and transfer together; for a chain these sum to the latency."""
        return self.compute_s + self.transfer_s


@dataclass(frozen=True, slots=True)
class LatencyBreakdown:
    """A latency in seven parts that sum to it, and by layer.

    Attributes
    ----------
    ground_compute_s, orbital_compute_s : float
        Layer runs on the critical path, by the kind of their node.
    uplink_s, downlink_s, isl_s, terrestrial_s : float
        Transmission (bytes over rate) on ground to orbital, orbital to ground, orbital to orbital
        and ground to ground hops of the critical path.
    propagation_s : float
        Latencies of those hops.
    layers : tuple of LayerLatency
    """

    ground_compute_s: float
    orbital_compute_s: float
    uplink_s: float
    downlink_s: float
    propagation_s: float
    isl_s: float
    terrestrial_s: float
    layers: tuple[LayerLatency, ...]

    @property
    def total_s(self) -> float:
        """Sum of the seven parts: the latency of the placement."""
        return math.fsum(self.parts.values())

    @property
    def parts(self) -> dict[str, float]:
        """The seven parts by name, in seconds."""
        return {name: getattr(self, name) for name in PARTS}


def break_down(partition: Partition) -> LatencyBreakdown:
    """Split a placement's latency into its parts.

    Parameters
    ----------
    partition : Partition
        With replicated stages the request takes the first replica of each, as the evaluation does.

    Returns
    -------
    LatencyBreakdown
        Its total equals ``partition.evaluation.latency``. In training the repeated micro-batches
        are time of the busiest node (its compute) or link (its transmission), and of no layer.

    Raises
    ------
    InputError
        If the latency is infinite: a transfer has no route, or a layer cannot run where it is.

    Notes
    -----
    O(L + E) for L layers and E edges, plus the hops of every route taken.
    """
    problem, result = partition.problem, partition.evaluation
    if not math.isfinite(result.latency):
        why = next(iter(partition.violations()), "infinite latency")
        checks.fail("partition", why, "a placement whose layers run and whose transfers arrive")
    costs, training = problem.costs(), problem.training
    index = {row.name: k for k, row in enumerate(problem.network.nodes)}
    kind = {row.name: row.kind for row in problem.network.nodes}
    rate = {(row.source, row.target): row.rate_bps for row in problem.network.links}
    parts: defaultdict[str, float] = defaultdict(float)
    critical = np.zeros(problem.profile.num_layers)
    leaving, owner = 0.0, -1
    # Durations come from the data, not from differences of times, which would cancel.
    for step in _critical_path(timeline(partition)):
        if step.is_compute:
            owner = step.tensor
            run = float(costs.forward_s[owner, index[step.source]])
            if step.backward and training is not None:
                run *= training.backward_flops
            parts[f"{kind[step.source]}_compute_s"] += run
            critical[owner] += run + leaving
            leaving = 0.0
            continue
        # The walk meets a transfer after the layer that waited for it; the model's output first.
        sent = 8.0 * float(costs.sizes_bytes[step.tensor]) / rate[step.source, step.target]
        parts[HOP_PARTS[kind[step.source], kind[step.target]]] += sent
        parts["propagation_s"] += step.propagation_s
        if owner < 0:
            leaving += sent + step.propagation_s
        else:
            critical[owner] += sent + step.propagation_s
    _add_repeats(parts, partition)
    rows = _rows(partition, critical)
    return LatencyBreakdown(**{name: float(parts[name]) for name in PARTS}, layers=rows)


def _critical_path(steps: tuple[Step, ...]) -> list[Step]:
    """Steps of a critical path, the last first.

    A step starts exactly when one that it waited for ends, at the node where that one ends, and
    stands after it in the list; whichever is taken, the spans add up to the latest end.
    """
    ends: defaultdict[tuple[str, float], list[int]] = defaultdict(list)
    for k, step in enumerate(steps):
        ends[step.target, step.end_s].append(k)
    latest = max(step.end_s for step in steps)
    k = max(i for i, step in enumerate(steps) if step.end_s == latest)
    path = [steps[k]]
    while True:
        earlier = [i for i in ends[steps[k].source, steps[k].start_s] if i < k]
        if not earlier:
            return path
        k = earlier[-1]
        path.append(steps[k])


def _add_repeats(parts: defaultdict[str, float], partition: Partition) -> None:
    """Add the further micro-batches of a training step: each takes the bottleneck's time."""
    problem, result = partition.problem, partition.evaluation
    if problem.training is None or problem.training.micro_batches == 1:
        return
    kind = {row.name: row.kind for row in problem.network.nodes}
    if result.node_load_s.max() >= result.link_load_s.max(initial=0.0):
        part = f"{problem.network.nodes[int(result.node_load_s.argmax())].kind}_compute_s"
    else:
        link = problem.network.links[int(result.link_load_s.argmax())]
        part = HOP_PARTS[kind[link.source], kind[link.target]]
    parts[part] += (problem.training.micro_batches - 1) * result.throughput


def _rows(partition: Partition, critical: NDArray[np.float64]) -> tuple[LayerLatency, ...]:
    problem, result = partition.problem, partition.evaluation
    index = {name: k for k, name in enumerate(problem.network.node_names)}
    node = np.array([index[name] for name in partition.node_of_layer], dtype=np.int64)
    compute = problem.costs().compute_s[np.arange(len(node)), node]
    transfer = _transfers(problem, node)
    return tuple(
        LayerLatency(
            index=i,
            name=layer.name,
            node=partition.node_of_layer[i],
            kind=problem.network.nodes[node[i]].kind,
            start_s=float(result.start_s[i]),
            finish_s=float(result.finish_s[i]),
            compute_s=float(compute[i]),
            transfer_s=float(transfer[i]),
            critical_s=float(critical[i]),
        )
        for i, layer in enumerate(problem.profile.layers)
    )


def _transfers(problem: PartitionProblem, node: NDArray[np.int64]) -> NDArray[np.float64]:
    """Slowest incoming transfer of each layer, and the way out of those at the end, shape (L,)."""
    costs, way = problem.costs(), problem.costs().way_s
    tail, head = costs.edges[:, 0], costs.edges[:, 1]
    into, back = np.zeros(len(node)), np.zeros(len(node))
    np.maximum.at(into, head, way[tail, node[tail], node[head]])
    if costs.input_index >= 0:
        into[costs.sources] = way[-2, costs.input_index, node[costs.sources]]
    ends = node[costs.sinks]
    if costs.output_index >= 0:
        into[costs.sinks] += way[-1, ends, costs.output_index]
    if problem.training is None:
        return into
    np.maximum.at(back, tail, way[tail, node[head], node[tail]])
    if costs.output_index >= 0:
        back[costs.sinks] = way[-1, costs.output_index, ends]
    return into + back
