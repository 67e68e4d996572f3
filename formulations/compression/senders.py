"""Numbers that are given once, by node, or by node and pass, as one array over all senders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from .. import checks

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .curves import ErrorCurve

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

#: A node and its pass, the pass ``""`` where it has one.
Sender: TypeAlias = tuple[str, str]


def senders_of(where: str, given: Any, nodes: tuple[str, ...]) -> tuple[Sender, ...]:
    """The senders that a capacity tells: a node with passes is one for each of them."""
    found: list[Sender] = []
    for node, value in _by_node(where, given, nodes).items():
        passes = _passes(value)
        if passes is not None and not passes:
            checks.fail(f"{where}[{node!r}]", value, "at least one pass")
        for name in passes or ():
            checks.text(f"{where}[{node!r}] pass", name)
        found += [(node, "")] if passes is None else [(node, name) for name in passes]
    return tuple(found)


def per_sender(
    where: str, given: Any, senders: tuple[Sender, ...], default: float, *, finite: bool = True
) -> Floats:
    """One number >= 0 for each sender, from any of the shapes; `default` where None is given."""
    passes: dict[str, list[str]] = {}
    for node, name in senders:
        passes.setdefault(node, []).append(name)
    values: dict[Sender, object] = {}
    for node, value in _by_node(where, given, tuple(passes)).items():
        place = f"{where}[{node!r}]" if node else where
        own = _passes(value)
        if own is None:
            values |= {(node, name): value for name in passes[node]}
            continue
        for name in own:
            checks.known(f"{place} pass", name, passes[node])
        for name in passes[node]:
            if name not in own:
                checks.fail(f"{place} passes", list(own), f"also {name!r}")
            values[node, name] = own[name]
    found = np.full(len(senders), default)
    for k, sender in enumerate(senders):
        if values[sender] is not None:
            place = "".join(f"[{part!r}]" for part in sender if part)
            found[k] = checks.real(where + place, values[sender], finite=finite)
    return found


def per_node(where: str, given: Any, nodes: tuple[str, ...], default: float) -> Floats:
    """One number >= 0 for each node: given once or by node, `default` where it is not."""
    found = np.full(len(nodes), default)
    if isinstance(given, Mapping):
        for name, value in given.items():
            checks.known(f"{where} node", name, nodes)
            found[nodes.index(name)] = checks.real(f"{where}[{name!r}]", value)
    elif given is not None:
        found[:] = checks.real(where, given)
    return found


def spread_weights(
    where: str, given: Mapping[str, Any] | None, curves: Mapping[str, Mapping[str, ErrorCurve]]
) -> dict[str, Floats]:
    """Weights of each node's layers, in the order of its curves."""
    weights = {node: np.ones(len(part)) for node, part in curves.items()}
    if given is None:
        return weights
    if not isinstance(given, Mapping):
        checks.fail(where, given, "a mapping, by layer or by node")
    by_node: Mapping[str, Any] = {"": given} if tuple(curves) == ("",) else given
    for node, value in by_node.items():
        checks.known(f"{where} node", node, tuple(curves))
        if not isinstance(value, Mapping):
            weights[node][:] = checks.real(f"{where}[{node!r}]", value)
            continue
        layers = tuple(curves[node])
        for layer, weight in value.items():
            checks.known(f"{where}[{node!r}] layer", layer, layers)
            place = f"{where}[{node!r}][{layer!r}]"
            weights[node][layers.index(layer)] = checks.real(place, weight)
    return weights


def ends_of(
    where: str, shared: Sequence[Any], senders: tuple[Sender, ...]
) -> tuple[Ints, Ints, Floats]:
    """Positions of the two senders of each link, and its bytes; no link stands twice."""
    place = {sender: k for k, sender in enumerate(senders)}
    alone = {node: k for k, (node, name) in enumerate(senders) if not name}
    ends, amounts = [], []
    for k, row in enumerate(shared):
        spot = f"{where}[{k}]"
        if len(row) != 3:
            checks.fail(spot, row, "(sender, receiver, bytes)")
        pair = [_end(spot, end, place, alone) for end in row[:2]]
        if pair[0] == pair[1]:
            checks.fail(spot, row, "two different ends")
        ends.append(pair)
        amounts.append(checks.real(f"{spot} bytes", row[2], finite=False))
    table = np.array(ends, dtype=np.int64).reshape(len(ends), 2)
    return table[:, 0].copy(), table[:, 1].copy(), np.array(amounts, dtype=np.float64)


def _end(where: str, end: Any, place: Mapping[Sender, int], alone: Mapping[str, int]) -> int:
    if isinstance(end, tuple | list) and tuple(end) in place:
        return place[tuple(end)]
    if isinstance(end, str) and end not in alone and any(node == end for node, _ in place):
        checks.fail(where, end, f"({end!r}, pass), as the node has several passes")
    return alone[checks.known(where, end, tuple(alone))]


def _by_node(where: str, given: Any, nodes: tuple[str, ...]) -> dict[str, Any]:
    """What is given for each node, still a number or its passes."""
    if nodes == ("",) or not isinstance(given, Mapping):
        if nodes != ("",) and _passes(given) is not None:
            checks.fail(where, given, "a number, or a mapping of nodes")
        return dict.fromkeys(nodes, given)
    for name in given:
        checks.known(f"{where} node", name, nodes)
    for name in nodes:
        if name not in given:
            checks.fail(f"{where} nodes", list(given), f"also {name!r}")
    return {name: given[name] for name in nodes}


def _passes(value: Any) -> dict[str, Any] | None:
    """A node's passes by name (a sequence's are numbered), or None of a number."""
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Sequence | np.ndarray) and not isinstance(value, str | bytes):
        return {str(k): entry for k, entry in enumerate(value)}
    return None
