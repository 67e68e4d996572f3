"""The rates' linear programme on few vertices of the hulls, more of them where prices say so.

A chord between any two vertices of a hull lies above it, so that a programme over some vertices
gives settings that can be had. Its duals price every segment that was left out: they prove a bound
of the whole programme, and where an item would rather be at another vertex, that one comes in. It
is column generation: Kelley, "The cutting-plane method for solving convex programs", Journal of the
SIAM 8 (1960), on the dual side.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from ..formulations.compression.rates_lp import RateProgramme
from ..formulations.compression.segments import Segments, Vertices
from .backends import RawResult, solve_model
from .backends.judge import dual_bound
from .options import SolveOptions
from .result import Reason

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]

#: Columns up to which the whole programme is solved at once.
SMALL = 20_000
#: Vertices of a hull between two that the first programme has, and at each side of a tangent.
_STRIDE, _SIDE = 16, 1
#: Relative gap to the whole programme at which no more vertices come in.
_ENOUGH = 1e-7


@dataclass(frozen=True, slots=True, eq=False)
class Refined:
    """The last programme, its answer, and a bound of the programme over all vertices."""

    programme: RateProgramme
    raw: RawResult
    bound: float


def solve_refined(
    build: Callable[[Segments], RateProgramme], vertices: Vertices, options: SolveOptions
) -> Refined:
    """Solve the programme over all vertices.

    Parameters
    ----------
    build : callable
        The programme over some segments.
    vertices : Vertices
    options : SolveOptions

    Returns
    -------
    Refined
        ``bound`` in the objective's unit, ``-inf`` without duals.
    """
    until = time.perf_counter() + options.time_limit_s
    whole = build(vertices.chords())
    if whole.model.num_columns <= SMALL:
        raw = solve_model(whole.model, options)
        return Refined(whole, raw, raw.bound * whole.unit)
    first = np.flatnonzero(np.diff(vertices.item, prepend=-1))
    rank = np.arange(len(vertices.item)) - first[vertices.item]
    count = np.diff(np.append(first, len(vertices.item)))
    chosen = (rank % _STRIDE == 0) | (rank == count[vertices.item] - 1)
    bound = -np.inf
    while True:
        some = build(vertices.chords(chosen))
        raw = solve_model(
            some.model, replace(options, time_limit_s=max(until - time.perf_counter(), 1e-3))
        )
        if raw.reason is Reason.INFEASIBLE and not chosen.all():
            chosen = np.ones_like(chosen)  # chords lie above the hull: without them it may be done
            continue
        if raw.reason is not Reason.OPTIMAL or raw.x is None or raw.duals is None:
            return Refined(some, raw, bound * whole.unit)
        bound = max(bound, dual_bound(whole.model, raw.duals))
        value = some.model.objective(raw.x)
        wanted = chosen | _tangents(whole, vertices, raw.duals, first)
        if value - bound <= _ENOUGH * max(abs(value), 1e-9) or (wanted == chosen).all():
            return Refined(some, raw, bound * whole.unit)
        chosen = wanted


def _tangents(
    whole: RateProgramme, vertices: Vertices, duals: Floats, first: NDArray[np.int64]
) -> Bools:
    """Vertices at which each item is best at these prices, and their neighbours."""
    reduced = whole.model.cost - whole.model.matrix.T @ duals
    wanted = whole.model.block("taken").take(reduced) < 0
    item = whole.parts.item
    at = first + np.bincount(item[wanted], minlength=len(first))
    found = np.zeros(len(vertices.item), dtype=bool)
    for step in range(-_SIDE, _SIDE + 1):
        place = np.clip(at + step, 0, len(found) - 1)
        found[place[vertices.item[place] == np.arange(len(first))]] = True
    return found
