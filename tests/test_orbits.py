"""Stations, satellites and constellations: every error, and the geometry of Walker's patterns."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from sgp4.api import WGS72, Satrec

from orbweave.formulations.checks import InputError, UnknownNameError
from orbweave.formulations.orbits import (
    DESIGN_EPOCH,
    EARTH_MU,
    EARTH_RADIUS_M,
    MODELS,
    Constellation,
    GroundStation,
    Satellite,
    Shell,
    brouwer_axis_m,
)

SOLAR_DAY_S = 86400.0


def station(**changes: Any) -> GroundStation:
    return GroundStation(**{"name": "S", "latitude_deg": 1.0, "longitude_deg": 2.0, **changes})


def satellite(**changes: Any) -> Satellite:
    given = {"name": "X", "epoch": DESIGN_EPOCH, "mean_motion_rev_per_day": 15.0}
    return Satellite(**{**given, **changes})


def walker(pattern: str = "delta", **changes: Any) -> Constellation:
    given = {"planes": 3, "satellites_per_plane": 4, "altitude_m": 550e3, "inclination_deg": 53.0}
    return Constellation.walker(pattern, **{**given, **changes})


def satrec(row: Satellite) -> Satrec:
    record = Satrec()
    record.sgp4init(
        WGS72,
        "i",
        5,
        27000.0,
        0.0,
        0.0,
        0.0,
        row.eccentricity,
        math.radians(row.argument_of_perigee_deg),
        math.radians(row.inclination_deg),
        math.radians(row.mean_anomaly_deg),
        row.mean_motion_rev_per_day * 2 * math.pi / 1440,
        math.radians(row.raan_deg),
    )
    return record


def turn(angle_deg: Any) -> Any:
    """Angles as turns from -180 to below 180 degrees."""
    return (np.asarray(angle_deg) + 180) % 360 - 180


# -- what is refused ------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("make", "changes", "expected"),
    [
        (station, {"name": ""}, r"GroundStation\.name = ''"),
        (station, {"latitude_deg": 90.1}, r"GroundStation\['S'\]\.latitude_deg = 90\.1: .*-90 to"),
        (station, {"latitude_deg": math.nan}, r"latitude_deg = nan"),
        (station, {"latitude_deg": "1"}, r"latitude_deg = '1'"),
        (station, {"longitude_deg": 361}, r"longitude_deg = 361"),
        (station, {"altitude_m": 2e5}, r"altitude_m = 200000"),
        (station, {"min_elevation_deg": 90}, r"min_elevation_deg = 90"),
        (station, {"antennas": 0}, r"antennas = 0: expected a finite number >= 1"),
        (station, {"antennas": 1.5}, r"antennas = 1\.5: expected a whole number >= 1"),
        (station, {"rain_rate_mm_h": -1}, r"rain_rate_mm_h = -1"),
        (station, {"rain_height_m": math.inf}, r"rain_height_m = inf"),
        (station, {"provider": None}, r"provider = None: expected a string"),
        (station, {"horizon": []}, r"horizon = \[\]: expected pairs"),
        (station, {"horizon": "flat"}, r"horizon = 'flat'"),
        (station, {"horizon": [(1, 2, 3)]}, r"horizon\[0\] = \(1, 2, 3\): expected a pair"),
        (station, {"horizon": [(0, 5), (361, 5)]}, r"horizon\[1\] azimuth = 361"),
        (station, {"horizon": [(0, 91)]}, r"horizon\[0\] elevation = 91"),
        (station, {"horizon": [(0, 5), (360, 6)]}, r"azimuth = 0.*every azimuth once"),
        (satellite, {"name": None}, r"Satellite\.name = None"),
        (satellite, {"epoch": datetime(2026, 1, 1)}, r"Satellite\['X'\]\.epoch = .*timezone-aware"),
        (satellite, {"epoch": "soon"}, r"epoch = 'soon'"),
        (
            satellite,
            {"mean_motion_rev_per_day": 0},
            r"mean_motion_rev_per_day = 0: .*from 1e-12 to 1000",
        ),
        (satellite, {"mean_motion_rev_per_day": 1e300}, r"mean_motion_rev_per_day = 1e\+300"),
        (satellite, {"mean_motion_rev_per_day": 18}, r"perigee_altitude_m = -\d+: .*above the gro"),
        (satellite, {"eccentricity": 1}, r"eccentricity = 1: expected a number from 0 to below 1"),
        (satellite, {"eccentricity": -0.1}, r"eccentricity = -0\.1"),
        (satellite, {"eccentricity": 0.5}, r"perigee_altitude_m = -\d+: .*eccentricity 0\.5"),
        (satellite, {"inclination_deg": 180.5}, r"inclination_deg = 180\.5"),
        (satellite, {"raan_deg": 721}, r"raan_deg = 721"),
        (satellite, {"argument_of_perigee_deg": math.inf}, r"argument_of_perigee_deg = inf"),
        (satellite, {"mean_anomaly_deg": math.nan}, r"mean_anomaly_deg = nan"),
        (satellite, {"model": "spg4"}, r"model = 'spg4': .*did you mean 'sgp4'"),
        (satellite, {"bstar": math.inf}, r"bstar = inf"),
        (satellite, {"mean_motion_dot": None}, r"mean_motion_dot = None"),
        (satellite, {"mean_motion_ddot": True}, r"mean_motion_ddot = True"),
        (satellite, {"catalog_number": -1}, r"catalog_number = -1"),
        (satellite, {"plane": 0.5}, r"plane = 0\.5"),
        (satellite, {"slot": "1"}, r"slot = '1'"),
        (satellite, {"object_id": None}, r"object_id = None"),
        (Shell, {"first": -1, "planes": 1, "satellites_per_plane": 1}, r"Shell\.first = -1"),
        (Shell, {"first": 0, "planes": 0, "satellites_per_plane": 1}, r"Shell\.planes = 0"),
        (Shell, {"first": 0, "planes": 1, "satellites_per_plane": 0}, r"satellites_per_plane = 0"),
        (walker, {"pattern": "rosette"}, r"walker\.pattern = 'rosette'"),
        (walker, {"planes": 0}, r"walker\.planes = 0"),
        (walker, {"satellites_per_plane": 2.5}, r"walker\.satellites_per_plane = 2\.5"),
        (walker, {"phasing": "odd"}, r"walker\.phasing = 'odd'"),
        (walker, {"phasing": math.nan}, r"walker\.phasing = nan"),
        (walker, {"raan_spread_deg": 400}, r"walker\.raan_spread_deg = 400"),
        (walker, {"altitude_m": -1e3}, r"perigee_altitude_m = -1000"),
        (walker, {"altitude_m": -7e6}, r"altitude_m = -7000000"),
        (walker, {"inclination_deg": None}, r"inclination_deg = None"),
        (walker, {"name": ""}, r"walker\.name = ''"),
        (walker, {"eccentricity": 1.0, "model": "sgp4"}, r"eccentricity = 1\.0"),
    ],
)
def test_what_is_refused(
    make: Callable[..., object], changes: dict[str, Any], expected: str
) -> None:
    with pytest.raises(InputError, match=expected):
        make(**changes)


@pytest.mark.parametrize("changes", [{"pattern": "string"}, {"wrap_slots": 0.5}])
def test_shells_that_are_none(changes: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=rf"Shell\.{next(iter(changes))}"):
        Shell(0, 1, 1, **changes)


def test_from_kepler_needs_one_size() -> None:
    for sizes in ({}, {"altitude_m": 5e5, "semi_major_axis_m": 7e6}):
        with pytest.raises(InputError, match=r"altitude_m, semi_major_axis_m = .*one of them"):
            Satellite.from_kepler("X", **sizes)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"eccentricity = '0'"):
        Satellite.from_kepler("X", altitude_m=5e5, model="sgp4", eccentricity="0")
    with pytest.raises(InputError, match=r"model = 'kepler'"):
        Satellite.from_kepler("X", altitude_m=5e5, model="kepler")


def test_constellations_that_are_none() -> None:
    one = satellite()
    for rows, shells, expected in (
        ((), (), r"at least one satellite"),
        ((one, "X"), (), r"satellites\[1\] = 'X': expected a Satellite"),
        ((one, one), (), r"satellites name = 'X': expected every name once"),
        ((one,), (Shell(0, 1, 2),), r"shells\[0\] = Shell.*within the 1 satellites"),
        ((one,), (Shell(1, 1, 1),), r"within the 1 satellites"),
        ((one,), ("delta",), r"shells\[0\] = 'delta': expected a Shell"),
    ):
        with pytest.raises(InputError, match=expected):
            Constellation(rows, shells)  # type: ignore[arg-type]


# -- satellites -----------------------------------------------------------------------------------
def test_epochs_are_utc_and_numbers_plain() -> None:
    there = timezone(timedelta(hours=5, minutes=30))
    row = satellite(epoch=datetime(2026, 1, 1, 5, 30, tzinfo=there), catalog_number=np.int64(7))
    assert row == satellite(epoch="2026-01-01T00:00:00Z", catalog_number=7)
    assert row.epoch.tzinfo is UTC
    assert type(row.catalog_number) is int
    assert type(satellite(bstar=np.float64(1e-4)).bstar) is float
    assert type(station(antennas=2.0).antennas) is int
    assert all(type(row.mean_anomaly_deg) is float for row in walker().satellites)


def test_a_horizon_is_sorted_by_azimuth() -> None:
    assert station(horizon=[(270, 3), [360, 1], (90.5, 2)]).horizon == (
        (0.0, 1.0),
        (90.5, 2.0),
        (270.0, 3.0),
    )


@given(st.floats(200e3, 40e6), st.floats(0, 0.7), st.sampled_from(["j2", "two-body"]))
def test_sizes_of_a_keplerian_orbit(perigee_m: float, eccentricity: float, model: str) -> None:
    axis_m = (EARTH_RADIUS_M + perigee_m) / (1 - eccentricity)
    row = Satellite.from_kepler(
        "X", semi_major_axis_m=axis_m, eccentricity=eccentricity, model=model
    )
    other = Satellite.from_kepler(
        "X", altitude_m=axis_m - EARTH_RADIUS_M, eccentricity=eccentricity, model=model
    )
    assert row.mean_motion_rev_per_day == pytest.approx(other.mean_motion_rev_per_day, rel=1e-12)
    assert row.period_s == pytest.approx(2 * math.pi * math.sqrt(axis_m**3 / EARTH_MU), rel=1e-12)
    assert row.semi_major_axis_m == pytest.approx(axis_m, rel=1e-12)
    assert row.perigee_altitude_m == pytest.approx(perigee_m, abs=1e-3)
    apogee_m = 2 * (axis_m - EARTH_RADIUS_M) - perigee_m
    assert row.apogee_altitude_m == pytest.approx(apogee_m, rel=1e-9)


@given(st.floats(160e3, 40e6), st.floats(0, 0.8), st.floats(0, 180))
def test_sgp4_recovers_the_semi_major_axis_asked_for(
    perigee_m: float, eccentricity: float, inclination_deg: float
) -> None:
    axis_m = (EARTH_RADIUS_M + perigee_m) / (1 - eccentricity)
    row = Satellite.from_kepler(
        "X",
        semi_major_axis_m=axis_m,
        eccentricity=eccentricity,
        inclination_deg=inclination_deg,
        model="sgp4",
    )
    record = satrec(row)
    assert record.error == 0
    assert record.a * 6378135 == pytest.approx(axis_m, abs=1e-5)
    found_m = brouwer_axis_m(row.mean_motion_rev_per_day, eccentricity, inclination_deg)
    assert found_m == pytest.approx(axis_m, abs=1e-5)


def test_an_altitude_means_the_mean_altitude_in_sgp4_too() -> None:
    row = walker(model="sgp4").satellites[0]
    assert satrec(row).a * 6378135 - 6378137 == pytest.approx(550e3, abs=1e-3)
    assert row.perigee_altitude_m == pytest.approx(550e3, abs=1e-3)
    # Kepler's law on the Kozai mean motion of a TLE gives another axis, 277 m below here.
    motion = row.mean_motion_rev_per_day * 2 * math.pi / SOLAR_DAY_S
    assert math.cbrt(EARTH_MU / motion**2) - EARTH_RADIUS_M == pytest.approx(549723, abs=1)


@given(st.floats(0, 1e308), st.floats(0, 1), st.floats(0, 180), st.sampled_from(MODELS))
def test_any_size_is_an_orbit_or_an_input_error(
    motion: float, eccentricity: float, inclination_deg: float, model: str
) -> None:
    try:
        row = Satellite(
            "X", DESIGN_EPOCH, motion, eccentricity, inclination_deg=inclination_deg, model=model
        )
    except InputError:
        return
    assert 0 <= row.perigee_altitude_m <= row.apogee_altitude_m < math.inf


# -- Walker's patterns ----------------------------------------------------------------------------
@given(
    st.integers(1, 12),
    st.integers(1, 12),
    st.integers(-3, 15),
    st.floats(0, 360),
    st.floats(0, 360),
)
def test_a_delta_pattern_by_its_formula(
    planes: int, per_plane: int, phasing: int, raan_deg: float, anomaly_deg: float
) -> None:
    whole = walker(
        planes=planes,
        satellites_per_plane=per_plane,
        phasing=phasing,
        raan_deg=raan_deg,
        mean_anomaly_deg=anomaly_deg,
        name="w",
    )
    total = planes * per_plane
    assert len(whole) == total
    assert whole.shells == (Shell(0, planes, per_plane, "delta", phasing),)
    for k, row in enumerate(whole.satellites):
        p, s = divmod(k, per_plane)
        assert (row.name, row.plane, row.slot) == (f"w-{p}-{s}", p, s)
        assert 0 <= row.raan_deg < 360
        assert 0 <= row.mean_anomaly_deg < 360
        assert turn(row.raan_deg - raan_deg - 360 * p / planes) == pytest.approx(0, abs=1e-9)
        anomaly = anomaly_deg + 360 * s / per_plane + 360 * phasing * p / total
        assert turn(row.mean_anomaly_deg - anomaly) == pytest.approx(0, abs=1e-9)
    assert set(whole.column("inclination_deg")) == {53.0}
    assert whole.column("semi_major_axis_m") == pytest.approx(EARTH_RADIUS_M + 550e3)


@given(st.integers(2, 12), st.integers(1, 12), st.integers(-15, 15))
def test_wrap_slots_keep_the_phase_from_the_last_plane_to_the_first(
    planes: int, per_plane: int, phasing: int
) -> None:
    whole = walker(planes=planes, satellites_per_plane=per_plane, phasing=phasing)
    phase = whole.column("mean_anomaly_deg").reshape(planes, per_plane)
    wrap = whole.shells[0].wrap_slots
    round_the_globe = np.roll(phase[0], -wrap) - phase[-1]
    between_planes = phase[1] - phase[0]
    assert turn(round_the_globe - between_planes) == pytest.approx(np.zeros(per_plane), abs=1e-9)


@given(st.integers(1, 12), st.integers(2, 12))
def test_alternating_planes_are_half_a_place_ahead(planes: int, per_plane: int) -> None:
    whole = walker(planes=planes, satellites_per_plane=per_plane, phasing="alternating")
    phase = whole.column("mean_anomaly_deg").reshape(planes, per_plane)
    expected = 360 * np.arange(per_plane) / per_plane
    for p in range(planes):
        ahead = 180 / per_plane if p % 2 else 0.0
        assert turn(phase[p] - expected - ahead) == pytest.approx(np.zeros(per_plane), abs=1e-9)
    assert whole.shells[0].wrap_slots == 0


@given(st.integers(2, 12))
def test_a_star_pattern_has_its_seam_where_planes_meet_head_on(planes: int) -> None:
    whole = walker("star", planes=planes, inclination_deg=90.0, satellites_per_plane=1)
    assert whole.shells[0].pattern == "star"
    # Normals of the orbital planes, on the equator for polar orbits.
    angle = np.radians(whole.column("raan_deg"))
    normal = np.stack([np.sin(angle), -np.cos(angle)], axis=1)
    neighbours = np.einsum("ij,ij->i", normal[:-1], normal[1:])
    assert neighbours == pytest.approx(np.full(planes - 1, math.cos(math.pi / planes)))
    # The last and the first plane are as near to each other, but run the other way.
    assert normal[-1] @ normal[0] == pytest.approx(-math.cos(math.pi / planes))


def test_a_spread_of_ones_own() -> None:
    whole = walker(planes=4, satellites_per_plane=1, raan_deg=350, raan_spread_deg=40)
    assert whole.column("raan_deg").tolist() == [350, 0, 10, 20]


# -- constellations -------------------------------------------------------------------------------
def test_a_sum_keeps_both() -> None:
    a = walker(name="a")
    b = walker(
        "star", name="b", planes=2, inclination_deg=87.0, epoch=datetime(2027, 1, 1, tzinfo=UTC)
    )
    lone = Constellation((satellite(),))
    whole = a + b + lone + walker(name="c")
    assert len(whole) == 12 + 8 + 1 + 12
    assert whole.names == (*a.names, *b.names, "X", *walker(name="c").names)
    firsts = [(shell.first, shell.size, shell.pattern) for shell in whole.shells]
    assert firsts == [(0, 12, "delta"), (12, 8, "star"), (21, 12, "delta")]
    assert [row.plane for row in whole.satellites[::4]] == [0, 1, 2, 3, 4, None, 5, 6, 7]
    for shell, part in zip(whole.shells, (a, b, walker(name="c")), strict=True):
        rows = whole.satellites[shell.first : shell.first + shell.size]
        assert [replace(row, plane=0) for row in rows] == [
            replace(row, plane=0) for row in part.satellites
        ]
        planes = [row.plane for row in rows]
        assert len(set(planes)) == shell.planes
        assert planes == sorted(row for row in planes if row is not None)
    with pytest.raises(InputError, match="every name once"):
        _ = a + a
    with pytest.raises(TypeError):
        _ = a + 1  # type: ignore[operator]


@given(st.integers(1, 5), st.integers(1, 5), st.integers(1, 5))
def test_sums_group_as_they_like(p: int, q: int, r: int) -> None:
    a, b, c = (walker(name=name, planes=n) for name, n in (("a", p), ("b", q), ("c", r)))
    assert (a + b) + c == a + (b + c)


def test_satellites_by_name_and_position() -> None:
    whole = walker()
    assert whole.index("sat-1-2") == 6
    assert whole.select(["sat-2-0", 0]).names == ("sat-2-0", "sat-0-0")
    assert whole.select(np.array([3, 1])).names == ("sat-0-3", "sat-0-1")  # type: ignore[arg-type]
    assert whole.select([0]).shells == ()
    with pytest.raises(UnknownNameError, match=r"satellite = 'sat-1-9': .*did you mean 'sat-1-"):
        whole.index("sat-1-9")
    for bad in (12, -1, 0.5):
        with pytest.raises(InputError, match=rf"satellite position = {bad}"):
            whole.select([bad])  # type: ignore[list-item]
    with pytest.raises(InputError, match="at least one satellite"):
        whole.select([])


@given(st.integers(1, 6), st.integers(1, 6), st.integers(0, 5))
def test_renumbering_the_first_plane_turns_the_whole_pattern(
    planes: int, per_plane: int, phasing: int
) -> None:
    """Starting at plane 1 and its slot 0 gives the same set of orbits."""
    assume(planes > 1)
    whole = walker(planes=planes, satellites_per_plane=per_plane, phasing=phasing)
    start = whole.satellites[per_plane]
    turned = walker(
        planes=planes,
        satellites_per_plane=per_plane,
        phasing=phasing,
        raan_deg=start.raan_deg,
        mean_anomaly_deg=start.mean_anomaly_deg,
    )

    def orbits(of: Constellation) -> list[tuple[float, float]]:
        rows = [(row.raan_deg, row.mean_anomaly_deg) for row in of.satellites]
        return sorted((round(a, 6) % 360, round(m, 6) % 360) for a, m in rows)

    assert np.array(orbits(turned)) == pytest.approx(np.array(orbits(whole)), abs=1e-5)
