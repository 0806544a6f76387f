"""The use case behind ``dynst promote``: choose, measure anew, compare with the champion, decide
with reasons, move the alias.
"""

import json
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field

from mlflow.tracking import MlflowClient

from dynst.errors import ArtifactError, ConfigError, DataError
from dynst_platform.commands.promote.remeasure import remeasured_apart
from dynst_platform.config.job import JobSpec
from dynst_platform.config.locations import tracking_uri
from dynst_platform.config.values import Document
from dynst_platform.log import quiet_libraries
from dynst_platform.model_registry.policy import (
    Candidate,
    Figures,
    Rules,
    candidates_of,
    reasons_to_keep_champion,
    shortfalls,
)
from dynst_platform.model_registry.references import (
    Fetched,
    fetched,
    store_that_fits,
)
from dynst_platform.model_registry.runs import trainings_of
from dynst_platform.model_registry.versions import Version, alone_with, champion_of, register
from dynst_platform.tracking.clients import reader_of
from dynst_platform.tracking.reaching import as_tracking_error

__all__ = ["Decision", "promote"]

AGAIN = 1e-4  # relative; logged and new figures may differ by the order of sums
NAMED = 3  # candidates whose shortfalls are reported
MAX_TAG = 4000


@dataclass(frozen=True)
class Decision:
    """What came out: plain data for the screen, for ``--format json`` and for tests."""

    promoted: bool
    model: str
    experiment: str
    reasons: list[str]
    run_id: str = ""
    version: int | None = None
    champion_before: int | None = None
    dry_run: bool = False
    policy: Document = field(default_factory=dict)
    candidate: Document = field(default_factory=dict)  # figures, measured anew
    champion: Document = field(default_factory=dict)
    dense: float | None = None


@dataclass(frozen=True)
class _Measured:
    candidate: Figures | None
    champion: Figures | None
    refusals: list[str]
    code_covered: bool = True  # of the candidate


@dataclass(frozen=True)
class _Source:
    """Where models come from, and what the user says of them."""

    client: MlflowClient
    uri: str
    store: str | None
    trust_code: bool

    def fetched(self, model_id: str) -> AbstractContextManager[Fetched]:
        return fetched(self.client, self.uri, model_id, self.trust_code)


def promote(
    experiment: str,
    model: str,
    flags: Rules,
    store: str | None,
    dry_run: bool,
    trust_code: bool = False,
) -> Decision:
    """Put the best training of ``experiment`` into service as the champion of ``model``, if it
    deserves it.

    Args:
        flags: rules that take the place of the job's own.
        store: where the data lie now; by default where the job says.
        trust_code: whether the code of both models' own networks may run from now on.

    Raises:
        RefusedError: a model runs code that is not trusted here.
        ConfigError: no such experiment, or it has no model that could be promoted.
        RunError: the tracking server cannot be reached, or another process is promoting.
    """
    quiet_libraries()
    uri = tracking_uri()
    client = reader_of(uri)
    candidates = candidates_of(trainings_of(client, uri, experiment), flags)
    if not candidates:
        raise ConfigError(
            f"experiment '{experiment}' has no finished sparse training with model and dense "
            f"reference; train first"
        )
    best = next((candidate for candidate in candidates if not shortfalls(candidate)), None)
    if best is None:
        return Decision(
            False,
            model,
            experiment,
            _nobody(candidates),
            policy=candidates[0].policy.model_dump(),
            dry_run=dry_run,
        )
    while True:
        with as_tracking_error(uri):
            champion = champion_of(client, model)
        measured = _measure(_Source(client, uri, store, trust_code), best, champion)
        outcome = _decision(best, champion, measured, model, experiment, dry_run)
        if measured.refusals or dry_run:
            return outcome
        with as_tracking_error(uri), alone_with(client, model):
            if champion_of(client, model) != champion:
                continue  # another process was faster; compare with the new one
            version = _register(client, best, measured, outcome)
        return Decision(**vars(outcome) | {"version": version.number})


def _nobody(candidates: list[Candidate]) -> list[str]:
    nearest = sorted(
        candidates, key=lambda candidate: (len(shortfalls(candidate)), candidate.over_dense)
    )
    reasons = [f"none of {len(candidates)} trainings meets the policy"]
    return reasons + [
        f"run {each.training.name}: {'; '.join(shortfalls(each))}" for each in nearest[:NAMED]
    ]


