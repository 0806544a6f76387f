"""A delimited text file as a stream of Arrow batches."""

import csv
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from dynst.data.importers.tabular.cell_kinds import column_kind, kind_of
from dynst.data.importers.tabular.encodings import (
    Encoding,
    open_text,
    refuse_undecodable,
)
from dynst.data.importers.tabular.layout import Layout
from dynst.data.importers.tabular.marks import USUAL_MARKS
from dynst.data.importers.tabular.table import Table
from dynst.data.importers.tabular.table_start import ragged
from dynst.errors import DataError

__all__ = ["TextTable"]

NAME_MARKS = tuple(mark for mark in USUAL_MARKS if mark.upper() != "NA")
BLOCK_BYTES = 4 * 2**20
BLANKED = (
    " ",
    " NA",
    " NaN",
    " nan",
)  # frequent enough to be distinguished from numbers while parsing


@dataclass(frozen=True, kw_only=True)
class TextTable(Table):
    """Numbers are converted while the text is parsed; only where a cell is none of Arrow's forms
    are the rows from there on read as texts and converted here.
    """

    encoding: Encoding
    separator: str
    layout: Layout

    def row_of(self, index: int) -> str:
        return self.layout.row_of(index)

    def batches(self, text: set[str], columns: list[str] | None = None) -> Iterator[pa.RecordBatch]:
        wanted = list(self.columns) if columns is None else columns
        done = 0
        if not self.form.settled and not self._settles(text, wanted):
            yield from self._converted(text, wanted, 0)
            return
        try:
            for batch in self._parsed(text, wanted):
                clean = self._cleaned(batch, text, wanted, done)
                self._refuse_total(clean, text, done)
                yield clean
                done += batch.num_rows
            return
        except (pa.ArrowInvalid, UnicodeError):  # a cell that only a closer look can tell
            pass
        yield from self._converted(text, wanted, done)

    def _converted(self, text: set[str], wanted: list[str], done: int) -> Iterator[pa.RecordBatch]:
        """The rows from ``done`` on, by texts."""
        settled = self.form.settled
        try:
            for late, start in self._texts(wanted, done):
                texts = {name: late.column(name) for name in wanted if name not in text}
                settled = settled or self.form.settle(texts, _from(self.row_of, start))
                numbers = self._numbers(texts, start)
                clean = self._cleaned(late, text, wanted, start)
                self._refuse_total(clean, text, start)
                yield pa.record_batch(
                    [numbers.get(name, clean.column(name)) for name in wanted], names=wanted
                )
        except (pa.ArrowInvalid, UnicodeError) as error:
            raise self._explained(error) from error

    def _texts(self, wanted: list[str], done: int) -> Iterator[tuple[pa.RecordBatch, int]]:
        """Batches of texts from a row on, each with the index of its first row."""
        before = 0
        for batch in self._parsed(set(self.columns), wanted):
            late = batch.slice(max(0, done - before))
            before += batch.num_rows
            if late.num_rows:
                yield late, before - late.num_rows

    def _settles(self, text: set[str], wanted: list[str]) -> bool:
        """Whether the first batch shows the decimal sign."""
        try:
            first = next(self._texts(wanted, 0), None)
        except (pa.ArrowInvalid, UnicodeError) as error:
            raise self._explained(error) from error
        if first is None:
            return True
        texts = {name: first[0].column(name) for name in wanted if name not in text}
        return self.form.settle(texts, self.row_of)

    def _parsed(self, text: set[str], wanted: list[str]) -> Iterator[pa.RecordBatch]:
        """Batches with the hidden columns, as texts, behind the wanted ones."""
        names = _unique(self.layout)
        hidden = [names[place] for place in sorted(self.layout.hidden)]
        types = {name: pa.string() if name in text else pa.float64() for name in names}
        convert = pa.csv.ConvertOptions(
            column_types=types | dict.fromkeys(hidden, pa.string()),
            null_values=[*self.form.marks, *BLANKED],
            strings_can_be_null=False,
            quoted_strings_can_be_null=True,
            include_columns=[*wanted, *hidden],
            decimal_point=self.form.decimal,
        )
        read = pa.csv.ReadOptions(
            block_size=BLOCK_BYTES,
            column_names=names,
            skip_rows=self.layout.skip,
            encoding="utf8" if self.encoding.name == "utf-8" else self.encoding.name,
        )
        parse = pa.csv.ParseOptions(delimiter=self.separator)
        with pa.input_stream(str(self.path), compression="detect") as stream:
            yield from pa.csv.open_csv(
                stream, read_options=read, parse_options=parse, convert_options=convert
            )

    def _cleaned(
        self, batch: pa.RecordBatch, text: set[str], wanted: list[str], before: int
    ) -> pa.RecordBatch:
        """Texts without blanks around them, null where they are a usual mark."""
        for place in range(len(wanted), batch.num_columns):
            self._refuse_filled(batch.column(place), before, batch.schema.names[place])
        clean = batch.select(wanted) if batch.num_columns > len(wanted) else batch
        for name in text.intersection(wanted):
            place = wanted.index(name)
            marks = NAME_MARKS if name == self.named else USUAL_MARKS
            clean = clean.set_column(place, name, _trimmed(clean.column(place), marks))
        return clean

    def _refuse_filled(self, cells: pa.Array, before: int, name: str) -> None:
        filled = pc.not_equal(pc.utf8_trim_whitespace(cells), "")
        place = pc.index(filled, True).as_py()
        if place >= 0:
            raise DataError(
                f"{self.path}: column {int(name[1:]) + 1} has no name, but holds "
                f"'{cells[place].as_py()}' in {self.row_of(before + place)}; name it in the header"
            )

    def _refuse_total(self, batch: pa.RecordBatch, text: set[str], before: int) -> None:
        """A last row that sums up the others has a word where they have a time."""
        if not batch.num_rows:
            return
        for name in text.intersection(batch.schema.names):
            cell = batch.column(name)[-1].as_py()
            if cell and kind_of(cell) == "text" and column_kind(list(self.raw[name])) == "time":
                raise self.total_at(name, cell, before + batch.num_rows - 1)

    def total_at(self, name: str, cell: str, index: int) -> DataError:
        """The refusal of a row that has a word in the column of times."""
        return DataError(
            f"{self.path}: every row must have a time, but '{name}' holds '{cell}' in "
            f"{self.row_of(index)}; remove the row if it sums up the others"
        )

    def _explained(self, error: Exception) -> DataError:
        """What made Arrow give up, found by a slow look at the whole file."""
        refuse_undecodable(self.path, self.encoding)
        width = len(self.layout.names)
        with open_text(self.path, self.encoding) as file:
            for _ in range(self.layout.skip):
                file.readline()
            rows = (cells for cells in csv.reader(file, delimiter=self.separator) if cells)
            for row, cells in enumerate(rows, start=1 + self.layout.left_out):
                if len(cells) != width:
                    return ragged(row, cells, width)
        return DataError(f"cannot be read as a table ({error}); mend the file")


def _trimmed(texts: pa.Array, marks: tuple[str, ...]) -> pa.Array:
    cells = pc.ascii_trim_whitespace(texts)
    missing = pc.is_in(cells, value_set=pa.array(marks, cells.type))
    return pc.if_else(missing, None, cells) if pc.any(missing).as_py() else cells


def _unique(layout: Layout) -> list[str]:
    return [
        f"\0{place}" if place in layout.hidden else name for place, name in enumerate(layout.names)
    ]


def _from(row_of: Callable[[int], str], start: int) -> Callable[[int], str]:
    return lambda index: row_of(start + index)
