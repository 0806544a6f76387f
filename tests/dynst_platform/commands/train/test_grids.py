"""Grids whose sensors are patches: from the job file to what a run leaves behind."""

from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
from matplotlib.image import imread
from mlflow.tracking import MlflowClient

from dynst.data.patches import patched_store
from dynst.data.store import SensorStore
from dynst.errors import ConfigError
from dynst.models.artifact import load_artifact
from dynst_platform.commands.train import workflow as use_case
from dynst_platform.commands.train.workflow import Outcome
from dynst_platform.config.files import check_job
from dynst_platform.config.job import JobSpec
from dynst_platform.config.stores import store_for
from dynst_platform.plots.grids import draw_grid_map
from dynst_platform.plots.masks import draw_mask
from tests.conftest import with_tracking_store, write_grid

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning:mlflow", "ignore::FutureWarning:mlflow"
)


def grid_job(store: SensorStore, **more: object) -> JobSpec:
    return check_job(
        {
            "name": "grid",
            "data": {"store": str(store.path), "patch": [2, 3], "season": "none"},
            "model": {
                "backbone": {"name": "patch_transformer", "options": {"blocks": 1, "heads": 2}},
                "window": 4,
                "horizon": 2,
                "hidden": 16,
                "embedding": 4,
            },
            "training": {"epochs": 12, "batch_size": 16, "learning_rate": 0.01},
            "sparsity": {"final": 0.5, "rounds": 3, "probe_every": 1},
            "references": {"dense": True, "random": 0},
            "cluster": {"num_workers": 0},
        }
        | more
    )


@pytest.fixture(scope="module")
def cells(tmp_path_factory: pytest.TempPathFactory) -> SensorStore:
    """5 × 7 cells; the first patch has no data at all, cell (2, 6) has none either."""
    blank = [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (2, 6)]
    return write_grid(tmp_path_factory.mktemp("stores") / "cells", 5, 7, blank=blank)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory, cells: SensorStore, tracking_template: Path):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(
            "DYNST_HOME",
            str(with_tracking_store(tmp_path_factory.mktemp("home"), tracking_template)),
        )
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        job = grid_job(cells)
        outcome = use_case.train(job, store_for(job), lambda report: None)
        yield outcome, MlflowClient(outcome.artifacts["tracking_uri"])


def test_half_of_the_patches_are_switched_off_and_it_still_forecasts(
    done: tuple[Outcome, MlflowClient],
) -> None:
    outcome, _ = done
    assert sorted(outcome.sensors["kept"] + outcome.sensors["off"]) == [
        "r0c1", "r0c2", "r1c0", "r1c1", "r1c2", "r2c0", "r2c1", "r2c2"
    ]  # fmt: skip
    assert (outcome.sparsity, outcome.unit) == (0.5, "K")
    assert outcome.metrics["test/mae_all"] < 0.6 * outcome.metrics["persistence/mae_all"]


def test_frames_are_scored_for_the_sparse_and_the_dense_model(
    done: tuple[Outcome, MlflowClient],
) -> None:
    outcome, client = done
    for name, low in (("ssim", 0.5), ("psnr", 15)):
        assert outcome.metrics[f"test/{name}"] > low
        dense = client.get_run(outcome.references["dense"]["run_id"]).data.metrics[f"test/{name}"]
        assert outcome.metrics[f"dense/{name}"] == pytest.approx(dense)
        assert outcome.metrics[f"dense/{name}"] > outcome.metrics[f"test/{name}"]


def test_errors_of_a_patch_are_those_of_its_cells(
    done: tuple[Outcome, MlflowClient], tmp_path: Path
) -> None:
    outcome, client = done
    table = pd.read_csv(client.download_artifacts(outcome.run_id, "sensors.csv", str(tmp_path)))
    assert list(table["sensor"]) == sorted(outcome.sensors["kept"] + outcome.sensors["off"])
    assert np.isfinite(table["mae_by_sensor"]).all()
    assert (
        table["mae_by_sensor"].min()
        < outcome.metrics["test/mae_all"]
        < table["mae_by_sensor"].max()
    )


def test_the_model_asks_for_and_gives_cells_that_exist(done: tuple[Outcome, MlflowClient]) -> None:
    outcome, _ = done
    mlflow.set_tracking_uri(outcome.artifacts["tracking_uri"])
    model = mlflow.pyfunc.load_model(outcome.artifacts["model"])
    forecast = model.predict(model.input_example)
    assert len(forecast.columns) == 1 + 35 - 7
    assert [name for name in forecast.columns if name.startswith("r1c2/")] == [
        "r1c2/c0[1,0]"
    ]  # (2, 6) has no data, the rest pads
    assert [name for name in forecast.columns if name.startswith("r2c0/")] == [
        "r2c0/c0[0,0]",
        "r2c0/c0[0,1]",
        "r2c0/c0[0,2]",
    ]
    assert np.isfinite(forecast.drop(columns="time").to_numpy()).all()
    kept = [name for name in forecast.columns if name.split("/")[0] in outcome.sensors["kept"]]
    assert list(model.input_example.columns) == ["time", *kept]


