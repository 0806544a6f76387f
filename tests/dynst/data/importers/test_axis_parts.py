"""Minutes of degrees in columns of their own, and hemispheres beside degrees."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynst.data.importers.import_store import GraphOptions, import_store
from dynst.data.importers.places.axis_parts import refuse_sides
from dynst.data.importers.places.positions import read_positions
from dynst.data.store import open_store
from dynst.errors import DataError

PARTS = {
    "minutes": "id,lat_deg,lat_min,lon_deg,lon_min\nA,33,30,70,15\nB,33,31,70,16\n",
    "letters": "id,lat_d,lat_m,lon_d,lon_m\nA,33,30.5,70,15.2\nB,33,31.5,70,16.2\n",
    "alone": "id,lat,minutes,lon,lon_sec\nA,33,30,70.1,15\nB,33,31,70.2,16\n",
    "german": "id,Breite,Breite_Min,Länge\nA,33,30,70.1\nB,33,31,70.2\n",
}
SIDES = {
    "letters": "id,lat,NS,lon,EW\nA,33.7,S,70.1,W\nB,33.8,S,70.2,W\n",
    "words": "id,lat,latitude_hemisphere,lon\nA,33.7,South,70.1\nB,33.8,North,70.2\n",
    "of one": "id,lat,lat_dir,lon\nA,33.7,N,70.1\nB,33.8,S,70.2\n",
    "contrary": "id,lat,lon,E/W\nA,33.7,-70.1,E\nB,33.8,-70.2,E\n",
    "header": "id,lat,lon_w\nA,33.7,9.1\nB,33.8,9.2\n",
}


def positions(folder: Path, text: str, name: str = "places.csv") -> list[list[float]]:
    (folder / name).write_text(text, encoding="utf-8")
    found: list[list[float]] = read_positions(folder / name, ("A", "B"))[0].tolist()
    return found


@pytest.mark.parametrize("name", PARTS)
def test_minutes_of_degrees_in_a_column_of_their_own_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match="minutes or seconds; write decimal degrees"):
        positions(tmp_path, PARTS[name])


@pytest.mark.parametrize("name", SIDES)
def test_a_sign_that_contradicts_the_hemisphere_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match="south and the west must be negative"):
        positions(tmp_path, SIDES[name])


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("id,lat,NS,lon,EW\nA,-33.7,S,-70.1,W\nB,33.7,N,290,W\n", [-70.1, -33.7]),
        ("id,lat,lon_w\nA,33.7,-9.1\nB,33.7,-9.2\n", [-9.1, 33.7]),
        ("id,lat,lat_min,lat_max,lon\nA,33,30,70,15\nB,33,31,71,16\n", [15, 33]),
        ("id,lat,lat_minutes,lon\nA,33.5,30,70.1\nB,33.6,36,70.2\n", [70.1, 33.5]),
        ("id,Dir,lat,lon\nA,S,34,-118\nB,N,34,-118.2\n", [-118, 34]),  # of a road
    ],
)
def test_what_agrees_or_is_something_else_is_read(
    tmp_path: Path, text: str, first: list[float]
) -> None:
    assert positions(tmp_path, text)[0] == first


@pytest.mark.parametrize("known", [{"lat_min": 30}, {"lat_hem": "S"}])
def test_properties_of_a_feature_are_no_exception(tmp_path: Path, known: dict[str, object]) -> None:
    features = [
        {
            "type": "Feature",
            "properties": {"id": name} | known,
            "geometry": {"type": "Point", "coordinates": [70 + place, 33]},
        }
        for place, name in enumerate("AB")
    ]
    text = json.dumps({"type": "FeatureCollection", "features": features})
    with pytest.raises(DataError, match="degrees"):
        positions(tmp_path, text, "places.geojson")


@pytest.mark.parametrize(
    "header", ["geo_id,type,coordinates,lat_min", "geo_id,type,coordinates,NS"]
)
def test_neither_are_the_places_of_libcity(tmp_path: Path, header: str) -> None:
    cell = "S" if header.endswith("NS") else "30"
    rows = [f"{h},state,2024-03-01T{h:02d}:00:00Z,A,{h * 1.5}" for h in range(6)]
    (tmp_path / "d.dyna").write_text("\n".join(["dyna_id,type,time,entity_id,flow", *rows]))
    (tmp_path / "d.geo").write_text(f'{header}\nA,Point,"[70, 33]",{cell}\n')
    with pytest.raises(DataError, match="degrees"):
        import_store(tmp_path / "d.dyna", tmp_path / "store")


def long(**columns: list[object]) -> pd.DataFrame:
    """Two sensors, whose columns may change from the first to the second."""
    rows = [
        {"time": f"2024-03-01 {h:02d}:00:00", "station": "AB"[s], "flow": h * 1.5 + 10 * s}
        | {name: cells[s] for name, cells in columns.items()}
        for h in range(6)
        for s in range(2)
    ]
    return pd.DataFrame(rows)


@pytest.mark.parametrize(
    "columns",
    [
        {"lat_deg": [33, 34], "lat_min": [30, 31], "lon_deg": [70, 71], "lon_min": [15, 16]},
        {"lat": [33.5, 34.5], "NS": ["N", "S"], "lon": [70.5, 71.5]},
        {"lat": [33.5, 34.5], "lon_w": [9.1, 9.2]},
    ],
)
def test_neither_are_long_tables(tmp_path: Path, columns: dict[str, list[object]]) -> None:
    long(**columns).to_csv(tmp_path / "r.csv", index=False)
    with pytest.raises(DataError, match="degrees"):
        import_store(tmp_path / "r.csv", tmp_path / "store")
    (tmp_path / "p.csv").write_text("id,lat,lon\nA,-33.5,-70.25\nB,-34.5,-71.25\n")
    options = GraphOptions(positions=tmp_path / "p.csv")
    import_store(tmp_path / "r.csv", tmp_path / "store", graph=options)
    places = open_store(tmp_path / "store").sensors.positions
    assert places is not None
    assert places.tolist() == [[-70.25, -33.5], [-71.25, -34.5]]


@given(
    lon=st.floats(-180, 180).filter(bool),
    lat=st.floats(-90, 90).filter(bool),
    side=st.sampled_from("NSEW"),
)
def test_a_side_passes_only_where_the_sign_agrees(lon: float, lat: float, side: str) -> None:
    number = lon if side in "EW" else lat
    args = ("p.csv", ("lon", "lat"), np.array([[lon, lat]]), "side", [side])
    if (number > 0) == (side in "NE"):
        refuse_sides(*args)
    else:
        with pytest.raises(DataError, match="write the sign"):
            refuse_sides(*args)
