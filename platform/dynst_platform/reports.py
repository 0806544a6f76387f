"""What a training reports: one line of ``reports.jsonl`` for each epoch and each arm's end.

Workers write them, the driver's progress and MLflow read them, and a run that is resumed or sent
later reads those of earlier versions: what a version adds has a default.
"""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from dynst.errors import DataError
from dynst.evaluation.summary import StepError
from dynst.experiment.arms import ArmKind
from dynst.sparsity.mask import MaskUpdate

__all__ = ["COST", "VERSION", "ArmReport", "EpochReport", "MaskChange", "Report", "read_report"]

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
        metrics: figures by the names that MLflow shows.
        errors: by forecaster, group of sensors, channel and step ahead.
        efficiency: of inference, by name; empty where it was not measured.
        artifact: the folder of the model.
    """

    kind: Literal["arm"] = "arm"
    active: tuple[bool, ...]
    importance: tuple[float, ...]
    mae_by_sensor: tuple[float, ...]
    metrics: dict[str, float]
    errors: tuple[StepError, ...] = ()
    efficiency: dict[str, float] = {}
    artifact: str


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
