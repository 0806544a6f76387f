"""Columns that belong to a coordinate: minutes and seconds of degrees, and the hemisphere."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from dynst.data.importers.small_tables import words
from dynst.errors import DataError

__all__ = [
    "LATITUDES",
    "LONGITUDES",
    "names_side",
    "refuse_parts",
    "refuse_side_names",
    "refuse_sides",
]

LONGITUDES = {"longitude", "lon", "long", "lng", "longitud", "laenge", "länge", "geolaenge"}
LATITUDES = {"latitude", "lat", "latitud", "breite", "geobreite"}
PARTS = {"minute", "minutes", "minuten", "mins", "second", "seconds", "sekunden", "sec", "secs"}
SHORT = {"m", "mm", "s", "ss", "min"}  # which are metres, the south or a minimum as often
HEMISPHERES = {"hemisphere", "hemi", "hem", "ns", "ew"}
DIRECTIONS = {"dir", "direction", "ref"}  # of a road, unless a coordinate is named with them
SIDES = {
    word: side
    for side, names in (
        ("N", "n north nord norte"),
        ("S", "s south süd sud sur"),
        ("E", "e east ost est este"),
        ("W", "w west ouest oeste"),
    )
    for word in names.split()
}


def refuse_parts(
    file: Path, labels: Sequence[str], taken: Sequence[str], *, whole: bool, bare: bool = False
) -> None:
    """Refuse minutes and seconds of degrees in columns of their own.

    Args:
        file: that has the columns.
        labels: of all of them.
        taken: those of longitude and latitude.
        whole: whether their numbers are whole, so that minutes may be left out of them.
        bare: whether a column named minutes alone, without a coordinate, is one too.

    Raises:
        DataError: with the first such column.
    """
    parts = [set(words(label)) for label in labels]
    for axis in (LONGITUDES, LATITUDES):
        own = [part for part in parts if part & axis]
        short = SHORT - ({"min"} if any(part & {"max", "maximum"} for part in own) else set())
        for label, part in zip(labels, parts, strict=True):
            named = part & axis and (part & PARTS or (part & short and len(own) > 1))
            alone = bare and own and part and part <= {*PARTS, "min"}
            if (named or alone) and (whole or label in taken):
                raise DataError(
                    f"{file}: degrees must stand in one column, but '{label}' seems to hold their "
                    f"minutes or seconds; write decimal degrees, or rename that column"
                )


def names_side(label: str) -> bool:
    """Whether a column may hold the hemisphere of a coordinate, by its name."""
    found = set(words(label))
    both = words(label) in {("n", "s"), ("e", "w")}
    return both or bool(
        found & HEMISPHERES or (found & DIRECTIONS and found & (LONGITUDES | LATITUDES))
    )


def refuse_sides(
    file: Path | str, names: tuple[str, str], places: np.ndarray, label: str, cells: Sequence[str]
) -> None:
    """Refuse degrees whose sign contradicts the hemisphere beside them.

    Args:
        file: that has the columns.
        names: of the columns of longitude and latitude.
        places: their numbers ``[N, 2]``.
        label: of the column of hemispheres.
        cells: ``[N]`` of it; what is no hemisphere is passed over.

    Raises:
        DataError: with the first contradiction.
    """
    lon, lat = places.T
    sides = np.array([SIDES.get(str(cell).strip().lower(), "") for cell in cells], dtype="U1")
    wrong = [
        ((sides == "W") & (lon > 0) & (lon <= 180)) | ((sides == "E") & (lon < 0)),
        ((sides == "S") & (lat > 0)) | ((sides == "N") & (lat < 0)),
    ]
    for axis in (0, 1):
        if wrong[axis].any():
            row = int(wrong[axis].argmax())
            raise DataError(
                f"{file}: degrees of the south and the west must be negative, those of the north "
                f"and the east not, but '{names[axis]}' is {places[row, axis]:.10g} where "
                f"'{label}' is '{cells[row]}'; write the sign in the number"
            )


def refuse_side_names(file: Path | str, names: tuple[str, str], places: np.ndarray) -> None:
    """Raise DataError where a name such as ``lon_w`` contradicts the signs of its degrees."""
    for axis, side in ((0, "W"), (1, "S")):
        named = any(SIDES.get(word) == side for word in words(names[axis]))
        positive = places[places[:, axis] > 0, axis]
        if named and positive.size:
            raise DataError(
                f"{file}: degrees of the south and the west must be negative, but "
                f"'{names[axis]}' holds {positive[0]:.10g}; write the sign in the numbers, or "
                f"rename the column if it has nothing to do with a side"
            )
