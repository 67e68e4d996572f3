"""Which updates a server has seen, so that each counts once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import checks

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .updates import Key

#: Updates of a node that are remembered at least. Of older ones a late copy cannot be told from a
#: first arrival, and both are answered as duplicates: nothing counts twice.
REMEMBERED = 4096


class Mark(IntEnum):
    """What is known of an update."""

    WAITING = 0
    COUNTED = 1
    SUPERSEDED = 2


class Ledger:
    """Marks of updates by node, base version and sequence; each node's oldest are forgotten."""

    __slots__ = ("_floors", "_latest", "_marks")

    def __init__(self) -> None:
        self._latest: dict[str, Key] = {}
        self._marks: dict[str, dict[Key, Mark]] = {}
        self._floors: dict[str, Key] = {}

    def mark(self, node: str, key: Key) -> Mark | None:
        """What is known of an update; None where it never came. A forgotten one is COUNTED."""
        found = self._marks.get(node, {}).get(key)
        if found is None and node in self._floors and key <= self._floors[node]:
            return Mark.COUNTED
        return found

    def latest(self, node: str) -> Key | None:
        """The last update of a node that counted."""
        return self._latest.get(node, self._floors.get(node))

    def put(self, node: str, keys: Sequence[Key], mark: Mark) -> None:
        """Mark updates of a node."""
        rows = self._marks.setdefault(node, {})
        rows.update(dict.fromkeys(keys, mark))
        if mark is Mark.COUNTED and keys:
            self._latest[node] = max(*keys, self._latest.get(node, keys[0]))
        if len(rows) > 2 * REMEMBERED:
            self._forget(node, rows)

    def _forget(self, node: str, rows: dict[Key, Mark]) -> None:
        old = [key for key in sorted(rows)[:-REMEMBERED] if rows[key] is not Mark.WAITING]
        for key in old:
            del rows[key]
        if old:
            self._floors[node] = max(old[-1], self._floors.get(node, old[-1]))

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """The ledger as arrays, one row an update (``ledger/``) or a forgotten end (``floor/``)."""
        rows = [
            (node, *key, mark) for node, own in self._marks.items() for key, mark in own.items()
        ]
        floors = [(node, *key) for node, key in self._floors.items()]
        return {
            "ledger/node": np.array([row[0] for row in rows], dtype=np.str_),
            "ledger/rows": np.array([row[1:] for row in rows], dtype=np.int64).reshape(-1, 3),
            "floor/node": np.array([row[0] for row in floors], dtype=np.str_),
            "floor/rows": np.array([row[1:] for row in floors], dtype=np.int64).reshape(-1, 2),
        }

    @classmethod
    def of(cls, where: str, state: Mapping[str, Any]) -> Ledger:
        """The ledger of `state_dict`."""
        ledger = cls()
        for node, row in zip(*table(where, state, "floor", 2), strict=True):
            ledger._floors[node] = (row[0], row[1])
        for node, row in zip(*table(where, state, "ledger", 3), strict=True):
            if row[2] not in Mark.__members__.values():
                checks.fail(f"{where}['ledger/rows'] mark", row[2], f"one of {[*map(int, Mark)]}")
            ledger.put(node, [(row[0], row[1])], Mark(row[2]))
        return ledger


def entry(where: str, state: Mapping[str, Any], name: str) -> NDArray[Any]:
    """One array of a saved state."""
    if name not in state:
        checks.fail(f"{where} entries", sorted(state), f"an entry {name!r}")
    return np.asarray(state[name])


def table(
    where: str, state: Mapping[str, Any], name: str, width: int
) -> tuple[list[str], list[list[int]]]:
    """Names and rows of whole numbers of a saved state."""
    nodes = entry(where, state, f"{name}/node")
    rows = entry(where, state, f"{name}/rows")
    if nodes.ndim != 1 or rows.shape != (len(nodes), width):
        checks.fail(f"{where}[{name + '/rows'!r}] shape", rows.shape, f"({len(nodes)}, {width})")
    return [str(node) for node in nodes], rows.astype(np.int64).tolist()
