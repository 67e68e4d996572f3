"""Reading bytes that nobody vouches for: every length is checked before it is used."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .. import checks

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MORE = 0x80
_VARINT_BITS = 63


class WireError(checks.InputError):
    """Bytes that are no message of this library, or a damaged one."""


def varint(number: int) -> bytes:
    """Whole number from 0, seven bits a byte, lowest first; bit 7 says that more follow."""
    out = bytearray()
    while number >= _MORE:
        out.append(number & (_MORE - 1) | _MORE)
        number >>= 7
    out.append(number)
    return bytes(out)


class Cursor:
    """A place in a message that moves on with what is read."""

    __slots__ = ("at", "data", "end")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0
        self.end = len(data)

    def drop(self, count: int, what: str) -> None:
        """Take `count` bytes off the end."""
        self._need(count, what)
        self.end -= count

    def take(self, count: int, what: str) -> bytes:
        """Read `count` bytes."""
        self._need(count, what)
        self.at += count
        return self.data[self.at - count : self.at]

    def array(self, count: int, what: str) -> NDArray[np.uint8]:
        """Read `count` bytes as an array of its own memory."""
        return np.frombuffer(self.take(count, what), np.uint8).copy()

    def byte(self, what: str) -> int:
        """Read one byte."""
        return self.take(1, what)[0]

    def varint(self, what: str, most: int | None = None) -> int:
        """Read a whole number in its shortest form, at most `most`."""
        number = shift = 0
        while True:
            byte = self.byte(what)
            number |= (byte & (_MORE - 1)) << shift
            shift += 7
            if not byte & _MORE:
                break
            if shift >= _VARINT_BITS:
                raise WireError(f"message {what}: expected a number below 2**{_VARINT_BITS}")
        if byte == 0 and shift > 7:
            raise WireError(f"message {what}: expected no leading zeros")
        return number if most is None else self.bounded(what, number, most)

    def bounded(self, what: str, number: int, most: int) -> int:
        """Return `number` if it is at most `most`."""
        if number > most:
            raise WireError(f"message {what} = {number}: expected at most {most}")
        return number

    def _need(self, count: int, what: str) -> None:
        if count > self.end - self.at:
            left = self.end - self.at
            raise WireError(f"message {what}: expected {count} bytes, there are {left} left")
