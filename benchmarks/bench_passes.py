"""Orbits and passes beside Skyfield and plain sgp4 arrays, in one run.

    python benchmarks/bench_passes.py [--quick]

1,584 satellites (72 x 22, 550 km, 53 degrees, SGP4) over ten stations for a day, one thread.
Skyfield is asked pair by pair (`find_events`, its way) for a sample of pairs, and finds the same
passes. Kernels are compiled before the clock starts.
"""

from __future__ import annotations

import argparse
import csv
import os
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

for name in ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(name, "1")

import numpy as np  # noqa: E402

import orbweave as ow  # noqa: E402
from orbweave.formulations.instants import julian_day  # noqa: E402
from orbweave.formulations.space.propagate import satrec  # noqa: E402

START = datetime(2026, 1, 1, tzinfo=UTC)
DAY_S = 86400.0
SITES = Path(__file__).resolve().parents[2] / "shared/reference/passes/stations50.csv"


def constellation(planes: int = 72, slots: int = 22) -> ow.Constellation:
    """Starlink's first shell as designed, moved by SGP4."""
    return ow.Constellation.walker(
        planes=planes,
        satellites_per_plane=slots,
        altitude_m=550e3,
        inclination_deg=53,
        phasing=17,
        model="sgp4",
        epoch=START,
    )


def sites(count: int) -> list[ow.GroundStation]:
    """Station sites: the reference list where it is at hand, else the table's cities."""
    if SITES.is_file():
        rows = list(csv.DictReader(SITES.read_text().splitlines()))[:count]
        return [
            ow.GroundStation(row["name"], float(row["latitude_deg"]), float(row["longitude_deg"]))
            for row in rows
        ]
    return list(ow.stations("cities"))[:count]


def best(call: Any, rounds: int = 3) -> tuple[float, Any]:
    """Least wall-clock seconds of some rounds, and what the last gave."""
    least, found = float("inf"), None
    for _ in range(rounds):
        began = time.perf_counter()
        found = call()
        least = min(least, time.perf_counter() - began)
    return least, found


def engines(astroz: bool) -> list[str]:
    return ["sgp4", "astroz"] if astroz else ["sgp4"]


def propagation(whole: ow.Constellation, steps: int, astroz: bool) -> None:
    """Positions of all satellites every minute, against the engine's own arrays."""
    times = np.arange(steps) * 60.0
    day, fraction = julian_day(START)
    print(f"\npropagation, {len(whole):,} satellites x {steps:,} steps (s)")
    for engine in engines(astroz):
        if engine == "astroz":
            import astroz.api as api
        else:
            import sgp4.api as api
        records = [satrec(row, api) for row in whole.satellites]
        moved = fraction + times / DAY_S

        def raw(api: Any = api, records: Any = records, moved: Any = moved) -> Any:
            return api.SatrecArray(records).sgp4(np.full(len(moved), day), moved)

        least = {"raw": float("inf"), "ours": float("inf")}
        for _ in range(5):  # side by side: both see the same machine
            for key, call in (
                ("raw", raw),
                ("ours", lambda e=engine: ow.propagate(whole, START, times, engine=e)),
            ):
                began = time.perf_counter()
                call()
                least[key] = min(least[key], time.perf_counter() - began)
        ratio = least["ours"] / least["raw"]
        print(f"  {engine:7} raw {least['raw']:.3f}  ours {least['ours']:.3f}  ({ratio:.2f}x)")


def skyfield_passes(
    whole: ow.Constellation, stations: list[ow.GroundStation], pairs: list[tuple[int, int]]
) -> tuple[float, list[np.ndarray]]:
    """Seconds per pair of Skyfield's `find_events`, and the rises that it finds."""
    from skyfield.api import EarthSatellite, load, wgs84

    scale = load.timescale(builtin=True)
    first = scale.from_datetime(START)
    last = scale.tt_jd(first.whole, first.tt_fraction + 1.0)
    bodies = {i: EarthSatellite.from_satrec(satrec(whole.satellites[i]), scale) for i, _ in pairs}
    places = [wgs84.latlon(g.latitude_deg, g.longitude_deg, g.altitude_m) for g in stations]
    found = []
    began = time.perf_counter()
    for i, j in pairs:
        moments, kinds = bodies[i].find_events(
            places[j], first, last, altitude_degrees=stations[j].min_elevation_deg
        )
        found.append((moments, kinds))
    spent = (time.perf_counter() - began) / len(pairs)
    rises = [
        np.array([(t - first) * DAY_S for t, kind in zip(moments, kinds, strict=True) if kind == 0])
        for moments, kinds in found
    ]
    return spent, rises


