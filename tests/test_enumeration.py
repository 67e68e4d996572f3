"""1,000 seeded random problems, every objective and every road, against enumeration.

Chains and DAGs of up to 8 layers on up to 4 nodes, with and without memory limits, pins,
prohibitions, cuts, co-location, multicast, training and bounded objectives. The oracle
(`oracle.py`) judges every placement with arithmetic of its own.
"""

from __future__ import annotations

import numpy as np
import pytest
from oracle import SINGLES, Enumeration, enumerate_placements, random_problem

import orbweave as ow
from orbweave.solvers.roads import ROADS

CASES = 1000
BLOCKS = 50
OBJECTIVES = (*SINGLES, "balance")


def bounded(
    problem: ow.PartitionProblem, oracle: Enumeration, seed: int
) -> tuple[ow.PartitionProblem, Enumeration]:
    """In one case of six, bound one objective between its best and its worst value."""
    if seed % 6 or not oracle.feasible.any():
        return problem, oracle
    rng = np.random.default_rng(seed)
    name = str(rng.choice(SINGLES))
    values = np.sort(oracle.values[name][oracle.feasible])
    limit = float(values[int(rng.integers(len(values)))] * 1.001 + 1e-12)
    problem = problem.replace(limits={name: limit})
    return problem, enumerate_placements(problem)


def reference_of(problem: ow.PartitionProblem, oracle: Enumeration) -> dict[str, float]:
    """Scale of `balance`: each optimum; its largest value where that is 0, else all bytes."""
    total = sum(row.activation_bytes for row in problem.profile.layers)
    scale = {}
    for name in SINGLES:
        values = oracle.values[name][oracle.feasible]
        scale[name] = float(values.min(initial=np.inf)) if len(values) else 1.0
        if scale[name] == 0:
            scale[name] = float(values.max()) or total or 1.0
    return scale


def check(
    problem: ow.PartitionProblem,
    best: float,
    result: ow.SolveResult[ow.Partition],
    label: object,
    *,
    exact: bool,
) -> None:
    """An answer against the enumerated optimum: objective, bound, reason and violations."""
    assert result.reason is not ow.Reason.ERROR, (label, result.message)
    if result.solution is not None:
        assert result.solution.violations() == (), label
        assert result.objective >= best - 1e-6 * max(abs(best), 1e-9), label
        assert result.objective == pytest.approx(result.solution.objective), label
    if not np.isfinite(best):
        assert result.solution is None, label
    else:
        assert result.bound <= best + 1e-6 * max(abs(best), 1e-9), label
    if result.reason is ow.Reason.OPTIMAL:
        assert result.objective == pytest.approx(best, rel=2e-6, abs=1e-9), label
    if exact:
        wanted = ow.Reason.OPTIMAL if np.isfinite(best) else ow.Reason.INFEASIBLE
        assert result.reason is wanted, (label, result.reason, result.gap, result.message)


@pytest.mark.slow
@pytest.mark.parametrize("block", range(BLOCKS))
def test_every_objective_by_every_road(block: int) -> None:
    step = CASES // BLOCKS
    for seed in range(block * step, (block + 1) * step):
        problem = random_problem(seed)
        problem, oracle = bounded(problem, enumerate_placements(problem), seed)
        reference = reference_of(problem, oracle)
        for objective in OBJECTIVES:
            case = problem.replace(objective=objective, reference=reference)
            if objective == "balance":
                oracle.values["balance"] = oracle.balance(case.balance_weights, reference)
            best = oracle.best(objective)
            result = ow.solve(case)
            check(case, best, result, (seed, objective, result.method), exact=True)
            for name, road in ROADS.items():
                if road.applies(case):
                    # Roads that need not prove anything get seconds, not the default minute.
                    seconds = 60.0 if road.exact else 3.0
                    result = ow.solve(case, method=name, time_limit_s=seconds)
                    check(case, best, result, (seed, objective, name), exact=road.exact)
