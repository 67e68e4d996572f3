"""TLE and OMM files: held against the sgp4 package's own readers, round trips, hostile input."""

from __future__ import annotations

import gzip
import io
import json
import logging
import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sgp4 import io as sgp4_io
from sgp4 import omm as sgp4_omm
from sgp4.api import WGS72, Satrec

from orbweave.adapters.orbits.omm_file import FORMATS, omm_text, read_omm, write_omm
from orbweave.adapters.orbits.tle_file import read_tle, tle_text, write_tle
from orbweave.formulations.checks import InputError
from orbweave.formulations.orbits import Constellation, Satellite


def sealed(line: str) -> str:
    """An element line with the checksum that belongs to it, by the sgp4 package."""
    return str(sgp4_io.fix_checksum(line))


def tle(name: str, number: str, epoch: str = "26001.50000000", motion: str = "15.49560000") -> str:
    first = f"1 {number}U 98067A   {epoch}  .00016717  00000-0  10270-3 0  900"
    second = f"2 {number}  51.6400 208.9163 0006317  69.9862  25.2906 {motion} 1000"
    return "\n".join([*([name] if name else []), sealed(first), sealed(second), ""])


ISS = tle("ISS (ZARYA)", "25544")


def assert_equal_to_satrec(satellite: Satellite, record: Satrec) -> None:
    """Every element as the sgp4 package read it, in its units (radians, minutes)."""
    turn = 2 * math.pi / 1440
    assert satellite.catalog_number == record.satnum
    assert satellite.mean_motion_rev_per_day * turn == pytest.approx(record.no_kozai, rel=1e-15)
    assert satellite.eccentricity == record.ecco
    assert math.radians(satellite.inclination_deg) == pytest.approx(record.inclo, rel=4e-16, abs=0)
    assert math.radians(satellite.raan_deg) == pytest.approx(record.nodeo, rel=4e-16, abs=0)
    assert math.radians(satellite.argument_of_perigee_deg) == pytest.approx(
        record.argpo, rel=4e-16, abs=0
    )
    assert math.radians(satellite.mean_anomaly_deg) == pytest.approx(record.mo, rel=4e-16, abs=0)
    assert satellite.bstar == pytest.approx(record.bstar, rel=1e-15, abs=0)
    assert satellite.mean_motion_dot == pytest.approx(record.ndot * 1440 * 1440 / (2 * math.pi))
    ddot = record.nddot * 1440**3 / (2 * math.pi)
    assert satellite.mean_motion_ddot == pytest.approx(ddot, rel=1e-14, abs=0)
    # Satrec splits its epoch into a whole day and the printed fraction: both must be exact.
    whole = datetime(2000, 1, 1, tzinfo=UTC) + timedelta(days=record.jdsatepoch - 2451544.5)
    fraction = timedelta(microseconds=round(record.jdsatepochF * 1e8) * 864)
    assert satellite.epoch == whole + fraction


def pairs(text: str) -> list[tuple[str, str]]:
    lines = [line for line in text.splitlines() if line[:2] in ("1 ", "2 ")]
    return list(zip(lines[::2], lines[1::2], strict=True))


# -- two-line elements ----------------------------------------------------------------------------
def test_verification_sets_read_as_the_sgp4_package_reads_them(reference: Path) -> None:
    text = (reference / "space" / "sgp4" / "SGP4-VER.TLE").read_text(encoding="ascii")
    agreed, broken, below = 0, 0, 0
    for first, second in pairs(text):
        source = f"# one\n{first}\n{second}\n"
        try:
            sgp4_io.verify_checksum(first, second)
        except ValueError:
            with pytest.raises(InputError, match="checksum = "):
                read_tle(source)
            broken += 1
            continue
        record = Satrec.twoline2rv(first, second)
        if record.altp < 0:
            with pytest.raises(InputError, match="perigee_altitude_m"):
                read_tle(source)
            below += 1
            continue
        assert_equal_to_satrec(read_tle(source).satellites[0], record)
        agreed += 1
    assert (agreed, broken, below) == (29, 3, 1)


def test_hypatia_file_reads_as_the_sgp4_package_reads_it(reference: Path) -> None:
    path = reference / "routing" / "kuiper_630_tles.txt.gz"
    text = gzip.decompress(path.read_bytes()).decode()
    found = read_tle(text)
    assert len(found) == 1156
    for satellite, lines in zip(found.satellites, pairs(text), strict=True):
        assert_equal_to_satrec(satellite, Satrec.twoline2rv(*lines))
    assert found.names[35] == "Kuiper-630 35"
    assert (found.satellites[35].plane, found.satellites[35].slot) == (1, 1)
    assert (found.shells[0].planes, found.shells[0].satellites_per_plane) == (34, 34)
    with pytest.raises(InputError, match=r"planes and satellites per plane = '34 35'"):
        read_tle(text.replace("34 34", "34 35", 1))


