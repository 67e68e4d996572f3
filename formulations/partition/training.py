"""A training step: what the backward pass adds to a forward request."""

from __future__ import annotations

from dataclasses import dataclass

from .. import checks


@dataclass(frozen=True, slots=True)
class Training:
    """A training step instead of a forward request.

    The pass through the pipeline is one micro-batch: forward, the output to the output node (where
    the loss is computed) and its gradient back, then every layer's backward pass in reverse order.
    A step runs `micro_batches` of them, GPipe-like: ``latency + (micro_batches - 1) * bottleneck``.

    Parameters
    ----------
    micro_batches : int
        Micro-batches of one step; the profile's FLOPs and bytes are those of one micro-batch.
    backward_flops : float
        FLOPs of the backward pass over those of the forward pass.
    gradient_bytes, optimizer_bytes : float
        Memory for gradients and optimiser state over the weights' (2 for Adam in the weights'
        own precision).
    """

    micro_batches: int = 1
    backward_flops: float = 2.0
    gradient_bytes: float = 1.0
    optimizer_bytes: float = 2.0

    def __post_init__(self) -> None:
        checks.whole("Training.micro_batches", self.micro_batches, low=1)
        for name in ("backward_flops", "gradient_bytes", "optimizer_bytes"):
            checks.real(f"Training.{name}", getattr(self, name))
