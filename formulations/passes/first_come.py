"""First come, first served: how ground stations are shared where nobody plans."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, field

import numpy as np

from .direct import SHORTEST_S, at_full_rate, direct_contacts, without_batteries
from .problem import PassProblem
from .transfers import Transfers


def first_come(problem: PassProblem) -> Transfers:
    """First come, first served.

    Each antenna serves the satellite that rose first until it sets or is empty, then the next in
    view. A satellite sends its demands in the order of their releases and takes in what fits its
    storage at that moment. Complexity: events x contacts in view.
    """
    without_batteries(problem)
    return _FirstCome(problem).run()


@dataclass(slots=True)
class _FirstCome:
    """The state at one moment; between two events every antenna goes on with what it does."""

    problem: PassProblem
    direct: dict[int, list[int]] = field(init=False)
    start: list[float] = field(init=False)
    end: list[float] = field(init=False)
    rate: list[float] = field(init=False)
    source: list[int] = field(init=False)
    limited: dict[int, list[int]] = field(init=False)
    left: list[float] = field(init=False)
    free: dict[int, list[float]] = field(init=False)
    held: dict[int, float] = field(default_factory=dict)
    sending: dict[int, tuple[int, float]] = field(default_factory=dict)
    sent: list[tuple[int, int, float, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        problem, rows = self.problem, self.problem.plan.arrays
        counts, mixed = problem.antenna_count, problem.uses_antenna
        self.start, self.end = rows["start_s"].tolist(), rows["end_s"].tolist()
        self.rate, self.source = (rows["rate_bps"] / 8).tolist(), rows["source"].tolist()
        released = np.argsort([row.release_s for row in problem.demands], kind="stable")
        rank = np.empty(len(released), dtype=np.int64)
        rank[released] = np.arange(len(released))
        self.direct = {
            c: sorted(ks, key=lambda k: rank[k]) for c, ks in direct_contacts(problem).items()
        }
        # Nodes that give an antenna to a contact; from when on each of their antennas is free.
        self.limited = {
            c: [int(n) for n in (rows["source"][c], rows["target"][c]) if np.isfinite(counts[n])]
            if mixed[c]
            else []
            for c in self.direct
        }
        numbers = np.flatnonzero(np.isfinite(counts))
        self.free = {int(n): [-math.inf] * int(counts[n]) for n in numbers}
        self.left = [0.0] * len(problem.demands)

    def run(self) -> Transfers:
        """Go from event to event: rises, settings, releases, deadlines, empty stores, set-ups."""
        demands = self.problem.demands
        releases = sorted(range(len(demands)), key=lambda k: demands[k].release_s)
        rises = sorted(self.direct, key=lambda c: (self.start[c], c))
        known = [time for c in rises for time in (self.start[c], self.end[c])]
        known += [time for row in demands for time in (row.release_s, row.deadline_s)]
        times = sorted({time for time in known if math.isfinite(time)})
        view: list[int] = []
        expiries = sorted(range(len(demands)), key=lambda k: demands[k].deadline_s)
        now, risen, taken, expired, k = -math.inf, 0, 0, 0, 0
        while k < len(times) or self.sending:
            before, now = now, self._next(now, times[k] if k < len(times) else math.inf)
            while k < len(times) and times[k] <= now:
                k += 1
            self._flow(before, now)
            while expired < len(expiries) and demands[expiries[expired]].deadline_s <= now:
                self.left[expiries[expired]] = 0.0
                expired += 1
            while taken < len(releases) and demands[releases[taken]].release_s <= now:
                self._take_in(releases[taken])
                taken += 1
            while risen < len(rises) and self.start[rises[risen]] <= now:
                view.append(rises[risen])
                risen += 1
            view = [c for c in view if self.end[c] > now + SHORTEST_S]
            self._serve(view, now)
        return at_full_rate(self.problem, self.sent)

    def _speed(self) -> dict[int, float]:
        """How fast each demand leaves."""
        speed: dict[int, float] = defaultdict(float)
        for c, (k, _) in self.sending.items():
            speed[k] += self.rate[c]
        return speed

    def _next(self, now: float, known: float) -> float:
        """Next event: a known one, a demand all gone, or an antenna set up."""
        empty = [now + self.left[k] / rate for k, rate in self._speed().items()]
        ready = [time for time in self.held.values() if time > now]
        return min([known, *empty, *ready])

    def _flow(self, before: float, now: float) -> None:
        """Take off what was sent since the last event; less than a nanosecond's worth is none."""
        for k, rate in self._speed().items():
            self.left[k] -= rate * (now - before)
            if self.left[k] <= rate * 1e-9:
                self.left[k] = 0.0

    def _take_in(self, k: int) -> None:
        """A release: what fits into the source's storage."""
        demands, row = self.problem.demands, self.problem.demands[k]
        held = sum(self.left[j] for j, d in enumerate(demands) if d.source == row.source)
        room = self.problem.storage[self.problem.plan.index(row.source)] - held
        self.left[k] = max(min(row.volume_bytes, float(room)), 0.0)

    def _serve(self, view: list[int], now: float) -> None:
        """Let go, give free antennas to those that rose first, and send."""
        wanted = {c: next((k for k in self.direct[c] if self.left[k] > 0), -1) for c in view}
        for c in [c for c in self.held if wanted.get(c, -1) < 0]:
            began = self.held.pop(c)
            for n in self.limited[c]:
                # A use that never began leaves its antennas as they were.
                used = now + self.problem.teardown_s if began < now else began - self._setup
                self.free[n].append(used)
        for c in view:
            if wanted[c] >= 0 and c not in self.held and all(self.free[n] for n in self.limited[c]):
                earliest = max((min(self.free[n]) for n in self.limited[c]), default=-math.inf)
                begins = max(now, earliest + self._setup)
                if begins < self.end[c] - SHORTEST_S:
                    self.held[c] = begins
                    for n in self.limited[c]:
                        self.free[n].remove(min(self.free[n]))
        sends = {c: wanted[c] for c, begins in self.held.items() if begins <= now}
        for c in list(self.sending):
            k, since = self.sending[c]
            if sends.get(c, -1) != k:
                del self.sending[c]
                if now > since:
                    self.sent.append((k, c, since, now))
        for c, k in sends.items():
            self.sending.setdefault(c, (k, now))

    @property
    def _setup(self) -> float:
        return self.problem.setup_s
