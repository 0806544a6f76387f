"""Which column is which: time, sensor, reading."""

import warnings
from collections.abc import Iterator

import pandas as pd
import pyarrow as pa

from dynst.data.importers.formats.tables import Table
from dynst.data.importers.source import ReadOptions
from dynst.data.importers.text_cells import is_number
from dynst.errors import DataError

__all__ = ["joined_times", "sensor_column", "time_columns", "time_parts"]

TIME_NAMES = {
    "time",
    "timestamp",
    "date",
    "datetime",
    "date_time",
    "datum",
    "index",
    "",
    "__index_level_0__",
}
SENSOR_NAMES = (
    "sensor_id",
    "sensor",
    "sensorid",
    "station_id",
    "station",
    "entity_id",
    "detector",
    "location_id",
    "location",
    "site",
    "id",
)


def time_columns(table: Table, options: ReadOptions) -> list[str]:
    """The columns that together give the time, in order; empty where there is none.

    The user's word goes first; else the leading text columns that parse as a date, and as a time of
    the day after it; else a leading column of whole numbers with a name for time.
    """
    if options.time_columns:
        options.apply("time_columns")
        absent = [name for name in options.time_columns if name not in table.columns]
        if absent:
            raise DataError(
                f"{table.path} has no column '{absent[0]}' for the time; its columns are "
                f"{', '.join(table.columns[:8])}, …"
            )
        return list(options.time_columns)
    dates = [
        name for name in table.columns if _is_text(table, name) and _parses(table.sample[name])
    ]
    if dates:
        named = [name for name in dates if name.lower() in TIME_NAMES or "tim" in name.lower()]
        first = named[0] if named else dates[0]
        clock = [
            name
            for name in dates
            if name != first
            and all(text.count(":") >= 1 and "-" not in text for text in table.sample[name])
        ]
        alone = all(":" not in text and "T" not in text for text in table.sample[first])
        return [first, *clock[:1]] if alone else [first]
    numbers = [
        name
        for name in table.columns
        if name.lower() in TIME_NAMES - {"index", ""} and not _is_text(table, name)
    ]
    return numbers[:1]


def time_parts(table: Table, stamps: list[str]) -> Iterator[pd.Series]:
    """The time columns of a table as one, part by part, without reading the others."""
    return (joined_times(batch, stamps) for batch in table.batches(set(stamps), stamps))


def joined_times(batch: pa.RecordBatch, stamps: list[str]) -> pd.Series:
    """The time columns of a batch as one: a date and a time of the day are put together."""
    first: pd.Series = batch.column(stamps[0]).to_pandas()
    for name in stamps[1:]:
        first = first.astype(str) + " " + batch.column(name).to_pandas().astype(str)
    return first


def sensor_column(table: Table, options: ReadOptions, stamps: list[str]) -> str | None:
    """The column that names the sensor of each row of a long table, if there is one."""
    if options.sensor_column is not None:
        options.apply("sensor_column")
        if options.sensor_column not in table.columns:
            raise DataError(
                f"{table.path} has no column '{options.sensor_column}' for the sensor; "
                f"its columns are {', '.join(table.columns[:8])}"
            )
        return options.sensor_column
    rest = [name for name in table.columns if name not in stamps]
    named = sorted(
        (name for name in rest if name.lower() in SENSOR_NAMES),
        key=lambda name: SENSOR_NAMES.index(name.lower()),
    )
    texts = [
        name for name in rest if _is_text(table, name) and _parses(table.sample[name]) is False
    ]
    texts = [
        name
        for name in texts
        if not all(is_number(text) or not text for text in table.sample[name])
    ]
    if named:
        return named[0]
    return texts[0] if len(texts) == 1 else None


def _is_text(table: Table, name: str) -> bool:
    filled = [text for text in table.sample[name] if text]
    return bool(filled) and not any(is_number(text) for text in filled)


def _parses(column: pd.Series) -> bool:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            pd.to_datetime(column, utc=True)
        except (ValueError, TypeError, OverflowError):
            return False
    return True
