"""Rows of a clock: when each layer's passes start, one at a time on each node.

Used by the assignment for the latency of graphs with branches; the columns are ``begin``,
``backward`` (in training), ``same`` and ``end``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..times import TimeBounds, reachable

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ...linear import ModelBuilder
    from ..costs import PartitionCosts
    from ..problem import PartitionProblem

    Ints = NDArray[np.int64]


def unrelated(costs: PartitionCosts) -> tuple[Ints, Ints]:
    """Pairs of layers with no path between them that may share a node."""
    allowed = costs.allowed.astype(np.int64)
    related = reachable(costs)
    shared = allowed @ allowed.T > 0
    one, two = np.nonzero(np.triu(~related & shared, 1))
    return one, two


def add_times(
    model: ModelBuilder,
    problem: PartitionProblem,
    x: Ints,
    y: Ints,
    triples: tuple[Ints, Ints, Ints],
    unit: float,
    cap_s: float,
) -> Ints:
    """Add start times of all passes and the end of the pass; returns the end's column.

    Parameters
    ----------
    model : ModelBuilder
    problem : PartitionProblem
    x : ndarray, shape (L, N)
        Columns: layer i on node n.
    y : ndarray, shape (K,)
        Columns: edge e goes from u to v, for every triple.
    triples : (e, u, v)
    unit : float
        Seconds per unit of the time columns.
    cap_s : float
        The pass of every placement of interest ends by then: it keeps the big-M rows tight.
    """
    costs = problem.costs()
    (e, u, v), (i, j) = triples, costs.edges.T
    bounds = TimeBounds.of(problem, cap_s)
    forward = np.where(costs.allowed, costs.forward_s, 0.0) / unit
    begin = model.variables(
        "begin", costs.num_layers, lower=bounds.forward_low / unit, upper=bounds.last / unit
    )
    end = model.variables("end", 1, lower=bounds.least / unit, upper=bounds.last / unit)
    if costs.input_index >= 0:
        way = np.where(costs.allowed, costs.way_s[-2, costs.input_index][None, :], 0.0) / unit
        rows = model.constraints("arrive_input", len(costs.sources), lower=0.0)
        model.add(rows, begin[costs.sources], 1.0)
        model.add(rows[:, None], x[costs.sources], -way[costs.sources])
    rows = model.constraints("precede", len(i), lower=0.0)
    model.add(rows, begin[j], 1.0)
    model.add(rows, begin[i], -1.0)
    model.add(rows[:, None], x[i], -forward[i])
    model.add(rows[e], y, -costs.way_s[i[e], u, v] / unit)
    one, two = unrelated(costs)
    same = model.variables("same", len(one), upper=1.0, integer=True)
    k, n = np.nonzero(costs.allowed[one] & costs.allowed[two])
    rows = model.constraints("share", len(k), lower=-1.0)
    model.add(rows, same[k], 1.0)
    model.add(rows, x[one[k], n], -1.0)
    model.add(rows, x[two[k], n], -1.0)
    big = np.maximum(0.0, bounds.forward_high[one] - bounds.forward_low[two]) / unit
    rows = model.constraints("queue", len(one), lower=-big)
    model.add(rows, begin[two], 1.0)
    model.add(rows, begin[one], -1.0)
    model.add(rows[:, None], x[one], -forward[one])
    model.add(rows, same, -big)
    rows = model.constraints("busy", costs.num_nodes, lower=0.0)
    model.add(rows, end, 1.0)
    seconds = np.where(costs.allowed, costs.compute_s, 0.0) / unit
    model.add(rows[None, :], x, -seconds)
    sinks = costs.sinks
    out = np.zeros((len(sinks), costs.num_nodes))
    if costs.output_index >= 0:
        out = np.where(costs.allowed[sinks], costs.way_s[-1, :, costs.output_index], 0.0) / unit
    if problem.training is None:
        rows = model.constraints("finish", len(sinks), lower=0.0)
        model.add(rows, end, 1.0)
        model.add(rows, begin[sinks], -1.0)
        model.add(rows[:, None], x[sinks], -forward[sinks] - out)
        return end
    if costs.output_index >= 0:
        home = costs.way_s[-1, costs.output_index, :]
        out = out + np.where(costs.allowed[sinks], home, 0.0) / unit
    rows = model.constraints("turn", costs.num_layers, lower=0.0)
    back = _add_backward(model, problem, (x, y, same), triples, unit, bounds)
    # After its own forward pass, and at a sink after the loss's gradient has come back.
    model.add(rows, back, 1.0)
    model.add(rows, begin, -1.0)
    model.add(rows[:, None], x, -forward)
    model.add(rows[sinks][:, None], x[sinks], -out)
    rows = model.constraints("finish", costs.num_layers, lower=0.0)
    model.add(rows, end, 1.0)
    model.add(rows, back, -1.0)
    model.add(rows[:, None], x, -forward * problem.training.backward_flops)
    return end


def _add_backward(
    model: ModelBuilder,
    problem: PartitionProblem,
    columns: tuple[Ints, Ints, Ints],
    triples: tuple[Ints, Ints, Ints],
    unit: float,
    bounds: TimeBounds,
) -> Ints:
    """Add start times of the backward passes: against the edges, in reverse order on each node."""
    assert problem.training is not None
    costs, (x, y, same) = problem.costs(), columns
    (e, u, v), (i, j) = triples, costs.edges.T
    seconds = np.where(costs.allowed, costs.forward_s, 0.0) / unit
    seconds = seconds * problem.training.backward_flops
    back = model.variables(
        "backward", costs.num_layers, lower=bounds.backward_low / unit, upper=bounds.last / unit
    )
    rows = model.constraints("precede_back", len(i), lower=0.0)
    model.add(rows, back[i], 1.0)
    model.add(rows, back[j], -1.0)
    model.add(rows[:, None], x[j], -seconds[j])
    model.add(rows[e], y, -costs.way_s[i[e], v, u] / unit)
    one, two = unrelated(costs)
    big = np.maximum(0.0, bounds.backward_high[two] - bounds.backward_low[one]) / unit
    rows = model.constraints("queue_back", len(one), lower=-big)
    model.add(rows, back[one], 1.0)
    model.add(rows, back[two], -1.0)
    model.add(rows[:, None], x[two], -seconds[two])
    model.add(rows, same, -big)
    return back
