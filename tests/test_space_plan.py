"""The contact plan of a constellation against its passes, integrals and distances."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

import orbweave as ow
from orbweave.formulations.space.earth import LIGHT_SPEED_M_PER_S
from orbweave.formulations.space.sampling import sample_times, steps

START = datetime(2026, 1, 1, tzinfo=UTC)
LENGTH = 20000.0
WHOLE = ow.Constellation.walker(
    "star", planes=3, satellites_per_plane=4, altitude_m=600e3, inclination_deg=90, model="sgp4"
)
STATIONS = [
    ow.GroundStation("north", 78.2, 15.4, min_elevation_deg=5),
    ow.GroundStation("rainy", 3.1, 101.7, rain_rate_mm_h=99.0, rain_height_m=4958.0),
]
SHANNON = ow.RadioLink(scheme="shannon")


def build(**options: object) -> ow.ContactPlan:
    usual: dict[str, object] = {"start": START, "duration_s": LENGTH}
    return ow.contact_plan(WHOLE, STATIONS, **{**usual, **options})  # type: ignore[arg-type]


def downlinks(plan: ow.ContactPlan) -> np.ndarray:
    rows = plan.arrays
    return (rows["source"] < len(WHOLE)) & (rows["target"] >= len(WHOLE))


def test_with_a_fixed_rate_contacts_are_the_passes() -> None:
    plan = build(links=ow.GroundLinks(ow.FixedLink(2e8), ow.FixedLink(1e7)))
    table = ow.passes(WHOLE, STATIONS, start=START, duration_s=LENGTH)
    down = downlinks(plan)
    assert down.sum() == (~down).sum() == len(table) > 20
    for mask, ends, rate in ((down, ("source", "target"), 2e8), (~down, ("target", "source"), 1e7)):
        rows = {name: column[mask] for name, column in plan.arrays.items()}
        order = np.lexsort((rows[ends[1]], rows[ends[0]], rows["start_s"]))
        assert (rows[ends[0]][order] == table["satellite_index"]).all()
        assert (rows[ends[1]][order] - len(WHOLE) == table["station_index"]).all()
        np.testing.assert_allclose(rows["start_s"][order], table["rise_s"], atol=1e-9)
        np.testing.assert_allclose(rows["end_s"][order], table["set_s"], atol=1e-9)
        assert (rows["rate_bps"] == rate).all()
        far = np.maximum(table["rise_range_m"], table["set_range_m"])
        np.testing.assert_allclose(rows["delay_s"][order], far / LIGHT_SPEED_M_PER_S, rtol=1e-9)


def integral(table: ow.PassTable, k: int, link: ow.RadioLink) -> tuple[float, np.ndarray]:
    """Bytes that go during a pass, by Simpson's rule through a fine track."""
    from scipy.integrate import simpson

    track = table.track(k, step_s=0.5)
    station = STATIONS[table["station_index"][k]]
    site = ow.Site(
        station.latitude_deg, station.altitude_m, station.rain_rate_mm_h, station.rain_height_m
    )
    loss = link.attenuation_db(np.clip(track["elevation_deg"], 0, 90), site)
    rate = link.rate_bps(track["range_m"], loss)
    return float(simpson(rate, x=track["time_s"]) / 8), rate


@pytest.mark.parametrize("rain", [None, 0.1])
@pytest.mark.parametrize("accuracy", [ow.Accuracy(), ow.Accuracy(rate=0.15)])
def test_bytes_of_a_pass_are_the_integral_of_its_rate(
    rain: float | None, accuracy: ow.Accuracy
) -> None:
    from dataclasses import replace

    link = replace(SHANNON, exceeded_percent=rain)
    plan = build(links=ow.GroundLinks(link, None), accuracy=accuracy)
    table = ow.passes(WHOLE, STATIONS, start=START, duration_s=LENGTH)
    rows = plan.arrays
    for k in range(len(table)):
        mine = (rows["source"] == table["satellite_index"][k]) & (
            rows["target"] == len(WHOLE) + table["station_index"][k]
        )
        mine &= (rows["start_s"] >= table["rise_s"][k] - 1e-6) & (
            rows["end_s"] <= table["set_s"][k] + 1e-6
        )
        truth, rate = integral(table, k, link)
        assert plan.volume_bytes[mine].sum() == pytest.approx(truth, rel=2e-3, abs=1e3)
        pieces = np.flatnonzero(mine)
        assert len(pieces) >= 1
        assert rows["end_s"][pieces[:-1]] == pytest.approx(rows["start_s"][pieces[1:]])
        assert rate.min() <= rows["rate_bps"][pieces].min() * (1 + 1e-9)
        assert rows["rate_bps"][pieces].max() <= rate.max() * (1 + 1e-9)
        if math.isinf(accuracy.rate):
            assert len(pieces) == 1


