"""``orbweave route``: which way bytes go from one node to another, when, and how long it takes."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from orbweave.adapters.pictures.plots import write_picture
from orbweave.adapters.plan_file import plan_json
from orbweave.adapters.route_scenario import RouteScenario, read_route_scenario
from orbweave.adapters.route_text import route_text, snapshots_text
from orbweave.adapters.scenario import example_names, example_path
from orbweave.cli_solve import complain, complaint, exit_code, proof, solve_options, tell_written
from orbweave.formulations.checks import InputError, real
from orbweave.formulations.files import write_text
from orbweave.formulations.routing.problem import DISJOINT, OBJECTIVES
from orbweave.formulations.routing.snapshot_answers import SnapshotPaths
from orbweave.formulations.routing.snapshots import snapshot_paths
from orbweave.formulations.routing.solution import Route
from orbweave.formulations.targets import GROUND
from orbweave.solvers.result import SolveResult
from orbweave.solvers.solve import solve

#: Unit of each objective's value.
UNITS = {
    "earliest_arrival": "s",
    "minimum_latency": "s",
    "fewest_handovers": "",
    "widest": "bit/s",
    "touch_planes": "s",
}

#: Options of the command line and the key of ``[route]`` that each sets.
FLAGS = {
    "from": "source",
    "to": "target",
    "depart": "depart_s",
    "volume": "volume_bytes",
    "objective": "objective",
    "k": "k",
    "disjoint": "disjoint",
    "depart_until": "depart_until_s",
    "arrive_by": "arrive_by_s",
}

#: Steps of the snapshots unless asked for more.
STEPS = 720


def add_route(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``orbweave route``."""
    parser.add_argument("scenario", nargs="?", metavar="SCENARIO.toml", help="see docs/cli.md")
    names = ", ".join(example_names("route"))
    parser.add_argument("--example", metavar="NAME", help=f"an embedded example ({names})")
    parser.add_argument("--from", metavar="NODE", help="where the bytes are")
    parser.add_argument("--to", metavar="NODE", help=f"where they go, or {GROUND!r}")
    parser.add_argument("--depart", type=float, metavar="S", help="seconds of the plan (default 0)")
    parser.add_argument("--volume", type=float, metavar="BYTES", help="of the bundle (default 0)")
    parser.add_argument("--objective", metavar="NAME", help=f"one of {', '.join(OBJECTIVES)}")
    parser.add_argument("--k", type=int, metavar="N", help="the N best routes")
    parser.add_argument("--disjoint", metavar="KIND", help=f"a pair; one of {', '.join(DISJOINT)}")
    parser.add_argument("--depart-until", type=float, metavar="S", help="with minimum_latency")
    parser.add_argument("--arrive-by", type=float, metavar="S", help="what is later does not count")
    parser.add_argument(
        "--step",
        type=float,
        metavar="S",
        help=f"between two snapshots of the shortest path (default: {STEPS} of them)",
    )
    parser.add_argument(
        "--out",
        metavar="DIR",
        help="write DIR/route.json and latency.csv, with Matplotlib latency.png and map.png",
    )
    parser.add_argument("--json", action="store_true", help="print the route as JSON")
    parser.add_argument("--method", metavar="NAME", help="force one road; see docs/routing.md")
    parser.add_argument("--time-limit", type=float, metavar="S", help="seconds for the solve")
    parser.add_argument("--quiet", action="store_true", help="no notes on stderr")


