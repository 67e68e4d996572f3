"""The search over motifs against every motif tried one by one with networkx."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from itertools import combinations
from typing import Any

import networkx as nx
import numpy as np
import pytest

import orbweave as ow
from orbweave.formulations.routing.mesh import Mesh
from orbweave.formulations.routing.motifs import offsets_within, search_motifs
from orbweave.formulations.routing.snapshots import snapshot_paths

START = datetime(2026, 1, 1, tzinfo=UTC)
SHELL = ow.Constellation.walker(
    planes=18,
    satellites_per_plane=12,
    altitude_m=1200e3,
    inclination_deg=58,
    phasing="alternating",
)
SITES = [
    ow.GroundStation("Quito", -0.2, -78.5),
    ow.GroundStation("Oslo", 59.9, 10.7),
    ow.GroundStation("Perth", -31.9, 115.9),
    ow.GroundStation("Dhaka", 23.8, 90.4),
    ow.GroundStation("Lagos", 6.5, 3.4),
    ow.GroundStation("Bergen", 60.4, 5.3),
]
PAIRS = [("Quito", "Oslo"), ("Perth", "Lagos"), ("Dhaka", "Quito"), ("Lagos", "Oslo")]
TIMES = [0.0, 900.0]
RADIUS = 6371008.8


def along(a: ow.GroundStation, b: ow.GroundStation) -> float:
    """Great circle (m) by the angle between unit vectors."""
    one, two = (
        np.array(
            [
                math.cos(math.radians(row.latitude_deg))
                * math.cos(math.radians(row.longitude_deg)),
                math.cos(math.radians(row.latitude_deg))
                * math.sin(math.radians(row.longitude_deg)),
                math.sin(math.radians(row.latitude_deg)),
            ]
        )
        for row in (a, b)
    )
    return RADIUS * math.atan2(float(np.linalg.norm(np.cross(one, two))), float(one @ two))


def links_of(offset: tuple[int, int]) -> set[tuple[int, int]]:
    """Links of an offset by their definition; phasing alternates, so nothing is gained round."""
    found = set()
    for plane in range(18):
        for slot in range(12):
            other = (plane + offset[0]) % 18 * 12 + (slot + offset[1]) % 12
            one = plane * 12 + slot
            if one != other:
                found.add((min(one, other), max(one, other)))
    return found


def by_hand(reach: float, most: int) -> tuple[dict[Any, tuple[float, float]], dict[Any, int]]:
    """Mean and 95th percentile of every whole motif, pieces of every other; keys are link sets."""
    positions = [ow.propagate(SHELL, START, [time])[0][:, 0] for time in TIMES]
    ground = Mesh(SHELL, SITES, start=START, isl=None)
    station = {row.name: 216 + k for k, row in enumerate(SITES)}
    sites = {row.name: row for row in SITES}
    singles = set()
    for offset in offsets_within(3, 2):
        links = frozenset(links_of(offset))
        stands = bool(links)
        for position in positions:
            for i, j in links:
                a, b = position[i], position[j]
                foot = np.clip(-(a @ (b - a)) / ((b - a) @ (b - a)), 0, 1)
                scale = np.array([1, 1, (6378137 + 80e3) / (6356752.314245 + 80e3)])
                low = np.linalg.norm((a + foot * (b - a)) * scale)
                stands &= bool(np.linalg.norm(a - b) <= reach and low > 6378137 + 80e3)
        if stands:
            singles.add(links)
    whole, split = {}, {}
    for motif in [frozenset([row]) for row in singles] + [
        frozenset(two) for two in combinations(singles, 2)
    ]:
        links = frozenset().union(*motif)
        count = np.bincount(np.array(list(links)).ravel())
        if count.max() > most:
            continue
        graph = nx.Graph()
        graph.add_nodes_from(range(216))
        graph.add_edges_from(links)
        pieces = nx.number_connected_components(graph)
        if pieces > 1:
            split[links] = pieces
            continue
        values = []
        for time, position in zip(TIMES, positions, strict=True):
            sky = nx.Graph()
            for i, j in links:
                sky.add_edge(i, j, far=float(np.linalg.norm(position[i] - position[j])))
            rows = ground.links(time)
            for a, b in PAIRS:
                both = sky.copy()
                for name in (a, b):
                    mine = rows["second"] == station[name]
                    for i, far in zip(rows["first"][mine], rows["distance_m"][mine], strict=True):
                        both.add_edge(int(i), station[name], far=float(far))
                if both.has_node(station[a]) and both.has_node(station[b]):
                    way = nx.dijkstra_path_length(both, station[a], station[b], weight="far")
                    values.append(way / along(sites[a], sites[b]))
        whole[links] = (float(np.mean(values)), float(np.percentile(values, 95)))
    return whole, split


@pytest.mark.parametrize(("reach", "most"), [(math.inf, 4), (5e6, 4), (math.inf, 2)])
def test_it_finds_what_trying_every_motif_finds(reach: float, most: int) -> None:
    whole, split = by_hand(reach, most)
    found = search_motifs(
        SHELL,
        SITES,
        PAIRS,
        start=START,
        times=TIMES,
        max_isls=most,
        max_planes_on=3,
        max_places_on=2,
        max_range_m=reach,
    )
    ours = {frozenset().union(*map(links_of, row.motif)): row for row in found.ranked}
    assert set(ours) == set(whole)
    for links, (mean, high) in whole.items():
        assert ours[links].mean_stretch == pytest.approx(mean, rel=1e-9)
        assert ours[links].p95_stretch == pytest.approx(high, rel=1e-9)
        assert ours[links].connected
        assert ours[links].components == 1
        assert ours[links].isls <= most
        assert ours[links].longest_isl_m <= reach
    apart = {frozenset().union(*map(links_of, row.motif)): row for row in found.split}
    assert {links: row.components for links, row in apart.items()} == split
    assert not any(row.connected for row in found.split)
    means = [row.mean_stretch for row in found.ranked]
    assert means == sorted(means)
    if most == 4:
        assert len(means) >= 5
        assert len(split) > 2


def test_what_splits_odd_and_even_planes_is_told_and_not_offered() -> None:
    found = search_motifs(SHELL, SITES, start=START, times=TIMES, max_planes_on=2, max_places_on=1)
    split = {row.motif: row for row in found.split}
    assert split[(0, 1), (2, 0)].components == 2
    assert split[(0, 1),].components == 18
    assert math.isnan(split[(0, 1), (2, 0)].mean_stretch)
    assert ((0, 1), (2, 0)) not in {row.motif for row in found.ranked}
    assert ((0, 1), (1, 0)) in {row.motif for row in found.ranked}


def test_the_winner_is_a_topology_with_that_stretch() -> None:
    found = search_motifs(SHELL, SITES, PAIRS, start=START, times=TIMES)
    best = found.best
    assert best is not None
    mesh = Mesh(SHELL, SITES, start=START, isl=ow.IslTopology(motif=best.motif))
    names = [row.name for row in SITES]
    paths = snapshot_paths(mesh, TIMES, names, names)
    light = 299792458.0
    values = [
        light
        * paths.distance[:, names.index(a), names.index(b)]
        / along(SITES[names.index(a)], SITES[names.index(b)])
        for a, b in PAIRS
    ]
    known = np.concatenate(values)[np.isfinite(np.concatenate(values))]
    assert len(known) == found.pairs
    assert best.mean_stretch == pytest.approx(known.mean(), rel=1e-9)
    for time in TIMES:
        rows = mesh.links(time)
        isl = rows["distance_m"][rows["second"] < len(SHELL)]
        assert isl.max() <= best.longest_isl_m * (1 + 1e-12)


def test_near_pairs_are_left_out_unless_asked_for() -> None:
    few: dict[str, Any] = {"start": START, "times": [0.0], "max_planes_on": 1, "max_places_on": 1}
    every = search_motifs(SHELL, SITES, min_distance_m=0, **few)
    far = search_motifs(SHELL, SITES, **few)
    assert every.pairs == far.pairs + 1  # Oslo and Bergen
    alone = search_motifs(SHELL, SITES, [("Oslo", "Bergen")], **few)
    assert alone.pairs == 1


def test_a_first_look_leaves_most_motifs_out() -> None:
    everything = search_motifs(SHELL, SITES, start=START, times=TIMES)
    few = search_motifs(SHELL, SITES, start=START, times=TIMES, finalists=10)
    assert len(few.ranked) == 10
    assert few.left_out["first look"] == len(everything.ranked) - 10
    assert set(few.ranked) <= set(everything.ranked)
    assert few.best == everything.best


def test_it_can_be_stopped_and_tells_how_far_it_is() -> None:
    shares: list[float] = []
    found = search_motifs(
        SHELL, SITES, start=START, times=TIMES, time_limit_s=1e-6, on_progress=shares.append
    )
    assert len(found.ranked) == 1
    assert found.left_out["time limit"] > 10
    assert shares[-1] == 1.0
    shares.clear()
    whole = search_motifs(SHELL, SITES, start=START, times=TIMES, on_progress=shares.append)
    assert found.ranked[0] in whole.ranked
    assert shares == sorted(shares)
    assert len(shares) > 2 * len(whole.ranked)
    assert shares[-1] == 1.0


def test_slow_terminals_and_two_shells() -> None:
    star = ow.Constellation.walker(
        "star",
        planes=4,
        satellites_per_plane=8,
        altitude_m=1400e3,
        inclination_deg=88,
        name="polar",
    )
    fast = search_motifs(star, SITES, start=START, max_planes_on=1, max_places_on=1)
    slow = search_motifs(
        star, SITES, start=START, max_planes_on=1, max_places_on=1, max_slew_deg_per_s=0.02
    )
    assert {row for motif in fast.ranked for row in motif.motif} == {
        (0, 1),
        (1, -1),
        (1, 0),
        (1, 1),
    }
    assert slow.ranked == ()
    assert slow.best is None
    assert [row.motif for row in slow.split] == [((0, 1),)]
    both = SHELL + star
    found = search_motifs(both, SITES, start=START, times=[0.0], max_planes_on=1, max_places_on=1)
    grid = next(row for row in found.ranked if row.motif == ((0, 1), (1, 0)))
    assert grid.components == 2
    assert grid.connected
    assert next(row for row in found.split if row.motif == ((0, 1),)).components == 22


def test_a_search_tells_itself() -> None:
    found = search_motifs(SHELL, SITES, start=START, times=[0.0], max_planes_on=2, max_places_on=1)
    plain = json.loads(json.dumps(found.to_dict()))
    assert [tuple(map(tuple, row["motif"])) for row in plain["ranked"]] == [
        row.motif for row in found.ranked
    ]
    assert plain["split"][0]["mean_stretch"] is None
    assert "(0, 1) + (1, 0)" in found._repr_html_()
    assert "ranked" in repr(found)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"constellation": 5}, "Mesh.constellation = 'int'"),
        ({"constellation": SHELL.select([0, 1])}, "expected one with shells"),
        ({"stations": SITES[:1]}, "expected two stations or more"),
        ({"stations": [SITES[1], SITES[5]]}, "expected two that are 1e+06 m apart"),
        ({"pairs": [("Quito", "Osla")]}, "did you mean 'Oslo'?"),
        ({"pairs": [("Quito", "Quito")]}, "expected the names of two stations"),
        ({"pairs": []}, "search_motifs.pairs = []"),
        ({"times": []}, "search_motifs.times = []"),
        ({"max_isls": 6}, "search_motifs.max_isls = 6: expected 1 to 4"),
        ({"max_range_m": 0}, "max_range_m = 0"),
        ({"min_distance_m": -1}, "search_motifs.min_distance_m = -1"),
        ({"finalists": 0}, "search_motifs.finalists = 0"),
        ({"time_limit_s": 0}, "search_motifs.time_limit_s = 0"),
        ({"on_progress": 0}, "search_motifs.on_progress = 0"),
        ({"start": datetime(2026, 1, 1)}, "Mesh.start"),
    ],
)
def test_searches_that_make_no_sense(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ow.InputError) as error:
        search_motifs(**{"constellation": SHELL, "stations": SITES, "start": START, **fields})
    assert message in str(error.value)


def test_stations_that_see_nothing_measure_nothing() -> None:
    blind = [
        ow.GroundStation(name, lat, 0.0, min_elevation_deg=89)
        for name, lat in (("a", 5), ("b", 80))
    ]
    with pytest.raises(ow.InputError, match="both see a satellite"):
        search_motifs(SHELL, blind, start=START, times=[0.0])
