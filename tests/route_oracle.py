"""Routes by plain enumeration of contact sequences, in whole numbers; knows nothing of the library.

A contact is a tuple (source, target, start, end, bytes per second, delay), all whole numbers, and a
volume is a multiple of every rate, so that all times stay whole.
"""

from __future__ import annotations

import heapq
import math
import random
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

Time = int | Fraction


class Row(NamedTuple):
    source: int
    target: int
    start: int
    end: int
    rate: int
    delay: int


#: So long before a contact's end a bundle of volume 0 still departs.
MOMENT = Fraction(1, 10**6)


def arrival(path: Sequence[Row], depart: Any, volume: Time) -> Time | None:
    """When a bundle arrives over some contacts, None if one of them does not carry it."""
    now: Time = depart
    for row in path:
        begin = max(now, row.start)
        if volume == 0:
            if begin >= row.end:
                return None
            now = begin + row.delay
            continue
        if row.rate == 0:
            return None
        finish = begin + Fraction(volume, row.rate)
        if finish > row.end:
            return None
        now = finish + row.delay
    return now


def sequences(rows: Sequence[Row], source: int, targets: Iterable[int]) -> Iterator[list[int]]:
    """Contact sequences that visit no node twice and end at the first target."""
    ends = set(targets)

    def go(node: int, seen: set[int], path: list[int]) -> Iterator[list[int]]:
        if node in ends:
            yield list(path)
            return
        for k, row in enumerate(rows):
            if row.source == node and row.target not in seen:
                path.append(k)
                yield from go(row.target, seen | {row.target}, path)
                path.pop()

    yield from go(source, {source}, [])


class Ranked(NamedTuple):
    """What a route is judged by; all of it smaller is better."""

    arrival: Time
    hops: int
    termination: int  # negated
    entry: int


def routes(
    rows: Sequence[Row], source: int, targets: Iterable[int], depart: Time, volume: int, by: float
) -> list[tuple[Ranked, int, list[int]]]:
    """Every route that arrives in time: how it ranks, its lowest rate, its contacts."""
    found = []
    for path in sequences(rows, source, targets):
        taken = [rows[k] for k in path]
        there = arrival(taken, depart, volume)
        if there is None or there > by:
            continue
        key = Ranked(there, len(path), -min(row.end for row in taken), taken[0].target)
        found.append((key, min(row.rate for row in taken), path))
    return found


def least_latency(
    rows: Sequence[Row],
    source: int,
    targets: Iterable[int],
    window: tuple[int, int],
    volume: int,
    by: float,
) -> Time | None:
    """Least time under way over departures: every half second, and a moment before it."""
    best: Time | None = None
    moments: list[Time] = []
    for k in range(2 * window[0], 2 * window[1] + 1):
        moments += [Fraction(k, 2) - MOMENT, Fraction(k, 2)]
    paths = [[rows[k] for k in path] for path in sequences(rows, source, targets)]
    for depart in moments:
        if depart < window[0]:
            continue
        for path in paths:
            there = arrival(path, depart, volume)
            if there is not None and there <= by and (best is None or there - depart < best):
                best = there - depart
    return best


def random_rows(rng: random.Random, nodes: int, most: int) -> list[Row]:
    """Different contacts in a few seconds, so that ties and exact fits are common."""
    found = set()
    for _ in range(rng.randint(1, most)):
        source, target = rng.sample(range(nodes), 2)
        start = rng.randint(0, 8)
        end = start + rng.randint(1, 8)
        rate = rng.choice([1, 1, 2, 4, 0]) if rng.random() < 0.7 else 2
        found.add(Row(source, target, start, end, rate, rng.randint(0, 2)))
    return rng.sample(sorted(found), len(found))


def earliest_by_heap(
    rows: Sequence[tuple[int, int, float, float, float]], nodes: int, source: int, depart: float
) -> list[float]:
    """Arrivals of a bundle of volume 0; rows are source, target, start, end, delay."""
    out: list[list[tuple[int, float, float, float]]] = [[] for _ in range(nodes)]
    for a, b, start, end, delay in rows:
        out[a].append((b, start, end, delay))
    best = [math.inf] * nodes
    best[source] = depart
    heap = [(depart, source)]
    while heap:
        now, node = heapq.heappop(heap)
        if now > best[node]:
            continue
        for other, start, end, delay in out[node]:
            begin = max(now, start)
            if begin < end and begin + delay < best[other]:
                best[other] = begin + delay
                heapq.heappush(heap, (begin + delay, other))
    return best
