"""An ONNX model read safely: parsed or refused, its tensors' shapes inferred, its data untouched.

Nothing outside the file is opened: external data is only checked to lie inside the model's folder.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from ...formulations import checks
from .onnx_tensors import (
    TensorType,
    label_of,
    reads_of,
    tensors_of,
    type_of,
    type_of_weight,
)

#: Tensors up to this many numbers keep their data: shape inference reads shapes from them.
KEPT_NUMBERS = 1024


def load(source: Any) -> tuple[Any, str]:
    """Parse a model and check it.

    Parameters
    ----------
    source : str, Path, bytes or onnx.ModelProto
        A file, its contents, or a parsed model.

    Returns
    -------
    tuple
        The ModelProto (external data not loaded) and a name for messages.

    Raises
    ------
    InputError
        If the file is missing, truncated or no ONNX model, or if its external data lies outside
        its folder.
    """
    onnx = import_onnx()
    folder = None
    if isinstance(source, onnx.ModelProto):
        model, where = source, f"ModelProto {source.graph.name!r}"
    elif isinstance(source, bytes):
        where = "ONNX bytes"
        model = _parse(onnx, source, where)
    elif isinstance(source, str | Path):
        path, where = Path(source), str(source)
        if not path.is_file():
            checks.fail("read_onnx.model", where, "the path of an ONNX file (there is none)")
        folder = path.resolve().parent
        model = _parse(onnx, path.read_bytes(), where)
    else:
        checks.fail("read_onnx.model", type(source).__name__, "a path, bytes or a ModelProto")
    if not model.graph.node or not model.graph.output:
        checks.fail(where, "no operator or no output", "an ONNX model (empty, or truncated)")
    for tensor in tensors_of(onnx, model.graph):
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            _check_external(tensor, folder, where)
    return model, where


def import_onnx() -> Any:
    """The onnx package, or an error that names the extra."""
    try:
        import onnx
        import onnx.helper
        import onnx.shape_inference
    except ImportError as error:
        raise ImportError("read_onnx needs onnx: pip install 'orbweave[onnx]'") from error
    return onnx


def _parse(onnx: Any, data: bytes, where: str) -> Any:
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    model = onnx.ModelProto()
    try:
        model.ParseFromString(data)
    except (DecodeError, RuntimeError) as error:
        raise checks.InputError(
            f"{where}: expected a complete ONNX model, but its {len(data)} bytes do not parse "
            "(truncated or corrupt)"
        ) from error
    return model


def _check_external(tensor: Any, folder: Path | None, where: str) -> None:
    """Refuse external data that leaves the model's folder, by name or through a link."""
    label = f"{where}: external data of tensor {tensor.name!r}"
    expected = "a file inside the model's folder"
    location = next((e.value for e in tensor.external_data if e.key == "location"), "")
    posix, windows = PurePosixPath(location), PureWindowsPath(location)
    absolute = posix.is_absolute() or windows.is_absolute() or windows.drive or windows.root
    if not location or absolute or ".." in windows.parts:
        checks.fail(label, location, expected)
    if folder is not None and not (folder / location).resolve().is_relative_to(folder):
        checks.fail(label, location, f"{expected} (it is a link that leads outside)")


def infer(
    model: Any, where: str, batch: int | None, dims: Mapping[str, int]
) -> tuple[Any, dict[str, TensorType]]:
    """Fix symbolic sizes and infer the shape of every tensor.

    Parameters
    ----------
    model : onnx.ModelProto
        Not modified.
    where : str
        Name for messages.
    batch : int, optional
        Size of a symbolic first dimension of the inputs; 1 unless given.
    dims : mapping of str to int
        Sizes of symbolic dimensions, by name.

    Returns
    -------
    tuple
        The graph, with its subgraphs' shapes, and the tensors of the top level by name.
    """
    onnx = import_onnx()
    light = _without_data(onnx, model, where)
    weights = {tensor.name for tensor in light.graph.initializer}
    changed = False
    for entry in light.graph.input:
        if entry.name not in weights:
            changed |= _fix_sizes(entry, where, batch, dims)
    if changed:  # what the file says of inner tensors was said of symbolic sizes
        del light.graph.value_info[:]
        for entry in light.graph.output:
            entry.type.tensor_type.ClearField("shape")
    _sort_operators(onnx, light.graph, where)
    try:
        light = onnx.shape_inference.infer_shapes(light, data_prop=True)
    except Exception as error:
        text = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise checks.InputError(
            f"{where}: expected a model whose shapes can be inferred: {text}"
        ) from error
    types = {tensor.name: type_of_weight(tensor) for tensor in light.graph.initializer}
    for entry in (*light.graph.input, *light.graph.value_info, *light.graph.output):
        known = type_of(entry)
        if known is not None:
            types.setdefault(entry.name, known)
    return light.graph, types


