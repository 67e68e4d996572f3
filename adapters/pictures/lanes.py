"""Bars in lanes over UTC: what the timelines of passes and of contact plans share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from ...formulations.instants import DAY_S
from .style import FAINT, INK, new_axes, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

MOST_LANES = 60
MOST_TRACKS = 6

#: From little to much: dark is much, so that it reads in grey and without colour vision.
RAMP = ("#b4cdea", "#6f98cf", "#33528f", "#151f3d")
BAND, PENUMBRA, UMBRA, NOTHING = "#f5f7f9", "#e9e3d6", "#d9d0bd", "#c8ced4"

#: What a bar and its lane take of a lane's height of 1.
_BARS, _BAND = 0.7, 0.9


@dataclass(frozen=True, slots=True, eq=False)
class Bars:
    """Bars as columns, shape (bars,); a later bar is drawn over an earlier one.

    Attributes
    ----------
    lane : array of int
    start_s, end_s, value : array
    low, high : array
        Where a bar begins and ends across its lane, 0 to 1.
    """

    lane: Ints
    start_s: Floats
    end_s: Floats
    value: Floats
    low: Floats
    high: Floats

    @classmethod
    def of(cls, lane: Ints, start_s: Floats, end_s: Floats, value: Floats) -> Bars:
        """Bars across the whole lane."""
        return cls(lane, start_s, end_s, value, np.zeros(len(lane)), np.ones(len(lane)))


@dataclass(frozen=True, slots=True, eq=False)
class Lanes:
    """Bars in lanes.

    Attributes
    ----------
    names : tuple of str
        Of the lanes, from the top down.
    chosen : array, shape (lanes,)
        Which of all the lanes these are.
    total : int
        How many lanes there would be.
    bars : Bars
    depth : int
        The most bars at a time in one lane.
    """

    names: tuple[str, ...]
    chosen: Ints
    total: int
    bars: Bars
    depth: int

    @classmethod
    def of(
        cls,
        names: Sequence[str],
        lane: NDArray[Any],
        start_s: Floats,
        end_s: Floats,
        value: Floats,
        crowd: Callable[[Bars], Bars],
    ) -> Lanes:
        """Keep the busiest lanes, in their order, and put bars that overlap above one another.

        Where more than `MOST_TRACKS` do, `crowd` makes the bars something else.
        """
        busy = np.bincount(lane, weights=end_s - start_s, minlength=len(names))
        chosen = np.sort(np.argsort(-busy, kind="stable")[:MOST_LANES])
        number = np.full(len(names), -1)
        number[chosen] = np.arange(len(chosen))
        row = np.flatnonzero(number[lane] >= 0)
        bars = Bars.of(number[lane[row]], start_s[row], end_s[row], value[row])
        depth = _depth(bars, len(chosen))
        deepest = int(depth.max(initial=0))
        bars = crowd(bars) if deepest > MOST_TRACKS else _in_tracks(bars, depth)
        return cls(tuple(names[int(k)] for k in chosen), chosen, len(names), bars, deepest)

    @property
    def crowded(self) -> bool:
        """Whether too many bars overlap to draw each by itself."""
        return self.depth > MOST_TRACKS

    @property
    def size(self) -> tuple[float, float]:
        """Width and height of a figure (in) that suits them."""
        each = 0.26 + 0.06 * min(self.depth, MOST_TRACKS)
        return 10.5, 1.5 + min(max(each * len(self.names), 0.9), 13.0)

    def title(self, text: str, crowd: str) -> str:
        """A title that says what is not seen, and what `crowd` did."""
        parts = [crowd] if self.crowded else []
        if self.total > len(self.names):
            parts.insert(0, f"the {len(self.names)} busiest of {self.total:,} lanes")
        return f"{text} ({'; '.join(parts)})" if parts else text


def _changes(bars: Bars) -> tuple[Ints, Floats, Ints, Ints]:
    """Lane, time, bar, and +1 (begins) or -1 (ends) of every begin and end, lane by lane."""
    lane = np.concatenate([bars.lane, bars.lane])
    time = np.concatenate([bars.start_s, bars.end_s])
    bar = np.tile(np.arange(len(bars.lane)), 2)
    change = np.repeat([1, -1], len(bars.lane))
    order = np.lexsort((change, time, lane))  # what ends makes room for what begins
    return lane[order], time[order], bar[order], change[order]


def _depth(bars: Bars, lanes: int) -> Ints:
    """Most bars at a time in each lane."""
    lane, _, _, change = _changes(bars)
    depth = np.zeros(lanes, dtype=np.int64)
    np.maximum.at(depth, lane, np.cumsum(change))
    return depth


def _in_tracks(bars: Bars, depth: Ints) -> Bars:
    """Each bar in the first free of its lane's tracks, in the order of the starts."""
    track = np.zeros(len(bars.lane), dtype=np.int64)
    free: dict[int, list[float]] = {}
    order = np.argsort(bars.start_s, kind="stable")
    columns = (column[order].tolist() for column in (bars.lane, bars.start_s, bars.end_s))
    for k, lane, begin, end in zip(order.tolist(), *columns, strict=True):
        ends = free.setdefault(lane, [])
        place = next((n for n, last in enumerate(ends) if last <= begin), len(ends))
        ends[place : place + 1] = [end]
        track[k] = place
    height = 1.0 / depth[bars.lane]
    return replace(bars, low=track * height, high=(track + 0.94) * height)


