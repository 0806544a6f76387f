"""Which model of a run counts: the whole one, whatever an interrupted upload left beside it.

A run's outputs do not say it: MLflow sorts them by id, and links to deleted models stay.
"""

from collections.abc import Iterable, Iterator, Sequence

from mlflow.entities import LoggedModel, LoggedModelStatus
from mlflow.tracking import MlflowClient

from dynst_platform.tracking.model_files import WEIGHTS_TAG

__all__ = ["is_whole", "logged_models", "whole_among", "whole_by_run"]

PAGE = 500


def is_whole(model: LoggedModel) -> bool:
    """Whether all files are there: the tags come before the files, READY after the last of them.

    A model of an earlier DynST has the tag of its weights alone.
    """
    return bool(model.status == LoggedModelStatus.READY) and WEIGHTS_TAG in model.tags


def whole_among(models: Iterable[LoggedModel]) -> LoggedModel | None:
    """The same one for everybody: of several the first that was made."""
    whole = [model for model in models if is_whole(model)]
    return min(whole, key=lambda each: (each.creation_timestamp, each.model_id), default=None)


def whole_by_run(client: MlflowClient, experiments: Sequence[str]) -> dict[str, LoggedModel]:
    """The whole models of all runs of these experiments, in a few requests."""
    by_run: dict[str, list[LoggedModel]] = {}
    for model in logged_models(client, experiments):
        by_run.setdefault(str(model.source_run_id), []).append(model)
    found = {run_id: whole_among(models) for run_id, models in by_run.items()}
    return {run_id: model for run_id, model in found.items() if model is not None}


def logged_models(
    client: MlflowClient, experiments: Sequence[str], run_id: str | None = None
) -> Iterator[LoggedModel]:
    """All that are not deleted, whole or not; those of one run where it is named."""
    wanted, token = None if run_id is None else f"source_run_id = '{run_id}'", None
    while experiments:
        page = client.search_logged_models(
            list(experiments), wanted, max_results=PAGE, page_token=token
        )
        yield from page
        token = page.token
        if not token:
            return
