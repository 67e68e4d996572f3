"""What a message may cost at most, and what share of a tensor fits so many bytes.

`sizes.message_bytes` gives the length to expect of random places; these are bounds that hold for
any places, so that a message made with `keep_ratio_for` never exceeds its bytes. At one per cent
and 8 bits the bound is 3 % above the expectation.
"""

from __future__ import annotations

import math

import numpy as np

from .. import checks
from .cursor import varint
from .quantise import stored_type
from .rice import MOST_LOW_BITS, whole_bytes
from .scheme import Scheme
from .sizes import rice_parameter

#: Magic, version, number of tensors, checksum.
_FRAME_BYTES = 4 + 1 + 1 + 4
#: Dtype, quantiser, bits, number of dimensions, Rice parameter.
_FIELD_BYTES = 5


def most_message_bytes(
    elements: int,
    kept: int,
    bits: int | None = 8,
    *,
    dtype: str = "float32",
    dimensions: int = 4,
    name_bytes: int = 0,
) -> int:
    """Bytes that a message of one tensor takes at most, whatever the places of its entries.

    Parameters
    ----------
    elements, kept : int
        Of the tensor, and those of them that are sent.
    bits : int or None
        Of a value, as for `Compressor`.
    dtype : str
    dimensions : int
        The tensor has at most so many.
    name_bytes : int
        Length of its name in a message of several; there, each tensor takes less than this.

    Notes
    -----
    A Rice code of parameter b spends ``kept * (b + 1)`` bits on low bits and the ends of unary
    parts, and at most ``(elements - kept) / 2**b`` on the rest, as the gaps add up to no more.
    """
    checks.whole("most_message_bytes.elements", elements)
    if not 0 <= checks.whole("most_message_bytes.kept", kept) <= elements:
        checks.fail("most_message_bytes.kept", kept, f"at most the {elements} elements")
    width = Scheme(bits=bits).bits_of("")
    size = np.dtype(checks.known("dtype", dtype, ("float16", "float32", "float64"))).itemsize
    shape_bytes = dimensions + math.floor(math.log2(max(elements, 1)) / 7.0)
    head = _FRAME_BYTES + _FIELD_BYTES + 2 * len(varint(name_bytes)) + name_bytes
    head += shape_bytes + len(varint(kept))
    if kept == 0:
        return head
    if width is None:
        values = kept * size
    else:
        values = whole_bytes(kept * width) + 2 * np.dtype(stored_type(np.dtype(dtype))).itemsize
    if kept == elements:
        return head + values
    parameter = min(int(rice_parameter(kept / elements)), MOST_LOW_BITS)
    unary = whole_bytes(kept + ((elements - kept) >> parameter))
    # Another parameter may move a byte from one stream to the other: each is padded.
    return head + values + len(varint(unary)) + unary + whole_bytes(kept * parameter) + 1


def keep_ratio_for(
    message_bytes: float,
    elements: int,
    bits: int | None = 8,
    *,
    dtype: str = "float32",
    dimensions: int = 4,
) -> float:
    """Share of a tensor's entries whose message never exceeds so many bytes; 0 if none fits.

    Parameters
    ----------
    message_bytes : float
        All that a message may take.
    elements, bits, dtype, dimensions
        As for `most_message_bytes`.

    Returns
    -------
    float
        ``kept / elements``, for `Compressor`.
    """
    checks.real("keep_ratio_for.message_bytes", message_bytes)
    if elements == 0:
        return 0.0

    def fits(kept: int) -> bool:
        most = most_message_bytes(elements, kept, bits, dtype=dtype, dimensions=dimensions)
        return most <= message_bytes

    if fits(elements):
        return 1.0
    low, high = 0, elements
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low / elements
