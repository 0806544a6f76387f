"""From a user's words for a model to the model itself, its training's job, and the store that it
was trained on.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import mlflow
from mlflow.entities import LoggedModel
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.models import Model
from mlflow.tracking import MlflowClient

from dynst.data.store import SensorStore
from dynst.errors import ArtifactError, ConfigError
from dynst.models.artifact import Artifact, artifact_digest, load_artifact
from dynst.storage.addresses import without_credentials
from dynst_platform.config.files import check_job, load_job, with_overrides
from dynst_platform.config.job import JobSpec
from dynst_platform.config.stores import find_store
from dynst_platform.tracking.reaching import as_tracking_error

__all__ = [
    "CHAMPION",
    "Fetched",
    "client_of",
    "fetched",
    "model_id_in",
    "model_id_of",
    "store_that_fits",
]

CHAMPION = "champion"
RUN_ID = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class Fetched:
    """A model on this machine for as long as it is needed."""

    artifact: Artifact
    folder: Path
    digest: str
    job: JobSpec  # of its training
    model: LoggedModel


def client_of(uri: str) -> MlflowClient:
    mlflow.set_tracking_uri(uri)
    return MlflowClient(uri)


def model_id_of(client: MlflowClient, uri: str, reference: str) -> str:
    """``NAME`` is the champion of a registered model, ``NAME/3`` its third version.

    A run's id is that run's model.

    Raises:
        ConfigError: there is no such model.
    """
    with as_tracking_error(uri):
        try:
            return _model_id(client, reference)
        except MlflowException as error:
            if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                raise ConfigError(_not_there(client, uri, reference)) from error
            raise


def _model_id(client: MlflowClient, reference: str) -> str:
    name, _, version = reference.removeprefix("models:/").partition("/")
    if reference.startswith("models:/m-"):
        return name
    if RUN_ID.fullmatch(reference):
        outputs = client.get_run(reference).outputs
        if not outputs or not outputs.model_outputs:
            raise ConfigError(
                f"run {reference} has no model; only finished trainings have one, and in a sweep "
                f"those of the front"
            )
        return str(outputs.model_outputs[-1].model_id)
    name, _, alias = name.partition("@")
    found = (
        client.get_model_version(name, version)
        if version
        else client.get_model_version_by_alias(name, alias or CHAMPION)
    )
    return model_id_in(found)


def model_id_in(version: ModelVersion) -> str:
    """Raises ConfigError for a version that another program registered."""
    if "dynst.model_id" not in version.tags:
        raise ConfigError(
            f"version {version.version} of model '{version.name}' was not put there by dynst "
            f"promote; name a model that was"
        )
    return str(version.tags["dynst.model_id"])


def _not_there(client: MlflowClient, uri: str, reference: str) -> str:
    known = [model.name for model in client.search_registered_models() if CHAMPION in model.aliases]
    has = (
        f"it has a champion of {', '.join(known)}"
        if known
        else "no model has been promoted there yet; see dynst promote --help"
    )
    return f"{without_credentials(uri)} has no model '{reference}'; {has}"


@contextmanager
def fetched(client: MlflowClient, uri: str, model_id: str) -> Iterator[Fetched]:
    """Raises ArtifactError where the files are not what was logged, ConfigError where the model is
    none of ours.
    """
    with as_tracking_error(uri):
        model = client.get_logged_model(model_id)
        if "dynst.digest" not in model.tags:
            raise ConfigError(
                f"model {model_id} was not logged by dynst; name a model or run of dynst train or "
                f"dynst tune"
            )
    with TemporaryDirectory() as folder:
        with as_tracking_error(uri):
            path = Path(client.download_artifacts(model.source_run_id, "job.yaml", folder))
            job = load_job(path, recorded=True)
            root = Path(
                mlflow.artifacts.download_artifacts(
                    artifact_uri=f"models:/{model_id}", dst_path=folder
                )
            )
        path = root / Model.load(str(root)).flavors["python_function"]["artifacts"]["model"]["path"]
        digest = artifact_digest(path)
        if digest != model.tags["dynst.digest"]:
            raise ArtifactError(
                f"the files of model {model_id} are not those that were logged: their digest is "
                f"{digest[:12]}…, logged was {model.tags['dynst.digest'][:12]}…; they were changed "
                "since, so train again or restore them"
            )
        yield Fetched(load_artifact(path), path, digest, job, model)


def store_that_fits(fetched: Fetched, name: str | None) -> SensorStore:
    """The store of the model's training, or where it lies now.

    Raises:
        DataError: there is none.
        ConfigError: it holds other data than the model was trained on.
    """
    job = (
        fetched.job
        if name is None
        else check_job(with_overrides(fetched.job.model_dump(mode="json"), {"data.store": name}))
    )
    store, wanted = (
        find_store(job.data.store, job.data.patch),
        fetched.artifact.description.data_digest,
    )
    if store.manifest.digest != wanted:
        raise ConfigError(
            f"the model was trained on data with digest {wanted[:12]}…, but the store at "
            f"{store.path} has "
            f"{store.manifest.digest[:12]}…; name the right one with --store, or train on this one"
        )
    return store
