"""How finely a pass problem's time is cut: at its events where they are few, else into slots."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from ..formulations import checks
from ..formulations.passes import PassProblem
from ..formulations.passes.event_cuts import pieces_by_events
from ..formulations.passes.expansion import Expansion, by_events, by_slots
from ..formulations.passes.flows import PassNetwork, build, commodities, has_one_rate, is_network

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]

#: Cells of an expansion that a programme can carry, and a maximum flow (shared by commodities).
MOST_CELLS, MOST_FLOW_CELLS = 150_000, 3_000_000
#: Pieces of contacts beyond which events are not even counted out: they would take gigabytes.
MOST_PIECES = 3_000_000
#: Slot lengths (s) to fall back on, the first that is not too fine.
SLOTS_S = (10.0, 30.0, 60.0, 120.0, 300.0, 600.0)

METHODS = ("events", "slots")


@dataclass(frozen=True, slots=True)
class Grid:
    """How time is cut: `inner` gives schedules, `outer` bounds (the same where exact).

    `make_outer` is asked for the second only where it is needed.
    """

    inner: Expansion
    make_outer: Callable[[], Expansion]
    method: str

    @property
    def outer(self) -> Expansion:
        return self.make_outer()

    def is_network(self, problem: PassProblem) -> bool:
        """Whether the cut problem is a network, and so is its relaxation.

        What is large has one rate, mostly, and the relaxation need not be looked at for that.
        """
        if not is_network(problem, self.inner):
            return False
        return self.inner.exact or has_one_rate(problem) or is_network(problem, self.outer)

    def build(self, problem: PassProblem, demands: Ints, **options: object) -> PassNetwork:
        return build(problem, self.inner, demands, **options)  # type: ignore[arg-type]

    def relaxed(self, problem: PassProblem, demands: Ints, **options: object) -> PassNetwork:
        """The network whose value no schedule exceeds."""
        outer = self.outer
        return build(problem, outer, demands, outer=not outer.exact, **options)  # type: ignore[arg-type]


def grid_of(problem: PassProblem, method: str | None) -> Grid:
    """The grid of a method's name, or the one that suits the size."""
    name, _, length = (method or "").partition("-")
    if method is not None:
        checks.known("SolveOptions.method", name, METHODS)
    if name == "slots" and length:
        try:
            slot = float(length)
        except ValueError:
            checks.fail("SolveOptions.method", method, "'slots-' and a number of seconds")
        return _slots(problem, checks.real("SolveOptions.method slot", slot, strict=True))
    if name == "events" or (not name and pieces_by_events(problem) <= MOST_PIECES):
        events = by_events(problem)
        if name == "events" or len(events.begin_s) <= MOST_CELLS:
            return Grid(events, lambda: events, "events")
    if problem.energy is None:
        most = MOST_FLOW_CELLS // len(commodities(problem))
        grid = _slots(problem, _slot_of(problem, max(most, MOST_CELLS)))
        if grid.is_network(problem):
            return grid
    return _slots(problem, _slot_of(problem, MOST_CELLS))


def _slot_of(problem: PassProblem, most: int) -> float:
    """The shortest slot with no more cells than that."""
    span = float(problem.plan.duration_s or 0.0)
    cells = [len(problem.plan.nodes) * span / slot for slot in SLOTS_S]
    fits = [slot for slot, count in zip(SLOTS_S, cells, strict=True) if count <= most]
    return fits[0] if fits else SLOTS_S[-1]


def _slots(problem: PassProblem, slot_s: float) -> Grid:
    inner = by_slots(problem, slot_s, inner=True)
    outer = cache(lambda: by_slots(problem, slot_s, inner=False))
    return Grid(inner, outer, f"slots of {slot_s:g} s")
