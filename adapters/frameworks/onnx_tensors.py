"""Tensors of an ONNX graph: type, shape, bytes, and what counts as a parameter."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class TensorType:
    """Element type (an ONNX number) and shape of a tensor."""

    element: int
    shape: tuple[int, ...]

    @property
    def count(self) -> int:
        return math.prod(self.shape)


def type_of_weight(tensor: Any) -> TensorType:
    return TensorType(tensor.data_type, tuple(tensor.dims))


def type_of(entry: Any) -> TensorType | None:
    """Type and shape of a value, or None where a size is unknown."""
    tensor = entry.type.tensor_type
    if not tensor.elem_type or not tensor.HasField("shape"):
        return None
    sizes = [dim.dim_value if dim.HasField("dim_value") else -1 for dim in tensor.shape.dim]
    return None if min(sizes, default=0) < 0 else TensorType(tensor.elem_type, tuple(sizes))


def _bits(onnx: Any, element: int) -> float:
    if element in (onnx.TensorProto.INT4, onnx.TensorProto.UINT4):
        return 4
    if element == getattr(onnx.TensorProto, "FLOAT4E2M1", -1):
        return 4
    if element == onnx.TensorProto.STRING:
        return 64
    return float(8 * onnx.helper.tensor_dtype_to_np_dtype(element).itemsize)


def nbytes_of(onnx: Any, kind: TensorType) -> float:
    return kind.count * _bits(onnx, kind.element) / 8


def _is_index(onnx: Any, element: int) -> bool:
    proto = onnx.TensorProto
    return element in (
        proto.INT64,
        proto.INT32,
        proto.UINT64,
        proto.UINT32,
        proto.INT16,
        proto.UINT16,
        proto.BOOL,
        proto.STRING,
    )


def params_of(onnx: Any, kind: TensorType) -> int:
    """Numbers that training sets: not shapes and indices, not scalars of a formula."""
    return 0 if _is_index(onnx, kind.element) or not kind.shape else kind.count


def takes_memory(onnx: Any, kind: TensorType) -> bool:
    """Whether a constant takes memory worth counting: small index tensors are shape arguments."""
    return not _is_index(onnx, kind.element) or kind.count > 64


def tensors_of(onnx: Any, graph: Any) -> Iterator[Any]:
    """All tensors that a graph holds: initialisers and attributes, subgraphs included."""
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors
            for inner in subgraphs(onnx, attribute):
                yield from tensors_of(onnx, inner)


def subgraphs(onnx: Any, attribute: Any) -> Iterator[Any]:
    """Graphs that an attribute holds."""
    if attribute.type == onnx.AttributeProto.GRAPH:
        yield attribute.g
    elif attribute.type == onnx.AttributeProto.GRAPHS:
        yield from attribute.graphs


def reads_of(onnx: Any, node: Any) -> list[str]:
    """Tensors that an operator reads, those that its subgraphs take from outside included."""
    found = [item for item in node.input if item]
    for attribute in node.attribute:
        for inner in subgraphs(onnx, attribute):
            own = {entry.name for entry in inner.input} | {t.name for t in inner.initializer}
            own |= {item for row in inner.node for item in row.output}
            found += [i for row in inner.node for i in reads_of(onnx, row) if i not in own]
            found += [entry.name for entry in inner.output if entry.name not in own]
    return list(dict.fromkeys(found))


def label_of(node: Any) -> str:
    """Name of an operator, or of its first output where it has none."""
    return str(node.name or next((item for item in node.output if item), node.op_type))
