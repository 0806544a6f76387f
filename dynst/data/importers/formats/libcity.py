"""LibCity atomic files: ``.dyna`` readings, ``.geo`` places, ``.rel`` edges."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from dynst.data.edges import Edges
from dynst.data.importers.formats.long_table import long_source
from dynst.data.importers.formats.tables import open_table
from dynst.data.importers.source import ReadOptions, Source
from dynst.errors import DataError

__all__ = ["KIND", "matches", "read"]

KIND = "libcity"
PARTS = {".dyna", ".geo", ".rel"}


def matches(path: Path, options: ReadOptions) -> bool:
    return path.suffix in PARTS or (path.is_dir() and len(list(path.glob("*.dyna"))) == 1)


def read(path: Path, options: ReadOptions) -> Source:
    folder = path if path.is_dir() else path.parent
    dyna = next(folder.glob("*.dyna"), None) if path.is_dir() else path.with_suffix(".dyna")
    if dyna is None or not dyna.is_file():
        raise DataError(f"{folder} has no .dyna file; name the folder of LibCity's atomic files")
    table = open_table(dyna, options)
    quantities = [
        name for name in table.columns if name not in {"dyna_id", "type", "time", "entity_id"}
    ]
    choices = ReadOptions(
        time_columns=("time",),
        sensor_column="entity_id",
        variables=options.variables or tuple(quantities),
    )
    source = long_source(KIND, table, choices)
    geo, rel = dyna.with_suffix(".geo"), dyna.with_suffix(".rel")
    if geo.is_file():
        source = replace(source, positions=_positions(geo, source.ids), geometry="lonlat")
    if rel.is_file():
        source = replace(source, edges=_edges(rel, source.ids))
    return source


def _positions(file: Path, ids: tuple[str, ...]) -> np.ndarray:
    table = pd.read_csv(file, dtype=str).set_index("geo_id")
    absent = [name for name in ids if name not in table.index]
    if absent:
        raise DataError(f"{file} has no place for sensor '{absent[0]}'; add it")
    return np.array([json.loads(str(table.loc[name, "coordinates"]))[:2] for name in ids], float)


def _edges(file: Path, ids: tuple[str, ...]) -> Edges:
    table = pd.read_csv(file, dtype={"origin_id": str, "destination_id": str})
    place = {name: index for index, name in enumerate(ids)}
    ends = [table[name].map(place) for name in ("origin_id", "destination_id")]
    inside = ends[0].notna() & ends[1].notna() & (ends[0] != ends[1])
    weight = table["link_weight"] if "link_weight" in table else pd.Series(1.0, index=table.index)
    source, target = (end[inside].to_numpy(np.int64) for end in ends)
    return Edges(source, target, weight[inside].to_numpy(np.float32))
