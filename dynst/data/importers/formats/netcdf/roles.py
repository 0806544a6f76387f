"""What the variables and dimensions of a dataset are: readings, bounds, times, leads, places."""

from collections.abc import Hashable

import numpy as np
import xarray as xr

from dynst.data.importers.formats.netcdf.times import counts_since
from dynst.data.importers.formats.netcdf.units import PRESSURES, is_span
from dynst.errors import DataError

__all__ = [
    "bounds_of",
    "is_forecast_lead",
    "is_lead",
    "is_other",
    "named_in",
    "time_dimensions",
    "time_variable",
]

TIMES = ("time", "valid_time", "datetime", "date", "times", "time_counter", "t")
LEADS = {"prediction_timedelta", "step", "lead", "lead_time", "leadtime", "forecast_period"}
OTHERS = {
    *LEADS,
    *("level", "levels", "lev", "plev", "pressure", "pressure_level", "isobaricinhpa", "hybrid"),
    *(
        "depth",
        "deptht",
        "height",
        "altitude",
        "heightaboveground",
        "sigma",
        "model_level",
        "layer",
    ),
    *("number", "member", "members", "realization", "ensemble", "ens", "expver", "quantile"),
    *("band", "channel", "wavelength", "frequency", "percentile", "bnds", "nv", "bounds"),
}
CORNERS = {2, 4}  # of an interval, and of a cell
STARTED = "forecast_reference_time"
STARTS = {"forecast_reference_time", "reftime", "init_time", "initial_time"}


def time_variable(data: xr.Dataset, dimension: Hashable) -> Hashable | None:
    """The variable that holds the times of a dimension; None where there is none."""
    own = data.variables.get(dimension)
    starts = own is not None and own.attrs.get("standard_name") == STARTED
    if own is not None and own.ndim == 1 and _is_time(own) and not starts:
        return dimension
    beside = [
        name
        for name, variable in data.variables.items()
        if variable.dims == (dimension,)
        and name != dimension
        and (_is_time(variable) or (own is None and _has_time_name(name)))
    ]
    if standard := [name for name in beside if _is_standard(data.variables[name])]:
        return standard[0]
    if not starts and (named := [name for name in beside if _has_time_name(name)]):
        return named[0]
    if beside and own is None:
        return beside[0]
    return dimension if own is not None and own.ndim == 1 else None


def time_dimensions(data: xr.Dataset) -> list[Hashable]:
    """Dimensions along which time runs, the likeliest first."""
    marked, named = [], []
    for dimension in data.dims:
        name = time_variable(data, dimension)
        if name is not None and _is_time(data.variables[name]):
            marked.append(dimension)
        elif str(dimension).lower() in TIMES:
            named.append(dimension)
    marked.sort(key=lambda name: (str(name) in STARTS, str(name).lower() not in TIMES))
    return [*marked, *named]


def is_lead(variable: xr.Variable | None) -> bool:
    """Whether a coordinate counts durations, as the lead times of forecasts are."""
    if variable is None:
        return False
    return variable.dtype.kind == "m" or is_span(str(variable.attrs.get("units", "")))


def is_forecast_lead(name: Hashable, variable: xr.Variable) -> bool:
    """Whether durations are those from the start of a forecast to the time it holds for."""
    named = str(name).lower() in LEADS or variable.attrs.get("standard_name") == "forecast_period"
    return named and is_lead(variable)


def is_other(data: xr.Dataset, dimension: Hashable) -> bool:
    """Whether a dimension is surely no place on a map: levels, members, leads, bands."""
    if str(dimension).lower() in OTHERS:
        return True
    variable = data.variables.get(dimension)
    if variable is None:
        return False
    attributes = {key: str(value).lower() for key, value in variable.attrs.items()}
    return (
        is_lead(variable)
        or _is_time(variable)
        or attributes.get("axis") == "z"
        or "positive" in attributes
        or attributes.get("units") in PRESSURES
    )


def bounds_of(data: xr.Dataset) -> set[Hashable]:
    """Variables that hold the bounds of coordinates or of cells, and not readings."""
    named = named_in(data, "bounds") | named_in(data, "climatology")
    return named | {
        name
        for name, variable in data.variables.items()
        if str(name).endswith(("_bnds", "_bounds", "_vertices"))
        and variable.ndim > 1
        and variable.shape[-1] in CORNERS
    }


def named_in(data: xr.Dataset, attribute: str) -> set[Hashable]:
    """Variables that some variable names in an attribute of CF."""
    return {
        name
        for variable in data.variables.values()
        for source in (variable.attrs, variable.encoding)
        for name in str(source.get(attribute, "")).split()
        if name in data.variables
    }


def check_numbers(name: str, variable: xr.Variable) -> None:
    """Raises DataError where a variable that the user named holds no numbers."""
    if variable.dtype.kind not in "fiu":
        raise DataError(f"variable '{name}' must hold numbers, but holds texts")


def _is_time(variable: xr.Variable) -> bool:
    marked = variable.attrs.get("standard_name") == "time" or str(variable.attrs.get("axis")) == "T"
    return variable.dtype.kind == "M" or counts_since(variable.attrs) or marked


def _is_standard(variable: xr.Variable) -> bool:
    return variable.attrs.get("standard_name") == "time"


def _has_time_name(name: Hashable) -> bool:
    return str(name).lower() in TIMES


def spaced(values: np.ndarray) -> float | None:
    """The step of evenly spaced numbers; None where they are not."""
    steps = np.diff(values.astype(float))
    if not len(steps) or not steps[0]:
        return None
    return float(steps.mean()) if np.allclose(steps, steps.mean(), rtol=1e-2, atol=0) else None
