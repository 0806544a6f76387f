"""What compiled steps save, and what it takes to compile them."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from benchmarks.gpu_sections.scale import Scale
from benchmarks.gpu_sections.section import Deadline, Row, Section, answered, in_table
from benchmarks.gpu_sections.trainings import Pace, experiment, network, pace
from dynst.compat import num_compiled
from dynst.data.store import SensorStore
from dynst.experiment.dataset import Dataset
from dynst.experiment.supernet import Supernet
from dynst.training import compiled

__all__ = ["COMPILED"]

COLUMNS = (
    "backbone",
    "sensors of a step",
    "precision",
    "step, ms",
    "compiled, ms",
    "saves",
    "first epoch, s",
    "compiled, s",
    "graphs",
    "losses differ by",
    "remark",
)
CASES = (
    ("stid", "all", "float32"),
    ("stid", "all", "bfloat16"),
    ("morph_graph", "all", "float32"),
    ("stid", "random", "float32"),  # the longest: a graph for each size
)


def rows(scale: Scale, deadline: Deadline) -> Iterator[Row]:
    compiled.BACKEND = scale.backend
    with network(scale.precision, scale.series) as store:
        data = experiment(store, scale, "linear", scale.batch).dataset
        for case in CASES:
            yield answered(
                case,
                len(COLUMNS),
                deadline,
                partial(measured, store, scale, data, *case),
            )


def measured(
    store: SensorStore, scale: Scale, data: Dataset, name: str, sensors: str, precision: str
) -> Sequence[str]:
    def trained(compile: bool) -> Pace:
        made = experiment(
            store, scale, name, scale.batch, data, precision=precision, compile=compile
        )
        return pace(made.dense().training if sensors == "all" else Supernet(made).training())

    plain, before = trained(False), num_compiled()
    with warned("dynst.training.compiled") as lines:
        quick = trained(True)
    return [
        f"{plain.step_ms:.3g}",
        f"{quick.step_ms:.3g}",
        f"{plain.step_ms / quick.step_ms:.2f} ×",
        f"{plain.first_s:.3g}",
        f"{quick.first_s:.3g}",
        str(num_compiled() - before),
        f"{abs(quick.loss / plain.loss - 1):.1e}",
        *(lines[:1] or [""]),
    ]


@contextmanager
def warned(name: str) -> Iterator[list[str]]:
    """What a logger is warned of inside."""
    lines: list[str] = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: lines.append(in_table(record.getMessage()))  # type: ignore[method-assign]
    logger = logging.getLogger(name)
    logger.addHandler(handler)
    try:
        yield lines
    finally:
        logger.removeHandler(handler)


COMPILED = Section(
    "Compiled steps",
    "`training.compile` true beside false. A step reads all sensors, or a random subset of them as "
    "in the sensor-dropout warm-up, whose number is rounded up to one of eight. The first epoch of "
    "a compiled training compiles; in later ones a size may be new.",
    COLUMNS,
    3,
    rows,
)
