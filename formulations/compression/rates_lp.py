"""Compression rates as a linear programme over the hulls of the curves.

Sets
    S   senders (messages), N nodes, I items (layers of messages), G segments of the items' hulls
    K   links from one sender to another
Parameters
    e[i], w[i]  energy of an item and its weight; W = sum of w[i] e[i]
    b[g], d[g]  bytes of a segment, and error that it removes (without weight)
    c[s]        bytes of a sender's link, r[k] bytes of a link between senders
    E[n], j[n]  joules of a node, joules of a byte sent down
    T           bytes of all messages together
    phi, tau    relative error allowed of each sender, and of all together with weights
Variables
    y[g]        bytes taken of a segment, 0 to b[g]
    f[k]        bytes over each link between senders, 0 to r[k]
Objective
    error: minimise W - sum of w d[g] / b[g] y[g]; bytes: minimise the sum of y[g]
Constraints
    capacity    0 <= sum over g of s of y[g] + f into s - f out of s <= c[s]
    energy      j[n] times the same, over the senders of n, <= E[n]
    total       sum of y[g] <= T
    fairness    sum over g of s of d[g] / b[g] y[g] >= (1 - phi) sum of e[i] of s
    target      sum of w d[g] / b[g] y[g] >= (1 - tau) W
Source
    Shoham and Gersho, "Efficient bit allocation for an arbitrary set of quantizers", IEEE
    Transactions on Acoustics, Speech and Signal Processing 36 (1988), whose Lagrangian this is.

Hulls are convex, so that segments fill in the order of their slopes by themselves. An optimal
vertex leaves at most one segment in part for each row that binds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..linear import LinearModel, ModelBuilder
from .problem import CompressionProblem
from .segments import Prices, Segments, least_gain, summed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class RateProgramme:
    """A linear programme and how its columns are to be read.

    Errors are in units of `unit_error`, bytes of `unit_bytes`. `numbers` are the positions of what
    each block of rows is about: senders of ``capacity`` and ``fairness``, nodes of ``energy``.
    """

    model: LinearModel
    problem: CompressionProblem
    parts: Segments
    unit_error: float
    unit_bytes: float
    numbers: dict[str, Ints]

    @property
    def unit(self) -> float:
        """What the model's objective counts in."""
        return self.unit_bytes if self.problem.objective == "bytes" else self.unit_error


def build(
    problem: CompressionProblem,
    parts: Segments,
    *,
    fairness: Floats | None = None,
    target_error: float | None = None,
) -> RateProgramme:
    """Linear programme of the rates.

    Parameters
    ----------
    problem : CompressionProblem
    parts : Segments
        Of the problem.
    fairness : array of float, shape (senders,), optional
        Relative error allowed of each sender, instead of the problem's own.
    target_error : float, optional
        Instead of the problem's own.
    """
    items = problem.items
    unit_error = items.weighted_energy or 1.0
    unit = _unit_bytes(problem, parts)
    slope = parts.gain / parts.size_bytes * unit / unit_error
    sender = items.sender[parts.item]
    model = ModelBuilder()
    numbers: dict[str, Ints] = {}
    # Variables.
    taken = model.variables("taken", len(slope), upper=parts.size_bytes / unit)
    source, target, amount = problem.links
    relay = model.variables("relay", len(source), upper=amount / unit)
    # Objective.
    if problem.objective == "bytes":
        model.minimise(taken, 1.0)
    else:
        model.minimise(taken, -slope)
        model.offset = items.weighted_energy / unit_error
    # Constraints.
    linked = np.zeros(len(problem.capacity), dtype=bool)
    linked[source] = linked[target] = True
    limited = np.flatnonzero(linked | np.isfinite(problem.capacity))
    numbers["capacity"] = limited
    rows = model.constraints(
        "capacity",
        len(limited),
        lower=np.where(linked[limited], 0.0, -np.inf),
        upper=problem.capacity[limited] / unit,
    )
    place = np.full(len(problem.capacity), -1)
    place[limited] = rows
    mine = place[sender] >= 0
    model.add(place[sender[mine]], taken[mine], 1.0)
    model.add(place[source], relay, -1.0)
    model.add(place[target], relay, 1.0)
    numbers["energy"] = _add_energy(model, problem, sender, taken, relay, unit)
    if np.isfinite(problem.total_limit_bytes):
        total = model.constraints("total", 1, upper=problem.total_limit_bytes / unit)
        model.add(total, taken, 1.0)
    if problem.fairness is not None:
        allowed = np.full(len(linked), problem.fairness) if fairness is None else fairness
        numbers["fairness"] = _add_fairness(model, problem, parts, sender, taken, allowed, unit)
    if problem.objective == "bytes":
        least = least_gain(problem, target_error) / unit_error
        model.add(model.constraints("target", 1, lower=least), taken, slope)
    return RateProgramme(model.build(), problem, parts, unit_error, unit, numbers)


