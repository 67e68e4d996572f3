"""Coarser profiles: layers of a `ModelProfile` merged into groups, the quotient kept acyclic."""

from __future__ import annotations

import heapq
from collections.abc import Sequence

from . import checks
from .profile import LayerProfile, ModelProfile


def merge(
    profile: ModelProfile,
    groups: Sequence[int | str],
    *,
    names: Sequence[str] | None = None,
) -> ModelProfile:
    """Merge layers into groups.

    Parameters
    ----------
    profile : ModelProfile
        The fine profile.
    groups : sequence of int or str
        The group of each layer, one entry per layer; equal entries are merged.
    names : sequence of str, optional
        Names of the groups in order of first appearance. Without it a group of one layer keeps its
        name, and a larger one is called ``first..last``.

    Returns
    -------
    ModelProfile
        One layer per group: parameters, weights, FLOPs and state are summed; activation bytes are
        those of the members that a layer outside reads or that leave the model.

    Raises
    ------
    InputError
        If the number of entries is wrong or the groups feed one another in a cycle.
    """
    if len(groups) != profile.num_layers:
        checks.fail("groups", len(groups), f"one entry for each of {profile.num_layers} layers")
    number: dict[int | str, int] = {}
    of_layer = [number.setdefault(group, len(number)) for group in groups]
    if names is not None and len(names) != len(number):
        checks.fail("names", len(names), f"one name for each of {len(number)} groups")
    edges = [(int(i), int(j)) for i, j in profile.edge_array]
    crossing = sorted({(of_layer[i], of_layer[j]) for i, j in edges if of_layer[i] != of_layer[j]})
    order = _topological(len(number), crossing)
    if order is None:
        cyclic = _name_one_cycle(profile, of_layer, crossing)
        checks.fail("groups", cyclic, "groups that do not feed one another in a cycle")
    rank = {group: k for k, group in enumerate(order)}

    leaving = {i for i, j in edges if of_layer[i] != of_layer[j]} | set(profile.sinks)
    members: list[list[int]] = [[] for _ in number]
    for layer, group in enumerate(of_layer):
        members[rank[group]].append(layer)
    rows = []
    for k, inside in enumerate(members):
        fine = [profile.layers[i] for i in inside]
        rows.append(
            LayerProfile(
                name=names[order[k]] if names is not None else _name(fine),
                params=sum(layer.params for layer in fine),
                weight_bytes=sum(layer.weight_bytes for layer in fine),
                flops=sum(layer.flops for layer in fine),
                activation_bytes=sum(
                    profile.layers[i].activation_bytes for i in inside if i in leaving
                ),
                state_bytes=sum(layer.state_bytes for layer in fine),
                kind="+".join(dict.fromkeys(layer.kind for layer in fine if layer.kind)),
            )
        )
    coarse = tuple(sorted((rank[i], rank[j]) for i, j in crossing))
    chain = coarse == tuple((k, k + 1) for k in range(len(rows) - 1))
    return profile.replace(layers=tuple(rows), edges=None if chain else coarse)


def merge_chains(profile: ModelProfile) -> ModelProfile:
    """Merge every linear run whose inner cuts cost no less than the one at its end.

    A layer joins its only predecessor, of which it is the only successor, where its own output is
    no larger: whoever may cut between the two does as well to cut after both. The result is
    cheaper to plan and keeps an optimal cut where speeds and memory do not force a finer one.

    Parameters
    ----------
    profile : ModelProfile
        The fine profile.

    Returns
    -------
    ModelProfile
        The profile with those runs merged.
    """
    count = profile.num_layers
    before: list[list[int]] = [[] for _ in range(count)]
    after: list[list[int]] = [[] for _ in range(count)]
    for i, j in profile.edge_array.tolist():
        before[j].append(i)
        after[i].append(j)
    group = list(range(count))
    for j in range(count):
        if len(before[j]) != 1 or len(after[before[j][0]]) != 1:
            continue
        i = before[j][0]
        if profile.layers[j].activation_bytes <= profile.layers[i].activation_bytes:
            group[j] = group[i]
    return merge(profile, group)


def _name(fine: Sequence[LayerProfile]) -> str:
    return fine[0].name if len(fine) == 1 else f"{fine[0].name}..{fine[-1].name}"


def _topological(count: int, edges: Sequence[tuple[int, int]]) -> list[int] | None:
    """Order groups so that edges go forward, lowest number first, or None where there is none."""
    degree = [0] * count
    after: list[list[int]] = [[] for _ in range(count)]
    for i, j in edges:
        degree[j] += 1
        after[i].append(j)
    ready = [k for k in range(count) if degree[k] == 0]
    order = []
    while ready:
        k = heapq.heappop(ready)
        order.append(k)
        for j in after[k]:
            degree[j] -= 1
            if degree[j] == 0:
                heapq.heappush(ready, j)
    return order if len(order) == count else None


def _name_one_cycle(
    profile: ModelProfile, of_layer: Sequence[int], edges: Sequence[tuple[int, int]]
) -> str:
    """First layers of the groups on one cycle, for the message."""
    import networkx as nx

    first = {group: profile.layers[i].name for i, group in reversed(list(enumerate(of_layer)))}
    cycle = [edge[0] for edge in nx.find_cycle(nx.DiGraph(list(edges)))]
    return " -> ".join(f"group of {first[group]!r}" for group in [*cycle, cycle[0]])
