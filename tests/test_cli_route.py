"""`orbweave route`: from a scenario to a route, its certificate and its pictures."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

import orbweave as ow
from orbweave.cli import main

SCENARIO = """
name = "small"
[constellation]
walker = { pattern = "delta", planes = 6, satellites_per_plane = 8, altitude_m = 1200e3, \
inclination_deg = 60 }
[[stations]]
name = "A"
latitude_deg = 45
longitude_deg = 7
[[stations]]
name = "B"
latitude_deg = -30
longitude_deg = 25
[window]
start = 2026-01-01T00:00:00Z
duration_s = 1800
[links]
downlink = 200e6
uplink = 50e6
[route]
source = "A"
target = "B"
volume_bytes = 1e6
"""


@pytest.fixture
def scenario(tmp_path: Path) -> Path:
    path = tmp_path / "small.toml"
    path.write_text(SCENARIO, encoding="utf-8")
    return path


def test_a_route_is_printed_with_its_proof(
    scenario: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["route", str(scenario), "--quiet"]) == 0
    text = capsys.readouterr().out
    problem = ow.read_route_scenario(scenario).problem
    best = ow.solve(problem).require()
    assert all(name in text for name in best.nodes)
    assert "proven optimal" in text
    assert "shortest paths through the moving mesh at 720 instants" in text


def test_what_is_written_says_what_was_found(scenario: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    out = tmp_path / "out"
    arguments = ["route", str(scenario), "--out", str(out), "--step", "60", "--json", "--quiet"]
    assert main(arguments) == 0
    document = json.loads((out / "route.json").read_text(encoding="utf-8"))
    problem = ow.read_route_scenario(scenario).problem
    assert document["objective"] == pytest.approx(ow.solve(problem).objective)
    with (out / "latency.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    mesh = ow.read_route_scenario(scenario).mesh
    assert mesh is not None
    paths = ow.snapshot_paths(mesh, np.arange(30) * 60.0, "A", "B")
    assert [float(row["delay_s"]) for row in rows] == pytest.approx(paths.distance[:, 0, 0])
    assert rows[3]["path"].split(" ") == list(paths.path(3, "A", "B"))
    for name in ("latency.png", "map.png"):
        assert (out / name).read_bytes().startswith(b"\x89PNG")


def test_the_command_line_goes_over_the_file(
    scenario: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--from", "B", "--to", "A", "--depart", "600", "--volume", "2e6", "--quiet"]
    assert main(["route", str(scenario), "--json", *options]) == 0
    document = json.loads(capsys.readouterr().out)
    problem = ow.read_route_scenario(scenario).problem.replace(
        source="B", target="A", depart_s=600.0, volume_bytes=2e6
    )
    assert document["objective"] == pytest.approx(ow.solve(problem).objective)


def test_no_route_is_an_answer(scenario: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["route", str(scenario), "--volume", "1e15", "--quiet"]) == 3
    assert "infeasible" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--from", "Z"], "--from = 'Z'"),
        (["--objective", "fastest"], "--objective = 'fastest'"),
        (["--volume", "-1"], "--volume = -1"),
        (["--k", "0"], "--k = 0"),
        (["--step", "0"], "--step = 0"),
        (["--disjoint", "edges"], "--disjoint = 'edges'"),
    ],
)
def test_bad_input_is_one_line(
    scenario: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    words: str,
) -> None:
    assert main(["route", str(scenario), *arguments]) == 2
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1


def test_a_plan_file_has_no_map_but_a_route(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    plan = ow.read_route_scenario(_written(tmp_path)).problem.plan
    plan.to_json(tmp_path / "plan.json")
    path = tmp_path / "from-plan.toml"
    text = '[plan]\nfile = "plan.json"\n[route]\nsource = "A"\ntarget = "B"\n'
    path.write_text(text, encoding="utf-8")
    assert main(["route", str(path), "--out", str(tmp_path / "out"), "--quiet"]) == 0
    assert sorted(row.name for row in (tmp_path / "out").iterdir()) == [
        "latency.csv",
        "latency.png",
        "route.json",
    ]


def _written(folder: Path) -> Path:
    path = folder / "small.toml"
    path.write_text(SCENARIO, encoding="utf-8")
    return path


def test_the_example_runs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["route", "--example", "polar-delay", "--k", "1", "--step", "600", "--quiet"]) == 0
    assert "Svalbard" in capsys.readouterr().out
