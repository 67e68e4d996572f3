"""Shortest paths on snapshots of 1,584 satellites: trees, whole steps, a streamed day.

Peers: networkx and SciPy, which the library needs anyway; rustworkx and networkit where they are
installed. Graphs are built before the clock starts, each peer's in its own way; the building is
timed apart. Run it on a quiet machine:

    python benchmarks/bench_routing_snapshots.py [--quick]
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import resource
import time
from datetime import UTC, datetime
from typing import Any

for name in ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(name, "1")

import networkx as nx  # noqa: E402
import numpy as np  # noqa: E402
from scipy.sparse import csr_array  # noqa: E402
from scipy.sparse.csgraph import dijkstra as by_scipy  # noqa: E402

import orbweave as ow  # noqa: E402
from orbweave.formulations.routing.mesh import Mesh  # noqa: E402
from orbweave.formulations.routing.snapshot_arcs import Arcs, arcs_at  # noqa: E402
from orbweave.formulations.routing.snapshots import (  # noqa: E402
    forwarding_stream,
    snapshot_stream,
)
from orbweave.formulations.routing.trees import Trees  # noqa: E402

START = datetime(2026, 1, 1, tzinfo=UTC)
DAY_S = 86400


def constellation() -> ow.Constellation:
    """Starlink's first shell as designed: 72 planes of 22, moved by SGP4."""
    return ow.Constellation.walker(
        planes=72,
        satellites_per_plane=22,
        altitude_m=550e3,
        inclination_deg=53,
        phasing=17,
        model="sgp4",
        epoch=START,
    )


def best(call: Any, rounds: int = 5) -> float:
    """Least milliseconds of some rounds."""
    least = float("inf")
    for _ in range(rounds):
        began = time.perf_counter()
        call()
        least = min(least, time.perf_counter() - began)
    return 1e3 * least


def peers(arcs: Arcs, sources: np.ndarray, nodes: int) -> dict[str, tuple[float, Any]]:
    """By name: milliseconds to build the graph, and the call that answers for all sources."""
    found: dict[str, tuple[float, Any]] = {}

    began = time.perf_counter()
    matrix = csr_array((arcs.weight, (arcs.tail, arcs.head)), shape=(nodes, nodes))
    spent = 1e3 * (time.perf_counter() - began)
    found["scipy"] = (
        spent,
        lambda: by_scipy(matrix, indices=sources, return_predecessors=True)[0],
    )

    began = time.perf_counter()
    rows = list(zip(arcs.tail.tolist(), arcs.head.tolist(), arcs.weight.tolist(), strict=True))
    graph = nx.Graph()
    graph.add_nodes_from(range(nodes))
    graph.add_weighted_edges_from(rows)
    spent = 1e3 * (time.perf_counter() - began)
    found["networkx"] = (
        spent,
        lambda: [nx.dijkstra_predecessor_and_distance(graph, int(s))[1] for s in sources],
    )
    found["networkx, lengths"] = (
        spent,
        lambda: [nx.single_source_dijkstra_path_length(graph, int(s)) for s in sources],
    )
    for name in ("rustworkx", "networkit"):
        if importlib.util.find_spec(name) is not None:
            began = time.perf_counter()
            call = {"rustworkx": by_rustworkx, "networkit": by_networkit}[name](
                importlib.import_module(name), rows, sources, nodes
            )
            found[name] = (1e3 * (time.perf_counter() - began), call)
    return found


def by_rustworkx(package: Any, rows: list[Any], sources: np.ndarray, nodes: int) -> Any:
    graph = package.PyDiGraph()
    graph.add_nodes_from(range(nodes))
    graph.add_edges_from(rows)
    lengths = package.dijkstra_shortest_path_lengths
    return lambda: [lengths(graph, int(s), float) for s in sources]


def by_networkit(package: Any, rows: list[Any], sources: np.ndarray, nodes: int) -> Any:
    package.setNumberOfThreads(1)
    graph = package.Graph(nodes, weighted=True, directed=True)
    for u, v, w in rows:
        graph.addEdge(u, v, w)
    return lambda: package.distance.SPSP(graph, [int(s) for s in sources]).run()


