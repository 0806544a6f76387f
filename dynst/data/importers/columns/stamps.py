"""The time of a table's rows, from one column or several."""

from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd
import pyarrow as pa

from dynst.data.importers.columns.clocks import ClockPart, DatePart
from dynst.data.importers.columns.first_cells import text_of
from dynst.data.importers.columns.header_zones import UNREADABLE, header_zone
from dynst.data.importers.report import Finding
from dynst.data.importers.source import ReadOptions
from dynst.data.importers.tabular.table import Table
from dynst.data.importers.times.reader import TimeReader, read_times
from dynst.errors import DataError

__all__ = ["Stamps"]


@dataclass(frozen=True)
class Stamps:
    """The columns that give the time, and how they become one.

    Args:
        date: in one column, which may have the clock too, or in several.
        clock: beside it, if there is one.
        findings: what is known and was assumed of them.
        plain: whether the columns are put together as they are, with a blank between them.
    """

    date: DatePart
    clock: ClockPart | None = None
    findings: tuple[Finding, ...] = ()
    plain: tuple[str, ...] = ()

    @property
    def columns(self) -> list[str]:
        """Their names, each once."""
        if self.plain:
            return list(self.plain)
        beside = self.clock.columns if self.clock else ()
        return list(dict.fromkeys((*self.date.columns, *beside)))

    @property
    def alone(self) -> str | None:
        """The only column, where one is enough."""
        return self.date.column if self.clock is None and not self.plain else None

    def join(self, batch: pa.RecordBatch) -> pd.Series:
        """The time of each row of a batch that has the columns, missing where one of them is."""
        if self.plain:
            first, *rest = (text_of(batch.column(name).to_pandas()) for name in self.plain)
            for texts in rest:
                first = first + " " + texts
            return first
        if self.alone is not None:
            column: pd.Series = batch.column(self.alone).to_pandas()
            return (
                column.astype(object) if isinstance(column.dtype, pd.CategoricalDtype) else column
            )
        dates = self.date.texts(batch)
        return dates if self.clock is None else dates + " " + self.clock.texts(batch)

    def parts(self, table: Table) -> Iterator[pd.Series]:
        """The time of each row of a table, part by part, without reading other columns."""
        return (self.join(batch) for batch in table.batches(set(self.columns), self.columns))

    def _distinct(self, table: Table) -> Iterator[pd.Series]:
        """Each time of a part once, in the order of rows."""
        return (part.drop_duplicates() for part in self.parts(table))

    def sample(self, table: Table) -> pd.Series:
        """The times of the first rows as texts."""
        rows = table.sample[self.columns].astype(str)
        texts: pd.Series = self.join(pa.RecordBatch.from_pandas(rows, preserve_index=False))
        return texts.astype(str)

    def reader(self, table: Table, options: ReadOptions) -> TimeReader:
        """How the times are written, decided for the whole table.

        Raises:
            DataError: they are no times, or may be read in two ways.
        """
        return read_times(
            lambda: self._distinct(table), options, self._zone(options), self.alone or ""
        )

    def _zone(self, options: ReadOptions) -> str | None:
        """What the names of the columns say."""
        name, zone = next(
            ((name, zone) for name in self.columns if (zone := header_zone(name))), ("", None)
        )
        if zone != UNREADABLE:
            return zone
        if options.zone is None:
            raise DataError(
                f"the header '{name}' names a time zone in a way that is not understood; say which "
                f"it is with --zone, such as --zone +01:00"
            )
        return None
