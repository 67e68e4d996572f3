"""Inter-satellite links against sampled geometry, motifs against their definition."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import orbweave as ow
from orbweave.formulations.space.topology import isl_pairs

START = datetime(2026, 1, 1, tzinfo=UTC)
A, B = 6378137.0, 6356752.314245
RATE = 7.292115e-5


def states(whole: ow.Constellation, times_s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return ow.propagate(whole, START, times_s)


def clearance(one: np.ndarray, two: np.ndarray, height: float) -> np.ndarray:
    """How far (in shell radii) the line between two points clears the ellipsoid plus a height."""
    scale = np.array([A + height, A + height, B + height])
    p, q = one / scale, two / scale
    along = q - p
    place = np.clip(-(p * along).sum(-1) / np.maximum((along * along).sum(-1), 1e-30), 0, 1)
    return np.asarray(np.linalg.norm(p + place[..., None] * along, axis=-1) - 1)


orbit = st.fixed_dictionaries(
    {
        "semi_major_axis_m": st.floats(6.9e6, 9e6),
        "inclination_deg": st.floats(0, 180),
        "raan_deg": st.floats(0, 360),
        "mean_anomaly_deg": st.floats(0, 360),
    }
)


@settings(max_examples=60)
@given(orbit, orbit, st.floats(0, 300e3), st.sampled_from([math.inf, 3e6, 6e6]))
def test_links_stand_exactly_while_in_sight_and_in_range(
    one: dict[str, float], two: dict[str, float], height: float, reach: float
) -> None:
    whole = ow.Constellation(
        [
            ow.Satellite.from_kepler(name, model="two-body", epoch=START, **row)
            for name, row in (("a", one), ("b", two))
        ]
    )
    topology = ow.IslTopology(
        motif=(), pairs=[("a", "b")], grazing_altitude_m=height, max_range_m=reach
    )
    length = 30000.0
    table = ow.isl_windows(whole, topology, start=START, duration_s=length)
    times = np.arange(0.0, length, 5.0)
    position, _ = states(whole, times)
    gap = np.linalg.norm(position[0] - position[1], axis=1)
    over = np.minimum(
        clearance(position[0], position[1], height), (reach - gap) / A if reach < 1e9 else 1.0
    )
    inside = np.zeros(len(times), dtype=bool)
    for first, last in zip(table["start_s"], table["end_s"], strict=True):
        inside |= (first <= times) & (times <= last)
    sure = np.abs(over) > 2e-6  # 13 m: more than the trajectories' error
    assert (inside[sure] == (over[sure] > 0)).all()
    edge = np.concatenate([table["start_s"], table["end_s"]])
    edge = edge[(edge > 0) & (edge < length)]
    if len(edge):
        position, _ = states(whole, edge)
        gap = np.linalg.norm(position[0] - position[1], axis=1)
        at_edge = np.minimum(
            np.abs(clearance(position[0], position[1], height)),
            np.abs(reach - gap) / A if reach < 1e9 else 1.0,
        )
        assert at_edge.max() < 1e-6


def turning_deg_per_s(position: np.ndarray, velocity: np.ndarray, i: int, j: int) -> np.ndarray:
    """Rate of the direction i to j in i's frame of radius and normal, by finite differences."""
    r, v = position[i], velocity[i]
    radial = r / np.linalg.norm(r, axis=1, keepdims=True)
    normal = np.cross(r, v)
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    across = np.cross(normal, radial)
    toward = position[j] - r
    toward /= np.linalg.norm(toward, axis=1, keepdims=True)
    local = np.stack([(toward * axis).sum(1) for axis in (radial, normal, across)], axis=1)
    return np.asarray(np.degrees(np.linalg.norm(local[2:] - local[:-2], axis=1) / 2))


def test_links_break_where_a_terminal_would_turn_too_fast() -> None:
    whole = ow.Constellation.walker(
        "star", planes=6, satellites_per_plane=11, altitude_m=780e3, inclination_deg=86.4
    )
    limit = 0.06
    topology = ow.IslTopology(max_slew_deg_per_s=limit)
    table = ow.isl_windows(whole, topology, start=START, duration_s=7000.0)
    times = np.arange(0.0, 7000.0, 1.0)
    position, velocity = states(whole, times)
    broken = 0
    for i, j in isl_pairs(whole, topology)[::5]:
        rate = np.maximum(
            turning_deg_per_s(position, velocity, i, j), turning_deg_per_s(position, velocity, j, i)
        )
        mine = (table["first_index"] == i) & (table["second_index"] == j)
        inside = np.zeros(len(times), dtype=bool)
        for first, last in zip(table["start_s"][mine], table["end_s"][mine], strict=True):
            inside |= (first <= times) & (times <= last)
        sure = np.abs(rate - limit) > 1e-3
        assert (inside[1:-1][sure] == (rate[sure] < limit)).all()
        broken += int((rate > limit).any())
    assert broken > 3


