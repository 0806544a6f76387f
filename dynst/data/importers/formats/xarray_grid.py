"""NetCDF 3 and 4 and Zarr through xarray: packed integers, scale and offset, and fill values are
undone by it.
"""

from collections.abc import Hashable, Sequence
from pathlib import Path

import numpy as np
import xarray as xr

from dynst.data.importers.formats.netcdf.blocks import EXPVER, Readings
from dynst.data.importers.formats.netcdf.coordinates import refuse_others
from dynst.data.importers.formats.netcdf.opening import is_netcdf4, open_dataset
from dynst.data.importers.formats.netcdf.places import Places, places_of
from dynst.data.importers.formats.netcdf.roles import (
    bounds_of,
    check_numbers,
    is_forecast_lead,
    is_lead,
    named_in,
    time_dimensions,
    time_variable,
)
from dynst.data.importers.formats.netcdf.selection import select, squeezed
from dynst.data.importers.formats.netcdf.times import Times, counts_since, read_cf_times
from dynst.data.importers.formats.netcdf.units import SECONDS_OF, plain
from dynst.data.importers.report import Finding, assumed, known
from dynst.data.importers.source import ReadOptions, Source, step_times
from dynst.data.manifest import Channel
from dynst.errors import DataError

__all__ = ["KIND", "matches", "read"]

KIND = "xarray"
SUFFIXES = {".nc", ".nc3", ".nc4", ".cdf", ".netcdf"}


def matches(path: Path, options: ReadOptions) -> bool:
    return (
        path.suffix.lower() in SUFFIXES
        or path.name.endswith((".zarr", ".zarr.zip"))
        or is_netcdf4(path)
    )


def read(path: Path, options: ReadOptions) -> Source:
    data, selected = select(open_dataset(path, options), options)
    data, single = squeezed(data)
    names = _variables(data, options)
    array = data[names[0]]
    time_name = _time_dimension(data, array)
    places_names = [name for name in array.dims if name not in {time_name, EXPVER}]
    refuse_others(data, names[0], places_names, _hint(data, names))
    time, clock, timed = _times(data, time_name, options)
    places = places_of(data, places_names, options)
    versions = [EXPVER] if EXPVER in array.dims else []
    readings = Readings(data, names, [time_name, *versions, *places_names], time)
    return Source(
        KIND,
        places.ids,
        tuple(Channel(name=name, unit=str(data[name].attrs.get("units", ""))) for name in names),
        readings.blocks,
        positions=places.positions,
        geometry=places.geometry,
        edges=places.edges,
        grid=places.grid,
        clock=clock,
        findings=(
            *selected,
            *single,
            *timed,
            *places.findings,
            *readings.findings(),
            *_left_out(data, names, places),
        ),
        late_findings=readings.late_findings,
    )


def _variables(data: xr.Dataset, options: ReadOptions) -> list[str]:
    """Those over the same dimensions as the first that has time."""
    if options.variables:
        options.apply("variables")
        return _named(data, options.variables)
    known_names = _readings(data)
    if not known_names:
        there = ", ".join(_described(data, name) for name in data.data_vars) or "none"
        raise DataError(f"there is no variable of numbers over time; variables are {there}")
    first = set(data[known_names[0]].dims)
    return [name for name in known_names if set(data[name].dims) == first]


def _readings(data: xr.Dataset) -> list[str]:
    """Variables of numbers over time, those of places too before those of time alone."""
    times = set(time_dimensions(data)) or {
        name for name in data.dims if is_lead(data.variables.get(name))
    }
    skipped = bounds_of(data) | named_in(data, "ancillary_variables")
    found = [
        str(name)
        for name, array in data.data_vars.items()
        if array.dtype.kind in "fiu"
        and times & set(array.dims)
        and name not in skipped
        and not counts_since(array.attrs)
    ]
    return [name for name in found if data[name].ndim > 1] or found


def _named(data: xr.Dataset, names: Sequence[str]) -> list[str]:
    times = set(time_dimensions(data))
    for name in names:
        if name not in data.variables:
            raise DataError(
                f"there is no variable '{name}'; variables are "
                f"{', '.join(map(str, data.data_vars)) or 'none'}"
            )
        check_numbers(name, data.variables[name])
        if set(data[name].dims) != set(data[names[0]].dims):
            raise DataError(
                f"variables must have the same dimensions, but have "
                f"{_described(data, names[0])} and {_described(data, name)}; import one of them"
            )
        if times and not times & set(data[name].dims):
            raise DataError(
                f"'{name}' has no time, only "
                f"{', '.join(map(str, data[name].dims)) or 'one value'}; name another with "
                f"--variable"
            )
    return list(names)


