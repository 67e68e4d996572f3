"""How much an update still counts that was made on an older model: s(d) of its staleness d.

The staleness of an update is the number of versions by which the model moved on since the one that
the update started from. Every function here has s(0) = 1 and never grows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from .. import checks

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]


class Staleness(Protocol):
    """Anything that gives weights above 0 and at most 1 for versions of delay."""

    def __call__(self, delay: Ints) -> Floats:
        """Weights of delays, both of shape (updates,)."""
        ...


@dataclass(frozen=True, slots=True)
class Constant:
    """s(d) = 1: an update counts the same however late it is."""

    def __call__(self, delay: Ints) -> Floats:
        """Weights of delays, both of shape (updates,)."""
        return np.ones(len(delay))


@dataclass(frozen=True, slots=True)
class Hinge:
    """s(d) = 1 up to d = `bound`, and 1 / (`slope` (d - bound) + 1) beyond.

    Parameters
    ----------
    bound : float
        Versions of delay that cost nothing.
    slope : float
        Above 0.

    Notes
    -----
    Xie, Koyejo, Gupta: Asynchronous Federated Optimization (arXiv 1903.03934, 2019), section 5.2.
    """

    bound: float = 4.0
    slope: float = 1.0

    def __post_init__(self) -> None:
        checks.real("Hinge.bound", self.bound)
        checks.real("Hinge.slope", self.slope, strict=True)

    def __call__(self, delay: Ints) -> Floats:
        """Weights of delays, both of shape (updates,)."""
        weight: Floats = 1 / (self.slope * np.maximum(delay - self.bound, 0.0) + 1)
        return weight


@dataclass(frozen=True, slots=True)
class Polynomial:
    """s(d) = (1 + d) ^ -`exponent`.

    Parameters
    ----------
    exponent : float
        Above 0; 1/2 is the choice of FedBuff.

    Notes
    -----
    Xie, Koyejo, Gupta: Asynchronous Federated Optimization (arXiv 1903.03934, 2019), section 5.2;
    Nguyen et al.: Federated Learning with Buffered Asynchronous Aggregation (AISTATS 2022).
    """

    exponent: float = 0.5

    def __post_init__(self) -> None:
        checks.real("Polynomial.exponent", self.exponent, strict=True)

    def __call__(self, delay: Ints) -> Floats:
        """Weights of delays, both of shape (updates,)."""
        return np.asarray((1.0 + delay) ** -self.exponent, dtype=np.float64)


def damping(where: str, staleness: Staleness, delay: Ints) -> Floats:
    """Weights of delays, shape (updates,); a function that leaves (0, 1] is an error."""
    weight = np.asarray(staleness(delay), dtype=np.float64)
    if weight.shape != delay.shape or not ((weight > 0) & (weight <= 1)).all():
        checks.fail(f"{where}.staleness", weight, "a weight above 0 and at most 1 for each delay")
    return weight
