"""The compiled part of `curves`: a histogram of magnitudes, residuals from it, hulls, settings.

A bin holds the float32 numbers that share exponent and first six bits of the mantissa: 64 bins to
an octave, at most 1.6 % wide, found by a shift of the number's own bits.
"""

# pyright: reportArgumentType=false, reportCallIssue=false
# (An element of an array is a number here: these loops are compiled.)

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from ..compiled import kernel

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

#: Bits of a float32 below a bin's, bins to an octave, and bins of finite numbers.
SHIFT, OCTAVE, BINS = 17, 64, 255 * 64
#: Width of a value that is sent as it is.
EXACT = 32
#: Octaves that logarithmic levels span at most; what is smaller shares the lowest level.
SPAN_OCTAVES = 20


@kernel
def histogram(
    values: NDArray[np.float32], words: NDArray[np.uint32], moments: Floats
) -> np.float32:
    """Add count, sum and sum of squares of magnitudes to each bin; the largest one.

    `words` are the same numbers as bits; what is not finite falls into bins from `BINS` on.
    """
    top = np.float32(0.0)
    for i in range(len(values)):
        value = abs(values[i])
        size = np.float64(value)
        j = (words[i] & np.uint32(0x7FFFFFFF)) >> np.uint32(SHIFT)
        moments[j, 0] += 1.0
        moments[j, 1] += size
        moments[j, 2] += size * size
        top = max(top, value)
    return top


@kernel
def _bin_of(x: float) -> int:
    """Bin of a magnitude."""
    fraction, power = math.frexp(x)
    if power < -125:  # below the normal float32 numbers
        return max(int(math.ldexp(x, 149)) >> SHIFT, 0)
    return min((power + 126) * OCTAVE + int((2.0 * fraction - 1.0) * OCTAVE), BINS - 1)


@kernel
def residuals(
    above: Floats, edge: Floats, top: float, kept: Ints, bits: Ints, log: bool, found: Floats
) -> None:
    """Residual energy of the `kept` largest magnitudes at each width of value.

    Parameters
    ----------
    above : array of float, shape (BINS + 1, 3)
        Moments of all entries in bins from each one up.
    edge : array of float, shape (BINS + 1,)
        Least magnitude of each bin.
    top : float
        Largest magnitude.
    kept : array of int, shape (R,)
        Ascending.
    bits : array of int, shape (B,)
    log : bool
        Whether levels are spaced by equal ratios.
    found : array of float, shape (B, R)
        Written.
    """
    if top == 0.0:  # nothing to lose, and no ratio of levels
        found[:] = 0.0
        return
    j = BINS
    for r in range(len(kept)):
        while above[j, 0] < kept[r]:
            j -= 1
        share = (kept[r] - above[j + 1, 0]) / (above[j, 0] - above[j + 1, 0])
        low = min(edge[j + 1] - share * (edge[j + 1] - edge[j]), top)
        lost = above[0, 2] - above[j + 1, 2] - share * (above[j, 2] - above[j + 1, 2])
        for b in range(len(bits)):
            noise = 0.0
            if bits[b] < EXACT:
                cells = 1 << (bits[b] - 1)
                if log:
                    noise = _least_noise(above, edge, low, top, cells, j, share)
                else:
                    noise = _noise(above, edge, low, low, top, cells, j, share, False)
            found[b, r] = max(lost, 0.0) + noise


@kernel
def _least_noise(
    above: Floats, edge: Floats, low: float, top: float, cells: int, last: int, share: float
) -> float:
    """Noise with levels that begin where it is least: at `low`, or some octaves above it."""
    floor = max(low, math.ldexp(top, -SPAN_OCTAVES))
    best = _noise(above, edge, low, floor, top, cells, last, share, True)
    while 2.0 * floor < top:
        floor *= 2.0
        noise = _noise(above, edge, low, floor, top, cells, last, share, True)
        if noise >= best:
            break
        best = noise
    return best


