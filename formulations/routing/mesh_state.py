"""The shape of a network that moves: what is linked, in how many pieces, how far across."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import checks
from ..contacts import ContactPlan
from .mesh import Mesh
from .snapshot_arcs import Arcs, arcs_at, check, moments, relays, through_ground
from .trees import Trees

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

#: Columns of `MeshState.arrays`, and what each counts.
COLUMNS = {
    "active_nodes": "nodes with a link",
    "active_links": "pairs of nodes with a link, one way or both",
    "components": "pieces that links hold together, of active nodes",
    "largest_component": "nodes in the largest piece",
    "degree_min": "least number of neighbours of an active node",
    "degree_mean": "mean of it",
    "degree_max": "most",
    "reachable_share": "share of ordered pairs of nodes with a path",
    "diameter_hops": "most hops of a path of fewest hops",
    "mean_hops": "mean of fewest hops over pairs with a path",
    "diameter_s": "longest of the paths of least delay",
    "mean_delay_s": "mean of least delays over pairs with a path",
}
_COUNTS = ("active_nodes", "active_links", "components", "largest_component")


@dataclass(frozen=True, slots=True, eq=False)
class MeshState:
    """What a network is like at some times.

    Attributes
    ----------
    times_s : array, shape (times,)
    node_names : tuple of str
    arrays : mapping of str to array, shape (times,)
        ``active_nodes``, ``active_links`` (pairs of nodes, whichever way they are linked),
        ``components`` (of active nodes, links taken both ways), ``largest_component`` (its
        nodes), ``degree_min``, ``degree_mean``, ``degree_max`` (neighbours of active nodes),
        ``reachable_share`` (of ordered pairs of two nodes), ``diameter_hops``, ``mean_hops``,
        ``diameter_s``, ``mean_delay_s`` (of shortest paths between pairs that have one). Counts
        are int64; NaN where there is nothing to take a mean of. Read-only.
    """

    times_s: Floats
    node_names: tuple[str, ...]
    arrays: Mapping[str, NDArray[Any]]

    def __post_init__(self) -> None:
        for column in (self.times_s, *self.arrays.values()):
            column.flags.writeable = False

    def __len__(self) -> int:
        return len(self.times_s)

    def __repr__(self) -> str:
        return f"MeshState({len(self)} times, {len(self.node_names)} nodes)"

    def __getitem__(self, column: str) -> NDArray[Any]:
        return self.arrays[checks.known("MeshState column", column, tuple(self.arrays))]

    def rows(self) -> list[dict[str, Any]]:
        """One plain dict per time: for a dataframe."""
        return [
            {
                "time_s": float(time),
                **{name: column[k].item() for name, column in self.arrays.items()},
            }
            for k, time in enumerate(self.times_s)
        ]

    def to_dict(self) -> dict[str, Any]:
        """Plain data; None where there is no number."""
        return {
            "nodes": list(self.node_names),
            "times_s": self.times_s.tolist(),
            **{
                name: [value if value == value else None for value in column.tolist()]
                for name, column in self.arrays.items()
            },
        }

    def _repr_html_(self) -> str:
        heads = "".join(f"<th>{name}</th>" for name in ("", "least", "mean", "most"))
        body = ""
        for name, text in COLUMNS.items():
            known = self.arrays[name][~np.isnan(self.arrays[name])]
            three = (known.min(), known.mean(), known.max()) if len(known) else ()
            cells = "".join(f"<td>{value:.6g}</td>" for value in three)
            body += f'<tr><td title="{text}">{name}</td>{cells}</tr>'
        title = f"{len(self.node_names)} nodes at {len(self)} times"
        return f"<table><caption>{title}</caption><tr>{heads}</tr>{body}</table>"


def mesh_state(
    network: ContactPlan | Mesh,
    times: Any,
    *,
    sources: Sequence[str] | None = None,
    ground_relays: bool | None = None,
    on_progress: Callable[[float], object] | None = None,
) -> MeshState:
    """Measure a network at many times, in memory that does not grow with their number.

    Parameters
    ----------
    network : ContactPlan or Mesh
        As in `snapshot_paths`.
    times : array_like, shape (times,)
        Seconds after the plan's epoch or the mesh's start.
    sources : sequence of str, optional
        Nodes whose paths to all others are measured; every node unless given.
    ground_relays : bool, optional
        As in `snapshot_paths`; for paths. Components take links as they are.
    on_progress : callable, optional
        Called with the share that is done.

    Returns
    -------
    MeshState

    Raises
    ------
    InputError
        For an unknown name, no time, or a time that is no finite number.

    Notes
    -----
    A time costs two trees per source (hops and delay), O(sources (nodes + links)) or a little
    more: 40 bytes per source and node are held.
    """
    roots, times_s, relay = _checked(network, times, sources, ground_relays)
    if on_progress is not None and not callable(on_progress):
        checks.fail("mesh_state.on_progress", on_progress, "a callable, or None")
    found: dict[str, NDArray[Any]] = {
        name: np.empty(len(times_s), dtype=np.int64 if name in _COUNTS else np.float64)
        for name in COLUMNS
    }
    for k, row in enumerate(_rows(arcs_at(network, times_s, "delay"), roots, relay)):
        for name, value in row.items():
            found[name][k] = value
        if on_progress is not None:
            on_progress((k + 1) / len(times_s))
    return MeshState(times_s, network.node_names, found)


def _checked(
    network: Any, times: Any, sources: Any, ground_relays: Any
) -> tuple[Ints, Floats, NDArray[np.bool_]]:
    """Roots of the trees, times, and which nodes paths may lead through."""
    if not isinstance(network, ContactPlan | Mesh):
        checks.fail("mesh_state.network", type(network).__name__, "a ContactPlan or a Mesh")
    times_s = moments("mesh_state", times)
    check(network, times_s, "delay")
    names = network.node_names
    wanted = names if sources is None else tuple([sources] if isinstance(sources, str) else sources)
    if not wanted:
        checks.fail("mesh_state.sources", sources, "the names of some nodes, or None for all")
    for name in wanted if sources is not None else ():
        checks.known("mesh_state.sources", name, names)
    checks.unique("mesh_state.sources", wanted)
    relay = relays(network, through_ground("mesh_state", network, ground_relays))
    position = {name: k for k, name in enumerate(names)}
    return np.array([position[name] for name in wanted], dtype=np.int64), times_s, relay


def _rows(
    steps: Iterator[Arcs], roots: Ints, relay: NDArray[np.bool_]
) -> Iterator[dict[str, float]]:
    """All columns at each step; those of the step before while nothing changes."""
    hops, delay = Trees(roots, relay, "bfs"), Trees(roots, relay, "warm")
    seen, row = None, {}
    for arcs in steps:
        if arcs is not seen:
            seen = arcs
            row = _links(arcs, len(relay))
            share, row["diameter_hops"], row["mean_hops"] = _across(hops.grow(arcs)[0])
            row["reachable_share"] = share
            _, row["diameter_s"], row["mean_delay_s"] = _across(delay.grow(arcs)[0])
        yield row


def _links(arcs: Arcs, nodes: int) -> dict[str, float]:
    """What does not need paths; O(links log links)."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    low, high = np.minimum(arcs.tail, arcs.head), np.maximum(arcs.tail, arcs.head)
    low, high = np.divmod(np.unique(low * nodes + high), nodes)
    degree = np.bincount(low, minlength=nodes) + np.bincount(high, minlength=nodes)
    active = degree > 0
    graph = coo_array((np.ones(len(low)), (low, high)), shape=(nodes, nodes))
    piece = connected_components(graph, directed=False)[1][active]
    size = np.bincount(piece)
    count = degree[active]
    return {
        "active_nodes": len(count),
        "active_links": len(low),
        "components": int((size > 0).sum()),
        "largest_component": int(size.max(initial=0)),
        "degree_min": count.min() if len(count) else np.nan,
        "degree_mean": count.mean() if len(count) else np.nan,
        "degree_max": count.max() if len(count) else np.nan,
    }


def _across(distance: Floats) -> tuple[float, float, float]:
    """Share of ordered pairs of two nodes with a path; their largest and mean distance."""
    sources, nodes = distance.shape
    there = np.isfinite(distance)
    count = int(there.sum()) - sources  # every source reaches itself, at distance 0
    if not count:
        return 0.0, np.nan, np.nan
    far = np.where(there, distance, 0.0)
    return count / (sources * (nodes - 1)), float(far.max()), float(far.sum()) / count
