"""A communication hook for PyTorch's `DistributedDataParallel`: the largest entries, packed.

Each bucket of gradients is compressed with error feedback, the packed messages of all ranks are
gathered (their lengths first, for they differ), and every rank unpacks all of them, its own too,
and averages in the order of ranks: replicas stay the same to the last bit.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ...formulations import checks
from ...formulations.compression import wire
from .ddp_buckets import Layouts
from .torch_tensors import TorchCompressor, add_entries

#: Length that a rank announces whose gradient is not finite.
_NOT_FINITE = -1
_LENGTH_BYTES = 8


class TopKState:
    """What `topk_hook` works with, one of it on each rank.

    Parameters
    ----------
    model : torch.nn.Module
        The module, wrapped or not; residuals are saved under the names of its parameters.
    keep_ratio : float
        Share of a bucket's entries that a step sends, those of largest magnitude.
    bits : int or None
        Bits of a value, 2 to 8, or None for numbers as they are.
    warm_up_steps : int
        First steps whose gradients are averaged whole.
    process_group : torch.distributed.ProcessGroup, optional
        That of all ranks unless given.
    **options
        Others of `Compressor`: `levels`, `error_feedback`, `momentum` and so on.

    Attributes
    ----------
    steps : int
        Backward passes so far.
    sent_bytes : int
        What this rank handed to collectives: packed messages, their padding and lengths, and the
        whole gradients of warm-up.
    dense_bytes : int
        What it would have handed over without the hook.

    Notes
    -----
    A gradient that is not finite on one rank makes the bucket NaN on all, as an average would, and
    what the others sent of it is residual again: a loss scaler skips the step. A residual is in
    units of the scale at which its gradients came.

    O(elements + ranks * kept) a step; beside the compressor's residual, one bucket of memory.
    """

    __slots__ = (
        "_compressor",
        "_group",
        "_layouts",
        "_warm_up",
        "dense_bytes",
        "sent_bytes",
        "steps",
    )

    def __init__(
        self,
        model: Any,
        keep_ratio: float = 0.01,
        bits: int | None = 8,
        *,
        warm_up_steps: int = 0,
        process_group: Any = None,
        **options: Any,
    ) -> None:
        for name, value in (("keep_ratio", keep_ratio), ("bits", bits)):
            if isinstance(value, Mapping):
                checks.fail(f"TopKState.{name}", value, "one number: buckets hold many parameters")
        self._compressor = TorchCompressor(keep_ratio, bits, **options)
        self._layouts = Layouts(model)
        self._warm_up = checks.whole("TopKState.warm_up_steps", warm_up_steps)
        self._group = process_group
        self.steps = self.sent_bytes = self.dense_bytes = 0

    def state_dict(self) -> dict[str, Any]:
        """Steps, counts and what is remembered of each parameter: tensors and whole numbers.

        It is this rank's; every rank saves its own, and restores it under the same number of
        ranks.
        """
        counts = {name: getattr(self, name) for name in ("steps", "sent_bytes", "dense_bytes")}
        return counts | self._layouts.by_parameter(self._compressor.state_dict())

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a saved state, however the parameters lie in buckets now.

        Raises
        ------
        InputError
            If a count is missing or a tensor is not of a parameter of the model.
        """
        rest = dict(state)
        counts = {}
        for name in ("steps", "sent_bytes", "dense_bytes"):
            counts[name] = checks.whole(f"TopKState state[{name!r}]", rest.pop(name, None))
        self._layouts.restore(rest)
        self._compressor.reset()
        for name, count in counts.items():
            setattr(self, name, count)

    def compressed(self, bucket: Any) -> bytes:
        """The message of a bucket, its residual in; empty if the gradient is not finite."""
        import torch

        buffer = bucket.buffer()
        if not bool(torch.isfinite(buffer).all()):
            return b""
        self._layouts.follow(bucket, self._compressor)
        return self._compressor.compress(buffer, str(bucket.index()))

    def taken_back(self, bucket: Any, message: bytes) -> None:
        """Make what a message carries residual again."""
        key = f"residual/{bucket.index()}"
        state = self._compressor.state_dict()
        if message and key in state:
            (sparse,) = wire.read(message, bucket.buffer().numel()).values()
            add_entries(state[key].view(-1), sparse)
            self._compressor.load_state_dict(state)

    def gathered(self, message: bytes, device: Any) -> tuple[list[int], list[Any], Any]:
        """All ranks' lengths, rows for their padded bytes, and the future that fills them in."""
        import torch
        import torch.distributed as dist

        device = _travels_on(self._group, device)
        length = torch.tensor([len(message) or _NOT_FINITE], dtype=torch.int64, device=device)
        rows = [torch.empty_like(length) for _ in range(dist.get_world_size(self._group))]
        dist.all_gather(rows, length, group=self._group)
        lengths = [int(row) for row in rows]
        self.sent_bytes += _LENGTH_BYTES
        if min(lengths) < 0:
            return lengths, [], None
        padded = np.zeros(max(lengths), np.uint8)
        padded[: len(message)] = np.frombuffer(message, np.uint8)
        own = torch.from_numpy(padded).to(device)
        others = [torch.empty_like(own) for _ in rows]
        work = dist.all_gather(others, own, group=self._group, async_op=True)
        self.sent_bytes += len(padded)
        assert work is not None  # it is for ranks outside the group only
        return lengths, others, work.get_future()

    def averaged(self, bucket: Any) -> Any:
        """The future of a bucket's plain mean over all ranks."""
        import torch.distributed as dist

        buffer = bucket.buffer().div_(dist.get_world_size(self._group))
        work = dist.all_reduce(buffer, group=self._group, async_op=True)
        assert work is not None
        self.sent_bytes += buffer.numel() * buffer.element_size()
        return work.get_future().then(lambda done: done.value()[0])

    def counts(self, bucket: Any) -> bool:
        """Count a bucket of a step; whether the step is one of warm-up."""
        is_warm_up = self.steps < self._warm_up
        self.dense_bytes += bucket.buffer().numel() * bucket.buffer().element_size()
        self.steps += bucket.is_last()
        return is_warm_up


