"""Contact plans as CSV: a table with node names, under ``#`` lines that keep all the rest.

Floats are written by `repr`: what is read is what was written, bit for bit. Reading goes through
the table in blocks of columns; only where something is wrong is it read again, row by row, for
the line and the field to blame.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np

from . import checks
from .contact_columns import CONTACT_COLUMNS
from .contact_text import (
    FORMAT,
    check_format,
    chosen_epoch,
    parsed_json,
    plan_head,
    read_eclipses,
    read_nodes,
    reading,
    strict_json,
    text_of,
)
from .contacts import ContactPlan, PlanNode
from .files import write_text
from .instants import instant

#: `volume_bytes` follows from the others; tables made for reading carry it, so it may stand there.
CSV_COLUMNS = (*CONTACT_COLUMNS, "volume_bytes")
ROWS_AT_ONCE = 1024
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_.:/+-]+")


def plan_csv(plan: ContactPlan, path: str | Path | None = None) -> str:
    """Return a plan as CSV and, given a path, write it there.

    Epoch, nodes and eclipses stand above the table in lines that begin with ``#``, so that
    ``pandas.read_csv(path, comment="#")`` reads the table.
    """
    head = plan_head(plan)
    lines = [f"# {key}: {head[key]}" for key in ("format", "version", "epoch")]
    lines.append(f"# duration_s: {plan.duration_s!r}")
    lines += [f"# node: {strict_json(node)}" for node in head["nodes"]]
    if head["eclipses"]["node"]:
        lines.append(f"# eclipses: {strict_json(head['eclipses'])}")
    lines.append(",".join(CONTACT_COLUMNS))
    shown = [_quoted(name) for name in plan.node_names]
    ends = ([shown[k] for k in plan.arrays[end].tolist()] for end in ("source", "target"))
    numbers = (map(repr, plan.arrays[name].tolist()) for name in tuple(CONTACT_COLUMNS)[2:])
    text = "\n".join(chain(lines, map(",".join, zip(*ends, *numbers, strict=True)), ("",)))
    if path is not None:
        write_text(path, text)
    return text


def parse_csv(source: str | Path, *, epoch: datetime | None = None) -> ContactPlan:
    """Read a plan from CSV text (with at least one line end) or from the path of a CSV file.

    A table without ``#`` lines will do. Its columns may stand in any order, `delay_s` may be
    missing (0), and the nodes come in order of appearance, of no kind. Where no line says it,
    second 0 is `epoch`, or 1970-01-01T00:00:00Z unless given.

    Raises
    ------
    InputError
        Naming the file, the line and the field, or an `epoch` that is not the file's.
    FileNotFoundError
        If there is no such file.
    """
    text, where = text_of(source, lambda given: "\n" in given or "\r" in given, "contact plan CSV")
    with reading(where):
        said, skipped, table = _csv_head(io.StringIO(text, newline=""))
        try:
            columns, names = _csv_columns(table, said)
            nodes = said["nodes"] or [PlanNode(name) for name in names]
            return ContactPlan(
                epoch=chosen_epoch(said.get("epoch"), epoch),
                nodes=nodes,
                arrays=columns,
                eclipses=said.get("eclipses", {}),
                duration_s=said.get("duration_s"),
            )
        except (ValueError, KeyError, csv.Error) as error:
            _blame_a_row(text, skipped, said, error)
            raise


def _csv_head(stream: Iterator[str]) -> tuple[dict[str, Any], int, Iterator[str]]:
    """What the ``#`` lines say, how many lines stand above the table, and the table's lines."""
    said: dict[str, Any] = {"nodes": []}
    readers: dict[str, Callable[[str], Any]] = {
        "format": lambda text: check_format(text, 1),
        "version": lambda text: check_format(FORMAT, 1 if text == "1" else text),
        "epoch": lambda text: instant("epoch", text),
        "duration_s": lambda text: checks.real("duration_s", _number("duration_s", text)),
        "node": lambda text: said["nodes"].extend(read_nodes([parsed_json(text)])),
        "eclipses": lambda text: read_eclipses(parsed_json(text)),
    }
    k, line = 0, ""
    for k, line in enumerate(stream):
        if not line.startswith("#") and line.strip():
            break
        key, colon, rest = line[1:].strip().partition(":")
        if colon and key in readers:
            with reading(f"line {k + 1}"):
                said[key] = readers[key](rest.strip())
    else:
        checks.fail("table", None, f"a header line, {','.join(CONTACT_COLUMNS)}")
    return said, k, chain((line,), stream)


def _csv_columns(
    lines: Iterable[str], said: Mapping[str, Any]
) -> tuple[dict[str, Any], Sequence[str]]:
    """Columns by name, and the nodes' names in the order of their positions."""
    rows = filter(None, csv.reader(lines, strict=True, skipinitialspace=True))
    header = _csv_header(next(rows))
    position = {node.name: k for k, node in enumerate(said["nodes"])}
    chunks: dict[str, list[Any]] = {name: [] for name in CONTACT_COLUMNS}
    for chunk in iter(lambda: list(islice(rows, ROWS_AT_ONCE)), []):
        fields = dict(zip(header, zip(*chunk, strict=True), strict=True))
        fields.setdefault("delay_s", ("0",) * len(chunk))
        if not said["nodes"]:
            seen = chain.from_iterable(zip(fields["source"], fields["target"], strict=True))
            for name in dict.fromkeys(seen):
                position.setdefault(name, len(position))
        for name, parts in chunks.items():
            ends = name in ("source", "target")
            values = map(position.__getitem__, fields[name]) if ends else map(float, fields[name])
            parts.append(np.fromiter(values, CONTACT_COLUMNS[name], count=len(chunk)))
    return {name: np.concatenate(parts) if parts else () for name, parts in chunks.items()}, tuple(
        position
    )


def _csv_header(row: Sequence[str]) -> list[str]:
    header = [name.strip() for name in row]
    for name in header:
        checks.known("header", name, CSV_COLUMNS)
    checks.unique("header", header)
    for name in tuple(CONTACT_COLUMNS)[:-1]:
        if name not in header:
            checks.fail("header", ",".join(header), f"a column {name}")
    return header


def _blame_a_row(text: str, skipped: int, said: Mapping[str, Any], error: Exception) -> None:
    """Find the row that an error comes from, one by one, and raise naming its line and field."""
    stream = islice(io.StringIO(text, newline=""), skipped, None)
    rows = csv.reader(stream, strict=True, skipinitialspace=True)
    names = {node.name for node in said["nodes"]}
    found = re.match(r"contacts\[(\d+)\]", str(error))
    header: list[str] = []
    count = 0
    while True:
        with reading(lambda: f"line {skipped + rows.line_num}"):
            row = next(filter(None, rows), None)
            if row is None:
                return
            if not header:
                header = _csv_header(row)
                continue
            if len(row) != len(header):
                checks.fail("row", ",".join(row), f"{len(header)} fields, {','.join(header)}")
            for name, value in zip(header, row, strict=True):
                if name not in ("source", "target"):
                    _number(name, value)
                elif names and value not in names:
                    checks.known(name, value, tuple(names))
                else:
                    checks.text(name, value)
            if found and int(found[1]) == count:
                raise error
            count += 1


def _number(where: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        checks.fail(where, text, "a number")


def _quoted(name: str) -> str:
    """A field that neither ``#``, a comma, a line end nor a space at its ends can break."""
    return name if _PLAIN_NAME.fullmatch(name) else '"' + name.replace('"', '""') + '"'
