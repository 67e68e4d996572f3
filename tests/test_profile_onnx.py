"""ONNX profiles: published totals, formulas against PyTorch's counter, files that are refused."""

from __future__ import annotations

import os
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from orbweave.adapters import read_onnx
from orbweave.formulations.checks import InputError
from orbweave.formulations.profile import ModelProfile

onnx = pytest.importorskip("onnx", reason="needs onnx")
helper = onnx.helper
FLOAT = onnx.TensorProto.FLOAT
INT64 = onnx.TensorProto.INT64
LIGHT = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"
pytestmark = pytest.mark.framework


def info(name: str, *shape: Any, kind: int = FLOAT) -> Any:
    return helper.make_tensor_value_info(name, kind, list(shape))


def weight(name: str, *dims: int, kind: int = FLOAT) -> Any:
    return onnx.TensorProto(name=name, dims=dims, data_type=kind)


def ints(name: str, *numbers: int) -> Any:
    return helper.make_tensor(name, INT64, [len(numbers)], numbers)


def model_of(nodes: Any, inputs: Any, outputs: Any, weights: Any = (), opset: int = 18) -> Any:
    graph = helper.make_graph(list(nodes), "small", list(inputs), list(outputs), list(weights))
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])


def mlp() -> Any:
    """x (N, 4) -> Gemm -> Relu -> Gemm, 20 + 25 ... = 4*5 + 5 + 5*2 + 2 parameters."""
    return model_of(
        [
            helper.make_node("Gemm", ["x", "w1", "b1"], ["h"], name="first"),
            helper.make_node("Relu", ["h"], ["r"], name="bend"),
            helper.make_node("Gemm", ["r", "w2", "b2"], ["y"], name="second"),
        ],
        [info("x", "N", 4)],
        [info("y", "N", 2)],
        [weight("w1", 4, 5), weight("b1", 5), weight("w2", 5, 2), weight("b2", 2)],
    )


# -- totals ---------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("name", "params", "multiply_adds"),
    [
        ("resnet50", 25_557_032, 4_089_184_256),
        ("vgg19", 143_667_240, 19_632_062_464),
        ("bvlc_alexnet", 60_965_224, 654_560_384),
        ("squeezenet", 1_235_496, 349_151_936),
    ],
)
@pytest.mark.parametrize("group", [True, False, "chain"])
def test_real_graphs(name: str, params: int, multiply_adds: int, group: bool | str) -> None:
    """Their weights come from ConstantOfShape: counted as weights, never as layers."""
    profile = ModelProfile.from_onnx(LIGHT / f"light_{name}.onnx", group=group)
    assert profile.total_params == params
    assert profile.total_flops == 2 * multiply_adds
    assert profile.input_bytes == 4 * 3 * 224 * 224
    assert profile.output_bytes == 4000
    assert len(profile.sources) == len(profile.sinks) == 1
    assert not any("Constant" in layer.kind for layer in profile.layers)


@pytest.mark.parametrize("path", sorted(LIGHT.glob("*.onnx")), ids=lambda path: path.stem)
def test_grouping_keeps_the_sums(path: Path) -> None:
    fine, coarse, chains = (read_onnx(path, group=group) for group in (False, True, "chain"))
    assert fine.num_layers > coarse.num_layers >= chains.num_layers
    for field in ("params", "weight_bytes", "flops"):
        total = fine.column(field).sum()
        assert coarse.column(field).sum() == chains.column(field).sum() == total
    graph = onnx.load(path).graph
    data = {"data_0", "gpu_0/data_0"}  # one layer for every operator that the image reaches
    reached = 0
    for node in graph.node:
        if data & set(node.input):
            data |= set(node.output)
            reached += 1
    assert fine.num_layers == reached


def test_vgg19_is_its_sixteen_convolutions_and_three_classifiers() -> None:
    profile = read_onnx(LIGHT / "light_vgg19.onnx")
    assert [layer.kind for layer in profile.layers] == ["Conv"] * 16 + ["Gemm"] * 3
    assert profile.is_chain
    # Simonyan & Zisserman (2014): 3x3 convolutions of 64, 128, 256 x 4, 512 x 8; 4096, 4096, 1000
    widths = [3, 64, 64, 128, 128, *[256] * 4, *[512] * 8]
    sizes = [9 * a * b + b for a, b in pairwise(widths)]
    sizes += [25088 * 4096 + 4096, 4096 * 4096 + 4096, 4096 * 1000 + 1000]
    assert [layer.params for layer in profile.layers] == sizes
    # pooling joins the convolution before it: what leaves is the pooled tensor
    assert profile.layers[1].activation_bytes == 4 * 64 * 112 * 112


