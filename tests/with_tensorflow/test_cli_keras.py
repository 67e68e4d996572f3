"""Keras files on the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from orbweave import cli
from orbweave.adapters import read_scenario


@pytest.mark.framework
def test_a_keras_file_is_a_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keras = pytest.importorskip("keras", reason="the extra 'tensorflow' is not installed")
    path = tmp_path / "tiny.keras"
    keras.Sequential([keras.Input((8,)), keras.layers.Dense(16)]).save(path)
    assert cli.main(["profile", str(path)]) == 0
    assert "144 parameters" in capsys.readouterr().out
    scenario = tmp_path / "case.toml"
    model = '[model]\nkeras = "tiny.keras"\n[[nodes]]\nname = "a"\n'
    scenario.write_text(model, encoding="utf-8")
    assert read_scenario(scenario).problem.profile.total_params == 144
    path.write_bytes(path.read_bytes()[:200])
    assert cli.main(["plan", str(scenario)]) == 2
    err = capsys.readouterr().err
    assert err.startswith(f"orbweave: error: {scenario}: [model] ")
    assert "tiny.keras" in err
    assert err.count("\n") == 1
