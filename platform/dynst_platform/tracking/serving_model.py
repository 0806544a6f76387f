"""The model that MLflow loads: models-from-code, so that no pickle is needed.

Input is a table with one row a step: a ``time`` column and one column for each active sensor
(``sensor/channel`` where there are several channels, as in patches of a grid: ``r2c5/slp[0,1]``),
in any order. ``time`` holds datetimes, or texts as ``dynst forecast`` prints them, with their
offset where the zone of the model's times is known; steps that are left out are missing. The last
``window`` steps are read. Output has one row a forecast step and one column for each location of
the network, the switched-off ones included.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd

from dynst.data.moments import moments_of
from dynst.errors import ArtifactError
from dynst.models.artifact import Artifact, Description, load_artifact

__all__ = [
    "ServingModel",
    "forecast_frame",
    "forecast_table",
    "input_columns",
    "output_columns",
    "reading_columns",
]


def reading_columns(description: Description) -> list[str]:
    """One column for each active sensor and channel, sensors outermost: the order of the model's
    readings.
    """
    return _columns(
        description, np.flatnonzero(description.active), range(len(description.channels))
    )


def input_columns(description: Description) -> list[str]:
    """Those of the reading columns that can hold a reading.

    A patch of a grid may have some that cannot.
    """
    return _not_blank(description, reading_columns(description))


def output_columns(description: Description) -> list[str]:
    return _not_blank(description, _forecast_columns(description))


def _forecast_columns(description: Description) -> list[str]:
    return _columns(description, range(len(description.sensors)), description.targets)


def _columns(
    description: Description, sensors: Iterable[int], channels: Iterable[int]
) -> list[str]:
    names, channels = description.channels, list(channels)
    if len(channels) == 1:
        return [description.sensors[sensor] for sensor in sensors]
    return [
        f"{description.sensors[sensor]}/{names[channel]}"
        for sensor in sensors
        for channel in channels
    ]


def _not_blank(description: Description, columns: list[str]) -> list[str]:
    absent = {
        f"{description.sensors[sensor]}/{description.channels[channel]}"
        for sensor, channel in description.blank
    }
    return [name for name in columns if name not in absent]


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
    every = pd.DataFrame(forecast.reshape(len(ahead), -1), columns=_forecast_columns(description))
    out = every[output_columns(description)].copy()
    out.insert(0, "time", description.clock.column(ahead))
    return out


mlflow.models.set_model(ServingModel())
