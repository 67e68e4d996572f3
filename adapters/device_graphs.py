"""Readers of two published kinds of profiled graphs: msr-fiddle's JSON and PipeDream's text.

`read_msr` reads the throughput and latency instances of *Efficient Algorithms for Device Placement
of DNN Graph Operators* (Tarnawski, Phanishayee, Devanur, Mahajan, Paravecino; NeurIPS 2020) and
states their cost model as a partition problem; `read_pipedream` reads the layer profiles of
*PipeDream* (Narayanan et al.; SOSP 2019).
"""

from __future__ import annotations

import heapq
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..formulations import checks
from ..formulations.network import Link, Network, Node
from ..formulations.partition.problem import PartitionProblem
from ..formulations.profile import LayerProfile, ModelProfile

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

#: The files give the times of tensors on an accelerator's bus, not their bytes: one second stands
#: for a millionth of a byte, so that tensors weigh nothing in the memory rule "weights plus the
#: largest activation", which that cost model does not have.
BYTES_PER_S = 1e-6

_FIELDS = ("forward_compute_time", "backward_compute_time", "activation_size", "parameter_size")


def read_msr(path: str | Path, *, contiguous: bool = True) -> PartitionProblem:
    """Read an instance of msr-fiddle/dnn-partitioning as a throughput problem.

    Accelerators have the instance's memory and pay for moving tensors in and out (their
    `io_rate_bps` is finite); CPUs have neither limit. Every producer pays once (`multicast`),
    layers of one ``colorClass`` are co-located, and links cost nothing. Layers that accelerators
    do not support get infinite `compute_s` there.

    In a training graph the pieces are judged on the forward layers alone (`piece_edges`). A
    backward layer whose colour has no forward layer stands in for one: the edges between it and
    other backward layers count, reversed.

    Parameters
    ----------
    path : str or Path
        JSON file with ``maxSizePerFPGA, maxFPGAs, maxCPUs, nodes, edges``.
    contiguous : bool
        Whether pieces must be contiguous.

    Returns
    -------
    PartitionProblem
        Objective ``throughput``, nodes ``accelerator-0.., cpu-0..``.

    Raises
    ------
    InputError
        If a key is missing, a number is bad, or the graph has a cycle.
    """
    where = str(path)
    data = _json(path)
    for key in ("maxSizePerFPGA", "maxFPGAs", "maxCPUs", "nodes", "edges"):
        if key not in data:
            checks.fail(f"{where}: {key}", None, "a value (the key is missing)")
    rows: dict[Any, Mapping[str, Any]] = {}
    for k, row in enumerate(_rows(where, data, "nodes")):
        number = _value(f"{where}: nodes[{k}]", row, "id")
        if number in rows:
            checks.fail(f"{where}: nodes[{k}].id", number, "every id once")
        rows[number] = row
    cost: dict[Any, float] = {}
    arcs: list[tuple[Any, Any]] = []
    for k, edge in enumerate(_rows(where, data, "edges")):
        here = f"{where}: edges[{k}]"
        source, target = (_value(here, edge, key) for key in ("sourceId", "destId"))
        for end in (source, target):
            if end not in rows:
                checks.fail(here, end, "the id of a node")
        seconds = _number(here, edge, "cost") / 1e3
        if abs(cost.setdefault(source, seconds) - seconds) > 1e-9:
            checks.fail(f"{here}.cost", seconds * 1e3, f"one cost for all edges of node {source}")
        arcs.append((source, target))
    arcs = list(dict.fromkeys(arcs))
    order = _topological(where, list(rows), arcs)
    index = {number: k for k, number in enumerate(order)}

    layers = []
    for number in order:
        size = rows[number].get("size", 0.0)
        size = checks.real(f"{where}: node {number}.size", size)
        name = f"{rows[number].get('name', 'layer')}#{number}"
        activation = cost.get(number, 0.0) * BYTES_PER_S
        layers.append(LayerProfile(name, 0, size, 0.0, activation))
    edges = tuple(sorted((index[a], index[b]) for a, b in arcs))
    profile = ModelProfile(tuple(layers), edges, name=Path(path).stem)

    accelerators = checks.whole(f"{where}: maxFPGAs", data["maxFPGAs"])
    cpus = checks.whole(f"{where}: maxCPUs", data["maxCPUs"])
    memory = checks.real(f"{where}: maxSizePerFPGA", data["maxSizePerFPGA"], finite=False)
    times = np.empty((len(order), accelerators + cpus))
    for k, number in enumerate(order):
        here = f"{where}: node {number}"
        fast = _number(here, rows[number], "fpgaLatency") / 1e3
        supported = bool(_value(here, rows[number], "supportedOnFpga"))
        times[k, :accelerators] = fast if supported else math.inf
        times[k, accelerators:] = _number(here, rows[number], "cpuLatency") / 1e3
    backward = [bool(rows[number].get("isBackwardNode", False)) for number in order]
    colors: dict[Any, list[int]] = {}
    for k, number in enumerate(order):
        if rows[number].get("colorClass") is not None:
            colors.setdefault(rows[number]["colorClass"], []).append(k)
    return PartitionProblem(
        profile,
        _devices(accelerators, cpus, memory),
        "throughput",
        contiguous=contiguous,
        multicast=True,
        compute_s=times,
        colocated=tuple(tuple(group) for group in colors.values() if len(group) > 1),
        piece_edges=_forward_edges(edges, backward, list(colors.values())),
    )


