"""One Orbit Mean-elements Message as its keywords, whatever syntax it was written in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NoReturn

from ...formulations import checks

#: Prefix of keywords that a project defines for itself.
USER_DEFINED = "USER_DEFINED_"
#: As much of a value as an error shows.
SHOWN = 40
ORIGINATOR = "ORBWEAVE"
VERSION = "2.0"
#: Keywords of what a message is about; the rest is data.
METADATA = (
    "OBJECT_NAME",
    "OBJECT_ID",
    "CENTER_NAME",
    "REF_FRAME",
    "TIME_SYSTEM",
    "MEAN_ELEMENT_THEORY",
)


@dataclass(frozen=True, slots=True)
class Record:
    """Keywords and values of one message, and where it stands.

    Parameters
    ----------
    label : str
        The file.
    number : int
        From 1.
    fields : mapping of str to str
        Values stripped; a missing value is an empty string.
    line : int, optional
        Where it begins, in a syntax of lines.
    lines : mapping of str to int
        Where each keyword stands, if known.
    """

    label: str
    number: int
    fields: Mapping[str, str]
    line: int | None = None
    lines: Mapping[str, int] = field(default_factory=dict)

    def where(self, key: str = "") -> str:
        """What to call the record, and a keyword in it, in an error."""
        called = [self.fields.get(name, "")[:SHOWN] for name in ("OBJECT_NAME", "NORAD_CAT_ID")]
        shown = ", ".join(filter(None, called))
        line = self.lines.get(key, self.line)
        parts = [
            f"{self.label}: record {self.number}",
            f" ({shown})" if shown else "",
            f", line {line}" if line is not None else "",
            f": {key}" if key else "",
        ]
        return "".join(parts)

    def missing(self, key: str, expected: str) -> NoReturn:
        """Raise the error of a keyword that is not there."""
        checks.fail(self.where(key), self.fields.get(key), f"{expected} (the field is missing)")
