"""A Flower server's side of compressed training, the same for every strategy."""

from __future__ import annotations

import json
import logging
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import numpy as np

from ...formulations import checks
from ...formulations.compression.aggregation import Server
from ...formulations.compression.updates import Outcome, Receipt, Update
from .flower_version import flower
from .flower_wire import KEY, PACKED, STYPE, Layout, arrays_of, keys_of, receipts_text

_log = logging.getLogger(__name__)


class Exchange:
    """A model, and what is said about it between its server and the nodes.

    Parameters
    ----------
    record : flwr.app.ArrayRecord
        The first model.
    make_server : callable
        Given its floating-point arrays by name, the `Server` that moves them.
    arrays_key : str
        Key of the model's `ArrayRecord` in messages.
    weighted_by_key : str
        Key of an update's weight in the `MetricRecord` of a reply.

    Attributes
    ----------
    server : Server
    """

    __slots__ = ("_arrays_key", "_layout", "_receipts", "_weighted_by_key", "_whole", "server")

    def __init__(
        self,
        record: Any,
        make_server: Callable[[Any], Server],
        *,
        arrays_key: str,
        weighted_by_key: str,
    ) -> None:
        arrays = arrays_of(record)
        self._layout = Layout.of(arrays)
        self._whole = {name: a for name, a in arrays.items() if name not in self._layout.shapes}
        self.server = make_server({name: arrays[name] for name in self._layout.shapes})
        self._arrays_key, self._weighted_by_key = arrays_key, weighted_by_key
        self._receipts: dict[str, list[Receipt]] = defaultdict(list)

    def record(self) -> Any:
        """The present model as an `ArrayRecord`; whole numbers are those that came last."""
        app = flower("app")
        arrays = self.server.weights | self._whole
        return app.ArrayRecord({name: app.Array(np.asarray(a)) for name, a in arrays.items()})

    def addressed(self, content: Any, node_id: int) -> Any:
        """A copy of a message's content with the model's version and the node's receipts."""
        app = flower("app")
        receipts = receipts_text(self._receipts.pop(str(node_id), []))
        order = app.ConfigRecord({"version": self.server.version, "receipts": receipts})
        return app.RecordDict(dict(content.items()) | {KEY: order})

    def take(self, reply: Any) -> Receipt | None:
        """Give a reply's update to the server.

        Returns
        -------
        Receipt or None
            None where the reply is an error or holds no update of this model; that is logged.
        """
        node = str(reply.metadata.src_node_id)
        if reply.has_error():
            _log.warning("node %s: %s", node, reply.error.reason)
            return None
        try:
            update = self._update(node, reply.content)
        except (KeyError, TypeError, ValueError) as error:  # whatever a client may send
            _log.warning("node %s: no update: %s", node, error)
            return None
        receipt = self.server.receive(update)
        self._receipts[node].append(receipt)
        if receipt.outcome is Outcome.REFUSED:
            _log.warning("node %s: %s", node, receipt.reason)
        if receipt.is_taken:
            arrived = reply.content[self._arrays_key]
            self._whole = {
                name: arrived[name].numpy() if name in arrived else own
                for name, own in self._whole.items()
            }
        return receipt

    def _update(self, node: str, content: Any) -> Update:
        slip, packed = content[KEY], content[self._arrays_key][PACKED]
        if packed.stype != STYPE:
            checks.fail("packed array stype", packed.stype, repr(STYPE))
        vector = self._layout.unpacked(packed.data)
        (metrics,) = content.metric_records.values()
        return Update(
            node,
            slip["base-version"],
            slip["sequence"],
            self._layout.parts(vector),
            metrics[self._weighted_by_key],
            keys_of(json.loads(slip["replaces"])),
        )
