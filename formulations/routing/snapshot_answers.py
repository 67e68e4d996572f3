"""What snapshots answer: shortest paths from some nodes, or where to send for some targets."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .. import checks

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class SnapshotPaths:
    """Shortest paths from some nodes at some times.

    Attributes
    ----------
    times_s : array, shape (times,)
    sources, targets, node_names : tuple of str
        `targets` are all nodes unless some were asked for.
    weight : str
    distance : array, shape (times, sources, targets)
        In s (``"delay"``), links (``"hops"``) or s/bit (``"inverse_rate"``); infinite where there
        is no path.
    predecessor : array of int32, shape (times, sources, nodes)
        Position of the node before each one on its path from the source; -1 at the source itself
        and where there is no path.
    """

    times_s: Floats
    sources: tuple[str, ...]
    targets: tuple[str, ...]
    node_names: tuple[str, ...]
    weight: str
    distance: Floats
    predecessor: NDArray[np.int32]

    def __post_init__(self) -> None:
        for column in (self.times_s, self.distance, self.predecessor):
            column.flags.writeable = False

    def __len__(self) -> int:
        return len(self.times_s)

    def __repr__(self) -> str:
        return (
            f"SnapshotPaths({len(self)} times, {len(self.sources)} sources, "
            f"{len(self.targets)} targets of {len(self.node_names)} nodes, {self.weight})"
        )

    def path(self, step: int, source: str, target: str) -> tuple[str, ...]:
        """The nodes from a source to any node at a step, both included; empty without a path."""
        before = self.predecessor[_step(step, len(self)), _position("source", source, self.sources)]
        first = self.node_names.index(source)
        return _walk(before, _position("target", target, self.node_names), first, self.node_names)[
            ::-1
        ]

    def next_hop(self, step: int, source: str, target: str) -> str | None:
        """The node to which a source sends what is for a target; None without a path or a need."""
        path = self.path(step, source, target)
        return path[1] if len(path) > 1 else None

    def to_dict(self) -> dict[str, Any]:
        """Plain data; None where there is no path."""
        return {
            "weight": self.weight,
            "times_s": self.times_s.tolist(),
            "sources": list(self.sources),
            "targets": list(self.targets),
            "nodes": list(self.node_names),
            "distance": _plain(self.distance),
            "predecessor": self.predecessor.tolist(),
        }


@dataclass(frozen=True, slots=True, eq=False)
class ForwardingStates:
    """Where every node sends what is for some targets, at some times.

    Attributes
    ----------
    times_s : array, shape (times,)
    targets, node_names : tuple of str
    weight : str
    distance : array, shape (times, targets, nodes)
        From each node to the target, as in `SnapshotPaths`.
    next_hop : array of int32, shape (times, targets, nodes)
        Position of the node to send to; -1 at the target itself and where there is no path.
    """

    times_s: Floats
    targets: tuple[str, ...]
    node_names: tuple[str, ...]
    weight: str
    distance: Floats
    next_hop: NDArray[np.int32]

    def __post_init__(self) -> None:
        for column in (self.times_s, self.distance, self.next_hop):
            column.flags.writeable = False

    def __len__(self) -> int:
        return len(self.times_s)

    def __repr__(self) -> str:
        return (
            f"ForwardingStates({len(self)} times, {len(self.node_names)} nodes towards "
            f"{len(self.targets)} targets, {self.weight})"
        )

    def path(self, step: int, source: str, target: str) -> tuple[str, ...]:
        """The nodes from any node to a target at a step, both included; empty without a path."""
        after = self.next_hop[_step(step, len(self)), _position("target", target, self.targets)]
        last = self.node_names.index(target)
        return _walk(after, _position("source", source, self.node_names), last, self.node_names)

    def to_dict(self) -> dict[str, Any]:
        """Plain data; None where there is no path."""
        return {
            "weight": self.weight,
            "times_s": self.times_s.tolist(),
            "targets": list(self.targets),
            "nodes": list(self.node_names),
            "distance": _plain(self.distance),
            "next_hop": self.next_hop.tolist(),
        }


def _step(step: Any, count: int) -> int:
    number = checks.whole("step", step)
    if number >= count:
        checks.fail("step", step, f"a step from 0 to {count - 1}")
    return number


def _position(where: str, name: str, names: tuple[str, ...]) -> int:
    return names.index(checks.known(where, name, names))


def _walk(
    towards: NDArray[np.int32], start: int, root: int, names: tuple[str, ...]
) -> tuple[str, ...]:
    """The nodes from `start` to the root of a tree; empty where it is not in the tree."""
    nodes = [start]
    while nodes[-1] != root:
        following = int(towards[nodes[-1]])
        if following < 0:
            return ()
        nodes.append(following)
    return tuple(names[k] for k in nodes)


def _plain(distance: Floats) -> list[Any]:
    """Nested lists of a 3-dimensional array, None for infinity."""
    return [
        [[value if math.isfinite(value) else None for value in row] for row in block]
        for block in distance.tolist()
    ]
