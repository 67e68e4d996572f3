"""Kuiper-630 as Hypatia's simulator computed it: round-trip times between two cities."""

from __future__ import annotations

import csv
import gzip
import math
from pathlib import Path

import numpy as np
import pytest

import orbweave as ow
from orbweave.formulations.routing.hypatia import hypatia_mesh
from orbweave.formulations.routing.mesh import Mesh
from orbweave.formulations.routing.snapshots import forwarding_states, snapshot_paths

ALTITUDE_M = 630e3
CONE_M = ALTITUDE_M / math.tan(math.radians(30.0))


@pytest.fixture(scope="module")
def kuiper(reference: Path) -> Mesh:
    folder = reference / "routing"
    with gzip.open(folder / "kuiper_630_tles.txt.gz", "rt") as file:
        whole = ow.Constellation.from_tle(file.read())
    with gzip.open(folder / "kuiper_630_isls.txt.gz", "rt") as file:
        links = [(int(a), int(b)) for a, b in (line.split() for line in file)]
    with open(reference / "stations" / "top100_cities.csv", encoding="utf-8") as file:
        cities = [
            ow.GroundStation(row[1], float(row[2]), float(row[3]), float(row[4]))
            for row in csv.reader(file)
        ]
    assert (cities[17].name, cities[85].name) == ("Manila", "Dalian")
    reach = math.hypot(CONE_M, ALTITUDE_M)
    return hypatia_mesh(whole, cities, links, max_ground_range_m=reach)


def test_round_trip_times_are_hypatias_within_a_microsecond(kuiper: Mesh, reference: Path) -> None:
    """Every step counts, those at hand-overs too: the paths change at the very same ones."""
    series = np.loadtxt(reference / "routing" / "kuiper_630_rtt_manila_dalian.txt", delimiter=",")
    found = snapshot_paths(kuiper, series[:, 0] / 1e9, "Manila", "Dalian")
    error_s = 2 * found.distance[:, 0, 0] - series[:, 1] / 1e9
    assert len(error_s) == 2000
    assert np.abs(error_s).max() < 1e-6
    # At a hand-over the published series jumps: two second differences of microseconds, not of ns.
    bent = set((np.flatnonzero(np.abs(np.diff(series[:, 1], 2)) > 1e3) + 2).tolist())
    jumps = {k for k in bent if k + 1 in bent}
    paths = [found.path(k, "Manila", "Dalian") for k in range(2000)]
    changes = {k for k in range(1, 2000) if paths[k] != paths[k - 1]}
    assert len(jumps) == 5
    assert changes == jumps


def test_forwarding_to_a_city_is_the_path_from_it(kuiper: Mesh) -> None:
    times = [0.0, 50.0, 150.0]
    out = snapshot_paths(kuiper, times, "Manila", "Dalian")
    states = forwarding_states(kuiper, times, "Dalian")
    for k in range(3):
        assert states.path(k, "Manila", "Dalian") == out.path(k, "Manila", "Dalian")
    column = states.node_names.index("Manila")
    np.testing.assert_allclose(states.distance[:, 0, column], out.distance[:, 0, 0], rtol=1e-14)


def test_no_path_leads_through_a_city(kuiper: Mesh) -> None:
    found = snapshot_paths(kuiper, [10.0], ["Manila", "Tokyo"])
    cities = {row.name for row in kuiper.stations}
    for source in found.sources:
        for target in cities - {source}:
            assert not cities & set(found.path(0, source, target)[1:-1])


def test_links_that_are_no_positions(kuiper: Mesh) -> None:
    with pytest.raises(ow.InputError, match="pairs of positions from 0 to 1155"):
        hypatia_mesh(kuiper.constellation, (), [(0, 1156)], max_ground_range_m=1e6)
