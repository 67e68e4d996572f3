"""What squeezing a gradient costs: its residual energy over the bytes that are sent.

A message keeps the `kept` largest of a tensor's entries, each value in so many `bits`. Its residual
energy is the sum of squares of what is dropped plus the quantiser's noise on what is kept.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .. import checks
from . import curves_kernel

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]


class Setting(NamedTuple):
    """What a compressor is told for one tensor, and what the curve says of it.

    Attributes
    ----------
    kept : int
        Entries sent; 0 is no message.
    bits : int
        Of one value; 0 where nothing is sent.
    size_bytes, error : float
    """

    kept: int
    bits: int
    size_bytes: float
    error: float


class Hull(NamedTuple):
    """Vertices of a curve's lower convex hull, from nothing sent to the least error.

    Attributes
    ----------
    size_bytes, error : array of float, shape (V,)
        Strictly ascending and strictly descending, the slopes ever flatter.
    """

    size_bytes: Floats
    error: Floats


@dataclass(frozen=True, slots=True, eq=False)
class ErrorCurve:
    """Residual energy over bytes of one tensor, for every number of entries and width of value.

    Between two numbers of entries of the grid both are linear: the error is at least the true one,
    as each further entry is worth less, and bytes of the usual grid are right to 0.4 %.

    Parameters
    ----------
    elements : int
        Entries of the tensor.
    energy : float
        Sum of squares of all entries: the error if nothing is sent.
    kept : array of int, shape (R,)
        Entries sent, ascending, from 1 to `elements`.
    bits : array of int, shape (B,)
        Bits of one value, ascending.
    size_bytes : array of float, shape (B, R)
        Bytes of the whole message; more entries take more.
    error : array of float, shape (B, R)
        Residual energy.
    dense_bytes : float, optional
        Bytes of the tensor as it is; 4 for each entry unless given.

    Raises
    ------
    InputError
        For wrong shapes, an order that is not ascending, or negative and infinite numbers.
    """

    elements: int
    energy: float
    kept: Ints
    bits: Ints
    size_bytes: Floats
    error: Floats
    dense_bytes: float | None = None
    _cache: dict[str, Any] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        where, put = "ErrorCurve", object.__setattr__
        put(self, "elements", checks.whole(f"{where}.elements", self.elements, low=1))
        put(self, "energy", checks.real(f"{where}.energy", self.energy))
        for name in ("kept", "bits"):
            put(self, name, ascending_counts(f"{where}.{name}", getattr(self, name)))
        if self.kept[-1] > self.elements:
            checks.fail(f"{where}.kept[-1]", int(self.kept[-1]), f"at most {self.elements} entries")
        shape = (len(self.bits), len(self.kept))
        for name in ("size_bytes", "error"):
            put(self, name, _table(f"{where}.{name}", getattr(self, name), shape))
        if (np.diff(self.size_bytes, axis=1) <= 0).any():
            step = float(np.diff(self.size_bytes, axis=1).min())
            checks.fail(f"{where}.size_bytes least step", step, "more bytes for more entries")
        dense = 4.0 * self.elements if self.dense_bytes is None else self.dense_bytes
        put(self, "dense_bytes", checks.real(f"{where}.dense_bytes", dense, strict=True))

    # -- what it says -----------------------------------------------------------------------------
    @property
    def keep_ratio(self) -> Floats:
        """Share of the entries sent, shape (R,)."""
        return self.kept / self.elements

    @property
    def hull(self) -> Hull:
        """Lower convex hull of nothing sent and all points; O(B R log(B R)), once."""
        if "hull" not in self._cache:
            size = np.concatenate([[0.0], self.size_bytes.ravel()])
            error = np.concatenate([[self.energy], self.error.ravel()])
            order = np.lexsort((error, size))
            size, error = size[order], error[order]
            chain = curves_kernel.lower_hull(size, error)
            self._cache["hull"] = Hull(size[chain], error[chain])
        found: Hull = self._cache["hull"]
        return found

    def at(self, kept: int, bits: int) -> Setting:
        """The curve at a number of entries and a width.

        Raises
        ------
        InputError
            If the entries are neither 0 nor within the grid, or the width is not of the curve.
        """
        count = checks.whole("ErrorCurve.at kept", kept)
        if count == 0:
            return Setting(0, 0, 0.0, self.energy)
        if not self.kept[0] <= count <= self.kept[-1]:
            expected = f"0, or from {self.kept[0]} to {self.kept[-1]}"
            checks.fail("ErrorCurve.at kept", kept, expected)
        row = np.flatnonzero(self.bits == bits)
        if not len(row):
            checks.fail("ErrorCurve.at bits", bits, f"one of {self.bits.tolist()}")
        b = int(row[0])
        size, error = curves_kernel.between(
            self.kept, self.size_bytes[b], self.error[b], self.energy, count
        )
        return Setting(count, int(bits), size, error)

    def best_within(self, room_bytes: float) -> Setting:
        """The setting of least error whose message takes at most so many bytes."""
        room = checks.real("ErrorCurve.best_within room_bytes", room_bytes, finite=False)
        count, row = curves_kernel.best_within(
            self.kept, self.size_bytes, self.error, self.energy, room
        )
        return self.at(count, int(self.bits[row]))

    # -- keeping ----------------------------------------------------------------------------------
    def to_dict(self) -> dict[str, Any]:
        """Plain data, ready for JSON."""
        return {
            "elements": self.elements,
            "energy": self.energy,
            "dense_bytes": self.dense_bytes,
            "kept": self.kept.tolist(),
            "bits": self.bits.tolist(),
            "size_bytes": self.size_bytes.tolist(),
            "error": self.error.tolist(),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> ErrorCurve:
        """The inverse of `to_dict`; an unknown or missing key is an `InputError`."""
        fields = ("elements", "energy", "dense_bytes", "kept", "bits", "size_bytes", "error")
        for key in data:
            checks.known("ErrorCurve key", key, fields)
        for key in fields:
            if key not in data and key != "dense_bytes":
                checks.fail("ErrorCurve keys", sorted(data), f"also {key!r}")
        return cls(**data)


def curves_to_json(curves: Mapping[str, Any]) -> str:
    """Curves by layer, or by node and layer, as text."""

    def plain(part: Any) -> Any:
        if isinstance(part, ErrorCurve):
            return {"curve": part.to_dict()}
        return {name: plain(inner) for name, inner in part.items()}

    return json.dumps(plain(curves))


def curves_from_json(text: str) -> dict[str, Any]:
    """The inverse of `curves_to_json`.

    Raises
    ------
    InputError
        If the text is not JSON of such a mapping.
    """
    try:
        data = json.loads(text)
    except json.JSONDecodeError as error:
        raise checks.InputError(f"curves: not JSON ({error})") from error

    def typed(where: str, part: Any) -> Any:
        if not isinstance(part, dict):
            checks.fail(where, part, "a curve or a mapping of curves")
        if set(part) == {"curve"} and isinstance(part["curve"], dict) and "kept" in part["curve"]:
            with checks.within(f"{where}:"):
                return ErrorCurve.from_dict(part["curve"])
        return {name: typed(f"{where}[{name!r}]", inner) for name, inner in part.items()}

    found = typed("curves", data)
    if isinstance(found, ErrorCurve):
        checks.fail("curves", "one curve", "a mapping of curves")
    result: dict[str, Any] = found
    return result


def ascending_counts(where: str, values: ArrayLike) -> Ints:
    """The values, checked to be ascending whole numbers from 1 up."""
    given = np.asarray(values)
    expected = "whole numbers from 1 up, ascending"
    if given.ndim != 1 or not given.size or not np.issubdtype(given.dtype, np.number):
        checks.fail(where, values, expected)
    found = given.astype(np.int64)
    if (found != given).any() or found[0] < 1 or (np.diff(found) <= 0).any():
        checks.fail(where, values, expected)
    return np.ascontiguousarray(found)


def _table(where: str, values: ArrayLike, shape: tuple[int, int]) -> Floats:
    """Finite numbers from 0 up, of that shape."""
    found = np.ascontiguousarray(values, dtype=np.float64)
    if found.shape != shape:
        checks.fail(f"{where} shape", found.shape, f"{shape} (bits, kept)")
    bad = ~(np.isfinite(found) & (found >= 0))
    if bad.any():
        checks.fail(where, float(found[bad][0]), "finite numbers >= 0")
    return found
