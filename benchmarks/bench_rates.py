"""Rates by a programme beside one rate for all: a network's real changes, real messages.

    python benchmarks/bench_rates.py [--quick]

Data: a convolutional network of 1.0 M parameters on scikit-learn's digits, trained by each of ten
nodes on the pictures of three digits only, once from fresh weights (a first round), once from
weights that all pictures have trained a little; a node's gradient is what its training does to the
weights. Every figure is the residual energy of decoded messages over the gradients' energy,
every size the length of those messages. The curves that plans are made from are measured on the
same gradients; plans are made for slightly fewer bytes if the messages come out longer.

`timing` compares nothing with a peer: it is the size of the issue, 1,000 messages of 8 layers, by
both roads, and a programme with links that only the second can take.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Mapping
from typing import Any

for name in ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(name, "1")

import numpy as np  # noqa: E402
from numpy.typing import NDArray  # noqa: E402

from orbweave.formulations.compression.codec import Compressor, decompress_tree  # noqa: E402
from orbweave.formulations.compression.measure import curves_of  # noqa: E402
from orbweave.formulations.compression.problem import CompressionProblem  # noqa: E402
from orbweave.solvers.options import SolveOptions  # noqa: E402
from orbweave.solvers.rates import solve_rates  # noqa: E402

Tensors = Mapping[str, NDArray[Any]]
NODES = 10
#: Dense bytes over the bytes of the messages.
RATIO = 100


# -- gradients ----------------------------------------------------------------------------------
def gradients(nodes: int, before: int) -> dict[str, Tensors]:
    """Change of the weights by each node's training, after `before` epochs of all pictures."""
    import torch
    from sklearn.datasets import load_digits

    torch.manual_seed(0)
    torch.set_num_threads(1)
    pixels, digits = load_digits(return_X_y=True)
    x = torch.tensor(pixels.reshape(-1, 1, 8, 8) / 16, dtype=torch.float32)
    y = torch.tensor(digits)

    def network() -> Any:
        return torch.nn.Sequential(
            torch.nn.Conv2d(1, 32, 3, padding=1),
            torch.nn.ReLU(),
            torch.nn.Conv2d(32, 64, 3, padding=1),
            torch.nn.ReLU(),
            torch.nn.Flatten(),
            torch.nn.Linear(64 * 8 * 8, 240),
            torch.nn.ReLU(),
            torch.nn.Linear(240, 10),
        )

    def train(model: Any, rows: Any, epochs: int) -> None:
        rate = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
        for _ in range(epochs):
            for part in rows[torch.randperm(len(rows))].split(32):
                rate.zero_grad()
                torch.nn.functional.cross_entropy(model(x[part]), y[part]).backward()
                rate.step()

    base = network()
    train(base, torch.arange(len(x)), before)
    start = {name: value.clone() for name, value in base.state_dict().items()}
    changes: dict[str, Tensors] = {}
    for k in range(nodes):
        base.load_state_dict(start)
        mine = torch.isin(y, torch.tensor([k % 10, (k + 3) % 10, (k + 7) % 10]))
        train(base, torch.nonzero(mine).ravel(), 2)
        changes[f"node-{k}"] = {
            name: (value - start[name]).numpy().copy() for name, value in base.state_dict().items()
        }
    return changes


# -- messages -----------------------------------------------------------------------------------
def energy(tensors: Tensors) -> float:
    return sum(float((array.astype(np.float64) ** 2).sum()) for array in tensors.values())


def dense_bytes(tensors: Tensors) -> int:
    return sum(array.nbytes for array in tensors.values())


def sent(tensors: Tensors, keep: Any, bits: Any) -> tuple[int, float]:
    """Bytes of the real message, and energy that it leaves behind."""
    message = Compressor(keep, bits, error_feedback=False, min_kept=0).compress_tree(tensors)
    back = decompress_tree(message)
    left = {name: array - back[name].astype(np.float64) for name, array in tensors.items()}
    return len(message), energy(left)


def most(tensors: Tensors, keep: Callable[[float], Any], room: float) -> float:
    """Residual energy at the largest share kept, at 8 bits, whose message fits."""
    low, high = -16.0, 0.0
    for _ in range(22):
        middle = 0.5 * (low + high)
        fits = sent(tensors, keep(2.0**middle), 8)[0] <= room
        low, high = (middle, high) if fits else (low, middle)
    return sent(tensors, keep(2.0**low), 8)[1]


def by_global(tensors: Tensors) -> Callable[[float], dict[str, float]]:
    """Shares of each layer if the largest entries of all layers together are kept."""
    size = {name: np.abs(array).ravel() for name, array in tensors.items()}
    ordered = np.sort(np.concatenate(list(size.values())))[::-1]

    def keep(share: float) -> dict[str, float]:
        cut = ordered[min(int(share * len(ordered)), len(ordered) - 1)]
        return {name: float((array > cut).mean()) for name, array in size.items()}

    return keep


def by_plan(
    tensors: Mapping[str, Tensors], method: str | None = None, **limits: Any
) -> tuple[float, float, Any]:
    """Residual energy of the plan's real messages, its largest overrun before, and the result.

    What senders may hand on is for the plan to say, so that here messages are held to its bytes.
    """
    problem = CompressionProblem(curves_of(tensors), **limits)
    result = solve_rates(problem, SolveOptions(method=method))
    plan = result.require()
    left, worst = 0.0, 0.0
    for node, room in zip(problem.nodes, plan.sender_bytes.tolist(), strict=True):
        rows = tensors[node]
        keep, bits = plan.keep_ratio[node], plan.bits[node]
        length, residual = sent(rows, keep, bits)
        worst = max(worst, length / max(room, 1.0))
        shrink = 1.0
        while length > room and shrink > 0.9:
            shrink -= 5e-4
            less = {name: shrink * share for name, share in keep.items()}
            length, residual = sent(rows, less, bits)
        left += residual if length <= room else energy(rows)
    return left, worst, result