def topk_hook(state: TopKState, bucket: Any) -> Any:
    """Average a bucket of gradients over all ranks, in compressed form.

    ``model.register_comm_hook(TopKState(model), topk_hook)`` makes a `DistributedDataParallel`
    model use it.

    Parameters
    ----------
    state : TopKState
    bucket : torch.distributed.GradBucket
        Of float16, bfloat16, float32 or float64; on the host (gloo) or a device (nccl).

    Returns
    -------
    torch.futures.Future of torch.Tensor
        The bucket, which then holds the average.
    """
    import torch

    if state.counts(bucket):
        return state.averaged(bucket)
    buffer = bucket.buffer()
    message = state.compressed(bucket)
    lengths, rows, future = state.gathered(message, buffer.device)
    if future is None:
        state.taken_back(bucket, message)
        done: Any = torch.futures.Future()
        done.set_result(buffer.fill_(torch.nan))
        return done
    return future.then(lambda done: _mean(buffer, rows, lengths, done))


# PyTorch compares a hook's annotations with its own classes, and refuses any others.
topk_hook.__annotations__.clear()


def _mean(buffer: Any, rows: list[Any], lengths: list[int], done: Any) -> Any:
    """Put the mean of the messages in `rows` into `buffer`."""
    import torch

    done.value()  # raises what went wrong on the way
    wide = torch.float64 if buffer.dtype == torch.float64 else torch.float32
    total = torch.zeros_like(buffer, dtype=wide)
    for row, length in zip(rows, lengths, strict=True):
        message = row[:length].cpu().numpy().tobytes()
        (sparse,) = wire.read(message, buffer.numel()).values()
        add_entries(total, sparse)
    return buffer.copy_(total.div_(len(rows)))


def _travels_on(group: Any, device: Any) -> Any:
    """Where a group's collectives take bytes: on the host if one of its backends can."""
    import torch.distributed as dist

    return "cpu" if {"gloo", "mpi"} & set(_backends(dist.get_backend_config(group))) else device


def _backends(config: str) -> list[str]:
    """Names in ``gloo`` or ``cpu:gloo,cuda:nccl``."""
    return [part.rpartition(":")[2] for part in config.split(",")]