def greatest_on_top(bars: Bars) -> Bars:
    """Bars over one another, in the order of their values."""
    order = np.argsort(bars.value, kind="stable")
    return Bars.of(bars.lane[order], bars.start_s[order], bars.end_s[order], bars.value[order])


def added_up(bars: Bars) -> Bars:
    """What all bars of a lane come to at each time: their sum as value, their number as height."""
    lane, time, bar, change = _changes(bars)
    count = np.cumsum(change)
    total = np.cumsum(change * bars.value[bar])
    keep = np.flatnonzero((lane[1:] == lane[:-1]) & (time[1:] > time[:-1]) & (count[:-1] > 0))
    high = count[keep] / count.max(initial=1)
    return Bars(
        lane[keep],
        time[keep],
        time[keep + 1],
        np.maximum(total[keep], 0.0),
        1 - high,
        np.ones(len(keep)),
    )


def axes_for(lanes: Lanes, given: Axes | None) -> Axes:
    """The axes given, or new ones of a size that suits the lanes."""
    return given if given is not None else new_axes(*lanes.size)


def boxes(
    start: datetime, begin_s: Floats, end_s: Floats, low: Floats, high: Floats
) -> NDArray[np.float64]:
    """Corners of bars in days of Matplotlib and lanes, shape (bars, 4, 2)."""
    from matplotlib.dates import date2num

    origin = float(date2num(start))
    left, right = origin + begin_s / DAY_S, origin + end_s / DAY_S
    x, y = np.stack([left, left, right, right], axis=-1), np.stack([low, high, high, low], axis=-1)
    return np.stack([x, y], axis=-1)


def draw_frame(ax: Axes, names: Sequence[str], start: datetime, duration_s: float) -> None:
    """Draw empty lanes over the window, with their names and times in UTC."""
    from matplotlib.collections import PolyCollection

    count = len(names)
    middle = np.arange(count, dtype=np.float64)
    half = _BAND / 2
    spans = boxes(start, np.zeros(count), np.full(count, duration_s), middle - half, middle + half)
    ax.add_collection(PolyCollection(list(spans), facecolor=BAND, linewidth=0, zorder=0.5))
    ax.set_yticks(middle, names, fontsize=9 if count <= 30 else 7)
    ax.set_ylim(count - 0.4, -0.6)
    tidy(ax)
    ax.tick_params(axis="y", length=0)
    ax.tick_params(axis="x", labelsize=9)
    utc_axis(ax, start, duration_s)


