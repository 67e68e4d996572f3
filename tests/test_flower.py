"""Real Flower apps on the grid in this process, against plain NumPy and Flower's own averaging."""

# mypy: allow-untyped-decorators

from __future__ import annotations

import importlib.metadata
import math
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest

from orbweave.adapters.training import (
    CompressedAsync,
    CompressedFedAvg,
    CompressionMod,
    VirtualGrid,
)
from orbweave.adapters.training import flower_grid as grid_module
from orbweave.adapters.training.flower_wire import PACKED, Layout
from orbweave.formulations.checks import InputError
from orbweave.formulations.compression.aggregation import FedAsync, FedBuff
from orbweave.formulations.compression.robust import Median
from orbweave.formulations.compression.staleness import Constant

pytest.importorskip("flwr", reason="needs Flower")
from flwr.app import Array, ArrayRecord, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from flwr.serverapp import Grid, ServerApp
from flwr.serverapp.strategy import FedAvg as FlowerFedAvg
from flwr.serverapp.strategy import Strategy

pytestmark = pytest.mark.framework

NODES, FEATURES, CLASSES = 6, 60, 5
SPECS = {"weight": (FEATURES, CLASSES), "bias": (CLASSES,)}


def record(arrays: dict[str, Any]) -> Any:
    return ArrayRecord({name: Array(np.asarray(array)) for name, array in arrays.items()})


def arrays(found: Any) -> dict[str, Any]:
    return {name: array.numpy() for name, array in found.items()}


def start() -> dict[str, Any]:
    return {
        "weight": np.zeros(SPECS["weight"], np.float32),
        "bias": np.zeros(SPECS["bias"], np.float32),
        "seen": np.array(0),
    }


def samples() -> tuple[Any, Any]:
    """A linear problem; labels of a node are mostly of one class or two."""
    draw = np.random.default_rng(0)
    inputs = draw.normal(size=(1200, FEATURES))
    labels = np.argmax(inputs @ draw.normal(size=SPECS["weight"]), axis=1)
    order = np.argsort(labels + draw.normal(size=len(labels)) * 0.5)
    return inputs[order], labels[order]


INPUTS, LABELS = samples()


def trained(model: dict[str, Any], node: int) -> dict[str, Any]:
    """A few steps of gradient descent on a node's own samples."""
    own = slice(node * 200, (node + 1) * 200)
    weight, bias = model["weight"].astype(float), model["bias"].astype(float)
    for _ in range(5):
        scores = INPUTS[own] @ weight + bias
        share = np.exp(scores - scores.max(axis=1, keepdims=True))
        share /= share.sum(axis=1, keepdims=True)
        share[np.arange(200), LABELS[own]] -= 1
        weight -= 0.2 * INPUTS[own].T @ share / 200
        bias -= 0.2 * share.mean(axis=0)
    return {
        "weight": weight.astype(np.float32),
        "bias": bias.astype(np.float32),
        "seen": model["seen"] + 200,
    }


def accuracy(model: dict[str, Any]) -> float:
    scores = INPUTS @ model["weight"] + model["bias"]
    return float(np.mean(np.argmax(scores, axis=1) == LABELS))


def client(change: Callable[[dict[str, Any], int], dict[str, Any]], *mods: Any) -> Any:
    """A client app whose training is a function of the model and the node."""
    app = ClientApp(mods=list(mods))

    @app.train()
    def train(message: Any, context: Any) -> Any:
        node = int(context.node_config["partition-id"])
        after = change(arrays(message.content["arrays"]), node)
        metrics = MetricRecord({"num-examples": 200 + node, "node": node, "one": 1})
        content = RecordDict({"arrays": record(after), "metrics": metrics})
        return Message(content, reply_to=message)

    @app.evaluate()
    def evaluate(message: Any, context: Any) -> Any:
        found = accuracy(arrays(message.content["arrays"]))
        metrics = MetricRecord({"num-examples": 1, "accuracy": found})
        return Message(RecordDict({"metrics": metrics}), reply_to=message)

    return app


