"""The magnitudes that a quantised value may take: evenly spaced, or by a constant factor.

Of the bits of a value one is its sign; the others number the levels, ascending. The levels are
``low + step * j`` ("linear") or ``low * step**j`` ("log"), and the first of them may be zero. They
are made by repeated addition or multiplication in float64 and then rounded to the tensor's type,
so that any IEEE machine has the same ones. Where magnitudes fall off as fast as those of gradients
do, logarithmic levels have about half the error of linear ones: most of what is kept lies near the
smallest.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import checks

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

#: Bits of a quantised value, its sign included.
FEWEST_BITS, MOST_BITS = 2, 8
SPACINGS = ("linear", "log")


@dataclass(frozen=True, slots=True)
class Levels:
    """A quantiser's levels.

    Attributes
    ----------
    bits : int
        2 to 8, the sign included: ``2**(bits - 1)`` levels.
    spacing : str
        "linear" or "log".
    low : float
        Smallest level (of those that are not zero, if `has_zero`); more than 0 for "log".
    step : float
        Difference of neighbours, at least 0 ("linear"), or their quotient, at least 1 ("log").
    has_zero : bool
        Whether the first level is zero.
    """

    bits: int
    spacing: str
    low: float
    step: float
    has_zero: bool = False

    def __post_init__(self) -> None:
        if not FEWEST_BITS <= checks.whole("Levels.bits", self.bits) <= MOST_BITS:
            checks.fail("Levels.bits", self.bits, f"{FEWEST_BITS} to {MOST_BITS}")
        is_log = checks.known("Levels.spacing", self.spacing, SPACINGS) == "log"
        checks.real("Levels.low", self.low, strict=is_log)
        checks.real("Levels.step", self.step, low=1.0 if is_log else 0.0)

    def table(self, dtype: np.dtype[Any]) -> NDArray[Any]:
        """Levels in a tensor's type, ascending, shape (2**(bits - 1),); they are all finite."""
        count = 1 << (self.bits - 1)
        table = np.zeros(count)
        raised = table[int(self.has_zero) :]
        raised[:] = self.step
        raised[0] = self.low
        running = np.multiply if self.spacing == "log" else np.add
        with np.errstate(over="ignore"):
            running.accumulate(raised, out=raised)
        return np.minimum(table, float(np.finfo(dtype).max)).astype(dtype)

    def signed(self, dtype: np.dtype[Any]) -> NDArray[Any]:
        """Value of every code, shape (2**bits,): codes of negative values have the highest bit."""
        table = self.table(dtype)
        return np.concatenate([table, -table])
