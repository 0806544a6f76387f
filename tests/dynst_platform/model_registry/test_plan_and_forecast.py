"""A model in use: the plan of its sensors, and forecasts from those alone."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from dynst.data.edges import Edges
from dynst.data.sensor_table import Sensors
from dynst.data.store import SensorStore, open_store
from dynst.data.writer import Origin, StoreWriter
from dynst.errors import ConfigError, DataError
from dynst_platform.commands.export.workflow import FORMS, export
from dynst_platform.commands.forecast.workflow import forecast
from dynst_platform.commands.promote.workflow import promote
from dynst_platform.commands.sensors.workflow import plan_of
from dynst_platform.errors import ForbiddenError, RunError
from dynst_platform.main import cli
from dynst_platform.model_registry import references
from tests.dynst_platform.model_registry.conftest import Trained

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning:mlflow", "ignore::FutureWarning:mlflow"
)


def active_of(trained: Trained) -> list[str]:
    plan = plan_of(trained.runs["half"], None)
    names: list[str] = plan.sensors["sensor"][plan.sensors["on"]].tolist()
    return names


def part_of(
    store: SensorStore,
    path: Path,
    names: list[str],
    steps: int = 30,
    holes: int = 0,
    step: int | None = None,
) -> SensorStore:
    """The last steps of some sensors, in another order, as a store of its own."""
    index = [store.sensors.ids.index(name) for name in reversed(names)]
    readings = store.readings
    values = np.where(readings.observed, readings.values, np.nan)[-steps:, index].copy()
    values[-holes:, 0] = np.nan if holes else values[-holes:, 0]
    sensors = Sensors(
        tuple(reversed(names)),
        store.sensors.positions[index] if store.sensors.positions is not None else None,
    )
    time = readings.time[-steps:] if step is None else readings.time[0] + step * np.arange(steps)
    none = (np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float32))
    with StoreWriter(
        path,
        Origin("part", positions="plane"),
        list(store.manifest.channels),
        sensors,
        Edges(*none),
    ) as writer:
        writer.append(time, values)
    return open_store(path)


def test_the_plan_tells_what_each_sensor_is_worth(trained: Trained) -> None:
    plan = plan_of(trained.runs["half"], None)
    on = plan.sensors["on"]
    assert (len(on), on.sum(), plan.cost_before, plan.cost) == (8, 4, 8, 4)
    assert plan.sensors["mae_all_if_lost"].notna().tolist() == on.tolist()
    metrics = trained.client.get_run(trained.runs["half"]).data.metrics
    assert plan.mae_all == pytest.approx(metrics["test/mae_all"], rel=1e-4)
    assert plan.mae_inactive == pytest.approx(metrics["test/mae_inactive"], rel=1e-4)
    assert plan.exact_losses


@pytest.mark.parametrize("ending", [".csv", ".html"])
def test_the_plan_as_a_file(trained: Trained, tmp_path: Path, ending: str) -> None:
    out = tmp_path / f"plan{ending}"
    said = CliRunner().invoke(cli, ["sensors", trained.runs["half"], "--out", str(out)])
    assert said.exit_code == 0, said.output
    assert "4 of 8 sensors stay on; what they cost falls from 8 to 4" in said.stdout
    text = out.read_text(encoding="utf-8")
    assert all(name in text for name in trained.store.sensors.ids)
    if ending == ".csv":
        assert pd.read_csv(out)["on"].sum() == 4


def test_geojson_needs_longitudes(trained: Trained, tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match="GeoJSON needs longitudes and latitudes, but test network has none"
    ):
        CliRunner().invoke(
            cli,
            ["sensors", trained.runs["half"], "--out", str(tmp_path / "plan.geojson")],
            catch_exceptions=False,
        )
    with pytest.raises(
        ConfigError, match=r"--out must end with \.csv, \.geojson, \.html, but got 'plan\.txt'"
    ):
        CliRunner().invoke(
            cli,
            ["sensors", trained.runs["half"], "--out", str(tmp_path / "plan.txt")],
            catch_exceptions=False,
        )
    assert not list(tmp_path.glob("plan*"))


def test_a_forecast_needs_the_active_sensors_alone(trained: Trained, tmp_path: Path) -> None:
    run, names = trained.runs["half"], active_of(trained)
    whole = forecast(run, str(trained.store.path))
    part = forecast(run, str(part_of(trained.store, tmp_path / "part", names).path))
    assert list(part.table.columns) == ["time", *trained.store.sensors.ids]
    assert len(part.table) == 3
    pd.testing.assert_frame_equal(part.table, whole.table)
    assert part.absent == []


def test_what_is_missing_degrades_and_is_told(trained: Trained, tmp_path: Path) -> None:
    run, names = trained.runs["half"], active_of(trained)
    without = forecast(run, str(part_of(trained.store, tmp_path / "without", names[1:]).path))
    assert without.absent == names[:1]
    assert without.table.drop(columns="time").notna().all().all()
    holes = forecast(run, str(part_of(trained.store, tmp_path / "holes", names, holes=6).path))
    assert holes.absent == []
    assert holes.missing >= 0.25
    assert holes.table.drop(columns="time").notna().all().all()
    pd.testing.assert_frame_equal(
        forecast(run, str(part_of(trained.store, tmp_path / "last", names[:-1]).path)).table,
        holes.table,
    )


def test_a_store_that_does_not_fit_is_refused(trained: Trained, tmp_path: Path) -> None:
    run, names = trained.runs["half"], active_of(trained)
    off = [name for name in trained.store.sensors.ids if name not in names]
    with pytest.raises(DataError, match="has none of the model's 4 active sensors"):
        forecast(run, str(part_of(trained.store, tmp_path / "none", off).path))
    with pytest.raises(DataError, match=r"reads 6 steps, but the store at .* has 4"):
        forecast(run, str(part_of(trained.store, tmp_path / "short", names, steps=4).path))
    with pytest.raises(DataError, match=r"a step every 1 h, but the store at .* every 15 min"):
        forecast(run, str(part_of(trained.store, tmp_path / "fast", names, step=900).path))


@pytest.mark.usefixtures("measured_here")
def test_files_of_a_forecast(trained: Trained, tmp_path: Path) -> None:
    promote("small", "counters", {}, None, dry_run=False)
    for name, read in (("f.csv", pd.read_csv), ("f.parquet", pd.read_parquet)):
        said = CliRunner().invoke(
            cli, ["forecast", "counters", str(trained.store.path), "--out", str(tmp_path / name)]
        )
        assert said.exit_code == 0, said.output
        assert "3 steps ahead of" in said.stdout
        assert len(read(tmp_path / name)) == 3
    said = CliRunner().invoke(cli, ["sensors", "counters", "--format", "json"])
    assert json.loads(said.stdout)["on"] == 4


@pytest.mark.parametrize("reference", ["nobody", "nobody/3", "0" * 32])
def test_no_such_model(trained: Trained, reference: str) -> None:
    with pytest.raises(ConfigError, match="has no model"):
        forecast(reference, str(trained.store.path))


@pytest.mark.parametrize(("form", "ending"), [("onnx", ".onnx"), ("torch-export", ".pt2")])
def test_an_exported_model_forecasts_the_same(
    trained: Trained, tmp_path: Path, form: str, ending: str
) -> None:
    if form == "onnx":
        pytest.importorskip("onnxruntime")
    out = tmp_path / f"model{ending}"
    said = CliRunner().invoke(
        cli, ["export", trained.runs["half"], "--to", form, "--out", str(out)]
    )
    assert said.exit_code == 0, said.output
    assert sorted(path.name for path in tmp_path.glob("*model*")) == [
        f"model{ending}",
        f"model{ending}.json",
    ]
    assert json.loads(out.with_name(out.name + ".json").read_text())["channels"] == ["flow"]
    assert not list(tmp_path.glob(".export-*"))


def test_an_export_that_differs_is_not_written(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong(module: Any, example: Any, path: Path) -> Any:
        path.write_bytes(b"wrong")
        return lambda time, readings: module(time, readings).numpy() + 1

    monkeypatch.setitem(FORMS, "torch-export", wrong)
    with pytest.raises(
        RunError, match=r"forecasts differently, by .* of a spread; it was not written"
    ):
        export(trained.runs["half"], "torch-export", tmp_path / "model.pt2")
    assert not [path for path in tmp_path.iterdir() if path.name != "kept"]


def test_a_wrong_ending_is_wrong_use(trained: Trained, tmp_path: Path) -> None:
    said = CliRunner().invoke(
        cli, ["export", trained.runs["half"], "--to", "onnx", "--out", str(tmp_path / "model.pt2")]
    )
    assert said.exit_code == 2
    assert "--out must end with .onnx for onnx, but got 'model.pt2'" in said.output


@pytest.mark.parametrize(
    "words",
    [
        ["sensors", "--out", "absent/plan.csv"],
        ["forecast", "somewhere", "--out", "absent/f.csv"],
        ["export", "--to", "onnx", "--out", "absent/m.onnx"],
    ],
)
def test_a_folder_that_is_not_there_is_said_first(trained: Trained, words: list[str]) -> None:
    said = CliRunner().invoke(cli, [words[0], "counters", *words[1:]])
    assert said.exit_code == 2
    assert "there is no folder" in said.output


def test_a_model_that_was_registered_by_hand(
    trained: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of ours is read, and what another program registered is named."""
    client, notices = trained.client, list[str]()
    monkeypatch.setattr("dynst_platform.model_registry.references.notice", notices.append)
    client.create_registered_model("strange")
    (model,) = client.get_run(trained.runs["half"]).outputs.model_outputs
    client.create_model_version("strange", f"models:/{model.model_id}")
    client.create_model_version("strange", str(trained.home))
    client.set_registered_model_alias("strange", "champion", "1")
    assert len(forecast("strange", str(trained.store.path)).table) == 3
    assert "version 1 of model 'strange' was registered by hand" in notices[0]
    with pytest.raises(
        ConfigError, match="version 2 of model 'strange' was not put there by dynst promote"
    ):
        forecast("strange/2", str(trained.store.path))


@pytest.mark.parametrize("form", FORMS)
def test_a_full_disk_is_that_of_the_exported_file(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setitem(FORMS, form, full)  # as their own writers say it
    with pytest.raises(OSError, match="No space") as raised:
        export(trained.runs["half"], form, tmp_path / "model")
    assert raised.value.filename == str(tmp_path / "model")
    assert not list(tmp_path.glob("*model*"))


def test_a_model_that_may_not_be_read_is_named(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not by permissions, since tests may be root's."""
    monkeypatch.setattr(references.os, "access", lambda file, mode: file.suffix != ".safetensors")
    with pytest.raises(ForbiddenError, match=r"weights.safetensors must be readable.*chmod a\+rX"):
        export(trained.runs["half"], "torch-export", tmp_path / "model")
