"""Orbit Mean-elements Messages (CCSDS 502.0) in CSV, JSON, XML and KVN, read and written.

CCSDS 502.0-B-3, "Orbit data messages" (2023), section 4; the CSV and JSON forms are CelesTrak's
and Space-Track's. What a message means stands here; each syntax hands over `Record`.
"""

from __future__ import annotations

import csv
import io
import json
import re
from calendar import isleap
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ...formulations import checks
from ...formulations.files import write_text
from ...formulations.instants import parse
from ...formulations.orbits import Constellation
from ...formulations.satellites import MODELS, Satellite
from .element_sets import (
    constellation_of,
    keplerian,
    printable,
    read_source,
    sgp4_only,
)
from .omm_kvn import kvn_records, kvn_text
from .omm_record import SHOWN, USER_DEFINED, Record
from .omm_xml import xml_records, xml_text

FORMATS = ("csv", "json", "xml", "kvn")

#: What a message may say about frames and theory; silence means the first.
ONLY: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "CENTER_NAME": ("EARTH",),
        "REF_FRAME": ("TEME",),
        "TIME_SYSTEM": ("UTC",),
        "MEAN_ELEMENT_THEORY": ("SGP4", "SGP/SGP4"),
    }
)
#: Field of `Satellite` by keyword. SGP4 needs all but the last two, which it never uses.
NUMBERS = MappingProxyType(
    {
        "ECCENTRICITY": "eccentricity",
        "INCLINATION": "inclination_deg",
        "RA_OF_ASC_NODE": "raan_deg",
        "ARG_OF_PERICENTER": "argument_of_perigee_deg",
        "MEAN_ANOMALY": "mean_anomaly_deg",
        "BSTAR": "bstar",
        "MEAN_MOTION_DOT": "mean_motion_dot",
        "MEAN_MOTION_DDOT": "mean_motion_ddot",
    }
)
OPTIONAL = ("MEAN_MOTION_DOT", "MEAN_MOTION_DDOT")
PLACES = MappingProxyType({"PLANE": "plane", "SLOT": "slot"})

_NUMBER = re.compile(r"([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)(?:\s*\[[^\]]*\])?")
_COUNT = re.compile(r"[0-9]{1,9}")
_EPOCH = re.compile(
    r"([0-9]{4})-(?:([0-9]{2})-([0-9]{2})|([0-9]{3}))"
    r"[T ]([0-9]{2}:[0-9]{2}:[0-9]{2})(?:[.,]([0-9]+))?(?:Z|\+00:?00)?"
)


def read_omm(
    source: str | Path, *, format: str | None = None, model: str = "sgp4"
) -> Constellation:
    """Read a file of Orbit Mean-elements Messages.

    Parameters
    ----------
    source : str or Path
        A file, or its text (anything that holds a newline).
    format : {"csv", "json", "xml", "kvn"}, optional
        By suffix, else by what the text begins with, unless given.
    model : {"sgp4", "j2", "two-body"}
        What moves the satellites; see `read_tle`.

    Returns
    -------
    Constellation
        Names and repeated sets as in `read_tle`.

    Raises
    ------
    InputError
        One line that names file, record, object, field and value: broken syntax, a missing field,
        a number that is none, a theory, frame or time system other than SGP4, TEME and UTC.
    OSError
        If the file cannot be read.

    Notes
    -----
    Epochs keep microseconds; further digits are rounded, at most 0.5 microseconds, which is 4 mm
    along a low orbit. ``SEMI_MAJOR_AXIS`` (km), where ``MEAN_MOTION`` is missing, is the Brouwer
    mean semi-major axis, as in `Satellite.from_kepler`. ``BSTAR`` is needed; the derivatives of
    the mean motion, which SGP4 never uses, are 0 where missing. ``USER_DEFINED_PLANE`` and
    ``USER_DEFINED_SLOT`` are read as `write_omm` writes them; other keywords are left alone.
    """
    checks.known("read_omm.model", model, MODELS)
    label, text = read_source(source, "OMM")
    if format is None:
        format = _format_of(label, text)
    checks.known("read_omm.format", format, FORMATS)
    satellites = [_satellite(record) for record in _READERS[format](label, text)]
    if not satellites:
        checks.fail(label, text.strip()[:40], "at least one OMM (it holds none)")
    if model != "sgp4":
        satellites = [keplerian(satellite, model) for satellite in satellites]
    return constellation_of(label, satellites)


def omm_text(constellation: Constellation, format: str) -> str:
    """Write Orbit Mean-elements Messages; see `write_omm`."""
    checks.known("write_omm.format", format, FORMATS)
    rows = []
    for satellite in sgp4_only(constellation, "OMM"):
        with checks.within(f"Satellite[{satellite.name!r}]:"):
            rows.append(_keywords(satellite))
    # The newest epoch, not the clock: the same constellation is always the same file.
    created = max(row["EPOCH"] for row in rows)
    return _WRITERS[format](rows, created)


