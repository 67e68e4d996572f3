"""How soon light could be there: bounds that no route beats, whenever it departs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .arrival_kernel import search
from .contact_graph import ContactGraph
from .problem import RouteProblem

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


def least_seconds_from(
    graph: ContactGraph,
    usable: NDArray[np.bool_],
    nodes: NDArray[np.int64],
    volume_bytes: float = 0.0,
) -> Floats:
    """Least seconds under way from some nodes to every other, as if every link always stood.

    Parameters
    ----------
    graph : ContactGraph
    usable : ndarray of bool, shape (contacts,)
    nodes : ndarray, shape (nodes,)
        Positions; the nearest of them counts.
    volume_bytes : float
        0: light time alone; else the time of each transmission comes on top.

    Returns
    -------
    ndarray, shape (nodes,)
        Infinite where no sequence of links leads.
    """
    label = np.full(graph.nodes, np.inf)
    label[nodes] = 0.0
    arcs = graph.least_seconds(usable, volume_bytes)
    contact, goal = np.empty(graph.nodes, dtype=np.int64), np.zeros(graph.nodes, dtype=bool)
    every = np.ones(1, dtype=bool)
    search(arcs, label, contact, 0.0, every, goal, np.inf, 0.0, label)
    return label


def light_time_bound(problem: RouteProblem) -> float:
    """Least light time from source to target over links of a problem's plan, whenever they stand.

    A shortest path over the least delay of each link; infinite where no links lead there.
    """
    graph = ContactGraph.of(problem.plan)
    usable = graph.usable(problem.plan, problem.without)
    source = np.array([problem.plan.index(problem.source)])
    return float(least_seconds_from(graph, usable, source)[problem.targets].min())
