"""Stores that are not what their import wrote, and stores as earlier versions wrote them."""

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dynst.data.manifest_file import MANIFEST, read_manifest, write_manifest
from dynst.data.store import EDGES, READINGS, SENSORS
from dynst.data.verification import stored_file
from tests.conftest import write_network

Damage = Callable[[Path], None]


def by_name(damages: dict[str, Damage]) -> list[Any]:
    """Parameters of a test."""
    return [pytest.param(damage, id=name) for name, damage in damages.items()]


def as_of_version(version: int, path: Path) -> None:
    """Turn a store of today into one of version 1 or 2: decisions in the table of sensors, in the
    digest too, and no list of files.
    """
    manifest = read_manifest(path)
    assert manifest.decisions is not None
    sensors, decided = (pq.read_table(path / name) for name in (SENSORS, manifest.decisions))
    for name in ("cost", "group", "pinned", "excluded"):
        sensors = sensors.append_column(name, decided[name])
    pq.write_table(sensors, path / SENSORS)
    (path / manifest.decisions).unlink()
    document = json.loads((path / MANIFEST).read_bytes())
    for name in ("files", "checksum", "digest_version"):
        del document[name]
    document |= {"version": version, "digest": digest_of_version_1(path)}
    if version == 1:
        for name in ("clock", "questions"):
            del document[name]
        document |= {"step_seconds": document.pop("step"), "timed": True}
        document["start"] = document["start"].replace(" ", "T")
    (path / MANIFEST).write_text(json.dumps(document))


def digest_of_version_1(path: Path) -> str:
    """The rule of versions 1 and 2 for seconds of an unknown zone, in code of its own."""
    table = pa.ipc.open_file(str(path / READINGS)).read_all()
    time, *rest = (table[name].combine_chunks() for name in ("time", "values", "observed"))
    parts = [time.to_numpy(), *(part.flatten().to_numpy() for part in rest)]
    whole = hashlib.sha256(b"".join(hashlib.sha256(part.tobytes()).digest() for part in parts))
    for file in (SENSORS, EDGES):
        for column in pq.read_table(path / file).columns:
            text = column.type == pa.string()
            whole.update(repr(column.to_pylist()).encode() if text else column.to_numpy().tobytes())
    return whole.hexdigest()


def listed_anew(path: Path) -> None:
    """The manifest lists the files as they are now, as whoever knows of it would have it."""
    manifest = read_manifest(path)
    if manifest.files:
        files = {name: stored_file(path / name) for name in manifest.files}
        write_manifest(path, manifest.model_copy(update={"files": files}))


def edited(**changes: Any) -> Damage:
    def damage(path: Path) -> None:
        document = json.loads((path / MANIFEST).read_bytes())
        assert any(document[name] != value for name, value in changes.items())
        (path / MANIFEST).write_text(json.dumps(document | changes))

    return damage


def flipped(name: str, share: float) -> Damage:
    """One bit, at a share of the file."""

    def damage(path: Path) -> None:
        name_now = read_manifest(path).decisions if name == "decisions" else name
        file = path / str(name_now)
        content = bytearray(file.read_bytes())
        content[int(share * (len(content) - 1))] ^= 1
        file.write_bytes(bytes(content))

    return damage


def rewritten(change: Callable[[np.ndarray, np.ndarray, np.ndarray], Any]) -> Damage:
    """Readings ``[N, S·C]`` that were changed in their own form."""

    def damage(path: Path) -> None:
        table = pa.ipc.open_file(str(path / READINGS)).read_all()
        parts = [table[name].combine_chunks() for name in ("time", "values", "observed")]
        width = parts[1].type.list_size
        time = parts[0].to_numpy().copy()
        values, observed = (part.flatten().to_numpy().reshape(-1, width) for part in parts[1:])
        time, values, observed = change(time, values.copy(), observed.copy())
        columns = {"time": pa.array(time)}
        for name, part in (("values", values), ("observed", observed)):
            flat = pa.array(np.ascontiguousarray(part).ravel())
            columns[name] = pa.FixedSizeListArray.from_arrays(flat, width)
        batch = pa.record_batch(columns)
        with (
            pa.OSFile(str(path / READINGS), "wb") as sink,
            pa.ipc.new_file(sink, batch.schema) as stream,
        ):
            stream.write_batch(batch)

    return damage


