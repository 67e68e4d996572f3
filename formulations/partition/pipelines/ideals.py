"""Exact bottleneck of a contracted DAG by dynamic programming over its ideals.

Sets        ideals I of the piece rule (vertex sets closed under predecessors); stages S = J minus I
            for two ideals; count vectors s (nodes used of each class)
State       f[I, s] = least bottleneck of covering I with the nodes of s
Recursion   f[J, s + r e_c] = min over I, c and r of max(f[I, s], load_c(J minus I) / r), where r
            nodes of class c share the stage (r = 1 unless stages may be replicated)
Source      Tarnawski, Phanishayee, Devanur, Mahajan, Paravecino: Efficient Algorithms for Device
            Placement of DNN Graph Operators, NeurIPS 2020, section 5.1.

What makes it quick here: ideals are made only when a stage lighter than the incumbent reaches them;
the stages of an ideal are enumerated once each, in increasing vertex number (every prefix of an
ideal in topological order is an ideal), their loads kept up to date vertex by vertex; a branch ends
when the load that no later vertex can take back reaches the incumbent on every class; and a state
is dropped when the nodes that it leaves cannot carry what is left (node prices, see
`contracted.node_prices`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .ideals_kernel import expand, rehash

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from .contracted import Contracted

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

#: Count vectors and bytes of tables beyond which this road is not taken.
MAX_STATES = 4096
MAX_TABLE_BYTES = 1.5e9
#: Relative step below the incumbent that a better plan must make.
STEP = 1e-9
#: Stages enumerated between two looks at the clock, fewer with many states.
SLICE = 2_000_000
#: How many times a slice may be lengthened for one ideal before the search is given up.
LONGEST_SLICE = 16


@dataclass(frozen=True, slots=True, eq=False)
class IdealResult:
    """End of one run.

    Attributes
    ----------
    value : float
        Bottleneck of `class_of_vertex`, infinite where nothing below the cutoff was found.
    stage_of_vertex, class_of_vertex, copies_of_vertex : ndarray of int64, shape (V,), or None
        Stages numbered in a valid order, the class of node that runs each vertex, and on how many
        of its nodes.
    complete : bool
        Whether the search ran to its end: then nothing below min(value, cutoff) exists.
    ideals, stages : int
        How many were looked at.
    """

    value: float
    stage_of_vertex: Ints | None
    class_of_vertex: Ints | None
    copies_of_vertex: Ints | None
    complete: bool
    ideals: int
    stages: int


def num_states(graph: Contracted) -> int:
    """Count vectors of the classes."""
    return int(np.prod(graph.counts.astype(np.float64) + 1))


def solve_ideals(
    graph: Contracted,
    cutoff: float,
    stop: Callable[[], bool] = lambda: False,
    max_ideals: int | None = None,
    max_replicas: int = 1,
) -> IdealResult:
    """Find the least bottleneck below `cutoff`, or prove that there is none.

    Parameters
    ----------
    graph : Contracted
    cutoff : float
        Only plans with every load below it are looked for.
    stop : callable
        Asked between slices of work whether to give up.
    max_ideals : int, optional
        Give up beyond this number; by default what `MAX_TABLE_BYTES` holds.
    max_replicas : int
        How many nodes of a class may share a stage.

    Returns
    -------
    IdealResult

    Notes
    -----
    O(pairs of nested ideals that differ by a stage below `cutoff`), each with the degree of one
    vertex and the number of count vectors.
    """
    size, classes = graph.compute_s.shape
    states = num_states(graph)
    words = (size + 63) // 64
    per_ideal = 8 * words + 8 + 16 + states * (8 + 4 + 2)
    most = int(MAX_TABLE_BYTES / per_ideal) if max_ideals is None else max_ideals
    most = 1 << max(1, most.bit_length() - 1)  # the hash table wants a power of two
    stride = np.cumprod(np.concatenate([[1], graph.counts[:-1] + 1])).astype(np.int64)
    digits = (np.arange(states)[:, None] // stride) % (graph.counts + 1)
    prices = graph.prices
    with np.errstate(invalid="ignore"):
        priced = prices[:, None, :] * graph.compute_s[None]
    priced = np.where(np.isfinite(graph.compute_s)[None], priced, np.inf)
    work = np.ascontiguousarray(priced.min(axis=2).T)  # (V, P)
    if not np.isfinite(work).all():
        return IdealResult(np.inf, None, None, None, True, 0, 0)
    capacity = np.ascontiguousarray((graph.counts - digits) @ prices.T)  # (states, P)
    most_copies = np.minimum(graph.counts, max_replicas)
    data = _graph_arrays(graph)
    rng = np.random.default_rng(20)
    keys = rng.integers(1, 2**63 - 1, size=size, dtype=np.int64).astype(np.uint64)

    room = min(1024, most)
    bits = np.zeros((room, words), dtype=np.uint64)
    hashes = np.zeros(room, dtype=np.uint64)
    chain = np.full(room, -1, dtype=np.int64)
    best = np.full((room, states), np.inf)
    parent = np.full((room, states), -1, dtype=np.int32)
    option = np.full((room, states), -1, dtype=np.int16)
    table = np.full(4 * room, -1, dtype=np.int32)
    head = np.full(size + 1, -1, dtype=np.int64)
    best[0, 0] = 0.0
    head[0] = 0
    table[0] = 0  # the empty ideal hashes to 0
    # count of ideals, current size, full ideal's number, stages seen
    place = np.array([1, 0, -1, 0], dtype=np.int64)
    limit = np.array([cutoff])
    complete = True
    least = max(SLICE // (1 + states * classes // 32) // words, 1000)
    slice_now = least
    while True:
        at = (int(place[1]), int(head[min(int(place[1]), size)]))
        arguments: list[Any] = [
            *data, work, capacity, digits, stride, graph.counts, most_copies, keys,
            bits, hashes, chain, best, parent, option, table, head, place, limit,
            place[3] + slice_now,
        ]  # fmt: skip
        status = expand(*arguments)
        if status == 0:
            break
        if status == 1:
            # An ideal whose stages outlast the slice is done again with a longer one.
            stuck = at == (int(place[1]), int(head[min(int(place[1]), size)]))
            slice_now = 2 * slice_now if stuck else least
            if stop() or slice_now > LONGEST_SLICE * least:
                complete = False
                break
        if status == 2:
            if len(chain) >= most:
                complete = False
                break
            room = min(2 * len(chain), most)
            bits, hashes, chain = (
                _grow(bits, room, 0),
                _grow(hashes, room, 0),
                _grow(chain, room, -1),
            )
            best, parent = _grow(best, room, np.inf), _grow(parent, room, -1)
            option = _grow(option, room, -1)
            table = np.full(4 * room, -1, dtype=np.int32)
            rehash(table, hashes, int(place[0]))
    full = int(place[2])
    counts = (int(place[0]), int(place[3]))
    if full < 0 or not np.isfinite(best[full]).any():
        return IdealResult(np.inf, None, None, None, complete, *counts)
    state = int(best[full].argmin())
    value = float(best[full, state])
    found = _trace(size, classes, bits, parent, option, stride, full, state)
    return IdealResult(value, *found, complete, *counts)


def _trace(
    size: int,
    classes: int,
    bits: NDArray[np.uint64],
    parent: NDArray[np.int32],
    option: NDArray[np.int16],
    stride: Ints,
    ideal: int,
    state: int,
) -> tuple[Ints, Ints, Ints]:
    """Walk back from the full ideal; stages are numbered from its end, then turned round."""
    stage = np.zeros(size, dtype=np.int64)
    of_class = np.zeros(size, dtype=np.int64)
    copies = np.ones(size, dtype=np.int64)
    shifts = np.arange(64, dtype=np.uint64)

    def inside(k: int) -> NDArray[np.bool_]:
        table = (bits[k][:, None] >> shifts[None, :]) & np.uint64(1)
        return np.asarray(table.reshape(-1)[:size], dtype=np.bool_)

    number = 0
    while ideal != 0:
        before = int(parent[ideal, state])
        r, c = divmod(int(option[ideal, state]), classes)
        here = inside(ideal) & ~inside(before)
        stage[here], of_class[here], copies[here] = number, c, r + 1
        number += 1
        state -= (r + 1) * int(stride[c])
        ideal = before
    return number - 1 - stage, of_class, copies


def _grow(array: Any, room: int, fill: float) -> Any:
    wider = np.full((room, *array.shape[1:]), fill, dtype=array.dtype)
    wider[: len(array)] = array
    return wider


def _graph_arrays(graph: Contracted) -> Any:
    """Arrays of the kernel: successors and, for each vertex, the tensors that it touches."""
    size = graph.num_vertices
    indegree = np.bincount(graph.arcs[:, 1], minlength=size).astype(np.int64)
    by_tail = np.argsort(graph.arcs[:, 0], kind="stable")
    successors = graph.arcs[by_tail, 1]
    succ_at = np.concatenate([[0], np.cumsum(np.bincount(graph.arcs[:, 0], minlength=size))])
    touched: list[list[int]] = [[] for _ in range(size)]
    for t, (tail, to) in enumerate(zip(graph.tensor_from, graph.tensor_to, strict=True)):
        touched[tail].append(t)
        for v in to:
            touched[v].append(t)
    touch = np.array([t for row in touched for t in row], dtype=np.int64)
    touch_at = np.concatenate([[0], np.cumsum([len(row) for row in touched])]).astype(np.int64)
    readers = np.array([len(to) for to in graph.tensor_to], dtype=np.int64)
    return (
        graph.compute_s,
        graph.weight_bytes,
        graph.activation_bytes,
        graph.memory_bytes * (1 + 1e-9),
        graph.io_s_per_bit,
        graph.input_s,
        graph.in_s_per_bit,
        graph.out_s_per_bit,
        np.array([1.0 if graph.both_ways else 0.0]),
        graph.source,
        indegree,
        succ_at.astype(np.int64),
        successors.astype(np.int64),
        touch_at,
        touch,
        graph.tensor_from,
        graph.tensor_bits,
        readers,
    )
