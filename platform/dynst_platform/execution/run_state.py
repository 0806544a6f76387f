"""The state of a run, as plain data, and its way to disk and back: what a run that was interrupted
goes on from.
"""

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from secrets import randbits
from typing import Any, TypedDict

import torch
from torch import Tensor

from dynst.devices import random_state, set_random_state
from dynst.distributed.world import World
from dynst.experiment.arms import Arm, ArmKind
from dynst.random_streams import STREAMS
from dynst.training.checkpoint_store import SAVED, Checkpoints
from dynst.training.config import Recipe
from dynst.training.step_shares import StepShares
from dynst.training.trainer import EpochResult, TrainingState
from dynst_platform.execution.process_memory import peak_memory_mib
from dynst_platform.reports import ArmReport, EpochReport, MaskChange, Report, read_report
from dynst_platform.tracking.report_file import now_ms

__all__ = ["DenseResult", "Publish", "ResumableRun", "RunState"]

Publish = Callable[[Report], None]
# reports that may have been lost on their way when the last process died; Ray Train holds two at
# most
REPLAY_WINDOW = 8
WITH_ROWS = "training", "warm"  # states that hold what belongs to single sensors
logger = logging.getLogger(__name__)


class DenseResult(TypedDict):
    """What the dense arm leaves: the sums of its ``ErrorTable``, and the scores of its frames."""

    errors: dict[str, Tensor]
    frames: dict[str, float]


@dataclass
class RunState:
    """Everything between two moments of a job.

    Args:
        ended: names of the arms that are done; they are not trained again.
        arm, training: the one at work, and the state of its training.
        warmed: whether the shared warm-up is over, and the search done.
        warm: the learned arm's state at its end, for the arms that share it.
        dense: what the dense arm leaves for the learned one's report.
        selection: what the search's choice was held against, as its report's form has it.
        recent: the last reports, published again after an interruption.
    """

    ended: list[str] = field(default_factory=list)
    arm: str = ""
    training: TrainingState | None = None
    warmed: bool = False
    warm: TrainingState | None = None
    dense: DenseResult | None = None
    selection: dict[str, Any] | None = None
    recent: list[Report] = field(default_factory=list)


