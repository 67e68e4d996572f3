"""A simulator that flies a schedule: who has what, second by second, and every rule broken.

Plain Python, written from the docstrings of `PassProblem`, `Demand` and `Contact`; it knows
nothing of networks, expansions or the library's own judge. Time goes from moment to moment; in
between all flows are constant.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orbweave as ow

TIME_S = 1e-6
SHARE = 1e-6

#: The rules, as `Replay.broken` names them.
RULES = ("contact", "rate", "early", "late", "antenna", "storage", "possession")


@dataclass(slots=True)
class Replay:
    """What came of a schedule: bytes and last arrival by demand, rules broken with details."""

    delivered: dict[str, float] = field(default_factory=dict)
    completed_s: dict[str, float] = field(default_factory=dict)
    broken: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))


@dataclass(frozen=True, slots=True)
class _Row:
    demand: ow.Demand
    source: str
    target: str
    start: float
    end: float
    volume: float

    @property
    def flow(self) -> float:
        return self.volume / (self.end - self.start)

    @property
    def pair(self) -> tuple[str, str]:
        return self.source, self.target


def replay(problem: ow.PassProblem, transfers: Iterable[Mapping[str, Any]]) -> Replay:
    """Fly the transfers of a schedule (rows as in `PassSchedule.transfers`)."""
    demands = {row.name: row for row in problem.demands}
    found = Replay(dict.fromkeys(demands, 0.0), {d.name: d.release_s for d in problem.demands})
    rows = []
    for given in transfers:
        row = _Row(
            demands[given["demand"]],
            given["source"],
            given["target"],
            given["start_s"],
            given["end_s"],
            given["volume_bytes"],
        )
        if row.end > row.start and row.volume >= 0:
            rows.append(row)
        else:
            found.broken["contact"].append(f"{row} is no transfer")
    contacts = defaultdict(list)
    for contact in problem.plan.contacts:
        contacts[contact.source, contact.target].append(contact)
    for row in rows:
        if not any(
            c.start_s - TIME_S <= row.start and row.end <= c.end_s + TIME_S
            for c in contacts[row.pair]
        ):
            found.broken["contact"].append(f"{row} is in no contact")
        if row.volume and row.start < row.demand.release_s - TIME_S:
            found.broken["early"].append(str(row))
        if row.volume and row.end > row.demand.deadline_s + TIME_S:
            found.broken["late"].append(str(row))
    if problem.setup_s or problem.teardown_s:
        _exclusive(problem, rows, found)
    _fly(problem, rows, contacts, found)
    for demand in problem.demands:
        name = demand.name
        if found.delivered[name] < demand.volume_bytes * (1 - SHARE) - 1e-6:
            found.completed_s[name] = math.inf
            if not demand.splittable:
                found.delivered[name] = 0.0
    return found


def _targets(problem: ow.PassProblem, demand: ow.Demand) -> set[str]:
    if demand.target == "ground":
        return {node.name for node in problem.plan.nodes if node.kind == "ground"}
    return {demand.target}


def _fly(
    problem: ow.PassProblem,
    rows: list[_Row],
    contacts: Mapping[tuple[str, str], list[ow.Contact]],
    found: Replay,
) -> None:
    """Go through time; check rates, antennas, stores, and count what arrives."""
    kind = {node.name: node.kind for node in problem.plan.nodes}
    goals = {d.name: _targets(problem, d) for d in problem.demands}
    room = _rooms(problem)
    # A source need not keep what it never sends.
    sends: dict[str, float] = defaultdict(float)
    for row in rows:
        sends[row.demand.name] += row.volume * (row.source == row.demand.source)
        sends[row.demand.name] -= row.volume * (row.target == row.demand.source)
    moments = {t for row in rows for t in (row.start, row.end)}
    moments |= {t for some in contacts.values() for c in some for t in (c.start_s, c.end_s)}
    moments |= {t for d in problem.demands for t in (d.release_s, d.deadline_s)}
    times = sorted(t for t in moments if math.isfinite(t))
    level: dict[tuple[str, str], float] = defaultdict(float)
    spare: dict[tuple[str, str], float] = defaultdict(float)  # there, but never sent
    waiting = sorted(problem.demands, key=lambda d: -d.release_s)
    for now, after in zip(times, [*times[1:], times[-1]], strict=True):
        while waiting and waiting[-1].release_s <= now:
            demand = waiting.pop()
            here = demand.name, demand.source
            taken = max(min(demand.volume_bytes, sends[demand.name]), 0.0)
            level[here] += taken
            spare[here] = demand.volume_bytes - taken
        _check_stores(problem, level, spare, goals, room, now, found)
        flying = [row for row in rows if row.start <= now and after <= row.end]
        if after - now > TIME_S:
            _check_rates(problem, flying, contacts, kind, now, after, found)
        for row in flying:
            name, amount = row.demand.name, row.flow * (after - now)
            level[name, row.source] -= amount
            level[name, row.target] += amount
            comes, goes = row.target in goals[name], row.source in goals[name]
            if comes and not goes and after <= row.demand.deadline_s:
                found.delivered[name] += amount
                if amount > 0:
                    found.completed_s[name] = max(found.completed_s[name], after)
            if goes and not comes:
                found.delivered[name] -= amount


def _rooms(problem: ow.PassProblem) -> dict[str, float]:
    given = problem.storage_bytes
    if given is None:
        return {}
    if isinstance(given, Mapping):
        return dict(given)
    return {node.name: float(given) for node in problem.plan.nodes if node.kind != "ground"}


def _check_stores(
    problem: ow.PassProblem,
    level: Mapping[tuple[str, str], float],
    spare: Mapping[tuple[str, str], float],
    goals: Mapping[str, set[str]],
    room: Mapping[str, float],
    now: float,
    found: Replay,
) -> None:
    volume = {d.name: d.volume_bytes for d in problem.demands}
    for (name, node), amount in level.items():
        slack = 1.0 + SHARE * volume[name]
        if amount + spare.get((name, node), 0.0) < -slack:
            found.broken["possession"].append(f"{node}: {amount:g} bytes of {name} at {now:g} s")
    for node, most in room.items():
        held = sum(v for (name, n), v in level.items() if n == node and n not in goals[name])
        if held > most * (1 + SHARE) + 1.0:
            found.broken["storage"].append(f"{node}: {held:g} bytes of {most:g} at {now:g} s")


def _check_rates(
    problem: ow.PassProblem,
    flying: list[_Row],
    contacts: Mapping[tuple[str, str], list[ow.Contact]],
    kind: Mapping[str, str | None],
    now: float,
    after: float,
    found: Replay,
) -> None:
    used: dict[str, float] = defaultdict(float)
    flow: dict[tuple[str, str], float] = defaultdict(float)
    for row in flying:
        flow[row.pair] += row.flow
    for pair, amount in flow.items():
        rates = [
            c.rate_bps / 8
            for c in contacts[pair]
            if c.start_s <= now + TIME_S and after <= c.end_s + TIME_S
        ]
        if amount > sum(rates) * (1 + SHARE):
            found.broken["rate"].append(f"{pair}: {amount:g} B/s from {now:g} s")
        left = amount
        for rate in sorted(rates, reverse=True):  # the fastest contact of a pair first
            served = min(left, rate)
            left -= served
            if kind[pair[0]] != kind[pair[1]] and rate:
                used[pair[0]] += served / rate
                used[pair[1]] += served / rate
    for node, count in (problem.antennas or {}).items():
        if used[node] > count * (1 + SHARE):
            found.broken["antenna"].append(f"{node}: {used[node]:g} of {count} from {now:g} s")


def _exclusive(problem: ow.PassProblem, rows: list[_Row], found: Replay) -> None:
    """Uses of antennas, each with its set-up and teardown, one contact at a time."""
    kind = {node.name: node.kind for node in problem.plan.nodes}
    uses: dict[tuple[str, str], list[list[float]]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: row.start):
        if row.volume and kind[row.source] != kind[row.target]:
            mine = uses[row.pair]
            if mine and row.start <= mine[-1][1] + TIME_S:
                mine[-1][1] = max(mine[-1][1], row.end)
            else:
                mine.append([row.start, row.end])
    for node, count in (problem.antennas or {}).items():
        spans = [
            (begin - problem.setup_s + TIME_S / 2, end + problem.teardown_s - TIME_S / 2)
            for pair, some in uses.items()
            if node in pair
            for begin, end in some
        ]
        for time, _ in spans:
            if sum(begin <= time < end for begin, end in spans) > count:
                found.broken["antenna"].append(f"{node}: too many uses at {time:g} s")
