"""The wire format of compressed tensors, version 1; docs/wire-format.md gives it byte by byte.

A message is: magic, version, number of tensors, the tensors, CRC-32. Reading trusts nothing: every
length is checked before it is used or allocated, and whatever is wrong is a `WireError`.
"""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import checks
from . import rice
from .cursor import Cursor, WireError, varint
from .levels import FEWEST_BITS, MOST_BITS, SPACINGS, Levels
from .quantise import stored_type

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    Bytes = NDArray[np.uint8]
    Ints = NDArray[np.int64]

MAGIC = b"OWCT"
VERSION = 1
#: Elements that a message may unpack to unless the caller allows more: 1 GiB of float32.
MAX_ELEMENTS = 1 << 28
DTYPES: dict[int, np.dtype[Any]] = {1: np.dtype("<f2"), 2: np.dtype("<f4"), 3: np.dtype("<f8")}
MAX_DIMENSIONS = 32
#: Length of a name in UTF-8. Names share their beginnings, so a short message could unfold to many.
MAX_NAME_BYTES = 512
_DTYPE_CODE = {np.dtype(dtype.type): code for code, dtype in DTYPES.items()}
_EXACT, _HAS_ZERO = 0, 0x80
_CRC_BYTES = 4


@dataclass(frozen=True, slots=True, eq=False)
class SparseTensor:
    """Entries of a tensor that a message carries; the others are zero.

    Attributes
    ----------
    shape : tuple of int
    places : array of int64, shape (kept,)
        Of the entries in the flattened (C order) tensor, ascending.
    values : array, shape (kept,)
        Finite, of the tensor's dtype.
    """

    shape: tuple[int, ...]
    places: Ints
    values: NDArray[Any]

    @property
    def elements(self) -> int:
        """Elements of the dense tensor."""
        return math.prod(self.shape)

    def dense(self) -> NDArray[Any]:
        """The whole tensor, in its own shape and dtype."""
        flat = np.zeros(self.elements, self.values.dtype)
        flat[self.places] = self.values
        return flat.reshape(self.shape)

    def add_to(self, array: NDArray[Any], weight: float = 1.0) -> None:
        """Do ``array += weight * self`` in place, touching only what the message carries."""
        if array.shape != self.shape or not array.flags.c_contiguous:
            checks.fail("SparseTensor.add_to array", array.shape, f"{self.shape}, contiguous")
        array.reshape(-1)[self.places] += array.dtype.type(weight) * self.values


@dataclass(frozen=True, slots=True, eq=False)
class CodedTensor:
    """A tensor as it travels.

    Attributes
    ----------
    dtype : numpy dtype
        float16, float32 or float64.
    shape : tuple of int
    places : array of int64, shape (kept,)
        Ascending.
    values : array, shape (kept,)
        Codes (uint8) if there are `levels`, otherwise numbers of `dtype`.
    levels : Levels, optional
    """

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    places: Ints
    values: NDArray[Any]
    levels: Levels | None

    def decoded(self) -> NDArray[Any]:
        """Values of the entries, in the tensor's dtype."""
        if self.levels is None:
            return self.values
        table: NDArray[Any] = self.levels.signed(self.dtype)
        values: NDArray[Any] = table[self.values]
        return values


def write(tensors: Iterable[tuple[str, CodedTensor]]) -> bytes:
    """Write named tensors, in their order, as one message."""
    parts: list[bytes] = []
    before = b""
    count = 0
    for name, tensor in tensors:
        encoded = name.encode()
        shared = _shared(before, encoded)
        parts += [varint(shared), varint(len(encoded) - shared), encoded[shared:]]
        parts += _tensor(tensor)
        before = encoded
        count += 1
    body = b"".join([MAGIC, bytes([VERSION]), varint(count), *parts])
    return body + zlib.crc32(body).to_bytes(_CRC_BYTES, "little")


def _shared(before: bytes, name: bytes) -> int:
    """Bytes that a name has in common with the one before it."""
    length = 0
    while length < min(len(before), len(name)) and before[length] == name[length]:
        length += 1
    return length


def _tensor(tensor: CodedTensor) -> list[bytes]:
    count, elements = len(tensor.places), math.prod(tensor.shape)
    levels = tensor.levels
    head = bytearray([_DTYPE_CODE[tensor.dtype], _EXACT, 0, len(tensor.shape)])
    if levels is not None:
        head[1] = (SPACINGS.index(levels.spacing) + 1) | (_HAS_ZERO if levels.has_zero else 0)
        head[2] = levels.bits
    for length in tensor.shape:
        head += varint(length)
    head += varint(count)
    parts = [bytes(head)]
    if count == 0:
        return parts
    if levels is not None:
        real = np.dtype(stored_type(tensor.dtype)).newbyteorder("<")
        parts.append(np.array([levels.low, levels.step], real).tobytes())
    if count < elements:
        gaps = rice.encode(tensor.places, elements)
        parts += [bytes([gaps.parameter]), varint(len(gaps.unary))]
        parts += [gaps.low.tobytes(), gaps.unary.tobytes()]
    if levels is not None:
        parts.append(rice.pack(tensor.values, levels.bits).tobytes())
    else:
        parts.append(tensor.values.astype(tensor.dtype.newbyteorder("<")).tobytes())
    return parts


