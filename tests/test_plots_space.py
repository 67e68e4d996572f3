"""Pictures of passes, contact plans, maps and skies: they show what the data say."""

from __future__ import annotations

import io
import math
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orbweave.adapters.pictures.coastlines import coastlines
from orbweave.adapters.pictures.ground_tracks import ground_track
from orbweave.adapters.pictures.lanes import Bars, Lanes, added_up, greatest_on_top
from orbweave.adapters.pictures.maps import draw_map, visibility
from orbweave.adapters.pictures.passes import draw_contact_plan, draw_passes
from orbweave.adapters.pictures.skies import draw_sky
from orbweave.formulations.checks import InputError
from orbweave.formulations.contacts import Contact, ContactPlan
from orbweave.formulations.orbits import EARTH_RADIUS_M, Constellation, GroundStation
from orbweave.formulations.space.earth import geodetic
from orbweave.formulations.space.eclipses import EclipseTable, eclipses
from orbweave.formulations.space.ephemeris import ephemeris, node_step
from orbweave.formulations.space.passes import PassTable, passes

START = datetime(2026, 1, 1, 6, 30, tzinfo=UTC)
LENGTH_S = 6 * 3600.0
STATIONS = (
    GroundStation("Svalbard", 78.23, 15.39),
    GroundStation("Awarua", -46.53, 168.38, min_elevation_deg=5),
    GroundStation("Valley", 46.5, 8.0, horizon=((0, 12), (60, 25), (200, 18), (270, 35))),
    GroundStation("Singapore", 1.35, 103.8),
)


def star(planes: int = 3, each: int = 2) -> Constellation:
    return Constellation.walker(
        "star", planes=planes, satellites_per_plane=each, altitude_m=590e3, inclination_deg=88
    )


@pytest.fixture(scope="module")
def table() -> PassTable:
    return passes(star(), STATIONS, start=START, duration_s=LENGTH_S)


@pytest.fixture(scope="module")
def shadows() -> EclipseTable:
    """From a quarter of an hour before the passes on: times count from another second 0."""
    return eclipses(star(), start=START - timedelta(seconds=900), duration_s=LENGTH_S)


@pytest.fixture(autouse=True)
def plt() -> Any:
    matplotlib = pytest.importorskip("matplotlib", reason="the extra 'plot' is not installed")
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    yield plt
    plt.close("all")


def plan(count: int = 3, **fields: Any) -> ContactPlan:
    """`count` satellites, each with a contact to and from one station, and one between two."""
    contacts = [
        Contact(source, target, 100.0 * k + shift, 100.0 * k + 80, rate)
        for k in range(count)
        for source, target, shift, rate in (
            (f"sat-{k}", "ground", 0.0, 2e8 + 1e7 * k),
            ("ground", f"sat-{k}", 10.0, 1e6),
        )
    ]
    contacts.append(Contact("sat-0", "sat-1", 0, 1000, 1e9))
    kinds: dict[str, str | None] = {f"sat-{k}": "orbital" for k in range(count)}
    return ContactPlan.from_contacts(
        contacts, epoch=START, nodes={**kinds, "ground": "ground"}, duration_s=2000.0, **fields
    )


def labelled(ax: Any, label: str) -> Any:
    (found,) = [row for row in ax.collections if row.get_label() == label]
    return found


def seconds(days: Any, since: datetime = START) -> Any:
    """Seconds after a moment, of what stands on an axis of dates."""
    from matplotlib.dates import date2num

    return (np.asarray(days) - date2num(since)) * 86400


def corners(collection: Any) -> Any:
    """Left, right, low and high of rectangles, shape (bars, 4)."""
    paths = [path.vertices for path in collection.get_paths()]
    return np.array(
        [[*p[:, 0][[0, 2]], p[:, 1].min(), p[:, 1].max()] for p in paths], dtype=float
    ).reshape(-1, 4)


def lane_names(ax: Any) -> list[str]:
    return [label.get_text() for label in ax.get_yticklabels()]


def expected_bars(table: PassTable, rows: str) -> list[tuple[float, ...]]:
    columns = (f"{rows}_index", "rise_s", "set_s", "max_elevation_deg")
    return sorted(zip(*(table[name].tolist() for name in columns), strict=True))


