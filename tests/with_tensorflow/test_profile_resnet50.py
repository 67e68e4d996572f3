"""One architecture, three frameworks: ResNet-50 (v1.5: the 3 x 3 convolution carries the stride)
built here in PyTorch, Keras and ONNX gives the same totals."""

# mypy: allow-subclassing-any, allow-untyped-calls
from __future__ import annotations

from typing import Any

import pytest

from orbweave.formulations.profile import ModelProfile

pytestmark = pytest.mark.framework

STAGES = ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2))
PARAMS = 25_557_032  # He et al. (2015) with 1000 classes, statistics of batch norms apart
STATISTICS = 53_120
#: Multiply-adds of the convolutions and the classifier at 224 x 224.
MULTIPLY_ADDS = 4_089_184_256


def torch_resnet50() -> Any:
    torch = pytest.importorskip("torch")
    from torch import nn

    class Bottleneck(nn.Module):
        def __init__(self, inside: int, width: int, stride: int) -> None:
            super().__init__()
            self.conv1 = nn.Conv2d(inside, width, 1, bias=False)
            self.bn1 = nn.BatchNorm2d(width)
            self.conv2 = nn.Conv2d(width, width, 3, stride, 1, bias=False)
            self.bn2 = nn.BatchNorm2d(width)
            self.conv3 = nn.Conv2d(width, 4 * width, 1, bias=False)
            self.bn3 = nn.BatchNorm2d(4 * width)
            self.relu = nn.ReLU(inplace=True)
            self.downsample = None
            if stride != 1 or inside != 4 * width:
                shortcut = nn.Conv2d(inside, 4 * width, 1, stride, bias=False)
                self.downsample = nn.Sequential(shortcut, nn.BatchNorm2d(4 * width))

        def forward(self, x: Any) -> Any:
            y = self.relu(self.bn1(self.conv1(x)))
            y = self.relu(self.bn2(self.conv2(y)))
            y = self.bn3(self.conv3(y))
            y += x if self.downsample is None else self.downsample(x)
            return self.relu(y)

    rows: list[Any] = [nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU()]
    rows.append(nn.MaxPool2d(3, 2, 1))
    inside = 64
    for width, blocks, stride in STAGES:
        for k in range(blocks):
            rows.append(Bottleneck(inside, width, stride if k == 0 else 1))
            inside = 4 * width
    rows += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2048, 1000)]
    with torch.device("meta"):
        return nn.Sequential(*rows)


