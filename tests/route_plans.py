"""What the route oracle knows, as plans."""

from __future__ import annotations

from datetime import UTC, datetime

from route_oracle import Row

from orbweave.formulations.contacts import Contact, ContactPlan, PlanNode

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


def plan_of(rows: list[Row], nodes: int, ground: tuple[int, ...] = ()) -> ContactPlan:
    """The oracle's contacts as a plan; nodes are named a, b, c, ..."""
    return ContactPlan.from_contacts(
        [
            Contact(chr(97 + a), chr(97 + b), start, end, 8.0 * rate, delay)
            for a, b, start, end, rate, delay in rows
        ],
        epoch=EPOCH,
        nodes=[PlanNode(chr(97 + k), "ground" if k in ground else "orbital") for k in range(nodes)],
    )
