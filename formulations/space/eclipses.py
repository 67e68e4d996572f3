"""Eclipses: when a satellite stands in the Earth's shadow.

The shadow is two cones behind the Earth: the umbra, where the whole Sun is hidden, and the
penumbra around it, where part of it is (Montenbruck and Gill, *Satellite Orbits*, section 3.4).
The Earth is the WGS 84 ellipsoid: the axis is stretched until it is a sphere. Refraction and
the Moon are left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import checks
from ..mean_elements import EARTH_FLATTENING, EARTH_RADIUS_M
from ..orbits import Constellation
from .conditions import SHADOW
from .earth import SUN_RADIUS_M
from .ephemeris import Ephemeris, ephemerides, sun_ephemeris
from .intervals import intervals
from .passes import lost_of, tell_lost
from .tables import frozen, named
from .window import Window, constellation_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .earth import EarthRotation

    Floats = NDArray[np.float64]

COLUMNS = ("satellite_index", "start_s", "umbra_start_s", "umbra_end_s", "end_s")


@dataclass(frozen=True, slots=True, eq=False)
class EclipseTable:
    """Eclipses as columns, by satellite and time.

    Attributes
    ----------
    arrays : mapping of str to array, shape (eclipses,)
        ``satellite_index`` (int32); ``start_s`` and ``end_s`` of the penumbra; ``umbra_start_s``
        and ``umbra_end_s`` within it, NaN where the satellite only grazes the penumbra. Clipped to
        the window. ``table["satellite"]`` is names.
    known_s : array, shape (satellites,)
        Seconds of the window in which each satellite has a position; less than all of it for one
        that SGP4 gives up on.
    """

    constellation: Constellation
    window: Window
    arrays: Mapping[str, NDArray[Any]]
    known_s: Floats

    def __len__(self) -> int:
        return len(self.arrays["start_s"])

    def __getitem__(self, column: str) -> NDArray[Any]:
        if column == "satellite":
            return named(self.constellation.names, self.arrays["satellite_index"])
        return self.arrays[checks.known("EclipseTable column", column, COLUMNS)]

    @property
    def sunlit_fraction(self) -> Floats:
        """Share of its known time in which each satellite sees the whole Sun, shape (satellites,).

        NaN for one without a position.
        """
        return 1 - self._share("start_s", "end_s")

    @property
    def umbra_fraction(self) -> Floats:
        """Share of its known time in which each satellite sees no Sun, shape (satellites,)."""
        return self._share("umbra_start_s", "umbra_end_s")

    def __repr__(self) -> str:
        return (
            f"EclipseTable({len(self)} eclipses of {len(self.constellation)} satellites, "
            f"{self.window.duration_s:g} s from {self.window.start:%FT%TZ})"
        )

    def _share(self, first: str, last: str) -> Floats:
        total = np.zeros(len(self.constellation))
        length = np.nan_to_num(self.arrays[last] - self.arrays[first])
        np.add.at(total, self.arrays["satellite_index"], length)
        share = np.full(len(total), np.nan)
        np.divide(total, self.known_s, out=share, where=self.known_s > 0)
        return share


def eclipses(
    constellation: Constellation,
    *,
    start: datetime,
    duration_s: float | None = None,
    end: datetime | None = None,
    engine: str = "sgp4",
    rotation: EarthRotation | None = None,
    on_progress: Any = None,
) -> EclipseTable:
    """Find every eclipse of every satellite; the arguments are those of `passes`.

    Returns
    -------
    EclipseTable
        Times are within 0.3 s in low orbits, most of it the Sun's place (0.01 degrees).
    """
    window = Window.of("eclipses", start, duration_s, end, engine, rotation, on_progress)
    whole = constellation_of("eclipses", constellation)
    found, done = [], 0
    known = np.zeros(len(whole))
    lost: dict[str, float] = {}
    for body in ephemerides(whole, window):
        found.append(columns_of(body, window))
        known[body.index] = body.known_s(window)
        lost.update(lost_of(body, whole, window))
        done += len(body.index)
        window.report(done / len(whole))
    arrays = {name: np.concatenate([rows[name] for rows in found]) for name in COLUMNS}
    order = np.lexsort((arrays["start_s"], arrays["satellite_index"]))
    arrays = {name: column[order] for name, column in arrays.items()}
    tell_lost("eclipses", lost, len(whole))
    return EclipseTable(whole, window, frozen(arrays), known)


def columns_of(body: Ephemeris, window: Window) -> dict[str, NDArray[Any]]:
    """Eclipses of a block of satellites, as the columns of a table."""
    sun = sun_ephemeris(body, window)
    pairs = np.zeros((len(body.index), 3), dtype=np.int64)
    pairs[:, 0] = np.arange(len(body.index))
    spans = []
    for side in (1.0, -1.0):  # penumbra, umbra
        place = np.array([[side, 1 / (1 - EARTH_FLATTENING), EARTH_RADIUS_M, SUN_RADIUS_M]])
        spans.append(intervals(SHADOW, body, sun, pairs, place, window.span))
    (row, first, last), (dark, dark_first, dark_last) = spans
    # Each umbra lies in the penumbra of its row that began last before the umbra's middle.
    middle = 0.5 * (dark_first + dark_last)
    far = window.duration_s + 1.0
    place_of = np.searchsorted(row * far + first, dark * far + middle, side="right") - 1
    umbra_first, umbra_last = np.full(len(row), np.nan), np.full(len(row), np.nan)
    umbra_first[place_of], umbra_last[place_of] = dark_first, dark_last
    return {
        "satellite_index": body.index[row].astype(np.int32),
        "start_s": first,
        "umbra_start_s": umbra_first,
        "umbra_end_s": umbra_last,
        "end_s": last,
    }
