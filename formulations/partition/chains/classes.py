"""Interchangeable nodes: a class with a count instead of n copies.

Two nodes are interchangeable when swapping them changes no number of the chain: the same costs of
every layer, the same memory, and the same moves to and from every other node and between the two.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from .chain import ChainData

#: Relative difference that counts as equal (sums along equal routes may round differently).
SAME = 1e-11


def node_classes(data: ChainData) -> tuple[tuple[int, ...], ...]:
    """Partition the nodes of a chain into classes of interchangeable ones.

    Parameters
    ----------
    data : ChainData

    Returns
    -------
    tuple of tuples of int
        Classes in the order of their first members. Being interchangeable is an equivalence, so
        comparing with one member decides; O(R L N) per pair with equal memory and layer costs.
    """
    classes: list[list[int]] = []
    for node in range(data.num_nodes):
        for members in classes:
            if _interchangeable(data, members[0], node):
                members.append(node)
                break
        else:
            classes.append([node])
    return tuple(tuple(members) for members in classes)


def _interchangeable(data: ChainData, u: int, v: int) -> bool:
    if data.memory_bytes[u] != data.memory_bytes[v]:
        return False

    def same(a: object, b: object) -> bool:
        return bool(np.allclose(a, b, rtol=SAME, atol=0.0))  # type: ignore[arg-type]

    # The first layer tells most pairs apart before whole columns are compared.
    if not same(data.cost[:, 0, u], data.cost[:, 0, v]):
        return False
    if not same(data.cost[:, :, u], data.cost[:, :, v]):
        return False
    if data.load_s is not None and not same(data.load_s[:, u], data.load_s[:, v]):
        return False
    others = [w for w in range(data.num_nodes) if w not in (u, v)]
    move = data.move
    return (
        same(move[:, :, u, v], move[:, :, v, u])
        and same(move[:, :, u][:, :, others], move[:, :, v][:, :, others])
        and same(move[:, :, :, u][:, :, others], move[:, :, :, v][:, :, others])
    )
