"""Transfers as columns: bytes of a demand over a part of a contact."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import checks
from .problem import PassProblem

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

#: Columns and their types.
COLUMNS: Mapping[str, Any] = {
    "demand": np.int32,
    "contact": np.int32,
    "start_s": np.float64,
    "end_s": np.float64,
    "volume_bytes": np.float64,
}


@dataclass(frozen=True, slots=True, eq=False)
class Transfers:
    """Transfers as columns, shape (transfers,): bytes of a demand over a part of a contact.

    Attributes
    ----------
    demand, contact : array of int32
        Positions in the problem's demands and in the plan's contacts.
    start_s, end_s : array
        Within the contact; the bytes flow evenly in between.
    volume_bytes : array
    """

    demand: NDArray[np.int32]
    contact: NDArray[np.int32]
    start_s: NDArray[np.float64]
    end_s: NDArray[np.float64]
    volume_bytes: NDArray[np.float64]

    @classmethod
    def of(
        cls,
        demand: ArrayLike,
        contact: ArrayLike,
        start_s: ArrayLike,
        end_s: ArrayLike,
        volume_bytes: ArrayLike,
    ) -> Transfers:
        """Transfers from anything that becomes arrays."""
        return cls(
            np.array(demand, dtype=np.int32),
            np.array(contact, dtype=np.int32),
            np.array(start_s, dtype=np.float64),
            np.array(end_s, dtype=np.float64),
            np.array(volume_bytes, dtype=np.float64),
        )

    def __post_init__(self) -> None:
        for name, dtype in COLUMNS.items():
            column = np.array(getattr(self, name), dtype=dtype)
            if column.shape != np.shape(self.demand) or column.ndim != 1:
                checks.fail(f"Transfers.{name} shape", column.shape, "one length for all columns")
            column.flags.writeable = False
            object.__setattr__(self, name, column)

    def __len__(self) -> int:
        return len(self.demand)

    @classmethod
    def empty(cls) -> Transfers:
        """No transfer."""
        return cls.of((), (), (), (), ())

    @classmethod
    def joined(cls, parts: list[Transfers]) -> Transfers:
        """Several sets of transfers as one, by start, then demand and contact."""
        if not parts:
            return cls.empty()
        columns = {name: np.concatenate([getattr(p, name) for p in parts]) for name in COLUMNS}
        order = np.lexsort((columns["contact"], columns["demand"], columns["start_s"]))
        return cls(**{name: column[order] for name, column in columns.items()})

    def where(self, chosen: NDArray[np.bool_]) -> Transfers:
        """The transfers that are chosen."""
        return Transfers(**{name: getattr(self, name)[chosen] for name in COLUMNS})

    def antenna_seconds(self, problem: PassProblem) -> NDArray[np.float64]:
        """Antenna time of each transfer: its bytes at the contact's rate, shape (transfers,)."""
        rate = problem.plan.arrays["rate_bps"][self.contact]
        seconds: NDArray[np.float64] = self.volume_bytes * 8 / np.maximum(rate, 1e-300)
        return seconds
