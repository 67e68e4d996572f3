"""Servers that make one model of the updates of many nodes, also of those that come late.

`FedAvg` waits for the round, `FedBuff` for any K updates, `FedAsync` for none. All three know an
update by its node, base version and sequence, so that copies, losses and any order of arrival are
data: each update is answered with a `Receipt`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from .. import checks
from .buffered import NORMALISE as NORMALISE
from .buffered import BufferedServer
from .ledger import Ledger, Mark
from .robust import Rule
from .staleness import Constant, Polynomial, Staleness, damping
from .updates import Outcome, Receipt, Update
from .versions import Model, saved

if TYPE_CHECKING:
    from numpy.typing import NDArray

_POLYNOMIAL = Polynomial()


class Server(Protocol):
    """A model and the updates that move it."""

    @property
    def weights(self) -> Any:
        """The model, in the form in which it was given, read-only."""
        ...

    @property
    def version(self) -> int:
        """Steps that the model has taken."""
        ...

    def receive(self, update: Update) -> Receipt:
        """Take an update, or say why not."""
        ...

    def flush(self) -> int:
        """Take a step with what waits, if anything does; the version after it."""
        ...

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """All but the options, as arrays."""
        ...

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a saved state."""
        ...


class FedAvg(BufferedServer):
    """Rounds: the weighted mean of one change from each node, all made on the present version.

    Parameters
    ----------
    weights : array or mapping of str to array
        The first model; float16, float32 or float64. Copied.
    nodes : int
        Nodes whose updates complete a round; `flush` closes it with fewer.
    rule : Rule, optional
        `Median` or `TrimmedMean` in place of the mean; it does not look at `Update.weight`.
    server_rate : float
        What the mean is multiplied by.

    Notes
    -----
    McMahan et al.: Communication-Efficient Learning of Deep Networks from Decentralized Data
    (AISTATS 2017). An update on an earlier version is TOO_LATE. Several updates of a node in one
    round add up to its one vote.
    """

    __slots__ = ()

    def __init__(
        self,
        weights: Any,
        nodes: int,
        *,
        rule: Rule | None = None,
        server_rate: float = 1.0,
    ):
        super().__init__(
            weights,
            nodes,
            staleness=Constant(),
            normalise="count",
            rule=rule,
            server_rate=server_rate,
            max_staleness=0,
            by_node=True,
        )


class FedBuff(BufferedServer):
    """A step with every K updates, whoever sent them, the stale ones damped.

    Parameters
    ----------
    weights : array or mapping of str to array
        The first model; float16, float32 or float64. Copied.
    size : int
        Updates of a step, K; with a rule, nodes.
    staleness : Staleness
        Weight of an update by its staleness.
    normalise : {"count", "weights"}
        Divide the damped changes by the sum of `Update.weight` (K where all are 1), so that a
        buffer of stale updates is a small step, or by the sum of the damped weights, so that it is
        a whole one.
    rule : Rule, optional
        `Median` or `TrimmedMean` in place of the mean, one vote a node; it does not look at
        `Update.weight`.
    server_rate : float
        What the mean is multiplied by, eta.
    max_staleness : int, optional
        Updates with more are TOO_LATE; none are unless given.

    Notes
    -----
    Nguyen et al.: Federated Learning with Buffered Asynchronous Aggregation (AISTATS 2022). That
    paper subtracts w_base - w_i; a `delta` is the negative of that and is added.
    """

    __slots__ = ()

    def __init__(
        self,
        weights: Any,
        size: int = 10,
        *,
        staleness: Staleness = _POLYNOMIAL,
        normalise: str = "count",
        rule: Rule | None = None,
        server_rate: float = 1.0,
        max_staleness: int | None = None,
    ):
        super().__init__(
            weights,
            size,
            staleness=staleness,
            normalise=normalise,
            rule=rule,
            server_rate=server_rate,
            max_staleness=max_staleness,
            by_node=rule is not None,
        )


