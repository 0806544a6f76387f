"""The trainings of an experiment as plain rows, whatever command made them."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

from mlflow.entities import LoggedModel, Run
from mlflow.tracking import MlflowClient

from dynst.errors import ConfigError, in_one_line
from dynst.notices import notice
from dynst.sparsity.config import OLD_SCHEMES
from dynst.storage.addresses import without_credentials
from dynst_platform.config.job import PromotionSpec
from dynst_platform.model_registry.identity import training_settings
from dynst_platform.tracking.cursor import DECISIONS_TAG
from dynst_platform.tracking.lacking import note_waiting
from dynst_platform.tracking.reaching import as_tracking_error
from dynst_platform.tracking.whole_model import whole_by_run

__all__ = ["Training", "experiment_id_of", "trainings_of"]

SPARSE = ("learned", "trial")
OTHERS = ("dense", "random", "baseline")
PAGE = 1000


@dataclass(frozen=True)
class Training:
    """One run. Errors are over the test part, in the unit of the first target."""

    run_id: str
    name: str
    kind: str  # learned, trial, dense, random, baseline
    status: str
    started: str  # ISO 8601, UTC
    job_id: str
    data_digest: str
    model_id: str | None
    seeds: tuple[int, ...] | int  # which, or how many
    settings: dict[str, str]  # those that change what a training gives
    policy: PromotionSpec
    metrics: dict[str, float] = field(repr=False, default_factory=dict)
    dense: float | None = None  # what the same network reaches that reads everything
    decisions_digest: str = ""  # of costs, groups and marks

    def figure(self, name: str) -> float | None:
        return self.metrics.get(name)

    @property
    def mae_all(self) -> float | None:
        return self.figure("test/mae_all")

    @property
    def over_dense(self) -> float | None:
        return None if self.mae_all is None or not self.dense else self.mae_all / self.dense - 1

    @property
    def is_candidate(self) -> bool:
        return (
            self.kind in SPARSE
            and self.status == "FINISHED"
            and self.model_id is not None
            and self.over_dense is not None
        )


def experiment_id_of(client: MlflowClient, uri: str, name: str) -> str:
    """Raises ConfigError where there is no such experiment."""
    with as_tracking_error(uri):
        found = client.get_experiment_by_name(name)
        known = (
            []
            if found
            else [
                experiment.name
                for experiment in client.search_experiments()
                if experiment.name != "Default"
            ]
        )
    if found is None:
        raise ConfigError(
            f"{without_credentials(uri)} has no experiment '{name}'; it has "
            f"{', '.join(sorted(known)) or 'none yet'}"
        )
    if found.lifecycle_stage == "deleted":
        raise ConfigError(
            f"experiment '{name}' was deleted in MLflow; restore it there, or name another"
        )
    return str(found.experiment_id)


def trainings_of(client: MlflowClient, uri: str, name: str) -> list[Training]:
    """All trainings of the experiment, the newest first.

    What MLflow lacks of them, and waits under this home, is said.

    Raises:
        ConfigError: no such experiment.
        TrackingError: the tracking store cannot be reached.
    """
    experiment = experiment_id_of(client, uri, name)
    note_waiting(name)
    with as_tracking_error(uri):
        runs = [
            run
            for run in _pages(client, experiment)
            if run.data.tags.get("dynst.kind") in (*SPARSE, *OTHERS)
        ]
        models = whole_by_run(client, [experiment])
    dense = {
        str(run.data.tags.get("dynst.job")): run.data.metrics["dense/mae_all"]
        for run in runs
        if "dense/mae_all" in run.data.metrics
    }
    found = (_training_or_notice(run, dense, models.get(run.info.run_id)) for run in runs)
    return [training for training in found if training is not None]


def _training_or_notice(
    run: Run, dense: dict[str, float], model: LoggedModel | None
) -> Training | None:
    """None for a run whose tags or parameters were changed so that they cannot be read: anybody
    may edit them in MLflow, and the others are there all the same.
    """
    try:
        return _training(run, dense, model)
    except (KeyError, ValueError, TypeError) as error:
        reason = f"{type(error).__name__}: {in_one_line(error)}"
        notice(f"run {run.info.run_id} is left out, since its tags cannot be read ({reason})")
        return None


def _pages(client: MlflowClient, experiment: str) -> Iterator[Run]:
    token = None
    while True:
        page = client.search_runs(
            [experiment],
            max_results=PAGE,
            page_token=token,
            order_by=["attributes.start_time DESC"],
        )
        yield from page
        token = page.token
        if not token:
            return


def _training(run: Run, dense: dict[str, float], model: LoggedModel | None) -> Training:
    tags, params = run.data.tags, run.data.params
    return Training(
        run_id=run.info.run_id,
        name=str(run.info.run_name),
        kind=tags["dynst.kind"],
        status=run.info.status,
        started=datetime.fromtimestamp(run.info.start_time / 1000, UTC).isoformat(
            timespec="seconds"
        ),
        job_id=tags["dynst.job"],
        data_digest=tags["dynst.data_digest"],
        model_id=None if model is None else str(model.model_id),
        seeds=(int(params["seed"]),) if "seed" in params else int(params.get("seeds", 1)),
        settings={key: _todays(key, value) for key, value in training_settings(params).items()},
        policy=PromotionSpec.model_validate(json.loads(tags.get("dynst.promotion", "{}"))),
        metrics=dict(run.data.metrics),
        dense=run.data.metrics.get("dense/mae_all", dense.get(tags["dynst.job"])),
        decisions_digest=tags.get(DECISIONS_TAG, ""),
    )


def _todays(key: str, value: str) -> str:
    """Runs of an earlier DynST have schemes by the names of that time."""
    if key not in ("sparsity.scheme", "ablation.schemes"):
        return value
    for old, new in OLD_SCHEMES.items():
        value = re.sub(rf"\b{old}\b", new, value)
    return value
