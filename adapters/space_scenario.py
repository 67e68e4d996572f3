"""Scenario files for passes and contact plans: a constellation, stations, a window, links.

Tables: ``[constellation]`` (or several), ``[[stations]]``, ``[window]``, ``[links]``, ``[isl]``;
docs/cli.md describes every key. Relative paths start at the file's own folder.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from datetime import datetime
from pathlib import Path
from typing import Any

from ..formulations import checks
from ..formulations import link_budgets as budgets
from ..formulations.instants import instant
from ..formulations.orbits import Constellation
from ..formulations.satellites import Satellite
from ..formulations.space.plan import Accuracy, GroundLinks
from ..formulations.space.topology import IslTopology
from ..formulations.stations import GroundStation
from .orbits.omm_file import read_omm
from .orbits.station_files import read_stations, stations_from_tables
from .orbits.tle_file import read_tle
from .toml_file import read_toml, table_of, within

TABLES = ("name", "constellation", "stations", "window", "links", "isl", "accuracy")
SOURCES = ("walker", "tle", "omm", "satellites")
WINDOW_KEYS = ("start", "duration_s", "end")
PRESETS: Mapping[str, budgets.LinkBudget] = {
    "x-band-downlink": budgets.X_BAND_DOWNLINK,
    "ka-band-downlink": budgets.KA_BAND_DOWNLINK,
    "s-band-uplink": budgets.S_BAND_UPLINK,
    "laser-isl": budgets.LASER_ISL,
}
KINDS: Mapping[str, type[Any]] = {
    "fixed": budgets.FixedLink,
    "radio": budgets.RadioLink,
    "laser": budgets.LaserLink,
}


@dataclass(frozen=True, slots=True)
class SpaceScenario:
    """What a scenario file for ``orbweave passes`` holds.

    Attributes
    ----------
    name : str
        The file's ``name``, or its stem.
    path : Path
    constellation : Constellation
    stations : tuple of GroundStation
    start : datetime
    duration_s : float
    links : GroundLinks
    isl : IslTopology or None
    accuracy : Accuracy
    expected_altitude_m : float or None
        What `inspect_orbits` is to compare with.
    """

    name: str
    path: Path
    constellation: Constellation
    stations: tuple[GroundStation, ...]
    start: datetime
    duration_s: float
    links: GroundLinks
    isl: IslTopology | None
    accuracy: Accuracy
    expected_altitude_m: float | None = None


def read_space_scenario(path: str | Path) -> SpaceScenario:
    """Read a scenario of satellites and stations.

    Parameters
    ----------
    path : str or Path
        A TOML file; docs/cli.md describes its keys.

    Returns
    -------
    SpaceScenario

    Raises
    ------
    InputError
        One line that names the file, the field, its value and what was expected.
    OSError
        If a file cannot be read.
    """
    path = Path(path)
    return space_from_tables(read_toml(path, TABLES), path)


def space_from_tables(data: Mapping[str, Any], path: Path) -> SpaceScenario:
    """The scenario in the tables of a file; further tables are not looked at."""
    with within(path, ""):
        for key in ("links", "isl", "accuracy"):
            table_of(data, key)
        table_of(data, "window", needed=True)
        if "constellation" not in data:
            checks.fail("constellation", None, "a table [constellation] (it is missing)")
    expected: list[float] = []
    whole: Constellation | None = None
    given = data["constellation"]
    for k, table in enumerate(given if isinstance(given, list) else [given]):
        with within(path, f"constellation {k}" if isinstance(given, list) else "constellation"):
            part, altitude = _constellation(table, path.parent)
            whole = part if whole is None else whole + part
            expected += [] if altitude is None else [altitude]
    if whole is None:
        checks.fail(f"{path}: constellation", given, "at least one table")
    with within(path, "window"):
        start, duration_s = _window(data["window"])
    stations = _stations(data.get("stations", []), path)
    with within(path, "links"):
        links = _ground_links(data.get("links", {}))
    with within(path, "isl"):
        isl = _isl(data["isl"]) if "isl" in data else None
    with within(path, "accuracy"):
        accuracy = _build(Accuracy, data.get("accuracy", {}))
    return SpaceScenario(
        data.get("name", path.stem),
        path,
        whole,
        stations,
        start,
        duration_s,
        links,
        isl,
        accuracy,
        expected[0] if len(expected) == 1 else None,
    )


def _build(kind: type[Any], table: Mapping[str, Any]) -> Any:
    """A dataclass from a table of its fields."""
    names = tuple(field.name for field in fields(kind))
    for key in table:
        checks.known("key", key, names)
    for field in fields(kind):
        needed = field.default is MISSING and field.default_factory is MISSING
        if field.init and needed and field.name not in table:
            checks.fail(field.name, None, "a value (the key is missing)")
    return kind(**table)


def _constellation(table: Any, folder: Path) -> tuple[Constellation, float | None]:
    if not isinstance(table, dict):
        checks.fail("constellation", table, "a table")
    for key in table:
        checks.known("key", key, (*SOURCES, "expected_altitude_m"))
    given = [key for key in SOURCES if key in table]
    if len(given) != 1:
        checks.fail("constellation", given, f"exactly one of {', '.join(SOURCES)}")
    source, value = given[0], table[given[0]]
    altitude = table.get("expected_altitude_m")
    if altitude is not None:
        checks.real("expected_altitude_m", altitude)
    if source == "walker":
        found = _call(Constellation.walker, source, value)
    elif source == "satellites":
        if not isinstance(value, list):
            checks.fail(source, value, "a list of tables")
        found = Constellation([_satellite(f"{source}[{k}]", row) for k, row in enumerate(value)])
    else:
        read = read_tle if source == "tle" else read_omm
        found = read(folder / checks.text(source, value))
    return found, altitude


def _satellite(where: str, row: Any) -> Satellite:
    if isinstance(row, dict) and "mean_motion_rev_per_day" in row:
        return _call(Satellite, where, row)  # type: ignore[no-any-return]
    allowed = (*inspect.signature(Satellite).parameters, "altitude_m", "semi_major_axis_m")
    return _call(Satellite.from_kepler, where, row, allowed)  # type: ignore[no-any-return]


def _call(make: Any, where: str, table: Any, allowed: tuple[str, ...] | None = None) -> Any:
    """Call a builder with the keys of a table as its arguments."""
    if not isinstance(table, dict):
        checks.fail(where, table, "a table")
    parameters = inspect.signature(make).parameters
    for key in table:
        checks.known(f"{where} key", key, allowed or tuple(parameters))
    for key, parameter in parameters.items():
        plain = parameter.kind not in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL)
        if plain and parameter.default is inspect.Parameter.empty and key not in table:
            checks.fail(f"{where}.{key}", None, "a value (the key is missing)")
    values = dict(table)
    if "epoch" in values:
        values["epoch"] = instant(f"{where}.epoch", values["epoch"])
    return make(**values)


def _window(table: Mapping[str, Any]) -> tuple[datetime, float]:
    for key in table:
        checks.known("key", key, WINDOW_KEYS)
    if "start" not in table:
        checks.fail("start", None, "a date and time with Z (the key is missing)")
    start = instant("start", table["start"])
    if ("duration_s" in table) == ("end" in table):
        checks.fail("duration_s, end", [key for key in table if key != "start"], "one of them")
    if "end" not in table:
        return start, checks.real("duration_s", table["duration_s"], strict=True)
    end = instant("end", table["end"])
    if end <= start:
        checks.fail("end", end.isoformat(), f"an end after {start.isoformat()}")
    return start, (end - start).total_seconds()


def _stations(value: Any, path: Path) -> tuple[GroundStation, ...]:
    """Tables ``[[stations]]``, or one table with a file."""
    if isinstance(value, dict):
        with within(path, "stations"):
            for key in value:
                checks.known("key", key, ("file",))
            return read_stations(path.parent / checks.text("file", value.get("file")))
    return stations_from_tables(value, f"{path}: stations")


def _ground_links(table: Mapping[str, Any]) -> GroundLinks:
    for key in table:
        checks.known("key", key, ("downlink", "uplink"))
    return GroundLinks(**{key: _link(key, value) for key, value in table.items()})


def _link(where: str, value: Any) -> budgets.LinkBudget | None:
    """A link from a name, a rate in bit/s, a table, or ``false`` for none."""
    if value is False:
        return None
    if isinstance(value, str):
        return PRESETS[checks.known(where, value, tuple(PRESETS))]
    if isinstance(value, int | float) and not isinstance(value, bool):
        return budgets.FixedLink(float(value))
    if not isinstance(value, dict) or "kind" not in value:
        expected = f"a rate in bit/s, one of {', '.join(PRESETS)}, a table with kind, or false"
        checks.fail(where, value, expected)
    rest = {key: entry for key, entry in value.items() if key != "kind"}
    found: budgets.LinkBudget = _build(
        KINDS[checks.known(f"{where}.kind", value["kind"], tuple(KINDS))], rest
    )
    return found


def _isl(table: Mapping[str, Any]) -> IslTopology:
    values = dict(table)
    if "link" in values:
        values["link"] = _link("link", values["link"])
        if values["link"] is None:
            checks.fail("link", False, "a link (leave [isl] out for none)")
    found: IslTopology = _build(IslTopology, values)
    return found
