"""The compressor for PyTorch tensors against the NumPy one, on both of its roads."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orbweave.formulations.checks import InputError
from orbweave.formulations.compression.codec import Compressor, decompress
from orbweave.formulations.compression.cursor import WireError

pytest.importorskip("torch", reason="needs PyTorch")
import torch

from orbweave.adapters.training import torch_tensors
from orbweave.adapters.training.torch_select import cut, top_k
from orbweave.adapters.training.torch_tensors import (
    TorchCompressor,
    decompress_tensor,
    decompress_tensors,
)

pytestmark = pytest.mark.framework

DTYPES = [torch.float16, torch.float32, torch.float64]
SCHEMES: list[dict[str, Any]] = [
    {},
    {"keep_ratio": 0.05, "bits": 4, "levels": "linear"},
    {"keep_ratio": 1.0, "bits": None},
    {"keep_ratio": 0.0},
    {"keep_ratio": 0.2, "bits": 2, "stochastic_rounding": True, "seed": 3},
    {"keep_ratio": 0.1, "error_feedback": False},
    # Half of a number is exact: fused or not, the sum is rounded once.
    {"keep_ratio": 0.1, "momentum": 0.5},
    {"keep_ratio": 0.5, "threshold": 1.5},
]


@pytest.fixture(params=["host", "device"])
def road(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both roads; that of devices runs on the host's memory."""
    if request.param == "device":
        monkeypatch.setattr(torch_tensors, "is_on_host", lambda tensor: False)
    return str(request.param)


