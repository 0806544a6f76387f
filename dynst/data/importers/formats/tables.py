"""Delimited text and Parquet as a stream of Arrow batches; what the table readers share."""

import gzip
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from dynst.errors import DataError

__all__ = ["NULLS", "Table", "is_table", "open_table"]

SUFFIXES = {".csv", ".tsv", ".parquet", ".pq"}
NULLS = ["", "NaN", "nan", "NA", "N/A", "null", "NULL", "None", "-"]
BLOCK_BYTES = 8 * 2**20
SAMPLE_ROWS, SAMPLE_CELLS = 200, 20_000


@dataclass(frozen=True)
class Table:
    """A table on disk: its columns, its first rows as text, and a way through all of it."""

    path: Path
    columns: tuple[str, ...]
    sample: pd.DataFrame
    separator: str = ","

    def batches(self, text: set[str], columns: list[str] | None = None) -> Iterator[pa.RecordBatch]:
        """All rows in bounded parts.

        Columns in ``text`` as text or as stored, the others as float64.
        """
        if self.path.suffix in {".parquet", ".pq"}:
            yield from pq.ParquetFile(self.path).iter_batches(batch_size=65_536, columns=columns)
            return
        types = {name: pa.string() if name in text else pa.float64() for name in self.columns}
        convert = pa.csv.ConvertOptions(
            column_types=types,
            null_values=NULLS,
            strings_can_be_null=True,
            include_columns=columns or [],
            quoted_strings_can_be_null=True,
        )
        read = pa.csv.ReadOptions(
            block_size=BLOCK_BYTES, column_names=list(self.columns), skip_rows=1
        )
        parse = pa.csv.ParseOptions(delimiter=self.separator)
        with pa.input_stream(str(self.path), compression="detect") as stream:
            yield from pa.csv.open_csv(
                stream, read_options=read, parse_options=parse, convert_options=convert
            )


def is_table(path: Path) -> bool:
    name = path.name.removesuffix(".gz")
    return path.is_file() and Path(name).suffix in SUFFIXES


def open_table(path: Path) -> Table:
    """Raises DataError where the file has no header line with at least two columns, or no row below
    it.
    """
    if path.suffix in {".parquet", ".pq"}:
        return _open_parquet(path)
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8-sig") as file:
        head = file.readline()
    if not head.strip():
        raise DataError(f"{path} is empty; bring a file with a header line and rows below it")
    separator = max(",;\t", key=head.count)
    rows = max(20, min(SAMPLE_ROWS, SAMPLE_CELLS // (head.count(separator) + 1)))
    sample = pd.read_csv(
        path,
        sep=separator,
        nrows=rows,
        dtype=str,
        keep_default_na=False,
        index_col=False,
        encoding="utf-8-sig",
    )
    columns = tuple(text.strip().strip('"') for text in head.rstrip("\r\n").split(separator))
    if '"' in head:
        columns = tuple(map(str, sample.columns))
    return _checked(
        Table(
            path,
            columns,
            sample.set_axis(list(columns), axis=1) if len(columns) == sample.shape[1] else sample,
            separator,
        )
    )


def _open_parquet(path: Path) -> Table:
    file = pq.ParquetFile(path)
    columns = tuple(file.schema_arrow.names)
    first = next(file.iter_batches(batch_size=SAMPLE_ROWS), None)
    sample = (
        pd.DataFrame(columns=list(columns))
        if first is None
        else pd.DataFrame({name: first[name].to_pylist() for name in columns})
    )
    return _checked(
        Table(path, columns, sample.map(lambda value: "" if value is None else str(value)))
    )


def _checked(table: Table) -> Table:
    if len(table.columns) < 2:
        raise DataError(
            f"{table.path} must have at least two columns, but its header has {len(table.columns)}"
        )
    if table.sample.empty:
        raise DataError(f"{table.path} has a header, but no row below it")
    if len(set(table.columns)) < len(table.columns):
        twice = next(name for name in table.columns if table.columns.count(name) > 1)
        raise DataError(
            f"{table.path}: column names must be unique, but '{twice}' stands there more than "
            f"once; rename one of them"
        )
    return table
