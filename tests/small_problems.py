"""Seeded random partition problems in small whole numbers, with every feature of the problem.

Whole numbers make ties and exact fits common, which is where formulations go wrong.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

import orbweave as ow

SINGLES = ("latency", "bandwidth", "energy", "throughput")


def small_problem(
    seed: int, *, chain: bool | None = None, most_layers: int = 5, most_nodes: int = 3, **over: Any
) -> ow.PartitionProblem:
    """One random problem; `over` sets fields of `PartitionProblem`."""
    rng = np.random.default_rng(seed)
    count, width = int(rng.integers(1, most_layers + 1)), int(rng.integers(1, most_nodes + 1))
    if chain is None:
        chain = bool(rng.random() < 0.5)
    layers = tuple(
        ow.LayerProfile(
            f"l{i}",
            1,
            weight_bytes=float(rng.integers(0, 20)),
            flops=float(rng.integers(0, 30)),
            activation_bytes=float(rng.integers(0, 15)),
            state_bytes=float(rng.integers(0, 3)),
        )
        for i in range(count)
    )
    edges = None
    if not chain:
        pairs = itertools.combinations(range(count), 2)
        edges = tuple((i, j) for i, j in pairs if rng.random() < (0.7 if j == i + 1 else 0.3))
    profile = ow.ModelProfile(layers, edges, float(rng.integers(0, 10)), float(rng.integers(0, 10)))
    problem = ow.PartitionProblem(
        profile, _network(rng, width, layers), **{**_options(rng, count, width), **over}
    )
    if rng.random() < 0.3 and "limits" not in over:
        name = str(rng.choice(SINGLES))
        values = sorted(p.values[name] for p in all_placements(problem) if not p.violations())
        if values:
            bound = values[int(rng.integers(len(values)))] * 1.0001 + 1e-6
            problem = problem.replace(limits={name: float(bound)})
    return problem


def _network(
    rng: np.random.Generator, width: int, layers: tuple[ow.LayerProfile, ...]
) -> ow.Network:
    alike = rng.random() < 0.3
    total = int(sum(row.weight_bytes for row in layers))
    nodes: list[ow.Node] = []
    for n in range(width):
        if alike and n > 1:
            old = nodes[-1]
            nodes.append(
                ow.Node(
                    f"n{n}",
                    old.kind,
                    old.flop_per_s,
                    old.memory_bytes,
                    old.joules_per_flop,
                    old.io_rate_bps,
                )
            )
            continue
        nodes.append(
            ow.Node(
                f"n{n}",
                "ground" if rng.random() < 0.5 else "orbital",
                flop_per_s=float(rng.integers(1, 10)),
                memory_bytes=float("inf")
                if rng.random() < 0.5
                else float(rng.integers(10, max(24, total))),
                joules_per_flop=float(rng.integers(0, 5)),
                io_rate_bps=float("inf") if rng.random() < 0.7 else float(rng.integers(1, 50)),
            )
        )
    links = []
    same = [float(rng.integers(*span)) for span in ((8, 200), (0, 3), (0, 3))]
    for a, b in itertools.permutations(range(width), 2):
        if alike or rng.random() < 0.8:
            own = [float(rng.integers(*span)) for span in ((8, 200), (0, 3), (0, 3))]
            links.append(ow.Link(f"n{a}", f"n{b}", *(same if alike else own)))
    return ow.Network(tuple(nodes), tuple(links))


def _options(rng: np.random.Generator, count: int, width: int) -> dict[str, Any]:
    def node() -> str:
        return f"n{rng.integers(width)}"

    chosen: dict[str, Any] = {
        "objective": str(rng.choice([*SINGLES, "balance"])),
        "contiguous": bool(rng.random() < 0.5),
        "multicast": bool(rng.random() < 0.3),
        "reference": {name: float(rng.integers(1, 50)) for name in SINGLES},
    }
    if rng.random() < 0.5:
        chosen["input_node"] = node()
    if rng.random() < 0.5:
        chosen["output_node"] = node()
    if rng.random() < 0.2:
        chosen["pinned"] = {int(rng.integers(count)): node()}
    if rng.random() < 0.2:
        chosen["forbidden"] = {int(rng.integers(count)): (node(),)}
    if rng.random() < 0.3:
        chosen["max_cuts"] = int(rng.integers(0, 4))
    if rng.random() < 0.3:
        chosen["training"] = ow.Training(
            int(rng.integers(1, 4)), *(float(rng.integers(0, top)) for top in (3, 2, 2))
        )
    if count > 1 and rng.random() < 0.2:
        chosen["colocated"] = (tuple(int(k) for k in rng.choice(count, 2, replace=False)),)
    if count > 1 and rng.random() < 0.1:
        pairs = [rng.choice(count, 2, replace=False).tolist() for _ in range(2)]
        chosen["piece_edges"] = tuple((int(i), int(j)) for i, j in pairs)
    return chosen


def all_placements(problem: ow.PartitionProblem) -> list[ow.Partition]:
    """Every placement, as the library's own judge sees it."""
    names = problem.network.node_names
    rows = itertools.product(names, repeat=problem.profile.num_layers)
    return [ow.Partition(problem, row) for row in rows]


def feasible_placements(problem: ow.PartitionProblem) -> list[tuple[np.ndarray, float]]:
    """(node numbers, objective) of every feasible placement."""
    index = {name: k for k, name in enumerate(problem.network.node_names)}
    return [
        (np.array([index[name] for name in plan.node_of_layer]), plan.objective)
        for plan in all_placements(problem)
        if not plan.violations()
    ]
