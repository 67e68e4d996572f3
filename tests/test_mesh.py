"""Meshes against geometry of their own: ERFA's ellipsoid, sampled lines of sight, pass tables."""

from __future__ import annotations

import logging
import math
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import orbweave as ow
from orbweave.formulations.routing.ground import GroundAccess
from orbweave.formulations.routing.mesh import Mesh
from orbweave.formulations.routing.snapshots import snapshot_paths, snapshot_stream

START = datetime(2026, 1, 1, tzinfo=UTC)
LIGHT = 299792458.0
A, B = 6378137.0, 6356752.314245
SHELL = ow.Constellation.walker(
    planes=8, satellites_per_plane=9, altitude_m=1200e3, inclination_deg=60, phasing=3
)
CITIES = (
    ow.GroundStation("Quito", -0.2, -78.5, 2800.0),
    ow.GroundStation("Oslo", 59.9, 10.7, min_elevation_deg=25.0),
    ow.GroundStation("Perth", -31.9, 115.9, min_elevation_deg=0.0),
    ow.GroundStation("Dhaka", 23.8, 90.4, min_elevation_deg=5.0),
)
UT1 = ow.EarthRotation(ut1_utc_s=0.0)


def mesh(**fields: Any) -> Mesh:
    return Mesh(**{"constellation": SHELL, "stations": CITIES, "start": START, **fields})


def earth_fixed(time: float) -> np.ndarray:
    """Positions of the shell in the frame that turns with the Earth, by ERFA's sidereal time."""
    erfa = pytest.importorskip("erfa")
    position, _ = ow.propagate(SHELL, START, [time])
    days = (START - datetime(2000, 1, 1, 12, tzinfo=UTC)) / timedelta(days=1)
    angle = erfa.gmst82(2451545.0, days + time / 86400)
    turn = np.array(
        [[math.cos(angle), math.sin(angle), 0], [-math.sin(angle), math.cos(angle), 0], [0, 0, 1]]
    )
    return np.asarray(position[:, 0] @ turn.T)


