"""Tables of places: from delimited text or GeoJSON, and which of their columns hold what."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from dynst.data.importers.places.axis_parts import LATITUDES, LONGITUDES, names_side
from dynst.data.importers.places.coordinates import MAX_LATITUDE, SIDES, Axis, parsed
from dynst.data.importers.places.geometries import place_of
from dynst.data.importers.report import Finding, assumed, known
from dynst.data.importers.sizes.lines import refuse_large_text
from dynst.data.importers.small_tables import UTF8, read_cells, read_head, words
from dynst.errors import DataError, in_one_line

__all__ = [
    "Axes",
    "PlaceTable",
    "PositionKind",
    "find_axes",
    "is_axis",
    "order_of_degrees",
    "read_places",
]

PositionKind = Literal["lonlat", "plane"]
AXES: tuple[tuple[set[str], set[str], PositionKind], ...] = (
    (LONGITUDES, LATITUDES, "lonlat"),
    ({"easting", "eastings"}, {"northing", "northings"}, "plane"),
    ({"x", "xcoord", "xcoordinate"}, {"y", "ycoord", "ycoordinate"}, "plane"),
)
UNITS = {"deg", "degree", "degrees", "dd", "decimal", "wgs", "wgs84", "84", "gps", "m", "metres"}
RADIANS = {"rad", "radian", "radians"}
DEGREES_CRS = ("CRS84", "EPSG::4326", "EPSG:4326", "EPSG::4258", "EPSG:4258")


@dataclass(frozen=True)
class PlaceTable:
    """Cells as text.

    Args:
        labels: of the columns; None where the file has no header line.
        cells: rows, whose index is the line in the file from 0.
        kind: what the coordinates are, where the form says so.
        others: labels that are left out, of coordinates beside those of the form.
    """

    labels: tuple[str, ...] | None
    cells: pd.DataFrame
    kind: PositionKind | None = None
    others: tuple[str, ...] = ()


@dataclass(frozen=True)
class Axes:
    """Columns of x and y, or of longitude and latitude."""

    x: int
    y: int
    kind: PositionKind
    findings: tuple[Finding, ...] = ()

    def name_of(self, column: int) -> Axis:
        """What a column holds."""
        if self.kind == "lonlat":
            return "longitude" if column == self.x else "latitude"
        return "x" if column == self.x else "y"


def read_places(path: Path) -> PlaceTable:
    """The table of a delimited text file, or the features of a GeoJSON file.

    Raises:
        DataError: the file is neither.
    """
    if path.suffix.lower() in {".geojson", ".json"}:
        return _features(path)
    head = read_head(path)
    cells = read_cells(path, head)
    numbers = [np.isfinite(parsed(head.first, axis)) for axis in SIDES]
    if np.logical_or(*numbers).sum() >= 2:
        return PlaceTable(None, cells)
    labels = (*head.first, *("",) * (cells.shape[1] - len(head.first)))
    return PlaceTable(labels, cells.iloc[1:])


def _features(path: Path) -> PlaceTable:
    try:
        refuse_large_text(path)
        content = json.loads(path.read_text(encoding=UTF8.with_mark))
        features = content["features"]
        crs = str(content.get("crs") or "CRS84")
        kind: PositionKind = "lonlat" if any(name in crs for name in DEGREES_CRS) else "plane"
        own = {name for feature in features for name in feature.get("properties") or ()}
        rows = [_row(feature, kind == "lonlat") for feature in features]
    except (OSError, ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        raise DataError(
            f"{path} must be a GeoJSON FeatureCollection of places, but is not "
            f"({in_one_line(error)}); bring one, or a CSV of id, longitude and latitude"
        ) from error
    names = list(dict.fromkeys(name for row in rows for name in row))
    cells = pd.DataFrame(
        [[_text(row.get(name)) for name in names] for row in rows], columns=range(len(names))
    )
    return PlaceTable(tuple(names), cells, kind, tuple(filter(_is_axis, sorted(own))))


def _row(feature: dict[str, Any], lonlat: bool) -> dict[str, Any]:
    """Properties of a feature, and its place."""
    geometry = feature["geometry"] or {}
    place = place_of(geometry.get("type", ""), geometry.get("coordinates"), lonlat=lonlat)
    known = {
        name: value
        for name, value in (feature.get("properties") or {}).items()
        if not _is_axis(name)
    }
    own = {"id": feature["id"]} if "id" in feature and "id" not in known else {}
    names = ("longitude", "latitude") if lonlat else ("x", "y")
    return own | known | dict(zip(names, place or ("", ""), strict=True))


def _is_axis(name: str) -> bool:
    return not names_side(name) and any(set(words(name)) & (xs | ys) for xs, ys, _ in AXES)


def _text(value: object) -> str:
    return "" if value is None else str(value)


def find_axes(path: Path, table: PlaceTable) -> Axes | None:
    """The columns of coordinates by their names; None where the table has no header line.

    Raises:
        DataError: there are no such columns, or several.
    """
    if table.labels is None:
        return None
    for first, second, kind in AXES:
        both = first | second
        xs, ys = (_named(table.labels, names, both - names) for names in (first, second))
        if not xs or not ys:
            continue
        _refuse_several(path, table.labels, xs, ys)
        if RADIANS & set(words(table.labels[xs[0]])):
            raise DataError(
                f"{path}: '{table.labels[xs[0]]}' must be in degrees, but is named as radians; "
                f"convert it"
            )
        return Axes(xs[0], ys[0], kind)
    raise DataError(
        f"{path} must have columns longitude and latitude, or x and y, but has "
        f"{', '.join(table.labels[:8])}; name them so"
    )


def is_axis(name: str) -> bool:
    """Whether a column of this name can only hold a coordinate."""
    parts = set(words(name))
    return any(parts and parts <= names | UNITS for xs, ys, _ in AXES for names in (xs, ys))


def _named(labels: Sequence[str], names: set[str], others: set[str]) -> list[int]:
    """Columns with one of the names; those that have nothing else before the others."""
    parts = [set(words(label)) for label in labels]
    found = [at for at, part in enumerate(parts) if part & names and not part & others]
    bare = [at for at in found if parts[at] - UNITS - RADIANS <= names]
    return bare or found


def _refuse_several(path: Path, labels: Sequence[str], xs: list[int], ys: list[int]) -> None:
    for columns in (xs, ys):
        if len(columns) > 1:
            shown = " and ".join(f"'{labels[column]}'" for column in columns)
            raise DataError(
                f"{path} must have one column for each coordinate, but has {shown}; remove or "
                f"rename the others"
            )


def order_of_degrees(path: Path, table: PlaceTable, columns: Sequence[int]) -> Axes:
    """Which of two columns without names is the longitude.

    Args:
        path: the file.
        table: without a header line.
        columns: beside the sensors' ids.

    Raises:
        DataError: there are not two columns, or neither can be a latitude.
    """
    if len(columns) != 2:
        raise DataError(
            f"{path} has no header line and {len(columns)} columns beside the ids, so longitude "
            f"and latitude are unknown; give it a header line"
        )
    first, second = columns
    beyond = [
        bool((np.abs(parsed(list(table.cells[column]), "longitude")) > MAX_LATITUDE).any())
        for column in columns
    ]
    if all(beyond):
        raise DataError(
            f"{path} has no header line, and both columns of coordinates exceed 90, so neither is "
            f"a latitude; give it a header line (id,longitude,latitude or id,x,y)"
        )
    if beyond[0]:
        text = "columns are id, longitude, latitude, since the second exceeds 90"
        return Axes(first, second, "lonlat", (known(text),))
    if beyond[1]:
        text = "columns are id, latitude, longitude, since the third exceeds 90"
        return Axes(second, first, "lonlat", (known(text),))
    text = f"{path.name} has no header line, so its columns are id, latitude, longitude"
    return Axes(second, first, "lonlat", (assumed(text, "give it a header line"),))
