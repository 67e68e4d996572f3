"""The segments of all hulls, and what prices prove about them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .problem import CompressionProblem

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Segments:
    """Segments of the hulls of all items, item by item, each item's the steepest first.

    Attributes
    ----------
    item : array of int, shape (segments,)
    size_bytes : array of float, shape (segments,)
        Bytes that the whole segment takes.
    drop, gain : array of float, shape (segments,)
        Error that it removes, without and with the item's weight.
    """

    item: Ints
    size_bytes: Floats
    drop: Floats
    gain: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Prices:
    """Duals: what one unit more of each limit would take off the objective.

    Attributes
    ----------
    capacity : array of float, shape (senders,)
        Of a byte of a sender's link.
    energy : array of float, shape (nodes,)
        Of a joule.
    total : float
        Of a byte of all messages together (`target_ratio`).
    target : float
        Bytes for one unit of weighted error (`target_error`).
    """

    capacity: Floats
    energy: Floats
    total: float = 0.0
    target: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Vertices:
    """Vertices of the hulls of all items, item by item, from nothing sent to the least error.

    Attributes
    ----------
    item : array of int, shape (vertices,)
    size_bytes, error : array of float, shape (vertices,)
    weight : array of float, shape (vertices,)
        Of the item.
    """

    item: Ints
    size_bytes: Floats
    error: Floats
    weight: Floats

    def chords(self, chosen: NDArray[np.bool_] | None = None) -> Segments:
        """Segments between neighbouring vertices, or neighbouring ones of those `chosen`."""
        part = slice(None) if chosen is None else chosen
        item, size, error = self.item[part], self.size_bytes[part], self.error[part]
        inner = item[1:] == item[:-1]
        drop = -np.diff(error)[inner]
        return Segments(
            item[1:][inner], np.diff(size)[inner], drop, drop * self.weight[part][1:][inner]
        )


def vertices_of(problem: CompressionProblem) -> Vertices:
    """Vertices of every item's hull; hulls are computed once for each curve."""
    items = problem.items
    hulls = [curve.hull for curve in items.curve]
    item = np.repeat(np.arange(len(hulls)), [len(hull.error) for hull in hulls])
    return Vertices(
        item,
        np.concatenate([hull.size_bytes for hull in hulls]),
        np.concatenate([hull.error for hull in hulls]),
        items.weight[item],
    )


def summed(place: Ints, values: Floats, count: int) -> Floats:
    """Sum of the values at each place, shape (count,)."""
    return np.asarray(np.bincount(place, weights=values, minlength=count), dtype=np.float64)


def least_gain(problem: CompressionProblem, target_error: float | None = None) -> float:
    """Weighted error that `target_error` (the problem's unless given) asks to remove."""
    target = problem.target_error if target_error is None else target_error
    return 0.0 if target is None else (1.0 - target) * problem.items.weighted_energy


def proven_bound(problem: CompressionProblem, parts: Segments, prices: Prices) -> float:
    """Lower bound of the objective by prices of capacity, energy, total and target; any do.

    Weak duality: with every limit priced, each segment is taken where it gains more than it
    costs. Links and fairness have no price here.
    """
    sender = problem.items.sender[parts.item]
    node = problem.sender_node[sender]
    joules = problem.node_joules_per_byte[node]
    price = prices.capacity[sender] + prices.energy[node] * joules + prices.total
    fixed = _paid(prices.capacity, problem.capacity) + _paid(prices.energy, problem.node_energy_j)
    fixed += _paid(np.array([prices.total]), np.array([problem.total_limit_bytes]))
    if problem.objective == "bytes":
        reduced = (1.0 + price) * parts.size_bytes - prices.target * parts.gain
        return float(prices.target * least_gain(problem) + np.minimum(reduced, 0.0).sum() - fixed)
    reduced = price * parts.size_bytes - parts.gain
    return float(problem.items.weighted_energy + np.minimum(reduced, 0.0).sum() - fixed)


def _paid(price: Floats, limit: Floats) -> float:
    used = price > 0
    return float(price[used] @ limit[used])