def keras_resnet50() -> Any:
    keras = pytest.importorskip("keras")
    layers = keras.layers

    def conv(x: Any, filters: int, size: int, stride: int = 1, relu: bool = True) -> Any:
        if size > 1:
            x = layers.ZeroPadding2D(size // 2)(x)
        x = layers.Conv2D(filters, size, stride, use_bias=False)(x)
        x = layers.BatchNormalization()(x)
        return layers.ReLU()(x) if relu else x

    image = keras.Input((224, 224, 3))
    x = conv(image, 64, 7, 2)
    x = layers.MaxPooling2D(3, 2)(layers.ZeroPadding2D(1)(x))
    for width, blocks, first in STAGES:
        for k in range(blocks):
            stride = first if k == 0 else 1
            y = conv(conv(x, width, 1), width, 3, stride)
            y = conv(y, 4 * width, 1, relu=False)
            shortcut = conv(x, 4 * width, 1, stride, relu=False) if k == 0 else x
            x = layers.ReLU()(layers.Add()([y, shortcut]))
    x = layers.Dense(1000)(layers.GlobalAveragePooling2D()(x))
    return keras.Model(image, x, name="resnet50")


def onnx_resnet50() -> Any:
    onnx = pytest.importorskip("onnx")
    helper, number = onnx.helper, onnx.TensorProto.FLOAT
    nodes: list[Any] = []
    weights: list[Any] = []

    def weight(name: str, *dims: int) -> str:
        # Sizes without data: a profile reads no data.
        weights.append(onnx.TensorProto(name=name, dims=dims, data_type=number))
        return name

    def add(kind: str, inputs: list[str], **attributes: Any) -> str:
        name = f"{kind.lower()}_{len(nodes)}"
        nodes.append(helper.make_node(kind, inputs, [f"{name}_out"], name=name, **attributes))
        return f"{name}_out"

    def conv(
        x: str, inside: int, filters: int, size: int, stride: int = 1, relu: bool = True
    ) -> str:
        kernel = weight(f"w{len(nodes)}", filters, inside, size, size)
        pad = [size // 2] * 4
        x = add("Conv", [x, kernel], strides=[stride] * 2, kernel_shape=[size] * 2, pads=pad)
        terms = [weight(f"{kind}{len(nodes)}", filters) for kind in ("s", "b", "mean", "var")]
        x = add("BatchNormalization", [x, *terms])
        return add("Relu", [x]) if relu else x

    x = conv("image", 3, 64, 7, 2)
    x = add("MaxPool", [x], kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)
    inside = 64
    for width, blocks, first in STAGES:
        for k in range(blocks):
            stride = first if k == 0 else 1
            y = conv(conv(x, inside, width, 1), width, width, 3, stride)
            y = conv(y, width, 4 * width, 1, relu=False)
            shortcut = conv(x, inside, 4 * width, 1, stride, relu=False) if k == 0 else x
            x = add("Relu", [add("Add", [y, shortcut])])
            inside = 4 * width
    x = add("Flatten", [add("GlobalAveragePool", [x])])
    x = add("Gemm", [x, weight("fc_w", 1000, 2048), weight("fc_b", 1000)], transB=1)
    inputs = [helper.make_tensor_value_info("image", number, ["N", 3, 224, 224])]
    outputs = [helper.make_tensor_value_info(x, number, ["N", 1000])]
    graph = helper.make_graph(nodes, "resnet50", inputs, outputs, weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])


@pytest.fixture(scope="module")
def profiles() -> dict[str, ModelProfile]:
    return {
        "torch": ModelProfile.from_pytorch(torch_resnet50()),
        "keras": ModelProfile.from_tensorflow(keras_resnet50()),
        "onnx": ModelProfile.from_onnx(onnx_resnet50()),
        "onnx by operator": ModelProfile.from_onnx(onnx_resnet50(), group=False),
    }


def test_totals_are_the_published_ones(profiles: dict[str, ModelProfile]) -> None:
    for name, profile in profiles.items():
        assert profile.total_params == PARAMS, name
        assert profile.total_flops == 2 * MULTIPLY_ADDS, name
        # batch-norm statistics: memory, not parameters (PyTorch keeps a step counter as well)
        apart = profile.memory_mb * 1e6 - 4 * PARAMS
        assert apart - 4 * STATISTICS in (0, 53 * 8), name
        assert profile.input_bytes == 4 * 3 * 224 * 224, name
        assert profile.output_bytes == 4000, name


def test_with_elementwise_work_they_agree_within_one_per_cent() -> None:
    totals = [
        ModelProfile.from_pytorch(torch_resnet50(), elementwise=True).total_flops,
        ModelProfile.from_tensorflow(keras_resnet50(), elementwise=True).total_flops,
        ModelProfile.from_onnx(onnx_resnet50(), elementwise=True).total_flops,
    ]
    assert max(totals) / min(totals) < 1.01
    assert min(totals) > 2 * MULTIPLY_ADDS


def test_graphs_agree(profiles: dict[str, ModelProfile]) -> None:
    """Convolutions and classifier, in order, and the bytes of one image between two blocks."""
    for name, profile in profiles.items():
        work = [layer for layer in profile.layers if layer.flops]
        assert len(work) == 54, name
        assert len(profile.sources) == len(profile.sinks) == 1, name
        assert max(layer.activation_bytes for layer in profile.layers) >= 4 * 256 * 56 * 56, name
    # sixteen residual additions: two branches leave each block's input
    for name in ("torch", "keras", "onnx by operator"):
        edges = profiles[name].edge_array
        assert len(edges) == profiles[name].num_layers - 1 + 16, name
