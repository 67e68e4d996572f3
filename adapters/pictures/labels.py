"""Names beside points: each on the side where it covers the least."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from .style import INK

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

#: Where a label may stand: its side of the point, and how far (points).
_GAP = 5.5
#: Half the width of a mark (points).
_MARK = 3.0
_SIDES = ((1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, 1), (1, -1), (-1, -1))
#: A name that would lie under others by more than this share of its area is left out.
_COVERED = 0.3


def place_labels(
    ax: Axes, x: Floats, y: Floats, names: Sequence[str], colour: str = INK, size: float = 8.0
) -> None:
    """Write names beside points of axes whose limits are set; what finds no room is left out."""
    scale = _points_per_unit(ax)
    low, high = np.array([ax.get_xlim(), ax.get_ylim()]).T * scale
    at = np.stack([x, y], axis=-1) * scale

    def inside(boxes: Floats) -> NDArray[np.bool_]:
        room: NDArray[np.bool_] = ((boxes[:, :2] >= low) & (boxes[:, 2:] <= high)).all(axis=1)
        return room

    sides = sides_of(at, [extent(name, size) for name in names], inside, at, _COVERED)
    for k, side in enumerate(sides):
        if side is not None:
            write(ax, names[k], (float(x[k]), float(y[k])), side, colour, size)


def sides_of(
    at: Floats,
    extents: Sequence[tuple[float, float]],
    inside: Callable[[Floats], NDArray[np.bool_]],
    marks: Floats,
    covered: float = np.inf,
) -> list[tuple[int, int] | None]:
    """Choose the side of its point for each label, one after the other.

    Parameters
    ----------
    at : array, shape (labels, 2)
        Their points, in typographic points.
    extents : sequence of (float, float)
        Width and height of the labels.
    inside : callable
        Which boxes (left, bottom, right, top) have room.
    marks : array, shape (marks, 2)
        What else is drawn and should stay free.
    covered : float
        The largest share of a label that may lie on something else.

    Returns
    -------
    list of (int, int) or None
        Right (1), middle (0) or left (-1); above, middle or below. None: no room.
    """
    taken = np.concatenate([marks - _MARK, marks + _MARK], axis=1)
    found: list[tuple[int, int] | None] = []
    for place, (width, height) in zip(at, extents, strict=True):
        boxes = np.array([_box(place, (width, height), side) for side in _SIDES])
        cost = _overlap(boxes, taken).sum(axis=1) / (width * height)
        room = inside(boxes)
        best = int(np.argmin(cost + 10.0 * ~room))
        fits = cost[best] <= covered and (room[best] or np.isinf(covered))
        found.append(_SIDES[best] if fits else None)
        if fits:
            taken = np.concatenate([taken, boxes[best : best + 1]])
    return found


def write(
    ax: Axes, text: str, at: tuple[float, float], side: tuple[int, int], colour: str, size: float
) -> None:
    """Write a label on a side of a point."""
    from matplotlib.patheffects import withStroke

    ax.annotate(
        text,
        at,
        textcoords="offset points",
        xytext=_shift(side),
        ha=("center", "left", "right")[side[0]],
        va=("center", "bottom", "top")[side[1]],
        fontsize=size,
        color=colour,
        zorder=8,
        path_effects=[withStroke(linewidth=2.0, foreground="white")],
    )


def _points_per_unit(ax: Axes) -> Floats:
    """Typographic points per data unit, from the room that the axes have before any layout."""
    figure = ax.get_figure(root=True)
    assert figure is not None
    place = ax.get_position()
    inches = figure.get_size_inches() * np.array([place.width, place.height])
    spans = np.abs([np.diff(ax.get_xlim())[0], np.diff(ax.get_ylim())[0]])
    scale = 72.0 * inches / spans
    if ax.get_aspect() == 1.0:
        scale[:] = scale.min()
    return np.asarray(scale, dtype=np.float64)


def extent(text: str, size: float) -> tuple[float, float]:
    """Width and height of a text in points."""
    from matplotlib.textpath import TextPath

    lines = text.split("\n")
    width = max(float(TextPath((0, 0), line, size=size).get_extents().x1) for line in lines)
    return width, 1.2 * size * len(lines)


def _shift(side: tuple[int, int]) -> tuple[float, float]:
    return side[0] * (_GAP if side[1] == 0 else 0.7 * _GAP), side[1] * 0.9 * _GAP


def _box(at: Floats, extent: tuple[float, float], side: tuple[int, int]) -> list[float]:
    """Left, bottom, right and top of a label on a side of a point."""
    shift = _shift(side)
    left = at[0] + shift[0] + extent[0] * (side[0] - 1) / 2
    bottom = at[1] + shift[1] + extent[1] * (side[1] - 1) / 2
    return [float(left), float(bottom), float(left) + extent[0], float(bottom) + extent[1]]


def _overlap(boxes: Floats, others: Floats) -> Floats:
    """Common area of each box with each other one, shape (boxes, others)."""
    low = np.maximum(boxes[:, None, :2], others[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    area: Floats = np.prod(np.maximum(high - low, 0.0), axis=-1)
    return area
