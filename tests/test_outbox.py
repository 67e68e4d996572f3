"""Senders and servers together: networks that lose and repeat messages, and known optima."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from array_states import close, kept, same
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from orbweave.formulations.checks import InputError
from orbweave.formulations.compression.aggregation import FedAsync, FedAvg, FedBuff, Server
from orbweave.formulations.compression.outbox import Outbox, Parcel
from orbweave.formulations.compression.staleness import Constant
from orbweave.formulations.compression.updates import WHOLE, Outcome, Receipt, Update

Floats = NDArray[np.float64]


# -- the sender's side ----------------------------------------------------------------------------
def largest(count: int) -> Callable[[Floats], tuple[bytes, Floats]]:
    """A compressor that keeps the largest entries exactly."""

    def compress(array: Floats) -> tuple[bytes, Floats]:
        content = np.zeros_like(array)
        places = np.argsort(-np.abs(array), kind="stable")[:count]
        content[places] = array[places]
        return content.tobytes(), content

    return compress


def everything(array: Floats) -> tuple[bytes, Floats]:
    return array.tobytes(), array


def wrong_content(content: Floats, array: Floats) -> tuple[bytes, Floats]:
    return array.tobytes(), content


def test_lost_content_comes_again() -> None:
    box = Outbox("a", largest(1))
    first = box.send(np.array([5.0, 1.0, 0.0]), base_version=3)
    assert np.frombuffer(first.message).tolist() == [5, 0, 0]
    assert box.residual.tolist() == [0, 1, 0]
    box.lost(first.sequence)
    box.lost(first.sequence)
    assert box.residual.tolist() == [5, 1, 0]
    second = box.send(np.array([0.0, 1.0, 9.0]), base_version=4)
    assert second.update.replaces == ((3, 0),)
    content = second.update.tensors[WHOLE]
    assert content.tolist() == [0, 0, 9]
    with pytest.raises(ValueError, match="read-only"):
        content[2] = 8  # the outbox may need it again
    assert box.residual.tolist() == [5, 2, 0]
    box.acknowledge(second.sequence)
    third = box.send(np.zeros(3), base_version=4)
    assert third.update.replaces == (), "the server counts the first no more"
    assert box.residual.tolist() == [0, 2, 0]
    assert box.under_way == (2,)


def test_a_late_acknowledgement_takes_content_back() -> None:
    box = Outbox("a", everything)
    first = box.send(np.array([1.0]), base_version=0)
    box.lost(first.sequence)
    box.acknowledge(first.sequence)
    assert box.residual.tolist() == [0]
    # Once the content went out again, only the answer to that message tells which one counted.
    second = box.send(np.array([2.0]), base_version=0)
    box.lost(second.sequence)
    third = box.send(np.array([4.0]), base_version=0)
    box.acknowledge(second.sequence)
    assert box.residual.tolist() == [0]
    overlap = Receipt("a", 0, third.sequence, Outcome.OVERLAP, 1, counted=(second.update.key,))
    for _ in range(2):
        box.settle(overlap)
        assert box.residual.tolist() == [4]


@pytest.mark.parametrize(
    ("outcome", "left"),
    [
        (Outcome.ACCEPTED, 0),
        (Outcome.MERGED, 0),
        (Outcome.DUPLICATE, 0),
        (Outcome.SUPERSEDED, 1),
        (Outcome.TOO_LATE, 1),
        (Outcome.REFUSED, 1),
    ],
)
def test_answers_settle_messages(outcome: Outcome, left: float) -> None:
    box = Outbox("a", everything)
    box.send(np.array([1.0]), base_version=0)
    for _ in range(2):
        box.settle(Receipt("a", 0, 0, outcome, 1))
        assert box.residual.tolist() == [left]
    assert box.under_way == ()


class Network:
    """Senders, a server, and between them messages and answers in any order, lost or twice."""

    def __init__(self, size: int, count: int, seed: int):
        self.rng = np.random.default_rng(seed)
        # K votes of rate K: the model is the plain sum of what counted, in whole numbers.
        self.server = FedBuff(np.zeros(6), size, staleness=Constant(), server_rate=float(size))
        self.boxes = {node: Outbox(node, largest(count)) for node in ("a", "b")}
        self.parcels = list[Parcel]()
        self.receipts = list[Receipt]()
        self.total = np.zeros(6)

    def send(self, node: str, delta: Floats) -> None:
        parcel = self.boxes[node].send(delta, base_version=self.server.version)
        self.parcels.append(parcel)
        self.total += delta

    def act(self, action: int, pick: int) -> None:
        node = "ab"[pick % 2]
        under_way = self.boxes[node].under_way
        if action == 0:
            self.send(node, self.rng.integers(-9, 10, size=6).astype(float))
        elif action == 1 and self.parcels:
            self.receipts.append(
                self.server.receive(self.parcels[-1 - pick % len(self.parcels)].update)
            )
        elif action == 2 and self.receipts:
            receipt = self.receipts[-1 - pick % len(self.receipts)]
            self.boxes[receipt.node].settle(receipt)
        elif action == 3 and under_way:
            self.boxes[node].lost(under_way[pick % len(under_way)])
        elif action == 4:
            saved = kept(self.boxes[node].state_dict())
            self.boxes[node] = Outbox(node, self.boxes[node]._compressor)
            self.boxes[node].load_state_dict(saved)

    def drain(self) -> None:
        """A network that works again, until the end of every message is known."""
        for node, box in self.boxes.items():
            for _ in range(20):
                for sequence in box.under_way:
                    box.lost(sequence)
                if not box.residual.any() and not len(box.state_dict()["open"]):
                    break
                self.send(node, np.zeros(6))
                box.settle(self.server.receive(self.parcels[-1].update))
            else:
                pytest.fail("the residual never came through")
        filler = itertools.count()
        while self.server.waiting:
            self.server.receive(Update("filler", self.server.version, next(filler), np.zeros(6)))


@settings(deadline=None, derandomize=True, max_examples=400)
@given(
    size=st.sampled_from([1, 2, 4]),
    count=st.sampled_from([1, 3, 6]),
    seed=st.integers(0, 1000),
    actions=st.lists(
        st.tuples(st.sampled_from([0, 0, 1, 1, 1, 2, 2, 3, 4]), st.integers(0, 7)), max_size=60
    ),
)
def test_every_change_counts_once_over_a_bad_network(
    size: int, count: int, seed: int, actions: list[tuple[int, int]]
) -> None:
    network = Network(size, count, seed)
    for box in network.boxes:
        network.send(box, np.zeros(6))
    for action, pick in actions:
        network.act(action, pick)
    network.drain()
    assert network.server.weights.tolist() == network.total.tolist()


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(40))
def test_every_change_counts_once_over_a_long_time(seed: int) -> None:
    rng = np.random.default_rng(seed)
    network = Network(int(rng.choice([1, 2, 4])), int(rng.choice([1, 3, 6])), seed)
    for box in network.boxes:
        network.send(box, np.zeros(6))
    for _ in range(2000):
        network.act(int(rng.choice([0, 1, 1, 1, 2, 2, 3, 4])), int(rng.integers(0, 30)))
    network.drain()
    assert network.server.weights.tolist() == network.total.tolist()


def test_named_arrays_of_any_layout() -> None:
    rng = np.random.default_rng(13)

    def half(array: NDArray[Any]) -> tuple[str, NDArray[Any]]:
        return "half", np.where(np.abs(array) > 0.7, array, 0)

    delta = {"kernel": np.asfortranarray(rng.normal(size=(5, 4))), "scale": np.array(1.5)}
    before = {name: array.copy() for name, array in delta.items()}
    box = Outbox("a", half)
    total = {name: np.zeros(array.shape) for name, array in delta.items()}
    for version in range(5):
        parcel = box.send(delta, base_version=version)
        assert parcel.message == {"kernel": "half", "scale": "half"}
        assert same(delta, before)
        if version % 2:
            box.lost(parcel.sequence)
        else:
            box.acknowledge(parcel.sequence)
            for name, array in parcel.update.tensors.items():
                total[name] = total[name] + array
    close(
        {name: total[name] + box.residual[name] for name in total},
        {n: 5 * a for n, a in delta.items()},
    )


def test_outbox_errors_change_nothing() -> None:
    box = Outbox("a", everything)
    assert box.residual is None
    box.send(np.ones(3), base_version=0)
    before = box.state_dict()
    wrong: list[tuple[Any, str]] = [
        (np.array([1, np.nan, 1]), "NaN or inf"),
        (np.ones(4), "shape"),
        ({"bias": np.ones(3)}, "names"),
        (["a", "b", "c"], "dtype"),
    ]
    for delta, message in wrong:
        with pytest.raises(InputError, match=message):
            box.send(delta, base_version=0)
        assert same(before, box.state_dict())
    with pytest.raises(InputError, match="sequence = 1"):
        box.acknowledge(1)
    with pytest.raises(InputError, match=r"receipt\.node"):
        box.settle(Receipt("b", 0, 0, Outcome.MERGED, 1))
    with pytest.raises(InputError, match="at least one array"):
        Outbox("a", everything).send({}, base_version=0)
    for content, message in ((np.ones(2), "shape"), (np.full(3, np.inf), "NaN or inf")):
        bad = Outbox("a", partial(wrong_content, content))
        with pytest.raises(InputError, match=message):
            bad.send(np.ones(3), base_version=0)
        assert bad.residual is None
    for name in before:
        with pytest.raises(InputError, match="expected an entry"):
            box.load_state_dict({key: value for key, value in before.items() if key != name})


# -- convergence ----------------------------------------------------------------------------------
class LeastSquares:
    """The mean over nodes of |A_i w - b_i|^2 / 2, and its minimiser by `numpy.linalg.lstsq`."""

    def __init__(self, seed: int, *, nodes: int = 6, size: int = 12, noise: float = 0.0):
        rng = np.random.default_rng(seed)
        truth = rng.normal(size=size)
        self.rows = [rng.normal(size=(20, size)) / 20**0.5 for _ in range(nodes)]
        self.values = [a @ truth + noise * rng.normal(size=20) for a in self.rows]
        self.best = np.linalg.lstsq(np.vstack(self.rows), np.hstack(self.values), rcond=None)[0]

    def step(self, node: int, weights: Floats, rate: float) -> Floats:
        a = self.rows[node]
        return -rate * a.T @ (a @ weights - self.values[node])


def late_training(
    problem: LeastSquares, server: Server, *, rate: float, steps: int, delay: int, count: int = 12
) -> float:
    """Distance to the optimum after updates that come late, mixed up, some never, some twice."""
    rng = np.random.default_rng(99)
    nodes = len(problem.rows)
    boxes = [Outbox(f"sat-{k}", largest(count)) for k in range(nodes)]
    models = {0: server.weights}
    on_the_way: list[tuple[int, int, Parcel]] = []
    for now in range(steps):
        for node in rng.permutation(nodes)[:2]:
            base = max(server.version - int(rng.integers(0, 3)), 0)
            parcel = boxes[node].send(problem.step(node, models[base], rate), base_version=base)
            arrival = now + int(rng.integers(0, delay))
            if rng.random() < 0.2:
                boxes[node].lost(parcel.sequence)
                arrival = now + int(rng.choice([delay, 10**9]))
            on_the_way.append((arrival, node, parcel))
        due = [row for row in on_the_way if row[0] <= now]
        on_the_way = [row for row in on_the_way if row[0] > now]
        for k in rng.permutation(len(due)):
            _, node, parcel = due[k]
            for _ in range(1 + (rng.random() < 0.1)):
                boxes[node].settle(server.receive(parcel.update))
                models[server.version] = server.weights
    return float(np.linalg.norm(server.weights - problem.best))


@pytest.mark.parametrize("count", [12, 2], ids=["dense", "top 2 of 12"])
@pytest.mark.parametrize("normalise", ["count", "weights"])
def test_late_buffers_reach_a_common_optimum(count: int, normalise: str) -> None:
    """Where every node agrees on the optimum, lateness and loss cost time and nothing else."""
    problem = LeastSquares(1)
    server = FedBuff(np.zeros(12), 4, normalise=normalise, max_staleness=12)
    start = float(np.linalg.norm(problem.best))
    end = late_training(problem, server, rate=0.25, steps=3000, delay=6, count=count)
    assert end < 1e-6 * start


def test_late_models_reach_a_common_optimum() -> None:
    problem = LeastSquares(1)
    server = FedAsync(np.zeros(12), mixing=0.6, max_staleness=20)
    end = late_training(problem, server, rate=0.4, steps=3000, delay=6)
    assert end < 1e-6 * float(np.linalg.norm(problem.best))


@pytest.mark.parametrize(
    "make",
    [lambda w: FedBuff(w, 4), lambda w: FedAsync(w, max_staleness=20)],
    ids=["buffer", "each"],
)
def test_late_updates_reach_an_optimum_of_different_nodes(make: Callable[[Any], Server]) -> None:
    """Nodes that disagree leave a noise that shrinks with the rate."""
    problem = LeastSquares(2, noise=0.5)
    start = float(np.linalg.norm(problem.best))
    coarse, fine = (
        late_training(problem, make(np.zeros(12)), rate=rate, steps=steps, delay=4)
        for rate, steps in ((0.2, 1000), (0.02, 6000))
    )
    assert coarse < 0.15 * start
    assert fine < 0.02 * start


def test_rounds_follow_gradient_descent_to_the_optimum() -> None:
    """One full round is one step of gradient descent on the mean."""
    problem = LeastSquares(3, noise=0.5)
    server, plain = FedAvg(np.zeros(12), 6), np.zeros(12)
    for version in range(800):
        weights = server.weights
        for node in range(6):
            server.receive(
                Update(f"sat-{node}", version, version, problem.step(node, weights, 0.5))
            )
        plain = plain + np.mean([problem.step(node, plain, 0.5) for node in range(6)], axis=0)
    np.testing.assert_allclose(server.weights, plain, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(server.weights, problem.best, rtol=1e-6, atol=1e-9)
