"""The restricted master of balanced routing: what is best of the flows that are known so far.

Sets
    C   columns: each sends all the traffic for one target t(c), over a tree or a mix of trees
    A   links that have been seen to bind; the others are left out, and looked at afterwards
Parameters
    u[c, a]     use of a link by a column, over a highest use m that can be had
Variables
    x[c]        share of its target's traffic that goes as column c says
    z           highest use, in units of m
Objective
    minimise z
Constraints
    whole       sum of x[c] over the columns of a target = 1
    link        sum over c of u[c, a] x[c] <= z; its dual, over the rate, is the price of a link
Source
    Dantzig and Wolfe, "Decomposition Principle for Linear Programs", Operations Research 8 (1960),
    with trees for the extreme points, as in Tomlin, "Minimum-cost multicommodity network flows",
    Operations Research 14 (1966).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..linear import LinearModel, ModelBuilder

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]


def build(use: Floats, target: Ints, targets: int, rows: Ints) -> LinearModel:
    """Master of some columns.

    Parameters
    ----------
    use : array, shape (columns, links)
    target : array, shape (columns,)
        Every target has a column.
    targets : int
    rows : array of int
        The links that are looked at.
    """
    model = ModelBuilder()
    share = model.variables("share", len(target))
    highest = model.variables("highest", 1)
    model.minimise(highest, 1.0)
    whole = model.constraints("whole", targets, lower=1.0, upper=1.0)
    model.add(whole[target], share, 1.0)
    link = model.constraints("link", len(rows), upper=0.0)
    column, row = np.nonzero(use[:, rows])
    model.add(link[row], share[column], use[column, rows[row]])
    model.add(link, highest[0], -1.0)
    return model.build()


def read(model: LinearModel, x: Floats) -> Floats:
    """Share of each column, shape (columns,); those of a target sum to 1 but for tolerance."""
    return np.maximum(model.block("share").take(x), 0.0)


def read_prices(model: LinearModel, duals: Floats, rate_bps: Floats, rows: Ints) -> Floats:
    """Price of each link, shape (links,): prices times rates sum to 1, but for rounding."""
    block = next(found for found in model.rows if found.name == "link")
    price = np.zeros(len(rate_bps))
    price[rows] = np.maximum(-block.take(duals), 0.0) / rate_bps[rows]
    return price
