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
    rate = np.zeros(len(far))
    reach = np.maximum(far, 1.0)  # two satellites may cross at one place
    if mesh.isl is not None:
        rate[:orbital] = mesh.isl.link.rate_bps(reach[:orbital])
    if mesh.ground_link is not None:
        rate[orbital:] = mesh.ground_link.rate_bps(reach[orbital:])
    with np.errstate(divide="ignore"):
        return np.asarray(1.0 / rate, dtype=np.float64)
