"""Passes against Skyfield's dense scan, STK's windows, and themselves in other windows."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sky import Sky, edges

import orbweave as ow
from orbweave.formulations.space import ephemeris

START = datetime(2026, 1, 1, tzinfo=UTC)
DAY_S = 86400.0


def circular(seed: int, count: int) -> list[ow.Satellite]:
    """Near-circular satellites between 250 and 1,500 km, and one in each of MEO and GEO."""
    rng = np.random.default_rng(seed)
    rows = [
        ow.Satellite.from_kepler(
            f"leo-{k}",
            altitude_m=rng.uniform(250e3, 1500e3),
            eccentricity=rng.uniform(0, 0.01),
            inclination_deg=rng.uniform(0, 120),
            raan_deg=rng.uniform(0, 360),
            argument_of_perigee_deg=rng.uniform(0, 360),
            mean_anomaly_deg=rng.uniform(0, 360),
            epoch=START - timedelta(days=rng.uniform(0, 5)),
            model="sgp4",
            bstar=1e-4,
        )
        for k in range(count)
    ]
    far = {"meo": 26560e3, "geo": 42164e3}
    return rows + [
        ow.Satellite.from_kepler(
            name, semi_major_axis_m=axis, inclination_deg=20, epoch=START, model="sgp4"
        )
        for name, axis in far.items()
    ]


def eccentric(seed: int, count: int) -> list[ow.Satellite]:
    """Highly eccentric satellites, a Molniya orbit and a transfer orbit among them."""
    rng = np.random.default_rng(seed)
    rows = [
        ow.Satellite.from_kepler(
            f"heo-{k}",
            semi_major_axis_m=(6378e3 + rng.uniform(250e3, 900e3)) / (1 - e),
            eccentricity=e,
            inclination_deg=rng.uniform(0, 120),
            raan_deg=rng.uniform(0, 360),
            argument_of_perigee_deg=rng.uniform(0, 360),
            mean_anomaly_deg=rng.uniform(0, 360),
            epoch=START,
            model="sgp4",
        )
        for k, e in enumerate(rng.uniform(0.05, 0.75, count))
    ]
    return [
        *rows,
        ow.Satellite.from_kepler(
            "molniya",
            semi_major_axis_m=26600e3,
            eccentricity=0.74,
            inclination_deg=63.4,
            argument_of_perigee_deg=270,
            epoch=START,
            model="sgp4",
        ),
        ow.Satellite.from_kepler(
            "transfer",
            semi_major_axis_m=24400e3,
            eccentricity=0.73,
            inclination_deg=7,
            epoch=START,
            model="sgp4",
        ),
    ]


STATIONS = [
    ow.GroundStation("north", 78.23, 15.39, 450, min_elevation_deg=5),
    ow.GroundStation("equator", 0.5, 10, min_elevation_deg=0),
    ow.GroundStation("south", -35.4, 149.0, 690, min_elevation_deg=25),
    ow.GroundStation("steep", 48.1, -70, min_elevation_deg=60),
]


def edges_of(table: ow.PassTable, satellite: str, station: str) -> np.ndarray:
    """Rises and sets within the window, in order."""
    one = table.select(satellite=satellite, station=station)
    inner = [one["rise_s"][~one["cut_start"]], one["set_s"][~one["cut_end"]]]
    return np.sort(np.concatenate(inner))


@pytest.mark.slow
@pytest.mark.parametrize("kind", [circular, eccentric])
def test_every_pass_of_a_dense_scan_is_found_and_no_other(kind) -> None:  # type: ignore[no-untyped-def]
    sky = Sky(START)
    satellites = kind(seed=5, count=6)
    whole = ow.Constellation(satellites)
    exact = ow.EarthRotation(ut1_utc_s=sky.ut1_utc_s)
    turned = ow.passes(whole, STATIONS, start=START, duration_s=DAY_S, rotation=exact)
    plain = ow.passes(whole, STATIONS, start=START, duration_s=DAY_S)
    found = 0
    for satellite in satellites:
        for station in STATIONS:
            height = sky.elevation(satellite, station)
            truth = edges(height, DAY_S, station.min_elevation_deg)
            for table, tolerance in ((turned, 0.005), (plain, 0.1)):
                ours = edges_of(table, satellite.name, station.name)
                assert len(ours) == len(truth), (satellite.name, station.name)
                assert np.abs(ours - truth).max(initial=0.0) <= tolerance
            found += len(truth)
            high = turned.select(satellite=satellite.name, station=station.name)
            tops = height(high["culmination_s"]) if len(high) else np.empty(0)
            np.testing.assert_allclose(high["max_elevation_deg"], tops, atol=2e-4)
    assert found > 100


def test_stk_windows_over_svalbard(reference: Path) -> None:
    lines = (reference / "space" / "stk_svalbard_access.csv").read_text().splitlines()
    satellite = ow.Constellation.from_tle("\n".join(line[2:] for line in lines[1:3]) + "\n")
    station = ow.GroundStation("svalbard", 78.230306, 15.396518, min_elevation_deg=0)
    start = datetime(2020, 1, 1, tzinfo=UTC)
    table = ow.passes(satellite, station, start=start, duration_s=DAY_S)
    windows = [line.split(",") for line in lines[4:]]
    assert len(table) == len(windows) == 15
    for k, (rise, set_, _) in enumerate(windows):
        for text, ours in ((rise, table["rise_s"][k]), (set_, table["set_s"][k])):
            seconds = (datetime.fromisoformat(text) - start).total_seconds()
            assert ours == pytest.approx(seconds, abs=0.02)


# -- the same sky in another window ---------------------------------------------------------------
SMALL = ow.Constellation([*circular(3, 3), *eccentric(4, 2)])


def rows_of(table: ow.PassTable, shift_s: float = 0.0) -> np.ndarray:
    order = np.lexsort((table["rise_s"], table["station"], table["satellite"]))
    names = [f"{a}/{b}" for a, b in zip(table["satellite"], table["station"], strict=True)]
    times = [table[f"{edge}_s"] + shift_s for edge in ("rise", "culmination", "set")]
    codes = np.unique(names, return_inverse=True)[1] if names else np.empty(0)
    return np.stack([codes, *times, table["max_elevation_deg"]], axis=1)[order]


@settings(max_examples=15)
@given(shift=st.floats(1, 40000), length=st.floats(20000, 50000))
def test_a_shifted_window_sees_the_same_passes(shift: float, length: float) -> None:
    long = ow.passes(SMALL, STATIONS, start=START, duration_s=shift + length)
    moved = START + timedelta(seconds=shift)
    late = ow.passes(SMALL, STATIONS, start=moved, duration_s=shift + length)
    first = rows_of(long.restricted(shift + 1, shift + length - 1), 0.0)
    second = rows_of(late.restricted(1, length - 1), shift)
    assert len(first) == len(second)
    # A datetime holds microseconds, and UT1 - UTC is that of the window's start.
    np.testing.assert_allclose(first, second, atol=2e-3)


@settings(max_examples=15)
@given(cut=st.floats(100, 80000))
def test_a_window_split_in_two_loses_and_gains_nothing(cut: float) -> None:
    cut = round(cut, 6)
    rotation = ow.EarthRotation(ut1_utc_s=0.05)
    whole = ow.passes(SMALL, STATIONS, start=START, duration_s=DAY_S, rotation=rotation)
    middle = START + timedelta(seconds=cut)
    one = ow.passes(SMALL, STATIONS, start=START, end=middle, rotation=rotation)
    two = ow.passes(SMALL, STATIONS, start=middle, duration_s=DAY_S - cut, rotation=rotation)
    for satellite in SMALL.names:
        for station in STATIONS:
            parts = [
                (a + shift, b + shift)
                for table, shift in ((one, 0.0), (two, cut))
                for row in [table.select(satellite=satellite, station=station.name)]
                for a, b in zip(row["rise_s"], row["set_s"], strict=True)
            ]
            joined: list[tuple[float, float]] = []
            for a, b in parts:
                if joined and abs(joined[-1][1] - a) < 1e-5 and abs(a - cut) < 1e-5:
                    joined[-1] = (joined[-1][0], b)
                else:
                    joined.append((a, b))
            expected = whole.select(satellite=satellite, station=station.name)
            assert len(joined) == len(expected)
            if joined:
                np.testing.assert_allclose(
                    np.array(joined),
                    np.stack([expected["rise_s"], expected["set_s"]], axis=1),
                    atol=1e-4,
                )


@settings(max_examples=10)
@given(order=st.permutations(range(len(SMALL))), places=st.permutations(range(len(STATIONS))))
def test_order_of_satellites_and_stations_changes_nothing(
    order: list[int], places: list[int]
) -> None:
    usual = ow.passes(SMALL, STATIONS, start=START, duration_s=40000)
    mixed = ow.passes(
        ow.Constellation([SMALL.satellites[k] for k in order]),
        [STATIONS[k] for k in places],
        start=START,
        duration_s=40000,
    )
    assert np.array_equal(rows_of(usual), rows_of(mixed))


def test_small_blocks_give_what_one_block_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = ow.passes(SMALL, STATIONS, start=START, duration_s=40000)
    monkeypatch.setattr(ephemeris, "BLOCK_BYTES", 1.0)
    parts = ow.passes(SMALL, STATIONS, start=START, duration_s=40000)
    assert np.array_equal(rows_of(whole), rows_of(parts))


def test_the_faster_engine_agrees() -> None:
    pytest.importorskip("astroz")
    usual = rows_of(ow.passes(SMALL, STATIONS, start=START, duration_s=DAY_S))
    fast = rows_of(ow.passes(SMALL, STATIONS, start=START, duration_s=DAY_S, engine="astroz"))
    np.testing.assert_allclose(usual[:, :4], fast[:, :4], atol=0.02)


# -- what a table holds ---------------------------------------------------------------------------
def test_a_pass_cut_by_the_window_is_clipped_and_marked() -> None:
    table = ow.passes(SMALL, STATIONS, start=START, duration_s=DAY_S)
    one = int(np.argmax(table.duration_s))
    rise, set_ = table["rise_s"][one], table["set_s"][one]
    inside = START + timedelta(seconds=float(rise + (set_ - rise) / 3))
    length = float((set_ - rise) / 3)
    cut = ow.passes(SMALL, STATIONS, start=inside, duration_s=length)
    cut = cut.select(satellite=str(table["satellite"][one]), station=str(table["station"][one]))
    assert len(cut) == 1
    assert (cut["rise_s"][0], cut["set_s"][0]) == (0.0, length)
    assert cut["cut_start"][0]
    assert cut["cut_end"][0]
    assert 0 <= cut["culmination_s"][0] <= length


def test_a_satellite_always_in_sight_is_one_pass() -> None:
    geo = ow.Satellite.from_kepler("geo", semi_major_axis_m=42164e3, model="two-body", epoch=START)
    below = ow.EarthRotation(greenwich_deg=0.0)
    station = ow.GroundStation("under", 0, 0)
    table = ow.passes(
        ow.Constellation([geo]), station, start=START, duration_s=DAY_S, rotation=below
    )
    assert len(table) == 1
    assert table["max_elevation_deg"][0] == pytest.approx(90, abs=0.01)
    assert table["culmination_range_m"][0] == pytest.approx(42164e3 - 6378137, abs=500)
    far = ow.GroundStation("behind", 0, 180)
    assert not len(ow.passes(ow.Constellation([geo]), far, start=START, duration_s=DAY_S))


def test_a_track_runs_from_mask_to_mask_through_the_culmination() -> None:
    table = ow.passes(SMALL, STATIONS, start=START, duration_s=DAY_S)
    for k in range(0, len(table), 7):
        track = table.track(k, step_s=1.0)
        mask = table.stations[table["station_index"][k]].min_elevation_deg
        if not table["cut_start"][k]:
            assert track["elevation_deg"][0] == pytest.approx(mask, abs=1e-4)
        assert track["elevation_deg"].min() >= mask - 1e-4
        assert track["elevation_deg"].max() <= table["max_elevation_deg"][k] + 1e-6
        assert track["elevation_deg"].max() == pytest.approx(
            table["max_elevation_deg"][k], abs=0.05
        )
        assert track["range_m"][0] == pytest.approx(table["rise_range_m"][k], rel=1e-9)
        assert track["azimuth_deg"][-1] == pytest.approx(table["set_azimuth_deg"][k], abs=1e-6)


def test_a_horizon_mask_cuts_what_lies_behind_it() -> None:
    mask = [(0, 5), (80, 30), (100, 30), (180, 5), (270, 12)]
    open_sky = ow.GroundStation("g", 60, 20, min_elevation_deg=2)
    hills = ow.GroundStation("g", 60, 20, min_elevation_deg=2, horizon=mask)
    free = ow.passes(SMALL, open_sky, start=START, duration_s=DAY_S)
    masked = ow.passes(SMALL, hills, start=START, duration_s=DAY_S)
    above = np.zeros(len(SMALL))
    for k in range(len(free)):
        track = free.track(k, step_s=0.5)
        azimuths, heights = np.array(mask, dtype=float).T
        limit = np.interp(track["azimuth_deg"], azimuths, heights, period=360)
        share = np.mean(track["elevation_deg"] > limit)
        above[free["satellite_index"][k]] += share * free.duration_s[k]
    ours = np.bincount(masked["satellite_index"], weights=masked.duration_s, minlength=len(SMALL))
    assert ours.sum() < free.duration_s.sum()
    np.testing.assert_allclose(ours, above, atol=3.0 * len(free) / len(SMALL))


def test_a_decayed_satellite_is_reported_and_stops_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    dying = ow.Satellite.from_kepler(
        "dying", altitude_m=190e3, inclination_deg=50, bstar=0.05, epoch=START, model="sgp4"
    )
    both = ow.Constellation([dying, *SMALL.satellites])
    table = ow.passes(both, STATIONS, start=START, duration_s=3 * DAY_S)
    assert list(table.lost) == ["dying"]
    assert 0 < table.lost["dying"] < 3 * DAY_S
    assert "dying" in caplog.text
    alone = ow.passes(SMALL, STATIONS, start=START, duration_s=3 * DAY_S)
    rest = table["satellite"] != "dying"
    assert rest.sum() == len(alone)
    last = table.select(satellite="dying")["set_s"].max(initial=0.0)
    assert last <= table.lost["dying"] + 1e-6


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"duration_s": -1.0}, "passes.duration_s = -1.0: expected a finite number > 0"),
        ({"duration_s": None, "end": START - timedelta(days=1)}, "passes.end = "),
        ({"duration_s": None}, "passes.duration_s, end = (None, None): expected one of them"),
        ({"start": datetime(2026, 1, 1)}, "passes.start = "),
        ({"engine": "sgp5"}, "engine = 'sgp5': expected one of 'sgp4', 'astroz'; did you mean"),
        ({"stations": []}, "passes.stations = (): expected at least one station"),
        ({"stations": "svalbard"}, "passes.stations = 'svalbard'"),
        ({"constellation": []}, "passes.constellation = 'list': expected a Constellation"),
        ({"rotation": 0.1}, "passes.rotation = 0.1: expected an EarthRotation"),
    ],
)
def test_bad_input_is_one_clear_error(change: dict[str, object], message: str) -> None:
    usual: dict[str, object] = {
        "constellation": SMALL,
        "stations": STATIONS,
        "start": START,
        "duration_s": 100.0,
    }
    call = {**usual, **change}
    with pytest.raises(ow.InputError) as error:
        ow.passes(call.pop("constellation"), call.pop("stations"), **call)  # type: ignore[arg-type]
    assert str(error.value).startswith(message) or message in str(error.value)


def test_columns_and_rows() -> None:
    table = ow.passes(SMALL, STATIONS, start=START, duration_s=20000)
    assert (np.diff(table["rise_s"]) >= 0).all()
    first = next(iter(table))
    assert first["satellite"] == table["satellite"][0]
    assert first["rise_s"] == table["rise_s"][0]
    with pytest.raises(ow.UnknownNameError, match="did you mean 'rise_s'"):
        table["rises"]
    with pytest.raises(ValueError, match="read-only"):
        table["rise_s"][0] = 1.0
    with pytest.raises(ow.UnknownNameError):
        table.select(station="nowhere")
    assert math.isclose(table.duration_s.sum(), (table["set_s"] - table["rise_s"]).sum())


def test_passes_are_found_until_the_propagator_gives_up() -> None:
    dying = ow.Satellite.from_kepler(
        "d", altitude_m=200e3, inclination_deg=60, bstar=-0.01, epoch=START, model="sgp4"
    )
    whole = ow.Constellation([dying])
    times = np.arange(0.0, DAY_S, 1.0)
    gone = np.isnan(ow.propagate(whole, START, times)[0][0, :, 0])
    assert gone.any()
    last = float(times[np.argmax(gone)])
    stations = [
        ow.GroundStation(f"g{k}", latitude, longitude, min_elevation_deg=0)
        for k, (latitude, longitude) in enumerate(
            (a, b) for a in (-50, -20, 10, 40) for b in range(-180, 180, 30)
        )
    ]
    table = ow.passes(whole, stations, start=START, duration_s=DAY_S)
    assert table["set_s"].max() > last - 90
    assert last - 90 < table.lost["d"] <= last + 1
    soon = ow.passes(whole, stations, start=START, duration_s=last - 300)
    assert soon["set_s"].max() == last - 300
    assert not soon.lost
    dark = ow.eclipses(whole, start=START, duration_s=DAY_S)
    assert dark.known_s[0] == pytest.approx(last, abs=90)
    assert 0.4 < dark.sunlit_fraction[0] < 0.9
    none = ow.eclipses(whole, start=START + timedelta(seconds=last + 100), duration_s=1000)
    assert math.isnan(none.sunlit_fraction[0])


@pytest.mark.parametrize("half_deg", [0.05, 0.12, 0.4])
def test_a_mast_narrower_than_any_step_hides_what_stands_behind_it(half_deg: float) -> None:
    geo = ow.Satellite.from_kepler(
        "geo", semi_major_axis_m=42164e3, inclination_deg=0, model="two-body", epoch=START
    )
    whole = ow.Constellation([geo])
    still = ow.EarthRotation(greenwich_deg=0.0)
    bare = ow.GroundStation("g", 40.0, 20.0, min_elevation_deg=5.0)
    open_ = ow.passes(whole, bare, start=START, duration_s=900, rotation=still)
    azimuth = float(open_["rise_azimuth_deg"][0])
    mast = [(azimuth - half_deg, 5), (azimuth, 80), (azimuth + half_deg, 5)]
    gap = [(azimuth - half_deg, 80), (azimuth, 5), (azimuth + half_deg, 80)]
    for mask, count in ((mast, 0), (gap, 1)):
        station = replace(bare, horizon=mask)
        table = ow.passes(whole, station, start=START, duration_s=900, rotation=still)
        assert len(table) == count


def test_tables_can_be_pickled_and_refuse_nonsense() -> None:
    import pickle

    table = ow.passes(SMALL, STATIONS, start=START, duration_s=20000)
    again = pickle.loads(pickle.dumps(table))
    assert np.array_equal(rows_of(again), rows_of(table))
    dark = ow.eclipses(SMALL, start=START, duration_s=20000)
    assert len(pickle.loads(pickle.dumps(dark))) == len(dark)
    assert "eclipses of" in repr(dark)
    for wrong in (
        lambda: table.select(min_duration_s="x"),  # type: ignore[arg-type]
        lambda: table.select(satellite=["a"]),  # type: ignore[arg-type]
        lambda: table.restricted(5, 1),
        lambda: table.track(1.5),  # type: ignore[arg-type]
        lambda: ow.propagate(SMALL, START, "x"),
        lambda: ow.propagate(SMALL, START, [[1.0, 2.0]]),
        lambda: ow.passes(SMALL, STATIONS, start=START, duration_s=1e12),
        lambda: ow.passes(SMALL, STATIONS, start=START, duration_s=10, on_progress=5),
        lambda: ow.GroundLinks(downlink=5),  # type: ignore[arg-type]
        lambda: ow.isl_windows(SMALL, "ring", start=START, duration_s=10),  # type: ignore[arg-type]
    ):
        with pytest.raises(ow.InputError):
            wrong()