def read(found: RateProgramme, x: Floats) -> tuple[Floats, Floats]:
    """Bytes of each item, shape (items,), and over each link between senders, shape (links,)."""
    taken = np.maximum(found.model.block("taken").take(x), 0.0) * found.unit_bytes
    count = len(found.problem.items.curve)
    size = summed(found.parts.item, np.minimum(taken, found.parts.size_bytes), count)
    return size, np.maximum(found.model.block("relay").take(x), 0.0) * found.unit_bytes


def read_prices(found: RateProgramme, duals: Floats) -> Prices:
    """Prices in the objective's units, from the duals of the rows."""
    problem, per_byte = found.problem, found.unit / found.unit_bytes
    rows = {block.name: block.take(duals) for block in found.model.rows}
    capacity, energy = np.zeros(len(problem.capacity)), np.zeros(len(problem.node_energy_j))
    capacity[found.numbers["capacity"]] = np.maximum(-rows["capacity"], 0.0) * per_byte
    node = found.numbers["energy"]
    joules = problem.node_joules_per_byte[node]
    energy[node] = np.maximum(-rows["energy"], 0.0) * per_byte / joules
    total = float(-rows["total"][0]) * per_byte if "total" in rows else 0.0
    target = float(rows["target"][0]) * found.unit / found.unit_error if "target" in rows else 0.0
    return Prices(capacity, energy, total, target)


def _unit_bytes(problem: CompressionProblem, parts: Segments) -> float:
    """Bytes of unit order: what a sender's link carries, else what its layers can take."""
    limits = problem.capacity[np.isfinite(problem.capacity) & (problem.capacity > 0)]
    if len(limits):
        return float(np.median(limits))
    return max(float(parts.size_bytes.sum()) / len(problem.capacity), 1.0)


def _add_energy(
    model: ModelBuilder,
    problem: CompressionProblem,
    sender: Ints,
    taken: Ints,
    relay: Ints,
    unit: float,
) -> Ints:
    """Joules of what a node sends down, as bytes; its own, and what comes and goes over links."""
    joules = problem.node_joules_per_byte
    node = np.flatnonzero(np.isfinite(problem.node_energy_j) & (joules > 0))
    rows = model.constraints(
        "energy", len(node), upper=problem.node_energy_j[node] / joules[node] / unit
    )
    place = np.full(len(joules), -1)
    place[node] = rows
    row = place[problem.sender_node]
    source, target, _ = problem.links
    for ends, columns, values in (
        (sender, taken, np.ones(len(taken))),
        (source, relay, np.full(len(relay), -1.0)),
        (target, relay, np.ones(len(relay))),
    ):
        mine = row[ends] >= 0
        model.add(row[ends[mine]], columns[mine], values[mine])
    return node


def _add_fairness(
    model: ModelBuilder,
    problem: CompressionProblem,
    parts: Segments,
    sender: Ints,
    taken: Ints,
    allowed: Floats,
    unit: float,
) -> Ints:
    """Error of each sender that has any, over its energy, without weights."""
    items = problem.items
    energy = summed(items.sender, items.energy, len(allowed))
    held = np.flatnonzero(energy > 0)
    rows = model.constraints("fairness", len(held), lower=1.0 - allowed[held])
    place = np.full(len(allowed), -1)
    place[held] = rows
    mine = energy[sender] > 0
    slope = parts.drop[mine] / parts.size_bytes[mine] * unit
    model.add(place[sender[mine]], taken[mine], slope / energy[sender[mine]])
    return held
