"""A Flower strategy in rounds: federated averaging of packed changes."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from ...formulations.compression.aggregation import FedAvg
from ...formulations.compression.robust import Rule
from .flower_server import Exchange
from .flower_version import flower


class CompressedFedAvg:
    """Federated averaging whose clients send packed changes (`CompressionMod`).

    Parameters
    ----------
    rule : Rule, optional
        `Median` or `TrimmedMean` in place of the mean.
    server_rate : float
        What the mean of the changes is multiplied by.
    **flower_options
        Of `flwr.serverapp.strategy.FedAvg`, which samples nodes, evaluates, and averages metrics:
        `fraction_train`, `min_train_nodes`, `arrayrecord_key`, `weighted_by_key` and so on.

    Notes
    -----
    It has the methods of `flwr.serverapp.strategy.Strategy`, and counts as one. The model goes to
    the nodes whole.
    """

    def __init__(
        self, *, rule: Rule | None = None, server_rate: float = 1.0, **flower_options: Any
    ) -> None:
        strategies = flower("serverapp.strategy")
        strategies.Strategy.register(CompressedFedAvg)
        self._flower = strategies.FedAvg(**flower_options)
        # A round ends when Flower says so, not with a number of updates.
        self._make_server = partial(FedAvg, nodes=sys.maxsize, rule=rule, server_rate=server_rate)
        self._exchange: Exchange | None = None

    def start(
        self,
        grid: Any,
        initial_arrays: Any,
        num_rounds: int = 3,
        timeout: float = 3600,
        train_config: Any = None,
        evaluate_config: Any = None,
        evaluate_fn: Callable[[int, Any], Any] | None = None,
    ) -> Any:
        """Train for a number of rounds; as `Strategy.start` of Flower, which does it."""
        self._exchange = None
        return flower("serverapp.strategy").Strategy.start(
            self,
            grid,
            initial_arrays,
            num_rounds,
            timeout,
            train_config,
            evaluate_config,
            evaluate_fn,
        )

    def summary(self) -> None:
        """Log the settings."""
        self._flower.summary()

    def configure_train(
        self, server_round: int, arrays: Any, config: Any, grid: Any
    ) -> Iterable[Any]:
        """Messages of a round: the model, its version, and each node's receipts."""
        if self._exchange is None:
            self._exchange = Exchange(
                arrays,
                self._make_server,
                arrays_key=self._flower.arrayrecord_key,
                weighted_by_key=self._flower.weighted_by_key,
            )
        messages = list(self._flower.configure_train(server_round, arrays, config, grid))
        for message in messages:
            node_id = message.metadata.dst_node_id
            message.content = self._exchange.addressed(message.content, node_id)
        return messages

    def aggregate_train(self, server_round: int, replies: Iterable[Any]) -> tuple[Any, Any]:
        """The model after a round, and the mean of its metrics; None where no update counted."""
        assert self._exchange is not None  # replies are to messages that were configured
        contents = []
        for reply in replies:
            receipt = self._exchange.take(reply)
            if receipt is not None and receipt.is_taken:
                contents.append(reply.content)
        if not contents:
            return None, None
        self._exchange.server.flush()
        metrics = self._flower.train_metrics_aggr_fn(contents, self._flower.weighted_by_key)
        return self._exchange.record(), metrics

    def configure_evaluate(
        self, server_round: int, arrays: Any, config: Any, grid: Any
    ) -> Iterable[Any]:
        """Messages that ask nodes to evaluate the model."""
        messages: Iterable[Any] = self._flower.configure_evaluate(
            server_round, arrays, config, grid
        )
        return messages

    def aggregate_evaluate(self, server_round: int, replies: Iterable[Any]) -> Any:
        """Mean of the metrics that came back."""
        return self._flower.aggregate_evaluate(server_round, replies)
