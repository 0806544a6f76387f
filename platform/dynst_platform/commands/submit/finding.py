"""Which of a cluster's jobs a word names."""

from dynst.errors import ConfigError
from dynst_platform.execution.ray_jobs import RemoteJob

__all__ = ["find_job"]


def find_job(jobs: list[RemoteJob], word: str) -> RemoteJob:
    """By its id, the end of it, the name of its MLflow run, or that of its job file, of which the
    newest counts.

    Args:
        jobs: the newest first.

    Raises:
        ConfigError: there is none.
    """
    for job in jobs:
        known = (job.id, job.run, job.job_id)
        if word in known or (len(word) > 4 and job.id.endswith(f"-{word}")):
            return job
    for job in jobs:
        if word == job.name:
            return job
    newest = ", ".join(job.id for job in jobs[:5]) or "none"
    raise ConfigError(
        f"the cluster must have a job '{word}', but its newest are {newest}; see dynst jobs list"
    )
