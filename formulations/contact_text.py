"""Contact plans as JSON, exact both ways, and what the readers of all formats share.

Contacts are columns, floats are written by `repr`: what is read is what was written, bit for bit.
Cost is linear in the contacts; a million of them take seconds.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from . import checks
from .contacts import ContactPlan, PlanNode
from .files import write_text
from .instants import instant, iso

FORMAT = "orbweave-contact-plan"
#: Second 0 of a file that does not say.
UNIX_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NODE_FIELDS = ("name", "kind", "plane", "slot")
HEAD_KEYS = ("format", "version", "epoch", "duration_s", "nodes", "contacts", "eclipses")


# -- JSON -----------------------------------------------------------------------------------------
def plan_json(plan: ContactPlan, path: str | Path | None = None) -> str:
    """Return a plan as JSON text and, given a path, write it there."""
    data = plan_head(plan)
    data["contacts"] = {name: column.tolist() for name, column in plan.arrays.items()}
    text = _json_by_line(data) + "\n"
    if path is not None:
        write_text(path, text)
    return text


def parse_json(source: str | Path) -> ContactPlan:
    """Read a plan from JSON text or from the path of a JSON file.

    Raises
    ------
    InputError
        Naming the file, the line or the field.
    FileNotFoundError
        If there is no such file.
    """
    text, where = text_of(source, lambda given: given.lstrip().startswith("{"), "contact plan JSON")
    with reading(where):
        return plan_from_dict(parsed_json(text))


def parsed_json(text: str) -> dict[str, Any]:
    """One JSON object, strict: no NaN, no Infinity."""

    def refuse(word: str) -> None:
        checks.fail("JSON", word, "numbers that JSON knows (null where there is none)")

    try:
        data = json.loads(text, parse_constant=refuse)
    except json.JSONDecodeError as error:
        checks.fail(f"line {error.lineno}, column {error.colno}", error.msg, "valid JSON")
    except ValueError as error:
        if isinstance(error, checks.InputError):
            raise
        checks.fail("JSON", str(error), "numbers of sane length")
    if not isinstance(data, dict):
        checks.fail("JSON", type(data).__name__, "an object")
    return data


def plan_head(plan: ContactPlan) -> dict[str, Any]:
    """Everything but the contacts as plain data; NaN is None."""
    nodes = [
        {name: getattr(node, name) for name in NODE_FIELDS if getattr(node, name) is not None}
        for node in plan.nodes
    ]
    eclipses = {name: column.tolist() for name, column in plan.eclipses.items()}
    for name in ("umbra_start_s", "umbra_end_s"):
        eclipses[name] = [None if value != value else value for value in eclipses[name]]
    return {
        "format": FORMAT,
        "version": 1,
        "epoch": iso(plan.epoch),
        "duration_s": plan.duration_s,
        "nodes": nodes,
        "eclipses": eclipses,
    }


def plan_from_dict(data: Mapping[str, Any]) -> ContactPlan:
    """Build a plan from the head that `plan_head` gave and its contacts."""
    for key in data:
        checks.known("key", key, HEAD_KEYS)
    check_format(data.get("format"), data.get("version"))
    for key in ("epoch", "nodes", "contacts"):
        if key not in data:
            checks.fail(key, None, "a value (the key is missing)")
    if not isinstance(data["epoch"], str):
        checks.fail("epoch", data["epoch"], "a date and time such as '2026-01-01T00:00:00Z'")
    return ContactPlan(
        epoch=instant("epoch", data["epoch"]),
        nodes=read_nodes(data["nodes"]),
        arrays=data["contacts"],
        eclipses=read_eclipses(data.get("eclipses")),
        duration_s=data.get("duration_s"),
    )


def check_format(name: object, version: object) -> None:
    """Refuse another format or version."""
    if name != FORMAT:
        checks.fail("format", name, repr(FORMAT))
    if version != 1 or isinstance(version, bool):
        checks.fail("version", version, "1")


def read_nodes(rows: object) -> list[PlanNode]:
    """Nodes from a list of objects."""
    if not isinstance(rows, list):
        checks.fail("nodes", type(rows).__name__, "a list of objects")
    nodes = []
    for k, row in enumerate(rows):
        if not isinstance(row, dict):
            checks.fail(f"nodes[{k}]", row, "an object")
        for key in row:
            checks.known(f"nodes[{k}] key", key, NODE_FIELDS)
        if "name" not in row:
            checks.fail(f"nodes[{k}].name", None, "a name (the key is missing)")
        nodes.append(PlanNode(**row))
    return nodes


def read_eclipses(columns: object) -> dict[str, Any]:
    """Columns of eclipses in which None stands for NaN."""
    if columns is None:
        return {}
    if not isinstance(columns, dict):
        checks.fail("eclipses", type(columns).__name__, "an object of columns")
    return {
        name: [math.nan if value is None else value for value in column]
        if name.startswith("umbra") and isinstance(column, list)
        else column
        for name, column in columns.items()
    }


def _json_by_line(data: Mapping[str, Any]) -> str:
    """JSON with a line for each key, each column and each node."""
    parts = []
    for key, value in data.items():
        if isinstance(value, dict):
            inner = ",\n".join(f"  {json.dumps(k)}: {strict_json(v)}" for k, v in value.items())
            shown = f"{{\n{inner}\n }}"
        elif isinstance(value, list):
            shown = "[\n" + ",\n".join(f"  {strict_json(row)}" for row in value) + "\n ]"
        else:
            shown = strict_json(value)
        parts.append(f" {json.dumps(key)}: {shown}")
    return "{\n" + ",\n".join(parts) + "\n}"


def strict_json(value: Any) -> str:
    """JSON on one line; a NaN inside is a ValueError."""
    return json.dumps(value, allow_nan=False)


# -- what every format needs ----------------------------------------------------------------------
@contextmanager
def reading(where: str | Callable[[], str]) -> Iterator[None]:
    """Put the place before the message of whatever is wrong with the data read inside."""
    try:
        yield
    except (ValueError, ArithmeticError, LookupError, RecursionError, csv.Error) as error:
        kind = type(error) if isinstance(error, checks.InputError) else checks.InputError
        place = where if isinstance(where, str) else where()
        shown = str(error) if isinstance(error, checks.InputError) else f"cannot be read: {error}"
        raise kind(f"{place}: {shown}") from error


def text_of(source: str | Path, is_text: Callable[[str], bool], name: str) -> tuple[str, str]:
    """The text itself or the text of the file at a path, and what to call it in errors."""
    if isinstance(source, str) and is_text(source):
        return source.removeprefix("\ufeff"), name
    try:
        return bytes_of(source).decode("utf-8-sig"), str(source)
    except UnicodeDecodeError as error:
        checks.fail(
            str(source), f"byte {error.start} is {error.object[error.start]:#x}", "UTF-8 text"
        )


def bytes_of(source: str | Path) -> bytes:
    """A file's bytes; what is no file is an InputError, a missing one a FileNotFoundError."""
    if not isinstance(source, str | Path):
        checks.fail("contact plan", type(source).__name__, "the path of a file")
    try:
        return Path(source).read_bytes()
    except FileNotFoundError:
        raise
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        checks.fail("contact plan", str(source)[:200], f"a file that can be read ({reason})")


def chosen_epoch(said: datetime | None, given: datetime | None) -> datetime:
    """The epoch of a file: its own, else the one given, else the Unix epoch."""
    if given is not None:
        given = instant("epoch", given)
        if said is not None and said != given:
            checks.fail("epoch", iso(given), f"the epoch that the file states, {iso(said)}")
    return said or given or UNIX_EPOCH
