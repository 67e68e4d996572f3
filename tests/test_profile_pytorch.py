"""PyTorch profiles against PyTorch's own counter, hand-drawn graphs and formula transformers."""

# mypy: allow-subclassing-any, allow-untyped-calls
from __future__ import annotations

import resource
import sys
from typing import Any

import pytest

from orbweave.adapters import read_pytorch
from orbweave.formulations.checks import InputError
from orbweave.formulations.profile import ModelProfile
from orbweave.formulations.transformer import LLAMA_2_70B, transformer

pytest.importorskip("torch", reason="needs PyTorch")
import torch
from torch import nn
from torch.nn import functional

pytestmark = pytest.mark.framework


class RMSNorm(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: Any) -> Any:
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-5) * self.weight


class Block(nn.Module):
    """A Llama block: grouped queries, gated feed-forward."""

    def __init__(self, hidden: int, heads: int, kv_heads: int, ffn: int) -> None:
        super().__init__()
        self.heads, self.kv_heads, self.wide = heads, kv_heads, hidden // heads
        self.norm1, self.norm2 = RMSNorm(hidden), RMSNorm(hidden)
        self.q = nn.Linear(hidden, hidden, bias=False)
        self.k = nn.Linear(hidden, kv_heads * self.wide, bias=False)
        self.v = nn.Linear(hidden, kv_heads * self.wide, bias=False)
        self.o = nn.Linear(hidden, hidden, bias=False)
        self.gate = nn.Linear(hidden, ffn, bias=False)
        self.up = nn.Linear(hidden, ffn, bias=False)
        self.down = nn.Linear(ffn, hidden, bias=False)

    def forward(self, x: Any) -> Any:
        batch, tokens, hidden = x.shape
        y = self.norm1(x)
        q = self.q(y).view(batch, tokens, self.heads, self.wide).transpose(1, 2)
        k = self.k(y).view(batch, tokens, self.kv_heads, self.wide).transpose(1, 2)
        v = self.v(y).view(batch, tokens, self.kv_heads, self.wide).transpose(1, 2)
        mixed = functional.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
        x = x + self.o(mixed.transpose(1, 2).reshape(batch, tokens, hidden))
        y = self.norm2(x)
        return x + self.down(functional.silu(self.gate(y)) * self.up(y))


class Decoder(nn.Module):
    def __init__(
        self, layers: int, hidden: int, heads: int, kv_heads: int, ffn: int, vocabulary: int
    ) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, hidden)
        self.blocks = nn.ModuleList(Block(hidden, heads, kv_heads, ffn) for _ in range(layers))
        self.norm = RMSNorm(hidden)
        self.head = nn.Linear(hidden, vocabulary, bias=False)

    def forward(self, ids: Any) -> Any:
        x = self.embedding(ids)
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x))


class UNet(nn.Module):
    """Down, up, a skip connection by concatenation, all activations functional."""

    def __init__(self) -> None:
        super().__init__()
        self.enter = nn.Conv2d(3, 8, 3, padding=1)
        self.down = nn.Conv2d(8, 16, 3, stride=2, padding=1)
        self.up = nn.ConvTranspose2d(16, 8, 2, stride=2)
        self.leave = nn.Conv2d(16, 1, 1)

    def forward(self, image: Any) -> Any:
        high = functional.relu(self.enter(image))
        low = functional.relu(self.down(high))
        return self.leave(torch.cat([high, self.up(low)], 1))


def any_value(value: Any) -> Any:
    """What a caller without type checks may pass."""
    return value


def counted(model: Any, *inputs: Any) -> int:
    """What PyTorch's own counter says of a real pass of the whole model."""
    from torch.nn.attention import SDPBackend, sdpa_kernel
    from torch.utils.flop_counter import FlopCounterMode

    model.eval()
    onednn = torch._C._get_mkldnn_enabled()
    fast = torch.backends.mha.get_fastpath_enabled()
    torch._C._set_mkldnn_enabled(False)
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        counter = FlopCounterMode(display=False)
        with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), counter:
            model(*inputs)
    finally:
        torch._C._set_mkldnn_enabled(onednn)
        torch.backends.mha.set_fastpath_enabled(fast)
    return int(counter.get_total_flops())