def read(message: bytes, max_elements: int = MAX_ELEMENTS) -> dict[str, SparseTensor]:
    """Read a message.

    Parameters
    ----------
    message : bytes-like
    max_elements : int
        Elements that all tensors together may have.

    Returns
    -------
    dict of str to SparseTensor

    Raises
    ------
    WireError
        If the message is not one that this version could have written, or is too large.
    """
    if not isinstance(message, bytes | bytearray | memoryview):
        checks.fail("message", type(message).__name__, "bytes")
    left = checks.whole("max_elements", max_elements)
    cursor = Cursor(bytes(message))
    if cursor.take(len(MAGIC), "magic") != MAGIC:
        raise WireError("message: expected it to begin with the magic bytes OWCT")
    if (version := cursor.byte("version")) != VERSION:
        raise WireError(f"message version = {version}: expected {VERSION}")
    cursor.drop(_CRC_BYTES, "checksum")
    if zlib.crc32(cursor.data[: cursor.end]) != int.from_bytes(cursor.data[cursor.end :], "little"):
        raise WireError("message checksum: expected that of its content; it was damaged")
    tensors: dict[str, SparseTensor] = {}
    before = b""
    for _ in range(cursor.varint("number of tensors")):
        shared = cursor.varint("shared part of a name", len(before))
        rest = cursor.varint("length of a name", MAX_NAME_BYTES - shared)
        before = before[:shared] + cursor.take(rest, "name")
        try:
            name = before.decode()
        except UnicodeDecodeError:
            raise WireError(f"name of a tensor = {before!r}: expected UTF-8") from None
        if name in tensors:
            raise WireError(f"name of a tensor = {name!r}: expected every name once")
        tensors[name] = _read_tensor(cursor, left)
        left -= tensors[name].elements
    if cursor.at != cursor.end:
        raise WireError(f"message: expected its end {cursor.end - cursor.at} bytes earlier")
    return tensors


def _read_tensor(cursor: Cursor, most: int) -> SparseTensor:
    """Read one tensor of at most `most` elements."""
    dtype = DTYPES.get(code := cursor.byte("dtype"))
    if dtype is None:
        raise WireError(f"message dtype = {code}: expected one of {sorted(DTYPES)}")
    kind, bits = cursor.byte("quantiser"), cursor.byte("bits")
    shape = tuple(
        cursor.varint("shape", most)
        for _ in range(cursor.bounded("dimensions", cursor.byte("dimensions"), MAX_DIMENSIONS))
    )
    cursor.bounded("elements", math.prod(filter(None, shape)), most)
    elements = math.prod(shape)
    count = cursor.varint("number of entries", elements)
    native = dtype.newbyteorder("=")
    if count == 0:
        if kind != _EXACT or bits:
            raise WireError("message quantiser: expected none where there is no entry")
        return SparseTensor(shape, np.empty(0, np.int64), np.empty(0, native))
    levels = None if kind == _EXACT and bits == 0 else _read_levels(cursor, kind, bits, native)
    places = _read_places(cursor, count, elements) if count < elements else None
    if levels is None:
        raw = cursor.take(count * dtype.itemsize, "values")
        values = np.frombuffer(raw, dtype).astype(native)
        if not np.isfinite(values).all():
            raise WireError("message values: expected finite numbers")
    else:
        packed = cursor.array(rice.whole_bytes(count * bits), "values")
        codes = rice.unpack(packed, bits, count)
        if codes is None:
            raise WireError("message values: expected zeros behind the last")
        values = levels.signed(native)[codes]
    return SparseTensor(shape, np.arange(elements) if places is None else places, values)


def _read_levels(cursor: Cursor, kind: int, bits: int, dtype: np.dtype[Any]) -> Levels:
    number = (kind & ~_HAS_ZERO) - 1
    if not 0 <= number < len(SPACINGS) or not FEWEST_BITS <= bits <= MOST_BITS:
        raise WireError(f"message quantiser = {kind}, {bits} bits: expected a known one")
    real = np.dtype(stored_type(dtype)).newbyteorder("<")
    low, step = np.frombuffer(cursor.take(2 * real.itemsize, "levels"), real).tolist()
    try:
        return Levels(bits, SPACINGS[number], low, step, bool(kind & _HAS_ZERO))
    except checks.InputError as error:
        raise WireError(f"message levels: {error}") from None


def _read_places(cursor: Cursor, count: int, elements: int) -> Ints:
    parameter = cursor.bounded("Rice parameter", cursor.byte("Rice parameter"), rice.MOST_LOW_BITS)
    unary_bytes = cursor.varint("length of the gaps")
    low = cursor.array(rice.whole_bytes(count * parameter), "low bits of the gaps")
    unary = cursor.array(unary_bytes, "gaps")
    if 8 * unary_bytes < count:
        raise WireError(f"message entries = {count}: expected no more than the gaps can hold")
    places = rice.decode(rice.Gaps(parameter, low, unary), count, elements)
    if places is None:
        raise WireError("message gaps: expected as many as entries, inside the tensor")
    return places
