"""Scenario files for schedules: who sees whom, what must move, and what to respect.

Tables: those of ``orbweave passes`` (`space_scenario`), or instead of them ``[plan]``; then
``[[demands]]``, ``[schedule]``, ``[solve]``; docs/cli.md describes every key. Relative paths start
at the file's own folder.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any

from ..formulations import checks
from ..formulations.contacts import ContactPlan
from ..formulations.network import KINDS
from ..formulations.passes.battery import Battery
from ..formulations.passes.problem import PRIORITIES, Demand, PassProblem
from ..formulations.targets import GROUND
from .plan_source import PLAN_TABLES, plan_of
from .scenario import solve_table
from .toml_file import read_toml, table_of, within

TABLES = (*PLAN_TABLES, "demands", "schedule", "solve")
SCHEDULE_KEYS = ("objective", "antennas", "storage_bytes", "setup_s", "teardown_s", "energy")


@dataclass(frozen=True, slots=True)
class ScheduleScenario:
    """What a scenario file for ``orbweave schedule`` holds.

    Attributes
    ----------
    name : str
        The file's ``name``, or its stem.
    path : Path
    problem : PassProblem
    solve : mapping
        Fields of `SolveOptions` that the file gives.
    """

    name: str
    path: Path
    problem: PassProblem
    solve: Mapping[str, Any]


def read_schedule_scenario(
    path: str | Path, *, on_progress: Callable[[float], None] | None = None
) -> ScheduleScenario:
    """Read a scenario of demands; find the contacts where it gives satellites and stations.

    Parameters
    ----------
    path : str or Path
        A TOML file; docs/cli.md describes its keys.
    on_progress : callable, optional
        Called with the share of the contacts that is found, as by `contact_plan`.

    Returns
    -------
    ScheduleScenario

    Raises
    ------
    InputError
        One line that names the file, the table, the field, its value and what was expected.
    OSError
        If a file cannot be read.
    """
    path = Path(path)
    data = read_toml(path, TABLES)
    with within(path, ""):
        for key in ("plan", "schedule"):
            table_of(data, key)
    solve = solve_table(data, path)
    plan, space = plan_of(data, path, on_progress)
    antennas = {} if space is None else {row.name: row.antennas for row in space.stations}
    demands = _demands(data.get("demands"), plan, path)
    with within(path, "schedule"):
        problem = _problem(plan, demands, antennas, data.get("schedule", {}))
    name = data.get("name", path.stem)
    return ScheduleScenario(name, path, problem, solve)


def _demands(value: Any, plan: ContactPlan, path: Path) -> list[Demand]:
    if not isinstance(value, list) or not value:
        checks.fail(f"{path}: demands", value, "at least one table [[demands]]")
    found: list[Demand] = []
    for k, table in enumerate(value):
        with within(path, f"demands {k}"):
            found += _demand(table, plan)
    with within(path, "demands"):
        checks.unique("name", [row.name for row in found])
    return found


def _demand(table: Any, plan: ContactPlan) -> list[Demand]:
    """One demand, or one per source of a list or a kind of nodes."""
    if not isinstance(table, dict):
        checks.fail("demands", table, "a table")
    keys = fields(Demand)
    for key in table:
        checks.known("key", key, tuple(row.name for row in keys))
    for row in keys:
        if row.default is MISSING and row.name not in table:
            checks.fail(row.name, None, "a value (the key is missing)")
    values = dict(table)
    name, source = checks.text("name", values.pop("name")), values.pop("source")
    if isinstance(values.get("priority"), str):
        values["priority"] = PRIORITIES.index(
            checks.known("priority", values["priority"], PRIORITIES)
        )
    if not isinstance(values.get("splittable", True), bool):
        checks.fail("splittable", values["splittable"], "true or false")
    checks.known("target", values["target"], (*plan.node_names, GROUND))
    several, sources = _sources(source, values["target"], plan)
    return [Demand(f"{name}@{node}" if several else name, node, **values) for node in sources]


def _sources(value: Any, target: str, plan: ContactPlan) -> tuple[bool, list[str]]:
    """Whether a source stands for several nodes, and their names; a kind leaves out the target."""
    listed = value if isinstance(value, list) else [value]
    found: list[str] = []
    several = isinstance(value, list)
    for entry in listed:
        checks.known("source", entry, (*plan.node_names, *KINDS))
        if entry in plan.node_names:
            found.append(entry)
            continue
        several = True
        of_kind = [node.name for node in plan.nodes if node.kind == entry and node.name != target]
        if not of_kind:
            checks.fail("source", entry, f"a plan with nodes of the kind {entry!r}")
        found += of_kind
    if not found:
        checks.fail("source", value, "at least one node")
    return several, list(dict.fromkeys(found))


def _problem(
    plan: ContactPlan,
    demands: list[Demand],
    antennas: dict[str, int],
    table: Mapping[str, Any],
) -> PassProblem:
    for key in table:
        checks.known("key", key, SCHEDULE_KEYS)
    changes = dict(table)
    storage = changes.get("storage_bytes")
    if isinstance(storage, str | list):
        checks.fail("storage_bytes", storage, "a number, or a table of numbers by name")
    chosen = _antennas(changes.pop("antennas", {}), antennas, plan)
    if "energy" in changes:
        changes["energy"] = _batteries(changes["energy"], plan)
    return PassProblem(plan, demands, antennas=chosen, **changes)


def _antennas(value: Any, own: dict[str, int], plan: ContactPlan) -> dict[str, int] | None:
    """The stations' own antennas with what a table changes, or none at all."""
    if value is False:
        return None
    if not isinstance(value, dict):
        checks.fail("antennas", value, "a table of numbers by name, or false")
    chosen = own | _by_node("antennas", value, plan)
    return {name: count for name, count in chosen.items() if count is not False} or None


def _batteries(value: Any, plan: ContactPlan) -> dict[str, Battery]:
    if not isinstance(value, dict):
        checks.fail("energy", value, "a table of batteries by name")
    found = {}
    for name, table in _by_node("energy", value, plan).items():
        if not isinstance(table, dict):
            checks.fail(f"energy[{name!r}]", table, "a table")
        keys = fields(Battery)
        for key in table:
            checks.known(f"energy[{name!r}] key", key, tuple(row.name for row in keys))
        for row in keys:
            if row.default is MISSING and row.name not in table:
                checks.fail(f"energy[{name!r}].{row.name}", None, "a value (the key is missing)")
        found[name] = Battery(**table)
    return found


def _by_node(where: str, table: Mapping[str, Any], plan: ContactPlan) -> dict[str, Any]:
    """Values by node of a table whose keys are nodes or kinds; a node's own wins."""
    names = plan.node_names
    for key in table:
        checks.known(f"{where} node", key, (*names, *KINDS))
    kinds = [kind for kind in KINDS if kind in table and kind not in names]
    of_kind = {node.name: table[kind] for kind in kinds for node in plan.nodes if node.kind == kind}
    return of_kind | {key: value for key, value in table.items() if key in names}
