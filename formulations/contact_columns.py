"""Contacts and eclipses as columns: their types, checks, clipping and merging.

Everything here is arrays; sorting hashes for duplicates, O(n log n), is the costliest step.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from . import checks

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: Columns of a plan's contacts and of its eclipses, with their types.
CONTACT_COLUMNS: Mapping[str, Any] = MappingProxyType(
    {
        "source": np.int32,
        "target": np.int32,
        "start_s": np.float64,
        "end_s": np.float64,
        "rate_bps": np.float64,
        "delay_s": np.float64,
    }
)
ECLIPSE_COLUMNS: Mapping[str, Any] = MappingProxyType(
    {
        "node": np.int32,
        "start_s": np.float64,
        "end_s": np.float64,
        "umbra_start_s": np.float64,
        "umbra_end_s": np.float64,
    }
)

#: An odd number spreads the bits of what it multiplies, and no two products modulo 2**64 are equal.
_ODD = np.uint64(0x9E3779B97F4A7C15)


def columns(
    where: str, given: Mapping[str, Any], types: Mapping[str, Any]
) -> Mapping[str, NDArray[Any]]:
    """Read-only arrays of one length in the order of `types`; all empty where none is given."""
    if not isinstance(given, Mapping):
        checks.fail(where, type(given).__name__, f"a mapping with {', '.join(types)}")
    for name in given:
        checks.known(f"{where} column", name, tuple(types))
    found: dict[str, NDArray[Any]] = {}
    for name, dtype in types.items():
        if given and name not in given:
            checks.fail(f"{where}[{name!r}]", None, "a column (it is missing)")
        column = _numbers(f"{where}[{name!r}]", given.get(name, ()), dtype)
        if column.ndim != 1 or (found and len(column) != len(next(iter(found.values())))):
            checks.fail(
                f"{where}[{name!r}] shape", column.shape, "one dimension, one length for all"
            )
        column.flags.writeable = False
        found[name] = column
    return MappingProxyType(found)


def _numbers(where: str, given: Any, dtype: Any) -> NDArray[Any]:
    """A copy of the numbers given (whoever holds them may change them later) in another type."""
    try:
        column = np.asarray(given)
    except ValueError as error:  # a ragged list
        checks.fail(where, str(error), f"numbers ({np.dtype(dtype).name})")
    if column.size == 0:
        column = column.astype(np.float64)
    if column.dtype.kind not in "iuf":
        checks.fail(where, f"an array of {column.dtype}", f"numbers ({np.dtype(dtype).name})")
    with np.errstate(invalid="ignore"):
        found = np.array(column, dtype=dtype)
    if np.dtype(dtype).kind == "i" and not np.array_equal(found, column):
        k = int(np.argmax((found != column).ravel()))
        checks.fail(f"{where}[{k}]", column.ravel()[k].item(), "a position, a whole number")
    return found


def _first(wrong: NDArray[np.bool_]) -> int | None:
    return int(np.argmax(wrong)) if wrong.any() else None


def check_contacts(rows: Mapping[str, NDArray[Any]], names: tuple[str, ...]) -> None:
    """Refuse the first contact that is wrong, a column at a time."""

    def refuse(wrong: NDArray[np.bool_], column: str, expected: str) -> None:
        k = _first(wrong)
        if k is not None:
            checks.fail(f"contacts[{k}].{column}", rows[column][k].item(), expected)

    for end in ("source", "target"):
        refuse(
            (rows[end] < 0) | (rows[end] >= len(names)),
            end,
            f"a position from 0 to {len(names) - 1}",
        )
    refuse(rows["source"] == rows["target"], "target", "another node than the source")
    refuse(~np.isfinite(rows["start_s"]), "start_s", "a finite number")
    refuse(
        ~(rows["end_s"] > rows["start_s"]) | np.isinf(rows["end_s"]),
        "end_s",
        "a finite end after the start",
    )
    for name in ("rate_bps", "delay_s"):
        refuse(~(rows[name] >= 0) | np.isinf(rows[name]), name, "a finite number >= 0")
    first = repeats(rows, tuple(CONTACT_COLUMNS))
    k = _first(first != np.arange(len(first)))
    if k is not None:
        pair = f"{names[rows['source'][k]]!r} -> {names[rows['target'][k]]!r}"
        checks.fail(f"contacts[{k}]", pair, f"no exact duplicate (it repeats contacts[{first[k]}])")


def check_eclipses(rows: Mapping[str, NDArray[Any]], count: int) -> None:
    """Refuse the first eclipse that is wrong."""
    wrong = (rows["node"] < 0) | (rows["node"] >= count) | ~(rows["end_s"] > rows["start_s"])
    for name, column in rows.items():
        wrong |= np.isinf(column) if name.startswith("umbra") else ~np.isfinite(column)
    k = _first(wrong)
    if k is not None:
        shown = {name: column[k].item() for name, column in rows.items()}
        checks.fail(
            f"eclipses[{k}]", shown, "a known node, finite times and an end after the start"
        )


def clip(
    rows: Mapping[str, NDArray[Any]],
    start_s: float,
    end_s: float,
    ends: tuple[str, ...],
    number: NDArray[np.int64],
) -> dict[str, NDArray[Any]]:
    """Rows clipped to a window, between nodes that stay, renumbered."""
    start, end = np.maximum(rows["start_s"], start_s), np.minimum(rows["end_s"], end_s)
    keep = start < end
    for name in ends:
        keep &= number[rows[name]] >= 0
    found: dict[str, NDArray[Any]] = {name: column[keep] for name, column in rows.items()}
    found["start_s"], found["end_s"] = start[keep], end[keep]
    for name in ends:
        found[name] = number[found[name]]
    return found


def merged(rows: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Columns of contacts in which exact duplicates are one contact with the sum of the rates.

    A contact that differs from them in its rate alone joins them; it counts as one more terminal.
    """
    first = repeats(rows, tuple(CONTACT_COLUMNS))
    found: dict[str, NDArray[Any]] = {name: np.array(column) for name, column in rows.items()}
    if (first == np.arange(len(first))).all():
        return found
    apart = tuple(name for name in CONTACT_COLUMNS if name != "rate_bps")
    group = repeats(rows, apart)
    joined = np.zeros(len(first), dtype=bool)
    joined[group[first != np.arange(len(first))]] = True
    into = np.where(joined[group], group, np.arange(len(first)))
    found["rate_bps"] = np.bincount(into, weights=rows["rate_bps"], minlength=len(first))
    stay = into == np.arange(len(first))
    return {name: column[stay] for name, column in found.items()}


