"""Writing contact plans for ION, as commands of ionadmin: whole numbers, one contact at a time.

See `ion_import` for the commands and their source.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np

from ...formulations import checks
from ...formulations.contact_text import strict_json
from ...formulations.contacts import ContactPlan
from ...formulations.files import write_text
from ...formulations.instants import iso, seconds_between
from .dtn_numbers import node_data, node_numbers, whole_contacts

log = logging.getLogger(__name__)

#: ionadmin reads lines of up to 255 bytes.
LONGEST_LINE = 255
LARGEST_NODE = 2**63 - 1


def write_ion(plan: ContactPlan, path: str | Path) -> Path:
    """Write a plan as commands of ionadmin; see `write_contact_plan` for what is rounded."""
    numbers = node_numbers(plan, LARGEST_NODE)
    epoch = plan.epoch.replace(microsecond=0)
    fraction_s = seconds_between(epoch, plan.epoch)
    rows, lost = whole_contacts(plan, rate_unit_bps=8.0, offset_s=fraction_s)
    if lost:
        log.warning("%d contacts hold no whole second or no rate and are left out", lost)
    early_s = -int(rows["start_s"].min(initial=0))
    try:
        reference = epoch - timedelta(seconds=early_s)
    except OverflowError:
        checks.fail("contacts start_s", -early_s, "times after the year 1")
    for name in ("start_s", "end_s"):
        rows[name] += early_s
    rows = _one_at_a_time(rows)
    names = np.array(numbers, dtype=np.int64)
    starts, ends, rates, delays = (
        rows[k].tolist() for k in ("start_s", "end_s", "rate", "delay_s")
    )
    sources, targets = names[rows["source"]].tolist(), names[rows["target"]].tolist()
    lines = [
        f"# orbweave epoch {iso(plan.epoch)}",
        f"# orbweave duration_s {plan.duration_s!r}",
        *(
            _short(f"# orbweave node {number} {strict_json(node_data(node))}", node.name)
            for number, node in zip(numbers, plan.nodes, strict=True)
        ),
        f"@ {reference:%Y/%m/%d-%H:%M:%S}",
    ]
    lines += [
        f"a contact +{start} +{end} {source} {target} {rate}"
        for start, end, source, target, rate in zip(
            starts, ends, sources, targets, rates, strict=True
        )
    ]
    ranges = dict.fromkeys(zip(sources, targets, starts, ends, delays, strict=True))
    lines += [
        f"a range +{start} +{end} {source} {target} {delay}"
        for source, target, start, end, delay in ranges
        # The range from the lower to the higher number holds backwards as well.
        if source < target or (target, source, start, end, delay) not in ranges
    ]
    return write_text(path, "\n".join(lines) + "\n")


def _short(line: str, name: str) -> str:
    if len(line) > LONGEST_LINE:
        checks.fail("node", name, f"a name that fits a line of {LONGEST_LINE} bytes in ION")
    return line


def _one_at_a_time(rows: dict[str, Any]) -> dict[str, Any]:
    """Contacts of which no two of one pair overlap: while several do, one with the sum of rates.

    It has the longest of their delays.
    """
    order = np.lexsort((rows["start_s"], rows["target"], rows["source"]))
    pair = rows["source"][order] * (int(rows["target"].max(initial=0)) + 1) + rows["target"][order]
    overlap = (pair[1:] == pair[:-1]) & (rows["start_s"][order[1:]] < rows["end_s"][order[:-1]])
    if not overlap.any():
        return rows
    tangled = np.isin(pair, pair[1:][overlap])
    parts = [{name: column[order[~tangled]] for name, column in rows.items()}]
    place = [order[~tangled]]
    for one in np.unique(pair[tangled]).tolist():
        found = {name: column[order[pair == one]] for name, column in rows.items()}
        parts.append(_untangled(found))
        place.append(np.full(len(parts[-1]["rate"]), order[pair == one].min()))
    back = np.argsort(np.concatenate(place), kind="stable")
    log.warning("contacts that overlap are added up: ION has one at a time for a pair of nodes")
    return {name: np.concatenate([part[name] for part in parts])[back] for name in rows}


def _untangled(rows: dict[str, Any]) -> dict[str, Any]:
    """Contacts of one pair cut at every start and end, and added up."""
    edges = np.unique(np.concatenate((rows["start_s"], rows["end_s"])))
    active = (rows["start_s"] <= edges[:-1, None]) & (rows["end_s"] > edges[:-1, None])
    keep = active.any(axis=1)
    found = {
        "start_s": edges[:-1][keep],
        "end_s": edges[1:][keep],
        "rate": (active @ rows["rate"])[keep],
        "delay_s": (active * rows["delay_s"]).max(axis=1)[keep],
    }
    return {name: np.full(keep.sum(), rows[name][0]) for name in ("source", "target")} | found