def small_decoder() -> Any:
    return Decoder(2, 32, 4, 2, 48, 50)


CASES = {
    "mlp": lambda: (nn.Sequential(nn.Linear(5, 7), nn.GELU(), nn.Linear(7, 2)), torch.rand(3, 5)),
    "unet": lambda: (UNet(), torch.rand(2, 3, 16, 16)),
    "decoder": lambda: (small_decoder(), torch.zeros(2, 9, dtype=torch.int64)),
    "lstm": lambda: (nn.LSTM(6, 5, 2, bidirectional=True), torch.rand(7, 2, 6)),
    "gru": lambda: (nn.GRU(6, 5, batch_first=True), torch.rand(2, 7, 6)),
    "encoder": lambda: (
        nn.TransformerEncoder(nn.TransformerEncoderLayer(16, 2, 32, batch_first=True), 2),
        torch.rand(3, 5, 16),
    ),
    "grouped conv": lambda: (
        nn.Sequential(nn.Conv2d(8, 8, 3, groups=8), nn.BatchNorm2d(8), nn.Conv2d(8, 4, 1)),
        torch.rand(1, 8, 9, 9),
    ),
    "conv1d": lambda: (nn.Sequential(nn.Conv1d(2, 4, 3), nn.Flatten()), torch.rand(1, 2, 8)),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("depth", [None, 1])
def test_sums_match_the_framework(name: str, depth: int | None) -> None:
    model, example = CASES[name]()
    profile = read_pytorch(model, example, depth=depth)
    assert profile.total_flops == counted(model, example)
    assert profile.total_params == sum(p.numel() for p in model.parameters())
    memory = sum(t.nbytes for t in (*model.parameters(), *model.buffers()))
    assert profile.memory_mb * 1e6 == pytest.approx(memory, rel=1e-12)
    assert profile.input_bytes == example.nbytes
    result = model(example)
    results = result if isinstance(result, tuple) else (result,)
    flat = [t for item in results for t in (item if isinstance(item, tuple) else (item,))]
    assert profile.output_bytes == sum(t.nbytes for t in flat)


def test_llama_70b_on_the_meta_device_without_memory() -> None:
    with torch.device("meta"):
        model = Decoder(80, 8192, 64, 8, 28672, 32000)
        ids = torch.empty(1, 4096, dtype=torch.int64)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    profile = read_pytorch(model, ids, group_by=Block, dtype="float16")
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    scale = 1 if sys.platform == "darwin" else 1024
    assert (after - before) * scale < 10**9, "139 GB of weights must not be allocated"
    assert all(parameter.is_meta for parameter in model.parameters())
    assert profile.total_params == 68_976_648_192
    assert profile.num_layers == 83
    assert profile.is_chain
    formula = transformer(**LLAMA_2_70B, logits="all")
    assert profile.total_flops == formula.total_flops
    for k in range(1, 81):
        ours, theirs = profile.layers[k], formula.layers[k]
        assert (ours.params, ours.weight_bytes, ours.flops) == (
            theirs.params,
            theirs.weight_bytes,
            theirs.flops,
        )
        assert ours.activation_bytes == theirs.activation_bytes


def test_a_block_by_leaf_modules() -> None:
    profile = read_pytorch(small_decoder(), torch.zeros(1, 9, dtype=torch.int64))
    names = [layer.name for layer in profile.layers]
    assert names[:9] == ["embedding"] + [
        f"blocks.0.{leaf}" for leaf in ("norm1", "q", "k", "v", "o", "norm2", "gate", "up")
    ]
    edges = {(names[i], names[j]) for i, j in profile.edge_array.tolist()}
    block = {
        ("embedding", "norm1"),
        ("norm1", "q"),
        ("norm1", "k"),
        ("norm1", "v"),
        ("q", "v"),  # the scores are computed beside the values, which nothing separates
        ("k", "v"),
        ("v", "o"),
        ("embedding", "o"),  # residual addition
        ("o", "norm2"),
        ("norm2", "gate"),
        ("norm2", "up"),
        ("gate", "up"),  # the product joins the later factor
        ("up", "down"),
        ("o", "down"),
    }
    found = {(a.removeprefix("blocks.0."), b.removeprefix("blocks.0.")) for a, b in edges}
    assert {e for e in found if "blocks" not in "".join(e)} - {("norm", "head")} == block
    # scores of 9 x 9 x 4 heads stay inside: q leaves 9 x 32 numbers, v the mixed values
    sizes = {layer.name: layer.activation_bytes for layer in profile.layers}
    assert sizes["blocks.0.q"] == 9 * 32 * 4
    assert sizes["blocks.0.k"] == 9 * 16 * 4
    assert sizes["blocks.0.v"] == 9 * 32 * 4


def test_skip_connection_and_input_that_is_read_twice() -> None:
    profile = read_pytorch(UNet(), (1, 3, 16, 16))
    assert [layer.name for layer in profile.layers] == ["enter", "down", "up", "leave"]
    assert profile.edges == ((0, 1), (0, 3), (1, 2), (2, 3))
    high, small, up = 4 * 8 * 16 * 16, 4 * 16 * 8 * 8, 4 * 8 * 16 * 16
    assert [row.activation_bytes for row in profile.layers[:3]] == [high, small, up]

    class Residual(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.two = nn.Linear(4, 4), nn.Linear(4, 4)

        def forward(self, x: Any) -> Any:
            return x + self.two(torch.relu(self.one(x)))

    residual = read_pytorch(Residual(), (1, 4))
    assert [layer.name for layer in residual.layers] == ["input", "one", "two"]
    assert residual.edges == ((0, 1), (0, 2), (1, 2))
    assert residual.layers[0].activation_bytes == 16
    assert residual.sources == (0,)


def test_two_inputs_two_outputs_and_branches() -> None:
    class Towers(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.left, self.right = nn.Linear(3, 4), nn.Linear(5, 4)
            self.join, self.side = nn.Linear(8, 2), nn.Linear(4, 6)

        def forward(self, a: Any, b: Any) -> dict[str, Any]:
            x, y = self.left(a), self.right(b)
            return {"joined": self.join(torch.cat([x, y], -1)), "side": self.side(y)}

    inputs = {"a": torch.rand(2, 3), "b": torch.rand(2, 5)}
    profile = read_pytorch(Towers(), inputs)
    assert [layer.name for layer in profile.layers] == ["left", "right", "join", "side"]
    assert profile.edges == ((0, 2), (1, 2), (1, 3))
    assert profile.sources == (0, 1)
    assert profile.sinks == (2, 3)
    assert profile.output_bytes == 4 * (2 * 2 + 2 * 6)
    assert profile.layers[1].activation_bytes == 4 * 2 * 4
    assert profile == read_pytorch(Towers(), (inputs["a"], inputs["b"]))


def test_repeated_and_shared_modules_count_their_weights_once() -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding = nn.Embedding(10, 4)
            self.mix = nn.Linear(4, 4)
            self.head = nn.Linear(4, 10, bias=False)
            self.head.weight = self.embedding.weight

        def forward(self, ids: Any) -> Any:
            return self.head(self.mix(self.mix(self.embedding(ids))))

    profile = read_pytorch(Tied(), torch.zeros(1, 3, dtype=torch.int64))
    assert [layer.name for layer in profile.layers] == ["embedding", "mix", "mix@1", "head"]
    assert [layer.params for layer in profile.layers] == [40, 20, 0, 0]
    assert profile.total_flops == 2 * 3 * (16 + 16 + 40)


def test_computed_weights_belong_to_their_layer() -> None:
    normed = nn.utils.parametrizations.weight_norm(nn.Linear(4, 5))
    profile = read_pytorch(nn.Sequential(normed, nn.ReLU()))
    assert [(layer.name, layer.kind) for layer in profile.layers] == [
        ("0", "ParametrizedLinear"),
        ("1", "ReLU"),
    ]
    assert profile.layers[0].params == 20 + 5 + 5
    assert profile.layers[0].flops == 40


def test_experts_chosen_by_the_data_run_for_real() -> None:
    class Experts(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.router = nn.Linear(4, 3)
            self.experts = nn.ModuleList(nn.Linear(4, 4) for _ in range(3))

        def forward(self, x: Any) -> Any:
            choice = self.router(x).argmax(-1)
            out = torch.zeros_like(x)
            for k, expert in enumerate(self.experts):
                rows = (choice == k).nonzero().squeeze(-1)
                out[rows] += expert(x[rows])
            return out

    example = torch.rand(6, 4)
    profile = read_pytorch(Experts(), example)
    names = ["input", "router", "experts.0", "experts.1", "experts.2"]
    assert [layer.name for layer in profile.layers] == names
    # every row goes to one expert, however the router chooses
    assert profile.total_flops == 2 * 6 * (4 * 3 + 4 * 4)
    assert (profile.sources, profile.sinks) == ((0,), (4,))


def test_writes_in_place_make_edges() -> None:
    class Cache(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("cache", torch.zeros(1, 4, 3))
            self.write, self.read = nn.Linear(3, 3), nn.Linear(3, 2)

        def forward(self, x: Any) -> Any:
            cache: Any = self.cache
            cache[:, 1:2] = self.write(x)
            return self.read(cache)

    model: Any = Cache()
    profile = read_pytorch(model, torch.ones(1, 1, 3))
    assert [layer.name for layer in profile.layers] == ["write", "read"]
    assert profile.is_chain
    assert profile.layers[0].activation_bytes == 4 * 12  # the whole cache is read
    assert model.cache.abs().sum() == 0, "the caller's buffer was written to"


def test_layers_that_compute_nothing_are_layers() -> None:
    model = nn.Sequential(
        nn.Linear(4, 8), nn.ReLU(inplace=True), nn.Dropout(), nn.Flatten(), nn.Linear(8, 2)
    )
    profile = read_pytorch(model)
    assert [layer.kind for layer in profile.layers] == [
        "Linear",
        "ReLU",
        "Dropout",
        "Flatten",
        "Linear",
    ]
    assert profile.is_chain
    assert [layer.flops for layer in profile.layers] == [64, 0, 0, 0, 32]
    counted_too = read_pytorch(model, elementwise=True)
    assert [layer.flops for layer in counted_too.layers] == [64, 8, 0, 0, 32]


def test_depth_and_classes() -> None:
    model = small_decoder()
    ids = torch.zeros(1, 9, dtype=torch.int64)
    by_depth = read_pytorch(model, ids, depth=1)
    by_class = read_pytorch(model, ids, group_by=(Block,))
    names = ["embedding", "blocks.0", "blocks.1", "norm", "head"]
    assert [layer.name for layer in by_depth.layers] == names
    assert by_depth == by_class
    assert read_pytorch(model, ids, depth=2) == read_pytorch(model, ids)
    whole = read_pytorch(model, ids, group_by=Decoder)
    assert whole.num_layers == 1
    assert whole.total_flops == by_depth.total_flops


def test_the_callers_model_is_left_alone() -> None:
    class Remembers(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.lift, self.norm = nn.Linear(4, 4), nn.BatchNorm1d(4)
            self.calls: list[Any] = []
            self.last: Any = None

        def forward(self, x: Any) -> Any:
            self.last = self.norm(self.lift(x))
            self.calls.append(self.last)
            return self.last

    model = Remembers()
    model.lift.eval()
    before = {name: (id(t), t.clone()) for name, t in model.state_dict(keep_vars=True).items()}
    for example in (None, torch.rand(2, 4)):
        read_pytorch(model, example)
    assert model.training
    assert model.norm.training
    assert not model.lift.training
    assert model.calls == []
    assert model.last is None
    assert not any(module._forward_hooks for module in model.modules())
    for name, tensor in model.state_dict(keep_vars=True).items():
        assert id(tensor) == before[name][0]
        assert torch.equal(tensor, before[name][1])
    with pytest.raises(InputError):
        read_pytorch(model, torch.rand(2, 5))
    assert model.training
    assert model.lift.weight.__class__ is nn.Parameter
    assert torch.backends.mha.get_fastpath_enabled()


def test_control_flow_that_needs_the_data_runs_for_real() -> None:
    class Chooses(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.yes, self.no = nn.Linear(3, 5), nn.Linear(3, 7)

        def forward(self, x: Any) -> Any:
            return self.yes(x) if bool(x.sum() > 0) else self.no(x)

    model = Chooses()
    chosen = read_pytorch(model, torch.ones(1, 3))
    assert chosen.output_bytes == 20
    assert read_pytorch(model, -torch.ones(1, 3)).output_bytes == 28
    assert chosen.total_params == sum(p.numel() for p in model.parameters())
    with pytest.raises(InputError, match="forward accepts"):
        read_pytorch(model.to("meta"), torch.ones(1, 3))


@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (lambda: nn.Sequential(nn.Flatten(), nn.Linear(784, 10)), (1, 784)),
        (
            lambda: nn.Sequential(nn.Conv2d(1, 4, 5), nn.Flatten(), nn.Linear(2304, 2)),
            (28, 28),
        ),
        (lambda: nn.Sequential(nn.Conv2d(3, 4, 5), nn.AdaptiveAvgPool2d(1)), (3, 224, 224)),
        (lambda: small_decoder(), (2,)),  # one token of eight bytes
        (lambda: nn.GRU(6, 5), (6,)),
        (lambda: nn.MultiheadAttention(8, 2), (3, 8)),
    ],
)
def test_without_inputs_one_is_guessed(make: Any, shape: tuple[int, ...]) -> None:
    profile = ModelProfile.from_pytorch(make())
    assert profile.input_bytes == 4 * torch.Size(shape).numel()


def test_without_inputs_the_worst_case_is_a_chain_of_exact_weights(caplog: Any) -> None:
    class Opaque(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Bilinear(3, 4, 5)
            self.second = nn.Linear(5, 2)

        def forward(self, a: Any, b: Any) -> Any:
            return self.second(self.first(a, b))

    profile = ModelProfile.from_pytorch(Opaque())
    assert [layer.name for layer in profile.layers] == ["first", "second"]
    assert profile.total_params == 65 + 12
    assert profile.layers[1].flops == 2 * 10
    assert profile.is_chain
    assert "pass example_inputs" in caplog.text


def test_dtype_changes_the_bytes_of_floats_alone() -> None:
    model = small_decoder()
    ids = torch.zeros(1, 9, dtype=torch.int64)
    single, half = read_pytorch(model, ids), read_pytorch(model, ids, dtype="float16")
    assert half.memory_mb * 2 == single.memory_mb
    assert half.output_bytes * 2 == single.output_bytes
    assert half.input_bytes == single.input_bytes == 9 * 8


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: read_pytorch("resnet50"), "model = 'resnet50': expected a torch.nn.Module"),
        (lambda: read_pytorch(nn.Linear(3, 2), torch.rand(1, 4)), "Linear.forward accepts"),
        (lambda: read_pytorch(nn.Linear(3, 2), "x"), "example_inputs = 'x'"),
        (lambda: read_pytorch(nn.Linear(3, 2), depth=0), "depth = 0"),
        (lambda: read_pytorch(nn.Linear(3, 2), group_by=int), "group_by"),
        (lambda: read_pytorch(nn.Linear(3, 2), group_by=any_value(3)), "group_by = 3"),
        (lambda: read_pytorch(nn.Linear(3, 2), dtype="float15"), "did you mean 'float16'"),
        (lambda: read_pytorch(nn.Linear(3, 2), batch=0), "batch = 0"),
        (lambda: read_pytorch(nn.LazyLinear(3)), "uninitialised"),
        (lambda: read_pytorch(nn.Sequential()), "it is empty"),
        (lambda: read_pytorch(nn.ReLU(), depth=1, group_by=nn.ReLU), "no depth"),
    ],
)
def test_bad_input_is_one_clear_error(call: Any, words: str) -> None:
    with pytest.raises(InputError) as error:
        call()
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_a_missing_framework_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ImportError, match=r"pip install 'orbweave\[torch\]'"):
        ModelProfile.from_pytorch(object())
