"""Two-line element sets: read with every column checked, and written.

Columns as CelesTrak and Space-Track print them; what lies beyond column 69 is not read.
F. R. Hoots, R. L. Roehrich, Spacetrack Report no. 3 (1980); the Alpha-5 scheme of catalogue
numbers is Space-Track's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from ...formulations import checks
from ...formulations.files import write_text
from ...formulations.orbits import Constellation, Shell
from ...formulations.satellites import MODELS, Satellite
from .element_sets import (
    constellation_of,
    keplerian,
    printable,
    read_source,
    sgp4_only,
)
from .tle_columns import (
    angle_text,
    catalog_number_of,
    checksum,
    designator_text,
    epoch_of,
    epoch_text,
    fraction_text,
    motion_text,
    number_text,
    object_id_of,
    power_text,
    rate_text,
)

COLUMNS = 69

#: SGP4-XP: other elements in the same columns.
_XP_TYPE = "4"

_DECIMAL = re.compile(r" *[+-]?[0-9]*\.[0-9]+ *| *[+-]?[0-9]+\. *")
_POWER = re.compile(r"([ +-])([ 0-9]{4}[0-9])([ +-])([0-9])")
_FRACTION = re.compile(r"[ 0-9]{6}[0-9]")
_YEAR = re.compile(r"[0-9]{2}")
_DAY = re.compile(r" *([0-9]+)\.([0-9]{1,8}) *")
_NUMBER = re.compile(r"[ 0-9]{4}[0-9]|[A-HJ-NP-Z][0-9]{4}")

#: Columns that must be blank, from 0.
_BLANKS = {"1": (1, 8, 17, 32, 43, 52, 61, 63), "2": (1, 7, 16, 25, 33, 42, 51)}

#: Decimal numbers of line 2: name, columns from 0.
_ELEMENTS = (
    ("inclination", 8, 16),
    ("right ascension", 17, 25),
    ("argument of perigee", 34, 42),
    ("mean anomaly", 43, 51),
    ("mean motion", 52, 63),
)


@dataclass(frozen=True, slots=True)
class _Line:
    """One element line: its text to column 69, and what to call it in errors."""

    text: str
    where: str

    def match(self, pattern: re.Pattern[str], name: str, a: int, b: int, expected: str) -> str:
        value = self.text[a:b]
        if not pattern.fullmatch(value):
            checks.fail(f"{self.where}: {name}", value, f"{expected} in columns {a + 1} to {b}")
        return value

    def decimal(self, name: str, a: int, b: int) -> float:
        return float(self.match(_DECIMAL, name, a, b, "a decimal number"))

    def power(self, name: str, a: int, b: int) -> float:
        """A number with an assumed decimal point, such as `` 28098-4`` for 0.28098e-4."""
        value = self.match(_POWER, name, a, b, "a number such as ' 28098-4'")
        digits = value[1:6].replace(" ", "0")
        return float(f"{value[0].strip()}.{digits}e{value[6].strip()}{value[7]}")


def read_tle(source: str | Path, *, model: str = "sgp4") -> Constellation:
    """Read two-line or three-line element sets.

    Parameters
    ----------
    source : str or Path
        A file, or its text (anything that holds a newline). Name lines are optional, with or
        without a leading ``0``; blank lines and lines that begin with ``#`` are skipped. A first
        line of two counts, ``planes satellites_per_plane`` as the Hypatia simulator writes it,
        numbers planes and slots.
    model : {"sgp4", "j2", "two-body"}
        What moves the satellites. For the other two the mean motion becomes the Keplerian one of
        the semi-major axis that SGP4 recovers; drag is left out.

    Returns
    -------
    Constellation
        A set without a name is called ``NORAD 25544``; satellites that share a name get their
        catalogue number appended. Of several sets of one satellite the newest is kept (of equal
        epochs the last) and a warning logged.

    Raises
    ------
    InputError
        One line that names file, line, record, field and value: wrong columns, a checksum that
        does not match, lines of two satellites, an orbit that is none.
    OSError
        If the file cannot be read.

    Notes
    -----
    Epochs are exact: their last digit, 1e-8 day, is 864 microseconds. Classification, element set
    number and revolution number are not kept. International designators become those of an OMM,
    ``98067A`` becomes ``1998-067A``.
    """
    checks.known("read_tle.model", model, MODELS)
    label, text = read_source(source, "TLE")
    satellites: list[Satellite] = []
    grid = None
    for name, first, second in _records(label, text):
        if first is None:
            grid = name
            continue
        satellites.append(_satellite(name, first, second, model))
    if not satellites:
        checks.fail(label, text.strip()[:40], "at least one TLE element set (it holds none)")
    if grid is None:
        return constellation_of(label, satellites)
    planes, per_plane = (int(part) for part in grid.split())
    if planes * per_plane != len(satellites):
        checks.fail(f"{label}: planes and satellites per plane", grid, f"{len(satellites)} in all")
    placed = [
        replace(row, plane=k // per_plane, slot=k % per_plane) for k, row in enumerate(satellites)
    ]
    return constellation_of(label, placed, (Shell(0, planes, per_plane),))


def tle_text(constellation: Constellation) -> str:
    """Write three-line element sets.

    Parameters
    ----------
    constellation : Constellation
        Satellites of model ``sgp4``.

    Returns
    -------
    str
        Rounded to the digits of the format: angles 1e-4 degree, eccentricity 1e-7, mean motion
        1e-8 revolutions a day, epoch 864 microseconds, drag 5 digits. `write_omm` loses nothing.

    Raises
    ------
    InputError
        If a satellite does not fit: another model, no catalogue number or one above 339,999, an
        epoch outside 1957 to 2056, a number too large for its columns.
    """
    lines: list[str] = []
    for satellite in sgp4_only(constellation, "TLE"):
        with checks.within(f"Satellite[{satellite.name!r}]:"):
            lines += _lines(satellite)
    return "\n".join(lines) + "\n"


def write_tle(constellation: Constellation, path: str | Path) -> Path:
    """Write three-line element sets to a file, all of it or nothing; see `tle_text`."""
    return write_text(path, tle_text(constellation))


# -- reading --------------------------------------------------------------------------------------
def _records(label: str, text: str) -> Iterator[tuple[str, _Line | None, _Line]]:
    """Name, first and second line of each set; a line of two counts comes without a first line."""
    name: tuple[int, str] | None = None
    first: tuple[int, str] | None = None
    seen = 0
    for number, raw in enumerate(text.split("\n"), 1):
        line = raw.strip()
        if not line or line[0] == "#":
            continue
        seen += 1
        where = f"{label}: line {number}"
        if first is not None:
            if not line.startswith("2 "):
                checks.fail(where, line, f"line 2 of the set that begins on line {first[0]}")
            called = "" if name is None else name[1]
            record = f"({called}, {first[1][2:7]})" if called else f"({first[1][2:7]})"
            yield (
                called,
                _Line(first[1][:COLUMNS], f"{label}: line {first[0]} {record}"),
                _Line(line[:COLUMNS], f"{where} {record}"),
            )
            name = first = None
        elif line.startswith("2 "):
            checks.fail(where, line, "line 1 of a set before its line 2")
        elif line.startswith("1 "):
            first = (number, line)
        elif seen == 1 and re.fullmatch(r"[1-9][0-9]* +[1-9][0-9]*", line):
            yield line, None, _Line(line, where)
        elif name is not None:
            checks.fail(where, line, f"line 1 of the set named on line {name[0]}, {name[1]!r}")
        else:
            called = line[2:].strip() if line.startswith("0 ") else line
            name = (number, printable(f"{where}: name", called))
    for open_line, missing in ((first, "2"), (name, "1")):
        if open_line is not None:
            where = f"{label}: line {open_line[0]}"
            checks.fail(where, open_line[1], f"line {missing} of the set after it (the file ends)")


def _satellite(name: str, first: _Line, second: _Line, model: str) -> Satellite:
    for line in (first, second):
        _check_columns(line)
    expected = "a catalogue number of five digits, or a letter without I and O and four digits"
    number = first.match(_NUMBER, "catalogue number", 2, 7, expected)
    designator = first.text[9:17].strip()
    epoch = _epoch(first)
    dot = first.decimal("mean motion derivative", 33, 43)
    ddot = first.power("second derivative", 44, 52)
    bstar = first.power("bstar", 53, 61)
    if first.text[62] == _XP_TYPE:
        checks.fail(f"{first.where}: ephemeris type", _XP_TYPE, "elements of SGP4 (4 is SGP4-XP)")
    inclination, raan, perigee, anomaly, motion = (second.decimal(*row) for row in _ELEMENTS)
    digits = second.match(_FRACTION, "eccentricity", 26, 33, "7 digits after an assumed point")
    eccentricity = float(f"0.{digits.replace(' ', '0')}")
    for line in (first, second):
        _check_sum(line)
    if second.text[2:7] != number:
        where = f"{second.where}: catalogue number"
        checks.fail(where, second.text[2:7], f"{number!r} as on line 1 of the set")
    catalog_number = catalog_number_of(number)
    with checks.within(f"{second.where}:"):
        found = Satellite(
            name or f"NORAD {catalog_number}",
            epoch,
            motion,
            eccentricity,
            inclination,
            raan,
            perigee,
            anomaly,
            bstar=bstar,
            mean_motion_dot=dot,
            mean_motion_ddot=ddot,
            catalog_number=catalog_number,
            object_id=object_id_of(designator),
        )
    return found if model == "sgp4" else keplerian(found, model)


def _check_columns(line: _Line) -> None:
    if len(line.text) < COLUMNS:
        checks.fail(f"{line.where}: length", len(line.text), f"{COLUMNS} columns, {line.text!r}")
    for column in _BLANKS[line.text[0]]:
        if line.text[column] != " ":
            checks.fail(f"{line.where}: column {column + 1}", line.text[column], "a blank")


def _check_sum(line: _Line) -> None:
    found, expected = line.text[68], checksum(line.text)
    if found != str(expected):
        value = int(found) if found in "0123456789" else found
        checks.fail(f"{line.where}: checksum", value, str(expected))


def _epoch(line: _Line) -> datetime:
    year = line.match(_YEAR, "epoch year", 18, 20, "two digits")
    text = line.match(_DAY, "epoch day", 20, 32, "a day of the year such as 179.78495062")
    whole, _, fraction = text.strip().partition(".")
    if not 1 <= int(whole) <= 366:
        checks.fail(f"{line.where}: epoch day", text, "a day of the year, from 1 to below 367")
    return epoch_of(year, whole, fraction)


# -- writing --------------------------------------------------------------------------------------
def _lines(satellite: Satellite) -> tuple[str, str, str]:
    number = number_text(satellite.catalog_number)
    first = (
        f"1 {number}U {designator_text(satellite.object_id)} {epoch_text(satellite.epoch)} "
        f"{rate_text(satellite.mean_motion_dot)} "
        f"{power_text('mean_motion_ddot', satellite.mean_motion_ddot)} "
        f"{power_text('bstar', satellite.bstar)} 0  999"
    )
    second = (
        f"2 {number} {satellite.inclination_deg:8.4f} {angle_text(satellite.raan_deg)} "
        f"{fraction_text(satellite.eccentricity)} "
        f"{angle_text(satellite.argument_of_perigee_deg)} "
        f"{angle_text(satellite.mean_anomaly_deg)} "
        f"{motion_text(satellite.mean_motion_rev_per_day)}    0"
    )
    name = printable("name", satellite.name)
    if name.startswith(("0 ", "1 ", "2 ", "#")) or re.fullmatch(r"[0-9]+ +[0-9]+", name):
        name = f"0 {name}"
    return name, f"{first}{checksum(first)}", f"{second}{checksum(second)}"
