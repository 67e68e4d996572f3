"""Why a problem has no placement, in one sentence that is proven, the simplest that is found.

Conditions on one layer come first, then on groups, edges and the whole (`reasons`). What no
single condition explains is left to an exhaustive search that drops kinds of constraints as long
as the rest stays impossible: an irreducible set of kinds.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from ..graphs.dag import solve_dag
from ..outcome import Watch
from ..problem import PartitionProblem
from . import reasons

_CHECKS = (
    reasons.one_layer,
    reasons.groups,
    reasons.edges,
    reasons.contiguity,
    reasons.memory,
    reasons.halves,
    reasons.cuts,
    reasons.limits,
)


def explain(problem: PartitionProblem, *, effort: float = 0.2) -> str | None:
    """Say why no placement is feasible.

    Parameters
    ----------
    problem : PartitionProblem
    effort : float
        How long to search where no single condition explains it (1 is a few seconds per try).

    Returns
    -------
    str or None
        A proven reason, or None: feasible, or no reason found.

    Examples
    --------
    ``layers 0-79 need 138 GB, all nodes together offer 120 GB``
    """
    for check in _CHECKS:
        found = check(problem)
        if found is not None:
            return found
    return _together(problem, effort)


def _together(problem: PartitionProblem, effort: float) -> str | None:
    """Drop kinds of constraints while the rest stays impossible; name those that remain."""
    if problem.max_replicas > 1:
        return None
    plain = problem.replace(objective="bandwidth", reference=None)

    def impossible(candidate: PartitionProblem) -> bool:
        return solve_dag(candidate, Watch(), effort=effort).bound == math.inf

    if not impossible(plain):
        return None
    kinds: list[tuple[str, bool, dict[str, Any]]] = [
        ("the limits on " + " and ".join(plain.limits), bool(plain.limits), {"limits": {}}),
        (f"max_cuts = {plain.max_cuts}", plain.max_cuts is not None, {"max_cuts": None}),
        ("contiguous pieces", plain.contiguous, {"contiguous": False}),
        ("co-located layers", bool(plain.colocated), {"colocated": ()}),
        ("forbidden nodes", bool(plain.forbidden), {"forbidden": {}}),
        ("pinned layers", bool(plain.pinned), {"pinned": {}}),
        ("the input node", plain.input_node is not None, {"input_node": None}),
        ("the output node", plain.output_node is not None, {"output_node": None}),
        ("memory", bool(np.isfinite(plain.costs().memory_bytes).any()), _no_memory(plain)),
    ]
    left: list[str] = []
    for words, present, change in kinds:
        if not present:
            continue
        fewer = plain.replace(**change)
        if impossible(fewer):
            plain = fewer
        else:
            left.append(words)
    if not left:
        return "no placement has routes for all transfers"
    if len(left) == 1:
        return f"no placement satisfies {left[0]} (proven by exhaustive search)"
    return "no placement satisfies all of these together (proven by exhaustive search): " + (
        ", ".join(left)
    )


def _no_memory(problem: PartitionProblem) -> dict[str, Any]:
    nodes = tuple(replace(node, memory_bytes=math.inf) for node in problem.network.nodes)
    return {"network": replace(problem.network, nodes=nodes)}
