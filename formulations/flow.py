"""A flow network as columns: what max-flow algorithms read, and what judges their answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from . import checks

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class FlowNetwork:
    """Directed arcs with capacities, a source and a sink.

    Attributes
    ----------
    nodes : int
        Number of nodes, numbered from 0.
    tail, head : array of int64, shape (arcs,)
    capacity : array of float64, shape (arcs,)
        Not negative; infinite where nothing limits.
    source, sink : int
    """

    nodes: int
    tail: Ints
    head: Ints
    capacity: Floats
    source: int
    sink: int

    def __post_init__(self) -> None:
        for name in ("tail", "head"):
            ends = getattr(self, name)
            if len(ends) and not (ends.min() >= 0 and ends.max() < self.nodes):
                checks.fail(f"FlowNetwork.{name}", int(ends.max()), f"nodes below {self.nodes}")
        if not (self.capacity >= 0).all():
            k = int(np.argmin(self.capacity >= 0))
            checks.fail(f"FlowNetwork.capacity[{k}]", float(self.capacity[k]), "a number >= 0")

    def value(self, flow: Floats) -> float:
        """What leaves the source, net."""
        gone = flow[self.tail == self.source].sum() - flow[self.head == self.source].sum()
        return float(gone)

    def violation(self, flow: Floats) -> float:
        """Largest breach of a capacity or of conservation at a node, absolute."""
        over = np.maximum(flow - self.capacity, -flow).max(initial=0.0)
        balance = np.zeros(self.nodes)
        np.add.at(balance, self.head, flow)
        np.add.at(balance, self.tail, -flow)
        balance[[self.source, self.sink]] = 0.0
        return float(max(over, np.abs(balance).max(initial=0.0)))

    def cut_capacity(self, side: NDArray[np.bool_]) -> float:
        """Capacity from the nodes of `side` (the source among them) to the others."""
        across = side[self.tail] & ~side[self.head]
        return float(self.capacity[across].sum())
