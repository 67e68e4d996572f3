"""What tables of intervals share: read-only columns, and names for positions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Columns(Mapping[str, "NDArray[Any]"]):
    """Columns that nobody can change any more; unlike a `MappingProxyType` they can be pickled."""

    __slots__ = ("_columns",)

    def __init__(self, columns: Mapping[str, NDArray[Any]]):
        self._columns = dict(columns)
        for column in self._columns.values():
            column.flags.writeable = False

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self._columns[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __len__(self) -> int:
        return len(self._columns)

    def __reduce__(self) -> tuple[Any, ...]:
        return (Columns, (self._columns,))


def frozen(columns: Mapping[str, NDArray[Any]]) -> Columns:
    """The columns, read-only."""
    return Columns(columns)


def named(names: Sequence[str], positions: NDArray[Any]) -> NDArray[np.str_]:
    """Names by position, shape (rows,)."""
    found: NDArray[np.str_] = np.array(names, dtype=np.str_)[positions]
    return found
