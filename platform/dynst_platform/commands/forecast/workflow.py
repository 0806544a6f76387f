"""The use case behind ``dynst forecast``: a model on new readings of its active sensors, for all
locations.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from dynst.data.clock import Clock, step_text
from dynst.data.store import SensorStore
from dynst.errors import DataError
from dynst.models.artifact import Artifact
from dynst.models.last_window import last_window
from dynst_platform.config.job import UseGpu
from dynst_platform.config.locations import tracking_uri
from dynst_platform.config.stores import find_store
from dynst_platform.execution.computing import computing_here
from dynst_platform.log import quiet_libraries
from dynst_platform.model_registry.references import fetched, model_id_of
from dynst_platform.tracking.clients import reader_of
from dynst_platform.tracking.serving_model import forecast_frame

__all__ = ["Forecast", "forecast"]


@dataclass(frozen=True)
class Forecast:
    """``table``: a row for each step ahead, a column for each location.

    The other fields report which readings were missing.
    """

    table: pd.DataFrame
    until: str  # time of the last reading, with what is known of its zone
    absent: list[str]  # active sensors that the store does not have
    missing: float  # share of the readings of the window that were not there


def forecast(
    reference: str, store_name: str, trust_code: bool = False, use_gpu: UseGpu = "auto"
) -> Forecast:
    """From the last readings of a store that needs no others than the active sensors.

    A reading that is missing is read as the location's profile of that hour, and known to the model
    as missing. With ``trust_code`` the code of the model's own network may run from now on.
    ``use_gpu`` is that of ``computing_here``.

    Raises:
        ConfigError: no such model.
        RefusedError: it runs code that is not trusted here.
        DataError: the store's step, channels or units differ, it is too short, or has none of the
            active sensors.
        RunError: a GPU is demanded, and PyTorch sees none.
    """
    quiet_libraries()
    uri = tracking_uri()
    client = reader_of(uri)
    with fetched(client, uri, model_id_of(client, uri, reference), trust_code) as found:
        store = find_store(store_name, found.job.data.patch)
        _check(found.artifact, store)
        with computing_here(use_gpu) as device:
            return _forecast(found.artifact.on(device), store)


def _check(artifact: Artifact, store: SensorStore) -> None:
    description, manifest = artifact.description, store.manifest
    if (manifest.step, manifest.clock.unit) != (description.step, description.clock.unit):
        raise DataError(
            f"the model reads a step every {step_text(description.step, description.clock.unit)}, "
            f"but the store at {store.path} has one every {manifest.step_text}; import it again "
            f"with --resample"
        )
    if tuple(store.channel_names) != description.channels:
        raise DataError(
            f"the model reads the channels {', '.join(description.channels)}, but the store at "
            f"{store.path} has {', '.join(store.channel_names)}"
        )
    for ours, channel in zip(description.units or (), manifest.channels, strict=False):
        if ours and channel.unit and ours != channel.unit:
            raise DataError(
                f"the model reads {channel.name} in {ours}, but the store at {store.path} has it "
                f"in {channel.unit}; convert the readings and import them again"
            )
    if manifest.num_steps < description.model.window:
        raise DataError(
            f"the model reads {description.model.window} steps, but the store at {store.path} has "
            f"{manifest.num_steps}"
        )
    if not set(description.active_sensors) & set(store.sensors.ids):
        raise DataError(
            f"the store at {store.path} has none of the model's {len(description.active_sensors)} "
            f"active sensors; the first is "
            f"'{description.active_sensors[0]}', the store's first is '{store.sensors.ids[0]}'"
        )


def _times(time: np.ndarray, own: Clock, models: Clock) -> np.ndarray:
    """A store's times as the model's clock counts them.

    Raises:
        DataError: the zone of one of them is unknown, or their calendars differ.
    """
    if own.calendar != models.calendar:
        raise DataError(
            f"the model's times are of the calendar {models.calendar}, but the store's are of "
            f"{own.calendar}; import readings of the same calendar"
        )
    if own.unit != "second" or (own.zone is None) == (models.zone is None):
        return time
    if models.zone is None:
        return own.local(time)
    raise DataError(
        f"the model's times are of {models.describe()}, but the zone of the store's is unknown; "
        f"import the readings again with --zone"
    )


def _forecast(artifact: Artifact, store: SensorStore) -> Forecast:
    description, rows = artifact.description, slice(-artifact.description.model.window, None)
    place = {name: number for number, name in enumerate(store.sensors.ids)}
    values = np.full(
        (description.model.window, len(description.active_sensors), len(description.channels)),
        np.nan,
        np.float32,
    )
    known = [number for number, name in enumerate(description.active_sensors) if name in place]
    own = [place[description.active_sensors[number]] for number in known]
    readings = store.readings
    values[:, known] = np.where(
        readings.observed[rows][:, own], readings.values[rows][:, own], np.nan
    )
    clock = description.clock
    time, values = last_window(
        _times(readings.time[rows], store.manifest.clock, clock),
        values,
        description.model.window,
        description.step,
        clock,
    )
    return Forecast(
        table=forecast_frame(artifact, time, values),
        until=f"{clock.label(int(time[-1]))}" + ("" if clock.zone else f" ({clock.describe()})"),
        absent=[name for name in description.active_sensors if name not in place],
        missing=float(np.isnan(values).mean()),
    )
