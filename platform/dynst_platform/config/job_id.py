"""What identifies a job: its folder, its MLflow runs and, where it was submitted, its job on the
cluster.
"""

from datetime import UTC, datetime
from secrets import token_hex

from dynst_platform.config.submission_context import submission_context

__all__ = ["fresh_job_id", "new_job_id", "run_name"]


def new_job_id() -> str:
    """Of a submitted job the one that it was sent with."""
    brought = submission_context()
    return brought.job_id if brought is not None else fresh_job_id()


def fresh_job_id() -> str:
    return f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{token_hex(2)}"


def run_name(arm: str, job_id: str) -> str:
    """Of an arm's MLflow run."""
    return f"{arm}-{job_id[-4:]}"
