"""What clear air takes from a radio signal between Earth and space: oxygen and water vapour.

ITU-R P.676-12 (gas) and P.835-6 (reference atmosphere), as pure functions over arrays that
broadcast. Inside, the Recommendations' own units: GHz, km, hPa, g/m3. docs/links.md tells how
close they come to ITU's rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .atmosphere import EARTH_KM
from .links import numbers
from .spectral_lines import OXYGEN, WATER_VAPOUR

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]

#: P.676-12, table 3: weights c and frequencies in GHz of the second term of the oxygen height.
_HEIGHT_LINES = (
    (0.1597, 118.750334),
    (0.1066, 368.498246),
    (0.1325, 424.763020),
    (0.1242, 487.249273),
    (0.0938, 715.392902),
    (0.1448, 773.839490),
    (0.1374, 834.145546),
)
#: Scale height of water vapour in the reference atmosphere of P.835, in km.
_VAPOUR_KM = 2.0


def reference_atmosphere(altitude_m: ArrayLike) -> tuple[Floats, Floats, Floats]:
    """Mean annual global pressure (hPa), temperature (K) and vapour density (g/m3) at a height.

    1013.25 hPa, 288.15 K and 7.5 g/m3 at sea level; 6.5 K colder per kilometre. Source: ITU-R
    P.835-6, section 1, its lowest layer: up to 11 km.
    """
    height = numbers("altitude_m", altitude_m, low=-1000.0, high=11000.0) / 1e3
    geopotential = 6356.766 * height / (6356.766 + height)
    temperature = 288.15 - 6.5 * geopotential
    pressure = 1013.25 * (288.15 / temperature) ** (-34.1632 / 6.5)
    return pressure, temperature, 7.5 * np.exp(-height / _VAPOUR_KM)


def gas_specific_attenuation_db_per_km(
    frequency_hz: ArrayLike,
    dry_pressure_hpa: ArrayLike,
    temperature_k: ArrayLike,
    vapour_density_g_m3: ArrayLike,
) -> tuple[Floats, Floats]:
    """Attenuation per kilometre by oxygen (with nitrogen) and by water vapour, line by line.

    Source: ITU-R P.676-12, Annex 1, section 1. 1 to 1000 GHz. O(79 n) for n numbers.

    Returns
    -------
    oxygen, vapour : ndarray
        Both in dB/km.
    """
    ghz = numbers("frequency_hz", frequency_hz, low=1e9, high=1e12) / 1e9
    pressure = numbers("dry_pressure_hpa", dry_pressure_hpa, low=0.0, strict=True)
    temperature = numbers("temperature_k", temperature_k, low=100.0, high=400.0)
    vapour = numbers("vapour_density_g_m3", vapour_density_g_m3, low=0.0)
    theta = 300 / temperature
    e = vapour * temperature / 216.7
    # One axis more for the lines, summed away at the end.
    f, p, t, w = (np.asarray(a)[..., None] for a in (ghz, pressure, theta, e))
    line, a1, a2, a3, a4, a5, a6 = np.array(OXYGEN).T
    width = a3 * 1e-4 * (p * t ** (0.8 - a4) + 1.1 * w * t)
    width = np.sqrt(width**2 + 2.25e-6)
    mixing = (a5 + a6 * t) * 1e-4 * (p + w) * t**0.8
    strength = a1 * 1e-7 * p * t**3 * np.exp(a2 * (1 - t))
    oxygen = (strength * _shape(f, line, width, mixing)).sum(axis=-1)
    debye = 5.6e-4 * (pressure + e) * theta**0.8
    continuum = 6.14e-5 / (debye * (1 + (ghz / debye) ** 2))
    continuum = continuum + 1.4e-12 * pressure * theta**1.5 / (1 + 1.9e-5 * ghz**1.5)
    oxygen = oxygen + ghz * pressure * theta**2 * continuum
    line, b1, b2, b3, b4, b5, b6 = np.array(WATER_VAPOUR).T
    width = b3 * 1e-4 * (p * t**b4 + b5 * w * t**b6)
    width = 0.535 * width + np.sqrt(0.217 * width**2 + 2.1316e-12 * line**2 / t)
    strength = b1 * 0.1 * w * t**3.5 * np.exp(b2 * (1 - t))
    wet = (strength * _shape(f, line, width, np.zeros(()))).sum(axis=-1)
    return 0.1820 * ghz * oxygen, 0.1820 * ghz * wet


def _shape(f: Floats, line: Floats, width: Floats, mixing: Floats) -> Floats:
    """Line shape of P.676-12, equation (5)."""
    below, above = line - f, line + f
    return (f / line) * (
        (width - mixing * below) / (below**2 + width**2)
        + (width - mixing * above) / (above**2 + width**2)
    )


def zenith_gas_db(
    frequency_hz: ArrayLike,
    dry_pressure_hpa: ArrayLike,
    temperature_k: ArrayLike,
    vapour_density_g_m3: ArrayLike,
    vapour_content_kg_m2: ArrayLike,
    altitude_m: ArrayLike = 0.0,
) -> Floats:
    """Attenuation by gas straight up from a station.

    Oxygen: its specific attenuation on the ground times an equivalent height. Water vapour: in
    proportion to what stands above the station. Source: ITU-R P.676-12, Annex 2: the equivalent
    height (equations (30) to (34), table 3) and the attenuation from the integrated content.

    Parameters
    ----------
    frequency_hz : array_like
        1 to 350 GHz.
    dry_pressure_hpa, temperature_k, vapour_density_g_m3 : array_like
        On the ground, the pressure without that of the vapour.
    vapour_content_kg_m2 : array_like
        Water vapour above the station, at least 0.1.
    altitude_m : array_like
        Of the station; counts from 20 GHz on, and as 4 km above that.
    """
    ghz = numbers("frequency_hz", frequency_hz, low=1e9, high=350e9) / 1e9
    content = numbers("vapour_content_kg_m2", vapour_content_kg_m2, low=0.1)
    height = np.clip(numbers("altitude_m", altitude_m) / 1e3, 0.0, 4.0)
    oxygen, _ = gas_specific_attenuation_db_per_km(
        frequency_hz, dry_pressure_hpa, temperature_k, vapour_density_g_m3
    )
    kelvin = np.asarray(temperature_k, dtype=np.float64)
    e = np.asarray(vapour_density_g_m3, dtype=np.float64) * kelvin / 216.7
    equivalent = _oxygen_height_km(ghz, (np.asarray(dry_pressure_hpa) + e) / 1013.25, kelvin)
    density = content / 2.38
    warmth = 14 * np.log(0.22 * density) + 3 + 273.15
    _, here = gas_specific_attenuation_db_per_km(frequency_hz, 845.0, warmth, density)
    _, there = gas_specific_attenuation_db_per_km(20.6e9, 845.0, warmth, density)
    a = 0.2048 * np.exp(-(((ghz - 22.43) / 3.097) ** 2)) - 0.1113
    a = a + 0.2326 * np.exp(-(((ghz - 183.5) / 4.096) ** 2))
    a = a + 0.2073 * np.exp(-(((ghz - 325.0) / 3.651) ** 2))
    high = np.maximum(ghz, 20.0)  # below, b is not used and may overflow
    b = 8.741e4 * np.exp(-0.587 * high) + 312.2 * high**-2.38 + 0.723
    lift = np.where(ghz < 20.0, 1.0, a * height**b + 1)
    return oxygen * equivalent + 0.0176 * content * here / there * lift


def _oxygen_height_km(ghz: Floats, r: Floats, temperature_k: Floats) -> Floats:
    """Equivalent height of oxygen, P.676-12, equations (30) to (34); r is pressure / 1013.25."""
    t1 = 5.1040 / (1 + 0.066 * r**-2.3)
    t1 = t1 * np.exp(-(((ghz - 59.7) / (2.87 + 12.4 * np.exp(-7.9 * r))) ** 2))
    t2 = sum(
        c * np.exp(2.12 * r) / ((ghz - line) ** 2 + 0.025 * np.exp(2.2 * r))
        for c, line in _HEIGHT_LINES
    )
    t3 = 0.0114 * ghz / (1 + 0.14 * r**-2.6) * (15.02 * ghz**2 - 1353 * ghz + 5.333e4)
    t3 = t3 / (ghz**3 - 151.3 * ghz**2 + 9629 * ghz - 6803)
    warm = 0.7832 + 0.00709 * (temperature_k - 273.15)
    height = 6.1 * warm / (1 + 0.17 * r**-1.1) * (1 + t1 + t2 + t3)
    return np.where(ghz < 70.0, np.minimum(height, 10.7 * r**0.3), height)


def gas_attenuation_db(zenith_db: ArrayLike, elevation_deg: ArrayLike) -> Floats:
    """Attenuation by gas along a slant path, from that straight up.

    From 5 degrees up, zenith / sin(elevation): ITU-R P.676-12, Annex 2, slant paths. Below, where
    the Recommendation integrates along the ray, the path grows as through a layer of 6 km around
    the Earth (the form of ITU-R P.618-13, equation (2)) from the value at 5 degrees on: finite at
    the horizon, continuous, an approximation.
    """
    zenith = numbers("zenith_db", zenith_db, low=0.0)
    angle = numbers("elevation_deg", elevation_deg, low=0.0, high=90.0)
    sine = np.sin(np.deg2rad(angle))
    edge = np.sin(np.deg2rad(5.0))
    layer = 2 * 6.0 / EARTH_KM

    def reach(s: Floats) -> Floats:
        return 2 / (np.sqrt(s**2 + layer) + s)

    flat = np.minimum(sine, edge)
    return zenith / np.maximum(sine, edge) * reach(flat) / reach(edge)


def clear_sky_attenuation_db(
    altitude_m: ArrayLike, elevation_deg: ArrayLike, frequency_hz: ArrayLike
) -> Floats:
    """Attenuation by the gas of the reference atmosphere above a station.

    `gas_attenuation_db` of `zenith_gas_db` with the values of `reference_atmosphere`; the vapour
    above the station is its density times the scale height of 2 km.
    """
    pressure, temperature, vapour = reference_atmosphere(altitude_m)
    dry = pressure - vapour * temperature / 216.7
    content = np.maximum(vapour * _VAPOUR_KM, 0.1)
    zenith = zenith_gas_db(frequency_hz, dry, temperature, vapour, content, altitude_m)
    return gas_attenuation_db(zenith, elevation_deg)
