"""Parquet: what row groups unpack to, and texts that one entry of a dictionary stands for."""

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from dynst.data.importers.sizes.declared import REMEDY
from dynst.storage.free_space import refuse_disk, refuse_memory

__all__ = ["Bounded", "batch_rows", "open_bounded", "plain_texts"]

MOST_ROWS, MOST_CELLS = 65_536, 2**25
ROW_BYTES = 8


@dataclass(frozen=True)
class Bounded:
    """A file whose texts come as dictionaries.

    Args:
        names: of the columns.
        texts: type of each column of texts.
    """

    path: Path
    names: Sequence[str]
    texts: dict[str, pa.DataType]

    def iter_batches(
        self, batch_size: int, columns: list[str] | None = None
    ) -> Iterator[pa.RecordBatch]:
        """Batches in which each text is there once; ``plain_texts`` undoes it."""
        file = pq.ParquetFile(self.path, read_dictionary=list(self.texts))
        yield from file.iter_batches(batch_size=batch_size, columns=columns)


def open_bounded(path: Path) -> Bounded:
    """Raises DataError where a column of a row group would not fit into memory, or a number for
    each row not onto the disk.
    """
    file = pq.ParquetFile(path)
    about, schema = file.metadata, file.schema_arrow
    rows = f"one number for each of the {about.num_rows:,} rows of {path}"
    refuse_disk(rows, about.num_rows * ROW_BYTES, Path(tempfile.gettempdir()))
    for number in range(about.num_row_groups):
        group = about.row_group(number)
        columns = (group.column(place) for place in range(group.num_columns))
        largest = max((column.total_uncompressed_size for column in columns), default=0)
        refuse_memory(f"a column of row group {number} of {path}", 2 * largest, REMEDY)
    texts = {field.name: field.type for field in schema if _is_text(field.type)}
    return Bounded(path, schema.names, texts)


def batch_rows(columns: int) -> int:
    """Rows that are read together."""
    return max(1, min(MOST_ROWS, MOST_CELLS // max(1, columns)))


def plain_texts(path: Path, batch: pa.RecordBatch, texts: dict[str, pa.DataType]) -> pa.RecordBatch:
    """The batch as the file has it.

    Raises:
        DataError: the texts, each as often as it stands there, would not fit into memory.
    """
    for place, name in enumerate(batch.schema.names):
        cells = batch.column(place)
        if name in texts and pa.types.is_dictionary(cells.type):
            lengths = pc.take(pc.binary_length(cells.dictionary), cells.indices)
            needed = pc.sum(lengths, min_count=0).as_py()
            refuse_memory(f"{batch.num_rows:,} texts of '{name}' of {path}", 2 * needed, REMEDY)
            batch = batch.set_column(place, name, cells.dictionary_decode().cast(texts[name]))
    return batch


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))
