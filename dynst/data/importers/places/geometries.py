"""One place for a geometry of GeoJSON, which LibCity's .geo files use too."""

from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["place_of"]


def place_of(kind: str, coordinates: Any, *, lonlat: bool = True) -> tuple[float, float] | None:
    """The place that stands for a geometry.

    Args:
        kind: the name of the geometry: a point itself, of a line the middle of its length, of a
            polygon the mean of its outer vertices; of several lines the longest.
        coordinates: as GeoJSON nests them; empty where the place is unknown.
        lonlat: longitude and latitude in degrees, else a plane.

    Returns:
        x and y, or None where there are no coordinates.

    Raises:
        ValueError: the geometry is of another kind, or its coordinates are not nested so.
    """
    if not coordinates:
        return None
    if kind not in PLACES:
        raise ValueError(f"a {kind or 'geometry without a type'} has no place")
    x, y = PLACES[kind](coordinates, lonlat)
    return float(x), float(y)


def _points(coordinates: Any) -> np.ndarray:
    """Vertices ``[N, 2]``, heights left out."""
    points = np.array([vertex[:2] for vertex in coordinates], float)
    if points.ndim != 2 or points.shape[1] != 2:
        raise ValueError("coordinates must be pairs of numbers")
    return points


def _line(points: np.ndarray, lonlat: bool) -> tuple[np.ndarray, float]:
    """The middle of a line, and its length."""
    scale = np.array([np.cos(np.deg2rad(points[:, 1].mean())) if lonlat else 1.0, 1.0])
    steps = np.linalg.norm(np.diff(points, axis=0) * scale, axis=1)
    along = np.concatenate([[0.0], np.cumsum(steps)])
    middle = [np.interp(along[-1] / 2, along, points[:, axis]) for axis in (0, 1)]
    return np.array(middle), float(along[-1])


def _longest(lines: Any, lonlat: bool) -> np.ndarray:
    return max((_line(_points(line), lonlat) for line in lines), key=lambda found: found[1])[0]


def _ring(ring: Any) -> np.ndarray:
    """Vertices of a ring, without the last that repeats the first."""
    points = _points(ring)
    return points[:-1] if len(points) > 1 and (points[0] == points[-1]).all() else points


PLACES: dict[str, Callable[[Any, bool], np.ndarray]] = {
    "Point": lambda point, lonlat: _points([point])[0],
    "MultiPoint": lambda points, lonlat: _points(points).mean(axis=0),
    "LineString": lambda line, lonlat: _line(_points(line), lonlat)[0],
    "MultiLineString": _longest,
    "Polygon": lambda rings, lonlat: _ring(rings[0]).mean(axis=0),
    "MultiPolygon": lambda parts, lonlat: np.concatenate([_ring(part[0]) for part in parts]).mean(
        axis=0
    ),
}
