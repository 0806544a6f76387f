"""LibCity folders: places of any geometry or none, edges by the names of their columns."""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from dynst.data.importers.import_store import GraphOptions, ImportReport, import_store
from dynst.data.importers.source import ReadOptions
from dynst.data.store import SensorStore, open_store
from dynst.errors import DataError

POINTS = {"0": ("Point", [4.0, 50.0]), "1": ("Point", [4.1, 50.0]), "2": ("Point", [4.2, 50.0])}
HEAD = "rel_id,type,origin_id,destination_id,"


def imported(
    folder: Path,
    rel: str,
    places: Mapping[str, tuple[str, object]] | None = None,
    info: dict[str, str] | None = None,
    options: ReadOptions | None = None,
    graph: GraphOptions | None = None,
) -> tuple[SensorStore, ImportReport]:
    """A store of three sensors and six steps."""
    source = folder / "city"
    source.mkdir()
    rows = [
        f"{6 * sensor + hour},state,2024-03-01T{hour:02d}:00:00Z,{sensor},{10 * sensor + hour}"
        for sensor in range(3)
        for hour in range(6)
    ]
    (source / "d.dyna").write_text("\n".join(["dyna_id,type,time,entity_id,flow", *rows]))
    lines = [
        f'{name},{kind},"{json.dumps(coordinates)}"'
        for name, (kind, coordinates) in (places or POINTS).items()
    ]
    (source / "d.geo").write_text("\n".join(["geo_id,type,coordinates", *lines]))
    (source / "d.rel").write_text(rel)
    if info is not None:
        (source / "config.json").write_text(json.dumps({"info": info}))
    report = import_store(source, folder / "store", options=options, graph=graph)
    return open_store(folder / "store"), report


def triples(store: SensorStore) -> dict[tuple[int, int], float]:
    edges = store.edges
    rows = zip(edges.source.tolist(), edges.target.tolist(), edges.weight.tolist(), strict=True)
    return {(a, b): weight for a, b, weight in rows}


def kernel(*distances: float) -> list[float]:
    return [float(np.exp(-((d / np.std(distances)) ** 2))) for d in distances]


@pytest.mark.parametrize("name", ["cost", "link_weight", "distance"])
def test_numbers_above_1_are_distances(tmp_path: Path, name: str) -> None:
    rel = HEAD + f"{name}\n0,geo,0,1,1200.5\n1,geo,1,2,310.0\n2,geo,0,2,20000\n"
    store, report = imported(tmp_path, rel)
    one, two, three = kernel(1200.5, 310, 20000)
    assert triples(store) == pytest.approx({(0, 1): one, (1, 2): two, (0, 2): three}, rel=1e-5)
    assumed = any("taken as distances" in text for text in report.assumed)
    assert assumed == (name == "link_weight")


def test_weights_between_0_and_1_are_proximities(tmp_path: Path) -> None:
    rel = HEAD + "link_weight\n0,geo,0,0,1.0\n1,geo,1,0,0.25\n2,geo,2,1,0\n"
    store, report = imported(tmp_path, rel)
    assert triples(store) == {(1, 0): 0.25}
    assert any("1 edge from a sensor to itself" in text for text in report.known)


def test_the_flag_says_what_weights_are(tmp_path: Path) -> None:
    rel = HEAD + "link_weight\n0,geo,0,1,700\n1,geo,1,2,300\n"
    store, _ = imported(tmp_path, rel, graph=GraphOptions(weights="proximity"))
    assert triples(store) == {(0, 1): 700, (1, 2): 300}


def test_places_that_cannot_be_are_no_matter_if_the_user_brings_others(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("id,lon,lat\n0,4,50\n1,5,50\n2,6,50\n")
    places = {name: ("Point", [50.0, 104.0]) for name in "012"}
    graph = GraphOptions(positions=tmp_path / "p.csv")
    store, _ = imported(tmp_path, REL, places, graph=graph)
    assert store.sensors.positions is not None
    assert store.sensors.positions[:, 0].tolist() == [4, 5, 6]


def test_the_configuration_names_the_weight(tmp_path: Path) -> None:
    rel = HEAD + "cost,link_weight\n0,geo,0,1,700,0.5\n1,geo,1,2,300,0.25\n"
    with pytest.raises(
        DataError, match=r"'cost', 'link_weight'; say --weights, or name one as weight_col"
    ):
        imported(tmp_path, rel)
    (tmp_path / "told").mkdir()
    store, _ = imported(tmp_path / "told", rel, info={"weight_col": "link_weight"})
    assert triples(store) == {(0, 1): 0.5, (1, 2): 0.25}


def test_edges_of_places_without_readings_are_left_out_and_told(tmp_path: Path) -> None:
    places = {**POINTS, "9": ("Point", [4.3, 50.0])}
    rel = HEAD + "link_weight\n0,geo,0,9,1\n1,geo,1,2,1\n"
    store, report = imported(tmp_path, rel, places)
    assert triples(store) == {(1, 2): 1.0}
    assert any(
        "1 edge of d.rel to or from sensors without readings" in text for text in report.notes
    )


def test_edges_of_strangers_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"d\.rel: node '8' in line 2 is no sensor"):
        imported(tmp_path, HEAD + "link_weight\n0,geo,0,8,1\n")


