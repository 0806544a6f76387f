"""What a submitted job brings along: its identity, variables and versions, in a file beside the
packages that travel with it.

Ray writes the variables of a runtime environment into its logs and process arguments; this file is
in neither.
"""

import json
import os
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path

from dynst.errors import ConfigError, in_one_line
from dynst_platform.config.documents import parse_json, read_text

__all__ = ["SubmissionContext", "apply_context", "submission_context", "write_context"]

FILE = ".dynst-carried.json"


@dataclass(frozen=True)
class SubmissionContext:
    """Args:
    job_id: of the run's folder and of its MLflow runs.
    environment: variables for every process of the job; some are secret.
    versions: of the packages that it was sent with; empty where the cluster's own will do.
    """

    job_id: str
    environment: dict[str, str] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)


@cache
def submission_context() -> SubmissionContext | None:
    """None where this process belongs to no submitted job."""
    path = Path(__file__).parents[2] / FILE  # beside the packages
    if not path.is_file():
        return None
    try:
        return SubmissionContext(**parse_json(read_text(path, "the submission's file"), str(path)))
    except TypeError as error:
        raise ConfigError(
            f"{path} must hold what a submitted job brings along, but does not "
            f"({in_one_line(error)}); submit the job again"
        ) from error


def apply_context() -> None:
    """Let the variables hold in this process."""
    context = submission_context()
    if context is not None:
        os.environ.update(context.environment)


def write_context(folder: Path, context: SubmissionContext) -> None:
    """Readable by nobody else."""
    with os.fdopen(
        os.open(folder / FILE, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8"
    ) as file:
        json.dump(asdict(context), file)
