"""What goes between a Flower server and its clients beside arrays: packed changes and receipts.

The server sends its whole model, the version of it, and what became of the client's messages. The
client sends one packed message with all floating-point arrays, and under which base version and
sequence it counts; arrays of whole numbers, such as counters, travel as they are.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ...formulations import checks
from ...formulations.compression import wire
from ...formulations.compression.codec import Compressor
from ...formulations.compression.updates import Key, Outcome, Receipt

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Arrays = dict[str, NDArray[Any]]

#: Key of our records in messages and contexts, and of the packed array in an `ArrayRecord`.
KEY = "orbweave"
PACKED = "orbweave.packed"
#: How Flower is told that an array is not in NumPy's format.
STYPE = "orbweave.tensors"
_FLOATS = ("float16", "float32", "float64")


@dataclass(frozen=True, slots=True)
class Layout:
    """The floating-point arrays of a model, end to end in one vector.

    Attributes
    ----------
    shapes : dict of str to tuple of int
    dtype : numpy dtype
        Of the vector: float64 if an array is, else float32.
    """

    shapes: dict[str, tuple[int, ...]]
    dtype: np.dtype[Any]

    @classmethod
    def of(cls, arrays: Mapping[str, NDArray[Any]]) -> Layout:
        """The layout of those of the arrays that are of floating-point numbers."""
        floats = {name: a for name, a in arrays.items() if a.dtype.name in _FLOATS}
        if not floats:
            checks.fail("model arrays", sorted(arrays), "at least one of float16, 32 or 64")
        wide = np.result_type(np.float32, *(array.dtype for array in floats.values()))
        return cls({name: array.shape for name, array in floats.items()}, wide)

    @property
    def elements(self) -> int:
        """Length of the vector."""
        return sum(math.prod(shape) for shape in self.shapes.values())

    def vector(self, arrays: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
        """The arrays as a vector, shape (elements,)."""
        for name, shape in self.shapes.items():
            if name not in arrays or arrays[name].shape != shape:
                checks.fail(f"array {name!r}", sorted(arrays), f"one of shape {shape}, as received")
        return np.concatenate([arrays[name].astype(self.dtype).ravel() for name in self.shapes])

    def parts(self, vector: NDArray[Any]) -> Arrays:
        """Views of the vector by name, in the arrays' shapes."""
        ends = np.cumsum([math.prod(shape) for shape in self.shapes.values()])
        pieces = np.split(vector, ends[:-1])
        return {
            name: piece.reshape(shape)
            for (name, shape), piece in zip(self.shapes.items(), pieces, strict=True)
        }

    def unpacked(self, message: bytes) -> NDArray[Any]:
        """The vector that a message holds.

        Raises
        ------
        InputError
            If the bytes are no message (`WireError`), or one of another model.
        """
        tensors = wire.read(message, self.elements)
        if [*tensors] == [""] and tensors[""].shape == (self.elements,):
            return tensors[""].dense().astype(self.dtype, copy=False)
        return self.vector({name: tensor.dense() for name, tensor in tensors.items()})


class Packer:
    """The compressor of an `Outbox` whose changes are vectors of a layout.

    With one keep ratio and one number of bits for all, the largest entries of the whole vector
    are kept, in whichever array they are; with a mapping, those of each array.
    """

    __slots__ = ("_codec", "_layout")

    def __init__(self, layout: Layout, codec: Compressor) -> None:
        self._layout, self._codec = layout, codec

    def __call__(self, vector: NDArray[Any]) -> tuple[bytes, NDArray[Any]]:
        """The message of a vector, and what it holds."""
        scheme = self._codec.scheme
        if isinstance(scheme.keep_ratio, Mapping) or isinstance(scheme.bits, Mapping):
            message = self._codec.compress_tree(self._layout.parts(vector))
        else:
            message = self._codec.compress(vector)
        return message, self._layout.unpacked(message)


def receipts_text(receipts: Sequence[Receipt]) -> str:
    """Receipts of one node, as text for a `ConfigRecord`."""
    rows = [[r.base_version, r.sequence, r.outcome.value, r.version, r.counted] for r in receipts]
    return json.dumps(rows)


def receipts_of(node: str, text: str) -> list[Receipt]:
    """Read `receipts_text`."""
    return [
        Receipt(node, base, sequence, Outcome(outcome), version, counted=keys_of(counted))
        for base, sequence, outcome, version, counted in json.loads(text)
    ]


def keys_of(rows: Sequence[Sequence[int]]) -> tuple[Key, ...]:
    """Keys of updates from rows of JSON."""
    return tuple((base, sequence) for base, sequence in rows)


def arrays_of(record: Mapping[str, Any]) -> Arrays:
    """Arrays of an `ArrayRecord`."""
    return {name: array.numpy() for name, array in record.items()}
