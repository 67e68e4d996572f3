"""Which parameters lie where in the buckets of `DistributedDataParallel`.

Buckets are made anew after the first step, and a restored run has other ones than the saved run
had. What a compressor remembers is kept by bucket while these stay as they are, and is taken apart
by parameter where they change, or to be saved.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ...formulations import checks

if TYPE_CHECKING:
    from .torch_tensors import TorchCompressor

#: What is remembered of each element, and of a bucket as a whole.
_PER_ELEMENT = ("residual", "velocity")
_MESSAGES = "messages"


class Layouts:
    """The parameters of each bucket, and what is remembered of those that are in none yet.

    Parameters
    ----------
    model : torch.nn.Module
        Its parameters are known by name, without the ``module.`` of a wrapper.
    """

    __slots__ = ("_loose", "_messages", "_names", "_of_bucket", "_parameters")

    def __init__(self, model: Any) -> None:
        from torch.nn.parallel import DistributedDataParallel

        inner = model.module if isinstance(model, DistributedDataParallel) else model
        self._parameters = dict(inner.named_parameters())
        self._names: dict[int, str] = {id(p): name for name, p in self._parameters.items()}
        self._of_bucket: dict[str, tuple[str, ...]] = {}
        self._loose: dict[str, Any] = {}
        self._messages = 0

    def follow(self, bucket: Any, compressor: TorchCompressor) -> None:
        """Give the compressor what is remembered of the parameters of a bucket."""
        index = str(bucket.index())
        names = tuple(self._name(parameter) for parameter in bucket.parameters())
        if self._of_bucket.get(index) == names:
            return
        if index in self._of_bucket:  # all buckets were made anew
            self.restore(self.by_parameter(compressor.state_dict()))
            compressor.reset()
        self._of_bucket[index] = names
        if self._loose or self._messages:
            compressor.load_state_dict(compressor.state_dict() | self._joined(index, bucket))

    def by_parameter(self, state: Mapping[str, Any]) -> dict[str, Any]:
        """What a compressor remembers by bucket, and what is loose, by parameter."""
        parts = dict(self._loose)
        messages = self._messages
        for key, value in state.items():
            kind, _, index = key.partition("/")
            if kind == _MESSAGES:
                messages = max(messages, value)
                continue
            sizes = [self._parameters[name].numel() for name in self._of_bucket[index]]
            pieces = value.view(-1).split(sizes)
            for name, piece in zip(self._of_bucket[index], pieces, strict=True):
                parts[f"{kind}/{name}"] = piece.view(self._parameters[name].shape).clone()
        return parts | {_MESSAGES: messages}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take what `by_parameter` gave: all of it is loose."""
        rest = dict(state)
        messages = checks.whole(f"TopKState state[{_MESSAGES!r}]", rest.pop(_MESSAGES, None))
        for key, value in rest.items():
            kind, _, name = key.partition("/")
            checks.known("TopKState state", kind, _PER_ELEMENT)
            checks.known(f"TopKState state[{key!r}] parameter", name, tuple(self._parameters))
            if tuple(value.shape) != tuple(self._parameters[name].shape):
                expected = str(tuple(self._parameters[name].shape))
                checks.fail(f"TopKState state[{key!r}].shape", tuple(value.shape), expected)
        self._loose, self._messages, self._of_bucket = rest, messages, {}

    def _name(self, parameter: Any) -> str:
        if id(parameter) not in self._names:
            checks.fail("TopKState.model", "a module", "the one that the hook is registered with")
        return self._names[id(parameter)]

    def _joined(self, index: str, bucket: Any) -> dict[str, Any]:
        """Loose parts of the parameters of a bucket, in a row; they are not loose any more."""
        import torch

        rows: dict[str, Any] = {f"{_MESSAGES}/{index}": self._messages}
        is_wide = bucket.buffer().dtype == torch.float64
        dtype = torch.float64 if is_wide else torch.float32
        for kind in _PER_ELEMENT:
            keys = [f"{kind}/{name}" for name in self._of_bucket[index]]
            if any(key in self._loose for key in keys):
                parts = [self._loose.pop(key, None) for key in keys]
                rows[f"{kind}/{index}"] = torch.cat(
                    [
                        torch.zeros(self._parameters[name].numel(), dtype=dtype)
                        if part is None
                        else part.view(-1).to(dtype)
                        for name, part in zip(self._of_bucket[index], parts, strict=True)
                    ]
                )
        return rows
