"""What TLE and OMM files share: where the text comes from, and which sets a constellation keeps."""

from __future__ import annotations

import logging
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from ...formulations import checks
from ...formulations.instants import DAY_S
from ...formulations.mean_elements import EARTH_MU, brouwer_axis_m
from ...formulations.orbits import Constellation, Shell
from ...formulations.satellites import Satellite

_log = logging.getLogger(__name__)


def read_source(source: str | Path, kind: str) -> tuple[str, str]:
    """Text of a file, or `source` itself where it holds a newline, and what to call it in errors.

    Raises
    ------
    InputError
        If it is empty or not UTF-8.
    OSError
        If the file cannot be read.
    """
    if isinstance(source, str) and "\n" in source:
        label, text = f"{kind} text", source
    elif isinstance(source, str | Path):
        label = str(source)
        try:
            text = Path(source).read_bytes().decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise checks.InputError(f"{label}: byte {error.start}: expected UTF-8 text") from None
    else:
        checks.fail(f"{kind} source", source, "a path, or text of several lines")
    if not text.strip():
        checks.fail(label, "", f"at least one {kind} element set (it is empty)")
    return label, text


def constellation_of(
    label: str, satellites: Sequence[Satellite], shells: Sequence[Shell] = ()
) -> Constellation:
    """Constellation of what a file holds: one element set a satellite, every name once.

    Of several sets of one catalogue number the newest is kept, of equal epochs the last, in the
    place of the first; a warning counts them. Satellites that share a name get their catalogue
    number appended.
    """
    kept = _newest(label, satellites)
    with checks.within(f"{label}:"):
        return Constellation(_distinct(kept), shells if len(kept) == len(satellites) else ())


def printable(where: str, text: str) -> str:
    """Return a name that every format can hold: one line, printable, no blanks around it."""
    if not text.isprintable() or text != text.strip():
        checks.fail(where, text, "printable text in one line, without blanks around it")
    return text


def sgp4_only(constellation: Constellation, kind: str) -> Iterable[Satellite]:
    """Satellites of a constellation, each of which must be moved by SGP4."""
    for satellite in constellation.satellites:
        if satellite.model != "sgp4":
            where = f"Satellite[{satellite.name!r}].model"
            checks.fail(where, satellite.model, f"'sgp4' (a {kind} holds elements of SGP4 only)")
        yield satellite


def keplerian(satellite: Satellite, model: str) -> Satellite:
    """The same mean orbit moved by Kepler: the mean motion of its Brouwer semi-major axis."""
    axis = brouwer_axis_m(
        satellite.mean_motion_rev_per_day, satellite.eccentricity, satellite.inclination_deg
    )
    motion = math.sqrt(EARTH_MU / axis**3) * DAY_S / (2 * math.pi)
    return replace(satellite, model=model, mean_motion_rev_per_day=motion)


def _newest(label: str, satellites: Sequence[Satellite]) -> list[Satellite]:
    kept: dict[int, Satellite] = {}
    for k, satellite in enumerate(satellites):
        # Without a number nothing tells two sets of one satellite from two satellites: keep both.
        key = -1 - k if satellite.catalog_number is None else satellite.catalog_number
        before = kept.get(key)
        if before is None or satellite.epoch >= before.epoch:
            kept[key] = satellite
    left_out = len(satellites) - len(kept)
    if left_out:
        _log.warning(
            "%s: left out %d older element sets of satellites that have several", label, left_out
        )
    return list(kept.values())


def _distinct(satellites: Sequence[Satellite]) -> list[Satellite]:
    names = [satellite.name for satellite in satellites]
    numbered: set[int] = set()
    while True:
        count = Counter(names)
        clashing = [
            k
            for k, satellite in enumerate(satellites)
            if count[names[k]] > 1 and k not in numbered and satellite.catalog_number is not None
        ]
        if not clashing:
            break
        for k in clashing:
            names[k] = f"{names[k]} {satellites[k].catalog_number}"
        numbered.update(clashing)
    return [
        satellite if name == satellite.name else replace(satellite, name=name)
        for name, satellite in zip(names, satellites, strict=True)
    ]
