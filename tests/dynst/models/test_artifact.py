import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from dynst.data.partition import Subgraph
from dynst.data.store import SensorStore
from dynst.errors import ArtifactError, ConfigError
from dynst.evaluation.evaluate import forecast_windows
from dynst.experiment.dataset import Dataset, make_dataset
from dynst.models.artifact import (
    DESCRIPTION,
    WEIGHTS,
    Artifact,
    Description,
    load_artifact,
    save_artifact,
)
from dynst.models.by_parts import ForecasterByParts
from dynst.models.factory import BackboneConfig, ModelConfig, build_forecaster
from dynst_platform.commands.export.workflow import _check_exportable
from tests.conftest import SMALL

MODEL = ModelConfig(window=6, horizon=3, hidden=16, backbone=SMALL, embedding=4)
MODELS = {
    "all_pairs": MODEL,
    "location_blocks": MODEL.model_copy(update={"location_blocks": 1}),
    "neighbour_lists": MODEL.model_copy(update={"neighbours": 3}),
    "rolled_out": MODEL.model_copy(update={"steps_at_once": 1}),
    "patch_transformer": MODEL.model_copy(
        update={"backbone": BackboneConfig(name="patch_transformer")}
    ),
}
ACTIVE = torch.tensor([True, False] * 4)


@pytest.fixture
def dataset(network: SensorStore) -> Dataset:
    return make_dataset(network, MODEL)


@pytest.fixture(params=sorted(MODELS))
def config(request: pytest.FixtureRequest) -> ModelConfig:
    return MODELS[request.param]


@pytest.fixture
def folder(tmp_path: Path, network: SensorStore, dataset: Dataset, config: ModelConfig) -> Path:
    model = build_forecaster(
        config, dataset.scaler, network.edges, targets=[0], seed=3, positions=dataset.positions
    )
    season = dataset.scaler.season
    description = Description(
        model=config,
        sensors=network.sensors.ids,
        active=tuple(ACTIVE.tolist()),
        importance=(0.0,) * 8,
        channels=("flow",),
        targets=(0,),
        season_period=season.period,
        season_slots=season.slots,
        season_step=season.step,
        step=3600,
        data_digest=network.manifest.digest,
    )
    save_artifact(tmp_path / "model", model, description, network.edges)
    return tmp_path / "model"


def test_a_loaded_model_forecasts_what_the_trained_one_does(
    folder: Path, network: SensorStore, dataset: Dataset, config: ModelConfig
) -> None:
    artifact = load_artifact(folder)
    original = build_forecaster(
        config, dataset.scaler, network.edges, targets=[0], seed=3, positions=dataset.positions
    )
    index, sensors = torch.tensor([7]), ACTIVE.nonzero().squeeze(1)
    with torch.inference_mode():
        expected = forecast_windows(original, dataset.test, index, sensors)[0].numpy()
    first = int(dataset.test.starts[7])
    rows, readings = slice(first, first + 6), network.readings
    raw = np.where(readings.observed[rows], readings.values[rows], np.nan)[:, ACTIVE.numpy()]
    time, forecast = artifact.forecast(readings.time[rows], raw)
    np.testing.assert_allclose(forecast, expected, rtol=1e-5, atol=1e-4)
    assert time.tolist() == (readings.time[first + 5] + 3600 * np.arange(1, 4)).tolist()


def test_a_sensor_without_any_reading_is_left_out(folder: Path, network: SensorStore) -> None:
    """And one with gaps is not; without any reading at all the forecast is still one."""
    artifact = load_artifact(folder)
    time, readings = (
        network.readings.time[:6],
        np.nan_to_num(network.readings.values[:6][:, ACTIVE.numpy()], nan=20.0),
    )
    lost, gaps = readings.copy(), readings.copy()
    lost[:, 1] = gaps[3:, 1] = np.nan
    fewer = artifact.served(torch.tensor([True, False, True, True]))
    with torch.inference_mode():
        expected = fewer(torch.tensor(time), torch.tensor(readings[:, [0, 2, 3]])).numpy()
    np.testing.assert_array_equal(artifact.forecast(time, lost)[1], expected)
    assert not np.allclose(artifact.forecast(time, gaps)[1], expected)
    assert np.isfinite(artifact.forecast(time, np.full_like(readings, np.nan))[1]).all()


@pytest.mark.parametrize("value", [np.inf, -np.inf, 1e39])
def test_infinite_readings_are_refused(folder: Path, network: SensorStore, value: float) -> None:
    readings = network.readings.values[:6][:, ACTIVE.numpy()].astype(float)
    readings[2, 1] = value
    with pytest.raises(ArtifactError, match="must be finite"):
        load_artifact(folder).forecast(network.readings.time[:6], readings)