def _without_data(onnx: Any, model: Any, where: str) -> Any:
    """A copy of the model whose large weights are dimensions alone (2 GB would not serialise)."""
    light = onnx.ModelProto()
    light.ir_version = model.ir_version
    light.opset_import.extend(model.opset_import)
    graph = light.graph
    graph.name = model.graph.name
    for field in ("node", "input", "output", "value_info", "sparse_initializer"):
        getattr(graph, field).extend(getattr(model.graph, field))
    for tensor in model.graph.initializer:
        if any(size < 0 for size in tensor.dims):
            checks.fail(f"{where}: tensor {tensor.name!r} dims", list(tensor.dims), "sizes >= 0")
        if math.prod(tensor.dims) <= KEPT_NUMBERS and not tensor.external_data:
            graph.initializer.append(tensor)
        else:
            graph.initializer.add(name=tensor.name, dims=tensor.dims, data_type=tensor.data_type)
    if model.functions:
        from onnx import inliner

        light.functions.extend(model.functions)
        light = inliner.inline_local_functions(light)
    return light


def _fix_sizes(entry: Any, where: str, batch: int | None, dims: Mapping[str, int]) -> bool:
    tensor = entry.type.tensor_type
    label = f"{where}: input {entry.name!r}"
    if not tensor.HasField("shape"):
        checks.fail(label, "no shape", "a tensor whose rank is known")
    changed = False
    for k, dim in enumerate(tensor.shape.dim):
        if dim.HasField("dim_value") and dim.dim_value > 0:
            if k == 0 and batch is not None and dim.dim_value != batch:
                checks.fail(label, dim.dim_value, f"a first dimension of batch = {batch}")
            continue
        named = dim.dim_param
        if named in dims:
            size = dims[named]
        elif k == 0:
            size = batch or 1
        else:
            shown = named or f"{entry.name}:{k}"
            size = dims.get(shown, 0)
            if not size:
                checks.fail(
                    f"{label} dimension {k}",
                    named or "unknown",
                    f"a size: read_onnx(..., dims={{{shown!r}: 128}})",
                )
        dim.dim_value = checks.whole(f"read_onnx.dims[{named!r}]", size, low=1)
        changed = True
    return changed


def _sort_operators(onnx: Any, graph: Any, where: str) -> None:
    """Put operators in execution order; ONNX asks for it, so moving them is the rare case."""
    nodes = list(graph.node)
    written = {item: k for k, node in enumerate(nodes) for item in node.output if item}
    given = {entry.name for entry in (*graph.input, *graph.initializer)}
    given |= {sparse.values.name for sparse in graph.sparse_initializer}
    before: list[set[int]] = []
    for node in nodes:
        needs = [item for item in reads_of(onnx, node) if item not in given]
        for item in needs:
            if item not in written:
                checks.fail(
                    f"{where}: operator {label_of(node)!r} input",
                    item,
                    "a tensor that the graph writes or holds (the file is incomplete)",
                )
        before.append({written[item] for item in needs})
    if all(max(needs, default=-1) < k for k, needs in enumerate(before)):
        return
    del graph.node[:]
    graph.node.extend(nodes[k] for k in _sorted(before, nodes, where))


def _sorted(before: list[set[int]], nodes: list[Any], where: str) -> list[int]:
    """Execution order of operators, or one clear error for a cycle."""
    import networkx as nx

    graph = nx.DiGraph()
    graph.add_nodes_from(range(len(before)))
    graph.add_edges_from((i, j) for j, needs in enumerate(before) for i in needs)
    try:
        return list(nx.lexicographical_topological_sort(graph))
    except nx.NetworkXUnfeasible:
        cycle = [edge[0] for edge in nx.find_cycle(graph)]
        shown = " -> ".join(label_of(nodes[k]) for k in [*cycle, cycle[0]])
        checks.fail(f"{where}: operators", shown, "an acyclic graph")
