"""Eclipses against rays from the satellite to the Sun's disc past the WGS 84 ellipsoid."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

import orbweave as ow
from orbweave.formulations.instants import J2000, seconds_between
from orbweave.formulations.space.earth import EarthRotation

START = datetime(2026, 3, 10, tzinfo=UTC)
SUN_RADIUS_M = 6.957e8

SATELLITES = [
    ow.Satellite.from_kepler("leo", altitude_m=550e3, inclination_deg=53, epoch=START),
    ow.Satellite.from_kepler("polar", altitude_m=800e3, inclination_deg=98.6, epoch=START),
    ow.Satellite.from_kepler("geo", semi_major_axis_m=42164e3, inclination_deg=0.1, epoch=START),
    ow.Satellite.from_kepler(
        "molniya",
        semi_major_axis_m=26600e3,
        eccentricity=0.7,
        inclination_deg=63.4,
        argument_of_perigee_deg=270,
        epoch=START,
    ),
]


def blocked_share(satellite_m: np.ndarray, sun_m: np.ndarray) -> float:
    """Share of rays to the Sun's limb and disc that meet the ellipsoid."""
    a, b = 6378137.0, 6356752.314245
    squash = np.array([1 / a, 1 / a, 1 / b])
    toward = sun_m - satellite_m
    axis = toward / np.linalg.norm(toward)
    side = np.cross(axis, [0.0, 0.0, 1.0])
    side /= np.linalg.norm(side)
    other = np.cross(axis, side)
    angles = np.linspace(0, 2 * math.pi, 721)
    rim = SUN_RADIUS_M * (np.cos(angles)[:, None] * side + np.sin(angles)[:, None] * other)
    rays = (toward + rim) * squash
    eye = satellite_m * squash
    # |eye + s ray|^2 = 1 for some s > 0.
    p, q, r = (rays * rays).sum(1), rays @ eye, eye @ eye - 1
    hit = (q * q - p * r > 0) & (q < 0)
    return float(hit.mean())


def scene(whole: ow.Constellation, times_s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Positions of satellites and of the Sun (from ERFA), true equator and equinox of date."""
    erfa = pytest.importorskip("erfa")
    position, _ = ow.propagate(whole, START, times_s)
    day = seconds_between(J2000, START) / 86400 + (times_s + 69.2) / 86400
    earth = erfa.epv00(2451545.0, day)[0]["p"]
    matrix = erfa.pnm06a(2451545.0, day)
    return position, np.einsum("tij,tj->ti", matrix, -earth) * 1.495978707e11


def test_eclipses_begin_and_end_where_rays_are_cut() -> None:
    whole = ow.Constellation(SATELLITES)
    table = ow.eclipses(whole, start=START, duration_s=86400)
    assert len(table) > 25
    checked = 0
    for name, dark in (
        ("start_s", False),
        ("end_s", False),
        ("umbra_start_s", True),
        ("umbra_end_s", True),
    ):
        for k in range(len(table)):
            edge = table[name][k]
            if not math.isfinite(edge) or not 2 < edge < 86398:
                continue
            # The Sun of the library is within 0.02 degrees: at most this long in such an orbit.
            satellite = SATELLITES[table["satellite_index"][k]]
            slack = 3.0 if satellite.name in ("geo", "molniya") else 0.6
            times = edge + np.array([-slack, slack])
            position, sun = scene(whole, times)
            shares = [
                blocked_share(position[table["satellite_index"][k], m], sun[m]) for m in (0, 1)
            ]
            before, after = shares if name.endswith("start_s") else shares[::-1]
            if dark:
                assert before < 1 <= after, (name, k, shares)
            else:
                assert before == 0 < after, (name, k, shares)
            checked += 1
    assert checked > 100


def test_no_eclipse_is_missed_or_invented() -> None:
    whole = ow.Constellation(SATELLITES)
    table = ow.eclipses(whole, start=START, duration_s=86400)
    times = np.arange(5.0, 86400, 40.0)
    position, sun = scene(whole, times)
    for n in range(len(whole)):
        mine = table["satellite_index"] == n
        starts, ends = table["start_s"][mine], table["end_s"][mine]
        for m, time in enumerate(times):
            near = np.abs(np.concatenate([starts, ends, [1e9]]) - time).min()
            if near < 4:
                continue
            inside = bool(((starts < time) & (time < ends)).any())
            assert inside == (blocked_share(position[n, m], sun[m]) > 0), (n, time)


def test_fractions_and_clipping() -> None:
    whole = ow.Constellation(SATELLITES)
    day = ow.eclipses(whole, start=START, duration_s=86400)
    fractions = day.sunlit_fraction
    assert ((fractions > 0.5) & (fractions <= 1)).all()
    assert (day.umbra_fraction <= 1 - fractions + 1e-12).all()
    assert (day.umbra_fraction[:2] > 0.25).all()
    k = int(np.argmax(day["end_s"] - day["start_s"]))
    inside = START + timedelta(seconds=float(day["umbra_start_s"][k] + 10))
    piece = ow.eclipses(whole, start=inside, duration_s=60)
    n = piece["satellite_index"].tolist().index(day["satellite_index"][k])
    assert [piece[name][n] for name in ("start_s", "umbra_start_s", "umbra_end_s", "end_s")] == [
        0,
        0,
        60,
        60,
    ]
    assert piece["satellite"][n] == day["satellite"][k]


def test_the_angle_of_greenwich_plays_almost_no_part() -> None:
    # Only through the ellipsoid, which turns in itself: not at all.
    whole = ow.Constellation(SATELLITES[:2])
    usual = ow.eclipses(whole, start=START, duration_s=20000)
    turned = ow.eclipses(
        whole, start=START, duration_s=20000, rotation=EarthRotation(greenwich_deg=123.0)
    )
    np.testing.assert_allclose(usual["start_s"], turned["start_s"], atol=1e-3)
    np.testing.assert_allclose(usual["umbra_end_s"], turned["umbra_end_s"], atol=1e-3)
