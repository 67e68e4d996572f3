"""One forward pass of a PyTorch module, recorded operation by operation without any data.

Weights and inputs are swapped for fake tensors (shape and type, no memory), the module runs once
in evaluation mode, and a dispatch mode notes every ATen operation with the module that called it.
The caller's module is put back exactly as it was.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ...formulations.checks import fail
from .op_graph import Operation, OpGraph, Value, Weight
from .pytorch_flops import operation_flops, registry, tensors_in
from .pytorch_swap import faker, own_copy, swapped

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Frame:
    """One call of a module; `chain` holds the calls from the root to it."""

    module: Any
    path: str
    count: int
    chain: tuple[Frame, ...]
    children: int = 0
    operations: int = 0

    @property
    def label(self) -> str:
        name = self.path or type(self.module).__name__
        return name if self.count == 0 else f"{name}@{self.count}"


@dataclass(slots=True)
class Recording:
    """What one forward pass did; ``callers[k]`` is the call that ran operation k."""

    graph: OpGraph = field(default_factory=OpGraph)
    callers: list[Frame | None] = field(default_factory=list)
    weight_paths: dict[int, str] = field(default_factory=dict)


class Recorder:
    """Turns the stream of dispatched operations into an `OpGraph`."""

    def __init__(self, weights: Mapping[int, tuple[str, Weight]], width: Callable[[Any], float]):
        self.recording = Recording()
        self.recording.graph.weights.update({key: weight for key, (_, weight) in weights.items()})
        self.recording.weight_paths.update({key: path for key, (path, _) in weights.items()})
        self.width = width
        self.alive: list[Any] = []  # an id is only a key while its tensor lives
        self.version: dict[int, tuple[int, int]] = {}  # storage: (writes so far, last writer)
        self.born: dict[int, int] = {}

    def storage(self, tensor: Any) -> int:
        try:
            return int(tensor.untyped_storage()._cdata)
        except (NotImplementedError, RuntimeError):  # sparse and opaque tensors own no storage
            return id(tensor)

    def value(self, key: Any, tensor: Any) -> None:
        each = self.width(tensor.dtype)
        total = tensor.numel() * each
        try:
            held = tensor.untyped_storage().nbytes() / tensor.element_size() * each
        except (NotImplementedError, RuntimeError):
            held = total
        self.alive.append(tensor)
        self.recording.graph.values[key] = Value(total, self.storage(tensor), held)

    def add_input(self, tensor: Any) -> None:
        self.value(id(tensor), tensor)
        self.born[id(tensor)] = 0
        self.recording.graph.inputs.append(id(tensor))

    def read(self, tensor: Any) -> Any:
        """Key of a tensor as it is now: a write through any view makes it a new value."""
        writes, writer = self.version.get(self.storage(tensor), (0, -1))
        if self.born.get(id(tensor), 0) == writes:
            return id(tensor)
        key = ("written", writer, id(tensor))
        if key not in self.recording.graph.values:
            self.value(key, tensor)
            writer_operation = self.recording.graph.operations[writer]
            writer_operation.writes = [*writer_operation.writes, key]
        return key

    def add(
        self,
        kind: str,
        flops: tuple[float, float],
        arguments: Sequence[Any],
        results: Sequence[Any],
        mutated: Sequence[Any],
        frame: Frame | None,
    ) -> None:
        weights = [id(t) for t in arguments if id(t) in self.recording.graph.weights]
        reads = [self.read(t) for t in arguments]
        number = len(self.recording.graph.operations)
        for tensor in mutated:
            place = self.storage(tensor)
            self.version[place] = (self.version.get(place, (0, -1))[0] + 1, number)
        known = {id(t) for t in arguments}
        writes = []
        for tensor in results:
            if id(tensor) not in known:
                self.value(id(tensor), tensor)
                self.born[id(tensor)] = self.version.get(self.storage(tensor), (0, -1))[0]
                writes.append(id(tensor))
        self.alive.extend(arguments)
        products, others = flops
        operation = Operation(kind, reads, writes, products, others, None, weights)
        self.recording.graph.operations.append(operation)
        self.recording.callers.append(frame)
        if frame is not None:
            frame.operations += 1


def trace(
    model: Any,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    *,
    fake: bool,
    elementwise: bool,
    width: Callable[[Any], float],
) -> Recording:
    """Run `model` once and record it.

    Parameters
    ----------
    model : torch.nn.Module
        Any module, on any device.
    args, kwargs
        Arguments of its forward pass.
    fake : bool
        Run on fake tensors (nothing is allocated or computed) or on the real ones.
    elementwise : bool
        Whether operations other than matrix products count FLOPs.
    width : callable
        Bytes of one number of a torch dtype.

    Returns
    -------
    Recording
        The operations, without layers.
    """
    import torch
    from torch._subclasses.fake_tensor import FakeTensorMode
    from torch.nn.attention import SDPBackend, sdpa_kernel
    from torch.utils import _pytree as pytree

    mode: Any = FakeTensorMode(allow_non_fake_inputs=True) if fake else contextlib.nullcontext()
    stand_in = faker(torch, mode) if fake else own_copy
    fast_path = torch.backends.mha.get_fastpath_enabled()
    with contextlib.ExitStack() as stack:
        stack.enter_context(torch.no_grad())
        # Fused kernels hide their matrix products from the counter: ask for the plain ones.
        torch.backends.mha.set_fastpath_enabled(False)
        stack.callback(torch.backends.mha.set_fastpath_enabled, fast_path)
        stack.callback(torch._C._set_mkldnn_enabled, torch._C._get_mkldnn_enabled())
        torch._C._set_mkldnn_enabled(False)
        stack.enter_context(sdpa_kernel(SDPBackend.MATH))
        weights = stack.enter_context(swapped(torch, model, stand_in, width))
        args, kwargs = pytree.tree_map_only(torch.Tensor, stand_in, (tuple(args), dict(kwargs)))
        recorder = Recorder(weights, width)
        for tensor in tensors_in(torch, (args, kwargs)):
            if id(tensor) not in recorder.recording.graph.values:
                recorder.add_input(tensor)
        frames = stack.enter_context(_module_calls(torch, model))
        stack.enter_context(mode)
        stack.enter_context(_dispatch_mode(torch, recorder, frames, elementwise))
        result = model(*args, **kwargs)
        graph = recorder.recording.graph
        for tensor in tensors_in(torch, result):
            key = recorder.read(tensor)
            if key not in graph.values:
                recorder.value(key, tensor)
            if key not in graph.outputs:
                graph.outputs.append(key)
    return recorder.recording


@contextlib.contextmanager
def _module_calls(torch: Any, model: Any) -> Iterator[list[Frame]]:
    """Stack of the module calls in progress, kept by hooks that no module carries itself."""
    from torch.nn.modules import module as hooks

    paths = {id(module): path for path, module in model.named_modules()}
    calls: dict[int, int] = {}
    stack: list[Frame] = []

    def is_inner(module: Any) -> bool:
        """Whether a module only computes a weight of the module that it belongs to."""
        return "parametrizations" in paths.get(id(module), "").split(".")

    def enter(module: Any, inputs: Any) -> None:
        if is_inner(module):
            return
        count = calls.get(id(module), 0)
        calls[id(module)] = count + 1
        path = paths.get(id(module), type(module).__name__)
        frame = Frame(module, path, count, ())
        frame.chain = (*stack[-1].chain, frame) if stack else (frame,)
        if stack:
            stack[-1].children += 1
        stack.append(frame)

    def leave(module: Any, inputs: Any, output: Any) -> Any:
        if is_inner(module):
            return None
        frame = stack[-1]
        # A module that hands its input through (identity, dropout) is a layer all the same.
        through = isinstance(output, torch.Tensor) and not frame.operations and not frame.children
        result = torch.ops.aten.alias(output) if through else None
        stack.pop()
        return result

    handles = [
        hooks.register_module_forward_pre_hook(enter),
        hooks.register_module_forward_hook(leave),
    ]
    try:
        yield stack
    finally:
        for handle in handles:
            handle.remove()


def _dispatch_mode(torch: Any, recorder: Recorder, frames: list[Frame], elementwise: bool) -> Any:
    from torch.utils._python_dispatch import TorchDispatchMode

    class Mode(TorchDispatchMode):  # type: ignore[misc]  # torch is untyped here
        def __torch_dispatch__(
            self, func: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            kwargs = kwargs or {}
            if func is torch.ops.prim.device.default:
                return func(*args, **kwargs)
            packet = func._overloadpacket
            if packet not in registry():
                with self:
                    result = func.decompose(*args, **kwargs)
                if result is not NotImplemented:
                    return result
            result = func(*args, **kwargs)
            tensors = list(tensors_in(torch, (args, kwargs)))
            mutated = [
                tensor
                for k, argument in enumerate(func._schema.arguments)
                if argument.alias_info is not None and argument.alias_info.is_write
                for tensor in tensors_in(
                    torch, args[k] if k < len(args) else kwargs.get(argument.name)
                )
            ]
            products = operation_flops(torch, func, args, kwargs, result, False)
            every = operation_flops(torch, func, args, kwargs, result, elementwise)
            name = str(packet).rpartition(".")[2]
            if func.namespace == "quantized":
                fail(
                    f"read_pytorch operation quantized.{name}",
                    "weights in a packed form",
                    "a float model (profile it before it is quantised)",
                )
            if func.namespace not in ("aten", "prim", "prims") and packet not in registry():
                _log.warning("%s.%s has no FLOP formula: counted as 0", func.namespace, name)
            recorder.add(
                name,
                (products, every - products),
                tensors,
                list(tensors_in(torch, result)),
                mutated,
                frames[-1] if frames else None,
            )
            return result

    return Mode()