def _described(data: xr.Dataset, name: Hashable) -> str:
    return f"{name} ({', '.join(map(str, data[name].dims))})"


def _hint(data: xr.Dataset, names: list[str]) -> str:
    """Other variables that need no choice of a level."""
    fewer = [name for name in _readings(data) if name not in names and data[name].ndim <= 3]
    return f", or take another variable with --variable ({', '.join(fewer)})" if fewer else ""


def _time_dimension(data: xr.Dataset, array: xr.DataArray) -> Hashable:
    found = [name for name in time_dimensions(data) if name in array.dims]
    found = found or [name for name in array.dims if is_lead(data.variables.get(name))]
    if not found:
        raise DataError(
            f"'{array.name}' must have a time dimension, but has "
            f"{', '.join(map(str, array.dims))}; name another variable with --variable"
        )
    if len(found) > 1 and str(found[0]).lower() not in {"time", "valid_time"}:
        raise DataError(
            f"'{array.name}' has two dimensions of time, {found[0]} and {found[1]}; choose one "
            f"moment of one with --select {found[1]}=VALUE"
        )
    return found[0]


def _times(data: xr.Dataset, dimension: Hashable, options: ReadOptions) -> Times:
    name = time_variable(data, dimension)
    if name is None:
        return step_times(data.sizes[dimension], options)
    variable = data.variables[name]
    if is_lead(variable) and not counts_since(variable.attrs) and _start(data) is not None:
        return _leads(data, str(name), options)
    time, clock, findings = read_cf_times(variable, str(name), options)
    if name != dimension:
        return time, clock, (known(f"times along '{dimension}' are those of '{name}'"), *findings)
    return time, clock, (*findings, *_after(data, str(name)))


def _start(data: xr.Dataset) -> Hashable | None:
    """The one start of a forecast, of which the lead times go on."""
    return next(
        (
            name
            for name, variable in data.variables.items()
            if variable.ndim == 0 and counts_since(variable.attrs)
        ),
        None,
    )


def _leads(data: xr.Dataset, name: str, options: ReadOptions) -> Times:
    start = _start(data)
    assert start is not None
    first, clock, findings = read_cf_times(
        xr.Variable(("start",), data.variables[start].values[None], data.variables[start].attrs),
        str(start),
        options,
    )
    after = _seconds(data.variables[name])
    said = known(f"times are {name} after {clock.label(int(first[0]))}")
    return first[0] + after, clock, (*findings, said)


def _seconds(variable: xr.Variable) -> np.ndarray:
    values = variable.to_numpy()
    scale = 1e-9 if values.dtype.kind == "m" else 0.0
    if values.dtype.kind == "m":
        values = values.astype("timedelta64[ns]").astype(np.int64)
    else:
        scale = SECONDS_OF[str(variable.attrs["units"]).strip().lower()]
    return np.round(values * scale).astype(np.int64)


def _after(data: xr.Dataset, name: str) -> tuple[Finding, ...]:
    """That readings of a forecast hold later than the times at which it started."""
    return tuple(
        assumed(
            f"times are those of '{name}'; readings hold {plain(variable.values)} "
            f"{variable.attrs.get('units', '')} later".rstrip(),
            f"--select {name}=VALUE and no {lead} gives the course of one forecast",
        )
        for lead, variable in data.variables.items()
        if variable.ndim == 0 and is_forecast_lead(lead, variable) and variable.values != 0
    )


def _left_out(data: xr.Dataset, names: list[str], places: Places) -> tuple[Finding, ...]:
    times = set(time_dimensions(data))
    clocks = {time_variable(data, name) for name in times}
    used = {*names, *places.used, *clocks}
    left = [name for name in data.data_vars if name not in used]
    skipped = bounds_of(data) | named_in(data, "grid_mapping")
    fixed = [
        str(name)
        for name in left
        if name in skipped or not times & set(data[name].dims) or data[name].dtype.kind not in "fiu"
    ]
    others = [str(name) for name in left if str(name) not in fixed]
    found = []
    if fixed:
        found.append(known(f"skipped, as bounds or without times or numbers: {', '.join(fixed)}"))
    if others:
        found.append(
            assumed(f"variables left out: {', '.join(others)}", "take them with --variable")
        )
    return tuple(found)
