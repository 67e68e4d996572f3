"""Model profiles from ONNX files, by shape inference and a formula per operator."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ...formulations import checks
from ...formulations.grouping import merge_chains
from ...formulations.profile import ModelProfile
from .onnx_file import import_onnx, infer, load
from .onnx_flops import elementwise_flops, product_flops
from .onnx_tensors import (
    TensorType,
    label_of,
    nbytes_of,
    params_of,
    reads_of,
    subgraphs,
    takes_memory,
    type_of,
)
from .op_graph import Operation, OpGraph, Value, Weight, assemble

#: Operators whose output is known before the model runs, once shapes are.
_SHAPE_READERS = frozenset(["Shape", "Size"])


def read_onnx(
    model: Any,
    *,
    group: bool | str = True,
    batch: int | None = None,
    dims: Mapping[str, int] | None = None,
    elementwise: bool = False,
    name: str | None = None,
) -> ModelProfile:
    """Profile an ONNX model from its graph; its weights' data is never read.

    Parameters
    ----------
    model : str, Path, bytes or onnx.ModelProto
        The model, not modified.
    group : bool or "chain"
        True: one layer for every operator that multiplies matrices, and for every embedding; norms,
        activations, pooling and reshapes join the latest of their producers (``Conv + BN + Relu``
        is one layer). False: one layer per operator. ``"chain"``: as True, then linear runs
        are merged where no inner cut is smaller than the one at their end.
    batch : int, optional
        Size of a symbolic first dimension of the inputs (1 unless given). A fixed one stays; it is
        an error to ask for another.
    dims : mapping of str to int, optional
        Sizes of other symbolic dimensions, by name, or by ``"input:axis"`` for unnamed ones.
    elementwise : bool
        Also count FLOPs of pointwise operators, norms, softmax, pooling and reductions (rates in
        `orbweave.adapters.frameworks.flop_rules`). Without it only convolutions, matrix products,
        recurrent layers and attention count, as in PyTorch's counter.
    name : str, optional
        Name of the profile; that of the file or graph unless given.

    Returns
    -------
    ModelProfile
        Weights are initialisers and what folds from `Constant` and `ConstantOfShape`; they are
        never layers. `params` counts their floating-point and 4- and 8-bit numbers of rank 1 or
        more, each tensor once; the running mean and variance of `BatchNormalization` and integer
        tables are in `weight_bytes` alone. For `If` the costlier branch counts its FLOPs, for
        `Loop` and `Scan` the body times its number of turns.

    Raises
    ------
    InputError
        If the file is missing, truncated or corrupt, its external data lies outside its folder, a
        size cannot be inferred, a tensor is used that nobody writes, or the operators form a
        cycle.
    ImportError
        If onnx is missing.
    """
    if group not in (True, False, "chain"):
        checks.fail("read_onnx.group", group, "True, False or 'chain'")
    if batch is not None:
        checks.whole("read_onnx.batch", batch, low=1)
    proto, where = load(model)
    stem = Path(model).stem if isinstance(model, str | Path) else ""
    label = name or stem or str(proto.graph.name) or "model"
    graph, types = infer(proto, where, batch, dict(dims or {}))
    profile = assemble(_Reader(graph, types, where, bool(group), elementwise).read(), label)
    return merge_chains(profile) if group == "chain" else profile


class _Reader:
    """The walk over one graph's operators."""

    def __init__(
        self,
        graph: Any,
        types: dict[str, TensorType],
        where: str,
        grouped: bool,
        elementwise: bool,
    ) -> None:
        self.onnx = import_onnx()
        self.graph = graph
        self.types = types
        self.where = where
        self.grouped = grouped
        self.elementwise = elementwise
        self.out = OpGraph()
        self.stored = {tensor.name for tensor in graph.initializer}
        self.stored |= {sparse.values.name for sparse in graph.sparse_initializer}
        # Constant values: the weights that each of them is made of.
        self.constant: dict[str, tuple[str, ...]] = {item: (item,) for item in self.stored}

    def read(self) -> OpGraph:
        out, onnx = self.out, self.onnx
        for sparse in self.graph.sparse_initializer:
            self.types[sparse.values.name] = TensorType(
                sparse.values.data_type, tuple(sparse.values.dims)
            )
        for entry in self.graph.input:
            if entry.name not in self.stored:
                out.inputs.append(entry.name)
                out.values[entry.name] = self.value(entry.name)
        nodes = list(self.graph.node)
        statistics = {
            item
            for node in nodes
            if node.op_type == "BatchNormalization"
            for item in node.input[3:5]
        }
        for number, node in enumerate(nodes):
            if not self.fold(node):
                self.operator(number, node)
        for entry in self.graph.output:
            if entry.name not in self.constant:
                self.need(entry.name)
                out.outputs.append(entry.name)
        used = {key for operation in out.operations for key in operation.weights}
        frozen = {root for item in statistics for root in self.constant.get(item, ())}
        for key in used:
            kind = self.types[str(key)]
            params = 0 if key in frozen else params_of(onnx, kind)
            out.weights[key] = Weight(
                params, nbytes_of(onnx, kind) if takes_memory(onnx, kind) else 0
            )
        return out

    def fold(self, node: Any) -> bool:
        """Whether the operator's output is a constant, noting of which weights it is made."""
        onnx = self.onnx
        if node.op_type == "Constant" or (
            node.op_type == "ConstantOfShape" and node.input[0] in self.constant
        ):
            self.need(node.output[0])
            self.constant[node.output[0]] = (node.output[0],)
            return True
        inputs = reads_of(onnx, node)
        if node.op_type in _SHAPE_READERS:
            self.constant[node.output[0]] = ()
            return True
        if not inputs or any(item not in self.constant for item in inputs):
            return False
        if node.op_type.startswith("Random") or any(
            True for attribute in node.attribute for _ in subgraphs(self.onnx, attribute)
        ):
            return False
        roots = tuple(dict.fromkeys(root for item in inputs for root in self.constant[item]))
        for item in node.output:
            if item:
                self.constant[item] = roots
        return True

    def operator(self, number: int, node: Any) -> None:
        onnx, out = self.onnx, self.out
        inputs = reads_of(onnx, node)
        weights = [root for item in inputs for root in self.constant.get(item, ())]
        data = [item for item in inputs if item not in self.constant]
        for item in data:
            self.need(item)
        for item in node.output:  # an output of unknown size is an error once somebody reads it
            if item in self.types:
                out.values[item] = self.value(item)
        products = self.flops(node, self.types, product_flops)
        others = 0.0
        if self.elementwise and not products:
            others = self.flops(node, self.types, elementwise_flops)
        inner = list(self.inner_weights(node))
        embeds = node.op_type == "Gather" and node.input[0] in self.constant
        embeds = embeds and any(params_of(onnx, self.types[root]) for root in weights)
        layer = number if not self.grouped or products or embeds else None
        if layer is not None:
            out.layer_names[layer] = label_of(node)
            out.layer_kinds[layer] = node.op_type
        out.operations.append(
            Operation(
                node.op_type,
                data,
                [item for item in node.output if item],
                products,
                others,
                layer,
                [*weights, *inner],
            )
        )

    def flops(self, node: Any, types: Mapping[str, TensorType], rule: Any) -> float:
        attributes = {a.name: self.onnx.helper.get_attribute_value(a) for a in node.attribute}
        if isinstance(attributes.get("equation"), bytes):
            attributes["equation"] = attributes["equation"].decode()
        graphs = [g for a in node.attribute for g in subgraphs(self.onnx, a)]
        if graphs:
            return self.turns(node, types) * max(self.body_flops(g, types, rule) for g in graphs)
        inputs = [types[item].shape if item in types else None for item in node.input]
        outputs = [types[item].shape if item in types else None for item in node.output]
        try:
            return float(rule(node.op_type, attributes, inputs, outputs))
        except (LookupError, ValueError):
            checks.fail(
                f"{self.where}: operator {label_of(node)!r}",
                node.op_type,
                "an operator whose inputs have known shapes that fit",
            )

    def body_flops(self, graph: Any, types: Mapping[str, TensorType], rule: Any) -> float:
        local = dict(types)
        local.update((t.name, TensorType(t.data_type, tuple(t.dims))) for t in graph.initializer)
        for entry in (*graph.input, *graph.value_info, *graph.output):
            kind = type_of(entry)
            if kind is not None:
                local[entry.name] = kind
        return sum(self.flops(node, local, rule) for node in graph.node)

    def turns(self, node: Any, types: Mapping[str, TensorType]) -> float:
        """How often a subgraph runs."""
        if node.op_type == "Scan":
            bodies = [a for a in node.attribute if a.name == "num_scan_inputs"]
            scanned = node.input[len(node.input) - bodies[0].i]
            return float(types[scanned].shape[0])
        if node.op_type == "Loop":
            constant = {t.name: t for t in self.graph.initializer}
            constant |= {
                row.output[0]: a.t
                for row in self.graph.node
                if row.op_type == "Constant"
                for a in row.attribute
                if a.name == "value"
            }
            if node.input[0] not in constant:
                checks.fail(
                    f"{self.where}: operator {label_of(node)!r} trip count",
                    node.input[0],
                    "a constant (its FLOPs depend on the data)",
                )
            return float(self.onnx.numpy_helper.to_array(constant[node.input[0]]))
        return 1.0

    def inner_weights(self, node: Any) -> Iterator[str]:
        """Weights that live inside an operator's subgraphs."""
        for attribute in node.attribute:
            for graph in subgraphs(self.onnx, attribute):
                tensors = [(t.name, t) for t in graph.initializer]
                tensors += [
                    (row.output[0], a.t)
                    for row in graph.node
                    if row.op_type == "Constant"
                    for a in row.attribute
                    if a.name == "value"
                ]
                for label, tensor in tensors:
                    key = f"{label_of(node)}/{attribute.name}/{label}"
                    self.types[key] = TensorType(tensor.data_type, tuple(tensor.dims))
                    yield key
                for row in graph.node:
                    yield from self.inner_weights(row)

    def need(self, item: str) -> TensorType:
        """Type and shape of a tensor, or an error that names its writer."""
        if item not in self.types:
            writers = (row for row in self.graph.node if item in row.output)
            writer = next((f"{row.op_type} {label_of(row)!r}" for row in writers), "an input")
            checks.fail(
                f"{self.where}: size of tensor {item!r} from {writer}",
                "unknown",
                "a size that shape inference knows before the model runs",
            )
        return self.types[item]

    def value(self, item: str) -> Value:
        return Value(nbytes_of(self.onnx, self.need(item)))