# -- the two comparisons ------------------------------------------------------------------------
def one_node(tensors: Tensors) -> None:
    """Exactly 100 times smaller: what each way of choosing leaves."""
    whole, dense = energy(tensors), dense_bytes(tensors)
    room = dense / RATIO
    entries = sum(array.size for array in tensors.values())
    print(f"\none node, {entries:,} parameters, {len(tensors)} tensors, {RATIO}x = {room:,.0f} B")
    uniform = most(tensors, lambda share: share, room) / whole
    top = most(tensors, by_global(tensors), room) / whole
    print(f"  one share for every layer, 8 bits  {uniform:.4f}")
    print(f"  global top-k, 8 bits               {top:.4f}")
    for method in ("slopes", "lp", "budget-dp"):
        left, worst, result = by_plan({"n": tensors}, method, target_ratio=RATIO)
        told = f"bound {result.bound / whole:.4f}, first message {worst:.4f} of its bytes"
        print(f"  {method:10} {left / whole:25.4f}  ({told})")


def fleet(changes: dict[str, Tensors]) -> None:
    """Ten nodes whose passes differ: log-normal capacities that together are 100x."""
    rng = np.random.default_rng(0)
    whole = sum(energy(rows) for rows in changes.values())
    dense = sum(dense_bytes(rows) for rows in changes.values())
    share = rng.lognormal(0.0, 1.0, len(changes))
    room = dict(zip(changes, (share / share.sum() * dense / RATIO).tolist(), strict=True))
    print(f"\nten nodes, {min(room.values()):,.0f} to {max(room.values()):,.0f} B each")
    least = min(room.values())
    fixed = sum(most(rows, lambda share: share, least) for rows in changes.values())
    own = sum(most(rows, lambda share: share, room[node]) for node, rows in changes.items())
    tops = sum(most(rows, by_global(rows), room[node]) for node, rows in changes.items())
    print(f"  one rate, that of the shortest pass  {fixed / whole:.4f}")
    print(f"  each node's own rate                 {own / whole:.4f}")
    print(f"  each node's own global top-k         {tops / whole:.4f}")
    left, _, result = by_plan(changes, capacity_bytes=room)
    print(f"  programme                            {left / whole:.4f}", end="")
    print(f"  (bound {result.bound / whole:.4f}, {left / fixed:.3f} of one rate)")
    names = list(changes)
    ring = [(a, b, 1e6) for a, b in zip(names, names[1:] + names[:1], strict=True)]
    left, _, result = by_plan(changes, capacity_bytes=room, shared=ring)
    print(f"  programme, links in a ring           {left / whole:.4f}", end="")
    print(f"  (bound {result.bound / whole:.4f}, {left / fixed:.3f} of one rate)")


# -- size ---------------------------------------------------------------------------------------
def timing(changes: dict[str, Tensors], senders: int) -> None:
    """Seconds of the issue's size: each message has the curves of one node's eight tensors."""
    began = time.perf_counter()
    curves = list(curves_of(changes).values())
    spent = time.perf_counter() - began
    entries = sum(array.size for rows in changes.values() for array in rows.values())
    rng = np.random.default_rng(1)
    names = [f"pass-{k}" for k in range(senders)]
    rooms = dict(zip(names, rng.lognormal(10, 1, senders).tolist(), strict=True))
    limits: dict[str, Any] = {
        "capacity_bytes": rooms,
        "weights": dict(zip(names, rng.lognormal(0, 0.5, senders).tolist(), strict=True)),
    }
    by_node = {name: curves[k % len(curves)] for k, name in enumerate(names)}
    rate = entries / spent / 1e6
    print(f"\ncurves: {rate:,.0f} M entries a second, {spent / len(curves):.3f} s a node")
    print(f"{senders:,} messages of 8 layers (s: build, solve, read; objective above bound)")
    ring = [(a, b, 2e4) for a, b in zip(names, names[1:] + names[:1], strict=True)]
    cases: list[tuple[str, str, dict[str, Any]]] = [
        ("slopes", "slopes", {}),
        ("slopes, total as well", "slopes", {"target_ratio": 250}),
        ("programme", "lp", {}),
        ("programme, ring of links", "lp", {"shared": ring}),
        ("programme, fairness", "lp", {"fairness": 0.97}),
    ]
    for told, method, more in cases:
        problem = CompressionProblem(by_node, **limits, **more)
        result = solve_rates(problem, SolveOptions(method=method))
        parts = f"{result.build_s:.2f} + {result.solve_s:.2f} + {result.read_s:.2f}"
        print(f"  {told:26} {parts}   {result.reason.value}, gap {result.gap:.1e}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="100 messages instead of 1,000")
    quick = parser.parse_args().quick
    rounds = {"first round": gradients(NODES, 0), "a later round": gradients(NODES, 1)}
    warm = {"n": {"a": np.ones(64, dtype=np.float32)}}
    by_plan(warm, capacity_bytes=40)  # kernels are compiled before the clock starts
    for told, changes in rounds.items():
        print(f"\n== {told}")
        one_node(changes["node-0"])
        fleet(changes)
    timing(rounds["a later round"], 100 if quick else 1000)


if __name__ == "__main__":
    main()
