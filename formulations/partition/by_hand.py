"""Placements written by hand: which node each layer means, and what is missing or mistaken."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from .. import checks
from ..network import KINDS

if TYPE_CHECKING:
    from ..network import Network
    from ..profile import ModelProfile


def resolve(
    assigned: Mapping[int | str, tuple[str, str]], profile: ModelProfile, network: Network
) -> tuple[list[str], tuple[str, ...]]:
    """Turn assignments into a node for every layer, or say what is wrong with them.

    Parameters
    ----------
    assigned : mapping of layer number or name to (kind, node)
        Later entries count where two mean the same layer. An empty kind: a node of any kind. An
        empty node: the first node of the kind with memory left, in the order of the layers.
    profile : ModelProfile
    network : Network

    Returns
    -------
    issues : list of str
    nodes : tuple of str
        Node of each layer; empty where there are issues. A layer that fits nowhere goes to the
        last node of its kind, so that the memory check names it.
    """
    issues: list[str] = []
    wanted: dict[int, tuple[str, str]] = {}
    beyond: list[int] = []
    for key, place in assigned.items():
        if isinstance(key, int) and key >= profile.num_layers:
            beyond.append(key)
            continue
        try:
            wanted[profile.index(key)] = place
        except checks.InputError as error:
            issues.append(str(error))
    if beyond:
        last = profile.num_layers - 1
        issues.append(f"{_runs(beyond)}: the model has layers 0 to {last} only")
    absent = [i for i in range(profile.num_layers) if i not in wanted]
    if absent:
        issues.append(f"{_runs(absent)}: not assigned to any node")
    kind_of = {row.name: row.kind for row in network.nodes}
    for kind, node in dict.fromkeys(wanted.values()):
        rows = _runs([i for i, place in wanted.items() if place == (kind, node)])
        if node and node not in kind_of:
            issues.append(f"{rows}: no node {node!r}{checks.nearest(node, kind_of)}")
        elif node and kind and kind_of[node] != kind:
            issues.append(f"{rows}: assigned to {kind}, but {node} is {kind_of[node]}")
        elif not node and kind not in kind_of.values():
            issues.append(f"{rows}: the topology has no {kind} node")
    return issues, () if issues else _fill(profile, network, wanted)


def _fill(
    profile: ModelProfile, network: Network, wanted: dict[int, tuple[str, str]]
) -> tuple[str, ...]:
    """Node of each layer; layers with a kind only fill its nodes in order, up to their memory."""
    held = {row.name: 0.0 for row in network.nodes}
    largest = dict(held)
    room = {row.name: row.memory_bytes for row in network.nodes}
    nodes = [wanted[i][1] for i in range(profile.num_layers)]

    def put(layer: int, name: str) -> None:
        row = profile.layers[layer]
        held[name] += row.weight_bytes + row.state_bytes
        largest[name] = max(largest[name], row.activation_bytes)

    def fits(layer: int, name: str) -> bool:
        row = profile.layers[layer]
        need = held[name] + row.weight_bytes + row.state_bytes
        return need + max(largest[name], row.activation_bytes) <= room[name]

    for i, name in enumerate(nodes):
        if name:
            put(i, name)
    # The node being filled, by kind: never turned back, so that neighbours stay together.
    choices = {kind: [row.name for row in network.nodes if row.kind == kind] for kind in KINDS}
    for i, name in enumerate(nodes):
        if name:
            continue
        left = choices[wanted[i][0]]
        while len(left) > 1 and not fits(i, left[0]):
            del left[0]
        nodes[i] = left[0]
        put(i, left[0])
    return tuple(nodes)


def _runs(layers: list[int]) -> str:
    """Layer numbers as text: ``layers 0-4, 7``."""
    ends: list[list[int]] = []
    for i in sorted(layers):
        if ends and ends[-1][1] == i - 1:
            ends[-1][1] = i
        else:
            ends.append([i, i])
    shown = ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in ends)
    return f"layer{'s' if len(layers) > 1 else ''} {shown}"
