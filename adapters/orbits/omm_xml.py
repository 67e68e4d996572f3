"""Orbit Mean-elements Messages as XML (CCSDS 505.0): ndm, omm, body, segment.

Read with the standard library's Expat, as a stream; a document type is refused, so that no entity
can be defined, expanded or fetched.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NoReturn
from xml.parsers import expat
from xml.sax.saxutils import escape

from ...formulations import checks
from .omm_record import METADATA, ORIGINATOR, USER_DEFINED, VERSION, Record

#: Elements that hold others; whatever else holds text inside a segment is a keyword.
HOLDERS = (
    "metadata",
    "data",
    "meanElements",
    "spacecraftParameters",
    "tleParameters",
    "covarianceMatrix",
    "userDefinedParameters",
)
TLE_PARAMETERS = (
    "EPHEMERIS_TYPE",
    "CLASSIFICATION_TYPE",
    "NORAD_CAT_ID",
    "ELEMENT_SET_NO",
    "REV_AT_EPOCH",
    "BSTAR",
    "MEAN_MOTION_DOT",
    "MEAN_MOTION_DDOT",
)


class _Reader:
    """Collects the segments of a document while Expat walks through it."""

    def __init__(self, label: str) -> None:
        self.label = label
        self.records: list[Record] = []
        self.path: list[str] = []
        self.fields: dict[str, str] = {}
        self.lines: dict[str, int] = {}
        self.begins = 0
        self.key = ""
        self.text: list[str] = []
        self.parser = expat.ParserCreate("utf-8")
        self.parser.buffer_text = True
        self.parser.StartDoctypeDeclHandler = self.refuse
        self.parser.StartElementHandler = self.start
        self.parser.EndElementHandler = self.end
        self.parser.CharacterDataHandler = self.text.append

    def fail(self, value: object, expected: str) -> NoReturn:
        checks.fail(f"{self.label}: line {self.parser.CurrentLineNumber}", value, expected)

    def refuse(self, *_: object) -> None:
        self.fail("<!DOCTYPE", "XML without a document type")

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        name = tag.rpartition(":")[2]
        if not self.path and name not in ("ndm", "omm"):
            self.fail(f"<{name}>", "a document of <ndm> or <omm>")
        if self.path == ["ndm"] and name not in ("omm", "MESSAGE_ID", "COMMENT"):
            self.fail(f"<{name}>", "<omm>, mean elements, and no other message")
        self.path.append(name)
        self.text.clear()
        if name == "segment":
            self.fields, self.lines = {}, {}
            self.begins = self.parser.CurrentLineNumber
        elif "segment" in self.path and name not in (*HOLDERS, "COMMENT"):
            if self.key:
                self.fail(f"<{name}>", f"text in <{self.key}>")
            # <USER_DEFINED parameter="PLANE"> is KVN's USER_DEFINED_PLANE.
            defined = name == "USER_DEFINED"
            self.key = f"{USER_DEFINED}{attributes.get('parameter', '')}" if defined else name
            if self.key in self.fields:
                self.fail(f"<{name}>", f"{self.key} once in a segment")
            self.lines[self.key] = self.parser.CurrentLineNumber

    def end(self, tag: str) -> None:
        name = self.path.pop()
        if name == "segment":
            number = len(self.records) + 1
            self.records.append(Record(self.label, number, self.fields, self.begins, self.lines))
        elif self.key:
            self.fields[self.key] = "".join(self.text).strip()
            self.key = ""


def xml_records(label: str, text: str) -> Iterator[Record]:
    """Segments of a document, each one message."""
    reader = _Reader(label)
    try:
        reader.parser.Parse(text.encode(), True)
    except expat.ExpatError as error:
        said = re.sub(r":? ?line \d+, column \d+$", "", str(error))
        where = f"{label}: line {error.lineno}"
        raise checks.InputError(f"{where}: not well-formed XML: {said}") from None
    yield from reader.records


def xml_text(rows: Sequence[dict[str, str]], created: str) -> str:
    """Write one document with a message for each satellite."""
    out = ['<?xml version="1.0" encoding="UTF-8"?>', "<ndm>"]
    for row in rows:
        meta = [key for key in METADATA if row[key]]
        user = [key for key in row if key.startswith(USER_DEFINED)]
        tle = [key for key in TLE_PARAMETERS if key in row]
        mean = [key for key in row if key not in (*METADATA, *tle, *user)]
        defined = "".join(
            f'<USER_DEFINED parameter="{key.removeprefix(USER_DEFINED)}">{row[key]}</USER_DEFINED>'
            for key in user
        )
        out += [
            f'<omm id="CCSDS_OMM_VERS" version="{VERSION}">',
            f"<header><CREATION_DATE>{created}</CREATION_DATE>"
            f"<ORIGINATOR>{ORIGINATOR}</ORIGINATOR></header>",
            f"<body><segment><metadata>{_elements(row, meta)}</metadata>",
            f"<data><meanElements>{_elements(row, mean)}</meanElements>",
            f"<tleParameters>{_elements(row, tle)}</tleParameters>",
            *([f"<userDefinedParameters>{defined}</userDefinedParameters>"] if user else []),
            "</data></segment></body></omm>",
        ]
    return "\n".join([*out, "</ndm>", ""])


def _elements(row: dict[str, str], keys: Sequence[str]) -> str:
    return "".join(f"<{key}>{escape(row[key])}</{key}>" for key in keys)