# -- timelines ------------------------------------------------------------------------------------
@pytest.mark.parametrize("rows", ["station", "satellite"])
def test_every_pass_is_a_bar_from_rise_to_set_in_its_lane(table: PassTable, rows: str) -> None:
    ax = draw_passes(table, rows=rows)
    bars = labelled(ax, "bars")
    box = corners(bars)
    lane = np.rint(box[:, 2:].mean(axis=1) + 0.0)
    found = np.column_stack([lane, seconds(box[:, :2]), bars.get_array()])
    want = np.array(expected_bars(table, rows))
    order = np.lexsort(found.T[[2, 1, 0]])
    assert len(want) > 30
    np.testing.assert_allclose(found[order], want, atol=1e-4)
    assert (np.abs(box[:, 2:] - lane[:, None]) < 0.5).all()
    names = [row.name for row in STATIONS] if rows == "station" else list(star().names)
    assert lane_names(ax) == names
    low, high = seconds(ax.get_xlim())
    assert low < 0 < LENGTH_S < high
    assert ax.get_ylim()[0] > ax.get_ylim()[1]  # the first lane is at the top


def test_bars_of_a_lane_do_not_cover_each_other(table: PassTable) -> None:
    box = corners(labelled(draw_passes(table, rows="station"), "bars"))
    across = (box[:, None, 0] < box[None, :, 1] - 1e-9) & (box[None, :, 0] < box[:, None, 1] - 1e-9)
    upward = (box[:, None, 2] < box[None, :, 3] - 1e-9) & (box[None, :, 2] < box[:, None, 3] - 1e-9)
    overlaps = across & upward
    np.fill_diagonal(overlaps, False)
    assert not overlaps.any()
    assert (across.sum() - len(box)) > 0  # there are passes at the same time


def test_ticks_are_round_and_the_label_has_the_date(table: PassTable) -> None:
    from matplotlib.dates import num2date

    ax = draw_passes(table)
    ticks = [num2date(value) for value in ax.get_xticks()]
    assert len(ticks) >= 5
    assert all((tick.minute, tick.second, tick.microsecond) == (0, 0, 0) for tick in ticks)
    ax.figure.canvas.draw()
    texts = {label.get_text() for label in ax.get_xticklabels()}
    assert {"08:00", "12:00"} <= texts
    assert ax.get_xlabel() == "UTC, 2026-01-01"
    late = passes(star(1, 1), STATIONS, start=START, duration_s=86400.0)
    assert draw_passes(late).get_xlabel() == "UTC, 2026-01-01 to 2026-01-02"


def test_fewer_lanes_are_chosen(table: PassTable, shadows: EclipseTable) -> None:
    assert len(lane_names(draw_passes(table))) == len(STATIONS)
    few = passes(star(1, 2), STATIONS, start=START, duration_s=LENGTH_S)
    assert len(lane_names(draw_passes(few))) == 2
    assert len(lane_names(draw_passes(table, eclipses=shadows))) == len(star())


def test_eclipses_are_shaded_in_their_lanes(table: PassTable, shadows: EclipseTable) -> None:
    ax = draw_passes(table, eclipses=shadows)
    for label, first, last in (
        ("penumbra", "start_s", "end_s"),
        ("eclipse", "umbra_start_s", "umbra_end_s"),
    ):
        box = corners(labelled(ax, label))
        there = np.isfinite(shadows[first])
        want = np.column_stack(
            [shadows["satellite_index"], shadows[first] - 900, shadows[last] - 900]
        )[there]
        found = np.column_stack([box[:, 2:].mean(axis=1), seconds(box[:, :2])])
        assert len(want) > 5
        np.testing.assert_allclose(found[np.lexsort(found.T[[1, 0]])], want, atol=1e-4)


def test_many_lanes_leave_the_busiest_and_say_so() -> None:
    many = passes(star(10, 7), STATIONS[:1], start=START, duration_s=3 * 3600.0)
    ax = draw_passes(many, rows="satellite")
    busy = np.bincount(many["satellite_index"], weights=many.duration_s, minlength=70)
    shown = [many.constellation.index(name) for name in lane_names(ax)]
    assert len(shown) == 60
    assert shown == sorted(shown)
    hidden = np.setdiff1d(np.arange(70), shown)
    assert busy[hidden].max() <= busy[shown].min()
    assert "the 60 busiest of 70 lanes" in ax.get_title(loc="left")
    assert len(corners(labelled(ax, "bars"))) == int(np.isin(many["satellite_index"], shown).sum())


def test_a_crowded_lane_shows_the_highest_pass_on_top() -> None:
    crowd = passes(star(8, 10), STATIONS[:1], start=START, duration_s=7200.0)
    ax = draw_passes(crowd, rows="station")
    bars = labelled(ax, "bars")
    assert len(corners(bars)) == len(crowd)
    assert (np.diff(bars.get_array()) >= 0).all()  # later bars are drawn over earlier ones
    assert "the highest on top" in ax.get_title(loc="left")