def test_it_cannot_be_given_the_readings_of_inactive_sensors(
    folder: Path, network: SensorStore
) -> None:
    artifact: Artifact = load_artifact(folder)
    with pytest.raises(ArtifactError, match="reads 6 steps of 4 active sensors"):
        artifact.forecast(network.readings.time[:6], network.readings.values[:6])


@pytest.mark.parametrize("name", [WEIGHTS, DESCRIPTION])
@pytest.mark.parametrize("damage", [None, b"", b"{}", b"[3]", b"\x00" * 100])
def test_damage_is_one_clear_error(folder: Path, name: str, damage: bytes | None) -> None:
    (folder / name).unlink()
    if damage is not None:
        (folder / name).write_bytes(damage)
    with pytest.raises(ArtifactError, match="no usable model"):
        load_artifact(folder)


def test_weights_of_another_network_are_refused(folder: Path) -> None:
    text = (folder / DESCRIPTION).read_text().replace('"hidden": 16', '"hidden": 32')
    (folder / DESCRIPTION).write_text(text)
    with pytest.raises(ArtifactError, match="do not fit"):
        load_artifact(folder)


def as_version_2(document: dict[str, Any]) -> dict[str, Any]:
    """The same model as it was described then: the backbone's options beside its name, and nothing
    of several steps at once.
    """
    then = {name: value for name, value in document["model"].items() if name != "steps_at_once"}
    backbone = then.pop("backbone")
    rest = {name: value for name, value in document.items() if name not in {"step", "clock"}}
    return rest | {
        "version": 2,
        "step_seconds": document["step"],
        "model": {"backbone": backbone["name"], "heads": 4} | backbone["options"] | then,
    }


@pytest.mark.parametrize(
    "config",
    [
        MODEL,
        MODEL.model_copy(
            update={
                "backbone": BackboneConfig(
                    name="patch_transformer", options={"blocks": 1, "heads": 2}
                )
            }
        ),
    ],
    ids=lambda config: config.backbone.name,
)
def test_a_model_of_version_2_is_still_read(
    folder: Path, config: ModelConfig, network: SensorStore
) -> None:
    today, path = load_artifact(folder), folder / DESCRIPTION
    path.write_text(json.dumps(as_version_2(json.loads(path.read_text()))))
    with pytest.raises(ValueError, match="version"):
        Description.model_validate_json(path.read_text())
    read = load_artifact(folder)
    assert read.description.model == config
    time, readings = network.readings.time[:6], network.readings.values[:6][:, ACTIVE.numpy()]
    np.testing.assert_array_equal(
        read.forecast(time, readings)[1], today.forecast(time, readings)[1]
    )


@pytest.mark.parametrize(
    "config", [MODEL.model_copy(update={"location_blocks": 0, "kriging": False})]
)
@pytest.mark.parametrize(
    ("version", "unknown"), [(4, ("location_blocks", "kriging")), (5, ("kriging",))]
)
def test_a_model_of_before_had_neither_blocks_over_all_locations_nor_kriging(
    folder: Path, config: ModelConfig, network: SensorStore, version: int, unknown: tuple[str, ...]
) -> None:
    path, time = folder / DESCRIPTION, network.readings.time[:6]
    readings = network.readings.values[:6][:, ACTIVE.numpy()]
    expected = load_artifact(folder).forecast(time, readings)[1]
    document = json.loads(path.read_text()) | {"version": version}
    for name in unknown:
        del document["model"][name]
    path.write_text(json.dumps(document))
    read = load_artifact(folder)
    assert read.description.model == config
    np.testing.assert_array_equal(read.forecast(time, readings)[1], expected)


def test_a_model_of_version_1_is_refused(folder: Path) -> None:
    path = folder / DESCRIPTION
    path.write_text(json.dumps(json.loads(path.read_text()) | {"version": 1}))
    with pytest.raises(ArtifactError, match="no usable model"):
        load_artifact(folder)


def test_no_pickle_inside(folder: Path) -> None:
    assert all(
        b"torch_utils" not in file.read_bytes() and file.suffix in {".safetensors", ".json"}
        for file in folder.iterdir()
    )


@pytest.mark.parametrize("config", ["all_pairs"], indirect=True)
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"active": [True]}, "'active' must have 8 values"),
        ({"active": [False] * 8}, "at least one sensor must be active"),
        ({"targets": [1]}, "'targets' must be places of 1 channels"),
        ({"blank": [[8, 0]]}, "'blank' must be places of sensors"),
        ({"season_slots": 0}, "greater than or equal to 1"),
        ({"season_slots": 10**12}, "less than or equal to"),
    ],
)
def test_a_description_that_contradicts_itself_is_refused(
    folder: Path, change: dict[str, Any], message: str
) -> None:
    document = json.loads((folder / DESCRIPTION).read_text())
    (folder / DESCRIPTION).write_text(json.dumps(document | change))
    with pytest.raises(ArtifactError, match=message):
        load_artifact(folder)


