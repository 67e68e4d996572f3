"""SatNet: weeks of the Deep Space Network as files, in, and schedules in its format, out.

Format and data: Goh, Venkataram, Balaji, Wilson, Johnston, *SatNet: A benchmark for satellite
scheduling optimization*, ML4OR workshop at AAAI 2022 (github.com/edwinytgoh/satnet), one folder for
each week as in github.com/Mtrya/astro-reason.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..formulations import checks
from ..formulations.files import write_text
from ..formulations.tracks import (
    Maintenance,
    TrackProblem,
    TrackRequest,
    TrackSchedule,
    ViewPeriod,
)


def read_satnet(folder: str | Path, *, objective: str = "hours") -> TrackProblem:
    """Read one week: ``problem.json``, ``maintenance.csv`` and, if there, ``metadata.json``.

    An array is named by its antennas joined with ``_``. Hours and minutes become seconds; what
    counts as a view period is ``TRX ON`` to ``TRX OFF``, and empty ones are left out.

    Parameters
    ----------
    folder : str or Path
    objective : {"hours", "satisfied", "fairness"}

    Returns
    -------
    TrackProblem
        Times in seconds since 1970; missions by their number; named by ``case_id``, or the folder.

    Raises
    ------
    InputError
        Naming the file, the entry, the field, the value and what was expected.
    FileNotFoundError
        If the folder lacks one of the first two files.
    """
    here = Path(folder)
    listed = _json(here / "problem.json")
    where = str(here / "problem.json")
    if not isinstance(listed, list):
        checks.fail(where, type(listed).__name__, "a list of requests")
    requests = tuple(_request(f"{where}: [{k}]", row) for k, row in enumerate(listed))
    with checks.within(f"{where}:"):
        checks.unique("track_id", [row.name for row in requests])
    return TrackProblem(
        requests,
        _maintenance(here / "maintenance.csv"),
        objective,
        name=_name(here / "metadata.json", len(requests)),
    )


def write_satnet(schedule: TrackSchedule, path: str | Path) -> Path:
    """Write a schedule in SatNet's format: a row for each track and antenna.

    Parameters
    ----------
    schedule : TrackSchedule
    path : str or Path
        JSON file, replaced.

    Returns
    -------
    Path
    """
    rows = []
    for track in schedule.tracks:
        request = schedule.problem.request(track.request)
        times = {
            "START_TIME": track.start_s - request.setup_s,
            "TRACKING_ON": track.start_s,
            "TRACKING_OFF": track.end_s,
            "END_TIME": track.end_s + request.teardown_s,
        }
        whole = {key: int(t) if t == int(t) else t for key, t in times.items()}
        rows += [
            {"RESOURCE": antenna, "SC": request.mission, **whole, "TRACK_ID": request.name}
            for antenna in track.resource
        ]
    return write_text(path, json.dumps(rows, indent=1) + "\n")


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise checks.InputError(f"{path}: expected JSON ({error})") from error


def _value(where: str, row: Mapping[str, Any], key: str) -> Any:
    if key not in row:
        checks.fail(f"{where}.{key}", None, "a value (the field is missing)")
    return row[key]


def _seconds(where: str, row: Mapping[str, Any], key: str, unit_s: float) -> float:
    """A field in seconds; 1.1 h is 3960 s, whatever a float makes of it."""
    return round(checks.real(f"{where}.{key}", _value(where, row, key)) * unit_s, 6)


def _request(where: str, row: Any) -> TrackRequest:
    if not isinstance(row, Mapping):
        checks.fail(where, row, "an object with the fields of a request")
    views: dict[tuple[str, ...], list[ViewPeriod]] = {}
    table = _value(where, row, "resource_vp_dict")
    if not isinstance(table, Mapping):
        checks.fail(f"{where}.resource_vp_dict", table, "an object of resources")
    for resource, periods in table.items():
        inside = f"{where}.resource_vp_dict[{resource!r}]"
        if not isinstance(periods, list):
            checks.fail(inside, periods, "a list of view periods")
        rows = [_period(f"{inside}[{k}]", period) for k, period in enumerate(periods)]
        views[tuple(resource.split("_"))] = [period for period in rows if period is not None]
    with checks.within(f"{where}:"):
        return TrackRequest(
            name=_value(where, row, "track_id"),
            mission=str(_value(where, row, "subject")),
            duration_s=_seconds(where, row, "duration", 3600.0),
            min_duration_s=_seconds(where, row, "duration_min", 3600.0),
            views=views,
            setup_s=_seconds(where, row, "setup_time", 60.0),
            teardown_s=_seconds(where, row, "teardown_time", 60.0),
        )


def _period(where: str, row: Any) -> ViewPeriod | None:
    if not isinstance(row, Mapping):
        checks.fail(where, row, "an object with 'TRX ON' and 'TRX OFF'")
    start, end = (
        checks.real(f"{where}.{key}", _value(where, row, key), low=-math.inf)
        for key in ("TRX ON", "TRX OFF")
    )
    if end < start:
        checks.fail(f"{where}.TRX OFF", row["TRX OFF"], f"a time not before TRX ON, {start:.15g}")
    return ViewPeriod(start, end) if end > start else None


def _maintenance(path: Path) -> tuple[Maintenance, ...]:
    found = []
    with path.open(encoding="utf-8", newline="") as file:
        for line, row in enumerate(csv.DictReader(file), start=2):
            where = f"{path}: line {line}"
            times = []
            for key in ("starttime", "endtime"):
                text = _value(where, row, key)
                try:
                    times.append(float(text))
                except (TypeError, ValueError):
                    checks.fail(f"{where}.{key}", text, "seconds since 1970")
            if times[0] != times[1]:
                with checks.within(f"{where}:"):
                    found.append(Maintenance(_value(where, row, "antenna"), *times))
    return tuple(found)


def _name(path: Path, requests: int) -> str:
    """The week's name; its number of requests must be that of the file."""
    if not path.is_file():
        return path.resolve().parent.name
    data = _json(path)
    if not isinstance(data, Mapping):
        checks.fail(str(path), data, "an object")
    count = data.get("request_count", requests)
    if count != requests:
        checks.fail(f"{path}: request_count", count, f"{requests}, as many as in problem.json")
    return checks.text(f"{path}: case_id", data.get("case_id", path.resolve().parent.name))
