"""How often a training step waits for the device."""

import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from itertools import chain, pairwise
from pathlib import Path
from statistics import median

import torch

from benchmarks.gpu_sections.scale import Scale
from benchmarks.gpu_sections.section import Deadline, Row, Section, answered
from benchmarks.gpu_sections.trainings import experiment, half_of, network
from dynst.experiment.experiment import Experiment
from dynst.sparsity.scheme import StepSensors
from dynst.training.trainer import Training

__all__ = ["WAITS"]

WAIT = "called a synchronizing CUDA operation"  # PyTorch's words
COLUMNS = (
    "backbone",
    "scheme",
    "steps",
    "waits of a step, median",
    "most",
    "where",
    "remark",
)
BACKBONES = ("stid", "morph_graph", "graph_wavenet")
BATCH = 16


def rows(scale: Scale, deadline: Deadline) -> Iterator[Row]:
    with network(scale.waits, scale.series) as store:
        data = experiment(store, scale, "linear", BATCH).dataset
        for name in BACKBONES:
            made = experiment(store, scale, name, BATCH, data)
            for scheme in ("half off", "dynamic"):
                yield answered(
                    (name, scheme),
                    len(COLUMNS),
                    deadline,
                    partial(measured, made, scheme),
                )


def measured(made: Experiment, scheme: str) -> Sequence[str]:
    training = half_of(made) if scheme == "half off" else made.learned().training
    counts, places = waits_of_steps(training)
    named = ", ".join(f"{place} ({count})" for place, count in places.most_common(2))
    return [str(len(counts)), f"{median(counts):g}", str(max(counts)), named or "nowhere", ""]


def waits_of_steps(training: Training) -> tuple[list[int], Counter[str]]:
    """How many from one batch to the next, optimizer included, and where; the first epoch warms up.

    What lies between two epochs, the loss and the validation, does not count.
    """
    epochs = training.run()
    next(epochs)
    steps: list[list[str]] = []
    with recorded(training.world.device) as caught:
        begins: list[int] = []

        def began(sensors: StepSensors) -> AbstractContextManager[None]:
            begins.append(len(caught))
            return nullcontext()

        training.batch_context = began
        for _ in epochs:
            steps += [waits(caught[first:last]) for first, last in pairwise(begins)]
            begins.clear()
    return [len(places) for places in steps], Counter(chain.from_iterable(steps))


@contextmanager
def recorded(device: torch.device) -> Iterator[list[warnings.WarningMessage]]:
    """All warnings so far, while PyTorch warns of each wait; a CPU is not waited for."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        if device.type != "cuda":
            yield caught
            return
        torch.cuda.set_sync_debug_mode("warn")
        try:
            yield caught
        finally:
            torch.cuda.set_sync_debug_mode("default")


def waits(caught: Sequence[warnings.WarningMessage]) -> list[str]:
    """Where each of them was."""
    return [
        f"{Path(each.filename).name}:{each.lineno}" for each in caught if WAIT in str(each.message)
    ]


WAITS = Section(
    "Waits for the device",
    "PyTorch's own count (`torch.cuda.set_sync_debug_mode`) from one batch to the next, optimizer "
    "included. A probe of the dynamic scheme waits once, when its gradients are read; an update of "
    "the mask, and all that lies between two epochs, is not a step's.",
    COLUMNS,
    2,
    rows,
)
