"""The driver's view of a sweep: which trial comes next, and what became of each.

Both are kept on disk and reported to MLflow and the screen.
"""

import logging
from collections.abc import Callable
from math import isfinite
from random import Random

from dynst.errors import ConfigError
from dynst_platform.commands.tune.population import perturbed
from dynst_platform.commands.tune.proposals import Proposals
from dynst_platform.commands.tune.records import Record, Records, State
from dynst_platform.commands.tune.reports import TrialConfig, TrialReport, TrialResult
from dynst_platform.commands.tune.trial_runs import TrialRuns
from dynst_platform.config.files import check_job, with_overrides
from dynst_platform.config.job import JobSpec
from dynst_platform.config.sweep import SweepSpec
from dynst_platform.config.values import Overrides
from dynst_platform.tracking.mlflow_runs import Tracker
from dynst_platform.tracking.report_file import now_ms

__all__ = ["Listener", "SweepDriver", "jobs_of"]

logger = logging.getLogger(__name__)

Listener = Callable[[Record, TrialReport | None], None]
"""(the record of a trial, its report if there is a new one), whenever something happens to it."""


def jobs_of(sweep: SweepSpec, overrides: Overrides) -> list[JobSpec]:
    """The base job with overrides, once for each seed.

    Without references, of which the sweep has its own.

    Raises:
        ConfigError: the overrides do not go together.
    """
    alone = {
        "references": {"dense": False, "random": 0},
        "cluster.num_workers": 0,
        "name": sweep.name,
    }
    return [
        check_job(with_overrides(sweep.job, alone | overrides | {"seed": seed}))
        for seed in sweep.seeds
    ]


class SweepDriver:
    """Trials that a killed driver left behind come first, with the settings that they had.

    Those that have ended are reported at once.
    """

    def __init__(
        self,
        sweep: SweepSpec,
        records: Records,
        tracker: Tracker,
        parent: str,
        listener: Listener,
        dense: float = float("nan"),
    ) -> None:
        self.sweep, self._records, self._listener = sweep, records, listener
        self._runs = TrialRuns(sweep, records, tracker, parent)
        self._dense = dense  # the reference's error on the test part
        known = records.all()
        self.trials = {record.number: record for record in known}
        self._interrupted = [record for record in known if not record.ended]
        self._proposals = Proposals(sweep, known)
        for record in known:
            if record.ended:
                listener(record, None)

    @property
    def left(self) -> int:
        """How many trials may still start."""
        return max(0, self.sweep.trials - len(self.trials)) + len(self._interrupted)

    def next(self) -> TrialConfig | None:
        while self.left:
            record = self._interrupted.pop(0) if self._interrupted else self._new()
            try:
                jobs = jobs_of(self.sweep, record.overrides)
            except ConfigError as error:  # each value is right alone, but not all together
                logger.warning("trial %d is skipped: its settings do not fit", record.number)
                self._end(record, "failed", str(error))
                continue
            return TrialConfig(record.number, tuple(jobs))
        return None

    def started(self, number: int) -> None:
        record = self.trials[number]
        record.attempts += 1
        logger.info("trial %d starts, attempt %d", number, record.attempts)
        self._keep(record)
        self._listener(record, None)

    def reported(self, number: int, report: TrialReport) -> None:
        record = self.trials[number]
        self._take(record, report)
        series = {
            "val/mae": report.mae_all,
            "train/mae": report.train_mae,
            "mask/sparsity": report.sparsity,
        }
        if self.sweep.scheduler == "pbt":
            series |= _rates(record)
        if not record.points or record.points[-1]["epoch"] < report.epoch:  # no retry's
            self._add(record, report.epoch, series)
        self._keep(record)
        self._listener(record, report)

    def finished(self, number: int, report: TrialReport, result: TrialResult) -> None:
        record = self.trials[number]
        self._take(record, report)
        record.objectives, record.metrics = dict(result.objectives), dict(result.metrics)
        record.active, record.seconds = list(result.active), result.seconds
        record.importance = list(result.importance)
        shown = {
            f"objective/{name}": value for name, value in record.objectives.items()
        } | record.metrics
        mask = {
            "mask/final_sparsity": record.objectives["sparsity"],
            "mask/cost": record.objectives["cost"],
        }
        shown |= mask | {"dense/mae_all": self._dense}
        self._add(record, report.epoch, shown)
        self._end(record, "finished", "")

    def all_sent(self) -> None:
        """Wait until MLflow has every trial.

        Raises:
            TrackingError: it does not answer, or refuses.
        """
        self._runs.finish()

    def stopped(self, number: int, reason: str) -> None:
        self._end(self.trials[number], "stopped", reason)

    def failed(self, number: int, reason: str) -> None:
        self._end(self.trials[number], "failed", reason)

    def followed(self, number: int, leader: int, epoch: int, random: Random) -> TrialConfig:
        """The jobs with which a trial goes on from another one's state.

        Its rates until now are remembered.
        """
        record = self.trials[number]
        record.history.append({"until": epoch, "overrides": record.overrides, "then_from": leader})
        record.overrides = perturbed(self.sweep, self.trials[leader].overrides, random)
        logger.info("trial %d goes on from trial %d at epoch %d", number, leader, epoch)
        self._records.save(record)
        self._listener(record, None)
        return TrialConfig(number, tuple(jobs_of(self.sweep, record.overrides)))

    def _new(self) -> Record:
        number = len(self.trials)
        record = self.trials[number] = Record(number, self._proposals.propose(number))
        self._records.save(record)
        return record

    def _take(self, record: Record, report: TrialReport) -> None:
        record.steps = report.steps
        record.seconds = record.seconds if report.time_total_s is None else report.time_total_s
        record.objectives = {"mae_all": report.mae_all, "sparsity": report.sparsity}

    def _add(self, record: Record, epoch: int, figures: dict[str, float]) -> None:
        known = {name: float(value) for name, value in figures.items() if isfinite(value)}
        record.points.append({"epoch": epoch, "time": now_ms(), "figures": known})

    def _keep(self, record: Record) -> None:
        """On disk first: what MLflow lacks of it is sent from there."""
        self._records.save(record)
        self._runs.send(record)

    def _end(self, record: Record, state: State, reason: str) -> None:
        record.state, record.reason = state, reason
        level = logging.WARNING if state == "failed" else logging.INFO
        logger.log(level, "trial %d %s%s", record.number, state, f": {reason}" if reason else "")
        self._records.save(record)
        self._proposals.learn(record)
        self._runs.send(record)
        self._listener(record, None)


def _rates(record: Record) -> dict[str, float]:
    """A population's space has numbers alone."""
    known = record.overrides.items()
    return {f"rate/{key}": float(value) for key, value in known if isinstance(value, int | float)}