def trees(whole: ow.Constellation, count: int, steps: int) -> None:
    """Trees of some sources over the satellites alone, once anew and then step by step."""
    mesh = Mesh(whole, start=START)
    nodes = len(whole)
    snapshots = list(arcs_at(mesh, np.arange(float(steps)), "delay"))
    sources = np.linspace(0, nodes - 1, count).astype(np.int64)
    relay = np.ones(nodes, dtype=np.bool_)
    links = len(snapshots[0].tail) // 2
    print(f"\ntrees, {count} sources, {nodes:,} satellites, {links:,} links (ms)")
    few = peers(snapshots[0], sources, nodes)
    spent = {}
    for name, (build, call) in few.items():
        spent[name] = best(call, rounds=3)
        print(f"  {name:18} {spent[name]:8.2f}   (graph {build:.2f})")
    wanted = few["scipy"][1]()
    for method in ("heap", "buckets"):
        road = Trees(sources, relay, method)
        distance, _ = road.grow(snapshots[1])
        spent[method] = best(lambda r=road: [r.grow(arcs) for arcs in snapshots[:2]]) / 2
        distance, _ = road.grow(snapshots[0])
        same = "the same to the last bit" if np.array_equal(distance, wanted) else "WRONG"
        print(f"  {method:18} {spent[method]:8.2f}   (graph included; {same} as scipy)")
    for step_s in (1, 5, 30):
        snapshots = list(arcs_at(mesh, float(step_s) * np.arange(float(steps)), "delay"))
        warm, cold = (Trees(sources, relay, method) for method in ("warm", "heap"))
        times, exact = [], True
        warm.grow(snapshots[0])
        for arcs in snapshots[1:]:
            began = time.perf_counter()
            distance, _ = warm.grow(arcs)
            times.append(1e3 * (time.perf_counter() - began))
            exact &= np.array_equal(distance, cold.grow(arcs)[0])
        told = "exact" if exact else "WRONG"
        print(f"  warm, {step_s:2} s apart    {np.median(times):8.2f}   (graph included; {told})")
        spent[f"warm {step_s}"] = float(np.median(times))
    print(
        f"  anew {spent['networkx'] / spent['buckets']:.0f}x faster than networkx "
        f"({spent['networkx, lengths'] / spent['buckets']:.0f}x without its predecessors); "
        f"a further second {spent['scipy'] / spent['warm 1']:.1f}x faster than SciPy"
    )


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def whole_steps(whole: ow.Constellation, steps: int) -> None:
    """Positions, links, trees and next hops towards 100 stations, from one call."""
    cities = list(ow.stations("cities"))[:100]
    mesh = Mesh(whole, cities, start=START)
    names = [row.name for row in cities]
    print(f"\nwhole steps, {len(cities)} stations, all next hops towards them (ms)")
    single = best(lambda: list(forwarding_stream(mesh, [0.0], names)))
    print(f"  a single step     {single:8.2f}")
    for engine in ("sgp4", "astroz"):
        moved = Mesh(whole, cities, start=START, engine=engine)
        try:
            list(forwarding_stream(moved, [0.0], names))
        except ImportError:
            continue
        began = time.perf_counter()
        for _ in forwarding_stream(moved, np.arange(float(steps)), names):
            pass
        each = 1e3 * (time.perf_counter() - began) / steps
        print(f"  {steps} steps, 1 s apart, {engine:7} {each:6.2f} a step")


def streamed(whole: ow.Constellation, slice_s: int) -> None:
    """A slice of a day at steps of 1 s, and the memory that it needs."""
    cities = list(ow.stations("cities"))[:100]
    mesh = Mesh(whole, cities, start=START)
    names = [row.name for row in cities]
    print(f"\na day at 1 s steps, {len(cities)} sources, {slice_s:,} s of it")
    marks = []
    print(f"  memory before {peak_mb():.0f} MB")
    began = time.perf_counter()
    for k, _ in enumerate(snapshot_stream(mesh, np.arange(float(slice_s)), names)):
        if k in (slice_s // 10, slice_s - 1):
            marks.append(peak_mb())
    spent = time.perf_counter() - began
    print(f"  {spent:.1f} s, so {spent / slice_s * DAY_S / 60:.1f} min a day")
    print(f"  peak memory {marks[0]:.0f} MB after a tenth, {marks[-1]:.0f} MB at the end")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="a tenth of it")
    quick = parser.parse_args().quick
    whole = constellation()
    list(snapshot_stream(Mesh(whole.select(range(4)), start=START, isl=None), [0, 1], "sat-0-0"))
    streamed(whole, 300 if quick else 3600)  # first: the peak of memory is the process's
    whole_steps(whole, 20 if quick else 200)
    trees(whole, 100, 10 if quick else 60)
    if not quick:
        trees(whole, len(whole), 5)


if __name__ == "__main__":
    main()
