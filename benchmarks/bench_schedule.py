"""Pass scheduling: strategies at the paper's scale, and speed beside networkx and SciPy.

    python benchmarks/bench_schedule.py [--quick | --large]

80 satellites in 4 planes (star, 590 km, 90 degrees, phasing 1, circular two-body orbits, Greenwich
at 0 at second 0), 200 Mbit/s downlinks, one antenna per station shared by time, mask 10 degrees,
links along each plane (10 Gbit/s), the first five or ten sites of the reference list (else of the
table's cities).
"""

from __future__ import annotations

import argparse
import resource
import time
from datetime import UTC, datetime
from typing import Any

import numpy as np
from bench_passes import sites
from ortools.graph.python import max_flow as graph

import orbweave as ow
from orbweave.formulations.flow import FlowNetwork
from orbweave.formulations.passes.baselines import first_come, greedy, myopic
from orbweave.formulations.passes.expansion import by_events, by_slots
from orbweave.formulations.passes.flows import build, commodities
from orbweave.solvers.maxflow import max_flow
from orbweave.solvers.replan import replan

START = datetime(2026, 1, 1, tzinfo=UTC)
DAY_S = 86400.0


def plan_of(stations: int, *, ring: bool, planes: int = 4, slots: int = 20) -> ow.ContactPlan:
    """A day of the constellation over the first sites."""
    whole = ow.Constellation.walker(
        "star",
        planes=planes,
        satellites_per_plane=slots,
        altitude_m=590e3,
        inclination_deg=90,
        phasing=1,
        model="two-body",
        epoch=START,
    )
    return ow.contact_plan(
        whole,
        sites(stations),
        start=START,
        duration_s=DAY_S,
        links=ow.GroundLinks(ow.FixedLink(200e6), None),
        isl=ow.IslTopology("ring", link=ow.FixedLink(10e9)) if ring else None,
        rotation=ow.EarthRotation(greenwich_deg=0.0),
        eclipses=False,
    )


def problem_of(plan: ow.ContactPlan, gbit: float, objective: str = "completion") -> ow.PassProblem:
    """So many Gbit from every satellite to the ground."""
    orbital = [node.name for node in plan.nodes if node.kind == "orbital"]
    ground = [node.name for node in plan.nodes if node.kind == "ground"]
    demands = [ow.Demand(name, name, "ground", gbit * 1e9 / 8) for name in orbital]
    return ow.PassProblem(plan, demands, objective=objective, antennas=dict.fromkeys(ground, 1))


def used(schedule: ow.PassSchedule) -> float:
    """Share of the stations' antenna time with a satellite in view that is used, until the end."""
    shares = schedule.utilisation
    return float(np.mean(list(shares.values())))


def cell(schedule: ow.PassSchedule) -> str:
    wrong = schedule.violations()
    if wrong:
        return f"breaks a rule: {wrong[0]}"
    done = schedule.completion_s / 60
    return f"{done:7.2f} min {used(schedule):5.2f}" if np.isfinite(done) else "   never       "


def strategies(loads: tuple[float, ...]) -> None:
    """When everything is down, by strategy and load, and how much of the antenna time is used."""
    print("completion and utilisation until then (violations: none, unless said)")
    names = ("planned, ring", "planned, alone", "slot by slot, ring", "greedy", "first come")
    print(f"{'stations, load':18}" + "".join(f"{name:>22}" for name in names) + "   bound")
    for stations in (5, 10):
        ring, alone = plan_of(stations, ring=True), plan_of(stations, ring=False)
        for gbit in loads:
            together, apart = problem_of(ring, gbit), problem_of(alone, gbit)
            best = ow.solve(together)
            cells = [cell(best.require()), cell(ow.solve(apart).require())]
            cells.append(cell(ow.PassSchedule(together, myopic(together, max_flow))))
            cells += [cell(ow.PassSchedule(apart, rule(apart))) for rule in (greedy, first_come)]
            row = "".join(f"{text:>22}" for text in cells)
            proof = f"{best.bound / 60:.2f} ({best.reason.value})"
            print(f"{stations:2} x {gbit:5g} Gbit   {row}   {proof}")


def timed(call: Any, rounds: int = 3) -> tuple[float, Any]:
    least, found = float("inf"), None
    for _ in range(rounds):
        began = time.perf_counter()
        found = call()
        least = min(least, time.perf_counter() - began)
    return least, found