def test_forms_of_a_file_say_the_same() -> None:
    plain = read_tle(ISS)
    assert plain.names == ("ISS (ZARYA)",)
    assert plain.satellites[0].object_id == "1998-067A"
    assert read_tle("0 " + ISS) == plain
    assert read_tle(ISS.replace("\n", "\r\n")) == plain
    name, first, second = ISS.split("\n")[:3]
    assert read_tle(f"# a\n{name}\n\n{first}  1.0 2.0\n# b\n{second}   99\n\n") == plain
    nameless = read_tle(f"{first}\n{second}")
    assert nameless.names == ("NORAD 25544",)
    assert replace(nameless.satellites[0], name=name) == plain.satellites[0]


def test_a_path_and_its_text_are_the_same(tmp_path: Path) -> None:
    path = tmp_path / "iss.tle"
    path.write_bytes(b"\xef\xbb\xbf" + ISS.encode())
    assert read_tle(path) == read_tle(str(path)) == read_tle(ISS)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("00005", 5),
        ("    5", 5),
        ("A0000", 100000),
        ("H9999", 179999),
        ("J0000", 180000),
        ("N1234", 221234),
        ("P0000", 230000),
        ("Z9999", 339999),
    ],
)
def test_catalogue_numbers_with_letters(text: str, number: int) -> None:
    satellite = read_tle(tle("X", text)).satellites[0]
    assert satellite.catalog_number == number
    if text[0].isalpha():
        assert Satrec.twoline2rv(*tle("", text).splitlines()).satnum == number
    assert tle_text(Constellation((satellite,))).split("\n")[1][2:7] == text.replace(" ", "0")


@pytest.mark.parametrize("text", ["I0000", "O0000", "a0000", "A 000", "AB000", "-0001", "     "])
def test_catalogue_numbers_that_are_none(text: str) -> None:
    with pytest.raises(InputError, match="catalogue number"):
        read_tle(tle("X", text))


def test_years_of_two_digits() -> None:
    years = {text: read_tle(tle("X", "00001", f"{text}001.00000000")) for text in ("56", "57")}
    assert [c.satellites[0].epoch.year for c in years.values()] == [2056, 1957]


@pytest.mark.parametrize("line", [1, 2])
def test_a_digit_changed_in_any_column_is_noticed(line: int) -> None:
    lines = ISS.split("\n")
    for column, character in enumerate(lines[line]):
        if not character.isdigit():
            continue
        for step in range(1, 10):
            other = str((int(character) + step) % 10)
            changed = lines[line][:column] + other + lines[line][column + 1 :]
            with pytest.raises(InputError, match=r"^TLE text: line [23]"):
                read_tle("\n".join(changed if k == line else row for k, row in enumerate(lines)))


@pytest.mark.parametrize("line", [1, 2])
def test_a_foreign_character_in_any_column_is_noticed_or_harmless(line: int) -> None:
    lines = ISS.split("\n")
    for column in range(69):
        for character in "x-\x00é":
            changed = lines[line][:column] + character + lines[line][column + 1 :]
            text = "\n".join(changed if k == line else row for k, row in enumerate(lines))
            try:
                found = read_tle(text)
            except InputError as error:
                assert str(error).startswith("TLE text: line ")  # noqa: PT017
                continue
            # Classification, designator, element set and revolution number are not elements.
            elements = replace(found.satellites[0], object_id="1998-067A")
            assert elements == read_tle(ISS).satellites[0]


