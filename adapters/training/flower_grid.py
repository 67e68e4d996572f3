"""A Flower `Grid` in one process, with a clock of its own: real apps, simulated time, no ray.

A message passes through Flower's serialisation, so that bytes are those of a message and nobody
shares memory, and the client app runs when it is pushed. Its reply comes when the time is over
that the caller's `travel_s` says; looking for replies moves the clock to the next one.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...formulations import checks
from .flower_version import TESTED, flower

_log = logging.getLogger(__name__)

#: Numbers that a run in one process has for itself.
_RUN_ID, _SERVER_ID, _TASK_ID = 1, 1, 1
#: Where Flower looks for them when the server makes a message.
_IDENTITY = {"_task_id": _TASK_ID, "_run_id": _RUN_ID, "_node_id": _SERVER_ID}


@dataclass(frozen=True, slots=True)
class Trip:
    """A message to a node and its reply.

    Attributes
    ----------
    node : int
        Index of the node.
    message_type : str
    pushed_s : float
        Time at which the message left the server.
    arrived_s : float
        Time at which the reply is there, infinite if it never is.
    down_bytes, up_bytes : int
        Sizes of the two messages, serialised.
    """

    node: int
    message_type: str
    pushed_s: float
    arrived_s: float
    down_bytes: int
    up_bytes: int


class VirtualGrid:
    """Runs a `ServerApp` and the `ClientApp` of many nodes in this process.

    Parameters
    ----------
    client_app : flwr.clientapp.ClientApp
    nodes : int
        How many there are.
    travel_s : callable, optional
        Given the node's index, the time now, and the bytes of message and reply, the seconds from
        one to the other, training included; infinite for a reply that is lost. 0 unless given.
    node_configs : sequence of mapping, optional
        `Context.node_config` of each node; "partition-id" and "num-partitions" unless given.
    run_config : mapping, optional
        `Context.run_config` of all.

    Attributes
    ----------
    now_s : float
        Time since the start.
    trips : list of Trip
        All messages so far.

    Notes
    -----
    It counts as a `flwr.serverapp.Grid`. Messages of one node are worked on in the order in which
    they are pushed. A reply that takes longer than the message's time to live is an error, as in
    Flower. An app that fails sends an error; its words are in the log.

    Raises
    ------
    ImportError
        If Flower is missing, or keeps what a run in one process needs elsewhere.
    """

    def __init__(
        self,
        client_app: Any,
        nodes: int,
        *,
        travel_s: Callable[[int, float, int, int], float] | None = None,
        node_configs: Sequence[Mapping[str, Any]] | None = None,
        run_config: Mapping[str, Any] | None = None,
    ) -> None:
        count = checks.whole("VirtualGrid.nodes", nodes, low=1)
        if node_configs is None:
            node_configs = [{"partition-id": k, "num-partitions": count} for k in range(count)]
        if len(node_configs) != count:
            checks.fail("VirtualGrid.node_configs", len(node_configs), f"one of {count} nodes")
        app = flower("app")
        flower("serverapp").Grid.register(VirtualGrid)
        self._identity = _identity()
        self._run = flower("supercore.run").Run.create_empty(run_id=_RUN_ID)
        self._client_app = client_app
        self._travel_s = travel_s or (lambda node, now_s, down_bytes, up_bytes: 0.0)
        self._run_config = dict(run_config or {})
        self._contexts = {
            _SERVER_ID + 1 + k: app.Context(
                run_id=_RUN_ID,
                node_id=_SERVER_ID + 1 + k,
                node_config=dict(config),
                state=app.RecordDict(),
                run_config=dict(self._run_config),
            )
            for k, config in enumerate(node_configs)
        }
        self._waiting: dict[str, tuple[float, Any]] = {}
        self._pushed = 0
        self.now_s = 0.0
        self.trips: list[Trip] = []

    def serve(self, server_app: Any) -> Any:
        """Run a `ServerApp` on this grid; returns its `Context`."""
        app = flower("app")
        context = app.Context(
            run_id=_RUN_ID,
            node_id=_SERVER_ID,
            node_config={},
            state=app.RecordDict(),
            run_config=dict(self._run_config),
        )
        before = {name: getattr(self._identity, name) for name in _IDENTITY}
        for name, number in _IDENTITY.items():
            setattr(self._identity, name, number)
        try:
            server_app(self, context)
        finally:
            for name, number in before.items():
                setattr(self._identity, name, number)
        return context

    def context(self, node: int) -> Any:
        """The `Context` of a node, by index."""
        return self._contexts[_SERVER_ID + 1 + node]

    @property
    def run(self) -> Any:
        """Information about the run."""
        return self._run

    def set_run(self, run: Any) -> None:
        """Take information about the run."""
        self._run = run

    def create_message(
        self,
        content: Any,
        message_type: str,
        dst_node_id: int,
        group_id: str,
        ttl: float | None = None,
    ) -> Any:
        """Make a message; `flwr.app.Message` does the same."""
        message = flower("app").Message
        return message(content, dst_node_id, message_type, ttl=ttl, group_id=group_id)

    def get_node_ids(self) -> Iterable[int]:
        """Flower's numbers of the nodes."""
        return list(self._contexts)

    def get_nodes(self) -> Iterable[Any]:
        """Flower's information about the nodes."""
        info = flower("proto.node_pb2").NodeInfo
        return [info(node_id=node_id) for node_id in self._contexts]

    def push_messages(self, messages: Iterable[Any]) -> Iterable[str]:
        """Send messages; their numbers are returned, under which replies are pulled."""
        return [self._push(message) for message in messages]

    def pull_messages(self, message_ids: Iterable[str]) -> Iterable[Any]:
        """Replies to messages that are there.

        If none is, the clock moves to the first; so nothing comes back only for messages that are
        not under way.
        """
        wanted = [key for key in message_ids if key in self._waiting]
        if wanted:
            self.now_s = max(self.now_s, min(self._waiting[key][0] for key in wanted))
        return self._arrived(wanted)

    def send_and_receive(
        self, messages: Iterable[Any], *, timeout: float | None = None
    ) -> Iterable[Any]:
        """Send messages and wait for all replies, at most `timeout` seconds of the grid's time."""
        keys = list(self.push_messages(messages))
        if keys:
            until = max(self._waiting[key][0] for key in keys)
            if timeout is not None:
                until = min(until, self.now_s + timeout)
            self.now_s = max(self.now_s, until)
        return self._arrived(keys)

    def _arrived(self, keys: Iterable[str]) -> list[Any]:
        """Replies that are there by now, in the order in which they came."""
        there = [key for key in keys if self._waiting[key][0] <= self.now_s]
        there.sort(key=lambda key: self._waiting[key][0])
        return [self._waiting.pop(key)[1] for key in there]

    def _push(self, message: Any) -> str:
        """Run the node's app on a message; its reply waits for its time."""
        self._pushed += 1
        key = f"message-{self._pushed}"
        message.metadata.__dict__["_message_id"] = key  # as Flower's own grids do
        node_id = message.metadata.dst_node_id
        if node_id not in self._contexts:
            checks.fail("message.metadata.dst_node_id", node_id, f"one of {list(self._contexts)}")
        received, down_bytes = _passed_on(message)
        reply, up_bytes = _passed_on(self._worked_on(received, self._contexts[node_id]))
        node = node_id - _SERVER_ID - 1
        travel_s = float(self._travel_s(node, self.now_s, down_bytes, up_bytes))
        if math.isnan(travel_s) or travel_s < 0.0:
            checks.fail(f"VirtualGrid.travel_s({node}, ...)", travel_s, "a number >= 0")
        kind = message.metadata.message_type
        arrived_s = self.now_s + travel_s
        self.trips.append(Trip(node, kind, self.now_s, arrived_s, down_bytes, up_bytes))
        if travel_s > message.metadata.ttl:
            arrived_s = self.now_s + message.metadata.ttl
            code = flower("common.constant").ErrorCode.REPLY_MESSAGE_UNAVAILABLE
            reply = _error(received, code, f"no reply of node {node} in time")
        self._waiting[key] = (arrived_s, reply)
        return key

    def _worked_on(self, message: Any, context: Any) -> Any:
        try:
            return self._client_app(message, context)
        except Exception as error:  # an app may raise anything; a real node answers all the same
            _log.warning("node %d failed", context.node_id, exc_info=True)
            code = flower("common.constant").ErrorCode.CLIENT_APP_RAISED_EXCEPTION
            return _error(message, code, f"{type(error).__name__}: {error}")


def _identity() -> Any:
    """Flower's identity of this process, which its own runs set and no public call does."""
    identity = flower("supercore.task_identity").TaskIdentity
    if not all(hasattr(identity, name) for name in _IDENTITY):
        tested = ".".join(map(str, TESTED))
        raise ImportError(f"VirtualGrid does not know this Flower: expected one like {tested}")
    return identity


def _error(message: Any, code: int, reason: str) -> Any:
    app = flower("app")
    return app.Message(app.Error(code, reason), reply_to=message)


def _passed_on(message: Any) -> tuple[Any, int]:
    """A message as the other side has it, and its size in bytes."""
    serde = flower("common.serde")
    packed = serde.message_to_proto(message)
    return serde.message_from_proto(packed), packed.ByteSize()
