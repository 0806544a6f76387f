"""What Ray Train's controller does for a run, in a process of its own.

That process imports this module, and so neither PyTorch nor MLflow.
"""

import logging
from pathlib import Path
from typing import Any

import ray.train

from dynst_platform.log import log_of_run
from dynst_platform.tracking.line_file import append_line
from dynst_platform.tracking.shared_folder import SharedFolder

__all__ = ["ReportFile", "root_cause"]

logger = logging.getLogger(__name__)


class ReportFile(ray.train.UserCallback):  # type: ignore[misc]
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
                logger.warning("worker %d was lost: %s", rank, root_cause(error))


def root_cause(error: BaseException) -> str:
    """The last line of what a worker raised, without Ray's frames around it."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
