"""From a user's words for a model to the model itself, its training's job, and the store that it
was trained on.
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import mlflow
from mlflow.entities import LoggedModel, ViewType
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.models import Model
from mlflow.tracking import MlflowClient

from dynst.data.store import SensorStore
from dynst.errors import ArtifactError, ConfigError, in_one_line
from dynst.models.artifact import Artifact, artifact_digest, backbone_of, load_artifact
from dynst.models.store_check import check_store
from dynst.notices import notice
from dynst.storage.addresses import without_credentials
from dynst.storage.scratch import scratch_folder
from dynst_platform.config.files import check_job, with_overrides
from dynst_platform.config.job import JobSpec
from dynst_platform.config.stores import find_store
from dynst_platform.errors import ForbiddenError
from dynst_platform.model_registry.logged_code import code_to_run
from dynst_platform.model_registry.registered import (
    CHAMPION,
    MODEL_TAG,
    recorded_model_id,
    what_is_left,
)
from dynst_platform.model_registry.training_job import training_job
from dynst_platform.network_code.own_modules import OwnModules
from dynst_platform.tracking.artifact_places import local_path, present_path
from dynst_platform.tracking.lacking import way_to_send
from dynst_platform.tracking.model_files import WEIGHTS_TAG, are_covered, check_files
from dynst_platform.tracking.reaching import as_tracking_error
from dynst_platform.tracking.whole_model import logged_models, whole_among

__all__ = [
    "CHAMPION",
    "Fetched",
    "fetched",
    "model_id_in",
    "model_id_of",
    "store_that_fits",
]

RUN_ID = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class Fetched:
    """A model on this machine for as long as it is needed."""

    artifact: Artifact
    folder: Path
    digest: str
    job: JobSpec  # of its training
    model: LoggedModel
    root: Path  # the whole logged model, of which ``folder`` is a part
    code: Path | None = None  # of its own network, where that is not what is installed here

    @property
    def code_covered(self) -> bool:
        """Whether its code was checked too; an earlier DynST covered the weights alone."""
        return are_covered(self.model.tags)


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
        return _model_of_run(client, reference)
    name, _, alias = name.partition("@")
    found = (
        client.get_model_version(name, version)
        if version
        else client.get_model_version_by_alias(name, alias or CHAMPION)
    )
    return model_id_in(found)


def _model_of_run(client: MlflowClient, run_id: str) -> str:
    """Of a run that was deleted or removed too, as long as its model is there."""
    try:
        run = client.get_run(run_id)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        every = client.search_experiments(ViewType.ALL)
        model = whole_among(logged_models(client, [each.experiment_id for each in every], run_id))
        if model is None:
            raise
        return str(model.model_id)
    model = whole_among(logged_models(client, [run.info.experiment_id], run_id))
    if model is None:
        raise ConfigError(
            f"run {run_id} has no model; only finished trainings have one, and in a sweep those of "
            f"the front{way_to_send(str(run.data.tags.get('dynst.job')))}"
        )
    return str(model.model_id)


def model_id_in(version: ModelVersion) -> str:
    """Raises ConfigError for a version of which another program's model was registered."""
    found = recorded_model_id(version)
    if found is None:
        raise ConfigError(
            f"version {version.version} of model '{version.name}' was not put there by dynst "
            f"promote and holds no model of DynST; name a version that was, or let the champion "
            f"before it serve again with: dynst promote --rollback --model {version.name}"
        )
    if MODEL_TAG not in version.tags:
        notice(
            f"version {version.version} of model '{version.name}' was registered by hand, and not "
            f"by dynst promote"
        )
    return found


def _not_there(client: MlflowClient, uri: str, reference: str) -> str:
    left = what_is_left(client, reference)
    if left:
        return left
    known = [model.name for model in client.search_registered_models() if CHAMPION in model.aliases]
    has = (
        f"it has a champion of {', '.join(known)}"
        if known
        else "no model has been promoted there yet; see dynst promote --help"
    )
    return f"{without_credentials(uri)} has no model '{reference}'; {has}"


