"""Segments in the order of their slopes: the linear programme's optimum without a solver.

Where limits are nested - a sender's bytes, its node's joules, the bytes of all - the segments are a
polymatroid's, and taking the steepest that still fits is optimal. (On a hull the steepest of a
layer come first by themselves.) O(segments log segments).

Source: Federgruen and Groenevelt, "The greedy procedure for resource allocation problems",
Operations Research 34 (1986); Shoham and Gersho, "Efficient bit allocation for an arbitrary set of
quantizers", IEEE Transactions on Acoustics, Speech and Signal Processing 36 (1988).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from ..compiled import kernel
from .problem import CompressionProblem
from .segments import Prices, Segments, least_gain, summed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]


def is_nested(problem: CompressionProblem) -> bool:
    """Whether the limits are nested, so that this road is exact."""
    return problem.fairness is None and not len(problem.links[0])


def by_slopes(
    problem: CompressionProblem, parts: Segments, *, target_error: float | None = None
) -> tuple[Floats, Prices] | None:
    """Bytes of each item at the optimum over the hulls, and the prices that prove it.

    Parameters
    ----------
    problem : CompressionProblem
        With nested limits.
    parts : Segments
        Of the problem.
    target_error : float, optional
        Instead of the problem's own.

    Returns
    -------
    tuple of array, shape (items,), and Prices; None if the target error is out of reach
    """
    slope = parts.gain / parts.size_bytes
    order = np.argsort(-slope, kind="stable")
    order = order[slope[order] > 0]
    sender = problem.items.sender[parts.item]
    joules = problem.node_joules_per_byte
    with np.errstate(divide="ignore", invalid="ignore"):
        node_bytes = np.where(joules > 0, problem.node_energy_j / joules, np.inf)
    # The three nested limits of each segment, as positions in one list of rooms.
    senders, nodes = len(problem.capacity), len(node_bytes)
    room = np.concatenate([problem.capacity, node_bytes, [problem.total_limit_bytes]])
    limits = np.stack(
        [sender, senders + problem.sender_node[sender], np.full(len(sender), senders + nodes)]
    )
    wanted = least_gain(problem, target_error) if problem.objective == "bytes" else math.inf
    taken, full_at, gained = np.zeros(len(slope)), np.zeros(len(room)), np.zeros(1)
    last = _fill(order, slope, parts.size_bytes, np.ascontiguousarray(limits.T), room, wanted,
                 taken, full_at, gained)  # fmt: skip
    size = summed(parts.item, taken, len(problem.items.curve))
    if problem.objective == "error":
        return size, _prices(problem, full_at, 0.0)
    if gained[0] < wanted * (1.0 - 1e-12):
        return None
    return size, _prices(problem, full_at, last)


@kernel
def _fill(
    order: Ints,
    slope: Floats,
    size: Floats,
    limits: Ints,
    room: Floats,
    wanted: float,
    taken: Floats,
    full_at: Floats,
    gained: Floats,
) -> float:
    """Take segments in `order` while their limits have room and less than `wanted` is gained.

    Parameters
    ----------
    limits : array of int, shape (segments, 3)
        Positions in `room`.
    room : array of float
        Bytes left of each limit; written.
    taken : array of float, shape (segments,)
        Bytes; written.
    full_at : array of float
        Slope at which each limit ran out, 0 where it has not; written.
    gained : array of float, shape (1,)
        Written.

    Returns
    -------
    float
        Slope of the last segment taken.
    """
    last = 0.0
    for k in order:
        if gained[0] >= wanted * (1.0 - 1e-13):
            break
        a, b, c = limits[k, 0], limits[k, 1], limits[k, 2]
        free = min(room[a], room[b], room[c])
        if free <= 0.0:
            for j in (a, b, c):
                if room[j] <= 0.0 and full_at[j] == 0.0:  # empty from the beginning
                    full_at[j] = slope[k]
            continue
        amount = min(size[k], free, (wanted - gained[0]) / slope[k])
        taken[k] = amount
        gained[0] += amount * slope[k]
        last = slope[k]
        for j in (a, b, c):
            room[j] -= amount
            if room[j] <= 0.0 and full_at[j] == 0.0:
                full_at[j] = slope[k]
    return float(last)


def _prices(problem: CompressionProblem, full_at: Floats, last: float) -> Prices:
    """Duals of nested limits: each adds to those around it what its own shortage costs.

    With a target, `last` is the slope that it was reached at, and prices are in bytes.
    """
    senders = len(problem.capacity)
    total = max(float(full_at[-1]), last)
    node = np.maximum(full_at[senders:-1], total)
    sender = np.maximum(full_at[:senders], node[problem.sender_node])
    unit = last if last > 0 else 1.0
    joules = np.where(problem.node_joules_per_byte > 0, problem.node_joules_per_byte, 1.0)
    return Prices(
        (sender - node[problem.sender_node]) / unit,
        (node - total) / joules / unit,
        (total - last) / unit,
        1.0 / last if last > 0 else 0.0,
    )
