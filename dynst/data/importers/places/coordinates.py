"""Coordinates of places: cells of text as numbers, and what they can be."""

import re
from collections.abc import Sequence
from typing import Literal

import numpy as np
import pandas as pd

from dynst.data.edges import EARTH_RADIUS_METRES, unit_sphere
from dynst.errors import DataError

__all__ = ["MAX_LATITUDE", "SIDES", "Axis", "checked_degrees", "parsed", "refuse_null_island"]

Axis = Literal["longitude", "latitude", "x", "y"]
NUMBER = r"\d+(?:[.,]\d+)?"
DEGREES = re.compile(
    rf"(?P<before>[NSEW])?\s*(?P<sign>[+-]?)(?P<degrees>{NUMBER})\s*(?:°|º|deg|d)?\s*"
    rf"(?:(?P<minutes>{NUMBER})\s*(?:['′’]|min|m)\s*)?"
    rf"(?:(?P<seconds>{NUMBER})\s*(?:[\"″”]|''|sec|s)\s*)?(?P<after>[NSEW])?",
    re.IGNORECASE,
)
SIDES: dict[Axis, str] = {"longitude": "EW", "latitude": "NS"}
MAX_LATITUDE, MAX_LONGITUDE = 90.0, 360.0
NULL_ISLAND_METRES = 1_000_000.0
PLANE_RATIO = 10.0  # the origin of a plane is no place if all others are so much farther than wide


def parsed(cells: Sequence[str], axis: Axis) -> np.ndarray:
    """Numbers ``[N]`` of one axis; NaN where a cell is none.

    Degrees may have a decimal comma, minutes and seconds, and a side of the sky: 4°06'E.
    """
    numbers: np.ndarray = pd.to_numeric(pd.Series(cells, dtype=object), errors="coerce").to_numpy(
        float, copy=True
    )
    if axis in SIDES:
        for row in np.flatnonzero(np.isnan(numbers)).tolist():
            numbers[row] = _degrees(cells[row].strip(), SIDES[axis])
    return numbers


def _degrees(text: str, sides: str) -> float:
    """Degrees of a text, or NaN."""
    match = DEGREES.fullmatch(text)
    if not match:
        return np.nan
    parts = [float((match[name] or "0").replace(",", ".")) for name in ("minutes", "seconds")]
    side = ((match["before"] or "") + (match["after"] or "")).upper()
    if max(parts) >= 60 or len(side) > 1 or side not in ("", *sides) or (side and match["sign"]):
        return np.nan
    value = float(match["degrees"].replace(",", ".")) + parts[0] / 60 + parts[1] / 3600
    return -value if match["sign"] == "-" or side in ("W", "S") else value


def checked_degrees(places: np.ndarray, ids: Sequence[str], file: str) -> np.ndarray:
    """Longitudes and latitudes ``[N, 2]`` in −180..180 and −90..90.

    Args:
        places: longitude and latitude in degrees.
        ids: of the sensors, for the message.
        file: where they come from, for the message.

    Raises:
        DataError: a latitude lies beyond 90, or a longitude beyond 360.
    """
    lon, lat = np.abs(places.T)
    wrong = (lat > MAX_LATITUDE) | (lon > MAX_LONGITUDE)
    if wrong.any():
        first = int(np.argmax(wrong))
        if (lat <= MAX_LONGITUDE).all() and (lon <= MAX_LATITUDE).all():
            remedy = "they are perhaps swapped; exchange the names of the columns"
        elif wrong.all():
            remedy = "they are perhaps projected; name the columns x and y if so"
        else:
            remedy = "mend that place"
        raise DataError(
            f"{file}: longitudes must lie in -360..360 and latitudes in -90..90, but those of "
            f"'{ids[first]}' are {places[first, 0]:.10g} and {places[first, 1]:.10g}; {remedy}"
        )
    refuse_null_island(places, ids, file, lonlat=True)
    wrapped = places.copy()
    wrapped[places[:, 0] > 180, 0] -= 360
    wrapped[places[:, 0] < -180, 0] += 360
    return wrapped


def refuse_null_island(places: np.ndarray, ids: Sequence[str], file: str, *, lonlat: bool) -> None:
    """Raise DataError where sensors lie at 0, 0 and all the others far away."""
    at_zero = ~places.any(axis=1)
    if not at_zero.any() or (at_zero.all() and len(places) == 1):
        return
    others = places[~at_zero]
    if len(others) and not _far_from_zero(others, lonlat):
        return
    first = ids[int(np.argmax(at_zero))]
    where = "and no other place is near" if len(others) else "as all places do"
    raise DataError(
        f"{file}: '{first}' lies at 0, 0, {where}, so its place is unknown ({at_zero.sum()} such "
        f"sensors); give it, or leave the positions out"
    )


def _far_from_zero(others: np.ndarray, lonlat: bool) -> bool:
    if lonlat:
        chord = np.linalg.norm(unit_sphere(others) - np.array([1.0, 0.0, 0.0]), axis=1)
        return bool(chord.min() * EARTH_RADIUS_METRES > NULL_ISLAND_METRES)
    extent = float(np.linalg.norm(np.ptp(others, axis=0)))
    nearest = float(np.linalg.norm(others, axis=1).min())
    return extent > 0 and nearest > PLANE_RATIO * extent
