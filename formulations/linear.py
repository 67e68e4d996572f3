"""A mixed-integer linear model as arrays: named blocks of columns and rows, one sparse matrix.

minimise    c x + offset
subject to  row_lower <= A x <= row_upper,  lower <= x <= upper,  x_j integer for j in `integer`

Every backend reads this one type. A formulation adds blocks with index arithmetic
(`ModelBuilder`), never a Python loop over columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from . import checks

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Block:
    """A named, shaped run of columns or rows: element k stands at ``start + k`` (C order).

    Columns that are `implied` come out whole, at no extra cost, once the integer ones are: a
    solver may take them as continuous or as integer, whichever suits it.
    """

    name: str
    start: int
    shape: tuple[int, ...]
    implied: bool = False

    @property
    def size(self) -> int:
        """Number of elements."""
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def stop(self) -> int:
        """One past the last element."""
        return self.start + self.size

    @property
    def indices(self) -> Ints:
        """Positions in the model, in the block's shape."""
        return np.arange(self.start, self.stop, dtype=np.int64).reshape(self.shape)

    def take(self, x: Floats) -> Floats:
        """This block's part of a solution vector, in the block's shape."""
        return x[self.start : self.stop].reshape(self.shape)


@dataclass(frozen=True, slots=True, eq=False)
class LinearModel:
    """Arrays of one MILP; see the module docstring for the meaning of each."""

    cost: Floats
    offset: float
    lower: Floats
    upper: Floats
    integer: NDArray[np.bool_]
    matrix: sparse.csr_array
    row_lower: Floats
    row_upper: Floats
    columns: tuple[Block, ...]
    rows: tuple[Block, ...]

    @property
    def num_columns(self) -> int:
        """Number of variables."""
        return len(self.cost)

    @property
    def num_rows(self) -> int:
        """Number of constraints."""
        return len(self.row_lower)

    def block(self, name: str) -> Block:
        """The column block of that name."""
        names = [block.name for block in self.columns]
        return self.columns[names.index(checks.known("column block", name, names))]

    @property
    def implied(self) -> NDArray[np.bool_]:
        """Columns that come out whole once the integer ones are, shape (num_columns,)."""
        marks = np.zeros(self.num_columns, dtype=bool)
        for block in self.columns:
            marks[block.start : block.stop] = block.implied
        return marks

    def objective(self, x: Floats) -> float:
        """Objective value of a vector."""
        return float(self.cost @ x) + self.offset

    def below(self, value: float) -> LinearModel:
        """The same model without what no vector better than `value` can hold.

        Where every cost and lower bound is non-negative, ``c_j x_j <= value - offset`` caps every
        column. Columns that become zero lose their cost, so that huge coefficients which no good
        answer uses do not drown the others in a solver's tolerances.
        """
        if not np.isfinite(value) or (self.cost < 0).any() or (self.lower < 0).any():
            return self
        room = max(value - self.offset, 0.0) * (1 + 1e-6) + 1e-12
        cap = np.full(self.num_columns, np.inf)
        np.divide(room, self.cost, out=cap, where=self.cost > 0)
        cap = np.where(self.integer, np.floor(cap + 1e-6), cap)
        upper = np.maximum(np.minimum(self.upper, cap), self.lower)
        return replace(self, upper=upper, cost=np.where(upper > 0, self.cost, 0.0))

    def violation(self, x: Floats) -> float:
        """Largest violation of any bound, row or integrality, absolute."""
        activity = self.matrix @ x
        worst = 0.0
        for gap in (
            self.lower - x,
            x - self.upper,
            self.row_lower - activity,
            activity - self.row_upper,
            np.abs(x - np.round(x))[self.integer],
        ):
            if gap.size:
                worst = max(worst, float(gap.max()))
        return worst


