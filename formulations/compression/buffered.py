"""The buffer of FedAvg and FedBuff: updates wait until they are enough, then the model moves once.

Sets and letters
    i in B       updates that wait, Delta_i the change that each proposes
    w_i, s_i     weight of an update, and s(d_i) of its staleness d_i
    eta          rate of the server
Step
    w <- w + eta * (sum_i w_i s_i Delta_i) / (sum_i w_i)         normalise = "count"
    w <- w + eta * (sum_i w_i s_i Delta_i) / (sum_i w_i s_i)     normalise = "weights"
    w <- w + eta * rule of the votes s_i Delta_i                 with a robust rule
With every weight 1, the first is the step of FedBuff, sum / K. Where a node has one vote (FedAvg,
robust rules), the Delta_i of its waiting updates, each with its s_i, add up to one vote with the
greatest of their weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import checks
from .ledger import Ledger, Mark, entry, table
from .robust import Rule
from .staleness import Staleness, damping
from .updates import Key, Outcome, Receipt, Update
from .versions import Model, saved

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

NORMALISE = ("count", "weights")

#: Elements of every vote that are added up at a time, so that they stay in cache.
_BLOCK = 1 << 15


class BufferedServer:
    """What `FedAvg` and `FedBuff` share; use one of these.

    The waiting updates are added in the order of their nodes and keys: in whatever order those of
    one buffer came, the step is the same to the last bit.
    """

    __slots__ = (
        "_by_node",
        "_ledger",
        "_max_staleness",
        "_model",
        "_normalise",
        "_rule",
        "_server_rate",
        "_size",
        "_staleness",
        "_waiting",
    )

    def __init__(
        self,
        weights: Any,
        size: int,
        *,
        staleness: Staleness,
        normalise: str,
        rule: Rule | None,
        server_rate: float,
        max_staleness: int | None,
        by_node: bool,
    ):
        where = type(self).__name__
        self._model = Model(where, weights)
        self._size = checks.whole(f"{where} buffer", size, low=1)
        self._normalise = checks.known(f"{where}.normalise", normalise, NORMALISE)
        self._server_rate = checks.real(f"{where}.server_rate", server_rate, strict=True)
        if max_staleness is not None:
            max_staleness = checks.whole(f"{where}.max_staleness", max_staleness)
        if rule is not None and rule.least > self._size:
            checks.fail(f"{where} buffer", size, f"at least the {rule.least} votes of {rule}")
        if rule is not None and normalise != "count":
            checks.fail(f"{where}.normalise", normalise, "'count' beside a rule")
        self._max_staleness = max_staleness
        self._staleness = staleness
        self._rule = rule
        self._by_node = by_node
        self._ledger = Ledger()
        self._waiting: dict[tuple[str, Key], Update] = {}

    @property
    def weights(self) -> Any:
        """The model, in the form in which it was given; read-only, and it stays as it is."""
        return self._model.weights

    @property
    def version(self) -> int:
        """Steps that the model has taken."""
        return self._model.version

    @property
    def waiting(self) -> int:
        """Updates in the buffer."""
        return len(self._waiting)

    def receive(self, update: Update) -> Receipt:
        """Take an update, or say why not; the model moves when the buffer is full.

        Parameters
        ----------
        update : Update
            Its arrays are copied.

        Returns
        -------
        Receipt
            Of the outcomes, in this order: DUPLICATE or SUPERSEDED for a key that is known,
            REFUSED for arrays that do not fit or are not finite, TOO_LATE beyond the greatest
            staleness, OVERLAP where the model holds what the update `replaces`. Otherwise what it
            replaces leaves the buffer or, if it comes later, counts no more, and the update
            waits, ACCEPTED, or completes the buffer, MERGED. A step whose weights would overflow
            is not taken: its updates are dropped, and this one is REFUSED.
        """
        refused = self._model.objection(update, self._ledger, self._max_staleness)
        if refused is not None:
            return refused
        node = update.node
        counted = tuple(k for k in update.replaces if self._ledger.mark(node, k) is Mark.COUNTED)
        if counted:
            return self._model.answer(update, Outcome.OVERLAP, counted=counted)
        for key in update.replaces:
            self._waiting.pop((node, key), None)
        self._ledger.put(node, update.replaces, Mark.SUPERSEDED)
        self._ledger.put(node, [update.key], Mark.WAITING)
        self._waiting[node, update.key] = replace(update, delta=self._copied(update))
        if self._votes() < self._size:
            return self._model.answer(update, Outcome.ACCEPTED)
        if self._step():
            return self._model.answer(update, Outcome.MERGED)
        return self._model.answer(update, Outcome.REFUSED, "the step would overflow the weights")

    def flush(self) -> int:
        """Take a step with what waits, if that is enough for a step at all.

        Returns
        -------
        int
            The version after it.
        """
        if self._votes() >= (self._rule.least if self._rule is not None else 1):
            self._step()
        return self.version

    def _copied(self, update: Update) -> Any:
        own = self._model.tensors
        copies = {
            name: np.array(array, dtype=np.result_type(array, own[name]))
            for name, array in update.tensors.items()
        }
        return self._model.shaped(copies)

    def _votes(self) -> int:
        return len({node for node, _ in self._waiting} if self._by_node else self._waiting)

    def _step(self) -> bool:
        """Move the model by all that waits; False where it overflows. The buffer is empty after."""
        parts = [self._waiting[place] for place in sorted(self._waiting)]
        delay = np.array([self.version - part.base_version for part in parts], dtype=np.int64)
        scale = damping(type(self).__name__, self._staleness, delay)
        voter = np.arange(len(parts))
        if self._by_node:
            voter = np.unique([part.node for part in parts], return_inverse=True)[1]
        share = self._shares(np.array([part.weight for part in parts]), scale, voter)
        new = {}
        for name, own in self._model.tensors.items():
            rows = [part.tensors[name].reshape(-1) for part in parts]
            moved = own.astype(np.float64).reshape(-1)
            moved += self._server_rate * self._combined(rows, scale, voter, share)
            new[name] = moved.reshape(own.shape)
        self._waiting = {}
        for part in parts:
            self._ledger.put(part.node, [part.key], Mark.COUNTED)
        return self._model.move(new)

    def _shares(self, weight: Floats, scale: Floats, voter: NDArray[np.int64]) -> Floats:
        """Factor of each vote, shape (voters,)."""
        own, damped = np.zeros((2, voter.max() + 1))
        np.maximum.at(own, voter, weight)
        np.maximum.at(damped, voter, weight * scale)
        share: Floats = own / (own if self._normalise == "count" else damped).sum()
        return share

    def _combined(
        self,
        rows: list[NDArray[Any]],
        scale: Floats,
        voter: NDArray[np.int64],
        share: Floats,
    ) -> Floats:
        """One change of all, shape (size,), of the changes of the updates, each (size,)."""
        whole = np.empty(len(rows[0]))
        for start in range(0, len(whole), _BLOCK):
            piece = slice(start, min(start + _BLOCK, len(whole)))
            votes = np.zeros((len(share), piece.stop - start))
            for row, factor, vote in zip(rows, scale, voter, strict=True):
                votes[vote] += factor * row[piece]
            whole[piece] = share @ votes if self._rule is None else self._rule(votes)
        return whole

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """Model, ledger and buffer as arrays, for `numpy.savez`; options are not among them."""
        parts = [self._waiting[place] for place in sorted(self._waiting)]
        rows = [(k, *key) for k, part in enumerate(parts) for key in part.replaces]
        state = self._model.state_dict() | self._ledger.state_dict()
        state["waiting/node"] = np.array([part.node for part in parts], dtype=np.str_)
        state["waiting/rows"] = np.array([p.key for p in parts], dtype=np.int64).reshape(-1, 2)
        state["waiting/weight"] = np.array([part.weight for part in parts], dtype=np.float64)
        state["waiting/replaces"] = np.array(rows, dtype=np.int64).reshape(-1, 3)
        for k, part in enumerate(parts):
            state |= saved(f"waiting/{k}", part.tensors)
        return state

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a saved state.

        Raises
        ------
        InputError
            Where entries are missing or do not fit the model; nothing is changed then.
        """
        where = f"{type(self).__name__} state"
        version, tensors = self._model.read(where, state)
        ledger = Ledger.of(where, state)
        weight = entry(where, state, "waiting/weight")
        replaces = entry(where, state, "waiting/replaces").tolist()
        waiting = {}
        for k, (node, row) in enumerate(zip(*table(where, state, "waiting", 2), strict=True)):
            delta = self._model.shaped(self._model.read_tensors(where, state, f"waiting/{k}"))
            earlier = tuple((base, sequence) for owner, base, sequence in replaces if owner == k)
            part = Update(node, row[0], row[1], delta, float(weight[k]), earlier)
            waiting[node, part.key] = part
        self._model.version, self._model.tensors = version, tensors
        self._ledger, self._waiting = ledger, waiting
