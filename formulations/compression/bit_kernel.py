"""The compiled part of `rice`: fields of bits and Golomb-Rice gaps, least significant bit first."""

# pyright: reportArgumentType=false, reportCallIssue=false, reportReturnType=false
# mypy: disable-error-code=assignment
# (An element of an array is a number here: these loops are compiled.)

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..compiled import kernel

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Bytes = NDArray[np.uint8]
    Ints = NDArray[np.int64]

_BYTE = 255
#: Place of the lowest bit of a byte that is set.
LOWEST_BIT = np.array([8] + [(k & -k).bit_length() - 1 for k in range(1, 256)], np.int64)


@kernel
def pack_codes(codes: Bytes, width: int, out: Bytes) -> None:
    """Write codes of `width` bits one behind the other."""
    held, bits, at = 0, 0, 0
    for k in range(codes.size):
        held |= np.int64(codes[k]) << bits
        bits += width
        if bits >= 8:
            out[at] = held & _BYTE
            at += 1
            held >>= 8
            bits -= 8
    if bits:
        out[at] = held & _BYTE


@kernel
def unpack_codes(packed: Bytes, width: int, out: Bytes) -> int:
    """Read codes of `width` bits; returns the padding behind the last, which should be 0."""
    held, bits, at = 0, 0, 0
    mask = (1 << width) - 1
    for k in range(out.size):
        if bits < width:
            held |= np.int64(packed[at]) << bits
            at += 1
            bits += 8
        out[k] = held & mask
        held >>= width
        bits -= width
    return held


@kernel
def quotient_sum(places: Ints, parameter: int) -> int:
    """Sum of the unary parts that the gaps between ascending places have."""
    total = 0
    before = -1
    for k in range(places.size):
        total += (places[k] - before - 1) >> parameter
        before = places[k]
    return total


@kernel
def write_gaps(places: Ints, parameter: int, low: Bytes, unary: Bytes) -> None:
    """Write each gap's `parameter` low bits to one stream, the rest to the other.

    The rest is a row of zeros that a one ends; `unary` holds zeros before.
    """
    mask = (1 << parameter) - 1
    before = -1
    end = 0
    held, bits, at = 0, 0, 0
    for k in range(places.size):
        gap = places[k] - before - 1
        before = places[k]
        end += gap >> parameter
        unary[end >> 3] |= 1 << (end & 7)
        end += 1
        held |= (gap & mask) << bits
        bits += parameter
        while bits >= 8:
            low[at] = held & _BYTE
            at += 1
            held >>= 8
            bits -= 8
    if bits:
        low[at] = held & _BYTE


@kernel
def read_gaps(
    low: Bytes, unary: Bytes, parameter: int, elements: int, lowest_bit: Ints, places: Ints
) -> bool:
    """Fill `places` from both streams; False where these do not hold it, or hold more.

    Every place is below `elements`; padding must be zero.
    """
    mask = (1 << parameter) - 1
    held, bits, at = 0, 0, 0
    count = 0
    before, previous_end = -1, -1
    for byte in range(unary.size):
        ones = np.int64(unary[byte])
        while ones:
            end = 8 * byte + lowest_bit[ones]
            ones &= ones - 1
            if count == places.size:
                return False
            while bits < parameter:
                held |= np.int64(low[at]) << bits
                at += 1
                bits += 8
            rest = end - previous_end - 1
            if rest > elements >> parameter:
                return False
            place = before + 1 + ((rest << parameter) | (held & mask))
            held >>= parameter
            bits -= parameter
            if place >= elements:
                return False
            places[count] = place
            count += 1
            before, previous_end = place, end
    return count == places.size and held == 0 and unary.size == (previous_end + 8) // 8