def seen(station: ow.GroundStation, satellites: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Slant range (m) and elevation (deg) over ERFA's WGS 84 ellipsoid."""
    erfa = pytest.importorskip("erfa")
    where = (math.radians(station.longitude_deg), math.radians(station.latitude_deg))
    place = erfa.gd2gc(1, *where, station.altitude_m)
    higher = erfa.gd2gc(1, *where, station.altitude_m + 1e3)
    look, up = satellites - place, (higher - place) / 1e3
    reach = np.linalg.norm(look, axis=1)
    return reach, np.degrees(np.arcsin(look @ up / reach))


def ground_rows(found: dict[str, Any], station: int) -> dict[int, float]:
    mine = found["second"] == len(SHELL) + station
    return dict(zip(found["first"][mine].tolist(), found["distance_m"][mine].tolist(), strict=True))


@settings(deadline=None, derandomize=True, max_examples=40)
@given(time=st.floats(-1e4, 1e5), satellites=st.sampled_from(["all", "nearest", "highest"]))
def test_stations_join_as_said(time: float, satellites: str) -> None:
    found = mesh(ground=GroundAccess(satellites), rotation=UT1).links(time)
    orbits = earth_fixed(time)
    for k, station in enumerate(CITIES):
        reach, height = seen(station, orbits)
        over = height - station.min_elevation_deg
        mine = ground_rows(found, k)
        sure, maybe = set(np.flatnonzero(over > 1e-5)), set(np.flatnonzero(over > -1e-5))
        for satellite, distance in mine.items():
            assert distance == pytest.approx(reach[satellite], abs=0.05)
        if satellites == "all":
            assert sure <= set(mine) <= maybe
        elif sure:
            (chosen,) = mine
            best = reach if satellites == "nearest" else -height
            assert best[chosen] <= min(best[list(sure)]) + 1e-3
        else:
            assert set(mine) <= maybe


@settings(deadline=None, derandomize=True, max_examples=30)
@given(time=st.floats(0, 1e5), reach_m=st.floats(1.3e6, 6e6), masked=st.booleans())
def test_a_largest_range_holds_with_and_without_the_mask(
    time: float, reach_m: float, masked: bool
) -> None:
    found = mesh(ground=GroundAccess(max_range_m=reach_m, masked=masked), rotation=UT1).links(time)
    orbits = earth_fixed(time)
    for k, station in enumerate(CITIES):
        reach, height = seen(station, orbits)
        over = (reach_m - reach) / 1e5  # the units of the two margins hardly matter
        if masked:
            over = np.minimum(over, height - station.min_elevation_deg)
        mine = set(ground_rows(found, k))
        assert set(np.flatnonzero(over > 1e-5)) <= mine <= set(np.flatnonzero(over > -1e-5))


def test_a_horizon_mask_is_that_of_the_pass_table() -> None:
    fjord = ow.GroundStation(
        "fjord", 61.0, 7.0, min_elevation_deg=3.0, horizon=[(0, 2), (90, 40), (180, 10), (300, 30)]
    )
    times = np.arange(0.0, 6000.0, 37.0)
    table = ow.passes(SHELL, fjord, start=START, duration_s=6000.0)
    bare = Mesh(SHELL, [fjord], start=START)
    inside = outside = 0
    for time in times:
        up = (table["rise_s"] <= time) & (time <= table["set_s"])
        near = np.minimum(abs(table["rise_s"] - time), abs(table["set_s"] - time)) < 0.01
        visible = set(table["satellite_index"][up & ~near].tolist())
        unsure = set(table["satellite_index"][near].tolist())
        mine = set(ground_rows(bare.links(time), 0))
        assert mine - unsure == visible
        inside += len(mine)
        lower = ow.GroundStation("plain", 61.0, 7.0, min_elevation_deg=3.0)
        outside += len(ground_rows(Mesh(SHELL, [lower], start=START).links(time), 0)) - len(mine)
    assert inside > 50
    assert outside > 50


@pytest.mark.parametrize("shape", ["sphere", "wgs84", "pyephem"])
def test_stations_stand_on_the_earth_that_is_asked_for(shape: str) -> None:
    """A satellite straight over a pole or the equator tells the radius below."""
    erfa = pytest.importorskip("erfa")
    radii = {
        "sphere": (A, A),
        "wgs84": (A, B),
        "pyephem": (6378160.0, 6378160.0 * (1 - 1 / 298.25)),
    }
    scale = 6378160 / 6378135 if shape == "pyephem" else 1.0
    for latitude, radius in zip((0.0, 90.0), radii[shape], strict=True):
        polar = ow.Satellite.from_kepler(
            "over",
            semi_major_axis_m=8e6,
            inclination_deg=90,
            mean_anomaly_deg=latitude,
            raan_deg=0,
            epoch=START,
            model="two-body",
        )
        days = (START - datetime(2000, 1, 1, 12, tzinfo=UTC)) / timedelta(days=1)
        below = -math.degrees(erfa.gmst82(2451545.0, days)) % 360
        station = ow.GroundStation("site", latitude, below, 100.0)
        access = GroundAccess(shape=shape)
        single = Mesh(
            ow.Constellation([polar]), [station], start=START, isl=None, ground=access, rotation=UT1
        )
        distance = single.links(0.0)["distance_m"].item()
        assert distance == pytest.approx(8e6 * scale - radius - 100.0, abs=0.02)


# -- links between satellites ---------------------------------------------------------------------
def clearance(one: np.ndarray, two: np.ndarray, height: float) -> np.ndarray:
    """How far (in shell radii) the line between two points clears the ellipsoid plus a height."""
    scale = np.array([A + height, A + height, B + height])
    p, along = one / scale, (two - one) / scale
    place = np.clip(-(p * along).sum(-1) / (along * along).sum(-1), 0, 1)
    return np.asarray(np.linalg.norm(p + place[..., None] * along, axis=-1) - 1)


@settings(deadline=None, derandomize=True, max_examples=40)
@given(
    time=st.floats(0, 1e5),
    height=st.floats(0, 900e3),
    reach=st.sampled_from([math.inf, 3.5e6, 5.5e6]),
)
def test_inter_satellite_links_stand_in_sight_and_in_range(
    time: float, height: float, reach: float
) -> None:
    offsets = [(1, 0), (2, 1), (0, 2)]
    topology = ow.IslTopology(offsets, terminals=6, grazing_altitude_m=height, max_range_m=reach)
    found = mesh(isl=topology, stations=()).links(time)
    ours = set(zip(found["first"].tolist(), found["second"].tolist(), strict=True))
    position, _ = ow.propagate(SHELL, START, [time])
    wanted = set()
    for plane in range(8):
        for slot in range(9):
            for planes, slots in offsets:
                wrap = 3 * ((plane + planes) // 8)
                other = (plane + planes) % 8 * 9 + (slot + slots + wrap) % 9
                i, j = sorted((9 * plane + slot, other))
                gap = np.linalg.norm(position[i, 0] - position[j, 0])
                if clearance(position[i, 0], position[j, 0], height) > 0 and gap <= reach:
                    wanted.add((i, j))
    assert ours == wanted
    for i, j, distance in zip(found["first"], found["second"], found["distance_m"], strict=True):
        assert distance == pytest.approx(np.linalg.norm(position[i, 0] - position[j, 0]), rel=1e-12)


def test_links_are_those_of_the_window_search() -> None:
    """Sight, range and slew, at instants away from the edges of the windows."""
    star = ow.Constellation.walker(
        "star", planes=6, satellites_per_plane=11, altitude_m=780e3, inclination_deg=86.4
    )
    topology = ow.IslTopology(max_slew_deg_per_s=0.06, max_range_m=4.3e6)
    table = ow.isl_windows(star, topology, start=START, duration_s=6500.0)
    bare = Mesh(star, start=START, isl=topology)
    different = set()
    for time in np.arange(11.0, 6500.0, 131.0):
        edge = np.minimum(abs(table["start_s"] - time), abs(table["end_s"] - time)) < 0.5
        stands = (table["start_s"] <= time) & (time < table["end_s"])
        rows = np.stack([table["first_index"], table["second_index"]], axis=1)
        found = bare.links(float(time))
        ours = set(zip(found["first"].tolist(), found["second"].tolist(), strict=True))
        unsure = set(map(tuple, rows[edge].tolist()))
        assert ours - unsure == set(map(tuple, rows[stands].tolist())) - unsure
        different.add(frozenset(ours))
    assert len(different) > 3


def test_static_links_stand_whatever_lies_between() -> None:
    pairs = [("sat-0-0", "sat-4-4"), ("sat-0-0", "sat-0-4"), ("sat-1-0", "sat-1-1")]
    topology = ow.IslTopology(motif=(), pairs=pairs)
    free = mesh(isl=topology, stations=()).links(0.0)
    static = mesh(isl=topology, stations=(), static_isl=True).links(0.0)
    assert len(static["first"]) == 3
    assert len(free["first"]) < 3


def test_nearest_partners_at_instants_are_those_of_their_windows() -> None:
    topology = ow.IslTopology("nearest", terminals=3, acquisition_s=10.0, step_s=30.0)
    table = ow.isl_windows(SHELL, topology, start=START, duration_s=3000.0)
    times = np.arange(5.0, 2900.0, 211.0)
    bare = mesh(isl=topology, stations=())
    for time in times:
        stands = (table["start_s"] <= time) & (time < table["end_s"])
        rows = np.stack([table["first_index"], table["second_index"]], axis=1)[stands]
        found = bare.links(float(time))
        assert set(zip(found["first"].tolist(), found["second"].tolist(), strict=True)) == set(
            map(tuple, rows.tolist())
        )
    with pytest.raises(ow.InputError, match="no time before second 0"):
        snapshot_paths(bare, [-1.0], "sat-0-0")


# -- paths ----------------------------------------------------------------------------------------
def graph_of(whole: Mesh, time: float, weight: str) -> nx.DiGraph:
    found = whole.links(time)
    names, orbital = whole.node_names, len(whole.constellation)
    graph = nx.DiGraph()
    graph.add_nodes_from(names)
    for i, j, distance in zip(found["first"], found["second"], found["distance_m"], strict=True):
        value = {"delay": distance / LIGHT, "hops": 1.0}.get(weight)
        if value is None:
            value = 1 / 10e9 if j < orbital else 1 / 2e8
        graph.add_edge(names[i], names[j], weight=value)
        graph.add_edge(names[j], names[i], weight=value)
    return graph


@pytest.mark.parametrize("weight", ["delay", "hops", "inverse_rate"])
@pytest.mark.parametrize("relays", [False, True])
@pytest.mark.parametrize("method", [None, "scipy"])
def test_paths_over_a_mesh_are_those_of_networkx(
    weight: str, relays: bool, method: str | None
) -> None:
    whole = mesh(ground_link=ow.FixedLink(2e8), isl=ow.IslTopology("ring"))
    times = [0.0, 1.0, 60.0, 4000.0, 90000.0]
    sources = ["Quito", "Oslo", "sat-3-3"]
    found = snapshot_paths(
        whole, times, sources, weight=weight, ground_relays=relays, method=method
    )
    stations = {row.name for row in CITIES}
    reached = Counter[bool]()
    for k, time in enumerate(times):
        graph = graph_of(whole, time, weight)
        for i, source in enumerate(sources):
            mute = set() if relays else stations - {source}
            part = nx.restricted_view(graph, [], [edge for edge in graph.edges if edge[0] in mute])
            lengths = nx.single_source_dijkstra_path_length(part, source)
            wanted = [lengths.get(name, math.inf) for name in whole.node_names]
            np.testing.assert_allclose(found.distance[k, i], wanted, rtol=1e-9)
            reached.update(math.isfinite(value) for value in wanted)
            for target in ("Perth", "Dhaka", "sat-6-1"):
                path = found.path(k, source, target)
                total = sum(part.edges[edge]["weight"] for edge in pairwise(path))
                if path:
                    assert total == pytest.approx(lengths[target], rel=1e-9)
    assert reached[True] > 100
    assert reached[False] > 100 or relays


def test_paths_do_not_come_down_and_go_up_again_unless_asked() -> None:
    """Two rings that only a station joins."""
    whole = mesh(isl=ow.IslTopology("ring"), stations=CITIES[:1])
    time = 0.0
    seen_by = ground_rows(whole.links(time), 0)
    planes = sorted({satellite // 9 for satellite in seen_by})
    assert len(planes) > 1
    one, two = f"sat-{planes[0]}-0", f"sat-{planes[1]}-0"
    alone = snapshot_paths(whole, [time], one, two)
    assert math.isinf(alone.distance.item())
    joined = snapshot_paths(whole, [time], one, two, ground_relays=True)
    assert "Quito" in joined.path(0, one, two)


def test_a_plan_of_the_mesh_has_nearly_its_delays() -> None:
    """A plan keeps the farthest delay of a contact: with short contacts, nearly the mesh's."""
    plan = ow.contact_plan(
        SHELL,
        CITIES,
        start=START,
        duration_s=60.0,
        isl=ow.IslTopology(),
        accuracy=ow.Accuracy(delay_s=1e-5, look_s=0.1),
    )
    one = snapshot_paths(mesh(), [30.0], "Quito")
    two = snapshot_paths(plan, [30.0], "Quito", ground_relays=False)
    assert one.node_names == two.node_names
    np.testing.assert_allclose(two.distance, one.distance, atol=2e-4)
    assert (two.distance >= one.distance - 1e-7).all()


def test_a_stream_over_a_mesh_is_the_bulk_call_and_any_single_step() -> None:
    whole, times = mesh(), np.arange(0.0, 300.0, 7.0)
    bulk = snapshot_paths(whole, times, ["Quito", "sat-0-0"])
    for k, step in enumerate(snapshot_stream(whole, times, ["Quito", "sat-0-0"])):
        assert np.array_equal(step.distance[0], bulk.distance[k])
        assert np.array_equal(step.predecessor[0], bulk.predecessor[k])
    single = snapshot_paths(whole, times[20:21], ["Quito", "sat-0-0"])
    assert np.array_equal(single.distance[0], bulk.distance[20])


def test_a_satellite_that_is_gone_has_no_links(caplog: pytest.LogCaptureFixture) -> None:
    fresh = ow.Satellite.from_kepler("fresh", altitude_m=600e3, inclination_deg=50, epoch=START)
    heavy = ow.Satellite.from_kepler(
        "heavy", altitude_m=190e3, inclination_deg=50, epoch=START, model="sgp4", bstar=0.5
    )
    topology = ow.IslTopology(motif=(), pairs=[("fresh", "heavy")])
    whole = Mesh(
        ow.Constellation([fresh, heavy]),
        [ow.GroundStation("site", 0, 0, min_elevation_deg=-10)],
        start=START,
        isl=topology,
        static_isl=True,
    )
    with caplog.at_level(logging.WARNING):
        found = snapshot_paths(whole, [0.0, 5 * 86400.0], "fresh", "heavy")
    assert math.isfinite(found.distance[0].item())
    assert math.isinf(found.distance[1].item())
    assert "1 of 2 satellites have no position" in caplog.text


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"constellation": 5}, "Mesh.constellation = 'int'"),
        ({"stations": "Quito"}, "Mesh.stations = 'Quito'"),
        ({"start": datetime(2026, 1, 1)}, "Mesh.start"),
        ({"isl": "ring"}, "Mesh.isl = 'ring': expected an IslTopology, or None"),
        ({"static_isl": 1}, "Mesh.static_isl = 1"),
        ({"isl": ow.IslTopology("nearest"), "static_isl": True}, "Mesh.static_isl = True"),
        ({"ground": "all"}, "Mesh.ground = 'all'"),
        ({"ground_link": 5}, "Mesh.ground_link = 5"),
        ({"engine": "sgp5"}, "did you mean 'sgp4'?"),
        ({"rotation": 0}, "Mesh.rotation = 0"),
        ({"stations": ow.GroundStation("sat-0-0", 0, 0)}, "Mesh node name = 'sat-0-0'"),
    ],
)
def test_a_mesh_that_cannot_be(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ow.InputError) as error:
        mesh(**fields)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"satellites": "neerest"}, "did you mean 'nearest'?"),
        ({"max_range_m": 0}, "GroundAccess.max_range_m = 0"),
        ({"masked": False}, "GroundAccess.max_range_m = inf: expected a finite range"),
        ({"masked": 1}, "GroundAccess.masked = 1"),
        ({"shape": "wgs48"}, "did you mean 'wgs84'?"),
    ],
)
def test_access_that_cannot_be(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ow.InputError) as error:
        GroundAccess(**fields)
    assert message in str(error.value)


def test_rates_of_ground_links_must_be_known_for_that_weight() -> None:
    with pytest.raises(ow.InputError, match=r"Mesh\.ground_link = None: expected a link"):
        snapshot_paths(mesh(), [0.0], "Quito", weight="inverse_rate")
    assert snapshot_paths(mesh(stations=()), [0.0], "sat-0-0", weight="inverse_rate")
