"""Random pass problems, and what can be delivered in them by a second formulation."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from scipy.optimize import linprog

import orbweave as ow
from orbweave.formulations.passes import PassProblem

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
HORIZON_S = 60.0
RATE_BPS = 8e6  # a byte each microsecond
CASES = range(1000)
BLOCK = 50


def small_case(seed: int, *, whole: bool = False, one_rate: bool = True) -> PassProblem:
    """A random problem of one commodity; `whole`: all times are whole seconds."""
    rng = np.random.default_rng(seed)
    satellites = [f"s{k}" for k in range(rng.integers(2, 7))]
    stations = [f"g{k}" for k in range(rng.integers(1, 4))]

    def moment(low: float, high: float) -> float:
        time = rng.uniform(low, high)
        return float(np.round(time)) if whole else float(time)

    def contact(source: str, target: str, rate_bps: float) -> ow.Contact:
        start = moment(0, HORIZON_S - 5)
        end = moment(start + 2, min(start + 40, HORIZON_S))
        factor = 1.0 if one_rate else float(rng.integers(1, 4))
        return ow.Contact(source, target, start, max(end, start + 1), rate_bps * factor)

    contacts = []
    for source in satellites:
        for target in stations:
            contacts += [contact(source, target, RATE_BPS) for _ in range(rng.integers(0, 3))]
    if rng.random() < 0.5:
        isl_rate = RATE_BPS * float(rng.choice([0.3, 1.0, 5.0]))
        for source in satellites:
            for target in satellites:
                if source != target and rng.random() < 0.4:
                    contacts.append(contact(source, target, isl_rate))
    antennas: dict[str, int] | None = None
    if rng.random() < 0.7:
        antennas = {name: int(rng.integers(1, 3)) for name in stations if rng.random() < 0.8}
        antennas |= {name: 1 for name in satellites if rng.random() < 0.3}
    elif rng.random() < 0.5:  # the way up, for relays over stations that are no targets
        contacts += [contact(rng.choice(stations), s, RATE_BPS) for s in satellites]
    storage: Any = None
    if rng.random() < 0.4:
        storage = float(rng.uniform(3e6, 25e6))
    elif rng.random() < 0.3:
        storage = {name: float(rng.uniform(3e6, 25e6)) for name in satellites[:2]}
    deadline_s = moment(HORIZON_S / 3, HORIZON_S) if rng.random() < 0.5 else math.inf
    target = "ground" if rng.random() < 0.7 else stations[0]
    demands = [
        ow.Demand(
            f"d{k}",
            str(rng.choice(satellites)),
            target,
            float(rng.uniform(1e6, 40e6)),
            release_s=moment(0, HORIZON_S / 3 - 2) if rng.random() < 0.5 else 0.0,
            deadline_s=deadline_s,
            priority=int(rng.integers(0, 4)),
        )
        for k in range(rng.integers(1, 7))
    ]
    plan = ow.ContactPlan.from_contacts(
        dict.fromkeys(contacts),
        epoch=EPOCH,
        nodes=dict.fromkeys(satellites, "orbital") | dict.fromkeys(stations, "ground"),
        duration_s=HORIZON_S,
    )
    return PassProblem(plan, demands, antennas=antennas, storage_bytes=storage)


def in_blocks(cases: range) -> list[Any]:
    """Cases in blocks; all but the first are slow."""
    blocks = [cases[k : k + BLOCK] for k in range(0, len(cases), BLOCK)]
    return [
        pytest.param(block, marks=[pytest.mark.slow] if k else [], id=f"{block[0]}-{block[-1]}")
        for k, block in enumerate(blocks)
    ]


class Rows:
    """A (mixed-integer) linear programme row by row, over named columns; megabytes and seconds."""

    def __init__(self) -> None:
        self.column: dict[Any, int] = {}
        self.most: list[float] = []
        self.integer: list[bool] = []
        self.worth: list[float] = []
        self.rows: dict[str, list[tuple[dict[Any, float], float]]] = {"=": [], "<": []}

    def add(self, key: Any, most: float, worth: float = 0.0, *, integer: bool = False) -> None:
        self.column[key] = len(self.most)
        self.most.append(most)
        self.integer.append(integer)
        self.worth.append(worth)

    def row(self, sense: str, terms: dict[Any, float], right: float = 0.0) -> None:
        if terms:
            self.rows[sense].append((terms, right))

    def maximum(self) -> float:
        def matrix(sense: str) -> dict[str, Any]:
            given = self.rows[sense]
            table = np.zeros((len(given), len(self.most)))
            for number, (terms, _) in enumerate(given):
                for key, factor in terms.items():
                    table[number, self.column[key]] = factor
            name = "eq" if sense == "=" else "ub"
            return {f"A_{name}": table, f"b_{name}": np.array([right for _, right in given])}

        bounds = [(0, None if math.isinf(most) else most) for most in self.most]
        cost = -np.array(self.worth)
        rows = matrix("=") | matrix("<")
        answer = linprog(
            cost,
            **rows,
            bounds=bounds,
            integrality=np.array(self.integer, dtype=int),
            method="highs",
        )
        assert answer.status == 0, answer.message
        return float(-answer.fun)


def by_the_second(problem: PassProblem) -> float:
    """Most bytes by a linear programme with a variable for each contact, and node, and second.

    Valid for whole seconds: averaging a schedule within each second keeps every rule.
    """
    goals = {problem.plan.node_names[n] for n in problem.targets(problem.demands[0])}
    kinds = {node.name: node.kind for node in problem.plan.nodes}
    span = range(int(min(problem.demands[0].deadline_s, HORIZON_S)))
    contacts = [c for c in problem.plan.contacts if c.source not in goals]
    model = Rows()
    for k, c in enumerate(contacts):
        for t in span:
            if c.start_s <= t and t + 1 <= c.end_s:
                model.add(("send", k, t), c.rate_bps / 8e6, float(c.target in goals))
    for d in problem.demands:
        model.add(("take", d.name), d.volume_bytes / 1e6)
        if not d.splittable:
            model.add(("whole", d.name), 1.0, integer=True)
            whole = {("whole", d.name): -d.volume_bytes / 1e6}
            model.row("=", {("take", d.name): 1.0, **whole})
    rooms = dict(zip(kinds, problem.storage.tolist(), strict=True))
    for name in [name for name in kinds if name not in goals]:
        for t in range(len(span) + 1):  # what is there at second t, what is released then included
            left = 0.0 if t == len(span) else rooms[name] / 1e6  # all that is taken arrives
            model.add(("keep", name, t), left)
        for t in range(len(span) + 1):
            terms: dict[Any, float] = {("keep", name, t): 1.0}
            if t:
                terms["keep", name, t - 1] = -1.0
            for d in problem.demands:
                if d.source == name and d.release_s == t:
                    terms["take", d.name] = -1.0
            for k, c in enumerate(contacts):
                if ("send", k, t - 1) in model.column and name in (c.source, c.target):
                    terms["send", k, t - 1] = 1.0 if c.source == name else -1.0
            model.row("=", terms)
            # What is released at t cannot have left before.
            fresh = {key: 1.0 for key in terms if key[0] == "take"}
            model.row("<", {**fresh, ("keep", name, t): -1.0})
    for name, count in (problem.antennas or {}).items():
        for t in span:
            shares: dict[Any, float] = {
                ("send", k, t): 8e6 / c.rate_bps
                for k, c in enumerate(contacts)
                if ("send", k, t) in model.column
                and name in (c.source, c.target)
                and kinds[c.source] != kinds[c.target]
            }
            model.row("<", shares, count)
    return model.maximum() * 1e6
