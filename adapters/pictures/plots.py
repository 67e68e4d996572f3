"""Pictures: plans and Pareto fronts; passes, contact plans and schedules; meshes and paths.

Matplotlib is imported when a picture is drawn; its extra is ``plot``.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from functools import singledispatch
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...formulations import checks
from ...formulations.compression.solution import CompressionPlan
from ...formulations.contacts import ContactPlan
from ...formulations.files import write_bytes
from ...formulations.partition.solution import Partition
from ...formulations.partition.timeline import timeline
from ...formulations.passes.schedule import PassSchedule
from ...formulations.routing.mesh import Mesh
from ...formulations.routing.snapshot_answers import SnapshotPaths
from ...formulations.space.passes import PassTable
from .fronts import draw_front
from .gantt import draw_gantt
from .gantt_lanes import gantt_lanes
from .maps import draw_map
from .meshes import draw_mesh, draw_snapshots
from .passes import draw_contact_plan, draw_passes, pass_lanes, plan_lanes
from .plans import draw_layers, draw_timeline, lanes_of
from .rates import RATE_KINDS
from .skies import draw_sky
from .style import new_axes, require_matplotlib

if TYPE_CHECKING:
    from matplotlib.axes import Axes


#: Pictures of a pass table.
PASS_KINDS: Mapping[str, Any] = {"timeline": draw_passes, "map": draw_map, "sky": draw_sky}


@singledispatch
def plot(solution: Any, ax: Axes | None = None, **options: Any) -> Axes:
    """Draw a solution and return the axes.

    Parameters
    ----------
    solution : Partition, sequence of Partition, PassTable, ContactPlan, PassSchedule, Mesh, \
SnapshotPaths or CompressionPlan
        A front is what `orbweave.pareto` returns, or a sequence of partitions.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure unless given.
    **options
        For a partition ``kind``: ``"timeline"`` (one request over the nodes, the default) or
        ``"layers"`` (what each layer costs and where it runs). For a front ``objectives``: the
        two names; needed only where the points do not say. For passes ``kind``: ``"timeline"``
        (with ``rows``, ``"station"`` or ``"satellite"``, and ``eclipses``, an EclipseTable),
        ``"map"`` (with ``satellites``, by name, and ``revolutions``) or ``"sky"`` (with
        ``number``, the row of the table). For a contact plan ``rows``: ``"link"``, ``"ground"`` or
        ``"node"``; for a schedule ``rows``: ``"station"`` or ``"satellite"``. For a mesh (a map)
        ``time_s`` and ``way``, names of nodes. For a compression plan ``kind``: ``"curves"`` (with
        ``sender``), ``"bytes"`` or ``"prices"``.

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


@plot.register(PassTable)
def _(table: PassTable, ax: Axes | None = None, kind: str = "timeline", **options: Any) -> Axes:
    draw = PASS_KINDS[checks.known("plot kind", kind, tuple(PASS_KINDS))]
    if kind == "sky" and "number" not in options:
        checks.fail("plot number", None, "the row of the table that the sky shows")
    axes: Axes = draw(table, ax=ax, **options)
    return axes


@plot.register(ContactPlan)
def _(plan: ContactPlan, ax: Axes | None = None, rows: str | None = None) -> Axes:
    return draw_contact_plan(plan, ax, rows)


@plot.register(PassSchedule)
def _(schedule: PassSchedule, ax: Axes | None = None, rows: str | None = None) -> Axes:
    return draw_gantt(schedule, ax, rows)


@plot.register(Mesh)
def _(mesh: Mesh, ax: Axes | None = None, time_s: float = 0.0, way: Sequence[str] = ()) -> Axes:
    return draw_mesh(mesh, ax, time_s, way)


@plot.register(SnapshotPaths)
def _(paths: SnapshotPaths, ax: Axes | None = None) -> Axes:
    return draw_snapshots(paths, ax)


@plot.register(CompressionPlan)
def _(plan: CompressionPlan, ax: Axes | None = None, kind: str = "curves", **options: Any) -> Axes:
    axes: Axes = RATE_KINDS[checks.known("plot kind", kind, tuple(RATE_KINDS))](plan, ax, **options)
    return axes


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
    solution
        A partition gives its timeline over its layers, anything else what `plot` draws.
    path : str or Path
    **options
        Those of `plot`, for all but a partition.

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
        polar = {"projection": "polar"} if options.get("kind") == "sky" else {}
        figure = Figure(figsize=_size(solution, options), layout="constrained")
        plot(solution, figure.subplots(subplot_kw=polar), **options)
    stream = io.BytesIO()
    # Fixed metadata: the same plan gives the same file.
    metadata = {".png": {"Software": None}, ".svg": {"Date": None}, ".pdf": {"CreationDate": None}}
    figure.savefig(stream, format=suffix[1:], dpi=150, metadata=metadata[suffix])
    return write_bytes(path, stream.getvalue())


def _size(solution: Any, options: Mapping[str, Any]) -> tuple[float, float]:
    """Width and height (inches) that suit a picture."""
    if isinstance(solution, ContactPlan):
        return plan_lanes(solution, options.get("rows"))[1].size
    if isinstance(solution, PassSchedule):
        return gantt_lanes(solution, options.get("rows")).size
    if isinstance(solution, Mesh):
        return (10.5, 5.9)
    if isinstance(solution, SnapshotPaths):
        return (10.5, 4.2)
    if not isinstance(solution, PassTable):
        return (7.5, 4.8)
    kind = options.get("kind", "timeline")
    if kind == "timeline":
        return pass_lanes(solution, options.get("rows"), options.get("eclipses"))[1].size
    return (10.5, 5.9) if kind == "map" else (6.4, 6.6)
