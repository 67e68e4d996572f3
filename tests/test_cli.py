"""The command line as a person types it: output, files, exit codes, one line per error."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from oracle import SINGLES, enumerate_placements

import orbweave as ow
from orbweave import cli
from orbweave.adapters import read_scenario
from orbweave.adapters.progress import Progress
from orbweave.formulations.partition.outcome import Watch
from orbweave.solvers.result import Limit, Reason, SolveResult

SCENARIO = """name = "small"
[model]
profile = "model.json"
[topology]
ground_nodes = 1
orbital_nodes = 2
ground_flops = 5e12
orbital_flops = 2e12
uplink_bandwidth = 1e8
downlink_bandwidth = 5e8
isl_bandwidth = 1e10
orbital_memory_gb = 0.0045
ground_memory_gb = 0.0045
[plan]
input_node = "ground-0"
output_node = "orbital-1"
"""


@pytest.fixture
def scenario(tmp_path: Path) -> Path:
    rows = [ow.LayerProfile(f"l{i}", 10, 1e6, (i + 1) * 1e9, 1e5 * (6 - i)) for i in range(6)]
    ow.ModelProfile(rows, input_bytes=1e4, output_bytes=1e3).to_json(tmp_path / "model.json")
    path = tmp_path / "case.toml"
    path.write_text(SCENARIO, encoding="utf-8")
    return path


def run(*words: object, **options: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "orbweave", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, **options)


# -- plan -----------------------------------------------------------------------------------------
@pytest.mark.parametrize("objective", SINGLES)
def test_a_plan_in_json_is_the_enumerated_optimum(
    scenario: Path, capsys: pytest.CaptureFixture[str], objective: str
) -> None:
    assert cli.main(["plan", str(scenario), "--json", "--quiet", "--objective", objective]) == 0
    out, err = capsys.readouterr()
    data = json.loads(out, parse_constant=pytest.fail)
    problem = read_scenario(scenario).problem.replace(objective=objective)
    best = enumerate_placements(problem).best(objective)
    assert err == ""
    assert data["scenario"] == "small"
    assert data["reason"] == "optimal"
    assert data["objective"] == pytest.approx(best)
    assert data["bound"] == pytest.approx(best, rel=1e-5)
    placed = ow.Partition(problem, data["solution"]["node_of_layer"])
    assert placed.objective == pytest.approx(best)
    assert placed.violations() == ()


def test_a_plan_as_tables_and_files(scenario: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib", reason="without it there is no picture")
    folder = scenario.parent / "out" / "deep"
    assert cli.main(["plan", str(scenario), "--out", str(folder)]) == 0
    out, err = capsys.readouterr()
    for part in ("small", "l0", "latency", "uplink", "proven optimal", "bound", "gap", "method"):
        assert part in out
    assert sorted(row.name for row in folder.iterdir()) == ["plan.json", "plan.png"]
    assert f"wrote {folder / 'plan.json'}" in err
    data = json.loads((folder / "plan.json").read_text(encoding="utf-8"))
    assert data["solution"]["values"]["latency"] == pytest.approx(data["objective"])


def test_without_matplotlib_the_plan_is_written_and_the_extra_named(
    scenario: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert cli.main(["plan", str(scenario), "--out", str(scenario.parent / "out")]) == 0
    assert "orbweave[plot]" in capsys.readouterr().err
    assert [row.name for row in (scenario.parent / "out").iterdir()] == ["plan.json"]


def test_the_command_line_wins_over_the_file(
    scenario: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scenario.write_text(
        SCENARIO + '[solve]\nbackend = "glop"\nrelative_gap = 0.5\n', encoding="utf-8"
    )
    arguments = ["plan", str(scenario), "--json", "--backend", "highs", "--gap", "0"]
    assert cli.main(arguments) == 0
    data = json.loads(capsys.readouterr().out)
    assert "highs" in data["backend"].lower()
    assert data["gap"] <= 1e-6


def test_the_same_input_gives_the_same_plan(
    scenario: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plans = []
    for _ in range(2):
        cli.main(["plan", str(scenario), "--json", "--seed", "7"])
        plans.append(json.loads(capsys.readouterr().out)["solution"])
    assert plans[0] == plans[1]


def test_an_infeasible_scenario_says_why_and_writes_nothing(
    scenario: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = SCENARIO.replace("0.0045", "0.0015")
    scenario.write_text(text, encoding="utf-8")
    folder = scenario.parent / "out"
    assert cli.main(["plan", str(scenario), "--quiet", "--out", str(folder)]) == 3
    out, err = capsys.readouterr()
    assert "proven infeasible" in out
    assert err.startswith(f"orbweave: error: {scenario}: infeasible: ")
    assert err.count("\n") == 1
    assert not folder.exists()


@pytest.mark.parametrize(
    ("reason", "limit", "code"),
    [
        (Reason.INFEASIBLE, None, 3),
        (Reason.NO_SOLUTION, Limit.TIME, 4),
        (Reason.NO_SOLUTION, Limit.INTERRUPT, 130),
        (Reason.ERROR, None, 1),
        (Reason.UNBOUNDED, None, 1),
    ],
)
def test_how_a_solve_ended_without_a_plan_is_the_exit_code(
    scenario: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    reason: Reason,
    limit: Limit | None,
    code: int,
) -> None:
    ended: SolveResult[ow.Partition] = SolveResult(None, reason, limit=limit, message="because")
    monkeypatch.setattr(cli, "solve", lambda problem, options: ended)
    assert cli.main(["plan", str(scenario), "--json"]) == code
    out, err = capsys.readouterr()
    assert json.loads(out)["solution"] is None
    assert err.endswith("before a plan was found\n" if code == 130 else "because\n")
    assert err.count("\n") == 1


def test_an_interrupt_outside_the_solve_is_130(
    scenario: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(path: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "read_scenario", stop)
    assert cli.main(["plan", str(scenario)]) == 130
    assert capsys.readouterr().err == "orbweave: error: interrupted\n"


def test_every_example_is_planned(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("onnx", reason="the ResNet-50 example reads the onnx package's graph")
    arguments = ["plan", "--example", "--out", str(tmp_path), "--json", "--quiet"]
    assert cli.main([*arguments, "--time-limit", "20"]) == 0
    llama, resnet, vgg = json.loads(capsys.readouterr().out)
    assert len(llama["solution"]["node_of_layer"]) == 82
    assert len(set(llama["solution"]["node_of_layer"])) > 2
    assert len(set(resnet["solution"]["node_of_layer"])) > 1
    assert vgg["reason"] == "optimal"
    for name, data in (("llama-70b", llama), ("resnet50", resnet), ("vgg19", vgg)):
        assert data["solution"]["violations"] == []
        assert data["bound"] <= data["objective"] * (1 + 1e-9)
        assert json.loads((tmp_path / name / "plan.json").read_text(encoding="utf-8")) == data


# -- errors ---------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("words", "found"),
    [
        ([], ["COMMAND"]),
        (["plan"], ["SCENARIO.toml or --example"]),
        (["plan", "CASE", "--example"], ["either"]),
        (["plan", "none.toml"], ["none.toml: No such file"]),
        (["plan", "."], ["Is a directory"]),
        (["plan", "--example", "resnet"], ["'resnet'", "did you mean 'resnet50'"]),
        (["plan", "CASE", "--objective", "latncy"], ["--objective", "mean 'latency'"]),
        (["plan", "CASE", "--time-limit", "nan"], ["--time-limit = nan", "> 0"]),
        (["plan", "CASE", "--time-limit", "x"], ["--time-limit", "'x'"]),
        (["plan", "CASE", "--gap", "-1"], ["--gap = -1.0"]),
        (["plan", "CASE", "--threads", "0"], ["--threads = 0", ">= 1"]),
        (["plan", "CASE", "--seed", "-1"], ["--seed = -1"]),
        (["plan", "CASE", "--backend", "high"], ["--backend", "mean 'highs'"]),
        (["plan", "CASE", "--method", "magic"], ["method", "'magic'"]),
        (["plan", "CASE", "--time"], ["--time", "did you mean '--time-limit'"]),
        (["plan", "CASE", "--out", "CASE"], ["--out", "a folder"]),
        (["plan", "CASE", "--out", "CASE/deeper"], ["--out", "a folder"]),
        (["profile", "model.pt"], ["model.pt", ".onnx"]),
        (["profile", "none.onnx"], ["none.onnx", "exists"]),
        (["profile", "preset:gpt", "--json"], ["'gpt'", "llama-2-7b"]),
        (["profile", "preset:llama-2-7b", "--rows", "0"], ["--rows = 0"]),
        (["example", "no"], ["'no'", "resnet50"]),
        (["plann"], ["plann"]),
    ],
)
def test_a_mistake_is_one_line_and_code_2(
    scenario: Path, capsys: pytest.CaptureFixture[str], words: list[str], found: list[str]
) -> None:
    words = [word.replace("CASE", str(scenario)) for word in words]
    assert cli.main(words) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("orbweave")
    assert err.count("\n") == 1
    for part in found:
        assert part in err


def test_bad_solve_options_name_the_file(
    scenario: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scenario.write_text(SCENARIO + "[solve]\ntime_limit_s = nan\n", encoding="utf-8")
    assert cli.main(["plan", str(scenario)]) == 2
    err = capsys.readouterr().err
    assert f"{scenario}: [solve]" in err
    assert "time_limit_s = nan" in err


def test_a_truncated_onnx_file_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    onnx = pytest.importorskip("onnx", reason="reads an ONNX file")
    light = Path(onnx.__file__).parent / "backend/test/data/light/light_resnet50.onnx"
    (tmp_path / "cut.onnx").write_bytes(light.read_bytes()[:5000])
    assert cli.main(["profile", str(tmp_path / "cut.onnx")]) == 2
    err = capsys.readouterr().err
    assert "cut.onnx" in err
    assert err.count("\n") == 1


# -- profile, example, help -----------------------------------------------------------------------
def test_a_profile_is_shown_and_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "llama.json"
    assert cli.main(["profile", "preset:llama-2-70b", "--rows", "4", "--out", str(path)]) == 0
    out = capsys.readouterr().out
    assert "68,976,648,192 parameters" in out
    assert "(78 more)" in out
    assert cli.main(["profile", str(path), "--json"]) == 0
    profile = ow.ModelProfile.from_json(capsys.readouterr().out)
    assert profile.total_params == 68_976_648_192


def test_an_example_is_a_scenario(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["example"]) == 0
    plans, passes = ["llama-70b", "resnet50", "vgg19"], ["polar-80", "shell-1584"]
    assert capsys.readouterr().out.split() == [*plans, *passes, "round-80", "polar-delay"]
    assert cli.main(["example", "llama-70b"]) == 0
    path = tmp_path / "mine.toml"
    path.write_text(capsys.readouterr().out, encoding="utf-8")
    assert read_scenario(path).problem.profile.num_layers == 82


@pytest.mark.parametrize(
    "words",
    [["--help"], *([name, "--help"] for name in ("plan", "passes", "schedule", "profile"))],
)
def test_help_states_the_exit_codes(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(words) == 0
    assert "exit codes:" in capsys.readouterr().out


# -- the process ----------------------------------------------------------------------------------
def test_the_module_runs_and_exits_with_the_code(scenario: Path) -> None:
    done = run("plan", scenario, "--quiet")
    assert done.returncode == 0
    assert done.stderr == ""
    assert "proven optimal" in done.stdout
    assert run("plan").returncode == 2
    assert re.fullmatch(r"orbweave \d+\.\d+.*\n", run("--version").stdout)


def test_a_reader_that_leaves_early_is_no_error() -> None:
    command = f"{sys.executable} -m orbweave profile preset:llama-2-70b | head -n 1"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=300)
    assert done.stdout.startswith("Llama-2-70B")
    assert done.stderr == ""


def test_a_layer_name_that_the_terminal_cannot_show_is_no_error(tmp_path: Path) -> None:
    rows = [ow.LayerProfile("Schicht-ß", 1, 1, 1, 1)]
    ow.ModelProfile(rows).to_json(tmp_path / "m.json")
    done = run("profile", tmp_path / "m.json", env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert done.returncode == 0
    assert r"Schicht-\xdf" in done.stdout


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="sends SIGINT")
def test_ctrl_c_takes_the_best_plan_so_far(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    layers = [
        ow.LayerProfile(f"l{i}", 1, float(w), float(f), float(a))
        for i, (w, f, a) in enumerate(
            zip(
                rng.uniform(1e6, 1e8, 1000),
                rng.uniform(1e9, 1e12, 1000),
                rng.uniform(1e4, 1e7, 1000),
                strict=True,
            )
        )
    ]
    ow.ModelProfile(layers).to_json(tmp_path / "model.json")
    room = 1.25 * sum(layer.weight_bytes for layer in layers) / 32
    nodes = [
        f'[[nodes]]\nname = "n{k}"\nflop_per_s = {rng.uniform(1e12, 9e12)}\n'
        f"memory_bytes = {room * rng.uniform(0.6, 1.5)}\n"
        for k in range(32)
    ]
    links = [
        f'[[links]]\nsource = "n{a}"\ntarget = "n{b}"\nrate_bps = {rng.uniform(1e8, 1e10)}\n'
        for a in range(32)
        for b in ((a + 1) % 32, (a - 1) % 32, (a + 7) % 32)
    ]
    text = '[model]\nprofile = "model.json"\n' + "".join([*nodes, *links])
    (tmp_path / "hard.toml").write_text(text, encoding="utf-8")
    command = [sys.executable, "-m", "orbweave", "plan", str(tmp_path / "hard.toml"), "--json"]
    with subprocess.Popen(command, stdout=-1, stderr=-1, text=True) as process:
        assert process.stderr is not None
        # The first line of progress says that the solve is running and what it has.
        lines = iter(process.stderr.readline, "")
        first = next(line for line in lines if "plan" in line and "no plan" not in line)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=240)
    assert "Ctrl-C" in first
    assert process.returncode == 0, err
    data = json.loads(out)
    assert (data["reason"], data["limit"]) == ("feasible", "interrupt")
    assert data["solution"]["violations"] == []
    assert data["bound"] is None or data["bound"] <= data["objective"]


# -- progress -------------------------------------------------------------------------------------
class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("stream", [Terminal(), io.StringIO()])
def test_progress_is_silent_at_first_then_one_line_that_is_wiped(
    stream: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Progress(stream, str):
        pass
    assert stream.getvalue() == ""
    monkeypatch.setattr("orbweave.adapters.progress.QUIET_S", 0.0)
    watch = Watch()
    watch.offer(np.zeros(1, dtype=np.int64), 2.0)
    watch.tighten(1.0)
    with Progress(stream, str) as progress:
        progress.update(watch)
        while not stream.getvalue():
            time.sleep(0.01)
    text = stream.getvalue()
    assert "plan 2.0, bound 1.0, gap 50.00%" in text or "no plan yet" in text
    if stream.isatty():
        assert text.startswith("\r")
        assert text.endswith(" \r")
    else:
        assert text.endswith("\n")
