"""Reading contact plans of ION, JPL's Interplanetary Overlay Network: commands of ionadmin.

``a contact +start +end from to rate`` (bytes per second) and ``a range +start +end from to owlt``
(light seconds); times are ``+seconds`` after the reference time that ``@`` sets, or
``yyyy/mm/dd-hh:mm:ss``; all whole numbers. Source: ionrc(5) and ionadmin.c of nasa-jpl/ION-DTN.
"""

from __future__ import annotations

import logging
import math
import re
from bisect import bisect_right
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import numpy as np

from ...formulations import checks
from ...formulations.contact_text import (
    chosen_epoch,
    parsed_json,
    read_nodes,
    reading,
)
from ...formulations.contacts import ContactPlan, PlanNode
from ...formulations.instants import instant, seconds_between
from .dtn_numbers import numbered_nodes

log = logging.getLogger(__name__)

#: Commands that say nothing about contacts.
IDLE = frozenset(("?", "h", "v", "1", "s", "x", "^", "i", "l", "m", "r", "e", "t"))
COMMANDS = ("a", "c", "d", "@", "q", "#", *sorted(IDLE))
_OWN = re.compile(r"#\s*orbweave\s+(node|epoch|duration_s)\s+(.*)")
_DATE = re.compile(r"(\d{4})/(\d\d?)/(\d\d?)-(\d\d?):(\d\d?):(\d\d?)")
_DATED = re.compile(rf"^[ \t]*[@acd][ \t][^#\n]*?({_DATE.pattern})", re.MULTILINE)

Pair = tuple[int, int]


def parse_ion(text: str, epoch: datetime | None = None) -> ContactPlan:
    """Build a plan from commands of ionadmin; see `read_contact_plan` for what becomes of what."""
    commands = _Commands(_first_date(text), epoch)
    number = 0
    with reading(lambda: f"line {number}"):
        for number, line in enumerate(text.splitlines(), start=1):
            if not commands.run(line, number):
                break
    return commands.plan()


class _Commands:
    """What ionadmin knows of contacts and ranges while it runs command after command."""

    def __init__(self, dated: datetime | None, epoch: datetime | None) -> None:
        self.given, self.dated = epoch, dated
        self.said: dict[str, Any] = {}
        self.table: dict[int, PlanNode] = {}
        self.used: set[int] = set()
        #: By pair of nodes and start: end, rate or light time, and line.
        self.rows: dict[str, dict[Pair, dict[float, tuple[float, float, int]]]] = {
            "contact": {},
            "range": {},
        }
        self.reference_s = 0.0
        self.listening = True
        self._epoch: datetime | None = None

    @property
    def epoch(self) -> datetime:
        """Second 0, settled when the first time is read."""
        if self._epoch is None:
            said = self.said.get("epoch")
            self._epoch = chosen_epoch(said, self.given or (None if said else self.dated))
        return self._epoch

    def run(self, line: str, number: int) -> bool:
        """Obey one command; False where it is the last."""
        tokens = line.split()
        if not tokens or line.lstrip().startswith("#"):
            self._comment(line.strip())
            return True
        if not self.listening or tokens[0] in IDLE:
            return True
        command = checks.known("command", tokens[0], COMMANDS)
        if command == "q":
            return False
        if command == "@":
            _count(tokens, 2, 2, "@ time")
            self.reference_s = 0.0 if tokens[1] == "0" else self._time("time", tokens[1])
            return True
        kind = checks.known(
            f"{command} what", tokens[1] if len(tokens) > 1 else "", ("contact", "range")
        )
        rows = self.rows[kind]
        if command == "a":
            self._add(rows, kind, tokens, number)
        elif command == "c":
            self._change(rows, kind, tokens)
        else:
            _count(tokens, 5, 5, f"d {kind} start from to")
            pair = self._pair(tokens[3:5])
            if tokens[2] == "*":
                rows.pop(pair, None)
            elif tokens[2] not in ("0", "-1"):
                rows.get(pair, {}).pop(self._time("start", tokens[2]), None)
        return True

    def _comment(self, line: str) -> None:
        """Sections of a file for several programs, and what `ion_export` left in comments."""
        section = re.match(r"##\s*(begin|end)\s+(\S+)", line)
        if section:
            self.listening = section[1] == "begin" and section[2] == "ionadmin"
        own = _OWN.fullmatch(line)
        if own is None:
            return
        if own[1] == "epoch":
            self.said["epoch"] = instant("epoch", own[2])
        elif own[1] == "duration_s":
            self.said["duration_s"] = _number("duration_s", own[2])
        else:
            digits, _, data = own[2].partition(" ")
            node = _node("node", digits)
            if node in self.table:
                checks.fail("node", node, "every number once")
            (self.table[node],) = read_nodes([parsed_json(data)])

    def _add(self, rows: dict[Pair, Any], kind: str, tokens: list[str], number: int) -> None:
        _count(
            tokens, 7, 8, f"a {kind} start end from to {'rate' if kind == 'contact' else 'owlt'}"
        )
        pair = self._pair(tokens[4:6])
        if kind == "contact" and (pair[0] == pair[1] or "-1" in tokens[2:4] or "0" in tokens[2:4]):
            return  # loopback, registration, hypothetical: no data passes between nodes
        start_s, end_s = (self._time(name, tokens[k]) for k, name in ((2, "start"), (3, "end")))
        if end_s <= start_s:
            checks.fail("end", tokens[3], f"a time after the start, {tokens[2]}")
        value = _number("rate" if kind == "contact" else "owlt", tokens[6], low=0.0)
        if len(tokens) == 8:
            checks.between("confidence", _number("confidence", tokens[7]), 0, 1)
        there = rows.setdefault(pair, {})
        if start_s in there:
            checks.fail("start", tokens[2], f"no second one then (line {there[start_s][2]})")
        there[start_s] = (end_s, value, number)

    def _change(self, rows: dict[Pair, Any], kind: str, tokens: list[str]) -> None:
        checks.known("c what", kind, ("contact",))
        _count(tokens, 6, 7, "c contact start from to rate")
        there = rows.get(self._pair(tokens[3:5]), {})
        start_s = self._time("start", tokens[2])
        if start_s not in there:
            checks.fail("start", tokens[2], "the start of a contact added above")
        end_s, _, number = there[start_s]
        there[start_s] = (end_s, _number("rate", tokens[5], low=0.0), number)

    def _pair(self, tokens: list[str]) -> Pair:
        pair = _node("from", tokens[0]), _node("to", tokens[1])
        self.used.update(pair)
        return pair

    def _time(self, where: str, token: str) -> float:
        """Seconds since the epoch."""
        if token.startswith("+"):
            return self.reference_s + _number(where, token[1:])
        date = _DATE.fullmatch(token)
        if date is None:
            checks.fail(where, token, "+seconds or yyyy/mm/dd-hh:mm:ss")
        return seconds_between(self.epoch, _moment(where, date))

    def plan(self) -> ContactPlan:
        """The contacts in the order of their lines, with the delays of their ranges."""
        nodes = numbered_nodes(self.table, self.used)
        place = {number: k for k, number in enumerate(nodes)}
        ranges = {pair: _in_turn("range", rows) for pair, rows in self.rows["range"].items()}
        found = []
        unknown = 0
        for pair, rows in self.rows["contact"].items():
            delays = _in_force(ranges, pair)
            ends = place[pair[0]], place[pair[1]]
            for start_s, end_s, rate, number in _in_turn("contact", rows):
                for first, last, delay_s in _pieces(start_s, end_s, delays):
                    unknown += delay_s is None
                    found.append((number, first, *ends, last, rate * 8, delay_s or 0.0))
        if unknown:
            log.warning("%d stretches of contact have no range and get a delay of 0", unknown)
        found.sort()
        columns = list(zip(*found, strict=True)) or [()] * 7
        arrays = dict(
            zip(
                ("start_s", "source", "target", "end_s", "rate_bps", "delay_s"),
                columns[1:],
                strict=True,
            )
        )
        return ContactPlan(
            self.epoch,
            tuple(nodes.values()),
            {name: np.array(column) for name, column in arrays.items()},
            duration_s=self.said.get("duration_s"),
        )