@dataclass(slots=True)
class ModelBuilder:
    """Collects blocks and triplets, then freezes them into a `LinearModel`."""

    columns: list[Block] = field(default_factory=list)
    rows: list[Block] = field(default_factory=list)
    _bounds: list[tuple[Floats, Floats, NDArray[np.bool_]]] = field(default_factory=list)
    _limits: list[tuple[Floats, Floats]] = field(default_factory=list)
    _triplets: list[tuple[Ints, Ints, Floats]] = field(default_factory=list)
    _cost: list[tuple[Ints, Floats]] = field(default_factory=list)
    offset: float = 0.0

    def variables(
        self,
        name: str,
        shape: int | Sequence[int],
        *,
        lower: ArrayLike = 0.0,
        upper: ArrayLike = np.inf,
        integer: bool = False,
        implied: bool = False,
    ) -> Ints:
        """Add a block of variables; returns their column numbers in the given shape.

        With `implied` they are continuous, and whole once the integer ones are; see `Block`.
        """
        shape = (shape,) if isinstance(shape, int) else tuple(int(n) for n in shape)
        start = self.columns[-1].stop if self.columns else 0
        block = Block(name, start, shape, implied)
        self.columns.append(block)
        low = np.broadcast_to(np.asarray(lower, dtype=np.float64), shape).ravel()
        high = np.broadcast_to(np.asarray(upper, dtype=np.float64), shape).ravel()
        self._bounds.append((low, high, np.full(block.size, integer)))
        return block.indices

    def constraints(
        self,
        name: str,
        shape: int | Sequence[int],
        *,
        lower: ArrayLike = -np.inf,
        upper: ArrayLike = np.inf,
    ) -> Ints:
        """Add a block of rows; returns their row numbers in the given shape."""
        shape = (shape,) if isinstance(shape, int) else tuple(int(n) for n in shape)
        start = self.rows[-1].stop if self.rows else 0
        block = Block(name, start, shape)
        self.rows.append(block)
        low = np.broadcast_to(np.asarray(lower, dtype=np.float64), shape).ravel()
        high = np.broadcast_to(np.asarray(upper, dtype=np.float64), shape).ravel()
        self._limits.append((low, high))
        return block.indices

    def add(self, rows: ArrayLike, columns: ArrayLike, values: ArrayLike) -> None:
        """Add coefficients; the three arrays are broadcast together, repeats are summed."""
        i, j, v = np.broadcast_arrays(
            np.asarray(rows, dtype=np.int64),
            np.asarray(columns, dtype=np.int64),
            np.asarray(values, dtype=np.float64),
        )
        self._triplets.append((i.ravel(), j.ravel(), v.ravel()))

    def minimise(self, columns: ArrayLike, values: ArrayLike) -> None:
        """Add to the objective; the arrays are broadcast together, repeats are summed."""
        j, v = np.broadcast_arrays(
            np.asarray(columns, dtype=np.int64), np.asarray(values, dtype=np.float64)
        )
        self._cost.append((j.ravel(), v.ravel()))

    def build(self) -> LinearModel:
        """Freeze what was collected."""
        width = self.columns[-1].stop if self.columns else 0
        height = self.rows[-1].stop if self.rows else 0
        i, j, v = (_join([t[k] for t in self._triplets]) for k in range(3))
        matrix = sparse.csr_array(
            (v, (i.astype(np.int64), j.astype(np.int64))), shape=(height, width)
        )
        matrix.sum_duplicates()
        cost = np.zeros(width)
        for columns, values in self._cost:
            np.add.at(cost, columns, values)
        return LinearModel(
            cost=cost,
            offset=self.offset,
            lower=_join([b[0] for b in self._bounds]),
            upper=_join([b[1] for b in self._bounds]),
            integer=_join([b[2] for b in self._bounds]).astype(bool),
            matrix=matrix,
            row_lower=_join([b[0] for b in self._limits]),
            row_upper=_join([b[1] for b in self._limits]),
            columns=tuple(self.columns),
            rows=tuple(self.rows),
        )


def _join(parts: Sequence[NDArray[Any]]) -> NDArray[Any]:
    return np.concatenate(parts) if parts else np.zeros(0)