def draw_lanes(
    ax: Axes,
    lanes: Lanes,
    start: datetime,
    duration_s: float,
    norm: Any,
    label: str,
    scale: float = 1.0,
) -> None:
    """Draw bars into lanes over the window, with a colour bar for values times a scale."""
    from matplotlib.collections import PolyCollection

    draw_frame(ax, lanes.names, start, duration_s)
    bars = lanes.bars
    top = bars.lane - _BARS / 2
    corners = boxes(
        start, bars.start_s, bars.end_s, top + _BARS * bars.low, top + _BARS * bars.high
    )
    drawn = PolyCollection(
        list(corners),
        array=bars.value * scale,
        cmap=ramp(),
        norm=norm,
        edgecolor="face",  # a hair's width, or a short bar would vanish from a long window
        linewidth=0.4,
        zorder=3,
        label="bars",
    )
    ax.add_collection(drawn)
    colours = ax.figure.colorbar(
        drawn,
        ax=ax,
        pad=0.015,
        fraction=0.03,
        aspect=max(5.0, (lanes.size[1] - 1.0) / 0.2),
        format="%g",
    )
    colours.set_label(label, color=INK, fontsize=9)
    colours.ax.tick_params(colors=INK, labelsize=8, length=2, color=FAINT)
    colours.outline.set_visible(False)


def shade(
    ax: Axes, start: datetime, lanes: Sequence[tuple[int, int]], eclipses: Mapping[str, Any]
) -> None:
    """Shade the eclipses of satellites behind their lanes.

    Parameters
    ----------
    lanes : sequence of (int, int)
        Lanes, and the satellite in each.
    eclipses : mapping of str to array
        ``satellite``, ``start_s``, ``end_s``, ``umbra_start_s``, ``umbra_end_s``.
    """
    from matplotlib.collections import PolyCollection
    from matplotlib.patches import Patch

    found = [(lane, np.flatnonzero(eclipses["satellite"] == number)) for lane, number in lanes]
    lane = np.repeat([float(row) for row, _ in found], [len(rows) for _, rows in found])
    rows = np.concatenate([rows for _, rows in found]) if found else np.zeros(0, dtype=np.int64)
    parts = (("penumbra", "start_s", "end_s", PENUMBRA), ("eclipse", *_UMBRA, UMBRA))
    for name, first, last, colour in parts:
        begin, end = eclipses[first][rows], eclipses[last][rows]
        there = np.isfinite(begin)
        low = lane[there] - _BAND / 2
        corners = boxes(start, begin[there], end[there], low, low + _BAND)
        ax.add_collection(
            PolyCollection(list(corners), facecolor=colour, linewidth=0, zorder=1, label=name)
        )
    ax.legend(
        handles=[Patch(facecolor=UMBRA, label="in the Earth's shadow")],
        loc="upper right",
        bbox_to_anchor=(1.0, 0.0),
        bbox_transform=ax.transAxes,
        borderaxespad=1.9,
        frameon=False,
        fontsize=9,
        labelcolor=INK,
    )


_UMBRA = ("umbra_start_s", "umbra_end_s")


def ramp() -> Colormap:
    """The colours of bars, from pale to dark."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("ramp", RAMP).with_extremes(bad=NOTHING)


def utc_axis(ax: Axes, start: datetime, duration_s: float) -> None:
    """Round UTC times below the axis, the date at midnight and in the label."""
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num

    begin = start.astimezone(UTC)
    end = begin + timedelta(seconds=duration_s)
    ax.xaxis_date(tz=UTC)
    locator = AutoDateLocator(tz=UTC, minticks=5, maxticks=10)
    day, clock = "%d %b", "%H:%M"
    ax.xaxis.set_major_locator(locator)
    ax.xaxis.set_major_formatter(
        ConciseDateFormatter(
            locator,
            tz=UTC,
            formats=["%Y", "%b %Y", day, clock, clock, "%H:%M:%S"],
            zero_formats=["", "%Y", "%b %Y", day, clock, clock],
            show_offset=False,
        )
    )
    left, right = float(date2num(begin)), float(date2num(end))
    ax.set_xlim(left - 0.004 * (right - left), right + 0.004 * (right - left))
    # A window that ends at midnight has no moment of the next day.
    dates = [f"{t:%Y-%m-%d}" for t in (begin, end - timedelta(microseconds=1))]
    ax.set_xlabel(f"UTC, {' to '.join(dict.fromkeys(dates))}", color=INK)


def length_text(duration_s: float) -> str:
    """A length of time, short."""
    for size, unit in ((DAY_S, "days"), (3600.0, "h"), (60.0, "min")):
        if duration_s >= 2 * size or (unit == "h" and duration_s >= size):
            return f"{duration_s / size:.4g} {unit}"
    return f"{duration_s:.4g} s"
