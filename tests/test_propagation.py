"""Positions against Vallado's vectors and integration, the Earth and the Sun against ERFA."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

import orbweave as ow
from orbweave.formulations.instants import J2000, seconds_between
from orbweave.formulations.orbits import EARTH_J2, EARTH_MU, EARTH_RADIUS_M
from orbweave.formulations.space.earth import (
    EarthRotation,
    geodetic,
    greenwich_angle,
    station_frames,
    sun_direction,
)
from orbweave.formulations.space.ephemeris import ephemeris, node_step
from orbweave.formulations.space.propagate import propagate
from orbweave.formulations.space.ut1 import ut1_minus_utc
from orbweave.formulations.space.window import Window

START = datetime(2026, 1, 1, tzinfo=UTC)


def vectors(reference: Path) -> dict[int, np.ndarray]:
    """Vallado's output: (minutes, x, y, z, vx, vy, vz) rows by catalogue number."""
    found: dict[int, list[list[float]]] = {}
    number = 0
    for line in (reference / "space/sgp4/tcppver.out").read_text().splitlines():
        if line.endswith("xx"):
            number = int(line.split()[0])
        else:
            found.setdefault(number, []).append([float(x) for x in line.split()[:7]])
    return {number: np.array(rows) for number, rows in found.items()}


def test_sgp4_agrees_with_vallado_to_a_millimetre(reference: Path) -> None:
    lines = (reference / "space/sgp4/SGP4-VER.TLE").read_text().splitlines()
    sets = [row for row in lines if re.match(r"[12] [0-9 ]{5}", row)]
    expected = vectors(reference)
    refused: dict[int, str] = {}
    compared = 0
    for one, two in zip(sets[::2], sets[1::2], strict=True):
        number = int(one[2:7])
        try:
            whole = ow.Constellation.from_tle(f"{one[:69]}\n{two[:69]}\n")
        except ow.InputError as error:
            refused[number] = str(error)
            continue
        rows = expected[number]
        epoch = whole.satellites[0].epoch
        position, velocity = propagate(whole, epoch, rows[:, 0] * 60)
        assert np.abs(position[0] / 1e3 - rows[:, 1:4]).max() < 1e-6
        assert np.abs(velocity[0] / 1e3 - rows[:, 4:7]).max() < 1e-8
        compared += len(rows)
    assert compared > 550
    # What the file holds to provoke errors: a perigee in the ground, and lines made up by hand.
    assert sorted(refused) == [28872, 33333, 33334, 33335]
    assert "expected an orbit above the ground" in refused[28872]
    assert all("checksum" in refused[number] for number in (33333, 33334, 33335))


def test_both_engines_give_the_same_positions() -> None:
    pytest.importorskip("astroz")
    whole = ow.Constellation.walker(
        planes=6, satellites_per_plane=4, altitude_m=700e3, inclination_deg=70, model="sgp4"
    )
    times = np.linspace(0, 86400, 97)
    usual, fast = (propagate(whole, START, times, engine=name)[0] for name in ("sgp4", "astroz"))
    assert np.abs(usual - fast).max() < 0.5


elements = st.builds(
    ow.Satellite.from_kepler,
    st.just("s"),
    semi_major_axis_m=st.floats(2.7e7, 4e7),
    eccentricity=st.floats(0, 0.7),
    inclination_deg=st.floats(0, 180),
    raan_deg=st.floats(0, 360),
    argument_of_perigee_deg=st.floats(0, 360),
    mean_anomaly_deg=st.floats(0, 360),
    model=st.sampled_from(["two-body", "j2"]),
)


@given(elements)
def test_velocity_is_the_derivative_of_position(satellite: ow.Satellite) -> None:
    times = np.array([0.0, 5000.0, 40000.0])
    whole = ow.Constellation([satellite])
    step = 1.0
    before, after = (propagate(whole, START, times + side)[0] for side in (-step, step))
    velocity = propagate(whole, START, times)[1]
    np.testing.assert_allclose((after - before) / (2 * step), velocity, atol=0.05)


