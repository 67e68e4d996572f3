"""From a point on a hull to something that a compressor can do.

A point between two vertices of a hull mixes two settings, which one message cannot. Its bytes are
kept instead: of every width of value the most entries whose message fits them, between the grid's
numbers of entries too, and of these the width with the least error on the curve itself. At a vertex
this is the vertex; between two it lies on the hull or above it, by what the gap says. What a
message then leaves of its bytes goes to the layer that gains most by all of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .curves import Setting
from .problem import CompressionProblem

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

#: Rounding that a vertex's own bytes may have gone through.
_SLACK = 1e-9


def realised(problem: CompressionProblem, room_bytes: Floats) -> tuple[Ints, Ints]:
    """Entries and widths of the settings of least error within each item's bytes.

    Parameters
    ----------
    problem : CompressionProblem
    room_bytes : array of float, shape (items,)

    Returns
    -------
    entries, widths : array of int, shape (items,)
        Where nothing fits, no entries at the curve's least width.
    """
    items = problem.items
    rooms = (np.asarray(room_bytes) * (1.0 + _SLACK)).tolist()
    found = [curve.best_within(room) for curve, room in zip(items.curve, rooms, strict=True)]
    if problem.objective == "error":
        bounds = np.searchsorted(items.sender, np.arange(len(problem.senders) + 1))
        for start, end in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
            _spend(problem, slice(start, end), sum(rooms[start:end]), found)
    rows = zip(items.curve, found, strict=True)
    widths = [row.bits if row.kept else int(curve.bits[0]) for curve, row in rows]
    return (
        np.array([row.kept for row in found], dtype=np.int64),
        np.array(widths, dtype=np.int64),
    )


def _spend(problem: CompressionProblem, part: slice, room: float, found: list[Setting]) -> None:
    """Give what one message leaves of its bytes to one of its layers; changes `found`."""
    items = problem.items
    left = room - sum(row.size_bytes for row in found[part])
    numbers = range(part.start, part.stop)
    other = [items.curve[k].best_within(found[k].size_bytes + left) for k in numbers]
    gain = [
        items.weight[k] * (found[k].error - row.error)
        for k, row in zip(numbers, other, strict=True)
    ]
    best = int(np.argmax(gain))
    if gain[best] > 0:
        found[part.start + best] = other[best]
