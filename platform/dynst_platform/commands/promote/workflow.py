"""The use case behind ``dynst promote``: choose, measure anew, compare with the champion, decide
with reasons, move the alias.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace

from mlflow.tracking import MlflowClient

from dynst.errors import ConfigError
from dynst_platform.commands.promote.measuring import Measured, Source, measured
from dynst_platform.config.job import UseGpu
from dynst_platform.config.locations import tracking_uri
from dynst_platform.config.values import Document
from dynst_platform.log import quiet_libraries
from dynst_platform.model_registry.events import history_in
from dynst_platform.model_registry.lock import Alone, LockLostError, alone_with
from dynst_platform.model_registry.policy import Candidate, Rules, candidates_of, shortfalls
from dynst_platform.model_registry.registered import registered
from dynst_platform.model_registry.runs import trainings_of
from dynst_platform.model_registry.versions import Version, champion_of, register
from dynst_platform.tracking.clients import reader_of
from dynst_platform.tracking.mlflow_texts import MAX_TAG
from dynst_platform.tracking.reaching import as_tracking_error

__all__ = ["Decision", "promote"]

NAMED = 3  # candidates whose shortfalls are reported


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
    passed_over: list[str] = field(default_factory=list)  # better candidates, each with the reason


def promote(
    experiment: str,
    model: str,
    flags: Rules,
    store: str | None,
    dry_run: bool,
    trust_code: bool = False,
    replace_unusable: bool = False,
    use_gpu: UseGpu = "auto",
) -> Decision:
    """Put the best training of ``experiment`` into service as the champion of ``model``, if it
    deserves it.

    Args:
        experiment: where the trainings are.
        model: registered name.
        flags: rules that take the place of the job's own.
        store: where the data lie now; by default where the job says.
        dry_run: decide, and change nothing.
        trust_code: whether the code of both models' own networks may run from now on.
        replace_unusable: whether a champion that cannot be loaded any more is replaced without a
            comparison.
        use_gpu: as ``computing_here``, of the processes that measure.

    Raises:
        RefusedError: a model runs code that is not trusted here, or this user may not change the
            registered model.
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
    fit = [candidate for candidate in candidates if not shortfalls(candidate)]
    if not fit:
        return Decision(
            False,
            model,
            experiment,
            _nobody(candidates),
            policy=candidates[0].policy.model_dump(),
            dry_run=dry_run,
        )
    source = Source(client, uri, store, trust_code, replace_unusable, use_gpu)
    nothing = f"nothing was changed in '{model}'; the same command begins anew"
    whether = f"whether '{model}' has another champion says dynst registry history {model}"
    while True:
        with _tells_where_it_stood(nothing):
            with as_tracking_error(uri):
                champion = champion_of(client, model)
                vacant = _vacant(client, model) if champion is None else ""
            found = measured(source, fit, champion)
        outcome = _decision(found, champion, vacant, model, experiment, dry_run)
        if found.refusals or dry_run:
            return outcome
        with _tells_where_it_stood(whether), as_tracking_error(uri):
            version = _moved(client, champion, found, outcome)
        if version is not None:
            return replace(outcome, version=version.number)


@contextmanager
def _tells_where_it_stood(words: str) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt as error:
        error.add_note(words)
        raise


def _vacant(client: MlflowClient, model: str) -> str:
    """Why there is no champion to be compared with."""
    known = registered(client, model)
    events = [] if known is None else history_in(known).events
    if not events:
        return "there was no champion"
    return f"there was no champion to compare with: version {events[-1].before} was removed by hand"


def _moved(
    client: MlflowClient, champion: Version | None, found: Measured, outcome: Decision
) -> Version | None:
    """None where another process was faster: then the comparison starts over."""
    try:
        with alone_with(client, outcome.model) as alone:
            if champion_of(client, outcome.model) != champion:
                return None
            return _register(alone, found, outcome)
    except LockLostError:
        return None


def _nobody(candidates: list[Candidate]) -> list[str]:
    nearest = sorted(
        candidates, key=lambda candidate: (len(shortfalls(candidate)), candidate.over_dense)
    )
    reasons = [f"none of {len(candidates)} trainings meets the policy"]
    return reasons + [
        f"run {each.training.name}: {'; '.join(shortfalls(each))}" for each in nearest[:NAMED]
    ]


def _decision(
    found: Measured,
    champion: Version | None,
    vacant: str,
    model: str,
    experiment: str,
    dry_run: bool,
) -> Decision:
    best = found.best
    return Decision(
        promoted=not found.refusals,
        model=model,
        experiment=experiment,
        reasons=found.refusals or _merits(found, vacant),
        run_id=best.training.run_id,
        champion_before=None if champion is None else champion.number,
        dry_run=dry_run,
        policy=best.policy.model_dump(),
        candidate={} if found.candidate is None else asdict(found.candidate),
        champion={} if found.champion is None else asdict(found.champion),
        dense=best.training.dense,
        passed_over=found.passed_over,
    )


def _merits(found: Measured, vacant: str) -> list[str]:
    assert found.candidate is not None  # else it would have been refused
    best = found.best
    spread = "" if best.deviation is None else f" ± {best.deviation:.1%}"
    merits = [
        f"{best.sparsity:.1%} of the sensors are off; those that stay cost "
        f"{found.candidate.cost:g}",
        f"its error over all locations is {best.over_dense:+.1%}{spread} against dense "
        f"({best.seeds} seed{'s' * (best.seeds > 1)})",
        f"measured anew it errs by {found.candidate.mae_all:.4g}, as was logged",
    ]
    if not found.code_covered:
        merits.append(
            "its digest covers weights and description, not code and requirements: an earlier "
            "DynST logged it"
        )
    if found.unusable:
        return [*merits, f"{found.unusable}; it is replaced as was asked for"]
    if found.champion is None:
        return [*merits, vacant]
    return [
        *merits,
        f"the champion errs by {found.champion.mae_all:.4g} and its sensors cost "
        f"{found.champion.cost:g}",
    ]


def _register(alone: Alone, found: Measured, outcome: Decision) -> Version:
    best, training = found.best, found.best.training
    errors = {} if found.candidate is None else {"dynst.mae_all": f"{found.candidate.mae_all:.8g}"}
    tags = errors | {
        "dynst.policy": best.policy.model_dump_json(),
        "dynst.reasons": json.dumps(outcome.reasons)[:MAX_TAG],
        "dynst.data_digest": training.data_digest,
        "dynst.experiment": outcome.experiment,
        "dynst.runs": ",".join(best.runs)[:MAX_TAG],
        "dynst.sparsity": f"{best.sparsity:.6g}",
        "dynst.over_dense": f"{best.over_dense:.6g}",
    }
    why = "; ".join([*outcome.reasons, *(f"passed over: {each}" for each in outcome.passed_over)])
    return register(alone, training.run_id, str(training.model_id), tags, why)
