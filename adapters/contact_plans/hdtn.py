"""Contact plans of HDTN, NASA's High-rate Delay Tolerant Networking: JSON with a list of contacts.

Each contact has `source` and `dest` (node numbers), `startTime` and `endTime` (seconds since HDTN
starts, or Unix time), `rateBitsPerSec` (0: no limit; in older plans `rate`, Mbit/s) and `owlt`
(seconds). HDTN takes whole numbers, or strings that hold them, and ignores other keys beside
`contacts`. Source: nasa/HDTN, module/router (`Router::ProcessContacts`, `GetRateBpsFromPtree`).
"""

from __future__ import annotations

import json
import logging
import math
import re
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from ...formulations import checks
from ...formulations.contact_columns import merged
from ...formulations.contact_text import chosen_epoch, read_nodes
from ...formulations.contacts import ContactPlan, PlanNode
from ...formulations.files import write_text
from ...formulations.instants import instant, iso
from .dtn_numbers import node_data, node_numbers, numbered_nodes, whole_contacts

log = logging.getLogger(__name__)

#: HDTN reads node numbers into 32 bits.
LARGEST_NODE = 2**31 - 1
CONTACT_KEYS = (
    "contact",
    "source",
    "dest",
    "finalDestination",
    "startTime",
    "endTime",
    "rateBitsPerSec",
    "rate",
    "owlt",
)
#: Beside `contacts`, in files that this library wrote: what HDTN has no place for.
OWN_KEY = "orbweave"


def is_hdtn(data: Mapping[str, Any]) -> bool:
    """Whether a JSON object looks like a plan of HDTN."""
    return "format" not in data and isinstance(data.get("contacts"), list)


def plan_from_hdtn(data: Mapping[str, Any], epoch: datetime | None = None) -> ContactPlan:
    """Build a plan from the JSON of HDTN; see `read_contact_plan` for what becomes of what."""
    rows = data.get("contacts")
    if not isinstance(rows, list):
        checks.fail("contacts", type(rows).__name__, "a list of contacts")
    table, said, duration_s = _own_table(data.get(OWN_KEY, {}))
    fields = [_contact(f"contacts[{k}]", row) for k, row in enumerate(rows)]
    columns = np.array(fields, dtype=np.float64).reshape(-1, 6)
    kept = np.flatnonzero(columns[:, 3] > columns[:, 2])
    if len(kept) < len(columns):
        log.warning("%d contacts end before they begin and are left out", len(columns) - len(kept))
    if (columns[kept, 4] == 0).any():
        log.warning("a rate of 0, without a limit in HDTN, is read as no rate at all")
    used = dict.fromkeys(number for row in fields for number in row[:2])
    nodes = numbered_nodes(table, [int(number) for number in used])
    place = {number: k for k, number in enumerate(nodes)}
    arrays: dict[str, Any] = {
        "source": np.array([place[int(fields[k][0])] for k in kept.tolist()], dtype=np.int32),
        "target": np.array([place[int(fields[k][1])] for k in kept.tolist()], dtype=np.int32),
    }
    for j, name in enumerate(("start_s", "end_s", "rate_bps", "delay_s"), start=2):
        arrays[name] = columns[kept, j]
    try:
        return ContactPlan(
            chosen_epoch(said, epoch), tuple(nodes.values()), arrays, duration_s=duration_s
        )
    except checks.InputError as error:
        # Positions among the contacts kept, back to positions in the file.
        shown = re.sub(r"contacts\[(\d+)\]", lambda m: f"contacts[{kept[int(m[1])]}]", str(error))
        raise type(error)(shown) from error


