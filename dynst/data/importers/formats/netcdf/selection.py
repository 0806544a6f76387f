"""One place of a dimension beyond time and place, as the user writes it: ``level=500hPa``."""

from collections.abc import Hashable

import numpy as np
import xarray as xr

from dynst.data.importers.formats.netcdf.roles import is_lead, time_dimensions
from dynst.data.importers.formats.netcdf.times import counts_since, read_cf_times
from dynst.data.importers.formats.netcdf.units import (
    SECONDS_OF,
    converted,
    is_span,
    listed,
    parse_quantity,
    plain,
)
from dynst.data.importers.report import Finding, known
from dynst.data.importers.source import ReadOptions
from dynst.data.importers.times.reader import times_of
from dynst.errors import DataError

__all__ = ["select", "squeezed"]

TOLERANCE = 1e-6  # of the value: what 32-bit floats leave


def select(data: xr.Dataset, options: ReadOptions) -> tuple[xr.Dataset, tuple[Finding, ...]]:
    """The part of the dataset that ``options.select`` names, and what was taken.

    Raises:
        DataError: there is no such dimension, or no such value of it.
    """
    findings = []
    for name, text in options.select:
        dimension, coordinate = _coordinate(data, name)
        place = _place(data, name, coordinate, text, data.sizes[dimension])
        taken = _taken(name, coordinate, place)
        findings.append(known(f"{name} {taken} taken of {data.sizes[dimension]}"))
        data = data.isel({dimension: place})
    if options.select:
        options.apply("select")
    return data, tuple(findings)


def squeezed(data: xr.Dataset) -> tuple[xr.Dataset, tuple[Finding, ...]]:
    """Without the dimensions of length one, other than time, and what stands there."""
    times = time_dimensions(data)
    leads = [name for name in data.dims if is_lead(data.variables.get(name))]
    if any(data.sizes[name] > 1 for name in leads) and all(data.sizes[name] == 1 for name in times):
        times = []
    single = [name for name in data.dims if data.sizes[name] == 1 and name not in times]
    readings = {name for array in data.data_vars.values() for name in array.dims}
    findings = tuple(
        known(f"{name} has one value, {_taken(str(name), data.variables[name], 0)}")
        for name in single
        if name in readings and name in data.variables and data.variables[name].ndim == 1
    )
    return data.isel(dict.fromkeys(single, 0)), findings


def _taken(name: str, coordinate: xr.Variable | None, place: int) -> str:
    if coordinate is None:
        return f"number {place}, counted from 0,"
    if counts_since(coordinate.attrs):
        time, clock, _ = read_cf_times(coordinate, name, ReadOptions())
        return clock.label(int(time[place]))
    return _shown(coordinate, place)


def _shown(variable: xr.Variable, place: int = 0) -> str:
    unit = str(variable.attrs.get("units", ""))
    return f"{plain(variable.values[place])} {unit}".rstrip()


def _coordinate(data: xr.Dataset, name: str) -> tuple[Hashable, xr.Variable | None]:
    """The dimension that a name means, and the values along it."""
    variable = data.variables.get(name)
    if variable is not None and variable.ndim == 1:
        return variable.dims[0], variable
    if name in data.dims:
        return name, None
    sizes = ", ".join(f"{dimension} ({size})" for dimension, size in data.sizes.items())
    raise DataError(f"--select {name}: there is no dimension '{name}'; there are {sizes}")


def _place(
    data: xr.Dataset, name: str, coordinate: xr.Variable | None, text: str, size: int
) -> int:
    if coordinate is None:
        if not (text.isdigit() and int(text) < size):
            raise DataError(
                f"--select {name}={text}: '{name}' has no values, so it must be a number from 0 to "
                f"{size - 1}"
            )
        return int(text)
    if counts_since(coordinate.attrs) or coordinate.dtype.kind == "M":
        return _at_time(name, coordinate, text)
    if is_lead(coordinate):
        return _at_span(name, coordinate, text)
    if coordinate.dtype.kind in "fiu":
        return _at_number(name, coordinate, text)
    texts = [plain(value) for value in coordinate.values]
    return _only(name, text, np.array([value == text for value in texts], bool), listed(texts))


def _at_number(name: str, coordinate: xr.Variable, text: str) -> int:
    unit = str(coordinate.attrs.get("units", ""))
    values = coordinate.values.astype(float)
    there = listed(list(coordinate.values), unit)
    wanted = parse_quantity(text)
    number = None if wanted is None else converted(wanted, unit)
    if number is None:
        told = f"the unit {unit}" if unit else "no unit"
        raise DataError(
            f"--select {name}={text}: '{name}' holds numbers with {told}; it has {there}"
        )
    return _only(name, text, _near(values, number), there)


def _near(values: np.ndarray, number: float) -> np.ndarray:
    size = np.maximum(np.abs(values), abs(number))
    close: np.ndarray = np.abs(values - number) <= TOLERANCE * size
    return close


def _at_span(name: str, coordinate: xr.Variable, text: str) -> int:
    """A lead time, whose unit must be given: 6 may be hours, days or steps."""
    values, unit = coordinate.values, str(coordinate.attrs.get("units", ""))
    if values.dtype.kind == "m":
        values, unit = values / np.timedelta64(1, "h"), "hours"
    there = listed(values.tolist(), unit)
    wanted = parse_quantity(text)
    if wanted is None or not is_span(wanted.unit):
        raise DataError(
            f"--select {name}={text}: '{name}' holds durations, so a unit is needed, such as "
            f"--select {name}=6h, 30min or 2days; it has {there}"
        )
    seconds = wanted.number * SECONDS_OF[wanted.unit.lower()]
    return _only(name, text, _near(values * SECONDS_OF[unit.strip().lower()], seconds), there)


def _at_time(name: str, coordinate: xr.Variable, text: str) -> int:
    time, clock, _ = read_cf_times(coordinate, name, ReadOptions())
    labels = clock.labels(time)
    there = listed(labels)
    try:
        wanted, reader = times_of([text], ReadOptions())
    except DataError as error:
        raise DataError(
            f"--select {name}={text}: '{name}' holds times, so it must be a date; it has {there}"
        ) from error
    if not (clock.has_datetimes and reader.clock.has_datetimes):
        return _only(name, text, np.array([label == text for label in labels]), there)
    return _only(name, text, time == wanted[0], there)


def _only(name: str, text: str, hits: np.ndarray, there: str) -> int:
    if hits.sum() == 1:
        return int(hits.argmax())
    told = "more than one value of" if hits.sum() > 1 else "no such value in"
    raise DataError(f"--select {name}={text}: {told} '{name}'; it has {there}")