def test_no_pass_is_a_picture_too() -> None:
    none = passes(star(1, 1), STATIONS[3:], start=START, duration_s=60.0)
    assert len(none) == 0
    ax = draw_passes(none, rows="station")
    assert ax.get_title(loc="left") == "0 passes of 1 satellite over 1 station, 60 s"
    assert lane_names(ax) == ["Singapore"]
    assert len(picture(ax)) > 1000


# -- contact plans --------------------------------------------------------------------------------
def test_a_small_plan_has_a_lane_per_link() -> None:
    ax = draw_contact_plan(plan())
    names, bars = lane_names(ax), labelled(ax, "bars")
    assert {"sat-0 → ground", "ground → sat-2", "sat-0 → sat-1"} <= set(names)
    assert len(names) == 7
    scale = {"Gbit/s": 1e9, "Mbit/s": 1e6}[ax.figure.axes[-1].get_ylabel()[6:-1]]
    found = sorted(
        (names[round((low + high) / 2)], *np.round(seconds([left, right]), 3), round(rate * scale))
        for (left, right, low, high), rate in zip(corners(bars), bars.get_array(), strict=True)
    )
    want = sorted(
        (f"{row.source} → {row.target}", row.start_s, row.end_s, row.rate_bps)
        for row in plan().contacts
    )
    assert found == want


def test_a_larger_plan_has_lanes_to_and_from_the_ground() -> None:
    ax = draw_contact_plan(plan(20))
    assert lane_names(ax) == ["to ground", "from ground"]
    lanes = np.rint(corners(labelled(ax, "bars"))[:, 2:].mean(axis=1))
    assert np.bincount(lanes.astype(int)).tolist() == [20, 20]  # without the inter-satellite link
    assert "40 contacts with the ground" in ax.get_title(loc="left")
    assert lane_names(draw_contact_plan(plan(20), rows="node"))[-1] == "from ground"


def test_eclipses_of_a_plan_shade_its_satellites() -> None:
    dark = {
        "node": np.array([1]),
        "start_s": np.array([50.0]),
        "end_s": np.array([170.0]),
        "umbra_start_s": np.array([60.0]),
        "umbra_end_s": np.array([160.0]),
    }
    whole = plan()
    ax = draw_contact_plan(
        ContactPlan(START, whole.nodes, whole.arrays, dark, whole.duration_s), rows="link"
    )
    box = corners(labelled(ax, "eclipse"))
    names = [lane_names(ax)[k] for k in np.rint(box[:, 2:].mean(axis=1)).astype(int)]
    assert sorted(names) == ["ground → sat-1", "sat-0 → sat-1", "sat-1 → ground"]
    np.testing.assert_allclose(seconds(box[:, :2]), [[60, 160]] * 3, atol=1e-4)


@settings(max_examples=60)
@given(
    st.lists(
        st.tuples(st.integers(0, 2), st.integers(0, 40), st.integers(1, 20), st.integers(0, 9)),
        max_size=25,
    )
)
def test_crowded_contacts_add_up(rows: list[tuple[int, int, int, int]]) -> None:
    lane, start, length, rate = np.array(rows, dtype=np.int64).reshape(-1, 4).T
    bars = Bars.of(lane, start.astype(float), (start + length).astype(float), rate.astype(float))
    summed = added_up(bars)
    for where in range(3):
        for time in np.arange(0, 60) + 0.5:
            on = (lane == where) & (start < time) & (time < start + length)
            here = (summed.lane == where) & (summed.start_s < time) & (time < summed.end_s)
            assert here.sum() == on.any()
            assert summed.value[here].sum() == pytest.approx(rate[on].sum())
    lanes = Lanes.of("abc", lane, bars.start_s, bars.end_s, bars.value, greatest_on_top)
    most = [
        ((lane == w) & (start < t) & (t < start + length)).sum()
        for w in range(3)
        for t in np.arange(60) + 0.5
    ]
    assert lanes.depth == max(most)


