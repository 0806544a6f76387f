"""A model for Python programs: checked, and run by the DynST that is installed."""

import shutil
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from weakref import finalize

import pandas as pd
from mlflow.models import Model
from mlflow.pyfunc import PyFuncModel

from dynst.models.artifact import load_artifact
from dynst.storage.scratch import scratch_folder
from dynst_platform.config.locations import tracking_uri
from dynst_platform.model_registry.references import Fetched, fetched, model_id_of
from dynst_platform.network_code.own_modules import OwnModules
from dynst_platform.tracking.clients import reader_of
from dynst_platform.tracking.serving_model import forecast_table

__all__ = ["load_model"]


def load_model(reference: str, *, trust_code: bool = False) -> PyFuncModel:
    """A logged model whose files were all checked before any of them is used.

    Nothing that was logged is run but the network of a user's own, once that is trusted: the table
    is read and written by the DynST that is installed. ``mlflow.pyfunc.load_model`` runs what is
    logged, unverified.

    Args:
        reference: a registered name (its champion), ``NAME/3`` (a version), or the id of a run.
        trust_code: whether the code of its own network may run here from now on.

    Returns:
        As ``mlflow.pyfunc.load_model`` does: ``predict`` takes a table with ``time`` and a column
        for each active sensor.

    Raises:
        ConfigError: there is no such model.
        ArtifactError: its files are not those that were logged.
        RefusedError: it runs code that is not trusted here; its notes name the files.
        TrackingError: the tracking store cannot be reached.

    Example:
        >>> load_model("auckland").predict(table)  # doctest: +SKIP
    """
    uri = tracking_uri()
    client = reader_of(uri)
    with fetched(client, uri, model_id_of(client, uri, reference), trust_code) as found:
        described = Model.load(str(found.root))
        model = PyFuncModel(described, _Checked(found), model_id=found.model.model_id)
        model.input_example = described.load_input_example(str(found.root))
    return model


class _Checked:
    """What MLflow calls: the artifact, with its own network's modules for as long as it lives."""

    def __init__(self, found: Fetched) -> None:
        self._modules = OwnModules(self._kept(found.code))
        with self._modules:
            self._artifact = load_artifact(found.folder)

    def _kept(self, code: Path | None) -> Path | None:
        if code is None:
            return None
        stack = ExitStack()
        folder = stack.enter_context(scratch_folder())
        finalize(self, stack.close)
        return Path(shutil.copytree(code, folder, dirs_exist_ok=True))

    def predict(self, table: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        with self._modules:
            return forecast_table(self._artifact, table)
