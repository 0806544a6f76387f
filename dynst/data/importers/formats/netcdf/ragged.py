"""Ragged arrays of CF: the series of all stations one after another along one dimension."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import xarray as xr

from dynst.data.importers.formats.netcdf.blocks import Readings
from dynst.data.importers.formats.netcdf.places import Places, places_of
from dynst.data.importers.formats.netcdf.roles import time_variable
from dynst.data.importers.formats.netcdf.times import Times, read_cf_times
from dynst.data.importers.report import known
from dynst.data.importers.source import ReadOptions
from dynst.errors import DataError

__all__ = ["Ragged", "RaggedReadings", "ragged_of"]

CONVERT = "convert it to readings over station × time with xarray"
MOST_CELLS, SPARSE = 10**8, 100  # more cells than that for each reading are a mistake


@dataclass(frozen=True)
class Ragged:
    """Readings ``[N]`` of stations, each with a time of its own.

    Args:
        data: the dataset without the variable that assigns readings to stations.
        samples: the dimension of the readings.
        instances: the dimension of the stations.
        station: ``[N]`` int64, whose each reading is.
    """

    data: xr.Dataset
    samples: Hashable
    instances: Hashable
    station: np.ndarray

    def times(self, options: ReadOptions) -> tuple[Times, np.ndarray]:
        """The times that occur, ascending, and the row among them ``[N]`` of each reading.

        Raises:
            DataError: there are no times, or a station has two readings at one.
        """
        name = time_variable(self.data, self.samples)
        if name is None:
            raise DataError(f"a ragged array must have times along '{self.samples}', but has none")
        own = replace(options, start=None, step=None)  # readings do not follow each other
        time, clock, findings = read_cf_times(self.data.variables[name], str(name), own)
        steps, row = np.unique(time, return_inverse=True)
        size = len(steps) * self._stations
        if size > max(MOST_CELLS, SPARSE * len(time)):
            raise DataError(
                f"stations of the ragged array share too few times: {len(time):,} readings have "
                f"{len(steps):,} times, {self._stations:,} stations; round them to common times, "
                f"and {CONVERT}"
            )
        cells, count = np.unique(row * self._stations + self.station, return_counts=True)
        if (count > 1).any():
            cell = int(cells[(count > 1).argmax()])
            moment = clock.label(int(steps[cell // self._stations]))
            raise DataError(
                f"each station of a ragged array must have one reading a time, but number "
                f"{cell % self._stations} of '{self.instances}', counted from 0, has several at "
                f"{moment}; keep one of them in the file"
            )
        text = (
            f"a ragged array of {len(time):,} readings along '{self.samples}' was put in "
            f"{self._stations:,} stations × {len(steps):,} times"
        )
        return (steps, clock, (known(text), *findings)), row

    def places(self, options: ReadOptions) -> Places:
        """The stations."""
        return places_of(self.data, [self.instances], options)

    def check(self, names: Sequence[str]) -> None:
        """Raises DataError where readings have levels or the like beside."""
        for name in names:
            if self.data[name].dims != (self.samples,):
                raise DataError(
                    f"'{name}' is a ragged array over {', '.join(map(str, self.data[name].dims))}, "
                    f"but only one along '{self.samples}' can be read; {CONVERT}"
                )

    @property
    def _stations(self) -> int:
        return int(self.data.sizes[self.instances])


@dataclass
class RaggedReadings(Readings):
    """Readings of a ragged array, a bounded number of times at once.

    Args:
        ragged: where they are.
        row: ``[N]`` int64, the time of each reading.
    """

    ragged: Ragged
    row: np.ndarray

    def __post_init__(self) -> None:
        super().__post_init__()
        self._order = np.argsort(self.row, kind="stable")
        self._sorted = self.row[self._order]
        self._values = {name: self.data[name].to_numpy() for name in self.names}

    def _cells(self, name: str, first: int, rows: int) -> np.ndarray:
        last = min(first + rows, len(self.time))
        start, end = np.searchsorted(self._sorted, [first, last])
        chosen = self._order[start:end]
        values = self._values[name]
        kind = values.dtype if values.dtype.kind == "f" else np.float64
        cells = np.full((last - first, self.data.sizes[self.ragged.instances]), np.nan, kind)
        cells[self.row[chosen] - first, self.ragged.station[chosen]] = values[chosen]
        return cells


def ragged_of(data: xr.Dataset) -> Ragged | None:
    """The ragged array that a dataset declares; None where it declares none.

    Raises:
        DataError: it is one of profiles or of moving sensors, or contradicts itself.
    """
    names = [
        name
        for name, variable in data.variables.items()
        if {"sample_dimension", "instance_dimension"} & set(variable.attrs)
    ]
    if not names:
        return None
    feature = str(data.attrs.get("featureType", "timeSeries"))
    if len(names) > 1 or feature.lower() not in {"timeseries", "station"}:
        raise DataError(
            f"the file holds a ragged array of {feature} (by {', '.join(map(str, names))}), which "
            f"is no series of fixed stations; {CONVERT}"
        )
    name, variable = names[0], data.variables[names[0]]
    contiguous = "sample_dimension" in variable.attrs
    other = str(variable.attrs["sample_dimension" if contiguous else "instance_dimension"])
    if variable.ndim != 1 or other not in data.sizes:
        raise DataError(
            f"'{name}' declares a ragged array along '{other}', but there is no such dimension; "
            f"{CONVERT}"
        )
    numbers = _whole(str(name), variable)
    rest = data.drop_vars([name])
    if contiguous:
        station = _repeated(str(name), numbers, data.sizes[other])
        return Ragged(_sized(rest, data, variable.dims[0]), other, variable.dims[0], station)
    if numbers.size and numbers.max() >= data.sizes[other]:
        raise DataError(
            f"'{name}' must number the {data.sizes[other]} places of '{other}' from 0, but holds "
            f"{numbers.max()}; mend it in the file"
        )
    return Ragged(_sized(rest, data, other), variable.dims[0], other, numbers)


def _sized(rest: xr.Dataset, data: xr.Dataset, dimension: Hashable) -> xr.Dataset:
    """With the stations' dimension, which nothing else may be along."""
    if dimension in rest.sizes:
        return rest
    return rest.assign_coords({dimension: np.arange(data.sizes[dimension])})


def _whole(name: str, variable: xr.Variable) -> np.ndarray:
    values = variable.to_numpy()
    if values.dtype.kind not in "fiu" or not (np.isfinite(values) & (values >= 0)).all():
        raise DataError(
            f"'{name}' of a ragged array must hold whole numbers of at least 0; mend it in the file"
        )
    numbers: np.ndarray = values.astype(np.int64)
    return numbers


def _repeated(name: str, counts: np.ndarray, size: int) -> np.ndarray:
    if counts.sum() != size:
        raise DataError(
            f"'{name}' counts {counts.sum():,} readings of a ragged array, but there are {size:,}; "
            f"mend it in the file"
        )
    return np.repeat(np.arange(len(counts)), counts)