def test_every_error_names_file_line_record_field_and_value(tmp_path: Path) -> None:
    path = tmp_path / "starlink.tle"
    good = tle("STARLINK-1007", "44713") + "\n"
    name, first, second = tle("STARLINK-1008", "44714").split("\n")[:3]
    wrong = str((int(first[68]) + 3) % 10)
    record = r"starlink\.tle: line 6 \(STARLINK-1008, 44714\): "

    def check(rows: tuple[str, ...], expected: str) -> None:
        path.write_text(good + "\n".join(rows), encoding="utf-8")
        with pytest.raises(InputError, match=expected):
            read_tle(path)

    bad = first[:68] + wrong
    check((name, bad, second), rf"{record}checksum = {wrong}: expected {first[68]}$")
    check((name, first[:60], second), rf"{record}length = 60: expected 69 columns")
    check((name, sealed(first[:20] + "0" * 3 + first[23:]), second), rf"{record}epoch day = '000")
    check((name, sealed(first[:20] + "367" + first[23:]), second), rf"{record}epoch day = '367")
    check((name, first[:62] + "4" + first[63:], second), rf"{record}ephemeris type = '4'")
    check((name, first[:8] + "x" + first[9:], second), rf"{record}column 9 = 'x': expected a blank")
    check((name, first[:53] + "   nan-0" + first[61:], second), rf"{record}bstar = '   nan-0'")
    record = record.replace("line 6", "line 7")
    bad = sealed(second.replace("44714", "44713"))
    check((name, first, bad), rf"{record}catalogue number = '44713': expected '44714'")
    check((name, first, second.replace("51.6400", "51.64e0")), rf"{record}inclination = ' 51.64e0'")
    bad = sealed(second.replace("51.6400", "91.6400").replace(" 91.", "191."))
    check((name, first, bad), rf"{record}Satellite\['STARLINK-1008'\].inclination_deg = 191.64")
    bad = sealed(second.replace("15.4956", "17.9956"))
    check((name, first, bad), rf"{record}Satellite\['STARLINK-1008'\].perigee_altitude_m")
    check((name, second), r"line 6 = '2 44714 .*expected line 1 of a set before its line 2")
    check((name, first, first), r"line 7 = '1 44714U .*expected line 2 of the set that begins on")
    check((name, first), r"line 6 = '1 44714U .*expected line 2 of the set after it")
    check((name,), r"line 5 = 'STARLINK-1008': expected line 1 of the set after it")
    check((name, name), r"line 6 = 'STARLINK-1008': expected line 1 of the set named on line 5")
    check(("a\x07b", first, second), r"line 5: name = 'a\\x07b': expected printable")


def test_one_set_a_satellite_and_one_name_each(caplog: pytest.LogCaptureFixture) -> None:
    older, newer = (tle("DEB", "00007", f"2600{day}.50000000") for day in (1, 2))
    other = tle("DEB", "00008")
    trap = tle("DEB 8", "00009")
    with caplog.at_level(logging.WARNING):
        found = read_tle(older + other + newer + trap)
    assert found.names == ("DEB 7", "DEB 8", "DEB 8 9")
    assert found.satellites[0].epoch.day == 2
    assert "left out 1 older element sets" in caplog.text
    # Of equal epochs the later line counts.
    twice = read_tle(tle("X", "00007") + tle("X", "00007", motion="15.50000000"))
    assert twice.column("mean_motion_rev_per_day").tolist() == [15.5]
    assert read_tle(newer + older).satellites[0].epoch.day == 2


def test_other_models_keep_the_mean_semi_major_axis() -> None:
    first, second = ISS.splitlines()[1:]
    axis_m = Satrec.twoline2rv(first, second).a * 6378135
    for model in ("j2", "two-body"):
        satellite = read_tle(ISS, model=model).satellites[0]
        assert satellite.model == model
        assert satellite.semi_major_axis_m == pytest.approx(axis_m, abs=1e-3)
    with pytest.raises(InputError, match=r"read_tle\.model = 'sgp8'"):
        read_tle(ISS, model="sgp8")


def test_what_a_tle_cannot_hold() -> None:
    satellite = read_tle(ISS).satellites[0]
    bad: dict[str, tuple[Any, str]] = {
        "catalog_number": (340000, r"at most 339999.*write an OMM"),
        "epoch": (datetime(2056, 12, 31, 23, 59, 59, 999999, tzinfo=UTC), "1957 to 2056"),
        "eccentricity": (0.99999999, "expected"),
        "mean_motion_rev_per_day": (1e-9, "5e-9"),
        "mean_motion_dot": (1.0, "between -1 and 1"),
        "bstar": (1e10, "below 1e9"),
        "object_id": ("123456789", "8 ASCII"),
        "name": (" x", "printable"),
        "model": ("j2", "'sgp4'"),
    }
    for field, (value, expected) in bad.items():
        changes = {field: value}
        if field == "eccentricity":
            changes["mean_motion_rev_per_day"] = 1e-11
        changed = replace(satellite, **changes)
        with pytest.raises(InputError, match=expected):
            tle_text(Constellation((changed,)))
    with pytest.raises(InputError, match="catalogue number"):
        tle_text(Constellation((replace(satellite, catalog_number=None),)))
    first_day = replace(satellite, epoch=datetime(2057, 1, 1, tzinfo=UTC))
    with pytest.raises(InputError, match="epoch"):
        tle_text(Constellation((first_day,)))


NAMES = st.text(min_size=1, max_size=30).filter(lambda s: s.isprintable() and s == s.strip())
ANGLES = st.floats(-720, 720)
LARGEST = 999_999_999


