"""Uses of antennas and the transfers within each: what calendars and pictures show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..formulations.passes.judge import blocks
from ..formulations.passes.schedule import PassSchedule

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class AntennaUses:
    """Uses of antennas by contact and time, and the transfers that make them.

    Attributes
    ----------
    contact : array of int, shape (uses,)
    start_s, end_s : array, shape (uses,)
        Without set-up and tear-down.
    transfer, use : array of int, shape (transfers that use an antenna,)
        Positions of transfers, and the use that each belongs to.
    """

    contact: NDArray[np.int64]
    start_s: NDArray[np.float64]
    end_s: NDArray[np.float64]
    transfer: NDArray[np.int64]
    use: NDArray[np.int64]


def antenna_uses(schedule: PassSchedule) -> AntennaUses:
    """Find the uses of antennas of a schedule; O(n log n) in its transfers."""
    moves = schedule.moves
    contact, start, end = blocks(schedule.problem, moves)
    used = np.flatnonzero(schedule.problem.uses_antenna[moves.contact] & (moves.volume_bytes > 0))
    # Uses and transfers in one order: a transfer belongs to the last use before it.
    kind = np.repeat([0, 1], [len(contact), len(used)])
    times = np.concatenate([start, moves.start_s[used]])
    order = np.lexsort((kind, times, np.concatenate([contact, moves.contact[used]])))
    is_transfer = kind[order] == 1
    use = (np.cumsum(~is_transfer) - 1)[is_transfer]
    return AntennaUses(contact, start, end, used[order[is_transfer] - len(contact)], use)
