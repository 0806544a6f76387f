"""LibCity atomic files: ``.dyna`` readings, ``.geo`` places, ``.rel`` edges."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from dynst.data.edges import Edges
from dynst.data.importers.formats.long_table import long_source
from dynst.data.importers.formats.tables import open_table
from dynst.data.importers.graphs.edge_lists import read_edge_list
from dynst.data.importers.graphs.proximities import edges_of
from dynst.data.importers.graphs.weighted_pairs import WeightKind
from dynst.data.importers.names import SensorNames, listed
from dynst.data.importers.places.axis_parts import names_side, refuse_parts, refuse_sides
from dynst.data.importers.places.coordinates import checked_degrees
from dynst.data.importers.places.geometries import place_of
from dynst.data.importers.report import Finding, assumed, known
from dynst.data.importers.small_tables import read_cells, read_head
from dynst.data.importers.source import ReadOptions, Source
from dynst.errors import DataError, in_one_line

__all__ = ["KIND", "matches", "read"]

KIND = "libcity"
PARTS = {".dyna", ".geo", ".rel"}
NO_READINGS = {"dyna_id", "type", "time", "entity_id"}


def matches(path: Path, options: ReadOptions) -> bool:
    return path.suffix in PARTS or (path.is_dir() and len(list(path.glob("*.dyna"))) == 1)


def read(path: Path, options: ReadOptions) -> Source:
    folder = path if path.is_dir() else path.parent
    dyna = next(folder.glob("*.dyna"), None) if path.is_dir() else path.with_suffix(".dyna")
    if dyna is None or not dyna.is_file():
        raise DataError(f"{folder} has no .dyna file; name the folder of LibCity's atomic files")
    source = _readings(dyna, options)
    info = _info(folder)
    geo, rel = _beside(dyna, ".geo", info, "geo_file"), _beside(dyna, ".rel", info, "rel_file")
    table = _geo_table(geo) if geo.is_file() else None
    if table is not None and options.own_positions:
        source = _placed(source, geo, table)
    if rel.is_file() and options.own_graph:
        options.apply("weights")
        others = frozenset() if table is None else frozenset(table["geo_id"])
        edges, findings = _edges(rel, source.ids, others, info, options.weights)
        source = replace(source, edges=edges, findings=(*source.findings, *findings))
    return source


def _readings(dyna: Path, options: ReadOptions) -> Source:
    for flag, given in (
        ("--time-column", options.time_columns),
        ("--sensor-column", options.sensor_column),
    ):
        if given:
            raise DataError(
                f"{dyna} names its time 'time' and its sensors 'entity_id', as LibCity has it; "
                f"leave {flag} out, or say --kind long-table"
            )
    table = open_table(dyna, options)
    quantities = tuple(name for name in table.columns if name not in NO_READINGS)
    choices = replace(
        options,
        time_columns=("time",),
        sensor_column="entity_id",
        variables=options.variables or quantities,
    )
    return long_source(KIND, table, choices)


def _info(folder: Path) -> dict[str, Any]:
    """What LibCity's ``config.json`` says of the files, if it is there."""
    file = folder / "config.json"
    if not file.is_file():
        return {}
    try:
        content = json.loads(file.read_text(encoding="utf-8-sig"))
        info = content.get("info", {}) if isinstance(content, dict) else {}
    except (OSError, ValueError) as error:
        raise DataError(
            f"{file} cannot be read as JSON ({in_one_line(error)}); mend or remove it"
        ) from error
    return info if isinstance(info, dict) else {}


def _beside(dyna: Path, suffix: str, info: dict[str, Any], key: str) -> Path:
    """The part of the same name, else the one that the configuration names."""
    same, named = dyna.with_suffix(suffix), info.get(key)
    if same.is_file() or not isinstance(named, str):
        return same
    return dyna.with_name(Path(named).name.removesuffix(suffix) + suffix)


