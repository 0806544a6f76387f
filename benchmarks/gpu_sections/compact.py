"""Compact against dense: what half of the sensors saves, in a forecast and in a training step."""

from collections.abc import Iterator, Sequence
from functools import partial

from benchmarks.gpu_sections.scale import Scale
from benchmarks.gpu_sections.section import Deadline, Row, Section, answered
from benchmarks.gpu_sections.trainings import NAMES, experiment, half_of, in_turn, network
from dynst.data.store import SensorStore
from dynst.evaluation.efficiency import measure_efficiency
from dynst.experiment.dataset import Dataset

__all__ = ["COMPACT"]

COLUMNS = (
    "backbone",
    "sensors",
    "batch",
    "forecast, ms",
    "half off, ms",
    "saves",
    "step, ms",
    "half off, ms",
    "saves",
    "remark",
)


def rows(scale: Scale, deadline: Deadline) -> Iterator[Row]:
    for size, batch in scale.compact:
        with network(size, scale.series) as store:
            # windows are alike for every backbone
            data = experiment(store, scale, "linear", batch).dataset
            for name in NAMES:
                yield answered(
                    (name, f"{size:,}", str(batch)),
                    len(COLUMNS),
                    deadline,
                    partial(measured, store, scale, name, batch, data),
                )


def measured(
    store: SensorStore, scale: Scale, name: str, batch: int, data: Dataset
) -> Sequence[str]:
    made = experiment(store, scale, name, batch, data)
    dense, half = made.dense().training, half_of(made)
    whole, part = in_turn(dense, half)
    forecast = measure_efficiency(
        half.model, half.val, half.scheme.active, batch, repeats=20, seconds=scale.seconds
    )
    return [
        f"{forecast.dense_ms:.3g}",
        f"{forecast.compact_ms:.3g}",
        f"{forecast.speed_up:.2f} ×",
        f"{whole.step_ms:.3g}",
        f"{part.step_ms:.3g}",
        f"{whole.step_ms / part.step_ms:.2f} ×",
        "",
    ]


COMPACT = Section(
    "Compact against dense",
    "A forecast of all locations, and a step of DynST's trainer (float32), from all sensors and "
    "from a random half of them, in turn; medians. A forecast may have fewer windows than the "
    "batch, where the validation part has.",
    COLUMNS,
    1,
    rows,
)
