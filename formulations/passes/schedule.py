"""A schedule of transfers and what it is worth: recomputed from the plan, never taken on trust."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import checks
from .judge import TOLERANCE, violations
from .preemption import Preemption, preemptions
from .problem import PRIORITIES, PassProblem
from .transfers import Transfers

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class PassSchedule:
    """Which bytes go over which pass.

    Parameters
    ----------
    problem : PassProblem
    moves : Transfers
        As columns; `transfers` are the same as rows with names.
    cut : sequence of str
        What binds, in words: a minimum cut of the network, where one was computed.
    """

    problem: PassProblem
    moves: Transfers
    cut: tuple[str, ...] = ()
    _cache: dict[str, Any] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        moves, problem = self.moves, self.problem
        for name, count in (("demand", len(problem.demands)), ("contact", len(problem.plan))):
            column = getattr(moves, name)
            if len(column) and not (column.min() >= 0 and column.max() < count):
                checks.fail(f"Transfers.{name}", int(column.max()), f"a position below {count}")

    # -- what it is worth -------------------------------------------------------------------------
    @property
    def delivered(self) -> NDArray[np.float64]:
        """Bytes of each demand that reach their target by the deadline, shape (demands,)."""
        return self._arrivals[0]

    @property
    def delivered_bytes(self) -> dict[str, float]:
        """The same by the demand's name."""
        names = [row.name for row in self.problem.demands]
        return dict(zip(names, self.delivered.tolist(), strict=True))

    @property
    def completion_s(self) -> float:
        """When the last byte of all demands is delivered; infinite where some never is."""
        amounts = np.array([row.volume_bytes for row in self.problem.demands])
        short = self.delivered < amounts * (1 - TOLERANCE) - 1e-6
        return math.inf if short.any() else float(self._arrivals[1].max())

    @property
    def completed_s(self) -> dict[str, float]:
        """When the last byte of each demand arrives; infinite where some never does."""
        found = {}
        for k, row in enumerate(self.problem.demands):
            whole = self.delivered[k] >= row.volume_bytes * (1 - TOLERANCE) - 1e-6
            found[row.name] = float(self._arrivals[1][k]) if whole else math.inf
        return found

    @property
    def by_priority(self) -> dict[int, float]:
        """Bytes delivered of each class of priority."""
        total = dict.fromkeys(range(len(PRIORITIES)), 0.0)
        for row, amount in zip(self.problem.demands, self.delivered, strict=True):
            total[row.priority] += float(amount)
        return total

    @property
    def objective(self) -> float:
        """Bytes (volume; priority: of all classes) or seconds (completion)."""
        if self.problem.objective == "completion":
            return self.completion_s
        return float(self.delivered.sum())

    @property
    def _arrivals(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Bytes delivered in time, and last arrival, of each demand."""
        if "arrivals" not in self._cache:
            moves, demands = self.moves, self.problem.demands
            amount, last = np.zeros(len(demands)), np.full(len(demands), -math.inf)
            target = self.problem.plan.arrays["target"][moves.contact]
            source = self.problem.plan.arrays["source"][moves.contact]
            wanted = np.zeros((len(demands), len(self.problem.plan.nodes)), dtype=bool)
            for k, row in enumerate(demands):
                wanted[k, self.problem.targets(row)] = True
            # What leaves a target again (ground to ground) is taken off.
            comes = wanted[moves.demand, target] & ~wanted[moves.demand, source]
            goes = wanted[moves.demand, source] & ~wanted[moves.demand, target]
            deadline = np.array([row.deadline_s for row in demands])[moves.demand]
            length = np.maximum(moves.end_s - moves.start_s, 1e-300)
            share = np.clip((deadline - moves.start_s) / length, 0.0, 1.0)
            np.add.at(amount, moves.demand[comes], (moves.volume_bytes * share)[comes])
            np.add.at(amount, moves.demand[goes], -moves.volume_bytes[goes])
            arrived = np.minimum(moves.end_s, deadline)
            carries = comes & (moves.volume_bytes > 0) & (share > 0)
            np.maximum.at(last, moves.demand[carries], arrived[carries])
            for k, row in enumerate(demands):
                if not row.splittable and amount[k] < row.volume_bytes * (1 - TOLERANCE):
                    amount[k] = 0.0
                if last[k] == -math.inf:
                    last[k] = row.release_s
            self._cache["arrivals"] = (amount, last)
        found: tuple[NDArray[np.float64], NDArray[np.float64]] = self._cache["arrivals"]
        return found

    # -- how much is used -------------------------------------------------------------------------
    @property
    def utilisation(self) -> dict[str, float]:
        """Used share of antenna time, from the plan's beginning to the last transfer.

        By node with antennas: the time in which its antennas are busy over the time in which they
        have someone in view.
        """
        problem = self.problem
        rows, counts = problem.plan.arrays, problem.antenna_count
        mixed = problem.uses_antenna
        busy, seconds = np.zeros(len(counts)), self.moves.antenna_seconds(problem)
        for end in ("source", "target"):
            sent = mixed[self.moves.contact]
            np.add.at(busy, rows[end][self.moves.contact][sent], seconds[sent])
        found = {}
        last = self.moves.end_s.max(initial=0.0)
        for n in np.flatnonzero(np.isfinite(counts)):
            here = mixed & ((rows["source"] == n) | (rows["target"] == n))
            end = np.minimum(rows["end_s"][here], last)
            room = _served_seconds(rows["start_s"][here], end, int(counts[n]))
            found[problem.plan.nodes[int(n)].name] = float(busy[n] / room) if room else 0.0
        return found

    @property
    def link_utilisation(self) -> dict[tuple[str, str], float]:
        """Used share of what each link that carries something could carry until the last transfer.

        By (source, target): bytes sent over bytes that its contacts offer until then.
        """
        rows, names = self.problem.plan.arrays, self.problem.plan.node_names
        last = self.moves.end_s.max(initial=0.0)
        key = rows["source"].astype(np.int64) * len(names) + rows["target"]
        open_s = np.maximum(np.minimum(rows["end_s"], last) - rows["start_s"], 0.0)
        links, owner = np.unique(key, return_inverse=True)
        room = np.bincount(owner.ravel(), weights=open_s * rows["rate_bps"] / 8)
        sent = np.bincount(
            owner.ravel()[self.moves.contact], weights=self.moves.volume_bytes, minlength=len(links)
        )
        return {
            (names[link // len(names)], names[link % len(names)]): float(sent[k] / room[k])
            for k, link in enumerate(links.tolist())
            if sent[k] > 0
        }

    @property
    def preempted(self) -> tuple[Preemption, ...]:
        """More urgent demands that antennas served while one that is not whole was in view."""
        return preemptions(self.problem, self.moves, self.delivered)

    # -- what it breaks ---------------------------------------------------------------------------
    def violations(self) -> tuple[str, ...]:
        """Every rule that this schedule breaks, in words; empty when it can be flown."""
        return violations(self.problem, self.moves)

    # -- showing ----------------------------------------------------------------------------------
    @property
    def transfers(self) -> Iterator[dict[str, Any]]:
        """The transfers one by one: demand, source, target, start_s, end_s, volume_bytes."""
        rows, nodes = self.problem.plan.arrays, self.problem.plan.node_names
        moves, demands = self.moves, self.problem.demands
        for k in range(len(moves)):
            contact = moves.contact[k]
            yield {
                "demand": demands[moves.demand[k]].name,
                "source": nodes[rows["source"][contact]],
                "target": nodes[rows["target"][contact]],
                "start_s": float(moves.start_s[k]),
                "end_s": float(moves.end_s[k]),
                "volume_bytes": float(moves.volume_bytes[k]),
            }

    def to_dict(self) -> dict[str, Any]:
        """Plain data: transfers, what each demand gets, utilisation, what binds."""
        completion = self.completion_s
        return {
            "objective": self.problem.objective,
            "delivered_bytes": self.delivered_bytes,
            "completion_s": completion if math.isfinite(completion) else None,
            "by_priority": {PRIORITIES[k]: value for k, value in self.by_priority.items()},
            "utilisation": self.utilisation,
            "cut": list(self.cut),
            "preempted": [asdict(row) for row in self.preempted],
            "violations": list(self.violations()),
            "transfers": list(self.transfers),
        }

    def _repr_html_(self) -> str:
        asked = sum(row.volume_bytes for row in self.problem.demands)
        got = float(self.delivered.sum())
        return (
            f"<p>{got / 1e9:.6g} GB of {asked / 1e9:.6g} GB delivered in {len(self.moves)} "
            f"transfers, completion {self.completion_s:.6g} s</p>"
        )


def _served_seconds(start: Any, end: Any, antennas: int) -> float:
    """Antenna time in which there is someone to serve: sum over time of min(antennas, in view)."""
    start, end = start[start < end], end[start < end]
    if not len(start):
        return 0.0
    times = np.concatenate([start, end])
    steps = np.concatenate([np.ones(len(start)), -np.ones(len(end))])
    order = np.argsort(times, kind="stable")
    count = np.cumsum(steps[order])[:-1]
    return float((np.diff(times[order]) * np.minimum(count, antennas)).sum())
