"""Columns that stay are copied once, and not a byte of a batch is another."""

import pytest
import torch
from torch import Tensor

import dynst.data.kept_columns as module
from dynst.data.gather import gather
from dynst.data.kept_columns import KeptColumns

STEPS, SENSORS, CHANNELS, LENGTH, BATCH = 60, 7, 2, 5, 4


def rows(dtype: torch.dtype = torch.float32) -> Tensor:
    values = torch.randn(STEPS, SENSORS, CHANNELS, generator=torch.Generator().manual_seed(0))
    return values > 0 if dtype == torch.bool else values


def starts(number: int) -> Tensor:
    generator = torch.Generator().manual_seed(number)
    return torch.randint(0, STEPS - LENGTH + 1, (BATCH,), generator=generator)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Tensor]:
    """The sensors of each batch whose columns were chosen anew."""
    chosen: list[Tensor] = []

    def counting(rows: Tensor, first: Tensor, length: int, sensors: Tensor) -> Tensor:
        chosen.append(sensors)
        return gather(rows, first, length, sensors)

    monkeypatch.setattr(module, "gather", counting)
    return chosen


@pytest.mark.parametrize("dtype", [torch.float32, torch.bool])
def test_columns_that_stay_are_chosen_as_often_as_a_copy_of_them_takes(
    dtype: torch.dtype, asked: list[Tensor]
) -> None:
    series, some, others = rows(dtype), torch.tensor([1, 2, 5]), torch.tensor([1, 2, 6])
    columns = KeptColumns(series)
    for sensors in (some, others, some):
        before = len(asked)
        for number in range(2 * STEPS // (BATCH * LENGTH)):
            served = columns.gather(starts(number), LENGTH, sensors)
            assert served.dtype == dtype
            assert torch.equal(
                served, series[starts(number)[:, None] + torch.arange(LENGTH)][:, :, sensors]
            )
        assert len(asked) - before == STEPS // (BATCH * LENGTH) - 1


def test_sensors_that_change_with_every_batch_are_never_copied(asked: list[Tensor]) -> None:
    columns = KeptColumns(rows())
    for number in range(40):
        columns.gather(starts(number), LENGTH, torch.tensor([number % 2, 3]))
    assert len(asked) == 40
    assert columns._columns is None


def test_a_choice_that_its_owner_changes_afterwards_is_another(asked: list[Tensor]) -> None:
    series, sensors = rows(), torch.tensor([0, 1])
    columns = KeptColumns(series)
    for number in range(10):
        columns.gather(starts(number), LENGTH, sensors)
    sensors[1] = 4
    served = columns.gather(starts(0), LENGTH, sensors)
    assert torch.equal(served, gather(series, starts(0), LENGTH, torch.tensor([0, 4])))


def test_no_copy_is_made_that_is_too_large(
    asked: list[Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    series, sensors = rows(), torch.tensor([0, 3])
    for most, kept in ((series[:, sensors].nbytes, True), (series[:, sensors].nbytes - 1, False)):
        monkeypatch.setattr(module, "MOST_BYTES", most)
        columns = KeptColumns(series)
        for number in range(10):
            columns.gather(starts(number), LENGTH, sensors)
        assert (columns._columns is not None) == kept


def test_all_sensors_are_read_where_they_lie(asked: list[Tensor]) -> None:
    series = rows()
    columns = KeptColumns(series)
    for number in range(10):
        served = columns.gather(starts(number), LENGTH, torch.arange(SENSORS))
        assert torch.equal(served, series[starts(number)[:, None] + torch.arange(LENGTH)])
    assert columns._columns is None


def test_none_is_a_choice_too() -> None:
    columns, none = KeptColumns(rows()), torch.tensor([], dtype=torch.int64)
    for number in range(10):
        assert columns.gather(starts(number), LENGTH, none).shape == (BATCH, LENGTH, 0, CHANNELS)