def repeats(rows: Mapping[str, NDArray[Any]], names: tuple[str, ...]) -> NDArray[np.int64]:
    """For each row the first one that equals it in the columns named, itself if there is none.

    Rows are told apart by a 64-bit hash of their numbers, and only those that share one by the
    numbers themselves.
    """
    number = np.arange(len(rows[names[0]]), dtype=np.int64)
    mixed = np.zeros(len(number), dtype=np.uint64)
    for name in names:
        bits = (rows[name].astype(np.float64) + 0.0).view(np.uint64)  # one zero, not two
        mixed = (mixed ^ bits) * _ODD
        mixed ^= mixed >> np.uint64(29)
    by_hash = np.sort(mixed)
    shared = by_hash[1:][by_hash[1:] == by_hash[:-1]]
    if not len(shared):
        return number
    alike = np.flatnonzero(np.isin(mixed, shared))
    columns = [rows[name][alike] for name in names]
    order = np.lexsort(columns)  # stable: in order of rows
    new = np.zeros(len(order), dtype=bool)
    new[:1] = True
    for column in columns:
        new[1:] |= column[order][1:] != column[order][:-1]
    head = np.flatnonzero(new)
    number[alike[order]] = np.repeat(alike[order[head]], np.diff(head, append=len(order)))
    return number
