"""Which training may go into service, and whether it takes the champion's place: rules over plain
figures.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Any

from dynst_platform.config.job import PromotionSpec
from dynst_platform.model_registry.runs import Training

__all__ = [
    "Candidate",
    "Figures",
    "Rules",
    "candidates_of",
    "reasons_to_keep_champion",
    "shortfalls",
]

Rules = Mapping[str, float | int | None]
"""Values of ``PromotionSpec`` by name; None leaves the job's own."""

SAME_ERROR = 1e-4  # relative; below it two errors are one


@dataclass(frozen=True)
class Candidate:
    """A training and those that differ from it in the seed alone."""

    training: Training
    runs: tuple[str, ...]
    seeds: int
    over_dense: float  # mean over the seeds
    deviation: float | None  # standard deviation over the seeds, of the same share
    policy: PromotionSpec

    @property
    def sparsity(self) -> float:
        return self.training.metrics["mask/final_sparsity"]

    @property
    def cost(self) -> float:
        return self.training.metrics["mask/cost"]

    @property
    def speed_up(self) -> float | None:
        return self.training.figure("efficiency/speed_up")


@dataclass(frozen=True)
class Figures:
    """Of one model on the test part of one store, measured anew."""

    mae_all: float
    mae_active: float
    mae_inactive: float | None
    sparsity: float
    cost: float
    horizon: int
    targets: tuple[str, ...]


def candidates_of(trainings: Sequence[Training], flags: Rules) -> list[Candidate]:
    """Each under the policy of its own job, in which ``flags`` take the place of single rules.

    The best first.

    The best reads sensors that cost least; of equal cost, the one with the smallest error. Of
    several seeds the training with the smallest error stands for all.
    """
    groups: dict[str, list[Training]] = {}
    for training in trainings:
        if training.is_candidate:
            groups.setdefault(_alike(training), []).append(training)
    found = [_candidate(group, flags) for group in groups.values()]
    return sorted(found, key=lambda candidate: (candidate.cost, candidate.over_dense))


def _alike(training: Training) -> str:
    """Several runs of one seed are alike too.

    A trial of a sweep stands alone, since it has its seeds inside.
    """
    own = training.run_id if training.kind == "trial" else ""
    held = (training.data_digest, training.decisions_digest)
    return repr((sorted(training.settings.items()), held, own))


def _candidate(group: list[Training], flags: Rules) -> Candidate:
    newest: dict[Any, Training] = {}
    for training in group:  # the newest first
        newest.setdefault(training.seeds, training)
    shares = [
        training.over_dense for training in newest.values() if training.over_dense is not None
    ]
    best = min(newest.values(), key=lambda training: training.mae_all or float("inf"))
    several = best.seeds if isinstance(best.seeds, int) else len(newest)
    return Candidate(
        training=best,
        runs=tuple(training.run_id for training in newest.values()),
        seeds=several,
        over_dense=fmean(shares),
        deviation=stdev(shares) if len(shares) > 1 else None,
        policy=group[0].policy.model_copy(
            update={name: value for name, value in flags.items() if value is not None}
        ),
    )


def shortfalls(candidate: Candidate) -> list[str]:
    """Each rule of its policy that it breaks, with the figure.

    Empty where it may go into service.
    """
    policy, found = candidate.policy, list[str]()
    if candidate.over_dense > policy.max_over_dense:
        found.append(
            f"its error is {candidate.over_dense:+.1%} against dense, at most "
            f"{policy.max_over_dense:+.1%} is allowed"
        )
    if candidate.sparsity < policy.min_sparsity - 1e-9:
        found.append(
            f"{candidate.sparsity:.1%} of the sensors are off, at least {policy.min_sparsity:.1%} "
            f"are wanted"
        )
    if policy.max_cost is not None and candidate.cost > policy.max_cost:
        found.append(f"its sensors cost {candidate.cost:g}, at most {policy.max_cost:g} is allowed")
    if policy.min_speed_up and (candidate.speed_up or 0) < policy.min_speed_up:
        had = "unknown" if candidate.speed_up is None else f"{candidate.speed_up:.2f} ×"
        found.append(f"its speed-up is {had}, at least {policy.min_speed_up:.2f} × is wanted")
    if candidate.seeds < policy.min_seeds:
        found.append(
            f"it was trained with {candidate.seeds} seeds, at least {policy.min_seeds} are wanted"
        )
    return found


def reasons_to_keep_champion(
    new: Figures, old: Figures, dense: float, policy: PromotionSpec
) -> list[str]:
    """Why the champion stays, both measured on the same test part.

    Empty where the new one takes its place.

    It does if the champion breaks the policy, or costs more, or costs the same and errs more.
    """
    if (new.horizon, new.targets) != (old.horizon, old.targets):
        return [
            f"the champion forecasts {', '.join(old.targets)} {old.horizon} steps ahead and the "
            f"candidate {', '.join(new.targets)} "
            f"{new.horizon}, so their errors cannot be compared; give the model another name"
        ]
    if old.mae_all / dense - 1 > policy.max_over_dense or old.sparsity < policy.min_sparsity - 1e-9:
        return []
    if policy.max_cost is not None and old.cost > policy.max_cost:
        return []
    if new.cost > old.cost:
        return [
            f"its sensors cost {new.cost:g}, the champion's {old.cost:g}, and the champion meets "
            f"the policy too"
        ]
    if new.cost == old.cost and new.mae_all >= old.mae_all * (1 - SAME_ERROR):
        return [
            f"for the same cost of {new.cost:g} its error is {new.mae_all:.4g}, the champion's "
            f"{old.mae_all:.4g}"
        ]
    return []
