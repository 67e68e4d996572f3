"""Seeded benchmark instances, the same for every benchmark of the partition problem."""

from __future__ import annotations

import numpy as np

from orbweave.formulations.network import Link, Network, Node
from orbweave.formulations.partition import PartitionProblem
from orbweave.formulations.profile import LayerProfile, ModelProfile


def chain_instance(
    layers: int,
    nodes: int,
    seed: int = 0,
    slack: float | None = 1.3,
    classes: int | None = None,
    objective: str = "latency",
) -> PartitionProblem:
    """Build a chain of uneven layers over uneven nodes joined by a ring with chords.

    Parameters
    ----------
    layers, nodes : int
    seed : int
    slack : float, optional
        Memory of all nodes together over what the model needs; None: no memory limit.
    classes : int, optional
        That many kinds of identical nodes (`nodes` divides by it) instead of distinct ones; the
        ring with chords then joins kinds: all nodes of neighbouring kinds, and each kind's own.
    objective : str

    Notes
    -----
    Speeds are spread over a factor of eight (log-uniform), memories over a factor of four, layer
    sizes over a factor of four, activations over a factor of ten.
    """
    rng = np.random.default_rng(seed)
    kinds = nodes if classes is None else classes
    if nodes % kinds:
        raise ValueError(f"nodes = {nodes}: expected a multiple of classes = {kinds}")
    weight = np.round(rng.uniform(0.5, 2.0, layers) * 1e9)
    flops = np.round(weight * rng.uniform(1.0, 3.0, layers) * 64)
    activation = np.round(10 ** rng.uniform(5.5, 6.5, layers))
    speed = 10 ** rng.uniform(12.0, 12.9, kinds)
    memory = rng.uniform(0.5, 2.0, kinds)
    need = weight.sum() + activation.max()
    # No node may be smaller than the largest layer, or slack says little about what fits.
    memory = np.maximum(memory / memory.sum() * need * (slack or 1.0) * kinds / nodes, 2.2e9)
    sites = [
        Node(
            f"node-{k}",
            "orbital" if (k % kinds) % 4 else "ground",
            flop_per_s=float(speed[k % kinds]),
            memory_bytes=float(np.round(memory[k % kinds])) if slack else float("inf"),
            joules_per_flop=float((k % kinds + 1) * 1e-12),
        )
        for k in range(nodes)
    ]
    pairs = {(a, (a + 1) % kinds) for a in range(kinds)}
    pairs |= {(a, (a + max(2, kinds // 4)) % kinds) for a in range(0, kinds, 2)}
    if classes is not None:
        pairs |= {(a, a) for a in range(kinds)}
    links: dict[tuple[int, int], Link] = {}
    for a, b in sorted(pairs):
        for low, high in {(a, b), (b, a)}:
            rate = float(np.round(10 ** rng.uniform(8.3, 9.7)))
            latency = float(rng.uniform(0.001, 0.02))
            for u in range(low, nodes, kinds):
                for v in range(high, nodes, kinds):
                    if u != v:
                        links[u, v] = Link(f"node-{u}", f"node-{v}", rate, latency, 1e-9)
    profile = ModelProfile(
        tuple(
            LayerProfile(
                f"layer-{i}",
                int(weight[i] // 2),
                float(weight[i]),
                float(flops[i]),
                float(activation[i]),
            )
            for i in range(layers)
        ),
        input_bytes=2e6,
        output_bytes=4e5,
        name=f"chain-{layers}",
    )
    return PartitionProblem(
        profile,
        Network(tuple(sites), tuple(links.values())),
        objective=objective,
        input_node="node-0",
        output_node="node-0",
    )
