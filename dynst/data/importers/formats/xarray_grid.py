"""NetCDF 3 and 4 and Zarr through xarray: packed integers, scale and offset, and fill values are
undone by it.
"""

from collections.abc import Hashable, Sequence
from math import prod
from pathlib import Path

import numpy as np
import xarray as xr

from dynst.data.clock import Clock
from dynst.data.importers.formats.netcdf.blocks import EXPVER, Readings
from dynst.data.importers.formats.netcdf.coordinates import refuse_others
from dynst.data.importers.formats.netcdf.opening import is_netcdf4, open_dataset
from dynst.data.importers.formats.netcdf.own_times import (
    refuse_moving,
    refuse_own_times,
    refuse_several,
    with_still_places,
)
from dynst.data.importers.formats.netcdf.places import Places, places_of
from dynst.data.importers.formats.netcdf.ragged import (
    Ragged,
    RaggedReadings,
    ragged_of,
)
from dynst.data.importers.formats.netcdf.roles import (
    is_forecast_lead,
    is_lead,
    time_dimensions,
    time_variable,
)
from dynst.data.importers.formats.netcdf.selection import select, squeezed
from dynst.data.importers.formats.netcdf.times import Times, counts_since, read_cf_times
from dynst.data.importers.formats.netcdf.units import SECONDS_OF, plain
from dynst.data.importers.formats.netcdf.variables import hint, left_out, variables
from dynst.data.importers.report import Finding, assumed, known
from dynst.data.importers.sizes.declared import refuse_sensors
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
    data = open_dataset(path, options)
    ragged = ragged_of(data)
    if ragged is not None:
        return _ragged(ragged, options)
    refuse_moving(data)
    data = with_still_places(data)
    data, selected = select(data, options)
    data, single = squeezed(data)
    refuse_own_times(data)
    names = variables(data, options)
    array = data[names[0]]
    time_name = _time_dimension(data, array)
    places_names = [name for name in array.dims if name not in {time_name, EXPVER}]
    refuse_others(data, names[0], places_names, hint(data, names))
    time, clock, timed = _times(data, time_name, options)
    if not places_names:
        refuse_several(data, time_name, time)
    refuse_sensors(prod(data.sizes[name] for name in places_names))
    places = places_of(data, places_names, options)
    versions = [EXPVER] if EXPVER in array.dims else []
    readings = Readings(data, names, [time_name, *versions, *places_names], time)
    return _source(places, readings, clock, (*selected, *single, *timed))


def _ragged(ragged: Ragged, options: ReadOptions) -> Source:
    data = ragged.data
    (time, clock, timed), row = ragged.times(options)
    names = variables(data, options)
    ragged.check(names)
    places = ragged.places(options)
    along = [ragged.samples, ragged.instances]
    readings = RaggedReadings(data, names, along, time, ragged, row)
    return _source(places, readings, clock, timed)


def _source(
    places: Places, readings: Readings, clock: Clock, findings: Sequence[Finding]
) -> Source:
    data, names = readings.data, readings.names
    return Source(
        KIND,
        places.ids,
        _channels(data, names),
        readings.blocks,
        positions=places.positions,
        geometry=places.geometry,
        edges=places.edges,
        grid=places.grid,
        clock=clock,
        findings=(
            *findings,
            *places.findings,
            *readings.findings(),
            *left_out(data, names, places.used),
        ),
        late_findings=readings.late_findings,
        num_steps=len(readings.time),
    )


def _channels(data: xr.Dataset, names: Sequence[str]) -> tuple[Channel, ...]:
    return tuple(Channel(name=name, unit=str(data[name].attrs.get("units", ""))) for name in names)


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
