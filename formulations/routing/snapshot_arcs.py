"""The arcs of a network at one instant after another: of a contact plan, or of a mesh."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import checks
from ..contacts import ContactPlan
from ..space.earth import LIGHT_SPEED_M_PER_S
from .mesh import Mesh, mesh_links

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

#: delay: one-way light time (s). hops: number of links. inverse_rate: time of a bit (s).
WEIGHTS = ("delay", "hops", "inverse_rate")


@dataclass(frozen=True, slots=True, eq=False)
class Arcs:
    """Directed arcs with weights, shape (arcs,) each; parallel ones are legal."""

    tail: Ints
    head: Ints
    weight: Floats


def arcs_at(network: ContactPlan | Mesh, times_s: Floats, weight: str) -> Iterator[Arcs]:
    """The arcs at each time; the same object again while nothing changes."""
    if isinstance(network, ContactPlan):
        return _plan_arcs(network, times_s, weight)
    return _mesh_arcs(network, times_s, weight)


def check(network: ContactPlan | Mesh, times_s: Floats, weight: str) -> None:
    """Refuse a weight or a time of which a mesh cannot know."""
    if isinstance(network, ContactPlan):
        return
    if weight == "inverse_rate" and network.stations and network.ground_link is None:
        expected = "a link such as FixedLink(2e8), of which weight='inverse_rate' takes the rate"
        checks.fail("Mesh.ground_link", None, expected)
    if network.isl is not None and network.isl.is_nearest and times_s.min() < 0:
        expected = "no time before second 0, from which on motif='nearest' chooses partners"
        checks.fail("times", float(times_s.min()), expected)


def moments(where: str, times: Any) -> Floats:
    """Times as an array of its own; not empty, finite, in one dimension."""
    try:
        found = np.atleast_1d(np.array(times, dtype=np.float64))
    except (TypeError, ValueError):
        found = np.empty(0)
    if found.ndim != 1 or not found.size or not np.isfinite(found).all():
        checks.fail(f"{where}.times", times, "one finite number of seconds or more")
    return found


def through_ground(where: str, network: ContactPlan | Mesh, ground_relays: Any) -> bool:
    """Whether a path may lead through a ground node: as given, else in a plan, not in a mesh."""
    if ground_relays is not None and not isinstance(ground_relays, bool):
        checks.fail(f"{where}.ground_relays", ground_relays, "True, False or None")
    return isinstance(network, ContactPlan) if ground_relays is None else ground_relays


def relays(network: ContactPlan | Mesh, through: bool) -> NDArray[np.bool_]:
    """Nodes that a path may lead through, shape (nodes,): all, or all but those on the ground."""
    return np.ones(len(network.node_names), dtype=np.bool_) if through else relays_of(network)


def relays_of(network: ContactPlan | Mesh) -> NDArray[np.bool_]:
    """Which nodes are satellites (or of no known kind), shape (nodes,)."""
    if isinstance(network, ContactPlan):
        return np.array([node.kind != "ground" for node in network.nodes], dtype=np.bool_)
    return np.arange(len(network.node_names)) < len(network.constellation)


def _plan_arcs(plan: ContactPlan, times_s: Floats, weight: str) -> Iterator[Arcs]:
    """Contacts that stand at each time, start included and end not."""
    rows = plan.arrays
    value = _plan_weight(rows, weight)
    usable = np.flatnonzero(np.isfinite(value))
    order = usable[np.argsort(rows["start_s"][usable], kind="stable")]
    start, end = rows["start_s"][order], rows["end_s"][order]
    active, begun, before = np.empty(0, dtype=np.int64), 0, -np.inf
    arcs: Arcs | None = None
    for time in times_s:
        if time < before:  # the contacts that were over may stand again
            active, begun, arcs = active[:0], 0, None
        before, now = time, int(np.searchsorted(start, time, side="right"))
        old = len(active)
        active = active[end[active] > time]
        fresh = np.arange(begun, now)
        fresh = fresh[end[fresh] > time]
        begun = now
        if arcs is None or len(active) < old or len(fresh):
            active = np.concatenate([active, fresh])
            chosen = order[active]
            tail, head = (rows[name][chosen].astype(np.int64) for name in ("source", "target"))
            arcs = Arcs(tail, head, value[chosen])
        yield arcs


def _plan_weight(rows: Any, weight: str) -> Floats:
    """Weight of each contact; infinite where it carries nothing."""
    if weight == "delay":
        return np.asarray(rows["delay_s"], dtype=np.float64)
    if weight == "hops":
        return np.ones(len(rows["delay_s"]))
    with np.errstate(divide="ignore"):
        return np.asarray(1.0 / rows["rate_bps"], dtype=np.float64)


def _mesh_arcs(mesh: Mesh, times_s: Floats, weight: str) -> Iterator[Arcs]:
    """Links of a mesh at each time, both ways."""
    for pairs, far, orbital in mesh_links(mesh, times_s):
        value = _mesh_weight(mesh, far, orbital, weight)
        one, two = pairs[np.isfinite(value)].T
        value = value[np.isfinite(value)]
        yield Arcs(
            np.concatenate([one, two]), np.concatenate([two, one]), np.concatenate([value, value])
        )


def _mesh_weight(mesh: Mesh, far: Floats, orbital: int, weight: str) -> Floats:
    """Weight of each link, the first `orbital` between satellites."""
    if weight == "delay":
        return far / LIGHT_SPEED_M_PER_S
    if weight == "hops":
        return np.ones(len(far))
    with np.errstate(divide="ignore"):
        return np.asarray(1.0 / mesh_rates(mesh, far, orbital), dtype=np.float64)


def mesh_rates(mesh: Mesh, far: Floats, orbital: int) -> Floats:
    """Rate (bit/s) of each link over its length (m), the first `orbital` between satellites."""
    rate = np.zeros(len(far))
    reach = np.maximum(far, 1.0)  # two satellites may cross at one place
    if mesh.isl is not None:
        rate[:orbital] = mesh.isl.link.rate_bps(reach[:orbital])
    if mesh.ground_link is not None:
        rate[orbital:] = mesh.ground_link.rate_bps(reach[orbital:])
    return rate
