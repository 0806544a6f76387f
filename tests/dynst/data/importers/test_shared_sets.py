"""Every real example in the shared data sets imports as it is.

Each trap that its README names is a test.

Skipped where the shared data sets are not on the machine; the readers are tested on files made here
in test_readers.
"""

import re
from pathlib import Path

import numpy as np
import pytest

from dynst.data.describe import describe_store
from dynst.data.importers.import_store import GraphOptions, ImportReport, import_store
from dynst.data.series import make_series
from dynst.data.store import SensorStore, open_store
from dynst.data.windows import split_windows
from dynst.errors import DataError
from tests.conftest import shared_data

pytestmark = pytest.mark.skipif(
    not shared_data().is_dir(), reason="the shared data sets are not on this machine"
)

EXAMPLES = {
    "formats/datetime_index_csv/metr-la-day.csv": ("wide-table", (288, 60, 1), 300),
    "formats/ett_csv/vlinder_temperature.csv": ("wide-table", (4320, 28, 1), 300),
    "formats/libcity": ("libcity", (288, 10, 1), 300),
    "formats/long_csv/metr-la-day-long.csv": ("long-table", (288, 10, 1), 300),
    "formats/lstnet_txt/hangzhou.txt.gz": ("lstnet", (2700, 80, 1), 1),
    "formats/netcdf3/slp_2001_nc3.nc": ("xarray", (365, 561, 1), 86_400),
    "formats/netcdf_int16/slp_2001_packed.nc": ("xarray", (365, 561, 1), 86_400),
    "formats/npy_grid/slp_2001.npy": ("npy", (365, 561, 1), 1),
    "formats/pems_npz_csv/vlinder.npz": ("npz", (4320, 28, 3), 1),
    "formats/stgcn_csv": ("stgcn", (288, 60, 1), 1),
    "formats/taxibj_h5/NYC15_M10x20_T30.h5": ("taxibj", (1488, 200, 1), 1800),
    "formats/zarr_zip/slp_2001.zarr.zip": ("xarray", (365, 561, 1), 86_400),
    "graph/auckland_pedestrian/auckland_hourly.parquet": ("wide-table", (61_368, 21, 1), 3600),
    "graph/cookfarm_soil/cookfarm.npz": ("npz", (729, 42, 15), 86_400),
    "graph/german_pm10/pm10_daily.parquet": ("wide-table", (4383, 70, 1), 86_400),
    "graph/hangzhou_metro/hangzhou_metro.npz": ("npz", (2700, 80, 1), 600),
    "graph/metr_la/dcrnn_npz_10": ("dcrnn", (34_272, 10, 1), 1),
    "graph/metr_la/metr-la-10.h5": ("pandas-hdf", (34_272, 10, 1), 300),
    "graph/metr_la/metr-la-tail60.h5": ("pandas-hdf", (10_282, 60, 1), 300),
    "graph/metr_la/metr-la-week1.h5": ("pandas-hdf", (2016, 207, 1), 300),
    "graph/noaa_us_daily/noaa_us_1990_1993.npz": ("npz", (1461, 137, 4), 86_400),
    "graph/nyc_bike_drop/bike_drop_tail.npz": ("npz", (1762, 250, 1), 1800),
    "graph/sz_taxi/SZ_taxi.npz": ("npz", (2976, 156, 1), 1),
    "graph/us_climdiv_drought/us_climdiv.npz": ("npz", (1536, 344, 4), 1),
    "graph/value_germany/value_germany.npz": ("npz", (10_958, 53, 4), 86_400),
    "graph/vlinder_ghent/demo_datafile.csv.gz": ("long-table", (4320, 28, 10), 300),
    "graph/vlinder_ghent/vlinder.npz": ("npz", (4320, 28, 10), 300),
    "grid/knmi_radar/knmi_20100826.nc": ("xarray", (92, 535_500, 1), 300),
    "grid/ncep_slp/ncep_slp_2001_2010.nc": ("xarray", (3652, 561, 1), 86_400),
    "grid/nyc_taxi_2015_01/nyc_taxi_2015_01.npz": ("npz", (1488, 200, 1), 1800),
    "grid/nyc_taxi_2015_01/volume_train.npz": ("npz", (1190, 200, 1), 1),
}


