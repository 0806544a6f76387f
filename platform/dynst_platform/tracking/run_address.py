"""Where a job's run can be looked at in MLflow's own pages."""

from mlflow.entities import Run

from dynst.errors import ConfigError
from dynst.storage.addresses import without_credentials
from dynst_platform.errors import NotFoundError
from dynst_platform.tracking.clients import reader_of
from dynst_platform.tracking.mlflow_texts import runs_tagged
from dynst_platform.tracking.reaching import as_tracking_error

__all__ = ["job_of_run", "known_run", "run_address", "run_of_job", "sweep_of_run"]

PAGES = ("learned", "sweep")  # kinds of runs that stand for a whole job


def run_address(uri: str, experiment: str, job_id: str) -> str | None:
    """Of the run of a training or a sweep; None where MLflow has none.

    Raises:
        TrackingError: the server cannot be asked from here.
    """
    run = run_of_job(uri, experiment, job_id)
    if run is None:
        return None
    server = without_credentials(uri).rstrip("/")
    return f"{server}/#/experiments/{run.info.experiment_id}/runs/{run.info.run_id}"


def known_run(uri: str, run_id: str) -> tuple[str, str, str]:
    """Experiment, kind and job id of a run.

    Raises:
        NotFoundError: there is no such run, or no store.
        TrackingError: the server does not answer, or refuses.
    """
    with as_tracking_error(uri):
        client = reader_of(uri)
        run = client.get_run(run_id)
        experiment = str(client.get_experiment(run.info.experiment_id).name)
    return experiment, str(run.data.tags.get("dynst.kind")), str(run.data.tags.get("dynst.job"))


def job_of_run(uri: str, run_id: str) -> tuple[str, str, str]:
    """As ``known_run``.

    Raises:
        ConfigError: there is no such run.
        TrackingError: the server does not answer, or refuses.
    """
    try:
        return known_run(uri, run_id)
    except NotFoundError as error:
        raise ConfigError(
            f"{without_credentials(uri)} must have a run {run_id}, but has none; see dynst ui"
        ) from error


def sweep_of_run(uri: str, run_id: str) -> tuple[str, str]:
    """Experiment and job id of a sweep's run.

    Raises:
        ConfigError: there is no such run, or it is of no sweep.
        TrackingError: the server does not answer, or refuses.
    """
    experiment, kind, job_id = job_of_run(uri, run_id)
    if kind != "sweep":
        raise ConfigError(
            f"--resume must name the run or the folder of a sweep, but run {run_id} is of kind "
            f"'{kind}'"
        )
    return experiment, job_id


def run_of_job(uri: str, experiment: str, job_id: str) -> Run | None:
    """The run that stands for a training or a sweep; None where MLflow has none.

    Raises:
        TrackingError: the server cannot be asked from here.
    """
    with as_tracking_error(without_credentials(uri)):
        client = reader_of(uri)
        found = client.get_experiment_by_name(experiment)
        if found is None:
            return None
        runs = runs_tagged(client, found.experiment_id, {"dynst.job": job_id})
        return next((run for run in runs if run.data.tags.get("dynst.kind") in PAGES), None)
