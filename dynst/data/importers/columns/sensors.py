"""Which column of a long table names the sensor of each row."""

from dataclasses import dataclass
from itertools import islice

import numpy as np
import pandas as pd

from dynst.data.importers.columns.first_cells import Cells, Columns, quoted, text_of
from dynst.data.importers.columns.influx import INFLUX_COLUMNS, is_influx
from dynst.data.importers.columns.odd_numbers import refuse_odd_numbers
from dynst.data.importers.columns.stamps import Stamps
from dynst.data.importers.columns.words import (
    calendar_field,
    is_flag_name,
    is_measure_name,
    is_parameter_name,
    is_quantity_name,
    is_season_name,
    is_sensor_name,
    is_time_name,
    is_unit_name,
    sensor_rank,
    words_of,
)
from dynst.data.importers.columns.zones import is_zone_name
from dynst.data.importers.report import Finding, assumed
from dynst.errors import DataError

__all__ = ["SensorColumn", "find_sensor", "refuse_quantity_values"]


MOST = 0.5  # of the texts of a column are quantities
MORE_ROWS = 20_000  # looked at where the first ones do not tell


@dataclass(frozen=True)
class SensorColumn:
    """The column that names sensors, what was assumed of it, and whether its name is a usual one or
    the user's.
    """

    name: str
    findings: tuple[Finding, ...] = ()
    certain: bool = True


@dataclass(frozen=True)
class _Rows:
    """Some rows as codes: of their times, and of each column that may name sensors."""

    time: np.ndarray
    columns: dict[str, np.ndarray]
    parameter: np.ndarray

    @property
    def count(self) -> int:
        return len(self.time)

    @property
    def times(self) -> int:
        return len(np.unique(self.time))

    def distinct(self, name: str) -> int:
        return len(np.unique(self.columns[name]))

    def unique(self, name: str) -> bool:
        """Whether no time has two rows of one sensor (and parameter)."""
        rows = np.stack([self.time, self.columns[name], self.parameter])
        return len(np.unique(rows, axis=1).T) == self.count

    def numbers_rows(self, name: str) -> bool:
        """Whether each row has a name of its own, though there are several times."""
        return self.times > 1 and self.distinct(name) == self.count

    def alike(self, one: str, other: str) -> bool:
        """Whether two columns tell the same sensors apart."""
        both = np.stack([self.columns[one], self.columns[other]])
        pairs = len(np.unique(both, axis=1).T)
        return pairs == self.distinct(one) == self.distinct(other)


def find_sensor(columns: Columns, stamps: Stamps) -> SensorColumn | None:
    """The column that names the sensor of each row; None where there is none, as in a wide table.

    Raises:
        DataError: there is no column of the name that the user gave, or several columns may be the
            right one and tell sensors apart differently.
    """
    options = columns.options
    if options.sensor_column is not None:
        options.apply("sensor_column")
        if options.sensor_column not in columns.names:
            raise DataError(
                f"{columns.table.path} has no column '{options.sensor_column}' for the sensor; its "
                f"columns are {quoted(columns.names)}"
            )
        return SensorColumn(options.sensor_column)
    candidates = _candidates(columns, stamps)
    if not candidates:
        return None
    influx = is_influx(columns.names)
    rows = _rows_of(columns, stamps, candidates)
    fit = [name for name in candidates if not rows.numbers_rows(name)]
    if not fit:
        return _each_row_its_own(columns, candidates, rows)
    fit = [name for name in fit if rows.unique(name)] or fit
    named = [name for name in fit if is_sensor_name(name)]
    if not named and rows.times == rows.count and not influx:
        return None  # notes beside the readings of a wide table
    if not named:
        refuse_quantity_values(columns, stamps, fit)
    return _one_of(columns, rows, named or fit, candidates)


def _candidates(columns: Columns, stamps: Stamps) -> list[str]:
    rest = [name for name in columns.names if name not in stamps.columns]
    named = [name for name in rest if is_sensor_name(name) and _names(name, columns.cells(name))]
    texts = [
        name
        for name in rest
        if columns.cells(name).kind in {"text", "yearless"}
        and not (is_unit_name(name) or is_time_name(name) or calendar_field(name))
        and not (is_flag_name(name) or is_season_name(name) or is_zone_name(name))
    ]
    if is_influx(columns.names):
        tags = [name for name in texts if name not in INFLUX_COLUMNS]
        return tags or [name for name in texts if name == "_measurement"]
    refuse_odd_numbers(columns, [name for name in texts if name not in named])
    found = [*named, *(name for name in texts if name not in named)]
    others = [name for name in found if not is_parameter_name(name)]
    if found and not others:
        _refuse_quantities(columns, found[0])
    return others or found