@st.composite
def satellites(draw: st.DrawFn, /, largest: int = LARGEST, *, numbered: bool = False) -> Satellite:
    number = st.integers(0, largest)
    places = st.none() | st.integers(0, 10**6)
    return Satellite(
        draw(NAMES),
        draw(st.datetimes(datetime(1957, 1, 1), datetime(2056, 12, 31))).replace(tzinfo=UTC),
        draw(st.floats(1e-4, 14.0)),
        draw(st.floats(0, 0.1)),
        draw(st.floats(0, 180)),
        draw(ANGLES),
        draw(ANGLES),
        draw(ANGLES),
        bstar=draw(st.floats(-0.9, 0.9)),
        mean_motion_dot=draw(st.floats(-0.9, 0.9)),
        mean_motion_ddot=draw(st.floats(-0.9, 0.9)),
        catalog_number=draw(number if numbered else st.none() | number),
        object_id=draw(st.sampled_from(["", "1998-067A", "2019-074AB", "1957-001AAA"])),
        plane=None if numbered else draw(places),
        slot=None if numbered else draw(places),
    )


def constellations(
    largest: int = LARGEST, *, numbered: bool = False
) -> st.SearchStrategy[Constellation]:
    """Small constellations; numbered ones are what a TLE can hold."""
    rows = st.lists(satellites(largest, numbered=numbered), min_size=1, max_size=4)

    def once(found: list[Satellite]) -> bool:
        numbers = [row.catalog_number for row in found if row.catalog_number is not None]
        names = [row.name for row in found]
        return len(set(numbers)) == len(numbers) and len(set(names)) == len(names)

    return rows.filter(once).map(lambda found: Constellation(tuple(found)))


def turned(a: float, b: float) -> float:
    return abs((a - b + 180) % 360 - 180)


@given(constellations(339_999, numbered=True))
def test_written_tles_read_back_to_the_digits_they_have(whole: Constellation) -> None:
    text = tle_text(whole)
    found = read_tle(text)
    assert tle_text(found) == text
    assert found.names == whole.names
    lines = [line for line in text.split("\n") if line]
    for k, (one, other) in enumerate(zip(whole.satellites, found.satellites, strict=True)):
        sgp4_io.verify_checksum(*lines[3 * k + 1 : 3 * k + 3])
        assert [len(line) for line in lines[3 * k + 1 : 3 * k + 3]] == [69, 69]
        assert_equal_to_satrec(other, Satrec.twoline2rv(*lines[3 * k + 1 : 3 * k + 3]))
        assert abs(other.epoch - one.epoch) <= timedelta(microseconds=432)
        assert other.mean_motion_rev_per_day == pytest.approx(
            one.mean_motion_rev_per_day, abs=5.1e-9
        )
        assert other.eccentricity == pytest.approx(one.eccentricity, abs=5.1e-8)
        assert other.inclination_deg == pytest.approx(one.inclination_deg, abs=5.1e-5)
        for name in ("raan_deg", "argument_of_perigee_deg", "mean_anomaly_deg"):
            assert turned(getattr(other, name), getattr(one, name)) < 5.1e-5
            assert 0 <= getattr(other, name) < 360
        for name in ("bstar", "mean_motion_ddot"):
            assert getattr(other, name) == pytest.approx(getattr(one, name), rel=5.1e-5, abs=6e-15)
        assert other.mean_motion_dot == pytest.approx(one.mean_motion_dot, abs=5.1e-9)
        assert (other.catalog_number, other.object_id) == (one.catalog_number, one.object_id)


@pytest.mark.parametrize("name", ["0 X", "1 X", "2 X", "#X", "34 34", "0", "1", "0 1 X", "é ☃"])
def test_names_that_look_like_something_else(name: str) -> None:
    whole = Constellation((replace(read_tle(ISS).satellites[0], name=name),))
    assert read_tle(tle_text(whole)) == whole
    for form in FORMATS:
        assert read_omm(omm_text(whole, form)) == whole


def test_files_are_written(tmp_path: Path) -> None:
    found = read_tle(ISS)
    assert read_tle(write_tle(found, tmp_path / "new" / "iss.tle")) == found
    for form in FORMATS:
        assert read_omm(write_omm(found, tmp_path / f"iss.{form}")) == found
        assert read_omm(write_omm(found, tmp_path / "iss.txt", format=form)) == found
    with pytest.raises(InputError, match=r"write_omm.path suffix = 'txt'"):
        write_omm(found, tmp_path / "iss.txt")