def test_batch_and_symbolic_sizes() -> None:
    one, many = read_onnx(mlp()), read_onnx(mlp(), batch=8)
    assert [layer.name for layer in one.layers] == ["first", "second"]
    assert (one.total_params, one.total_flops) == (37, 2 * (20 + 10))
    assert many.total_flops == 8 * one.total_flops
    assert many.input_bytes == 8 * one.input_bytes == 8 * 16
    assert many.total_params == one.total_params
    nodes = [helper.make_node("Relu", ["x"], ["y"], name="only")]
    named = model_of(nodes, [info("x", 1, "sequence", None)], [info("y", 1, "sequence", None)])
    with pytest.raises(InputError, match="'sequence': expected a size: read_onnx"):
        read_onnx(named)
    sized = read_onnx(named, dims={"sequence": 5, "x:2": 3})
    assert sized.output_bytes == 60
    with pytest.raises(InputError, match="first dimension of batch = 8"):
        read_onnx(LIGHT / "light_vgg19.onnx", batch=8)


# -- formulas -------------------------------------------------------------------------------------
def single(kind: str, inputs: Any, weights: Any, count: int = 1, **attributes: Any) -> ModelProfile:
    """A model of one operator whose later inputs are weights."""
    names = [entry.name for entry in (*inputs, *weights)]
    outputs = [f"y{k}" for k in range(count)]
    node = helper.make_node(kind, names, outputs, name="only", **attributes)
    value = helper.make_empty_tensor_value_info("y0")
    return read_onnx(model_of([node], inputs, [value], weights, opset=23))


def torch_flops(make: Any, *shapes: tuple[int, ...]) -> int:
    torch = pytest.importorskip("torch", reason="the oracle is PyTorch's counter")
    from torch.utils.flop_counter import FlopCounterMode

    onednn = torch._C._get_mkldnn_enabled()
    torch._C._set_mkldnn_enabled(False)
    try:
        counter = FlopCounterMode(display=False)
        with torch.no_grad(), counter:
            make(torch)(*(torch.rand(shape) for shape in shapes))
    finally:
        torch._C._set_mkldnn_enabled(onednn)
    return int(counter.get_total_flops())


def test_convolutions_match_pytorch() -> None:
    x = info("x", 2, 8, 15, 17)
    plain = single("Conv", [x], [weight("w", 6, 8, 3, 5), weight("b", 6)], strides=[2, 1])
    assert plain.total_flops == torch_flops(
        lambda t: t.nn.Conv2d(8, 6, (3, 5), stride=(2, 1)), (2, 8, 15, 17)
    )
    grouped = single("Conv", [x], [weight("w", 12, 2, 3, 3)], group=4)
    assert grouped.total_flops == torch_flops(
        lambda t: t.nn.Conv2d(8, 12, 3, groups=4), (2, 8, 15, 17)
    )
    widened = single("ConvTranspose", [x], [weight("w", 8, 6, 2, 2)], strides=[2, 2])
    assert widened.total_flops == torch_flops(
        lambda t: t.nn.ConvTranspose2d(8, 6, 2, stride=2), (2, 8, 15, 17)
    )
    line = single("Conv", [info("x", 1, 3, 20)], [weight("w", 4, 3, 7)])
    assert line.total_flops == torch_flops(lambda t: t.nn.Conv1d(3, 4, 7), (1, 3, 20))


def test_products_match_numpy_shapes() -> None:
    matmul = single("MatMul", [info("x", 3, 4, 5)], [weight("w", 5, 6)])
    assert matmul.total_flops == 2 * 3 * 4 * 5 * 6
    turned = single("Gemm", [info("x", 5, 4)], [weight("w", 6, 5)], transA=1, transB=1)
    assert turned.total_flops == 2 * 4 * 5 * 6
    scores = single(
        "Einsum", [info("q", 2, 3, 4, 5), info("k", 2, 3, 7, 5)], [], equation="bhqd,bhkd->bhqk"
    )
    assert scores.total_flops == 2 * (2 * 3 * 4 * 7 * 5)
    dotted = single("Einsum", [info("a", 2, 3, 4)], [weight("b", 4, 5)], equation="...i,ij->...j")
    assert dotted.total_flops == 2 * (6 * 4 * 5)


