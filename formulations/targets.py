"""What a target of bytes may be called: one node, or any on the ground."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from . import checks
from .contacts import ContactPlan

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: The target that means any ground node.
GROUND = "ground"


def targets_of(where: str, plan: ContactPlan, target: str) -> NDArray[np.int64]:
    """Positions of the nodes that a target means: itself, or for ``"ground"`` every ground node."""
    if target != GROUND or GROUND in plan.node_names:
        return np.array([plan.index(target, where)], dtype=np.int64)
    ground = [k for k, node in enumerate(plan.nodes) if node.kind == "ground"]
    if not ground:
        expected = "a node's name (no node of the plan is of the kind 'ground')"
        checks.fail(where, target, expected)
    return np.array(ground, dtype=np.int64)
