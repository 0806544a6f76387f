"""Speed and peak memory of importing a large file, beside a plain read by pandas or xarray.

    python -m benchmarks.speed.data_import --gigabytes 2

Each side reads the same file in a process of its own.
"""

import shutil
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import h5netcdf
import numpy as np

from benchmarks.support.options import parser_for
from benchmarks.support.tables import header, row

SENSORS = 2000
COLUMNS = (
    "file",
    "GB",
    "ours, MB/s",
    "plain read into memory, MB/s",
    "ratio",
    "our peak memory, MB",
    "theirs, MB",
)
# Imports only what it needs, since that counts in its peak of memory.
READER = """
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
    parser = parser_for(__doc__)
    parser.add_argument("--gigabytes", type=float, default=2.0, help="of each file")
    size, started = parser.parse_args().gigabytes * 1e9, time.perf_counter()
    print(
        f"dynst against pandas {version('pandas')} and xarray {version('xarray')}; {SENSORS} "
        f"sensors; a fresh process each\n"
    )
    print(header(COLUMNS))
    with tempfile.TemporaryDirectory() as folder:
        for write, other in ((write_csv, "pandas"), (write_netcdf, "xarray")):
            file = write(Path(folder), size)
            print(row(compared(file, other)), flush=True)
            file.unlink()
    print(f"\ntook {time.perf_counter() - started:.0f} s")


def compared(file: Path, other: str) -> list[str]:
    store, megabytes = file.with_suffix(".store"), file.stat().st_size / 1e6
    ours, our_peak = measured("dynst", file, store)
    theirs, their_peak = measured(other, file, store)
    shutil.rmtree(store)
    return [
        file.suffix[1:],
        f"{megabytes / 1e3:.2f}",
        f"{megabytes / ours:.0f}",
        f"{megabytes / theirs:.0f}",
        f"{theirs / ours:.2f}",
        f"{our_peak / 1e6:.0f}",
        f"{their_peak / 1e6:.0f}",
    ]


def measured(kind: str, file: Path, store: Path) -> tuple[float, float]:
    """Seconds and peak resident bytes of a child process; imports of libraries are not timed."""
    command = [sys.executable, "-c", READER, kind, str(file), str(store)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    seconds, peak = map(float, done.stdout.split())
    return seconds, peak


def write_csv(folder: Path, size: float) -> Path:
    file, block = folder / "field.csv", readings(200).round(3)
    lines = [",".join(map(str, values)) for values in block]
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
    block = readings(rows).astype(np.float32)
    with h5netcdf.File(file, "w") as target:
        target.dimensions = {"time": steps, "station": SENSORS}
        stamps = target.create_variable("time", ("time",), "i8", data=np.arange(steps) * 300)
        stamps.attrs["units"] = "seconds since 2020-01-01"
        flow = target.create_variable("flow", ("time", "station"), "f4", chunks=(512, SENSORS))
        for first in range(0, steps, rows):
            flow[first : first + rows] = block[: min(rows, steps - first)]
    return file


def readings(steps: int) -> np.ndarray:
    return np.random.default_rng(0).uniform(0, 70, (steps, SENSORS))


if __name__ == "__main__":
    main()
