"""The first pass over a long table: its times, sensors and parameters, and what never changes."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from dynst.data.importers.columns.first_cells import Columns
from dynst.data.importers.columns.quantities import Places, Quantities
from dynst.data.importers.columns.stamps import Stamps
from dynst.data.importers.columns.words import is_height_name
from dynst.data.importers.places.axis_parts import refuse_side_names, refuse_sides
from dynst.data.importers.places.coordinates import checked_degrees, refuse_null_island
from dynst.data.importers.report import Finding, assumed, known
from dynst.data.importers.resample import Steps
from dynst.data.importers.source import PositionKind
from dynst.data.importers.times.bad_cells import BadCell
from dynst.data.importers.times.reader import TimeReader
from dynst.errors import DataError

__all__ = ["LongRows", "Survey", "survey"]


@dataclass(frozen=True)
class LongRows:
    """How the rows of a long table are read."""

    columns: Columns
    stamps: Stamps
    reader: TimeReader
    sensor: str
    parameter: str | None = None

    def times(self, batch: pa.RecordBatch, before: int) -> np.ndarray:
        """Int64 times, parsed once for each distinct text, since a long table repeats them.

        Args:
            batch: with the columns of the time.
            before: number of rows before it.
        """
        if self.stamps.alone is not None:
            codes, values = coded(batch.column(self.stamps.alone))
            distinct = self.stamps.join(pa.record_batch([values], names=[self.stamps.alone]))
        else:
            codes, texts = pd.factorize(self.stamps.join(batch), use_na_sentinel=True)
            distinct = pd.Series(texts)
        self._refuse_missing(codes < 0, before, "time", " and ".join(self.stamps.columns))
        try:
            times: np.ndarray = self.reader.read(distinct, ordered=False)[codes]
        except BadCell as error:
            row = before + int((codes == error.place).argmax())
            raise error.at(self.columns.table.row_of(row)) from error
        return times

    def names(self, batch: pa.RecordBatch, before: int) -> tuple[np.ndarray, list[str]]:
        """Sensors as codes ``[N]`` of the distinct names, which are also given."""
        return self._coded(batch, self.sensor, before, "sensor")

    def parameters(self, batch: pa.RecordBatch, before: int) -> tuple[np.ndarray, list[str]]:
        """Parameters likewise; all alike where there is no such column."""
        if self.parameter is None:
            return np.zeros(batch.num_rows, np.int64), [""]
        return self._coded(batch, self.parameter, before, "quantity")

    def _coded(
        self, batch: pa.RecordBatch, name: str, before: int, what: str
    ) -> tuple[np.ndarray, list[str]]:
        codes, distinct = coded(batch.column(name))
        self._refuse_missing(codes < 0, before, what, name)
        return codes, [str(value).strip() for value in distinct.to_pylist()]

    def _refuse_missing(self, missing: np.ndarray, before: int, what: str, name: str) -> None:
        if missing.any():
            row = self.columns.table.row_of(before + int(missing.argmax()))
            unasked = what == "sensor" and self.columns.options.sensor_column is None
            remedy = f", or say --sensor-column '{name}' if its name is NA" if unasked else ""
            raise DataError(
                f"{self.columns.table.path}: every row must name its {what}, but {row} has no "
                f"'{name}'; remove it{remedy}"
            )


@dataclass
class Survey:
    """What the first pass showed.

    Args:
        time: ``[T]`` int64, distinct and in order.
        ids: of sensors, in the order in which they appear.
        parameters: likewise.
        rows: number of rows.
        units: distinct units of each parameter.
        constant: of doubtful columns, the number of each sensor, missing where it has none.
        changing: doubtful columns that change with time.
    """

    time: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))
    ids: dict[str, int] = field(default_factory=dict)
    parameters: dict[str, int] = field(default_factory=dict)
    rows: int = 0
    units: dict[int, dict[str, None]] = field(default_factory=dict)
    constant: dict[str, np.ndarray] = field(default_factory=dict)
    changing: dict[str, str] = field(default_factory=dict)

    def codes(self, codes: np.ndarray, names: list[str]) -> np.ndarray:
        """Places of sensors that were seen."""
        places = np.array([self.ids[name] for name in names], np.int64)
        found: np.ndarray = places[codes]
        return found

    def watch(self, name: str, sensors: np.ndarray, numbers: np.ndarray) -> None:
        """Numbers of a doubtful column, with the sensor of each."""
        seen = self.constant.get(name, np.empty(0))
        seen = np.concatenate([seen, np.full(len(self.ids) - len(seen), np.nan)])
        there = ~np.isnan(numbers)
        sensors, numbers = sensors[there], numbers[there]
        first, rows = np.unique(sensors, return_index=True)
        new = np.isnan(seen[first])
        seen[first[new]] = numbers[rows[new]]
        self.constant[name] = seen
        other = seen[sensors] != numbers
        if other.any() and name not in self.changing:
            self.changing[name] = list(self.ids)[int(sensors[other][0])]

    def tells_places(self, name: str) -> bool:
        """Whether a doubtful column has one number a sensor, and several in all, or is a height."""
        numbers = self.constant.get(name, np.empty(0))
        several = len(np.unique(numbers[~np.isnan(numbers)])) > 1
        return name not in self.changing and (several or is_height_name(name))

    def positions(
        self, places: Places | None, file: Path
    ) -> tuple[np.ndarray | None, PositionKind, tuple[Finding, ...]]:
        """``[S, 2]``, where each sensor has one place and it is one."""
        if places is None:
            return None, "none", ()
        names = f"'{places.x}' and '{places.y}'"
        found = np.stack([self.constant[places.x], self.constant[places.y]], axis=1)
        why = self._no_place(places, found)
        if why:
            text = f"{names} are no positions, since {why}"
            return None, "none", (assumed(text, "--positions names a file of them"),)
        refuse_side_names(file, (places.x, places.y), found)
        found = _checked(found, list(self.ids), places, file)
        return found, places.kind, (known(f"positions from {names}"),)

    def _no_place(self, places: Places, found: np.ndarray) -> str:
        ids = list(self.ids)
        for name in (places.x, places.y):
            if name in self.changing:
                return f"'{name}' of sensor '{self.changing[name]}' changes"
        if np.isnan(found).any():
            return f"sensor '{ids[int(np.isnan(found).any(axis=1).argmax())]}' has none"
        if places.kind == "lonlat":
            wrong = (np.abs(found[:, 0]) > 360) | (np.abs(found[:, 1]) > 90)
            if wrong.any():
                row = int(wrong.argmax())
                return (
                    f"sensor '{ids[row]}' has longitude {found[row, 0]:g} and latitude "
                    f"{found[row, 1]:g}"
                )
        return ""


def _checked(found: np.ndarray, ids: list[str], places: Places, file: Path) -> np.ndarray:
    """Places ``[S, 2]``, with longitudes in −180..180; sensors at 0, 0 far from others refused."""
    try:
        if places.kind == "lonlat":
            return checked_degrees(found, ids, str(file))
        refuse_null_island(found, ids, str(file), lonlat=False)
    except DataError as error:
        raise DataError(f"{error} (--positions names a file of places)") from error
    return found


def survey(rows: LongRows, quantities: Quantities, steps: Steps | None) -> Survey:
    """Read the columns of time and sensor, and those that may never change.

    Args:
        rows: of the table.
        quantities: roles of the other columns.
        steps: to which readings are resampled.
    """
    seen = Survey()
    places = quantities.places
    doubtful = [*quantities.doubtful, *((places.x, places.y) if places else ())]
    sides = places.sides if places and rows.columns.options.own_positions else ()
    texts = [*rows.stamps.columns, rows.sensor, *sides]
    texts += [name for name in (rows.parameter, quantities.unit) if name is not None]
    for batch in rows.columns.table.batches(set(texts), [*dict.fromkeys([*texts, *doubtful])]):
        times = np.unique(rows.times(batch, seen.rows))
        seen.time = np.union1d(seen.time, steps.begin(times) if steps else times)
        codes, names = rows.names(batch, seen.rows)
        for name in names:
            seen.ids.setdefault(name, len(seen.ids))
        kinds, parameters = rows.parameters(batch, seen.rows)
        for name in parameters:
            seen.parameters.setdefault(name, len(seen.parameters))
        sensors = seen.codes(codes, names)
        for name in doubtful:
            seen.watch(name, sensors, floats(batch.column(name)))
        if places and sides:
            _check_sides(rows.columns.table.path, places, batch)
        if quantities.unit is not None:
            places_of = np.array([seen.parameters[name] for name in parameters])[kinds]
            _note_units(seen, places_of, batch.column(quantities.unit))
        seen.rows += batch.num_rows
    return seen


def _check_sides(file: Path, places: Places, batch: pa.RecordBatch) -> None:
    found = np.stack([floats(batch.column(name)) for name in (places.x, places.y)], axis=1)
    for label in places.sides:
        refuse_sides(
            file, (places.x, places.y), found, label, batch.column(label).to_pandas().tolist()
        )


def coded(cells: pa.Array) -> tuple[np.ndarray, pa.Array]:
    """Cells as places among the distinct ones, -1 where missing."""
    if not pa.types.is_dictionary(cells.type):
        cells = cells.dictionary_encode()
    codes: np.ndarray = cells.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    return codes, cells.dictionary


def floats(cells: pa.Array) -> np.ndarray:
    """Numbers as float64, NaN where missing."""
    values: np.ndarray = cells.cast(pa.float64()).to_numpy(zero_copy_only=False)
    return values


def _note_units(seen: Survey, parameters: np.ndarray, units: pa.Array) -> None:
    frame = pd.DataFrame({"parameter": parameters, "unit": units.to_pandas()}).dropna()
    for parameter, unit in frame.drop_duplicates().itertuples(index=False):
        seen.units.setdefault(int(parameter), {})[str(unit).strip()] = None