# -- motifs ---------------------------------------------------------------------------------------
def test_a_plus_grid_has_four_links_a_satellite() -> None:
    whole = ow.Constellation.walker(
        planes=6, satellites_per_plane=5, altitude_m=550e3, inclination_deg=53, phasing=2
    )
    pairs = isl_pairs(whole, ow.IslTopology())
    assert len(pairs) == 2 * 30
    assert (np.bincount(pairs.ravel()) == 4).all()


def test_a_star_has_no_link_over_its_seam() -> None:
    whole = ow.Constellation.walker(
        "star", planes=4, satellites_per_plane=5, altitude_m=590e3, inclination_deg=90
    )
    pairs = isl_pairs(whole, ow.IslTopology())
    planes = pairs // 5
    assert len(pairs) == 4 * 5 + 3 * 5
    assert not ((planes.min(1) == 0) & (planes.max(1) == 3)).any()


@settings(max_examples=40)
@given(
    planes=st.integers(3, 9),
    slots=st.integers(3, 9),
    phasing=st.integers(0, 8),
    offset=st.tuples(st.integers(-2, 2), st.integers(-3, 3)).filter(lambda row: row != (0, 0)),
)
def test_every_link_of_a_motif_spans_the_same_angle(
    planes: int, slots: int, phasing: int, offset: tuple[int, int]
) -> None:
    """Round the globe a delta's links keep their differences of node and phase."""
    whole = ow.Constellation.walker(
        planes=planes,
        satellites_per_plane=slots,
        altitude_m=800e3,
        inclination_deg=60,
        phasing=phasing,
    )
    pairs = isl_pairs(whole, ow.IslTopology(motif=[offset], terminals=4))
    node, phase = whole.column("raan_deg"), whole.column("mean_anomaly_deg")
    step = np.array(
        [
            offset[0] * 360 / planes,
            offset[1] * 360 / slots + offset[0] * phasing * 360 / (planes * slots),
        ]
    )
    for i, j in pairs:
        change = np.array([node[j] - node[i], phase[j] - phase[i]])
        forward = np.abs((change - step + 180) % 360 - 180).max()
        backward = np.abs((-change - step + 180) % 360 - 180).max()
        assert min(forward, backward) < 1e-6


def test_links_by_name_and_too_few_terminals() -> None:
    whole = ow.Constellation.walker(
        planes=3, satellites_per_plane=4, altitude_m=550e3, inclination_deg=53
    )
    extra = ow.IslTopology(motif="ring", pairs=[("sat-0-0", "sat-1-1"), ("sat-1-1", "sat-0-0")])
    assert len(isl_pairs(whole, extra)) == 12 + 1
    with pytest.raises(ow.InputError, match=r"IslTopology.terminals = 3: expected at least 4"):
        isl_pairs(whole, ow.IslTopology(terminals=3))
    with pytest.raises(ow.InputError, match="a constellation with shells"):
        isl_pairs(whole.select([0, 1]), ow.IslTopology())
    with pytest.raises(ow.UnknownNameError, match="sat-0-0"):
        isl_pairs(whole, ow.IslTopology(motif=(), pairs=[("sat-0-0", "sat-0-9")]))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"motif": "grid"}, "IslTopology.motif = 'grid'"),
        ({"motif": [(0, 0)]}, "IslTopology.motif[0] = (0, 0): expected another satellite"),
        ({"motif": [(1, 2, 3)]}, "IslTopology.motif[0] = (1, 2, 3)"),
        ({"motif": [(0.5, 1)]}, "IslTopology.motif[0] = (0.5, 1)"),
        ({"terminals": 0}, "IslTopology.terminals = 0"),
        ({"max_range_m": 0}, "IslTopology.max_range_m = 0"),
        ({"grazing_altitude_m": -1}, "IslTopology.grazing_altitude_m = -1"),
        ({"step_s": 0}, "IslTopology.step_s = 0"),
        ({"pairs": [("a",)]}, "IslTopology.pairs[0] = ('a',): expected two names of satellites"),
        ({"link": 5}, "IslTopology.link = 5"),
    ],
)
def test_a_topology_that_cannot_be(fields: dict[str, object], message: str) -> None:
    with pytest.raises(ow.InputError) as error:
        ow.IslTopology(**fields)  # type: ignore[arg-type]
    assert message in str(error.value)


# -- nearest --------------------------------------------------------------------------------------
SMALL = ow.Constellation.walker(
    planes=5, satellites_per_plane=6, altitude_m=900e3, inclination_deg=70, phasing=1
)


def at_instants(table: ow.IslTable, times: np.ndarray) -> list[list[tuple[int, int]]]:
    rows = zip(
        table["first_index"], table["second_index"], table["start_s"], table["end_s"], strict=True
    )
    listed = [(int(i), int(j), a, b) for i, j, a, b in rows]
    return [[(i, j) for i, j, a, b in listed if a <= t < b] for t in times]