@pytest.fixture
def device_road(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patch:
        patch.setattr(torch_tensors, "is_on_host", lambda tensor: False)
        yield


def laplace(*shape: int, seed: int = 0, dtype: Any = torch.float32) -> Any:
    values = np.random.default_rng(seed).laplace(size=shape)
    return torch.from_numpy(np.asarray(values)).to(dtype)


class TestMessages:
    @pytest.mark.parametrize("dtype", DTYPES, ids=str)
    @pytest.mark.parametrize("scheme", SCHEMES, ids=str)
    def test_are_those_of_the_numpy_codec(self, road: str, scheme: Any, dtype: Any) -> None:
        ours, theirs = TorchCompressor(**scheme), Compressor(**scheme)
        for step in range(3):
            tensor = laplace(250, 160, seed=step, dtype=dtype)
            message = ours.compress(tensor)
            assert message == theirs.compress(tensor.numpy())
            unpacked = decompress_tensor(message)
            assert unpacked.dtype == dtype
            assert np.array_equal(unpacked.numpy(), decompress(message))
            if theirs.scheme.error_feedback:
                assert np.array_equal(ours.residual().numpy(), theirs.residual())

    @pytest.mark.parametrize("shape", [(), (0,), (1,), (3, 0, 2), (2, 3)])
    def test_of_odd_shapes(self, road: str, shape: tuple[int, ...]) -> None:
        tensor = laplace(*shape)
        message = TorchCompressor(0.5, None).compress(tensor)
        assert message == Compressor(0.5, None).compress(tensor.numpy())
        assert decompress_tensor(message).shape == shape

    def test_of_a_tree_and_of_views(self, road: str) -> None:
        tensors = {"a.weight": laplace(30, 40).t(), "a.bias": laplace(40, seed=1)[::2]}
        ratio = {"a.weight": 0.1, "a.bias": 0.5}
        message = TorchCompressor(ratio).compress_tree(tensors)
        arrays = {name: tensor.numpy() for name, tensor in tensors.items()}
        assert message == Compressor(ratio).compress_tree(arrays)
        unpacked = decompress_tensors(message)
        assert {name: t.shape for name, t in unpacked.items()} == {
            name: t.shape for name, t in tensors.items()
        }

    def test_of_bfloat16_are_those_of_float32(self, road: str) -> None:
        tensor = laplace(50, 60, dtype=torch.bfloat16)
        codec = TorchCompressor(0.1)
        message = codec.compress(tensor)
        assert message == Compressor(0.1).compress(tensor.float().numpy())
        unpacked = decompress_tensor(message, dtype=torch.bfloat16)
        assert unpacked.dtype == torch.bfloat16
        assert torch.equal(unpacked, torch.from_numpy(decompress(message)).to(torch.bfloat16))
        assert codec.residual().dtype == torch.float32

    def test_hold_sums_beyond_the_largest_number(self, road: str) -> None:
        tensor = torch.tensor([3e38, -3e38, 1.0, 2.0])
        ours, theirs = TorchCompressor(0.25), Compressor(0.25)
        for _ in range(4):
            assert ours.compress(tensor) == theirs.compress(tensor.numpy())
            assert np.array_equal(ours.residual().numpy(), theirs.residual())

    def test_with_momentum_agree_to_rounding(self, device_road: None) -> None:
        ours, theirs = TorchCompressor(0.1, None, momentum=0.9), Compressor(0.1, None, momentum=0.9)
        for step in range(5):
            tensor = laplace(40_000, seed=step)
            ours.compress(tensor)
            theirs.compress(tensor.numpy())
        apart = np.flatnonzero(~np.isclose(ours.residual().numpy(), theirs.residual(), atol=1e-5))
        assert len(apart) <= 4  # an entry at the limit may go now or later


class TestOnTheHost:
    def test_memory_is_shared_and_never_changed(self) -> None:
        tensor = laplace(1000).requires_grad_()
        array = tensor.detach().numpy()
        before = array.copy()
        shared: list[bool] = []

        class Watching(TorchCompressor):
            def _checked(self, name: str, tensor: Any) -> Any:
                values = super()._checked(name, tensor)
                shared.append(np.shares_memory(values, array))
                return values

        Watching().compress(tensor)
        assert shared == [True]
        assert np.array_equal(array, before)

    def test_a_tensor_may_move_between_host_and_device(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ours, theirs = TorchCompressor(0.05, 4), Compressor(0.05, 4)
        for step in range(6):
            tensor = laplace(2000, seed=step)
            with monkeypatch.context() as patch:
                if step % 3:
                    patch.setattr(torch_tensors, "is_on_host", lambda tensor: False)
                assert ours.compress(tensor) == theirs.compress(tensor.numpy())


class TestState:
    def test_goes_on_where_it_was_saved(self, road: str) -> None:
        first = TorchCompressor(0.1, 4, momentum=0.5)
        first.compress_tree({"a": laplace(100), "b": laplace(7, 9, dtype=torch.float64)})
        file = io.BytesIO()
        torch.save(first.state_dict(), file)
        file.seek(0)
        second = TorchCompressor(0.1, 4, momentum=0.5)
        second.load_state_dict(torch.load(file))
        arrays = Compressor(0.1, 4, momentum=0.5)
        arrays.load_state_dict({key: np.asarray(v) for key, v in first.state_dict().items()})
        after = {"a": laplace(100, seed=5), "b": laplace(7, 9, seed=6, dtype=torch.float64)}
        message = first.compress_tree(after)
        assert second.compress_tree(after) == message
        assert arrays.compress_tree({name: t.numpy() for name, t in after.items()}) == message

    def test_saved_is_a_copy(self, road: str) -> None:
        codec = TorchCompressor(0.1)
        codec.compress(laplace(100))
        saved = codec.state_dict()["residual/"]
        before = saved.clone()
        codec.residual().zero_()
        codec.compress(laplace(100, seed=1))
        assert torch.equal(saved, before)

    def test_reset_forgets(self, road: str) -> None:
        codec = TorchCompressor(0.1)
        message = codec.compress(laplace(100))
        assert codec.compress(laplace(100)) != message
        codec.reset()
        assert codec.compress(laplace(100)) == message


class TestErrors:
    @pytest.mark.parametrize(
        ("tensor", "words"),
        [
            (np.zeros(3), "torch.Tensor"),
            (torch.zeros(3, dtype=torch.int32), "bfloat16"),
            (torch.zeros(3).to_sparse(), "strided"),
            (torch.tensor([[1.0, 2.0], [torch.nan, 0.0]]), r"\[1, 0\] = nan"),
            (torch.tensor([1.0, -torch.inf]), r"\[1\] = -inf"),
            (torch.zeros((1,) * 33), "ndim = 33"),
        ],
    )
    def test_name_the_tensor(self, road: str, tensor: Any, words: str) -> None:
        with pytest.raises(InputError, match=words):
            TorchCompressor().compress(tensor, "layer")

    def test_change_nothing(self, road: str) -> None:
        codec = TorchCompressor(0.1)
        codec.compress_tree({"a": laplace(50), "b": laplace(50)})
        before = codec.state_dict()
        for bad in (torch.full((50,), torch.nan), laplace(51), laplace(50, dtype=torch.float64)):
            with pytest.raises(InputError, match="'b'"):
                codec.compress_tree({"a": laplace(50), "b": bad})
        after = codec.state_dict()
        assert before.keys() == after.keys()
        for key, value in before.items():
            assert torch.equal(torch.as_tensor(value), torch.as_tensor(after[key]))

    def test_names_that_do_not_fit(self, road: str) -> None:
        with pytest.raises(InputError, match="512 bytes"):
            TorchCompressor().compress(laplace(3), "x" * 513)
        with pytest.raises(InputError, match="'layer'"):
            TorchCompressor({"other": 0.1}).compress(laplace(3), "layer")

    def test_hostile_messages(self) -> None:
        message = TorchCompressor(0.1).compress(laplace(100))
        with pytest.raises(WireError):
            decompress_tensor(message[:-1])
        with pytest.raises(WireError):
            decompress_tensor(message, max_elements=99)
        two = TorchCompressor(0.1).compress_tree({"a": laplace(3), "b": laplace(3)})
        with pytest.raises(WireError, match="decompress_tensors"):
            decompress_tensor(two)


def largest(values: Any, kept: int) -> Any:
    """Oracle: a full sort, ties to the lowest index, no zeros unless all are kept."""
    order = np.lexsort((np.arange(len(values)), -np.abs(values)))[:kept]
    if kept < len(values):
        order = order[values[order] != 0]
    return np.sort(order)


class TestSelection:
    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
    @pytest.mark.parametrize("kind", ["plain", "ties", "constant", "sparse", "sorted", "tiny"])
    @pytest.mark.parametrize("count", [1, 300, 70_003])
    def test_equals_a_full_sort(self, count: int, kind: str, dtype: Any) -> None:
        values = laplace(count, seed=count, dtype=dtype)
        if kind == "ties":
            values = values.round()
        elif kind == "constant":
            values[:] = -3.0
        elif kind == "sparse":
            values[torch.from_numpy(np.random.default_rng(1).random(count) < 0.999)] = 0.0
        elif kind == "sorted":
            values = values.abs().sort().values
        elif kind == "tiny":
            values = values * 100 * float(np.finfo(values.numpy().dtype).smallest_subnormal)
        for kept in sorted({0, 1, count // 100, count // 10, count // 2, count - 1, count}):
            places, found = top_k(values, kept)
            assert np.array_equal(places.numpy(), largest(values.numpy(), kept))
            assert torch.equal(found, values[places])

    def test_a_sample_that_misleads_costs_time_only(self) -> None:
        from orbweave.formulations.compression.select_kernel import sample_places

        count = 1 << 17
        seen = torch.from_numpy(sample_places(count, 1 << 13))
        for sign in (1.0, -1.0):  # the sampled ones are much larger than the rest, or smaller
            values = laplace(count) + (50.0 if sign < 0 else 0.0)
            values[seen] += 100.0 if sign > 0 else -50.0
            for kept in (1 << 10, 1 << 14):
                places, _ = top_k(values, kept)
                assert np.array_equal(places.numpy(), largest(values.numpy(), kept))

    @settings(deadline=None, derandomize=True, max_examples=60)
    @given(
        st.lists(st.floats(width=32, allow_nan=False), min_size=1, max_size=50),
        st.integers(1, 50),
    )
    def test_cut_keeps_the_largest(self, numbers: list[float], kept: int) -> None:
        values = torch.tensor(numbers, dtype=torch.float32).abs()
        array = values.numpy()
        wanted = largest(array, kept)
        wanted = wanted[array[wanted] != 0]
        assert np.array_equal(cut(values, kept).numpy(), wanted)
