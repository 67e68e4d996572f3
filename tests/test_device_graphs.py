"""Readers of published device graphs, and the proven optima of the supplied instances."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from orbweave.adapters.device_graphs import read_msr, read_pipedream
from orbweave.formulations.checks import InputError
from orbweave.formulations.partition import Partition
from orbweave.formulations.partition.outcome import Watch
from orbweave.formulations.partition.pipelines.throughput import solve_throughput

#: Milliseconds: the authors' exact program; what was known without contiguity.
PROVEN = {
    "bert24_inference": 17.7899,
    "bert24_training": 41.7458,
    "gnmt_inference": 32.9107,
    "resnet50_inference": 33.7747,
    "resnet50_training": 78.6318,
    "bert_l-3_inference": 27.9186,
}
FREE = {"bert24_training": 39.94, "gnmt_inference": 31.78, "bert_l-3_inference": 27.574}


def load_ms(data: dict[str, Any], device_of: dict[int, str]) -> float:
    """Largest load as the instances' README defines it, from the file's own numbers."""
    cost = {edge["sourceId"]: edge["cost"] for edge in data["edges"]}
    loads: dict[str, float] = {}
    for node in data["nodes"]:
        device = device_of[node["id"]]
        kind = "cpuLatency" if device.startswith("cpu") else "fpgaLatency"
        loads[device] = loads.get(device, 0.0) + node[kind]
    for device in loads:
        if device.startswith("cpu"):
            continue
        paid = set()
        for edge in data["edges"]:
            ends = (device_of[edge["sourceId"]], device_of[edge["destId"]])
            if (ends[0] == device) != (ends[1] == device):
                paid.add(edge["sourceId"])
        loads[device] += sum(cost[producer] for producer in paid)
    return max(loads.values())


def devices(partition: Partition) -> dict[int, str]:
    """Device by the id in the file (the reader keeps it in the layer's name)."""
    layers = partition.problem.profile.layers
    return {
        int(layer.name.split("#")[1]): node
        for layer, node in zip(layers, partition.node_of_layer, strict=True)
    }


@pytest.mark.parametrize("name", PROVEN)
def test_supplied_instances_reach_their_proven_optimum(name: str, reference: Path) -> None:
    path = reference / "partition" / "msr" / "throughput" / f"{name}.json"
    problem = read_msr(path)
    outcome = solve_throughput(problem, Watch())
    assert outcome.placement is not None
    partition = Partition.from_indices(problem, outcome.placement)
    assert partition.violations() == ()
    assert partition.objective * 1e3 == pytest.approx(PROVEN[name], abs=1e-4)
    assert outcome.bound == pytest.approx(partition.objective, rel=1e-6)
    data = json.loads(path.read_text())
    assert load_ms(data, devices(partition)) == pytest.approx(partition.objective * 1e3, rel=1e-9)


@pytest.mark.parametrize("name", FREE)
def test_free_placements_are_at_least_as_good_as_the_best_known(name: str, reference: Path) -> None:
    path = reference / "partition" / "msr" / "throughput" / f"{name}.json"
    problem = read_msr(path, contiguous=False)
    outcome = solve_throughput(problem, Watch(time_limit_s=60))
    assert outcome.placement is not None
    partition = Partition.from_indices(problem, outcome.placement)
    assert partition.violations() == ()
    assert partition.objective * 1e3 <= FREE[name]
    assert 0 < outcome.bound <= partition.objective
    data = json.loads(path.read_text())
    assert load_ms(data, devices(partition)) == pytest.approx(partition.objective * 1e3, rel=1e-9)


def instance() -> dict[str, Any]:
    """Two forward layers, their backward ones, and a backward layer whose colour is its own."""

    def node(number: int, backward: int, color: int | None) -> dict[str, Any]:
        row = {
            "id": number, "supportedOnFpga": 1, "cpuLatency": 10.0, "fpgaLatency": 1.0,
            "isBackwardNode": backward, "size": 5.0,
        }  # fmt: skip
        return row if color is None else row | {"colorClass": color}

    return {
        "maxSizePerFPGA": 100.0, "maxFPGAs": 2, "maxCPUs": 1,
        "nodes": [node(7, 1, 1), node(3, 0, 1), node(4, 0, 2), node(6, 1, 2), node(5, 1, None)],
        "edges": [
            {"sourceId": 3, "destId": 4, "cost": 0.5}, {"sourceId": 4, "destId": 5, "cost": 0.25},
            {"sourceId": 5, "destId": 6, "cost": 0.25}, {"sourceId": 6, "destId": 7, "cost": 0.5},
        ],
    }  # fmt: skip


def write(folder: Path, data: dict[str, Any]) -> Path:
    path = folder / "instance.json"
    path.write_text(json.dumps(data))
    return path


def test_the_cost_model_is_stated_as_a_problem(tmp_path: Path) -> None:
    problem = read_msr(write(tmp_path, instance()))
    names = [layer.name.split("#")[1] for layer in problem.profile.layers]
    assert names == ["3", "4", "5", "6", "7"]
    assert problem.colocated == ((0, 4), (1, 3))
    # Forward edge 3 -> 4; the orphan 5 stands in for a forward layer, its edge to 6 turned round.
    assert problem.piece_edges is not None
    assert set(problem.piece_edges) == {(0, 1), (3, 2)}
    assert problem.network.node_names == ("accelerator-0", "accelerator-1", "cpu-0")
    together = Partition.from_indices(problem, [0, 0, 0, 0, 0])
    assert together.objective == pytest.approx(5e-3)
    # Layer 5 apart: 0.25 ms in from 4 and 0.25 ms out to 6, at both ends.
    apart = Partition.from_indices(problem, [0, 0, 1, 0, 0])
    assert apart.evaluation.node_load_s == pytest.approx([4.5e-3, 1.5e-3, 0.0])
    assert apart.violations() == ()
    on_cpu = Partition.from_indices(problem, [0, 0, 2, 0, 0])
    assert on_cpu.evaluation.node_load_s == pytest.approx([4.5e-3, 0.0, 10e-3])


def test_memory_counts_sizes_alone(tmp_path: Path) -> None:
    data = instance() | {"maxSizePerFPGA": 25.0}
    problem = read_msr(write(tmp_path, data))
    assert Partition.from_indices(problem, [0] * 5).violations() == ()
    data = instance() | {"maxSizePerFPGA": 24.9}
    problem = read_msr(write(tmp_path, data))
    assert "memory" in Partition.from_indices(problem, [0] * 5).violations()[0]


def test_unsupported_layers_stay_on_the_cpu(tmp_path: Path) -> None:
    data = instance()
    data["nodes"][4]["supportedOnFpga"] = 0
    problem = read_msr(write(tmp_path, data))
    outcome = solve_throughput(problem, Watch())
    assert outcome.placement is not None
    assert problem.network.node_names[int(outcome.placement[2])] == "cpu-0"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.pop("maxFPGAs"), "maxFPGAs"),
        (lambda d: d["nodes"][0].pop("fpgaLatency"), "fpgaLatency"),
        (lambda d: d["nodes"][0].update(cpuLatency=float("nan")), "cpuLatency"),
        (lambda d: d["nodes"][1].update(id=7), "every id once"),
        (lambda d: d["edges"][0].update(destId=99), "99"),
        (lambda d: d["edges"][0].update(sourceId=4, destId=3), "one cost"),
        (lambda d: d["edges"][3].update(destId=3), "cycle|acyclic"),
        (lambda d: d["edges"][0].update(cost=-1.0), "cost"),
    ],
)
def test_bad_instances_are_refused(change: Any, message: str, tmp_path: Path) -> None:
    data = instance()
    if message == "cycle|acyclic":
        data["edges"].append({"sourceId": 6, "destId": 4, "cost": 0.5})
    else:
        change(data)
    with pytest.raises(InputError, match=message):
        read_msr(write(tmp_path, data))


