"""From a constellation and stations to a contact plan: every pass and link, with its rate."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import checks
from ..contacts import CONTACT_COLUMNS, ContactPlan, PlanNode
from ..link_budgets import S_BAND_UPLINK, X_BAND_DOWNLINK, LinkBudget, RadioLink, Site
from ..orbits import Constellation
from ..stations import GroundStation
from . import eclipses as shadows
from .earth import LIGHT_SPEED_M_PER_S
from .ephemeris import Ephemeris, ephemerides, time_blocks
from .isl import standing
from .passes import above, lost_of, seen_from, tell_lost
from .sampling import distances, sample_times, steps
from .topology import IslTopology
from .window import Window, constellation_of, stations_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .earth import EarthRotation

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Columns = dict[str, NDArray[Any]]

#: Elevations (deg) at which the atmosphere of a station is computed; linear in between.
_ELEVATIONS = np.linspace(0.0, 90.0, 901)


#: Passes whose rates are sampled at a time; bounds memory.
_BATCH = 20_000


@dataclass(frozen=True, slots=True)
class GroundLinks:
    """Links between satellites and a ground station.

    Parameters
    ----------
    downlink, uplink : LinkBudget, optional
        None: there is no such direction.
    """

    downlink: LinkBudget | None = X_BAND_DOWNLINK
    uplink: LinkBudget | None = S_BAND_UPLINK

    def __post_init__(self) -> None:
        for name in ("downlink", "uplink"):
            budget = getattr(self, name)
            if budget is not None and (isinstance(budget, type) or not hasattr(budget, "rate_bps")):
                expected = "a link, such as FixedLink(2e8), or None"
                checks.fail(f"GroundLinks.{name}", budget, expected)


@dataclass(frozen=True, slots=True)
class Accuracy:
    """How finely contacts follow a rate and a distance that change.

    Parameters
    ----------
    rate : float
        A contact is cut where its rate leaves a factor of ``1 + rate``. Infinite: never; each
        contact has the mean rate, so that its bytes are right: those of trapezoids through the
        samples. (Of the staircase of a modem's modes these miss up to a percent of a healthy
        link's pass, more of one that barely closes; a shorter `look_s` helps.) Where nothing
        gets through there is no contact.
    delay_s : float
        A contact is cut where its one-way light time varies by more. Infinite: never.
    look_s : float
        Longest time between two samples of rate and range.
    """

    rate: float = math.inf
    delay_s: float = math.inf
    look_s: float = 10.0

    def __post_init__(self) -> None:
        checks.real("Accuracy.rate", self.rate, strict=True, finite=False)
        checks.real("Accuracy.delay_s", self.delay_s, strict=True, finite=False)
        checks.real("Accuracy.look_s", self.look_s, strict=True)


def contact_plan(
    constellation: Constellation,
    stations: GroundStation | Sequence[GroundStation] = (),
    *,
    start: datetime,
    duration_s: float | None = None,
    end: datetime | None = None,
    links: GroundLinks | Mapping[str, GroundLinks] | None = None,
    isl: IslTopology | None = None,
    accuracy: Accuracy | None = None,
    eclipses: bool = True,
    engine: str = "sgp4",
    rotation: EarthRotation | None = None,
    on_progress: Any = None,
) -> ContactPlan:
    """Build the contact plan of a constellation and its stations.

    Parameters
    ----------
    constellation : Constellation
    stations : GroundStation or sequence of GroundStation
    start, duration_s, end, engine, rotation, on_progress
        As in `passes`.
    links : GroundLinks, or mapping of str to GroundLinks, optional
        One for all stations, or one by station name. Unless given, an 8.2 GHz downlink and a
        2 GHz uplink of small satellites.
    isl : IslTopology, optional
        Inter-satellite links; none unless given.
    accuracy : Accuracy, optional
        Into how many steps a contact is cut; one with the mean rate unless given.
    eclipses : bool
        Whether to find eclipses, too.

    Returns
    -------
    ContactPlan
        Satellites (``orbital``, with plane and slot), then stations (``ground``). Contacts by
        start, end, source and target. `delay_s` is the light time over the largest sampled range
        of a contact: what is sent arrives no later, to some microseconds.

    Raises
    ------
    InputError
        For an end before the start, a name that is satellite and station, links for an unknown
        station, and other bad input.
    """
    window = Window.of("contact_plan", start, duration_s, end, engine, rotation, on_progress)
    whole = constellation_of("contact_plan", constellation)
    ground = stations_of("contact_plan", stations)
    if isl is not None and not isinstance(isl, IslTopology):
        checks.fail("contact_plan.isl", isl, "an IslTopology")
    accuracy = Accuracy() if accuracy is None else accuracy
    if not isinstance(accuracy, Accuracy):
        checks.fail("contact_plan.accuracy", accuracy, "an Accuracy")
    radios = _Radios.of(ground, links)
    nodes = (
        *(PlanNode(row.name, "orbital", row.plane, row.slot) for row in whole.satellites),
        *(PlanNode(row.name, "ground") for row in ground),
    )
    checks.unique("contact_plan node name", [node.name for node in nodes])
    contacts: list[Columns] = []
    dark: list[Columns] = []
    share, done = (1.0 if isl is None else 0.5), 0
    lost: dict[str, float] = {}
    for body in ephemerides(whole, window):
        if ground:
            contacts += _ground_contacts(body, ground, radios, window, accuracy, len(whole))
        if eclipses:
            dark.append(shadows.columns_of(body, window))
        lost.update(lost_of(body, whole, window))
        done += len(body.index)
        window.report(share * done / len(whole))
    tell_lost("contact_plan", lost, len(whole))
    if isl is not None:
        contacts += _isl_contacts(whole, isl, window, accuracy)
    return ContactPlan(
        window.start,
        nodes,
        _sorted(contacts, tuple(CONTACT_COLUMNS), ("start_s", "end_s", "source", "target")),
        _eclipse_columns(dark) if eclipses else {},
        window.duration_s,
    )


@dataclass(frozen=True, slots=True)
class _Radios:
    """Which budget each station uses, and its atmosphere by elevation.

    Attributes
    ----------
    kinds : tuple of (is_downlink, budget)
        Budgets in use.
    of_station : array, shape (kinds, stations), bool
    loss_db : array, shape (kinds, stations, elevations)
    """

    kinds: tuple[tuple[bool, LinkBudget], ...]
    of_station: NDArray[np.bool_]
    loss_db: Floats

    @classmethod
    def of(
        cls,
        stations: Sequence[GroundStation],
        links: GroundLinks | Mapping[str, GroundLinks] | None,
    ) -> _Radios:
        names = [row.name for row in stations]
        if isinstance(links, Mapping):
            for name in links:
                checks.known("contact_plan.links station", name, names)
            for name in names:
                if name not in links:
                    checks.fail(
                        f"contact_plan.links[{name!r}]", None, "GroundLinks (it is missing)"
                    )
            chosen = [links[name] for name in names]
        else:
            chosen = [GroundLinks() if links is None else links] * len(names)
        kinds: list[tuple[bool, LinkBudget]] = []
        for row in chosen:
            if not isinstance(row, GroundLinks):
                checks.fail("contact_plan.links", type(row).__name__, "GroundLinks")
            for down, budget in ((True, row.downlink), (False, row.uplink)):
                if budget is not None and (down, budget) not in kinds:
                    kinds.append((down, budget))
        uses = [
            [budget == (row.downlink if down else row.uplink) for row in chosen]
            for down, budget in kinds
        ]
        loss = np.zeros((len(kinds), len(stations), len(_ELEVATIONS)))
        for k, (_, budget) in enumerate(kinds):
            for m in np.flatnonzero(uses[k]).tolist():
                if isinstance(budget, RadioLink):  # no other link asks for the air
                    loss[k, m] = budget.attenuation_db(_ELEVATIONS, _site(stations[m]))
        return cls(tuple(kinds), np.array(uses, dtype=bool).reshape(loss.shape[:2]), loss)


def _site(row: GroundStation) -> Site:
    """What the atmosphere needs to know of a station."""
    with checks.within(f"GroundStation[{row.name!r}]:"):
        return Site(row.latitude_deg, row.altitude_m, row.rain_rate_mm_h, row.rain_height_m)


def _ground_contacts(
    body: Ephemeris,
    stations: Sequence[GroundStation],
    radios: _Radios,
    window: Window,
    accuracy: Accuracy,
    satellites: int,
) -> Iterator[Columns]:
    """Contacts of a block of satellites with the stations, one set per budget and batch."""
    all_rows, all_where, all_rise, all_set = above(body, stations, window)
    for k in range(0, len(all_rows), _BATCH):
        batch = slice(k, k + _BATCH)
        rows, where = all_rows[batch], all_where[batch]
        first, times = sample_times(all_rise[batch], all_set[batch], accuracy.look_s)
        count = np.diff(first)
        place = np.repeat(where, count)
        seen = seen_from(body, np.repeat(rows, count), place, stations, times)
        elevation, reach = np.degrees(seen[:, 1]), seen[:, 2]
        for kind, (down, budget) in enumerate(radios.kinds):
            uses = radios.of_station[kind][where]
            sampled = np.repeat(uses, count)
            begin = np.concatenate([[0], np.cumsum(count[uses])])
            loss = _loss(radios.loss_db[kind], place[sampled], elevation[sampled])
            rate = budget.rate_bps(reach[sampled], loss)
            owner, *columns = _cut(begin, times[sampled], reach[sampled], rate, accuracy)
            orbit, site = body.index[rows[uses]][owner], satellites + where[uses][owner]
            source, target = (orbit, site) if down else (site, orbit)
            yield _columns(source, target, *columns)


def _loss(table: Floats, where: Ints, elevation_deg: Floats) -> Floats:
    """Attenuation (dB) at elevations, linear between the rows of a table by station."""
    place = np.clip(elevation_deg, 0.0, 90.0) / (_ELEVATIONS[1] - _ELEVATIONS[0])
    k = np.minimum(place.astype(np.int64), len(_ELEVATIONS) - 2)
    low = table[where, k]
    found: Floats = low + (place - k) * (table[where, k + 1] - low)
    return found


def _isl_contacts(
    constellation: Constellation, topology: IslTopology, window: Window, accuracy: Accuracy
) -> Iterator[Columns]:
    """Contacts over inter-satellite links, both ways."""
    pairs, (owner, start, end) = standing(constellation, topology, window)
    if not len(owner):
        return
    first, times = sample_times(start, end, _isl_look(accuracy))
    sampled = np.repeat(owner, np.diff(first))
    chosen, flat = np.unique(pairs, return_inverse=True)
    local = flat.reshape(-1, 2)
    reach = np.empty(len(times))
    for body, (low, high) in time_blocks(constellation, chosen, window):
        here = np.flatnonzero((times >= low) & (times <= high))
        one, two = local[sampled[here]].T
        reach[here] = distances(body, one, two, times[here])
    # Two satellites may cross at one place; a link budget wants a distance.
    rate = topology.link.rate_bps(np.maximum(reach, 1.0))
    part, *columns = _cut(first, times, reach, rate, accuracy)
    a, b = pairs[owner[part]].T
    for source, target in ((a, b), (b, a)):
        yield _columns(source, target, *columns)


def _isl_look(accuracy: Accuracy) -> float:
    """Links between satellites change with the orbit, ten times slower than a pass."""
    return 6 * accuracy.look_s


def _cut(
    first: Ints, times: Floats, reach: Floats, rate: Floats, accuracy: Accuracy
) -> tuple[Ints, Floats, Floats, Floats, Floats]:
    span = accuracy.delay_s * LIGHT_SPEED_M_PER_S
    return steps(
        first, times, reach, np.broadcast_to(rate, reach.shape).copy(), accuracy.rate, span
    )


def _columns(
    source: Ints, target: Ints, start: Floats, end: Floats, rate: Floats, far: Floats
) -> Columns:
    return {
        "source": source.astype(np.int32),
        "target": target.astype(np.int32),
        "start_s": start,
        "end_s": end,
        "rate_bps": rate,
        "delay_s": far / LIGHT_SPEED_M_PER_S,
    }


def _sorted(parts: Sequence[Columns], names: Sequence[str], keys: Sequence[str]) -> Columns:
    """Parts as one set of columns, ordered by the keys."""
    if not parts:
        return {name: np.empty(0, dtype=CONTACT_COLUMNS[name]) for name in names}
    joined = {name: np.concatenate([part[name] for part in parts]) for name in names}
    order = np.lexsort(tuple(joined[key] for key in reversed(keys)))
    return {name: column[order] for name, column in joined.items()}


def _eclipse_columns(parts: Sequence[Columns]) -> Columns:
    rows = _sorted(parts, shadows.COLUMNS, ("satellite_index", "start_s"))
    return {
        "node": rows["satellite_index"],
        "start_s": rows["start_s"],
        "end_s": rows["end_s"],
        "umbra_start_s": rows["umbra_start_s"],
        "umbra_end_s": rows["umbra_end_s"],
    }
