"""Small NetCDF files for tests, and their import."""

from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from dynst.data.importers.import_store import GraphOptions, ImportReport, import_store
from dynst.data.importers.source import ReadOptions
from dynst.data.store import SensorStore, open_store

STEPS, LATS, LONS = 12, (52.0, 51.0, 50.0), (4.0, 5.0, 6.0, 7.0)
DIMS = ("time", "latitude", "longitude")


def field(*shape: int) -> np.ndarray:
    """Distinct readings that float32 holds exactly."""
    return (250 + np.arange(int(np.prod(shape))) / 8).astype(np.float32).reshape(shape)


def hours(count: int = STEPS, **attributes: Any) -> tuple[str, np.ndarray, dict[str, Any]]:
    """A time coordinate."""
    return ("time", np.arange(count), {"units": "hours since 2024-03-01 00:00:00", **attributes})


def grid(values: np.ndarray | None = None, **coords: Any) -> xr.Dataset:
    """Times × 3 latitudes × 4 longitudes of ``t2m``."""
    values = field(STEPS, len(LATS), len(LONS)) if values is None else values
    given = {"time": hours(len(values)), "latitude": list(LATS), "longitude": list(LONS)} | coords
    return xr.Dataset({"t2m": (DIMS, values, {"units": "K"})}, given)


def write(data: xr.Dataset, path: Path) -> Path:
    """As NetCDF 4, without fill values that nobody asked for."""
    for name in data.variables:
        data[name].encoding.setdefault("_FillValue", None)
    data.to_netcdf(path, engine="h5netcdf")
    return path


def take(
    path: Path, options: ReadOptions | None = None, graph: GraphOptions | None = None
) -> tuple[SensorStore, ImportReport]:
    """The store beside the file, and what the import said."""
    store = path.parent / f"{path.name}.store{len(list(path.parent.glob('*.store*')))}"
    report = import_store(path, store, options=options, graph=graph)
    return open_store(store), report


def readings(store: SensorStore, channel: int = 0) -> np.ndarray:
    """``[N, S]`` with NaN for what is missing."""
    part = store.readings
    return np.where(part.observed[..., channel], part.values[..., channel], np.nan)


def labels(store: SensorStore) -> list[str]:
    """Every time as text."""
    return store.manifest.clock.labels(store.readings.time)
