"""Training at the size of LargeST-CA, beside what others have published."""

from collections.abc import Iterator, Sequence
from functools import partial

from benchmarks.gpu_sections.scale import Scale
from benchmarks.gpu_sections.section import Deadline, Row, Section, answered
from benchmarks.gpu_sections.trainings import experiment, half_of, network, pace, peak_gib
from dynst.experiment.experiment import Experiment

__all__ = ["LARGEST_CA"]

PATCH_STG = 263e3  # sensor-windows a second there, by its published log; its GPU is not known
GOALS = {"none": 3e6, "half": 5e6}
COLUMNS = (
    "backbone",
    "sensors off",
    "precision",
    "step, ms",
    "sensor-windows/s",
    "beside PatchSTG's log",
    "goal",
    "peak, GiB",
    "remark",
)
CASES = (("stid", "float32"), ("stid", "bfloat16"), ("morph_graph", "float32"))


def rows(scale: Scale, deadline: Deadline) -> Iterator[Row]:
    with network(scale.largest, scale.series) as store:
        data = experiment(store, scale, "stid", scale.batch).dataset
        for backbone, precision in CASES:
            made = experiment(store, scale, backbone, scale.batch, data, precision=precision)
            for off in GOALS:
                yield answered(
                    (backbone, off, precision),
                    len(COLUMNS),
                    deadline,
                    partial(measured, made, off),
                )


def measured(made: Experiment, off: str) -> Sequence[str]:
    training = half_of(made) if off == "half" else made.dense().training
    found = pace(training)
    each = found.windows * made.num_sensors
    goal = GOALS[off]
    return [
        f"{found.step_ms:.3g}",
        f"{each:,.0f}",
        f"{each / PATCH_STG:.1f} ×",
        f"{goal / 1e6:.0f} M: {'reached' if each >= goal else 'missed'}",
        peak_gib(made.world.device),
        "",
    ]


LARGEST_CA = Section(
    "Training at the size of LargeST-CA",
    "A synthetic network of as many sensors, 12 steps from 12, by DynST's trainer. Every window "
    "counts once for each sensor, since all locations are forecast whichever are read. A published "
    "log of PatchSTG on LargeST-CA gives 263,000 a second, BasicTS' STID 662,000 on 207 sensors, "
    "both on hardware that is not known.",
    COLUMNS,
    3,
    rows,
)
