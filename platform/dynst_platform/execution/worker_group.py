"""A function on several workers under Ray Train.

What rank 0 reports reaches the caller in order, while the group runs.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import ray
import ray.train
import ray.train.torch

from dynst_platform.compat import interruptible
from dynst_platform.errors import RunError, StorageError
from dynst_platform.execution.failure_file import FAILURE_FILE, read_failure, room_for_failure
from dynst_platform.log import log_of_run
from dynst_platform.tracking.report_file import LineReader, append_line, followed
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
    """

    workers: int
    cpu: float = 1
    gpu: float = 0
    start_failures: int = 0
    max_failures: int = 0
    spread: bool = False
    fewest: int | None = None

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
                f"the training failed: {_failure_in(folder, shared) or _root_cause(error)}"
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
    trainer = ray.train.torch.TorchTrainer(
        function,
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
            callbacks=[_ReportFile(reports, shared)],
            failure_config=ray.train.FailureConfig(
                max_failures=shape.max_failures, controller_failure_limit=shape.start_failures
            ),
            logging_config=ray.train.LoggingConfig(log_level="ERROR"),
        ),
    )
    with interruptible():
        trainer.fit()


class _ReportFile(ray.train.UserCallback):  # type: ignore[misc]
    """Runs in Ray Train's controller process: leaves each report of rank 0 as a line in a file, and
    logs which workers were lost.
    """

    def __init__(self, path: Path, shared: SharedFolder) -> None:
        self._path, self._shared = path, shared

    def after_report(
        self, run_context: Any, metrics: list[dict[str, object]], checkpoint: Any
    ) -> None:
        if "artifact" in metrics[0]:  # a model, which another node may have made
            self._shared.fetch(self._path.parent / str(metrics[0]["artifact"]))
        append_line(self._path, metrics[0], self._shared)

    def after_exception(self, run_context: Any, worker_exceptions: dict[int, Exception]) -> None:
        """Ray Train decides what becomes of the group; the next workers' logs say so."""
        with log_of_run(self._path.parent, "controller"):
            for rank, error in worker_exceptions.items():
                logger.warning("worker %d was lost: %s", rank, _root_cause(error))


def _root_cause(error: BaseException) -> str:
    """The last line of what a worker raised, without Ray's frames around it."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
