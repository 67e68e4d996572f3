"""``orbweave schedule``: which bytes go over which pass, and how good that can be."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from orbweave.adapters.pictures.plots import write_picture
from orbweave.adapters.plan_file import plan_json
from orbweave.adapters.progress import Progress
from orbweave.adapters.scenario import example_names, example_path
from orbweave.adapters.schedule_files import schedule_dict, write_schedule
from orbweave.adapters.schedule_scenario import ScheduleScenario, read_schedule_scenario
from orbweave.adapters.schedule_text import schedule_text
from orbweave.adapters.tables import quantity
from orbweave.cli_solve import complain, complaint, exit_code, proof, solve_options, tell_written
from orbweave.formulations.checks import InputError, known
from orbweave.formulations.passes import OBJECTIVES, PassSchedule
from orbweave.solvers.options import BACKENDS
from orbweave.solvers.result import Reason, SolveResult
from orbweave.solvers.solve import solve

#: Unit of each objective.
UNITS = {"volume": "B", "priority": "B", "completion": "s"}

#: Demands that a table shows unless asked for more.
ROWS = 30


def add_schedule(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``orbweave schedule``."""
    parser.add_argument("scenario", nargs="?", metavar="SCENARIO.toml", help="see docs/cli.md")
    names = ", ".join(example_names("schedule"))
    parser.add_argument("--example", metavar="NAME", help=f"an embedded example ({names})")
    parser.add_argument("--objective", metavar="NAME", help=f"one of {', '.join(OBJECTIVES)}")
    parser.add_argument("--rows", type=int, metavar="N", default=ROWS, help="0: all (default 30)")
    parser.add_argument(
        "--out",
        metavar="DIR",
        help="write DIR/schedule.json, transfers.csv and passes.ics, with Matplotlib gantt.png",
    )
    parser.add_argument("--json", action="store_true", help="print the schedule as JSON")
    parser.add_argument("--time-limit", type=float, metavar="S", help="seconds for the solve")
    parser.add_argument("--gap", type=float, metavar="G", help="relative gap that is good enough")
    parser.add_argument("--backend", metavar="NAME", help=f"one of {', '.join(BACKENDS)}")
    parser.add_argument("--method", metavar="NAME", help="force one road; see docs/passes.md")
    parser.add_argument("--threads", type=int, metavar="N", help="threads for every solver")
    parser.add_argument("--seed", type=int, metavar="N", help="seed for every solver")
    parser.add_argument("--quiet", action="store_true", help="no progress on stderr")


def run_schedule(arguments: argparse.Namespace, check_folder: Callable[[Path], None]) -> int:
    """Read a scenario, schedule it, print the schedule and write what is asked for."""
    if (arguments.scenario is None) == (arguments.example is None):
        raise InputError("schedule: expected either SCENARIO.toml or --example NAME")
    if arguments.rows < 0:
        raise InputError(f"--rows = {arguments.rows}: expected a whole number >= 0")
    if arguments.objective is not None:
        known("--objective", arguments.objective, OBJECTIVES)
    if arguments.out is not None:
        check_folder(Path(arguments.out))
    chosen = arguments.scenario or example_path(arguments.example, "schedule")
    scenario = read_schedule_scenario(chosen)
    options = solve_options(scenario.path, scenario.solve, arguments)
    if arguments.objective is not None:
        problem = scenario.problem.replace(objective=arguments.objective)
        scenario = replace(scenario, problem=problem)
    unit = UNITS[scenario.problem.objective]
    shown = not arguments.quiet
    with Progress(sys.stderr, lambda value: quantity(value, unit), enabled=shown) as progress:
        result = solve(scenario.problem, replace(options, on_progress=progress.update))
    certificate = {"scenario": scenario.name, **result.to_dict()}
    if arguments.json:
        print(plan_json(schedule_dict(result.solution, certificate)))
    else:
        print(_text(scenario, result, arguments.rows or None), flush=True)
    if result.solution is None or result.reason is Reason.INFEASIBLE:
        complain(f"{scenario.path}: {complaint(result)}", exit_code(result))
    if result.solution is not None and arguments.out is not None:
        _write(result.solution, Path(arguments.out), certificate, arguments.quiet)
    return exit_code(result)


def _text(scenario: ScheduleScenario, result: SolveResult[PassSchedule], limit: int | None) -> str:
    """Tables of the schedule and its proof."""
    problem = scenario.problem
    plan = problem.plan
    head = (
        f"{scenario.name} ({scenario.path}): {len(problem.demands):,} demands, {len(plan):,} "
        f"contacts, {float(plan.duration_s or 0.0) / 3600:.4g} h from "
        f"{plan.epoch:%Y-%m-%d %H:%M:%S} UTC"
    )
    parts = [f"{head}\n{'=' * len(head)}"]
    if result.solution is not None:
        parts.append(schedule_text(result.solution, limit))
    parts.append(proof(result, problem.objective, UNITS[problem.objective]))
    return "\n\n".join(parts)


def _write(schedule: PassSchedule, folder: Path, certificate: dict[str, Any], quiet: bool) -> None:
    names = ("schedule.json", "transfers.csv", "passes.ics")
    written = [write_schedule(schedule, folder / name, certificate) for name in names]
    missing = ""
    try:
        written.append(write_picture(schedule, folder / "gantt.png"))
    except ImportError as error:
        missing = str(error)
    tell_written(written, missing, quiet)
