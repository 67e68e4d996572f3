"""What a compressor does with a tensor: its settings, checked once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from .. import checks
from .levels import FEWEST_BITS, MOST_BITS, SPACINGS

#: A value as wide as the tensor's own numbers; None says the same.
EXACT_BITS = 32

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheme:
    """Settings of a `Compressor`; see there.

    Attributes
    ----------
    keep_ratio : float or mapping of str to float
    bits : int or None, or mapping of str to int or None
    levels : str
    error_feedback : bool
    momentum : float
    stochastic_rounding : bool
    threshold : float
    min_kept : int
    seed : int
    """

    keep_ratio: float | Mapping[str, float] = 0.01
    bits: int | Mapping[str, int | None] | None = 8
    levels: str = "log"
    error_feedback: bool = True
    momentum: float = 0.0
    stochastic_rounding: bool = False
    threshold: float = 0.0
    min_kept: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        for where, ratio in _each("Compressor.keep_ratio", self.keep_ratio):
            checks.between(where, ratio, 0.0, 1.0)
        for where, bits in _each("Compressor.bits", self.bits):
            _check_bits(where, bits)
        checks.known("Compressor.levels", self.levels, SPACINGS)
        for name in ("error_feedback", "stochastic_rounding"):
            if not isinstance(getattr(self, name), bool):
                checks.fail(f"Compressor.{name}", getattr(self, name), "True or False")
        if checks.between("Compressor.momentum", self.momentum, 0.0, 1.0) == 1.0:
            checks.fail("Compressor.momentum", self.momentum, "a number below 1")
        if self.momentum and not self.error_feedback:
            checks.fail(
                "Compressor.momentum", self.momentum, "0 without error_feedback, which it corrects"
            )
        checks.real("Compressor.threshold", self.threshold)
        checks.whole("Compressor.min_kept", self.min_kept)
        checks.whole("Compressor.seed", self.seed)

    def kept(self, name: str, elements: int) -> int:
        """How many entries of a tensor may be sent.

        The share is rounded to a whole number, at least `min_kept` unless the share is 0.
        """
        ratio = _of("Compressor.keep_ratio", self.keep_ratio, name)
        if ratio == 0.0:
            return 0
        return min(elements, max(int(self.min_kept), round(ratio * elements)))

    def bits_of(self, name: str) -> int | None:
        """Bits of a quantised value of a tensor; None for numbers as they are."""
        bits = _of("Compressor.bits", self.bits, name)
        return None if bits is None or bits == EXACT_BITS else int(bits)


def _each(where: str, value: object) -> list[tuple[str, object]]:
    if isinstance(value, Mapping):
        return [(f"{where}[{name!r}]", entry) for name, entry in value.items()]
    return [(where, value)]


def _of(where: str, value: T | Mapping[str, T], name: str) -> T:
    if isinstance(value, Mapping):
        return value[checks.known(f"{where} of tensor", name, tuple(value))]
    return value


def _check_bits(where: str, bits: object) -> None:
    if bits is None:
        return
    if bits != EXACT_BITS and not FEWEST_BITS <= checks.whole(where, bits) <= MOST_BITS:
        checks.fail(where, bits, f"{FEWEST_BITS} to {MOST_BITS}, {EXACT_BITS} or None")
