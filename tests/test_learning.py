"""Compressed training on real pictures keeps its accuracy; the simulation does what it says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="scikit-learn, whose digits are learnt, is not installed")

from bench_learning import ROADS
from learning import History, Setting, train
from learning_data import SATELLITES, digits, fresh_weights, gradient, judged, shares

CONTACTS = 400
SEEDS = (0, 1)
DENSE, FEEDBACK, FORGETFUL, UNIFORM, PLANNED, LATE_DENSE, LATE = range(len(ROADS))


@pytest.fixture(scope="module")
def found() -> dict[int, list[History]]:
    """Each road for two seeds: 19,000 parameters, labels unevenly spread."""
    threads = pytest.importorskip("threadpoolctl")  # comes with scikit-learn
    data = digits(widths=(256,))
    settings = [Setting(data, 0.3, seed, CONTACTS, rate=0.15, batch=20) for seed in SEEDS]
    with threads.threadpool_limits(1):  # products so small are slower on several threads
        return {k: [train(part, road) for part in settings] for k, road in enumerate(ROADS)}


def size(history: History) -> int:
    return history.sent_bytes + history.received_bytes


def mean(histories: list[History]) -> tuple[float, float]:
    accuracy, loss = np.mean([part.at(CONTACTS, 3) for part in histories], axis=0)
    return float(accuracy), float(loss)


def test_feedback_learns_more_from_the_same_bytes(found: dict[int, list[History]]) -> None:
    for own, other in zip(found[FEEDBACK], found[FORGETFUL], strict=True):
        assert size(own) == pytest.approx(size(other), rel=0.01)
        assert own.at(CONTACTS, 3)[1] < 0.8 * other.at(CONTACTS, 3)[1]
    assert mean(found[FEEDBACK])[0] > mean(found[FORGETFUL])[0] + 0.3


@pytest.mark.parametrize(
    ("road", "dense"), [(FEEDBACK, DENSE), (PLANNED, DENSE), (LATE, LATE_DENSE)]
)
def test_ninety_times_fewer_bytes_cost_little(
    found: dict[int, list[History]], road: int, dense: int
) -> None:
    # So small a network pays a little for headers: the benchmark's has fifty times its parameters.
    for own, other in zip(found[road], found[dense], strict=True):
        assert size(own) < size(other) / 90
    assert mean(found[dense])[0] > 95
    assert mean(found[road])[0] > mean(found[dense])[0] - 2


def test_planned_rates_learn_more_from_no_more_bytes(found: dict[int, list[History]]) -> None:
    for own, other in zip(found[PLANNED], found[UNIFORM], strict=True):
        assert size(own) <= size(other)
        assert own.at(CONTACTS, 3)[1] < other.at(CONTACTS, 3)[1]
        assert own.at(CONTACTS // 4, 3)[0] > other.at(CONTACTS // 4, 3)[0]


def test_late_updates_are_as_late_as_said(found: dict[int, list[History]]) -> None:
    assert all(part.staleness == 0 for part in found[DENSE])
    for part in found[LATE]:
        assert 3 < part.staleness < 4.2


def test_dense_messages_are_counted_whole(found: dict[int, list[History]]) -> None:
    weights = fresh_weights(digits(widths=(256,)), 0)
    numbers = sum(array.nbytes for array in weights.values())
    for part in found[DENSE]:
        assert numbers < part.sent_bytes / CONTACTS < numbers + 200
        assert part.received_bytes == part.sent_bytes


def test_the_gradient_is_that_of_the_loss() -> None:
    data, rng = digits(widths=(7, 5)), np.random.default_rng(0)
    x, y = data.x[:40].astype(float), data.y[:40]
    # Biases that are not zero: nothing sits on the bend of a ReLU.
    weights: dict[str, Any] = {
        name: array + rng.normal(0.0, 0.1, array.shape)
        for name, array in fresh_weights(data, 3).items()
    }
    slopes = gradient(weights, x, y)

    def loss(name: str, moved: Any) -> float:
        return judged({**weights, name: weights[name] + moved}, x, y)[1]

    for name, array in weights.items():
        way = 1e-6 * rng.standard_normal(array.shape)
        rise = (loss(name, way) - loss(name, -way)) / 2
        assert rise == pytest.approx(float((slopes[name] * way).sum()), rel=1e-4, abs=1e-14)


@pytest.mark.parametrize("alpha", [None, 0.3])
def test_every_sample_has_one_owner_and_nobody_has_none(alpha: float | None) -> None:
    y = digits().y
    parts = shares(y, alpha, 0)
    assert len(parts) == SATELLITES
    assert np.sort(np.concatenate(parts)).tolist() == list(range(len(y)))
    assert min(len(part) for part in parts) > 0
    counts = np.array([np.bincount(y[part], minlength=10) for part in parts])
    largest = float((counts.max(axis=1) / counts.sum(axis=1)).mean())
    assert (largest < 0.2) if alpha is None else (largest > 0.3)
