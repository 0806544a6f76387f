"""A function on several workers under Ray Train.

What rank 0 reports reaches the caller in order, while the group runs.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import ray
import ray.train

from dynst_platform.compat.train import LeanTrainer
from dynst_platform.errors import RunError, StorageError
from dynst_platform.execution.failure_file import FAILURE_FILE, read_failure, room_for_failure
from dynst_platform.execution.process_group import GlooConfig
from dynst_platform.execution.report_callback import ReportFile, root_cause
from dynst_platform.tracking.line_file import LineReader, followed
from dynst_platform.tracking.shared_folder import ALONE, SharedFolder

__all__ = ["GroupShape", "run_on_workers"]

Item = TypeVar("Item")
logger = logging.getLogger(__name__)
# between two looks at whether there is room for more workers; each change is a start anew
RESIZE_SECONDS = 60.0


@dataclass(frozen=True)
class GroupShape:
    """How many workers, and what each of them takes of the cluster.

    Args:
        start_failures: how often the group may find no room before that counts as a failure.
        max_failures: how often the group is started anew after it lost a worker.
        spread: over as many nodes as there are, rather than few.
        fewest: as many workers as the cluster has room for, from so many on; by default all of
            them.
        alone: on a Ray that is ours, gets no more nodes and ends with this process.
    """

    workers: int
    cpu: float = 1
    gpu: float = 0
    start_failures: int = 0
    max_failures: int = 0
    spread: bool = False
    fewest: int | None = None
    alone: bool = False

    @property
    def num_workers(self) -> int | tuple[int, int]:
        """As Ray Train wants it: a pair may be resized on the way."""
        return (
            self.workers
            if self.fewest is None or self.fewest == self.workers
            else (self.fewest, self.workers)
        )


def run_on_workers(
    function: Callable[[], None],
    shape: GroupShape,
    reports: LineReader[Item],
    on_report: Callable[[Item], None],
    shared: SharedFolder = ALONE,
) -> None:
    """Call ``function`` on each worker.

    Args:
        reports: reads the file that rank 0's reports are left in. Its folder is on this node, where
            Ray Train's controller is too, and holds what Ray Train keeps.
        on_report: is handed each of them, those of earlier processes first.
        shared: the copy of that folder, which every node sees; by default they see the folder.

    Raises:
        RunError: the function failed, or more workers were lost than ``shape`` allows, or Ray Train
            failed.
    """
    folder = reports.path.parent
    shared.remove(folder / FAILURE_FILE)
    with room_for_failure(folder), followed(reports, on_report):
        try:
            _fit(function, shape, reports.path, shared)
        except ray.train.TrainingFailedError as error:
            raise RunError(
                f"the training failed: {_failure_in(folder, shared) or root_cause(error)}"
            ) from error
        except ray.exceptions.RayActorError as error:
            raise RunError("the training failed: Ray Train's controller died") from error
        reason = _failure_in(folder, shared)
        if reason is not None:
            raise RunError(f"the training failed: {reason}")


def _failure_in(folder: Path, shared: SharedFolder) -> str | None:
    """What a worker on any node has left."""
    try:
        shared.fetch(folder / FAILURE_FILE)
    except StorageError as error:
        logger.warning("%s", error)
    return read_failure(folder)


def _fit(
    function: Callable[[], None], shape: GroupShape, reports: Path, shared: SharedFolder
) -> None:
    folder = reports.parent
    each = {"CPU": shape.cpu} | ({"GPU": shape.gpu} if shape.gpu else {})
    trainer = LeanTrainer(
        function,
        backend_config=_nccl() if shape.gpu else GlooConfig(),
        alone=shape.alone,
        scaling_config=ray.train.ScalingConfig(
            num_workers=shape.num_workers,
            elastic_resize_monitor_interval_s=RESIZE_SECONDS,
            use_gpu=bool(shape.gpu),
            resources_per_worker=each,
            placement_strategy="SPREAD" if shape.spread else "PACK",
        ),
        run_config=ray.train.RunConfig(
            # a known name would resume what Ray Train keeps
            name=f"train-{len(list(folder.glob('train-*')))}",
            storage_path=str(folder),
            callbacks=[ReportFile(reports, shared)],
            failure_config=ray.train.FailureConfig(
                max_failures=shape.max_failures, controller_failure_limit=shape.start_failures
            ),
            logging_config=ray.train.LoggingConfig(log_level="ERROR"),
        ),
    )
    trainer.fit()


def _nccl() -> ray.train.BackendConfig:
    from ray.train.torch import TorchConfig  # noqa: PLC0415 (imports PyTorch)

    return TorchConfig("nccl")
