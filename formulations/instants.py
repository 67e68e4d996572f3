"""Points in time: timezone-aware UTC datetimes and Julian dates."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from . import checks

#: J2000.0 as a UTC calendar date, 2000-01-01 12:00, is Julian date 2451545.0.
J2000 = datetime(2000, 1, 1, 12, tzinfo=UTC)
J2000_JD = 2451545.0
DAY_S = 86400.0


def instant(where: str, value: object) -> datetime:
    """Return `value` as a UTC datetime; one without a timezone is an error.

    A text without an offset is UTC (`parse`).
    """
    if isinstance(value, str):
        value = parse(where, value)
    if not isinstance(value, datetime) or value.tzinfo is None:
        expected = "a timezone-aware datetime, such as datetime(2026, 1, 1, tzinfo=timezone.utc)"
        checks.fail(where, value, expected)
    found = value.astimezone(UTC)
    if type(found) is not datetime:  # a pandas Timestamp, say: what comes out is plain
        found = datetime(*found.timetuple()[:6], found.microsecond, tzinfo=UTC)
    return found


def parse(where: str, text: str) -> datetime:
    """Read an ISO 8601 date and time; without an offset it is UTC, as orbit files have it."""
    try:
        found = datetime.fromisoformat(text.strip())
    except ValueError:
        checks.fail(where, text, "a date and time such as 2026-01-01T00:00:00Z")
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def iso(moment: datetime) -> str:
    """Write a moment as ISO 8601 with Z."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"


def seconds_between(first: datetime, second: datetime) -> float:
    """UTC seconds from `first` to `second`, exact to the microsecond; no leap seconds."""
    return (second - first) / timedelta(seconds=1)


def julian_day(moment: datetime) -> tuple[float, float]:
    """Julian date of a UTC moment as a whole-and-a-half day and a fraction of a day."""
    days, rest = divmod(moment - J2000, timedelta(days=1))
    return J2000_JD + days, rest / timedelta(days=1)
