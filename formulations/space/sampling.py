"""Rates along a contact: sampled, and cut into steps within which little changes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from ..compiled import kernel
from .conditions import at

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .ephemeris import Ephemeris

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]


def sample_times(start_s: Floats, end_s: Floats, look_s: float) -> tuple[Ints, Floats]:
    """Times along intervals, both ends included, at most `look_s` apart.

    Returns
    -------
    first : array of int, shape (intervals + 1,)
        Where the samples of each interval begin.
    time_s : array, shape (samples,)
    """
    count = np.maximum(np.ceil((end_s - start_s) / look_s), 1).astype(np.int64) + 1
    first = np.concatenate([[0], np.cumsum(count)])
    owner = np.repeat(np.arange(len(count)), count)
    place = (np.arange(first[-1]) - first[owner]) / (count[owner] - 1)
    return first, start_s[owner] + place * (end_s[owner] - start_s[owner])


def distances(body: Ephemeris, one: Ints, two: Ints, times_s: Floats) -> Floats:
    """Distance (m) between rows of an ephemeris at times of the window, shape (times,)."""
    found: Floats = _distances(body.pieces, body.step_s, one, two, times_s - body.begin_s)
    return found


@kernel
def _distances(pieces: Floats, step: float, one: Ints, two: Ints, times: Floats) -> Floats:
    found = np.empty(times.size)
    for n in range(times.size):
        k = min(max(int(times[n] / step), 0), pieces.shape[1] - 1)
        s = times[n] / step - k
        x, y, z, _, _, _ = at(pieces[one[n], k], s, step)
        p, q, r, _, _, _ = at(pieces[two[n], k], s, step)
        found[n] = math.sqrt((x - p) ** 2 + (y - q) ** 2 + (z - r) ** 2)
    return found


def steps(
    first: Ints,
    time_s: Floats,
    range_m: Floats,
    rate_bps: Floats,
    rate_accuracy: float,
    range_accuracy_m: float,
) -> tuple[Ints, Floats, Floats, Floats, Floats]:
    """Cut sampled contacts into steps.

    A step ends where the rate would leave a factor of ``1 + rate_accuracy``, or the range a span
    of `range_accuracy_m`, within it. Its rate is the mean over it (trapezoids through the samples),
    so that no byte is gained or lost by cutting. Where nothing gets through there is no step.

    Returns
    -------
    owner : array of int, shape (steps,)
        From which contact each comes.
    start_s, end_s, rate_bps : array
    far_m : array
        Largest sampled range.
    """
    owner, found, count = _steps(first, time_s, range_m, rate_bps, rate_accuracy, range_accuracy_m)
    return (owner[:count], *found[:count].T)


@kernel
def _steps(
    first: Ints, time: Floats, reach: Floats, rate: Floats, accuracy: float, span: float
) -> tuple[Ints, Floats, int]:
    owner, found, count = np.empty(time.size, dtype=np.int64), np.empty((time.size, 4)), 0
    for n in range(first.size - 1):
        k = first[n]
        last = first[n + 1] - 1
        while k < last:
            slow, quick = min(rate[k], rate[k + 1]), max(rate[k], rate[k + 1])
            near, far = min(reach[k], reach[k + 1]), max(reach[k], reach[k + 1])
            area = 0.5 * (rate[k] + rate[k + 1]) * (time[k + 1] - time[k])
            end = k + 1
            while end < last:
                slow2, quick2 = min(slow, rate[end + 1]), max(quick, rate[end + 1])
                near2, far2 = min(near, reach[end + 1]), max(far, reach[end + 1])
                silent = (quick == 0) != (rate[end + 1] == 0 and rate[end] == 0)
                if silent or quick2 > slow2 * (1 + accuracy) or far2 - near2 > span:
                    break
                slow, quick, near, far = slow2, quick2, near2, far2
                area += 0.5 * (rate[end] + rate[end + 1]) * (time[end + 1] - time[end])
                end += 1
            if area > 0:
                owner[count] = n
                found[count, 0], found[count, 1] = time[k], time[end]
                found[count, 2] = slow if slow == quick else area / (time[end] - time[k])
                found[count, 3] = far
                count += 1
            k = end
    return owner, found, count
