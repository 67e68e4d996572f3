"""What every question about a span of time takes: the window, the engine, the Earth's rotation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from .. import checks
from ..instants import instant, seconds_between
from ..orbits import Constellation
from ..stations import GroundStation
from .earth import EarthRotation
from .propagate import ENGINES

#: No element set says anything beyond.
_LONGEST_S = 10 * 366 * 86400.0


@dataclass(frozen=True, slots=True)
class Window:
    """A span of time and how the sky is computed in it.

    Parameters
    ----------
    start : datetime
        Second 0; timezone-aware.
    duration_s : float
    engine : {"sgp4", "astroz"}
    rotation : EarthRotation
    on_progress : callable, optional
        Called with the share that is done, 0 to 1.
    """

    start: datetime
    duration_s: float
    engine: str = "sgp4"
    rotation: EarthRotation = field(default_factory=EarthRotation)
    on_progress: Callable[[float], object] | None = None

    @classmethod
    def of(
        cls,
        where: str,
        start: object,
        duration_s: object = None,
        end: object = None,
        engine: object = "sgp4",
        rotation: object = None,
        on_progress: Callable[[float], object] | None = None,
    ) -> Window:
        """Check what a caller said; `where` is the function that it called."""
        first = instant(f"{where}.start", start)
        if (duration_s is None) == (end is None):
            checks.fail(f"{where}.duration_s, end", (duration_s, end), "one of them")
        if end is not None:
            last = instant(f"{where}.end", end)
            if last <= first:
                checks.fail(f"{where}.end", last.isoformat(), f"an end after {first.isoformat()}")
            length = seconds_between(first, last)
        else:
            length = checks.real(f"{where}.duration_s", duration_s, strict=True)
        if length > _LONGEST_S:
            checks.fail(f"{where}.duration_s", length, f"at most {_LONGEST_S:g} (ten years)")
        if on_progress is not None and not callable(on_progress):
            checks.fail(f"{where}.on_progress", on_progress, "a callable, or None")
        if rotation is None:
            rotation = EarthRotation()
        if not isinstance(rotation, EarthRotation):
            checks.fail(f"{where}.rotation", rotation, "an EarthRotation")
        name = checks.known(f"{where}.engine", engine, ENGINES)
        return cls(first, length, name, rotation, on_progress)

    @property
    def span(self) -> tuple[float, float]:
        """Start and end in seconds."""
        return (0.0, self.duration_s)

    def report(self, done: float) -> None:
        """Tell how much is done."""
        if self.on_progress is not None:
            self.on_progress(done)


def constellation_of(where: str, value: Any) -> Constellation:
    """Return `value` if it is a constellation."""
    if not isinstance(value, Constellation):
        checks.fail(f"{where}.constellation", type(value).__name__, "a Constellation")
    return value


def stations_of(where: str, value: Any) -> tuple[GroundStation, ...]:
    """Return one or several stations as a tuple; names must be unique."""
    rows = (value,) if isinstance(value, GroundStation) else value
    if isinstance(rows, str) or not isinstance(rows, Sequence):
        checks.fail(f"{where}.stations", value, "a GroundStation or a sequence of them")
    for k, row in enumerate(rows):
        if not isinstance(row, GroundStation):
            checks.fail(f"{where}.stations[{k}]", row, "a GroundStation")
    checks.unique(f"{where}.stations name", [row.name for row in rows])
    return tuple(rows)
