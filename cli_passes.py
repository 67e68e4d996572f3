"""``orbweave passes``: when which satellite passes over which station, and what could go."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from orbweave.adapters.contact_plans.files import SUFFIXES, write_contact_plan
from orbweave.adapters.pass_text import (
    findings_text,
    passes_json,
    passes_text,
    plan_line,
    write_passes,
)
from orbweave.adapters.pictures.lanes import MOST_LANES
from orbweave.adapters.pictures.plots import write_picture
from orbweave.adapters.progress import TERMINAL_S
from orbweave.adapters.scenario import example_names, example_path
from orbweave.adapters.space_scenario import SpaceScenario, read_space_scenario
from orbweave.formulations.checks import InputError, fail, known, real, within
from orbweave.formulations.space.eclipses import eclipses
from orbweave.formulations.space.findings import inspect_orbits
from orbweave.formulations.space.passes import PassTable, passes
from orbweave.formulations.space.plan import contact_plan
from orbweave.formulations.space.propagate import ENGINES
from orbweave.formulations.space.topology import isl_pairs

#: Passes that a table shows unless asked for more.
ROWS = 30


def add_passes(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``orbweave passes``."""
    parser.add_argument("scenario", nargs="?", metavar="SCENARIO.toml", help="see docs/cli.md")
    names = ", ".join(example_names("passes"))
    parser.add_argument("--example", metavar="NAME", help=f"an embedded example ({names})")
    parser.add_argument("--satellite", metavar="NAME", help="only passes of this satellite")
    parser.add_argument("--station", metavar="NAME", help="only passes over this station")
    parser.add_argument("--rows", type=int, metavar="N", default=ROWS, help="0: all (default 30)")
    parser.add_argument("--duration", type=float, metavar="S", help="window instead of the file's")
    parser.add_argument("--engine", metavar="NAME", help=f"one of {', '.join(ENGINES)}")
    parser.add_argument("--json", action="store_true", help="print the passes as JSON")
    parser.add_argument(
        "--out",
        metavar="DIR",
        help="write DIR/passes.csv and passes.json, with Matplotlib timeline.png and map.png",
    )
    parser.add_argument(
        "--plan",
        metavar="FILE",
        help="write the contact plan, rates and eclipses included, by suffix: "
        ".json, .csv, .parquet, .ion, .hdtn.json",
    )
    parser.add_argument("--quiet", action="store_true", help="no progress on stderr")


def run_passes(arguments: argparse.Namespace, check_folder: Callable[[Path], None]) -> int:
    """Read a scenario, find its passes, print them and write what is asked for."""
    if (arguments.scenario is None) == (arguments.example is None):
        raise InputError("passes: expected either SCENARIO.toml or --example NAME")
    if arguments.rows < 0:
        raise InputError(f"--rows = {arguments.rows}: expected a whole number >= 0")
    if arguments.out is not None:
        check_folder(Path(arguments.out))
    chosen = arguments.scenario or example_path(arguments.example, "passes")
    scenario = read_space_scenario(chosen)
    if arguments.duration is not None:
        length = real("--duration", arguments.duration, strict=True)
        scenario = replace(scenario, duration_s=length)
    engine = arguments.engine or "sgp4"
    _check_names(scenario, arguments)
    progress = _progress(arguments.quiet)
    if not scenario.stations:
        raise InputError(f"{scenario.path}: stations: expected at least one table [[stations]]")
    began = time.perf_counter()
    table = passes(
        scenario.constellation,
        scenario.stations,
        start=scenario.start,
        duration_s=scenario.duration_s,
        engine=engine,
        on_progress=progress,
    )
    spent = time.perf_counter() - began
    shown = table.select(satellite=arguments.satellite, station=arguments.station)
    if arguments.json:
        print(passes_json(shown))
    else:
        print(_head(scenario))
        print(passes_text(shown, arguments.rows or None))
        print(f"\n{_summary(table, spent, engine)}")
    _warn(scenario, table)
    if arguments.out is not None:
        _write(shown, scenario, Path(arguments.out), engine, arguments.quiet)
    if arguments.plan is not None:
        plan = contact_plan(
            scenario.constellation,
            scenario.stations,
            start=scenario.start,
            duration_s=scenario.duration_s,
            links=scenario.links,
            isl=scenario.isl,
            accuracy=scenario.accuracy,
            engine=engine,
            on_progress=progress,
        )
        written = write_contact_plan(plan, arguments.plan)
        if not arguments.json:
            print(plan_line(plan))
        if not arguments.quiet:
            print(f"wrote {written}", file=sys.stderr)
    return 0


