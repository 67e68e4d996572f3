"""The profile itself: JSON both ways, merged layers, and refusals of what is no model."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import networkx as nx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orbweave.formulations.checks import InputError
from orbweave.formulations.grouping import merge, merge_chains
from orbweave.formulations.profile import LayerProfile, ModelProfile


def layer(name: str, k: int = 1) -> LayerProfile:
    return LayerProfile(name, 10 * k, 40.0 * k, 100.0 * k, 8.0 * k, 3.0 * k, kind="Test")


def diamond() -> ModelProfile:
    """a feeds b and c, both feed d."""
    rows = tuple(layer(name, k + 1) for k, name in enumerate("abcd"))
    edges = ((0, 1), (0, 2), (1, 3), (2, 3))
    return ModelProfile(rows, edges, input_bytes=5, output_bytes=7, name="diamond")


@st.composite
def dags(draw: st.DrawFn) -> ModelProfile:
    count = draw(st.integers(1, 9))
    chance = random.Random(draw(st.integers(0, 10**6)))
    pairs = [(i, j) for j in range(count) for i in range(j)]
    edges = tuple(pair for pair in pairs if chance.random() < 0.4)
    rows = tuple(layer(f"l{k}", chance.randint(1, 9)) for k in range(count))
    return ModelProfile(rows, draw(st.sampled_from([None, edges])), 4, 6)


@given(dags())
def test_json_gives_the_same_profile_back(profile: ModelProfile) -> None:
    assert ModelProfile.from_json(profile.to_json()) == profile


def test_json_file(tmp_path: Path) -> None:
    path = tmp_path / "diamond.json"
    diamond().to_json(path)
    assert ModelProfile.from_json(path) == diamond()
    assert json.loads(path.read_text())["edges"] == [[0, 1], [0, 2], [1, 3], [2, 3]]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("params", -1),
        ("params", 1.5),
        ("weight_bytes", -1.0),
        ("weight_bytes", float("nan")),
        ("flops", float("inf")),
        ("activation_bytes", "many"),
        ("state_bytes", None),
    ],
)
def test_a_bad_size_names_layer_and_field(field: str, value: Any) -> None:
    numbers: dict[str, Any] = {
        "params": 1,
        "weight_bytes": 4.0,
        "flops": 2.0,
        "activation_bytes": 4.0,
    }
    with pytest.raises(InputError, match=rf"LayerProfile\['conv'\]\.{field} = "):
        LayerProfile("conv", **{**numbers, field: value})


@pytest.mark.parametrize(
    ("edges", "words"),
    [
        (((0, 1), (1, 2), (2, 1)), "cycle: b -> c -> b|cycle: c -> b -> c"),
        (((1, 0),), "layers in execution order"),
        (((0, 0),), "cannot feed itself"),
        (((0, 9),), "layer numbers from 0 to 3"),
        (((0, 1), (0, 1)), "every edge once"),
    ],
)
def test_bad_graphs_are_refused(edges: tuple[tuple[int, int], ...], words: str) -> None:
    with pytest.raises(InputError, match=words):
        diamond().replace(edges=edges)


def test_an_empty_model_and_double_names_are_refused() -> None:
    with pytest.raises(InputError, match="the model is empty"):
        ModelProfile(())
    with pytest.raises(InputError, match="every name once"):
        ModelProfile((layer("a"), layer("a")))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "valid JSON"),
        ('{"format": "other"}', "orbweave-profile"),
        ('{"format": "orbweave-profile", "version": 2}', "version"),
        ('{"format": "orbweave-profile", "version": 1, "lairs": []}', "did you mean 'layers'"),
        ('{"format": "orbweave-profile", "version": 1, "layers": [3]}', "an object"),
        ('{"format": "orbweave-profile", "version": 1, "layers": [{"name": "a"}]}', "is missing"),
    ],
)
def test_bad_json_is_one_clear_error(text: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        ModelProfile.from_json(text)


def test_merge_of_a_diamond() -> None:
    coarse = merge(diamond(), ["x", "y", "x", "z"], names=["first", "side", "last"])
    first, side, last = coarse.layers
    assert (first.params, first.weight_bytes, first.flops, first.state_bytes) == (40, 160, 400, 12)
    assert first.activation_bytes == 8 + 24  # a for b, c for d
    assert (side.activation_bytes, last.activation_bytes) == (16, 32)
    assert coarse.edges == ((0, 1), (0, 2), (1, 2))
    assert (coarse.input_bytes, coarse.output_bytes) == (5, 7)


def test_merge_refuses_a_cycle_of_groups() -> None:
    with pytest.raises(InputError, match="do not feed one another in a cycle"):
        merge(diamond(), [0, 1, 1, 0])
    with pytest.raises(InputError, match="one entry for each of 4 layers"):
        merge(diamond(), [0, 1])


@settings(max_examples=150, deadline=None)
@given(dags(), st.data())
def test_merge_keeps_sums_and_is_the_quotient_graph(
    profile: ModelProfile, data: st.DataObject
) -> None:
    groups = data.draw(
        st.lists(st.integers(0, 3), min_size=profile.num_layers, max_size=profile.num_layers)
    )
    fine = nx.DiGraph()
    fine.add_nodes_from(range(profile.num_layers))
    fine.add_edges_from(profile.edge_array.tolist())
    blocks = [{k for k, g in enumerate(groups) if g == value} for value in set(groups)]
    quotient = nx.quotient_graph(fine, blocks)
    quotient.remove_edges_from(list(nx.selfloop_edges(quotient)))
    if not nx.is_directed_acyclic_graph(quotient):
        with pytest.raises(InputError):
            merge(profile, groups)
        return
    coarse = merge(profile, groups)
    assert coarse.num_layers == len(blocks)
    assert len(coarse.edge_array) == quotient.number_of_edges()
    for field in ("params", "weight_bytes", "flops", "state_bytes"):
        assert coarse.column(field).sum() == profile.column(field).sum()
    for block in blocks:
        inside = [profile.layers[k] for k in sorted(block)]
        name = inside[0].name if len(inside) == 1 else f"{inside[0].name}..{inside[-1].name}"
        leaving = [
            profile.layers[k].activation_bytes
            for k in block
            if fine.out_degree(k) == 0 or set(fine.successors(k)) - block
        ]
        assert coarse.layers[coarse.index(name)].activation_bytes == sum(leaving)


def test_merging_chains_keeps_every_smaller_cut() -> None:
    sizes = [9, 4, 4, 7, 2, 1]
    rows = [LayerProfile(f"l{k}", 1, 1, 1, size) for k, size in enumerate(sizes)]
    coarse = merge_chains(ModelProfile(tuple(rows)))
    # 9,4,4 | 7,2,1: a cut inside a run is never smaller than the one at its end
    assert [row.name for row in coarse.layers] == ["l0..l2", "l3..l5"]
    assert [row.activation_bytes for row in coarse.layers] == [4, 1]
    assert coarse.is_chain
    assert merge_chains(diamond()).num_layers == 4
