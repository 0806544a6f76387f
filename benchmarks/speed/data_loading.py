"""Windows served per second, beside a DataLoader over numpy windows.

    python -m benchmarks.speed.data_loading

Both serve the same shuffled windows of synthetic readings: 12 steps to read, 12 to forecast, 64
windows in a batch. The DataLoader's dataset slices arrays. Its active sensors were cut out
beforehand, and it has no masks. Ours selects the active sensors in each batch, and adds the
calendar and the masks. It is measured on a complete series and on one with 1 % of readings missing.

The share of copy bandwidth counts the bytes of readings, targets and masks once, as a copy does. A
batch that fits into the cache can exceed 100 %. On a busy machine set ``OMP_NUM_THREADS=1``.
"""

import platform
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import median
from time import perf_counter, sleep

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from benchmarks.support.options import parser_for
from benchmarks.support.tables import header, row
from dynst.data.scaler import SEASONS, SeasonalScaler
from dynst.data.series import make_series
from dynst.data.store import Readings
from dynst.data.windows import Windows, split_windows

WINDOW, HORIZON, BATCH, HOUR = 12, 12, 64, 3600
STEPS = {207: 34_272, 2_000: 8_000}  # METR-LA has 207 sensors and 34,272 steps
ROUNDS, BATCHES = 7, 60
QUIET = 0.3  # seconds in which workers finish what they fetch ahead, so that it disturbs no other
COPY_BYTES = 2**27  # far beyond the caches
COLUMNS = (
    "sensors",
    "active",
    "DataLoader, 0 workers",
    "DataLoader, 2 workers",
    "ours",
    "ratio to 0",
    "ratio to 2",
    "share of copy bandwidth",
    "ours, 1 % missing",
    "its share",
)

Sample = tuple[np.ndarray, np.ndarray]
Contender = Callable[[], float]  # measures once: windows or bytes per second


class NumpyWindows(Dataset[Sample]):
    """The common way: slices of arrays, stacked by the DataLoader."""

    def __init__(self, past: np.ndarray, ahead: np.ndarray) -> None:
        self.past, self.ahead = past, ahead  # [N, K, 1], [N, S, 1]

    def __len__(self) -> int:
        return len(self.past) - WINDOW - HORIZON + 1

    def __getitem__(self, start: int) -> Sample:
        middle = start + WINDOW
        return self.past[start:middle], self.ahead[middle : middle + HORIZON]


@dataclass(frozen=True)
class Rates:
    """Medians: windows per second, and bytes per second of a copy."""

    plain: float  # DataLoader without workers
    workers: float
    complete: float  # ours, no reading missing
    masked: float
    copy: float


def main() -> None:
    parser_for(__doc__).parse_args()
    print(
        f"python {platform.python_version()}, torch {torch.__version__}, numpy {np.__version__}, "
        f"{torch.get_num_threads()} threads;"
    )
    print(
        f"windows per second, medians of {ROUNDS} interleaved rounds of {BATCHES} batches of "
        f"{BATCH}\n"
    )
    print(header(COLUMNS, text=0))
    for num_sensors in STEPS:
        for share in (1.0, 0.5):
            print(row(figures(num_sensors, share)), flush=True)


def figures(num_sensors: int, share: float) -> list[str]:
    """One row of the table."""
    num_active = round(share * num_sensors)
    rates = measured(num_sensors, num_active)
    num_bytes = 4 * (WINDOW * num_active + HORIZON * num_sensors)  # readings and targets, float32
    return [
        f"{num_sensors:,}",
        f"{share:.0%}",
        f"{rates.plain:,.0f}",
        f"{rates.workers:,.0f}",
        f"{rates.complete:,.0f}",
        f"{rates.complete / rates.plain:.1f} ×",
        f"{rates.complete / rates.workers:.1f} ×",
        f"{rates.complete * num_bytes / rates.copy:.0%}",
        f"{rates.masked:,.0f}",
        f"{rates.masked * num_bytes * 5 / 4 / rates.copy:.0%}",  # masks are bytes
    ]


def measured(num_sensors: int, num_active: int) -> Rates:
    rng = np.random.default_rng(0)
    values = rng.standard_normal((STEPS[num_sensors], num_sensors, 1), dtype=np.float32)
    active = torch.from_numpy(np.sort(rng.permutation(num_sensors)[:num_active]))
    past = np.ascontiguousarray(values[:, active.numpy()])
    contenders = [
        loader(NumpyWindows(past, values), workers=0),
        loader(NumpyWindows(past, values), workers=2),
        ours(windows(values, np.ones(values.shape, bool)), active),
        ours(windows(values, rng.random(values.shape) >= 0.01), active),
        memory_copy(),
    ]
    return Rates(*(median(column) for column in zip(*rounds(contenders), strict=True)))


def rounds(contenders: list[Contender]) -> Iterator[list[float]]:
    """Every contender in turn, ``ROUNDS`` times, after one round that is not counted."""
    for contender in contenders:
        contender()
    for _ in range(ROUNDS):
        yield [contender() for contender in contenders]


def windows(values: np.ndarray, observed: np.ndarray) -> Windows:
    readings = Readings(HOUR * np.arange(len(values)), values, observed)
    series = make_series(readings, SeasonalScaler(SEASONS["none"], *values.shape[1:]))
    return split_windows(series, slice(0, len(values)), WINDOW, HORIZON, [0])


def loader(dataset: NumpyWindows, workers: int) -> Contender:
    """Neither start-up nor the first wait counts.

    Workers that were started are kept, and the clock starts at the second batch.
    """
    batches = DataLoader(
        dataset,
        BATCH,
        shuffle=True,
        num_workers=workers,
        persistent_workers=workers > 0,
        drop_last=True,
    )

    def run() -> float:
        served = iter(batches)
        next(served)
        windows_per_second = rate(lambda: next(served)) * BATCH
        sleep(QUIET if workers else 0)
        return windows_per_second

    return run


def ours(served: Windows, active: Tensor) -> Contender:
    def run() -> float:
        order = iter(torch.randperm(len(served)).split(BATCH))
        return rate(lambda: served.batch(next(order), active)) * BATCH

    return run


def memory_copy() -> Contender:
    source = torch.ones(COPY_BYTES // 4)
    target = torch.zeros_like(source)
    return lambda: rate(lambda: target.copy_(source), calls=2) * COPY_BYTES


def rate(call: Callable[[], object], calls: int = BATCHES) -> float:
    started = perf_counter()
    for _ in range(calls):
        call()
    return calls / (perf_counter() - started)


if __name__ == "__main__":
    main()
