"""Keras profiles: functional, sequential and subclassed models; TensorFlow's own FLOP statistics
and hand-counted layers are the oracles."""

# mypy: allow-subclassing-any, allow-untyped-calls
from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from orbweave.adapters import read_tensorflow
from orbweave.formulations.checks import InputError
from orbweave.formulations.profile import ModelProfile

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
pytest.importorskip("tensorflow", reason="needs TensorFlow")
import keras
import tensorflow as tf
from keras import layers

pytestmark = pytest.mark.framework


def any_value(value: Any) -> Any:
    """What a caller without type checks may pass."""
    return value


def framework_flops(model: Any, *shapes: tuple[int, ...]) -> float:
    """Convolutions and matrix products by the statistics that TensorFlow registers itself."""
    ops = importlib.import_module("tensorflow.python.framework.ops")

    specs = [tf.TensorSpec(shape) for shape in shapes]
    concrete = tf.function(lambda *x: model(*x)).get_concrete_function(*specs)
    definition = concrete.graph.as_graph_def(add_shapes=True)
    graph = tf.Graph()
    with graph.as_default():
        tf.import_graph_def(definition, name="")
    kinds = {"Conv2D", "MatMul", "DepthwiseConv2dNative", "BatchMatMulV2"}
    return sum(
        ops.get_stats_for_node_def(graph, node, "flops").value or 0
        for node in definition.node
        if node.op in kinds
    )


def branching() -> Any:
    """A residual block with a separable convolution, an operator outside any layer, a head."""
    image = keras.Input((32, 32, 3), name="image")
    x = layers.Conv2D(8, 3, padding="same", name="enter")(image)
    y = layers.BatchNormalization(name="norm")(x)
    y = layers.ReLU(name="bend")(y)
    y = layers.SeparableConv2D(8, 3, padding="same", name="apart")(y)
    z = layers.Add(name="add")([x, y]) * 2.0
    z = layers.GlobalAveragePooling2D(name="pool")(z)
    return keras.Model(image, layers.Dense(10, activation="softmax", name="head")(z), name="small")


def test_functional_model_by_hand() -> None:
    model = branching()
    profile = ModelProfile.from_tensorflow(model)
    names = ["enter", "norm", "bend", "apart", "add", "pool", "head"]
    assert [layer.name for layer in profile.layers] == names
    assert profile.edges == ((0, 1), (0, 4), (1, 2), (2, 3), (3, 4), (4, 5), (5, 6))
    assert [layer.params for layer in profile.layers] == [
        8 * 27 + 8,
        16,  # scale and shift; the moving statistics are memory alone
        0,
        8 * 9 + 64 + 8,
        0,
        0,
        90,
    ]
    area = 32 * 32
    assert [layer.flops for layer in profile.layers] == [
        2 * area * 8 * 27,
        0,
        0,
        2 * area * (8 * 9 + 64),
        0,
        0,
        2 * 80,
    ]
    assert profile.layers[1].weight_bytes == 4 * 32
    assert profile.memory_mb * 1e6 == pytest.approx(4 * model.count_params(), rel=1e-12)
    assert [layer.activation_bytes for layer in profile.layers[:5]] == [4 * area * 8] * 5
    assert (profile.input_bytes, profile.output_bytes) == (4 * area * 3, 40)
    many = read_tensorflow(model, batch=3)
    assert many.total_flops == 3 * profile.total_flops
    assert many.output_bytes == 120


@pytest.mark.parametrize("name", ["MobileNetV2", "DenseNet121"])
def test_published_architectures_match_the_frameworks_statistics(name: str) -> None:
    model = getattr(keras.applications, name)(weights=None, input_shape=(64, 64, 3))
    profile = read_tensorflow(model)
    assert profile.total_flops == framework_flops(model, (1, 64, 64, 3))
    trainable = sum(int(np.prod(v.shape)) for v in model.trainable_variables)
    assert profile.total_params == trainable
    assert profile.memory_mb * 1e6 == pytest.approx(4 * model.count_params(), rel=1e-12)
    assert len(profile.sources) == len(profile.sinks) == 1
    assert [layer.name for layer in profile.layers] == [
        layer.name for layer in model.layers if not isinstance(layer, layers.InputLayer)
    ]


