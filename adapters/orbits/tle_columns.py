"""Single fields of two-line element sets, from text and to text."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from ...formulations import checks
from ...formulations.instants import iso
from .element_sets import printable

#: First digits of catalogue numbers from 100,000: A = 10 to Z = 33, without I and O.
ALPHA5 = "0123456789ABCDEFGHJKLMNPQRSTUVWXYZ"
LARGEST_NUMBER = len(ALPHA5) * 10_000 - 1

#: The last printed digit of an epoch, 1e-8 day, is a whole number of microseconds.
EPOCH_STEP = timedelta(microseconds=864)

#: Years of two digits: 57 to 99 are 1957 to 1999, 00 to 56 are 2000 to 2056.
FIRST_YEAR = 1957

_DESIGNATOR = re.compile(r"([0-9]{2})([0-9]{3}[A-Z]{1,3})")
_OBJECT_ID = re.compile(r"((?:19|20)[0-9]{2})-([0-9]{3}[A-Z]{1,3})")

#: What a character adds to a checksum.
_WORTH: Mapping[str, int] = {**{str(digit): digit for digit in range(10)}, "-": 1}


def checksum(line: str) -> int:
    """Sum of the digits of the first 68 columns, a minus counting 1, modulo 10."""
    return sum(_WORTH.get(character, 0) for character in line[:68]) % 10


def catalog_number_of(text: str) -> int:
    """Catalogue number of five digits, or of a letter and four (Alpha-5)."""
    return ALPHA5.index(text[0]) * 10_000 + int(text[1:]) if text[0].isalpha() else int(text)


def object_id_of(designator: str) -> str:
    """OMM's form of an international designator; anything else stays as it is."""
    found = _DESIGNATOR.fullmatch(designator)
    if found is None:
        return designator
    return f"{full_year(int(found[1]))}-{found[2]}"


def full_year(year: int) -> int:
    """Year that two digits stand for."""
    return year + (1900 if year >= FIRST_YEAR % 100 else 2000)


def epoch_of(year: str, day: str, fraction: str) -> datetime:
    """Moment of two digits of a year, a day of it from 1, and up to eight digits of a day."""
    start = datetime(full_year(int(year)), 1, 1, tzinfo=UTC) + timedelta(days=int(day) - 1)
    return start + int(fraction.ljust(8, "0")) * EPOCH_STEP


def number_text(number: int | None) -> str:
    """Catalogue number in five characters."""
    if number is None:
        checks.fail("catalog_number", number, "a catalogue number (a TLE has one)")
    if number > LARGEST_NUMBER:
        expected = f"at most {LARGEST_NUMBER}, all that a TLE can hold: write an OMM (write_omm)"
        checks.fail("catalog_number", number, expected)
    return f"{ALPHA5[number // 10_000]}{number % 10_000:04d}"


def designator_text(object_id: str) -> str:
    """International designator in eight characters."""
    found = _OBJECT_ID.fullmatch(object_id)
    if found is not None and FIRST_YEAR <= int(found[1]) < FIRST_YEAR + 100:
        return f"{found[1][2:]}{found[2]}".ljust(8)
    if len(object_id) > 8 or not object_id.isascii():
        checks.fail("object_id", object_id, "a launch such as '1998-067A', or 8 ASCII characters")
    return printable("object_id", object_id).ljust(8)


def epoch_text(epoch: datetime) -> str:
    """Epoch as YYDDD.DDDDDDDD, rounded to 864 microseconds."""
    # Half a step forward and down again: rounds without ever printing a day of 100000000 parts.
    rounded = epoch + EPOCH_STEP / 2 if epoch.year < FIRST_YEAR + 100 else epoch
    if not FIRST_YEAR <= rounded.year < FIRST_YEAR + 100:
        checks.fail("epoch", iso(epoch), "a year from 1957 to 2056 (a TLE prints two digits)")
    day, rest = divmod(rounded - datetime(rounded.year, 1, 1, tzinfo=UTC), timedelta(days=1))
    return f"{rounded.year % 100:02d}{day + 1:03d}.{rest // EPOCH_STEP:08d}"


def angle_text(angle_deg: float) -> str:
    """Angle from 0 to below 360 degrees in eight characters."""
    ticks = round(angle_deg % 360 * 10_000) % 3_600_000
    return f"{ticks / 10_000:8.4f}"


def fraction_text(value: float) -> str:
    """Eccentricity as seven digits after an assumed point."""
    digits = round(value * 10_000_000)
    if digits >= 10_000_000:
        checks.fail("eccentricity", value, "below 0.99999995 (a TLE prints seven digits)")
    return f"{digits:07d}"


def motion_text(value: float) -> str:
    """Mean motion in eleven characters."""
    text = f"{value:11.8f}"
    if len(text) > 11 or float(text) == 0:
        checks.fail("mean_motion_rev_per_day", value, "a number from 5e-9 to below 100")
    return text


def rate_text(value: float) -> str:
    """Derivative of the mean motion in ten characters."""
    digits = round(abs(value) * 100_000_000)
    if digits >= 100_000_000:
        checks.fail("mean_motion_dot", value, "a number between -1 and 1 (a TLE has no more room)")
    return f"{'-' if value < 0 and digits else ' '}.{digits:08d}"


def power_text(name: str, value: float) -> str:
    """Five digits after an assumed point and a power of ten of one digit."""
    size = abs(value)
    power = max(math.floor(math.log10(size)) + 1, -9) if size else 0
    digits = round(size * 10.0 ** (5 - power))
    if digits == 100_000:
        digits, power = 10_000, power + 1
    if not digits:
        return " 00000-0"
    if power > 9:
        checks.fail(name, value, "a number below 1e9 (a TLE has no more room)")
    return f"{'-' if value < 0 else ' '}{digits:05d}{'-' if power <= 0 else '+'}{abs(power)}"
