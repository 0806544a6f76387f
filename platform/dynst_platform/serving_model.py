"""The model that MLflow loads: models-from-code, so that no pickle is needed.

Input is a table with one row a step: a ``time`` column and one column for each active sensor (``sensor/channel`` where there are
several channels), in any order; the last ``window`` rows are read. Output has one row a forecast step and one column for each
location of the network, the switched-off ones included.
"""

from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd

from dynst.artifact import Description, load_artifact
from dynst.errors import ArtifactError

__all__ = ["ServingModel", "input_columns", "output_columns"]


def input_columns(description: Description) -> list[str]:
    """One column for each active sensor and channel, sensors outermost."""
    return _columns(description.active_sensors, list(description.channels))


def output_columns(description: Description) -> list[str]:
    return _columns(list(description.sensors), [description.channels[target] for target in description.targets])


def _columns(sensors: list[str], channels: list[str]) -> list[str]:
    if len(channels) == 1:
        return sensors
    return [f"{sensor}/{channel}" for sensor in sensors for channel in channels]


class ServingModel(mlflow.pyfunc.PythonModel):  # type: ignore[misc]
    def load_context(self, context: Any) -> None:
        self.artifact = load_artifact(Path(context.artifacts["model"]))

    def predict(self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        description = self.artifact.description
        window, columns = description.model.window, input_columns(description)
        absent = [name for name in ("time", *columns) if name not in model_input]
        if absent:
            raise ArtifactError(
                f"the model needs a column '{absent[0]}' ({len(absent)} are absent); give 'time' and every active sensor"
            )
        if len(model_input) < window:
            raise ArtifactError(f"the model reads the last {window} steps, but got {len(model_input)} rows; give more history")
        rows = model_input.iloc[-window:]
        time = pd.to_datetime(rows["time"]).to_numpy().astype("datetime64[s]").astype(np.int64)
        readings = rows[columns].to_numpy(np.float32).reshape(window, -1, len(description.channels))
        ahead, forecast = self.artifact.forecast(time, readings)
        table = pd.DataFrame(forecast.reshape(len(ahead), -1), columns=output_columns(description))
        table.insert(0, "time", ahead.astype("datetime64[s]").astype("datetime64[ns]"))
        return table


mlflow.models.set_model(ServingModel())
