"""One clock from the file to the forecast: zones, months and calendars that no datetime holds."""

from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow.exceptions import MlflowException

from dynst.data.clock import Clock
from dynst.data.edges import Edges
from dynst.data.importers.import_store import import_store
from dynst.data.manifest import Channel
from dynst.data.sensor_table import Sensors
from dynst.data.store import SensorStore, open_store
from dynst.data.writer import Origin, StoreWriter
from dynst.errors import DataError
from dynst_platform.commands.export.workflow import export
from dynst_platform.commands.forecast.workflow import forecast
from dynst_platform.commands.train import workflow as use_case
from tests.conftest import save_one_pixel
from tests.dynst_platform.commands.train.test_train import small_job

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning:mlflow", "ignore::FutureWarning:mlflow"
)
NAMES = list("abcd")
SMALL = {"final": 0.5, "scheme": "one_shot", "probe_every": 1}


def written(path: Path, time: np.ndarray, clock: Clock, seed: int = 0) -> SensorStore:
    values = np.random.default_rng(seed).random((len(time), 4, 1))
    sensors = Sensors(tuple(NAMES))
    origin = Origin("clocked", clock=clock)
    with StoreWriter(path, origin, [Channel(name="x")], sensors, Edges.none()) as writer:
        writer.append(time, values)
    return open_store(path)


def trained(store: SensorStore, home: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("DYNST_HOME", str(home))
    monkeypatch.setattr("matplotlib.figure.Figure.savefig", save_one_pixel)
    job = small_job(store, sparsity=SMALL, references={"dense": False, "random": 0})
    return use_case.train(job, store, lambda report: None).run_id


def table_of(store: SensorStore) -> pd.DataFrame:
    readings, clock = store.readings, store.manifest.clock
    table = pd.DataFrame(readings.values[..., 0].astype(float), columns=NAMES)
    table.insert(0, "time", clock.labels(readings.time))
    return table


def test_a_zone_is_kept_from_the_file_to_the_served_model(
    tmp_path: Path, tracked_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hourly readings that end in the autumn hour that Berlin has twice."""
    times = pd.date_range(end="2024-10-27 02:00+01:00", periods=900, freq="h").tz_convert(
        "Europe/Berlin"
    )
    frame = pd.DataFrame(np.random.default_rng(0).random((900, 4)), times, NAMES)
    frame.rename_axis("time").to_parquet(tmp_path / "zoned.parquet")
    import_store(tmp_path / "zoned.parquet", tmp_path / "zoned")
    store = open_store(tmp_path / "zoned")
    assert store.manifest.clock.zone == "Europe/Berlin"
    run = trained(store, tracked_home, monkeypatch)

    found = forecast(run, str(store.path))
    assert found.until == "2024-10-27 02:00:00+01:00"
    assert [str(time) for time in found.table["time"]] == [
        f"2024-10-27 0{hour}:00:00+01:00" for hour in (3, 4, 5)
    ]
    served = mlflow.pyfunc.load_model(f"runs:/{run}/model")
    tail = table_of(store).tail(6)
    again = served.predict(tail)
    pd.testing.assert_frame_equal(again, found.table)
    with pytest.raises((DataError, MlflowException), match=r"each 'time' must have its offset"):
        served.predict(tail.assign(time=[text[:19] for text in tail["time"]]))
    export(run, "onnx", tmp_path / "model.onnx")

    naive = frame.tz_localize(None).tail(30)[lambda part: ~part.index.duplicated()]
    naive.rename_axis("time").to_csv(tmp_path / "naive.csv")
    import_store(tmp_path / "naive.csv", tmp_path / "naive")
    with pytest.raises(
        DataError, match=r"zone Europe/Berlin, but the zone of the store's is unknown"
    ):
        forecast(run, str(tmp_path / "naive"))


def test_a_gap_at_the_end_is_told_and_read_as_missing(
    tmp_path: Path, tracked_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    time = 3600 * np.arange(900)
    store = written(tmp_path / "whole", time, Clock())
    run = trained(store, tracked_home, monkeypatch)
    gap = written(tmp_path / "gap", np.delete(time, [896, 897, 898]), Clock())
    found = forecast(run, str(gap.path))
    assert found.missing == pytest.approx(3 / 6)
    assert found.until == "1970-02-07 11:00:00 (zone unknown)"

    served = mlflow.pyfunc.load_model(f"runs:/{run}/model")
    tail = table_of(store).tail(6)
    holes = tail.assign(**{name: tail[name].where(tail.index < 896) for name in NAMES})
    holes.loc[899] = tail.loc[899]
    kept = table_of(store).drop(index=[896, 897, 898]).tail(6)
    pd.testing.assert_frame_equal(served.predict(kept), served.predict(holes))
    for wrong, words in (
        (tail.iloc[::-1], "times must increase"),
        (tail.assign(time=pd.date_range("1970-02-07", periods=6, freq="min")), "1 min apart"),
        (tail.assign(time=["now"] * 6), "such as '1970-01-01 00:00:00'"),
    ):
        with pytest.raises(Exception, match=words):
            served.predict(wrong)


@pytest.mark.parametrize(
    ("time", "clock", "until", "ahead"),
    [
        (np.arange(300, 600), Clock(unit="month"), "2019-12", ["2020-01", "2020-02", "2020-03"]),
        (
            86_400 * np.arange(360 * 30 + 59 - 400, 360 * 30 + 59),
            Clock(calendar="360_day"),
            "2000-02-29 00:00:00",
            ["2000-02-30 00:00:00", "2000-03-01 00:00:00", "2000-03-02 00:00:00"],
        ),
    ],
    ids=["months", "360_day"],
)
def test_calendar_steps_to_the_served_model(
    tmp_path: Path,
    tracked_home: Path,
    monkeypatch: pytest.MonkeyPatch,
    time: np.ndarray,
    clock: Clock,
    until: str,
    ahead: list[str],
) -> None:
    store = written(tmp_path / "store", time, clock)
    run = trained(store, tracked_home, monkeypatch)
    found = forecast(run, str(store.path))
    assert found.until.startswith(until)
    assert found.table["time"].tolist() == ahead
    served = mlflow.pyfunc.load_model(f"runs:/{run}/model")
    pd.testing.assert_frame_equal(served.predict(table_of(store).tail(6)), found.table)
    export(run, "torch-export", tmp_path / "model.pt2")
