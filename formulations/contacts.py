"""Contact plans: who can talk to whom, from when to when, how fast and how far away.

A contact is directed. A plan holds its contacts as columns (`ContactPlan.arrays`), so that a day
of a mega-constellation stays a few arrays; single contacts come out as `Contact`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from . import checks
from .contact_columns import CONTACT_COLUMNS as CONTACT_COLUMNS
from .contact_columns import ECLIPSE_COLUMNS as ECLIPSE_COLUMNS
from .contact_columns import check_contacts, check_eclipses, clip, columns, merged
from .instants import instant, iso
from .network import KINDS
from .readers import reader

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Contact:
    """One directed opportunity to transmit.

    Parameters
    ----------
    source, target : str
        Names of nodes.
    start_s, end_s : float
        Seconds since the plan's epoch.
    rate_bps : float
        Bits per second.
    delay_s : float
        One-way light time.
    """

    source: str
    target: str
    start_s: float
    end_s: float
    rate_bps: float
    delay_s: float = 0.0

    def __post_init__(self) -> None:
        where = f"Contact[{self.source!r} -> {self.target!r}]"
        checks.text(f"{where}.source", self.source)
        checks.text(f"{where}.target", self.target)
        if self.source == self.target:
            checks.fail(f"{where}.target", self.target, "another node than the source")
        checks.real(f"{where}.start_s", self.start_s, low=-math.inf)
        checks.real(f"{where}.end_s", self.end_s, low=-math.inf)
        if self.end_s <= self.start_s:
            checks.fail(f"{where}.end_s", self.end_s, f"an end after the start, {self.start_s:g}")
        checks.real(f"{where}.rate_bps", self.rate_bps)
        checks.real(f"{where}.delay_s", self.delay_s)

    @property
    def volume_bytes(self) -> float:
        """Bytes that fit into the whole contact."""
        return (self.end_s - self.start_s) * self.rate_bps / 8


@dataclass(frozen=True, slots=True)
class PlanNode:
    """A node of a contact plan.

    Parameters
    ----------
    name : str
    kind : {"ground", "orbital"}, optional
        None where nothing says so (an imported plan).
    plane, slot : int, optional
        Orbital plane, and place within it.
    """

    name: str
    kind: str | None = None
    plane: int | None = None
    slot: int | None = None

    def __post_init__(self) -> None:
        checks.text("PlanNode.name", self.name)
        where = f"PlanNode[{self.name!r}]"
        if self.kind is not None:
            checks.known(f"{where}.kind", self.kind, KINDS)
        for name in ("plane", "slot"):
            if getattr(self, name) is not None:
                checks.whole(f"{where}.{name}", getattr(self, name))


@dataclass(frozen=True, slots=True, eq=False)
class ContactPlan:
    """Contacts between nodes over time.

    Parameters
    ----------
    epoch : datetime
        Second 0 of all times; timezone-aware, kept in UTC.
    nodes : sequence of PlanNode
        A node may have no contact.
    arrays : mapping of str to array
        The contacts as columns of one length: ``source``, ``target`` (positions in `nodes`,
        int32), ``start_s``, ``end_s``, ``rate_bps``, ``delay_s`` (float64). Read-only.
        Contacts of one pair may overlap (two terminals); an exact duplicate is an error.
    eclipses : mapping of str to array, optional
        ``node`` (int32), ``start_s``, ``end_s`` (from the first to the last loss of light, the
        penumbra included), ``umbra_start_s``, ``umbra_end_s`` (NaN where there is no umbra).
    duration_s : float, optional
        The plan covers second 0 to this one; the last end unless given.

    Raises
    ------
    InputError
        Naming the first contact that is wrong and how.
    """

    epoch: datetime
    nodes: Sequence[PlanNode]
    arrays: Mapping[str, NDArray[Any]]
    eclipses: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    duration_s: float | None = None
    _position: dict[str, int] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "epoch", instant("ContactPlan.epoch", self.epoch))
        object.__setattr__(self, "nodes", tuple(self.nodes))
        if not self.nodes:
            checks.fail("ContactPlan.nodes", (), "at least one node")
        for k, node in enumerate(self.nodes):
            if not isinstance(node, PlanNode):
                checks.fail(f"ContactPlan.nodes[{k}]", node, "a PlanNode")
        checks.unique("ContactPlan.nodes name", self.node_names)
        object.__setattr__(self, "_position", {name: k for k, name in enumerate(self.node_names)})
        contacts = columns("ContactPlan.arrays", self.arrays, CONTACT_COLUMNS)
        eclipses = columns("ContactPlan.eclipses", self.eclipses or {}, ECLIPSE_COLUMNS)
        object.__setattr__(self, "arrays", contacts)
        object.__setattr__(self, "eclipses", eclipses)
        check_contacts(contacts, self.node_names)
        check_eclipses(eclipses, len(self.nodes))
        last = max(float(rows["end_s"].max(initial=0.0)) for rows in (contacts, eclipses))
        duration_s = last if self.duration_s is None else self.duration_s
        duration_s = checks.real("ContactPlan.duration_s", duration_s)
        object.__setattr__(self, "duration_s", duration_s)

    # -- building ---------------------------------------------------------------------------------
    @classmethod
    def from_contacts(
        cls,
        contacts: Iterable[Contact],
        *,
        epoch: datetime,
        nodes: Mapping[str, str | None] | Sequence[PlanNode] | None = None,
        duration_s: float | None = None,
    ) -> ContactPlan:
        """Build a plan from single contacts.

        Parameters
        ----------
        contacts : iterable of Contact
        epoch : datetime
            Second 0; timezone-aware.
        nodes : mapping of str to str, or sequence of PlanNode, optional
            Kind (``"ground"`` or ``"orbital"``) by name. Unless given, the names in the contacts,
            in order of appearance, of no kind.
        duration_s : float, optional

        Raises
        ------
        InputError
            For a contact with a node that `nodes` lacks, or an exact duplicate.
        """
        rows = list(contacts)
        for k, row in enumerate(rows):
            if not isinstance(row, Contact):
                checks.fail(f"contacts[{k}]", row, "a Contact")
        if nodes is None:
            names = dict.fromkeys(name for row in rows for name in (row.source, row.target))
            listed = [PlanNode(name) for name in names]
        elif isinstance(nodes, Mapping):
            listed = [PlanNode(name, kind) for name, kind in nodes.items()]
        else:
            listed = list(nodes)
        position = {node.name: k for k, node in enumerate(listed)}
        for k, row in enumerate(rows):
            for end in ("source", "target"):
                if getattr(row, end) not in position:
                    checks.known(f"contacts[{k}].{end}", getattr(row, end), tuple(position))
        arrays = {
            name: np.array(
                [position[getattr(row, name)] for row in rows]
                if name in ("source", "target")
                else [getattr(row, name) for row in rows],
                dtype=dtype,
            )
            for name, dtype in CONTACT_COLUMNS.items()
        }
        return cls(epoch, listed, arrays, duration_s=duration_s)

    # -- looking ----------------------------------------------------------------------------------
    def __len__(self) -> int:
        return len(self.arrays["source"])

    def __repr__(self) -> str:
        return (
            f"ContactPlan({len(self)} contacts, {len(self.nodes)} nodes, "
            f"{len(self.eclipses['node'])} eclipses, {self.duration_s:g} s from {iso(self.epoch)})"
        )

    def __eq__(self, other: object) -> bool:
        """Same epoch, nodes and rows in the same order."""
        if not isinstance(other, ContactPlan):
            return NotImplemented
        return (self.epoch, self.nodes, self.duration_s) == (
            other.epoch,
            other.nodes,
            other.duration_s,
        ) and all(
            np.array_equal(mine[name], theirs[name], equal_nan=True)
            for mine, theirs in ((self.arrays, other.arrays), (self.eclipses, other.eclipses))
            for name in mine
        )

    __hash__ = None  # type: ignore[assignment]  # it holds arrays

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle and copy through the constructor: a read-only mapping cannot be pickled."""
        fields = (self.epoch, self.nodes, dict(self.arrays), dict(self.eclipses), self.duration_s)
        return type(self), fields

    @property
    def node_names(self) -> tuple[str, ...]:
        """Names of the nodes in order."""
        return tuple(node.name for node in self.nodes)

    def index(self, name: str, where: str = "node") -> int:
        """Position of a node; an unknown name is an error at `where` that offers the nearest."""
        found = self._position.get(name)
        if found is None:
            checks.known(where, name, self.node_names)
            raise AssertionError
        return found

    @property
    def contacts(self) -> Iterator[Contact]:
        """The contacts one by one."""
        return (self.contact(k) for k in range(len(self)))

    def contact(self, k: int) -> Contact:
        """One contact by its position."""
        rows = self.arrays
        ends = (self.nodes[rows[end][k]].name for end in ("source", "target"))
        return Contact(*ends, *(float(rows[name][k]) for name in tuple(CONTACT_COLUMNS)[2:]))

    def between(self, source: str, target: str) -> tuple[Contact, ...]:
        """Contacts from one node to another, by start."""
        rows = self.arrays
        match = (rows["source"] == self.index(source)) & (rows["target"] == self.index(target))
        found = np.flatnonzero(match)
        order = np.lexsort((rows["end_s"][found], rows["start_s"][found]))
        return tuple(self.contact(int(k)) for k in found[order])

    @property
    def volume_bytes(self) -> NDArray[np.float64]:
        """Bytes that fit into each contact, shape (contacts,)."""
        rows = self.arrays
        volume: NDArray[np.float64] = (rows["end_s"] - rows["start_s"]) * rows["rate_bps"] / 8
        return volume

    def sunlit_fraction(
        self, *, start_s: float = 0.0, end_s: float | None = None
    ) -> dict[str, float]:
        """Share of a window in which a node has the whole Sun in sight.

        Parameters
        ----------
        start_s, end_s : float
            Window in seconds since the epoch; the plan's own, 0 to `duration_s`, unless given.

        Returns
        -------
        dict of str to float
            By name, for each node with an eclipse and each orbital one; 1 without an eclipse.
        """
        stop_s = float(self.duration_s or 0.0) if end_s is None else end_s
        if not stop_s >= start_s:
            checks.fail("sunlit_fraction.end_s", stop_s, f"an end after start_s = {start_s:g}")
        dark, rows = np.zeros(len(self.nodes)), self.eclipses
        length = np.minimum(rows["end_s"], stop_s) - np.maximum(rows["start_s"], start_s)
        np.add.at(dark, rows["node"], np.maximum(length, 0.0))
        share = 1 - dark / (stop_s - start_s) if stop_s > start_s else np.ones(len(dark))
        shaded = set(rows["node"].tolist())
        return {
            node.name: float(share[k])
            for k, node in enumerate(self.nodes)
            if node.kind == "orbital" or k in shaded
        }

    def restricted(
        self,
        *,
        start_s: float = -math.inf,
        end_s: float = math.inf,
        nodes: Iterable[str] | None = None,
        without: Iterable[str] = (),
    ) -> ContactPlan:
        """Part of the plan: contacts and eclipses clipped to a window, between some nodes.

        Contacts that the clipping makes equal become one with the sum of their rates.

        Parameters
        ----------
        start_s, end_s : float
            Window in seconds since the epoch, which stays second 0; `duration_s` ends with it.
        nodes : iterable of str, optional
            Nodes to keep, all unless given.
        without : iterable of str
            Nodes to leave out.

        Returns
        -------
        ContactPlan
        """
        if not end_s > start_s:
            checks.fail("restricted.end_s", end_s, f"an end after start_s = {start_s:g}")
        keep = np.full(len(self.nodes), nodes is None)
        if nodes is not None:
            keep[[self.index(name) for name in nodes]] = True
        keep[[self.index(name) for name in without]] = False
        number = np.where(keep, np.cumsum(keep) - 1, -1)
        contacts = merged(clip(self.arrays, start_s, end_s, ("source", "target"), number))
        eclipses = clip(self.eclipses, start_s, end_s, ("node",), number)
        for edge, bound in (("umbra_start_s", np.maximum), ("umbra_end_s", np.minimum)):
            eclipses[edge] = bound(eclipses[edge], start_s if bound is np.maximum else end_s)
        none = ~(eclipses["umbra_start_s"] < eclipses["umbra_end_s"])
        eclipses["umbra_start_s"][none] = eclipses["umbra_end_s"][none] = np.nan
        chosen = tuple(node for node, kept in zip(self.nodes, keep, strict=True) if kept)
        duration = max(min(float(self.duration_s or 0.0), end_s), 0.0)
        return replace(self, nodes=chosen, arrays=contacts, eclipses=eclipses, duration_s=duration)

    # -- in and out -------------------------------------------------------------------------------
    def to_json(self, path: str | Path | None = None) -> str:
        """Return the plan as JSON text and, given a path, write it there."""
        text: str = reader("plan_json", "formulations.contact_text")(self, path)
        return text

    @classmethod
    def from_json(cls, source: str | Path) -> ContactPlan:
        """Read a plan from JSON text or from the path of a JSON file."""
        plan: ContactPlan = reader("parse_json", "formulations.contact_text")(source)
        return plan

    def to_csv(self, path: str | Path | None = None) -> str:
        """Return the plan as CSV (epoch and nodes in ``#`` lines above) and write it to a path."""
        text: str = reader("plan_csv", "formulations.contact_csv")(self, path)
        return text

    @classmethod
    def from_csv(cls, source: str | Path, *, epoch: datetime | None = None) -> ContactPlan:
        """Read a plan from CSV text or from the path of a CSV file.

        A table without ``#`` lines will do: its nodes stand in order of appearance, and second 0
        is `epoch`, or 1970-01-01T00:00:00Z unless given.
        """
        plan: ContactPlan = reader("parse_csv", "formulations.contact_csv")(source, epoch=epoch)
        return plan
