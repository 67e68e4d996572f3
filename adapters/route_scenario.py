"""Scenario files for routes: who sees whom, what goes from where to where.

Tables: those of ``orbweave passes`` (`space_scenario`), or instead of them ``[plan]``; then
``[route]``, ``[solve]``; docs/cli.md describes every key.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..formulations import checks
from ..formulations.routing.mesh import Mesh
from ..formulations.routing.problem import RouteProblem
from .plan_source import PLAN_TABLES, plan_of
from .scenario import solve_table
from .space_scenario import SpaceScenario
from .toml_file import read_toml, table_of, within

TABLES = (*PLAN_TABLES, "route", "solve")
ROUTE_KEYS = (
    "source",
    "target",
    "depart_s",
    "volume_bytes",
    "objective",
    "k",
    "disjoint",
    "depart_until_s",
    "arrive_by_s",
)


@dataclass(frozen=True, slots=True)
class RouteScenario:
    """What a scenario file for ``orbweave route`` holds.

    Attributes
    ----------
    name : str
        The file's ``name``, or its stem.
    path : Path
    problem : RouteProblem
    mesh : Mesh or None
        The moving mesh, where the file gives satellites and not a plan.
    solve : mapping
        Fields of `SolveOptions` that the file gives.
    """

    name: str
    path: Path
    problem: RouteProblem
    mesh: Mesh | None
    solve: Mapping[str, Any]


def read_route_scenario(
    path: str | Path,
    *,
    on_progress: Callable[[float], None] | None = None,
    **changes: Any,
) -> RouteScenario:
    """Read a scenario of one route; find the contacts where it gives satellites and stations.

    Parameters
    ----------
    path : str or Path
        A TOML file; docs/cli.md describes its keys. Without ``isl`` in it, a constellation has a
        plus-grid: without links between satellites there is little to route.
    on_progress : callable, optional
        Called with the share of the contacts that is found.
    **changes
        Keys of ``[route]`` to take instead of the file's.

    Returns
    -------
    RouteScenario

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
        for key in ("plan", "route"):
            table_of(data, key)
    solve = solve_table(data, path)
    with within(path, "route"):
        for key in (*data.get("route", {}), *changes):
            checks.known("key", key, ROUTE_KEYS)
    wanted = {**data.get("route", {}), **changes}
    for key, flag in (("source", "--from"), ("target", "--to")):
        if key not in wanted:
            with within(path, "route"):
                checks.fail(key, None, f"a node's name (or {flag} NAME)")
    if "constellation" in data and "isl" not in data:
        data = {**data, "isl": {}}
    plan, space = plan_of(data, path, on_progress)
    with within(path, "route"):
        problem = RouteProblem(plan, **wanted)
    mesh = None if space is None else _mesh(space)
    return RouteScenario(data.get("name", path.stem), path, problem, mesh, solve)


def _mesh(space: SpaceScenario) -> Mesh:
    """The same satellites, links and stations at any instant."""
    return Mesh(space.constellation, space.stations, start=space.start, isl=space.isl)
