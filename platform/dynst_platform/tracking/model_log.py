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
from mlflow.models import Model

import dynst
from dynst.data.store import SensorStore
from dynst.models.artifact import artifact_digest, load_artifact
from dynst.models.columns import input_columns, reading_columns
from dynst.storage.scratch import scratch_folder
from dynst_platform.network_code.our_packages import copy_package
from dynst_platform.network_code.selection import NetworkCode
from dynst_platform.tracking import serving_model
from dynst_platform.tracking.model_files import FILES_TAG, WEIGHTS_TAG, write_list

__all__ = ["log_model"]

logger = logging.getLogger(__name__)

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


def log_model(store: SensorStore, folder: Path, step: int, code: NetworkCode | None) -> str:
    """Log the model in ``folder`` to the active run; returns its id.

    Args:
        store: that it was trained on.
        folder: as ``save_arm`` wrote it.
        step: of the training.
        code: of a network of the user's own.
    """
    example = _input_example(store, folder)
    context = type("Context", (), {"artifacts": {"model": str(folder)}})()
    model = serving_model.ServingModel()
    model.load_context(context)
    with _code_paths(code) as paths:
        info = Model.log(
            None,
            _ListedFlavour(folder),
            name="model",
            step=step,
            flavor_name="pyfunc.ModelFromCode",
            python_model=serving_model.__file__,
            artifacts={"model": str(folder)},
            code_paths=paths,
            signature=_signature(example, model.predict(context, example)),
            input_example=example,
            pip_requirements=_requirements(code),
            validate_serving_input=False,  # it would change MLmodel after the list was made
        )
    return str(info.model_id)


class _ListedFlavour:
    """MLflow's flavour of Python functions, with a list of its files.

    The model has its tags before any file is uploaded, so that none is ready without.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def save_model(
        self, path: str, mlflow_model: Model, validate_serving_input: bool, **settings: Any
    ) -> None:
        mlflow.pyfunc.save_model(path=path, mlflow_model=mlflow_model, **settings)
        tags = {WEIGHTS_TAG: artifact_digest(self._folder), FILES_TAG: write_list(Path(path))}
        mlflow.set_logged_model_tags(mlflow_model.model_id, tags)


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


def _input_example(store: SensorStore, folder: Path) -> pd.DataFrame:
    """The last window of the store, active sensors only."""
    description = load_artifact(folder).description
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