@contextmanager
def fetched(
    client: MlflowClient, uri: str, model_id: str, trust_code: bool = False
) -> Iterator[Fetched]:
    """A checked copy of a logged model; inside, its own network is imported as it was logged.

    Args:
        client: of the tracking store at ``uri``.
        uri: for messages.
        model_id: of the logged model.
        trust_code: whether the user trusts the code of its own network, from now on.

    Raises:
        ArtifactError: the files are not what was logged.
        ConfigError: the model is none of ours.
        RefusedError: it runs code that is not trusted here.
    """
    with as_tracking_error(uri):
        model = _logged(client, model_id)
        if WEIGHTS_TAG not in model.tags:
            raise ConfigError(
                f"model {model_id} was not logged by dynst; name a model or run of dynst train or "
                f"dynst tune"
            )
    with scratch_folder() as name:
        folder = Path(name)
        root = _copied(uri, model, folder)
        path = _checked(root, model)
        scratch = Path(_made(folder / "own"))
        code = code_to_run(root, backbone_of(path), model, trust_code, scratch)
        with OwnModules(code):
            artifact = load_artifact(path)
            job = training_job(client, uri, model, root, artifact)
            yield Fetched(artifact, path, model.tags[WEIGHTS_TAG], job, model, root, code)


def _copied(uri: str, model: LoggedModel, folder: Path) -> Path:
    """The logged files, from where MLflow has recorded them or, in a home that was moved, from
    their place there; whether they are the same is checked afterwards either way.
    """
    recorded, place = local_path(model.artifact_location), present_path(model.artifact_location)
    if recorded is not None and place is None:
        raise ArtifactError(
            f"the files of model {model.model_id} must be in {recorded}, but that folder is not "
            f"there; where they were moved with their home, set DYNST_HOME to where it is now"
        )
    if place is not None:
        _check_readable(place)
    source = f"models:/{model.model_id}" if place == recorded else str(place)
    with as_tracking_error(uri):
        copy = mlflow.artifacts.download_artifacts(
            artifact_uri=source, dst_path=_made(folder / "model")
        )
    return Path(copy)


def _check_readable(place: Path) -> None:
    """MLflow names no file that it could not read."""
    for file in (place, *sorted(place.rglob("*"))):
        if not os.access(file, os.R_OK | os.X_OK if file.is_dir() else os.R_OK):
            raise ForbiddenError(
                f"{file} must be readable for who uses the model, but is not for you; ask its "
                f"owner for chmod a+rX"
            )


def _logged(client: MlflowClient, model_id: str) -> LoggedModel:
    try:
        return client.get_logged_model(model_id)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        raise ConfigError(
            f"model {model_id} was deleted in MLflow; name another one, or, where the folder of "
            f"its run is left, send it again with: dynst sync FOLDER"
        ) from error


def _made(folder: Path) -> str:
    folder.mkdir()
    return str(folder)


def _checked(root: Path, model: LoggedModel) -> Path:
    """The folder of weights and description in a copy that is as it was logged."""
    check_files(root, model.tags, model.model_id)
    try:
        flavour = Model.load(str(root)).flavors["python_function"]
        path = root / str(flavour["artifacts"]["model"]["path"])
    except Exception as error:  # whatever MLflow makes of a file that is not its own
        raise ArtifactError(
            f"model {model.model_id} has no usable MLmodel ({in_one_line(error)}); train again or "
            f"restore it"
        ) from error
    digest, logged = artifact_digest(path), model.tags[WEIGHTS_TAG]
    if digest != logged:
        raise ArtifactError(
            f"the files of model {model.model_id} are not those that were logged: their digest is "
            f"{digest[:12]}…, logged was {logged[:12]}…; they were changed since, so train again "
            f"or restore them"
        )
    return path


def store_that_fits(fetched: Fetched, name: str | None) -> SensorStore:
    """The store of the model's training, or where it lies now, verified anew.

    Raises:
        DataError: there is none, or it is damaged.
        ConfigError: it holds other data than the model was trained on.
    """
    job = (
        fetched.job
        if name is None
        else check_job(with_overrides(fetched.job.model_dump(mode="json"), {"data.store": name}))
    )
    store = find_store(job.data.store, job.data.patch, anew=True)
    check_store(fetched.artifact.description, store)
    return store
