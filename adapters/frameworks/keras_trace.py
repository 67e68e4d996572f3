"""One traced call of a Keras model: its TensorFlow graph, and the layer of every operation."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from .keras_flops import operation_flops
from .op_graph import Operation, OpGraph, Value, Weight


@dataclass(slots=True)
class Call:
    """One call of a layer: the operations from `start` to `end` are its own or its children's."""

    layer: Any
    name: str
    chain: tuple[Call, ...]
    start: int
    end: int = 0
    children: int = 0


@contextlib.contextmanager
def recorded_calls(tf: Any, keras: Any, calls: list[Call]) -> Iterator[None]:
    """Note every layer call and the operations that it adds to the graph being traced."""
    original = keras.Layer.__call__
    stack: list[Call] = []
    outer: list[Any] = []

    def recorded(layer: Any, *args: Any, **kwargs: Any) -> Any:
        graph = tf.compat.v1.get_default_graph()
        if not outer:
            outer.append(graph)
        if graph is not outer[0]:  # inside a loop's body: the loop is one operation out here
            return original(layer, *args, **kwargs)
        parent = stack[-1] if stack else None
        call = Call(layer, layer.name, (), len(graph.get_operations()))
        call.chain = (*parent.chain, call) if parent is not None else (call,)
        if parent is not None:
            parent.children += 1
        calls.append(call)
        stack.append(call)
        try:
            result = original(layer, *args, **kwargs)
            if call.children == 0 and len(graph.get_operations()) == call.start:
                # A layer that hands its input through (dropout) is a layer all the same.
                result = tf.nest.map_structure(
                    lambda t: tf.identity(t) if tf.is_tensor(t) else t, result
                )
            return result
        finally:
            call.end = len(graph.get_operations())
            stack.pop()

    keras.Layer.__call__ = recorded
    try:
        yield
    finally:
        keras.Layer.__call__ = original


def read_graph(
    tf: Any,
    concrete: Any,
    model: Any,
    calls: Sequence[Call],
    depth: int | None,
    classes: tuple[type, ...],
    elementwise: bool,
) -> OpGraph:
    """Operations that the outputs need, each with its layer."""
    import keras

    out = OpGraph()
    operations = concrete.graph.get_operations()
    innermost: list[Call | None] = [None] * len(operations)
    for call in calls:  # children come after their parents and overwrite them
        innermost[call.start : call.end] = [call] * (call.end - call.start)
    labels = _labels(calls)
    held = _variables(model, concrete)
    handles = {
        inner.name: id(outer) for outer, inner in concrete.graph.captures if id(outer) in held
    }
    for key, (variable, trainable) in held.items():
        count = int(variable.shape.num_elements() or 0) if variable.shape.rank else 1
        out.weights[key] = Weight(count if trainable else 0, count * variable.dtype.size)

    for tensor in concrete.inputs:
        if tensor.dtype not in (tf.resource, tf.variant) and tensor.op.type == "Placeholder":
            out.inputs.append(tensor.name)
            out.values[tensor.name] = _value(tf, tensor)
    results = [t for t in tf.nest.flatten(concrete.structured_outputs) if tf.is_tensor(t)]
    # The structured outputs describe shapes; the tensors themselves are the graph's outputs.
    results = list(concrete.graph.outputs) if concrete.graph.outputs else results
    needed = _needed(results)
    opened: dict[int, str] = {}
    keras_layers = bool(calls)
    for operation, caller in zip(operations, innermost, strict=True):
        if operation.name not in needed or operation.type in ("Placeholder", "Const", "NoOp"):
            continue
        weights = [handles[t.name] for t in operation.inputs if t.name in handles]
        products = operation_flops(operation, False)
        others = operation_flops(operation, True) - products if elementwise else 0.0
        row = Operation(
            operation.type,
            [t.name for t in operation.inputs if t.name not in handles],
            [t.name for t in operation.outputs],
            products,
            others,
            weights=weights,
        )
        unit = _unit(keras, caller, depth, classes)
        if unit is not None and caller is not None:
            row.layer = labels[id(unit)]
            out.layer_kinds[row.layer] = type(unit.layer).__name__
            opened.update((id(parent), labels[id(unit)]) for parent in caller.chain)
        elif caller is not None:
            row.near = opened.get(id(caller))
        elif not keras_layers and products:
            row.layer = operation.name
            out.layer_kinds[row.layer] = operation.type
        for tensor in operation.outputs:
            out.values[tensor.name] = _value(tf, tensor)
        out.operations.append(row)
    out.outputs = [t.name for t in results if t.name in out.values]
    for made in calls:
        home = _unit(keras, made, depth, classes)
        for variable in made.layer.variables:
            if home is not None:
                out.home_of_weight.setdefault(id(variable.value.handle), labels[id(home)])
    return out


def _unit(
    keras: Any, call: Call | None, depth: int | None, classes: tuple[type, ...]
) -> Call | None:
    """The call that is the layer of an operation, or None for a container's own code."""
    if call is None:
        return None
    if classes:
        match = next((c for c in call.chain if isinstance(c.layer, classes)), None)
        if match is not None:
            return match
    if depth is not None and len(call.chain) > depth:
        return call.chain[depth]
    # The cell of a recurrent layer runs inside its loop: the layer is the leaf.
    recurrent = next((c for c in call.chain if isinstance(c.layer, keras.layers.RNN)), None)
    return recurrent or (call if call.children == 0 else None)


def _labels(calls: Sequence[Call]) -> dict[int, str]:
    """Path of every call below the model, numbered where a layer is called again."""
    seen: dict[str, int] = {}
    labels = {}
    for call in calls:
        path = "/".join(c.name for c in call.chain[1:]) or call.name
        again = seen.get(path, 0)
        seen[path] = again + 1
        labels[id(call)] = path if again == 0 else f"{path}@{again}"
    return labels


def _variables(model: Any, concrete: Any) -> dict[int, tuple[Any, bool]]:
    """Variables by the id of their handle, and whether training sets them."""
    held: dict[int, tuple[Any, bool]] = {}
    for variable in concrete.graph.variables:
        held[id(variable.handle)] = (variable, bool(variable.trainable))
    if hasattr(model, "_flatten_layers"):
        for layer in model._flatten_layers():
            own = {id(variable) for variable in layer._trainable_variables}
            for variable in (*layer._trainable_variables, *layer._non_trainable_variables):
                value = variable.value
                trains = id(variable) in own or bool(variable.trainable)
                held[id(value.handle)] = (value, trains)
    return held


def _needed(outputs: Sequence[Any]) -> set[str]:
    """Names of the operations that some output depends on."""
    stack = [tensor.op for tensor in outputs]
    found = {operation.name for operation in stack}
    while stack:
        for tensor in stack.pop().inputs:
            if tensor.op.name not in found:
                found.add(tensor.op.name)
                stack.append(tensor.op)
    return found


def _value(tf: Any, tensor: Any) -> Value:
    if tensor.dtype in (tf.resource, tf.variant):
        return Value(0.0)
    count = tensor.shape.num_elements()
    return Value(float("nan") if count is None else float(count * tensor.dtype.size))
