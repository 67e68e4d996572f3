"""The command line: ``orbweave plan``, ``passes``, ``schedule``, ``profile`` and ``example``.

Everything that it does is a call into the library; what it adds is reading arguments, printing,
progress on stderr and exit codes (docs/cli.md).
"""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, NoReturn

from orbweave.adapters.frameworks.models import read_model
from orbweave.adapters.pictures.plots import write_picture
from orbweave.adapters.plan_file import plan_dict, plan_json, write_plan
from orbweave.adapters.progress import Progress
from orbweave.adapters.scenario import Scenario, example_names, example_path, read_scenario
from orbweave.adapters.tables import plan_text, profile_text, quantity
from orbweave.cli_passes import add_passes, run_passes
from orbweave.cli_route import add_route, run_route
from orbweave.cli_schedule import add_schedule, run_schedule
from orbweave.cli_solve import (
    BAD_INPUT,
    EXIT_CODES,
    INTERRUPTED,
    OK,
    complain,
    complaint,
    exit_code,
    proof,
    solve_options,
    tell_written,
)
from orbweave.formulations.checks import InputError, known, nearest
from orbweave.formulations.partition import OBJECTIVES, Partition
from orbweave.formulations.partition.problem import objective_name
from orbweave.formulations.partition.solution import UNITS
from orbweave.solvers.options import BACKENDS, SolveOptions
from orbweave.solvers.result import Limit, SolveResult
from orbweave.solvers.solve import solve


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments without the program's name; those of the process unless given.

    Returns
    -------
    int
        The exit code; ``orbweave --help`` lists them.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a layer's name may not fit the terminal's code
            stream.reconfigure(errors="backslashreplace")
    try:
        arguments = _parser().parse_args(argv)
    except SystemExit as done:  # argparse has printed its one line, or the help
        return int(done.code or 0)
    command: Callable[[argparse.Namespace], int] = arguments.command
    try:
        code = command(arguments)
        sys.stdout.flush()
        return code
    except (InputError, ImportError) as error:
        return complain(str(error), BAD_INPUT)
    except BrokenPipeError:
        # The reader (`head`, say) has gone; nothing is left to say, nor anywhere to say it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    except OSError as error:
        named = error.filename is not None and error.strerror
        text = f"{error.filename}: {error.strerror}" if named else str(error)
        return complain(text, BAD_INPUT)
    except KeyboardInterrupt:
        return complain("interrupted", INTERRUPTED)


class _Parser(argparse.ArgumentParser):
    """One line per error, and the nearest option where one is misspelt."""

    def error(self, message: str) -> NoReturn:
        prefix = "unrecognized arguments: "
        if message.startswith(f"{prefix}-"):
            word = message.removeprefix(prefix).split()[0]
            names = self.option_names()
            longer = sorted(name for name in names if name.startswith(word))
            message += nearest(word, longer[:1] or names)
        self.exit(BAD_INPUT, f"{self.prog}: error: {message} (try --help)\n")

    def option_names(self) -> set[str]:
        """Options of this parser and of its commands."""
        names = {name for action in self._actions for name in action.option_strings}
        for action in self._actions:
            if isinstance(action, argparse._SubParsersAction):
                for parser in action.choices.values():
                    names |= parser.option_names()
        return names


