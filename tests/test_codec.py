"""The compressor against sorting, plain NumPy recursions and published quantisers."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest

from orbweave.formulations.checks import InputError, UnknownNameError
from orbweave.formulations.compression.codec import Compressor, decompress, decompress_tree
from orbweave.formulations.compression.levels import Levels
from orbweave.formulations.compression.quantise import Quantiser, Rounding
from orbweave.formulations.compression.select import Picked, add_top_k, is_finite, top_k
from orbweave.formulations.compression.select_kernel import sample_places
from orbweave.formulations.compression.wire import read

FLOAT = np.dtype(np.float32)
WIDE = [np.float32, np.float64]


def laplace(count: int, seed: int = 0, dtype: Any = np.float32) -> Any:
    return np.random.default_rng(seed).laplace(size=count).astype(dtype)


def largest(values: Any, kept: int) -> Any:
    """Oracle: places of the largest magnitudes, ties to the lowest index, by a full sort."""
    if kept == len(values):
        return np.arange(kept)
    order = np.lexsort((np.arange(len(values)), -np.abs(values)))[:kept]
    return np.sort(order[values[order] != 0])


def same(picked: Picked, values: Any, kept: int) -> None:
    assert np.array_equal(picked.places, largest(values, kept))
    assert np.array_equal(picked.values, values[picked.places])


def shaped(kind: str, count: int, dtype: Any) -> Any:
    """Values that are hard for a sampled threshold, in one way or another."""
    values = laplace(count, count, dtype)
    if kind == "constant":
        values[:] = -3
    elif kind == "sparse":
        values[np.random.default_rng(1).random(count) < 0.999] = 0
    elif kind == "ties":
        values = np.round(values)
    elif kind == "subnormal":
        values = values * np.finfo(dtype).smallest_subnormal * 100
    elif kind == "sorted":
        values = np.sort(np.abs(values))
    return values.astype(dtype)


class TestSelection:
    @pytest.mark.parametrize("dtype", WIDE)
    @pytest.mark.parametrize("count", [1, 6, 257, 70_003])
    @pytest.mark.parametrize("kind", ["plain", "constant", "sparse", "ties", "subnormal", "sorted"])
    def test_equals_a_full_sort(self, kind: str, count: int, dtype: Any) -> None:
        values = shaped(kind, count, dtype)
        added: Any = np.random.default_rng(2).permutation(values)
        for kept in sorted({0, 1, count // 100, count // 10, count // 2, count - 1, count}):
            if kept <= count:
                same(top_k(values, kept), values, kept)
                total = values.copy()
                picked = add_top_k(total, added, kept)
                assert np.array_equal(total, values + added)
                same(picked, total, kept)

    @pytest.mark.parametrize("sees", [True, False])
    def test_a_sample_that_misleads_costs_time_only(self, sees: bool) -> None:
        count = 1 << 17
        places = sample_places(count, 1 << 13)
        values = laplace(count)
        if sees:  # only the sampled ones are large: too few candidates
            values[places] += 100
            kept = 2 * len(places)
        else:  # only others are: too many
            values = values + np.float32(100)
            values[places] = laplace(len(places), 3)
            kept = len(places)
        same(top_k(values, kept), values, kept)
        total = np.zeros_like(values)
        same(add_top_k(total, values, kept), values, kept)

    def test_the_sample_has_one_place_in_each_stratum(self) -> None:
        count, size = 1_000_003, 8192
        places = sample_places(count, size)
        strata = np.arange(size + 1) * count // size
        assert (places >= strata[:-1]).all()
        assert (places < strata[1:]).all()

    @pytest.mark.parametrize("dtype", WIDE)
    @pytest.mark.parametrize("wrong", [np.nan, -np.nan, np.inf, -np.inf])
    def test_finds_the_one_that_is_not_finite(self, wrong: float, dtype: Any) -> None:
        values = np.full(5000, np.finfo(dtype).max)
        assert is_finite(values)
        values[4321] = wrong
        assert not is_finite(values)


class TestQuantiser:
    @pytest.mark.parametrize("spacing", ["log", "linear"])
    @pytest.mark.parametrize("bits", range(2, 9))
    @pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
    def test_every_value_goes_to_its_nearest_level(
        self, dtype: Any, bits: int, spacing: str
    ) -> None:
        values = np.append(laplace(3000), np.float32(40)).astype(dtype).astype(np.float64)
        kind = np.dtype(dtype)
        levels, codes = Quantiser(kind, bits, spacing).apply(values)
        table = levels.table(kind).astype(np.float64)
        sent = levels.signed(kind)[codes].astype(np.float64)
        nearest = np.abs(np.abs(values)[:, None] - table).min(axis=1)
        assert np.allclose(np.abs(values - sent), nearest, rtol=1e-12, atol=0)
        assert np.array_equal(sent < 0, (values < 0) & (sent != 0))

    # Max, "Quantizing for minimum distortion", IRE Transactions on Information Theory 6 (1960),
    # table I: least mean squared error of a unit normal variable with 4, 8 and 16 levels.
    @pytest.mark.parametrize(
        ("bits", "published", "slack"), [(2, 0.1175, 1.01), (3, 0.03454, 1.1), (4, 0.009497, 1.25)]
    )
    def test_is_near_the_best_quantiser_there_is(
        self, bits: int, published: float, slack: float
    ) -> None:
        values = np.random.default_rng(0).normal(size=200_000).astype(np.float32)
        errors = []
        for spacing in ("linear", "log"):
            levels, codes = Quantiser(FLOAT, bits, spacing).apply(values)
            errors.append(float(np.mean((levels.signed(FLOAT)[codes] - values) ** 2)))
        assert 0.98 * published < min(errors) < slack * published

    def test_two_bits_are_the_centroids_of_two_halves(self) -> None:
        values = top_k(laplace(1_000_000), 10_000).values
        levels, codes = Quantiser(FLOAT, 2).apply(values)
        magnitudes = np.abs(values).astype(np.float64)
        for level, value in enumerate(levels.table(FLOAT)):
            assert value == pytest.approx(magnitudes[codes % 2 == level].mean(), rel=0.01)

    def test_log_levels_have_about_half_the_error_of_linear_ones(self) -> None:
        values = top_k(laplace(1_000_000), 10_000).values
        energy = {}
        for spacing in ("log", "linear"):
            levels, codes = Quantiser(FLOAT, 8, spacing).apply(values)
            energy[spacing] = float(np.sum((levels.signed(FLOAT)[codes] - values) ** 2.0))
        assert energy["log"] < 0.5 * energy["linear"]

    @pytest.mark.parametrize("spacing", ["log", "linear"])
    @pytest.mark.parametrize("bits", [2, 3, 8])
    @pytest.mark.parametrize("dtype", [np.float16, np.float32])
    def test_random_rounding_is_right_on_average(self, dtype: Any, bits: int, spacing: str) -> None:
        kind = np.dtype(dtype)
        values = np.append(laplace(300, 5), [0.0, 20.0]).astype(dtype).astype(np.float32)
        draws = 400
        total = np.zeros(len(values))
        table = np.empty(0)
        for key in range(draws):
            levels, codes = Quantiser(kind, bits, spacing, Rounding(key << 20, True)).apply(values)
            total += levels.signed(kind)[codes]
            table = levels.table(kind).astype(np.float64)
        magnitudes = np.abs(values).astype(np.float64)
        assert table[0] <= magnitudes.min()
        assert table[-1] >= magnitudes.max()
        above = np.clip(np.searchsorted(table, magnitudes, side="right"), 1, len(table) - 1)
        variance = (magnitudes - table[above - 1]) * (table[above] - magnitudes) / draws
        error = total / draws - values
        rare = 10 * (table[above] - table[above - 1]) / draws  # draws are few: the tail is longer
        assert (np.abs(error) <= 5 * np.sqrt(variance) + rare).all()
        assert abs(error.sum()) <= 4 * np.sqrt(variance.sum())
        assert np.abs(error).max() > 0

    @pytest.mark.parametrize("bits", [2, 3, 5, 8])
    def test_random_rounding_for_feedback_loses_no_more_than_it_sends(self, bits: int) -> None:
        for values in (laplace(5000), np.random.default_rng(1).standard_cauchy(5000)):
            levels, codes = Quantiser(FLOAT, bits, "log", Rounding(9)).apply(values)
            error = np.sum((levels.signed(FLOAT)[codes] - values) ** 2.0)
            assert error < np.sum(values**2.0)

    def test_levels_are_finite_whatever_their_numbers(self) -> None:
        for spacing in ("log", "linear"):
            table = Levels(8, spacing, 3e38, 3e38).table(FLOAT)
            assert np.isfinite(table).all()
            assert (np.diff(table) >= 0).all()

    @pytest.mark.parametrize(
        ("bits", "low", "step"), [(1, 1, 2), (9, 1, 2), (4, 0, 2), (4, 1, 0.5), (4, np.nan, 2)]
    )
    def test_wrong_levels_are_refused(self, bits: int, low: float, step: float) -> None:
        with pytest.raises(InputError):
            Levels(bits, "log", low, step)


class TestRoundTrip:
    @pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
    @pytest.mark.parametrize("shape", [(), (0,), (3, 0, 2), (1,), (7,), (3, 5, 2), (40, 50)])
    def test_numbers_as_they_are_come_back_bit_for_bit(self, shape: Any, dtype: Any) -> None:
        array = np.random.default_rng(1).normal(size=shape).astype(dtype)
        if array.size:
            array.flat[0] = -0.0
        for bits in (None, 32):
            back = decompress(Compressor(1.0, bits, error_feedback=False).compress(array))
            assert back.dtype == array.dtype
            assert back.shape == array.shape
            assert back.tobytes() == array.tobytes()

    @pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
    @pytest.mark.parametrize("bits", [2, 5, 8, None])
    @pytest.mark.parametrize("ratio", [0.01, 0.3, 1.0])
    def test_the_other_side_has_what_the_residual_lacks(
        self, ratio: float, bits: int | None, dtype: Any
    ) -> None:
        array = laplace(4000, 3, dtype).reshape(40, 100)
        codec = Compressor(ratio, bits)
        back = decompress(codec.compress(array))
        assert np.count_nonzero(back) <= round(ratio * array.size)
        wide = np.float64 if dtype is np.float64 else np.float32
        assert np.array_equal(codec.residual(), array.astype(wide) - back.astype(wide))

    @pytest.mark.parametrize("value", [0.0, 2.5, -1e-42, 3e38])
    @pytest.mark.parametrize("bits", [2, 8, None])
    @pytest.mark.parametrize("levels", ["log", "linear"])
    @pytest.mark.parametrize("is_random", [True, False])
    def test_a_constant_comes_back(
        self, is_random: bool, levels: str, bits: int | None, value: float
    ) -> None:
        array = np.full((10, 10), value, np.float32)
        codec = Compressor(1.0, bits, levels=levels, stochastic_rounding=is_random)
        assert np.array_equal(decompress(codec.compress(array)), array)
        few = decompress(Compressor(0.05, bits, levels=levels).compress(array))
        assert np.array_equal(np.flatnonzero(few), np.arange(5 if value else 0))

    @pytest.mark.parametrize("bits", [2, 8])
    def test_the_widest_range_of_numbers(self, bits: int) -> None:
        for dtype in (np.float16, np.float32, np.float64):
            limits = np.finfo(dtype)
            array = np.array([limits.max, -limits.max, limits.smallest_subnormal, 0.0, 1.0], dtype)
            for is_random in (False, True):
                for levels in ("log", "linear"):
                    codec = Compressor(
                        1.0,
                        bits,
                        levels=levels,
                        stochastic_rounding=is_random,
                        error_feedback=False,
                    )
                    back = decompress(codec.compress(array))
                    assert np.isfinite(back).all()
                    assert back[0] == pytest.approx(float(limits.max), rel=1e-3)

    def test_any_layout_is_taken_and_none_changed(self) -> None:
        base = laplace(3000).reshape(30, 100)
        for array in (base[::2, ::3], base.T, np.asfortranarray(base), base.astype(">f4")):
            before = array.copy()
            back = decompress(Compressor(1.0, None).compress(array))
            assert np.array_equal(back, array)
            assert np.array_equal(array, before)

    def test_a_read_only_array_is_taken(self) -> None:
        array = laplace(100_000)
        array.flags.writeable = False
        assert np.count_nonzero(decompress(Compressor(0.01, None).compress(array))) == 1000

    def test_entries_below_the_threshold_stay(self) -> None:
        array = laplace(10_000)
        codec = Compressor(0.1, None, threshold=4.0)
        back = decompress(codec.compress(array))
        assert np.array_equal(back, np.where(np.abs(array) >= 4.0, array, 0))
        assert 0 < np.count_nonzero(back) < 1000

    def test_shares_round_and_small_tensors_send_one(self) -> None:
        for ratio, count, kept in ((0.01, 10, 1), (0.29, 100, 29), (0.0, 10, 0), (1.0, 3, 3)):
            back = decompress(Compressor(ratio, None).compress(np.arange(1.0, count + 1)))
            assert np.count_nonzero(back) == kept

    def test_what_a_server_adds_is_the_dense_tensor(self) -> None:
        message = Compressor(0.05, 4).compress(laplace(600).reshape(20, 30))
        (sparse,) = read(message).values()
        total = np.ones((20, 30), np.float32)
        sparse.add_to(total, 0.5)
        assert np.allclose(total, 1 + 0.5 * decompress(message))
        with pytest.raises(InputError, match="add_to"):
            sparse.add_to(np.ones((30, 20), np.float32))


class TestFeedback:
    @pytest.mark.parametrize("momentum", [0.0, 0.9])
    def test_follows_the_published_recursion(self, momentum: float) -> None:
        """Deep gradient compression, algorithm 1: u, v, the k largest of v, both masked."""
        codec = Compressor(0.1, None, momentum=momentum)
        velocity = np.zeros(500, np.float32)
        left = np.zeros(500, np.float32)
        for step in range(30):
            gradient = laplace(500, step)
            velocity = np.float32(momentum) * velocity + gradient
            left = left + velocity
            places = largest(left, 50)
            expected = np.zeros_like(left)
            expected[places] = left[places]
            left[places] = velocity[places] = 0
            # A product may be fused with a sum: the last bit can differ.
            sent = decompress(codec.compress(gradient))
            assert np.allclose(sent, expected, rtol=1e-4)
            assert np.allclose(codec.residual(), left, rtol=1e-4, atol=1e-5)

    def test_nothing_is_lost_over_many_messages(self) -> None:
        codec = Compressor(0.02, 4)
        gradients = [laplace(2000, seed).astype(np.float64) for seed in range(50)]
        sent = sum(decompress(codec.compress(gradient)) for gradient in gradients)
        assert np.allclose(sent + codec.residual(), sum(gradients), atol=1e-9)

    def test_without_it_nothing_is_remembered(self) -> None:
        codec = Compressor(0.01, error_feedback=False)
        first = codec.compress(laplace(1000))
        assert codec.compress(laplace(1000)) == first
        with pytest.raises(InputError, match="error_feedback"):
            codec.residual()

    def test_tensors_have_residuals_of_their_own(self) -> None:
        codec, one, two = Compressor(), Compressor(), Compressor()
        for step in range(5):
            assert codec.compress(laplace(900, step), "a") == one.compress(laplace(900, step))
            assert codec.compress(laplace(300, step), "b") == two.compress(laplace(300, step))
        codec.reset()
        assert codec.compress(laplace(10), "a") == Compressor().compress(laplace(10))

    @pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
    def test_what_is_not_finite_is_refused_before_anything_changes(self, wrong: float) -> None:
        codec = Compressor(momentum=0.5)
        codec.compress_tree({"a": laplace(900), "b": laplace(40).reshape(4, 10)})
        before = codec.state_dict()
        bad = laplace(40).reshape(4, 10)
        bad[2, 3] = wrong
        with pytest.raises(InputError, match=r"tensor 'b'\[2, 3\] = "):
            codec.compress_tree({"a": laplace(900), "b": bad})
        with pytest.raises(InputError, match=r"tensor 'c'\[2, 3\] = "):
            codec.compress(bad, "c")
        with pytest.raises(InputError, match=r"array\[2, 3\] = "):
            codec.compress(bad)
        after = codec.state_dict()
        assert list(after) == list(before)
        assert all(np.array_equal(after[key], before[key]) for key in before)

    @pytest.mark.parametrize("momentum", [0.0, 0.9])
    def test_sums_that_overflow_stay_at_the_largest_number(self, momentum: float) -> None:
        codec = Compressor(0.01, 8, momentum=momentum)
        for _ in range(5):
            message = codec.compress(np.full(1000, 3e38, np.float32))
            assert np.isfinite(decompress(message)).all()
            assert np.isfinite(codec.residual()).all()

    def test_half_precision_keeps_a_finer_residual(self) -> None:
        codec = Compressor(1.0, 3)
        sent = np.zeros(100)
        for _ in range(60):
            sent += decompress(codec.compress(np.full(100, 0.1, np.float16))).astype(float)
        assert codec.residual().dtype == np.float32
        assert np.allclose(sent, 60 * float(np.float16(0.1)), atol=1e-3)

    @pytest.mark.parametrize("settings", [{}, {"momentum": 0.9}, {"stochastic_rounding": True}])
    def test_a_saved_state_goes_on_with_the_same_bytes(self, settings: Any) -> None:
        codec = Compressor(0.05, 3, seed=4, **settings)
        tree = {"layers/0": laplace(900).reshape(30, 30), "bias": laplace(7, 2, np.float64)}
        codec.compress_tree(tree)
        file = io.BytesIO()
        np.savez(file, **codec.state_dict())
        file.seek(0)
        other = Compressor(0.05, 3, seed=4, **settings)
        with np.load(file) as saved:
            other.load_state_dict(saved)
        assert other.compress_tree(tree) == codec.compress_tree(tree)
        assert Compressor(0.05, 3, seed=4, **settings).compress_tree(tree) != codec.compress_tree(
            tree
        )

    @pytest.mark.parametrize(
        ("state", "match"),
        [
            ({"residual": np.zeros(3, np.float32)}, "kind/name"),
            ({"residue/a": np.zeros(3, np.float32)}, "kind/name"),
            ({"residual/a": np.array([np.nan], np.float32)}, "finite"),
            ({"residual/a": np.zeros(3, np.int64)}, "float32 or float64"),
            ({"messages/a": -1}, "whole number|>= 0"),
            ({"messages/a": 3}, "a residual with error_feedback"),
            ({"velocity/a": np.zeros(3, np.float32)}, "like its residual"),
            (
                {"residual/a": np.zeros(3, np.float32), "velocity/a": np.zeros(3, np.float32)},
                "only then",
            ),
        ],
    )
    def test_a_wrong_state_is_refused_and_the_old_one_stays(self, state: Any, match: str) -> None:
        codec = Compressor()
        codec.compress(laplace(100))
        before = codec.residual()
        with pytest.raises(InputError, match=match):
            codec.load_state_dict(state)
        assert np.array_equal(codec.residual(), before)


class TestTree:
    def test_names_shapes_and_types_travel(self) -> None:
        tree = {
            "model.layers.0.weight": laplace(600).reshape(20, 30),
            "model.layers.0.bias": laplace(30, 1, np.float16),
            "model.layers.1.weight": np.float64(2.5),
            "größe": np.zeros((0, 3), np.float32),
            "": np.zeros(5),
        }
        back = decompress_tree(Compressor(1.0, None).compress_tree(tree))
        assert list(back) == list(tree)
        for name, array in tree.items():
            assert np.array_equal(back[name], array)
            assert (back[name].shape, back[name].dtype) == (np.shape(array), array.dtype)
        assert decompress_tree(Compressor().compress_tree({})) == {}

    def test_each_tensor_may_have_its_own_rate(self) -> None:
        codec = Compressor({"a": 0.5, "b": 0.1, "c": 0.0}, {"a": 8, "b": None, "c": 2})
        tree = {name: laplace(1000, k) for k, name in enumerate("abc")}
        back = decompress_tree(codec.compress_tree(tree))
        assert [np.count_nonzero(back[name]) for name in "abc"] == [500, 100, 0]
        assert np.isin(back["b"], [0, *tree["b"]]).all()
        with pytest.raises(UnknownNameError, match="keep_ratio"):
            codec.compress(laplace(10), "d")

    def test_one_message_of_many_is_no_message_of_one(self) -> None:
        message = Compressor().compress_tree({"a": laplace(10), "b": laplace(10)})
        with pytest.raises(InputError, match="decompress_tree"):
            decompress(message)


class TestSettings:
    @pytest.mark.parametrize(
        ("settings", "match"),
        [
            ({"keep_ratio": 1.1}, "keep_ratio = 1.1"),
            ({"keep_ratio": -0.1}, "keep_ratio"),
            ({"keep_ratio": {"a": 2}}, r"keep_ratio\['a'\] = 2"),
            ({"bits": 1}, "bits = 1: expected 2 to 8"),
            ({"bits": 9}, "bits = 9"),
            ({"bits": {"a": 16}}, r"bits\['a'\] = 16"),
            ({"levels": "logarithmic"}, "did you mean 'log'"),
            ({"error_feedback": 1}, "True or False"),
            ({"momentum": 1.0}, "below 1"),
            ({"momentum": 0.9, "error_feedback": False}, "0 without error_feedback"),
            ({"threshold": -1}, "threshold"),
            ({"min_kept": 0.5}, "min_kept"),
            ({"seed": -1}, "seed"),
        ],
    )
    def test_wrong_settings_name_themselves(self, settings: Any, match: str) -> None:
        with pytest.raises(InputError, match=match):
            Compressor(**settings)

    def test_wrong_tensors_name_themselves(self) -> None:
        codec = Compressor()
        codec.compress(laplace(10), "a")
        with pytest.raises(InputError, match=r"tensor 'a'.shape = \(11,\)"):
            codec.compress(laplace(11), "a")
        with pytest.raises(InputError, match=r"tensor 'a'.dtype = 'float64'"):
            codec.compress(laplace(10).astype(np.float64), "a")
        for wrong in (np.arange(3), np.array([1j]), np.array(["x"])):
            with pytest.raises(InputError, match=r"array.dtype"):
                codec.compress(wrong)
        with pytest.raises(InputError, match="name"):
            codec.compress(laplace(3), "x" * 513)

    def test_the_seed_decides_what_is_drawn(self) -> None:
        def message(seed: int) -> bytes:
            codec = Compressor(1.0, 2, stochastic_rounding=True, seed=seed)
            return codec.compress(laplace(200))

        assert message(1) == message(1)
        assert message(1) != message(2)
        assert message(np.int64(1)) == message(1)  # type: ignore[arg-type]