def test_a_saved_model_knows_where_its_patches_lie(done: tuple[Outcome, MlflowClient]) -> None:
    outcome, _ = done
    artifact = load_artifact(Path(outcome.artifacts["folder"]) / "models" / "dynst")
    assert artifact.description.patching is not None
    assert artifact.description.patching.lattice.width == 3
    assert artifact.model.backbone.positional_features.abs().sum() > 0  # type: ignore[attr-defined]


@pytest.mark.usefixtures("tracked_home", "quick_pictures")
def test_a_grid_without_patches_has_its_frames_scored_too(cells: SensorStore) -> None:
    data = {"store": str(cells.path), "season": "none"}
    job = grid_job(cells, data=data, training={"epochs": 2, "steps_per_epoch": 2, "batch_size": 8})
    outcome = use_case.train(job, store_for(job), lambda report: None)
    assert outcome.sensors["total"] == 35
    assert {"test/ssim", "test/psnr", "dense/ssim", "dense/psnr"} <= set(outcome.metrics)


@pytest.mark.usefixtures("tracked_home", "quick_pictures")
def test_a_job_without_a_grid_has_no_such_figures(network: SensorStore) -> None:
    data = {"store": str(network.path)}
    job = grid_job(
        network, data=data, training={"epochs": 1, "steps_per_epoch": 3, "batch_size": 8}
    )
    outcome = use_case.train(job, store_for(job), lambda report: None)
    assert not [name for name in outcome.metrics if "ssim" in name or "psnr" in name]


@pytest.mark.parametrize("value", [0, -1, [2], [2, 0], [1, 2, 3], 1.5, "2", True])
def test_a_patch_size_that_is_none_is_refused(cells: SensorStore, value: object) -> None:
    with pytest.raises(
        ConfigError,
        match=r"'data\.patch' must be a number of cells or \[rows, columns\], at least 1, but got",
    ):
        grid_job(cells, data={"store": str(cells.path), "patch": value})


def test_one_number_is_a_square(cells: SensorStore) -> None:
    job = grid_job(cells, data={"store": str(cells.path), "patch": 3})
    assert check_job(job.model_dump(mode="json")).data.patch == (3, 3)


def test_what_does_not_fit_the_store_is_refused_at_once(
    cells: SensorStore, network: SensorStore, own_home: Path
) -> None:
    with pytest.raises(ConfigError, match="without a grid"):
        store_for(grid_job(network))
    with pytest.raises(ConfigError, match="at most the grid's 5 × 7 cells"):
        store_for(grid_job(cells, data={"store": str(cells.path), "patch": 6}))
    with pytest.raises(ConfigError, match=r"model\.neighbours must be left out for a backbone"):
        store_for(
            grid_job(
                cells,
                model={"backbone": "patch_transformer", "window": 4, "horizon": 2, "neighbours": 3},
            )
        )
    assert not list(own_home.rglob("mlflow.db"))


def test_too_many_tokens_are_refused(tmp_path: Path, own_home: Path) -> None:
    cells = write_grid(tmp_path / "cells", 65, 64, num_steps=60)
    data, model = (
        {"store": str(cells.path)},
        {"backbone": "patch_transformer", "window": 2, "horizon": 1},
    )
    with pytest.raises(
        ConfigError, match=r"at most 4096 sensors, but the store has 4160; raise data\.patch"
    ):
        store_for(grid_job(cells, data=data, model=model))
    assert (
        len(store_for(grid_job(cells, data=data | {"patch": [1, 2]}, model=model)).sensors)
        == 65 * 32
    )


def test_the_picture_tells_on_off_and_no_data_apart(cells: SensorStore, tmp_path: Path) -> None:
    job = grid_job(cells)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DYNST_HOME", str(tmp_path))
        store = store_for(job)
    on, importance = np.arange(8) < 4, np.linspace(0, 1, 8)
    shares = {}
    for name, active in {"half": on, "all": on | True}.items():
        draw_mask(tmp_path / f"{name}.png", store, active, importance, "a grid")
        image = (imread(tmp_path / f"{name}.png")[..., :3] * 255).round().astype(int)
        shares[name] = {
            colour: float((image == rgb).all(-1).mean())
            for colour, rgb in {"grey": 0xB8, "white": 255}.items()
        }
        shares[name]["red"] = float((image == (0xC1, 0x27, 0x2D)).all(-1).mean())
    assert shares["half"]["red"] > 5 * shares["all"]["red"]
    assert shares["half"]["grey"] == pytest.approx(shares["all"]["grey"], rel=0.05)
    assert shares["all"]["grey"] > 0.02


def test_a_picture_of_all_off_or_of_cells_is_drawn(cells: SensorStore, tmp_path: Path) -> None:
    draw_grid_map(tmp_path / "cells.png", cells, np.zeros(35, bool), np.zeros(35), "cells")
    assert (tmp_path / "cells.png").stat().st_size > 5_000


def test_a_picture_of_patches_of_one_row_is_drawn(tmp_path: Path) -> None:
    lone = write_grid(tmp_path / "lone", 2, 3, blank=[(1, 0), (1, 1), (1, 2)], positions="lonlat")
    draw_mask(
        tmp_path / "lone.png",
        patched_store(lone, (1, 1), tmp_path),
        np.ones(3, bool),
        np.zeros(3),
        "one row has data",
    )
