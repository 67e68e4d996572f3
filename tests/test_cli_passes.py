"""``orbweave passes``: what it prints and writes agrees with the library, and what it refuses."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

import orbweave as ow
from orbweave import cli

SCENARIO = """
name = "Three and two"
[constellation]
walker = { planes = 1, satellites_per_plane = 3, altitude_m = 7e5, inclination_deg = 80 }
expected_altitude_m = 550e3
[[stations]]
name = "north"
latitude_deg = 78.0
longitude_deg = 15.0
[[stations]]
name = "middle"
latitude_deg = 40.0
longitude_deg = -80.0
[window]
start = 2026-01-01T00:00:00Z
duration_s = 20000
[isl]
motif = "ring"
"""


@pytest.fixture
def scenario(tmp_path: Path) -> Path:
    path = tmp_path / "three.toml"
    path.write_text(SCENARIO, encoding="utf-8")
    return path


def table_of(path: Path) -> ow.PassTable:
    found = ow.read_space_scenario(path)
    return ow.passes(
        found.constellation, found.stations, start=found.start, duration_s=found.duration_s
    )


def test_the_table_shows_every_pass(scenario: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["passes", str(scenario), "--rows", "0"]) == 0
    done = capsys.readouterr()
    table = table_of(scenario)
    assert "Three and two" in done.out
    assert f"{len(table)} passes of 6 satellite-station pairs" in done.out
    rows = [line for line in done.out.splitlines() if line.startswith("sat-0-")]
    assert len(rows) == len(table)
    for line, satellite, station in zip(rows, table["satellite"], table["station"], strict=True):
        assert line.split()[:2] == [satellite, station]
    assert "not 550.0 km" in done.err


def test_rows_satellite_and_station(scenario: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["passes", str(scenario), "--station", "north", "--satellite", "sat-0-1", "--rows", "1"]
    assert cli.main(words) == 0
    out = capsys.readouterr().out
    rows = [line for line in out.splitlines() if line.startswith("sat-0-")]
    assert [row.split()[:2] for row in rows] == [["sat-0-1", "north"]]
    count = len(table_of(scenario).select(satellite="sat-0-1", station="north"))
    assert f"... {count - 1} more passes" in out


def test_json_is_the_table(scenario: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["passes", str(scenario), "--json", "--duration", "9000"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["duration_s"] == 9000
    found = ow.read_space_scenario(scenario)
    table = ow.passes(found.constellation, found.stations, start=found.start, duration_s=9000)
    assert data["passes"]["satellite"] == table["satellite"].tolist()
    np.testing.assert_array_equal(data["passes"]["rise_s"], table["rise_s"])


def test_out_and_plan_write_files(
    scenario: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("matplotlib")
    out, plan = tmp_path / "out", tmp_path / "plan.csv"
    assert cli.main(["passes", str(scenario), "--out", str(out), "--plan", str(plan)]) == 0
    done = capsys.readouterr()
    names = {"passes.csv", "passes.json", "timeline.png", "map.png"}
    assert {path.name for path in out.iterdir()} == names
    assert all(str(out / name) in done.err for name in names)
    table = table_of(scenario)
    rows = list(csv.DictReader((out / "passes.csv").read_text().splitlines()))
    assert len(rows) == len(table)
    assert [float(row["rise_s"]) for row in rows] == table["rise_s"].tolist()
    assert rows[0]["rise_utc"].startswith("2026-01-01T")
    assert (out / "map.png").read_bytes().startswith(b"\x89PNG")
    read = ow.read_contact_plan(plan)
    found = ow.read_space_scenario(scenario)
    built = ow.contact_plan(
        found.constellation,
        found.stations,
        start=found.start,
        duration_s=found.duration_s,
        links=found.links,
        isl=found.isl,
    )
    assert read == built
    assert f"contact plan: {len(built)} contacts" in done.out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "expected either SCENARIO.toml or --example NAME"),
        (["--example", "polar"], "did you mean 'polar-80'?"),
        (["SCENARIO", "--station", "nort"], "did you mean 'north'?"),
        (["SCENARIO", "--satellite", "x"], "satellite = 'x'"),
        (["SCENARIO", "--rows", "-1"], "--rows = -1"),
        (["SCENARIO", "--duration", "0"], "--duration = 0.0"),
        (["SCENARIO", "--engine", "sgp"], "did you mean 'sgp4'?"),
        (["SCENARIO", "--plan", "plan.xyz"], "plan.xyz"),
        (["missing.toml"], "missing.toml"),
    ],
)
def test_what_is_refused(
    scenario: Path, words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    typed = [str(scenario) if word == "SCENARIO" else word for word in words]
    assert cli.main(["passes", *typed]) == 2
    err = capsys.readouterr().err
    assert message in err
    assert err.count("orbweave: error:") == 1


def test_no_station_is_an_error(
    scenario: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    head, _, rest = SCENARIO.partition("[[stations]]")
    scenario.write_text(head + rest[rest.index("[window]") :], encoding="utf-8")
    assert cli.main(["passes", str(scenario)]) == 2
    assert "expected at least one table [[stations]]" in capsys.readouterr().err


def test_the_example_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["example", "polar-80"]) == 0
    assert "[constellation]" in capsys.readouterr().out
    assert cli.main(["example", "polar"]) == 2


def test_tables_as_dataframes(scenario: Path) -> None:
    pandas = pytest.importorskip("pandas")
    table = table_of(scenario)
    frame = ow.to_dataframe(table)
    assert len(frame) == len(table)
    assert frame["satellite"].astype(str).tolist() == table["satellite"].tolist()
    assert (frame["set_utc"] - frame["rise_utc"]).dt.total_seconds().to_numpy() == pytest.approx(
        table.duration_s, abs=1e-6
    )
    assert frame["rise_utc"].iloc[0] == pandas.Timestamp(table.start) + pandas.Timedelta(
        table["rise_s"][0], unit="s"
    )
    found = ow.read_space_scenario(scenario)
    whole, start, length = found.constellation, found.start, found.duration_s
    dark = ow.eclipses(whole, start=start, duration_s=length)
    assert ow.to_dataframe(dark)["start_s"].tolist() == dark["start_s"].tolist()
    pair = ow.IslTopology(motif=(), pairs=[("sat-0-0", "sat-0-1")])
    links = ow.isl_windows(whole, pair, start=start, duration_s=length)
    assert len(ow.to_dataframe(links)) == len(links)
