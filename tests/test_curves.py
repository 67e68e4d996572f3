"""Error curves against sorting, a plain NumPy quantiser, the real codec and brute force."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import ConvexHull

from orbweave.formulations.checks import InputError
from orbweave.formulations.compression.codec import Compressor, decompress
from orbweave.formulations.compression.curves import (
    ErrorCurve,
    curves_from_json,
    curves_to_json,
)
from orbweave.formulations.compression.measure import curve_of, curves_of
from orbweave.formulations.compression.sizes import index_bits, message_bytes, rice_parameter

ALL = settings(deadline=None, derandomize=True, max_examples=60)


def tensors() -> dict[str, Any]:
    """Tails from light to heavy, dense and sparse."""
    rng = np.random.default_rng(3)
    return {
        "laplace": rng.laplace(size=100_000).astype(np.float32),
        "student": rng.standard_t(3, size=100_000).astype(np.float32),
        "normal": rng.normal(size=(40, 50)).astype(np.float32),
        "sparse": (rng.laplace(size=100_000) * (rng.random(100_000) < 0.03)).astype(np.float32),
    }


def residual(tensor: Any, kept: int, bits: int, levels: str) -> float:
    """Top-k by a full sort, magnitudes replaced by the means of cells; NumPy alone.

    The lowest of the logarithmic cells begins at the smallest kept, or any octave above it.
    """
    size = np.sort(np.abs(np.asarray(tensor, dtype=np.float64).ravel()))[::-1]
    lost = float((size[kept:] ** 2).sum())
    if bits == 32:
        return lost
    sent, cells = size[:kept], 2 ** (bits - 1)
    low, high = sent[-1], sent[0]

    def noise(edges: Any) -> float:
        cell = np.digitize(sent, edges)
        mean = np.bincount(cell, sent, cells) / np.maximum(np.bincount(cell, minlength=cells), 1)
        return float(((sent - mean[cell]) ** 2).sum())

    inner = np.arange(1, cells) / cells
    if levels == "linear":
        return lost + noise(low + (high - low) * inner)
    floors = [low]
    while 2 * floors[-1] < high:
        floors.append(2 * floors[-1])
    return lost + min(noise(floor * (high / floor) ** inner) for floor in floors)


# -- sizes --------------------------------------------------------------------------------------
def test_rice_parameter_is_the_best_of_all() -> None:
    density = np.concatenate([np.geomspace(1e-7, 0.999, 400), [1.0]])
    every = np.arange(40)
    with np.errstate(divide="ignore"):
        cost = every + 1 / (1 - (1 - density[:, None]) ** (2.0**every))
    np.testing.assert_allclose(index_bits(density), cost.min(axis=1), rtol=1e-9)
    best = np.take_along_axis(cost, rice_parameter(density)[:, None], axis=1)[:, 0]
    np.testing.assert_allclose(best, cost.min(axis=1), rtol=1e-9)


def test_index_bits_at_one_per_cent_as_published() -> None:
    assert float(index_bits(0.01)) == pytest.approx(8.108, abs=5e-4)
    entropy = -(0.01 * np.log2(0.01) + 0.99 * np.log2(0.99)) / 0.01
    assert entropy == pytest.approx(8.079, abs=5e-4)
    assert float(index_bits(0.01)) > entropy


def test_index_bits_are_those_of_coded_gaps() -> None:
    rng = np.random.default_rng(5)
    for density in (0.003, 0.02, 0.2, 0.7):
        places = np.flatnonzero(rng.random(400_000) < density)
        gap = np.diff(places, prepend=-1) - 1
        b = int(rice_parameter(density))
        spent = (gap >> b) + 1 + b
        assert float(index_bits(density)) == pytest.approx(spent.mean(), rel=0.02)


@pytest.mark.parametrize("bits", [2, 5, 8])
@pytest.mark.parametrize("ratio", [0.001, 0.01, 0.1])
def test_the_codec_makes_messages_of_that_size(bits: int, ratio: float) -> None:
    tensor = tensors()["laplace"]
    message = Compressor(ratio, bits, error_feedback=False).compress(tensor)
    kept = round(ratio * tensor.size)
    expected = float(message_bytes(tensor.size, kept, bits))
    assert len(message) == pytest.approx(expected, rel=0.01, abs=12)


def test_no_entries_are_no_message() -> None:
    np.testing.assert_array_equal(message_bytes(10, [0, 10], 8, header_bytes=5), [0, 5 + 11.25])


# -- errors -------------------------------------------------------------------------------------
@pytest.mark.parametrize("levels", ["log", "linear"])
@pytest.mark.parametrize("name", list(tensors()))
def test_errors_are_those_of_sorted_and_quantised_entries(name: str, levels: str) -> None:
    tensor = tensors()[name]
    curve = curve_of(tensor, bits=(2, 3, 4, 6, 8, 32), levels=levels)
    assert curve.energy == pytest.approx(float((tensor.astype(np.float64) ** 2).sum()), rel=1e-12)
    for b, bits in enumerate(curve.bits.tolist()):
        for r in range(0, len(curve.kept), 9):
            expected = residual(tensor, int(curve.kept[r]), bits, levels)
            assert curve.error[b, r] == pytest.approx(expected, rel=0.02, abs=3e-4 * curve.energy)


@pytest.mark.parametrize("bits", [3, 4, 6, 8])
@pytest.mark.parametrize("name", ["laplace", "student", "normal"])
def test_the_codec_leaves_that_error(name: str, bits: int) -> None:
    tensor = tensors()[name]
    curve = curve_of(tensor)
    for ratio in (0.005, 0.02, 0.1):
        kept = round(ratio * tensor.size)
        message = Compressor(ratio, bits, error_feedback=False).compress(tensor)
        left = tensor.astype(np.float64) - decompress(message)
        assert curve.at(kept, bits).error == pytest.approx(float((left**2).sum()), rel=0.015)


def test_between_grid_points_the_error_is_no_less_than_the_true_one() -> None:
    tensor = tensors()["laplace"]
    curve = curve_of(tensor, bits=(32,), keep_ratios=np.geomspace(1e-3, 1, 13))
    for kept in range(130, 90_000, 4_001):
        true = residual(tensor, kept, 32, "log")
        found = curve.at(kept, 32)
        assert found.error >= true * (1 - 1e-3)
        exact = float(message_bytes(tensor.size, kept, 32))
        assert found.size_bytes == pytest.approx(exact, rel=0.01)


def test_bytes_between_points_of_the_usual_grid_are_exact_to_four_thousandths() -> None:
    curve = curve_of(tensors()["laplace"], bits=(4,))
    for kept in range(1_001, 90_000, 777):
        exact = float(message_bytes(curve.elements, kept, 4))
        assert curve.at(kept, 4).size_bytes == pytest.approx(exact, rel=4e-3)


def test_no_more_entries_than_are_not_zero() -> None:
    tensor = tensors()["sparse"]
    assert curve_of(tensor).kept[-1] == np.count_nonzero(tensor)


def test_equal_magnitudes_and_zeros_cost_what_they_must() -> None:
    equal = curve_of(np.where(np.arange(500) % 2, 0.3, -0.3).astype(np.float32))
    np.testing.assert_allclose(equal.error[0] / equal.energy, 1 - equal.keep_ratio, atol=1e-5)
    nothing = curve_of(np.zeros(7))
    assert nothing.energy == 0.0
    assert not nothing.error.any()
    assert nothing.hull.size_bytes.tolist() == [0.0]
    one = curve_of(np.array([-2.0], dtype=np.float32))
    assert one.energy == 4.0
    assert not one.error.any()


@pytest.mark.parametrize("power", [-60, -7, 1, 40])
def test_a_power_of_two_scales_the_error_by_its_square_exactly(power: int) -> None:
    tensor = tensors()["normal"]
    plain, scaled = curve_of(tensor), curve_of(np.ldexp(tensor, power))
    np.testing.assert_array_equal(scaled.error, np.ldexp(plain.error, 2 * power))


@ALL
@given(st.floats(1e-3, 1e3))
def test_any_factor_scales_the_error_by_its_square(factor: float) -> None:
    tensor = tensors()["normal"].astype(np.float64)
    plain, scaled = curve_of(tensor), curve_of(tensor * factor)
    assert scaled.energy == pytest.approx(factor**2 * plain.energy, rel=1e-6)
    np.testing.assert_allclose(
        scaled.error / scaled.energy, plain.error / plain.energy, rtol=0.03, atol=2e-4
    )


def test_order_shape_and_sign_do_not_matter() -> None:
    tensor = tensors()["normal"]
    turned = -np.random.default_rng(1).permutation(tensor.ravel()).reshape(50, 40)
    np.testing.assert_allclose(curve_of(turned).error, curve_of(tensor).error, rtol=1e-9)


@pytest.mark.parametrize("dtype", [np.float16, np.float64])
def test_other_dtypes(dtype: Any) -> None:
    tensor = tensors()["normal"].astype(dtype)
    curve = curve_of(tensor)
    np.testing.assert_allclose(curve.error, curve_of(tensor.astype(np.float32)).error, rtol=0.02)
    assert curve.dense_bytes == tensor.nbytes


def test_float64_beyond_float32() -> None:
    tensor = tensors()["normal"].astype(np.float64)
    for factor in (2.0**-400, 2.0**400):
        curve = curve_of(tensor * factor)
        np.testing.assert_allclose(curve.error / factor, curve_of(tensor).error * factor)


# -- hulls and settings -------------------------------------------------------------------------
@st.composite
def tables(draw: st.DrawFn) -> ErrorCurve:
    """A small curve of any decreasing errors and rising bytes."""
    kept = sorted(draw(st.sets(st.integers(1, 40), min_size=1, max_size=5)))
    bits = sorted(draw(st.sets(st.integers(2, 8), min_size=1, max_size=3)))
    size, error = [], []
    for _ in bits:
        steps = draw(st.lists(st.integers(1, 9), min_size=len(kept), max_size=len(kept)))
        falls = draw(st.lists(st.integers(0, 30), min_size=len(kept), max_size=len(kept)))
        size.append(np.cumsum(steps).astype(float))
        error.append(np.maximum(100.0 - np.cumsum(falls), 0.0))
    return ErrorCurve(40, 100.0, np.array(kept), np.array(bits), np.array(size), np.array(error))


@ALL
@given(tables())
def test_hulls_are_the_lower_side_of_scipy_s(curve: ErrorCurve) -> None:
    size = np.concatenate([[0.0], curve.size_bytes.ravel()])
    error = np.concatenate([[curve.energy], curve.error.ravel()])
    found = curve.hull
    assert found.size_bytes[0] == 0.0
    assert found.error[-1] == error.min()
    slope = np.diff(found.error) / np.diff(found.size_bytes)
    assert (slope < 0).all()
    assert (np.diff(slope) > 0).all()
    points = {(x, y) for x, y in zip(size.tolist(), error.tolist(), strict=True)}
    assert set(zip(found.size_bytes.tolist(), found.error.tolist(), strict=True)) <= points
    # Far points up and to the right close the region above; its corners are what is left.
    far = [(1e3, error.min()), (0.0, 1e3), (1e3, 1e3)]
    cloud = np.array([*points, *far])
    corners = {tuple(cloud[k]) for k in ConvexHull(cloud).vertices} - set(far)
    ours = set(zip(found.size_bytes.tolist(), found.error.tolist(), strict=True))
    assert ours == {tuple(map(float, corner)) for corner in corners}


@ALL
@given(tables(), st.floats(0, 50))
def test_best_within_is_the_best_of_every_setting(curve: ErrorCurve, room: float) -> None:
    found = curve.best_within(room)
    assert found.size_bytes <= room
    every = [
        curve.at(kept, bits)
        for bits in curve.bits.tolist()
        for kept in range(int(curve.kept[0]), int(curve.kept[-1]) + 1)
    ]
    fits = [row.error for row in every if row.size_bytes <= room]
    assert found.error == min([curve.energy, *fits])


@ALL
@given(tables())
def test_no_setting_lies_below_the_hull(curve: ErrorCurve) -> None:
    hull = curve.hull
    for bits in curve.bits.tolist():
        for kept in range(int(curve.kept[0]), int(curve.kept[-1]) + 1):
            row = curve.at(kept, bits)
            assert row.error >= np.interp(row.size_bytes, *hull) - 1e-9


# -- keeping and bad input ----------------------------------------------------------------------
def test_json_round_trip_by_layer_and_by_node() -> None:
    trees: list[dict[str, Any]] = [
        curves_of({"a": np.ones(3), "b": np.arange(5.0)}),
        curves_of({"n": {"curve": np.ones(3)}, "m": {"a": np.arange(5.0)}}, bits=(4, 32)),
    ]
    for tree in trees:
        text = curves_to_json(tree)
        again = curves_from_json(text)
        assert curves_to_json(again) == text
        assert json.loads(text).keys() == again.keys() == tree.keys()
    first, again = trees[0]["b"], curves_from_json(curves_to_json(trees[0]))["b"]
    np.testing.assert_array_equal(first.error, again.error)
    assert first.at(3, 8) == again.at(3, 8)


@pytest.mark.parametrize(
    ("tensor", "options", "told"),
    [
        (np.array([1.0, np.nan, np.inf]), {"name": "conv1"}, "conv1 entries.* = 2: expected none"),
        (np.array([]), {}, "at least one"),
        (np.arange(4), {}, "floats"),
        (np.ones(4), {"bits": (9,)}, "bits = 9"),
        (np.ones(4), {"bits": ()}, "bits"),
        (np.ones(4), {"keep_ratios": [0.0]}, r"\(0, 1\]"),
        (np.ones(4), {"levels": "logs"}, "did you mean 'log'"),
        (np.full(4, 1e200), {}, "sum of squares below"),
    ],
)
def test_bad_tensors(tensor: Any, options: dict[str, Any], told: str) -> None:
    with pytest.raises(InputError, match=told):
        curve_of(tensor, **options)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"elements": 0}, "elements"),
        ({"energy": -1.0}, "energy"),
        ({"kept": [2, 1]}, "kept"),
        ({"kept": [1, 5]}, "at most 4"),
        ({"bits": [[2]]}, "bits"),
        ({"error": [[1.0]]}, r"\(1, 2\)"),
        ({"error": [[1.0, -1.0]]}, "-1.0"),
        ({"size_bytes": [[2.0, 2.0]]}, "more bytes for more"),
        ({"dense_bytes": 0}, "dense_bytes"),
        ({"keptt": 1}, "did you mean 'kept'"),
    ],
)
def test_bad_curves(change: dict[str, Any], told: str) -> None:
    good = {
        "elements": 4,
        "energy": 4.0,
        "kept": [1, 4],
        "bits": [8],
        "size_bytes": [[2.0, 5.0]],
        "error": [[2.0, 0.0]],
    }
    assert ErrorCurve.from_dict(good).at(4, 8).error == 0.0
    with pytest.raises(InputError, match=told):
        ErrorCurve.from_dict(good | change)


def test_settings_outside_the_grid() -> None:
    curve = curve_of(np.arange(1.0, 9.0), bits=(4,), keep_ratios=[0.25, 1.0])
    assert curve.at(0, 4).error == curve.energy
    with pytest.raises(InputError, match="from 2 to 8"):
        curve.at(1, 4)
    with pytest.raises(InputError, match=r"one of \[4\]"):
        curve.at(2, 5)


@pytest.mark.parametrize("text", ["", "[1]", '{"a": 3}', '{"a": {"curve": {"kept": [1]}}}'])
def test_bad_json(text: str) -> None:
    with pytest.raises(InputError):
        curves_from_json(text)
