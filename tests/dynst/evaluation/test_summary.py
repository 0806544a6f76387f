"""Errors taken apart, on a table that can be checked by hand: two channels, three sensors, two
steps.
"""

import math
from dataclasses import replace

import pytest
import torch

from dynst.evaluation.error_table import ErrorTable
from dynst.evaluation.summary import StepError, errors_by_step, overall_errors, sensor_groups

ACTIVE = torch.tensor([True, True, False])
CHANNELS = ["flow", "speed"]


@pytest.fixture
def errors() -> ErrorTable:
    """Flow is wrong by 1, 2, 3 at the first step and by 4, 5, 6 at the second, where the last
    sensor was not observed; its truth is 10 throughout. Speed is wrong by ten times as much,
    with a truth of 0 at the first sensor and 100 elsewhere.
    """
    flow = torch.arange(1.0, 7.0).view(1, 2, 3)
    error = torch.stack([flow, 10 * flow], dim=-1)
    truth = torch.tensor([10.0, 100.0]).expand(error.shape).clone()
    truth[:, :, 0, 1] = 0
    observed = torch.ones(error.shape, dtype=torch.bool)
    observed[:, 1, 2] = False
    table = ErrorTable.zeros(2, 3, 2, weight=torch.tensor([1.0, 0.1]))
    table.add(error, truth, observed)
    return table


def test_a_row_for_each_channel_group_and_step(errors: ErrorTable) -> None:
    rows = errors_by_step("dynst", errors, sensor_groups(ACTIVE), CHANNELS, step_minutes=5)
    assert [(row.channel, row.group, row.step, row.minutes_ahead) for row in rows] == [
        (channel, group, step, 5.0 * step)
        for channel in CHANNELS
        for group in ("all", "active", "inactive")
        for step in (1, 2)
    ]
    found = {(row.channel, row.group, row.step): row for row in rows}
    assert rounded(found["flow", "all", 1]) == StepError(
        "dynst", "all", "flow", 1, 5.0, 2.0, 2.1602, 0.2, 0.2, 3
    )
    assert rounded(found["flow", "active", 2]) == StepError(
        "dynst", "active", "flow", 2, 10.0, 4.5, 4.5277, 0.45, 0.45, 2
    )
    assert rounded(found["speed", "active", 1]) == StepError(
        "dynst", "active", "speed", 1, 5.0, 15.0, 15.8114, 0.2, 0.3, 2
    )
    unseen = found["flow", "inactive", 2]
    assert unseen.count == 0
    assert all(math.isnan(value) for value in (unseen.mae, unseen.rmse, unseen.mape, unseen.wape))


def rounded(row: StepError) -> StepError:
    return replace(
        row, **{name: round(getattr(row, name), 4) for name in ("mae", "rmse", "mape", "wape")}
    )


def test_overall_figures_name_channels_only_where_there_are_several(errors: ErrorTable) -> None:
    figures = overall_errors(errors, sensor_groups(ACTIVE), CHANNELS)
    assert figures["mae_all"] == pytest.approx(3.0)
    assert figures["mae_inactive"] == pytest.approx(3.0)
    assert (figures["mae_all.flow"], figures["mae_all.speed"]) == (3.0, 30.0)
    assert {name for name in figures if "." in name} == {
        f"mae_{group}.{channel}" for group in ("all", "active", "inactive") for channel in CHANNELS
    }
    assert set(overall_errors(errors.only(0), sensor_groups(ACTIVE), ["flow"])) == {
        f"{measure}_{group}"
        for measure in ("mae", "rmse", "mape", "wape")
        for group in ("all", "active", "inactive")
    }


def test_a_dense_forecaster_has_no_inactive_group() -> None:
    assert list(sensor_groups(torch.tensor([True, True]))) == ["all", "active"]
