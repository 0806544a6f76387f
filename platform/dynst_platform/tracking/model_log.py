"""A trained model into MLflow: its files, the code that it needs, and what it takes and gives."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
from mlflow.entities import LoggedModel, LoggedModelStatus, Run
from mlflow.models import Model
from mlflow.tracking import MlflowClient

import dynst
from dynst.data.store import SensorStore
from dynst.models.artifact import Description, artifact_digest
from dynst.models.columns import input_columns, reading_columns
from dynst.storage.scratch import scratch_folder
from dynst_platform.network_code.our_packages import copy_package
from dynst_platform.network_code.selection import NetworkCode
from dynst_platform.tracking import serving_model
from dynst_platform.tracking.model_files import FILES_TAG, JOB, WEIGHTS_TAG, write_list

__all__ = ["log_model"]

logger = logging.getLogger(__name__)

WIDEST = 10_000  # sensors of a model whose columns MLflow shows
OF_SOURCE = ("mlflow.source.", "mlflow.user")  # tags that a model takes from its run
REQUIREMENTS = (
    "cftime",
    "numpy",
    "pandas",
    "pyarrow",
    "pydantic",
    "safetensors",
    "scipy",
    "torch",
    "tzdata",
)


def log_model(
    client: MlflowClient,
    run: Run,
    store: SensorStore,
    folder: Path,
    code: NetworkCode | None,
    job: str,
) -> str:
    """Log the model in ``folder`` to a run; returns its id.

    It has its tags before any file is uploaded, and is READY after the last one. Cut off at any
    step, it is no whole model, and the next attempt makes another one.

    Args:
        client: of the tracking store.
        run: that the model is of; it is not changed.
        store: that it was trained on.
        folder: as ``save_arm`` wrote it.
        code: of a network of the user's own.
        job: of its training, as YAML; it travels with the model.
    """
    logged = client.create_logged_model(
        run.info.experiment_id,
        "model",
        run.info.run_id,
        {key: value for key, value in run.data.tags.items() if key.startswith(OF_SOURCE)},
        run.data.params,
    )
    with scratch_folder() as scratch:
        path = Path(scratch) / "model"
        _save(path, logged, store, folder, code)
        (path / JOB).write_text(job, encoding="utf-8")
        tags = {WEIGHTS_TAG: artifact_digest(folder), FILES_TAG: write_list(path)}
        client.set_logged_model_tags(logged.model_id, tags)
        client.log_model_artifacts(logged.model_id, str(path))
    client.finalize_logged_model(logged.model_id, LoggedModelStatus.READY)
    return str(logged.model_id)


def _save(
    path: Path, logged: LoggedModel, store: SensorStore, folder: Path, code: NetworkCode | None
) -> None:
    """The files of the model, by MLflow's flavour of Python functions."""
    identity = {"model_uuid": logged.model_id, "model_id": logged.model_id}
    with _code_paths(code) as paths:
        mlflow.pyfunc.save_model(
            path=str(path),
            mlflow_model=Model(logged.artifact_location, logged.source_run_id, **identity),
            python_model=serving_model.__file__,
            artifacts={"model": folder.resolve().as_uri()},  # MLflow takes it for an address
            code_paths=paths,
            pip_requirements=_requirements(code),
            **_columns(store, folder),
        )


def _columns(store: SensorStore, folder: Path) -> dict[str, Any]:
    """What MLflow shows of the model's columns: an example of its input, and the signature.

    Nothing of more columns than anybody reads: MLflow takes minutes to write a million of them.
    """
    if len(store.sensors) > WIDEST:
        logger.info("more than %d sensors: MLflow gets no signature and no example", WIDEST)
        return {}
    context = type("Context", (), {"artifacts": {"model": str(folder)}})()
    model = serving_model.ServingModel()
    model.load_context(context)
    example = _input_example(store, model.artifact.description)
    return {
        "signature": _signature(example, model.predict(context, example)),
        "input_example": example,
    }


@contextmanager
def _code_paths(code: NetworkCode | None) -> Iterator[list[str]]:
    """What a model needs beside its requirements: the method, and a backbone that is the user's
    own.
    """
    with scratch_folder() as folder:
        copy_package(dynst, Path(folder))
        if code is not None:
            code.write(Path(folder), ignore_file=False)
            logger.info("code of %s in MLflow: %s", code.name, code.listing())
        yield sorted(str(path) for path in Path(folder).iterdir())


def _requirements(code: NetworkCode | None) -> list[str]:
    """With the versions of this machine; PyTorch's name the kind of its build too, which no index
    knows.
    """
    names = {name.lower(): name for name in (*REQUIREMENTS, *(code.distributions if code else ()))}
    return [f"{name}=={version(name).split('+')[0]}" for name in names.values()]


def _input_example(store: SensorStore, description: Description) -> pd.DataFrame:
    """The last window of the store, active sensors only."""
    rows = slice(-description.model.window, None)
    readings = store.readings
    values = np.where(readings.observed[rows], readings.values[rows], np.nan)[
        :, np.array(description.active)
    ]
    every = pd.DataFrame(
        values.reshape(len(values), -1).astype(np.float64), columns=reading_columns(description)
    )
    table = every[input_columns(description)].copy()
    clock, time = description.clock, readings.time[rows]
    table.insert(0, "time", time if clock.unit == "step" else clock.labels(time))
    return table


def _signature(example: pd.DataFrame, forecast: pd.DataFrame) -> mlflow.models.ModelSignature:
    """Of the output: the model reads its input itself, so that it can say what is wrong."""
    inferred = mlflow.models.infer_signature(example, forecast)
    return mlflow.models.ModelSignature(outputs=inferred.outputs)
