"""Schedules as files: JSON for pipelines, transfers as CSV, uses of antennas as iCalendar."""

from __future__ import annotations

import csv
import io
import math
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from ..formulations import checks
from ..formulations.files import write_text
from ..formulations.instants import iso
from ..formulations.passes.problem import PRIORITIES
from ..formulations.passes.schedule import PassSchedule
from .antenna_uses import AntennaUses, antenna_uses
from .plan_file import plan_json
from .tables import quantity

SCHEDULE_FORMAT = "orbweave-schedule"
SUFFIXES = (".json", ".csv", ".ics")

#: Octets of a line of iCalendar, the line break not counted (RFC 5545, 3.1).
_LINE = 75


def write_schedule(
    schedule: PassSchedule, path: str | Path, certificate: Mapping[str, Any] | None = None
) -> Path:
    """Write a schedule, all of it or nothing.

    Parameters
    ----------
    schedule : PassSchedule
    path : str or Path
        ``.json``: demands, transfers, what binds. ``.csv``: a row per transfer. ``.ics``: a
        calendar with an event per use of an antenna, from the last whole second before it to the
        first after it; the same schedule gives the same file. Folders that are missing are made.
    certificate : mapping, optional
        What is known beside the schedule: bound, gap, method (``result.to_dict()``); JSON only.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    InputError
        For another suffix.
    """
    if not isinstance(schedule, PassSchedule):
        checks.fail("write_schedule.schedule", type(schedule).__name__, "a PassSchedule")
    suffix = checks.known("write_schedule.path suffix", Path(path).suffix, SUFFIXES)
    if suffix == ".json":
        return write_text(path, f"{plan_json(schedule_dict(schedule, certificate))}\n")
    return write_text(path, transfers_csv(schedule) if suffix == ".csv" else calendar(schedule))


