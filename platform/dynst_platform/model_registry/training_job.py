"""The job of a model's training: it travels with the model; of an earlier DynST it lies with the
run, or in the parameters that the model has of it.
"""

from pathlib import Path

from mlflow.entities import LoggedModel
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from dynst.errors import ConfigError, DynstError
from dynst.models.artifact import Artifact
from dynst_platform.config.credentials import redacted
from dynst_platform.config.files import check_job, load_job
from dynst_platform.config.job import JobSpec
from dynst_platform.tracking.artifact_places import present_path
from dynst_platform.tracking.job_params import nested
from dynst_platform.tracking.model_files import JOB
from dynst_platform.tracking.reaching import as_tracking_error

__all__ = ["training_job"]

OF_THE_RUN = ("arm", "cluster.", "model.")  # parameters that are not needed, or known better
NOT_THERE = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE", "INTERNAL_ERROR")


def training_job(
    client: MlflowClient, uri: str, model: LoggedModel, root: Path, artifact: Artifact
) -> JobSpec:
    """The job, with the model's own description: what a job names is imported.

    Args:
        client: of the tracking store at ``uri``.
        uri: for messages.
        model: as MLflow has it.
        root: a copy of its files.
        artifact: loaded from it.

    Raises:
        ConfigError: it is nowhere.
        TrackingError: the tracking store cannot be reached.
    """
    described = artifact.description.model.model_dump(mode="json")
    with as_tracking_error(uri):
        path = root / JOB if (root / JOB).is_file() else _of_run(client, model, root.parent)
    if path is not None:
        return load_job(path, model=described, recorded=True)
    try:
        known = model.params.items()
        settings = nested({key: text for key, text in known if not key.startswith(OF_THE_RUN)})
        return check_job(redacted(settings) | {"model": described})
    except (DynstError, ValueError, AttributeError) as error:
        raise ConfigError(
            f"the job of model {model.model_id} was kept with its run {model.source_run_id}, which "
            f"was removed from MLflow; name a model whose run is there, or train again"
        ) from error


def _of_run(client: MlflowClient, model: LoggedModel, scratch: Path) -> Path | None:
    """Where an earlier DynST left it, in a run that may have been deleted, or removed for good."""
    try:
        place = present_path(client.get_run(model.source_run_id).info.artifact_uri)
        if place is not None:
            return place / JOB if (place / JOB).is_file() else None
        return Path(client.download_artifacts(model.source_run_id, JOB, str(scratch)))
    except MlflowException as error:
        if error.error_code in NOT_THERE:
            return None
        raise
