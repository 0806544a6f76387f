"""Speed and peak memory of importing a large file, beside a plain read by pandas or xarray.

    python -m benchmarks.speed.data_import --gigabytes 2

Each side reads the same file in a process of its own.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import h5netcdf
import numpy as np

SENSORS = 2000
CHILD = """
import resource, sys, time
from pathlib import Path
kind, source, store = sys.argv[1:]
if kind == "dynst":
    from dynst.data.importers.import_store import import_store
    work = lambda: import_store(Path(source), Path(store))
elif kind == "pandas":
    import pandas
    work = lambda: pandas.read_csv(source, index_col=0, parse_dates=True)
else:
    import xarray
    work = lambda: xarray.open_dataset(source, engine="h5netcdf")["flow"].to_numpy()
started = time.perf_counter()
work()
print(time.perf_counter() - started, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--gigabytes", type=float, default=2.0)
    size = parser.parse_args().gigabytes * 1e9
    print(
        f"dynst against pandas {version('pandas')} and xarray {version('xarray')}; {SENSORS} "
        f"sensors; a fresh process each\n"
    )
    print(
        "| file | GB | ours, MB/s | plain read into memory, MB/s | ratio | our peak memory, MB | "
        "theirs, MB |"
    )
    print("|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for file, other in (
            (write_csv(Path(folder), size), "pandas"),
            (write_netcdf(Path(folder), size), "xarray"),
        ):
            row(file, other)
            file.unlink()


def row(file: Path, other: str) -> None:
    store = file.with_suffix(".store")
    megabytes = file.stat().st_size / 1e6
    ours, our_peak = measure("dynst", file, store)
    theirs, their_peak = measure(other, file, store)
    print(
        f"| {file.suffix[1:]} | {megabytes / 1e3:.2f} | {megabytes / ours:.0f} | "
        f"{megabytes / theirs:.0f} | {theirs / ours:.2f} "
        f"| {our_peak / 1e6:.0f} | {their_peak / 1e6:.0f} |",
        flush=True,
    )
    subprocess.run(["rm", "-r", str(store)], check=True)


def measure(kind: str, file: Path, store: Path) -> tuple[float, float]:
    """Seconds and peak resident bytes of a child process; imports of libraries are not timed."""
    done = subprocess.run(
        [sys.executable, "-c", CHILD, kind, str(file), str(store)],
        capture_output=True,
        text=True,
        check=True,
    )
    seconds, peak = map(float, done.stdout.split())
    return seconds, peak


def write_csv(folder: Path, size: float) -> Path:
    file, block = (
        folder / "field.csv",
        np.random.default_rng(0).uniform(0, 70, (200, SENSORS)).round(3),
    )
    lines = [",".join(map(str, row)) for row in block]
    with file.open("w") as target:
        target.write("time," + ",".join(f"s{index}" for index in range(SENSORS)) + "\n")
        step = 0
        while target.tell() < size:
            for line in lines:
                moment = np.datetime64("2020-01-01T00:00:00") + np.timedelta64(5 * step, "m")
                target.write(f"{moment},{line}\n")
                step += 1
    return file


def write_netcdf(folder: Path, size: float) -> Path:
    file, steps, rows = folder / "field.nc", int(size / 4 / SENSORS), 2000
    block = np.random.default_rng(0).uniform(0, 70, (rows, SENSORS)).astype(np.float32)
    with h5netcdf.File(file, "w") as target:
        target.dimensions = {"time": steps, "station": SENSORS}
        stamps = target.create_variable("time", ("time",), "i8", data=np.arange(steps) * 300)
        stamps.attrs["units"] = "seconds since 2020-01-01"
        flow = target.create_variable("flow", ("time", "station"), "f4", chunks=(512, SENSORS))
        for first in range(0, steps, rows):
            flow[first : first + rows] = block[: min(rows, steps - first)]
    return file


if __name__ == "__main__":
    started = time.perf_counter()
    main()
    print(f"\ntook {time.perf_counter() - started:.0f} s")