def run_route(arguments: argparse.Namespace, check_folder: Callable[[Path], None]) -> int:
    """Read a scenario, find its route, print it and write what is asked for."""
    if (arguments.scenario is None) == (arguments.example is None):
        raise InputError("route: expected either SCENARIO.toml or --example NAME")
    if arguments.step is not None:
        real("--step", arguments.step, strict=True)
    if arguments.out is not None:
        check_folder(Path(arguments.out))
    chosen = arguments.scenario or example_path(arguments.example, "route")
    given = {key: getattr(arguments, flag) for flag, key in FLAGS.items()}
    if given["disjoint"] is not None and given["k"] is None:
        given["k"] = 2
    scenario = _read(chosen, {key: value for key, value in given.items() if value is not None})
    options = solve_options(scenario.path, scenario.solve, arguments)
    result = solve(scenario.problem, options)
    is_shown = not arguments.json or arguments.out is not None
    paths = _snapshots(scenario, arguments.step) if is_shown else None
    certificate = {"scenario": scenario.name, **result.to_dict()}
    if arguments.json:
        print(plan_json(certificate))
    else:
        print(_text(scenario, result, paths), flush=True)
    if result.solution is None:
        complain(f"{scenario.path}: {complaint(result)}", exit_code(result))
    if arguments.out is not None:
        _write(scenario, paths, Path(arguments.out), certificate, arguments.quiet)
    return exit_code(result)


def _read(path: str | Path, changes: dict[str, Any]) -> RouteScenario:
    """The scenario; what the command line got wrong is named as it is called there."""
    try:
        return read_route_scenario(path, **changes)
    except InputError as error:
        text = str(error)
        for flag, key in FLAGS.items():
            if key in changes:
                text = text.replace(f"[route] RouteProblem.{key} ", f"--{flag.replace('_', '-')} ")
        raise type(error)(text) from error


def _snapshots(scenario: RouteScenario, step_s: float | None) -> SnapshotPaths | None:
    """The shortest path at many times, over the moving mesh where there is one."""
    problem = scenario.problem
    if problem.target == GROUND and GROUND not in problem.plan.node_names:
        return None
    span = float(problem.plan.duration_s or 0.0)
    step = span / STEPS if step_s is None else step_s
    times = np.arange(0.0, max(span, step), step)
    network = problem.plan if scenario.mesh is None else scenario.mesh
    return snapshot_paths(network, times, [problem.source], [problem.target])


def _text(scenario: RouteScenario, result: SolveResult[Route], paths: SnapshotPaths | None) -> str:
    """Tables of the route, its proof, and the snapshots."""
    problem = scenario.problem
    plan = problem.plan
    head = (
        f"{scenario.name} ({scenario.path}): {problem.source} to {problem.target}, "
        f"{len(plan):,} contacts of {len(plan.nodes):,} nodes, "
        f"{float(plan.duration_s or 0.0) / 3600:.4g} h from {plan.epoch:%Y-%m-%d %H:%M:%S} UTC"
    )
    parts = [f"{head}\n{'=' * len(head)}"]
    if result.solution is not None:
        parts.append(route_text(result.solution))
    parts.append(proof(result, problem.objective, UNITS[problem.objective]))
    if paths is not None:
        source = "the moving mesh" if scenario.mesh is not None else "the contacts"
        parts.append(
            f"shortest paths through {source} at {len(paths):,} instants\n{snapshots_text(paths)}"
        )
    return "\n\n".join(parts)


def _write(
    scenario: RouteScenario,
    paths: SnapshotPaths | None,
    folder: Path,
    certificate: dict[str, Any],
    quiet: bool,
) -> None:
    """Write the route, the delays and, where Matplotlib is there, the pictures."""
    written = [write_text(folder / "route.json", plan_json(certificate) + "\n")]
    missing = ""
    if paths is not None:
        lines = ["time_s,delay_s,path"]
        for step, time in enumerate(paths.times_s.tolist()):
            way = paths.path(step, paths.sources[0], paths.targets[0])
            lines.append(f"{time:.9g},{paths.distance[step, 0, 0]:.12g},{' '.join(way)}")
        written.append(write_text(folder / "latency.csv", "\n".join(lines) + "\n"))
        try:
            written.append(write_picture(paths, folder / "latency.png"))
            if scenario.mesh is not None:
                step = int(np.argmin(paths.distance[:, 0, 0]))
                way = paths.path(step, paths.sources[0], paths.targets[0])
                time = float(paths.times_s[step])
                written.append(
                    write_picture(scenario.mesh, folder / "map.png", time_s=time, way=way)
                )
        except ImportError as error:
            missing = str(error)
    tell_written(written, missing, quiet)
