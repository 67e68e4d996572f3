"""What a model costs, layer by layer: parameters, bytes, FLOPs and the graph between layers.

FLOPs count a multiply-add as 2; bytes are bytes (1 MB = 10^6); activations are the bytes of a
layer's output for one request.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from . import checks
from .files import write_text
from .readers import reader

if TYPE_CHECKING:
    from numpy.typing import NDArray

FORMAT = "orbweave-profile"


@dataclass(frozen=True, slots=True)
class LayerProfile:
    """One layer (or block) of a model: the unit that a plan places on a node.

    Parameters
    ----------
    name : str
        Unique within the model.
    params : int
        Numbers that training sets, frozen ones included; a shared tensor counts once. Buffers, such
        as the statistics of batch norms, are in `weight_bytes` alone.
    weight_bytes : float
        Bytes of parameters and buffers in memory.
    flops : float
        Floating-point operations of one forward pass for one request (multiply-add = 2).
    activation_bytes : float
        Bytes of the layer's output for one request.
    state_bytes : float
        Further bytes that live beside the weights, such as a KV cache.
    kind : str
        What the layer is (module class, operator), for tables only.

    Raises
    ------
    InputError
        If a number is negative, NaN or infinite.
    """

    name: str
    params: int
    weight_bytes: float
    flops: float
    activation_bytes: float
    state_bytes: float = 0
    kind: str = ""

    def __post_init__(self) -> None:
        checks.text("LayerProfile.name", self.name)
        where = f"LayerProfile[{self.name!r}]"
        checks.whole(f"{where}.params", self.params)
        for field in ("weight_bytes", "flops", "activation_bytes", "state_bytes"):
            checks.real(f"{where}.{field}", getattr(self, field))

    @property
    def activation_size_mb(self) -> float:
        """Output of one request in MB (10^6 bytes)."""
        return self.activation_bytes / 1e6


@dataclass(frozen=True, slots=True)
class ModelProfile:
    """A model as a graph of layers with costs.

    Parameters
    ----------
    layers : sequence of LayerProfile
        In execution order: every edge goes from an earlier to a later layer.
    edges : sequence of (int, int), optional
        ``(i, j)``: layer `j` reads the output of layer `i`. None means a chain.
    input_bytes, output_bytes : float
        Bytes of one request on its way in (to every source layer) and out (from every sink).
    name : str
        For tables and reports.

    Raises
    ------
    InputError
        If there is no layer, a name stands twice, or an edge is unknown, repeated, against the
        order of `layers`, or part of a cycle.
    """

    layers: Sequence[LayerProfile]
    edges: Sequence[tuple[int, int]] | None = None
    input_bytes: float = 0
    output_bytes: float = 0
    name: str = "model"

    def __post_init__(self) -> None:
        object.__setattr__(self, "layers", tuple(self.layers))
        if not self.layers:
            checks.fail("ModelProfile.layers", (), "at least one layer (the model is empty)")
        for k, layer in enumerate(self.layers):
            if not isinstance(layer, LayerProfile):
                checks.fail(f"ModelProfile.layers[{k}]", layer, "a LayerProfile")
        checks.unique("ModelProfile.layers name", [layer.name for layer in self.layers])
        checks.real("ModelProfile.input_bytes", self.input_bytes)
        checks.real("ModelProfile.output_bytes", self.output_bytes)
        if self.edges is not None:
            edges = tuple((int(i), int(j)) for i, j in self.edges)
            object.__setattr__(self, "edges", edges)
            _check_edges(edges, tuple(self.layers))

    # -- sizes ----------------------------------------------------------------------------------
    @property
    def num_layers(self) -> int:
        """Number of layers."""
        return len(self.layers)

    @property
    def total_params(self) -> int:
        """Sum of the layers' parameters."""
        return sum(layer.params for layer in self.layers)

    @property
    def total_flops(self) -> float:
        """FLOPs of one request's forward pass."""
        return float(sum(layer.flops for layer in self.layers))

    @property
    def memory_mb(self) -> float:
        """Weights and state of all layers in MB (10^6 bytes)."""
        return float(sum(layer.weight_bytes + layer.state_bytes for layer in self.layers)) / 1e6

    def column(self, field: str) -> NDArray[np.float64]:
        """One numeric field of all layers, shape (num_layers,), float64."""
        return np.array([getattr(layer, field) for layer in self.layers], dtype=np.float64)

    # -- graph ----------------------------------------------------------------------------------
    @property
    def edge_array(self) -> NDArray[np.int64]:
        """Edges as an int64 array of shape (num_edges, 2), a chain's included."""
        if self.edges is None:
            first = np.arange(self.num_layers - 1, dtype=np.int64)
            return np.stack([first, first + 1], axis=1)
        return np.array(self.edges, dtype=np.int64).reshape(-1, 2)

    @property
    def is_chain(self) -> bool:
        """Whether layer i feeds layer i + 1 and nothing else."""
        if self.edges is None:
            return True
        return sorted(self.edges) == [(i, i + 1) for i in range(self.num_layers - 1)]

    @property
    def sources(self) -> tuple[int, ...]:
        """Layers that read the model's input: those without a predecessor."""
        heads = set(self.edge_array[:, 1].tolist())
        return tuple(i for i in range(self.num_layers) if i not in heads)

    @property
    def sinks(self) -> tuple[int, ...]:
        """Layers whose output leaves the model: those without a successor."""
        tails = set(self.edge_array[:, 0].tolist())
        return tuple(i for i in range(self.num_layers) if i not in tails)

    def index(self, layer: int | str) -> int:
        """Position of a layer given by name or number."""
        if isinstance(layer, str):
            names = [row.name for row in self.layers]
            return names.index(checks.known("layer", layer, names))
        if isinstance(layer, bool) or not -1 < int(layer) < self.num_layers:
            checks.fail("layer", layer, f"a layer number from 0 to {self.num_layers - 1}")
        return int(layer)

    def replace(self, **changes: Any) -> ModelProfile:
        """Return a copy with some fields changed."""
        return replace(self, **changes)

    # -- in and out -----------------------------------------------------------------------------
    def to_dict(self) -> dict[str, Any]:
        """Plain data, ready for JSON."""
        rows = []
        for layer in self.layers:
            row: dict[str, Any] = {
                "name": layer.name,
                "params": int(layer.params),
                "weight_bytes": layer.weight_bytes,
                "flops": layer.flops,
                "activation_bytes": layer.activation_bytes,
            }
            if layer.state_bytes:
                row["state_bytes"] = layer.state_bytes
            if layer.kind:
                row["kind"] = layer.kind
            rows.append(row)
        return {
            "format": FORMAT,
            "version": 1,
            "name": self.name,
            "input_bytes": self.input_bytes,
            "output_bytes": self.output_bytes,
            "edges": None if self.edges is None else [list(edge) for edge in self.edges],
            "layers": rows,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> ModelProfile:
        """Build a profile from what `to_dict` gave."""
        if data.get("format") != FORMAT:
            checks.fail("profile.format", data.get("format"), repr(FORMAT))
        if data.get("version") != 1:
            checks.fail("profile.version", data.get("version"), "1")
        valid = ("format", "version", "name", "input_bytes", "output_bytes", "edges", "layers")
        for key in data:
            checks.known("profile key", key, valid)
        rows = data.get("layers")
        if not isinstance(rows, Sequence) or isinstance(rows, str):
            checks.fail("profile.layers", rows, "a list of layers")
        fields = tuple(LayerProfile.__dataclass_fields__)
        layers = []
        for k, row in enumerate(rows):
            if not isinstance(row, Mapping):
                checks.fail(f"profile.layers[{k}]", row, "an object")
            for key in row:
                checks.known(f"profile.layers[{k}] key", key, fields)
            for key in fields[:5]:
                if key not in row:
                    checks.fail(f"profile.layers[{k}].{key}", None, "a value (the key is missing)")
            layers.append(LayerProfile(**row))
        edges = data.get("edges")
        return cls(
            layers=tuple(layers),
            edges=None if edges is None else tuple((edge[0], edge[1]) for edge in edges),
            input_bytes=data.get("input_bytes", 0),
            output_bytes=data.get("output_bytes", 0),
            name=data.get("name", "model"),
        )

    def to_json(self, path: str | Path | None = None) -> str:
        """Return the profile as JSON text and, given a path, write it there."""
        text = json.dumps(self.to_dict(), indent=1)
        if path is not None:
            write_text(path, text)
        return text

    @classmethod
    def from_json(cls, source: str | Path) -> ModelProfile:
        """Read a profile from JSON text or from the path of a JSON file."""
        text = source if isinstance(source, str) and source.lstrip().startswith("{") else None
        where = "profile JSON" if text is not None else str(source)
        if text is None:
            text = Path(source).read_text(encoding="utf-8")
        try:
            data = json.loads(text)
        except json.JSONDecodeError as error:
            checks.fail(where, f"line {error.lineno}: {error.msg}", "valid JSON")
        if not isinstance(data, dict):
            checks.fail(where, type(data).__name__, "a JSON object")
        return cls.from_dict(data)

    # -- readers: resolved by name at call time, so that no framework is a dependency -------------
    @classmethod
    def from_pytorch(cls, model: Any, example_inputs: Any = None, **options: Any) -> ModelProfile:
        """Profile a `torch.nn.Module`; see `orbweave.adapters.read_pytorch`."""
        profile: ModelProfile = reader("read_pytorch")(model, example_inputs, **options)
        return profile

    @classmethod
    def from_tensorflow(cls, model: Any, **options: Any) -> ModelProfile:
        """Profile a Keras or TensorFlow model; see `orbweave.adapters.read_tensorflow`."""
        profile: ModelProfile = reader("read_tensorflow")(model, **options)
        return profile

    @classmethod
    def from_onnx(cls, model: Any, **options: Any) -> ModelProfile:
        """Profile an ONNX file or ModelProto; see `orbweave.adapters.read_onnx`."""
        profile: ModelProfile = reader("read_onnx")(model, **options)
        return profile

    @classmethod
    def transformer(cls, **numbers: Any) -> ModelProfile:
        """Build a Llama-like decoder; see `orbweave.formulations.transformer.transformer`."""
        profile: ModelProfile = reader("transformer", "formulations.transformer")(**numbers)
        return profile


def _check_edges(edges: tuple[tuple[int, int], ...], layers: tuple[LayerProfile, ...]) -> None:
    count = len(layers)
    seen: set[tuple[int, int]] = set()
    for k, (i, j) in enumerate(edges):
        where = f"ModelProfile.edges[{k}]"
        for end in (i, j):
            if not 0 <= end < count:
                checks.fail(where, (i, j), f"layer numbers from 0 to {count - 1}")
        if i == j:
            checks.fail(where, (i, j), "an acyclic graph (a layer cannot feed itself)")
        if (i, j) in seen:
            checks.fail(where, (i, j), "every edge once")
        seen.add((i, j))
    backward = [edge for edge in edges if edge[0] > edge[1]]
    if not backward:
        return
    cycle = _find_cycle(edges, count)
    if cycle:
        names = " -> ".join(layers[i].name for i in cycle)
        checks.fail("ModelProfile.edges", backward[0], f"an acyclic graph; cycle: {names}")
    checks.fail(
        "ModelProfile.edges",
        backward[0],
        "layers in execution order, every edge from an earlier to a later one",
    )


def _find_cycle(edges: tuple[tuple[int, int], ...], count: int) -> list[int]:
    """Return one cycle as layer numbers (first = last), or an empty list."""
    successors: list[list[int]] = [[] for _ in range(count)]
    degree = [0] * count
    for i, j in edges:
        successors[i].append(j)
        degree[j] += 1
    ready = [i for i in range(count) if degree[i] == 0]
    for i in ready:
        for j in successors[i]:
            degree[j] -= 1
            if degree[j] == 0:
                ready.append(j)
    left = {i for i in range(count) if degree[i] > 0}
    if not left:
        return []
    # Every layer left has a predecessor left: walking backwards must come round.
    before = {j: i for i, j in edges if i in left and j in left}
    walk = [next(iter(before))]
    while walk[-1] not in walk[:-1]:
        walk.append(before[walk[-1]])
    return walk[walk.index(walk[-1]) :][::-1]
