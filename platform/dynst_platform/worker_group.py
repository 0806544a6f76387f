"""A function on several workers under Ray Train. What rank 0 reports reaches the caller in order, while the group runs."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread
from typing import Any

import ray
import ray.train
import ray.train.torch

from dynst_platform.errors import RunError

__all__ = ["GroupShape", "run_on_workers"]

Report = dict[str, Any]
POLL_SECONDS = 0.2


@dataclass(frozen=True)
class GroupShape:
    """How many workers, and what each of them takes of the cluster.

    Args:
        start_failures: how often the group may find no room before that counts as a failure.
    """

    workers: int
    cpu: float = 1
    gpu: float = 0
    start_failures: int = 0


def run_on_workers(
    function: Callable[[dict[str, Any]], None],
    config: dict[str, Any],
    shape: GroupShape,
    folder: Path,
    on_report: Callable[[Report], None],
) -> None:
    """Call ``function(config)`` on each worker; a report that came with a checkpoint carries its folder as ``artifact``.

    Args:
        folder: seen by every node; holds what Ray Train keeps.

    Raises:
        RunError: a worker failed, or Ray Train did.
    """
    reports = folder / "reports.jsonl"
    reports.touch()
    follower = _Follower(reports, on_report)
    try:
        follower.start()
        _fit(function, config, shape, folder, reports)
    except ray.train.v2.api.exceptions.TrainingFailedError as error:
        raise RunError(f"the training failed: {_root_cause(error)}") from error
    except ray.exceptions.RayActorError as error:
        raise RunError("the training failed: Ray Train's controller died; start the job again") from error
    finally:
        follower.finish()
    follower.raise_failure()


def _fit(function: Callable[..., None], config: dict[str, Any], shape: GroupShape, folder: Path, reports: Path) -> None:
    each = {"CPU": shape.cpu} | ({"GPU": shape.gpu} if shape.gpu else {})
    trainer = ray.train.torch.TorchTrainer(
        function,
        train_loop_config=config,
        scaling_config=ray.train.ScalingConfig(num_workers=shape.workers, use_gpu=bool(shape.gpu), resources_per_worker=each),
        run_config=ray.train.RunConfig(
            name="train",
            storage_path=str(folder),
            callbacks=[_ReportFile(reports)],
            failure_config=ray.train.FailureConfig(max_failures=0, controller_failure_limit=shape.start_failures),
            logging_config=ray.train.LoggingConfig(log_level="ERROR"),
        ),
    )
    trainer.fit()


class _ReportFile(ray.train.UserCallback):  # type: ignore[misc]
    """Runs in Ray Train's controller process and leaves each report of rank 0 as a line in a file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def after_report(self, run_context: Any, metrics: list[Report], checkpoint: Any) -> None:
        report = metrics[0] if checkpoint is None else metrics[0] | {"artifact": checkpoint.path}
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(report) + "\n")


class _Follower(Thread):
    """Reads the report file while ``fit`` holds the caller's thread."""

    def __init__(self, path: Path, on_report: Callable[[Report], None]) -> None:
        super().__init__(name="reports", daemon=True)
        self._path, self._on_report = path, on_report
        self._done = Event()
        self._failure: Exception | None = None
        self._tail = ""

    def run(self) -> None:
        with self._path.open(encoding="utf-8") as file:
            while True:
                last_round = self._done.is_set()
                try:
                    self._hand_over(file.read())
                except Exception as error:
                    self._failure = error
                    return
                if last_round:
                    return
                time.sleep(POLL_SECONDS)

    def finish(self) -> None:
        self._done.set()
        if self.is_alive():
            self.join()

    def raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure

    def _hand_over(self, text: str) -> None:
        """Whole lines only; the last one may still be being written."""
        *lines, self._tail = (self._tail + text).split("\n")
        for line in lines:
            self._on_report(json.loads(line))


def _root_cause(error: BaseException) -> str:
    """The last line of what a worker raised, without Ray's frames around it."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