def _geo_table(geo: Path) -> pd.DataFrame:
    head = read_head(geo)
    if "geo_id" not in head.first:
        raise DataError(
            f"{geo} must have the columns geo_id, type and coordinates, but has "
            f"{', '.join(head.first[:8])}; name them so"
        )
    cells = read_cells(geo, head).iloc[1:]
    return cells.set_axis([*head.first, *map(str, cells.columns[len(head.first) :])], axis=1)


def _placed(source: Source, geo: Path, table: pd.DataFrame) -> Source:
    """The source with its sensors' places, where all have one."""
    names = SensorNames(source.ids)
    found = names.find(table["geo_id"], geo.name)
    rows = np.flatnonzero(found.index >= 0)
    sensors = found.index[rows]
    absent = sorted(set(range(len(names))) - set(sensors.tolist()))
    if absent:
        raise DataError(
            f"{geo} has no place for {len(absent)} of {len(names)} sensors: "
            f"{listed([source.ids[sensor] for sensor in absent])}; add it"
        )
    if len(sensors) > len(names):
        twin = source.ids[int(np.argmax(np.bincount(sensors)))]
        raise DataError(f"{geo} must name each place once, but names '{twin}' twice; keep one")
    places = [_place(geo, *row) for row in _geometries(table.iloc[rows])]
    unknown = [place is None for place in places]
    if any(unknown):
        note = _no_places(geo, sum(unknown), len(places))
        return replace(source, findings=(*source.findings, *found.findings, *note))
    positions = np.empty((len(names), 2))
    positions[sensors] = np.array(places, float)
    whole = bool((positions == np.floor(positions)).all(axis=0).any())
    refuse_parts(geo, [*table.columns, "longitude", "latitude"], (), whole=whole)
    for label in filter(names_side, table.columns):
        cells = list(table[label].iloc[rows])
        refuse_sides(geo, ("coordinates", "coordinates"), positions[sensors], label, cells)
    return replace(
        source,
        positions=_checked(positions, source.ids, geo),
        geometry="lonlat",
        findings=(*source.findings, *found.findings),
    )


def _checked(positions: np.ndarray, ids: tuple[str, ...], geo: Path) -> np.ndarray:
    try:
        return checked_degrees(positions, ids, str(geo))
    except DataError as error:
        raise DataError(f"{error}, or bring the places with --positions") from error


def _no_places(geo: Path, unknown: int, count: int) -> tuple[Finding, ...]:
    if unknown == count:
        return (known(f"{geo.name} gives no coordinates"),)
    text = f"{unknown} of {count} sensors have no coordinates in {geo.name}, so none is taken"
    return (assumed(text, "bring all with --positions"),)


def _geometries(table: pd.DataFrame) -> Sequence[tuple[str, str, str]]:
    blank = pd.Series("", index=table.index)
    kinds = table.get("type", blank)
    coordinates = table.get("coordinates", blank)
    return list(zip(table["geo_id"], kinds, coordinates, strict=True))


def _place(geo: Path, name: str, kind: str, coordinates: str) -> tuple[float, float] | None:
    try:
        return place_of(kind or "Point", json.loads(coordinates or "[]"))
    except (ValueError, TypeError, IndexError) as error:
        raise DataError(
            f"{geo}: coordinates of '{name}' must be those of a {kind or 'Point'} as GeoJSON has "
            f"them, but are '{coordinates[:40]}' ({in_one_line(error)}); mend them"
        ) from error


def _edges(
    rel: Path,
    ids: tuple[str, ...],
    others: frozenset[str],
    info: dict[str, Any],
    weights: WeightKind,
) -> tuple[Edges, tuple[Finding, ...]]:
    """Edges of a ``.rel`` file; without the configuration's word, numbers above 1 are distances."""
    declared = info.get("weight_col")
    head = read_head(rel)
    pairs = read_edge_list(
        rel,
        head,
        SensorNames(ids),
        weights,
        weight_name=declared if isinstance(declared, str) and declared in head.first else None,
        others=others,
        choice="say --weights, or name one as weight_col in the info of config.json",
    )
    return edges_of(pairs, weights, above_one="distance")
