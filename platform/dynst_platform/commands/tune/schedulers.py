"""Who is stopped early, or goes on from another: Ray Tune's schedulers on a clock that is fair to
pruning, and one of our own.
"""

import shutil
from collections.abc import Callable, Mapping
from random import Random
from typing import Any

from ray.tune.schedulers import ASHAScheduler, FIFOScheduler, MedianStoppingRule, TrialScheduler

from dynst_platform.commands.tune.population import followers
from dynst_platform.commands.tune.reports import TrialConfig
from dynst_platform.commands.tune.trial_process import CLOCK, Setting
from dynst_platform.config.job import JobSpec
from dynst_platform.config.sweep import SweepSpec

__all__ = ["Follow", "Population", "stopping"]

Follow = Callable[[int, int, int, Random], TrialConfig]
"""(trial, the one that it goes on from, epoch, where chance comes from) to its settings for
Tune.
"""


def stopping(sweep: SweepSpec) -> TrialScheduler | None:
    """Trials are compared by epochs since their masks were final, so that none is compared in the
    middle of its pruning.
    """
    if sweep.scheduler == "asha":
        return ASHAScheduler(
            time_attr=CLOCK, grace_period=1, max_t=1 + _most_epochs(sweep), reduction_factor=4
        )
    if sweep.scheduler == "median":
        return _MedianOnceSettled(
            time_attr=CLOCK, grace_period=1, min_samples_required=3, min_time_slice=float("inf")
        )
    return None


def _most_epochs(sweep: SweepSpec) -> int:
    """No trial's clock goes beyond, so that none is stopped for its age."""
    searched = sweep.space.get("training.epochs")
    most: int = max(
        [
            JobSpec.model_validate(sweep.job).training.epochs,
            *(searched.extremes if searched else ()),
        ]
    )
    return most


class _MedianOnceSettled(MedianStoppingRule):  # type: ignore[misc]
    """Tune's rule compares a trial's best error so far; here only errors of final masks count."""

    def on_trial_result(self, controller: Any, trial: Any, result: Mapping[str, Any]) -> str:
        return str(
            super().on_trial_result(controller, trial, result)
            if result[CLOCK]
            else TrialScheduler.CONTINUE
        )


class Population(FIFOScheduler):  # type: ignore[misc]
    """Every few epochs all trials wait for the last.

    Then the worst take over the state of the best and go on with other rates.

    Tune's own scheduler of this kind waits for ever when a trial fails while the others wait for
    it, and is no function of a seed. The states are the files that trials leave
    (``Setting.state``), so a killed sweep goes on from there too.

    Args:
        complete: whether all trials of the population have been handed to Tune.
    """

    def __init__(
        self, sweep: SweepSpec, setting: Setting, follow: Follow, complete: Callable[[], bool]
    ) -> None:
        super().__init__()
        self._sweep, self._setting, self._follow, self._complete = sweep, setting, follow, complete
        self._epochs = JobSpec.model_validate(sweep.job).training.epochs
        self._waiting: dict[Any, tuple[int, float]] = {}  # by trial: its epoch and error

    def __getstate__(self) -> dict[str, object]:
        """Tune keeps copies.

        What is needed again is in the driver's records and the trials' states.
        """
        return {}

    def on_trial_result(self, tune_controller: Any, trial: Any, result: Mapping[str, Any]) -> str:
        epoch = result["epoch"]
        if result["failed"] or epoch % self._sweep.perturb_every or epoch == self._epochs:
            return str(TrialScheduler.CONTINUE)
        self._waiting[trial] = (epoch, result["mae_all"])
        tune_controller.pause_trial(trial, should_checkpoint=False)
        self._exchange(tune_controller, None)
        return str(TrialScheduler.NOOP)

    def on_trial_complete(
        self, tune_controller: Any, trial: Any, result: Mapping[str, Any]
    ) -> None:
        self._exchange(tune_controller, trial)

    def on_trial_error(self, tune_controller: Any, trial: Any) -> None:
        self._exchange(tune_controller, trial)

    def on_trial_remove(self, tune_controller: Any, trial: Any) -> None:
        self._waiting.pop(trial, None)
        self._exchange(tune_controller, trial)

    def choose_trial_to_run(self, tune_controller: Any) -> Any:
        ready = [trial for trial in tune_controller.get_trials() if trial not in self._waiting]
        return next(
            (
                trial
                for status in ("PENDING", "PAUSED")
                for trial in ready
                if trial.status == status
            ),
            None,
        )

    def _exchange(self, tune_controller: Any, ended: Any) -> None:
        """When nobody is still on the way.

        After a resume some may be ahead; they wait for the others.
        """
        alive = [
            trial
            for trial in tune_controller.get_trials()
            if not trial.is_finished() and trial is not ended
        ]
        if not alive or not self._complete() or any(trial not in self._waiting for trial in alive):
            return
        epoch = min(self._waiting[trial][0] for trial in alive)
        here = {
            trial.config["number"]: trial for trial in alive if self._waiting[trial][0] == epoch
        }
        random = Random(f"{self._sweep.seed} {epoch}")
        pairs = followers(
            {number: self._waiting[trial][1] for number, trial in here.items()}, random
        )
        for number, leader in pairs.items():
            here[number].set_config(self._follow(number, leader, epoch, random).for_tune())
            self._take_state(leader, number)
        for trial in here.values():
            del self._waiting[trial]

    def _take_state(self, leader: int, number: int) -> None:
        """Other nodes may have left and will read them."""
        known, taken = self._setting.state(leader), self._setting.state(number)
        self._setting.shared.refresh(known)
        shutil.copyfile(known, taken)
        self._setting.shared.put(taken)