def take(tmp_path: Path, name: str, **options: object) -> tuple[SensorStore, ImportReport]:
    report = import_store(shared_data() / name, tmp_path / "store", **options)
    return open_store(tmp_path / "store"), report


def values(store: SensorStore) -> np.ndarray:
    return np.where(store.readings.observed, store.readings.values, np.nan)


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_example_imports_as_it_is(tmp_path: Path, name: str) -> None:
    kind, shape, step = EXAMPLES[name]
    store, report = take(tmp_path, name)
    assert (report.kind, store.readings.values.shape, store.manifest.step) == (
        kind,
        shape,
        step,
    )


@pytest.mark.parametrize(
    "name",
    [
        "formats/datetime_index_csv/metr-la-day.csv",
        "formats/long_csv/metr-la-day-long.csv",
        "formats/libcity",
    ],
)
def test_one_day_of_metr_la_is_the_same_in_every_form(tmp_path: Path, name: str) -> None:
    import pandas as pd

    frame = pd.read_hdf(shared_data() / "graph/metr_la/metr-la-tail60.h5").loc["2012-06-26"]
    store, _ = take(tmp_path, name)
    np.testing.assert_allclose(
        values(store)[..., 0], frame[list(store.sensors.ids)].to_numpy(np.float32), rtol=1e-6
    )


@pytest.mark.parametrize(
    "name",
    [
        "netcdf3/slp_2001_nc3.nc",
        "netcdf_int16/slp_2001_packed.nc",
        "zarr_zip/slp_2001.zarr.zip",
        "npy_grid/slp_2001.npy",
    ],
)
def test_one_year_of_pressure_is_the_same_in_every_form(tmp_path: Path, name: str) -> None:
    whole = import_store(shared_data() / "grid/ncep_slp/ncep_slp_2001_2010.nc", tmp_path / "whole")
    assert whole.kind == "xarray"
    store, _ = take(tmp_path, f"formats/{name}")
    expected = open_store(tmp_path / "whole").readings.values[:365]
    np.testing.assert_allclose(
        store.readings.values, expected, atol=0.26 if "packed" in name else 1e-2
    )
    assert store.manifest.grid is not None
    assert (store.manifest.grid.height, store.manifest.grid.width) == (17, 33)


def test_zeros_stay_zeros_until_the_user_says_so(tmp_path: Path) -> None:
    store, report = take(tmp_path, "graph/metr_la/metr-la-tail60.h5")
    assert store.readings.observed.all()
    (question,) = report.questions
    assert (question.value, round(question.count / question.total, 2)) == (0, 0.09)
    told = import_store(
        shared_data() / "graph/metr_la/metr-la-tail60.h5", tmp_path / "told", missing=(0.0,)
    )
    assert not told.questions
    assert 1 - open_store(tmp_path / "told").readings.observed.mean() == pytest.approx(
        0.0905, abs=1e-3
    )


def test_windows_unroll_to_the_series_that_they_were_cut_from(tmp_path: Path) -> None:
    import pandas as pd

    store, report = take(tmp_path, "graph/metr_la/dcrnn_npz_10")
    frame = pd.read_hdf(shared_data() / "graph/metr_la/metr-la-10.h5")
    np.testing.assert_allclose(store.readings.values[..., 0], frame.to_numpy(np.float32), rtol=1e-5)
    assert any("time of day" in note for note in report.notes)


def test_radar_out_of_image_is_named_but_not_decided(tmp_path: Path) -> None:
    _, report = take(tmp_path, "grid/knmi_radar/knmi_20100826.nc")
    (question,) = report.questions
    assert (question.channel, question.value) == ("precip", 65535)
    assert question.count / question.total == pytest.approx(0.744, abs=1e-3)