def _parser() -> argparse.ArgumentParser:
    style: Any = argparse.RawDescriptionHelpFormatter
    parser = _Parser(
        prog="orbweave",
        description="Plan distributed AI across Earth and orbit, with a proof.",
        epilog=EXIT_CODES.format(what="plan"),
        formatter_class=style,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"orbweave {version('orbweave')}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    plan = commands.add_parser(
        "plan",
        help="decide where each layer of a model runs",
        description="Read a scenario, plan it, print the plan and how far from optimal it can be.",
        epilog=EXIT_CODES.format(what="placement"),
        formatter_class=style,
        allow_abbrev=False,
    )
    plan.add_argument("scenario", nargs="?", metavar="SCENARIO.toml", help="see docs/cli.md")
    plan.add_argument(
        "--example",
        nargs="?",
        const="",
        metavar="NAME",
        help=f"plan an embedded example instead ({', '.join(example_names())}; all without NAME)",
    )
    plan.add_argument("--objective", metavar="NAME", help=f"one of {', '.join(OBJECTIVES)}")
    plan.add_argument("--out", metavar="DIR", help="write DIR/plan.json, with Matplotlib plan.png")
    plan.add_argument("--json", action="store_true", help="print the plan as JSON")
    plan.add_argument("--time-limit", type=float, metavar="S", help="seconds for the solve")
    plan.add_argument("--gap", type=float, metavar="G", help="relative gap that is good enough")
    plan.add_argument("--backend", metavar="NAME", help=f"one of {', '.join(BACKENDS)}")
    plan.add_argument("--method", metavar="NAME", help="force one road; see docs/partition.md")
    plan.add_argument("--threads", type=int, metavar="N", help="threads for every solver")
    plan.add_argument("--seed", type=int, metavar="N", help="seed for every solver")
    plan.add_argument("--quiet", action="store_true", help="no progress on stderr")
    plan.set_defaults(command=_plan)

    passes = commands.add_parser(
        "passes",
        help="find every pass of satellites over ground stations, and the contact plan",
        description="Read satellites, stations and a window; print every pass, draw and write it.",
        epilog="exit codes: 0 done, 2 bad usage, bad input, or a file that cannot be read or "
        "written, 130 interrupted",
        formatter_class=style,
        allow_abbrev=False,
    )
    add_passes(passes)
    passes.set_defaults(command=lambda arguments: run_passes(arguments, _check_folder))

    schedule = commands.add_parser(
        "schedule",
        help="decide which bytes go over which pass, and when all are down",
        description="Read demands and who sees whom; print the schedule, what binds, and how far "
        "from optimal it can be.",
        epilog=EXIT_CODES.format(what="schedule"),
        formatter_class=style,
        allow_abbrev=False,
    )
    add_schedule(schedule)
    schedule.set_defaults(command=lambda arguments: run_schedule(arguments, _check_folder))

    route = commands.add_parser(
        "route",
        help="find which way bytes go from one node to another, and how long it takes",
        description="Read who sees whom; print the best route for a bundle, what else there is, "
        "and how the shortest path changes over time.",
        epilog=EXIT_CODES.format(what="route"),
        formatter_class=style,
        allow_abbrev=False,
    )
    add_route(route)
    route.set_defaults(command=lambda arguments: run_route(arguments, _check_folder))

    profile = commands.add_parser(
        "profile",
        help="show what a model costs, layer by layer",
        description="Print the profile of a model: parameters, bytes and FLOPs of each layer.",
        epilog="exit codes: 0 done, 2 bad usage or bad input",
        formatter_class=style,
        allow_abbrev=False,
    )
    profile.add_argument(
        "model",
        metavar="MODEL",
        help="an .onnx or .keras file, a profile in .json, preset:NAME, transformer:KEY=VALUE,... "
        "or onnx:NAME (a graph of the installed onnx package)",
    )
    profile.add_argument("--json", action="store_true", help="print the profile as JSON")
    profile.add_argument("--out", metavar="FILE", help="write the profile as JSON to FILE")
    profile.add_argument("--rows", type=int, metavar="N", help="show at most N layers")
    profile.set_defaults(command=_profile)

    example = commands.add_parser(
        "example",
        help="print an embedded example, to start a scenario of your own from",
        description="Print the scenario file of an embedded example; list them without NAME.",
        allow_abbrev=False,
    )
    example.add_argument("name", nargs="?", metavar="NAME")
    example.set_defaults(command=_example)
    return parser