# -- maps -----------------------------------------------------------------------------------------
@pytest.mark.parametrize("station", STATIONS, ids=lambda row: row.name)
@pytest.mark.parametrize("altitude_m", [400e3, 590e3, 35786e3])
def test_from_the_circle_a_satellite_stands_at_the_mask(
    station: GroundStation, altitude_m: float
) -> None:
    """Vectors on a sphere: elevation and azimuth of every point of the circle, from above it."""
    radius = EARTH_RADIUS_M + altitude_m
    longitude, latitude = (np.radians(row) for row in visibility(station, radius))
    above = radius * np.stack(
        [
            np.cos(latitude) * np.cos(longitude),
            np.cos(latitude) * np.sin(longitude),
            np.sin(latitude),
        ],
        axis=-1,
    )
    lat, lon = math.radians(station.latitude_deg), math.radians(station.longitude_deg)
    up = np.array([math.cos(lat) * math.cos(lon), math.cos(lat) * math.sin(lon), math.sin(lat)])
    east = np.cross([0, 0, 1], up)
    east /= np.linalg.norm(east)
    sight = above - EARTH_RADIUS_M * up
    sight /= np.linalg.norm(sight, axis=1)[:, None]
    elevation = np.degrees(np.arcsin(sight @ up))
    azimuth = np.degrees(np.arctan2(sight @ east, sight @ np.cross(up, east))) % 360
    mask = np.full(len(azimuth), float(station.min_elevation_deg))
    if station.horizon:
        known = np.array(station.horizon)
        mask = np.maximum(mask, np.interp(azimuth, known[:, 0], known[:, 1], period=360))
    np.testing.assert_allclose(elevation, mask, atol=1e-6)
    assert (np.abs(np.diff(longitude)) < 1.0).all()


def test_satellites_rise_on_the_circle(table: PassTable) -> None:
    """The circle of a spherical Earth against passes over the ellipsoid."""
    for k, station in enumerate(STATIONS[:2]):
        longitude, latitude = visibility(station, EARTH_RADIUS_M + 590e3, 3601)
        rows = np.flatnonzero((table["station_index"] == k) & ~table["cut_start"])
        assert len(rows) > 3
        for row in rows:
            lon, lat = where(table, int(table["satellite_index"][row]), table["rise_s"][row])
            apart = angles(np.array([lon]), np.array([lat]), longitude, latitude)
            assert apart.min() < 0.5


def where(table: PassTable, satellite: int, second: float) -> tuple[float, float]:
    """Longitude and latitude under a satellite, from the library's own propagation."""
    chosen = table.constellation.satellites[satellite]
    span = (float(second), float(second))
    body = ephemeris(
        table.constellation, np.array([satellite]), table.window, span, node_step(chosen)
    )
    latitude, longitude, _ = geodetic(body.positions(0, np.array([second])))
    return float(longitude[0]), float(latitude[0])


def angles(lon: Any, lat: Any, lon2: Any, lat2: Any) -> Any:
    """Great-circle angle in degrees (haversine)."""
    a, b = np.radians(lat), np.radians(lat2)
    half = np.sin((b - a) / 2) ** 2
    half = half + np.cos(a) * np.cos(b) * np.sin(np.radians(lon2 - lon) / 2) ** 2
    return np.degrees(2 * np.arcsin(np.sqrt(half)))


@pytest.mark.parametrize("inclination_deg", [0.0, 53.0, 90.0, 98.0])
def test_tracks_never_jump_across_the_date_line(inclination_deg: float) -> None:
    whole = Constellation.walker(
        planes=2, satellites_per_plane=1, altitude_m=590e3, inclination_deg=inclination_deg
    )
    found = passes(whole, STATIONS, start=START, duration_s=4 * 3600.0)
    ends = 0
    for number in range(2):
        parts, seen = ground_track(found, number, 2.0)
        assert len(parts) == len(seen)
        for part in parts:
            assert len(part) >= 2
            assert (np.abs(part[:, 0]) <= 180).all()
            assert (np.abs(np.diff(part[:, 0])) <= 60).all()
            ends += int((np.abs(part[[0, -1], 0]) == 180).sum())
        # What follows begins where the part before ended, but for a pole.
        for before, after in pairwise(parts):
            high = max(abs(before[-1, 1]), abs(after[0, 1])) > 80
            assert high or angles(*before[-1], *after[0]) < 1e-6
    # Over the poles the date line is not crossed.
    assert ends == 0 if inclination_deg == 90 else ends >= 4