def plain(network: FlowNetwork) -> float:
    """OR-Tools' maximum flow on the arcs as they are, capacities in bytes rounded down."""
    solver: Any = graph.SimpleMaxFlow()
    room = np.minimum(network.capacity, 2.0**50).astype(np.int64)
    tail, head = network.tail.astype(np.int32), network.head.astype(np.int32)
    solver.add_arcs_with_capacity(tail, head, room)
    solver.solve(network.source, network.sink)
    return float(solver.optimal_flow())


def large() -> None:
    """A day of 1,584 satellites over 50 stations, and the memory that it took."""
    began = time.perf_counter()
    plan = plan_of(50, ring=True, planes=72, slots=22)
    print(f"contact plan {time.perf_counter() - began:.1f} s, {len(plan):,} contacts")
    for gbit in (100.0, 8000.0):
        problem = problem_of(plan, gbit, "volume")
        for method in (None, "slots-60"):
            seconds, result = timed(
                lambda p=problem, m=method: ow.solve(p, method=m, time_limit_s=600), 1
            )
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
            print(
                f"1,584 x 50, {gbit:g} Gbit, method {method}: {seconds:.1f} s, "
                f"{result.reason.value}, {result.objective / 1e12:.4f} TB, gap {result.gap:.1e}, "
                f"peak {peak:.2f} GB"
            )


def speed(quick: bool) -> None:
    """One day as a network: build and solve, beside SciPy and networkx on the same network."""
    print(
        "\na day of 60 s slots with ring links: build + solve, and the raw solvers on its network"
    )
    cases = [("80 x 10", 10, 4, 20)]
    if not quick:
        cases.append(("200 x 30", 30, 10, 20))
    for name, stations, planes, slots in cases:
        problem = problem_of(
            plan_of(stations, ring=True, planes=planes, slots=slots), 8000, "volume"
        )
        group = commodities(problem)[0]

        def ours(problem: ow.PassProblem = problem, group: Any = group) -> Any:
            expansion = by_slots(problem, 60.0, inner=False)
            found = build(problem, expansion, group, outer=True)
            return found, max_flow(found.network)

        seconds, (found, answer) = timed(ours)
        network = found.network
        raw = timed(lambda n=network: plain(n))[0]
        print(
            f"  {name}: {network.nodes:,} nodes, {len(network.tail):,} arcs; end to end "
            f"{seconds:.3f} s, raw OR-Tools {raw:.3f} s ({seconds / raw:.2f}x)"
        )
        scipy_s, other = timed(lambda n=network: max_flow(n, "scipy"), 1)
        print(
            f"    SciPy {scipy_s:.3f} s, value apart by {abs(other.value / answer.value - 1):.1e}"
        )
        if name == "80 x 10" and not quick:
            import networkx as nx

            graph = nx.DiGraph()
            room: dict[tuple[int, int], float] = {}
            for a, b, c in zip(network.tail, network.head, network.capacity, strict=True):
                key = (int(a), int(b))
                room[key] = room.get(key, 0.0) + (c if np.isfinite(c) else 1e18)
            graph.add_edges_from((a, b, {"capacity": c}) for (a, b), c in room.items())
            began = time.perf_counter()
            value = nx.maximum_flow_value(graph, network.source, network.sink)
            print(
                f"    networkx {time.perf_counter() - began:.0f} s, value apart by "
                f"{abs(value / answer.value - 1):.1e}"
            )
        solved, result = timed(lambda p=problem: ow.solve(p), 1)
        print(
            f"    ow.solve, exact in continuous time: {solved:.2f} s, {result.reason.value}, "
            f"{result.objective / 1e12:.4f} TB, gap {result.gap:.1e}"
        )
    problem = problem_of(plan_of(10, ring=False), 8000, "volume")
    expansion = by_events(problem)
    schedule = ow.solve(problem).require()
    rng = np.random.default_rng(0)
    lost = rng.choice(len(problem.plan), len(problem.plan) // 20, replace=False).tolist()
    seconds, again = timed(lambda: replan(schedule, 30000.0, failed=lost))
    print(
        f"\nre-planning 80 x 10 at 30,000 s after losing 5 % of the contacts: {seconds:.3f} s, "
        f"{again.result.reason.value}, kept {again.kept_bytes / 1e12:.2f} TB, changed "
        f"{again.moved_bytes / 1e12:.2f} TB ({len(expansion.contact):,} pieces)"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="two loads, one size, no networkx")
    parser.add_argument("--large", action="store_true", help="1,584 satellites and 50 stations")
    given = parser.parse_args()
    if given.large:
        large()
        return
    quick = given.quick
    strategies((5, 100) if quick else (5, 20, 80, 100, 150, 200))
    speed(quick)


if __name__ == "__main__":
    main()
