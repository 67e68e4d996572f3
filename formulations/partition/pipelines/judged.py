"""From stages to a judged plan: nodes get their names, the judge its say, the watch the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..solution import Partition

if TYPE_CHECKING:
    from ..outcome import Watch
    from ..problem import PartitionProblem
    from .contracted import Contracted
    from .ideals import IdealResult


def offer_stages(
    problem: PartitionProblem, graph: Contracted, watch: Watch, found: IdealResult
) -> None:
    """Name the nodes of an `IdealResult`'s stages, judge the plan, report it when feasible."""
    stage, of_class, copies = (
        found.stage_of_vertex, found.class_of_vertex, found.copies_of_vertex
    )  # fmt: skip
    if stage is None or of_class is None or copies is None:
        return
    free = [list(nodes) for nodes in graph.members]
    rows: dict[int, tuple[int, ...]] = {}
    for v in np.argsort(stage, kind="stable"):
        if int(stage[v]) not in rows:
            pool = free[int(of_class[v])]
            rows[int(stage[v])] = tuple(pool.pop(0) for _ in range(int(copies[v])))
    offer_rows(problem, watch, [rows[int(stage[v])] for v in graph.vertex_of_layer])


def offer_rows(problem: PartitionProblem, watch: Watch, rows: list[tuple[int, ...]]) -> None:
    """Judge the nodes of each layer as a plan, and report it when feasible."""
    names = problem.network.node_names
    replicated = any(len(row) > 1 for row in rows)
    partition = Partition(
        problem,
        tuple(names[row[0]] for row in rows),
        tuple(tuple(names[n] for n in row) for row in rows) if replicated else None,
    )
    if not partition.violations():
        placement = np.array([row[0] for row in rows], dtype=np.int64)
        watch.offer(placement, partition.objective, tuple(rows) if replicated else None)