def _measure(source: _Source, best: Candidate, champion: Version | None) -> _Measured:
    """Both models in fresh processes on the same test part.

    What is not as it was logged is a refusal.
    """
    training = best.training
    try:
        with source.fetched(str(training.model_id)) as found:
            data = store_that_fits(found, source.store)
            new = remeasured_apart(found.folder, found.job, data, found.code)
            job, covered = found.job, found.code_covered
    except (ArtifactError, ConfigError) as error:
        return _Measured(None, None, [f"run {training.name} cannot be measured anew: {error}"])
    logged = training.metrics.get("model/mae_all", training.mae_all or 0.0)
    if abs(new.mae_all - logged) > AGAIN * logged:
        return _Measured(
            new,
            None,
            [f"its error is {new.mae_all:.6g} when measured anew, but {logged:.6g} was logged"],
        )
    most = best.policy.max_cost
    if most is not None and new.cost > most:
        dear = f"its sensors cost {new.cost:g} by the store's costs of today, at most {most:g} is"
        return _Measured(new, None, [f"{dear} allowed"])
    if champion is None:
        return _Measured(new, None, [], covered)
    if champion.run_id == training.run_id:
        return _Measured(
            new, new, [f"run {training.name} is the champion already, as version {champion.number}"]
        )
    try:
        old = _champion_figures(source, champion, job)
    except (ArtifactError, ConfigError, DataError) as error:
        return _Measured(
            new, None, [f"the champion, version {champion.number}, cannot be compared: {error}"]
        )
    return _Measured(
        new,
        old,
        reasons_to_keep_champion(new, old, float(training.dense or 0), best.policy),
        covered,
    )


def _champion_figures(source: _Source, champion: Version, job: JobSpec) -> Figures:
    with source.fetched(champion.model_id) as found:
        data = store_that_fits(found, source.store or job.data.store)
        own = found.job.model_copy(update={"data": job.data})
        return remeasured_apart(found.folder, own, data, found.code)


def _decision(
    best: Candidate,
    champion: Version | None,
    measured: _Measured,
    model: str,
    experiment: str,
    dry_run: bool,
) -> Decision:
    return Decision(
        promoted=not measured.refusals,
        model=model,
        experiment=experiment,
        reasons=measured.refusals or _merits(best, measured),
        run_id=best.training.run_id,
        champion_before=None if champion is None else champion.number,
        dry_run=dry_run,
        policy=best.policy.model_dump(),
        candidate={} if measured.candidate is None else asdict(measured.candidate),
        champion={} if measured.champion is None else asdict(measured.champion),
        dense=best.training.dense,
    )


def _merits(best: Candidate, measured: _Measured) -> list[str]:
    assert measured.candidate is not None  # else it would have been refused
    spread = "" if best.deviation is None else f" ± {best.deviation:.1%}"
    found = [
        f"{best.sparsity:.1%} of the sensors are off; those that stay cost "
        f"{measured.candidate.cost:g}",
        f"its error over all locations is {best.over_dense:+.1%}{spread} against dense "
        f"({best.seeds} seed{'s' * (best.seeds > 1)})",
        f"measured anew it errs by {measured.candidate.mae_all:.4g}, as was logged",
    ]
    if not measured.code_covered:
        found.append(
            "its digest covers weights and description, not code and requirements: an earlier "
            "DynST logged it"
        )
    if measured.champion is None:
        return [*found, "there was no champion"]
    return [
        *found,
        f"the champion errs by {measured.champion.mae_all:.4g} and its sensors cost "
        f"{measured.champion.cost:g}",
    ]


def _register(
    client: MlflowClient, best: Candidate, measured: _Measured, outcome: Decision
) -> Version:
    training = best.training
    errors = (
        {} if measured.candidate is None else {"dynst.mae_all": f"{measured.candidate.mae_all:.8g}"}
    )
    tags = errors | {
        "dynst.policy": best.policy.model_dump_json(),
        "dynst.reasons": json.dumps(outcome.reasons)[:MAX_TAG],
        "dynst.data_digest": training.data_digest,
        "dynst.experiment": outcome.experiment,
        "dynst.runs": ",".join(best.runs)[:MAX_TAG],
        "dynst.sparsity": f"{best.sparsity:.6g}",
        "dynst.over_dense": f"{best.over_dense:.6g}",
    }
    return register(
        client,
        outcome.model,
        training.run_id,
        str(training.model_id),
        tags,
        "; ".join(outcome.reasons),
    )
