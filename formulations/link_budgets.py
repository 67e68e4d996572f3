"""The links of a constellation: how many bits per second over a distance, through an atmosphere.

Each sort of link is a frozen description that answers two questions: what the atmosphere takes at
an elevation above a site (tabulate it once per station), and which rate is left at a range under
that attenuation. Sources of the formulae: `links`, `gases` and `atmosphere`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from . import atmosphere, checks, gases, links
from .modcods import DVB_S2, ModcodTable

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]

#: Below this frequency the atmosphere counts as clear; the Recommendations start here.
_CLEAR_BELOW_HZ = 1e9


@dataclass(frozen=True, slots=True)
class Site:
    """What the atmosphere needs to know of a ground station.

    Parameters
    ----------
    latitude_deg : float
        Geodetic, -90 to 90.
    altitude_m : float
        Above sea level, -500 to 9000.
    rain_rate_mm_h : float
        Rain rate exceeded for 0.01 % of an average year (ITU-R P.837 maps it; London 26, Rome 34,
        Miami 78, Kuala Lumpur 99). The default 0 is a place where it never rains.
    rain_height_m : float, optional
        Above sea level (ITU-R P.839-4 maps it); None: `atmosphere.rain_height_m` by latitude.
    """

    latitude_deg: float
    altitude_m: float = 0.0
    rain_rate_mm_h: float = 0.0
    rain_height_m: float | None = None

    def __post_init__(self) -> None:
        checks.between("Site.latitude_deg", self.latitude_deg, -90, 90)
        checks.between("Site.altitude_m", self.altitude_m, -500, 9000)
        checks.between("Site.rain_rate_mm_h", self.rain_rate_mm_h, 0, 500)
        if self.rain_height_m is not None:
            checks.between("Site.rain_height_m", self.rain_height_m, 0, 20_000)


class LinkBudget(Protocol):
    """What every link can answer; arrays broadcast, nothing loops over elements."""

    def attenuation_db(self, elevation_deg: ArrayLike, site: Site) -> Floats:
        """Return what the atmosphere takes at elevations (0 to 90) above a site, >= 0."""
        ...

    def rate_bps(self, range_m: ArrayLike, attenuation_db: ArrayLike = 0.0) -> Floats:
        """Return the rate, >= 0, not rising with range (> 0) or attenuation (>= 0)."""
        ...


@dataclass(frozen=True, slots=True)
class FixedLink:
    """A link of one rate at any range and in any weather.

    Parameters
    ----------
    constant_bps : float
        That rate, >= 0.
    """

    constant_bps: float

    def __post_init__(self) -> None:
        checks.real("FixedLink.constant_bps", self.constant_bps)

    def attenuation_db(self, elevation_deg: ArrayLike, site: Site) -> Floats:
        """Zero at every elevation."""
        return _no_attenuation(elevation_deg)

    def rate_bps(self, range_m: ArrayLike, attenuation_db: ArrayLike = 0.0) -> Floats:
        """The rate, once per element of the two broadcast."""
        distance = links.numbers("range_m", range_m, low=0.0, strict=True)
        loss = links.numbers("attenuation_db", attenuation_db, low=0.0, finite=False)
        return np.full(np.broadcast_shapes(distance.shape, loss.shape), float(self.constant_bps))


@dataclass(frozen=True, slots=True)
class RadioLink:
    """A radio link between a satellite and the ground, or between two satellites.

    C/N = EIRP - free space - losses - atmosphere + G/T - 10 log10(k B), and the rate follows from
    Shannon's bound or a table of modes. The atmosphere also raises the noise: the receiver sees
    rain and gas as a body of `medium_k`.

    Parameters
    ----------
    frequency_hz : float
        Carrier, 1e8 to 350e9; to 55e9 with rain. Below 1e9 the atmosphere counts as clear.
    bandwidth_hz : float
        Occupied bandwidth. With modes, the symbol rate is bandwidth / (1 + roll_off).
    eirp_dbw : float
        Transmit power times antenna gain, less the transmitter's own losses.
    g_over_t_db : float
        Receiving gain over system noise temperature (`links.g_over_t_db` for the two apart).
    noise_temperature_k : float
        That system noise temperature, without the atmosphere: what its noise adds to.
    system_losses_db : float
        Pointing, polarisation and everything else between the antennas but the atmosphere.
    exceeded_percent : float, optional
        Rain that is exceeded so many % of an average year, 0.001 to 5; None: clear sky.
    scheme : "shannon" or ModcodTable
        How the signal becomes a rate.
    roll_off : float
        Of the pulse, 0 to 1; counts with modes.
    implementation_loss_db, margin_db : float
        What the modem lacks, and what is kept in hand.
    max_rate_bps : float
        What the equipment can do; infinite by default.
    polarisation_tilt_deg : float
        From the horizontal; 45 for circular.
    medium_k : float
        Temperature of the atmosphere as the receiver sees it; 0 where the receiver looks at the
        warm Earth and rain adds no noise: uplinks.
    """

    frequency_hz: float = 8.2e9
    bandwidth_hz: float = 150e6
    eirp_dbw: float = 18.0
    g_over_t_db: float = 26.0
    noise_temperature_k: float = 150.0
    system_losses_db: float = 1.0
    exceeded_percent: float | None = None
    scheme: str | ModcodTable = DVB_S2
    roll_off: float = 0.2
    implementation_loss_db: float = 1.5
    margin_db: float = 3.0
    max_rate_bps: float = math.inf
    polarisation_tilt_deg: float = 45.0
    medium_k: float = 275.0

    def __post_init__(self) -> None:
        highest = 350e9 if self.exceeded_percent is None else 55e9
        checks.between("RadioLink.frequency_hz", self.frequency_hz, 1e8, highest)
        checks.real("RadioLink.bandwidth_hz", self.bandwidth_hz, strict=True)
        checks.between("RadioLink.eirp_dbw", self.eirp_dbw, -200, 200)
        checks.between("RadioLink.g_over_t_db", self.g_over_t_db, -200, 200)
        checks.real("RadioLink.noise_temperature_k", self.noise_temperature_k, strict=True)
        checks.between("RadioLink.system_losses_db", self.system_losses_db, 0, 200)
        if self.exceeded_percent is not None:
            checks.between("RadioLink.exceeded_percent", self.exceeded_percent, 0.001, 5)
        if not isinstance(self.scheme, ModcodTable) and self.scheme != "shannon":
            checks.fail("RadioLink.scheme", self.scheme, "'shannon' or a ModcodTable")
        checks.between("RadioLink.roll_off", self.roll_off, 0, 1)
        checks.between("RadioLink.implementation_loss_db", self.implementation_loss_db, 0, 200)
        checks.between("RadioLink.margin_db", self.margin_db, -200, 200)
        checks.real("RadioLink.max_rate_bps", self.max_rate_bps, finite=False)
        checks.between("RadioLink.polarisation_tilt_deg", self.polarisation_tilt_deg, -360, 360)
        checks.real("RadioLink.medium_k", self.medium_k)

    def attenuation_db(self, elevation_deg: ArrayLike, site: Site) -> Floats:
        """Attenuation by gas and, where `exceeded_percent` is set, rain.

        Parameters
        ----------
        elevation_deg : array_like
            0 to 90.
        site : Site
            Where the ground station stands.

        Returns
        -------
        ndarray
            As `elevation_deg`, in dB, float64. Clouds and scintillation are left out.
        """
        elevation = links.numbers("elevation_deg", elevation_deg, low=0.0, high=90.0)
        if self.frequency_hz < _CLEAR_BELOW_HZ:
            return np.zeros_like(elevation)
        gas = gases.clear_sky_attenuation_db(site.altitude_m, elevation, self.frequency_hz)
        if self.exceeded_percent is None:
            return gas
        rain = atmosphere.rain_attenuation_db(
            site.latitude_deg,
            site.altitude_m,
            elevation,
            self.frequency_hz,
            site.rain_rate_mm_h,
            self.exceeded_percent,
            self.polarisation_tilt_deg,
            site.rain_height_m,
        )
        return atmosphere.total_attenuation_db(gas, rain, 0.0, 0.0, self.exceeded_percent)

    def carrier_to_noise_db(self, range_m: ArrayLike, attenuation_db: ArrayLike = 0.0) -> Floats:
        """C/N in the noise bandwidth, all losses and margins taken off.

        The noise bandwidth is the occupied bandwidth for Shannon's bound and the symbol rate for
        modes, whose C/N is Es/N0.
        """
        loss = links.numbers("attenuation_db", attenuation_db, low=0.0, finite=False)
        extra = links.rain_noise_temperature_k(loss, self.medium_k) / self.noise_temperature_k
        own = self.system_losses_db + self.implementation_loss_db + self.margin_db
        return links.carrier_to_noise_db(
            self.eirp_dbw,
            links.free_space_path_loss_db(range_m, self.frequency_hz),
            self.g_over_t_db,
            self.noise_bandwidth_hz,
            own + loss + links.decibels(1 + extra),
        )

    @property
    def noise_bandwidth_hz(self) -> float:
        """Symbol rate with modes, occupied bandwidth with Shannon's bound."""
        modes = isinstance(self.scheme, ModcodTable)
        return self.bandwidth_hz / (1 + self.roll_off) if modes else self.bandwidth_hz

    def rate_bps(self, range_m: ArrayLike, attenuation_db: ArrayLike = 0.0) -> Floats:
        """Rate at a range and an attenuation, which broadcast; O(elements)."""
        signal_db = self.carrier_to_noise_db(range_m, attenuation_db)
        if isinstance(self.scheme, ModcodTable):
            rate = links.modcod_rate_bps(self.noise_bandwidth_hz, signal_db, self.scheme)
        else:
            rate = links.shannon_rate_bps(self.noise_bandwidth_hz, signal_db)
        return np.minimum(rate, self.max_rate_bps)