def schedule_dict(
    schedule: PassSchedule | None, certificate: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Plain data of a schedule and its certificate, as `write_schedule` writes it."""
    data: dict[str, Any] = {"format": SCHEDULE_FORMAT, "version": 1}
    data |= {key: value for key, value in (certificate or {}).items() if key != "solution"}
    data["solution"] = None
    if schedule is not None:
        done = schedule.completed_s
        demands = [
            {
                "name": row.name,
                "source": row.source,
                "target": row.target,
                "volume_bytes": row.volume_bytes,
                "release_s": row.release_s,
                "deadline_s": row.deadline_s,
                "priority": PRIORITIES[row.priority],
                "splittable": row.splittable,
                "delivered_bytes": float(amount),
                "completed_s": done[row.name],
            }
            for row, amount in zip(schedule.problem.demands, schedule.delivered, strict=True)
        ]
        data["epoch"] = iso(schedule.problem.plan.epoch)
        data["solution"] = {**schedule.to_dict(), "demands": demands}
    return data


def transfers_csv(schedule: PassSchedule) -> str:
    """The transfers as CSV, a row each; times in seconds of the plan and as UTC."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    columns = ["demand", "source", "target", "start_utc", "end_utc"]
    columns += ["start_s", "end_s", "volume_bytes"]
    writer.writerow(columns)
    epoch = schedule.problem.plan.epoch
    for row in schedule.transfers:
        times = {f"{what}_utc": iso(_moment(epoch, row[f"{what}_s"])) for what in ("start", "end")}
        writer.writerow([{**row, **times}[name] for name in columns])
    return stream.getvalue()


# -- iCalendar ------------------------------------------------------------------------------------
def calendar(schedule: PassSchedule) -> str:
    """Uses of antennas as iCalendar (RFC 5545), an event each.

    An event's UID follows from the contact that is used, so that the event of a new plan takes the
    place of the old one. DTSTAMP is the plan's epoch.
    """
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//Orbweave//Pass schedule//EN"]
    lines += ["CALSCALE:GREGORIAN", "METHOD:PUBLISH"]
    for event in _events(schedule):
        lines += ["BEGIN:VEVENT", *event, "END:VEVENT"]
    lines.append("END:VCALENDAR")
    return "".join(f"{_folded(line)}\r\n" for line in lines)


def _events(schedule: PassSchedule) -> Iterator[list[str]]:
    """Lines of each event, by time."""
    problem, plan = schedule.problem, schedule.problem.plan
    uses = antenna_uses(schedule)
    start, end = uses.start_s.tolist(), uses.end_s.tolist()
    amounts = _amounts(schedule, uses)
    seen: Counter[tuple[Any, ...]] = Counter()
    uids = []
    for k in (
        uses.contact.tolist()
    ):  # by contact and time, so that the count of a contact's uses is stable
        row = plan.contact(k)
        key = (iso(plan.epoch), row.source, row.target, row.start_s)
        uids.append(uuid.uuid5(uuid.NAMESPACE_URL, f"orbweave:{key}:{seen[key]}"))
        seen[key] += 1
    kinds = {node.name: node.kind for node in plan.nodes}
    for k in np.lexsort((uses.contact, uses.start_s)).tolist():
        row = plan.contact(int(uses.contact[k]))
        down = kinds[row.source] != "ground"
        station, satellite = (row.target, row.source) if down else (row.source, row.target)
        total = quantity(sum(amounts[k].values()), "B")
        text = [f"Station: {station}", f"Satellite: {satellite}", "Bytes by demand:"]
        text += [f"{name}: {round(amount)}" for name, amount in amounts[k].items()]
        text.append(f"Exactly {_span(plan.epoch, start[k], end[k])}")
        if problem.is_exclusive:
            taken = (start[k] - problem.setup_s, end[k] + problem.teardown_s)
            text.append(f"Antenna taken {_span(plan.epoch, *taken)}")
        yield [
            f"UID:{uids[k]}",
            f"DTSTAMP:{_stamp(plan.epoch)}",
            f"DTSTART:{_stamp(_moment(plan.epoch, math.floor(start[k])))}",
            f"DTEND:{_stamp(_moment(plan.epoch, math.ceil(end[k])), up=True)}",
            f"SUMMARY:{_escaped(f'{row.source} to {row.target}: {total}')}",
            f"LOCATION:{_escaped(station)}",
            f"DESCRIPTION:{_escaped(chr(10).join(text))}",
        ]


def _amounts(schedule: PassSchedule, uses: AntennaUses) -> list[dict[str, float]]:
    """Bytes of each demand in each use."""
    moves, demands = schedule.moves, schedule.problem.demands
    found: list[dict[str, float]] = [{} for _ in uses.contact]
    for k, row in zip(uses.use.tolist(), uses.transfer.tolist(), strict=True):
        name = demands[int(moves.demand[row])].name
        found[k][name] = found[k].get(name, 0.0) + float(moves.volume_bytes[row])
    return found


def _moment(epoch: datetime, time_s: float) -> datetime:
    return epoch + timedelta(seconds=float(time_s))


def _span(epoch: datetime, start_s: float, end_s: float) -> str:
    return f"{iso(_moment(epoch, start_s))} to {iso(_moment(epoch, end_s))}"


def _stamp(moment: datetime, *, up: bool = False) -> str:
    """A UTC time of iCalendar, which knows whole seconds."""
    late = timedelta(seconds=1) if up and moment.microsecond else timedelta(0)
    return f"{moment + late:%Y%m%dT%H%M%SZ}"


def _escaped(text: str) -> str:
    """A value of the type TEXT (RFC 5545, 3.3.11)."""
    for plain, written in (("\\", "\\\\"), (";", "\\;"), (",", "\\,"), ("\r\n", "\n")):
        text = text.replace(plain, written)
    return "".join(c for c in text.replace("\n", "\\n") if c >= " " or c == "\t")


def _folded(line: str) -> str:
    """A line in pieces of 75 octets, no character split; the next begins with a space."""
    pieces, size = [""], 0
    for letter in line:
        width = len(letter.encode("utf-8"))
        if size + width > _LINE:
            pieces.append("")
            size = 1
        pieces[-1] += letter
        size += width
    return "\r\n ".join(pieces)
