"""Model profiles from Keras and TensorFlow: functional, sequential and subclassed models.

The model is traced once into a TensorFlow graph of static shapes. While it runs, every call of a
layer notes which operations it adds; the graph gives the real edges, whatever the model's style.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ...formulations import checks
from ...formulations.profile import ModelProfile
from .keras_trace import Call, read_graph, recorded_calls
from .op_graph import assemble


def read_tensorflow(
    model: Any,
    *,
    batch: int = 1,
    input_shape: Any = None,
    depth: int | None = None,
    group_by: type | Sequence[type] | None = None,
    elementwise: bool = False,
    name: str | None = None,
) -> ModelProfile:
    """Profile a Keras model, or a TensorFlow function with Keras layers in it.

    Parameters
    ----------
    model : keras.Model, keras.Layer, tf.Module, callable, str or Path
        The model, not modified; a path is a file that `keras.saving.load_model` reads.
    batch : int
        Size of the batch dimension: the sequences or images of one request.
    input_shape : tuple of int, or a list or dict of such, optional
        Shape of one input without the batch dimension (a leading None stands for it). Needed where
        the model does not fix it: an unbuilt or subclassed one, or one with sizes left open.
    depth : int, optional
        Layers are what is called at this depth: 1 for the layers that the model calls itself. The
        default is leaf layers, nested models taken apart.
    group_by : type or sequence of types, optional
        Layer classes that become one layer each (the outermost match). Not together with `depth`.
    elementwise : bool
        Also count FLOPs of pointwise operations, norms, softmax and pooling. Without it only
        convolutions and matrix products count, as in PyTorch's counter.
    name : str, optional
        Name of the profile; that of the model unless given.

    Returns
    -------
    ModelProfile
        Layers in execution order with the edges of the real graph; operations outside any leaf
        layer join the layer of their latest producer. `params` counts the weights that training
        sets, frozen ones included, a shared one once; moving means and variances of batch norms
        are in `weight_bytes` alone. (Keras' own `count_params()` adds them.)

    Raises
    ------
    InputError
        If an input's shape is needed and not given, or the model does not accept it.
    ImportError
        If TensorFlow is missing.
    """
    try:
        import keras
        import tensorflow as tf
    except ImportError as error:
        text = "read_tensorflow needs TensorFlow: pip install 'orbweave[tensorflow]'"
        if "InitFromTag" in str(error):
            text = (
                "read_tensorflow: TensorFlow cannot be loaded after OR-Tools' MathOpt in one "
                "process (both register the same C++ type); profile first in another process and "
                "keep the profile with ModelProfile.to_json, or solve with backend 'highs'"
            )
        raise ImportError(text) from error
    if keras.backend.backend() != "tensorflow":
        checks.fail("keras backend", keras.backend.backend(), "'tensorflow' (KERAS_BACKEND)")
    checks.whole("read_tensorflow.batch", batch, low=1)
    if depth is not None:
        checks.whole("read_tensorflow.depth", depth, low=1)
    classes = _classes(group_by)
    if depth is not None and classes:
        checks.fail("read_tensorflow.depth", depth, "no depth where group_by is given")
    if isinstance(model, str | Path):
        model = _load(keras, Path(model))
    if not callable(model):
        checks.fail("read_tensorflow.model", type(model).__name__, "a Keras model or a callable")
    label = name or str(getattr(model, "name", "") or type(model).__name__)
    specs = _input_specs(tf, keras, model, batch, input_shape)
    model = _built_copy(keras, model, specs, label)
    calls: list[Call] = []
    try:
        with recorded_calls(tf, keras, calls):
            traced = tf.function(lambda given: model(given), autograph=False)
            concrete = traced.get_concrete_function(specs)
    except checks.InputError:
        raise
    except Exception as error:
        raise checks.InputError(
            f"read_tensorflow.input_shape: expected inputs that {label!r} accepts; "
            f"it raised {type(error).__name__}: {_one_line(error)}"
        ) from error
    return assemble(read_graph(tf, concrete, model, calls, depth, classes, elementwise), label)


def _load(keras: Any, path: Path) -> Any:
    if not path.exists():
        checks.fail("read_tensorflow.model", str(path), "the path of a Keras file (there is none)")
    try:
        return keras.saving.load_model(path, compile=False)
    except Exception as error:
        raise checks.InputError(
            f"{path}: expected a complete Keras file: {_one_line(error)}"
        ) from error


def _one_line(error: Exception) -> str:
    """The first words of an error, without colours and line breaks."""
    words = re.sub("\x1b\\[[0-9;]*m", "", str(error)).split()
    return textwrap.shorten(" ".join(words), 200, placeholder=" ...")


def _classes(group_by: type | Sequence[type] | None) -> tuple[type, ...]:
    if group_by is None:
        return ()
    classes: tuple[Any, ...] = (
        tuple(group_by) if isinstance(group_by, list | tuple | set) else (group_by,)
    )
    for item in classes:
        if not isinstance(item, type):
            checks.fail("read_tensorflow.group_by", item, "layer classes, such as (Block,)")
    return classes


def _input_specs(tf: Any, keras: Any, model: Any, batch: int, given: Any) -> Any:
    """TensorSpecs of one request, nested as the model takes them."""
    inputs = _symbolic_inputs(model)
    if given is None and inputs is not None:
        if isinstance(inputs, list | tuple) and len(inputs) == 1:
            inputs = inputs[0]

        def of_symbol(t: Any) -> Any:
            dtype = keras.backend.standardize_dtype(t.dtype)
            return _spec(tf, f"read_tensorflow.input_shape of {t.name!r}", t.shape, dtype, batch)

        return keras.tree.map_structure(of_symbol, inputs)
    if given is None:
        given = _built_shape(model)
    if not given:
        checks.fail(
            "read_tensorflow.input_shape",
            None,
            "the shape of one input, such as (224, 224, 3): the model does not fix it",
        )
    dtype = "float32"
    if inputs is not None:
        dtype = keras.backend.standardize_dtype(keras.tree.flatten(inputs)[0].dtype)

    def read(item: Any, where: str) -> Any:
        if isinstance(item, Mapping):
            return {key: read(value, f"{where}[{key!r}]") for key, value in item.items()}
        if isinstance(item, list | tuple) and any(isinstance(x, list | tuple) for x in item):
            return [read(x, f"{where}[{k}]") for k, x in enumerate(item)]
        sizes = list(item) if isinstance(item, list | tuple) else [item]
        sizes = sizes[1:] if sizes and sizes[0] is None else sizes
        return _spec(tf, where, [None, *sizes], dtype, batch)

    return read(given, "read_tensorflow.input_shape")


def _built_shape(model: Any) -> Any:
    """Shape of the one input that a layer was built for, without its batch dimension."""
    config = model.get_build_config() if hasattr(model, "get_build_config") else None
    shape = (config or {}).get("input_shape")
    flat = isinstance(shape, list | tuple) and all(
        size is None or isinstance(size, int) for size in shape
    )
    return list(shape)[1:] if shape and flat else None


def _symbolic_inputs(model: Any) -> Any:
    """Inputs that a functional or sequential model was made of, or None."""
    if getattr(model, "inputs", None) is None:
        return None
    try:
        return model.input
    except (AttributeError, ValueError):  # never called on symbolic tensors, or more than once
        return None


def _spec(tf: Any, where: str, shape: Any, dtype: str, batch: int) -> Any:
    sizes = [batch if shape[0] is None else shape[0], *shape[1:]]
    if None in sizes:
        checks.fail(where, tuple(shape), "sizes but the batch (give input_shape)")
    sizes = [checks.whole(where, size, low=1) for size in sizes]
    if sizes[0] != batch and batch != 1:
        checks.fail(where, tuple(shape), f"a batch dimension of {batch}")
    return tf.TensorSpec(sizes, dtype)


def _built_copy(keras: Any, model: Any, specs: Any, label: str) -> Any:
    """The model itself if it has its weights, else a copy, built for these inputs."""
    if not isinstance(model, keras.Layer) or model.built:
        return model
    try:
        own = type(model).from_config(model.get_config())
        own(keras.tree.map_structure(lambda s: keras.KerasTensor(s.shape, s.dtype.name), specs))
    except Exception as error:
        raise checks.InputError(
            f"read_tensorflow.model = {label!r}: expected a built model (call it once on data) or "
            "one that its own get_config can copy"
        ) from error
    return own
