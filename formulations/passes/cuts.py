"""A minimum cut in words: what binds, and how much more it would take."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .flows import PassNetwork
from .problem import PassProblem

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: How many nodes or links are named for each kind of limit.
_TOLD = 5


def cut_in_words(
    problem: PassProblem, found: PassNetwork, side: NDArray[np.bool_]
) -> tuple[str, ...]:
    """What a minimum cut consists of, the largest share first.

    Parameters
    ----------
    problem : PassProblem
    found : PassNetwork
    side : array of bool, shape (nodes of the network,)
        Nodes on the source's side.
    """
    network, expansion = found.network, found.expansion
    across = side[network.tail] & ~side[network.head]
    names = problem.plan.node_names
    rows = problem.plan.arrays
    parts: list[tuple[float, str]] = []

    sent = np.arange(found.sends.start, found.sends.stop)[across[found.sends]]
    if len(sent):
        amount = float(network.capacity[sent].sum())
        parts.append((amount, f"all bytes of {len(sent)} demands: {amount / 1e9:.6g} GB"))

    piece = np.flatnonzero(across[: len(found.piece)])
    contact = expansion.contact[found.piece[piece]]
    pair = rows["source"][contact].astype(np.int64) * len(names) + rows["target"][contact]
    for key, amount in _largest(pair, network.capacity[piece]):
        source, target = divmod(key, len(names))
        text = f"contacts {names[source]} -> {names[target]}: {amount / 1e9:.6g} GB"
        parts.append((amount, text))

    gate = np.arange(found.periods.start, found.periods.stop)
    gate = gate[across[found.periods]]
    if len(gate):
        period = found.period_of[gate - found.periods.start]
        node = expansion.period_node[period]
        hours = np.zeros(len(names))
        np.add.at(hours, node, expansion.period_s[period] / 3600)
        for key, amount in _largest(node, network.capacity[gate]):
            text = f"antennas of {names[key]} for {hours[key]:.4g} h: {amount / 1e9:.6g} GB"
            parts.append((amount, text))

    held = np.arange(found.holds.start, found.holds.stop)[across[found.holds]]
    if len(held):
        cell = network.head[held]
        node = np.searchsorted(expansion.first, cell, side="right") - 1
        for key, amount in _largest(node, network.capacity[held]):
            parts.append((amount, f"storage of {names[key]}: {amount / 1e9:.6g} GB"))
    return tuple(text for _, text in sorted(parts, key=lambda part: -part[0]))


def _largest(key: NDArray[np.int64], amount: NDArray[np.float64]) -> list[tuple[int, float]]:
    """Keys with the largest sums of amounts, and those sums."""
    if not len(key):
        return []
    known, owner = np.unique(key, return_inverse=True)
    total = np.bincount(owner.ravel(), weights=amount)
    order = np.argsort(-total, kind="stable")[:_TOLD]
    return [(int(known[k]), float(total[k])) for k in order]
