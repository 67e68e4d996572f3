"""What became of one path over time: intervals, changes, handovers, and how good each one was."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import checks

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

#: shortest: at each time the path of least weight. longest_lasting: a path is kept until it breaks,
#: then the one that lasts longest follows.
RULES = ("shortest", "longest_lasting")

#: link lost: the path before has broken. shorter way: it stands, but another one is shorter now.
#: way found: there was none before.
REASONS = ("link lost", "shorter way", "way found")

#: Columns of `RouteLog.arrays`.
COLUMNS = (
    "start_s",
    "end_s",
    "hops",
    "delay_min_s",
    "delay_mean_s",
    "delay_max_s",
    "stretch_min",
    "stretch_mean",
    "stretch_max",
)


@dataclass(frozen=True, slots=True)
class RouteChange:
    """One path giving way to another, or to none.

    Attributes
    ----------
    at_s : float
    reason : str
        One of `REASONS`.
    before, after : tuple of str
        The two paths; empty for none.
    lost, gained : tuple of (str, str)
        Links of the path before that the path after lacks, and the other way round.
    handover_source, handover_target : bool
        Whether a ground station at that end changes its satellite. (Not where there is no path
        before or after.)
    delay_before_s, delay_after_s : float
        One-way light time of the old path when it was last seen, and of the new one when it was
        first seen; NaN without a path.
    stretch_before, stretch_after : float
        The same over the light-time bound.
    """

    at_s: float
    reason: str
    before: tuple[str, ...]
    after: tuple[str, ...]
    lost: tuple[tuple[str, str], ...]
    gained: tuple[tuple[str, str], ...]
    handover_source: bool
    handover_target: bool
    delay_before_s: float
    delay_after_s: float
    stretch_before: float
    stretch_after: float


@dataclass(frozen=True, slots=True, eq=False)
class RouteLog:
    """The path from one node to another over a span of time.

    Attributes
    ----------
    source, target, weight, rule : str
    paths : tuple of tuple of str, length intervals
        Names of nodes, both ends included; empty where there is no path.
    arrays : mapping of str to array, shape (intervals,)
        ``start_s``, ``end_s`` (end not included; every interval ends where the next starts),
        ``hops`` (int; 0 for no path), ``delay_min_s``, ``delay_mean_s``, ``delay_max_s`` (one-way
        light time; the mean over time), ``stretch_min``, ``stretch_mean``, ``stretch_max`` (delay
        over the light-time bound). NaN where there is no path. Read-only.
    changes : tuple of RouteChange, length intervals - 1
    """

    source: str
    target: str
    weight: str
    rule: str
    paths: tuple[tuple[str, ...], ...]
    arrays: Mapping[str, NDArray[Any]]
    changes: tuple[RouteChange, ...]

    def __len__(self) -> int:
        return len(self.paths)

    def __repr__(self) -> str:
        return (
            f"RouteLog({self.source!r} to {self.target!r}: {len(self)} intervals in "
            f"{self.duration_s:g} s, {self.rule})"
        )

    def __getitem__(self, column: str) -> NDArray[Any]:
        return self.arrays[checks.known("RouteLog column", column, COLUMNS)]

    @property
    def duration_s(self) -> float:
        """From the first start to the last end."""
        return float(self["end_s"][-1] - self["start_s"][0])

    @property
    def available_share(self) -> float:
        """Share of the time in which there is a path."""
        length = self["end_s"] - self["start_s"]
        return float(length[self["hops"] > 0].sum() / length.sum())

    @property
    def delay_mean_s(self) -> float:
        """Mean delay over the time in which there is a path; NaN where there never is one."""
        there = self["hops"] > 0
        length = (self["end_s"] - self["start_s"])[there]
        if not len(length):
            return math.nan
        return float((length * self["delay_mean_s"][there]).sum() / length.sum())

    @property
    def handovers(self) -> tuple[int, int]:
        """How often the station at the source and the one at the target change satellites."""
        return (
            sum(row.handover_source for row in self.changes),
            sum(row.handover_target for row in self.changes),
        )

    def path(self, time_s: float) -> tuple[str, ...]:
        """The path at a time; empty for none."""
        time = checks.real("RouteLog.path time_s", time_s, low=-math.inf)
        start, end = float(self["start_s"][0]), float(self["end_s"][-1])
        if not start <= time < end:
            expected = f"a time from {start:g} to below {end:g}"
            checks.fail("RouteLog.path time_s", time_s, expected)
        return self.paths[int(np.searchsorted(self["start_s"], time, side="right")) - 1]

    def rows(self) -> list[dict[str, Any]]:
        """One plain dict per interval, with the change that began it: for a dataframe."""
        found = []
        for k, path in enumerate(self.paths):
            row: dict[str, Any] = {name: self[name][k].item() for name in COLUMNS}
            change = self.changes[k - 1] if k else None
            found.append(
                {
                    **row,
                    "path": path,
                    "reason": change.reason if change else None,
                    "lost": change.lost if change else (),
                    "gained": change.gained if change else (),
                    "handover_source": bool(change and change.handover_source),
                    "handover_target": bool(change and change.handover_target),
                }
            )
        return found

    def to_dict(self) -> dict[str, Any]:
        """Plain data; None where there is no path."""
        return {
            "source": self.source,
            "target": self.target,
            "weight": self.weight,
            "rule": self.rule,
            "available_share": self.available_share,
            "delay_mean_s": _plain(self.delay_mean_s),
            "handovers": list(self.handovers),
            "intervals": [
                {**{name: _plain(self[name][k].item()) for name in COLUMNS}, "path": list(path)}
                for k, path in enumerate(self.paths)
            ],
            "changes": [
                {name: _plain(value) for name, value in asdict(row).items()} for row in self.changes
            ],
        }

    def _repr_html_(self) -> str:
        head = ("from (s)", "to (s)", "hops", "delay (ms)", "stretch", "why", "path")
        lines = []
        for row in self.rows():
            delay, stretch = "", ""
            if row["hops"]:
                delay = f"{1e3 * row['delay_min_s']:.3f} - {1e3 * row['delay_max_s']:.3f}"
                stretch = f"{row['stretch_mean']:.3f}"
            cells = (
                f"{row['start_s']:g}",
                f"{row['end_s']:g}",
                str(row["hops"]),
                delay,
                stretch,
                row["reason"] or "",
                " - ".join(row["path"]) or "none",
            )
            lines.append("".join(f"<td>{escape(cell)}</td>" for cell in cells))
        title = (
            f"{escape(self.source)} to {escape(self.target)}, {escape(self.rule)}: "
            f"{len(self.changes)} changes, a path {100 * self.available_share:.1f} % of the time"
        )
        heads = "".join(f"<th>{name}</th>" for name in head)
        body = "".join(f"<tr>{line}</tr>" for line in lines)
        return f"<table><caption>{title}</caption><tr>{heads}</tr>{body}</table>"


def _plain(value: Any) -> Any:
    """JSON has no NaN, and no tuples."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(row) for row in value]
    return value
