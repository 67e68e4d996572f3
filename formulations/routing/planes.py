"""The earliest route that touches every orbital plane: it visits a satellite of each.

Planes are the numbers that a plan's nodes carry (`PlanNode.plane`); all that occur must be visited,
the source's included. A route here is a walk: it may come back to a node, as it must where planes
lie in a row and the source is in the middle, though not with nothing touched in between. No contact
across the seam is taken: between the lowest and the highest plane number, where there are more than
two planes. (A plan says nothing of orbits. In a star the planes beside the seam move in opposite
directions.)

Exact: a bundle at a node that has touched the same planes earlier can do all that a later one can,
because it may wait. So one label of earliest arrival for each node and set of planes will do, and
labels are set in the order of time. Of which sets:

- where links join only satellites of one plane or of planes next to each other, and nodes without
  a plane pass nothing on, what is touched is an interval of planes: planes (planes + 1) / 2 sets;
- else every set may come up, 2 to the number of planes, at most 16.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from .. import checks
from ..contacts import ContactPlan
from ..targets import targets_of
from .contact_graph import ContactGraph
from .earliest import earliest_arrivals
from .plane_sets import Planes, across_seam, growing_sets
from .planes_kernel import touch
from .problem import RouteProblem, check_without
from .searching import near
from .solution import Route

if TYPE_CHECKING:
    from numpy.typing import NDArray


def touch_planes(
    plan: ContactPlan,
    source: str,
    target: str | None = None,
    depart_s: float = 0.0,
    volume_bytes: float = 0.0,
    *,
    arrive_by_s: float = math.inf,
    without: Iterable[int | str] = (),
) -> tuple[int, ...] | None:
    """Find the walk that visits every plane and arrives first.

    Parameters
    ----------
    plan : ContactPlan
    source : str
    target : str, optional
        ``"ground"`` is any ground node; may be the source. Unless given, it may end anywhere, as
        the last plane is touched.
    depart_s, volume_bytes, arrive_by_s, without
        As in `RouteProblem`.

    Returns
    -------
    tuple of int, or None
        Contacts in order: none (an empty tuple) where the source is all there is to touch. None
        where no walk touches all planes in time: see `why_planes_are_missed`. Of several walks that
        arrive as early, which one is left open.

    Raises
    ------
    InputError
        For a plan without planes, or with too many of them where they do not form intervals; and
        for bad input as in `RouteProblem`.

    Notes
    -----
    O(states (neighbours log(contacts) + log(states))) at worst, states being nodes times sets of
    planes; what would be reached later than the answer is not looked at.
    """
    where = "touch_planes"
    checks.known(f"{where}.source", source, plan.node_names)
    depart = checks.real(f"{where}.depart_s", depart_s, low=-math.inf)
    volume = checks.real(f"{where}.volume_bytes", volume_bytes)
    until = checks.real(f"{where}.arrive_by_s", arrive_by_s, low=-math.inf, finite=False)
    goal = np.full(len(plan.nodes), target is None)
    if target is not None:
        goal[targets_of(f"{where}.target", plan, target)] = True
    graph = ContactGraph.of(plan)
    out = check_without(f"{where}.without", plan, without)
    usable = graph.usable(plan, out) & ~across_seam(plan)
    planes = Planes.of(plan)
    sets = growing_sets(plan, planes, usable)
    if math.isfinite(until):
        until += near(until)
    state, contact, before = touch(
        graph.ahead, sets, planes.rank, plan.index(source), depart, volume * 8, usable, goal, until
    )
    if state < 0 or depart > until:
        return None
    found: list[int] = []
    while before[state] >= 0:
        found.append(int(contact[state]))
        state = int(before[state])
    return tuple(reversed(found))


def touching_route(problem: RouteProblem) -> Route | None:
    """The walk from source to target that visits every plane and arrives first; None without one.

    Parameters
    ----------
    problem : RouteProblem
        Its objective is not looked at.
    """
    contacts = _touched(problem, problem.arrive_by_s)
    return None if contacts is None else Route.along(problem, contacts)


def why_planes_are_missed(problem: RouteProblem) -> str:
    """Say why no walk visits every plane in time, where none does: ``"no route: "`` and the reason.

    Parameters
    ----------
    problem : RouteProblem
    """
    plan = problem.plan
    seam = np.flatnonzero(across_seam(plan)).tolist()
    args = (plan, problem.source, problem.depart_s, problem.volume_bytes)
    arrival = earliest_arrivals(*args, without=(*problem.without, *seam)).arrival_s
    not_seam = ", not across the seam" if seam else ""
    for plane, first_s in zip(*_first_touched(plan, arrival), strict=True):
        if first_s == math.inf:
            return f"no route: no satellite of plane {plane} is ever reached{not_seam}"
        if first_s > problem.arrive_by_s:
            late = f"after arrive_by_s = {problem.arrive_by_s:.12g}"
            return f"no route: plane {plane} is first reached at {first_s:.12g} s{not_seam}, {late}"
    soonest = None
    if math.isfinite(problem.arrive_by_s):
        soonest = _touched(problem, math.inf)
    if soonest is not None:
        return (
            f"no route: a route that touches every plane arrives at the earliest at "
            f"{Route.along(problem, soonest).arrival_s:.12g} s, after arrive_by_s = "
            f"{problem.arrive_by_s:.12g}"
        )
    return (
        f"no route: each plane can be reached, but no route touches all of them{not_seam} and then "
        f"reaches {problem.target!r}"
    )


def _touched(problem: RouteProblem, arrive_by_s: float) -> tuple[int, ...] | None:
    args = (problem.plan, problem.source, problem.target, problem.depart_s, problem.volume_bytes)
    return touch_planes(*args, arrive_by_s=arrive_by_s, without=problem.without)


def _first_touched(
    plan: ContactPlan, arrival_s: NDArray[np.float64]
) -> tuple[list[int], list[float]]:
    """By plane, its number and when the first of its satellites is reached."""
    planes = Planes.of(plan)
    first = np.full(len(planes) + 1, math.inf)
    np.minimum.at(first, planes.rank, arrival_s)
    return planes.number.tolist(), first[:-1].tolist()
