"""The experiment of a job in MLflow, which has the job's name."""

from mlflow.entities import Experiment
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from dynst.notices import notice
from dynst_platform.errors import NotFoundError
from dynst_platform.tracking.artifact_places import local_path, present_path

__all__ = ["experiment_for"]

TAGS = {"mlflow.experimentKind": "custom_model_development"}  # so that the UI offers training views


def experiment_for(client: MlflowClient, name: str, artifact_root: str | None) -> str:
    """Its id; it is made where it is not there.

    Args:
        client: of the tracking store.
        name: of the job.
        artifact_root: where files of new experiments go; None leaves that to the server.

    Raises:
        NotFoundError: it was deleted.
    """
    return _known(client, name) or _new(client, name, artifact_root)


def _known(client: MlflowClient, name: str) -> str | None:
    found = client.get_experiment_by_name(name)
    if found is None:
        return None
    if found.lifecycle_stage == "deleted":
        raise NotFoundError(
            f"experiment '{name}' was deleted in MLflow; restore it with: mlflow experiments "
            f"restore --experiment-id {found.experiment_id}, or give the job another name"
        )
    _notice_move(found)
    return str(found.experiment_id)


def _new(client: MlflowClient, name: str, artifact_root: str | None) -> str:
    """Another process may create it between our look and our attempt: its one is taken."""
    location = None if artifact_root is None else f"{artifact_root}/{name}"
    try:
        return str(client.create_experiment(name, location, TAGS))
    except MlflowException as error:
        made = _known(client, name)
        if error.error_code != "RESOURCE_ALREADY_EXISTS" or made is None:
            raise
        return made


def _notice_move(experiment: Experiment) -> None:
    """MLflow writes to where the experiment was made, although its home was moved since."""
    address = experiment.artifact_location
    recorded, place = local_path(address), present_path(address, least=1)
    if place != recorded and place is not None:
        notice(
            f"MLflow has recorded {recorded} for the files of experiment '{experiment.name}', "
            f"which were moved to {place}; those are found, and new ones are written to the "
            f"recorded folder again (to have all in one: ln -s {place} {recorded})"
        )
