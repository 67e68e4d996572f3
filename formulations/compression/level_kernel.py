"""The compiled part of `quantise`: histograms of magnitudes, the fit of levels, coding.

Magnitudes are float64 here. A bin holds those that share exponent and six bits of mantissa, so
that 64 bins make an octave.
"""

# pyright: reportArgumentType=false, reportCallIssue=false, reportAttributeAccessIssue=false
# mypy: disable-error-code=assignment
# (An element of an array is a number here: these loops are compiled.)

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..compiled import kernel

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Codes = NDArray[np.uint8]

#: Bits of a float64's mantissa that do not count for its bin.
SHIFT = 46
#: Width of a bin as a share of its magnitude.
BIN_WIDTH = 1.0 / 96.0
_POSITIVE = (1 << 63) - 1
_PARTS = 4096
_COARSE = 16
_FINE = 14
_GOLDEN = 0.6180339887498949
_ROUNDS = 3


@kernel
def extremes(values: Floats) -> tuple[float, float]:
    """Smallest and largest magnitude."""
    smallest, largest = np.inf, 0.0
    for k in range(values.size):
        magnitude = abs(values[k])
        smallest = min(smallest, magnitude)
        largest = max(largest, magnitude)
    return smallest, largest


@kernel
def histogram(bits: Ints, values: Floats, first: int, bins: int) -> tuple[Floats, Floats]:
    """Mean magnitude and number of the values in every bin that has any, ascending.

    `bits` are those of the values; what lies below the first bin counts there.
    """
    count = np.zeros(bins)
    total = np.zeros(bins)
    for k in range(values.size):
        at = max(((bits[k] & _POSITIVE) >> SHIFT) - first, 0)
        count[at] += 1.0
        total[at] += abs(values[k])
    filled = 0
    for at in range(bins):
        if count[at] > 0.0:
            total[filled] = total[at] / count[at]
            count[filled] = count[at]
            filled += 1
    return total[:filled], count[:filled]


class Task(NamedTuple):
    """What levels are fitted to, and of which kind they are.

    Attributes
    ----------
    centres, counts : arrays of float64, shape (bins,)
        From `histogram`.
    has_zero, is_log, is_drawn : bool
        Whether the first level is zero, levels are a factor apart, and rounding is random.
    table : array of float64, shape (levels,)
        Room for levels.
    """

    centres: Floats
    counts: Floats
    has_zero: bool
    is_log: bool
    is_drawn: bool
    table: Floats


@kernel
def _spread(low: float, high: float, task: Task) -> None:
    """Fill the table with levels from `low` to `high`."""
    table = task.table
    first = 1 if task.has_zero else 0
    gaps = table.size - 1 - first
    table[0] = 0.0
    table[first] = low
    if gaps == 0:
        return
    if task.is_log:
        step = (high / low) ** (1.0 / gaps)
        for j in range(first + 1, table.size):
            table[j] = table[j - 1] * step
    else:
        step = (high - low) / gaps
        for j in range(first + 1, table.size):
            table[j] = table[j - 1] + step


@kernel
def _squared_error(low: float, high: float, task: Task) -> float:
    """Expected squared error of rounding to the nearest level, or at random.

    Where levels are closer than bins are wide, the place within the bin is not known, and the
    error is that of uniform noise.
    """
    _spread(low, high, task)
    table = task.table
    error = 0.0
    j = 0
    last = table.size - 1
    for b in range(task.centres.size):
        value = task.centres[b]
        while j < last and table[j + 1] <= value:
            j += 1
        if value < table[j] or j == last:
            each = (value - table[j]) ** 2
        else:
            gap = table[j + 1] - table[j]
            below = value - table[j]
            above = table[j + 1] - value
            if gap < BIN_WIDTH * value:
                each = gap * gap / (6.0 if task.is_drawn else 12.0)
            elif task.is_drawn:
                each = below * above
            else:
                each = min(below, above) ** 2
        error += task.counts[b] * each
    return error


