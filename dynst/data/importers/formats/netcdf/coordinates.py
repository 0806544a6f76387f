"""Which variables are longitude, latitude, x and y: by standard name, unit, or name."""

import re
from collections.abc import Hashable, Sequence

import numpy as np
import xarray as xr

from dynst.data.importers.formats.netcdf.roles import is_lead, is_other
from dynst.data.importers.formats.netcdf.units import listed
from dynst.errors import DataError

__all__ = ["degrees", "named", "pair_of", "refuse_others", "role_of"]

LONGITUDES = ("longitude", "lon", "x_lon", "nav_lon", "xlong", "lons", "long")
LATITUDES = ("latitude", "lat", "y_lat", "nav_lat", "xlat", "lats")
EAST = {"degrees_east", "degree_east", "degree_e", "degrees_e", "degreee", "degreese"}
NORTH = {"degrees_north", "degree_north", "degree_n", "degrees_n", "degreen", "degreesn"}
STATIONS = {"station", "sensor", "node", "site", "location", "detector", "gauge", "buoy", "point"}
HORIZONTAL = {
    "x",
    "xc",
    "rlon",
    "projection_x_coordinate",
    "grid_longitude",
    "west_east",
    "easting",
}
WEST_SOUTH = re.compile(r"degrees?_?(?:w(?:est)?|s(?:outh)?)")
VERTICAL = {
    "y",
    "yc",
    "rlat",
    "projection_y_coordinate",
    "grid_latitude",
    "south_north",
    "northing",
}


def pair_of(
    data: xr.Dataset, dims: Sequence[tuple[Hashable, ...]]
) -> tuple[Hashable, Hashable] | None:
    """Longitude and latitude over any of ``dims``."""
    lon, lat = named(data, "lon", dims), named(data, "lat", dims)
    return None if lon is None or lat is None else (lon, lat)


def named(data: xr.Dataset, what: str, dims: Sequence[tuple[Hashable, ...]]) -> Hashable | None:
    """By the standard name, the unit, or the name."""
    names, units, standard = (
        (LONGITUDES, EAST, "longitude") if what == "lon" else (LATITUDES, NORTH, "latitude")
    )
    for dimensions in reversed(dims):
        along = {
            name: variable.attrs
            for name, variable in data.variables.items()
            if variable.dims == dimensions and variable.dtype.kind in "fiu"
        }
        for name, attributes in along.items():
            if attributes.get("standard_name") == standard:
                return name
        for name, attributes in along.items():
            if str(attributes.get("units", "")).lower() in units:
                return name
        for wanted in names:
            for name, attributes in along.items():
                if str(name).lower() == wanted and not _is_rotated(attributes):
                    return name
    return None


def degrees(variable: xr.Variable) -> np.ndarray:
    """Longitudes or latitudes in degrees; unstructured meshes keep them in radians.

    Raises:
        DataError: they are degrees of the west or the south, but some are negative.
    """
    values: np.ndarray = variable.to_numpy().astype(float)
    unit = str(variable.attrs.get("units", "")).strip().lower()
    if WEST_SOUTH.fullmatch(unit):
        if (values < 0).any():
            raise DataError(
                f"coordinates in '{unit}' must not be negative, but one is "
                f"{values[values < 0][0]:g}, which may be west or east, south or north; write "
                f"them in degrees_east and degrees_north"
            )
        return -values
    return np.rad2deg(values) if unit in {"radian", "radians", "rad"} else values


def _is_rotated(attributes: dict[Hashable, object]) -> bool:
    return str(attributes.get("standard_name", "")).startswith(("grid_", "projection_"))


def refuse_others(data: xr.Dataset, name: str, dims: Sequence[Hashable], hint: str) -> None:
    """Two dimensions at most may be left, and both must be places.

    Raises:
        DataError: a level, a member, … is to be chosen.
    """
    others = [dim for dim in dims if is_other(data, dim)] if len(dims) > 1 else []
    stations = [dim for dim in dims if _is_station(data, dim)]
    if len(dims) == 2 and stations and not others:
        others = [dim for dim in dims if dim not in stations] or list(dims)
    if len(dims) <= 2 and not others:
        return
    shown = ", ".join(_shown(data, dim) for dim in others or dims)
    first = others[0] if others else dims[0]
    raise DataError(
        f"'{name}' must have a time and one or two dimensions of place, but has "
        f"{', '.join(map(str, dims))}; choose one of {shown} with "
        f"--select {first}={_example(data, first)}{hint}"
    )


def _example(data: xr.Dataset, dimension: Hashable) -> str:
    """What a value looks like where that is not plain: a duration needs its unit."""
    return "6h" if is_lead(data.variables.get(dimension)) else "VALUE"


def _is_station(data: xr.Dataset, dimension: Hashable) -> bool:
    """Whether a dimension counts stations by its name, its texts, or places along it alone."""
    variable = data.variables.get(dimension)
    texts = variable is not None and variable.dtype.kind in "OSU"
    named_so = str(dimension).lower().rstrip("s") in STATIONS
    return texts or named_so or pair_of(data, [(dimension,)]) is not None


def _shown(data: xr.Dataset, dimension: Hashable) -> str:
    variable = data.variables.get(dimension)
    if variable is None or variable.ndim != 1:
        return f"{dimension} (numbers from 0 to {data.sizes[dimension] - 1})"
    unit = str(variable.attrs.get("units", ""))
    return f"{dimension} ({listed(list(variable.values), unit)})"


def role_of(data: xr.Dataset, dimension: Hashable) -> str:
    """Whether a dimension is ``x`` or ``y``; empty where neither is known."""
    attributes = data.variables[dimension].attrs if dimension in data.variables else {}
    axis = str(attributes.get("axis", "")).lower()
    if axis in {"x", "y"}:
        return axis
    names = {str(dimension).lower(), str(attributes.get("standard_name", "")).lower()}
    for role, known_names, units in (("x", LONGITUDES, EAST), ("y", LATITUDES, NORTH)):
        if names & set(known_names) or str(attributes.get("units", "")).lower() in units:
            return role
    return "x" if names & HORIZONTAL else "y" if names & VERTICAL else ""
