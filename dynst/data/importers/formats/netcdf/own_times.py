"""Readings that share no time axis, and sensors that move: what no table of sensors can hold."""

from collections.abc import Hashable

import numpy as np
import xarray as xr

from dynst.data.importers.formats.netcdf.coordinates import pair_of
from dynst.data.importers.formats.netcdf.roles import bounds_of, time_dimensions
from dynst.data.importers.formats.netcdf.times import counts_since
from dynst.errors import DataError

__all__ = ["refuse_moving", "refuse_own_times", "refuse_several", "with_still_places"]

STILL = 0.01  # degrees that a satellite fix of a mooring may vary by
MOVING = {"trajectory", "point", "trajectoryprofile"}
STATIONS = {"station", "sensor", "site", "node", "detector", "gauge", "buoy", "platform", "wmo"}


def refuse_moving(data: xr.Dataset) -> None:
    """Raises DataError where the file declares sensors that move."""
    feature = str(data.attrs.get("featureType", ""))
    if feature.lower() in MOVING:
        raise _moving(f"featureType {feature}")


def with_still_places(data: xr.Dataset) -> xr.Dataset:
    """The dataset with the places that it repeats at each time held once, as models write them.

    Raises:
        DataError: they change with time.
    """
    still = {}
    for time in time_dimensions(data):
        repeated = {variable.dims for variable in data.variables.values() if variable.ndim > 1}
        for dims in (dims for dims in repeated if time in dims):
            pair = pair_of(data, [dims])
            for name in pair or ():
                still[name] = _held_once(data.variables[name], time)
    return data.assign_coords(still)


def _held_once(variable: xr.Variable, time: Hashable) -> xr.Variable:
    """The first of all times, read one at a time."""
    steps = (variable.isel({time: step}) for step in range(variable.sizes[time]))
    first = next(steps)
    low = high = first.to_numpy().astype(float)
    for step in steps:
        low, high = np.fmin(low, step.to_numpy()), np.fmax(high, step.to_numpy())
    if (high - low > STILL).any():
        raise _moving(f"places that change along '{time}'")
    return first


def refuse_own_times(data: xr.Dataset) -> None:
    """Raises DataError where each station has times of its own, and none are common."""
    if any(counts_since(data[name].attrs) for name in time_dimensions(data) if name in data):
        return
    bounds = bounds_of(data)
    for name, variable in data.variables.items():
        marked = variable.attrs.get("standard_name") == "time" or counts_since(variable.attrs)
        if marked and variable.ndim == 2 and name not in bounds:
            raise DataError(
                f"'{name}' over {' and '.join(map(str, variable.dims))} gives each station times "
                f"of its own (a ragged array); convert it to readings over station × time with "
                f"xarray, with one time axis for all"
            )


def refuse_several(data: xr.Dataset, dimension: Hashable, time: np.ndarray) -> None:
    """Refuse readings along time alone that are of several stations or places.

    Args:
        data: the dataset.
        dimension: of time.
        time: ``[N]`` int64 along it.

    Raises:
        DataError: they are, or may be as times repeat or go back.
    """
    pair = pair_of(data, [(dimension,)])
    if pair is not None and any(_spread(data[name].to_numpy()) > STILL for name in pair):
        raise _moving(f"'{pair[0]}' and '{pair[1]}' along '{dimension}'")
    names = [
        str(name)
        for name, variable in data.variables.items()
        if variable.dims == (dimension,) and _names_stations(name, variable)
    ]
    if names or (np.diff(time) <= 0).any():
        why = f"'{names[0]}' changes along it" if names else "times repeat or go back"
        raise DataError(
            f"readings along '{dimension}' may be of several stations (a ragged array), since "
            f"{why}; convert them to readings over station × time with xarray"
        )


def _spread(values: np.ndarray) -> float:
    known = values[np.isfinite(values)].astype(float)
    return float(np.ptp(known)) if known.size else 0.0


def _names_stations(name: Hashable, variable: xr.Variable) -> bool:
    """Whether a variable gives each reading a station, and not all the same."""
    lower = str(name).lower()
    if not ("cf_role" in variable.attrs or any(lower.startswith(word) for word in STATIONS)):
        return False
    return len(set(variable.to_numpy().tolist())) > 1


def _moving(why: str) -> DataError:
    return DataError(
        f"sensors must stay where they are, but these move (by {why}); bring readings of fixed "
        f"stations, over station × time"
    )