def test_recurrent_layers_are_counted_per_step() -> None:
    model = keras.Sequential(
        [
            keras.Input((12, 8)),
            layers.LSTM(16, return_sequences=True),
            layers.Dropout(0.5),
            layers.Bidirectional(layers.GRU(4)),
            layers.Dense(3),
        ]
    )
    profile = read_tensorflow(model, depth=1)
    assert [layer.kind for layer in profile.layers] == ["LSTM", "Dropout", "Bidirectional", "Dense"]
    assert [layer.flops for layer in profile.layers] == [
        12 * 2 * 4 * 16 * (8 + 16),
        0,
        2 * 12 * 2 * 3 * 4 * (16 + 4),
        2 * 8 * 3,
    ]
    assert profile.total_params == model.count_params()
    assert profile.is_chain
    leaves = read_tensorflow(model)
    assert leaves.num_layers == 5
    assert len(leaves.sinks) == 1
    assert leaves.total_flops == profile.total_flops


class Mixer(keras.Model):
    """Subclassed, with attention and tensors added outside any layer."""

    def __init__(self) -> None:
        super().__init__(name="mixer")
        self.enter, self.side = layers.Dense(8, name="enter"), layers.Dense(8, name="side")
        self.attention = layers.MultiHeadAttention(2, 4, name="attention")
        self.norm = layers.LayerNormalization(name="norm")

    def call(self, x: Any) -> Any:
        hidden = tf.nn.relu(self.enter(x))
        hidden = hidden + self.attention(hidden, hidden)
        return self.norm(hidden + self.side(x))


def test_subclassed_model() -> None:
    model = Mixer()
    with pytest.raises(InputError, match=r"input_shape = None: expected the shape of one input"):
        read_tensorflow(model)
    with pytest.raises(InputError, match="a built model"):
        read_tensorflow(model, input_shape=(5, 8))
    assert not model.built
    model(np.zeros((1, 5, 8), np.float32))
    profile = read_tensorflow(model)
    assert profile == read_tensorflow(model, input_shape=(5, 8))
    assert [layer.name for layer in profile.layers] == [
        "input",  # read by `enter` and by `side`, which runs after the attention
        "enter",
        "attention/query",
        "attention/key",
        "attention/value",
        "attention/attention_output",
        "side",
        "norm",
    ]
    products = 5 * (8 * 8 * 2 + 4 * 8 * 8) + 2 * (2 * 5 * 5 * 4)
    assert profile.total_flops == 2 * products
    assert profile.total_params == model.count_params()
    grouped = read_tensorflow(model, group_by=layers.MultiHeadAttention)
    names = ["input", "enter", "attention", "side", "norm"]
    assert [layer.name for layer in grouped.layers] == names
    assert grouped.edges == ((0, 1), (0, 3), (1, 2), (2, 3), (3, 4))
    assert read_tensorflow(model, depth=1) == grouped


def test_nested_and_shared_models() -> None:
    inner = branching()
    image = keras.Input((32, 32, 3))
    joined = layers.Concatenate(name="join")([inner(image), inner(image)])
    model = keras.Model(image, layers.Dense(2, name="last")(joined), name="outer")
    profile = read_tensorflow(model, depth=1)
    assert [layer.name for layer in profile.layers] == ["small", "small@1", "join", "last"]
    assert profile.edges == ((0, 2), (1, 2), (2, 3))
    assert profile.layers[1].params == 0, "shared weights count once"
    assert profile.layers[1].flops == profile.layers[0].flops > 0
    leaves = read_tensorflow(model)
    assert leaves.num_layers == 16
    assert leaves.layers[0].name == "small/enter"
    assert leaves.total_params == profile.total_params == read_tensorflow(inner).total_params + 42


def test_frozen_layers_keep_their_parameters() -> None:
    model = branching()
    before = read_tensorflow(model)
    model.trainable = False
    assert read_tensorflow(model) == before


