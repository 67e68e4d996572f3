"""Rows that keep a bottleneck variable above every node's and every link's load."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..moves import route_hops

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ...linear import ModelBuilder
    from ..problem import PartitionProblem

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Moves:
    """0/1 columns that each stand for one tensor going from one node to another; shapes (M,)."""

    column: Ints
    tensor: Ints
    source: Ints
    target: Ints

    @classmethod
    def joined(cls, parts: list[tuple[Any, Any, Any, Any]]) -> Moves:
        """Put parts together; numbers are repeated to the length of their column array."""
        rows = [np.broadcast_arrays(*(np.asarray(a, dtype=np.int64) for a in p)) for p in parts]
        return cls(*(np.concatenate([row[k] for row in rows]) for k in range(4)))


def add_node_loads(
    model: ModelBuilder,
    problem: PartitionProblem,
    load: Ints,
    unit: float,
    busy: tuple[Ints, Ints, Floats],
    moves: Moves,
    sent: tuple[Ints, Ints, Ints] | None = None,
) -> None:
    """Add ``node_load``: computing, and input and output where the io rate is finite.

    Parameters
    ----------
    model : ModelBuilder
    problem : PartitionProblem
    load : ndarray, shape (1,)
        The bottleneck's column, in `unit` seconds.
    unit : float
    busy : (columns, nodes, seconds)
        What computing each column stands for.
    moves : Moves
    sent : (columns, tensors, nodes), optional
        Columns that pay at the sender once for a tensor, in place of each of its moves.
    """
    costs = problem.costs()
    rows = model.constraints("node_load", costs.num_nodes, lower=0.0)
    model.add(rows, load, 1.0)
    columns, nodes, seconds = busy
    model.add(rows[nodes], columns, -seconds / unit)
    per_bit = 1.0 / problem.network.column("io_rate_bps")
    if not per_bit.any():
        return
    bits = 8.0 * costs.sizes_bytes / unit * np.where(costs.returns, 2.0, 1.0)
    tensor, u, v = moves.tensor, moves.source, moves.target
    model.add(rows[v], moves.column, -bits[tensor] * per_bit[v])
    pays = np.ones((len(bits), costs.num_nodes), dtype=bool)
    if sent is not None:
        columns, what, where = sent
        pays[what, where] = False
        model.add(rows[where], columns, -bits[what] * per_bit[where])
    own = pays[tensor, u]
    model.add(rows[u[own]], moves.column[own], -bits[tensor[own]] * per_bit[u[own]])


def add_link_loads(
    model: ModelBuilder, problem: PartitionProblem, load: Ints, unit: float, moves: Moves
) -> None:
    """Add ``link_load``: bits over rate along every route, in training both ways."""
    costs, links = problem.costs(), problem.network.links
    rows = model.constraints("link_load", len(links), lower=0.0)
    model.add(rows, load, 1.0)
    seconds = np.array([8.0 / link.rate_bps for link in links], dtype=np.float64) / unit
    every = np.arange(len(moves.column))
    back = np.flatnonzero(costs.returns[moves.tensor])
    for k, source, target in (
        (every, moves.source, moves.target),
        (back, moves.target[back], moves.source[back]),
    ):
        which, link = route_hops(costs.routes, moves.tensor[k], source, target)
        size = costs.sizes_bytes[moves.tensor[k[which]]]
        model.add(rows[link], moves.column[k[which]], -size * seconds[link])