class FedAsync:
    """A step with every update: w <- (1 - a) w + a w_i with a = a_0 s(d).

    Parameters
    ----------
    weights : array or mapping of str to array
        The first model; float16, float32 or float64. Copied.
    mixing : float
        a_0, above 0 and at most 1.
    staleness : Staleness
        Weight of an update by its staleness.
    max_staleness : int
        Updates with more are TOO_LATE. The server keeps this many past models, for the model of a
        node is w_i = w_base + delta.

    Notes
    -----
    Xie, Koyejo, Gupta: Asynchronous Federated Optimization (arXiv 1903.03934, 2019), algorithm 1.
    A node's model holds all that it learnt: of a node, only an update later than the last one
    taken is taken, an earlier one is SUPERSEDED. `Update.weight` and `Update.replaces` play no
    part.
    """

    __slots__ = ("_ledger", "_max_staleness", "_mixing", "_model", "_past", "_staleness")

    def __init__(
        self,
        weights: Any,
        *,
        mixing: float = 0.6,
        staleness: Staleness = _POLYNOMIAL,
        max_staleness: int = 16,
    ):
        self._model = Model("FedAsync", weights)
        self._mixing = checks.between("FedAsync.mixing", mixing, 0.0, 1.0)
        if not self._mixing:
            checks.fail("FedAsync.mixing", mixing, "a number above 0")
        self._max_staleness = checks.whole("FedAsync.max_staleness", max_staleness)
        self._staleness = staleness
        self._ledger = Ledger()
        self._past = {0: self._model.tensors}

    @property
    def weights(self) -> Any:
        """The model, in the form in which it was given; read-only, and it stays as it is."""
        return self._model.weights

    @property
    def version(self) -> int:
        """Steps that the model has taken."""
        return self._model.version

    def receive(self, update: Update) -> Receipt:
        """Mix the model of a node in, or say why not.

        Returns
        -------
        Receipt
            Of the outcomes, in this order: DUPLICATE for a key that counted, REFUSED for arrays
            that do not fit or are not finite, TOO_LATE beyond the greatest staleness, SUPERSEDED
            where a later update of the node counted, REFUSED where the mixture would overflow,
            else MERGED.
        """
        refused = self._model.objection(update, self._ledger, self._max_staleness)
        if refused is not None:
            return refused
        latest = self._ledger.latest(update.node)
        if latest is not None and latest > update.key:
            return self._model.answer(update, Outcome.SUPERSEDED)
        base, tensors = self._past[update.base_version], update.tensors
        delay = np.array([self.version - update.base_version])
        share = self._mixing * damping("FedAsync", self._staleness, delay)[0]
        new = {
            name: (1 - share) * own.astype(np.float64)
            + share * (base[name].astype(np.float64) + tensors[name])
            for name, own in self._model.tensors.items()
        }
        if not self._model.move(new):
            reason = "the mixture would overflow the weights"
            return self._model.answer(update, Outcome.REFUSED, reason)
        self._ledger.put(update.node, [update.key], Mark.COUNTED)
        self._past[self.version] = self._model.tensors
        self._past.pop(self.version - self._max_staleness - 1, None)
        return self._model.answer(update, Outcome.MERGED)

    def flush(self) -> int:
        """Nothing ever waits; the version."""
        return self.version

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """Models and ledger as arrays, for `numpy.savez`; options are not among them."""
        state = self._model.state_dict() | self._ledger.state_dict()
        for version in range(min(self._past), self.version):
            state |= saved(f"past/{version}", self._past[version])
        return state

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a saved state.

        Raises
        ------
        InputError
            Where entries are missing or do not fit the model; nothing is changed then.
        """
        where = "FedAsync state"
        version, tensors = self._model.read(where, state)
        ledger = Ledger.of(where, state)
        first = max(version - self._max_staleness, 0)
        past = {
            k: self._model.read_tensors(where, state, f"past/{k}") for k in range(first, version)
        }
        self._model.version, self._model.tensors = version, tensors
        self._ledger, self._past = ledger, past | {version: tensors}