def infinite(time: np.ndarray, values: np.ndarray, observed: np.ndarray) -> Any:
    values[np.nonzero(observed)[0][0], np.nonzero(observed)[1][0]] = np.inf
    return time, values, observed


def with_rows(name: str, change: Callable[[pa.Table], pa.Table]) -> Damage:
    def damage(path: Path) -> None:
        file = path / str(read_manifest(path).decisions or SENSORS if name == "decisions" else name)
        pq.write_table(change(pq.read_table(file)), file)

    return damage


def costing(cost: float) -> Damage:
    """The first sensor's cost."""

    def change(table: pa.Table) -> pa.Table:
        costs = pa.array([cost, *table["cost"].to_pylist()[1:]], pa.float64())
        return table.set_column(table.column_names.index("cost"), "cost", costs)

    return with_rows("decisions", change)


def swapped(name: str) -> Damage:
    """One file of another network's store."""

    def damage(path: Path) -> None:
        other = write_network(path.with_name(f"{path.name}-other"), seed=5).path
        shutil.copy(other / name, path / name)

    return damage


CONTENT: dict[str, Damage] = {  # what the digest of the content covers
    "reversed sensors": with_rows(SENSORS, lambda table: table.take(list(range(len(table)))[::-1])),
    "moved sensor": with_rows(
        SENSORS, lambda table: table.set_column(1, "x", [[0.5, *table["x"].to_pylist()[1:]]])
    ),
    "fewer edges": with_rows(EDGES, lambda table: table.slice(1)),
    "heavier edge": with_rows(
        EDGES,
        lambda table: table.set_column(
            2, "weight", pa.array([9.0, *table["weight"].to_pylist()[1:]], pa.float32())
        ),
    ),
    "shifted series": rewritten(lambda time, values, seen: (time, np.roll(values, 1, 0), seen)),
    "shifted sensors": rewritten(lambda time, values, seen: (time, np.roll(values, 1, 1), seen)),
    "reversed series": rewritten(lambda time, values, seen: (time, values[::-1], seen[::-1])),
    "shifted times": rewritten(lambda time, values, seen: (time + 3600, values, seen)),
    "reversed times": rewritten(lambda time, values, seen: (time[::-1], values, seen)),
    "infinite value": rewritten(infinite),
    "all observed": rewritten(lambda time, values, seen: (time, values, np.ones_like(seen))),
    "odd mask": rewritten(lambda time, values, seen: (time, values, 2 * seen)),
    "doubles": rewritten(lambda time, values, seen: (time, values.astype(np.float64), seen)),
    "steps lost": rewritten(lambda time, values, seen: (time[1:], values[1:], seen[1:])),
    "readings of another": swapped(READINGS),
    "sensors of another": swapped(SENSORS),
    "edges of another": swapped(EDGES),
    "negative cost": costing(-1.0),
    "cost of NaN": costing(float("nan")),
    "infinite cost": costing(float("inf")),
}
LABELS: dict[str, Damage] = {  # what the manifest says of it
    "later start": edited(start="2023-01-02 01:00:00"),
    "other digest": edited(digest="0" * 64),
    "other number of edges": edited(num_edges=1),
    "other number of steps": edited(num_steps=7),
}
TODAY: dict[str, Damage] = {  # what stores up to version 2 cannot know of
    **{
        f"bit in {name} at {share:.0%}": flipped(name, share)
        for name in (READINGS, SENSORS, EDGES, "decisions")
        for share in (0.01, 0.3, 0.6, 0.99)
    },
    "other unit": edited(channels=[{"name": "flow", "unit": "veh/min"}]),
    "other channel": edited(channels=[{"name": "speed", "unit": "veh/h"}]),
    "other step": edited(step=1800),
    "other name": edited(name="another"),
    "lonlat": edited(positions="lonlat"),
    "no files": edited(files={}),
    "no positions": edited(positions="none"),
    "other decisions": costing(3.0),
}
