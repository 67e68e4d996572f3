"""Properties of the compressor that hold for any tensor and any setting."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from orbweave.formulations.compression.budgets import keep_ratio_for, most_message_bytes
from orbweave.formulations.compression.codec import (
    Compressor,
    decompress,
    decompress_tree,
)

DTYPES = [np.float16, np.float32, np.float64]
SHAPES = arrays.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=7)
TENSORS = st.one_of(
    [
        arrays.arrays(
            kind, SHAPES, elements=arrays.from_dtype(kind, allow_nan=False, allow_infinity=False)
        )
        for kind in map(np.dtype, DTYPES)
    ]
)
SETTINGS: Any = st.fixed_dictionaries(
    {
        "keep_ratio": st.floats(0, 1),
        "bits": st.sampled_from([2, 3, 4, 5, 6, 7, 8, 32, None]),
        "levels": st.sampled_from(["log", "linear"]),
        "stochastic_rounding": st.booleans(),
        "error_feedback": st.booleans(),
        "min_kept": st.integers(0, 3),
        "seed": st.integers(0, 9),
    }
)
quick = settings(deadline=None, derandomize=True, max_examples=300)


@quick
@given(tensor=TENSORS)
def test_exact_numbers_come_back(tensor: Any) -> None:
    codec = Compressor(1.0, None, error_feedback=False)
    back = decompress(codec.compress(tensor))
    assert (back.shape, back.dtype) == (tensor.shape, tensor.dtype)
    assert back.tobytes() == tensor.tobytes()


@quick
@given(tensor=TENSORS, chosen=SETTINGS)
def test_any_setting_sends_a_few_of_the_largest(tensor: Any, chosen: Any) -> None:
    message = Compressor(**chosen).compress(tensor)
    back = decompress(message)
    assert (back.shape, back.dtype) == (tensor.shape, tensor.dtype)
    assert np.isfinite(back).all()
    assert (np.sign(back) * np.sign(tensor) >= 0).all()
    most = max(round(chosen["keep_ratio"] * tensor.size), chosen["min_kept"])
    assert np.count_nonzero(back) <= most
    left = np.abs(tensor[back == 0]).astype(float)
    if chosen["bits"] in (None, 32) and np.count_nonzero(back) and left.size:
        assert left.max() <= np.abs(tensor[back != 0]).min()
    assert len(message) <= most_message_bytes(
        tensor.size, min(tensor.size, most), chosen["bits"], dtype=str(tensor.dtype)
    )
    again = Compressor(**chosen).compress(tensor.copy(order="F"))
    assert again == message


@quick
@given(tensor=TENSORS, chosen=SETTINGS, scale=st.integers(-6, 6))
def test_a_power_of_two_scales_everything(tensor: Any, chosen: Any, scale: int) -> None:
    """Nothing depends on the unit of a gradient (away from the ends of the number range)."""
    tensor = np.where(np.abs(tensor) < 1e-3, 0, np.clip(tensor, -500, 500)).astype(tensor.dtype)
    factor = tensor.dtype.type(2.0**scale)
    wide = tensor.astype(np.float64)
    one = decompress(Compressor(**chosen).compress(wide))
    other = decompress(Compressor(**chosen).compress(wide * factor))
    # A kept zero comes back as a number that is none beside the largest.
    tiny = 2.0**-80 * float(np.abs(one * factor).max(initial=0.0))
    assert np.allclose(other, one * np.float64(factor), rtol=1e-6, atol=tiny)


@quick
@given(
    rows=st.lists(
        st.tuples(TENSORS, st.text(max_size=20)), max_size=5, unique_by=lambda row: row[1]
    ),
    chosen=SETTINGS,
)
def test_a_tree_is_its_tensors(rows: Any, chosen: Any) -> None:
    tree = {name: tensor for tensor, name in rows}
    back = decompress_tree(Compressor(**chosen).compress_tree(tree))
    assert list(back) == list(tree)
    codec = Compressor(**chosen)
    for name, tensor in tree.items():
        alone = decompress(codec.compress(tensor, name))
        assert alone.tobytes() == back[name].tobytes()


@quick
@given(
    count=st.integers(1, 3000),
    size=st.integers(1, 4000),
    bits=st.sampled_from([2, 4, 8, None]),
    seed=st.integers(0, 99),
)
def test_what_is_planned_for_fits(count: int, size: int, bits: int | None, seed: int) -> None:
    ratio = keep_ratio_for(size, count, bits)
    rng = np.random.default_rng(seed)
    values = rng.laplace(size=count) * (rng.random(count) < rng.random())
    message = Compressor(ratio, bits).compress(values.astype(np.float32))
    assert len(message) <= size or ratio == 0.0


@settings(deadline=None, derandomize=True, max_examples=25)
@given(
    ratio=st.sampled_from([0.1, 0.3, 1.0]),
    bits=st.sampled_from([2, 3, 4, 5, 6, 7, 8, None]),
    levels=st.sampled_from(["log", "linear"]),
    is_random=st.booleans(),
    momentum=st.sampled_from([0.0, 0.9]),
    threshold=st.sampled_from([0.0, 1e-5]),
    seed=st.integers(0, 3),
)
def test_descent_on_a_quadratic_converges_with_feedback(
    ratio: float,
    bits: int | None,
    levels: str,
    is_random: bool,
    momentum: float,
    threshold: float,
    seed: int,
) -> None:
    rng = np.random.default_rng(seed)
    curvature = rng.uniform(0.5, 2.0, 60)
    wanted = rng.normal(size=60) * 10.0 ** rng.uniform(-1, 1, 60)
    codec = Compressor(
        ratio,
        bits,
        levels=levels,
        stochastic_rounding=is_random,
        momentum=momentum,
        threshold=threshold,
        seed=seed,
    )
    point = np.zeros(60)
    # Momentum adds up to 1 / (1 - momentum), less where sending an entry ends its momentum.
    rate = 0.1 * ratio**0.5 * (1.0 - momentum) ** 0.5
    for _ in range(round(40 / rate)):
        point -= rate * decompress(codec.compress(curvature * (point - wanted)))
    assert np.linalg.norm(point - wanted) < 1e-3 * np.linalg.norm(wanted)


def test_without_feedback_a_few_levels_stall_where_feedback_does_not() -> None:
    """What error feedback is for: biased rounding of two workers' gradients has no fixed point."""
    rng = np.random.default_rng(0)
    wanted = rng.normal(size=(2, 60)) * 3  # the mean of both is the optimum
    ends = {}
    for feedback in (True, False):
        codecs = [Compressor(0.05, 4, error_feedback=feedback) for _ in range(2)]
        point = np.zeros(60)
        for _ in range(1500):
            gradients = [
                decompress(codec.compress(point - own))
                for codec, own in zip(codecs, wanted, strict=True)
            ]
            point -= 0.01 * np.mean(gradients, axis=0)
        ends[feedback] = float(np.linalg.norm(point - wanted.mean(axis=0)))
    assert ends[True] < 0.2 * ends[False]


@pytest.mark.parametrize("bits", [2, 8])
def test_unbiased_rounding_converges_on_average_without_feedback(bits: int) -> None:
    codec = Compressor(1.0, bits, stochastic_rounding=True, error_feedback=False)
    gradient = np.random.default_rng(0).laplace(size=200)
    mean = np.mean([decompress(codec.compress(gradient)) for _ in range(3000)], axis=0)
    spread = np.abs(gradient).max() ** 2 / 4  # variance between two levels, at most
    assert np.abs(mean - gradient).max() < 5 * np.sqrt(spread / 3000)
