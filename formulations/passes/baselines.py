"""What operators do today, to compare with: plans made without looking ahead.

`first_come` and `greedy` send over a source's own contacts only; `myopic` lets satellites
cooperate, slot by slot; `alone` is the problem without cooperation, for any road to solve. All
keep every rule of the problem: their schedules have no violations.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from .first_come import first_come
from .greedy import greedy
from .myopic import myopic
from .problem import PassProblem
from .transfers import Transfers

__all__ = ["BASELINES", "alone", "first_come", "greedy", "myopic"]


def alone(problem: PassProblem) -> PassProblem:
    """Without cooperation: the same problem without contacts between orbital nodes."""
    rows, nodes = problem.plan.arrays, problem.plan.nodes
    orbital = np.array([node.kind == "orbital" for node in nodes])
    kept = ~(orbital[rows["source"]] & orbital[rows["target"]])
    plan = replace(problem.plan, arrays={name: column[kept] for name, column in rows.items()})
    return problem.replace(plan=plan)


#: Baselines that need no solver; `myopic` needs one, and `alone` is a problem to solve.
BASELINES: dict[str, Callable[[PassProblem], Transfers]] = {
    "first-come": first_come,
    "greedy": greedy,
}
