"""Model profiles from PyTorch: any `torch.nn.Module`, on the meta device too.

The module runs once on fake tensors (see `pytorch_trace`); the operations become layers by leaf
module, by depth or by module class.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from ...formulations import checks
from ...formulations.profile import LayerProfile, ModelProfile
from ...formulations.transformer import DTYPE_BYTES
from .op_graph import assemble
from .pytorch_trace import Frame, Recording, trace

_log = logging.getLogger(__name__)

#: Sides of the square images tried, in this order, where a convolution comes first.
IMAGE_SIDES = (224, 32, 28, 64, 128, 256, 299, 227, 96, 512)


def read_pytorch(
    model: Any,
    example_inputs: Any = None,
    *,
    depth: int | None = None,
    group_by: type | Sequence[type] | None = None,
    batch: int = 1,
    dtype: str | None = None,
    elementwise: bool = False,
    name: str | None = None,
) -> ModelProfile:
    """Profile a PyTorch module without running it on data or allocating its weights.

    Parameters
    ----------
    model : torch.nn.Module
        Any module, on any device; it is profiled in evaluation mode and left as it was.
    example_inputs : tensor, tuple, dict, optional
        One request: a tensor, a tuple of positional arguments, a dict of keyword arguments, or a
        tuple of whole numbers (the shape of a single tensor). Only shapes and types count. Without
        it an input is guessed from the first layer that fixes one: its width for a linear layer,
        one position for an embedding, recurrent or attention layer (the figures are then per
        token), the first of `IMAGE_SIDES` that the model accepts for a convolution. If no guess
        runs, parameters and bytes are still exact and the leaf modules become a chain in order of
        registration whose FLOPs and activations are those of one position (2 per weight).
    depth : int, optional
        Layers are the modules called at this depth: 1 for those that the model calls itself, 2 for
        those that they call. Modules without calls inside stay layers above it. Containers
        that are only indexed, such as `ModuleList`, do not count. The default is leaf modules.
    group_by : type or sequence of types, optional
        Module classes that become one layer each (the outermost match), such as a block. Modules
        outside them are layers by leaf. Not together with `depth`.
    batch : int
        Size of the first dimension of a guessed input.
    dtype : str, optional
        Count bytes as if all floating-point numbers had this type (a key of `DTYPE_BYTES`).
    elementwise : bool
        Also count one FLOP per output of elementwise operations and a few for norms, pooling and
        softmax, which PyTorch's own counter leaves out.
    name : str, optional
        Name of the profile; the class of the module unless given.

    Returns
    -------
    ModelProfile
        Layers in execution order with the edges of the real graph. `params` counts parameters (a
        shared one once, at its first use); buffers, such as the statistics of batch norms, are
        in `weight_bytes` alone. FLOPs are those of `torch.utils.flop_counter`.

    Raises
    ------
    InputError
        If `model` is no module, has no layer, or does not accept `example_inputs`.
    ImportError
        If PyTorch is missing.
    """
    try:
        import torch
    except ImportError as error:
        raise ImportError("read_pytorch needs PyTorch: pip install 'orbweave[torch]'") from error
    if not isinstance(model, torch.nn.Module):
        checks.fail("read_pytorch.model", model, "a torch.nn.Module")
    model = getattr(model, "_orig_mod", model)  # the module inside a compiled one
    if isinstance(
        model, torch.nn.Sequential | torch.nn.ModuleList | torch.nn.ModuleDict
    ) and not len(model):
        checks.fail(
            "read_pytorch.model", type(model).__name__, "a module with layers (it is empty)"
        )
    if depth is not None:
        checks.whole("read_pytorch.depth", depth, low=1)
    classes = _classes(torch, group_by)
    if depth is not None and classes:
        checks.fail("read_pytorch.depth", depth, "no depth where group_by is given")
    checks.whole("read_pytorch.batch", batch, low=1)
    width = _width_of(torch, dtype)
    for path, parameter in model.named_parameters():
        if isinstance(parameter, torch.nn.parameter.UninitializedParameter):
            checks.fail(f"read_pytorch parameter {path}", "uninitialised", "a shape (run it once)")
    label = name or type(model).__name__

    def run(args: Sequence[Any], kwargs: Mapping[str, Any], fake: bool) -> ModelProfile:
        recording = trace(model, args, kwargs, fake=fake, elementwise=elementwise, width=width)
        return _profile(recording, label, depth, classes)

    if example_inputs is not None:
        args, kwargs = _arguments(torch, model, example_inputs)
        return _run_example(torch, model, args, kwargs, run)
    for guess in _guesses(torch, model, batch):
        try:
            return run(guess, {}, True)
        except Exception as error:
            # Any failure of the user's forward pass means: not the input that it expects.
            _log.debug(
                "guessed input %s does not fit %s: %s",
                [tuple(item.shape) for item in guess],
                label,
                error,
            )
    return _estimate(torch, model, label, width)


def _run_example(
    torch: Any,
    model: Any,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    run: Callable[[Sequence[Any], Mapping[str, Any], bool], ModelProfile],
) -> ModelProfile:
    try:
        return run(args, kwargs, True)
    except checks.InputError:
        raise
    except Exception as error:
        failure = error
    tensors = [*model.parameters(), *model.buffers()]
    if not any(tensor.is_meta for tensor in tensors):
        # Control flow that depends on data needs the data: run the pass for real.
        try:
            return run(args, kwargs, False)
        except checks.InputError:
            raise
        except Exception as error:
            failure = error
    text = str(failure).strip().splitlines() or [""]
    raise checks.InputError(
        f"read_pytorch.example_inputs: expected inputs that {type(model).__name__}.forward "
        f"accepts; it raised {type(failure).__name__}: {text[0]}"
    ) from failure


def _profile(
    recording: Recording, name: str, depth: int | None, classes: tuple[type, ...]
) -> ModelProfile:
    """Name the layer of every operation and assemble the profile."""
    graph = recording.graph
    opened: dict[int, str] = {}  # by call: the layer that it or a call inside it opened last
    for operation, caller in zip(graph.operations, recording.callers, strict=True):
        unit = _unit(caller, depth, classes)
        if unit is None and caller is not None:
            operation.near = opened.get(id(caller))
        elif unit is not None and caller is not None:
            opened.update((id(frame), unit.label) for frame in caller.chain)
            operation.layer = unit.label
            graph.layer_names[unit.label] = unit.label
            graph.layer_kinds[unit.label] = type(unit.module).__name__
    for key, path in recording.weight_paths.items():
        owner = path.rpartition(".")[0]
        while owner and owner not in graph.layer_names:
            owner = owner.rpartition(".")[0]
        graph.home_of_weight[key] = owner
    return assemble(graph, name)


def _unit(caller: Frame | None, depth: int | None, classes: tuple[type, ...]) -> Frame | None:
    """The call that is the layer of an operation, or None for a container's own code."""
    if caller is None:
        return None
    if classes:
        match = next((frame for frame in caller.chain if isinstance(frame.module, classes)), None)
        if match is not None:
            return match
    if depth is not None and len(caller.chain) > depth:
        return caller.chain[depth]
    return caller if caller.children == 0 else None


