"""Exact selection of the largest entries by magnitude with PyTorch's operations, on any device.

The same answer as `formulations.compression.select`, and the same road to it: a sample gives a
threshold below the wanted one by four standard deviations, one pass collects what reaches it, and
a radix selection cuts exactly among these; where the sample misled, it runs over all. Among equals
the lowest index is kept, and zeros are never sent. Nothing is sorted but the sample, and only
counts come to the host. Complexity: O(elements).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...formulations.compression.select_kernel import sample_places

#: Below this many elements a sample costs more than it saves.
_SMALL = 1 << 15
_SAMPLES = (1 << 13, 1 << 16)
#: Elements of the tensor per element of the sample.
_SAMPLE_STRIDE = 512
_DEVIATIONS = 4.0
_DIGIT = 11


def top_k(values: Any, kept: int) -> tuple[Any, Any]:
    """Find the `kept` entries of largest magnitude.

    Parameters
    ----------
    values : tensor of float32 or float64, shape (elements,), contiguous
        No NaN; not changed.
    kept : int
        At most `elements`. All of them are returned where it equals `elements`, and never a zero
        where it is less.

    Returns
    -------
    places : tensor of int64, shape (found,)
        Ascending, on the device of `values`.
    found : tensor, shape (found,)
        What stands there.
    """
    import torch

    elements = values.numel()
    if not 0 < kept < elements:
        some = values[: kept and elements].clone()
        return torch.arange(some.numel(), device=values.device), some
    magnitudes = values.abs()
    candidates = _candidates(magnitudes, kept)
    if candidates is None:
        places = cut(magnitudes, kept)
    else:
        places = candidates[cut(magnitudes[candidates], kept)]
    return places, values[places]


def _candidates(magnitudes: Any, kept: int) -> Any:
    """Places of what may be among the `kept` largest; None where the sample did not tell.

    The number of sampled entries among the `kept` largest is binomial.
    """
    import torch

    elements = magnitudes.numel()
    if elements < _SMALL:
        return None
    size = min(max(elements // _SAMPLE_STRIDE, _SAMPLES[0]), _SAMPLES[1])
    share = kept / elements
    spread = _DEVIATIONS * math.sqrt(size * share * (1.0 - share)) + 1.0
    rank = math.ceil(size * share + spread)
    if rank >= size:
        return None
    at = torch.from_numpy(sample_places(elements, size)).to(magnitudes.device)
    least = float(torch.kthvalue(magnitudes[at], size - rank + 1).values)
    reaches = magnitudes >= least if least > 0.0 else magnitudes > 0.0
    count = int(torch.count_nonzero(reaches))
    room = elements * (rank + 2.0 * spread) / size
    if count > room or (count < kept and least > 0.0):
        return None
    return reaches.nonzero().view(-1)


def cut(magnitudes: Any, kept: int) -> Any:
    """Places of the `kept` largest, ascending; of all that are not zero if there are no more.

    The bits of numbers without a sign have the order of the numbers: the digits of the `kept`-th
    largest are found from the highest down, each from a histogram of what agrees so far.
    """
    import torch

    if magnitudes.numel() <= kept:
        return magnitudes.nonzero().view(-1)
    bits = magnitudes.view(torch.int32 if magnitudes.dtype == torch.float32 else torch.int64)
    shift = 8 * magnitudes.element_size() - 1
    alive, limit, left = bits, 0, kept
    while shift > 0:
        digit = min(_DIGIT, shift)
        shift -= digit
        digits = (alive >> shift) & ((1 << digit) - 1)
        counts = torch.bincount(digits, minlength=1 << digit).cpu().numpy()
        up_to = np.cumsum(counts[::-1])
        behind = int(np.searchsorted(up_to, left))
        left -= int(up_to[behind] - counts[::-1][behind])
        limit = (limit << digit) | (len(counts) - 1 - behind)
        alive = alive[digits == len(counts) - 1 - behind]
    is_kept = bits > limit
    if limit > 0:
        is_kept[(bits == limit).nonzero().view(-1)[:left]] = True
    return is_kept.nonzero().view(-1)
