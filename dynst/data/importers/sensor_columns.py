"""Which column of a long table names the sensor of each row."""

from dataclasses import dataclass
from itertools import islice

import numpy as np
import pandas as pd

from dynst.data.importers.columns import Cells, Columns, quoted, text_of, words_of
from dynst.data.importers.report import Finding, assumed
from dynst.data.importers.time_columns import Stamps, is_time_name
from dynst.errors import DataError

__all__ = ["SensorColumn", "find_sensor", "is_parameter_name", "is_unit_name"]

EXACT = (
    "sensor id",
    "sensor",
    "sensorid",
    "station id",
    "stations id",
    "station",
    "entity id",
    "detector id",
    "detector",
    "location id",
    "location",
    "site id",
    "site",
)
THINGS = frozenset(
    "sensor sensors sensorid station stations stationid stn wban site siteid location locationid "
    "loc detector detectorid entity device deviceid node nodeid mote moteid meter meterid counter "
    "stop stopid segment link gauge asset well buoy plant facility monitor logger lclid".split()
)
LABELS = frozenset("id ids no nr nbr num number code name key label uid the".split())
PARAMETERS = frozenset(
    "parameter param variable pollutant quantity observable element datatype indicator metric "
    "phenomenon species property measurand measure".split()
)
UNITS = frozenset("unit units uom unite einheit unitofmeasure".split())
FLAGS = frozenset(
    "qc flag flags quality qa qualifier status valid validity approved provisional comment comments "
    "remark remarks note notes".split()
)


@dataclass(frozen=True)
class SensorColumn:
    """The column that names sensors, and what was assumed of it."""

    name: str
    findings: tuple[Finding, ...] = ()


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
        return np.unique(rows, axis=1).shape[1] == self.count

    def numbers_rows(self, name: str) -> bool:
        """Whether each row has a name of its own, though there are several times."""
        return self.times > 1 and self.distinct(name) == self.count

    def alike(self, one: str, other: str) -> bool:
        """Whether two columns tell the same sensors apart."""
        pairs = np.unique(np.stack([self.columns[one], self.columns[other]]), axis=1).shape[1]
        return pairs == self.distinct(one) == self.distinct(other)


def is_parameter_name(name: str) -> bool:
    """Whether a column of this name tells which quantity a row has."""
    return bool(PARAMETERS.intersection(words_of(name))) and len(words_of(name)) <= 2


def is_unit_name(name: str) -> bool:
    """Whether a column of this name has the unit of a row's reading."""
    return bool(UNITS.intersection(words_of(name)))


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
    rows = _rows_of(columns, stamps, candidates)
    fit = [name for name in candidates if not rows.numbers_rows(name)]
    if not fit:
        return _each_row_its_own(columns, candidates, rows)
    fit = [name for name in fit if rows.unique(name)] or fit
    named = [name for name in fit if _is_thing(name)]
    if not named and len(fit) == 1 and _may_be_a_note(columns, stamps, rows, fit[0]):
        return None
    return _one_of(columns, rows, named or fit, candidates)


def _candidates(columns: Columns, stamps: Stamps) -> list[str]:
    rest = [name for name in columns.names if name not in stamps.columns]
    named = [name for name in rest if _is_thing(name) and _names(columns.cells(name))]
    texts = [
        name
        for name in rest
        if columns.cells(name).kind in {"text", "yearless"}
        and not (is_unit_name(name) or FLAGS.intersection(words_of(name)) or is_time_name(name))
    ]
    found = [*named, *(name for name in texts if name not in named)]
    others = [name for name in found if not is_parameter_name(name)]
    return others or found


def _is_thing(name: str) -> bool:
    words = [word for word in words_of(name)]
    things = THINGS.intersection(words)
    return words == ["id"] or (bool(things) and THINGS.union(LABELS).issuperset(words))


def _names(cells: Cells) -> bool:
    return cells.whole if cells.kind == "number" else cells.kind != "empty"


def _rank(name: str) -> tuple[int, bool]:
    words = " ".join(words_of(name))
    return (EXACT.index(words) if words in EXACT else len(EXACT)), words == "id"


def _rows_of(columns: Columns, stamps: Stamps, candidates: list[str]) -> _Rows:
    """The first rows; more of them where those do not tell which column it is."""
    parameters = [name for name in columns.names if is_parameter_name(name)]
    parameters = [name for name in parameters if name not in candidates]
    table = columns.table
    rows = _coded(stamps.sample(table), table.sample, candidates, parameters)
    if rows.times > 1 and (len(candidates) == 1 or rows.times < rows.count):
        return rows
    wanted = [*stamps.columns, *candidates, *parameters]
    batch = next(islice(table.batches(set(wanted), wanted), 1), None)
    if batch is None:
        return rows
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


def _each_row_its_own(
    columns: Columns, candidates: list[str], rows: _Rows
) -> SensorColumn | None:
    """Numbers of rows: a long table without names of sensors, or a wide one."""
    if rows.times == rows.count:
        return None
    raise DataError(
        f"{columns.table.path}: {quoted(candidates)} has another value in each row, which numbers "
        f"rows and names no sensor, but times repeat; name the sensors' column with --sensor-column"
    )


def _may_be_a_note(columns: Columns, stamps: Stamps, rows: _Rows, name: str) -> bool:
    """Whether a column of texts may say something of the rows of a wide table."""
    if rows.times < rows.count or rows.distinct(name) == 1:
        return False
    readings = [
        other for other in columns.of_kind("number") if other not in {name, *stamps.columns}
    ]
    return len(readings) > 1


def _one_of(
    columns: Columns, rows: _Rows, names: list[str], candidates: list[str]
) -> SensorColumn:
    """The best of columns that fit, which must tell the same sensors apart."""
    ranked = sorted(names, key=_rank)
    others = [name for name in ranked[1:] if not rows.alike(ranked[0], name)]
    if others:
        raise DataError(
            f"{columns.table.path}: {quoted([ranked[0], *others])} may each name the sensor of a "
            f"row; name the right one with --sensor-column"
        )
    beside = [name for name in candidates if name != ranked[0]]
    if not beside:
        return SensorColumn(ranked[0])
    text = f"sensors are named by '{ranked[0]}', and not by {quoted(beside)}"
    return SensorColumn(ranked[0], (assumed(text, "--sensor-column names another"),))