def _classes(torch: Any, group_by: type | Sequence[type] | None) -> tuple[type, ...]:
    if group_by is None:
        return ()
    classes: tuple[Any, ...] = (
        tuple(group_by) if isinstance(group_by, list | tuple | set) else (group_by,)
    )
    for item in classes:
        if not (isinstance(item, type) and issubclass(item, torch.nn.Module)):
            checks.fail("read_pytorch.group_by", item, "module classes, such as (Block,)")
    return classes


def _width_of(torch: Any, dtype: str | None) -> Callable[[Any], float]:
    if dtype is None:
        return lambda kind: float(kind.itemsize)
    number = DTYPE_BYTES[checks.known("read_pytorch.dtype", dtype, tuple(DTYPE_BYTES))]
    return lambda kind: number if kind.is_floating_point else float(kind.itemsize)


def _float_type(torch: Any, model: Any) -> Any:
    kinds = (p.dtype for p in model.parameters() if p.is_floating_point())
    return next(kinds, torch.get_default_dtype())


def _arguments(torch: Any, model: Any, example: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    if isinstance(example, torch.Tensor):
        return (example,), {}
    if isinstance(example, Mapping):
        return (), dict(example)
    if not isinstance(example, list | tuple):
        checks.fail("read_pytorch.example_inputs", example, "a tensor, a tuple, a dict or a shape")
    if example and all(isinstance(n, int) and not isinstance(n, bool) for n in example):
        shape = [checks.whole("read_pytorch.example_inputs", n, low=1) for n in example]
        return (torch.empty(shape, dtype=_float_type(torch, model), device="meta"),), {}
    return tuple(example), {}


def _guesses(torch: Any, model: Any, batch: int) -> Iterator[tuple[Any, ...]]:
    """Arguments that the first layer with a fixed input allows, as meta tensors."""
    own = getattr(model, "example_input_array", None)
    if isinstance(own, torch.Tensor):
        yield (own,)
    nn = torch.nn
    kind = _float_type(torch, model)

    def floats(*shape: int) -> tuple[Any, ...]:
        return (torch.empty(shape, dtype=kind, device="meta"),)

    for layer in model.modules():
        if isinstance(layer, nn.Linear):
            yield floats(batch, layer.in_features)
            yield floats(batch, 1, layer.in_features)
            for side in (28, 32):  # a flattened image
                if layer.in_features % (side * side) == 0:
                    yield floats(batch, layer.in_features // (side * side), side, side)
            return
        if isinstance(layer, nn.Embedding):
            yield (torch.empty((batch, 1), dtype=torch.int64, device="meta"),)
            return
        if isinstance(layer, nn.Conv1d):
            for length in (1024, 128, 16000):
                yield floats(batch, layer.in_channels, length)
            return
        if isinstance(layer, nn.Conv2d):
            for side in IMAGE_SIDES:
                yield floats(batch, layer.in_channels, side, side)
            return
        if isinstance(layer, nn.Conv3d):
            for side in (112, 64, 32):
                yield floats(batch, layer.in_channels, 16, side, side)
            return
        if isinstance(layer, nn.RNNBase):
            yield floats(*((batch, 1) if layer.batch_first else (1, batch)), layer.input_size)
            return
        if isinstance(layer, nn.TransformerEncoderLayer | nn.MultiheadAttention):
            attention = getattr(layer, "self_attn", layer)
            first = (batch, 1) if attention.batch_first else (1, batch)
            sequence = floats(*first, attention.embed_dim)
            yield sequence * 3 if layer is model and attention is layer else sequence
            return
        if isinstance(layer, nn.LayerNorm):
            yield floats(batch, *layer.normalized_shape)
            yield floats(batch, 1, *layer.normalized_shape)
            return
        if isinstance(layer, nn.BatchNorm2d):
            for side in IMAGE_SIDES:
                yield floats(batch, layer.num_features, side, side)
            return


def _estimate(torch: Any, model: Any, name: str, width: Callable[[Any], float]) -> ModelProfile:
    """Leaf modules as a chain in order of registration, one position each; weights are exact."""
    _log.warning(
        "%s: no input could be guessed, so FLOPs and activations are those of one position; "
        "pass example_inputs for the real graph",
        name,
    )
    seen: set[int] = set()
    rows = []
    last = 0.0
    for path, module in model.named_modules():
        own = [(p, True) for p in module._parameters.values() if p is not None]
        own += [(b, False) for b in module._buffers.values() if b is not None]
        if not own and any(True for _ in module.children()):
            continue
        fresh = [(t, trains) for t, trains in own if id(t) not in seen]
        seen |= {id(t) for t, _ in fresh}
        matrices = [p for p, trains in own if trains and p.dim() >= 2]
        embedding = isinstance(module, torch.nn.Embedding | torch.nn.EmbeddingBag)
        if embedding:
            last = module.embedding_dim * width(module.weight.dtype)
        elif matrices:
            last = matrices[-1].shape[0] * width(matrices[-1].dtype)
        rows.append(
            LayerProfile(
                name=path or type(module).__name__,
                params=sum(t.numel() for t, trains in fresh if trains),
                weight_bytes=sum(t.numel() * width(t.dtype) for t, _ in fresh),
                flops=0.0 if embedding else 2.0 * sum(math.prod(p.shape) for p in matrices),
                activation_bytes=last,
                kind=type(module).__name__,
            )
        )
    if not rows:
        checks.fail("read_pytorch.model", name, "a module with layers (it is empty)")
    return ModelProfile(
        tuple(rows), input_bytes=rows[0].activation_bytes, output_bytes=last, name=name
    )
