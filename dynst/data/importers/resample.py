"""Readings resampled to steps of one length."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta

import numpy as np

from dynst.data.clock import SECONDS, Clock, step_text
from dynst.data.importers.repeats import refuse_disorder
from dynst.data.importers.report import Finding, assumed, known
from dynst.data.importers.source import Aggregate, Block, ReadOptions, Source
from dynst.errors import DataError

__all__ = ["Steps", "resampled", "steps_of"]

WORDS: dict[Aggregate, str] = {"mean": "mean", "sum": "sum", "last": "last reading"}
DAY, MONDAY = 86_400, 4 * 86_400  # 1970-01-05
REFERENCE = tuple(
    int(np.datetime64(day, "s").astype(np.int64)) for day in ("2020-01-01", "2020-07-01")
)


@dataclass(frozen=True)
class Steps:
    """Steps ``[k·length + origin, (k+1)·length + origin)``, named by their beginning.

    Args:
        length: in seconds.
        origin: 0 where times are of UTC or of an unknown zone; else such that steps begin with the
            standard time of the zone.
        aggregate: how the readings of a step become one.
        clock: of the times.
    """

    length: int
    origin: int
    aggregate: Aggregate
    clock: Clock = SECONDS
    counts: Counter[int] = field(default_factory=Counter, compare=False, repr=False)

    def watch(self, count: np.ndarray) -> None:
        """Learn how many readings the steps have, ``[K, S, C]``."""
        if self.aggregate == "sum":
            found = np.bincount(count.ravel())
            self.counts.update(dict(enumerate(found.tolist())))

    def partial(self) -> tuple[Finding, ...]:
        """What is said of sums of fewer readings than most."""
        counts = {number: times for number, times in self.counts.items() if number and times}
        if not counts:
            return ()
        usual = max(counts, key=lambda number: counts[number])
        fewer = sum(times for number, times in counts.items() if number < usual)
        if not fewer:
            return ()
        text = (
            f"{fewer:,} of {sum(counts.values()):,} sums have fewer readings than the usual {usual}"
        )
        return (assumed(text, "--aggregate mean does not depend on their number"),)

    def begin(self, time: np.ndarray) -> np.ndarray:
        """The beginning of the step of each of ``time``, int64 seconds.

        Days begin at midnight of the zone, and weeks on Monday.
        """
        if self.length % DAY == 0:
            local = self.clock.local(time) if self.clock.zone else time
            monday = MONDAY if self.length % (7 * DAY) == 0 else 0
            local = (local - monday) // self.length * self.length + monday
            return self.clock.moments(local)[0] if self.clock.zone else local
        begins: np.ndarray = (time - self.origin) // self.length * self.length + self.origin
        return begins

    @property
    def finding(self) -> Finding:
        """What the user should know of it."""
        return known(
            f"readings are resampled to steps of {step_text(self.length)}, by the "
            f"{WORDS[self.aggregate]} of each sensor"
        )


def steps_of(clock: Clock, options: ReadOptions) -> Steps | None:
    """The steps that the user asks for; None where there are none.

    Raises:
        DataError: they are no whole seconds, or there are no times to bring to them.
    """
    if options.resample is None:
        return None
    length = options.resample // timedelta(seconds=1)
    if length < 1 or options.resample % timedelta(seconds=1):
        raise DataError(
            f"--resample must be a number of whole seconds, but is {options.resample}; give it "
            f"like 15min or 1h"
        )
    if clock.unit != "second":
        raise DataError(
            f"--resample needs times of seconds, but the file has {clock.describe()}; give its "
            f"steps times with --start and --step, or leave --resample out"
        )
    options.apply("resample", "aggregate")
    standard = min(clock.local(np.array(REFERENCE)) - np.array(REFERENCE))
    return Steps(length, int(-standard % length), options.aggregate, clock)


def resampled(source: Source, options: ReadOptions) -> Source:
    """A source whose steps are those that the user asks for.

    Unchanged where none are asked for, or where its reader has seen to them itself.

    Raises:
        DataError: the steps are no whole seconds, or the source has no times.
    """
    if options.resample is None or "resample" in options.applied:
        return source
    steps = steps_of(source.clock, options)
    assert steps is not None
    return replace(
        source,
        blocks=lambda: _blocks(source, steps, options.markers),
        findings=(*source.findings, steps.finding),
        aggregated=True,
        late_findings=lambda: (*source.late_findings(), *steps.partial()),
    )


def _blocks(source: Source, steps: Steps, markers: tuple[float, ...]) -> Iterator[Block]:
    """One block for each of the source's, and the last step, which the next may go on with."""
    held: _Totals | None = None
    last: int | None = None
    done = 0
    for time, raw in source.blocks():
        if not len(time):
            continue
        refuse_disorder(time, last, source.clock, done, within_seconds=source.within_seconds())
        last, done = int(time[-1]), done + len(time)
        for observe in source.observers:
            observe(raw)
        totals = _totals(steps.begin(time), marked(raw, markers), steps.aggregate)
        if held is not None:
            totals = held.joined(totals)
        if len(totals.time) > 1:
            steps.watch(totals.count[:-1])
            yield totals.before_last()
        held = totals.only_last()
    if held is not None:
        steps.watch(held.count)
        yield held.time, held.values()