@pytest.mark.parametrize("eccentricity", [0.0, 0.3, 0.7])
def test_two_body_motion_is_newtons(eccentricity: float) -> None:
    satellite = ow.Satellite.from_kepler(
        "s",
        semi_major_axis_m=8e6 / (1 - eccentricity),
        eccentricity=eccentricity,
        inclination_deg=50,
        raan_deg=20,
        argument_of_perigee_deg=70,
        mean_anomaly_deg=200,
        model="two-body",
        epoch=START,
    )
    times = np.linspace(0, 40000, 41)
    position, velocity = propagate(ow.Constellation([satellite]), START, times)

    def pull(_: float, state: np.ndarray) -> np.ndarray:
        distance = np.linalg.norm(state[:3])
        return np.concatenate([state[3:], -EARTH_MU * state[:3] / distance**3])

    state = np.concatenate([position[0, 0], velocity[0, 0]])
    path = solve_ivp(pull, (0, 40000), state, t_eval=times, rtol=1e-12, atol=1e-6)
    np.testing.assert_allclose(path.y[:3].T, position[0], atol=0.5)


def test_j2_drift_is_that_of_the_integrated_motion() -> None:
    satellite = ow.Satellite.from_kepler(
        "s", altitude_m=800e3, inclination_deg=65, model="j2", epoch=START
    )
    days = 5
    period = satellite.period_s
    whole = ow.Constellation([satellite])
    (start,), (speed,) = (array[:, 0] for array in propagate(whole, START, [0.0]))

    def pull(_: float, state: np.ndarray) -> np.ndarray:
        r = state[:3]
        d = np.linalg.norm(r)
        k = 1.5 * EARTH_J2 * EARTH_MU * EARTH_RADIUS_M**2 / d**5
        z = 5 * r[2] ** 2 / d**2
        bulge = k * r * np.array([z - 1, z - 1, z - 3])
        return np.concatenate([state[3:], -EARTH_MU * r / d**3 + bulge])

    state = np.concatenate([start, speed])
    path = solve_ivp(pull, (0, days * 86400), state, rtol=1e-10, atol=1e-3)
    normal = np.cross(path.y[:3, -1], path.y[3:, -1])
    drifted = math.atan2(normal[0], -normal[1])
    position, velocity = propagate(whole, START, [path.t[-1]])
    ours = np.cross(position[0, 0], velocity[0, 0])
    # 14 degrees of drift; first order in J2 and mean elements: half a percent.
    assert math.degrees(drifted - math.atan2(ours[0], -ours[1])) == pytest.approx(0, abs=0.1)
    assert period == pytest.approx(
        2 * math.pi * math.sqrt((EARTH_RADIUS_M + 800e3) ** 3 / EARTH_MU)
    )


ORBITS = [
    {"altitude_m": 200e3, "inclination_deg": 97},
    {"altitude_m": 550e3, "inclination_deg": 53},
    {"semi_major_axis_m": 7.8e6, "eccentricity": 0.12, "inclination_deg": 60},
    {"semi_major_axis_m": 1e7, "eccentricity": 0.33, "inclination_deg": 20},
    {"semi_major_axis_m": 2.66e7, "eccentricity": 0.74, "inclination_deg": 63.4},
    {"semi_major_axis_m": 4.2164e7, "inclination_deg": 1},
]


