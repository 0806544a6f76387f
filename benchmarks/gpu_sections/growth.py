"""How time and memory grow with the network, up to what one GPU can hold."""

from collections.abc import Iterator, Sequence
from functools import partial
from time import perf_counter

from benchmarks.gpu_sections.scale import Scale
from benchmarks.gpu_sections.section import Deadline, Row, Section, answered
from benchmarks.gpu_sections.trainings import experiment, network, pace, peak_gib
from dynst.data.store import SensorStore

__all__ = ["GROWTH"]

MODEL = {"backbone": "morph_graph", "neighbours": 16}  # lists, also of few sensors
BATCH = 2
SERIES, SPLIT = 104, (0.5, 0.25, 0.25)  # two windows and a few more for the other two parts
COLUMNS = (
    "sensors",
    "parts",
    "prepared in, s",
    "step, ms",
    "sensor-windows/s",
    "peak, GiB",
    "loss",
    "remark",
)


def rows(scale: Scale, deadline: Deadline) -> Iterator[Row]:
    for size in scale.growth:
        with network(size, SERIES) as store:
            # a network that fits is cut too where it is the largest
            for parts in (1, scale.parts):
                row = answered(
                    (f"{size:,}", str(parts)),
                    len(COLUMNS),
                    deadline,
                    partial(measured, store, scale, parts),
                )
                yield row
                if not row[-1] and size < max(scale.growth):
                    break


def measured(store: SensorStore, scale: Scale, parts: int) -> Sequence[str]:
    """A step of a network that is cut has one of its parts."""
    began = perf_counter()
    made = experiment(store, scale, MODEL, BATCH, split=SPLIT, parts=parts)
    training = made.dense().training
    prepared = perf_counter() - began
    found = pace(training)
    return [
        f"{prepared:.3g}",
        f"{found.step_ms:.3g}",
        f"{found.windows * made.num_sensors / parts:,.0f}",
        peak_gib(scale.device),
        f"{found.loss:.4g}",
        "",
    ]


GROWTH = Section(
    "Growth on one GPU",
    f"`{MODEL['backbone']}` over lists of neighbours reads every sensor, {BATCH} windows in a "
    "step. A network that is too large as a whole, and the largest in any case, is also cut into "
    "parts, one in each step. The peak is of PyTorch's tensors, validation included.",
    COLUMNS,
    0,
    rows,
)
