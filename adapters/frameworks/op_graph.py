"""From a stream of operations to layers: what the framework readers share.

A reader lists a model's operations in execution order, with the values that each reads and writes,
and says which layer some of them belong to. The rest (residual additions, reshapes, a softmax in a
container's own code) join the layer of their latest producer; a concatenation that one operation
alone reads joins that one's layer, so that branches stay apart. Layers are numbered as they appear
and no operation ever joins a layer older than one of its producers, so every edge goes forward and
the layer graph is acyclic, whatever the model does.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field

from ...formulations.checks import fail
from ...formulations.profile import LayerProfile, ModelProfile


@dataclass(slots=True)
class Value:
    """A tensor: its bytes, and the storage that it may share with other tensors (views)."""

    nbytes: float
    storage: Hashable = None
    storage_bytes: float | None = None


@dataclass(slots=True)
class Weight:
    """A tensor that belongs to the model: `params` is 0 for a buffer or a constant."""

    params: int
    nbytes: float


@dataclass(slots=True)
class Operation:
    """One operation: `layer` is the key of the layer that it must lie in, or None.

    `products` are the FLOPs of convolutions and matrix products, `others` all the rest that is to
    be counted. An operation of no layer may name a layer `near`, the last one opened in the same
    piece of the model's code: it goes there, not to its producer, where that keeps a larger tensor
    inside.
    """

    kind: str
    reads: Sequence[Hashable]
    writes: Sequence[Hashable]
    products: float = 0.0
    others: float = 0.0
    layer: Hashable = None
    weights: Sequence[Hashable] = ()
    near: Hashable = None


@dataclass(slots=True)
class OpGraph:
    """A model as operations in execution order; keys of values and weights are the reader's own.

    `layer_names` and `layer_kinds` describe layer keys; `inputs` and `outputs` are value keys.
    """

    operations: list[Operation] = field(default_factory=list)
    values: dict[Hashable, Value] = field(default_factory=dict)
    weights: dict[Hashable, Weight] = field(default_factory=dict)
    layer_names: dict[Hashable, str] = field(default_factory=dict)
    layer_kinds: dict[Hashable, str] = field(default_factory=dict)
    inputs: list[Hashable] = field(default_factory=list)
    outputs: list[Hashable] = field(default_factory=list)
    #: Where a weight that no operation reads belongs, if its layer is known.
    home_of_weight: dict[Hashable, Hashable] = field(default_factory=dict)


@dataclass(slots=True)
class _Group:
    name: str
    kind: str
    params: int = 0
    weight_bytes: float = 0.0
    flops: float = 0.0
    producers: set[int] = field(default_factory=set)
    leaving: dict[Hashable, None] = field(default_factory=dict)
    reads_input: bool = False
    holds_output: bool = False


@dataclass(slots=True)
class _Origin:
    """Where a value comes from: a group, or operations that wait for their consumer.

    `sources` are the values of groups that waiting operations read.
    """

    group: int | None = None
    from_input: bool = False
    waiting: frozenset[int] = frozenset()
    sources: frozenset[Hashable] = frozenset()


class _Grouping:
    """The walk over the operations; one object per call of `assemble`."""

    def __init__(self, graph: OpGraph) -> None:
        self.graph = graph
        self.groups: list[_Group] = []
        self.group_of_layer: dict[Hashable, int] = {}
        self.origin: dict[Hashable, _Origin] = {
            key: _Origin(from_input=True) for key in graph.inputs
        }
        self.taken: set[Hashable] = set()
        self.absorbed: set[int] = set()
        self.readers = Counter(key for row in graph.operations for key in set(row.reads))
        self.readers.update(2 * graph.outputs)  # an output must have a layer: never one reader

    def walk(self) -> None:
        for number, operation in enumerate(self.graph.operations):
            sources = self._sources(operation)
            before = {self.origin[key].group for key in sources}
            latest = max((group for group in before if group is not None), default=-1)
            if operation.layer is not None:
                group = self._open(operation.layer, latest)
            elif latest < 0 or (len(before) > 1 and self._only_passes_on(operation)):
                self._wait(number, operation, sources)
                continue
            else:
                group = self._nearby(operation, latest)
            self._join(group, operation, sources)

    def _sources(self, operation: Operation) -> list[Hashable]:
        """Values of groups that an operation reads, itself or through those that wait for it."""
        found: dict[Hashable, None] = {}
        for key in operation.reads:
            origin = self.origin.get(key)
            if origin is not None and origin.group is not None:
                found[key] = None
            elif origin is not None:
                found.update(dict.fromkeys(sorted(origin.sources, key=str)))
        return list(found)

    def _only_passes_on(self, operation: Operation) -> bool:
        """Whether an operation keeps all it reads (a concatenation) for one reader alone."""
        if operation.products or any(self.readers[key] != 1 for key in operation.writes):
            return False
        values = self.graph.values
        read = sum(values[key].nbytes for key in set(operation.reads) if key in self.origin)
        return sum(values[key].nbytes for key in operation.writes if key in values) >= read

    def _open(self, layer: Hashable, latest: int) -> int:
        """Group of `layer`; a further piece of it if it reads a layer opened after it."""
        group = self.group_of_layer.get(layer)
        if group is not None and group >= latest:
            return group
        name = self.graph.layer_names.get(layer, str(layer))
        used = {row.name for row in self.groups}
        unique, count = name, 1
        while unique in used:
            unique, count = f"{name}#{count}", count + 1
        self.groups.append(_Group(unique, self.graph.layer_kinds.get(layer, "")))
        self.group_of_layer[layer] = len(self.groups) - 1
        return len(self.groups) - 1

    def _nearby(self, operation: Operation, latest: int) -> int:
        """Group of an operation of no layer: its latest producer's, or the one that is near."""
        near = self.group_of_layer.get(operation.near, -1)
        if near <= latest:
            return latest
        data = [k for k in operation.reads if k in self.origin and self.origin[k].group is not None]
        read = sum(self.graph.values[key].nbytes for key in data)
        written = sum(self.graph.values[key].nbytes for key in operation.writes)
        return near if operation.products or written > read else latest

    def _wait(self, number: int, operation: Operation, sources: Sequence[Hashable]) -> None:
        """Leave an operation to its consumer: it reads inputs, weights or constants alone, or
        only passes on what several layers wrote."""
        origins = [self.origin[key] for key in operation.reads if key in self.origin]
        waiting = frozenset({number}).union(*(o.waiting for o in origins))
        from_input = any(o.from_input for o in origins)
        for key in operation.writes:
            self.origin[key] = _Origin(None, from_input, waiting, frozenset(sources))

    def _join(self, number: int, operation: Operation, sources: Sequence[Hashable]) -> None:
        group = self.groups[number]
        group.flops += operation.products + operation.others
        self._take(group, operation.weights)
        for key in sources:
            producer = self.origin[key].group
            if producer is not None and producer != number:
                group.producers.add(producer)
                self.groups[producer].leaving[key] = None
        for key in operation.reads:
            if key in self.origin:
                group.reads_input |= self.origin[key].from_input
                self._absorb(group, self.origin[key])
        for key in operation.writes:
            self.origin[key] = _Origin(group=number)

    def _absorb(self, group: _Group, origin: _Origin) -> None:
        for k in sorted(origin.waiting - self.absorbed):
            self.absorbed.add(k)
            operation = self.graph.operations[k]
            group.flops += operation.products + operation.others
            self._take(group, operation.weights)

    def _take(self, group: _Group, weights: Sequence[Hashable]) -> None:
        """Count weights at their first use: a shared one counts once."""
        for key in weights:
            if key not in self.taken:
                self.taken.add(key)
                group.params += self.graph.weights[key].params
                group.weight_bytes += self.graph.weights[key].nbytes

    def finish(self, name: str) -> None:
        """Outputs, operations and weights that no layer took."""
        if not self.groups:
            self.groups.append(_Group(name, "", reads_input=True))
        for key in self.graph.outputs:
            origin = self.origin.get(key)
            if origin is not None and origin.group is not None:
                self.groups[origin.group].leaving[key] = None
                self.groups[origin.group].holds_output = True
            elif origin is not None:
                self._absorb(self.groups[-1], origin)
        if not any(group.holds_output for group in self.groups):
            self.groups[-1].holds_output = True
            self.groups[-1].leaving.update(dict.fromkeys(self.graph.outputs))
        for key in self.graph.weights:
            if key not in self.taken:
                home = self.group_of_layer.get(self.graph.home_of_weight.get(key), 0)
                self._take(self.groups[home], [key])

    def drop_dead_ends(self) -> None:
        """Fold layers whose output nobody reads into their latest producer."""
        read = {p for group in self.groups for p in group.producers}
        for k in range(len(self.groups) - 1, 0, -1):
            group = self.groups[k]
            if k in read or group.holds_output or not group.producers:
                continue
            latest = max(group.producers)
            into = self.groups[latest]
            into.params += group.params
            into.weight_bytes += group.weight_bytes
            into.flops += group.flops
            into.reads_input |= group.reads_input
            into.producers |= group.producers - {latest}
            del self.groups[k]
            for other in self.groups[k:]:
                other.producers = {p - (p > k) for p in other.producers}
            read = {p for row in self.groups for p in row.producers}

    def bytes_leaving(self, keys: Sequence[Hashable]) -> float:
        """Bytes of some values, those that share a storage never counting more than it holds."""
        total: dict[Hashable, float] = {}
        limit: dict[Hashable, float] = {}
        for key in keys:
            value = self.graph.values[key]
            if math.isnan(value.nbytes):
                fail(f"size of tensor {key!r}", "unknown", "a size known before the model runs")
            place = ("value", key) if value.storage is None else ("storage", value.storage)
            total[place] = total.get(place, 0.0) + value.nbytes
            limit[place] = value.nbytes if value.storage_bytes is None else value.storage_bytes
        return sum(min(total[place], max(limit[place], 0.0)) for place in total)


