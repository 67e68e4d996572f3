"""A route log in the making: what each step saw of the path in use."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from .watch import RouteChange, RouteLog

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]


class Logbook:
    """Notes of one path over steps; `log` makes a `RouteLog` of them.

    Parameters
    ----------
    names : tuple of str
    ground : array of bool, shape (nodes,)
    edges_s : array, shape (steps + 1,)
        Step k counts from ``edges_s[k]`` to ``edges_s[k + 1]``.
    bound_s : array, shape (steps,)
        Light-time bound at each step.
    """

    def __init__(
        self, names: tuple[str, ...], ground: NDArray[np.bool_], edges_s: Floats, bound_s: Floats
    ):
        self._names = names
        self._ground = ground
        self._edges = edges_s
        self._bound = bound_s
        self._delay = np.full(len(bound_s), np.nan)
        self._first: list[int] = []
        self._paths: list[Ints] = []
        self._reasons: list[str] = []

    def change(self, step: int, path: Ints, *, broken: bool) -> None:
        """From a step on another path is in use; whether the one before is broken."""
        if self._paths:
            reason = "link lost" if broken else "shorter way"
            self._reasons.append(reason if len(self._paths[-1]) else "way found")
        self._first.append(step)
        self._paths.append(path)

    def note(self, step: int, delay_s: float) -> None:
        """The path's delay at a step; infinite where there is none."""
        self._delay[step] = delay_s if math.isfinite(delay_s) else math.nan

    def log(self, source: str, target: str, weight: str, rule: str) -> RouteLog:
        """All of it."""
        first = np.array(self._first)
        length = np.diff(self._edges)
        span = np.add.reduceat(length, first)
        stretch = self._stretch()
        columns: dict[str, NDArray[Any]] = {
            "start_s": self._edges[first],
            "end_s": self._edges[np.append(first[1:], len(length))],
            "hops": np.array([max(len(path) - 1, 0) for path in self._paths], dtype=np.int64),
        }
        for name, value in (("delay", self._delay), ("stretch", stretch)):
            unit = "_s" if name == "delay" else ""
            columns[f"{name}_min{unit}"] = np.minimum.reduceat(value, first)
            columns[f"{name}_mean{unit}"] = np.add.reduceat(value * length, first) / span
            columns[f"{name}_max{unit}"] = np.maximum.reduceat(value, first)
        for column in columns.values():
            column.flags.writeable = False
        paths = tuple(tuple(self._names[k] for k in path) for path in self._paths)
        changes = tuple(self._change(k, paths, stretch) for k in range(1, len(paths)))
        return RouteLog(source, target, weight, rule, paths, columns, changes)

    def _stretch(self) -> Floats:
        """Delay over its bound; 1 where both are 0."""
        with np.errstate(divide="ignore", invalid="ignore"):
            found = self._delay / self._bound
        found[(self._delay == 0) & (self._bound == 0)] = 1.0
        return found

    def _change(self, k: int, paths: tuple[tuple[str, ...], ...], stretch: Floats) -> RouteChange:
        """The change that began interval k."""
        before, after, step = paths[k - 1], paths[k], self._first[k]
        links, links2 = (tuple(pairwise(path)) for path in (before, after))
        both = bool(before) and bool(after)
        source, target = self._ground[self._paths[k - 1][[0, -1]]] if both else (False, False)
        return RouteChange(
            at_s=float(self._edges[step]),
            reason=self._reasons[k - 1],
            before=before,
            after=after,
            lost=tuple(link for link in links if link not in links2),
            gained=tuple(link for link in links2 if link not in links),
            handover_source=bool(source) and before[1] != after[1],
            handover_target=bool(target) and before[-2] != after[-2],
            delay_before_s=float(self._delay[step - 1]),
            delay_after_s=float(self._delay[step]),
            stretch_before=float(stretch[step - 1]),
            stretch_after=float(stretch[step]),
        )
