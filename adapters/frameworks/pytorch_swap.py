"""Stand-ins for the tensors of a PyTorch module: swapped in for one forward pass, then undone."""

from __future__ import annotations

import contextlib
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any

from .op_graph import Weight


def faker(torch: Any, mode: Any) -> Callable[[Any], Any]:
    """Fake twin of a tensor; the meta device becomes the CPU, where a forward pass that makes
    tensors of its own puts them."""

    def twin(tensor: Any) -> Any:
        if tensor.layout is not torch.strided or tensor.is_quantized:
            return mode.from_tensor(tensor)
        device = "cpu" if tensor.device.type == "meta" else tensor.device
        with mode:
            return torch.empty_strided(
                tensor.shape, tensor.stride(), dtype=tensor.dtype, device=device
            )

    return twin


def own_copy(tensor: Any) -> Any:
    return tensor.detach().clone()


@contextlib.contextmanager
def swapped(
    torch: Any, model: Any, stand_in: Callable[[Any], Any], width: Callable[[Any], float]
) -> Iterator[dict[int, tuple[str, Weight]]]:
    """Swap every tensor of `model` for its stand-in, in evaluation mode; undo all of it after.

    Containers among the attributes are refilled from copies, so that a cache which the forward
    pass fills does not stay.

    Yields
    ------
    dict
        By id of the stand-in: the path of the weight, and its size. A shared weight stands once.
    """
    modules = dict(model.named_modules())
    before: list[tuple[dict[str, Any], dict[str, Any]]] = [
        (module.__dict__, dict(module.__dict__)) for module in modules.values()
    ]
    held = [item for _, items in before for item in items.values()]
    contents = [
        (item, item.copy()) for item in held if type(item) in (dict, OrderedDict, list, set)
    ]
    twins: dict[int, Any] = {}

    def twin(tensor: Any) -> Any:
        if id(tensor) not in twins:
            twins[id(tensor)] = stand_in(tensor)
        return twins[id(tensor)]

    weights: dict[int, tuple[str, Weight]] = {}
    try:
        for path, module in modules.items():
            for table, trainable in ((module._parameters, True), (module._buffers, False)):
                for name, tensor in table.items():
                    if tensor is not None:
                        nbytes = tensor.numel() * width(tensor.dtype)
                        weight = Weight(tensor.numel() if trainable else 0, nbytes)
                        table[name] = twin(tensor)
                        label = f"{path}.{name}".lstrip(".")
                        weights.setdefault(id(table[name]), (label, weight))
        for module in modules.values():
            attributes: dict[str, Any] = module.__dict__
            for name, item in list(attributes.items()):
                if name not in ("_parameters", "_buffers", "_modules"):
                    attributes[name] = _replaced(torch, item, twin)
            attributes["training"] = False
        yield weights
    finally:
        for attributes, items in before:
            attributes.clear()
            attributes.update(items)
        for container, copy in contents:
            container.clear()
            container.extend(copy) if isinstance(container, list) else container.update(copy)


def _replaced(torch: Any, item: Any, twin: Callable[[Any], Any]) -> Any:
    """An attribute with its tensors, also those one level inside a container, swapped."""
    if isinstance(item, torch.Tensor):
        return twin(item)
    if type(item) in (list, tuple) and any(isinstance(x, torch.Tensor) for x in item):
        return type(item)(twin(x) if isinstance(x, torch.Tensor) else x for x in item)
    if type(item) in (dict, OrderedDict) and any(
        isinstance(x, torch.Tensor) for x in item.values()
    ):
        return type(item)(
            (k, twin(x) if isinstance(x, torch.Tensor) else x) for k, x in item.items()
        )
    return item
