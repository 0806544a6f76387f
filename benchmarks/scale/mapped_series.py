"""What a series that stays in its file saves in memory, and costs in time.

    python -m benchmarks.scale.mapped_series

Writes a synthetic network and makes its data set in a process of its own, with the scaled series in
memory and with the readings mapped. Batches are drawn as those of one of ``--workers`` workers that
share the time. Memory is what the process alone has, pages of the store's file left out; those are
the third column, which the system may take back.
"""

import json
import time
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from benchmarks.scale.subgraphs import memory_mib
from benchmarks.support.options import parser_for
from benchmarks.support.tables import header, row
from dynst.data.store import open_store
from dynst.data.synthetic import write_synthetic_field
from dynst.data.windows import Windows
from dynst.experiment.dataset import make_dataset
from dynst.models.factory import ModelConfig
from dynst.training.sampler import epoch_batches
from dynst.training.step_shares import StepShares

MODEL = ModelConfig(window=12, horizon=12)
BATCH = 64
COLUMNS = (
    "series",
    "sensors",
    "data set, s",
    "memory, MiB",
    "of the file, MiB",
    "windows/s, all sensors",
    "windows/s, half of them",
)


def main() -> None:
    parser = parser_for(__doc__)
    parser.add_argument("--sensors", type=int, default=2_000)
    parser.add_argument("--steps", type=int, default=20_000, help="of the series")
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    print(header(COLUMNS, text=1), flush=True)
    with TemporaryDirectory() as folder:
        store = Path(folder) / "store"
        write_synthetic_field(store, options.sensors, options.steps)
        for mapped in (False, True):
            out = Path(folder) / "figures.json"
            child = get_context("spawn").Process(
                target=measure, args=(store, mapped, options.workers, out)
            )
            child.start()
            child.join()
            figures = json.loads(out.read_text())
            name = "mapped" if mapped else "in memory"
            print(row([name, f"{options.sensors:,}", *figures]), flush=True)


def measure(store: Path, mapped: bool, workers: int, out: Path) -> None:
    """In a process of its own, as the first worker."""
    torch.set_num_threads(1)
    before, start = memory_mib("RssAnon"), time.perf_counter()
    windows = make_dataset(open_store(store), MODEL, mapped=mapped).train
    seconds = time.perf_counter() - start
    everyone = torch.arange(windows.series.num_sensors)
    rates = [served(windows, sensors, workers) for sensors in (everyone, everyone[::2])]
    figures = [
        f"{seconds:.1f}",
        f"{memory_mib('RssAnon') - before:,.0f}",
        f"{memory_mib('RssFile'):,.0f}",
        *(f"{rate:,.0f}" for rate in rates),
    ]
    out.write_text(json.dumps(figures))


def served(windows: Windows, sensors: torch.Tensor, workers: int) -> float:
    """Windows a second, over one epoch of one worker."""
    count, start = 0, time.perf_counter()
    shares = StepShares(workers, (0,))
    for (index,) in epoch_batches(len(windows), BATCH * workers, 0, 0, shares, "time"):
        windows.batch(index, sensors)
        count += len(index)
    return count / (time.perf_counter() - start)


if __name__ == "__main__":
    main()