# -- mean-elements messages -----------------------------------------------------------------------
CSV = """OBJECT_NAME,OBJECT_ID,EPOCH,MEAN_MOTION,ECCENTRICITY,INCLINATION,RA_OF_ASC_NODE,\
ARG_OF_PERICENTER,MEAN_ANOMALY,EPHEMERIS_TYPE,CLASSIFICATION_TYPE,NORAD_CAT_ID,ELEMENT_SET_NO,\
REV_AT_EPOCH,BSTAR,MEAN_MOTION_DOT,MEAN_MOTION_DDOT
VANGUARD 1,1958-002B,2025-11-02T04:18:09.642528,10.85914437,.1841721,34.2508,42.4012,\
110.2071,270.7164,0,U,5,999,44310,.33167E-3,.266E-5,0
STARLINK-99999,2031-100A,2026-01-01T12:00:00.000864,15.06391234,.0001396,53.0541,201.3451,\
85.1234,274.9876,0,U,799501234,999,1042,.18773E-3,.2183E-4,-1.5E-9
"""
KVN = """CCSDS_OMM_VERS = 2.0
COMMENT as CelesTrak prints it
CREATION_DATE = 2025-11-02T10:00:00
ORIGINATOR = 18 SPCS

OBJECT_NAME = FENGYUN 1C [-]
OBJECT_ID = 1999-025A
CENTER_NAME = EARTH
REF_FRAME = TEME
TIME_SYSTEM = UTC
MEAN_ELEMENT_THEORY = SGP/SGP4

EPOCH = 2020-064T10:34:41.4264
MEAN_MOTION = 14.06391234 [rev/day]
ECCENTRICITY = .0001396
INCLINATION = 98.0541 [deg]
RA_OF_ASC_NODE = 201.3451 [deg]
ARG_OF_PERICENTER = 85.1234 [deg]
MEAN_ANOMALY = 274.9876 [deg]
GM = 398600.8 [km**3/s**2]

EPHEMERIS_TYPE = 0
CLASSIFICATION_TYPE = U
NORAD_CAT_ID = 25730
BSTAR = .00018773 [1/ER]
MEAN_MOTION_DOT = .00002183 [rev/day**2]
"""
XML = """<?xml version="1.0" encoding="UTF-8"?>
<ndm xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
 xsi:noNamespaceSchemaLocation="https://sanaregistry.org/r/ndmxml/ndmxml-1.0-master.xsd">
<omm id="CCSDS_OMM_VERS" version="2.0"><header><COMMENT>made up</COMMENT>
<CREATION_DATE>2025-11-02T10:00:00</CREATION_DATE><ORIGINATOR>X</ORIGINATOR></header>
<body><segment><metadata><OBJECT_NAME>A &amp; B &lt;1&gt;</OBJECT_NAME>
<OBJECT_ID>2007-090A</OBJECT_ID><CENTER_NAME>EARTH</CENTER_NAME><REF_FRAME>TEME</REF_FRAME>
<TIME_SYSTEM>UTC</TIME_SYSTEM><MEAN_ELEMENT_THEORY>SGP4</MEAN_ELEMENT_THEORY></metadata>
<data><meanElements><EPOCH>2025-11-02T04:18:09.642528</EPOCH>
<MEAN_MOTION units="rev/day">10.85914437</MEAN_MOTION><ECCENTRICITY>.1841721</ECCENTRICITY>
<INCLINATION>34.2508</INCLINATION><RA_OF_ASC_NODE>42.4012</RA_OF_ASC_NODE>
<ARG_OF_PERICENTER>110.2071</ARG_OF_PERICENTER><MEAN_ANOMALY>270.7164</MEAN_ANOMALY>
</meanElements><tleParameters><EPHEMERIS_TYPE>0</EPHEMERIS_TYPE>
<CLASSIFICATION_TYPE>U</CLASSIFICATION_TYPE><NORAD_CAT_ID>100000001</NORAD_CAT_ID>
<ELEMENT_SET_NO>999</ELEMENT_SET_NO><REV_AT_EPOCH>44310</REV_AT_EPOCH><BSTAR>.33167E-3</BSTAR>
<MEAN_MOTION_DOT>.266E-5</MEAN_MOTION_DOT><MEAN_MOTION_DDOT>0</MEAN_MOTION_DDOT>
</tleParameters></data></segment></body></omm></ndm>
"""


def json_records() -> list[dict[str, Any]]:
    """Space-Track prints text and nulls, CelesTrak numbers."""
    rows: list[dict[str, Any]] = [dict(row) for row in sgp4_omm.parse_csv(io.StringIO(CSV))]
    rows[0] = {**rows[0], "DECAY_DATE": None, "MEAN_MOTION_DDOT": None, "TLE_LINE0": "0 VANGUARD"}
    numbers = ("MEAN_MOTION", "ECCENTRICITY", "INCLINATION", "NORAD_CAT_ID", "BSTAR")
    return [rows[0], {k: float(v) if k in numbers[:3] else v for k, v in rows[1].items()}]


def satrec(fields: dict[str, str], number: int) -> Satrec:
    """What the sgp4 package makes of the fields; it cannot hold numbers above 339,999."""
    record = Satrec()
    sgp4_omm.initialize(record, {**fields, "NORAD_CAT_ID": str(number % 1000)})
    return record


