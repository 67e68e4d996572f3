"""Which rules of the plan a route breaks; nothing of how it was found is used."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from .plane_sets import across_seam, planes_missed

if TYPE_CHECKING:
    from ..contacts import ContactPlan
    from .hop import Hop
    from .problem import RouteProblem

#: What may be off, as a share of the amounts at hand; times by so many seconds and this share.
TOLERANCE, TOLERANCE_S, TIME_SHARE = 1e-9, 1e-9, 1e-12


def broken_rules(problem: RouteProblem, hops: Sequence[Hop], depart_s: float) -> Iterator[str]:
    """Every rule that one route breaks, in words."""
    plan, arrival_s = problem.plan, hops[-1].arrive_s
    last = problem.depart_until_s
    if last is None:
        last = math.inf if problem.objective == "minimum_latency" else problem.depart_s
    if not problem.depart_s - _near(problem.depart_s) <= depart_s <= last + _near(last):
        yield f"it departs at {depart_s:.12g} s, outside of what the problem allows"
    if hops[0].source != problem.source:
        yield f"it begins at {hops[0].source!r} instead of {problem.source!r}"
    if plan.index(hops[-1].target) not in problem.targets:
        yield f"it ends at {hops[-1].target!r} instead of {problem.target!r}"
    if arrival_s > problem.arrive_by_s + _near(problem.arrive_by_s):
        yield f"it arrives at {arrival_s:.12g} s, after {problem.arrive_by_s:.12g} s"
    here, now = hops[0].source, depart_s
    for hop in hops:
        yield from _hop(problem, hop, here, now)
        here, now = hop.target, hop.arrive_s
    if problem.objective == "touch_planes":
        yield from _planes(problem, hops)


def _hop(problem: RouteProblem, hop: Hop, here: str, now: float) -> Iterator[str]:
    """What is wrong with one hop of a bundle that is at a node from some time on."""
    contact = problem.plan.contact(hop.contact)
    told = f"hop {hop.source} -> {hop.target} at {hop.depart_s:.12g} s"
    near = _near(max(abs(contact.start_s), abs(contact.end_s), abs(hop.arrive_s)))
    if (hop.source, hop.target) != (contact.source, contact.target):
        yield f"{told} is not contact {hop.contact}"
    if hop.source != here:
        yield f"{told} begins where the bundle is not, which is at {here!r}"
    gone = {hop.contact, hop.source, hop.target} & set(problem.without)
    if gone:
        yield f"{told} takes what is left out, {gone}"
    if hop.depart_s < now - near:
        yield f"{told} departs before the bundle is there, at {now:.12g} s"
    if hop.depart_s < contact.start_s - near:
        yield f"{told} departs before the contact starts, at {contact.start_s:.12g} s"
    if hop.end_s > contact.end_s + near:
        yield f"{told} ends at {hop.end_s:.12g} s, after the contact, {contact.end_s:.12g} s"
    if not problem.volume_bytes and hop.depart_s >= contact.end_s:
        yield f"{told} departs when the contact is over, at {contact.end_s:.12g} s"
    sent = (hop.end_s - hop.depart_s) * contact.rate_bps / 8
    room = TOLERANCE * problem.volume_bytes + near * contact.rate_bps / 8
    if problem.volume_bytes and not sent >= problem.volume_bytes - room:
        yield f"{told} sends {sent:.12g} of {problem.volume_bytes:.12g} bytes"
    if hop.arrive_s < hop.end_s + contact.delay_s - near:
        yield f"{told} arrives sooner than light, at {hop.arrive_s:.12g} s"


def _planes(problem: RouteProblem, hops: Sequence[Hop]) -> Iterator[str]:
    """Planes that a route does not touch, and where it crosses the seam."""
    contacts = [hop.contact for hop in hops]
    for number in planes_missed(problem.plan, contacts):
        yield f"it touches no satellite of plane {number}"
    seam = across_seam(problem.plan)
    for hop in hops:
        if seam[hop.contact]:
            yield f"hop {hop.source} -> {hop.target} crosses the seam"


def shared(
    plan: ContactPlan, kind: str, one: Sequence[int], other: Sequence[int]
) -> tuple[str, ...]:
    """What two routes, by their contacts, share and should not, by `RouteProblem.disjoint`."""
    rows, names = plan.arrays, plan.node_names
    paths = [[(int(rows["source"][k]), int(rows["target"][k])) for k in p] for p in (one, other)]
    links = [{(min(pair), max(pair)) for pair in path} for path in paths]
    found = [f"the link {names[a]!r} - {names[b]!r}" for a, b in sorted(links[0] & links[1])]
    if kind == "node":
        inner = [{target for _, target in path[:-1]} for path in paths]
        found += [f"node {names[node]!r}" for node in sorted(inner[0] & inner[1])]
    return tuple(found)


def _near(time_s: float) -> float:
    """How far two times may be apart to count as one."""
    return TOLERANCE_S + TIME_SHARE * abs(time_s) if math.isfinite(time_s) else 0.0