@kernel
def _try(exponent: float, other: float, moves_low: bool, task: Task) -> float:
    """Error with one end of the levels at ``exp(exponent)``, the other at `other`."""
    moved = math.exp(exponent)
    if moves_low:
        return _squared_error(moved, other, task)
    return _squared_error(other, moved, task)


@kernel
def _search(
    least: float, most: float, other: float, moves_low: bool, task: Task
) -> tuple[float, float]:
    """Best place of one end between two bounds, and its error: a grid, then golden sections."""
    left, right = math.log(least), math.log(most)
    if not left < right:
        return least, _try(left, other, moves_low, task)
    pitch = (right - left) / _COARSE
    best, at = np.inf, left
    for k in range(_COARSE + 1):
        error = _try(left + k * pitch, other, moves_low, task)
        if error < best:
            best, at = error, left + k * pitch
    start, end = max(left, at - pitch), min(right, at + pitch)
    for _ in range(_FINE):
        inner = end - _GOLDEN * (end - start)
        outer = start + _GOLDEN * (end - start)
        first = _try(inner, other, moves_low, task)
        second = _try(outer, other, moves_low, task)
        if first < second:
            end = outer
        else:
            start = inner
        if min(first, second) < best:
            best = min(first, second)
            at = inner if first < second else outer
    return math.exp(at), best


@kernel
def fit(
    least: float, most: float, largest: float, moves_high: bool, task: Task
) -> tuple[float, float, float]:
    """Ends of the levels with the least squared error, and that error.

    The lower end is from `least` to `most`, the upper one `largest` unless `moves_high`.
    """
    high = largest
    low, best = _search(least, most, high, True, task)
    if moves_high:
        for _ in range(_ROUNDS):
            tried, error = _search(low, largest, low, False, task)
            if error < best:
                high, best = tried, error
            tried, error = _search(least, min(most, high), high, True, task)
            if error >= best:
                break
            low, best = tried, error
    return low, high, best


@kernel
def code_nearest(bits: Ints, first: int, last: int, middles: Ints, sign: int, codes: Codes) -> None:
    """Number of the nearest level and the sign of every value; all numbers as bits of float64.

    Magnitudes lie between `first` and `last`, or a few below. `middles` are the bounds between
    levels, infinity after them. A table of equal parts of that range, finer than the levels are,
    gives the level of each part's lower edge: there is rarely a step to go from there.
    """
    shift = 0
    while (last - first) >> shift >= _PARTS:
        shift += 1
    start = np.zeros(_PARTS, np.uint8)
    level = 0
    for part in range(1, _PARTS):
        while level < middles.size - 1 and middles[level] < first + (part << shift):
            level += 1
        start[part] = level
    for k in range(bits.size):
        magnitude = bits[k] & _POSITIVE
        level = np.int64(start[max((magnitude - first) >> shift, 0)])
        while magnitude > middles[level]:
            level += 1
        codes[k] = level + sign * (bits[k] < 0)


@kernel
def _uniform(key: np.uint64, k: int) -> float:
    """A number in [0, 1) that depends on key and place only (SplitMix64)."""
    mixed = key + np.uint64(k + 1) * np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed ^= mixed >> np.uint64(31)
    return np.float64(mixed >> np.uint64(11)) * 2.0**-53


@kernel
def code_at_random(values: Floats, table: Floats, key: np.uint64, sign: int, codes: Codes) -> None:
    """One of the two levels around every value, drawn so that its mean is the value."""
    last = table.size - 1
    for k in range(values.size):
        magnitude = abs(values[k])
        level, above = 0, last
        while level < above:
            middle = (level + above + 1) // 2
            if table[middle] <= magnitude:
                level = middle
            else:
                above = middle - 1
        if level < last and magnitude > table[level]:
            share = (magnitude - table[level]) / (table[level + 1] - table[level])
            if _uniform(key, k) < share:
                level += 1
        codes[k] = level | (sign if values[k] < 0.0 else 0)