def write_omm(constellation: Constellation, path: str | Path, *, format: str | None = None) -> Path:
    """Write Orbit Mean-elements Messages to a file, all of it or nothing.

    Parameters
    ----------
    constellation : Constellation
        Satellites of model ``sgp4``.
    path : str or Path
    format : {"csv", "json", "xml", "kvn"}, optional
        By the file's suffix unless given.

    Returns
    -------
    Path
        Reading it gives equal satellites; shells are not written. The creation date is the newest
        epoch.

    Raises
    ------
    InputError
        If a satellite has another model, a catalogue number of more than nine digits, or a name
        that is not one printable line.
    """
    if format is None:
        suffix = Path(path).suffix.lstrip(".").lower()
        format = checks.known("write_omm.path suffix", suffix, FORMATS)
    return write_text(path, omm_text(constellation, format))


# -- reading --------------------------------------------------------------------------------------
def _format_of(label: str, text: str) -> str:
    suffix = label.rpartition(".")[2].lower()
    if suffix in FORMATS:
        return suffix
    start = text.lstrip()
    line = start.partition("\n")[0]
    if start[0] == "<":
        return "xml"
    if start[0] in "[{":
        return "json"
    if "=" in line or line.startswith("COMMENT"):
        return "kvn"
    if "," not in line:
        checks.fail(label, line[:40], "an OMM in CSV, JSON, XML or KVN")
    return "csv"


def _csv_records(label: str, text: str) -> Iterator[Record]:
    rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    header: list[str] = []
    number = 0
    try:
        for cells in rows:
            row = [cell.strip() for cell in cells]
            where = f"{label}: line {rows.line_num}"
            if not any(row):
                continue
            if not header:
                header = row
                checks.unique(f"{where}: column", header)
                continue
            number += 1
            if len(row) != len(header):
                checks.fail(f"{where}: cells", len(row), f"{len(header)} as in the header")
            yield Record(label, number, dict(zip(header, row, strict=True)), rows.line_num)
    except csv.Error as error:
        raise checks.InputError(f"{label}: line {rows.line_num}: not valid CSV: {error}") from None


def _json_records(label: str, text: str) -> Iterator[Record]:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        checks.unique("key", [key for key, _ in pairs])
        return dict(pairs)

    try:
        # Numbers stay text: they are checked with their keyword, as in the other formats.
        data = json.loads(text, parse_float=str, parse_int=str, object_pairs_hook=once)
    except checks.InputError as error:
        raise checks.InputError(f"{label}: {error}") from None
    except (ValueError, RecursionError) as error:
        raise checks.InputError(f"{label}: not valid JSON: {error}") from None
    rows = data if isinstance(data, list) else [data]
    for number, row in enumerate(rows, 1):
        if not isinstance(row, dict):
            checks.fail(f"{label}: record {number}", row, "an object of OMM keywords")
        yield Record(label, number, {key: _json_text(value) for key, value in row.items()})


def _json_text(value: Any) -> str:
    if value is None:
        return ""
    return value.strip() if isinstance(value, str) else json.dumps(value)


_READERS: Mapping[str, Callable[[str, str], Iterator[Record]]] = MappingProxyType(
    {"csv": _csv_records, "json": _json_records, "xml": xml_records, "kvn": kvn_records}
)


def _satellite(record: Record) -> Satellite:
    _check_theory(record)
    fields = record.fields
    number = _count(record, "NORAD_CAT_ID", "a catalogue number of up to nine digits")
    name = fields.get("OBJECT_NAME", "") or ("" if number is None else f"NORAD {number}")
    if not name:
        record.missing("OBJECT_NAME", "an object's name, or NORAD_CAT_ID")
    printable(record.where("OBJECT_NAME"), name)
    values: dict[str, Any] = {
        field: _number(record, key)
        for key, field in NUMBERS.items()
        if key not in OPTIONAL or fields.get(key)
    }
    for key, field in PLACES.items():
        values[field] = _count(record, f"{USER_DEFINED}{key}", "a whole number >= 0")
    axis = None
    if fields.get("MEAN_MOTION") or not fields.get("SEMI_MAJOR_AXIS"):
        motion = _number(record, "MEAN_MOTION")
    else:
        axis, motion = _number(record, "SEMI_MAJOR_AXIS"), 0.0
    values |= {
        "epoch": _epoch(record),
        "catalog_number": number,
        "object_id": fields.get("OBJECT_ID", ""),
    }
    with checks.within(f"{record.where()}:"):
        if axis is None:
            return Satellite(name, mean_motion_rev_per_day=motion, **values)
        return Satellite.from_kepler(name, semi_major_axis_m=axis * 1e3, model="sgp4", **values)


