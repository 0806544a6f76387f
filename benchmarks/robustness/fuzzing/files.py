"""Data files of every form, damaged and imported."""

import gzip
import json
import shutil
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import xarray as xr

from benchmarks.robustness.fuzzing.mutations import damage_file, pick
from dynst.data.importers.import_store import GraphOptions, import_store
from dynst.errors import DataError

__all__ = ["DataFiles"]

STEPS, SENSORS = 48, 4
IDS = [f"s{index}" for index in range(SENSORS)]
TIMES = pd.date_range("2024-03-01", periods=STEPS, freq="h")
VALUES = np.random.default_rng(0).uniform(10, 20, (STEPS, SENSORS)).round(2)
FRAME = pd.DataFrame(VALUES, index=TIMES, columns=IDS)
NETWORK = (np.arange(SENSORS)[:, None] - np.arange(SENSORS)).__abs__() == 1
GRAPHS = ("graph.csv", "matrix.npy", "positions.csv", "sensors.csv")


class DataFiles:
    """Damage in one file of an example, or in the graph, positions or attributes beside it."""

    name, refused_always = "files", False

    def prepare(self, folder: Path) -> None:
        for write in FORMS:
            place = folder / write.__name__.lstrip("_")
            place.mkdir()
            write(place)
        _write_graphs(folder)

    def attempt(self, examples: Path, folder: Path, seed: int) -> bool:
        rng = np.random.default_rng(seed)
        forms = sorted(path.name for path in examples.iterdir() if path.is_dir())
        source, store = folder / "source", folder / "store"
        shutil.copytree(examples / pick(forms, rng), source)
        graph = self._graph(examples, source, rng) if rng.random() < 0.2 else GraphOptions()
        if graph == GraphOptions():
            files = sorted(path for path in source.rglob("*") if path.is_file())
            damage_file(pick(files, rng), rng)
        inside = [path for path in source.iterdir() if path.name not in GRAPHS]
        path = inside[0] if len(inside) == 1 else source
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                import_store(path, store, graph=graph)
        except DataError:
            left = [path.name for path in folder.iterdir() if path != source]
            if left:
                raise RuntimeError(f"a refused import leaves {', '.join(left)}") from None
            raise
        return True

    @staticmethod
    def _graph(examples: Path, source: Path, rng: np.random.Generator) -> GraphOptions:
        """A damaged graph, positions or attributes, beside a wide table as it was."""
        shutil.rmtree(source)
        shutil.copytree(examples / "wide", source)
        name = pick(GRAPHS, rng)
        file = source.parent / "source" / name
        shutil.copy(examples / name, file)
        damage_file(file, rng)
        if name == "positions.csv":
            return GraphOptions(positions=file)
        return GraphOptions(sensors=file) if name == "sensors.csv" else GraphOptions(graph=file)


def _wide(folder: Path) -> None:
    FRAME.rename_axis("time").to_csv(folder / "counts.csv")


def _european(folder: Path) -> None:
    FRAME.rename_axis("Datum").to_csv(
        folder / "counts.csv", sep=";", decimal=",", date_format="%d.%m.%Y %H:%M"
    )


def _long(folder: Path) -> None:
    table = FRAME.rename_axis("time").reset_index()
    table.melt("time", var_name="sensor", value_name="flow").to_csv(
        folder / "readings.csv", index=False
    )


def _gzipped(folder: Path) -> None:
    FRAME.rename_axis("time").to_csv(folder / "counts.csv.gz")


def _parquet(folder: Path) -> None:
    FRAME.rename_axis("time").to_parquet(folder / "counts.parquet")


def _pandas_hdf(folder: Path) -> None:
    FRAME.to_hdf(folder / "counts.h5", key="df")


def _npz(folder: Path) -> None:
    np.savez(
        folder / "counts.npz",
        data=VALUES[:, :, None],
        time=TIMES.to_numpy(),
        sensor_id=np.array(IDS),
    )


