"""What weather takes from a radio signal between Earth and space: rain and turbulence.

ITU-R P.838-3 (rain), P.839-2 (rain height) and P.618-13 and -14 (the slant path), as pure
functions over arrays that broadcast. Inside, the Recommendations' own units: GHz and km. Gas has
a file of its own, `gases`. docs/links.md tells how close they come to ITU's rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .links import numbers

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]

#: P.838-3, tables 1 to 4: the terms (a, b, c) of the sum, then (slope m, constant c).
_K_HORIZONTAL = (
    (-5.33980, -0.10008, 1.13098),
    (-0.35351, 1.26970, 0.45400),
    (-0.23789, 0.86036, 0.15354),
    (-0.94158, 0.64552, 0.16817),
    (-0.18961, 0.71147),
)
_K_VERTICAL = (
    (-3.80595, 0.56934, 0.81061),
    (-3.44965, -0.22911, 0.51059),
    (-0.39902, 0.73042, 0.11899),
    (0.50167, 1.07319, 0.27195),
    (-0.16398, 0.63297),
)
_ALPHA_HORIZONTAL = (
    (-0.14318, 1.82442, -0.55187),
    (0.29591, 0.77564, 0.19822),
    (0.32177, 0.63773, 0.13164),
    (-5.37610, -0.96230, 1.47828),
    (16.1721, -3.29980, 3.43990),
    (0.67849, -1.95537),
)
_ALPHA_VERTICAL = (
    (-0.07771, 2.33840, -0.76284),
    (0.56727, 0.95545, 0.54039),
    (-0.20238, 1.14520, 0.26809),
    (-48.2991, 0.791669, 0.116226),
    (48.5833, 0.791459, 0.116479),
    (-0.053739, 0.83433),
)
#: Effective radius of the Earth of P.618 in km: refraction bends the ray.
EARTH_KM = 8500.0
#: Keeps a division or a logarithm defined where its factor is 0 anyway.
_TINY = 1e-12


def _elevation(elevation_deg: ArrayLike) -> tuple[Floats, Floats, Floats]:
    """Checked elevation in degrees, its sine and its cosine."""
    angle = numbers("elevation_deg", elevation_deg, low=0.0, high=90.0)
    return angle, np.sin(np.deg2rad(angle)), np.cos(np.deg2rad(angle))


def _fit(log_ghz: Floats, table: tuple[tuple[float, ...], ...]) -> Floats:
    """The sum of Gaussians plus a line of P.838-3, equations (2) and (3)."""
    slope, constant = table[-1]
    total = slope * log_ghz + constant
    for a, b, c in table[:-1]:
        total = total + a * np.exp(-(((log_ghz - b) / c) ** 2))
    return total


def rain_coefficients(
    frequency_hz: ArrayLike, elevation_deg: ArrayLike, polarisation_tilt_deg: ArrayLike = 45.0
) -> tuple[Floats, Floats]:
    """Coefficients k and alpha of the specific attenuation of rain.

    Source: ITU-R P.838-3, equations (2) to (5).

    Parameters
    ----------
    frequency_hz : array_like
        1 to 1000 GHz.
    elevation_deg : array_like
        Of the path, 0 to 90.
    polarisation_tilt_deg : array_like
        From the horizontal: 0 horizontal, 90 vertical, 45 circular.

    Returns
    -------
    k, alpha : ndarray
        In the unit dB/km of the attenuation and mm/h of the rain rate.
    """
    frequency = numbers("frequency_hz", frequency_hz, low=1e9, high=1e12)
    _, _, cosine = _elevation(elevation_deg)
    tilt = numbers("polarisation_tilt_deg", polarisation_tilt_deg, low=-360.0, high=360.0)
    log_ghz = np.log10(frequency / 1e9)
    k_h, k_v = 10 ** _fit(log_ghz, _K_HORIZONTAL), 10 ** _fit(log_ghz, _K_VERTICAL)
    alpha_h, alpha_v = _fit(log_ghz, _ALPHA_HORIZONTAL), _fit(log_ghz, _ALPHA_VERTICAL)
    turn = cosine**2 * np.cos(np.deg2rad(2 * tilt))
    k = (k_h + k_v + (k_h - k_v) * turn) / 2
    weighted = k_h * alpha_h + k_v * alpha_v + (k_h * alpha_h - k_v * alpha_v) * turn
    return k, weighted / (2 * k)


def rain_specific_attenuation_db_per_km(
    rain_rate_mm_h: ArrayLike,
    frequency_hz: ArrayLike,
    elevation_deg: ArrayLike,
    polarisation_tilt_deg: ArrayLike = 45.0,
) -> Floats:
    """Attenuation per kilometre of rain, k R^alpha. Source: ITU-R P.838-3, equation (1)."""
    rate = numbers("rain_rate_mm_h", rain_rate_mm_h, low=0.0)
    k, alpha = rain_coefficients(frequency_hz, elevation_deg, polarisation_tilt_deg)
    return k * rate**alpha


def rain_height_m(latitude_deg: ArrayLike) -> Floats:
    """Mean height of the 0 degree isotherm by latitude alone, taken as the height of rain.

    5 km from 21 S to 23 N, falling by 75 m per degree to the north and by 100 m per degree to the
    south, to 0 at 71 S. Source: ITU-R P.839-2 (1999), for places without local data. The newer
    P.839-4 reads a world map instead; where you have its value, give that.
    """
    latitude = numbers("latitude_deg", latitude_deg, low=-90.0, high=90.0)
    zero_north = 23 + 5 / 0.075
    height = np.interp(latitude, (-71.0, -21.0, 23.0, zero_north), (0.0, 5000.0, 5000.0, 0.0))
    return np.asarray(height, dtype=np.float64)


_height_by_latitude_m = rain_height_m


def rain_attenuation_db(
    latitude_deg: ArrayLike,
    altitude_m: ArrayLike,
    elevation_deg: ArrayLike,
    frequency_hz: ArrayLike,
    rain_rate_001_mm_h: ArrayLike,
    exceeded_percent: ArrayLike,
    polarisation_tilt_deg: ArrayLike = 45.0,
    rain_height_m: ArrayLike | None = None,
) -> Floats:
    """Attenuation by rain that is exceeded for a share of an average year.

    Source: ITU-R P.618-13 and -14, section 2.2.1.1, steps 1 to 10.

    Parameters
    ----------
    latitude_deg, altitude_m : array_like
        Of the ground station.
    elevation_deg : array_like
        Of the satellite, 0 to 90; below 5 the path through the rain follows the Earth's curve.
    frequency_hz : array_like
        1 to 55 GHz.
    rain_rate_001_mm_h : array_like
        Rain rate exceeded for 0.01 % of an average year, as ITU-R P.837 maps it. No rain: 0 dB.
    exceeded_percent : array_like
        Share of the year, 0.001 to 5.
    polarisation_tilt_deg : array_like
        From the horizontal; 45 for circular polarisation.
    rain_height_m : array_like, optional
        Above sea level; None: by latitude.
    """
    latitude = np.abs(numbers("latitude_deg", latitude_deg, low=-90.0, high=90.0))
    angle, sine, cosine = _elevation(elevation_deg)
    ghz = numbers("frequency_hz", frequency_hz, low=1e9, high=55e9) / 1e9
    rate = numbers("rain_rate_001_mm_h", rain_rate_001_mm_h, low=0.0)
    percent = numbers("exceeded_percent", exceeded_percent, low=0.001, high=5.0)
    top = _height_by_latitude_m(latitude_deg) if rain_height_m is None else rain_height_m
    # Step 1: rain above the station, in km. None: step 2 gives no path and 0 dB.
    ground = numbers("altitude_m", altitude_m)
    depth = np.maximum(numbers("rain_height_m", top) - ground, 0.0) / 1e3
    # Steps 2 and 3: the path through the rain and its horizontal part.
    above = np.maximum(sine, np.sin(np.deg2rad(5.0)))
    low = 2 * depth / (np.sqrt(sine**2 + 2 * depth / EARTH_KM) + sine + _TINY)
    ground_path = np.where(angle >= 5.0, depth / above, low) * cosine
    # Steps 4 and 5.
    specific = rain_specific_attenuation_db_per_km(rate, frequency_hz, angle, polarisation_tilt_deg)
    # Step 6: not all of the path lies in the rain.
    horizontal = 1 / (
        1 + 0.78 * np.sqrt(ground_path * specific / ghz) - 0.38 * (1 - np.exp(-2 * ground_path))
    )
    # Step 7: the vertical adjustment.
    reduced = ground_path * horizontal
    steeper = np.rad2deg(np.arctan2(depth, reduced)) > angle
    path = np.where(steeper, reduced / np.maximum(cosine, _TINY), depth / np.maximum(sine, _TINY))
    chi = np.maximum(36 - latitude, 0.0)
    bend = 31 * (1 - np.exp(-angle / (1 + chi))) * np.sqrt(path * specific) / ghz**2 - 0.45
    vertical = 1 / (1 + np.sqrt(sine) * bend)
    # Steps 8 and 9.
    at_001 = specific * path * vertical
    # Step 10: from 0.01 % to the percentage asked for.
    tropics = -0.005 * (latitude - 36)
    beta = np.where(angle >= 25.0, tropics, tropics + 1.8 - 4.25 * sine)
    beta = np.where((percent >= 1.0) | (latitude >= 36.0), 0.0, beta)
    log_001 = np.log(np.maximum(at_001, _TINY))
    fall = 0.655 + 0.033 * np.log(percent) - 0.045 * log_001 - beta * (1 - percent) * sine
    return np.where(at_001 > _TINY, at_001 * (percent / 0.01) ** -fall, 0.0)


def scintillation_db(
    elevation_deg: ArrayLike,
    frequency_hz: ArrayLike,
    exceeded_percent: ArrayLike,
    wet_term: ArrayLike,
    antenna_diameter_m: ArrayLike,
    antenna_efficiency: ArrayLike = 0.5,
) -> Floats:
    """Fade by turbulence of clear air that is exceeded for a share of the year.

    Source: ITU-R P.618-13, section 2.4.1, with a turbulent layer of 1000 m.

    Parameters
    ----------
    elevation_deg : array_like
        5 to 90.
    frequency_hz : array_like
        4 to 55 GHz.
    exceeded_percent : array_like
        0.001 to 50; the Recommendation vouches for 0.01 and more.
    wet_term : array_like
        Wet term of the surface refractivity, in N-units (ITU-R P.453 maps it).
    antenna_diameter_m, antenna_efficiency : array_like
        Of the ground station.
    """
    angle = numbers("elevation_deg", elevation_deg, low=5.0, high=90.0)
    ghz = numbers("frequency_hz", frequency_hz, low=4e9, high=55e9) / 1e9
    percent = numbers("exceeded_percent", exceeded_percent, low=0.001, high=50.0)
    wet = numbers("wet_term", wet_term, low=0.0)
    diameter = numbers("antenna_diameter_m", antenna_diameter_m, low=0.0, strict=True)
    efficiency = numbers("antenna_efficiency", antenna_efficiency, low=0.0, high=1.0, strict=True)
    sine = np.sin(np.deg2rad(angle))
    path_m = 2 * 1000.0 / (np.sqrt(sine**2 + 2.35e-4) + sine)
    x = 1.22 * efficiency * diameter**2 * ghz / path_m
    # A wide antenna averages the turbulence away; beyond x = 7 nothing is left.
    square = 3.86 * (x**2 + 1) ** (11 / 12) * np.sin(11 / 6 * np.arctan2(1, x))
    square = square - 7.08 * x ** (5 / 6)
    averaging = np.where(x < 7.0, np.sqrt(np.maximum(square, 0.0)), 0.0)
    sigma = (3.6e-3 + 1e-4 * wet) * ghz ** (7 / 12) * averaging / sine**1.2
    log_p = np.log10(percent)
    return (-0.061 * log_p**3 + 0.072 * log_p**2 - 1.71 * log_p + 3.0) * sigma


def total_attenuation_db(
    gas_db: ArrayLike,
    rain_db: ArrayLike,
    cloud_db: ArrayLike,
    scintillation_db: ArrayLike,
    exceeded_percent: ArrayLike,
) -> Floats:
    """Combine the attenuations of one percentage: gas + sqrt((rain + cloud)^2 + scintillation^2).

    Source: ITU-R P.618-13, section 2.5. Rain counts up to 5 % of the time. Below 1 % give gas and
    cloud as they are at 1 % (P.618-14: below 5 %, as at 5 %): the rest is in the rain already.
    """
    gas = numbers("gas_db", gas_db, low=0.0)
    rain = numbers("rain_db", rain_db, low=0.0)
    cloud = numbers("cloud_db", cloud_db, low=0.0)
    fade = numbers("scintillation_db", scintillation_db, low=0.0)
    percent = numbers("exceeded_percent", exceeded_percent, low=0.001, high=50.0)
    return gas + np.hypot(np.where(percent <= 5.0, rain, 0.0) + cloud, fade)