@pytest.mark.parametrize("config", ["all_pairs"], indirect=True)
@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("scaler.profile", np.nan, "'scaler.profile' must be finite"),
        ("edges.source", 8, "'source' must lie in 0..7"),
        ("edges.weight", -1, "every weight must be a finite number"),
    ],
)
def test_weights_that_no_training_gives_are_refused(
    folder: Path, name: str, value: float, message: str
) -> None:
    tensors = load_file(folder / WEIGHTS)
    tensors[name].view(-1)[0] = value
    save_file(tensors, folder / WEIGHTS)
    with pytest.raises(ArtifactError, match=message):
        load_artifact(folder)


@pytest.mark.parametrize("config", ["all_pairs"], indirect=True)
def test_masked_readings_are_missing_and_lists_are_read(folder: Path, network: SensorStore) -> None:
    artifact = load_artifact(folder)
    time = network.readings.time[:6]
    readings = network.readings.values[:6][:, np.array(artifact.description.active)].copy()
    hidden = readings > np.median(readings)
    gaps = np.where(hidden, np.nan, readings)
    masked = np.ma.array(readings, mask=hidden)
    expected = artifact.forecast(time, gaps)[1]
    np.testing.assert_array_equal(artifact.forecast(time, masked)[1], expected)
    np.testing.assert_array_equal(artifact.forecast(time.tolist(), gaps.tolist())[1], expected)


@pytest.mark.parametrize("config", ["all_pairs"], indirect=True)
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda time, readings: (time + 0.5, readings), "one row of whole numbers"),
        (lambda time, readings: (time.astype("datetime64[s]"), readings), "datetime64"),
        (lambda time, readings: (time.astype(str), readings), "one row of whole numbers"),
        (lambda time, readings: (time[:, None], readings), "one row of whole numbers"),
        (lambda time, readings: (time, readings + 1j), "real numbers"),
        (lambda time, readings: (time, readings.astype(str)), "real numbers"),
        (lambda time, readings: (time, [[1.0], [1.0, 2.0]]), "must be arrays"),
    ],
)
def test_inputs_of_another_type_are_refused(
    folder: Path, network: SensorStore, change: Any, message: str
) -> None:
    artifact = load_artifact(folder)
    readings = network.readings.values[:6][:, np.array(artifact.description.active)]
    with pytest.raises(ArtifactError, match=message):
        artifact.forecast(*change(network.readings.time[:6], readings))


@pytest.fixture(params=[0o022, 0o002, 0o077])
def mask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


@pytest.mark.parametrize("config", ["all_pairs"], indirect=True)
def test_all_its_files_may_be_read_by_the_same_people(mask: int, folder: Path) -> None:
    assert {file.stat().st_mode & 0o777 for file in folder.iterdir()} == {0o666 & ~mask}


def test_a_model_of_a_cut_network_is_loaded_with_its_parts(
    folder: Path, network: SensorStore, dataset: Dataset, config: ModelConfig, tmp_path: Path
) -> None:
    """One of its parts has no active sensor: its locations keep their profile, after an export
    too.
    """
    if not config.traits.compact:
        pytest.skip("is not cut")
    artifact = load_artifact(folder)
    off = (~ACTIVE).nonzero().squeeze(1)[:1]
    rest = torch.isin(torch.arange(8), off, invert=True).nonzero().squeeze(1)
    parts = (Subgraph(rest[::2], rest), Subgraph(off, off), Subgraph(rest[1::2], rest))
    model = ForecasterByParts(artifact.model, parts, 8)
    save_artifact(tmp_path / "cut", model, artifact.description, network.edges)
    loaded = load_artifact(tmp_path / "cut")
    assert isinstance(loaded.model, ForecasterByParts)
    assert all(
        torch.equal(own.locations, its.locations) and torch.equal(own.sensors, its.sensors)
        for own, its in zip(loaded.model.parts, parts, strict=True)
    )
    time = np.array(network.readings.time[-config.window :])
    readings = np.array(network.readings.values[-config.window :, ACTIVE.numpy()])
    ahead, forecast = loaded.forecast(time, readings)
    with torch.no_grad():
        profile = loaded.model.scaler.profile_at(torch.tensor(ahead))[:, off][..., [0]]
    np.testing.assert_allclose(forecast[:, off.numpy()], profile, rtol=1e-5)
    assert (forecast != artifact.forecast(time, readings)[1]).any()
    if config.steps_at_once is not None:
        with pytest.raises(ConfigError, match=r"cannot be exported where training\.parts cuts"):
            _check_exportable(loaded)
        return
    program = torch.export.export(
        loaded.served(), (torch.tensor(time), torch.tensor(readings))
    ).module()
    exported = program(torch.tensor(time), torch.tensor(readings)).detach()
    np.testing.assert_allclose(exported, forecast, rtol=1e-4, atol=1e-4)
