"""Orbit Mean-elements Messages as KEYWORD = VALUE lines, one block after the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ...formulations import checks
from .omm_record import METADATA, ORIGINATOR, VERSION, Record

#: Keyword that begins a block; files that leave it out begin with some other, again and again.
FIRST = "CCSDS_OMM_VERS"


def kvn_records(label: str, text: str) -> Iterator[Record]:
    """Blocks of a file: one begins at each version line, or where its first keyword comes again."""
    fields: dict[str, str] = {}
    lines: dict[str, int] = {}
    begins, number = 1, 0
    for at, raw in enumerate(text.split("\n"), 1):
        line = raw.strip()
        if not line or line == "COMMENT" or line.startswith(("COMMENT ", "#")):
            continue
        key, equals, value = (part.strip() for part in line.partition("="))
        if not equals or not key:
            checks.fail(f"{label}: line {at}", line, "KEYWORD = VALUE")
        if fields and key in (FIRST, next(iter(fields))):
            number += 1
            yield Record(label, number, fields, begins, lines)
            fields, lines = {}, {}
        if not fields:
            begins = at
        if key in fields:
            checks.fail(f"{label}: line {at}", line, f"{key} once, it stands on line {lines[key]}")
        fields[key], lines[key] = value, at
    if fields:
        yield Record(label, number + 1, fields, begins, lines)


def kvn_text(rows: Sequence[dict[str, str]], created: str) -> str:
    """Write blocks, each with its own header."""
    blocks = []
    for row in rows:
        head = {FIRST: VERSION, "CREATION_DATE": created, "ORIGINATOR": ORIGINATOR}
        meta = {key: row[key] for key in METADATA if row[key]}
        data = {key: value for key, value in row.items() if key not in METADATA}
        block = {**head, **meta, **data}
        blocks.append("".join(f"{key} = {value}\n" for key, value in block.items()))
    return "\n".join(blocks)