def write_hdtn(plan: ContactPlan, path: str | Path) -> Path:
    """Write a plan for HDTN; see `write_contact_plan` for what is rounded."""
    numbers = node_numbers(plan, LARGEST_NODE)
    whole, lost = whole_contacts(plan, rate_unit_bps=1.0, first_s=0.0)
    if lost:
        log.warning("%d contacts hold no whole second or no rate and are left out", lost)
    whole["rate_bps"] = whole.pop("rate")
    rows = {name: column.astype(np.int64).tolist() for name, column in merged(whole).items()}
    lines = [
        f'{{"contact": {k}, "source": {numbers[source]}, "dest": {numbers[target]}, '
        f'"startTime": {start}, "endTime": {end}, "rateBitsPerSec": {rate}, "owlt": {delay}}}'
        for k, (source, target, start, end, rate, delay) in enumerate(
            zip(
                *(
                    rows[name]
                    for name in ("source", "target", "start_s", "end_s", "rate_bps", "delay_s")
                ),
                strict=True,
            )
        )
    ]
    own = {
        "epoch": iso(plan.epoch),
        "duration_s": plan.duration_s,
        "nodes": [
            {"number": number} | node_data(node)
            for number, node in zip(numbers, plan.nodes, strict=True)
        ],
    }
    body = ",\n".join(lines)
    return write_text(path, f'{{"contacts": [\n{body}\n],\n"{OWN_KEY}": {json.dumps(own)}}}\n')


def _own_table(own: Any) -> tuple[dict[int, PlanNode], datetime | None, Any]:
    """Nodes by number, epoch and duration, as `write_hdtn` left them."""
    if not isinstance(own, dict):
        checks.fail(OWN_KEY, type(own).__name__, "an object")
    for key in own:
        checks.known(f"{OWN_KEY} key", key, ("epoch", "duration_s", "nodes"))
    table: dict[int, PlanNode] = {}
    rows = own.get("nodes", [])
    if not isinstance(rows, list):
        checks.fail(f"{OWN_KEY}.nodes", type(rows).__name__, "a list of objects")
    for k, row in enumerate(rows):
        if not isinstance(row, dict):
            checks.fail(f"{OWN_KEY}.nodes[{k}]", row, "an object")
        number = checks.whole(f"{OWN_KEY}.nodes[{k}].number", row.get("number"))
        if number in table:
            checks.fail(f"{OWN_KEY}.nodes[{k}].number", number, "every number once")
        (table[number],) = read_nodes([{key: row[key] for key in row if key != "number"}])
    epoch = own.get("epoch")
    return (
        table,
        None if epoch is None else instant(f"{OWN_KEY}.epoch", epoch),
        own.get("duration_s"),
    )


def _contact(where: str, row: Any) -> tuple[float, ...]:
    """One contact as source, target, start, end, bits per second and delay."""
    if not isinstance(row, dict):
        checks.fail(where, row, "an object")
    if not row.keys() <= set(CONTACT_KEYS):
        for key in row:
            checks.known(f"{where} key", key, CONTACT_KEYS)
    ends = [_number(where, row, key, whole=True) for key in ("source", "dest")]
    if ends[0] == ends[1]:
        checks.fail(f"{where}.dest", row["dest"], "another node than the source")
    times = [_number(where, row, key, low=-math.inf) for key in ("startTime", "endTime")]
    if "rateBitsPerSec" not in row and "rate" in row:
        rate_bps = _number(where, row, "rate") * 1e6
    else:
        rate_bps = _number(where, row, "rateBitsPerSec")
    return *ends, *times, rate_bps, _number(where, row, "owlt") if "owlt" in row else 0.0


def _number(
    where: str, row: Mapping[str, Any], key: str, *, low: float = 0.0, whole: bool = False
) -> float:
    value = row.get(key)
    if key not in row:
        checks.fail(f"{where}.{key}", None, "a number (the key is missing)")
    if isinstance(value, str):  # HDTN's own parser makes no difference, and some plans quote
        try:
            value = float(value)
        except ValueError:
            checks.fail(f"{where}.{key}", value, "a number")
    if whole:
        return checks.whole(f"{where}.{key}", value)
    return checks.real(f"{where}.{key}", value, low=low)
