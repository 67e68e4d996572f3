"""Simulated annealing over placements of any graph under any objective, compiled.

Source of the method: Kirkpatrick, Gelatt and Vecchi, Optimization by Simulated Annealing, 1983.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numba
import numpy as np

from ..kernel import Arrays, measure, worth

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def anneal(
    a: Arrays,
    start: Ints,
    steps: int,
    hot: float,
    cold: float,
    rng: np.random.Generator,
    best: Ints,
) -> float:
    """Cool from `start`; fills `best` and returns its objective (inf: none).

    Moves: a layer to another node, to a neighbour's node, a run of layers to one node, two nodes
    exchanged; co-located layers move together. Temperatures are relative to the objective. Where
    nothing feasible is found, `best` is the last placement visited. O(steps (L + E)).
    """
    node = start.copy()
    values = np.zeros(4)
    broken = measure(a, node, values)
    finite = np.isfinite(values[0] + values[1])
    value = worth(a, values) if finite else np.inf
    found = value if broken == 0.0 else np.inf
    best[:] = node
    scale = abs(value) if finite and value != 0.0 else 1.0
    score = (value if finite else scale) + scale * broken
    trial = start.copy()
    for step in range(steps):
        if not _propose(a, node, trial, rng):
            continue
        broken = measure(a, trial, values)
        if not np.isfinite(values[0] + values[1]):
            continue
        value = worth(a, values)
        new = value + scale * broken
        heat = scale * hot * (cold / hot) ** (step / steps)
        if new <= score or rng.random() < np.exp((score - new) / heat):
            node[:] = trial
            score = new
            if broken == 0.0 and value < found:
                found = value
                best[:] = node
                scale = abs(value) if value != 0.0 else 1.0
                score = value
    if found == np.inf:
        best[:] = node
    return found


@numba.njit(cache=True, no_cpython_wrapper=True)  # type: ignore[untyped-decorator]
def _propose(a: Arrays, node: Ints, trial: Ints, rng: np.random.Generator) -> bool:
    """Fill `trial` with a neighbour of `node`; returns whether it differs."""
    count, nodes = a.forward.shape
    trial[:] = node
    pick = rng.integers(0, 8)
    i = rng.integers(0, count)
    n = rng.integers(0, nodes)
    if pick < 3:
        trial[i] = n
    elif pick == 3:
        if a.next_at[i] < a.next_at[i + 1]:
            trial[i] = node[a.next_layer[rng.integers(a.next_at[i], a.next_at[i + 1])]]
    elif pick == 4:
        if a.prev_at[i] < a.prev_at[i + 1]:
            trial[i] = node[a.prev_layer[rng.integers(a.prev_at[i], a.prev_at[i + 1])]]
    elif pick < 7:
        j = min(count, i + 1 + rng.integers(0, max(2, count // 4)))
        if rng.random() < 0.5 and i > 0:
            n = node[i - 1]
        trial[i:j] = n
    else:
        m = node[i]
        for k in range(count):
            if node[k] == m:
                trial[k] = n
            elif node[k] == n:
                trial[k] = m
    for k in range(count):
        # A follower moved alone takes its leader along; then all follow the leader.
        if a.leader[k] != k and trial[k] != node[k]:
            trial[a.leader[k]] = trial[k]
    changed = False
    for k in range(count):
        trial[k] = trial[a.leader[k]]
        changed = changed or trial[k] != node[k]
    return changed