REL = HEAD + "link_weight\n0,geo,0,1,1\n"


def test_places_of_no_coordinates_are_no_positions(tmp_path: Path) -> None:
    store, report = imported(tmp_path, REL, {name: ("Point", []) for name in "012"})
    assert store.sensors.positions is None
    assert store.manifest.positions == "none"
    assert any("d.geo gives no coordinates" in text for text in report.known)


def test_some_places_without_coordinates_are_told(tmp_path: Path) -> None:
    store, report = imported(tmp_path, REL, {**POINTS, "1": ("Point", [])})
    assert store.sensors.positions is None
    assert any("1 of 3 sensors have no coordinates" in text for text in report.assumed)


@pytest.mark.parametrize(
    ("kind", "coordinates", "place"),
    [
        ("Point", [4.5, 50.5], [4.5, 50.5]),
        ("LineString", [[4.0, 50.0], [4.1, 50.2]], [4.05, 50.1]),
        ("LineString", [[4.0, 50.0], [4.0, 50.1], [4.0, 50.4]], [4.0, 50.2]),  # by length
        ("LineString", [[4.0, 50.0]], [4.0, 50.0]),
        ("Polygon", [[[4, 50], [5, 50], [5, 51], [4, 51], [4, 50]]], [4.5, 50.5]),
        ("MultiPolygon", [[[[4, 50], [5, 50], [5, 51], [4, 51], [4, 50]]]], [4.5, 50.5]),
        ("MultiLineString", [[[0, 0], [0, 1]], [[4, 50], [4, 52]]], [4, 51]),
    ],
)
def test_a_place_stands_for_each_geometry(
    tmp_path: Path, kind: str, coordinates: object, place: list[float]
) -> None:
    store, _ = imported(tmp_path, REL, {**POINTS, "1": (kind, coordinates)})
    assert store.sensors.positions is not None
    np.testing.assert_allclose(store.sensors.positions[1], place)
    np.testing.assert_allclose(store.sensors.positions[[0, 2]], [[4.0, 50.0], [4.2, 50.0]])


@pytest.mark.parametrize(
    ("kind", "coordinates", "words"),
    [
        ("Point", [[4.0, 50.0], [4.1, 50.0]], "coordinates of '1' must be those of a Point"),
        ("LineString", [4.0, 50.0], "coordinates of '1' must be those of a LineString"),
        ("Blob", [4.0, 50.0], "a Blob has no place"),
        ("Point", [50.0, 104.0], "'1' are 50 and 104"),
        ("Point", [0, 0], "'1' lies at 0, 0"),
    ],
)
def test_a_place_that_cannot_be_is_refused(
    tmp_path: Path, kind: str, coordinates: object, words: str
) -> None:
    with pytest.raises(DataError, match=words):
        imported(tmp_path, REL, {**POINTS, "1": (kind, coordinates)})


def test_a_sensor_without_a_place_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"d\.geo has no place for 1 of 3 sensors: '1'"):
        imported(tmp_path, REL, {"0": ("Point", []), "2": ("Point", [])})


@pytest.mark.parametrize(
    "options", [ReadOptions(time_columns=("time",)), ReadOptions(sensor_column="entity_id")]
)
def test_columns_that_the_form_names_are_not_asked_for(
    tmp_path: Path, options: ReadOptions
) -> None:
    with pytest.raises(DataError, match=r"leave --(time|sensor)-column out"):
        imported(tmp_path, REL, options=options)


def test_other_options_reach_the_readings(tmp_path: Path) -> None:
    store, _ = imported(tmp_path, REL, options=ReadOptions(zone="Asia/Tokyo", variables=("flow",)))
    assert store.readings.values[0, :, 0].tolist() == [0, 10, 20]