def _check_theory(record: Record) -> None:
    for key, allowed in ONLY.items():
        value = record.fields.get(key, "")
        if value and value.upper() not in allowed:
            checks.fail(record.where(key), value, " or ".join(map(repr, allowed)))
    if record.fields.get("EPHEMERIS_TYPE") == "4":
        checks.fail(record.where("EPHEMERIS_TYPE"), "4", "elements of SGP4 (4 is SGP4-XP)")


def _number(record: Record, key: str) -> float:
    value = record.fields.get(key, "")
    if not value:
        record.missing(key, "a number")
    found = _NUMBER.fullmatch(value)
    if found is None:
        checks.fail(record.where(key), value[:SHOWN], "a number")
    return float(found[1])


def _count(record: Record, key: str, expected: str) -> int | None:
    value = record.fields.get(key, "")
    if not value:
        return None
    if not _COUNT.fullmatch(value):
        checks.fail(record.where(key), value[:SHOWN], expected)
    return int(value)


def _epoch(record: Record) -> datetime:
    """Epoch to the nearest microsecond; calendar days or days of the year, as CCSDS has both."""
    value = record.fields.get("EPOCH", "")
    if not value:
        record.missing("EPOCH", "a date and time such as 2026-01-01T00:00:00.000000")
    where = record.where("EPOCH")
    found = _EPOCH.fullmatch(value)
    if found is None:
        checks.fail(where, value, "a UTC date and time such as 2026-01-01T00:00:00.000000")
    year, month, day, day_of_year, clock, fraction = found.groups()
    rest = timedelta(microseconds=round(float(f"0.{fraction or 0}") * 1e6))
    if day_of_year is None:
        moment = parse(where, f"{year}-{month}-{day}T{clock}")
    else:
        moment = parse(where, f"{year}-01-01T{clock}")
        rest += timedelta(days=int(day_of_year) - 1)
    try:
        epoch = moment + rest
    except OverflowError:
        checks.fail(where, value, "a year before 10000")
    if day_of_year is not None and not 1 <= int(day_of_year) <= 365 + isleap(int(year)):
        checks.fail(where, value, f"a day of the year {year}")
    return epoch


# -- writing --------------------------------------------------------------------------------------
def _keywords(satellite: Satellite) -> dict[str, str]:
    """Keywords of a satellite in the order of the standard; a missing number is left out."""
    number = satellite.catalog_number
    if number is not None and not _COUNT.fullmatch(str(number)):
        checks.fail("catalog_number", number, "at most nine digits")
    row = {
        "OBJECT_NAME": printable("name", satellite.name),
        "OBJECT_ID": printable("object_id", satellite.object_id),
        **{key: allowed[0] for key, allowed in ONLY.items()},
        "EPOCH": satellite.epoch.replace(tzinfo=None).isoformat(timespec="microseconds"),
        "MEAN_MOTION": repr(satellite.mean_motion_rev_per_day),
    }
    numbers = {key: repr(getattr(satellite, field)) for key, field in NUMBERS.items()}
    row |= {key: value for key, value in numbers.items() if key not in _TLE_PARAMETERS}
    row |= {"EPHEMERIS_TYPE": "0", "CLASSIFICATION_TYPE": "U"}
    if number is not None:
        row["NORAD_CAT_ID"] = str(number)
    row |= {"ELEMENT_SET_NO": "999", "REV_AT_EPOCH": "0"}
    row |= {key: value for key, value in numbers.items() if key in _TLE_PARAMETERS}
    for key, field in PLACES.items():
        if getattr(satellite, field) is not None:
            row[f"{USER_DEFINED}{key}"] = str(getattr(satellite, field))
    return row


_TLE_PARAMETERS = ("BSTAR", *OPTIONAL)
_TEXTS = ("OBJECT_NAME", "OBJECT_ID", *ONLY, "EPOCH", "CLASSIFICATION_TYPE")


def _csv_text(rows: list[dict[str, str]], created: str) -> str:
    columns = dict.fromkeys(key for row in rows for key in row)
    out = io.StringIO()
    writer = csv.DictWriter(out, tuple(columns), restval="", lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def _json_document(rows: list[dict[str, str]], created: str) -> str:
    plain = [
        {key: value if key in _TEXTS else json.loads(value) for key, value in row.items()}
        for row in rows
    ]
    return "[" + ",\n".join(json.dumps(row, ensure_ascii=False) for row in plain) + "]\n"


_WRITERS: Mapping[str, Callable[[list[dict[str, str]], str], str]] = MappingProxyType(
    {"csv": _csv_text, "json": _json_document, "xml": xml_text, "kvn": kvn_text}
)
