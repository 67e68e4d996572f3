"""Ranges of whole numbers, laid end to end without a loop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]


def ranges(first: NDArray[Any], size: NDArray[Any]) -> tuple[Ints, Ints]:
    """Ranges ``first[k], first[k] + 1, ...`` of so many numbers each, one after another.

    Returns
    -------
    owner, number : array of int64, shape (sum of sizes,)
        Which range each entry is of, and the number that it is.
    """
    owner = np.repeat(np.arange(len(size), dtype=np.int64), size)
    within = np.arange(len(owner)) - np.repeat(np.cumsum(size) - size, size)
    return owner, np.asarray(first[owner] + within, dtype=np.int64)
