"""The columns that InfluxDB writes beside those of the user."""

from collections.abc import Sequence

__all__ = ["INFLUX_COLUMNS", "INFLUX_TIME", "is_influx"]

INFLUX_TIME = "_time"
INFLUX_COLUMNS = frozenset(
    ["result", "table", "_start", "_stop", INFLUX_TIME, "_value", "_field", "_measurement"]
)


def is_influx(names: Sequence[str]) -> bool:
    """Whether a table is annotated CSV of InfluxDB, by its columns."""
    return {INFLUX_TIME, "_value", "_field"} <= set(names)
