"""Blocks of time that candidates are evaluated on, which the evaluating network was not trained on.

A network flatters the blocks that it was trained on. Neighbouring windows share most of their
readings, so that whole blocks, and not windows, are what a comparison may count.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from dynst.data.clock import Clock
from dynst.data.windows import Windows

__all__ = ["Block", "TimeBlocks", "blocks_of", "time_blocks"]

ENOUGH = 20  # blocks, where the record has as many: half to search, half to confirm
EVERY = 5  # blocks of the training part, of which one is withheld; prime to 7 days and to 2^k a day

Block = tuple[Windows, Tensor]
"""Windows of a part of the series, and which of them lie in the block."""


@dataclass(frozen=True)
class TimeBlocks:
    """How the training and the validation part are divided between learning and choosing.

    Args:
        fitted: ``[·]`` int64, windows of the training part none of whose targets lies in a
            withheld block.
        search: blocks that candidates are compared on, in the order of time.
        confirm: blocks that are looked at once, when the search is over.
        length: of a block, in the clock's unit.
    """

    fitted: Tensor
    search: tuple[Block, ...]
    confirm: tuple[Block, ...]
    length: int


def time_blocks(
    train: Windows,
    val: Windows,
    step: int,
    clock: Clock,
    *,
    withhold: bool = True,
    present: bool = False,
) -> TimeBlocks:
    """Every fifth block of the training part, and all of the validation part.

    They are dealt out in turn to the search and to the confirmation, those of each time of the day
    by themselves, so that both see the whole period and the whole day. A block has the targets of
    its windows; what these read may lie before it.

    Args:
        train: windows of the training part.
        val: windows of the validation part.
        step: between two readings, in the clock's unit.
        clock: of the series.
        withhold: blocks of the training part; else those of the validation part are all.
        present: the last step that a window reads is trained on too.
    """
    length = _length(train, val, step, clock, withhold=withhold)
    first, last = _numbers(train, length)
    numbers = (first, last, _present(train, length))
    withheld, also, now = ((number % EVERY == EVERY // 2) & withhold for number in numbers)
    inside = withheld & (first == last)
    own, later = list(_blocks(train, first, inside)), list(_whole_blocks(val, length))
    if not own and not later:  # a validation part shorter than a block
        later = [(0, (val, torch.arange(len(val))))]
    a_day = max(1, clock.periods[0] // length) if clock.timed else 1
    dealt = [_dealt(own, a_day, 0), _dealt(later, a_day, len(own))]
    search, confirm = (tuple(block for sides in dealt for block in sides[side]) for side in (0, 1))
    if not search:  # a single block
        search, confirm = confirm, search
    fitted = ~(withheld | also | (now & present))
    return TimeBlocks(fitted.nonzero().squeeze(1), search, confirm, length)


def blocks_of(windows: Windows, length: int) -> tuple[Block, ...]:
    """All windows of a part, by the block that their first target lies in.

    Args:
        windows: of the part.
        length: of a block, in the clock's unit.
    """
    first, _ = _numbers(windows, length)
    everywhere = torch.ones_like(first, dtype=torch.bool)
    return tuple(block for _, block in _blocks(windows, first, everywhere))


def _dealt(
    numbered: Sequence[tuple[int, Block]], a_day: int, start: int
) -> tuple[list[Block], list[Block]]:
    """In turn to the search and the confirmation, blocks of the same time of the day by themselves.

    Args:
        numbered: blocks of a part by their number since its beginning.
        a_day: blocks of a day.
        start: turns that were taken before.
    """
    sides: tuple[list[Block], list[Block]] = ([], [])
    turns: Counter[int] = Counter()
    for number, block in numbered:
        phase = number % a_day
        sides[(start + phase + turns[phase]) % 2].append(block)
        turns[phase] += 1
    return sides


def _length(train: Windows, val: Windows, step: int, clock: Clock, *, withhold: bool) -> int:
    """The longest of some natural lengths of which there are enough, at least two horizons."""
    shortest = 2 * train.horizon * step
    span = (_span(train) / EVERY if withhold else 0) + _span(val)
    lengths = [length for length in _natural(clock) if length >= shortest]
    return next((length for length in lengths if span >= ENOUGH * length), shortest)


def _natural(clock: Clock) -> list[int]:
    """Four weeks, a week, a day, half of one and so on; years of months."""
    day, week, year = clock.periods
    if clock.unit == "month":
        return [10 * year, 5 * year, 2 * year, year]
    if not clock.timed:
        return []
    return [4 * week, week, day, *(day // 2**half for half in range(1, 7))]


def _span(windows: Windows) -> int:
    """Time between the first and the last target."""
    time, starts = windows.series.time, windows.starts
    return int(time[starts[-1] + windows.window + windows.horizon - 1] - _origin(windows))


def _origin(windows: Windows) -> Tensor:
    return windows.series.time[windows.starts[0] + windows.window]


def _numbers(windows: Windows, length: int) -> tuple[Tensor, Tensor]:
    """The blocks ``[M]`` that the first and the last target of each window lie in."""
    since = windows.series.time - _origin(windows)
    ahead = windows.starts + windows.window
    return since[ahead] // length, since[ahead + windows.horizon - 1] // length


def _present(windows: Windows, length: int) -> Tensor:
    """The block ``[M]`` that the last step lies in that a window reads."""
    since = windows.series.time - _origin(windows)
    return since[windows.starts + windows.window - 1] // length


def _whole_blocks(windows: Windows, length: int) -> Iterator[tuple[int, Block]]:
    first, last = _numbers(windows, length)
    return _blocks(windows, first, first == last)


def _blocks(windows: Windows, number: Tensor, inside: Tensor) -> Iterator[tuple[int, Block]]:
    """In the order of time, each with its number."""
    for block in number[inside].unique().tolist():
        yield block, (windows, (inside & (number == block)).nonzero().squeeze(1))
