"""What stands at the ends of a link: how changes and models become messages of bytes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from learning_data import Floats, Tensors

from orbweave.formulations.compression.codec import Compressor, decompress_tree
from orbweave.formulations.compression.curves import ErrorCurve
from orbweave.formulations.compression.measure import curves_of
from orbweave.formulations.compression.problem import CompressionProblem
from orbweave.solvers.options import SolveOptions
from orbweave.solvers.rates import solve_rates


class Sender(Protocol):
    """One end of a link: named tensors become a message."""

    def send(self, tensors: Tensors) -> bytes:
        """The message; what it leaves out is the sender's affair."""
        ...


class Plain:
    """A `Compressor` with settings that stay as they are."""

    def __init__(self, **settings: Any) -> None:
        self.codec = Compressor(**settings)

    def send(self, tensors: Tensors) -> bytes:
        return self.codec.compress_tree(tensors)


class Whole(Plain):
    """All tensors as one vector: the largest entries wherever they are."""

    def send(self, tensors: Tensors) -> bytes:
        flat = np.concatenate([array.reshape(-1) for array in tensors.values()])
        return self.codec.compress_tree({"": flat})


def opened(message: bytes, like: Tensors) -> dict[str, Floats]:
    """Tensors of a message; those of one vector get their names and shapes back."""
    found = decompress_tree(message)
    if tuple(found) != ("",):
        return found
    ends = np.cumsum([array.size for array in like.values()])[:-1]
    parts = zip(like.items(), np.split(found[""], ends), strict=True)
    return {name: part.reshape(array.shape) for (name, array), part in parts}


class Dense(Plain):
    """All numbers as they are."""

    def __init__(self) -> None:
        super().__init__(keep_ratio=1.0, bits=None, error_feedback=False)


class Rated(Plain):
    """A `Compressor` whose keep ratios and bits change with every plan."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.settings = settings

    def curves(self, tensors: Tensors) -> dict[str, ErrorCurve]:
        """Error over bytes of what the next message may hold, the residual included."""
        state = self.codec.state_dict()
        whole = {name: array + state.get(f"residual/{name}", 0) for name, array in tensors.items()}
        found: dict[str, ErrorCurve] = curves_of(
            whole, bits=CURVE_BITS, keep_ratios=CURVE_RATIOS, header_bytes=CURVE_HEADER_BYTES
        )
        return found

    def adopt(self, keep_ratio: Mapping[str, float], bits: Mapping[str, int]) -> None:
        """Go on with other rates and the same residual."""
        state = self.codec.state_dict()
        self.codec = Compressor(**{**self.settings, "keep_ratio": keep_ratio, "bits": bits})
        self.codec.load_state_dict(state)


#: Where curves are measured: few points, for those of satellites have to go down.
CURVE_BITS = (4, 6, 8)
CURVE_RATIOS = np.geomspace(1e-4, 1.0, 17)
#: Of one tensor in a message of several: its name, shape and lengths, measured.
CURVE_HEADER_BYTES = 24


class RatedByItself(Rated):
    """Before each message, the rates of least error within so many bytes."""

    def __init__(self, ratio: float, **settings: Any) -> None:
        super().__init__(**settings)
        self.ratio = ratio

    def send(self, tensors: Tensors) -> bytes:
        problem = CompressionProblem(self.curves(tensors), target_ratio=self.ratio)
        plan = solve_rates(problem, SolveOptions()).require()
        self.adopt(plan.keep_ratio, plan.bits)
        return super().send(tensors)


@dataclass(frozen=True, slots=True)
class Planner:
    """One linear programme for the messages of all satellites, every few rounds.

    Attributes
    ----------
    ratio : float
        Dense bytes of all of them over the bytes that they may take together.
    every : int
        Rounds between two plans.
    """

    ratio: float
    every: int = 5

    def plan(self, senders: Sequence[Rated], changes: Sequence[Tensors], weight: Any) -> int:
        """Give all senders their rates; the bytes of the curves that go down for it.

        A satellite's error counts by its share of the samples. (Squared shares, right for errors
        that are independent and never come back, starve small satellites: what error feedback
        keeps back there comes late and at once.) Of a curve only the errors travel, as float32;
        the rest is known beforehand.
        """
        curves = {
            f"{k}": sender.curves(change)
            for k, (sender, change) in enumerate(zip(senders, changes, strict=True))
        }
        weights = dict(zip(curves, weight.tolist(), strict=True))
        problem = CompressionProblem(curves, weights=weights, target_ratio=self.ratio)
        plan = solve_rates(problem, SolveOptions(method="lp")).require()
        for k, sender in enumerate(senders):
            sender.adopt(plan.keep_ratio[f"{k}"], plan.bits[f"{k}"])
        return sum(4 * (1 + part.error.size) for own in curves.values() for part in own.values())


@dataclass(frozen=True, slots=True)
class Road:
    """How changes and models travel.

    Attributes
    ----------
    name : str
    up : callable
        Makes the sender of a satellite.
    down : callable
        Makes the sender of the ground, one for all rounds or one for each satellite; it has no
        feedback of its own, as it sends differences.
    is_asynchronous : bool
        FedBuff with updates that come late, instead of rounds.
    planner : Planner, optional
        Of rounds whose satellites are `Rated`.
    """

    name: str
    up: Callable[[], Any]
    down: Callable[[], Sender]
    is_asynchronous: bool = False
    planner: Planner | None = None
