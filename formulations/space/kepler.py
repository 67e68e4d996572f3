"""Two-body orbits, and those whose elements drift with the Earth's oblateness."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from ..compiled import kernel
from ..mean_elements import EARTH_J2, EARTH_MU, EARTH_RADIUS_M
from ..satellites import Satellite

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


def kepler_states(
    satellites: list[Satellite], since_epoch_s: Floats, times_s: Floats
) -> tuple[Floats, Floats]:
    """Positions and velocities by Kepler's laws.

    ``j2`` adds the secular drift of node, perigee and anomaly to first order (Vallado,
    *Fundamentals of Astrodynamics*, section 9.6), so a Walker constellation keeps its shape.

    Parameters
    ----------
    satellites : list of Satellite
    since_epoch_s : array, shape (satellites,)
        Age of each satellite's elements at second 0.
    times_s : array, shape (times,)

    Returns
    -------
    position_m, velocity_m_per_s : array, shape (satellites, times, 3)
    """
    elements = np.empty((len(satellites), 9))
    for k, row in enumerate(satellites):
        axis, e, i = row.semi_major_axis_m, row.eccentricity, math.radians(row.inclination_deg)
        motion = math.sqrt(EARTH_MU / axis**3)
        pull = 0.0
        if row.model == "j2":
            pull = 1.5 * EARTH_J2 * (EARTH_RADIUS_M / (axis * (1 - e * e))) ** 2 * motion
        sine = math.sin(i) ** 2
        node_rate, perigee_rate = -pull * math.cos(i), pull * (2 - 2.5 * sine)
        mean_rate = motion + pull * math.sqrt(1 - e * e) * (1 - 1.5 * sine)
        age = since_epoch_s[k]
        elements[k] = (
            axis,
            e,
            i,
            math.radians(row.raan_deg) + node_rate * age,
            math.radians(row.argument_of_perigee_deg) + perigee_rate * age,
            math.radians(row.mean_anomaly_deg) + mean_rate * age,
            node_rate,
            perigee_rate,
            mean_rate,
        )
    shape = (len(satellites), len(times_s), 3)
    position, velocity = np.empty(shape), np.empty(shape)
    _states(elements, np.ascontiguousarray(times_s, dtype=np.float64), position, velocity)
    return position, velocity


@kernel
def _states(elements: Floats, times: Floats, position: Floats, velocity: Floats) -> None:
    for n in range(elements.shape[0]):
        axis, e, i = elements[n, 0], elements[n, 1], elements[n, 2]
        cos_i, sin_i = math.cos(i), math.sin(i)
        root = math.sqrt(1 - e * e)
        node_rate, perigee_rate, mean_rate = elements[n, 6], elements[n, 7], elements[n, 8]
        for k in range(times.size):
            t = times[k]
            node = elements[n, 3] + node_rate * t
            perigee = elements[n, 4] + perigee_rate * t
            mean = (elements[n, 5] + mean_rate * t) % (2 * math.pi)
            # Kepler's equation by Newton, started where it converges for every eccentricity.
            anomaly = mean if e < 0.8 else math.pi
            for _ in range(60):
                step = (anomaly - e * math.sin(anomaly) - mean) / (1 - e * math.cos(anomaly))
                anomaly -= step
                if abs(step) < 1e-14:
                    break
            cos_e, sin_e = math.cos(anomaly), math.sin(anomaly)
            x, y = axis * (cos_e - e), axis * root * sin_e
            rate = axis * mean_rate / (1 - e * cos_e)
            vx, vy = -rate * sin_e, rate * root * cos_e
            cos_w, sin_w = math.cos(perigee), math.sin(perigee)
            cos_o, sin_o = math.cos(node), math.sin(node)
            px = cos_o * cos_w - sin_o * sin_w * cos_i
            py = sin_o * cos_w + cos_o * sin_w * cos_i
            pz = sin_w * sin_i
            qx = -cos_o * sin_w - sin_o * cos_w * cos_i
            qy = -sin_o * sin_w + cos_o * cos_w * cos_i
            qz = cos_w * sin_i
            rx, ry = x * px + y * qx, x * py + y * qy
            position[n, k, 0], position[n, k, 1], position[n, k, 2] = rx, ry, x * pz + y * qz
            # The drift of perigee and node moves the satellite too.
            along, across = vx - perigee_rate * y, vy + perigee_rate * x
            velocity[n, k, 0] = along * px + across * qx - node_rate * ry
            velocity[n, k, 1] = along * py + across * qy + node_rate * rx
            velocity[n, k, 2] = along * pz + across * qz
