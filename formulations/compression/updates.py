"""What nodes send to a server of a model, and what it answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import checks

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: Name under which a model or an update of a single array is kept.
WHOLE = ""

#: Base version and sequence: what an update of a node is known by.
Key = tuple[int, int]


def tensors_of(where: str, value: Any) -> dict[str, NDArray[Any]]:
    """Arrays by name; a single array stands under the name `WHOLE`.

    Raises
    ------
    InputError
        For a name that is no string, or for what is no array of real numbers.
    """
    if not isinstance(value, Mapping):
        return {WHOLE: _array(where, value)}
    for name in value:
        checks.text(f"{where} name", name)
    return {name: _array(f"{where}[{name!r}]", array) for name, array in value.items()}


def _array(where: str, value: Any) -> NDArray[Any]:
    try:
        array = np.asarray(value)
    except ValueError:
        checks.fail(where, type(value).__name__, "an array")
    if array.dtype.kind not in "fiu":
        checks.fail(f"{where} dtype", str(array.dtype), "an array of real numbers")
    return array


@dataclass(frozen=True, slots=True, eq=False)
class Update:
    """A change that a node proposes to the weights of a version of the model.

    Parameters
    ----------
    node : str
    base_version : int
        Version of the model that the node started from.
    sequence : int
        The node's own count of its updates, increasing; with `node` and `base_version` it names
        the update, so that a second copy is known.
    delta : array or mapping of str to array
        What to add to the weights: the node's weights minus those of `base_version` (a
        pseudo-gradient with a minus before it). The arrays are not copied.
    weight : float
        What it counts beside others, the number of samples for example; above 0.
    replaces : tuple of (base version, sequence)
        Earlier updates of the node whose content this one carries again, because the node took
        them for lost (`Outbox` fills it in). Each content counts once.

    Notes
    -----
    Values that are not finite, or shapes that do not fit, are for the server to refuse.
    """

    node: str
    base_version: int
    sequence: int
    delta: NDArray[Any] | Mapping[str, NDArray[Any]]
    weight: float = 1.0
    replaces: tuple[Key, ...] = ()

    def __post_init__(self) -> None:
        put = object.__setattr__
        checks.text("Update.node", self.node)
        where = f"Update[{self.node!r}]"
        put(self, "base_version", checks.whole(f"{where}.base_version", self.base_version))
        put(self, "sequence", checks.whole(f"{where}.sequence", self.sequence))
        put(self, "weight", checks.real(f"{where}.weight", self.weight, strict=True))
        arrays = tensors_of(f"{where}.delta", self.delta)
        put(self, "delta", arrays if isinstance(self.delta, Mapping) else arrays[WHOLE])
        rows = [
            tuple(checks.whole(f"{where}.replaces[{k}]", part) for part in row)
            for k, row in enumerate(self.replaces)
        ]
        for k, row in enumerate(rows):
            if len(row) != 2 or row == self.key:
                expected = "base version and sequence of another update"
                checks.fail(f"{where}.replaces[{k}]", row, expected)
        put(self, "replaces", tuple(rows))

    @property
    def key(self) -> Key:
        """Base version and sequence."""
        return self.base_version, self.sequence

    @property
    def tensors(self) -> dict[str, NDArray[Any]]:
        """The arrays of `delta` by name."""
        return tensors_of(f"Update[{self.node!r}].delta", self.delta)


class Outcome(Enum):
    """What became of an update."""

    #: It waits in the buffer and will count.
    ACCEPTED = "accepted"
    #: It counted: the model of the receipt's version holds it.
    MERGED = "merged"
    #: It is here already, waiting or counted; this copy changes nothing.
    DUPLICATE = "duplicate"
    #: A later update of its node took its place; it does not count.
    SUPERSEDED = "superseded"
    #: It carries again what counted already (`Receipt.counted`); it does not count.
    OVERLAP = "overlap"
    #: The model moved on too far since its base version; it does not count.
    TOO_LATE = "too_late"
    #: It does not fit the model, or is not finite; it does not count.
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Receipt:
    """A server's answer to an update.

    Attributes
    ----------
    node, base_version, sequence
        Of the update.
    outcome : Outcome
    version : int
        Version of the model after the update.
    reason : str
        In words, for people; empty where the outcome says it all.
    counted : tuple of (base version, sequence)
        Updates that an OVERLAP carries again and that the model holds already.
    """

    node: str
    base_version: int
    sequence: int
    outcome: Outcome
    version: int
    reason: str = ""
    counted: tuple[Key, ...] = ()

    @property
    def is_taken(self) -> bool:
        """Whether the content of the update counts, or will."""
        return self.outcome in (Outcome.ACCEPTED, Outcome.MERGED, Outcome.DUPLICATE)
