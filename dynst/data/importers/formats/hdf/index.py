"""The index of a pandas frame in HDF as times, with its zone."""

import codecs
from datetime import timedelta, timezone
from typing import Any

import h5py
import numpy as np
import pandas as pd

from dynst.data.importers.formats.hdf.pickled_text import Token, tokens, zone_in
from dynst.errors import DataError

__all__ = [
    "encoding_of",
    "index_of",
    "kind_of",
    "raw_bytes",
    "refusal",
    "table_index",
    "text_of",
]


def table_index(group: h5py.Group, table: h5py.Dataset) -> tuple[pd.Series, bool]:
    if "index" not in (table.dtype.names or ()):
        raise refusal(group, "is a table without an index", "save it with format='fixed'")
    kind = text_of(table.attrs.get("index_kind", b""))
    zone: list[Token] | None = None
    info = group.attrs.get("info")
    if info is not None and kind.startswith("datetime64"):
        try:
            found = tokens(raw_bytes(info))
        except ValueError:
            found = []
        at = next((n for n, one in enumerate(found) if one == Token("text", "tz")), None)
        if at is not None:
            rest = found[at + 1 :]
            end = next((n for n, one in enumerate(rest) if one.kind == "set"), len(rest))
            zone = rest[:end]
    return _as_times(group, table["index"], kind, zone)


def index_of(group: h5py.Group, data: h5py.Dataset) -> tuple[pd.Series, bool]:
    shown = text_of(data.attrs.get("index_class", b""))
    if shown in {"period", "timedelta"}:
        raise refusal(group, f"has an index of {shown}s", "give it a DatetimeIndex")
    if data.dtype.kind not in "fiubS":
        raise refusal(
            group,
            "has an index of Python objects, which only running what is in the file could read",
            "give it a DatetimeIndex",
        )
    zone = data.attrs.get("tz")
    found: list[Token] | None = None
    if zone is not None:
        found = _zone_tokens(raw_bytes(zone))
    return _as_times(group, data[:], kind_of(data), found)


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
        raise refusal(group, "is empty", "save one with rows")
    if values.dtype.kind == "S":
        encoding = encoding_of(group)
        return pd.Series([value.decode(encoding, "replace") for value in values]), False
    if not kind.startswith("datetime64"):
        if kind not in {"integer", "float"}:
            raise refusal(group, f"has an index of the kind '{kind}'", "give it a DatetimeIndex")
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


def refusal(group: h5py.Group, why: str, remedy: str) -> DataError:
    return DataError(f"'{group.name.lstrip('/')}' {why}; {remedy}")


def encoding_of(group: h5py.Group) -> str:
    try:
        return codecs.lookup(text_of(group.attrs.get("encoding", b"utf-8"))).name
    except (LookupError, ValueError):
        return "utf-8"


def kind_of(data: h5py.Dataset) -> str:
    return text_of(data.attrs.get("kind", b""))


def raw_bytes(raw: Any) -> bytes:
    return raw.encode() if isinstance(raw, str) else bytes(raw)


def text_of(raw: Any) -> str:
    return raw.decode("utf-8", "replace") if isinstance(raw, bytes) else str(raw)
