"""Contact plans as files: ours (JSON, CSV, Parquet) and those of ION and HDTN."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from ...formulations import checks
from ...formulations.contact_csv import parse_csv
from ...formulations.contact_text import (
    chosen_epoch,
    parsed_json,
    plan_from_dict,
    reading,
    text_of,
)
from ...formulations.contacts import ContactPlan, PlanNode
from .hdtn import is_hdtn, plan_from_hdtn, write_hdtn
from .ion_export import write_ion
from .ion_import import parse_ion
from .parquet import read_parquet, write_parquet

FORMATS = ("json", "csv", "parquet", "ion", "hdtn")
#: The first that fits counts.
SUFFIXES: Mapping[str, str] = {
    ".hdtn.json": "hdtn",
    ".json": "json",
    ".csv": "csv",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".ionrc": "ion",
    ".ion": "ion",
    ".cp": "ion",
    ".txt": "ion",
}


def read_contact_plan(
    path: str | Path,
    *,
    format: str | None = None,
    epoch: datetime | None = None,
    nodes: Mapping[str, str | None] | Sequence[PlanNode] | None = None,
) -> ContactPlan:
    """Read a contact plan from a file.

    Parameters
    ----------
    path : str or Path
    format : {"json", "csv", "parquet", "ion", "hdtn"}, optional
        By the file's suffix unless given: ``.json`` (ours or HDTN's, as the content says),
        ``.csv``, ``.parquet`` or ``.pq``, and ``.ion``, ``.ionrc``, ``.cp`` or ``.txt`` for ION.
    epoch : datetime, optional
        Second 0 where the file does not say; one that contradicts the file is an error. Without
        it, 1970-01-01T00:00:00Z, or in a file of ION the first absolute time that a command names.
    nodes : mapping of str to str, or sequence of PlanNode, optional
        In place of the file's own nodes: kind (``"ground"`` or ``"orbital"``) by name. A node with
        a contact that is missing here is an error.

    Returns
    -------
    ContactPlan

    Raises
    ------
    InputError
        Naming the file, the line and the field.
    FileNotFoundError
        If there is no such file.
    ImportError
        If the file is Parquet and pyarrow is missing.

    Notes
    -----
    ION: rates are bytes per second. A range from a lower to a higher node number also holds
    backwards, except while a range of that direction holds (ionrc(5)); a contact is cut where its
    delay changes, and where no range holds the delay is 0, which a log line counts. ``c`` and ``d``
    commands are obeyed. Left out are loopback, registration and hypothetical contacts; a confidence
    is not kept. All regions are read as one plan. Relative times before the first ``@`` count from
    the epoch. In a file for several programs (``## begin ionadmin``) the rest is skipped.

    HDTN: `rateBitsPerSec`, or `rate` in Mbit/s; a missing `owlt` is 0. A contact that ends before
    it begins is left out, which a log line counts: HDTN's own plans hold some. A rate of 0 means
    no limit there; it is read as 0, and a log line says so.
    """
    kind = _format(path, format)
    if kind == "parquet":
        with reading(str(path)):
            return _with_nodes(read_parquet(path, epoch), nodes)
    if kind == "csv":
        plan = parse_csv(_as_path(path), epoch=epoch)
        with reading(str(path)):
            return _with_nodes(plan, nodes)
    text, where = text_of(_as_path(path), lambda _: False, "")
    with reading(where):
        if kind == "ion":
            return _with_nodes(parse_ion(text, epoch), nodes)
        data = parsed_json(text)
        if kind == "hdtn" or (format is None and is_hdtn(data)):
            return _with_nodes(plan_from_hdtn(data, epoch), nodes)
        plan = plan_from_dict(data)
        chosen_epoch(plan.epoch, epoch)
        return _with_nodes(plan, nodes)


def write_contact_plan(plan: ContactPlan, path: str | Path, *, format: str | None = None) -> Path:
    """Write a contact plan to a file, all of it or nothing.

    Parameters
    ----------
    plan : ContactPlan
    path : str or Path
        Folders that are missing are made.
    format : {"json", "csv", "parquet", "ion", "hdtn"}, optional
        By the suffix unless given, as in `read_contact_plan`; ``.hdtn.json`` is HDTN's.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    InputError
        For an unknown format, or a plan that the format cannot hold.
    ImportError
        If the file is Parquet and pyarrow is missing.

    Notes
    -----
    JSON, CSV and Parquet keep everything exactly. ION and HDTN know whole numbers only, and the
    file never promises what the plan does not: starts and delays round up to whole seconds, ends
    down, rates down to whole bytes per second (ION) or bits per second (HDTN). A contact of which
    no whole second or no rate is left is left out, which a log line counts. Eclipses are lost.
    Names, kinds, planes, slots, epoch and duration stand where ION and HDTN do not look (comments,
    a key of its own), and `read_contact_plan` finds them there. Node numbers are the names where
    all names are whole numbers > 0, else 1, 2, ... in order.

    ION has one contact at a time for a pair of nodes: contacts that overlap are cut where one
    begins or ends and become one with the sum of their rates and the longest of their delays. HDTN
    starts at second 0: earlier times are cut off, and contacts that rounding makes equal become
    one with the sum of their rates.
    """
    kind = _format(path, format)
    if not isinstance(plan, ContactPlan):
        checks.fail("plan", type(plan).__name__, "a ContactPlan")
    if kind in ("json", "csv"):
        (plan.to_json if kind == "json" else plan.to_csv)(path)
        return Path(path)
    writers: dict[str, Any] = {"parquet": write_parquet, "ion": write_ion, "hdtn": write_hdtn}
    written: Path = writers[kind](plan, path)
    return written


def _as_path(path: Any) -> Any:
    """A path, never mistaken for text."""
    return Path(path) if isinstance(path, str) else path


def _format(path: Any, name: str | None) -> str:
    if name is not None:
        return checks.known("format", name, FORMATS)
    if not isinstance(path, str | Path):
        checks.fail("path", type(path).__name__, "the path of a file")
    found = [kind for suffix, kind in SUFFIXES.items() if str(path).lower().endswith(suffix)]
    if not found:
        checks.fail("path", str(path), f"a suffix among {', '.join(SUFFIXES)}, or format=")
    return found[0]


def _with_nodes(
    plan: ContactPlan, nodes: Mapping[str, str | None] | Sequence[PlanNode] | None
) -> ContactPlan:
    """The plan over other nodes of the same names."""
    if nodes is None:
        return plan
    if isinstance(nodes, Mapping):
        chosen = tuple(PlanNode(name, kind) for name, kind in nodes.items())
    else:
        chosen = tuple(nodes)
    position = {node.name: k for k, node in enumerate(chosen)}
    place = np.array([position.get(name, -1) for name in plan.node_names])
    arrays, eclipses = dict(plan.arrays), dict(plan.eclipses)
    for rows, name in ((arrays, "source"), (arrays, "target"), (eclipses, "node")):
        rows[name] = place[rows[name]]
        for k in np.flatnonzero(rows[name] < 0)[:1].tolist():
            original = plan.eclipses if name == "node" else plan.arrays
            missing = plan.node_names[original[name][k]]
            checks.known(f"nodes: the {name} of row {k}", missing, tuple(position))
    return replace(plan, nodes=chosen, arrays=arrays, eclipses=eclipses)