@pytest.mark.parametrize("form", ["csv", "xml"])
def test_omms_read_as_the_sgp4_package_reads_them(form: str) -> None:
    text = {"csv": CSV, "xml": XML}[form]
    parse = {"csv": sgp4_omm.parse_csv, "xml": sgp4_omm.parse_xml}[form]
    found = read_omm(text)
    rows = list(parse(io.StringIO(text)))
    for satellite, fields in zip(found.satellites, rows, strict=True):
        number = int(fields["NORAD_CAT_ID"])
        assert (satellite.name, satellite.catalog_number) == (fields["OBJECT_NAME"], number)
        assert satellite.object_id == fields["OBJECT_ID"]
        # The package keeps days as one float, good to 1e-8 day or so: compare its own text.
        assert satellite.epoch.replace(tzinfo=None).isoformat() == fields["EPOCH"]
        record = satrec(fields, number)
        stripped = replace(satellite, catalog_number=number % 1000, epoch=_epoch_of(record))
        assert_equal_to_satrec(stripped, record)


def _epoch_of(record: Satrec) -> datetime:
    whole = datetime(2000, 1, 1, tzinfo=UTC) + timedelta(days=record.jdsatepoch - 2451544.5)
    return whole + timedelta(microseconds=round(record.jdsatepochF * 1e8) * 864)


def test_json_says_what_csv_says() -> None:
    expected = read_omm(CSV)
    assert expected.satellites[1].catalog_number == 799_501_234
    assert read_omm(json.dumps(json_records(), indent=1)) == expected
    one = read_omm(json.dumps(json_records()[0], indent=1))
    assert one.satellites == expected.satellites[:1]


def test_kvn_has_units_comments_and_days_of_the_year() -> None:
    found = read_omm(KVN + "\n" + KVN.replace("25730", "25731").replace("[-]", "[+]"))
    assert found.names == ("FENGYUN 1C [-]", "FENGYUN 1C [+]")
    first = found.satellites[0]
    assert first.epoch == datetime(2020, 3, 4, 10, 34, 41, 426400, tzinfo=UTC)
    assert (first.mean_motion_rev_per_day, first.bstar) == (14.06391234, 0.00018773)
    assert (first.mean_motion_dot, first.mean_motion_ddot) == (0.00002183, 0.0)
    without = KVN[KVN.index("OBJECT_NAME") :]
    bare = read_omm(without + without.replace("25730", "25731").replace("[-]", "[+]"))
    assert bare == found


def test_epochs_are_rounded_to_microseconds() -> None:
    for digits, expected in (("6425274", 642527), ("6425276", 642528), ("6", 600000)):
        epoch = read_omm(CSV.replace("642528", digits)).satellites[0].epoch
        assert epoch.microsecond == expected
    late = CSV.replace("2025-11-02T04:18:09.642528", "2025-12-31T23:59:59.9999996Z")
    assert read_omm(late).satellites[0].epoch == datetime(2026, 1, 1, tzinfo=UTC)


def test_a_semi_major_axis_is_the_mean_one_of_sgp4() -> None:
    text = KVN.replace("MEAN_MOTION = 14.06391234 [rev/day]", "SEMI_MAJOR_AXIS = 7250.5 [km]")
    satellite = read_omm(text).satellites[0]
    record = Satrec()
    turn = 2 * math.pi / 1440
    record.sgp4init(
        WGS72,
        "i",
        5,
        27000.0,
        0.0,
        0.0,
        0.0,
        satellite.eccentricity,
        0.0,
        math.radians(satellite.inclination_deg),
        0.0,
        satellite.mean_motion_rev_per_day * turn,
        0.0,
    )
    assert record.a * 6378.135 == pytest.approx(7250.5, abs=1e-6)


@given(constellations())
def test_every_format_gives_equal_satellites_back(whole: Constellation) -> None:
    for form in FORMATS:
        text = omm_text(whole, form)
        assert read_omm(text, format=form).satellites == whole.satellites
        assert read_omm(text).satellites == whole.satellites
        assert omm_text(read_omm(text), form) == text


@given(constellations(999, numbered=True))
def test_written_omms_please_the_sgp4_package(whole: Constellation) -> None:
    rows = list(sgp4_omm.parse_xml(io.StringIO(omm_text(whole, "xml"))))
    for satellite, fields in zip(whole.satellites, rows, strict=True):
        record = satrec({"OBJECT_ID": "", **fields}, satellite.catalog_number or 0)
        assert record.no_kozai == satellite.mean_motion_rev_per_day / 720 * math.pi
        assert record.ecco == satellite.eccentricity
        assert record.inclo == satellite.inclination_deg * (math.pi / 180)
        assert record.bstar == satellite.bstar