def test_files_that_are_not_json_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "broken.json"
    path.write_text('{"nodes": [')
    with pytest.raises(InputError, match="valid JSON"):
        read_msr(path)


# -- PipeDream ------------------------------------------------------------------------------
PROFILE = """\
node2 -- ReLU(inplace) -- forward_compute_time=2.000, backward_compute_time=3.000, \
activation_size=[100.0; 20.0], parameter_size=0.000
node1 -- Conv2d(3, 64, kernel_size=(3, 3)) -- forward_compute_time=10.500, \
backward_compute_time=20.000, activation_size=400.000, parameter_size=7168.000
\tnode1 -- node2
"""


def test_pipedream_profiles_are_read(tmp_path: Path) -> None:
    path = tmp_path / "profile.txt"
    path.write_text(PROFILE)
    profile, forward, backward = read_pipedream(path)
    assert [layer.name for layer in profile.layers] == ["node1", "node2"]
    assert [layer.kind for layer in profile.layers] == ["Conv2d", "ReLU"]
    assert profile.edges == ((0, 1),)
    assert profile.column("activation_bytes").tolist() == [400.0, 120.0]
    assert profile.total_params == 1792
    np.testing.assert_allclose(forward, [10.5e-3, 2e-3])
    np.testing.assert_allclose(backward, [20e-3, 3e-3])


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("forward_compute_time=2.000, ", "", "forward_compute_time"),
        ("=10.500", "=fast", "forward_compute_time"),
        ("\tnode1 -- node2", "\tnode1 -- node9", "node9"),
        ("node2 -- ReLU", "node1 -- ReLU", "every node once"),
        ("node2 -- ReLU(inplace) -- ", "node2 ", "line 1"),
    ],
)
def test_bad_profiles_are_refused(old: str, new: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "profile.txt"
    path.write_text(PROFILE.replace(old, new))
    with pytest.raises(InputError, match=message):
        read_pipedream(path)


@pytest.mark.parametrize(
    ("name", "layers", "megabytes"), [("vgg16", 41, 553.4), ("resnet50", 177, 102.2)]
)
def test_published_profiles_have_their_models_sizes(
    name: str, layers: int, megabytes: float, reference: Path
) -> None:
    profile, forward, backward = read_pipedream(
        reference / "partition" / "pipedream" / f"{name}.txt"
    )
    assert profile.num_layers == layers == len(forward) == len(backward)
    assert profile.memory_mb == pytest.approx(megabytes, abs=0.1)  # float32 weights
    assert profile.sources == (0,)
