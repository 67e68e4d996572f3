"""Operations into layers: whatever the reader says belongs together, the result is a model."""

from __future__ import annotations

import random

import networkx as nx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orbweave.adapters.frameworks.op_graph import Operation, OpGraph, Value, Weight, assemble
from orbweave.formulations.checks import InputError


@st.composite
def graphs(draw: st.DrawFn) -> OpGraph:
    """Random operations with random layer keys, interleaved, repeated or absent."""
    chance = random.Random(draw(st.integers(0, 10**9)))
    graph = OpGraph(inputs=["x"], values={"x": Value(chance.randint(1, 9))})
    names = [f"w{k}" for k in range(4)]
    for name in names:
        graph.weights[name] = Weight(chance.randint(0, 5), chance.randint(1, 9))
    count = draw(st.integers(1, 14))
    for k in range(count):
        pool = ["x", *(f"v{i}" for i in range(k)), "constant"]
        reads = chance.sample(pool, min(len(pool), chance.randint(1, 3)))
        graph.values[f"v{k}"] = Value(chance.randint(1, 9))
        layer = chance.choice([None, None, "a", "b", "c", f"own{k}"])
        graph.operations.append(
            Operation(
                "op",
                reads,
                [f"v{k}"],
                products=chance.choice([0, 0, 2, 4]),
                others=chance.choice([0, 1]),
                layer=layer,
                weights=chance.sample(sorted(names), chance.randint(0, 2)),
                near=chance.choice([None, "a", "b"]),
            )
        )
    graph.outputs = [f"v{count - 1}"]
    return graph


@settings(max_examples=400, deadline=None)
@given(graphs())
def test_layers_are_acyclic_and_nothing_is_lost_or_counted_twice(graph: OpGraph) -> None:
    profile = assemble(graph, "random")  # ModelProfile itself refuses a backward edge
    assert profile.total_params == sum(weight.params for weight in graph.weights.values())
    held = sum(weight.nbytes for weight in graph.weights.values())
    assert sum(layer.weight_bytes for layer in profile.layers) == held
    every = sum(row.products + row.others for row in graph.operations)
    assert profile.total_flops <= every
    used = nx.DiGraph()
    for k, row in enumerate(graph.operations):
        used.add_node(f"v{k}")
        used.add_edges_from((item, f"v{k}") for item in row.reads)
    last = graph.outputs[0]
    needed = nx.ancestors(used, last) | {last}
    needed_flops = sum(
        row.products + row.others for k, row in enumerate(graph.operations) if f"v{k}" in needed
    )
    assert profile.total_flops >= needed_flops
    assert profile.output_bytes == graph.values[last].nbytes


@settings(max_examples=300, deadline=None)
@given(graphs())
def test_every_dependency_between_layers_has_an_edge(graph: OpGraph) -> None:
    """One layer per operation: the edges are then exactly the operations' own."""
    for k, row in enumerate(graph.operations):
        row.layer, row.near = k, None
        graph.layer_names[k] = f"v{k}"
    graph.outputs = [f"v{k}" for k in range(len(graph.operations))]
    profile = assemble(graph, "fine")
    names = [layer.name for layer in profile.layers]
    found = {(names[i], names[j]) for i, j in profile.edge_array.tolist() if names[i] != "input"}
    expected = {
        (item, f"v{k}")
        for k, row in enumerate(graph.operations)
        for item in row.reads
        if str(item).startswith("v")
    }
    assert found == expected
    for k, row in enumerate(graph.operations):
        reads_input = "x" in row.reads
        if "input" in names and reads_input:
            edge = (names.index("input"), names.index(f"v{k}"))
            assert edge in [tuple(pair) for pair in profile.edge_array.tolist()]


def chain(*rows: Operation, outputs: list[str]) -> OpGraph:
    written = [key for row in rows for key in row.writes]
    sizes = {key: Value(10.0) for key in ["x", *written]}
    return OpGraph(operations=list(rows), values=dict(sizes), inputs=["x"], outputs=list(outputs))


def test_views_of_one_storage_do_not_count_more_than_it_holds() -> None:
    graph = chain(
        Operation("make", ["x"], ["whole", "half"], layer="a"),
        Operation("use", ["whole", "half"], ["y"], layer="b"),
        outputs=["y"],
    )
    graph.values["whole"] = Value(8, "s", 8)
    graph.values["half"] = Value(4, "s", 8)
    assert assemble(graph, "m").layers[0].activation_bytes == 8


def test_an_unread_branch_joins_its_producer() -> None:
    graph = chain(
        Operation("a", ["x"], ["p"], products=1, layer="a"),
        Operation("side", ["p"], ["q"], products=2, layer="side"),
        Operation("b", ["p"], ["y"], products=4, layer="b"),
        outputs=["y"],
    )
    profile = assemble(graph, "m")
    assert [(layer.name, layer.flops) for layer in profile.layers] == [("a", 3), ("b", 4)]
    assert profile.is_chain


def test_a_layer_that_is_entered_again_later_is_split() -> None:
    graph = chain(
        Operation("1", ["x"], ["p"], layer="a"),
        Operation("2", ["p"], ["q"], layer="b"),
        Operation("3", ["q"], ["y"], layer="a"),
        outputs=["y"],
    )
    profile = assemble(graph, "m")
    assert [layer.name for layer in profile.layers] == ["a", "b", "a#1"]
    assert profile.is_chain


def test_no_operation_and_unknown_sizes_are_refused() -> None:
    with pytest.raises(InputError, match="it is empty"):
        assemble(OpGraph(inputs=["x"], values={"x": Value(1)}), "m")
    graph = chain(Operation("1", ["x"], ["y"], layer="a"), outputs=["y"])
    graph.values["y"] = Value(float("nan"))
    with pytest.raises(InputError, match="size of tensor 'y' = 'unknown'"):
        assemble(graph, "m")