@dataclass(frozen=True, slots=True)
class LaserLink:
    """A laser link between two satellites.

    Parameters
    ----------
    transmit_power_w : float
        Mean optical power sent.
    transmit_aperture_m, receive_aperture_m : float
        Diameters of the telescopes.
    wavelength_m : float
        Of the light in vacuum.
    pointing_error_rad : float
        Angle between the beam's axis and the receiver.
    losses_db : float
        Optics at both ends, and what is kept in hand.
    photons_per_bit : float
        What the receiver needs: a few for the best counters, about 40 for an amplified receiver
        with DPSK, some hundred for a simple one.
    max_rate_bps : float
        What the terminals can do.
    """

    transmit_power_w: float = 1.0
    transmit_aperture_m: float = 0.08
    receive_aperture_m: float = 0.08
    wavelength_m: float = 1550e-9
    pointing_error_rad: float = 3e-6
    losses_db: float = 6.0
    photons_per_bit: float = 100.0
    max_rate_bps: float = 10e9

    def __post_init__(self) -> None:
        checks.real("LaserLink.transmit_power_w", self.transmit_power_w, strict=True)
        checks.between("LaserLink.transmit_aperture_m", self.transmit_aperture_m, 1e-4, 100)
        checks.between("LaserLink.receive_aperture_m", self.receive_aperture_m, 1e-4, 100)
        checks.between("LaserLink.wavelength_m", self.wavelength_m, 1e-7, 1e-4)
        checks.between("LaserLink.pointing_error_rad", self.pointing_error_rad, 0, 1)
        checks.between("LaserLink.losses_db", self.losses_db, 0, 200)
        checks.real("LaserLink.photons_per_bit", self.photons_per_bit, strict=True)
        checks.real("LaserLink.max_rate_bps", self.max_rate_bps, finite=False)

    def attenuation_db(self, elevation_deg: ArrayLike, site: Site) -> Floats:
        """Zero: the link runs above the atmosphere. Clouds over a site are not modelled."""
        return _no_attenuation(elevation_deg)

    def received_power_w(self, range_m: ArrayLike, attenuation_db: ArrayLike = 0.0) -> Floats:
        """Light that reaches the detector."""
        loss = links.numbers("attenuation_db", attenuation_db, low=0.0, finite=False)
        return links.laser_received_power_w(
            self.transmit_power_w,
            range_m,
            self.transmit_aperture_m,
            self.receive_aperture_m,
            self.wavelength_m,
            self.pointing_error_rad,
            self.losses_db + loss,
        )

    def rate_bps(self, range_m: ArrayLike, attenuation_db: ArrayLike = 0.0) -> Floats:
        """Rate at a range and an attenuation, which broadcast; O(elements)."""
        power = self.received_power_w(range_m, attenuation_db)
        rate = links.laser_rate_bps(power, self.wavelength_m, self.photons_per_bit)
        return np.minimum(rate, self.max_rate_bps)


