"""Fronts against the non-dominated set of an enumeration."""

from __future__ import annotations

import math

import numpy as np
import pytest
from oracle import enumerate_placements, random_problem

import orbweave as ow


def dominated_by_none(points: np.ndarray) -> np.ndarray:
    """Non-dominated rows of an (M, 2) array, sorted by the first column."""
    order = np.lexsort((points[:, 1], points[:, 0]))
    kept, lowest = [], np.inf
    for row in points[order]:
        if row[1] < lowest - 1e-9 * abs(lowest if np.isfinite(lowest) else 1.0):
            kept.append(row)
            lowest = row[1]
    return np.array(kept)


@pytest.mark.parametrize("pair", [("latency", "energy"), ("bandwidth", "throughput")])
@pytest.mark.parametrize("seed", range(12))
def test_points_lie_on_the_enumerated_front(seed: int, pair: tuple[str, str]) -> None:
    problem = random_problem(seed, most_layers=5, most_nodes=3)
    oracle = enumerate_placements(problem)
    front = ow.pareto(problem, pair, points=50, time_limit_s=math.inf)  # kernels may compile
    if not oracle.feasible.any():
        assert front == ()
        return
    values = np.stack([oracle.values[name][oracle.feasible] for name in pair], axis=1)
    expected = dominated_by_none(values)
    got = np.array([[r.require().values[name] for name in pair] for r in front])
    for row in got:
        close = np.isclose(expected, row, rtol=2e-6, atol=1e-9).all(axis=1)
        assert close.any(), (row, expected)
    for end in (expected[0], expected[-1]):
        assert np.isclose(got, end, rtol=2e-6, atol=1e-9).all(axis=1).any()
    if len(expected) <= 12:
        assert len(got) == len(expected)
    for result in front:
        placed = result.require()
        assert placed.violations() == ()
        least = values[values[:, 1] <= placed.values[pair[1]] * (1 + 1e-7), 0].min()
        assert result.bound <= least * (1 + 2e-6) + 1e-9


def test_bad_requests_are_named() -> None:
    problem = random_problem(1)
    with pytest.raises(ow.InputError, match="two different objectives"):
        ow.pareto(problem, ("latency", "latency"))
    with pytest.raises(ow.InputError, match="did you mean 'energy'"):
        ow.pareto(problem, ("latency", "enery"))
    with pytest.raises(ow.InputError, match="points"):
        ow.pareto(problem, ("latency", "energy"), points=1)
