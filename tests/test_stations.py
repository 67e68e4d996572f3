"""Ground stations: the shipped table against its sources, queries, files, and the coastline."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from orbweave.adapters.orbits.station_files import read_stations, stations_from_tables
from orbweave.adapters.orbits.station_tables import station_providers, stations
from orbweave.adapters.pictures.coastlines import coastlines
from orbweave.formulations.checks import InputError, UnknownNameError
from orbweave.formulations.orbits import GroundStation

SIZES = {"atlas": 11, "aws": 12, "dsn": 3, "ksat": 36, "leaf": 18}
SIZES |= {"nen": 18, "ssc": 10, "viasat": 9, "cities": 100}


# -- the table ------------------------------------------------------------------------------------
def test_every_published_station_is_there_as_published(reference: Path) -> None:
    for provider in SIZES:
        found = [
            (s.name, s.latitude_deg, s.longitude_deg, s.altitude_m) for s in stations(provider)
        ]
        if provider == "cities":
            text = (reference / "stations" / "top100_cities.csv").read_text(encoding="utf-8")
            rows = list(csv.reader(text.splitlines()))
            expected = [(r[1], float(r[2]), float(r[3]), float(r[4])) for r in rows]
        else:
            text = (reference / "stations" / f"{provider}.json").read_text(encoding="utf-8")
            features = json.loads(text)["features"]
            places = [f["geometry"]["coordinates"] for f in features]
            names = [f["properties"]["name"] for f in features]
            expected = [(n, p[1], p[0], 0.0) for n, p in zip(names, places, strict=True)]
            labels = {f["properties"]["provider"] for f in features}
            assert {s.provider for s in stations(provider)} == labels
        assert found == expected


def test_a_published_file_reads_as_the_table_has_it(reference: Path) -> None:
    for provider in SIZES.keys() - {"cities"}:
        path = reference / "stations" / f"{provider}.json"
        assert read_stations(path) == stations(provider)


def test_providers() -> None:
    assert dict(station_providers()) == SIZES
    everything = stations(*SIZES)
    assert len({s.name for s in everything}) == len(everything) == sum(SIZES.values())


# -- queries --------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("ksat:Svalbard", "Svalbard"),
        ("KSAT: svalbard", "Svalbard"),
        ("wallops", "Wallops"),
        ("cities:new york", "New-York-Newark"),
        ("cities:osaka", "Kinki-M.M.A.-(Osaka)"),
        ("sao paulo", "São-Paulo"),
        ("cities:SÃO-PAULO", "São-Paulo"),
        ("ssc:Santiago", "Santiago Satellite Station"),
        ("Esrange", "Esrange Space Center"),
        ("Inuvik", "Inuvik"),  # another one is called Inuvik Satellite Station
    ],
)
def test_a_station_by_its_name(query: str, name: str) -> None:
    (found,) = stations(query)
    assert found.name == name


def test_options_hold_for_all() -> None:
    found = stations("dsn", "cities:Tokyo", min_elevation_deg=25.0, antennas=3)
    assert [s.name for s in found] == ["Goldstone", "Canberra", "Madrid", "Tokyo"]
    assert {(s.min_elevation_deg, s.antennas) for s in found} == {(25.0, 3)}
    assert {(s.min_elevation_deg, s.antennas) for s in stations("dsn")} == {(10.0, 1)}
    with pytest.raises(InputError, match=r"GroundStation\['Goldstone'\]\.antennas = 0"):
        stations("dsn", antennas=0)


def test_each_station_once_and_shared_names_with_their_provider() -> None:
    assert [s.name for s in stations("ksat:Svalbard", "nen:Svalbard", "nen:Wallops")] == [
        "ksat:Svalbard",
        "nen:Svalbard",
        "Wallops",
    ]
    assert stations("dsn:Madrid", "dsn", "DSN:madrid") == (
        *stations("dsn:Madrid"),
        *stations("dsn:Goldstone"),
        *stations("dsn:Canberra"),
    )


@pytest.mark.parametrize(
    ("queries", "error", "expected"),
    [
        (("svalbard",), InputError, r"station = 'svalbard'.*'ksat:Svalbard', 'nen:Svalbard'$"),
        (("ksat:Svalbad",), UnknownNameError, r"did you mean 'ksat:Svalbard'"),
        (("kasat:Svalbard",), UnknownNameError, r"provider = 'kasat'.*did you mean 'ksat'"),
        (("Walops",), UnknownNameError, r"did you mean 'Wallops'"),
        (("kst",), UnknownNameError, r"did you mean 'ksat'"),
        (("ksat:",), UnknownNameError, r"station = 'ksat:'"),
        (("--",), UnknownNameError, r"station = '--'"),
        (("",), InputError, r"station = ''"),
        ((), InputError, r"stations = \(\): expected a name or a provider, one of atlas, aws"),
    ],
)
def test_queries_that_nothing_or_too_much_answers(
    queries: tuple[str, ...], error: type[InputError], expected: str
) -> None:
    with pytest.raises(error, match=expected):
        stations(*queries)


# -- files ----------------------------------------------------------------------------------------
PLACES = (
    GroundStation("A", 10.0, 20.0, 30.0, 5.0, 2, provider="one"),
    GroundStation("B, the second", -10.5, -20.0, rain_rate_mm_h=12.0, rain_height_m=4000.0),
)
CSV = """name,latitude_deg,longitude_deg,altitude_m,min_elevation_deg,antennas,rain_rate_mm_h,\
rain_height_m,provider
A,10,20,30,5,2,,,one

