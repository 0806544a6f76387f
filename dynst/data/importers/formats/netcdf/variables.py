"""Which variables of a dataset are its readings, and what is said of the others."""

from collections.abc import Hashable, Sequence

import xarray as xr

from dynst.data.importers.columns.words import is_flag_name
from dynst.data.importers.formats.netcdf.roles import (
    bounds_of,
    check_numbers,
    is_lead,
    named_in,
    time_dimensions,
    time_variable,
)
from dynst.data.importers.formats.netcdf.times import counts_since
from dynst.data.importers.report import Finding, assumed, known
from dynst.data.importers.source import ReadOptions
from dynst.errors import DataError

__all__ = ["hint", "left_out", "variables"]

FLAG_ATTRIBUTES = {"flag_values", "flag_masks", "flag_meanings"}
FLAG_STANDARD_NAMES = ("status_flag", "quality_flag", "number_of_observations", "standard_error")
BESIDE = ("_qc", "_flag", "_flags", "_quality", "_error", "_count", "_stderr", "_uncertainty")
COUNTS = {"number_of_observations", "num_obs", "nobs", "n_obs"}


def variables(data: xr.Dataset, options: ReadOptions) -> list[str]:
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
    found = [name for name in found if not _is_flag(data, name)] or found
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


def hint(data: xr.Dataset, names: list[str]) -> str:
    """Other variables that need no choice of a level."""
    fewer = [name for name in _readings(data) if name not in names and data[name].ndim <= 3]
    return f", or take another variable with --variable ({', '.join(fewer)})" if fewer else ""


def _is_flag(data: xr.Dataset, name: Hashable) -> bool:
    """Whether a variable shows of the quality of another: flags, errors, numbers of samples."""
    variable, lower = data.variables[name], str(name).lower()
    standard = str(variable.attrs.get("standard_name", ""))
    if FLAG_ATTRIBUTES & set(variable.attrs) or standard.endswith(FLAG_STANDARD_NAMES):
        return True
    if is_flag_name(str(name)) or lower in COUNTS:
        return True
    base = next((lower.removesuffix(end) for end in BESIDE if lower.endswith(end)), "")
    beside = any(str(other).lower() == base for other in data.data_vars)
    packed = str(variable.encoding.get("dtype", variable.dtype))
    return bool(base) and (beside or packed in {"int8", "uint8", "|i1", "|u1"})


def left_out(
    data: xr.Dataset, names: Sequence[str], places: frozenset[Hashable]
) -> tuple[Finding, ...]:
    """What is said of the variables that are not taken.

    Args:
        data: the dataset.
        names: of those that are.
        places: those that names or places were read from.
    """
    times = set(time_dimensions(data))
    clocks = {time_variable(data, name) for name in times}
    used = {*names, *places, *clocks}
    left = [name for name in data.data_vars if name not in used]
    skipped = bounds_of(data) | named_in(data, "grid_mapping")
    fixed = [
        str(name)
        for name in left
        if name in skipped or not times & set(data[name].dims) or data[name].dtype.kind not in "fiu"
    ]
    flags = [str(name) for name in left if str(name) not in fixed and _is_flag(data, name)]
    others = [str(name) for name in left if str(name) not in (*fixed, *flags)]
    found = []
    if fixed:
        found.append(known(f"skipped, as bounds or without times or numbers: {', '.join(fixed)}"))
    if flags:
        text = f"flags and errors left out, and readings that they doubt kept: {', '.join(flags)}"
        found.append(assumed(text, "take them with --variable"))
    if others:
        found.append(
            assumed(f"variables left out: {', '.join(others)}", "take them with --variable")
        )
    return tuple(found)