@kernel
def _noise(
    above: Floats,
    edge: Floats,
    low: float,
    floor: float,
    top: float,
    cells: int,
    last: int,
    share: float,
    log: bool,
) -> float:
    """Squared error of magnitudes from `low` to `top` replaced by the means of their cells.

    Cells divide `floor` to `top`; the lowest of them also takes what is between `low` and `floor`.
    `low` lies in bin `last`, of which the part `share` is above it.
    """
    step = math.log(top / floor) / cells if log else (top - floor) / cells
    count, total, square = 0.0, 0.0, 0.0
    high, noise = top, 0.0
    for i in range(cells - 1, -1, -1):
        if i == 0:
            cut, j, part = low, last, share
        else:
            cut = floor * math.exp(step * i) if log else floor + step * i
            j = _bin_of(cut)
            part = min(max((edge[j + 1] - cut) / (edge[j + 1] - edge[j]), 0.0), 1.0)
        n = above[j + 1, 0] + part * (above[j, 0] - above[j + 1, 0])
        s = above[j + 1, 1] + part * (above[j, 1] - above[j + 1, 1])
        q = above[j + 1, 2] + part * (above[j, 2] - above[j + 1, 2])
        inside = n - count
        if inside > 1e-9:
            width = high - cut
            if width < edge[j + 1] - edge[j]:  # finer than the histogram: evenly spread
                noise += inside * width * width / 12.0
            else:
                noise += max(q - square - (s - total) * (s - total) / inside, 0.0)
        count, total, square, high = n, s, q, cut
    return noise


@kernel
def lower_hull(x: Floats, y: Floats) -> Ints:
    """Points of the decreasing lower convex hull, by Andrew's monotone chain; O(n).

    `x` ascends; the hull begins at the first `x` and ends at the least `y`.
    """
    chain = np.empty(len(x), dtype=np.int64)
    size = 0
    for i in range(len(x)):
        if size and y[i] >= y[chain[size - 1]]:
            continue
        while size:
            b = chain[size - 1]
            if x[b] < x[i]:
                if size == 1:
                    break
                a = chain[size - 2]
                if (y[b] - y[a]) * (x[i] - x[b]) < (y[i] - y[b]) * (x[b] - x[a]):
                    break
            size -= 1
        chain[size] = i
        size += 1
    return chain[:size].copy()


@kernel
def between(kept: Ints, size: Floats, error: Floats, energy: float, k: int) -> tuple[float, float]:
    """Bytes and error of `k` kept entries at one width, `k` being 0 or within the grid.

    Both are linear in `k` between two numbers of the grid. The true error is convex, so that it is
    no more than this.
    """
    if k == 0:
        return 0.0, energy
    i = int(np.searchsorted(kept, k))
    if k == kept[i]:
        return float(size[i]), float(error[i])
    share = (k - kept[i - 1]) / (kept[i] - kept[i - 1])
    return (
        size[i - 1] + share * (size[i] - size[i - 1]),
        error[i - 1] + share * (error[i] - error[i - 1]),
    )


@kernel
def best_within(
    kept: Ints, size: Floats, error: Floats, energy: float, room: float
) -> tuple[int, int]:
    """Entries kept and row of the width with the least error in `room` bytes; (0, 0) is nothing.

    `size` and `error` have shape (B, R), sizes ascend along a row: each row's grid points that
    fit, and the most entries between the last of them and the next.
    """
    best, count, row = energy, 0, 0
    for b in range(size.shape[0]):
        fits = 0
        while fits < len(kept) and size[b, fits] <= room:
            if error[b, fits] < best:
                best, count, row = error[b, fits], kept[fits], b
            fits += 1
        if 0 < fits < len(kept):
            low, high = kept[fits - 1], kept[fits]
            while high - low > 1:
                middle = (low + high) // 2
                if between(kept, size[b], error[b], energy, middle)[0] <= room:
                    low = middle
                else:
                    high = middle
            left = between(kept, size[b], error[b], energy, low)[1]
            if left < best:
                best, count, row = left, low, b
    return count, row