def test_where_nothing_gets_through_there_is_no_contact() -> None:
    weak = ow.RadioLink(eirp_dbw=0.0)  # DVB-S2 closes only near the zenith
    plan = build(links=ow.GroundLinks(weak, None))
    table = ow.passes(WHOLE, STATIONS, start=START, duration_s=LENGTH)
    assert 0 < len(plan) < len(table)
    assert (plan.arrays["rate_bps"] > 0).all()
    for k in range(len(plan)):
        row = {name: column[k] for name, column in plan.arrays.items()}
        here = (table["satellite_index"] == row["source"]) & (
            table["station_index"] == row["target"] - len(WHOLE)
        )
        inside = here & (table["rise_s"] < row["start_s"]) & (table["set_s"] > row["end_s"])
        assert inside.sum() == 1
    silent = build(links=ow.GroundLinks(ow.RadioLink(eirp_dbw=-60.0), None))
    assert len(silent) == 0


def test_delays_bound_the_light_time_and_follow_it_when_asked() -> None:
    fixed = ow.GroundLinks(ow.FixedLink(1e8), None)
    coarse = build(links=fixed)
    fine = build(links=fixed, accuracy=ow.Accuracy(delay_s=2e-4))
    assert len(fine) > 3 * len(coarse)
    table = ow.passes(WHOLE, STATIONS, start=START, duration_s=LENGTH)
    rows = fine.arrays
    for k in range(len(table)):
        track = table.track(k, step_s=1.0)
        light = track["range_m"] / LIGHT_SPEED_M_PER_S
        mine = (rows["source"] == table["satellite_index"][k]) & (
            rows["target"] == len(WHOLE) + table["station_index"][k]
        )
        for m in np.flatnonzero(mine):
            inside = (track["time_s"] >= rows["start_s"][m]) & (track["time_s"] <= rows["end_s"][m])
            if inside.any():
                slack = 1e-6 + 1e-4 * (light[inside].max() - light[inside].min() > 2e-4)
                assert light[inside].max() <= rows["delay_s"][m] + slack
                assert rows["delay_s"][m] - light[inside].min() < 4e-4


def test_isl_contacts_go_both_ways_with_the_light_time_of_the_longest_moment() -> None:
    topology = ow.IslTopology("plus-grid", link=ow.FixedLink(1e10))
    plan = ow.contact_plan(WHOLE, start=START, duration_s=LENGTH, isl=topology, eclipses=False)
    table = ow.isl_windows(WHOLE, topology, start=START, duration_s=LENGTH)
    assert len(plan) == 2 * len(table) > 0
    pairs = set(zip(plan.arrays["source"].tolist(), plan.arrays["target"].tolist(), strict=True))
    assert pairs == {(j, i) for i, j in pairs}
    for k in range(0, len(plan), 5):
        row = {name: column[k] for name, column in plan.arrays.items()}
        times = np.linspace(row["start_s"], row["end_s"], 2000)
        position, _ = ow.propagate(WHOLE, START, times)
        gap = np.linalg.norm(position[row["source"]] - position[row["target"]], axis=1)
        assert row["delay_s"] == pytest.approx(gap.max() / LIGHT_SPEED_M_PER_S, rel=2e-3)
    assert not len(plan.eclipses["node"])


def test_nodes_eclipses_and_repr() -> None:
    plan = build()
    assert plan.node_names[:2] == ("sat-0-0", "sat-0-1")
    assert plan.nodes[5] == ow.PlanNode("sat-1-1", "orbital", plane=1, slot=1)
    assert plan.nodes[-1] == ow.PlanNode("rainy", "ground")
    dark = ow.eclipses(WHOLE, start=START, duration_s=LENGTH)
    assert len(dark) == len(plan.eclipses["node"]) > 0
    np.testing.assert_array_equal(plan.eclipses["start_s"], dark["start_s"])
    fraction = plan.sunlit_fraction()
    np.testing.assert_allclose(
        [fraction[name] for name in WHOLE.names], dark.sunlit_fraction, atol=1e-12
    )
    assert "12 eclipses" in repr(plan) or f"{len(dark)} eclipses" in repr(plan)
    assert (np.diff(plan.arrays["start_s"]) >= 0).all()


def test_links_by_station() -> None:
    fast, slow = ow.GroundLinks(ow.FixedLink(3e8), None), ow.GroundLinks(None, ow.FixedLink(1e6))
    plan = build(links={"north": fast, "rainy": slow})
    rows = plan.arrays
    north, rainy = plan.index("north"), plan.index("rainy")
    assert set(rows["rate_bps"][rows["target"] == north]) == {3e8}
    assert set(rows["rate_bps"][rows["source"] == rainy]) == {1e6}
    assert not (rows["source"] == north).any()
    assert not (rows["target"] == rainy).any()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"links": {"north": ow.GroundLinks()}}, "contact_plan.links['rainy'] = None"),
        ({"links": {"nort": ow.GroundLinks()}}, "did you mean 'north'"),
        ({"links": 5}, "contact_plan.links = 'int': expected GroundLinks"),
        ({"isl": "ring"}, "contact_plan.isl = 'ring': expected an IslTopology"),
        ({"accuracy": 0.1}, "contact_plan.accuracy = 0.1: expected an Accuracy"),
        ({"duration_s": 0}, "contact_plan.duration_s = 0: expected a finite number > 0"),
    ],
)
def test_bad_input(options: dict[str, object], message: str) -> None:
    with pytest.raises(ow.InputError) as error:
        build(**options)
    assert message in str(error.value)


