"""A sweep file: a base job, which of its keys to search, how, and for how long."""

from math import prod
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, Field, field_validator, model_validator

from dynst.bounds import (
    LEAST_PORTION,
    FewOrNone,
    Magnitude,
    Number,
    Positive,
    Seed,
    Span,
    Text,
    WholeNumber,
)
from dynst.sparsity.config import todays_scheme
from dynst_platform.config.credentials import refuse_credentials
from dynst_platform.config.job import MOST_ENTRIES, Name, Once, Seeds, Spec
from dynst_platform.config.values import Document, Overrides

__all__ = ["DIRECTIONS", "Dimension", "ObjectiveName", "Resources", "SweepSpec"]

ObjectiveName = Literal["mae_all", "sparsity", "cost", "latency_ms"]
DIRECTIONS: dict[str, Literal["minimize", "maximize"]] = {
    "mae_all": "minimize",
    "sparsity": "maximize",
    "cost": "minimize",
    "latency_ms": "minimize",
}
MOST_CROSSED = 5000
SCHEME = "sparsity.scheme"
IN_FLIGHT = (
    "training.learning_rate",
    "training.clip_norm",
    "sparsity.drop_fraction",
    "sparsity.probe_every",
)
SEARCHED = (
    "data.targets",
    "data.season",
    "data.split",
    "model.",
    "training.",
    "sparsity.",
    "search.",
)  # what a trial may change


def _rising(pair: tuple[float, float]) -> tuple[float, float]:
    if not pair[0] < pair[1]:
        raise ValueError("must be [low, high] with low below high")
    return pair


def _todays(wanted: Any) -> Any:
    if isinstance(wanted, list | tuple):
        return type(wanted)(todays_scheme(name) for name in wanted)
    return todays_scheme(wanted)


Range = Annotated[tuple[Number, Number], AfterValidator(_rising)]
Entries = Annotated[tuple[Any, ...], Field(min_length=1, max_length=MOST_ENTRIES), Once]


class Dimension(Spec):
    """What values a key of the job may take; exactly one of the kinds."""

    model_config = ConfigDict(populate_by_name=True)

    uniform: Range | None = None
    loguniform: Range | None = None
    int_: Annotated[tuple[WholeNumber, WholeNumber], AfterValidator(_rising)] | None = Field(
        None, alias="int"
    )
    choice: Entries | None = None
    grid: Entries | None = Field(
        None, description="as choice; the searcher grid crosses all of them"
    )
    when: Overrides = Field(
        {}, description="searched only where these keys have this value, or one of these"
    )

    @model_validator(mode="after")
    def _one_kind(self) -> "Dimension":
        kinds = [
            name
            for name in ("uniform", "loguniform", "int", "choice", "grid")
            if self._kind(name) is not None
        ]
        if len(kinds) != 1:
            raise ValueError(
                "a key of the space must have one of uniform, loguniform, int, choice, grid, "
                f"but got {' and '.join(kinds) or 'none'}"
            )
        if any(wanted in ([], ()) for wanted in self.when.values()):
            raise ValueError("when must name at least one value for each key")
        if self.loguniform is not None and self.loguniform[0] <= 0:
            raise ValueError(f"loguniform must be above 0, but got {self.loguniform[0]:g}")
        return self

    def with_todays_schemes(self, key: str) -> "Dimension":
        """The same values of ``key`` and conditions, where they were given by earlier names."""
        when = {
            other: _todays(wanted) if other == SCHEME else wanted
            for other, wanted in self.when.items()
        }
        own = {} if key != SCHEME else {"choice": _todays(self.choice), "grid": _todays(self.grid)}
        return self.model_copy(update={"when": when, **own})

    def _kind(self, name: str) -> Any:
        return getattr(self, "int_" if name == "int" else name)

    @property
    def entries(self) -> tuple[Any, ...] | None:
        """All its values, where they can be listed."""
        return self.choice or self.grid

    @property
    def extremes(self) -> tuple[Any, ...]:
        """Values that every other one lies between and one that is no whole number, or all of
        them.
        """
        pair = self.uniform or self.loguniform
        found = (
            self.entries
            or self.int_
            or ((*pair, pair[0] + 0.618 * (pair[1] - pair[0])) if pair else None)
        )
        assert found is not None
        return found


class Resources(Spec):
    """What Ray sets aside for each worker of a trial."""

    workers: Span = Field(
        1,
        description="one trains in the trial's own process, several under Ray Train",
    )
    cpu: Positive = Field(1, description="and as many threads, at least one")
    gpu: Magnitude = Field(0, description="a fraction lets trials share one")

    @model_validator(mode="after")
    def _gpus_can_be_set_aside(self) -> "Resources":
        """As Ray does it; and nccl refuses two workers of one training on one GPU."""
        if self.gpu != int(self.gpu) and (self.gpu > 1 or self.workers > 1):
            raise ValueError(
                f"resources.gpu must be a whole number above 1 and for trials of several workers, "
                f"but got {self.gpu:g} with {self.workers} workers; take 1"
            )
        if 0 < self.gpu < LEAST_PORTION:
            raise ValueError(
                f"resources.gpu must be 0 or at least {LEAST_PORTION}, but got {self.gpu:g}; "
                f"raise it"
            )
        return self


