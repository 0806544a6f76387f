"""The tasks of an ablation: one whole training for each scheme, criterion, sparsity and seed, and
the dense one.
"""

from collections.abc import Iterator
from functools import partial
from itertools import product
from math import nan
from time import perf_counter

from dynst.data.store import SensorStore
from dynst.experiment.protocol import arm_errors, error_figures, run_epochs, train
from dynst.sparsity.config import at_sparsity
from dynst.sparsity.mask import MaskUpdate
from dynst_platform.config.experiment import experiment_of
from dynst_platform.config.job import JobSpec
from dynst_platform.studies.references import FIGURES, dense_task, study_basis
from dynst_platform.studies.tasks import Row, Task, TaskResult

__all__ = ["TRAINED", "ablation_tasks"]

TRAINED = "trained"
NO_CRITERION = "none"  # of the searched scheme


def ablation_tasks(job: JobSpec, store: SensorStore) -> list[Task]:
    return [task for seed in job.ablation.seeds for task in _seed_tasks(job, store, seed)]


def _seed_tasks(job: JobSpec, store: SensorStore, seed: int) -> Iterator[Task]:
    yield dense_task(job, store, seed, job.training.epochs)
    for scheme, criterion, sparsity in _variants(job):
        settings = at_sparsity(job.sparsity, sparsity).model_copy(update={"scheme": scheme})
        own = {"dropout": True} if criterion == NO_CRITERION else {"criterion": criterion}
        settings = settings.model_copy(update=own)
        varied = job.model_copy(update={"sparsity": settings, "seed": seed})
        identity = study_basis(job, store) | {
            "seed": seed,
            "decisions": store.decisions_digest,
            "sparsity": settings.model_dump(mode="json"),
            "search": job.search.model_dump(mode="json"),
        }
        name = f"seed-{seed}/{scheme}-{criterion}-{sparsity:g}"
        yield Task(name, _train, (varied, str(store.path), criterion), identity)


def _variants(job: JobSpec) -> Iterator[tuple[str, str, float]]:
    """The searched scheme asks no criterion and stands there once, with the sensor dropout that its
    search needs.
    """
    spec = job.ablation
    for scheme in spec.schemes:
        yield from product(
            [scheme], [NO_CRITERION] if scheme == "searched" else spec.criteria, spec.sparsities
        )


def _train(job: JobSpec, store_path: str, criterion: str) -> TaskResult:
    experiment = experiment_of(job, store_path)
    updates: list[MaskUpdate] = []
    run = partial(run_epochs, on_epoch=lambda epoch: updates.extend(epoch.updates))
    arm, started = experiment.learned(), perf_counter()
    train(experiment, arm, run=run)
    errors = error_figures(arm_errors(experiment, arm), arm.active)
    row: Row = {
        "stage": TRAINED,
        "seed": job.seed,
        "sparsity": job.sparsity.final,
        "scheme": job.sparsity.scheme,
        "criterion": criterion,
        **{name: errors.get(name, nan) for name in FIGURES},
        "exchanged": sum(len(update.grown) for update in updates),
        "seconds": perf_counter() - started,
        "active": arm.active.nonzero().squeeze(1).tolist(),
    }
    return TaskResult([row])
