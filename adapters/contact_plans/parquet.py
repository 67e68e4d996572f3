"""Contact plans as Parquet, exact both ways: a table with node names, the rest in its metadata."""

from __future__ import annotations

import io
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from ...formulations import checks
from ...formulations.contact_columns import CONTACT_COLUMNS
from ...formulations.contact_text import (
    bytes_of,
    check_format,
    chosen_epoch,
    parsed_json,
    plan_head,
    read_eclipses,
    read_nodes,
    strict_json,
)
from ...formulations.contacts import ContactPlan, PlanNode
from ...formulations.files import write_bytes
from ...formulations.instants import instant

#: Key of the schema's metadata that holds epoch, duration, nodes and eclipses as JSON.
METADATA_KEY = b"orbweave"


def write_parquet(plan: ContactPlan, path: str | Path) -> Path:
    """Write a plan as Parquet: `source` and `target` as dictionary-encoded names."""
    pa, parquet = _arrow()
    names = pa.array(plan.node_names, type=pa.string())
    columns = {
        name: pa.DictionaryArray.from_arrays(pa.array(column), names)
        if name in ("source", "target")
        else pa.array(column)
        for name, column in plan.arrays.items()
    }
    table = pa.table(columns).replace_schema_metadata(
        {METADATA_KEY: strict_json(plan_head(plan)).encode()}
    )
    stream = io.BytesIO()
    parquet.write_table(table, stream)
    return write_bytes(path, stream.getvalue())


def read_parquet(path: str | Path, epoch: datetime | None = None) -> ContactPlan:
    """Read a plan from Parquet, also from a table of names and numbers that others wrote."""
    pa, parquet = _arrow()
    data = bytes_of(path)
    try:
        table = parquet.read_table(pa.BufferReader(data))
    except (pa.ArrowException, OSError) as error:
        checks.fail("Parquet", str(error).splitlines()[0], "a Parquet file")
    head = _head(table.schema.metadata or {})
    for name in table.column_names:
        checks.known("column", name, (*CONTACT_COLUMNS, "volume_bytes"))
    for name in tuple(CONTACT_COLUMNS)[:-1]:
        if name not in table.column_names:
            checks.fail("columns", ", ".join(table.column_names), f"a column {name}")
    nodes = read_nodes(head["nodes"]) if "nodes" in head else []
    position = {node.name: k for k, node in enumerate(nodes)}
    ends = {name: _names(table.column(name), name, pa) for name in ("source", "target")}
    for name, (listed, _) in ends.items():
        for node_name in listed:
            if nodes and node_name not in position:
                checks.known(name, node_name, tuple(position))
            position.setdefault(checks.text(name, node_name), len(position))
    arrays = {
        name: np.array([position[node_name] for node_name in listed], dtype=np.int32)[codes]
        for name, (listed, codes) in ends.items()
    }
    for name in tuple(CONTACT_COLUMNS)[2:]:
        if name in table.column_names:
            arrays[name] = _floats(table.column(name), name, pa)
    arrays.setdefault("delay_s", np.zeros(table.num_rows))
    return ContactPlan(
        epoch=chosen_epoch(instant("epoch", head["epoch"]) if "epoch" in head else None, epoch),
        nodes=nodes or [PlanNode(name) for name in position],
        arrays=arrays,
        eclipses=read_eclipses(head.get("eclipses")),
        duration_s=head.get("duration_s"),
    )


def _head(metadata: dict[bytes, bytes]) -> dict[str, Any]:
    if METADATA_KEY not in metadata:
        return {}
    head = parsed_json(metadata[METADATA_KEY].decode())
    check_format(head.get("format"), head.get("version"))
    return head


def _names(column: Any, name: str, pa: Any) -> tuple[list[str], Any]:
    """Distinct names of a column and the position of each row's name among them."""
    whole = column.unify_dictionaries().combine_chunks()
    if isinstance(whole, pa.ChunkedArray):
        whole = pa.concat_arrays(whole.chunks) if whole.num_chunks else pa.array([], whole.type)
    if not pa.types.is_dictionary(whole.type):
        whole = whole.dictionary_encode()
    if whole.null_count:
        checks.fail(name, None, "a name in every row")
    listed = whole.dictionary.to_pylist()
    codes = whole.indices.to_numpy(zero_copy_only=False)
    used = np.unique(codes).tolist()
    if used != list(range(len(listed))):  # names that no row has are no nodes
        codes = np.searchsorted(used, codes)
        listed = [listed[k] for k in used]
    return listed, codes


def _floats(column: Any, name: str, pa: Any) -> Any:
    if not (pa.types.is_floating(column.type) or pa.types.is_integer(column.type)):
        checks.fail(name, str(column.type), "numbers")
    if column.null_count:
        checks.fail(name, None, "a number in every row")
    return column.to_numpy()


def _arrow() -> tuple[Any, Any]:
    try:
        import pyarrow as pa
        import pyarrow.parquet as parquet
    except ImportError as error:
        raise ImportError("Parquet files need pyarrow: pip install 'orbweave[parquet]'") from error
    return pa, parquet