@pytest.mark.parametrize("orbit", ORBITS)
@pytest.mark.parametrize("model", ["sgp4", "j2"])
def test_pieces_stay_within_a_metre_of_the_propagator(orbit: dict[str, float], model: str) -> None:
    satellite = ow.Satellite.from_kepler("s", model=model, epoch=START, **orbit)
    whole = ow.Constellation([satellite])
    window = Window(START, 86400.0)
    body = ephemeris(whole, np.array([0]), window, window.span, node_step(satellite))
    times = np.random.default_rng(1).uniform(0, 86400, 4000)
    inertial = propagate(whole, START, times)[0][0]
    angle = window.rotation.angle(START, times)
    cosine, sine = np.cos(angle), np.sin(angle)
    fixed = np.stack(
        [
            cosine * inertial[:, 0] + sine * inertial[:, 1],
            cosine * inertial[:, 1] - sine * inertial[:, 0],
            inertial[:, 2],
        ],
        axis=1,
    )
    assert np.linalg.norm(body.positions(0, times) - fixed, axis=1).max() < 1.0


# -- the Earth and the Sun ------------------------------------------------------------------------
MOMENTS = [datetime(year, 3, 7, 5, 11, 9, tzinfo=UTC) for year in (1975, 1999, 2015, 2026, 2040)]


@pytest.mark.parametrize("moment", MOMENTS)
def test_greenwich_turns_as_erfa_says(moment: datetime) -> None:
    erfa = pytest.importorskip("erfa")
    seconds = seconds_between(J2000, moment)
    ours = greenwich_angle(np.array([seconds]))[0]
    theirs = erfa.gmst82(2451545.0, seconds / 86400)
    assert math.remainder(ours - theirs, 2 * math.pi) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("moment", MOMENTS)
def test_the_sun_stands_where_erfa_says(moment: datetime) -> None:
    erfa = pytest.importorskip("erfa")
    seconds = seconds_between(J2000, moment)
    day = (2451545.0, seconds / 86400 + 69.2 / 86400)
    earth = erfa.epv00(*day)[0]["p"]
    toward = erfa.pnm06a(*day) @ -earth
    direction, distance = sun_direction(np.array([seconds]))
    distance_au = np.linalg.norm(toward)
    cosine = float(direction[0] @ toward) / distance_au
    # 0.01 degrees of the formula, 0.006 of aberration that the geometric place lacks.
    assert math.degrees(math.acos(cosine)) < 0.017
    assert distance[0] / 1.495978707e11 == pytest.approx(distance_au, abs=2e-4)


@given(st.floats(-90, 90), st.floats(-180, 180), st.floats(-400, 9000))
def test_geodetic_places_are_those_of_erfa(
    latitude: float, longitude: float, height: float
) -> None:
    erfa = pytest.importorskip("erfa")
    station = ow.GroundStation("g", latitude, longitude, height)
    position, axes = station_frames([station])
    theirs = erfa.gd2gc(1, math.radians(longitude), math.radians(latitude), height)
    np.testing.assert_allclose(position[0], theirs, atol=1e-6)
    np.testing.assert_allclose(axes[0] @ axes[0].T, np.eye(3), atol=1e-12)
    back = geodetic(position)
    assert back[0][0] == pytest.approx(latitude, abs=1e-8)
    assert back[2][0] == pytest.approx(height, abs=1e-3)


def test_ut1_is_within_ten_milliseconds_of_the_daily_table() -> None:
    api = pytest.importorskip("skyfield.api")
    scale = api.load.timescale(builtin=True)
    first = datetime(1973, 2, 1, tzinfo=UTC)
    days = [first + timedelta(days=37.3 * k) for k in range(520)]
    theirs = np.array([float(scale.from_datetime(day).dut1) for day in days])
    ours = np.array([ut1_minus_utc(day) for day in days])
    assert np.abs(ours - theirs).max() < 0.01
    assert np.abs(theirs).max() > 0.5


def test_a_made_up_greenwich_angle() -> None:
    turned = EarthRotation(greenwich_deg=90.0).angle(START, np.array([0.0, 86164.0905]))
    np.testing.assert_allclose(turned - math.pi / 2, [0, 2 * math.pi], atol=1e-5)
    with pytest.raises(ow.InputError, match=r"EarthRotation.ut1_utc_s = 2"):
        EarthRotation(ut1_utc_s=2)
