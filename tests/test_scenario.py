"""Scenario files: what a good one gives, and the one line that each bad one gets."""

from __future__ import annotations

from pathlib import Path

import pytest

import orbweave as ow
from orbweave.adapters import read_model, read_scenario
from orbweave.adapters.scenario import example_names, example_path

TOPOLOGY = """
[topology]
ground_nodes = 1
orbital_nodes = 2
ground_flops = 5e12
orbital_flops = 2e12
uplink_bandwidth = 1e8
downlink_bandwidth = 5e8
isl_bandwidth = 1e10
"""
MODEL = '[model]\nprofile = "model.json"\n'


def profile(layers: int = 4) -> ow.ModelProfile:
    rows = [ow.LayerProfile(f"l{i}", 10, 1e6, 1e9, 1e5) for i in range(layers)]
    return ow.ModelProfile(rows, input_bytes=1e4, output_bytes=1e3, name="tiny")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    profile().to_json(tmp_path / "model.json")
    return tmp_path


def write(folder: Path, text: str) -> Path:
    path = folder / "case.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_every_key_of_a_plan_reaches_the_problem(folder: Path) -> None:
    text = f"""name = "a case"
{MODEL}{TOPOLOGY}
[plan]
objective = "minimize_energy"
input_node = "ground-0"
output_node = "orbital-1"
pinned = {{ l0 = "ground-0", "1" = ["orbital-0"] }}
forbidden = {{ "2-3" = "orbital", l1 = ["ground-0"] }}
max_cuts = 3
contiguous = false
colocated = [["l2", 3]]
limits = {{ latency = 10 }}
weights = {{ latency = 1, energy = 3 }}
training = {{ micro_batches = 4 }}
multicast = true
max_replicas = 2
[solve]
time_limit_s = 5
relative_gap = 0.01
backend = "highs"
threads = 1
seed = 3
"""
    scenario = read_scenario(write(folder, text))
    problem = scenario.problem
    assert scenario.name == "a case"
    assert problem.objective == "energy"
    assert (problem.input_node, problem.output_node) == ("ground-0", "orbital-1")
    assert problem.pinned == {0: ("ground-0",), 1: ("orbital-0",)}
    assert problem.forbidden == {
        1: ("ground-0",),
        2: ("orbital-0", "orbital-1"),
        3: ("orbital-0", "orbital-1"),
    }
    assert problem.max_cuts == 3
    assert problem.contiguous is False
    assert problem.multicast is True
    assert problem.colocated == ((2, 3),)
    assert problem.limits == {"latency": 10}
    assert problem.balance_weights == {"latency": 0.25, "energy": 0.75}
    assert problem.training == ow.Training(micro_batches=4)
    assert problem.max_replicas == 2
    assert problem.profile.to_dict() == profile().to_dict()
    assert scenario.solve == {
        "time_limit_s": 5,
        "relative_gap": 0.01,
        "backend": "highs",
        "threads": 1,
        "seed": 3,
    }


def test_nodes_and_links_may_be_listed(folder: Path) -> None:
    text = f"""{MODEL}
[[nodes]]
name = "a"
kind = "ground"
flop_per_s = 1e12
memory_bytes = inf
[[nodes]]
name = "b"
kind = "orbital"
[[links]]
source = "a"
target = "b"
rate_bps = 1e6
latency_s = 0.5
"""
    network = read_scenario(write(folder, text)).problem.network
    assert network.node_names == ("a", "b")
    assert network.links == (ow.Link("a", "b", 1e6, 0.5),)


