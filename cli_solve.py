"""What the commands that solve share: exit codes, options, the proof."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from orbweave.adapters.tables import quantity
from orbweave.formulations.checks import InputError
from orbweave.solvers.options import SolveOptions
from orbweave.solvers.result import Limit, Reason, SolveResult

OK, FAILED, BAD_INPUT, INFEASIBLE, NO_PLAN, INTERRUPTED = 0, 1, 2, 3, 4, 130

EXIT_CODES = """\
exit codes:
  0    a plan was found: proven optimal, or the best within a limit or an interrupt
  1    the solver failed, or an unexpected error
  2    bad usage, bad input, or a file that cannot be read or written
  3    infeasible: no {what} satisfies every constraint
  4    no plan was found within the limits
  130  interrupted before a plan was found
"""

#: Options of the command line and the field of `SolveOptions` that each sets.
FLAGS = {
    "--time-limit": "time_limit_s",
    "--gap": "relative_gap",
    "--backend": "backend",
    "--method": "method",
    "--threads": "threads",
    "--seed": "seed",
}


def solve_options(
    path: Path, given: Mapping[str, Any], arguments: argparse.Namespace
) -> SolveOptions:
    """Options of a file's ``[solve]``, with what the command line says over them."""
    try:
        options = SolveOptions(**given)
    except InputError as error:
        raise type(error)(f"{path}: [solve] {error}") from error
    for flag, field in FLAGS.items():
        value = getattr(arguments, flag.strip("-").replace("-", "_"), None)
        if value is not None:
            try:
                options = replace(options, **{field: value})
            except InputError as error:
                message = str(error).replace(f"SolveOptions.{field}", flag)
                raise type(error)(message) from error
    return options


def exit_code(result: SolveResult[Any]) -> int:
    """The exit code that says how a solve ended."""
    if result.reason in (Reason.OPTIMAL, Reason.FEASIBLE):
        return OK
    if result.reason is Reason.INFEASIBLE:
        return INFEASIBLE
    if result.limit is Limit.INTERRUPT:
        return INTERRUPTED
    return NO_PLAN if result.reason is Reason.NO_SOLUTION else FAILED


def complaint(result: SolveResult[Any]) -> str:
    """One line for stderr where there is no plan."""
    if exit_code(result) == INTERRUPTED:
        return "interrupted before a plan was found"
    name = result.reason.value.replace("_", " ")
    return f"{name}: {result.message}" if result.message else name


def complain(text: str, code: int) -> int:
    """Print one line to stderr; returns the code."""
    line = " ".join(text.split())
    print(f"orbweave: error: {line}", file=sys.stderr)
    return code


def proof(result: SolveResult[Any], objective: str, unit: str) -> str:
    """How good a plan is and who says so."""
    verdict = {
        Reason.OPTIMAL: "proven optimal",
        Reason.FEASIBLE: "a plan, not proven optimal",
        Reason.INFEASIBLE: "proven infeasible",
        Reason.NO_SOLUTION: "no plan found",
    }.get(result.reason, result.reason.value)
    if result.limit is not None:
        ended = {Limit.TIME: "time limit", Limit.INTERRUPT: "interrupt"}
        verdict += f" (ended by the {ended.get(result.limit, result.limit.value)})"
    if result.solution is not None and result.reason is not Reason.INFEASIBLE:
        verdict += (
            f": {objective} {quantity(result.objective, unit)}, "
            f"bound {quantity(result.bound, unit)}, gap {result.gap:.4%}"
        )
    lines = [verdict]
    if result.message:
        lines.append(result.message)
    spent = f"build {quantity(result.build_s, 's')}, solve {quantity(result.solve_s, 's')}"
    lines.append(
        f"method {result.method or 'none'}; backend {result.backend or 'none'}; "
        f"{spent}, read {quantity(result.read_s, 's')}"
    )
    return "\n".join(lines)


def tell_written(written: Sequence[Path], missing: str, quiet: bool) -> None:
    """Say on stderr which files were written, and why there is no picture."""
    if quiet:
        return
    if missing:
        print(f"orbweave: no picture: {missing}", file=sys.stderr)
    print(f"wrote {' and '.join(map(str, written))}", file=sys.stderr)
