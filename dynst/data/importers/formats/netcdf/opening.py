"""Opening NetCDF 3, NetCDF 4 and Zarr with numbers unpacked and times as the file has them."""

import warnings
from collections.abc import Hashable
from itertools import product
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import xarray as xr
import zarr

from dynst.data.importers.source import ReadOptions
from dynst.errors import DataError, in_one_line

__all__ = ["is_netcdf4", "open_dataset"]

NETCDF3 = (b"CDF\x01", b"CDF\x02")
PACKING = ("scale_factor", "add_offset")
OWN: dict[str, Any] = {"decode_times": False, "decode_timedelta": False}


def open_dataset(path: Path, options: ReadOptions) -> xr.Dataset:
    """The dataset, or the group of it that ``options.key`` names.

    Packed integers, scale and offset, and declared fill values are undone, times are not.

    Raises:
        DataError: the file is of no form that can be read; or it keeps its variables in groups
            and none is named.
    """
    group = None if options.key is None else options.key.strip("/") or None
    if options.key is not None:
        options.apply("key")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", xr.SerializationWarning)  # of several fill values
            data: xr.Dataset = _open(path, group)
    except DataError:
        raise
    except Exception as error:  # libraries raise what they like
        _refuse_packing(path, group)
        where = f"group '{group}' of {path}" if group else str(path)
        raise DataError(
            f"{where} cannot be read ({in_one_line(error)}); check the file, or write it again as "
            f"NetCDF 4"
        ) from error
    _check_packing(data)
    data = data.assign(
        {name: _joined(data.variables[name]) for name in data.data_vars if _is_letters(data, name)}
    )
    if not data.data_vars and (groups := _groups(path)):
        raise DataError(
            f"{path} keeps its variables in groups ({', '.join(groups)}); name one with --key"
        )
    return data


def _is_letters(data: xr.Dataset, name: Hashable) -> bool:
    """Whether a variable holds texts letter by letter, along a dimension of theirs."""
    variable = data.variables[name]
    return variable.ndim > 1 and variable.dtype == np.dtype("S1")


def _joined(variable: xr.Variable) -> xr.Variable:
    letters = np.ascontiguousarray(variable.to_numpy())
    texts = letters.view(f"S{letters.shape[-1]}")[..., 0]
    return xr.Variable(variable.dims[:-1], texts, variable.attrs)


def _refuse_packing(path: Path, group: str | None) -> None:
    """Where a library failed at a scale or offset, say so."""
    try:
        data = _open(path, group, mask_and_scale=False)
    except Exception:  # it failed at something else
        return
    _check_packing(data)


def _check_packing(data: xr.Dataset) -> None:
    for name, variable in data.variables.items():
        for source, key in product((variable.attrs, variable.encoding), PACKING):
            value = np.asarray(source.get(key, 1.0))
            if value.size != 1 or value.dtype.kind not in "fiu":
                raise DataError(
                    f"{key} of '{name}' must be one number, but is "
                    f"{', '.join(map(str, value.ravel()[:4]))!r}; mend it in the file"
                )


def is_netcdf4(path: Path) -> bool:
    """Whether an HDF 5 file of any name was written as NetCDF 4."""
    if not (path.is_file() and h5py.is_hdf5(path)):
        return False
    with h5py.File(path) as file:
        return "_NCProperties" in file.attrs


def _open(path: Path, group: str | None, **more: Any) -> Any:
    if path.name.endswith(".zip"):
        return _open_zarr(zarr.storage.ZipStore(path, mode="r"), group, **more)
    if path.is_dir():
        return _open_zarr(path, group, **more)
    if h5py.is_hdf5(path):
        return xr.open_dataset(path, engine="h5netcdf", group=group, cache=False, **OWN, **more)
    with path.open("rb") as file:
        start = file.read(4)
    if start not in NETCDF3:
        told = (
            "is NetCDF of the form CDF-5, which cannot be read"
            if start[:3] == b"CDF"
            else ("is no NetCDF file, as its first bytes tell")
        )
        raise DataError(f"{path} {told}; write it as NetCDF 4")
    if group is not None:
        raise DataError(f"{path} is NetCDF 3, which has no groups; leave out --key")
    return xr.open_dataset(path, engine="scipy", cache=False, **OWN, **more)


def _open_zarr(store: Any, group: str | None, **more: Any) -> xr.Dataset:
    """Variables by the alphabet: Zarr lists them in another order each time."""
    data = xr.open_zarr(store, group=group, consolidated=False, chunks=None, **OWN, **more)
    return xr.Dataset(
        {name: data[name] for name in sorted(data.data_vars, key=str)},
        {name: data.coords[name] for name in sorted(data.coords, key=str)},
        data.attrs,
    )


def _groups(path: Path) -> list[str]:
    """Groups that hold variables, by their paths."""
    found: list[str] = []
    if path.is_file() and h5py.is_hdf5(path):
        with h5py.File(path) as file:
            file.visititems(
                lambda name, item: (
                    found.append(str(name))
                    if isinstance(item, h5py.Group)
                    and any(isinstance(child, h5py.Dataset) for child in item.values())
                    else None
                )
            )
    elif path.is_dir():
        found = [name for name, _ in zarr.open_group(path, mode="r").groups()]
    return found
