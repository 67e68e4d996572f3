"""The hook of DistributedDataParallel in two real processes, against PyTorch's own average."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from orbweave.formulations.checks import InputError

pytest.importorskip("torch", reason="needs PyTorch")
import torch
from torch import multiprocessing, nn

from orbweave.adapters.training.ddp_hook import TopKState

pytestmark = pytest.mark.framework


def ranks(folder: Path, task: str) -> list[dict[str, Any]]:
    """What the processes of a task found."""
    import ddp_runs

    multiprocessing.spawn(  # pyright: ignore[reportPrivateImportUsage]
        ddp_runs.process, args=(str(folder), task), nprocs=ddp_runs.RANKS
    )
    return [torch.load(folder / f"rank{rank}.pt") for rank in range(ddp_runs.RANKS)]


def test_nothing_is_lost_whatever_becomes_of_the_buckets(tmp_path: Path) -> None:
    """What was averaged and what is residual are together what the ranks had to send.

    Buckets are made anew after a step and at a restart; a NaN of one rank stops a bucket.
    """
    import ddp_runs

    found = ranks(tmp_path, "given_gradients")
    for name, applied in found[0]["applied"].items():
        assert torch.equal(applied, found[1]["applied"][name])
        asked = torch.zeros_like(applied, dtype=torch.float64)
        for rank in range(ddp_runs.RANKS):
            for step in range(ddp_runs.STEPS):
                if (rank, step, name) != (1, 5, "c"):
                    asked += ddp_runs.gradients(rank, step)[name]
        told = ddp_runs.RANKS * applied.double() + sum(each["residual"][name] for each in found)
        close = torch.isclose(told, asked, atol=1e-4)
        if name == "c":
            assert close.all()
        else:  # the bucket with the NaN may hold the whole of another parameter of rank 1
            lost = asked - ddp_runs.gradients(1, 5)[name]
            assert close.all() or torch.isclose(told, lost, atol=1e-4).all()
    for each in found:
        assert each["bad"] == [step == 5 for step in range(ddp_runs.STEPS)]
        assert each["sent"] == each["handed"]
        # 5 % of the entries at some nine bits each, and what is constant for each small bucket
        assert each["dense"] == ddp_runs.STEPS * 4 * 2350
        assert 0.02 * each["dense"] < each["sent"] < 0.1 * each["dense"]


def test_with_everything_sent_it_is_the_dense_average(tmp_path: Path) -> None:
    found = ranks(tmp_path, "dense_and_exact")
    for dtype in (torch.float32, torch.float64, torch.float16, torch.bfloat16):
        eps = torch.finfo(dtype).eps
        for own, other in zip(found[0][f"{dtype} all"], found[1][f"{dtype} all"], strict=True):
            assert all(map(torch.equal, own, other))
        for step in range(3):
            dense, every, warm = (found[0][f"{dtype} {k}"][step] for k in ("dense", "all", "warm"))
            for a, b in zip(dense, every, strict=True):
                assert torch.allclose(a, b, rtol=4 * eps, atol=8 * eps)
            same = [torch.allclose(a, b, rtol=0, atol=0) for a, b in zip(dense, warm, strict=True)]
            assert all(same) == (step < 2)


def test_replicas_stay_equal_and_learn_as_without_it(tmp_path: Path) -> None:
    found = ranks(tmp_path, "training")
    assert all(map(torch.equal, found[0]["topk"], found[1]["topk"]))
    assert not all(map(torch.equal, found[0]["topk"], found[0]["dense"]))
    assert found[0]["topk loss"] < 0.12
    assert abs(found[0]["topk loss"] - found[0]["dense loss"]) < 0.02


class TestState:
    def test_checks_what_it_is_given(self) -> None:
        model = nn.Linear(3, 2)
        with pytest.raises(InputError, match="keep_ratio"):
            TopKState(model, 2.0)
        mapping: Any = {"weight": 0.1}
        with pytest.raises(InputError, match="one number"):
            TopKState(model, mapping)
        with pytest.raises(InputError, match="warm_up_steps"):
            TopKState(model, warm_up_steps=-1)
        state = TopKState(model)
        saved = state.state_dict()
        state.load_state_dict(saved)
        with pytest.raises(InputError, match="steps"):
            state.load_state_dict({})
        with pytest.raises(InputError, match="'weight'"):
            state.load_state_dict(saved | {"residual/weigth": torch.zeros(2, 3)})
        with pytest.raises(InputError, match="shape"):
            state.load_state_dict(saved | {"residual/weight": torch.zeros(3, 2)})