def marked(values: np.ndarray, markers: tuple[float, ...]) -> np.ndarray:
    """Values as float64, NaN where they are one of the markers of what is missing."""
    clean = np.array(values, np.float64)
    for marker in markers:
        clean[np.asarray(values, np.float32) == np.float32(marker)] = np.nan
    return clean


@dataclass(frozen=True)
class _Totals:
    """Sums and counts (or last readings and ones) of steps: ``time [K]``, others ``[K, S, C]``."""

    time: np.ndarray
    total: np.ndarray
    count: np.ndarray
    aggregate: Aggregate

    def joined(self, later: "_Totals") -> "_Totals":
        """With the steps that follow, of which the first may be the last of these."""
        if self.time[-1] != later.time[0]:
            return _Totals(
                np.concatenate([self.time, later.time]),
                np.concatenate([self.total, later.total]),
                np.concatenate([self.count, later.count]),
                self.aggregate,
            )
        total, count = later.total.copy(), later.count.copy()
        if self.aggregate == "last":
            total[0] = np.where(count[0] > 0, total[0], self.total[-1])
        else:
            total[0] += self.total[-1]
        count[0] += self.count[-1]
        return _Totals(later.time, total, count, self.aggregate)

    def before_last(self) -> Block:
        return self.time[:-1], self.values()[:-1]

    def only_last(self) -> "_Totals":
        return _Totals(self.time[-1:], self.total[-1:], self.count[-1:], self.aggregate)

    def values(self) -> np.ndarray:
        """Readings of the steps, NaN where there is none."""
        return values_of(self.total, self.count, self.aggregate)


def values_of(total: np.ndarray, count: np.ndarray, aggregate: Aggregate) -> np.ndarray:
    """Readings from sums (or last readings) and counts, NaN where the count is 0."""
    whole = total / np.maximum(count, 1) if aggregate == "mean" else total
    return np.where(count > 0, whole, np.nan)


def _totals(begins: np.ndarray, values: np.ndarray, aggregate: Aggregate) -> _Totals:
    starts = np.flatnonzero(np.diff(begins, prepend=begins[0] - 1))
    there = ~np.isnan(values)
    count = np.add.reduceat(there.astype(np.int64), starts)
    if aggregate == "last":
        rows = np.arange(len(values))[:, None, None]
        latest = np.maximum.reduceat(np.where(there, rows, -1), starts)
        total = np.take_along_axis(values, np.maximum(latest, 0), axis=0)
    else:
        total = np.add.reduceat(np.where(there, values, 0), starts)
    return _Totals(begins[starts], total, count, aggregate)
