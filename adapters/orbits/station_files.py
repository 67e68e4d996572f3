"""Files of ground stations: TOML, GeoJSON and CSV."""

from __future__ import annotations

import csv
import io
import json
import math
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ...formulations import checks
from ...formulations.stations import GroundStation
from .station_tables import Listed, distinct, listed

FIELDS = tuple(GroundStation.__dataclass_fields__)
NEEDED = ("name", "latitude_deg", "longitude_deg")
#: What a cell of a CSV file can hold: texts, and numbers.
TEXTS = ("name", "provider")
COLUMNS = tuple(name for name in FIELDS if name != "horizon")


def read_stations(path: str | Path) -> tuple[GroundStation, ...]:
    """Read ground stations from a file.

    Parameters
    ----------
    path : str or Path
        ``.toml``: tables ``[[stations]]`` with the fields of `GroundStation`, or with ``use``, a
        query of `stations`, and what shall differ. ``.geojson`` or ``.json``: Point features
        (longitude, latitude, altitude in m if given); a property ``name`` and any other field of
        `GroundStation`; further properties are left alone. ``.csv``: a header of field names, of
        which ``name,latitude_deg,longitude_deg`` suffice; an empty cell is the default.

    Returns
    -------
    tuple of GroundStation
        Names that two providers share become ``provider:name``.

    Raises
    ------
    InputError
        One line that names the file, the entry or line, the field and its value.
    OSError
        If the file cannot be read.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    checks.known("read_stations.path suffix", suffix, tuple(_READERS))
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise checks.InputError(f"{path}: byte {error.start}: expected UTF-8 text") from None
    rows = list(_READERS[suffix](str(path), text))
    if not rows:
        checks.fail(f"{path}: stations", 0, "at least one station (it holds none)")
    return _named_once(str(path), rows)


def stations_from_tables(rows: Any, where: str) -> tuple[GroundStation, ...]:
    """Build ground stations from parsed tables, as a scenario file holds them.

    Parameters
    ----------
    rows : list of mapping
        Each with the fields of `GroundStation`, or with ``use`` and overrides.
    where : str
        What to call the list in errors, such as ``"demo.toml: stations"``.

    Returns
    -------
    tuple of GroundStation
    """
    return _named_once(where, list(_table_rows(where, rows)))


def _named_once(where: str, rows: Sequence[Listed]) -> tuple[GroundStation, ...]:
    found = distinct(rows)
    checks.unique(f"{where}: name", [station.name for station in found])
    return found


# -- TOML -----------------------------------------------------------------------------------------
def _toml_rows(label: str, text: str) -> Iterator[Listed]:
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise checks.InputError(f"{label}: not valid TOML: {error}") from None
    with checks.within(f"{label}:"):
        for key in data:
            checks.known("key", key, ("stations",))
    yield from _table_rows(f"{label}: stations", data.get("stations", []))


def _table_rows(where: str, rows: Any) -> Iterator[Listed]:
    if not isinstance(rows, list):
        checks.fail(where, rows, "a list of tables")
    for k, row in enumerate(rows):
        if not isinstance(row, Mapping):
            checks.fail(f"{where}[{k}]", row, "a table")
        with checks.within(f"{where}[{k}]:"):
            yield from _used(row) if "use" in row else [_station(row)]


def _used(row: Mapping[str, Any]) -> list[Listed]:
    changes = {key: value for key, value in row.items() if key != "use"}
    for key in changes:
        checks.known("key", key, ("use", *FIELDS))
    found = listed(checks.text("use", row["use"]))
    if len(found) > 1 and "name" in changes:
        checks.fail("name", changes["name"], f"none, {row['use']!r} is {len(found)} stations")
    return [replace(entry, station=replace(entry.station, **changes)) for entry in found]


def _station(row: Mapping[str, Any], known: Sequence[str] = (*FIELDS, "use")) -> Listed:
    for key in row:
        checks.known("key", key, known)
    for key in NEEDED:
        if key not in row:
            checks.fail(key, None, "a value (the field is missing)")
    station = GroundStation(**row)
    return Listed(station.provider, station)


# -- GeoJSON --------------------------------------------------------------------------------------
def _geojson_rows(label: str, text: str) -> Iterator[Listed]:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise checks.InputError(f"{label}: not valid JSON: {error}") from None
    if not isinstance(data, dict) or data.get("type") not in ("FeatureCollection", "Feature"):
        kind = data.get("type") if isinstance(data, dict) else type(data).__name__
        checks.fail(f"{label}: type", kind, "'FeatureCollection' or 'Feature'")
    features = [data] if data["type"] == "Feature" else data.get("features")
    if not isinstance(features, list):
        checks.fail(f"{label}: features", features, "a list of features")
    for k, feature in enumerate(features):
        with checks.within(f"{label}: features[{k}]:"):
            yield _feature(feature)


def _feature(feature: Any) -> Listed:
    if not isinstance(feature, dict):
        checks.fail("feature", feature, "an object")
    geometry, properties = feature.get("geometry"), feature.get("properties") or {}
    if not isinstance(geometry, dict) or geometry.get("type") != "Point":
        checks.fail("geometry", geometry, "a Point")
    place = geometry.get("coordinates")
    if not isinstance(place, list) or len(place) not in (2, 3):
        checks.fail("coordinates", place, "longitude and latitude in degrees, altitude in m")
    if not isinstance(properties, dict):
        checks.fail("properties", properties, "an object")
    position = dict(zip(("longitude_deg", "latitude_deg", "altitude_m"), place, strict=False))
    given = {key: value for key, value in properties.items() if key in FIELDS}
    for key in position:
        if key in given:
            checks.fail(f"properties.{key}", given[key], "none, the geometry gives it")
    return _station({**given, **position})


# -- CSV ------------------------------------------------------------------------------------------
def _csv_rows(label: str, text: str) -> Iterator[Listed]:
    lines = csv.reader(io.StringIO(text, newline=""), strict=True)
    header: list[str] = []
    try:
        for row in lines:
            cells = [cell.strip() for cell in row]
            if not any(cells):
                continue
            with checks.within(f"{label}: line {lines.line_num}:"):
                if header:
                    yield _station(_cells(header, cells), COLUMNS)
                else:
                    header = _header(cells)
    except csv.Error as error:
        raise checks.InputError(f"{label}: line {lines.line_num}: not valid CSV: {error}") from None


def _header(cells: list[str]) -> list[str]:
    for name in cells:
        checks.known("column", name, COLUMNS)
    checks.unique("column", cells)
    for name in NEEDED:
        if name not in cells:
            checks.fail("columns", ",".join(cells), f"{','.join(NEEDED)} and what else is known")
    return cells


def _cells(header: list[str], cells: list[str]) -> dict[str, Any]:
    if len(cells) != len(header):
        checks.fail("cells", len(cells), f"{len(header)} as in the header")
    given = {key: cell for key, cell in zip(header, cells, strict=True) if cell}
    return {key: cell if key in TEXTS else _number(key, cell) for key, cell in given.items()}


def _number(key: str, cell: str) -> float:
    try:
        value = float(cell)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        checks.fail(key, cell, "a number")
    return value


_READERS: Mapping[str, Callable[[str, str], Iterator[Listed]]] = MappingProxyType(
    {
        ".toml": _toml_rows,
        ".geojson": _geojson_rows,
        ".json": _geojson_rows,
        ".csv": _csv_rows,
    }
)
