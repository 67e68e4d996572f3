"""Notebooks run from top to bottom, say what they claim, and are stored without output."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest

from orbweave.adapters import read_model

nbformat = pytest.importorskip("nbformat", reason="notebooks need nbformat")
nbclient = pytest.importorskip("nbclient", reason="notebooks need nbclient")

FOLDER = Path(__file__).resolve().parent.parent / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))


def read(path: Path) -> Any:
    return nbformat.read(path, as_version=4)


def execute(path: Path, folder: Path, last: str) -> Any:
    """Run a notebook and one more cell; return what that cell prints, as JSON."""
    notebook = read(path)
    notebook.cells.append(nbformat.v4.new_code_cell(last))
    client = nbclient.NotebookClient(
        notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
    )
    client.execute()
    return json.loads(notebook.cells[-1].outputs[0]["text"]), notebook


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_a_notebook_is_stored_without_output(path: Path) -> None:
    notebook = read(path)
    nbformat.validate(notebook)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert cell.outputs == []
            assert cell.execution_count is None
        assert cell.metadata == {}
    assert set(notebook.metadata) <= {"kernelspec", "language_info"}


@pytest.mark.slow
def test_the_objectives_notebook_shows_what_each_objective_gives_up(tmp_path: Path) -> None:
    for package in ("onnx", "matplotlib", "pandas", "ipykernel"):
        pytest.importorskip(package, reason="the notebook uses it")
    last = """import json
print(json.dumps({
    "regret": regret.to_dict(),
    "reasons": [result.reason.value for result in results.values()],
    "front": points[["latency", "energy"]].values.tolist(),
    "bounded": [answer.require().values["latency"], answer.objective],
}))"""
    found, notebook = execute(FOLDER / "objectives.ipynb", tmp_path, last)
    assert found["reasons"] == ["optimal"] * 5
    for name, column in found["regret"].items():
        assert column[name] == pytest.approx(1)
        assert min(column.values()) >= 1 - 1e-6
        assert max(column.values()) > 1.2  # every objective is given up by some other
    front = found["front"]
    assert len(front) >= 5
    assert all(a[0] < b[0] and a[1] > b[1] for a, b in itertools.pairwise(front))
    assert front[0][0] == pytest.approx(by_hand())
    latency, energy = found["bounded"]
    assert latency <= 0.060
    # The bounded question has its answer on the front.
    assert energy == pytest.approx(min(b for a, b in front if a <= 0.060))
    pictures = [
        output
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if "image/png" in output.get("data", {})
    ]
    assert len(pictures) == 3


@pytest.mark.slow
def test_the_passes_notebook_plans_one_day_four_times(tmp_path: Path) -> None:
    for package in ("matplotlib", "pandas", "ipykernel"):
        pytest.importorskip(package, reason="the notebook uses it")
    last = """import json
print(json.dumps({
    "table": table[["delivered_gb", "critical_gb", "violations"]].to_dict(),
    "completion_h": table.loc["completion", "completion_h"],
    "bounds": {name: result.bound for name, result in results.items()},
    "again": [again.schedule.delivered.sum(), len(again.schedule.violations())],
}))"""
    found, _ = execute(FOLDER / "passes.ipynb", tmp_path, last)
    delivered, critical = found["table"]["delivered_gb"], found["table"]["critical_gb"]
    assert delivered["volume"] == pytest.approx(delivered["priority"])
    assert critical["priority"] > 1.2 * critical["volume"]
    assert 0.5 * delivered["volume"] < delivered["set-up"] < 0.95 * delivered["volume"]
    assert delivered["completion"] == pytest.approx(24 * 30)
    assert found["completion_h"] * 3600 == pytest.approx(found["bounds"]["completion"], rel=1e-6)
    assert delivered["volume"] * 1e9 == pytest.approx(found["bounds"]["volume"], rel=1e-6)
    assert set(found["table"]["violations"].values()) == {0}
    assert found["again"][0] < delivered["volume"] * 1e9
    assert found["again"][1] == 0


@pytest.mark.slow
def test_the_routing_notebook_waits_links_and_loses_them(tmp_path: Path) -> None:
    for package in ("matplotlib", "pandas", "ipykernel"):
        pytest.importorskip(package, reason="the notebook uses it")
    last = """import json
print(json.dumps({
    "arrival": {name: result.objective for name, result in results.items()},
    "late": late,
    "latency": {name: found.latency_s for name, found in best_routes.items()},
    "hops": {name: len(found.hops) for name, found in best_routes.items()},
    "delay": table["mean delay (ms)"].tolist(),
    "fewest": (table["mean hops of the shortest way"] - table["fewest hops possible"]).min(),
}))"""
    found, _ = execute(FOLDER / "routing.ipynb", tmp_path, last)
    assert found["arrival"]["with a ring"] < found["arrival"]["alone"] / 100
    assert min(found["late"].values()) >= 0  # nothing lost makes a bundle sooner
    assert max(found["late"].values()) > 0
    assert min(found["latency"], key=found["latency"].get) == "minimum_latency"
    assert min(found["hops"].values()) == found["hops"]["fewest_handovers"]
    assert found["delay"][0] == min(found["delay"])  # more ways are never a longer one
    assert found["fewest"] >= 0


@pytest.mark.slow
def test_the_compression_notebook_squeezes_and_plans(tmp_path: Path) -> None:
    for package in ("matplotlib", "sklearn", "ipykernel"):
        pytest.importorskip(package, reason="the notebook uses it")
    last = """import json
print(json.dumps({
    "final": final, "ratio": ratio, "left": [uniform, together, planned, bound],
    "error": [plan.relative_error for plan in plans],
    "price": [plan.prices.total for plan in plans],
}))"""
    found, _ = execute(FOLDER / "compression.ipynb", tmp_path, last)
    final, ratio = found["final"], found["ratio"]
    assert final["dense"] - final["2.0%"] < 2
    assert final["2.0%"] > final["2.0% without feedback"]
    assert ratio["planned"] > 0.95 * ratio["2.0%"] > 50
    uniform, together, planned, bound = found["left"]
    assert bound * 0.99 <= planned < together < uniform
    # Fewer bytes leave more out, and each is worth more.
    assert found["error"] == sorted(found["error"])
    assert found["price"] == sorted(found["price"])


def by_hand() -> float:
    """Latency of the quickest plan: convolutions on the GPU satellite, the rest on the ground."""
    flops = read_model("onnx:light_vgg19").column("flops")
    picture, features = 3 * 224 * 224 * 4, 512 * 7 * 7 * 4
    to_gpu = picture * 8 / 1e9 + 0.004
    to_ground = features * 8 / 100e6 + 0.012
    return float(to_gpu + flops[:16].sum() / 4e12 + to_ground + flops[16:].sum() / 1e12)
