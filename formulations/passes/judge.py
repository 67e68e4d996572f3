"""The judge of schedules: every rule of the problem, checked in continuous time.

It knows nothing of networks or solvers. Flows are piecewise constant, so that levels are
piecewise linear and their extremes stand where some transfer begins or ends.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .problem import PassProblem
    from .transfers import Transfers

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

TOLERANCE = 1e-6

#: Slack in time (s) and bytes: rounding of sums over a day.
_TIME_S = 1e-6
_BYTES = 1.0


def violations(problem: PassProblem, moves: Transfers) -> tuple[str, ...]:
    """Every rule that transfers break, in words; empty when it can be flown."""
    found = _contacts(problem, moves)
    found += _releases(problem, moves)
    found += _possession(problem, moves)
    found += _antennas(problem, moves)
    found += _storage(problem, moves)
    found += _energy(problem, moves)
    return tuple(found)


def _contacts(problem: PassProblem, moves: Transfers) -> list[str]:
    """Transfers lie within their contacts and below their rates."""
    rows = problem.plan.arrays
    start, end = rows["start_s"][moves.contact], rows["end_s"][moves.contact]
    outside = (moves.start_s < start - _TIME_S) | (moves.end_s > end + _TIME_S)
    outside |= ~(moves.end_s > moves.start_s) | ~(moves.volume_bytes >= 0)
    if outside.any():
        return [
            f"transfer {k} of {moves.volume_bytes[k]:g} bytes from {moves.start_s[k]:.6f} to "
            f"{moves.end_s[k]:.6f} s does not lie in its contact, {start[k]:.6f} to {end[k]:.6f} s"
            for k in np.flatnonzero(outside)[:3]
        ]
    share = moves.antenna_seconds(problem) / (moves.end_s - moves.start_s)
    contact, peak = _peaks(moves.contact.astype(np.int64), moves.start_s, moves.end_s, share)
    return [
        f"contact {contact[k]} ({_name(problem, int(contact[k]))}) is used {peak[k]:.6f} times over"
        for k in np.flatnonzero(peak > 1 + TOLERANCE)[:3]
    ]


def _releases(problem: PassProblem, moves: Transfers) -> list[str]:
    """Nothing leaves before it is there, and nothing is sent that comes too late."""
    demands = problem.demands
    release = np.array([row.release_s for row in demands])[moves.demand]
    deadline = np.array([row.deadline_s for row in demands])[moves.demand]
    carries = moves.volume_bytes > 0
    early = carries & (moves.start_s < release - _TIME_S)
    late = carries & (moves.end_s > deadline + _TIME_S)
    return [
        f"transfer {k} of demand {demands[int(moves.demand[k])].name!r} {text}"
        for wrong, text in ((early, "starts before its release"), (late, "ends after its deadline"))
        for k in np.flatnonzero(wrong)[:3]
    ]


def _possession(problem: PassProblem, moves: Transfers) -> list[str]:
    """A node sends only what it has: no demand's level at any node falls below zero."""
    key, time, slope, jump = _levels(problem, moves)
    levels = _running(key, time, slope, jump)
    demands, nodes = problem.demands, problem.plan.node_names
    volume = np.array([row.volume_bytes for row in demands])
    slack = _BYTES + TOLERANCE * volume[key // len(nodes)]
    found = []
    for k in np.flatnonzero(levels < -slack):
        demand, node = divmod(int(key[k]), len(nodes))
        found.append(
            f"{nodes[node]} sends {-levels[k]:g} bytes of {demands[demand].name!r} that it does "
            f"not have at {time[k]:.6f} s"
        )
        if len(found) == 3:
            break
    return found


def _levels(problem: PassProblem, moves: Transfers) -> tuple[Ints, Floats, Floats, Floats]:
    """Events of what each node holds of each demand: key, time, change of slope, jump; sorted."""
    rows, count = problem.plan.arrays, len(problem.plan.nodes)
    rate = moves.volume_bytes / np.maximum(moves.end_s - moves.start_s, 1e-300)
    demand = moves.demand.astype(np.int64)
    here, there = rows["source"][moves.contact], rows["target"][moves.contact]
    sources = np.array([problem.plan.index(row.source) for row in problem.demands])
    numbers = np.arange(len(problem.demands))
    keys = np.concatenate(
        [
            *[demand * count + end for end in (here, here, there, there)],
            numbers * count + sources,
        ]
    ).astype(np.int64)
    times = np.concatenate(
        [
            *[moves.start_s, moves.end_s, moves.start_s, moves.end_s],
            [row.release_s for row in problem.demands],
        ]
    )
    slopes = np.concatenate([-rate, rate, rate, -rate, np.zeros(len(numbers))])
    jumps = np.concatenate(
        [np.zeros(4 * len(moves)), [row.volume_bytes for row in problem.demands]]
    )
    order = np.lexsort((times, keys))
    return keys[order], times[order], slopes[order], jumps[order]


def _running(key: Ints, time: Floats, slope: Floats, jump: Floats) -> Floats:
    """Level after each event; events are sorted by key and time."""
    if not len(key):
        return np.empty(0)
    first = np.r_[True, key[1:] != key[:-1]]
    group = np.cumsum(first) - 1
    total = np.cumsum(slope)
    before = np.where(first, total - slope, 0.0)
    rate = total - before[first][group]
    gap = np.r_[0.0, np.diff(time)]
    gap[first] = 0.0
    grown = np.r_[0.0, rate[:-1]] * gap + jump
    level = np.cumsum(grown)
    start = (level - grown)[first]
    found: Floats = level - start[group]
    return found


def _peaks(key: Ints, start: Floats, end: Floats, weight: Floats) -> tuple[Ints, Floats]:
    """Largest sum of weights at one time for each key; spans are open at their ends."""
    keys = np.concatenate([key, key])
    times = np.concatenate([start + _TIME_S / 2, end - _TIME_S / 2])
    steps = np.concatenate([weight, -weight])
    order = np.lexsort((times, keys))
    keys, steps = keys[order], steps[order]
    if not len(keys):
        return np.empty(0, dtype=np.int64), np.empty(0)
    first = np.r_[True, keys[1:] != keys[:-1]]
    total = np.cumsum(steps)
    base = (total - steps)[first][np.cumsum(first) - 1]
    peak = np.maximum.reduceat(total - base, np.flatnonzero(first))
    return keys[first], peak


def _antennas(problem: PassProblem, moves: Transfers) -> list[str]:
    """No antenna serves more than it can; with set-up times, one contact at a time."""
    counts = problem.antenna_count
    if not np.isfinite(counts).any():
        return []
    rows = problem.plan.arrays
    used = problem.uses_antenna[moves.contact] & (moves.volume_bytes > 0)
    if problem.is_exclusive:
        contact, start, end = blocks(problem, moves)
        start, end = start - problem.setup_s, end + problem.teardown_s
        weight = np.ones(len(contact))
    else:
        contact = moves.contact[used].astype(np.int64)
        start, end = moves.start_s[used], moves.end_s[used]
        weight = moves.antenna_seconds(problem)[used] / (end - start)
    found = []
    node = np.concatenate([rows["source"][contact], rows["target"][contact]]).astype(np.int64)
    limited = np.isfinite(counts[node])
    key, peak = _peaks(
        node[limited],
        np.tile(start, 2)[limited],
        np.tile(end, 2)[limited],
        np.tile(weight, 2)[limited],
    )
    for k in np.flatnonzero(peak > counts[key] * (1 + TOLERANCE)):
        name = problem.plan.nodes[key[k]].name
        found.append(f"{name} uses {peak[k]:.6f} antennas at a time of {counts[key[k]]:g}")
    return found[:3]


def blocks(problem: PassProblem, moves: Transfers) -> tuple[Ints, Floats, Floats]:
    """Uses of antennas: transfers over one contact that follow each other without a pause.

    Returns
    -------
    contact : array of int, shape (blocks,)
    start_s, end_s : array, shape (blocks,)
    """
    used = np.flatnonzero(problem.uses_antenna[moves.contact] & (moves.volume_bytes > 0))
    order = used[np.lexsort((moves.start_s[used], moves.contact[used]))]
    contact = moves.contact[order].astype(np.int64)
    start, end = moves.start_s[order], moves.end_s[order]
    if not len(order):
        return contact, start, end
    fresh = np.r_[True, contact[1:] != contact[:-1]]
    # The furthest end so far within a contact: a running maximum that starts anew with each.
    lift = contact * (2 * (np.abs(end).max() + 1))
    reached = np.maximum.accumulate(end + lift) - lift
    fresh[1:] |= start[1:] > reached[:-1] + _TIME_S
    heads = np.flatnonzero(fresh)
    return contact[heads], start[heads], np.maximum.reduceat(end, heads)


def _storage(problem: PassProblem, moves: Transfers) -> list[str]:
    """No node holds more than it can; what has reached its target no longer counts."""
    room = problem.storage
    if not np.isfinite(room).any():
        return []
    count = len(problem.plan.nodes)
    key, time, slope, jump = _levels(problem, moves)
    demand, node = np.divmod(key, count)
    # A source need not keep what it will never send.
    leaves = np.bincount(
        moves.demand, weights=_from_source(problem, moves), minlength=demand.max() + 1
    )
    jump = np.where(jump > 0, np.minimum(jump, leaves[demand]), jump)
    at_target = np.zeros((len(problem.demands), count), dtype=bool)
    for number, row in enumerate(problem.demands):
        at_target[number, problem.targets(row)] = True
    holds = np.isfinite(room[node]) & ~at_target[demand, node]
    node, time, slope, jump = node[holds], time[holds], slope[holds], jump[holds]
    # At one time releases come first: what is there at that moment must fit.
    order = np.lexsort((-jump, time, node))
    level = _running(node[order], time[order], slope[order], jump[order])
    over = level > room[node[order]] * (1 + TOLERANCE) + _BYTES
    found = []
    for k in np.flatnonzero(over):
        name = problem.plan.nodes[node[order][k]].name
        found.append(
            f"{name} holds {level[k]:g} bytes at {time[order][k]:.6f} s and has room for "
            f"{room[node[order][k]]:g}"
        )
        if len(found) == 3:
            break
    return found


def _energy(problem: PassProblem, moves: Transfers) -> list[str]:
    """No battery falls below its floor: power is constant between events, a full one spills."""
    rows, dark = problem.plan.arrays, problem.plan.eclipses
    source, target = rows["source"][moves.contact], rows["target"][moves.contact]
    share = moves.antenna_seconds(problem) / np.maximum(moves.end_s - moves.start_s, 1e-300)
    begin = min(0.0, float(rows["start_s"].min(initial=0.0)))
    last = max(float(problem.plan.duration_s or 0.0), float(rows["end_s"].max(initial=0.0)))
    found = []
    for name, battery in (problem.energy or {}).items():
        node = problem.plan.index(name)
        drawn = (source == node) * battery.transmit_w + (target == node) * battery.receive_w
        shade = dark["node"] == node
        # Events: a step of the radio's power, or a step of how many eclipses there are.
        none, one = np.zeros(2 * len(moves)), np.ones(int(shade.sum()))
        time = np.concatenate(
            [moves.start_s, moves.end_s, dark["start_s"][shade], dark["end_s"][shade]]
        )
        radio = np.concatenate([drawn * share, -drawn * share, 0 * one, 0 * one])
        shades = np.concatenate([none, one, -one])
        order = np.argsort(time, kind="stable")
        time, radio, shades = time[order], np.cumsum(radio[order]), np.cumsum(shades[order])
        times = np.clip(np.concatenate([[begin], time, [last]]), begin, last)
        sunny = np.where(np.concatenate([[0.0], shades]) > 0.5, 0.0, battery.solar_w)
        power = sunny - battery.base_w - np.concatenate([[0.0], radio])
        # Without a ceiling; what the ceiling has taken so far is the furthest that it went above.
        free = battery.first_j + np.concatenate([[0.0], np.cumsum(power * np.diff(times))])
        level = free - np.maximum.accumulate(np.maximum(free - battery.capacity_j, 0.0))
        under = np.flatnonzero(level < battery.floor_j - TOLERANCE * battery.capacity_j)
        if len(under):
            k = int(under[0])
            when = times[k] + (battery.floor_j - level[k]) / min(float(power[k - 1]), -1e-300)
            found.append(
                f"{name}'s battery falls below its floor of {battery.floor_j:g} J at {when:.3f} s "
                f"(to {level[k]:g} J at {times[k]:.3f} s)"
            )
    return found[:3]


def _from_source(problem: PassProblem, moves: Transfers) -> Floats:
    """Bytes of each transfer that leave their demand's source, net."""
    rows = problem.plan.arrays
    sources = np.array([problem.plan.index(row.source) for row in problem.demands])[moves.demand]
    leaves = (rows["source"][moves.contact] == sources).astype(np.float64)
    leaves -= rows["target"][moves.contact] == sources
    net: Floats = leaves * moves.volume_bytes
    return net


def _name(problem: PassProblem, contact: int) -> str:
    row = problem.plan.contact(contact)
    return f"{row.source} -> {row.target} at {row.start_s:.3f} s"
