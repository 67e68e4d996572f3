"""The weights that a server keeps, and which updates it turns away before they touch them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import checks
from .ledger import Ledger, Mark, entry
from .updates import WHOLE, Outcome, Receipt, Update, tensors_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

_DTYPES = ("float16", "float32", "float64")


class Model:
    """Weights by name and the number of their version; a new version is new arrays.

    Parameters
    ----------
    where : str
        Owner, for messages.
    weights : array or mapping of str to array
        Of float16, float32 or float64; copied.

    Attributes
    ----------
    version : int
        0 at first, one more with every step.
    tensors : dict of str to array
        Read-only arrays.
    """

    __slots__ = ("_is_mapping", "_where", "tensors", "version")

    def __init__(self, where: str, weights: Any):
        self._where = where
        self._is_mapping = isinstance(weights, Mapping)
        given = tensors_of(f"{where}.weights", weights)
        if not given:
            checks.fail(f"{where}.weights", weights, "at least one array")
        for name, array in given.items():
            checks.known(f"{where}.weights[{name!r}] dtype", str(array.dtype), _DTYPES)
            if not np.isfinite(array).all():
                checks.fail(f"{where}.weights[{name!r}]", "NaN or inf", "finite values")
        self.tensors = {name: _frozen(array.copy()) for name, array in given.items()}
        self.version = 0

    @property
    def weights(self) -> Any:
        """The weights in the form in which they were given, read-only."""
        return self.shaped(self.tensors)

    def shaped(self, tensors: Mapping[str, NDArray[Any]]) -> Any:
        """Arrays by name in the form of the weights: a mapping, or the one array."""
        return dict(tensors) if self._is_mapping else tensors[WHOLE]

    def complaint(self, tensors: Mapping[str, NDArray[Any]]) -> str:
        """Why a change does not fit the weights; empty where it fits."""
        if tensors.keys() != self.tensors.keys():
            names = sorted(tensors.keys() ^ self.tensors.keys())
            return f"arrays {names} are missing or not the model's"
        for name, own in self.tensors.items():
            array, limit = tensors[name], np.finfo(own.dtype)
            if array.shape != own.shape:
                return f"array {name!r} has shape {array.shape}, the model's has {own.shape}"
            # Written so that NaN, which compares false, is found too.
            if array.size and not (array.min() >= limit.min and array.max() <= limit.max):
                return f"array {name!r} has values that are not finite as {own.dtype}"
        return ""

    def move(self, tensors: Mapping[str, NDArray[Any]]) -> bool:
        """Make a new version of these arrays, which are the model's from now on.

        False, and no change, where one overflows.
        """
        with np.errstate(over="ignore"):
            new = {
                name: np.asarray(array, dtype=self.tensors[name].dtype)
                for name, array in tensors.items()
            }
        if not all(np.isfinite(array).all() for array in new.values()):
            return False
        self.tensors = {name: _frozen(array) for name, array in new.items()}
        self.version += 1
        return True

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """Version and weights as arrays."""
        return {"version": np.array(self.version)} | saved("weights", self.tensors)

    def read(self, where: str, state: Mapping[str, Any]) -> tuple[int, dict[str, NDArray[Any]]]:
        """Version and weights of `state_dict`, checked against these."""
        version = checks.whole(f"{where}['version']", entry(where, state, "version"))
        found = self.read_tensors(where, state, "weights")
        return version, {
            name: _frozen(array.astype(self.tensors[name].dtype)) for name, array in found.items()
        }

    def read_tensors(
        self, where: str, state: Mapping[str, Any], prefix: str
    ) -> dict[str, NDArray[Any]]:
        """Arrays of a saved state that must fit the weights."""
        found = {name: entry(where, state, f"{prefix}/{name}") for name in self.tensors}
        if wrong := self.complaint(found):
            checks.fail(f"{where}[{prefix!r}]", wrong, "arrays like the model's")
        return found

    def answer(self, update: Update, outcome: Outcome, reason: str = "", **more: Any) -> Receipt:
        """The receipt of an update at the present version."""
        return Receipt(update.node, *update.key, outcome, self.version, reason, **more)

    def objection(
        self, update: Update, ledger: Ledger, max_staleness: int | None
    ) -> Receipt | None:
        """The receipt of an update that changes nothing: known, unfit, or too late; else None."""
        if not isinstance(update, Update):
            checks.fail(f"{self._where}.receive", type(update).__name__, "an Update")
        known = ledger.mark(update.node, update.key)
        if known is not None:
            gone = known is Mark.SUPERSEDED
            return self.answer(update, Outcome.SUPERSEDED if gone else Outcome.DUPLICATE)
        if wrong := self.complaint(update.tensors):
            return self.answer(update, Outcome.REFUSED, wrong)
        delay = self.version - update.base_version
        if delay < 0:
            wrong = f"base version {update.base_version} is yet to come"
            return self.answer(update, Outcome.REFUSED, wrong)
        if max_staleness is not None and delay > max_staleness:
            wrong = f"{delay} versions late, at most {max_staleness} are taken"
            return self.answer(update, Outcome.TOO_LATE, wrong)
        return None


def saved(prefix: str, tensors: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Arrays of a state by name below a prefix."""
    return {f"{prefix}/{name}": array for name, array in tensors.items()}


def _frozen(array: NDArray[Any]) -> NDArray[Any]:
    array.flags.writeable = False
    return array
