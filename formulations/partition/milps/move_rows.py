"""Columns that stand for what travels: with multicast once per tensor and receiving node."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .load_rows import Moves

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ...linear import ModelBuilder
    from ..problem import PartitionProblem

    Ints = NDArray[np.int64]
    Triples = tuple[Ints, Ints, Ints]


def shared_tensors(problem: PartitionProblem, triples: Triples) -> tuple[Ints, Ints]:
    """Tensors that several layers read, with multicast.

    Returns
    -------
    key : ndarray of int64, shape (K,)
        ``(tensor * N + u) * N + v`` of every column of ``carried``.
    back : ndarray of int64, shape (number of triples,)
        Which of them each triple (e, u, v) belongs to, -1 for none.
    """
    costs, (e, u, v) = problem.costs(), triples
    tensor = costs.edges[e, 0]
    readers = np.bincount(costs.edges[:, 0], minlength=costs.num_layers)
    shared = (u != v) & (readers[tensor] > 1) & problem.multicast
    shape = (costs.num_layers, costs.num_nodes, costs.num_nodes)
    code = np.ravel_multi_index((tensor[shared], u[shared], v[shared]), shape)
    key, inverse = np.unique(code, return_inverse=True)
    back = np.full(len(e), -1, dtype=np.int64)
    back[shared] = inverse
    return key, back


def senders(problem: PartitionProblem, triples: Triples) -> tuple[Ints, Ints]:
    """With multicast and finite io rates: (tensor, node) of every column of ``sent``."""
    nodes = problem.costs().num_nodes
    key, _ = shared_tensors(problem, triples)
    pairs = np.unique(key // nodes)
    pairs = pairs[np.isfinite(problem.network.column("io_rate_bps"))[pairs % nodes]]
    return pairs // nodes, pairs % nodes


def add_moves(
    model: ModelBuilder,
    problem: PartitionProblem,
    x: Ints,
    y: Ints,
    triples: Triples,
    *,
    with_senders: bool,
) -> tuple[Moves, Triples | None]:
    """Collect, and with multicast add, the columns that stand for one tensor's way.

    Parameters
    ----------
    model : ModelBuilder
    problem : PartitionProblem
    x : ndarray, shape (L, N)
        Columns: layer i on node n.
    y : ndarray, shape (number of triples,)
        Columns: edge e goes from u to v.
    triples : (e, u, v)
    with_senders : bool
        Whether to add ``sent``, what a sender pays once however many nodes read.

    Returns
    -------
    moves : Moves
    sent : (columns, tensors, nodes) or None
    """
    costs, (e, u, v) = problem.costs(), triples
    key, shared = shared_tensors(problem, triples)
    own = np.flatnonzero((shared < 0) & (u != v))
    parts: list[tuple[Any, Any, Any, Any]] = [(y[own], costs.edges[e[own], 0], u[own], v[own])]
    sent = None
    if len(key):
        carried = model.variables("carried", len(key), upper=1.0, implied=True)
        k = np.flatnonzero(shared >= 0)
        rows = model.constraints("carry", len(k), lower=0.0)
        model.add(rows, carried[shared[k]], 1.0)
        model.add(rows, y[k], -1.0)
        shape = (costs.num_layers, costs.num_nodes, costs.num_nodes)
        what, start, stop = np.unravel_index(key, shape)
        parts.append((carried, what, start, stop))
        if with_senders:
            sent = _add_senders(model, problem, y, triples)
    source, sink = costs.input_index, costs.output_index
    if source >= 0 and problem.multicast and len(costs.sources) > 1:
        received = model.variables("received", costs.num_nodes, upper=1.0, implied=True)
        rows = model.constraints("receive", (len(costs.sources), costs.num_nodes), lower=0.0)
        model.add(rows, received[None, :], 1.0)
        model.add(rows, x[costs.sources], -1.0)
        far = np.flatnonzero(costs.allowed[costs.sources].any(axis=0))
        far = far[far != source]
        parts.append((received[far], costs.num_layers, source, far))
    elif source >= 0:
        layer, n = np.nonzero(costs.allowed[costs.sources])
        layer, n = costs.sources[layer[n != source]], n[n != source]
        parts.append((x[layer, n], costs.num_layers, source, n))
    if sink >= 0:
        layer, n = np.nonzero(costs.allowed[costs.sinks])
        layer, n = costs.sinks[layer[n != sink]], n[n != sink]
        parts.append((x[layer, n], costs.num_layers + 1, n, sink))
    return Moves.joined(parts), sent


def _add_senders(
    model: ModelBuilder, problem: PartitionProblem, y: Ints, triples: Triples
) -> Triples | None:
    costs, (e, u, v) = problem.costs(), triples
    tensor, node = senders(problem, triples)
    if not len(tensor):
        return None
    sent = model.variables("sent", len(tensor), upper=1.0, implied=True)
    column = np.full((costs.num_layers, costs.num_nodes), -1, dtype=np.int64)
    column[tensor, node] = sent
    edge, n = np.nonzero(column[costs.edges[:, 0]] >= 0)
    rows = model.constraints("send", len(edge), lower=0.0)
    at = np.full((len(costs.edges), costs.num_nodes), -1, dtype=np.int64)
    at[edge, n] = rows
    model.add(rows, column[costs.edges[edge, 0], n], 1.0)
    k = np.flatnonzero((u != v) & (at[e, u] >= 0))
    model.add(at[e[k], u[k]], y[k], -1.0)
    return sent, tensor, node
