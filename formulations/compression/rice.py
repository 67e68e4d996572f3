"""Places of kept entries as Golomb-Rice codes of their gaps, and codes of values side by side.

A gap is the number of entries skipped. With parameter b its b low bits go to one stream, and the
rest, in unary, to another: a row of zeros ended by a one. Apart, each is read without looking at
the other, and the unary one is a bitmap. At density p a gap costs
``b + 1 / (1 - (1 - p)**(2**b))`` bits on average: 8.11 at one per cent, where the entropy is 8.08.

Source: Golomb, "Run-length encodings", IEEE Transactions on Information Theory 12 (1966); Rice,
"Some practical universal noiseless coding techniques", JPL 79-22 (1979).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from . import bit_kernel as loops
from .sizes import rice_parameter

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Bytes = NDArray[np.uint8]
    Ints = NDArray[np.int64]

#: No gap has more low bits: they and seven more fit a 64-bit word.
MOST_LOW_BITS = 48


@dataclass(frozen=True, slots=True, eq=False)
class Gaps:
    """Coded places.

    Attributes
    ----------
    parameter : int
        Low bits of a gap.
    low : array of uint8
        Low bits of all gaps, padded with zeros to a whole byte.
    unary : array of uint8
        Rest of all gaps, likewise.
    """

    parameter: int
    low: Bytes
    unary: Bytes


def encode(places: Ints, elements: int) -> Gaps:
    """Code ascending places below `elements`, with the parameter that makes them shortest.

    The search starts at the best parameter for random places of this density.
    """
    count = len(places)
    if count == 0:
        return Gaps(0, np.empty(0, np.uint8), np.empty(0, np.uint8))
    parameter = min(int(rice_parameter(count / elements)), MOST_LOW_BITS)
    rest = loops.quotient_sum(places, parameter)
    for step in (1, -1):
        while 0 <= parameter + step <= MOST_LOW_BITS:
            tried = loops.quotient_sum(places, parameter + step)
            if tried + count * step >= rest:
                break
            parameter, rest = parameter + step, tried
    low = np.empty(whole_bytes(count * parameter), np.uint8)
    unary = np.zeros(whole_bytes(count + rest), np.uint8)
    loops.write_gaps(places, parameter, low, unary)
    return Gaps(parameter, low, unary)


def decode(gaps: Gaps, count: int, elements: int) -> Ints | None:
    """Read `count` places below `elements`; None where the streams do not hold just these.

    `low` has as many bytes as `count` and the parameter need; `unary` has any.
    """
    places = np.empty(count, np.int64)
    is_right = loops.read_gaps(
        gaps.low, gaps.unary, gaps.parameter, elements, loops.LOWEST_BIT, places
    )
    return places if is_right else None


def pack(codes: Bytes, bits: int) -> Bytes:
    """Write codes of `bits` bits, 1 to 8, side by side."""
    packed = np.empty(whole_bytes(len(codes) * bits), np.uint8)
    loops.pack_codes(codes, bits, packed)
    return packed


def unpack(packed: Bytes, bits: int, count: int) -> Bytes | None:
    """Read `count` codes from just as many bytes as they need; None if the padding is not 0."""
    codes = np.empty(count, np.uint8)
    return None if loops.unpack_codes(packed, bits, codes) else codes


def whole_bytes(bits: int) -> int:
    """Bytes that hold so many bits."""
    return (bits + 7) // 8
