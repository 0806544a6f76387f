"""The end of runs in MLflow, with its reason as a tag."""

from mlflow.tracking import MlflowClient

from dynst.storage.addresses import without_credentials
from dynst_platform.text import printable_lines
from dynst_platform.tracking.mlflow_texts import MAX_TAG, runs_tagged

__all__ = ["end_open_runs", "end_run"]


def end_run(
    client: MlflowClient, run_id: str, status: str, reason: str = "", at: int | None = None
) -> None:
    """As FINISHED, FAILED or KILLED; ``at`` is in ms since 1970, by default now."""
    if reason:
        text = printable_lines(without_credentials(reason))[:MAX_TAG]
        client.set_tag(run_id, "dynst.reason", text)
    client.set_terminated(run_id, status, at)


def end_open_runs(
    client: MlflowClient,
    experiment_id: str,
    job_id: str,
    status: str,
    reason: str = "",
    at: int | None = None,
) -> int:
    """End every run of the job that is still open; returns how many those were."""
    runs = runs_tagged(client, experiment_id, {"dynst.job": job_id})
    left = [run.info.run_id for run in runs if run.info.status == "RUNNING"]
    for run_id in left:
        end_run(client, run_id, status, reason, at)
    return len(left)
