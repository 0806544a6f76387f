"""Where a job's run can be looked at in MLflow's own pages."""

from dynst.storage.addresses import without_credentials
from dynst_platform.tracking.clients import reader_of
from dynst_platform.tracking.mlflow_texts import runs_tagged
from dynst_platform.tracking.reaching import as_tracking_error

__all__ = ["run_address"]

PAGES = ("learned", "sweep")  # kinds of runs that stand for a whole job


def run_address(uri: str, experiment: str, job_id: str) -> str | None:
    """Of the run of a training or a sweep; None where MLflow has none.

    Raises:
        TrackingError: the server cannot be asked from here.
    """
    with as_tracking_error(without_credentials(uri)):
        client = reader_of(uri)
        found = client.get_experiment_by_name(experiment)
        runs = (
            []
            if found is None
            else list(runs_tagged(client, found.experiment_id, {"dynst.job": job_id}))
        )
    for run in runs:
        if run.data.tags.get("dynst.kind") in PAGES:
            server = without_credentials(uri).rstrip("/")
            return f"{server}/#/experiments/{run.info.experiment_id}/runs/{run.info.run_id}"
    return None
