"""Measuring what squeezing a gradient costs: curves from one histogram of its magnitudes.

Model of the quantiser (Gersho and Gray, "Vector quantization and signal compression", 1992,
chapter 6): one bit is the sign, the magnitudes between the smallest and the largest kept fall into
``2^(bits - 1)`` cells of equal ratio (``log``; the lowest may reach further down, where that costs
less) or equal width (``linear``), and each is replaced by its cell's mean. 32 bits are exact.
Counts, sums and sums of squares come from one histogram of magnitudes, so that nothing is sorted.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import checks
from . import curves_kernel
from .curves import ErrorCurve, ascending_counts
from .sizes import HEADER_BYTES, message_bytes

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]

#: Widths of a value that the quantiser has, its sign included; 32 is the exact value.
WIDTHS = (2, 3, 4, 5, 6, 7, 8, 32)
#: Spacing of the quantiser's levels.
LEVELS = ("log", "linear")
#: Shares of entries kept at which a curve is measured: 16 to a decade, 48 in the last, where the
#: bits of an index change with every Rice parameter.
KEEP_RATIOS = np.concatenate([np.geomspace(1e-5, 0.1, 65)[:-1], np.geomspace(0.1, 1.0, 49)])


#: Least magnitude of each bin, and infinity's place at the end.
_EDGES = (
    (np.arange(curves_kernel.BINS + 1, dtype=np.uint32) << np.uint32(curves_kernel.SHIFT))
    .view(np.float32)
    .astype(np.float64)
)
_EDGES[-1] = 2.0**128


def curve_of(
    gradient: ArrayLike,
    *,
    bits: Sequence[int] = (2, 3, 4, 5, 6, 7, 8),
    keep_ratios: ArrayLike = KEEP_RATIOS,
    levels: str = "log",
    header_bytes: float = HEADER_BYTES,
    name: str = "gradient",
) -> ErrorCurve:
    """Measure a tensor's curve in one pass over its entries.

    Parameters
    ----------
    gradient : array_like of float
        Any shape; float16, float32 or float64.
    bits : sequence of int
        Widths of a value, from `WIDTHS`.
    keep_ratios : array_like of float
        In (0, 1]; rounded to whole entries, at least one, and no more than are not zero.
    levels : {"log", "linear"}
    header_bytes : float
        Bytes of a message beside its entries.
    name : str
        How errors call the tensor.

    Raises
    ------
    InputError
        For a tensor that is empty or holds NaN or infinities, and for unknown widths or levels.
    """
    checks.known("curve_of levels", levels, LEVELS)
    array = np.asarray(gradient)
    if not (np.issubdtype(array.dtype, np.floating) and array.size):
        checks.fail(f"{name} (dtype, size)", (str(array.dtype), array.size), "floats, at least one")
    widths = ascending_counts("curve_of bits", np.unique(np.asarray(bits)))
    for width in widths.tolist():
        if width not in WIDTHS:
            checks.fail("curve_of bits", width, f"some of {WIDTHS}")
    ratios = np.atleast_1d(np.asarray(keep_ratios, dtype=np.float64))
    if not (ratios.size and (ratios > 0).all() and (ratios <= 1).all()):
        checks.fail("curve_of keep_ratios", keep_ratios, "numbers in (0, 1]")
    moments, top, power = _histogram(array, name)
    nonzero = np.count_nonzero(array)
    counts = np.clip(np.rint(ratios * array.size), 1.0, max(float(nonzero), 1.0))
    kept = np.unique(counts).astype(np.int64)
    above = np.zeros((curves_kernel.BINS + 1, 3))
    above[:-1] = np.cumsum(moments[::-1], axis=0)[::-1]
    error = np.zeros((len(widths), len(kept)))
    curves_kernel.residuals(above, _EDGES, top, kept, widths, levels == "log", error)
    size = message_bytes(array.size, kept, widths[:, None], header_bytes=header_bytes)
    energy = float(above[0, 2])
    return ErrorCurve(
        array.size,
        _scaled(energy, power, name),
        kept,
        widths,
        size,
        np.ldexp(error, 2 * power),
        float(array.nbytes),
    )


def curves_of(gradients: Mapping[str, Any], **options: Any) -> dict[str, Any]:
    """Curves of a mapping of tensors, or of nodes to such mappings; the options of `curve_of`."""
    return {
        name: curves_of(part, **options)
        if isinstance(part, Mapping)
        else curve_of(part, **{"name": name, **options})
        for name, part in gradients.items()
    }


def _histogram(array: NDArray[Any], name: str) -> tuple[Floats, float, int]:
    """Moments of each bin and the largest magnitude, of the array times ``2^-power``."""
    flat = np.ascontiguousarray(array).reshape(-1)
    power = 0
    if flat.dtype.itemsize > 4:  # beyond float32's exponents: brought to unit order first
        top = float(np.abs(flat).max())
        if math.isfinite(top) and top > 0:
            power = math.frexp(top)[1]
            flat = np.ldexp(flat, -power)
    flat = flat.astype(np.float32, copy=False)
    # What is not finite has an exponent of its own, the last octave.
    moments = np.zeros((curves_kernel.BINS + curves_kernel.OCTAVE, 3))
    largest = curves_kernel.histogram(flat, flat.view(np.uint32), moments)
    bad = int(moments[curves_kernel.BINS :, 0].sum())
    if bad:
        checks.fail(f"{name} entries that are NaN or infinite", bad, "none")
    return moments[: curves_kernel.BINS], float(largest), power


def _scaled(energy: float, power: int, name: str) -> float:
    """Energy times ``4^power``."""
    try:
        return math.ldexp(energy, 2 * power)
    except OverflowError:
        checks.fail(f"{name} energy", f"{energy:g} x 4^{power}", "a sum of squares below 1e308")