def test_a_track_is_thick_just_while_a_pass_is_on(table: PassTable) -> None:
    for number in range(len(star())):
        parts, seen = ground_track(table, number, 1.5)
        mine = table["satellite_index"] == number
        last = 1.5 * star().satellites[number].period_s
        for edge in ("rise_s", "set_s"):
            for second in table[edge][mine & (table[edge] < last) & (table[edge] > 0)]:
                others = (table["rise_s"] < second) & (second < table["set_s"])
                if (mine & others).any():
                    continue  # another station sees it, too
                place = where(table, number, second)
                near = [
                    angles(part[[0, -1], 0], part[[0, -1], 1], *place).min()
                    for part, yes in zip(parts, seen, strict=True)
                    if yes
                ]
                assert min(near) < 1e-6
        total = sum(angles(*part[:-1].T, *part[1:].T).sum() for part in parts)
        assert total == pytest.approx(360 * 1.5, rel=0.05)


def test_a_map_shows_coasts_stations_circles_and_starts(table: PassTable) -> None:
    ax = draw_map(table, satellites=["sat-1-0", 4])
    assert len(labelled(ax, "coastlines").get_segments()) == len(coastlines())
    np.testing.assert_allclose(
        labelled(ax, "stations").get_offsets(),
        [[row.longitude_deg, row.latitude_deg] for row in STATIONS],
    )
    assert {row.name for row in STATIONS} <= {text.get_text() for text in ax.texts}
    np.testing.assert_allclose(
        labelled(ax, "starts").get_offsets(),
        [where(table, number, 0.0) for number in (2, 4)],
        atol=1e-6,
    )
    assert len(labelled(ax, "others").get_offsets()) == len(star()) - 2
    for name in ("sat-1-0", "sat-2-0"):
        parts, seen = ground_track(table, star().index(name), 1.0)
        assert len(labelled(ax, f"seen {name}").get_segments()) == seen.sum()
        assert len(labelled(ax, f"track {name}").get_segments()) == len(parts) - seen.sum()
    assert ax.get_xlim() == (-180, 180)
    assert ax.get_ylim() == (-90, 90)


def test_a_circle_beyond_the_date_line_comes_back_on_the_other_side(table: PassTable) -> None:
    lines = labelled(draw_map(table), "circles").get_segments()
    longitude, latitude = visibility(STATIONS[1], EARTH_RADIUS_M + 590e3)
    assert longitude.max() > 180
    shifted = np.stack([longitude - 360, latitude], axis=-1)
    assert any(line.shape == shifted.shape and np.allclose(line, shifted) for line in lines)


def test_at_most_three_tracks_unless_asked(table: PassTable) -> None:
    def tracks(ax: Any) -> int:
        return sum(str(row.get_label()).startswith("track ") for row in ax.collections)

    assert tracks(draw_map(table)) == 3
    assert tracks(draw_map(table, satellites=range(6))) == 6


