"""DataFrames: a plan by layer, a profile, a front; passes, eclipses, contacts, links, transfers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import singledispatch
from typing import TYPE_CHECKING, Any

from ..formulations import checks
from ..formulations.contacts import ContactPlan
from ..formulations.partition.problem import SINGLE_OBJECTIVES
from ..formulations.partition.solution import Partition
from ..formulations.passes.problem import PRIORITIES
from ..formulations.passes.schedule import PassSchedule
from ..formulations.profile import ModelProfile
from ..formulations.space.eclipses import EclipseTable
from ..formulations.space.isl import IslTable
from ..formulations.space.passes import PassTable
from .contact_plans.frames import contacts_dataframe

if TYPE_CHECKING:
    import pandas as pd


@singledispatch
def to_dataframe(solution: Any) -> pd.DataFrame:
    """Turn a solution into a `pandas.DataFrame`.

    Parameters
    ----------
    solution : Partition, ModelProfile, ContactPlan, PassTable, EclipseTable, IslTable, \
PassSchedule, or sequence
        A partition gives one row per layer, a profile likewise; a sequence of partitions, or of
        results that hold one each (what `orbweave.pareto` returns), one row per plan; a contact
        plan, passes, eclipses, inter-satellite links and the transfers of a schedule a row each,
        names as categories.

    Returns
    -------
    pandas.DataFrame

    Raises
    ------
    InputError
        If there is no table for this type.
    ImportError
        If pandas is missing.
    """
    checks.fail(
        "to_dataframe",
        type(solution).__name__,
        "a solution or a sequence of them (of a result: result.require())",
    )


@to_dataframe.register(ModelProfile)
def _(profile: ModelProfile) -> pd.DataFrame:
    rows = [
        {name: getattr(layer, name) for name in type(layer).__dataclass_fields__}
        for layer in profile.layers
    ]
    return _pandas().DataFrame(rows).rename_axis("layer")


@to_dataframe.register(Partition)
def _(partition: Partition) -> pd.DataFrame:
    frame = to_dataframe(partition.problem.profile)
    nodes = {node.name: node.kind for node in partition.problem.network.nodes}
    result = partition.evaluation
    cut = set(partition.cut_points)
    frame.insert(1, "node", list(partition.node_of_layer))
    frame.insert(2, "node_kind", [nodes[name] for name in partition.node_of_layer])
    frame.insert(3, "cut_before", [i in cut for i in range(len(frame))])
    frame["start_s"], frame["finish_s"] = result.start_s, result.finish_s
    return frame


@to_dataframe.register(ContactPlan)
def _(plan: ContactPlan) -> pd.DataFrame:
    return contacts_dataframe(plan)


@to_dataframe.register(PassTable)
def _(table: PassTable) -> pd.DataFrame:
    stations = [station.name for station in table.stations]
    frame = _named(table.arrays, {"satellite": table.constellation.names, "station": stations})
    frame.insert(4, "duration_s", table.duration_s)
    for edge in ("set", "rise"):
        times = _pandas().to_timedelta(frame[f"{edge}_s"], unit="s")
        frame.insert(2, f"{edge}_utc", table.start + times)
    return frame.rename_axis("pass")


@to_dataframe.register(EclipseTable)
def _(table: EclipseTable) -> pd.DataFrame:
    return _named(table.arrays, {"satellite": table.constellation.names}).rename_axis("eclipse")


@to_dataframe.register(IslTable)
def _(table: IslTable) -> pd.DataFrame:
    names = table.constellation.names
    return _named(table.arrays, {"first": names, "second": names}).rename_axis("link")


@to_dataframe.register(PassSchedule)
def _(schedule: PassSchedule) -> pd.DataFrame:
    moves, plan, demands = schedule.moves, schedule.problem.plan, schedule.problem.demands
    columns = {
        "demand_index": moves.demand,
        "source_index": plan.arrays["source"][moves.contact],
        "target_index": plan.arrays["target"][moves.contact],
        "priority_index": [demands[k].priority for k in moves.demand.tolist()],
        "contact": moves.contact,
        "start_s": moves.start_s,
        "end_s": moves.end_s,
        "volume_bytes": moves.volume_bytes,
    }
    names = {
        "demand": [row.name for row in demands],
        "source": plan.node_names,
        "target": plan.node_names,
        "priority": PRIORITIES,
    }
    frame = _named(columns, names)
    for edge in ("end", "start"):
        times = _pandas().to_timedelta(frame[f"{edge}_s"], unit="s")
        frame.insert(4, f"{edge}_utc", plan.epoch + times)
    return frame.rename_axis("transfer")


def _named(arrays: Mapping[str, Any], names: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """Columns of a table; those of positions become categories of names."""
    pandas = _pandas()
    columns = dict(arrays)
    found = {
        name: pandas.Categorical.from_codes(columns.pop(f"{name}_index"), list(categories))
        for name, categories in names.items()
    }
    return pandas.DataFrame({**found, **columns})


@to_dataframe.register(tuple)
@to_dataframe.register(list)
def _(front: Sequence[Any]) -> pd.DataFrame:
    rows = []
    for partition in solutions_of(front):
        row: dict[str, Any] = dict(partition.values)
        row["cuts"] = len(partition.cut_edges)
        row["nodes"] = len(set(partition.node_of_layer))
        row["orbital_layers"] = sum(
            partition.node_of_layer.count(node.name)
            for node in partition.problem.network.nodes
            if node.kind == "orbital"
        )
        rows.append(row)
    columns = [*SINGLE_OBJECTIVES, "cuts", "nodes", "orbital_layers"]
    return _pandas().DataFrame(rows, columns=columns).rename_axis("plan")


def solutions_of(front: Sequence[Any]) -> list[Partition]:
    """Partitions of a sequence of partitions or of results that hold one each (or none)."""
    found = []
    for k, row in enumerate(front):
        solution = row if isinstance(row, Partition) else getattr(row, "solution", row)
        if solution is None:
            continue
        if not isinstance(solution, Partition):
            checks.fail(f"front[{k}]", type(row).__name__, "a Partition, or a result with one")
        found.append(solution)
    return found


def _pandas() -> Any:
    try:
        import pandas as pd
    except ImportError as error:
        raise ImportError("to_dataframe needs pandas: pip install 'orbweave[plot]'") from error
    return pd
