"""FLOPs of ATen operations: PyTorch's own formulas, and what they leave out on request."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import is_dataclass
from typing import Any

from .flop_rules import BATCH_NORM_FLOPS, NORM_FLOPS, SOFTMAX_FLOPS


def registry() -> Any:
    from torch.utils.flop_counter import flop_registry

    return flop_registry


def operation_flops(
    torch: Any, func: Any, args: Any, kwargs: Any, result: Any, elementwise: bool
) -> float:
    """FLOPs by PyTorch's own formulas; on request those of the operations it leaves out."""
    aten = torch.ops.aten
    packet = func._overloadpacket
    formula = registry().get(packet)
    if formula is not None:
        return float(formula(*args, **kwargs, out_val=result))
    if packet in (aten.mv, aten.dot, aten.vdot):  # products that the counter does not know
        return 2.0 * float(args[0].numel())
    if packet is aten.addmv:
        return 2.0 * float(args[1].numel())
    if not elementwise:
        return 0.0
    size = float(sum(tensor.numel() for tensor in tensors_in(torch, result)))
    name = packet.__name__
    if "batch_norm" in name:
        return BATCH_NORM_FLOPS * float(args[0].numel())
    if "_norm" in name:
        return NORM_FLOPS * float(args[0].numel())
    if "softmax" in name:
        return SOFTMAX_FLOPS * size
    if "pool" in name:
        return _pool_flops(name, args, result, size)
    if torch.Tag.pointwise in func.tags:
        return size
    if name in ("mean", "sum", "var", "amax", "amin", "prod", "max", "min"):
        return float(args[0].numel())
    return 0.0


def _pool_flops(name: str, args: Any, result: Any, size: float) -> float:
    """One FLOP for every number that a window reads."""
    if "adaptive" in name:
        return float(args[0].numel())
    output = result[0] if isinstance(result, tuple) else result
    window = list(args[1]) if isinstance(args[1], list | tuple) else [args[1]]
    spatial = output.dim() - 2 if len(window) == 1 else len(window)
    area = 1
    for k in range(spatial):
        area *= window[k if len(window) > 1 else 0]
    return float(output.numel()) * area


def tensors_in(torch: Any, tree: Any) -> Iterator[Any]:
    """Tensors of a nested structure, dataclasses and named outputs included."""
    if isinstance(tree, torch.Tensor):
        yield tree
    elif isinstance(tree, Mapping):
        for item in tree.values():
            yield from tensors_in(torch, item)
    elif isinstance(tree, list | tuple | set):
        for item in tree:
            yield from tensors_in(torch, item)
    elif is_dataclass(tree) and not isinstance(tree, type):
        for item in vars(tree).values() if hasattr(tree, "__dict__") else ():
            yield from tensors_in(torch, item)
