"""A Flower strategy without rounds: every node works on its own, and no one waits for another."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from ...formulations import checks
from ...formulations.compression.aggregation import FedBuff, Server
from .flower_server import Exchange
from .flower_version import flower

_log = logging.getLogger(__name__)

#: Errors in a row of each node that works, after which there is no hope.
_PATIENCE = 3


class CompressedAsync:
    """Asynchronous training whose clients send packed changes (`CompressionMod`).

    A node that answers is sent the present model at once, or another that is free is.

    Parameters
    ----------
    make_server : callable
        Given the model's arrays by name, the server that takes updates as they come: `FedBuff`,
        ``partial(FedBuff, size=4, max_staleness=8)``, `FedAsync`.
    concurrency : int, optional
        Nodes that work at a time; all unless given.
    poll_s : float
        Seconds between looks for replies when there are none.
    seed : int
        Of the choice among free nodes.
    arrayrecord_key, configrecord_key, weighted_by_key : str
        Keys of records in messages and of an update's weight, as for Flower's strategies.

    Notes
    -----
    Nguyen et al.: Federated Learning with Buffered Asynchronous Aggregation (AISTATS 2022). The
    model goes to the nodes whole; nodes are not asked to evaluate.
    """

    def __init__(
        self,
        make_server: Callable[[Any], Server] = FedBuff,
        *,
        concurrency: int | None = None,
        poll_s: float = 1.0,
        seed: int = 0,
        arrayrecord_key: str = "arrays",
        configrecord_key: str = "config",
        weighted_by_key: str = "num-examples",
    ) -> None:
        if concurrency is not None:
            checks.whole("CompressedAsync.concurrency", concurrency, low=1)
        self._make_server = make_server
        self._concurrency = concurrency
        self._poll_s = checks.real("CompressedAsync.poll_s", poll_s)
        self._seed = checks.whole("CompressedAsync.seed", seed)
        self._arrays_key, self._config_key = arrayrecord_key, configrecord_key
        self._weighted_by_key = weighted_by_key
        self._mean = flower("serverapp.strategy").FedAvg().train_metrics_aggr_fn

    def start(
        self,
        grid: Any,
        initial_arrays: Any,
        num_rounds: int = 3,
        timeout: float = 3600,
        train_config: Any = None,
        evaluate_fn: Callable[[int, Any], Any] | None = None,
    ) -> Any:
        """Train until the model has taken a number of steps.

        Parameters
        ----------
        grid : flwr.serverapp.Grid
        initial_arrays : flwr.app.ArrayRecord
        num_rounds : int
            Steps of the model.
        timeout : float
            Seconds after which a node's reply is not waited for any more.
        train_config : flwr.app.ConfigRecord, optional
            For the nodes; "server-round" is added, the next step.
        evaluate_fn : callable, optional
            Given a version and the arrays, metrics; called before the first step and after each.

        Returns
        -------
        flwr.serverapp.strategy.Result
            With fewer steps than asked for if nodes only answer with errors.
        """
        exchange = Exchange(
            initial_arrays,
            self._make_server,
            arrays_key=self._arrays_key,
            weighted_by_key=self._weighted_by_key,
        )
        desk = Desk(grid, self._concurrency, self._poll_s, random.Random(self._seed), timeout)
        result = flower("serverapp.strategy").Result(arrays=initial_arrays)
        _evaluate(result, evaluate_fn, 0)
        content = self._content(initial_arrays, train_config, 1)
        counted: list[Any] = []
        errors = 0
        while (version := exchange.server.version) < num_rounds:
            desk.hand_out(partial(exchange.addressed, content))
            reply = desk.next_reply()
            receipt = exchange.take(reply)
            errors = errors + 1 if receipt is None else 0
            if errors > _PATIENCE * (desk.busy + 1):
                _log.warning("only errors came from nodes: stopped after %d steps", version)
                break
            if receipt is not None and receipt.is_taken:
                counted.append(reply.content)
            if exchange.server.version > version:
                result.arrays = exchange.record()
                metrics = self._mean(counted, self._weighted_by_key)
                result.train_metrics_clientapp[version + 1] = metrics
                _evaluate(result, evaluate_fn, version + 1)
                content = self._content(result.arrays, train_config, version + 2)
                counted = []
        return result

    def summary(self) -> None:
        """Log the settings."""
        _log.info("asynchronous, %s nodes at a time", self._concurrency or "all")

    def _content(self, arrays: Any, config: Any, step: int) -> Any:
        app = flower("app")
        settings = app.ConfigRecord(dict(config or {}) | {"server-round": step})
        return app.RecordDict({self._arrays_key: arrays, self._config_key: settings})


class Desk:
    """Which nodes work, on which messages.

    Parameters
    ----------
    grid : flwr.serverapp.Grid
    concurrency : int or None
        Nodes that work at a time; None is all.
    poll_s : float
    draw : random.Random
        Chooses among free nodes.
    timeout_s : float
        Time to live of a message and its reply.
    """

    __slots__ = ("_arrived", "_busy", "_concurrency", "_draw", "_grid", "_poll_s", "_timeout_s")

    def __init__(
        self,
        grid: Any,
        concurrency: int | None,
        poll_s: float,
        draw: random.Random,
        timeout_s: float,
    ) -> None:
        self._grid, self._concurrency = grid, concurrency
        self._poll_s, self._draw, self._timeout_s = poll_s, draw, timeout_s
        self._busy: dict[str, int] = {}
        self._arrived: list[Any] = []

    @property
    def busy(self) -> int:
        """Nodes that work."""
        return len(self._busy)

    def hand_out(self, content_for: Callable[[int], Any]) -> None:
        """Send work to free nodes; waits until at least one node works."""
        app = flower("app")
        while True:
            free = sorted(set(self._grid.get_node_ids()) - set(self._busy.values()))
            room = len(free)
            if self._concurrency is not None:
                room = min(room, max(self._concurrency - len(self._busy), 0))
            for node in self._draw.sample(free, room):
                message = app.Message(content_for(node), node, "train", ttl=self._timeout_s)
                self._busy |= dict.fromkeys(self._grid.push_messages([message]), node)
            if self._busy:
                return
            time.sleep(self._poll_s)

    def next_reply(self) -> Any:
        """Wait for a reply, or for the error that stands for one; its node is free then."""
        while not self._arrived:
            self._arrived = list(self._grid.pull_messages(list(self._busy)))
            if not self._arrived:
                time.sleep(self._poll_s)
        reply = self._arrived.pop(0)
        self._busy.pop(reply.metadata.reply_to_message_id)
        return reply


def _evaluate(result: Any, evaluate_fn: Callable[[int, Any], Any] | None, step: int) -> None:
    metrics = None if evaluate_fn is None else evaluate_fn(step, result.arrays)
    if metrics is not None:
        result.evaluate_metrics_serverapp[step] = metrics
