"""Contact plans as pandas tables, and tables as contact plans."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from ...formulations import checks
from ...formulations.contact_columns import CONTACT_COLUMNS
from ...formulations.contacts import ContactPlan, PlanNode

if TYPE_CHECKING:
    import pandas as pd


def contacts_dataframe(plan: ContactPlan) -> pd.DataFrame:
    """Turn the contacts of a plan into a `pandas.DataFrame`, one row each.

    Parameters
    ----------
    plan : ContactPlan

    Returns
    -------
    pandas.DataFrame
        `source` and `target` are categories, all node names in order; then `start_s`, `end_s`,
        `rate_bps`, `delay_s` and `volume_bytes`.

    Raises
    ------
    ImportError
        If pandas is missing.
    """
    try:
        import pandas as pd
    except ImportError as error:
        raise ImportError("to_dataframe needs pandas: pip install 'orbweave[plot]'") from error
    names = pd.CategoricalDtype(plan.node_names)
    columns: dict[str, Any] = {
        name: pd.Categorical.from_codes(column, dtype=names)
        if name in ("source", "target")
        else column.copy()
        for name, column in plan.arrays.items()
    }
    frame = pd.DataFrame(columns | {"volume_bytes": plan.volume_bytes})
    return frame.rename_axis("contact")


def plan_from_dataframe(
    frame: pd.DataFrame,
    epoch: datetime,
    nodes: Mapping[str, str | None] | Sequence[PlanNode] | None = None,
    *,
    duration_s: float | None = None,
) -> ContactPlan:
    """Build a plan from a table with a contact per row.

    Parameters
    ----------
    frame : pandas.DataFrame
        Columns `source`, `target` (names), `start_s`, `end_s`, `rate_bps` and, unless 0, `delay_s`.
        `volume_bytes` may stand there; it follows from the others.
    epoch : datetime
        Second 0; timezone-aware.
    nodes : mapping of str to str, or sequence of PlanNode, optional
        Kind by name. Unless given: the categories of `source` and `target` where they are the
        same, else the names in order of appearance; of no kind.
    duration_s : float, optional
        The last end unless given.

    Returns
    -------
    ContactPlan

    Raises
    ------
    InputError
        For a column that is missing, unknown or not numbers, or a name that `nodes` lacks.
    """
    given = [str(name) for name in frame.columns]
    for name in given:
        checks.known("frame column", name, (*CONTACT_COLUMNS, "volume_bytes"))
    checks.unique("frame column", given)
    for name in tuple(CONTACT_COLUMNS)[:-1]:
        if name not in given:
            checks.fail("frame columns", ", ".join(given), f"a column {name}")
    ends = {name: frame[name].tolist() for name in ("source", "target")}
    for name, column in ends.items():
        for k, value in enumerate(column):
            if not isinstance(value, str) or not value:
                checks.fail(f"frame row {k}, {name}", value, "the name of a node")
    if nodes is None:
        categories = [getattr(frame[name].dtype, "categories", None) for name in ends]
        if categories[0] is not None and categories[1] is not None:
            listed = list(dict.fromkeys([*categories[0], *categories[1]]))
        else:
            pairs = zip(*ends.values(), strict=True)
            listed = list(dict.fromkeys(name for pair in pairs for name in pair))
        chosen = [PlanNode(name) for name in listed]
    elif isinstance(nodes, Mapping):
        chosen = [PlanNode(name, kind) for name, kind in nodes.items()]
    else:
        chosen = list(nodes)
    position = {node.name: k for k, node in enumerate(chosen)}
    for name, column in ends.items():
        for value in dict.fromkeys(column):
            checks.known(f"frame {name}", value, tuple(position))
    arrays: dict[str, Any] = {
        name: np.array([position[value] for value in column], dtype=np.int32)
        for name, column in ends.items()
    }
    for name in tuple(CONTACT_COLUMNS)[2:]:
        arrays[name] = frame[name].to_numpy() if name in given else np.zeros(len(frame))
    return ContactPlan(epoch, chosen, arrays, duration_s=duration_s)