def _refuse_quantities(columns: Columns, name: str) -> None:
    """The only texts of a long table may name the quantities of one sensor; those that pandas melts
    are the columns of a wide table.
    """
    if len(_readings(columns, [name])) > 1:
        raise _one_file_each(columns, name)
    if words_of(name) != ("variable",):
        raise DataError(
            f"{columns.table.path}: '{name}' may name sensors, or the quantities of one sensor; if "
            f"they are sensors say --sensor-column '{name}', else add a column that names the "
            f"sensor"
        )


def _names(name: str, cells: Cells) -> bool:
    if cells.kind == "number":
        return cells.whole and not is_measure_name(name)
    return cells.kind != "empty"


def _rows_of(columns: Columns, stamps: Stamps, candidates: list[str]) -> _Rows:
    """The first rows; more of them where those do not tell which column it is."""
    parameters = [name for name in columns.names if is_parameter_name(name)]
    parameters = [name for name in parameters if name not in candidates]
    table = columns.table
    rows = _coded(stamps.sample(table), table.sample, candidates, parameters)
    if len(candidates) == 1 and (rows.times == 1 or rows.times < rows.count):
        return rows
    if rows.times > 1 and rows.times < rows.count:
        return rows
    wanted = [*stamps.columns, *candidates, *parameters]
    batch = next(islice(table.batches(set(wanted), wanted), 1), None)
    if batch is None:
        return rows
    batch = batch.slice(0, MORE_ROWS)
    return _coded(stamps.join(batch).astype(str), batch.to_pandas(), candidates, parameters)


def _coded(
    times: pd.Series, frame: pd.DataFrame, candidates: list[str], parameters: list[str]
) -> _Rows:
    codes = {
        name: pd.factorize(text_of(frame[name]), use_na_sentinel=False)[0]
        for name in [*candidates, *parameters]
    }
    parameter = codes[parameters[0]] if parameters else np.zeros(len(times), np.int64)
    return _Rows(pd.factorize(times)[0], {name: codes[name] for name in candidates}, parameter)


def _each_row_its_own(columns: Columns, candidates: list[str], rows: _Rows) -> SensorColumn | None:
    """Numbers of rows: a long table without names of sensors, or a wide one."""
    if rows.times == rows.count:
        return None
    raise DataError(
        f"{columns.table.path}: {quoted(candidates)} has another value in each row, which numbers "
        f"rows and names no sensor, but times repeat; name the sensors' column with --sensor-column"
    )


def refuse_quantity_values(columns: Columns, stamps: Stamps, names: list[str]) -> None:
    """Refuse a column of texts such as AQI, PM2.5, SO2, which names no sensors.

    Args:
        columns: of the table.
        stamps: the time.
        names: columns of texts.

    Raises:
        DataError: one of them names quantities, beside one or several columns of readings.
    """
    for name in names:
        values = [text for text in columns.cells(name).texts.unique() if text]
        usual = sum(map(is_quantity_name, values))
        if usual > 1 and usual >= MOST * len(values):
            if len(_readings(columns, [name, *stamps.columns])) > 1:
                raise _one_file_each(columns, name)
            _refuse_quantities(columns, name)


def _readings(columns: Columns, others: list[str]) -> list[str]:
    return [name for name in columns.of_kind("number") if name not in others]


def _one_file_each(columns: Columns, name: str) -> DataError:
    values = [text for text in columns.cells(name).texts.unique() if text]
    return DataError(
        f"{columns.table.path}: '{name}' names the quantity of a row ({quoted(values)}) beside a "
        f"column for each sensor, which cannot be read together; write one file for each "
        f"quantity, or melt the columns of sensors into one; if '{name}' names sensors, say "
        f"--sensor-column '{name}'"
    )


def _one_of(columns: Columns, rows: _Rows, names: list[str], candidates: list[str]) -> SensorColumn:
    """The best of columns that fit, which must tell the same sensors apart."""
    ranked = sorted(names, key=sensor_rank)
    others = [name for name in ranked[1:] if not rows.alike(ranked[0], name)]
    if others:
        raise DataError(
            f"{columns.table.path}: {quoted([ranked[0], *others])} may each name the sensor of a "
            f"row; name the right one with --sensor-column"
        )
    beside = [name for name in candidates if name != ranked[0]]
    certain = is_sensor_name(ranked[0])
    if certain and not beside:
        return SensorColumn(ranked[0])
    others_too = f", and not by {quoted(beside)}" if beside else ""
    text = f"sensors are named by '{ranked[0]}'{others_too}"
    found = assumed(text, "--sensor-column names another")
    return SensorColumn(ranked[0], (found,), certain)
