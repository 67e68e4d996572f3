"""Exact selection of the largest entries by magnitude, in about one pass over memory.

A stratified sample gives a threshold that is below the wanted one by four standard deviations; one
pass collects what reaches it, and a radix selection cuts exactly among those candidates. Where the
sample misled (too few or too many candidates), the radix selection runs over the whole tensor, so
the answer never depends on the sample. Among equals the lowest index is kept; zeros are never sent.
Complexity: O(elements), whatever the values.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from . import select_kernel as passes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Numbers = NDArray[np.floating[Any]]
    Ints = NDArray[np.int64]

#: Below this many elements a sample costs more than it saves.
_SMALL = 1 << 15
_SAMPLES = (1 << 13, 1 << 16)
#: Elements of the tensor per element of the sample.
_SAMPLE_STRIDE = 512
_DEVIATIONS = 4.0


@dataclass(frozen=True, slots=True, eq=False)
class Picked:
    """Entries of a flattened tensor: where, ascending, and what they hold."""

    places: Ints
    values: Numbers

    def __len__(self) -> int:
        return len(self.places)


def is_finite(values: Numbers) -> bool:
    """Whether no element is NaN or infinite: one pass over contiguous memory."""
    bits, mask, _ = _bits(values)
    return bool(passes.largest_bits(bits, mask) < _bits(np.array([np.inf], values.dtype))[0][0])


def top_k(values: Numbers, kept: int) -> Picked:
    """Find the `kept` entries of largest magnitude.

    Parameters
    ----------
    values : array of float32 or float64, shape (elements,), contiguous
        Finite; not changed.
    kept : int
        At most `elements`. All of them are returned where it equals `elements`, and never a zero
        where it is less.

    Returns
    -------
    Picked
        At most `kept` entries.
    """
    if not 0 < kept < len(values):
        return _ends(values, kept)
    least, room = _threshold(lambda places: values[places], len(values), kept, values.dtype)
    if room == 0:
        return _cut(values, kept)
    places, found = np.empty(room, np.int64), np.empty(room, values.dtype)
    count = passes.collect(values, least, places, found)
    return _among(values, kept, least, places, found, count)


def add_top_k(whole: Numbers, added: Numbers, kept: int) -> Picked:
    """Do ``whole += added`` in place and find the `kept` largest entries of the sum.

    The arrays are of one dtype and shape (elements,); sums may overflow to infinity. Otherwise as
    `top_k`.
    """
    if not 0 < kept < len(whole):
        _add(whole, added)
        return _ends(whole, kept)
    least, room = _threshold(
        lambda places: whole[places] + added[places], len(whole), kept, whole.dtype
    )
    if room == 0:
        _add(whole, added)
        return _cut(whole, kept)
    places, found = np.empty(room, np.int64), np.empty(room, whole.dtype)
    count = passes.add_and_collect(whole, added, least, places, found)
    return _among(whole, kept, least, places, found, count)


def _add(whole: Numbers, added: Numbers) -> None:
    """``whole += added``; a sum may overflow to infinity, here as in the kernels."""
    with np.errstate(over="ignore"):
        np.add(whole, added, out=whole)


def _ends(values: Numbers, kept: int) -> Picked:
    """Nothing or everything."""
    return Picked(np.arange(kept and len(values)), values[: kept and len(values)].copy())


def _threshold(sampled: Any, elements: int, kept: int, dtype: Any) -> tuple[Any, int]:
    """A magnitude safely below the wanted one, and room for the candidates (0: do not sample).

    The number of sampled entries among the `kept` largest is binomial.
    """
    if elements < _SMALL:
        return None, 0
    size = min(max(elements // _SAMPLE_STRIDE, _SAMPLES[0]), _SAMPLES[1])
    share = kept / elements
    spread = _DEVIATIONS * math.sqrt(size * share * (1.0 - share)) + 1.0
    rank = math.ceil(size * share + spread)
    if rank >= size:
        return None, 0
    magnitudes = np.abs(sampled(passes.sample_places(elements, size)))
    guess = np.partition(magnitudes, size - rank)[size - rank]
    # A threshold of zero would collect every zero there is.
    least = max(guess, np.finfo(dtype).smallest_subnormal)
    room = math.ceil(elements * (rank + 2.0 * spread) / size) + passes.BLOCK
    return dtype.type(least), room


def _among(
    whole: Numbers, kept: int, least: Any, places: Ints, found: Numbers, count: int
) -> Picked:
    """The exact cut among candidates, or over the whole where they do not hold the answer."""
    is_every_nonzero = least == np.finfo(whole.dtype).smallest_subnormal
    if count < 0 or (count < kept and not is_every_nonzero):
        return _cut(whole, kept)
    if count > kept:
        bits, mask, width = _bits(found[:count])
        limit, ties = passes.cut(bits, mask, kept, width)
        count = passes.keep_among(bits, mask, limit, ties, places, found)
    return Picked(places[:count], found[:count])


def _cut(values: Numbers, kept: int) -> Picked:
    """Exact selection by radix over all of `values`; ``0 < kept < len(values)``."""
    bits, mask, width = _bits(values)
    limit, ties = passes.cut(bits, mask, kept, width)
    places = np.empty(kept + 1, np.int64)
    count = passes.keep(bits, mask, limit, ties, places)
    places = places[:count]
    return Picked(places, values[places])


def _bits(values: Numbers) -> tuple[NDArray[Any], Any, int]:
    """Values as signed integers, the mask that drops their sign, and how many bits remain."""
    kind = np.int32 if values.dtype == np.float32 else np.int64
    width = 8 * values.itemsize - 1
    return values.view(kind), kind((1 << width) - 1), width
