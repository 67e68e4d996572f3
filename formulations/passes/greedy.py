"""Greedy first fit: demands by urgency, each into the earliest time that is still free."""

from __future__ import annotations

import bisect
import math
from collections import defaultdict
from dataclasses import dataclass, field

import numpy as np

from .direct import SHORTEST_S, at_full_rate, direct_contacts, urgency, without_batteries
from .problem import PassProblem
from .transfers import Transfers


def greedy(problem: PassProblem) -> Transfers:
    """Greedy first fit by priority.

    Demands in the order of priority, deadline and release take the earliest free antenna time over
    their own satellite's contacts, contact by contact; with set-up times they go on where a use
    of the same contact ends. One that is not splittable and does not
    fit whole takes none. Complexity: demands x contacts of a source x uses of its stations.
    """
    without_batteries(problem)
    book, direct = _Book(problem), direct_contacts(problem)
    own = defaultdict(list)
    for contact in sorted(direct, key=lambda c: (book.start[c], c)):
        for k in direct[contact]:
            own[k].append(contact)
    for k in sorted(range(len(problem.demands)), key=lambda k: urgency(problem, k)):
        row = problem.demands[k]
        room = book.room(k)
        if row.splittable:
            book.fit(k, own[k], room)
        elif room >= row.volume_bytes:
            before = book.copy()
            if book.fit(k, own[k], room) > 1e-9 * row.volume_bytes:
                book = before
    return at_full_rate(problem, book.fits)


@dataclass(slots=True)
class _Book:
    """Uses of contacts and antennas so far."""

    problem: PassProblem
    start: list[float] = field(init=False)
    end: list[float] = field(init=False)
    rate: list[float] = field(init=False)
    longest_s: float = field(init=False)
    limited: list[list[tuple[int, int]]] = field(init=False)
    fits: list[tuple[int, int, float, float]] = field(default_factory=list)
    of_contact: dict[int, list[tuple[float, float]]] = field(default_factory=dict)
    of_node: dict[int, list[tuple[float, float]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        rows, counts = self.problem.plan.arrays, self.problem.antenna_count
        self.start, self.end = rows["start_s"].tolist(), rows["end_s"].tolist()
        self.rate = (rows["rate_bps"] / 8).tolist()
        self.longest_s = float((rows["end_s"] - rows["start_s"]).max(initial=0.0))
        ends = zip(rows["source"].tolist(), rows["target"].tolist(), strict=True)
        mixed = self.problem.uses_antenna
        self.limited = [
            [(n, int(counts[n])) for n in pair if np.isfinite(counts[n])] if shares else []
            for pair, shares in zip(ends, mixed, strict=True)
        ]

    def copy(self) -> _Book:
        """The same book, to go back to."""
        other = _Book(self.problem)
        other.fits = list(self.fits)
        other.of_contact = {key: list(uses) for key, uses in self.of_contact.items()}
        other.of_node = {key: list(uses) for key, uses in self.of_node.items()}
        return other

    def fit(self, k: int, contacts: list[int], left: float) -> float:
        """Book the earliest free time of contact after contact; the bytes for which none is."""
        row = self.problem.demands[k]
        for contact in contacts:
            low = max(self.start[contact], row.release_s)
            high = min(self.end[contact], row.deadline_s)
            rate = self.rate[contact]
            for begin, end in self._windows(contact, low, high):
                stop = min(end, begin + left / rate)
                if stop - begin >= SHORTEST_S:
                    self._enter(k, contact, begin, stop)
                    left -= rate * (stop - begin)
                    if self.problem.is_exclusive:  # the other windows have changed
                        break
            if left <= 0:
                break
        return left

    def _windows(self, contact: int, low: float, high: float) -> list[tuple[float, float]]:
        """Free time of a contact and of an antenna at each of its ends.

        Where there are set-up times, also right behind each use of the contact, which goes on.
        """
        found = self._open(contact, low, high, None)
        if self.problem.is_exclusive:
            for use in self.of_contact.get(contact, []):
                if low <= use[1]:
                    after = self._open(contact, use[1], high, use)
                    found += [window for window in after[:1] if window[0] == use[1]]
            found.sort()
        return found

    def _open(
        self, contact: int, low: float, high: float, goes_on: tuple[float, float] | None
    ) -> list[tuple[float, float]]:
        gap = self.problem.setup_s + self.problem.teardown_s
        windows = self._free(self.of_contact.get(contact, []), 1, low, high, 0.0)
        for node, count in self.limited[contact]:
            uses = list(self.of_node.get(node, []))
            if goes_on in uses:
                uses.remove(goes_on)
            windows = [w for a, b in windows for w in self._free(uses, count, a, b, gap)]
        return windows

    def _free(
        self, uses: list[tuple[float, float]], count: int, low: float, high: float, gap: float
    ) -> list[tuple[float, float]]:
        """Parts of (low, high) that fewer than `count` uses, each wider by `gap`, cover."""
        if high <= low:
            return []
        first = bisect.bisect_left(uses, (low - self.longest_s - gap, -math.inf))
        steps = [(low, 0), (high, 0)]
        for begin, end in uses[first:]:
            if begin - gap >= high:
                break
            if end + gap > low:
                steps += [(max(begin - gap, low), 1), (min(end + gap, high), -1)]
        steps.sort()
        found: list[tuple[float, float]] = []
        busy, since = 0, low
        for time, step in steps:
            if busy < count and time > since:
                if found and found[-1][1] == since:
                    found[-1] = (found[-1][0], time)
                else:
                    found.append((since, time))
            busy, since = busy + step, time
        return found

    def _enter(self, k: int, contact: int, begin: float, end: float) -> None:
        """Book a use; one that follows another of its contact at once is a part of it."""
        self.fits.append((k, contact, begin, end))
        mine = self.of_contact.setdefault(contact, [])
        old = next((use for use in mine if use[1] == begin), None)
        lists = [mine, *(self.of_node.setdefault(node, []) for node, _ in self.limited[contact])]
        for uses in lists:
            if old is not None:
                uses.remove(old)
            bisect.insort(uses, (begin if old is None else old[0], end))

    def room(self, k: int) -> float:
        """Bytes of a demand that its source can store, beside what the booked ones leave there.

        Levels only rise at releases, so that these moments tell.
        """
        row, demands = self.problem.demands[k], self.problem.demands
        room = float(self.problem.storage[self.problem.plan.index(row.source)])
        if math.isinf(room):
            return row.volume_bytes
        mine = [fit for fit in self.fits if demands[fit[0]].source == row.source]
        others = {demands[j].release_s for j, *_ in mine}
        times = [row.release_s, *(t for t in others if row.release_s < t < row.deadline_s)]
        level = max(
            sum(
                self.rate[c] * (end - min(max(begin, t), end))
                for j, c, begin, end in mine
                if demands[j].release_s <= t
            )
            for t in times
        )
        return max(min(row.volume_bytes, room - level), 0.0)
