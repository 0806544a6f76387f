"""Frames of pandas in HDF, fixed and table format, read with h5py alone."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd

from dynst.data.importers.formats.hdf.index import (
    encoding_of,
    index_of,
    kind_of,
    raw_bytes,
    refusal,
    table_index,
    text_of,
)
from dynst.data.importers.formats.hdf.pickled_text import listed_names
from dynst.data.importers.source import BLOCK_BYTES

__all__ = ["Columns", "Frame", "frame_of"]

Names = list[tuple[str, ...]]
NONE = {"N.", ""}


@dataclass(frozen=True)
class Columns:
    """Columns that lie together in one dataset, or in one field of a table."""

    dataset: str
    field: str | None
    columns: tuple[int, ...]


@dataclass(frozen=True)
class Frame:
    """A frame whose values are still in the file.

    Args:
        columns: ``[K]`` names, each of one text or of one for each level.
        levels: names of the levels, "" where they have none.
        index: ``[N]`` times as the file has them.
        parts: where the numbers of the columns are.
        left: columns that hold no numbers.
        zone_unknown: whether the index has a zone that only Python could tell.
    """

    path: Path
    columns: Names
    levels: tuple[str, ...]
    index: pd.Series
    parts: tuple[Columns, ...]
    left: tuple[str, ...] = ()
    zone_unknown: bool = False

    def rows(self, order: np.ndarray, width: int) -> Iterator[tuple[slice, np.ndarray]]:
        """Blocks ``[N, width]``; column k goes to place ``order[k]``, the others are NaN."""
        step = max(1, BLOCK_BYTES // (8 * max(1, width)))
        with h5py.File(self.path) as file:
            for first in range(0, len(self.index), step):
                part = slice(first, min(first + step, len(self.index)))
                values = np.full((part.stop - first, width), np.nan)
                for member in self.parts:
                    block = file[member.dataset][part]
                    block = block if member.field is None else block[member.field]
                    values[:, order[list(member.columns)]] = block.reshape(len(values), -1)
                yield part, values


def frame_of(path: Path, group: h5py.Group) -> Frame:
    """What a group of pandas holds.

    Raises:
        DataError: it cannot be read without running what is in the file, or is no frame over time.
    """
    kind = text_of(group.attrs.get("pandas_type", b""))
    if kind in {"frame_table", "series_table"}:
        return _table(path, group)
    if kind == "series":
        return _series(path, group)
    if kind != "frame":
        raise refusal(group, f"is of pandas' kind '{kind}', which is no frame", "save a DataFrame")
    return _fixed(path, group)


def _fixed(path: Path, group: h5py.Group) -> Frame:
    if text_of(group.attrs.get("axis1_variety", b"regular")) != "regular":
        raise refusal(group, "has an index of several levels", "unstack it to one column a sensor")
    columns, levels = _columns(group, "axis0")
    if text_of(group.attrs.get("axis0_variety", b"regular")) == "regular":
        kind = kind_of(group["axis0"])
        if kind.startswith(("datetime", "timedelta")):
            raise refusal(group, "has times as its columns", "transpose it, so that rows are times")
    index, unknown = index_of(group, group["axis1"])
    place = _places(group, columns)
    parts, left = [], []
    for number in range(int(group.attrs.get("nblocks", 0))):
        items, _ = _columns(group, f"block{number}_items")
        values = group[f"block{number}_values"]
        if values.dtype.kind not in "fiub" or "value_type" in values.attrs:
            left += [_joined(name) for name in items]
            continue
        _check_shape(group, values, (len(index), len(items)))
        parts.append(Columns(values.name, None, _at(group, place, items)))
    return Frame(path, columns, levels, index, tuple(parts), tuple(left), unknown)


def _series(path: Path, group: h5py.Group) -> Frame:
    if text_of(group.attrs.get("index_variety", b"regular")) != "regular":
        raise refusal(group, "is a series with an index of several levels", "unstack it to a frame")
    index, unknown = index_of(group, group["index"])
    values = group["values"]
    if values.dtype.kind not in "fiub" or "value_type" in values.attrs:
        raise refusal(group, "is a series without numbers", "save numbers")
    _check_shape(group, values, (len(index),))
    name = _name(group.attrs.get("name", b"N."))
    whole = Columns(values.name, None, (0,))
    return Frame(path, [(name or "value",)], ("",), index, (whole,), (), unknown)


def _table(path: Path, group: h5py.Group) -> Frame:
    kind = text_of(group.attrs.get("table_type", b""))
    if kind not in {"appendable_frame", "appendable_series"}:
        raise refusal(group, f"is a table of the kind '{kind}'", "save it with format='fixed'")
    table = group["table"]
    names = _pickled_names(group, "non_index_axes", group.attrs.get("non_index_axes"))[1:]
    columns: Names = [(name,) for name in names]
    place = _places(group, columns)
    index, unknown = table_index(group, table)
    parts, left = [], []
    for field in table.dtype.names:
        if field == "index":
            continue
        items = _pickled_names(group, f"{field}_kind", table.attrs.get(f"{field}_kind"))
        base = table.dtype[field].base
        if base.kind not in "fiub" or text_of(table.attrs.get(f"{field}_dtype", b"")).startswith(
            ("datetime", "timedelta")
        ):
            left += items
            continue
        parts.append(Columns(table.name, field, _at(group, place, [(name,) for name in items])))
    return Frame(path, columns, ("",), index, tuple(parts), tuple(left), unknown)


def _columns(group: h5py.Group, name: str) -> tuple[Names, tuple[str, ...]]:
    if text_of(group.attrs.get(f"{name}_variety", b"regular")) == "regular":
        return [(text,) for text in _names(group, group[name])], ("",)
    count = int(group.attrs[f"{name}_nlevels"])
    levels = [_names(group, group[f"{name}_level{level}"]) for level in range(count)]
    labels = [group[f"{name}_label{level}"][:] for level in range(count)]
    if min(int(label.min()) for label in labels) < 0:
        raise refusal(group, "has columns without a name", "name them")
    columns = [
        tuple(texts[label[row]] for texts, label in zip(levels, labels, strict=True))
        for row in range(len(labels[0]))
    ]
    titles = tuple(_name(group[f"{name}_level{level}"].attrs.get("name")) for level in range(count))
    return columns, titles


def _names(group: h5py.Group, data: h5py.Dataset) -> list[str]:
    if data.dtype.kind not in "fiubS":
        raise refusal(
            group,
            f"keeps the names in '{data.name}' as Python objects, which only running what is in "
            f"the file could read",
            "give the columns names of text or numbers, all of one type",
        )
    encoding = encoding_of(group)
    return [
        name.decode(encoding, "replace")
        if isinstance(name, bytes)
        else str(name).removesuffix(".0")
        for name in data[:]
    ]


def _pickled_names(group: h5py.Group, what: str, raw: Any) -> list[str]:
    names = None if raw is None else listed_names(raw_bytes(raw))
    if names is None:
        raise refusal(
            group,
            f"is a table that keeps '{what}' as Python objects, which only running what is in the "
            f"file could read",
            "save it with format='fixed'",
        )
    return names


def _places(group: h5py.Group, columns: Names) -> dict[tuple[str, ...], int]:
    place = {name: index for index, name in enumerate(columns)}
    if len(place) < len(columns):
        twice = next(name for index, name in enumerate(columns) if place[name] != index)
        raise refusal(group, f"has two columns '{_joined(twice)}'", "rename one of them")
    return place


def _at(group: h5py.Group, place: dict[tuple[str, ...], int], names: Names) -> tuple[int, ...]:
    lost = next((name for name in names if name not in place), None)
    if lost is not None:
        raise refusal(
            group,
            f"has numbers of a column '{_joined(lost)}' that it does not list",
            "save it again",
        )
    return tuple(place[name] for name in names)


def _check_shape(group: h5py.Group, values: h5py.Dataset, shape: tuple[int, ...]) -> None:
    if values.shape != shape or not values.attrs.get("transposed", 1):
        raise refusal(
            group,
            f"must have values of the shape {shape} in '{values.name}', but has {values.shape}",
            "save it again with pandas",
        )


def _name(raw: Any) -> str:
    """A name of an axis, "" for none; a number is pickled."""
    text = text_of(raw) if raw is not None else ""
    if text in NONE:
        return ""
    names = listed_names(raw_bytes(raw)) if text.endswith(".") else None
    return names[0] if names else text


def _joined(name: tuple[str, ...]) -> str:
    return ", ".join(name)
