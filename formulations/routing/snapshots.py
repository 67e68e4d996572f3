"""Shortest paths on snapshots of a network that moves: all targets, step after step.

At each time the links that stand are a graph, and every link lasts for the whole path: nothing
waits, nothing is stored. (Routes that wait for a contact are `RouteProblem`'s.) The shortest paths
from a source are a tree; from one step to the next the tree is repaired, not sought anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import checks
from ..contacts import ContactPlan
from .mesh import Mesh
from .snapshot_answers import ForwardingStates, SnapshotPaths
from .snapshot_arcs import WEIGHTS, Arcs, arcs_at, check, moments, relays, through_ground
from .trees import METHODS, Trees

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]


def snapshot_paths(
    network: ContactPlan | Mesh,
    times: Any,
    sources: str | Sequence[str],
    targets: str | Sequence[str] | None = None,
    weight: str = "delay",
    *,
    ground_relays: bool | None = None,
    method: str | None = None,
    on_progress: Callable[[float], object] | None = None,
) -> SnapshotPaths:
    """Find the shortest paths from some nodes to all others at each of many times.

    Parameters
    ----------
    network : ContactPlan or Mesh
        The links of a plan are the contacts that stand at a time, start included and end not; of
        parallel contacts the best counts. A mesh has the links of `Mesh.links`.
    times : array_like, shape (times,)
        Seconds after the plan's epoch or the mesh's start, in any order.
    sources : str or sequence of str
        Names of nodes.
    targets : str or sequence of str, optional
        Whose distances to keep; all nodes unless given.
    weight : {"delay", "hops", "inverse_rate"}
        Of a link: its one-way light time (s), 1, or one over its rate (s/bit; a link of rate 0
        carries nothing).
    ground_relays : bool, optional
        Whether a path may come down to a ground node and go up again. Unless given, it may in a
        plan, whose contacts are taken as they are, but not in a mesh: there stations are ends.
    method : {"warm", "buckets", "heap", "scipy", "bfs"}, optional
        The road to the trees; distances are the same to the last bit, of equally short paths
        another may be given. ``"warm"`` repairs the trees of the step before; ``"buckets"``,
        ``"heap"`` (Dijkstra's algorithm) and ``"scipy"`` begin every step anew. Unless given,
        breadth-first search for hops, ``"buckets"`` over a mesh at steps of more than 20 s, else
        ``"warm"``.
    on_progress : callable, optional
        Called with the share that is done.

    Returns
    -------
    SnapshotPaths

    Raises
    ------
    InputError
        For an unknown name or weight, no time, or a time that is no finite number.

    Notes
    -----
    12 bytes per time, source and node: `snapshot_stream` needs them for one time only. The time of
    a further step grows with sources x links.
    """
    steps = snapshot_stream(
        network,
        times,
        sources,
        targets,
        weight,
        ground_relays=ground_relays,
        method=method,
        on_progress=on_progress,
    )
    first = next(steps)
    times_s = moments("snapshot_paths", times)
    distance = np.empty((len(times_s), *first.distance.shape[1:]))
    before = np.empty((len(times_s), *first.predecessor.shape[1:]), dtype=np.int32)
    distance[0], before[0] = first.distance[0], first.predecessor[0]
    for k, step in enumerate(steps, start=1):
        distance[k], before[k] = step.distance[0], step.predecessor[0]
    return replace(first, times_s=times_s, distance=distance, predecessor=before)


def snapshot_stream(
    network: ContactPlan | Mesh,
    times: Any,
    sources: str | Sequence[str],
    targets: str | Sequence[str] | None = None,
    weight: str = "delay",
    *,
    ground_relays: bool | None = None,
    method: str | None = None,
    on_progress: Callable[[float], object] | None = None,
) -> Iterator[SnapshotPaths]:
    """`snapshot_paths` one step at a time, in memory that does not grow with their number.

    Yields
    ------
    SnapshotPaths
        Of one time each, in the order of `times`.
    """
    run = _Run.of(
        "snapshot_paths", network, times, sources, weight, ground_relays, method, on_progress
    )
    names = run.node_names
    wanted = names if targets is None else _names("snapshot_paths.targets", targets, names)
    chosen = slice(None) if targets is None else [names.index(name) for name in wanted]

    def steps() -> Iterator[SnapshotPaths]:
        for time, distance, before in run.trees(reverse=False):
            yield SnapshotPaths(
                np.array([time]),
                run.roots,
                wanted,
                names,
                weight,
                distance[None, :, chosen],
                before[None],
            )

    return steps()


def forwarding_states(
    network: ContactPlan | Mesh,
    times: Any,
    targets: str | Sequence[str],
    weight: str = "delay",
    *,
    ground_relays: bool | None = None,
    method: str | None = None,
    on_progress: Callable[[float], object] | None = None,
) -> ForwardingStates:
    """Find where every node sends what is for some targets, at each of many times.

    One tree per target, on the links turned round. Parameters and errors are those of
    `snapshot_paths`.

    Returns
    -------
    ForwardingStates
    """
    steps = list(
        forwarding_stream(
            network,
            times,
            targets,
            weight,
            ground_relays=ground_relays,
            method=method,
            on_progress=on_progress,
        )
    )
    return replace(
        steps[0],
        times_s=moments("forwarding_states", times),
        distance=np.concatenate([step.distance for step in steps]),
        next_hop=np.concatenate([step.next_hop for step in steps]),
    )


def forwarding_stream(
    network: ContactPlan | Mesh,
    times: Any,
    targets: str | Sequence[str],
    weight: str = "delay",
    *,
    ground_relays: bool | None = None,
    method: str | None = None,
    on_progress: Callable[[float], object] | None = None,
) -> Iterator[ForwardingStates]:
    """`forwarding_states` one step at a time, in memory that does not grow with their number.

    Yields
    ------
    ForwardingStates
        Of one time each, in the order of `times`.
    """
    run = _Run.of(
        "forwarding_states", network, times, targets, weight, ground_relays, method, on_progress
    )

    def steps() -> Iterator[ForwardingStates]:
        for time, distance, after in run.trees(reverse=True):
            yield ForwardingStates(
                np.array([time]), run.roots, run.node_names, weight, distance[None], after[None]
            )

    return steps()


#: Steps (s) above which low orbits have moved so far that new trees cost less than repaired ones.
_FAR_S = 20.0


@dataclass(frozen=True, slots=True, eq=False)
class _Run:
    """A checked question: trees from which roots, over what, when, and how."""

    network: ContactPlan | Mesh
    node_names: tuple[str, ...]
    times_s: Floats
    roots: tuple[str, ...]
    weight: str
    relay: NDArray[np.bool_]
    method: str
    on_progress: Callable[[float], object] | None

    @classmethod
    def of(
        cls,
        where: str,
        network: Any,
        times: Any,
        roots: Any,
        weight: Any,
        ground_relays: Any,
        method: Any,
        on_progress: Any,
    ) -> _Run:
        """Check what a caller said; `where` is the function that it called."""
        if not isinstance(network, ContactPlan | Mesh):
            checks.fail(f"{where}.network", type(network).__name__, "a ContactPlan or a Mesh")
        times_s = moments(where, times)
        names = network.node_names
        role = "sources" if where == "snapshot_paths" else "targets"
        chosen = _names(f"{where}.{role}", roots, names)
        checks.known(f"{where}.weight", weight, WEIGHTS)
        check(network, times_s, weight)
        relay = relays(network, through_ground(where, network, ground_relays))
        if method is not None:
            checks.known(f"{where}.method", method, METHODS)
        if method == "bfs" and weight != "hops":
            checks.fail(f"{where}.method", method, "another one: 'bfs' is for weight='hops'")
        if on_progress is not None and not callable(on_progress):
            checks.fail(f"{where}.on_progress", on_progress, "a callable, or None")
        road = method or _usual(network, times_s, weight)
        return cls(network, names, times_s, chosen, weight, relay, road, on_progress)

    def trees(self, *, reverse: bool) -> Iterator[tuple[float, Floats, NDArray[np.int32]]]:
        """Time, distances and neighbours towards the root, step after step."""
        position = {name: k for k, name in enumerate(self.node_names)}
        roots = np.array([position[name] for name in self.roots], dtype=np.int64)
        trees = Trees(roots, self.relay, self.method)
        seen: Arcs | None = None
        turned: Arcs | None = None
        for k, arcs in enumerate(arcs_at(self.network, self.times_s, self.weight)):
            if arcs is not seen or turned is None:
                seen = arcs
                turned = Arcs(arcs.head, arcs.tail, arcs.weight) if reverse else arcs
            yield float(self.times_s[k]), *trees.grow(turned)
            if self.on_progress is not None:
                self.on_progress((k + 1) / len(self.times_s))


def _usual(network: ContactPlan | Mesh, times_s: Floats, weight: str) -> str:
    """The road that is fastest as a rule; a mesh that moved far has little left to repair."""
    if weight == "hops":
        return "bfs"
    gaps = np.abs(np.diff(times_s))
    if isinstance(network, Mesh) and gaps.size and np.median(gaps) > _FAR_S:
        return "buckets"
    return "warm"


def _names(where: str, value: Any, known: tuple[str, ...]) -> tuple[str, ...]:
    """One or several names of nodes as a tuple, each once."""
    rows = (value,) if isinstance(value, str) else value
    if not isinstance(rows, Sequence | np.ndarray) or not len(rows):
        checks.fail(where, value, "the name of a node, or several")
    valid = set(known)
    for row in rows:
        if not isinstance(row, str) or row not in valid:
            checks.known(where, row, known)
    found = tuple(str(row) for row in rows)
    checks.unique(where, found)
    return found
