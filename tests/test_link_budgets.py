"""Link types: by hand, against the laws that every link obeys, and against bad input."""

from __future__ import annotations

import math
from dataclasses import FrozenInstanceError, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orbweave.formulations import atmosphere
from orbweave.formulations.checks import InputError
from orbweave.formulations.link_budgets import (
    KA_BAND_DOWNLINK,
    LASER_ISL,
    S_BAND_UPLINK,
    X_BAND_DOWNLINK,
    FixedLink,
    LaserLink,
    LinkBudget,
    RadioLink,
    Site,
)

POSITIVE, NOT_NEGATIVE = "a finite number > 0", "a finite number >= 0"

PRESETS = (X_BAND_DOWNLINK, KA_BAND_DOWNLINK, S_BAND_UPLINK, LASER_ISL)
LINKS: tuple[LinkBudget, ...] = (
    *PRESETS,
    replace(X_BAND_DOWNLINK, scheme="shannon"),
    replace(KA_BAND_DOWNLINK, scheme="shannon", exceeded_percent=1.0, max_rate_bps=1e9),
    RadioLink(frequency_hz=435e6, bandwidth_hz=1e5, exceeded_percent=0.5),
    FixedLink(2e9),
)
ROME = Site(41.9, 46.0, 33.9)


def test_a_radio_link_by_hand() -> None:
    """2000 km: 18 - 176.7447 - 5.5 + 26 + 228.5992 - 80.9691 = 9.3854 dB, enough for 16APSK 2/3."""
    assert X_BAND_DOWNLINK.carrier_to_noise_db(2e6) == pytest.approx(9.3854, abs=3e-4)
    assert X_BAND_DOWNLINK.rate_bps(2e6) == pytest.approx(125e6 * 2.637201)
    bound = replace(X_BAND_DOWNLINK, scheme="shannon")
    assert bound.carrier_to_noise_db(2e6) == pytest.approx(9.3854 - 10 * math.log10(1.2), abs=3e-4)
    signal = 10 ** (float(bound.carrier_to_noise_db(2e6)) / 10)
    assert bound.rate_bps(2e6) == pytest.approx(150e6 * math.log2(1 + signal))


def test_rain_costs_its_loss_and_the_noise_it_brings() -> None:
    """3.0103 dB halve the signal and add 137.5 K to 150 K: 10 log10(287.5 / 150) = 2.8255 dB."""
    clear, wet = X_BAND_DOWNLINK.carrier_to_noise_db(1e6, [0.0, 10 * math.log10(2)])
    assert clear - wet == pytest.approx(3.0103 + 2.8255, abs=1e-4)
    clear, wet = S_BAND_UPLINK.carrier_to_noise_db(1e6, [0.0, 5.0])
    assert clear - wet == pytest.approx(5.0)


def test_the_atmosphere_of_a_link_is_that_of_the_recommendations() -> None:
    link = replace(KA_BAND_DOWNLINK, exceeded_percent=0.5)
    gas = KA_BAND_DOWNLINK.attenuation_db([10.0, 50.0], ROME)
    rain = atmosphere.rain_attenuation_db(41.9, 46.0, [10.0, 50.0], 26.5e9, 33.9, 0.5)
    np.testing.assert_allclose(link.attenuation_db([10.0, 50.0], ROME), gas + rain, rtol=1e-12)
    lower = link.attenuation_db([10.0, 50.0], replace(ROME, rain_height_m=2000.0))
    assert np.all(lower < gas + rain)
    assert np.all(lower > gas)
    dry = link.attenuation_db([10.0, 50.0], Site(41.9, 46.0))
    np.testing.assert_array_equal(dry, gas)


def test_lasers_fixed_links_and_low_frequencies_see_no_atmosphere() -> None:
    for link in (LASER_ISL, FixedLink(1e9), RadioLink(frequency_hz=435e6, exceeded_percent=0.01)):
        found = link.attenuation_db(np.array([[0.0, 10.0, 90.0]]), ROME)
        np.testing.assert_array_equal(found, np.zeros((1, 3)))


