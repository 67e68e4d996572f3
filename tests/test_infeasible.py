"""Why there is no placement: each sentence once by hand, and soundness against enumeration."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from small_problems import feasible_placements, small_problem

import orbweave as ow
from orbweave.formulations.partition.explain.infeasible import explain

GB = 1e9


def chain(count: int = 4, each: float = 10 * GB, **over: Any) -> ow.ModelProfile:
    return ow.ModelProfile(
        tuple(ow.LayerProfile(f"conv{i}", 0, each, 1e9, 1e6) for i in range(count)), **over
    )


def pair(memory: float = 100 * GB, *, links: bool = True) -> ow.Network:
    nodes = (
        ow.Node("ground-0", "ground", 1e12, memory),
        ow.Node("sat-1", "orbital", 1e11, memory),
    )
    ways = (("ground-0", "sat-1"), ("sat-1", "ground-0"))
    return ow.Network(nodes, tuple(ow.Link(a, b, 1e8, 0.01) for a, b in ways) if links else ())


def all_ways(nodes: tuple[ow.Node, ...]) -> tuple[ow.Link, ...]:
    return tuple(
        ow.Link(a.name, b.name, 1e9, 0.001) for a in nodes for b in nodes if a.name != b.name
    )


def why(profile: ow.ModelProfile, network: ow.Network, **over: Any) -> str:
    reason = explain(ow.PartitionProblem(profile, network, **over))
    assert reason is not None
    return reason


def test_a_feasible_problem_has_no_reason() -> None:
    assert explain(ow.PartitionProblem(chain(), pair())) is None


def test_all_layers_need_more_than_all_nodes_have() -> None:
    profile = chain(80, 1.725 * GB)
    nodes = tuple(ow.Node(f"n{k}", "ground", 1e12, 30 * GB) for k in range(4))
    reason = why(profile, ow.Network(nodes))
    assert reason == "layers 0-79 need 138 GB, all nodes together offer 120 GB"


def test_a_layer_that_fits_nowhere() -> None:
    reason = why(chain(each=10 * GB), pair(8 * GB), contiguous=False)
    assert reason == (
        "layer 0 (conv0) needs 10 GB and fits on no node that it may use: the largest, ground-0, "
        "has 8 GB"
    )
    reason = why(chain(each=10 * GB), pair(), compute_s=[[1, 1], [float("inf")] * 2] + [[1, 1]] * 2)
    assert reason == "layer 1 (conv1) cannot run on any node that it may use"


def test_pinned_where_it_is_forbidden() -> None:
    reason = why(chain(), pair(), pinned={3: "sat-1"}, forbidden={3: ("sat-1",)})
    assert reason == "layer 3 (conv3) is pinned to sat-1 and forbidden there"
    reason = why(chain(), pair(), forbidden={2: ("sat-1", "ground-0")})
    assert reason == "layer 2 (conv2) is forbidden on every node"


def test_no_route() -> None:
    far = pair(links=False)
    reason = why(chain(), far, input_node="ground-0", pinned={0: "sat-1"})
    assert reason == "there is no route from ground-0 to any node that layer 0 (conv0) may use"
    reason = why(chain(), far, output_node="ground-0", pinned={3: "sat-1"})
    assert reason == "there is no route to ground-0 from any node that layer 3 (conv3) may use"
    reason = why(chain(), far, pinned={1: "sat-1", 2: "ground-0"})
    assert reason == (
        "no node that layer 1 (conv1) may use has a route to any node that layer 2 (conv2) may use"
    )


def test_one_way_networks() -> None:
    there = pair()
    there = replace(there, links=there.links[:1])
    reason = why(chain(1), there, input_node="sat-1", forbidden={0: ("sat-1",)})
    assert reason == "there is no route from sat-1 to any node that layer 0 (conv0) may use"
    one = ow.Network(
        (*there.nodes, ow.Node("sat-2", "orbital")),
        (ow.Link("ground-0", "sat-1", 1e8), ow.Link("sat-2", "ground-0", 1e8)),
    )
    reason = why(
        chain(1), one, input_node="ground-0", output_node="ground-0", forbidden={0: ("ground-0",)}
    )
    assert reason == (
        "no node that layer 0 (conv0) may use has both a route from ground-0 and one to ground-0"
    )


def test_co_located_layers() -> None:
    reason = why(chain(), pair(), colocated=((0, 2),), pinned={0: "sat-1", 2: "ground-0"})
    assert reason == "layers 0, 2 must share a node and are pinned to ground-0 and sat-1"
    reason = why(chain(), pair(), colocated=((0, 2),), forbidden={0: ("sat-1",), 2: ("ground-0",)})
    assert reason == "layers 0, 2 must share a node, and no node is open to all of them"
    reason = why(chain(), pair(25 * GB), colocated=((0, 1), (1, 3)), contiguous=False)
    assert reason == (
        "layers 0, 1, 3 must share a node and need 30 GB; no node that they may use has more than "
        "25 GB"
    )


def test_contiguity() -> None:
    reason = why(chain(), pair(), pinned={0: "sat-1", 1: "ground-0", 3: "sat-1"})
    assert reason == (
        "contiguous pieces: layers 0 and 3 can run on sat-1 alone, and layer 1 (conv1) between "
        "them cannot run there"
    )
    reason = why(chain(), pair(35 * GB), pinned={0: "sat-1", 3: "sat-1"})
    assert reason == (
        "contiguous pieces: layers 0-3 must all run on sat-1 and need 40 GB; it has 35 GB"
    )
    reason = why(chain(), pair(35 * GB), colocated=((0, 3),))
    assert reason == (
        "layers 0-3 must share a node (co-located, with what lies between) and need 40 GB; no node "
        "that they may use has more than 35 GB"
    )
    two = ow.ModelProfile(chain().layers, ((0, 1), (2, 3)))
    pinned = {0: "sat-1", 1: "ground-0", 2: "ground-0", 3: "sat-1"}
    reason = why(two, pair(), pinned=pinned)
    assert reason == (
        "contiguous pieces: ground-0 comes before sat-1 (layer 2 feeds layer 3) and after it "
        "(layer 0 feeds layer 1)"
    )
    assert explain(ow.PartitionProblem(two, pair(), pinned=pinned, contiguous=False)) is None


def test_memory_of_the_nodes_that_some_layers_may_use() -> None:
    forbidden = dict.fromkeys(range(3), ("ground-0",))
    reason = why(chain(), pair(25 * GB), forbidden=forbidden, contiguous=False)
    assert reason == "layers 0-2 need 30 GB, sat-1, the only one that they may use, offers 25 GB"


def test_layers_that_cannot_share() -> None:
    nodes = tuple(ow.Node(f"n{k}", "ground", 1e12, 19 * GB) for k in range(3))
    reason = why(chain(5), ow.Network(nodes, all_ways(nodes)), contiguous=False)
    assert reason.startswith("layers 0-4 need more than 9.5 GB each, half of the largest node;")
    big = ow.ModelProfile(
        tuple(
            ow.LayerProfile(f"l{i}", 0, size * GB, 1e9, 1e6)
            for i, size in enumerate((10, 10, 10, 10, 1))
        )
    )
    reason = why(
        big, ow.Network(tuple(replace(n, memory_bytes=16 * GB) for n in nodes), all_ways(nodes))
    )
    assert reason == (
        "layers 0-3 need more than 8 GB each, half of the largest node; no two share a node, and "
        "3 nodes can hold one"
    )


def test_cuts() -> None:
    nodes = tuple(ow.Node(f"n{k}", "ground", 1e12, 15 * GB) for k in range(4))
    links = all_ways(nodes)
    reason = why(chain(), ow.Network(nodes, links), max_cuts=2)
    assert reason.endswith("(proven by exhaustive search): max_cuts = 2, memory")
    reason = why(chain(each=12 * GB), ow.Network(nodes, links), max_cuts=2)
    assert reason == (
        "max_cuts = 2 leaves 3 nodes at most, the largest of which offer 45 GB; layers 0-3 need "
        "48 GB"
    )
    pinned = {0: "n0", 1: "n1", 2: "n2"}
    reason = why(chain(each=1 * GB), ow.Network(nodes, links), pinned=pinned, max_cuts=1)
    assert reason == (
        "at least 2 cuts are needed (before layers 1-2: no node may run all layers of a longer "
        "run), and max_cuts = 1"
    )


def test_limits() -> None:
    reason = why(chain(), pair(), limits={"latency": 0.003})
    assert reason == (
        "the limit on latency, 0.003 s, is below 0.004 s, which no placement can beat"
    )
    reason = why(chain(), pair(25 * GB), limits={"latency": 0.02}, forbidden={0: ("ground-0",)})
    assert "limit on latency" in reason


def test_what_only_a_search_can_tell_names_the_kinds_of_constraints() -> None:
    profile = ow.ModelProfile(
        tuple(
            ow.LayerProfile(f"l{i}", 0, size * GB, 1e9, 1e6)
            for i, size in enumerate((6, 5, 4, 4, 1))
        )
    )
    reason = why(profile, pair(10.1 * GB))
    assert reason == (
        "no placement satisfies all of these together (proven by exhaustive search): contiguous "
        "pieces, memory"
    )
    assert explain(ow.PartitionProblem(profile, pair(10.1 * GB), contiguous=False)) is None
    reason = why(profile, pair(10.1 * GB), contiguous=False, max_cuts=1)
    assert reason.endswith("max_cuts = 1, memory")


@pytest.mark.parametrize("block", [range(k, k + 50) for k in range(2000, 2400, 50)], ids=str)
def test_a_reason_is_given_exactly_where_nothing_is_feasible(block: range) -> None:
    for seed in block:
        problem = small_problem(seed)
        assert (explain(problem) is None) == bool(feasible_placements(problem))
