"""The compiled part of `select`: passes over a tensor, and the exact cut among candidates.

Magnitudes are compared as the bits of IEEE numbers without their sign, whose order is that of the
numbers; views of them are signed integers (int32 for float32, int64 for float64). Each kernel
compiles once for either width.
"""

# pyright: reportArgumentType=false, reportCallIssue=false, reportAttributeAccessIssue=false
# (An element of an array is a number here: these loops are compiled.)

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..compiled import kernel

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Numbers = NDArray[np.floating[Any]]
    Bits = NDArray[np.signedinteger[Any]]
    Ints = NDArray[np.int64]
    #: Places and values of candidates, and room for the words of a block that hold some.
    Found = tuple[Ints, Numbers, Ints]

#: Elements whose flags are set before any of them is looked at: they fit the first cache.
BLOCK = 1024
_DIGIT = 11
_WORD = 8
#: Times ``1 << 8 * j`` this has j as its highest byte.
_BYTE_NUMBERS = np.uint64(0x0001020304050607)


@kernel
def largest_bits(bits: Bits, mask: Any) -> Any:
    """Largest magnitude, as bits: infinity and NaN are the largest there are."""
    largest = mask & 0
    for i in range(bits.size):
        largest = max(largest, bits[i] & mask)
    return largest


@kernel
def _take(block: Numbers, first: int, flags: NDArray[np.uint8], count: int, found: Found) -> int:
    """Append the flagged elements of one block; returns how many candidates there are now."""
    places, values, hit = found
    words = flags.view(np.uint64)
    full = block.size // _WORD
    hits = 0  # no branch on what the data hold: it would be mispredicted at every hit
    for w in range(full):
        hit[hits] = w
        hits += words[w] != 0
    for h in range(hits):
        start = _WORD * hit[h]
        word = words[hit[h]]
        while word:
            lowest = word & (~word + np.uint64(1))
            i = start + np.int64((lowest * _BYTE_NUMBERS) >> np.uint64(56))
            places[count] = first + i
            values[count] = block[i]
            count += 1
            word ^= lowest
    for i in range(_WORD * full, block.size):
        places[count] = first + i
        values[count] = block[i]
        count += flags[i]
    return count


@kernel
def collect(whole: Numbers, least: Any, places: Ints, values: Numbers) -> int:
    """Find the elements of magnitude `least` or more, in order.

    Returns how many, or -1 where `places` and `values` could overflow.
    """
    flags = np.zeros(BLOCK, np.uint8)
    found = (places, values, np.empty(BLOCK // _WORD, np.int64))
    count = 0
    for first in range(0, whole.size, BLOCK):
        if count + BLOCK > places.size:
            return -1
        block = whole[first : first + BLOCK]
        for i in range(block.size):
            flags[i] = abs(block[i]) >= least
        count = _take(block, first, flags, count, found)
    return count


@kernel
def add_and_collect(
    whole: Numbers, added: Numbers, least: Any, places: Ints, values: Numbers
) -> int:
    """Do ``whole += added`` and `collect` in one pass over memory.

    The addition is done to the end even where the candidates overflow (then -1 is returned).
    """
    flags = np.zeros(BLOCK, np.uint8)
    found = (places, values, np.empty(BLOCK // _WORD, np.int64))
    count = 0
    for first in range(0, whole.size, BLOCK):
        block = whole[first : first + BLOCK]
        more = added[first : first + BLOCK]
        for i in range(block.size):
            total = block[i] + more[i]
            block[i] = total
            flags[i] = abs(total) >= least
        if count >= 0:
            if count + BLOCK > places.size:
                count = -1
            else:
                count = _take(block, first, flags, count, found)
    return count


@kernel
def add_momentum(whole: Numbers, velocity: Numbers, added: Numbers, momentum: Any) -> None:
    """``velocity = momentum * velocity + added; whole += velocity``."""
    for i in range(whole.size):
        velocity[i] = momentum * velocity[i] + added[i]
        whole[i] += velocity[i]


@kernel
def sample_places(elements: int, count: int) -> Ints:
    """One place in each of `count` equal strata, so that no period of the data is met."""
    places = np.empty(count, np.int64)
    state = np.uint64(88172645463325252)
    for k in range(count):
        state ^= state << np.uint64(13)
        state ^= state >> np.uint64(7)
        state ^= state << np.uint64(17)
        first = elements * k // count
        width = elements * (k + 1) // count - first
        places[k] = first + np.int64(state >> np.uint64(11)) % width
    return places


@kernel
def cut(bits: Bits, mask: Any, kept: int, width: int) -> tuple[Any, int]:
    """Magnitude of the `kept`-th largest element, and how many as large as it are kept.

    A radix selection from the highest digit down: O(len(bits)) per digit, nothing is sorted.
    """
    histogram = np.zeros(1 << _DIGIT, np.int64)
    prefix = np.int64(0)
    left = kept
    shift = width
    while shift > 0:
        digit = min(_DIGIT, shift)
        shift -= digit
        last = (1 << digit) - 1
        histogram[:] = 0
        for i in range(bits.size):
            high = np.int64(bits[i] & mask) >> shift
            if high >> digit == prefix:
                histogram[high & last] += 1
        bucket = last
        while histogram[bucket] < left:
            left -= histogram[bucket]
            bucket -= 1
        prefix = (prefix << digit) | bucket
    return prefix, left


@kernel
def keep(bits: Bits, mask: Any, limit: int, ties: int, places: Ints) -> int:
    """Find what is above `limit` and the first `ties` at it, zeros never; returns how many.

    `places` has room for one more.
    """
    count = 0
    for i in range(bits.size):
        magnitude = np.int64(bits[i] & mask)
        is_tied = (magnitude == limit) & (ties > 0) & (limit > 0)
        ties -= is_tied
        places[count] = i
        count += (magnitude > limit) | is_tied
    return count


@kernel
def keep_among(bits: Bits, mask: Any, limit: int, ties: int, places: Ints, values: Numbers) -> int:
    """Move the candidates that `keep` would find to the front of `places` and `values`.

    `bits` are a view of `values`, of which no zero is a candidate.
    """
    count = 0
    for i in range(bits.size):
        magnitude = np.int64(bits[i] & mask)
        is_tied = (magnitude == limit) & (ties > 0)
        ties -= is_tied
        places[count] = places[i]
        values[count] = values[i]
        count += (magnitude > limit) | is_tied
    return count


@kernel
def put_rest(whole: Numbers, places: Ints, values: Numbers, sent: Numbers) -> None:
    """``whole[places] = values - sent``."""
    for k in range(places.size):
        whole[places[k]] = values[k] - sent[k]
