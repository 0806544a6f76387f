"""Errors taken apart: by group of sensors, by target channel, and by horizon step, as figures and as one tidy table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from dynst.metrics import ErrorTable

__all__ = ["StepError", "errors_by_step", "overall_errors", "sensor_groups"]

MEASURES = {"mae": ErrorTable.mae, "rmse": ErrorTable.rmse, "mape": ErrorTable.mape, "wape": ErrorTable.wape}


@dataclass(frozen=True)
class StepError:
    """One row of the table: how well one forecaster does at one step ahead, in the channel's own unit."""

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
    """ALL, ACTIVE and INACTIVE sensors as bool ``[S]``; None is everyone. Without a sensor that is off there is no third group."""
    return {"all": None, "active": active} | ({} if active.all() else {"inactive": ~active})


def overall_errors(errors: ErrorTable, groups: Mapping[str, Tensor | None], channels: Sequence[str]) -> dict[str, float]:
    """``measure_group`` over all steps; where there are several channels, also ``measure_group.channel`` in each one's own unit."""
    tables = {"": errors}
    if len(channels) > 1:
        tables |= {f".{channel}": errors.only(number) for number, channel in enumerate(channels)}
    return {
        f"{measure}_{group}{suffix}": compute(table, sensors)
        for suffix, table in tables.items()
        for measure, compute in MEASURES.items()
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
