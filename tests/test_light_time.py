"""The light-time bound against paths that fly, and against shortest paths on a fine grid."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

import orbweave as ow
from orbweave.formulations.routing.ground import GroundAccess
from orbweave.formulations.routing.light_time import light_time_bound_s, mesh_bound_s
from orbweave.formulations.routing.mesh import Mesh
from orbweave.formulations.routing.snapshots import snapshot_paths

START = datetime(2026, 1, 1, tzinfo=UTC)
LIGHT = 299792458.0
A, B = 6378137.0, 6356752.314245


def on_equator(longitude: float, mask: float = 10.0, altitude: float = 0.0) -> ow.GroundStation:
    return ow.GroundStation(f"at {longitude}", 0.0, longitude, altitude, min_elevation_deg=mask)


def around(angle: Any, radius: float) -> np.ndarray:
    return radius * np.stack([np.cos(angle), np.sin(angle), 0 * np.asarray(angle)], axis=-1)


def on_a_grid(
    turn: float, ends: tuple[float, float], masks: tuple[float, float], sky: dict[str, float]
) -> float:
    """Shortest path (m) in the plane of the equator over satellites at every tenth of a degree.

    Ends at radius A are stations with masks (rad), others satellites. Satellites stand at the
    lowest radius, and at two more.
    """
    fine = np.arange(0.0, turn + 1e-12, math.radians(0.1))
    places = [around(np.array([0.0, turn]), 1.0) * np.array(ends)[:, None]]
    places += [around(fine, sky["lowest"] + high) for high in (0.0, 2e5, 6e5)]
    points = np.concatenate(places)
    radius = np.linalg.norm(points, axis=1)
    gap = points[None] - points[:, None]
    length = np.linalg.norm(gap, axis=2)
    length[length == 0] = np.inf
    along = np.clip(-(points[:, None] * gap).sum(2) / length**2, 0, 1)
    closest = np.linalg.norm(points[:, None] + along[..., None] * gap, axis=2)
    good = (closest >= sky["clear"] - 1e-3) & (length <= sky["hop"])
    for end, mask in enumerate(masks):
        if ends[end] == A:
            sine = (gap[end] * points[end]).sum(1) / (length[end] * radius[end])
            good[end] = (sine >= math.sin(mask) - 1e-9) & (radius >= sky["lowest"] - 1e-3)
            good[end] &= length[end] <= sky["ground"]
            good[:, end] = good[end]
    rows, columns = np.nonzero(good & np.isfinite(length))
    graph = csr_array((length[rows, columns], (rows, columns)), shape=length.shape)
    return float(dijkstra(graph, indices=0)[1])


@settings(deadline=None, derandomize=True, max_examples=15)
@given(
    turn=st.floats(2.0, 60.0),
    altitude=st.sampled_from([350e3, 550e3, 1200e3]),
    grazing=st.sampled_from([0.0, 80e3, 200e3]),
    reach=st.sampled_from([math.inf, 3e6, 1.5e6]),
    ground=st.sampled_from([math.inf, 1.5e6]),
    masks=st.tuples(st.floats(0.0, 40.0), st.floats(0.0, 40.0)),
    kinds=st.sampled_from(["both", "one", "none"]),
)
def test_it_is_the_shortest_path_over_satellites_that_stand_anywhere(
    turn: float,
    altitude: float,
    grazing: float,
    reach: float,
    ground: float,
    masks: tuple[float, float],
    kinds: str,
) -> None:
    lowest = A + altitude
    one: Any = on_equator(0.0, masks[0])
    two: Any = on_equator(turn, masks[1])
    ends = (A, A)
    if kinds != "both":
        two, ends = around(math.radians(turn), lowest + 3e5), (A, lowest + 3e5)
    if kinds == "none":
        one, ends = around(0.0, lowest), (lowest, lowest + 3e5)
    bound = LIGHT * light_time_bound_s(
        one,
        two,
        min_altitude_m=altitude,
        grazing_altitude_m=grazing,
        max_range_m=reach,
        max_ground_range_m=ground,
    )
    sky = {"lowest": lowest, "clear": B + grazing, "hop": reach, "ground": ground}
    radians = (math.radians(masks[0]), math.radians(masks[1]))
    least = on_a_grid(math.radians(turn), ends, radians, sky)
    assert bound <= least * (1 + 1e-9)
    # A grid cannot use the last tenth of a degree of each hop; a satellite's height above the
    # lowest is not counted but by the taut string.
    room = 0.015 if kinds == "both" else 0.03
    assert least <= bound * (1 + room) + (0.0 if kinds == "both" else 3e5)


@settings(deadline=None, derandomize=True, max_examples=60)
@given(
    turn=st.floats(0.5, 50.0),
    heights=st.tuples(st.floats(-400, 9e3), st.floats(-400, 9e3)),
    altitude=st.floats(300e3, 2e6),
    masks=st.tuples(st.floats(-8.0, 30.0), st.floats(-8.0, 30.0)),
)
def test_over_one_satellite_it_is_the_least_up_and_down(
    turn: float,
    heights: tuple[float, float],
    altitude: float,
    masks: tuple[float, float],
) -> None:
    one, two = (
        on_equator(where, mask, height)
        for where, mask, height in zip((0.0, turn), masks, heights, strict=True)
    )
    bound = LIGHT * light_time_bound_s(one, two, min_altitude_m=altitude)
    angle = math.radians(turn)
    satellites = around(np.linspace(-0.2, angle + 0.2, 4001), A + altitude)
    ways, seen = np.zeros(4001), np.ones(4001, dtype=bool)
    for where, height, mask in zip((0.0, angle), heights, masks, strict=True):
        place = around(where, A + height)
        gap = satellites - place
        length = np.linalg.norm(gap, axis=1)
        ways += length
        seen &= gap @ place >= math.sin(math.radians(mask)) * length * (A + height)
    if seen.any():
        assert bound <= ways[seen].min() * (1 + 1e-12)
        if min(masks) >= 0:
            assert ways.min() <= bound * (1 + 1e-6) + 2e-9 * A


def widest_turn(fits: Any) -> float:
    """Largest angle (rad) up to a half turn for which something fits, by bisection."""
    low, high = 0.0, math.pi
    for _ in range(100):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low


@pytest.mark.parametrize("rest", [0.0, 0.4, 0.98])
@pytest.mark.parametrize("hops", [0, 1, 2])
@pytest.mark.parametrize("mask", [0.0, 25.0])
@pytest.mark.parametrize(("grazing", "reach"), [(80e3, math.inf), (250e3, 2.2e6), (80e3, 1.1e6)])
def test_a_path_that_is_built_to_be_the_shortest_meets_it_exactly(
    grazing: float, reach: float, mask: float, hops: int, rest: float
) -> None:
    """Up at the mask, as long a hop as there may be, several times, a shorter one, and down."""
    lowest = A + 400e3

    def hop_fits(angle: float) -> bool:
        one, two = around(0.0, lowest), around(angle, lowest)
        return bool(
            np.linalg.norm(0.5 * (one + two)) >= B + grazing and np.linalg.norm(one - two) <= reach
        )

    def seen(angle: float) -> bool:
        gap = around(angle, lowest) - around(0.0, A)
        return bool(gap[0] >= math.sin(math.radians(mask)) * np.linalg.norm(gap))

    hop, climb = widest_turn(hop_fits), widest_turn(seen)
    turns = [0.0, climb] + [hop] * hops + [rest * hop] * (rest > 0) + [climb]
    angles = np.cumsum(turns)
    radii = np.full(len(angles), lowest)
    radii[[0, -1]] = A
    flown = np.linalg.norm(np.diff(around(angles, 1.0) * radii[:, None], axis=0), axis=1).sum()
    bound = light_time_bound_s(
        on_equator(0.0, mask),
        on_equator(math.degrees(angles[-1]), mask),
        min_altitude_m=400e3,
        grazing_altitude_m=grazing,
        max_range_m=reach,
    )
    assert bound == pytest.approx(flown / LIGHT, rel=1e-9)


SKIES = {
    "low": ow.Constellation.walker(
        planes=24, satellites_per_plane=20, altitude_m=550e3, inclination_deg=53, phasing=5
    ),
    "star": ow.Constellation.walker(
        "star", planes=6, satellites_per_plane=11, altitude_m=780e3, inclination_deg=86.4
    ),
    "oval": ow.Constellation.walker(
        planes=8,
        satellites_per_plane=12,
        altitude_m=1500e3,
        inclination_deg=63,
        eccentricity=0.08,
        phasing=3,
    ),
    "two": ow.Constellation.walker(
        planes=8, satellites_per_plane=10, altitude_m=1200e3, inclination_deg=60, name="high"
    )
    + ow.Constellation.walker(
        planes=10,
        satellites_per_plane=14,
        altitude_m=600e3,
        inclination_deg=53,
        model="sgp4",
        epoch=START,
    ),
}
SITES = (
    ow.GroundStation("Quito", -0.2, -78.5, 2800.0),
    ow.GroundStation("Oslo", 59.9, 10.7, min_elevation_deg=25.0),
    ow.GroundStation("Perth", -31.9, 115.9, min_elevation_deg=0.0),
    ow.GroundStation("Dhaka", 23.8, 90.4, min_elevation_deg=-5.0),
    ow.GroundStation("Delhi", 28.6, 77.2, min_elevation_deg=15.0),
    ow.GroundStation("Lhasa", 29.6, 91.1, 3650.0, min_elevation_deg=5.0),
)
LINKS: dict[str, dict[str, Any]] = {
    "grid": {},
    "ground-level": {
        "isl": ow.IslTopology([(1, 0), (0, 1), (2, -1)], terminals=6, grazing_altitude_m=0)
    },
    "short": {"isl": ow.IslTopology(max_range_m=2.5e6)},
    "far": {"isl": ow.IslTopology([(2, -1), (3, 1)]), "ground": GroundAccess(max_range_m=1.6e6)},
    "nearest": {"isl": ow.IslTopology("nearest", terminals=6)},
    "static": {"isl": ow.IslTopology([(3, 4), (1, 0)]), "static_isl": True},
    "sphere": {"ground": GroundAccess(shape="sphere", satellites="highest")},
}


@pytest.mark.parametrize("links", LINKS)
@pytest.mark.parametrize("sky", SKIES)
def test_no_path_of_a_mesh_beats_it(sky: str, links: str) -> None:
    """Up to 2,000 paths each: between stations, and from stations to satellites and back."""
    mesh = Mesh(SKIES[sky], SITES, start=START, **LINKS[links])
    times = np.linspace(0.0, 5000.0, 11)
    stations = [row.name for row in SITES]
    orbital = list(mesh.constellation.names[::17])[:25]
    found = snapshot_paths(mesh, times, [*stations, *orbital[:5]], [*stations, *orbital])
    checked = 0
    for k, source in enumerate(found.sources):
        for m, target in enumerate(found.targets):
            bound = mesh_bound_s(mesh, source, target, times)
            flown = found.distance[:, k, m]
            assert (bound <= flown * (1 + 1e-9)).all(), (source, target)
            checked += int(np.isfinite(flown).sum()) if source != target else 0
    assert checked > 40


@pytest.mark.parametrize("reach", [math.inf, 2e6])
def test_the_bound_of_a_mesh_is_that_of_its_lowest_satellite(reach: float) -> None:
    circles = ow.Constellation.walker(
        planes=5, satellites_per_plane=6, altitude_m=700e3, inclination_deg=53, model="two-body"
    )
    topology = ow.IslTopology(grazing_altitude_m=150e3, max_range_m=reach)
    access = GroundAccess(max_range_m=1.8e6)
    mesh = Mesh(circles, SITES, start=START, isl=topology, ground=access)
    for one, two in ((0, 1), (2, 3), (1, 4)):
        wanted = light_time_bound_s(
            SITES[one],
            SITES[two],
            min_altitude_m=700e3,
            grazing_altitude_m=150e3,
            max_range_m=reach,
            max_ground_range_m=1.8e6,
        )
        found = mesh_bound_s(mesh, SITES[one].name, SITES[two].name, [0.0, 500.0])
        assert found == pytest.approx([wanted, wanted], rel=1e-9)


def test_paths_over_stations_may_beat_it_but_not_the_straight_line() -> None:
    mesh = Mesh(SKIES["low"], SITES, start=START, isl=ow.IslTopology(max_range_m=2e6))
    times = np.arange(0.0, 3000.0, 300.0)
    found = snapshot_paths(mesh, times, "Dhaka", "Delhi", ground_relays=True)
    bound = mesh_bound_s(mesh, "Dhaka", "Delhi", times, ground_relays=True)
    assert (bound <= found.distance[:, 0, 0]).all()
    assert (bound < mesh_bound_s(mesh, "Dhaka", "Delhi", times)).all()


def test_best_cases_come_close() -> None:
    """Plus-grid paths along the planes of a full shell, within five hundredths."""
    shell = ow.Constellation.walker(
        planes=72, satellites_per_plane=22, altitude_m=550e3, inclination_deg=53, phasing=17
    )
    cities = list(ow.stations("cities"))[:30]
    mesh = Mesh(shell, cities, start=START)
    names = [row.name for row in cities]
    flown = snapshot_paths(mesh, [0.0], names, names).distance[0]
    bound = light_time_bound_s(
        [a for a in cities for _ in cities], cities * len(cities), min_altitude_m=549e3
    ).reshape(len(cities), -1)
    far = bound > 0.02
    ratio = flown[far] / bound[far]
    assert far.sum() > 300
    assert ratio.min() >= 1.0
    assert ratio.min() < 1.03
    assert np.median(ratio) < 1.2


def test_known_values() -> None:
    quito, far = on_equator(0.0), on_equator(180.0)
    # Half round a sphere 80 km over the pole's radius, and up to it at either end.
    shell = B + 80e3
    up = math.radians(10)
    turn = math.acos(A * math.cos(up) / shell) - up
    climb = math.sqrt(A**2 + shell**2 - 2 * A * shell * math.cos(turn))
    expected = (2 * climb + shell * (math.pi - 2 * turn)) / LIGHT
    assert light_time_bound_s(quito, far) == pytest.approx(expected, rel=1e-9)
    # Straight up.
    overhead = around(0.0, A + 550e3)
    assert light_time_bound_s(quito, overhead) == pytest.approx(550e3 / LIGHT, rel=1e-12)
    # A line that clears the Earth, and one that is bent round it.
    high = np.array([4.2e7, 0.0, 0.0])
    assert light_time_bound_s(high, [0.0, 4.2e7, 0.0]) == pytest.approx(
        math.hypot(4.2e7, 4.2e7) / LIGHT, rel=1e-12
    )
    bent = light_time_bound_s(high, -high) * LIGHT
    tangent = math.sqrt(4.2e7**2 - shell**2)
    arc = shell * (math.pi - 2 * math.acos(shell / 4.2e7))
    assert bent == pytest.approx(2 * tangent + arc, rel=1e-9)
    assert light_time_bound_s(quito, quito) == 0.0


def test_it_grows_with_every_demand() -> None:
    one, two = SITES[0], SITES[4]
    values = [
        light_time_bound_s(one, two),
        light_time_bound_s(one, two, min_altitude_m=550e3),
        light_time_bound_s(one, two, min_altitude_m=550e3, max_range_m=2e6),
        light_time_bound_s(one, two, min_altitude_m=550e3, max_range_m=2e6, max_ground_range_m=1e6),
    ]
    assert values == sorted(values)
    assert len(set(values)) == 4


def test_shapes_are_those_of_the_places() -> None:
    places = np.array([[7e6, 0, 0], [0, 7e6, 0], [0, 0, 7e6]])
    assert light_time_bound_s(SITES[0], places).shape == (3,)
    assert light_time_bound_s(list(SITES), SITES[1]).shape == (6,)
    assert light_time_bound_s(places[:, None], places[None]).shape == (3, 3)
    both = light_time_bound_s(places, SITES[0])
    assert both == pytest.approx(light_time_bound_s(SITES[0], places), rel=1e-15)
    assert light_time_bound_s(list(SITES), SITES[1])[1] == 0.0


@pytest.mark.parametrize(
    ("ends", "fields", "message"),
    [
        (("Quito", SITES[0]), {}, "light_time_bound_s.a = 'Quito': expected a GroundStation"),
        ((SITES[0], [1.0, 2.0]), {}, "light_time_bound_s.b = [1.0, 2.0]"),
        ((SITES[0], [1.0, 2.0, math.nan]), {}, "light_time_bound_s.b"),
        ((list(SITES[:2]), list(SITES[:3])), {}, "expected as many places, or one"),
        (SITES[:2], {"min_altitude_m": 0}, "light_time_bound_s.min_altitude_m = 0"),
        (SITES[:2], {"grazing_altitude_m": -1}, "light_time_bound_s.grazing_altitude_m = -1"),
        (SITES[:2], {"max_range_m": 0}, "light_time_bound_s.max_range_m = 0"),
        (SITES[:2], {"max_ground_range_m": "far"}, "light_time_bound_s.max_ground_range_m"),
    ],
)
def test_questions_that_make_no_sense(ends: Any, fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ow.InputError) as error:
        light_time_bound_s(*ends, **fields)
    assert message in str(error.value)


def test_a_mesh_bound_needs_known_names() -> None:
    mesh = Mesh(SKIES["star"], SITES, start=START)
    with pytest.raises(ow.InputError, match="did you mean 'Quito'"):
        mesh_bound_s(mesh, "Quita", "Oslo", [0.0])
