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
from typing import TYPE_CHECKING

import numba
import numpy as np

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
    while True:
        status = _run(
            *data, work, capacity, digits, stride, graph.counts, most_copies, keys,
            bits, hashes, chain, best, parent, option, table, head, place, limit,
            place[3] + max(SLICE // (1 + states * classes // 32), 1000),
        )  # fmt: skip
        if status == 0:
            break
        if status == 1 and stop():
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
            _rehash(table, hashes, int(place[0]))
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


def _grow(array: NDArray[np.generic], room: int, fill: float) -> NDArray[np.generic]:
    wider = np.full((room, *array.shape[1:]), fill, dtype=array.dtype)
    wider[: len(array)] = array
    return wider


def _graph_arrays(graph: Contracted) -> tuple[NDArray[np.generic], ...]:
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


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _rehash(table: NDArray[np.int32], hashes: NDArray[np.uint64], count: int) -> None:
    mask = np.uint64(len(table) - 1)
    for k in range(count):
        slot = hashes[k] & mask
        while table[slot] >= 0:
            slot = (slot + np.uint64(1)) & mask
        table[slot] = k


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _run(
    compute: Floats,
    weight: Floats,
    activation: Floats,
    memory: Floats,
    io: Floats,
    input_s: Floats,
    in_s: Floats,
    out_s: Floats,
    both: Floats,
    source: NDArray[np.bool_],
    indegree: Ints,
    succ_at: Ints,
    succ: Ints,
    touch_at: Ints,
    touch: Ints,
    tail: Ints,
    tensor_bits: Floats,
    readers: Ints,
    work: Floats,
    capacity: Floats,
    digits: Ints,
    stride: Ints,
    counts: Ints,
    copies: Ints,
    keys: NDArray[np.uint64],
    bits: NDArray[np.uint64],
    hashes: NDArray[np.uint64],
    chain: Ints,
    best: Floats,
    parent: NDArray[np.int32],
    option: NDArray[np.int16],
    table: NDArray[np.int32],
    head: Ints,
    place: Ints,
    limit: Floats,
    budget: int,
) -> int:
    """Expand ideals in order of size; 0 = done, 1 = slice used up, 2 = tables full."""
    size, classes = compute.shape
    states, prices = capacity.shape
    words = bits.shape[1]
    tensors = len(tail)
    one = np.uint64(1)
    mask = np.uint64(len(table) - 1)
    total = work.sum(axis=0)
    most = copies.max()

    where = np.zeros(size, dtype=np.int8)  # 0 outside, 1 in I, 2 in S
    missing = np.zeros(size, dtype=np.int64)
    inside = np.zeros(tensors, dtype=np.int64)  # readers of a tensor in S
    before = np.zeros(tensors, dtype=np.int64)  # readers in I
    avail = np.zeros(words, dtype=np.uint64)
    now = np.zeros(words, dtype=np.uint64)
    stack = np.zeros(size + 1, dtype=np.int64)
    seconds = np.zeros((size + 1, classes))
    held = np.zeros(size + 1)
    largest = np.zeros(size + 1)
    inward = np.zeros(size + 1)  # bits of tensors that enter S, leave S, and for good
    outward = np.zeros(size + 1)
    fixed = np.zeros(size + 1)
    sources = np.zeros(size + 1, dtype=np.int64)
    left = np.zeros((size + 1, prices))
    code = np.zeros(size + 1, dtype=np.uint64)
    load = np.zeros(classes)
    floor = np.zeros(states)
    useful = np.zeros(states, dtype=np.int64)

    while place[1] < size:
        k = head[place[1]]
        if k < 0:
            place[1] += 1
            continue
        if place[3] > budget:
            return 1
        # States of this ideal that no smaller set of nodes does as well.
        num_useful = 0
        for s in range(states):
            least = np.inf
            for c in range(classes):
                if digits[s, c] > 0:
                    least = min(least, floor[s - stride[c]])
            if best[k, s] < least and best[k, s] < limit[0]:
                useful[num_useful] = s
                num_useful += 1
            floor[s] = min(least, best[k, s])
        if num_useful == 0:
            head[place[1]] = chain[k]
            continue

        for w in range(words):
            now[w] = bits[k, w]
            avail[w] = 0
        inside[:] = 0
        before[:] = 0
        for v in range(size):
            missing[v] = indegree[v]
        for p in range(prices):
            left[0, p] = total[p]
        for v in range(size):
            where[v] = 1 if (now[v >> 6] >> np.uint64(v & 63)) & one else 0
            if where[v]:
                for a in range(succ_at[v], succ_at[v + 1]):
                    missing[succ[a]] -= 1
                for a in range(touch_at[v], touch_at[v + 1]):
                    if tail[touch[a]] != v:
                        before[touch[a]] += 1
                for p in range(prices):
                    left[0, p] -= work[v, p]
        for v in range(size):
            if not where[v] and missing[v] == 0:
                avail[v >> 6] |= one << np.uint64(v & 63)
        code[0] = hashes[k]

        depth = 0
        cursor = 0  # next vertex to try
        while True:
            v = -1
            w = cursor >> 6
            if w < words:
                word = avail[w] & (~np.uint64(0) << np.uint64(cursor & 63))
                while word == 0 and w + 1 < words:
                    w += 1
                    word = avail[w]
                if word != 0:
                    v = 64 * w + _lowest(word)
            if v < 0:
                if depth == 0:
                    break
                depth -= 1
                v = stack[depth]
                _remove(v, where, missing, inside, avail, now, succ_at, succ, touch_at, touch, tail)
                cursor = v + 1
                continue

            # -- add v to S: loads of depth + 1 from those of depth ------------------------------
            d = depth + 1
            held[d] = held[depth] + weight[v]
            largest[d] = max(largest[depth], activation[v])
            sources[d] = sources[depth] + (1 if source[v] else 0)
            enter, leave, stay = inward[depth], outward[depth], fixed[depth]
            for a in range(touch_at[v], touch_at[v + 1]):
                t = touch[a]
                amount = tensor_bits[t]
                if tail[t] == v:
                    if inside[t] > 0:
                        enter -= amount
                    if inside[t] < readers[t]:
                        leave += amount
                    if before[t] > 0:
                        stay += amount
                else:
                    inside[t] += 1
                    if where[tail[t]] == 2:
                        if inside[t] == readers[t]:
                            leave -= amount
                    elif inside[t] == 1:
                        enter += amount
                        if where[tail[t]] == 1:
                            stay += amount
            inward[d], outward[d], fixed[d] = enter, leave, stay
            where[v] = 2
            avail[v >> 6] &= ~(one << np.uint64(v & 63))
            now[v >> 6] |= one << np.uint64(v & 63)
            for a in range(succ_at[v], succ_at[v + 1]):
                u = succ[a]
                missing[u] -= 1
                if missing[u] == 0:
                    avail[u >> 6] |= one << np.uint64(u & 63)
            place[3] += 1
            alive = False
            any_load = False
            for c in range(classes):
                base = seconds[depth, c] + compute[v, c]
                seconds[d, c] = base
                load[c] = np.inf
                if held[d] + largest[d] > memory[c]:
                    continue
                if sources[d] > 0:
                    base += input_s[c]
                if base + stay * io[c] < limit[0] * copies[c]:
                    alive = True
                    crossing = base + (enter + leave) * io[c]
                    crossing = max(crossing, (enter + both[0] * leave) * in_s[c])
                    crossing = max(crossing, (leave + both[0] * enter) * out_s[c])
                    if crossing < limit[0] * copies[c]:
                        load[c] = crossing
                        any_load = True
            if not alive:
                _remove(v, where, missing, inside, avail, now, succ_at, succ, touch_at, touch, tail)
                cursor = v + 1
                continue
            code[d] = code[depth] ^ keys[v]
            for p in range(prices):
                left[d, p] = left[depth, p] - work[v, p]
            stack[depth] = v
            depth = d
            cursor = v + 1
            if not any_load:
                continue

            # -- J = I + S: better states for its ideal -------------------------------------------
            target = -1
            for choice in range(classes * most):
                c, r = choice % classes, choice // classes + 1
                if r > copies[c] or load[c] >= limit[0] * r:
                    continue
                share = load[c] / r
                for m in range(num_useful):
                    s = useful[m]
                    if digits[s, c] + r > counts[c]:
                        continue
                    value = max(best[k, s], share)
                    if value >= limit[0]:
                        continue
                    s2 = s + r * stride[c]
                    enough = True
                    for p in range(prices):
                        if left[d, p] > limit[0] * capacity[s2, p] * (1 + 1e-12) + 1e-300:
                            if left[d, p] > 1e-9 * total[p]:
                                enough = False
                                break
                    if not enough:
                        continue
                    if target < 0:
                        slot = code[d] & mask
                        while table[slot] >= 0:
                            other = table[slot]
                            if hashes[other] == code[d]:
                                same = True
                                for w in range(words):
                                    if bits[other, w] != now[w]:
                                        same = False
                                        break
                                if same:
                                    target = other
                                    break
                            slot = (slot + one) & mask
                        if target < 0:
                            if place[0] >= len(chain):
                                return 2
                            target = place[0]
                            place[0] += 1
                            table[slot] = target
                            hashes[target] = code[d]
                            many = 0
                            for w in range(words):
                                bits[target, w] = now[w]
                                word = now[w]
                                while word != 0:
                                    word &= word - one
                                    many += 1
                            chain[target] = head[many]
                            head[many] = target
                            if many == size:
                                place[2] = target
                    if value < best[target, s2]:
                        best[target, s2] = value
                        parent[target, s2] = k
                        option[target, s2] = choice
                        if target == place[2]:
                            limit[0] = min(limit[0], value * (1 - 1e-9))
        head[place[1]] = chain[k]
    return 0


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _remove(
    v: int,
    where: NDArray[np.int8],
    missing: Ints,
    inside: Ints,
    avail: NDArray[np.uint64],
    now: NDArray[np.uint64],
    succ_at: Ints,
    succ: Ints,
    touch_at: Ints,
    touch: Ints,
    tail: Ints,
) -> None:
    """Undo the last addition to S."""
    one = np.uint64(1)
    for a in range(succ_at[v], succ_at[v + 1]):
        u = succ[a]
        if missing[u] == 0:
            avail[u >> 6] &= ~(one << np.uint64(u & 63))
        missing[u] += 1
    avail[v >> 6] |= one << np.uint64(v & 63)
    now[v >> 6] &= ~(one << np.uint64(v & 63))
    for a in range(touch_at[v], touch_at[v + 1]):
        if tail[touch[a]] != v:
            inside[touch[a]] -= 1
    where[v] = 0


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _lowest(word: np.uint64) -> int:
    """Position of the lowest set bit."""
    at = 0
    if word & np.uint64(0xFFFFFFFF) == 0:
        at += 32
        word >>= np.uint64(32)
    if word & np.uint64(0xFFFF) == 0:
        at += 16
        word >>= np.uint64(16)
    if word & np.uint64(0xFF) == 0:
        at += 8
        word >>= np.uint64(8)
    if word & np.uint64(0xF) == 0:
        at += 4
        word >>= np.uint64(4)
    if word & np.uint64(0x3) == 0:
        at += 2
        word >>= np.uint64(2)
    if word & np.uint64(0x1) == 0:
        at += 1
    return at