def test_unbuilt_sequential_is_left_unbuilt() -> None:
    model = keras.Sequential([layers.Embedding(50, 8), layers.LSTM(4), layers.Dense(1)])
    profile = read_tensorflow(model, input_shape=(20,))
    assert profile.total_params == 400 + 4 * 4 * (8 + 4 + 1) + 5
    assert profile.layers[0].flops == 0
    assert not model.built


def test_named_inputs() -> None:
    a, b = keras.Input((4,), name="a"), keras.Input((6,), name="b")
    joined = layers.Concatenate(name="join")([a, b])
    model = keras.Model({"a": a, "b": b}, layers.Dense(2, name="last")(joined))
    profile = read_tensorflow(model, batch=2)
    assert [layer.name for layer in profile.layers] == ["join", "last"]
    assert profile.input_bytes == 2 * 4 * 10
    assert read_tensorflow(model, batch=2, input_shape={"a": (4,), "b": (None, 6)}) == profile


def test_sizes_left_open_are_asked_for() -> None:
    image = keras.Input((None, None, 3), name="image")
    model = keras.Model(image, layers.Conv2D(4, 3, name="conv")(image))
    with pytest.raises(InputError, match=r"of 'image' = \(None, None, None, 3\): expected sizes"):
        read_tensorflow(model)
    profile = read_tensorflow(model, input_shape=(8, 10, 3))
    assert profile.total_flops == 2 * 6 * 8 * 4 * 27


def test_tensorflow_module_without_keras() -> None:
    class Plain(tf.Module):
        def __init__(self) -> None:
            self.first = tf.Variable(tf.zeros((4, 5)))
            self.second = tf.Variable(tf.zeros((5, 2)))

        def __call__(self, x: Any) -> Any:
            return tf.nn.relu(x @ self.first) @ self.second

    profile = read_tensorflow(Plain(), input_shape=(4,))
    assert [layer.kind for layer in profile.layers] == ["MatMul", "MatMul"]
    assert [layer.params for layer in profile.layers] == [20, 10]
    assert profile.total_flops == 2 * 30


def test_elementwise_work_is_counted_on_request() -> None:
    model = keras.Sequential([keras.Input((4,)), layers.Dense(6, use_bias=False), layers.ReLU()])
    assert [layer.flops for layer in read_tensorflow(model).layers] == [48, 0]
    assert [layer.flops for layer in read_tensorflow(model, elementwise=True).layers] == [48, 6]


def test_a_keras_file(tmp_path: Path) -> None:
    model = branching()
    path = tmp_path / "small.keras"
    model.save(path)
    assert read_tensorflow(path) == read_tensorflow(str(path)) == read_tensorflow(model)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(InputError, match=r"small\.keras: expected a complete Keras file"):
        read_tensorflow(path)


def test_the_library_is_left_alone() -> None:
    original = keras.Layer.__call__
    model = branching()
    weights = [weight.copy() for weight in model.get_weights()]
    read_tensorflow(model)
    with pytest.raises(InputError):
        read_tensorflow(model, input_shape=(7,))
    assert keras.Layer.__call__ is original
    assert all(np.array_equal(a, b) for a, b in zip(weights, model.get_weights(), strict=True))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: read_tensorflow("none.keras"), "the path of a Keras file"),
        (lambda: read_tensorflow(3), "a Keras model or a callable"),
        (lambda: read_tensorflow(branching(), batch=0), "batch = 0"),
        (lambda: read_tensorflow(branching(), depth=0), "depth = 0"),
        (lambda: read_tensorflow(branching(), group_by=any_value(3)), "group_by"),
        (lambda: read_tensorflow(branching(), input_shape=(32, 32, 4)), "'small' accepts"),
        (lambda: read_tensorflow(branching(), input_shape=(32, -1, 3)), "= -1: expected"),
        (lambda: read_tensorflow(branching(), depth=1, group_by=layers.Dense), "no depth"),
    ],
)
def test_bad_input_is_one_clear_error(call: Any, words: str) -> None:
    with pytest.raises(InputError) as error:
        call()
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_a_missing_framework_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    with pytest.raises(ImportError, match=r"pip install 'orbweave\[tensorflow\]'"):
        ModelProfile.from_tensorflow(object())
