"""How many bytes a sparse, quantised message takes: Golomb-Rice gaps, packed values, a header.

Kept entries at density p have geometric gaps. With Rice parameter b a gap costs ``b`` low bits
and a unary part, ``b + 1 / (1 - (1 - p)^(2^b))`` bits on average. Planning uses these expected
sizes; a message's own length differs by the chance of its gaps.

Source: Golomb, "Run-length encodings", IEEE Transactions on Information Theory 12 (1966); the
parameter by Kiely, "Selecting the Golomb parameter in Rice coding", IPN Progress Report 42-159
(2004), equation 8.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]

#: Bytes of a message beside its entries: magic, version, type, shape, count, levels, checksum.
HEADER_BYTES = 32
_LOG_GOLDEN = math.log((math.sqrt(5.0) - 1.0) / 2.0)


def rice_parameter(density: ArrayLike) -> NDArray[np.int64]:
    """Rice parameter with the least expected bits of a gap, for densities in (0, 1]."""
    with np.errstate(divide="ignore"):
        log_miss = np.log1p(-np.asarray(density, dtype=np.float64))
        power = np.floor(np.log2(_LOG_GOLDEN / log_miss))
    return np.maximum(1.0 + power, 0.0).astype(np.int64)


def index_bits(density: ArrayLike) -> Floats:
    """Expected bits that the place of one kept entry costs, for densities in (0, 1]."""
    density = np.asarray(density, dtype=np.float64)
    parameter = rice_parameter(density)
    with np.errstate(divide="ignore"):
        miss = np.ldexp(np.log1p(-density), parameter)
    found: Floats = parameter + 1.0 / -np.expm1(miss)
    return found


def message_bytes(
    elements: ArrayLike, kept: ArrayLike, bits: ArrayLike, *, header_bytes: float = HEADER_BYTES
) -> Floats:
    """Expected bytes of a message; the arrays are broadcast together.

    Parameters
    ----------
    elements : array_like of int
        Entries of the tensor.
    kept : array_like of int
        Entries sent; none of them is no message, 0 bytes. (Where all are sent a codec may leave
        out the one bit of each index, which is counted here.)
    bits : array_like of int
        Bits of one value, its sign included.
    header_bytes : float
    """
    whole, count, width = np.broadcast_arrays(
        np.asarray(elements, dtype=np.float64),
        np.asarray(kept, dtype=np.float64),
        np.asarray(bits, dtype=np.float64),
    )
    sent = count > 0
    each = index_bits(np.where(sent, count / np.maximum(whole, 1.0), 1.0)) + width
    return np.where(sent, header_bytes + count * each / 8.0, 0.0)
