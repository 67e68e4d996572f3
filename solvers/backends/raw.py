"""What every backend hands back: a vector, a bound and how it ended, nothing interpreted."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..result import Limit, Reason

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class RawResult:
    """Raw end of one solver run on a `LinearModel`.

    Attributes
    ----------
    x : ndarray, shape (num_columns,), or None
        The incumbent, if the solver has one.
    reason : Reason
        As the solver states it; an unknown status is ERROR, never a guess.
    bound : float
        The solver's lower bound on the model's objective, ``-inf`` where it gives none.
    limit : Limit or None
    backend : str
        Name and version.
    duals : ndarray, shape (num_rows,), or None
        Of a linear programme.
    """

    x: NDArray[np.float64] | None
    reason: Reason
    bound: float = -math.inf
    limit: Limit | None = None
    backend: str = ""
    duals: NDArray[np.float64] | None = None
