"""Error feedback: what a message leaves out of a tensor stays here and goes with a later one.

Sources: Seide et al., "1-bit stochastic gradient descent", Interspeech 2014; Karimireddy et al.,
"Error feedback fixes SignSGD", ICML 2019; momentum correction and factor masking from Lin et al.,
"Deep gradient compression", ICLR 2018, section 3.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import checks
from . import select_kernel as passes
from .select import Picked, add_top_k, is_finite, top_k

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Numbers = NDArray[np.floating[Any]]

_KINDS = ("residual", "velocity", "messages")


@dataclass(slots=True)
class TensorState:
    """What a compressor remembers of one tensor.

    Attributes
    ----------
    residual : array of float32 or float64, in the tensor's shape, or None
        What was not sent yet; None without error feedback.
    velocity : array, likewise, or None
        Momentum; None without it.
    messages : int
        How many messages were made: what random rounding draws from.
    """

    residual: Numbers | None = None
    velocity: Numbers | None = None
    messages: int = 0

    def add(self, values: Numbers, kept: int, momentum: float) -> Picked:
        """Add a gradient to the residual and pick the largest of the sum.

        A sum beyond the largest finite number is held at it.
        """
        assert self.residual is not None
        whole = self.residual.reshape(-1)
        if self.velocity is None:
            picked = add_top_k(whole, values, kept)
        else:
            momentum_ = values.dtype.type(momentum)
            passes.add_momentum(whole, self.velocity.reshape(-1), values, momentum_)
            picked = top_k(whole, kept)
        if not len(picked) or np.isfinite(picked.values).all():
            return picked
        most = np.finfo(whole.dtype).max
        for held in (whole, picked.values, self.velocity):
            if held is not None:
                np.clip(held, -most, most, out=held)
        return picked

    def sent(self, picked: Picked, values: Numbers) -> None:
        """Take what was sent (in the tensor's dtype) out of what is remembered."""
        assert self.residual is not None
        whole = self.residual.reshape(-1)
        passes.put_rest(whole, picked.places, picked.values, values.astype(whole.dtype, copy=False))
        if self.velocity is not None:
            self.velocity.reshape(-1)[picked.places] = 0

    def to_dict(self, name: str) -> dict[str, Any]:
        """Copies of what is remembered, as ``kind/name``."""
        return {
            f"{kind}/{name}": value.copy() if isinstance(value, np.ndarray) else value
            for kind in _KINDS
            if (value := getattr(self, kind)) is not None
        }


def states_of(entries: Mapping[str, Any]) -> dict[str, TensorState]:
    """Read states back from what `TensorState.to_dict` gave, or a file of it."""
    states: dict[str, TensorState] = {}
    for key in entries:
        kind, slash, name = str(key).partition("/")
        if not slash or kind not in _KINDS:
            checks.fail("Compressor state", key, f"'kind/name', the kind one of {_KINDS}")
        state = states.setdefault(name, TensorState())
        where = f"Compressor state[{key!r}]"
        if kind == "messages":
            state.messages = checks.whole(where, entries[key])
            continue
        array = np.array(entries[key], order="C")
        if array.dtype not in (np.dtype(np.float32), np.dtype(np.float64)):
            checks.fail(f"{where}.dtype", str(array.dtype), "float32 or float64")
        if not is_finite(array.reshape(-1)):
            checks.fail(where, "NaN or infinity", "finite numbers")
        setattr(state, kind, array)
    for name, state in states.items():
        if state.velocity is not None and (
            state.residual is None
            or state.velocity.shape != state.residual.shape
            or state.velocity.dtype != state.residual.dtype
        ):
            checks.fail(f"Compressor state['velocity/{name}']", "an array", "one like its residual")
    return states