def test_what_an_omm_cannot_hold() -> None:
    satellite = read_tle(ISS).satellites[0]
    for field, value, expected in (
        ("catalog_number", 10**9, "at most nine digits"),
        ("name", "two\nlines", "printable"),
        ("model", "two-body", "'sgp4'"),
    ):
        changes: dict[str, Any] = {field: value}
        changed = Constellation((replace(satellite, **changes),))
        for form in FORMATS:
            with pytest.raises(InputError, match=expected):
                omm_text(changed, form)


def row(**changes: str) -> str:
    """One KVN block with fields changed, or left out where the value is a dash."""
    lines = [line.partition(" = ") for line in KVN.splitlines() if " = " in line]
    fields = {key: value for key, _, value in lines} | changes
    return "".join(f"{key} = {value}\n" for key, value in fields.items() if value != "-")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"EPOCH": "-"}, r" \(FENGYUN 1C \[-\], 25730\), line 1: EPOCH = None: .*missing"),
        ({"EPOCH": ""}, r"line 10: EPOCH = '': expected a date.*missing"),
        ({"EPOCH": "2026-02-30T00:00:00"}, r"line 10: EPOCH = '2026-02-30T00:00:00'"),
        ({"EPOCH": "2026-366T00:00:00"}, r"EPOCH = '2026-366T00:00:00': expected a day of the ye"),
        ({"EPOCH": "2026-000T00:00:00"}, r"EPOCH = '2026-000T00:00:00'"),
        ({"EPOCH": "9999-12-31T23:59:59.9999999"}, r"EPOCH = .*before 10000"),
        ({"EPOCH": "yesterday"}, r"EPOCH = 'yesterday'"),
        ({"EPOCH": "2026-01-01T00:00:00+02:00"}, r"EPOCH = .*UTC"),
        ({"MEAN_MOTION": "-"}, r"MEAN_MOTION = None.*missing"),
        ({"BSTAR": "-"}, r"BSTAR = None.*missing"),
        ({"INCLINATION": "-"}, r"INCLINATION = None.*missing"),
        ({"MEAN_ANOMALY": "1_0"}, r"line 16: MEAN_ANOMALY = '1_0': expected a number"),
        ({"MEAN_ANOMALY": "nan"}, r"MEAN_ANOMALY = 'nan'"),
        ({"MEAN_MOTION": "1e999"}, r"mean_motion_rev_per_day = inf"),
        ({"ECCENTRICITY": "1.5"}, r"line 1: Satellite\['FENGYUN 1C \[-\]'\].eccentricity = 1.5"),
        ({"MEAN_ELEMENT_THEORY": "SGP4-XP"}, r"MEAN_ELEMENT_THEORY = 'SGP4-XP': expected 'SGP4'"),
        ({"EPHEMERIS_TYPE": "4"}, r"EPHEMERIS_TYPE = '4'"),
        ({"TIME_SYSTEM": "TAI"}, r"TIME_SYSTEM = 'TAI': expected 'UTC'"),
        ({"REF_FRAME": "GCRF"}, r"REF_FRAME = 'GCRF': expected 'TEME'"),
        ({"CENTER_NAME": "MARS"}, r"CENTER_NAME = 'MARS': expected 'EARTH'"),
        ({"NORAD_CAT_ID": "1234567890"}, r"NORAD_CAT_ID = '1234567890'.*nine digits"),
        ({"NORAD_CAT_ID": "A0001"}, r"NORAD_CAT_ID = 'A0001'"),
        ({"OBJECT_NAME": "-", "NORAD_CAT_ID": "-"}, r"OBJECT_NAME = None"),
        ({"USER_DEFINED_PLANE": "-1"}, r"USER_DEFINED_PLANE = '-1'"),
    ],
)
def test_every_omm_error_names_record_and_field(changes: dict[str, str], expected: str) -> None:
    with pytest.raises(InputError, match=rf"^OMM text: record 1.*{expected}"):
        read_omm(row(**changes), format="kvn")


