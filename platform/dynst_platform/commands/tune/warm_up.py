"""The sensor-dropout warm-up that many trials share: trained once for each set of settings that it
depends on.
"""

from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import torch

from dynst.data.store import SensorStore
from dynst.distributed.world import current_world
from dynst.experiment.protocol import run_epochs
from dynst.training.config import HOW_KEPT
from dynst.training.trainer import TrainingState
from dynst_platform.config.experiment import experiment_of
from dynst_platform.config.job import JobSpec
from dynst_platform.studies.tasks import Files, Task, TaskResult, load_result, save_result
from dynst_platform.tracking.shared_folder import shared_folder

__all__ = ["WARM_KEYS", "warm_state", "warm_up_task"]

STATE = "state.pt"
OF_SPARSITY = ("start", "rewind", "dropout", "dropout_density", "pinned", "excluded")
WARM_KEYS = (
    "data",
    "model",
    "training",
    "search.withhold",
    *(f"sparsity.{name}" for name in OF_SPARSITY),
)


def warm_up_task(job: JobSpec, store: SensorStore) -> Task:
    """The task of work of which ``state.pt`` is the training's state when the first sensor is
    about to go.
    """
    settings = job.model_dump(
        mode="json",
        include={"data", "model", "training", "seed"},
        exclude={"data": {"store"}, "training": HOW_KEPT},
    )
    identity = (
        settings
        | job.sparsity.model_dump(mode="json", include=set(OF_SPARSITY))
        | {"digest": store.manifest.digest, "marks": store.marks_digest}
        | {"withholds": job.sparsity.scheme == "searched" and job.search.withhold}
    )
    return Task(
        f"seed-{job.seed}/warm-up",
        _warm_up,
        (job, str(store.path)),
        identity,
    )


def warm_state(
    job: JobSpec, store: SensorStore, root: Path, beat: Callable[[], None]
) -> TrainingState:
    """The state to continue from.

    Trained here and kept under ``root``, and in its copy, where no other trial has done it.
    """
    folder, world = root / warm_up_task(job, store).folder, current_world()
    shared = shared_folder(root)
    shared.fetch(folder)
    if world.broadcast_bool(folder.exists()):
        return _unpacked(load_result(folder).files)
    result = _warm_up(job, str(store.path), beat)
    if world.rank == 0:
        save_result(folder, result)
        shared.put(folder)
    return _unpacked(result.files)


def _warm_up(job: JobSpec, store: str, beat: Callable[[], None] = lambda: None) -> TaskResult:
    experiment = experiment_of(job, store)
    learned = experiment.learned()
    run_epochs(learned, experiment.warm_epochs(learned), lambda epoch: beat())
    packed = BytesIO()
    torch.save(learned.training.state_dict(), packed)
    return TaskResult(
        [{"stage": "warm-up", "steps": learned.training.step}], {STATE: packed.getvalue()}
    )


def _unpacked(files: Files) -> TrainingState:
    state: TrainingState = torch.load(BytesIO(files[STATE]), weights_only=True)
    return state
