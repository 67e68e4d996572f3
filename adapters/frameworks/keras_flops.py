"""FLOPs of TensorFlow graph operations from their static shapes (a multiply-add counts as 2)."""

from __future__ import annotations

import math
from typing import Any

from ...formulations import checks
from .flop_rules import BATCH_NORM_FLOPS, NORM_FLOPS, SOFTMAX_FLOPS, einsum_flops
from .onnx_flops import elementwise_flops

#: TensorFlow's names of pointwise operations that ONNX calls otherwise, or does not have.
_ALSO_POINTWISE = frozenset(
    {
        "AddN",
        "AddV2",
        "BiasAdd",
        "Maximum",
        "Minimum",
        "RealDiv",
        "Relu6",
        "Rsqrt",
        "SelectV2",
        "Square",
        "SquaredDifference",
        "FloorDiv",
        "FloorMod",
        "Expm1",
        "Log1p",
    }
)
_BRANCHES = ("If", "StatelessIf")
_LOOPS = ("While", "StatelessWhile")
_CALLS = ("PartitionedCall", "StatefulPartitionedCall")


def operation_flops(operation: Any, elementwise: bool) -> float:
    """FLOPs of one operation of a TensorFlow graph.

    Parameters
    ----------
    operation : tf.Operation
        Loops and branches included: the body times its static number of turns, the costlier branch.
    elementwise : bool
        Whether pointwise operations, norms, softmax and pooling count.

    Returns
    -------
    float
        Multiply-adds times 2, and elementwise operations where asked for.

    Raises
    ------
    InputError
        If a size that the formula needs, or a loop's number of turns, depends on the data.
    """
    kind = operation.type
    if kind in _LOOPS:
        return _turns(operation) * _body(operation, "body", elementwise)
    if kind in _BRANCHES:
        return max(_body(operation, f"{side}_branch", elementwise) for side in ("then", "else"))
    if kind in _CALLS:
        return _body(operation, "f", elementwise)
    flops = _product(operation)
    return flops if flops or not elementwise else _pointwise(operation)


def _product(operation: Any) -> float:
    kind = operation.type
    if kind in ("Conv2D", "Conv3D"):
        return 2.0 * math.prod(_out(operation)) * math.prod(_in(operation, 1)[:-1])
    if kind == "DepthwiseConv2dNative":
        return 2.0 * math.prod(_out(operation)) * math.prod(_in(operation, 1)[:2])
    if kind in ("Conv2DBackpropInput", "Conv3DBackpropInputV2"):  # a transposed convolution
        return 2.0 * math.prod(_in(operation, 2)) * math.prod(_in(operation, 1)[:-1])
    if kind == "MatMul":
        inner = _in(operation, 0)[0 if operation.get_attr("transpose_a") else 1]
        return 2.0 * math.prod(_out(operation)) * inner
    if kind in ("BatchMatMul", "BatchMatMulV2", "BatchMatMulV3"):
        inner = _in(operation, 0)[-2 if operation.get_attr("adj_x") else -1]
        return 2.0 * math.prod(_out(operation)) * inner
    if kind == "Einsum":
        shapes = [_in(operation, k) for k in range(len(operation.inputs))]
        return einsum_flops(operation.get_attr("equation").decode(), shapes)
    return 0.0


def _pointwise(operation: Any) -> float:
    kind = operation.type
    if kind.startswith("FusedBatchNorm"):
        return BATCH_NORM_FLOPS * float(math.prod(_out(operation)))
    if kind in ("Softmax", "LogSoftmax"):
        return SOFTMAX_FLOPS * float(math.prod(_out(operation)))
    if "LayerNorm" in kind:
        return NORM_FLOPS * float(math.prod(_out(operation)))
    if kind in ("MaxPool", "AvgPool", "MaxPool3D", "AvgPool3D"):
        return float(math.prod(_out(operation)) * math.prod(operation.get_attr("ksize")))
    if kind in _ALSO_POINTWISE:
        return float(math.prod(_out(operation)))
    floats = operation.outputs and operation.outputs[0].dtype.is_floating
    if not floats or not operation.outputs[0].shape.is_fully_defined():
        return 0.0
    if kind in ("Sum", "Max", "Min", "Prod"):
        return float(math.prod(_in(operation, 0)))
    shapes = [tuple(t.shape) if t.shape.is_fully_defined() else None for t in operation.inputs]
    # One input at most: the variadic operators of ONNX have other names here.
    name = "Add" if kind == "Mean" else kind
    return elementwise_flops(name, {}, shapes, [tuple(operation.outputs[0].shape)])


def _in(operation: Any, k: int) -> tuple[int, ...]:
    return _shape(operation, operation.inputs[k])


def _out(operation: Any) -> tuple[int, ...]:
    return _shape(operation, operation.outputs[0])


def _shape(operation: Any, tensor: Any) -> tuple[int, ...]:
    if not tensor.shape.is_fully_defined():
        checks.fail(
            f"read_tensorflow operation {operation.name!r}",
            str(tensor.shape),
            "sizes known before the model runs",
        )
    return tuple(tensor.shape)


def _body(operation: Any, attribute: str, elementwise: bool) -> float:
    name = operation.get_attr(attribute).name
    graph = operation.graph._get_function(name).graph
    return sum(operation_flops(inner, elementwise) for inner in graph.get_operations())


def _turns(operation: Any) -> float:
    """Number of turns of a loop: its `maximum_iterations`, where that is static."""
    import tensorflow as tf

    limit = operation.inputs[1]
    value = tf.get_static_value(limit)
    if value is None and limit.op.type == "Max":  # Keras takes the maximum of a scalar
        value = tf.get_static_value(limit.op.inputs[0])
    if value is None:
        checks.fail(
            f"read_tensorflow loop {operation.name!r} turns", "unknown", "a static number of steps"
        )
    return float(value.max())