def test_a_layer_named_like_a_number_goes_by_its_name(folder: Path) -> None:
    rows = [ow.LayerProfile(name, 1, 1, 1, 1) for name in ("2", "1", "0")]
    ow.ModelProfile(rows).to_json(folder / "model.json")
    problem = read_scenario(
        write(folder, f'{MODEL}{TOPOLOGY}[plan]\npinned = {{ 2 = "ground-0" }}')
    ).problem
    assert problem.pinned == {0: ("ground-0",)}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("[model\nx = 1", ["not valid TOML", "line 1"]),
        (TOPOLOGY, ["model", "missing"]),
        (f"{MODEL}{TOPOLOGY}[modle]", ["key = 'modle'", "did you mean 'model'"]),
        (f"{MODEL}", ["network", "[topology]", "[[nodes]]"]),
        (f"{MODEL}{TOPOLOGY}[[nodes]]\nname='a'", ["network", "either"]),
        (f"{MODEL}{TOPOLOGY}[[links]]\nsource='a'", ["links", "topology"]),
        (f"{MODEL}nodes = 3", ["key = 'nodes'", "[model]"]),
        (f"nodes = 3\n{MODEL}", ["nodes = 3", "[[nodes]]"]),
        (f"{MODEL}{TOPOLOGY}orbital_flop = 1", ["orbital_flop", "did you mean 'orbital_flops'"]),
        (f"{MODEL}{TOPOLOGY}isl_latency_ms = nan", ["isl_latency_ms", "nan", ">= 0"]),
        (f"{MODEL}{TOPOLOGY.replace('5e12', '-1')}", ["ground_flops", "-1", "> 0"]),
        (f"{MODEL}{TOPOLOGY.replace('isl_bandwidth = 1e10', '')}", ["isl_bandwidth", "None"]),
        (f'{MODEL}{TOPOLOGY}[plan]\nobjective = "latncy"', ["'latncy'", "mean 'latency'"]),
        (f"{MODEL}{TOPOLOGY}[plan]\nobjectiv = 1", ["'objectiv'", "mean 'objective'"]),
        (f"{MODEL}{TOPOLOGY}[plan]\nmax_cuts = -1", ["max_cuts", "-1"]),
        (f"{MODEL}{TOPOLOGY}[plan]\nmax_cuts = [1]", ["max_cuts", "[1]"]),
        (f"{MODEL}{TOPOLOGY}[plan]\ncontiguous = 1", ["contiguous = 1", "true or false"]),
        (f"{MODEL}{TOPOLOGY}[plan]\nlimits = 3", ["limits = 3", "a table"]),
        (f"{MODEL}{TOPOLOGY}[plan]\nlimits = {{ latency = nan }}", ["limits", "nan"]),
        (f"{MODEL}{TOPOLOGY}[plan]\ninput_node = 'ground-9'", ["input_node", "did you mean"]),
        (f"{MODEL}{TOPOLOGY}[plan]\npinned = {{ l9 = 'ground-0' }}", ["'l9'", "did you mean"]),
        (f"{MODEL}{TOPOLOGY}[plan]\npinned = {{ 9 = 'ground-0' }}", ["'9'", "between 0 and 3"]),
        (f"{MODEL}{TOPOLOGY}[plan]\npinned = {{ 0 = 'orbital' }}", ["pinned to two places"]),
        (f"{MODEL}{TOPOLOGY}[plan]\npinned = {{ 0 = 3 }}", ["pinned['0'] = 3", "node's name"]),
        (
            f"{MODEL}{TOPOLOGY}[plan]\npinned = {{ 0 = 'ground-0', l0 = 'orbital-0' }}",
            ["pinned[0]", "two places"],
        ),
        (f"{MODEL}{TOPOLOGY}[plan]\ncolocated = 'l0'", ["colocated = 'l0'", "list of lists"]),
        (f"{MODEL}{TOPOLOGY}[plan]\ncolocated = [1]", ["colocated[0] = 1"]),
        (f"{MODEL}{TOPOLOGY}[plan]\ntraining = 2", ["training = 2"]),
        (f"{MODEL}{TOPOLOGY}[plan]\ntraining = {{ micro_batch = 2 }}", ["mean 'micro_batches'"]),
        (f"{MODEL}{TOPOLOGY}[solve]\ntime = 2", ["'time'", "did you mean 'time_limit_s'"]),
        (f"{MODEL}{TOPOLOGY}[model.x]", ["key = 'x'"]),
        (f"[model]\n{TOPOLOGY}", ["exactly one of onnx"]),
        (f"[model]\nonnx='a.onnx'\nprofile='b.json'\n{TOPOLOGY}", ["exactly one of"]),
        (f"[model]\nprofile='none.json'\n{TOPOLOGY}", ["none.json", "exists"]),
        (f"[model]\nprofile='model.onnx'\n{TOPOLOGY}", ["model.onnx", ".json"]),
        (f"[model]\npreset='llama-2-70'\n{TOPOLOGY}", ["did you mean 'llama-2-70b'"]),
        (f"[model]\ntransformer={{layers=2}}\n{TOPOLOGY}", ["transformer.hidden", "missing"]),
        (f"[model]\ntransformer={{layer=2}}\n{TOPOLOGY}", ["did you mean 'layers'"]),
        (f"{MODEL}batch = 2\n{TOPOLOGY}", ["batch", "ONNX"]),
    ],
)
def test_a_bad_scenario_is_one_line_with_file_field_and_value(
    folder: Path, text: str, found: list[str]
) -> None:
    path = write(folder, text)
    with pytest.raises((ow.InputError, OSError)) as raised:
        read_scenario(path)
    message = str(raised.value)
    assert message.startswith(str(path))
    assert "\n" not in message
    for part in found:
        assert part in message


