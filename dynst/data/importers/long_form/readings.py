"""The readings of a long table, in order of time."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np

from dynst.data.importers.columns.quantities import Quantities
from dynst.data.importers.long_form.scratch import Filling, Keys, Scratch, StepScratch
from dynst.data.importers.long_form.survey import LongRows, Survey, floats
from dynst.data.importers.repeats import remedy
from dynst.data.importers.resample import Steps
from dynst.data.importers.source import Block, Source
from dynst.data.importers.tabular.table import Table
from dynst.errors import DataError

__all__ = ["LongReadings"]

Row = tuple[np.ndarray, np.ndarray, np.ndarray]  # times, sensors, parameters, all [N]


@dataclass(frozen=True)
class LongReadings:
    """The second pass over a long table, which gives its readings in order of time.

    Args:
        rows: of the table.
        quantities: roles of its columns.
        seen: what the first pass showed.
        of_parameter: channel of each parameter, by the parameter's place; none where each quantity
            has a column.
        steps: to which readings are resampled.
        source: whose ids, channels, clock and observers they are for.
    """

    rows: LongRows
    quantities: Quantities
    seen: Survey
    of_parameter: dict[int, int]
    steps: Steps | None
    source: Source

    @property
    def table(self) -> Table:
        return self.rows.columns.table

    def blocks(self, markers: tuple[float, ...]) -> Iterator[Block]:
        """Without the numbers that mean missing, where steps become one of several readings.

        Raises:
            DataError: a sensor has two readings at one time.
        """
        time = self.seen.time
        shape = (len(time), len(self.seen.ids), len(self.source.channels))
        with ExitStack() as stack:
            keys = stack.enter_context(Keys(self.seen.rows))
            scratch = stack.enter_context(
                StepScratch(time, shape, self.steps, markers)
                if self.steps
                else Scratch(time, shape)
            )
            for row, values in self._read():
                keys.put(self._keys(row))
                self._put(scratch, row, values)
            cut = self.rows.reader.has_fractions
            if not (self.steps and cut) and (twice := keys.twice()) is not None:
                self._refuse_twice(twice)
            yield from scratch.blocks()

    def _read(self) -> Iterator[tuple[Row, list[np.ndarray]]]:
        """Rows and their readings, one array for each column of them."""
        rows, done = self.rows, 0
        texts = [*rows.stamps.columns, rows.sensor, *([rows.parameter] if rows.parameter else [])]
        wanted = [*texts, *self.quantities.readings]
        for batch in self.table.batches(set(texts), wanted):
            codes, names = rows.names(batch, done)
            kinds, parameters = rows.parameters(batch, done)
            places = np.array([self.seen.parameters[name] for name in parameters], np.int64)
            row = (rows.times(batch, done), self.seen.codes(codes, names), places[kinds])
            done += batch.num_rows
            yield row, [floats(batch.column(name)) for name in self.quantities.readings]

    def _put(self, scratch: Filling, row: Row, values: list[np.ndarray]) -> None:
        time, sensors, parameters = row
        raw = np.full((len(time), 1, len(self.source.channels)), np.nan) if self.steps else None
        if self.of_parameter:
            for place, channel in self.of_parameter.items():
                pick = parameters == place
                scratch.put(channel, time[pick], sensors[pick], values[0][pick])
                if raw is not None:
                    raw[pick, 0, channel] = values[0][pick]
        else:
            for channel, numbers in enumerate(values):
                scratch.put(channel, time, sensors, numbers)
                if raw is not None:
                    raw[:, 0, channel] = numbers
        if raw is not None:
            for observe in self.source.observers:
                observe(raw)

    def _keys(self, row: Row) -> np.ndarray:
        """One number for each time, sensor and parameter."""
        time, sensors, parameters = row
        since = time - self.seen.time[0] if len(time) else time
        keys: np.ndarray = (since * len(self.seen.ids) + sensors) * self._kinds + parameters
        return keys

    @property
    def _kinds(self) -> int:
        return max(1, len(self.seen.parameters))

    def _remedy(self, time: int) -> str:
        if self.rows.reader.has_fractions:
            return "they lie within one second; resample readings to steps with --resample 15min"
        return remedy(self.source.clock, time)

    def _refuse_twice(self, key: int) -> None:
        """With both rows, which another look at the file finds."""
        found: list[int] = []
        readings: list[list[float]] = []
        done = 0
        for row, values in self._read():
            for place in np.flatnonzero(self._keys(row) == key)[:2].tolist():
                found.append(done + place)
                readings.append([float(numbers[place]) for numbers in values])
            done += len(row[0])
            if len(found) > 1:
                break
        rest, parameter = divmod(key, self._kinds)
        since, sensor = divmod(rest, len(self.seen.ids))
        time = int(self.seen.time[0]) + since
        name = list(self.seen.ids)[sensor]
        what = f" of '{list(self.seen.parameters)[parameter]}'" if self.of_parameter else ""
        alike = np.array_equal(readings[0], readings[1], equal_nan=True)
        both = " and ".join(self.table.row_of(index) for index in found[:2])
        raise DataError(
            f"{self.table.path}: sensor '{name}' has two readings{what} at "
            f"{self.source.clock.label(time)} ({both}, which are "
            f"{'alike' if alike else 'not alike'}); {self._remedy(time)}"
        )
