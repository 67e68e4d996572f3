"""The sender's side: what a message left out, and what was in one that never came through.

The content of every change is in exactly one place: in the residual, in a message on its way, or
with the server. A message that is lost gives its content back to the residual; since a lost one may
still arrive, the next message names it (`Update.replaces`), and the server counts one of the two.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import checks
from .ledger import entry
from .updates import WHOLE, Key, Outcome, Receipt, Update, tensors_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Compress = Callable[[NDArray[Any]], tuple[Any, NDArray[Any]]]

#: Content with fewer values than this share of its elements is kept as positions and values.
_SPARSE = 0.25


@dataclass(frozen=True, slots=True, eq=False)
class Parcel:
    """A message that left the outbox.

    Attributes
    ----------
    update : Update
        What the server has after unpacking: `delta` is what the message holds, exactly.
    message : object or mapping of str to object
        What the compressor made, in the form of the change that was sent.
    """

    update: Update
    message: Any

    @property
    def sequence(self) -> int:
        """Number under which the outbox knows the message."""
        return self.update.sequence


@dataclass(slots=True)
class _Open:
    """A message whose end is not known."""

    base_version: int
    replaces: tuple[Key, ...]
    content: dict[str, tuple[NDArray[np.int64] | None, NDArray[Any]]]
    is_lost: bool = False


class Outbox:
    """Compresses changes and keeps what the server does not have.

    Parameters
    ----------
    node : str
    compressor : callable
        Given an array, which it must not change, returns the message and what the message holds,
        an array of the same shape. It must keep no residual of its own.

    Notes
    -----
    Error feedback: Seide et al.: 1-Bit Stochastic Gradient Descent (Interspeech 2014); Karimireddy
    et al.: Error Feedback Fixes SignSGD (ICML 2019). Messages that are under way cost memory in
    proportion to the values that they hold.
    """

    __slots__ = ("_compressor", "_is_mapping", "_next", "_node", "_open", "_residual")

    def __init__(self, node: str, compressor: Compress):
        self._node = checks.text("Outbox.node", node)
        self._compressor = compressor
        self._residual: dict[str, NDArray[Any]] = {}
        self._is_mapping = False
        self._open: dict[int, _Open] = {}
        self._next = 0

    @property
    def residual(self) -> Any:
        """A copy of what is neither with the server nor under way; None before the first change."""
        if not self._residual:
            return None
        copies = {name: array.copy() for name, array in self._residual.items()}
        return copies if self._is_mapping else copies[WHOLE]

    @property
    def under_way(self) -> tuple[int, ...]:
        """Sequences of messages that are neither acknowledged nor lost."""
        return tuple(k for k, sent in self._open.items() if not sent.is_lost)

    def send(self, delta: Any, *, base_version: int, weight: float = 1.0) -> Parcel:
        """Compress a change together with the residual.

        Parameters
        ----------
        delta : array or mapping of str to array
            Of the same form, names and shapes every time.
        base_version : int
            Version of the model on which the change was made.
        weight : float

        Raises
        ------
        InputError
            For values that are not finite, another shape than before, or a compressor that
            returns one; nothing is changed then.
        """
        where = f"Outbox[{self._node!r}]"
        whole = self._added(where, delta)
        packed = {name: self._compressor(array) for name, array in whole.items()}
        sent = {name: np.array(content, order="C") for name, (_, content) in packed.items()}
        _fits(f"{where} content", sent, whole)
        _finite(f"{where} content", sent)
        lost = [(k, row) for k, row in self._open.items() if row.is_lost]
        replaces = tuple((row.base_version, k) for k, row in lost)
        is_mapping = isinstance(delta, Mapping)
        content = sent if is_mapping else sent[WHOLE]
        update = Update(self._node, base_version, self._next, content, weight, replaces)
        messages = {name: message for name, (message, _) in packed.items()}
        self._is_mapping = is_mapping
        self._residual = {
            name: np.subtract(array, sent[name], out=np.empty_like(array), casting="same_kind")
            for name, array in whole.items()
        }
        packs = {name: _pack(array) for name, array in sent.items()}
        self._open[self._next] = _Open(update.base_version, replaces, packs)
        self._next += 1
        return Parcel(update, messages if is_mapping else messages[WHOLE])

    def acknowledge(self, sequence: int) -> None:
        """The server has the content of a message.

        Of one that was taken for lost, the content leaves the residual again, unless a later
        message that carries it is out: the answer to that one will tell which of them counted.
        """
        sent = self._known(sequence)
        if sent is None:
            return
        if sent.is_lost:
            key = (sent.base_version, sequence)
            if any(key in row.replaces for row in self._open.values()):
                return
        self._close(sequence, sent)

    def lost(self, sequence: int) -> None:
        """A message did not come through, or did not count: its content is residual again."""
        sent = self._known(sequence)
        if sent is not None and not sent.is_lost:
            self._shift(sent, 1)
            sent.is_lost = True

    def settle(self, receipt: Receipt) -> None:
        """Do what a server's answer asks for; answers may come twice and in any order."""
        if receipt.node != self._node:
            checks.fail("Outbox.settle receipt.node", receipt.node, f"{self._node!r}")
        if receipt.is_taken:
            self.acknowledge(receipt.sequence)
            return
        self.lost(receipt.sequence)
        if receipt.outcome is Outcome.OVERLAP:
            for _, earlier in receipt.counted:
                sent = self._known(earlier)
                if sent is not None:
                    self._close(earlier, sent)

    def _added(self, where: str, delta: Any) -> dict[str, NDArray[Any]]:
        """Residual and change together, as new arrays."""
        given = tensors_of(f"{where} delta", delta)
        if not given:
            checks.fail(f"{where} delta", delta, "at least one array")
        own = self._residual or {
            name: np.zeros(array.shape, dtype=np.result_type(array, np.float16))
            for name, array in given.items()
        }
        _fits(f"{where} delta", given, own)
        whole = {
            name: np.add(array, given[name], out=np.empty_like(array), casting="same_kind")
            for name, array in own.items()
        }
        _finite(f"{where} delta and residual", whole)
        return whole

    def _known(self, sequence: int) -> _Open | None:
        """The record of a message; None where its end is known already."""
        if not 0 <= sequence < self._next:
            checks.fail(f"Outbox[{self._node!r}] sequence", sequence, f"one below {self._next}")
        return self._open.get(sequence)

    def _close(self, sequence: int, sent: _Open) -> None:
        """A message counts: what it replaced never will."""
        if sent.is_lost:
            self._shift(sent, -1)
        del self._open[sequence]
        for _, earlier in sent.replaces:
            self._open.pop(earlier, None)

    def _shift(self, sent: _Open, sign: int) -> None:
        """Add the content of a message to the residual, or take it out."""
        for name, (places, values) in sent.content.items():
            flat = self._residual[name].reshape(-1)
            if places is None:
                flat += sign * values
            else:
                flat[places] += sign * values

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """Residual and open messages as arrays, for `numpy.savez`."""
        rows = [(k, sent.base_version, sent.is_lost) for k, sent in self._open.items()]
        replaces = [(k, *key) for k, sent in self._open.items() for key in sent.replaces]
        state: dict[str, NDArray[Any]] = {
            "next": np.array(self._next),
            "is_mapping": np.array(self._is_mapping),
            "names": np.array(list(self._residual), dtype=np.str_),
            "open": np.array(rows, dtype=np.int64).reshape(-1, 3),
            "replaces": np.array(replaces, dtype=np.int64).reshape(-1, 3),
        }
        for name, array in self._residual.items():
            state[f"residual/{name}"] = array.copy()
        for k, sent in self._open.items():
            for name, (places, values) in sent.content.items():
                state[f"values/{k}/{name}"] = values
                if places is not None:
                    state[f"places/{k}/{name}"] = places
        return state

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a saved state.

        Raises
        ------
        InputError
            Where entries are missing; nothing is changed then.
        """
        where = f"Outbox[{self._node!r}] state"
        names = [str(name) for name in entry(where, state, "names")]
        residual = {name: entry(where, state, f"residual/{name}").copy() for name in names}
        replaces = entry(where, state, "replaces").tolist()
        following = checks.whole(f"{where}['next']", entry(where, state, "next"))
        opened = {}
        for k, base, is_lost in entry(where, state, "open").tolist():
            content = {}
            for name in names:
                places = state.get(f"places/{k}/{name}")
                content[name] = (places, entry(where, state, f"values/{k}/{name}"))
            earlier = tuple((b, s) for owner, b, s in replaces if owner == k)
            opened[k] = _Open(base, earlier, content, bool(is_lost))
        self._is_mapping = bool(entry(where, state, "is_mapping"))
        self._residual, self._open, self._next = residual, opened, following


def _fits(where: str, arrays: Mapping[str, NDArray[Any]], like: Mapping[str, NDArray[Any]]) -> None:
    if arrays.keys() != like.keys():
        checks.fail(f"{where} names", sorted(arrays), f"the names {sorted(like)}")
    for name, array in arrays.items():
        if array.shape != like[name].shape:
            checks.fail(f"{where}[{name!r}] shape", array.shape, f"{like[name].shape}")


def _finite(where: str, arrays: Mapping[str, NDArray[Any]]) -> None:
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            checks.fail(f"{where}[{name!r}]", "NaN or inf", "finite values")


def _pack(array: NDArray[Any]) -> tuple[NDArray[np.int64] | None, NDArray[Any]]:
    """Positions and values of an array that is mostly zero; else None and all values, flat."""
    array.flags.writeable = False  # the parcel shows the same values
    flat = array.reshape(-1)
    places = np.flatnonzero(flat)
    return (places, flat[places]) if len(places) < _SPARSE * len(flat) else (None, flat)
