"""The steps of one request against the judge's own clock."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from oracle import random_problem

import orbweave as ow
from orbweave.formulations.partition.timeline import timeline


def partitions(count: int) -> list[ow.Partition]:
    found = []
    for seed in range(count):
        problem = random_problem(seed)
        rng = np.random.default_rng(seed)
        nodes = rng.integers(len(problem.network.nodes), size=problem.profile.num_layers)
        partition = ow.Partition.from_indices(problem, nodes)
        if np.isfinite(partition.evaluation.latency):
            found.append(partition)
    return found


def test_steps_agree_with_the_evaluation_and_keep_the_rules() -> None:
    checked = 0
    for partition in partitions(200):
        problem, result = partition.problem, partition.evaluation
        steps = timeline(partition)
        end = max(step.end_s for step in steps)
        batches = 1 if problem.training is None else problem.training.micro_batches
        whole = end + (batches - 1) * result.throughput
        count = problem.profile.num_layers
        runs = [step for step in steps if step.is_compute]
        forward = {step.tensor: step for step in runs if not step.backward}
        np.testing.assert_allclose([forward[i].start_s for i in range(count)], result.start_s)
        np.testing.assert_allclose([forward[i].end_s for i in range(count)], result.finish_s)
        # A sink may answer before another layer ends only where it has no output node; the last
        # step is then that layer's, which the latency of a request does not count.
        assert result.latency <= whole * (1 + 1e-9)
        if problem.training is not None or set(problem.profile.sinks) == {count - 1}:
            assert result.latency == pytest.approx(whole)
            checked += 1
        for name in problem.network.node_names:
            busy = sorted((row.start_s, row.end_s) for row in runs if row.source == name)
            assert all(a[1] <= b[0] * (1 + 1e-12) for a, b in itertools.pairwise(busy))
        links = {(row.source, row.target): row for row in problem.network.links}
        sizes = problem.costs().sizes_bytes
        for step in steps:
            if not step.is_compute:
                link = links[step.source, step.target]
                spent = sizes[step.tensor] * 8 / link.rate_bps + link.latency_s
                assert step.end_s - step.start_s == pytest.approx(spent, abs=1e-12)
    assert checked > 50