@pytest.mark.parametrize("terminals", [1, 2, 4])
def test_nearest_links_keep_to_their_terminals_and_are_in_sight(terminals: int) -> None:
    topology = ow.IslTopology(
        "nearest", terminals=terminals, max_range_m=5e6, step_s=30.0, max_slew_deg_per_s=2.0
    )
    table = ow.isl_windows(SMALL, topology, start=START, duration_s=6000.0)
    times = np.arange(7.0, 6000.0, 97.0)
    position, _ = states(SMALL, times)
    assert len(table) > 20
    for m, links in enumerate(at_instants(table, times)):
        assert len(links) == len(set(links))
        degree = np.bincount(np.array(links, dtype=int).ravel(), minlength=len(SMALL))
        assert degree.max() <= terminals
        for i, j in links:
            gap = np.linalg.norm(position[i, m] - position[j, m])
            assert gap <= 5e6 + 10
            assert clearance(position[i, m], position[j, m], 80e3) > -1e-5


def test_nearest_at_the_start_is_greedy_by_distance() -> None:
    topology = ow.IslTopology("nearest", terminals=2, max_range_m=5e6)
    table = ow.isl_windows(SMALL, topology, start=START, duration_s=10.0)
    position, _ = states(SMALL, np.array([0.0]))
    place = position[:, 0]
    pairs = [
        (float(np.linalg.norm(place[i] - place[j])), i, j)
        for i in range(len(SMALL))
        for j in range(i)
    ]
    free, chosen = [2] * len(SMALL), set()
    for gap, i, j in sorted(pairs):
        if gap <= 5e6 and clearance(place[i], place[j], 80e3) > 0 and free[i] and free[j]:
            free[i], free[j] = free[i] - 1, free[j] - 1
            chosen.add((j, i))
    ours = set(zip(table["first_index"].tolist(), table["second_index"].tolist(), strict=True))
    # Equal distances (the constellation is symmetric) may be taken in another order.
    gaps = sorted(np.linalg.norm(place[i] - place[j]) for i, j in ours)
    theirs = sorted(np.linalg.norm(place[i] - place[j]) for i, j in chosen)
    assert len(gaps) == len(theirs)
    np.testing.assert_allclose(np.array(gaps), np.array(theirs), rtol=1e-6)


def test_a_new_link_waits_for_its_terminals() -> None:
    quick = ow.IslTopology("nearest", terminals=2, max_range_m=5e6)
    slow = ow.IslTopology("nearest", terminals=2, max_range_m=5e6, acquisition_s=20.0)
    one, two = (
        ow.isl_windows(SMALL, topology, start=START, duration_s=6000.0)
        for topology in (quick, slow)
    )
    starts = one["start_s"][one["start_s"] > 0]
    late = two["start_s"][two["start_s"] > 0]
    assert len(late)
    assert set(np.round(starts % 60, 6)) <= {0.0}
    assert set(np.round(late % 60, 6)) <= {20.0}
    turning = ow.IslTopology(
        "nearest", terminals=2, max_range_m=5e6, acquisition_s=20.0, max_slew_deg_per_s=5.0
    )
    three = ow.isl_windows(SMALL, turning, start=START, duration_s=6000.0)
    waits = three["start_s"][three["start_s"] > 0] % 60
    assert (waits >= 20 - 1e-6).all()
    assert (waits > 20 + 1e-3).any()  # some had to turn
    assert (waits <= 20 + 180 / 5 + 1e-6).all()


def test_no_free_terminal_is_left_with_a_free_partner_in_sight() -> None:
    train = [
        ow.Satellite.from_kepler(
            f"n{k}", altitude_m=900e3, inclination_deg=60, mean_anomaly_deg=angle, epoch=START
        )
        for k, angle in enumerate([*np.arange(9) * 0.5, -6.0])
    ]
    whole = ow.Constellation(train)
    table = ow.isl_windows(
        whole, ow.IslTopology("nearest", terminals=1), start=START, duration_s=600
    )
    linked = np.bincount(
        np.concatenate([table["first_index"], table["second_index"]]), minlength=len(train)
    )
    assert (linked == 1).all()  # ten satellites in sight of each other make five pairs


def test_a_satellite_below_the_grazing_shell_sees_nobody() -> None:
    height = 1e6
    for anomaly in np.arange(0.0, 40.0, 4.0):
        low = ow.Satellite.from_kepler(
            "low",
            semi_major_axis_m=(6378137.0 + height - 4e3) / 0.7,
            eccentricity=0.3,
            inclination_deg=0,
            mean_anomaly_deg=-anomaly,
            model="two-body",
            epoch=START,
        )
        high = ow.Satellite.from_kepler(
            "high", altitude_m=6e6, inclination_deg=0, model="two-body", epoch=START
        )
        whole = ow.Constellation([low, high])
        topology = ow.IslTopology(motif=(), pairs=[("low", "high")], grazing_altitude_m=height)
        table = ow.isl_windows(whole, topology, start=START, duration_s=2000)
        times = np.arange(0.0, 2000.0, 0.5)
        position, _ = states(whole, times)
        over = clearance(position[0], position[1], height)
        inside = np.zeros(len(times), dtype=bool)
        for first, last in zip(table["start_s"], table["end_s"], strict=True):
            inside |= (first <= times) & (times <= last)
        sure = np.abs(over) > 2e-6
        assert (inside[sure] == (over[sure] > 0)).all(), anomaly
