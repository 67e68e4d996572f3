"""What the processes of a data-parallel run do, for test_ddp_hook: a module they can import."""

# mypy: allow-subclassing-any, allow-untyped-calls
from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from orbweave.adapters.training.ddp_hook import TopKState, topk_hook

RANKS = 2
STEPS = 8


class Weights(nn.Module):
    """Parameters whose gradients are what the loss is told they are."""

    def __init__(self, dtype: Any = torch.float32) -> None:
        super().__init__()
        shapes = {"a": (40, 30), "b": (50,), "c": (20, 20), "d": (700,)}
        self.named = nn.ParameterDict(
            {name: nn.Parameter(torch.zeros(shape, dtype=dtype)) for name, shape in shapes.items()}
        )

    def forward(self, wanted: dict[str, Any]) -> Any:
        return sum((self.named[name] * wanted[name]).sum() for name in sorted(self.named))


def gradients(rank: int, step: int, dtype: Any = torch.float32) -> dict[str, Any]:
    draw = np.random.default_rng([rank, step])
    return {
        name: torch.from_numpy(draw.laplace(size=tuple(weight.shape))).to(dtype)
        for name, weight in Weights().named.items()
    }


def process(rank: int, folder: str, task: str) -> None:
    """One rank: do a task, save what it found, and leave without the interpreter's last steps.

    A wrapped model keeps its group alive, and gloo's threads with it: one that lets go of a Python
    object only while the interpreter ends aborts the process (pytorch/pytorch#179291).
    """
    torch.set_num_threads(1)
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    dist.init_process_group(
        "gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=RANKS
    )
    found = TASKS[task](rank)
    torch.save(found, Path(folder) / f"rank{rank}.pt")
    dist.destroy_process_group()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def hooked(model: Any, bucket_mb: float, *args: Any, **options: Any) -> tuple[Any, TopKState]:
    wrapped = DistributedDataParallel(model, bucket_cap_mb=bucket_mb)
    state = TopKState(wrapped, *args, **options)
    wrapped.register_comm_hook(state, topk_hook)
    return wrapped, state


def given_gradients(rank: int) -> dict[str, Any]:
    """Sums of what was averaged, of what is residual, and of what there was to send."""
    model = Weights()
    applied = {name: torch.zeros_like(weight) for name, weight in model.named.items()}
    wrapped, state = hooked(model, 0.004, 0.05, 4)
    handed = 0
    gather = dist.all_gather

    def counted(rows: Any, own: Any, **options: Any) -> Any:
        nonlocal handed
        handed += own.numel() * own.element_size()
        return gather(rows, own, **options)

    dist.all_gather = counted
    bad: list[bool] = []
    for step in range(STEPS):
        wanted = gradients(rank, step)
        if step == 5 and rank == 1:
            wanted["c"][3, 4] = torch.nan
        if step == 3:  # a restored run, whose buckets are of another size
            saved, before = state.state_dict(), state
            wrapped, state = hooked(model, 0.002, 0.05, 4)
            state.load_state_dict(saved)
            again = state.state_dict()
            assert again.keys() == saved.keys()
            assert all(bool((again[key] == value).all()) for key, value in arrays(saved).items())
            assert (state.steps, state.sent_bytes) == (before.steps, before.sent_bytes)
        model.zero_grad()
        wrapped(wanted).backward()
        bad.append(any(not bool(torch.isfinite(_grad(w)).all()) for w in model.parameters()))
        for name, weight in model.named.items():
            applied[name] += torch.nan_to_num(_grad(weight))
    dist.all_gather = gather
    residual = {name: state.state_dict()[f"residual/named.{name}"] for name in applied}
    counts = {"sent": state.sent_bytes, "handed": handed, "dense": state.dense_bytes}
    return {"applied": applied, "residual": residual, "bad": bad} | counts


def _grad(weight: Any) -> Any:
    """The gradient that backward has left."""
    return weight.grad


def arrays(state: dict[str, Any]) -> dict[str, Any]:
    return {key: torch.as_tensor(value) for key, value in state.items()}


def dense_and_exact(rank: int) -> dict[str, Any]:
    """Gradients averaged by PyTorch, by warm-up, and with everything sent, for each type."""
    found: dict[str, Any] = {}
    for dtype in (torch.float32, torch.float64, torch.float16, torch.bfloat16):
        hooks: dict[str, Callable[[Any], Any]] = {
            "dense": lambda model: DistributedDataParallel(model),
            "warm": lambda model: hooked(model, 25, 0.01, 2, warm_up_steps=2)[0],
            "all": lambda model: hooked(model, 0.004, 1.0, None)[0],
        }
        for name, wrap in hooks.items():
            model = Weights(dtype)
            wrapped = wrap(model)
            rows = []
            for step in range(3):
                model.zero_grad()
                wrapped(gradients(rank, step, dtype)).backward()
                rows.append([_grad(weight).clone() for weight in model.parameters()])
            found[f"{dtype} {name}"] = rows
    return found


def training(rank: int) -> dict[str, Any]:
    """Weights and losses of a small network after dense and after compressed training."""
    draw = torch.Generator().manual_seed(1)
    inputs = torch.randn(256, 20, generator=draw)
    labels = (inputs @ torch.randn(20, generator=draw) > 0).long()
    own = slice(rank, None, RANKS)
    found: dict[str, Any] = {}
    for name in ("dense", "topk"):
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(20, 100), nn.Tanh(), nn.Linear(100, 2))
        if name == "topk":
            wrapped, _ = hooked(model, 0.004, 0.05, 8, warm_up_steps=3)
        else:
            wrapped = DistributedDataParallel(model)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.3)
        for _ in range(150):
            optimizer.zero_grad()
            nn.functional.cross_entropy(wrapped(inputs[own]), labels[own]).backward()
            optimizer.step()
        found[name] = [weight.detach().clone() for weight in model.parameters()]
        found[f"{name} loss"] = nn.functional.cross_entropy(model(inputs), labels).item()
    return found


TASKS: dict[str, Callable[[int], dict[str, Any]]] = {
    "given_gradients": given_gradients,
    "dense_and_exact": dense_and_exact,
    "training": training,
}
