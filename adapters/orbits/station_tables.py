"""Ground stations by name: the networks and cities that travel with the package.

``data/stations.json`` holds them as published; ``data/NOTICE.md`` tells by whom.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from types import MappingProxyType

from ...formulations import checks
from ...formulations.stations import GroundStation


@dataclass(frozen=True, slots=True)
class Listed:
    """A station of the table, under the key of its provider."""

    provider: str
    station: GroundStation

    @property
    def full_name(self) -> str:
        """Name that is unique in the table: ``provider:name``."""
        return f"{self.provider}:{self.station.name}"


def station_providers() -> Mapping[str, int]:
    """Providers of the table, and how many stations each has; ``cities`` is one of them."""
    return MappingProxyType({key: len(rows) for key, rows in _table().items()})


def stations(
    *queries: str, min_elevation_deg: float = 10.0, antennas: int = 1
) -> tuple[GroundStation, ...]:
    """Return ground stations by provider or name.

    Parameters
    ----------
    *queries : str
        ``"ksat"``, all of a provider (`station_providers` lists them); ``"ksat:Svalbard"``, one
        of its stations; ``"wallops"``, a name that only one of them has. Case, accents and
        punctuation do not matter; a part of a name will do, in whole words:
        ``"cities:new york"``.
    min_elevation_deg : float
        Elevation mask of all.
    antennas : int
        Number of antennas of each.

    Returns
    -------
    tuple of GroundStation
        In the order of the queries, each station once. Those of two providers that share a name
        are called ``ksat:Svalbard`` and ``nen:Svalbard``. Altitudes are 0: no source gives them.

    Raises
    ------
    UnknownNameError
        For a query that nothing answers; offers the nearest.
    InputError
        For a name that several stations have; lists them.
    """
    if not queries:
        checks.fail("stations", (), f"a name or a provider, one of {', '.join(_table())}")
    found: dict[str, Listed] = {}
    for query in queries:
        found.update((row.full_name, row) for row in listed(query))
    return tuple(
        replace(station, min_elevation_deg=min_elevation_deg, antennas=antennas)
        for station in distinct(list(found.values()))
    )


def listed(query: str) -> tuple[Listed, ...]:
    """Rows of the table that a query names: all of a provider, or one station."""
    table = _table()
    checks.text("station", query)
    head, colon, rest = query.partition(":")
    provider = head.strip().casefold()
    if colon:
        checks.known("station provider", provider, tuple(table))
        rows, name = table[provider], rest
    elif provider in table:
        return table[provider]
    else:
        rows, name = tuple(row for key in table for row in table[key]), query
    words = _words(name)
    exact = [row for row in rows if words and _words(row.station.name) == words]
    matches = exact or [row for row in rows if words and words <= _words(row.station.name)]
    if not matches:
        names = [row.full_name if colon else row.station.name for row in rows]
        valid = tuple(dict.fromkeys(names if colon else (*table, *names)))
        checks.known("station", query, valid)
    if len(matches) > 1:
        shown = ", ".join(repr(row.full_name) for row in matches)
        checks.fail("station", query, f"a name that one station has, here {shown}")
    return (matches[0],)


def distinct(rows: Sequence[Listed]) -> tuple[GroundStation, ...]:
    """Stations of the rows; names that several share get their provider before them."""
    count = Counter(row.station.name for row in rows)
    return tuple(
        replace(row.station, name=row.full_name)
        if count[row.station.name] > 1 and row.provider
        else row.station
        for row in rows
    )


def _words(name: str) -> frozenset[str]:
    """Words of a name, without case, accents and punctuation."""
    plain = unicodedata.normalize("NFKD", name).casefold()
    return frozenset(re.findall(r"[^\W_]+", "".join(c for c in plain if not _accent(c))))


def _accent(character: str) -> bool:
    return unicodedata.combining(character) != 0


@cache
def _table() -> Mapping[str, tuple[Listed, ...]]:
    file = resources.files(__name__.rpartition(".")[0]).joinpath("data", "stations.json")
    providers = json.loads(file.read_text("utf-8"))["providers"]
    return MappingProxyType(
        {
            key: tuple(
                Listed(
                    key,
                    GroundStation(
                        name, latitude, longitude, float(altitude), provider=provider["label"]
                    ),
                )
                for name, latitude, longitude, altitude, _bands in provider["stations"]
            )
            for key, provider in providers.items()
        }
    )
