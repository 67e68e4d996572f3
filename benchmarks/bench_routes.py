"""Routes over a day of 1,584 satellites: earliest arrivals beside a plain heap, in one run.

    python benchmarks/bench_routes.py [--quick]

The contact plan is that of 72 x 22 satellites (550 km, 53 degrees) with a plus-grid of laser links
and ten ground stations. The peer is the textbook search in plain Python: a heap, and per node a
list of contacts by end. Both find the same arrivals. Building is timed apart; kernels are compiled
before the clock starts.
"""

from __future__ import annotations

import argparse
import heapq
import math
import os
from bisect import bisect_left
from typing import Any

for name in ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(name, "1")

import numpy as np  # noqa: E402
from bench_passes import START, best, constellation, sites  # noqa: E402

import orbweave as ow  # noqa: E402
from orbweave.formulations.routing.booking import BookingProblem, Bundle, book  # noqa: E402
from orbweave.formulations.routing.contact_graph import ContactGraph  # noqa: E402
from orbweave.formulations.routing.earliest import (  # noqa: E402
    earliest_arrivals,
    latest_departures,
)
from orbweave.formulations.routing.problem import RouteProblem  # noqa: E402
from orbweave.solvers.options import SolveOptions  # noqa: E402
from orbweave.solvers.paths import ROADS, solve_route  # noqa: E402

Contacts = dict[int, list[tuple[float, float, float, float]]]


def plan_of(planes: int, slots: int, hours: float) -> ow.ContactPlan:
    return ow.contact_plan(
        constellation(planes, slots),
        sites(10),
        start=START,
        duration_s=hours * 3600,
        links=ow.GroundLinks(ow.FixedLink(1e8), ow.FixedLink(1e7)),
        isl=ow.IslTopology(link=ow.FixedLink(1e9)),
        eclipses=False,
    )


def plain_graph(plan: ow.ContactPlan) -> list[Contacts]:
    """For each node the contacts (end, start, seconds per byte, delay) by neighbour, by end."""
    graph: list[Contacts] = [{} for _ in plan.nodes]
    columns = ("source", "target", "start_s", "end_s", "rate_bps", "delay_s")
    rows = zip(*(plan.arrays[name].tolist() for name in columns), strict=True)
    for source, target, start, end, rate, delay in rows:
        graph[source].setdefault(target, []).append((end, start, 8 / rate, delay))
    for contacts in graph:
        for listed in contacts.values():
            listed.sort()
    return graph


def plain_search(graph: list[Contacts], source: int, depart: float, volume: float) -> list[float]:
    """Dijkstra's algorithm with a heap over dictionaries of lists."""
    arrival = [math.inf] * len(graph)
    arrival[source] = depart
    heap = [(depart, source)]
    while heap:
        now, node = heapq.heappop(heap)
        if now > arrival[node]:
            continue
        for other, listed in graph[node].items():
            least = arrival[other]
            if least <= now:
                continue
            for k in range(bisect_left(listed, (now,)), len(listed)):
                end, start, each, delay = listed[k]
                if start >= least:
                    break
                done = max(now, start) + volume * each
                if done <= end and (volume or done < end) and done + delay < least:
                    least = done + delay
            if least < arrival[other]:
                arrival[other] = least
                heapq.heappush(heap, (least, other))
    return arrival


def one_to_all(plan: ow.ContactPlan, plain: list[Contacts], volume: float) -> None:
    """One source, all nodes: ours beside the plain one."""
    source = plan.node_names[0]
    theirs, wanted = best(lambda: plain_search(plain, 0, 0.0, volume), 3)
    ours, found = best(lambda: earliest_arrivals(plan, source, 0.0, volume), 20)
    back, _ = best(lambda: latest_departures(plan, "ground", 86400.0, volume), 20)
    assert np.allclose(found.arrival_s, wanted, rtol=1e-12)
    print(
        f"  {volume:>12,.0f} bytes: plain heap {theirs * 1e3:.2f} ms, ours {ours * 1e3:.3f} ms "
        f"({theirs / ours:.0f}x); latest departures {back * 1e3:.3f} ms"
    )


def objectives(plan: ow.ContactPlan, volume: float) -> None:
    """One route for each objective, judged."""
    source = plan.node_names[0]
    stations = [node.name for node in plan.nodes if node.kind == "ground"]
    for objective in ROADS:
        problem = RouteProblem(plan, source, stations[-1], 0.0, volume, objective)
        if objective == "touch_planes":  # stations would pass bundles on, from plane to plane
            ground = [plan.index(name) for name in stations]
            leaves = np.flatnonzero(np.isin(plan.arrays["source"], ground))
            problem = problem.replace(without=leaves.tolist())
        spent, result = best(lambda p=problem: solve_route(p, SolveOptions()), 3)
        route = result.require()
        print(
            f"  {objective:17} {spent * 1e3:8.2f} ms: {len(route.hops)} hops, "
            f"{route.latency_s:.6f} s under way, {route.rate_bps / 1e6:g} Mbit/s"
        )


def bundles(plan: ow.ContactPlan, count: int, volume: float) -> None:
    """Bundles from random satellites to the ground, booked one after another."""
    rng = np.random.default_rng(0)
    names = [node.name for node in plan.nodes if node.kind != "ground"]
    last = plan.arrays["end_s"].max()
    rows = [
        Bundle(f"b{k}", names[int(rng.integers(len(names)))], "ground", volume, ready)
        for k, ready in enumerate(rng.uniform(0, last / 2, count))
    ]
    spent, found = best(lambda: book(BookingProblem(plan, rows)), 1)
    assert not found.violations()
    print(
        f"{count} bundles of {volume:,.0f} bytes booked, {len(found.routes)} delivered: "
        f"{spent / count * 1e3:.1f} ms each"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer satellites, two hours")
    quick: Any = parser.parse_args().quick
    plan = plan_of(12, 11, 2) if quick else plan_of(72, 22, 24)
    print(f"{plan!r}")
    built, graph = best(lambda: ContactGraph.build(plan), 3)
    theirs, plain = best(lambda: plain_graph(plan), 1)
    print(f"build: plain lists {theirs:.3f} s, ours {built:.3f} s ({graph.contacts:,} contacts)")
    ContactGraph.of(plan)
    print("one to all")
    for volume in (0.0, 1e6, 1e9):
        one_to_all(plan, plain, volume)
    for volume in (0.0, 1e6):
        print(f"one route, {volume:,.0f} bytes")
        objectives(plan, volume)
    bundles(plan, 20 if quick else 100, 1e8)


if __name__ == "__main__":
    main()
