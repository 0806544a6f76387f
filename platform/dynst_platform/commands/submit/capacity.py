"""What a job will ask of a cluster, before it runs: workers, memory and hours, from a few steps
that are measured here.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from math import ceil
from statistics import median
from time import perf_counter

import torch

from dynst.data.store import SensorStore
from dynst.experiment.arms import Arm
from dynst.experiment.experiment import Experiment
from dynst_platform.config.arms import epochs_by_arm, shared_epochs
from dynst_platform.config.experiment import experiment_of
from dynst_platform.config.job import JobSpec
from dynst_platform.config.sweep import SweepSpec
from dynst_platform.execution.process_memory import peak_memory_mib

__all__ = ["Capacity", "capacity_of"]

STEPS, SECONDS = 12, 20.0  # of an arm, whatever is over first
VALIDATION = 1 / 3  # of a training step, for each window: forwards alone


@dataclass(frozen=True)
class Capacity:
    """Measured on one core of this machine, unless it says otherwise.

    Args:
        groups: of workers at work at once: 1 for a training, trials of a sweep where it says how
            many; None if the cluster decides.
        workers: of a group, with ``cpus`` and ``gpus`` each; ``gpus`` is None where a worker takes
            one if there are some.
        memory_mib: of a worker: what this process held at most while it measured, a worker's share
            of the batch included.
        series_mib: of it the readings, scaled, with their mask. Counted.
        weights: of the network. Counted.
        windows: of a worker in a step.
        dense_seconds, learned_seconds: of a step.
        epochs: of all trainings together, of ``steps`` each.
        hours: of one group, were it alone. Estimated: steps and validation, the workers sharing
            evenly.
    """

    name: str
    groups: int | None
    workers: int
    cpus: float
    gpus: float | None
    memory_mib: float
    series_mib: float
    weights: int
    windows: int
    dense_seconds: float
    learned_seconds: float
    epochs: int
    steps: int
    hours: float


def capacity_of(spec: JobSpec | SweepSpec, store: SensorStore) -> Capacity:
    """Runs some training steps in this process, at most a minute or so.

    Raises:
        DynstError: the job does not fit its data.
    """
    job = spec if isinstance(spec, JobSpec) else JobSpec.model_validate(spec.job)
    workers = max(
        1, job.cluster.most_workers if isinstance(spec, JobSpec) else spec.resources.workers
    )
    experiment = _of_one_worker(job, store, workers)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        dense, learned = _step_seconds(experiment.dense), _step_seconds(experiment.learned)
    finally:
        torch.set_num_threads(threads)
    steps = job.training.steps_in_epoch(len(experiment.dataset.train))
    windows, checked = experiment.config.training.batch_size, len(experiment.dataset.val) / workers
    validation = VALIDATION * checked / windows
    wide, narrow = _epochs(spec, job)
    seconds = wide * (steps + validation) * dense + narrow * (steps + validation) * learned
    return Capacity(
        name=spec.name,
        groups=1 if isinstance(spec, JobSpec) else spec.at_once,
        workers=workers,
        cpus=spec.cluster.cpus_per_worker if isinstance(spec, JobSpec) else spec.resources.cpu,
        gpus=_gpus(spec),
        memory_mib=peak_memory_mib(),
        series_mib=experiment.dataset.train.series.num_bytes / 2**20,
        weights=sum(weight.numel() for weight in experiment.dense().training.model.parameters()),
        windows=windows,
        dense_seconds=dense,
        learned_seconds=learned,
        epochs=wide + narrow,
        steps=steps,
        hours=seconds / 3600,
    )


def _of_one_worker(job: JobSpec, store: SensorStore, workers: int) -> Experiment:
    """The job as one of its workers sees it."""
    share = {"batch_size": ceil(job.training.batch_size / workers), "checkpoint_every_steps": 1}
    alone = {"num_workers": 0, "address": None}
    changes = {
        "training": job.training.model_copy(update=share),
        "cluster": job.cluster.model_copy(update=alone),
    }
    return experiment_of(job.model_copy(update=changes), store.path)


class _Enough(Exception):
    """Ends a training in the middle of an epoch."""


def _step_seconds(make: Callable[[], Arm]) -> float:
    """The median, without the first step."""
    training = make().training
    moments = [perf_counter()]

    def pause() -> None:
        moments.append(perf_counter())
        if len(moments) > STEPS or moments[-1] - moments[0] > SECONDS:
            raise _Enough

    try:
        for _ in training.run(1, pause):
            moments.append(perf_counter())
    except _Enough:
        pass
    lengths = [after - before for before, after in pairwise(moments)]
    return median(lengths[1:] or lengths)


def _epochs(spec: JobSpec | SweepSpec, job: JobSpec) -> tuple[int, int]:
    """Over every sensor, and over those of the learned arm and its like."""
    if isinstance(spec, JobSpec):
        arms = epochs_by_arm(job)
        wide = arms.pop("dense", 0)
        return wide, sum(arms.values())
    seeds, shared = len(spec.seeds), shared_epochs(job)
    return seeds * job.training.epochs, seeds * (
        shared + spec.trials * (job.training.epochs - shared)
    )


def _gpus(spec: JobSpec | SweepSpec) -> float | None:
    if isinstance(spec, SweepSpec):
        return spec.resources.gpu
    return None if spec.cluster.use_gpu == "auto" else float(spec.cluster.use_gpu)
