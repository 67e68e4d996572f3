"""From distance to data rate: free space, noise, modulation and laser beams, as pure functions.

Every function takes numbers or arrays that broadcast, works in float64 and never changes its
input. Names carry units: metres, hertz, kelvin, watts, bit/s, decibels. Each docstring names its
source. What the atmosphere takes away stands in `atmosphere` and `gases`; the links that put the
pieces together stand in `link_budgets`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from . import checks

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from .modcods import ModcodTable

    Floats = NDArray[np.float64]

#: Exact by definition of the SI (2019).
SPEED_OF_LIGHT_M_S = 299_792_458.0
BOLTZMANN_J_K = 1.380_649e-23
PLANCK_J_S = 6.626_070_15e-34

#: Ratio of aperture radius to beam radius (1/e^2 of the intensity) that gives a Gaussian beam cut
#: by a round aperture the most gain on its axis; Klein and Degnan, Applied Optics 13 (1974) 2134.
TRUNCATION = 1.12
#: Far-field radius of that beam at 1/e^2 of the intensity on the axis, in wavelengths per aperture
#: diameter: the zero of the Hankel transform of the cut Gaussian less 1/e^2, found numerically.
BEAM_WIDTH = 0.9416


def numbers(
    where: str,
    value: ArrayLike,
    *,
    low: float = -math.inf,
    high: float = math.inf,
    strict: bool = False,
    finite: bool = True,
) -> Floats:
    """Return `value` as a float64 array, every element from `low` to `high`, none NaN.

    Parameters
    ----------
    where : str
        The field, for the message.
    value : array_like
        Numbers of any shape.
    low, high : float
        Bounds, both included; infinite: no bound.
    strict : bool
        Whether `low` itself is refused.
    finite : bool
        Whether infinity is refused.

    Raises
    ------
    InputError
        Naming the field, the first bad element and what was expected. O(elements).
    """
    try:
        given = np.asarray(value)
    except ValueError:  # rows of different lengths
        checks.fail(where, value, "numbers")
    if given.dtype.kind not in "iuf":
        checks.fail(where, value, "numbers")
    found = given.astype(np.float64, copy=False)
    if found.size == 0:
        return found
    least, most = found.min(), found.max()  # NaN if one element is
    above = least > low if strict else least >= low
    if not (above and most <= high) or (finite and (math.isinf(least) or math.isinf(most))):
        inside = (found > low if strict else found >= low) & (found <= high)
        if finite:
            inside &= np.isfinite(found)
        kind = "finite number" if finite else "number"
        bounds = f" {'>' if strict else '>='} {low:g}" if math.isfinite(low) else ""
        if math.isfinite(high):
            bounds += f" and <= {high:g}"
        checks.fail(where, float(found[~inside].flat[0]), f"a {kind}{bounds}")
    return found


def decibels(ratio: ArrayLike) -> Floats:
    """Ten times the logarithm of a power ratio; 0 gives minus infinity."""
    with np.errstate(divide="ignore"):
        return np.asarray(10 * np.log10(ratio), dtype=np.float64)


def power_ratio(value_db: ArrayLike) -> Floats:
    """Power ratio of a number of decibels."""
    # exp is several times faster than a power of ten.
    return np.asarray(np.exp(np.asarray(value_db) * (math.log(10) / 10)), dtype=np.float64)


def free_space_path_loss_db(range_m: ArrayLike, frequency_hz: ArrayLike) -> Floats:
    """Loss between isotropic antennas, 20 log10(4 pi d f / c).

    Source: ITU-R P.525, free-space basic transmission loss. Both arguments > 0.
    """
    distance = numbers("range_m", range_m, low=0.0, strict=True)
    frequency = numbers("frequency_hz", frequency_hz, low=0.0, strict=True)
    return 2 * decibels(distance * (4 * math.pi / SPEED_OF_LIGHT_M_S * frequency))


def one_way_light_time_s(range_m: ArrayLike) -> Floats:
    """Time that light takes over a distance in vacuum, d / c."""
    return numbers("range_m", range_m, low=0.0) / SPEED_OF_LIGHT_M_S


def system_noise_temperature_k(
    antenna_k: ArrayLike,
    line_loss_db: ArrayLike,
    receiver_k: ArrayLike,
    line_physical_k: ArrayLike = 290.0,
) -> Floats:
    """Noise temperature at the receiver's input behind a lossy line.

    T = Ta / L + Tp (1 - 1/L) + Tr. Source: Friis' formula for a passive line; Maral and Bousquet,
    Satellite Communications Systems, section 5.5. Use the gain at the same point for a G/T.

    Parameters
    ----------
    antenna_k : array_like
        Noise temperature Ta of the antenna.
    line_loss_db : array_like
        Loss L between antenna and receiver.
    receiver_k : array_like
        Effective input noise temperature Tr of the receiver.
    line_physical_k : array_like
        Temperature Tp of the line itself.
    """
    through = power_ratio(-numbers("line_loss_db", line_loss_db, low=0.0))
    antenna = numbers("antenna_k", antenna_k, low=0.0)
    line = numbers("line_physical_k", line_physical_k, low=0.0)
    receiver = numbers("receiver_k", receiver_k, low=0.0)
    return antenna * through + line * (1 - through) + receiver


def rain_noise_temperature_k(attenuation_db: ArrayLike, medium_k: ArrayLike = 275.0) -> Floats:
    """Noise that an attenuating medium adds to the antenna, Tm (1 - 10^(-A/10)).

    Source: ITU-R P.618-13, section 3, without its second term: the cosmic 2.7 K behind the medium
    is part of the clear sky. `medium_k` is the mean radiating temperature, 275 K where there are
    no local data.
    """
    loss = numbers("attenuation_db", attenuation_db, low=0.0, finite=False)
    return numbers("medium_k", medium_k, low=0.0) * (1 - power_ratio(-loss))


def g_over_t_db(gain_dbi: ArrayLike, noise_temperature_k: ArrayLike) -> Floats:
    """Figure of merit of a receiver in dB/K, G - 10 log10(T)."""
    noise = numbers("noise_temperature_k", noise_temperature_k, low=0.0, strict=True)
    return numbers("gain_dbi", gain_dbi) - decibels(noise)


def carrier_to_noise_db(
    eirp_dbw: ArrayLike,
    path_loss_db: ArrayLike,
    g_over_t_db: ArrayLike,
    bandwidth_hz: ArrayLike,
    losses_db: ArrayLike = 0.0,
) -> Floats:
    """Carrier to noise ratio, EIRP - path loss - other losses + G/T - 10 log10(k B).

    Source: Maral and Bousquet, Satellite Communications Systems, section 5.6. With the symbol rate
    as bandwidth it is Es/N0; with 1 Hz it is C/N0.
    """
    bandwidth = numbers("bandwidth_hz", bandwidth_hz, low=0.0, strict=True)
    ends = numbers("eirp_dbw", eirp_dbw) + numbers("g_over_t_db", g_over_t_db)
    losses = numbers("losses_db", losses_db, finite=False)
    path = numbers("path_loss_db", path_loss_db, finite=False)
    return (ends - losses - decibels(BOLTZMANN_J_K * bandwidth)) - path


def shannon_rate_bps(bandwidth_hz: ArrayLike, snr_db: ArrayLike) -> Floats:
    """Capacity of a channel with white Gaussian noise, B log2(1 + S/N).

    Source: Shannon, Proc. IRE 37 (1949) 10. No code reaches it; put what yours lacks into the
    signal to noise ratio.
    """
    bandwidth = numbers("bandwidth_hz", bandwidth_hz, low=0.0, strict=True)
    signal = power_ratio(numbers("snr_db", snr_db, finite=False))
    return (bandwidth / math.log(2)) * np.log1p(signal)


def modcod_rate_bps(symbol_rate_hz: ArrayLike, esn0_db: ArrayLike, table: ModcodTable) -> Floats:
    """Rate of the best mode whose required Es/N0 is reached; 0 below the lowest.

    Adaptive coding and modulation: the symbol rate stays, the mode follows the signal.

    Parameters
    ----------
    symbol_rate_hz : array_like
        Symbols per second.
    esn0_db : array_like
        Energy per symbol over noise density, after all margins.
    table : ModcodTable
        The modes. O(n log m) for n numbers and m modes.
    """
    symbols = numbers("symbol_rate_hz", symbol_rate_hz, low=0.0, strict=True)
    reached = np.searchsorted(
        table.steps_db, numbers("esn0_db", esn0_db, finite=False), side="right"
    )
    return symbols * np.take(table.step_bit_per_symbol, reached)


def gaussian_beam_gain(aperture_m: ArrayLike, wavelength_m: ArrayLike) -> Floats:
    """Gain on the axis of a Gaussian beam sent through a round aperture, as a ratio.

    (pi D / lambda)^2 (2 / a^2) (1 - exp(-a^2))^2, with the aperture's radius a = 1.12 times the
    beam's radius in it (1/e^2 of the intensity): 81 % of an evenly lit aperture. The light that
    the aperture cuts off is counted as lost. Source: Klein and Degnan, Applied Optics 13 (1974)
    2134, without central obscuration.
    """
    aperture = numbers("aperture_m", aperture_m, low=0.0, strict=True)
    wavelength = numbers("wavelength_m", wavelength_m, low=0.0, strict=True)
    square = TRUNCATION**2
    share = 2 / square * (1 - math.exp(-square)) ** 2
    return share * (math.pi * aperture / wavelength) ** 2


def beam_divergence_rad(aperture_m: ArrayLike, wavelength_m: ArrayLike) -> Floats:
    """Half-angle at which the far field of that beam falls to 1/e^2 of the intensity on its axis.

    0.9416 lambda / D for the beam of `gaussian_beam_gain`; tests/test_links.py integrates the
    diffraction pattern and finds the same.
    """
    aperture = numbers("aperture_m", aperture_m, low=0.0, strict=True)
    return BEAM_WIDTH * numbers("wavelength_m", wavelength_m, low=0.0, strict=True) / aperture


def pointing_loss_db(pointing_error_rad: ArrayLike, divergence_rad: ArrayLike) -> Floats:
    """Loss of a Gaussian beam off its axis, 20 (e / w)^2 log10(e): 8.69 dB at the beam's radius.

    Parameters
    ----------
    pointing_error_rad : array_like
        Angle e between the beam's axis and the receiver.
    divergence_rad : array_like
        Half-angle w where the intensity is 1/e^2 of that on the axis. Source: the Gaussian beam
        exp(-2 e^2 / w^2); Saleh and Teich, Fundamentals of Photonics, section 3.1.
    """
    error = numbers("pointing_error_rad", pointing_error_rad, low=0.0)
    width = numbers("divergence_rad", divergence_rad, low=0.0, strict=True)
    return 20 * math.log10(math.e) * (error / width) ** 2


def laser_received_power_w(
    transmit_power_w: ArrayLike,
    range_m: ArrayLike,
    transmit_aperture_m: ArrayLike,
    receive_aperture_m: ArrayLike,
    wavelength_m: ArrayLike,
    pointing_error_rad: ArrayLike = 0.0,
    losses_db: ArrayLike = 0.0,
) -> Floats:
    """Light that reaches the detector: P G A / (4 pi d^2), less pointing and other losses.

    G is `gaussian_beam_gain`, A the area of the receiving aperture. Never more than what is sent
    less its losses: so near the transmitter, where the far field does not hold. Source: the link
    equation; Lambert and Casey, Laser Communications in Space, chapter 3.
    """
    sent = numbers("transmit_power_w", transmit_power_w, low=0.0)
    distance = numbers("range_m", range_m, low=0.0, strict=True)
    gain = gaussian_beam_gain(
        numbers("transmit_aperture_m", transmit_aperture_m, low=0.0, strict=True), wavelength_m
    )
    receive = numbers("receive_aperture_m", receive_aperture_m, low=0.0, strict=True)
    width = beam_divergence_rad(transmit_aperture_m, wavelength_m)
    losses = numbers("losses_db", losses_db, low=0.0, finite=False)
    kept = sent * power_ratio(-losses - pointing_loss_db(pointing_error_rad, width))
    # G A / (4 pi d^2) with A = pi (D/2)^2 is G (D / 4d)^2; dividing first never overflows.
    with np.errstate(over="ignore"):
        caught = gain * (receive / 4 / distance) ** 2
    return kept * np.minimum(caught, 1.0)


def laser_rate_bps(
    received_power_w: ArrayLike, wavelength_m: ArrayLike, photons_per_bit: ArrayLike
) -> Floats:
    """Rate of a receiver that needs so many photons for a bit, P lambda / (h c n).

    Source: photon energy h c / lambda; Hemmati, Near-Earth Laser Communications, chapter 1.
    """
    power = numbers("received_power_w", received_power_w, low=0.0)
    wavelength = numbers("wavelength_m", wavelength_m, low=0.0, strict=True)
    photons = numbers("photons_per_bit", photons_per_bit, low=0.0, strict=True)
    return power * (wavelength / (PLANCK_J_S * SPEED_OF_LIGHT_M_S * photons))