# -- plan -----------------------------------------------------------------------------------------
def _plan(arguments: argparse.Namespace) -> int:
    if (arguments.scenario is None) == (arguments.example is None):
        raise InputError("plan: expected either SCENARIO.toml or --example")
    if arguments.scenario is not None:
        paths = [Path(arguments.scenario)]
    else:
        names = [arguments.example] if arguments.example else example_names()
        paths = [example_path(name) for name in names]
    if arguments.out is not None:
        _check_folder(Path(arguments.out))
    codes: list[int] = []
    documents: list[dict[str, Any]] = []
    for path in paths:
        scenario, options = _override(read_scenario(path), arguments)
        planned = _solve(scenario, options, arguments.quiet)
        codes.append(planned.code)
        if arguments.json:
            documents.append(planned.document())
        else:
            print("\n" * bool(len(codes) > 1) + planned.text(), flush=True)
        if planned.solution is None:
            complain(f"{path}: {complaint(planned.result)}", planned.code)
        if arguments.out is not None:
            folder = Path(arguments.out)
            planned.write(folder / path.stem if len(paths) > 1 else folder, arguments.quiet)
        if planned.result.limit is Limit.INTERRUPT:
            break
    if arguments.json:
        print(plan_json(documents[0] if len(paths) == 1 else documents))
    return max(codes)


def _override(scenario: Scenario, arguments: argparse.Namespace) -> tuple[Scenario, SolveOptions]:
    """Apply what the command line says over what the file says."""
    if arguments.objective is not None:
        objective = objective_name(arguments.objective, where="--objective")
        problem = scenario.problem.replace(objective=objective)
        scenario = replace(scenario, problem=problem)
    return scenario, solve_options(scenario.path, scenario.solve, arguments)


def _solve(scenario: Scenario, options: SolveOptions, quiet: bool) -> _Planned:
    unit = UNITS[scenario.problem.objective]
    with Progress(sys.stderr, lambda value: quantity(value, unit), enabled=not quiet) as progress:
        result = solve(scenario.problem, replace(options, on_progress=progress.update))
    return _Planned(scenario, result)


def _check_folder(folder: Path) -> None:
    """Refuse a folder that cannot be written to before the work, not after it."""
    found = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not found.is_dir() or not os.access(found, os.W_OK):
        raise InputError(f"--out = {str(folder)!r}: expected a folder that can be written to")


@dataclass(frozen=True, slots=True)
class _Planned:
    """A scenario and what came of it."""

    scenario: Scenario
    result: SolveResult[Partition]

    @property
    def solution(self) -> Partition | None:
        return self.result.solution

    @property
    def code(self) -> int:
        return exit_code(self.result)

    def document(self) -> dict[str, Any]:
        """Plain data of the plan and its certificate."""
        certificate = {"scenario": self.scenario.name, **self.result.to_dict()}
        return plan_dict(self.solution, certificate)

    def text(self) -> str:
        """Tables of the plan and its proof."""
        head = f"{self.scenario.name} ({self.scenario.path})"
        parts = [f"{head}\n{'=' * len(head)}"]
        if self.solution is not None:
            parts.append(plan_text(self.solution))
        objective = self.scenario.problem.objective
        parts.append(proof(self.result, objective, UNITS[objective]))
        return "\n\n".join(parts)

    def write(self, folder: Path, quiet: bool) -> None:
        """Write plan.json and, where Matplotlib is there, plan.png."""
        if self.solution is None:
            return
        certificate = {"scenario": self.scenario.name, **self.result.to_dict()}
        written, missing = [write_plan(self.solution, folder / "plan.json", certificate)], ""
        try:
            written.append(write_picture(self.solution, folder / "plan.png"))
        except ImportError as error:
            missing = str(error)
        tell_written(written, missing, quiet)


# -- profile and example --------------------------------------------------------------------------
def _profile(arguments: argparse.Namespace) -> int:
    if arguments.rows is not None and arguments.rows < 1:
        raise InputError(f"--rows = {arguments.rows}: expected a whole number >= 1")
    profile = read_model(arguments.model)
    if arguments.out is not None:
        profile.to_json(arguments.out)
    print(profile.to_json() if arguments.json else profile_text(profile, arguments.rows))
    return OK


def _example(arguments: argparse.Namespace) -> int:
    commands = ("plan", "passes", "schedule", "route")
    if arguments.name is None:
        for command in commands:
            print("\n".join(example_names(command)))
        return OK
    found = [command for command in commands if arguments.name in example_names(command)]
    if not found:
        known(
            "example", arguments.name, [n for command in commands for n in example_names(command)]
        )
    print(example_path(arguments.name, found[0]).read_text(encoding="utf-8"), end="")
    return OK
