"""Frames of pandas in HDF, fixed and table format, read with h5py alone."""

import codecs
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta, timezone
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd

from dynst.data.importers.formats.pickled_text import Token, listed_names, tokens, zone_in
from dynst.data.importers.source import BLOCK_BYTES
from dynst.errors import DataError

__all__ = ["Frame", "Piece", "frame_of"]

Names = list[tuple[str, ...]]
NONE = {"N.", ""}


@dataclass(frozen=True)
class Piece:
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
        pieces: where the numbers of the columns are.
        left: columns that hold no numbers.
        zone_unknown: whether the index has a zone that only Python could tell.
    """

    path: Path
    columns: Names
    levels: tuple[str, ...]
    index: pd.Series
    pieces: tuple[Piece, ...]
    left: tuple[str, ...] = ()
    zone_unknown: bool = False

    def rows(self, order: np.ndarray, width: int) -> Iterator[tuple[slice, np.ndarray]]:
        """Blocks ``[N, width]``; column k goes to place ``order[k]``, the others are NaN."""
        step = max(1, BLOCK_BYTES // (8 * max(1, width)))
        with h5py.File(self.path) as file:
            for first in range(0, len(self.index), step):
                part = slice(first, min(first + step, len(self.index)))
                values = np.full((part.stop - first, width), np.nan)
                for piece in self.pieces:
                    block = file[piece.dataset][part]
                    block = block if piece.field is None else block[piece.field]
                    values[:, order[list(piece.columns)]] = block.reshape(len(values), -1)
                yield part, values


def frame_of(path: Path, group: h5py.Group) -> Frame:
    """What a group of pandas holds.

    Raises:
        DataError: it cannot be read without running what is in the file, or is no frame over time.
    """
    kind = _text(group.attrs.get("pandas_type", b""))
    if kind in {"frame_table", "series_table"}:
        return _table(path, group)
    if kind == "series":
        return _series(path, group)
    if kind != "frame":
        raise _refusal(group, f"is of pandas' kind '{kind}', which is no frame", "save a DataFrame")
    return _fixed(path, group)


def _fixed(path: Path, group: h5py.Group) -> Frame:
    if _text(group.attrs.get("axis1_variety", b"regular")) != "regular":
        raise _refusal(group, "has an index of several levels", "unstack it to one column a sensor")
    columns, levels = _columns(group, "axis0")
    if _text(group.attrs.get("axis0_variety", b"regular")) == "regular":
        kind = _kind(group["axis0"])
        if kind.startswith(("datetime", "timedelta")):
            raise _refusal(
                group, "has times as its columns", "transpose it, so that rows are times"
            )
    index, unknown = _index(group, group["axis1"])
    place = _places(group, columns)
    pieces, left = [], []
    for number in range(int(group.attrs.get("nblocks", 0))):
        items, _ = _columns(group, f"block{number}_items")
        values = group[f"block{number}_values"]
        if values.dtype.kind not in "fiub" or "value_type" in values.attrs:
            left += [_joined(name) for name in items]
            continue
        _check_shape(group, values, (len(index), len(items)))
        pieces.append(Piece(values.name, None, tuple(place[name] for name in items)))
    return Frame(path, columns, levels, index, tuple(pieces), tuple(left), unknown)


def _series(path: Path, group: h5py.Group) -> Frame:
    if _text(group.attrs.get("index_variety", b"regular")) != "regular":
        raise _refusal(
            group, "is a series with an index of several levels", "unstack it to a frame"
        )
    index, unknown = _index(group, group["index"])
    values = group["values"]
    if values.dtype.kind not in "fiub" or "value_type" in values.attrs:
        raise _refusal(group, "is a series without numbers", "save numbers")
    _check_shape(group, values, (len(index),))
    name = _name(group.attrs.get("name", b"N."))
    piece = Piece(values.name, None, (0,))
    return Frame(path, [(name or "value",)], ("",), index, (piece,), (), unknown)


def _table(path: Path, group: h5py.Group) -> Frame:
    kind = _text(group.attrs.get("table_type", b""))
    if kind not in {"appendable_frame", "appendable_series"}:
        raise _refusal(group, f"is a table of the kind '{kind}'", "save it with format='fixed'")
    table = group["table"]
    names = _pickled_names(group, "non_index_axes", group.attrs.get("non_index_axes"))[1:]
    columns: Names = [(name,) for name in names]
    place = _places(group, columns)
    index, unknown = _table_index(group, table)
    pieces, left = [], []
    for field in table.dtype.names:
        if field == "index":
            continue
        items = _pickled_names(group, f"{field}_kind", table.attrs.get(f"{field}_kind"))
        base = table.dtype[field].base
        if base.kind not in "fiub" or _text(table.attrs.get(f"{field}_dtype", b"")).startswith(
            ("datetime", "timedelta")
        ):
            left += items
            continue
        pieces.append(Piece(table.name, field, tuple(place[(name,)] for name in items)))
    return Frame(path, columns, ("",), index, tuple(pieces), tuple(left), unknown)


def _table_index(group: h5py.Group, table: h5py.Dataset) -> tuple[pd.Series, bool]:
    if "index" not in (table.dtype.names or ()):
        raise _refusal(group, "is a table without an index", "save it with format='fixed'")
    kind = _text(table.attrs.get("index_kind", b""))
    zone: list[Token] | None = None
    info = group.attrs.get("info")
    if info is not None and kind.startswith("datetime64"):
        try:
            found = tokens(_bytes(info))
        except ValueError:
            found = []
        at = next((n for n, one in enumerate(found) if one == Token("text", "tz")), None)
        if at is not None:
            rest = found[at + 1 :]
            end = next((n for n, one in enumerate(rest) if one.kind == "set"), len(rest))
            zone = rest[:end]
    return _as_times(group, table["index"], kind, zone)


def _index(group: h5py.Group, data: h5py.Dataset) -> tuple[pd.Series, bool]:
    shown = _text(data.attrs.get("index_class", b""))
    if shown in {"period", "timedelta"}:
        raise _refusal(group, f"has an index of {shown}s", "give it a DatetimeIndex")
    if data.dtype.kind not in "fiubS":
        raise _refusal(
            group,
            "has an index of Python objects, which only running what is in the file could read",
            "give it a DatetimeIndex",
        )
    zone = data.attrs.get("tz")
    found: list[Token] | None = None
    if zone is not None:
        found = _zone_tokens(_bytes(zone))
    return _as_times(group, data[:], _kind(data), found)


def _zone_tokens(raw: bytes) -> list[Token]:
    """A zone is kept as its name, or pickled where it has none."""
    try:
        return tokens(raw)
    except (ValueError, UnicodeDecodeError):
        return [Token("text", raw.decode("utf-8", "replace"))]


def _as_times(
    group: h5py.Group, values: np.ndarray, kind: str, zone: list[Token] | None
) -> tuple[pd.Series, bool]:
    if len(values) == 0:
        raise _refusal(group, "is empty", "save one with rows")
    if values.dtype.kind == "S":
        encoding = _encoding(group)
        return pd.Series([value.decode(encoding, "replace") for value in values]), False
    if not kind.startswith("datetime64"):
        if kind not in {"integer", "float"}:
            raise _refusal(group, f"has an index of the kind '{kind}'", "give it a DatetimeIndex")
        return pd.Series(values), False
    unit = kind[kind.index("[") + 1 : -1] if "[" in kind else "ns"
    moments = pd.Series(values.astype(np.int64).astype(f"datetime64[{unit}]"))
    if zone is None:
        return moments, False
    told = zone_in(zone) if len(zone) != 1 or zone[0].kind != "text" else zone[0].value
    aware = moments.dt.tz_localize("UTC")
    if told is None:
        return aware, True
    if isinstance(told, int):
        return aware.dt.tz_convert(timezone(timedelta(seconds=told))), False
    try:
        return aware.dt.tz_convert(told), False
    except (KeyError, ValueError, OSError):
        return aware, True


def _columns(group: h5py.Group, name: str) -> tuple[Names, tuple[str, ...]]:
    if _text(group.attrs.get(f"{name}_variety", b"regular")) == "regular":
        return [(text,) for text in _names(group, group[name])], ("",)
    count = int(group.attrs[f"{name}_nlevels"])
    levels = [_names(group, group[f"{name}_level{level}"]) for level in range(count)]
    labels = [group[f"{name}_label{level}"][:] for level in range(count)]
    if min(int(label.min()) for label in labels) < 0:
        raise _refusal(group, "has columns without a name", "name them")
    columns = [
        tuple(texts[label[row]] for texts, label in zip(levels, labels, strict=True))
        for row in range(len(labels[0]))
    ]
    titles = tuple(_name(group[f"{name}_level{level}"].attrs.get("name")) for level in range(count))
    return columns, titles


def _names(group: h5py.Group, data: h5py.Dataset) -> list[str]:
    if data.dtype.kind not in "fiubS":
        raise _refusal(
            group,
            f"keeps the names in '{data.name}' as Python objects, which only running what is in "
            f"the file could read",
            "give the columns names of text or numbers, all of one type",
        )
    encoding = _encoding(group)
    return [
        name.decode(encoding, "replace")
        if isinstance(name, bytes)
        else str(name).removesuffix(".0")
        for name in data[:]
    ]


def _pickled_names(group: h5py.Group, what: str, raw: Any) -> list[str]:
    names = None if raw is None else listed_names(_bytes(raw))
    if names is None:
        raise _refusal(
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
        raise _refusal(group, f"has two columns '{_joined(twice)}'", "rename one of them")
    return place


def _check_shape(group: h5py.Group, values: h5py.Dataset, shape: tuple[int, ...]) -> None:
    if values.shape != shape or not values.attrs.get("transposed", 1):
        raise _refusal(
            group,
            f"must have values of the shape {shape} in '{values.name}', but has {values.shape}",
            "save it again with pandas",
        )


def _refusal(group: h5py.Group, why: str, remedy: str) -> DataError:
    return DataError(f"'{group.name.lstrip('/')}' {why}; {remedy}")


def _encoding(group: h5py.Group) -> str:
    try:
        return codecs.lookup(_text(group.attrs.get("encoding", b"utf-8"))).name
    except (LookupError, ValueError):
        return "utf-8"


def _kind(data: h5py.Dataset) -> str:
    return _text(data.attrs.get("kind", b""))


def _name(raw: Any) -> str:
    """A name of an axis, "" for none; a number is pickled."""
    text = _text(raw) if raw is not None else ""
    if text in NONE:
        return ""
    names = listed_names(_bytes(raw)) if text.endswith(".") else None
    return names[0] if names else text


def _bytes(raw: Any) -> bytes:
    return raw.encode() if isinstance(raw, str) else bytes(raw)


def _text(raw: Any) -> str:
    return raw.decode("utf-8", "replace") if isinstance(raw, bytes) else str(raw)


def _joined(name: tuple[str, ...]) -> str:
    return ", ".join(name)
