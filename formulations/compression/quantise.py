"""Quantisation of the kept values: levels fitted to what they are, then a code for each.

The two ends of the levels are chosen for the least squared error over a histogram of magnitudes
(64 bins an octave), with and without a level at zero; at `_WIDE_BITS` or more the upper end is the
largest magnitude itself. So two bits end up at the centroids of the two halves (Lloyd, "Least
squares quantization in PCM", IEEE Transactions on Information Theory 28, 1982).

With random rounding a value goes to one of the two levels around it with the probabilities that
make its mean exact (Alistarh et al., "QSGD", NeurIPS 2017). `is_unbiased` asks for levels that
span every value, so that this holds for all of them; otherwise the expected squared error alone
decides, which is never more than the energy of the values: error feedback converges.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from . import level_kernel as loops
from .levels import FEWEST_BITS, Levels

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Numbers = NDArray[np.floating[Any]]
    Floats = NDArray[np.float64]

#: From this many bits on the largest magnitude is a level.
_WIDE_BITS = 6
#: Values this far below the largest are not worth levels of their own.
_SPAN = 2.0**-100


@dataclass(frozen=True, slots=True)
class Rounding:
    """How a value goes to a level.

    Attributes
    ----------
    key : int or None
        What random rounding is drawn from; None rounds to the nearest level.
    is_unbiased : bool
        Whether levels must span the values (random rounding only).
    """

    key: int | None = None
    is_unbiased: bool = False


@dataclass(frozen=True, slots=True)
class Quantiser:
    """What a tensor's values become.

    Attributes
    ----------
    dtype : numpy dtype
        Type of the tensor, to which levels are rounded.
    bits : int
        Of a value, its sign included, 2 to 8.
    spacing : str
        "linear" or "log".
    rounding : Rounding
    """

    dtype: np.dtype[Any]
    bits: int
    spacing: str = "log"
    rounding: Rounding = field(default_factory=Rounding)

    def apply(self, values: Numbers) -> tuple[Levels, NDArray[np.uint8]]:
        """Fit levels to values and code these.

        Parameters
        ----------
        values : array of float32 or float64, shape (kept,)
            At least one, finite.

        Returns
        -------
        levels : Levels
        codes : array of uint8, shape (kept,)
            ``levels.signed(dtype)[codes]`` are the values that the other side has.
        """
        wide = values.astype(np.float64)
        smallest, largest = loops.extremes(wide)
        if largest == 0.0:
            levels = self._stored(1.0, 1.0, True)
        else:
            levels = self._fitted(wide, smallest, largest)
        table = levels.table(self.dtype).astype(np.float64)
        codes = np.empty(len(wide), np.uint8)
        sign = 1 << (self.bits - 1)
        if self.rounding.key is not None:
            loops.code_at_random(wide, table, np.uint64(self.rounding.key), sign, codes)
            return levels, codes
        middles = np.append(0.5 * table[:-1] + 0.5 * table[1:], np.inf).view(np.int64)
        first, last = _bits(max(smallest, largest * _SPAN)), _bits(largest)
        loops.code_nearest(wide.view(np.int64), first, last, middles, sign, codes)
        return levels, codes

    def _fitted(self, wide: Floats, smallest: float, largest: float) -> Levels:
        """Levels of least squared error, for a histogram of magnitudes."""
        first = _bits(max(smallest, largest * _SPAN)) >> loops.SHIFT
        bins = (_bits(largest) >> loops.SHIFT) - first + 1
        binned = loops.histogram(wide.view(np.int64), wide, first, bins)
        spans = self.rounding.is_unbiased
        if spans:
            smallest, largest = _around(smallest, largest, self.dtype)
        floor = max(smallest, largest * _SPAN, float(np.finfo(self.dtype).smallest_subnormal))
        found: list[tuple[float, Levels]] = []
        for has_zero in (False, True):
            least, most = floor, largest
            if spans and has_zero and self.bits == FEWEST_BITS:
                least = largest  # the one level beside zero
            if spans and not has_zero:
                if smallest < floor:
                    continue
                most = smallest
            task = loops.Task(
                *binned,
                has_zero,
                self.spacing == "log",
                self.rounding.key is not None,
                np.empty(1 << (self.bits - 1)),
            )
            moves_high = self.bits < _WIDE_BITS and not spans
            low, high, error = loops.fit(least, most, largest, moves_high, task)
            found.append((error, self._stored(low, high, has_zero)))
        return min(found, key=lambda each: each[0])[1]

    def _stored(self, low: float, high: float, has_zero: bool) -> Levels:
        """Levels whose numbers are as they travel; they reach `high` where they must span."""
        kind = stored_type(self.dtype)
        start = kind(low)
        if self.rounding.is_unbiased and not has_zero and start > low:
            start = np.nextafter(start, kind(0))
        gaps = (1 << (self.bits - 1)) - 1 - int(has_zero)
        if self.spacing == "log":
            step = kind((high / float(start)) ** (1.0 / gaps) if gaps else 1.0)
        else:
            step = kind((high - float(start)) / gaps if gaps else 0.0)
        levels = Levels(self.bits, self.spacing, float(start), float(step), has_zero)
        while self.rounding.is_unbiased and gaps and levels.table(self.dtype)[-1] < high:
            step = np.nextafter(step, kind(np.inf))
            levels = replace(levels, step=float(step))
        return levels


def stored_type(dtype: np.dtype[Any]) -> type[np.floating[Any]]:
    """Type in which a tensor's levels travel."""
    return np.float64 if dtype == np.float64 else np.float32


def _bits(magnitude: float) -> int:
    return int(np.float64(magnitude).view(np.int64))


def _around(smallest: float, largest: float, dtype: np.dtype[Any]) -> tuple[float, float]:
    """The two magnitudes in a tensor's type, rounded outwards."""
    below, above = dtype.type(smallest), dtype.type(min(largest, float(np.finfo(dtype).max)))
    if below > smallest:
        below = np.nextafter(below, dtype.type(0))
    if above < largest and above < np.finfo(dtype).max:
        above = np.nextafter(above, dtype.type(np.inf))
    return float(below), float(above)