@pytest.mark.parametrize("key", ["pinned", "forbidden", "limits", "weights", "colocated"])
@pytest.mark.parametrize("value", ["1", "'x'", "true", "[1, 'a']", "{ a = [[1]] }", "nan"])
def test_a_value_of_a_wrong_type_is_never_a_traceback(folder: Path, key: str, value: str) -> None:
    path = write(folder, f"{MODEL}{TOPOLOGY}[plan]\n{key} = {value}")
    with pytest.raises(ow.InputError, match=key):
        read_scenario(path)


def test_bytes_that_are_no_text_are_said_so(folder: Path) -> None:
    path = folder / "case.toml"
    path.write_bytes(b"name = '\xff'")
    with pytest.raises(ow.InputError, match="UTF-8"):
        read_scenario(path)


def test_relative_paths_start_at_the_scenario(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "inner").mkdir()
    path = folder / "inner" / "case.toml"
    path.write_text(f'[model]\nprofile = "../model.json"\n{TOPOLOGY}', encoding="utf-8")
    monkeypatch.chdir("/")
    assert read_scenario(path).problem.profile.name == "tiny"


def test_the_embedded_examples_are_there_and_read() -> None:
    pytest.importorskip("onnx", reason="the ResNet-50 example reads the onnx package's graph")
    assert example_names() == ("llama-70b", "resnet50", "vgg19")
    llama = read_scenario(example_path("llama-70b")).problem
    assert llama.profile.total_params == 68_976_648_192
    resnet = read_scenario(example_path("resnet50")).problem
    assert resnet.profile.total_params == 25_557_032
    vgg = read_scenario(example_path("vgg19")).problem
    assert vgg.profile.total_params == 143_667_240
    for problem in (llama, resnet, vgg):
        # No satellite must be able to hold the model, or the example shows nothing.
        orbit = [row.memory_bytes for row in problem.network.nodes if row.kind == "orbital"]
        assert max(orbit) < problem.profile.memory_mb * 1e6


def test_models_by_name(tmp_path: Path) -> None:
    path = tmp_path / "p.json"
    profile().to_json(path)
    assert read_model(str(path)).to_dict() == read_model("p.json", tmp_path).to_dict()
    whole = read_model("preset:llama-2-70b")
    assert whole.to_dict() == read_model("transformer:llama-2-70b").to_dict()
    step = read_model("transformer:preset=llama-2-70b,tokens=1,tied_embeddings=true")
    assert step.total_params < whole.total_params
    assert step.total_flops < whole.total_flops / 1000
    tiny = "transformer:layers=2,hidden=64,heads=4,ffn=128,vocabulary=100,context=16"
    assert read_model(tiny).num_layers == 4


@pytest.mark.parametrize("text", ["model.pt", "preset:gpt", "onnx:", "transformer:heads=x", "x"])
def test_a_model_that_is_none_is_refused(text: str) -> None:
    pytest.importorskip("onnx", reason="one case names a graph of the onnx package")
    with pytest.raises(ow.InputError):
        read_model(text)


def test_a_missing_onnx_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.util

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"orbweave\[onnx\]"):
        read_model("onnx:light_resnet50")
