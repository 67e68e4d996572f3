"""What the baselines share: a source's own contacts, and transfers at a contact's full rate."""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from .. import checks
from .problem import PassProblem
from .transfers import Transfers

#: Shorter than any use of an antenna (s).
SHORTEST_S = 1e-6


def without_batteries(problem: PassProblem) -> None:
    """Refuse what the baselines do not keep an eye on."""
    if problem.energy:
        checks.fail(
            "PassProblem.energy", sorted(problem.energy), "None (baselines know no battery)"
        )


def direct_contacts(problem: PassProblem) -> dict[int, list[int]]:
    """For each contact that ends at a target of its own source's demands: which demands."""
    rows = problem.plan.arrays
    found = defaultdict(list)
    for k, row in enumerate(problem.demands):
        mine = (rows["source"] == problem.plan.index(row.source)) & (rows["rate_bps"] > 0)
        for contact in np.flatnonzero(mine & np.isin(rows["target"], problem.targets(row))):
            found[int(contact)].append(k)
    return found


def at_full_rate(problem: PassProblem, rows: list[tuple[int, int, float, float]]) -> Transfers:
    """Transfers at the contacts' full rates from (demand, contact, start, end)."""
    if not rows:
        return Transfers.empty()
    demand, contact, start, end = (np.array(column) for column in zip(*rows, strict=True))
    rate = problem.plan.arrays["rate_bps"][contact] / 8
    return Transfers.joined([Transfers.of(demand, contact, start, end, rate * (end - start))])


def urgency(problem: PassProblem, k: int) -> tuple[float, float, float, int]:
    """Priority, deadline, release and position of a demand, to sort by."""
    row = problem.demands[k]
    return row.priority, row.deadline_s, row.release_s, k
