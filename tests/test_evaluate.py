"""The judge of placements against an enumeration that writes every rule out again."""

from __future__ import annotations

import numpy as np
import pytest
from oracle import SINGLES, enumerate_placements, random_problem

import orbweave as ow


@pytest.mark.parametrize("block", range(8))
def test_values_and_feasibility_match_the_oracle(block: int) -> None:
    for seed in range(block * 50, block * 50 + 50):
        problem = random_problem(seed, most_layers=6)
        oracle = enumerate_placements(problem)
        rng = np.random.default_rng(seed)
        chosen = rng.choice(len(oracle.placements), min(8, len(oracle.placements)), replace=False)
        for k in chosen:
            partition = ow.Partition.from_indices(problem, oracle.placements[k])
            assert (not partition.violations()) == oracle.feasible[k], (seed, k)
            if not np.isfinite(oracle.values["latency"][k]):
                continue
            for name in SINGLES:
                expected = oracle.values[name][k]
                assert partition.values[name] == pytest.approx(expected, rel=1e-9), (seed, name)


def test_every_violation_is_named() -> None:
    layers = [ow.LayerProfile(f"l{i}", 0, 10e9, 1e9, 1e6) for i in range(3)]
    network = ow.Network(
        (ow.Node("a", memory_bytes=15e9), ow.Node("b", memory_bytes=15e9)),
        (ow.Link("a", "b", 1e9),),
    )
    problem = ow.PartitionProblem(
        ow.ModelProfile(layers),
        network,
        pinned={0: "b"},
        forbidden={1: ("a",)},
        max_cuts=1,
        colocated=((0, 2),),
        limits={"latency": 1e-9},
    )
    found = " | ".join(ow.Partition(problem, ("a", "b", "a")).violations())
    for word in ("pinned to b", "memory", "2 cut edges", "cycle", "no route"):
        assert word in found
    found = " | ".join(ow.Partition(problem, ("a", "a", "b")).violations())
    for word in ("forbidden on", "must share a node", "exceeds its limit"):
        assert word in found


def test_a_placement_of_the_wrong_shape_is_refused() -> None:
    problem = random_problem(0)
    with pytest.raises(ow.InputError, match="node_of_layer"):
        ow.Partition(problem, ("node0",) * (problem.profile.num_layers + 1))
    with pytest.raises(ow.InputError, match="did you mean 'node0'"):
        ow.Partition(problem, ("nod0",) * problem.profile.num_layers)
