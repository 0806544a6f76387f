"""What a training reports: one line of ``reports.jsonl`` for each epoch and each arm's end.

Workers write them, the driver's progress and MLflow read them, and a run that is resumed or sent
later reads those of earlier versions: what a version adds has a default.
"""

from typing import Annotated, Any, Literal, Self

import torch
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from dynst.errors import DataError
from dynst.evaluation.summary import StepError
from dynst.experiment.arms import ArmKind
from dynst.selection.search import Verdict
from dynst.sparsity.mask import MaskUpdate

__all__ = [
    "COST",
    "VERSION",
    "ArmReport",
    "EpochReport",
    "MaskChange",
    "Report",
    "SelectionReport",
    "read_report",
]

VERSION = 1  # of the forms below
COST = "mask/cost"  # the metric of an arm's end: what the sensors that stay on cost


class _Form(BaseModel):
    """NaN and infinity are written as JSON-lines readers of Python know them."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")


class MaskChange(_Form):
    """One update of the mask.

    Args:
        step: of the training.
        sparsity: share of sensors that are off after it.
        active: ``[S]``, whether each sensor is on after it.
        importance: ``[S]``, by which it was decided.
        pruned, dropped, grown: sensors that went for good, that went in an exchange, and that came
            in one.
    """

    step: int
    sparsity: float
    active: tuple[bool, ...]
    importance: tuple[float, ...]
    pruned: tuple[int, ...] = ()
    dropped: tuple[int, ...] = ()
    grown: tuple[int, ...] = ()

    @classmethod
    def of(cls, update: MaskUpdate) -> Self:
        tensors = {"active": update.active.tolist(), "importance": update.importance.tolist()}
        return cls.model_validate(vars(update) | tensors)


class SelectionReport(_Form):
    """What a search's choice was held against.

    Args:
        rule: the simple rule that was the best on the blocks that the search looked at.
        taken: whether the search's choice was taken, and not the rule's.
        same: whether the search ended at the rule's choice.
        blocks: of time that the search had compared nothing on, on which they were compared; 0
            where there was none.
        block: length of one, as a person reads it.
        difference: mean error of the search's choice less the rule's, in the unit of the first
            target.
        upper: one-sided 95 % bound of the Winsorised difference by blocks.
        ruled: sensors that the rule keeps. None in reports before it was noted.
        seeds: searches that voted for the search's choice.
        overlap: mean Jaccard index of two of them; 1 of a single one.
    """

    rule: str
    taken: bool
    same: bool
    blocks: int = 0
    block: str = ""
    difference: float | None = None
    upper: float | None = None
    ruled: tuple[int, ...] | None = None
    seeds: int = 1
    overlap: float = 1.0

    @classmethod
    def of(cls, verdict: Verdict, block: str) -> Self:
        found = verdict.confirmed
        known = {} if found is None else {"difference": found.difference, "upper": found.upper()}
        return cls(
            rule=verdict.rule,
            taken=verdict.taken,
            same=torch.equal(verdict.searched, verdict.ruled),
            blocks=0 if found is None else found.blocks,
            block=block,
            ruled=tuple(verdict.ruled.nonzero().squeeze(1).tolist()),
            seeds=verdict.seeds,
            overlap=verdict.overlap,
            **known,
        )

    def figures(self) -> dict[str, float]:
        """By the names that MLflow shows."""
        known = {"difference": self.difference, "upper_bound": self.upper}
        if self.seeds > 1:
            known["overlap_of_seeds"] = self.overlap
        found = {name: value for name, value in known.items() if value is not None}
        return {
            f"search/{name}": value
            for name, value in (found | {"taken": float(self.taken)}).items()
        }

    def sentence(self, unit: str = "") -> str:
        """What was chosen, and why, for a person."""
        if self.seeds > 1:
            return f"{self._votes()} {self._verdict(unit, 'what most of them keep')}"
        return self._verdict(unit, "the search's")

    def _votes(self) -> str:
        return (
            f"{self.seeds} searches, each by a network of its own, voted; the sensors that two of "
            f"them keep are {self.overlap:.0%} the same (Jaccard)."
        )

    def _verdict(self, unit: str, searched: str) -> str:
        rule = f"{self.rule.replace('_', ' ')}, the best simple rule"
        if self.same and self.seeds > 1:
            return f"What most of them keep is the choice of {rule}."
        if self.same:
            return f"The search ended at the choice of {rule}."
        if self.difference is None or self.upper is None:
            return (
                f"The choice is that of {rule}: the record is too short to compare {searched} with "
                f"it."
            )
        where = f"on {self.blocks} blocks of {self.block} that no search had looked at"
        by = f"{abs(self.difference):.3g}{unit and ' '}{unit}"
        if self.taken:
            return (
                f"The choice is {searched}: {where}, its error is {by} lower than that of {rule} "
                f"(one-sided test at 5 %: the bound of the difference is {self.upper:.2g})."
            )
        way = "lower" if self.difference < 0 else "higher"
        return (
            f"The choice is that of {rule}: {where}, {searched} was not shown to be better (its "
            f"error is {by} {way})."
        )


class _OfArm(_Form):
    """What every report says.

    Args:
        version: of this form.
        time: at which it was made, in ms since 1970, as MLflow counts; 0 until it is published.
        note: for a person, where something happened that has no figure.
        arm, arm_kind: whose it is.
        step: training steps that the arm has done.
    """

    version: Literal[1] = 1
    time: int = 0
    note: str | None = None
    arm: str
    arm_kind: ArmKind
    step: int

    @model_validator(mode="before")
    @classmethod
    def _of_a_known_version(cls, document: Any) -> Any:
        if isinstance(document, dict) and document.get("version", VERSION) > VERSION:
            raise ValueError(
                f"is of version {document['version']}, and this DynST reads up to {VERSION}; "
                f"update DynST"
            )
        return document


class EpochReport(_OfArm):
    """The end of an epoch.

    Args:
        epoch, epochs: which, of how many.
        train_loss, val_mae: in the unit of the first target; of the sensors of each step, and of
            ALL locations.
        sparsity: share of sensors that are off.
        exchanged: sensors that came in exchanges.
        seconds: that the epoch took, validation included.
        windows_per_second: of all workers while they trained. None in reports before it was
            measured, as what follows.
        workers: how many.
        peak_memory_mib, peaks_mib: the most that any worker has held, and each of them.
        updates: of the mask in this epoch.
    """

    kind: Literal["epoch"] = "epoch"
    epoch: int
    epochs: int
    train_loss: float
    val_mae: float
    sparsity: float
    exchanged: int
    seconds: float
    windows_per_second: float | None = None
    workers: int | None = None
    peak_memory_mib: float | None = None
    peaks_mib: tuple[float, ...] = ()
    updates: tuple[MaskChange, ...] = ()


class ArmReport(_OfArm):
    """The end of an arm.

    Args:
        active, importance: ``[S]``, the final choice and by what it was made.
        mae_by_sensor: ``[S]`` on the test part, in the unit of the first target.
        simpler_by_sensor: the same of forecasters without a network, by name. Empty in reports
            before there were any.
        present_by_sensor: ``[S]``, errors of the present step without the location's own reading;
            empty where the model has none.
        metrics: figures by the names that MLflow shows.
        errors: by forecaster, group of sensors, channel and step ahead.
        efficiency: of inference, by name; empty where it was not measured.
        artifact: the folder of the model.
        selection: of the searched scheme; None in reports before there was one.
    """

    kind: Literal["arm"] = "arm"
    active: tuple[bool, ...]
    importance: tuple[float, ...]
    mae_by_sensor: tuple[float, ...]
    simpler_by_sensor: dict[str, tuple[float, ...]] = {}
    present_by_sensor: tuple[float, ...] = ()
    metrics: dict[str, float]
    errors: tuple[StepError, ...] = ()
    efficiency: dict[str, float] = {}
    artifact: str
    selection: SelectionReport | None = None


Report = EpochReport | ArmReport
_ANY: TypeAdapter[Report] = TypeAdapter(Annotated[Report, Field(discriminator="kind")])


def read_report(line: bytes) -> Report:
    """One line of a report file.

    Raises:
        DataError: it is no report, or one of a later version.
    """
    try:
        return _ANY.validate_json(line)
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(str(part) for part in problem["loc"]) or "a line"
        raise DataError(
            f"a report must be as DynST wrote it, but {where}: {problem['msg']}; restore the file"
        ) from error