class SweepSpec(Spec):
    name: Name
    job: Document = Field(
        description="the base job: its settings, or in a file the path of a job file beside it"
    )
    set: Overrides = Field({}, description="settings of the base job to replace, by dotted key")
    space: dict[Text, Dimension] = Field(
        min_length=1, max_length=100, description="dotted keys of the job"
    )
    searcher: Literal["random", "grid", "tpe"] = Field(
        "tpe", description="tpe searches for all objectives at once"
    )
    scheduler: Literal["none", "asha", "median", "pbt"] = Field(
        "none",
        description="asha and median stop trials early; pbt lets bad ones go on from good ones "
        "with other rates",
    )
    perturb_every: Span = Field(2, description="epochs between two such exchanges")
    objectives: Annotated[tuple[ObjectiveName, ...], Once] = Field(
        ("mae_all", "sparsity"),
        min_length=1,
        description="mae_all is measured on the validation part",
    )
    trials: Span = 20
    minutes: Positive | None = Field(None, description="no trial starts after this time")
    at_once: Span | None = Field(
        None,
        description="trials at a time; by default as many as the resources allow",
    )
    resources: Resources = Resources()
    seeds: Seeds = Field(
        (0,),
        description="every trial trains with each of them, and its error is the mean",
    )
    retries: FewOrNone = Field(1, description="of a trial that fails")
    hung_after_minutes: Positive = Field(
        30, description="without a sign of life a trial is given up"
    )
    within: Magnitude = Field(
        0.05,
        description="the chosen trial has most sensors off at no more than this share over dense",
    )
    seed: Seed = Field(0, description="of the searcher")

    @model_validator(mode="before")
    @classmethod
    def _without_credentials(cls, document: Any) -> Any:
        return refuse_credentials(document)

    @field_validator("space", mode="after")
    @classmethod
    def _with_todays_schemes(cls, space: dict[str, Dimension]) -> dict[str, Dimension]:
        """Conditions are compared with the checked job, which has schemes by today's names."""
        return {key: dimension.with_todays_schemes(key) for key, dimension in space.items()}

    @model_validator(mode="after")
    def _parts_agree(self) -> "SweepSpec":
        if self.scheduler != "none" and self.objectives != ("mae_all",):
            raise ValueError(
                f"scheduler {self.scheduler} compares trials by one figure while they run, so "
                f"objectives must be [mae_all], "
                f"but got {list(self.objectives)}; set scheduler none, or search at one sparsity"
            )
        if self.searcher == "grid":
            endless = [key for key, dimension in self.space.items() if dimension.entries is None]
            if endless:
                raise ValueError(
                    f"searcher grid crosses lists, but {endless[0]} has a range; give it choice "
                    f"or grid"
                )
            crossed = prod(len(dimension.entries or ()) for dimension in self.space.values())
            if crossed > MOST_CROSSED:
                raise ValueError(
                    f"searcher grid crosses at most {MOST_CROSSED:,} combinations, but the space "
                    f"has {crossed:.3g}; shorten its lists, or set searcher random"
                )
        strange = [key for key in self.space if not key.startswith(SEARCHED)]
        if strange:
            allowed = ", ".join(name.removesuffix(".") for name in SEARCHED)
            raise ValueError(
                f"the space may have keys of {allowed}, but got {strange[0]}; seeds has a key of "
                f"its own"
            )
        if self.scheduler == "pbt":
            self._check_population()
        for key, dimension in self.space.items():
            known = list(self.space)
            late = [
                other
                for other in dimension.when
                if other in known and known.index(other) >= known.index(key)
            ]
            if late:
                raise ValueError(
                    f"{key} depends on {late[0]}, which must stand before it in the space"
                )
        return self

    def _check_population(self) -> None:
        """A population advances together, and only what may change in the middle of a training
        differs in it.
        """
        fixed = [key for key in self.space if key not in IN_FLIGHT]
        if fixed:
            rates = ", ".join(IN_FLIGHT)
            raise ValueError(
                f"scheduler pbt changes rates in flight, so the space may have {rates}, but got "
                f"{fixed[0]}"
            )
        if self.searcher == "tpe":
            raise ValueError(
                "scheduler pbt needs all its trials at the start, but searcher tpe learns from "
                "each; set random"
            )
        if self.at_once is not None:
            raise ValueError(
                "scheduler pbt takes turns where room is short, so leave at_once out; resources "
                "say what fits"
            )
        if self.resources.workers > 1:
            raise ValueError(
                f"scheduler pbt needs trials of one worker, but got resources.workers "
                f"{self.resources.workers}"
            )
