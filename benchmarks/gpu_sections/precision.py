"""What a lower precision saves in a step, and what the loss says of it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import torch

from benchmarks.gpu_sections.scale import Scale
from benchmarks.gpu_sections.section import Deadline, Row, Section, answered
from benchmarks.gpu_sections.trainings import experiment, network, pace, peak_gib
from dynst.data.store import SensorStore
from dynst.experiment.dataset import Dataset

__all__ = ["PRECISION"]

BACKBONES = ("stid", "morph_graph", "graph_wavenet")
PRECISIONS = ("float32", "tf32", "bfloat16")
COLUMNS = ("backbone", "precision", "step, ms", "peak, GiB", "first epoch, s", "loss", "remark")


def rows(scale: Scale, deadline: Deadline) -> Iterator[Row]:
    with network(scale.precision, scale.series) as store:
        data = experiment(store, scale, "linear", scale.batch).dataset
        for name in BACKBONES:
            for precision in PRECISIONS:
                yield answered(
                    (name, precision),
                    len(COLUMNS),
                    deadline,
                    partial(measured, store, scale, data, name, precision),
                )


def measured(
    store: SensorStore, scale: Scale, data: Dataset, name: str, precision: str
) -> Sequence[str]:
    kept = "float32" if precision == "tf32" else precision
    made = experiment(store, scale, name, scale.batch, data, precision=kept)
    with products("high" if precision == "tf32" else "highest"):
        found = pace(made.dense().training)
    return [
        f"{found.step_ms:.3g}",
        peak_gib(scale.device),
        f"{found.first_s:.3g}",
        f"{found.loss:.4g}",
        "",
    ]


@contextmanager
def products(precision: str) -> Iterator[None]:
    """``high`` lets float32 products run in TF32."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(precision)
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


PRECISION = Section(
    "Precision",
    "A training of every sensor. TF32 is float32 whose products have ten bits behind the point.",
    COLUMNS,
    2,
    rows,
)
