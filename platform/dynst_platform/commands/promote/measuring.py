"""The candidate that is to be promoted, and the champion, measured anew on the same test part."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, replace

from mlflow.tracking import MlflowClient

from dynst.data.store import SensorStore
from dynst.errors import ArtifactError, ConfigError, DataError
from dynst_platform.commands.promote.remeasure import remeasured_apart
from dynst_platform.config.job import JobSpec, UseGpu
from dynst_platform.errors import RefusedError, RunError, UnreachableError
from dynst_platform.model_registry.policy import Candidate, Figures, reasons_to_keep_champion
from dynst_platform.model_registry.references import Fetched, fetched, store_that_fits
from dynst_platform.model_registry.versions import Version

__all__ = ["Measured", "Source", "measured"]

AGAIN = 1e-4  # relative; logged and new figures may differ by the order of sums
FAILURES = (ArtifactError, ConfigError, DataError, RefusedError, RunError)  # of one model alone


@dataclass(frozen=True)
class Source:
    """Where models come from, and what the user says of them."""

    client: MlflowClient
    uri: str
    store: str | None
    trust_code: bool
    replace_unusable: bool = False
    use_gpu: UseGpu = "auto"

    def fetched(self, model_id: str) -> AbstractContextManager[Fetched]:
        return fetched(self.client, self.uri, model_id, self.trust_code)

    def figures(self, found: Fetched, job: JobSpec, data: SensorStore) -> Figures:
        """Measured on this machine's device, wherever the job ran."""
        cluster = job.cluster.model_copy(update={"use_gpu": self.use_gpu})
        here = job.model_copy(update={"cluster": cluster})
        return remeasured_apart(found.folder, here, data, found.code)


@dataclass(frozen=True)
class Measured:
    best: Candidate  # that could be measured; if none could, the first
    candidate: Figures | None
    champion: Figures | None
    refusals: list[str]
    passed_over: list[str]  # candidates before it, each with the reason
    code_covered: bool = True  # of the candidate
    unusable: str = ""  # why the champion is replaced without a comparison


@dataclass(frozen=True)
class _Anew:
    figures: Figures
    job: JobSpec
    code_covered: bool


def measured(source: Source, candidates: Sequence[Candidate], champion: Version | None) -> Measured:
    """The first candidate that comes out again as it was logged, against the champion.

    Raises:
        UnreachableError: the tracking server does not answer.
        DataError: no store can be read for any candidate.
        RefusedError: no candidate's code is trusted here, or the champion's is not.
    """
    passed_over, errors = list[str](), list[Exception]()
    for best in candidates:
        try:
            new = _anew(source, best)
        except UnreachableError:
            raise
        except FAILURES as error:
            errors.append(error)
            passed_over.append(f"run {best.training.name} cannot be measured anew: {error}")
            continue
        reason = _not_as_logged(best, new.figures)
        if reason is None:
            return replace(_against(source, best, new, champion), passed_over=passed_over)
        passed_over.append(f"run {best.training.name}: {reason}")
    if len(errors) == len(candidates) and all(
        isinstance(error, DataError | RefusedError) for error in errors
    ):
        raise errors[0]
    return Measured(candidates[0], None, None, passed_over, [])


def _anew(source: Source, best: Candidate) -> _Anew:
    with source.fetched(str(best.training.model_id)) as found:
        data = store_that_fits(found, source.store)
        new = source.figures(found, found.job, data)
        return _Anew(new, found.job, found.code_covered)


def _not_as_logged(best: Candidate, new: Figures) -> str | None:
    training, most = best.training, best.policy.max_cost
    logged = training.metrics.get("model/mae_all", training.mae_all or 0.0)
    if abs(new.mae_all - logged) > AGAIN * logged:
        return f"its error is {new.mae_all:.6g} when measured anew, but {logged:.6g} was logged"
    if most is not None and new.cost > most:
        return (
            f"its sensors cost {new.cost:g} by the store's costs of today, at most {most:g} is "
            f"allowed"
        )
    return None


def _against(source: Source, best: Candidate, new: _Anew, champion: Version | None) -> Measured:
    training = best.training
    first = Measured(best, new.figures, None, [], [], new.code_covered)
    if champion is None:
        return first
    if training.run_id == champion.run_id or training.model_id == champion.model_id:
        reason = f"run {training.name} is the champion already, as version {champion.number}"
        return replace(first, champion=new.figures, refusals=[reason])
    try:
        old = _champion_figures(source, champion, new.job)
    except _UnusableError as error:
        return _unusable(source, first, champion, f"{error}")
    except (ArtifactError, ConfigError, DataError) as error:
        reason = f"the champion, version {champion.number}, cannot be compared: {error}"
        return replace(first, refusals=[reason])
    dense = float(training.dense or 0)
    reasons = reasons_to_keep_champion(new.figures, old, dense, best.policy)
    return replace(first, champion=old, refusals=reasons)


class _UnusableError(Exception):
    """The champion is gone, damaged, or no model of ours."""


def _unusable(source: Source, first: Measured, champion: Version, error: str) -> Measured:
    reason = f"the champion, version {champion.number}, cannot be compared: {error}"
    if source.replace_unusable:
        return replace(first, unusable=reason)
    ways = (
        "restore it, let the one before serve again (--rollback), or promote without a comparison "
        "(--replace-unusable)"
    )
    return replace(first, refusals=[f"{reason}; {ways}"])


def _champion_figures(source: Source, champion: Version, job: JobSpec) -> Figures:
    if champion.model_id is None:
        raise _UnusableError("another program registered it, and it is no model of DynST")
    with ExitStack() as stack:
        try:
            found = stack.enter_context(source.fetched(champion.model_id))
        except UnreachableError:
            raise
        except (ArtifactError, ConfigError, RunError) as error:
            raise _UnusableError(f"{error}") from error
        data = store_that_fits(found, source.store or job.data.store)
        own = found.job.model_copy(update={"data": job.data})
        return source.figures(found, own, data)