def test_a_name_for_two_nodes_is_an_error() -> None:
    station = ow.GroundStation("sat-0-0", 10, 20)
    with pytest.raises(ow.InputError, match="contact_plan node name = 'sat-0-0'"):
        ow.contact_plan(WHOLE, station, start=START, duration_s=100)


def test_progress_ends_at_one() -> None:
    seen: list[float] = []
    build(on_progress=seen.append, isl=ow.IslTopology("ring", link=ow.FixedLink(1e9)))
    assert seen[-1] == pytest.approx(1.0)
    assert seen == sorted(seen)
    only: list[float] = []
    ow.passes(WHOLE, STATIONS, start=START, duration_s=LENGTH, on_progress=only.append)
    assert only[-1] == 1.0


# -- cutting --------------------------------------------------------------------------------------
def test_cutting_neither_gains_nor_loses_bytes() -> None:
    rng = np.random.default_rng(2)
    start = np.array([0.0, 50.0, 400.0])
    end = start + np.array([31.0, 300.0, 9.0])
    first, times = sample_times(start, end, 2.0)
    assert np.diff(times).max() <= 400
    rate = np.abs(rng.normal(size=len(times))) * 1e6
    rate[10:14] = 0.0
    reach = rng.uniform(5e5, 2e6, len(times))
    for accuracy in (0.01, 0.5, math.inf):
        owner, low, high, mean, far = steps(first, times, reach, rate, accuracy, math.inf)
        for k in range(3):
            mine = slice(first[k], first[k + 1])
            truth = np.trapezoid(rate[mine], times[mine])
            ours = (mean * (high - low))[owner == k].sum()
            assert ours == pytest.approx(truth, rel=1e-12)
            assert (far[owner == k] <= reach[mine].max()).all()
    # Silence in the middle of a contact parts it, however coarse the cut.
    quiet = np.array([5.0, 5.0, 0.0, 0.0, 0.0, 5.0, 5.0])
    owner, low, high, mean, _ = steps(
        np.array([0, 7]), np.arange(7.0), np.ones(7), quiet, math.inf, math.inf
    )
    assert list(zip(low, high, strict=True)) == [(0.0, 2.0), (4.0, 6.0)]
    np.testing.assert_allclose(mean, [3.75, 3.75])


# -- findings -------------------------------------------------------------------------------------
def test_findings_speak_of_altitude_age_and_decay() -> None:
    fresh = ow.Satellite.from_kepler(
        "fresh", altitude_m=509e3, inclination_deg=53, epoch=START, model="sgp4"
    )
    old = ow.Satellite.from_kepler(
        "old", altitude_m=550e3, inclination_deg=53, epoch=START - timedelta(days=40), model="sgp4"
    )
    low = ow.Satellite.from_kepler("low", altitude_m=130e3, inclination_deg=53, model="two-body")
    gone = ow.Satellite.from_kepler(
        "gone",
        altitude_m=180e3,
        inclination_deg=53,
        bstar=0.1,
        epoch=START - timedelta(days=9),
        model="sgp4",
    )
    whole = ow.Constellation([fresh, old, low, gone])
    found = ow.inspect_orbits(whole, at=START, expected_altitude_m=550e3)
    kinds = {(row.satellite, row.kind) for row in found}
    assert {("fresh", "altitude"), ("old", "age"), ("low", "low"), ("gone", "decayed")} <= kinds
    assert ("old", "altitude") not in kinds
    assert ("fresh", "age") not in kinds
    text = next(row.message for row in found if row.satellite == "fresh")
    assert "509.0 km, not 550.0 km" in text
    assert "40.0 days older" in next(row.message for row in found if row.kind == "age")
    assert ow.inspect_orbits(ow.Constellation([fresh])) == ()


def test_a_fixed_link_asks_for_no_air() -> None:
    balloon = ow.GroundStation("balloon", 10, 20, 20e3)
    fixed = ow.GroundLinks(ow.FixedLink(1e6), None)
    assert len(ow.contact_plan(WHOLE, balloon, start=START, duration_s=LENGTH, links=fixed))
    with pytest.raises(ow.InputError, match=r"GroundStation\['balloon'\]: Site.altitude_m"):
        ow.contact_plan(WHOLE, balloon, start=START, duration_s=LENGTH)
