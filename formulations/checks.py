"""One clear error for bad input: the field, the value and what was expected."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import NoReturn


class InputError(ValueError):
    """Data that no problem can be built from; the message names field, value and expectation."""


class UnknownNameError(InputError):
    """A name that is not among the valid ones; the message offers the nearest."""


def fail(where: str, value: object, expected: str) -> NoReturn:
    """Raise the one error format of the library: ``where = value: expected ...``."""
    raise InputError(f"{where} = {value!r}: expected {expected}")


@contextmanager
def within(place: str) -> Iterator[None]:
    """Put `place`, its colon or bracket included, before an error's message."""
    try:
        yield
    except (InputError, FileNotFoundError) as error:
        raise type(error)(f"{place} {error}") from error


def real(
    where: str,
    value: object,
    *,
    low: float = 0.0,
    strict: bool = False,
    finite: bool = True,
) -> float:
    """Return `value` as a float that is not NaN, at least `low`, and finite unless said."""
    expected = f"a {'finite ' if finite else ''}number {'>' if strict else '>='} {low:g}"
    if isinstance(value, bool | str) or value is None:
        fail(where, value, expected)
    try:
        number = float(value)  # type: ignore[arg-type]  # anything with __float__, NumPy included
    except (TypeError, ValueError, OverflowError):
        fail(where, value, expected)
    if math.isnan(number) or number < low or (strict and number == low):
        fail(where, value, expected)
    if finite and math.isinf(number):
        fail(where, value, expected)
    return number


def between(where: str, value: object, low: float, high: float) -> float:
    """Return `value` as a finite float from `low` to `high`, both included."""
    expected = f"a number from {low:g} to {high:g}"
    if isinstance(value, bool | str) or value is None:
        fail(where, value, expected)
    try:
        number = float(value)  # type: ignore[arg-type]  # anything with __float__, NumPy included
    except (TypeError, ValueError, OverflowError):
        fail(where, value, expected)
    if not low <= number <= high:
        fail(where, value, expected)
    return number


def whole(where: str, value: object, *, low: int = 0) -> int:
    """Return `value` as an int that is at least `low`."""
    number = real(where, value, low=low)
    if number != int(number):
        fail(where, value, f"a whole number >= {low}")
    return int(number)


def text(where: str, value: object) -> str:
    """Return `value` if it is a non-empty string."""
    if not isinstance(value, str) or not value:
        fail(where, value, "a non-empty string")
    return value


def nearest(value: object, valid: Iterable[str]) -> str:
    """Return the valid name closest to `value`, as ``'; did you mean ...?'`` or nothing."""
    close = difflib.get_close_matches(str(value), list(valid), n=1, cutoff=0.3)
    return f"; did you mean {close[0]!r}?" if close else ""


def known(where: str, value: object, valid: Sequence[str]) -> str:
    """Return `value` if it is one of `valid`, else raise naming the nearest valid one."""
    if isinstance(value, str) and value in valid:
        return value
    shown = ", ".join(repr(v) for v in valid[:12]) + (", ..." if len(valid) > 12 else "")
    raise UnknownNameError(f"{where} = {value!r}: expected one of {shown}{nearest(value, valid)}")


def unique(where: str, names: Sequence[str]) -> None:
    """Refuse a name that stands twice."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            fail(where, name, "every name once")
        seen.add(name)