def passes(
    whole: ow.Constellation, stations: list[ow.GroundStation], sample: int, astroz: bool
) -> None:
    """Passes of every pair; Skyfield on a sample of pairs."""
    count = len(whole) * len(stations)
    print(f"\npasses, {len(whole):,} satellites x {len(stations)} stations, 24 h")
    rng = np.random.default_rng(0)
    drawn = rng.choice(count, size=sample, replace=False)
    pairs = [(int(k) // len(stations), int(k) % len(stations)) for k in drawn]
    spent, rises = skyfield_passes(whole, stations, pairs)
    print(f"  skyfield  {spent * 1e3:.3f} ms a pair ({sample} pairs drawn)")
    for engine in engines(astroz):
        least, table = best(
            lambda e=engine: ow.passes(whole, stations, start=START, duration_s=DAY_S, engine=e)
        )
        each = least / count
        print(
            f"  {engine:9} {each * 1e3:.4f} ms a pair ({least:.2f} s, {len(table):,} passes): "
            f"{spent / each:.0f}x faster"
        )
        missed, worst = 0, 0.0
        total = 0
        for (i, j), theirs in zip(pairs, rises, strict=True):
            mine = (table["satellite_index"] == i) & (table["station_index"] == j)
            ours = np.sort(table["rise_s"][mine & ~table["cut_start"]])
            total += len(ours)
            if len(ours) != len(theirs):
                missed += abs(len(ours) - len(theirs))
                print(f"    {whole.names[i]} over {stations[j].name}: ours {ours}, {theirs}")
            elif len(ours):
                worst = max(worst, float(np.abs(ours - theirs).max()))
        print(
            f"    same pairs: {total} rises, {missed} differ in number, at most {worst:.3f} s apart"
        )


def peak_mb() -> float:
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def plan(whole: ow.Constellation, stations: list[ow.GroundStation]) -> None:
    """A day's contact plan: plus-grid, rates, eclipses."""
    print(f"\ncontact plan, {len(whole):,} satellites, {len(stations)} stations, plus-grid, 24 h")
    for title, accuracy in (
        ("one contact a pass", ow.Accuracy()),
        ("steps of 20 % in rate", ow.Accuracy(rate=0.2)),
    ):
        seconds, found = best(
            lambda a=accuracy: ow.contact_plan(
                whole,
                stations,
                start=START,
                duration_s=DAY_S,
                isl=ow.IslTopology(link=ow.LASER_ISL),
                accuracy=a,
            ),
            rounds=1,
        )
        size = sum(column.nbytes for column in found.arrays.values()) / 1e6
        print(f"  {title}: {seconds:.1f} s, {len(found):,} contacts, {size:.0f} MB")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="a tenth of it")
    quick = parser.parse_args().quick
    try:
        import astroz  # noqa: F401

        fast = True
    except ImportError:
        fast = False
    whole = constellation(planes=8) if quick else constellation()
    ten = sites(10)
    warm = whole.select(range(4))
    for engine in engines(fast):
        ow.passes(warm, ten, start=START, duration_s=3600, engine=engine)
    small = constellation(planes=3, slots=3)
    ow.contact_plan(small, ten, start=START, duration_s=3600, isl=ow.IslTopology())
    propagation(whole, 144 if quick else 1440, fast)
    passes(whole, ten, 40 if quick else 400, fast)
    print(f"  memory so far: {peak_mb():.0f} MB")
    week = 7 * DAY_S
    twenty = sites(20)
    seconds, table = best(lambda: ow.passes(whole, twenty, start=START, duration_s=week), rounds=1)
    print(
        f"\npasses, {len(whole):,} satellites x 20 stations, 7 days: {seconds:.1f} s, "
        f"{len(table):,} passes, peak memory {peak_mb():.0f} MB"
    )
    plan(whole, sites(50))
    print(f"  peak memory {peak_mb():.0f} MB")


if __name__ == "__main__":
    main()