def read_pipedream(path: str | Path) -> tuple[ModelProfile, Floats, Floats]:
    """Read a layer profile of PipeDream.

    Parameters
    ----------
    path : str or Path
        Text file: one line per layer (``node1 -- Conv2d(...) -- forward_compute_time=1.5, ...``,
        milliseconds and bytes per minibatch), one indented line per edge.

    Returns
    -------
    profile : ModelProfile
        Weights and activations in bytes; FLOPs are zero, since the file gives times.
    forward_s, backward_s : ndarray, shape (L,)
        Measured seconds of each layer, forward and backward.

    Raises
    ------
    InputError
        If a line cannot be read or the graph has a cycle.
    """
    rows: dict[str, tuple[str, dict[str, float]]] = {}
    arcs: list[tuple[str, str]] = []
    text = Path(path).read_text(encoding="utf-8")
    for line_number, line in enumerate(text.splitlines(), 1):
        where = f"{path}: line {line_number}"
        parts = [part.strip() for part in line.split(" -- ")]
        if not line.strip():
            continue
        if line[0].isspace() and len(parts) == 2:
            arcs.append((parts[0], parts[1]))
            continue
        if len(parts) < 3:
            checks.fail(where, line.strip()[:60], "'node -- layer -- times' or an indented edge")
        found = dict(re.findall(r"(\w+)=(\[[^\]]*\]|[^,\s]+)", parts[2]))
        values = {name: _sum(f"{where}: {name}", found.get(name)) for name in _FIELDS}
        if parts[0] in rows:
            checks.fail(where, parts[0], "every node once")
        rows[parts[0]] = (parts[1], values)
    for a, b in arcs:
        for end in (a, b):
            if end not in rows:
                checks.fail(f"{path}: edge {a} -- {b}", end, "a node of the file")
    arcs = list(dict.fromkeys(arcs))
    order = _topological(str(path), list(rows), arcs)
    index = {name: k for k, name in enumerate(order)}
    layers = [
        LayerProfile(
            name,
            int(rows[name][1]["parameter_size"] // 4),
            rows[name][1]["parameter_size"],
            0.0,
            rows[name][1]["activation_size"],
            kind=rows[name][0].split("(")[0],
        )
        for name in order
    ]
    edges = tuple(sorted((index[a], index[b]) for a, b in arcs))
    profile = ModelProfile(tuple(layers), edges, name=Path(path).stem)
    times = [
        np.array([rows[name][1][field] / 1e3 for name in order], dtype=np.float64)
        for field in _FIELDS[:2]
    ]
    return profile, times[0], times[1]


def _devices(accelerators: int, cpus: int, memory_bytes: float) -> Network:
    nodes = [
        Node(f"accelerator-{k}", memory_bytes=memory_bytes, io_rate_bps=8 * BYTES_PER_S)
        for k in range(accelerators)
    ]
    nodes += [Node(f"cpu-{k}") for k in range(cpus)]
    links = [
        Link(a.name, b.name, rate_bps=math.inf) for a in nodes for b in nodes if a.name != b.name
    ]
    return Network(tuple(nodes), tuple(links))


def _forward_edges(
    edges: Sequence[tuple[int, int]], backward: Sequence[bool], colors: Iterable[Sequence[int]]
) -> tuple[tuple[int, int], ...] | None:
    """Edges that contiguity looks at in a training graph; None where no layer is backward."""
    if not any(backward):
        return None
    orphan = set(range(len(backward)))
    for group in colors:
        if not all(backward[i] for i in group):
            orphan -= set(group)
    found = [(i, j) for i, j in edges if not backward[j]]
    found += [
        (j, i) for i, j in edges if backward[i] and backward[j] and (i in orphan or j in orphan)
    ]
    return tuple(found)


def _topological(where: str, names: Sequence[Any], arcs: Sequence[tuple[Any, Any]]) -> list[Any]:
    """Names sorted so that every arc goes forward, ties in the order given."""
    place = {name: k for k, name in enumerate(names)}
    successors: dict[Any, list[Any]] = {name: [] for name in names}
    missing = dict.fromkeys(names, 0)
    for a, b in arcs:
        successors[a].append(b)
        missing[b] += 1
    ready = [place[name] for name in names if missing[name] == 0]
    heapq.heapify(ready)
    order: list[Any] = []
    while ready:
        name = names[heapq.heappop(ready)]
        order.append(name)
        for other in successors[name]:
            missing[other] -= 1
            if missing[other] == 0:
                heapq.heappush(ready, place[other])
    if len(order) < len(names):
        left = next(name for name in names if missing[name] > 0)
        checks.fail(f"{where}: node {left}", "in a cycle", "an acyclic graph")
    return order


def _json(path: str | Path) -> dict[str, Any]:
    try:
        data = json.loads(Path(path).read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        checks.fail(str(path), f"line {error.lineno}: {error.msg}", "valid JSON")
    if not isinstance(data, dict):
        checks.fail(str(path), type(data).__name__, "a JSON object")
    return data


def _rows(where: str, data: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    rows = data[key]
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        checks.fail(f"{where}: {key}", type(rows).__name__, "a list of objects")
    return rows


def _value(where: str, row: Mapping[str, Any], key: str) -> Any:
    if row.get(key) is None:
        checks.fail(f"{where}.{key}", None, "a value (the key is missing)")
    return row[key]


def _number(where: str, row: Mapping[str, Any], key: str) -> float:
    return checks.real(f"{where}.{key}", _value(where, row, key))


def _sum(where: str, text: str | None) -> float:
    """A number, or the sum of a list of numbers: ``[1.0; 2.0]``."""
    if text is None:
        checks.fail(where, None, "a value (the field is missing)")
    total = 0.0
    for part in re.split(r"[;,\s]+", text.strip("[] ")):
        try:
            total += float(part)
        except ValueError:
            checks.fail(where, text, "a number or a list of numbers")
    return checks.real(where, total)
