"""Blocks of time: what the search compares on is never trained on, and no block is seen twice."""

from collections import Counter
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from dynst.data.clock import SECONDS, Clock
from dynst.data.series import Series
from dynst.data.windows import Windows, chronological_splits, window_starts
from dynst.selection.time_blocks import Block, TimeBlocks, blocks_of, time_blocks

MINUTE, HOUR, DAY, WEEK = 60, 3_600, 86_400, 604_800
MONTHS, STEPS = Clock(unit="month"), Clock(unit="step")


def parts(
    steps: int, step: int, window: int, horizon: int, time: Tensor | None = None
) -> tuple[Windows, Windows]:
    time = step * torch.arange(steps) if time is None else time
    empty = torch.zeros(len(time), 1, 1)
    series = Series(time, empty, empty > 0, torch.zeros(len(time), 6))
    splits = chronological_splits(len(time))
    train, val = (
        Windows(series, window_starts(time, rows, window, horizon), window, horizon, torch.zeros(1))
        for rows in (splits.train, splits.val)
    )
    return train, val


def target_rows(windows: Windows, index: Tensor) -> set[int]:
    ahead = windows.starts[index] + windows.window
    return set((ahead[:, None] + torch.arange(windows.horizon)).flatten().tolist())


CASES = {
    "a week of five minutes": (2016, 5 * MINUTE, 12, 12, SECONDS),
    "three years of hours": (26_000, HOUR, 24, 12, SECONDS),
    "a long horizon": (26_000, HOUR, 24, 48, SECONDS),
    "thirty years of days": (10_958, DAY, 7, 3, SECONDS),
    "months": (1536, 1, 12, 3, MONTHS),
    "steps": (3000, 1, 12, 12, STEPS),
    "very few": (60, HOUR, 4, 2, SECONDS),
}


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> tuple[Windows, Windows, TimeBlocks]:
    steps, step, window, horizon, clock = CASES[request.param]
    train, val = parts(steps, step, window, horizon)
    return train, val, time_blocks(train, val, step, clock)


def test_no_target_of_a_block_is_trained_on_and_none_is_in_two_blocks(
    case: tuple[Windows, Windows, TimeBlocks],
) -> None:
    train, _, blocks = case
    seen = target_rows(train, blocks.fitted)
    for block in (*blocks.search, *blocks.confirm):
        rows = target_rows(*block)
        assert not rows & seen
        seen |= rows


def test_all_windows_of_a_part_lie_in_one_block_each(
    case: tuple[Windows, Windows, TimeBlocks],
) -> None:
    _, val, blocks = case
    found = blocks_of(val, blocks.length)
    assert torch.cat([index for _, index in found]).tolist() == list(range(len(val)))
    firsts = [val.series.time[val.starts[index] + val.window] for _, index in found]
    assert all(int(first.max() - first.min()) < blocks.length for first in firsts)


def test_most_of_the_training_part_is_trained_on(case: tuple[Windows, Windows, TimeBlocks]) -> None:
    train, _, blocks = case
    assert 0.6 * len(train) < len(blocks.fitted) < len(train)


def test_search_and_confirmation_have_equally_many_of_both_parts(
    case: tuple[Windows, Windows, TimeBlocks],
) -> None:
    train, val, blocks = case
    for part in (train, val):
        search, confirm = (
            sum(windows is part for windows, _ in found)
            for found in (blocks.search, blocks.confirm)
        )
        assert abs(search - confirm) <= 1
    assert 0 <= len(blocks.search) - len(blocks.confirm) <= 1


@pytest.mark.parametrize(
    ("name", "length"),
    [
        ("a week of five minutes", 2 * HOUR),
        ("three years of hours", WEEK),
        ("a long horizon", WEEK),
        ("thirty years of days", 4 * WEEK),
        ("months", 12),
        ("steps", 24),
    ],
)
def test_a_block_is_the_longest_natural_length_of_which_there_are_enough(
    name: str, length: int
) -> None:
    steps, step, window, horizon, clock = CASES[name]
    found = time_blocks(*parts(steps, step, window, horizon), step, clock)
    assert found.length == length
    assert len(found.search) + len(found.confirm) >= 17


def test_blocks_follow_the_clock_where_the_series_has_gaps() -> None:
    """Eighteen hours a day, as a metro runs."""
    day = torch.arange(108) * 600
    time = torch.cat([day + number * DAY for number in range(60)])
    train, val = parts(0, 600, 12, 6, time)
    blocks = time_blocks(train, val, 600, SECONDS)
    assert DAY % blocks.length == 0
    for windows, index in (*blocks.search, *blocks.confirm):
        first = windows.series.time[windows.starts[index] + windows.window]
        assert int(first.max() - first.min()) < blocks.length


def test_nothing_is_withheld_where_nobody_searches() -> None:
    train, val = parts(2016, 300, 12, 12)
    blocks = time_blocks(train, val, 300, SECONDS, withhold=False)
    assert torch.equal(blocks.fitted, torch.arange(len(train)))
    assert {id(windows) for windows, _ in (*blocks.search, *blocks.confirm)} == {id(val)}


def test_a_validation_part_shorter_than_a_block_is_one() -> None:
    train, val = parts(200, HOUR, 4, 2)
    short = replace(val, starts=val.starts[:1])
    blocks = time_blocks(train, short, HOUR, SECONDS, withhold=False)
    assert [len(index) for _, index in blocks.search] == [1]
    assert blocks.confirm == ()


@pytest.mark.parametrize(
    ("days", "step"), [(60, HOUR), (80, HOUR), (31, HOUR // 2), (25, 600), (7, 300)]
)
def test_search_and_confirmation_see_the_same_times_of_the_day(days: int, step: int) -> None:
    train, val = parts(days * DAY // step, step, 12, 6)
    blocks = time_blocks(train, val, step, SECONDS)
    assert blocks.length < DAY
    for part in (train, val):
        seen = [phases(found, part, blocks.length) for found in (blocks.search, blocks.confirm)]
        both = sum((each for each in seen), Counter())
        for phase, number in both.items():
            assert abs(seen[0][phase] - seen[1][phase]) <= 1, (phase, number)
        assert abs(seen[0].total() - seen[1].total()) <= 1


def phases(found: tuple[Block, ...], part: Windows, length: int) -> Counter[int]:
    """How many blocks of a part begin at each time of the day."""
    origin = part.series.time[part.starts[0] + part.window]
    times = (
        part.series.time[windows.starts[index[0]] + windows.window] - origin
        for windows, index in found
        if windows is part
    )
    return Counter(int(time) % DAY // length for time in times)


def test_without_withheld_blocks_the_validation_part_alone_decides_their_length() -> None:
    train, val = parts(100 * 24, HOUR, 24, 6)
    alone, both = (
        time_blocks(train, val, HOUR, SECONDS, withhold=withhold) for withhold in (False, True)
    )
    assert alone.length < both.length
    assert len(alone.search) + len(alone.confirm) >= 17


def test_nothing_of_a_block_is_the_present_of_a_window_that_is_trained_on_it() -> None:
    train, val = parts(2016, 300, 12, 12)
    plain, found = (
        time_blocks(train, val, 300, SECONDS, present=present) for present in (False, True)
    )
    assert found.length == plain.length
    assert len(found.fitted) < len(plain.fitted)
    present = set((train.starts[found.fitted] + train.window - 1).tolist())
    for windows, index in (*found.search, *found.confirm):
        assert not target_rows(windows, index) & present
