"""Energy of satellites: batteries charged by the Sun, and the rows that keep them above a floor.

Sets
    K[n]      intervals of a satellite's time: between beginnings and ends of its pieces and of its
              eclipses, except where the charge can only fall (or only rise) on both sides
Parameters
    gain[k]   joules: solar power in full sun less the base load (none in the penumbra: cautious)
    use[a, k] joules per byte of piece a in interval k: power x 8 / rate x the share of a in k
Variables
    e[k]      stored energy at the end of each interval, between floor and capacity
Constraints
    e[k] <= e[k - 1] + gain[k] - sum over a of use[a, k] f[a]     (a full battery spills)
Source
    The recursion of a battery with spilling; the actual charge is never below e, by induction.

Bytes of a piece flow evenly, so that the charge is lowest at an end of an interval. With `outer`,
intervals are whole slots, and energy may come and go anywhere within one: every schedule keeps
these rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..ranges import ranges

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..linear import ModelBuilder
    from .battery import Battery
    from .expansion import Expansion
    from .problem import PassProblem

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]


def window_s(problem: PassProblem) -> tuple[float, float]:
    """From the beginning of the plan or its first contact to the end of either."""
    rows = problem.plan.arrays
    begin = min(0.0, float(rows["start_s"].min(initial=0.0)))
    end = max(float(problem.plan.duration_s or 0.0), float(rows["end_s"].max(initial=0.0)))
    return begin, end


def eclipse_cuts(problem: PassProblem) -> Floats:
    """Edges of eclipses within contacts of a satellite with a battery: cuts for `by_events`."""
    rows, dark = problem.plan.arrays, problem.plan.eclipses
    found = [np.empty(0)]
    for name in problem.energy or {}:
        node = problem.plan.index(name)
        mine = (rows["source"] == node) | (rows["target"] == node)
        edges = np.concatenate([dark[end][dark["node"] == node] for end in ("start_s", "end_s")])
        began = np.searchsorted(np.sort(rows["start_s"][mine]), edges, side="left")
        ended = np.searchsorted(np.sort(rows["end_s"][mine]), edges, side="right")
        found.append(edges[began > ended])
    return np.unique(np.concatenate(found))


def add_energy(
    model: ModelBuilder,
    problem: PassProblem,
    expansion: Expansion,
    piece: Ints,
    flow: Ints,
    unit_bytes: float,
    *,
    until_s: float,
    outer: bool,
) -> None:
    """Add stored energy and its recursion for every battery.

    Parameters
    ----------
    model : ModelBuilder
    problem : PassProblem
    expansion : Expansion
    piece, flow : array of int, shape (flows,)
        Piece and column of each flow.
    unit_bytes : float
        Bytes per unit of the flow columns.
    until_s : float
        Pieces end by then.
    outer : bool
        Whether flow may be anywhere within its slot.
    """
    rows = problem.plan.arrays
    contact = expansion.contact[piece]
    begin, end = expansion.start_s[piece], np.minimum(expansion.end_s[piece], until_s)
    seconds = 8 * unit_bytes / rows["rate_bps"][contact]
    first, last = window_s(problem)
    for name, battery in (problem.energy or {}).items():
        node = problem.plan.index(name)
        power = np.where(rows["source"][contact] == node, battery.transmit_w, 0.0)
        power += np.where(rows["target"][contact] == node, battery.receive_w, 0.0)
        mine = np.flatnonzero(power > 0)
        dark = problem.plan.eclipses
        shade = np.stack([dark["start_s"], dark["end_s"]], axis=1)[dark["node"] == node]
        if outer:
            inside = expansion.begin_s[expansion.first[node] : expansion.first[node + 1]]
        else:
            inside = np.concatenate([begin[mine], end[mine], shade.ravel()])
        inside = inside[(inside > first) & (inside < last)]
        cuts = np.unique(np.concatenate([[first], inside, [last]]))
        if not outer:
            _, once = np.unique(piece[mine], return_index=True)
            cuts = _turns(
                battery, cuts, shade, begin[mine][once], end[mine][once], power[mine][once]
            )
        _recursion(
            model, name, battery, cuts, shade, (flow[mine], begin[mine], end[mine]),
            (power * seconds)[mine],
        )  # fmt: skip


def _recursion(
    model: ModelBuilder,
    name: str,
    battery: Battery,
    cuts: Floats,
    shade: Floats,
    pieces: tuple[Ints, Floats, Floats],
    joules: Floats,
) -> None:
    """One battery: its intervals lie between `cuts`, `joules` are per unit of each flow."""
    column, begin, end = pieces
    length = np.diff(cuts)
    sunlit = length - np.diff(_covered(cuts, shade))
    gain = battery.solar_w * sunlit - battery.base_w * length
    stored = model.variables(
        f"stored[{name}]", len(length), lower=battery.floor_j / battery.capacity_j, upper=1.0
    )
    rows = model.constraints(
        f"charge[{name}]",
        len(length),
        upper=(gain + np.where(np.arange(len(length)) == 0, battery.first_j, 0.0))
        / battery.capacity_j,
    )
    model.add(rows, stored, 1.0)
    model.add(rows[1:], stored[:-1], -1.0)
    low = np.searchsorted(cuts, begin, side="right") - 1
    high = np.maximum(np.searchsorted(cuts, end, side="left"), low + 1)
    owner, spot = ranges(low, high - low)
    inside = np.minimum(end[owner], cuts[spot + 1]) - np.maximum(begin[owner], cuts[spot])
    share = inside / (end - begin)[owner]
    model.add(rows[spot], column[owner], joules[owner] * share / battery.capacity_j)


def _turns(
    battery: Battery, cuts: Floats, shade: Floats, begin: Floats, end: Floats, power: Floats
) -> Floats:
    """Cuts at which a charge that could only rise may fall, or the other way round.

    Between them the charge is lowest and highest at the ends, and a battery that fills spills as
    much in one step as in several.
    """
    length = np.diff(cuts)
    gain = battery.solar_w * (length - np.diff(_covered(cuts, shade))) / length - battery.base_w
    load = np.zeros(len(cuts))
    np.add.at(load, np.searchsorted(cuts, begin), power)
    np.add.at(load, np.searchsorted(cuts, end), -power)
    tiny = 1e-9 * (battery.solar_w + battery.base_w + float(power.sum()))
    falls = gain <= tiny
    rises = ~falls & (gain - np.cumsum(load)[:-1] >= -tiny)
    same = (rises[1:] & rises[:-1]) | (falls[1:] & falls[:-1])
    kept: Floats = cuts[np.concatenate([[True], ~same, [True]])]
    return kept


def _covered(times: Floats, spans: Floats) -> Floats:
    """Seconds before each time that lie in any span."""
    if not len(spans):
        return np.zeros(len(times))
    spans = spans[np.argsort(spans[:, 0], kind="stable")]
    # Spans that overlap: each counts from where those before it have ended.
    reached = np.maximum.accumulate(np.r_[-np.inf, spans[:-1, 1]])
    low = np.maximum(spans[:, 0], reached)
    high = np.maximum(spans[:, 1], low)
    edges = np.stack([low, high], axis=1).ravel()
    total = np.cumsum(np.stack([np.zeros(len(low)), high - low], axis=1).ravel())
    found: Floats = np.interp(times, edges, total)
    return found
