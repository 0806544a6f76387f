"""What a sparse model saves at inference, measured against the same network with every sensor on, in the same process."""

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from time import perf_counter

import torch
from torch import Tensor

from dynst.data.windows import Windows
from dynst.forecaster import SparseForecaster

__all__ = ["Efficiency", "measure_efficiency"]

LARGE_BATCH = 2**20  # sensors of all windows of a batch
WARM_CALLS = 5


@dataclass(frozen=True)
class Efficiency:
    """Medians of interleaved calls; ratios are dense over compact, so more than 1 is a saving."""

    batch_size: int
    dense_ms: float
    compact_ms: float
    speed_up: float
    readings_ratio: float


@torch.inference_mode()
def measure_efficiency(
    model: SparseForecaster, windows: Windows, active: Tensor, batch_size: int = 64, repeats: int = 40, seconds: float = 20.0
) -> Efficiency:
    """Time a forecast of all locations from the ``active`` (bool ``[S]``) sensors and from all of them, turn by turn.

    Large networks are timed on smaller batches, and no longer than about ``seconds``.
    """
    model.eval()
    index = torch.arange(min(batch_size, len(windows), max(1, LARGE_BATCH // len(active))))
    compact = _call(model, windows, index, active.nonzero().squeeze(1))
    dense = _call(model, windows, index, torch.arange(len(active)))
    deadline = perf_counter() + seconds
    times: list[tuple[float, float]] = []
    while len(times) < WARM_CALLS + repeats and (len(times) < 2 or perf_counter() < deadline):
        times.append((_seconds(compact), _seconds(dense)))
    times = times[min(WARM_CALLS, len(times) - 1) :]
    compact_s, dense_s = (median(column) for column in zip(*times, strict=True))
    return Efficiency(
        batch_size=len(index),
        dense_ms=1e3 * dense_s,
        compact_ms=1e3 * compact_s,
        speed_up=dense_s / compact_s,
        readings_ratio=len(active) / int(active.sum()),
    )


def _call(model: SparseForecaster, windows: Windows, index: Tensor, sensors: Tensor) -> Callable[[], object]:
    batch = windows.batch(index, sensors)
    return lambda: model(batch.readings, batch.observed, batch.calendar, sensors)


def _seconds(call: Callable[[], object]) -> float:
    started = perf_counter()
    call()
    return perf_counter() - started
