"""Tables for a terminal: a route hop by hop, its alternatives, and how a path changes over time."""

from __future__ import annotations

import math
from datetime import timedelta
from itertools import pairwise

import numpy as np

from ..formulations.routing.snapshot_answers import SnapshotPaths
from ..formulations.routing.solution import Route
from .tables import quantity, text_table


def route_text(route: Route) -> str:
    """Table of hops, what the route is worth, and its alternatives or partner."""
    parts = [_hops(route), _worth(route)]
    if route.alternatives:
        parts.append(_alternatives(route))
    if route.partner is not None:
        parts.append(f"the other way, {_ways(route)}\n{_hops(route.partner)}")
        parts.append(_worth(route.partner))
    return "\n\n".join(parts)


def _hops(route: Route) -> str:
    columns = route.problem.plan.arrays
    rows = [
        [
            hop.source,
            hop.target,
            _clock(route, hop.depart_s),
            _clock(route, hop.arrive_s),
            quantity(float(columns["rate_bps"][hop.contact]), "bit/s"),
            quantity(float(columns["delay_s"][hop.contact]), "s"),
            _clock(route, float(columns["end_s"][hop.contact])),
        ]
        for hop in route.hops
    ]
    header = ["from", "to", "departs (UTC)", "arrives (UTC)", "rate", "light time", "link until"]
    return text_table(header, rows, "    rr")


def _worth(route: Route) -> str:
    bound = route.light_time_bound_s
    lines = [
        f"{len(route.hops)} hops, {quantity(route.latency_s, 's', 6)} from departure to arrival, "
        f"of which {quantity(route.light_time_s, 's')} light time",
        f"no links that the plan has are shorter than {quantity(bound, 's')}: "
        f"stretch {route.stretch:.3g}",
    ]
    until = route.valid_until_s
    if math.isfinite(until):
        text = f"these links serve departures until {_clock(route, until)} UTC"
        room = route.volume_limit_bytes
        lines.append(f"{text} and bundles of up to {quantity(room, 'B')}")
    return "\n".join(lines)


def _alternatives(route: Route) -> str:
    rows = []
    for k, other in enumerate((route, *route.alternatives), start=1):
        rows.append(
            [
                str(k),
                _clock(route, other.arrival_s),
                quantity(other.latency_s, "s", 6),
                str(len(other.hops)),
                " > ".join(other.nodes),
            ]
        )
    return text_table(["", "arrives (UTC)", "takes", "hops", "way"], rows, "r rr")


def _ways(route: Route) -> str:
    kind = {"link": "without a common link", "node": "without a common node between"}
    return kind.get(str(route.problem.disjoint), "beside it")


def _clock(route: Route, seconds: float) -> str:
    """A second of the plan as UTC, with the day where the plan is longer than one."""
    if not math.isfinite(seconds):
        return "never"
    moment = route.problem.plan.epoch + timedelta(seconds=seconds)
    long = float(route.problem.plan.duration_s or 0.0) > 86400
    return moment.strftime("%m-%d %H:%M:%S.%f" if long else "%H:%M:%S.%f")[:-3]


def snapshots_text(paths: SnapshotPaths) -> str:
    """How the shortest path of each pair fares over the steps, a row per pair."""
    rows = []
    for source in paths.sources:
        for target in (name for name in paths.targets if name != source):
            delay = paths.distance[:, paths.sources.index(source), paths.targets.index(target)]
            known = delay[np.isfinite(delay)]
            ways = [paths.path(step, source, target) for step in range(len(paths))]
            changes = sum(one != two for one, two in pairwise(ways))
            shown = (known.min(), np.median(known), known.max()) if len(known) else (math.inf,) * 3
            cells = [quantity(float(value), "s") for value in shown]
            rows.append([source, target, *cells, str(changes), f"{len(known) / len(delay):.1%}"])
    header = ["from", "to", "least delay", "median", "largest", "changes", "connected"]
    return text_table(header, rows, "  rrrrr")