def test_presets_do_what_their_docstrings_say() -> None:
    ranges = np.array([600e3, 2000e3])
    x, ka, s, laser = (link.rate_bps(ranges) for link in PRESETS)
    np.testing.assert_allclose(x, [125e6 * 4.453027, 125e6 * 2.637201])
    np.testing.assert_allclose(ka, [500e6 / 1.2 * 4.453027] * 2)
    np.testing.assert_array_equal(s, [5e6, 5e6])
    np.testing.assert_array_equal(laser, [10e9, 10e9])
    assert LASER_ISL.rate_bps(3_900e3) == 10e9 > LASER_ISL.rate_bps(4_100e3)


RANGE = st.floats(1e3, 1e9)
LOSS = st.floats(0.0, 300.0)


@pytest.mark.parametrize("link", LINKS, ids=lambda link: type(link).__name__)
@given(st.tuples(RANGE, RANGE), st.tuples(LOSS, LOSS))
def test_rates_never_rise_with_range_or_attenuation(
    link: LinkBudget, ranges: tuple[float, float], losses: tuple[float, float]
) -> None:
    near, far = sorted(ranges)
    weak, strong = sorted(losses)
    best, further, wetter = link.rate_bps(np.array([near, far, near]), [weak, weak, strong])
    assert math.isfinite(best)
    # Rounding may lift a rate by a few units in the last place, never by more.
    assert 0 <= further <= best * (1 + 1e-12)
    assert 0 <= wetter <= best * (1 + 1e-12)


@pytest.mark.parametrize("link", LINKS, ids=lambda link: type(link).__name__)
def test_extremes_give_rates_and_no_nan(link: LinkBudget) -> None:
    rates = link.rate_bps(np.array([[1e-3], [1e6], [1e30]]), [0.0, 1e4, math.inf])
    assert rates.shape == (3, 3)
    assert not np.isnan(rates).any()
    assert (rates >= 0).all()
    assert link.rate_bps(np.empty((0, 2))).shape == (0, 2)


@pytest.mark.parametrize("link", LINKS, ids=lambda link: type(link).__name__)
@given(st.integers(0, 2**32 - 1))
def test_arrays_give_what_scalars_give(link: LinkBudget, seed: int) -> None:
    draw = np.random.default_rng(seed)
    ranges, losses = draw.uniform(3e5, 5e6, (3, 1)), draw.uniform(0, 20, 4)
    whole = link.rate_bps(ranges, losses)
    above = link.attenuation_db(draw.uniform(0, 90, (2, 2)), ROME)
    assert whole.shape == (3, 4)
    assert whole.dtype == np.float64
    assert above.shape == (2, 2)
    for i in range(3):
        for j in range(4):
            one = float(link.rate_bps(ranges[i, 0], losses[j]))
            assert whole[i, j] == pytest.approx(one, rel=1e-12)


@given(st.floats(0.001, 4.0), st.floats(1.01, 1.25), st.floats(0.0, 90.0))
def test_rain_allowed_for_more_often_costs_less_rate(
    percent: float, factor: float, elevation: float
) -> None:
    rare = replace(KA_BAND_DOWNLINK, scheme="shannon", exceeded_percent=percent)
    often = replace(rare, exceeded_percent=percent * factor)
    loss, less = rare.attenuation_db(elevation, ROME), often.attenuation_db(elevation, ROME)
    assert loss > less
    assert rare.rate_bps(1e6, loss) < often.rate_bps(1e6, less)


@given(st.floats(0.0, 2e-5), st.floats(1e-6, 2e-5))
def test_worse_pointing_costs_rate(error: float, more: float) -> None:
    fine = replace(LASER_ISL, pointing_error_rad=error, max_rate_bps=math.inf)
    coarse = replace(fine, pointing_error_rad=error + more)
    assert fine.rate_bps(3e6) > coarse.rate_bps(3e6)


def test_twice_the_range_leaves_a_quarter_and_ten_times_the_photons_a_tenth() -> None:
    link = replace(LASER_ISL, max_rate_bps=math.inf)
    near, far = link.rate_bps([3e6, 6e6])
    assert near == pytest.approx(4 * far, rel=1e-12)
    slow = replace(link, photons_per_bit=1000.0).rate_bps(3e6)
    assert near == pytest.approx(10 * float(slow), rel=1e-12)


def test_links_are_frozen_and_hashable() -> None:
    with pytest.raises(FrozenInstanceError):
        X_BAND_DOWNLINK.margin_db = 0.0  # type: ignore[misc]
    assert {X_BAND_DOWNLINK, RadioLink(), LASER_ISL, LaserLink()} == {RadioLink(), LaserLink()}