def test_labels_do_not_overlap() -> None:
    near = [
        GroundStation(f"Station {k}", 40 + 4.0 * (k % 3), 3.0 + 9.0 * (k // 3)) for k in range(12)
    ]
    near += [GroundStation("East", 0, 179.0), GroundStation("Pole", 89.0, 0)]
    ax = draw_map(passes(star(1, 1), near, start=START, duration_s=600.0))
    ax.figure.canvas.draw()
    boxes = [text.get_window_extent() for text in ax.texts]
    assert len(boxes) > 9
    pairs = [(a, b) for k, a in enumerate(boxes) for b in boxes[k + 1 :]]
    common = [a.intersection(a, b) for a, b in pairs]
    covered = [
        row.width * row.height / min(a.width * a.height for a in boxes) for row in common if row
    ]
    assert max(covered, default=0.0) < 0.4
    frame = ax.get_window_extent()
    for box in boxes:
        assert frame.x0 <= box.x0
        assert box.x1 <= frame.x1
        assert box.y1 <= frame.y1


# -- skies ----------------------------------------------------------------------------------------
def test_a_sky_shows_the_track_and_its_times(table: PassTable) -> None:
    row = int(np.argmax(np.where(table["cut_start"] | table["cut_end"], 0, table["set_s"])))
    ax: Any = draw_sky(table, row)
    name = str(table["satellite"][row])
    (line,) = [line for line in ax.get_lines() if line.get_label() == name]
    track = table.track(row, 5.0)
    np.testing.assert_allclose(np.degrees(line.get_xdata()), track["azimuth_deg"])
    np.testing.assert_allclose(90 - line.get_ydata(), track["elevation_deg"])
    texts = {text.get_text() for text in ax.texts}
    for event, word in (("rise_s", "rise "), ("set_s", "set "), ("culmination_s", "")):
        moment = START + timedelta(seconds=float(table[event][row]) + 0.5)
        assert any(text.startswith(f"{word}{moment:%H:%M:%S}") for text in texts)
    # North is up and east is right.
    points = ax.transData.transform([[0, 45], [np.pi / 2, 45], [0, 0]])
    north, east = points[0] - points[2], points[1] - points[2]
    assert north[1] > 1 > abs(north[0])
    assert east[0] > 1 > abs(east[1])


def test_a_sky_shows_the_horizon_mask(table: PassTable) -> None:
    rows = np.flatnonzero(table["station"] == "Valley")
    ax = draw_sky(table, rows.tolist()[:3])
    (mask,) = [line for line in ax.get_lines() if line.get_label() == "mask"]
    azimuth = np.degrees(np.asarray(mask.get_xdata()))
    elevation = 90 - np.asarray(mask.get_ydata())
    for known, height in ((0, 12), (60, 25), (200, 18), (270, 35), (130, 21.5)):
        assert elevation[np.argmin(np.abs(azimuth - known))] == pytest.approx(height)
    legend = ax.get_legend()
    assert legend is not None
    assert len(legend.get_texts()) == 3
    plain = draw_sky(table, int(np.flatnonzero(table["station"] == "Awarua")[0]))
    (mask,) = [line for line in plain.get_lines() if line.get_label() == "mask"]
    assert np.asarray(mask.get_ydata()) == pytest.approx(85)


# -- all ------------------------------------------------------------------------------------------
def test_what_cannot_be_drawn_is_said_so(table: PassTable, shadows: EclipseTable, plt: Any) -> None:
    with pytest.raises(InputError, match="did you mean 'satellite'"):
        draw_passes(table, rows="satelite")
    with pytest.raises(InputError, match="'satellite' where eclipses are given"):
        draw_passes(table, rows="station", eclipses=shadows)
    with pytest.raises(InputError, match="sat-1-0"):
        draw_passes(table, eclipses=eclipses(star(1, 2), start=START, duration_s=600.0))
    with pytest.raises(InputError, match="did you mean 'link'"):
        draw_contact_plan(plan(), rows="links")
    with pytest.raises(InputError, match="a plan with ground nodes"):
        draw_contact_plan(plan().restricted(without=["ground"]), rows="ground")
    with pytest.raises(InputError, match=r"draw_map\.revolutions"):
        draw_map(table, revolutions=0)
    with pytest.raises(InputError, match="sat-0-0"):
        draw_map(table, satellites=["sat-0"])
    with pytest.raises(InputError, match="names or positions"):
        draw_map(table, satellites="sat-0-0")
    with pytest.raises(InputError, match=r"draw_sky\.number"):
        draw_sky(table, len(table))
    with pytest.raises(InputError, match="at least one row"):
        draw_sky(table, [])
    with pytest.raises(InputError, match="rows of one station"):
        draw_sky(table, range(len(table)))
    with pytest.raises(InputError, match="polar axes"):
        draw_sky(table, 0, plt.subplots()[1])


def picture(ax: Any) -> bytes:
    stream = io.BytesIO()
    ax.figure.savefig(stream, format="png", metadata={"Software": None})
    return stream.getvalue()


def test_the_same_data_give_the_same_bytes(table: PassTable, shadows: EclipseTable) -> None:
    drawings: tuple[Callable[[], Any], ...] = (
        lambda: draw_passes(table, eclipses=shadows),
        lambda: draw_contact_plan(plan(20)),
        lambda: draw_map(table),
        lambda: draw_sky(table, 3),
    )
    pictures = [(picture(draw()), picture(draw())) for draw in drawings]
    for first, again in pictures:
        assert first[:8] == b"\x89PNG\r\n\x1a\n"
        assert first == again
    assert len({first for first, _ in pictures}) == len(drawings)


def test_given_axes_are_drawn_into(table: PassTable, plt: Any) -> None:
    for draw in (draw_passes, draw_map):
        given_axes = plt.subplots()[1]
        assert draw(table, given_axes) is given_axes
    polar = plt.subplots(subplot_kw={"projection": "polar"})[1]
    assert draw_sky(table, 0, polar) is polar


def test_a_missing_matplotlib_names_the_extra(
    monkeypatch: pytest.MonkeyPatch, table: PassTable
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    for draw in (draw_passes, draw_map, lambda rows: draw_sky(rows, 0)):
        with pytest.raises(ImportError, match=r"orbweave\[plot\]"):
            draw(table)
    with pytest.raises(ImportError, match=r"orbweave\[plot\]"):
        draw_contact_plan(plan())
