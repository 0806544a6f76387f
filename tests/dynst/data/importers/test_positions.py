"""Positions: columns by name, ids matched as everywhere, and places that can be."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynst.data.importers.import_store import GraphOptions, ImportReport, import_store
from dynst.data.importers.places.coordinates import parsed
from dynst.data.importers.places.positions import read_positions
from dynst.data.store import open_store
from dynst.errors import DataError

IDS = ("007", "042", "113")
PLACES = [[4.1, 50.1], [4.2, 50.2], [4.3, 50.3]]


def imported(folder: Path, text: str, name: str = "places.csv") -> tuple[np.ndarray, ImportReport]:
    """Positions of a store made of a wide table and a file of places."""
    (folder / name).write_text(text, encoding="utf-8")
    rows = [[f"2024-03-01 {hour:02d}:00:00", hour, 1, 2] for hour in range(6)]
    pd.DataFrame(rows, columns=["time", *IDS]).to_csv(folder / "r.csv", index=False)
    options = GraphOptions(positions=folder / name)
    report = import_store(folder / "r.csv", folder / "store", graph=options)
    store = open_store(folder / "store")
    assert store.sensors.positions is not None
    return store.sensors.positions, report


HEAD = "id,longitude,latitude\n"
RIGHT = {
    "plain": "id,longitude,latitude\n113,4.3,50.3\n007,4.1,50.1\n042,4.2,50.2\n",
    "bom": "\ufeffid,longitude,latitude\n007,4.1,50.1\n042,4.2,50.2\n113,4.3,50.3\n",
    "semicolons": "id;longitude;latitude\n007;4.1;50.1\n042;4.2;50.2\n113;4.3;50.3\n",
    "tabs": "id\tlat\tlon\n007\t50.1\t4.1\n042\t50.2\t4.2\n113\t50.3\t4.3\n",
    "decimal comma": HEAD + '007,"4,1","50,1"\n042,"4,2","50,2"\n113,"4,3","50,3"\n',
    "german": "id;Länge;Breite\n007;4,1;50,1\n042;4,2;50,2\n113;4,3;50,3\n",
    "dms": "id,longitude,latitude\n007,4°06'E,50°06'N\n042,4°12'E,50°12'N\n113,4°18'E,50°18'N\n",
    "short": "ID,Long,Lat\n007,4.1,50.1\n042,4.2,50.2\n113,4.3,50.3\n",
    "units": "Station ID,Lon (deg),Lat (deg)\n007,4.1,50.1\n042,4.2,50.2\n113,4.3,50.3\n",
    "lng": "stop_id,stop_lng,stop_lat\n007,4.1,50.1\n042,4.2,50.2\n113,4.3,50.3\n",
    "two keys": "id,station,longitude,latitude\n1,007,4.1,50.1\n2,042,4.2,50.2\n3,113,4.3,50.3\n",
    "row numbers": ",id,longitude,latitude\n0,007,4.1,50.1\n1,042,4.2,50.2\n2,113,4.3,50.3\n",
    "floats": "id,longitude,latitude\n007.0,4.1,50.1\n42.0,4.2,50.2\n113.0,4.3,50.3\n",
    "lost zeros": "id,longitude,latitude\n7,4.1,50.1\n42,4.2,50.2\n113,4.3,50.3\n",
    "more": "id,longitude,latitude\n999,,\n007,4.1,50.1\n042,4.2,50.2\n113,4.3,50.3\n",
    "alike twice": HEAD + "007,4.1,50.1\n007,4.1,50.1\n042,4.2,50.2\n113,4.3,50.3\n",
    "turned round": "id,longitude,latitude\n007,-355.9,50.1\n042,4.2,50.2\n113,4.3,50.3\n",
    "long name": "id,long_name,lon,lat\n007,x,4.1,50.1\n042,y,4.2,50.2\n113,z,4.3,50.3\n",
}


@pytest.mark.parametrize("name", RIGHT)
def test_places_are_found_under_many_spellings(tmp_path: Path, name: str) -> None:
    positions, report = imported(tmp_path, RIGHT[name])
    np.testing.assert_allclose(positions, PLACES, atol=1e-12)
    assert any("positions from places.csv" in text for text in report.known)
    padded = any("leading zeros" in text for text in report.assumed)
    assert padded == (name in ("lost zeros", "floats"))


@pytest.mark.parametrize(
    ("text", "place", "certain"),
    [
        ("007,-118.1,34.1\n042,-118.2,34.2\n113,-118.3,34.3\n", [-118.1, 34.1], True),
        ("007,34.1,-118.1\n042,34.2,-118.2\n113,34.3,-118.3\n", [-118.1, 34.1], True),
        ("007,50.1,4.1\n042,50.2,4.2\n113,50.3,4.3\n", [4.1, 50.1], False),
    ],
)
def test_without_a_header_the_range_tells_the_longitude(
    tmp_path: Path, text: str, place: list[float], certain: bool
) -> None:
    positions, report = imported(tmp_path, text)
    np.testing.assert_allclose(positions[0], place)
    said = report.known if certain else report.assumed
    assert any("columns are id, l" in text for text in said)


WRONG = {
    "swapped": (
        "id,longitude,latitude\n007,50.1,114.1\n042,50.2,114.2\n113,50.3,114.3\n",
        "'007' are 50.1 and 114.1; they are perhaps swapped",
    ),
    "projected": (
        "id,longitude,latitude\n007,550100,5601000\n042,550200,5602000\n113,550300,5603000\n",
        "name the columns x and y",
    ),
    "marker": (
        "id,longitude,latitude\n007,4.1,50.1\n042,-9999,-9999\n113,4.3,50.3\n",
        "'042' are -9999 and -9999; mend that place",
    ),
    "null island": (
        "id,longitude,latitude\n007,4.1,50.1\n042,0,0\n113,4.3,50.3\n",
        "'042' lies at 0, 0",
    ),
    "all zero": ("id,longitude,latitude\n007,0,0\n042,0,0\n113,0,0\n", "'007' lies at 0, 0"),
    "zero of a plane": (
        "id,x,y\n007,550100,5601000\n042,0,0\n113,550300,5603000\n",
        "'042' lies at 0, 0",
    ),
    "two places": (
        "id,longitude,latitude\n007,4.1,50.1\n042,4.2,50.2\n042,9.9,59.9\n113,4.3,50.3\n",
        "'042' has (4.2, 50.2) and (9.9, 59.9)",
    ),
    "empty": (
        "id,longitude,latitude\n007,4.1,50.1\n042,,\n113,4.3,50.3\n",
        "longitude of '042' in line 3 is empty",
    ),
    "text": (
        "id,longitude,latitude\n007,4.1,50.1\n042,4.2,north\n113,4.3,50.3\n",
        "latitude of '042' in line 3 is 'north'",
    ),
    "sides": (
        "id,longitude,latitude\n007,50°06'N,4°06'E\n042,4.2,50.2\n113,4.3,50.3\n",
        "longitude of '007' in line 2 is '50°06'N'",
    ),
    "comma of a plane": (
        'id,x,y\n007,"550,100","5,1"\n042,1,2\n113,3,4\n',
        "x of '007' in line 2 is '550,100'",
    ),
    "comma": (HEAD + "007,4,1,50,1\n042,4,2,50,2\n113,4,3,50,3\n", "decimal commas"),
    "absent": ("id,longitude,latitude\n007,4.1,50.1\n042,4.2,50.2\n114,4.3,50.3\n", "'114'"),
    "ambiguous zeros": (
        "id,longitude,latitude\n7,4.1,50.1\n07,4.1,50.1\n42,4.2,50.2\n113,4.3,50.3\n",
        "no position for 1 of 3 sensors, the first '007'",
    ),
    "other names": ("id,a,b\n007,4.1,50.1\n042,4.2,50.2\n113,4.3,50.3\n", "but has id, a, b"),
    "two longitudes": (
        "id,start_lon,end_lon,lat\n007,4.1,4.1,50.1\n042,4.2,4.1,50.2\n113,4.3,4.1,50.3\n",
        "'start_lon' and 'end_lon'",
    ),
    "radians": ("id,lon_rad,lat_rad\n007,0.1,0.9\n042,0.1,0.8\n113,0.1,0.7\n", "degrees"),
    "headerless plane": ("007,550100,5601000\n042,550200,5602000\n113,3,5\n", "header line"),
    "two ids": (
        "id,station,longitude,latitude\n007,042,4.1,50.1\n042,113,4.2,50.2\n113,007,4.3,50.3\n",
        "named by 'id' or 'station'",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_places_that_cannot_be_are_refused_in_the_name_of_their_file(
    tmp_path: Path, name: str
) -> None:
    text, words = WRONG[name]
    with pytest.raises(DataError) as caught:
        imported(tmp_path, text)
    assert words in str(caught.value)
    assert "places.csv" in str(caught.value)
    assert "r.csv" not in str(caught.value)


def test_a_plane_stays_a_plane_and_longitudes_turn_round(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("id,x_utm,y_utm\na,0,0\nb,550200,12\n")
    positions, kind, _ = read_positions(tmp_path / "p.csv", ("b", "a"))
    assert (kind, positions.tolist()) == ("plane", [[550200, 12], [0, 0]])
    (tmp_path / "p.csv").write_text("id,lon,lat\na,359,1\nb,180,2\nc,-181,3\n")
    positions, kind, _ = read_positions(tmp_path / "p.csv", ("a", "b", "c"))
    assert (kind, positions[:, 0].tolist()) == ("lonlat", [-1, 180, 179])


def test_x_and_y_that_may_be_degrees_are_an_assumption(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("id,x,y\na,4.1,50.1\nb,4.2,50.2\n")
    _, kind, findings = read_positions(tmp_path / "p.csv", ("a", "b"))
    assert kind == "plane"
    assert any("name them longitude and latitude" in finding.text for finding in findings)


def test_sensors_near_the_gulf_of_guinea_may_lie_at_zero(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("id,lon,lat\na,0,0\nb,2,3\n")
    assert read_positions(tmp_path / "p.csv", ("a", "b"))[0].tolist() == [[0, 0], [2, 3]]


def test_numbered_sensors_are_not_cut_out_of_a_longer_list(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("index,sensor_id,lat,lon\n0,a,1,2\n1,b,3,4\n2,c,5,6\n")
    with pytest.raises(DataError, match="places 3 sensors, but the network has 2"):
        read_positions(tmp_path / "p.csv", ("0", "1"))
    positions, _, findings = read_positions(tmp_path / "p.csv", ("0", "1", "2"))
    assert positions.tolist() == [[2, 1], [4, 3], [6, 5]]
    assert any(finding.certainty == "assumed" for finding in findings)


def feature(name: str, kind: str, coordinates: object) -> dict[str, object]:
    return {
        "type": "Feature",
        "properties": {"station": name, "height": 3},
        "geometry": {"type": kind, "coordinates": coordinates},
    }


def test_geojson_gives_places(tmp_path: Path) -> None:
    features = [
        feature("113", "Point", [4.3, 50.3, 12]),
        feature("007", "LineString", [[4.1, 50.0], [4.1, 50.2]]),
        feature(
            "042", "Polygon", [[[4.1, 50.1], [4.3, 50.1], [4.3, 50.3], [4.1, 50.3], [4.1, 50.1]]]
        ),
    ]
    text = json.dumps({"type": "FeatureCollection", "features": features})
    positions, _ = imported(tmp_path, text, "places.geojson")
    np.testing.assert_allclose(positions, PLACES)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[]", "FeatureCollection"),
        ('{"type": "Point"}', "FeatureCollection"),
        (json.dumps({"features": [feature("007", "Blob", [1, 2])]}), "a Blob has no place"),
        (json.dumps({"features": [feature("007", "Point", [4.1, 50.1])]}), "2 of 3 sensors"),
    ],
)
def test_geojson_that_gives_none_is_refused(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(DataError, match=words):
        imported(tmp_path, text, "places.geojson")


@given(st.integers(0, 89), st.integers(0, 59), st.integers(0, 59), st.sampled_from("NS"), st.data())
def test_degrees_minutes_and_seconds_are_read_in_their_forms(
    degrees: int, minutes: int, seconds: int, side: str, data: st.DataObject
) -> None:
    form = data.draw(
        st.sampled_from(
            [
                "{d}°{m:02d}'{s:02d}\"{side}",
                "{d}° {m}′ {s}″ {side}",
                "{side}{d}°{m}'{s}''",
                "{sign}{d}°{m}'{s}\"",
                "{d}d {m}m {s}s {side}",
            ]
        )
    )
    sign = "-" if side == "S" else ""
    text = form.format(d=degrees, m=minutes, s=seconds, side=side, sign=sign)
    expected = (degrees + minutes / 60 + seconds / 3600) * (-1 if side == "S" else 1)
    np.testing.assert_allclose(parsed([text], "latitude"), [expected])
    assert np.isnan(parsed([text], "x")).all()


@given(
    st.lists(
        st.tuples(st.floats(-180, 179.99), st.floats(-89, 89)).filter(
            lambda place: abs(place[0]) + abs(place[1]) > 15
        ),
        min_size=2,
        max_size=6,
        unique=True,
    ),
    st.sampled_from([",", ";", "\t"]),
    st.sampled_from([("lon", "lat"), ("Longitude [deg]", "Latitude [deg]"), ("LNG", "LAT")]),
    st.booleans(),
)
def test_any_table_gives_what_pandas_reads_of_it(
    tmp_path_factory: pytest.TempPathFactory,
    places: list[tuple[float, float]],
    separator: str,
    labels: tuple[str, str],
    turned: bool,
) -> None:
    ids = [f"s{index}" for index in range(len(places))]
    columns = [("station", ids), *zip(labels, zip(*places, strict=True), strict=True)]
    if turned:
        columns = [columns[2], columns[0], ("altitude", [1] * len(ids)), columns[1]]
    frame = pd.DataFrame(dict(columns)).sample(frac=1, random_state=len(places))
    path = tmp_path_factory.mktemp("p") / "p.csv"
    frame.to_csv(path, sep=separator, index=False)
    found, kind, _ = read_positions(path, tuple(ids))
    expected = pd.read_csv(path, sep=separator).set_index("station").loc[ids, list(labels)]
    np.testing.assert_allclose(found, expected.to_numpy(float), rtol=1e-12)
    assert kind == "lonlat"
