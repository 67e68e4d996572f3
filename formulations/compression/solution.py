"""What every tensor is squeezed to: sizes and errors recomputed from the curves alone."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import checks
from .problem import CompressionProblem
from .segments import Prices, summed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

#: Share by which a limit may be passed, for rounding.
TOLERANCE = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class CompressionPlan:
    """Entries and bits of every layer of every message.

    The properties come in the shape of the problem: by layer, by node and layer, or by node, pass
    and layer where a node has several passes.

    Parameters
    ----------
    problem : CompressionProblem
    entries : array of int, shape (items,)
        Entries sent of each layer; see `CompressionProblem.items`.
    widths : array of int, shape (items,)
        Bits of a value, from the layer's curve (also where nothing is sent).
    relay_bytes : array of float, shape (links,)
        Bytes over each of the problem's `shared` links.
    prices : Prices, optional
        Duals at the optimum over the hulls, where they were computed.

    Raises
    ------
    InputError
        For arrays of another length, entries outside a curve's grid and widths that it lacks.
    """

    problem: CompressionProblem
    entries: Ints
    widths: Ints
    relay_bytes: Floats = field(default_factory=lambda: np.zeros(0))
    prices: Prices | None = None
    _cache: dict[str, Any] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        items, put = self.problem.items, object.__setattr__
        for name, length, kind in (
            ("entries", len(items.curve), np.int64),
            ("widths", len(items.curve), np.int64),
            ("relay_bytes", len(self.problem.links[0]), np.float64),
        ):
            array = np.asarray(getattr(self, name), dtype=kind)
            if array.shape != (length,):
                checks.fail(f"CompressionPlan.{name} shape", array.shape, f"({length},)")
            put(self, name, array)
        rows = zip(items.curve, self.entries.tolist(), self.widths.tolist(), strict=True)
        found = [curve.at(kept, bits) for curve, kept, bits in rows]
        self._cache["size"] = np.array([row.size_bytes for row in found])
        self._cache["error"] = np.array([row.error for row in found])

    # -- what it says -----------------------------------------------------------------------------
    @property
    def keep_ratio(self) -> dict[str, Any]:
        """Share of its entries that each layer sends."""
        whole = np.array([curve.elements for curve in self.problem.items.curve])
        return self._by_layer((self.entries / whole).tolist())

    @property
    def bits(self) -> dict[str, Any]:
        """Bits of each layer's values."""
        return self._by_layer(self.widths.tolist())

    @property
    def bytes(self) -> dict[str, Any]:
        """Bytes of each layer."""
        return self._by_layer(self.item_bytes.tolist())

    @property
    def error(self) -> dict[str, Any]:
        """Residual energy of each layer, without weights."""
        return self._by_layer(self.item_error.tolist())

    @property
    def price_per_byte(self) -> dict[str, Any] | float:
        """What one more byte of each sender's capacity takes off the objective, at the optimum.

        Weighted residual energy for a byte, or bytes for a byte where `target_error` is given.
        """
        unknown = [math.nan] * len(self.problem.senders)
        values = unknown if self.prices is None else self.prices.capacity.tolist()
        found: dict[str, Any] | float = self._by_sender(values)
        return found

    @property
    def item_bytes(self) -> Floats:
        """Bytes of each item, shape (items,)."""
        found: Floats = self._cache["size"]
        return found

    @property
    def item_error(self) -> Floats:
        """Residual energy of each item without its weight, shape (items,)."""
        found: Floats = self._cache["error"]
        return found

    @property
    def sender_bytes(self) -> Floats:
        """Bytes of each message, shape (senders,)."""
        return self._summed(self.item_bytes)

    @property
    def down_bytes(self) -> Floats:
        """Bytes that go down from each sender, what comes and goes over links included."""
        source, target, _ = self.problem.links
        found = self.sender_bytes
        np.add.at(found, target, self.relay_bytes)
        np.add.at(found, source, -self.relay_bytes)
        return found

    @property
    def sender_error(self) -> Floats:
        """Residual energy of each message over its energy, without weights, shape (senders,)."""
        energy = self._summed(self.problem.items.energy)
        return self._summed(self.item_error) / np.where(energy > 0, energy, 1.0)

    @property
    def weighted_error(self) -> float:
        """Weighted residual energy of all layers."""
        return float(self.problem.items.weight @ self.item_error)

    @property
    def relative_error(self) -> float:
        """The same over the weighted energy of all layers."""
        return self.weighted_error / (self.problem.items.weighted_energy or 1.0)

    @property
    def objective(self) -> float:
        """Weighted residual energy, or bytes where `target_error` is given."""
        if self.problem.objective == "bytes":
            return float(self.item_bytes.sum())
        return self.weighted_error

    @property
    def ratio(self) -> float:
        """Dense bytes of all tensors over those sent."""
        dense = math.fsum(float(curve.dense_bytes or 0.0) for curve in self.problem.items.curve)
        sent = float(self.item_bytes.sum())
        return dense / sent if sent else math.inf

    # -- what it breaks ---------------------------------------------------------------------------
    def violations(self) -> tuple[str, ...]:
        """Every limit that this plan breaks, in words; empty when it can be sent."""
        return (*self._bytes_broken(), *self._errors_broken())

    def _bytes_broken(self) -> Iterator[str]:
        problem, down = self.problem, self.down_bytes
        for k, (node, name) in enumerate(problem.senders):
            told = _told(node, name)
            yield from _above(f"bytes of {told}", down[k], problem.capacity[k])
            if down[k] < -TOLERANCE * max(self.sender_bytes[k], 1.0):
                yield f"{told} hands on more bytes than it has"
        for k, amount in enumerate(self.relay_bytes):
            source, target = (_told(*problem.senders[end[k]]) for end in problem.links[:2])
            yield from _above(f"bytes from {source} to {target}", amount, problem.links[2][k])
        spent = summed(problem.sender_node, down, len(problem.nodes))
        for node, joules, limit in zip(
            problem.nodes,
            spent * problem.node_joules_per_byte,
            problem.node_energy_j,
            strict=True,
        ):
            yield from _above(f"joules of {_told(node, '')}", joules, limit)
        total = float(self.item_bytes.sum())
        yield from _above("bytes of all messages", total, problem.total_limit_bytes)

    def _errors_broken(self) -> Iterator[str]:
        problem = self.problem
        if problem.fairness is not None:
            for (node, name), error in zip(problem.senders, self.sender_error, strict=True):
                told = f"relative error of {_told(node, name)}"
                yield from _above(told, error, problem.fairness)
        if problem.target_error is not None:
            yield from _above("relative error", self.relative_error, problem.target_error)

    # -- showing ----------------------------------------------------------------------------------
    def to_dict(self) -> dict[str, Any]:
        """Plain data: the settings of each layer, what they cost, prices."""
        return {
            "objective": self.problem.objective,
            "value": self.objective,
            "relative_error": self.relative_error,
            "ratio": self.ratio if math.isfinite(self.ratio) else None,
            "keep_ratio": self.keep_ratio,
            "bits": self.bits,
            "bytes": self.bytes,
            "error": self.error,
            "relay_bytes": self.relay_bytes.tolist(),
            "price_per_byte": None if self.prices is None else self.price_per_byte,
            "violations": list(self.violations()),
        }

    def _repr_html_(self) -> str:
        items, senders = self.problem.items, self.problem.senders
        rows = "".join(
            f"<tr><td>{escape(_told(*senders[items.sender[k]]))}</td><td>{escape(name)}</td>"
            f"<td>{self.entries[k] / items.curve[k].elements:.4%}</td><td>{self.widths[k]}</td>"
            f"<td>{self.item_bytes[k]:,.0f}</td>"
            f"<td>{self.item_error[k] / (items.energy[k] or 1.0):.3f}</td></tr>"
            for k, name in enumerate(items.layer)
        )
        return (
            f"<table><caption>relative error {self.relative_error:.4g} in "
            f"{self.item_bytes.sum():,.0f} bytes ({self.ratio:.4g}x)</caption><tr><th>sender</th>"
            f"<th>layer</th><th>kept</th><th>bits</th><th>bytes</th><th>relative error</th></tr>"
            f"{rows}</table>"
        )

    # -- shapes -----------------------------------------------------------------------------------
    def _summed(self, values: Floats) -> Floats:
        return summed(self.problem.items.sender, values, len(self.problem.senders))

    def _by_layer(self, values: Sequence[Any]) -> dict[str, Any]:
        items = self.problem.items
        parts: list[dict[str, Any]] = [{} for _ in self.problem.senders]
        for sender, layer, value in zip(items.sender, items.layer, values, strict=True):
            parts[sender][layer] = value
        found: dict[str, Any] = self._by_sender(parts)
        return found

    def _by_sender(self, values: Sequence[Any]) -> Any:
        by_node: dict[str, Any] = {}
        for (node, name), value in zip(self.problem.senders, values, strict=True):
            if name:
                by_node.setdefault(node, {})[name] = value
            else:
                by_node[node] = value
        return by_node[""] if tuple(by_node) == ("",) else by_node


def _told(node: str, name: str) -> str:
    return " in ".join(part for part in (node, f"pass {name}" if name else "") if part) or "all"


def _above(what: str, value: float, limit: float) -> Iterator[str]:
    if value > limit * (1 + TOLERANCE) + 1e-12:
        yield f"{what}: {value:.9g} of at most {limit:.9g}"
