"""Means that a few wrong updates cannot move: coordinate-wise median and trimmed mean.

With at most f wrong votes among n > 2 f, each coordinate of the result lies between the least and
the greatest of the honest votes: Yin, Chen, Ramchandran, Bartlett: Byzantine-Robust Distributed
Learning: Towards Optimal Statistical Rates (ICML 2018), definitions 1 and 2. Every vote weighs
the same here: a weight is a claim of its sender.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from .. import checks

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


class Rule(Protocol):
    """Anything that makes one vote of many, coordinate by coordinate."""

    @property
    def least(self) -> int:
        """Votes that it needs."""
        ...

    def __call__(self, votes: Floats) -> Floats:
        """One vote, shape (size,), of votes, shape (voters, size)."""
        ...


@dataclass(frozen=True, slots=True)
class Median:
    """The middle vote of each coordinate, the mean of the middle two where they are even.

    It withstands fewer than half of the votes.
    """

    @property
    def least(self) -> int:
        """Votes that it needs."""
        return 1

    def __call__(self, votes: Floats) -> Floats:
        """One vote, shape (size,), of votes, shape (voters, size)."""
        return _middle(votes, (len(votes) - 1) // 2)


@dataclass(frozen=True, slots=True)
class TrimmedMean:
    """The mean of each coordinate without its `trim` least and `trim` greatest votes.

    Parameters
    ----------
    trim : int
        Wrong votes that it withstands, f; it needs at least 2 f + 1 votes.
    """

    trim: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "trim", checks.whole("TrimmedMean.trim", self.trim))

    @property
    def least(self) -> int:
        """Votes that it needs."""
        return 2 * self.trim + 1

    def __call__(self, votes: Floats) -> Floats:
        """One vote, shape (size,), of votes, shape (voters, size)."""
        if len(votes) < self.least:
            checks.fail("TrimmedMean votes", len(votes), f"at least {self.least}")
        return _middle(votes, self.trim)


def _middle(votes: Floats, trim: int) -> Floats:
    """Mean over voters without the `trim` at either end of each coordinate."""
    kept = np.sort(votes, axis=0)[trim : len(votes) - trim]
    # The rounding of a sum may leave the range of its terms; the promise is that range.
    bounded: Floats = np.clip(kept.mean(axis=0), kept[0], kept[-1])
    return bounded
