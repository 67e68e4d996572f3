"""Balanced routing by descent: a flow that is moved, bit by bit, towards ways over idle links.

The highest use is smoothed to ``t log(sum of exp(use / t))``, whose gradient prices links; the
traffic for one target after the other moves towards the tree that is shortest at these prices, as
far as helps (Frank and Wolfe by blocks). What it finds is near the optimum after some dozens of
rounds, but never quite there: it is where the exact search begins.

Source
    Grigoriadis and Khachiyan, "Fast approximation schemes for convex programs with many blocks and
    coupling constraints", SIAM Journal on Optimization 4 (1994).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

#: The smoothing, as a share of the highest use over the logarithm of the number of links: its
#: first and last value, and the factor from one round to the next.
FIRST, LAST, FACTOR = 0.5, 0.1, 0.97

#: Halvings of a step's length.
_HALVINGS = 12


def prices(load_bps: Floats, rate_bps: Floats, smoothing: float) -> Floats:
    """Price of each link by its use, shape (links,); prices times rates sum to 1."""
    use = load_bps / rate_bps
    weight = np.exp((use - use.max()) / _width(use, smoothing))
    price: Floats = weight / rate_bps / weight.sum()
    return price


def descend(flow: Floats, tree: Floats, rate_bps: Floats, smoothing: float) -> Floats:
    """Move each target's flow towards a tree; the new flow.

    Parameters
    ----------
    flow, tree : arrays, shape (targets, links)
        Bit/s; each sends all the traffic.
    rate_bps : array, shape (links,)
    smoothing : float

    Returns
    -------
    array, shape (targets, links)
    """
    flow = flow.copy()
    use = flow.sum(axis=0) / rate_bps
    for t in range(len(flow)):
        step = (tree[t] - flow[t]) / rate_bps
        moved = np.flatnonzero(step)
        length = _length(use[moved], step[moved], float(use.max()), _width(use, smoothing))
        flow[t] += length * (tree[t] - flow[t])
        use = use + length * step
    return flow


def mixed(flow: Floats, other: Floats, rate_bps: Floats) -> Floats:
    """The flow between two whose highest use is least, to a millionth of the way."""
    one, two = flow.sum(axis=0) / rate_bps, other.sum(axis=0) / rate_bps
    low, high = 0.0, 1.0
    while high - low > 1e-6:
        left, right = (2 * low + high) / 3, (low + 2 * high) / 3
        if _highest(one, two, left) <= _highest(one, two, right):
            high = right
        else:
            low = left
    part = min((0.0, 0.5 * (low + high), 1.0), key=lambda share: _highest(one, two, share))
    return flow + part * (other - flow)


def _highest(one: Floats, two: Floats, share: float) -> float:
    return float((one + share * (two - one)).max())


def _width(use: Floats, smoothing: float) -> float:
    return smoothing * float(use.max()) / math.log(len(use) + 1)


def _length(use: Floats, step: Floats, most: float, width: float) -> float:
    """How far to go along a step, from 0 to 1: where the smoothed highest use stops falling."""
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        rise = (use + middle * step - most) / width
        if float(np.exp(rise - max(rise.max(initial=0.0), 0.0)) @ step) < 0:
            low = middle
        else:
            high = middle
    return low
