"""Columns of two levels, as pandas writes them: sensor and quantity."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow.parquet as pq

from dynst.data.importers.columns.first_cells import quoted
from dynst.data.importers.columns.words import is_parameter_name, is_quantity_name, is_thing_name
from dynst.data.importers.report import Finding, assumed, known
from dynst.data.importers.source import ReadOptions
from dynst.data.importers.tabular.table import Table
from dynst.errors import DataError

__all__ = ["Levels", "find_levels"]


@dataclass(frozen=True)
class Levels:
    """Which column holds which quantity of which sensor.

    Args:
        sensors: in the order of their first column.
        quantities: likewise.
        columns: name of the column of each pair of sensor and quantity that there is.
        finding: what was understood.
    """

    sensors: tuple[str, ...]
    quantities: tuple[str, ...]
    columns: dict[tuple[str, str], str]
    finding: Finding


def find_levels(table: Table, options: ReadOptions) -> Levels | None:
    """None where the columns have names of one level.

    Raises:
        DataError: there are more than two levels, or either of them may be the sensor.
    """
    labels = table.levels
    if labels is None:
        return None
    named = {
        name: tuple(str(part).strip() for part in parts)
        for name, parts in zip(table.columns, labels, strict=True)
        if len(parts) > 1 and all(str(part).strip() for part in parts[1:])
    }
    if len(named) < len(table.columns) - 2 or not named:
        return None
    if any(len(parts) != 2 for parts in named.values()):
        raise DataError(
            f"{table.path}: columns must have at most two levels, sensor and quantity, but "
            f"'{next(iter(named))}' has {len(next(iter(named.values())))}; drop the others"
        )
    pairs = list(named.values())
    level, finding = _quantity_level(table, pairs, options)
    columns = {(parts[1 - level], parts[level]): name for name, parts in named.items()}
    sensors = tuple(dict.fromkeys(sensor for sensor, _ in columns))
    quantities = tuple(dict.fromkeys(quantity for _, quantity in columns))
    return Levels(sensors, quantities, columns, finding)


def _quantity_level(
    table: Table, pairs: Sequence[tuple[str, ...]], options: ReadOptions
) -> tuple[int, Finding]:
    labels = [tuple(dict.fromkeys(parts[level] for parts in pairs)) for level in (0, 1)]
    readings = [
        f"{quoted(labels[level])} as quantities of {quoted(labels[1 - level])}" for level in (0, 1)
    ]
    if options.variables:
        fits = [level for level in (0, 1) if set(options.variables) <= set(labels[level])]
        if len(fits) == 1:
            return fits[0], known(f"columns have two levels, with {readings[fits[0]]}")
    for judge in (_by_level_names(table), _votes(labels)):
        if len(judge) == 1:
            change = "--variable names quantities, and so the level that has them"
            return judge[0], assumed(f"columns have two levels, with {readings[judge[0]]}", change)
    flags = [" ".join(f"--variable '{name}'" for name in names[:4]) for names in labels]
    raise DataError(
        f"{table.path}: columns have two levels, which may mean {readings[0]}, or {readings[1]}; "
        f"name the quantities, {flags[0]} or {flags[1]}"
    )


def _by_level_names(table: Table) -> list[int]:
    """By what pandas notes of the levels' names."""
    if table.path.suffix not in {".parquet", ".pq"}:
        return []
    notes = (pq.read_schema(table.path).metadata or {}).get(b"pandas", b"{}")
    names = [str(index.get("name") or "") for index in json.loads(notes).get("column_indexes", [])]
    found = [level for level, name in enumerate(names[:2]) if is_parameter_name(name)]
    things = [level for level, name in enumerate(names[:2]) if is_thing_name(name)]
    return found or [1 - level for level in things]


def _votes(labels: Sequence[tuple[str, ...]]) -> list[int]:
    """The level all of whose labels are usual names of quantities, if there is one."""
    usual = [level for level in (0, 1) if all(is_quantity_name(name) for name in labels[level])]
    return usual if len(usual) == 1 else []
