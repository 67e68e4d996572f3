"""Balanced routing as a linear programme over links, the traffic for one target taken together.

Sets
    T   targets; N nodes; A links, a from tail(a) to head(a)
    A[t]    links that traffic for t may take: not out of where it arrives, and into a node only if
            that passes on or is where it arrives
Parameters
    s[t, n]     bit/s that n sends to t; r[a] rate of a link
    m           a highest use that can be had: that of shortest paths
Variables
    f[t, a]     bit/s over a link in A[t], in units of the mean rate of the traffic
    z           highest use, in units of m
Objective
    minimise z
Constraints
    balance     f[t, out of n] - f[t, into n] = s[t, n] wherever t does not arrive
    link        sum over t of f[t, a] <= z m r[a]; its dual, over r[a], is the price of a link
Source
    Ahuja, Magnanti and Orlin, "Network Flows" (1993), chapter 17 (multicommodity flows), with a
    commodity for each target instead of each pair.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..linear import LinearModel, ModelBuilder
from .balance import BalanceProblem

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class BalanceProgramme:
    """A linear programme and how its columns are to be read.

    Attributes
    ----------
    model : LinearModel
        Column blocks ``flow`` and ``highest``, row blocks ``balance`` and ``link``.
    target, link : array of int, shape (flows,)
        What each column of ``flow`` is for.
    unit_bps : float
    shape : tuple of int
        (targets, links)
    """

    model: LinearModel
    target: Ints
    link: Ints
    unit_bps: float
    shape: tuple[int, int]


def build(problem: BalanceProblem, most: float) -> BalanceProgramme:
    """Linear programme of a problem whose traffic all has a way.

    Parameters
    ----------
    problem : BalanceProblem
    most : float
        Highest use of some routing: the unit of ``highest``.
    """
    links, goals, supply = problem.links, problem.goals, problem.supply_bps
    count, nodes = goals.shape
    unit = float(supply.sum() / np.count_nonzero(supply))
    enters = problem.relay[links.target] | goals[:, links.target]
    target, link = np.nonzero(enters & ~goals[:, links.source])
    model = ModelBuilder()
    # Variables.
    flow = model.variables("flow", len(target))
    highest = model.variables("highest", 1)
    # Objective.
    model.minimise(highest, 1.0)
    # Constraints.
    t, n = np.nonzero(~goals)
    row = np.full((count, nodes), -1)
    row[t, n] = np.arange(len(t))
    balance = model.constraints(
        "balance", len(t), lower=supply[t, n] / unit, upper=supply[t, n] / unit
    )
    model.add(balance[row[target, links.source[link]]], flow, 1.0)
    inner = row[target, links.target[link]]
    model.add(balance[inner[inner >= 0]], flow[inner >= 0], -1.0)
    # Rows in units of the rate, so that a dual is a share of what the highest use is made of.
    rows = model.constraints("link", len(links), upper=0.0)
    model.add(rows[link], flow, unit / (most * links.rate_bps[link]))
    model.add(rows, highest[0], -1.0)
    return BalanceProgramme(model.build(), target, link, unit, (count, len(links)))


def read(found: BalanceProgramme, x: Floats) -> Floats:
    """Bit/s for each target over each link, shape (targets, links)."""
    flow = np.zeros(found.shape)
    flow[found.target, found.link] = np.maximum(found.model.block("flow").take(x), 0.0)
    return flow * found.unit_bps


def read_prices(problem: BalanceProblem, found: BalanceProgramme, duals: Floats) -> Floats:
    """Price of each link, shape (links,): prices times rates sum to 1, but for rounding."""
    block = next(rows for rows in found.model.rows if rows.name == "link")
    price: Floats = np.maximum(-block.take(duals), 0.0) / problem.links.rate_bps
    return price