@pytest.mark.parametrize(("kind", "gates"), [("RNN", 1), ("GRU", 3), ("LSTM", 4)])
def test_recurrent_layers_match_pytorch(kind: str, gates: int) -> None:
    steps, batch, width, hidden = 7, 2, 6, 5
    profile = single(
        kind,
        [info("x", steps, batch, width)],
        [weight("w", 2, gates * hidden, width), weight("r", 2, gates * hidden, hidden)],
        hidden_size=hidden,
        direction="bidirectional",
    )
    assert profile.total_flops == torch_flops(
        lambda t: getattr(t.nn, kind)(width, hidden, bidirectional=True), (steps, batch, width)
    )


def test_attention_counts_scores_and_values() -> None:
    queries, keys = info("q", 2, 8, 5, 16), info("k", 2, 2, 9, 16)
    profile = single("Attention", [queries, keys, info("v", 2, 2, 9, 16)], [])
    assert profile.total_flops == 2 * (2 * 8 * 5 * 9 * 16) * 2
    flat = single(
        "Attention",
        [info("q", 2, 5, 128), info("k", 2, 9, 32), info("v", 2, 9, 32)],
        [],
        q_num_heads=8,
        kv_num_heads=2,
    )
    assert flat.total_flops == profile.total_flops


def test_elementwise_work_is_counted_on_request() -> None:
    assert read_onnx(mlp(), elementwise=True).total_flops == 60 + 5
    pool = [helper.make_node("MaxPool", ["x"], ["y"], kernel_shape=[3, 3], name="pool")]
    model = model_of(pool, [info("x", 1, 2, 9, 9)], [info("y", 1, 2, 7, 7)])
    assert read_onnx(model).total_flops == 0
    assert read_onnx(model, elementwise=True).total_flops == 9 * 2 * 49


# -- graphs ---------------------------------------------------------------------------------------
def test_constants_fold_and_shapes_are_no_edges() -> None:
    """A table made by Constant, cast and transposed; a Reshape whose target is computed."""
    table = helper.make_tensor("t", onnx.TensorProto.DOUBLE, [3, 4], np.zeros(12))
    scalar = helper.make_tensor("s", FLOAT, [], [2.0])
    nodes = [
        helper.make_node("Constant", [], ["table"], value=table),
        helper.make_node("Cast", ["table"], ["cast"], to=FLOAT),
        helper.make_node("Transpose", ["cast"], ["w"]),
        helper.make_node("Constant", [], ["two"], value=scalar),
        helper.make_node("MatMul", ["x", "w"], ["h"], name="product"),
        helper.make_node("Mul", ["h", "two"], ["m"], name="scale"),
        helper.make_node("Shape", ["x"], ["shape"]),
        helper.make_node("Slice", ["shape", "zero", "one"], ["rows"]),
        helper.make_node("Concat", ["rows", "minus"], ["target"], axis=0),
        helper.make_node("Reshape", ["m", "target"], ["y"], name="reshape"),
    ]
    numbers = [ints("zero", 0), ints("one", 1), ints("minus", -1)]
    model = model_of(nodes, [info("x", 2, 4)], [info("y", 2, 3)], numbers)
    profile = read_onnx(model, group=False)
    assert [layer.name for layer in profile.layers] == ["product", "scale", "reshape"]
    assert profile.is_chain
    assert [layer.params for layer in profile.layers] == [12, 0, 0]  # a scalar is no parameter
    assert profile.layers[0].weight_bytes == 12 * 8


def test_statistics_of_batch_norms_are_memory_not_parameters() -> None:
    terms = [weight(name, 8) for name in ("s", "b", "mean", "var")]
    node = helper.make_node("BatchNormalization", ["x", "s", "b", "mean", "var"], ["y"], name="n")
    model = model_of([node], [info("x", 1, 8, 4, 4)], [info("y", 1, 8, 4, 4)], terms)
    profile = read_onnx(model, group=False)
    assert profile.total_params == 16
    assert profile.layers[0].weight_bytes == 4 * 32


def test_embeddings_shared_weights_and_two_readers() -> None:
    nodes = [
        helper.make_node("Gather", ["table", "ids"], ["e"], name="embedding"),
        helper.make_node("MatMul", ["e", "w"], ["h"], name="mix"),
        helper.make_node("Add", ["e", "h"], ["sum"], name="residual"),
        helper.make_node("Transpose", ["table"], ["turned"]),
        helper.make_node("MatMul", ["sum", "turned"], ["y"], name="head"),
    ]
    model = model_of(
        nodes,
        [info("ids", 1, 6, kind=INT64)],
        [info("y", 1, 6, 50)],
        [weight("table", 50, 8), weight("w", 8, 8)],
    )
    profile = read_onnx(model)
    assert [layer.name for layer in profile.layers] == ["embedding", "mix", "head"]
    assert [layer.params for layer in profile.layers] == [400, 64, 0]
    assert profile.is_chain  # the residual addition lies in `mix`, which reads the embedding anyway
    fine = read_onnx(model, group=False)
    assert fine.edges == ((0, 1), (0, 2), (1, 2), (2, 3))