class ResumableRun:
    """A job under way: publishes reports, and keeps its state for another process to go on from.

    Raises:
        CheckpointError: no checkpoint that is there can be used, or another number of workers must
            go on from it.
    """

    def __init__(
        self, checkpoints: Checkpoints, recipe: Recipe, publish: Publish, world: World
    ) -> None:
        self.state, self.world = RunState(), world
        self._checkpoints, self._recipe, self._publish = checkpoints, recipe, publish
        # of a cut network, those of this rank
        mine = StepShares.of(recipe, world).mine if recipe.parts > 1 else ()
        self._shares = tuple(map(str, mine))
        # the state of every rank's generator at the checkpoint, [ranks, bytes]
        self._random: Tensor | None = None
        self._note = ""  # for the next report
        self._load()

    def advance(self, arm: Arm, until_epoch: int | None = None) -> Arm:
        """Train from wherever the arm is, to its end or an earlier epoch."""
        for epoch in arm.training.run(until_epoch, pause=lambda: self.checkpoint(arm)):
            self.report(self._epoch_report(arm, epoch))
            if epoch.epoch % self._recipe.checkpoint_every == 0:
                self.checkpoint(
                    arm, best=arm.kind == ArmKind.LEARNED and _is_best(arm, epoch.val_mae)
                )
        return arm

    def restore(self, arm: Arm) -> bool:
        """Put the arm where the checkpoint has it, if it is the one that was being trained."""
        if self.state.arm != arm.name or self.state.training is None:
            return False
        arm.training.load_state_dict(self.state.training)
        self._restore_random_state()
        return True

    def checkpoint(self, arm: Arm, best: bool = False) -> None:
        """A checkpoint in the middle of an arm."""
        self.state.arm = arm.name
        has_own = self.world.rank == 0 or arm.training.cut is not None
        self.state.training = arm.training.state_dict() if has_own else None
        self._save(best)

    def end(self, arm: Arm, report: ArmReport) -> None:
        """Report the arm's end, and never train it again."""
        self.state.ended.append(arm.name)
        logger.info("arm %s ended at step %d", arm.name, report.step)
        self.state.arm, self.state.training = "", None
        self.report(report)
        self._save()

    def report(self, report: Report) -> None:
        stamp = {
            "time": now_ms(),
            "note": self._note or None,
        }  # whoever writes it down may do so seconds later
        report, self._note = report.model_copy(update=stamp), ""
        self.state.recent = [*self.state.recent, report][-REPLAY_WINDOW:]
        self._publish_together(report)

    def _epoch_report(self, arm: Arm, epoch: EpochResult) -> EpochReport:
        """Every rank takes part, since each has held memory of its own."""
        peaks = self.world.all_gather(torch.tensor(peak_memory_mib())).tolist()
        return EpochReport(
            arm=arm.name,
            arm_kind=arm.kind,
            step=epoch.step,
            epoch=epoch.epoch,
            epochs=arm.training.recipe.epochs,
            train_loss=epoch.train_loss,
            val_mae=epoch.val_mae,
            sparsity=epoch.sparsity,
            exchanged=epoch.exchanged,
            seconds=epoch.seconds,
            windows_per_second=epoch.windows_per_second,
            workers=self.world.size,
            peak_memory_mib=max(peaks),
            peaks_mib=tuple(peaks),
            updates=tuple(MaskChange.of(update) for update in epoch.updates),
        )

    def _publish_together(self, report: Report) -> None:
        """All ranks at once.

        One that has failed is noticed here; Ray Train would wait for its report for ever.
        """
        self.world.all_reduce(torch.zeros(1))
        self._publish(report)

    def _save(self, best: bool = False) -> None:
        """The first rank alone writes what all have alike; of a cut network each writes its shares
        before.

        Every rank takes part, since each has random numbers of its own.
        """
        random = self.world.all_gather(random_state(self.world.device))
        kept = {name: value for name, value in vars(self.state).items() if name != "recent"}
        if self._shares:
            kept |= self._save_shares(kept, best)
        if self.world.rank == 0:
            recent = json.dumps([report.model_dump() for report in self.state.recent])
            state = kept | {"told": recent, "random": random}
            self._checkpoints.save(state, best)

    def _save_shares(self, kept: dict[str, Any], best: bool) -> dict[str, Any]:
        """What the state is without them; returns when all ranks have written theirs."""
        common: dict[str, Any] = {
            name: None if kept[name] is None else _without_rows(kept[name]) for name in WITH_ROWS
        }
        shares = {
            share: {name: kept[name]["rows"][share] for name in WITH_ROWS if kept[name]}
            for share in self._shares
        }
        number, saved = self.world.broadcast(
            torch.tensor([self._checkpoints.next_number(), randbits(62)])
        ).tolist()
        self._checkpoints.save_shares(number, saved, shares, best)
        self.world.all_reduce(torch.zeros(1))
        return common | {SAVED: saved}

    def _load(self) -> None:
        """From the last checkpoint, if there is one; repeats reports that may have been lost."""
        agreed = self._all_agree if self._shares else bool
        found = self._checkpoints.load(self._shares, agreed)
        if found is None:
            return
        state = found.state
        for name in WITH_ROWS:
            if state[name] is not None and found.shares:
                state[name]["rows"] = {share: own[name] for share, own in found.shares.items()}
        self._random = state.pop("random")
        recent = [read_report(json.dumps(each).encode()) for each in json.loads(state.pop("told"))]
        self.state = RunState(**state | {"recent": recent})
        self._restore_random_state()
        for report in self.state.recent:
            self._publish_together(report)
        at_work = f"in the middle of {self.state.arm}" if self.state.arm else "between two arms"
        logger.info("the run goes on from checkpoint %s, %s", found.name, at_work)
        notes = list(found.damaged)
        if found.streams != STREAMS:
            notes.append(
                f"{found.name} was trained with random streams {found.streams}, and goes on with "
                f"{STREAMS}: other batches and subsets than it would have drawn"
            )
            logger.warning(notes[-1])
        if notes:
            self._note = f"{'; '.join(notes)}; the training went on from {found.name}"

    def _all_agree(self, whole: bool) -> bool:
        """Whether every rank can use a checkpoint, since they read other shares of it."""
        return bool(self.world.all_reduce(torch.tensor(float(whole))) == self.world.size)

    def _restore_random_state(self) -> None:
        """Random numbers go on where they were; a rank that was not there then begins anew."""
        if self._random is not None and self.world.rank < len(self._random):
            set_random_state(self._random[self.world.rank], self.world.device)


def _is_best(arm: Arm, val_mae: float) -> bool:
    return arm.training.best is not None and arm.training.best[0] == val_mae


def _without_rows(state: TrainingState) -> dict[str, Any]:
    return {name: value for name, value in state.items() if name != "rows"}