def test_more_than_half_missing(tmp_path: Path) -> None:
    store, report = take(
        tmp_path,
        "graph/german_pm10/pm10_daily.parquet",
        graph=GraphOptions(positions=shared_data() / "graph/german_pm10/stations.csv"),
    )
    assert 1 - store.readings.observed.mean() == pytest.approx(0.51, abs=0.01)
    assert store.manifest.positions == "lonlat"
    assert len(store.edges) == 70 * 8
    assert any("made from positions" in note for note in report.notes)


def test_a_graph_of_another_size_is_refused(tmp_path: Path) -> None:
    graph = GraphOptions(graph=shared_data() / "graph/hangzhou_metro/graph.csv")
    with pytest.raises(DataError, match="81 × 81 matrix, but there are 80 sensors"):
        take(tmp_path, "graph/hangzhou_metro/hangzhou_metro.npz", graph=graph)
    assert list(tmp_path.iterdir()) == []


def test_nights_are_gaps_and_no_window_crosses_one(tmp_path: Path) -> None:
    store, _ = take(tmp_path, "graph/hangzhou_metro/hangzhou_metro.npz")
    words = r"24 gaps, \d+ steps missing, the longest gap 36 steps after 2019-01-\d\d 23"
    assert re.search(words, describe_store(store)["time"])
    from dynst.data.scaler import SEASONS, fit_scaler

    series = make_series(
        store.readings, fit_scaler(store.readings, SEASONS["none"], slice(0, 1000))
    )
    windows = split_windows(series, slice(0, 2700), 6, 6, [0])
    assert len(windows) == 25 * (108 - 11)


def test_dates_that_lie_are_refused(tmp_path: Path) -> None:
    """The raw Auckland table: its date column repeats 24 times a day, and its hour is no time."""
    with pytest.raises(DataError, match="times must increase from row to row"):
        take(tmp_path, "graph/auckland_pedestrian/hourly_counts.csv.gz")


def test_a_constant_sensor_is_named(tmp_path: Path) -> None:
    store, _ = take(tmp_path, "graph/nyc_bike_drop/bike_drop_tail.npz")
    assert describe_store(store)["constant"]


def test_an_asymmetric_adjacency_stays_asymmetric(tmp_path: Path) -> None:
    store, _ = take(
        tmp_path,
        "graph/sz_taxi/SZ_taxi.npz",
        graph=GraphOptions(graph=shared_data() / "graph/sz_taxi/sz_adj.csv"),
    )
    assert "not symmetric" in describe_store(store)["graph"]


def test_the_fields_pickles_give_the_same_graph_as_plain_arrays(tmp_path: Path) -> None:
    folder = shared_data() / "graph/metr_la"
    edges = []
    for index, name in enumerate(("adj_mx.pkl", "adj_mx_dense.npz")):
        import_store(
            folder / "metr-la-week1.h5",
            tmp_path / str(index),
            graph=GraphOptions(graph=folder / name),
        )
        edges.append(open_store(tmp_path / str(index)).edges)
    assert len(edges[0]) == len(edges[1]) > 1000
    order = [np.lexsort((part.source, part.target)) for part in edges]
    np.testing.assert_allclose(edges[0].weight[order[0]], edges[1].weight[order[1]], rtol=1e-5)


def test_a_subset_of_the_sensors_finds_its_part_of_a_larger_graph(tmp_path: Path) -> None:
    graph = GraphOptions(
        graph=shared_data() / "graph/metr_la/adj_mx.pkl",
        positions=shared_data() / "graph/metr_la/graph_sensor_locations.csv",
    )
    store, _ = take(tmp_path, "graph/metr_la/metr-la-tail60.h5", graph=graph)
    assert len(store.edges) == 161
    assert store.sensors.positions is not None


def test_twins_at_one_place_are_named(tmp_path: Path) -> None:
    graph = GraphOptions(positions=shared_data() / "graph/auckland_pedestrian/locations.csv")
    store, _ = take(tmp_path, "graph/auckland_pedestrian/auckland_hourly.parquet", graph=graph)
    assert "8 Darby Street EW = 8 Darby Street NS" in describe_store(store)["same position"]