def assemble(graph: OpGraph, name: str) -> ModelProfile:
    """Group the operations into layers.

    Parameters
    ----------
    graph : OpGraph
        Operations in execution order. Each reads values written before it, inputs, or constants
        (keys that nobody wrote).
    name : str
        Name of the profile.

    Returns
    -------
    ModelProfile
        Layers in execution order. A layer's activation bytes are those of its values that another
        layer reads or that leave the model. Where a later layer reads the model's input again
        (a skip connection from the input, a mask), a first layer ``input`` without cost stands
        for it, so that the edge exists.

    Raises
    ------
    InputError
        If there is no operation.
    """
    if not graph.operations:
        fail(f"model {name!r}", "no operation", "a model that computes something (it is empty)")
    walk = _Grouping(graph)
    walk.walk()
    walk.finish(name)
    walk.drop_dead_ends()
    input_bytes = sum(graph.values[key].nbytes for key in graph.inputs)
    rows = [
        LayerProfile(
            name=group.name,
            params=group.params,
            weight_bytes=group.weight_bytes,
            flops=group.flops,
            activation_bytes=walk.bytes_leaving(list(group.leaving)),
            kind=group.kind,
        )
        for group in walk.groups
    ]
    edges = [(i, j) for j, group in enumerate(walk.groups) for i in sorted(group.producers)]
    if any(group.reads_input and group.producers for group in walk.groups):
        taken = {row.name for row in rows}
        label = next(n for n in ("input", "model input", "(input)") if n not in taken)
        rows.insert(0, LayerProfile(label, 0, 0, 0, input_bytes, kind="Input"))
        edges = [(i + 1, j + 1) for i, j in edges]
        edges += [(0, k + 1) for k, group in enumerate(walk.groups) if group.reads_input]
    edges.sort()
    chain = edges == [(k, k + 1) for k in range(len(rows) - 1)]
    return ModelProfile(
        layers=tuple(rows),
        edges=None if chain else tuple(edges),
        input_bytes=input_bytes,
        output_bytes=walk.bytes_leaving(list(dict.fromkeys(graph.outputs))),
        name=name,
    )
