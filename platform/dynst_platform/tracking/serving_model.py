"""The model that MLflow loads: models-from-code, so that no pickle is needed.

Input is a table with one row a step: a ``time`` column and one column for each active sensor, in
any order. It is called as the sensor; ``sensor/channel`` where there are several channels, as in
patches of a grid (``r2c5/slp[0,1]``); ``time/channel`` for a sensor called ``time``. ``time`` holds
datetimes, or texts as ``dynst forecast`` prints them, with their offset where the zone of the
model's times is known; steps that are left out are missing. The last ``window`` steps are read.
Output has one row a forecast step and one column for each location of the network, the switched-off
ones included.
"""

from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd

from dynst.data.moments import moments_of
from dynst.errors import ArtifactError
from dynst.models.artifact import Artifact, load_artifact
from dynst.models.columns import (
    forecast_columns,
    input_columns,
    output_columns,
    reading_columns,
)

__all__ = ["ServingModel", "forecast_frame", "forecast_table"]


class ServingModel(mlflow.pyfunc.PythonModel):  # type: ignore[misc]
    def load_context(self, context: Any) -> None:
        self.artifact = load_artifact(Path(context.artifacts["model"]))

    def predict(
        self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> pd.DataFrame:
        return forecast_table(self.artifact, model_input)


def forecast_table(artifact: Artifact, table: pd.DataFrame) -> pd.DataFrame:
    """A row for each step ahead, from a table as the module describes it.

    Raises:
        ArtifactError: a column is absent, there are too few rows, or they have another step.
        DataError: ``time`` holds no times of the model's clock.
    """
    description = artifact.description
    window, columns = description.model.window, input_columns(description)
    absent = [name for name in ("time", *columns) if name not in table]
    if absent:
        raise ArtifactError(
            f"the model needs a column '{absent[0]}' ({len(absent)} are absent); give 'time' and "
            f"every active sensor"
        )
    if len(table) < window:
        raise ArtifactError(
            f"the model reads the last {window} steps, but got {len(table)} rows; give more history"
        )
    rows = table.iloc[-window:]
    time = moments_of(rows["time"], description.clock)
    raw = rows[columns].reindex(columns=reading_columns(description)).to_numpy(np.float32)
    return forecast_frame(artifact, time, raw.reshape(window, -1, len(description.channels)))


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
