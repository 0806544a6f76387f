"""A Parquet file as a stream of Arrow batches."""

import ast
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from dynst.data.importers.sizes.parquet import batch_rows, open_bounded, plain_texts
from dynst.data.importers.source import ReadOptions
from dynst.data.importers.tabular.numbers import decide_numbers
from dynst.data.importers.tabular.table import Table
from dynst.errors import DataError

__all__ = ["ParquetTable", "open_parquet_table"]

SAMPLE_ROWS = 200


@dataclass(frozen=True, kw_only=True)
class ParquetTable(Table):
    """Columns in ``text`` come as stored."""

    def check_readings(self, names: Sequence[str]) -> None:
        kinds = pq.read_schema(self.path)
        super().check_readings([name for name in names if _is_text(kinds.field(name).type)])

    def batches(self, text: set[str], columns: list[str] | None = None) -> Iterator[pa.RecordBatch]:
        done, file = 0, open_bounded(self.path)
        rows = batch_rows(len(self.columns if columns is None else columns))
        for coded in file.iter_batches(batch_size=rows, columns=columns):
            batch = plain_texts(self.path, coded, file.texts)
            names = batch.schema.names
            yield pa.record_batch(
                [
                    batch.column(name) if name in text else self._floats(batch, name, done)
                    for name in names
                ],
                names=names,
            )
            done += batch.num_rows

    def _floats(self, batch: pa.RecordBatch, name: str, before: int) -> pa.Array:
        cells = _decoded(batch.column(name))
        if _is_text(cells.type):
            return self._numbers({name: cells.cast(pa.string())}, before)[name]
        if _is_number(cells.type):
            return cells.cast(pa.float64(), safe=False)
        raise DataError(
            f"{self.path}: column '{name}' must hold numbers, but holds {cells.type}; drop it, or "
            f"name the time column with --time-column"
        )


def open_parquet_table(path: Path, options: ReadOptions) -> ParquetTable:
    """Raises DataError where the file has no row, or its names are not unique."""
    file = open_bounded(path)
    columns = tuple(file.names)
    _refuse_names(columns)
    coded = next(file.iter_batches(batch_size=SAMPLE_ROWS), None)
    if coded is None or not coded.num_rows:
        raise DataError("has columns, but no row")
    first = plain_texts(path, coded, file.texts)
    raw = pd.DataFrame(
        {name: ["" if cell is None else str(cell) for cell in first[name].to_pylist()]
         for name in columns},
        dtype=object,
    )  # fmt: skip
    texts = [name for name in columns if _is_text(first[name].type)]
    if texts and options.missing:
        options.apply("missing")
    form, findings = decide_numbers(
        raw[texts], ",", options if texts else ReadOptions(), lambda index: f"row {index + 1}"
    )
    sample = raw.copy()
    for name in texts:
        plain, fits = form.plain(pa.array(raw[name], pa.string()))
        if fits.true_count == len(fits):
            sample[name] = plain.fill_null("").to_pylist()
    return ParquetTable(
        path=path,
        columns=columns,
        sample=sample,
        raw=raw,
        form=form,
        findings=findings,
        levels=_levels(columns),
    )


def _decoded(cells: pa.Array) -> pa.Array:
    return cells.dictionary_decode() if pa.types.is_dictionary(cells.type) else cells


def _is_text(kind: pa.DataType) -> bool:
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _is_number(kind: pa.DataType) -> bool:
    tests = (
        pa.types.is_integer,
        pa.types.is_floating,
        pa.types.is_decimal,
        pa.types.is_boolean,
        pa.types.is_null,
    )
    return any(test(kind) for test in tests)


def _refuse_names(columns: tuple[str, ...]) -> None:
    if len(columns) < 2:
        raise DataError(f"must have at least two columns, but has {len(columns)}")
    count = Counter(columns)
    twice = next((name for name in columns if count[name] > 1), None)
    if twice is not None:
        raise DataError(
            f"column names must be unique, but '{twice}' stands there more than once; rename one "
            f"of them"
        )


def _levels(columns: tuple[str, ...]) -> tuple[tuple[str, ...], ...] | None:
    """Names such as "('s1', 'flow')", as pandas writes columns of several levels."""
    levels = tuple(_level(name) for name in columns)
    widths = {len(level) for level in levels if len(level) > 1}
    return levels if len(widths) == 1 else None


def _level(name: str) -> tuple[str, ...]:
    if not (name.startswith("(") and name.endswith(")")):
        return (name,)
    try:
        parts = ast.literal_eval(name)
    except (ValueError, SyntaxError):
        return (name,)
    return tuple(map(str, parts)) if isinstance(parts, tuple) and parts else (name,)