def test_an_object_without_a_name_is_called_by_its_number() -> None:
    assert read_omm(row(OBJECT_NAME="-"), format="kvn").names == ("NORAD 25730",)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (KVN + "EPOCH = 2026-01-01T00:00:00\n", r"line 27 = .*EPOCH once, it stands on line 13"),
        ("CCSDS_OMM_VERS = 2.0\nhello\n", r"line 2 = 'hello': expected KEYWORD = VALUE"),
        (CSV.replace(",0,U,5,", ",U,5,"), r"line 2: cells = 16: expected 17"),
        (CSV.replace("OBJECT_ID", "EPOCH"), r"line 1: column = 'EPOCH': expected every name once"),
        (CSV + 'X,"open\n', r"line \d+: not valid CSV"),
        (CSV.split("\n")[0] + "\n", r"at least one OMM"),
        (CSV.replace("VANGUARD 1", "V\x07"), r"record 1 .*line 2: OBJECT_NAME = 'V\\x07'"),
        ("[\n{}\n]", r"record 1: OBJECT_NAME = None"),
        ("[\n]", r"at least one OMM"),
        ("[1,\n2]", r"record 1 = '1': expected an object"),
        ('{"EPOCH": 1,\n"EPOCH": 2}', r"key = 'EPOCH': expected every name once"),
        ('[{"OBJECT_NAME":\n', r"not valid JSON: .*line 2 column 1"),
        ("[" * 100_000 + "\n", r"not valid JSON"),
        (f'{{"NORAD_CAT_ID": {"9" * 5000}\n}}', r"NORAD_CAT_ID = '9{40}': exp"),
        (XML[: XML.index("<BSTAR>") + 12], r"line 15: not well-formed XML"),
        (XML.replace("</segment>", "</Segment>"), r"line 17: not well-formed XML: mismatched tag"),
        (XML.replace("<EPOCH>", "<MEAN_MOTION>1</MEAN_MOTION><EPOCH>"), r"MEAN_MOTION once"),
        (XML.replace("<omm ", "<oem ").replace("</omm>", "</oem>"), r"line 4 = '<oem>'"),
        ("<html>\n</html>", r"line 1 = '<html>': expected a document of <ndm> or <omm>"),
        ("<ndm>\n</ndm>", r"at least one OMM"),
        ("nothing\nof the sort", r"= 'nothing': expected an OMM in CSV, JSON, XML or KVN"),
        (" \n \n", r"it is empty"),
    ],
)
def test_broken_syntax_is_one_clear_error(text: str, expected: str) -> None:
    with pytest.raises(InputError, match=rf"^OMM text.*{expected}"):
        read_omm(text)


def test_document_types_are_refused() -> None:
    bomb = '<!DOCTYPE ndm [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;&a;">]>\n'
    head, body = XML.split("\n", 1)
    with pytest.raises(InputError, match=r"line 2 = '<!DOCTYPE': expected XML without a document"):
        read_omm(f"{head}\n{bomb}{body.replace('A &amp; B', '&b;')}")
    with pytest.raises(InputError, match=r"undefined entity"):
        read_omm(f"{head}\n{body.replace('A &amp; B', '&b;')}")


def test_namespaces_and_further_parts_of_an_xml_are_passed_over() -> None:
    more = "<spacecraftParameters><MASS>1</MASS></spacecraftParameters><tleParameters>"
    text = XML.replace("<tleParameters>", more)
    assert read_omm(text) == read_omm(XML)
    spaced = XML.replace("<ndm ", '<n:ndm xmlns:n="urn:x" ').replace("</ndm>", "</n:ndm>")
    assert read_omm(spaced) == read_omm(XML)
    fields = ElementTree.fromstring(omm_text(read_omm(XML), "xml")).iter("OBJECT_NAME")
    assert [field.text for field in fields] == ["A & B <1>"]


@pytest.mark.parametrize("read", [read_tle, read_omm])
def test_files_that_hold_nothing_of_the_kind(read: object, tmp_path: Path) -> None:
    assert callable(read)
    path = tmp_path / "file.txt"
    for data in (b"\x00\xff\xfe\x80" * 50, bytes(range(256)), b"\x7fELF\x00\x01", b"", b"\n \n"):
        path.write_bytes(data)
        with pytest.raises(InputError, match=r"file\.txt"):
            read(path)
    with pytest.raises(OSError):
        read(tmp_path)
    with pytest.raises(FileNotFoundError):
        read(tmp_path / "nowhere.tle")
    with pytest.raises(InputError, match="source"):
        read(5)


@given(st.text(max_size=200), st.integers(0, 3))
def test_arbitrary_text_is_an_input_error_or_reads(text: str, at: int) -> None:
    lines = ISS.split("\n")
    mixed = "\n".join([*lines[:at], text, *lines[at:]]) + "\n"
    for read in (read_tle, read_omm):
        try:
            found = read(mixed)
        except InputError:
            continue
        assert found.satellites[-1].catalog_number == 25544


def test_the_constellation_reads_by_name(tmp_path: Path) -> None:
    path = tmp_path / "iss.tle"
    path.write_text(ISS, encoding="utf-8")
    assert Constellation.from_tle(path) == read_tle(ISS)
    assert Constellation.from_omm(write_omm(read_tle(ISS), tmp_path / "iss.json")) == read_tle(ISS)
