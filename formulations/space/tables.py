"""What tables of intervals share: read-only columns, and names for positions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def frozen(columns: Mapping[str, NDArray[Any]]) -> Mapping[str, NDArray[Any]]:
    """The columns, which nobody can change any more."""
    for column in columns.values():
        column.flags.writeable = False
    return MappingProxyType(dict(columns))


def named(names: Sequence[str], positions: NDArray[Any]) -> NDArray[np.str_]:
    """Names by position, shape (rows,)."""
    found: NDArray[np.str_] = np.array(names, dtype=np.str_)[positions]
    return found
