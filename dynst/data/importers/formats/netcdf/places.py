"""Where sensors stand: stations with names and places, and the cells of grids."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field

import numpy as np
import xarray as xr

from dynst.data.edges import Edges
from dynst.data.importers.formats.netcdf.coordinates import degrees, named, pair_of, role_of
from dynst.data.importers.formats.netcdf.roles import is_other, spaced
from dynst.data.importers.formats.netcdf.units import plain
from dynst.data.importers.places.coordinates import refuse_null_island
from dynst.data.importers.report import Finding, assumed, known
from dynst.data.importers.source import PositionKind, ReadOptions, numbered
from dynst.data.lattice import Wrap, cell_ids, cell_positions, grid_edges
from dynst.data.manifest import Grid
from dynst.errors import DataError

__all__ = ["Places", "places_of"]

NAMES = ("station_id", "station_name", "station", "station_code", "id", "name", "site", "stid")
CIRCLE, CLOSE = 360.0, 0.01


@dataclass(frozen=True)
class Places:
    """Sensors of one or two dimensions.

    Args:
        used: variables that were understood as names or places.
    """

    ids: tuple[str, ...]
    positions: np.ndarray | None = None
    geometry: PositionKind = "none"
    grid: Grid | None = None
    edges: Edges | None = None
    findings: tuple[Finding, ...] = ()
    used: frozenset[Hashable] = field(default_factory=frozenset)


def places_of(data: xr.Dataset, dims: Sequence[Hashable], options: ReadOptions) -> Places:
    """Sensors along the dimensions that are left beside time: none, one or two.

    Raises:
        DataError: a place is no longitude or latitude.
    """
    if len(dims) < 2:
        return _stations(data, dims, options)
    return _cells(data, dims[0], dims[1])


def _stations(data: xr.Dataset, dims: Sequence[Hashable], options: ReadOptions) -> Places:
    ids, used, findings = _ids(data, dims[0], options) if dims else (("point",), set(), ())
    size = len(ids)
    pair = pair_of(data, [(), *([(dims[0],)] if dims else [])])
    if pair is None:
        return Places(ids, findings=findings, used=frozenset(used))
    x, y = (np.broadcast_to(degrees(data.variables[name]), (size,)) for name in pair)
    positions = np.stack([x, y], axis=1)
    if not np.isfinite(positions).all():
        lost = int((~np.isfinite(positions)).any(axis=1).sum())
        text = f"{lost} of {size} sensors have no longitude and latitude, so none is taken"
        return Places(
            ids, findings=(*findings, assumed(text, "--positions")), used=frozenset({*used, *pair})
        )
    positions = _on_earth(positions, pair)
    refuse_null_island(positions, ids, f"'{pair[0]}' and '{pair[1]}'", lonlat=True)
    said = known(f"sensors stand at '{pair[0]}' and '{pair[1]}'")
    return Places(
        ids, positions, "lonlat", None, None, (*findings, said), frozenset({*used, *pair})
    )


Named = tuple[tuple[str, ...], set[Hashable], tuple[Finding, ...]]


def _ids(data: xr.Dataset, dimension: Hashable, options: ReadOptions) -> Named:
    """By what the user names, the variable that CF marks, the dimension's own values, or texts."""
    along = [name for name, variable in data.variables.items() if variable.dims == (dimension,)]
    if options.sensor_column is not None:
        return _named_by(data, options.sensor_column, along, options)
    marked = [name for name in along if data.variables[name].attrs.get("cf_role")]
    texts = [name for name in along if data.variables[name].dtype.kind in "OSU"]
    texts.sort(key=lambda name: (name != dimension, _rank(name)))
    own = [dimension] if dimension in along and not _counts(data.variables[dimension]) else []
    for name in (*marked, *own, *texts):
        ids = _texts(data.variables[name])
        if len(set(ids)) == len(ids) and all(ids):
            others = [other for other in texts if other != name and name not in (*marked, *own)]
            return ids, {name}, _named_so(data, dimension, name, others)
    if dimension in along:
        return _texts(data.variables[dimension]), set(), _of_others(data, dimension)
    text = f"nothing names the sensors along '{dimension}', so they are numbered from 0"
    return numbered(data.sizes[dimension]), set(), (assumed(text, "--sensor-column"),)


def _named_by(
    data: xr.Dataset, wanted: str, along: Sequence[Hashable], options: ReadOptions
) -> Named:
    if wanted not in along:
        raise DataError(
            f"--sensor-column {wanted}: there is no such variable with one value a sensor; there "
            f"are {', '.join(map(str, along)) or 'none'}"
        )
    options.apply("sensor_column")
    return _texts(data.variables[wanted]), {wanted}, ()


def _named_so(
    data: xr.Dataset, dimension: Hashable, name: Hashable, others: Sequence[Hashable]
) -> tuple[Finding, ...]:
    if name == dimension:
        return _of_others(data, dimension)
    text = f"sensors are named by '{name}'"
    if others:
        return (assumed(f"{text}, not by {', '.join(map(str, others))}", "--sensor-column"),)
    return (known(text),)


def _of_others(data: xr.Dataset, dimension: Hashable) -> tuple[Finding, ...]:
    """That levels or members take the place of sensors."""
    if not is_other(data, dimension):
        return ()
    text = f"each value of '{dimension}' is a sensor"
    return (assumed(text, f"--select {dimension}=VALUE takes one"),)