def _first_date(text: str) -> datetime | None:
    """The first absolute time that a command names: second 0 unless something else says it."""
    found = _DATED.search(text)
    date = None if found is None else _DATE.fullmatch(found[1])
    try:
        return None if date is None else _moment("time", date)
    except checks.InputError:
        return None  # the command itself will say so, with its line


def _moment(where: str, date: re.Match[str]) -> datetime:
    try:
        year, month, day, hour, minute, second = (int(part) for part in date.groups())
        return datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError as error:
        checks.fail(where, date[0], f"a date and time ({error})")


def _count(tokens: list[str], low: int, high: int, form: str) -> None:
    if not low <= len(tokens) <= high:
        checks.fail("command", " ".join(tokens), form)


def _number(where: str, token: str, *, low: float = -math.inf) -> float:
    try:
        number = float(token)
    except ValueError:
        number = math.nan
    if not low <= number < math.inf:
        checks.fail(where, token, "a finite number" + (f" >= {low:g}" if low == 0 else ""))
    return number


def _node(where: str, token: str) -> int:
    if not (token.isascii() and token.isdigit() and len(token) < 20 and int(token) > 0):
        checks.fail(where, token, "a node number > 0")
    return int(token)


def _in_turn(
    kind: str, rows: dict[float, tuple[float, float, int]]
) -> list[tuple[float, float, float, int]]:
    """Start, end, value and line of a pair's contacts or ranges by time; ION lets none overlap."""
    turns = [(start_s, *rows[start_s]) for start_s in sorted(rows)]
    for before, after in pairwise(turns):
        if after[0] < before[1]:
            first, second = sorted((before[3], after[3]))
            checks.fail(f"line {second}", f"a {kind}", f"no overlap with the one of line {first}")
    return turns


def _in_force(
    ranges: dict[Pair, list[tuple[float, float, float, int]]], pair: Pair
) -> list[tuple[float, float, float]]:
    """Start, end and light time in one direction, by time.

    A range from a lower to a higher node number holds backwards as well, except while a range of
    that direction itself holds.
    """
    own = [turn[:3] for turn in ranges.get(pair, ())]
    if pair[0] < pair[1] or (pair[1], pair[0]) not in ranges:
        return own
    found = list(own)
    for start_s, end_s, delay_s, _ in ranges[pair[1], pair[0]]:
        gaps = _pieces(start_s, end_s, own)
        found += [(first, last, delay_s) for first, last, taken in gaps if taken is None]
    return sorted(found)


def _pieces(
    start_s: float, end_s: float, delays: list[tuple[float, float, float]]
) -> Iterator[tuple[float, float, float | None]]:
    """A stretch of time cut where the delay changes; None where there is none."""
    k = max(bisect_right(delays, (start_s, math.inf, math.inf)) - 1, 0)
    first, now = start_s, start_s
    current: float | None = None
    while now < end_s:
        while k < len(delays) and delays[k][1] <= now:
            k += 1
        inside = k < len(delays) and delays[k][0] <= now
        delay_s = delays[k][2] if inside else None
        if now > first and delay_s != current:
            yield first, now, current
            first = now
        current = delay_s
        now = min(end_s, delays[k][1 if inside else 0] if k < len(delays) else end_s)
    yield first, end_s, current