def run(
    grid: VirtualGrid, strategy: Any, first: dict[str, Any], rounds: int, **options: Any
) -> Any:
    """The result of a strategy in a real server app."""
    app, found = ServerApp(), []

    @app.main()
    def main(grid: Any, context: Any) -> None:
        found.append(strategy.start(grid, record(first), num_rounds=rounds, **options))

    grid.serve(app)
    return found[0]


class Spy:
    """A mod that notes the packed bytes that leave a node, and the version they are based on."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.bases: list[int] = []

    def __call__(self, message: Any, context: Any, call_next: Any) -> Any:
        reply = call_next(message, context)
        if message.metadata.message_type == "train" and not reply.has_error():
            self.sizes.append(len(reply.content["arrays"][PACKED].data))
            self.bases.append(reply.content["orbweave"]["base-version"])
        return reply


class TestRounds:
    def test_with_everything_sent_equal_those_of_flower(self) -> None:
        plain = run(VirtualGrid(client(trained), NODES), FlowerFedAvg(), start(), 3)
        app = client(trained, CompressionMod(1.0, None))
        ours = run(VirtualGrid(app, NODES), CompressedFedAvg(), start(), 3)
        for name in SPECS:
            assert np.allclose(ours.arrays[name].numpy(), plain.arrays[name].numpy(), atol=1e-6)
        assert ours.arrays["seen"].numpy() == 600
        for step in range(1, 4):
            metrics = dict(ours.train_metrics_clientapp[step])
            assert metrics == pytest.approx(dict(plain.train_metrics_clientapp[step]))
        evaluated = [m["accuracy"] for m in ours.evaluate_metrics_clientapp.values()]
        wanted = [m["accuracy"] for m in plain.evaluate_metrics_clientapp.values()]
        assert evaluated == pytest.approx(wanted)

    def test_learn_from_a_fraction_of_the_bytes(self) -> None:
        spy = Spy()
        grid = VirtualGrid(client(trained, spy, CompressionMod(0.05, 4)), NODES)
        result = run(grid, CompressedFedAvg(fraction_evaluate=0.0), start(), 25)
        dense = run(VirtualGrid(client(trained), NODES), FlowerFedAvg(), start(), 25)
        assert accuracy(start()) < 0.3
        assert accuracy(arrays(result.arrays)) > 0.8
        assert accuracy(arrays(result.arrays)) > accuracy(arrays(dense.arrays)) - 0.05
        whole = 4 * (FEATURES + 1) * CLASSES
        assert len(grid.trips) == len(spy.sizes) == 25 * NODES
        for trip, packed in zip(grid.trips, spy.sizes, strict=True):
            assert packed < whole / 15
            assert packed < trip.up_bytes < packed + 900  # Flower's words, metrics, a counter
            assert trip.down_bytes > whole

    def test_shares_may_be_given_by_name(self) -> None:
        ratio = {"weight": 0.0, "bias": 1.0}
        bits = {"weight": 8, "bias": None}
        app = client(trained, CompressionMod(ratio, bits))
        result = run(VirtualGrid(app, NODES), CompressedFedAvg(), start(), 1)
        counts = np.arange(NODES) + 200.0
        bias = counts @ [trained(start(), node)["bias"] for node in range(NODES)] / counts.sum()
        assert np.allclose(result.arrays["bias"].numpy(), bias, atol=1e-6)
        assert not result.arrays["weight"].numpy().any()

    def test_a_robust_rule_ignores_a_liar(self) -> None:
        def lies(model: dict[str, Any], node: int) -> dict[str, Any]:
            after = trained(model, node)
            return after | {"bias": after["bias"] + 1e6} if node == 2 else after

        app = client(lies, CompressionMod(1.0, None))
        result = run(VirtualGrid(app, NODES), CompressedFedAvg(rule=Median()), start(), 2)
        assert np.abs(result.arrays["bias"].numpy()).max() < 10

    def test_it_counts_as_a_strategy(self) -> None:
        assert isinstance(CompressedFedAvg(), Strategy)
        assert all(hasattr(CompressedFedAvg, name) for name in Strategy.__abstractmethods__)


def drifts(calls: dict[int, list[Any]]) -> Callable[[dict[str, Any], int], dict[str, Any]]:
    """Training that adds noise, and notes what it added."""

    def change(model: dict[str, Any], node: int) -> dict[str, Any]:
        added = np.random.default_rng([node, len(calls[node])]).laplace(size=40).astype("f4")
        calls[node].append(added.astype(float))
        # Weights stay small, so that a change is what was added, to rounding.
        return {"w": (model["w"] + added).astype("f4")}

    return change


class TestNothingIsLost:
    def test_the_residual_survives_rounds(self) -> None:
        """What all sent and what is residual are together what there was to send."""
        calls: dict[int, list[Any]] = {node: [] for node in range(3)}
        grid = VirtualGrid(client(drifts(calls), CompressionMod(0.1, 3)), 3)
        strategy = CompressedFedAvg(weighted_by_key="one", fraction_evaluate=0.0)
        result = run(grid, strategy, {"w": np.zeros(40, "f4")}, 12)
        residuals = [arrays(grid.context(node).state["orbweave"])["residual/"] for node in calls]
        assert min(np.count_nonzero(residual) for residual in residuals) > 30
        asked = sum(np.sum(added, axis=0) for added in calls.values())
        assert np.allclose(3 * result.arrays["w"].numpy() + sum(residuals), asked, atol=1e-4)

    @pytest.mark.parametrize("max_staleness", [None, 2])
    def test_not_by_loss_and_not_by_lateness(self, max_staleness: int | None) -> None:
        """With a step for each update, as it is, sums tell where everything is."""
        calls: dict[int, list[Any]] = {node: [] for node in range(4)}
        trips = 0

        def travel_s(node: int, now_s: float, down_bytes: int, up_bytes: int) -> float:
            nonlocal trips
            trips += 1
            return math.inf if trips % 7 == 3 else [1.0, 1.3, 2.1, 9.0][node]

        grid = VirtualGrid(client(drifts(calls), CompressionMod(0.1, 3)), 4, travel_s=travel_s)
        server = partial(FedBuff, size=1, staleness=Constant(), max_staleness=max_staleness)
        result = run(grid, CompressedAsync(server), {"w": np.zeros(40, "f4")}, 60, timeout=12.0)
        last = result.train_metrics_clientapp[60]["node"]
        total = result.arrays["w"].numpy().astype(float)
        for node in calls:
            state = arrays(grid.context(node).state["orbweave"])
            total += state["residual/"]
            for number, _, is_lost in state["open"]:
                # The last answer is not on its way back yet; no other message was taken.
                if not is_lost and node != last:
                    total += unpacked(state, number)
        assert any(math.isinf(trip.arrived_s) for trip in grid.trips)
        asked = sum(np.sum(added, axis=0) for added in calls.values())
        assert np.allclose(total, asked, atol=1e-3)
        assert np.abs(asked).max() > 1


def unpacked(state: dict[str, Any], number: int) -> Any:
    """Content of a message that an outbox keeps."""
    values = state[f"values/{number}/"]
    if f"places/{number}/" not in state:
        return values
    dense = np.zeros(40)
    dense[state[f"places/{number}/"]] = values
    return dense


class TestWithoutRounds:
    @staticmethod
    def slow(node: int, now_s: float, down_bytes: int, up_bytes: int) -> float:
        return 10.0 * (1 + 4 * (node == 0)) + up_bytes / 1000

    @pytest.mark.parametrize(
        "server",
        [partial(FedBuff, size=3), partial(FedAsync, mixing=0.3, max_staleness=50)],
        ids=["FedBuff", "FedAsync"],
    )
    def test_learns_from_late_updates_without_waiting(self, server: Any) -> None:
        spy = Spy()
        app = client(trained, spy, CompressionMod(0.05, 4))
        grid = VirtualGrid(app, NODES, travel_s=self.slow)
        seen: list[int] = []

        def evaluate(step: int, model: Any) -> Any:
            seen.append(step)
            return MetricRecord({"accuracy": accuracy(arrays(model))})

        result = run(grid, CompressedAsync(server), start(), 60, evaluate_fn=evaluate)
        found = [result.evaluate_metrics_serverapp[step]["accuracy"] for step in range(61)]
        assert seen == list(range(61))
        assert found[0] < 0.3
        assert found[-1] > 0.7
        assert list(result.train_metrics_clientapp) == list(range(1, 61))
        # In rounds, each of as many updates would wait for the slowest node.
        rounds = 60 * (3 if "FedBuff" in str(server) else 1) / NODES
        assert grid.now_s < rounds * 50.0
        assert len(set(spy.bases)) > 20

    def test_of_one_buffer_of_all_nodes_equals_a_round(self) -> None:
        def app() -> Any:
            return client(trained, CompressionMod(0.1, 4))

        rounds = run(VirtualGrid(app(), NODES), CompressedFedAvg(), start(), 1)
        server = partial(FedBuff, size=NODES)
        buffers = run(VirtualGrid(app(), NODES), CompressedAsync(server), start(), 1)
        for name in SPECS:
            assert np.array_equal(rounds.arrays[name].numpy(), buffers.arrays[name].numpy())

    def test_as_many_nodes_work_as_are_asked_for(self) -> None:
        app = client(trained, CompressionMod(0.1, 4))
        grid = VirtualGrid(app, NODES, travel_s=self.slow)
        strategy = CompressedAsync(partial(FedBuff, size=2), concurrency=2)
        run(grid, strategy, start(), 10)
        for trip in grid.trips:
            others = [t for t in grid.trips if t.pushed_s <= trip.pushed_s < t.arrived_s]
            assert len(others) <= 2
        assert len({trip.node for trip in grid.trips}) > 2

    def test_stops_where_only_errors_come(self) -> None:
        def fails(model: dict[str, Any], node: int) -> dict[str, Any]:
            raise RuntimeError("out of power")

        app = client(fails, CompressionMod())
        result = run(VirtualGrid(app, 2), CompressedAsync(), start(), 5)
        assert not result.train_metrics_clientapp
        assert arrays(result.arrays)["seen"] == 0


class TestErrors:
    def test_the_mod_says_that_it_needs_its_strategy(self) -> None:
        grid = VirtualGrid(client(trained, CompressionMod()), NODES)
        heard: list[Any] = []

        class Watched(FlowerFedAvg):  # type: ignore[misc,unused-ignore]
            def aggregate_train(self, server_round: int, replies: Any) -> Any:
                heard.extend(replies)
                return None, None

        run(grid, Watched(fraction_evaluate=0.0), start(), 1)
        assert len(heard) == NODES
        assert all("CompressedFedAvg" in reply.error.reason for reply in heard)

    @pytest.mark.parametrize("harm", ["bytes", "length", "weight", "slip", "whole"])
    def test_what_clients_send_may_be_anything(
        self, harm: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        def harms(message: Any, context: Any, call_next: Any) -> Any:
            reply = call_next(message, context)
            if context.node_config["partition-id"] != 1:
                return reply
            content = reply.content
            packed = content["arrays"][PACKED]
            if harm == "bytes":
                packed.data = packed.data[:-3] + b"abc"
            elif harm == "length":
                content["arrays"] = packed_ones(3)
            elif harm == "weight":
                content["metrics"]["num-examples"] = -1
            elif harm == "slip":
                content["orbweave"]["replaces"] = "[[1]]"
            else:
                content["arrays"] = record(start())
            return reply

        app = client(trained, harms, CompressionMod(1.0, None))
        strategy = CompressedFedAvg(fraction_evaluate=0.0)
        with caplog.at_level("WARNING"):
            result = run(VirtualGrid(app, 3), strategy, start(), 1)
        assert "node 3: no update" in caplog.text
        after = [trained(start(), node)["weight"] for node in (0, 2)]
        wanted = (200 * after[0] + 202 * after[1]) / 402
        assert np.allclose(result.arrays["weight"].numpy(), wanted, atol=1e-6)

    def test_a_model_without_numbers_is_refused(self) -> None:
        with pytest.raises(InputError, match="float16"):
            Layout.of({"seen": np.array(1)})

    def test_versions(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(importlib.metadata, "version", lambda name: "1.9.0")
        with pytest.raises(ImportError, match=r"flwr 1.9.0: expected 1.41"):
            CompressedFedAvg()
        monkeypatch.undo()
        monkeypatch.setattr(grid_module, "_IDENTITY", {"_elsewhere": 1})
        with pytest.raises(ImportError, match="VirtualGrid does not know"):
            VirtualGrid(client(trained), 1)

    def test_importing_loads_no_framework(self) -> None:
        code = (
            "import sys, orbweave.adapters.training\n"
            "print([name for name in ('torch', 'flwr') if name in sys.modules])"
        )
        command = [sys.executable, "-c", code]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert done.stdout.strip() == "[]"


def packed_ones(elements: int) -> Any:
    """Packed arrays of another model."""
    from orbweave.formulations.compression.codec import Compressor

    message = Compressor(1.0, None).compress(np.ones(elements, np.float32))
    return ArrayRecord({PACKED: Array("uint8", (len(message),), "orbweave.tensors", message)})


class TestGrid:
    def test_it_counts_as_a_grid(self) -> None:
        grid = VirtualGrid(client(trained), 3)
        assert isinstance(grid, Grid)
        assert all(hasattr(VirtualGrid, name) for name in Grid.__abstractmethods__)
        assert [info.node_id for info in grid.get_nodes()] == list(grid.get_node_ids())

    def test_time_is_what_travel_takes(self) -> None:
        grid = VirtualGrid(
            client(trained), 4, travel_s=lambda node, *_: [3.0, 1.0, math.inf, 30.0][node]
        )
        app = ServerApp()

        def asked(node_id: int, ttl: float | None = None) -> Any:
            content = RecordDict({"arrays": record(start())})
            return grid.create_message(content, "evaluate", node_id, "", ttl)

        @app.main()
        def main(_: Any, context: Any) -> None:
            ids = list(grid.get_node_ids())
            first = list(grid.send_and_receive(map(asked, ids), timeout=5.0))
            assert [reply.metadata.src_node_id for reply in first] == [ids[1], ids[0]]
            assert grid.now_s == 5.0
            pushed = list(grid.push_messages([asked(ids[1]), asked(ids[2], 60.0)]))
            (there,) = grid.pull_messages(pushed)
            assert (grid.now_s, there.metadata.reply_to_message_id) == (6.0, pushed[0])
            (late,) = grid.pull_messages(pushed)
            assert grid.now_s == 65.0
            assert late.has_error()
            assert not list(grid.pull_messages(pushed))
            with pytest.raises(InputError, match="dst_node_id"):
                grid.push_messages([asked(99)])

        grid.serve(app)
        assert [trip.node for trip in grid.trips] == [0, 1, 2, 3, 1, 2]
        with pytest.raises(RuntimeError, match="not set"):  # nothing stays behind
            Message(RecordDict(), 2, "train")

    def test_nobody_shares_memory_or_state(self) -> None:
        def greedy(model: dict[str, Any], node: int) -> dict[str, Any]:
            model["weight"] += node
            return model

        grid = VirtualGrid(client(greedy), 3, run_config={"lr": 0.1})
        first = start()
        run(grid, FlowerFedAvg(), first, 1)
        assert not first["weight"].any()
        contexts = [grid.context(node) for node in range(3)]
        assert len({id(context.state) for context in contexts}) == 3
        assert contexts[1].node_config == {"partition-id": 1, "num-partitions": 3}
        assert contexts[1].run_config == {"lr": 0.1}

    def test_settings_are_checked(self) -> None:
        with pytest.raises(InputError, match="nodes"):
            VirtualGrid(client(trained), 0)
        with pytest.raises(InputError, match="node_configs"):
            VirtualGrid(client(trained), 2, node_configs=[{}])
        grid = VirtualGrid(client(trained), 2, travel_s=lambda *_: -1.0)
        with pytest.raises(InputError, match="travel_s"):
            run(grid, FlowerFedAvg(), start(), 1)
        with pytest.raises(InputError, match="concurrency"):
            CompressedAsync(concurrency=0)
