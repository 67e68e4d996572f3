"""A Flower client's side: a mod that sends packed changes in place of whole models."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ...formulations.compression.codec import Compressor
from ...formulations.compression.outbox import Outbox
from .flower_version import flower
from .flower_wire import KEY, PACKED, STYPE, Layout, Packer, arrays_of, receipts_of


class CompressionMod:
    """Compresses what a `ClientApp` sends back from training.

    ``ClientApp(mods=[CompressionMod(keep_ratio=0.01)])``, or ``@app.train(mods=[...])``; on the
    server, `CompressedFedAvg` or `CompressedAsync`. The app itself receives and returns whole
    models as ever. What a message leaves out, or what did not reach the server, stays in the
    node's `Context.state` and goes with a later message.

    Parameters
    ----------
    keep_ratio : float, or mapping of str to float
        Share of the model's entries that a message carries: the largest of the whole model, or
        with a mapping, by name, of each array.
    bits : int or None, or mapping of str to int or None
        Bits of a value, 2 to 8, or None for numbers as they are.
    levels, threshold, min_kept
        As for `Compressor`.
    arrays_key : str
        Key of the model's `ArrayRecord` in messages.

    Notes
    -----
    Only messages of type "train" are touched. The state takes the memory of one model.
    """

    __slots__ = ("_arrays_key", "_codec")

    def __init__(
        self,
        keep_ratio: float | Mapping[str, float] = 0.01,
        bits: int | Mapping[str, int | None] | None = 8,
        *,
        levels: str = "log",
        threshold: float = 0.0,
        min_kept: int = 1,
        arrays_key: str = "arrays",
    ) -> None:
        self._codec = Compressor(
            keep_ratio,
            bits,
            levels=levels,
            threshold=threshold,
            min_kept=min_kept,
            error_feedback=False,  # the outbox keeps the residual
        )
        self._arrays_key = arrays_key

    def __call__(self, message: Any, context: Any, call_next: Callable[[Any, Any], Any]) -> Any:
        """Let the app train, and pack what it changed.

        Parameters
        ----------
        message : flwr.app.Message
        context : flwr.app.Context
        call_next : callable
            The next mod, or the app.

        Returns
        -------
        flwr.app.Message
            The app's reply, its arrays packed; an error if the message is not from one of the
            strategies here.
        """
        if message.metadata.message_type.partition(".")[0] != "train":
            return call_next(message, context)
        order = message.content.config_records.get(KEY)
        record = message.content.array_records.get(self._arrays_key)
        if order is None or record is None:
            return _refusal(message, self._arrays_key)
        before = arrays_of(record)
        layout = Layout.of(before)
        outbox = Outbox(str(context.node_id), Packer(layout, self._codec))
        if KEY in context.state.array_records:
            outbox.load_state_dict(arrays_of(context.state[KEY]))
        _settle(outbox, str(context.node_id), order["receipts"])
        del message.content[KEY]
        reply = call_next(message, context)
        if not reply.has_error():
            after = arrays_of(reply.content[self._arrays_key])
            change = layout.vector(after) - layout.vector(before)
            parcel = outbox.send(change, base_version=order["version"])
            whole = {name: array for name, array in after.items() if name not in layout.shapes}
            reply.content[self._arrays_key] = _record(parcel.message, whole)
            reply.content[KEY] = _slip(parcel.update)
        app = flower("app")
        state = {key: app.Array(np.asarray(part)) for key, part in outbox.state_dict().items()}
        context.state[KEY] = app.ArrayRecord(state)
        return reply


def _settle(outbox: Outbox, node: str, receipts: str) -> None:
    """Do what the receipts ask for; a message without one is taken for lost.

    The server sends work only when it has given up waiting for an earlier reply. Should that one
    still come, it is counted or what replaces it is, never both.
    """
    for receipt in receipts_of(node, receipts):
        outbox.settle(receipt)
    for sequence in outbox.under_way:
        outbox.lost(sequence)


def _record(message: bytes, whole: Mapping[str, Any]) -> Any:
    """An `ArrayRecord` of packed bytes, and of arrays that are not packed."""
    app = flower("app")
    packed = app.Array("uint8", (len(message),), STYPE, message)
    return app.ArrayRecord({PACKED: packed} | {name: app.Array(a) for name, a in whole.items()})


def _slip(update: Any) -> Any:
    """A `ConfigRecord` that says what an update counts as."""
    return flower("app").ConfigRecord(
        {
            "base-version": update.base_version,
            "sequence": update.sequence,
            "replaces": json.dumps(update.replaces),
        }
    )


def _refusal(message: Any, arrays_key: str) -> Any:
    app, constant = flower("app"), flower("common.constant")
    reason = (
        f"CompressionMod: expected records {arrays_key!r} and {KEY!r} in a message for training; "
        "the server needs CompressedFedAvg or CompressedAsync"
    )
    error = app.Error(constant.ErrorCode.MOD_FAILED_PRECONDITION, reason)
    return app.Message(error, reply_to=message)