"B, the second",-10.5,-20,,,,12,4e3,
"""
TOML = """
[[stations]]
name = "A"
latitude_deg = 10
longitude_deg = 20
altitude_m = 30
min_elevation_deg = 5
antennas = 2
provider = "one"

[[stations]]
name = "B, the second"
latitude_deg = -10.5
longitude_deg = -20
rain_rate_mm_h = 12
rain_height_m = 4000
"""
GEOJSON = {
    "type": "FeatureCollection",
    "features": [
        {
            "type": "Feature",
            "geometry": {"type": "Point", "coordinates": [20, 10, 30]},
            "properties": {
                "name": "A",
                "provider": "one",
                "min_elevation_deg": 5,
                "antennas": 2,
                "frequency_bands": ["S"],
            },
        },
        {
            "type": "Feature",
            "geometry": {"type": "Point", "coordinates": [-20, -10.5]},
            "properties": {"name": "B, the second", "rain_rate_mm_h": 12, "rain_height_m": 4000},
        },
    ],
}


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_every_format_reads_the_same_stations(tmp_path: Path) -> None:
    assert read_stations(write(tmp_path, "a.csv", CSV)) == PLACES
    assert read_stations(write(tmp_path, "b.csv", CSV.replace("\n", "\r\n"))) == PLACES
    assert read_stations(write(tmp_path, "a.toml", TOML)) == PLACES
    assert read_stations(write(tmp_path, "a.geojson", json.dumps(GEOJSON))) == PLACES
    one = json.dumps(GEOJSON["features"][0])
    assert read_stations(write(tmp_path, "one.json", one)) == PLACES[:1]


def test_the_least_that_a_csv_file_needs(tmp_path: Path) -> None:
    path = write(tmp_path, "a.csv", "longitude_deg,name,latitude_deg\n20,A,10\n")
    assert read_stations(path) == (GroundStation("A", 10.0, 20.0),)


def test_tables_use_the_shipped_stations_and_change_them(tmp_path: Path) -> None:
    text = """
[[stations]]
use = "ksat:Svalbard"
antennas = 4
horizon = [[0, 5], [180, 12.5]]

[[stations]]
use = "dsn"
min_elevation_deg = 6

[[stations]]
use = "nen:Svalbard"

