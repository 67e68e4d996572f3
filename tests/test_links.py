"""Free space, noise, DVB-S2 and laser beams against published numbers and laws of physics."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.optimize import root_scalar
from scipy.special import j0

from orbweave.formulations import links
from orbweave.formulations.checks import InputError
from orbweave.formulations.modcods import DVB_S2, ModcodTable

POSITIVE, NOT_NEGATIVE = "a finite number > 0", "a finite number >= 0"

# Free space and noise


@pytest.mark.parametrize(
    ("metres", "hertz", "expected_db"),
    [
        (1e3, 1e9, 92.4478),  # the 92.45 of textbooks: 20 log10(4e12 pi / c)
        (35_786e3, 12e9, 205.1057),  # geostationary, Ku band: 92.4478 + 91.0743 + 21.5836
        (40_000e3, 4e9, 196.5302),
    ],
)
def test_free_space_loss_has_textbook_values(
    metres: float, hertz: float, expected_db: float
) -> None:
    assert links.free_space_path_loss_db(metres, hertz) == pytest.approx(expected_db, abs=1e-4)


def test_twice_the_range_or_the_frequency_costs_six_decibels() -> None:
    once, far, high = links.free_space_path_loss_db(np.array([1e6, 2e6, 1e6]), [8e9, 8e9, 16e9])
    assert far - once == pytest.approx(20 * math.log10(2))
    assert high - once == pytest.approx(20 * math.log10(2))


def test_light_takes_a_second_for_what_defines_the_metre() -> None:
    np.testing.assert_array_equal(links.one_way_light_time_s([0.0, 299_792_458.0]), [0.0, 1.0])


def test_noise_of_a_chain_by_hand() -> None:
    # Half of 100 K passes, the line adds half of 290 K, the receiver 50 K.
    half_db = 10 * math.log10(2)
    assert links.system_noise_temperature_k(100, half_db, 50) == pytest.approx(50 + 145 + 50)
    assert links.system_noise_temperature_k(60, 0.0, 75) == pytest.approx(135)


def test_rain_noise_goes_from_nothing_to_the_rain_itself() -> None:
    found = links.rain_noise_temperature_k([0.0, 10 * math.log10(2), math.inf])
    np.testing.assert_allclose(found, [0.0, 137.5, 275.0], rtol=1e-12)
    assert links.rain_noise_temperature_k(3.0, medium_k=0.0) == 0


def test_carrier_to_noise_by_hand() -> None:
    # 18 dBW, 3000 km at 8.2 GHz: 92.4478 + 69.5424 + 18.2763 = 180.2665 dB; k = -228.5992 dB.
    loss = links.free_space_path_loss_db(3e6, 8.2e9)
    assert loss == pytest.approx(180.2665, abs=1e-4)
    found = links.carrier_to_noise_db(18, loss, 26, 1e6, 2)
    assert found == pytest.approx(18 - 180.2665 + 26 - 2 + 228.5992 - 60, abs=2e-4)
    assert links.g_over_t_db(47.0, 100.0) == pytest.approx(27.0)


def test_shannon_has_its_known_points() -> None:
    snr_db = 10 * np.log10([1.0, 3.0, 1023.0])
    np.testing.assert_allclose(links.shannon_rate_bps(1e6, snr_db), [1e6, 2e6, 1e7], rtol=1e-12)
    # With little signal the rate is S/N0 / ln 2 in any bandwidth: Eb/N0 = -1.59 dB.
    faint = links.shannon_rate_bps(1e6, -60.0)
    assert 10 * math.log10(1e6 * 1e-6 / float(faint)) == pytest.approx(-1.5917, abs=1e-4)


# DVB-S2


def test_dvb_s2_efficiencies_follow_from_its_frames() -> None:
    """A frame of 64 800 coded bits carries K - 80 and takes a header of 90 symbols.

    K of the outer code: ETSI EN 302 307-1, table 5a; slots of 90 symbols and the header: 5.5.
    """
    payload = {
        "1/4": 16_008, "1/3": 21_408, "2/5": 25_728, "1/2": 32_208, "3/5": 38_688, "2/3": 43_040,
        "3/4": 48_408, "4/5": 51_648, "5/6": 53_840, "8/9": 57_472, "9/10": 58_192,
    }  # fmt: skip
    bits = {"QPSK": 2, "8PSK": 3, "16APSK": 4, "32APSK": 5}
    assert len(DVB_S2.names) == 28
    for name, efficiency in zip(DVB_S2.names, DVB_S2.bit_per_symbol, strict=True):
        modulation, code = name.split()
        symbols = 64_800 // bits[modulation] + 90
        assert efficiency == pytest.approx((payload[code] - 80) / symbols, abs=5.1e-7), name


@pytest.mark.parametrize(
    ("name", "esn0_db"),
    [
        ("QPSK 1/4", -2.35),
        ("QPSK 1/2", 1.00),
        ("QPSK 9/10", 6.42),
        ("8PSK 2/3", 6.62),
        ("16APSK 3/4", 10.21),
        ("32APSK 9/10", 16.05),
    ],
)
def test_dvb_s2_needs_what_table_13_says(name: str, esn0_db: float) -> None:
    assert DVB_S2.required_esn0_db[DVB_S2.names.index(name)] == esn0_db


def test_no_dvb_s2_mode_beats_shannon_and_none_is_far_from_it() -> None:
    bound = links.shannon_rate_bps(1.0, DVB_S2.required_esn0_db)
    # The bound sits 0.5 to 2 dB below the modes: a digit wrong in the table would show.
    share = np.array(DVB_S2.bit_per_symbol) / bound
    assert share.max() < 0.9
    assert share.min() > 0.6


def test_the_best_reached_mode_sets_the_rate() -> None:
    signal = [-math.inf, -2.36, -2.35, 5.49, 5.5, 6.3, 8.97, 16.04, 16.05, 60.0]
    best = [0, 0, 0.490243, 1.654663, 1.779991, 1.779991, 2.637201, 4.397854, 4.453027, 4.453027]
    np.testing.assert_allclose(
        links.modcod_rate_bps(1e6, signal, DVB_S2), np.array(best) * 1e6, rtol=1e-12
    )


@given(st.lists(st.tuples(st.floats(-50, 50), st.floats(0.01, 10)), min_size=1, max_size=12),
       st.floats(-60, 60))  # fmt: skip
def test_any_table_gives_the_best_of_what_is_reached(
    rows: list[tuple[float, float]], signal_db: float
) -> None:
    table = ModcodTable([str(k) for k in range(len(rows))], *zip(*rows, strict=True))
    expected = max((bits for needed, bits in rows if needed <= signal_db), default=0.0)
    assert links.modcod_rate_bps(1.0, signal_db, table) == expected


# Laser


def far_field(x: float, ratio: float = 1.12) -> float:
    """Field of a Gaussian cut at `ratio` beam radii, at the angle x lambda / (pi D)."""
    return float(quad(lambda r: math.exp(-((ratio * r) ** 2)) * j0(x * r) * r, 0, 1)[0])


def test_gain_and_divergence_are_those_of_the_diffraction_integral() -> None:
    """Fraunhofer: field = Hankel transform of the aperture; gain = on-axis over mean intensity."""
    aperture, wavelength = 0.08, 1.55e-6
    sent = math.pi / (2 * 1.12**2) * (aperture / 2) ** 2  # power of the uncut beam
    on_axis = (2 * math.pi * far_field(0.0) * (aperture / 2) ** 2 / wavelength) ** 2
    gain = links.gaussian_beam_gain(aperture, wavelength)
    assert gain == pytest.approx(4 * math.pi * on_axis / sent, rel=1e-9)
    falls = root_scalar(
        lambda x: (far_field(x) / far_field(0.0)) ** 2 - math.exp(-2), bracket=(0.5, 3.5)
    )
    width = links.beam_divergence_rad(aperture, wavelength)
    assert width == pytest.approx(falls.root * wavelength / (math.pi * aperture), rel=1e-4)


def test_no_other_truncation_gains_more() -> None:
    def share(ratio: float) -> float:
        return (2 * far_field(0.0, ratio)) ** 2 * 2 * ratio**2

    best = share(links.TRUNCATION)
    assert best > share(links.TRUNCATION - 0.02)
    assert best > share(links.TRUNCATION + 0.02)


def test_pointing_loss_is_nothing_on_the_axis_and_1_over_e2_at_the_radius() -> None:
    found = links.pointing_loss_db([0.0, 1e-5, 2e-5], 1e-5)
    np.testing.assert_allclose(found, [0.0, 10 * math.log10(math.e**2), 34.7436], rtol=1e-5)


@pytest.mark.parametrize("part", [0.2, 0.4, 0.7])
def test_the_pointing_loss_errs_to_the_safe_side_by_an_eighth_at_most(part: float) -> None:
    width = float(links.beam_divergence_rad(1.0, 1.0)) * math.pi
    exact = -20 * math.log10(far_field(part * width) / far_field(0.0))
    assert exact < links.pointing_loss_db(part, 1.0) < 1.15 * exact


def test_laser_power_and_rate_by_hand() -> None:
    # 1 W, 8 cm to 8 cm, 5000 km: G = 0.81453 (pi D / lambda)^2 = 2.1415e10,
    # (D / 4d)^2 = 1.6e-17, so 3.4264e-7 W; a photon of 1550 nm has 1.28158e-19 J.
    power = links.laser_received_power_w(1.0, 5e6, 0.08, 0.08, 1550e-9)
    assert power == pytest.approx(3.4264e-7, rel=1e-4)
    assert links.laser_rate_bps(1.28158e-19, 1550e-9, 1.0) == pytest.approx(1.0, rel=1e-5)
    assert links.laser_rate_bps(power, 1550e-9, 100) == pytest.approx(2.6736e10, rel=1e-4)


def test_no_more_light_arrives_than_was_sent() -> None:
    near = links.laser_received_power_w(2.0, [1e-3, 1.0, 10.0], 0.08, 0.08, 1550e-9, 0.0, 3.0)
    np.testing.assert_allclose(near, 2.0 * 10**-0.3)


# Bad input


MODES: dict[str, Any] = {
    "names": ["a", "b"], "required_esn0_db": [0.0, 3.0], "bit_per_symbol": [1.0, 2.0]
}  # fmt: skip


@pytest.mark.parametrize(
    ("field", "value", "what", "expected"),
    [
        ("names", "ab", "names = 'ab'", "a sequence, one entry per mode"),
        ("names", [], "names = ()", "at least one mode"),
        ("names", ["a", ""], "names[1] = ''", "a non-empty string"),
        ("names", ["a", "a"], "names = 'a'", "every name once"),
        ("required_esn0_db", [1.0], "required_esn0_db = (1.0,)", "2 numbers, as names"),
        ("bit_per_symbol", [1.0], "bit_per_symbol = (1.0,)", "2 numbers, as names"),
        (
            "required_esn0_db",
            [0.0, 999.0],
            "required_esn0_db[1] = 999.0",
            "a number from -200 to 200",
        ),
        ("bit_per_symbol", [0.0, 1.0], "bit_per_symbol[0] = 0.0", POSITIVE),
    ],
)
def test_bad_tables_are_refused(field: str, value: object, what: str, expected: str) -> None:
    with pytest.raises(InputError) as caught:
        ModcodTable(**{**MODES, field: value})
    assert str(caught.value) == f"ModcodTable.{what}: expected {expected}"


@pytest.mark.parametrize(
    ("function", "given", "what", "expected"),
    [
        (links.free_space_path_loss_db, (0.0, 1e9), "range_m = 0.0", POSITIVE),
        (links.free_space_path_loss_db, ([1.0, math.nan], 1e9), "range_m = nan", POSITIVE),
        (links.free_space_path_loss_db, (1.0, -1e9), "frequency_hz = -1000000000.0", POSITIVE),
        (links.one_way_light_time_s, (math.inf,), "range_m = inf", NOT_NEGATIVE),
        (links.system_noise_temperature_k, (-1.0, 0.0, 0.0), "antenna_k = -1.0", NOT_NEGATIVE),
        (links.system_noise_temperature_k, (1.0, -1.0, 0.0), "line_loss_db = -1.0", NOT_NEGATIVE),
        (links.system_noise_temperature_k, (1.0, 0.0, -1.0), "receiver_k = -1.0", NOT_NEGATIVE),
        (
            links.system_noise_temperature_k,
            (1.0, 0.0, 1.0, -1.0),
            "line_physical_k = -1.0",
            NOT_NEGATIVE,
        ),
        (links.rain_noise_temperature_k, (-1.0,), "attenuation_db = -1.0", "a number >= 0"),
        (links.rain_noise_temperature_k, (1.0, -1.0), "medium_k = -1.0", NOT_NEGATIVE),
        (links.g_over_t_db, (math.nan, 1.0), "gain_dbi = nan", "a finite number"),
        (links.g_over_t_db, (1.0, 0.0), "noise_temperature_k = 0.0", POSITIVE),
        (links.carrier_to_noise_db, (math.inf, 1.0, 1.0, 1.0), "eirp_dbw = inf", "a finite number"),
        (links.carrier_to_noise_db, (1.0, math.nan, 1.0, 1.0), "path_loss_db = nan", "a number"),
        (
            links.carrier_to_noise_db,
            (1.0, 1.0, math.nan, 1.0),
            "g_over_t_db = nan",
            "a finite number",
        ),
        (links.carrier_to_noise_db, (1.0, 1.0, 1.0, 0.0), "bandwidth_hz = 0.0", POSITIVE),
        (links.carrier_to_noise_db, (1.0, 1.0, 1.0, 1.0, math.nan), "losses_db = nan", "a number"),
        (links.shannon_rate_bps, (0.0, 1.0), "bandwidth_hz = 0.0", POSITIVE),
        (links.shannon_rate_bps, (1.0, "1"), "snr_db = '1'", "numbers"),
        (links.modcod_rate_bps, (0.0, 1.0, DVB_S2), "symbol_rate_hz = 0.0", POSITIVE),
        (links.modcod_rate_bps, (1.0, math.nan, DVB_S2), "esn0_db = nan", "a number"),
        (links.gaussian_beam_gain, (0.0, 1e-6), "aperture_m = 0.0", POSITIVE),
        (links.gaussian_beam_gain, (1.0, 0.0), "wavelength_m = 0.0", POSITIVE),
        (links.beam_divergence_rad, (1.0, True), "wavelength_m = True", "numbers"),
        (links.pointing_loss_db, (-1.0, 1.0), "pointing_error_rad = -1.0", NOT_NEGATIVE),
        (links.pointing_loss_db, (1.0, 0.0), "divergence_rad = 0.0", POSITIVE),
        (
            links.laser_received_power_w,
            (-1.0, 1.0, 1.0, 1.0, 1e-6),
            "transmit_power_w = -1.0",
            NOT_NEGATIVE,
        ),
        (links.laser_received_power_w, (1.0, 0.0, 1.0, 1.0, 1e-6), "range_m = 0.0", POSITIVE),
        (
            links.laser_received_power_w,
            (1.0, 1.0, 0.0, 1.0, 1e-6),
            "transmit_aperture_m = 0.0",
            POSITIVE,
        ),
        (
            links.laser_received_power_w,
            (1.0, 1.0, 1.0, 0.0, 1e-6),
            "receive_aperture_m = 0.0",
            POSITIVE,
        ),
        (
            links.laser_received_power_w,
            (1.0, 1.0, 1.0, 1.0, 1e-6, 0.0, -1.0),
            "losses_db = -1.0",
            "a number >= 0",
        ),
        (links.laser_rate_bps, (-1.0, 1e-6, 1.0), "received_power_w = -1.0", NOT_NEGATIVE),
        (links.laser_rate_bps, (1.0, 1e-6, 0.0), "photons_per_bit = 0.0", POSITIVE),
        (
            links.one_way_light_time_s,
            ([[1.0], [1.0, 2.0]],),
            "range_m = [[1.0], [1.0, 2.0]]",
            "numbers",
        ),
    ],
)
def test_bad_numbers_are_named(
    function: Any, given: tuple[Any, ...], what: str, expected: str
) -> None:
    with pytest.raises(InputError) as caught:
        function(*given)
    assert str(caught.value) == f"{what}: expected {expected}"
