"""Pictures of meshes and of paths over time show what the data say."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

import orbweave as ow

matplotlib = pytest.importorskip("matplotlib", reason="pictures need Matplotlib")
matplotlib.use("Agg")

START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def mesh() -> ow.Mesh:
    whole = ow.Constellation.walker(
        "delta", planes=6, satellites_per_plane=8, altitude_m=1200e3, inclination_deg=60
    )
    sites = [ow.GroundStation("A", 45.0, 7.0), ow.GroundStation("B", -30.0, 170.0)]
    return ow.Mesh(whole, sites, start=START)


def collection(axes: Any, label: str) -> Any:
    return next(row for row in axes.collections if row.get_label() == label)


def test_a_map_has_every_satellite_and_every_link(mesh: ow.Mesh) -> None:
    axes = ow.plot(mesh)
    assert len(collection(axes, "satellites").get_offsets()) == 48
    links = mesh.links(0.0)
    between = int(((links["first"] < 48) & (links["second"] < 48)).sum())
    drawn = collection(axes, "links").get_paths()
    assert between <= len(drawn) <= 2 * between  # those across the date line stand twice


def test_a_way_goes_from_its_first_to_its_last_station(mesh: ow.Mesh) -> None:
    way = ow.snapshot_paths(mesh, 300.0, "A", "B").path(0, "A", "B")
    axes = ow.plot(mesh, time_s=300.0, way=way)
    curves = [row.vertices for row in collection(axes, "path").get_paths()]
    first, last = curves[0][0], [curve[-1] for curve in curves[: len(way) - 1]][-1]
    assert first == pytest.approx([7.0, 45.0], abs=0.5)
    assert (last[0] + 180) % 360 - 180 == pytest.approx(170.0, abs=0.5)
    assert last[1] == pytest.approx(-30.0, abs=0.5)


def test_satellites_stand_where_passes_see_them(mesh: ow.Mesh) -> None:
    """A satellite at its culmination over a station is drawn near it."""
    table = ow.passes(mesh.constellation, mesh.stations[0], start=START, duration_s=7200)
    best = int(np.argmax(table["max_elevation_deg"]))
    assert table["max_elevation_deg"][best] > 60
    axes = ow.plot(mesh, time_s=float(table["culmination_s"][best]))
    spots = collection(axes, "satellites").get_offsets()
    place = spots[mesh.constellation.index(str(table["satellite"][best]))]
    assert np.hypot(place[0] - 7.0, place[1] - 45.0) < 10


def test_delays_over_time_are_those_of_the_paths(mesh: ow.Mesh) -> None:
    paths = ow.snapshot_paths(mesh, np.arange(0.0, 3600.0, 120.0), "A", ["B", "sat-0-0"])
    axes = ow.plot(paths)
    line = next(row for row in axes.lines if row.get_label() == "A to B")
    assert np.asarray(line.get_ydata()) == pytest.approx(paths.distance[:, 0, 0] * 1e3)
    assert "ms" in axes.get_ylabel()


def test_too_many_pairs_are_refused(mesh: ow.Mesh) -> None:
    with pytest.raises(ow.InputError, match="1 to 10"):
        ow.plot(ow.snapshot_paths(mesh, 0.0, "A"))


def test_an_unknown_node_of_a_way_is_named(mesh: ow.Mesh) -> None:
    with pytest.raises(ow.InputError, match=r"draw_mesh.way\[1\] = 'C'"):
        ow.plot(mesh, way=("A", "C"))