[[stations]]
use = "Wallops"
name = "home"
latitude_deg = 38
"""
    found = read_stations(write(tmp_path, "a.toml", text))
    names = ["ksat:Svalbard", "Goldstone", "Canberra", "Madrid", "nen:Svalbard", "home"]
    assert [s.name for s in found] == names
    assert (found[0].antennas, found[0].horizon) == (4, ((0.0, 5.0), (180.0, 12.5)))
    assert [s.min_elevation_deg for s in found[1:4]] == [6] * 3
    assert (found[5].latitude_deg, found[5].longitude_deg) == (38, -75.461431)
    assert stations_from_tables([{"use": "wallops"}], "demo.toml: stations") == stations("wallops")


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("a.csv", "name,latitude_deg\nA,1\n", r"line 1: columns = 'name,latitude_deg': expected"),
        ("a.csv", CSV.replace("antennas", "antenas"), r"line 1: column = 'antenas'.*'antennas'"),
        ("a.csv", CSV.replace("30,5,2", "30,5,x"), r"line 2: antennas = 'x': expected a number"),
        ("a.csv", CSV.replace("30,5,2", "30,5,1.5"), r"line 2: GroundStation\['A'\]\.antennas = 1"),
        ("a.csv", CSV.replace("30,5,2", "nan,5,2"), r"line 2: altitude_m = 'nan'"),
        ("a.csv", CSV.replace(",10,", ",91,"), r"line 2: GroundStation\['A'\]\.latitude_deg = 91"),
        ("a.csv", CSV.replace(",10,", ",,"), r"line 2: latitude_deg = None.*missing"),
        ("a.csv", CSV.replace("A,10", "A,1,10"), r"line 2: cells = 10: expected 9"),
        ("a.csv", CSV + "A,1,2,,,,,,one\n", r"a\.csv: name = 'one:A': expected every name once"),
        ("a.csv", CSV + 'C,1,2,,,,,,"one\n', r"line \d: not valid CSV"),
        ("a.csv", CSV.split("\n")[0], r"expected at least one station"),
        ("a.csv", "", r"expected at least one station"),
        ("a.toml", "", r"expected at least one station"),
        ("a.toml", "stations = 3", r"stations = 3: expected a list of tables"),
        ("a.toml", "stations = [3]", r"stations\[0\] = 3: expected a table"),
        ("a.toml", "[[station]]\nname = 1", r"key = 'station'.*'stations'"),
        ("a.toml", TOML + "x", r"a\.toml: not valid TOML: "),
        ("a.toml", TOML.replace("antennas", "anntennas"), r"stations\[0\]: key = 'anntennas'.*did"),
        ("a.toml", TOML.replace("latitude_deg = -10.5\n", ""), r"stations\[1\]: latitude_deg = No"),
        ("a.toml", TOML.replace("-10.5", '"south"'), r"stations\[1\]: Gro.*latitude_deg = 'south'"),
        ("a.toml", '[[stations]]\nuse = "dsn"\nname = "x"', r"\[0\]: name = 'x': expected none"),
        ("a.toml", '[[stations]]\nuse = "svalbard"', r"stations\[0\]: station = 'svalbard'"),
        ("a.toml", '[[stations]]\nuse = "dsn"\nheight = 3', r"stations\[0\]: key = 'height'"),
        ("a.toml", "[[stations]]\nuse = 3", r"stations\[0\]: use = 3: expected a non-empty"),
        ("a.geojson", "[]", r"type = 'list': expected 'FeatureCollection'"),
        ("a.geojson", '{"type": "Topology"}', r"type = 'Topology'"),
        ("a.geojson", '{"type": "FeatureCollection"}', r"features = None: expected a list"),
        ("a.geojson", '{"type": "FeatureCollection", "features": []}', r"at least one station"),
        (
            "a.geojson",
            '{"type": "FeatureCollection", "features": [1]}',
            r"features\[0\]: feature =",
        ),
        ("a.geojson", '{"type": "Feat', r"not valid JSON"),
        ("a.geojson", "[" * 100_000, r"not valid JSON"),
        ("a.geojson", json.dumps(GEOJSON).replace("Point", "Line", 1), r"features\[0\]: geometry"),
        (
            "a.geojson",
            json.dumps(GEOJSON).replace("-10.5", '"x"'),
            r"features\[1\]: .*latitude_deg",
        ),
        ("a.geojson", json.dumps(GEOJSON).replace("[-20, -10.5]", "[1]"), r"coordinates = \[1\]"),
        (
            "a.geojson",
            json.dumps(GEOJSON).replace("antennas", "altitude_m"),
            r"features\[0\]: properties.altitude_m = 2",
        ),
        (
            "a.geojson",
            json.dumps(GEOJSON).replace('"name": "B', '"called": "B'),
            r"features\[1\]: name = None",
        ),
        ("a.kml", "", r"suffix = '\.kml'"),
    ],
)
def test_every_error_of_a_file_names_the_place(
    tmp_path: Path, name: str, text: str, expected: str
) -> None:
    with pytest.raises(InputError, match=expected) as caught:
        read_stations(write(tmp_path, name, text))
    assert "\n" not in str(caught.value)
    assert name in str(caught.value) or "suffix" in str(caught.value)


@pytest.mark.parametrize("suffix", ["csv", "toml", "json", "geojson"])
def test_files_that_hold_nothing_of_the_kind(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    for data in (b"\x00\xff\xfe\x80" * 50, b"\x7fELF\x00\x01"):
        path.write_bytes(data)
        with pytest.raises(InputError, match=rf"a\.{suffix}"):
            read_stations(path)
    folder = tmp_path / f"folder.{suffix}"
    folder.mkdir()
    for missing in (folder, tmp_path / f"nowhere.{suffix}"):
        with pytest.raises(OSError):
            read_stations(missing)


# -- the coastline --------------------------------------------------------------------------------
def contains(lines: list[np.ndarray], longitude: float, latitude: float) -> bool:
    """Whether a place lies on land, by the even-odd rule over all closed outlines."""
    inside = False
    for line in lines:
        (x0, y0), (x1, y1) = line[:-1].T, line[1:].T
        crosses = (y0 > latitude) != (y1 > latitude)
        with np.errstate(divide="ignore", invalid="ignore"):
            east = longitude < x0 + (latitude - y0) / (y1 - y0) * (x1 - x0)
        inside ^= bool(np.count_nonzero(crosses & east) % 2)
    return inside


def test_the_coastline_separates_land_from_sea() -> None:
    # Outlines are closed, or end on the antimeridian: closing them there bounds the land as well.
    closed = [np.vstack([line, line[:1]]) for line in coastlines()]
    land = {"Madrid": (-3.7, 40.4), "Kansas": (-98, 39), "Alice Springs": (133.9, -23.7)}
    land |= {"Kinshasa": (15.3, -4.3), "Brasilia": (-47.9, -15.8), "Wuhan": (114.3, 30.6)}
    sea = {"Atlantic": (-35, 30), "Pacific": (-140, 0), "Indian": (80, -20), "Tasman": (160, -38)}
    assert {name: contains(closed, *place) for name, place in land.items()} == dict.fromkeys(
        land, True
    )
    assert {name: contains(closed, *place) for name, place in sea.items()} == dict.fromkeys(
        sea, False
    )


def test_coastline_arrays() -> None:
    lines = coastlines()
    assert len(lines) > 100
    for line in lines:
        ends = line[[0, -1]]
        assert np.array_equal(*ends) or (np.abs(ends[:, 0]) == 180).all()
        assert line.dtype == np.float64
        assert line.shape[0] >= 2
        assert line.shape[1:] == (2,)
        assert np.abs(line).max(axis=0)[0] <= 180
        assert np.abs(line).max(axis=0)[1] <= 90
        assert np.abs(np.diff(line[:, 0])).max() < 180
    with pytest.raises(ValueError, match="read-only"):
        lines[0][0, 0] = 0.0
