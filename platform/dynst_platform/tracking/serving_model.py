"""The model that MLflow loads: models-from-code, so that no pickle is needed.

Input is a table with one row a step: a ``time`` column and one column for each active sensor,
in any order; other columns are ignored. It is called as the sensor; ``sensor/channel`` where there
are several channels, as in patches of a grid (``r2c5/slp[0,1]``); ``time/channel`` for a sensor
called ``time``. ``time`` holds datetimes, or texts as ``dynst forecast``
prints them, with their offset where the zone of the model's times is known. Rows are in order of
time; steps that are left out are missing, and rows must cover the last ``window`` steps. Output has
one row a forecast step and one column for each location of the network, the switched-off ones
included.

The logged signature describes the output alone. With one of the input MLflow would convert columns
before they are read here: numbers to dates as if they were nanoseconds, and no CSV at all.
"""

import json
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE

from dynst.data.input_table import readings_of, table_of
from dynst.data.moments import moments_of
from dynst.errors import ArtifactError, DynstError
from dynst.models.artifact import Artifact, Description, load_artifact
from dynst.models.columns import (
    forecast_columns,
    input_columns,
    output_columns,
    reading_columns,
)
from dynst.models.last_window import last_window

__all__ = ["ServingModel", "forecast_frame", "forecast_table"]


class ServingModel(mlflow.pyfunc.PythonModel):  # type: ignore[misc]
    def load_context(self, context: Any) -> None:
        self.artifact = load_artifact(Path(context.artifacts["model"]))

    def predict(
        self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> pd.DataFrame:
        """``model_input`` is what the scoring server makes of a JSON, too: columns or records."""
        try:
            return forecast_table(self.artifact, model_input)
        except DynstError as error:
            raise RefusedInput(error) from error


class RefusedInput(MlflowException):  # type: ignore[misc]
    """Wrong input: the scoring server answers 400 with our sentence alone.

    MLflow would put the rows before it.
    """

    def __init__(self, error: DynstError) -> None:
        super().__init__(str(error), error_code=INVALID_PARAMETER_VALUE)

    def serialize_as_json(self) -> str:
        return json.dumps({"error_code": self.error_code, "message": str(self)})


def forecast_table(artifact: Artifact, given: Any) -> pd.DataFrame:
    """A row for each step ahead, from a table as the module describes it.

    Raises:
        ArtifactError: a column is absent, rows cover too few steps, or have another step or order.
        DataError: ``time`` holds no times of the model's clock, or a reading is no finite number.
    """
    description, table = artifact.description, table_of(given)
    _check_columns(table, description)
    window, columns, clock = description.model.window, input_columns(description), description.clock
    if not len(table):
        raise ArtifactError(
            f"the model reads the last {window} steps, but got no row; give more history"
        )
    time = moments_of(table["time"], clock)
    every = pd.DataFrame(readings_of(table, columns), columns=columns)
    raw = every.reindex(columns=reading_columns(description)).to_numpy(np.float32)
    steps, readings = last_window(
        time, raw.reshape(len(raw), -1, len(description.channels)), window, description.step, clock
    )
    if steps[0] < time[0]:
        raise ArtifactError(
            f"the model reads the last {window} steps, from {clock.label(int(steps[0]))} on, but "
            f"the rows begin with {clock.label(int(time[0]))}; give more history"
        )
    if np.isnan(readings).all():
        raise ArtifactError(
            f"the last {window} steps up to {clock.label(int(steps[-1]))} must hold at least one "
            f"reading, but all are missing; a forecast would be the seasonal profile alone"
        )
    return forecast_frame(artifact, steps, readings)


def _check_columns(table: pd.DataFrame, description: Description) -> None:
    """The table has each column of the model's input once; others are ignored."""
    needed = ["time", *input_columns(description)]
    absent = [name for name in needed if name not in table]
    if absent:
        others = f" and {len(absent) - 1} more are" if len(absent) > 1 else " is"
        raise ArtifactError(
            f"the model reads 'time' and a column for each active sensor, but '{absent[0]}'"
            f"{others} absent; a sensor without readings has an empty column"
        )
    own = {*needed, *output_columns(description)}
    twice = set(table.columns[table.columns.duplicated()])
    for name in needed:
        # pandas reads the second column "a" of a CSV as "a.1"
        if name in twice or (f"{name}.1" in table and f"{name}.1" not in own):
            raise ArtifactError(
                f"each column must stand in the table once, but '{name}' stands there twice; leave "
                f"one of them out"
            )


def forecast_frame(artifact: Artifact, time: np.ndarray, readings: np.ndarray) -> pd.DataFrame:
    """``Artifact.forecast`` as a table: a row for each step ahead, a column for each location.

    Args:
        artifact: the model.
        time: ``[T]`` int64 as its clock counts them.
        readings: ``[T, K, C]`` of its active sensors.
    """
    description = artifact.description
    ahead, forecast = artifact.forecast(time, readings)
    every = pd.DataFrame(forecast.reshape(len(ahead), -1), columns=forecast_columns(description))
    out = every[output_columns(description)].copy()
    out.insert(0, "time", description.clock.column(ahead))
    return out


mlflow.models.set_model(ServingModel())
