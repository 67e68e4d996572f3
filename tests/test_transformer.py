"""Transformers from their numbers: published parameter counts, hand-derived FLOPs, bad numbers."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orbweave.formulations.checks import InputError
from orbweave.formulations.profile import ModelProfile
from orbweave.formulations.transformer import LLAMA_2_7B, LLAMA_2_70B, transformer

GPT_2: dict[str, Any] = {
    "layers": 12,
    "hidden": 768,
    "heads": 12,
    "ffn": 3072,
    "vocabulary": 50257,
    "context": 1024,
    "gated": False,
    "bias": True,
    "norm": "layer",
    "learned_positions": 1024,
    "tied_embeddings": True,
}
LLAMA_2_13B: dict[str, Any] = {
    **LLAMA_2_7B,
    "layers": 40,
    "hidden": 5120,
    "heads": 40,
    "ffn": 13824,
}
LLAMA_3_8B: dict[str, Any] = {
    **LLAMA_2_7B,
    "kv_heads": 8,
    "ffn": 14336,
    "vocabulary": 128256,
    "context": 8192,
}
QWEN_3_8B_LIKE: dict[str, Any] = {"hidden": 4096, "heads": 32, "kv_heads": 8, "head_dim": 128}


@pytest.mark.parametrize(
    ("numbers", "published"),
    [
        (LLAMA_2_70B, 68_976_648_192),
        (LLAMA_2_7B, 6_738_415_616),
        (LLAMA_2_13B, 13_015_864_320),
        (LLAMA_3_8B, 8_030_261_248),
        (GPT_2, 124_439_808),
    ],
)
def test_parameters_are_the_published_ones(numbers: dict[str, Any], published: int) -> None:
    assert ModelProfile.transformer(**numbers).total_params == published


def test_llama_70b_in_bytes() -> None:
    profile = transformer(**LLAMA_2_70B)
    assert profile.num_layers == 82
    assert profile.is_chain
    # 2 (keys, values) x 8 heads x 128 wide x 4096 positions x 2 bytes, in each of 80 blocks
    assert [layer.state_bytes for layer in profile.layers[1:81]] == [2 * 8 * 128 * 4096 * 2] * 80
    assert profile.layers[0].state_bytes == profile.layers[-1].state_bytes == 0
    weights = 2 * 68_976_648_192
    assert profile.memory_mb * 1e6 == pytest.approx(weights + 80 * 16_777_216, rel=1e-12)
    assert profile.layers[40].activation_bytes == 4096 * 8192 * 2
    assert profile.input_bytes == 4096 * 4
    assert profile.output_bytes == 32000 * 2


def test_flops_of_a_small_model_by_hand() -> None:
    # hidden 4, 2 query heads of 2, 1 key head, ffn 6, context 3: all products written out.
    profile = transformer(
        layers=1, hidden=4, heads=2, kv_heads=1, ffn=6, vocabulary=10, context=3, logits="all"
    )
    query, keys_values, out = 3 * 4 * 4, 2 * (3 * 4 * 2), 3 * 4 * 4
    scores, mixed = 2 * (3 * 3 * 2), 2 * (3 * 3 * 2)
    network = 3 * (3 * 4 * 6)
    assert profile.layers[1].flops == 2 * (query + keys_values + out + scores + mixed + network)
    assert profile.layers[2].flops == 2 * (3 * 4 * 10)
    assert profile.layers[0].flops == 0


def test_decoding_one_token_reads_the_whole_cache() -> None:
    full = transformer(**LLAMA_2_70B)
    step = transformer(**LLAMA_2_70B, tokens=1)
    assert step.total_params == full.total_params
    assert step.layers[1].state_bytes == full.layers[1].state_bytes
    assert step.layers[1].activation_bytes * 4096 == full.layers[1].activation_bytes
    assert step.layers[1].flops * 4096 == pytest.approx(full.layers[1].flops, rel=1e-12)


def test_types_scale_the_bytes_alone() -> None:
    half = transformer(**LLAMA_2_7B)
    whole = transformer(**LLAMA_2_7B, dtype="float32")
    mixed = transformer(**LLAMA_2_7B, weight_dtype="int4", cache_dtype="int8")
    assert whole.total_flops == half.total_flops == mixed.total_flops
    assert whole.layers[1].weight_bytes == 2 * half.layers[1].weight_bytes
    assert whole.layers[1].activation_bytes == 2 * half.layers[1].activation_bytes
    assert mixed.layers[1].weight_bytes * 4 == half.layers[1].weight_bytes
    assert mixed.layers[1].state_bytes * 2 == half.layers[1].state_bytes
    assert mixed.layers[1].activation_bytes == half.layers[1].activation_bytes


def test_a_head_may_be_wider_than_its_share() -> None:
    small: dict[str, Any] = {"layers": 1, "ffn": 8, "vocabulary": 8, "context": 8}
    free = transformer(**small, **QWEN_3_8B_LIKE)
    wide = transformer(**small, **{**QWEN_3_8B_LIKE, "head_dim": 256})
    extra = 4096 * 128 * (2 * 32 + 2 * 8)
    assert wide.total_params - free.total_params == extra


@settings(max_examples=60, deadline=None)
@given(
    layers=st.integers(1, 6),
    kv_heads=st.integers(1, 4),
    repeat=st.integers(1, 4),
    head_dim=st.integers(1, 8),
    ffn=st.integers(1, 40),
    batch=st.integers(1, 5),
    context=st.integers(1, 9),
)
def test_figures_grow_as_they_should(
    layers: int, kv_heads: int, repeat: int, head_dim: int, ffn: int, batch: int, context: int
) -> None:
    heads = kv_heads * repeat
    numbers: dict[str, Any] = {
        "layers": layers,
        "hidden": heads * head_dim,
        "heads": heads,
        "kv_heads": kv_heads,
        "ffn": ffn,
        "vocabulary": 17,
        "context": context,
    }
    one, many = transformer(**numbers), transformer(**numbers, batch=batch)
    assert many.total_flops == pytest.approx(batch * one.total_flops)
    assert many.total_params == one.total_params
    for a, b in zip(one.layers, many.layers, strict=True):
        assert b.state_bytes == batch * a.state_bytes
        assert b.activation_bytes == batch * a.activation_bytes
    taller = transformer(**{**numbers, "layers": layers + 1})
    assert taller.total_params - one.total_params == one.layers[1].params


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"kv_heads": 7}, "kv_heads = 7: expected a divisor of heads = 64"),
        ({"hidden": 8190, "kv_heads": 8}, "heads = 64: expected a divisor of hidden = 8190"),
        ({"dtype": "flot16"}, "did you mean 'float16'"),
        ({"norm": "rsm"}, "did you mean 'rms'"),
        ({"logits": "first"}, "logits = 'first'"),
        ({"layers": 0}, "layers = 0: expected a finite number >= 1"),
        ({"ffn": -1}, "ffn = -1"),
        ({"vocabulary": 2.5}, "vocabulary = 2.5: expected a whole number"),
        ({"context": float("nan")}, "context = nan"),
        ({"tokens": 5000}, "tokens = 5000: expected at most context = 4096"),
    ],
)
def test_bad_numbers_are_named(change: dict[str, Any], words: str) -> None:
    numbers: dict[str, Any] = {**LLAMA_2_70B, **change}
    with pytest.raises(InputError) as error:
        transformer(**numbers)
    assert words in str(error.value)
