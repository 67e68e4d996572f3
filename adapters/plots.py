"""Pictures: a plan as the timeline of one request or layer by layer, and a Pareto front.

Matplotlib is imported when a picture is drawn; its extra is ``plot``.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from functools import singledispatch
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..formulations import checks
from ..formulations.files import write_bytes
from ..formulations.partition.solution import Partition
from ..formulations.partition.timeline import timeline
from .plot_front import draw_front
from .plot_plan import draw_layers, draw_timeline, lanes_of
from .plot_style import new_axes, require_matplotlib

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@singledispatch
def plot(solution: Any, ax: Axes | None = None, **options: Any) -> Axes:
    """Draw a solution and return the axes.

    Parameters
    ----------
    solution : Partition, or sequence of Partition
        A partition, or a front: what `orbweave.pareto` returns, or a sequence of partitions.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure unless given.
    **options
        For a partition ``kind``: ``"timeline"`` (one request over the nodes, the default) or
        ``"layers"`` (what each layer costs and where it runs). For a front ``objectives``: the
        two names; needed only where the points do not say.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    InputError
        If there is no picture for this type, or an option is unknown.
    ImportError
        If Matplotlib is missing; names the extra.
    """
    checks.fail(
        "plot",
        type(solution).__name__,
        "a solution or a sequence of them (of a result: result.require())",
    )


@plot.register(Partition)
def _(solution: Partition, ax: Axes | None = None, kind: str = "timeline") -> Axes:
    checks.known("plot kind", kind, ("timeline", "layers"))
    if kind == "layers":
        return draw_layers(solution, ax if ax is not None else new_axes(10, 3.4))
    return draw_timeline(solution, ax)


@plot.register(tuple)
@plot.register(list)
def _(
    solution: Sequence[Any], ax: Axes | None = None, objectives: Sequence[str] | None = None
) -> Axes:
    return draw_front(solution, ax if ax is not None else new_axes(7, 4.6), objectives)


def write_picture(solution: Any, path: str | Path, **options: Any) -> Path:
    """Draw a solution into a file (PNG, SVG or PDF by its suffix), all of it or nothing.

    Parameters
    ----------
    solution : Partition, or sequence of Partition
        A partition gives its timeline over its layers, a front its picture.
    path : str or Path
    **options
        Those of `plot`, for a front.

    Returns
    -------
    Path
        The file.
    """
    path = Path(path)
    suffix = checks.known("picture suffix", path.suffix, (".png", ".svg", ".pdf"))
    require_matplotlib()
    from matplotlib.figure import Figure  # no pyplot: nothing to do with a screen

    if isinstance(solution, Partition):
        lanes = len(lanes_of(solution, timeline(solution)))
        heights = [1.0 + 0.55 * lanes, 2.6]
        figure = Figure(figsize=(10.5, sum(heights) + 0.6), layout="constrained")
        upper, lower = figure.subplots(2, 1, height_ratios=heights)
        draw_timeline(solution, upper)
        draw_layers(solution, lower)
    else:
        figure = Figure(figsize=(7.5, 4.8), layout="constrained")
        plot(solution, figure.subplots(), **options)
    stream = io.BytesIO()
    # Fixed metadata: the same plan gives the same file.
    metadata = {".png": {"Software": None}, ".svg": {"Date": None}, ".pdf": {"CreationDate": None}}
    figure.savefig(stream, format=suffix[1:], dpi=150, metadata=metadata[suffix])
    return write_bytes(path, stream.getvalue())
