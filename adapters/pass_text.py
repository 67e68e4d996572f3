"""Tables for a terminal, and files: passes, and a constellation's findings."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np

from ..formulations import checks
from ..formulations.contacts import ContactPlan
from ..formulations.files import write_text
from ..formulations.instants import iso
from ..formulations.space.findings import OrbitFinding
from ..formulations.space.passes import PassTable
from .tables import quantity, text_table

#: How many findings of a kind are told one by one.
_TOLD = 3


def passes_text(table: PassTable, limit: int | None = None) -> str:
    """Table of passes in order of rise, at most `limit` of them, with totals by station."""
    shown = list(range(len(table)))
    if limit is not None:
        shown = shown[:limit]
    names, stations = table["satellite"], table["station"]
    rows = []
    for k in shown:
        rise, top, set_ = (table[f"{what}_s"][k] for what in ("rise", "culmination", "set"))
        edge = ("<" if table["cut_start"][k] else "") + (">" if table["cut_end"][k] else "")
        rows.append(
            [
                str(names[k]),
                str(stations[k]),
                _clock(table, rise, date=True),
                _clock(table, top),
                _clock(table, set_) + edge,
                f"{set_ - rise:.0f} s",
                f"{table['max_elevation_deg'][k]:.1f}",
                f"{table['rise_azimuth_deg'][k]:.0f}-{table['set_azimuth_deg'][k]:.0f}",
                f"{table['culmination_range_m'][k] / 1e3:,.0f} km",
            ]
        )
    header = ["satellite", "station", "rise (UTC)", "highest", "set", "length", "max el"]
    text = text_table([*header, "azimuth", "range"], rows, "     rrrr")
    if len(shown) < len(table):
        text += (
            f"\n... {len(table) - len(shown):,} more passes (--rows 0 shows all, --out writes them)"
        )
    return f"{text}\n\n{stations_text(table)}"


def stations_text(table: PassTable) -> str:
    """How much each station sees: passes, contact time, longest gap."""
    where, length = table["station_index"], table.duration_s
    rows = []
    for m, station in enumerate(table.stations):
        here = np.flatnonzero(where == m)
        total = float(length[here].sum())
        covered, gap = _coverage(table["rise_s"][here], table["set_s"][here], table)
        rows.append(
            [
                station.name,
                f"{station.latitude_deg:.2f}",
                f"{station.longitude_deg:.2f}",
                f"{station.min_elevation_deg:g}",
                f"{len(here):,}",
                f"{total / 3600:,.1f} h",
                f"{covered:.1%}",
                _duration(gap),
            ]
        )
    header = ["station", "lat", "lon", "mask", "passes", "contact", "covered", "longest gap"]
    return text_table(header, rows, " rrrrrrr")


def _coverage(rise: Any, set_: Any, table: PassTable) -> tuple[float, float]:
    """Share of the window with a satellite in view, and the longest time without."""
    length = table.window.duration_s
    if not len(rise):
        return 0.0, length
    order = np.argsort(rise)
    reached = np.maximum.accumulate(set_[order])
    gaps = np.maximum(rise[order] - np.concatenate([[0.0], reached[:-1]]), 0.0)
    gaps = np.append(gaps, length - reached[-1])
    return float(1 - gaps.sum() / length), float(gaps.max())


def findings_text(findings: Sequence[OrbitFinding], lost: int = 0) -> str:
    """What is odd about a constellation, a few of each kind; nothing where nothing is."""
    lines = []
    for kind in dict.fromkeys(row.kind for row in findings):
        of_kind = [row for row in findings if row.kind == kind]
        lines += [f"{row.satellite}: {row.message}" for row in of_kind[:_TOLD]]
        if len(of_kind) > _TOLD:
            lines.append(f"... and {len(of_kind) - _TOLD:,} more ({kind})")
    if lost:
        lines.append(f"{lost:,} satellites have no position in part of the window")
    return "\n".join(lines)


def plan_line(plan: ContactPlan) -> str:
    """One line about a contact plan."""
    return (
        f"contact plan: {len(plan):,} contacts between {len(plan.nodes):,} nodes, "
        f"{quantity(float(plan.volume_bytes.sum()), 'B')} could go, "
        f"{len(plan.eclipses['node']):,} eclipses"
    )


def passes_csv(table: PassTable) -> str:
    """The table as CSV, a row per pass; times in seconds and as UTC."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    columns = ["satellite", "station", "rise_utc", "set_utc", *list(table.arrays)[2:]]
    writer.writerow(columns)
    for row in table:
        times = {f"{what}_utc": _utc(table, row[f"{what}_s"]) for what in ("rise", "set")}
        writer.writerow([{**row, **times}[name] for name in columns])
    return stream.getvalue()


def passes_json(table: PassTable) -> str:
    """The table as JSON: the window and the passes as columns."""
    columns: dict[str, Any] = {name: table[name].tolist() for name in ("satellite", "station")}
    columns |= {name: column.tolist() for name, column in list(table.arrays.items())[2:]}
    document = {
        "format": "orbweave-passes",
        "version": 1,
        "start": iso(table.start),
        "duration_s": table.window.duration_s,
        "lost": dict(table.lost),
        "passes": columns,
    }
    return json.dumps(document)


def write_passes(table: PassTable, path: str | Path) -> Path:
    """Write a pass table as ``.csv`` or ``.json``, all of it or nothing.

    Raises
    ------
    InputError
        For another suffix.
    """
    suffix = checks.known("write_passes.path suffix", Path(path).suffix, (".csv", ".json"))
    return write_text(path, passes_csv(table) if suffix == ".csv" else passes_json(table))


def _utc(table: PassTable, time_s: float) -> str:
    return iso(table.start + timedelta(seconds=float(time_s)))


def _clock(table: PassTable, time_s: float, *, date: bool = False) -> str:
    """Date and time of a second of the window, to a tenth of a second."""
    moment = table.start + timedelta(seconds=round(float(time_s), 1))
    tenth = moment.microsecond // 100_000
    return f"{moment:%Y-%m-%d %H:%M:%S}.{tenth}" if date else f"{moment:%H:%M:%S}.{tenth}"


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = seconds / 60
    return f"{minutes:.0f} min" if minutes < 120 else f"{minutes / 60:.1f} h"