def _texts(variable: xr.Variable) -> tuple[str, ...]:
    return tuple(plain(value) for value in variable.to_numpy())


def _rank(name: Hashable) -> int:
    lower = str(name).lower()
    return NAMES.index(lower) if lower in NAMES else len(NAMES)


def _counts(variable: xr.Variable) -> bool:
    """Whether a coordinate only numbers its places."""
    if variable.dtype.kind not in "iu":
        return False
    values = variable.to_numpy()
    return bool(values[0] in {0, 1} and (np.diff(values) == 1).all())


def _cells(data: xr.Dataset, row: Hashable, column: Hashable) -> Places:
    height, width = data.sizes[row], data.sizes[column]
    grid = Grid(height=height, width=width)
    x, y, geometry, used, findings = _centres(data, row, column)
    wrap = _wrap(data, used, row, column) if geometry == "lonlat" else None
    positions = np.stack([x.ravel(), y.ravel()], axis=1)
    if geometry == "lonlat":
        positions = _on_earth(positions, used)
    if wrap is not None:
        findings = (
            *findings,
            known("the grid goes round the earth: its last cells join its first"),
        )
    return Places(
        cell_ids(height, width),
        positions,
        geometry,
        grid,
        grid_edges(height, width, wrap=wrap),
        findings,
        frozenset(used),
    )


Centres = tuple[np.ndarray, np.ndarray, PositionKind, tuple[Hashable, ...], tuple[Finding, ...]]


def _centres(data: xr.Dataset, row: Hashable, column: Hashable) -> Centres:
    """``[H, W]`` each: x and y of the cells."""
    for first, second in ((row, column), (column, row)):  # latitudes along the first
        lon, lat = named(data, "lon", [(second,)]), named(data, "lat", [(first,)])
        if lon is not None and lat is not None:
            x, y = (degrees(data.variables[name]) for name in (lon, lat))
            pair = np.meshgrid(x, y) if first == row else np.meshgrid(x, y, indexing="ij")
            return pair[0], pair[1], "lonlat", (lon, lat), ()
    pair_2d = pair_of(data, [(row, column), (column, row)])
    if pair_2d is not None:
        x, y = (degrees(data.variables[name].transpose(row, column)) for name in pair_2d)
        if np.isfinite(x).all() and np.isfinite(y).all():
            said = known(
                f"cells stand at '{pair_2d[0]}' and '{pair_2d[1]}' over {row} and {column}"
            )
            return x, y, "lonlat", pair_2d, (said,)
        lost = assumed(
            f"some cells have no '{pair_2d[0]}' and '{pair_2d[1]}', so places are only counted",
            "--positions",
        )
        return (*_counted(data, row, column), "plane", pair_2d, (lost,))
    return _plane(data, row, column)


def _plane(data: xr.Dataset, row: Hashable, column: Hashable) -> Centres:
    numeric = [
        name in data.variables and data.variables[name].dtype.kind in "fiu"
        for name in (row, column)
    ]
    if not all(numeric):
        sure = role_of(data, row) == "y" and role_of(data, column) == "x"
        text = f"rows are '{row}' and columns '{column}', places are only counted"
        said = () if sure else (assumed(text, "--positions"),)
        return (*_counted(data, row, column), "plane", (), said)
    one, other = (data.variables[name].to_numpy().astype(float) for name in (column, row))
    x, y = np.meshgrid(one, other)
    if role_of(data, row) == "x" and role_of(data, column) == "y":
        x, y = y, x
    return x, y, "plane", (row, column), ()


def _counted(data: xr.Dataset, row: Hashable, column: Hashable) -> tuple[np.ndarray, np.ndarray]:
    height, width = data.sizes[row], data.sizes[column]
    positions = cell_positions(height, width).reshape(height, width, 2)
    return positions[..., 0], positions[..., 1]


def _on_earth(positions: np.ndarray, names: Sequence[Hashable]) -> np.ndarray:
    """Longitudes and latitudes ``[S, 2]``, from −180 to 180 where any lies beyond."""
    for axis, (limit, what) in enumerate(((CIRCLE, "longitude"), (90.0, "latitude"))):
        wrong = np.abs(positions[:, axis]) > limit
        if wrong.any():
            raise DataError(
                f"every {what} must lie within ±{limit:g} degrees, but '{names[axis]}' holds "
                f"{positions[wrong, axis][0]:g}; mend it in the file"
            )
    if np.abs(positions[:, 0]).max() <= CIRCLE / 2:
        return positions
    turned = (positions[:, 0] + CIRCLE / 2) % CIRCLE - CIRCLE / 2
    return np.stack([turned, positions[:, 1]], axis=1)


def _wrap(
    data: xr.Dataset, used: Sequence[Hashable], row: Hashable, column: Hashable
) -> Wrap | None:
    """The direction in which longitudes go once around the earth in even steps."""
    variable = data.variables[used[0]]
    if variable.ndim != 1:
        return None
    step = spaced(variable.to_numpy())
    if step is None or abs(abs(step) * len(variable) - CIRCLE) > CLOSE * abs(step):
        return None
    return "columns" if variable.dims == (column,) else "rows"
