"""What goes through Ray Tune: a trial's number and jobs on the way there, a report for each epoch
on the way back, and a last one that ends it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf, nan
from typing import Any, Self

from pydantic import BaseModel, ConfigDict

from dynst_platform.config.job import JobSpec

__all__ = ["TrialConfig", "TrialReport", "TrialResult"]


@dataclass(frozen=True)
class TrialConfig:
    """What a trial trains: the same job once for each seed."""

    number: int
    jobs: tuple[JobSpec, ...]

    def for_tune(self) -> dict[str, object]:
        """Plain, since Tune writes it to disk."""
        return {"number": self.number, "jobs": [job.model_dump(mode="json") for job in self.jobs]}

    @classmethod
    def read(cls, config: Mapping[str, Any]) -> Self:
        return cls(config["number"], tuple(map(JobSpec.model_validate, config["jobs"])))


class TrialResult(BaseModel):
    """What a trial that came to its end has found, means over its seeds.

    Args:
        objectives: by name, as a sweep may have them.
        metrics: figures of the test part and of the model, by the names that MLflow shows.
        active, importance: ``[S]``, the choice of the first seed and by what it was made.
        seconds: that the trial took.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")

    objectives: dict[str, float]
    metrics: dict[str, float]
    active: tuple[bool, ...]
    importance: tuple[float, ...]
    seconds: float


class TrialReport(BaseModel):
    """Figures of an epoch, means over the seeds.

    Tune adds keys of its own, which are left out but for the time.

    Args:
        epoch: 0 where the trial failed before the end of the first.
        settled: epochs since the mask was final, the clock by which trials of different schedules
            are compared.
        mae_all: on the validation part, over ALL locations, in the unit of the first target.
        train_mae: of the sensors of each step.
        sparsity: share of sensors that are off.
        exchanged: sensors that came in exchanges of this epoch, over all seeds.
        steps: that the trial has trained itself, over all seeds, without a shared warm-up.
        result: of the last report of a trial that came to its end.
        failed: why a trial cannot come to its end; it is not tried again.
        time_total_s: seconds, as Tune counts them.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", ser_json_inf_nan="constants")

    epoch: int = 0
    settled: int = 0
    mae_all: float = inf
    train_mae: float = nan
    sparsity: float = 0.0
    exchanged: int = 0
    steps: int = 0
    result: TrialResult | None = None
    failed: str | None = None
    time_total_s: float | None = None

    @classmethod
    def read(cls, line: bytes) -> Self:
        """From a line of the file that a trial of several workers leaves."""
        return cls.model_validate_json(line)

    def for_tune(self) -> dict[str, object]:
        """Flat, since schedulers look at single keys."""
        return self.model_dump(exclude={"time_total_s"})
