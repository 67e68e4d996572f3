"""Why there is no route, in words: the first of the reasons that explains it."""

from __future__ import annotations

import math

import numpy as np

from .light import least_seconds_from
from .objectives import earliest_route
from .problem import RouteProblem
from .searching import Searching


def why_none(problem: RouteProblem) -> str:
    """Say why a problem without a route has none.

    Parameters
    ----------
    problem : RouteProblem

    Returns
    -------
    str
        Beginning with ``"no route: "``.
    """
    return f"no route: {_reason(problem)}"


def _reason(problem: RouteProblem) -> str:
    case, rows = Searching.of(problem), problem.plan.arrays
    leaving = case.usable & (rows["source"] == case.source)
    arriving = case.usable & np.isin(rows["target"], case.targets)
    for some, told in (
        (leaving, f"leaves {problem.source!r}"),
        (arriving, f"reaches {problem.target!r}"),
    ):
        if not some.any():
            left = ", with what is left out" if problem.without else ""
            return f"no contact {told}{left}"
    last = float(rows["end_s"][leaving].max())
    if problem.depart_s >= last:
        return (
            f"the departure at {problem.depart_s:.12g} s comes after the last contact from "
            f"{problem.source!r}, which ends at {last:.12g} s"
        )
    fits = problem.plan.volume_bytes * (1 + 1e-12) >= problem.volume_bytes
    for some, told in ((leaving, f"from {problem.source!r}"), (arriving, f"to {problem.target!r}")):
        if not (some & fits).any():
            most = float(problem.plan.volume_bytes[some].max())
            return (
                f"the volume of {problem.volume_bytes:.12g} bytes is larger than any contact "
                f"{told}, at most {most:.12g} bytes"
            )
    source = np.array([case.source])
    label = least_seconds_from(case.graph, case.usable & fits, source, problem.volume_bytes)
    if not np.isfinite(label[case.targets]).any():
        large = " that are large enough" if problem.volume_bytes else ""
        return (
            f"no contacts{large}, at whatever time, lead from {problem.source!r} "
            f"to {problem.target!r}"
        )
    soonest = None
    if math.isfinite(problem.arrive_by_s):
        soonest = earliest_route(problem.replace(arrive_by_s=math.inf))
    if soonest is not None:
        return (
            f"the earliest arrival is {soonest.arrival_s:.12g} s, "
            f"after arrive_by_s = {problem.arrive_by_s:.12g}"
        )
    return (
        f"contacts on every way from {problem.source!r} to {problem.target!r} end before a bundle "
        f"that departs at {problem.depart_s:.12g} s can take them"
    )
