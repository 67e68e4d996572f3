"""Commodities one after another: maximum flows through what the ones before left."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ..formulations.passes import Demand, PassProblem, Transfers
from ..formulations.passes.cuts import cut_in_words
from ..formulations.passes.expansion import Expansion
from ..formulations.passes.flows import build, commodities, read
from .maxflow import max_flow
from .pass_answer import Answer
from .pass_grid import Grid, grid_of
from .result import Limit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..formulations.partition.outcome import Watch

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]


def in_sequence(
    problem: PassProblem, grid: Grid, groups: list[Ints], watch: Watch | None = None
) -> Answer:
    """Commodities one after another, each through what the others left.

    The bound is the flow of all of them as one: any target counts, the latest deadline holds.
    """
    inner = grid.inner
    found = one_by_one(problem, inner, groups, inner.volume_bytes, inner.period_s, watch)
    message = f"{len(groups)} commodities, one after another; the bound takes them as one"
    if found.limit is None:
        bound, _ = together(problem, grid)
    else:
        bound = float(sum(row.volume_bytes for row in problem.demands))
    return replace(found, bound=bound, message=message)


def one_by_one(
    problem: PassProblem,
    expansion: Expansion,
    groups: list[Ints],
    piece_bytes: Floats,
    period_s: Floats,
    watch: Watch | None = None,
) -> Answer:
    """Flows of commodities one after another through what is left of pieces, periods and storage.

    A demand that is not splittable, on its own and without room for all of it, is left out.
    An interrupt, or the end of the watch's time, keeps those that are planned.
    """
    pieces, periods = piece_bytes.copy(), period_s.copy()
    room = problem.storage[expansion.node]
    rate = problem.plan.arrays["rate_bps"][expansion.contact] / 8
    parts, cut, backend, limit = list[Transfers](), list[str](), "", None
    delivered = 0.0
    try:
        for group in groups:
            if watch is not None and parts and watch.remaining_s <= 0:
                limit = Limit.TIME
                break
            found = build(
                problem,
                expansion,
                group,
                piece_bytes=pieces,
                period_s=periods,
                room_bytes=room,
            )
            flow = max_flow(found.network)
            if _falls_short(problem, group, flow.value):
                continue
            parts.append(read(found, flow.flow))
            cut += [text for text in cut_in_words(problem, found, flow.side) if text not in cut]
            used = np.zeros(len(pieces))
            used[found.piece] = flow.flow[: len(found.piece)]
            pieces = np.maximum(pieces - used, 0.0)
            room = np.maximum(room - found.held_bytes(flow.flow), 0.0)
            for side in (0, 1):
                draws = expansion.period[:, side] >= 0
                np.subtract.at(
                    periods,
                    expansion.period[draws, side],
                    used[draws] / np.maximum(rate[draws], 1e-300),
                )
            periods = np.maximum(periods, 0.0)
            backend = flow.backend
            delivered += flow.value
            if watch is not None:
                watch.state(objective=delivered)
    except KeyboardInterrupt:
        limit = Limit.INTERRUPT
    moves = Transfers.joined(parts)
    return Answer(moves, math.inf, tuple(cut), backend, limit=limit)


def _falls_short(problem: PassProblem, group: Ints, value: float) -> bool:
    """Whether a flow of one demand is worth nothing, as it must go whole."""
    first = problem.demands[int(group[0])]
    return len(group) == 1 and not first.splittable and value < first.volume_bytes * (1 - 1e-9)


def together(problem: PassProblem, grid: Grid) -> tuple[float, tuple[str, ...]]:
    """Bytes that could be delivered if every demand had the latest deadline and any target.

    A bound of what several commodities can deliver together, and the cut that sets it, in words.
    """
    targets = np.unique(np.concatenate([problem.targets(row) for row in problem.demands]))
    ground = {k for k, node in enumerate(problem.plan.nodes) if node.kind == "ground"}
    latest = max(row.deadline_s for row in problem.demands)
    groups = commodities(problem)
    if set(targets.tolist()) <= ground:
        loose = [_loosened(row, "ground", latest) for row in problem.demands]
        problem = problem.replace(demands=loose)
        grid = grid_of(problem, None if grid.method == "events" else _as_method(grid.method))
        groups = [np.arange(len(loose))]
    total, words = 0.0, list[str]()
    for group in groups:
        found = grid.relaxed(problem, group)
        flow = max_flow(found.network)
        total += flow.value
        words += [text for text in cut_in_words(problem, found, flow.side) if text not in words]
    return total, tuple(words)


def _as_method(name: str) -> str:
    return f"slots-{name.split()[2]}"


def _loosened(row: Demand, target: str, deadline_s: float) -> Demand:
    return Demand(
        row.name, row.source, target, row.volume_bytes, row.release_s, deadline_s, row.priority
    )