def test_subgraphs_count_their_costlier_branch_and_their_turns() -> None:
    def branch(name: str, width: int) -> Any:
        result = helper.make_empty_tensor_value_info(f"{name}_out")
        nodes = [
            helper.make_node("MatMul", ["x", f"{name}_w"], [f"{name}_h"]),
            helper.make_node("ReduceSum", [f"{name}_h"], [f"{name}_out"], keepdims=0),
        ]
        return helper.make_graph(nodes, name, [], [result], [weight(f"{name}_w", 4, width)])

    choose = helper.make_node(
        "If", ["c"], ["y"], name="if", then_branch=branch("small", 3), else_branch=branch("big", 9)
    )
    inputs = [info("c", kind=onnx.TensorProto.BOOL), info("x", 2, 4)]
    profile = read_onnx(model_of([choose], inputs, [info("y")]))
    assert profile.total_flops == 2 * 2 * 4 * 9
    assert profile.total_params == 4 * 12

    body = helper.make_graph(
        [
            helper.make_node("MatMul", ["v", "w"], ["next"]),
            helper.make_node("Identity", ["go"], ["on"]),
        ],
        "body",
        [info("k", kind=INT64), info("go", kind=onnx.TensorProto.BOOL), info("v", 2, 4)],
        [info("on", kind=onnx.TensorProto.BOOL), info("next", 2, 4)],
    )
    loop = helper.make_node("Loop", ["turns", "", "x"], ["y"], name="loop", body=body)
    turns = helper.make_tensor("turns", INT64, [], [5])
    rest = [info("x", 2, 4)], [info("y", 2, 4)]
    profile = read_onnx(model_of([loop], *rest, [turns, weight("w", 4, 4)]))
    assert profile.total_flops == 5 * 2 * 2 * 4 * 4
    assert profile.total_params == 16
    asked = model_of([loop], [info("turns", kind=INT64), *rest[0]], rest[1], [weight("w", 4, 4)])
    with pytest.raises(InputError, match="'loop' trip count"):
        read_onnx(asked)


def test_operators_out_of_order_are_sorted_and_cycles_refused() -> None:
    model = mlp()
    nodes = list(model.graph.node)
    graph = model.graph
    shuffled = model_of(nodes[::-1], graph.input, graph.output, graph.initializer)
    assert read_onnx(shuffled, group=False) == read_onnx(model, group=False)
    ring = [
        helper.make_node("Add", ["x", "b"], ["a"], name="one"),
        helper.make_node("Relu", ["a"], ["b"], name="two"),
    ]
    with pytest.raises(InputError, match=r"one -> two -> one|two -> one -> two"):
        read_onnx(model_of(ring, [info("x", 1)], [info("b", 1)]))


def test_local_functions_are_inlined() -> None:
    twice = helper.make_function(
        "own",
        "Twice",
        ["a", "m"],
        ["c"],
        [
            helper.make_node("MatMul", ["a", "m"], ["b"]),
            helper.make_node("MatMul", ["b", "m"], ["c"]),
        ],
        [helper.make_opsetid("", 18)],
    )
    graph = helper.make_graph(
        [helper.make_node("Twice", ["x", "w"], ["y"], domain="own", name="call")],
        "g",
        [info("x", 2, 4)],
        [info("y", 2, 4)],
        [weight("w", 4, 4)],
    )
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("own", 1)]
    model = helper.make_model(graph, functions=[twice], opset_imports=opsets)
    profile = read_onnx(model)
    assert profile.num_layers == 2
    assert profile.total_params == 16
    assert profile.total_flops == 2 * 2 * (2 * 4 * 4)


# -- files ----------------------------------------------------------------------------------------
def test_path_bytes_and_model_agree_and_nothing_is_modified(tmp_path: Path) -> None:
    model = mlp()
    data = model.SerializeToString()
    path = tmp_path / "mlp.onnx"
    path.write_bytes(data)
    profiles = [read_onnx(source, name="mlp") for source in (str(path), path, data, model)]
    assert all(profile == profiles[0] for profile in profiles)
    assert model.SerializeToString() == data
    assert read_onnx(path).name == "mlp"


