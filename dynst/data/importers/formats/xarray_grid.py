"""NetCDF 3 and 4 and Zarr through xarray: packed integers, scale and offset, and fill values are
undone by it.
"""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
import zarr

from dynst.data.clock import Clock
from dynst.data.importers.report import Finding, assumed
from dynst.data.importers.source import (
    BLOCK_BYTES,
    Block,
    ReadOptions,
    Source,
    numbered,
    step_times,
)
from dynst.data.importers.times import times_of
from dynst.data.lattice import cell_ids, cell_positions, grid_edges
from dynst.data.manifest import Channel, Grid
from dynst.errors import DataError

__all__ = ["KIND", "matches", "read"]

KIND = "xarray"
SUFFIXES = {".nc", ".nc3", ".nc4", ".cdf", ".netcdf"}
LONGITUDES, LATITUDES = {"lon", "longitude", "x_lon"}, {"lat", "latitude", "y_lat"}


def matches(path: Path, options: ReadOptions) -> bool:
    return path.suffix in SUFFIXES or path.name.endswith((".zarr", ".zarr.zip"))


def read(path: Path, options: ReadOptions) -> Source:
    data = _select(path, _open(path), options)
    names = _variables(path, data, options)
    array = data[names[0]]
    time_name = _time(path, array)
    places = [name for name in array.dims if name != time_name]
    if len(places) not in {1, 2}:
        others = ", ".join(f"{name} ({array.sizes[name]})" for name in places)
        raise DataError(
            f"{path}: '{names[0]}' must have a time and one or two dimensions of place, but has "
            f"{others}; choose one place of the rest with --select NAME=VALUE"
        )
    height, width = (
        (array.sizes[name] for name in places) if len(places) == 2 else (1, array.sizes[places[0]])
    )
    time, clock, findings = _times(array, time_name, options)
    positions, geometry = _positions(array, places)
    grid = Grid(height=height, width=width) if len(places) == 2 else None
    return Source(
        KIND,
        cell_ids(height, width) if grid else _station_ids(array, places[0]),
        tuple(Channel(name=name, unit=str(data[name].attrs.get("units", ""))) for name in names),
        lambda: _blocks(data, names, time_name, places, time),
        positions=positions,
        geometry=geometry,  # type: ignore[arg-type]
        edges=grid_edges(height, width) if grid else None,
        grid=grid,
        clock=clock,
        findings=(*findings, *_left_out(data, names)),
    )


def _open(path: Path) -> Any:
    if path.name.endswith(".zip"):
        return xr.open_zarr(zarr.storage.ZipStore(path, mode="r"), consolidated=False, chunks=None)
    if path.is_dir():
        return xr.open_zarr(path, consolidated=False, chunks=None)
    with suppress(ValueError, OSError):
        return xr.open_dataset(path, engine="h5netcdf", cache=False)
    return xr.open_dataset(path, engine="scipy", cache=False)


def _select(path: Path, data: xr.Dataset, options: ReadOptions) -> xr.Dataset:
    for name, value in options.select:
        if name not in data.dims:
            raise DataError(
                f"{path} has no dimension '{name}'; its dimensions are "
                f"{', '.join(map(str, data.dims))}"
            )
        data = (
            data.sel({name: value}, method="nearest")
            if name in data.coords
            else data.isel({name: int(value)})
        )
    single = [name for name in data.dims if data.sizes[name] == 1 and name not in {"time"}]
    return data.isel(dict.fromkeys(single, 0))


def _variables(path: Path, data: xr.Dataset, options: ReadOptions) -> list[str]:
    known = [
        str(name)
        for name, array in data.data_vars.items()
        if array.ndim >= 2 and array.dtype.kind in "fiu"
    ]
    if options.variables:
        absent = [name for name in options.variables if name not in known]
        if absent:
            raise DataError(
                f"{path} has no variable '{absent[0]}' over time and place; it has "
                f"{', '.join(known) or 'none'}"
            )
        return list(options.variables)
    if not known:
        raise DataError(f"{path} has no variable over time and place")
    return [name for name in known if data[name].dims == data[known[0]].dims]


def _time(path: Path, array: xr.DataArray) -> Any:
    for name in array.dims:
        if (
            str(name).lower() in {"time", "t", "date", "valid_time"}
            or array.coords.get(name, array).dtype.kind == "M"
        ):
            return name
    raise DataError(
        f"{path}: '{array.name}' must have a time dimension, but has "
        f"{', '.join(map(str, array.dims))}"
    )


def _times(
    array: xr.DataArray, name: Any, options: ReadOptions
) -> tuple[np.ndarray, Clock, tuple[Finding, ...]]:
    if name not in array.coords:
        return step_times(array.sizes[name], options)
    time, reader = times_of(array[name].to_numpy(), options)
    return time, reader.clock, tuple(reader.findings)


def _blocks(
    data: xr.Dataset, names: list[str], time_name: Any, places: list[Any], time: np.ndarray
) -> Iterator[Block]:
    cell_bytes = 8 * len(names) * int(np.prod([data.sizes[name] for name in places]))
    rows = max(1, BLOCK_BYTES // cell_bytes)
    for first in range(0, len(time), rows):
        part = data.isel({time_name: slice(first, first + rows)})
        arrays = [part[name].transpose(time_name, *places).to_numpy() for name in names]
        yield (
            time[first : first + rows],
            np.stack([array.reshape(len(array), -1) for array in arrays], axis=-1),
        )


def _positions(array: xr.DataArray, places: list[Any]) -> tuple[np.ndarray | None, str]:
    if len(places) == 1:
        x, y = (
            next((array.coords[name] for name in names if name in array.coords), None)
            for names in (LONGITUDES, LATITUDES)
        )
        return (
            (None, "none")
            if x is None or y is None
            else (np.stack([x.to_numpy(), y.to_numpy()], axis=1), "lonlat")
        )
    row, column = places
    if row not in array.coords or column not in array.coords:
        return cell_positions(array.sizes[row], array.sizes[column]), "plane"
    y, x = np.meshgrid(
        array[row].to_numpy().astype(float), array[column].to_numpy().astype(float), indexing="ij"
    )
    lonlat = str(column).lower() in LONGITUDES and str(row).lower() in LATITUDES
    if lonlat:
        x = (x + 180) % 360 - 180
    elif str(row).lower() in LONGITUDES and str(column).lower() in LATITUDES:
        x, y, lonlat = (y + 180) % 360 - 180, x, True
    return np.stack([x.ravel(), y.ravel()], axis=1), "lonlat" if lonlat else "plane"


def _station_ids(array: xr.DataArray, place: Any) -> tuple[str, ...]:
    if place in array.coords:
        return tuple(str(name) for name in array[place].to_numpy())
    return numbered(array.sizes[place])


def _left_out(data: xr.Dataset, names: list[str]) -> tuple[Finding, ...]:
    left = [str(name) for name in data.data_vars if name not in names]
    return (
        (assumed(f"variables left out: {', '.join(left)}", "take them with --variable"),)
        if left
        else ()
    )
