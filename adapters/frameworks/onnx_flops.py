"""FLOPs of ONNX operators from the shapes of their tensors (a multiply-add counts as 2)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from .flop_rules import BATCH_NORM_FLOPS, NORM_FLOPS, SOFTMAX_FLOPS, Shape, einsum_flops, given

#: FLOPs per output number, for ``elementwise=True``. Operators not named here move data.
_POINTWISE = frozenset(
    {
        "Abs",
        "Acos",
        "Acosh",
        "Add",
        "And",
        "Asin",
        "Asinh",
        "Atan",
        "Atanh",
        "BitShift",
        "BitwiseAnd",
        "BitwiseNot",
        "BitwiseOr",
        "BitwiseXor",
        "Ceil",
        "Celu",
        "Clip",
        "Cos",
        "Cosh",
        "CumSum",
        "DequantizeLinear",
        "Div",
        "Elu",
        "Equal",
        "Erf",
        "Exp",
        "Floor",
        "Gelu",
        "Greater",
        "GreaterOrEqual",
        "HardSigmoid",
        "HardSwish",
        "LeakyRelu",
        "Less",
        "LessOrEqual",
        "Log",
        "Max",
        "Mean",
        "Min",
        "Mish",
        "Mod",
        "Mul",
        "Neg",
        "Not",
        "Or",
        "PRelu",
        "Pow",
        "QuantizeLinear",
        "Reciprocal",
        "Relu",
        "Round",
        "Selu",
        "Shrink",
        "Sigmoid",
        "Sign",
        "Sin",
        "Sinh",
        "Softplus",
        "Softsign",
        "Sqrt",
        "Sub",
        "Sum",
        "Swish",
        "Tan",
        "Tanh",
        "ThresholdedRelu",
        "Where",
        "Xor",
    }
)
_NORMS = frozenset(
    {
        "GroupNormalization",
        "InstanceNormalization",
        "LayerNormalization",
        "LpNormalization",
        "MeanVarianceNormalization",
        "RMSNormalization",
        "SimplifiedLayerNormalization",
        "SkipLayerNormalization",
    }
)
_SOFTMAX = frozenset(["Softmax", "LogSoftmax", "Hardmax"])
_RECURRENT_GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}


def product_flops(
    op: str,
    attributes: Mapping[str, Any],
    inputs: Sequence[Shape | None],
    outputs: Sequence[Shape | None],
) -> float:
    """FLOPs of a convolution, matrix product, recurrent layer or attention; 0 for the rest.

    Parameters
    ----------
    op : str
        Operator type.
    attributes : mapping
        Attributes of the node.
    inputs, outputs : sequence of shapes
        None where a tensor is absent.

    Returns
    -------
    float
        Multiply-adds times 2.
    """
    if op in ("Conv", "FusedConv", "ConvInteger", "DeformConv", "QLinearConv"):
        kernel = given(inputs, 3 if op == "QLinearConv" else 1)
        _fit(given(inputs, 0)[1], kernel[1] * int(attributes.get("group", 1)))
        return 2.0 * math.prod(given(outputs, 0)) * math.prod(kernel[1:])
    if op == "ConvTranspose":
        return 2.0 * math.prod(given(inputs, 0)) * math.prod(given(inputs, 1)[1:])
    if op == "Gemm":
        a = given(inputs, 0)
        inner = a[0] if attributes.get("transA") else a[1]
        _fit(inner, given(inputs, 1)[1 if attributes.get("transB") else 0])
        return 2.0 * math.prod(given(outputs, 0)) * inner
    if op in ("MatMul", "MatMulInteger", "FusedMatMul", "QLinearMatMul"):
        axis = -2 if attributes.get("transA") and len(given(inputs, 0)) > 1 else -1
        inner, other = given(inputs, 0)[axis], given(inputs, 3 if op == "QLinearMatMul" else 1)
        meets = -2 if len(other) > 1 and not attributes.get("transB") else -1
        _fit(inner, other[meets])
        return 2.0 * math.prod(given(outputs, 0)) * inner
    if op == "Einsum":
        return einsum_flops(str(attributes.get("equation", "")), inputs)
    if op in _RECURRENT_GATES:
        steps_batch = math.prod(given(inputs, 0)[:2])  # either layout
        width = given(inputs, 0)[2]
        directions, _, hidden = given(inputs, 2)
        gates = _RECURRENT_GATES[op]
        return 2.0 * steps_batch * directions * gates * hidden * (width + hidden)
    if op == "Attention":
        return _attention(attributes, inputs)
    return 0.0


def elementwise_flops(
    op: str,
    attributes: Mapping[str, Any],
    inputs: Sequence[Shape | None],
    outputs: Sequence[Shape | None],
) -> float:
    """FLOPs of pointwise operators, norms, softmax, pooling and reductions (a convention)."""
    size = float(math.prod(outputs[0])) if outputs and outputs[0] is not None else 0.0
    read = float(math.prod(inputs[0])) if inputs and inputs[0] is not None else 0.0
    if op in _POINTWISE:
        return size * (max(1, len(inputs) - 1) if op in ("Sum", "Max", "Min", "Mean") else 1)
    if op == "BatchNormalization":
        return BATCH_NORM_FLOPS * size
    if op in _NORMS:
        return NORM_FLOPS * size
    if op in _SOFTMAX:
        return SOFTMAX_FLOPS * size
    if op == "LRN":
        return (2.0 * int(attributes.get("size", 1)) + 3) * size
    if op in ("MaxPool", "AveragePool", "LpPool"):
        return size * float(math.prod(attributes.get("kernel_shape", ())))
    if op.startswith(("Global", "Reduce")) or op in ("ArgMax", "ArgMin"):
        return read
    return 0.0


def _fit(inner: int, other: int) -> None:
    if inner != other:
        raise ValueError(f"{inner} numbers meet {other}")


def _attention(attributes: Mapping[str, Any], inputs: Sequence[Shape | None]) -> float:
    """Scores and their product with the values (ONNX operator ``Attention``, opset 23)."""
    query, key, value = (given(inputs, k) for k in range(3))
    past = inputs[4] if len(inputs) > 4 else None
    if len(query) == 4:
        batch, heads, rows, width = query
        columns, out = key[2], value[3]
    else:
        batch, rows, hidden = query
        heads = int(attributes["q_num_heads"])
        width, out = hidden // heads, value[2] // int(attributes["kv_num_heads"])
        columns = key[1]
    columns += past[2] if past is not None else 0
    return 2.0 * batch * heads * rows * columns * (width + out)
