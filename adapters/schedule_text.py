"""Tables for a terminal: what each demand gets, how busy each station is, what binds."""

from __future__ import annotations

import math
from datetime import timedelta

import numpy as np

from ..formulations.contacts import ContactPlan
from ..formulations.passes.judge import blocks
from ..formulations.passes.problem import PRIORITIES
from ..formulations.passes.schedule import PassSchedule
from .tables import quantity, text_table

#: Lines of what binds.
_TOLD = 12


def schedule_text(schedule: PassSchedule, limit: int | None = None) -> str:
    """Tables of demands (at most `limit` of them) and of stations, and what binds."""
    parts = [demands_text(schedule, limit), stations_text(schedule)]
    if schedule.cut:
        told = [f"  {line}" for line in schedule.cut[:_TOLD]]
        if len(schedule.cut) > _TOLD:
            told.append(f"  ... and {len(schedule.cut) - _TOLD:,} more")
        parts.append("what binds\n" + "\n".join(told))
    broken = schedule.violations()
    if broken:
        parts.append("violations\n" + "\n".join(f"  {line}" for line in broken))
    return "\n\n".join(part for part in parts if part)


def demands_text(schedule: PassSchedule, limit: int | None = None) -> str:
    """Table of demands in their order, those that are short first where not all are shown."""
    problem, got, done = schedule.problem, schedule.delivered, schedule.completed_s
    demands = problem.demands
    asked = np.array([row.volume_bytes for row in demands])
    short = np.array([not math.isfinite(done[row.name]) for row in demands])
    order = np.arange(len(demands))
    if limit is not None and limit < len(demands):
        order = np.argsort(~short, kind="stable")[:limit]
    rows = []
    for k in order.tolist():
        row = demands[k]
        missing = max(row.volume_bytes - float(got[k]), 0.0) if short[k] else 0.0
        rows.append(
            [
                row.name,
                row.source,
                row.target,
                PRIORITIES[row.priority],
                quantity(row.volume_bytes, "B"),
                quantity(float(got[k]), "B"),
                _clock(problem.plan, done[row.name]),
                quantity(missing, "B") if short[k] else "",
            ]
        )
    header = ["demand", "from", "to", "priority", "volume", "delivered", "whole at (UTC)"]
    text = text_table([*header, "missing"], rows, "    rr r")
    if len(order) < len(demands):
        text += f"\n... {len(demands) - len(order):,} more demands (--rows 0 shows all)"
    total = f"{quantity(float(got.sum()), 'B')} of {quantity(float(asked.sum()), 'B')}"
    whole = int((~short).sum())
    text += f"\n{whole:,} of {len(demands):,} demands whole, {total} delivered"
    when = schedule.completion_s
    if math.isfinite(when):
        text += f", all of it by {_clock(problem.plan, when)} UTC ({quantity(when, 's', 6)})"
    return text


def stations_text(schedule: PassSchedule) -> str:
    """Table of the ground nodes that could serve: antennas, how busy, how many bytes."""
    problem, plan, moves = schedule.problem, schedule.problem.plan, schedule.moves
    mixed = problem.uses_antenna
    rows, counts = plan.arrays, problem.antenna_count
    used = schedule.utilisation
    sent = mixed[moves.contact] & (moves.volume_bytes > 0)
    ends = np.stack([rows["source"][moves.contact], rows["target"][moves.contact]])[:, sent]
    volume, busy = moves.volume_bytes[sent], moves.antenna_seconds(problem)[sent]
    block, _, _ = blocks(problem, moves)
    block_ends = np.stack([rows["source"][block], rows["target"][block]])
    there = np.stack([rows["source"], rows["target"]])[:, mixed]
    lines = []
    for n, node in enumerate(plan.nodes):
        if node.kind != "ground" or not (there == n).any():
            continue
        here = (ends == n).any(axis=0)
        others = np.unique(ends.sum(axis=0)[here] - n)
        lines.append(
            [
                node.name,
                f"{counts[n]:.0f}" if math.isfinite(counts[n]) else "any",
                f"{used[node.name]:.1%}" if node.name in used else "",
                f"{float(busy[here].sum()) / 3600:,.2f} h",
                f"{int((block_ends == n).any(axis=0).sum()):,}",
                f"{len(others):,}",
                quantity(float(volume[here].sum()), "B"),
            ]
        )
    header = ["station", "antennas", "used", "antenna time", "uses", "satellites", "bytes"]
    return text_table(header, lines, " rrrrrr") if lines else ""


def _clock(plan: ContactPlan, time_s: float) -> str:
    """Date and time of a second of the plan, to a tenth of a second; nothing where never."""
    if not math.isfinite(time_s):
        return ""
    moment = plan.epoch + timedelta(seconds=round(time_s, 1))
    return f"{moment:%Y-%m-%d %H:%M:%S}.{moment.microsecond // 100_000}"
