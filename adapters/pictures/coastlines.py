"""The Earth's coastlines, coarse enough to travel in the wheel: for maps of ground tracks."""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def coastlines() -> list[NDArray[np.float64]]:
    """Return the outlines of land, Natural Earth 1:110m to 0.1 degree.

    Returns
    -------
    list of ndarray
        Polylines, each of shape (n, 2): longitude and latitude in degrees, closed or ending on the
        antimeridian, which none crosses. The arrays are read-only and shared.
    """
    return list(_coastlines())


@cache
def _coastlines() -> tuple[NDArray[np.float64], ...]:
    file = resources.files(__name__.rpartition(".")[0]).joinpath("data", "coastlines.json")
    lines = [np.array(row, dtype=np.float64) for row in json.loads(file.read_text("utf-8"))]
    for line in lines:
        line.setflags(write=False)
    return tuple(lines)
