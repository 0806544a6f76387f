"""What a sparse model saves at inference, measured against the same network with every sensor on,
in the same process.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter

import numpy as np
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from dynst.data.windows import Windows
from dynst.devices import device_of, synchronize
from dynst.evaluation.peak_memory import peak_memory
from dynst.models.forecaster import SparseForecaster

__all__ = ["Efficiency", "measure_efficiency"]

LARGE_BATCH = 2**20  # sensors of all windows of a batch
WARM_CALLS = 5
READING_BYTES = 4


@dataclass(frozen=True)
class Efficiency:
    """Of interleaved calls, compact (active sensors alone) and dense.

    Ratios are dense over compact, so more than 1 is a saving.

    Times of a call: the median, ``p95`` of it the 95th percentile, ``single`` with one window
    instead of ``batch_size``. ``flops`` and ``bytes`` are of one forecast of all locations in such
    a batch: of its products, and of the readings; ``peak_bytes`` is what a call with the whole
    batch needs at once, beside weights and readings.
    """

    batch_size: int
    dense_ms: float
    compact_ms: float
    speed_up: float
    dense_p95_ms: float
    compact_p95_ms: float
    dense_single_ms: float
    compact_single_ms: float
    dense_single_p95_ms: float
    compact_single_p95_ms: float
    single_speed_up: float
    dense_per_second: float  # forecasts of all locations
    compact_per_second: float
    parameters: int
    dense_flops: float
    compact_flops: float
    flops_ratio: float
    dense_bytes: int
    compact_bytes: int
    dense_peak_bytes: int
    compact_peak_bytes: int
    readings_ratio: float


@torch.inference_mode()
def measure_efficiency(
    model: SparseForecaster,
    windows: Windows,
    active: Tensor,
    batch_size: int = 64,
    repeats: int = 40,
    seconds: float = 20.0,
) -> Efficiency:
    """Time a forecast of all locations from the ``active`` (bool ``[S]``) sensors and from all of
    them, turn by turn.

    Large networks are timed on smaller batches, and no longer than about ``seconds``.
    """
    model.eval()
    size = min(batch_size, len(windows), max(1, LARGE_BATCH // len(active)))
    kept, everyone = active.nonzero().squeeze(1), torch.arange(len(active))
    calls = [
        _call(model, windows, count, sensors) for count in (size, 1) for sensors in (kept, everyone)
    ]
    compact, dense, compact_one, dense_one = _times(calls, repeats, seconds).T
    compact_flops, dense_flops = (_flops(call) / size for call in calls[:2])
    window = model.shape.window * model.shape.num_channels * READING_BYTES
    return Efficiency(
        batch_size=size,
        dense_ms=_median(dense),
        compact_ms=_median(compact),
        speed_up=_median(dense) / _median(compact),
        dense_p95_ms=_p95(dense),
        compact_p95_ms=_p95(compact),
        dense_single_ms=_median(dense_one),
        compact_single_ms=_median(compact_one),
        dense_single_p95_ms=_p95(dense_one),
        compact_single_p95_ms=_p95(compact_one),
        single_speed_up=_median(dense_one) / _median(compact_one),
        dense_per_second=1e3 * size / _median(dense),
        compact_per_second=1e3 * size / _median(compact),
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        dense_flops=dense_flops,
        compact_flops=compact_flops,
        flops_ratio=dense_flops / max(compact_flops, 1.0),
        dense_bytes=window * len(active),
        compact_bytes=window * len(kept),
        dense_peak_bytes=_peak(calls[1]),
        compact_peak_bytes=_peak(calls[0]),
        readings_ratio=len(active) / len(kept),
    )


def _call(
    model: SparseForecaster, windows: Windows, size: int, sensors: Tensor
) -> Callable[[], object]:
    batch = windows.on(device_of(model)).batch(torch.arange(size), sensors)

    def call() -> object:
        out = model(batch.inputs())
        synchronize(out.device)
        return out

    return call


def _times(calls: Sequence[Callable[[], object]], repeats: int, seconds: float) -> np.ndarray:
    """``[turns, calls]`` in milliseconds, without the first turns where there are enough."""
    deadline = perf_counter() + seconds
    turns: list[list[float]] = []
    while len(turns) < WARM_CALLS + repeats and (len(turns) < 2 or perf_counter() < deadline):
        turns.append([_milliseconds(call) for call in calls])
    return np.array(turns[min(WARM_CALLS, len(turns) - 1) :])


def _milliseconds(call: Callable[[], object]) -> float:
    started = perf_counter()
    call()
    return 1e3 * (perf_counter() - started)


def _flops(call: Callable[[], object]) -> float:
    with torch.inference_mode(False), torch.no_grad(), FlopCounterMode(display=False) as counter:
        call()
    return float(counter.get_total_flops())


def _peak(call: Callable[[], object]) -> int:
    with torch.inference_mode(False), torch.no_grad():
        return peak_memory(call)


def _median(times: np.ndarray) -> float:
    return float(np.median(times))


def _p95(times: np.ndarray) -> float:
    return float(np.percentile(times, 95))
