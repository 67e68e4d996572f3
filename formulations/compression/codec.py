"""The compressor: the largest entries of a tensor, quantised, as bytes; the rest goes later.

Error feedback, selection (`select`), quantisation (`quantise`), coding (`rice`, `wire`) in a row.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from .. import checks
from . import wire
from .cursor import WireError
from .feedback import TensorState, states_of
from .quantise import Quantiser, Rounding
from .scheme import Scheme
from .select import Picked, is_finite, top_k

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Numbers = NDArray[np.floating[Any]]

_DTYPES = (np.float16, np.float32, np.float64)
_WORD = 1 << 64


class Compressor:
    """Compresses gradients or updates, tensor by tensor, and keeps what it left out.

    Parameters
    ----------
    keep_ratio : float, or mapping of str to float
        Share of a tensor's entries that a message carries, 0 to 1: those of largest magnitude.
        A mapping gives each tensor its own, by name.
    bits : int or None, or mapping of str to int or None
        Bits of a value, its sign included: 2 to 8, or None (or 32) for numbers as they are.
    levels : str
        "log" (a constant factor between levels; about half the error) or "linear".
    error_feedback : bool
        Whether what a message leaves out is added to the tensor's next one.
    momentum : float
        Momentum correction of "Deep gradient compression": momentum is applied here, before
        selection, and must not be applied again by the optimiser. 0 for none.
    stochastic_rounding : bool
        Round at random. Without error feedback the mean is exact for every value sent; with it
        levels are chosen for the least expected error, and the residual takes what is left.
    threshold : float
        Entries of smaller magnitude are not sent, even where `keep_ratio` has room.
    min_kept : int
        Entries sent of a tensor, however small its share; a share of 0 sends none.
    seed : int
        Of random rounding.

    Attributes
    ----------
    scheme : Scheme
        The settings.

    Notes
    -----
    O(elements) time; error feedback keeps one float32 (of float64 tensors: float64) per element.
    Same tensors, same settings: same bytes.
    """

    __slots__ = ("_states", "scheme")

    def __init__(
        self,
        keep_ratio: float | Mapping[str, float] = 0.01,
        bits: int | Mapping[str, int | None] | None = 8,
        *,
        levels: str = "log",
        error_feedback: bool = True,
        momentum: float = 0.0,
        stochastic_rounding: bool = False,
        threshold: float = 0.0,
        min_kept: int = 1,
        seed: int = 0,
    ) -> None:
        self.scheme = Scheme(
            keep_ratio=keep_ratio,
            bits=bits,
            levels=levels,
            error_feedback=error_feedback,
            momentum=momentum,
            stochastic_rounding=stochastic_rounding,
            threshold=threshold,
            min_kept=min_kept,
            seed=seed,
        )
        self._states: dict[str, TensorState] = {}

    def __repr__(self) -> str:
        return f"Compressor({self.scheme}, {len(self._states)} tensors)"

    def compress(self, array: ArrayLike, name: str = "") -> bytes:
        """Make a message of one tensor.

        Parameters
        ----------
        array : array of float16, float32 or float64, any shape
            Not changed.
        name : str
            Under which the residual is kept; it does not travel.

        Returns
        -------
        bytes
            For `decompress`.

        Raises
        ------
        InputError
            If an element is NaN or infinite, or the shape is not that of the tensor before. The
            residual stays as it was.
        """
        tensor = np.asarray(array)
        return wire.write([("", self._coded(name, tensor, self._checked(name, tensor)))])

    def compress_tree(self, tensors: Mapping[str, ArrayLike]) -> bytes:
        """Make one message of several named tensors; the names travel with them.

        Names that share their beginnings with the one before take a few bytes. Otherwise as
        `compress`: if one tensor is refused, no residual has changed.
        """
        arrays = {name: np.asarray(array) for name, array in tensors.items()}
        checked = {name: self._checked(name, array) for name, array in arrays.items()}
        return wire.write(
            (name, self._coded(name, array, checked[name])) for name, array in arrays.items()
        )

    def residual(self, name: str = "") -> NDArray[Any]:
        """Copy of what is still to be sent of a tensor, in its shape."""
        state = self._states[checks.known("Compressor tensor", name, tuple(self._states))]
        if state.residual is None:
            checks.fail("Compressor.error_feedback", False, "True where a residual is asked for")
        return state.residual.copy()

    def reset(self) -> None:
        """Forget all tensors."""
        self._states.clear()

    def state_dict(self) -> dict[str, Any]:
        """What is remembered of all tensors, as arrays and whole numbers.

        ``numpy.savez(file, **codec.state_dict())`` saves it; `load_state_dict` takes what
        ``numpy.load`` gives.
        """
        return {
            key: value
            for name, state in self._states.items()
            for key, value in state.to_dict(name).items()
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Remember what another compressor of these settings did, and nothing else."""
        states = states_of(state)
        for name, entry in states.items():
            wanted = (self.scheme.error_feedback, self.scheme.momentum > 0.0)
            if (entry.residual is not None, entry.velocity is not None) != wanted:
                checks.fail(
                    f"Compressor state of tensor {name!r}",
                    sorted(entry.to_dict(name)),
                    "a residual with error_feedback, a velocity with momentum, and only then",
                )
        self._states = states

    def _checked(self, name: str, tensor: NDArray[Any]) -> Numbers:
        """Flat, contiguous float32 or float64 numbers of a tensor that may be compressed."""
        shown = f"tensor {name!r}" if name else "array"
        if tensor.dtype.type not in _DTYPES:
            checks.fail(f"{shown}.dtype", str(tensor.dtype), "float16, float32 or float64")
        self._check_head(name, shown, str(tensor.dtype), tensor.shape)
        wide = np.float64 if tensor.dtype.type is np.float64 else np.float32
        values: Any = np.ascontiguousarray(tensor, wide).reshape(-1)
        if not is_finite(values):
            place = int(np.flatnonzero(~np.isfinite(values))[0])
            refuse_infinite(shown, place, float(values[place]), tensor.shape)
        flat: Numbers = values
        return flat

    def _check_head(self, name: str, shown: str, kind: str, shape: tuple[int, ...]) -> None:
        """Refuse a name, a type or a shape that no message or no residual takes."""
        if not isinstance(name, str) or len(name.encode()) > wire.MAX_NAME_BYTES:
            checks.fail("Compressor name", name, f"a string of {wire.MAX_NAME_BYTES} bytes or less")
        if len(shape) > wire.MAX_DIMENSIONS:
            checks.fail(f"{shown}.ndim", len(shape), f"at most {wire.MAX_DIMENSIONS}")
        self.scheme.kept(name, math.prod(shape))
        self.scheme.bits_of(name)
        state = self._states.get(name)
        if state is None or state.residual is None:
            return
        before, held = tuple(state.residual.shape), str(state.residual.dtype).rpartition(".")[2]
        if before != shape:
            checks.fail(f"{shown}.shape", shape, f"{before}, as before")
        if held != ("float64" if kind == "float64" else "float32"):
            checks.fail(f"{shown}.dtype", kind, f"one with a {held} residual")

    def _coded(self, name: str, tensor: NDArray[Any], values: Numbers) -> wire.CodedTensor:
        """Select and quantise; the residual is what is left of what was there."""
        scheme = self.scheme
        state = self._states.get(name)
        if state is None:
            state = self._states[name] = self._fresh(tensor.shape, values.dtype)
        kept = scheme.kept(name, len(values))
        if state.residual is None:
            picked = top_k(values, kept)
        else:
            picked = state.add(values, kept, scheme.momentum)
        if scheme.threshold > 0.0:
            is_large = np.abs(picked.values) >= scheme.threshold
            picked = Picked(picked.places[is_large], picked.values[is_large])
        coded = self._quantised(name, tensor.dtype, tensor.shape, picked, state.messages)
        if state.residual is not None:
            state.sent(picked, coded.decoded())
        state.messages += 1
        return coded

    def _fresh(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> TensorState:
        if not self.scheme.error_feedback:
            return TensorState()
        velocity = np.zeros(shape, dtype) if self.scheme.momentum > 0.0 else None
        return TensorState(np.zeros(shape, dtype), velocity)

    def _quantised(
        self, name: str, kind: np.dtype[Any], shape: tuple[int, ...], picked: Picked, messages: int
    ) -> wire.CodedTensor:
        scheme = self.scheme
        bits = scheme.bits_of(name)
        dtype = np.dtype(kind.type)
        if bits is None or not len(picked):
            most = float(np.finfo(dtype).max)
            exact = np.clip(picked.values, -most, most).astype(dtype)
            return wire.CodedTensor(dtype, shape, picked.places, exact, None)
        rounding = Rounding()
        if scheme.stochastic_rounding:
            key = (int(scheme.seed) << 32) + (zlib.crc32(name.encode()) << 16) + messages
            rounding = Rounding(key * 0xD1342543DE82EF95 % _WORD, not scheme.error_feedback)
        levels, codes = Quantiser(dtype, bits, scheme.levels, rounding).apply(picked.values)
        return wire.CodedTensor(dtype, shape, picked.places, codes, levels)


def decompress(message: bytes, *, max_elements: int = wire.MAX_ELEMENTS) -> NDArray[Any]:
    """Unpack the one tensor of a message, in its shape and dtype.

    Parameters
    ----------
    message : bytes-like
        From `Compressor.compress`, or anything else.
    max_elements : int
        Larger tensors are refused before memory is taken for them.

    Raises
    ------
    WireError
        If the bytes are not such a message.
    """
    return only_tensor(message, max_elements, "decompress_tree").dense()


def decompress_tree(
    message: bytes, *, max_elements: int = wire.MAX_ELEMENTS
) -> dict[str, NDArray[Any]]:
    """Unpack all tensors of a message by name; otherwise as `decompress`.

    `max_elements` bounds their sum.
    """
    tensors = wire.read(message, max_elements)
    return {name: tensor.dense() for name, tensor in tensors.items()}


def only_tensor(message: bytes, max_elements: int, several: str) -> wire.SparseTensor:
    """The one tensor of a message; `several` names what unpacks more."""
    tensors = wire.read(message, max_elements)
    if len(tensors) != 1:
        raise WireError(
            f"message tensors = {len(tensors)}: expected one; {several} unpacks several"
        )
    return next(iter(tensors.values()))


def refuse_infinite(shown: str, place: int, value: float, shape: tuple[int, ...]) -> NoReturn:
    """Name the first element that is no number."""
    at = ", ".join(str(k) for k in np.unravel_index(place, shape))
    checks.fail(f"{shown}[{at}]", value, "a finite number")
