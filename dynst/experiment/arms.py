"""The trainings that one experiment compares, each called an arm."""

from dataclasses import dataclass
from enum import StrEnum

from torch import Tensor

from dynst.training.trainer import Training

__all__ = ["Arm", "ArmKind"]


class ArmKind(StrEnum):
    """How an arm came to its sensors; the values stand in reports and as tags in MLflow."""

    DENSE = "dense"  # all of them
    LEARNED = "learned"  # what the experiment is about
    RANDOM = "random"
    BASELINE = "baseline"  # a ranking without training, or a user's own choice


@dataclass(frozen=True)
class Arm:
    """One training of an experiment.

    Args:
        name: as in reports and MLflow.
        kind: how it comes to its sensors.
        training: the forecaster with its scheme, optimizer and data.
    """

    name: str
    kind: ArmKind
    training: Training

    @property
    def active(self) -> Tensor:
        """Bool ``[S]``, the sensors that are on now."""
        return self.training.scheme.active
