"""What ION and HDTN share: nodes are numbers and everything is whole, rounded to the safe side."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ...formulations import checks
from ...formulations.contact_text import NODE_FIELDS
from ...formulations.contacts import ContactPlan, PlanNode

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: Whole numbers up to here are exact as floats.
LARGEST = 2.0**53


def node_numbers(plan: ContactPlan, largest: int) -> list[int]:
    """A number for each node: its own name where all names are whole numbers, else its place."""
    names = plan.node_names
    own = [
        int(name) if name.isascii() and name.isdigit() and len(name) < 20 else 0 for name in names
    ]
    if all(str(k) == name and 0 < k <= largest for k, name in zip(own, names, strict=True)):
        return own
    return list(range(1, len(names) + 1))


def node_data(node: PlanNode) -> dict[str, Any]:
    """A node as plain data, without what it lacks."""
    return {name: getattr(node, name) for name in NODE_FIELDS if getattr(node, name) is not None}


def numbered_nodes(known: Mapping[int, PlanNode], used: Iterable[int]) -> dict[int, PlanNode]:
    """Nodes by number: those of the file's own table, then the others in order, named by number."""
    return dict(known) | {k: PlanNode(str(k)) for k in sorted(set(used) - set(known))}


def whole_contacts(
    plan: ContactPlan, *, rate_unit_bps: float, offset_s: float = 0.0, first_s: float = -LARGEST
) -> tuple[dict[str, NDArray[np.int64]], int]:
    """Contacts in whole seconds and whole units of rate, and how many of them nothing is left of.

    A start and a delay round up, an end and a rate down: the file never promises what the plan
    does not.

    Parameters
    ----------
    plan : ContactPlan
    rate_unit_bps : float
        8 for bytes per second, 1 for bits.
    offset_s : float
        Added to all times.
    first_s : float
        What lies before, is cut off.
    """
    rows = plan.arrays
    for name in ("start_s", "end_s", "rate_bps", "delay_s"):
        for k in np.flatnonzero(np.abs(rows[name]) > LARGEST)[:1].tolist():
            checks.fail(f"contacts[{k}].{name}", rows[name][k].item(), f"at most {LARGEST:g} here")
    found = {
        "source": rows["source"].astype(np.int64),
        "target": rows["target"].astype(np.int64),
        "start_s": np.ceil(np.maximum(rows["start_s"] + offset_s, first_s)).astype(np.int64),
        "end_s": np.floor(rows["end_s"] + offset_s).astype(np.int64),
        "rate": np.floor(rows["rate_bps"] / rate_unit_bps).astype(np.int64),
        "delay_s": np.ceil(rows["delay_s"]).astype(np.int64),
    }
    keep = (found["end_s"] > found["start_s"]) & (found["rate"] > 0)
    return {name: column[keep] for name, column in found.items()}, int((~keep).sum())