def _check_names(scenario: SpaceScenario, arguments: argparse.Namespace) -> None:
    """Refuse what would fail after the work: names, the plan's suffix, links that cannot be."""
    if arguments.satellite is not None:
        scenario.constellation.index(arguments.satellite)
    if arguments.station is not None:
        known("--station", arguments.station, [row.name for row in scenario.stations])
    if arguments.plan is None:
        return
    suffixes = tuple(SUFFIXES)
    if not str(arguments.plan).lower().endswith(suffixes):
        fail("--plan", arguments.plan, f"a file ending in one of {', '.join(suffixes)}")
    if scenario.isl is not None:
        with within(f"{scenario.path}: [isl]"):
            isl_pairs(scenario.constellation, scenario.isl)


def _head(scenario: SpaceScenario) -> str:
    line = (
        f"{scenario.name} ({scenario.path}): {len(scenario.constellation):,} satellites, "
        f"{len(scenario.stations)} stations, {scenario.duration_s / 3600:g} h "
        f"from {scenario.start:%Y-%m-%d %H:%M:%S} UTC"
    )
    return f"{line}\n{'=' * len(line)}\n"


def _summary(table: PassTable, spent: float, engine: str) -> str:
    pairs = len(table.constellation) * len(table.stations)
    models = {row.model for row in table.constellation.satellites}
    names = sorted(engine if model == "sgp4" else model for model in models)
    return (
        f"{len(table):,} passes of {pairs:,} satellite-station pairs, found in {spent:.2f} s "
        f"({', '.join(names)}; {spent / pairs * 1e3:.3g} ms a pair)"
    )


def _warn(scenario: SpaceScenario, table: PassTable) -> None:
    found = inspect_orbits(
        scenario.constellation, at=scenario.start, expected_altitude_m=scenario.expected_altitude_m
    )
    text = findings_text(found, len(table.lost))
    for line in text.splitlines():
        print(f"orbweave: note: {line}", file=sys.stderr)


def _write(
    table: PassTable, scenario: SpaceScenario, folder: Path, engine: str, quiet: bool
) -> None:
    written = [write_passes(table, folder / name) for name in ("passes.csv", "passes.json")]
    options: dict[str, Any] = {"rows": "station"}
    if len(scenario.constellation) <= MOST_LANES:
        start, length = scenario.start, scenario.duration_s
        dark = eclipses(scenario.constellation, start=start, duration_s=length, engine=engine)
        options = {"eclipses": dark}
    try:
        written.append(write_picture(table, folder / "timeline.png", kind="timeline", **options))
        written.append(write_picture(table, folder / "map.png", kind="map"))
    except ImportError as error:
        if not quiet:
            print(f"orbweave: no pictures: {error}", file=sys.stderr)
    if not quiet:
        print(f"wrote {', '.join(map(str, written))}", file=sys.stderr)


def _progress(quiet: bool) -> Callable[[float], None] | None:
    """A line on a terminal that renews itself; nothing elsewhere: passes take seconds."""
    if quiet or not sys.stderr.isatty():
        return None
    last = [time.perf_counter()]

    def show(done: float) -> None:
        now = time.perf_counter()
        if done >= 1:
            sys.stderr.write("\r" + " " * 40 + "\r")
        elif now - last[0] > TERMINAL_S:
            last[0] = now
            sys.stderr.write(f"\rorbweave: {done:.0%} of the satellites")
        sys.stderr.flush()

    return show
