"""A choice of sensors from a file: what an owner already has in mind."""

import csv
import io
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path

import torch
from torch import Tensor

from dynst.data.spreadsheet_cells import unguarded
from dynst.errors import ConfigError
from dynst_platform.config.documents import short

__all__ = ["read_choice"]

MOST_CHARACTERS = 10**8
OFF = {"0", "false", "off", "no"}


def read_choice(path: str, ids: tuple[str, ...]) -> Tensor:
    """``[S]`` bool from a CSV with a column ``sensor`` (or ``id``) of the sensors to keep, as
    ``sensors.csv`` of a run.

    Where a column ``active`` is there too, rows that say false are off. An id may stand behind the
    apostrophe that keeps spreadsheets from running it.

    Raises:
        ConfigError: the file is absent or names no sensor, or one that the store does not have.
    """
    try:
        with Path(path).expanduser().open(newline="", encoding="utf-8-sig") as file:
            text = file.read(MOST_CHARACTERS + 1)
        if len(text) > MOST_CHARACTERS:
            raise ValueError(f"it has more than {MOST_CHARACTERS:,} characters")
        rows = list(csv.DictReader(io.StringIO(text, newline="")))
    except (OSError, ValueError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(
            f"the choice in {path} cannot be read ({reason}); name a CSV with a column sensor"
        ) from error
    column = next((name for name in ("sensor", "id") if rows and name in rows[0]), None)
    if column is None:
        raise ConfigError(
            f"the choice in {path} must be a CSV with a column sensor, one row a sensor, but has "
            f"none; add it"
        )
    place = {name: index for index, name in enumerate(ids)}
    kept = [
        _id_in(row[column], place)
        for row in rows
        if str(row.get("active", "true")).strip().lower() not in OFF
    ]
    for name in kept:
        if name not in place:
            near = get_close_matches(short(str(name)), ids, n=1, cutoff=0.4)
            hint = f"did you mean '{near[0]}'?" if near else f"the first is '{ids[0]}'"
            raise ConfigError(
                f"the choice in {path} must name sensors of the store, but got "
                f"'{short(str(name))}'; {hint}"
            )
    if not kept:
        raise ConfigError(f"the choice in {path} keeps no sensor at all; keep at least one")
    active = torch.zeros(len(ids), dtype=torch.bool)
    active[[place[name] for name in kept]] = True
    return active


def _id_in(cell: str, known: Mapping[str, int]) -> str:
    """Of the cell as we write it; a file of another program may have the id itself."""
    return cell if unguarded(str(cell)) not in known and cell in known else unguarded(str(cell))
