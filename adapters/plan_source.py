"""Where a scenario file has its contact plan from: a file, or satellites, stations and a window."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ..formulations import checks
from ..formulations.contacts import ContactPlan
from ..formulations.instants import instant
from ..formulations.space.plan import contact_plan
from .contact_plans.files import read_contact_plan
from .space_scenario import TABLES as SPACE_TABLES
from .space_scenario import SpaceScenario, space_from_tables
from .toml_file import within

#: Tables that tell of a plan.
PLAN_TABLES = (*SPACE_TABLES, "plan")
PLAN_KEYS = ("file", "format", "epoch", "nodes")


def plan_of(
    data: Mapping[str, Any], path: Path, on_progress: Callable[[float], None] | None = None
) -> tuple[ContactPlan, SpaceScenario | None]:
    """The contact plan of a scenario's tables.

    Parameters
    ----------
    data : mapping
        Either a table ``plan``, or those of ``orbweave passes``.
    path : Path
        The scenario's file; relative paths start at its folder.
    on_progress : callable, optional
        Called with the share of the contacts that is found.

    Returns
    -------
    plan : ContactPlan
    space : SpaceScenario or None
        What it was computed from, where it was.

    Raises
    ------
    InputError
        One line that names the file, the table, the field, its value and what was expected.
    """
    if "plan" in data:
        both = [key for key in SPACE_TABLES if key in data and key != "name"]
        with within(path, "plan"):
            if both:
                checks.fail("plan", f"[plan] and [{both[0]}]", "one of them: a plan has it all")
            return _plan_from_file(data["plan"], path.parent), None
    with within(path, ""):
        if "constellation" not in data:
            checks.fail("plan", None, "a table [plan], or tables [constellation], [window], ...")
    space = space_from_tables(data, path)
    plan = contact_plan(
        space.constellation,
        space.stations,
        start=space.start,
        duration_s=space.duration_s,
        links=space.links,
        isl=space.isl,
        accuracy=space.accuracy,
        on_progress=on_progress,
    )
    return plan, space


def _plan_from_file(table: Mapping[str, Any], folder: Path) -> ContactPlan:
    for key in table:
        checks.known("key", key, PLAN_KEYS)
    options: dict[str, Any] = {key: table[key] for key in ("format",) if key in table}
    if "epoch" in table:
        options["epoch"] = instant("epoch", table["epoch"])
    if "nodes" in table:
        if not isinstance(table["nodes"], dict):
            checks.fail("nodes", table["nodes"], "a table of kinds by name")
        options["nodes"] = table["nodes"]
    return read_contact_plan(folder / checks.text("file", table.get("file")), **options)
