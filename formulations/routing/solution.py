"""A route and what it is worth: recomputed from the plan, never taken on trust."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import checks
from .arrival_kernel import last_before
from .hop import Hop
from .judge import broken_rules, shared
from .light import light_time_bound
from .problem import RouteProblem

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Route:
    """How a bundle goes.

    Parameters
    ----------
    problem : RouteProblem
    hops : sequence of Hop
        At least one.
    depart_s : float
        From when on the bundle waits at its source: latency counts from here.
    alternatives : sequence of Route
        The second best route and so on, where the problem asks for more than one.
    partner : Route, optional
        The other one of a disjoint pair.
    """

    problem: RouteProblem
    hops: Sequence[Hop]
    depart_s: float
    alternatives: Sequence[Route] = ()
    partner: Route | None = None
    _cache: dict[str, float] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "hops", tuple(self.hops))
        object.__setattr__(self, "alternatives", tuple(self.alternatives))
        if not self.hops:
            checks.fail("Route.hops", (), "at least one hop")
        for k, hop in enumerate(self.hops):
            if not 0 <= hop.contact < len(self.problem.plan):
                expected = f"a contact's position below {len(self.problem.plan)}"
                checks.fail(f"Route.hops[{k}].contact", hop.contact, expected)

    @classmethod
    def along(
        cls, problem: RouteProblem, contacts: Sequence[int], depart_s: float | None = None
    ) -> Route:
        """The route over given contacts, each taken as early as it can be.

        Parameters
        ----------
        problem : RouteProblem
        contacts : sequence of int
            Positions in the plan, in order. Whether the bundle fits, `violations` says.
        depart_s : float, optional
            The problem's own unless given.
        """
        plan = problem.plan
        rows, names = plan.arrays, plan.node_names
        bits = problem.volume_bytes * 8
        begin = problem.depart_s if depart_s is None else float(depart_s)
        now, hops = begin, []
        for k in contacts:
            start = max(now, float(rows["start_s"][k]))
            end = start + _seconds(bits, float(rows["rate_bps"][k]))
            now = end + float(rows["delay_s"][k])
            ends = (names[rows["source"][k]], names[rows["target"][k]])
            hops.append(Hop(int(k), *ends, start, end, now))
        return cls(problem, hops, begin)

    # -- what it is worth -------------------------------------------------------------------------
    @property
    def contacts(self) -> tuple[int, ...]:
        """Positions of the contacts in the plan."""
        return tuple(hop.contact for hop in self.hops)

    @property
    def nodes(self) -> tuple[str, ...]:
        """Names of the nodes, source and target included."""
        return (self.hops[0].source, *(hop.target for hop in self.hops))

    @property
    def arrival_s(self) -> float:
        """When the bundle is whole at its target."""
        return self.hops[-1].arrive_s

    @property
    def latency_s(self) -> float:
        """From the departure to the arrival, waiting included."""
        return self.arrival_s - self.depart_s

    @property
    def rate_bps(self) -> float:
        """Rate of the slowest contact."""
        return float(self._column("rate_bps").min())

    @property
    def termination_s(self) -> float:
        """Earliest end among the contacts."""
        return float(self._column("end_s").min())

    @property
    def objective(self) -> float:
        """What the problem's objective counts, of this route.

        Seconds of the plan (arrival), seconds (latency), hops, or bit/s.
        """
        values = {
            "earliest_arrival": self.arrival_s,
            "minimum_latency": self.latency_s,
            "fewest_handovers": float(len(self.hops)),
            "widest": self.rate_bps,
            "touch_planes": self.arrival_s,
        }
        return values[self.problem.objective]

    @property
    def light_time_s(self) -> float:
        """Seconds in flight, the sum of the delays."""
        return float(self._column("delay_s").sum())

    @property
    def light_time_bound_s(self) -> float:
        """Least light time of any sequence of links from source to target, whenever they stand.

        A shortest path over the least delay that each link ever has.
        """
        if "bound" not in self._cache:
            self._cache["bound"] = light_time_bound(self.problem)
        return self._cache["bound"]

    @property
    def stretch(self) -> float:
        """Light time over its bound; 1 where both are 0."""
        light, bound = self.light_time_s, self.light_time_bound_s
        if bound > 0:
            return light / bound
        return math.inf if light > 0 else 1.0

    @property
    def valid_until_s(self) -> float:
        """Latest departure for which these contacts still carry the bundle.

        For volume 0 and a contact that ends at second 60, just before 60.
        """
        return latest_departure(self.problem, self.contacts)

    @property
    def volume_limit_bytes(self) -> float:
        """Largest bundle that these contacts carry from `depart_s` on, one after the other.

        The end of transmission i is the largest, over its predecessors j, of j's start (or the
        departure) plus delays and transmissions from j to i: each pair bounds the volume.
        """
        start, end = self._column("start_s"), self._column("end_s")
        rate = self._column("rate_bps")
        if not rate.all():
            return 0.0
        begin = np.append(self.depart_s, start)
        # Sums from j to i; the departure counts as the start of a transmission of no time.
        slow = np.cumsum(np.append(0.0, 1 / rate))
        light = np.cumsum(np.append(0.0, self._column("delay_s")))
        i, j = np.tril_indices(len(begin))
        i, j = i[i > 0], j[i > 0]
        before = np.maximum(j - 1, 0)
        bits = (end[i - 1] - begin[j] - light[i - 1] + light[before]) / (slow[i] - slow[before])
        return float(max(bits.min(), 0.0) / 8)

    def _column(self, name: str) -> NDArray[np.float64]:
        return np.asarray(self.problem.plan.arrays[name][list(self.contacts)], dtype=np.float64)

    # -- what it breaks ---------------------------------------------------------------------------
    def violations(self) -> tuple[str, ...]:
        """Every rule that this route (with its alternatives and partner) breaks, in words."""
        found = list(broken_rules(self.problem, self.hops, self.depart_s))
        for k, other in enumerate(self.alternatives):
            found += [f"alternative {k + 1}: {text}" for text in other.violations()]
        if self.partner is not None:
            found += [f"partner: {text}" for text in self.partner.violations()]
            kind = self.problem.disjoint or "link"
            common = shared(self.problem.plan, kind, self.contacts, self.partner.contacts)
            found += [f"both routes take {what}" for what in common]
        return tuple(found)

    # -- showing ----------------------------------------------------------------------------------
    def to_dict(self) -> dict[str, Any]:
        """Plain data: hops with names and times, what the route is worth."""

        def number(value: float) -> float | None:
            return value if math.isfinite(value) else None

        return {
            "objective": self.problem.objective,
            "value": self.objective,
            "source": self.problem.source,
            "target": self.hops[-1].target,
            "volume_bytes": self.problem.volume_bytes,
            "depart_s": self.depart_s,
            "arrival_s": self.arrival_s,
            "latency_s": self.latency_s,
            "light_time_s": self.light_time_s,
            "light_time_bound_s": self.light_time_bound_s,
            "stretch": number(self.stretch),
            "rate_bps": self.rate_bps,
            "valid_until_s": self.valid_until_s,
            "volume_limit_bytes": self.volume_limit_bytes,
            "violations": list(self.violations()),
            "hops": [asdict(hop) for hop in self.hops],
            "alternatives": [route.to_dict() for route in self.alternatives],
            "partner": None if self.partner is None else self.partner.to_dict(),
        }

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{escape(hop.source)}</td><td>{escape(hop.target)}</td>"
            f"<td>{hop.depart_s:.6f}</td><td>{hop.end_s:.6f}</td><td>{hop.arrive_s:.6f}</td></tr>"
            for hop in self.hops
        )
        more = f", {len(self.alternatives)} alternatives" if self.alternatives else ""
        return (
            f"<table><caption>{escape(self.nodes[0])} to {escape(self.nodes[-1])}: departs "
            f"{self.depart_s:.6f} s, arrives {self.arrival_s:.6f} s, {len(self.hops)} hops"
            f"{more}</caption><tr><th>from</th><th>to</th><th>departs</th><th>sent</th>"
            f"<th>arrives</th></tr>{rows}</table>"
        )


def latest_departure(
    problem: RouteProblem, contacts: Sequence[int], arrive_by_s: float = math.inf
) -> float:
    """Latest departure for which contacts carry a problem's bundle, one after the other, in time.

    Whether there is one at all, does not matter here: contacts may start too late.
    """
    latest, bits, rows = arrive_by_s, problem.volume_bytes * 8, problem.plan.arrays
    for k in reversed(contacts):
        start, end, rate, delay = (
            float(rows[name][k]) for name in ("start_s", "end_s", "rate_bps", "delay_s")
        )
        spent = _seconds(bits, rate)
        close = end - spent if bits else max(float(last_before(end)), start)
        latest = min(close, latest - delay - spent)
    return latest


def _seconds(bits: float, rate_bps: float) -> float:
    """How long a transmission takes; infinitely long without a rate, unless there is nothing."""
    if not bits:
        return 0.0
    return bits / rate_bps if rate_bps else math.inf
