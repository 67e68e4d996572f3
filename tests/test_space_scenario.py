"""Scenario files of satellites and stations: what they mean, and what is wrong with them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

import orbweave as ow

HEAD = """
[constellation]
[constellation.walker]
planes = 2
satellites_per_plane = 3
altitude_m = 6e5
inclination_deg = 53
phasing = 1
"""
SITE = """
[[stations]]
name = "roof"
latitude_deg = 48.0
longitude_deg = 11.5
"""
TIME = """
[window]
start = 2026-01-01T00:00:00Z
duration_s = 3600
"""
WHOLE = HEAD + SITE + TIME


def read(folder: Path, text: str) -> ow.SpaceScenario:
    path = folder / "s.toml"
    path.write_text(text, encoding="utf-8")
    return ow.read_space_scenario(path)


def test_a_small_scenario_and_its_defaults(tmp_path: Path) -> None:
    found = read(tmp_path, WHOLE)
    assert found.name == "s"
    same = ow.Constellation.walker(
        planes=2, satellites_per_plane=3, altitude_m=6e5, inclination_deg=53, phasing=1
    )
    assert found.constellation == same
    assert found.stations == (ow.GroundStation("roof", 48.0, 11.5),)
    assert (found.start, found.duration_s) == (datetime(2026, 1, 1, tzinfo=UTC), 3600)
    assert found.links == ow.GroundLinks()
    assert found.isl is None
    assert found.accuracy == ow.Accuracy()


def test_everything_a_scenario_can_say(tmp_path: Path) -> None:
    text = """
name = "All of it"
[[constellation]]
[constellation.walker]
pattern = "star"
planes = 2
satellites_per_plane = 2
altitude_m = 6e5
inclination_deg = 90
[[constellation]]
satellites = [
  { name = "a", altitude_m = 8e5, inclination_deg = 10, epoch = 2026-01-02T00:00:00Z },
  { name = "b", epoch = "2026-01-01", mean_motion_rev_per_day = 15.0, model = "j2" },
]
expected_altitude_m = 8e5
[[stations]]
use = "ksat:Svalbard"
min_elevation_deg = 5
[[stations]]
name = "hills"
latitude_deg = 1
longitude_deg = 2
horizon = [[0, 10], [90, 25]]
[window]
start = "2026-01-01T01:00:00+01:00"
end = 2026-01-01T06:00:00Z
[links]
downlink = { kind = "radio", frequency_hz = 26e9, bandwidth_hz = 3e8, scheme = "shannon" }
uplink = false
[isl]
motif = [[0, 1], [1, -1]]
link = "laser-isl"
max_range_m = 5e6
[accuracy]
rate = 0.2
delay_s = 1e-3
"""
    found = read(tmp_path, text)
    assert found.name == "All of it"
    assert len(found.constellation) == 6
    assert len(found.constellation.shells) == 1
    assert found.constellation.satellites[4].model == "j2"
    assert found.constellation.satellites[5].epoch == datetime(2026, 1, 1, tzinfo=UTC)
    assert found.expected_altitude_m == 8e5
    assert [row.name for row in found.stations] == ["Svalbard", "hills"]
    assert found.stations[0].min_elevation_deg == 5
    assert (found.start, found.duration_s) == (datetime(2026, 1, 1, tzinfo=UTC), 6 * 3600)
    assert found.links == ow.GroundLinks(
        ow.RadioLink(frequency_hz=26e9, bandwidth_hz=3e8, scheme="shannon"), None
    )
    assert found.isl == ow.IslTopology([(0, 1), (1, -1)], link=ow.LASER_ISL, max_range_m=5e6)
    assert found.accuracy == ow.Accuracy(rate=0.2, delay_s=1e-3)


def test_files_beside_the_scenario(tmp_path: Path) -> None:
    whole = ow.Constellation(
        [
            ow.Satellite.from_kepler(
                "x", altitude_m=5e5, inclination_deg=30, model="sgp4", catalog_number=7
            )
        ]
    )
    ow.write_omm(whole, tmp_path / "fleet.csv")
    (tmp_path / "sites.csv").write_text("name,latitude_deg,longitude_deg\nq,1,2\n")
    text = '[constellation]\nomm = "fleet.csv"\n[stations]\nfile = "sites.csv"\n' + TIME
    found = read(tmp_path, text)
    assert found.constellation.names == ("x",)
    assert found.stations == (ow.GroundStation("q", 1, 2),)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (SITE + TIME, "constellation = None: expected a table [constellation] (it is missing)"),
        (HEAD + SITE, "window = None: expected a table [window] (it is missing)"),
        (WHOLE + "[isls]\nmotif = 'ring'\n", "key = 'isls': expected one of"),
        (WHOLE + "[isl]\nmotive = 'ring'\n", "[isl] key = 'motive'"),
        (WHOLE + "[isl]\nmotif = 'rings'\n", "[isl] IslTopology.motif = 'rings'"),
        (WHOLE + "[isl]\nlink = false\n", "[isl] link = False: expected a link"),
        (WHOLE + "[links]\ndownlink = 'x-band'\n", "[links] downlink = 'x-band'"),
        (WHOLE + "[links]\ndownlink = -5\n", "[links] FixedLink.constant_bps = -5"),
        (WHOLE + "[links]\ndownlink = {frequency_hz = 1e9}\n", "a table with kind"),
        (WHOLE + "[links]\ndownlink = {kind = 'radio', power = 1}\n", "[links] key = 'power'"),
        (WHOLE + "[accuracy]\nrate = 0\n", "[accuracy] Accuracy.rate = 0"),
        (WHOLE.replace("planes = 2", "plane = 2"), "walker key = 'plane'"),
        (WHOLE.replace("planes = 2\n", ""), "walker.planes = None: expected a value"),
        (WHOLE.replace("3600", "-1"), "[window] duration_s = -1"),
        (WHOLE.replace("duration_s = 3600", ""), "[window] duration_s, end = []"),
        (WHOLE.replace("2026-01-01T00:00:00Z", "2026-01-01T00:00:00"), "[window] start = "),
        (
            WHOLE.replace("duration_s = 3600", "end = 2025-01-01T00:00:00Z"),
            "[window] end = '2025-01-01T00:00:00+00:00': expected an end after",
        ),
        (WHOLE.replace("48.0", "95"), "stations[0]: GroundStation['roof'].latitude_deg = 95"),
        (WHOLE.replace("6e5", "-6e5"), "expected an orbit above the ground"),
        (WHOLE.replace("[constellation]\n", "[[constellation]]\n"), None),
        ("constellation = 5\n" + SITE + TIME, "[constellation] constellation = 5"),
        ("[constellation]\ntle = 'none.tle'\n" + SITE + TIME, None),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, text: str, message: str | None) -> None:
    if message is None:
        if "none.tle" in text:
            with pytest.raises(FileNotFoundError, match=r"none\.tle"):
                read(tmp_path, text)
        else:
            assert len(read(tmp_path, text).constellation) == 6
        return
    with pytest.raises(ow.InputError) as error:
        read(tmp_path, text)
    assert str(error.value).startswith(str(tmp_path / "s.toml"))
    assert message in str(error.value)


def test_the_embedded_examples_are_scenarios() -> None:
    from orbweave.adapters.scenario import example_names, example_path

    assert example_names("passes") == ("polar-80", "shell-1584")
    for name in example_names("passes"):
        found = ow.read_space_scenario(example_path(name, "passes"))
        assert len(found.constellation) >= 80
        assert len(found.stations) >= 10