@pytest.mark.parametrize(
    ("cls", "field", "value", "expected"),
    [
        (Site, "latitude_deg", 91.0, "a number from -90 to 90"),
        (Site, "altitude_m", 9001.0, "a number from -500 to 9000"),
        (Site, "rain_rate_mm_h", -1.0, "a number from 0 to 500"),
        (Site, "rain_height_m", "high", "a number from 0 to 20000"),
        (FixedLink, "constant_bps", -1.0, NOT_NEGATIVE),
        (RadioLink, "frequency_hz", 1e7, "a number from 1e+08 to 3.5e+11"),
        (RadioLink, "bandwidth_hz", 0.0, POSITIVE),
        (RadioLink, "eirp_dbw", math.inf, "a number from -200 to 200"),
        (RadioLink, "g_over_t_db", math.nan, "a number from -200 to 200"),
        (RadioLink, "noise_temperature_k", 0.0, POSITIVE),
        (RadioLink, "system_losses_db", -1.0, "a number from 0 to 200"),
        (RadioLink, "exceeded_percent", 0.0, "a number from 0.001 to 5"),
        (RadioLink, "scheme", "shanon", "'shannon' or a ModcodTable"),
        (RadioLink, "roll_off", 1.5, "a number from 0 to 1"),
        (RadioLink, "implementation_loss_db", -1.0, "a number from 0 to 200"),
        (RadioLink, "margin_db", "3", "a number from -200 to 200"),
        (RadioLink, "max_rate_bps", -1.0, "a number >= 0"),
        (RadioLink, "polarisation_tilt_deg", 400.0, "a number from -360 to 360"),
        (RadioLink, "medium_k", -1.0, NOT_NEGATIVE),
        (LaserLink, "transmit_power_w", 0.0, POSITIVE),
        (LaserLink, "transmit_aperture_m", 0.0, "a number from 0.0001 to 100"),
        (LaserLink, "receive_aperture_m", 0.0, "a number from 0.0001 to 100"),
        (LaserLink, "wavelength_m", 1550.0, "a number from 1e-07 to 0.0001"),
        (LaserLink, "pointing_error_rad", -1e-6, "a number from 0 to 1"),
        (LaserLink, "losses_db", -1.0, "a number from 0 to 200"),
        (LaserLink, "photons_per_bit", 0.0, POSITIVE),
        (LaserLink, "max_rate_bps", math.nan, "a number >= 0"),
    ],
)
def test_bad_fields_are_named(cls: type[Any], field: str, value: object, expected: str) -> None:
    needed = {"latitude_deg": 0.0} if cls is Site else {}
    with pytest.raises(InputError) as caught:
        cls(**{**needed, field: value})
    assert str(caught.value) == f"{cls.__name__}.{field} = {value!r}: expected {expected}"


def test_rain_lowers_the_highest_frequency() -> None:
    RadioLink(frequency_hz=60e9)
    with pytest.raises(InputError, match=r"frequency_hz = 6.*: expected .* to 5\.5e\+10"):
        RadioLink(frequency_hz=60e9, exceeded_percent=1.0)


@pytest.mark.parametrize(
    ("function", "given", "what", "expected"),
    [
        (
            X_BAND_DOWNLINK.attenuation_db,
            (91.0, ROME),
            "elevation_deg = 91.0",
            "a finite number >= 0 and <= 90",
        ),
        (
            LASER_ISL.attenuation_db,
            (-1.0, ROME),
            "elevation_deg = -1.0",
            "a finite number >= 0 and <= 90",
        ),
        (X_BAND_DOWNLINK.rate_bps, (1e6, -0.5), "attenuation_db = -0.5", "a number >= 0"),
        (LASER_ISL.rate_bps, (1e6, math.nan), "attenuation_db = nan", "a number >= 0"),
        (FixedLink(1.0).rate_bps, (-1.0,), "range_m = -1.0", POSITIVE),
    ],
)
def test_bad_arguments_are_named(
    function: Any, given: tuple[Any, ...], what: str, expected: str
) -> None:
    with pytest.raises(InputError) as caught:
        function(*given)
    assert str(caught.value) == f"{what}: expected {expected}"