def _npy(folder: Path) -> None:
    np.save(folder / "counts.npy", VALUES)


def _lstnet(folder: Path) -> None:
    with gzip.open(folder / "series.txt.gz", "wt") as file:
        file.writelines(",".join(map(str, row)) + "\n" for row in VALUES)


def _dcrnn(folder: Path) -> None:
    windows = np.stack([VALUES[start : start + 4, :, None] for start in range(STEPS - 3)])
    for name, rows in (
        ("train", slice(0, 30)),
        ("val", slice(30, 36)),
        ("test", slice(36, STEPS - 3)),
    ):
        np.savez(folder / f"{name}.npz", x=windows[rows, :2], y=windows[rows, 2:])


def _libcity(folder: Path) -> None:
    rows = (
        FRAME.rename_axis("time")
        .reset_index()
        .melt("time", var_name="entity_id", value_name="speed")
    )
    rows["dyna_id"], rows["type"] = range(len(rows)), "state"
    rows["time"] = rows["time"].dt.strftime("%Y-%m-%dT%H:%M:%SZ")
    rows[["dyna_id", "type", "time", "entity_id", "speed"]].to_csv(folder / "net.dyna", index=False)
    places = [json.dumps([index, 50 + index]) for index in range(SENSORS)]
    table = pd.DataFrame({"geo_id": IDS, "type": "Point", "coordinates": places})
    table.to_csv(folder / "net.geo", index=False)


def _netcdf(folder: Path) -> None:
    _array().to_netcdf(folder / "net.nc", engine="h5netcdf")


def _packed_netcdf(folder: Path) -> None:
    packing = {"dtype": "int16", "scale_factor": 0.01, "add_offset": 10.0, "_FillValue": -999}
    _array().to_netcdf(folder / "net.nc", engine="h5netcdf", encoding={"flow": packing})


def _zarr(folder: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        _array().to_dataset().to_zarr(folder / "net.zarr", consolidated=False)


def _taxibj(folder: Path) -> None:
    with h5py.File(folder / "taxi.h5", "w") as file:
        file["data"] = np.arange(48 * 2 * 3 * 3).reshape(48, 2, 3, 3)
        file["date"] = np.array([f"20150301{slot:02d}".encode() for slot in range(1, 49)])


def _zipped(folder: Path) -> None:
    with zipfile.ZipFile(folder / "counts.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, values in (("data", VALUES), ("time", TIMES.to_numpy())):
            with archive.open(f"{name}.npy", "w") as file:
                np.save(file, values)


def _array() -> xr.DataArray:
    return xr.DataArray(
        VALUES,
        coords={"time": TIMES, "station": IDS},
        dims=("time", "station"),
        name="flow",
        attrs={"units": "m3 h-1"},
    )


def _write_graphs(folder: Path) -> None:
    source, target = NETWORK.nonzero()
    edges = {"from": [IDS[i] for i in source], "to": [IDS[i] for i in target], "distance": 100.0}
    pd.DataFrame(edges).to_csv(folder / "graph.csv", index=False)
    np.save(folder / "matrix.npy", NETWORK.astype(float))
    places = {"sensor": IDS, "longitude": np.arange(SENSORS) / 10, "latitude": 50.0}
    pd.DataFrame(places).to_csv(folder / "positions.csv", index=False)
    attributes = {"sensor": IDS, "cost": 1.5, "group": ["a", "a", "", "b"]}
    pd.DataFrame(attributes).to_csv(folder / "sensors.csv", index=False)


FORMS: tuple[Callable[[Path], None], ...] = (
    _wide,
    _european,
    _long,
    _gzipped,
    _parquet,
    _pandas_hdf,
    _npz,
    _npy,
    _lstnet,
    _dcrnn,
    _libcity,
    _netcdf,
    _packed_netcdf,
    _zarr,
    _taxibj,
    _zipped,
)