def _no_attenuation(elevation_deg: ArrayLike) -> Floats:
    return np.zeros_like(links.numbers("elevation_deg", elevation_deg, low=0.0, high=90.0))


#: An Earth-observation satellite: 8.2 GHz, 150 MHz, DVB-S2 (125 Msymbol/s); 2 W into 15 dBi, so an
#: EIRP of 18 dBW; a dish of 3.7 m on the ground with 26 dB/K at 150 K; 1 dB of losses, 1.5 dB of
#: implementation, 3 dB in hand.
X_BAND_DOWNLINK = RadioLink()

#: A larger one: 26.5 GHz, 500 MHz, DVB-S2 (417 Msymbol/s); 5 W into 30 dBi less 2 dB, so an EIRP of
#: 35 dBW; a dish of 3.7 m with 33 dB/K at 250 K; 2 dB of losses, 2 dB of implementation, 3 dB in
#: hand. Clear sky, as all presets: `dataclasses.replace(KA_BAND_DOWNLINK, exceeded_percent=1.0)`
#: asks for what holds 99 % of the year.
KA_BAND_DOWNLINK = RadioLink(
    frequency_hz=26.5e9,
    bandwidth_hz=500e6,
    eirp_dbw=35.0,
    g_over_t_db=33.0,
    noise_temperature_k=250.0,
    system_losses_db=2.0,
    implementation_loss_db=2.0,
)

#: Commands and model updates: 2.07 GHz, 2 MHz, DVB-S2; 20 W into a dish of 3.7 m (35 dBi) less
#: 2 dB, so an EIRP of 46 dBW; a patch antenna with -27 dB/K at 500 K that looks at the warm Earth;
#: 3 dB of losses, 2 dB of implementation, 3 dB in hand; at most 5 Mbit/s.
S_BAND_UPLINK = RadioLink(
    frequency_hz=2.07e9,
    bandwidth_hz=2e6,
    eirp_dbw=46.0,
    g_over_t_db=-27.0,
    noise_temperature_k=500.0,
    system_losses_db=3.0,
    implementation_loss_db=2.0,
    max_rate_bps=5e6,
    medium_k=0.0,
)

#: Between satellites: 1 W at 1550 nm, telescopes of 8 cm, 3 urad of pointing error, 6 dB of losses
#: and reserve, 100 photons per bit, at most 10 Gbit/s (which it keeps to about 4000 km).
LASER_ISL = LaserLink()
