"""Errors taken apart: by group of sensors, by target channel, and by horizon step, as figures and
as one tidy table.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from dynst.evaluation.error_table import ErrorTable

__all__ = ["StepError", "errors_by_step", "overall_errors", "sensor_groups"]

MEASURES = {
    "mae": ErrorTable.mae,
    "rmse": ErrorTable.rmse,
    "mape": ErrorTable.mape,
    "wape": ErrorTable.wape,
}
MAX_NAMED = 20


@dataclass(frozen=True)
class StepError:
    """One row of the table: how well one forecaster does at one step ahead, in the channel's own
    unit.
    """

    forecaster: str
    group: str  # all, active, inactive
    channel: str
    step: int  # 1 is the next step
    minutes_ahead: float | None  # None where the series has no clock
    mae: float
    rmse: float
    mape: float  # a fraction, over entries whose truth is not zero
    wape: float  # a fraction
    count: int  # observed entries that were forecast


def sensor_groups(active: Tensor) -> dict[str, Tensor | None]:
    """ALL, ACTIVE and INACTIVE sensors as bool ``[S]``; None is everyone.

    Without a sensor that is off there is no third group.
    """
    return {"all": None, "active": active} | ({} if active.all() else {"inactive": ~active})


def overall_errors(
    errors: ErrorTable, groups: Mapping[str, Tensor | None], channels: Sequence[str]
) -> dict[str, float]:
    """``measure_group`` over all steps.

    For each of several channels also ``mae_group.channel`` in its own unit.

    Of more than 20 channels no single figures are given: a run's list of figures has to stay
    readable, and short enough for MLflow.
    """
    figures = {
        f"{measure}_{group}": compute(errors, sensors)
        for measure, compute in MEASURES.items()
        for group, sensors in groups.items()
    }
    named = channels if 1 < len(channels) <= MAX_NAMED else ()
    return figures | {
        f"mae_{group}.{channel}": errors.only(number).mae(sensors)
        for number, channel in enumerate(named)
        for group, sensors in groups.items()
    }


def errors_by_step(
    forecaster: str,
    errors: ErrorTable,
    groups: Mapping[str, Tensor | None],
    channels: Sequence[str],
    step_minutes: float | None = None,
) -> list[StepError]:
    """The rows of one forecaster, channel by channel and group by group."""
    return [
        StepError(
            forecaster,
            group,
            channel,
            step + 1,
            None if step_minutes is None else step_minutes * (step + 1),
            **{measure: compute(table, sensors, step) for measure, compute in MEASURES.items()},
            count=table.num_observed(sensors, step),
        )
        for channel, table in ((name, errors.only(number)) for number, name in enumerate(channels))
        for group, sensors in groups.items()
        for step in range(errors.count.shape[0])
    ]