def test_every_truncation_is_one_clear_error(tmp_path: Path) -> None:
    data = mlp().SerializeToString()
    path = tmp_path / "cut.onnx"
    for length in range(len(data)):
        path.write_bytes(data[:length])
        with pytest.raises(InputError) as error:
            read_onnx(path)
        assert "cut.onnx" in str(error.value)
        assert "\n" not in str(error.value)
    whole = (LIGHT / "light_resnet50.onnx").read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"cut\.onnx: expected a complete ONNX model"):
        ModelProfile.from_onnx(path)


def external(location: str) -> Any:
    model = mlp()
    tensor = model.graph.initializer[0]
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=location)
    return model


@pytest.mark.parametrize(
    "location",
    [
        "/etc/passwd",
        "../secret.bin",
        "weights/../../secret.bin",
        "C:\\secret.bin",
        "..\\secret.bin",
        "\\\\host\\share\\secret.bin",
        "",
    ],
)
def test_external_data_outside_the_folder_is_refused(tmp_path: Path, location: str) -> None:
    model = external(location)
    path = tmp_path / "model.onnx"
    path.write_bytes(model.SerializeToString())
    for source in (path, model):
        with pytest.raises(InputError, match="expected a file inside the model's folder"):
            read_onnx(source)


def test_external_data_behind_a_link_is_refused(tmp_path: Path) -> None:
    inside, outside = tmp_path / "model", tmp_path / "outside"
    inside.mkdir()
    outside.mkdir()
    (outside / "secret.bin").write_bytes(b"0" * 80)
    try:
        os.symlink(outside, inside / "weights")
    except OSError:
        pytest.skip("this system makes no symbolic links")
    path = inside / "model.onnx"
    path.write_bytes(external("weights/secret.bin").SerializeToString())
    with pytest.raises(InputError, match="a link that leads outside"):
        read_onnx(path)


def test_external_data_inside_the_folder_is_counted_not_read(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(external("weights/first.bin").SerializeToString())
    assert read_onnx(path).total_params == 37  # the data file does not even exist


def test_external_data_in_a_subgraph_is_checked_too() -> None:
    tensor = weight("w", 4, 4)
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../w.bin")
    node = helper.make_node("MatMul", ["x", "w"], ["h"])
    inner = helper.make_graph([node], "inner", [], [info("h", 2, 4)], [tensor])
    choose = helper.make_node("If", ["c"], ["y"], then_branch=inner, else_branch=inner)
    inputs = [info("c", kind=onnx.TensorProto.BOOL), info("x", 2, 4)]
    with pytest.raises(InputError, match="inside the model's folder"):
        read_onnx(model_of([choose], inputs, [info("y", 2, 4)]))


def without_shapes() -> Any:
    nodes = [
        helper.make_node("Mystery", ["x"], ["h"], domain="own", name="odd"),
        helper.make_node("Relu", ["h"], ["y"], name="bend"),
    ]
    graph = helper.make_graph(nodes, "g", [info("x", 1, 4)], [info("y", 1, 4)])
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("own", 1)]
    return helper.make_model(graph, opset_imports=opsets)


def dangling() -> Any:
    node = helper.make_node("Relu", ["nowhere"], ["y"], name="bend")
    return model_of([node], [info("x", 1, 4)], [info("y", 1, 4)])


def mismatched() -> Any:
    node = helper.make_node("MatMul", ["x", "w"], ["y"], name="product")
    return model_of([node], [info("x", 1, 4)], [info("y", 1, 4)], [weight("w", 5, 4)])


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("missing.onnx", "the path of an ONNX file"),
        (b"", "empty, or truncated"),
        (b"this is no protobuf", "do not parse"),
        (3, "a path, bytes or a ModelProto"),
        (without_shapes, "tensor 'h' from Mystery 'odd' = 'unknown'"),
        (dangling, "operator 'bend' input = 'nowhere'"),
        (mismatched, "operator 'product' = 'MatMul': expected"),
        (lambda: model_of([], [info("x", 1)], [info("x", 1)]), "no operator"),
    ],
)
def test_bad_models_are_one_clear_error(source: Any, words: str) -> None:
    with pytest.raises(InputError) as error:
        read_onnx(source() if callable(source) else source)
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_bad_options_and_a_missing_framework(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="group = 'all'"):
        read_onnx(mlp(), group="all")
    with pytest.raises(InputError, match="batch = 0"):
        read_onnx(mlp(), batch=0)
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ImportError, match=r"pip install 'orbweave\[onnx\]'"):
        ModelProfile.from_onnx("model.onnx")
